"""Which programs suit somebody who searches, in which order, and why.

Hard filters leave out what cannot be; what is left is put in order by parts with published weights, and
each part tells its reason. Nothing that anybody pays for enters (18 U.S.C. 220).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import time

from services.intake.domain.admissions import WEEKLY_MINUTES
from shared.contracts.intake import LEVELS_OF_CARE, LEVELS_OF_CARE_4

#: How much each part counts. Brief section 9; money is none of them.
WEIGHTS = {
    "SCHEDULE": 0.30,
    "TRAVEL": 0.20,
    "EVIDENCE": 0.15,
    "OUTCOMES": 0.15,
    "CREDENTIALS": 0.10,
    "WAIT": 0.10,
}
#: What a part counts as when nobody knows: in the middle, so that silence neither helps nor harms.
#: Design default.
NOT_KNOWN = 0.5
#: Evidence-based approaches from which on more are no better. Design default.
ENOUGH_APPROACHES = 4
#: Modalities of sessions that are approaches with evidence: what is delivered counts before what is listed.
EVIDENCE_BASED = ("CBT", "DBT", "MI", "RELAPSE_PREVENTION")
#: What a verified licence alone is worth beside an accreditation. Design default.
LICENCE_ALONE = 0.8
#: Discharges below which a result is not told. Brief section 9.
LEAST_OUTCOMES = 30
#: Minutes on the way for each mile, for want of a map: 30 miles an hour. Design default.
MINUTES_PER_MILE = 2.0
#: Level whose week a search that names none is about.
USUAL_LEVEL = "2.1"
#: Fewest days of a week of treatment. Design default: three, as for the weeks that scheduling plans.
FEWEST_DAYS = 3
#: Ways of taking part for which nobody leaves home.
REMOTE = ("VIDEO", "AUDIO")
#: Matches in an answer, and alternatives beside them. Brief section 9 for the alternatives.
MOST_MATCHES = 10
ALTERNATIVES = 3

#: The parts in the order in which a match holds them, and their weights.
PARTS = tuple(WEIGHTS)
_SCHEDULE, _TRAVEL, _EVIDENCE, _OUTCOMES, _CREDENTIALS, _WAIT = WEIGHTS.values()

#: Value of a part from 0 to 1, and the code that says why.
Part = tuple[float, str]

_SILENCE: Part = (NOT_KNOWN, "NOT_KNOWN")
_SEATS, _NO_SEATS = (1.0, "SEATS_FREE"), (0.0, "NO_SEAT_FREE")
_NOT_VERIFIED: Part = (0.0, "NOT_VERIFIED")
_VERIFIED: Part = (LICENCE_ALONE, "VERIFIED")
_ACCREDITED: Part = (1.0, "VERIFIED_AND_ACCREDITED")

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_BLOCK = re.compile(
    r"(MON|TUE|WED|THU|FRI|SAT|SUN) ([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])\Z"
)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A stretch of one weekday, 0 is Monday, in minutes of the local day."""

    weekday: int
    begins: int
    ends: int

    @classmethod
    def read(cls, text: str) -> "Block | None":
        """Read ``MON 09:00-17:00``; None when it is no such block."""
        found = _BLOCK.match(text)
        if found is None:
            return None
        day, hour, minute, end_hour, end_minute = found.groups()
        begins, ends = int(hour) * 60 + int(minute), int(end_hour) * 60 + int(end_minute)
        return cls(weekday=WEEKDAYS.index(day), begins=begins, ends=ends) if begins < ends else None

    def overlaps(self, other: "Block", *, apart: int) -> bool:
        """Tell whether two blocks are less than *apart* minutes apart."""
        return (
            self.weekday == other.weekday
            and self.begins < other.ends + apart
            and other.begins < self.ends + apart
        )


@dataclass(eq=False, kw_only=True)
class ProgramGroup:
    """A standing group of one of our sites as scheduling tells of it, with the places that are free."""

    group_id: str
    site_id: str
    kind: str
    modality: str
    track: str
    #: One of scheduling's MODES.
    mode: str
    #: Whether it takes newcomers: "OPEN" or "CLOSED".
    enrolment: str
    #: Weekdays on which it meets, 0 is Monday, and the places free on each, in the same order.
    weekdays: list[int]
    free_places: list[int]
    starts: time
    ends: time
    clinical_minutes: int
    capacity: int
    #: Grows with each news of the group, so that the newest wins in any order.
    revision: int
    tenant_id: str = ""

    @property
    def free_by_weekday(self) -> dict[int, int]:
        """Places that a newcomer could take, by weekday; none in a group that takes no newcomers."""
        open_ = self.enrolment == "OPEN"
        return {
            day: max(0, free) if open_ else 0
            for day, free in zip(self.weekdays, self.free_places, strict=True)
        }

    @property
    def free_seats(self) -> int:
        """Places that a newcomer could take on the weekday with the most room."""
        return max(self.free_by_weekday.values(), default=0)

    def open_blocks(self) -> list[Block]:
        """Return when the group meets with a place for a newcomer."""
        begins, ends = self.starts.hour * 60 + self.starts.minute, self.ends.hour * 60 + self.ends.minute
        return [
            Block(weekday=day, begins=begins, ends=ends) for day, free in self.free_by_weekday.items() if free
        ]


@dataclass(slots=True)
class Candidate:
    """What the order needs to know of one program within reach."""

    program_id: str
    site_id: str | None
    latitude: float
    longitude: float
    approaches: int
    verified: bool
    accredited: bool
    #: Share of discharges that completed, of at least LEAST_OUTCOMES; None when not known.
    completed: float | None = None


