"""Attended days, and what is known of who pays for them."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.intake.domain.billing import AttendedDay, Payment, diagnoses_of
from services.intake.domain.coverage import Authorization, Coverage, Unit
from services.intake.tables.admissions import admission_rows
from services.intake.tables.assessments import assessment_rows
from services.intake.tables.columns import as_json, metadata
from services.intake.tables.coverage import authorization_rows, coverage_rows, unit_rows
from services.intake.tables.people import episode_rows
from shared.contracts.scheduling import ServiceDelivered
from shared.database import reference, send_with_next, tenant_column

#: Days that somebody attended, as scheduling tells them: what of them may be billed, and what not.
attended_day_rows = Table(
    "attended_days",
    metadata,
    tenant_column(),
    reference("delivery_id"),
    reference("site_id"),
    reference("patient_id"),
    reference("episode_id"),
    Column("served_on", sa.Date, nullable=False),
    #: Minutes that may be billed, by kind of session.
    Column("minutes", JSONB, nullable=False),
    Column("attended_minutes", sa.Integer, nullable=False),
    Column("gaps", JSONB, nullable=False),
    #: How family sessions were held, each of FAMILY_FORMS; and for how long the family was seen alone.
    Column("family_forms", JSONB, nullable=False, server_default="[]"),
    Column("family_alone_minutes", sa.Integer, nullable=False, server_default="0"),
    Column("revision", sa.Integer, nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", "delivery_id"),
    Index("ix_attended_days_site", "tenant_id", "site_id", "served_on"),
    Index("ix_attended_days_episode", "tenant_id", "episode_id"),
)


#: However many days in one statement: what differs is handed over as arrays.
_KEEP_DAYS = """
INSERT INTO attended_days AS known (tenant_id, delivery_id, site_id, patient_id, episode_id, served_on,
    minutes, attended_minutes, gaps, family_forms, family_alone_minutes, revision)
SELECT %(tenant_id)s, told.*
FROM unnest(CAST(%(delivery_ids)s AS uuid[]), CAST(%(site_ids)s AS uuid[]), CAST(%(patient_ids)s AS uuid[]),
    CAST(%(episode_ids)s AS uuid[]), CAST(%(days)s AS date[]), CAST(%(minutes)s AS jsonb[]),
    CAST(%(attended_minutes)s AS integer[]), CAST(%(gaps)s AS jsonb[]), CAST(%(family_forms)s AS jsonb[]),
    CAST(%(family_alone_minutes)s AS integer[]), CAST(%(revisions)s AS integer[])) AS told
ON CONFLICT (tenant_id, delivery_id) DO UPDATE
SET site_id = excluded.site_id, patient_id = excluded.patient_id, episode_id = excluded.episode_id,
    served_on = excluded.served_on, minutes = excluded.minutes, attended_minutes = excluded.attended_minutes,
    gaps = excluded.gaps, family_forms = excluded.family_forms,
    family_alone_minutes = excluded.family_alone_minutes, revision = excluded.revision
