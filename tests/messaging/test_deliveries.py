"""Messages that come again and again: one of them may kill the process, the others are innocent."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from homeward.postgres import PrivatePostgres
from shared.contracts.event import Envelope
from shared.contracts.scheduling import SessionMissed
from shared.database import new_engine
from shared.ids import new_id
from shared.messaging import inbox, reacts_to, reacts_to_every_event
from shared.messaging.inbox import DELIVERIES_BEFORE_ASIDE, Delivery
from tests.messaging import ferry
from tests.messaging.ferry import FAILING, RUNS, Ferry
from tests.messaging.samples import missed
from tests.support import Room, as_before, settings_for_tests

#: Attempts after which a reaction is parked in these tests.
CAP = 4


class Killed(BaseException):
    """Stands for a SIGKILL: nothing catches it, and nothing after it is done."""


#: Seats whose reaction kills the process.
KILLING: set[str] = set()


class Ward(Ferry):
    """A ferry on which a reaction can kill."""

    @reacts_to(SessionMissed)
    def carry_missed(self, db: Session, event: SessionMissed, now: datetime) -> None:
        RUNS.append(event.seat_id)
        self._write(db, "missed", event.seat_id, "missed")
        if event.seat_id in KILLING:
            raise Killed


class Shelf:
    """Keeps every event, each under the patient's id: what has none that a database takes breaks it."""

    name = "gateway"

    @reacts_to_every_event
    def keep(self, db: Session, envelopes: list[Envelope]) -> None:
        for envelope in envelopes:
            patient_id = {"patient_id": envelope.event.subject}
            db.execute(sa.text("INSERT INTO shelf VALUES (CAST(:patient_id AS uuid))"), patient_id)


class Desk(Shelf):
    """Keeps every event, and reacts to some."""

    @reacts_to(SessionMissed)
    def look_at(self, db: Session, event: SessionMissed, now: datetime) -> None:
        RUNS.append(event.seat_id)
        if event.seat_id in FAILING:
            raise ValueError(event.seat_id)


@pytest.fixture
def url(postgres_server: PrivatePostgres) -> str:
    name = f"deliveries_{new_id().replace('-', '')}"
    postgres_server.create_databases([name])
    url = postgres_server.url_of(name)
    engine = new_engine(url)
    ferry.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE shelf (patient_id uuid)"))
    engine.dispose()
    for kept in (FAILING, RUNS, KILLING):
        kept.clear()
    return url


@pytest.fixture
def room(url: str) -> Iterator[Room]:
    room = Room(Ward, url=url, settings=settings_for_tests(HOMEWARD_PARKED_AFTER_ATTEMPTS=str(CAP)))
    yield room
    room.close()


@pytest.fixture
def shelf(url: str) -> Iterator[Room]:
    room = Room(Shelf, url=url, settings=settings_for_tests())
    yield room
    room.close()


def come(room: Room, *events: Any, times: int) -> None:
    """Deliver events together, which were delivered so often before."""
    bodies = [room.envelope_of(event).to_bytes() for event in events]
    inbox.take(room.host, [Delivery(body, times) for body in bodies])


def let_pass(room: Room, time: timedelta) -> None:
    """Have every waiting moment come sooner."""
    with room.engine.begin() as connection:
        connection.execute(inbox.inbox.update().values(next_attempt_at=inbox.inbox.c.next_attempt_at - time))


def deaths_until_the_end(room: Room) -> int:
    """Try what waits, hour after hour, until nothing may be tried any more; return how often that killed."""
    deaths = 0
    for _ in range(40):
        try:
            if not inbox.retry_one(room.host):
                let_pass(room, timedelta(hours=1))
        except Killed:
            deaths += 1
    return deaths


def states(room: Room) -> list[tuple[str, int]]:
    with room.engine.connect() as connection:
        rows = connection.execute(sa.select(inbox.inbox).order_by(inbox.inbox.c.state))
        return [(row.state, row.attempts) for row in rows]


def count(room: Room, table: str) -> int:
    with room.engine.connect() as connection:
        return int(connection.scalar(sa.text(f"SELECT count(*) FROM {table}")))


