"""Curricula: what a group teaches in turn, what of it a patient has completed, and what comes again.

A curriculum is a row of modules; a module that takes several sessions has as many *parts*. A group that
follows one teaches its lessons (module and part) in turn and begins anew after the last: that is a *cycle*.
Which lesson belongs to a date follows from the date alone, so a session that is called off moves none of
the others. What a patient has completed is derived from attendance each time it is asked, so that a
corrected mark gives and takes completion by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from services.scheduling.domain.attendance import Seat, Session
from services.scheduling.domain.groups import Group
from services.scheduling.domain.weeks import local_day, monday_of
from shared.contracts.scheduling import CURRICULUM_PACES
from shared.errors import Conflict, InvalidInput, NotFound

#: How a group goes on: by the week, so that everybody gets a lesson on whichever of its days they have, or
#: by the meeting. Design default: by the week, as one workshop a week is usual (brief 3.5).
BY_WEEK, BY_MEETING = CURRICULUM_PACES

#: States of a seat that complete what was taught: present for at least 80 percent of the session (brief
#: 3.3, PARTIAL is less). Design default.
COMPLETING = ("PRESENT", "LATE", "LEFT_EARLY", "MADE_UP")

#: States of a seat after which a lesson is offered again: whoever was not there, for whatever reason.
MISSING = ("NO_SHOW", "EXCUSED", "PARTIAL", "CANCELLED_BY_PROGRAM")

#: States of a seat in a session to come.
_COMING = ("SCHEDULED", "CHECKED_IN")

#: Most modules of a curriculum, and most parts of a module. Design default: the longest published ones
#: have 32 modules, and six weeks a module.
MOST_MODULES = 60
MOST_PARTS = 12


class NoSuchCurriculum(NotFound):
    """Raised when a curriculum is named that is not there."""


class NoSuchManual(InvalidInput):
    """Raised when a manual is named that is not shipped."""


class NoSuchModule(InvalidInput):
    """Raised when a curriculum has no module of that number, or the module no such part."""


class CurriculumKnownAlready(Conflict):
    """Raised when a curriculum is adopted under an id that is taken."""


class CurriculumNotOfModality(InvalidInput):
    """Raised when a group would follow a curriculum of another modality than its own.

    Weeks are planned by the group's modality, so what is taught has to be what was promised.
    """


class ModulesDoNotFit(InvalidInput):
    """Raised when modules are not numbered from one on without a gap, or none are told."""


@dataclass(frozen=True, kw_only=True)
class Module:
    """One subject of a curriculum, which takes *parts* sessions."""

    module_no: int
    title: str
    modality: str
    skill_tags: tuple[str, ...] = ()
    parts: int = 1


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What one session teaches: a module, or one part of it."""

    module_no: int
    part: int
    modality: str
    skill_tags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Manual:
    """One version of a published curriculum, shipped as data."""

    manual: str
    version: int
    title: str
    modality: str
    source: str
    licence: str
    titles: str
    modules: tuple[Module, ...]


@dataclass(eq=False, kw_only=True)
class Curriculum:
    """A curriculum in a site's catalogue; it never changes, so that what was completed stays what it was."""

    curriculum_id: str
    site_id: str
    title: str
    modality: str
    #: As JSON, in the order of their numbers; read it with :meth:`modules`.
    taught: list[dict[str, Any]]
    adopted_at: datetime
    adopted_by: str
    #: The manual that it was taken from, if any.
    manual: str | None = None
    manual_version: int | None = None
    tenant_id: str = ""

    def modules(self) -> tuple[Module, ...]:
        """Return the modules in the order of their numbers."""
        return tuple(Module(**{**row, "skill_tags": tuple(row["skill_tags"])}) for row in self.taught)

    @cached_property
    def lessons(self) -> tuple[Lesson, ...]:
        """What is taught in turn, each part of each module; made once, as a curriculum never changes."""
        return tuple(
            Lesson(
                module_no=module.module_no,
                part=part,
                modality=module.modality,
                skill_tags=module.skill_tags,
            )
            for module in self.modules()
            for part in range(1, module.parts + 1)
        )

    def lesson(self, *, module_no: int, part: int) -> Lesson:
        """Return one lesson.

        :raises NoSuchModule: when there is none.
        """
        for lesson in self.lessons:
            if (lesson.module_no, lesson.part) == (module_no, part):
                return lesson
        raise NoSuchModule(field="module_no", rule="a module of the curriculum")


def adopt(
    *,
    curriculum_id: str,
    site_id: str,
    title: str,
    modality: str,
    modules: Iterable[Module],
    manual: Manual | None,
    by: str,
    now: datetime,
) -> Curriculum:
    """Take a curriculum into a site's catalogue.

    :raises ModulesDoNotFit: when the modules are not numbered from 1 on without a gap.
    """
    taught = sorted(modules, key=lambda module: module.module_no)
    if [module.module_no for module in taught] != list(range(1, len(taught) + 1)) or not taught:
        raise ModulesDoNotFit(field="modules", rule="numbered from 1 on, each number once")
    return Curriculum(
        curriculum_id=curriculum_id,
        site_id=site_id,
        title=title,
        modality=modality,
        taught=[
            {
                "module_no": module.module_no,
                "title": module.title,
                "modality": module.modality,
                "skill_tags": list(module.skill_tags),
                "parts": module.parts,
            }
            for module in taught
        ],
        adopted_at=now,
        adopted_by=by,
        manual=manual.manual if manual else None,
        manual_version=manual.version if manual else None,
    )


# --- What a group teaches on a day ----------------------------------------------------------------


