"""A service in the hands of a test: its real code on a real database, without a broker between.

What runs here is what runs behind the broker: the same transactions, inbox, timers and outbox.
"""

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from homeward.packages import metadata_of
from shared import clock
from shared.clock import timers
from shared.contracts import roles
from shared.contracts.event import EVENTS, Actor, Envelope, Event
from shared.database import Origin, new_engine
from shared.errors import Refusal
from shared.ids import derived_id, new_id
from shared.messaging import commands, inbox, outbox
from shared.messaging import timers as due
from shared.messaging.hosting.host import Host
from shared.settings import Settings, load_settings

EventT = TypeVar("EventT", bound=Event)

#: The tenant of a test, and when its program time begins: a Monday morning in Chicago.
TENANT = "lakeside"
BEGINNING = datetime(2026, 2, 2, 15, 0, tzinfo=UTC)

#: Columns that differ between two equal runs: when it happened in real time, and which try it was.
_INCIDENTAL: tuple[str, ...] = (
    "position",
    "recorded_at",
    "received_at",
    "announced_at",
    "dispatched_at",
    "carried_out_at",
)
_INCIDENTAL += ("ran_at", "link", "hash", "attempts", "early", "next_attempt_at", "latest_at", "error")

#: The plumbing's own tables, which tell how something came about rather than what is.
PLUMBING = ("outbox", "inbox", "commands", "audit", "quarantine", "job_runs")


class StandingClock:
    """Program time that a test sets."""

    simulated = True

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


def as_before(monkeypatch: pytest.MonkeyPatch, wire_name: str) -> None:
    """Let the messaging know no such event, as in a version before it."""
    known = {name: event for name, event in EVENTS.items() if name != wire_name}
    for place in ("shared.contracts.event.EVENTS", "shared.messaging.inbox.EVENTS"):
        monkeypatch.setattr(place, known)


