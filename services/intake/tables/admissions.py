"""Admissions, and referrals to other programs."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Column, String, Table, UniqueConstraint
from sqlalchemy.orm import Session

from services.intake.domain import admissions, outward
from services.intake.domain.assessments import Assessment
from services.intake.domain.people import Patient
from services.intake.domain.referrals import Referral
from services.intake.tables.assessments import assessment_rows
from services.intake.tables.columns import CODE, actor_columns, belongs_to, mapper, metadata, one_of
from services.intake.tables.people import episode_rows, patient_rows, referral_rows
from shared.contracts import intake as codes
from shared.database import (
    id_column,
    moment,
    origin_of,
    reference,
    sealed,
    sealed_column,
    send_with_next,
    tenant_column,
    written_once,
)

admission_rows = Table(
    "admissions",
    metadata,
    id_column("admission_id"),
    tenant_column(),
    belongs_to("episode_id", "episodes.episode_id"),
    belongs_to("patient_id", "patients.patient_id"),
    Column("level", CODE, nullable=False),
    Column("admitted_at", moment(), nullable=False),
    *actor_columns("admitted", credential=False),
    Column("follow_up_consent", sa.Boolean, nullable=False),
    one_of("level", tuple(admissions.WEEKLY_MINUTES)),
    UniqueConstraint("tenant_id", "episode_id"),
)

outward_rows = Table(
    "outward_referrals",
    metadata,
    id_column("outward_referral_id"),
    tenant_column(),
    belongs_to("episode_id", "episodes.episode_id"),
    reference("patient_id"),
    reference("journey_id"),
    Column("level", CODE, nullable=False),
    Column("referred_at", moment(), nullable=False),
    *actor_columns("referred", credential=False),
    sealed_column("program"),
    UniqueConstraint("tenant_id", "episode_id"),
)

follow_up_rows = Table(
    "follow_ups",
    metadata,
    id_column("follow_up_id"),
    tenant_column(),
    belongs_to("outward_referral_id", "outward_referrals.outward_referral_id"),
    Column("number", sa.SmallInteger, nullable=False),
    Column("due_at", moment(), nullable=False),
    Column("state", CODE, nullable=False),
    Column("outcome", CODE),
    Column("recorded_at", moment()),
    Column("recorded_by", String(64)),
    Column("recorded_by_role", String(32)),
    sealed_column("note"),
    one_of("state", (outward.PLANNED, outward.DUE, outward.DONE)),
    one_of("outcome", codes.REFERRAL_FOLLOW_UP_OUTCOMES),
    UniqueConstraint("tenant_id", "outward_referral_id", "number"),
)

mapper.map_imperatively(admissions.Admission, admission_rows)
mapper.map_imperatively(outward.OutwardReferral, outward_rows)
mapper.map_imperatively(outward.FollowUp, follow_up_rows)

sealed(outward.OutwardReferral, key="outward_referral_id", fields=("program",))
sealed(outward.FollowUp, key="follow_up_id", fields=("note",))


def find_admission(db: Session, *, admission_id: str | None) -> admissions.Admission | None:
    """Return an admission, if it is there."""
    return db.get(admissions.Admission, admission_id) if admission_id else None


def admitted_at_of(db: Session, *, admission_ids: Collection[str]) -> dict[str, datetime]:
    """Return when some people were admitted, by admission."""
    rows = db.execute(
        sa.select(admissions.Admission.admission_id, admissions.Admission.admitted_at).where(
            admissions.Admission.admission_id.in_(list(admission_ids))
        )
    )
    return {row.admission_id: row.admitted_at for row in rows}


def admitted_after(
    db: Session,
    *,
    site_id: str,
    since: datetime | None,
    until: datetime | None,
    after: str | None,
    limit: int,
) -> list[tuple[admissions.Admission, Referral, Patient, Assessment | None]]:
    """Return a site's admissions of a stretch of time by id, each with what its record is made of."""
    query = (
        sa.select(admissions.Admission, Referral, Patient, Assessment)
        .select_from(admissions.Admission)
        .join(episode_rows, episode_rows.c.episode_id == admission_rows.c.episode_id)
        .join(Referral, referral_rows.c.referral_id == episode_rows.c.referral_id)
        .join(Patient, patient_rows.c.patient_id == admission_rows.c.patient_id)
        .outerjoin(Assessment, assessment_rows.c.assessment_id == episode_rows.c.assessment_id)
        .where(episode_rows.c.site_id == site_id)
        .order_by(admission_rows.c.admission_id)
        .limit(limit)
    )
    if since is not None:
        query = query.where(admission_rows.c.admitted_at >= since)
    if until is not None:
        query = query.where(admission_rows.c.admitted_at < until)
    if after is not None:
        query = query.where(admission_rows.c.admission_id > after)
    return [(admitted, referred, who, found) for admitted, referred, who, found in db.execute(query)]


def find_outward_referral(db: Session, *, outward_referral_id: str) -> outward.OutwardReferral | None:
    """Return a referral to another program, if it is there."""
    return db.get(outward.OutwardReferral, outward_referral_id)


_LOCK_FOLLOW_UPS = """
SELECT FROM follow_ups
WHERE tenant_id = %(tenant_id)s AND outward_referral_id = %(outward_referral_id)s ORDER BY number FOR UPDATE
"""
_WITH_FOLLOW_UPS = written_once(
    sa.select(outward.OutwardReferral, outward.FollowUp)
    .outerjoin(
        outward.FollowUp,
        sa.and_(
            follow_up_rows.c.outward_referral_id == outward_rows.c.outward_referral_id,
            follow_up_rows.c.tenant_id == outward_rows.c.tenant_id,
        ),
    )
    .where(outward_rows.c.outward_referral_id == sa.bindparam("of_referral"))
    .order_by(follow_up_rows.c.number)
    .execution_options(populate_existing=True),
    narrowed=(outward.FollowUp,),
)


def lock_follow_ups(
    db: Session, *, outward_referral_id: str
) -> tuple[outward.OutwardReferral, list[outward.FollowUp]] | None:
    """Return a referral, if it is there, and its follow-ups, first to last, which nobody else changes."""
    own = {"tenant_id": origin_of(db).tenant_id, "outward_referral_id": outward_referral_id}
    # The lock is a statement of its own: one that waits for it would see the rest as it was before.
    send_with_next(db.connection(), _LOCK_FOLLOW_UPS, own)
    rows = db.execute(_WITH_FOLLOW_UPS, {"of_referral": outward_referral_id}).all()
    return (rows[0][0], [follow_up for _, follow_up in rows if follow_up is not None]) if rows else None


def follow_ups_of(db: Session, *, outward_referral_id: str) -> list[outward.FollowUp]:
    """Return the follow-ups of a referral, first to last."""
    query = sa.select(outward.FollowUp).where(follow_up_rows.c.outward_referral_id == outward_referral_id)
    return list(db.scalars(query.order_by(follow_up_rows.c.number)))
