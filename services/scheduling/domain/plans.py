"""A patient's standing week, and the dated sessions that come of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any

from services.scheduling.domain import explanations, family, planner, step_downs
from services.scheduling.domain.curricula import Curriculum, Lesson, lesson_on
from services.scheduling.domain.groups import Group
from services.scheduling.domain.records import Episode, Patient, Site
from services.scheduling.domain.weeks import Span, days_between, local_day, moment_of, monday_of, span
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Event
from shared.contracts.scheduling import (
    ScheduleConfirmed,
    ScheduleProposed,
    SessionScheduled,
    StandingPlaceFreed,
)
from shared.errors import Conflict, NotFound
from shared.ids import derived_id

#: Local weekday and time at which the sessions of one more week are booked: Sunday evening.
#: Design default.
BOOKING_WEEKDAY = 6
BOOKING_TIME = time(20)

#: How long the first week waits for the draft of the treatment plan, which is due within a minute of
#: the assessment and so is there long before an admission. Design default.
DRAFT_WAIT = timedelta(minutes=15)

#: How soon the front desk looks at somebody whom no week fits. Design default: the first session is
#: due within 48 hours of admission.
NO_WEEK_DUE = timedelta(hours=24)


#: How long a patient has to agree to a week that was proposed, before somebody asks them. Design
#: default: the first session is due within 48 hours of admission.
CONFIRM_WITHIN = timedelta(hours=48)

#: How soon the front desk asks a patient who has not agreed, before the counselor does. Design default.
CONFIRMATION_DUE = timedelta(hours=24)

#: Of groups that follow none.
NO_CURRICULA: Mapping[str, Curriculum] = MappingProxyType({})


class NoSuchPlan(NotFound):
    """Raised when an episode has no weekly plan."""


class NothingProposed(Conflict):
    """Raised when a week is confirmed where none was found, or another one than the present."""


@dataclass(eq=False, kw_only=True)
class Place:
    """A standing place in one weekly meeting of a group; ``number`` is None once it is given up."""

    plan_id: str
    weekday: int
    group_id: str
    capacity: int
    number: int | None
    tenant_id: str = ""


@dataclass(eq=False, kw_only=True)
class WeeklyPlan:
    """The standing week of one episode: ACTIVE, WAITING for a week that fits, or ENDED.

    An active plan with a ``reason`` lost some of its places to a new obligation and waits for a
    week that fits again.
    """

    plan_id: str
    episode_id: str
    patient_id: str
    journey_id: str
    site_id: str
    state: str
    version: int
    #: Whether the first week waits for the draft of the treatment plan.
    awaits_treatment_plan: bool = False
    reason: str | None = None
    track: str | None = None
    weekly_minutes: int = 0
    individual_clinician_id: str | None = None
    individual_weekday: int | None = None
    individual_starts: time | None = None
    #: How the two meet in the hour alone with a therapist, one of MODES.
    individual_mode: str = "IN_PERSON"
    #: When a week was first found; it is in force from then on.
    proposed_at: datetime | None = None
    #: When the patient agreed to the present week.
    confirmed_at: datetime | None = None
    #: By when the patient is to agree to the present week, and whether somebody is asked for it.
    confirm_by: datetime | None = None
    confirmation_asked: bool = False
    #: GROUP_ENDED where the present week stands in place of one that the program could not keep.
    changed_because: str | None = None
    #: Why the week is as it is, in codes: see :func:`explain`.
    explained: dict[str, Any] | None = None
    #: The last day for which sessions are booked.
    booked_through: date | None = None
    #: Weeks in a row that stayed under the floor.
    short_weeks: int = 0
    #: Mondays, as JSON, of weeks of which a date was not booked as nobody could lead it.
    weeks_not_led: list[str] = field(default_factory=list)
    ended_at: datetime | None = None
    tenant_id: str = ""

    @property
    def individual(self) -> planner.IndividualSlot | None:
        """Return the weekly hour alone with a therapist, if there is one."""
        if (
            self.individual_clinician_id is None
            or self.individual_weekday is None
            or self.individual_starts is None
        ):
            return None
        return planner.IndividualSlot(
            clinician_id=self.individual_clinician_id,
            weekday=self.individual_weekday,
            starts=self.individual_starts,
            mode=self.individual_mode,
        )

    @property
    def task_id(self) -> str:
        """Return the id of the front desk's task about this plan's present trouble."""
        return derived_id(self.plan_id, "no_week_fits", str(self.version))

    @property
    def confirmation_task_id(self) -> str:
        """Return the id of the task to ask the patient whether they agree to the present week."""
        return derived_id(self.plan_id, "week_unconfirmed", str(self.version))

    def adopt(self, *, week: planner.StandingWeek, at: datetime, because: str | None = None) -> list[Event]:
        """Take *week* as the standing week; the caller gives out the places and books.

        :param because: what the program could not keep of the week before.
        """
        caused = self._close_task(outcome="DONE", at=at) + self.settle_confirmation(
            outcome="WITHDRAWN", at=at
        )
        if self.state == "ACTIVE":
            self.version += 1
        self.state = "ACTIVE"
        self.reason = None
        self.track = week.track
        self.weekly_minutes = week.weekly_minutes
        self._take_hour(week.individual)
        self.proposed_at = self.began_at or at
        self.confirmed_at = None
        self.confirm_by = at + CONFIRM_WITHIN
        self.changed_because = because
        return caused

    def ask_for_confirmation(self, *, now: datetime) -> list[Event]:
        """Have somebody ask the patient, who has not agreed to the week in time; once for each week.

        Nobody is asked about a week that is no longer whole: somebody looks for another one already.
        """
        if (
            self.state != "ACTIVE"
            or self.reason is not None
            or self.confirmed_at is not None
            or self.confirmation_asked
            or self.confirm_by is None
            or now < self.confirm_by
        ):
            return []
        self.confirmation_asked = True
        return [
            TaskOpened(
                task_id=self.confirmation_task_id,
                task="week_unconfirmed",
                owner_role=roles.FRONT_DESK,
                reason="NOT_CONFIRMED_IN_TIME",
                due_at=now + CONFIRMATION_DUE,
                about_id=self.episode_id,
                patient_id=self.patient_id,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
                next_role=roles.COUNSELOR,
            )
        ]

    def settle_confirmation(self, *, outcome: str, at: datetime) -> list[Event]:
        """Ask the patient no longer: they agreed, or the week is no longer proposed."""
        if not self.confirmation_asked:
            return []
        self.confirmation_asked = False
        return [self._closed("week_unconfirmed", self.confirmation_task_id, outcome=outcome, at=at)]

    @property
    def began_at(self) -> datetime | None:
        """Return since when there is a week; older versions confirmed it at once."""
        return self.proposed_at or self.confirmed_at

    def has(self, week: planner.StandingWeek, *, places: Iterable["Place"]) -> bool:
        """Tell whether the week in force is already this one, whole."""
        held = {(place.group_id, place.weekday) for place in places if place.number is not None}
        return (
            self.state == "ACTIVE"
            and self.reason is None
            and held == {(meeting.group_id, meeting.weekday) for meeting in week.meetings}
            and self.individual == week.individual
        )

    def moved_by(self, week: planner.StandingWeek, *, places: Iterable["Place"]) -> int:
        """Return how many meetings and hours of the week in force are no part of *week*."""
        kept = {(meeting.group_id, meeting.weekday) for meeting in week.meetings}
        moved = sum((place.group_id, place.weekday) not in kept for place in places)
        return moved + (self.individual is not None and self.individual != week.individual)

    def confirm(self, *, version: int | None, at: datetime) -> bool:
        """Note that the patient agrees to the week; return whether that is news.

        :param version: the version that the patient saw, where they saw one.
        :raises NothingProposed: when there is no week, or another one by now.
        """
        if self.state != "ACTIVE":
            raise NothingProposed(rule="a week that was found")
        if version is not None and version != self.version:
            raise NothingProposed(field="version", rule="the present version of the week")
        if self.confirmed_at is not None:
            return False
        self.confirmed_at = at
        return True

    def miss_out(self, *, reason: str, at: datetime) -> list[Event]:
        """Ask the front desk, because no week fits; the same trouble is told once."""
        if self.reason == reason:
            return []
        caused = self._close_task(outcome="WITHDRAWN", at=at) + self.settle_confirmation(
            outcome="WITHDRAWN", at=at
        )
        if self.reason is not None or self.state == "ACTIVE":
            self.version += 1
        self.reason = reason
        opened = TaskOpened(
            task_id=self.task_id,
            task="no_week_fits",
            owner_role=roles.FRONT_DESK,
            reason=reason,
            due_at=at + NO_WEEK_DUE,
            about_id=self.episode_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            next_role=roles.SUPERVISOR,
        )
        return [*caused, opened]

    def note_to_relax(self, obligations: Iterable[str]) -> None:
        """Keep the kinds of obligations of which one alone would have to give way for a week to fit."""
        kept = {name: told for name, told in (self.explained or {}).items() if name != "obligations_to_relax"}
        kinds = list(obligations)
        self.explained = ({**kept, "obligations_to_relax": kinds} if kinds else kept) or None

    def end(self, *, at: datetime) -> list[Event]:
        """End the plan with the episode; what it held becomes free."""
        caused = self._close_task(outcome="WITHDRAWN", at=at) + self.settle_confirmation(
            outcome="WITHDRAWN", at=at
        )
        self.state = "ENDED"
        self.reason = None
        # What was said of a week that nobody has any more depends on what came before the end by chance.
        self.explained = None
        self.weeks_not_led = []
        self.confirm_by = None
        self.ended_at = at
        return caused

    def freed(self) -> StandingPlaceFreed:
        """Return the news that whoever waits for admission can have this place in the program.

        :raises ValueError: when the plan has not ended.
        """
        if self.ended_at is None:
            raise ValueError("only a plan that ended frees its place")
        return StandingPlaceFreed(place_id=self.plan_id, site_id=self.site_id, freed_at=self.ended_at)

    def note_not_led(self, *, week_starts_on: date) -> None:
        """Note that nobody could lead a date of a week: the week then counts against nobody."""
        if not self.is_not_led(week_starts_on=week_starts_on):
            self.weeks_not_led = [*self.weeks_not_led, week_starts_on.isoformat()]

    def is_not_led(self, *, week_starts_on: date) -> bool:
        """Tell whether nobody could lead a date of a week."""
        return week_starts_on.isoformat() in self.weeks_not_led

    def forget_not_led(self, *, after: date) -> None:
        """Forget it of the weeks that begin after a day: they are booked anew."""
        self.weeks_not_led = [week for week in self.weeks_not_led if week <= after.isoformat()]

    def lose(self, *, minutes: int, hour: bool) -> None:
        """Take note that places worth *minutes* went, and the hour with the therapist if *hour*."""
        self.weekly_minutes -= minutes
        if hour:
            self.weekly_minutes -= planner.INDIVIDUAL_MINUTES
            self._take_hour(None)

    def proposal(
        self, *, week: planner.StandingWeek, moved: int, first_session_at: datetime, at: datetime
    ) -> ScheduleProposed:
        """Return the fact that a week was found."""
        unmet = (self.explained or {}).get("wishes_not_met", ())
        return ScheduleProposed(
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            plan_id=self.plan_id,
            version=self.version,
            track=week.track,
            weekly_minutes=week.weekly_minutes,
            days=week.days,
            first_session_at=first_session_at,
            moved=moved,
            workshop_exception=week.exception or "",
            wishes_not_met=tuple(one["wish"] for one in unmet),
            wishes_not_met_because=tuple(one["reason"] for one in unmet),
            proposed_at=at,
            because=self.changed_because or "",
            confirm_by=self.confirm_by,
        )

    def confirmation(self, *, days: int, first_session_at: datetime) -> ScheduleConfirmed:
        """Return the fact that the patient agreed to the week.

        :raises ValueError: when the plan has no week.
        """
        if self.track is None or self.confirmed_at is None:
            raise ValueError("a plan without a week confirms nothing")
        return ScheduleConfirmed(
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            plan_id=self.plan_id,
            version=self.version,
            track=self.track,
            weekly_minutes=self.weekly_minutes,
            days=days,
            first_session_at=first_session_at,
            confirmed_at=self.confirmed_at,
        )

    def _take_hour(self, hour: planner.IndividualSlot | None) -> None:
        self.individual_clinician_id = hour.clinician_id if hour else None
        self.individual_weekday = hour.weekday if hour else None
        self.individual_starts = hour.starts if hour else None
        self.individual_mode = hour.mode if hour else "IN_PERSON"

    def _close_task(self, *, outcome: str, at: datetime) -> list[Event]:
        if self.reason is None:
            return []
        return [self._closed("no_week_fits", self.task_id, outcome=outcome, at=at)]

    def _closed(self, task: str, task_id: str, *, outcome: str, at: datetime) -> TaskClosed:
        return TaskClosed(
            task_id=task_id,
            task=task,
            outcome=outcome,
            closed_at=at,
            about_id=self.episode_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
        )


def id_of(episode_id: str) -> str:
    """Return the id of the weekly plan of an episode."""
    return derived_id(episode_id, "weekly plan")


def plan_of(episode: Episode) -> WeeklyPlan:
    """Begin the weekly plan of an admitted episode, still without a week.

    :raises ValueError: when the episode was not admitted.
    """
    if episode.site_id is None:
        raise ValueError("only an admitted episode has a weekly plan")
    return WeeklyPlan(
        plan_id=id_of(episode.episode_id),
        episode_id=episode.episode_id,
        patient_id=episode.patient_id,
        journey_id=episode.journey_id,
        site_id=episode.site_id,
        state="WAITING",
        version=1,
    )


def lowest_free(*, taken: Iterable[int], capacity: int) -> int | None:
    """Return the lowest number from 1 to *capacity* that is not taken."""
    held = set(taken)
    return next((number for number in range(1, capacity + 1) if number not in held), None)


def places_in(
    *,
    plan: WeeklyPlan,
    week: planner.StandingWeek,
    kept: dict[tuple[str, int], int | None],
    taken: dict[tuple[str, int], set[int]],
    groups: dict[str, Group],
) -> list[Place]:
    """Give out the standing places of a week: the number that was held before, or the lowest free one.

    :param kept: the numbers held before, by group and weekday.
    :param taken: the numbers that others hold, by group and weekday.
    """
    places = []
    for meeting in week.meetings:
        at = (meeting.group_id, meeting.weekday)
        capacity = groups[meeting.group_id].capacity
        number = kept.get(at) or lowest_free(taken=taken.get(at, ()), capacity=capacity)
        places.append(
            Place(
                plan_id=plan.plan_id,
                weekday=meeting.weekday,
                group_id=meeting.group_id,
                capacity=capacity,
                number=number,
            )
        )
    return places


def explain(
    *, week: planner.StandingWeek, request: planner.Request, meetings: Iterable[planner.Meeting]
) -> dict[str, Any]:
    """Return why a week is as it is, as JSON: a reason for each slot and for each wish not met.

    ``{"meetings": [{"group_id", "weekday", "reasons"}], "individual": [..], "workshop_exception",
    "wishes_not_met": [{"wish", "reason"}]}``. Where no week fits there is ``"obligations_to_relax"`` instead
    or besides: see :meth:`WeeklyPlan.note_to_relax`.
    """
    return {
        "meetings": [
            {
                "group_id": meeting.group_id,
                "weekday": meeting.weekday,
                "reasons": list(explanations.reasons_for_meeting(meeting, week=week, request=request)),
            }
            for meeting in week.meetings
        ],
        "individual": list(explanations.reasons_for_hour(week.individual, week=week, request=request)),
        "workshop_exception": week.exception,
        "wishes_not_met": [
            {"wish": unmet.code, "reason": unmet.reason}
            for unmet in explanations.wishes_not_met(week, request=request, meetings=meetings)
        ],
    }


def request_of(
    *,
    episode: Episode,
    patient: Patient,
    held: Iterable[Place],
    held_hour: planner.IndividualSlot | None,
    admitted_minute: int,
    on: date,
) -> planner.Request:
    """Return what an admitted patient's week has to meet, and what it is asked to meet.

    :param on: the day from which on the week is planned: what was agreed for it stands above the level.
    :raises ValueError: when the episode was not admitted.
    """
    if episode.weekly_minutes_floor is None or episode.weekly_minutes_ceiling is None:
        raise ValueError("only an admitted episode has hours to meet")
    bound_by = patient.obligations()
    request = planner.Request(
        floor=episode.weekly_minutes_floor,
        ceiling=episode.weekly_minutes_ceiling,
        busy=tuple(obligation.span() for obligation in bound_by),
        busy_with=tuple(obligation.kind for obligation in bound_by),
        admitted_minute=admitted_minute,
        modalities=tuple(episode.modalities),
        wishes=patient.wished(),
        held=frozenset((place.group_id, place.weekday) for place in held),
        held_hour=held_hour,
        against_family=family.against_sessions(patient),
    )
    agreed = step_downs.in_force(episode, on=on)
    if agreed is None:
        return request
    return replace(
        request,
        floor=agreed.weekly_minutes,
        fewest_days=agreed.days,
        most_days=agreed.days,
        fewest_counselling=step_downs.FEWEST_COUNSELLING,
    )


def end_of_next_week(*, at: datetime, zone: str) -> date:
    """Return the Sunday that ends the week after the one of *at*."""
    return monday_of(local_day(at=at, zone=zone)) + timedelta(days=13)


def licensed_through(*, at: datetime, zone: str) -> date:
    """Return the day until which a therapist's licence must last to be given a patient.

    It is the last day that the next weekly booking reaches, so that nobody is booked with a therapist
    whose licence has run out by then.
    """
    return end_of_next_week(at=at, zone=zone) + timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class DatedSession:
    """One date of a standing meeting or hour, with the seat that a plan takes in it.

    ``number`` is the standing place's; another free one will do on that date.
    """

    session_id: str
    seat_id: str
    plan: WeeklyPlan = field(repr=False)
    group_id: str | None
    kind: str
    modality: str
    facilitator_id: str
    starts_at: datetime
    ends_at: datetime
    clinical_minutes: int
    capacity: int
    number: int | None
    mode: str = "IN_PERSON"
    room_id: str | None = None
    curriculum_id: str | None = None
    lesson: Lesson | None = None

    def scheduled(self) -> SessionScheduled:
        """Return the fact that the patient has this seat."""
        return SessionScheduled(
            patient_id=self.plan.patient_id,
            episode_id=self.plan.episode_id,
            journey_id=self.plan.journey_id,
            seat_id=self.seat_id,
            session_id=self.session_id,
            kind=self.kind,
            modality=self.modality,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            clinical_minutes=self.clinical_minutes,
        )


def dated_sessions(
    *,
    plan: WeeklyPlan,
    places: Iterable[Place],
    groups: dict[str, Group],
    site: Site,
    after: datetime,
    first: date,
    last: date,
    curricula: Mapping[str, Curriculum] = NO_CURRICULA,
) -> list[DatedSession]:
    """Return the dates of a standing week from day *first* to *last* that start after *after*.

    A block's end is its start and its length, so that it is as long on a day when clocks change.

    :param curricula: those that the groups follow, by id.
    """
    dated = []
    by_weekday: dict[int, list[Place]] = {}
    for standing in places:
        by_weekday.setdefault(standing.weekday, []).append(standing)
    hour = plan.individual
    for day in days_between(first=first, last=last):
        for place in by_weekday.get(day.weekday(), ()):
            group = groups[place.group_id]
            starts_at = moment_of(day=day, at=group.starts, zone=site.time_zone)
            session_id = date_of(group, day=day)
            lesson = lesson_on(group, curricula.get(group.curriculum_id or ""), day=day)
            dated.append(
                DatedSession(
                    session_id=session_id,
                    seat_id=derived_id(session_id, plan.episode_id),
                    plan=plan,
                    group_id=group.group_id,
                    kind=group.kind,
                    modality=lesson.modality if lesson else group.modality,
                    facilitator_id=group.facilitator_id,
                    starts_at=starts_at,
                    ends_at=starts_at + timedelta(minutes=group.minutes),
                    clinical_minutes=group.clinical_minutes,
                    capacity=group.capacity,
                    number=place.number,
                    mode=group.mode,
                    room_id=group.room_id,
                    curriculum_id=group.curriculum_id if lesson else None,
                    lesson=lesson,
                )
            )
        if hour is not None and hour.weekday == day.weekday():
            starts_at = moment_of(day=day, at=hour.starts, zone=site.time_zone)
            # Who meets otherwise from now on has another session: nobody's mode changes under them.
            how = (hour.mode,) if hour.from_afar else ()
            session_id = derived_id(
                plan.plan_id, hour.clinician_id, day.isoformat(), hour.starts.isoformat("minutes"), *how
            )
            dated.append(
                DatedSession(
                    session_id=session_id,
                    seat_id=derived_id(session_id, plan.episode_id),
                    plan=plan,
                    group_id=None,
                    kind="INDIVIDUAL",
                    modality="INDIVIDUAL_COUNSELING",
                    facilitator_id=hour.clinician_id,
                    starts_at=starts_at,
                    ends_at=starts_at + timedelta(minutes=planner.INDIVIDUAL_MINUTES),
                    clinical_minutes=planner.INDIVIDUAL_MINUTES,
                    capacity=1,
                    number=1,
                    mode=hour.mode,
                )
            )
    return sorted(
        (session for session in dated if session.starts_at > after),
        key=lambda session: (session.starts_at, session.session_id),
    )


def date_of(group: Group, *, day: date) -> str:
    """Return the id of the session that a group has on a local day."""
    # Callers choose group ids, so two tenants may have the same.
    return derived_id(group.tenant_id, group.group_id, day.isoformat())


def meetings_of(*, groups: Iterable[Group], taken: dict[tuple[str, int], int]) -> list[planner.Meeting]:
    """Return each weekly meeting of the groups that have not ended, with its free standing places.

    :param taken: how many places are taken, by group and weekday.
    """
    return [
        planner.Meeting(
            group_id=group.group_id,
            kind=group.kind,
            modality=group.modality,
            track=group.track,
            weekday=weekday,
            starts=group.starts,
            ends=group.ends,
            clinical_minutes=group.clinical_minutes,
            free_places=group.capacity - taken.get((group.group_id, weekday), 0),
        )
        for group in groups
        if group.ended_at is None
        for weekday in group.weekdays
    ]


def joinable(*, groups: Iterable[Group], own: Iterable[Place], on: date) -> list[Group]:
    """Return the groups that somebody can be planned into on a local day, and those that they are in."""
    held = {place.group_id for place in own}
    return [group for group in groups if group.group_id in held or group.takes_newcomers(on=on)]


def hardest_first(
    members: Iterable[tuple[WeeklyPlan, Episode, Patient]],
) -> list[tuple[WeeklyPlan, Episode, Patient]]:
    """Return patients in the order in which their weeks are found anew: who is bound most goes first.

    Whoever could come at any time is not to take the only place of somebody who cannot.
    """

    def bound(member: tuple[WeeklyPlan, Episode, Patient]) -> int:
        return sum(one.span().ends - one.span().begins for one in member[2].obligations())

    return sorted(members, key=lambda member: (-bound(member), member[0].plan_id))


def place_span(*, place: Place, group: Group) -> Span:
    """Return the stretch of the week of one standing place."""
    return span(weekday=place.weekday, starts=group.starts, ends=group.ends)
