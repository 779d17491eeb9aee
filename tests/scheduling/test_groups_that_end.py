"""A standing group that ends: everybody who was in it is given another week, as one job."""

import contextlib
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.scheduling import planning
from services.scheduling.service import Scheduling
from services.scheduling.solving.solver import SolverGone
from shared.contracts.common import TaskOpened
from shared.contracts.scheduling import (
    GroupEnded,
    ScheduleProposed,
    SeatCancelled,
    SessionMissed,
    WeeklyDoseShortfall,
)
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import derived_id, new_id
from tests.scheduling.builders import (
    SITE,
    add_clinician,
    admitted,
    discharge_of,
    furnish,
    ids_of,
    open_group,
    referral_of,
)
from tests.support import Room

SUNRISE = derived_id("group", "sunrise")
MONDAY = datetime(2026, 2, 2, 15, 0, tzinfo=UTC)


@pytest.fixture
def room(room_of) -> Room:
    """Return a room with a morning group on five days, in which Ada and Ben are."""
    room = room_of(Scheduling)
    furnish(room)
    admit(room, "Ada", "Ben")
    return room


def admit(room: Room, *names: str) -> None:
    for name in names:
        room.deliver(referral_of(name), *admitted(name))


def second_group(room: Room, name: str = "noon", **changes: Any) -> str:
    lead = add_clinician(room, f"lead of {name}", kind="CADC")
    return open_group(room, name, facilitator_id=lead, **({"track": "AFTERNOON"} | changes))


def end(room: Room, group_id: str = SUNRISE, *, command_id: str | None = None) -> dict[str, Any]:
    """End a group and return how its job ended."""
    command_id = command_id or new_id()
    accepted = room.call(
        "end_group",
        {"group_id": group_id, "reason": "FACILITATOR_LEFT"},
        role="operations",
        command_id=command_id,
    )
    assert accepted["accepted"] == f"scheduling.{command_id}"
    room.run_jobs()
    return room.ask("get_job", {"job_id": command_id})


def plan_of(room: Room, name: str) -> dict[str, Any]:
    return room.ask("get_weekly_plan", {"episode_id": ids_of(name)["episode_id"]})


def groups_in(room: Room, name: str) -> set[str]:
    return {block["group_id"] for block in plan_of(room, name)["blocks"]}


def seats_of(room: Room, name: str) -> list[dict[str, Any]]:
    return room.ask("list_patient_sessions", {"episode_id": ids_of(name)["episode_id"]})["items"]


