"""The waiting list for admission, and the seats that are offered to it."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Column, Index, String, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.intake.domain import admission_waits as waits
from services.intake.tables.admissions import admission_rows
from services.intake.tables.columns import CODE, belongs_to, mapper, metadata, one_of
from services.intake.tables.people import episode_rows, referral_rows
from shared.contracts import intake as codes
from shared.database import id_column, moment, reference, tenant_column, written_once

_STILL_WAITING = sa.text(f"state IN {waits.STILL_WAITING}")

admission_wait_rows = Table(
    "admission_waits",
    metadata,
    id_column("wait_id"),
    tenant_column(),
    belongs_to("episode_id", "episodes.episode_id"),
    reference("patient_id"),
    reference("journey_id"),
    reference("site_id"),
    Column("pregnant", sa.Boolean, nullable=False),
    Column("injecting", sa.Boolean, nullable=False),
    Column("asked_at", moment(), nullable=False),
    Column("joined_at", moment(), nullable=False),
    Column("state", CODE, nullable=False),
    reference("seat_id", nullable=True),
    Column("offer_expires_at", moment()),
    Column("offers", sa.SmallInteger, nullable=False),
    Column("passed", JSONB, nullable=False),
    Column("interim_services", JSONB, nullable=False),
    Column("interim_completed_at", moment()),
    Column("extended", sa.Boolean, nullable=False),
    Column("ended_at", moment()),
    Column("reason", CODE),
    Column("ended_by", String(64)),
    Column("ended_by_role", String(32)),
    one_of("state", codes.ADMISSION_WAIT_STATES),
    one_of("reason", codes.WAIT_REMOVAL_REASONS),
    Index(
        "uq_admission_waits_one_open",
        "tenant_id",
        "episode_id",
        unique=True,
        postgresql_where=_STILL_WAITING,
    ),
    # Two people never hold one seat, whatever a program's mistake.
    Index(
        "uq_admission_waits_seat",
        "tenant_id",
        "seat_id",
        unique=True,
        postgresql_where=sa.text("seat_id IS NOT NULL"),
    ),
    Index("ix_admission_waits_tenant_site", "tenant_id", "site_id", postgresql_where=_STILL_WAITING),
)

admission_seat_rows = Table(
    "admission_seats",
    metadata,
    id_column("seat_id"),
    tenant_column(),
    reference("site_id"),
    Column("freed_at", moment(), nullable=False),
    Column("state", CODE, nullable=False),
    reference("wait_id", nullable=True),
    one_of("state", (waits.FREE, waits.HELD, waits.PROMISED, waits.TAKEN)),
    Index(
        "ix_admission_seats_free",
        "tenant_id",
        "site_id",
        "freed_at",
        postgresql_where=sa.text(f"state = '{waits.FREE}'"),
    ),
)

mapper.map_imperatively(waits.AdmissionWait, admission_wait_rows)
mapper.map_imperatively(waits.AdmissionSeat, admission_seat_rows)


def find_admission_wait(db: Session, *, wait_id: str) -> waits.AdmissionWait | None:
    """Return an entry of the list, if it is there."""
    return db.get(waits.AdmissionWait, wait_id)


_NEWEST_WAIT = written_once(
    sa.select(waits.AdmissionWait)
    .where(admission_wait_rows.c.episode_id == sa.bindparam("of_episode"))
    .order_by(admission_wait_rows.c.wait_id.desc())
    .limit(1)
)


def newest_admission_wait(db: Session, *, episode_id: str) -> waits.AdmissionWait | None:
    """Return the newest entry of an episode, if there is one."""
    return db.scalar(_NEWEST_WAIT, {"of_episode": episode_id})


def open_admission_waits(db: Session, *, site_id: str) -> list[waits.AdmissionWait]:
    """Return everybody who waits at a site, in no order of the law."""
    query = sa.select(waits.AdmissionWait).where(
        admission_wait_rows.c.site_id == site_id, admission_wait_rows.c.state.in_(waits.STILL_WAITING)
    )
    return list(db.scalars(query.order_by(admission_wait_rows.c.wait_id)))


def find_admission_seat(db: Session, *, seat_id: str) -> waits.AdmissionSeat | None:
    """Return a seat, if it is there."""
    return db.get(waits.AdmissionSeat, seat_id)


def free_admission_seats(db: Session, *, site_id: str) -> list[waits.AdmissionSeat]:
    """Return the free seats of a site, the longest free first."""
    query = sa.select(waits.AdmissionSeat).where(
        admission_seat_rows.c.site_id == site_id, admission_seat_rows.c.state == waits.FREE
    )
    return list(db.scalars(query.order_by(admission_seat_rows.c.freed_at, admission_seat_rows.c.seat_id)))


def waited_for_admission(
    db: Session, *, site_id: str, since: datetime, until: datetime
) -> list[tuple[datetime, datetime]]:
    """Return when those asked who were admitted to a site in a time, and when they were admitted."""
    tenant_id = db.info["tenant_id"]
    query = (
        sa.select(
            sa.func.least(referral_rows.c.asked_at, referral_rows.c.received_at).label("asked_at"),
            admission_rows.c.admitted_at,
        )
        .join(episode_rows, episode_rows.c.episode_id == admission_rows.c.episode_id)
        .join(referral_rows, referral_rows.c.referral_id == episode_rows.c.referral_id)
        # Columns, not rows: so the tenant is named here.
        .where(
            admission_rows.c.tenant_id == tenant_id,
            episode_rows.c.site_id == site_id,
            admission_rows.c.admitted_at >= since,
            admission_rows.c.admitted_at < until,
        )
    )
    return [(row.asked_at, row.admitted_at) for row in db.execute(query)]
