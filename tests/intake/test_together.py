"""What comes together is counted as if each had come alone, and what cannot be counted holds up no other."""

import copy
import dataclasses
import random
import threading
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.intake import tables
from services.intake.service import Intake
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Event
from shared.contracts.scheduling import PatientNotSeen, SeatCancelled, SessionMissed, SessionScheduled
from shared.ids import derived_id, new_id
from tests.intake.test_coverage import Billing, delivered
from tests.intake.test_reserving import TUESDAY, cancelled, days, missed, scheduled
from tests.intake.test_service import discharged
from tests.support import Room, waits_for_a_lock

#: What is told of one day, in no order: minutes, and which revision it is.
TOLD = [((165,), 1), ((165, 50), 3), ((), 2)]


@pytest.fixture
def office(room_of: Callable[[type], Room]) -> Billing:
    return Billing(room_of(Intake))


def own(one: Billing, event: Event) -> Any:
    """Return an event with ids that are of one person only."""
    told: dict[str, Any] = {}
    for name in ("seat_id", "session_id", "delivery_id"):
        if hasattr(event, name):
            told[name] = derived_id(one.patient["episode_id"], getattr(event, name))
    return dataclasses.replace(event, **told)


def story(one: Billing) -> list[Event]:
    """Return what happens to somebody in a week and a half: in any order it comes to the same."""
    first, second, third, fourth, fifth = days(5)
    told = [
        *(scheduled(one, day) for day in days(5)),
        scheduled(one, first, "another seat of the day"),
        cancelled(one, second),
        missed(one, third),
        delivered(one, first, minutes=(165,)),
        delivered(one, fourth, minutes=(60, 50)),
        delivered(one, fifth, minutes=()),
    ]
    return [own(one, event) for event in told]


def comes_to(one: Billing) -> dict[str, Any]:
    seen = one.seen()
    tasks = [
        (type(event).__name__, event.task)
        for event in one.room.announced
        if isinstance(event, TaskOpened | TaskClosed) and event.episode_id == one.patient["episode_id"]
    ]
    still_asked = {
        name for kind, name in tasks if tasks.count(("TaskOpened", name)) > tasks.count(("TaskClosed", name))
    }
    return {
        "ledgers": [found["ledger"] for found in seen["authorizations"]],
        "days_not_authorized": seen["days_not_authorized"],
        "warnings": seen["warnings"],
        "asked": still_asked,
    }


def not_seen(one: Billing, day: date) -> PatientNotSeen:
    of_it = missed(one, day)
    ids = {name: getattr(of_it, name) for name in ("patient_id", "episode_id", "journey_id")}
    told = {name: getattr(of_it, name) for name in ("seat_id", "session_id", "kind", "starts_at")}
    return PatientNotSeen(
        **ids, **told, clinical_minutes=165, reason="NOT_LICENSED_THERE", came_at=of_it.starts_at
    )


#: What tells that nobody is expected on a seat any more, and how many reactions intake has to it.
GONE = [(cancelled, 2), (missed, 1), (not_seen, 1)]
Tell = Callable[[Billing, date], Event]


def people_of_all_kinds(office: Billing, group: str) -> dict[str, Billing]:
    """Return people by what was authorised for them."""
    names = (
        "enough",
        "for one day",
        "enough, two seats",
        "nothing yet",
        "nothing yet, one day",
        "not wanted",
    )
    people = {name: office.another(f"{name}, {group}") for name in names}
    people["no cover"] = copy.copy(office)
    people["no cover"].patient = office.refer(patient={"given_name": f"no cover, {group}"})
    for name, units in (("enough", 10), ("for one day", 1), ("enough, two seats", 10)):
        people[name].authorize(units=units)
    office.room.advance(timedelta(minutes=1))
    people["not wanted"].answer(needs_authorization=False)
    return people


def seats_of(people: dict[str, Billing]) -> list[Event]:
    """Return the seats of a Tuesday, and of the Wednesday after it, that are given to them."""
    wednesday = TUESDAY + timedelta(days=1)
    more = people["enough, two seats"]
    return [
        *(own(one, scheduled(one, TUESDAY)) for one in people.values()),
        *(own(one, scheduled(one, wednesday)) for name, one in people.items() if "one day" not in name),
        own(people["for one day"], scheduled(people["for one day"], wednesday)),
        own(more, scheduled(more, TUESDAY, "another seat of the day")),
    ]


def reserved(found: dict[str, dict[str, Any]]) -> dict[str, int]:
    return {name: one["ledgers"][0]["reserved"] for name, one in found.items() if one["ledgers"]}


def warned_of(found: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, one in found.items() if "day_not_authorized" in one["asked"]}


