"""Cover: payers' answers, authorisations and the units that are taken of them."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, Index, String, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.intake.domain import coverage
from services.intake.tables.columns import (
    CODE,
    actor_columns,
    belongs_to,
    mapper,
    metadata,
    one_of,
)
from services.intake.tables.people import episode_rows
from shared.contracts import intake as codes
from shared.database import (
    id_column,
    moment,
    reference,
    sealed,
    sealed_column,
    send_with_next,
    tenant_column,
    written_once,
)

coverage_rows = Table(
    "coverages",
    metadata,
    id_column("coverage_id"),
    tenant_column(),
    belongs_to("patient_id", "patients.patient_id"),
    reference("journey_id"),
    Column("payer", String(64), nullable=False),
    Column("status", CODE, nullable=False),
    Column("in_network", sa.Boolean),
    Column("needs_authorization", sa.Boolean, nullable=False),
    Column("deductible_left", sa.Integer),
    Column("out_of_pocket_left", sa.Integer),
    Column("coinsurance_percent", sa.SmallInteger),
    Column("copay", sa.Integer),
    Column("answered_at", moment(), nullable=False),
    sealed_column("member_number"),
    Column("stretches", JSONB),
    one_of("status", codes.COVERAGE_STATES),
    UniqueConstraint("tenant_id", "patient_id", "payer"),
)

authorization_rows = Table(
    "authorizations",
    metadata,
    id_column("authorization_id"),
    tenant_column(),
    belongs_to("episode_id", "episodes.episode_id"),
    reference("patient_id"),
    reference("journey_id"),
    belongs_to("coverage_id", "coverages.coverage_id"),
    Column("decision", CODE, nullable=False),
    Column("units", sa.Integer, nullable=False),
    Column("first_on", sa.Date, nullable=False),
    Column("last_on", sa.Date, nullable=False),
    Column("decided_at", moment(), nullable=False),
    *actor_columns("recorded", credential=False),
    Column("recorded_at", moment(), nullable=False),
    Column("denial_code", CODE),
    sealed_column("number"),
    Column("told", JSONB, nullable=False),
    one_of("decision", codes.AUTHORIZATION_DECISIONS),
    CheckConstraint("units >= 0", name="units"),
    Index("ix_authorizations_tenant_episode", "tenant_id", "episode_id"),
)

unit_rows = Table(
    "authorization_units",
    metadata,
    belongs_to("authorization_id", "authorizations.authorization_id"),
    tenant_column(),
    Column("served_on", sa.Date, nullable=False),
    Column("state", CODE, nullable=False),
    Column("taken_at", moment(), nullable=False),
    sa.PrimaryKeyConstraint("authorization_id", "served_on"),
    one_of("state", (coverage.RESERVED, coverage.USED)),
)

#: Seats that somebody was given, by the day at the site; a seat that is gone once stays gone.
scheduled_seat_rows = Table(
    "scheduled_seats",
    metadata,
    tenant_column(),
    reference("seat_id"),
    reference("episode_id"),
    Column("day", sa.Date, nullable=False),
    Column("gone", sa.Boolean, nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", "seat_id"),
    Index("ix_scheduled_seats_episode", "tenant_id", "episode_id", "day"),
)

mapper.map_imperatively(coverage.Coverage, coverage_rows)
mapper.map_imperatively(coverage.Authorization, authorization_rows)
mapper.map_imperatively(coverage.Unit, unit_rows)

sealed(coverage.Coverage, key="coverage_id", fields=("member_number",))
sealed(coverage.Authorization, key="authorization_id", fields=("number",))


_COVERAGES = written_once(
    sa.select(coverage.Coverage)
    .where(coverage_rows.c.patient_id == sa.bindparam("of_patient"))
    .order_by(coverage_rows.c.payer)
)
_AUTHORIZATIONS = written_once(
    sa.select(coverage.Authorization)
    .where(authorization_rows.c.episode_id == sa.bindparam("of_episode"))
    .order_by(
        authorization_rows.c.first_on,
        authorization_rows.c.recorded_at,
        authorization_rows.c.authorization_id,
    )
)


def lock_coverage(db: Session, *, patient_id: str, payer: str) -> coverage.Coverage | None:
    """Return a payer's answer about somebody, which nobody else changes until the transaction ends."""
    query = sa.select(coverage.Coverage).where(
        coverage_rows.c.patient_id == patient_id, coverage_rows.c.payer == payer
    )
    return db.scalar(query.with_for_update().execution_options(populate_existing=True))


