"""Commands and questions over RabbitMQ: transient messages that expire at their deadline.

Replies come by ``amq.rabbitmq.reply-to``. Several that are asked of one service at one moment go in one
message, and so do their answers.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import amqp
import eventlet
import structlog
from eventlet.event import Event as Signal
from eventlet.greenpool import GreenPool

from shared.ids import new_id
from shared.messaging.broker import together, topology
from shared.messaging.broker.links import BROKEN, Consumer, Link, Way, body_of

log = structlog.get_logger()

#: Seconds for which commands go one by one to a service that was found to take none together.
ALONE_SECONDS = 1.0
#: Messages of several commands that a copy has in hand; how many commands it works on is bounded besides.
TOGETHER_PREFETCH = 8


class CommandAnswerer(Consumer):
    """Answers a service's commands, several at once; a message is acknowledged when all in it is answered."""

    def __init__(
        self, way: Way, service: str, answer: Callable[[bytes], bytes | None], *, at_once: int
    ) -> None:
        self._service = service
        self._answer = answer
        self._at_once = at_once
        self._pool = GreenPool(at_once)
        self._in_hand = GreenPool(TOGETHER_PREFETCH)
        super().__init__(way, topology.commands_queue_of(service))

    def _consume(self, link: Link) -> None:
        replies = _Replies(link)

        def one_arrived(message: amqp.Message) -> None:
            self._pool.spawn_n(self._reply, link, message)

        def several_arrived(message: amqp.Message) -> None:
            self._in_hand.spawn_n(self._reply_together, link, replies, message)

        channel = link.channel
        topology.declare_together(channel, self._service)
        channel.basic_qos(0, self._at_once, False)  # py-amqp takes it so
        tags = [channel.basic_consume(self._queue, callback=one_arrived, consumer_tag=new_id())]
        channel.basic_qos(0, TOGETHER_PREFETCH, False)
        queue = topology.together_queue_of(self._service)
        tags += [channel.basic_consume(queue, callback=several_arrived, consumer_tag=new_id())]
        self.connected = True
        while not self._stopping:
            link.drain(0.5)
        for tag in tags:
            channel.basic_cancel(tag)
        self._in_hand.waitall()
        self._pool.waitall()

    def _reply(self, link: Link, message: amqp.Message) -> None:
        answer = self._answer(body_of(message))
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

    def _reply_together(self, link: Link, replies: "_Replies", message: amqp.Message) -> None:
        reply_to = message.properties["reply_to"]

        def reply(ask_id: str, body: bytes) -> None:
            answer = self._answer(body)
            if answer is not None:
                replies.add(reply_to, ask_id, answer)

        asked = together.split(body_of(message))
        for answering in [self._pool.spawn(reply, *part) for part in asked]:
            answering.wait()
        replies.send(reply_to)
        try:
            link.channel.basic_ack(message.delivery_tag)
        except BROKEN as error:
            log.warning("reply_not_sent", error=type(error).__name__)


class _Replies:
    """Answers to what came together: those that are there at one moment go back as one message."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._unsent: dict[str, list[tuple[str, bytes]]] = {}

    def add(self, reply_to: str, ask_id: str, answer: bytes) -> None:
        """Have one sent soon."""
        unsent = self._unsent.setdefault(reply_to, [])
        unsent.append((ask_id, answer))
        if len(unsent) == 1:
            eventlet.spawn_n(self.send, reply_to)

    def send(self, reply_to: str) -> None:
        """Send now what there is for somebody."""
        try:
            for load in together.loads(self._unsent.pop(reply_to, ())):
                reply = amqp.Message(together.join(load), type=together.TYPE)
                self._link.channel.basic_publish(reply, routing_key=reply_to)
        except BROKEN as error:
            # What was asked comes again, and gets the answers that are remembered.
            log.warning("reply_not_sent", error=type(error).__name__)


@dataclass(frozen=True)
class _Asked:
    """What somebody waits for."""

    service: str
    body: bytes
    give_up_at: float
    replied: Signal = field(default_factory=Signal)


class CommandAsker:
    """Sends commands, those of one moment together, and hands each reply to whom it belongs."""

    def __init__(self, way: Way) -> None:
        self.alive = True
        self._waiting: dict[str, _Asked] = {}
        #: Who waits that their commands are sent, for each service.
        self._unsent: dict[str, list[str]] = {}
        #: Until when commands go to a service one by one.
        self._alone_until: dict[str, float] = {}
        self._link = way.link()
        self._link.channel.events["basic_return"].add(self._came_back)
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
        for ask_id in list(self._waiting):
            self._hand_over(ask_id, None)
        self._link.close()

    def _replied(self, message: amqp.Message) -> None:
        body = body_of(message)
        if message.properties.get("type") == together.TYPE:
            for ask_id, reply in together.split(body):
                self._hand_over(ask_id, reply)
        else:
            self._hand_over(message.properties["correlation_id"], body)

    def _hand_over(self, ask_id: str, reply: bytes | None) -> None:
        asked = self._waiting.pop(ask_id, None)
        if asked is not None:
            asked.replied.send(reply)

    def ask(self, service: str, body: bytes, *, seconds: float) -> bytes | None:
        """Send and wait; the caller bounds the wait."""
        ask_id = new_id()
        asked = self._waiting[ask_id] = _Asked(service, body, give_up_at=time.monotonic() + seconds)
        try:
            unsent = self._unsent.setdefault(service, [])
            unsent.append(ask_id)
            if len(unsent) == 1:
                eventlet.spawn_n(self._send, service)
            reply: bytes | None = asked.replied.wait()
            return reply
        finally:
            self._waiting.pop(ask_id, None)

    def _send(self, service: str) -> None:
        ask_ids = self._unsent.pop(service)
        parts = [(id_, self._waiting[id_].body) for id_ in ask_ids if id_ in self._waiting]
        if time.monotonic() < self._alone_until.get(service, 0):
            self._send_alone(parts)
            return
        for load in together.loads(parts):
            if len(load) == 1:
                self._send_alone(load)
            else:
                self._publish(
                    [ask_id for ask_id, _ in load],
                    topology.together_queue_of(service),
                    # A service of the version before takes none together: the broker gives it back.
                    mandatory=True,
                    body=together.join(load),
                    type=together.TYPE,
                )

    def _send_alone(self, parts: list[tuple[str, bytes]]) -> None:
        for ask_id, body in parts:
            if ask_id in self._waiting:
                queue = topology.commands_queue_of(self._waiting[ask_id].service)
                self._publish([ask_id], queue, body=body, correlation_id=ask_id)

    def _publish(self, ask_ids: list[str], queue: str, *, mandatory: bool = False, **message: Any) -> None:
        seconds = max(self._waiting[id_].give_up_at for id_ in ask_ids) - time.monotonic()
        try:
            self._link.channel.basic_publish(
                amqp.Message(
                    reply_to="amq.rabbitmq.reply-to",
                    expiration=str(max(1, int(seconds * 1000))),
                    delivery_mode=1,
                    **message,
                ),
                routing_key=queue,
                mandatory=mandatory,
            )
        except BROKEN:
            for ask_id in ask_ids:
                self._hand_over(ask_id, None)

    def _came_back(self, why: Exception, exchange: str, queue: str, message: amqp.Message) -> None:
        parts = together.split(body_of(message))
        for ask_id, _ in parts:
            if ask_id in self._waiting:
                self._alone_until[self._waiting[ask_id].service] = time.monotonic() + ALONE_SECONDS
        self._send_alone(parts)

    def close(self) -> None:
        """Hang up."""
        self.alive = False
        self._reader.kill()
        self._link.close()
