"""Completing an assessment, and deciding on it."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from services.intake.domain import admissions, assessments, decisions, diagnoses, outward, withdrawal
from services.intake.domain.episodes import AlreadyAdmitted, EpisodeClosed
from shared.contracts.common import SafetyConcernRaised
from shared.contracts.event import Actor
from shared.contracts.intake import FIT_FACTORS, AssessmentCompleted, LevelOfCareDecided
from shared.errors import Conflict, Forbidden, InvalidInput
from tests.intake.builders import COUNSELOR, NOW, complete, episode, findings, home, patient, site


class TestComplete:
    def test_recommends_with_reasons_and_tells_the_others(self) -> None:
        assessment, (completed,) = complete()

        assert isinstance(completed, AssessmentCompleted)
        assert completed.recommended_level == "2.1"
        assert completed.deciding_dimensions == (4, 5)
        assert completed.fit_factors == FIT_FACTORS
        assert completed.fit_results == ("MET", "MET", "MET", "MET", "MET", "NOT_MET")
        assert (completed.problems, completed.severities, completed.icd10_codes) == (
            ("ALCOHOL",),
            ("MODERATE",),
            ("F10.20",),
        )
        assert completed.withdrawal_gate == "CLEAR"
        assert assessment.recommendation["alternatives"]

    def test_lists_every_dimension_that_is_not_rated(self) -> None:
        with pytest.raises(assessments.AssessmentIncomplete) as refused:
            complete(findings=findings(dimensions=(0, None, 1, 2)))

        assert [problem["field"] for problem in refused.value.problems] == [
            "dimensions.1",
            "dimensions.4",
            "dimensions.5",
        ]

    def test_takes_fit_never_for_a_denial(self) -> None:
        shelterless = home(safe=False)

        _, events = complete(findings=findings(home=shelterless), placeable_minutes=0)

        assert events[-1].recommended_level == "2.1"
        assert "NOT_MET" in events[-1].fit_results

    @pytest.mark.parametrize(
        ("changes", "concerns"),
        [
            ({"danger": assessments.Danger(suicidal_intent="ACTIVE", violence_threat=False)},
             [("DANGER_ANSWER", "E4")]),
            ({"danger": assessments.Danger(suicidal_intent="PASSIVE", violence_threat=True)},
             [("DANGER_ANSWER", "E3"), ("VIOLENCE", "E4")]),
            ({"withdrawal": withdrawal.Signs(overdose_last_72h=True)}, [("OVERDOSE", "E4")]),
            ({"withdrawal": withdrawal.Signs(hallucinations=True)}, [("WITHDRAWAL_EMERGENCY", "E4")]),
        ],
    )  # fmt: skip
    def test_raises_danger_to_a_human_together_with_the_assessment(
        self, changes: dict[str, Any], concerns: list[tuple[str, str]]
    ) -> None:
        assessment, events = complete(findings=findings(**changes))

        raised = [event for event in events if isinstance(event, SafetyConcernRaised)]
        assert [(event.concern, event.level) for event in raised] == concerns
        assert all(event.evidence_id == assessment.assessment_id for event in raised)
        assert isinstance(events[-1], AssessmentCompleted)
        assert assessments.crisis_content(assessment.risk_flags, emergency_phone="5550142") is not None

    @pytest.mark.parametrize("dimensions", [(4, 0, 1, 2, 2, 1), (0, 4, 1, 2, 2, 1), (0, 0, 4, 2, 2, 1)])
    def test_raises_a_rating_of_imminent_danger_to_a_human(self, dimensions: tuple[int, ...]) -> None:
        assessment, events = complete(findings=findings(dimensions=dimensions))

        assert [(one.concern, one.level) for one in events[:-1]] == [("DANGER_ANSWER", "E3")]
        assert assessments.crisis_content(assessment.risk_flags, emergency_phone=None)

    def test_tells_of_a_danger_once_where_the_assessor_names_it(self) -> None:
        told = assessments.Danger(suicidal_intent="ACTIVE", violence_threat=False)

        _, events = complete(findings=findings(dimensions=(0, 0, 4, 2, 2, 1), danger=told))

        assert [(one.concern, one.level) for one in events[:-1]] == [("DANGER_ANSWER", "E4")]

    def test_takes_other_dimensions_for_no_danger_of_life(self) -> None:
        _, events = complete(findings=findings(dimensions=(0, 0, 1, 4, 4, 4)))

        assert len(events) == 1

    def test_shows_no_crisis_content_where_there_is_no_risk(self) -> None:
        assessment, _ = complete()

        assert assessments.crisis_content(assessment.risk_flags, emergency_phone="5550142") is None

    def test_holds_somebody_who_means_to_act_on_suicidal_thoughts(self) -> None:
        danger = assessments.Danger(suicidal_intent="ACTIVE", violence_threat=False)

        assessment, _ = complete(findings=findings(danger=danger))

        assert assessment.gate["held_by"] == ["SUICIDAL_INTENT"]
        assert assessment.gate_holds

    def test_replaces_an_earlier_decision(self) -> None:
        decided = episode(state="DECIDED", decision_id="d", decided_level="2.1", assessment_id="a")

        complete(episode=decided)

        assert (decided.state, decided.decision_id, decided.decided_level) == ("ASSESSED", None, None)

    def test_refuses_once_somebody_is_admitted_or_gone(self) -> None:
        with pytest.raises(AlreadyAdmitted):
            complete(episode=episode(state="ADMITTED"))
        with pytest.raises(EpisodeClosed):
            complete(episode=episode(state="REFERRED_ELSEWHERE", closed_at=NOW))

    def test_marks_a_minor(self) -> None:
        assessment, _ = complete(patient=patient(birth_date="2009-01-01"))

        assert assessment.minor
        assert "MINOR" in [reason["code"] for reason in assessment.recommendation["reasons"]]

    def test_knows_an_opioid_in_remission(self) -> None:
        past = diagnoses.ReportedProblem(problem="OPIOID", criteria_count=0, remission_since=date(2025, 9, 1))

        assessment, _ = complete(findings=findings(problems=[past]))

        assert assessment.opioid


def decide(**changes: Any) -> tuple[decisions.LevelDecision, list[Any]]:
    assessed = episode()
    assessment, _ = complete(episode=assessed)
    values: dict[str, Any] = {
        "decision_id": "decision",
        "episode": assessed,
        "assessment": assessment,
        "site": site(),
        "level": "2.1",
        "override_reason_code": None,
        "override_reason": None,
        "actor": COUNSELOR,
        "now": NOW,
    }
    return decisions.decide(**values | changes)


class TestDecide:
    def test_records_who_decided_with_which_licence(self) -> None:
        decision, (decided,) = decide()

        assert isinstance(decided, LevelOfCareDecided)
        assert (decision.decided_by, decision.decided_by_role, decision.decided_by_credential) == (
            "nora",
            "counselor",
            "LPC",
        )
        assert not decided.overridden

    @pytest.mark.parametrize("credential", ["", "CPSS", "lpc"])
    def test_refuses_somebody_without_a_licence(self, credential: str) -> None:
        with pytest.raises(Forbidden):
            decide(actor=Actor(actor_id="kim", role="counselor", credential=credential))

    def test_needs_a_reason_against_the_recommendation(self) -> None:
        with pytest.raises(InvalidInput) as refused:
            decide(level="2.5")

        assert [problem["field"] for problem in refused.value.problems] == [
            "override_reason_code",
            "override_reason",
        ]

    def test_tells_the_others_the_code_of_the_reason_and_never_its_words(self) -> None:
        _, (decided,) = decide(
            level="2.5", override_reason_code="SAFETY", override_reason="Her brother drinks at home."
        )

        assert (decided.overridden, decided.override_reason) == (True, "SAFETY")
        assert "brother" not in str(decided.to_data())

    def test_refuses_a_second_decision_on_one_assessment(self) -> None:
        decided = episode()
        assessment, _ = complete(episode=decided)
        decide(episode=decided, assessment=assessment)

        with pytest.raises(decisions.AlreadyDecided):
            decide(episode=decided, assessment=assessment)

    def test_refuses_an_assessment_that_is_not_the_newest(self) -> None:
        assessed = episode()
        older, _ = complete(episode=assessed, assessment_id="older")
        complete(episode=assessed, assessment_id="newer")

        with pytest.raises(decisions.AssessmentSuperseded):
            decide(episode=assessed, assessment=older)


def admit(**changes: Any) -> tuple[admissions.Admission, list[Any]]:
    values: dict[str, Any] = {
        "admission_id": "admission",
        "episode": episode(state="DECIDED", decided_level="2.1"),
        "patient": patient(),
        "site": site(),
        "assessment": complete()[0],
        "held_since": [],
        "treatment_consent": True,
        "follow_up_consent": False,
        "opioid_history": False,
        "actor_id": "nora",
        "actor_role": "front_desk",
        "now": NOW,
    }
    return admissions.admit(**values | changes)


class TestAdmit:
    @pytest.mark.parametrize(
        ("level", "minutes"),
        [
            ("1", (0, 540)),
            ("1.5", (0, 540)),
            ("2.1", (540, 1140)),
            ("2.5", (1200, 2400)),
            ("2.7COE", (1200, 2400)),
        ],
    )
    def test_tells_the_hours_of_the_level(self, level: str, minutes: tuple[int, int]) -> None:
        decided = episode(state="DECIDED", decided_level=level)

        _, (admitted,) = admit(episode=decided, site=site(levels_licensed=[level]))

        assert (admitted.weekly_minutes_floor, admitted.weekly_minutes_ceiling) == minutes
        assert (admitted.planned_weeks, admitted.time_zone) == (12, "America/Chicago")

    @pytest.mark.parametrize(
        ("change", "fields"),
        [
            (lambda: {"treatment_consent": False}, ["consent"]),
            (lambda: {"held_since": ["SUICIDE_SCREEN_DUE", "WITHDRAWAL"]}, ["gate", "gate"]),
            (lambda: {"patient": patient(birth_date="2008-02-03")}, ["patient"]),
            (lambda: {"episode": episode(state="DECIDED", decided_level="2.5")}, ["level"]),
            (lambda: {"episode": episode(state="ASSESSED")}, ["decision"]),
            (lambda: {"episode": episode(), "treatment_consent": False}, ["decision", "consent"]),
            (
                lambda: {"assessment": complete(findings=findings(withdrawal=withdrawal.Signs(pawss=4)))[0]},
                ["gate"],
            ),
        ],
    )
    def test_names_everything_that_is_missing(
        self, change: Callable[[], dict[str, Any]], fields: list[str]
    ) -> None:
        with pytest.raises(admissions.AdmissionNotPossible) as refused:
            admit(**change())

        assert [problem["field"] for problem in refused.value.problems] == fields

    def test_has_no_place_for_residential_care_even_where_a_site_is_licensed(self) -> None:
        with pytest.raises(Conflict):
            admit(episode=episode(state="DECIDED", decided_level="3.5"), site=site(levels_licensed=["3.5"]))

    def test_happens_once(self) -> None:
        decided = episode(state="DECIDED", decided_level="2.1")
        admit(episode=decided)

        with pytest.raises(AlreadyAdmitted):
            admit(episode=decided)


def refer(**changes: Any) -> tuple[outward.OutwardReferral, list[outward.FollowUp], list[Any]]:
    values: dict[str, Any] = {
        "outward_referral_id": "outward",
        "episode": episode(state="DECIDED", decided_level="3.5"),
        "site": site(),
        "assessment": None,
        "program": "Harbor House",
        "actor_id": "nora",
        "actor_role": "counselor",
        "now": NOW,
    }
    return outward.refer_elsewhere(**values | changes)


class TestReferElsewhere:
    def test_plans_a_look_after_48_hours_and_7_days(self) -> None:
        left = episode(state="DECIDED", decided_level="3.5")

        _, follow_ups, (referred,) = refer(episode=left)

        waits = [(follow_up.due_at - NOW).total_seconds() / 3600 for follow_up in follow_ups]
        assert waits == [48, 168]
        assert referred.follow_ups_due_at == tuple(follow_up.due_at for follow_up in follow_ups)
        assert (left.state, left.closed_at) == ("REFERRED_ELSEWHERE", NOW)
        assert "Harbor" not in str(referred.to_data())

    def test_refuses_for_a_level_that_the_site_has(self) -> None:
        with pytest.raises(outward.ReferralNotNeeded):
            refer(episode=episode(state="DECIDED", decided_level="2.1"))

    def test_refuses_before_the_decision(self) -> None:
        with pytest.raises(outward.ReferralNotNeeded):
            refer(episode=episode(state="ASSESSED"))

    def test_lets_a_minor_go_on_the_recommendation(self) -> None:
        assessment, _ = complete()

        referral, _, _ = refer(episode=episode(state="ASSESSED", minor=True), assessment=assessment)

        assert referral.level == "2.1"
