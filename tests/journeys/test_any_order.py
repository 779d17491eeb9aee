"""A recorded journey's events, shuffled and doubled, between two copies of each service: the same rows."""

import queue
import random
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from homeward import schema
from homeward.packages import service_class_of
from shared import clock
from shared.contracts.event import SERVICES, Envelope
from shared.contracts.intake import PatientAdmitted
from shared.database import new_engine
from shared.messaging import inbox
from shared.messaging.hosting.host import Host
from tests import support
from tests.conftest import emptied
from tests.journeys import script
from tests.support import StandingClock

#: When everything recorded has happened: replays know no other now, and may not need one.
LONG_AFTER = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)

pytestmark = pytest.mark.timeout(600)


class Copy:
    """One copy of a service, which takes events from a pile until there are none left."""

    def __init__(self, service: str, engine: sa.Engine) -> None:
        self.engine = engine
        settings = support.settings_for_tests()
        standing = StandingClock(LONG_AFTER)
        self.host = Host(service_class_of(service)(), engine=self.engine, clock=standing, settings=settings)
        self.taken = 0
        self.problem: BaseException | None = None

    def work_through(self, pile: "queue.SimpleQueue[list[bytes]]", together: threading.Barrier) -> None:
        """Take batches from the pile, and try again what had to wait."""
        try:
            together.wait(timeout=30)
            while True:
                try:
                    batch = pile.get_nowait()
                except queue.Empty:
                    break
                inbox.take(self.host, [inbox.Delivery(body) for body in batch])
                self.taken += len(batch)
                inbox.retry_one(self.host)
        except BaseException as problem:  # noqa: BLE001  # told in the thread of the test
            self.problem = problem

    def finish_waiting(self) -> list[str]:
        """Try what waits until it is done; return what was given up or goes on waiting."""
        for _ in range(100_000):
            with self.host.transaction(None) as db:
                db.execute(
                    inbox.inbox.update()
                    .where(inbox.inbox.c.state == "waiting")
                    .values(next_attempt_at=clock.real_now() - timedelta(seconds=1))
                )
            before = self._waiting()
            if not before:
                break
            for _ in before:
                inbox.retry_one(self.host)
            if self._waiting() == before:
                break
        with self.engine.connect() as connection:
            left = sa.select(inbox.inbox.c.reaction, inbox.inbox.c.error).where(inbox.inbox.c.state != "done")
            return [f"{row.reaction} {row.error}" for row in connection.execute(left)]

    def _waiting(self) -> list[Any]:
        places = sa.select(inbox.inbox.c.event_id, inbox.inbox.c.reaction)
        places = places.where(inbox.inbox.c.state == "waiting").order_by(*places.selected_columns)
        with self.engine.connect() as connection:
            return list(connection.execute(places))


def keep_rows(engine: sa.Engine, service: str, held: dict[str, list[dict[str, Any]]]) -> None:
    """Put copied rows, and no others, into a database."""
    assert emptied(engine)
    with engine.begin() as connection:
        for table in schema.metadata_of(service).sorted_tables:
            if held.get(table.name):
                connection.execute(table.insert(), held[table.name])


def one_at_each_site(events: list[bytes]) -> list[bytes]:
    """Return the events of the first person at each site, and those that are about nobody.

    Two people who want the same places get different ones when they come in another order, as they
    should. A journey is one person's.
    """
    envelopes = [Envelope.from_bytes(body) for body in events]
    first: dict[str, str] = {}
    for envelope in envelopes:
        if isinstance(envelope.event, PatientAdmitted):
            first.setdefault(envelope.event.site_id, envelope.event.patient_id)
    kept = {None, *first.values()}
    pairs = zip(envelopes, events, strict=True)
    return [body for envelope, body in pairs if envelope.event.subject in kept]


Replay = Callable[[list[list[bytes]], int], tuple[dict[str, list[str]], list[int]]]


@pytest.fixture
def replay_into(database_of: Callable[[str], str]) -> Iterator[Callable[..., Replay]]:
    """Return what replays batches of events into an emptied database, with one or two copies."""
    engines: list[sa.Engine] = []

    def into(service: str, held: dict[str, list[dict[str, Any]]]) -> Replay:
        if not engines:
            url = database_of(service)
            # Each copy has connections of its own, and the same for each replay: what they have learnt
            # of the tables takes longer than the replay.
            engines.extend([new_engine(url), new_engine(url)])
        keep_rows(engines[0], service, held)

        def replay(batches: list[list[bytes]], number: int) -> tuple[dict[str, list[str]], list[int]]:
            pile: queue.SimpleQueue[list[bytes]] = queue.SimpleQueue()
            for batch in batches:
                pile.put(batch)
            hosting = [Copy(service, engine) for engine in engines[:number]]
            together = threading.Barrier(number)
            threads = [threading.Thread(target=one.work_through, args=(pile, together)) for one in hosting]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert [one.problem for one in hosting] == [None] * number
            assert hosting[0].finish_waiting() == []
            dump = support.dump(hosting[0].engine, schema.metadata_of(service))
            return dump, [one.taken for one in hosting]

        return replay

    yield into
    for engine in engines:
        engine.dispose()


@pytest.mark.parametrize("service", SERVICES)
def test_any_order_of_a_journey_ends_in_the_same_rows(
    service: str, undisturbed: script.Recording, replay_into: Callable[..., Replay]
) -> None:
    events = undisturbed.events
    if service == "scheduling":
        events = one_at_each_site(events)
    assert len(events) > 100
    held = undisturbed.held.get(service, {})
    in_order, _ = replay_into(service, held)([[body] for body in events], 1)
    assert any(in_order.values())
    for seed in range(5):
        draws = random.Random(seed)
        shuffled = [*events, *events]
        draws.shuffle(shuffled)
        batches = []
        while shuffled:
            size = draws.randint(1, 6)
            batches.append(shuffled[:size])
            shuffled = shuffled[size:]
        dump, taken = replay_into(service, held)(batches, 2)
        assert all(taken), f"both copies did work: {taken}"
        different = {
            table: sorted(set(dump[table]) ^ set(rows))
            for table, rows in in_order.items()
            if dump[table] != rows
        }
        assert different == {}, f"seed {seed}"
