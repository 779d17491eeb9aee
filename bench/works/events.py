"""Events: a reaction with one insert, with events waiting, end to end, evenly, and in several copies."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from datetime import datetime

from bench.parts import Parts, Program, ProgramFailed, wait_until
from bench.programs.short_weeks import WAIT_SECONDS, metadata
from bench.rows import HOMEWARD, Row, spread, steady_rate
from bench.stretches import in_turn, medians
from shared.clock import real_now
from shared.database import new_engine
from shared.ids import first_id_at

#: The works, as they are called in the results.
REACTION = "reaction with one insert, events waiting, one process"
END_TO_END = "announce to effect, end to end, {size} in a transaction"
EVENLY = "announce to effect at {rate} events/s"
COPIES = "handler that waits 5 ms, {copies} {word}"

#: Events that are announced in one transaction where a command announces several, as an import does.
SEVERAL = 20
#: Events a second of the even load.
EVEN_RATE = 200

NAMEKO, FASTSTREAM, CELERY = "nameko", "FastStream", "Celery"
PEERS = {NAMEKO: "nameko_peer.py", FASTSTREAM: "faststream_peer.py", CELERY: "celery_peer.py"}

#: When each effect was committed, as PostgreSQL itself keeps it, and when its event was announced.
_EFFECTS = "SELECT pg_xact_commit_timestamp(xmin), noted_at FROM noted_weeks WHERE episode_id >= %s"
_NO_ID = "00000000-0000-0000-0000-000000000000"

#: What the other frameworks write into.
PEERS_TABLES = """
CREATE TABLE noted_weeks (
    episode_id uuid PRIMARY KEY, tenant_id varchar(64) NOT NULL, patient_id uuid NOT NULL,
    week_starts_on date NOT NULL, attended_minutes integer NOT NULL, floor_minutes integer NOT NULL,
    noted_at timestamptz NOT NULL)
