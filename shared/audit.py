"""The append-only record of who did what, chained so that any change to it is found.

A row is written in the transaction of what it records, without its hash. One writer per database
links new rows into the tenant's chain soon after commit, so that the chain makes no command wait
for another. What is recorded by itself makes nobody wait, and is linked as it is written. Actions,
ids and outcomes only: never names or free text.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import Session

from shared.contracts.event import write_moment
from shared.database import (
    CLEANED_UP_OFTEN,
    Kept,
    Origin,
    by_kept_plan,
    moment,
    plumbing,
    reference,
    send_with_next,
    tenant_column,
)
from shared.many_rows import WORTH_JSON, as_json

audit = sa.Table(
    "audit",
    plumbing,
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    tenant_column(),
    sa.Column("acted_at", moment(), nullable=False),
    sa.Column("actor_id", sa.String(64), nullable=False),
    sa.Column("actor_role", sa.String(32), nullable=False),
    sa.Column("actor_credential", sa.String(16), nullable=False, server_default=""),
    sa.Column("action", sa.String(64), nullable=False),
    #: The patient, or the thing, that was acted on.
    reference("about_id", nullable=True),
    sa.Column("outcome", sa.String(32), nullable=False),
    #: The command or event that caused it.
    sa.Column("cause_id", sa.String(64)),
    #: Place in the tenant's chain; set by the linking writer.
    sa.Column("link", sa.BigInteger),
    sa.Column("hash", sa.LargeBinary(32)),
    sa.UniqueConstraint("tenant_id", "link"),
    sa.Index("ix_audit_unlinked", "position", postgresql_where=sa.text("link IS NULL")),
    sa.Index("ix_audit_about", "tenant_id", "about_id"),
    sa.Index("ix_audit_cause", "cause_id"),
    postgresql_with=CLEANED_UP_OFTEN,
)

#: Rows linked in one go.
LINK_BATCH = 1000
#: Advisory lock of the one linking writer in a database.
_LINK_LOCK = 4_201_001
#: What the first row of a chain is linked to.
_GENESIS = bytes(32)


#: What is recorded, in the order in which it is hashed.
_RECORDED = (
    "tenant_id",
    "acted_at",
    "actor_id",
    "actor_role",
    "actor_credential",
    "action",
    "about_id",
    "outcome",
    "cause_id",
)


def record(db: Session, *, action: str, about_id: str | None = None, outcome: str = "done") -> None:
    """Write what the transaction's actor does, to be committed with it.

    :param action: the name of the command, reaction, timer or question.
    :param about_id: the patient, or the thing, acted on.
    """
    row = row_of(db.info["origin"], action=action, about_id=about_id, outcome=outcome)
    db.info.setdefault("audit", []).append(row)


def row_of(
    origin: Origin, *, action: str, about_id: str | None = None, outcome: str = "done"
) -> dict[str, Any]:
    """Return the row that says what an actor does; see :func:`record`."""
    return {
        "tenant_id": origin.tenant_id,
        "acted_at": origin.now,
        "actor_id": origin.actor.actor_id,
        "actor_role": origin.actor.role,
        "actor_credential": origin.actor.credential,
        "action": action,
        "about_id": about_id,
        "outcome": outcome,
        "cause_id": origin.causation_id,
    }


def pending_statement(db: Session, connection: sa.Connection, cursor: Any) -> bytes | None:
    """Return the statement that writes what was recorded in this transaction, if anything was."""
    rows = db.info.pop("audit", None)
    if not rows:
        return None
    statement: bytes
    if len(rows) == 1:
        statement = cursor.mogrify(by_kept_plan(connection, _INSERT_ONE), rows[0])
        return statement
    if len(rows) >= WORTH_JSON:
        statement = cursor.mogrify(_INSERT_MANY, {"rows": as_json(rows)})
        return statement
    return _INSERT.encode() + b", ".join(cursor.mogrify(_VALUES, row) for row in rows)


_INSERT_MANY = """
INSERT INTO audit (tenant_id, acted_at, actor_id, actor_role, actor_credential, action, about_id, outcome,
                   cause_id)
SELECT * FROM json_to_recordset(%(rows)s)
    AS told (tenant_id text, acted_at timestamptz, actor_id text, actor_role text, actor_credential text,
             action text, about_id uuid, outcome text, cause_id text)
"""
_INSERT = """
INSERT INTO audit (tenant_id, acted_at, actor_id, actor_role, actor_credential, action, about_id, outcome,
                   cause_id)
VALUES """
_VALUES = """(%(tenant_id)s, %(acted_at)s, %(actor_id)s, %(actor_role)s, %(actor_credential)s, %(action)s,
              %(about_id)s, %(outcome)s, %(cause_id)s)"""
_INSERT_ONE = Kept(
    _INSERT + _VALUES,
    tenant_id="text",
    acted_at="timestamptz",
    actor_id="text",
    actor_role="text",
    actor_credential="text",
    action="text",
    about_id="uuid",
    outcome="text",
    cause_id="text",
)


#: Tried in a statement of its own, so that the next one sees all that its last holder has committed;
#: it travels with that one, which asks what came of it.
_TRY_LINK_LOCK = (
    f"SELECT set_config('homeward.links', CAST(pg_try_advisory_xact_lock({_LINK_LOCK}) AS text), true)"
)
_linked = audit.alias("linked")
_end = (
    sa.select(_linked.c.link, _linked.c.hash)
    .where(_linked.c.tenant_id == audit.c.tenant_id, _linked.c.link.is_not(None))
    .order_by(_linked.c.link.desc())
    .limit(1)
    .lateral("chain")
)
#: New rows, each with the end of its tenant's chain.
_UNLINKED = (
    sa.select(audit, _end.c.link.label("last_link"), _end.c.hash.label("last_hash"))
    .select_from(audit.outerjoin(_end, sa.true()))
    .where(audit.c.link.is_(None), sa.func.current_setting("homeward.links") == "true")
    .order_by(audit.c.position)
    .limit(LINK_BATCH)
)
#: One statement for all rows, whatever their number.
_LINK = """
    UPDATE audit SET link = new.link, hash = new.hash
    FROM json_to_recordset(%(rows)s) AS new (position bigint, link bigint, hash bytea)
    WHERE audit.position = new.position
