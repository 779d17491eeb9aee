"""Connections to RabbitMQ, through kombu and py-amqp, that heal by themselves."""

import socket
import struct
from collections.abc import Callable
from typing import Any

import amqp
import eventlet
import structlog
from amqp.exceptions import AMQPError
from eventlet import greenio
from eventlet.semaphore import Semaphore
from kombu import Connection

from shared.messaging.broker import topology

log = structlog.get_logger()

#: Seconds between heartbeats on a connection; twice that without a sign and it is given up.
HEARTBEAT_SECONDS = 10
#: Seconds between attempts to connect again.
RECONNECT_SECONDS = 0.5
#: Bytes that are read from the broker at once, where so much has arrived.
READ_BYTES = 8192

#: What every frame begins with: its type, its channel and the length of what it holds; and how it ends.
_FRAME_HEAD = struct.Struct(">BHI")
_FRAME_END = 0xCE

#: What a broken connection raises.
BROKEN = (AMQPError, OSError)


class Link:
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
        _take_what_came_with_it(self.amqp)
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


def _take_what_came_with_it(connection: amqp.Connection) -> None:
    """Handle the frames that were read ahead, as far as they are whole.

    None of them can be waited for, so what py-amqp does for each in case it must wait is left out. A frame
    that does not end as it should is left to it as well.
    """
    transport = connection.transport
    read: bytes = transport._read_buffer  # noqa: SLF001  # as above
    while len(read) >= _FRAME_HEAD.size:
        kind, channel, size = _FRAME_HEAD.unpack_from(read)
        end = _FRAME_HEAD.size + size
        if len(read) <= end or read[end] != _FRAME_END:
            return
        # Before it is handled: what handles it may hang up, or fail.
        transport._read_buffer = read[end + 1 :]  # noqa: SLF001
        connection.on_inbound_frame((kind, channel, read[_FRAME_HEAD.size : end]))
        if not connection.connected:
            return
        read = transport._read_buffer  # noqa: SLF001


class Way:
    """The way of a process to the broker: all that exists there is declared by its first connection.

    After one of them was lost, the next declares it again: the broker may be another one by then.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._one_declares = Semaphore()
        self._lost = 0
        #: How many connections had been lost when everything was last declared.
        self._declared_after: int | None = None

    def link(self) -> Link:
        """Connect, and return once everything is there.

        :raises OSError, amqp.exceptions.AMQPError: when the broker is away.
        """
        link = Link(self._url, self._hung_up)
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


class Consumer:
    """A loop that consumes one queue and connects again when the connection breaks."""

    def __init__(self, way: Way, queue: str) -> None:
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

    def _consume(self, link: Link) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        """Finish what is in hand, take no more, and hang up once all is acknowledged."""
        self._stopping = True
        self._thread.wait()


def body_of(message: amqp.Message) -> bytes:
    """Return what a message holds."""
    return message.body.encode() if isinstance(message.body, str) else bytes(message.body)
