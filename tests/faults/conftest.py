"""One house for all faults, with a broker and a PostgreSQL of its own: they are killed here."""

import atexit
import contextlib
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from chaos import faults
from chaos.faults import Scene
from chaos.house import House
from chaos.judge import Judge, Verdict, settle
from chaos.load import Ledger, Load
from tests import forked
from tests.nodes import node_or_skip

#: What works under a fault, and is judged when the fault is over.
Judged = Callable[[str], AbstractContextManager[list[Verdict]]]

#: How long people think after a command: faults meet somebody at work, and leave the processor to others too.
THINK_SECONDS = 0.05
#: Attempts after which a reaction is parked in these tests.
CAP = 3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here that takes a house: it needs RabbitMQ and runs whole processes."""
    for item in items:
        if Path(__file__).parent in item.path.parents and "scene" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.journey)
            item.add_marker(pytest.mark.rabbitmq)


@pytest.fixture(scope="package")
def scene() -> Iterator[Scene]:
    """A house that was started for the very first time in a random order, and people to work in it.

    It ends with the tests here: its processes look for work, and are looked at, each second.
    """
    node = node_or_skip(f"heartbeat = {faults.heartbeat_seconds(quick=True)}\n")
    with contextlib.ExitStack() as ending:
        ending.callback(node.discard)
        atexit.register(ending.close)
        variables = {"HOMEWARD_PARKED_AFTER_ATTEMPTS": str(CAP)}
        house = ending.enter_context(House(node=node, variables=variables, popen=forked.popen))
        load = Load(house, Ledger(), seed=7, people=2, importers=0, think_seconds=THINK_SECONDS)
        found = Scene(house, load, random.Random(7), quick=True, victims=1)
        load.ledger.fault = "first start"
        faults.first_start(found)
        load.pause()
        load.start()
        ending.callback(load.stop, seconds=5)
        yield found
        atexit.unregister(ending.close)


@pytest.fixture
def judged(scene: Scene) -> Judged:
    """Return what has people work for the length of a block, and judges what came of it."""

    @contextlib.contextmanager
    def work(name: str) -> Iterator[list[Verdict]]:
        verdicts: list[Verdict] = []
        scene.load.ledger.fault = name
        scene.load.go_on()
        try:
            yield verdicts
        finally:
            scene.load.pause()
        verdicts.append(verdict_of(scene, name))

    return work


def verdict_of(scene: Scene, name: str) -> Verdict:
    """Wait until all is quiet and judge the facts of one fault; nothing unexpected may be left."""
    assert settle(scene.house, seconds=120), "the house does not come to rest"
    ledger = scene.load.ledger
    judge = Judge(scene.house, scene.load)
    assert judge.unexpected(scene.load.sent, tolerated=scene.poison) == []
    assert scene.load.problems == []
    return judge.verdict(name, [fact for fact in ledger.facts if fact.fault == name])
