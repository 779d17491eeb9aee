"""The named queries about who is, and was, in a group."""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.scheduling.domain import attendance, groups, plans, records
from services.scheduling.tables.groups import groups_table
from services.scheduling.tables.plans import places
from shared.database import written_once


def members_within(db: Session, *, site_id: str, since: datetime, until: datetime) -> dict[str, set[str]]:
    """Return the episodes that had a standing seat in a stretch of time, by group of a site.

    A seat that was swapped for another counts; one that was given back with its place does not.
    """
    found: dict[str, set[str]] = {}
    rows = db.execute(
        sa.select(attendance.Session.group_id, attendance.Seat.episode_id)
        .join(attendance.Seat, attendance.Seat.session_id == attendance.Session.session_id)
        .where(
            attendance.Session.site_id == site_id,
            attendance.Session.group_id.is_not(None),
            attendance.Session.starts_at >= since,
            attendance.Session.starts_at < until,
            attendance.Seat.origin == "PLAN",
            attendance.Seat.walked_in.is_(False),
            sa.or_(attendance.Seat.state != "CANCELLED", attendance.Seat.swapped_to.is_not(None)),
        )
        .distinct()
    )
    for group_id, episode_id in rows:
        found.setdefault(group_id, set()).add(episode_id)
    return found


def members_of_groups(db: Session, *, site_id: str) -> dict[str, set[str]]:
    """Return the episodes that have a standing place, by group of a site."""
    found: dict[str, set[str]] = {}
    rows = db.execute(
        sa.select(plans.Place.group_id, plans.WeeklyPlan.episode_id)
        .join(plans.WeeklyPlan, plans.WeeklyPlan.plan_id == plans.Place.plan_id)
        .join(groups.Group, groups.Group.group_id == plans.Place.group_id)
        .where(groups.Group.site_id == site_id, plans.Place.number.is_not(None))
        .distinct()
    )
    for group_id, episode_id in rows:
        found.setdefault(group_id, set()).add(episode_id)
    return found


_HELD_GROUPS = written_once(
    sa.select(plans.WeeklyPlan.episode_id, groups.Group.group_id, groups.Group.enrolment)
    .join(plans.Place, plans.Place.plan_id == plans.WeeklyPlan.plan_id)
    .join(
        groups.Group,
        sa.and_(groups_table.c.group_id == places.c.group_id, groups_table.c.tenant_id == places.c.tenant_id),
    )
    .where(
        plans.WeeklyPlan.episode_id.in_(sa.bindparam("of_episodes", expanding=True)),
        plans.Place.number.is_not(None),
        groups.Group.site_id == sa.bindparam("of_site"),
    )
    .distinct()
)


def groups_held_by(db: Session, *, site_id: str, episode_ids: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return a site's groups in which some episodes have standing places, with enrolment, by episode."""
    found: dict[str, dict[str, str]] = {}
    rows = db.execute(_HELD_GROUPS, {"of_episodes": sorted(episode_ids), "of_site": site_id})
    for episode_id, group_id, enrolment in rows:
        found.setdefault(episode_id, {})[group_id] = enrolment
    return found


def discharged_for(db: Session, *, episode_ids: Iterable[str], reason: str) -> set[str]:
    """Return those of some episodes that ended for a reason."""
    return set(
        db.scalars(
            sa.select(records.Episode.episode_id).where(
                records.Episode.episode_id.in_(sorted(episode_ids)),
                records.Episode.discharge_reason == reason,
            )
        )
    )
