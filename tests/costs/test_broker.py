"""What a command and an event cost on the way over RabbitMQ, in frames: a guard that needs no clock.

A ceiling is what it costs now, as in ``test_database.py``. Heartbeats are left out.
"""

import json
import os
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bench.parts import Program, wait_until
from bench.programs import short_weeks
from homeward.postgres import PrivatePostgres
from shared.database import new_engine
from shared.ids import new_id
from shared.settings import environment_of
from tests import forked
from tests.costs.counting import Proxy, amqp
from tests.messaging import ferry
from tests.support import settings_for_tests

#: Gateway to service and back: method, header and body out and in, twice, and one acknowledgement.
FRAMES_OF_A_QUESTION = 13
#: Method, header and body.
FRAMES_TO_PUBLISH_AN_EVENT = 3
#: Events are confirmed and acknowledged many at once; one by one it would be 1.
CONFIRMS_OF_AN_EVENT = 1.0
ACKNOWLEDGEMENTS_OF_AN_EVENT = 0.1

ASKED, ANNOUNCED = 20, 400

pytestmark = pytest.mark.rabbitmq


@pytest.fixture
def environment(postgres_server: PrivatePostgres, corner: str) -> Iterator[dict[str, str]]:
    """Variables of processes with databases of their own; the broker's address is still to be told."""
    run = new_id().replace("-", "")
    names = [f"{service}_{run}" for service in ("scheduling", "monitoring", "aftercare", "intake", "gateway")]
    postgres_server.create_databases(names)
    for name in names:
        engine = new_engine(postgres_server.url_of(name))
        short_weeks.metadata.create_all(engine)
        ferry.metadata.create_all(engine)
        engine.dispose()
    settings = settings_for_tests(
        HOMEWARD_CLOCK="real",
        HOMEWARD_DATABASE_URL=postgres_server.url_of("{service}_" + run),
        # Nothing here is about how busy the machine is.
        HOMEWARD_COMMAND_DEADLINE_SECONDS="30",
    )
    yield environment_of(settings)
    postgres_server.drop_databases(names)


def through(proxy: Proxy, environment: dict[str, str], corner: str) -> dict[str, str]:
    url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/{urllib.parse.quote(corner)}"
    return {**os.environ, **environment, "HOMEWARD_BROKER_URL": url}


class TestFrames:
    def test_of_a_question(self, rabbitmq_node, environment, corner):
        with Proxy(rabbitmq_node.port, amqp) as proxy, ExitStack() as ending:
            three = forked.popen(
                [sys.executable, "-m", "tests.messaging.three_services"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=through(proxy, environment, corner),
                text=True,
            )
            ending.callback(three.wait)
            ending.callback(three.kill)
            told(three, "start", "monitoring", "aftercare", "gateway", "scheduling")
            told(three, "send", "monitoring", "count", {})
            before = proxy.snapshot()

            for _ in range(ASKED):
                answer = told(three, "send", "monitoring", "count", {})
                assert answer["status"] == "done", answer

            # The last acknowledgement may follow its answer.
            wait_until(lambda: (proxy.snapshot() - before)["ack up"] >= ASKED, seconds=60)
            cost = proxy.snapshot() - before
        assert cost["deliver down"] == 2 * ASKED
        # A connection that came up late may still be declaring what exists on the broker.
        frames = cost["frames"] - cost["other up"] - cost["other down"]
        assert frames / ASKED <= FRAMES_OF_A_QUESTION, cost

    def test_of_events_that_are_published_and_then_consumed(
        self, rabbitmq_node, environment, corner, tmp_path
    ):
        with (
            Proxy(rabbitmq_node.port, amqp) as publishing,
            Proxy(rabbitmq_node.port, amqp) as consuming,
            ExitStack() as ending,
        ):
            announcer = program("announcer", through(publishing, environment, corner), tmp_path)
            ending.callback(announcer.stop)
            announcer.answer()
            # The first makes the connection declare what exists on the broker, once.
            announcer.ask(number=1)
            assert wait_until(lambda: publishing.snapshot()["ack down"] > 0, seconds=60)
            before = publishing.snapshot()

            announcer.ask(number=ANNOUNCED, per_transaction=ANNOUNCED)

            assert wait_until(lambda: (publishing.snapshot() - before)["publish up"] >= ANNOUNCED, seconds=60)
            assert wait_until(lambda: (publishing.snapshot() - before)["ack down"] > 0, seconds=60)
            published = publishing.snapshot() - before
            reactor = program("reactor", through(consuming, environment, corner), tmp_path)
            ending.callback(reactor.stop)
            reactor.answer()
            assert wait_until(lambda: consuming.snapshot()["deliver down"] >= ANNOUNCED, seconds=60)
            assert wait_until(lambda: consuming.snapshot()["ack up"] > 0, seconds=60)
            consumed = consuming.snapshot()

        assert published["publish up"] == ANNOUNCED
        frames = FRAMES_TO_PUBLISH_AN_EVENT + CONFIRMS_OF_AN_EVENT
        assert published["frames"] <= frames * ANNOUNCED, published
        assert consumed["ack up"] <= ACKNOWLEDGEMENTS_OF_AN_EVENT * ANNOUNCED, consumed


def program(name: str, environment: dict[str, str], folder: Path) -> Program:
    command = [sys.executable, "-m", f"bench.programs.{name}"]
    return Program(command, environment=environment, log=folder / f"{name}.log", popen=forked.popen)


def told(three: "subprocess.Popen[str]", *line: Any) -> Any:
    """Tell the process something and return its answer, past the lines of its log."""
    assert three.stdin is not None
    assert three.stdout is not None
    three.stdin.write(json.dumps(line) + "\n")
    three.stdin.flush()
    while said := three.stdout.readline():
        if said.startswith(("{", '"')) and '"event"' not in said:
            return json.loads(said)
    raise AssertionError(f"the process ended while it did {line[0]}")
