"""Whether a patient got the clinical hours of their level in a week, as it was weighed and weighed again.

A week is weighed on Sunday night. A roster that comes later, or a mark that is corrected, weighs it once
more; the short weeks in a row are counted anew from there. What was once told to other services is
corrected, never told anew: :class:`WeeklyDoseCorrected` carries a revision that grows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from services.scheduling.domain.plans import WeeklyPlan
from services.scheduling.domain.weeks import local_day, moment_of, monday_of
from shared.contracts.event import Event
from shared.contracts.scheduling import WeeklyDoseCorrected, WeeklyDoseShortfall

#: Local weekday and time at which a week is weighed: late on Sunday. Design default.
WEIGHING_WEEKDAY = 6
WEIGHING_TIME = time(23, 30)

#: How long before that moment a request can have begun whose marks are written down after it. Design
#: default, well over the time that any request has.
WRITTEN_WITHIN = timedelta(minutes=10)

#: What a week came to. One that was not judged neither ends nor lengthens a row of short weeks.
REACHED, SHORT, NOT_JUDGED = "REACHED", "SHORT", "NOT_JUDGED"
OUTCOMES = (REACHED, SHORT, NOT_JUDGED)


@dataclass(frozen=True, kw_only=True)
class WeekOfSeats:
    """One patient's week in sums over their seats, in clinical minutes."""

    attended_minutes: int = 0
    #: Of sessions on which nobody has said yet who came.
    unknown_minutes: int = 0
    cancelled_by_program: int = 0
    #: Whether a closure, or that nobody could lead it, kept a date of the standing week from being booked.
    closed: bool = False


@dataclass(eq=False, kw_only=True)
class WeighedWeek:
    """What was found when a week of somebody's was weighed last; minutes are clinical ones."""

    episode_id: str
    week_starts_on: date
    patient_id: str
    journey_id: str
    #: The floor of that week, which holds though the level is another by now.
    floor_minutes: int
    #: As in :class:`WeekOfSeats`: what was not booked is no more known when more is known of who came.
    closed: bool
    attended_minutes: int
    #: One of OUTCOMES.
    outcome: str
    #: Short weeks in a row before this one.
    short_weeks_before: int
    #: Whether other services were told that the week is short.
    told: bool = False
    #: How often what they were told was corrected.
    revision: int = 0
    tenant_id: str = ""

    @property
    def is_short(self) -> bool:
        """Whether it is known to have stayed under the floor."""
        return self.outcome == SHORT

    @property
    def short_weeks(self) -> int:
        """Short weeks in a row up to this one, and with it where it is short."""
        return 0 if self.outcome == REACHED else self.short_weeks_before + self.is_short

    def tell(self, *, told_at: datetime) -> list[Event]:
        """Tell that the week is short; one that was told is corrected."""
        if self.told:
            self.revision += 1
            return [
                WeeklyDoseCorrected(
                    patient_id=self.patient_id,
                    episode_id=self.episode_id,
                    journey_id=self.journey_id,
                    week_starts_on=self.week_starts_on,
                    attended_minutes=self.attended_minutes,
                    floor_minutes=self.floor_minutes,
                    consecutive_weeks=self.short_weeks if self.is_short else 0,
                    revision=self.revision,
                    corrected_at=told_at,
                )
            ]
        if not self.is_short:
            return []
        self.told = True
        return [
            WeeklyDoseShortfall(
                patient_id=self.patient_id,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
                week_starts_on=self.week_starts_on,
                attended_minutes=self.attended_minutes,
                floor_minutes=self.floor_minutes,
                consecutive_weeks=self.short_weeks,
                told_at=told_at,
            )
        ]

    def _known(self) -> tuple[int, int] | None:
        """Return what others know of it, as far as it matters to them."""
        return (self.short_weeks, self.attended_minutes) if self.is_short else None

    def become(
        self, *, outcome: str, attended_minutes: int, short_weeks_before: int, now: datetime
    ) -> list[Event]:
        """Take on what was found anew, and return what others have to be told of it."""
        before = self._known()
        self.outcome, self.attended_minutes = outcome, attended_minutes
        self.short_weeks_before = short_weeks_before
        return self.tell(told_at=now) if self._known() != before else []


