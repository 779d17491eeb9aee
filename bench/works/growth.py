"""Growth: the same works with a year and more behind them."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import psycopg2
from psycopg2 import sql

from bench.house import open_house
from bench.parts import Parts
from bench.rows import HOMEWARD, Row
from bench.works import events, requests

REACTION, READ, COMMAND = "reaction with one insert", "read one record", "command that writes a row"
EMPTY, GROWN = "{work}, nothing behind it", "{work}, {events:,} events and {patients:,} patients behind it"

#: By how many connections reading and writing are asked.
CONNECTIONS = 16

#: What every row of the past gets of its own; everything else is copied from a row that the service wrote.
#: Moments are spread over the last fortnight, so that nothing of it is pruned meanwhile.
_FRESH = {
    "event_id": "uuidv7(-n * interval '1 second')",
    "command_id": "uuidv7(-n * interval '1 second')",
    "episode_id": "uuidv7(-n * interval '1 second')",
    "patient_id": "uuidv7(-n * interval '1 second')",
    "journey_id": "uuidv7(-n * interval '1 second')",
    "referral_id": "uuidv7(-n * interval '1 second')",
    "identity_index": "sha256(uuidv7()::text::bytea)",
    "cause_id": "gen_random_uuid()::text",
    "correlation_id": "gen_random_uuid()::text",
    "causation_id": "gen_random_uuid()::text",
    "about_id": "gen_random_uuid()",
    "link": "10000000 + n",
    "announced_at": "now() - n * interval '1 second'",
    "dispatched_at": "now() - n * interval '1 second'",
    "received_at": "now() - n * interval '1 second'",
    "recorded_at": "now() - n * interval '1 second'",
    "occurred_at": "now() - n * interval '1 second'",
    "carried_out_at": "now() - n * interval '1 second'",
    "acted_at": "now() - n * interval '1 second'",
}


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
                _put_behind(connection, tables)
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
                _put_behind(connection, tables)
        for work, measured in ((READ, requests.read), (COMMAND, requests.command)):
            yield measured(door, CONNECTIONS, amounts.seconds, work=grown(work, amounts))


def grown(work: str, amounts: Amounts) -> str:
    """Return the name of a work with so much behind it."""
    return GROWN.format(work=work, events=amounts.events, patients=amounts.patients)


def is_grown(name: str, work: str) -> bool:
    """Return whether a work is this one with anything behind it, however much."""
    return name.startswith(f"{work}, ") and name.endswith(" patients behind it")


def _put_behind(connection: "psycopg2.extensions.connection", tables: dict[str, int]) -> None:
    """Copy a row of each table so often that it holds so many more, each with ids and moments of its own."""
    cursor = connection.cursor()
    for table, number in tables.items():
        cursor.execute(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name = %s AND is_identity = 'NO' AND"
            " (column_name <> 'position' OR is_nullable = 'YES') ORDER BY ordinal_position",
            [table],
        )
        columns = [name for (name,) in cursor.fetchall()]
        values = [
            sql.SQL(_FRESH["link"])
            if column == "position"
            else sql.SQL(_FRESH[column])
            if column in _FRESH
            else sql.SQL("model.{}").format(sql.Identifier(column))
            for column in columns
        ]
        # Foreign keys would ask for people whom nobody looks at.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            sql.SQL(
                "INSERT INTO {table} ({columns}) SELECT {values}"
                " FROM (SELECT * FROM {table} LIMIT 1) AS model, generate_series(1, %s) AS n"
            ).format(
                table=sql.Identifier(table),
                columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
                values=sql.SQL(", ").join(values),
            ),
            [number],
        )
        cursor.execute("SET session_replication_role = origin")
        cursor.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(table)))
    cursor.execute("CHECKPOINT")