class Room:
    """One service, its database, and a clock that stands until it is moved."""

    def __init__(
        self, service_class: type, *, settings: Settings, url: str = "", engine: sa.Engine | None = None
    ) -> None:
        """Enter with an engine, or with the URL of a database."""
        self.clock = StandingClock(BEGINNING)
        self.engine = engine or new_engine(url)
        self.host = Host(service_class(), engine=self.engine, clock=self.clock, settings=settings)
        self.tenant_id = TENANT

    # --- Time ---------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        return self.clock.moment

    def at(self, moment: datetime | str) -> None:
        """Set program time, without firing anything."""
        self.clock.moment = _moment(moment)

    def advance(self, to: datetime | str | timedelta) -> None:
        """Move program time forward and fire every timer and calendar job on the way, in order."""
        end = self.now + to if isinstance(to, timedelta) else _moment(to)
        while True:
            self.fire_due()
            with self.host.transaction(None, reads_only=True) as db:
                next_due = due.next_due(
                    self.host, first_timer_at=due.first_timer_at(self.host, db), now=self.host.clock.now()
                )
            if next_due is None or next_due > end:
                break
            if next_due <= self.now:
                raise AssertionError("a timer for somebody in danger fails and is tried for ever")
            self.clock.moment = max(self.clock.moment, next_due)
        self.clock.moment = max(self.clock.moment, end)

    def fire_due(self) -> None:
        """Fire what is due at this moment."""
        for _ in range(100_000):
            if not due.fire_due(self.host) and not due.run_due_jobs(self.host):
                if self.host.jobs_failed:
                    raise AssertionError(f"calendar jobs failed: {sorted(self.host.jobs_failed)}")
                return
        raise AssertionError("timers set themselves again for the same moment without end")

    # --- Commands and events ------------------------------------------------------------------

    def call(
        self,
        name: str,
        data: dict[str, Any],
        *,
        role: str = roles.CLINICIAN,
        credential: str = "LCSW",
        actor_id: str | None = None,
        tenant_id: str | None = None,
        command_id: str | None = None,
        partner: str = "house",
    ) -> dict[str, Any]:
        """Carry out a command as somebody and return its answer.

        :raises Refusal: what the service refused with, as a caller over the wire would see it.
        """
        reply = commands.carry_out(
            self.host,
            commands.Ask(
                name=name,
                data=data,
                tenant_id=tenant_id or self.tenant_id,
                actor=Actor(actor_id=actor_id or derived_id("actor", role), role=role, credential=credential),
                command_id=command_id or new_id(),
                correlation_id=new_id(),
                deadline=clock.real_now() + timedelta(seconds=60),
                partner=partner,
            ),
        )
        if "refused" in reply:
            raise Refusal.from_wire(reply["refused"])
        if "done" in reply:
            answer: dict[str, Any] = reply["done"]
            return answer
        if "accepted" in reply:
            return reply
        raise AssertionError(f"{name} met an accident: {reply}")

    def ask(self, name: str, data: dict[str, Any], **who: Any) -> dict[str, Any]:
        """Ask a question as somebody and return the answer."""
        return self.call(name, data, **who)

    def run_jobs(self) -> None:
        """Do all long work that was accepted."""
        while commands.run_one_job(self.host):
            pass

    def envelope_of(self, event: Event, *, tenant_id: str | None = None) -> Envelope:
        """Wrap an event as its announcer would have."""
        return Envelope(
            event_id=new_id(),
            event=event,
            announced_by=event.source,
            tenant_id=tenant_id or self.tenant_id,
            occurred_at=self.now,
            recorded_at=clock.real_now(),
            actor=Actor(actor_id=event.source, role=roles.SYSTEM),
            correlation_id=new_id(),
        )

    def deliver(self, *events: Event | Envelope) -> None:
        """Deliver events one by one, and run what waits; raise what a reaction still raises."""
        for event in events:
            envelope = event if isinstance(event, Envelope) else self.envelope_of(event)
            inbox.take(self.host, [inbox.Delivery(envelope.to_bytes())])
        self.settle()
        with self.host.transaction(None, reads_only=True) as db:
            parked = inbox.list_parked(db)
        if parked:
            raise AssertionError(f"parked: {[(row['reaction'], row['error']) for row in parked]}")

    def deliver_together(self, events: list[Event | Envelope]) -> None:
        """Deliver events as one batch."""
        envelopes = [event if isinstance(event, Envelope) else self.envelope_of(event) for event in events]
        inbox.take(self.host, [inbox.Delivery(envelope.to_bytes()) for envelope in envelopes])
        self.settle()

    def settle(self) -> None:
        """Try waiting reactions again until none gets any further."""
        for _ in range(3):
            with self.host.transaction(None, reads_only=True) as db:
                waiting = db.scalar(_WAITING)
            if not waiting:
                return
            with self.host.transaction(None) as db:
                db.execute(
                    inbox.inbox.update()
                    .where(inbox.inbox.c.state == "waiting")
                    .values(next_attempt_at=clock.real_now() - timedelta(seconds=1))
                )
            for _ in range(waiting):
                inbox.retry_one(self.host)

    @property
    def waiting(self) -> list[str]:
        """Return the names of reactions that wait, e.g. because their event came too early."""
        with self.host.transaction(None) as db:
            return list(
                db.scalars(
                    sa.select(inbox.inbox.c.reaction)
                    .where(inbox.inbox.c.state == "waiting")
                    .order_by(inbox.inbox.c.reaction)
                )
            )

    # --- What came of it ----------------------------------------------------------------------

    @property
    def announced_envelopes(self) -> list[Envelope]:
        with self.engine.connect() as connection:
            bodies = connection.scalars(sa.select(outbox.outbox.c.body).order_by(outbox.outbox.c.position))
            return [Envelope.from_bytes(bytes(body)) for body in bodies]

    @property
    def announced(self) -> list[Event]:
        """Return the events announced so far, in order."""
        return [envelope.event for envelope in self.announced_envelopes]

    def announced_of(self, kind: type[EventT]) -> list[EventT]:
        """Return the announced events of one kind, in order."""
        return [event for event in self.announced if isinstance(event, kind)]

    def timers(self) -> list[tuple[str, str, datetime]]:
        """Return name, key and due moment of every waiting timer, in order of name and key."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                sa.select(timers.c.name, timers.c.key, timers.c.due_at).order_by(timers.c.name, timers.c.key)
            )
            return [(row.name, row.key, row.due_at.astimezone(UTC)) for row in rows]

    @contextlib.contextmanager
    def db(self, *, role: str = roles.SYSTEM) -> Iterator[Session]:
        """Open a transaction of the room's tenant."""
        origin = Origin(
            service=self.host.name,
            tenant_id=self.tenant_id,
            actor=Actor(actor_id="test", role=role),
            now=self.now,
            correlation_id=new_id(),
        )
        with self.host.transaction(origin) as db:
            yield db

    def dump(self) -> dict[str, list[str]]:
        """Return the rows of every table but the plumbing's, normalised and sorted."""
        return dump(self.engine, metadata_of(self.host.name))

    def close(self) -> None:
        self.engine.dispose()


