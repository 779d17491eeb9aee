"""Servers that the tests share: started when first asked for, ended on every way out."""

import atexit
import contextlib
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeward.postgres import PrivatePostgres
from tests.nodes import NodeUnavailable, RabbitNode


def _end_on_termination(signal_number: int, frame: object) -> None:
    # As an exception it unwinds the fixtures, which end the servers; the default would not.
    raise SystemExit(128 + signal_number)


@pytest.fixture(scope="session", autouse=True)
def _tidy_termination() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, _end_on_termination)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PrivatePostgres]:
    """A private PostgreSQL for the whole run, fast rather than durable."""
    # Not pytest's own folder: root's is closed to the user that PostgreSQL runs as.
    folder = Path(tempfile.mkdtemp(prefix="hw-pg-"))
    server = PrivatePostgres(folder / "pg", durable=False)
    folder.chmod(0o755)
    with contextlib.ExitStack() as ending:
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        ending.callback(server.discard)
        atexit.register(ending.close)
        server.start()
        yield server
        atexit.unregister(ending.close)


@pytest.fixture(scope="session")
def rabbitmq_node() -> Iterator[RabbitNode]:
    """A private RabbitMQ node for the whole run; tests that break a node start one of their own."""
    try:
        node = RabbitNode.start_private()
    except NodeUnavailable as missing:
        pytest.skip(str(missing))
    atexit.register(node.discard)
    yield node
    node.discard()
    atexit.unregister(node.discard)