class TestEndGroup:
    def test_moves_everybody_into_another_week_and_tells_each_why(self, room):
        noon = second_group(room)
        # Mornings for those who have no wish: nobody is in the other group yet.
        assert groups_in(room, "Ada") == groups_in(room, "Ben") == {SUNRISE}
        before = len(room.announced_of(ScheduleProposed))

        job = end(room)

        result = job["result"]
        assert (job["state"], result["without_week"]) == ("done", [])
        assert {one["patient_id"] for one in result["moved"]} == {
            ids_of(name)["patient_id"] for name in ("Ada", "Ben")
        }
        for name in ("Ada", "Ben"):
            plan = plan_of(room, name)
            assert {block["group_id"] for block in plan["blocks"]} == {noon}
            assert (plan["state"], plan["changed_because"], plan["confirmed_at"]) == (
                "ACTIVE",
                "GROUP_ENDED",
                None,
            )
        proposed = room.announced_of(ScheduleProposed)[before:]
        assert [one.because for one in proposed] == ["GROUP_ENDED", "GROUP_ENDED"]
        assert all(one.confirm_by == room.now + timedelta(hours=48) for one in proposed)
        (ended,) = room.announced_of(GroupEnded)
        assert (ended.members_moved, ended.members_without_week) == (2, 0)

    def test_takes_back_the_seats_to_come_and_counts_them_against_nobody(self, room):
        second_group(room)
        to_come = [one for one in seats_of(room, "Ada") if one["kind"] == "GROUP"]

        result = end(room)["result"]

        told = [
            one for one in room.announced_of(SeatCancelled) if one.patient_id == ids_of("Ada")["patient_id"]
        ]
        assert [one.reason for one in told] == ["GROUP_ENDED"] * len(to_come)
        states = {one["seat_id"]: one["state"] for one in seats_of(room, "Ada")}
        assert {states[one["seat_id"]] for one in to_come} == {"CANCELLED_BY_PROGRAM"}
        assert result["seats_cancelled"] == 2 * len(to_come)
        room.advance("2026-02-16T08:00:00-06:00")
        assert room.announced_of(SessionMissed) == []
        assert room.announced_of(WeeklyDoseShortfall) == []

    def test_moves_as_little_as_can_be(self, room_of):
        """Of a week in two groups, what the other one holds stays as it is."""
        room = room_of(Scheduling)
        furnish(room, weekdays=[0, 1])
        stays = second_group(room, "steady", track="MORNING", weekdays=[2, 3])
        spare = second_group(room, "spare", track="AFTERNOON", weekdays=[0, 1, 4])
        admit(room, "Ada")
        was = plan_of(room, "Ada")
        kept = {(b["group_id"], b["weekday"]) for b in was["blocks"] if b["group_id"] != SUNRISE}
        lost = [b for b in was["blocks"] if b["group_id"] == SUNRISE]
        assert lost, "Ada is in the group that ends"

        (moved,) = end(room)["result"]["moved"]

        now = plan_of(room, "Ada")
        assert kept <= {(b["group_id"], b["weekday"]) for b in now["blocks"]}
        assert {b["group_id"] for b in now["blocks"]} <= {stays, spare}
        assert now["individual"]["clinician_id"] == was["individual"]["clinician_id"]
        hour_moved = {k: now["individual"][k] for k in ("weekday", "starts")} != {
            k: was["individual"][k] for k in ("weekday", "starts")
        }
        assert moved["meetings_moved"] == len(lost) + hour_moved

    def test_asks_the_front_desk_for_whom_there_is_no_place_and_names_the_constraint(self, room):
        second_group(room, capacity=2, weekdays=[0, 2, 4])
        admit(room, "Cleo")
        assert SUNRISE in groups_in(room, "Cleo")

        result = end(room)["result"]

        assert (len(result["moved"]), len(result["without_week"])) == (2, 1)
        (left,) = result["without_week"]
        assert left["reason"] == "GROUPS_FULL"
        (task,) = [one for one in room.announced_of(TaskOpened) if one.task == "no_week_fits"]
        assert (task.task_id, task.reason, task.owner_role) == (left["task_id"], "GROUPS_FULL", "front_desk")
        assert task.patient_id == left["patient_id"]
        # The hour with the therapist is not lost with the groups.
        (who,) = [name for name in ("Ada", "Ben", "Cleo") if ids_of(name)["patient_id"] == left["patient_id"]]
        plan = plan_of(room, who)
        assert (plan["blocks"], plan["weekly_minutes"], plan["individual"] is not None) == ([], 50, True)

    def test_lets_those_go_first_who_are_bound_most(self, room):
        room.deliver(referral_of("Cleo"))
        declared = [{"kind": "WORK", "weekday": day, "starts": "12:30", "ends": "17:00"} for day in range(7)]
        room.call(
            "declare_obligations",
            {"patient_id": ids_of("Cleo")["patient_id"], "site_id": SITE, "obligations": declared},
        )
        room.deliver(*admitted("Cleo"))
        admit(room, "Dora")
        second_group(room, "dusk", track="EVENING", capacity=2, weekdays=[0, 2, 4])
        second_group(room, "noon", track="AFTERNOON", capacity=2, weekdays=[0, 2, 4])

        result = end(room)["result"]

        assert result["without_week"] == []
        assert groups_in(room, "Cleo") == {derived_id("group", "dusk")}

    def test_is_planned_into_by_nobody_afterwards_and_leaves_its_leader_free(self, room):
        noon = second_group(room)
        end(room)

        admit(room, "Dora")
        open_group(room, "again", facilitator_id=derived_id("clinician", "Walt"))

        assert groups_in(room, "Dora") == {noon}
        listed = {group["group_id"] for group in room.ask("list_groups", {})["items"]}
        everything = {group["group_id"] for group in room.ask("list_groups", {"ended": True})["items"]}
        assert listed == {noon, derived_id("group", "again")}
        assert everything - listed == {SUNRISE}
        with pytest.raises(Conflict) as refused:
            room.call("change_enrolment", {"group_id": SUNRISE, "enrolment": "OPEN"})
        assert refused.value.code == "group_is_over"

    def test_leaves_alone_what_somebody_had_who_has_left(self, room):
        second_group(room)
        room.deliver(discharge_of("Ada", at=room.now))

        result = end(room)["result"]

        assert [one["patient_id"] for one in result["moved"]] == [ids_of("Ben")["patient_id"]]
        assert groups_in(room, "Ada") == {SUNRISE}

    def test_is_done_once_under_one_command_and_refused_to_another(self, room):
        second_group(room)
        command_id = new_id()

        first = end(room, command_id=command_id)
        told = len(room.announced)
        again = end(room, command_id=command_id)
        other = end(room)

        assert again == first
        assert (other["state"], other["result"]["code"]) == ("failed", "group_is_over")
        assert len(room.announced) == told

    def test_is_begun_anew_where_the_process_died_in_the_middle(self, room, monkeypatch):
        second_group(room)
        command_id = new_id()
        found, asked = planning.find_week, []

        def die_at_the_second(*given: Any, **more: Any) -> Any:
            asked.append(1)
            if len(asked) == 2:
                raise SystemExit
            return found(*given, **more)

        monkeypatch.setattr(planning, "find_week", die_at_the_second)
        before = room.dump()
        with pytest.raises(SystemExit):
            end(room, command_id=command_id)
        between = room.dump()
        room.run_jobs()

        assert between == before
        job = room.ask("get_job", {"job_id": command_id})
        assert (job["state"], len(job["result"]["moved"])) == ("done", 2)
        assert len(room.announced_of(GroupEnded)) == 1

    def test_leaves_the_group_as_it_is_when_the_solver_is_gone(self, room, monkeypatch):
        second_group(room)
        before = room.dump()

        def gone(*_: Any) -> Any:
            raise SolverGone

        monkeypatch.setattr(planning.solver, "solve", gone)
        job = end(room)

        assert job == {"state": "failed", "result": {"failed": "SolverGone"}}
        assert room.dump() == before

    def test_changes_together_with_an_obligation_and_neither_is_forgotten(self, room):
        """The week that both leave behind meets no obligation, and holds nothing of the group."""
        second_group(room)
        second_group(room, "dusk", track="EVENING")
        declared = [{"kind": "WORK", "weekday": day, "starts": "12:00", "ends": "17:00"} for day in range(5)]
        start = threading.Barrier(2)

        def end_it() -> None:
            start.wait()
            with contextlib.suppress(sa.exc.OperationalError):
                end(room)

        def declare() -> None:
            start.wait()
            body = {"patient_id": ids_of("Ada")["patient_id"], "site_id": SITE, "obligations": declared}
            # Whoever waits for the site's lock for too long is told to ask again.
            while True:
                try:
                    room.call("declare_obligations", body)
                except Conflict as refusal:
                    assert refusal.code == "still_running"  # noqa: PT017  # the job has the lock
                else:
                    return

        threads = [threading.Thread(target=one) for one in (end_it, declare)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        # A job that lost the lock waits to be tried again.
        room.run_jobs()
        assert len(room.announced_of(GroupEnded)) == 1
        assert groups_in(room, "Ada") == {derived_id("group", "dusk")}
        assert groups_in(room, "Ben") <= {derived_id("group", "dusk"), derived_id("group", "noon")}

    def test_is_for_those_who_decide_about_groups(self, room):
        with pytest.raises(Forbidden):
            room.call("end_group", {"group_id": SUNRISE, "reason": "OTHER"}, role="front_desk")

    def test_knows_no_group_of_another_tenant(self, room):
        with pytest.raises(NotFound) as refusal:
            room.call(
                "end_group",
                {"group_id": SUNRISE, "reason": "OTHER"},
                role="operations",
                tenant_id="elsewhere",
            )

        assert refusal.value.problems[0]["field"] == "group_id"
        assert groups_in(room, "Ada") == {SUNRISE}


class TestRoomOfGroup:
    @pytest.fixture
    def blue(self, room) -> str:
        fields = {"site_id": SITE, "label": "Blue", "places": 12}
        return str(room.call("add_room", fields, role="operations")["room_id"])

    def _move(self, room: Room, group_id: str, room_id: str | None) -> dict[str, Any]:
        return room.call("move_group", {"group_id": group_id, "room_id": room_id}, role="operations")

    def _workshop(self, room: Room, starts_at: datetime, **changes: Any) -> dict[str, Any]:
        fields = {
            "site_id": SITE,
            "kind": "EDUCATION",
            "modality": "LIFE_SKILLS",
            "facilitator_id": derived_id("clinician", "therapist 0"),
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + timedelta(minutes=50)).isoformat(),
            "capacity": 10,
        }
        return room.call("plan_session", fields | changes, role="supervisor")

    def rooms_of(self, room: Room, group_id: str) -> set[str | None]:
        found = room.ask("list_sessions", {"from": room.now.isoformat()})["items"]
        return {one["room_id"] for one in found if one["group_id"] == group_id}

    def test_is_that_of_its_sessions(self, room, blue):
        noon = second_group(room, room_id=blue)
        end(room)

        assert self.rooms_of(room, noon) == {blue}

    def test_is_taken_by_sessions_that_are_booked_already(self, room, blue):
        moved = self._move(room, SUNRISE, blue)
        with_room = self.rooms_of(room, SUNRISE)
        self._move(room, SUNRISE, None)

        assert moved["room_id"] == blue
        assert (with_room, self.rooms_of(room, SUNRISE)) == ({blue}, {None})

    def test_holds_one_group_at_a_time(self, room, blue):
        self._move(room, SUNRISE, blue)

        with pytest.raises(Conflict) as refused:
            second_group(room, "brunch", starts="11:30", ends="14:30", room_id=blue)

        assert refused.value.code == "room_taken"
        second_group(room, "noon", starts="12:00", ends="15:00", room_id=blue)

    def test_is_kept_from_sessions_of_their_own(self, room, blue):
        self._move(room, SUNRISE, blue)
        in_march = MONDAY + timedelta(weeks=4, hours=1)

        with pytest.raises(Conflict) as refused:
            self._workshop(room, in_march, room_id=blue)
        workshop = self._workshop(room, in_march)
        with pytest.raises(Conflict) as assigned:
            room.call(
                "assign_session", {"session_id": workshop["session_id"], "room_id": blue}, role="supervisor"
            )

        assert (refused.value.code, assigned.value.code) == ("room_taken", "room_taken")

    def test_is_refused_where_a_session_has_it_already(self, room, blue):
        self._workshop(room, MONDAY + timedelta(weeks=4, hours=1), room_id=blue)

        with pytest.raises(Conflict) as refused:
            self._move(room, SUNRISE, blue)

        assert refused.value.code == "room_taken"
        assert self.rooms_of(room, SUNRISE) == {None}

    def test_leaves_alone_what_was_moved_by_hand(self, room, blue):
        fields = {"site_id": SITE, "label": "Green", "places": 12}
        green = room.call("add_room", fields, role="operations")["room_id"]
        self._move(room, SUNRISE, blue)
        one = next(seat for seat in seats_of(room, "Ada") if seat["kind"] == "GROUP")
        room.call("assign_session", {"session_id": one["session_id"], "room_id": green}, role="supervisor")

        self._move(room, SUNRISE, None)

        assert self.rooms_of(room, SUNRISE) == {None, green}

    def test_is_free_once_the_group_has_ended(self, room, blue):
        self._move(room, SUNRISE, blue)
        end(room)

        assert second_group(room, "morning", track="MORNING", room_id=blue)

    def test_has_places_for_all(self, room):
        fields = {"site_id": SITE, "label": "Closet", "places": 4}
        small = room.call("add_room", fields, role="operations")["room_id"]

        with pytest.raises(InvalidInput) as refused:
            self._move(room, SUNRISE, small)

        assert refused.value.code == "room_too_small"

    def test_must_be_there(self, room):
        with pytest.raises(NotFound) as refused:
            self._move(room, SUNRISE, new_id())

        assert refused.value.code == "no_such_room"
