"""What stands between the parts of a house: relays that can be cut, stalled, slowed and held.

One child process carries all of them, so that bytes on their way cost the driver nothing. It also
ends what it was told of when its owner ends, however that happens.
"""

import asyncio
import contextlib
import itertools
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self

#: Which way bytes go: to the broker or database, or back.
TO_SERVER, TO_CLIENT = "to_server", "to_client"

#: What a relay can do to everything that passes it.
MODES = ("open", "cut", "half_open", "slow", "reset")

#: Seconds for which each piece is kept back when a relay is slow.
SLOW_SECONDS = 0.05

#: The header in which the balancer says that it has tried a request again.
TRIED_AGAIN = "X-Tried-Again"
#: How often, and for how long, the balancer tries a request again before it gives up on it.
BALANCER_SECONDS = 30.0
BALANCER_PAUSE_SECONDS = 0.1

#: ``confirm.select`` and ``basic.consume`` as they stand in an AMQP frame: class and method.
_CONFIRM_SELECT = b"\x00\x55\x00\x0a"
_BASIC_CONSUME = b"\x00\x3c\x00\x14"
_BASIC_DELIVER = b"\x00\x3c\x00\x3c"
#: The id in an envelope as Homeward writes it.
_EVENT_ID = re.compile(rb'"id":"([0-9a-f-]{36})"')


class Delivery(NamedTuple):
    """One message about an event that went from the broker to a service."""

    #: Seconds since 1970.
    at: float
    #: Whether the broker says that it has delivered this message before.
    again: bool


