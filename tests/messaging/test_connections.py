"""A process's connections to the broker: what exists is declared by the first, and anew after a loss."""

import contextlib
import time
from collections.abc import Iterator

import amqp
import pytest

from homeward.postgres import PrivatePostgres
from shared.contracts.event import EVENTS
from shared.messaging.broker import topology
from tests.costs.counting import Proxy
from tests.messaging.test_promises_on_brokers import Databases, Driven, process_beyond
from tests.nodes import RabbitNode

pytestmark = pytest.mark.rabbitmq

BINDINGS = sum(len(topology.receivers_of(wire_name)) for wire_name in EVENTS)
#: Consumers of events and of commands for each of two services, one that publishes, one that asks.
CONNECTIONS = 6
#: What one connection says besides: to open it and its channel, to consume, to declare exchanges and queues.
REST_OF_A_CONNECTION = 30
BOUND_SECONDS = 60.0


@pytest.fixture
def process(postgres_server: PrivatePostgres, corner: str, network: Proxy) -> Iterator[Driven]:
    """Two services in one process."""
    databases = Databases(postgres_server)
    driven = process_beyond(network.port, corner, databases)
    yield driven
    driven.kill()
    databases.drop()


@contextlib.contextmanager
def channel_to(node: RabbitNode, corner: str) -> Iterator[amqp.Channel]:
    with amqp.Connection(host=f"127.0.0.1:{node.port}", virtual_host=corner) as connection:
        yield connection.channel()


def is_there(node: RabbitNode, corner: str, queue: str) -> bool:
    try:
        with channel_to(node, corner) as channel:
            channel.queue_declare(queue, passive=True)
    except amqp.exceptions.NotFound:
        return False
    return True


def test_everything_is_declared_once_for_all_of_them(process: Driven, network: Proxy) -> None:
    process.do("start", "monitoring", "gateway")
    assert process.do("send", "monitoring", "count", {})["status"] == "done"

    said = network.snapshot()["other up"]

    assert BINDINGS < said < BINDINGS + CONNECTIONS * REST_OF_A_CONNECTION


def test_everything_is_declared_anew_once_one_was_lost(
    process: Driven, rabbitmq_node: RabbitNode, corner: str
) -> None:
    process.do("start", "monitoring", "gateway")
    assert process.do("send", "monitoring", "count", {})["status"] == "done"
    lost = topology.events_queue_of("aftercare")
    with channel_to(rabbitmq_node, corner) as channel:
        channel.queue_delete(lost)
    assert not is_there(rabbitmq_node, corner, lost)

    rabbitmq_node.ctl("close_all_connections", "--vhost", corner, "so that all are made anew")

    ends = time.monotonic() + BOUND_SECONDS
    while not is_there(rabbitmq_node, corner, lost) and time.monotonic() < ends:
        time.sleep(0.1)
    assert is_there(rabbitmq_node, corner, lost)
    assert process.do("send", "monitoring", "count", {})["status"] == "done"
