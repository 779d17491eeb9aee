"""What intake keeps, and the queries that it asks by name."""

import hashlib
from typing import Any

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, String, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, registry

from services.intake.domain import (
    admissions,
    assessments,
    consents,
    decisions,
    episodes,
    obligations,
    outward,
    people,
    referrals,
    reviews,
    sites,
    tasks,
)
from shared.contracts import intake as codes
from shared.database import (
    blind_index_column,
    id_column,
    moment,
    new_metadata,
    reference,
    sealed,
    sealed_column,
    tenant_column,
)

metadata = new_metadata()
mapper = registry(metadata=metadata)

#: Level of care, role and credential: short codes.
_CODE = String(40)


def _one_of(column: str, allowed: tuple[str, ...]) -> CheckConstraint:
    values = ", ".join(f"'{value}'" for value in allowed)
    return CheckConstraint(f"{column} IN ({values})", name=column)


def _belongs_to(name: str, target: str, *, nullable: bool = False) -> Column[str]:
    # Deferred, because rows of several tables are written in one flush in no order of ours.
    key = ForeignKey(target, deferrable=True, initially="DEFERRED")
    return Column(name, sa.Uuid(as_uuid=False), key, nullable=nullable)


def _actor_columns(prefix: str, *, credential: bool = True) -> list[Column[Any]]:
    columns: list[Column[Any]] = [
        Column(f"{prefix}_by", String(64), nullable=False),
        Column(f"{prefix}_by_role", String(32), nullable=False),
    ]
    if credential:
        columns.append(Column(f"{prefix}_by_credential", String(16), nullable=False))
    return columns


