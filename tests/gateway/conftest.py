"""A gateway with stubbed services behind it, as a process of its own."""

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import urllib3

from gateway import tokens
from homeward.postgres import PrivatePostgres
from shared.database import new_engine
from shared.ids import new_id
from shared.settings import DATABASES
from tests import forked, support

ROOT = Path(__file__).parent.parent.parent

#: Where the tests' tokens are from.
TENANT = "lakeside"
SETTINGS = support.settings_for_tests()
KEY = SETTINGS.token_key
#: Small, so that tests need not send much.
MAX_BODY_BYTES = 20_000


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the door answered."""

    status: int
    body: Any
    headers: Any

    @property
    def code(self) -> str:
        assert self.headers["content-type"] == "application/problem+json", self
        assert self.body["status"] == self.status
        found: str = self.body["code"]
        return found

    @property
    def fields(self) -> dict[str, str]:
        return {error["field"]: error["rule"] for error in self.body["errors"]}


class House:
    """The process, and requests to it."""

    def __init__(self, process: "subprocess.Popen[str]", port: int, database_url: str) -> None:
        self.process = process
        self.port = port
        self.database_url = database_url
        self._pool = urllib3.PoolManager(maxsize=16, retries=False)
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        self._lines.extend(self.process.stderr)

    def token(self, role: str = "clinician", **claims: Any) -> str:
        claims.setdefault("tenant", TENANT)
        claims.setdefault("actor_id", f"{role}-1")
        return tokens.mint(KEY, role=role, **claims)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: str = "clinician",
        token: str | None = None,
        headers: dict[str, str] | None = None,
        key: str | None = None,
    ) -> Answer:
        sent = {"Authorization": f"Bearer {token or self.token(role)}"}
        if method == "POST":
            sent["Idempotency-Key"] = key or new_id()
        sent |= headers or {}
        sent = {name: value for name, value in sent.items() if value}
        raw = body if isinstance(body, bytes) else None if body is None else orjson.dumps(body)
        response = self._pool.request(
            method, f"http://127.0.0.1:{self.port}{path}", body=raw, headers=sent, timeout=30
        )
        document = response.data
        if "json" in response.headers.get("content-type", "") and document:
            document = orjson.loads(document)
        return Answer(response.status, document, response.headers)

    def get(self, path: str, **options: Any) -> Answer:
        return self.send("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.send("POST", path, {} if body is None else body, **options)

    def raw(self, data: bytes, *, then: bytes = b"") -> bytes:
        """Send bytes as they are and return all that comes back until the connection ends."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(data)
            if then:
                with contextlib.suppress(OSError):
                    connection.sendall(then)
            received = b""
            with contextlib.suppress(OSError):
                while chunk := connection.recv(65536):
                    received += chunk
            return received

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=60)
        self._reader.join(timeout=5)
        return status

    @property
    def log(self) -> str:
        return "".join(self._lines)


class Builder:
    """Starts houses, each on empty databases that no other house uses meanwhile."""

    def __init__(self, server: PrivatePostgres) -> None:
        self._server = server
        self._houses: list[House] = []
        #: Emptied databases of houses that have ended: making new ones takes longer than a start.
        self._spare: list[str] = []

    def databases(self) -> str:
        """Return the template of the addresses of empty databases, for one house."""
        return self._spare.pop() if self._spare else self._make_databases()

    def start(self, *, databases: str = "", **variables: str) -> House:
        url = databases or self.databases()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HOMEWARD_")},
            "HOMEWARD_DATABASE_URL": url,
            "HOMEWARD_ENCRYPTION_KEY": SETTINGS.encryption_key,
            "HOMEWARD_TOKEN_KEY": KEY,
            "HOMEWARD_PORT": "0",
            "HOMEWARD_MAX_BODY_BYTES": str(MAX_BODY_BYTES),
            "HOMEWARD_COMMAND_DEADLINE_SECONDS": "2",
            **variables,
        }
        process = forked.popen(
            [sys.executable, "-m", "tests.gateway.stubs"],
            cwd=ROOT,
            env=environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            assert process.stderr is not None
            raise AssertionError(f"the gateway did not start:\n{process.stderr.read()[-3000:]}")
        house = House(process, int(port), url)
        self._houses.append(house)
        return house

    def _make_databases(self) -> str:
        """Make databases for a house, with the gateway's tables, and return their template."""
        name = f"gate_{new_id().replace('-', '')[-12:]}"
        self._server.create_databases([f"{name}_{database}" for database in DATABASES])
        url = self._server.url_of(f"{name}_{{service}}")
        support.create_tables("gateway", url.replace("{service}", "gateway"))
        return url

    def end(self) -> None:
        """End every house: one that nobody asks any more still looks for work each second."""
        for house in self._houses:
            if house.process.poll() is None:
                house.process.kill()
                house.process.wait()
            if all(self._empty(house.database_url, database) for database in DATABASES):
                self._spare.append(house.database_url)
        self._houses = []

    @staticmethod
    def _empty(url: str, database: str) -> bool:
        engine = new_engine(url.replace("{service}", database))
        try:
            return support.emptied(engine)
        finally:
            engine.dispose()


@pytest.fixture(scope="session")
def shared_builder(postgres_server: PrivatePostgres) -> Iterator[Builder]:
    """What keeps databases from one module's houses for those of the next."""
    found = Builder(postgres_server)
    yield found
    found.end()


@pytest.fixture(scope="module")
def builder(shared_builder: Builder) -> Iterator[Builder]:
    """Starts gateways with stubbed services, which end with the tests of a module."""
    yield shared_builder
    shared_builder.end()


@pytest.fixture(scope="module")
def house(builder: Builder) -> House:
    """One gateway for the tests of a module that leave it as it was."""
    return builder.start()


@pytest.fixture
def expired_token() -> str:
    """A token that was good until a moment ago."""
    return tokens.mint(
        KEY, tenant=TENANT, role="clinician", actor_id="clinician-1", lifetime=timedelta(seconds=-1)
    )
