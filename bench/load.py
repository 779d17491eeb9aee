"""``python -m bench.load``: the one HTTP client that asks all systems the same, in a process of its own.

Each connection sends a request, waits for the whole answer, and sends the next. What it does not measure
it does not do: no parsing beyond status and length. Reads its task, and writes what came of it, as JSON.
"""

import asyncio
import dataclasses
import itertools
import json
import sys
import time
import uuid
from collections import Counter
from typing import Any

from bench.rows import spread

#: Seconds for which an answer is waited for after the end of the time.
PATIENCE_SECONDS = 10.0


@dataclasses.dataclass(kw_only=True)
class Task:
    """What is asked, by how many, for how long."""

    port: int
    method: str
    #: Asked in turn.
    paths: list[str]
    headers: dict[str, str]
    body: str
    connections: int
    seconds: float
    #: Seconds beforehand that are not counted.
    warm_up_seconds: float
    expect: int


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, load: "Load") -> None:
        self.load = load
        self.buffer = b""
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        """Send the next request, or hang up when the time is over."""
        self.sent_at = time.perf_counter()
        if self.sent_at >= self.load.ends_at:
            self.transport.close()
            return
        self.transport.write(self.load.next_request())

    def data_received(self, data: bytes) -> None:
        """Count an answer once it is whole."""
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        low = head.lower()
        at = low.find(b"content-length:")
        if at < 0:
            self.load.failed["an answer of unknown length"] += 1
            self.transport.close()
            return
        length = int(low[at + 15 : (low + b"\r\n").index(b"\r\n", at)])
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        self.load.count(int(head[9:12]), self.sent_at, time.perf_counter())
        if b"connection: close" in low:
            self.transport.close()
            return
        self.send()

    def connection_lost(self, error: Exception | None) -> None:
        """Connect again while there is time."""
        self.load.lost(self)


class Load:
    """All connections together."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.latencies: list[float] = []
        self.failed: Counter[str] = Counter()
        #: All answers, those before and after the measured time included.
        self.answered = 0
        self.open = 0
        self.connects = 0
        self.over = asyncio.Event()
        self._paths = itertools.cycle(task.paths)
        headers = "".join(f"{name}: {value}\r\n" for name, value in task.headers.items())
        self._body = task.body.encode()
        self._fixed = f"Host: 127.0.0.1:{task.port}\r\n{headers}Content-Length: {len(self._body)}\r\n"
        began = time.perf_counter()
        self.counted_from = began + task.warm_up_seconds
        self.ends_at = self.counted_from + task.seconds

    def next_request(self) -> bytes:
        """Return the bytes of a request; a command has a key of its own."""
        key = "" if self.task.method == "GET" else f"Idempotency-Key: {uuid.uuid4()}\r\n"
        head = f"{self.task.method} {next(self._paths)} HTTP/1.1\r\n{self._fixed}{key}\r\n"
        return head.encode() + self._body

    def count(self, status: int, sent_at: float, now: float) -> None:
        """Count an answer that came in the measured time, whenever its request was sent.

        Counting those only whose request was sent in it too would take from each system as many as it has
        under way: most from the slowest, and more the shorter the time.
        """
        self.answered += 1
        if not self.counted_from <= now <= self.ends_at:
            return
        if status == self.task.expect:
            self.latencies.append((now - sent_at) * 1000)
        else:
            self.failed[str(status)] += 1

    async def connect(self) -> None:
        """Open one connection."""
        self.open += 1
        self.connects += 1
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: Client(self), "127.0.0.1", self.task.port
            )
        except OSError as error:
            self.failed[type(error).__name__] += 1
            self.open -= 1
            if not self.open:
                self.over.set()

    def lost(self, client: Client) -> None:
        """Replace a connection that was closed while there was time."""
        self.open -= 1
        if time.perf_counter() < self.ends_at:
            self._reconnecting = asyncio.ensure_future(self.connect())
        elif not self.open:
            self.over.set()

    async def run(self) -> dict[str, Any]:
        """Ask until the time is over, and return what came of it."""
        for _ in range(self.task.connections):
            await self.connect()
        wait = self.ends_at - time.perf_counter() + PATIENCE_SECONDS
        try:
            await asyncio.wait_for(self.over.wait(), wait)
        except TimeoutError:
            self.failed["no answer"] += self.open
        return {
            "per_second": len(self.latencies) / self.task.seconds,
            "failed": dict(self.failed),
            "connects": self.connects,
            "answered": self.answered,
            **spread(self.latencies),
        }


def main() -> None:
    """Do the one task that standard input tells."""
    found = asyncio.run(_run(Task(**json.load(sys.stdin))))
    sys.stdout.write(json.dumps(found) + "\n")


async def _run(task: Task) -> dict[str, Any]:
    return await Load(task).run()


if __name__ == "__main__":
    main()
