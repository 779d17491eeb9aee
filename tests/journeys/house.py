"""Homeward as its operators run it, in the hands of a test: whole processes, real parts, HTTP."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import amqp
import orjson
import sqlalchemy as sa
import urllib3

from homeward import embedded
from homeward.greeting import tokens_of
from homeward.packages import metadata_of
from homeward.postgres import PrivatePostgres
from shared.contracts.event import SERVICES, Envelope, read_moment, write_moment
from shared.database import new_engine
from shared.ids import new_id
from shared.messaging.broker import topology
from shared.settings import DATABASES, Settings, environment_of
from tests import forked, support, templates
from tests.nodes import RabbitNode
from tests.ports import free_port

ROOT = Path(__file__).parent.parent.parent

#: A Monday morning in Chicago, five weeks before the clocks change.
BEGINNING = datetime(2026, 2, 2, 14, 0, tzinfo=UTC)


#: How long a patient caller goes on asking: longer than a process takes to come back.
PATIENCE_SECONDS = 120.0


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
        #: Paths of commands that have been sent and not been answered.
        self.open_commands: list[str] = []
        #: Program time after the newest jump: nobody else moves it.
        self._moved_to: datetime | None = None
        #: Told the path of each command just before it is sent, and sent again.
        self.on_command: Callable[[str], None] = lambda path: None

    def send(  # a request has many parts
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
        if method == "POST":
            self.on_command(path)
            self.open_commands.append(path)
        try:
            response = self._pool.request(method, self.url + path, body=raw, headers=sent, timeout=timeout)
        finally:
            if method == "POST":
                self.open_commands.remove(path)
        try:
            document = orjson.loads(response.data) if response.data else {}
        except orjson.JSONDecodeError:
            document = {"raw": response.data.decode(errors="replace")}
        return Answer(response.status, document, dict(response.headers))

    def get(self, path: str, **options: Any) -> Answer:
        """Ask a question."""
        return self.send("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        """Send a command, and again while nobody answers or the door says "not now".

        Its key makes that harmless.
        """
        options.setdefault("key", new_id())
        return self._patiently("POST", path, {} if body is None else body, **options)

    def ask(self, path: str, **options: Any) -> dict[str, Any]:
        """Ask a question, again while nobody answers, and return the body of the answer."""
        return self._patiently("GET", path, **options).ok

    def hang_up(self) -> None:
        """Close all connections: a gateway that stops gives those that were just used a moment more."""
        self._pool.clear()

    def sign_rules(self) -> None:
        """Put every pack of rules in force that is not yet, as the medical director."""
        for pack in self.ask("/v1/rules")["items"]:
            if pack["may_be_signed"] and not pack["in_force"]:
                signed = {name: pack[name] for name in ("pack", "version", "digest")}
                self.post("/v1/rule-signatures", signed, role="medical_director").expect(201)

    def _patiently(self, *request: Any, **options: Any) -> Answer:
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = self.send(*request, **options)
            except urllib3.exceptions.HTTPError:
                # The gateway was killed, or is not up yet.
                if time.monotonic() > give_up_at:
                    raise
            else:
                not_now = answer.status == 503 or answer.body.get("code") == "still_running"
                if not not_now or time.monotonic() > give_up_at:
                    return answer
            time.sleep(0.2)

    def jump(self, until: datetime) -> datetime:
        """Let program time move to *until*, firing what is due on the way."""
        while True:
            now = read_moment(
                self.post("/v1/clock/jumps", {"no_later_than": write_moment(until)}, role="operations").ok[
                    "now"
                ]
            )
            self._moved_to = now
            if now >= until:
                return now

    def settle(self) -> datetime:
        """Wait until all is quiet, without moving program time; return it."""
        # To ask for the time asks every service what is due next.
        return self.jump(self._moved_to or self.now())

    def now(self) -> datetime:
        """Return program time."""
        return read_moment(self.ask("/v1/clock", role="operations")["now"])

    def events(self, *types: str) -> list[dict[str, Any]]:
        """Return all events of the tenant so far, of these types."""
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            query = "?limit=500" + (f"&after={after}" if after else "")
            page = self.ask("/v1/events" + query, role="operations")
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
        self._engines: dict[str, sa.Engine] = {}

    def engine_of(self, service: str) -> sa.Engine:
        """Return an engine on a service's database, the same each time: whoever waits asks often."""
        if service not in self._engines:
            self._engines[service] = new_engine(self.settings.database_url_of(service))
        return self._engines[service]

    def hang_up(self) -> None:
        """Close all connections to the gateway and the databases."""
        self.door.hang_up()
        while self._engines:
            _, engine = self._engines.popitem()
            engine.dispose()

    def dump(self) -> dict[str, dict[str, list[str]]]:
        """Return the rows of all services' own tables, normalised."""
        return {service: support.dump(self.engine_of(service), metadata_of(service)) for service in SERVICES}

    def rows(self, service: str, query: str) -> list[Any]:
        """Return what a query finds in a service's database."""
        with self.engine_of(service).connect() as connection:
            return list(connection.execute(sa.text(query)))

    def parked(self) -> list[tuple[str, str, str]]:
        """Return service, reaction or timer, and error of everything that was given up."""
        query = "SELECT reaction, error FROM inbox WHERE state = 'parked'"
        query += " UNION ALL SELECT name, error FROM timers WHERE state = 'parked'"
        return [(service, *row) for service in SERVICES for row in self.rows(service, query)]

    def count(self, service: str, table: str) -> int:
        """Return the number of rows in a table."""
        return int(self.rows(service, f'SELECT count(*) FROM "{table}"')[0][0])


