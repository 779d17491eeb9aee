"""Federal holidays of the United States (5 U.S.C. 6103): the day itself, and the day on which it is kept."""

import functools
from datetime import date, timedelta

_DAY = timedelta(days=1)
_MONDAY, _THURSDAY, _SATURDAY, _SUNDAY = 0, 3, 5, 6


def is_holiday(day: date) -> bool:
    """Return whether a day is a federal holiday itself, whatever its weekday."""
    return day in _holidays(day.year)


def is_kept(day: date) -> bool:
    """Return whether a federal holiday is kept on a day: offices and banks are closed.

    One that falls on a Saturday is kept on the Friday before, on a Sunday on the Monday after; so the
    first of January may be kept in the year before.
    """
    return day in _kept(day.year)


@functools.cache
def _holidays(year: int) -> frozenset[date]:
    by_date = ((1, 1), (6, 19), (7, 4), (11, 11), (12, 25))
    return frozenset(
        {
            *(date(year, month, day) for month, day in by_date),
            _nth_weekday(year, 1, _MONDAY, 3),  # Martin Luther King, Jr.
            _nth_weekday(year, 2, _MONDAY, 3),  # Washington
            _nth_weekday(year, 6, _MONDAY, 1) - 7 * _DAY,  # Memorial Day: May's last Monday
            _nth_weekday(year, 9, _MONDAY, 1),  # Labor Day
            _nth_weekday(year, 10, _MONDAY, 2),  # Columbus
            _nth_weekday(year, 11, _THURSDAY, 4),  # Thanksgiving
        }
    )


@functools.cache
def _kept(year: int) -> frozenset[date]:
    moved = {_SATURDAY: -_DAY, _SUNDAY: _DAY}
    holidays = {*_holidays(year), date(year + 1, 1, 1)}
    return frozenset(day + moved.get(day.weekday(), 0 * _DAY) for day in holidays)


def _nth_weekday(year: int, month: int, weekday: int, n: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))
