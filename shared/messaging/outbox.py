"""Saving and announcing in one: events wait in the outbox, committed with what caused them.

A relay in every copy claims rows that were not dispatched, publishes them and marks them once the
broker has confirmed. A crash in between publishes again; the inbox drops what was done already.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import psycopg2
import sqlalchemy as sa
from sqlalchemy import event as orm_event
from sqlalchemy.orm import Session

from shared import audit, clock, safety, telemetry
from shared.contracts.event import Envelope, Event
from shared.database import commit_with_next, moment, origin_of, plumbing, tenant_column
from shared.ids import first_id_at, new_id

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
)

#: Events published in one go.
RELAY_BATCH = 200


class Publisher(Protocol):
    """What the relay needs of a broker."""

    def publish(self, messages: list[tuple[str, bytes]]) -> None:
        """Publish ``(event type, body)`` pairs and return once every one is confirmed."""


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
    if db.in_nested_transaction() or not any(db.info.get(kind) for kind in _PENDING):
        # Only the outermost commit writes; what a savepoint leaves behind waits for it.
        return
    if db.info.get("reads_only"):
        raise RuntimeError("what was opened to read announces and records nothing")
    safety.watch_announced(db, announced_in(db))
    # Nothing may be left to write after what is written here: it commits.
    db.flush()
    connection = db.connection()
    cursor = connection.connection.cursor()
    try:
        statements = [*clock.pending_statements(db, cursor)]
        announced = db.info.pop("announced", None)
        if announced:
            statements.append(
                _INSERT
                + b", ".join(
                    cursor.mogrify(
                        _VALUES,
                        (
                            envelope.event_id,
                            envelope.tenant_id,
                            envelope.event.wire_name,
                            envelope.to_bytes(),
                            envelope.recorded_at,
                        ),
                    )
                    for envelope in announced
                )
            )
            db.info["wrote_outbox"] = True
            for envelope in announced:
                telemetry.events_announced.labels(envelope.event.wire_name).inc()
        recorded = audit.pending_statement(db, cursor)
        if recorded:
            statements.append(recorded)
        answered = db.info.pop("answer", None)
        if answered:
            statements.append(cursor.mogrify(*answered))
        commit_with_next(connection)
        cursor.execute(b";\n".join(statements))
    except psycopg2.Error as error:
        # As if it had been sent like any other statement.
        lost = connection.dialect.is_disconnect(error, connection.connection, cursor)
        if lost:
            connection.invalidate(error)
        raise sa.exc.DBAPIError.instance(
            "what the transaction did", None, error, psycopg2.Error, connection_invalidated=lost
        ) from error
    finally:
        cursor.close()


_PENDING = ("announced", "timers", "audit", "answer")
_INSERT = b"INSERT INTO outbox (event_id, tenant_id, type, body, announced_at) VALUES "
_VALUES = "(%s, %s, %s, %s, %s)"


@orm_event.listens_for(Session, "after_commit")
def _wake_relay(db: Session) -> None:
    if db.info.pop("wrote_outbox", False) and "wake_relay" in db.info:
        db.info["wake_relay"]()


_CLAIM = (
    sa.select(outbox.c.position, outbox.c.type, outbox.c.body)
    .where(outbox.c.dispatched_at.is_(None))
    .order_by(outbox.c.position)
    .limit(RELAY_BATCH)
    .with_for_update(skip_locked=True)
)
_DISPATCHED = sa.text("UPDATE outbox SET dispatched_at = :now WHERE position = ANY(:positions)")


def relay_once(engine: sa.Engine, publisher: Publisher) -> int:
    """Publish one batch of events that were not dispatched yet; return how many.

    Rows are claimed with SKIP LOCKED, so copies share the work, and never by a watermark, so that
    a transaction that commits late is not passed over.

    :raises Exception: whatever the publisher raises when not all is confirmed; the rows stay.
    """
    with engine.begin() as connection:
        rows = connection.execute(_CLAIM).all()
        if not rows:
            return 0
        publisher.publish([(row.type, row.body) for row in rows])
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
