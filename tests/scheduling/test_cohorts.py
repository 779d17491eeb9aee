"""Closed groups whose cohort stays together: who joins, who does not, and how stable it is."""

import threading
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from services.scheduling import tables
from services.scheduling.domain import cohorts, groups
from services.scheduling.service import Scheduling
from shared.contracts import roles
from shared.errors import Conflict, InvalidInput, Refusal
from shared.ids import derived_id
from tests.scheduling.builders import (
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
from tests.support import Room, waits_for_a_lock

SUNRISE = derived_id("group", "sunrise")
#: The Wednesday of the first week.
WEDNESDAY = date(2026, 2, 4)
NINE_ON_WEDNESDAY = datetime(2026, 2, 4, 15, tzinfo=UTC)


@pytest.fixture
def room(room_of) -> Room:
    """Furnish a site whose one counselling group gathers its cohort until Wednesday."""
    room = room_of(Scheduling)
    furnish(room, enrolment="CLOSED", cohort_begins_on=WEDNESDAY.isoformat())
    return room


def admit(room: Room, *names: str, **changes: Any) -> None:
    for name in names:
        room.deliver(referral_of(name), *admitted(name, **changes))


def patient(name: str) -> str:
    return ids_of(name)["patient_id"]


def plan_of(room: Room, name: str) -> dict[str, Any]:
    return room.ask("get_weekly_plan", {"episode_id": ids_of(name)["episode_id"]})


def last_group_of(room: Room, name: str) -> dict[str, Any]:
    found = room.ask("list_patient_sessions", {"episode_id": ids_of(name)["episode_id"]})["items"]
    return max((one for one in found if one["kind"] == "GROUP"), key=lambda one: str(one["starts_at"]))


def book(room: Room, session_id: str, name: str) -> dict[str, Any]:
    return room.call("book_seat", {"session_id": session_id, "patient_id": patient(name)}, role="front_desk")


def change(room: Room, enrolment: str, **told: Any) -> dict[str, Any]:
    wanted = {"group_id": SUNRISE, "enrolment": enrolment, **told}
    return room.call("change_enrolment", wanted, role="counselor")


def group(**changes: Any) -> groups.Group:
    fields: dict[str, Any] = {
        "group_id": SUNRISE,
        "site_id": SITE,
        "kind": "GROUP",
        "modality": "DBT",
        "track": "MORNING",
        "weekdays": [0, 2],
        "starts": time(9),
        "ends": time(12),
        "clinical_minutes": 165,
        "capacity": 12,
        "facilitator_id": derived_id("clinician", "Walt"),
        "opened_at": datetime(2026, 2, 1, tzinfo=UTC),
        "enrolment": "CLOSED",
        "cohort_begins_on": WEDNESDAY,
    }
    return groups.Group(**(fields | changes))


class TestGroup:
    def test_takes_newcomers_until_the_day_before_its_cohort_begins(self):
        assert group().takes_newcomers(on=WEDNESDAY - timedelta(days=1))
        assert not group().takes_newcomers(on=WEDNESDAY)
        assert not group(cohort_begins_on=None).takes_newcomers(on=WEDNESDAY)
        assert group(enrolment="OPEN").takes_newcomers(on=WEDNESDAY)

    def test_keeps_the_beginning_of_a_cohort_that_began(self):
        begun = group()

        begun.change_enrolment("CLOSED", begins_on=date(2026, 3, 2), today=date(2026, 2, 10))

        assert begun.cohort_begins_on == WEDNESDAY

    def test_begins_a_new_cohort_once_it_was_open_again(self):
        again = group()

        again.change_enrolment("OPEN", begins_on=None, today=date(2026, 2, 10))
        again.change_enrolment("CLOSED", begins_on=None, today=date(2026, 2, 11))

        assert (again.enrolment, again.cohort_begins_on) == ("CLOSED", date(2026, 2, 11))

    @pytest.mark.parametrize(("enrolment", "begins_on"), [("CLOSED", date(2026, 2, 9)), ("OPEN", WEDNESDAY)])
    def test_refuses_a_beginning_that_is_none(self, enrolment, begins_on):
        with pytest.raises(groups.CohortBeginsInPast):
            group(enrolment="OPEN").change_enrolment(enrolment, begins_on=begins_on, today=date(2026, 2, 10))


class TestStability:
    def of(self, then: set[str], now: set[str], completed: set[str]) -> cohorts.Stability:
        return cohorts.stability(group(), since=WEDNESDAY, then=then, now=now, completed=completed)

    def test_counts_those_still_there_among_all_who_have_not_completed(self):
        found = self.of({"ada", "ben", "cleo", "dan"}, {"ada", "ben", "eve"}, {"cleo"})

        assert (found.still_there, found.completed, found.left) == (2, 1, 1)
        assert (found.members_now, found.joined_since, found.percent) == (3, 1, 67)

    def test_is_unknown_where_nobody_was_there_or_all_have_completed(self):
        assert self.of(set(), {"ada"}, set()).percent is None
        assert self.of({"ada"}, set(), {"ada"}).percent is None

    def test_looks_back_to_the_first_day_of_a_cohort_and_four_weeks_in_an_open_group(self):
        today = date(2026, 3, 12)

        assert cohorts.looked_back_to(group(), today=today) == WEDNESDAY
        assert cohorts.looked_back_to(group(enrolment="OPEN"), today=today) == date(2026, 2, 9)


class TestCohort:
    def test_gathers_before_it_begins_and_takes_nobody_after(self, room):
        admit(room, "Ada")
        room.at(NINE_ON_WEDNESDAY)
        admit(room, "Ben", admitted_at=NINE_ON_WEDNESDAY)

        ben = plan_of(room, "Ben")

        assert plan_of(room, "Ada")["state"] == "ACTIVE"
        assert (ben["state"], ben["blocks"]) == ("WAITING", [])

    def test_is_joined_by_nobody_whose_admission_is_heard_of_late(self, room):
        late = admission_of("Ben")
        assert late.admitted_at.date() < WEDNESDAY
        room.at(NINE_ON_WEDNESDAY)

        room.deliver(draft_of("Ben"), late, late, referral_of("Ben"))

        assert plan_of(room, "Ben")["state"] == "WAITING"

    def test_refuses_a_booking_by_a_rule_that_has_a_name(self, room):
        admit(room, "Ada")
        session_id = last_group_of(room, "Ada")["session_id"]
        room.at(NINE_ON_WEDNESDAY)
        admit(room, "Ben", admitted_at=NINE_ON_WEDNESDAY)

        with pytest.raises(Conflict) as refused:
            book(room, session_id, "Ben")

        assert refused.value.code == "enrolment_closed"
        assert list(refused.value.problems) == [
            {"field": "session_id", "rule": "nobody joins a closed group after its cohort began"}
        ]

    def test_lets_its_members_move_within_it(self, room):
        admit(room, "Ada", "Ben", "Cleo")
        room.advance(NINE_ON_WEDNESDAY)

        for name in ("Ada", "Ben", "Cleo"):
            own = last_group_of(room, name)
            offered = room.ask("list_alternatives", {"seat_id": own["seat_id"]})["items"]
            for one in offered[:1]:
                moved = room.call(
                    "swap_seat",
                    {"seat_id": own["seat_id"], "to_session_id": one["session_id"]},
                    role="patient",
                    actor_id=patient(name),
                )
                assert moved["state"] == "SCHEDULED"

    def test_lets_nobody_walk_in_who_is_not_of_it(self, room):
        admit(room, "Ada")
        own = last_group_of(room, "Ada")
        room.at(NINE_ON_WEDNESDAY)
        admit(room, "Ben", admitted_at=NINE_ON_WEDNESDAY)
        room.at(own["starts_at"])

        with pytest.raises(Conflict) as refused:
            room.call("add_walk_in", {"session_id": own["session_id"], "patient_id": patient("Ben")})

        assert refused.value.code == "enrolment_closed"

    def test_offers_no_seat_to_somebody_who_waits_since_before_it_began(self, room_of):
        room = room_of(Scheduling)
        furnish(room, capacity=2)
        admit(room, "Ada", "Ben")
        session_id = next(
            one["session_id"]
            for one in room.ask("list_sessions", {"site_id": SITE})["items"]
            if one["group_id"] == SUNRISE and one["counts"] == {"SCHEDULED": 2}
        )
        add_clinician(room, "Nora", kind="CADC")
        open_group(room, "dusk", track="EVENING", facilitator_id=derived_id("clinician", "Nora"))
        change(room, "CLOSED")
        admit(room, "Cleo")
        change(room, "OPEN")
        assert book(room, session_id, "Cleo")["outcome"] == "WAITING"
        change(room, "CLOSED")

        room.deliver(discharge_of("Ada", at=room.now))

        (wait,) = room.ask("list_waits", {"episode_id": ids_of("Cleo")["episode_id"]})["items"]
        assert wait["state"] == "WAITING"

    @pytest.mark.parametrize("told", [{"cohort_begins_on": "2026-01-05"}, {"enrolment": "OPEN"}])
    def test_is_refused_a_beginning_that_is_none(self, room, told):
        add_clinician(room, "Nora", kind="CADC")
        wanted = {
            "enrolment": "CLOSED",
            "cohort_begins_on": "2026-02-09",
            "facilitator_id": derived_id("clinician", "Nora"),
            **told,
        }

        with pytest.raises(InvalidInput) as refused:
            open_group(room, "dusk", track="EVENING", **wanted)

        assert refused.value.code == "cohort_begins_in_past"

    def test_gathers_for_a_week_where_no_day_is_told(self, room):
        add_clinician(room, "Nora", kind="CADC")
        open_group(
            room, "dusk", track="EVENING", enrolment="CLOSED", facilitator_id=derived_id("clinician", "Nora")
        )

        listed = room.ask("list_groups", {"site_id": SITE})["items"]

        begins = {one["group_id"]: one["cohort_begins_on"] for one in listed}
        assert begins == {SUNRISE: "2026-02-04", derived_id("group", "dusk"): "2026-02-08"}


class TestRace:
    """A closed group raced by bookings: whoever is not in when it closes does not get in."""

    @pytest.fixture
    def room(self, room_of) -> Room:
        room = room_of(Scheduling)
        furnish(room)
        add_clinician(room, "Nora", kind="CADC")
        open_group(room, "dusk", track="EVENING", facilitator_id=derived_id("clinician", "Nora"))
        return room

    def test_makes_a_booking_wait_for_a_closing_that_is_under_way(self, room):
        admit(room, "Ada")
        session_id = last_group_of(room, "Ada")["session_id"]
        change(room, "CLOSED")
        admit(room, "Ben")
        change(room, "OPEN")
        outcomes: list[str] = []

        def ask() -> None:
            try:
                outcomes.append(book(room, session_id, "Ben")["outcome"])
            except Refusal as refusal:
                outcomes.append(refusal.code)

        with room.db(role=roles.COUNSELOR) as db:
            closing = tables.lock_group(db, group_id=SUNRISE)
            assert closing is not None
            closing.change_enrolment("CLOSED", begins_on=None, today=room.now.date())
            db.flush()
            booking = threading.Thread(target=ask)
            booking.start()
            assert waits_for_a_lock(room.engine)
            meanwhile = list(outcomes)
        booking.join(timeout=60)

        # Without the wait it would have read the group as it was, and got in.
        assert meanwhile == []
        assert outcomes == ["enrolment_closed"]

    def test_takes_all_who_came_before_and_none_after(self, room):
        admit(room, "Ada")
        session_id = last_group_of(room, "Ada")["session_id"]
        change(room, "CLOSED")
        names = [f"rival {number}" for number in range(16)]
        admit(room, *names)
        change(room, "OPEN")
        taken_before = len(self.numbers(room, session_id))
        start = threading.Barrier(5)
        outcomes: list[str] = []

        def ask(mine: list[str]) -> None:
            start.wait()
            for name in mine:
                try:
                    outcomes.append(book(room, session_id, name)["outcome"])
                except Refusal as refusal:
                    outcomes.append(refusal.code)

        def close() -> None:
            start.wait()
            change(room, "CLOSED")

        threads = [threading.Thread(target=ask, args=(names[number::4],)) for number in range(4)]
        threads.append(threading.Thread(target=close))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        numbers = self.numbers(room, session_id)
        assert set(outcomes) <= {"BOOKED", "WAITING", "enrolment_closed", "patient_elsewhere"}
        assert len(numbers) - taken_before == outcomes.count("BOOKED")
        late = [name for name in names if name not in self.seated(room, session_id, names)]
        for name in late:
            with pytest.raises(Conflict) as refused:
                book(room, session_id, name)
            assert refused.value.code == "enrolment_closed"

    def numbers(self, room: Room, session_id: str) -> set[int]:
        with room.db() as db:
            return tables.numbers_held(db, session_ids=[session_id])[session_id]

    def seated(self, room: Room, session_id: str, names: list[str]) -> list[str]:
        seats = room.ask("get_session", {"session_id": session_id})["seats"]
        there = {one["patient_id"] for one in seats if one["state"] != "CANCELLED"}
        return [name for name in names if patient(name) in there]


class TestListCohorts:
    def cohort(self, room: Room) -> dict[str, Any]:
        (found,) = room.ask("list_cohorts", {"site_id": SITE})["items"]
        return found

    def test_tells_what_share_of_a_cohort_is_still_together(self, room):
        admit(room, "Ada", "Ben", "Cleo", "Dan")
        room.advance(NINE_ON_WEDNESDAY)
        before = self.cohort(room)
        room.advance(timedelta(days=21))
        discharges = [
            discharge_of("Cleo", at=room.now, reason_code="1"),
            discharge_of("Dan", at=room.now, reason_code="2"),
        ]
        room.deliver(*discharges, *discharges)

        after = self.cohort(room)

        assert (before["members_then"], before["stability_percent"]) == (4, 100)
        assert (after["still_there"], after["completed"], after["left"]) == (2, 1, 1)
        assert (after["since"], after["joined_since"]) == ("2026-02-04", 0)
        assert after["stability_percent"] == 67

    def test_looks_four_weeks_back_in_an_open_group(self, room_of):
        room = room_of(Scheduling)
        furnish(room)
        admit(room, "Ada", "Ben")
        room.advance(timedelta(days=30))
        admit(room, "Cleo", admitted_at=room.now)
        room.deliver(discharge_of("Ben", at=room.now))

        found = self.cohort(room)

        assert (found["members_then"], found["still_there"], found["left"], found["joined_since"]) == (
            2,
            1,
            1,
            1,
        )
        assert found["stability_percent"] == 50

    def test_is_the_same_in_whatever_order_an_end_is_told(self, room_of):
        found = []
        for turn in (1, -1):
            room = room_of(Scheduling)
            furnish(room)
            told = [admission_of("Ada"), discharge_of("Ada", at=room.now, reason_code="1")]
            room.deliver(*told[::turn])
            with room.db() as db:
                found.append(tables.discharged_for(db, episode_ids=[ids_of("Ada")["episode_id"]], reason="1"))

        assert found[0] == found[1] == {ids_of("Ada")["episode_id"]}
