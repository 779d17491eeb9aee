"""Requests: reading one record and a command that writes one, by many connections at once."""

import contextlib
import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

from bench.house import House, open_house
from bench.load import PATIENCE_SECONDS, Task
from bench.parts import ROOT, Parts, ProgramFailed, memory_of, processor_seconds_of
from bench.rows import HOMEWARD, Row
from bench.stretches import in_turn, medians
from tests.ports import free_port

READ = "read one record, {connections} {word}"
COMMAND = "command that writes a row, {connections} {word}"

NAMEKO, FASTAPI, FASTAPI_2 = "nameko HTTP → RPC", "FastAPI, 1 process", "FastAPI, 2 processes"

#: Who is read about, in turn.
PATIENTS = 100

#: Seconds of requests before those that are counted, at most; a quarter of the others, where those are few.
WARM_UP_SECONDS = 1.0

_SITE = json.dumps(
    {
        "name": "Lakeside Outpatient",
        "time_zone": "America/Chicago",
        "levels_licensed": ["1", "2.1"],
        "emergency_phone": "+1 312 555 0142",
    }
)

#: What the other frameworks read and write.
_PEERS_TABLES = """
CREATE TABLE patients (
    patient_id uuid PRIMARY KEY, tenant_id varchar(64) NOT NULL, journey_id uuid NOT NULL,
    given_name varchar NOT NULL, family_name varchar NOT NULL, birth_date date NOT NULL, phone varchar,
    email varchar, sex varchar NOT NULL, registered_at timestamptz NOT NULL);
CREATE TABLE sites (
    site_id uuid PRIMARY KEY, tenant_id varchar(64) NOT NULL, name varchar NOT NULL,
    time_zone varchar NOT NULL, levels_licensed varchar[] NOT NULL, opened_at timestamptz NOT NULL);
INSERT INTO patients SELECT gen_random_uuid(), 'demo', gen_random_uuid(), 'Number ' || n, 'Measured',
    date '1960-03-01' + n, '+1 312 555 0100', 'number' || n || '@example.org', 'UNKNOWN', now()
    FROM generate_series(1, %s) AS n
"""


@dataclasses.dataclass(frozen=True)
class Amounts:
    """By how many connections is asked, in how many stretches, and for how long each time."""

    connections: tuple[int, ...]
    stretches: int
    seconds: float


FULL = Amounts((1, 8, 16, 32, 64), 7, 1.0)
QUICK = Amounts((32, 64), 2, 0.6)


@dataclasses.dataclass(frozen=True)
class Door:
    """Where a system answers, who it knows, and what its processes need."""

    system: str
    port: int
    patient_ids: list[str]
    memory_mib: Callable[[], float]
    #: Processor time of each process of the system so far, and of broker and database.
    processor_seconds: Callable[[], dict[str, float]]
    headers: Callable[[str], dict[str, str]] = lambda role: {"Content-Type": "application/json"}


def measure(parts: Parts, amounts: Amounts, tell: Callable[[str], None]) -> Iterator[Row]:
    """Measure reading and writing, the systems in turn: those that are not asked are open too, and idle."""
    tell("requests: all systems are opened")
    with contextlib.ExitStack() as running:
        doors = [
            running.enter_context(opened)
            for opened in (
                homeward(parts),
                nameko(parts),
                fastapi(parts, workers=1),
                fastapi(parts, workers=2),
            )
        ]
        for work, measured in ((READ, read), (COMMAND, command)):
            for connections in amounts.connections:
                tell(named(work, connections))
                yield from medians(
                    measured(door, connections, amounts.seconds) for door in in_turn(doors, amounts.stretches)
                )


# --- The systems -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def homeward(parts: Parts) -> Iterator[Door]:
    """Open Homeward's gateway with intake behind it."""
    with open_house(parts, ("intake", "gateway")) as house:
        yield door_of(parts, house)


def door_of(parts: Parts, house: House) -> Door:
    """Return the gateway of a house, with people behind it who were referred."""
    site_id = house.post("/v1/sites", json.loads(_SITE), role="operations")["site_id"]
    people = [
        house.post("/v1/referrals", _referral(site_id, number), role="clinician")["patient_id"]
        for number in range(PATIENTS)
    ]
    return Door(
        HOMEWARD,
        house.port,
        people,
        lambda: sum(memory_of(process.pid)["PSS"] for process in house.processes.values()),
        lambda: {
            **{name: processor_seconds_of(process.pid) for name, process in house.processes.items()},
            **parts.processor_seconds(),
        },
        house.headers_of,
    )


def _referral(site_id: str, number: int) -> dict[str, Any]:
    someone = {
        "given_name": f"Number {number}",
        "family_name": "Measured",
        "birth_date": f"19{50 + number % 50}-03-{number % 28 + 1:02}",
        "phone": "+1 312 555 0100",
        "email": f"number{number}@example.org",
    }
    return {"site_id": site_id, "referral_source": "7", "patient": someone}


