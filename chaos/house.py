"""A whole house that can be broken from outside: broker, database, services, two gateways, relays."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import amqp
import psycopg2
import sqlalchemy as sa
import urllib3

from chaos.relays import Relays
from homeward import schema
from homeward.greeting import tokens_of
from homeward.postgres import PostgresUnusable, PrivatePostgres
from shared.contracts.event import SERVICES
from shared.database import new_engine
from shared.ids import new_id
from shared.messaging.broker import topology
from shared.settings import DATABASES, Settings, environment_of
from tests.nodes import RabbitNode
from tests.ports import free_port
from tests.support import settings_for_tests

ROOT = Path(__file__).parent.parent

#: Everybody but the gateway: each runs in one process unless a fault adds copies.
BACK = tuple(service for service in SERVICES if service != "gateway")

#: Seconds within which a process is ready, a server is back: generous, for a busy machine.
READY_SECONDS = 90.0
#: Events that bringing somebody in to the admission sets off, about: those that monitoring has not heard of.
EVENTS_OF_AN_ADMISSION = 20


def wait_until(condition: Callable[[], bool], *, seconds: float, step: float = 0.05) -> bool:
    """Wait for *condition*; return whether it came true in time."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(step)
    return True


class Copy:
    """One process of a service."""

    def __init__(self, service: str, number: int, process: "subprocess.Popen[bytes]", health: int) -> None:
        self.service = service
        self.number = number
        self.process = process
        self._health = health

    def is_ready(self) -> bool:
        """Return whether the process says that it can do its work."""
        try:
            answer = urllib3.request(
                "GET", f"http://127.0.0.1:{self._health}/readyz", timeout=2, retries=False
            )
        except urllib3.exceptions.HTTPError:
            return False
        return bool(answer.status == 200)


