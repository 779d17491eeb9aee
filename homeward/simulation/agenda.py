"""What people in the simulation mean to do, and when: the agenda that the driver works off."""

import heapq
import itertools
from collections.abc import Callable, Collection
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
    #: Everybody whom it concerns when it is done.
    concerns: Callable[[], Collection[str]] = field(compare=False)


class Agenda:
    """Entries in the order of their moment, their turn, and whom and what they are about."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._heap: list[Entry] = []

    def add(
        self,
        at: datetime,
        turn: Turn,
        who: str,
        what: str,
        do: Callable[[], object],
        *,
        concerns: Callable[[], Collection[str]] | None = None,
    ) -> None:
        """Write something down.

        :param concerns: who is concerned besides; nobody, unless told.
        """
        heapq.heappush(self._heap, Entry(at, turn, who, what, do, lambda: {who, *(concerns or set)()}))

    @property
    def next_at(self) -> datetime | None:
        """The moment of the first entry."""
        return self._heap[0].at if self._heap else None

    def take_due(self, now: datetime, *, busy: Collection[str] = ()) -> list[Entry]:
        """Take out what is due and can be done side by side, in order.

        Left for later are what concerns somebody who is *busy*, or has an earlier turn, and admissions until
        nothing else is due.
        """
        due = []
        while self._heap and self._heap[0].at <= now:
            due.append(heapq.heappop(self._heap))
        due.sort(key=lambda entry: (entry.turn, entry))
        taken: list[Entry] = []
        behind = set(busy)
        for turn, entries in itertools.groupby(due, key=lambda entry: entry.turn):
            concerned: set[str] = set()
            for entry in entries:
                too_early = turn == Turn.ADMISSION != due[0].turn
                about = entry.concerns()
                if too_early or not behind.isdisjoint(about):
                    behind.update(about)
                    heapq.heappush(self._heap, entry)
                else:
                    concerned.update(about)
                    taken.append(entry)
            behind |= concerned
        return taken