class TestWhatComesTogether:
    @pytest.mark.parametrize("units", [20, 6])
    @pytest.mark.parametrize("seed", range(4))
    def test_is_counted_as_if_each_had_come_alone(self, office: Billing, seed: int, units: int) -> None:
        alone, together = office, office.another("Tess")
        for one in (alone, together):
            one.authorize(units=units)
        order = list(range(len(story(alone))))
        random.Random(seed).shuffle(order)

        alone.room.deliver(*(story(alone)[place] for place in order))
        together.room.deliver_together([story(together)[place] for place in order])

        assert comes_to(together) == comes_to(alone)
        assert comes_to(together)["ledgers"][0]["used"] == 2

    def test_gives_the_earlier_of_its_days_the_units_where_there_are_few(self, office: Billing) -> None:
        office.authorize(units=2)

        office.room.deliver_together([own(office, scheduled(office, day)) for day in reversed(days(4))])

        seen = office.seen()
        assert seen["authorizations"][0]["ledger"]["reserved"] == 2
        assert seen["days_not_authorized"] == [day.isoformat() for day in days(4)[2:]]
        asked = [one for one in office.room.announced_of(TaskOpened) if one.task == "day_not_authorized"]
        assert len(asked) == 1

    def test_is_of_each_day_what_was_told_last(self, office: Billing) -> None:
        office.authorize(units=10)
        told = [delivered(office, TUESDAY, minutes=minutes, revision=revision) for minutes, revision in TOLD]

        office.room.deliver_together([*told, told[0]])

        assert office.seen()["authorizations"][0]["ledger"]["used"] == 1
        with office.room.engine.connect() as connection:
            kept = connection.execute(sa.select(tables.attended_day_rows)).one()
        assert (kept.minutes, kept.revision) == ({"GROUP": 215}, 3)

    def test_is_counted_for_each_of_several_people(self, office: Billing) -> None:
        people = [office, office.another("Tess"), office.another("Uma")]
        for one in people:
            one.authorize(units=10)

        office.room.deliver_together([own(one, scheduled(one, TUESDAY)) for one in people])
        reserved = [one.seen()["authorizations"][0]["ledger"]["reserved"] for one in people]
        office.room.deliver_together([own(one, delivered(one, TUESDAY)) for one in people])
        used = [one.seen()["authorizations"][0]["ledger"]["used"] for one in people]

        assert (reserved, used) == ([1, 1, 1], [1, 1, 1])

    @pytest.mark.parametrize("tell", [scheduled, cancelled, missed])
    def test_waits_alone_where_nobody_is_known_yet(
        self, office: Billing, tell: Callable[..., SessionScheduled | SeatCancelled | SessionMissed]
    ) -> None:
        office.authorize(units=10)
        office.room.deliver(own(office, scheduled(office, TUESDAY)))
        later = TUESDAY + timedelta(days=1)
        office.room.deliver(own(office, scheduled(office, later)))
        of_nobody = dataclasses.replace(tell(office, TUESDAY), seat_id=new_id(), episode_id=new_id())

        office.room.deliver_together([own(office, tell(office, TUESDAY)), of_nobody])

        reactions = {scheduled: 1, cancelled: 2, missed: 1}
        assert len(office.room.waiting) == reactions[tell]
        reserved = office.seen()["authorizations"][0]["ledger"]["reserved"]
        assert reserved == (2 if tell is scheduled else 1)


