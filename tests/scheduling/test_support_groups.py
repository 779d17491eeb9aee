"""Support groups: on the same calendar as treatment, and no treatment."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.scheduling.service import Scheduling
from shared.contracts.common import TaskOpened
from shared.contracts.scheduling import SessionMissed, WeeklyDoseShortfall
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
    """Return a room with a support group on Wednesday evenings, which Ada wishes to attend, and Ben not."""
    room = room_of(Scheduling)
    furnish(room)
    peer = add_clinician(room, "Pia", kind="CADC")
    open_group(room, "peers", kind="SUPPORT", track="EVENING", weekdays=[2], facilitator_id=peer)
    room.deliver(referral_of("Ada"), referral_of("Ben"))
    room.call(
        "declare_obligations",
        {
            "patient_id": ids_of("Ada")["patient_id"],
            "site_id": SITE,
            "obligations": [],
            "wishes": {"support_group": True},
        },
    )
    room.deliver(*admitted("Ada"), *admitted("Ben"))
    return room


def sessions_of(room: Room, *, kind: str | None = None) -> list[dict[str, Any]]:
    found = room.ask("list_patient_sessions", {"episode_id": ids_of("Ada")["episode_id"]})["items"]
    return [one for one in found if kind in (None, one["kind"])]


def mark(room: Room, session: dict[str, Any], word: str) -> None:
    room.advance(datetime.fromisoformat(session["starts_at"]) + timedelta(minutes=20))
    marks = [{"patient_id": ids_of("Ada")["patient_id"], "mark": word}]
    room.call("record_roster", {"session_id": session["session_id"], "marks": marks}, role="counselor")


class TestMissedSupportGroup:
    def test_is_an_absence_of_nobody(self, room):
        (support, *_) = sessions_of(room, kind="SUPPORT")

        mark(room, support, "NO_SHOW")

        seen = room.ask("get_attendance", {"episode_id": ids_of("Ada")["episode_id"]})
        states = {one["session_id"]: one["state"] for one in sessions_of(room)}
        assert states[support["session_id"]] == "NO_SHOW"
        assert room.announced_of(SessionMissed) == []
        assert (seen["missed_sessions"], seen["consecutive_absences"]) == (0, 0)

    def test_leaves_the_row_of_absences_as_it_is(self, room):
        first, *others = [one for one in sessions_of(room) if one["kind"] == "GROUP"]
        (support, *_) = sessions_of(room, kind="SUPPORT")
        later = next(one for one in others if one["starts_at"] > support["starts_at"])

        mark(room, first, "NO_SHOW")
        for one in [one for one in others if one["starts_at"] < support["starts_at"]]:
            mark(room, one, "EXCUSED")
        mark(room, support, "PRESENT")
        mark(room, later, "NO_SHOW")

        assert [one.consecutive for one in room.announced_of(SessionMissed)] == [1, 2]

    def test_owes_no_note(self, room):
        (support, *_) = sessions_of(room, kind="SUPPORT")

        mark(room, support, "PRESENT")
        room.advance(timedelta(days=4))

        owed = room.ask("list_unsigned_notes", {}, role="operations")["items"]
        assert support["session_id"] not in {one["session_id"] for one in owed}
        assert "note_overdue" not in [task.task for task in room.announced_of(TaskOpened)]


class TestSupportGroupThatIsCalledOff:
    def test_excuses_no_short_week(self, room):
        room.advance("2026-02-09T06:00:00-06:00")
        of_week = [one for one in sessions_of(room) if "2026-02-09" <= one["starts_at"] < "2026-02-16"]
        (support,) = [one for one in of_week if one["kind"] == "SUPPORT"]
        room.call("cancel_session", {"session_id": support["session_id"], "reason": "OTHER"})

        for one in of_week:
            if one["kind"] != "SUPPORT":
                mark(room, one, "NO_SHOW")
        room.advance("2026-02-16T08:00:00-06:00")

        told = [one for one in room.announced_of(WeeklyDoseShortfall) if one.week_starts_on.day == 9]
        assert ids_of("Ada")["patient_id"] in [one.patient_id for one in told]
