"""Stands between Homeward and a server, passes every byte on, and counts what goes by."""

import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.support import Room

#: Classes and methods of AMQP that are worth a name.
_METHODS = {(60, 40): "publish", (60, 60): "deliver", (60, 80): "ack", (60, 50): "return"}
_METHOD, _HEARTBEAT = 1, 8


class Proxy:
    """Listens on a port of its own and connects to *target*: a port, or the path of a socket."""

    def __init__(self, target: int | Path, reader: Callable[["Proxy", str], Callable[[bytes], None]]) -> None:
        #: What was seen, by kind.
        self.seen: Counter[str] = Counter()
        self._target = target
        self._reader = reader
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def count(self, kind: str) -> None:
        with self._lock:
            self.seen[kind] += 1

    def snapshot(self) -> Counter[str]:
        with self._lock:
            return Counter(self.seen)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.close()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if isinstance(self._target, int):
                    server = socket.create_connection(("127.0.0.1", self._target))
                else:
                    server = socket.socket(socket.AF_UNIX)
                    server.connect(str(self._target))
                self._sockets += [client, server]
                for way, source, sink in (("up", client, server), ("down", server, client)):
                    threading.Thread(target=self._pass_on, args=(way, source, sink), daemon=True).start()

    def _pass_on(self, way: str, source: socket.socket, sink: socket.socket) -> None:
        read = self._reader(self, way)
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                # Counted before it is passed on: whoever has received it finds it counted.
                read(data)
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def postgres(proxy: Proxy, way: str) -> Callable[[bytes], None]:
    """Count round trips (the server is ready for the next query), statements completed, and rows returned."""
    buffer = bytearray()

    def read(data: bytes) -> None:
        if way == "up":
            return
        buffer.extend(data)
        while len(buffer) >= 5:
            length = 1 + int.from_bytes(buffer[1:5])
            if len(buffer) < length:
                return
            if buffer[:1] == b"Z":
                proxy.count("round trips")
            elif buffer[:1] == b"C":
                # That a plan is kept happens once in a while, on the way of a statement that is counted.
                if not buffer[5:length].startswith((b"PREPARE", b"DEALLOCATE")):
                    proxy.count("statements")
            elif buffer[:1] == b"D":
                proxy.count("rows")
            del buffer[:length]

    return read


def amqp(proxy: Proxy, way: str) -> Callable[[bytes], None]:
    """Count frames both ways, but for heartbeats, and the methods that carry messages."""
    buffer = bytearray()
    greeted = way == "down"

    def read(data: bytes) -> None:
        nonlocal greeted
        buffer.extend(data)
        if not greeted:
            if len(buffer) < 8:
                return
            del buffer[:8]
            greeted = True
        while len(buffer) >= 7:
            length = 8 + int.from_bytes(buffer[3:7])
            if len(buffer) < length:
                return
            if buffer[0] != _HEARTBEAT:
                proxy.count("frames")
            if buffer[0] == _METHOD:
                method = int.from_bytes(buffer[7:9]), int.from_bytes(buffer[9:11])
                proxy.count(f"{_METHODS.get(method, 'other')} {way}")
            del buffer[:length]

    return read


class Measured:
    """A service's room, with a counter between it and the database."""

    def __init__(self, room: Room, proxy: Proxy) -> None:
        self.room, self._proxy = room, proxy

    def counted(self) -> Counter[str]:
        """Return what has gone by so far."""
        return self._proxy.snapshot()

    def cost_of(self, do: Callable[[], Any]) -> Counter[str]:
        """Return what it costs, once connections are open and queries compiled: so it is done twice."""
        do()
        before = self.counted()
        do()
        return self.counted() - before


def within(cost: Counter[str], ceiling: dict[str, int]) -> bool:
    assert cost["round trips"] > 0, "nothing was counted"
    return all(cost[kind] <= most for kind, most in ceiling.items())
