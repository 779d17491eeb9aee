"""What an episode shows of structure and of flexibility (S55)."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.scheduling.service import Scheduling
from shared.errors import NotFound
from tests.scheduling.builders import (
    SITE,
    add_clinician,
    admitted,
    furnish,
    ids_of,
    open_group,
    referral_of,
)
from tests.support import Room


@pytest.fixture
def room(room_of) -> Room:
    room = room_of(Scheduling)
    furnish(room)
    evenings = add_clinician(room, "Vera", kind="CADC")
    open_group(room, "dusk", track="EVENING", facilitator_id=evenings)
    room.deliver(referral_of("Ada"), *admitted("Ada"), referral_of("Ben"))
    declare(room, "Ben", *at_work("08:00", "17:00"))
    room.deliver(*admitted("Ben"))
    return room


def declare(room: Room, name: str, *obligations: dict[str, Any], **more: Any) -> None:
    body = {"patient_id": ids_of(name)["patient_id"], "site_id": SITE, "obligations": list(obligations)}
    room.call("declare_obligations", body | more)


def at_work(starts: str, ends: str) -> list[dict[str, Any]]:
    return [{"kind": "WORK", "weekday": day, "starts": starts, "ends": ends} for day in range(5)]


def balance(room: Room, **who: Any) -> dict[str, Any]:
    return room.ask("get_balance", {"episode_id": ids_of("Ada")["episode_id"]}, **who)


def as_ada() -> dict[str, Any]:
    return {"role": "patient", "actor_id": ids_of("Ada")["patient_id"]}


def groups_of(room: Room) -> list[dict[str, Any]]:
    found = room.ask("list_patient_sessions", {"episode_id": ids_of("Ada")["episode_id"]})["items"]
    return [one for one in found if one["kind"] == "GROUP" and one["state"] == "SCHEDULED"]


class TestGetBalance:
    def test_begins_with_the_week_that_was_found(self, room):
        found = balance(room)

        assert (found["weekly_minutes"], found["floor_minutes"]) == (545, 540)
        assert (found["weeks"], found["attended_minutes"], found["attendance_percent"]) == (0, 0, None)
        assert (found["swaps"], found["week_changes"], found["week_confirmed"]) == (0, 0, False)

    def test_tells_hours_that_were_held_and_moves_that_were_honoured(self, room):
        first, second, *_ = groups_of(room)
        for one, word in ((first, "PRESENT"), (second, "NO_SHOW")):
            room.advance(datetime.fromisoformat(one["starts_at"]) + timedelta(minutes=20))
            marks = [{"patient_id": ids_of("Ada")["patient_id"], "mark": word}]
            room.call("record_roster", {"session_id": one["session_id"], "marks": marks}, role="counselor")
        coming = groups_of(room)[-1]
        offered = room.ask("list_alternatives", {"seat_id": coming["seat_id"]}, **as_ada())["items"]
        room.call(
            "swap_seat",
            {"seat_id": coming["seat_id"], "to_session_id": offered[0]["session_id"]},
            **as_ada(),
        )
        room.call("confirm_weekly_plan", {"episode_id": ids_of("Ada")["episode_id"]}, **as_ada())

        found = balance(room, **as_ada())

        assert (found["attended_minutes"], found["attendance_percent"]) == (165, 50)
        assert (found["weeks"], found["swaps"], found["week_confirmed"]) == (1, 1, True)

    def test_counts_how_often_the_week_followed_a_new_life(self, room):
        declare(room, "Ada", *at_work("08:00", "13:00"), wishes={"family": True})

        found = balance(room)

        assert (found["week_changes"], found["wishes_not_met"]) == (1, 1)

    def test_is_the_patients_own(self, room):
        with pytest.raises(NotFound):
            balance(room, role="patient", actor_id=ids_of("Ben")["patient_id"])

    def test_is_not_there_without_an_episode(self, room):
        with pytest.raises(NotFound):
            room.ask("get_balance", {"episode_id": ids_of("Nobody")["episode_id"]})