@contextlib.contextmanager
def nameko(parts: Parts) -> Iterator[Door]:
    """Start nameko's HTTP service, and the RPC service behind it: two processes, as Homeward has."""
    with (
        _peers_database(parts) as (url, patient_ids),
        parts.virtual_host() as broker_url,
        parts.of_peer("nameko_peer.py", "records", database_url=url, broker_url=broker_url) as records,
    ):
        port = free_port()
        with parts.of_peer(
            "nameko_peer.py", "door", database_url=url, broker_url=broker_url, port=port
        ) as door:
            yield Door(
                NAMEKO,
                port,
                patient_ids,
                lambda: records.memory_mib() + door.memory_mib(),
                lambda: {
                    "service": records.processor_seconds(),
                    "door": door.processor_seconds(),
                    **parts.processor_seconds(),
                },
            )


@contextlib.contextmanager
def fastapi(parts: Parts, *, workers: int) -> Iterator[Door]:
    """Start FastAPI in one process or several."""
    port = free_port()
    with _peers_database(parts) as (url, patient_ids):
        asyncpg = url.replace("psycopg2", "asyncpg")
        with parts.of_peer("fastapi_peer.py", str(workers), database_url=asyncpg, port=port) as server:
            system = FASTAPI if workers == 1 else FASTAPI_2
            yield Door(
                system,
                port,
                patient_ids,
                server.memory_mib,
                lambda: {"server": server.processor_seconds(), **parts.processor_seconds()},
            )


@contextlib.contextmanager
def _peers_database(parts: Parts) -> Iterator[tuple[str, list[str]]]:
    with parts.databases("records") as url:
        with contextlib.closing(parts.connect(url, "records")) as connection:
            cursor = connection.cursor()
            cursor.execute(_PEERS_TABLES, [PATIENTS])
            cursor.execute("SELECT patient_id FROM patients")
            patient_ids = [patient_id for (patient_id,) in cursor.fetchall()]
        yield url.replace("{service}", "records"), patient_ids


# --- The works -------------------------------------------------------------------------------------------


def read(door: Door, connections: int, seconds: float, *, work: str = READ) -> Row:
    """Read one record after the other."""
    task = Task(
        port=door.port,
        method="GET",
        paths=[f"/v1/patients/{patient_id}" for patient_id in door.patient_ids],
        headers=door.headers("clinician"),
        body="",
        connections=connections,
        seconds=seconds,
        warm_up_seconds=min(WARM_UP_SECONDS, seconds / 4),
        expect=200,
    )
    return _row(door, named(work, connections), task)


def command(door: Door, connections: int, seconds: float, *, work: str = COMMAND) -> Row:
    """Write one record after the other."""
    task = Task(
        port=door.port,
        method="POST",
        paths=["/v1/sites"],
        headers=door.headers("operations"),
        body=_SITE,
        connections=connections,
        seconds=seconds,
        warm_up_seconds=min(WARM_UP_SECONDS, seconds / 4),
        expect=201,
    )
    return _row(door, named(work, connections), task)


def named(work: str, connections: int) -> str:
    """Return the name of a work done by so many connections."""
    return work.format(connections=connections, word="connection" if connections == 1 else "connections")


def _load(task: Task) -> dict[str, Any]:
    """Have the client in its own process do a task.

    :raises ProgramFailed: when it does not come back in time.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bench.load"],
            cwd=ROOT,
            check=True,
            input=json.dumps(dataclasses.asdict(task)),
            capture_output=True,
            text=True,
            timeout=task.warm_up_seconds + task.seconds + 2 * PATIENCE_SECONDS + 10,
        )
    except subprocess.SubprocessError as error:
        raise ProgramFailed(f"the HTTP client failed: {error}") from None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def load_row(work: str, system: str, task: Task) -> tuple[Row, int]:
    """Have a task done; return what came of it, and how many answers there were, counted or not."""
    found = _load(task)
    failed = ", ".join(f"{what}: {number}" for what, number in found.pop("failed").items())
    found.pop("connects")
    answered = found.pop("answered")
    return Row(work=work, system=system, remark=failed or None, **found), answered


def _row(door: Door, work: str, task: Task) -> Row:
    before = door.processor_seconds()
    row, answered = load_row(work, door.system, task)
    spent = {name: seconds - before.get(name, 0.0) for name, seconds in door.processor_seconds().items()}
    return dataclasses.replace(
        row,
        # Asked afterwards: what the load made of it is what counts.
        memory_mib=door.memory_mib(),
        # Those that are not counted cost as much.
        processor_ms={name: 1000 * each / answered for name, each in spent.items()} if answered else None,
    )