def find_coverage(db: Session, *, coverage_id: str) -> coverage.Coverage | None:
    """Return a payer's answer, if it is there."""
    return db.get(coverage.Coverage, coverage_id)


def coverages_of(db: Session, *, patient_id: str) -> list[coverage.Coverage]:
    """Return what payers answered about somebody, by payer."""
    return list(db.scalars(_COVERAGES, {"of_patient": patient_id}))


def covers_to_ask(
    db: Session, *, site_id: str, before: datetime, after: str | None, limit: int
) -> list[tuple[coverage.Coverage, str]]:
    """Return covers that pay of people in an open episode at a site, last answered before a moment.

    By id, from behind *after*, each with the episode.
    """
    query = (
        sa.select(coverage.Coverage, episode_rows.c.episode_id)
        .join(
            episode_rows,
            sa.and_(
                episode_rows.c.tenant_id == coverage_rows.c.tenant_id,
                episode_rows.c.patient_id == coverage_rows.c.patient_id,
            ),
        )
        .where(
            episode_rows.c.site_id == site_id,
            episode_rows.c.closed_at.is_(None),
            coverage_rows.c.status == coverage.ACTIVE,
            coverage_rows.c.answered_at < before,
        )
    )
    if after:
        query = query.where(coverage_rows.c.coverage_id > after)
    found = db.execute(query.order_by(coverage_rows.c.coverage_id).limit(limit))
    return [(cover, episode_id) for cover, episode_id in found]


def lock_authorization(db: Session, *, authorization_id: str) -> coverage.Authorization | None:
    """Return an authorisation, which nobody else changes until the transaction ends."""
    return db.get(coverage.Authorization, authorization_id, with_for_update=True)


def authorizations_of(db: Session, *, episode_id: str) -> list[coverage.Authorization]:
    """Return the authorisations of an episode, oldest first."""
    return list(db.scalars(_AUTHORIZATIONS, {"of_episode": episode_id}))


_LOCK_AUTHORIZATION = """
SELECT FROM authorizations
WHERE tenant_id = %(tenant_id)s AND authorization_id = %(authorization_id)s FOR UPDATE
"""


def is_unit_of(authorization: Any) -> sa.ColumnElement[bool]:
    """Return what joins units to the authorisation that they are taken of.

    :param authorization: what has its columns.
    """
    return sa.and_(
        unit_rows.c.authorization_id == authorization.authorization_id,
        unit_rows.c.tenant_id == authorization.tenant_id,
    )


def as_in_ledger(authorization: Any) -> tuple[Any, ...]:
    """Return what authorisations with their units are ordered by: the oldest first, and each one's days."""
    return (
        authorization.first_on,
        authorization.recorded_at,
        authorization.authorization_id,
        unit_rows.c.served_on,
    )


_AND_UNITS = (
    sa.select(coverage.Authorization, coverage.Unit)
    .outerjoin(coverage.Unit, is_unit_of(authorization_rows.c))
    .execution_options(populate_existing=True)
)
_WITH_UNITS = written_once(
    _AND_UNITS.where(authorization_rows.c.authorization_id == sa.bindparam("of_authorization")).order_by(
        unit_rows.c.served_on
    ),
    narrowed=(coverage.Unit,),
)


def lock_units(
    db: Session, *, authorization_id: str
) -> tuple[coverage.Authorization, list[coverage.Unit]] | None:
    """Return an authorisation, locked, and the units that are taken of it, by day, in one look."""
    locked = {"tenant_id": db.info["tenant_id"], "authorization_id": authorization_id}
    # The lock is a statement of its own: one that waits for it would see the units as they were before.
    send_with_next(db.connection(), _LOCK_AUTHORIZATION, locked)
    rows = db.execute(_WITH_UNITS, {"of_authorization": authorization_id}).all()
    return (rows[0][0], [unit for _, unit in rows if unit is not None]) if rows else None


