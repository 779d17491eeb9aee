"""The private RabbitMQ node that other tests rely on, and how servers of a run end that is killed."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import amqp
import psycopg2
import pytest

from homeward.postgres import PrivatePostgres
from tests import nodes

ROOT = Path(__file__).parents[2]

STARTS_A_NODE = """
import time
from tests.nodes import RabbitNode

node = RabbitNode.start_private()
print(node.folder, node.port, node._epmd_port, flush=True)
time.sleep(600)
"""

STARTS_POSTGRES = """
import pathlib, tempfile, time
from homeward.postgres import PrivatePostgres
from tests.survivors import ended_with_us

folder = pathlib.Path(tempfile.mkdtemp(prefix="hw-pg-"))
folder.chmod(0o755)
with ended_with_us(PrivatePostgres(folder / "pg", durable=False), place=folder) as server:
    server.start()
    print(server.folder, flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def owner(program: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run a program that starts a server; give what it prints once the server is up."""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()
        finally:
            process.kill()


def somebody_listens(port: int) -> bool:
    with socket.socket() as knock:
        return knock.connect_ex(("127.0.0.1", port)) == 0


def assert_soon(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


def connection_to(node: nodes.RabbitNode) -> amqp.Connection:
    connection = amqp.Connection(host=f"127.0.0.1:{node.port}", confirm_publish=True, read_timeout=10)
    connection.connect()
    return connection


@pytest.mark.rabbitmq
class TestRabbitNode:
    def test_keeps_confirmed_messages_over_a_restart_and_nothing_after_discard(self):
        with nodes.node_or_skip() as node:
            with connection_to(node) as connection:
                channel = connection.channel()
                channel.queue_declare("letters", durable=True, auto_delete=False)
                channel.basic_publish(amqp.Message(b"dear all", delivery_mode=2), routing_key="letters")

            node.restart()

            with connection_to(node) as connection:
                assert connection.channel().basic_get("letters").body == b"dear all"

        assert not node.is_running
        assert not node.folder.exists()
        # Nor the name server that it started, which nobody else would ever end.
        assert not somebody_listens(node._epmd_port)

    def test_ends_when_whoever_started_it_is_killed(self):
        with owner(STARTS_A_NODE) as (process, told):
            folder, *ports = told
            assert all(somebody_listens(int(port)) for port in ports)

            process.kill()

        assert_soon(lambda: not any(somebody_listens(int(port)) for port in ports))
        assert_soon(lambda: not Path(folder).exists())

    def test_fails_rather_than_skips_where_ci_is_set(self, monkeypatch):
        monkeypatch.setattr(nodes, "_SERVERS", ())
        monkeypatch.setattr(nodes, "_install_with_apt", lambda: None)

        monkeypatch.setenv("CI", "true")
        with pytest.raises(pytest.fail.Exception, match="no RabbitMQ"):
            nodes.node_or_skip()

        monkeypatch.delenv("CI")
        with pytest.raises(pytest.skip.Exception, match=nodes.NO_RABBITMQ):
            nodes.node_or_skip()


@pytest.mark.servers
class TestPostgres:
    def test_ends_when_whoever_started_it_is_killed(self):
        with owner(STARTS_POSTGRES) as (process, (folder,)):
            server = PrivatePostgres(folder)
            server.connect().close()

            process.kill()

        assert_soon(lambda: not Path(folder).parent.exists())
        with pytest.raises(psycopg2.OperationalError):
            server.connect()
