"""Somebody who answers an instrument, with what their answers are taken by."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.intake.domain import admissions, episodes, instruments, people, rules, sites, tasks
from services.intake.tables.admissions import admission_rows
from services.intake.tables.instruments import duty_rows, instrument_answer_rows
from services.intake.tables.people import NEWEST_FIRST, episode_rows, patient_rows
from services.intake.tables.rules import SIGNED
from services.intake.tables.sites import site_rows
from services.intake.tables.tasks import task_rows
from shared.database import among, origin_of, written_once


@dataclass(frozen=True, kw_only=True)
class ToAnswer:
    """Somebody who answers an instrument, and what is known of them then."""

    patient: people.Patient
    #: The one that began last.
    episode: episodes.Episode | None
    site: sites.Site | None
    admitted_at: datetime | None
    #: What they have answered before, oldest first.
    earlier: list[instruments.InstrumentAnswers]
    #: Those that are open about them, of the kinds that were asked for, by id.
    tasks: list[tasks.Task]
    #: What the medical director signed.
    signed: list[rules.Signed]
    somebody_on_duty: bool


_OF_TENANT: sa.BindParameter[Any] = sa.bindparam("of_tenant")
_OF_PATIENT: sa.BindParameter[Any] = sa.bindparam("of_patient")
_ON_DUTY = sa.exists().where(
    duty_rows.c.tenant_id == _OF_TENANT,
    duty_rows.c.withdrawn_at.is_(None),
    duty_rows.c.starts_at <= sa.bindparam("at"),
    duty_rows.c.ends_at > sa.bindparam("at"),
)
_Patient = among(
    people.Patient, patient_rows.c.tenant_id == _OF_TENANT, patient_rows.c.patient_id == _OF_PATIENT
)
_Answers = among(
    instruments.InstrumentAnswers,
    instrument_answer_rows.c.tenant_id == _OF_TENANT,
    instrument_answer_rows.c.patient_id == _OF_PATIENT,
)
#: Two questions in one: each row tells of the person or of what they answered, which are joined by nothing.
#: The newest episode comes first; each comes once more for each open task.
_TO_ANSWER = written_once(
    sa.select(
        _Patient,
        episodes.Episode,
        sites.Site,
        admissions.Admission,
        tasks.Task,
        _ON_DUTY,
        SIGNED,
        _Answers,
    )
    .select_from(_Patient)
    .outerjoin(
        episodes.Episode,
        sa.and_(
            episode_rows.c.patient_id == _Patient.patient_id, episode_rows.c.tenant_id == _Patient.tenant_id
        ),
    )
    .outerjoin(
        sites.Site,
        sa.and_(
            site_rows.c.site_id == episode_rows.c.site_id, site_rows.c.tenant_id == episode_rows.c.tenant_id
        ),
    )
    .outerjoin(
        admissions.Admission,
        sa.and_(
            admission_rows.c.admission_id == episode_rows.c.admission_id,
            admission_rows.c.tenant_id == episode_rows.c.tenant_id,
        ),
    )
    .outerjoin(
        tasks.Task,
        sa.and_(
            task_rows.c.patient_id == _Patient.patient_id,
            task_rows.c.tenant_id == _Patient.tenant_id,
            task_rows.c.task.in_(sa.bindparam("of_kinds", expanding=True)),
            task_rows.c.outcome.is_(None),
        ),
    )
    .join(_Answers, sa.false(), full=True)
    .order_by(*NEWEST_FIRST, task_rows.c.task_id, _Answers.given_at, _Answers.answers_id),
    narrowed=(_Patient, episodes.Episode, sites.Site, admissions.Admission, tasks.Task, _Answers),
)


def to_answer(db: Session, *, patient_id: str, at: datetime, tasks_named: Collection[str]) -> ToAnswer | None:
    """Return somebody who answers an instrument, if known, with what is known of them.

    :param at: the moment at which somebody may have the duty.
    :param tasks_named: the kinds of tasks that answers may end or ask for.
    """
    asked = {"of_tenant": origin_of(db).tenant_id, "of_patient": patient_id}
    rows = db.execute(_TO_ANSWER, {**asked, "at": at, "of_kinds": sorted(tasks_named)}).all()
    about_them = [row for row in rows if row[0] is not None]
    if not about_them:
        return None
    patient, episode, site, admission, _, on_duty, signed, _ = about_them[0]
    return ToAnswer(
        patient=patient,
        episode=episode,
        site=site,
        admitted_at=admission.admitted_at if admission is not None else None,
        earlier=[row[7] for row in rows if row[7] is not None],
        tasks=list({row[4].task_id: row[4] for row in rows if row[4] is not None}.values()),
        signed=[rules.Signed(*one) for one in signed or ()],
        somebody_on_duty=on_duty,
    )
