"""Homeward as its operators run it, in the hands of a test: whole processes, real parts, HTTP."""

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import urllib3
from homeward.greeting import tokens_of
from homeward.postgres import PrivatePostgres

from homeward import embedded, schema
from shared.contracts.event import SERVICES, read_moment, write_moment
from shared.database import new_engine
from shared.ids import new_id
from shared.settings import DATABASES, Settings, environment_of
from tests import support
from tests.nodes import RabbitNode

ROOT = Path(__file__).parent.parent.parent

#: A Monday morning in Chicago, five weeks before the clocks change.
BEGINNING = datetime(2026, 2, 2, 14, 0, tzinfo=UTC)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the door answered."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    def expect(self, status: int) -> dict[str, Any]:
        """Return the body, if the status is this one."""
        assert self.status == status, (self.status, self.body)
        return self.body

    @property
    def ok(self) -> dict[str, Any]:
        """Return the body of a request that was done."""
        assert self.status in (200, 201, 202), (self.status, self.body)
        return self.body


class Door:
    """A partner's connection to the gateway, with a token for each role."""

    def __init__(self, url: str, tokens: dict[str, str]) -> None:
        self.url = url
        self.tokens = tokens
        self._pool = urllib3.PoolManager(maxsize=16, retries=False)

    def send(  # noqa: PLR0913  # a request has many parts
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: str = "clinician",
        key: str | None = None,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = 90.0,
    ) -> Answer:
        """Send one request."""
        sent = {"Authorization": f"Bearer {token or self.tokens[role]}", "Content-Type": "application/json"}
        if method == "POST":
            sent["Idempotency-Key"] = key or new_id()
        sent.update(headers or {})
        raw = body if isinstance(body, bytes) else None if body is None else orjson.dumps(body)
        response = self._pool.request(method, self.url + path, body=raw, headers=sent, timeout=timeout)
        try:
            document = orjson.loads(response.data) if response.data else {}
        except orjson.JSONDecodeError:
            document = {"raw": response.data.decode(errors="replace")}
        return Answer(response.status, document, dict(response.headers))

    def get(self, path: str, **options: Any) -> Answer:
        """Ask a question."""
        return self.send("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        """Send a command, and again while the door says "not now": its key makes that harmless."""
        options.setdefault("key", new_id())
        for _ in range(30):
            answer = self.send("POST", path, {} if body is None else body, **options)
            if answer.status not in (503, 409) or (
                answer.status == 409 and answer.body.get("code") != "still_running"
            ):
                return answer
            time.sleep(0.3)
        return answer

    def jump(self, until: datetime) -> datetime:
        """Let program time move to *until*, firing what is due on the way."""
        while True:
            now = read_moment(
                self.post("/v1/clock/jumps", {"no_later_than": write_moment(until)}, role="operations").ok[
                    "now"
                ]
            )
            if now >= until:
                return now

    def settle(self) -> datetime:
        """Wait until all is quiet, without moving program time; return it."""
        now = read_moment(self.get("/v1/clock", role="operations").ok["now"])
        return self.jump(now)

    def events(self, *types: str) -> list[dict[str, Any]]:
        """Return all events of the tenant so far, of these types."""
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            query = "?limit=500" + (f"&after={after}" if after else "")
            page = self.get("/v1/events" + query, role="operations").ok
            found += page["items"]
            if not page.get("next") or not page["items"]:
                break
            after = page["next"]
        return [e for e in found if not types or e["type"].removeprefix("homeward.") in types]


class House:
    """All processes of one set-up, started from nothing."""

    def __init__(self, door: Door, settings: Settings) -> None:
        self.door = door
        self.settings = settings

    def dump(self) -> dict[str, dict[str, list[str]]]:
        """Return the rows of all services' own tables, normalised."""
        found = {}
        for service in SERVICES:
            engine = new_engine(self.settings.database_url_of(service))
            found[service] = support.dump(engine, schema.metadata_of(service))
            engine.dispose()
        return found

    def count(self, service: str, table: str) -> int:
        """Return the number of rows in a table."""
        import sqlalchemy as sa

        engine = new_engine(self.settings.database_url_of(service))
        with engine.connect() as connection:
            number = connection.scalar(sa.text(f'SELECT count(*) FROM "{table}"'))  # noqa: S608
        engine.dispose()
        return int(number)


class EmbeddedHouse(House):
    """Everything in one process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._start()

    def _start(self) -> None:
        self.running = embedded.start(self.folder, simulated_from=BEGINNING)
        keys = orjson.loads((self.folder / "keys.json").read_bytes())
        settings = Settings(
            database_url=PrivatePostgres(self.folder / "postgres").url, data_dir=str(self.folder), **keys
        )
        super().__init__(Door(self.running.url, self.running.tokens), settings)

    def kill(self) -> None:
        """Kill the process as a crash would, and start it again."""
        self.running.process.kill()
        self.running.process.wait()
        self._start()

    @property
    def logs(self) -> str:
        return self.running.log_file.read_text()

    def stop(self) -> int:
        return self.running.stop()


class DistributedHouse(House):
    """One process a service, with RabbitMQ between."""

    def __init__(self, server: PrivatePostgres, node: RabbitNode, folder: Path) -> None:
        run = new_id().replace("-", "")
        self.folder = folder
        vhost = f"house-{run}"
        node.ctl("add_vhost", vhost)
        node.ctl("set_permissions", "--vhost", vhost, "guest", ".*", ".*", ".*")
        self._server = server
        self._databases = [f"{name}_{run}" for name in DATABASES]
        server.create_databases(self._databases)
        settings = support.settings_for_tests(
            HOMEWARD_DATABASE_URL=server.url_of("{service}_" + run),
            HOMEWARD_BROKER_URL=node.url.rstrip("/") + "/" + vhost,
            HOMEWARD_PORT=str(free_port()),
        )
        schema.migrate(settings)
        self.processes: dict[str, list[subprocess.Popen[bytes]]] = {}
        door = Door(f"http://127.0.0.1:{settings.http_port}", tokens_of(settings))
        super().__init__(door, settings)
        for service in SERVICES:
            self.start(service)
        self.wait_until_ready()

    def start(self, service: str) -> "subprocess.Popen[bytes]":
        """Start one more copy of a service."""
        command = [sys.executable, "-m", "homeward", "run", service]
        command += ["--simulated-from", write_moment(BEGINNING)]
        with (self.folder / f"{service}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **environment_of(self.settings)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.processes.setdefault(service, []).append(process)
        return process

    def wait_until_ready(self, *, seconds: float = 60) -> None:
        """Wait until the gateway is ready and every service answers."""
        wait_until(self._ready, seconds=seconds, what="the house is ready")

    def _ready(self) -> bool:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            return (
                self.door.get("/readyz").status == 200
                and self.door.get("/v1/clock", role="operations").status == 200
            )
        return False

    def kill(self, service: str) -> None:
        """Kill every copy of a service as a crash would, and start one again."""
        for process in self.processes.pop(service, []):
            process.kill()
            process.wait()
        self.start(service)

    def end(self, service: str) -> int:
        """End every copy of a service in good order and return the last status."""
        status = 0
        for process in self.processes.pop(service, []):
            process.send_signal(signal.SIGTERM)
            status = process.wait(40)
        return status

    @property
    def logs(self) -> str:
        return "".join(place.read_text() for place in sorted(self.folder.glob("*.log")))

    def stop(self) -> int:
        status = 0
        for processes in self.processes.values():
            for process in processes:
                process.send_signal(signal.SIGTERM)
        for processes in self.processes.values():
            for process in processes:
                try:
                    status = max(status, process.wait(40))
                except subprocess.TimeoutExpired:
                    process.kill()
                    status = 1
        self._server.drop_databases(self._databases)
        return status


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Wait until *condition* holds, loosely bounded."""
    give_up_at = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up_at:
            raise AssertionError(f"not in {seconds} s: {what}")
        time.sleep(0.1)


@contextlib.contextmanager
def stopped_after(house: Any) -> Iterator[Any]:
    """Stop a house on every way out."""
    try:
        yield house
    finally:
        house.stop()
