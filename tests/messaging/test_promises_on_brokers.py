"""The promises of messaging with a broker between: the same tests on both brokers."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from homeward.postgres import PrivatePostgres
from shared.database import new_engine
from shared.ids import new_id
from shared.settings import environment_of
from tests import forked
from tests.messaging import ferry
from tests.nodes import RabbitNode
from tests.support import emptied, settings_for_tests

ALL = ("monitoring", "aftercare", "intake", "gateway", "scheduling")

BROKERS = ("memory", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq))

#: Events that are announced at once, many batches of them, before their process is killed.
IN_FLIGHT = 600


class Driven:
    """A process of three services that does what it is told, line by line."""

    def __init__(self, environment: dict[str, str]) -> None:
        #: What had come about when the test began.
        self._before: dict[str, Any] = {}
        self._process = forked.popen(
            [sys.executable, "-m", "tests.messaging.three_services"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
            text=True,
        )

    def do(self, action: str, *arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([action, *arguments]) + "\n")
        self._process.stdin.flush()
        while True:
            line = self._process.stdout.readline()
            if not line:
                raise AssertionError(f"the process ended while it did {action}")
            if not line.startswith(("{", "[", '"')) or '"event"' in line:
                continue  # a line of its log
            return json.loads(line)

    def state(self) -> dict[str, Any]:
        """Return what has come about since the test began."""
        now = self.do("state")
        if not self._before:
            return dict(now)
        since = {name: now[name] - self._before[name] for name in now if name != "inbox"}
        return since | {"inbox": dict(Counter(now["inbox"]) - Counter(self._before["inbox"]))}

    def begin(self) -> None:
        """Wait until all is quiet; what comes about is counted from here."""
        self._before = {}
        seen: list[dict[str, Any]] = []

        def is_quiet(state: dict[str, Any]) -> bool:
            seen.append(state)
            return state["unsent"] == 0 and "waiting" not in state["inbox"] and seen[-2:-1] == [state]

        self._before = self.until(is_quiet)

    def until(self, condition: Callable[[dict[str, Any]], bool], *, seconds: float = 120) -> dict[str, Any]:
        """Wait until the state is as wanted and return it."""
        give_up_at = time.monotonic() + seconds
        while True:
            state = self.state()
            if condition(state):
                return state
            if time.monotonic() > give_up_at:
                raise AssertionError(f"not reached: {state}")
            time.sleep(0.1)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Databases:
    """An empty database for each service, with the tables that each has."""

    def __init__(self, server: PrivatePostgres) -> None:
        self._server = server
        run = new_id().replace("-", "")
        self._names = [f"{service}_{run}" for service in ALL]
        first, *others = self._names
        server.create_databases([first])
        self._engines = [new_engine(server.url_of(name)) for name in self._names]
        ferry.metadata.create_all(self._engines[0])
        self._engines[0].dispose()
        server.create_databases(others, template=first)
        self.url = server.url_of("{service}_" + run)

    def can_be_used_again(self) -> bool:
        """Empty all of them once what killed processes asked for has ended; return whether that was done."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = ANY(%s) AND application_name LIKE %s"
        with contextlib.closing(self._server.connect()) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            for _ in range(100):
                cursor.execute(query, (self._names, "homeward-%"))
                if cursor.fetchone() == (0,):
                    return all(emptied(engine) for engine in self._engines)
                time.sleep(0.1)
        return False

    def drop(self) -> None:
        for engine in self._engines:
            engine.dispose()
        self._server.drop_databases(self._names)


@pytest.fixture(scope="module")
def spare_databases() -> Iterator[list[Databases]]:
    """Databases to be used again: to make them takes longer than most tests here."""
    spare: list[Databases] = []
    yield spare
    for databases in spare:
        databases.drop()


