"""What all systems are measured on: one broker, one database server, and programs that are told what to do.

A program is a process that prints ``{"ready": true}`` and then answers each JSON line on its standard
input with one on its standard output; all systems' programs speak this way. None outlives the run.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import amqp
import psycopg2
import sqlalchemy as sa

from chaos.peers.faults import NoPeers, make_environment
from homeward.postgres import PrivatePostgres
from shared.contracts.event import SERVICES
from shared.ids import new_id
from shared.messaging.broker import topology
from shared.settings import DATABASES, environment_of
from tests.nodes import RabbitNode
from tests.support import settings_for_tests
from tests.templates import create_migrated

ROOT = Path(__file__).parent.parent

#: Seconds in which a program is ready: generous, for a busy machine.
READY_SECONDS = 60.0
#: Seconds in which a program that is told to end has ended.
END_SECONDS = 20.0

#: Parts of the broker that are made in one go.
VIRTUAL_HOSTS = 16

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG

#: What starts a process, as :class:`subprocess.Popen` does.
Popen = Callable[..., "subprocess.Popen[bytes]"]


def by_itself(command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
    """Start a process that loads everything itself, and ends when we do."""
    # Nothing else runs in a thread here.
    return subprocess.Popen(command, preexec_fn=_die_with_parent, **options)  # noqa: PLW1509


class ProgramFailed(RuntimeError):
    """Raised when a program ended, or did not answer in time; quotes the end of its log."""


class Program:
    """A process of a system under measurement.

    :param popen: what starts it.
    """

    def __init__(
        self, command: list[str], *, environment: dict[str, str], log: Path, popen: Popen = by_itself
    ) -> None:
        self._log = log
        with log.open("ab") as errors:
            self.process = popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                # A group of its own, so that what it starts goes with it.
                start_new_session=True,
            )
        self._unread = b""

    def ask(self, seconds: float = READY_SECONDS, **what: Any) -> Any:
        """Tell the program something and return its answer.

        :raises ProgramFailed: when there is none in time.
        """
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(what).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._failed("it has ended") from None
        return self.answer(seconds)

    def answer(self, seconds: float = READY_SECONDS) -> Any:
        """Return what the program says next, past anything that is no JSON.

        :raises ProgramFailed: when it says nothing in time.
        """
        assert self.process.stdout is not None
        ends = time.monotonic() + seconds
        while True:
            line, found, rest = self._unread.partition(b"\n")
            if found:
                self._unread = rest
                with contextlib.suppress(ValueError):
                    return json.loads(line)
                continue
            left = ends - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise self._failed(f"it said nothing for {seconds:.0f} s")
            said = os.read(self.process.stdout.fileno(), 65536)
            if not said:
                raise self._failed("it has ended")
            self._unread += said

    def _failed(self, why: str) -> ProgramFailed:
        tail = self._log.read_text(errors="replace")[-3000:]
        return ProgramFailed(f"{self.process.args!r}: {why}\n{tail}")

    def processor_seconds(self) -> float:
        """Return the processor time of the program and all that it started."""
        return processor_seconds_of(self.process.pid)

    def memory_mib(self) -> float:
        """Return the memory of the program and all that it started, what they share counted once."""
        return sum(memory_of(pid)["PSS"] for pid in _family_of(self.process.pid))

    def stop(self) -> None:
        """End it in good order, or otherwise."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()


