"""Homeward as its operators run it: one process a service, on the bench's broker and database server."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import urllib3

from bench.parts import READY_SECONDS, ROOT, Parts, ProgramFailed, wait_until
from homeward.greeting import tokens_of
from shared.ids import new_id
from shared.settings import Settings, environment_of
from tests.ports import free_port
from tests.support import settings_for_tests


class House:
    """Running services behind the real gateway."""

    def __init__(self, settings: Settings, database_url: str) -> None:
        self.settings = settings
        self.database_url = database_url
        self.port = settings.http_port
        self.tokens = tokens_of(settings)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._pool = urllib3.PoolManager(maxsize=8, retries=False)

    def headers_of(self, role: str) -> dict[str, str]:
        """Return what every request of a role is sent with."""
        return {"Authorization": f"Bearer {self.tokens[role]}", "Content-Type": "application/json"}

    def post(self, path: str, body: Mapping[str, Any], *, role: str) -> dict[str, Any]:
        """Send a command and return its answer.

        :raises ProgramFailed: when it is refused.
        """
        answer = self._pool.request(
            "POST",
            f"http://127.0.0.1:{self.port}{path}",
            body=orjson.dumps(body),
            headers=self.headers_of(role) | {"Idempotency-Key": new_id()},
            timeout=30,
        )
        if not 200 <= answer.status < 300:
            raise ProgramFailed(f"{path} was answered with {answer.status}: {answer.data[:500]!r}")
        found: dict[str, Any] = orjson.loads(answer.data)
        return found

    def get(self, path: str, *, role: str) -> dict[str, Any]:
        """Ask a question and return its answer.

        :raises ProgramFailed: when it is refused.
        """
        answer = self._pool.request(
            "GET", f"http://127.0.0.1:{self.port}{path}", headers=self.headers_of(role), timeout=30
        )
        if answer.status != 200:
            raise ProgramFailed(f"{path} was answered with {answer.status}: {answer.data[:500]!r}")
        found: dict[str, Any] = orjson.loads(answer.data)
        return found

    def is_ready(self) -> bool:
        """Return whether the gateway and every service behind it answer."""
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            url = f"http://127.0.0.1:{self.port}"
            return (
                self._pool.request("GET", f"{url}/readyz", timeout=5).status == 200
                and self._pool.request(
                    "GET", f"{url}/v1/sites", headers=self.headers_of("operations"), timeout=10
                ).status
                == 200
            )
        return False


@contextlib.contextmanager
def open_house(parts: Parts, services: tuple[str, ...]) -> Iterator[House]:
    """Start these services, the gateway among them, and wait until they answer.

    :raises ProgramFailed: when they do not in time.
    """
    with contextlib.ExitStack() as ending:
        database_url = ending.enter_context(parts.migrated_databases())
        settings = settings_for_tests(
            HOMEWARD_CLOCK="real",
            HOMEWARD_DATABASE_URL=database_url,
            HOMEWARD_BROKER_URL=ending.enter_context(parts.virtual_host()),
            HOMEWARD_PORT=str(free_port()),
        )
        house = House(settings, database_url)
        ending.callback(_end, house.processes)
        environment = {**os.environ, **environment_of(settings)}
        for service in services:
            log = ending.enter_context((parts.folder / f"{service}.log").open("ab"))
            process = parts.popen(
                [sys.executable, "-m", "homeward", "run", "--while-watched", service],
                cwd=ROOT,
                env=environment,
                # Held open for as long as we live: however we end, the process sees it and ends too.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
            house.processes[service] = process
        if not wait_until(house.is_ready, seconds=READY_SECONDS):
            logs = [(parts.folder / f"{service}.log").read_text()[-1500:] for service in services]
            raise ProgramFailed("Homeward was not ready in time:\n" + "\n".join(logs))
        yield house


def _end(processes: "dict[str, subprocess.Popen[bytes]]") -> None:
    # All are told before one is waited for: each takes its time.
    for process in processes.values():
        process.terminate()
    for process in processes.values():
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()
