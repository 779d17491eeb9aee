"""Weekly plans with their standing places, and the named queries about them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Index, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.scheduling.domain import groups, planner, plans, records
from services.scheduling.tables.base import mapper, metadata, one_of
from services.scheduling.tables.records import send_locks_of_episode
from shared.contracts.event import EpisodeFact
from shared.contracts.scheduling import MODES
from shared.database import id_column, moment, reference, tenant_column, written_once

weekly_plans = Table(
    "weekly_plans",
    metadata,
    id_column("plan_id"),
    tenant_column(),
    reference("episode_id", unique=True),
    reference("patient_id"),
    reference("journey_id"),
    reference("site_id"),
    Column("state", sa.String(8), nullable=False),
    Column("version", sa.Integer, nullable=False),
    Column("awaits_treatment_plan", sa.Boolean, nullable=False, server_default=sa.false()),
    Column("reason", sa.String(32)),
    Column("track", sa.String(16)),
    Column("weekly_minutes", sa.Integer, nullable=False),
    reference("individual_clinician_id", nullable=True),
    Column("individual_weekday", sa.SmallInteger),
    Column("individual_starts", sa.Time),
    Column("individual_mode", sa.String(16), nullable=False, server_default="IN_PERSON"),
    Column("proposed_at", moment()),
    Column("confirmed_at", moment()),
    Column("confirm_by", moment()),
    Column("confirmation_asked", sa.Boolean, nullable=False, server_default="false"),
    Column("changed_because", sa.String(16)),
    Column("explained", JSONB),
    Column("booked_through", sa.Date),
    Column("short_weeks", sa.Integer, nullable=False),
    Column("weeks_not_led", JSONB, nullable=False, server_default="[]"),
    Column("ended_at", moment()),
    one_of("state", ("ACTIVE", "WAITING", "ENDED")),
    one_of("individual_mode", MODES),
    Index(None, "tenant_id", "site_id", "state"),
    # Individual sessions start on the hour, so equal starts are the only way in which two collide.
    Index(
        "uq_weekly_plans_hour",
        "tenant_id",
        "individual_clinician_id",
        "individual_weekday",
        "individual_starts",
        unique=True,
        postgresql_where=sa.text("state = 'ACTIVE'"),
    ),
)

places = Table(
    "places",
    metadata,
    Column("plan_id", sa.Uuid(as_uuid=False), ForeignKey("weekly_plans.plan_id"), primary_key=True),
    Column("weekday", sa.SmallInteger, primary_key=True),
    tenant_column(),
    Column("group_id", sa.Uuid(as_uuid=False), primary_key=True),
    ForeignKeyConstraint(["tenant_id", "group_id"], ["groups.tenant_id", "groups.group_id"]),
    Column("capacity", sa.Integer, nullable=False),
    Column("number", sa.Integer),
    UniqueConstraint("tenant_id", "group_id", "weekday", "number"),
    sa.CheckConstraint("number BETWEEN 1 AND capacity", name="within_capacity"),
)

mapper.map_imperatively(plans.WeeklyPlan, weekly_plans)
mapper.map_imperatively(plans.Place, places)

#: Since when a plan has a week; older versions kept only when it was confirmed.
_BEGAN_AT = sa.func.coalesce(weekly_plans.c.proposed_at, weekly_plans.c.confirmed_at)


_NUMBERS_TAKEN = written_once(
    sa.select(plans.Place.group_id, plans.Place.weekday, plans.Place.number)
    .join(groups.Group, groups.Group.group_id == plans.Place.group_id)
    .where(groups.Group.site_id == sa.bindparam("of_site"), plans.Place.number.is_not(None))
)


def numbers_taken(db: Session, *, site_id: str) -> dict[tuple[str, int], set[int]]:
    """Return the standing places that are taken at a site, by group and weekday."""
    taken: dict[tuple[str, int], set[int]] = {}
    for group_id, weekday, number in db.execute(_NUMBERS_TAKEN, {"of_site": site_id}):
        taken.setdefault((group_id, weekday), set()).add(number)
    return taken


_PLAN = written_once(
    sa.select(plans.WeeklyPlan).where(plans.WeeklyPlan.episode_id == sa.bindparam("of_episode"))
)


def plan_of(db: Session, *, episode_id: str) -> plans.WeeklyPlan | None:
    """Return the weekly plan of an episode, if it has one."""
    return db.scalar(_PLAN, {"of_episode": episode_id})


_PLANS = written_once(
    sa.select(plans.WeeklyPlan).where(
        plans.WeeklyPlan.episode_id.in_(sa.bindparam("of_episodes", expanding=True))
    )
)


def plans_of(db: Session, *, episode_ids: Iterable[str]) -> list[plans.WeeklyPlan]:
    """Return the weekly plans of some episodes, of those that have one."""
    return list(db.scalars(_PLANS, {"of_episodes": list(episode_ids)}))


_WITH_PLAN = written_once(
    sa.select(records.Patient, records.Episode, plans.WeeklyPlan)
    .select_from(records.Patient)
    .join(records.Episode, sa.true())
    .outerjoin(
        plans.WeeklyPlan,
        sa.and_(
            weekly_plans.c.episode_id == records.Episode.episode_id,
            weekly_plans.c.tenant_id == records.Episode.tenant_id,
        ),
    )
    .where(
        records.Patient.patient_id == sa.bindparam("of_patient"),
        records.Episode.episode_id == sa.bindparam("of_episode"),
    )
    .execution_options(populate_existing=True),
    narrowed=(plans.WeeklyPlan,),
)


def lock_episode_with_plan(
    db: Session, event: EpisodeFact
) -> tuple[records.Patient, records.Episode, plans.WeeklyPlan | None]:
    """Return the patient and the episode of an event, locked, with the weekly plan, if there is one.

    They are made where this is the first word of them.
    """
    send_locks_of_episode(db, event)
    row = db.execute(_WITH_PLAN, {"of_episode": event.episode_id, "of_patient": event.patient_id}).first()
    if row is None:
        raise LookupError("the id belongs to another tenant")
    return row[0], row[1], row[2]


def plan_with_people(
    db: Session, *, episode_id: str
) -> tuple[plans.WeeklyPlan, records.Episode, records.Patient]:
    """Return the weekly plan of an episode that has one, with the episode, locked, and the patient."""
    row = db.execute(
        sa.select(plans.WeeklyPlan, records.Episode, records.Patient)
        .join(records.Episode, records.Episode.episode_id == plans.WeeklyPlan.episode_id)
        .join(records.Patient, records.Patient.patient_id == plans.WeeklyPlan.patient_id)
        .where(plans.WeeklyPlan.episode_id == episode_id)
        .with_for_update(of=records.Episode, key_share=True)
    ).one()
    return row.WeeklyPlan, row.Episode, row.Patient


@dataclass(frozen=True, kw_only=True)
class WithWeek:
    """An episode with its patient and its week, as they are now."""

    episode: records.Episode
    patient: records.Patient
    plan: plans.WeeklyPlan


_WITH_WEEK = written_once(
    sa.select(records.Episode, records.Patient, plans.WeeklyPlan)
    .join(records.Patient, records.Patient.patient_id == records.Episode.patient_id)
    .join(plans.WeeklyPlan, plans.WeeklyPlan.episode_id == records.Episode.episode_id)
    .where(records.Episode.episode_id == sa.bindparam("of_episode"))
    .execution_options(populate_existing=True)
)


def with_week(db: Session, *, episode_id: str) -> WithWeek | None:
    """Return an episode with its patient and its week, read anew, if it has one."""
    row = db.execute(_WITH_WEEK, {"of_episode": episode_id}).first()
    return WithWeek(episode=row[0], patient=row[1], plan=row[2]) if row else None


_ACTIVE = written_once(
    sa.select(plans.WeeklyPlan)
    .where(plans.WeeklyPlan.site_id == sa.bindparam("of_site"), plans.WeeklyPlan.state == "ACTIVE")
    .order_by(_BEGAN_AT, plans.WeeklyPlan.plan_id)
)


def active_plans(db: Session, *, site_id: str) -> list[plans.WeeklyPlan]:
    """Return the plans of a site that are in force, in the order of confirmation."""
    return list(db.scalars(_ACTIVE, {"of_site": site_id}))


def has_hour(plan: Any) -> sa.ColumnElement[bool]:
    """Tell of a plan, or of its table's columns, whether it is in force and has an hour with a therapist."""
    return sa.and_(plan.state == "ACTIVE", plan.individual_clinician_id.is_not(None))