class Relays:
    """The child process that carries the relays, as its owner sees it."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "chaos.relays"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A Ctrl-C is for the owner to pass on, in order.
            start_new_session=True,
        )
        self._lock = threading.Lock()

    def tell(self, **order: Any) -> Any:
        """Give an order and return the answer."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        with self._lock:
            self._child.stdin.write(json.dumps(order).encode() + b"\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline()
        if not line:
            raise RuntimeError("the relays have ended")
        return json.loads(line)

    def listen(self, name: str, *, target: int | str) -> int:
        """Open a relay to a port, or to a Unix socket; return the port it listens on."""
        return int(self.tell(do="listen", name=name, target=target))

    def balance(self, targets: list[int]) -> int:
        """Open a balancer before HTTP servers on these ports; return the port it listens on."""
        return int(self.tell(do="balance", targets=targets))

    def mode(self, name: str, mode: str) -> None:
        """Have a relay pass what comes, or do something else to it."""
        if mode not in MODES:
            raise ValueError(mode)
        self.tell(do="mode", name=name, mode=mode)

    def hold(self, name: str, *, label: str, direction: str) -> None:
        """Keep back what goes in one direction on connections of one kind.

        :param label: "publishing", or the kind of queue that is consumed: "events", "commands".
        """
        self.tell(do="hold", name=name, label=label, direction=direction)

    def drop(self, name: str) -> None:
        """End every connection of a relay, with what was held on it, and hold nothing more."""
        self.tell(do="drop", name=name)

    def ward(self, pid: int, *, group: bool = False) -> None:
        """Have a process killed, should the owner end without a word."""
        self.tell(do="ward", pid=pid, group=group)

    def unward(self, pid: int) -> None:
        """Forget a process that has ended, before its number is somebody else's."""
        self.tell(do="unward", pid=pid)

    def watch(self, name: str) -> None:
        """Note from now on which events are delivered once more on a relay."""
        self.tell(do="watch", name=name)

    def redelivered(self, name: str) -> dict[str, list[Delivery]]:
        """Return all deliveries since :meth:`watch` of what was delivered once more; end the watch."""
        found = self.tell(do="redelivered", name=name)
        return {event_id: [Delivery(*one) for one in deliveries] for event_id, deliveries in found.items()}

    def balanced(self) -> dict[str, int]:
        """Return how many requests the balancer has seen, tried again and given up on."""
        counts: dict[str, int] = self.tell(do="balanced")
        return counts

    def close(self) -> None:
        """End the child; what it warded has to be ended already."""
        self._child.kill()
        self._child.wait()

    def __enter__(self) -> Self:
        """Use the relays in a block."""
        return self

    def __exit__(self, *error: object) -> None:
        """Leave no process behind."""
        self.close()


# --- In the child ----------------------------------------------------------------------------------


class _Relay:
    """One listening port and the connections that pass through it."""

    def __init__(self, target: int | str) -> None:
        self._target = target
        self.mode = "open"
        self._held: set[tuple[str, str]] = set()
        self._connections: set[_Connection] = set()
        #: Event id → its deliveries in their order; None unless somebody watches.
        self.deliveries: dict[str, list[Delivery]] | None = None

    async def listen(self) -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Side(_Connection(self), TO_SERVER), "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    async def connect(self, side: "_Side") -> None:
        """Connect one side of a connection to the target."""
        loop = asyncio.get_running_loop()
        if isinstance(self._target, str):
            await loop.create_unix_connection(lambda: side, self._target)
        else:
            await loop.create_connection(lambda: side, "127.0.0.1", self._target)

    def join(self, connection: "_Connection") -> None:
        self._connections.add(connection)

    def leave(self, connection: "_Connection") -> None:
        self._connections.discard(connection)

    def set_mode(self, mode: str) -> None:
        self.mode = mode
        for connection in list(self._connections):
            if mode in ("cut", "reset"):
                connection.end(reset=mode == "reset")
            else:
                connection.let_pass()

    def hold(self, label: str, direction: str) -> None:
        self._held.add((label, direction))

    def drop(self) -> None:
        for connection in list(self._connections):
            connection.end(reset=False)
        self._held.clear()

    def is_held(self, label: str, direction: str) -> bool:
        return self.mode == "half_open" or (label, direction) in self._held


class _Connection:
    """What one client and one server say to each other."""

    def __init__(self, relay: _Relay) -> None:
        self.relay = relay
        self.label = ""
        self._tail = b""
        self._client: asyncio.Transport | None = None
        self._server: asyncio.Transport | None = None
        #: What is kept back, or has nowhere to go yet, by direction.
        self._waiting: dict[str, list[bytes]] = {TO_SERVER: [], TO_CLIENT: []}
        self._connecting: asyncio.Task[None] | None = None

    def made(self, direction: str, transport: asyncio.Transport) -> None:
        """Note one side's connection; what comes on it goes in *direction*."""
        if direction == TO_CLIENT:
            self._server = transport
            self.let_pass()
            return
        self._client = transport
        self.relay.join(self)
        if self.relay.mode in ("cut", "reset"):
            self.end(reset=self.relay.mode == "reset")
        else:
            self._reach_server()

    def _reach_server(self) -> None:
        if self._connecting is None and self.relay.mode != "half_open":
            self._connecting = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        try:
            await self.relay.connect(_Side(self, TO_CLIENT))
        except OSError:
            self.end(reset=False)

    def came(self, direction: str, data: bytes) -> None:
        """Pass on what came, or keep it back."""
        if direction == TO_SERVER:
            if not self.label:
                self.label = _label_of(data)
        elif self.relay.deliveries is None:
            self._tail = b""
        elif self.label == "events":
            self._note_deliveries(data, self.relay.deliveries)
        sink = self._server if direction == TO_SERVER else self._client
        waiting = self._waiting[direction]
        if sink is None or waiting or self.relay.is_held(self.label, direction):
            waiting.append(data)
        elif self.relay.mode == "slow":
            waiting.append(data)
            asyncio.get_running_loop().call_later(SLOW_SECONDS, self.let_pass)
        else:
            sink.write(data)

    def let_pass(self) -> None:
        """Pass on what nothing keeps back any more."""
        self._reach_server()
        for direction, sink in ((TO_SERVER, self._server), (TO_CLIENT, self._client)):
            waiting = self._waiting[direction]
            if sink is not None and waiting and not self.relay.is_held(self.label, direction):
                sink.write(b"".join(waiting))
                waiting.clear()

    def _note_deliveries(self, data: bytes, noted: dict[str, list[Delivery]]) -> None:
        text, done = self._tail + data, 0
        for delivery in re.finditer(_BASIC_DELIVER, text):
            # The consumer's tag, eight bytes of delivery tag, and then the flag.
            flag = delivery.end() + 1 + text[delivery.end()] + 8 if delivery.end() < len(text) else len(text)
            told = _EVENT_ID.search(text, flag)
            if told is None:
                # The rest of this one is on its way.
                break
            done = told.end()
            again = bool(text[flag])
            noted.setdefault(told.group(1).decode(), []).append(Delivery(time.time(), again))
        else:
            done = max(done, len(text) - len(_BASIC_DELIVER))
        self._tail = text[done:]

    def end(self, *, reset: bool) -> None:
        """End both sides, with what was kept back."""
        self.relay.leave(self)
        for transport in (self._client, self._server):
            if transport is not None:
                _end(transport, reset=reset)
        if self._connecting is not None:
            self._connecting.cancel()

    def lost(self) -> None:
        """End, because one side has; what can pass has passed."""
        self.relay.leave(self)
        for transport in (self._client, self._server):
            if transport is not None:
                transport.close()


class _Side(asyncio.Protocol):
    """One side of a connection; what comes on it goes in *direction*."""

    def __init__(self, connection: _Connection, direction: str) -> None:
        self._connection = connection
        self._direction = direction

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._connection.made(self._direction, transport)

    def data_received(self, data: bytes) -> None:
        self._connection.came(self._direction, data)

    def connection_lost(self, error: Exception | None) -> None:
        self._connection.lost()


def _label_of(data: bytes) -> str:
    """Tell what an AMQP connection is for by what its client says on it."""
    if _CONFIRM_SELECT in data:
        return "publishing"
    at = data.find(_BASIC_CONSUME)
    if at >= 0:
        length = data[at + 6]
        return data[at + 7 : at + 7 + length].decode("ascii", "replace").rsplit(".", 1)[-1]
    return ""


def _end(transport: asyncio.Transport, *, reset: bool) -> None:
    if reset:
        with contextlib.suppress(OSError):
            found: socket.socket = transport.get_extra_info("socket")
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class _Balancer:
    """An HTTP balancer that sends a request again where nobody answered, or somebody said "not now".

    A command carries its Idempotency-Key, so that this is safe.
    """

    def __init__(self, targets: list[int]) -> None:
        self._targets = targets
        self._turn = itertools.count()
        self.counts = {"requests": 0, "tried_again": 0, "given_up": 0}

    async def listen(self) -> int:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        return int(server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length_of(head))
                writer.write(await self._answer(head, body))
                await writer.drain()
        writer.close()

    async def _answer(self, head: bytes, body: bytes) -> bytes:
        """Return the first answer that is one, with a word on whether there were others before it."""
        self.counts["requests"] += 1
        said = b""
        ends = asyncio.get_running_loop().time() + BALANCER_SECONDS
        request = head[:-2] + b"Connection: close\r\n\r\n" + body
        while True:
            try:
                answer = await asyncio.wait_for(self._ask(request), BALANCER_SECONDS)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                answer = b""
            if answer and answer.split(b" ", 2)[1] not in (b"502", b"503", b"504"):
                return _for_the_client(answer, said)
            if asyncio.get_running_loop().time() > ends:
                self.counts["given_up"] += 1
                return _for_the_client(answer or _NOBODY, said)
            self.counts["tried_again"] += 1
            said = TRIED_AGAIN.encode() + b": yes"
            await asyncio.sleep(BALANCER_PAUSE_SECONDS)

    async def _ask(self, request: bytes) -> bytes:
        target = self._targets[next(self._turn) % len(self._targets)]
        reader, writer = await asyncio.open_connection("127.0.0.1", target)
        try:
            writer.write(request)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            return head + await reader.readexactly(_length_of(head))
        finally:
            writer.close()


_NOBODY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"


def _length_of(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def _for_the_client(answer: bytes, said: bytes) -> bytes:
    head, separator, body = answer.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, said] if said else lines) + separator + body


