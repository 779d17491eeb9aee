"""Credentials that run out, absences, hand-overs and rooms."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.scheduling.service import Scheduling
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.scheduling import CredentialExpired, SessionAttended, SessionReassigned
from shared.errors import Conflict, InvalidInput
from shared.ids import derived_id
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

MONDAY = datetime(2026, 2, 2, 15, 0, tzinfo=UTC)
WALT = derived_id("clinician", "Walt")


@pytest.fixture
def room(room_of) -> Room:
    room = room_of(Scheduling)
    furnish(room)
    return room


def admit(room: Room, *names: str) -> None:
    for name in names:
        room.deliver(referral_of(name), *admitted(name))


def groups_of(room: Room, name: str) -> list[dict[str, Any]]:
    found = room.ask("list_patient_sessions", {"episode_id": ids_of(name)["episode_id"]})["items"]
    return [one for one in found if one["kind"] == "GROUP"]


def tasks_of(room: Room, task: str) -> list[TaskOpened]:
    return [one for one in room.announced_of(TaskOpened) if one.task == task]


def renew(room: Room, name: str, *, expires_on: str, kind: str = "CADC", **more: Any) -> dict[str, Any]:
    return room.call(
        "record_credential",
        {
            "clinician_id": derived_id("clinician", name),
            "kind": kind,
            "state": "IL",
            "expires_on": expires_on,
            **more,
        },
        role="supervisor",
    )


class TestCredentials:
    def test_ask_for_renewal_at_sixty_thirty_and_seven_days(self, room):
        add_clinician(room, "Ines", expires_on=date(2026, 5, 1))

        room.advance("2026-05-01T12:00:00-05:00")

        asked = tasks_of(room, "credential_expires")
        assert [task.reason for task in asked] == [
            "EXPIRES_WITHIN_60_DAYS",
            "EXPIRES_WITHIN_30_DAYS",
            "EXPIRES_WITHIN_7_DAYS",
        ]
        closed = [one for one in room.announced_of(TaskClosed) if one.task == "credential_expires"]
        assert [(one.task_id, one.outcome) for one in closed] == [
            (asked[0].task_id, "ESCALATED"),
            (asked[1].task_id, "ESCALATED"),
        ]
        assert room.announced_of(CredentialExpired) == []

    def test_are_asked_for_no_longer_once_renewed(self, room):
        add_clinician(room, "Ines", kind="CADC", expires_on=date(2026, 3, 15))
        room.advance("2026-02-20T12:00:00-06:00")

        renew(room, "Ines", expires_on="2028-03-15")
        room.advance("2026-03-20T12:00:00-05:00")

        asked = tasks_of(room, "credential_expires")
        closed = {one.task_id: one.outcome for one in room.announced_of(TaskClosed)}
        assert closed[asked[-1].task_id] == "DONE"
        assert room.announced_of(CredentialExpired) == []

    def test_expire_at_midnight_of_the_site_and_ask_for_somebody_else(self, room_of):
        room = room_of(Scheduling)
        furnish(room)
        lead = add_clinician(room, "Leaving", kind="CADC", expires_on=date(2026, 2, 4))
        open_group(room, "dusk", track="EVENING", facilitator_id=lead)
        declared = [{"kind": "WORK", "weekday": day, "starts": "08:00", "ends": "17:00"} for day in range(5)]
        room.deliver(referral_of("Ada"))
        room.call(
            "declare_obligations",
            {"patient_id": ids_of("Ada")["patient_id"], "site_id": SITE, "obligations": declared},
        )
        room.deliver(*admitted("Ada"))

        room.advance("2026-02-04T23:59:00-06:00")
        before = room.announced_of(CredentialExpired)
        room.advance("2026-02-05T00:01:00-06:00")

        assert before == []
        (expired,) = room.announced_of(CredentialExpired)
        assert (expired.clinician_id, expired.expired_on) == (lead, date(2026, 2, 4))
        (task, *_) = tasks_of(room, "sessions_to_reassign")
        assert (task.about_id, task.owner_role) == (lead, "supervisor")

    def test_that_expire_during_a_session_leave_it_to_be_finished(self, room):
        late = add_clinician(room, "Late", kind="CADC", expires_on=date(2026, 2, 6))
        admit(room, "Ada")
        starts_at = datetime.fromisoformat("2026-02-06T22:30:00-06:00")
        session = room.call(
            "plan_session",
            {
                "site_id": SITE,
                "kind": "GROUP",
                "modality": "CBT",
                "facilitator_id": late,
                "starts_at": starts_at.isoformat(),
                "ends_at": (starts_at + timedelta(hours=3)).isoformat(),
                "capacity": 12,
            },
            role="supervisor",
        )
        who = {"session_id": session["session_id"], "patient_id": ids_of("Ada")["patient_id"]}
        room.call("book_seat", who, role="front_desk")
        room.advance(starts_at)
        room.call("check_in", who, role="front_desk")

        room.advance(starts_at + timedelta(hours=4))
        room.call(
            "record_roster",
            {
                "session_id": session["session_id"],
                "marks": [{"patient_id": who["patient_id"], "mark": "PRESENT"}],
            },
            role="counselor",
        )

        assert [one.expired_on for one in room.announced_of(CredentialExpired)] == [date(2026, 2, 6)]
        attended = [
            one for one in room.announced_of(SessionAttended) if one.session_id == session["session_id"]
        ]
        assert [one.credited_minutes for one in attended] == [180]
        assert tasks_of(room, "sessions_to_reassign") == []

    def test_that_the_source_does_not_confirm_count_no_longer(self, room):
        ines = add_clinician(room, "Ines", kind="CADC")

        found = room.call(
            "check_credential",
            {
                "clinician_id": ines,
                "kind": "CADC",
                "state": "IL",
                "source": "CERTIFYING_BODY",
                "outcome": "NOT_CONFIRMED",
            },
            role="supervisor",
        )

        assert (found["may_lead"], found["credentials"][0]["check_outcome"]) == (False, "NOT_CONFIRMED")

    def test_are_supervised_by_somebody_licensed(self, room):
        add_clinician(room, "Ines", kind="CADC")

        with pytest.raises(InvalidInput) as refused:
            renew(room, "Ines", expires_on="2030-01-01", supervised_by=WALT)
        found = renew(
            room, "Ines", expires_on="2030-01-01", supervised_by=derived_id("clinician", "therapist 0")
        )

        assert refused.value.code == "supervisor_not_licensed"
        assert found["credentials"][0]["supervised_by"] == derived_id("clinician", "therapist 0")


class TestAbsence:
    def _away(self, room: Room, **more: Any) -> dict[str, Any]:
        return room.call(
            "record_absence",
            {
                "clinician_id": WALT,
                "starts_at": "2026-02-03T00:00:00-06:00",
                "ends_at": "2026-02-05T23:00:00-06:00",
                "reason": "SICK",
                **more,
            },
            role="supervisor",
        )

    def test_gives_the_sessions_to_a_stand_in(self, room):
        admit(room, "Ada")
        ines = add_clinician(room, "Ines", kind="CADC")

        absence = self._away(room, stand_in_id=ines)

        led = {
            one["starts_at"][:10]: one["facilitator_id"]
            for one in groups_of(room, "Ada")
            if "2026-02-03" <= one["starts_at"] < "2026-02-06"
        }
        assert set(led.values()) == {ines}
        assert (absence["moved"], absence["left"]) == (len(led), [])
        assert len(room.announced_of(SessionReassigned)) == len(led) > 0
        assert tasks_of(room, "sessions_to_reassign") == []

    def test_asks_for_somebody_until_the_sessions_are_handed_over(self, room):
        admit(room, "Ada")
        absence = self._away(room)
        (task,) = tasks_of(room, "sessions_to_reassign")
        ines = add_clinician(room, "Ines", kind="CADC")

        done = room.call(
            "hand_over_caseload",
            {
                "clinician_id": WALT,
                "to_clinician_id": ines,
                "from": "2026-02-03T00:00:00-06:00",
                "until": "2026-02-06T00:00:00-06:00",
            },
            role="supervisor",
        )

        assert [one["reason"] for one in absence["left"]] == ["AWAY"] * len(absence["left"])
        assert done["moved"] == len(absence["left"]) > 0
        closed = [one.outcome for one in room.announced_of(TaskClosed) if one.task_id == task.task_id]
        assert closed == ["DONE"]

    def test_leaves_what_a_stand_in_cannot_take(self, room):
        admit(room, "Ada")
        ines = add_clinician(room, "Ines", kind="CADC", expires_on=date(2026, 2, 1))

        absence = self._away(room, stand_in_id=ines)

        assert {one["reason"] for one in absence["left"]} == {"NOT_LICENSED"}
        assert absence["moved"] == 0


class TestHandOver:
    def test_for_good_takes_the_groups_along(self, room):
        admit(room, "Ada")
        ines = add_clinician(room, "Ines", kind="CADC")

        done = room.call(
            "hand_over_caseload", {"clinician_id": WALT, "to_clinician_id": ines}, role="supervisor"
        )

        assert done["groups_moved"] == 1
        assert done["left"] == []
        assert {one["facilitator_id"] for one in groups_of(room, "Ada")} == {ines}
        room.advance("2026-02-08T21:00:00-06:00")
        assert {one["facilitator_id"] for one in groups_of(room, "Ada")} == {ines}


class TestRooms:
    def _room(self, room: Room, label: str = "Blue", places: int = 12) -> str:
        fields = {"site_id": SITE, "label": label, "places": places}
        return str(room.call("add_room", fields, role="operations")["room_id"])

    def _session(self, room: Room, **changes: Any) -> dict[str, Any]:
        starts_at = MONDAY + timedelta(days=5)
        fields = {
            "site_id": SITE,
            "kind": "GROUP",
            "modality": "CBT",
            "facilitator_id": WALT,
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + timedelta(hours=2)).isoformat(),
            "capacity": 12,
        }
        return room.call("plan_session", fields | changes, role="supervisor")

    def test_hold_one_session_at_a_time(self, room):
        blue = self._room(room)
        self._session(room, room_id=blue)

        with pytest.raises(Conflict) as refused:
            self._session(room, room_id=blue, facilitator_id=derived_id("clinician", "therapist 0"))

        assert refused.value.code == "room_taken"

    def test_hold_no_more_people_than_they_have_places(self, room):
        with pytest.raises(InvalidInput) as refused:
            self._session(room, room_id=self._room(room, places=8))

        assert refused.value.code == "room_too_small"

    def test_are_not_needed_where_nobody_leaves_home(self, room):
        with pytest.raises(InvalidInput) as refused:
            self._session(room, room_id=self._room(room), mode="VIDEO")

        assert refused.value.code == "no_room_needed"

    def test_change_until_a_session_begins(self, room):
        session = self._session(room)
        blue = self._room(room)
        moved = room.call(
            "assign_session", {"session_id": session["session_id"], "room_id": blue}, role="supervisor"
        )
        room.at(datetime.fromisoformat(session["starts_at"]))

        with pytest.raises(Conflict) as refused:
            room.call(
                "assign_session", {"session_id": session["session_id"], "room_id": blue}, role="supervisor"
            )

        assert moved["room_id"] == blue
        assert refused.value.code == "session_under_way"


class TestEnrolment:
    def test_of_a_closed_group_keeps_newcomers_out_and_those_who_are_in_together(self, room):
        admit(room, "Ada")
        group_id = derived_id("group", "sunrise")
        room.call("change_enrolment", {"group_id": group_id, "enrolment": "CLOSED"}, role="counselor")

        admit(room, "Ben")
        plans = [
            room.ask("get_weekly_plan", {"episode_id": ids_of(name)["episode_id"]})["state"]
            for name in ("Ada", "Ben")
        ]
        with pytest.raises(Conflict) as refused:
            room.call(
                "book_seat",
                {
                    "session_id": groups_of(room, "Ada")[0]["session_id"],
                    "patient_id": ids_of("Ben")["patient_id"],
                },
            )
        room.call("change_enrolment", {"group_id": group_id, "enrolment": "OPEN"}, role="counselor")

        assert plans == ["ACTIVE", "WAITING"]
        assert refused.value.code == "enrolment_closed"
        ben = room.ask("get_weekly_plan", {"episode_id": ids_of("Ben")["episode_id"]})
        assert ben["state"] == "ACTIVE"
