"""What a day costs, what somebody was told that care would cost, and what they pay of it."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, Index, String, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.intake.domain import costs, self_pay, sliding_fees
from services.intake.tables.columns import (
    CODE,
    actor_columns,
    any_of,
    belongs_to,
    mapper,
    metadata,
    one_of,
)
from shared.contracts import intake as codes
from shared.contracts.scheduling import SiteClosed
from shared.database import (
    id_column,
    moment,
    reference,
    sealed,
    sealed_column,
    tenant_column,
    written_once,
)

rate_rows = Table(
    "rates",
    metadata,
    id_column("rate_id"),
    tenant_column(),
    reference("site_id"),
    Column("payer", String(64), nullable=False),
    Column("level", CODE, nullable=False),
    Column("amount", sa.Integer, nullable=False),
    Column("effective_on", sa.Date, nullable=False),
    *actor_columns("recorded", credential=False),
    Column("recorded_at", moment(), nullable=False),
    one_of("level", codes.ALL_LEVELS_OF_CARE),
    CheckConstraint("amount > 0", name="amount"),
    Index("ix_rates_tenant_site", "tenant_id", "site_id", "payer"),
)

estimate_rows = Table(
    "cost_estimates",
    metadata,
    id_column("estimate_id"),
    tenant_column(),
    reference("patient_id"),
    belongs_to("episode_id", "episodes.episode_id"),
    reference("journey_id"),
    Column("payer", String(64), nullable=False),
    reference("coverage_id", nullable=True),
    Column("level", CODE, nullable=False),
    Column("units", sa.Integer, nullable=False),
    Column("amount", sa.Integer, nullable=False),
    Column("total", sa.BigInteger, nullable=False),
    Column("person_pays_least", sa.BigInteger, nullable=False),
    Column("person_pays_most", sa.BigInteger, nullable=False),
    Column("assumptions", JSONB, nullable=False),
    Column("good_faith", sa.Boolean, nullable=False),
    Column("made_at", moment(), nullable=False),
    *actor_columns("made", credential=False),
    CheckConstraint("person_pays_least <= person_pays_most", name="least_and_most"),
    Index("ix_cost_estimates_tenant_episode", "tenant_id", "episode_id"),
)

fee_assessment_rows = Table(
    "fee_assessments",
    metadata,
    id_column("fee_assessment_id"),
    tenant_column(),
    reference("patient_id"),
    belongs_to("episode_id", "episodes.episode_id"),
    reference("journey_id"),
    Column("household_size", sa.SmallInteger, nullable=False),
    sealed_column("yearly_income", nullable=False),
    Column("proof", CODE, nullable=False),
    Column("state", String(2)),
    Column("percent_of_guideline", sa.Integer, nullable=False),
    Column("pays_percent", sa.SmallInteger, nullable=False),
    Column("pack_version", sa.SmallInteger, nullable=False),
    Column("guidelines_year", sa.SmallInteger, nullable=False),
    Column("assessed_at", moment(), nullable=False),
    Column("ends_at", moment(), nullable=False),
    *actor_columns("assessed", credential=False),
    one_of("proof", codes.INCOME_PROOFS),
    CheckConstraint("pays_percent BETWEEN 0 AND 100", name="pays_percent"),
    Index("ix_fee_assessments_tenant_patient", "tenant_id", "patient_id"),
)

self_pay_rows = Table(
    "self_pays",
    metadata,
    belongs_to("episode_id", "episodes.episode_id"),
    tenant_column(),
    reference("patient_id"),
    reference("journey_id"),
    reference("site_id"),
    Column("scheduled_at", moment()),
    Column("first_session_at", moment()),
    Column("days_a_week", sa.SmallInteger),
    Column("days_agreed_at", moment()),
    Column("declared_at", moment()),
    Column("reason", CODE),
    Column("requested_at", moment()),
    Column("due_at", moment()),
    reference("estimate_id", nullable=True),
    Column("estimated_at", moment()),
    Column("estimated_total", sa.BigInteger),
    Column("estimated_day", sa.Integer),
    Column("stretches", JSONB, nullable=False, server_default="[]"),
    sa.PrimaryKeyConstraint("episode_id"),
    one_of("reason", (*codes.SELF_PAY_REASONS, self_pay.COVER_INACTIVE)),
)

holiday_rows = Table(
    "site_holidays",
    metadata,
    tenant_column(),
    reference("closure_id"),
    reference("site_id"),
    Column("closed_from", moment(), nullable=False),
    Column("closed_until", moment(), nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", "closure_id"),
    Index("ix_site_holidays_site", "tenant_id", "site_id", "closed_until"),
)

mapper.map_imperatively(costs.Rate, rate_rows)
mapper.map_imperatively(costs.Estimate, estimate_rows)
mapper.map_imperatively(sliding_fees.FeeAssessment, fee_assessment_rows)
mapper.map_imperatively(self_pay.SelfPay, self_pay_rows)

sealed(sliding_fees.FeeAssessment, key="fee_assessment_id", fields=("yearly_income",))


def rates_of(db: Session, *, site_id: str) -> list[costs.Rate]:
    """Return every rate of a site, by payer and level, the newest last."""
    query = sa.select(costs.Rate).where(rate_rows.c.site_id == site_id)
    columns = rate_rows.c
    return list(
        db.scalars(query.order_by(columns.payer, columns.level, columns.effective_on, columns.rate_id))
    )


def estimates_of(db: Session, *, episode_id: str) -> list[costs.Estimate]:
    """Return what somebody was told in an episode, the newest first."""
    query = sa.select(costs.Estimate).where(estimate_rows.c.episode_id == episode_id)
    return list(db.scalars(query.order_by(estimate_rows.c.made_at.desc(), estimate_rows.c.estimate_id)))


def newest_fee_assessment(db: Session, *, patient_id: str, at: datetime) -> sliding_fees.FeeAssessment | None:
    """Return what somebody pays by household and income, as it was last worked out, while it holds."""
    query = (
        sa.select(sliding_fees.FeeAssessment)
        .where(fee_assessment_rows.c.patient_id == patient_id, fee_assessment_rows.c.ends_at > at)
        .order_by(fee_assessment_rows.c.assessed_at.desc(), fee_assessment_rows.c.fee_assessment_id)
    )
    return db.scalar(query.limit(1))


def find_self_pay(db: Session, *, episode_id: str) -> self_pay.SelfPay | None:
    """Return what is known of how somebody pays themself, if anything is."""
    return db.get(self_pay.SelfPay, episode_id)


_SELF_PAYS = written_once(
    sa.select(self_pay.SelfPay).where(self_pay_rows.c.episode_id == any_of("of_episodes"))
)


def self_pays_of(db: Session, *, episode_ids: Collection[str]) -> dict[str, self_pay.SelfPay]:
    """Return what is known of how people pay themselves, by episode, where anything is."""
    found = db.scalars(_SELF_PAYS, {"of_episodes": list(episode_ids)})
    return {own.episode_id: own for own in found}


def lock_self_pay(db: Session, *, episode_id: str) -> self_pay.SelfPay | None:
    """Return the same, which nobody else changes until the transaction ends."""
    return db.get(self_pay.SelfPay, episode_id, with_for_update=True)


def keep_holiday(db: Session, event: SiteClosed) -> None:
    """Keep a stretch in which a site keeps a holiday; the same one twice is one."""
    keep = postgresql.insert(holiday_rows).values(
        tenant_id=db.info["tenant_id"],
        closure_id=event.closure_id,
        site_id=event.site_id,
        closed_from=event.closed_from,
        closed_until=event.closed_until,
    )
    db.execute(keep.on_conflict_do_nothing())


def holidays_after(db: Session, *, site_id: str, since: datetime) -> list[tuple[datetime, datetime]]:
    """Return the stretches in which a site keeps holidays, from a moment on."""
    columns = holiday_rows.c
    query = sa.select(columns.closed_from, columns.closed_until).where(
        columns.tenant_id == db.info["tenant_id"],
        columns.site_id == site_id,
        columns.closed_until > since,
    )
    return [(begins, ends) for begins, ends in db.execute(query.order_by(columns.closed_from))]
