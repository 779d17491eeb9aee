"""Saving and announcing in one: events wait in the outbox, committed with what caused them.

Each process publishes what it has committed as soon as it has, from memory, and once the broker has
confirmed marks it, with many others, within a second. What it could not, and what a process that died left
behind, stands in the outbox still: a relay in every copy claims such rows and publishes them. A crash in
between publishes again; the inbox drops what was done already.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import psycopg2
import sqlalchemy as sa
from sqlalchemy import event as orm_event
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from shared import audit, clock, plain_writes, safety, telemetry
from shared.contracts.event import Envelope, Event
from shared.database import (
    CLEANED_UP_OFTEN,
    WITHOUT_WAITING_FOR_THE_DISK,
    Condition,
    Kept,
    by_kept_plan,
    commit_with_next,
    finds_row_gone,
    left_to_write,
    moment,
    origin_of,
    plumbing,
    send_with_next,
    tenant_column,
)
from shared.ids import first_id_at, new_id
from shared.many_rows import WORTH_JSON, as_json

outbox = sa.Table(
    "outbox",
    plumbing,
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("event_id", sa.Uuid(as_uuid=False), nullable=False, unique=True),
    tenant_column(),
    sa.Column("type", sa.String(64), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("announced_at", moment(), nullable=False),
    sa.Column("dispatched_at", moment()),
    sa.Index("ix_outbox_undispatched", "position", postgresql_where=sa.text("dispatched_at IS NULL")),
    postgresql_with=CLEANED_UP_OFTEN,
)

#: Events published in one go.
RELAY_BATCH = 500
#: Age at which an event that was not dispatched counts as left behind: whoever announced it would have
#: sent it. Well within the five seconds in which the first one is sent once a broker is back.
LEFT_BEHIND_AFTER = timedelta(seconds=3)
#: One that seems to be announced so far ahead was announced before a clock went back: it counts as well.
AHEAD_OF_US = timedelta(seconds=10)
#: Events that a process keeps in memory to be sent; more are left to the outbox.
MOST_FRESH = 1000
#: Confirmed events that are marked at once; fewer wait for the next look, well within
#: :data:`LEFT_BEHIND_AFTER`. Design default: marking one costs the database as much as marking a hundred.
MARKED_AT_ONCE = 100


class Publisher(Protocol):
    """What the relay needs of a broker."""

    def publish(self, messages: list[tuple[str, bytes]]) -> None:
        """Publish ``(event type, body)`` pairs and return once every one is confirmed."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """An event that this process has just committed."""

    event_id: str
    wire_name: str
    body: bytes
    announced_at: datetime


def announce(db: Session, event: Event) -> str:
    """Announce *event* if, and only if, the caller's transaction commits; return its id.

    Tenant, actor, correlation and causation come from the transaction's origin.
    """
    origin = origin_of(db)
    envelope = Envelope(
        event_id=new_id(),
        event=event,
        announced_by=origin.service,
        tenant_id=origin.tenant_id,
        occurred_at=origin.now,
        recorded_at=clock.real_now(),
        actor=origin.actor,
        correlation_id=origin.correlation_id,
        causation_id=origin.causation_id,
        traceparent=origin.traceparent,
    )
    db.info.setdefault("announced", []).append(envelope)
    return envelope.event_id


def announce_all(db: Session, events: Iterable[Event]) -> None:
    """Announce what a rule has returned, in its order."""
    for event in events:
        announce(db, event)


def announced_in(db: Session) -> list[Envelope]:
    """Return what this transaction has announced so far."""
    announced: list[Envelope] = db.info.get("announced", [])
    return announced


@orm_event.listens_for(Session, "before_commit")
def _write_pending(db: Session) -> None:
    """Write events, timers, audit rows and the command's answer, and commit, in one trip."""
    if db.in_nested_transaction() or not left_to_write(db):
        # Only the outermost commit writes; what a savepoint leaves behind waits for it.
        return
    if "reads_only" in db.info:
        raise RuntimeError("what was opened to read announces and records nothing")
    safety.watch_announced(db, announced_in(db))
    connection = db.connection()
    cursor = connection.connection.cursor()
    try:
        # Nothing may be left to write after what is written here: it commits.
        statements = plain_writes.pending_statements(db, connection, cursor)
        statements += clock.pending_statements(db, cursor)
        announced = db.info.pop("announced", None)
        if announced:
            fresh = [
                Fresh(
                    envelope.event_id,
                    envelope.event.wire_name,
                    envelope.to_bytes(),
                    envelope.recorded_at,
                )
                for envelope in announced
            ]
            statements.append(_statement_that_keeps(fresh, announced, connection, cursor))
            db.info["fresh"] = fresh
            for envelope in announced:
                telemetry.labelled(telemetry.events_announced, envelope.event.wire_name).inc()
        recorded = audit.pending_statement(db, connection, cursor)
        if recorded:
            statements.append(recorded)
        answered = db.info.pop("answer", None)
        if answered:
            identity: Condition | None = db.info.get("identity")
            statement, told, whose = answered
            if identity is not None and not identity.sent:
                # It travels with all of this, so that the answer is written with it, not over it.
                identity.row |= told
            else:
                statements.append(cursor.mogrify(statement, told | whose))
        if statements:
            commit_with_next(connection)
            cursor.execute(b";\n".join(statements))
    except psycopg2.Error as error:
        if finds_row_gone(error):
            raise StaleDataError("a row that was changed is not there any more") from error
        # As if it had been sent like any other statement.
        lost = connection.dialect.is_disconnect(error, connection.connection, cursor)
        if lost:
            connection.invalidate(error)
        raise sa.exc.DBAPIError.instance(
            "what the transaction did", None, error, psycopg2.Error, connection_invalidated=lost
        ) from error
    finally:
        cursor.close()


