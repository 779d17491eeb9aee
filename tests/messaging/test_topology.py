"""What exists on the broker, as RabbitMQ itself tells it."""

from collections.abc import Iterator

import amqp
import kombu
import pytest

from shared.contracts.event import EVENTS, SERVICES
from shared.messaging.broker import topology
from tests.nodes import RabbitNode

pytestmark = pytest.mark.rabbitmq


@pytest.fixture
def channel(rabbitmq_node: RabbitNode, corner: str) -> Iterator[amqp.Channel]:
    """A channel that confirms, in a corner where everything is declared."""
    url = rabbitmq_node.url.rstrip("/") + f"/{corner}"
    with kombu.Connection(url, transport_options={"confirm_publish": True}) as connection:
        channel = connection.channel()
        topology.declare(channel)
        yield channel


def listed(node: RabbitNode, corner: str, what: str, *columns: str) -> dict[str, list[str]]:
    """Return what the broker tells of its queues or exchanges, by name."""
    lines = node.ctl(f"list_{what}", "-p", corner, "name", *columns).splitlines()
    rows = [line.split("\t") for line in lines]
    return {name: told for name, *told in rows if name.startswith("homeward.")}


def announce(channel: amqp.Channel, wire_name: str) -> None:
    channel.basic_publish(amqp.Message(wire_name), topology.EVENTS_EXCHANGE, wire_name)


def taken_from(channel: amqp.Channel, queue: str) -> list[str]:
    """Take all that waits in a queue."""
    found = []
    while (message := channel.basic_get(queue, no_ack=True)) is not None:
        found.append(str(message.body))
    return found


def test_one_durable_quorum_queue_a_service_drops_nothing_by_itself(
    channel: amqp.Channel, rabbitmq_node: RabbitNode, corner: str
) -> None:
    queues = listed(rabbitmq_node, corner, "queues", "type", "durable", "arguments")

    for service in SERVICES:
        kind, durable, arguments = queues[topology.events_queue_of(service)]
        assert (kind, durable) == ("quorum", "true")
        assert f'"x-delivery-limit",{topology.DELIVERY_LIMIT}' in arguments
        assert f'"x-dead-letter-exchange","{topology.DEAD}"' in arguments
    for last_resort in (topology.UNROUTED, topology.DEAD):
        assert queues[last_resort][:2] == ["quorum", "true"]


def test_events_go_to_a_durable_topic_exchange(
    channel: amqp.Channel, rabbitmq_node: RabbitNode, corner: str
) -> None:
    exchanges = listed(rabbitmq_node, corner, "exchanges", "type", "durable", "arguments")

    kind, durable, arguments = exchanges[topology.EVENTS_EXCHANGE]
    assert (kind, durable) == ("topic", "true")
    assert f'"alternate-exchange","{topology.UNROUTED}"' in arguments


def test_each_event_reaches_those_that_react_and_the_archive(channel: amqp.Channel) -> None:
    for wire_name in EVENTS:
        announce(channel, wire_name)

    found = {service: set(taken_from(channel, topology.events_queue_of(service))) for service in SERVICES}
    for wire_name, event in EVENTS.items():
        assert {service for service in SERVICES if wire_name in found[service]} == {
            *event.reacting,
            "gateway",
        }


def test_an_event_that_nobody_is_bound_to_is_kept(channel: amqp.Channel) -> None:
    announce(channel, "event_of_tomorrow")

    assert taken_from(channel, topology.UNROUTED) == ["event_of_tomorrow"]
