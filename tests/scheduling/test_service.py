import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.scheduling import schemas, tables
from services.scheduling.domain import attendance
from services.scheduling.service import Scheduling
from shared.clock import set_timer
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.scheduling import (
    AttendanceCorrected,
    ObligationFitFound,
    ScheduleProposed,
    SessionAttended,
    SessionMissed,
    SessionScheduled,
    StandingPlaceFreed,
    WeeklyDoseCorrected,
    WeeklyDoseShortfall,
)
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import derived_id
from tests.scheduling.builders import (
    ADMITTED_AT,
    SITE,
    add_clinician,
    admitted,
    discharge_of,
    furnish,
    ids_of,
    open_group,
    referral_of,
    site_opened,
)
from tests.support import Room

#: Nine o'clock on the first Monday, in Chicago.
MONDAY = datetime.fromisoformat("2026-02-02T09:00:00-06:00")


@pytest.fixture
def room(room_of) -> Room:
    room = room_of(Scheduling)
    furnish(room)
    return room


def admit(room: Room, *names: str) -> None:
    for name in names:
        room.deliver(referral_of(name), *admitted(name))


def sessions_of(room: Room, name: str, **query: Any) -> list[dict[str, Any]]:
    return room.ask("list_patient_sessions", {"episode_id": ids_of(name)["episode_id"], **query})["items"]


def first_group_session(room: Room, name: str) -> dict[str, Any]:
    return next(one for one in sessions_of(room, name) if one["kind"] == "GROUP")


def mark(room: Room, session_id: str, **marks: str) -> dict[str, Any]:
    return room.call(
        "record_roster",
        {
            "session_id": session_id,
            "marks": [{"patient_id": ids_of(name)["patient_id"], "mark": one} for name, one in marks.items()],
        },
        role="counselor",
    )


def states_in(answer: dict[str, Any]) -> dict[str, str]:
    return {seat["patient_id"]: seat["state"] for seat in answer["seats"]}


def work_at(hour: int, until: int, *, days: tuple[int, ...] = (0, 1, 2, 3, 4)) -> list[dict[str, Any]]:
    return [
        {"kind": "WORK", "weekday": day, "starts": f"{hour:02}:00", "ends": f"{until:02}:00"} for day in days
    ]


class TestPlanWeek:
    def test_gives_a_week_of_nine_hours_on_three_days_and_books_it(self, room):
        admit(room, "Ada")

        plan = room.ask("get_weekly_plan", {"episode_id": ids_of("Ada")["episode_id"]})
        (proposed,) = room.announced_of(ScheduleProposed)
        scheduled = room.announced_of(SessionScheduled)

        assert (plan["state"], plan["weekly_minutes"], len(plan["blocks"])) == ("ACTIVE", 545, 3)
        assert proposed.days == 3
        assert proposed.first_session_at == scheduled[0].starts_at
        assert proposed.first_session_at - ADMITTED_AT <= timedelta(hours=48)
        assert [event.seat_id for event in scheduled] == [one["seat_id"] for one in sessions_of(room, "Ada")]

    def test_books_the_rest_of_the_week_and_the_next(self, room):
        room.deliver(*admitted("Ada", admitted_at=MONDAY + timedelta(days=2, hours=8)))

        booked = sessions_of(room, "Ada")

        assert all(one["starts_at"] > "2026-02-04T23:00:00Z" for one in booked)
        assert {one["starts_at"][:10] for one in booked} <= {f"2026-02-{day:02}" for day in range(5, 16)}
        assert len([one for one in booked if one["starts_at"] >= "2026-02-09"]) == 4

    def test_waits_for_the_site(self, room_of):
        room = room_of(Scheduling)

        room.deliver(*admitted("Ada"))
        waiting = room.waiting
        room.deliver(site_opened())

        assert waiting == ["plan_week"]
        assert [task.reason for task in room.announced_of(TaskOpened)] == ["NO_GROUPS"]

    def test_asks_the_front_desk_when_no_week_fits_and_books_nothing(self, room):
        room.deliver(referral_of("Ada"))
        room.call(
            "declare_obligations",
            {"patient_id": ids_of("Ada")["patient_id"], "site_id": SITE, "obligations": work_at(8, 17)},
        )

        room.deliver(*admitted("Ada"))

        (task,) = room.announced_of(TaskOpened)
        assert (task.task, task.owner_role, task.reason) == ("no_week_fits", "front_desk", "OBLIGATIONS")
        assert sessions_of(room, "Ada") == []

    def test_names_the_obligations_to_relax_until_a_week_fits(self, room):
        room.deliver(referral_of("Ada"))
        ada = ids_of("Ada")
        court = {"kind": "COURT", "weekday": 0, "starts": "09:00", "ends": "10:00"}
        body = {"patient_id": ada["patient_id"], "site_id": SITE, "obligations": [*work_at(8, 17), court]}
        room.call("declare_obligations", body)
        room.deliver(*admitted("Ada"))
        before = room.ask("get_weekly_plan", {"episode_id": ada["episode_id"]})

        # Who left a place is no reason to search anew for what is to be relaxed.
        admit(room, "Ben")
        room.deliver(discharge_of("Ben", at=MONDAY))
        between = room.ask("get_weekly_plan", {"episode_id": ada["episode_id"]})
        room.call("declare_obligations", body | {"obligations": [court]})
        after = room.ask("get_weekly_plan", {"episode_id": ada["episode_id"]})

        assert (before["reason"], before["obligations_to_relax"]) == ("OBLIGATIONS", ["WORK"])
        assert between["obligations_to_relax"] == ["WORK"]
        assert (after["state"], after["obligations_to_relax"]) == ("ACTIVE", [])

    def test_finds_the_week_once_a_group_opens_that_fits(self, room):
        room.deliver(referral_of("Ada"))
        ada = ids_of("Ada")
        room.call(
            "declare_obligations",
            {"patient_id": ada["patient_id"], "site_id": SITE, "obligations": work_at(8, 17)},
        )
        room.deliver(*admitted("Ada"))
        (task,) = room.announced_of(TaskOpened)

        open_group(room, "dusk", track="EVENING", facilitator_id=derived_id("clinician", "Walt"))

        plan = room.ask("get_weekly_plan", {"episode_id": ada["episode_id"]})
        (closed,) = room.announced_of(TaskClosed)
        assert (plan["state"], plan["track"]) == ("ACTIVE", "EVENING")
        assert (closed.task_id, closed.outcome) == (task.task_id, "DONE")

    def test_gives_the_thirteenth_other_days_and_never_a_thirteenth_seat(self, room_of):
        room = room_of(Scheduling)
        furnish(room, therapists=2)

        admit(room, *(f"patient {number:02}" for number in range(22)))

        listed = room.ask("list_sessions", {"site_id": SITE, "limit": 500})["items"]
        blocks = [one for one in listed if one["kind"] == "GROUP"]
        assert max(sum(one["counts"].values()) for one in blocks) == 12
        tasks = room.announced_of(TaskOpened)
        assert len(tasks) + len(room.announced_of(ScheduleProposed)) == 22
        assert {task.reason for task in tasks} == {"GROUPS_FULL"}
        assert len(tasks) == 2

    def test_books_no_therapist_twice_and_only_licensed_ones(self, room):
        admit(room, "Ada", "Ben", "Cleo")

        hours = [one for name in ("Ada", "Ben", "Cleo") for one in sessions_of(room, name)]
        alone = [one for one in hours if one["kind"] == "INDIVIDUAL"]

        assert {one["facilitator_id"] for one in alone} == {derived_id("clinician", "therapist 0")}
        assert len({one["starts_at"] for one in alone}) == len(alone) == 6

    def test_has_no_therapist_when_the_licence_has_run_out(self, room_of):
        room = room_of(Scheduling)
        furnish(room, therapists=0)
        add_clinician(room, "Expired", expires_on=date(2026, 1, 31))

        admit(room, "Ada")

        assert [task.reason for task in room.announced_of(TaskOpened)] == ["NO_THERAPIST"]

    def test_puts_different_lives_into_different_weeks(self, room):
        open_group(room, "dusk", track="EVENING", facilitator_id=derived_id("clinician", "Walt"))
        for name, obligations in (("Ada", work_at(8, 16)), ("Ben", work_at(17, 22))):
            room.deliver(referral_of(name))
            room.call(
                "declare_obligations",
                {"patient_id": ids_of(name)["patient_id"], "site_id": SITE, "obligations": obligations},
            )
            room.deliver(*admitted(name))

        tracks = [
            room.ask("get_weekly_plan", {"episode_id": ids_of(name)["episode_id"]})["track"]
            for name in ("Ada", "Ben")
        ]
        assert tracks == ["EVENING", "MORNING"]


