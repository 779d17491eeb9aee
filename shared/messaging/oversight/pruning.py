"""Forgetting what is old: of the plumbing's own notes only, a little at a time.

What was received, sent and notified is remembered for thirty days, unless a setting says otherwise; a
command's answer for three. What was sent about a patient is kept while a legal hold is on them, however old
it is. The gateway's archive, the audit and the services' own history are never
touched. Each batch is a short transaction of its own, by one copy at a time: it locks only rows that
nobody needs any more, so nothing waits for it.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

import eventlet
import sqlalchemy as sa
import structlog

from shared import clock
from shared.holds import IS_ON_HOLD
from shared.ids import first_id_at

if TYPE_CHECKING:
    from shared.messaging.hosting.host import Host

log = structlog.get_logger()

#: How long a command's id and answer are kept: promised to whoever repeats one.
COMMANDS_MEMORY = timedelta(hours=72)
#: Rows that one batch deletes at most. Design default: a few milliseconds of work.
BATCH = 1000
#: Rest between two batches, in which everything else goes on. Design default.
REST_SECONDS = 0.05

#: Advisory lock of the one copy that prunes a database.
_PRUNE_LOCK = 4_201_004
_TRY_PRUNE_LOCK = sa.select(sa.func.pg_try_advisory_xact_lock(_PRUNE_LOCK))


def _statement(table: str, old: str) -> sa.TextClause:
    chosen = f"SELECT ctid FROM {table} WHERE {old} LIMIT {BATCH} FOR UPDATE SKIP LOCKED"  # noqa: S608  # ours
    return sa.text(f"DELETE FROM {table} WHERE ctid = ANY(ARRAY({chosen}))")  # noqa: S608  # names of ours


#: What is forgotten, and when. Events' ids are sorted by the moment they were made, so those that are old
#: are found by the index that is there: no row that stays is looked at, however many there are.
_STATEMENTS = (
    _statement("commands", "carried_out_at < :commands_before AND state <> 'running'"),
    _statement(
        "outbox",
        "event_id < CAST(:id_before AS uuid) AND announced_at < :before AND dispatched_at < :before",
    ),
    _statement(
        "inbox",
        "event_id < CAST(:id_before AS uuid) AND received_at < :before AND state IN ('done', 'skipped')",
    ),
    # A notification is settled in the transaction that announces how it went.
    _statement(
        "notifications",
        f"settled_at < :before AND state <> 'waiting' AND NOT {IS_ON_HOLD.format(table='notifications')}",
    ),
    # Dangers that monitoring has taken in: it keeps their escalations for good.
    _statement(
        "safety_watch",
        f"settled_at < :before AND state = 'confirmed' AND NOT {IS_ON_HOLD.format(table='safety_watch')}",
    ),
)


def prune(host: "Host") -> int:
    """Forget what is older than the memory of inbox, outbox, notifications and command ids.

    :returns: the number of rows forgotten; 0 where another copy is at it.
    """
    now = clock.real_now()
    before = now - timedelta(days=host.settings.inbox_memory_days)
    moments = {
        "commands_before": now - COMMANDS_MEMORY,
        "before": before,
        "id_before": first_id_at(before),
    }
    forgotten = 0
    for statement in _STATEMENTS:
        while True:
            gone = _prune_batch(host, statement, moments)
            forgotten += gone
            if gone < BATCH:
                break
            eventlet.sleep(REST_SECONDS)
    if forgotten:
        log.info("pruned", service=host.name, count=forgotten)
    return forgotten


def _prune_batch(host: "Host", statement: sa.TextClause, moments: dict[str, object]) -> int:
    with host.engine.begin() as connection:
        if not connection.scalar(_TRY_PRUNE_LOCK):
            return 0
        # A statement takes those of its moments that it names.
        named = {name: moments[name] for name in statement.compile().params}
        return int(connection.execute(statement, named).rowcount)
