"""Intake behind its ways in, on a real database."""

from collections.abc import Callable
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
import sqlalchemy as sa

from services.intake import tables
from services.intake.domain import reentries
from services.intake.domain.episodes import Episode
from services.intake.domain.people import Patient
from services.intake.service import Intake
from shared.contracts.aftercare import PatientDischarged, ReentryRequested
from shared.contracts.common import SafetyConcernRaised, TaskClosed, TaskOpened
from shared.contracts.event import write_moment
from shared.contracts.intake import (
    AssessmentCompleted,
    ConsentGranted,
    ConsentRevoked,
    LevelOfCareChangeDecided,
    LevelOfCareDecided,
    LevelReviewOpened,
    PatientAdmitted,
    ReferralReceived,
    ReferredElsewhere,
    SiteOpened,
)
from shared.contracts.monitoring import LevelReviewRequested, LevelReviewWithdrawn
from shared.contracts.scheduling import ObligationFitFound
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import derived_id, new_id
from shared.messaging.commands import get_job
from tests.intake.builders import SITE_ID, assessment_request, referral_request
from tests.support import Room


class House:
    """A room with an open site, and the steps that a story does not tell."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.open_site()
        self.sign("PLACEMENT_ASAM3")

    def open_site(self, **changes: Any) -> dict[str, Any]:
        request = {
            "site_id": SITE_ID,
            "name": "Lakeside",
            "time_zone": "America/Chicago",
            "levels_licensed": ["1", "2.1"],
            "emergency_phone": "+1 312 555 0142",
        }
        return self.room.call("open_site", request | changes, role="operations", credential="")

    def sign(self, pack: str, **changes: Any) -> dict[str, Any]:
        """Sign the newest version of a pack."""
        versions = [one for one in self.room.ask("list_rules", {})["items"] if one["pack"] == pack]
        return self.sign_version(max(versions, key=lambda one: one["version"]), **changes)

    def sign_version(self, listed: dict[str, Any], **changes: Any) -> dict[str, Any]:
        request = {name: listed[name] for name in ("pack", "version", "digest")} | changes
        return self.room.call("sign_rules", request, role="medical_director", credential="MD")

    def refer(self, **changes: Any) -> dict[str, Any]:
        return self.room.call("register_referral", referral_request(**changes), role="front_desk")

    def assess(self, episode_id: str, **changes: Any) -> dict[str, Any]:
        return self.room.call("complete_assessment", assessment_request(episode_id, **changes))

    def decide(self, assessment: dict[str, Any], level: str | None = None, **changes: Any) -> dict[str, Any]:
        request: dict[str, Any] = {
            "episode_id": assessment["episode_id"],
            "assessment_id": assessment["assessment_id"],
            "level": level or assessment["recommendation"]["level"],
        }
        if level is not None and level != assessment["recommendation"]["level"]:
            request |= {"override_reason_code": "SAFETY", "override_reason": "Marigold said so."}
        return self.room.call("decide_level_of_care", request, **changes)

    def consent(self, patient_id: str, kind: str = "TREATMENT", **changes: Any) -> dict[str, Any]:
        return self.room.call("grant_consent", {"patient_id": patient_id, "kind": kind} | changes)

    def decided(self, level: str = "2.1", **person: Any) -> dict[str, Any]:
        referral = self.refer(patient=person)
        self.decide(self.assess(referral["episode_id"]), level)
        return referral

    def admitted(self, **person: Any) -> dict[str, Any]:
        referral = self.decided(**person)
        self.consent(referral["patient_id"])
        self.room.call("admit_patient", {"episode_id": referral["episode_id"]}, role="front_desk")
        return referral

    def episode(self, episode_id: str) -> dict[str, Any]:
        return self.room.ask("get_episode", {"episode_id": episode_id})

    def copy_row(self, table: sa.Table, **changes: Any) -> None:
        with self.room.engine.begin() as connection:
            row = dict(connection.execute(sa.select(table)).mappings().one())
            connection.execute(table.insert().values(row | changes))

    def count(self, table: sa.Table) -> int:
        with self.room.engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


@pytest.fixture
def house(room_of: Callable[[type], Room]) -> House:
    return House(room_of(Intake))


def discharged(referral: dict[str, Any], room: Room) -> PatientDischarged:
    return PatientDischarged(
        patient_id=referral["patient_id"],
        episode_id=referral["episode_id"],
        journey_id=referral["journey_id"],
        discharge_id=derived_id(referral["episode_id"], "discharge"),
        reason_code="1",
        admitted_at=room.now - timedelta(days=80),
        last_contact_at=room.now,
        stay_days=80,
        discharged_at=room.now,
    )


def reentry(
    referral: dict[str, Any], room: Room, *, after: timedelta = timedelta(hours=1)
) -> ReentryRequested:
    return ReentryRequested(
        patient_id=referral["patient_id"],
        episode_id=referral["episode_id"],
        journey_id=referral["journey_id"],
        reentry_id=derived_id(referral["episode_id"], "request", str(after)),
        lapse_id=derived_id(referral["episode_id"], "lapse", str(after)),
        level_decision_due_at=room.now + after + timedelta(hours=48),
        requested_at=room.now + after,
    )


def review_requested(referral: dict[str, Any], room: Room, *, revision: int = 0) -> LevelReviewRequested:
    return LevelReviewRequested(
        patient_id=referral["patient_id"],
        episode_id=referral["episode_id"],
        journey_id=referral["journey_id"],
        review_id=derived_id(referral["episode_id"], "review"),
        reason="DOSE_SHORTFALL",
        due_at=room.now + timedelta(hours=72),
        requested_at=room.now,
        revision=revision,
    )


def review_withdrawn(referral: dict[str, Any], room: Room, *, revision: int = 1) -> LevelReviewWithdrawn:
    return LevelReviewWithdrawn(
        patient_id=referral["patient_id"],
        episode_id=referral["episode_id"],
        journey_id=referral["journey_id"],
        review_id=derived_id(referral["episode_id"], "review"),
        reason="DOSE_SHORTFALL",
        revision=revision,
        withdrawn_at=room.now + timedelta(hours=revision),
    )


def fit_found(
    referral: dict[str, Any], room: Room, *, placeable: int, after: int = 0, **changes: Any
) -> ObligationFitFound:
    return ObligationFitFound(
        patient_id=referral["patient_id"],
        journey_id=referral["journey_id"],
        site_id=SITE_ID,
        best_track="EVENING",
        placeable_minutes=placeable,
        required_minutes=540,
        found_at=room.now + timedelta(minutes=after),
        **changes,
    )


class TestSites:
    def test_announces_what_is_opened_and_lists_it(self, house: House) -> None:
        (opened,) = house.room.announced_of(SiteOpened)
        listed = house.room.ask("list_sites", {})

        assert opened.levels_licensed == ("1", "2.1")
        assert [site["site_id"] for site in listed["items"]] == [SITE_ID]
        assert listed["next"] is None

    def test_refuses_an_id_that_is_taken(self, house: House) -> None:
        with pytest.raises(Conflict):
            house.open_site()

    def test_lets_another_tenant_choose_the_same_id(self, house: House) -> None:
        house.room.call(
            "open_site",
            {
                "site_id": SITE_ID,
                "name": "Other",
                "time_zone": "UTC",
                "levels_licensed": ["2.1"],
                "emergency_phone": "+1 312 555 0142",
            },
            role="operations",
            tenant_id="riverside",
        )

        assert house.room.ask("list_sites", {})["items"][0]["name"] == "Lakeside"

    def test_goes_on_where_a_page_ended(self, house: House) -> None:
        house.open_site(site_id=new_id())
        house.open_site(site_id=new_id())

        first = house.room.ask("list_sites", {"limit": "2"})
        second = house.room.ask("list_sites", {"limit": "2", "after": first["next"]})

        seen = [site["site_id"] for site in first["items"] + second["items"]]
        assert len(seen) == len(set(seen)) == 3
        assert second["next"] is None


class TestRegisterReferral:
    def test_opens_an_episode_and_announces_it_without_a_name(self, house: House) -> None:
        referral = house.refer(teds={"SUB1": "5", "SERVICES": 6, "PREG": -9})

        (received,) = house.room.announced_of(ReferralReceived)
        assert received.episode_id == referral["episode_id"]
        assert "Quill" not in str(received.to_data())
        assert (referral["teds"], referral["recorded_service"]) == ({"SUB1": 5}, 6)
        assert referral["next_step"] == "COMPLETE_ASSESSMENT"
        assert house.room.ask("get_referral", {"referral_id": referral["referral_id"]}) == referral

    def test_keeps_identity_sealed(self, house: House) -> None:
        house.refer(patient={"email": "ada@quill.example", "phone": "312 555 0199"})

        with house.room.engine.connect() as connection:
            row = connection.execute(sa.select(tables.patient_rows)).one()
        assert not any(word in repr(row) for word in ("Ada", "Quill", "1991", "0199", "example"))

    def test_recognises_somebody_known_and_goes_on_in_their_journey(self, house: House) -> None:
        first = house.admitted()
        house.room.deliver(discharged(first, house.room))

        second = house.refer(patient={"given_name": " ÁDA", "family_name": "quill", "phone": "312 555 0100"})

        assert second["known_patient"]
        assert (second["patient_id"], second["journey_id"]) == (first["patient_id"], first["journey_id"])
        assert second["episode_id"] != first["episode_id"]
        known = house.room.ask("get_patient", {"patient_id": first["patient_id"]})
        assert known["phone"] == "312 555 0100"

    def test_refuses_somebody_whose_episode_is_open(self, house: House) -> None:
        house.refer()

        with pytest.raises(Conflict) as refused:
            house.refer()

        assert refused.value.code == "episode_already_open"
        assert house.count(tables.referral_rows) == 1

    def test_does_not_recognise_another_tenants_patient(self, house: House) -> None:
        house.refer()
        house.room.call(
            "open_site",
            {
                "site_id": SITE_ID,
                "name": "Other",
                "time_zone": "UTC",
                "levels_licensed": ["2.1"],
                "emergency_phone": "+1 312 555 0142",
            },
            role="operations",
            tenant_id="riverside",
        )

        other = house.room.call("register_referral", referral_request(), tenant_id="riverside")

        assert not other["known_patient"]

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"received_at": "2026-02-02T15:00:01Z"}, "received_at"),
            ({"received_at": "2026-02-02T15:00:00"}, "received_at"),
            ({"patient": {"birth_date": "2026-02-30"}}, "patient.birth_date"),
            ({"patient": {"birth_date": "2027-01-01"}}, "patient.birth_date"),
            ({"patient": {"given_name": ""}}, "patient.given_name"),
            ({"patient": {"given_name": "A\x00da"}}, "patient.given_name"),
            ({"patient": {"family_name": "!!"}}, "patient.family_name"),
            ({"patient": {"phone": "call me"}}, "patient.phone"),
            ({"patient": {"email": "nobody"}}, "patient.email"),
            ({"patient": {"nickname": "A"}}, "patient.nickname"),
            ({"referral_source": "8"}, "referral_source"),
            ({"teds": {"SUB1": 99}}, "teds.SUB1"),
            ({"teds": {"CASEID": 1}}, "teds.CASEID"),
            ({"site_id": "lakeside"}, "site_id"),
            ({"teds": [1]}, "teds"),
        ],
    )
    def test_names_field_and_rule_and_changes_nothing(
        self, house: House, changes: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(InvalidInput) as refused:
            house.refer(**changes)

        assert [problem["field"] for problem in refused.value.problems] == [field]
        assert all(problem["rule"] for problem in refused.value.problems)
        assert house.count(tables.patient_rows) == 0

    def test_knows_no_site_of_others(self, house: House) -> None:
        with pytest.raises(NotFound):
            house.refer(site_id=new_id())

    def test_is_not_for_patients(self, house: House) -> None:
        with pytest.raises(Forbidden):
            house.room.call("register_referral", referral_request(), role="patient")


class TestImportReferrals:
    def test_reports_bad_rows_with_line_and_field_and_takes_the_others(self, house: House) -> None:
        def row(line: int, name: str, **changes: Any) -> dict[str, Any]:
            person = {"given_name": name, "family_name": "Vole", "birth_date": "1980-01-01"}
            return {"line": line, "patient": person, "teds": {"SUB1": "2"}} | changes

        command_id = new_id()
        house.room.call(
            "import_referrals",
            {
                "site_id": SITE_ID,
                "referral_source": "7",
                "rows": [
                    row(2, "Mole"),
                    row(3, "Rat", teds={"SUB1": "77"}),
                    "no row",
                    row(5, "Mole"),
                    row(6, "Badger", received_at="2031-01-01T00:00:00Z"),
                    row(7, "Toad", referral_source="1"),
                ],
            },
            role="operations",
            command_id=command_id,
        )
        house.room.run_jobs()

        with house.room.db() as db:
            result = get_job(db, job_id=command_id)["result"]
        assert [taken["line"] for taken in result["registered"]] == [2, 7]
        assert [(refused["line"], refused["field"]) for refused in result["refused"]] == [
            (3, "teds.SUB1"),
            (3, "row"),
            (5, "patient"),
            (6, "received_at"),
        ]
        assert len(house.room.announced_of(ReferralReceived)) == 2
        assert house.count(tables.patient_rows) == 2


class TestListNames:
    def test_tells_the_gateway_alone_what_those_are_called_who_are_known(self, house: House) -> None:
        known = house.refer()
        asked = {"patient_ids": [known["patient_id"], new_id()]}

        told = house.room.ask("list_names", asked, role="system")["items"]

        person = house.room.ask("get_patient", {"patient_id": known["patient_id"]})
        names = ("patient_id", "given_name", "family_name")
        assert told == [{name: person[name] for name in names}]
        with pytest.raises(Forbidden):
            house.room.ask("list_names", asked, role="front_desk")


class TestGetPatient:
    def test_shows_a_patient_their_own_and_nobody_else(self, house: House) -> None:
        ada = house.refer()["patient_id"]

        own = house.room.ask("get_patient", {"patient_id": ada}, role="patient", actor_id=ada)

        assert (own["given_name"], own["birth_date"]) == ("Ada", "1991-06-15")
        with pytest.raises(NotFound):
            house.room.ask("get_patient", {"patient_id": ada}, role="patient", actor_id=new_id())

    def test_hides_another_tenants_patient(self, house: House) -> None:
        ada = house.refer()["patient_id"]

        with pytest.raises(NotFound):
            house.room.ask("get_patient", {"patient_id": ada}, tenant_id="riverside")


class TestCompleteAssessment:
    def test_recommends_and_announces(self, house: House) -> None:
        referral = house.refer()

        assessment = house.assess(referral["episode_id"])

        (completed,) = house.room.announced_of(AssessmentCompleted)
        assert completed.assessment_id == assessment["assessment_id"]
        assert assessment["recommendation"]["level"] == "2.1"
        assert assessment["crisis"] is None
        assert "Wilhelmina" not in str(completed.to_data())
        assert house.room.ask("get_assessment", {"assessment_id": assessment["assessment_id"]}) == assessment
        assert house.episode(referral["episode_id"])["next_step"] == "DECIDE_LEVEL_OF_CARE"

    def test_shows_the_crisis_lines_with_every_risk(self, house: House) -> None:
        assessment = house.assess(
            house.refer()["episode_id"], danger={"suicidal_intent": "PASSIVE", "violence_threat": False}
        )

        (raised,) = house.room.announced_of(SafetyConcernRaised)
        assert (raised.concern, raised.level) == ("DANGER_ANSWER", "E3")
        assert {"988", "911"} <= {line["code"] for line in assessment["crisis"]["lines"]}
        assert assessment["crisis"]["program_emergency_phone"] == "+1 312 555 0142"

    def test_weighs_the_obligations_that_scheduling_found(self, house: House) -> None:
        referral = house.refer()
        house.room.deliver(fit_found(referral, house.room, placeable=420))

        factors = house.assess(referral["episode_id"])["fit_factors"]

        results = {factor["factor"]: factor["result"] for factor in factors}
        assert results["OBLIGATIONS"] == "CONDITIONAL"
        # A version that told of the best track only.
        assert [factor["tracks"] for factor in factors] == [[]] * len(factors)

    def test_shows_how_well_each_track_fits(self, house: House) -> None:
        referral = house.refer()
        each = {"tracks": ("EVENING", "TELEHEALTH", "MORNING"), "placeable_by_track": (545, 410, 0)}
        house.room.deliver(fit_found(referral, house.room, placeable=545, **each))

        assessed = house.assess(referral["episode_id"])

        found = house.room.ask("get_assessment", {"assessment_id": assessed["assessment_id"]})
        (factor,) = (one for one in found["fit_factors"] if one["factor"] == "OBLIGATIONS")
        assert factor["result"] == "MET"
        assert [(one["track"], one["placeable_minutes"], one["result"]) for one in factor["tracks"]] == [
            ("EVENING", 545, "MET"),
            ("TELEHEALTH", 410, "CONDITIONAL"),
            ("MORNING", 0, "NOT_MET"),
        ]

    @pytest.mark.parametrize(
        ("changes", "fields"),
        [
            ({"dimensions": [0, 0, None, 2]}, ["dimensions.2", "dimensions.4", "dimensions.5"]),
            ({"dimensions": [0, 0, 5, 2, 1, 1]}, ["dimensions.2"]),
            ({"dimensions": [0, 0, "1", 2, 1, 1]}, ["dimensions.2"]),
            ({"dimensions": [0, 0, 1.5, 2, 1, 1]}, ["dimensions.2"]),
            ({"withdrawal": {"ciwa_ar": 3, "rated_by": "SELF"}}, ["withdrawal.rated_by"]),
            ({"withdrawal": {"ciwa_ar": 68}}, ["withdrawal.ciwa_ar"]),
            ({"problems": []}, ["problems"]),
            ({"problems": [{"problem": "CHOCOLATE", "criteria_met": 3}]}, ["problems.0.problem"]),
            ({"problems": [{"problem": "ALCOHOL", "criteria_met": "many"}]}, ["problems.0.criteria_met"]),
            ({"goals": ""}, ["goals"]),
            ({"prior_stay": {"level": "3.5", "discharged_on": "2026-02-03"}}, ["prior_stay.discharged_on"]),
            ({"mood": "fine"}, ["mood"]),
        ],
    )
    def test_names_what_is_wrong_and_changes_nothing(
        self, house: House, changes: dict[str, Any], fields: list[str]
    ) -> None:
        episode_id = house.refer()["episode_id"]

        with pytest.raises(InvalidInput) as refused:
            house.assess(episode_id, **changes)

        assert [problem["field"] for problem in refused.value.problems] == fields
        assert house.count(tables.assessment_rows) == 0
        assert house.episode(episode_id)["state"] == "REFERRED"

    def test_is_not_for_the_front_desk(self, house: House) -> None:
        request = assessment_request(house.refer()["episode_id"])

        with pytest.raises(Forbidden):
            house.room.call("complete_assessment", request, role="front_desk")

    def test_lets_only_a_prescriber_clear_medically(self, house: House) -> None:
        request = assessment_request(
            house.refer()["episode_id"], withdrawal={"pawss": 5, "medically_cleared": True}
        )

        with pytest.raises(Forbidden):
            house.room.call("complete_assessment", request, credential="LCSW")
        cleared = house.room.call("complete_assessment", request, credential="MD")

        assert not cleared["gate"]["holds"]

    def test_works_the_stage_of_a_remission_out_from_its_day_where_the_site_is(self, house: House) -> None:
        # It is the second of February there until six in the morning by UTC.
        house.room.at("2026-02-03T05:59:00+00:00")
        episode_id = house.refer()["episode_id"]
        problem = {"problem": "ALCOHOL", "criteria_met": 6, "remission_since": "2025-02-03"}

        early = house.assess(episode_id, problems=[problem])
        house.room.at("2026-02-03T06:00:00+00:00")
        sustained = house.assess(episode_id, problems=[problem])

        assert [one["diagnoses"][0]["remission"] for one in (early, sustained)] == ["EARLY", "SUSTAINED"]
        assert sustained["diagnoses"][0]["remission_since"] == "2025-02-03"
        assert sustained == house.room.ask("get_assessment", {"assessment_id": sustained["assessment_id"]})

    def test_refuses_a_remission_that_is_typed_without_its_day(self, house: House) -> None:
        episode_id = house.refer()["episode_id"]
        typed = {"problem": "ALCOHOL", "criteria_met": 6, "remission": "SUSTAINED"}

        with pytest.raises(InvalidInput) as refused:
            house.assess(episode_id, problems=[typed])

        assert refused.value.problems[0]["field"] == "problems.0.remission_since"
        assert house.episode(episode_id)["state"] == "REFERRED"

    def test_still_shows_a_remission_that_an_older_version_kept_without_a_day(self, house: House) -> None:
        kept = house.assess(house.refer()["episode_id"])
        older = [{**kept["diagnoses"][0], "remission": "EARLY"}]
        del older[0]["remission_since"]
        with house.room.engine.begin() as connection:
            connection.execute(tables.assessment_rows.update().values(diagnoses=older))

        (shown,) = house.room.ask("get_assessment", {"assessment_id": kept["assessment_id"]})["diagnoses"]

        assert (shown["remission"], shown["remission_since"]) == ("EARLY", None)


class TestDecideLevelOfCare:
    def test_keeps_who_decided_and_why(self, house: House) -> None:
        assessment = house.assess(house.refer()["episode_id"])

        decision = house.decide(assessment, "2.5", actor_id="nora", role="counselor", credential="LPC")

        (decided,) = house.room.announced_of(LevelOfCareDecided)
        assert (decided.decided_level, decided.override_reason) == ("2.5", "SAFETY")
        assert "Marigold" not in str(decided.to_data())
        assert (decision["decided_by"], decision["decided_by_credential"]) == ("nora", "LPC")
        assert decision["next_step"] == "REFER_ELSEWHERE"

    def test_refuses_without_a_licence_whatever_is_asked(self, house: House) -> None:
        assessment = house.assess(house.refer()["episode_id"])

        with pytest.raises(Forbidden):
            house.decide(assessment, credential="")

        assert house.count(tables.decision_rows) == 0

    def test_refuses_a_second_decision(self, house: House) -> None:
        assessment = house.assess(house.refer()["episode_id"])
        house.decide(assessment)

        with pytest.raises(Conflict):
            house.decide(assessment)

    def test_refuses_somebody_elses_assessment(self, house: House) -> None:
        mine = house.assess(house.refer()["episode_id"])
        theirs = house.assess(house.refer(patient={"given_name": "Ben"})["episode_id"])

        with pytest.raises(Conflict):
            house.decide(mine | {"assessment_id": theirs["assessment_id"]})

    def test_refuses_a_level_that_asam_does_not_have(self, house: House) -> None:
        assessment = house.assess(house.refer()["episode_id"])

        with pytest.raises(InvalidInput) as refused:
            house.decide(assessment, "2.7")

        assert refused.value.problems[0]["field"] == "level"


class TestConsents:
    def test_are_granted_and_revoked(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]
        consent = house.consent(
            patient_id, "TPO", recipient="Marigold Health", purpose="TPO", information_classes=["BILLING"]
        )

        revoked = house.room.call("revoke_consent", {"consent_id": consent["consent_id"]})

        assert revoked["revoked_at"] is not None
        (granted,) = house.room.announced_of(ConsentGranted)
        assert "Marigold" not in str(granted.to_data())
        assert house.room.announced_of(ConsentRevoked)[0].consent_id == consent["consent_id"]

    def test_granted_twice_change_nothing(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]

        first = house.consent(patient_id)
        second = house.consent(patient_id)

        assert second["consent_id"] == first["consent_id"]
        assert len(house.room.announced_of(ConsentGranted)) == 1

    def test_are_the_patients_own(self, house: House) -> None:
        ada = house.refer()["patient_id"]
        request = {"patient_id": ada, "kind": "FOLLOW_UP"}

        with pytest.raises(NotFound):
            house.room.call("grant_consent", request, role="patient", actor_id=new_id())
        granted = house.room.call("grant_consent", request, role="patient", actor_id=ada)
        with pytest.raises(NotFound):
            house.room.call(
                "revoke_consent", {"consent_id": granted["consent_id"]}, role="patient", actor_id=new_id()
            )

    def test_for_the_court_stand_until_the_event_they_name(self, house: House) -> None:
        consent = house.consent(
            house.refer()["patient_id"],
            "CRIMINAL_JUSTICE",
            recipient="Probation office",
            purpose="Condition of probation",
            information_classes=["ATTENDANCE"],
            ends_with_event="END_OF_SUPERVISION",
        )

        with pytest.raises(Conflict):
            house.room.call("revoke_consent", {"consent_id": consent["consent_id"]})
        house.room.advance(timedelta(days=90))
        occurred_at = write_moment(house.room.now - timedelta(days=1))
        house.room.call(
            "revoke_consent", {"consent_id": consent["consent_id"], "event_occurred_at": occurred_at}
        )


class TestAdmitPatient:
    def test_starts_the_treatment(self, house: House) -> None:
        referral = house.decided()
        house.consent(referral["patient_id"])
        house.consent(referral["patient_id"], "FOLLOW_UP")

        admission = house.room.call(
            "admit_patient", {"episode_id": referral["episode_id"]}, role="front_desk"
        )

        (admitted,) = house.room.announced_of(PatientAdmitted)
        assert (admitted.weekly_minutes_floor, admitted.weekly_minutes_ceiling) == (540, 1140)
        assert admitted.follow_up_consent
        assert admission["next_step"] == "ATTEND_PROGRAM"

    def test_remembers_the_opioid_of_the_referral(self, house: House) -> None:
        referral = house.refer(teds={"SUB1": 2, "SUB2": 7})
        house.decide(house.assess(referral["episode_id"]))
        house.consent(referral["patient_id"])

        house.room.call("admit_patient", {"episode_id": referral["episode_id"]})

        assert house.room.announced_of(PatientAdmitted)[0].opioid_history

    def test_refuses_a_second_time_with_one_row(self, house: House) -> None:
        referral = house.admitted()

        with pytest.raises(Conflict) as refused:
            house.room.call("admit_patient", {"episode_id": referral["episode_id"]})

        assert refused.value.code == "already_admitted"
        assert house.count(tables.admission_rows) == 1

    def test_is_held_to_one_admission_by_the_database(self, house: House) -> None:
        house.admitted()

        with pytest.raises(sa.exc.IntegrityError):
            house.copy_row(tables.admission_rows, admission_id=new_id())

    def test_is_held_to_one_open_episode_by_the_database(self, house: House) -> None:
        house.refer()

        with pytest.raises(sa.exc.IntegrityError):
            house.copy_row(tables.episode_rows, episode_id=new_id())

    def test_refuses_without_consent_and_after_its_revocation(self, house: House) -> None:
        referral = house.decided()
        consent = house.consent(referral["patient_id"])
        house.room.call("revoke_consent", {"consent_id": consent["consent_id"]})

        with pytest.raises(Conflict) as refused:
            house.room.call("admit_patient", {"episode_id": referral["episode_id"]})

        assert [problem["field"] for problem in refused.value.problems] == ["consent"]

    def test_refuses_a_minor(self, house: House) -> None:
        referral = house.decided(birth_date="2009-01-01")
        house.consent(referral["patient_id"])

        with pytest.raises(Conflict) as refused:
            house.room.call("admit_patient", {"episode_id": referral["episode_id"]})

        assert "minor" in refused.value.problems[0]["rule"]
        assert house.episode(referral["episode_id"])["next_step"] == "REFER_ELSEWHERE"

    def test_waits_for_a_gate_and_goes_on_after_a_new_assessment(self, house: House) -> None:
        referral = house.refer()
        held = house.assess(referral["episode_id"], withdrawal={"cows": 14, "rated_by": "OBSERVER"})
        house.decide(held, "2.1")
        house.consent(referral["patient_id"])
        with pytest.raises(Conflict) as refused:
            house.room.call("admit_patient", {"episode_id": referral["episode_id"]})

        house.decide(house.assess(referral["episode_id"], withdrawal={"cows": 4, "rated_by": "OBSERVER"}))
        house.room.call("admit_patient", {"episode_id": referral["episode_id"]})

        assert [problem["field"] for problem in refused.value.problems] == ["gate"]
        assert house.episode(referral["episode_id"])["state"] == "ADMITTED"


def follow_ups(house: House, event: Any = TaskOpened) -> list[Any]:
    """Return how humans were asked, or no longer, to look after somebody referred elsewhere."""
    return [task for task in house.room.announced_of(event) if task.task == "referral_follow_up"]


class TestReferElsewhere:
    def refer_out(self, house: House) -> dict[str, Any]:
        referral = house.decided("3.5")
        return house.room.call(
            "refer_elsewhere", {"episode_id": referral["episode_id"], "program": "Marigold House"}
        )

    def test_closes_the_episode_and_plans_two_follow_ups(self, house: House) -> None:
        outward = self.refer_out(house)

        (referred,) = house.room.announced_of(ReferredElsewhere)
        hours = [(due - house.room.now).total_seconds() / 3600 for due in referred.follow_ups_due_at]
        assert hours == [48, 168]
        assert "Marigold" not in str(referred.to_data())
        assert house.episode(outward["episode_id"])["state"] == "REFERRED_ELSEWHERE"

    def test_asks_for_each_follow_up_when_it_is_due(self, house: House) -> None:
        outward = self.refer_out(house)

        house.room.advance(timedelta(hours=47))
        before = follow_ups(house)
        house.room.advance(timedelta(hours=1))
        (first,) = follow_ups(house)
        house.room.advance(timedelta(days=30))

        assert before == []
        assert (first.task, first.owner_role) == ("referral_follow_up", "front_desk")
        assert first.about_id == outward["outward_referral_id"]
        assert [task.reason for task in follow_ups(house)] == ["FOLLOW_UP_1", "FOLLOW_UP_2"]

    def test_closes_the_task_when_somebody_looked(self, house: House) -> None:
        outward = self.refer_out(house)
        house.room.advance(timedelta(hours=49))

        shown = house.room.call(
            "record_referral_follow_up",
            {"outward_referral_id": outward["outward_referral_id"], "outcome": "ARRIVED"},
            role="front_desk",
        )

        (closed,) = follow_ups(house, TaskClosed)
        assert (closed.task_id, closed.outcome) == (follow_ups(house)[0].task_id, "DONE")
        assert [follow_up["outcome"] for follow_up in shown["follow_ups"]] == ["ARRIVED", None]
        asked = {"outward_referral_id": outward["outward_referral_id"]}
        assert house.room.ask("get_outward_referral", asked) == shown

    def test_asks_nobody_when_somebody_looked_before(self, house: House) -> None:
        outward = self.refer_out(house)
        recorded = {"outward_referral_id": outward["outward_referral_id"], "outcome": "NOT_REACHED"}

        for number in (1, 2):
            house.room.call("record_referral_follow_up", recorded | {"number": number})
        house.room.advance(timedelta(days=30))

        assert follow_ups(house) == []
        with pytest.raises(Conflict):
            house.room.call("record_referral_follow_up", recorded)

    def test_is_refused_for_a_level_that_the_site_has(self, house: House) -> None:
        with pytest.raises(Conflict):
            house.room.call("refer_elsewhere", {"episode_id": house.decided()["episode_id"]})


class TestLevelReviews:
    def test_are_opened_listed_and_closed(self, house: House) -> None:
        referral = house.admitted()
        house.room.deliver(review_requested(referral, house.room))
        (listed,) = house.room.ask("list_level_reviews", {"open": "true"})["items"]

        closed = house.room.call(
            "close_level_review",
            {"review_id": listed["review_id"], "outcome": "STAY", "note": "Marigold is back at work."},
        )

        assert house.room.announced_of(LevelReviewOpened)[0].review_id == listed["review_id"]
        assert (closed["state"], closed["closed_by_credential"]) == ("CLOSED", "LCSW")
        assert listed["review_id"] in [task.about_id for task in house.room.announced_of(TaskClosed)]
        assert house.room.ask("list_level_reviews", {"open": "true"})["items"] == []
        with pytest.raises(Conflict):
            house.room.call(
                "close_level_review", {"review_id": listed["review_id"], "outcome": "STAY", "note": "x"}
            )

    def test_are_withdrawn_with_their_task_when_they_stood_on_a_mistake(self, house: House) -> None:
        referral = house.admitted()
        house.room.deliver(review_requested(referral, house.room), review_withdrawn(referral, house.room))

        (listed,) = house.room.ask("list_level_reviews", {})["items"]

        (closed,) = [one for one in house.room.announced_of(TaskClosed) if one.task == "level_review"]
        assert (listed["state"], listed["outcome"]) == ("WITHDRAWN", None)
        assert (closed.about_id, closed.outcome) == (listed["review_id"], "WITHDRAWN")

    def test_are_opened_again_where_they_are_wanted_after_all(self, house: House) -> None:
        referral = house.admitted()
        house.room.deliver(review_requested(referral, house.room), review_withdrawn(referral, house.room))

        house.room.deliver(review_requested(referral, house.room, revision=2))

        (listed,) = house.room.ask("list_level_reviews", {"open": "true"})["items"]
        opened = [one for one in house.room.announced_of(TaskOpened) if one.task == "level_review"]
        assert (listed["state"], listed["closed_at"]) == ("OPEN", None)
        assert len({one.task_id for one in opened}) == 1
        assert len(opened) == 2

    def test_that_a_human_has_closed_stay_closed(self, house: House) -> None:
        referral = house.admitted()
        house.room.deliver(review_requested(referral, house.room))
        (listed,) = house.room.ask("list_level_reviews", {})["items"]
        said = {"review_id": listed["review_id"], "outcome": "STAY", "note": "Marigold is back at work."}
        house.room.call("close_level_review", said)

        house.room.deliver(
            review_withdrawn(referral, house.room), review_requested(referral, house.room, revision=2)
        )

        (after,) = house.room.ask("list_level_reviews", {})["items"]
        assert (after["state"], after["outcome"]) == ("CLOSED", "STAY")

    def test_end_alike_in_whatever_order_the_words_come(self, house: House) -> None:
        referral = house.admitted()
        room = house.room
        words = [
            room.envelope_of(event)
            for event in (
                review_requested(referral, room),
                review_withdrawn(referral, room),
                review_requested(referral, room, revision=2),
                review_withdrawn(referral, room, revision=3),
            )
        ]
        before = _snapshot(house)
        ends = []

        for order in permutations(words):
            _restore(house, before)
            for envelope in order:
                room.deliver(envelope, envelope)
            ends.append(room.dump())

        assert all(end == ends[0] for end in ends)
        assert "'WITHDRAWN'" in ends[0]["level_reviews"][0]

    @pytest.mark.parametrize(("outcome", "level"), [("STEP_UP", "2.5"), ("STEP_DOWN", "1")])
    def test_tell_another_level_of_care_from_which_to_which_and_why(
        self, house: House, outcome: str, level: str
    ) -> None:
        house.room.deliver(review_requested(house.admitted(), house.room))
        (listed,) = house.room.ask("list_level_reviews", {"open": "true"})["items"]
        said = {"review_id": listed["review_id"], "outcome": outcome, "to_level": level, "note": "x"}

        closed = house.room.call("close_level_review", said)

        (decided,) = house.room.announced_of(LevelOfCareChangeDecided)
        assert (decided.from_level, decided.to_level) == ("2.1", level)
        assert decided.reason == listed["reason"]
        assert closed["to_level"] == level

    @pytest.mark.parametrize(
        ("outcome", "level"),
        [("STEP_UP", None), ("STEP_UP", "2.1"), ("STEP_UP", "1"), ("STEP_DOWN", "2.5"), ("STAY", "2.5")],
    )
    def test_name_a_level_that_fits_what_they_came_to(
        self, house: House, outcome: str, level: str | None
    ) -> None:
        house.room.deliver(review_requested(house.admitted(), house.room))
        (listed,) = house.room.ask("list_level_reviews", {"open": "true"})["items"]
        said = {"review_id": listed["review_id"], "outcome": outcome, "to_level": level, "note": "x"}

        with pytest.raises(InvalidInput) as refused:
            house.room.call("close_level_review", said)

        assert refused.value.problems[0]["field"] == "to_level"
        assert house.room.ask("list_level_reviews", {"open": "true"})["items"] == [listed]

    def test_need_a_licence_to_be_closed(self, house: House) -> None:
        with pytest.raises(Forbidden):
            house.room.call(
                "close_level_review",
                {"review_id": new_id(), "outcome": "STAY", "note": "x"},
                credential="CPSS",
            )


def asked(house: House, first: dict[str, Any], event: Any = TaskOpened) -> list[Any]:
    """Return what humans were asked, or no longer, in a return after a first episode."""
    own = [task for task in house.room.announced_of(event) if task.episode_id != first["episode_id"]]
    return [task for task in own if task.task == reentries.DECISION_TASK]


class TestBringBack:
    def test_opens_a_new_episode_in_the_same_journey(self, house: House) -> None:
        referral = house.admitted()
        house.room.deliver(discharged(referral, house.room), reentry(referral, house.room))

        came_back = house.room.announced_of(ReferralReceived)[-1]
        episode = house.episode(came_back.episode_id)
        assert (came_back.referral_source, came_back.known_patient) == ("REENTRY", True)
        assert came_back.journey_id == referral["journey_id"]
        assert (episode["state"], episode["next_step"]) == ("REFERRED", "COMPLETE_ASSESSMENT")
        (task,) = asked(house, referral)
        assert (task.task, task.about_id) == ("level_decision", came_back.episode_id)

    def test_tells_a_deadline_that_an_earlier_request_brings_forward(self, house: House) -> None:
        referral = house.admitted()
        earlier = reentry(referral, house.room)
        later = reentry(referral, house.room, after=timedelta(hours=6))

        house.room.deliver(discharged(referral, house.room), later, earlier, later)

        first, then = asked(house, referral)
        assert first.task_id == then.task_id
        assert (first.due_at, then.due_at) == (later.level_decision_due_at, earlier.level_decision_due_at)

    def test_waits_for_the_discharge(self, house: House) -> None:
        referral = house.admitted()

        house.room.deliver(reentry(referral, house.room))
        waiting = house.room.waiting
        house.room.deliver(discharged(referral, house.room))

        assert waiting == ["bring_back"]
        assert house.room.waiting == []
        assert house.room.announced_of(ReferralReceived)[-1].referral_source == "REENTRY"

    def test_asks_the_supervisor_when_nobody_decides_in_time(self, house: House) -> None:
        referral = house.admitted()
        house.room.deliver(discharged(referral, house.room), reentry(referral, house.room))

        house.room.advance(timedelta(hours=50))

        owners = [task.owner_role for task in asked(house, referral)]
        assert owners == ["clinician", "supervisor"]
        assert [task.outcome for task in asked(house, referral, TaskClosed)] == ["ESCALATED"]

    def test_asks_nobody_else_when_the_level_is_decided(self, house: House) -> None:
        referral = house.admitted()
        house.room.deliver(discharged(referral, house.room), reentry(referral, house.room))
        came_back = house.room.announced_of(ReferralReceived)[-1]

        house.decide(house.assess(came_back.episode_id))
        house.room.advance(timedelta(hours=60))

        assert [task.outcome for task in asked(house, referral, TaskClosed)] == ["DONE"]
        assert len(asked(house, referral)) == 1

    def test_lets_somebody_who_came_back_be_discharged_and_come_back_again(self, house: House) -> None:
        first = house.admitted()
        house.room.deliver(discharged(first, house.room), reentry(first, house.room))
        second_id = house.room.announced_of(ReferralReceived)[-1].episode_id
        house.decide(house.assess(second_id))
        house.room.call("admit_patient", {"episode_id": second_id})
        second = first | {"episode_id": second_id}

        house.room.deliver(discharged(second, house.room), reentry(second, house.room))

        third = house.room.announced_of(ReferralReceived)[-1]
        assert third.episode_id not in (first["episode_id"], second_id)
        assert house.count(tables.episode_rows) == 3


class TestOrder:
    """Events of one journey end in the same tables, in whatever order and however often they come."""

    def test_does_not_matter(self, house: House) -> None:
        referral = house.admitted()
        room = house.room
        begun = room.now
        events = [
            room.envelope_of(event)
            for event in (
                review_requested(referral, room),
                fit_found(
                    referral,
                    room,
                    placeable=300,
                    after=1,
                    tracks=("EVENING",),
                    placeable_by_track=(300,),
                ),
                fit_found(referral, room, placeable=540, after=2),
                discharged(referral, room),
                reentry(referral, room),
                reentry(referral, room, after=timedelta(hours=3)),
            )
        ]
        before = _snapshot(house)
        ends = []

        for number, order in enumerate(permutations(events)):
            if number % 40:
                continue
            _restore(house, before)
            room.at(begun + timedelta(minutes=number))
            for envelope in order:
                room.deliver(envelope, envelope)
            ends.append(room.dump())

        assert len(ends) == 18
        assert len(ends[0]["level_reviews"]) == 1
        assert len(ends[0]["episodes"]) == 2
        assert all(end == ends[0] for end in ends)


def _snapshot(house: House) -> dict[str, list[dict[str, Any]]]:
    with house.room.engine.connect() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            for table in tables.metadata.sorted_tables
            if table.name not in ("outbox", "audit", "commands")
        }


def _restore(house: House, snapshot: dict[str, list[dict[str, Any]]]) -> None:
    with house.room.engine.begin() as connection:
        for table in reversed(tables.metadata.sorted_tables):
            if table.name in snapshot:
                connection.execute(table.delete())
        for table in tables.metadata.sorted_tables:
            if snapshot.get(table.name):
                connection.execute(table.insert(), snapshot[table.name])


class TestTwoAtOnce:
    def test_register_one_person_once(self, house: House) -> None:
        """A registration that comes while the same person is being registered waits for it."""
        first = house.refer()

        with house.room.db() as db:
            patient = db.scalar(sa.select(Patient))
            assert patient is not None
            tables.take_turn(db, tenant_id=house.room.tenant_id, about=patient.identity_index)
            db.execute(sa.text("SELECT 1"))  # the turn is taken with the next statement
            with pytest.raises(Conflict) as refused:
                house.refer()

        assert refused.value.code == "still_running"
        assert house.room.ask("get_patient", {"patient_id": first["patient_id"]})["given_name"] == "Ada"

    def test_admit_once(self, house: House) -> None:
        """An admission waits for whoever holds the episode."""
        referral = house.decided()
        house.consent(referral["patient_id"])

        with house.room.db() as db:
            assert isinstance(tables.lock_episode(db, episode_id=referral["episode_id"]), Episode)
            with pytest.raises(Conflict) as refused:
                house.room.call("admit_patient", {"episode_id": referral["episode_id"]})

        assert refused.value.code == "still_running"


class TestReentryIds:
    def test_are_the_same_for_every_request_until_the_return_has_ended(self, house: House) -> None:
        referral = house.admitted()
        requests = [reentry(referral, house.room, after=timedelta(hours=hours)) for hours in (1, 2)]

        ids = {reentries.reentry_episode_id(request, earlier=None) for request in requests}

        assert ids == {reentries.first_reentry_id(referral["episode_id"])}
