"""Servers that the tests share: started when first asked for, ended on every way out."""

import atexit
import contextlib
import gc
import itertools
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import sqlalchemy as sa
from xdist.scheduler import LoadFileScheduling

from homeward.postgres import PrivatePostgres
from shared import clock, sealing
from shared.database import new_engine
from shared.ids import new_id
from tests import in_memory, nodes
from tests.nodes import RabbitNode, node_or_skip
from tests.support import Room, create_tables, emptied, settings_for_tests
from tests.survivors import ended_with_us

sealing.use_key(settings_for_tests().encryption_key)

in_memory.keep_files_in_memory()

# Thousands of tests and all that they import stay until the end: nobody looks for cycles among them.
gc.disable()

# No test is a matter of time: a busy machine makes none of them fail.
hypothesis.settings.register_profile(
    "homeward", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("homeward")


def _end_on_termination(signal_number: int, frame: object) -> None:
    # Unwinds the fixtures, which end the servers; the default would not. A plain SystemExit would fail
    # the one test that it hits, and the next would begin.
    pytest.exit("asked to end", returncode=128 + signal_number)


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
        ending.enter_context(ended_with_us(server, place=folder))
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


@pytest.fixture
def corner(rabbitmq_node: RabbitNode) -> str:
    """The name of a virtual host that no other test uses."""
    return rabbitmq_node.virtual_host()


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


@pytest.fixture(scope="session")
def spare_engines() -> Iterator[dict[str, list[sa.Engine]]]:
    """Engines on emptied databases by service, to be used again.

    Making a database takes longer than most tests, and what a connection has learnt of its tables
    is half of what a short test costs.
    """
    spare: dict[str, list[sa.Engine]] = {}
    yield spare
    for engine in itertools.chain.from_iterable(spare.values()):
        engine.dispose()


@pytest.fixture
def engine_of(
    database_of: Callable[[str], str], spare_engines: dict[str, list[sa.Engine]]
) -> Iterator[Callable[[str], sa.Engine]]:
    """Return a function that returns an engine on a service's empty database, for one test."""
    engines: list[tuple[str, sa.Engine]] = []

    def lend(service: str) -> sa.Engine:
        spare = spare_engines.setdefault(service, [])
        engine = spare.pop() if spare else new_engine(database_of(service))
        engines.append((service, engine))
        # One with the same connections, so that whatever listens to it does so in this test alone.
        return engine.execution_options()

    yield lend
    for name, engine in engines:
        # What still holds one of its connections may write with it.
        pool: Any = engine.pool
        if pool.checkedout() == 0 and emptied(engine):
            spare_engines[name].append(engine)
        else:
            engine.dispose()


@pytest.fixture
def room_of(engine_of: Callable[[str], sa.Engine]) -> Callable[[type], Room]:
    """Return a function that puts a service class into a room with an empty database."""

    def enter(service_class: type) -> Room:
        name: str = service_class.name  # every service has one
        return Room(service_class, engine=engine_of(name), settings=settings_for_tests())

    return enter


@pytest.fixture
def real_time_stands(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Have real time stand still in this process: how long something waits is exact on a busy machine too."""
    moment = clock.real_now()
    monkeypatch.setattr(clock, "real_now", lambda: moment)
    return moment


#: Marks of tests that run whole processes.
SLOW = ("journey", "rabbitmq", "servers")

#: Folders and files that share what takes long to make: one worker runs all of each, and begins with them.
TOGETHER = (
    ("tests/faults/",),
    ("tests/door/",),
    ("tests/journeys/test_kill.py", "tests/journeys/test_any_order.py"),
)


def together(nodeid: str) -> str | None:
    """Return the first of the places whose tests one worker runs all of, where the test is of one."""
    return next((places[0] for places in TOGETHER if nodeid.startswith(places)), None)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark what needs a database, so that ``make fast`` can leave it out; put slow files first.

    Workers end together only when the last files are short.
    """
    for item in items:  # before pytest chooses by marks
        if "postgres_server" in getattr(item, "fixturenames", ()):
            item.add_marker("database")
    yield
    # After the folders have marked their own.
    slow = {item.path for item in items if any(item.get_closest_marker(mark) for mark in SLOW)}
    items.sort(key=lambda item: (together(item.nodeid) is None, item.path not in slow))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Look for cycles among what the tests make, as seldom as the processes do."""
    gc.freeze()
    gc.set_threshold(20_000)
    gc.enable()


class FilesOrTogether(LoadFileScheduling):
    """Hands a file to a worker as a whole, and together those that share something."""

    def _split_scope(self, nodeid: str) -> str:
        return together(nodeid) or super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesOrTogether | None:
    """Schedule by file where that was asked for."""
    return FilesOrTogether(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what this run did not show."""
    reasons = [
        str(report.longrepr[-1]) for report in terminalreporter.getreports("skipped") if report.longrepr
    ]
    skipped = [reason for reason in reasons if nodes.NO_RABBITMQ in reason]
    if skipped:
        terminalreporter.section("NOT TESTED ON RABBITMQ", sep="!", red=True, bold=True)
        terminalreporter.line(f"{len(skipped)} times skipped: {skipped[0]}")
