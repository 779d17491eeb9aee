"""Seats booked by hand: the last one, waiting lists, swaps, make-ups and closures."""

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.scheduling import tables
from services.scheduling.service import Scheduling
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.scheduling import (
    AttendanceCorrected,
    MakeUpBooked,
    SeatCancelled,
    SeatFreed,
    SeatOffered,
    SeatOfferSettled,
    SessionAttended,
    SessionMissed,
    SessionSwapped,
    SiteClosed,
    WeeklyDoseShortfall,
)
from shared.errors import Conflict, InvalidInput, NotFound, Refusal
from shared.ids import derived_id
from tests.scheduling.builders import (
    OPENED_AT,
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
MONDAY = datetime(2026, 2, 2, 15, 0, tzinfo=UTC)
WALT = derived_id("clinician", "Walt")
THERAPIST = derived_id("clinician", "therapist 0")


@pytest.fixture
def room(room_of) -> Room:
    room = room_of(Scheduling)
    furnish(room)
    return room


def admit(room: Room, *names: str) -> None:
    for name in names:
        room.deliver(referral_of(name), *admitted(name))


def patient(name: str) -> str:
    return ids_of(name)["patient_id"]


def sessions_of(room: Room, name: str) -> list[dict[str, Any]]:
    return room.ask("list_patient_sessions", {"episode_id": ids_of(name)["episode_id"]})["items"]


def groups_of(room: Room, name: str) -> list[dict[str, Any]]:
    return [one for one in sessions_of(room, name) if one["kind"] == "GROUP"]


def workshop(room: Room, starts_at: datetime, **changes: Any) -> dict[str, Any]:
    """Plan a workshop of two hours, led by the therapist."""
    fields = {
        "site_id": SITE,
        "kind": "EDUCATION",
        "modality": "PSYCHOEDUCATION",
        "facilitator_id": THERAPIST,
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + timedelta(hours=2)).isoformat(),
        "capacity": 2,
    }
    return room.call("plan_session", fields | changes, role="supervisor")


def book(room: Room, session_id: str, name: str, **more: Any) -> dict[str, Any]:
    return room.call(
        "book_seat", {"session_id": session_id, "patient_id": patient(name), **more}, role="front_desk"
    )


def waits_of(room: Room, name: str) -> list[str]:
    found = room.ask("list_waits", {"episode_id": ids_of(name)["episode_id"]})
    return [one["state"] for one in found["items"]]


#: Saturday at noon in Chicago: nobody is elsewhere.
SATURDAY = MONDAY + timedelta(days=5, hours=3)


