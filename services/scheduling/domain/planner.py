"""Finds a standing week for one patient: enough treatment, and never against an obligation.

A week is one block a day on at least three days, and one individual session with a licensed
therapist. Three blocks of the default 165 clinical minutes and 50 minutes alone make 545, just over
the nine hours of level 2.1. So a week has three blocks wherever that reaches the floor, and more only
where it must. Groups that meet at the same time are alike as to what fits; which of them is taken
follows from who has room, and from staying with the same people on all days.

The search is complete: when it finds nothing there is nothing, and it names the constraint to relax.
Equal inputs give equal weeks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import time
from itertools import combinations, product

from services.scheduling.domain.weeks import MINUTES_A_WEEK, Span, span
from shared.contracts.scheduling import TRACKS

#: Fewest days a week with a block. Design default: three, as contractors of federal payers describe.
FEWEST_DAYS = 3

#: Blocks a week that are tried first. Design default: the published Monday, Wednesday, Thursday week.
PREFERRED_BLOCKS = 3

#: Clinical minutes of an individual session. Design default, within the published 50 to 60.
INDIVIDUAL_MINUTES = 50

#: The first and the last hour at which an individual session starts; they start on the hour, so
#: that a therapist has ten minutes between two. Design default.
FIRST_INDIVIDUAL_HOUR = 8
LAST_INDIVIDUAL_HOUR = 20

#: Minutes from admission within which the first block lies where the tracks permit: 48 hours.
#: Design default.
START_WITHIN = 48 * 60


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """One weekly meeting of a group, and how many standing places are free in it."""

    group_id: str
    kind: str
    track: str
    weekday: int
    starts: time
    ends: time
    clinical_minutes: int
    free_places: int

    def span(self) -> Span:
        """Return the stretch of the week that the meeting takes."""
        return span(weekday=self.weekday, starts=self.starts, ends=self.ends)


@dataclass(frozen=True, kw_only=True)
class Therapist:
    """A licensed therapist's standing week: hours with patients, and time in groups."""

    clinician_id: str
    #: Weekday and start of the individual sessions that are taken.
    taken: frozenset[tuple[int, time]]
    busy: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True)
