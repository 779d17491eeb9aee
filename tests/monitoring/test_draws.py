"""On which days somebody is tested: no day is safe, no interval too long, and anybody can draw again."""

import itertools
from datetime import date, timedelta

import pytest

from services.monitoring.domain import draws

SEED = "5eed" * 16
#: A Monday.
FIRST = date(2026, 2, 2)
#: Mean interval and longest gap of each phase.
PHASES = ((2, 5), (4, 7), (5, 10), (7, 14), (20, 30))


def drawn_days(number: int, *, mean: int, longest: int, seed: str = SEED) -> list[date]:
    """Draw day by day until there are so many draws."""
    found, last, day = [], FIRST, FIRST
    while len(found) < number:
        day += timedelta(days=1)
        gap = (day - last).days
        if draws.is_drawn(day, seed=seed, gap_days=gap, mean_days=mean, longest_gap=longest):
            found.append(day)
            last = day
    return found


class TestDraws:
    @pytest.mark.parametrize(("mean", "longest"), PHASES)
    def test_never_exceed_the_longest_gap(self, mean: int, longest: int) -> None:
        # Ten thousand of the first weeks, fewer of the long intervals.
        days = drawn_days(20_000 // mean, mean=mean, longest=longest)

        gaps = [(later - earlier).days for earlier, later in itertools.pairwise([FIRST, *days])]
        assert max(gaps) == longest
        assert set(gaps) == set(range(1, longest + 1))
        assert sum(gaps) / len(gaps) == pytest.approx(mean, rel=0.08)

    @pytest.mark.parametrize(("mean", "longest"), PHASES)
    def test_leave_no_day_that_is_safe(self, mean: int, longest: int) -> None:
        week = [FIRST + timedelta(days=days) for days in range(7)]

        for gap in range(1, longest):
            for day in week:
                chance = draws.chance_of(day, gap_days=gap, mean_days=mean, longest_gap=longest)
                assert 0.005 < chance < 1

        assert draws.chance_of(FIRST, gap_days=longest, mean_days=mean, longest_gap=longest) == 1

    def test_fall_twice_as_likely_on_days_after_time_off(self) -> None:
        tuesday = FIRST + timedelta(days=1)
        chance = {"gap_days": 1, "mean_days": 7, "longest_gap": 14}

        plain = draws.chance_of(tuesday, **chance)

        assert draws.chance_of(FIRST, **chance) == pytest.approx(2 * plain)
        assert draws.chance_of(tuesday, **chance, paydays=(2,)) == pytest.approx(2 * plain)
        # The day after Memorial Day, Thanksgiving and New Year's Day.
        for holiday in (date(2026, 5, 25), date(2026, 11, 26), date(2026, 1, 1)):
            assert draws.chance_of(holiday + timedelta(days=1), **chance) == pytest.approx(2 * plain)
        # A payday that a short month has not is on its last day.
        assert draws.follows_time_off(date(2026, 5, 1), paydays=(31,))

    def test_come_again_from_the_same_seed_and_from_no_other(self) -> None:
        days = drawn_days(200, mean=4, longest=7)

        assert drawn_days(200, mean=4, longest=7) == days
        assert drawn_days(200, mean=4, longest=7, seed="0e11" * 16) != days