#: In one order, so that two who wait for the same never wait in a circle.
_LOCK_APPROVED = """
SELECT FROM authorizations
WHERE tenant_id = %(tenant_id)s AND episode_id = ANY(CAST(%(episode_ids)s AS uuid[]))
    AND decision = 'APPROVED' AND first_on <= %(until)s AND last_on >= %(since)s
ORDER BY episode_id, first_on, recorded_at, authorization_id FOR UPDATE
"""
_LEDGER = written_once(
    _AND_UNITS.where(authorization_rows.c.episode_id == sa.bindparam("of_episode")).order_by(
        *as_in_ledger(authorization_rows.c)
    ),
    narrowed=(coverage.Unit,),
)


#: An episode's authorisations, oldest first, each with the units that are taken of it, by day.
Ledger = list[tuple[coverage.Authorization, list[coverage.Unit]]]


def lock_ledger(db: Session, *, episode_id: str, days: Collection[date]) -> Ledger:
    """Return an episode's authorisations with their units, in one look.

    Those that were approved for a stretch with any of the days are locked.
    """
    lock_approved(db, episode_ids=[episode_id], days=days)
    rows = db.execute(_LEDGER, {"of_episode": episode_id})
    taken = [(authorization, unit) for authorization, unit in rows]
    return ledgers_in(taken, episode_ids=[episode_id])[episode_id]


def lock_approved(db: Session, *, episode_ids: Collection[str], days: Collection[date]) -> None:
    """Have the next statement wait until nobody else changes what was approved for any of some days."""
    if not days:
        return
    stretch = {"since": min(days), "until": max(days)}
    own = {"tenant_id": db.info["tenant_id"], "episode_ids": list(episode_ids)}
    # The lock is a statement of its own: one that waits for it would see the units as they were before.
    send_with_next(db.connection(), _LOCK_APPROVED, stretch | own)


def ledgers_in(
    rows: Iterable[tuple[coverage.Authorization, coverage.Unit | None]], *, episode_ids: Collection[str]
) -> dict[str, Ledger]:
    """Return the ledgers of some episodes by authorisations in their order, each once for each unit of it."""
    found: dict[str, Ledger] = {episode_id: [] for episode_id in episode_ids}
    for authorization, unit in rows:
        ledger = found[authorization.episode_id]
        if not ledger or ledger[-1][0] is not authorization:
            ledger.append((authorization, []))
        if unit is not None:
            ledger[-1][1].append(unit)
    return found


#: In the order of _LOCK_APPROVED, so that two who wait for the same never wait in a circle.
_APPROVED_UNTIL = (
    sa.select(coverage.Authorization)
    .where(
        authorization_rows.c.decision == coverage.APPROVED,
        authorization_rows.c.last_on >= sa.bindparam("last_from"),
        authorization_rows.c.episode_id.in_(
            sa.select(episode_rows.c.episode_id).where(
                episode_rows.c.tenant_id == authorization_rows.c.tenant_id,
                episode_rows.c.site_id == sa.bindparam("of_site"),
                episode_rows.c.closed_at.is_(None),
            )
        ),
    )
    .order_by(
        authorization_rows.c.episode_id,
        authorization_rows.c.first_on,
        authorization_rows.c.recorded_at,
        authorization_rows.c.authorization_id,
    )
    .with_for_update()
    .execution_options(populate_existing=True)
)


def lock_approved_until(db: Session, *, site_id: str, last_from: date) -> list[coverage.Authorization]:
    """Return what payers approved for people in treatment at a site until a day or later, locked."""
    return list(db.scalars(_APPROVED_UNTIL, {"of_site": site_id, "last_from": last_from}))


_UNITS = written_once(
    sa.select(coverage.Unit)
    .where(unit_rows.c.authorization_id == sa.bindparam("of_authorization"))
    .order_by(unit_rows.c.served_on)
)


def units_of(db: Session, *, authorization_id: str) -> list[coverage.Unit]:
    """Return the units that are taken of an authorisation, by day."""
    return list(db.scalars(_UNITS, {"of_authorization": authorization_id}))


_UNITS_OF_EPISODE = written_once(
    sa.select(coverage.Unit)
    .where(
        unit_rows.c.authorization_id.in_(
            sa.select(authorization_rows.c.authorization_id).where(
                authorization_rows.c.tenant_id == unit_rows.c.tenant_id,
                authorization_rows.c.episode_id == sa.bindparam("of_episode"),
            )
        )
    )
    .order_by(unit_rows.c.served_on)
)


