"""A service's room whose way to the database is counted."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from homeward.postgres import PrivatePostgres
from tests.costs.counting import Measured, Proxy, postgres
from tests.support import Room, settings_for_tests


@pytest.fixture
def measured(
    postgres_server: PrivatePostgres, database_of: Callable[[str], str]
) -> Iterator[Callable[[type], Measured]]:
    """Return a function that puts a service into a room whose way to the database is counted."""
    ending: list[Callable[[], Any]] = []

    def enter(service_class: Any) -> Measured:
        parsed = sa.make_url(database_of(service_class.name))
        socket_folder = parsed.query["host"]
        proxy = Proxy(Path(str(socket_folder)) / ".s.PGSQL.5432", postgres)
        query = {"sslmode": "disable", "gssencmode": "disable"}
        through = parsed.set(host="127.0.0.1", port=proxy.port, query=query)
        room = Room(service_class, url=through.render_as_string(), settings=settings_for_tests())
        ending.extend([room.close, proxy.__exit__])
        return Measured(room, proxy)

    yield enter
    for end in ending:
        end()
