"""Any order, any doubles, two copies: the same tables."""

import random
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from services.aftercare.service import Aftercare
from shared.contracts.event import Envelope, Event
from shared.messaging import inbox
from tests.aftercare import telling
from tests.aftercare.telling import ADMITTED_AT, SECOND
from tests.support import Room

END = ADMITTED_AT + timedelta(weeks=12)
BACK_AT = END + timedelta(days=5)
DIED_AT = BACK_AT + timedelta(days=40)

#: Two episodes of Dana: a graduation after a proposed discharge that came to nothing, a return five
#: days later, and a death.
JOURNEY: tuple[Event, ...] = (
    telling.assessed(),
    telling.assessed(problems=("ALCOHOL", "OPIOID"), completed_at=ADMITTED_AT + timedelta(days=30)),
    telling.admitted(),
    telling.attended(1),
    telling.attended(3),
    telling.missed(5),
    telling.corrected(5, "PRESENT", revision=1),
    telling.corrected(5, "EXCUSED", revision=2, credited_minutes=0),
    telling.missed(8),
    telling.attended(8, state="MADE_UP"),
    telling.proposed(ADMITTED_AT + timedelta(days=40)),
    telling.reached_by_outreach(ADMITTED_AT + timedelta(days=41)),
    telling.reengaged(ADMITTED_AT + timedelta(days=41, minutes=1)),
    telling.withdrawn(ADMITTED_AT + timedelta(days=41, minutes=2)),
    telling.ready(ADMITTED_AT + timedelta(days=70), criteria=("ATTENDANCE", "NO_USE")),
    telling.ready(ADMITTED_AT + timedelta(days=80)),
    telling.discharged(END),
    telling.graduated(END),
    telling.admitted(episode_id=SECOND, admitted_at=BACK_AT),
    telling.proposed(DIED_AT, episode_id=SECOND, proposal_id=telling.derived_id("proposal", "2")),
    telling.discharged(DIED_AT, episode_id=SECOND, reason_code="6", admitted_at=BACK_AT),
    telling.withdrawn(
        DIED_AT + timedelta(hours=1), episode_id=SECOND, proposal_id=telling.derived_id("proposal", "2")
    ),
)

RoomOf = Callable[[type], Room]


#: What stands in the tables after each story that was told in order: it is the same for every test.
_rows: dict[tuple[Event, ...], dict[str, list[str]]] = {}


def told_in_order(room_of: RoomOf, events: tuple[Event, ...] = JOURNEY) -> dict[str, list[str]]:
    if events not in _rows:
        room = room_of(Aftercare)
        room.at(DIED_AT + timedelta(days=1))
        room.deliver(*events)
        _rows[events] = room.dump()
    return _rows[events]


class TestOrder:
    def test_tells_a_whole_story_in_the_first_place(self, room_of: RoomOf) -> None:
        dump = told_in_order(room_of)

        assert len(dump["episodes"]) == 2
        assert len(dump["seats"]) == 4
        assert sum("EXCUSED" in seat for seat in dump["seats"]) == 1
        assert sum("MADE_UP" in seat for seat in dump["seats"]) == 1
        assert sum("WITHDRAWN" in proposal for proposal in dump["discharge_proposals"]) == 1
        assert sum("DISCHARGED" in proposal for proposal in dump["discharge_proposals"]) == 1
        # The first call and every follow-up were ahead, or open, when Dana came back.
        assert len(dump["aftercare_contacts"]) == 6
        assert all("CANCELLED" in contact for contact in dump["aftercare_contacts"])
        assert dump["timers"] == []

    @pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
    def test_does_not_matter_nor_do_doubles(self, room_of: RoomOf, seed: int) -> None:
        room = room_of(Aftercare)
        room.at(DIED_AT + timedelta(days=1))
        envelopes = [room.envelope_of(event) for event in JOURNEY] * 2
        random.Random(seed).shuffle(envelopes)

        room.deliver(*envelopes)

        assert room.dump() == told_in_order(room_of)

    @pytest.mark.parametrize("seed", [11, 12, 13])
    def test_does_not_matter_before_the_return_and_leaves_the_same_timers(
        self, room_of: RoomOf, seed: int
    ) -> None:
        story = tuple(event for event in JOURNEY if getattr(event, "episode_id", "") != SECOND)
        room = room_of(Aftercare)
        room.at(DIED_AT + timedelta(days=1))
        envelopes = [room.envelope_of(event) for event in story] * 2
        random.Random(seed).shuffle(envelopes)

        room.deliver(*envelopes)

        dump = room.dump()
        assert dump == told_in_order(room_of, story)
        assert len(dump["timers"]) == 2

    @pytest.mark.parametrize("seed", [21, 22])
    def test_does_not_matter_to_two_copies_at_once(self, room_of: RoomOf, seed: int) -> None:
        room = room_of(Aftercare)
        room.at(DIED_AT + timedelta(days=1))
        envelopes = [room.envelope_of(event) for event in JOURNEY]
        draws = random.Random(seed)

        def take_all(mine: list[Envelope]) -> None:
            for batch in (mine[start : start + 4] for start in range(0, len(mine), 4)):
                inbox.take(room.host, [inbox.Delivery(each.to_bytes()) for each in batch])

        copies = [
            threading.Thread(target=take_all, args=(draws.sample(envelopes, len(envelopes)),))
            for _ in range(2)
        ]
        for copy in copies:
            copy.start()
        for copy in copies:
            copy.join(timeout=60)
        for _ in range(5):
            room.settle()

        assert room.waiting == []
        assert room.dump() == told_in_order(room_of)
