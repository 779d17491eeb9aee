"""The real broker: RabbitMQ through kombu and py-amqp.

Events are published with confirms, pipelined, and acknowledged only after their effects are
committed. Nothing waits for ever.
"""

import contextlib
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import amqp
import eventlet
import structlog
from eventlet.event import Event as Signal
from eventlet.semaphore import Semaphore

from shared import clock
from shared.errors import Unavailable
from shared.ids import new_id
from shared.messaging.broker import topology
from shared.messaging.broker.asking import CommandAnswerer, CommandAsker
from shared.messaging.broker.links import BROKEN, RECONNECT_SECONDS, Consumer, Link, Way, body_of
from shared.messaging.inbox import Delivery

log = structlog.get_logger()

#: Seconds in which a batch of published events must be confirmed.
CONFIRM_SECONDS = 15.0

#: Seconds that a batch may take, going by the one before: whoever is told to stop finishes the one in hand.
BATCH_SECONDS = 5.0


class Unconfirmed(RuntimeError):
    """Raised when the broker did not confirm what was published."""


class RabbitBroker:
    """Carries events, commands and questions between processes."""

    #: A confirm says that the broker has it, not that anybody has reacted.
    confirms_effects = False

    def __init__(self, url: str) -> None:
        self._way = Way(url)
        self._publishing: Link | None = None
        self._publish_lock = Semaphore()
        self._unconfirmed: set[int] = set()
        self._next_tag = 1
        self._looking: Link | None = None
        self._client: CommandAsker | None = None
        self._client_lock = Semaphore()

    @property
    def ready(self) -> bool:
        """Whether the publishing connection stands, or can be made."""
        if self._publishing is not None:
            return True
        try:
            with self._publish_lock:
                self._publisher()
        except (Unconfirmed, *BROKEN):
            return False
        return True

    def _publisher(self) -> Link:
        if self._publishing is None:
            link = self._way.link()
            link.channel.confirm_select()
            link.channel.events["basic_ack"].add(self._on_ack)
            link.channel.events["basic_nack"].add(self._on_nack)
            self._unconfirmed.clear()
            self._next_tag = 1
            self._publishing = link
        return self._publishing

    def _on_ack(self, tag: int, multiple: bool) -> None:  # noqa: FBT001  # py-amqp calls it so
        if multiple:
            self._unconfirmed = {open_tag for open_tag in self._unconfirmed if open_tag > tag}
        else:
            self._unconfirmed.discard(tag)

    def _on_nack(self, tag: int, multiple: bool) -> None:  # noqa: FBT001
        raise Unconfirmed("the broker refused an event")

    def publish(self, messages: list[tuple[str, bytes]]) -> None:
        """Publish events, all in flight at once, and return when the broker has confirmed each.

        :raises Unconfirmed: when it has not in time, or refuses one.
        :raises OSError, amqp.exceptions.AMQPError: when the connection breaks.
        """
        with self._publish_lock:
            link = self._publisher()
            try:
                for wire_name, body in messages:
                    link.channel.basic_publish(
                        amqp.Message(body, content_type="application/cloudevents+json", delivery_mode=2),
                        exchange=topology.EVENTS_EXCHANGE,
                        routing_key=wire_name,
                    )
                    self._unconfirmed.add(self._next_tag)
                    self._next_tag += 1
                with eventlet.Timeout(CONFIRM_SECONDS, Unconfirmed("no confirm in time")):
                    while self._unconfirmed:
                        link.drain(1.0)
            except BaseException:
                self._publishing = None
                link.close()
                raise

    def consume_events(
        self, service: str, take: Callable[[list[Delivery]], None], *, batch: int
    ) -> "EventConsumer":
        """Have *take* called with batches of messages for *service*, one batch at a time."""
        return EventConsumer(self._way, service, take, batch=batch)

    def answer_commands(
        self, service: str, answer: Callable[[bytes], bytes | None], *, at_once: int
    ) -> "CommandAnswerer":
        """Have *answer* called with each command or question for *service*."""
        return CommandAnswerer(self._way, service, answer, at_once=at_once)

    def ask(self, service: str, body: bytes, *, deadline: datetime) -> bytes:
        """Send a command and return the reply.

        :raises Unavailable: when there is none by the deadline, or the broker is away.
        """
        seconds = (deadline - clock.real_now()).total_seconds()
        reply: Any = None
        with eventlet.Timeout(max(seconds, 0.001), False), contextlib.suppress(*BROKEN):
            with self._client_lock:
                if self._client is None or not self._client.alive:
                    self._client = CommandAsker(self._way)
                client = self._client
            reply = client.ask(service, body, seconds=seconds)
        if reply is None:
            raise Unavailable(f"{service} does not answer.", retry_after=2)
        return bytes(reply)

    def door_is_open(self) -> bool:
        """Tell whether anybody outside can be heard: by way of the broker, through some gateway."""
        try:
            if self._looking is None:
                self._looking = self._way.link()
            queue = topology.events_queue_of("gateway")
            seen = self._looking.channel.queue_declare(queue, passive=True)
        except BROKEN:
            if self._looking is not None:
                self._looking.close()
                self._looking = None
            return False
        return bool(seen.consumer_count)

    def close(self) -> None:
        """Hang up."""
        if self._looking is not None:
            self._looking.close()
            self._looking = None
        if self._publishing is not None:
            self._publishing.close()
            self._publishing = None
        if self._client is not None:
            self._client.close()
            self._client = None