class EmbeddedHouse(House):
    """Everything in one process; its keys are the tests', so that two houses index people alike.

    :param popen: as of :class:`DistributedHouse`.
    """

    def __init__(
        self, folder: Path, *, popen: Callable[..., "subprocess.Popen[bytes]"] = forked.popen
    ) -> None:
        self.folder = folder
        self._popen = popen
        templates.furnish(folder)
        self._port = free_port()
        keys = support.settings_for_tests()
        self._wanted = Settings(
            encryption_key=keys.encryption_key,
            token_key=keys.token_key,
            # Nobody is ever away here: what takes long does so because the machine is busy.
            command_deadline_seconds=15.0,
        )
        self.start()
        settings = dataclasses.replace(
            self._wanted,
            # It runs already; this tells where.
            database_url=PrivatePostgres(self.folder / "postgres").start(),
            data_dir=str(self.folder),
        )
        super().__init__(Door(self.running.url, self.running.tokens), settings)

    def start(self) -> None:
        """Start the process, with everything that the folder holds, where it was before."""
        self.running = embedded.start(
            self.folder,
            simulated_from=BEGINNING,
            port=self._port,
            settings=self._wanted,
            popen=self._popen,
        )

    def processes_of(self, service: str) -> "list[subprocess.Popen[bytes]]":
        """Return the processes that host a service: here all services share one."""
        return [self.running.process]

    def kill(self, service: str = "") -> None:
        """Kill the process as a crash would, and start it again."""
        self.running.process.kill()
        self.running.process.wait()
        self.start()

    @property
    def logs(self) -> str:
        return self.running.log_file.read_text()

    def stop(self) -> int:
        self.hang_up()
        return self.running.stop()

    def discard(self) -> None:
        """End everything at once: what it kept is of no use to anybody any more."""
        self.hang_up()
        self.running.process.kill()
        self.running.process.wait()
        PrivatePostgres(self.folder / "postgres").discard()