class House:
    """All parts of one house; a context manager that leaves nothing behind.

    :param server: a PostgreSQL to share; one of its own when not given.
    :param node: a RabbitMQ node to share; one of its own when not given.
    :param variables: settings beside those that every house has.
    :param popen: what starts a process.
    """

    def __init__(
        self,
        *,
        server: PrivatePostgres | None = None,
        node: RabbitNode | None = None,
        gateways: int = 2,
        variables: Mapping[str, str] | None = None,
        popen: Callable[..., "subprocess.Popen[bytes]"] = subprocess.Popen,
    ) -> None:
        self._popen = popen
        self._ending = contextlib.ExitStack()
        self.gateways = gateways
        self.copies: list[Copy] = []
        self._warded_node: int | None = None
        self._changing = threading.RLock()
        try:
            self._build(server, node, dict(variables or {}))
        except BaseException:
            self.close()
            raise

    def _build(
        self, server: PrivatePostgres | None, node: RabbitNode | None, variables: dict[str, str]
    ) -> None:
        self.folder = Path(self._ending.enter_context(tempfile.TemporaryDirectory(prefix="hw-chaos-")))
        self.folder.chmod(0o755)
        self.relays = self._ending.enter_context(Relays())
        if server is None:
            server = PrivatePostgres(self.folder / "pg")
            self._ending.callback(server.discard)
            server.start()
            self._ward_database(server)
        self.server = server
        if node is None:
            node = RabbitNode.start_private()
            self._ending.callback(node.discard)
        self.node = node
        run = new_id().replace("-", "")
        self.vhost = node.virtual_host()
        databases = [f"{name}_{run}" for name in DATABASES]
        server.create_databases(databases)
        self._ending.callback(self._drop_databases, databases)
        #: How the driver and the judge reach the parts: without a relay between.
        self.settings: Settings = settings_for_tests(
            HOMEWARD_DATABASE_URL=server.url_of("{service}_" + run),
            HOMEWARD_BROKER_URL=f"{node.url.rstrip('/')}/{self.vhost}",
            HOMEWARD_CLOCK="real",
            **variables,
        )
        schema.migrate(self.settings)
        socket_path = sa.make_url(self.settings.database_url).query["host"]
        self._ports = {
            f"{kind}-{service}": self.relays.listen(
                f"{kind}-{service}",
                target=node.port if kind == "broker" else f"{socket_path}/.s.PGSQL.5432",
            )
            for kind in ("broker", "database")
            for service in SERVICES
        }
        self._gateway_ports = [free_port() for _ in range(self.gateways)]
        port = self.relays.balance(self._gateway_ports)
        self.url = f"http://127.0.0.1:{port}"
        #: The gateways themselves, without the balancer.
        self.gateway_urls = [f"http://127.0.0.1:{port}" for port in self._gateway_ports]
        self.tokens = tokens_of(self.settings)
        # Ended before anything that they are connected to.
        self._ending.callback(self._end_all)

    # --- Processes ----------------------------------------------------------------------------

    def start(self, service: str, *, number: int = 1, shift_file: Path | None = None) -> Copy:
        """Start a copy of a service.

        :param shift_file: holds by how many seconds the copy's wall clock is wrong.
        """
        health = free_port()
        name = sa.make_url(self.settings.database_url).database
        environment = environment_of(self.settings) | {
            "HOMEWARD_DATABASE_URL": "postgresql+psycopg2://homeward@127.0.0.1:"
            f"{self._ports[f'database-{service}']}/{name}",
            "HOMEWARD_BROKER_URL": f"amqp://guest:guest@127.0.0.1:{self._ports[f'broker-{service}']}/{self.vhost}",
            "HOMEWARD_HEALTH_PORT": str(health),
            "HOMEWARD_PORT": str(self._gateway_ports[(number - 1) % self.gateways]),
        }
        program = ["-m", "homeward"] if shift_file is None else ["-m", "chaos.shifted", str(shift_file)]
        with (self.folder / f"{service}-{number}.log").open("ab") as log:
            process = self._popen(
                [sys.executable, *program, "run", "--while-watched", service],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.relays.ward(process.pid)
        copy = Copy(service, number, process, health)
        with self._changing:
            self.copies.append(copy)
        return copy

    def wait_until_ready(self, copies: "list[Copy] | None" = None) -> None:
        """Wait until copies are ready: all there are, unless they are named."""
        for copy in list(self.copies) if copies is None else copies:
            if not wait_until(copy.is_ready, seconds=READY_SECONDS):
                raise RuntimeError(f"{copy.service} {copy.number} is not ready:\n{self.log_of(copy)[-2000:]}")

    def of(self, service: str) -> list[Copy]:
        """Return the copies of a service."""
        return [copy for copy in self.copies if copy.service == service]

    def kill(self, copy: Copy) -> None:
        """End a copy as a crash would."""
        copy.process.kill()
        self._forget(copy)

    def end(self, copy: Copy, *, seconds: float = 40.0) -> float:
        """End a copy in good order and return how many seconds that took."""
        began = time.monotonic()
        copy.process.send_signal(signal.SIGTERM)
        try:
            copy.process.wait(seconds)
        except subprocess.TimeoutExpired:
            copy.process.kill()
        self._forget(copy)
        return time.monotonic() - began

    def _forget(self, copy: Copy) -> None:
        copy.process.wait()
        if copy.process.stdin is not None:
            copy.process.stdin.close()
        self.relays.unward(copy.process.pid)
        with self._changing:
            self.copies.remove(copy)

    def restart(self, copy: Copy) -> Copy:
        """Kill a copy and start it again; return once it is ready."""
        self.kill(copy)
        return self.start_again(copy)

    def start_again(self, copy: Copy) -> Copy:
        """Start a copy that has ended; return once it is ready."""
        fresh = self.start(copy.service, number=copy.number)
        self.wait_until_ready([fresh])
        return fresh

    def log_of(self, copy: Copy) -> str:
        """Return what a copy has logged."""
        return (self.folder / f"{copy.service}-{copy.number}.log").read_text(errors="replace")

    @property
    def logs(self) -> str:
        """What all processes have logged."""
        return "".join(place.read_text(errors="replace") for place in sorted(self.folder.glob("*.log")))

    # --- Databases and broker -----------------------------------------------------------------

    def rows(self, service: str, query: str, **values: Any) -> list[Any]:
        """Return what a query finds in a service's database."""
        with contextlib.closing(self.connect(service)) as connection, connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return cursor.fetchall()

    def connect(self, service: str) -> "psycopg2.extensions.connection":
        """Open a plain connection to a service's database, without a relay between."""
        url = sa.make_url(self.settings.database_url_of(service))
        return psycopg2.connect(
            host=url.query["host"], user=url.username, dbname=url.database, connect_timeout=5
        )

    def execute(self, service: str, statement: str) -> None:
        """Carry out a statement in a service's database, and commit."""
        with (
            contextlib.closing(self.connect(service)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)

    @contextlib.contextmanager
    def locked(self, service: str, table: str, *, mode: str = "SHARE") -> Iterator[None]:
        """Hold a lock on a table of a service: SHARE stalls everybody who writes to it."""
        with contextlib.closing(self.connect(service)) as connection, connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '20s'")
            cursor.execute(f'LOCK TABLE "{table}" IN {mode} MODE')
            yield

    def waits_on(self, service: str, table: str, *, like: str = "%", unlike: str = "") -> bool:
        """Return whether a statement of a service's process waits for a lock on a table."""
        found = self.rows(
            service,
            "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE NOT granted AND relation = %(table)s::regclass AND application_name LIKE 'homeward-%%'"
            " AND query ILIKE %(like)s AND NOT query ILIKE %(unlike)s",
            table=table,
            like=like,
            unlike=unlike or "-",
        )
        return bool(found[0][0])

    def ward_node(self) -> None:
        """Have the broker killed, should this process end without a word."""
        if self._warded_node is not None:
            self.relays.unward(self._warded_node)
        # The node is in a group of its own, with the shell around it.
        self._warded_node = os.getpgid(int((self.node.folder / "pid").read_text()))
        self.relays.ward(self._warded_node, group=True)

    def start_database(self) -> None:
        """Start PostgreSQL, again and again while what a killed one left behind is in the way."""
        ends = time.monotonic() + READY_SECONDS
        while True:
            try:
                self.server.start()
            except PostgresUnusable:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.2)
            else:
                self._ward_database(self.server)
                return

    def _ward_database(self, server: PrivatePostgres) -> None:
        """Have PostgreSQL killed, should this process end without a word."""
        with contextlib.closing(server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW data_directory")
            (directory,) = cursor.fetchone() or ("",)
        # A group of its own, with every process that serves a connection.
        self.relays.ward(int((Path(directory) / "postmaster.pid").read_text().split()[0]), group=True)

    def backlog(self) -> int:
        """Return how many events are on their way, to whoever is furthest behind."""

        def count(service: str, query: str) -> int:
            return int(self.rows(service, f"SELECT count(*) FROM {query}")[0][0])

        def waiting(kind: str, service: str) -> int:
            return count("intake", f"outbox WHERE type = '{kind}'") - count(
                service, f"inbox WHERE type = '{kind}'"
            )

        announced = sum(count(service, "outbox") for service in SERVICES)
        return max(
            announced - count("gateway", "archive"),
            waiting("referral_received", "scheduling"),
            EVENTS_OF_AN_ADMISSION * waiting("patient_admitted", "monitoring"),
        )

    def queue_of(self, service: str) -> str:
        """Return the name of the queue that brings a service its events."""
        return topology.events_queue_of(service)

    def messages_in(self, queue: str) -> int:
        """Return how many messages wait in a queue, as the broker counts them at this moment."""
        with amqp.Connection(
            host=f"127.0.0.1:{self.node.port}", virtual_host=self.vhost, connect_timeout=5, read_timeout=20
        ) as connection:
            return int(connection.channel().queue_declare(queue, passive=True).message_count)

    # --- The end ------------------------------------------------------------------------------

    def _end_all(self) -> None:
        with self._changing:
            copies = list(self.copies)
        for copy in copies:
            # A frozen process hears nothing else.
            with contextlib.suppress(ProcessLookupError):
                copy.process.send_signal(signal.SIGCONT)
            copy.process.kill()
        for copy in copies:
            self._forget(copy)

    def _drop_databases(self, databases: list[str]) -> None:
        with contextlib.suppress(psycopg2.Error):
            self.server.drop_databases(databases)

    def close(self) -> None:
        """End everything, in whatever state it is."""
        self._ending.close()

    def __enter__(self) -> Self:
        """Use the house in a block."""
        return self

    def __exit__(self, *error: object) -> None:
        """Leave nothing behind."""
        self.close()


def engine_of(house: House, service: str) -> sa.Engine:
    """Return an engine on a service's database, without a relay between."""
    return new_engine(house.settings.database_url_of(service), pool_size=1)
