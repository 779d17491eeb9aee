"""Private RabbitMQ nodes: tests stop, kill and restart them, so no other node will do."""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import amqp
import pytest

from tests.ports import free_port

#: Where packages keep the server itself. Debian's /usr/sbin/rabbitmq-server is no such place: it
#: switches user and drops most settings.
_SERVERS = (
    Path("/usr/lib/rabbitmq/bin/rabbitmq-server"),
    Path("/usr/local/opt/rabbitmq/sbin/rabbitmq-server"),
    Path("/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server"),
    Path("/opt/rabbitmq/sbin/rabbitmq-server"),
)

#: How many virtual hosts are made in one go: each call of the tool takes seconds of processor time.
_VIRTUAL_HOSTS = 8

#: Runs the server in the place of this shell, and beside it what waits until nobody holds the other end of
#: standard input any more: whoever started the node was killed, and ends nothing. Where the server's script
#: stays around the node, the node is another process.
_UNTIL_ALONE = """
exec 3<&0 </dev/null
{
    read -r nothing <&3
    kill -KILL $$
    kill -KILL "$(cat "$1/pid")"
    epmd -port "$ERL_EPMD_PORT" -kill
    rm -rf "$1"
    kill -KILL 0
} &
exec "$0" 3<&-
"""

_CONFIGURATION = """\
# A test needs little room; the default would block publishers on a small disk.
disk_free_limit.absolute = 50MB
log.file.level = warning
log.console = false
collect_statistics = none
"""


class NodeUnavailable(RuntimeError):
    """Raised when there is no RabbitMQ on this machine and none can be installed."""


