"""The rules by which weeks are weighed, and weighed again."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduling.domain import dose, weeks
from shared.contracts.scheduling import WeeklyDoseCorrected, WeeklyDoseShortfall
from tests.scheduling.builders import CHICAGO, ids_of

FLOOR = 540
MONDAY = date(2026, 2, 9)
LATER = datetime(2026, 4, 1, 15, tzinfo=UTC)

#: What the seats of a week come to.
WEEKS = {
    "long enough": dose.WeekOfSeats(attended_minutes=545),
    "short": dose.WeekOfSeats(attended_minutes=380),
    "unknown": dose.WeekOfSeats(attended_minutes=380, unknown_minutes=165),
    "called off": dose.WeekOfSeats(attended_minutes=380, cancelled_by_program=1),
    "closed": dose.WeekOfSeats(attended_minutes=380, closed=True),
}
#: From the far west to the far east, with and without summer time.
ZONES = ("Etc/GMT+12", "Pacific/Honolulu", CHICAGO, "UTC", "Asia/Kolkata", "Pacific/Kiritimati")


def weighed(
    number: int, outcome: str = dose.SHORT, *, before: int = 0, told: bool = True
) -> dose.WeighedWeek:
    return dose.WeighedWeek(
        **ids_of("Ada"),
        week_starts_on=MONDAY + timedelta(weeks=number),
        floor_minutes=FLOOR,
        closed=False,
        attended_minutes=545 if outcome == dose.REACHED else 380,
        outcome=outcome,
        short_weeks_before=before,
        told=outcome == dose.SHORT,
    )


def in_row(outcomes: list[str]) -> list[dose.WeighedWeek]:
    """Return weeks as they are weighed one after another."""
    found: list[dose.WeighedWeek] = []
    for number, outcome in enumerate(outcomes):
        found.append(weighed(number, outcome, before=found[-1].short_weeks if found else 0))
    return found


class TestWeighAgain:
    @pytest.mark.parametrize("word", ["long enough", "unknown", "called off", "closed"])
    def test_takes_a_short_week_back_that_is_none_or_is_not_judged(self, word):
        week = weighed(0)

        (corrected,) = dose.weigh_again([week], week=WEEKS[word], now=LATER)

        assert isinstance(corrected, WeeklyDoseCorrected)
        assert (corrected.consecutive_weeks, corrected.revision, corrected.corrected_at) == (0, 1, LATER)

    @pytest.mark.parametrize("outcome", [dose.REACHED, dose.NOT_JUDGED])
    def test_tells_a_week_for_the_first_time_that_turns_out_to_be_short(self, outcome):
        week = weighed(0, outcome, before=1)

        (short,) = dose.weigh_again([week], week=WEEKS["short"], now=LATER)

        assert isinstance(short, WeeklyDoseShortfall)
        assert (short.consecutive_weeks, short.told_at) == (2, LATER)

    def test_leaves_a_row_of_short_weeks_as_it_is_over_a_week_that_is_not_judged(self):
        row = in_row([dose.SHORT, dose.NOT_JUDGED, dose.SHORT])

        caused = dose.weigh_again(row, week=WEEKS["long enough"], now=LATER)

        assert [(one.week_starts_on, one.consecutive_weeks) for one in caused] == [
            (MONDAY, 0),
            (MONDAY + timedelta(weeks=2), 1),
        ]

    def test_says_nothing_where_nothing_is_another_than_was_told(self):
        row = in_row([dose.SHORT, dose.SHORT])

        assert dose.weigh_again(row, week=WEEKS["short"], now=LATER) == []

    @given(
        outcomes=st.lists(st.sampled_from(dose.OUTCOMES), min_size=1, max_size=8),
        place=st.integers(0, 7),
        word=st.sampled_from(sorted(WEEKS)),
    )
    def test_ends_as_if_the_week_had_been_known_from_the_start(self, outcomes, place, word):
        place %= len(outcomes)
        row = in_row(outcomes)
        told = {one.week_starts_on: one.short_weeks * one.is_short for one in row}

        caused = dose.weigh_again(row[place:], week=WEEKS[word], now=LATER)

        outcomes[place] = row[place].outcome
        fresh = in_row(outcomes)
        assert [one.short_weeks for one in row] == [one.short_weeks for one in fresh]
        # Whoever takes what was told, and then what is told now, knows the same.
        told |= {one.week_starts_on: one.consecutive_weeks for one in caused}
        assert told == {one.week_starts_on: one.short_weeks * one.is_short for one in fresh}


class TestWhenAWeekIsWeighed:
    @given(
        starts_at=st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
        zone=st.sampled_from(ZONES),
    )
    def test_is_never_before_the_moment_before_which_nobody_looks(self, starts_at, zone):
        monday = weeks.monday_of(weeks.local_day(at=starts_at, zone=zone))

        weighed_at = dose.weighed_at(week_starts_on=monday, zone=zone)

        assert dose.not_weighed_before(starts_at) <= max(weighed_at, starts_at)

    def test_costs_no_look_for_a_session_in_the_middle_of_the_week(self):
        wednesday = datetime(2026, 2, 11, 15, tzinfo=UTC)

        assert dose.not_weighed_before(wednesday) == datetime(2026, 2, 15, tzinfo=UTC)
