"""How long what failed waits before it is tried again."""

from datetime import timedelta

import pytest

from shared.clock import retry_delay


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