class RabbitNode:
    """One RabbitMQ node with its own name, ports, cookie and data, all in one folder."""

    def __init__(self, server: Path, folder: Path, *, configuration: str = "") -> None:
        """Prepare a node that runs *server* and keeps everything in *folder*; see :meth:`start`."""
        self.folder = folder
        self.port, self._distribution_port, self._epmd_port = (free_port() for _ in range(3))
        self.name = f"homeward-{secrets.token_hex(4)}@localhost"
        self._server = server
        self._process: subprocess.Popen[bytes] | None = None
        self._virtual_hosts: list[str] = []
        (folder / "rabbitmq.conf").write_text(_CONFIGURATION + configuration)
        (folder / "enabled_plugins").write_text("[].\n")

    @classmethod
    def start_private(cls, configuration: str = "") -> "RabbitNode":
        """Start a node in a fresh folder, installing RabbitMQ first where that is possible.

        :param configuration: lines of ``rabbitmq.conf`` beside those of every test's node.
        :raises NodeUnavailable: when there is none and none can be installed.
        """
        node = cls(
            _installed_server(), Path(tempfile.mkdtemp(prefix="hw-rabbit-")), configuration=configuration
        )
        try:
            node.start()
        except BaseException:
            node.discard()
            raise
        return node

    @property
    def url(self) -> str:
        """The AMQP URL of the node."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    @property
    def is_running(self) -> bool:
        """Whether the node accepts a client."""
        return _accepts_clients(self.port)

    def start(self, *, timeout_seconds: float = 180.0) -> None:
        """Start the node and wait until clients can use it; what it knew before is there again."""
        with (self.folder / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _UNTIL_ALONE, str(self._server), str(self.folder)],
                env=self._environment(),
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=console,
                # A group of its own, so that the shell around the server goes with it.
                start_new_session=True,
            )
        ends = time.monotonic() + timeout_seconds
        while not self.is_running:
            if self._process.poll() is not None or time.monotonic() > ends:
                console_text = (self.folder / "console.log").read_text(errors="replace")
                raise RuntimeError(f"the RabbitMQ node did not start:\n{console_text[-2000:]}")
            time.sleep(0.05)

    def stop(self, *, timeout_seconds: float = 30.0) -> None:
        """Stop the node in good order."""
        if self._process is None:
            return
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.folder / "pid").read_text()), signal.SIGTERM)
            self._process.wait(timeout=timeout_seconds)
        self.kill()

    def kill(self) -> None:
        """End the node as a crash would, at once and without a word.

        RabbitMQ 3.10 writes the directory of its quorum queues about half a second after one is
        declared; killed before that, it never finds the queue again.
        """
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None  # for the type checker: it is a pipe
        self._process.stdin.close()
        self._process = None
        (self.folder / "pid").unlink(missing_ok=True)

    def restart(self) -> None:
        """Stop the node in good order and start it again."""
        self.stop()
        self.start()

    def discard(self) -> None:
        """End the node and remove all that it kept."""
        self.kill()
        epmd = shutil.which("epmd")
        if epmd:
            # The node started a name server of its own on a private port.
            subprocess.run(
                [epmd, "-port", str(self._epmd_port), "-kill"],
                check=False,
                capture_output=True,
                stdin=subprocess.DEVNULL,
            )
        shutil.rmtree(self.folder, ignore_errors=True)

    def ctl(self, *arguments: str) -> str:
        """Run ``rabbitmqctl`` on the node and return what it prints (takes a second or two)."""
        done = subprocess.run(
            [str(self._server.with_name("rabbitmqctl")), "--node", self.name, "--quiet", *arguments],
            env=self._environment(),
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=180,
            text=True,
        )
        return done.stdout

    def virtual_host(self) -> str:
        """Return the name of a virtual host that nobody else uses; it lasts as long as the node."""
        if not self._virtual_hosts:
            self._virtual_hosts = [f"test-{secrets.token_hex(8)}" for _ in range(_VIRTUAL_HOSTS)]
            listed = ", ".join(f'<<"{name}">>' for name in self._virtual_hosts)
            self.ctl(
                "eval",
                '[begin rabbit_vhost:add(Name, <<"tests">>), rabbit_auth_backend_internal:set_permissions('
                '<<"guest">>, Name, <<".*">>, <<".*">>, <<".*">>, <<"tests">>) end || Name <- '
                f"[{listed}]].",
            )
        return self._virtual_hosts.pop()

    def __enter__(self) -> Self:
        """Use the running node in a block."""
        return self

    def __exit__(self, *error: object) -> None:
        """Leave nothing of it behind."""
        self.discard()

    def _environment(self) -> dict[str, str]:
        at = self.folder
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            # The cookie lies in the home folder.
            "HOME": str(at),
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": str(at / "mnesia"),
            "RABBITMQ_LOG_BASE": str(at / "log"),
            "RABBITMQ_CONFIG_FILE": str(at / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(at / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(at / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(at / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # It ends when told to, also where it has not noticed yet that the node was killed.
            "ERL_EPMD_RELAXED_COMMAND_CHECK": "1",
        }


def node_or_skip(configuration: str = "") -> RabbitNode:
    """Start a private node; without RabbitMQ skip the test, and fail it where CI is set."""
    try:
        return RabbitNode.start_private(configuration)
    except NodeUnavailable as missing:
        if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


#: How the reason begins for which tests are skipped for want of a node.
NO_RABBITMQ = "there is no RabbitMQ on this machine"


def _installed_server() -> Path:
    # One process at a time installs; the others find what it has installed.
    with (Path(tempfile.gettempdir()) / "homeward-installs-rabbitmq.lock").open("a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        found = _server()
        if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
            _install_with_apt()
            found = _server()
    if found is None:
        raise NodeUnavailable(
            f"{NO_RABBITMQ} and none could be installed: install your system's package"
            " (apt-get install rabbitmq-server, brew install rabbitmq) and run the tests again"
        )
    return found


def _server() -> Path | None:
    return next((server for server in _SERVERS if server.exists()), None)


def _install_with_apt() -> None:
    environment: dict[str, Any] = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "rabbitmq-server"]):
        # The package may fail to start a service where none can run; only the files matter.
        subprocess.run(
            ["apt-get", "-q", *arguments],
            env=environment,
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=600,
        )


def _accepts_clients(port: int) -> bool:
    try:
        with amqp.Connection(host=f"127.0.0.1:{port}", connect_timeout=2, read_timeout=2):
            return True
    except (OSError, amqp.AMQPError):
        return False
