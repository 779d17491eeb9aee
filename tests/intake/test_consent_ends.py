"""Consents that end by themselves, and the elements that each kind has (42 CFR 2.31, 2.35)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from services.intake.domain import consents
from services.intake.service import Intake
from shared.contracts.aftercare import PatientDischarged
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.intake import ConsentExpired, ConsentExpiring
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import derived_id
from tests.intake.builders import NOW
from tests.intake.test_consents import consent, court
from tests.intake.test_service import House, discharged
from tests.support import Room


@pytest.fixture
def house(room_of: Callable[[type], Room]) -> House:
    return House(room_of(Intake))


def to_sister(house: House, patient_id: str, **changes: Any) -> dict[str, Any]:
    """Grant that somebody's sister hears of attendance."""
    told: dict[str, Any] = {
        "recipient": "Her sister Philippa",
        "purpose": "Drive me there",
        "information_classes": ["ATTENDANCE"],
    }
    return house.consent(patient_id, "FAMILY", **told | changes)


def in_days(house: House, days: int) -> str:
    return (house.room.now + timedelta(days=days)).isoformat()


class TestElements:
    @pytest.mark.parametrize(
        ("changes", "fields"),
        [
            ({"signed_by": "LEGAL_GUARDIAN"}, ["signer", "signing_authority"]),
            ({"signed_by": "LEGAL_GUARDIAN", "signer": "Ruth"}, ["signing_authority"]),
            ({"discloser": "NAMED"}, ["discloser_name"]),
            ({"statements": []}, ["statements"]),
            ({"information_classes": ["COUNSELLING_NOTES"]}, ["information_classes"]),
            ({"kind": "COUNSELLING_NOTES"}, ["information_classes"]),
            ({"kind": "LEGAL_PROCEEDINGS", "purpose": " "}, ["purpose"]),
            ({"kind": "EMPLOYER", "ends_with_event": None}, ["expires_at"]),
        ],
    )
    def test_are_asked_for_by_name(self, changes: dict[str, Any], fields: list[str]) -> None:
        usual = {"kind": "FAMILY", "ends_with_event": "END_OF_TREATMENT"}

        with pytest.raises(InvalidInput) as refused:
            consents.grant(court(**usual | changes))

        assert [problem["field"] for problem in refused.value.problems] == fields

    def test_of_the_single_consent_to_treatment_payment_and_operations_tell_what_follows(self) -> None:
        told = {"kind": "TPO", "recipient": "My payer", "purpose": "TPO", "information_classes": ["BILLING"]}

        with pytest.raises(InvalidInput) as refused:
            consents.grant(consent(**told, statements=["REVOCATION", "REDISCLOSURE"]))

        (problem,) = refused.value.problems
        assert (problem["field"], "REFUSAL" in problem["rule"]) == ("statements", True)

    def test_of_counselling_notes_stand_alone(self) -> None:
        notes = court(kind="COUNSELLING_NOTES", information_classes=["COUNSELLING_NOTES"])

        assert consents.grant(notes)
        with pytest.raises(InvalidInput):
            consents.grant(
                court(kind="COUNSELLING_NOTES", information_classes=["COUNSELLING_NOTES", "BILLING"])
            )

    def test_say_who_signed_for_whom_and_seal_the_name(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]

        signed = to_sister(
            house,
            patient_id,
            expires_at=in_days(house, 90),
            signed_by="LEGAL_GUARDIAN",
            signer="Ruth Marigold",
            signing_authority="COURT_APPOINTED",
        )

        assert signed["signer"] == "Ruth Marigold"
        assert "Marigold" not in str(house.room.dump())


