"""The copies of what others tell: sites, patients and episodes."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.scheduling.domain import records, step_downs
from services.scheduling.tables.base import mapper, metadata
from shared.contracts.event import EpisodeFact
from shared.database import (
    id_column,
    moment,
    origin_of,
    reference,
    send_with_next,
    tenant_column,
    written_once,
)

sites = Table(
    "sites",
    metadata,
    id_column("site_id"),
    tenant_column(primary_key=True),
    Column("time_zone", sa.String(64), nullable=False),
    Column("opened_at", moment(), nullable=False),
    Column("emergency_line", sa.String(64)),
    Column("revision", sa.Integer, nullable=False, server_default="0"),
)

patients = Table(
    "patients",
    metadata,
    id_column("patient_id"),
    tenant_column(),
    reference("journey_id"),
    Column("bound_by", JSONB, nullable=False, server_default="[]"),
    reference("obligations_site_id", nullable=True),
    Column("obligations_declared_at", moment()),
    Column("wishes", JSONB, nullable=False, server_default="{}"),
    Column("peers", sa.String(8)),
    Column("peers_told_at", moment()),
    Column("supporters", sa.Integer),
    Column("supporters_told_at", moment()),
    Column("family_consents", JSONB, nullable=False, server_default="{}"),
)

episodes = Table(
    "episodes",
    metadata,
    id_column("episode_id"),
    tenant_column(),
    reference("patient_id"),
    reference("journey_id"),
    reference("site_id", nullable=True),
    Column("referred_at", moment()),
    Column("admitted_at", moment()),
    Column("level", sa.String(8)),
    Column("weekly_minutes_floor", sa.Integer),
    Column("weekly_minutes_ceiling", sa.Integer),
    Column("discharged_at", moment()),
    Column("discharge_reason", sa.String(8)),
    Column("modalities", JSONB, nullable=False, server_default="[]"),
    Column("treatment_plan_version", sa.Integer),
    Column("step_downs", JSONB, nullable=False, server_default="[]"),
    Index(None, "tenant_id", "patient_id"),
)

# A session sees one tenant only, so there the id alone is the key.
mapper.map_imperatively(records.Site, sites, primary_key=[sites.c.site_id])
mapper.map_imperatively(records.Patient, patients)
mapper.map_imperatively(records.Episode, episodes)


def _locked(query: sa.Select[Any]) -> sa.Select[Any]:
    return query.with_for_update(key_share=True).execution_options(populate_existing=True)


_LOCKED_SITE = written_once(
    _locked(sa.select(records.Site).where(records.Site.site_id == sa.bindparam("of_site")))
)
_LOCKED_PATIENT = written_once(
    _locked(sa.select(records.Patient).where(records.Patient.patient_id == sa.bindparam("of_patient")))
)
_LOCK_PATIENT = """
SELECT FROM patients WHERE tenant_id = %(tenant_id)s AND patient_id = %(patient_id)s FOR NO KEY UPDATE
"""
_LOCK_EPISODE = """
SELECT FROM episodes WHERE tenant_id = %(tenant_id)s AND episode_id = %(episode_id)s FOR NO KEY UPDATE
"""
_WITH_PATIENT = written_once(
    sa.select(records.Patient, records.Episode)
    .join(records.Episode, sa.true())
    .where(
        records.Patient.patient_id == sa.bindparam("of_patient"),
        records.Episode.episode_id == sa.bindparam("of_episode"),
    )
    .execution_options(populate_existing=True)
)
_PRESENT_EPISODE = written_once(
    sa.select(records.Episode)
    .where(
        records.Episode.patient_id == sa.bindparam("of_patient"),
        records.Episode.admitted_at.is_not(None),
        records.Episode.discharged_at.is_(None),
    )
    .order_by(records.Episode.admitted_at.desc(), records.Episode.episode_id)
    .limit(1)
)
_NEW_PATIENT = """
INSERT INTO patients (patient_id, tenant_id, journey_id)
VALUES (%(patient_id)s, %(tenant_id)s, %(journey_id)s) ON CONFLICT DO NOTHING
"""
_NEW_EPISODE = """
INSERT INTO episodes (episode_id, tenant_id, patient_id, journey_id)
VALUES (%(episode_id)s, %(tenant_id)s, %(patient_id)s, %(journey_id)s) ON CONFLICT DO NOTHING
"""


def add_site(
    db: Session, *, site_id: str, time_zone: str, opened_at: datetime, emergency_line: str | None = None
) -> bool:
    """Add a site; return whether it was not there yet."""
    added = db.execute(
        postgresql.insert(sites)
        .values(
            site_id=site_id,
            tenant_id=origin_of(db).tenant_id,
            time_zone=time_zone,
            opened_at=opened_at,
            emergency_line=emergency_line,
        )
        .on_conflict_do_nothing()
        .returning(sites.c.site_id)
    ).first()
    return added is not None


def site_of(db: Session, *, site_id: str) -> records.Site | None:
    """Return the site, if it is one of the tenant's."""
    # What the transaction has read already is not asked for again.
    return db.get(records.Site, site_id)


