"""What is migrated once and copied: migrating anew for every house takes longer than most tests."""

import atexit
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path
from weakref import WeakKeyDictionary

from homeward import embedded, schema
from homeward.postgres import PrivatePostgres
from shared.contracts.event import SERVICES
from tests.support import settings_for_tests

#: The services whose template a server has.
_migrated: WeakKeyDictionary[PrivatePostgres, set[str]] = WeakKeyDictionary()


def create_migrated(server: PrivatePostgres, run: str, names: tuple[str, ...]) -> str:
    """Create an empty database for each name, as the migrations leave it; return the template of the URLs.

    :param run: what sets the databases of one house apart from those of others.
    """
    made = _migrated.setdefault(server, set())
    if wanted := tuple(name for name in SERVICES if name in names and name not in made):
        server.create_databases([f"migrated_{name}" for name in wanted])
        settings = settings_for_tests(HOMEWARD_DATABASE_URL=server.url_of("migrated_{service}"))
        schema.migrate(settings, wanted)
        made.update(wanted)
    for name in names:
        template = f"migrated_{name}" if name in SERVICES else "template1"
        server.create_databases([f"{name}_{run}"], template=template)
    return server.url_of("{service}_" + run)


def furnish(folder: Path) -> None:
    """Put a PostgreSQL with empty, migrated databases into the folder of an embedded house."""
    # The user that PostgreSQL runs as must reach it.
    folder.chmod(0o755)
    made = _embedded() / "postgres"
    if (made / "data").exists():
        # Its files belong to several users.
        subprocess.run(["cp", "-a", str(made), str(folder / "postgres")], check=True)


@functools.cache
def _embedded() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="hw-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    settings = settings_for_tests(HOMEWARD_DATABASE_URL="", HOMEWARD_DATA_DIR=str(folder))
    _, server = embedded.prepare(settings)
    server.stop()
    return folder