class _Child:
    def __init__(self) -> None:
        self._relays: dict[str, _Relay] = {}
        self._balancers: list[_Balancer] = []
        self._wards: dict[int, bool] = {}

    async def obey(self, order: dict[str, Any]) -> Any:
        match order["do"]:
            case "listen":
                relay = self._relays[order["name"]] = _Relay(order["target"])
                return await relay.listen()
            case "balance":
                self._balancers.append(_Balancer(order["targets"]))
                return await self._balancers[-1].listen()
            case "mode":
                self._relays[order["name"]].set_mode(order["mode"])
            case "hold":
                self._relays[order["name"]].hold(order["label"], order["direction"])
            case "drop":
                self._relays[order["name"]].drop()
            case "ward":
                self._wards[order["pid"]] = order["group"]
            case "unward":
                self._wards.pop(order["pid"], None)
            case "watch":
                self._relays[order["name"]].deliveries = {}
            case "redelivered":
                relay = self._relays[order["name"]]
                noted, relay.deliveries = relay.deliveries or {}, None
                return {
                    event_id: deliveries
                    for event_id, deliveries in noted.items()
                    if any(delivery.again for delivery in deliveries)
                }
            case "balanced":
                return self._balancers[-1].counts
        return None

    def end_wards(self) -> None:
        for pid, group in self._wards.items():
            kill: Callable[[int, int], None] = os.killpg if group else os.kill
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(pid, signal.SIGKILL)


async def _serve_orders() -> None:
    child = _Child()
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        answer = await child.obey(json.loads(line))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    child.end_wards()
    # Whoever is connected still has ended, or has just been killed.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(_serve_orders())
