"""Fit factors: met, conditional or not met, each with what to do."""

from datetime import date
from typing import Any

import pytest

from services.intake.domain import diagnoses, fit
from shared.errors import InvalidInput
from tests.intake.builders import home


class TestStableHome:
    @pytest.mark.parametrize(
        ("changes", "result", "actions"),
        [
            ({}, "MET", ()),
            ({"use_at_home": True, "coping_plan": True}, "MET", ()),
            ({"use_at_home": True}, "CONDITIONAL", ("REFER_TO_RECOVERY_RESIDENCE",)),
            ({"secure_days": 30}, "MET", ()),
            ({"secure_days": 29}, "CONDITIONAL", ("REFER_TO_RECOVERY_RESIDENCE",)),
            ({"supporters": 0}, "CONDITIONAL", ("FIND_SUPPORTER",)),
            ({"housing": "SHELTER"}, "CONDITIONAL", ("REFER_TO_RECOVERY_RESIDENCE",)),
            (
                {"safe": False, "recovery_residence_possible": True},
                "CONDITIONAL",
                ("REFER_TO_RECOVERY_RESIDENCE",),
            ),
        ],
    )
    def test_weighs_the_home(self, changes: dict[str, Any], result: str, actions: tuple[str, ...]) -> None:
        found = fit.stable_home(home(**changes), violence_threat=False)

        assert (found.result, found.actions) == (result, actions)

    @pytest.mark.parametrize("changes", [{"safe": False}, {"housing": "STREET"}])
    def test_offers_residential_care_instead_of_an_unsafe_home(self, changes: dict[str, Any]) -> None:
        found = fit.stable_home(home(**changes), violence_threat=False)

        assert (found.result, found.alternative) == ("NOT_MET", "3.1")

    def test_takes_a_threat_of_violence_for_an_unsafe_home(self) -> None:
        assert fit.stable_home(home(), violence_threat=True).result == "NOT_MET"


class TestMildToModerate:
    @pytest.mark.parametrize(
        ("count", "ratings", "result"),
        [
            (3, (0, 0, 0, 2, 2, 2), "MET"),
            (5, (1, 1, 2, 2, 2, 2), "MET"),
            (9, (1, 1, 2, 2, 2, 2), "CONDITIONAL"),
            (9, (2, 1, 2, 2, 2, 2), "NOT_MET"),
            (3, (0, 2, 0, 0, 0, 0), "NOT_MET"),
            (3, (0, 0, 3, 0, 0, 0), "NOT_MET"),
            (1, (0, 0, 0, 2, 2, 2), "CONDITIONAL"),
        ],
    )
    def test_never_rejects_for_severity_alone(
        self, count: int, ratings: tuple[int, ...], result: str
    ) -> None:
        reported = diagnoses.ReportedProblem(problem="ALCOHOL", criteria_count=count)
        found = diagnoses.diagnose([reported], today=date(2026, 2, 2))

        factor = fit.mild_to_moderate(
            found,
            beyond_program=fit.is_beyond_program(ratings),
            step_down=False,
            recommended_level="2.5",
        )

        assert factor.result == result
        assert (factor.alternative == "2.5") == (result == "NOT_MET")


class TestObligations:
    @pytest.mark.parametrize(
        ("placeable", "required", "result"),
        [
            (540, 540, "MET"),
            (900, 540, "MET"),
            (539, 540, "CONDITIONAL"),
            (405, 540, "CONDITIONAL"),
            (404, 540, "NOT_MET"),
            (0, 540, "NOT_MET"),
            (0, 0, "MET"),
        ],
    )
    def test_compares_what_fits_with_what_is_needed(self, placeable: int, required: int, result: str) -> None:
        assert fit.obligations(placeable_minutes=placeable, required_minutes=required).result == result

    def test_asks_for_obligations_that_nobody_declared(self) -> None:
        found = fit.obligations(placeable_minutes=None, required_minutes=None)

        assert (found.result, found.actions) == ("CONDITIONAL", ("DECLARE_OBLIGATIONS",))


class TestCommitted:
    @pytest.mark.parametrize(
        ("lowest", "result", "actions"),
        [
            (6, "MET", ()),
            (5, "CONDITIONAL", ("MOTIVATIONAL_INTERVIEWING_WEEKS_1_2",)),
            (3, "CONDITIONAL", ("MOTIVATIONAL_INTERVIEWING_WEEKS_1_2",)),
            (2, "CONDITIONAL", ("PRE_ENGAGEMENT", "MOTIVATIONAL_INTERVIEWING_WEEKS_1_2")),
            (0, "CONDITIONAL", ("PRE_ENGAGEMENT", "MOTIVATIONAL_INTERVIEWING_WEEKS_1_2")),
        ],
    )
    def test_adds_sessions_for_low_motivation_and_refuses_nobody(
        self, lowest: int, result: str, actions: tuple[str, ...]
    ) -> None:
        found = fit.committed(fit.Rulers(importance=9, confidence=lowest, readiness=8))

        assert (found.result, found.actions) == (result, actions)


class TestToolsAgainstTriggers:
    def test_are_met_with_three_triggers_and_a_tool_each(self) -> None:
        triggers = [fit.Trigger(trigger_code="STRESS", coping_tools=1)] * 3

        assert fit.tools_against_triggers(triggers, naloxone=False, opioid=False).result == "MET"

    def test_ask_for_naloxone_where_opioids_are_used(self) -> None:
        triggers = [fit.Trigger(trigger_code="STRESS", coping_tools=1)] * 3

        found = fit.tools_against_triggers(triggers, naloxone=False, opioid=True)

        assert (found.result, found.actions) == ("CONDITIONAL", ("GIVE_NALOXONE",))

    def test_name_what_the_first_sessions_must_do(self) -> None:
        triggers = [fit.Trigger(trigger_code="STRESS", coping_tools=0)]

        found = fit.tools_against_triggers(triggers, naloxone=True, opioid=True)

        assert found.actions == ("LIST_TRIGGERS_IN_SESSIONS_1_2", "FIND_COPING_TOOLS_IN_SESSIONS_1_2")


class TestStepDown:
    def test_is_met_after_residential_care_with_its_deadlines(self) -> None:
        stay = fit.PriorStay(level="3.5", discharged_on=date(2026, 1, 30))

        found = fit.step_down(stay, today=date(2026, 2, 2))

        assert found.result == "MET"
        assert "FIRST_SERVICE_WITHIN_7_DAYS" in found.actions
        assert "REQUEST_SUMMARY" in found.actions

    def test_lets_others_enter_directly(self) -> None:
        outpatient = fit.PriorStay(level="1", discharged_on=date(2026, 1, 30))
        long_ago = fit.PriorStay(level="3.5", discharged_on=date(2025, 12, 30))

        for stay in (None, outpatient, long_ago):
            assert fit.step_down(stay, today=date(2026, 2, 2)).alternative == "DIRECT_ENTRY"

    def test_refuses_a_stay_that_has_not_ended(self) -> None:
        stay = fit.PriorStay(level="3.5", discharged_on=date(2026, 2, 3))

        with pytest.raises(InvalidInput) as refused:
            fit.check_prior_stay(stay, today=date(2026, 2, 2))

        assert refused.value.problems[0]["field"] == "prior_stay.discharged_on"
