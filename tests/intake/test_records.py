"""Who asks for records: courts and the like, and patients for their own."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.intake.domain import access, legal
from services.intake.service import Intake
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Actor
from shared.contracts.intake import (
    LegalHoldPlaced,
    LegalHoldReleased,
    PlanRestrictionAgreed,
    RecordDelivered,
    RecordRequested,
    RestrictionAgreed,
)
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.holds import legal_holds
from shared.ids import new_id
from tests.intake.builders import NOW
from tests.intake.test_rights import answer, ask_for_less
from tests.intake.test_service import House
from tests.support import Room

SUPERVISOR = Actor(actor_id="ines", role="supervisor", credential="LPC")
ADA = {"given_name": "Ada", "family_name": "Quill", "birth_date": "1991-06-15"}


@pytest.fixture
def house(room_of: Callable[[type], Room]) -> House:
    return House(room_of(Intake))


def demand(house: House, *, role: str = "partner", **changes: Any) -> dict[str, Any]:
    told = {
        "kind": "SUBPOENA",
        "asker": "Prothonotary Lindqvist of Sangamon County",
        "about": ADA,
        "text": "All records from March.",
    }
    return house.room.call("receive_legal_demand", told | changes, role=role, credential="")


def listed(house: House, **asked: Any) -> list[dict[str, Any]]:
    return house.room.ask("list_legal_demands", asked, role="supervisor")["items"]


def settle(house: House, demand_id: str) -> dict[str, Any]:
    told = {"demand_id": demand_id, "outcome": "OBJECTED_IN_COURT", "note": "No order was issued."}
    return house.room.call("settle_legal_demand", told, role="supervisor", credential="LPC")


def tasks_named(house: House, name: str) -> list[TaskOpened]:
    return [task for task in house.room.announced_of(TaskOpened) if task.task == name]


def holds_on(house: House) -> list[str]:
    with house.room.engine.connect() as connection:
        query = sa.select(legal_holds.c.patient_id).where(legal_holds.c.released_at.is_(None))
        return list(connection.scalars(query))


def request(**changes: Any) -> access.RecordRequest:
    values: dict[str, Any] = {
        "request_id": new_id(),
        "patient_id": new_id(),
        "journey_id": new_id(),
        "requested_at": NOW,
        "requested_by": "ada",
        "requested_by_role": "patient",
        "due_at": NOW + access.DELIVER_WITHIN,
    }
    return access.RecordRequest(**values | changes)


class TestLegalDemand:
    def test_answers_the_same_whoever_it_is_about(self, house: House) -> None:
        house.refer()

        known = demand(house)
        unknown = demand(house, about={**ADA, "given_name": "Nobody"})
        unnamed = demand(house, about={"given_name": "?", "family_name": "!", "birth_date": "1991-06-15"})

        assert known == unknown == unnamed == {"status": "received"}

    def test_reaches_a_named_role_and_puts_a_hold_on_whom_we_know(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]

        demand(house)
        demand(house, about={**ADA, "given_name": "Nobody"}, kind="COURT_ORDER")

        tasks = tasks_named(house, "legal_demand")
        assert [(task.owner_role, task.next_role, task.reason, task.patient_id) for task in tasks] == [
            ("supervisor", "medical_director", "SUBPOENA", patient_id),
            ("supervisor", "medical_director", "COURT_ORDER", None),
        ]
        assert tasks[0].due_at == house.room.now + timedelta(hours=24)
        assert [event.patient_id for event in house.room.announced_of(LegalHoldPlaced)] == [patient_id]
        assert holds_on(house) == [patient_id]
        assert {one["patient_id"] for one in listed(house, open=True)} == {patient_id, None}
        assert [one["patient_id"] for one in listed(house, on_hold=True)] == [patient_id]

    def test_seals_who_asks_for_whom_and_why(self, house: House) -> None:
        demand(house, about={**ADA, "given_name": "Zephyrine"})

        (queued,) = listed(house)
        kept = str(house.room.dump())
        assert queued["asker"] == "Prothonotary Lindqvist of Sangamon County"
        assert queued["about"] == "Zephyrine Quill, 1991-06-15"
        assert not [word for word in ("Lindqvist", "Zephyrine", "March") if word in kept]

    def test_is_for_nobody_but_those_who_answer_for_privacy(self, house: House) -> None:
        demand(house)
        (queued,) = listed(house)

        for role in ("clinician", "front_desk", "operations", "partner", "patient"):
            with pytest.raises(Forbidden):
                house.room.ask("list_legal_demands", {}, role=role)
            with pytest.raises(Forbidden):
                house.room.call("release_legal_hold", {"demand_id": queued["demand_id"]}, role=role)

    def test_is_looked_at_sooner_where_an_answer_is_wanted_sooner(self, house: House) -> None:
        soon = house.room.now + timedelta(hours=3)
        demand(house, answer_by=soon.isoformat())

        assert tasks_named(house, "legal_demand")[0].due_at == soon
        with pytest.raises(InvalidInput):
            demand(house, answer_by=house.room.now.isoformat())

    def test_is_settled_by_a_human_and_its_hold_released_by_one(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]
        demand(house)
        demand_id = listed(house)[0]["demand_id"]

        with pytest.raises(Conflict):
            house.room.call("release_legal_hold", {"demand_id": demand_id}, role="supervisor")
        settled = settle(house, demand_id)
        assert holds_on(house) == [patient_id]
        with pytest.raises(Conflict):
            settle(house, demand_id)
        released = house.room.call("release_legal_hold", {"demand_id": demand_id}, role="supervisor")

        assert (settled["settled_by_credential"], settled["hold_is_on"], released["hold_is_on"]) == (
            "LPC",
            True,
            False,
        )
        assert holds_on(house) == []
        assert len(house.room.announced_of(LegalHoldReleased)) == 1
        closed = [one for one in house.room.announced_of(TaskClosed) if one.task == "legal_demand"]
        assert [one.outcome for one in closed] == ["DONE"]

    def test_about_somebody_whom_a_human_recognises_puts_the_hold_on_then(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]
        demand(house, about={"given_name": "Ada", "family_name": "Quill"})
        (queued,) = listed(house)
        assert holds_on(house) == []
        told = {"demand_id": queued["demand_id"], "patient_id": patient_id}

        house.room.call("identify_demanded", told, role="supervisor")

        assert holds_on(house) == [patient_id]
        with pytest.raises(Conflict):
            house.room.call("identify_demanded", told, role="supervisor")


class TestHold:
    def test_cannot_be_released_before_the_demand_is_settled(self) -> None:
        received = legal.LegalDemand(
            demand_id="demand",
            kind="WARRANT",
            patient_id="ada",
            journey_id="journey",
            asker="Sheriff",
            about="Ada Quill",
            received_at=NOW,
            received_by="desk",
            received_by_role="front_desk",
            due_at=NOW + legal.LOOK_WITHIN,
        )

        with pytest.raises(legal.HoldNotOn):
            received.release(actor=SUPERVISOR, now=NOW)
        received.settle("NOTHING_DISCLOSED", note="No order.", actor=SUPERVISOR, now=NOW)
        (released,) = received.release(actor=SUPERVISOR, now=NOW)

        assert released.hold_id == "demand"
        with pytest.raises(legal.HoldNotOn):
            received.release(actor=SUPERVISOR, now=NOW)


class TestRecordRequestRule:
    def test_is_put_off_once(self) -> None:
        asked = request()
        asked.extend(reason="The archive moved.", now=NOW)

        assert asked.due_at == NOW + timedelta(days=60)
        with pytest.raises(access.ExtendedAlready):
            asked.extend(reason="Again.", now=NOW)

    def test_is_not_put_off_when_its_time_has_run_out(self) -> None:
        with pytest.raises(access.RequestNotOpen):
            request().extend(reason="Late.", now=NOW + timedelta(days=31))

    def test_is_denied_as_a_danger_by_the_licensed_only(self) -> None:
        unlicensed = Actor(actor_id="x", role="supervisor", credential="")
        asked = request()

        with pytest.raises(access.GroundNeedsLicence):
            asked.deny(ground="ENDANGERS_LIFE", reason="A threat.", actor=unlicensed, now=NOW)
        asked.deny(ground="ENDANGERS_LIFE", reason="A threat.", actor=SUPERVISOR, now=NOW)

        assert (asked.state, asked.denied_by_credential) == ("DENIED", "LPC")
        with pytest.raises(access.RequestNotOpen):
            asked.deliver(actor=SUPERVISOR, now=NOW)

    @pytest.mark.parametrize(("late", "in_time"), [(timedelta(), True), (timedelta(seconds=1), False)])
    def test_tells_whether_it_was_in_time(self, late: timedelta, in_time: bool) -> None:
        asked = request()

        (told,) = asked.deliver(actor=SUPERVISOR, now=asked.due_at + late)

        assert told.in_time is in_time
        assert asked.deliver(actor=SUPERVISOR, now=asked.due_at) == []


class TestRecordRequest:
    def ask(self, house: House, patient_id: str) -> dict[str, Any]:
        told = {"patient_id": patient_id}
        return house.room.call("request_record", told, role="patient", actor_id=patient_id)

    def test_has_thirty_days_and_somebody_who_is_asked(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]

        first, again = self.ask(house, patient_id), self.ask(house, patient_id)

        assert first == again
        assert len(house.room.announced_of(RecordRequested)) == 1
        (task,) = tasks_named(house, "record_access")
        assert (task.owner_role, task.due_at) == ("front_desk", house.room.now + timedelta(days=30))

    def test_is_ended_by_the_delivery(self, house: House) -> None:
        asked = self.ask(house, house.refer()["patient_id"])
        house.room.advance(timedelta(days=3))

        told = {"request_id": asked["request_id"]}
        house.room.call("deliver_record", told, role="front_desk")
        house.room.call("deliver_record", told, role="front_desk")
        house.room.advance(timedelta(days=60))

        assert [one.in_time for one in house.room.announced_of(RecordDelivered)] == [True]
        assert [one.outcome for one in house.room.announced_of(TaskClosed)] == ["DONE"]
        assert tasks_named(house, "record_access_overdue") == []
        assert house.room.timers() == []

    def test_asks_the_next_human_when_its_time_has_run_out(self, house: House) -> None:
        asked = self.ask(house, house.refer()["patient_id"])

        house.room.advance(timedelta(days=30))
        (overdue,) = tasks_named(house, "record_access_overdue")
        house.room.advance(timedelta(days=1))
        house.room.call("deliver_record", {"request_id": asked["request_id"]}, role="supervisor")

        assert (overdue.owner_role, overdue.next_role) == ("supervisor", "medical_director")
        assert [(one.task, one.outcome) for one in house.room.announced_of(TaskClosed)] == [
            ("record_access", "ESCALATED"),
            ("record_access_overdue", "DONE"),
        ]
        assert [one.in_time for one in house.room.announced_of(RecordDelivered)] == [False]

    def test_is_put_off_with_its_task_and_timer(self, house: House) -> None:
        asked = self.ask(house, house.refer()["patient_id"])
        told = {"request_id": asked["request_id"], "extend": True, "reason": "Cousin Hortensia moved it."}

        put_off = house.room.call("answer_record_request", told, role="supervisor")
        house.room.advance(timedelta(days=31))

        assert tasks_named(house, "record_access_overdue") == []
        assert [task.due_at.isoformat() for task in tasks_named(house, "record_access")][-1][:10] == put_off[
            "due_at"
        ][:10]
        assert "Hortensia" not in str(house.room.dump())
        for wrong in ({"extend": False}, {"extend": True, "ground": "NOT_HELD_HERE"}):
            with pytest.raises(InvalidInput):
                house.room.call("answer_record_request", told | wrong, role="supervisor")

    def test_is_a_patients_own(self, house: House) -> None:
        asked = self.ask(house, house.refer()["patient_id"])
        stranger = {"role": "patient", "actor_id": new_id()}

        for name in ("get_record_request", "deliver_record"):
            with pytest.raises(NotFound):
                house.room.call(name, {"request_id": asked["request_id"]}, **stranger)
        with pytest.raises(NotFound):
            house.room.ask("list_record_requests", {"patient_id": asked["patient_id"]}, **stranger)


class TestStandingConsents:
    RECIPIENT = new_id()

    def told(self, house: House, *patient_ids: str) -> list[dict[str, Any]]:
        asked = {"patient_ids": list(patient_ids)}
        return house.room.ask("list_standing_consents", asked, role="system")["items"]

    def allow(self, house: House, patient_id: str, **changes: Any) -> dict[str, Any]:
        told: dict[str, Any] = {
            "recipient_id": self.RECIPIENT,
            "purpose": "Care",
            "information_classes": ["ATTENDANCE", "BILLING"],
        }
        return house.consent(patient_id, "TPO", **told | changes)

    def test_are_those_in_force_that_name_somebody(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]
        house.consent(patient_id)
        ending = self.allow(
            house, patient_id, expires_at=(house.room.now + timedelta(days=1)).isoformat(), purpose="A day"
        )
        standing = self.allow(house, patient_id)
        taken_back = self.allow(house, patient_id, purpose="Another")
        house.room.call("revoke_consent", {"consent_id": taken_back["consent_id"]})

        assert {one["consent_id"] for one in self.told(house, patient_id, new_id())} == {
            ending["consent_id"],
            standing["consent_id"],
        }
        house.room.advance(timedelta(days=1))
        assert [one["consent_id"] for one in self.told(house, patient_id)] == [standing["consent_id"]]

    def test_tell_no_class_that_the_program_agreed_not_to_tell(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]
        self.allow(house, patient_id)
        asked = ask_for_less(house, patient_id, recipient_id=self.RECIPIENT, information_classes=["BILLING"])
        assert self.told(house, patient_id)[0]["information_classes"] == ["ATTENDANCE", "BILLING"]

        answer(house, asked, "AGREE")

        assert self.told(house, patient_id)[0]["information_classes"] == ["ATTENDANCE"]

    def test_tell_plans_nothing_that_none_is_to_know_and_others_what_they_are_for(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]
        plan = self.allow(house, patient_id)
        doctor = self.allow(house, patient_id, information_classes=["ATTENDANCE"], recipient_id=new_id())
        asked = ask_for_less(house, patient_id, recipient_id=None)

        answer(house, asked, "AGREE")

        told = {one["consent_id"]: one["information_classes"] for one in self.told(house, patient_id)}
        assert told == {plan["consent_id"]: [], doctor["consent_id"]: ["ATTENDANCE"]}
        (agreed,) = house.room.announced_of(PlanRestrictionAgreed)
        assert (agreed.coverage_id, house.room.announced_of(RestrictionAgreed)) == (None, [])

    def test_are_told_to_the_gateway_only(self, house: House) -> None:
        with pytest.raises(Forbidden):
            house.room.ask("list_standing_consents", {"patient_ids": []}, role="supervisor")