_HOURS_TAKEN = written_once(
    sa.select(
        plans.WeeklyPlan.individual_clinician_id,
        plans.WeeklyPlan.individual_weekday,
        plans.WeeklyPlan.individual_starts,
    ).where(
        plans.WeeklyPlan.site_id == sa.bindparam("of_site"),
        has_hour(plans.WeeklyPlan),
        plans.WeeklyPlan.plan_id.is_distinct_from(sa.bindparam("besides", type_=sa.Uuid(as_uuid=False))),
    )
)


def hours_taken(db: Session, *, site_id: str, besides: str | None) -> dict[str, list[planner.IndividualSlot]]:
    """Return the standing hours that therapists of a site have with patients, by therapist.

    :param besides: a plan whose hour does not count.
    """
    found: dict[str, list[planner.IndividualSlot]] = {}
    rows = db.execute(_HOURS_TAKEN, {"of_site": site_id, "besides": besides})
    for clinician_id, weekday, starts in rows:
        hour = planner.IndividualSlot(clinician_id=clinician_id, weekday=weekday, starts=starts)
        found.setdefault(clinician_id, []).append(hour)
    return found


def plans_with_therapists(
    db: Session, *, clinician_ids: list[str]
) -> list[tuple[plans.WeeklyPlan, records.Episode, records.Patient]]:
    """Return the active plans that have their hour with one of some therapists."""
    if not clinician_ids:
        return []
    rows = db.execute(
        sa.select(plans.WeeklyPlan, records.Episode, records.Patient)
        .join(records.Episode, records.Episode.episode_id == plans.WeeklyPlan.episode_id)
        .join(records.Patient, records.Patient.patient_id == plans.WeeklyPlan.patient_id)
        .where(
            plans.WeeklyPlan.state == "ACTIVE",
            plans.WeeklyPlan.individual_clinician_id.in_(clinician_ids),
        )
        .order_by(_BEGAN_AT, plans.WeeklyPlan.plan_id)
    )
    return [(plan, episode, patient) for plan, episode, patient in rows]


