"""The 4th edition from the signature to the admission: a tenant that holds its licence uses its levels."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from services.intake.domain import placement4
from services.intake.domain.fit import MET, NOT_MET
from services.intake.service import Intake
from shared.contracts.common import SafetyConcernRaised
from shared.contracts.intake import AssessmentCompleted, LevelOfCareDecided, PatientAdmitted
from shared.errors import Conflict, InvalidInput
from tests.intake.builders import SITE_ID
from tests.intake.test_service import House
from tests.support import Room

pytestmark = pytest.mark.database

#: The mildest code of each sub-dimension.
NOTHING = {name: placement4.every_code(name)[-1] for name in placement4.newest().needs}


class Clinic(House):
    """A house that may use the 4th edition."""

    def rate(self, episode_id: str, /, **codes: str) -> dict[str, Any]:
        """Assess by the 4th edition; codes as ``D4A="B"``."""
        told = NOTHING | {name.removeprefix("D"): code for name, code in codes.items()}
        return self.assess(episode_id, edition="ASAM4", dimensions=[], subdimensions=told)


@pytest.fixture
def unsigned(room_of: Callable[[type], Room]) -> Clinic:
    room = room_of(Intake)
    room.host.settings = dataclasses.replace(room.host.settings, licensed_packs=("PLACEMENT_ASAM4",))
    return Clinic(room)


@pytest.fixture
def clinic(unsigned: Clinic) -> Clinic:
    unsigned.sign("PLACEMENT_ASAM4")
    return unsigned


class TestRatings:
    def test_wait_for_the_medical_directors_signature(self, unsigned: Clinic) -> None:
        referral = unsigned.refer()

        with pytest.raises(InvalidInput) as refused:
            unsigned.rate(referral["episode_id"])

        assert "PLACEMENT_ASAM4" in refused.value.problems[0]["rule"]
        assert unsigned.assess(referral["episode_id"])["edition"] == "ASAM3"

    def test_recommend_a_level_of_the_4th_edition_with_reasons(self, clinic: Clinic) -> None:
        referral = clinic.refer()

        assessed = clinic.rate(referral["episode_id"], D4A="B", D3A="1A", D5C="A")

        found = assessed["recommendation"]
        assert (assessed["edition"], assessed["dimension_ratings"]) == ("ASAM4", [])
        assert (found["level"], found["rule_version"]) == ("2.5COE", "ASAM4-1")
        assert found["deciding_dimensions"] == [3, 4]
        assert found["deciding_subdimensions"] == ["3A", "4A"]
        assert [one["code"] for one in found["reasons"]] == ["3A-1A", "4A-B"]
        assert found["services"] == ["RECOVERY_RESIDENCE"]
        assert [one["level"] for one in found["alternatives"]] == ["3.1", "2.5"]
        assert assessed["findings"]["subdimensions"]["4A"] == "B"
        read = clinic.room.ask("get_assessment", {"assessment_id": assessed["assessment_id"]})
        assert read == assessed

    def test_of_imminent_danger_reach_a_human(self, clinic: Clinic) -> None:
        assessed = clinic.rate(clinic.refer()["episode_id"], D4A="B", D3A="4")

        (concern,) = clinic.room.announced_of(SafetyConcernRaised)
        assert (concern.concern, concern.level) == ("DANGER_ANSWER", "E3")
        assert assessed["crisis"]["lines"][0]["code"] == "988"

    def test_are_announced_by_sub_dimension(self, clinic: Clinic) -> None:
        referral = clinic.refer()

        clinic.rate(referral["episode_id"], D4A="B", D1C="A")

        (told,) = clinic.room.announced_of(AssessmentCompleted)
        rated = dict(zip(told.subdimensions, told.subdimension_codes, strict=True))
        assert (told.edition, told.dimension_ratings, rated["4A"]) == ("ASAM4", (), "B")
        assert told.recommended_level == "2.7"
        assert told.dimensions_in_need == (1, 4)

    def test_of_dimensions_1_to_3_tell_how_the_program_fits(self, clinic: Clinic) -> None:
        fits = clinic.rate(clinic.refer()["episode_id"], D4A="B")
        needs_more = clinic.rate(clinic.refer(patient={"given_name": "Ben"})["episode_id"], D4A="B", D1B="2")

        (one,) = [factor for factor in fits["fit_factors"] if factor["factor"] == "MILD_TO_MODERATE"]
        (other,) = [factor for factor in needs_more["fit_factors"] if factor["factor"] == "MILD_TO_MODERATE"]
        assert one["result"] == MET
        assert (other["result"], other["alternative"]) == (NOT_MET, "2.7")

    def test_are_raised_by_the_withdrawal_gate(self, clinic: Clinic) -> None:
        referral = clinic.refer()

        assessed = clinic.assess(
            referral["episode_id"],
            edition="ASAM4",
            dimensions=[],
            subdimensions=NOTHING | {"4A": "B"},
            withdrawal={"ciwa_ar": 14, "rated_by": "OBSERVER"},
        )

        assert assessed["gate"]["holds"]
        assert assessed["recommendation"]["level"] == "2.7"
        assert assessed["recommendation"]["reasons"][0]["code"] == "WITHDRAWAL_GATE"

    @pytest.mark.parametrize(
        ("told", "field"),
        [
            ({"edition": "ASAM4", "subdimensions": NOTHING}, "dimensions"),
            ({"edition": "ASAM3", "subdimensions": NOTHING}, "subdimensions"),
            ({"subdimensions": NOTHING}, "subdimensions"),
            (
                {"edition": "ASAM4", "dimensions": [], "subdimensions": NOTHING | {"4A": "3"}},
                "subdimensions.4A",
            ),
            ({"edition": "ASAM4", "dimensions": [], "subdimensions": NOTHING | {"9Z": "A"}}, "subdimensions"),
            ({"edition": "ASAM4", "dimensions": []}, "subdimensions.1A"),
            ({"dimensions": []}, "dimensions.0"),
        ],
    )
    def test_of_editions_are_never_mixed(self, clinic: Clinic, told: dict[str, Any], field: str) -> None:
        referral = clinic.refer()

        with pytest.raises(InvalidInput) as refused:
            clinic.assess(referral["episode_id"], **told)

        assert refused.value.problems[0]["field"] == field

    def test_are_of_adults(self, clinic: Clinic) -> None:
        referral = clinic.refer(patient={"given_name": "Tim", "birth_date": "2010-01-01"})

        with pytest.raises(InvalidInput) as refused:
            clinic.rate(referral["episode_id"])

        assert refused.value.problems == ({"field": "edition", "rule": "ASAM3 for a minor"},)
        assert clinic.assess(referral["episode_id"])["minor"]


class TestDecisions:
    def test_lead_to_the_level_that_the_site_is_licensed_for(self, clinic: Clinic) -> None:
        licence = {"site_id": SITE_ID, "level": "2.7", "first_on": "2026-01-01", "last_on": "2027-12-31"}
        clinic.room.call("record_site_licence", licence, role="operations", credential="")
        referral = clinic.refer()
        clinic.consent(referral["patient_id"])

        decided = clinic.decide(clinic.rate(referral["episode_id"], D4A="B", D1C="A"))
        admitted = clinic.room.call(
            "admit_patient", {"episode_id": referral["episode_id"]}, role="front_desk"
        )

        assert (decided["decided_level"], decided["rule_version"]) == ("2.7", "ASAM4-1")
        assert admitted["weekly_minutes_floor"] == 1200
        assert clinic.room.announced_of(LevelOfCareDecided)[0].decided_level == "2.7"
        assert clinic.room.announced_of(PatientAdmitted)[0].level == "2.7"

    def test_lead_elsewhere_where_it_is_not(self, clinic: Clinic) -> None:
        referral = clinic.refer()
        clinic.consent(referral["patient_id"])

        clinic.decide(clinic.rate(referral["episode_id"], D4A="B", D1C="A"))

        with pytest.raises(Conflict):
            clinic.room.call("admit_patient", {"episode_id": referral["episode_id"]}, role="front_desk")
        told = clinic.room.call("refer_elsewhere", {"episode_id": referral["episode_id"]})
        assert told["level"] == "2.7"

    def test_are_of_the_edition_that_was_rated_by(self, clinic: Clinic) -> None:
        by_the_fourth = clinic.rate(clinic.refer()["episode_id"], D4A="B")
        by_the_third = clinic.assess(clinic.refer(patient={"given_name": "Ben"})["episode_id"])

        for assessment, level in ((by_the_fourth, "1"), (by_the_third, "2.7")):
            with pytest.raises(InvalidInput) as refused:
                clinic.decide(assessment, level)
            assert refused.value.problems[0]["field"] == "level"

    def test_may_be_against_the_recommendation_with_a_reason(self, clinic: Clinic) -> None:
        assessed = clinic.rate(clinic.refer()["episode_id"], D4A="C")

        decided = clinic.decide(assessed, "2.1")

        assert (decided["recommended_level"], decided["decided_level"]) == ("2.5", "2.1")
        assert decided["overridden"]