def environment_on(broker: str, databases: Databases, request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the variables of processes that share databases and a broker."""
    variables = {
        "HOMEWARD_CLOCK": "real",
        # A command here announces hundreds of events, and the machine may be busy.
        "HOMEWARD_COMMAND_DEADLINE_SECONDS": "6",
        "HOMEWARD_DATABASE_URL": databases.url,
    }
    if broker == "rabbitmq":
        node: RabbitNode = request.getfixturevalue("rabbitmq_node")
        variables["HOMEWARD_BROKER_URL"] = node.url.rstrip("/") + "/" + node.virtual_host()
    return environment_of(settings_for_tests(**variables))


def process_beyond(port: int, corner: str, databases: Databases, *, deadline_seconds: int = 20) -> Driven:
    """Start such a process whose way to a virtual host of RabbitMQ leads over what listens on a port."""
    settings = settings_for_tests(
        HOMEWARD_CLOCK="real",
        HOMEWARD_COMMAND_DEADLINE_SECONDS=str(deadline_seconds),
        HOMEWARD_DATABASE_URL=databases.url,
        HOMEWARD_BROKER_URL=f"amqp://guest:guest@127.0.0.1:{port}/{urllib.parse.quote(corner)}",
    )
    return Driven(environment_of(settings))


@pytest.fixture(params=BROKERS)
def process_of_three(
    request: pytest.FixtureRequest, postgres_server: PrivatePostgres, spare_databases: list[Databases]
) -> Iterator[Callable[[], Driven]]:
    """Return a function that starts such a process; each sees the same databases and broker."""
    databases = spare_databases.pop() if spare_databases else Databases(postgres_server)
    environment = environment_on(request.param, databases, request)
    started: list[Driven] = []

    def start() -> Driven:
        started.append(Driven(environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
    if databases.can_be_used_again():
        spare_databases.append(databases)
    else:
        databases.drop()


@pytest.fixture(scope="module", params=BROKERS)
def process_with_all(request: pytest.FixtureRequest, postgres_server: PrivatePostgres) -> Iterator[Driven]:
    """Such a process in which all are up, on each broker, for the tests that leave it so."""
    databases = Databases(postgres_server)
    process = Driven(environment_on(request.param, databases, request))
    process.do("start", *ALL)
    yield process
    process.kill()
    databases.drop()


@pytest.fixture
def three(process_with_all: Driven) -> Driven:
    """The process with all, in which nothing goes on."""
    process_with_all.begin()
    return process_with_all


class TestTheWayOfAnEvent:
    def test_reaches_each_reacting_service_and_the_archive_once(self, three: Driven) -> None:
        told = three.do("send", "scheduling", "tell", {"seats": [f"seat {n}" for n in range(300)]})

        assert told == {"status": "done", "answer": {"told": 300}}
        state = three.until(lambda s: s["inbox"].get("done") == 300 and s["unsent"] == 0)
        assert state["archived"] >= 300
        # One row for each missed session; its timer, due at once, wrote another.
        three.until(lambda s: s["effects"] == 600)

    def test_waits_for_a_service_that_was_never_started(self, process_of_three: Callable[[], Driven]) -> None:
        three = process_of_three()
        three.do("start", "aftercare", "intake", "scheduling", "gateway")
        three.do("send", "scheduling", "tell", {"seats": ["a", "b", "c"]})
        time.sleep(0.5)
        assert three.do("state")["inbox"] == {}

        three.do("start", "monitoring")

        three.until(lambda s: s["inbox"] == {"done": 3} and s["unsent"] == 0)

    def test_keeps_a_failing_event_waiting_and_lets_the_others_pass(self, three: Driven) -> None:
        three.do("fail_on", "b")

        three.do("send", "scheduling", "tell", {"seats": ["a", "b", "c"]})

        three.until(lambda s: s["inbox"] == {"done": 2, "waiting": 1})
        three.do("fail_on")
        three.until(lambda s: s["inbox"] == {"done": 3})

    def test_puts_aside_what_cannot_be_read(self, three: Driven) -> None:
        three.do("publish_raw", "session_missed", "{not an event}")
        three.do("send", "scheduling", "tell", {"seats": ["d"]})

        three.until(lambda s: s["inbox"] == {"done": 1} and s["quarantined"] == 1)

    def test_survives_a_kill_with_events_in_flight(self, process_of_three: Callable[[], Driven]) -> None:
        first = process_of_three()
        first.do("start", *ALL)
        with pytest.raises(AssertionError, match="the process ended"):
            first.do("send_and_die", "scheduling", "tell", {"seats": [f"seat {n}" for n in range(IN_FLIGHT)]})

        second = process_of_three()
        done_before = second.do("state")["inbox"].get("done", 0)
        second.do("start", *ALL)
        assert done_before < IN_FLIGHT

        second.until(lambda s: s["inbox"] == {"done": IN_FLIGHT} and s["effects"] == 2 * IN_FLIGHT)


class TestCommands:
    def test_refuses_with_503_by_the_deadline_when_the_service_is_down(
        self, process_of_three: Callable[[], Driven]
    ) -> None:
        three = process_of_three()
        three.do("start", "gateway", "monitoring", "aftercare", "intake")

        began = time.monotonic()
        refused = three.do("send", "scheduling", "tell", {"seats": ["a"]})
        waited = time.monotonic() - began

        assert (refused["status"], refused["retry_after"]) == (503, 2)
        # The deadline is six seconds; that the machine is busy is nobody's fault.
        assert waited < 25
        three.do("start", "scheduling")
        assert three.do("send", "scheduling", "tell", {"seats": ["b"]})["status"] == "done"
        time.sleep(0.5)
        three.until(lambda s: s["inbox"] == {"done": 1} and s["unsent"] == 0)

    def test_answers_many_at_once(self, three: Driven) -> None:
        answers = three.do("send_many", "monitoring", "cross", [{"what": f"goat {n}"} for n in range(40)])

        assert sorted(answer["answer"]["crossed"] for answer in answers) == sorted(
            f"goat {n}" for n in range(40)
        )

    def test_hands_a_refusal_on_as_itself(self, three: Driven) -> None:
        refused = three.do("send", "monitoring", "cross", {"what": "wolf", "fail": True})

        assert (refused["refused"], refused["status"]) == ("ferry_is_full", 409)

    def test_finishes_what_is_in_hand_when_stopped(self, process_of_three: Callable[[], Driven]) -> None:
        three = process_of_three()
        three.do("start", *ALL)
        three.do("send", "scheduling", "tell", {"seats": [f"seat {n}" for n in range(250)]})

        three.do("stop", "monitoring")
        done = three.do("state")["inbox"].get("done", 0)
        three.kill()
        again = process_of_three()
        again.do("start", *ALL)

        state = again.until(lambda s: s["inbox"].get("done") == 250)
        assert state["inbox"] == {"done": 250}
        assert done <= 250


class TestDoor:
    def test_is_open_while_a_gateway_is_there(
        self, process_of_three: Callable[[], Driven], request: pytest.FixtureRequest
    ) -> None:
        process = process_of_three()
        process.do("start", "scheduling")
        in_one_process = request.node.callspec.params["process_of_three"] == "memory"
        without_gateway = "open" if in_one_process else "closed"
        before = process.do("door")

        process.do("start", "gateway")
        until(lambda: process.do("door") == "open")
        process.do("stop", "gateway")
        until(lambda: process.do("door") == without_gateway)

        assert before == without_gateway

    @pytest.mark.parametrize("process_of_three", BROKERS[1:], indirect=True)
    def test_is_closed_when_the_process_of_the_gateway_was_killed(
        self, process_of_three: Callable[[], Driven]
    ) -> None:
        process, gateway = process_of_three(), process_of_three()
        gateway.do("start", "gateway")
        until(lambda: process.do("door") == "open")

        gateway.kill()

        until(lambda: process.do("door") == "closed")


def until(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, "not reached"
        time.sleep(0.1)
