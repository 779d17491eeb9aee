"""The kinds of fault that other frameworks can be put through as well, and the words for what came of it."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import amqp
import psycopg2

from chaos.house import wait_until
from chaos.judge import Verdict
from homeward.postgres import PostgresUnusable, PrivatePostgres
from tests.nodes import RabbitNode

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements-peers.lock"
ENVIRONMENT = ROOT / "var" / "peers"

#: Each peer's program and the package whose version is told.
PEERS = {"nameko": "nameko_peer.py", "celery": "celery_peer.py"}

#: Events of one fault; failing ones are fewer.
EVENTS, FAILING = 200, 20
#: How often a consumer is killed at random.
BLOWS = 3
#: Seconds without a new effect after which nothing more is expected.
IDLE_SECONDS = 4.0
#: Seconds for which it is waited that a consumer connects to the broker again.
RECONNECT_SECONDS = 90.0


class NoPeers(RuntimeError):
    """Raised when the environment of the peers cannot be made here; says why."""


def make_environment() -> Path:
    """Make the peers' environment of exactly the locked versions, once; return its Python.

    :raises NoPeers: when the packages cannot be had.
    """
    python = ENVIRONMENT / "bin" / "python"
    made = ENVIRONMENT / "made"
    if made.exists() and made.read_text() == LOCK.read_text():
        return python
    steps = [
        [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)],
        [
            *(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"),
            *("--timeout", "20", "--retries", "1", "--require-hashes", "-r", str(LOCK)),
        ],
    ]
    for step in steps:
        try:
            done = subprocess.run(
                step, check=False, capture_output=True, stdin=subprocess.DEVNULL, text=True, timeout=300
            )
        except subprocess.TimeoutExpired:
            raise NoPeers("the packages of requirements-peers.lock did not come in time") from None
        if done.returncode:
            raise NoPeers(
                "the packages of requirements-peers.lock cannot be had: " + done.stderr.strip()[-300:]
            )
    made.write_text(LOCK.read_text())
    return python


def version_of(python: Path, package: str) -> str:
    """Return the installed version of a package in the peers' environment."""
    asked = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run(
        [str(python), "-c", asked], check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


@dataclasses.dataclass
class Bench:
    """One peer with a broker, a table, and a folder of its own."""

    python: Path
    program: Path
    node: RabbitNode
    server: PrivatePostgres
    vhost: str
    dsn: str
    folder: Path

    def __post_init__(self) -> None:
        self.consumers: list[subprocess.Popen[bytes]] = []
        self.sent: list[str] = []
        self.taken: list[str] = []
        (self.folder / "mended").unlink(missing_ok=True)
        with contextlib.closing(psycopg2.connect(self.dsn)) as connection, connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS effects; CREATE TABLE effects (id text NOT NULL)")
            connection.commit()

    def _run(self, what: str, **options: Any) -> "subprocess.Popen[bytes]":
        with (self.folder / "peer.log").open("ab") as log:
            return subprocess.Popen(
                [str(self.python), str(self.program), what],
                env={
                    "PATH": os.environ.get("PATH", ""),
                    "HOME": str(self.folder),
                    # Celery's worker refuses nobody, and warns of root at length.
                    "C_FORCE_ROOT": "1",
                    "PEER_BROKER": f"amqp://guest:guest@127.0.0.1:{self.node.port}/{self.vhost}",
                    "PEER_DATABASE": self.dsn,
                    "PEER_MENDED": str(self.folder / "mended"),
                },
                cwd=self.folder,
                stderr=log,
                start_new_session=True,
                **options,
            )

    def start(self) -> None:
        """Start the consumer and wait until it does its work."""
        self.consumers.append(self._run("consume", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
        wait_until(self.is_consuming, seconds=40, step=0.5)

    def is_consuming(self) -> bool:
        """Tell whether the broker knows of somebody who takes events."""
        listed = self.node.ctl("list_consumers", "--vhost", self.vhost, "queue_name")
        return len(listed.splitlines()) > 1

    def kill(self) -> None:
        """Kill the consumer, with the processes that it made."""
        for consumer in self.consumers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(consumer.pid, signal.SIGKILL)
            consumer.wait()
        self.consumers.clear()

    def publish(self, number: int, *, meanwhile: Callable[[], None] = lambda: None, **payload: Any) -> None:
        """Publish events, each again until the library takes it."""
        ids = [f"{len(self.sent) + n}" for n in range(number)]
        self.sent += ids
        self.again(ids, meanwhile=meanwhile, **payload)

    def again(self, ids: list[str], *, meanwhile: Callable[[], None] = lambda: None, **payload: Any) -> None:
        """Publish events under these ids."""
        lines = b"".join(json.dumps({"id": id_, **payload}).encode() + b"\n" for id_ in ids)
        publisher = self._run("publish", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert publisher.stdin is not None
        publisher.stdin.write(lines)
        publisher.stdin.close()
        publisher.stdin = None
        meanwhile()
        try:
            printed, _ = publisher.communicate(timeout=120)
        finally:
            publisher.kill()
            publisher.wait()
        self.taken += [line for line in printed.decode().split() if line not in set(self.taken)]

    def effects(self) -> Counter[str]:
        """Return how often each event had its effect."""
        with contextlib.closing(psycopg2.connect(self.dsn)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT id, count(*) FROM effects GROUP BY id")
            return Counter(dict(cursor.fetchall()))

    def wait_for_effects(self, number: int) -> None:
        """Wait until so many events had their effect."""
        wait_until(lambda: len(self.effects()) >= number, seconds=20)

    def wait_until_idle(self) -> None:
        """Wait until nothing new comes."""
        seen = -1
        while (now := sum(self.effects().values())) != seen:
            seen = now
            wait_until(lambda now=now: sum(self.effects().values()) != now, seconds=IDLE_SECONDS)  # type: ignore[misc]

    def verdict(self, fault: str) -> Verdict:
        """Count what became of the events."""
        effects = self.effects()
        taken = set(self.taken)
        return Verdict(
            fault,
            attempted=len(self.sent),
            acknowledged=len(taken),
            ok=sum(effects[id_] == 1 for id_ in self.sent),
            recovered=sum(effects[id_] == 1 for id_ in self.sent if id_ not in taken),
            lost=sum(effects[id_] == 0 for id_ in taken),
            duplicated=sum(number > 1 for number in effects.values()),
            unexpected=len(set(effects) - set(self.sent)),
        )


# --- Faults ----------------------------------------------------------------------------------------


def killed_in_a_handler(bench: Bench) -> None:
    """The consumer is killed while it has events in hand, and started again."""
    bench.start()
    bench.publish(EVENTS, seconds=0.02)
    bench.wait_for_effects(20)
    bench.kill()
    bench.start()


def killed_at_random(bench: Bench) -> None:
    """The consumer is killed again and again while events come."""
    bench.start()

    def blows() -> None:
        for _ in range(BLOWS):
            time.sleep(0.5)
            bench.kill()
            bench.start()

    bench.publish(EVENTS, meanwhile=blows, seconds=0.02)


def handler_fails_for_a_while(bench: Bench) -> None:
    """The handler of some events raises until what it needs is mended."""
    bench.start()
    bench.publish(FAILING, fails=True)
    time.sleep(3)
    (bench.folder / "mended").touch()
    bench.publish(EVENTS - FAILING)


def broker_restarted(bench: Bench) -> None:
    """The broker's application is stopped and started while events are published."""
    bench.start()

    def restart() -> None:
        bench.wait_for_effects(20)
        bench.node.ctl("stop_app")
        time.sleep(2)
        bench.node.ctl("start_app")

    bench.publish(EVENTS * 5, meanwhile=restart)
    _wait_for_the_consumer(bench)


def _wait_for_the_consumer(bench: Bench) -> None:
    """Give the library all the time that it takes to connect again, which may be more than a pause."""
    wait_until(bench.is_consuming, seconds=RECONNECT_SECONDS, step=0.5)


def broker_blocked(bench: Bench) -> None:
    """The broker's memory alarm blocks those who publish."""
    bench.start()

    def blow() -> None:
        bench.wait_for_effects(20)
        bench.node.ctl("set_vm_memory_high_watermark", "0.00001")
        time.sleep(3)
        bench.node.ctl("set_vm_memory_high_watermark", "0.4")

    bench.publish(EVENTS * 5, meanwhile=blow)


def database_restarted(bench: Bench) -> None:
    """PostgreSQL is stopped in good order while events are taken, and started again."""
    _while_events_are_taken(bench, bench.server.stop)


def database_killed(bench: Bench) -> None:
    """PostgreSQL is killed with SIGKILL while events are taken, and started again."""
    _while_events_are_taken(bench, bench.server.kill)


def _while_events_are_taken(bench: Bench, end: Callable[[], object]) -> None:
    bench.start()
    # Slow enough for ten at once to be at it still when the database goes.
    bench.publish(EVENTS, seconds=0.1)
    bench.wait_for_effects(20)
    end()
    time.sleep(1)
    wait_until(lambda: _has_started(bench.server), seconds=30)


def _has_started(server: PrivatePostgres) -> bool:
    """Start PostgreSQL, unless what a killed one left behind is still in the way."""
    try:
        server.start()
    except PostgresUnusable:
        return False
    return True


def poison(bench: Bench) -> None:
    """Bytes that nobody can read lie among the events."""
    bench.start()
    bench.publish(EVENTS // 2)
    listed = bench.node.ctl("list_queues", "--vhost", bench.vhost, "name").splitlines()[1:]
    with amqp.Connection(host=f"127.0.0.1:{bench.node.port}", virtual_host=bench.vhost) as connection:
        for queue in listed:
            if "reply" not in queue and "pidbox" not in queue and "celeryev" not in queue:
                message = amqp.Message(b"\x00\xff no message", content_type="application/json")
                connection.channel().basic_publish(message, routing_key=queue.strip())
    bench.publish(EVENTS // 2)


def duplicates(bench: Bench) -> None:
    """Every event is published twice."""
    bench.start()
    bench.publish(EVENTS)
    bench.again(list(bench.sent))


def published_before_the_first_start(bench: Bench) -> None:
    """Events are published before anybody who reacts to them was ever started."""
    bench.publish(50)
    bench.start()
    bench.publish(50)


FAULTS: dict[str, Callable[[Bench], None]] = {
    "killed in a handler": killed_in_a_handler,
    "killed at random": killed_at_random,
    "handler fails for a while": handler_fails_for_a_while,
    "broker stopped and started": broker_restarted,
    "broker blocked by its memory alarm": broker_blocked,
    "database restarted": database_restarted,
    "database killed": database_killed,
    "poison": poison,
    "duplicates": duplicates,
    "published before the first start": published_before_the_first_start,
}


@contextlib.contextmanager
def _parts() -> Iterator[tuple[PrivatePostgres, RabbitNode, Path]]:
    with contextlib.ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="hw-peers-")))
        folder.chmod(0o755)
        server = PrivatePostgres(folder / "pg")
        ending.callback(server.discard)
        server.start()
        node = ending.enter_context(RabbitNode.start_private())
        yield server, node, folder


def run() -> list[dict[str, Any]]:
    """Put every peer through every fault, side by side, and return what came of it.

    :raises NoPeers: when their packages cannot be had.
    """
    python = make_environment()
    with ThreadPoolExecutor() as hands:
        found = hands.map(lambda peer: _run_one(peer, python), PEERS)
        return [row for rows in found for row in rows]


def _run_one(peer: str, python: Path) -> list[dict[str, Any]]:
    """Put one peer through every fault: its broker and its database are its own."""
    version = version_of(python, peer)
    found = []
    with _parts() as (server, node, folder):
        for number, (name, fault) in enumerate(FAULTS.items()):
            vhost = f"{peer}-{number}"
            node.ctl("add_vhost", vhost)
            node.ctl("set_permissions", "--vhost", vhost, "guest", ".*", ".*", ".*")
            with contextlib.closing(server.connect()) as connection:
                dsn = connection.dsn
            program = Path(__file__).parent / PEERS[peer]
            bench = Bench(python, program, node, server, vhost, dsn, folder)
            try:
                fault(bench)
                bench.wait_until_idle()
                verdict = bench.verdict(name)
            finally:
                bench.kill()
                node.ctl("delete_vhost", vhost)
            found.append({"peer": peer, "version": version, **dataclasses.asdict(verdict)})
    return found
