"""What partners sent under their own ids, and step-downs from inpatient care."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy import Column, Index, LargeBinary, String, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.intake.domain import partner_referrals, step_downs
from services.intake.tables.columns import CODE, any_of, belongs_to, mapper, metadata
from shared.database import (
    blind_index_column,
    id_column,
    moment,
    reference,
    sealed,
    sealed_column,
    tenant_column,
    written_once,
)

partner_referral_rows = Table(
    "partner_referrals",
    metadata,
    id_column("partner_referral_id"),
    tenant_column(),
    Column("partner", String(64), nullable=False),
    blind_index_column("external"),
    Column("identity_index", LargeBinary(32), nullable=False),
    belongs_to("patient_id", "patients.patient_id"),
    belongs_to("episode_id", "episodes.episode_id"),
    reference("journey_id"),
    reference("site_id"),
    reference("referral_id", nullable=True),
    Column("received_at", moment(), nullable=False),
    sealed_column("external_id", nullable=False),
    UniqueConstraint("tenant_id", "external_index"),
)

step_down_rows = Table(
    "step_downs",
    metadata,
    id_column("step_down_id"),
    tenant_column(),
    belongs_to("episode_id", "episodes.episode_id"),
    reference("patient_id"),
    reference("journey_id"),
    reference("site_id"),
    Column("prior_level", CODE, nullable=False),
    Column("discharged_on", sa.Date, nullable=False),
    Column("received_at", moment(), nullable=False),
    Column("contact_due_at", moment(), nullable=False),
    Column("service_due_at", moment(), nullable=False),
    Column("contacted_at", moment()),
    Column("breached_at", moment()),
    Column("served_days", JSONB, nullable=False),
    Column("summary_due_at", moment()),
    Column("summary_received_at", moment()),
    Column("medications_reconciled", sa.Boolean, nullable=False),
    # Empty is no JSON at all, rather than JSON's null.
    Column("earlier_plan", JSONB(none_as_null=True)),
    sealed_column("words"),
    Index("ix_step_downs_tenant_episode", "tenant_id", "episode_id"),
)

mapper.map_imperatively(partner_referrals.PartnerReferral, partner_referral_rows)
mapper.map_imperatively(step_downs.StepDown, step_down_rows)

sealed(partner_referrals.PartnerReferral, key="partner_referral_id", fields=("external_id",))
sealed(step_downs.StepDown, key="step_down_id", fields=("words",))


def find_partner_referral(db: Session, *, external_index: bytes) -> partner_referrals.PartnerReferral | None:
    """Return what a partner sent under one of its ids, if it did."""
    return db.scalar(
        sa.select(partner_referrals.PartnerReferral).where(
            partner_referral_rows.c.external_index == external_index
        )
    )


def find_step_down(db: Session, *, step_down_id: str) -> step_downs.StepDown | None:
    """Return a step-down, if it is there."""
    return db.get(step_downs.StepDown, step_down_id)


def lock_step_down(db: Session, *, step_down_id: str) -> step_downs.StepDown | None:
    """Return a step-down, which nobody else changes until the transaction ends."""
    return db.get(step_downs.StepDown, step_down_id, with_for_update=True)


_STEP_DOWNS = written_once(
    sa.select(step_downs.StepDown)
    .where(step_down_rows.c.episode_id == any_of("of_episodes"))
    .order_by(step_down_rows.c.step_down_id)
    .with_for_update()
    .execution_options(populate_existing=True)
)


def step_downs_of(db: Session, *, episode_ids: Collection[str]) -> list[step_downs.StepDown]:
    """Return the step-downs of some episodes, which nobody else changes until the transaction ends."""
    return list(db.scalars(_STEP_DOWNS, {"of_episodes": list(episode_ids)}))


def newest_step_down(db: Session, *, episode_id: str) -> step_downs.StepDown | None:
    """Return the newest step-down of an episode, if there is one."""
    query = sa.select(step_downs.StepDown).where(step_down_rows.c.episode_id == episode_id)
    return db.scalar(query.order_by(step_down_rows.c.received_at.desc()).limit(1))
