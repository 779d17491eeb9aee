"""``python -m bench``: measures Homeward and its peers in turn; see docs/benchmarks.md."""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version

from bench import report
from bench.parts import NoPeers, Parts
from bench.rows import PLOT, RESULTS, Row, Run, commit, machine, moment_now
from bench.works import answers, events, floor, growth, intake, memory, poison, requests, scheduling
from chaos.peers.faults import version_of
from homeward.postgres import PostgresUnusable
from tests.nodes import NodeUnavailable

#: Seconds after which a run is ended, whatever it is at.
LONGEST_SECONDS, LONGEST_QUICK_SECONDS = 3600, 600

#: Packages whose versions are told.
_OURS = ("nameko", "kombu", "eventlet", "SQLAlchemy", "psycopg2-binary")
_PEERS = ("celery", "faststream", "fastapi", "uvicorn", "asyncpg")

Work = Callable[[Parts, bool, Callable[[str], None]], Iterator[Row]]

#: The kinds of work, in the order in which they are measured.
WORKS: dict[str, Work] = {
    "events": lambda parts, quick, tell: events.measure(parts, events.QUICK if quick else events.FULL, tell),
    "poison": lambda parts, quick, tell: poison.measure(parts, poison.QUICK if quick else poison.FULL, tell),
    "requests": lambda parts, quick, tell: requests.measure(
        parts, requests.QUICK if quick else requests.FULL, tell
    ),
    "floor": lambda parts, quick, tell: floor.measure(
        parts, 1.0 if quick else 10.0, 5_000 if quick else 30_000, tell
    ),
    "growth": lambda parts, quick, tell: growth.measure(parts, growth.QUICK if quick else growth.FULL, tell),
    "memory": lambda parts, quick, tell: memory.measure(parts, memory.QUICK if quick else memory.FULL, tell),
    "scheduling": lambda parts, quick, tell: scheduling.measure(
        parts, scheduling.QUICK if quick else scheduling.FULL, tell
    ),
    "intake": lambda parts, quick, tell: intake.measure(parts, intake.QUICK if quick else intake.FULL, tell),
    "answers": lambda parts, quick, tell: answers.measure(
        parts, answers.QUICK if quick else answers.FULL, tell
    ),
}


class TooLong(BaseException):
    """Raised when a run takes longer than any should; no work may take it for a failure of its own."""


def main() -> int:
    """Measure, write the results, and print them.

    :returns: 0; 1 when a work could not be measured; 2 when nothing could be begun.
    """
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("--quick", action="store_true", help="little of each work: under 5 minutes")
    options.add_argument("--only", choices=tuple(WORKS), action="append", help="this kind of work only")
    options.add_argument("--keep", action="store_true", help="keep the results, though of some kinds only")
    given = options.parse_args()
    chosen = tuple(given.only or WORKS)
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(LONGEST_QUICK_SECONDS if given.quick else LONGEST_SECONDS)
    measured_on, began = machine(), time.monotonic()
    rows: list[Row] = []
    left_out: list[str] = []
    not_asked = [f"{name}: not asked for" for name in WORKS if name not in chosen]
    theirs: dict[str, str] = {}

    def tell(what: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {what}", flush=True)

    try:
        with Parts() as parts:
            if {"events", "requests"} & set(chosen):
                tell("the peers' environment")
                python = parts.python_of_peers
                theirs = {package: version_of(python, package) for package in _PEERS}
            for name in chosen:
                try:
                    for row in WORKS[name](parts, given.quick, tell):
                        rows.append(row)
                        tell(f"  {told(row)}")
                except Exception as error:  # noqa: BLE001  # what was measured is kept, what was not is said
                    left_out.append(
                        f"{name}: {type(error).__name__}: {str(error).partition(chr(10))[0][:200]}"
                    )
                    print(f"\n{name} COULD NOT BE MEASURED: {error}\n", file=sys.stderr, flush=True)
    except (NodeUnavailable, PostgresUnusable, NoPeers) as why:
        print(f"The bench cannot run: {why}", file=sys.stderr)
        return 2
    except TooLong:
        left_out.append("the run was ended because it took too long")
    signal.alarm(0)
    run = Run(
        measured_at=moment_now(),
        command=f"python -m bench{' --quick' if given.quick else ''}"
        + "".join(f" --only {name}" for name in given.only or ())
        + (" --keep" if given.keep else ""),
        quick=given.quick,
        commit=commit(),
        machine=measured_on,
        versions={package: version(package) for package in _OURS} | theirs,
        rows=tuple(rows),
        left_out=(*left_out, *not_asked),
    )
    if given.keep or not not_asked:
        # Part of a run replaces none, unless somebody wants it to.
        run.write(RESULTS)
        report.draw(run, PLOT)
    print(report.report_of(run))
    print(f"\n{time.monotonic() - began:.0f} s in all")
    return 1 if left_out else 0


def told(row: Row) -> str:
    """Return a row in a line, for whoever watches."""
    found = [f"{row.per_second:,.0f}/s"] if row.per_second is not None else []
    found += [f"p50 {row.p50_ms:.1f} ms, p99 {row.p99_ms:.1f} ms"] if row.p99_ms is not None else []
    found += [f"{row.memory_mib:.0f} MiB"] if row.memory_mib is not None else []
    found += [f"{row.seconds:.1f} s"] if row.seconds is not None else []
    found += [row.remark] if row.remark else []
    return f"{row.work}: {row.system}: {', '.join(found)}"


def _end(signal_number: int, frame: object) -> None:
    # As an exception it unwinds what is running; the default would not.
    raise SystemExit(128 + signal_number)


def _too_long(signal_number: int, frame: object) -> None:
    raise TooLong


if __name__ == "__main__":
    sys.exit(main())
