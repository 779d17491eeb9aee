"""The kinds of fault that other frameworks can be put through as well, and the words for what came of it."""

import contextlib
import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, NamedTuple

import amqp

from chaos.house import wait_until
from chaos.judge import Verdict
from chaos.relays import TO_CLIENT, Relays
from homeward.postgres import PostgresUnusable, PrivatePostgres
from tests.nodes import RabbitNode

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements-peers.lock"
ENVIRONMENT = ROOT / "var" / "peers"


class Peer(NamedTuple):
    """One framework: its program, and the queue from which that takes its events."""

    program: str
    queue: str


#: By the package whose version is told.
PEERS = {
    "nameko": Peer("nameko_peer.py", "evt-source-happened--effects.react"),
    "celery": Peer("celery_peer.py", "celery"),
}

#: How many faults a peer is put through at one time: most of it is waiting.
LANES = 2
#: Events of one fault; failing ones are fewer.
EVENTS, FAILING = 200, 20
#: Over how many seconds they are published while something happens to broker or database: before, meanwhile
#: and after, and no faster than either peer takes them on a busy machine: the figures are to be of the fault.
PUBLISHED_OVER_SECONDS = 8.0
#: Events that wait for a consumer, as many as wait for the broker in a quick run of Homeward's: ten thousand
#: take either peer minutes.
BACKLOG = 2_000
#: How often a consumer is killed at random or replaced, or connections are reset.
BLOWS = 3
#: How often a consumer is started that one event kills: as often as Homeward needs at most to have parked it.
MOST_KILLS = 14
#: Seconds for which the way to the database is closed, or slow.
CUT_SECONDS = 3.0
#: Seconds for which an event that the library does not take is published again; and where there is nothing
#: yet to publish to.
PATIENCE_SECONDS, SHORT_PATIENCE_SECONDS = 60.0, 3.0
#: Seconds without a new effect after which nothing more is expected.
IDLE_SECONDS = 3.0
#: Seconds for which it is waited that a consumer connects to the broker again, or is given up by it.
RECONNECT_SECONDS = 90.0
#: The heartbeat that the brokers of the peers ask for, as that of a quick run does.
HEARTBEAT_SECONDS = 5


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
    """One peer with a broker, a table, and a folder of its own, and relays between."""

    python: Path
    peer: Peer
    node: RabbitNode
    server: PrivatePostgres
    relays: Relays
    ports: dict[str, int]
    vhost: str
    folder: Path

    def __post_init__(self) -> None:
        self.consumers: list[subprocess.Popen[bytes]] = []
        self.sent: list[str] = []
        #: The process that publishes, while one does.
        self.publisher: subprocess.Popen[bytes]
        self.taken: list[str] = []
        (self.folder / "mended").unlink(missing_ok=True)
        with contextlib.closing(self.server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS effects; CREATE TABLE effects (id text NOT NULL)")
            connection.commit()

    def _run(
        self, what: str, *, patience_seconds: float = PATIENCE_SECONDS, **options: Any
    ) -> "subprocess.Popen[bytes]":
        program = Path(__file__).parent / self.peer.program
        with (self.folder / "peer.log").open("ab") as log:
            return subprocess.Popen(
                [str(self.python), str(program), what],
                env={
                    "PATH": os.environ.get("PATH", ""),
                    "HOME": str(self.folder),
                    # Celery's worker refuses nobody, and warns of root at length.
                    "C_FORCE_ROOT": "1",
                    "PEER_BROKER": f"amqp://guest:guest@127.0.0.1:{self.ports['broker']}/{self.vhost}",
                    "PEER_DATABASE": self.dsn,
                    "PEER_MENDED": str(self.folder / "mended"),
                    "PEER_PATIENCE_SECONDS": str(patience_seconds),
                },
                cwd=self.folder,
                stderr=log,
                start_new_session=True,
                **options,
            )

    def start(self) -> "subprocess.Popen[bytes]":
        """Start a consumer, beside those that there are, and wait until it does its work, or has died."""
        consumer = self._run("consume", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.consumers.append(consumer)
        number = len(self.consumers)
        wait_until(lambda: self.consuming() >= number or consumer.poll() is not None, seconds=40)
        return consumer

    def connect(self) -> amqp.Connection:
        """Return a connection to the broker, without a relay between."""
        return amqp.Connection(
            host=f"127.0.0.1:{self.node.port}", virtual_host=self.vhost, connect_timeout=5, read_timeout=20
        )

    def queued(self) -> amqp.protocol.queue_declare_ok_t:
        """Return what the broker knows of the queue: how many wait in it, and how many take from it."""
        with contextlib.suppress(OSError, amqp.AMQPError), self.connect() as connection:
            return connection.channel().queue_declare(self.peer.queue, passive=True)
        return amqp.protocol.queue_declare_ok_t(self.peer.queue, 0, 0)

    def consuming(self) -> int:
        """Return how many the broker knows of who take events."""
        return int(self.queued().consumer_count)

    def is_consuming(self) -> bool:
        """Tell whether the broker knows of anybody who takes events."""
        return self.consuming() > 0

    def signal(self, number: int) -> None:
        """Send the consumer a signal, and the processes that it made."""
        for consumer in self.consumers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(consumer.pid, number)

    def kill(self) -> None:
        """Kill all consumers, with the processes that they made."""
        self.signal(signal.SIGKILL)
        for consumer in self.consumers:
            consumer.wait()
        self.consumers.clear()

    def kill_one(self, consumer: "subprocess.Popen[bytes]") -> None:
        """Kill one consumer, with the processes that it made."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(consumer.pid, signal.SIGKILL)
        consumer.wait()
        self.consumers.remove(consumer)

    def end(self, consumer: "subprocess.Popen[bytes]") -> None:
        """Have one consumer stop in good order, by SIGTERM."""
        consumer.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            consumer.wait(timeout=30)
        self.kill_one(consumer)

    def publish(
        self,
        number: int,
        **options: Any,
    ) -> None:
        """Publish new events: see :meth:`again`."""
        ids = [f"{len(self.sent) + n}" for n in range(number)]
        self.sent += ids
        self.again(ids, **options)

    def again(
        self,
        ids: list[str],
        *,
        over_seconds: float = 0.0,
        meanwhile: Callable[[], None] = lambda: None,
        patience_seconds: float = PATIENCE_SECONDS,
        **payload: Any,
    ) -> None:
        """Publish events under these ids, each again until the library takes it.

        :param over_seconds: how long that takes where nothing holds it up.
        :param meanwhile: what happens in that time; the process that publishes stays until it is over, or is
            killed by it.
        """
        lines = [json.dumps({"id": id_, **payload}).encode() + b"\n" for id_ in ids]
        publisher = self._run(
            "publish", patience_seconds=patience_seconds, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.publisher = publisher
        # Closed by whoever writes to it.
        pipe, publisher.stdin = publisher.stdin, None
        over = threading.Event()
        told = (pipe, lines, over_seconds / len(ids), over)
        writing = threading.Thread(target=_write, args=told, daemon=True)
        writing.start()
        try:
            meanwhile()
            over.set()
            printed, _ = publisher.communicate(timeout=120)
        finally:
            over.set()
            publisher.kill()
            publisher.wait()
            writing.join()
        taken = set(self.taken)
        self.taken += [line for line in printed.decode().split() if line not in taken]

    @property
    def dsn(self) -> str:
        """How the peer reaches its database: by the relay."""
        with contextlib.closing(self.server.connect()) as connection:
            told = connection.info
            return f"host=127.0.0.1 port={self.ports['database']} user={told.user} dbname={told.dbname}"

    @contextlib.contextmanager
    def stalled(self) -> Iterator[None]:
        """Have whoever writes a row wait in the database."""
        with contextlib.closing(self.server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("LOCK TABLE effects IN SHARE MODE")
            yield

    def are_stalled(self) -> bool:
        """Tell whether anybody waits in the database."""
        with contextlib.closing(self.server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            ((waiting,),) = cursor.fetchall()
            return bool(waiting)

    def shuffle(self) -> None:
        """Take all that waits out of the queue, and put it back in another order."""
        with self.connect() as connection:
            channel = connection.channel()
            taken = []
            while (message := channel.basic_get(self.peer.queue)) is not None:
                taken.append(message)
            random.Random(0).shuffle(taken)
            for message in taken:
                channel.basic_publish(message, routing_key=self.peer.queue)
                channel.basic_ack(message.delivery_tag)

    def effects(self) -> Counter[str]:
        """Return how often each event had its effect."""
        with contextlib.closing(self.server.connect()) as connection, connection.cursor() as cursor:
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
            wait_until(
                lambda now=now: sum(self.effects().values()) != now,  # type: ignore[misc]
                seconds=IDLE_SECONDS,
                step=0.2,
            )

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


def _write(pipe: IO[bytes], lines: list[bytes], pause: float, over: threading.Event) -> None:
    with contextlib.suppress(BrokenPipeError), pipe:
        for line in lines:
            pipe.write(line)
            pipe.flush()
            time.sleep(pause)
        over.wait()


# --- Faults ----------------------------------------------------------------------------------------


def killed_in_a_handler(bench: Bench) -> None:
    """The consumer is killed while it has events in hand, and started again."""
    bench.start()
    bench.publish(EVENTS, seconds=0.02)
    bench.wait_for_effects(20)
    bench.kill()
    bench.start()


def killed_before_commit(bench: Bench) -> None:
    """The consumer is killed while what it did waits to be written and committed."""
    bench.start()
    with bench.stalled():
        bench.publish(EVENTS)
        wait_until(bench.are_stalled, seconds=10)
        bench.kill()
    bench.start()


def killed_between_publish_and_confirm(bench: Bench) -> None:
    """Whoever publishes is killed when the broker has an event and it does not know, and sends it again."""
    # So that there is a queue, and nobody who takes from it: all connections are to end.
    bench.start()
    bench.kill()

    def strike() -> None:
        before = bench.queued().message_count
        wait_until(lambda: bench.queued().message_count >= before + 20, seconds=20)
        bench.relays.hold("broker", label="publishing", direction=TO_CLIENT)
        time.sleep(0.5)
        bench.publisher.kill()
        bench.relays.drop("broker")

    for _ in range(BLOWS):
        bench.publish(EVENTS // BLOWS, over_seconds=PUBLISHED_OVER_SECONDS / BLOWS, meanwhile=strike)
        bench.again([id_ for id_ in bench.sent if id_ not in set(bench.taken)])
    bench.start()


def killed_between_effect_and_acknowledgement(bench: Bench) -> None:
    """The consumer is killed when its effects are committed and the broker does not know."""
    bench.start()
    bench.publish(EVENTS, seconds=0.1)
    bench.wait_for_effects(20)
    bench.relays.mode("broker", "half_open")
    # What is in hand has its effect meanwhile.
    time.sleep(1)
    bench.kill()
    bench.relays.mode("broker", "reset")
    bench.relays.mode("broker", "open")
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


def _while_events_are_published(bench: Bench, blow: Callable[[], object]) -> None:
    bench.start()

    def strike() -> None:
        bench.wait_for_effects(20)
        blow()

    bench.publish(EVENTS, over_seconds=PUBLISHED_OVER_SECONDS, meanwhile=strike, seconds=0.05)
    _wait_for_the_consumer(bench)


def _wait_for_the_consumer(bench: Bench) -> None:
    """Give the library all the time that it takes to connect again, which may be more than a pause."""
    wait_until(bench.is_consuming, seconds=RECONNECT_SECONDS, step=0.2)


def _wait_until_given_up(bench: Bench) -> None:
    """Wait until the broker takes whoever was connected for dead: after two heartbeats, or three."""
    wait_until(lambda: not bench.is_consuming(), seconds=RECONNECT_SECONDS, step=0.2)


def broker_restarted(bench: Bench) -> None:
    """The broker's application is stopped and started while events are published."""

    def restart() -> None:
        bench.node.ctl("stop_app")
        time.sleep(2)
        bench.node.ctl("start_app")

    _while_events_are_published(bench, restart)


def broker_killed(bench: Bench) -> None:
    """The broker is killed with SIGKILL while events are published, and started again."""

    def kill() -> None:
        # It keeps a log of what is declared, and writes it to the disk seconds later: killed before that, it
        # has never heard of the queue. That would tell of a queue's first seconds, and of nothing else.
        bench.node.ctl("eval", "mnesia:dump_log().")
        bench.node.kill()
        time.sleep(1)
        bench.node.start()

    _while_events_are_published(bench, kill)


def broker_blocked(bench: Bench) -> None:
    """The broker's memory alarm blocks those who publish."""

    def block() -> None:
        bench.node.ctl("set_vm_memory_high_watermark", "0.00001")
        time.sleep(3)
        bench.node.ctl("set_vm_memory_high_watermark", "0.4")

    _while_events_are_published(bench, block)


def broker_half_open(bench: Bench) -> None:
    """Connections to the broker stand and carry nothing, until the broker has given them up."""

    def cut() -> None:
        bench.relays.mode("broker", "half_open")
        _wait_until_given_up(bench)
        bench.relays.mode("broker", "reset")
        bench.relays.mode("broker", "open")

    _while_events_are_published(bench, cut)


def database_restarted(bench: Bench) -> None:
    """PostgreSQL is stopped in good order while events are published, and started again."""
    _while_events_are_published(bench, lambda: _until_it_starts_again(bench, bench.server.stop))


def database_killed(bench: Bench) -> None:
    """PostgreSQL is killed with SIGKILL while events are published, and started again."""
    _while_events_are_published(bench, lambda: _until_it_starts_again(bench, bench.server.kill))


def _until_it_starts_again(bench: Bench, end: Callable[[], object]) -> None:
    end()
    time.sleep(2)
    wait_until(lambda: _has_started(bench.server), seconds=30)


def _has_started(server: PrivatePostgres) -> bool:
    """Start PostgreSQL, unless what a killed one left behind is still in the way."""
    try:
        server.start()
    except PostgresUnusable:
        return False
    return True


def database_cut_off(bench: Bench) -> None:
    """Connections to the database end, and no new one can be made."""
    _while_events_are_published(bench, lambda: _relay_is(bench, "cut"))


def database_half_open(bench: Bench) -> None:
    """Connections to the database stand, and carry nothing."""
    _while_events_are_published(bench, lambda: _relay_is(bench, "half_open"))


def database_slow(bench: Bench) -> None:
    """Every piece to and from the database comes late."""
    _while_events_are_published(bench, lambda: _relay_is(bench, "slow"))


def _relay_is(bench: Bench, mode: str) -> None:
    bench.relays.mode("database", mode)
    time.sleep(CUT_SECONDS)
    if mode == "half_open":
        # What stood still for so long is at an end.
        bench.relays.mode("database", "reset")
    bench.relays.mode("database", "open")


def database_reset(bench: Bench) -> None:
    """Connections to the database are reset again and again, in the middle of what they carry."""

    def blows() -> None:
        for _ in range(BLOWS):
            with bench.stalled():
                wait_until(bench.are_stalled, seconds=5)
                time.sleep(0.5)
                bench.relays.mode("database", "reset")
                bench.relays.mode("database", "open")

    _while_events_are_published(bench, blows)


def slow_handler(bench: Bench) -> None:
    """What is in hand takes longer than the broker waits for a sign of life."""
    bench.start()
    with bench.stalled():
        bench.publish(EVENTS)
        time.sleep(2 * HEARTBEAT_SECONDS + 3)
    _wait_for_the_consumer(bench)


def frozen(bench: Bench) -> None:
    """The consumer stands still until the broker has given it up, and then goes on where it was."""
    bench.start()
    # Slow enough for ten at once to be at it still.
    bench.publish(EVENTS, seconds=0.1)
    bench.wait_for_effects(20)
    bench.signal(signal.SIGSTOP)
    _wait_until_given_up(bench)
    bench.signal(signal.SIGCONT)
    _wait_for_the_consumer(bench)


def poison(bench: Bench) -> None:
    """Bytes that nobody can read lie among the events."""
    bench.start()
    bench.publish(EVENTS // 2)
    with bench.connect() as connection:
        message = amqp.Message(b"\x00\xff no message", content_type="application/json")
        connection.channel().basic_publish(message, routing_key=bench.peer.queue)
    bench.publish(EVENTS // 2)


def handler_that_kills(bench: Bench) -> None:
    """The handler of one event kills the process that runs it, each time; that is started again."""
    bench.start()
    bench.publish(EVENTS // 2)
    bench.again(["killer"], kills=True)
    bench.publish(EVENTS // 2)
    # It is not to have an effect.
    bench.taken.remove("killer")
    for _ in range(MOST_KILLS):
        if not wait_until(lambda: any(one.poll() is not None for one in bench.consumers), seconds=3):
            break
        bench.kill()
        bench.start()


def duplicates(bench: Bench) -> None:
    """Every event is published twice."""
    bench.start()
    bench.publish(EVENTS)
    bench.again(list(bench.sent))


def reordering(bench: Bench) -> None:
    """Events wait in another order than they were published in, and each second one needs the first."""
    bench.start()
    bench.kill()
    for place in range(0, EVENTS, 2):
        bench.sent += [str(place), str(place + 1)]
    bench.again(bench.sent[::2])
    bench.again(bench.sent[1::2], builds_on_the_one_before=True)
    bench.shuffle()
    bench.start()


def backlog(bench: Bench) -> None:
    """Two thousand events wait for a consumer."""
    bench.start()
    bench.kill()
    bench.publish(BACKLOG)
    bench.start()


def copies_join_and_leave(bench: Bench) -> None:
    """Second and third consumers come, and go by SIGTERM and SIGKILL."""
    bench.start()

    def come_and_go() -> None:
        bench.wait_for_effects(20)
        joined = [bench.start(), bench.start()]
        bench.end(joined[0])
        bench.kill_one(joined[1])

    bench.publish(EVENTS, over_seconds=PUBLISHED_OVER_SECONDS, meanwhile=come_and_go, seconds=0.05)


def rolling_restart(bench: Bench) -> None:
    """The consumer is replaced again and again: a fresh one first, then the old one by SIGTERM."""
    bench.start()

    def replace() -> None:
        bench.wait_for_effects(20)
        for _ in range(BLOWS):
            (old,) = bench.consumers
            bench.start()
            bench.end(old)

    bench.publish(EVENTS, over_seconds=PUBLISHED_OVER_SECONDS, meanwhile=replace, seconds=0.05)


def published_before_the_first_start(bench: Bench) -> None:
    """Events are published before anybody who reacts to them was ever started."""
    bench.publish(50, patience_seconds=SHORT_PATIENCE_SECONDS)
    bench.start()
    bench.publish(50)


FAULTS: dict[str, Callable[[Bench], None]] = {
    "killed before commit": killed_before_commit,
    "killed between publish and confirm": killed_between_publish_and_confirm,
    "killed between effect and acknowledgement": killed_between_effect_and_acknowledgement,
    "killed in a handler": killed_in_a_handler,
    "killed at random": killed_at_random,
    "handler fails for a while": handler_fails_for_a_while,
    "broker stopped and started": broker_restarted,
    "broker killed": broker_killed,
    "broker blocked by its memory alarm": broker_blocked,
    "broker cut off, half open": broker_half_open,
    "database restarted": database_restarted,
    "database killed": database_killed,
    "database cut off": database_cut_off,
    "database half open": database_half_open,
    "database slow": database_slow,
    "database connections reset": database_reset,
    "poison": poison,
    "a reaction that kills its process": handler_that_kills,
    "a handler slower than the heartbeat": slow_handler,
    "frozen for longer than the heartbeat": frozen,
    "duplicates": duplicates,
    "reordering": reordering,
    "a backlog of 2,000 events": backlog,
    "copies join and leave": copies_join_and_leave,
    "rolling restart": rolling_restart,
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
        node = RabbitNode.start_private(f"heartbeat = {HEARTBEAT_SECONDS}\n")
        yield server, ending.enter_context(node), folder


@contextlib.contextmanager
def _relays(server: PrivatePostgres, node: RabbitNode) -> Iterator[tuple[Relays, dict[str, int]]]:
    """Open a relay to the broker and one to the database, and return their ports."""
    with contextlib.closing(server.connect()) as connection:
        socket_path = f"{connection.info.host}/.s.PGSQL.{connection.info.port}"
    with Relays() as relays:
        yield (
            relays,
            {
                "broker": relays.listen("broker", target=node.port),
                "database": relays.listen("database", target=socket_path),
            },
        )


def run(only: Collection[str] = FAULTS) -> list[dict[str, Any]]:
    """Put every peer through every fault, side by side, and return what came of it.

    :param only: names of the faults.
    :raises NoPeers: when their packages cannot be had.
    """
    python = make_environment()
    lanes = [(peer, list(only)[lane::LANES]) for peer in PEERS for lane in range(LANES)]
    with ThreadPoolExecutor(len(lanes)) as hands:
        found = hands.map(lambda lane: _run_one(lane[0], lane[1], python), lanes)
        rows = {(row["peer"], row["fault"]): row for lane in found for row in lane}
    return [rows[peer, fault] for peer in PEERS for fault in only]


def _run_one(name: str, only: Collection[str], python: Path) -> list[dict[str, Any]]:
    """Put one peer through some faults: broker and database are its own meanwhile."""
    version = version_of(python, name)
    found = []
    with _parts() as (server, node, folder), _relays(server, node) as (relays, ports):
        for fault in only:
            vhost = node.virtual_host()
            bench = Bench(python, PEERS[name], node, server, relays, ports, vhost, folder)
            began = time.monotonic()
            try:
                FAULTS[fault](bench)
                bench.wait_until_idle()
                verdict = bench.verdict(fault)
            finally:
                bench.kill()
            verdict.details["seconds"] = round(time.monotonic() - began, 1)
            found.append({"peer": name, "version": version, **dataclasses.asdict(verdict)})
    return found
