"""An episode with what whoever assesses its patient begins with, locked, in one look."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.intake.domain import episodes, obligations, people, sites, supporters
from services.intake.tables.assessments import obligation_fit_rows
from services.intake.tables.people import episode_rows, patient_rows
from services.intake.tables.sites import site_rows
from services.intake.tables.step_downs import step_down_rows
from services.intake.tables.support import network_rows
from shared.database import origin_of, send_with_next, written_once


@dataclass(frozen=True, kw_only=True)
class ToAssess:
    """An episode, locked, and what is known beforehand to whoever assesses its patient."""

    episode: episodes.Episode
    site: sites.Site
    patient: people.Patient
    #: Who backs them, if they said anything about that.
    network: supporters.SupportNetwork | None
    #: How well the site's tracks fit what they are bound to, if scheduling has said so.
    obligation_fit: obligations.ObligationFit | None
    #: Whether they come from inpatient care.
    steps_down: bool


_LOCK_EPISODE = """
SELECT FROM episodes WHERE tenant_id = %(tenant_id)s AND episode_id = %(episode_id)s FOR UPDATE
"""
_TO_ASSESS = written_once(
    sa.select(
        episodes.Episode,
        sites.Site,
        people.Patient,
        supporters.SupportNetwork,
        obligations.ObligationFit,
        sa.exists()
        .where(
            step_down_rows.c.episode_id == episode_rows.c.episode_id,
            step_down_rows.c.tenant_id == episode_rows.c.tenant_id,
        )
        .correlate(episode_rows),
    )
    .join(sites.Site, site_rows.c.site_id == episode_rows.c.site_id)
    .join(people.Patient, patient_rows.c.patient_id == episode_rows.c.patient_id)
    .outerjoin(
        supporters.SupportNetwork,
        sa.and_(
            network_rows.c.patient_id == episode_rows.c.patient_id,
            network_rows.c.tenant_id == episode_rows.c.tenant_id,
        ),
    )
    .outerjoin(
        obligations.ObligationFit,
        sa.and_(
            obligation_fit_rows.c.patient_id == episode_rows.c.patient_id,
            obligation_fit_rows.c.site_id == episode_rows.c.site_id,
            obligation_fit_rows.c.tenant_id == episode_rows.c.tenant_id,
        ),
    )
    .where(episode_rows.c.episode_id == sa.bindparam("of_episode"))
    .execution_options(populate_existing=True),
    narrowed=(supporters.SupportNetwork, obligations.ObligationFit),
)


def lock_to_assess(db: Session, *, episode_id: str) -> ToAssess | None:
    """Return an episode, which nobody else changes until the transaction ends, with what is known of it."""
    # The lock is a statement of its own: one that waits for it would see the rest as it was before.
    send_with_next(
        db.connection(), _LOCK_EPISODE, {"tenant_id": origin_of(db).tenant_id, "episode_id": episode_id}
    )
    row = db.execute(_TO_ASSESS, {"of_episode": episode_id}).first()
    if row is None:
        return None
    episode, site, patient, network, obligation_fit, steps_down = row
    return ToAssess(
        episode=episode,
        site=site,
        patient=patient,
        network=network,
        obligation_fit=obligation_fit,
        steps_down=steps_down,
    )
