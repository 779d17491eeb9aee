"""In which order systems react to what waits; how fast they do is measured in test_small_run.py."""

import contextlib
import itertools

from bench.rows import HOMEWARD, Row
from bench.works import events
from bench.works.events import CELERY, FASTSTREAM, NAMEKO, Amounts

SYSTEMS = [HOMEWARD, NAMEKO, FASTSTREAM, CELERY]


class NotingSide:
    """Notes what is asked of one system."""

    def __init__(self, system: str, noted: list[tuple[str, str]]) -> None:
        self.system, self._noted = system, noted

    def make_queue(self) -> None:
        self._noted.append(("make queue", self.system))

    def begin_anew(self) -> None:
        self._noted.append(("begin anew", self.system))

    def react(self, number: int) -> Row:
        self._noted.append((f"react to {number}", self.system))
        return Row(work=events.REACTION, system=self.system, per_second=float(len(self._noted)))


def test_systems_react_in_turn_there_and_back_to_their_own_amounts(monkeypatch):
    noted: list[tuple[str, str]] = []
    monkeypatch.setattr(
        events, "side_of", lambda parts, system: contextlib.nullcontext(NotingSide(system, noted))
    )
    monkeypatch.setattr(events, "react", NotingSide.react)

    rows = events.measure(None, Amounts(2, 60, 20, 0, 0, 0, 0), tell=lambda what: None)
    reactions = list(itertools.islice(rows, len(SYSTEMS)))

    assert [row.system for row in reactions] == SYSTEMS
    # Queues of others are there only once somebody has consumed from them.
    assert noted[:3] == [("make queue", system) for system in SYSTEMS[1:]]
    in_turn = [
        one
        for system in SYSTEMS + SYSTEMS[::-1]
        for one in (
            ("begin anew", system),
            ("react to 60" if system == HOMEWARD else "react to 20", system),
        )
    ]
    assert noted[3:] == in_turn