class Parts:
    """Broker, database server, and a folder; a context manager that leaves nothing behind.

    :param node: a RabbitMQ node to share; one of its own when not given.
    :param popen: what starts the processes of Homeward. Those that are measured load everything themselves.
    """

    def __init__(self, *, node: RabbitNode | None = None, popen: Popen = by_itself) -> None:
        self._shared_node = node
        self.popen = popen
        self._ending = contextlib.ExitStack()
        self._numbers = 0
        self._python_of_peers: Path | None = None
        self._virtual_hosts: list[str] = []

    def __enter__(self) -> Self:
        """Start both servers.

        :raises NodeUnavailable: when RabbitMQ cannot be had.
        :raises PostgresUnusable: when PostgreSQL cannot be started.
        """
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="hw-bench-"))
            self._ending.callback(shutil.rmtree, self.folder, ignore_errors=True)
            # The user that PostgreSQL runs as must reach it.
            self.folder.chmod(0o755)
            self.node = self._shared_node or self._ending.enter_context(RabbitNode.start_private())
            self.server = PrivatePostgres(self.folder / "pg")
            self._ending.callback(self.server.discard)
            start_noting_commits(self.server)
        except BaseException:
            self._ending.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        """End whatever runs."""
        self._ending.close()

    # --- Places of a work -----------------------------------------------------------------------

    @contextlib.contextmanager
    def virtual_host(self) -> Iterator[str]:
        """Give a part of the broker to one system's work, and return its AMQP URL."""
        if not self._virtual_hosts:
            self._virtual_hosts = self._make_virtual_hosts()
        name = self._virtual_hosts.pop()
        url = f"amqp://guest:guest@127.0.0.1:{self.node.port}/{name}"
        try:
            yield url
        finally:
            self._empty(name)

    def _make_virtual_hosts(self) -> list[str]:
        # Many in one go: each call of the tool takes more than a second of both cores.
        names = [f"bench-{new_id()}" for _ in range(VIRTUAL_HOSTS)]
        listed = ", ".join(f'<<"{name}">>' for name in names)
        self.node.ctl(
            "eval",
            '[begin rabbit_vhost:add(Name, <<"bench">>), rabbit_auth_backend_internal:set_permissions('
            '<<"guest">>, Name, <<".*">>, <<".*">>, <<".*">>, <<"bench">>) end || Name <- '
            f"[{listed}]].",
        )
        return names

    def _empty(self, name: str) -> None:
        """Delete the queues of Homeward's topology, so that what nobody took weighs on nobody else."""
        queues = [topology.UNROUTED, topology.DEAD]
        for service in SERVICES:
            queues += [topology.events_queue_of(service), topology.commands_queue_of(service)]
        host = f"127.0.0.1:{self.node.port}"
        with (
            contextlib.suppress(OSError, amqp.AMQPError),
            amqp.Connection(host=host, virtual_host=name, read_timeout=10) as connection,
        ):
            channel = connection.channel()
            for queue in queues:
                # Where there is none, RabbitMQ has nothing against it.
                channel.queue_delete(queue)

    @contextlib.contextmanager
    def databases(self, *names: str) -> Iterator[str]:
        """Make databases for one work, and return their SQLAlchemy URL, a template with ``{service}``."""
        run = new_id().replace("-", "")
        made = [f"{name}_{run}" for name in names]
        self.server.create_databases(made)
        try:
            yield self.server.url_of("{service}_" + run)
        finally:
            self.server.drop_databases(made)

    @contextlib.contextmanager
    def migrated_databases(self) -> Iterator[str]:
        """Make all databases of Homeward, as its migrations leave them, and return their URL as above."""
        run = new_id().replace("-", "")
        try:
            yield create_migrated(self.server, run, DATABASES)
        finally:
            self.server.drop_databases([f"{name}_{run}" for name in DATABASES])

    @contextlib.contextmanager
    def running(
        self,
        command: list[str],
        environment: dict[str, str],
        *,
        popen: Popen = by_itself,
        waits: bool = True,
    ) -> Iterator[Program]:
        """Run a program that says when it is ready.

        :param waits: whether to wait for that; whoever starts several waits for all of them together.
        """
        self._numbers += 1
        log = self.folder / f"program-{self._numbers}.log"
        program = Program(command, environment={**os.environ, **environment}, log=log, popen=popen)
        try:
            if waits:
                program.answer()
            yield program
        finally:
            program.stop()

    def processor_seconds(self) -> dict[str, float]:
        """Return the processor time that the broker and the database server have taken so far."""
        (postmaster,) = (self.folder / "pg").rglob("postmaster.pid")
        broker = int((self.node.folder / "pid").read_text())
        database = int(postmaster.read_text().split()[0])
        return {
            "RabbitMQ": processor_seconds_of(broker),
            "PostgreSQL": processor_seconds_of(database),
        }

    # --- Whose programs -------------------------------------------------------------------------

    def of_homeward(
        self, module: str, *arguments: str, database_url: str, broker_url: str, waits: bool = True
    ) -> contextlib.AbstractContextManager[Program]:
        """Run a program of Homeward's: a service on its own messaging; see :meth:`running`."""
        settings = settings_for_tests(
            HOMEWARD_CLOCK="real", HOMEWARD_DATABASE_URL=database_url, HOMEWARD_BROKER_URL=broker_url
        )
        environment = environment_of(settings) | {"PYTHONWARNINGS": "ignore"}
        command = [sys.executable, "-m", module, *arguments]
        return self.running(command, environment, popen=self.popen, waits=waits)

    def of_peer(
        self,
        program: str,
        *arguments: str,
        database_url: str,
        broker_url: str = "",
        port: int = 0,
        wait_seconds: float = 0.0,
        waits: bool = True,
    ) -> contextlib.AbstractContextManager[Program]:
        """Run a program of another framework's; see :meth:`running`.

        :raises NoPeers: when the packages cannot be had.
        """
        environment = {
            "PEER_DATABASE": database_url,
            "PEER_BROKER": broker_url,
            "PEER_PORT": str(port),
            "PEER_WAIT": str(wait_seconds),
            # Celery's worker refuses nobody, and warns of root at length.
            "C_FORCE_ROOT": "1",
        }
        place = ROOT / "bench" / "peers" / program
        return self.running([str(self.python_of_peers), str(place), *arguments], environment, waits=waits)

    @property
    def python_of_peers(self) -> Path:
        """The interpreter of the peers' environment, made when it is first asked for.

        :raises NoPeers: when their packages cannot be had.
        """
        if self._python_of_peers is None:
            self._python_of_peers = make_environment()
        return self._python_of_peers

    def connect(self, url: str, database: str) -> "psycopg2.extensions.connection":
        """Open a plain connection to one of :meth:`databases`."""
        connection = self.server.connect(str(sa.make_url(url.replace("{service}", database)).database))
        connection.autocommit = True
        return connection


