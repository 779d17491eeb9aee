"""A very small bench of one work, on real servers: so that what runs seldom does not rot."""

import pytest

from bench.parts import Parts
from bench.rows import HOMEWARD
from bench.works import events, floor

#: Enough for two transactions, one batch after the other.
VERY_LITTLE = events.Amounts(
    waiting=300,
    waiting_for_peers=0,
    end_to_end=60,
    end_to_end_for_peers=0,
    even_seconds=1,
    for_each_copy=0,
)

pytestmark = [pytest.mark.rabbitmq, pytest.mark.servers]


@pytest.fixture(scope="module")
def parts(rabbitmq_node):
    with Parts(node=rabbitmq_node) as found:
        yield found


def test_reactions_and_their_latency_are_measured(parts):
    with events.side_of(parts, HOMEWARD) as side:
        reaction = events.react(side, VERY_LITTLE.waiting)
        assert side.effects() == VERY_LITTLE.waiting
    with events.side_of(parts, HOMEWARD) as side:
        one, several, evenly = events.end_to_end(side, VERY_LITTLE)

    assert reaction.per_second > 0
    assert reaction.memory_mib > 10
    assert one.per_second > 0
    assert several.per_second > 0
    assert one.work != several.work
    assert 0 < evenly.p50_ms <= evenly.p99_ms
    assert evenly.per_second is None


def test_the_floor_is_measured(parts):
    rows = list(floor.measure(parts, seconds=1, messages=1000, tell=lambda what: None))

    assert [row.per_second > 0 for row in rows] == [True] * 4
    assert {row.work for row in rows} >= {floor.PUBLISH, floor.CONSUME}
