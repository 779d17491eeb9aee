"""What a patient attended: days, minutes by modality, weeks against the floor; what a letter may tell.

Support groups count among the days on which somebody was there, and nowhere else.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from services.scheduling.domain.attendance import Seat, Session
from services.scheduling.domain.step_downs import floor_in
from services.scheduling.domain.weeks import local_day, monday_of
from shared.contracts.scheduling import ATTENDED_STATES


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What became of some seats; what the program called off, or nobody said, counts as neither."""

    planned_sessions: int
    attended_sessions: int
    excused_sessions: int
    missed_sessions: int
    planned_minutes: int
    attended_minutes: int


@dataclass(frozen=True, kw_only=True)
class DoseOf:
    """Clinical minutes of one modality that a patient got."""

    modality: str
    sessions: int
    minutes: int


@dataclass(frozen=True, kw_only=True)
class DoseOfSkill:
    """Clinical minutes in sessions that train one skill."""

    skill_tag: str
    sessions: int
    minutes: int


@dataclass(frozen=True, kw_only=True)
class Week:
    """One local week, from Monday."""

    week_starts_on: date
    attended_minutes: int
    floor_minutes: int


@dataclass(frozen=True, kw_only=True)
class DayThere:
    """One local day on which the patient was there, and for how long, breaks included."""

    day: date
    sessions: int
    minutes: int


#: A seat with its session.
Sat = tuple[Seat, Session]


def tally(seats: Iterable[Sat]) -> Tally:
    """Count what became of some seats."""
    known = [
        (seat, session)
        for seat, session in seats
        if session.is_treatment and seat.state in (*ATTENDED_STATES, "EXCUSED", "NO_SHOW")
    ]
    states = [seat.state for seat, _ in known]
    return Tally(
        planned_sessions=len(known),
        attended_sessions=sum(state in ATTENDED_STATES for state in states),
        excused_sessions=states.count("EXCUSED"),
        missed_sessions=states.count("NO_SHOW"),
        planned_minutes=sum(session.clinical_minutes for _, session in known),
        attended_minutes=sum(seat.credited_minutes for seat, _ in known),
    )


def dose_by_modality(seats: Iterable[Sat]) -> list[DoseOf]:
    """Return the minutes that were attended of each modality, the most first."""
    sessions: dict[str, int] = {}
    minutes: dict[str, int] = {}
    for seat, session in seats:
        if session.is_treatment and seat.state in ATTENDED_STATES:
            sessions[session.modality] = sessions.get(session.modality, 0) + 1
            minutes[session.modality] = minutes.get(session.modality, 0) + seat.credited_minutes
    found = [DoseOf(modality=one, sessions=sessions[one], minutes=minutes[one]) for one in sessions]
    return sorted(found, key=lambda dose: (-dose.minutes, dose.modality))


def dose_by_skill(seats: Iterable[Sat]) -> list[DoseOfSkill]:
    """Return the minutes that were attended of each skill, the most first.

    A session that trains several skills counts for each, so the sum may exceed what was attended.
    """
    minutes: dict[str, list[int]] = {}
    for seat, session in seats:
        if seat.state in ATTENDED_STATES:
            for tag in session.skill_tags:
                minutes.setdefault(tag, []).append(seat.credited_minutes)
    found = [
        DoseOfSkill(skill_tag=tag, sessions=len(all_), minutes=sum(all_)) for tag, all_ in minutes.items()
    ]
    return sorted(found, key=lambda dose: (-dose.minutes, dose.skill_tag))


def weeks_of(
    seats: Iterable[Sat], *, floor: int, zone: str, kept: list[dict[str, Any]] | None = None
) -> list[Week]:
    """Return the minutes that were attended in each local week that had sessions.

    :param floor: clinical minutes a week that the level of care asks for.
    :param kept: the episode's step-downs, as it keeps them: in their weeks what was agreed is asked for.
    """
    minutes: dict[date, int] = {}
    for seat, _ in seats:
        monday = monday_of(local_day(at=seat.starts_at, zone=zone))
        minutes[monday] = minutes.get(monday, 0) + seat.credited_minutes
    return [
        Week(
            week_starts_on=monday,
            attended_minutes=minutes[monday],
            floor_minutes=floor_in(floor=floor, kept=kept or [], week_starts_on=monday),
        )
        for monday in sorted(minutes)
    ]


def days_there(seats: Iterable[Sat], *, zone: str) -> list[DayThere]:
    """Return the local days on which the patient was there, in order."""
    there = sorted(
        (seat for seat, _ in seats if seat.state in ATTENDED_STATES), key=lambda seat: seat.starts_at
    )
    found = []
    for day, of_day in groupby(there, key=lambda seat: local_day(at=seat.starts_at, zone=zone)):
        own = list(of_day)
        found.append(DayThere(day=day, sessions=len(own), minutes=sum(minutes_there(seat) for seat in own)))
    return found


def minutes_there(seat: Seat) -> int:
    """Return how long the patient was there, breaks included, as an employer counts it."""
    if seat.arrived_at is None or seat.left_at is None:
        return 0
    stayed = min(seat.left_at, seat.ends_at) - max(seat.arrived_at, seat.starts_at)
    return max(stayed, timedelta(0)) // timedelta(minutes=1)