WHERE known.revision < excluded.revision
"""


def keep_attended_days(db: Session, events: Sequence[ServiceDelivered]) -> None:
    """Have what was told of people's days kept with the next statement, unless something newer is known.

    :param events: each of another day.
    """
    told = {
        "tenant_id": db.info["tenant_id"],
        "delivery_ids": [event.delivery_id for event in events],
        "site_ids": [event.site_id for event in events],
        "patient_ids": [event.patient_id for event in events],
        "episode_ids": [event.episode_id for event in events],
        "days": [event.served_on for event in events],
        "minutes": [as_json(added_up(event.kinds, event.minutes)) for event in events],
        # Whoever told it before there was such a field told of what may be billed only.
        "attended_minutes": [event.attended_minutes or sum(event.minutes) for event in events],
        "gaps": [as_json(event.gaps) for event in events],
        "family_forms": [as_json(event.family_forms) for event in events],
        "family_alone_minutes": [event.family_alone_minutes for event in events],
        "revisions": [event.revision for event in events],
    }
    send_with_next(db.connection(), _KEEP_DAYS, told)


def added_up(names: Iterable[str], minutes: Iterable[int]) -> dict[str, int]:
    """Return the minutes of each of some names, of which one may stand there several times."""
    total: dict[str, int] = {}
    for name, credited in zip(names, minutes, strict=True):
        total[name] = total.get(name, 0) + credited
    return total


def days_served(db: Session, *, episode_id: str, since: date) -> list[date]:
    """Return the days from one on, in order, on which somebody was served in an episode."""
    columns = attended_day_rows.c
    found = sa.select(columns.served_on).where(
        columns.tenant_id == db.info["tenant_id"],
        columns.episode_id == episode_id,
        columns.served_on >= since,
        columns.minutes != sa.literal({}, JSONB),
    )
    return sorted(db.scalars(found))


def billable_days_of(db: Session, *, episode_id: str) -> int:
    """Return how many days of an episode were delivered so that they may be charged."""
    columns = attended_day_rows.c
    return (
        db.scalar(
            sa.select(sa.func.count()).where(
                columns.tenant_id == db.info["tenant_id"],
                columns.episode_id == episode_id,
                columns.minutes != sa.literal({}, JSONB),
            )
        )
        or 0
    )


def attended_days(
    db: Session, *, site_id: str, first: date, last: date, after: str | None, limit: int
) -> list[AttendedDay]:
    """Return a site's attended days from one to another, by day and id, from behind *after*."""
    columns = attended_day_rows.c
    own = columns.tenant_id == db.info["tenant_id"]
    query = (
        sa.select(attended_day_rows)
        .where(
            own,
            columns.site_id == site_id,
            columns.served_on.between(first, last),
            sa.or_(columns.attended_minutes > 0, columns.family_alone_minutes > 0),
        )
        .order_by(columns.served_on, columns.delivery_id)
        .limit(limit)
    )
    if after is not None:
        place = sa.select(columns.served_on, columns.delivery_id).where(own, columns.delivery_id == after)
        behind = db.execute(place).first()
        if behind is None:
            return []
        query = query.where(sa.tuple_(columns.served_on, columns.delivery_id) > sa.tuple_(*behind))
    return [
        AttendedDay(
            delivery_id=row.delivery_id,
            site_id=row.site_id,
            patient_id=row.patient_id,
            episode_id=row.episode_id,
            served_on=row.served_on,
            minutes={kind: credited for kind, credited in row.minutes.items() if credited},
            attended_minutes=row.attended_minutes,
            gaps=tuple(row.gaps),
            family_forms=tuple(row.family_forms),
            family_alone_minutes=row.family_alone_minutes,
        )
        for row in db.execute(query)
    ]


def payments_of(db: Session, *, episode_ids: Iterable[str]) -> dict[str, Payment]:
    """Return what is known of who pays in some admitted episodes, by episode."""
    ids = sorted(set(episode_ids))
    tenant_id = db.info["tenant_id"]
    admitted = db.execute(
        sa.select(admission_rows.c.episode_id, admission_rows.c.patient_id, admission_rows.c.level).where(
            admission_rows.c.tenant_id == tenant_id, admission_rows.c.episode_id.in_(ids)
        )
    ).all()
    diagnosed = db.execute(
        sa.select(episode_rows.c.episode_id, assessment_rows.c.diagnoses)
        .join(assessment_rows, assessment_rows.c.assessment_id == episode_rows.c.assessment_id)
        .where(episode_rows.c.tenant_id == tenant_id, episode_rows.c.episode_id.in_(ids))
    )
    diagnoses = {episode_id: diagnoses_of(found) for episode_id, found in diagnosed}
    covers = _by(
        db.scalars(
            sa.select(Coverage)
            .where(coverage_rows.c.patient_id.in_({row.patient_id for row in admitted}))
            .order_by(coverage_rows.c.payer)
        ),
        "patient_id",
    )
    decided = _by(
        db.scalars(
            sa.select(Authorization)
            .where(authorization_rows.c.episode_id.in_(ids))
            .order_by(authorization_rows.c.first_on, authorization_rows.c.authorization_id)
        ),
        "episode_id",
    )
    of_these = [one.authorization_id for found in decided.values() for one in found]
    taken = _by(
        db.scalars(
            sa.select(Unit).where(unit_rows.c.authorization_id.in_(of_these)).order_by(unit_rows.c.served_on)
        ),
        "authorization_id",
    )
    return {
        row.episode_id: Payment(
            level=row.level,
            diagnoses=diagnoses.get(row.episode_id, ()),
            covers=covers.get(row.patient_id, ()),
            authorizations=decided.get(row.episode_id, ()),
            units={
                one.authorization_id: taken.get(one.authorization_id, ())
                for one in decided.get(row.episode_id, ())
            },
        )
        for row in admitted
    }


def _by(found: Iterable[Any], key: str) -> dict[str, tuple[Any, ...]]:
    parts: dict[str, tuple[Any, ...]] = {}
    for one in found:
        parts[getattr(one, key)] = (*parts.get(getattr(one, key), ()), one)
    return parts
