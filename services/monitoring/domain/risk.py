"""The transparent risk index: a sum of named terms, each shown, from facts of the last days.

Design default, version 1, not calibrated: it orders attention and decides nothing. It may raise an
escalation, and never delays a safety rule. It uses no demographic input.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.monitoring.domain.attendance import MISSED, Attendance

RULE_VERSION = "risk-1"

#: How far back the terms look. Design default.
WINDOW = timedelta(days=7)
#: How long a band must not have been reached before the shown band falls. Design default.
HYSTERESIS = timedelta(days=3)
#: How long after it happened a fact can still be seen in the shown band.
LASTS = WINDOW + HYSTERESIS
#: Largest index.
CEILING = 100

#: Points of each term. Design default, version 1.
SELF_REPORTED_USE = 25
CRAVING_HIGH = 15
MOOD_LOW = 10
ONE_ABSENCE = 8
SEVERAL_ABSENCES = 18
SHORT_WEEK = 8
SLEEP_SHORT = 4
SKILL_USED = -3
#: Most that protective terms take off.
PROTECTION_CAP = -12

#: A mean craving from which on it counts as high, and a mean mood up to which it is low, of 0 to 10.
CRAVING_HIGH_FROM = 7
MOOD_LOW_TO = 3
#: Hours of sleep under which a night is short, and the number of such nights that counts.
SLEEP_SHORT_UNDER = 5
SLEEP_SHORT_NIGHTS = 3

#: Lowest index of each band, highest first. Design default.
BANDS = (("RED", 60), ("ORANGE", 40), ("YELLOW", 20), ("GREEN", 0))


@dataclass(frozen=True, kw_only=True)
class CheckInFact:
    """What a check-in says that the index counts."""

    at: datetime
    craving: int
    mood: int
    sleep_hours: float
    used: bool
    skill_used: bool


@dataclass(frozen=True, kw_only=True)
class SeatFact:
    """What the mark of a seat says that the index counts."""

    starts_at: datetime
    state: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything the index is computed from, in any order."""

    seats: Sequence[SeatFact | Attendance]
    check_ins: Sequence[CheckInFact]
    #: Ends of the weeks whose clinical hours stayed under the floor.
    short_weeks: Sequence[datetime]


@dataclass(frozen=True, kw_only=True)
class Risk:
    """The index at a moment: its terms with their points, and the band they come to."""

    index: int
    terms: tuple[tuple[str, int], ...]

    @property
    def band(self) -> str:
        """The band of the index itself, without hysteresis."""
        return band_of(self.index)


def band_of(index: int) -> str:
    """Return the band that an index falls into."""
    return next(band for band, least in BANDS if index >= least)


def order_of(band: str) -> int:
    """Return the place of a band, 0 for green."""
    return [name for name, _ in reversed(BANDS)].index(band)


def index_at(facts: Facts, *, now: datetime) -> Risk:
    """Return the index at a moment, from what happened in the seven days before it."""
    since = now - WINDOW
    check_ins = [fact for fact in facts.check_ins if since < fact.at <= now]
    absences = sum(1 for seat in facts.seats if seat.state == MISSED and since < seat.starts_at <= now)
    terms: list[tuple[str, int]] = []
    if any(fact.used for fact in check_ins):
        terms.append(("SELF_REPORTED_USE", SELF_REPORTED_USE))
    if check_ins:
        number = len(check_ins)
        if sum(fact.craving for fact in check_ins) >= CRAVING_HIGH_FROM * number:
            terms.append(("CRAVING_HIGH", CRAVING_HIGH))
        if sum(fact.mood for fact in check_ins) <= MOOD_LOW_TO * number:
            terms.append(("MOOD_LOW", MOOD_LOW))
        if sum(1 for fact in check_ins if fact.sleep_hours < SLEEP_SHORT_UNDER) >= SLEEP_SHORT_NIGHTS:
            terms.append(("SLEEP_SHORT", SLEEP_SHORT))
    if absences:
        terms.append(("ABSENCES", SEVERAL_ABSENCES if absences > 1 else ONE_ABSENCE))
    if any(since < end <= now for end in facts.short_weeks):
        terms.append(("SHORT_WEEK", SHORT_WEEK))
    protection = max(PROTECTION_CAP, SKILL_USED * sum(1 for fact in check_ins if fact.skill_used))
    if protection:
        terms.append(("SKILLS_USED", protection))
    index = max(0, min(CEILING, sum(points for _, points in terms)))
    return Risk(index=index, terms=tuple(terms))


def moments_of(facts: Facts) -> list[datetime]:
    """Return the moments at which something happened, in order."""
    return sorted(
        {seat.starts_at for seat in facts.seats}
        | {fact.at for fact in facts.check_ins}
        | set(facts.short_weeks)
    )


def _just_before(at: datetime) -> datetime:
    return at - timedelta(microseconds=1)


def shown_band(facts: Facts, *, now: datetime) -> str:
    """Return the band shown: the highest one reached in the last three days.

    So it rises at once and falls only after three days below, from the facts alone, whatever the
    order in which they became known. The index changes only where a fact enters or leaves the
    window, so those moments are all there is to look at.
    """
    since = now - HYSTERESIS
    changes = [
        moment
        for at in moments_of(facts)
        for moment in (at, _just_before(at + WINDOW), at + WINDOW)
        if since < moment <= now
    ]
    bands = [index_at(facts, now=at).band for at in (since, *changes, now)]
    return max(bands, key=order_of)


def rises_between(facts: Facts, *, since: datetime, until: datetime) -> list[tuple[str, datetime]]:
    """Return each band that a fact in a stretch of time raised the index to, and when, in order."""
    found = []
    for at in moments_of(facts):
        if since <= at <= until:
            band = index_at(facts, now=at).band
            if order_of(band) > order_of(index_at(facts, now=_just_before(at)).band):
                found.append((band, at))
    return found
