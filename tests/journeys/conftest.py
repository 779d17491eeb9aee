"""Houses for the journeys: each set-up is started once for a module, and again where it is broken."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys import script
from tests.journeys.clinic import Clinic
from tests.journeys.house import DistributedHouse, EmbeddedHouse, House

#: The two ways in which Homeward runs.
SETUPS = ("embedded", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq))

#: What opens a house: called with the name of a set-up, and with what that house's class takes.
Builder = Callable[..., Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here as a journey."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.journey)


@contextlib.contextmanager
def houses(request: pytest.FixtureRequest) -> Iterator[Builder]:
    """Build houses in fresh folders, and end each of them on every way out."""
    with contextlib.ExitStack() as ending:

        def build(setup: str, **options: Any) -> House:
            # Not pytest's own folder: root's is closed to the user that PostgreSQL runs as.
            folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="hw-house-")))
            house: EmbeddedHouse | DistributedHouse
            if setup == "embedded":
                house = EmbeddedHouse(folder, **options)
            else:
                server = request.getfixturevalue("postgres_server")
                node = request.getfixturevalue("rabbitmq_node")
                house = DistributedHouse(server, node, folder, **options)
            ending.callback(house.discard)
            return house

        yield build


@pytest.fixture(scope="module", params=SETUPS)
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    """A house of each set-up, shared by the tests of a module."""
    with houses(request) as build:
        yield build(request.param)


@pytest.fixture
def build_house(request: pytest.FixtureRequest) -> Iterator[Builder]:
    """What builds houses for one test alone."""
    with houses(request) as build:
        yield build


@pytest.fixture(scope="session")
def undisturbed(request: pytest.FixtureRequest) -> script.Recording:
    """The script, played once and recorded in a house that nobody disturbs."""
    with houses(request) as build:
        return script.record(build("embedded"))


@pytest.fixture
def clinic(house: House) -> Iterator[Clinic]:
    """An open site of its own for one test, at the end of which nothing may have been given up."""
    found = Clinic.open(house)
    yield found
    found.discharge_all()
    assert house.parked() == []
