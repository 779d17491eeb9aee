"""What one service knows of events and commands: who asked, what it did about them, what it still will.

Asked of every service by whoever tells the whole story. Ids, codes, times and kinds of failure only: no
text of a patient's, and never an address.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import Session

from shared import clock
from shared.audit import audit
from shared.clock import timers
from shared.contracts.event import write_moment
from shared.messaging.commands import commands
from shared.messaging.inbox import inbox
from shared.messaging.outbox import outbox
from shared.notification.tables import notifications
from shared.safety import safety_watch

#: Ids that one question may name.
MAX_IDS = 500
#: Unsent events that are looked through, the oldest first. Design default: more is an outage, not a trace.
MAX_UNSENT = 2000


def traces_of(db: Session, *, ids: Iterable[str], tenant_id: str, memory_days: int) -> dict[str, Any]:
    """Return this service's notes about events, commands and requests, and about what they told of.

    :param ids: of events, commands and requests; and of notifications and concerns that they name.
    :param memory_days: how long the service remembers what it received.
    """
    wanted = list(ids)
    return {
        "reactions": _rows(
            db,
            inbox,
            "event_id reaction type state received_at attempts error next_attempt_at resolved_by resolution",
            inbox.c.tenant_id == tenant_id,
            inbox.c.event_id.in_(wanted),
        ),
        "deeds": _rows(
            db,
            audit,
            "position cause_id action actor_id actor_role acted_at outcome about_id",
            audit.c.cause_id.in_(wanted),
            audit.c.tenant_id == tenant_id,
        ),
        "commands": _rows(
            db,
            commands,
            "command_id name state carried_out_at",
            commands.c.tenant_id == tenant_id,
            commands.c.command_id.in_(wanted),
        ),
        "timers": _rows(
            db,
            timers,
            "name key due_at state attempts error causation_id",
            timers.c.tenant_id == tenant_id,
            timers.c.causation_id.in_(wanted),
        ),
        "notifications": _rows(
            db,
            notifications,
            "notification_id template urgent channel state created_at settled_at next_attempt_at attempts"
            " error causation_id",
            notifications.c.tenant_id == tenant_id,
            sa.or_(notifications.c.causation_id.in_(wanted), notifications.c.notification_id.in_(wanted)),
        ),
        "watches": _rows(
            db,
            safety_watch,
            "concern_id level state announced_at page_at settled_at causation_id",
            safety_watch.c.tenant_id == tenant_id,
            safety_watch.c.concern_id.in_(wanted),
        ),
        "sent": _rows(
            db,
            outbox,
            "event_id dispatched_at",
            outbox.c.tenant_id == tenant_id,
            outbox.c.event_id.in_(wanted),
        ),
        "unsent": _unsent(db, wanted, tenant_id=tenant_id),
        # What came before may have been forgotten: that nothing is noted of it means nothing.
        "memory_begins_at": write_moment(clock.real_now() - timedelta(days=memory_days)),
    }


def _rows(db: Session, table: sa.Table, columns: str, *where: Any) -> list[dict[str, Any]]:
    found = db.execute(
        sa.select(*(table.c[name] for name in columns.split()))
        .where(*where)
        .order_by(*table.primary_key.columns)
    )
    return [_ready(row._mapping) for row in found]


def _ready(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        str(name): write_moment(value) if isinstance(value, datetime) else value
        for name, value in row.items()
        if value is not None
    }


def _unsent(db: Session, wanted: list[str], *, tenant_id: str) -> list[dict[str, Any]]:
    """Return the envelopes of unsent events that belong to what is asked for: no archive has them yet."""
    bodies = db.scalars(
        sa.select(outbox.c.body)
        .where(outbox.c.tenant_id == tenant_id, outbox.c.dispatched_at.is_(None))
        .order_by(outbox.c.position)
        .limit(MAX_UNSENT)
    )
    chosen = set(wanted)
    told_by = ("id", "causationid", "correlationid", "episodeid")
    envelopes = (orjson.loads(bytes(body)) for body in bodies)
    return [envelope for envelope in envelopes if any(envelope.get(name) in chosen for name in told_by)]
