"""What a site's standing weeks are planned and booked by, in one look."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from services.scheduling.domain import clinicians, curricula, groups, planner, plans, records, rooms
from services.scheduling.tables.attendance import seats
from services.scheduling.tables.booking import is_taken_by_hand
from services.scheduling.tables.clinicians import clinicians_table
from services.scheduling.tables.curricula import curricula_table
from services.scheduling.tables.groups import groups_table
from services.scheduling.tables.plans import has_hour, places, weekly_plans
from services.scheduling.tables.records import send_lock_of_site, sites
from services.scheduling.tables.resources import absences, closures
from shared.database import among, origin_of, written_once


@dataclass(frozen=True, kw_only=True)
class TakenByHand:
    """A seat to come that somebody has besides their standing week."""

    seat_id: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, kw_only=True)
class Timetable:
    """What weeks of a site are planned and booked by: whoever holds the site's lock is alone to change it."""

    site: records.Site
    #: By id, in the order of their opening; ended ones too.
    groups: dict[str, groups.Group]
    #: By id, in the order in which they were added.
    staff: dict[str, clinicians.Clinician]
    #: Those that the groups follow, by id.
    taught: dict[str, curricula.Curriculum]
    #: The standing places that are taken, by group and weekday.
    taken: dict[tuple[str, int], set[int]]
    #: The standing hours with patients, by plan.
    hours: dict[str, planner.IndividualSlot]
    #: Absences that are not over, by clinician of the site.
    away: dict[str, list[clinicians.Absence]]
    #: Closures that are not over, by their beginning.
    closed: list[rooms.Closure]
    #: The standing places of the plans that were asked about, by plan, in the order of the week.
    places: dict[str, list[plans.Place]]
    #: Seats to come of their patients that are no part of the standing week, by patient.
    by_hand: dict[str, list[TakenByHand]]

    def free(self, given_up: Iterable[plans.Place]) -> None:
        """Note that nobody has some standing places any more."""
        for place in given_up:
            if place.number is not None:
                self.taken[place.group_id, place.weekday].discard(place.number)


_OF_TENANT: sa.BindParameter[Any] = sa.bindparam("of_tenant")
_OF_SITE: sa.BindParameter[Any] = sa.bindparam("of_site")
_SINCE: sa.BindParameter[Any] = sa.bindparam("since")
_OF_PLANS: sa.BindParameter[Any] = sa.bindparam("of_plans", expanding=True)
_OF_PATIENTS: sa.BindParameter[Any] = sa.bindparam("of_patients", expanding=True)


