"""Whether a patient got the clinical hours of their level in a week."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time

from services.scheduling.domain.plans import WeeklyPlan
from services.scheduling.domain.weeks import local_day, monday_of
from shared.contracts.event import Event
from shared.contracts.scheduling import WeeklyDoseShortfall

#: Local weekday and time at which a week is weighed: late on Sunday. Design default.
WEIGHING_WEEKDAY = 6
WEIGHING_TIME = time(23, 30)


@dataclass(frozen=True, kw_only=True)
class WeekOfSeats:
    """One patient's week in sums over their seats, in clinical minutes."""

    attended_minutes: int = 0
    #: Of sessions on which nobody has said yet who came.
    unknown_minutes: int = 0
    cancelled_by_program: int = 0
    #: Whether a closure, or that nobody could lead it, kept a date of the standing week from being booked.
    closed: bool = False


def weigh(*, plan: WeeklyPlan, floor: int, week: WeekOfSeats, week_starts_on: date, zone: str) -> list[Event]:
    """Say that a week stayed under the floor, and how many did in a row.

    Not judged, and neither ending nor lengthening a row of short weeks: the first week, which is
    a part of one; the last week; a week in which the program called a session of the patient's off,
    or of which it booked too little, as it was closed or had nobody to lead; and one that would reach
    the floor if those whose roster is missing had come. A correction that comes after the judgement
    does not undo it.
    """
    if plan.state != "ACTIVE" or plan.began_at is None:
        return []
    if monday_of(local_day(at=plan.began_at, zone=zone)) >= week_starts_on:
        return []
    if week.cancelled_by_program or week.closed:
        return []
    if week.attended_minutes >= floor:
        plan.short_weeks = 0
        return []
    if week.attended_minutes + week.unknown_minutes >= floor:
        return []
    plan.short_weeks += 1
    return [
        WeeklyDoseShortfall(
            patient_id=plan.patient_id,
            episode_id=plan.episode_id,
            journey_id=plan.journey_id,
            week_starts_on=week_starts_on,
            attended_minutes=week.attended_minutes,
            floor_minutes=floor,
            consecutive_weeks=plan.short_weeks,
        )
    ]


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
