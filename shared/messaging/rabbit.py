"""The real broker: RabbitMQ through kombu and py-amqp.

Events are published with confirms, pipelined, and acknowledged only after their effects are
committed. Commands are transient messages that expire at their deadline; replies come by
``amq.rabbitmq.reply-to``. Every connection heals by itself; nothing waits for ever.
"""

import socket
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import amqp
import eventlet
import structlog
from amqp.exceptions import AMQPError
from eventlet import greenio
from eventlet.event import Event as Signal
from eventlet.greenpool import GreenPool
from eventlet.semaphore import Semaphore
from kombu import Connection

from shared import clock
from shared.errors import Unavailable
from shared.ids import new_id
from shared.messaging import topology
from shared.messaging.inbox import Delivery

log = structlog.get_logger()

#: Seconds between heartbeats on a connection; twice that without a sign and it is given up.
HEARTBEAT_SECONDS = 10
#: Seconds in which a batch of published events must be confirmed.
CONFIRM_SECONDS = 15.0
#: Seconds between attempts to connect again.
RECONNECT_SECONDS = 0.5
#: Bytes that are read from the broker at once, where so much has arrived.
READ_BYTES = 8192
#: Seconds for which a consumer looks for more messages before it takes the batch it has.
GATHER_SECONDS = 0.002

#: Seconds that a batch may take, going by the one before: whoever is told to stop finishes the one in hand.
BATCH_SECONDS = 5.0

#: What a broken connection raises.
BROKEN = (AMQPError, OSError)


class Unconfirmed(RuntimeError):
    """Raised when the broker did not confirm what was published."""


class _Link:
    """One connection and channel, with heartbeats.

    What is said on it is gathered, and sent by one greenthread as soon as all who have something to say just
    now have said it: many messages in one go, and frames stay whole.
    """

    def __init__(self, url: str, hung_up: Callable[[], None]) -> None:
        self._hung_up = hung_up
        self._connection = Connection(
            url,
            heartbeat=HEARTBEAT_SECONDS,
            connect_timeout=3,
            transport_options={
                "confirm_publish": False,
                "read_timeout": 30,
                "write_timeout": 10,
                "socket_settings": {
                    socket.TCP_USER_TIMEOUT: 10_000,
                    socket.TCP_KEEPIDLE: 5,
                    socket.TCP_KEEPINTVL: 2,
                    socket.TCP_KEEPCNT: 3,
                },
            },
        )
        self._connection.connect()
        self.amqp: amqp.Connection = self._connection.connection
        _only_the_reader_reads(self.amqp)
        _read_ahead(self.amqp.transport)
        self._unsent: list[bytes] = []
        self._is_sending = self._is_broken = False
        self._send_now = self.amqp.transport._write  # noqa: SLF001  # as above
        self.amqp.transport._write = self._send_soon  # noqa: SLF001
        self.channel: amqp.Channel = self._connection.channel()
        self._heart = eventlet.spawn(self._beat)

    def _send_soon(self, said: bytes | memoryview) -> None:
        if self._is_broken:
            raise OSError("the connection broke")
        # Copied: py-amqp writes every frame into the same buffer.
        self._unsent.append(bytes(said))
        if not self._is_sending:
            self._is_sending = True
            eventlet.spawn_n(self._send)

    def _send(self) -> None:
        try:
            while self._unsent:
                unsent, self._unsent = self._unsent, []
                self._send_now(b"".join(unsent))
        except OSError:
            self._is_broken = True
            # Whoever waits for an answer learns it where answers come from.
            greenio.shutdown_safe(self.amqp.transport.sock)
        finally:
            self._is_sending = False

    def _beat(self) -> None:
        while True:
            eventlet.sleep(HEARTBEAT_SECONDS / 2)
            try:
                self.amqp.send_heartbeat()
            except BROKEN:
                return

    def drain(self, seconds: float) -> bool:
        """Handle what arrives next; return whether something did.

        :raises AMQPError: when the peer has been silent for too long.
        """
        try:
            self.amqp.drain_events(timeout=seconds)
        except TimeoutError:
            self.amqp.heartbeat_tick()
            return False
        return True

    def close(self) -> None:
        """Hang up, without waiting for a peer that may be gone."""
        self._hung_up()
        self._heart.kill()
        try:
            with eventlet.Timeout(2, False):
                self._connection.close()
        except Exception:  # noqa: BLE001  # it is being thrown away
            log.debug("link_closed_badly")


