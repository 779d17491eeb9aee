"""Statements as an older version sent them; ``python -m tests.faults.recorded`` writes them down.

They are the rows of a program in full swing, told in the columns that migration 0001 knew and no
others. A later migration that renames, drops or demands a column breaks the version before it.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import sqlalchemy as sa
from alembic import command

from homeward import schema
from homeward.postgres import PrivatePostgres
from shared.contracts.event import SERVICES
from shared.database import new_engine
from tests.door.program import Opening
from tests.journeys.house import DistributedHouse
from tests.nodes import RabbitNode

#: The version whose statements are kept, and where.
VERSION = "0001"
FOLDER = Path(__file__).parent / "old_versions"

#: Rows kept of each table: enough for every way in which its columns are filled.
ROWS = 4

#: Columns of each table as they stand; what the database numbers by itself is in no INSERT.
_COLUMNS = """
    SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position)
    FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name <> 'alembic_version' AND is_identity = 'NO'
    GROUP BY table_name ORDER BY table_name
"""


def upgrade(url: str, service: str, version: str) -> None:
    """Bring a database to one version of a service's schema."""
    engine = new_engine(url)
    with engine.connect() as connection:
        command.upgrade(schema._config(service, connection), version)
        connection.commit()
    engine.dispose()


@contextlib.contextmanager
def connected(url: str) -> Iterator["psycopg2.extensions.cursor"]:
    """Open a plain connection to a database, and commit at the end."""
    parsed = sa.make_url(url)
    with (
        contextlib.closing(
            psycopg2.connect(host=parsed.query["host"], user=parsed.username, dbname=parsed.database)
        ) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        yield cursor


def columns_of(url: str) -> dict[str, list[str]]:
    """Return the columns of every table that somebody has to fill."""
    with connected(url) as cursor:
        cursor.execute(_COLUMNS)
        return dict(cursor.fetchall())


def _inserts(url: str, columns: dict[str, list[str]]) -> Iterator[str]:
    with connected(url) as cursor:
        for table, names in columns.items():
            listed = ", ".join(f'"{name}"' for name in names)
            values = " || ', ' || ".join(f'quote_nullable("{name}"::text)' for name in names)
            cursor.execute(f'SELECT {values} FROM "{table}" ORDER BY {listed} LIMIT {ROWS}')
            for (row,) in cursor.fetchall():
                yield f'INSERT INTO "{table}" ({listed}) VALUES ({row});'


def record() -> None:
    """Fill a house over HTTP and write down what its tables hold."""
    FOLDER.mkdir(exist_ok=True)
    with contextlib.ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="hw-record-")))
        folder.chmod(0o755)
        server = PrivatePostgres(folder / "pg", durable=False)
        ending.callback(server.discard)
        server.start()
        node = ending.enter_context(RabbitNode.start_private())
        house = DistributedHouse(server, node, folder)
        ending.callback(house.discard)
        Opening(house).open()
        house.door.settle()
        for service in SERVICES:
            server.create_databases([f"old_{service}"])
            upgrade(server.url_of(f"old_{service}"), service, VERSION)
            columns = columns_of(server.url_of(f"old_{service}"))
            lines = _inserts(house.settings.database_url_of(service), columns)
            (FOLDER / f"{VERSION}_{service}.sql").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    record()