site_rows = Table(
    "sites",
    metadata,
    tenant_column(),
    # A site's id may be chosen by the caller, so it is unique within the tenant only.
    reference("site_id"),
    Column("name", String(200), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("levels_licensed", JSONB, nullable=False),
    Column("emergency_phone", String(32)),
    Column("opened_at", moment(), nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", "site_id"),
)

patient_rows = Table(
    "patients",
    metadata,
    id_column("patient_id"),
    tenant_column(),
    reference("journey_id"),
    blind_index_column("identity"),
    sealed_column("given_name", nullable=False),
    sealed_column("family_name", nullable=False),
    sealed_column("birth_date", nullable=False),
    sealed_column("phone"),
    sealed_column("email"),
    Column("sex", _CODE, nullable=False),
    Column("registered_at", moment(), nullable=False),
    _one_of("sex", codes.SEXES),
    UniqueConstraint("tenant_id", "identity_index"),
)

referral_rows = Table(
    "referrals",
    metadata,
    id_column("referral_id"),
    tenant_column(),
    _belongs_to("patient_id", "patients.patient_id"),
    reference("episode_id"),
    reference("journey_id"),
    reference("site_id"),
    Column("referral_source", _CODE, nullable=False),
    Column("known_patient", sa.Boolean, nullable=False),
    Column("received_at", moment(), nullable=False),
    Column("teds", JSONB, nullable=False),
    Column("recorded_service", sa.SmallInteger),
    _one_of("referral_source", (*codes.REFERRAL_SOURCES, referrals.REENTRY)),
    Index("ix_referrals_tenant_patient", "tenant_id", "patient_id"),
)

episode_rows = Table(
    "episodes",
    metadata,
    id_column("episode_id"),
    tenant_column(),
    _belongs_to("patient_id", "patients.patient_id"),
    reference("journey_id"),
    reference("site_id"),
    _belongs_to("referral_id", "referrals.referral_id"),
    Column("state", _CODE, nullable=False),
    Column("minor", sa.Boolean, nullable=False),
    reference("assessment_id", nullable=True),
    reference("decision_id", nullable=True),
    Column("decided_level", _CODE),
    reference("admission_id", nullable=True),
    reference("outward_referral_id", nullable=True),
    reference("discharge_id", nullable=True),
    Column("opened_at", moment(), nullable=False),
    Column("closed_at", moment()),
    Column("decision_due_at", moment()),
    _one_of("state", codes.EPISODE_STATES),
    Index(
        "uq_episodes_one_open",
        "tenant_id",
        "patient_id",
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    ),
)

assessment_rows = Table(
    "assessments",
    metadata,
    id_column("assessment_id"),
    tenant_column(),
    _belongs_to("episode_id", "episodes.episode_id"),
    reference("patient_id"),
    reference("journey_id"),
    reference("site_id"),
    Column("edition", _CODE, nullable=False),
    Column("dimension_ratings", JSONB, nullable=False),
    Column("findings", JSONB, nullable=False),
    Column("gate", JSONB, nullable=False),
    Column("diagnoses", JSONB, nullable=False),
    Column("fit_factors", JSONB, nullable=False),
    Column("recommendation", JSONB, nullable=False),
    Column("risk_flags", JSONB, nullable=False),
    Column("recommended_level", _CODE, nullable=False),
    Column("rule_version", _CODE, nullable=False),
    Column("opioid", sa.Boolean, nullable=False),
    Column("minor", sa.Boolean, nullable=False),
    Column("completed_at", moment(), nullable=False),
    *_actor_columns("completed"),
    sealed_column("goals", nullable=False),
    _one_of("recommended_level", codes.LEVELS_OF_CARE),
    Index("ix_assessments_tenant_episode", "tenant_id", "episode_id"),
)

decision_rows = Table(
    "level_decisions",
    metadata,
    id_column("decision_id"),
    tenant_column(),
    _belongs_to("assessment_id", "assessments.assessment_id"),
    _belongs_to("episode_id", "episodes.episode_id"),
    Column("recommended_level", _CODE, nullable=False),
    Column("decided_level", _CODE, nullable=False),
    Column("overridden", sa.Boolean, nullable=False),
    Column("override_reason_code", _CODE),
    Column("rule_version", _CODE, nullable=False),
    Column("decided_at", moment(), nullable=False),
    *_actor_columns("decided"),
    sealed_column("override_reason"),
    _one_of("decided_level", codes.LEVELS_OF_CARE),
    CheckConstraint("overridden = (override_reason_code IS NOT NULL)", name="override_has_reason"),
    UniqueConstraint("tenant_id", "assessment_id"),
)

consent_rows = Table(
    "consents",
    metadata,
    id_column("consent_id"),
    tenant_column(),
    _belongs_to("patient_id", "patients.patient_id"),
    reference("journey_id"),
    Column("kind", _CODE, nullable=False),
    Column("signed_by", _CODE, nullable=False),
    Column("signed_at", moment(), nullable=False),
    Column("granted_at", moment(), nullable=False),
    Column("information_classes", JSONB, nullable=False),
    reference("recipient_id", nullable=True),
    Column("expires_at", moment()),
    Column("ends_with_event", _CODE),
    Column("revoked_at", moment()),
    sealed_column("recipient"),
    sealed_column("purpose"),
    _one_of("kind", codes.CONSENT_KINDS),
    _one_of("signed_by", codes.SIGNATORIES),
    Index("ix_consents_tenant_patient", "tenant_id", "patient_id"),
)

admission_rows = Table(
    "admissions",
    metadata,
    id_column("admission_id"),
    tenant_column(),
    _belongs_to("episode_id", "episodes.episode_id"),
    _belongs_to("patient_id", "patients.patient_id"),
    Column("level", _CODE, nullable=False),
    Column("admitted_at", moment(), nullable=False),
    *_actor_columns("admitted", credential=False),
    Column("follow_up_consent", sa.Boolean, nullable=False),
    _one_of("level", tuple(admissions.WEEKLY_MINUTES)),
    UniqueConstraint("tenant_id", "episode_id"),
)

outward_rows = Table(
    "outward_referrals",
    metadata,
    id_column("outward_referral_id"),
    tenant_column(),
    _belongs_to("episode_id", "episodes.episode_id"),
    reference("patient_id"),
    reference("journey_id"),
    Column("level", _CODE, nullable=False),
    Column("referred_at", moment(), nullable=False),
    *_actor_columns("referred", credential=False),
    sealed_column("program"),
    UniqueConstraint("tenant_id", "episode_id"),
)

follow_up_rows = Table(
    "follow_ups",
    metadata,
    id_column("follow_up_id"),
    tenant_column(),
    _belongs_to("outward_referral_id", "outward_referrals.outward_referral_id"),
    Column("number", sa.SmallInteger, nullable=False),
    Column("due_at", moment(), nullable=False),
    Column("state", _CODE, nullable=False),
    Column("outcome", _CODE),
    Column("recorded_at", moment()),
    Column("recorded_by", String(64)),
    Column("recorded_by_role", String(32)),
    sealed_column("note"),
    _one_of("state", (outward.PLANNED, outward.DUE, outward.DONE)),
    _one_of("outcome", codes.REFERRAL_FOLLOW_UP_OUTCOMES),
    UniqueConstraint("tenant_id", "outward_referral_id", "number"),
)

review_rows = Table(
    "level_reviews",
    metadata,
    id_column("review_id"),
    tenant_column(),
    _belongs_to("episode_id", "episodes.episode_id"),
    reference("patient_id"),
    reference("journey_id"),
    Column("reason", _CODE, nullable=False),
    Column("requested_at", moment(), nullable=False),
    Column("due_at", moment(), nullable=False),
    Column("state", _CODE, nullable=False),
    Column("outcome", _CODE),
    Column("closed_at", moment()),
    Column("closed_by", String(64)),
    Column("closed_by_role", String(32)),
    Column("closed_by_credential", String(16)),
    sealed_column("note"),
    _one_of("state", (reviews.OPEN, reviews.CLOSED, reviews.WITHDRAWN)),
    _one_of("outcome", codes.REVIEW_OUTCOMES),
    Index("ix_level_reviews_tenant_episode", "tenant_id", "episode_id"),
)

task_rows = Table(
    "tasks",
    metadata,
    id_column("task_id"),
    tenant_column(),
    Column("task", _CODE, nullable=False),
    Column("owner_role", String(32), nullable=False),
    Column("next_role", String(32), nullable=False),
    Column("reason", _CODE, nullable=False),
    reference("about_id"),
    reference("patient_id"),
    reference("episode_id"),
    reference("journey_id"),
    Column("opened_at", moment(), nullable=False),
    Column("due_at", moment(), nullable=False),
    Column("outcome", _CODE),
    Column("closed_at", moment()),
    _one_of("outcome", (tasks.DONE, tasks.WITHDRAWN, tasks.ESCALATED)),
    Index("ix_tasks_tenant_episode", "tenant_id", "episode_id"),
)

obligation_fit_rows = Table(
    "obligation_fits",
    metadata,
    tenant_column(),
    # Scheduling may find the fit before intake's own transaction is seen, so nothing is referred to.
    reference("patient_id"),
    reference("site_id"),
    Column("best_track", _CODE, nullable=False),
    Column("placeable_minutes", sa.Integer, nullable=False),
    Column("required_minutes", sa.Integer, nullable=False),
    Column("found_at", moment(), nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", "patient_id", "site_id"),
)

mapper.map_imperatively(sites.Site, site_rows)
mapper.map_imperatively(people.Patient, patient_rows)
mapper.map_imperatively(referrals.Referral, referral_rows)
mapper.map_imperatively(episodes.Episode, episode_rows)
mapper.map_imperatively(assessments.Assessment, assessment_rows)
mapper.map_imperatively(decisions.LevelDecision, decision_rows)
mapper.map_imperatively(consents.Consent, consent_rows)
mapper.map_imperatively(admissions.Admission, admission_rows)
mapper.map_imperatively(outward.OutwardReferral, outward_rows)
mapper.map_imperatively(outward.FollowUp, follow_up_rows)
mapper.map_imperatively(reviews.LevelReview, review_rows)
mapper.map_imperatively(tasks.Task, task_rows)
mapper.map_imperatively(obligations.ObligationFit, obligation_fit_rows)

sealed(
    people.Patient,
    key="patient_id",
    fields=("given_name", "family_name", "birth_date", "phone", "email"),
)
sealed(assessments.Assessment, key="assessment_id", fields=("goals",))
sealed(decisions.LevelDecision, key="decision_id", fields=("override_reason",))
sealed(consents.Consent, key="consent_id", fields=("recipient", "purpose"))
sealed(outward.OutwardReferral, key="outward_referral_id", fields=("program",))
sealed(outward.FollowUp, key="follow_up_id", fields=("note",))
sealed(reviews.LevelReview, key="review_id", fields=("note",))


def find_site(db: Session, *, site_id: str) -> sites.Site | None:
    """Return a site, if it is there."""
    return db.scalar(sa.select(sites.Site).where(site_rows.c.site_id == site_id))


def sites_after(db: Session, *, after: str | None, limit: int) -> list[sites.Site]:
    """Return sites by id, from behind *after*."""
    query = sa.select(sites.Site).order_by(site_rows.c.site_id).limit(limit)
    return list(db.scalars(query.where(site_rows.c.site_id > after) if after else query))


def take_turn(db: Session, *, tenant_id: str, about: bytes) -> None:
    """Wait until nobody else creates the same thing; held until the transaction ends."""
    digest = hashlib.sha256(tenant_id.encode() + b":" + about).digest()
    place = int.from_bytes(digest[:8], "big", signed=True)
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(place)))


def recognise(db: Session, *, identity_index: bytes) -> people.Patient | None:
    """Return the person with an identity, if known."""
    return db.scalar(sa.select(people.Patient).where(patient_rows.c.identity_index == identity_index))


def find_patient(db: Session, *, patient_id: str) -> people.Patient | None:
    """Return a person, if known."""
    return db.scalar(sa.select(people.Patient).where(patient_rows.c.patient_id == patient_id))


def find_referral(db: Session, *, referral_id: str) -> referrals.Referral | None:
    """Return a referral, if it is there."""
    return db.scalar(sa.select(referrals.Referral).where(referral_rows.c.referral_id == referral_id))


def find_episode(db: Session, *, episode_id: str) -> episodes.Episode | None:
    """Return an episode, if it is there."""
    return db.scalar(sa.select(episodes.Episode).where(episode_rows.c.episode_id == episode_id))


def lock_episode(db: Session, *, episode_id: str) -> episodes.Episode | None:
    """Return an episode, which nobody else changes until the transaction ends."""
    query = sa.select(episodes.Episode).where(episode_rows.c.episode_id == episode_id)
    return db.scalar(query.with_for_update().execution_options(populate_existing=True))


def lock_open_episode(db: Session, *, patient_id: str) -> episodes.Episode | None:
    """Return the open episode of a person, which nobody else changes until the transaction ends."""
    query = sa.select(episodes.Episode).where(
        episode_rows.c.patient_id == patient_id, episode_rows.c.closed_at.is_(None)
    )
    return db.scalar(query.with_for_update().execution_options(populate_existing=True))


def find_assessment(db: Session, *, assessment_id: str | None) -> assessments.Assessment | None:
    """Return an assessment, if it is there."""
    return db.scalar(
        sa.select(assessments.Assessment).where(assessment_rows.c.assessment_id == assessment_id)
    )


def lock_consent(db: Session, *, consent_id: str) -> consents.Consent | None:
    """Return a consent, which nobody else changes until the transaction ends."""
    query = sa.select(consents.Consent).where(consent_rows.c.consent_id == consent_id)
    return db.scalar(query.with_for_update().execution_options(populate_existing=True))


def consents_of(db: Session, *, patient_id: str) -> list[consents.Consent]:
    """Return all consents of a person, oldest first."""
    query = sa.select(consents.Consent).where(consent_rows.c.patient_id == patient_id)
    return list(db.scalars(query.order_by(consent_rows.c.granted_at, consent_rows.c.consent_id)))


def find_outward_referral(db: Session, *, outward_referral_id: str) -> outward.OutwardReferral | None:
    """Return a referral to another program, if it is there."""
    return db.scalar(
        sa.select(outward.OutwardReferral).where(outward_rows.c.outward_referral_id == outward_referral_id)
    )


def lock_follow_ups(db: Session, *, outward_referral_id: str) -> list[outward.FollowUp]:
    """Return the follow-ups of a referral, first to last, which nobody else changes meanwhile."""
    query = (
        sa.select(outward.FollowUp)
        .where(follow_up_rows.c.outward_referral_id == outward_referral_id)
        .order_by(follow_up_rows.c.number)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(db.scalars(query))


def follow_ups_of(db: Session, *, outward_referral_id: str) -> list[outward.FollowUp]:
    """Return the follow-ups of a referral, first to last."""
    query = sa.select(outward.FollowUp).where(follow_up_rows.c.outward_referral_id == outward_referral_id)
    return list(db.scalars(query.order_by(follow_up_rows.c.number)))


def lock_review(db: Session, *, review_id: str) -> reviews.LevelReview | None:
    """Return a review, which nobody else changes until the transaction ends."""
    query = sa.select(reviews.LevelReview).where(review_rows.c.review_id == review_id)
    return db.scalar(query.with_for_update().execution_options(populate_existing=True))


def reviews_after(
    db: Session, *, only_open: bool, episode_id: str | None, after: str | None, limit: int
) -> list[reviews.LevelReview]:
    """Return reviews by id, from behind *after*."""
    query = sa.select(reviews.LevelReview)
    if only_open:
        query = query.where(review_rows.c.state == reviews.OPEN)
    if episode_id:
        query = query.where(review_rows.c.episode_id == episode_id)
    if after:
        query = query.where(review_rows.c.review_id > after)
    return list(db.scalars(query.order_by(review_rows.c.review_id).limit(limit)))


def open_reviews_of(db: Session, *, episode_id: str) -> list[reviews.LevelReview]:
    """Return the open reviews of an episode, by id."""
    query = sa.select(reviews.LevelReview).where(
        review_rows.c.episode_id == episode_id, review_rows.c.state == reviews.OPEN
    )
    return list(db.scalars(query.order_by(review_rows.c.review_id)))


def find_task(db: Session, *, task_id: str) -> tasks.Task | None:
    """Return a task, if it is there."""
    return db.scalar(sa.select(tasks.Task).where(task_rows.c.task_id == task_id))


def open_tasks_of(db: Session, *, episode_id: str, task: str | None = None) -> list[tasks.Task]:
    """Return the open tasks of an episode, by id; of one kind, where *task* names it."""
    query = sa.select(tasks.Task).where(task_rows.c.episode_id == episode_id, task_rows.c.outcome.is_(None))
    if task:
        query = query.where(task_rows.c.task == task)
    return list(db.scalars(query.order_by(task_rows.c.task_id)))


def find_obligation_fit(db: Session, *, patient_id: str, site_id: str) -> obligations.ObligationFit | None:
    """Return how well a site's tracks fit a person, if scheduling has said so."""
    return db.scalar(
        sa.select(obligations.ObligationFit).where(
            obligation_fit_rows.c.patient_id == patient_id, obligation_fit_rows.c.site_id == site_id
        )
    )