class EventConsumer(Consumer):
    """Takes a service's events in batches and acknowledges each batch after its commit.

    While one batch waits for the database, the next one is read from the broker.
    """

    def __init__(self, way: Way, service: str, take: Callable[[list[Delivery]], None], *, batch: int) -> None:
        self._take = take
        self._batch = batch
        super().__init__(way, topology.events_queue_of(service))

    def _consume(self, link: Link) -> None:
        arrived = _Arrived()
        link.channel.basic_qos(0, 2 * self._batch, False)  # py-amqp takes it so
        tag = link.channel.basic_consume(self._queue, callback=arrived.add, consumer_tag=new_id())
        self.connected = True
        taking = eventlet.spawn(self._take_all, link, arrived)
        try:
            while not self._stopping and not taking.dead:
                link.drain(0.5)
        finally:
            # What is in hand is finished before anything is taken again, here or on another connection.
            arrived.end()
            taking.wait()
        link.channel.basic_cancel(tag)

    def _take_all(self, link: Link, arrived: "_Arrived") -> None:
        most = self._batch
        while batch := arrived.next(most):
            began = time.monotonic()
            try:
                self._take([_delivery_of(message) for message in batch])
            except Exception as error:  # noqa: BLE001  # nothing is committed: they must come again
                log.warning("batch_not_taken", queue=self._queue, error=type(error).__name__)
                eventlet.sleep(RECONNECT_SECONDS)
                return
            link.channel.basic_ack(batch[-1].delivery_tag, multiple=True)
            most = size_of_next(len(batch), seconds=time.monotonic() - began, most=self._batch)


def size_of_next(taken: int, *, seconds: float, most: int) -> int:
    """Return how many messages to take at once after so many took so long: one at least, *most* at most."""
    return max(1, min(most, int(taken * BATCH_SECONDS / max(seconds, 0.001))))


class _Arrived:
    """Messages that were read from the broker and wait to be taken, in their order."""

    def __init__(self) -> None:
        self._waiting: list[amqp.Message] = []
        self._came = Signal()
        self._ended = False

    def add(self, message: amqp.Message) -> None:
        """Have one more wait."""
        self._waiting.append(message)
        self._wake()

    def end(self) -> None:
        """Have no more taken."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if not self._came.ready():
            self._came.send()

    def next(self, most: int) -> list[amqp.Message]:
        """Return what has come, *most* at most, once something has; nothing in the end."""
        while not self._waiting and not self._ended:
            self._came.wait()
            self._came = Signal()
        before = 0
        while before < len(self._waiting) < most and not self._ended:
            before = len(self._waiting)
            # What has arrived is read; nobody waits for more, which comes while this batch is taken.
            eventlet.sleep(0)
        if self._ended:
            return []
        batch, self._waiting = self._waiting[:most], self._waiting[most:]
        return batch


def _delivery_of(message: amqp.Message) -> Delivery:
    headers = message.headers or {}
    return Delivery(
        body=body_of(message),
        redeliveries=int(headers.get("x-delivery-count", 0)),
    )