class DistributedHouse(House):
    """One process a service, with RabbitMQ between.

    :param order: the services to start, in this order; the others are for the test to start.
    :param variables: settings besides those of every house.
    :param popen: what starts a process; one that loads everything itself shows what it needs for that.
    """

    def __init__(
        self,
        server: PrivatePostgres,
        node: RabbitNode,
        folder: Path,
        *,
        order: tuple[str, ...] = SERVICES,
        variables: dict[str, str] | None = None,
        popen: Callable[..., "subprocess.Popen[bytes]"] = forked.popen,
    ) -> None:
        run = new_id().replace("-", "")
        self.folder = folder
        self._vhost = node.virtual_host()
        self._server = server
        self._popen = popen
        self._databases = [f"{name}_{run}" for name in DATABASES]
        settings = support.settings_for_tests(
            HOMEWARD_DATABASE_URL=templates.create_migrated(server, run, DATABASES),
            HOMEWARD_BROKER_URL=node.url.rstrip("/") + "/" + self._vhost,
            HOMEWARD_PORT=str(free_port()),
            **(variables or {}),
        )
        self.processes: dict[str, list[subprocess.Popen[bytes]]] = {}
        door = Door(f"http://127.0.0.1:{settings.http_port}", tokens_of(settings))
        super().__init__(door, settings)
        try:
            for service in order:
                self.start(service)
            if set(order) == set(SERVICES):
                self.wait_until_ready()
        except BaseException:
            print(self.logs[-20_000:])
            self.discard()
            raise

    def start(self, service: str, *, program: str = "homeward") -> "subprocess.Popen[bytes]":
        """Start one more copy of a service, run by a module."""
        command = [sys.executable, "-m", program, "run", service]
        command += ["--simulated-from", write_moment(BEGINNING)]
        with (self.folder / f"{service}.log").open("ab") as log:
            process = self._popen(
                command,
                cwd=ROOT,
                env={**os.environ, **environment_of(self.settings)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.processes.setdefault(service, []).append(process)
        return process

    def wait_until_ready(self, *, seconds: float = 240) -> None:
        """Wait until the gateway is ready and every service answers."""
        wait_until(self._ready, seconds=seconds, what="the house is ready")

    def answers(self, path: str) -> bool:
        """Return whether anybody answers a question at once, whatever the answer."""
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            return self.door.get(path, timeout=10).status > 0
        return False

    def _ready(self) -> bool:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            return (
                self.door.get("/readyz", timeout=10).status == 200
                and self.door.get("/v1/clock", role="operations", timeout=30).status == 200
            )
        return False

    def processes_of(self, service: str) -> "list[subprocess.Popen[bytes]]":
        """Return the running copies of a service."""
        return self.processes.get(service, [])

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
            status = process.wait(90)
        return status

    def queued_events(self, service: str) -> list[str]:
        """Return the ids of the events that wait on the broker for a service that is down."""
        address = urllib.parse.urlsplit(self.settings.broker_url)
        host = f"{address.hostname}:{address.port}"
        with amqp.Connection(host=host, virtual_host=self._vhost, read_timeout=10) as connection:
            channel = connection.channel()
            messages = []
            while (message := channel.basic_get(topology.events_queue_of(service))) is not None:
                messages.append(message)
            # Closing the channel without a word puts all of them back.
        return [Envelope.from_bytes(bytes_of(message.body)).event_id for message in messages]

    @property
    def logs(self) -> str:
        return "".join(place.read_text() for place in sorted(self.folder.glob("*.log")))

    def discard(self) -> None:
        """End everything at once: what it kept is of no use to anybody any more."""
        self.hang_up()
        running = [process for processes in self.processes.values() for process in processes]
        for process in running:
            process.kill()
        for process in running:
            process.wait()
        self._server.drop_databases(self._databases)


def bytes_of(body: "bytes | str") -> bytes:
    """Return a message's body as it was sent: the client may have decoded it."""
    return body.encode() if isinstance(body, str) else body


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Wait until *condition* holds, loosely bounded."""
    give_up_at = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up_at:
            raise AssertionError(f"not in {seconds} s: {what}")
        time.sleep(0.1)


@contextlib.contextmanager
def discarded_after(house: Any) -> Iterator[Any]:
    """End a house on every way out."""
    try:
        yield house
    finally:
        house.discard()
