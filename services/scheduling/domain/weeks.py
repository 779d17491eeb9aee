"""Weeks run from Monday to Sunday in the time zone of the site."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MINUTES_A_DAY = 24 * 60
MINUTES_A_WEEK = 7 * MINUTES_A_DAY


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch of any local week, in minutes since Monday 00:00.

    ``begins`` may lie before the week and ``ends`` after it: a stretch that crosses Sunday
    midnight meets what lies on either side.
    """

    begins: int
    ends: int

    def meets(self, other: "Span") -> bool:
        """Tell whether the two share a minute; stretches that only touch do not."""
        return any(
            self.begins < other.ends + shift and other.begins + shift < self.ends
            for shift in (-MINUTES_A_WEEK, 0, MINUTES_A_WEEK)
        )


def span(*, weekday: int, starts: time, ends: time, margin: int = 0) -> Span:
    """Return the stretch of the week, widened by *margin* minutes on both sides.

    One that ends at or before its start runs into the next day.
    """
    begins = weekday * MINUTES_A_DAY + starts.hour * 60 + starts.minute
    length = (ends.hour * 60 + ends.minute - starts.hour * 60 - starts.minute) % MINUTES_A_DAY
    return Span(begins=begins - margin, ends=begins + (length or MINUTES_A_DAY) + margin)


def minute_of_week(*, at: datetime, zone: str) -> int:
    """Return the minutes from Monday 00:00 to *at* on the clock of the zone."""
    local = at.astimezone(ZoneInfo(zone))
    return local.weekday() * MINUTES_A_DAY + local.hour * 60 + local.minute


def span_of(*, starts_at: datetime, ends_at: datetime, zone: str) -> Span:
    """Return the stretch of the local week that something takes which happens once."""
    begins = minute_of_week(at=starts_at, zone=zone)
    return Span(begins=begins, ends=begins + int((ends_at - starts_at).total_seconds()) // 60)


def local_day(*, at: datetime, zone: str) -> date:
    """Return the calendar day of *at* in the zone."""
    return at.astimezone(ZoneInfo(zone)).date()


def monday_of(day: date) -> date:
    """Return the Monday that begins the day's week."""
    return day - timedelta(days=day.weekday())


def moment_of(*, day: date, at: time, zone: str) -> datetime:
    """Return the UTC moment at which the zone's clocks show *at* on *day*.

    A time that the clocks show twice is taken the first time; one that they skip is taken as if
    they had not been moved yet.
    """
    return datetime.combine(day, at, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def next_weekly(*, after: datetime, weekday: int, at: time, zone: str) -> datetime:
    """Return the first moment after *after* at which it is that weekday and time in the zone."""
    today = local_day(at=after, zone=zone)
    day = today + timedelta(days=(weekday - today.weekday()) % 7)
    moment = moment_of(day=day, at=at, zone=zone)
    return moment if moment > after else moment_of(day=day + timedelta(days=7), at=at, zone=zone)


def days_between(*, first: date, last: date) -> Iterator[date]:
    """Yield each day from *first* to *last*, both included."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)
