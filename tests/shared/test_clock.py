"""Moments: of jobs that come again, of jumps, and of what failed and is tried again."""

import zoneinfo
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st

from shared.clock import JUMP_GRAIN, CalendarJob, SimulatedClock, clock_metadata, retry_delay, rounded_up
from shared.database import new_engine

#: Any moment of years in which clocks change twice.
MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))

CHICAGO = "America/Chicago"


class TestRetryDelay:
    @pytest.mark.parametrize(
        ("attempt", "seconds"),
        [(1, 1), (2, 4), (3, 16), (4, 64), (5, 256), (6, 1024), (7, 3600), (8, 3600), (100, 3600)],
    )
    def test_grows_from_a_second_to_an_hour(self, attempt: int, seconds: int) -> None:
        for _ in range(100):
            assert 0.8 * seconds <= retry_delay(attempt).total_seconds() <= 1.2 * seconds

    def test_is_not_the_same_for_what_failed_together(self) -> None:
        waits = {retry_delay(1) for _ in range(100)}

        assert max(waits) - min(waits) > timedelta(seconds=0.1)


class TestCalendarJob:
    @given(
        now=MOMENTS,
        at=st.sampled_from([time(0), time(1, 30), time(2, 30), time(9), time(23, 59)]),
        weekday=st.sampled_from([None, 0, 3, 6]),
        zone=st.sampled_from([CHICAGO, "UTC", "Pacific/Chatham"]),
    )
    # The night in which an hour is left out, and the one in which it comes twice.
    @example(now=datetime(2026, 3, 8, 8, 0, tzinfo=UTC), at=time(2, 30), weekday=None, zone=CHICAGO)
    @example(now=datetime(2026, 11, 1, 7, 0, tzinfo=UTC), at=time(1, 30), weekday=6, zone=CHICAGO)
    def test_comes_at_its_local_time_and_leaves_none_out(
        self, now: datetime, at: time, weekday: int | None, zone: str
    ) -> None:
        job = CalendarJob(at=at, weekday=weekday)
        latest, following = job.latest_occurrence(now, zone), job.next_occurrence(now, zone)

        assert latest.astimezone(UTC) <= now < following.astimezone(UTC)
        for occurrence in (latest, following):
            assert occurrence.time() == at
            assert occurrence.tzinfo == zoneinfo.ZoneInfo(zone)
            assert weekday in (None, occurrence.weekday())
        assert following.date() - latest.date() == timedelta(days=1 if weekday is None else 7)
        assert job.next_occurrence(latest.astimezone(UTC), zone) == following
        assert job.latest_occurrence(following.astimezone(UTC), zone) == following


@given(moment=MOMENTS)
def test_a_jump_ends_at_the_next_quarter_of_an_hour(moment: datetime) -> None:
    assert timedelta() <= rounded_up(moment) - moment < JUMP_GRAIN
    assert rounded_up(moment).minute % 15 == rounded_up(moment).second == rounded_up(moment).microsecond == 0


class TestSimulatedClock:
    BEGINNING = datetime(2026, 2, 2, 14, tzinfo=UTC)

    @pytest.fixture
    def engine(self, database_of: Callable[[str], str]) -> Iterator[sa.Engine]:
        engine = new_engine(database_of("intake"))
        yield engine
        clock_metadata.drop_all(engine)
        engine.dispose()

    def test_moves_forward_only_and_by_jumps_only(self, engine: sa.Engine) -> None:
        clock = SimulatedClock(engine)
        assert clock.start_at(self.BEGINNING) == clock.now() == self.BEGINNING

        assert clock.jump(self.BEGINNING + timedelta(hours=1)) == self.BEGINNING + timedelta(hours=1)
        assert clock.jump(self.BEGINNING) == clock.now() == self.BEGINNING + timedelta(hours=1)

    def test_is_one_for_all_processes_and_begins_once(self, engine: sa.Engine) -> None:
        clock, other = SimulatedClock(engine), SimulatedClock(engine)
        clock.start_at(self.BEGINNING)
        clock.jump(self.BEGINNING + timedelta(hours=1))

        assert other.start_at(self.BEGINNING) == self.BEGINNING + timedelta(hours=1)
        other.jump(self.BEGINNING + timedelta(hours=2))
        assert clock.now() == self.BEGINNING + timedelta(hours=2)