class TestSeatsOfManyPeople:
    @pytest.mark.parametrize("tell", [tell for tell, _ in GONE])
    def test_are_given_and_taken_back_as_if_each_had_come_alone(self, office: Billing, tell: Tell) -> None:
        alone, together = (people_of_all_kinds(office, group) for group in ("alone", "together"))

        office.room.deliver(*seats_of(alone))
        office.room.deliver_together(seats_of(together))
        given = {name: comes_to(one) for name, one in together.items()}
        assert given == {name: comes_to(one) for name, one in alone.items()}
        office.room.deliver(*(own(one, tell(one, TUESDAY)) for one in alone.values()))
        office.room.deliver_together([own(one, tell(one, TUESDAY)) for one in together.values()])
        left = {name: comes_to(one) for name, one in together.items()}
        assert left == {name: comes_to(one) for name, one in alone.items()}

        assert reserved(given) == {"enough": 2, "for one day": 1, "enough, two seats": 2}
        assert warned_of(given) == {"for one day", "nothing yet", "nothing yet, one day"}
        # The unit that is free again is for the day that had none.
        assert reserved(left) == {"enough": 1, "for one day": 1, "enough, two seats": 2}
        assert warned_of(left) == {"nothing yet"}

    def test_are_each_told_on_account_of_what_befell_them(self, office: Billing) -> None:
        people = [office, *(office.another(name) for name in ("Tess", "Uma"))]
        room = office.room
        given = {
            one.patient["episode_id"]: room.envelope_of(own(one, scheduled(one, TUESDAY))) for one in people
        }
        gone = {one.patient["episode_id"]: room.envelope_of(own(one, missed(one, TUESDAY))) for one in people}

        room.deliver_together(list(given.values()))
        room.deliver_together(list(gone.values()))

        for kind, causes in ((TaskOpened, given), (TaskClosed, gone)):
            told = [
                (one.event.episode_id, one.causation_id)
                for one in room.announced_envelopes
                if isinstance(one.event, kind) and one.event.task == "day_not_authorized"
            ]
            assert sorted(told) == sorted((name, cause.event_id) for name, cause in causes.items())

    def test_are_asked_about_once_however_many_batches_tell_of_them(self, office: Billing) -> None:
        people = [office, office.another("Tess")]

        for day in days(3):
            office.room.deliver_together([own(one, scheduled(one, day)) for one in people])

        asked = [one for one in office.room.announced_of(TaskOpened) if one.task == "day_not_authorized"]
        assert len(asked) == len(people)

    def test_leave_those_of_the_discharged_without_units(self, office: Billing) -> None:
        people = [office, office.another("Tess")]
        for one in people:
            one.authorize(units=1)
        office.room.deliver_together([own(one, scheduled(one, day)) for one in people for day in days(2)])
        office.room.deliver(discharged(office.patient, office.room))

        office.room.deliver_together([own(one, missed(one, TUESDAY)) for one in people])

        ledgers = [one.seen()["authorizations"][0]["ledger"]["reserved"] for one in people]
        assert ledgers == [0, 1]

    def test_are_of_one_tenant_each(self, office: Billing) -> None:
        elsewhere = copy.copy(office.room)
        elsewhere.tenant_id = "harbour"
        people = [office, Billing(elsewhere)]
        for one in people:
            one.authorize(units=10)
        # The seats have the same ids in both.
        office.room.deliver_together(
            [one.room.envelope_of(scheduled(one, day)) for one in people for day in days(2)]
        )

        first, second = days(2)
        office.room.deliver_together(
            [people[0].room.envelope_of(missed(people[0], first))]
            + [people[1].room.envelope_of(missed(people[1], day)) for day in (first, second)]
            # Somebody whom the other tenant does not know.
            + [elsewhere.envelope_of(missed(people[0], second))]
        )

        assert [one.seen()["authorizations"][0]["ledger"]["reserved"] for one in people] == [1, 0]
        assert office.room.waiting == ["give_unit_back"]

    @pytest.mark.parametrize(("tell", "reactions"), GONE)
    def test_wait_alone_where_somebody_is_not_known_yet(
        self, office: Billing, tell: Tell, reactions: int
    ) -> None:
        people = [office, *(office.another(name) for name in ("Tess", "Uma"))]
        for one in people:
            one.authorize(units=10)
        office.room.deliver_together([own(one, scheduled(one, TUESDAY)) for one in people])
        told = [own(one, tell(one, TUESDAY)) for one in people]
        of_nobody = dataclasses.replace(told[0], seat_id=new_id(), episode_id=new_id())

        office.room.deliver_together([told[0], of_nobody, *told[1:]])

        assert len(office.room.waiting) == reactions
        assert [one.seen()["authorizations"][0]["ledger"]["reserved"] for one in people] == [0, 0, 0]

    def test_wait_for_one_person_with_nobody_behind_them_locked(self, office: Billing) -> None:
        people = sorted(
            [office, *(office.another(name) for name in ("Tess", "Uma"))],
            key=lambda one: one.patient["episode_id"],
        )
        authorized = [one.authorize(units=10)["authorization_id"] for one in people]
        office.room.deliver_together([own(one, scheduled(one, TUESDAY)) for one in people])
        told = [own(one, missed(one, TUESDAY)) for one in reversed(people)]
        deliver = threading.Thread(target=lambda: office.room.deliver_together(told))

        with office.room.engine.begin() as connection:
            assert connection.execute(_LOCK, {"ids": authorized[:1]}).all()
            deliver.start()
            assert waits_for_a_lock(office.room.engine)
            # Whoever waits for the first has none of the others, in whatever order they were told of.
            assert len(connection.execute(_LOCK, {"ids": authorized[1:]}).all()) == 2
        deliver.join(timeout=60)

        assert [one.seen()["authorizations"][0]["ledger"]["reserved"] for one in people] == [0, 0, 0]


_LOCK = sa.text(
    "SELECT authorization_id FROM authorizations"
    " WHERE authorization_id = ANY(CAST(:ids AS uuid[])) FOR UPDATE NOWAIT"
)