def weighed_at(*, week_starts_on: date, zone: str) -> datetime:
    """Return the moment at which a local week is weighed."""
    sunday = week_starts_on + timedelta(days=WEIGHING_WEEKDAY)
    return moment_of(day=sunday, at=WEIGHING_TIME, zone=zone)


def not_weighed_before(starts_at: datetime) -> datetime:
    """Return a moment before which the week of a session is weighed nowhere, whatever its time zone."""
    at = starts_at.astimezone(UTC)
    monday = datetime.combine(monday_of(at.date()), time(0), tzinfo=UTC)
    # On Monday it is Sunday night still in the west; it begins in the east when it is Sunday here.
    return at if at < monday + timedelta(days=1) else monday + timedelta(days=6)


def weigh(
    *,
    plan: WeeklyPlan,
    floor: int,
    week: WeekOfSeats,
    week_starts_on: date,
    zone: str,
    before: WeighedWeek | None,
    at: datetime,
) -> tuple[WeighedWeek | None, list[Event]]:
    """Weigh a week that ends, and say where it stayed under the floor, and how many did in a row.

    Not weighed at all: the first week, which is a part of one, and the last week.

    :param before: the newest week of the same plan that was weighed; None where none was kept.
    :return: the week to be kept, if it is one to be weighed now, and what others have to be told.
    """
    if plan.state != "ACTIVE" or plan.began_at is None:
        return None, []
    if monday_of(local_day(at=plan.began_at, zone=zone)) >= week_starts_on:
        return None, []
    if before is not None and before.week_starts_on >= week_starts_on:
        return None, []
    weighed = WeighedWeek(
        episode_id=plan.episode_id,
        week_starts_on=week_starts_on,
        patient_id=plan.patient_id,
        journey_id=plan.journey_id,
        floor_minutes=floor,
        closed=week.closed,
        attended_minutes=week.attended_minutes,
        outcome=_outcome(floor=floor, week=week),
        # Older versions kept the number alone, and go on counting from it.
        short_weeks_before=plan.short_weeks if before is None else before.short_weeks,
    )
    plan.short_weeks = weighed.short_weeks
    return weighed, weighed.tell(told_at=at)


def weigh_again(weighed: Sequence[WeighedWeek], *, week: WeekOfSeats, now: datetime) -> list[Event]:
    """Weigh a week once more, and count the short weeks in a row anew from there.

    :param weighed: that week, and those of the same episode after it, in order.
    :param week: what is known of its seats now.
    """
    first, *later = weighed
    caused = first.become(
        outcome=_outcome(floor=first.floor_minutes, week=week),
        attended_minutes=week.attended_minutes,
        short_weeks_before=first.short_weeks_before,
        now=now,
    )
    in_row = first.short_weeks
    for one in later:
        caused += one.become(
            outcome=one.outcome,
            attended_minutes=one.attended_minutes,
            short_weeks_before=in_row,
            now=now,
        )
        in_row = one.short_weeks
    return caused


def _outcome(*, floor: int, week: WeekOfSeats) -> str:
    """Say what a week came to.

    Not judged is one in which the program called a session of the patient's off, or of which it booked
    too little, as it was closed or had nobody to lead; and one that would reach the floor if those whose
    roster is missing had come.
    """
    if week.cancelled_by_program or week.closed:
        return NOT_JUDGED
    if week.attended_minutes >= floor:
        return REACHED
    return NOT_JUDGED if week.attended_minutes + week.unknown_minutes >= floor else SHORT


def total(seats: Iterable[tuple[str, int, int]], *, closed: bool = False) -> WeekOfSeats:
    """Add up seats given as state, credited minutes and clinical minutes.

    :param closed: whether a closure, or that nobody could lead it, kept a date of the week from being
        booked.
    """
    attended = unknown = cancelled = 0
    for state, credited, clinical in seats:
        attended += credited
        if state in ("UNMARKED", "CHECKED_IN", "SCHEDULED"):
            unknown += clinical
        elif state == "CANCELLED_BY_PROGRAM":
            cancelled += 1
    return WeekOfSeats(
        attended_minutes=attended, unknown_minutes=unknown, cancelled_by_program=cancelled, closed=closed
    )
