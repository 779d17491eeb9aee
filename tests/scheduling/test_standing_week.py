"""The weekly plan of a patient, from the proposal to the agreement, and when life changes."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.scheduling.service import Scheduling
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import write_moment
from shared.contracts.monitoring import PlanActivated
from shared.contracts.scheduling import (
    ScheduleConfirmed,
    ScheduleProposed,
    SessionScheduled,
    StandingPlaceFreed,
)
from shared.errors import Conflict, NotFound
from shared.ids import derived_id
from tests.scheduling.builders import (
    ADMITTED_AT,
    SITE,
    add_clinician,
    admission_of,
    admitted,
    discharge_of,
    draft_of,
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
    skills = add_clinician(room, "Nora", kind="CADC")
    open_group(
        room,
        "skills",
        facilitator_id=skills,
        kind="EDUCATION",
        modality="LIFE_SKILLS",
        track="AFTERNOON",
        weekdays=[1, 3],
    )
    return room


def plan_of(room: Room, name: str) -> dict[str, Any]:
    return room.ask("get_weekly_plan", {"episode_id": ids_of(name)["episode_id"]})


def declare(room: Room, name: str, *obligations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return room.call(
        "declare_obligations",
        {
            "patient_id": ids_of(name)["patient_id"],
            "site_id": SITE,
            "obligations": list(obligations),
            **more,
        },
    )


def work(weekday: int, starts: str, ends: str) -> dict[str, Any]:
    return {"kind": "WORK", "weekday": weekday, "starts": starts, "ends": ends}


def admit(room: Room, name: str, **changes: Any) -> None:
    room.deliver(referral_of(name))
    room.deliver(*admitted(name, **changes))


def slots(plan: dict[str, Any]) -> set[tuple[str, int]]:
    return {(block["group_id"], block["weekday"]) for block in plan["blocks"]}


def confirm(room: Room, name: str, **data: Any) -> dict[str, Any]:
    ids = ids_of(name)
    return room.call(
        "confirm_weekly_plan",
        {"episode_id": ids["episode_id"], **data},
        role="patient",
        actor_id=ids["patient_id"],
    )


def treatment_plan(name: str, *modalities: str, version: int = 1) -> PlanActivated:
    return PlanActivated(
        **ids_of(name),
        plan_id=derived_id("treatment plan", name, str(version)),
        version=version,
        modalities=modalities,
        activated_at=ADMITTED_AT,
    )


class TestProposal:
    def test_holds_the_week_and_says_why_it_is_as_it_is(self, room):
        room.deliver(referral_of("Ada"))
        declare(room, "Ada", work(1, "07:00", "12:00"), wishes={"tracks": ["MORNING"], "family": True})

        room.deliver(*admitted("Ada"))

        plan = plan_of(room, "Ada")
        (proposed,) = room.announced_of(ScheduleProposed)
        assert (plan["state"], plan["confirmed_at"], plan["workshop_exception"]) == ("ACTIVE", None, None)
        assert all("CLEAR_OF_OBLIGATIONS" in block["reasons"] for block in plan["blocks"])
        assert {block["kind"] for block in plan["blocks"] if "WORKSHOP_OF_THE_WEEK" in block["reasons"]} == {
            "EDUCATION"
        }
        assert "LICENSED_THERAPIST" in plan["individual"]["reasons"]
        assert plan["wishes_not_met"] == [
            {"wish": "FAMILY", "reason": "NOT_OFFERED"},
            {"wish": "TRACKS", "reason": "OTHER_RULES"},
        ]
        assert proposed.wishes_not_met == ("FAMILY", "TRACKS")
        assert proposed.wishes_not_met_because == ("NOT_OFFERED", "OTHER_RULES")
        assert (proposed.weekly_minutes, proposed.moved) == (plan["weekly_minutes"], 0)
        assert room.announced_of(SessionScheduled)
        assert room.announced_of(ScheduleConfirmed) == []

    def test_says_why_there_is_no_workshop(self, room):
        room.deliver(referral_of("Ada"))
        declare(room, "Ada", work(1, "13:00", "16:00"), work(3, "13:00", "16:00"))

        room.deliver(*admitted("Ada"))

        (proposed,) = room.announced_of(ScheduleProposed)
        assert proposed.workshop_exception == "WORKSHOPS_MEET_OBLIGATIONS"
        assert plan_of(room, "Ada")["workshop_exception"] == "WORKSHOPS_MEET_OBLIGATIONS"

    def test_keeps_wishes_that_are_not_told_again(self, room):
        room.deliver(referral_of("Ada"))
        declare(room, "Ada", wishes={"telehealth": True})

        answer = declare(room, "Ada", work(0, "08:00", "09:00"))

        assert answer["wishes"]["telehealth"] is True


class TestConfirmation:
    def test_is_the_patients(self, room):
        admit(room, "Ada")

        answer = confirm(room, "Ada")
        again = confirm(room, "Ada")

        (confirmed,) = room.announced_of(ScheduleConfirmed)
        assert answer["confirmed_at"] == again["confirmed_at"] is not None
        assert confirmed.weekly_minutes == answer["weekly_minutes"]
        assert confirmed.version == answer["version"]

    def test_is_refused_where_another_week_is_meant_and_changes_nothing(self, room):
        admit(room, "Ada")

        with pytest.raises(Conflict) as refusal:
            confirm(room, "Ada", version=7)

        assert refusal.value.problems[0]["field"] == "version"
        assert plan_of(room, "Ada")["confirmed_at"] is None

    def test_is_refused_where_no_week_was_found(self, room):
        room.deliver(referral_of("Ada"))
        declare(room, "Ada", *(work(day, "06:00", "22:00") for day in range(7)))
        room.deliver(*admitted("Ada"))

        with pytest.raises(Conflict):
            confirm(room, "Ada")

    def test_is_nobody_elses(self, room):
        admit(room, "Ada")

        with pytest.raises(NotFound):
            room.call(
                "confirm_weekly_plan",
                {"episode_id": ids_of("Ada")["episode_id"]},
                role="patient",
                actor_id=ids_of("Ben")["patient_id"],
            )


class TestDeadline:
    """By which the patient is to agree; then the front desk asks, and after it the counselor."""

    def asked(self, room: Room) -> list[TaskOpened]:
        return [one for one in room.announced_of(TaskOpened) if one.task == "week_unconfirmed"]

    def closed(self, room: Room) -> list[tuple[str, str]]:
        return [
            (one.task_id, one.outcome)
            for one in room.announced_of(TaskClosed)
            if one.task == "week_unconfirmed"
        ]

    def test_is_named_and_asked_for_when_it_is_over(self, room):
        admit(room, "Ada")
        due_at = ADMITTED_AT + timedelta(hours=48)

        room.advance(due_at - timedelta(minutes=1))
        before = self.asked(room)
        room.advance(due_at)

        (proposed,) = room.announced_of(ScheduleProposed)
        (task,) = self.asked(room)
        assert (before, proposed.confirm_by) == ([], due_at)
        assert plan_of(room, "Ada")["confirm_by"] == write_moment(due_at)
        assert (task.owner_role, task.next_role) == ("front_desk", "counselor")
        assert (task.about_id, task.due_at) == (ids_of("Ada")["episode_id"], due_at + timedelta(hours=24))

    def test_is_kept_by_whoever_agrees_in_time(self, room):
        admit(room, "Ada")
        confirm(room, "Ada")

        room.advance(ADMITTED_AT + timedelta(days=5))

        assert self.asked(room) == []

    def test_is_asked_for_no_longer_once_the_patient_agrees(self, room):
        admit(room, "Ada")
        room.advance(ADMITTED_AT + timedelta(days=3))

        confirm(room, "Ada")
        confirm(room, "Ada")

        (task,) = self.asked(room)
        assert self.closed(room) == [(task.task_id, "DONE")]

    def test_begins_anew_with_another_week(self, room):
        admit(room, "Ada")
        room.advance(ADMITTED_AT + timedelta(days=3))
        (first,) = self.asked(room)

        declare(room, "Ada", work(0, "08:00", "12:00"))
        moved_at = room.now
        closed = self.closed(room)
        room.advance(moved_at + timedelta(hours=47))
        waiting = self.asked(room)
        room.advance(moved_at + timedelta(hours=48))

        assert closed == [(first.task_id, "WITHDRAWN")]
        assert waiting == [first]
        assert len({task.task_id for task in self.asked(room)}) == 2

    def test_is_forgotten_when_the_patient_leaves(self, room):
        admit(room, "Ada")
        room.advance(ADMITTED_AT + timedelta(days=3))
        (task,) = self.asked(room)

        room.deliver(discharge_of("Ada", at=room.now))
        room.advance(ADMITTED_AT + timedelta(days=9))

        assert self.closed(room) == [(task.task_id, "WITHDRAWN")]
        assert self.asked(room) == [task]

    def test_asks_nobody_about_a_week_that_somebody_looks_for_anew(self, room):
        admit(room, "Ada")
        declare(room, "Ada", *(work(day, "08:00", "20:00") for day in range(4)))

        room.advance(ADMITTED_AT + timedelta(days=5))

        assert [one.task for one in room.announced_of(TaskOpened)].count("no_week_fits") == 1
        assert self.asked(room) == []


class TestChange:
    def test_of_a_shift_moves_only_what_it_meets_and_asks_again(self, room):
        admit(room, "Ada")
        confirm(room, "Ada")
        before = plan_of(room, "Ada")
        block = next(one for one in before["blocks"] if one["kind"] == "GROUP")

        declare(room, "Ada", work(block["weekday"], "08:00", "12:00"))

        after = plan_of(room, "Ada")
        assert slots(before) - slots(after) == {(block["group_id"], block["weekday"])}
        assert (after["version"], after["confirmed_at"]) == (before["version"] + 1, None)
        assert after["weekly_minutes"] >= 540
        assert room.announced_of(ScheduleProposed)[-1].moved >= 1
        assert any("KEPT" in one["reasons"] for one in after["blocks"])

    def test_of_a_shift_that_meets_nothing_moves_nothing(self, room):
        admit(room, "Ada")
        before = plan_of(room, "Ada")

        declare(room, "Ada", work(6, "08:00", "12:00"))

        assert plan_of(room, "Ada") == before

    def test_of_the_treatment_plan_brings_what_it_asks_for(self, room):
        open_group(
            room,
            "thoughts",
            facilitator_id=derived_id("clinician", "therapist 0"),
            modality="CBT",
            track="EVENING",
            weekdays=[2],
        )
        admit(room, "Ada")
        before = plan_of(room, "Ada")

        room.deliver(treatment_plan("Ada", "CBT"))

        after = plan_of(room, "Ada")
        assert "CBT" not in {one["modality"] for one in before["blocks"]}
        assert "CBT" in {one["modality"] for one in after["blocks"]}
        assert len(slots(before) - slots(after)) <= 1

    def test_of_the_treatment_plan_is_heeded_before_admission_too(self, room):
        open_group(
            room,
            "thoughts",
            facilitator_id=derived_id("clinician", "therapist 0"),
            modality="CBT",
            track="EVENING",
            weekdays=[2],
        )
        room.deliver(treatment_plan("Ada", "CBT"))

        admit(room, "Ada")

        assert "CBT" in {one["modality"] for one in plan_of(room, "Ada")["blocks"]}
        assert len(room.announced_of(ScheduleProposed)) == 1

    def test_that_is_only_looked_at_again_is_told_as_when_it_was_found(self, room):
        admit(room, "Ada")
        before = plan_of(room, "Ada")

        room.at(ADMITTED_AT)
        room.deliver(treatment_plan("Ada"), treatment_plan("Ada", "DBT", version=2))

        after = plan_of(room, "Ada")
        assert slots(after) == slots(before)
        assert [one["reasons"] for one in after["blocks"]] == [one["reasons"] for one in before["blocks"]]

    def test_of_an_older_treatment_plan_that_comes_late_changes_nothing(self, room):
        room.deliver(treatment_plan("Ada", "LIFE_SKILLS", version=2))
        admit(room, "Ada")
        before = plan_of(room, "Ada")

        room.deliver(treatment_plan("Ada", "DBT", version=1))

        assert plan_of(room, "Ada") == before


class TestFirstWeek:
    """It waits for the draft of the treatment plan, but not for long."""

    def thoughts(self, room: Room) -> None:
        open_group(
            room,
            "thoughts",
            facilitator_id=derived_id("clinician", "therapist 0"),
            modality="CBT",
            track="EVENING",
            weekdays=[2],
        )

    def modalities(self, room: Room, name: str) -> set[str]:
        return {one["modality"] for one in plan_of(room, name)["blocks"]}

    def test_brings_what_the_draft_asks_for_whichever_comes_first(self, room):
        self.thoughts(room)
        room.deliver(draft_of("Ada", "CBT"), admission_of("Ada"))
        room.deliver(admission_of("Ben"), draft_of("Ben", "CBT"))

        found = [plan_of(room, name) for name in ("Ada", "Ben")]

        assert all("CBT" in self.modalities(room, name) for name in ("Ada", "Ben"))
        assert [(plan["state"], plan["version"]) for plan in found] == [("ACTIVE", 1)] * 2
        assert [proposed.moved for proposed in room.announced_of(ScheduleProposed)] == [0, 0]

    def test_stays_as_it_is_once_the_same_plan_is_signed(self, room):
        self.thoughts(room)
        room.deliver(draft_of("Ada", "CBT"), admission_of("Ada"))
        before = plan_of(room, "Ada")

        room.deliver(treatment_plan("Ada", "CBT"))

        assert plan_of(room, "Ada") == before
        assert len(room.announced_of(ScheduleProposed)) == 1

    def test_waits_a_quarter_of_an_hour_for_a_draft_that_does_not_come(self, room):
        self.thoughts(room)
        room.deliver(admission_of("Ada"))
        room.advance(timedelta(minutes=14))
        early = plan_of(room, "Ada")

        room.advance(timedelta(minutes=1))
        late = plan_of(room, "Ada")
        room.deliver(draft_of("Ada", "CBT"))
        drafted = plan_of(room, "Ada")
        room.deliver(treatment_plan("Ada", "CBT"))

        assert (early["state"], early["blocks"]) == ("WAITING", [])
        assert late["state"] == "ACTIVE"
        assert drafted == late
        assert "CBT" in self.modalities(room, "Ada")

    def test_is_not_planned_twice_when_the_wait_is_over(self, room):
        room.deliver(admission_of("Ada"), draft_of("Ada"))
        before = plan_of(room, "Ada")

        room.advance(timedelta(minutes=30))

        assert plan_of(room, "Ada") == before
        assert len(room.announced_of(ScheduleProposed)) == 1

    def test_of_somebody_discharged_before_the_draft_came_is_over_at_once(self, room):
        before = room.announced
        over = discharge_of("Ada", at=ADMITTED_AT + timedelta(days=20))
        room.deliver(admission_of("Ada"), over)

        room.deliver(draft_of("Ada"))

        assert plan_of(room, "Ada")["state"] == "ENDED"
        assert [type(told) for told in room.announced[len(before) :]] == [StandingPlaceFreed]

    def test_heeds_what_is_signed_more_than_a_draft_that_comes_after(self, room):
        self.thoughts(room)
        room.deliver(treatment_plan("Ada", "CBT"), draft_of("Ada"), admission_of("Ada"))

        assert "CBT" in self.modalities(room, "Ada")


class TestCalendar:
    @pytest.mark.parametrize(
        ("admitted_at", "first_day", "last_day"),
        [
            # Clocks go forward on Sunday, 8 March 2026, and back on 1 November.
            ("2026-03-05T18:00:00Z", "2026-03-05", "2026-03-15"),
            ("2026-10-29T18:00:00Z", "2026-10-29", "2026-11-08"),
            ("2026-12-30T18:00:00Z", "2026-12-30", "2027-01-10"),
        ],
    )
    def test_keeps_local_times_over_a_change_of_clocks_and_of_the_year(
        self, room, admitted_at, first_day, last_day
    ):
        from zoneinfo import ZoneInfo  # noqa: PLC0415

        room.at(admitted_at)
        room.deliver(referral_of("Ada"))
        room.deliver(*admitted("Ada", admitted_at=datetime.fromisoformat(admitted_at)))

        week = plan_of(room, "Ada")
        seats = room.ask("list_patient_sessions", {"episode_id": ids_of("Ada")["episode_id"]})["items"]
        starts = [
            datetime.fromisoformat(one["starts_at"]).astimezone(ZoneInfo("America/Chicago")) for one in seats
        ]
        standing = {(one["weekday"], one["starts"][:5]) for one in week["blocks"]} | {
            (week["individual"]["weekday"], week["individual"]["starts"][:5])
        }
        assert {(one.weekday(), one.strftime("%H:%M")) for one in starts} == standing
        assert all(first_day <= one.date().isoformat() <= last_day for one in starts)
        second_week = [
            one
            for one in starts
            if one.date().isoformat()
            > (datetime.fromisoformat(last_day) - timedelta(days=7)).date().isoformat()
        ]
        assert len(second_week) == len(standing)
