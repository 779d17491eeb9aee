"""Business days: weekdays that are no federal holiday, and on which the site is not closed for a holiday."""

from collections.abc import Collection
from datetime import date, timedelta

_DAY = timedelta(days=1)


def federal_holidays(year: int) -> frozenset[date]:
    """Return the days on which federal holidays of a year are kept (5 U.S.C. 6103).

    One that falls on a Saturday is kept on the Friday before, on a Sunday on the Monday after; so the
    first of January may be kept in the year before.
    """
    fixed = [date(year, 1, 1), date(year, 6, 19), date(year, 7, 4), date(year, 11, 11), date(year, 12, 25)]
    kept = {_kept_on(day) for day in fixed}
    kept |= {
        _nth_weekday(year, 1, weekday=0, n=3),  # Martin Luther King, Jr.
        _nth_weekday(year, 2, weekday=0, n=3),  # Washington
        _nth_weekday(year, 6, weekday=0, n=1) - timedelta(days=7),  # Memorial Day: May's last Monday
        _nth_weekday(year, 9, weekday=0, n=1),  # Labor Day
        _nth_weekday(year, 10, weekday=0, n=2),  # Columbus
        _nth_weekday(year, 11, weekday=3, n=4),  # Thanksgiving
    }
    return frozenset(kept)


def is_business_day(day: date, *, closed: Collection[date] = ()) -> bool:
    """Tell whether a day is one.

    :param closed: days on which the site keeps a holiday of its own.
    """
    if day.weekday() >= 5 or day in closed:
        return False
    # New Year's Day may be kept on the last day of the year before.
    return day not in federal_holidays(day.year) and day != _kept_on(date(day.year + 1, 1, 1))


def before(day: date, count: int, *, closed: Collection[date] = ()) -> date:
    """Return the day so many business days before another."""
    return _moved(day, count, step=-_DAY, closed=closed)


def after(day: date, count: int, *, closed: Collection[date] = ()) -> date:
    """Return the day so many business days after another."""
    return _moved(day, count, step=_DAY, closed=closed)


def between(first: date, last: date, *, closed: Collection[date] = ()) -> int:
    """Return how many business days ahead one day is of another: none when it is not after it."""
    days = (first + timedelta(days=n) for n in range(1, (last - first).days + 1))
    return sum(is_business_day(day, closed=closed) for day in days)


def _moved(day: date, count: int, *, step: timedelta, closed: Collection[date]) -> date:
    while count > 0:
        day += step
        count -= is_business_day(day, closed=closed)
    return day


def _kept_on(day: date) -> date:
    return day + {5: -_DAY, 6: _DAY}.get(day.weekday(), timedelta(0))


def _nth_weekday(year: int, month: int, *, weekday: int, n: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))