class IndividualSlot:
    """The hour a week that a patient has alone with a therapist."""

    clinician_id: str
    weekday: int
    starts: time

    @property
    def ends(self) -> time:
        """Return the local time at which the hour ends."""
        minutes = self.starts.hour * 60 + self.starts.minute + INDIVIDUAL_MINUTES
        return time(minutes // 60, minutes % 60)

    def span(self) -> Span:
        """Return the stretch of the week that the hour takes."""
        return span(weekday=self.weekday, starts=self.starts, ends=self.ends)


@dataclass(frozen=True, kw_only=True)
class StandingWeek:
    """A week that fits: the blocks in order of the week, and the individual session."""

    meetings: tuple[Meeting, ...]
    individual: IndividualSlot

    @property
    def weekly_minutes(self) -> int:
        """Return the clinical minutes of the week."""
        return sum(meeting.clinical_minutes for meeting in self.meetings) + INDIVIDUAL_MINUTES

    @property
    def track(self) -> str:
        """Return the track of most blocks; of equal ones the earlier in the day."""
        tracks = [meeting.track for meeting in self.meetings]
        return min(TRACKS, key=lambda track: (-tracks.count(track), TRACKS.index(track)))


@dataclass(frozen=True, kw_only=True)
class NoWeek:
    """No week fits; ``reason`` is the constraint to relax, one of ``NO_WEEK_REASONS``."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a patient's week has to meet.

    The week has at least ``floor`` and fewer than ``ceiling`` clinical minutes. ``busy`` holds what
    binds the patient, travel included. ``admitted_minute`` is the minute of the local week from
    which treatment can start.
    """

    floor: int
    ceiling: int
    busy: tuple[Span, ...]
    admitted_minute: int


@dataclass(frozen=True)
class _Slot:
    """Meetings of one weekday that are alike in time, length, track and kind."""

    weekday: int
    starts: time
    ends: time
    clinical_minutes: int
    track: str
    kind: str
    free_places: int

    def span(self) -> Span:
        return span(weekday=self.weekday, starts=self.starts, ends=self.ends)

    def holds(self, meeting: Meeting) -> bool:
        return (
            meeting.weekday,
            meeting.starts,
            meeting.ends,
            meeting.clinical_minutes,
            meeting.track,
            meeting.kind,
        ) == (self.weekday, self.starts, self.ends, self.clinical_minutes, self.track, self.kind)


def plan_week(
    *, request: Request, meetings: Iterable[Meeting], therapists: Iterable[Therapist]
) -> StandingWeek | NoWeek:
    """Return the best standing week, or why there is none.

    :param therapists: in the order in which they are to be asked, e.g. the least busy first.
    """
    offered = tuple(meetings)
    asked = tuple(therapists)
    return _find(request, offered, asked) or NoWeek(reason=_constraint_to_relax(request, offered))


def _find(
    request: Request, meetings: tuple[Meeting, ...], therapists: tuple[Therapist, ...]
) -> StandingWeek | None:
    slots = _free_slots(request, meetings)
    days = sorted({slot.weekday for slot in slots})
    hours = _free_hours(request, sorted({meeting.weekday for meeting in meetings}), therapists)
    if not hours:
        return None
    sizes = sorted(range(FEWEST_DAYS, len(days) + 1), key=lambda size: (abs(size - PREFERRED_BLOCKS), size))
    for size in sizes:
        for pattern in sorted(_patterns(request, slots, size), key=lambda found: _cost(request, found)):
            individual = _hour_beside(pattern, hours)
            if individual is not None:
                return StandingWeek(meetings=_seats_together(pattern, meetings), individual=individual)
    return None


def _free_slots(request: Request, meetings: tuple[Meeting, ...]) -> tuple[_Slot, ...]:
    free: dict[tuple[int, time, time, int, str, str], int] = {}
    for meeting in meetings:
        if meeting.free_places > 0 and not any(meeting.span().meets(taken) for taken in request.busy):
            key = (
                meeting.weekday,
                meeting.starts,
                meeting.ends,
                meeting.clinical_minutes,
                meeting.track,
                meeting.kind,
            )
            free[key] = free.get(key, 0) + meeting.free_places
    return tuple(_Slot(*key, places) for key, places in sorted(free.items()))


def _free_hours(
    request: Request, days: list[int], therapists: tuple[Therapist, ...]
) -> tuple[IndividualSlot, ...]:
    """Return the hours in which some therapist and the patient are free, with the first such therapist."""
    found = []
    for weekday in days:
        for hour in range(FIRST_INDIVIDUAL_HOUR, LAST_INDIVIDUAL_HOUR + 1):
            starts = time(hour)
            stretch = span(weekday=weekday, starts=starts, ends=time(hour, INDIVIDUAL_MINUTES))
            if any(stretch.meets(taken) for taken in request.busy):
                continue
            for therapist in therapists:
                if (weekday, starts) not in therapist.taken and not any(
                    stretch.meets(taken) for taken in therapist.busy
                ):
                    found.append(
                        IndividualSlot(clinician_id=therapist.clinician_id, weekday=weekday, starts=starts)
                    )
                    break
    return tuple(found)


def _patterns(request: Request, slots: tuple[_Slot, ...], size: int) -> Iterator[tuple[_Slot, ...]]:
    by_day: dict[int, list[_Slot]] = {}
    for slot in slots:
        by_day.setdefault(slot.weekday, []).append(slot)
    for days in combinations(sorted(by_day), size):
        for pattern in product(*(by_day[day] for day in days)):
            counselling = sum(slot.kind == "GROUP" for slot in pattern)
            minutes = sum(slot.clinical_minutes for slot in pattern) + INDIVIDUAL_MINUTES
            if counselling >= FEWEST_DAYS and request.floor <= minutes < request.ceiling:
                yield pattern


def _cost(request: Request, pattern: tuple[_Slot, ...]) -> tuple[object, ...]:
    """Return what makes one week worse than another, the weightiest first.

    Workshops in place of counselling; changing tracks; a late start; a track later in the day, so that
    the evening is left to those who work; days with few places left, so that the days fill evenly
    and none is stranded; days on end without treatment.
    """
    tracks = {slot.track for slot in pattern}
    wait = min((slot.span().begins - request.admitted_minute) % MINUTES_A_WEEK for slot in pattern)
    days = [slot.weekday for slot in pattern]
    gaps = [(after - day) % 7 or 7 for day, after in zip(days, [*days[1:], days[0]], strict=True)]
    return (
        sum(slot.kind != "GROUP" for slot in pattern),
        len(tracks),
        wait > START_WITHIN,
        sorted(TRACKS.index(track) for track in tracks),
        sorted(-slot.free_places for slot in pattern)[::-1],
        sum(gap * gap for gap in gaps),
        [(slot.weekday, slot.starts, slot.ends, slot.clinical_minutes) for slot in pattern],
    )


def _hour_beside(pattern: tuple[_Slot, ...], hours: tuple[IndividualSlot, ...]) -> IndividualSlot | None:
    """Return the free hour that is nearest to a block, on the same day if there is one."""
    blocks = [slot.span() for slot in pattern]
    days = {slot.weekday for slot in pattern}
    best: tuple[tuple[bool, int, int, time], IndividualSlot] | None = None
    for hour in hours:
        stretch = hour.span()
        if any(stretch.meets(block) for block in blocks):
            continue
        gap = min(max(block.begins - stretch.ends, stretch.begins - block.ends) for block in blocks)
        distance = min(
            (
                max(block.begins - stretch.ends, stretch.begins - block.ends)
                for slot, block in zip(pattern, blocks, strict=True)
                if slot.weekday == hour.weekday
            ),
            default=gap,
        )
        cost = (hour.weekday not in days, distance, hour.weekday, hour.starts)
        if best is None or cost < best[0]:
            best = (cost, hour)
    return best[1] if best else None


def _seats_together(pattern: tuple[_Slot, ...], meetings: tuple[Meeting, ...]) -> tuple[Meeting, ...]:
    """Choose among groups alike in time those that cover most of the week, so that people stay together."""
    wanted = list(pattern)
    chosen: list[Meeting] = []
    while wanted:
        open_to: dict[str, list[Meeting]] = {}
        for meeting in meetings:
            if meeting.free_places > 0 and any(slot.holds(meeting) for slot in wanted):
                open_to.setdefault(meeting.group_id, []).append(meeting)
        group_id = min(
            open_to,
            key=lambda group: (
                -len(open_to[group]),
                -min(meeting.free_places for meeting in open_to[group]),
                group,
            ),
        )
        chosen += open_to[group_id]
        wanted = [slot for slot in wanted if not any(slot.holds(meeting) for meeting in open_to[group_id])]
    return tuple(sorted(chosen, key=lambda meeting: meeting.weekday))


def _constraint_to_relax(request: Request, meetings: tuple[Meeting, ...]) -> str:
    if not meetings:
        return "NO_GROUPS"
    unbound = Request(
        floor=request.floor, ceiling=request.ceiling, busy=(), admitted_minute=request.admitted_minute
    )
    roomy = tuple(_with_room(meeting) for meeting in meetings)
    anyone = (Therapist(clinician_id="", taken=frozenset(), busy=()),)
    for relaxed, offered, asked, reason in (
        (request, meetings, anyone, "NO_THERAPIST"),
        (request, roomy, anyone, "GROUPS_FULL"),
        (unbound, meetings, anyone, "OBLIGATIONS"),
        (unbound, roomy, anyone, "OBLIGATIONS_AND_CAPACITY"),
    ):
        if _find(relaxed, offered, asked):
            return reason
    return "HOURS"


def _with_room(meeting: Meeting) -> Meeting:
    return Meeting(
        group_id=meeting.group_id,
        kind=meeting.kind,
        track=meeting.track,
        weekday=meeting.weekday,
        starts=meeting.starts,
        ends=meeting.ends,
        clinical_minutes=meeting.clinical_minutes,
        free_places=1,
    )