class TestFreeWeek:
    def test_cancels_what_is_to_come_and_gives_the_place_to_the_next(self, room_of):
        room = room_of(Scheduling)
        furnish(room, capacity=2, weekdays=[0, 2, 4])
        admit(room, "Ada", "Ben", "Cleo")
        room.at(MONDAY + timedelta(days=1))

        room.deliver(discharge_of("Ada", at=room.now))

        cleo = room.ask("get_weekly_plan", {"episode_id": ids_of("Cleo")["episode_id"]})
        assert cleo["state"] == "ACTIVE"
        assert all(one["starts_at"] > "2026-02-03" for one in sessions_of(room, "Cleo"))
        assert {one["state"] for one in sessions_of(room, "Ada")} == {"CANCELLED"}
        assert room.ask("list_groups", {})["items"][0]["free_places"] == [0, 0, 0]

    def test_leaves_what_was_attended(self, room):
        admit(room, "Ada")
        session = first_group_session(room, "Ada")
        room.at(MONDAY + timedelta(hours=3))
        mark(room, session["session_id"], Ada="PRESENT")

        room.deliver(discharge_of("Ada", at=room.now))

        assert [one["state"] for one in sessions_of(room, "Ada")].count("PRESENT") == 1
        booked_before = len(sessions_of(room, "Ada"))
        room.advance(timedelta(days=21))
        assert len(sessions_of(room, "Ada")) == booked_before

    def test_does_not_ask_for_a_roster_of_somebody_who_left(self, room):
        admit(room, "Ada")

        room.deliver(discharge_of("Ada", at=ADMITTED_AT + timedelta(hours=1)))
        room.advance(timedelta(days=10))

        assert room.announced_of(TaskOpened) == []
        assert room.announced_of(SessionMissed) == []


class TestAnyOrder:
    @pytest.mark.parametrize("seed", range(5))
    def test_ends_in_the_same_tables(self, room_of, seed):
        told = [
            referral_of("Ada"),
            *admitted("Ada"),
            discharge_of("Ada", at=ADMITTED_AT + timedelta(days=20)),
            referral_of("Ben", site_id=derived_id("site", "harbour")),
            *admitted("Ben"),
        ]
        in_order, shuffled = room_of(Scheduling), room_of(Scheduling)
        for room in (in_order, shuffled):
            furnish(room)
        mixed = [*told, *told]
        # Ben follows Ada, because who comes first has the first choice of places.
        random.Random(seed).shuffle(mixed)
        mixed.sort(key=lambda event: event.patient_id == ids_of("Ben")["patient_id"])

        in_order.deliver(*told)
        shuffled.deliver(*mixed)

        assert shuffled.dump() == in_order.dump()

    def test_expects_nobody_whose_discharge_came_before_the_admission(self, room):
        before = room.announced
        room.deliver(discharge_of("Ada", at=ADMITTED_AT + timedelta(days=3)))

        room.deliver(*admitted("Ada"))

        assert {one["state"] for one in sessions_of(room, "Ada")} == {"CANCELLED"}
        # As in the other order, whoever waits for admission can have the place.
        (freed,) = room.announced[len(before) :]
        assert isinstance(freed, StandingPlaceFreed)
        assert freed.freed_at == ADMITTED_AT + timedelta(days=3)
        assert room.ask("list_groups", {})["items"][0]["free_places"] == [12] * 5

    def test_tells_once_that_a_place_is_free_whichever_came_first(self, room):
        admit(room, "Ada")
        discharge = room.envelope_of(discharge_of("Ada", at=ADMITTED_AT + timedelta(days=3)))

        room.deliver(discharge, discharge)

        (freed,) = room.announced_of(StandingPlaceFreed)
        assert (freed.site_id, freed.freed_at) == (SITE, ADMITTED_AT + timedelta(days=3))

    def test_keeps_the_site_of_the_admission(self, room):
        room.deliver(*admitted("Ada"))
        room.deliver(referral_of("Ada", site_id=derived_id("site", "harbour")))

        plan = room.ask("get_weekly_plan", {"episode_id": ids_of("Ada")["episode_id"]})
        assert plan["site_id"] == SITE