"""


@dataclasses.dataclass(frozen=True)
class Amounts:
    """How much of each work is done: enough for a steady figure, or for a quick look."""

    #: In how many stretches each system reacts to events that wait, in turn; and how many wait each time.
    stretches: int
    waiting: int
    waiting_for_peers: int
    end_to_end: int
    end_to_end_for_peers: int
    even_seconds: int
    for_each_copy: int
    copies: tuple[int, ...] = (1, 2, 4)
    copies_of_peers: tuple[int, ...] = (1, 2, 4)


FULL = Amounts(3, 15_000, 3_500, 20_000, 8_000, 20, 1_500)
QUICK = Amounts(1, 6_000, 1_000, 4_000, 1_000, 2, 300, copies_of_peers=())


class Side:
    """One system with an empty table and a part of the broker, and how its programs are started."""

    def __init__(self, parts: Parts, system: str, database_url: str, broker_url: str) -> None:
        self.parts, self.system = parts, system
        self.database_url, self.broker_url = database_url, broker_url
        self._is_ours = system == HOMEWARD
        self._connection = parts.connect(database_url, "monitoring")
        self._first_id = _NO_ID

    def consumer(self) -> contextlib.AbstractContextManager[Program]:
        """Start one process that reacts."""
        return self._homeward("bench.programs.reactor") if self._is_ours else self._peer("consume")

    def copy(self) -> contextlib.AbstractContextManager[Program]:
        """Start one of several processes whose handler waits; each says when it is ready."""
        if self._is_ours:
            return self._homeward("bench.programs.reactor", "waiting", waits=False)
        return self._peer("consume", wait_seconds=WAIT_SECONDS, waits=False)

    def producer(self) -> contextlib.AbstractContextManager[Program]:
        """Start one process that announces."""
        return self._homeward("bench.programs.announcer") if self._is_ours else self._peer("publish")

    def _homeward(self, *program: str, waits: bool = True) -> contextlib.AbstractContextManager[Program]:
        return self.parts.of_homeward(
            *program, database_url=self.database_url, broker_url=self.broker_url, waits=waits
        )

    def _peer(
        self, what: str, *, wait_seconds: float = 0.0, waits: bool = True
    ) -> contextlib.AbstractContextManager[Program]:
        url = self.database_url.replace("{service}", "monitoring")
        if self.system == FASTSTREAM:
            url = url.replace("psycopg2", "asyncpg")
        return self.parts.of_peer(
            PEERS[self.system],
            what,
            database_url=url,
            broker_url=self.broker_url,
            wait_seconds=wait_seconds,
            waits=waits,
        )

    def make_queue(self) -> None:
        """Make the queue of another framework, which is there once somebody has consumed from it."""
        with self.consumer():
            pass

    # --- What came of it --------------------------------------------------------------------------

    def count_from_now(self) -> None:
        """Leave out what was there before: Homeward's ids grow, so it need not even be looked at."""
        if self._is_ours:
            self._first_id = first_id_at(real_now())

    def effects(self) -> int:
        """Return how many events have had their effect."""
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM noted_weeks WHERE episode_id >= %s", [self._first_id])
            (number,) = cursor.fetchone() or (0,)
        return int(number)

    def wait_for(self, number: int, *, seconds: float) -> None:
        """Wait until so many events have had their effect.

        :raises ProgramFailed: when they do not in time.
        """
        if not wait_until(lambda: self.effects() >= number, seconds=seconds, step=0.2):
            raise ProgramFailed(f"{self.system}: {self.effects()} of {number} effects after {seconds:.0f} s")

    def times(self) -> tuple[list[datetime], list[datetime]]:
        """Return when each effect was committed, and when each event was announced, in no order."""
        with self._connection.cursor() as cursor:
            cursor.execute(_EFFECTS, [self._first_id])
            rows = cursor.fetchall()
        announced = [at for _, at in rows]
        if self._is_ours:
            announced = list(self._announced().values())
        return [at for at, _ in rows], announced

    def latencies(self) -> list[float]:
        """Return the milliseconds from each announcement to its effect."""
        if not self._is_ours:
            with self._connection.cursor() as cursor:
                cursor.execute(_EFFECTS, [self._first_id])
                return [(done - announced).total_seconds() * 1000 for done, announced in cursor.fetchall()]
        announced_at = self._announced()
        with self._connection.cursor() as cursor:
            # The note that an event was received is written by the transaction of its effect.
            cursor.execute("SELECT event_id, pg_xact_commit_timestamp(xmin) FROM inbox WHERE state = 'done'")
            return [(done - announced_at[event]).total_seconds() * 1000 for event, done in cursor.fetchall()]

    def _announced(self) -> dict[str, datetime]:
        with (
            contextlib.closing(self.parts.connect(self.database_url, "scheduling")) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT event_id, announced_at FROM outbox")
            return dict(cursor.fetchall())

    def begin_anew(self) -> None:
        """Forget the effects so far."""
        with self._connection.cursor() as cursor:
            cursor.execute("TRUNCATE noted_weeks" + (", inbox" if self._is_ours else ""))
        if self._is_ours:
            self.wait_until_sent()
            with contextlib.closing(self.parts.connect(self.database_url, "scheduling")) as connection:
                connection.cursor().execute("DELETE FROM outbox")

    def wait_until_sent(self) -> None:
        """Wait until the broker has all that was announced.

        :raises ProgramFailed: when it has not in time.
        """
        if not self._is_ours:
            # There is no outbox: what is announced is sent.
            return
        with contextlib.closing(self.parts.connect(self.database_url, "scheduling")) as connection:

            def all_sent() -> bool:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT count(*) FROM outbox WHERE dispatched_at IS NULL")
                    return bool(cursor.fetchone() == (0,))

            if not wait_until(all_sent, seconds=120):
                raise ProgramFailed("the relay did not send what waits in the outbox")


@contextlib.contextmanager
def side_of(parts: Parts, system: str) -> Iterator[Side]:
    """Give a system empty tables and a part of the broker."""
    names = ("scheduling", "monitoring") if system == HOMEWARD else ("monitoring",)
    with parts.databases(*names) as database_url, parts.virtual_host() as broker_url:
        if system == HOMEWARD:
            for name in names:
                engine = new_engine(database_url.replace("{service}", name))
                metadata.create_all(engine)
                engine.dispose()
        else:
            with contextlib.closing(parts.connect(database_url, "monitoring")) as connection:
                connection.cursor().execute(PEERS_TABLES)
        yield Side(parts, system, database_url, broker_url)


# --- The works -----------------------------------------------------------------------------------------


def measure(parts: Parts, amounts: Amounts, tell: Callable[[str], None]) -> Iterator[Row]:
    """Measure every work with events: reactions in turn, the others one system after the other."""
    tell(REACTION)
    with contextlib.ExitStack() as opened:
        sides = [opened.enter_context(side_of(parts, system)) for system in (HOMEWARD, *PEERS)]
        for side in sides[1:]:
            side.make_queue()

        def stretch(side: Side) -> Row:
            side.begin_anew()
            return react(side, amounts.waiting if side.system == HOMEWARD else amounts.waiting_for_peers)

        yield from medians(stretch(side) for side in in_turn(sides, amounts.stretches))
    for system in (HOMEWARD, *PEERS):
        tell(f"end to end: {system}")
        with side_of(parts, system) as side:
            yield from end_to_end(side, amounts)
    for system in (HOMEWARD, *PEERS):
        tell(f"copies: {system}")
        for copies in amounts.copies if system == HOMEWARD else amounts.copies_of_peers:
            with side_of(parts, system) as side:
                yield in_copies(side, copies, amounts.for_each_copy * copies)


def react(side: Side, number: int, *, work: str = REACTION) -> Row:
    """Have events wait, then start one process that reacts to them."""
    side.count_from_now()
    with side.producer() as producer:
        producer.ask(seconds=120, number=number, per_transaction=500)
        side.wait_until_sent()
    with side.consumer() as consumer:
        side.wait_for(number, seconds=180)
        memory = consumer.memory_mib()
    done, _ = side.times()
    rate = steady_rate([at.timestamp() for at in done])
    return Row(work=work, system=side.system, per_second=rate, memory_mib=memory)


def end_to_end(side: Side, amounts: Amounts) -> Iterator[Row]:
    """Announce as fast as it goes while one process reacts; then evenly, for the latency."""
    ours = side.system == HOMEWARD
    number = amounts.end_to_end if ours else amounts.end_to_end_for_peers
    with side.consumer() as consumer, side.producer() as producer:
        # So that connections are open and queries compiled.
        producer.ask(number=50)
        side.wait_for(50, seconds=30)
        # Without an outbox nothing is announced in a transaction: one figure is both.
        sizes = (1, SEVERAL) if ours else (1,)
        for size in sizes:
            side.begin_anew()
            producer.ask(seconds=120, number=number, per_transaction=size)
            side.wait_for(number, seconds=120)
            done, announced = side.times()
            rate = number / (max(done) - min(announced)).total_seconds()
            memory = consumer.memory_mib() + producer.memory_mib()
            for told in (size,) if ours else (1, SEVERAL):
                work = END_TO_END.format(size=told)
                yield Row(work=work, system=side.system, per_second=rate, memory_mib=memory)
        side.begin_anew()
        even = EVEN_RATE * amounts.even_seconds
        producer.ask(seconds=120, number=even, per_second=EVEN_RATE)
        side.wait_for(even, seconds=60)
        yield Row(work=EVENLY.format(rate=EVEN_RATE), system=side.system, **spread(side.latencies()))


def in_copies(side: Side, copies: int, number: int) -> Row:
    """Announce to several copies of a service whose handler waits."""
    with contextlib.ExitStack() as running, side.producer() as producer:
        consumers = [running.enter_context(side.copy()) for _ in range(copies)]
        for consumer in consumers:
            consumer.answer()
        producer.ask(number=20 * copies, per_transaction=20)
        side.wait_for(20 * copies, seconds=30)
        side.begin_anew()
        producer.ask(seconds=120, number=number, per_transaction=500)
        side.wait_for(number, seconds=120)
        done, announced = side.times()
        memory = sum(consumer.memory_mib() for consumer in consumers)
    rate = number / (max(done) - min(announced)).total_seconds()
    return Row(work=copies_work(copies), system=side.system, per_second=rate, memory_mib=memory)


def copies_work(copies: int) -> str:
    """Return the work of so many copies."""
    return COPIES.format(copies=copies, word="copy" if copies == 1 else "copies")
