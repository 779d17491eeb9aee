"""Weeks as they were weighed against the floor of hours, and the named queries about them."""

from collections.abc import Iterable
from datetime import date

import sqlalchemy as sa
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from services.scheduling.domain import dose
from services.scheduling.tables.base import mapper, metadata, one_of
from shared.database import origin_of, reference, send_with_next, tenant_column, written_once

weighed_weeks = Table(
    "weighed_weeks",
    metadata,
    Column("episode_id", sa.Uuid(as_uuid=False), primary_key=True),
    Column("week_starts_on", sa.Date, primary_key=True),
    tenant_column(),
    reference("patient_id"),
    reference("journey_id"),
    Column("floor_minutes", sa.Integer, nullable=False),
    Column("closed", sa.Boolean, nullable=False),
    Column("attended_minutes", sa.Integer, nullable=False),
    Column("outcome", sa.String(16), nullable=False),
    Column("short_weeks_before", sa.Integer, nullable=False),
    Column("told", sa.Boolean, nullable=False),
    Column("revision", sa.Integer, nullable=False),
    one_of("outcome", dose.OUTCOMES),
)

mapper.map_imperatively(dose.WeighedWeek, weighed_weeks)

_TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtextextended(%(about)s, 0))"


def take_weighing_turn(db: Session, *, site_id: str) -> None:
    """Have the next statement wait until nobody else weighs a week of a site, and others wait for us.

    Not the site's row: who holds a session must never wait for whoever plans at the site.
    """
    about = f"{origin_of(db).tenant_id}:weighing:{site_id}"
    send_with_next(db.connection(), _TAKE_TURN, {"about": about})


_NEWEST_WEIGHED = written_once(
    sa.select(dose.WeighedWeek)
    .where(weighed_weeks.c.episode_id.in_(sa.bindparam("of_episodes", expanding=True)))
    .ext(postgresql.distinct_on(weighed_weeks.c.episode_id))
    .order_by(weighed_weeks.c.episode_id, weighed_weeks.c.week_starts_on.desc())
    .execution_options(populate_existing=True)
)
_WEIGHED_FROM = written_once(
    sa.select(dose.WeighedWeek)
    .where(
        weighed_weeks.c.episode_id.in_(sa.bindparam("of_episodes", expanding=True)),
        weighed_weeks.c.week_starts_on >= sa.bindparam("since"),
    )
    .order_by(weighed_weeks.c.episode_id, weighed_weeks.c.week_starts_on)
    .execution_options(populate_existing=True)
)


def newest_weighed(db: Session, *, episode_ids: Iterable[str]) -> dict[str, dose.WeighedWeek]:
    """Return the newest week of each episode that was weighed, of those of which one was."""
    found = db.scalars(_NEWEST_WEIGHED, {"of_episodes": list(episode_ids)})
    return {week.episode_id: week for week in found}


def weighed_from(
    db: Session, *, episode_ids: Iterable[str], week_starts_on: date
) -> dict[str, list[dose.WeighedWeek]]:
    """Return the weighed weeks of some episodes from one on, in order; nothing where that one was not."""
    rows = db.scalars(_WEIGHED_FROM, {"of_episodes": list(episode_ids), "since": week_starts_on})
    found: dict[str, list[dose.WeighedWeek]] = {}
    for week in rows:
        found.setdefault(week.episode_id, []).append(week)
    return {episode_id: own for episode_id, own in found.items() if own[0].week_starts_on == week_starts_on}
