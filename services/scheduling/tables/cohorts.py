"""The named queries about who is, and was, in a group."""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.scheduling.domain import attendance, groups, plans, records


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
