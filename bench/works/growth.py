"""Growth: the same works with a year and more behind them."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

from bench.house import open_house
from bench.parts import Parts
from bench.past import put_behind
from bench.rows import HOMEWARD, Row
from bench.works import events, requests

REACTION, READ, COMMAND = "reaction with one insert", "read one record", "command that writes a row"
EMPTY, GROWN = "{work}, nothing behind it", "{work}, {events:,} events and {patients:,} patients behind it"

#: By how many connections reading and writing are asked.
CONNECTIONS = 16


@dataclasses.dataclass(frozen=True)
class Amounts:
    """How much is put behind, and how much is done before and after."""

    events: int
    patients: int
    reactions: int
    seconds: float


FULL = Amounts(1_000_000, 100_000, 30_000, 8.0)
QUICK = Amounts(50_000, 5_000, 5_000, 1.2)


def measure(parts: Parts, amounts: Amounts, tell: Callable[[str], None]) -> Iterator[Row]:
    """Measure Homeward with nothing behind it, and with much."""
    tell("growth: reaction")
    with events.side_of(parts, HOMEWARD) as side:
        yield events.react(side, amounts.reactions, work=EMPTY.format(work=REACTION))
        tell(f"growth: {amounts.events} events behind the reaction")
        for database, tables in (
            ("monitoring", {"inbox": amounts.events, "audit": amounts.events, "noted_weeks": amounts.events}),
            ("scheduling", {"outbox": amounts.events}),
        ):
            with contextlib.closing(parts.connect(side.database_url, database)) as connection:
                put_behind(connection, tables)
        yield events.react(side, amounts.reactions, work=grown(REACTION, amounts))
    tell("growth: requests")
    with open_house(parts, ("intake", "gateway")) as house:
        door = requests.door_of(parts, house)
        for work, measured in ((READ, requests.read), (COMMAND, requests.command)):
            yield measured(door, CONNECTIONS, amounts.seconds, work=EMPTY.format(work=work))
        tell(f"growth: {amounts.patients} patients behind the requests")
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
            with contextlib.closing(parts.connect(house.database_url, service)) as connection:
                put_behind(connection, tables)
        for work, measured in ((READ, requests.read), (COMMAND, requests.command)):
            yield measured(door, CONNECTIONS, amounts.seconds, work=grown(work, amounts))


def grown(work: str, amounts: Amounts) -> str:
    """Return the name of a work with so much behind it."""
    return GROWN.format(work=work, events=amounts.events, patients=amounts.patients)


def is_grown(name: str, work: str) -> bool:
    """Return whether a work is this one with anything behind it, however much."""
    return name.startswith(f"{work}, ") and name.endswith(" patients behind it")
