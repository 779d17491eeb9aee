"""On which days somebody is tested: at random intervals that no day escapes and none exceeds.

A lot is drawn every morning for that day alone, its chance by how long ago the last draw was. So no coming
day stands anywhere, nobody can work it out, and intervals are random all the same (brief 4.1).
"""

import calendar
import functools
import hashlib
import hmac
from collections.abc import Sequence
from datetime import date, timedelta

from shared import federal_holidays

#: The average interval is at most this share of the longest, in thirds: else the last day would be the likely
#: one, and foreseeable. Design default.
MEAN_IN_THIRDS = 2

#: How much likelier a day after a weekend, a holiday or a payday is than others. Design default (brief 4.1).
WEIGHT_OF_DAYS_AFTER = 2.0
#: What weights are measured against, so that the average interval stays what was asked for: of seven days one
#: comes after a weekend.
_MEAN_WEIGHT = (WEIGHT_OF_DAYS_AFTER + 6) / 7

_MONDAY = 0


def is_drawn(
    day: date, *, seed: str, gap_days: int, mean_days: int, longest_gap: int, paydays: Sequence[int] = ()
) -> bool:
    """Return whether somebody is tested on a day.

    :param seed: of the patient and the day's month, in hexadecimal.
    :param gap_days: days since the last draw, 1 on the day after it.
    :param paydays: days of the month on which the patient is paid.
    """
    chance = chance_of(day, gap_days=gap_days, mean_days=mean_days, longest_gap=longest_gap, paydays=paydays)
    return _lot(seed, day) < chance


def chance_of(
    day: date, *, gap_days: int, mean_days: int, longest_gap: int, paydays: Sequence[int] = ()
) -> float:
    """Return how likely a draw is on a day: never 0, and 1 once the longest gap is reached."""
    if gap_days >= longest_gap:
        return 1.0
    weight = WEIGHT_OF_DAYS_AFTER if follows_time_off(day, paydays=paydays) else 1.0
    return min(1.0, _chance_a_day(mean_days, longest_gap) * weight / _MEAN_WEIGHT)


def follows_time_off(day: date, *, paydays: Sequence[int] = ()) -> bool:
    """Return whether a day comes after a weekend, a holiday or a payday."""
    before = day - timedelta(days=1)
    return day.weekday() == _MONDAY or federal_holidays.is_holiday(before) or _is_payday(before, paydays)


def _is_payday(day: date, paydays: Sequence[int]) -> bool:
    """Return whether it is one of some days of the month, which a short month has on its last day."""
    if not paydays:
        return False
    last_of_month = calendar.monthrange(day.year, day.month)[1]
    return day.day in {min(payday, last_of_month) for payday in paydays}


def month_of(day: date) -> date:
    """Return the first day of a day's month, by which seeds are kept."""
    return day.replace(day=1)


def month_after(month: date) -> date:
    """Return the first day of the next month."""
    return month_of(month + timedelta(days=31))


def commitment_of(seed: str) -> str:
    """Return what binds whoever drew to a seed before it is shown: its SHA-256, in hexadecimal."""
    return hashlib.sha256(bytes.fromhex(seed)).hexdigest()


def _lot(seed: str, day: date) -> float:
    """Return the lot of a day, from 0 up to but without 1: anybody who has the seed finds the same."""
    drawn = hmac.digest(bytes.fromhex(seed), day.isoformat().encode(), "sha256")
    # As many bits as a float holds exactly.
    return (int.from_bytes(drawn[:7], "big") >> 3) / 2**53


@functools.cache
def _chance_a_day(mean_days: int, longest_gap: int) -> float:
    """Return the chance of each day with which intervals, cut at the longest, last so long on average."""
    least, most = 0.0, 1.0
    for _ in range(60):
        chance = (least + most) / 2
        mean = sum((1 - chance) ** days for days in range(longest_gap))
        least, most = (chance, most) if mean > mean_days else (least, chance)
    return most
