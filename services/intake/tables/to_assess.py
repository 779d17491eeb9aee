"""An episode with what whoever assesses its patient begins with, locked, in one look."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.intake.domain import (
    episodes,
    instruments,
    obligations,
    people,
    rules,
    sites,
    supporters,
    tasks,
)
from services.intake.tables.assessments import obligation_fit_rows
from services.intake.tables.instruments import instrument_answer_rows
from services.intake.tables.people import episode_rows, patient_rows
from services.intake.tables.rules import SIGNED
from services.intake.tables.sites import site_rows
from services.intake.tables.step_downs import step_down_rows
from services.intake.tables.support import network_rows
from services.intake.tables.tasks import task_rows
from shared.database import among, origin_of, send_with_next, written_once


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
    #: What the medical director signed.
    signed: list[rules.Signed]
    #: Everything that the patient has answered, oldest first.
    given: list[instruments.InstrumentAnswers]
    #: The open tasks of the episode, by id.
    tasks: list[tasks.Task]


_LOCK_EPISODE = """
SELECT FROM episodes WHERE tenant_id = %(tenant_id)s AND episode_id = %(episode_id)s FOR UPDATE
"""
_OF_TENANT: sa.BindParameter[Any] = sa.bindparam("of_tenant")
_OF_EPISODE: sa.BindParameter[Any] = sa.bindparam("of_episode")
_Episode = among(
    episodes.Episode, episode_rows.c.tenant_id == _OF_TENANT, episode_rows.c.episode_id == _OF_EPISODE
)
_Answers = among(
    instruments.InstrumentAnswers,
    instrument_answer_rows.c.tenant_id == _OF_TENANT,
    instrument_answer_rows.c.patient_id
    == sa.select(episode_rows.c.patient_id)
    .where(episode_rows.c.tenant_id == _OF_TENANT, episode_rows.c.episode_id == _OF_EPISODE)
    .scalar_subquery(),
)
_Task = among(
    tasks.Task,
    task_rows.c.tenant_id == _OF_TENANT,
    task_rows.c.episode_id == _OF_EPISODE,
    task_rows.c.outcome.is_(None),
)
#: Three questions in one: each row tells of the episode, of what its patient answered or of a task, which are
#: joined by nothing.
_TO_ASSESS = written_once(
    sa.select(
        _Episode,
        sites.Site,
        people.Patient,
        supporters.SupportNetwork,
        obligations.ObligationFit,
        sa.exists().where(
            step_down_rows.c.episode_id == _OF_EPISODE,
            step_down_rows.c.tenant_id == _OF_TENANT,
        ),
        SIGNED,
        _Answers,
        _Task,
    )
    .select_from(_Episode)
    .join(
        sites.Site,
        sa.and_(site_rows.c.site_id == _Episode.site_id, site_rows.c.tenant_id == _Episode.tenant_id),
    )
    .join(
        people.Patient,
        sa.and_(
            patient_rows.c.patient_id == _Episode.patient_id, patient_rows.c.tenant_id == _Episode.tenant_id
        ),
    )
    .outerjoin(
        supporters.SupportNetwork,
        sa.and_(
            network_rows.c.patient_id == _Episode.patient_id,
            network_rows.c.tenant_id == _Episode.tenant_id,
        ),
    )
    .outerjoin(
        obligations.ObligationFit,
        sa.and_(
            obligation_fit_rows.c.patient_id == _Episode.patient_id,
            obligation_fit_rows.c.site_id == _Episode.site_id,
            obligation_fit_rows.c.tenant_id == _Episode.tenant_id,
        ),
    )
    .join(_Answers, sa.false(), full=True)
    .join(_Task, sa.false(), full=True)
    .order_by(_Answers.given_at, _Answers.answers_id, _Task.task_id)
    .execution_options(populate_existing=True),
    narrowed=(
        _Episode,
        sites.Site,
        people.Patient,
        supporters.SupportNetwork,
        obligations.ObligationFit,
        _Answers,
        _Task,
    ),
)


def lock_to_assess(db: Session, *, episode_id: str) -> ToAssess | None:
    """Return an episode, which nobody else changes until the transaction ends, with what is known of it."""
    # The lock is a statement of its own: one that waits for it would see the rest as it was before.
    send_with_next(
        db.connection(), _LOCK_EPISODE, {"tenant_id": origin_of(db).tenant_id, "episode_id": episode_id}
    )
    asked = {"of_tenant": origin_of(db).tenant_id, "of_episode": episode_id}
    rows = db.execute(_TO_ASSESS, asked).all()
    row = next((row for row in rows if row[0] is not None), None)
    if row is None:
        return None
    episode, site, patient, network, obligation_fit, steps_down, signed, _, _ = row
    return ToAssess(
        episode=episode,
        site=site,
        patient=patient,
        network=network,
        obligation_fit=obligation_fit,
        steps_down=steps_down,
        signed=[rules.Signed(*one) for one in signed or ()],
        given=[row[7] for row in rows if row[7] is not None],
        tasks=[row[8] for row in rows if row[8] is not None],
    )