def units_of_episode(db: Session, *, episode_id: str) -> list[coverage.Unit]:
    """Return the units that are taken of all authorisations of an episode, by day."""
    return list(db.scalars(_UNITS_OF_EPISODE, {"of_episode": episode_id}))


_GIVE_BACK = """
DELETE FROM authorization_units AS unit
USING unnest(CAST(%(authorization_ids)s AS uuid[]), CAST(%(days)s AS date[])) AS gone (authorization_id, day)
WHERE unit.tenant_id = %(tenant_id)s AND unit.authorization_id = gone.authorization_id
    AND unit.served_on = gone.day
"""


def give_back(db: Session, units: Collection[coverage.Unit]) -> None:
    """Have the next statement give units back, of authorisations that are locked."""
    if not units:
        return
    gone = {
        "tenant_id": db.info["tenant_id"],
        "authorization_ids": [unit.authorization_id for unit in units],
        "days": [unit.served_on for unit in units],
    }
    # Those that were taken just now are written before.
    db.flush()
    send_with_next(db.connection(), _GIVE_BACK, gone)
    for unit in units:
        db.expunge(unit)


#: However many seats in one statement of one form: what differs is handed over as arrays.
_KEEP_SEATS = """
INSERT INTO scheduled_seats AS known (tenant_id, seat_id, episode_id, day, gone)
SELECT %(tenant_id)s, seat_id, episode_id, day, %(gone)s
FROM unnest(CAST(%(seat_ids)s AS uuid[]), CAST(%(episode_ids)s AS uuid[]), CAST(%(days)s AS date[]))
    AS told (seat_id, episode_id, day)
ON CONFLICT (tenant_id, seat_id) DO UPDATE SET gone = known.gone OR excluded.gone
RETURNING CAST(known.seat_id AS text) AS seat_id, known.gone
"""
_DAYS_WITH_SEATS = """
SELECT CAST(told.episode_id AS text) AS episode_id, told.day
FROM unnest(CAST(%(episode_ids)s AS uuid[]), CAST(%(days)s AS date[])) AS told (episode_id, day)
WHERE EXISTS (
    SELECT FROM scheduled_seats AS seat
    WHERE seat.tenant_id = %(tenant_id)s AND seat.episode_id = told.episode_id AND seat.day = told.day
        AND NOT seat.gone
)
"""

#: The episode and the day at the site of each seat.
Seats = Mapping[str, tuple[str, date]]


def keep_seats(db: Session, seats: Seats) -> set[str]:
    """Keep that people have seats; return those that stand."""
    kept = db.connection().exec_driver_sql(_KEEP_SEATS, _told_of(db, seats, gone=False))
    return {row.seat_id for row in kept if not row.gone}


def drop_seats(db: Session, seats: Seats) -> set[tuple[str, date]]:
    """Keep that people have seats no more; return each episode and day of theirs with another seat."""
    connection, told = db.connection(), _told_of(db, seats, gone=True)
    # Asked after it, in one trip: a statement does not see what it writes itself.
    send_with_next(connection, _KEEP_SEATS, told)
    return {(row.episode_id, row.day) for row in connection.exec_driver_sql(_DAYS_WITH_SEATS, told)}


def _told_of(db: Session, seats: Seats, *, gone: bool) -> dict[str, Any]:
    # Sorted, so that copies that keep the same seats wait for each other and never in a circle.
    told = sorted((seat_id, episode_id, day) for seat_id, (episode_id, day) in seats.items())
    seat_ids, episode_ids, days = (list(column) for column in zip(*told, strict=True))
    own = {"tenant_id": db.info["tenant_id"], "gone": gone}
    return own | {"seat_ids": seat_ids, "episode_ids": episode_ids, "days": days}


_seat = scheduled_seat_rows.c
_SCHEDULED_DAYS = (
    sa.select(_seat.day)
    .where(
        _seat.tenant_id == sa.bindparam("of_tenant"),
        _seat.episode_id == sa.bindparam("of_episode"),
        _seat.day >= sa.bindparam("since"),
        _seat.gone.is_(False),
    )
    .distinct()
    .order_by(_seat.day)
)


def scheduled_days(db: Session, *, episode_id: str, since: date) -> list[date]:
    """Return the days from one on on which somebody has a seat, in order."""
    own = {"of_tenant": db.info["tenant_id"], "of_episode": episode_id}
    return list(db.scalars(_SCHEDULED_DAYS, own | {"since": since}))
