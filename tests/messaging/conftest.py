"""What stands between the processes of these tests and the broker."""

from collections.abc import Iterator

import pytest

from tests.costs.counting import Proxy, amqp
from tests.nodes import RabbitNode


@pytest.fixture
def network(rabbitmq_node: RabbitNode) -> Iterator[Proxy]:
    """What counts the messages and frames between a process and the broker."""
    with Proxy(rabbitmq_node.port, amqp) as proxy:
        yield proxy
