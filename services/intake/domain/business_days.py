"""Business days: weekdays that are no federal holiday, and on which the site is not closed for a holiday."""

from collections.abc import Collection
from datetime import date, timedelta

from shared import federal_holidays

_DAY = timedelta(days=1)


def is_business_day(day: date, *, closed: Collection[date] = ()) -> bool:
    """Tell whether a day is one.

    :param closed: days on which the site keeps a holiday of its own.
    """
    return day.weekday() < 5 and day not in closed and not federal_holidays.is_kept(day)


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