def plans_met_from_afar(
    db: Session, *, site_id: str
) -> list[tuple[plans.WeeklyPlan, records.Episode, records.Patient]]:
    """Return the active plans of a site that have the hour alone with a therapist from afar."""
    rows = db.execute(
        sa.select(plans.WeeklyPlan, records.Episode, records.Patient)
        .join(records.Episode, records.Episode.episode_id == plans.WeeklyPlan.episode_id)
        .join(records.Patient, records.Patient.patient_id == plans.WeeklyPlan.patient_id)
        .where(
            plans.WeeklyPlan.site_id == site_id,
            plans.WeeklyPlan.state == "ACTIVE",
            plans.WeeklyPlan.individual_mode != "IN_PERSON",
        )
        .order_by(_BEGAN_AT, plans.WeeklyPlan.plan_id)
    )
    return [(plan, episode, patient) for plan, episode, patient in rows]


def members_of(
    db: Session, *, group_id: str
) -> list[tuple[plans.WeeklyPlan, records.Episode, records.Patient]]:
    """Return the plans in force that have a standing place in a group, with episode and patient."""
    in_group = sa.exists().where(
        plans.Place.plan_id == plans.WeeklyPlan.plan_id,
        plans.Place.group_id == group_id,
        plans.Place.number.is_not(None),
    )
    rows = db.execute(
        sa.select(plans.WeeklyPlan, records.Episode, records.Patient)
        .join(records.Episode, records.Episode.episode_id == plans.WeeklyPlan.episode_id)
        .join(records.Patient, records.Patient.patient_id == plans.WeeklyPlan.patient_id)
        .where(plans.WeeklyPlan.state == "ACTIVE", in_group)
        .order_by(plans.WeeklyPlan.plan_id)
        .execution_options(populate_existing=True)
    )
    return [(plan, episode, patient) for plan, episode, patient in rows]


_WITHOUT_WEEK = written_once(
    sa.select(plans.WeeklyPlan, records.Episode, records.Patient)
    .join(records.Episode, records.Episode.episode_id == plans.WeeklyPlan.episode_id)
    .join(records.Patient, records.Patient.patient_id == plans.WeeklyPlan.patient_id)
    .where(plans.WeeklyPlan.site_id == sa.bindparam("of_site"), plans.WeeklyPlan.reason.is_not(None))
    .order_by(records.Episode.admitted_at, plans.WeeklyPlan.plan_id)
    .limit(sa.bindparam("at_most", type_=sa.Integer))
)


def plans_without_week(
    db: Session, *, site_id: str, at_most: int | None
) -> list[tuple[plans.WeeklyPlan, records.Episode, records.Patient]]:
    """Return the plans for which no week was found, with episode and patient, the longest waiting first."""
    rows = db.execute(_WITHOUT_WEEK, {"of_site": site_id, "at_most": at_most})
    return [(plan, episode, patient) for plan, episode, patient in rows]


_PLACES = written_once(
    sa.select(plans.Place)
    .where(plans.Place.plan_id.in_(sa.bindparam("of_plans", expanding=True)))
    .order_by(plans.Place.plan_id, plans.Place.weekday, plans.Place.group_id)
)


def places_of(db: Session, *, plan_ids: Iterable[str]) -> dict[str, list[plans.Place]]:
    """Return the standing places of some plans, by plan, in the order of the week."""
    found: dict[str, list[plans.Place]] = {plan_id: [] for plan_id in plan_ids}
    for place in db.scalars(_PLACES, {"of_plans": list(found)}):
        found[place.plan_id].append(place)
    return found


_PLACE_IN_GROUP = written_once(
    sa.select(plans.Place.plan_id)
    .join(plans.WeeklyPlan, plans.WeeklyPlan.plan_id == plans.Place.plan_id)
    .where(
        plans.WeeklyPlan.episode_id == sa.bindparam("of_episode"),
        plans.Place.group_id == sa.bindparam("of_group"),
        plans.Place.number.is_not(None),
    )
    .limit(1)
)


def has_place(db: Session, *, episode_id: str, group_id: str) -> bool:
    """Tell whether an episode has a standing place in a group."""
    found = db.scalar(_PLACE_IN_GROUP, {"of_episode": episode_id, "of_group": group_id})
    return found is not None
