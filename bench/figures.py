"""Measures Homeward on this machine: start, memory, commands and events; see docs/benchmarks.md.

``python -m bench.figures`` measures both set-ups, writes ``bench/results/latest.json`` and prints a
table. It uses the houses of the tests: whole processes, real parts, HTTP.
"""

import argparse
import contextlib
import dataclasses
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from homeward.postgres import PrivatePostgres
from shared.contracts.event import SERVICES
from shared.database import new_engine
from tests.door.program import Opening, assessment
from tests.journeys.house import DistributedHouse, EmbeddedHouse, House
from tests.nodes import RabbitNode

#: Where the figures of the newest run are kept.
RESULTS = Path(__file__).parent / "results" / "latest.json"

#: What is promised: seconds from start to ready, MiB of each process, milliseconds.
START_SECONDS = 15.0
PROCESS_MIB = 150.0
COMMAND_P50_MS = 25.0
COMMAND_P95_MS = 60.0
EVENT_P50_MS = 25.0

#: Requests before the measured ones, so that every connection is open and every query compiled.
WARM_UP = 40

#: When each row was committed, told by PostgreSQL itself; rows of the inbox are written with the effect.
_EFFECTS = sa.text(
    "SELECT event_id, type, reaction, pg_xact_commit_timestamp(xmin) AS committed_at"
    " FROM inbox WHERE state = 'done' AND received_at >= :since"
)
_ANNOUNCED = sa.text("SELECT event_id, announced_at FROM outbox WHERE announced_at >= :since")


