"""What the gateway keeps: every event ever announced, its copy of the consents, and the work list."""

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from shared.contracts.event import Envelope
from shared.contracts.gateway import DisclosureMade
from shared.contracts.intake import PatientAdmitted, SiteChanged, SiteOpened
from shared.contracts.scheduling import SessionScheduled
from shared.database import (
    CLEANED_UP_OFTEN,
    Kept,
    by_kept_plan,
    id_column,
    moment,
    new_metadata,
    reference,
    send_with_commit,
    send_with_next,
    tenant_column,
    without_transactions,
    written_once,
)
from shared.many_rows import as_json

metadata = new_metadata()

archive = sa.Table(
    "archive",
    metadata,
    id_column("event_id"),
    tenant_column(),
    #: Place in the tenant's feed; given by one writer at a time, with the commit or after it.
    sa.Column("position", sa.BigInteger),
    sa.Column("type", sa.String(64), nullable=False),
    #: The patient that the event is about, if it is about one.
    reference("patient_id", nullable=True),
    #: The CloudEvents envelope as it came.
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("occurred_at", moment(), nullable=False),
    sa.Column("recorded_at", moment(), nullable=False),
    sa.Column("received_at", moment(), nullable=False),
    #: What it belongs to, for tracing; filled in later where an older version kept the event.
    sa.Column("correlation_id", sa.String(64)),
    sa.Column("causation_id", sa.String(64)),
    reference("episode_id", nullable=True),
    sa.UniqueConstraint("tenant_id", "position"),
    sa.Index("ix_archive_unplaced", "recorded_at", "event_id", postgresql_where=sa.text("position IS NULL")),
    sa.Index("ix_archive_type", "tenant_id", "type", "position"),
    sa.Index("ix_archive_patient", "tenant_id", "patient_id", "occurred_at"),
    sa.Index("ix_archive_correlation", "correlation_id"),
    sa.Index("ix_archive_causation", "causation_id"),
    sa.Index("ix_archive_episode", "episode_id", "occurred_at"),
    sa.Index("ix_archive_untraced", "event_id", postgresql_where=sa.text("correlation_id IS NULL")),
    postgresql_with=CLEANED_UP_OFTEN,
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

#: What the program agreed not to tell, whatever consents allow; its end may come first.
restrictions = sa.Table(
    "restrictions",
    metadata,
    id_column("restriction_id"),
    tenant_column(),
    reference("patient_id"),
    #: Whom it is towards; everybody outside when it is nobody in particular.
    sa.Column("recipient_id", sa.String(64)),
    #: Which classes; all of them when none is named.
    sa.Column("information_classes", JSONB, nullable=False, server_default="[]"),
    sa.Column("agreed_at", moment()),
    sa.Column("ended_at", moment()),
    sa.Index("ix_restrictions_patient", "tenant_id", "patient_id"),
)

#: What every service asks of humans. All of it follows from archived events, in whatever order they
#: came: so each of the three parts of a row has its own mark of how new it is.
work = sa.Table(
    "work",
    metadata,
    tenant_column(primary_key=True),
    id_column("task_id"),
    #: The newest TaskOpened, and what it said; empty while only something later has come.
    reference("opening_id", nullable=True),
    #: The service that asks.
    sa.Column("announced_by", sa.String(64)),
    sa.Column("task", sa.String(64)),
    sa.Column("owner_role", sa.String(32)),
    sa.Column("reason", sa.String(64)),
    sa.Column("level", sa.String(8)),
    #: Dangers come before everything else: 0, then 1, then 2 for all that is none.
    sa.Column("urgency", sa.SmallInteger),
    sa.Column("due_at", moment()),
    sa.Column("next_role", sa.String(32)),
    sa.Column("about_id", sa.String(64)),
    reference("patient_id", nullable=True),
    reference("episode_id", nullable=True),
    sa.Column("opened_at", moment()),
    #: The newest TaskClosed: the task is closed unless it was opened anew since.
    reference("closing_id", nullable=True),
    sa.Column("outcome", sa.String(32)),
    sa.Column("closed_at", moment()),
    #: The latest change of hands, and which opening it was of: of an older one it counts no more.
    sa.Column("turn", sa.Integer, nullable=False, server_default="0"),
    reference("held_opening_id", nullable=True),
    sa.Column("held_by", sa.String(64)),
    sa.Column("held_role", sa.String(32)),
    sa.Column("held_at", moment()),
    sa.Index(
        "ix_work_open",
        "tenant_id",
        "urgency",
        "due_at",
        "task_id",
        postgresql_where=sa.text("closing_id IS NULL OR closing_id < opening_id"),
    ),
    sa.Index("ix_work_patient", "tenant_id", "patient_id"),
)

#: Who took an escalation, whichever of its tiers was asked; nobody again once its level has risen.
acknowledgements = sa.Table(
    "acknowledgements",
    metadata,
    tenant_column(primary_key=True),
    sa.Column("escalation_id", sa.String(64), primary_key=True),
    #: The newest event that says so.
    reference("told_id"),
    sa.Column("acknowledged_by", sa.String(64)),
    sa.Column("acknowledged_at", moment()),
)

#: Secret addresses of calendars, by the digests of their secrets.
calendar_addresses = sa.Table(
    "calendar_addresses",
    metadata,
    id_column("calendar_id"),
    tenant_column(),
    sa.Column("digest", sa.LargeBinary(32), nullable=False),
    sa.Column("owner_role", sa.String(32), nullable=False),
    sa.Column("owner_id", sa.String(64), nullable=False),
    sa.Column("opened_by", sa.String(64), nullable=False),
    sa.Column("opened_at", moment(), nullable=False),
    sa.Column("revoked_at", moment()),
    sa.UniqueConstraint("digest"),
    sa.Index("ix_calendar_addresses_owner", "tenant_id", "owner_id", "opened_at"),
)

#: Advisory lock of the one writer that places events in the feed.
_PLACE_LOCK = 4_202_001
#: Events placed in one go.
_PLACE_BATCH = 2000
#: Taken in a statement of its own, so that the next one sees all that the writer before has committed; it
#: travels with that one, which asks what came of it.
_TRY_PLACE_LOCK = Kept(
    f"SELECT set_config('homeward.places', CAST(pg_try_advisory_xact_lock({_PLACE_LOCK}) AS text), true)"
)
_WAIT_FOR_PLACE_LOCK = (
    f"SELECT pg_advisory_xact_lock({_PLACE_LOCK}), set_config('homeward.places', 'true', true)"
)


#: Those of one tenant, each with its number among them. They get their places at once, where nobody else
#: gives any just now.
_KEEP = Kept(
    """
    INSERT INTO archive
        (event_id, tenant_id, position, type, patient_id, episode_id, correlation_id, causation_id, body,
         occurred_at, recorded_at, received_at)
    SELECT event_id, %(tenant_id)s,
        CASE current_setting('homeward.places') WHEN 'true' THEN number + coalesce((
            SELECT position FROM archive WHERE tenant_id = %(tenant_id)s AND position IS NOT NULL
            ORDER BY position DESC LIMIT 1
        ), 0) END,
        type, patient_id, episode_id, correlation_id, causation_id, convert_to(body, 'UTF8'),
        occurred_at, recorded_at, %(received_at)s
    FROM json_to_recordset(%(rows)s) AS told (
        event_id uuid, number bigint, type text, patient_id uuid, episode_id uuid, correlation_id text,
        causation_id text, body text, occurred_at timestamptz, recorded_at timestamptz)
    ON CONFLICT (event_id) DO NOTHING
    """,
    tenant_id="text",
    received_at="timestamptz",
    rows="json",
)


def keep_events(db: Session, envelopes: Sequence[Envelope], *, received_at: datetime) -> None:
    """Keep events in the archive with the commit; those that are there already stay as they are.

    They get their places in the feed with that, unless somebody else gives places at that very moment.
    """
    connection = db.connection()
    send_with_commit(connection, by_kept_plan(connection, _TRY_PLACE_LOCK), {})
    keep = by_kept_plan(connection, _KEEP)
    by_tenant: dict[str, dict[str, Envelope]] = defaultdict(dict)
    for envelope in envelopes:
        by_tenant[envelope.tenant_id][envelope.event_id] = envelope
    for tenant_id, events in by_tenant.items():
        in_order = sorted(events.values(), key=lambda envelope: (envelope.recorded_at, envelope.event_id))
        rows = [_row_of(envelope, number) for number, envelope in enumerate(in_order, start=1)]
        # Sorted, so that copies that keep the same events wait for each other and never in a circle.
        rows.sort(key=itemgetter("event_id"))
        told = {"tenant_id": tenant_id, "received_at": received_at, "rows": as_json(rows)}
        send_with_commit(connection, keep, told)


def _row_of(envelope: Envelope, number: int) -> dict[str, Any]:
    return {
        "event_id": envelope.event_id,
        "number": number,
        "type": envelope.event.wire_name,
        "patient_id": envelope.event.subject,
        "episode_id": getattr(envelope.event, "episode_id", None),
        "correlation_id": envelope.correlation_id,
        "causation_id": envelope.causation_id,
        # It is JSON, and so it is text.
        "body": envelope.to_bytes().decode(),
        "occurred_at": envelope.occurred_at,
        "recorded_at": envelope.recorded_at,
    }


#: Each event that has none gets the next place of its tenant's feed. Whatever the planner believes of the
#: archive, a long feed costs no more: the last place and the first rows without one are read by their
#: indexes, and rows are changed where they were found.
_PLACE = sa.text(
    f"""
    WITH unplaced AS (
        SELECT ctid AS row, event_id, tenant_id, recorded_at FROM archive
        WHERE position IS NULL AND current_setting('homeward.places') = 'true'
        ORDER BY recorded_at, event_id LIMIT {_PLACE_BATCH}
    ), ends AS MATERIALIZED (
        SELECT tenant_id, coalesce((
            SELECT position FROM archive
            WHERE archive.tenant_id = tenants.tenant_id AND position IS NOT NULL
            ORDER BY position DESC LIMIT 1
        ), 0) AS last
        FROM (SELECT DISTINCT tenant_id FROM unplaced) AS tenants
    ), placed AS (
        SELECT row, last
            + row_number() OVER (PARTITION BY unplaced.tenant_id ORDER BY recorded_at, event_id) AS position
        FROM unplaced JOIN ends USING (tenant_id)
    )
    UPDATE archive SET position = placed.position FROM placed WHERE archive.ctid = placed.row
    """  # noqa: S608  # a number of ours
)


#: The first in the order of their index: asked whether there is any, the database might look through all.
_ANY_UNPLACED = "SELECT event_id FROM archive WHERE position IS NULL ORDER BY recorded_at, event_id LIMIT 1"


def assign_positions(
    engine: sa.Engine, *, wait: bool = False, also: tuple[str, dict[str, Any]] | None = None
) -> int:
    """Give events that have none their place in their tenant's feed; return how many.

    One process at a time gives places, whether to what was committed or to what it commits with them, so
    that no event ever appears behind a reader. Another one returns 0, or waits for its turn.

    :param also: a statement, and what it names, that travels with the look for such events.
    """
    # Most have been given theirs as they were kept.
    with without_transactions(engine) as connection:
        if also is not None:
            send_with_next(connection, *also)
        # What another one is placing just now counts as unplaced until it has committed.
        if connection.exec_driver_sql(_ANY_UNPLACED).first() is None:
            return 0
    with without_transactions(engine) as connection:
        # What travels in one trip is one transaction: the lock is held until the places are given.
        lock = _WAIT_FOR_PLACE_LOCK if wait else by_kept_plan(connection, _TRY_PLACE_LOCK)
        send_with_next(connection, lock)
        return int(connection.execute(_PLACE).rowcount)


def place_all(
    engine: sa.Engine, *, wait: bool = False, also: tuple[str, dict[str, Any]] | None = None
) -> None:
    """Give places until no event is left without one.

    :param wait: whether to wait for whoever does this now, who may not have seen the newest events.
    :param also: as in :func:`assign_positions`.
    """
    while assign_positions(engine, wait=wait, also=also) == _PLACE_BATCH:
        also = None


_AFTER = written_once(
    sa.select(archive.c.position, archive.c.type, archive.c.patient_id, archive.c.body)
    .where(archive.c.tenant_id == sa.bindparam("of_tenant"), archive.c.position > sa.bindparam("after"))
    .order_by(archive.c.position)
    .limit(sa.bindparam("at_most"))
)
_AFTER_OF_TYPES = written_once(_AFTER.where(archive.c.type.in_(sa.bindparam("of_types", expanding=True))))


def events_after(
    db: Session, *, tenant_id: str, position: int, types: Sequence[str], limit: int
) -> Sequence[Any]:
    """Return placed events of a tenant after a position, in the order of their places."""
    asked = {"of_tenant": tenant_id, "after": position, "at_most": limit}
    if types:
        return db.execute(_AFTER_OF_TYPES, {**asked, "of_types": list(types)}).all()
    return db.execute(_AFTER, asked).all()


#: The place of the event that comes before the newest ones.
_BEFORE_NEWEST = (
    sa.select(archive.c.position)
    .where(archive.c.tenant_id == sa.bindparam("of_tenant"), archive.c.position.is_not(None))
    .order_by(archive.c.position.desc())
    .offset(sa.bindparam("newest"))
    .limit(1)
)
_BEFORE_NEWEST_OF_TYPES = _BEFORE_NEWEST.where(archive.c.type.in_(sa.bindparam("of_types", expanding=True)))


def position_before_newest(db: Session, *, tenant_id: str, types: Sequence[str], newest: int) -> int:
    """Return the position after which the *newest* events of a tenant come; 0 where there are no others.

    :param types: which events are meant; all, where there are none.
    """
    asked = {"of_tenant": tenant_id, "newest": newest}
    # After the newest of all nothing comes, of whatever type.
    if types and newest:
        return db.scalar(_BEFORE_NEWEST_OF_TYPES, {**asked, "of_types": list(types)}) or 0
    return db.scalar(_BEFORE_NEWEST, asked) or 0


#: Read out of the event itself: an older version did not keep them beside it.
_FILL_CAUSES = sa.text(
    """
    UPDATE archive SET correlation_id = told.envelope ->> 'correlationid',
                       causation_id = told.envelope ->> 'causationid',
                       episode_id = CAST(told.envelope ->> 'episodeid' AS uuid)
    FROM (SELECT event_id, CAST(convert_from(body, 'UTF8') AS json) AS envelope FROM archive
          WHERE correlation_id IS NULL LIMIT 1000 FOR UPDATE SKIP LOCKED) AS told
    WHERE archive.event_id = told.event_id
    """
)


def fill_causes(engine: sa.Engine) -> None:
    """Tell of every event what it belongs to, also of those that an older version kept."""
    filled = 1
    while filled:
        with engine.begin() as connection:
            filled = connection.execute(_FILL_CAUSES).rowcount


def events_where(
    connection: sa.Connection, *where: sa.ColumnElement[bool], tenant_id: str, limit: int
) -> Sequence[Any]:
    """Return events of a tenant, the first to happen first."""
    return connection.execute(
        sa.select(archive.c.body, archive.c.received_at)
        .where(archive.c.tenant_id == tenant_id, *where)
        .order_by(archive.c.occurred_at, archive.c.recorded_at, archive.c.event_id)
        .limit(limit)
    ).all()


def patient_of_episode(db: Session, *, tenant_id: str, episode_id: str) -> str | None:
    """Return whose an episode is, as far as events tell."""
    return _patient_in(db, archive, archive.c.episode_id == episode_id, tenant_id=tenant_id)


def patient_of_task_about(db: Session, *, tenant_id: str, about_id: str) -> str | None:
    """Return whom something is about that somebody was asked to do, as far as the work list tells."""
    return _patient_in(db, work, work.c.about_id == about_id, tenant_id=tenant_id)


#: Of the seats that were given out last so many are looked through for one: some weeks of a large program,
#: and a moment's work where somebody is in danger. Design default.
_NEWEST_SEATS = 20_000


def holders_of(db: Session, *, tenant_id: str, seat_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return patient and episode of seats in sessions, by seat, as far as the newest events tell."""
    newest = (
        sa.select(
            archive.c.patient_id,
            archive.c.episode_id,
            sa.cast(sa.func.convert_from(archive.c.body, "UTF8"), JSONB)["data"]["seat_id"].astext.label(
                "seat_id"
            ),
        )
        .where(archive.c.tenant_id == tenant_id, archive.c.type == SessionScheduled.wire_name)
        # What has no place yet is the newest of all.
        .order_by(archive.c.position.desc().nulls_first())
        .limit(_NEWEST_SEATS)
        .subquery()
    )
    rows = db.execute(sa.select(newest).where(newest.c.seat_id.in_(list(seat_ids))))
    return {row.seat_id: (row.patient_id, row.episode_id) for row in rows}


def _patient_in(db: Session, table: sa.Table, where: sa.ColumnElement[bool], *, tenant_id: str) -> str | None:
    query = sa.select(table.c.patient_id).where(where, table.c.tenant_id == tenant_id)
    return db.scalars(query.where(table.c.patient_id.is_not(None)).limit(1)).first()


#: What tells of a site's number.
_SITE_NEWS: dict[str, type[SiteOpened | SiteChanged]] = {
    event.wire_name: event for event in (SiteOpened, SiteChanged)
}


def emergency_line_of(db: Session, *, tenant_id: str, episode_id: str | None) -> str | None:
    """Return the program's own number, where events tell it without a doubt.

    :param episode_id: whose site counts alone, once somebody was admitted there.
    """
    told = sa.select(archive.c.type, archive.c.body).where(
        archive.c.tenant_id == tenant_id, archive.c.type.in_(list(_SITE_NEWS))
    )
    admitted = sa.select(archive.c.body).where(
        archive.c.tenant_id == tenant_id,
        archive.c.type == PatientAdmitted.wire_name,
        archive.c.episode_id == episode_id,
    )
    newest: dict[str, tuple[int, str | None]] = {}
    for type_, body in db.execute(told):
        site = _SITE_NEWS[type_].from_data(orjson.loads(body)["data"])
        revision = site.revision if isinstance(site, SiteChanged) else 0
        # What was told last counts, in whatever order it came.
        if site.site_id not in newest or newest[site.site_id][0] < revision:
            newest[site.site_id] = (revision, site.emergency_line)
    places = [PatientAdmitted.from_data(orjson.loads(body)["data"]) for body in db.scalars(admitted)]
    of_these = {place.site_id for place in places if episode_id} or set(newest)
    lines = {line for site_id, (_, line) in newest.items() if site_id in of_these}
    return lines.pop() if len(lines) == 1 else None


def tenants_of(connection: sa.Connection, id_: str) -> set[str]:
    """Return whose an event, a command, a request, an episode or a patient is, as far as events tell."""
    found: set[str] = set()
    places = (
        archive.c.event_id,
        archive.c.causation_id,
        archive.c.correlation_id,
        archive.c.episode_id,
        archive.c.patient_id,
    )
    for place in places:
        found |= set(connection.scalars(sa.select(archive.c.tenant_id).where(place == id_).distinct()))
    return found


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


def patients_who_consented(
    db: Session, *, tenant_id: str, recipient_id: str, patient_ids: Iterable[str] | None
) -> list[str]:
    """Return who has consented to something for a recipient and not taken it back, as far as is known here.

    :param patient_ids: of whom; of everybody when None.
    """
    query = sa.select(consents.c.patient_id).where(
        consents.c.tenant_id == tenant_id,
        consents.c.recipient_id == recipient_id,
        consents.c.granted_at.is_not(None),
        consents.c.revoked_at.is_(None),
    )
    if patient_ids is not None:
        query = query.where(consents.c.patient_id.in_(list(patient_ids)))
    return list(db.scalars(query.distinct().order_by(consents.c.patient_id)))


def disclosures_of(
    db: Session,
    *,
    tenant_id: str,
    patient_id: str,
    since: datetime | None,
    after: str | None,
    limit: int | None,
) -> Sequence[Any]:
    """Return what was disclosed about a patient, the first to leave first, from behind the event *after*."""
    query = sa.select(archive.c.event_id, archive.c.body).where(
        archive.c.tenant_id == tenant_id,
        archive.c.patient_id == patient_id,
        archive.c.type == DisclosureMade.wire_name,
    )
    if since is not None:
        query = query.where(archive.c.occurred_at >= since)
    if after is not None:
        query = query.where(archive.c.event_id > after)
    return db.execute(query.order_by(archive.c.event_id).limit(limit)).all()


def keep_restriction(
    db: Session,
    *,
    tenant_id: str,
    restriction_id: str,
    patient_id: str,
    recipient_id: str | None,
    information_classes: Iterable[str],
    agreed_at: datetime,
) -> None:
    """Keep what is not to be told; an end that came before it stays."""
    told = {
        "recipient_id": recipient_id,
        "information_classes": sorted(information_classes),
        "agreed_at": agreed_at,
    }
    db.execute(
        postgresql.insert(restrictions)
        .values(restriction_id=restriction_id, tenant_id=tenant_id, patient_id=patient_id, **told)
        .on_conflict_do_update(
            index_elements=["restriction_id"], set_=told, where=restrictions.c.tenant_id == tenant_id
        )
    )


def keep_restriction_end(
    db: Session, *, tenant_id: str, restriction_id: str, patient_id: str, ended_at: datetime
) -> None:
    """Keep that a restriction ended, also when it is not known yet itself."""
    insert = postgresql.insert(restrictions).values(
        restriction_id=restriction_id, tenant_id=tenant_id, patient_id=patient_id, ended_at=ended_at
    )
    db.execute(
        insert.on_conflict_do_update(
            index_elements=["restriction_id"],
            set_={"ended_at": ended_at},
            where=restrictions.c.tenant_id == tenant_id,
        )
    )


def restrictions_for(db: Session, *, tenant_id: str, patient_id: str, recipient_id: str) -> Sequence[Any]:
    """Return what is not to be told of a patient to a recipient."""
    return db.execute(
        sa.select(restrictions).where(
            restrictions.c.tenant_id == tenant_id,
            restrictions.c.patient_id == patient_id,
            sa.or_(restrictions.c.recipient_id.is_(None), restrictions.c.recipient_id == recipient_id),
            restrictions.c.agreed_at.is_not(None),
            restrictions.c.ended_at.is_(None),
        )
    ).all()


# --- The work list --------------------------------------------------------------------------------

#: Event ids sort by the moment they were made, so the greater one is the newer.
_IS_OPEN = sa.and_(
    work.c.opening_id.is_not(None),
    sa.or_(work.c.closing_id.is_(None), work.c.closing_id < work.c.opening_id),
)
_HELD = work.c.held_opening_id == work.c.opening_id
#: A later tier is asked because whoever took it did not act: of that task nobody has taken care yet.
_ACKNOWLEDGED = sa.and_(
    acknowledgements.c.acknowledged_by.is_not(None), acknowledgements.c.told_id > work.c.opening_id
)
_TASKS = sa.select(
    work,
    _IS_OPEN.label("is_open"),
    _HELD.label("is_held"),
    _ACKNOWLEDGED.label("is_acknowledged"),
    acknowledgements.c.acknowledged_by,
    acknowledgements.c.acknowledged_at,
).outerjoin_from(
    work,
    acknowledgements,
    sa.and_(
        work.c.task == "escalation",
        acknowledgements.c.tenant_id == work.c.tenant_id,
        acknowledgements.c.escalation_id == work.c.about_id,
    ),
)


def keep_task_part(
    db: Session, *, tenant_id: str, task_id: str, newness: str, values: dict[str, Any]
) -> None:
    """Have one part of a task's row kept with the next statement, unless what is kept there is newer.

    :param newness: the column by which the part tells how new it is.
    """
    row = {"tenant_id": tenant_id, "task_id": task_id, **values}
    send_with_next(db.connection(), _keep_task_part(newness, tuple(row)), row)


@functools.lru_cache
def _keep_task_part(newness: str, columns: tuple[str, ...]) -> str:
    """Return the statement that keeps one kind of part: there are three, each written once."""
    place = ("tenant_id", "task_id")
    told = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in place)
    values = ", ".join(f"%({name})s" for name in columns)
    return f"""
INSERT INTO work ({", ".join(columns)}) VALUES ({values})
ON CONFLICT (tenant_id, task_id) DO UPDATE SET {told}
WHERE work.{newness} IS NULL OR work.{newness} < excluded.{newness}
"""  # noqa: S608  # names of ours


def keep_acknowledgement(
    db: Session,
    *,
    tenant_id: str,
    escalation_id: str,
    told_id: str,
    acknowledged_by: str | None,
    acknowledged_at: datetime | None,
) -> None:
    """Keep who took an escalation, or that nobody has any more, unless what is kept is newer."""
    told = {"told_id": told_id, "acknowledged_by": acknowledged_by, "acknowledged_at": acknowledged_at}
    insert = postgresql.insert(acknowledgements).values(
        tenant_id=tenant_id, escalation_id=escalation_id, **told
    )
    db.execute(
        insert.on_conflict_do_update(
            index_elements=["tenant_id", "escalation_id"],
            set_=told,
            where=acknowledgements.c.told_id < insert.excluded.told_id,
        )
    )


def find_task(db: Session, *, tenant_id: str, task_id: str, lock: bool = False) -> Any:
    """Return a task that was opened, or None; with ``lock`` nobody else changes it meanwhile."""
    query = _TASKS.where(
        work.c.tenant_id == tenant_id, work.c.task_id == task_id, work.c.opening_id.is_not(None)
    )
    return db.execute(query.with_for_update(of=work) if lock else query).first()


def open_tasks_about(db: Session, *, tenant_id: str, patient_ids: Sequence[str]) -> Sequence[Any]:
    """Return the open tasks about some patients, the most urgent first."""
    return db.execute(
        _TASKS.where(work.c.tenant_id == tenant_id, work.c.patient_id.in_(patient_ids), _IS_OPEN).order_by(
            work.c.urgency, work.c.due_at, work.c.task_id
        )
    ).all()


def open_tasks(
    db: Session,
    *,
    tenant_id: str,
    now: datetime,
    after: tuple[int, datetime, str] | None,
    limit: int,
    asked: Sequence[str] = (),
    held_by: str | None = None,
    unclaimed: bool = False,
    overdue: bool | None = None,
    patient_id: str | None = None,
    task: str | None = None,
) -> Sequence[Any]:
    """Return open tasks of a tenant, the most urgent first.

    :param asked: roles one of which is asked: as the owner, by having been handed it, or as the next
        role of a task that is overdue. Nobody in particular when empty.
    """
    place = sa.tuple_(work.c.urgency, work.c.due_at, work.c.task_id)
    query = (
        _TASKS.where(work.c.tenant_id == tenant_id, _IS_OPEN)
        .order_by(work.c.urgency, work.c.due_at, work.c.task_id)
        .limit(limit)
    )
    is_overdue = work.c.due_at < now
    if after is not None:
        query = query.where(place > sa.tuple_(*after, types=[column.type for column in place.clauses]))
    if asked:
        asked_now = sa.case((_HELD, work.c.held_role), else_=work.c.owner_role)
        query = query.where(sa.or_(asked_now.in_(asked), sa.and_(is_overdue, work.c.next_role.in_(asked))))
    if held_by is not None:
        taken = sa.and_(_HELD, work.c.held_by == held_by)
        query = query.where(
            sa.or_(taken, sa.and_(_ACKNOWLEDGED, acknowledgements.c.acknowledged_by == held_by))
        )
    if unclaimed:
        query = query.where(sa.not_(sa.and_(_HELD.is_(True), work.c.held_by.is_not(None))))
        query = query.where(_ACKNOWLEDGED.is_not(True))
    if overdue is not None:
        query = query.where(is_overdue if overdue else sa.not_(is_overdue))
    if patient_id is not None:
        query = query.where(work.c.patient_id == patient_id)
    if task is not None:
        query = query.where(work.c.task == task)
    return db.execute(query).all()


def empty_work_list(db: Session) -> None:
    """Forget the work list until the transaction ends, and let nobody else change it meanwhile."""
    # Stronger than what a row lock takes, so that nobody holds a row that is waited for here.
    db.execute(sa.text("LOCK TABLE work IN EXCLUSIVE MODE"))
    db.execute(sa.delete(work))
    db.execute(sa.delete(acknowledgements))


#: Events read at once, so that however many there are, few are in memory.
_TOLD_AT_ONCE = 1000
#: Before every id.
_FIRST_ID = str(UUID(int=0))


def told_of_tasks(db: Session, *, types: Sequence[str], own_types: Sequence[str]) -> Iterator[bytes]:
    """Return every event of these types ever archived, and of *own_types* also those still on their way.

    What the gateway announced itself is in its outbox before it comes back to its archive.
    """
    for table, wanted in ((archive, types), (metadata.tables["outbox"], own_types)):
        page = (
            sa.select(table.c.event_id, table.c.body)
            .where(table.c.type.in_(wanted), table.c.event_id > sa.bindparam("after"))
            .order_by(table.c.event_id)
            .limit(_TOLD_AT_ONCE)
        )
        after = _FIRST_ID
        while rows := db.execute(page, {"after": after}).all():
            yield from (bytes(row.body) for row in rows)
            after = rows[-1].event_id
