"""An episode with what it is decided by where its patient is treated, locked, in one look."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.intake.domain import admission_waits as waits
from services.intake.domain import assessments, episodes, rules, sites, tasks
from services.intake.tables.admission_waits import admission_wait_rows
from services.intake.tables.assessments import assessment_rows
from services.intake.tables.people import episode_rows
from services.intake.tables.rules import SIGNED
from services.intake.tables.sites import site_rows
from services.intake.tables.tasks import task_rows
from shared.database import among, origin_of, send_with_next, written_once


@dataclass(frozen=True, kw_only=True)
class ToDecide:
    """An episode, locked, and what is decided by where its patient is treated."""

    episode: episodes.Episode
    #: Held: nobody changes its licences until the transaction ends.
    site: sites.Site
    #: The one that was asked for; without one, the newest, if there is any.
    assessment: assessments.Assessment | None
    #: What the medical director signed.
    signed: list[rules.Signed]
    #: Whether somebody waits for admission in it.
    waits: bool
    #: The open tasks of the episode, by id.
    tasks: list[tasks.Task]


_OF_TENANT: sa.BindParameter[Any] = sa.bindparam("of_tenant")
_OF_EPISODE: sa.BindParameter[Any] = sa.bindparam("of_episode")
_Episode = among(
    episodes.Episode, episode_rows.c.tenant_id == _OF_TENANT, episode_rows.c.episode_id == _OF_EPISODE
)
_Task = among(
    tasks.Task,
    task_rows.c.tenant_id == _OF_TENANT,
    task_rows.c.episode_id == _OF_EPISODE,
    task_rows.c.outcome.is_(None),
)
_WAITS = sa.exists().where(
    admission_wait_rows.c.tenant_id == _OF_TENANT,
    admission_wait_rows.c.episode_id == _OF_EPISODE,
    admission_wait_rows.c.state.in_(waits.STILL_WAITING),
)
#: Two questions in one: each row tells of the episode or of a task, which are joined by nothing.
_TO_DECIDE = written_once(
    sa.select(_Episode, sites.Site, assessments.Assessment, SIGNED, _WAITS, _Task)
    .select_from(_Episode)
    .join(
        sites.Site,
        sa.and_(site_rows.c.site_id == _Episode.site_id, site_rows.c.tenant_id == _Episode.tenant_id),
    )
    .outerjoin(
        assessments.Assessment,
        sa.and_(
            assessment_rows.c.assessment_id
            == sa.func.coalesce(
                sa.bindparam("of_assessment", type_=sa.Uuid(as_uuid=False)), _Episode.assessment_id
            ),
            assessment_rows.c.tenant_id == _Episode.tenant_id,
        ),
    )
    .join(_Task, sa.false(), full=True)
    .order_by(_Task.task_id)
    .execution_options(populate_existing=True),
    narrowed=(_Episode, sites.Site, assessments.Assessment, _Task),
)
#: Statements of their own: one that waits for a lock would see the rest as it was before.
_LOCK_EPISODE = """
SELECT FROM episodes WHERE tenant_id = %(tenant_id)s AND episode_id = %(episode_id)s FOR UPDATE
"""
_HOLD_SITE = """
SELECT FROM sites
WHERE tenant_id = %(tenant_id)s AND site_id = (
    SELECT site_id FROM episodes WHERE tenant_id = %(tenant_id)s AND episode_id = %(episode_id)s)
FOR SHARE
"""


def lock_to_decide(db: Session, *, episode_id: str, assessment_id: str | None = None) -> ToDecide | None:
    """Return an episode, which nobody else changes until the transaction ends, with what it is decided by.

    :param assessment_id: the assessment that a decision rests on; the episode's newest where it is left out.
    """
    own = {"tenant_id": origin_of(db).tenant_id, "episode_id": episode_id}
    send_with_next(db.connection(), _LOCK_EPISODE, own)
    send_with_next(db.connection(), _HOLD_SITE, own)
    asked = {"of_tenant": own["tenant_id"], "of_episode": episode_id, "of_assessment": assessment_id}
    rows = db.execute(_TO_DECIDE, asked).all()
    row = next((row for row in rows if row[0] is not None), None)
    if row is None:
        return None
    episode, site, assessment, signed, waiting, _ = row
    return ToDecide(
        episode=episode,
        site=site,
        assessment=assessment,
        signed=[rules.Signed(*one) for one in signed or ()],
        waits=waiting,
        tasks=[row[5] for row in rows if row[5] is not None],
    )
