"""Fewer hours than the level asks for, as a clinician agrees them with a patient."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from services.scheduling.service import Scheduling
from shared.contracts.common import MessageWanted, TaskOpened
from shared.contracts.scheduling import (
    ScheduleProposed,
    SeatOffered,
    StepDownAgreed,
    StepDownEnded,
    WeeklyDoseShortfall,
)
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound, Refusal
from shared.ids import derived_id
from tests.scheduling.builders import SITE, admitted, discharge_of, furnish, ids_of, referral_of
from tests.support import Room

#: Two days a week with a block: five and a half hours, and the hour alone.
TWO_DAYS = {"weekly_minutes": 360, "days": 2}


@pytest.fixture
def room(room_of) -> Room:
    room = room_of(Scheduling)
    furnish(room)
    admit(room, "Ada")
    return room


def admit(room: Room, *names: str) -> None:
    for name in names:
        room.deliver(referral_of(name), *admitted(name))


def agree(room: Room, name: str = "Ada", *, who: dict[str, str] | None = None, **told: Any) -> dict[str, Any]:
    body = {"episode_id": ids_of(name)["episode_id"], **TWO_DAYS, "patient_agrees": True, **told}
    return room.call("agree_step_down", body, **(who or {}))


def end(room: Room, **who: str) -> dict[str, Any]:
    return room.call("end_step_down", {"episode_id": ids_of("Ada")["episode_id"]}, **who)


def plan_of(room: Room, name: str = "Ada") -> dict[str, Any]:
    return room.ask("get_weekly_plan", {"episode_id": ids_of(name)["episode_id"]})


def slots(plan: dict[str, Any]) -> set[int]:
    return {block["weekday"] for block in plan["blocks"]}


def seats_to_come(room: Room, name: str = "Ada") -> list[dict[str, Any]]:
    found = room.ask("list_patient_sessions", {"episode_id": ids_of(name)["episode_id"], "limit": 100})
    return [one for one in found["items"] if one["state"] == "SCHEDULED"]


def miss_everything(room: Room, *, until: str) -> None:
    """Let every session come, and mark Ada as absent."""
    while True:
        ahead = [one for one in seats_to_come(room) if one["starts_at"] < until]
        if not ahead:
            break
        room.advance(datetime.fromisoformat(ahead[0]["starts_at"]) + timedelta(minutes=15))
        rows = [{"patient_id": ids_of("Ada")["patient_id"], "mark": "NO_SHOW"}]
        marks = {"session_id": ahead[0]["session_id"], "marks": rows}
        room.call("record_roster", marks, role="counselor")
    room.advance(until)


class TestAgreement:
    def test_brings_a_week_of_fewer_days_that_moves_nothing_else(self, room):
        before = plan_of(room)

        agree(room)

        after = plan_of(room)
        assert (len(before["blocks"]), before["weekly_minutes"]) == (3, 545)
        assert (len(after["blocks"]), after["weekly_minutes"]) == (2, 380)
        assert slots(after) < slots(before)
        assert (after["state"], after["reason"]) == ("ACTIVE", None)
        assert len({one["starts_at"][:10] for one in seats_to_come(room) if one["kind"] == "GROUP"}) == 4

    def test_is_signed_by_whoever_agreed_and_told(self, room):
        answer = agree(room, who={"role": "clinician", "credential": "LCSW"})

        (envelope,) = [one for one in room.announced_envelopes if isinstance(one.event, StepDownAgreed)]
        assert (envelope.actor.role, envelope.actor.credential) == ("clinician", "LCSW")
        (told,) = room.announced_of(StepDownAgreed)
        assert (told.weekly_minutes, told.days, told.begins_on, told.ends_on) == (
            360,
            2,
            date(2026, 2, 1),
            None,
        )
        (kept,) = answer["items"]
        assert (kept["agreement_id"], kept["agreed_role"], kept["credential"]) == (
            told.agreement_id,
            "clinician",
            "LCSW",
        )

    def test_asks_the_patient_to_agree_to_the_week_as_to_every_other(self, room):
        agree(room)

        assert len(room.announced_of(ScheduleProposed)) == 2
        assert len({one.notification_id for one in room.announced_of(MessageWanted)}) == 2

    def test_begins_on_its_day_and_not_before(self, room):
        agree(room, begins_on="2026-02-09")
        before = plan_of(room)

        room.advance("2026-02-08T23:00:00-06:00")
        on_sunday = plan_of(room)
        room.advance("2026-02-09T01:00:00-06:00")

        assert before["weekly_minutes"] == on_sunday["weekly_minutes"] == 545
        assert plan_of(room)["weekly_minutes"] == 380

    def test_is_over_after_its_last_day(self, room):
        agree(room, ends_on="2026-02-08")

        room.advance("2026-02-09T01:00:00-06:00")

        assert plan_of(room)["weekly_minutes"] == 545
        assert [one for one in room.announced_of(TaskOpened) if one.task == "no_week_fits"] == []

    def test_stands_in_place_of_the_one_before(self, room):
        agree(room)

        answer = agree(room, weekly_minutes=200, days=1)

        assert plan_of(room)["weekly_minutes"] == 215
        assert [(one["days"], one["ends_on"]) for one in answer["items"]] == [(2, "2026-01-31"), (1, None)]

    def test_is_ended_by_a_clinician_from_today_on(self, room):
        agree(room)

        answer = end(room)

        assert plan_of(room)["weekly_minutes"] == 545
        (ended,) = room.announced_of(StepDownEnded)
        assert ended.agreement_id == answer["items"][0]["agreement_id"]
        assert answer["items"][0]["ended_at"] is not None
        with pytest.raises(Conflict) as twice:
            end(room)
        assert twice.value.code == "nothing_stepped_down"

    def test_that_was_to_come_is_ended_before_it_begins(self, room):
        agree(room, begins_on="2026-02-09")
        end(room)

        room.advance("2026-02-09T01:00:00-06:00")

        assert plan_of(room)["weekly_minutes"] == 545

    def test_that_no_week_meets_asks_the_desk_and_keeps_the_week(self, room):
        agree(room, weekly_minutes=500, days=1)

        plan = plan_of(room)
        assert (plan["state"], plan["reason"], len(plan["blocks"])) == ("ACTIVE", "HOURS", 3)
        assert [one.task for one in room.announced_of(TaskOpened)] == ["no_week_fits"]

    def test_of_somebody_who_left_is_planned_for_nobody(self, room):
        agree(room, begins_on="2026-02-09")
        room.deliver(discharge_of("Ada", at=room.now))

        room.advance("2026-02-10T01:00:00-06:00")

        assert plan_of(room)["state"] == "ENDED"
        with pytest.raises(NotFound):
            agree(room)


class TestFloor:
    def test_is_not_judged_in_a_week_of_an_agreed_step_down(self, room):
        agree(room, begins_on="2026-02-11")

        miss_everything(room, until="2026-02-23T08:00:00-06:00")

        assert room.announced_of(WeeklyDoseShortfall) == []

    def test_is_judged_again_in_the_week_after(self, room):
        agree(room, begins_on="2026-02-09", ends_on="2026-02-15")

        miss_everything(room, until="2026-02-23T08:00:00-06:00")

        told = room.announced_of(WeeklyDoseShortfall)
        assert [(one.week_starts_on, one.consecutive_weeks) for one in told] == [(date(2026, 2, 16), 1)]

    def test_is_not_judged_in_the_week_in_which_it_was_ended(self, room):
        agree(room)
        room.advance("2026-02-11T23:00:00-06:00")
        end(room)

        miss_everything(room, until="2026-02-16T08:00:00-06:00")

        assert room.announced_of(WeeklyDoseShortfall) == []

    def test_is_judged_for_everybody_else(self, room):
        admit(room, "Ben")
        agree(room, "Ben", begins_on="2026-02-09")

        miss_everything(room, until="2026-02-16T08:00:00-06:00")

        told = room.announced_of(WeeklyDoseShortfall)
        assert [one.patient_id for one in told] == [ids_of("Ada")["patient_id"]]

    @pytest.mark.parametrize(("agreed", "kept"), [(200, False), (300, True)])
    def test_of_a_swap_is_what_was_agreed(self, room, agreed, kept):
        agree(room, weekly_minutes=agreed)
        own = next(one for one in seats_to_come(room) if one["kind"] == "GROUP")
        starts_at = datetime.fromisoformat(own["starts_at"]) + timedelta(hours=9)
        short = room.call(
            "plan_session",
            {
                "site_id": SITE,
                "kind": own["kind"],
                "modality": own["modality"],
                "facilitator_id": derived_id("clinician", "therapist 0"),
                "starts_at": starts_at.isoformat(),
                "ends_at": (starts_at + timedelta(hours=2)).isoformat(),
                "clinical_minutes": 60,
                "capacity": 4,
            },
            role="supervisor",
        )
        body = {"seat_id": own["seat_id"], "to_session_id": short["session_id"]}

        if kept:
            with pytest.raises(Conflict) as refused:
                room.call("swap_seat", body, role="front_desk")
            assert refused.value.code == "floor_not_kept"
            assert "5 hours" in refused.value.problems[0]["rule"]
        else:
            assert room.call("swap_seat", body, role="front_desk")["state"] == "SCHEDULED"


class TestViews:
    """What is shown of a week beside what it is to reach."""

    def balance(self, room: Room) -> tuple[int, int]:
        found = room.ask("get_balance", {"episode_id": ids_of("Ada")["episode_id"]})
        return found["weekly_minutes"], found["floor_minutes"]

    def test_of_the_balance_show_what_is_agreed_for_today(self, room):
        agree(room, begins_on="2026-02-11", ends_on="2026-02-17")
        seen = []

        for day in ("2026-02-10", "2026-02-11", "2026-02-17", "2026-02-18"):
            room.advance(f"{day}T01:00:00-06:00")
            seen.append(self.balance(room))

        assert seen == [(545, 540), (380, 360), (380, 360), (545, 540)]

    def test_of_the_balance_show_the_hours_of_the_level_once_it_was_ended(self, room):
        agree(room)
        before = self.balance(room)

        end(room)

        assert (before, self.balance(room)) == ((380, 360), (545, 540))

    def test_of_the_weeks_show_what_was_agreed_in_each(self, room):
        agree(room, begins_on="2026-02-11", ends_on="2026-02-15")
        miss_everything(room, until="2026-02-23T08:00:00-06:00")

        told = room.ask("get_attendance", {"episode_id": ids_of("Ada")["episode_id"], "to": "2026-02-22"})

        assert [(one["week_starts_on"], one["floor_minutes"]) for one in told["weeks"]] == [
            ("2026-02-02", 540),
            ("2026-02-09", 360),
            ("2026-02-16", 540),
        ]


class TestRefusals:
    def refuses(self, room: Room, kind: type[Refusal], **told: Any) -> Refusal:
        with pytest.raises(kind) as refused:
            agree(room, **told)
        assert room.announced_of(StepDownAgreed) == []
        assert plan_of(room)["weekly_minutes"] == 545
        return refused.value

    @pytest.mark.parametrize(
        ("field", "word"),
        [
            ("weekly_minutes", 540),
            ("weekly_minutes", 0),
            ("days", 0),
            ("days", 8),
            ("begins_on", "2026-01-31"),
            ("ends_on", "2026-01-31"),
            ("patient_agrees", False),
        ],
    )
    def test_name_the_field_that_does_not_fit(self, room, field, word):
        refused = self.refuses(room, InvalidInput, **{field: word})

        assert [problem["field"] for problem in refused.problems] == [field]

    @pytest.mark.parametrize("credential", ["", "CADC", "PEER"])
    def test_meet_whoever_has_no_licence(self, room, credential):
        self.refuses(room, Forbidden, who={"role": "clinician", "credential": credential})

    @pytest.mark.parametrize("role", ["front_desk", "counselor", "operations", "patient"])
    def test_meet_whoever_does_not_decide(self, room, role):
        self.refuses(room, Forbidden, who={"role": role, "actor_id": ids_of("Ada")["patient_id"]})

    def test_are_met_by_the_patient_of_another(self, room):
        agree(room)
        episode = {"episode_id": ids_of("Ada")["episode_id"]}

        own = room.ask("list_step_downs", episode, role="patient", actor_id=ids_of("Ada")["patient_id"])
        with pytest.raises(NotFound):
            room.ask("list_step_downs", episode, role="patient", actor_id=ids_of("Ben")["patient_id"])

        assert [one["days"] for one in own["items"]] == [2]

    def test_are_met_by_whoever_was_never_admitted(self, room):
        room.deliver(referral_of("Cleo"))

        with pytest.raises(NotFound):
            agree(room, "Cleo")


class TestFreedPlaces:
    def test_go_to_whoever_waits_for_them(self, room_of):
        room = room_of(Scheduling)
        furnish(room, capacity=2, weekdays=[0, 2, 4])
        admit(room, "Ada", "Zed", "Ben")
        for one in seats_to_come(room):
            if one["kind"] == "GROUP":
                body = {"session_id": one["session_id"], "patient_id": ids_of("Ben")["patient_id"]}
                room.call("book_seat", body, role="front_desk")

        agree(room, weekly_minutes=200, days=1)

        offered = room.announced_of(SeatOffered)
        assert {one.patient_id for one in offered} == {ids_of("Ben")["patient_id"]}
        # Two days a week, in both weeks that are booked.
        assert len(offered) == 4