def lock_site(db: Session, *, site_id: str) -> records.Site | None:
    """Return the site, locked: who plans or books at a site waits for whoever does so already."""
    return db.scalar(_LOCKED_SITE, {"of_site": site_id})


_LOCK_SITE = """
SELECT FROM sites WHERE tenant_id = %(tenant_id)s AND site_id = %(site_id)s FOR NO KEY UPDATE
"""


def send_lock_of_site(db: Session, *, site_id: str) -> None:
    """Have the next statement wait for whoever plans or books at a site, and others wait for us."""
    locked = {"tenant_id": origin_of(db).tenant_id, "site_id": site_id}
    send_with_next(db.connection(), _LOCK_SITE, locked)


def lock_patient(db: Session, *, patient_id: str) -> records.Patient | None:
    """Return the patient, locked."""
    return db.scalar(_LOCKED_PATIENT, {"of_patient": patient_id})


def states_of(db: Session, *, patient_ids: Iterable[str]) -> dict[str, str]:
    """Return in which state some patients are when treated from afar, those of whom that was told."""
    state = records.Patient.wishes["telehealth_state"].astext
    rows = db.execute(
        sa.select(records.Patient.patient_id, state).where(
            records.Patient.patient_id.in_(list(patient_ids)), state.is_not(None)
        )
    )
    return {row[0]: row[1] for row in rows}


def lock_patient_of(db: Session, *, patient_id: str, journey_id: str) -> records.Patient:
    """Return the patient, locked; made where this is the first word of them."""
    person = {"tenant_id": origin_of(db).tenant_id, "patient_id": patient_id, "journey_id": journey_id}
    send_with_next(db.connection(), _NEW_PATIENT, person)
    patient = lock_patient(db, patient_id=patient_id)
    if patient is None:
        raise LookupError("the id belongs to another tenant")
    return patient


def send_locks_of_episode(db: Session, event: EpisodeFact) -> None:
    """Have the next statement find the patient and the episode of an event, locked.

    They are made where this is the first word of them.
    """
    tenant_id = origin_of(db).tenant_id
    person = {"tenant_id": tenant_id, "patient_id": event.patient_id, "journey_id": event.journey_id}
    send_with_next(db.connection(), _NEW_PATIENT, person)
    send_with_next(db.connection(), _NEW_EPISODE, {**person, "episode_id": event.episode_id})
    # The locks are statements of their own: one that waits for them would see the rest as it was before.
    send_with_next(db.connection(), _LOCK_PATIENT, person)
    send_with_next(db.connection(), _LOCK_EPISODE, {**person, "episode_id": event.episode_id})


def lock_episode_of(db: Session, event: EpisodeFact) -> tuple[records.Patient, records.Episode]:
    """Return the patient and the episode of an event, locked; made where this is the first word of them."""
    send_locks_of_episode(db, event)
    row = db.execute(_WITH_PATIENT, {"of_episode": event.episode_id, "of_patient": event.patient_id}).first()
    if row is None:
        raise LookupError("the id belongs to another tenant")
    return row[0], row[1]


def present_episode_of(db: Session, *, patient_id: str) -> records.Episode | None:
    """Return the patient's admitted episode that is not over, if there is one."""
    return db.scalar(_PRESENT_EPISODE, {"of_patient": patient_id})


_OF_EPISODES: sa.BindParameter[Any] = sa.bindparam("of_episodes", expanding=True)
_FLOORS = written_once(
    sa.select(
        records.Episode.episode_id, records.Episode.weekly_minutes_floor, records.Episode.step_downs
    ).where(records.Episode.episode_id.in_(_OF_EPISODES))
)


def floors_of(db: Session, *, episode_ids: list[str], week_starts_on: date | None = None) -> dict[str, int]:
    """Return the least clinical minutes a week of some admitted episodes.

    :param week_starts_on: the Monday of a week, for which an agreed step-down counts; the level's without.
    """
    rows = db.execute(_FLOORS, {"of_episodes": episode_ids})
    return {
        episode_id: step_downs.floor_in(floor=int(floor or 0), kept=kept, week_starts_on=week_starts_on)
        if week_starts_on
        else int(floor or 0)
        for episode_id, floor, kept in rows
    }


def stepped_down(db: Session, *, episode_ids: list[str], week_starts_on: date) -> set[str]:
    """Return those of some episodes for which fewer hours were agreed in a week."""
    rows = db.execute(
        sa.select(records.Episode.episode_id, records.Episode.step_downs).where(
            records.Episode.episode_id.in_(episode_ids),
            sa.func.jsonb_array_length(records.Episode.step_downs) > 0,
        )
    )
    return {
        episode_id
        for episode_id, kept in rows
        if any(one.touches(week_starts_on=week_starts_on) for one in step_downs.agreed_in(kept))
    }