@dataclasses.dataclass
class Figure:
    """One measured number."""

    name: str
    setup: str
    value: float
    unit: str
    samples: int = 1
    #: The number may not be above this.
    target: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met, where there is one."""
        return None if self.target is None else self.value < self.target


def main() -> int:
    """Measure, write the results and print them; 1 when a target is missed."""
    options = argparse.ArgumentParser(prog="python -m bench.figures", description=__doc__)
    options.add_argument("--only", choices=("embedded", "distributed"), help="measure one set-up only")
    options.add_argument("--requests", type=int, default=300, help="measured requests of each kind")
    options.add_argument("--output", type=Path, default=RESULTS, help="where the figures are written")
    given = options.parse_args()
    load_before = os.getloadavg()[0]
    figures: list[Figure] = []
    with contextlib.ExitStack() as ending:
        folder = Path(tempfile.mkdtemp(prefix="hw-bench-"))
        # The user that PostgreSQL runs as must reach it.
        folder.chmod(0o755)
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        if given.only != "distributed":
            figures += embedded(folder / "embedded", requests=given.requests)
        if given.only != "embedded":
            figures += distributed(folder / "distributed", requests=given.requests)
    measured_on = machine() | {"load_before": round(load_before, 2)}
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": measured_on,
        "command": "python -m bench.figures " + " ".join(sys.argv[1:]),
        "figures": [dataclasses.asdict(figure) | {"met": figure.met} for figure in figures],
    }
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    print(table_of(measured_on, figures))
    return 0 if all(figure.met is not False for figure in figures) else 1


def machine() -> dict[str, Any]:
    """Return on what is measured."""
    model = "unknown"
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": model,
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
    }


def table_of(measured_on: dict[str, Any], figures: list[Figure]) -> str:
    """Return the figures as a table in Markdown."""
    on = measured_on
    lines = [
        f"{on['cores']} cores ({on['processor']}), Python {on['python']}, load before {on['load_before']}",
        "",
        "| Figure | Set-up | Measured | Target | Samples |",
        "|---|---|---:|---:|---:|",
    ]
    for one in figures:
        target = (
            "" if one.target is None else f"< {one.target:g} {one.unit}{'' if one.met else ', **missed**'}"
        )
        lines.append(f"| {one.name} | {one.setup} | {one.value:.1f} {one.unit} | {target} | {one.samples} |")
    return "\n".join(lines)


# --- The two set-ups ---------------------------------------------------------------------------------


def embedded(folder: Path, *, requests: int) -> list[Figure]:
    """Measure the embedded set-up; its first start makes the databases, the second is measured."""
    folder.mkdir()
    EmbeddedHouse(folder).stop()
    server = PrivatePostgres(folder / "postgres")
    server.start()
    note_commits(server)
    server.stop()
    began = time.perf_counter()
    house = EmbeddedHouse(folder)
    seconds = time.perf_counter() - began
    with stopping(house):
        figures = [Figure("Start to ready", "embedded", seconds, "s", target=START_SECONDS)]
        figures += under_load(house, "embedded", requests=requests)
        figures += [
            Figure(f"Memory of the process, {kind}", "embedded", mib, "MiB")
            for kind, mib in memory_of(house.running.process.pid).items()
        ]
    return figures


def distributed(folder: Path, *, requests: int) -> list[Figure]:
    """Measure one process a service, with RabbitMQ and PostgreSQL between."""
    folder.mkdir()
    node = RabbitNode.start_private()
    server = PrivatePostgres(folder / "postgres")
    with contextlib.ExitStack() as ending:
        ending.callback(node.discard)
        ending.callback(server.discard)
        server.start()
        note_commits(server)
        server.stop()
        server.start()
        house = DistributedHouse(server, node, folder)
        with stopping(house):
            figures = under_load(house, "distributed", requests=requests)
            for service in SERVICES:
                used = memory_of(house.processes[service][0].pid)
                figures += [
                    Figure(
                        f"Memory of {service}, RSS", "distributed", used["RSS"], "MiB", target=PROCESS_MIB
                    ),
                    Figure(f"Memory of {service}, PSS", "distributed", used["PSS"], "MiB"),
                ]
    return figures


@contextlib.contextmanager
def stopping(house: Any) -> Iterator[None]:
    """Stop a house on every way out."""
    try:
        yield
    finally:
        house.stop()


def note_commits(server: PrivatePostgres) -> None:
    """Have PostgreSQL keep when each transaction was committed, from its next start on."""
    with contextlib.closing(server.connect()) as connection:
        connection.autocommit = True
        connection.cursor().execute("ALTER SYSTEM SET track_commit_timestamp = on")


# --- What is measured --------------------------------------------------------------------------------


def under_load(house: House, setup: str, *, requests: int) -> list[Figure]:
    """Send each kind of request by one client, one after the other, and time answers and effects."""
    opening = Opening(house)
    opening.open_site()
    treated = opening.decide()
    opening.consent(treated, "TREATMENT")
    opening.do(f"/v1/episodes/{treated.episode_id}/admission")
    now = house.door.settle()
    session_id = opening.coming(treated, after=now)[0]["session_id"]
    waiting: list[str] = []
    number = 0

    def register() -> None:
        nonlocal number
        number += 1
        someone = {
            "given_name": f"Number {number}",
            "family_name": "Measured",
            "birth_date": f"{1950 + number % 50}-03-{number % 28 + 1:02}",
        }
        body = {"site_id": opening.site_id, "referral_source": "7", "patient": someone}
        waiting.append(house.door.send("POST", "/v1/referrals", body).expect(201)["episode_id"])

    def assess() -> None:
        path = f"/v1/episodes/{waiting.pop()}/assessments"
        house.door.send("POST", path, assessment()).expect(201)

    def check_in() -> None:
        body = {"craving": 2, "mood": 7, "stress": 3, "sleep_hours": 7.5, "used": False}
        house.door.send("POST", f"/v1/episodes/{treated.episode_id}/check-ins", body).expect(201)

    def read_roster() -> None:
        house.door.send("GET", f"/v1/sessions/{session_id}").expect(200)

    kinds: dict[str, Callable[[], None]] = {
        "register_referral": register,
        "complete_assessment": assess,
        "submit_check_in": check_in,
        "get_session (roster)": read_roster,
    }
    for _ in range(WARM_UP):
        for send in kinds.values():
            send()
    house.door.settle()
    since = datetime.now(UTC)
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(requests):
        for name, send in kinds.items():
            began = time.perf_counter()
            send()
            seconds[name].append(time.perf_counter() - began)
    house.door.settle()
    figures = []
    for name, taken in seconds.items():
        figures += percentiles(
            f"{name}, answer", setup, [1000 * one for one in taken], COMMAND_P50_MS, COMMAND_P95_MS
        )
    for name, taken in sorted(effects(house, since=since).items()):
        figures += percentiles(f"{name}, effect", setup, taken, EVENT_P50_MS, None)
    return figures


def percentiles(
    name: str, setup: str, milliseconds: list[float], p50_target: float | None, p95_target: float | None
) -> list[Figure]:
    """Return the median and the 95th percentile."""
    cuts = statistics.quantiles(milliseconds, n=100, method="inclusive")
    many = len(milliseconds)
    return [
        Figure(f"{name}, p50", setup, cuts[49], "ms", many, p50_target),
        Figure(f"{name}, p95", setup, cuts[94], "ms", many, p95_target),
    ]


def effects(house: House, *, since: datetime) -> dict[str, list[float]]:
    """Return for each event and reaction the milliseconds from announcement to committed effect.

    An event is announced within the command's transaction, so its commit counts too. The row that
    notes a reaction is committed with its effect, and PostgreSQL keeps when that was.
    """
    announced: dict[str, datetime] = {}
    done = []
    for service in SERVICES:
        engine = new_engine(house.settings.database_url_of(service))
        with engine.connect() as connection:
            announced |= {
                str(row.event_id): row.announced_at
                for row in connection.execute(_ANNOUNCED, {"since": since})
            }
            # A clock of its own would be needed if the effect could be older than the event.
            done += list(connection.execute(_EFFECTS, {"since": since - timedelta(seconds=1)}))
        engine.dispose()
    taken: dict[str, list[float]] = {}
    for row in done:
        at = announced.get(str(row.event_id))
        if at is not None:
            name = f"{row.type} to {row.reaction}"
            taken.setdefault(name, []).append((row.committed_at - at).total_seconds() * 1000)
    return {name: found for name, found in taken.items() if len(found) >= 20}


def memory_of(pid: int) -> dict[str, float]:
    """Return the resident and the proportional memory of a process, in MiB."""
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in ("Rss", "Pss"):
            found[name.upper()] = int(rest.split()[0]) / 1024
    return found


if __name__ == "__main__":
    sys.exit(main())