def _of_site(table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.tenant_id == _OF_TENANT, table.c.site_id == _OF_SITE


_Site = among(records.Site, *_of_site(sites))
_Group = among(groups.Group, *_of_site(groups_table))
_Clinician = among(clinicians.Clinician, *_of_site(clinicians_table))
_Curriculum = among(
    curricula.Curriculum,
    curricula_table.c.tenant_id == _OF_TENANT,
    curricula_table.c.curriculum_id.in_(
        sa.select(groups_table.c.curriculum_id).where(*_of_site(groups_table))
    ),
)
_Absence = among(
    clinicians.Absence,
    absences.c.tenant_id == _OF_TENANT,
    absences.c.clinician_id.in_(
        sa.select(clinicians_table.c.clinician_id).where(*_of_site(clinicians_table))
    ),
    absences.c.ends_at > _SINCE,
)
_Closure = among(rooms.Closure, *_of_site(closures), closures.c.ends_at > _SINCE)
_Plan = among(plans.WeeklyPlan, weekly_plans.c.tenant_id == _OF_TENANT, weekly_plans.c.plan_id.in_(_OF_PLANS))
_Place = among(plans.Place, places.c.tenant_id == _OF_TENANT, places.c.plan_id.in_(_OF_PLANS))


def _listed(*columns: Any, where: Iterable[Any], from_: Any, by: Iterable[Any] = ()) -> Any:
    """Return rows as one JSON list of lists: nothing becomes of them that the session would have to know."""
    found = (
        sa.select(sa.func.json_build_array(*columns).label("told"))
        .select_from(from_)
        .where(*where)
        .group_by(*by)
        .subquery()
    )
    return sa.select(sa.func.json_agg(found.c.told)).scalar_subquery()


_PLAN = weekly_plans.c
_REST = sa.select(
    sa.func.json_build_object(
        "taken",
        _listed(
            places.c.group_id,
            places.c.weekday,
            sa.func.array_agg(places.c.number),
            from_=places.join(
                groups_table,
                sa.and_(
                    groups_table.c.group_id == places.c.group_id,
                    groups_table.c.tenant_id == places.c.tenant_id,
                ),
            ),
            where=(*_of_site(groups_table), places.c.number.is_not(None)),
            by=(places.c.group_id, places.c.weekday),
        ),
        "hours",
        _listed(
            _PLAN.plan_id,
            _PLAN.individual_clinician_id,
            _PLAN.individual_weekday,
            _PLAN.individual_starts,
            from_=weekly_plans,
            where=(*_of_site(weekly_plans), has_hour(_PLAN)),
        ),
        "by_hand",
        _listed(
            seats.c.patient_id,
            seats.c.seat_id,
            seats.c.starts_at,
            seats.c.ends_at,
            from_=seats,
            where=(
                seats.c.tenant_id == _OF_TENANT,
                seats.c.patient_id.in_(_OF_PATIENTS),
                is_taken_by_hand(seats.c, after=_SINCE),
            ),
        ),
        type_=postgresql.JSON,
    ).label("rest")
).subquery("the_rest")
#: Several questions in one: each row tells of one thing, which are joined by nothing.
_TIMETABLE = written_once(
    sa.select(_Site, _Group, _Clinician, _Curriculum, _Absence, _Closure, _Plan, _Place, _REST.c.rest)
    .select_from(_Group)
    .join(_Site, sa.false(), full=True)
    .join(_Clinician, sa.false(), full=True)
    .join(_Curriculum, sa.false(), full=True)
    .join(_Absence, sa.false(), full=True)
    .join(_Closure, sa.false(), full=True)
    .join(_Plan, sa.false(), full=True)
    .join(_Place, sa.false(), full=True)
    .join(_REST, sa.false(), full=True)
    .order_by(
        _Group.opened_at,
        _Group.group_id,
        _Clinician.added_at,
        _Clinician.clinician_id,
        _Absence.starts_at,
        _Absence.absence_id,
        _Closure.starts_at,
        _Closure.closure_id,
        _Place.plan_id,
        _Place.weekday,
        _Place.group_id,
    )
    .execution_options(populate_existing=True),
    narrowed=(_Site, _Group, _Clinician, _Curriculum, _Absence, _Closure, _Plan, _Place),
)


def lock_timetable(
    db: Session, *, site_id: str, plan_ids: Iterable[str], patient_ids: Iterable[str], since: datetime
) -> Timetable | None:
    """Return what weeks of a site, which is locked, are planned and booked by; None where there is no site.

    :param plan_ids: the plans whose standing places are told; they are read anew, as whoever held the lock
        before may have changed them.
    :param patient_ids: the patients of whom is told where they sit besides.
    :param since: absences, closures and seats that are over by then are left out.
    """
    send_lock_of_site(db, site_id=site_id)
    found: dict[str, list[plans.Place]] = {plan_id: [] for plan_id in plan_ids}
    by_hand: dict[str, list[TakenByHand]] = {patient_id: [] for patient_id in patient_ids}
    asked = {"of_tenant": origin_of(db).tenant_id, "of_site": site_id, "since": since}
    rows = db.execute(_TIMETABLE, {**asked, "of_plans": list(found), "of_patients": list(by_hand)}).all()
    parts = zip(*rows, strict=True)
    told: list[list[Any]] = [[one for one in part if one is not None] for part in parts]
    there, met, staff, taught, away, closed, _, held, (rest,) = told
    if not there:
        return None
    for place in held:
        found[place.plan_id].append(place)
    for patient_id, seat_id, starts_at, ends_at in rest["by_hand"] or ():
        by_hand[patient_id].append(
            TakenByHand(
                seat_id=seat_id,
                starts_at=datetime.fromisoformat(starts_at),
                ends_at=datetime.fromisoformat(ends_at),
            )
        )
    absent: dict[str, list[clinicians.Absence]] = {one.clinician_id: [] for one in staff}
    for absence in away:
        absent[absence.clinician_id].append(absence)
    return Timetable(
        site=there[0],
        groups={group.group_id: group for group in met},
        staff={one.clinician_id: one for one in staff},
        taught={one.curriculum_id: one for one in taught},
        taken={(group_id, weekday): set(numbers) for group_id, weekday, numbers in rest["taken"] or ()},
        hours={
            plan_id: planner.IndividualSlot(
                clinician_id=clinician_id, weekday=weekday, starts=time.fromisoformat(starts)
            )
            for plan_id, clinician_id, weekday, starts in rest["hours"] or ()
        },
        away=absent,
        closed=closed,
        places=found,
        by_hand=by_hand,
    )
