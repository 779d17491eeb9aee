"""Servers that the tests share: started when first asked for, ended on every way out."""

import atexit
import contextlib
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from homeward.postgres import PrivatePostgres
from shared import sealing
from shared.ids import new_id
from tests import nodes
from tests.nodes import RabbitNode, node_or_skip
from tests.support import Room, create_tables, settings_for_tests

sealing.use_key(settings_for_tests().encryption_key)


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
    node = node_or_skip()
    atexit.register(node.discard)
    yield node
    node.discard()
    atexit.unregister(node.discard)


@pytest.fixture(scope="session")
def database_of(postgres_server: PrivatePostgres) -> Callable[[str], str]:
    """Return a function that makes a fresh database with a service's tables; returns its URL.

    Tables are created once for each service and then copied.
    """
    templates: set[str] = set()

    def make(service: str) -> str:
        template = f"template_{service}"
        if template not in templates:
            postgres_server.create_databases([template])
            create_tables(service, postgres_server.url_of(template))
            templates.add(template)
        name = f"{service}_{new_id().replace('-', '')}"
        postgres_server.create_databases([name], template=template)
        return postgres_server.url_of(name)

    return make


@pytest.fixture
def room_of(database_of: Callable[[str], str]) -> Iterator[Callable[[type], Room]]:
    """Return a function that puts a service class into a room with a fresh database."""
    rooms: list[Room] = []

    def enter(service_class: type) -> Room:
        name = service_class.name  # type: ignore[attr-defined]  # every service has one
        room = Room(service_class, url=database_of(name), settings=settings_for_tests())
        rooms.append(room)
        return room

    yield enter
    for room in rooms:
        room.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what this run did not show."""
    if nodes.skipped_for:
        terminalreporter.section("NOT TESTED ON RABBITMQ", sep="!", red=True, bold=True)
        terminalreporter.line(f"{len(nodes.skipped_for)} times skipped: {nodes.skipped_for[0]}")
