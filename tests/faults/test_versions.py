"""Promise 8: old and new side by side, on a schema that was recorded when it was the newest."""

import re
from collections.abc import Callable

import pytest

from homeward import schema
from homeward.packages import service_class_of
from homeward.postgres import PrivatePostgres
from shared.contracts.event import SERVICES, Envelope
from shared.ids import new_id
from shared.messaging import inbox
from shared.messaging.inbox import Delivery
from tests.faults.recorded import FOLDER, VERSION, columns_of, connected, upgrade
from tests.support import Room, settings_for_tests

pytestmark = pytest.mark.database


def statements_of(service: str) -> str:
    return (FOLDER / f"{VERSION}_{service}.sql").read_text()


def announced_by(service: str) -> list[Envelope]:
    """Return the events in a service's recorded outbox."""
    lines = [line for line in statements_of(service).splitlines() if line.startswith('INSERT INTO "outbox"')]
    bodies = [re.search(r"x([0-9a-f]{100,})'", line) for line in lines]
    return [Envelope.from_bytes(bytes.fromhex(body[1])) for body in bodies if body]


def write_as_before(url: str, service: str) -> None:
    """Carry out the recorded statements; not all rows that a row refers to are among them."""
    with connected(url) as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statements_of(service))


def rows_in(url: str, columns: dict[str, list[str]]) -> dict[str, list[tuple]]:
    """Return all rows, asked for by the old columns alone."""
    found = {}
    with connected(url) as cursor:
        for table, names in columns.items():
            listed = ", ".join(f'"{name}"' for name in names)
            cursor.execute(f'SELECT {listed} FROM "{table}" ORDER BY {listed}::text')
            found[table] = cursor.fetchall()
    return found


@pytest.fixture(scope="module")
def database_at(postgres_server: PrivatePostgres) -> Callable[[str, str], str]:
    """Return what makes a database of the old version with its data, at that version or brought to another.

    Each is made once for a service and then copied.
    """
    made: set[str] = set()

    def template_at(service: str, version: str) -> str:
        name = f"{version}_{service}"
        if name not in made:
            if version == VERSION:
                postgres_server.create_databases([name])
            else:
                postgres_server.create_databases([name], template=template_at(service, VERSION))
            upgrade(postgres_server.url_of(name), service, version)
            if version == VERSION:
                write_as_before(postgres_server.url_of(name), service)
            made.add(name)
        return name

    def make(service: str, version: str) -> str:
        name = f"old_{service}_{new_id().replace('-', '')}"
        postgres_server.create_databases([name], template=template_at(service, version))
        return postgres_server.url_of(name)

    return make


@pytest.mark.parametrize("service", SERVICES)
class TestTheOldVersion:
    def test_keeps_its_data_through_the_upgrade(self, database_at, service: str) -> None:
        old = database_at(service, VERSION)
        columns = columns_of(old)
        before = rows_in(old, columns)
        assert sum(len(rows) for rows in before.values()) > 10

        assert rows_in(database_at(service, "head"), columns) == before

    def test_goes_on_writing_into_the_new_schema(self, database_at, service: str) -> None:
        old = database_at(service, VERSION)
        columns = columns_of(old)
        before = rows_in(old, columns)
        url = database_at(service, "head")
        with connected(url) as cursor:
            cursor.execute("TRUNCATE " + ", ".join(f'"{table}"' for table in columns) + " CASCADE")
        write_as_before(url, service)

        assert rows_in(url, columns) == before

    def test_is_understood_by_the_new_one(self, database_at, service: str) -> None:
        url = database_at(service, "head")
        room = Room(service_class_of(service), url=url, settings=settings_for_tests())
        assert announced_by(service) or service == "gateway"
        # What it had in its hands comes again: known already, or told by an old announcer.
        for envelope in [told for other in SERVICES for told in announced_by(other)]:
            if service in envelope.event.reacting:
                inbox.take(room.host, [Delivery(envelope.to_bytes())])
        room.settle()
        with room.host.transaction(None) as db:
            failed = [row for row in inbox.list_parked(db) if row["error"] != "TooEarly"]
        room.close()
        assert failed == []

    def test_has_every_table_of_the_new_one_filled_or_new(self, database_at, service: str) -> None:
        known = set(columns_of(database_at(service, VERSION)))
        url = database_at(service, "head")
        assert known <= set(columns_of(url))
        assert set(schema.metadata_of(service).tables) == set(columns_of(url))
