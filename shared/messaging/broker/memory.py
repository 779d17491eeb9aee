"""The broker inside one process, for the embedded set-up.

It confirms what it was given once every receiving service has committed what the message caused:
the outbox keeps the event until then, so that a crash loses nothing although this broker forgets.
"""

from collections.abc import Callable
from datetime import datetime

import eventlet
from eventlet.event import Event as Signal
from eventlet.greenpool import GreenPool
from eventlet.queue import LightQueue

from shared import clock
from shared.contracts.event import SERVICES
from shared.errors import Unavailable
from shared.messaging.broker.topology import receivers_of
from shared.messaging.inbox import Delivery

#: Seconds after which a batch that is not taken in by all is published again.
CONFIRM_SECONDS = 30.0
#: Seconds until messages that could not be taken in are tried again.
REDELIVERY_SECONDS = 0.2


#: Put into a queue to wake whoever waits there; it says nothing.
_NEVER_MIND = None


class Unconfirmed(RuntimeError):
    """Raised when not every receiver has taken in what was published."""


class _Countdown:
    """Tells when the last of a number of messages has been taken in."""

    def __init__(self, messages: int) -> None:
        self.given_up = False
        self._open = messages
        self._all_in = Signal()

    def one_is_in(self) -> None:
        self._open -= 1
        if self._open == 0 and not self.given_up:
            self._all_in.send()

    def wait(self, seconds: float) -> bool:
        if self._open:
            with eventlet.Timeout(seconds, False):
                self._all_in.wait()
                return True
            self.given_up = True
            return False
        return True


class MemoryBroker:
    """Carries events, commands and questions between services of one process."""

    def __init__(self) -> None:
        self.ready = True
        self._events = {service: LightQueue() for service in SERVICES}
        self._commands = {service: LightQueue() for service in SERVICES}
        #: Batches of events that are on their way: given, and not taken in by all.
        self.carrying = 0

    #: Confirms come after the effect, so nothing is ever between the two.
    confirms_effects = True

    def door_is_open(self) -> bool:
        """Tell whether anybody outside can be heard: the door is in the same process."""
        return True

    def publish(self, messages: list[tuple[str, bytes]]) -> None:
        """Give the messages to their receivers and return once all have committed their effects.

        :raises Unconfirmed: when that takes too long; the messages are given again then.
        """
        deliveries = [(service, body) for wire_name, body in messages for service in receivers_of(wire_name)]
        countdown = _Countdown(len(deliveries))
        for service, body in deliveries:
            self._events[service].put((body, countdown))
        self.carrying += 1
        try:
            if not countdown.wait(CONFIRM_SECONDS):
                raise Unconfirmed
        finally:
            self.carrying -= 1

    def consume_events(
        self, service: str, take: Callable[[list[Delivery]], None], *, batch: int
    ) -> "MemoryConsumer":
        """Have *take* called with batches of messages for *service*, one batch at a time."""
        return MemoryConsumer(self._events[service], take, batch=batch)

    def answer_commands(
        self, service: str, answer: Callable[[bytes], bytes | None], *, at_once: int
    ) -> "MemoryAnswerer":
        """Have *answer* called with each command or question for *service*."""
        return MemoryAnswerer(self._commands[service], answer, at_once=at_once)

    def ask(self, service: str, body: bytes, *, deadline: datetime) -> bytes:
        """Send a command and return the reply.

        :raises Unavailable: when there is none by the deadline.
        """
        reply = Signal()
        self._commands[service].put((body, reply))
        with eventlet.Timeout((deadline - clock.real_now()).total_seconds(), False):
            answer: bytes = reply.wait()
            return answer
        raise Unavailable(f"{service} does not answer.", retry_after=2)

    def close(self) -> None:
        """Forget everything; the outboxes remember."""
        self.ready = False


class MemoryConsumer:
    """Takes messages for one service, in batches, one after the other."""

    def __init__(self, queue: LightQueue, take: Callable[[list[Delivery]], None], *, batch: int) -> None:
        self._queue = queue
        self._take = take
        self._batch = batch
        self._stopping = False
        self._thread = eventlet.spawn(self._run)

    def _run(self) -> None:
        while not self._stopping:
            came = [self._queue.get()]
            while len(came) < self._batch and not self._queue.empty():
                came.append(self._queue.get_nowait())
            taken = [item for item in came if item is not _NEVER_MIND and not item[1].given_up]
            if not taken:
                continue
            try:
                self._take([Delivery(body) for body, _ in taken])
            except Exception:  # noqa: BLE001  # the database is away: they come again
                for item in taken:
                    self._queue.put(item)
                eventlet.sleep(REDELIVERY_SECONDS)
                continue
            for _, countdown in taken:
                countdown.one_is_in()

    def stop(self) -> None:
        """Finish the batch in hand and take no more."""
        self._stopping = True
        self._queue.put(_NEVER_MIND)
        self._thread.wait()


class MemoryAnswerer:
    """Answers commands for one service, several at once."""

    def __init__(self, queue: LightQueue, answer: Callable[[bytes], bytes | None], *, at_once: int) -> None:
        self._queue = queue
        self._answer = answer
        self._pool = GreenPool(at_once)
        self._stopping = False
        self._thread = eventlet.spawn(self._run)

    def _run(self) -> None:
        while not self._stopping:
            came = self._queue.get()
            if came is not _NEVER_MIND:
                self._pool.spawn_n(self._reply, *came)

    def _reply(self, body: bytes, reply: Signal) -> None:
        answer = self._answer(body)
        if answer is not None:
            reply.send(answer)

    def stop(self) -> None:
        """Finish what is in hand and take no more."""
        self._stopping = True
        self._queue.put(_NEVER_MIND)
        self._thread.wait()
        self._pool.waitall()
