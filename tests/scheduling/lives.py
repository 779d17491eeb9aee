"""Twenty lives, and a program that has something for most of them."""

from dataclasses import dataclass, field
from datetime import time
from typing import Any

from services.scheduling.domain import obligations, planner
from shared.ids import derived_id

WEEKDAYS = (0, 1, 2, 3, 4)
DAILY = tuple(range(7))
MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = DAILY


def bound(
    kind: str, days: tuple[int, ...], starts: float, ends: float, *, travel: int = 0
) -> list[obligations.Obligation]:
    """Bind somebody on some days between two hours of the clock; 7.5 is half past seven."""
    return [
        obligations.Obligation(
            kind=kind, weekday=day, starts=_clock(starts), ends=_clock(ends), travel_minutes=travel
        )
        for day in days
    ]


def _clock(hour: float) -> time:
    return time(int(hour) % 24, round(hour % 1 * 60))


def meetings_of(
    name: str, days: tuple[int, ...], starts: float, ends: float, track: str, **changes: Any
) -> list[planner.Meeting]:
    fields: dict[str, Any] = {
        "group_id": derived_id("group", name),
        "kind": "GROUP",
        "modality": "PROCESS",
        "track": track,
        "starts": _clock(starts),
        "ends": _clock(ends),
        "clinical_minutes": round((ends - starts) * 60) - 15,
        "free_places": 12,
    }
    return [planner.Meeting(**(fields | {"weekday": day} | changes)) for day in days]


