"""What exists on the broker: declared whole by every process before it publishes or consumes.

Contracts say which services an event wakes, so each process knows the whole picture and services
start in any order, also for the very first time. The version is part of every name.
"""

import amqp
from kombu import Exchange, Queue

import shared.contracts.catalogue  # noqa: F401  # declares every event
from shared.contracts.event import EVENTS, SERVICES

#: Grows when a queue or exchange must be declared otherwise: RabbitMQ refuses redeclaration.
VERSION = "v1"

EVENTS_EXCHANGE = f"homeward.{VERSION}.events"
UNROUTED = f"homeward.{VERSION}.unrouted"
DEAD = f"homeward.{VERSION}.dead"

#: Deliveries after which RabbitMQ itself would drop a message into the dead letters. RabbitMQ 4
#: defaults to 20, far fewer than an outage needs; the inbox counts by itself.
DELIVERY_LIMIT = 1_000_000

#: Milliseconds for which the queue for commands that come together is kept while no copy takes from it.
TOGETHER_KEPT_MS = 10_000


def receivers_of(wire_name: str) -> tuple[str, ...]:
    """Return the services that an event goes to: those that react, and the gateway's archive."""
    reacting = EVENTS[wire_name].reacting
    return reacting if "gateway" in reacting else (*reacting, "gateway")


def events_queue_of(service: str) -> str:
    """Return the name of the queue that brings a service its events."""
    return f"homeward.{VERSION}.{service}.events"


def commands_queue_of(service: str) -> str:
    """Return the name of the queue that brings a service its commands and questions."""
    return f"homeward.{VERSION}.{service}.commands"


def together_queue_of(service: str) -> str:
    """Return the name of the queue that brings a service several commands in one message."""
    return f"homeward.{VERSION}.{service}.together"


def declare_together(channel: amqp.Channel, service: str) -> None:
    """Declare the queue for what a service takes together.

    Only who takes from it declares it, and it goes when nobody has for a while: as long as it is there,
    somebody who understands what is in it is there, or was a moment ago and is being started again.
    """
    name, expires = together_queue_of(service), {"x-expires": TOGETHER_KEPT_MS}
    Queue(name, durable=True, queue_arguments=expires)(channel).declare()


def declare(channel: amqp.Channel) -> None:
    """Declare every exchange, queue and binding; doing it again changes nothing.

    The bindings are hundreds, so they are all asked for at once: what is declared after those of one service,
    and answered, shows that the broker has made them.
    """
    unrouted = Exchange(UNROUTED, type="fanout", durable=True)
    dead = Exchange(DEAD, type="fanout", durable=True)
    events = Exchange(EVENTS_EXCHANGE, type="topic", durable=True, arguments={"alternate-exchange": UNROUTED})
    for exchange in (unrouted, dead, events):
        exchange(channel).declare()
    quorum = {"x-queue-type": "quorum"}
    for exchange, name in ((unrouted, UNROUTED), (dead, DEAD)):
        Queue(name, exchange, durable=True, queue_arguments=quorum)(channel).declare()
    for service in SERVICES:
        queue = Queue(
            events_queue_of(service),
            durable=True,
            queue_arguments=quorum
            | {
                "x-delivery-limit": DELIVERY_LIMIT,
                "x-dead-letter-exchange": DEAD,
            },
        )(channel)
        queue.declare()
        for wire_name in EVENTS:
            if service in receivers_of(wire_name):
                queue.bind_to(events, routing_key=wire_name, nowait=True)
        Queue(commands_queue_of(service), durable=True)(channel).declare()