def _statement_that_keeps(
    fresh: list[Fresh], announced: list[Envelope], connection: sa.Connection, cursor: Any
) -> bytes:
    rows = [
        {
            "event_id": one.event_id,
            "tenant_id": envelope.tenant_id,
            "type": one.wire_name,
            "body": one.body,
            "announced_at": one.announced_at,
        }
        for one, envelope in zip(fresh, announced, strict=True)
    ]
    if len(rows) == 1:
        one: bytes = cursor.mogrify(by_kept_plan(connection, _INSERT_ONE), rows[0])
        return one
    if len(rows) < WORTH_JSON:
        return _INSERT.encode() + b", ".join(cursor.mogrify(_VALUES, row) for row in rows)
    # It is JSON, and so it is text.
    told = as_json([row | {"body": one.body.decode()} for row, one in zip(rows, fresh, strict=True)])
    statement: bytes = cursor.mogrify(_INSERT_MANY, {"rows": told})
    return statement


_INSERT = "INSERT INTO outbox (event_id, tenant_id, type, body, announced_at) VALUES "
_VALUES = "(%(event_id)s, %(tenant_id)s, %(type)s, %(body)s, %(announced_at)s)"
_INSERT_ONE = Kept(
    _INSERT + _VALUES,
    event_id="uuid",
    tenant_id="text",
    type="text",
    body="bytea",
    announced_at="timestamptz",
)
_INSERT_MANY = """
INSERT INTO outbox (event_id, tenant_id, type, body, announced_at)
SELECT event_id, tenant_id, type, convert_to(body, 'UTF8'), announced_at
FROM json_to_recordset(%(rows)s)
    AS told (event_id uuid, tenant_id text, type text, body text, announced_at timestamptz)
"""


@orm_event.listens_for(Session, "after_commit")
def _hand_over(db: Session) -> None:
    fresh = db.info.pop("fresh", None)
    if fresh and "hand_over" in db.info:
        db.info["hand_over"](fresh)


class Relay:
    """Sends a service's events: those that this process has just committed, and what was left behind."""

    def __init__(self, engine: sa.Engine) -> None:
        """Send from the outbox that *engine* leads to."""
        self._engine = engine
        self._fresh: deque[Fresh] = deque()
        #: How many are being published just now.
        self._in_hand = 0
        #: Events that are sent and not marked yet, each with the moment of its confirm.
        self._confirmed: list[tuple[str, datetime]] = []
        # Whoever was here before may have left something.
        self._looks_behind = True
        #: How often something may have been left unsent that is not in memory, beginning with the start.
        self.doubts = 1
        self._settled = 0

    def take(self, fresh: Sequence[Fresh]) -> None:
        """Take what was just committed, to be sent with the next step."""
        if len(self._fresh) + len(fresh) <= MOST_FRESH:
            self._fresh.extend(fresh)
        else:
            self.doubt()

    def look_behind(self) -> None:
        """Look for what was left behind with the next step."""
        self._looks_behind = True

    def doubt(self) -> None:
        """Take it that the outbox may hold something unsent of which nothing is known here."""
        self.doubts += 1

    def settle(self, doubts: int) -> None:
        """Take it that the outbox held nothing unsent after so many doubts."""
        self._settled = max(self._settled, doubts)

    @property
    def knows_all(self) -> bool:
        """Whether what this process left unsent is in memory; of other processes nothing is known."""
        return self._settled == self.doubts

    @property
    def unsent(self) -> int:
        """How many events in memory are still to be sent, or are on their way and not confirmed."""
        return len(self._fresh) + self._in_hand

    @property
    def unmarked(self) -> int:
        """How many events are confirmed and still to be marked."""
        return len(self._confirmed)

    def step(self, publisher: Publisher) -> bool:
        """Send one batch of each kind; return whether there is more. What was fresh is still to be marked.

        :raises Exception: whatever the publisher raises when not all is confirmed; it counts as left behind.
        """
        try:
            self._send_fresh(publisher)
        except Exception:
            self._fresh.clear()
            self.doubt()
            raise
        if self._looks_behind:
            # What is sent is not left behind; what is being marked just now is locked, and passed over.
            self.mark_sent()
            now = clock.real_now()
            left = {"before": now - LEFT_BEHIND_AFTER, "after": now + AHEAD_OF_US}
            # What waited here for so long is found there, and need not be sent twice.
            self._fresh = deque(one for one in self._fresh if one.announced_at >= left["before"])
            self._looks_behind = relay_once(self._engine, publisher, **left) == RELAY_BATCH
        return bool(self._fresh) or self._looks_behind

    def _send_fresh(self, publisher: Publisher) -> None:
        batch = [self._fresh.popleft() for _ in range(min(RELAY_BATCH, len(self._fresh)))]
        if not batch:
            return
        self._in_hand = len(batch)
        try:
            publisher.publish([(one.wire_name, one.body) for one in batch])
        finally:
            self._in_hand = 0
        confirmed_at = clock.real_now()
        self._confirmed += [(one.event_id, confirmed_at) for one in batch]

    def mark_sent(self) -> bool:
        """Mark what the broker has confirmed, all in one statement; return whether there is more by now.

        Nothing waits for the disk: a mark that is lost with the server has its event sent again.
        """
        if not self._confirmed:
            return False
        marked, self._confirmed = self._confirmed, []
        rows = [{"event_id": event_id, "at": at} for event_id, at in marked]
        try:
            with self._engine.begin() as connection:
                send_with_next(connection, WITHOUT_WAITING_FOR_THE_DISK)
                # All of it goes with the commit.
                send_with_next(connection, _SENT, {"rows": as_json(rows)})
        except BaseException:
            self._confirmed = marked + self._confirmed
            raise
        return bool(self._confirmed)


