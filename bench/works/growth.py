"""Growth: the same works with a year and more behind them."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

from bench.house import open_house
from bench.parts import Parts
from bench.past import put_behind
from bench.rows import HOMEWARD, Row
from bench.stretches import in_turn, medians
from bench.works import events, requests

REACTION, READ, COMMAND = "reaction with one insert", "read one record", "command that writes a row"
EMPTY, GROWN = "{work}, nothing behind it", "{work}, {events:,} events and {patients:,} patients behind it"

#: By how many connections reading and writing are asked.
CONNECTIONS = 16


@dataclasses.dataclass(frozen=True)
class Amounts:
    """How much is put behind, and in how many stretches each is measured, in turn."""

    events: int
    patients: int
    stretches: int
    #: Events that wait at the beginning of a stretch, and seconds of requests in one.
    reactions: int
    seconds: float


FULL = Amounts(1_000_000, 100_000, 7, 10_000, 3.0)
QUICK = Amounts(50_000, 5_000, 2, 5_000, 0.8)


def measure(parts: Parts, amounts: Amounts, tell: Callable[[str], None]) -> Iterator[Row]:
    """Measure Homeward with nothing behind it and with much, in turn.

    Both are there at once, so that whatever makes the machine faster or slower meanwhile is the same for
    both. One after the other, the same Python code took 30 % more for a request in one than in the other.
    """
    yield from _reactions(parts, amounts, tell)
    yield from _requests(parts, amounts, tell)


def _reactions(parts: Parts, amounts: Amounts, tell: Callable[[str], None]) -> Iterator[Row]:
    works = EMPTY.format(work=REACTION), grown(REACTION, amounts)
    with events.side_of(parts, HOMEWARD) as empty, events.side_of(parts, HOMEWARD) as old:
        tell(f"growth: {amounts.events} events behind a reaction")
        # What is put behind are copies of what this leaves.
        for side in (empty, old):
            events.react(side, 2_000)
        for database, tables in (
            ("monitoring", {"inbox": amounts.events, "audit": amounts.events, "noted_weeks": amounts.events}),
            ("scheduling", {"outbox": amounts.events}),
        ):
            with contextlib.closing(parts.connect(old.database_url, database)) as connection:
                put_behind(connection, tables)
        tell("growth: reactions in turn")
        found = [
            events.react(side, amounts.reactions, work=work)
            for side, work in in_turn(list(zip((empty, old), works, strict=True)), amounts.stretches)
        ]
    yield from medians(found)


def _requests(parts: Parts, amounts: Amounts, tell: Callable[[str], None]) -> Iterator[Row]:
    services = ("intake", "gateway")
    with open_house(parts, services) as empty, open_house(parts, services) as old:
        doors = [requests.door_of(parts, house) for house in (empty, old)]
        for door in doors:
            # Of a command, too, there must be something to copy.
            requests.command(door, CONNECTIONS, min(1.0, amounts.seconds))
        tell(f"growth: {amounts.patients} patients behind a request")
        past = {
            "intake": {
                "outbox": amounts.events,
                "audit": amounts.events,
                "commands": amounts.events,
                "patients": amounts.patients,
                "referrals": amounts.patients,
                "episodes": amounts.patients,
            },
            "gateway": {"archive": amounts.events, "audit": amounts.events, "inbox": amounts.events},
        }
        for service, tables in past.items():
            with contextlib.closing(parts.connect(old.database_url, service)) as connection:
                put_behind(connection, tables)
        tell("growth: requests in turn")
        for work, measured in ((READ, requests.read), (COMMAND, requests.command)):
            works = EMPTY.format(work=work), grown(work, amounts)
            found = [
                measured(door, CONNECTIONS, amounts.seconds, work=name)
                for door, name in in_turn(list(zip(doors, works, strict=True)), amounts.stretches)
            ]
            yield from medians(found)


def grown(work: str, amounts: Amounts) -> str:
    """Return the name of a work with so much behind it."""
    return GROWN.format(work=work, events=amounts.events, patients=amounts.patients)


def is_grown(name: str, work: str) -> bool:
    """Return whether a work is this one with anything behind it, however much."""
    return name.startswith(f"{work}, ") and name.endswith(" patients behind it")
