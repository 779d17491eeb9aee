"""Who a row is in the simulation: an invented name, a birthday inside the recorded age, a week.

Nothing here is recorded except the age band and what the obligations are built on; all names are
invented and belong to nobody.
"""

import json
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from homeward.simulation.draws import Draws
from homeward.simulation.rows import Admission, code_book
from shared.contracts.scheduling import DAY_TRACKS

#: Ages in full years of each code of AGE. Source: TEDS code book; 12 is open above, drawn to 75.
AGE_BANDS: dict[int, tuple[int, int]] = {
    1: (12, 14),
    2: (15, 17),
    3: (18, 20),
    4: (21, 24),
    5: (25, 29),
    6: (30, 34),
    7: (35, 39),
    8: (40, 44),
    9: (45, 49),
    10: (50, 54),
    11: (55, 64),
    12: (65, 75),
}

#: Codes of AGE of people who may be minors: a birthday inside the band is always under 18.
MINOR_AGE_CODES = (1, 2)

#: Days of each code of DAYWAIT, recorded as days from first contact to treatment. The last band is
#: open above; two weeks of it are drawn.
WAIT_BANDS: dict[int, tuple[int, int]] = {0: (0, 0), 1: (1, 7), 2: (8, 14), 3: (15, 30), 4: (31, 45)}

#: Working days over which people arrive. Design default of the simulation.
ARRIVAL_WORKING_DAYS = 10

#: First and last hour in which referrals come in, on the hour or a quarter past.
ARRIVALS_OPEN = 8
ARRIVALS_CLOSE = 15

#: Shares of people who would rather come at one time of day, by video as far as it goes, with their family
#: once a week (of those whom somebody supports), and to a support group (of those who go to none yet).
#: Assumption.
PREFERS_A_TRACK, WISHES_VIDEO, WISHES_FAMILY, WISHES_SUPPORT = 0.5, 0.1, 0.5, 0.2

#: Codes of FREQ_ATND_SELF_HELP of people who went to self-help groups in the last 30 days. Source: TEDS.
SELF_HELP_CODES = (2, 3, 4, 5)

_NAMES = json.loads(resources.files("homeward.simulation").joinpath("names.json").read_text("utf-8"))


@dataclass(frozen=True, kw_only=True)
class Person:
    """An invented identity around a recorded row."""

    given_name: str
    family_name: str
    birth_date: date
    phone: str
    #: "F" or "M".
    sex: str
    minor: bool


@dataclass(frozen=True, kw_only=True)
class Obligation:
    """A weekly block in which somebody is bound elsewhere, in the site's local time."""

    #: "WORK", "SCHOOL", "FAMILY", "COURT", "MEDICAL" or "OTHER".
    kind: str
    #: 0 is Monday.
    weekday: int
    starts: time
    ends: time
    travel_minutes: int


def invent(admission: Admission, *, seed: int, on: date, taken: set[tuple[str, str, date]]) -> Person:
    """Invent the person of a row, unlike everybody in *taken*, and add them to it.

    :param on: the day on which the recorded age is true.
    """
    draws = Draws(seed, admission.case_id)
    attempt = 0
    while True:
        given = draws.source("given name", attempt).choice(_NAMES["given"])
        family = draws.source("family name", attempt).choice(_NAMES["family"])
        born = _birth_date(admission, draws, on=on, attempt=attempt)
        if (given, family, born) not in taken:
            break
        attempt += 1
    taken.add((given, family, born))
    # 555-0100 to 555-0199 are set aside for fiction in the North American numbering plan.
    phone = f"+1 {draws.between(201, 989, 'area code')} 555 01{draws.between(0, 99, 'phone'):02d}"
    return Person(
        given_name=given,
        family_name=family,
        birth_date=born,
        phone=phone,
        sex=_sex(admission, draws),
        minor=admission.codes["AGE"] in MINOR_AGE_CODES,
    )


def arrives_at(admission: Admission, *, seed: int, starts_on: date, zone: ZoneInfo) -> datetime:
    """Draw when the referral comes in, within working hours of the first ten working days."""
    draws = Draws(seed, admission.case_id)
    working_days = [
        day for n in range(2 * ARRIVAL_WORKING_DAYS) if (day := starts_on + timedelta(days=n)).weekday() < 5
    ][:ARRIVAL_WORKING_DAYS]
    day = draws.source("arrival day").choice(working_days)
    hour = draws.between(ARRIVALS_OPEN, ARRIVALS_CLOSE, "arrival hour")
    return datetime.combine(day, time(hour, draws.source("arrival minute").choice((0, 15))), tzinfo=zone)


def days_waited(admission: Admission, *, seed: int) -> int:
    """Draw the days from referral to assessment inside the recorded band of DAYWAIT."""
    draws = Draws(seed, admission.case_id)
    low, high = WAIT_BANDS[recorded_or_drawn(admission, draws, "DAYWAIT")]
    return draws.between(low, high, "days waited")


