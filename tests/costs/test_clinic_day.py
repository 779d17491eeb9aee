"""What the clinic day costs the database, however many people are in a session: no clock is needed for that.

The ceilings are what it costs now; see :mod:`tests.costs.test_database`.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from services.aftercare.service import Aftercare
from services.intake.service import Intake
from services.monitoring.service import Monitoring
from services.scheduling import messages
from services.scheduling.domain import attendance, check_outs, peers
from services.scheduling.service import Scheduling
from shared.contracts.common import MessageWanted, TaskOpened
from shared.contracts.monitoring import GraduationReady
from shared.contracts.scheduling import (
    ModuleOfferedAgain,
    ServiceDelivered,
    SessionAttended,
    SessionMissed,
    SessionScheduled,
)
from shared.ids import derived_id
from shared.messaging import inbox
from tests.aftercare import telling
from tests.costs.counting import Measured, within
from tests.intake import test_reserving as reserving
from tests.intake.test_coverage import MONDAY, Billing, delivered
from tests.intake.test_reserving import scheduled
from tests.intake.test_service import House
from tests.monitoring.telling import short_week
from tests.scheduling import test_curricula as curricula
from tests.scheduling import test_messages as telling_patients
from tests.scheduling import test_peers as peering
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

#: Round trips and statements, BEGIN and COMMIT among them; a timer's are those of looking for it, too.
SITES_WEEK = {"round trips": 1, "statements": 1}
NOTE_SIGNED = {"round trips": 3, "statements": 21}
CHECK_INS_CREDITED = {"round trips": 7, "statements": 33}
END_AFTER_A_ROSTER = {"round trips": 5, "statements": 13}
#: As of one: what is known of all that are over is asked for at once.
END_OF_TWO = {"round trips": 5, "statements": 14}
MISSES_OF_A_MODULE = {"round trips": 15, "statements": 28}
#: Of two: each is one look more.
LOOK_FOR_A_PEER = {"round trips": 8, "statements": 20}
#: To two who stayed away.
MAKE_UPS_TOLD = {"round trips": 8, "statements": 14}
#: Of somebody new: they are found locked, what the site's weeks are planned by, what there is on its dates.
WEEK_PLANNED = {"round trips": 5, "statements": 22}
WEEK_AGREED_TO = {"round trips": 4, "statements": 12}
WEEK_GIVEN_UP = {"round trips": 11, "statements": 27}
OBLIGATIONS_DECLARED = {"round trips": 2, "statements": 9}
SEAT_BOOKED = {"round trips": 4, "statements": 10}
DAY_DELIVERED = {"round trips": 3, "statements": 10}
#: Of a group as of one: what is known of all is asked for at once.
GROUP_DELIVERED = {"round trips": 3, "statements": 10}
GROUP_WITHOUT_NOTE = {"round trips": 3, "statements": 9}
SEATS_OF_WEEKS = {"round trips": 4, "statements": 10}
SEATS_OF_MANY = {"round trips": 4, "statements": 10}
UNIT_RESERVED = {"round trips": 4, "statements": 10}
UNITS_LAPSED = {"round trips": 6, "statements": 13}
#: Of an hour's sessions as of one seat: of people without cover, of such for whom units are still to be
#: authorised, and of such whose units are given back.
MISSED_WITHOUT_COVER = {"round trips": 4, "statements": 9}
MISSED_WITHOUT_UNITS = {"round trips": 5, "statements": 11}
MISSED_WITH_UNITS = {"round trips": 4, "statements": 11}
#: By aftercare and by monitoring: of a group, one more statement for each, which travel together.
ATTENDANCE_REMEMBERED = {"round trips": 2, "statements": 7 + 11}
ATTENDANCE_COUNTED = {"round trips": 2, "statements": 7 + 11}
#: The facts that add risk, or what a graduation needs, are looked for at once.
ATTENDANCE_WEIGHED = {"round trips": 3, "statements": 9 + 11}


@pytest.fixture
def scheduling(measured) -> Measured:
    return measured(Scheduling)


class TestClinicDay:
    @pytest.mark.parametrize("number", [1, 12])
    def test_a_sites_week(self, scheduling, number):
        furnish(scheduling.room)
        admit(scheduling.room, number)
        week = {"site_id": SITE, "from": "2026-02-02T00:00:00Z", "to": "2026-02-09T00:00:00Z"}

        cost = scheduling.cost_of(lambda: scheduling.room.ask("list_sessions", week))

        assert sum_of_seats(scheduling.room.ask("list_sessions", week)["items"]) >= 3 * number
        assert within(cost, SITES_WEEK), cost

    def test_crediting_a_group_whose_roster_never_came(self, scheduling):
        room = scheduling.room
        furnish(room)
        names = admit(room, 12)
        in_turn = iter(fullest(room, names, kind="GROUP"))

        def credit() -> Any:
            session = next(in_turn)
            room.at(session["starts_at"])
            for member in session["members"]:
                check_in(room, session, member)
            room.advance(session["ends_at"] + attendance.CHECK_OUT_GRACE - timedelta(seconds=1))
            room.at(session["ends_at"] + attendance.CHECK_OUT_GRACE)
            before = scheduling.counted()
            room.fire_due()
            (seen,) = [
                one["counts"]
                for one in room.ask("list_sessions", {"site_id": SITE, "limit": 200})["items"]
                if one["session_id"] == session["session_id"]
            ]
            assert seen == {"PRESENT": len(session["members"])}
            return scheduling.counted() - before

        credit()
        cost = credit()

        assert within(cost, CHECK_INS_CREDITED), cost

    def test_the_end_of_a_session_whose_roster_has_come(self, scheduling):
        room = scheduling.room
        furnish(room)
        names = admit(room, 12)
        in_turn = iter(fullest(room, names, kind="GROUP"))

        def end() -> Any:
            session = next(in_turn)
            over_at = session["ends_at"] + attendance.CHECK_OUT_GRACE
            room.advance(over_at - timedelta(seconds=1))
            marks = [{"patient_id": member, "mark": "PRESENT"} for member in session["members"]]
            told = {"session_id": session["session_id"], "marks": marks}
            room.call("record_roster", told, role="counselor")
            room.at(over_at)
            before = scheduling.counted()
            room.fire_due()
            return scheduling.counted() - before

        end()
        cost = end()

        asked = [one.about_id for one in room.announced_of(TaskOpened) if one.task == check_outs.UNASKED]
        assert len(asked) == 2
        assert within(cost, END_AFTER_A_ROSTER), cost

    def test_the_end_of_two_sessions_at_once(self, scheduling):
        room = scheduling.room
        furnish(room)
        open_group(room, "ANOTHER", facilitator_id=add_clinician(room, "Otto"))
        names = admit(room, 16)
        found = in_pairs(room, names, kind="GROUP")

        def end() -> Any:
            first, second = next(found)
            room.advance(first["ends_at"] + timedelta(minutes=1))
            for session in (first, second):
                marks = [{"patient_id": member, "mark": "PRESENT"} for member in session["members"]]
                told = {"session_id": session["session_id"], "marks": marks}
                room.call("record_roster", told, role="counselor")
            over_at = first["ends_at"] + attendance.CHECK_OUT_GRACE
            room.advance(over_at - timedelta(seconds=1))
            room.at(over_at)
            before = scheduling.counted()
            room.fire_due()
            return scheduling.counted() - before

        end()
        cost = end()

        asked = [one.about_id for one in room.announced_of(TaskOpened) if one.task == check_outs.UNASKED]
        assert len(asked) == 4
        assert within(cost, END_OF_TWO), cost

    def test_a_note_that_is_signed_as_it_is_written(self, scheduling):
        room = scheduling.room
        furnish(room)
        names = admit(room, 12)
        in_turn = iter(fullest(room, names, kind="GROUP"))

        def write() -> Any:
            session = next(in_turn)
            room.advance(session["ends_at"])
            marks = [{"patient_id": member, "mark": "PRESENT"} for member in session["members"]]
            room.call(
                "record_roster", {"session_id": session["session_id"], "marks": marks}, role="counselor"
            )
            before = scheduling.counted()
            told = {"session_id": session["session_id"], "text": "A quiet evening.", "sign": True}
            assert room.call("write_note", told, credential="LCSW")["state"] == "SIGNED"
            return scheduling.counted() - before

        write()
        cost = write()

        assert within(cost, NOTE_SIGNED), cost

    @pytest.mark.parametrize("number", [4, 12])
    def test_finding_out_that_people_missed_a_module(self, scheduling, number):
        room = scheduling.room
        curricula.furnish_with_workshop(room)
        names = admit(room, number)
        in_turn = iter(fullest(room, names, kind="EDUCATION"))

        def miss() -> tuple[Any, int]:
            session = next(in_turn)
            room.advance(session["starts_at"] - timedelta(minutes=1))
            check_in(room, session, session["members"][0])
            room.at(session["starts_at"] + attendance.GRACE)
            before = scheduling.counted()
            room.fire_due()
            return scheduling.counted() - before, len(session["members"]) - 1

        miss()
        told = len(room.announced_of(ModuleOfferedAgain))
        cost, missing = miss()

        assert len(room.announced_of(ModuleOfferedAgain)) - told == missing >= number // 4
        assert within(cost, MISSES_OF_A_MODULE), cost

    def test_telling_of_what_can_be_made_up(self, scheduling):
        room = scheduling.room
        names = ("Ada", "Ben")
        telling_patients.furnish_with_workshop(room)
        telling_patients.admit(room, *names)
        telling_patients.parallel(room)
        own = [telling_patients.taught_to(room, name) for name in names]
        starts_at = datetime.fromisoformat(own[0]["starts_at"])
        room.at(starts_at + timedelta(hours=2))
        for seat in own:
            telling_patients.mark(room, seat, "NO_SHOW")
        room.advance(starts_at + messages.MAKE_UP_AFTER - timedelta(seconds=1))
        room.at(starts_at + messages.MAKE_UP_AFTER)

        before = scheduling.counted()
        room.fire_due()
        cost = scheduling.counted() - before

        assert len([one for one in room.announced_of(MessageWanted) if one.template == "PLACE_OFFERED"]) == 2
        assert within(cost, MAKE_UPS_TOLD), cost

    @pytest.mark.parametrize("number", [1, 6])
    def test_looking_for_somebodys_peer(self, scheduling, number):
        room = scheduling.room
        furnish(room)
        names = admit(room, number)
        peering.prefer(room, "YES", *names)
        newcomers = ["Eve", "Fay"]
        peering.admit(room, *newcomers, at=peering.THREE_WEEKS_ON)
        zone = "America/Chicago"
        due_at = peers.looked_for_at(admitted_at=peering.THREE_WEEKS_ON, zone=zone)
        room.advance(due_at - timedelta(seconds=1))
        room.at(due_at)

        before = scheduling.counted()
        room.fire_due()
        cost = scheduling.counted() - before

        assert len(peering.matches(room)) == len(newcomers)
        assert within(cost, LOOK_FOR_A_PEER), cost


class TestStandingWeek:
    def test_that_is_found_and_booked(self, scheduling):
        room = scheduling.room
        furnish(room)
        admit(room, 3)
        newcomers = iter(["Eve", "Fay"])

        def plan() -> Any:
            name = next(newcomers)
            room.deliver(referral_of(name), draft_of(name))
            before = scheduling.counted()
            take(room, admission_of(name))
            return scheduling.counted() - before

        plan()
        cost = plan()

        assert week_of(room, "Fay")["state"] == "ACTIVE"
        assert within(cost, WEEK_PLANNED), cost

    def test_that_somebody_agrees_to(self, scheduling):
        room = scheduling.room
        furnish(room)
        names = iter(admit(room, 2))

        def agree() -> None:
            told = {"episode_id": ids_of(next(names))["episode_id"]}
            assert room.call("confirm_weekly_plan", told, role="front_desk")["confirmed_at"] is not None

        cost = scheduling.cost_of(agree)

        assert within(cost, WEEK_AGREED_TO), cost

    def test_of_somebody_who_leaves(self, scheduling):
        room = scheduling.room
        furnish(room)
        names = admit(room, 4)
        leaving = iter(names)
        room.at(ADMITTED_AT + timedelta(days=1))

        cost = scheduling.cost_of(lambda: take(room, discharge_of(next(leaving), at=room.now)))

        assert week_of(room, names[1])["state"] == "ENDED"
        assert within(cost, WEEK_GIVEN_UP), cost

    def test_around_what_somebody_declares_before_admission(self, scheduling):
        room = scheduling.room
        furnish(room)
        room.deliver(referral_of("Eve"))
        told = {"patient_id": ids_of("Eve")["patient_id"], "site_id": SITE, "obligations": []}

        cost = scheduling.cost_of(lambda: room.call("declare_obligations", told, role="front_desk"))

        assert within(cost, OBLIGATIONS_DECLARED), cost


class TestWhatFollows:
    def test_from_a_seat_that_was_booked(self, measured):
        intake = measured(Intake)
        billing = Billing(intake.room)
        billing.authorize(units=10)
        days = (MONDAY + timedelta(days=ahead) for ahead in range(1, 5))

        cost = intake.cost_of(lambda: take(intake.room, scheduled(billing, next(days))))

        (seen,) = billing.seen()["authorizations"]
        assert seen["ledger"]["reserved"] == 2
        assert within(cost, SEAT_BOOKED), cost

    def test_from_a_day_that_was_delivered(self, measured):
        intake = measured(Intake)
        billing = Billing(intake.room)
        billing.authorize(units=10)
        days = (MONDAY + timedelta(days=ahead) for ahead in range(5))

        cost = intake.cost_of(lambda: take(intake.room, delivered(billing, next(days))))

        (seen,) = billing.seen()["authorizations"]
        assert seen["ledger"]["used"] == 2
        assert within(cost, DAY_DELIVERED), cost

    @pytest.mark.parametrize("number", [1, 12])
    def test_from_a_group_of_which_a_roster_and_a_note_came(self, measured, number):
        intake = measured(Intake)
        group = group_in_treatment(Billing(intake.room), number)
        days = (MONDAY + timedelta(days=ahead) for ahead in range(5))

        def deliver() -> None:
            day = next(days)
            take(intake.room, *(of(one, delivered(one, day)) for one in group))

        cost = intake.cost_of(deliver)

        ledgers = [one.seen()["authorizations"][0]["ledger"] for one in group]
        assert [ledger["used"] for ledger in ledgers] == [2] * number
        assert within(cost, GROUP_DELIVERED), cost

    @pytest.mark.parametrize("number", [1, 12])
    def test_from_a_group_whose_note_is_still_to_come(self, measured, number):
        intake = measured(Intake)
        group = group_in_treatment(Billing(intake.room), number)
        days = (MONDAY + timedelta(days=ahead) for ahead in range(5))

        def tell() -> None:
            day = next(days)
            take(intake.room, *(of(one, delivered(one, day, minutes=())) for one in group))

        assert within(cost := intake.cost_of(tell), GROUP_WITHOUT_NOTE), cost

    @pytest.mark.parametrize("number", [1, 12])
    def test_from_the_seats_of_somebodys_weeks(self, measured, number):
        intake = measured(Intake)
        billing = Billing(intake.room)
        billing.authorize(units=30)
        days = (MONDAY + timedelta(days=ahead) for ahead in range(1, 30))

        cost = intake.cost_of(
            lambda: take(intake.room, *(scheduled(billing, next(days)) for _ in range(number)))
        )

        (seen,) = billing.seen()["authorizations"]
        assert seen["ledger"]["reserved"] == 2 * number
        assert within(cost, SEATS_OF_WEEKS), cost

    def test_from_a_seat_whose_day_needs_a_unit(self, measured):
        intake = measured(Intake)
        billing = Billing(intake.room)
        billing.authorize(units=10)
        days = (MONDAY + timedelta(days=ahead) for ahead in range(1, 5))

        cost = intake.cost_of(lambda: take(intake.room, reserving.scheduled(billing, next(days))))

        (seen,) = billing.seen()["authorizations"]
        assert seen["ledger"]["reserved"] == 2
        assert within(cost, UNIT_RESERVED), cost

    def test_from_days_of_which_nobody_told(self, measured):
        intake = measured(Intake)
        billing = Billing(intake.room)
        billing.authorize(units=10)
        for ahead in range(1, 4):
            intake.room.deliver(reserving.scheduled(billing, MONDAY + timedelta(days=ahead)))
        lapses = [at for name, _, at in intake.room.timers() if name == "reserved_unit_lapses"]
        intake.room.advance(lapses[0])
        next_at = next(at for name, _, at in intake.room.timers() if name == "reserved_unit_lapses")
        intake.room.advance(next_at - timedelta(seconds=1))
        intake.room.at(next_at)

        before = intake.counted()
        intake.room.fire_due()
        cost = intake.counted() - before

        (seen,) = billing.seen()["authorizations"]
        assert seen["ledger"]["reserved"] == 1
        assert within(cost, UNITS_LAPSED), cost

    @pytest.mark.parametrize("number", [1, 12])
    def test_from_seats_of_many_people(self, measured, number):
        intake = measured(Intake)
        group = group_in_treatment(Billing(intake.room), number)
        days = (MONDAY + timedelta(days=ahead) for ahead in range(1, 5))

        def give() -> None:
            day = next(days)
            take(intake.room, *(_scheduled(one.patient, day) for one in group))

        cost = intake.cost_of(give)

        ledgers = [one.seen()["authorizations"][0]["ledger"] for one in group]
        assert [ledger["reserved"] for ledger in ledgers] == [2] * number
        assert within(cost, SEATS_OF_MANY), cost

    @pytest.mark.parametrize("number", [1, 50])
    def test_from_seats_missed_by_people_without_cover(self, measured, number):
        intake = measured(Intake)
        house = House(intake.room)
        people = [house.refer(patient={"given_name": f"Member {place}"}) for place in range(number)]
        days = (MONDAY + timedelta(days=ahead) for ahead in range(1, 5))

        def miss() -> None:
            day = next(days)
            take(intake.room, *(_missed(one, day) for one in people))

        cost = intake.cost_of(miss)

        assert intake.room.waiting == []
        assert within(cost, MISSED_WITHOUT_COVER), cost

    @pytest.mark.parametrize("number", [1, 12])
    @pytest.mark.parametrize(
        ("authorized", "ceiling"), [(False, MISSED_WITHOUT_UNITS), (True, MISSED_WITH_UNITS)]
    )
    def test_from_seats_missed_by_people_with_cover(self, measured, authorized, ceiling, number):
        intake = measured(Intake)
        group = group_in_treatment(Billing(intake.room), number, authorized=authorized)
        ahead = [MONDAY + timedelta(days=days) for days in range(1, 5)]
        for day in ahead:
            take(intake.room, *(_scheduled(one.patient, day) for one in group))
        days = iter(ahead)

        def miss() -> None:
            day = next(days)
            take(intake.room, *(_missed(one.patient, day) for one in group))

        cost = intake.cost_of(miss)

        seen = [one.seen() for one in group]
        reserved = [found["ledger"]["reserved"] for own in seen for found in own["authorizations"]]
        without = [] if authorized else [day.isoformat() for day in ahead[2:]]
        assert reserved == [2] * number if authorized else reserved == []
        assert [own["days_not_authorized"] for own in seen] == [without] * number
        assert within(cost, ceiling), cost

    @pytest.mark.parametrize("number", [1, 12])
    @pytest.mark.parametrize(
        ("service", "ceiling"), [(Aftercare, ATTENDANCE_REMEMBERED), (Monitoring, ATTENDANCE_COUNTED)]
    )
    def test_from_a_group_that_came(self, measured, service, ceiling, number):
        counted = measured(service)
        members = [_of_member(place) for place in range(number)]
        counted.room.deliver(*(telling.admitted(**ids) for ids in members))
        days = iter(range(1, 5))

        def come() -> None:
            day = next(days)
            take(counted.room, *(_came(ids, day) for ids in members))

        cost = counted.cost_of(come)

        assert counted.room.waiting == []
        assert within(cost, ceiling), cost

    @pytest.mark.parametrize("number", [1, 12])
    def test_from_a_group_that_came_after_a_short_week(self, measured, number):
        monitoring = measured(Monitoring)
        members = [_of_member(place) for place in range(number)]
        monitoring.room.deliver(*(telling.admitted(**ids) for ids in members))
        monitoring.room.deliver(*(short_week(1, consecutive_weeks=1, **ids) for ids in members))
        days = iter(range(1, 5))

        cost = monitoring.cost_of(lambda: take(monitoring.room, *_came_on(next(days), members)))

        assert monitoring.room.waiting == []
        assert within(cost, ATTENDANCE_WEIGHED), cost

    @pytest.mark.parametrize("number", [1, 12])
    def test_from_a_group_that_may_graduate(self, measured, number):
        monitoring = measured(Monitoring)
        members = [_of_member(place) for place in range(number)]
        monitoring.room.deliver(*(telling.admitted(**ids) for ids in members))
        days = iter(range(1, 63, 2))
        for day in itertools.islice(days, 29):
            take(monitoring.room, *_came_on(day, members))

        cost = monitoring.cost_of(lambda: take(monitoring.room, *_came_on(next(days), members)))

        assert len(monitoring.room.announced_of(GraduationReady)) == number
        assert within(cost, ATTENDANCE_WEIGHED), cost


def _came_on(day: int, members: list[dict[str, str]]) -> list[SessionAttended]:
    return [_came(ids, day) for ids in members]


def _scheduled(one: dict[str, Any], day: date) -> SessionScheduled:
    starts_at = reserving.evening(day)
    told = {"ends_at": starts_at + timedelta(hours=3), "clinical_minutes": 165}
    return SessionScheduled(**_seat(one, day), **told, modality="CBT", starts_at=starts_at)


def _missed(one: dict[str, Any], day: date) -> SessionMissed:
    starts_at = reserving.evening(day)
    told = {"clinical_minutes": 165, "consecutive": 1, "missed_at": starts_at}
    return SessionMissed(**_seat(one, day), **told, starts_at=starts_at)


def _seat(one: dict[str, Any], day: date) -> dict[str, Any]:
    ids = {name: one[name] for name in ("patient_id", "episode_id", "journey_id")}
    seat_id = derived_id("seat", one["episode_id"], day.isoformat())
    return ids | {"seat_id": seat_id, "session_id": derived_id("session", seat_id), "kind": "GROUP"}


def _of_member(place: int) -> dict[str, str]:
    kinds = ("patient", "episode", "journey")
    return {f"{kind}_id": derived_id(kind, "member", str(place)) for kind in kinds}


def _came(ids: dict[str, str], day: int) -> SessionAttended:
    seat_id = derived_id("seat", ids["patient_id"], str(day))
    return dataclasses.replace(telling.attended(day), seat_id=seat_id, **ids)


def admit(room: Room, number: int) -> list[str]:
    names = [f"Member {place}" for place in range(number)]
    room.at(ADMITTED_AT)
    for name in names:
        room.deliver(referral_of(name), *admitted(name))
    return names


def week_of(room: Room, name: str) -> Any:
    return room.ask("get_weekly_plan", {"episode_id": ids_of(name)["episode_id"]})


def sessions_of(room: Room, names: Iterable[str], *, kind: str) -> list[dict[str, Any]]:
    """Return the sessions of a kind in which some people sit, each with its members."""
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        episode = {"episode_id": ids_of(name)["episode_id"]}
        for one in room.ask("list_patient_sessions", episode)["items"]:
            if one["kind"] == kind:
                times = {name: datetime.fromisoformat(one[name]) for name in ("starts_at", "ends_at")}
                session = found.setdefault(one["session_id"], {**one, **times, "members": []})
                session["members"].append(one["patient_id"])
    return list(found.values())


def fullest(room: Room, names: Iterable[str], *, kind: str) -> list[dict[str, Any]]:
    """Return the two sessions of a kind in which most people sit, by their start, each with its members."""
    found = sessions_of(room, names, kind=kind)
    most = sorted(found, key=lambda one: (-len(one["members"]), one["starts_at"]))[:2]
    return sorted(most, key=lambda one: one["starts_at"])


def in_pairs(
    room: Room, names: Iterable[str], *, kind: str
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Return sessions of a kind that begin together, two at a time, by their start, with their members."""
    at_once: dict[datetime, list[dict[str, Any]]] = {}
    for session in sessions_of(room, names, kind=kind):
        at_once.setdefault(session["starts_at"], []).append(session)
    return iter([(one[0], one[1]) for _, one in sorted(at_once.items()) if len(one) == 2])


def check_in(room: Room, session: dict[str, Any], patient_id: str) -> None:
    told = {"session_id": session["session_id"], "patient_id": patient_id}
    room.call("check_in", told, role="front_desk")


def sum_of_seats(sessions: list[dict[str, Any]]) -> int:
    return sum(sum(one["counts"].values()) for one in sessions)


def take(room: Room, *events: Any) -> None:
    inbox.take(room.host, [inbox.Delivery(room.envelope_of(event).to_bytes()) for event in events])


def group_in_treatment(billing: Billing, number: int, *, authorized: bool = True) -> list[Billing]:
    """Return so many people in treatment, each with days that a payer authorised, or with none yet."""
    group = [billing, *(billing.another(f"Member {place}") for place in range(1, number))]
    for one in group:
        if authorized:
            one.authorize(units=10)
    return group


def of(one: Billing, event: ServiceDelivered) -> ServiceDelivered:
    """Return what was delivered on somebody's own day."""
    own = derived_id(one.patient["episode_id"], event.served_on.isoformat())
    return dataclasses.replace(event, delivery_id=own)