class TestDates:
    def test_are_told_thirty_and_seven_days_before_and_on_the_day(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]
        given = to_sister(house, patient_id, expires_at=in_days(house, 40))

        house.room.advance(timedelta(days=33))
        told = [event.days_left for event in house.room.announced_of(ConsentExpiring)]
        (task,) = [task for task in house.room.announced_of(TaskOpened) if task.task == "consent_renewal"]
        house.room.advance(timedelta(days=7))

        assert told == [30, 7]
        assert (task.owner_role, task.patient_id) == ("front_desk", patient_id)
        (ended,) = house.room.announced_of(ConsentExpired)
        assert (ended.consent_id, ended.reason, ended.expired_at) == (
            given["consent_id"],
            "DATE",
            house.room.now,
        )
        assert [closed.outcome for closed in house.room.announced_of(TaskClosed)] == ["WITHDRAWN"]
        assert house.room.timers() == []

    def test_are_answered_by_the_next_consent_of_the_kind(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]
        to_sister(house, patient_id, expires_at=in_days(house, 31))
        house.room.advance(timedelta(days=2))

        to_sister(house, patient_id, expires_at=in_days(house, 365))

        assert [closed.outcome for closed in house.room.announced_of(TaskClosed)] == ["DONE"]

    def test_of_a_revoked_consent_are_told_to_nobody(self, house: House) -> None:
        given = to_sister(house, house.refer()["patient_id"], expires_at=in_days(house, 31))
        house.room.call("revoke_consent", {"consent_id": given["consent_id"]})

        house.room.advance(timedelta(days=40))

        assert house.room.announced_of(ConsentExpiring) == house.room.announced_of(ConsentExpired) == []


class TestEvents:
    def test_end_the_consent_that_names_them(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]
        given = house.consent(
            patient_id,
            "CRIMINAL_JUSTICE",
            recipient="Cook County probation",
            purpose="Condition of probation",
            information_classes=["ATTENDANCE"],
            ends_with_event="FINAL_DISPOSITION",
        )
        house.room.advance(timedelta(days=3))
        told = {"consent_id": given["consent_id"], "occurred_at": in_days(house, -1)}

        with pytest.raises(Conflict):
            house.room.call("end_consent", told | {"event": "END_OF_TREATMENT"})
        with pytest.raises(InvalidInput):
            house.room.call(
                "end_consent", told | {"event": "FINAL_DISPOSITION", "occurred_at": in_days(house, 1)}
            )
        house.room.call("end_consent", told | {"event": "FINAL_DISPOSITION"})

        (ended,) = house.room.announced_of(ConsentExpired)
        assert (ended.reason, ended.expired_at) == ("FINAL_DISPOSITION", house.room.now - timedelta(days=1))
        with pytest.raises(Conflict):
            house.room.call("end_consent", told | {"event": "FINAL_DISPOSITION"})

    def test_of_the_end_of_treatment_come_with_the_discharge(self, house: House) -> None:
        referral = house.admitted()
        given = to_sister(house, referral["patient_id"], ends_with_event="END_OF_TREATMENT")
        house.room.advance(timedelta(days=1))

        house.room.deliver(discharged(referral, house.room))
        house.room.deliver(discharged(referral, house.room))

        (ended,) = house.room.announced_of(ConsentExpired)
        assert (ended.consent_id, ended.reason) == (given["consent_id"], "END_OF_TREATMENT")
        listed = house.room.ask("list_consents", {"patient_id": referral["patient_id"]})["items"]
        assert [(one["kind"], one["end_reason"]) for one in listed] == [
            ("TREATMENT", None),
            ("FAMILY", "END_OF_TREATMENT"),
        ]

    def test_leave_a_consent_of_later_treatment_alone(self, house: House) -> None:
        referral = house.admitted()
        earlier = house.room.now
        house.room.advance(timedelta(days=2))
        to_sister(house, referral["patient_id"], ends_with_event="END_OF_TREATMENT")

        told = discharged(referral, house.room)
        house.room.deliver(PatientDischarged(**vars(told) | {"discharged_at": earlier}))

        assert house.room.announced_of(ConsentExpired) == []


class TestListing:
    def test_is_a_patients_own(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]

        own = house.room.ask("list_consents", {"patient_id": patient_id}, role="patient", actor_id=patient_id)

        assert own["items"] == []
        with pytest.raises(NotFound):
            house.room.ask(
                "list_consents", {"patient_id": patient_id}, role="patient", actor_id=derived_id("x")
            )


def test_a_consent_ends_once() -> None:
    given = court(granted_at=NOW - timedelta(days=1), signed_at=NOW - timedelta(days=1))

    given.end_with("END_OF_SUPERVISION", occurred_at=NOW, now=NOW)

    with pytest.raises(consents.ConsentHasEnded):
        given.end_with("END_OF_SUPERVISION", occurred_at=NOW, now=NOW)
    assert not given.is_active(now=NOW)
