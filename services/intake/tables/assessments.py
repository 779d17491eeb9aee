"""Assessments, decisions on the level of care, and how well tracks fit."""

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, Index, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.intake.domain import assessments, decisions, obligations
from services.intake.tables.columns import CODE, actor_columns, belongs_to, mapper, metadata, one_of
from shared.contracts import intake as codes
from shared.database import id_column, moment, reference, sealed, sealed_column, tenant_column, written_once

assessment_rows = Table(
    "assessments",
    metadata,
    id_column("assessment_id"),
    tenant_column(),
    belongs_to("episode_id", "episodes.episode_id"),
    reference("patient_id"),
    reference("journey_id"),
    reference("site_id"),
    Column("edition", CODE, nullable=False),
    Column("dimension_ratings", JSONB, nullable=False),
    Column("findings", JSONB, nullable=False),
    Column("gate", JSONB, nullable=False),
    Column("diagnoses", JSONB, nullable=False),
    Column("fit_factors", JSONB, nullable=False),
    Column("recommendation", JSONB, nullable=False),
    Column("risk_flags", JSONB, nullable=False),
    Column("recommended_level", CODE, nullable=False),
    Column("rule_version", CODE, nullable=False),
    Column("opioid", sa.Boolean, nullable=False),
    Column("minor", sa.Boolean, nullable=False),
    Column("completed_at", moment(), nullable=False),
    *actor_columns("completed"),
    sealed_column("goals", nullable=False),
    Column("conditions", JSONB, nullable=False, server_default="[]"),
    one_of("recommended_level", codes.ALL_LEVELS_OF_CARE),
    Index("ix_assessments_tenant_episode", "tenant_id", "episode_id"),
)

decision_rows = Table(
    "level_decisions",
    metadata,
    id_column("decision_id"),
    tenant_column(),
    belongs_to("assessment_id", "assessments.assessment_id"),
    belongs_to("episode_id", "episodes.episode_id"),
    Column("recommended_level", CODE, nullable=False),
    Column("decided_level", CODE, nullable=False),
    Column("overridden", sa.Boolean, nullable=False),
    Column("override_reason_code", CODE),
    Column("rule_version", CODE, nullable=False),
    Column("decided_at", moment(), nullable=False),
    *actor_columns("decided"),
    sealed_column("override_reason"),
    one_of("decided_level", codes.ALL_LEVELS_OF_CARE),
    CheckConstraint("overridden = (override_reason_code IS NOT NULL)", name="override_has_reason"),
    UniqueConstraint("tenant_id", "assessment_id"),
)

obligation_fit_rows = Table(
    "obligation_fits",
    metadata,
    tenant_column(),
    # Scheduling may find the fit before intake's own transaction is seen, so nothing is referred to.
    reference("patient_id"),
    reference("site_id"),
    Column("best_track", CODE, nullable=False),
    Column("placeable_minutes", sa.Integer, nullable=False),
    Column("required_minutes", sa.Integer, nullable=False),
    Column("found_at", moment(), nullable=False),
    #: Pairs of a track and the minutes that it can place, the best first.
    Column("by_track", JSONB, nullable=False, server_default="[]"),
    sa.PrimaryKeyConstraint("tenant_id", "patient_id", "site_id"),
)

mapper.map_imperatively(assessments.Assessment, assessment_rows)
mapper.map_imperatively(decisions.LevelDecision, decision_rows)
mapper.map_imperatively(obligations.ObligationFit, obligation_fit_rows)

sealed(assessments.Assessment, key="assessment_id", fields=("goals",))
sealed(decisions.LevelDecision, key="decision_id", fields=("override_reason",))


def find_assessment(db: Session, *, assessment_id: str | None) -> assessments.Assessment | None:
    """Return an assessment, if it is there."""
    return db.get(assessments.Assessment, assessment_id) if assessment_id else None


_OBLIGATION_FIT = written_once(
    sa.select(obligations.ObligationFit).where(
        obligation_fit_rows.c.patient_id == sa.bindparam("of_patient"),
        obligation_fit_rows.c.site_id == sa.bindparam("at_site"),
    )
)


def find_obligation_fit(db: Session, *, patient_id: str, site_id: str) -> obligations.ObligationFit | None:
    """Return how well a site's tracks fit a person, if scheduling has said so."""
    return db.scalar(_OBLIGATION_FIT, {"of_patient": patient_id, "at_site": site_id})