_WAITING = sa.select(sa.func.count()).where(inbox.inbox.c.state == "waiting")

#: Columns that tell which message it was rather than what it said.
_OF_THE_MESSAGE = {
    "archive": ("event_id", "body"),
    "notifications": ("created_at", "give_up_at", "settled_at", "traceparent"),
}


def dump(engine: sa.Engine, metadata: sa.MetaData) -> dict[str, list[str]]:
    """Return the rows of a service's own tables and timers, without what is incidental."""
    found = {}
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            if table.name in PLUMBING:
                continue
            columns = [
                column
                for column in table.columns
                # A sealed value has a new nonce each time it is written.
                if column.name not in _INCIDENTAL
                and column.name not in _OF_THE_MESSAGE.get(table.name, ())
                and not column.name.endswith("_sealed")
                and column.name not in ("correlation_id", "causation_id")
            ]
            rows = connection.execute(sa.select(*columns))
            found[table.name] = sorted(repr(tuple(row)) for row in rows)
    return found


def create_tables(service: str, url: str) -> None:
    """Create a service's tables from its metadata."""
    engine = new_engine(url)
    metadata_of(service).create_all(engine)
    engine.dispose()


def emptied(engine: sa.Engine) -> bool:
    """Empty every table and begin every count again; return whether nobody was in the way."""
    try:
        with engine.begin() as connection:
            connection.execute(sa.text("SET LOCAL lock_timeout = 1000"))
            # Foreign keys are triggers; all rows go, so none of them can be violated.
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            tables = connection.scalars(
                sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            )
            sequences = connection.execute(sa.text("SELECT sequencename, start_value FROM pg_sequences"))
            statements = [f'DELETE FROM "{table}"' for table in tables if table != "alembic_version"]
            # RESTART would make a new file for each.
            statements += [f"SELECT setval('\"{name}\"', {first}, false)" for name, first in sequences]
            if statements:
                connection.execute(sa.text("; ".join(statements)))
    except sa.exc.OperationalError:
        return False
    return True


def waits_for_a_lock(engine: sa.Engine, *, seconds: float = 60) -> bool:
    """Return whether somebody comes to wait for somebody else, as the engine's database sees it.

    Whoever holds what is waited for lets go soon after: a statement waits for a second and a half.
    """
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with engine.connect() as connection:
            if connection.scalar(_WAITS_FOR_A_LOCK):
                return True
        time.sleep(0.01)
    return False


_WAITS_FOR_A_LOCK = sa.text(
    "SELECT EXISTS (SELECT FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock')"
)


def settings_for_tests(**variables: str) -> Settings:
    """Return settings that need nothing from outside."""
    return load_settings(
        {
            "HOMEWARD_DATABASE_URL": "postgresql+psycopg2:///homeward_{service}",
            "HOMEWARD_BROKER_URL": "memory://",
            "HOMEWARD_ENCRYPTION_KEY": "dGVzdHMgYXJlIG5vIHNlY3JldCwgMzIgYnl0ZXMgISE=",
            "HOMEWARD_TOKEN_KEY": "dGVzdHMgYXJlIG5vIHNlY3JldCwgMzIgYnl0ZXMgISE=",
            "HOMEWARD_CLOCK": "simulated",
            **variables,
        }
    )


def _moment(moment: datetime | str) -> datetime:
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    if found.tzinfo is None:
        raise ValueError("a moment needs its offset")
    return found.astimezone(UTC)