def _only_the_reader_reads(connection: amqp.Connection) -> None:
    """Have nothing read when something is published.

    py-amqp would look for the notice that the broker is blocked, though another greenthread may wait for the
    rest of a frame: what it takes is lost to that one, and neither understands anything from there on. That
    the broker is blocked is found by the deadline of the confirm as well.
    """
    connection.client_properties.get("capabilities", {})["connection.blocked"] = False


def _read_ahead(transport: Any) -> None:
    """Have what has arrived read in one go.

    py-amqp asks the socket for exactly what it wants next, three times for each frame and so nine times
    for a message. It keeps what it gets beyond that.
    """
    receive = transport._quick_recv  # noqa: SLF001  # there is no other way; the version is pinned
    transport._quick_recv = lambda wanted: receive(max(wanted, READ_BYTES))  # noqa: SLF001


class _Way:
    """The way of a process to the broker: all that exists there is declared by its first connection.

    After one of them was lost, the next declares it again: the broker may be another one by then.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._one_declares = Semaphore()
        self._lost = 0
        #: How many connections had been lost when everything was last declared.
        self._declared_after: int | None = None

    def link(self) -> _Link:
        """Connect, and return once everything is there.

        :raises OSError, amqp.exceptions.AMQPError: when the broker is away.
        """
        link = _Link(self._url, self._hung_up)
        try:
            with self._one_declares:
                lost = self._lost
                if self._declared_after != lost:
                    topology.declare(link.channel)
                    self._declared_after = lost
        except BaseException:
            link.close()
            raise
        return link

    def _hung_up(self) -> None:
        self._lost += 1


class RabbitBroker:
    """Carries events, commands and questions between processes."""

    #: A confirm says that the broker has it, not that anybody has reacted.
    confirms_effects = False

    def __init__(self, url: str) -> None:
        self._way = _Way(url)
        self._publishing: _Link | None = None
        self._publish_lock = Semaphore()
        self._unconfirmed: set[int] = set()
        self._next_tag = 1
        self._client: _CommandClientLink | None = None
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

    def _publisher(self) -> _Link:
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
        unavailable = Unavailable(f"{service} does not answer.", retry_after=2)
        reply: Any = None
        with eventlet.Timeout(max(seconds, 0.001), False):
            try:
                with self._client_lock:
                    if self._client is None or not self._client.alive:
                        self._client = _CommandClientLink(self._way)
                    client = self._client
                reply = client.ask(service, body, seconds=seconds)
            except BROKEN:
                raise unavailable from None
        if reply is None:
            raise unavailable
        return bytes(reply)

    def close(self) -> None:
        """Hang up."""
        if self._publishing is not None:
            self._publishing.close()
            self._publishing = None
        if self._client is not None:
            self._client.close()
            self._client = None


class _Consumer:
    """A loop that consumes one queue and connects again when the connection breaks."""

    def __init__(self, way: _Way, queue: str) -> None:
        self.connected = False
        self._way = way
        self._queue = queue
        self._stopping = False
        self._thread = eventlet.spawn(self._run)

    def _run(self) -> None:
        while not self._stopping:
            link = None
            try:
                link = self._way.link()
                self._consume(link)
            except BROKEN as error:
                log.warning("broker_connection_lost", queue=self._queue, error=type(error).__name__)
            except Exception as error:  # noqa: BLE001  # the loop must outlive whatever happens
                log.error("consumer_failed", queue=self._queue, error=type(error).__name__)
            self.connected = False
            if link is not None:
                link.close()
            if not self._stopping:
                eventlet.sleep(RECONNECT_SECONDS)

    def _consume(self, link: _Link) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        """Finish what is in hand, take no more, and hang up once all is acknowledged."""
        self._stopping = True
        self._thread.wait()


class EventConsumer(_Consumer):
    """Takes a service's events in batches and acknowledges each batch after its commit.

    While one batch waits for the database, the next one is read from the broker.
    """

    def __init__(
        self, way: _Way, service: str, take: Callable[[list[Delivery]], None], *, batch: int
    ) -> None:
        self._take = take
        self._batch = batch
        super().__init__(way, topology.events_queue_of(service))

    def _consume(self, link: _Link) -> None:
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

    def _take_all(self, link: _Link, arrived: "_Arrived") -> None:
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
            eventlet.sleep(GATHER_SECONDS)
        if self._ended:
            return []
        batch, self._waiting = self._waiting[:most], self._waiting[most:]
        return batch


def _delivery_of(message: amqp.Message) -> Delivery:
    headers = message.headers or {}
    body = message.body
    return Delivery(
        body=body.encode() if isinstance(body, str) else bytes(body),
        redeliveries=int(headers.get("x-delivery-count", 0)),
    )


class CommandAnswerer(_Consumer):
    """Answers a service's commands, several at once; one is acknowledged when it is answered."""

    def __init__(
        self, way: _Way, service: str, answer: Callable[[bytes], bytes | None], *, at_once: int
    ) -> None:
        self._answer = answer
        self._at_once = at_once
        self._pool = GreenPool(at_once)
        super().__init__(way, topology.commands_queue_of(service))

    def _consume(self, link: _Link) -> None:
        link.channel.basic_qos(0, self._at_once, False)  # py-amqp takes it so

        def arrived(message: amqp.Message) -> None:
            self._pool.spawn_n(self._reply, link, message)

        tag = link.channel.basic_consume(self._queue, callback=arrived, consumer_tag=new_id())
        self.connected = True
        while not self._stopping:
            link.drain(0.5)
        link.channel.basic_cancel(tag)
        self._pool.waitall()

    def _reply(self, link: _Link, message: amqp.Message) -> None:
        answer = self._answer(_delivery_of(message).body)
        try:
            if answer is not None:
                link.channel.basic_publish(
                    amqp.Message(answer, correlation_id=message.properties["correlation_id"]),
                    routing_key=message.properties["reply_to"],
                )
            link.channel.basic_ack(message.delivery_tag)
        except BROKEN as error:
            # It comes again, and gets the answer that is remembered under its id.
            log.warning("reply_not_sent", error=type(error).__name__)


