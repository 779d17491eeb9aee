"""What a service's methods need to be run: their ways in, the database, the clock."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from nameko.extensions import ENTRYPOINT_EXTENSIONS_ATTR
from sqlalchemy.orm import Session

from shared.clock import CalendarJob, OnTimer, Place, ProgramClock, timers_written
from shared.database import Origin, transaction
from shared.messaging import outbox
from shared.messaging.entrypoints import Command, ReactsTo, ReactsToEveryEvent
from shared.messaging.hosting.door import Door
from shared.messaging.oversight import builtin
from shared.messaging.oversight.backlog import Duties
from shared.settings import Settings


class Host:
    """One service, with everything that its code is run with."""

    def __init__(self, service: Any, *, engine: sa.Engine, clock: ProgramClock, settings: Settings) -> None:
        self.service = service
        self.name: str = service.name
        self.engine = engine
        self.clock = clock
        self.settings = settings
        self.sending = outbox.Relay(engine)
        #: Called when there is something in the outbox, something sent that is to be marked, long work,
        #: a reaction to try again, or a timer or calendar job that is due.
        self.wake_relay: Callable[[], None] = lambda: None
        self.wake_marking: Callable[[], None] = lambda: None
        self.wake_jobs: Callable[[], None] = lambda: None
        self.wake_waiting: Callable[[], None] = lambda: None
        self.wake_due: Callable[[], None] = lambda: None
        #: Tells whether something is being done here that simulated time waits for, as far as is known
        #: without asking the database.
        self.is_working: Callable[[], bool] = lambda: False
        #: Called when there is a notification to send.
        self.wake_sending: Callable[[], None] = lambda: None
        #: What the service tells metrics of its own, if it tells anything.
        self.measure: Callable[[sa.Connection], None] = getattr(service, "measure", lambda connection: None)
        #: Whether it matters to the service that the door is closed, and what was seen of it.
        self.watches_door: bool = getattr(service, "watches_door", False)
        self.door = Door()
        #: The tables in which the service keeps records of patients, if it keeps any.
        self.keeps: sa.MetaData | None = getattr(service, "keeps", None)
        #: Transactions of this process on the service's database that may have written and have
        #: ended, however they did.
        self.transactions_ended = 0
        #: How many events this process has committed that are known to it.
        self.announced = 0
        #: How often events were taken in by this process, however that ended.
        self.times_taken_in = 0
        #: How many of the transactions may have left something to do other than to send what they announced.
        self.duties_changed = 0
        #: That number before the newest look at what there is to do, and what was seen.
        self.last_look: tuple[int, Duties] | None = None
        #: How often the database was asked for that.
        self.times_asked = 0
        #: Since when the oldest unsent event waits, as it was measured last.
        self.unsent_since: datetime | None = None
        #: Since when the oldest reaction waits for another attempt, likewise.
        self.waiting_since: datetime | None = None
        #: Names of timers that were due at the last look and that this version does not know.
        self.unknown_timers: frozenset[str] = frozenset()
        #: Dangers that nobody has confirmed, of tenants that have no fallback address.
        self.unpageable_dangers = 0
        self.commands: dict[str, tuple[Any, Callable[..., dict[str, Any]]]] = {}
        #: The reactions to each event, by its wire name; each takes one event.
        self.reactions: dict[str, list[tuple[str, Callable[..., None]]]] = {}
        #: Those of them that take all events of a batch at once as well, by wire name and name.
        self.reactions_at_once: dict[tuple[str, str], Callable[..., None]] = {}
        self.every_event: Callable[..., None] | None = None
        self.timers: dict[str, tuple[OnTimer, Callable[..., None]]] = {}
        self.jobs: list[tuple[str, CalendarJob, Callable[..., None]]] = []
        #: The newest occurrence of each job and zone that is known to have run, in whatever copy.
        self.jobs_run: dict[tuple[str, str], datetime] = {}
        #: How often each has failed here since it ran last, and the real time before which it rests.
        self.jobs_failed: dict[tuple[str, str], tuple[int, datetime]] = {}
        #: Long work that only another version can read.
        self.unreadable_jobs: set[str] = set()
        for name, entry in sorted(ways_in(type(service)), key=lambda way: way[0]):
            method = getattr(service, name)
            if isinstance(entry, Command):
                self.commands[name] = (entry, method)
            elif isinstance(entry, ReactsTo):
                if entry.at_once:
                    self.reactions_at_once[entry.event.wire_name, name] = method
                    method = _of_one(method)
                self.reactions.setdefault(entry.event.wire_name, []).append((name, method))
            elif isinstance(entry, ReactsToEveryEvent):
                self.every_event = method
            elif isinstance(entry, OnTimer):
                self.timers[entry.timer] = (entry, method)
            elif isinstance(entry, CalendarJob):
                self.jobs.append((name, entry, method))
        for name, question in builtin.QUESTIONS.items():
            self.commands[name] = (
                question,
                lambda db, call, answer=question.answer: answer(self, db, call),
            )

    @property
    def long_commands(self) -> list[str]:
        """The names of the commands that are carried out as jobs."""
        return [name for name, (entry, _) in self.commands.items() if entry.long]

    @contextlib.contextmanager
    def transaction(
        self, origin: Origin | None, *, reads_only: bool = False, by_the_book: bool = False
    ) -> Iterator[Session]:
        """Open a transaction whose announcements wake this process's relay after the commit.

        :param by_the_book: whether all that is left to do after it is what it announces and the timers that
            it sets, so that nobody need look for more.
        """
        leaves_duties, written = True, {}
        try:
            with transaction(self.engine, origin, reads_only=reads_only) as db:
                db.info["host"] = self
                db.info["hand_over"] = self._hand_over
                yield db
            if by_the_book:
                leaves_duties, written = False, timers_written(db)
        except BaseException:
            # The commit may have arrived all the same: then its events are in the outbox only.
            self.sending.doubt()
            raise
        finally:
            if not reads_only:
                self.transactions_ended += 1
                if leaves_duties or written:
                    self._change_duties(written)

    def _change_duties(self, written: dict[Place, datetime | None]) -> None:
        """Note that there may be more to do, or less, than at the newest look.

        :param written: the timers that were set and cancelled, where that is all; else none.
        """
        last, changed = self.last_look, self.duties_changed
        self.duties_changed += 1
        # A look that is under way is not up to date any more.
        if written and last is not None and last[0] == changed:
            left = last[1].after(written, known=self.timers)
            if left is not None:
                self.last_look = (self.duties_changed, left)

    def relay(self, publisher: outbox.Publisher) -> bool:
        """Publish one batch of what was announced; return whether there may be more."""
        try:
            return self.sending.step(publisher)
        finally:
            self.transactions_ended += 1
            if self.sending.unmarked >= outbox.MARKED_AT_ONCE:
                self.wake_marking()

    def mark_sent(self) -> bool:
        """Mark what was published and confirmed; return whether there is more."""
        try:
            return self.sending.mark_sent()
        finally:
            self.transactions_ended += 1

    def _hand_over(self, fresh: Sequence[outbox.Fresh]) -> None:
        self.announced += len(fresh)
        self.sending.take(fresh)
        self.wake_relay()


def _of_one(react: Callable[..., None]) -> Callable[..., None]:
    """Return a reaction to a list of events as one to a single event."""
    return lambda db, event, now: react(db, [event], now)


def ways_in(service_class: type) -> list[tuple[str, Any]]:
    """Return the name of each method that something can wake, and the entry point on it."""
    return [
        (name, entry)
        for name in dir(service_class)
        for entry in getattr(getattr(service_class, name), ENTRYPOINT_EXTENSIONS_ATTR, ())
    ]


def reactions_of(service_class: type) -> dict[str, list[str]]:
    """Return the methods that react to each event, by its wire name."""
    reactions: dict[str, list[str]] = {}
    for name, entry in ways_in(service_class):
        if isinstance(entry, ReactsTo):
            reactions.setdefault(entry.event.wire_name, []).append(name)
    return reactions
