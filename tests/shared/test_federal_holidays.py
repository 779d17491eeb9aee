"""Federal holidays: the day itself, and the day on which it is kept."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from shared import federal_holidays


def days_of(year: int, tells: Callable[[date], bool]) -> list[str]:
    days = (date(year, 1, 1) + timedelta(days=n) for n in range(366))
    return [f"{day:%m-%d}" for day in days if day.year == year and tells(day)]


class TestFederalHolidays:
    @pytest.mark.parametrize(
        ("year", "kept"),
        [
            # As the Office of Personnel Management lists them.
            (2026, "01-01 01-19 02-16 05-25 06-19 07-03 09-07 10-12 11-11 11-26 12-25"),
            # The last one is the first of January 2028, a Saturday.
            (2027, "01-01 01-18 02-15 05-31 06-18 07-05 09-06 10-11 11-11 11-25 12-24 12-31"),
            # The first of January is a Saturday, kept in the year before.
            (2028, "01-17 02-21 05-29 06-19 07-04 09-04 10-09 11-10 11-23 12-25"),
        ],
    )
    def test_are_kept_on_weekdays(self, year: int, kept: str) -> None:
        assert days_of(year, federal_holidays.is_kept) == kept.split()

    @pytest.mark.parametrize(
        ("year", "themselves"),
        [
            (2026, "01-01 01-19 02-16 05-25 06-19 07-04 09-07 10-12 11-11 11-26 12-25"),
            (2027, "01-01 01-18 02-15 05-31 06-19 07-04 09-06 10-11 11-11 11-25 12-25"),
            (2028, "01-01 01-17 02-21 05-29 06-19 07-04 09-04 10-09 11-11 11-23 12-25"),
        ],
    )
    def test_are_days_of_their_own_whatever_the_weekday(self, year: int, themselves: str) -> None:
        assert days_of(year, federal_holidays.is_holiday) == themselves.split()
