"""The schemas of the databases: bringing them up to date, one alembic history a service."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from homeward.packages import metadata_of, package_of
from shared.contracts.event import SERVICES
from shared.database import new_engine
from shared.settings import Settings

_ROOT = Path(__file__).parent.parent

#: Advisory lock under which one process at a time migrates a database.
_MIGRATION_LOCK = 4_201_002


def migrate(settings: Settings, services: tuple[str, ...] = SERVICES) -> None:
    """Bring the database of each service up to date; several processes may do so at once."""
    for service in services:
        engine = new_engine(settings.database_url_of(service))
        with engine.connect() as connection:
            connection.execute(sa.text("SET lock_timeout = 0"))
            connection.execute(sa.select(sa.func.pg_advisory_lock(_MIGRATION_LOCK)))
            connection.commit()
            try:
                command.upgrade(_config(service, connection), "head")
                connection.commit()
            finally:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(_MIGRATION_LOCK)))
                connection.commit()
        engine.dispose()


def write_migration(settings: Settings, service: str, message: str) -> None:
    """Write the next migration of a service from what its tables say and its database lacks."""
    engine = new_engine(settings.database_url_of(service))
    with engine.connect() as connection:
        config = _config(service, connection)
        number = sum(1 for _ in ScriptDirectory.from_config(config).walk_revisions()) + 1
        command.revision(config, message=message, autogenerate=True, rev_id=f"{number:04}")
    engine.dispose()


def differences(settings: Settings, service: str) -> list[object]:
    """Return what the tables say and the migrated database does not, or the other way round."""
    engine = new_engine(settings.database_url_of(service))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = list(compare_metadata(context, metadata_of(service)))
    engine.dispose()
    return found


def _config(service: str, connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_ROOT / "homeward" / "migrations"))
    versions = _ROOT.joinpath(*package_of(service).split(".")) / "migrations"
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["metadata"] = metadata_of(service)
    return config