class TestLastSeat:
    def test_goes_to_exactly_one_of_many_who_are_admitted_at_once(self, room_of):
        room = room_of(Scheduling)
        furnish(room, capacity=2, weekdays=[0, 2, 4])
        admit(room, "first")
        rivals = [f"rival {number}" for number in range(8)]

        threads = [threading.Thread(target=room.deliver, args=admitted(name)) for name in rivals]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        states = [
            room.ask("get_weekly_plan", {"episode_id": ids_of(name)["episode_id"]})["state"]
            for name in rivals
        ]
        assert sorted(states) == ["ACTIVE"] + ["WAITING"] * 7

    def test_is_held_by_the_database_itself(self, room):
        admit(room, "Ada")
        session = first_group_session(room, "Ada")
        start = threading.Barrier(6)
        outcomes: list[str] = []

        def book(name: str) -> None:
            starts_at = datetime.fromisoformat(session["starts_at"])
            start.wait()
            try:
                with room.db() as db:
                    db.add(
                        attendance.Seat(
                            **ids_of(name),
                            seat_id=derived_id("seat", name),
                            session_id=session["session_id"],
                            capacity=12,
                            number=12,
                            starts_at=starts_at,
                            ends_at=starts_at + timedelta(hours=3),
                        )
                    )
            except sa.exc.IntegrityError:
                outcomes.append("refused")
            else:
                outcomes.append("booked")

        threads = [threading.Thread(target=book, args=(f"rival {number}",)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(outcomes) == ["booked"] + ["refused"] * 5

    @pytest.mark.parametrize(
        ("change", "constraint"),
        [
            (
                "INSERT INTO seats SELECT (jsonb_populate_record(s, %s)).* FROM seats s LIMIT 1",
                "ex_seats_patient",
            ),
            ("UPDATE seats SET number = 13 WHERE capacity = 12", "ck_seats_within_capacity"),
            ("UPDATE sessions SET facilitator_id = %s", "ex_sessions_facilitator"),
        ],
    )
    def test_lets_nobody_be_in_two_places(self, room, change, constraint):
        admit(room, "Ada", "Ben")
        values: tuple[Any, ...] = ()
        if constraint == "ex_seats_patient":
            values = ('{"seat_id": "' + derived_id("another") + '", "number": null}',)
        if constraint == "ex_sessions_facilitator":
            values = (derived_id("clinician", "Walt"),)
            # Ben's hour is moved beneath a block that Walt leads.
            with room.db() as db:
                db.connection().exec_driver_sql(
                    "UPDATE sessions SET starts_at = starts_at - interval '1 hour',"
                    " ends_at = ends_at - interval '1 hour' WHERE kind = 'INDIVIDUAL'"
                )

        with pytest.raises(sa.exc.IntegrityError) as refused, room.db() as db:
            db.connection().exec_driver_sql(change, values)

        assert refused.value.orig.diag.constraint_name == constraint


class TestCheckIn:
    def test_counts_once_however_often_it_is_done(self, room):
        admit(room, "Ada")
        session_id = first_group_session(room, "Ada")["session_id"]
        who = {"session_id": session_id, "patient_id": ids_of("Ada")["patient_id"]}
        room.at(MONDAY - timedelta(minutes=5))
        first = room.call("check_in", who, role="front_desk")
        room.at(MONDAY + timedelta(minutes=5))

        second = room.call("check_in", who, role="front_desk")

        assert second == first
        assert first["state"] == "CHECKED_IN"

    def test_is_open_to_the_patient_for_their_own_seat(self, room):
        admit(room, "Ada", "Ben")
        session_id = first_group_session(room, "Ada")["session_id"]
        ada, ben = ids_of("Ada")["patient_id"], ids_of("Ben")["patient_id"]
        room.at(MONDAY)

        seat = room.call("check_in", {"session_id": session_id}, role="patient", actor_id=ada)
        with pytest.raises(NotFound):
            room.call("check_in", {"session_id": session_id, "patient_id": ben}, role="patient", actor_id=ada)
        with pytest.raises(InvalidInput):
            room.call(
                "check_in",
                {"session_id": session_id, "arrived_at": "2026-02-02T08:59:00-06:00"},
                role="patient",
                actor_id=ada,
            )

        assert (seat["patient_id"], seat["state"]) == (ada, "CHECKED_IN")

    def test_is_credited_when_no_roster_ever_comes(self, room):
        admit(room, "Ada")
        session_id = first_group_session(room, "Ada")["session_id"]
        room.at(MONDAY + timedelta(minutes=12))
        room.call(
            "check_in", {"session_id": session_id}, role="patient", actor_id=ids_of("Ada")["patient_id"]
        )

        room.advance(MONDAY + timedelta(hours=4))

        (attended,) = room.announced_of(SessionAttended)
        assert (attended.state, attended.credited_minutes) == ("LATE", 154)


class TestMarkNoShows:
    def test_takes_silence_for_absence_once_somebody_was_marked(self, room):
        admit(room, "Ada", "Ben")
        session_id = _shared_session(room, "Ada", "Ben")
        starts_at = _start_of(room, session_id)
        room.advance(starts_at)
        room.call(
            "check_in",
            {"session_id": session_id, "patient_id": ids_of("Ada")["patient_id"]},
            role="front_desk",
        )

        room.advance(timedelta(minutes=15))

        missed = [event for event in room.announced_of(SessionMissed) if event.session_id == session_id]
        assert [event.patient_id for event in missed] == [ids_of("Ben")["patient_id"]]
        assert missed[0].missed_at == starts_at + timedelta(minutes=15)

    def test_asks_the_facilitator_then_the_supervisor_until_the_roster_comes(self, room):
        admit(room, "Ada")
        session_id = first_group_session(room, "Ada")["session_id"]

        room.advance(MONDAY + timedelta(minutes=80))
        asked = [task.owner_role for task in room.announced_of(TaskOpened)]
        unmarked = room.ask("get_session", {"session_id": session_id})
        mark(room, session_id, Ada="NO_SHOW")

        assert asked == ["counselor", "supervisor"]
        assert unmarked["counts"] == {"UNMARKED": 1}
        assert [task.outcome for task in room.announced_of(TaskClosed)] == ["ESCALATED", "DONE"]
        assert len(room.announced_of(SessionMissed)) == 1
        assert not [timer for timer in room.timers() if timer[0] == "roster_overdue"]

    def test_counts_sessions_that_are_judged_together_one_after_the_other(self, room):
        """The process was away for a while; the day before somebody else had been marked in both."""
        admit(room, "Ada", "Ben")
        first, second, *_ = [one for one in sessions_of(room, "Ada") if one["kind"] == "GROUP"]
        for one in (first, second):
            with room.db() as db:
                at = datetime.fromisoformat(first["starts_at"])
                begins = at + timedelta(minutes=1) * (one is second)
                times = {"starts_at": begins, "ends_at": begins + timedelta(seconds=50)}
                db.execute(
                    tables.sessions.update()
                    .where(tables.sessions.c.session_id == one["session_id"])
                    .values(first_mark_at=at, **times)
                )
                db.execute(
                    tables.seats.update()
                    .where(tables.seats.c.session_id == one["session_id"])
                    .values(**times)
                )
                set_timer(db, "attendance_grace_over", key=one["session_id"], due_at=at + attendance.GRACE)

        room.at(datetime.fromisoformat(first["starts_at"]) + attendance.GRACE + timedelta(minutes=2))
        room.fire_due()

        ada = ids_of("Ada")["patient_id"]
        told = [one.consecutive for one in room.announced_of(SessionMissed) if one.patient_id == ada]
        assert told == [1, 2]

    def test_counts_absences_in_a_row(self, room):
        admit(room, "Ada")

        for one in sessions_of(room, "Ada")[:3]:
            room.advance(datetime.fromisoformat(one["starts_at"]) + timedelta(minutes=16))
            mark(room, one["session_id"], Ada="NO_SHOW")

        assert [event.consecutive for event in room.announced_of(SessionMissed)] == [1, 2, 3]


class TestRecordRoster:
    def test_marks_a_whole_group_in_one_request(self, room):
        admit(room, "Ada", "Ben")
        session_id = _shared_session(room, "Ada", "Ben")
        room.at(_start_of(room, session_id) + timedelta(hours=3))

        answer = mark(room, session_id, Ada="PRESENT", Ben="NO_SHOW")

        assert states_in(answer) == {
            ids_of("Ada")["patient_id"]: "PRESENT",
            ids_of("Ben")["patient_id"]: "NO_SHOW",
        }
        assert len(room.announced_of(SessionAttended)) == len(room.announced_of(SessionMissed)) == 1
        assert ("attendance_grace_over", session_id) not in [timer[:2] for timer in room.timers()]

    def test_changes_nothing_when_it_comes_twice(self, room):
        admit(room, "Ada")
        session_id = first_group_session(room, "Ada")["session_id"]
        room.at(MONDAY + timedelta(hours=3))
        first = mark(room, session_id, Ada="PRESENT")
        told, kept = room.announced, room.dump()

        second = mark(room, session_id, Ada="PRESENT")

        assert second == first
        assert (room.announced, room.dump()) == (told, kept)

    def test_corrects_a_miss_and_keeps_the_true_times(self, room):
        admit(room, "Ada")
        session_id = first_group_session(room, "Ada")["session_id"]
        room.at(MONDAY + timedelta(minutes=20))
        mark(room, session_id, Ada="NO_SHOW")
        room.at(MONDAY + timedelta(days=1))

        answer = room.call(
            "record_roster",
            {
                "session_id": session_id,
                "marks": [
                    {
                        "patient_id": ids_of("Ada")["patient_id"],
                        "mark": "LATE",
                        "arrived_at": "2026-02-02T09:18:00-06:00",
                    }
                ],
            },
            role="counselor",
        )

        (corrected,) = room.announced_of(AttendanceCorrected)
        assert (corrected.from_state, corrected.to_state, corrected.revision) == ("NO_SHOW", "LATE", 1)
        assert corrected.consecutive == 0
        assert answer["seats"][0]["arrived_at"] == "2026-02-02T15:18:00Z"

    def test_is_refused_before_the_session(self, room):
        admit(room, "Ada")

        with pytest.raises(Conflict) as refused:
            mark(room, first_group_session(room, "Ada")["session_id"], Ada="PRESENT")

        assert refused.value.code == "session_not_started"

    def test_names_the_mark_of_somebody_without_a_seat_and_changes_nothing(self, room):
        admit(room, "Ada")
        session_id = first_group_session(room, "Ada")["session_id"]
        room.at(MONDAY + timedelta(hours=3))

        with pytest.raises(NotFound) as refused:
            mark(room, session_id, Ada="PRESENT", Stranger="PRESENT")

        assert refused.value.problems[0]["field"] == "marks.1"
        assert room.announced_of(SessionAttended) == []

    def test_is_not_for_patients(self, room):
        admit(room, "Ada")
        session_id = first_group_session(room, "Ada")["session_id"]

        with pytest.raises(Forbidden):
            room.call(
                "record_roster",
                {"session_id": session_id, "marks": [{"patient_id": SITE, "mark": "PRESENT"}]},
                role="patient",
            )

    def test_takes_few_statements(self, room):
        names = [f"patient {number:02}" for number in range(12)]
        admit(room, *names)
        listed = room.ask("list_sessions", {"site_id": SITE})["items"]
        fullest = max(
            (one for one in listed if one["kind"] == "GROUP"), key=lambda one: sum(one["counts"].values())
        )
        seats = room.ask("get_session", {"session_id": fullest["session_id"]})["seats"]
        room.at(datetime.fromisoformat(fullest["ends_at"]))
        statements: list[str] = []

        def count(connection, cursor, statement, *rest) -> None:
            statements.append(statement)

        sa.event.listen(room.engine, "before_cursor_execute", count)
        room.call(
            "record_roster",
            {
                "session_id": fullest["session_id"],
                "marks": [{"seat_id": seat["seat_id"], "mark": "NO_SHOW"} for seat in seats],
            },
        )

        assert len(seats) >= 7
        assert len(statements) <= 14


class TestListSessions:
    def test_tells_each_as_its_schema_would(self, room):
        admit(room, "Ada", "Ben")
        session_id = _shared_session(room, "Ada", "Ben")
        room.at(_start_of(room, session_id) + timedelta(hours=3))
        mark(room, session_id, Ada="PRESENT", Ben="NO_SHOW")

        listed = room.ask("list_sessions", {"site_id": SITE})["items"]

        schema = schemas.SessionSummary()
        assert [list(schema.dump(schema.load(one)).items()) for one in listed] == [
            list(one.items()) for one in listed
        ]
        counts = [list(one["counts"].items()) for one in listed]
        assert [("NO_SHOW", 1), ("PRESENT", 1)] in counts
        assert [("SCHEDULED", 2)] in counts

    def test_turns_its_pages_one_after_the_other(self, room):
        admit(room, "Ada", "Ben", "Cid")
        whole = {"site_id": SITE, "from": "2026-02-03T00:00:00Z", "to": "2026-02-10T00:00:00Z"}
        expected = room.ask("list_sessions", whole)["items"]
        found, page = [], room.ask("list_sessions", {**whole, "limit": 2})
        while page["next"] is not None:
            found += page["items"]
            page = room.ask("list_sessions", {**whole, "limit": 2, "after": page["next"]})
        found += page["items"]

        assert found == expected
        starts = [one["starts_at"] for one in found]
        assert starts == sorted(starts)
        assert len(found) > 4
        assert whole["from"] <= starts[0]
        assert starts[-1] < whole["to"]


class TestExcuseAbsence:
    def test_keeps_what_was_said_sealed(self, room):
        admit(room, "Ada")
        session_id = first_group_session(room, "Ada")["session_id"]

        seat = room.call(
            "excuse_absence",
            {"session_id": session_id, "reason": "CHILD_EMERGENCY", "note": "Milo fell off the swing."},
            role="patient",
            actor_id=ids_of("Ada")["patient_id"],
        )

        with room.db() as db:
            kept = db.get(attendance.Seat, seat["seat_id"])
            raw = db.scalar(
                sa.select(tables.seats.c.note_sealed).where(tables.seats.c.note_sealed.is_not(None))
            )
        assert seat["state"] == "EXCUSED"
        assert kept.note == "Milo fell off the swing."
        assert b"Milo" not in bytes(raw)
        room.advance(MONDAY + timedelta(hours=2))
        assert room.announced_of(SessionMissed) == room.announced_of(TaskOpened) == []


class TestCorrectAttendance:
    def test_withdraws_an_attendance(self, room):
        admit(room, "Ada")
        session = first_group_session(room, "Ada")
        room.at(MONDAY + timedelta(hours=3))
        mark(room, session["session_id"], Ada="PRESENT")

        seat = room.call("correct_attendance", {"seat_id": session["seat_id"], "mark": "NO_SHOW"})

        (corrected,) = room.announced_of(AttendanceCorrected)
        assert (seat["state"], seat["credited_minutes"], seat["revision"]) == ("NO_SHOW", 0, 1)
        assert (corrected.from_state, corrected.consecutive) == ("PRESENT", 1)


class TestCancelSession:
    def test_penalises_nobody(self, room):
        admit(room, "Ada")
        session_id = first_group_session(room, "Ada")["session_id"]

        answer = room.call(
            "cancel_session", {"session_id": session_id, "reason": "WEATHER"}, role="supervisor"
        )
        room.advance(MONDAY + timedelta(hours=2))

        assert answer["counts"] == {"CANCELLED_BY_PROGRAM": 1}
        assert room.announced_of(SessionMissed) == room.announced_of(TaskOpened) == []


class TestDeclareObligations:
    def test_tells_how_well_each_track_fits(self, room):
        room.deliver(referral_of("Ada"))
        ada = ids_of("Ada")

        answer = room.call(
            "declare_obligations",
            {
                "patient_id": ada["patient_id"],
                "site_id": SITE,
                "obligations": [
                    {
                        "kind": "CHILDCARE",
                        "weekday": day,
                        "starts": "07:30",
                        "ends": "08:30",
                        "travel_minutes": 45,
                    }
                    for day in (0, 1)
                ],
            },
            role="front_desk",
        )

        (found,) = room.announced_of(ObligationFitFound)
        assert answer["fit"][0] == {
            "track": "MORNING",
            "placeable_minutes": 545,
            "required_minutes": 540,
            "result": "MET",
        }
        assert (found.best_track, found.placeable_minutes, found.journey_id) == (
            "MORNING",
            545,
            ada["journey_id"],
        )
        assert list(zip(found.tracks, found.placeable_by_track, strict=True)) == [
            (one["track"], one["placeable_minutes"]) for one in answer["fit"]
        ]
        assert len(found.tracks) > 1
        assert room.ask("get_obligations", {"patient_id": ada["patient_id"]}) == answer

    def test_refuses_a_patient_whom_the_tenant_does_not_know(self, room):
        room.deliver(referral_of("Ada"))
        ada = ids_of("Ada")["patient_id"]
        body = {"site_id": SITE, "obligations": []}

        for patient_id, tenant_id in ((derived_id("nobody"), None), (ada, "harbour")):
            with pytest.raises(NotFound):
                room.call("declare_obligations", {"patient_id": patient_id, **body}, tenant_id=tenant_id)

    def test_moves_the_week_of_somebody_in_treatment_out_of_the_way(self, room):
        open_group(room, "dusk", track="EVENING", facilitator_id=derived_id("clinician", "Walt"))
        admit(room, "Ada")
        ada = ids_of("Ada")
        before = room.ask("get_weekly_plan", {"episode_id": ada["episode_id"]})

        room.call(
            "declare_obligations",
            {"patient_id": ada["patient_id"], "site_id": SITE, "obligations": work_at(8, 16)},
        )

        plan = room.ask("get_weekly_plan", {"episode_id": ada["episode_id"]})
        kept = [one for one in sessions_of(room, "Ada") if one["state"] == "SCHEDULED"]
        assert (before["track"], plan["track"], plan["version"]) == ("MORNING", "EVENING", 2)
        assert len(kept) == 8
        assert all(datetime.fromisoformat(one["starts_at"]).hour not in range(14, 22) for one in kept)

    def test_keeps_what_is_still_clear_when_no_week_fits_any_more(self, room):
        admit(room, "Ada")
        ada = ids_of("Ada")

        room.call(
            "declare_obligations",
            {
                "patient_id": ada["patient_id"],
                "site_id": SITE,
                "obligations": work_at(8, 16, days=(0, 1, 3)),
            },
        )

        plan = room.ask("get_weekly_plan", {"episode_id": ada["episode_id"]})
        days = {block["weekday"] for block in plan["blocks"]}
        assert (plan["state"], plan["reason"]) == ("ACTIVE", "OBLIGATIONS")
        assert days <= {2, 4}
        assert [task.reason for task in room.announced_of(TaskOpened)] == ["OBLIGATIONS"]
        kept = [one for one in sessions_of(room, "Ada") if one["state"] == "SCHEDULED"]
        assert {date.fromisoformat(one["starts_at"][:10]).weekday() for one in kept} <= {2, 4}
        assert kept


class TestBookNextWeek:
    def test_keeps_a_week_ahead_until_discharge(self, room):
        admit(room, "Ada")

        room.advance("2026-03-29T21:00:00-05:00")

        starts = [one["starts_at"] for one in sessions_of(room, "Ada")]
        assert starts[-1][:10] in {f"2026-04-{day:02}" for day in range(6, 13)}
        assert len(starts) == 4 * 10
        assert len(set(starts)) == len(starts)

    def test_keeps_nine_o_clock_when_the_clocks_go_forward(self, room):
        admit(room, "Ada")

        room.advance("2026-03-20T21:00:00-05:00")

        blocks = [one for one in sessions_of(room, "Ada") if one["kind"] == "GROUP"]
        assert {one["starts_at"][11:] for one in blocks if one["starts_at"] < "2026-03-08"} == {"15:00:00Z"}
        assert {one["starts_at"][11:] for one in blocks if one["starts_at"] > "2026-03-08"} == {"14:00:00Z"}


class TestLicences:
    def test_give_patients_another_therapist_before_they_run_out(self, room_of):
        room = room_of(Scheduling)
        furnish(room, therapists=0)
        add_clinician(room, "Leaving", expires_on=date(2026, 3, 4))
        add_clinician(room, "Staying")
        admit(room, "Ada")

        room.advance("2026-03-08T12:00:00-06:00")

        alone = {
            one["starts_at"][:10]: one["facilitator_id"]
            for one in sessions_of(room, "Ada")
            if one["kind"] == "INDIVIDUAL" and one["state"] != "CANCELLED"
        }
        assert set(alone.values()) == {derived_id("clinician", name) for name in ("Leaving", "Staying")}
        assert all(
            who == derived_id("clinician", "Staying") for day, who in alone.items() if day > "2026-03-04"
        )
        asked = [task for task in room.announced_of(TaskOpened) if task.task == "credential_expires"]
        assert {task.about_id for task in asked} == {derived_id("clinician", "Leaving")}

    def test_keep_the_groups_of_somebody_for_whom_there_is_no_other_therapist(self, room_of):
        room = room_of(Scheduling)
        furnish(room, therapists=0)
        add_clinician(room, "Leaving", expires_on=date(2026, 3, 4))
        admit(room, "Ada")

        room.advance("2026-03-08T12:00:00-06:00")

        plan = room.ask("get_weekly_plan", {"episode_id": ids_of("Ada")["episode_id"]})
        assert (plan["individual"], plan["reason"], len(plan["blocks"])) == (None, "NO_THERAPIST", 3)


def attend(
    room: Room, name: str, *, until: str, skip: tuple[str, ...] = (), no_roster: tuple[str, ...] = ()
) -> None:
    while True:
        ahead = [one for one in sessions_of(room, name) if one["state"] == "SCHEDULED"]
        if not ahead or ahead[0]["starts_at"] >= until:
            return
        one = ahead[0]
        room.advance(datetime.fromisoformat(one["starts_at"]) + timedelta(minutes=15))
        if one["starts_at"][:10] not in no_roster:
            word = "NO_SHOW" if one["starts_at"][:10] in skip else "PRESENT"
            mark(room, one["session_id"], **{name: word})


def miss_all(room: Room, *names: str, since: str, days: int) -> None:
    """Have some patients come to nothing in some days, and let the week after begin."""
    begin = datetime.fromisoformat(since)
    room.advance(max(begin, room.now))
    until = (begin + timedelta(days=days)).isoformat()
    ahead = sorted(
        (one["starts_at"], one["session_id"], name)
        for name in names
        for one in sessions_of(room, name, **{"from": since, "to": until})
        if one["state"] == "SCHEDULED"
    )
    for starts_at, session_id, name in ahead:
        room.advance(max(room.now, datetime.fromisoformat(starts_at) + timedelta(minutes=15)))
        mark(room, session_id, **{name: "NO_SHOW"})
    room.advance(begin + timedelta(days=days, hours=14))


class TestWeighWeek:
    def test_tells_of_short_weeks_in_a_row_but_not_of_the_first_part_of_one(self, room):
        admit(room, "Ada")
        skipped = tuple(f"2026-02-{day:02}" for day in range(4, 23))
        attend(room, "Ada", until="2026-02-22T00:00:00Z", skip=skipped)
        room.advance("2026-02-23T08:00:00-06:00")

        first = room.announced_of(WeeklyDoseShortfall)
        room.advance("2026-03-02T08:00:00-06:00")

        assert [(one.week_starts_on, one.consecutive_weeks) for one in first] == [
            (date(2026, 2, 9), 1),
            (date(2026, 2, 16), 2),
        ]
        # Nobody has said who came in the week after: that is no short week.
        assert room.announced_of(WeeklyDoseShortfall) == first

    def test_is_content_with_a_whole_week(self, room):
        admit(room, "Ada")

        attend(room, "Ada", until="2026-02-23T00:00:00Z")
        room.advance("2026-02-23T08:00:00-06:00")

        assert room.announced_of(WeeklyDoseShortfall) == []

    def test_does_not_judge_the_week_in_which_the_treatment_ends(self, room):
        admit(room, "Ada")
        skipped = tuple(f"2026-02-{day:02}" for day in range(4, 23))
        attend(room, "Ada", until="2026-02-21T00:00:00Z", skip=skipped)
        room.deliver(discharge_of("Ada", at=room.now))

        room.advance("2026-02-23T08:00:00-06:00")

        assert [one.week_starts_on for one in room.announced_of(WeeklyDoseShortfall)] == [date(2026, 2, 9)]

    def test_does_not_judge_a_week_in_which_the_program_closed(self, room):
        admit(room, "Ada")
        monday, *_ = sessions_of(room, "Ada", **{"from": "2026-02-09T00:00:00Z"})
        room.call("cancel_session", {"session_id": monday["session_id"], "reason": "HOLIDAY"})
        days = tuple(f"2026-02-{day:02}" for day in range(9, 16))

        attend(room, "Ada", until="2026-02-15T00:00:00Z", skip=days)
        room.advance("2026-02-16T08:00:00-06:00")

        assert room.announced_of(WeeklyDoseShortfall) == []

    # The one Monday is booked by the day on which the closure becomes known, the other not yet.
    @pytest.mark.parametrize("monday", ["2026-02-09", "2026-02-16"])
    def test_judges_those_whose_own_sessions_no_closure_touched(self, room, monday):
        evenings = add_clinician(room, "Vera", kind="CADC")
        open_group(room, "dusk", track="EVENING", facilitator_id=evenings)
        at_work = [{"kind": "WORK", "weekday": day, "starts": "08:00", "ends": "17:00"} for day in range(5)]
        room.deliver(referral_of("Ben"))
        declared = {"patient_id": ids_of("Ben")["patient_id"], "site_id": SITE, "obligations": at_work}
        room.call("declare_obligations", declared)
        room.deliver(*admitted("Ben"))
        admit(room, "Ada")
        closure = {
            "site_id": SITE,
            "closed_from": f"{monday}T00:00:00-06:00",
            "closed_until": f"{monday}T16:00:00-06:00",
            "reason": "WEATHER",
        }
        room.call("close_site", closure, role="front_desk")
        miss_all(room, "Ada", "Ben", since=f"{monday}T00:00:00Z", days=7)

        told = room.announced_of(WeeklyDoseShortfall)

        of_week = [one.patient_id for one in told if one.week_starts_on.isoformat() == monday]
        assert of_week == [ids_of("Ben")["patient_id"]]

    def test_judges_a_patient_whose_session_was_held_though_the_site_closed(self, room):
        admit(room, "Ada", "Ben")
        first, *_ = sessions_of(room, "Ada", **{"from": "2026-02-09T00:00:00Z"})
        assert first["kind"] == "GROUP"
        room.advance(datetime.fromisoformat(first["starts_at"]) + timedelta(minutes=15))
        mark(room, first["session_id"], Ada="NO_SHOW", Ben="PRESENT")
        closure = {
            "site_id": SITE,
            "closed_from": first["starts_at"],
            "closed_until": (room.now + timedelta(minutes=1)).isoformat(),
            "reason": "WEATHER",
        }
        answer = room.call("close_site", closure, role="front_desk")
        miss_all(room, "Ada", "Ben", since="2026-02-09T00:00:00Z", days=7)

        assert answer["under_way_session_ids"] == [first["session_id"]]
        told = {one.patient_id for one in room.announced_of(WeeklyDoseShortfall)}
        assert told == {ids_of(name)["patient_id"] for name in ("Ada", "Ben")}


class TestWeighWeekAgain:
    """What is told of who came after a week was weighed weighs it once more."""

    #: Days on which Ada has a group and nothing else.
    DAYS = ("2026-02-11", "2026-02-18", "2026-02-25")

    def _told(self, room: Room) -> list[tuple[str, int, int]]:
        """Return what was corrected: Monday, weeks in a row, revision."""
        return [
            (one.week_starts_on.isoformat(), one.consecutive_weeks, one.revision)
            for one in room.announced_of(WeeklyDoseCorrected)
        ]

    def _correct(self, room: Room, name: str, day: str, word: str) -> None:
        for one in sessions_of(room, name):
            if one["starts_at"][:10] == day and one["state"] not in ("CANCELLED", "SCHEDULED"):
                body = {"seat_id": one["seat_id"], "mark": word}
                room.call("correct_attendance", body, role="counselor")

    def test_takes_back_a_week_that_was_told_as_short(self, room):
        admit(room, "Ada")
        attend(room, "Ada", until="2026-02-16T00:00:00Z", skip=self.DAYS)
        room.advance("2026-02-17T08:00:00-06:00")
        (short,) = room.announced_of(WeeklyDoseShortfall)

        self._correct(room, "Ada", "2026-02-11", "PRESENT")
        self._correct(room, "Ada", "2026-02-11", "PRESENT")

        (corrected,) = room.announced_of(WeeklyDoseCorrected)
        assert (short.attended_minutes, corrected.attended_minutes) == (380, 545)
        assert (corrected.consecutive_weeks, corrected.revision) == (0, 1)
        assert (corrected.week_starts_on, corrected.corrected_at) == (short.week_starts_on, room.now)

    def test_counts_the_weeks_in_a_row_anew_also_those_after_it(self, room):
        admit(room, "Ada")
        attend(room, "Ada", until="2026-03-02T00:00:00Z", skip=self.DAYS)
        room.advance("2026-03-03T08:00:00-06:00")

        self._correct(room, "Ada", "2026-02-11", "PRESENT")
        once = self._told(room)
        self._correct(room, "Ada", "2026-02-11", "NO_SHOW")

        assert [one.consecutive_weeks for one in room.announced_of(WeeklyDoseShortfall)] == [1, 2, 3]
        assert once == [("2026-02-09", 0, 1), ("2026-02-16", 1, 1), ("2026-02-23", 2, 1)]
        assert self._told(room)[3:] == [("2026-02-09", 1, 2), ("2026-02-16", 2, 2), ("2026-02-23", 3, 2)]

    def test_goes_on_counting_from_what_was_corrected(self, room):
        admit(room, "Ada")
        attend(room, "Ada", until="2026-02-16T00:00:00Z", skip=self.DAYS)
        room.advance("2026-02-16T08:00:00-06:00")
        self._correct(room, "Ada", "2026-02-11", "PRESENT")

        attend(room, "Ada", until="2026-02-23T00:00:00Z", skip=self.DAYS)
        room.advance("2026-02-23T08:00:00-06:00")

        assert [one.consecutive_weeks for one in room.announced_of(WeeklyDoseShortfall)] == [1, 1]

    def test_tells_of_a_week_that_only_the_late_roster_shows_as_short(self, room):
        admit(room, "Ada")
        attend(room, "Ada", until="2026-02-16T00:00:00Z", no_roster=self.DAYS)
        room.advance("2026-02-18T08:00:00-06:00")
        before = room.announced_of(WeeklyDoseShortfall)
        group = next(one for one in sessions_of(room, "Ada") if one["starts_at"][:10] == "2026-02-11")

        mark(room, group["session_id"], Ada="NO_SHOW")

        (short,) = room.announced_of(WeeklyDoseShortfall)
        assert before == []
        assert (short.week_starts_on, short.attended_minutes) == (date(2026, 2, 9), 380)
        assert (short.consecutive_weeks, short.told_at) == (1, room.now)
        assert self._told(room) == []

    def test_says_nothing_of_a_week_that_was_and_stays_long_enough(self, room):
        admit(room, "Ada")
        attend(room, "Ada", until="2026-02-16T00:00:00Z", no_roster=self.DAYS)
        room.advance("2026-02-18T08:00:00-06:00")
        group = next(one for one in sessions_of(room, "Ada") if one["starts_at"][:10] == "2026-02-11")

        mark(room, group["session_id"], Ada="PRESENT")

        assert room.announced_of(WeeklyDoseShortfall) == []
        assert self._told(room) == []

    def test_takes_a_week_back_of_which_the_program_called_a_session_off(self, room):
        admit(room, "Ada")
        attend(room, "Ada", until="2026-02-16T00:00:00Z", skip=self.DAYS)
        room.advance("2026-02-17T08:00:00-06:00")
        group = next(one for one in sessions_of(room, "Ada") if one["starts_at"][:10] == "2026-02-11")

        room.call("cancel_session", {"session_id": group["session_id"], "reason": "FACILITATOR_ABSENT"})

        assert self._told(room) == [("2026-02-09", 0, 1)]

    def test_takes_a_week_back_of_which_a_closure_told_late_called_a_session_off(self, room):
        admit(room, "Ada")
        attend(room, "Ada", until="2026-02-16T00:00:00Z", skip=("2026-02-13",))
        room.advance("2026-02-16T07:00:00-06:00")
        closure = {
            "site_id": SITE,
            "closed_from": "2026-02-13T00:00:00-06:00",
            "closed_until": "2026-02-16T12:00:00-06:00",
            "reason": "WEATHER",
        }

        room.call("close_site", closure, role="front_desk")

        assert len(room.announced_of(WeeklyDoseShortfall)) == 1
        assert self._told(room) == [("2026-02-09", 0, 1)]

    def test_concerns_those_alone_whose_marks_changed(self, room):
        admit(room, "Ada", "Ben")
        miss_all(room, "Ada", "Ben", since="2026-02-09T00:00:00Z", days=7)
        before = len(room.announced_of(WeeklyDoseShortfall))

        self._correct(room, "Ada", "2026-02-11", "PRESENT")

        told = room.announced_of(WeeklyDoseCorrected)
        assert before == 2
        assert {one.patient_id for one in told} == {ids_of("Ada")["patient_id"]}
        # Fewer minutes are missing, and the week is as short as before.
        assert [(one.consecutive_weeks, one.attended_minutes) for one in told] == [(1, 165)]

    def test_counts_two_corrections_at_the_same_moment(self, room):
        admit(room, "Ada")
        attend(room, "Ada", until="2026-02-16T00:00:00Z", skip=("2026-02-11", "2026-02-13"))
        room.advance("2026-02-17T08:00:00-06:00")
        missed = [one["seat_id"] for one in sessions_of(room, "Ada") if one["state"] == "NO_SHOW"]
        ready = threading.Barrier(len(missed))

        def correct(seat_id: str) -> None:
            ready.wait()
            room.call("correct_attendance", {"seat_id": seat_id, "mark": "PRESENT"}, role="counselor")

        with ThreadPoolExecutor(len(missed)) as desks:
            list(desks.map(correct, missed))

        newest = max(room.announced_of(WeeklyDoseCorrected), key=lambda one: one.revision)
        assert len(missed) == 2
        assert (newest.attended_minutes, newest.consecutive_weeks) == (545, 0)


class TestShortGroup:
    """A counselling group under three hours asks why: brief, sentence S41."""

    def short(self, room, **changes):
        lead = add_clinician(room, "Dusk")
        times = {"starts": "18:00", "ends": "20:59"}
        return open_group(room, "dusk", track="EVENING", facilitator_id=lead, **(times | changes))

    def asked(self, room):
        closed = {event.task_id: event.outcome for event in room.announced_of(TaskClosed)}
        return [
            (one.owner_role, closed.get(one.task_id))
            for one in room.announced_of(TaskOpened)
            if one.task == "block_reason"
        ]

    def test_is_opened_and_asks_the_supervisor_until_somebody_says_why(self, room):
        group_id = self.short(room)
        assert self.asked(room) == [("supervisor", None)]

        told = room.call(
            "explain_block", {"group_id": group_id, "reason": "MEMBERS_HOURS"}, role="supervisor"
        )

        assert told["block_reason"] == "MEMBERS_HOURS"
        assert self.asked(room) == [("supervisor", "DONE")]

    @pytest.mark.parametrize(
        "told",
        [
            {"block_reason": "PART_OF_A_BLOCK"},
            {"ends": "21:00"},
            {"kind": "FAMILY", "modality": "FAMILY"},
            {"kind": "EDUCATION"},
            {"kind": "SUPPORT"},
        ],
    )
    def test_asks_nobody_where_it_is_known_or_makes_no_block(self, room, told):
        self.short(room, **told)

        assert self.asked(room) == []

    def test_asks_nobody_any_more_once_it_has_ended(self, room):
        group_id = self.short(room)

        room.call("end_group", {"group_id": group_id, "reason": "OTHER"}, role="operations")
        room.run_jobs()

        assert self.asked(room) == [("supervisor", "WITHDRAWN")]

    def test_gives_no_reason_that_is_none(self, room):
        with pytest.raises(InvalidInput):
            self.short(room, block_reason="BECAUSE")


class TestOpenGroup:
    def test_refuses_a_facilitator_without_a_valid_credential(self, room):
        lapsed = add_clinician(room, "Lapsed", expires_on=date(2026, 1, 31))

        with pytest.raises(InvalidInput) as refused:
            open_group(room, "dusk", track="EVENING", facilitator_id=lapsed)

        assert refused.value.code == "credential_not_valid"

    def test_refuses_a_facilitator_who_leads_another_group_then(self, room):
        with pytest.raises(Conflict) as refused:
            open_group(
                room,
                "late morning",
                starts="11:30",
                ends="13:00",
                weekdays=[2],
                facilitator_id=derived_id("clinician", "Walt"),
            )

        assert refused.value.code == "clinician_double_booked"

    @pytest.mark.parametrize(("kind", "capacity"), [("GROUP", 13), ("EDUCATION", 31)])
    def test_refuses_more_seats_than_the_kind_may_have(self, room, kind, capacity):
        with pytest.raises(InvalidInput):
            open_group(
                room,
                "dusk",
                track="EVENING",
                kind=kind,
                capacity=capacity,
                facilitator_id=derived_id("clinician", "Walt"),
            )

    def test_has_twelve_seats_at_most_by_video_where_whoever_leads_must_see_each(self, room):
        workshop = {"kind": "EDUCATION", "facilitator_id": derived_id("clinician", "Walt")}
        afar = {"track": "TELEHEALTH", **workshop}

        with pytest.raises(InvalidInput):
            open_group(room, "screen", capacity=13, **afar)
        open_group(room, "screen", **afar)

        (opened,) = (one for one in room.ask("list_groups", {})["items"] if one["track"] == "TELEHEALTH")
        assert (opened["mode"], opened["capacity"]) == ("VIDEO", 12)


class TestQuestions:
    def test_page_through_a_patients_sessions(self, room):
        admit(room, "Ada")
        everything = sessions_of(room, "Ada")

        first = room.ask("list_patient_sessions", {"episode_id": ids_of("Ada")["episode_id"], "limit": 5})
        second = room.ask(
            "list_patient_sessions",
            {"episode_id": ids_of("Ada")["episode_id"], "limit": 5, "after": first["next"]},
        )

        assert first["items"] + second["items"] == everything
        assert second["next"] is None

    @pytest.mark.parametrize("name", ["get_weekly_plan", "list_patient_sessions"])
    def test_show_a_patient_their_own_episode_only(self, room, name):
        admit(room, "Ada", "Ben")
        question = {"episode_id": ids_of("Ada")["episode_id"]}

        assert room.ask(name, question, role="patient", actor_id=ids_of("Ada")["patient_id"])
        with pytest.raises(NotFound):
            room.ask(name, question, role="patient", actor_id=ids_of("Ben")["patient_id"])

    def test_hide_another_tenants_sessions(self, room):
        admit(room, "Ada")
        session_id = first_group_session(room, "Ada")["session_id"]

        with pytest.raises(NotFound):
            room.ask("get_session", {"session_id": session_id}, tenant_id="harbour")
        assert room.ask("list_sessions", {"site_id": SITE}, tenant_id="harbour")["items"] == []


def _shared_session(room: Room, *names: str) -> str:
    """Return the first group session in which all of them have a seat."""
    common = set.intersection(*({one["session_id"] for one in sessions_of(room, name)} for name in names))
    return next(one["session_id"] for one in sessions_of(room, names[0]) if one["session_id"] in common)


def _start_of(room: Room, session_id: str) -> datetime:
    return datetime.fromisoformat(room.ask("get_session", {"session_id": session_id})["starts_at"])
