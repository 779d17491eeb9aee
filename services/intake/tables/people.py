"""People, how they were referred, and their episodes of care."""

import hashlib
from collections.abc import Collection, Iterable

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.intake.domain import episodes, people, referrals
from services.intake.tables.columns import CODE, belongs_to, mapper, metadata, one_of
from shared.contracts import intake as codes
from shared.database import (
    blind_index_column,
    id_column,
    moment,
    reference,
    sealed,
    sealed_column,
    send_with_next,
    tenant_column,
    written_once,
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
    Column("sex", CODE, nullable=False),
    Column("registered_at", moment(), nullable=False),
    Column("language", CODE),
    Column("preferred_channel", CODE),
    one_of("sex", codes.SEXES),
    one_of("preferred_channel", codes.CONTACT_KINDS),
    UniqueConstraint("tenant_id", "identity_index"),
)

referral_rows = Table(
    "referrals",
    metadata,
    id_column("referral_id"),
    tenant_column(),
    belongs_to("patient_id", "patients.patient_id"),
    reference("episode_id"),
    reference("journey_id"),
    reference("site_id"),
    Column("referral_source", CODE, nullable=False),
    Column("known_patient", sa.Boolean, nullable=False),
    Column("received_at", moment(), nullable=False),
    Column("teds", JSONB, nullable=False),
    Column("recorded_service", sa.SmallInteger),
    Column("asked_at", moment()),
    one_of("referral_source", (*codes.REFERRAL_SOURCES, referrals.REENTRY)),
    Index("ix_referrals_tenant_patient", "tenant_id", "patient_id"),
)

episode_rows = Table(
    "episodes",
    metadata,
    id_column("episode_id"),
    tenant_column(),
    belongs_to("patient_id", "patients.patient_id"),
    reference("journey_id"),
    reference("site_id"),
    belongs_to("referral_id", "referrals.referral_id"),
    Column("state", CODE, nullable=False),
    Column("minor", sa.Boolean, nullable=False),
    reference("assessment_id", nullable=True),
    reference("decision_id", nullable=True),
    Column("decided_level", CODE),
    reference("admission_id", nullable=True),
    reference("outward_referral_id", nullable=True),
    reference("discharge_id", nullable=True),
    Column("opened_at", moment(), nullable=False),
    Column("closed_at", moment()),
    Column("decision_due_at", moment()),
    one_of("state", codes.EPISODE_STATES),
    Index(
        "uq_episodes_one_open",
        "tenant_id",
        "patient_id",
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    ),
)

mapper.map_imperatively(people.Patient, patient_rows)
mapper.map_imperatively(referrals.Referral, referral_rows)
mapper.map_imperatively(episodes.Episode, episode_rows)

sealed(
    people.Patient,
    key="patient_id",
    fields=("given_name", "family_name", "birth_date", "phone", "email"),
)


#: The rows of an array come in its order.
_TAKE_TURNS = "SELECT pg_advisory_xact_lock(place) FROM unnest(%(places)s::bigint[]) place"
_RECOGNISED = written_once(
    sa.select(people.Patient).where(
        patient_rows.c.identity_index.in_(sa.bindparam("identities", expanding=True))
    )
)
_LOCKED_OPEN_EPISODES = written_once(
    sa.select(episodes.Episode)
    .where(
        episode_rows.c.patient_id.in_(sa.bindparam("of_patients", expanding=True)),
        episode_rows.c.closed_at.is_(None),
    )
    .order_by(episode_rows.c.episode_id)
    .with_for_update()
    .execution_options(populate_existing=True)
)
_LOCKED_OPEN_EPISODE = written_once(
    sa.select(episodes.Episode)
    .where(episode_rows.c.patient_id == sa.bindparam("of_patient"), episode_rows.c.closed_at.is_(None))
    .with_for_update()
    .execution_options(populate_existing=True)
)


def take_turn(db: Session, *, tenant_id: str, about: bytes) -> None:
    """Have the next statement wait until nobody else creates the same thing, and others wait for us."""
    take_turns(db, tenant_id=tenant_id, about=[about])


def take_turns(db: Session, *, tenant_id: str, about: Iterable[bytes]) -> None:
    """Do so for many things, in an order that two who wait for the same share."""
    digests = (hashlib.sha256(tenant_id.encode() + b":" + thing).digest() for thing in about)
    places = sorted({int.from_bytes(digest[:8], "big", signed=True) for digest in digests})
    send_with_next(db.connection(), _TAKE_TURNS, {"places": places})


def recognise(db: Session, *, identity_indexes: Collection[bytes]) -> list[people.Patient]:
    """Return the people with these identities, as far as they are known."""
    return list(db.scalars(_RECOGNISED, {"identities": list(identity_indexes)}))


def find_patient(db: Session, *, patient_id: str) -> people.Patient | None:
    """Return a person, if known."""
    return db.get(people.Patient, patient_id)


def find_patients(db: Session, *, patient_ids: Collection[str]) -> list[people.Patient]:
    """Return those of some people who are known, by id."""
    query = sa.select(people.Patient).where(patient_rows.c.patient_id.in_(list(patient_ids)))
    return list(db.scalars(query.order_by(patient_rows.c.patient_id)))


def find_referral(db: Session, *, referral_id: str) -> referrals.Referral | None:
    """Return a referral, if it is there."""
    return db.get(referrals.Referral, referral_id)


def find_episode(db: Session, *, episode_id: str) -> episodes.Episode | None:
    """Return an episode, if it is there."""
    return db.get(episodes.Episode, episode_id)


#: An open one began last, whatever moments a referral told.
NEWEST_FIRST = (episode_rows.c.closed_at.desc().nulls_first(), episode_rows.c.opened_at.desc())
_NEWEST_EPISODE = written_once(
    sa.select(episodes.Episode)
    .where(episode_rows.c.patient_id == sa.bindparam("of_patient"))
    .order_by(*NEWEST_FIRST)
    .limit(1)
)


def newest_episode(db: Session, *, patient_id: str) -> episodes.Episode | None:
    """Return the episode of a person that began last."""
    return db.scalar(_NEWEST_EPISODE, {"of_patient": patient_id})


def newest_episodes(db: Session, *, patient_ids: Collection[str]) -> dict[str, episodes.Episode]:
    """Return the episode that began last of each of some people, by person."""
    found = db.scalars(
        sa.select(episodes.Episode)
        .where(episode_rows.c.patient_id.in_(list(patient_ids)))
        .ext(postgresql.distinct_on(episode_rows.c.patient_id))
        # As for one person.
        .order_by(
            episode_rows.c.patient_id,
            episode_rows.c.closed_at.desc().nulls_first(),
            episode_rows.c.opened_at.desc(),
        )
    )
    return {episode.patient_id: episode for episode in found}


def lock_episode(db: Session, *, episode_id: str) -> episodes.Episode | None:
    """Return an episode, which nobody else changes until the transaction ends."""
    return db.get(episodes.Episode, episode_id, with_for_update=True)


def lock_open_episodes(db: Session, *, patient_ids: Collection[str]) -> list[episodes.Episode]:
    """Return the open episodes of people, which nobody else changes until the transaction ends."""
    return list(db.scalars(_LOCKED_OPEN_EPISODES, {"of_patients": list(patient_ids)}))


def lock_open_episode(db: Session, *, patient_id: str) -> episodes.Episode | None:
    """Return the open episode of a person, which nobody else changes until the transaction ends."""
    return db.scalar(_LOCKED_OPEN_EPISODE, {"of_patient": patient_id})
