"""What patients say of their sessions, and what stands in calendars."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.scheduling import tables
from services.scheduling.service import Scheduling
from shared.contracts.common import TaskClosed, TaskOpened
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import derived_id
from tests.scheduling.builders import admitted, furnish, ids_of, referral_of
from tests.support import Room

ADA = ids_of("Ada")


@pytest.fixture
def room(room_of) -> Room:
    room = room_of(Scheduling)
    furnish(room)
    room.deliver(referral_of("Ada"), *admitted("Ada"))
    return room


def groups(room: Room) -> list[dict[str, Any]]:
    found = room.ask("list_patient_sessions", {"episode_id": ADA["episode_id"]})["items"]
    return [one for one in found if one["kind"] == "GROUP"]


def attend(room: Room, session: dict[str, Any]) -> str:
    room.advance(datetime.fromisoformat(session["ends_at"]))
    marks = [{"seat_id": session["seat_id"], "mark": "PRESENT"}]
    room.call("record_roster", {"session_id": session["session_id"], "marks": marks})
    return str(session["session_id"])


def rate(room: Room, session_id: str, rating: int, **more: Any) -> dict[str, Any]:
    body = {"session_id": session_id, "rating": rating, **more}
    return room.call("give_feedback", body, role="patient", actor_id=ADA["patient_id"])


def drops(room: Room) -> list[TaskOpened]:
    return [one for one in room.announced_of(TaskOpened) if one.task == "feedback_drop"]


class TestFeedback:
    def test_is_kept_sealed_and_read_by_those_who_treat(self, room):
        session_id = attend(room, groups(room)[0])
        rate(room, session_id, 8, reason="The kettle was broken, and we laughed.")

        (told,) = room.ask("list_feedback", {"episode_id": ADA["episode_id"]})["items"]

        assert (told["rating"], told["reason"]) == (8, "The kettle was broken, and we laughed.")
        with room.engine.connect() as connection:
            (kept,) = connection.execute(sa.select(tables.feedback)).all()
        assert b"kettle" not in bytes(kept.reason_sealed)

    def test_tells_the_counselor_of_a_drop_of_two_and_of_none_of_one(self, room):
        first, second, third = groups(room)[:3]
        rate(room, attend(room, first), 9)
        rate(room, attend(room, second), 8)
        assert drops(room) == []

        rate(room, attend(room, third), 6)

        (task,) = drops(room)
        assert (task.owner_role, task.patient_id, task.about_id) == (
            "counselor",
            ADA["patient_id"],
            third["seat_id"],
        )

    def test_put_right_takes_the_question_back_and_asks_once(self, room):
        first, second = groups(room)[:2]
        rate(room, attend(room, first), 9)
        session_id = attend(room, second)
        rate(room, session_id, 3)
        rate(room, session_id, 2)
        assert len(drops(room)) == 1

        rate(room, session_id, 9)

        closed = [one for one in room.announced_of(TaskClosed) if one.task == "feedback_drop"]
        assert [one.outcome for one in closed] == ["WITHDRAWN"]

    def test_is_for_those_who_were_there_within_a_week(self, room):
        first, second = groups(room)[:2]
        session_id = attend(room, first)
        with pytest.raises(Conflict):
            rate(room, second["session_id"], 5)
        with pytest.raises(InvalidInput):
            rate(room, session_id, 11)
        room.at(room.now + timedelta(days=8))
        with pytest.raises(Conflict):
            rate(room, session_id, 5)


class TestCalendar:
    def test_tells_times_and_what_was_called_off_and_nothing_else(self, room):
        first = groups(room)[0]
        room.call("cancel_session", {"session_id": first["session_id"], "reason": "WEATHER"})

        told = room.ask("get_patient_calendar", {"patient_id": ADA["patient_id"]})

        ids = {one["entry_id"]: one["cancelled"] for one in told["items"]}
        assert ids[first["seat_id"]] is True
        assert sum(ids.values()) == 1
        assert set(told["items"][0]) == {"entry_id", "starts_at", "ends_at", "cancelled"}

    def test_of_a_clinician_holds_what_they_lead(self, room):
        walt = derived_id("clinician", "Walt")
        told = room.ask("get_clinician_calendar", {"clinician_id": walt})
        assert {one["entry_id"] for one in told["items"]} == {one["session_id"] for one in groups(room)}

    def test_keeps_within_its_stretch_and_is_ones_own(self, room):
        first = groups(room)[0]
        starts = datetime.fromisoformat(first["starts_at"])
        asked = {
            "patient_id": ADA["patient_id"],
            "from": (starts + timedelta(hours=1)).isoformat(),
            "to": (starts + timedelta(hours=2)).isoformat(),
        }
        told = room.ask("get_patient_calendar", asked)
        assert [one["entry_id"] for one in told["items"]] == [first["seat_id"]]
        with pytest.raises(InvalidInput):
            room.ask("get_patient_calendar", asked | {"to": asked["from"]})
        with pytest.raises(NotFound):
            room.ask("get_patient_calendar", asked, role="patient", actor_id=ids_of("Ben")["patient_id"])
        with pytest.raises(NotFound):
            room.ask("get_patient_calendar", {"patient_id": ids_of("Ben")["patient_id"]})
