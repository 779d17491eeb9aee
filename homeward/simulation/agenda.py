"""What people in the simulation mean to do, and when: the agenda that the driver works off."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum


class Turn(IntEnum):
    """Who goes first among actions of one moment."""

    ROSTER = 1
    DESK = 2
    ATTEMPT = 3
    DECISION = 4
    #: One at a time, in quiet: an admission takes seats, so its place in the row matters.
    ADMISSION = 5


@dataclass(order=True)
class Entry:
    """One thing to do about somebody.

    ``who`` and ``what`` settle the order among equals, so neither may contain an id of the server.
    """

    at: datetime
    turn: Turn
    who: str
    what: str
    do: Callable[[], object] = field(compare=False)


class Agenda:
    """Entries in the order of their moment, their turn, and whom and what they are about."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._heap: list[Entry] = []

    def add(self, at: datetime, turn: Turn, who: str, what: str, do: Callable[[], object]) -> None:
        """Write something down."""
        heapq.heappush(self._heap, Entry(at, turn, who, what, do))

    @property
    def next_at(self) -> datetime | None:
        """The moment of the first entry."""
        return self._heap[0].at if self._heap else None

    def take_due(self, now: datetime) -> list[Entry]:
        """Take out what is due and has the same turn, in order."""
        due = []
        while self._heap and self._heap[0].at <= now:
            due.append(heapq.heappop(self._heap))
        turn = min((entry.turn for entry in due), default=None)
        for entry in due:
            if entry.turn != turn:
                heapq.heappush(self._heap, entry)
        return [entry for entry in due if entry.turn == turn]
