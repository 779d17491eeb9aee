"""The databases as their migrations leave them: what the tables say, and nothing else."""

import pytest
import sqlalchemy as sa

from homeward import schema
from homeward.packages import metadata_of
from homeward.postgres import PrivatePostgres
from shared.contracts.event import SERVICES
from shared.database import new_engine
from shared.ids import new_id
from tests.support import settings_for_tests
from tests.templates import create_migrated

pytestmark = pytest.mark.database


#: Tables whose rows are nobody's in particular.
OF_NO_TENANT = {
    #: One run is for every tenant.
    "job_runs",
    #: Nobody can read whose it is.
    "quarantine",
}


@pytest.mark.parametrize("service", SERVICES)
def test_every_row_says_whose_it_is(service: str) -> None:
    without = {name for name, table in metadata_of(service).tables.items() if "tenant_id" not in table.c}

    assert without <= OF_NO_TENANT
    assert not [
        name
        for name, table in metadata_of(service).tables.items()
        if name not in without and table.c.tenant_id.nullable
    ]


#: Names of primary keys, foreign keys, and of what is unique, checked or excluded; and those of indexes.
_CONSTRAINTS = sa.text(
    "SELECT conname FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'f', 'u', 'c', 'x')"
)
_INDEXES = sa.text("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")


@pytest.mark.parametrize("service", SERVICES)
class TestMigrations:
    def test_lead_to_the_tables_of_the_service(self, postgres_server: PrivatePostgres, service: str) -> None:
        url = create_migrated(postgres_server, new_id().replace("-", ""), (service,))

        assert schema.differences(settings_for_tests(HOMEWARD_DATABASE_URL=url), service) == []

    def test_give_each_table_its_storage_parameters(
        self, postgres_server: PrivatePostgres, service: str
    ) -> None:
        url = create_migrated(postgres_server, new_id().replace("-", ""), (service,))
        engine = new_engine(url.format(service=service))
        with engine.connect() as connection:
            found = {
                name: dict(option.split("=") for option in options or ())
                for name, options in connection.execute(
                    sa.text("SELECT relname, reloptions FROM pg_class WHERE relkind = 'r'")
                )
            }
        engine.dispose()

        tables = metadata_of(service).tables
        wanted = {name: table.dialect_options["postgresql"]["with"] or {} for name, table in tables.items()}
        assert {name: found[name] for name in tables} == wanted
        assert wanted["outbox"]

    def test_call_each_constraint_and_index_what_the_tables_call_it(
        self, postgres_server: PrivatePostgres, service: str
    ) -> None:
        url = create_migrated(postgres_server, new_id().replace("-", ""), (service,))
        engine = new_engine(url.format(service=service))
        with engine.connect() as connection:
            constraints = connection.scalars(_CONSTRAINTS)
            indexes = connection.scalars(_INDEXES)
            found = {*constraints, *indexes} - {"alembic_version_pkc"}
            names = connection.dialect.identifier_preparer
        engine.dispose()

        tables = metadata_of(service).tables.values()
        wanted = {names.format_constraint(one) for table in tables for one in table.constraints}
        wanted |= {names.format_index(one) for table in tables for one in table.indexes}
        assert (found - wanted, wanted - found) == (set(), set())