def obligations(admission: Admission, *, seed: int) -> list[Obligation]:
    """Draw the week a person is bound to, from DETNLF, PRIMINC, EMPLOY and DETCRIM."""
    draws = Draws(seed, admission.case_id)
    codes = admission.codes
    blocks: list[Obligation] = []
    travel = draws.between(2, 6, "travel") * 5

    def block(kind: str, weekdays: tuple[int, ...] | list[int], starts: time, ends: time) -> None:
        blocks.extend(
            Obligation(kind=kind, weekday=day, starts=starts, ends=ends, travel_minutes=travel)
            for day in weekdays
        )

    # Wages in a person outside the labour force are read as casual work.
    employ = codes.get("EMPLOY")
    not_working = codes.get("DETNLF")
    if employ is None and not_working is None:
        employ = recorded_or_drawn(admission, draws, "EMPLOY")
    if employ == 1:
        shift = draws.one_of({(8, 16): 0.6, (9, 17): 0.25, (14, 22): 0.15}, "full-time shift")
        block("WORK", range_of(5), time(shift[0]), time(shift[1]))
    elif employ == 2 or codes.get("PRIMINC") == 1:
        days = sorted(draws.source("part-time days").sample(range(6), 3))
        shift = draws.one_of({(8, 13): 0.45, (12, 17): 0.3, (17, 22): 0.25}, "part-time shift")
        block("WORK", days, time(shift[0]), time(shift[1]))
    if not_working == 1:
        block("FAMILY", range_of(5), time(7, 30), time(8, 15))
        if draws.happens(0.6, "fetches children"):
            block("FAMILY", range_of(5), time(15, 15), time(16, 15))
        elif draws.happens(0.5, "small child"):
            block("FAMILY", (0, 2), time(8, 30), time(12, 0))
    elif not_working == 2:
        ends = draws.one_of({12: 0.45, 15: 0.55}, "school ends")
        block("SCHOOL", range_of(5), time(8), time(ends))
    elif not_working == 3 and draws.happens(0.7, "regular appointment"):
        starts = draws.one_of({9: 0.4, 11: 0.3, 14: 0.3}, "appointment time")
        block("MEDICAL", (draws.between(0, 4, "appointment day"),), time(starts), time(starts + 1, 30))
    elif not_working == 4:
        block("OTHER", (draws.between(0, 3, "house meeting"),), time(19), time(20, 30))
    # Probation or parole reports once a week; courts and diversion once in a while, not modelled.
    if codes.get("DETCRIM") == 3:
        starts = draws.one_of({9: 0.35, 11: 0.25, 15: 0.4}, "reporting time")
        block("COURT", (draws.between(0, 4, "reporting day"),), time(starts), time(starts, 45))
    return _apart(blocks)


def wishes(admission: Admission, *, seed: int, supporter: bool) -> dict[str, Any]:
    """Draw what a person would like of their week, from FREQ_ATND_SELF_HELP and who stands by them.

    :param supporter: whether somebody at home supports them.
    :returns: as ``POST /v1/patients/{patient_id}/obligations`` takes it.
    """
    draws = Draws(seed, admission.case_id)
    # Who goes to self-help groups already goes on.
    goes = recorded_or_drawn(admission, draws, "FREQ_ATND_SELF_HELP") in SELF_HELP_CODES
    prefers = draws.happens(PREFERS_A_TRACK, "prefers a track")
    return {
        "tracks": [draws.source("preferred track").choice(DAY_TRACKS)] if prefers else [],
        "telehealth": draws.happens(WISHES_VIDEO, "wishes video"),
        "family": supporter and draws.happens(WISHES_FAMILY, "wishes family sessions"),
        "support_group": goes or draws.happens(WISHES_SUPPORT, "wishes a support group"),
    }


def recorded_or_drawn(admission: Admission, draws: Draws, name: str) -> int:
    """Return a field's code as recorded; where it is missing, draw it by the national counts."""
    recorded = admission.codes.get(name)
    if recorded is not None:
        return recorded
    entries = code_book()[name]["codes"]
    # NOPRIOR has labels and no counts; then every code is as likely as another.
    return int(draws.one_of({code: entry["n"] or 1 for code, entry in entries.items()}, f"missing {name}"))


def range_of(days: int) -> tuple[int, ...]:
    """Return the first days of the week, Monday on."""
    return tuple(range(days))


def _apart(blocks: list[Obligation]) -> list[Obligation]:
    # Two obligations at once are one too many: the earlier declared one is kept.
    kept: list[Obligation] = []
    for block in blocks:
        if not any(
            block.weekday == other.weekday and block.starts < other.ends and other.starts < block.ends
            for other in kept
        ):
            kept.append(block)
    return sorted(kept, key=lambda block: (block.weekday, block.starts))


def _birth_date(admission: Admission, draws: Draws, *, on: date, attempt: int) -> date:
    low, high = AGE_BANDS[admission.codes["AGE"]]
    years = draws.source("age", attempt).randint(low, high)
    # A person of N years was born more than N and less than N + 1 years ago. The day is kept off
    # both ends, so that nobody leaves the recorded age within the weeks of a simulation.
    days = draws.source("birthday", attempt).randint(1, 364 - 140)
    return on - timedelta(days=int(years * 365.2425) + days)


def _sex(admission: Admission, draws: Draws) -> str:
    gender = admission.codes.get("GENDER")
    if gender is not None:
        return {1: "M", 2: "F"}[gender]
    # PREG is asked of women only: whoever has an answer is one.
    if "PREG" in admission.codes:
        return "F"
    return {1: "M", 2: "F"}[recorded_or_drawn(admission, draws, "GENDER")]
