"""Curricula as the service sees them: catalogue, what groups teach, who completed what, what comes again.

All of it runs in the transaction of what caused it.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.scheduling import manuals, messages, schemas, seating, tables
from services.scheduling.domain import attendance, attended, booking, curricula, groups, plans, records, weeks
from shared.answers import answer_of
from shared.clock import set_timer
from shared.contracts.event import Event
from shared.contracts.scheduling import ModuleOfferedAgain
from shared.ids import new_id

#: What a planned session is told of the lesson that it teaches.
LESSON = ("curriculum_id", "module_no", "module_part")

#: States of a seat that can be made up in the same week.
_CAN_BE_MADE_UP = ("NO_SHOW", "EXCUSED", "CANCELLED_BY_PROGRAM")

#: The timer after which somebody who stayed away is told what they can make up.
MAKE_UP_OFFER_DUE = "make_up_offer_due"


# --- The catalogue --------------------------------------------------------------------------------


def adopt(
    db: Session, site: records.Site, data: dict[str, Any], *, by: str, now: datetime
) -> curricula.Curriculum:
    """Take a curriculum into a site's catalogue: one of the manuals, or one of the site's own.

    :raises CurriculumKnownAlready: when the id is taken.
    """
    curriculum_id = data.get("curriculum_id") or new_id()
    if db.get(curricula.Curriculum, curriculum_id) is not None:
        raise curricula.CurriculumKnownAlready(field="curriculum_id", rule="must be new")
    manual = manuals.manual_of(data["manual"]) if "manual" in data else None
    modules: Iterable[curricula.Module]
    if manual is not None:
        title, modality, modules = data.get("title", manual.title), manual.modality, manual.modules
    else:
        title, modality = data["title"], data["modality"]
        modules = [
            curricula.Module(
                module_no=row["module_no"],
                title=row["title"],
                modality=row.get("modality", modality),
                skill_tags=tuple(row["skill_tags"]),
                parts=row["parts"],
            )
            for row in data["modules"]
        ]
    curriculum = curricula.adopt(
        curriculum_id=curriculum_id,
        site_id=site.site_id,
        title=title,
        modality=modality,
        modules=modules,
        manual=manual,
        by=by,
        now=now,
    )
    db.add(curriculum)
    db.flush()
    return curriculum


def curriculum_of(db: Session, curriculum_id: str, *, site_id: str) -> curricula.Curriculum:
    """Return a curriculum of a site's catalogue.

    :raises NoSuchCurriculum: when there is none.
    """
    found = db.get(curricula.Curriculum, curriculum_id)
    if found is None or found.site_id != site_id:
        raise curricula.NoSuchCurriculum(field="curriculum_id", rule="must be in the site's catalogue")
    return found


def catalogue_view(db: Session, *, site_id: str | None) -> list[dict[str, Any]]:
    """Return the catalogue of a site, or of all, each with the groups that follow it."""
    followed: dict[str | None, list[str]] = {}
    for group in tables.groups_of_site(db, site_id=site_id):
        followed.setdefault(group.curriculum_id, []).append(group.group_id)
    return [
        curriculum_view(one, group_ids=followed.get(one.curriculum_id, []))
        for one in tables.curricula_of_site(db, site_id=site_id)
    ]


def curriculum_view(curriculum: curricula.Curriculum, *, group_ids: Iterable[str]) -> dict[str, Any]:
    """Return a curriculum as its readers see it."""
    told = {name: getattr(curriculum, name) for name in ("curriculum_id", "site_id", "title", "modality")}
    told |= {name: getattr(curriculum, name) for name in ("manual", "manual_version", "adopted_at")}
    told |= {"modules": curriculum.taught, "group_ids": sorted(group_ids)}
    return answer_of(schemas.Curriculum, told)


# --- What groups teach ----------------------------------------------------------------------------


def follow(
    db: Session,
    site: records.Site,
    group: groups.Group,
    *,
    curriculum_id: str,
    since: date | None,
    first_module: int,
    pace: str,
    now: datetime,
) -> None:
    """Have a group follow a curriculum; sessions that are booked already and still to come teach it too."""
    curriculum = curriculum_of(db, curriculum_id, site_id=site.site_id)
    curricula.follow(
        group,
        curriculum,
        since=since or weeks.local_day(at=now, zone=site.time_zone),
        first_module=first_module,
        pace=pace,
    )
    coming = tables.lock_coming_sessions(db, group_id=group.group_id, after=now)
    for session, lesson in curricula.dates_taught(
        coming, group=group, curriculum=curriculum, zone=site.time_zone
    ):
        curricula.teach(session, curriculum=curriculum, lesson=lesson)


def teach_planned(db: Session, session: attendance.Session, data: dict[str, Any]) -> None:
    """Note what a session outside the standing groups teaches, where it teaches a module.

    :raises CurriculumNotOfModality: when it is planned as something else.
    """
    if "curriculum_id" not in data:
        return
    curriculum = curriculum_of(db, data["curriculum_id"], site_id=session.site_id)
    lesson = curriculum.lesson(module_no=data["module_no"], part=data["module_part"])
    if session.modality != lesson.modality:
        raise curricula.CurriculumNotOfModality(field="modality", rule=f"{lesson.modality}, as the module is")
    curricula.teach(session, curriculum=curriculum, lesson=lesson)


# --- What was missed, and when it comes again -----------------------------------------------------


def newly_missed(session: attendance.Session, seats: Iterable[attendance.Seat]) -> list[attendance.Seat]:
    """Return the seats whose marks, not yet written down, say that somebody missed what is taught."""
    if session.curriculum_id is None:
        return []
    return [
        seat
        for seat in seats
        if seat.state in curricula.MISSING and sa.inspect(seat).attrs.state.history.deleted
    ]


def offer_again(
    db: Session, session: attendance.Session, missed: Sequence[attendance.Seat], *, now: datetime
) -> list[Event]:
    """Tell those who missed what a session taught, and never completed it, when it comes again."""
    if not missed or session.module_no is None:
        return []
    lesson = _Missed.of(db, session, missed, now=now)
    if lesson is None:
        return []
    caused: list[Event] = []
    for seat in missed:
        found = lesson.again(seat)
        if found is None:
            continue
        caused.append(
            ModuleOfferedAgain(
                patient_id=seat.patient_id,
                episode_id=seat.episode_id,
                journey_id=seat.journey_id,
                seat_id=seat.seat_id,
                curriculum_id=lesson.curriculum.curriculum_id,
                module_no=session.module_no,
                module_part=session.module_part,
                occasion=found.occasion,
                session_id=found.session_id,
                starts_at=found.starts_at,
                offered_at=now,
            )
        )
        if found.occasion == "MAKE_UP":
            caused += _tell_of_make_up(db, seat, session, found, now=now)
    return caused


def _tell_of_make_up(
    db: Session,
    seat: attendance.Seat,
    session: attendance.Session,
    found: curricula.Occasion,
    *,
    now: datetime,
) -> list[Event]:
    """Have a patient written to about a session that makes up for the one they miss.

    Whoever stayed away is called first, and written to where that session is still to be had later; of
    what the program called off they are told by that already.
    """
    if seat.state == "NO_SHOW":
        due_at = max(session.starts_at + messages.MAKE_UP_AFTER, now)
        set_timer(db, MAKE_UP_OFFER_DUE, key=seat.seat_id, due_at=due_at)
    elif seat.state == "EXCUSED" and found.starts_at is not None:
        return [*messages.of_make_up_offered(db, seat, starts_at=found.starts_at, now=now)]
    return []


def still_to_make_up(db: Session, *, seat_id: str, now: datetime) -> list[Event]:
    """Have a patient written to who stayed away, if they can still make up for it in the same week."""
    seat, session = tables.lock_session_of_seat(db, seat_id=seat_id)
    if seat is None or session is None:
        return []
    lesson = _Missed.of(db, session, [seat], now=now) if seat.state == "NO_SHOW" else None
    found = lesson.again(seat) if lesson is not None else None
    if found is None or found.occasion != "MAKE_UP" or found.starts_at is None:
        return []
    return [*messages.of_make_up_offered(db, seat, starts_at=found.starts_at, now=now)]


@dataclass(frozen=True, kw_only=True)
class _Missed:
    """What some patients missed, and what decides when it comes again: read for all of them at once."""

    db: Session
    session: attendance.Session
    known: tables.Missed
    seats: Sequence[attendance.Seat]
    now: datetime

    @classmethod
    def of(
        cls, db: Session, session: attendance.Session, seats: Sequence[attendance.Seat], *, now: datetime
    ) -> "_Missed | None":
        """Return what a session taught to those who missed it, if it follows a curriculum."""
        known = tables.missed_in(db, session, seats)
        return cls(db=db, session=session, known=known, seats=seats, now=now) if known is not None else None

    @property
    def curriculum(self) -> curricula.Curriculum:
        """What the session follows."""
        return self.known.curriculum

    @property
    def zone(self) -> str:
        """The time zone of the site."""
        return self.known.site.time_zone

    def again(self, seat: attendance.Seat) -> curricula.Occasion | None:
        """Return when what a seat missed is offered again; None once it is completed, or its patient left."""
        sat = self.known.taught.get(seat.episode_id, [])
        own = curricula.progress(self.curriculum, sat, now=self.now)[(self.session.module_no or 1) - 1]
        if self.session.module_part in own.completed:
            return None
        return self.occasion_for(seat, coming=own.coming.get(self.session.module_part))

    def occasion_for(
        self, seat: attendance.Seat, *, coming: attendance.Seat | None
    ) -> curricula.Occasion | None:
        """Return when what a seat's session taught is offered again; None once its patient has left.

        The same week comes first, for its hours are owed too; then a seat that the patient has, a later
        cycle of their own groups, and another day or group.

        :param coming: the patient's next seat that teaches the same, if they have one.
        """
        episode, patient = self.known.people.get(seat.episode_id, (None, None))
        if episode is None or patient is None or episode.discharged_at is not None:
            return None
        if coming is not None and _same_week(coming.starts_at, self.session.starts_at, zone=self.zone):
            return _own(coming)
        if seat.state in _CAN_BE_MADE_UP and seat.seat_id not in self.known.made_up:
            found = seating.those_that_fit(
                self.db, self._offered, seat, self.session, patient, episode, now=self.now
            )
            if found:
                other, _ = found[0]
                return curricula.Occasion(
                    occasion="MAKE_UP", starts_at=other.starts_at, session_id=other.session_id
                )
        return _own(coming) if coming is not None else self._later(seat)

    def _later(self, seat: attendance.Seat) -> curricula.Occasion:
        """Return the first date after those booked on which the lesson comes, own days first."""
        today = weeks.local_day(at=self.now, zone=self.zone)
        plan, own = self._weeks.get(seat.episode_id, (None, []))
        after = max(today, plan.booked_through or today) if plan is not None else today
        held: dict[str, list[int]] = {}
        for place in own:
            held.setdefault(place.group_id, []).append(place.weekday)
        joinable = plans.joinable(groups=self._teaching, own=own, on=today)
        for occasion, days in (
            (
                "NEXT_CYCLE",
                [(group, held[group.group_id]) for group in self._teaching if group.group_id in held],
            ),
            ("ANOTHER_DAY", [(group, group.weekdays) for group in joinable]),
        ):
            dates = [
                weeks.moment_of(day=day, at=group.starts, zone=self.zone)
                for group, weekdays in days
                if (
                    day := curricula.next_on(
                        group,
                        self.curriculum,
                        module_no=self.session.module_no or 0,
                        part=self.session.module_part,
                        after=after,
                        weekdays=weekdays,
                    )
                )
            ]
            if dates:
                return curricula.Occasion(occasion=occasion, starts_at=min(dates))
        return curricula.Occasion(occasion="NONE_KNOWN")

    @property
    def _episode_ids(self) -> list[str]:
        return [seat.episode_id for seat in self.seats]

    @functools.cached_property
    def _offered(self) -> list[tuple[tables.Bookable, int]]:
        return seating.around(self.db, self.session, now=self.now, same_lesson=True)

    @functools.cached_property
    def _weeks(self) -> dict[str, tuple[plans.WeeklyPlan, list[plans.Place]]]:
        found = tables.plans_of(self.db, episode_ids=self._episode_ids)
        places = tables.places_of(self.db, plan_ids=[plan.plan_id for plan in found])
        return {plan.episode_id: (plan, places[plan.plan_id]) for plan in found}

    @functools.cached_property
    def _teaching(self) -> list[groups.Group]:
        """The groups of the site that follow the curriculum."""
        return [
            group
            for group in tables.groups_of_site(self.db, site_id=self.session.site_id)
            if group.curriculum_id == self.curriculum.curriculum_id and group.ended_at is None
        ]


def _same_week(one: datetime, other: datetime, *, zone: str) -> bool:
    return booking.week_of(one, zone=zone) == booking.week_of(other, zone=zone)


def _own(coming: attendance.Seat) -> curricula.Occasion:
    return curricula.Occasion(occasion="OWN_SEAT", starts_at=coming.starts_at, session_id=coming.session_id)


# --- How far a patient is -------------------------------------------------------------------------


def progress_view(db: Session, *, episode: records.Episode, now: datetime) -> dict[str, Any]:
    """Return how far a patient is with each curriculum that they meet or have met in an episode."""
    sat = tables.taught_to(db, episode_ids=[episode.episode_id])[episode.episode_id]
    sessions = {session.session_id: session for _, session in sat}
    plan = tables.plan_of(db, episode_id=episode.episode_id)
    places = tables.places_of(db, plan_ids=[plan.plan_id])[plan.plan_id] if plan else []
    standing = {place.group_id for place in places if place.number is not None}
    by_id = {group.group_id: group for group in tables.groups_of_site(db, site_id=episode.site_id)}
    met = [session.curriculum_id for session in sessions.values()]
    met += [by_id[group_id].curriculum_id for group_id in standing if group_id in by_id]
    found = tables.curricula_by_id(db, ids=met)
    told = []
    for curriculum in sorted(found.values(), key=lambda one: (one.title, one.curriculum_id)):
        modules = curricula.progress(curriculum, sat, now=now)
        told.append(
            {
                "curriculum_id": curriculum.curriculum_id,
                "title": curriculum.title,
                "modality": curriculum.modality,
                "modules_completed": sum(one.state == "COMPLETED" for one in modules),
                "modules": [_module_view(db, one, sessions, now=now) for one in modules],
            }
        )
    return answer_of(
        schemas.CurriculumProgress,
        {
            "episode_id": episode.episode_id,
            "patient_id": episode.patient_id,
            "curricula": told,
            "skills": attended.dose_by_skill(sat),
        },
    )


def _module_view(
    db: Session,
    own: curricula.ModuleProgress,
    sessions: dict[str, attendance.Session],
    *,
    now: datetime,
) -> dict[str, Any]:
    missed = []
    for part, seat in sorted(own.missed.items()):
        lesson = _Missed.of(db, sessions[seat.session_id], [seat], now=now)
        found = lesson.occasion_for(seat, coming=own.coming.get(part)) if lesson is not None else None
        missed.append(
            {
                "module_part": part,
                "seat_id": seat.seat_id,
                "missed_at": seat.starts_at,
                "state": seat.state,
                "offered_again": found,
            }
        )
    return {
        "module_no": own.module.module_no,
        "title": own.module.title,
        "modality": own.module.modality,
        "skill_tags": own.module.skill_tags,
        "parts": own.module.parts,
        "parts_completed": len(own.completed),
        "state": own.state,
        "completed_at": own.completed_at,
        "missed": missed,
        "comes_at": min((seat.starts_at for seat in own.coming.values()), default=None),
    }