def start_noting_commits(server: PrivatePostgres) -> None:
    """Start PostgreSQL so that it keeps when each transaction was committed.

    So it tells itself when an effect was there; nothing polls, and nothing is disturbed.
    """
    server.start()
    with contextlib.closing(server.connect()) as connection:
        connection.autocommit = True
        connection.cursor().execute("ALTER SYSTEM SET track_commit_timestamp = on")
    server.stop()
    server.start()


def wait_until(condition: Callable[[], bool], *, seconds: float, step: float = 0.1) -> bool:
    """Wait for *condition*; return whether it came true in time."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(step)
    return True


def memory_of(pid: int) -> dict[str, float]:
    """Return the resident and the proportional memory of a process, in MiB; zero when it is gone."""
    found = {"RSS": 0.0, "PSS": 0.0}
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in ("Rss", "Pss"):
                found[name.upper()] = int(rest.split()[0]) / 1024
    return found


def processor_seconds_of(pid: int) -> float:
    """Return the processor time of a process and all that it started, those that have ended included."""
    ticks = 0
    for one in _family_of(pid):
        with contextlib.suppress(OSError):
            # After the name, which may hold anything: its own time, then that of children that have ended.
            told = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(number) for number in told[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def _family_of(pid: int) -> list[int]:
    family = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                family += _family_of(int(child))
    return family


def _die_with_parent() -> None:
    # However the bench ends, its programs end too; where there is no such call, they are told to.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


__all__ = ["NoPeers", "Parts", "Program", "ProgramFailed", "memory_of", "start_noting_commits", "wait_until"]