class TestAReactionThatFails:
    @pytest.mark.parametrize("seats", [("one",), ("one", "two", "three")])
    def test_keeps_no_event_from_the_archive(self, url: str, seats: tuple[str, ...]) -> None:
        room = Room(Desk, url=url, settings=settings_for_tests())
        FAILING.add(missed("one").seat_id)
        come(room, *(missed(seat) for seat in seats), times=0)
        kept, found = count(room, "shelf"), states(room)
        room.close()
        assert kept == len(seats)
        assert found == [("done", 0)] * (len(seats) - 1) + [("waiting", 1)]
        assert RUNS.count(missed("one").seat_id) == 1


class TestAMessageThatCameTooOften:
    @pytest.mark.parametrize("times", [DELIVERIES_BEFORE_ASIDE + 1, 21, 1000])
    def test_is_done_all_the_same(self, room: Room, times: int) -> None:
        come(room, missed("one"), missed("two"), times=times)
        while inbox.retry_one(room.host):
            pass
        assert states(room) == [("done", 1), ("done", 1)]
        assert count(room, "crossings") == 2

    def test_is_run_exactly_as_often_as_the_cap_says_when_it_kills(self, room: Room) -> None:
        seat = missed("deadly")
        KILLING.add(seat.seat_id)
        come(room, missed("before"), seat, missed("after"), times=21)
        assert deaths_until_the_end(room) == RUNS.count(seat.seat_id) == CAP
        assert states(room) == [("done", 1), ("done", 1), ("parked", CAP)]
        assert count(room, "crossings") == 2

    def test_is_parked_soon_after_the_last_run(self, room: Room) -> None:
        KILLING.add(missed("deadly").seat_id)
        come(room, missed("deadly"), times=21)
        for _ in range(CAP):
            with pytest.raises(Killed):
                inbox.retry_one(room.host)
            let_pass(room, timedelta(seconds=80 if len(RUNS) < CAP else 5))
        assert inbox.retry_one(room.host)
        assert states(room) == [("parked", CAP)]

    def test_does_nothing_where_it_was_done_before(self, room: Room) -> None:
        event = missed("once")
        envelope = room.envelope_of(event)
        inbox.take(room.host, [Delivery(envelope.to_bytes(), 0)])
        inbox.take(room.host, [Delivery(envelope.to_bytes(), 21)])
        assert not inbox.retry_one(room.host)
        assert [event.seat_id] == RUNS

    def test_is_archived(self, shelf: Room) -> None:
        come(shelf, missed("one"), times=21)
        assert count(shelf, "shelf") == 1


class TestAnEventOfALaterVersion:
    def test_is_archived_by_a_copy_that_knows_it(self, shelf: Room, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as before:
            as_before(before, "session_missed")
            come(shelf, missed("one"), times=0)
        assert count(shelf, "shelf") == 0

        assert inbox.retry_one(shelf.host)

        assert (count(shelf, "shelf"), count(shelf, "inbox"), count(shelf, "quarantine")) == (1, 0, 0)

    def test_that_kills_is_parked_in_the_end(self, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
        KILLING.add(missed("deadly").seat_id)
        with monkeypatch.context() as before:
            as_before(before, "session_missed")
            come(room, missed("deadly"), times=0)
        assert deaths_until_the_end(room) == DELIVERIES_BEFORE_ASIDE + 1 + CAP
        assert states(room) == [("parked", CAP)]


class TestAnEventThatNoArchiveCanKeep:
    def test_is_put_aside_and_the_others_are_kept(self, shelf: Room) -> None:
        good, bad = shelf.envelope_of(missed("one")), shelf.envelope_of(missed("two"))
        broken = bad.to_bytes().replace(bad.event.patient_id.encode(), b"nobody")
        inbox.take(shelf.host, [Delivery(good.to_bytes()), Delivery(broken)])
        assert (count(shelf, "shelf"), count(shelf, "quarantine")) == (1, 1)

    def test_is_kept_later_where_only_the_database_was_in_the_way(self, shelf: Room) -> None:
        body = shelf.envelope_of(missed("one")).to_bytes()
        with shelf.engine.connect() as connection:
            connection.execute(sa.text("LOCK TABLE shelf"))
            with pytest.raises(sa.exc.OperationalError):
                inbox.take(shelf.host, [Delivery(body)])
        inbox.take(shelf.host, [Delivery(body)])
        assert (count(shelf, "shelf"), count(shelf, "quarantine")) == (1, 0)