def program() -> list[planner.Meeting]:
    """Return the meetings of a program with mornings, afternoons, evenings, video and a Saturday."""
    return [
        *meetings_of("sunrise", WEEKDAYS, 9, 12, "MORNING", modality="CBT"),
        *meetings_of("noon", WEEKDAYS, 13, 16, "AFTERNOON"),
        *meetings_of("dusk", (0, 1, 2, 3), 18, 21, "EVENING", modality="RELAPSE_PREVENTION"),
        *meetings_of("home", (0, 2, 3), 18, 21, "TELEHEALTH", modality="CBT"),
        *meetings_of("skills", (FRIDAY,), 9, 12, "MORNING", kind="EDUCATION", modality="LIFE_SKILLS"),
        *meetings_of("lecture", (WEDNESDAY,), 13, 16, "AFTERNOON", kind="EDUCATION", modality="LIFE_SKILLS"),
        *meetings_of("forum", (TUESDAY,), 18, 21, "EVENING", kind="EDUCATION", modality="LIFE_SKILLS"),
        *meetings_of(
            "families",
            (SATURDAY,),
            13,
            14.5,
            "AFTERNOON",
            kind="FAMILY",
            modality="FAMILY",
            clinical_minutes=90,
        ),
        *meetings_of(
            "circle", (THURSDAY, SATURDAY), 16.5, 17.5, "AFTERNOON", kind="SUPPORT", clinical_minutes=0
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Life:
    name: str
    bound_by: list[obligations.Obligation] = field(default_factory=list)
    wishes: planner.Wishes = field(default_factory=planner.Wishes)
    floor: int = 540
    meetings: list[planner.Meeting] = field(default_factory=program)
    #: What is expected: tracks that every block is of, or the reason for a refusal.
    tracks: tuple[str, ...] = ()
    refused: tuple[str, tuple[str, ...]] | None = None


LIVES = [
    Life(
        name="office worker",
        bound_by=bound("WORK", WEEKDAYS, 9, 17, travel=30),
        tracks=("EVENING", "TELEHEALTH"),
    ),
    Life(
        name="nurse on nights who sleeps until two",
        bound_by=[
            *bound("WORK", (SUNDAY, 0, 1, 2), 22, 6, travel=30),
            *bound("OTHER", (0, 1, 2, 3), 7, 14),
        ],
        tracks=("EVENING", "TELEHEALTH", "MORNING", "AFTERNOON"),
    ),
    Life(
        name="parent with the school run",
        bound_by=[
            *bound("CHILDCARE", WEEKDAYS, 7.5, 8.25, travel=15),
            *bound("CHILDCARE", WEEKDAYS, 15, 16, travel=15),
        ],
        tracks=("MORNING",),
    ),
    Life(
        name="two jobs with a gap at noon",
        bound_by=[*bound("WORK", WEEKDAYS, 8, 12, travel=20), *bound("WORK", WEEKDAYS, 17, 22, travel=20)],
        tracks=("AFTERNOON",),
    ),
    Life(
        name="two jobs and no gap",
        bound_by=[
            *bound("WORK", WEEKDAYS, 8, 16, travel=20),
            *bound("WORK", WEEKDAYS, 17, 23, travel=20),
            *bound("WORK", (SATURDAY,), 9, 17),
        ],
        refused=("OBLIGATIONS", ("WORK",)),
    ),
    Life(
        name="no car, ninety minutes by bus",
        bound_by=bound("WORK", WEEKDAYS, 9, 13, travel=90),
        tracks=("EVENING", "TELEHEALTH"),
    ),
    Life(name="retired", tracks=("MORNING",)),
    Life(
        name="at school all day",
        bound_by=bound("SCHOOL", WEEKDAYS, 8, 15, travel=20),
        tracks=("EVENING", "TELEHEALTH"),
    ),
    Life(
        name="newborn at home, who would rather not leave",
        bound_by=bound("FAMILY", WEEKDAYS, 6, 17.5),
        wishes=planner.Wishes(telehealth=True),
        tracks=("TELEHEALTH", "EVENING"),
    ),
    Life(
        name="reports to probation",
        bound_by=bound("COURT", (MONDAY,), 9, 10, travel=30),
        tracks=("MORNING",),
    ),
    Life(
        name="dialysis three mornings",
        bound_by=bound("MEDICAL", (0, 2, 4), 7, 12, travel=30),
        tracks=("AFTERNOON",),
    ),
    Life(
        name="farmer",
        bound_by=bound("WORK", DAILY, 4, 12, travel=15),
        tracks=("AFTERNOON",),
    ),
    Life(
        name="works at weekends",
        bound_by=bound("WORK", (SATURDAY, SUNDAY), 8, 20),
        tracks=("MORNING",),
    ),
    Life(
        name="two days and two nights",
        bound_by=[
            *bound("WORK", (MONDAY, TUESDAY), 6, 18, travel=20),
            *bound("WORK", (THURSDAY, FRIDAY), 18, 6, travel=20),
        ],
        tracks=("MORNING", "AFTERNOON", "EVENING", "TELEHEALTH"),
    ),
    Life(
        name="long-distance driver",
        bound_by=bound("WORK", WEEKDAYS, 5, 5),
        refused=("OBLIGATIONS", ("WORK",)),
    ),
    Life(
        name="looks after a father",
        bound_by=[*bound("FAMILY", DAILY, 8, 12), *bound("FAMILY", DAILY, 17, 22)],
        tracks=("AFTERNOON",),
    ),
    Life(
        name="bartender who sleeps until noon",
        bound_by=[*bound("WORK", (2, 3, 4, 5, 6), 17, 2, travel=30), *bound("OTHER", DAILY, 3, 12)],
        tracks=("AFTERNOON", "EVENING", "TELEHEALTH"),
    ),
    Life(
        name="school in the morning and a shop in the afternoon",
        bound_by=[
            *bound("SCHOOL", WEEKDAYS, 8, 12, travel=15),
            *bound("WORK", WEEKDAYS, 13, 17, travel=15),
        ],
        tracks=("EVENING", "TELEHEALTH"),
    ),
    Life(
        name="evenings only, and the evenings are full",
        bound_by=bound("WORK", WEEKDAYS, 9, 17, travel=30),
        meetings=[
            one
            if one.starts < time(18)
            else planner.Meeting(
                group_id=one.group_id,
                kind=one.kind,
                modality=one.modality,
                track=one.track,
                weekday=one.weekday,
                starts=one.starts,
                ends=one.ends,
                clinical_minutes=one.clinical_minutes,
                free_places=0,
            )
            for one in program()
        ],
        refused=("GROUPS_FULL", ()),
    ),
    Life(
        name="needs more hours than the program has",
        floor=1080,
        refused=("HOURS", ()),
    ),
]
