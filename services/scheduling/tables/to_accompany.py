"""What a newcomer's peer is looked for by, at a site that is locked, in one look."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from services.scheduling.domain import peers, records
from services.scheduling.domain.asked import Asked
from services.scheduling.tables.asked import asked
from services.scheduling.tables.groups import groups_table
from services.scheduling.tables.peers import peer_matches
from services.scheduling.tables.plans import places, weekly_plans
from services.scheduling.tables.records import episodes, patients, sites
from shared.database import among, origin_of, send_with_next, written_once


@dataclass(frozen=True, kw_only=True)
class ToAccompany:
    """A newcomer with a week, and who could be their peer."""

    episode: records.Episode
    patient: records.Patient
    site: records.Site
    newcomer: peers.Person
    #: Those in treatment at the site, with a week, who opted in.
    willing: list[peers.Person]
    #: In which the newcomer takes part, or took.
    matches: list[peers.Match]
    #: What was asked about the newcomer by the name of the task, closed or not; locked.
    asked: list[Asked]


_OF_TENANT: sa.BindParameter[Any] = sa.bindparam("of_tenant", type_=sa.String)
_OF_EPISODE: sa.BindParameter[Any] = sa.bindparam("of_episode", type_=sa.Uuid(as_uuid=False))
_SITE_ID = (
    sa.select(episodes.c.site_id)
    .where(episodes.c.tenant_id == _OF_TENANT, episodes.c.episode_id == _OF_EPISODE)
    .scalar_subquery()
)
_Episode = among(records.Episode, episodes.c.tenant_id == _OF_TENANT, episodes.c.episode_id == _OF_EPISODE)
_Match = among(
    peers.Match,
    peer_matches.c.tenant_id == _OF_TENANT,
    sa.or_(peer_matches.c.newcomer_episode_id == _OF_EPISODE, peer_matches.c.guide_episode_id == _OF_EPISODE),
)
_Asked = among(
    Asked,
    asked.c.tenant_id == _OF_TENANT,
    asked.c.episode_id == _OF_EPISODE,
    asked.c.task == sa.bindparam("of_task"),
)
_held_plans = weekly_plans.alias("held_plans")
_HELD = (
    sa.select(sa.func.json_object_agg(groups_table.c.group_id, groups_table.c.enrolment))
    .select_from(_held_plans)
    .join(places, places.c.plan_id == _held_plans.c.plan_id)
    .join(
        groups_table,
        sa.and_(groups_table.c.group_id == places.c.group_id, groups_table.c.tenant_id == places.c.tenant_id),
    )
    .where(
        _held_plans.c.tenant_id == _OF_TENANT,
        _held_plans.c.episode_id == episodes.c.episode_id,
        places.c.tenant_id == _OF_TENANT,
        places.c.number.is_not(None),
        groups_table.c.site_id == _SITE_ID,
    )
    .correlate(episodes)
    .scalar_subquery()
)
_accompanying = peer_matches.alias("accompanying")
_ACCOMPANIES = (
    sa.select(sa.func.count())
    .select_from(_accompanying)
    .where(
        _accompanying.c.tenant_id == _OF_TENANT,
        _accompanying.c.guide_episode_id == episodes.c.episode_id,
        _accompanying.c.state.in_(peers.OPEN_STATES),
    )
    .correlate(episodes)
    .scalar_subquery()
)
_IS_WILLING = sa.and_(
    weekly_plans.c.site_id == _SITE_ID,
    weekly_plans.c.state == "ACTIVE",
    episodes.c.discharged_at.is_(None),
    patients.c.peers == "YES",
)
_people = (
    sa.select(
        episodes.c.patient_id,
        episodes.c.episode_id,
        episodes.c.journey_id,
        episodes.c.admitted_at,
        weekly_plans.c.track,
        _ACCOMPANIES.label("accompanies"),
        sa.type_coerce(_HELD, postgresql.JSON).label("groups"),
        sa.func.coalesce(_IS_WILLING, sa.false()).label("is_willing"),
    )
    .select_from(episodes)
    .join(patients, patients.c.patient_id == episodes.c.patient_id)
    .join(weekly_plans, weekly_plans.c.episode_id == episodes.c.episode_id)
    .where(
        episodes.c.tenant_id == _OF_TENANT,
        patients.c.tenant_id == _OF_TENANT,
        weekly_plans.c.tenant_id == _OF_TENANT,
        episodes.c.admitted_at.is_not(None),
        # Told of the plans alone as well, which are found by that.
        sa.or_(
            weekly_plans.c.episode_id == _OF_EPISODE,
            sa.and_(weekly_plans.c.site_id == _SITE_ID, weekly_plans.c.state == "ACTIVE"),
        ),
        sa.or_(episodes.c.episode_id == _OF_EPISODE, _IS_WILLING),
    )
    .subquery("people")
)
#: Four questions in one: each row tells of the newcomer, of somebody who may suit them, of a match or of what
#: was asked, which are joined by nothing.
_TO_ACCOMPANY = written_once(
    sa.select(_Episode, records.Patient, records.Site, _Match, _Asked, *_people.c)
    .select_from(_Episode)
    .join(
        records.Patient,
        sa.and_(patients.c.patient_id == _Episode.patient_id, patients.c.tenant_id == _Episode.tenant_id),
    )
    .join(records.Site, sa.and_(sites.c.site_id == _Episode.site_id, sites.c.tenant_id == _Episode.tenant_id))
    .join(_Match, sa.false(), full=True)
    .join(_Asked, sa.false(), full=True)
    .join(_people, sa.false(), full=True)
    .order_by(
        _Match.proposed_at, _Match.match_id, _Asked.task_id, _people.c.admitted_at, _people.c.episode_id
    )
    .execution_options(populate_existing=True),
    narrowed=(_Episode, records.Patient, records.Site, _Match, _Asked),
)
#: Statements of their own: one that waits for a lock would see the rest as it was before.
_LOCK_SITE = """
SELECT FROM sites
WHERE tenant_id = %(tenant_id)s AND site_id = (
    SELECT site_id FROM episodes WHERE tenant_id = %(tenant_id)s AND episode_id = %(episode_id)s)
