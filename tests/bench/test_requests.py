"""In which order the systems are asked; what they answer is measured in test_small_run.py."""

import contextlib
from collections.abc import Iterator

import pytest

from bench.rows import HOMEWARD, Row
from bench.works import requests
from bench.works.requests import COMMAND, FASTAPI, FASTAPI_2, NAMEKO, READ, Amounts, Door

SYSTEMS = [HOMEWARD, NAMEKO, FASTAPI, FASTAPI_2]


@pytest.fixture
def asked(monkeypatch) -> list[tuple[str, str, int, float]]:
    """Put systems that only note what they are asked in the place of the real ones.

    :returns: work, system, connections and seconds of what was asked so far.
    """
    asked: list[tuple[str, str, int, float]] = []
    running: list[str] = []

    @contextlib.contextmanager
    def opened(system: str) -> Iterator[Door]:
        running.append(system)
        yield Door(system, port=0, patient_ids=[], memory_mib=lambda: 0.0, processor_seconds=dict)
        running.remove(system)

    def noting(work: str):
        def ask(door: Door, connections: int, seconds: float) -> Row:
            assert running == SYSTEMS, "all are open, whichever is asked"
            asked.append((work, door.system, connections, seconds))
            rate = float(sum(one[:3] == (work, door.system, connections) for one in asked) ** 2)
            return Row(work=requests.named(work, connections), system=door.system, per_second=rate)

        return ask

    monkeypatch.setattr(requests, "homeward", lambda parts: opened(HOMEWARD))
    monkeypatch.setattr(requests, "nameko", lambda parts: opened(NAMEKO))
    monkeypatch.setattr(
        requests, "fastapi", lambda parts, workers: opened(FASTAPI if workers == 1 else FASTAPI_2)
    )
    monkeypatch.setattr(requests, "read", noting(READ))
    monkeypatch.setattr(requests, "command", noting(COMMAND))
    return asked


def test_all_systems_take_turns_there_and_back(asked):
    rows = requests.measure(None, Amounts((1, 8), 3, 2.0), tell=lambda what: None)

    first = next(rows)

    there, back = SYSTEMS, SYSTEMS[::-1]
    assert asked == [(READ, system, 1, 2.0) for system in there + back + there]
    # The stretches of each came to 1, 4 and 9.
    assert (first.work, first.system, first.per_second) == (requests.named(READ, 1), HOMEWARD, 4.0)

    rest = list(rows)

    assert [(row.work, row.system) for row in (first, *rest)] == [
        (requests.named(work, connections), system)
        for work in (READ, COMMAND)
        for connections in (1, 8)
        for system in SYSTEMS
    ]
    assert {row.per_second for row in rest} == {4.0}
