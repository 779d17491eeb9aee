"""What the gateway keeps: every event ever announced, and its copy of the consents."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from shared.database import id_column, moment, new_metadata, reference, tenant_column

metadata = new_metadata()

archive = sa.Table(
    "archive",
    metadata,
    id_column("event_id"),
    tenant_column(),
    #: Place in the tenant's feed; given by one writer after the event was committed.
    sa.Column("position", sa.BigInteger),
    sa.Column("type", sa.String(64), nullable=False),
    #: The patient that the event is about, if it is about one.
    reference("patient_id", nullable=True),
    #: The CloudEvents envelope as it came.
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("occurred_at", moment(), nullable=False),
    sa.Column("recorded_at", moment(), nullable=False),
    sa.Column("received_at", moment(), nullable=False),
    sa.UniqueConstraint("tenant_id", "position"),
    sa.Index("ix_archive_unplaced", "recorded_at", "event_id", postgresql_where=sa.text("position IS NULL")),
    sa.Index("ix_archive_type", "tenant_id", "type", "position"),
    sa.Index("ix_archive_patient", "tenant_id", "patient_id", "occurred_at"),
)

consents = sa.Table(
    "consents",
    metadata,
    id_column("consent_id"),
    tenant_column(),
    reference("patient_id"),
    #: Empty for both while only the revocation has come.
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("recipient_id", sa.String(64)),
    sa.Column("information_classes", JSONB, nullable=False, server_default="[]"),
    sa.Column("granted_at", moment()),
    sa.Column("expires_at", moment()),
    sa.Column("revoked_at", moment()),
    sa.Index("ix_consents_recipient", "tenant_id", "patient_id", "recipient_id"),
)

#: Advisory lock of the one writer that places events in the feed.
_PLACE_LOCK = 4_202_001
#: Events placed in one go.
_PLACE_BATCH = 2000
_WAIT_FOR_PLACE_LOCK = sa.select(sa.func.pg_advisory_xact_lock(_PLACE_LOCK))
_TRY_PLACE_LOCK = sa.select(sa.func.pg_try_advisory_xact_lock(_PLACE_LOCK))


_KEEP = postgresql.insert(archive).on_conflict_do_nothing()


def keep_events(db: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Keep events in the archive; those that are there already stay as they are."""
    # Handed over beside the statement, not within: so it is compiled once for all batches.
    db.connection().execute(_KEEP, list(rows))


#: Each event that has none gets the next place of its tenant's feed.
_PLACE = sa.text(
    f"""
    WITH unplaced AS (
        SELECT event_id, tenant_id, recorded_at FROM archive WHERE position IS NULL
        ORDER BY recorded_at, event_id LIMIT {_PLACE_BATCH}
    ), ends AS (
        SELECT tenant_id, max(position) AS last FROM archive
        WHERE tenant_id IN (SELECT tenant_id FROM unplaced) AND position IS NOT NULL
        GROUP BY tenant_id
    ), placed AS (
        SELECT event_id, coalesce(last, 0)
            + row_number() OVER (PARTITION BY unplaced.tenant_id ORDER BY recorded_at, event_id) AS position
        FROM unplaced LEFT JOIN ends USING (tenant_id)
    )
    UPDATE archive SET position = placed.position FROM placed
    WHERE archive.event_id = placed.event_id AND archive.position IS NULL
    """  # noqa: S608  # a number of ours
)


def assign_positions(engine: sa.Engine, *, wait: bool = False) -> int:
    """Give events that have none their place in their tenant's feed; return how many.

    One process at a time does this, after the events were committed, so that no event ever
    appears behind a reader. Another one returns 0, or waits for its turn.
    """
    with engine.begin() as connection:
        if wait:
            connection.execute(_WAIT_FOR_PLACE_LOCK)
        elif not connection.scalar(_TRY_PLACE_LOCK):
            return 0
        # A statement of its own, begun under the lock: it sees what the writer before committed.
        return int(connection.execute(_PLACE).rowcount)


def place_all(engine: sa.Engine, *, wait: bool = False) -> None:
    """Give places until no event is left without one.

    :param wait: whether to wait for whoever does this now, who may not have seen the newest events.
    """
    while assign_positions(engine, wait=wait) == _PLACE_BATCH:
        pass


def events_after(
    db: Session, *, tenant_id: str, position: int, types: Sequence[str], limit: int
) -> Sequence[Any]:
    """Return placed events of a tenant after a position, in the order of their places."""
    query = (
        sa.select(archive.c.position, archive.c.type, archive.c.patient_id, archive.c.body)
        .where(archive.c.tenant_id == tenant_id, archive.c.position > position)
        .order_by(archive.c.position)
        .limit(limit)
    )
    if types:
        query = query.where(archive.c.type.in_(types))
    return db.execute(query).all()


def keep_consent(
    db: Session,
    *,
    tenant_id: str,
    consent_id: str,
    patient_id: str,
    kind: str,
    recipient_id: str | None,
    information_classes: Iterable[str],
    granted_at: datetime,
    expires_at: datetime | None,
) -> None:
    """Keep what a consent allows; a revocation that came before it stays."""
    told = {
        "kind": kind,
        "recipient_id": recipient_id,
        "information_classes": sorted(information_classes),
        "granted_at": granted_at,
        "expires_at": expires_at,
    }
    db.execute(
        postgresql.insert(consents)
        .values(consent_id=consent_id, tenant_id=tenant_id, patient_id=patient_id, **told)
        .on_conflict_do_update(
            index_elements=["consent_id"], set_=told, where=consents.c.tenant_id == tenant_id
        )
    )


def keep_revocation(
    db: Session, *, tenant_id: str, consent_id: str, patient_id: str, kind: str, revoked_at: datetime
) -> None:
    """Keep that a consent was taken back, also when the consent itself is not known yet."""
    insert = postgresql.insert(consents).values(
        consent_id=consent_id, tenant_id=tenant_id, patient_id=patient_id, kind=kind, revoked_at=revoked_at
    )
    db.execute(
        insert.on_conflict_do_update(
            index_elements=["consent_id"],
            # The earliest revocation counts, in whatever order they come.
            set_={"revoked_at": sa.func.least(consents.c.revoked_at, insert.excluded.revoked_at)},
            where=consents.c.tenant_id == tenant_id,
        )
    )


def consents_for(db: Session, *, tenant_id: str, patient_id: str, recipient_id: str) -> Sequence[Any]:
    """Return the consents of a patient that name a recipient, oldest first."""
    return db.execute(
        sa.select(consents)
        .where(
            consents.c.tenant_id == tenant_id,
            consents.c.patient_id == patient_id,
            consents.c.recipient_id == recipient_id,
            consents.c.granted_at.is_not(None),
        )
        .order_by(consents.c.granted_at, consents.c.consent_id)
    ).all()