FOR NO KEY UPDATE
"""
_LOCK_ASKED = """
SELECT FROM asked
WHERE tenant_id = %(tenant_id)s AND episode_id = %(episode_id)s AND task = %(task)s
ORDER BY task_id FOR UPDATE
"""


def lock_to_accompany(db: Session, *, episode_id: str, task: str) -> ToAccompany | None:
    """Return a newcomer and who could be their peer, with the site locked; None where they have no week.

    All is read anew, as whoever held the lock before may have changed it.

    :param task: the name of the tasks by which a peer is asked for.
    """
    own = {"tenant_id": origin_of(db).tenant_id, "episode_id": episode_id, "task": task}
    send_with_next(db.connection(), _LOCK_SITE, own)
    send_with_next(db.connection(), _LOCK_ASKED, own)
    told = {"of_tenant": own["tenant_id"], "of_episode": episode_id, "of_task": task}
    there: list[tuple[records.Episode, records.Patient, records.Site]] = []
    people: dict[str, tuple[peers.Person, bool]] = {}
    matches: list[peers.Match] = []
    tasks: list[Asked] = []
    for episode, patient, site, match, task_asked, *person, groups, is_willing in db.execute(
        _TO_ACCOMPANY, told
    ):
        if episode is not None:
            there.append((episode, patient, site))
        elif match is not None:
            matches.append(match)
        elif task_asked is not None:
            tasks.append(task_asked)
        else:
            somebody = _person(person, groups or {})
            people[somebody.episode_id] = (somebody, is_willing)
    if not there or episode_id not in people:
        return None
    ((episode, patient, site),) = there
    return ToAccompany(
        episode=episode,
        patient=patient,
        site=site,
        newcomer=people[episode_id][0],
        willing=[somebody for somebody, is_willing in people.values() if is_willing],
        matches=matches,
        asked=tasks,
    )


def _person(told: Sequence[Any], groups: dict[str, str]) -> peers.Person:
    patient_id, episode_id, journey_id, admitted_at, track, accompanies = told
    return peers.Person(
        patient_id=patient_id,
        episode_id=episode_id,
        journey_id=journey_id,
        admitted_at=admitted_at,
        track=track,
        groups=frozenset(groups),
        cohorts=frozenset(group_id for group_id, enrolment in groups.items() if enrolment == "CLOSED"),
        accompanies=accompanies,
    )