class _CommandClientLink:
    """Sends commands and hands each reply to whom it belongs."""

    def __init__(self, way: _Way) -> None:
        self.alive = True
        self._waiting: dict[str, Signal] = {}
        self._link = way.link()
        self._link.channel.basic_consume(
            "amq.rabbitmq.reply-to", callback=self._replied, no_ack=True, consumer_tag=new_id()
        )
        self._reader = eventlet.spawn(self._read)

    def _read(self) -> None:
        try:
            while True:
                self._link.drain(1.0)
        except Exception as error:  # noqa: BLE001  # whatever it is, nobody may wait for this link
            log.warning("reply_connection_lost", error=type(error).__name__)
        self.alive = False
        for signal in self._waiting.values():
            signal.send(None)
        self._waiting.clear()
        self._link.close()

    def _replied(self, message: amqp.Message) -> None:
        signal = self._waiting.pop(message.properties["correlation_id"], None)
        if signal is not None:
            signal.send(_delivery_of(message).body)

    def ask(self, service: str, body: bytes, *, seconds: float) -> bytes | None:
        """Send and wait; the caller bounds the wait."""
        ask_id = new_id()
        signal = self._waiting[ask_id] = Signal()
        try:
            self._link.channel.basic_publish(
                amqp.Message(
                    body,
                    reply_to="amq.rabbitmq.reply-to",
                    correlation_id=ask_id,
                    expiration=str(max(1, int(seconds * 1000))),
                    delivery_mode=1,
                ),
                routing_key=topology.commands_queue_of(service),
            )
            reply: bytes | None = signal.wait()
            return reply
        finally:
            self._waiting.pop(ask_id, None)

    def close(self) -> None:
        """Hang up."""
        self.alive = False
        self._reader.kill()
        self._link.close()