"""


def link_new_rows(engine: sa.Engine) -> int:
    """Link rows that are not in their tenant's chain yet, some of them; return how many.

    Only one process a database links at a time; another one returns 0.
    """
    with engine.begin() as connection:
        send_with_next(connection, _TRY_LINK_LOCK)
        rows = connection.execute(_UNLINKED).all()
        ends: dict[str, tuple[int, bytes]] = {}
        updates = []
        for row in rows:
            link, previous = ends.get(row.tenant_id) or (row.last_link or 0, row.last_hash or _GENESIS)
            digest = _hash(previous, link + 1, row._mapping)
            updates.append({"position": row.position, "link": link + 1, "hash": digest})
            ends[row.tenant_id] = (link + 1, digest)
        if updates:
            send_with_next(connection, _LINK, {"rows": as_json(updates)})
        return len(updates)


#: The end of each tenant's chain; no rows while somebody else links.
_ENDS = """
    SELECT asked.tenant_id, chain.link, chain.hash
    FROM unnest(CAST(%(tenants)s AS varchar[])) AS asked (tenant_id) LEFT JOIN LATERAL (
        SELECT link, hash FROM audit WHERE audit.tenant_id = asked.tenant_id AND link IS NOT NULL
        ORDER BY link DESC LIMIT 1) AS chain ON true
    WHERE current_setting('homeward.links') = 'true'
"""
#: One statement for all rows, as above.
_INSERT_LINKED = """
    INSERT INTO audit (tenant_id, acted_at, actor_id, actor_role, actor_credential, action, about_id,
                       outcome, cause_id, link, hash)
    SELECT * FROM json_to_recordset(%(rows)s)
        AS told (tenant_id text, acted_at timestamptz, actor_id text, actor_role text, actor_credential text,
                 action text, about_id uuid, outcome text, cause_id text, link bigint, hash bytea)
"""


def write_linked(engine: sa.Engine, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows that come of no other transaction, linked at once: that spares changing each once more.

    Where another process links just now, it waits for nobody: they are linked later, like any others.

    :param rows: at least one; see :func:`row_of`.
    """
    with engine.begin() as connection:
        send_with_next(connection, _TRY_LINK_LOCK)
        tenants = sorted({row["tenant_id"] for row in rows})
        ends: dict[str, tuple[int, bytes]] = {
            end.tenant_id: (end.link or 0, bytes(end.hash or _GENESIS))
            for end in connection.exec_driver_sql(_ENDS, {"tenants": tenants})
        }
        linked = []
        for row in rows:
            tenant_id = row["tenant_id"]
            if tenant_id not in ends:
                linked.append(row)
                continue
            link, previous = ends[tenant_id]
            digest = _hash(previous, link + 1, row)
            ends[tenant_id] = (link + 1, digest)
            linked.append(row | {"link": link + 1, "hash": digest})
        send_with_next(connection, _INSERT_LINKED, {"rows": as_json(linked)})


def find_breaks(connection: sa.Connection, *, tenant_id: str) -> list[int]:
    """Return the places in a tenant's chain where a row was changed, removed, added or moved."""
    breaks, after = [], 0
    while True:
        found, last = find_breaks_after(connection, tenant_id=tenant_id, after=after)
        breaks += found
        if last is None:
            return breaks
        after = last


def find_breaks_after(
    connection: sa.Connection, *, tenant_id: str, after: int, limit: int = 5000
) -> tuple[list[int], int | None]:
    """Return the breaks in a stretch of a tenant's chain, and the link to go on after, if there are more.

    :param after: the link before the stretch, which is taken as it stands; 0 begins the chain.
    """
    # The row before is read again: the first of the stretch is linked to it.
    rows: Iterable[Any] = connection.execute(
        sa.select(audit)
        .where(audit.c.tenant_id == tenant_id, audit.c.link >= after)
        .order_by(audit.c.link)
        .limit(limit + 1)
    )
    previous, expected, breaks, count = _GENESIS, 1, [], 0
    for row in rows:
        count += 1
        is_known = row.link == after
        broken = row.link != expected or row.hash != _hash(previous, row.link, row._mapping)
        if broken and not is_known:
            breaks.append(row.link)
        previous, expected = row.hash, row.link + 1
    return breaks, expected - 1 if count > limit else None


def _hash(previous: bytes, link: int, row: Any) -> bytes:
    values = [row[name] for name in _RECORDED]
    values[1] = write_moment(values[1])
    return hashlib.sha256(previous + orjson.dumps([link, *values])).digest()