class TestLastSeat:
    def test_goes_to_exactly_one_of_two_hundred_at_once(self, room_of):
        room = room_of(Scheduling)
        room.at(OPENED_AT)
        room.deliver(site_opened())
        names = [f"rival {number:03}" for number in range(200)]
        # Before there is a group: nobody is looked for a week.
        room.deliver_together([event for name in names for event in admitted(name)])
        furnish(room)
        session_id = workshop(room, SATURDAY, capacity=1)["session_id"]
        start = threading.Barrier(8)
        outcomes: list[str] = []

        def try_all(mine: list[str]) -> None:
            start.wait()
            for name in mine:
                for _ in range(20):
                    try:
                        outcomes.append(book(room, session_id, name)["outcome"])
                        break
                    except Refusal as refusal:
                        assert refusal.code == "still_running"  # noqa: PT017  # asked again, as callers do

        threads = [threading.Thread(target=try_all, args=(names[number::8],)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(outcomes) == ["BOOKED"] + ["WAITING"] * 199
        with room.db() as db:
            assert tables.numbers_held(db, session_ids=[session_id]) == {session_id: {1}}

    def test_is_refused_to_whoever_does_not_want_to_wait(self, room):
        admit(room, "Ada", "Ben")
        session_id = workshop(room, SATURDAY, capacity=1)["session_id"]
        book(room, session_id, "Ada")

        with pytest.raises(Conflict) as refused:
            book(room, session_id, "Ben", wait=False)

        assert refused.value.code == "session_full"

    def test_makes_a_thirteenth_wait(self, room):
        names = [f"patient {number:02}" for number in range(13)]
        for name in names:
            room.deliver(*admitted(name))
        session_id = workshop(room, SATURDAY, kind="GROUP", modality="CBT", capacity=12)["session_id"]

        outcomes = [book(room, session_id, name)["outcome"] for name in names]

        assert outcomes == ["BOOKED"] * 12 + ["WAITING"]


class TestBookSeat:
    def test_is_refused_while_the_patient_is_elsewhere(self, room):
        admit(room, "Ada")
        own = groups_of(room, "Ada")[0]
        starts_at = datetime.fromisoformat(own["starts_at"])
        add_clinician(room, "Ines")
        other = workshop(room, starts_at, facilitator_id=derived_id("clinician", "Ines"))

        with pytest.raises(Conflict) as refused:
            book(room, other["session_id"], "Ada")

        assert refused.value.code == "patient_elsewhere"

    def test_names_the_obligation_that_a_session_meets_with_the_way_there(self, room):
        admit(room, "Ada")
        session_id = workshop(room, SATURDAY)["session_id"]
        declared = {"kind": "WORK", "weekday": 5, "starts": "14:15", "ends": "18:00", "travel_minutes": 30}
        room.call(
            "declare_obligations",
            {"patient_id": patient("Ada"), "site_id": SITE, "obligations": [declared]},
        )

        with pytest.raises(Conflict) as refused:
            book(room, session_id, "Ada")

        assert refused.value.code == "meets_obligation"
        assert "WORK" in refused.value.problems[0]["rule"]

    def test_is_open_to_the_patient_for_themself_alone(self, room):
        admit(room, "Ada", "Ben")
        session_id = workshop(room, SATURDAY)["session_id"]
        own = {"role": "patient", "actor_id": patient("Ada")}

        booked = room.call("book_seat", {"session_id": session_id}, **own)
        with pytest.raises(NotFound):
            room.call("book_seat", {"session_id": session_id, "patient_id": patient("Ben")}, **own)

        assert (booked["outcome"], booked["patient_id"]) == ("BOOKED", patient("Ada"))

    def test_gives_nobody_two_sessions_at_a_time_who_asks_for_both_at_once(self, room):
        admit(room, "Ada")
        add_clinician(room, "Ines")
        rivals = [
            workshop(room, SATURDAY)["session_id"],
            workshop(room, SATURDAY, facilitator_id=derived_id("clinician", "Ines"))["session_id"],
        ]
        start, outcomes = threading.Barrier(2), []

        def ask(session_id: str) -> None:
            start.wait()
            try:
                outcomes.append(book(room, session_id, "Ada")["outcome"])
            except Refusal as refusal:
                outcomes.append(refusal.code)

        threads = [threading.Thread(target=ask, args=(one,)) for one in rivals]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(outcomes) == ["BOOKED", "patient_elsewhere"]

    def test_changes_together_with_an_obligation_without_leaving_both(self, room):
        admit(room, "Ada")
        session_id = workshop(room, SATURDAY)["session_id"]
        declared = {"kind": "WORK", "weekday": 5, "starts": "08:00", "ends": "20:00"}
        start = threading.Barrier(2)

        def declare() -> None:
            start.wait()
            room.call(
                "declare_obligations",
                {"patient_id": patient("Ada"), "site_id": SITE, "obligations": [declared]},
            )

        def ask() -> None:
            start.wait()
            try:
                book(room, session_id, "Ada")
            except Refusal as refusal:
                assert refusal.code == "meets_obligation"  # noqa: PT017  # the other came first

        threads = [threading.Thread(target=one) for one in (declare, ask)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        with room.db() as db:
            assert tables.numbers_held(db, session_ids=[session_id]) == {session_id: set()}

    def test_is_refused_for_a_day_on_which_the_licence_has_run_out(self, room):
        admit(room, "Ada")
        add_clinician(room, "Leaving", expires_on=date(2026, 2, 6))
        leaving = derived_id("clinician", "Leaving")

        with pytest.raises(InvalidInput) as refused:
            workshop(room, SATURDAY, facilitator_id=leaving)

        assert refused.value.code == "credential_not_valid"

    @pytest.mark.parametrize("column", ["facilitator_id", "room_id"])
    def test_lets_the_database_itself_keep_clinicians_and_rooms_in_one_place(self, room, column):
        add_clinician(room, "Ines")
        one, two = (
            workshop(room, SATURDAY, facilitator_id=who)["session_id"]
            for who in (THERAPIST, derived_id("clinician", "Ines"))
        )
        constraint = {"facilitator_id": "ex_sessions_facilitator", "room_id": "ex_sessions_room"}[column]

        with pytest.raises(sa.exc.IntegrityError) as refused, room.db() as db:
            db.connection().execute(
                tables.sessions.update()
                .where(tables.sessions.c.session_id.in_([one, two]))
                .values({column: derived_id("the same")})
            )

        assert refused.value.orig.diag.constraint_name == constraint


class TestWaitingList:
    def test_offers_a_freed_seat_in_order_and_goes_on_when_nobody_takes_it(self, room):
        admit(room, "Ada", "Ben", "Cleo", "Dan")
        session_id = workshop(room, SATURDAY, capacity=1)["session_id"]
        seat = book(room, session_id, "Ada")["seat"]
        for name in ("Ben", "Cleo", "Dan"):
            book(room, session_id, name)

        room.call("release_seat", {"seat_id": seat["seat_id"]}, role="front_desk")
        first = waits_of(room, "Ben"), waits_of(room, "Cleo")
        # Nobody who has not waited comes first.
        with pytest.raises(Conflict):
            book(room, session_id, "Ada", wait=False)
        room.advance(timedelta(hours=5))

        assert first == (["OFFERED"], ["WAITING"])
        assert (waits_of(room, "Ben"), waits_of(room, "Cleo")) == (["EXPIRED"], ["OFFERED"])
        freed = room.announced_of(SeatFreed)
        assert [(one.session_id, one.free_seats, one.reason) for one in freed] == [
            (session_id, 1, "RELEASED")
        ]
        (ben, cleo) = room.announced_of(SeatOffered)
        assert (ben.patient_id, cleo.patient_id) == (patient("Ben"), patient("Cleo"))

    def test_gives_the_seat_to_whoever_takes_the_offer_in_time(self, room):
        admit(room, "Ada", "Ben")
        session_id = workshop(room, SATURDAY, capacity=1)["session_id"]
        seat = book(room, session_id, "Ada")["seat"]
        wait = book(room, session_id, "Ben")["wait"]
        own = {"role": "patient", "actor_id": patient("Ben")}
        with pytest.raises(Conflict) as too_early:
            room.call("accept_offer", {"wait_id": wait["wait_id"]}, **own)
        room.call("release_seat", {"seat_id": seat["seat_id"]}, role="front_desk")

        taken = room.call("accept_offer", {"wait_id": wait["wait_id"]}, **own)

        assert too_early.value.code == "nothing_offered"
        assert (taken["session_id"], taken["patient_id"]) == (session_id, patient("Ben"))
        assert [one.outcome for one in room.announced_of(SeatOfferSettled)] == ["TAKEN"]

    def test_refuses_an_offer_that_has_ended(self, room):
        admit(room, "Ada", "Ben")
        session_id = workshop(room, SATURDAY, capacity=1)["session_id"]
        seat = book(room, session_id, "Ada")["seat"]
        wait = book(room, session_id, "Ben")["wait"]
        room.call("release_seat", {"seat_id": seat["seat_id"]}, role="front_desk")
        room.advance(timedelta(hours=4))

        with pytest.raises(Conflict) as refused:
            room.call("accept_offer", {"wait_id": wait["wait_id"]}, role="front_desk")

        assert refused.value.code == "offer_expired"

    def test_passes_over_whoever_is_elsewhere_by_now(self, room):
        admit(room, "Ada", "Ben", "Cleo")
        session_id = workshop(room, SATURDAY, capacity=1)["session_id"]
        seat = book(room, session_id, "Ada")["seat"]
        for name in ("Ben", "Cleo"):
            book(room, session_id, name)
        declared = {"kind": "WORK", "weekday": 5, "starts": "08:00", "ends": "20:00"}
        room.call(
            "declare_obligations",
            {"patient_id": patient("Ben"), "site_id": SITE, "obligations": [declared]},
        )

        room.call("release_seat", {"seat_id": seat["seat_id"]}, role="front_desk")

        assert (waits_of(room, "Ben"), waits_of(room, "Cleo")) == (["WAITING"], ["OFFERED"])

    def test_lets_nobody_who_is_elsewhere_keep_others_out(self, room):
        admit(room, "Ada", "Ben", "Cleo")
        session_id = workshop(room, SATURDAY, capacity=1)["session_id"]
        seat = book(room, session_id, "Ada")["seat"]
        book(room, session_id, "Ben")
        declared = {"kind": "WORK", "weekday": 5, "starts": "08:00", "ends": "20:00"}
        room.call(
            "declare_obligations",
            {"patient_id": patient("Ben"), "site_id": SITE, "obligations": [declared]},
        )
        room.call("release_seat", {"seat_id": seat["seat_id"]}, role="front_desk")

        assert book(room, session_id, "Cleo")["outcome"] == "BOOKED"

    def test_hears_of_a_discharge(self, room):
        admit(room, "Ada", "Ben")
        session_id = workshop(room, SATURDAY, capacity=1)["session_id"]
        book(room, session_id, "Ada")
        book(room, session_id, "Ben")

        room.deliver(discharge_of("Ada", at=room.now))

        assert waits_of(room, "Ben") == ["OFFERED"]

    def test_ends_before_the_session_begins(self, room):
        admit(room, "Ada", "Ben")
        session_id = workshop(room, SATURDAY, capacity=1)["session_id"]
        book(room, session_id, "Ada")
        book(room, session_id, "Ben")

        room.advance(SATURDAY - timedelta(minutes=30))

        assert waits_of(room, "Ben") == ["EXPIRED"]


class TestSwapSeat:
    def _own(self, name: str) -> dict[str, str]:
        return {"role": "patient", "actor_id": patient(name)}

    def test_moves_a_session_within_its_week_without_the_staff(self, room):
        admit(room, "Ada")
        open_group(room, "dusk", track="EVENING", facilitator_id=WALT)
        admit(room, "Ben")
        own = groups_of(room, "Ada")[0]
        before = room.ask("list_alternatives", {"seat_id": own["seat_id"]})["items"]
        target = next(one for one in before if one["starts_at"] > own["starts_at"])

        seat = room.call(
            "swap_seat",
            {"seat_id": own["seat_id"], "to_session_id": target["session_id"]},
            **self._own("Ada"),
        )

        states = {one["session_id"]: one["state"] for one in sessions_of(room, "Ada")}
        assert states[own["session_id"]] == "CANCELLED"
        assert states[target["session_id"]] == seat["state"] == "SCHEDULED"
        (swapped,) = room.announced_of(SessionSwapped)
        assert swapped.by_patient
        (freed,) = room.announced_of(SeatFreed)
        assert (freed.session_id, freed.reason) == (own["session_id"], "SWAPPED")

    def test_outlives_a_new_plan_of_the_week(self, room):
        admit(room, "Ada")
        add_clinician(room, "Ines")
        open_group(room, "dawn", facilitator_id=derived_id("clinician", "Ines"))
        own = groups_of(room, "Ada")[0]
        target = self._target(room, own)
        room.call("swap_seat", {"seat_id": own["seat_id"], "to_session_id": target}, **self._own("Ada"))

        declared = {"kind": "SCHOOL", "weekday": 6, "starts": "08:00", "ends": "09:00"}
        room.call(
            "declare_obligations",
            {"patient_id": patient("Ada"), "site_id": SITE, "obligations": [declared]},
        )

        states = {one["session_id"]: one["state"] for one in sessions_of(room, "Ada")}
        assert (states[own["session_id"]], states[target]) == ("CANCELLED", "SCHEDULED")

    def _target(self, room: Room, own: dict[str, Any]) -> str:
        starts_at = datetime.fromisoformat(own["starts_at"])
        return str(
            workshop(
                room,
                starts_at + timedelta(hours=9),
                kind=own["kind"],
                modality=own["modality"],
                ends_at=(starts_at + timedelta(hours=12)).isoformat(),
                clinical_minutes=165,
                capacity=12,
            )["session_id"]
        )

    def test_that_would_break_the_floor_is_refused_naming_the_rule(self, room):
        admit(room, "Ada")
        own = groups_of(room, "Ada")[0]
        starts_at = datetime.fromisoformat(own["starts_at"])
        short = workshop(
            room,
            starts_at + timedelta(hours=9),
            kind=own["kind"],
            modality=own["modality"],
            clinical_minutes=60,
        )

        with pytest.raises(Conflict) as refused:
            room.call(
                "swap_seat",
                {"seat_id": own["seat_id"], "to_session_id": short["session_id"]},
                **self._own("Ada"),
            )

        assert refused.value.code == "floor_not_kept"
        assert "9 hours" in refused.value.problems[0]["rule"]
        states = {one["session_id"]: one["state"] for one in sessions_of(room, "Ada")}
        assert states[own["session_id"]] == "SCHEDULED"

    @pytest.mark.parametrize("change", ["modality", "week"])
    def test_is_refused_for_a_session_that_does_not_stand_for_it(self, room, change):
        admit(room, "Ada")
        own = groups_of(room, "Ada")[0]
        starts_at = datetime.fromisoformat(own["starts_at"]) + timedelta(hours=9)
        if change == "week":
            starts_at += timedelta(days=7)
        modality = "WELLNESS" if change == "modality" else own["modality"]
        other = workshop(room, starts_at, kind=own["kind"], modality=modality)

        with pytest.raises(Conflict) as refused:
            room.call(
                "swap_seat",
                {"seat_id": own["seat_id"], "to_session_id": other["session_id"]},
                **self._own("Ada"),
            )

        assert refused.value.code == "not_equivalent"

    def test_tells_nobody_of_anybody_else_s_seat(self, room):
        admit(room, "Ada", "Ben")
        own = groups_of(room, "Ada")[0]

        with pytest.raises(NotFound):
            room.call(
                "swap_seat",
                {"seat_id": own["seat_id"], "to_session_id": self._target(room, own)},
                **self._own("Ben"),
            )

    def test_weeks_end_on_the_local_sunday_when_the_clocks_change(self, room):
        # In 2026 the clocks of Chicago go forward on Sunday, 8 March, at two in the morning.
        room.at(MONDAY + timedelta(days=28))
        room.deliver(*admitted("Ada", admitted_at=room.now))
        own = groups_of(room, "Ada")[0]
        sunday = workshop(
            room,
            datetime.fromisoformat("2026-03-08T23:00:00-05:00") - timedelta(hours=3),
            kind=own["kind"],
            modality=own["modality"],
            ends_at="2026-03-08T23:00:00-05:00",
        )
        monday = workshop(
            room,
            datetime.fromisoformat("2026-03-09T00:30:00-05:00"),
            kind=own["kind"],
            modality=own["modality"],
        )

        offered = room.ask("list_alternatives", {"seat_id": own["seat_id"]})["items"]

        found = {one["session_id"] for one in offered}
        assert sunday["session_id"] in found
        assert monday["session_id"] not in found


class TestMakeUpSession:
    def test_credits_hours_in_place_of_those_that_were_excused(self, room):
        admit(room, "Ada")
        own = groups_of(room, "Ada")[0]
        starts_at = datetime.fromisoformat(own["starts_at"])
        room.call(
            "excuse_absence",
            {"session_id": own["session_id"], "patient_id": patient("Ada"), "reason": "ILLNESS"},
        )
        other = workshop(room, SATURDAY)
        # Two sessions never make up for one.
        more = workshop(room, SATURDAY + timedelta(hours=3))
        wanted = {"seat_id": own["seat_id"], "to_session_id": other["session_id"]}

        made_up = room.call("make_up_session", wanted, role="patient", actor_id=patient("Ada"))
        with pytest.raises(Conflict) as twice:
            room.call("make_up_session", wanted | {"to_session_id": more["session_id"]})
        room.at(SATURDAY + timedelta(hours=3))
        room.call(
            "record_roster",
            {
                "session_id": other["session_id"],
                "marks": [{"patient_id": patient("Ada"), "mark": "PRESENT"}],
            },
            role="counselor",
        )

        (told,) = room.announced_of(MakeUpBooked)
        assert (told.missed_seat_id, told.seat_id) == (own["seat_id"], made_up["seat_id"])
        assert twice.value.code == "nothing_to_make_up"
        (attended,) = room.announced_of(SessionAttended)
        assert (attended.state, attended.credited_minutes) == ("MADE_UP", 120)
        assert starts_at < SATURDAY

    def test_is_refused_for_a_session_that_is_still_to_come(self, room):
        admit(room, "Ada")
        own = groups_of(room, "Ada")[0]
        other = workshop(room, SATURDAY)

        with pytest.raises(Conflict) as refused:
            room.call("make_up_session", {"seat_id": own["seat_id"], "to_session_id": other["session_id"]})

        assert refused.value.code == "nothing_to_make_up"

    @pytest.mark.parametrize(
        ("kind", "modality", "minutes", "least"),
        [("GROUP", "CBT", 44, 45), ("EDUCATION", "WELLNESS", 30, 45), ("FAMILY", "FAMILY", 25, 26)],
    )
    def test_is_refused_in_what_is_too_short_to_count_as_treatment(
        self, room, kind, modality, minutes, least
    ):
        admit(room, "Ada")
        own = self._excused(room)
        other = workshop(room, SATURDAY, kind=kind, modality=modality, clinical_minutes=minutes)

        with pytest.raises(Conflict) as refused:
            room.call("make_up_session", {"seat_id": own["seat_id"], "to_session_id": other["session_id"]})

        assert refused.value.code == "not_equivalent"
        (problem,) = refused.value.problems
        assert (problem["field"], str(least) in problem["rule"]) == ("to_session_id", True)
        assert room.ask("list_alternatives", {"seat_id": own["seat_id"]})["items"] == []
        assert room.announced_of(MakeUpBooked) == []

    def test_is_refused_in_a_support_group_which_is_no_treatment(self, room):
        admit(room, "Ada")
        own = self._excused(room)
        other = workshop(room, SATURDAY, kind="SUPPORT", modality="TWELVE_STEP")

        with pytest.raises(Conflict) as refused:
            room.call("make_up_session", {"seat_id": own["seat_id"], "to_session_id": other["session_id"]})

        assert refused.value.code == "not_equivalent"

    def _excused(self, room: Room) -> dict[str, Any]:
        own = groups_of(room, "Ada")[0]
        body = {"session_id": own["session_id"], "patient_id": patient("Ada"), "reason": "ILLNESS"}
        room.call("excuse_absence", body)
        return own


class TestCeiling:
    """A week of level 2.1 has fewer than nineteen clinical hours, however they are booked."""

    #: Sunday at noon in Chicago, the last day of the week.
    SUNDAY = SATURDAY + timedelta(days=1)

    @pytest.fixture
    def missed(self, room) -> dict[str, Any]:
        """Give Ada 18 hours and 20 minutes besides a block that she was excused from; return that."""
        own = self._excuse_a_block(room)
        for number in range(3):
            self._book_four_hours(room, number)
        return own

    def _excuse_a_block(self, room: Room) -> dict[str, Any]:
        admit(room, "Ada")
        own = groups_of(room, "Ada")[0]
        body = {"session_id": own["session_id"], "patient_id": patient("Ada"), "reason": "ILLNESS"}
        room.call("excuse_absence", body)
        return own

    def _book_four_hours(self, room: Room, number: int) -> None:
        starts_at = SATURDAY + timedelta(hours=4 * number)
        ends_at = (starts_at + timedelta(hours=4)).isoformat()
        book(room, workshop(room, starts_at, ends_at=ends_at)["session_id"], "Ada")

    def test_is_kept_when_hours_are_made_up(self, room, missed):
        other = workshop(room, self.SUNDAY)
        wanted = {"seat_id": missed["seat_id"], "to_session_id": other["session_id"]}

        with pytest.raises(Conflict) as refused:
            room.call("make_up_session", wanted, role="counselor")

        assert refused.value.code == "ceiling_reached"
        (problem,) = refused.value.problems
        assert problem["field"] == "to_session_id"
        assert "19 hours" in problem["rule"]
        assert room.ask("list_alternatives", {"seat_id": missed["seat_id"]})["items"] == []
        assert room.announced_of(MakeUpBooked) == []

    @pytest.mark.parametrize("how", ["book_seat", "swap_seat"])
    def test_is_kept_by_other_bookings(self, room, missed, how):
        own = groups_of(room, "Ada")[1]
        longer = {"kind": "GROUP", "modality": own["modality"], "clinical_minutes": 210}
        ends_at = (self.SUNDAY + timedelta(hours=4)).isoformat()
        other = workshop(room, self.SUNDAY, ends_at=ends_at, **longer)["session_id"]
        body = {
            "book_seat": {"session_id": other, "patient_id": patient("Ada")},
            "swap_seat": {"seat_id": own["seat_id"], "to_session_id": other},
        }[how]

        with pytest.raises(Conflict) as refused:
            room.call(how, body, role="front_desk")

        assert refused.value.code == "ceiling_reached"

    def test_is_of_each_week_for_itself(self, room, missed):
        next_week = workshop(room, SATURDAY + timedelta(days=7))

        assert book(room, next_week["session_id"], "Ada")["outcome"] == "BOOKED"

    def test_leaves_room_for_what_stays_below_it_and_for_what_is_no_treatment(self, room, missed):
        add_clinician(room, "Ines")
        ines = {"facilitator_id": derived_id("clinician", "Ines")}
        support = workshop(
            room, self.SUNDAY + timedelta(hours=3), kind="SUPPORT", modality="WELLNESS", **ines
        )
        short = workshop(room, self.SUNDAY, clinical_minutes=39)

        booked = [book(room, one["session_id"], "Ada")["outcome"] for one in (support, short)]

        assert booked == ["BOOKED", "BOOKED"]

    def test_passes_over_whoever_has_the_hours_by_now(self, room):
        self._excuse_a_block(room)
        admit(room, "Ben", "Cleo")
        for number in range(2):
            self._book_four_hours(room, number)
        session_id = workshop(room, self.SUNDAY, capacity=1)["session_id"]
        seat = book(room, session_id, "Ben")["seat"]
        for name in ("Ada", "Cleo"):
            book(room, session_id, name)
        self._book_four_hours(room, 2)

        room.call("release_seat", {"seat_id": seat["seat_id"]}, role="front_desk")

        assert (waits_of(room, "Ada"), waits_of(room, "Cleo")) == (["WAITING"], ["OFFERED"])


class TestExcusedSeat:
    """Whoever was excused from a session may be somewhere else at that time."""

    def _excuse(self, room: Room, own: dict[str, Any]) -> None:
        body = {"session_id": own["session_id"], "patient_id": patient("Ada"), "reason": "ILLNESS"}
        room.call("excuse_absence", body)

    def test_leaves_room_for_another_week_over_it(self, room):
        admit(room, "Ada")
        open_group(room, "late", facilitator_id=add_clinician(room, "Ines"), starts="09:30", ends="12:30")
        for own in groups_of(room, "Ada"):
            self._excuse(room, own)

        school = {"kind": "SCHOOL", "starts": "08:00", "ends": "09:15"}
        declared = [{**school, "weekday": day} for day in range(5)]
        room.call(
            "declare_obligations",
            {"patient_id": patient("Ada"), "site_id": SITE, "obligations": declared},
        )

        found = groups_of(room, "Ada")
        planned = [one for one in found if one["state"] == "SCHEDULED"]
        excused = {one["starts_at"][:10] for one in found if one["state"] == "EXCUSED"}
        assert {one["starts_at"][11:16] for one in planned} == {"15:30"}
        assert excused & {one["starts_at"][:10] for one in planned}

    def test_is_made_up_at_its_own_time_and_then_not_attended_too(self, room):
        admit(room, "Ada")
        own = groups_of(room, "Ada")[0]
        starts_at = datetime.fromisoformat(own["starts_at"])
        self._excuse(room, own)
        other = workshop(room, starts_at, facilitator_id=add_clinician(room, "Ines"))

        room.call("make_up_session", {"seat_id": own["seat_id"], "to_session_id": other["session_id"]})
        room.at(starts_at)
        with pytest.raises(Conflict) as refused:
            room.call("check_in", {"session_id": own["session_id"], "patient_id": patient("Ada")})

        assert refused.value.code == "patient_elsewhere"
        assert len(room.announced_of(MakeUpBooked)) == 1

    def test_is_not_booked_a_second_time(self, room):
        admit(room, "Ada")
        own = groups_of(room, "Ada")[0]
        self._excuse(room, own)

        with pytest.raises(Conflict) as refused:
            book(room, own["session_id"], "Ada")

        assert refused.value.code == "seated_already"


class TestExcusedPatientWhoComesAfterAll:
    """Their seat was free for others from when they were excused."""

    @pytest.fixture
    def session(self, room: Room) -> dict[str, Any]:
        """A workshop with one seat, from which Ada was excused and for which Ben waited."""
        admit(room, "Ada", "Ben", "Cleo")
        session = workshop(room, SATURDAY, capacity=1)
        book(room, session["session_id"], "Ada")
        return session

    def _excuse(self, room: Room, session: dict[str, Any]) -> None:
        body = {"session_id": session["session_id"], "patient_id": patient("Ada"), "reason": "ILLNESS"}
        room.call("excuse_absence", body)

    def _at_door(self, room: Room, session: dict[str, Any], name: str) -> dict[str, Any]:
        body = {"session_id": session["session_id"], "patient_id": patient(name)}
        return room.call("check_in", body, role="front_desk")

    def _number_of(self, room: Room, name: str) -> int | None:
        with room.engine.connect() as connection:
            return connection.scalar(
                sa.select(tables.seats.c.number).where(
                    tables.seats.c.patient_id == patient(name), tables.seats.c.starts_at == SATURDAY
                )
            )

    def test_is_let_in_beyond_the_seats_by_nobody_at_the_door(self, room, session):
        wait = book(room, session["session_id"], "Ben")["wait"]
        self._excuse(room, session)
        room.call("accept_offer", {"wait_id": wait["wait_id"]}, role="front_desk")
        room.advance(SATURDAY - timedelta(minutes=10))

        with pytest.raises(Conflict) as refused:
            self._at_door(room, session, "Ada")
        self._at_door(room, session, "Ben")

        assert refused.value.code == "session_full"
        found = room.ask("get_session", {"session_id": session["session_id"]})
        assert found["counts"] == {"CHECKED_IN": 1, "EXCUSED": 1}

    def test_takes_the_seat_that_is_free_so_that_nobody_else_does(self, room, session):
        self._excuse(room, session)
        before = self._number_of(room, "Ada")
        room.advance(SATURDAY - timedelta(minutes=10))

        self._at_door(room, session, "Ada")
        body = {"session_id": session["session_id"], "patient_id": patient("Cleo")}
        with pytest.raises(Conflict) as refused:
            room.call("add_walk_in", body, role="front_desk")

        assert (before, self._number_of(room, "Ada")) == (None, 1)
        assert refused.value.code == "session_full"

    def test_is_marked_as_there_by_a_roster_whoever_has_the_seat(self, room, session):
        wait = book(room, session["session_id"], "Ben")["wait"]
        self._excuse(room, session)
        room.call("accept_offer", {"wait_id": wait["wait_id"]}, role="front_desk")
        room.advance(SATURDAY + timedelta(hours=2))

        marks = [{"patient_id": patient(name), "mark": "PRESENT"} for name in ("Ada", "Ben")]
        room.call("record_roster", {"session_id": session["session_id"], "marks": marks}, role="counselor")

        found = room.ask("get_session", {"session_id": session["session_id"]})
        assert found["counts"] == {"PRESENT": 2}


class TestCloseSite:
    def _close(self, room: Room, day: str, reason: str = "WEATHER") -> dict[str, Any]:
        return room.call(
            "close_site",
            {
                "site_id": SITE,
                "closed_from": f"{day}T00:00:00-06:00",
                "closed_until": f"{day}T23:59:00-06:00",
                "reason": reason,
            },
            role="front_desk",
        )

    def test_calls_off_a_whole_day_in_one_step_and_tells_everyone(self, room):
        admit(room, "Ada", "Ben")
        wednesday = [
            one for name in ("Ada", "Ben") for one in sessions_of(room, name) if "02-04" in one["starts_at"]
        ]

        closure = self._close(room, "2026-02-04")

        assert set(closure["cancelled_session_ids"]) == {one["session_id"] for one in wednesday}
        told = room.announced_of(SeatCancelled)
        assert {one.seat_id for one in told} == {one["seat_id"] for one in wednesday}
        # By this moment it is known that somebody has to be told once for all of their seats.
        assert {one.cancelled_at for one in told} == {room.now}
        (closed,) = room.announced_of(SiteClosed)
        assert closed.seats_cancelled == len(wednesday) > 0

    def test_counts_against_nobody(self, room):
        admit(room, "Ada")
        for day in ("02-09", "02-10", "02-11", "02-12", "02-13"):
            self._close(room, f"2026-{day}")

        room.advance("2026-02-16T08:00:00-06:00")

        missed = [one for one in room.announced_of(SessionMissed) if str(one.starts_at) >= "2026-02-09"]
        assert missed == []
        assert room.announced_of(AttendanceCorrected) == []
        assert room.announced_of(WeeklyDoseShortfall) == []

    def test_lets_nothing_be_booked_into_it_later(self, room):
        admit(room, "Ada")
        self._close(room, "2026-02-18", reason="HOLIDAY")

        room.advance("2026-02-15T22:00:00-06:00")

        days = {one["starts_at"][:10] for one in sessions_of(room, "Ada")}
        assert "2026-02-18" not in days
        assert any(day > "2026-02-18" for day in days)

    def test_leaves_alone_what_somebody_attends_already(self, room):
        admit(room, "Ada")
        own = groups_of(room, "Ada")[0]
        room.at(datetime.fromisoformat(own["starts_at"]))
        room.call("check_in", {"session_id": own["session_id"], "patient_id": patient("Ada")})

        closure = self._close(room, own["starts_at"][:10])

        assert own["session_id"] in closure["under_way_session_ids"]

    def test_names_what_begins_before_and_reaches_into_it(self, room):
        admit(room, "Ada")
        own = groups_of(room, "Ada")[0]
        starts, ends = (datetime.fromisoformat(own[name]) for name in ("starts_at", "ends_at"))

        def close(since: datetime) -> dict[str, Any]:
            until = starts + timedelta(hours=8)
            stretch = {"closed_from": since.isoformat(), "closed_until": until.isoformat()}
            return room.call(
                "close_site", {"site_id": SITE, "reason": "WEATHER"} | stretch, role="front_desk"
            )

        after, into = close(ends), close(starts + timedelta(minutes=1))
        left = room.ask("get_session", {"session_id": own["session_id"]})["state"]
        room.call("cancel_session", {"session_id": own["session_id"], "reason": "WEATHER"}, role="front_desk")
        decided = close(starts + timedelta(minutes=1))

        assert own["session_id"] not in after["reaching_into_session_ids"]
        assert own["session_id"] in into["reaching_into_session_ids"]
        assert (own["session_id"] in into["cancelled_session_ids"], left) == (False, "PLANNED")
        assert own["session_id"] not in decided["reaching_into_session_ids"]

    def test_asks_somebody_to_decide_on_what_reaches_into_it_until_it_is_called_off(self, room):
        admit(room, "Ada")
        own = groups_of(room, "Ada")[0]
        starts = datetime.fromisoformat(own["starts_at"])

        for _ in range(2):
            self._close_soon_after(room, starts)
        open_before = self._asked_about(room)
        room.call("cancel_session", {"session_id": own["session_id"], "reason": "WEATHER"}, role="front_desk")

        (task,) = [one for one in room.announced_of(TaskOpened) if one.task == "session_reaches_closure"]
        assert (task.about_id, task.owner_role, task.reason) == (own["session_id"], "counselor", "WEATHER")
        assert task.due_at == starts - timedelta(hours=1)
        assert (open_before, self._asked_about(room)) == ([own["session_id"]], [])

    def test_asks_about_nothing_in_which_nobody_sits(self, room):
        planned = workshop(room, room.now + timedelta(days=2))
        starts = datetime.fromisoformat(planned["starts_at"])

        told = self._close_soon_after(room, starts)

        assert told["reaching_into_session_ids"] == [planned["session_id"]]
        assert self._asked_about(room) == []

    def test_lets_somebody_say_that_a_session_goes_on(self, room):
        admit(room, "Ada")
        own = groups_of(room, "Ada")[0]
        starts = datetime.fromisoformat(own["starts_at"])
        self._close_soon_after(room, starts)
        (task,) = [one for one in room.announced_of(TaskOpened) if one.task == "session_reaches_closure"]

        said = {"task_id": task.task_id, "task": task.task, "about_id": task.about_id, "outcome": "DONE"}
        room.call("close_task", said, role="counselor")

        assert self._asked_about(room) == []
        assert room.ask("get_session", {"session_id": own["session_id"]})["state"] == "PLANNED"

    def _close_soon_after(self, room: Room, starts: datetime) -> dict[str, Any]:
        stretch = {"closed_from": starts + timedelta(minutes=1), "closed_until": starts + timedelta(hours=8)}
        told = {name: moment.isoformat() for name, moment in stretch.items()}
        return room.call("close_site", {"site_id": SITE, "reason": "WEATHER"} | told, role="front_desk")

    def _asked_about(self, room: Room) -> list[str]:
        """Return the sessions of which somebody is still asked whether they go on."""
        closed = {one.task_id for one in room.announced_of(TaskClosed)}
        return [
            one.about_id
            for one in room.announced_of(TaskOpened)
            if one.task == "session_reaches_closure" and one.task_id not in closed
        ]

    def test_refuses_a_closure_that_is_over(self, room):
        with pytest.raises(InvalidInput) as refused:
            self._close(room, "2026-01-05")

        assert refused.value.code == "closure_ends_before_start"

    def test_ends_all_waiting(self, room):
        admit(room, "Ada", "Ben")
        session_id = workshop(room, SATURDAY, capacity=1)["session_id"]
        book(room, session_id, "Ada")
        book(room, session_id, "Ben")

        self._close(room, "2026-02-07")

        assert waits_of(room, "Ben") == ["SESSION_GONE"]