_SENT = """
    UPDATE outbox SET dispatched_at = sent.at
    FROM json_to_recordset(%(rows)s) AS sent (event_id uuid, at timestamptz)
    WHERE outbox.event_id = sent.event_id AND dispatched_at IS NULL
"""
_CLAIM = (
    sa.select(outbox.c.position, outbox.c.type, outbox.c.body)
    .where(
        outbox.c.dispatched_at.is_(None),
        sa.or_(outbox.c.announced_at < sa.bindparam("before"), outbox.c.announced_at > sa.bindparam("after")),
    )
    .order_by(outbox.c.position)
    .limit(RELAY_BATCH)
    .with_for_update(skip_locked=True)
)
_EVER = datetime.max.replace(tzinfo=UTC)
_DISPATCHED = sa.text("UPDATE outbox SET dispatched_at = :now WHERE position = ANY(:positions)")


def relay_once(
    engine: sa.Engine, publisher: Publisher, *, before: datetime = _EVER, after: datetime = _EVER
) -> int:
    """Publish one batch of events that were not dispatched yet; return how many.

    :param before: those only that were announced before then, or after *after*; all when left out.

    Rows are claimed with SKIP LOCKED, so copies share the work, and never by a watermark, so that
    a transaction that commits late is not passed over.

    A mark that is lost with the server has its event sent again.

    :raises Exception: whatever the publisher raises when not all is confirmed; the rows stay.
    """
    with engine.begin() as connection:
        rows = connection.execute(_CLAIM, {"before": before, "after": after}).all()
        if not rows:
            return 0
        publisher.publish([(row.type, row.body) for row in rows])
        send_with_next(connection, WITHOUT_WAITING_FOR_THE_DISK)
        commit_with_next(connection)
        connection.execute(
            _DISPATCHED, {"positions": [row.position for row in rows], "now": clock.real_now()}
        )
        return len(rows)


#: Events that are marked to be sent again in one transaction.
_SEND_AGAIN_BATCH = 1000
_SEND_AGAIN = """
UPDATE outbox SET dispatched_at = NULL WHERE position = ANY(ARRAY(
    SELECT position FROM outbox WHERE dispatched_at < :began AND {which}
    ORDER BY position LIMIT :batch FOR UPDATE SKIP LOCKED))
RETURNING tenant_id
"""
_BY_ID = sa.text(_SEND_AGAIN.format(which="event_id = ANY(CAST(:event_ids AS uuid[]))"))
_BY_TIME = sa.text(
    _SEND_AGAIN.format(
        which="event_id >= CAST(:first_id AS uuid) AND announced_at >= :since AND announced_at < :until"
    )
)


def send_again(
    db: Session,
    *,
    began: datetime,
    event_ids: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[str]:
    """Have events that were sent before sent once more, some of them; return whose they are.

    Whoever received them before recognises them. Called until it returns nothing.

    :param began: when this was begun: what was sent since is left alone.
    :param since: when they were announced, from then on, where no ids are told.
    """
    how: dict[str, Any] = {"began": began, "batch": _SEND_AGAIN_BATCH}
    if since is not None:
        # An id is made a moment before its event is dated.
        first_id = first_id_at(since - timedelta(seconds=1))
        how |= {"first_id": first_id, "since": since, "until": until or began}
        return list(db.scalars(_BY_TIME, how))
    return list(db.scalars(_BY_ID, how | {"event_ids": list(event_ids)}))
