"""The embedded set-up: gateway, services, broker and PostgreSQL out of one folder and one process."""

import base64
import contextlib
import dataclasses
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from homeward.postgres import PrivatePostgres
from shared.contracts.event import write_moment
from shared.settings import DATABASES, Settings, environment_of

#: Written by the process once it serves: its address and the tokens of each role.
READY_FILE = "ready.json"

#: The keys that it made, in the same folder.
KEYS_FILE = "keys.json"

#: How long a start may take before it is called failed.
START_SECONDS = 180.0


class PortInUse(RuntimeError):
    """Raised when somebody already answers where the gateway is to listen."""


class StartFailed(RuntimeError):
    """Raised when the embedded set-up ended, or was not ready in time."""


def refuse_port_in_use(host: str, port: int, *, variable: str) -> None:
    """Refuse a port on which somebody answers: two servers could share it in silence.

    :param variable: the setting that names another one.
    :raises PortInUse: when a connection is accepted there.
    """
    with (
        contextlib.suppress(OSError),
        contextlib.closing(socket.create_connection((host, port), timeout=0.5)),
    ):
        raise PortInUse(f"Port {port} on {host} is in use: set {variable} to another one.")


def prepare(settings: Settings) -> tuple[Settings, PrivatePostgres]:
    """Start the folder's PostgreSQL, make keys and databases where missing, and migrate.

    :returns: the settings with everything filled in, and the server to stop at the end.
    """
    from homeward.schema import migrate  # noqa: PLC0415  # loads every service

    folder = Path(settings.data_dir).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    # A simulation need not outlive a power cut; it does outlive the death of any process.
    server = PrivatePostgres(folder / "postgres", durable=settings.clock == "real")
    url = server.start()
    keys = _keys_in(folder)
    filled = dataclasses.replace(
        settings,
        database_url=settings.database_url or url,
        encryption_key=settings.encryption_key or keys["encryption_key"],
        token_key=settings.token_key or keys["token_key"],
    )
    server.create_databases([f"homeward_{name}" for name in DATABASES])
    migrate(filled)
    return filled, server


def _keys_in(folder: Path) -> dict[str, str]:
    place = folder / KEYS_FILE
    if not place.exists():
        keys = {
            name: base64.b64encode(secrets.token_bytes(32)).decode()
            for name in ("encryption_key", "token_key")
        }
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(keys, file)
    found: dict[str, str] = json.loads(place.read_text())
    return found


def write_ready(settings: Settings, *, url: str, tokens: dict[str, str]) -> None:
    """Tell whoever started this process where it serves; readable by the owner only."""
    place = Path(settings.data_dir).absolute() / READY_FILE
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"url": url, "tokens": tokens, "pid": os.getpid()}, file)


@dataclass
class Embedded:
    """A running embedded set-up, in a child process."""

    url: str
    tokens: dict[str, str]
    process: "subprocess.Popen[bytes]"
    log_file: Path

    def stop(self, *, timeout_seconds: float = 40.0) -> int:
        """End it in good order and return its status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def start(
    data_dir: Path | str,
    *,
    simulated_from: datetime | None = None,
    port: int = 0,
    settings: Settings | None = None,
    environment: dict[str, str] | None = None,
    popen: Callable[..., "subprocess.Popen[bytes]"] = subprocess.Popen,
) -> Embedded:
    """Start the embedded set-up in a child process and return once it is ready.

    :param data_dir: its folder; a fresh one begins with nothing.
    :param simulated_from: program time to begin at, for a simulation; real time otherwise.
    :param popen: what starts a process.
    :raises StartFailed: with the end of its log.
    """
    folder = Path(data_dir).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / READY_FILE).unlink(missing_ok=True)
    wanted = dataclasses.replace(
        settings or Settings(),
        data_dir=str(folder),
        http_port=port,
        clock="simulated" if simulated_from else "real",
    )
    command: list[Any] = [sys.executable, "-m", "homeward", "run", "--all", "--while-watched"]
    if simulated_from:
        command += ["--simulated-from", write_moment(simulated_from.astimezone(UTC))]
    log_file = folder / "homeward.log"
    with log_file.open("ab") as log:
        process = popen(
            command,
            # Held open for as long as we live: however we end, the child sees it and ends too.
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=Path(__file__).parent.parent,
            env={**os.environ, **environment_of(wanted), "HOMEWARD_PORT": str(port), **(environment or {})},
        )
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at:
        if (folder / READY_FILE).exists():
            try:
                ready = json.loads((folder / READY_FILE).read_text())
            except ValueError:
                continue
            return Embedded(ready["url"], ready["tokens"], process, log_file)
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise StartFailed("The embedded set-up did not start:\n" + log_file.read_text()[-4000:])