def follow(group: Group, curriculum: Curriculum, *, since: date, first_module: int, pace: str) -> None:
    """Have a group follow a curriculum from a local day on, beginning with one of its modules.

    :raises CurriculumNotOfModality: when the group does something else.
    :raises NoSuchModule: when there is no such module to begin with.
    """
    if curriculum.modality != group.modality:
        raise CurriculumNotOfModality(field="curriculum_id", rule=f"a curriculum of {group.modality}")
    curriculum.lesson(module_no=first_module, part=1)
    group.curriculum_id = curriculum.curriculum_id
    group.curriculum_since = since
    group.curriculum_first = first_module
    group.curriculum_pace = pace


def lesson_on(group: Group, curriculum: Curriculum | None, *, day: date) -> Lesson | None:
    """Return what a group teaches on a local day, if it meets then and follows the curriculum."""
    since = group.curriculum_since
    if curriculum is None or since is None or day < since or day.weekday() not in group.weekdays:
        return None
    lessons = curriculum.lessons
    begins = next(place for place, lesson in enumerate(lessons) if lesson.module_no == group.curriculum_first)
    return lessons[(begins + _turns(group, since=since, day=day)) % len(lessons)]


def _turns(group: Group, *, since: date, day: date) -> int:
    """Return how many lessons a group has begun before a day."""
    if group.curriculum_pace == BY_WEEK:
        # The week of the first meeting is the first, on whichever day of a week the group is told.
        first = next(one for one in range(7) if (since + timedelta(days=one)).weekday() in group.weekdays)
        return (monday_of(day) - monday_of(since + timedelta(days=first))).days // 7
    whole, rest = divmod((day - since).days, 7)
    begun = sum((since + timedelta(days=offset)).weekday() in group.weekdays for offset in range(rest))
    return whole * len(group.weekdays) + begun


def next_on(
    group: Group, curriculum: Curriculum, *, module_no: int, part: int, after: date, weekdays: Iterable[int]
) -> date | None:
    """Return the first local day after *after*, among *weekdays*, on which a group teaches a lesson."""
    days = set(weekdays)
    # After so many weeks the row of lessons has begun anew on the same weekday.
    for offset in range(1, 7 * (len(curriculum.lessons) + 1) + 1):
        day = after + timedelta(days=offset)
        lesson = lesson_on(group, curriculum, day=day) if day.weekday() in days else None
        if lesson is not None and (lesson.module_no, lesson.part) == (module_no, part):
            return day
    return None


# --- What a patient has completed -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """When a missed lesson is offered again."""

    #: One of MODULE_OCCASIONS.
    occasion: str
    starts_at: datetime | None = None
    #: The session, where it is booked already.
    session_id: str | None = None


@dataclass(kw_only=True)
class ModuleProgress:
    """How far a patient is with one module."""

    module: Module
    #: When each part was first completed, by its number.
    completed: dict[int, datetime] = field(default_factory=dict)
    #: The last seat of each part that was missed and not completed.
    missed: dict[int, Seat] = field(default_factory=dict)
    #: The next seat of each part that the patient has and has not completed.
    coming: dict[int, Seat] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """Return "COMPLETED", "MISSED" (wholly or in part), "COMING", "BEGUN" or "AHEAD"."""
        if len(self.completed) == self.module.parts:
            return "COMPLETED"
        if self.missed:
            return "MISSED"
        if self.coming:
            return "COMING"
        return "BEGUN" if self.completed else "AHEAD"

    @property
    def completed_at(self) -> datetime | None:
        """Return when the last part was completed, once all are."""
        return max(self.completed.values()) if self.state == "COMPLETED" else None


def progress(
    curriculum: Curriculum, sat: Iterable[tuple[Seat, Session]], *, now: datetime
) -> list[ModuleProgress]:
    """Return how far a patient is with each module, from their seats in sessions that taught it."""
    found = {module.module_no: ModuleProgress(module=module) for module in curriculum.modules()}
    for seat, session in sorted(sat, key=lambda one: (one[0].starts_at, one[0].seat_id)):
        own = found.get(session.module_no or 0)
        if own is None or session.curriculum_id != curriculum.curriculum_id:
            continue
        part = session.module_part
        if seat.state in COMPLETING:
            own.completed.setdefault(part, seat.starts_at)
        elif seat.state in MISSING:
            own.missed[part] = seat
        elif seat.state in _COMING and seat.starts_at > now:
            own.coming.setdefault(part, seat)
    for own in found.values():
        for part in own.completed:
            own.missed.pop(part, None)
            own.coming.pop(part, None)
    return list(found.values())


def same_lesson(one: Session, other: Session) -> bool:
    """Tell whether two sessions teach the same."""
    return one.curriculum_id is not None and (one.curriculum_id, one.module_no, one.module_part) == (
        other.curriculum_id,
        other.module_no,
        other.module_part,
    )


def teach(session: Session, *, curriculum: Curriculum, lesson: Lesson) -> None:
    """Note what a session teaches."""
    session.curriculum_id = curriculum.curriculum_id
    session.module_no = lesson.module_no
    session.module_part = lesson.part
    session.modality = lesson.modality
    session.skill_tags = list(lesson.skill_tags)


def dates_taught(
    sessions: Iterable[Session], *, group: Group, curriculum: Curriculum, zone: str
) -> list[tuple[Session, Lesson]]:
    """Return the sessions of a group that teach something, with what."""
    found = []
    for session in sessions:
        lesson = lesson_on(group, curriculum, day=local_day(at=session.starts_at, zone=zone))
        if lesson is not None:
            found.append((session, lesson))
    return found