@dataclass(frozen=True, kw_only=True)
class Reason:
    """What one part contributed: its value from 0 to 1, its weight, and a code that says why."""

    part: str
    value: float
    weight: float
    code: str


@dataclass(slots=True)
class Match:
    """A program in its place in the order; hundreds are weighed for each search, so it is kept light."""

    program_id: str
    score: float
    miles: float
    #: What each of PARTS came to.
    parts: tuple[Part, ...]
    free_seats: int | None
    placeable_minutes: int | None
    #: Whether the searcher's week fits; None where nobody knows.
    week_is_placeable: bool | None

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """What each part contributed."""
        return tuple(
            Reason(part=part, value=value, weight=WEIGHTS[part], code=code)
            for part, (value, code) in zip(PARTS, self.parts, strict=True)
        )


def placeable_week(
    groups: Iterable[ProgramGroup], busy: Sequence[Block], *, travel_minutes: int
) -> tuple[int, int]:
    """Return the clinical minutes a week, and their days, of free places that no busy block touches.

    Travel counts on both sides of a group for which somebody leaves home. Of groups that meet at the same
    time somebody takes part in one only: those that together are longest.
    """
    days: dict[int, list[tuple[int, int, int]]] = {}
    for group in groups:
        if group.clinical_minutes:
            apart = 0 if group.mode in REMOTE else travel_minutes
            for block in group.open_blocks():
                if not any(block.overlaps(other, apart=apart) for other in busy):
                    slot = (block.ends, block.begins, group.clinical_minutes)
                    days.setdefault(block.weekday, []).append(slot)
    return sum(_most_minutes(slots) for slots in days.values()), len(days)


def _most_minutes(slots: list[tuple[int, int, int]]) -> int:
    """Return the most clinical minutes of a day of which no two overlap; each as end, begin and minutes."""
    best: list[tuple[int, int]] = [(0, 0)]
    for ends, begins, minutes in sorted(slots):
        before = max(total for until, total in best if until <= begins)
        best.append((ends, max(best[-1][1], before + minutes)))
    return best[-1][1]


def required_week(level: str | None) -> tuple[int, int] | None:
    """Return the clinical minutes and the days that a week at a level needs at least.

    None where people live in the program: no week is planned around what binds them.
    """
    level = level or USUAL_LEVEL
    if level not in WEEKLY_MINUTES:
        return None
    floor, _ = WEEKLY_MINUTES[level]
    # Outpatient care has no floor: one group is a week.
    return (floor, FEWEST_DAYS) if floor else (1, 1)


def match(
    candidate: Candidate,
    *,
    miles: float,
    radius_miles: float,
    busy: Sequence[Block],
    groups: Sequence[ProgramGroup] | None,
    required: tuple[int, int] | None,
    delivered: int | None = None,
) -> Match:
    """Weigh one program for one searcher.

    :param miles: how far away it is.
    :param groups: the live groups of a site of ours; None where no live schedule is known.
    :param required: what the week has to have, of :func:`required_week`.
    :param delivered: how many approaches with evidence a site of ours delivered in the last 90 days; None
        where nobody knows, so that what is listed has to do.
    """
    placeable = free_seats = fits = None
    schedule = _SILENCE
    if groups is not None:
        placeable, days = placeable_week(groups, busy, travel_minutes=round(miles * MINUTES_PER_MILE))
        free_seats = sum(group.free_seats for group in groups)
        if required is not None:
            fits = placeable >= required[0] and days >= required[1]
            schedule = _schedule(placeable, days, required=required)
    wait = _SILENCE if free_seats is None else _SEATS if free_seats else _NO_SEATS
    completed = candidate.completed
    travel = round(max(0.0, 1.0 - miles / radius_miles), 3)
    approaches = candidate.approaches if delivered is None else delivered
    evidence = min(1.0, approaches / ENOUGH_APPROACHES)
    outcomes = _SILENCE if completed is None else (round(completed, 3), "COMPLETED")
    credentials = (
        _NOT_VERIFIED if not candidate.verified else _ACCREDITED if candidate.accredited else _VERIFIED
    )
    # Written out: this runs hundreds of times for each search.
    score = (
        schedule[0] * _SCHEDULE
        + travel * _TRAVEL
        + evidence * _EVIDENCE
        + outcomes[0] * _OUTCOMES
        + credentials[0] * _CREDENTIALS
        + wait[0] * _WAIT
    )
    parts = (
        schedule,
        (travel, "DISTANCE"),
        (evidence, "APPROACHES_LISTED" if delivered is None else "APPROACHES_DELIVERED"),
        outcomes,
        credentials,
        wait,
    )
    return Match(candidate.program_id, round(score, 4), miles, parts, free_seats, placeable, fits)


def ranked(matches: Iterable[Match]) -> list[Match]:
    """Return matches best first; equal ones by distance, then by id, so that the order is always the same."""
    return sorted(matches, key=lambda one: (-one.score, one.miles, one.program_id))


def neighbouring_levels(level: str) -> tuple[str | None, str | None]:
    """Return the next higher and the next lower level of care of a search's alternatives.

    Of the 3rd edition, as facilities are listed by it, unless only the 4th has the level.
    """
    levels = LEVELS_OF_CARE if level in LEVELS_OF_CARE else LEVELS_OF_CARE_4
    at = levels.index(level)
    return levels[at + 1] if at + 1 < len(levels) else None, levels[at - 1] if at else None


def _schedule(placeable: int, days: int, *, required: tuple[int, int]) -> tuple[float, str]:
    minutes, fewest = required
    fit = round(min(1.0, placeable / minutes, days / fewest), 3)
    return fit, "WEEK_FITS" if fit >= 1.0 else "WEEK_FITS_IN_PART" if fit else "NO_WEEK_FITS"
