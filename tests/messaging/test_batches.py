"""How many events are taken at once: no more than a stopping process can finish in its time."""

import pytest

from shared.messaging.broker.rabbit import BATCH_SECONDS, size_of_next
from shared.settings import Settings


@pytest.mark.parametrize(
    ("taken", "seconds", "most"),
    [
        pytest.param(100, 0.05, 100, id="quick"),
        pytest.param(1, 0.0, 100, id="too quick to be measured"),
        pytest.param(100, 2 * BATCH_SECONDS, 50, id="twice as slow as may be"),
        pytest.param(50, BATCH_SECONDS, 50, id="as slow as may be"),
        pytest.param(10, BATCH_SECONDS / 5, 50, id="quicker again"),
        pytest.param(1, 10 * BATCH_SECONDS, 1, id="one alone takes too long"),
    ],
)
def test_goes_by_how_long_the_batch_before_took(taken: int, seconds: float, most: int) -> None:
    assert size_of_next(taken, seconds=seconds, most=100) == most


def test_is_finished_well_within_the_time_of_a_stop() -> None:
    assert Settings().drain_seconds > 2 * BATCH_SECONDS
