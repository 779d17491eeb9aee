"""What comes together is counted as if each had come alone, and what cannot be counted holds up no other."""

import dataclasses
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.intake import tables
from services.intake.service import Intake
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Event
from shared.contracts.scheduling import SeatCancelled, SessionMissed, SessionScheduled
from shared.ids import derived_id, new_id
from tests.intake.test_coverage import Billing, delivered
from tests.intake.test_reserving import TUESDAY, cancelled, days, missed, scheduled
from tests.support import Room

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
