"""What a run has measured: one row for each work and system, kept as JSON."""

import contextlib
import dataclasses
import math
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import orjson

#: Where the figures of the newest run are kept, and its plot.
RESULTS = Path(__file__).parent / "results" / "latest.json"
PLOT = RESULTS.with_name("latest.png")

#: How Homeward is called among the systems.
HOMEWARD = "Homeward"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One work done by one system; what does not apply is left out."""

    work: str
    system: str
    per_second: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    #: Of one process where the work says so, or of all processes of the system without what they share.
    memory_mib: float | None = None
    #: The same when half of the work was done.
    memory_mib_at_half: float | None = None
    seconds: float | None = None
    #: Processor time of one request, in ms, by process.
    processor_ms: dict[str, float] | None = None
    #: What kept the figure from being what it seems to be: errors, or too little time.
    remark: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return what is known, rounded to what can be believed."""
        wire = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        if self.processor_ms is not None:
            wire["processor_ms"] = {name: rounded(value) for name, value in self.processor_ms.items()}
        return {name: rounded(value) if isinstance(value, float) else value for name, value in wire.items()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that one run of the bench has found."""

    measured_at: str
    command: str
    quick: bool
    commit: str
    machine: dict[str, Any]
    versions: dict[str, str]
    rows: tuple[Row, ...]
    #: Works that were left out, and why.
    left_out: tuple[str, ...] = ()

    def write(self, place: Path) -> None:
        """Keep the run."""
        document = dataclasses.asdict(self) | {"rows": [row.to_wire() for row in self.rows]}
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")

    @classmethod
    def read(cls, place: Path) -> Self:
        """Return the run that was kept."""
        document = orjson.loads(place.read_bytes())
        rows = tuple(Row(**row) for row in document.pop("rows"))
        return cls(**document | {"left_out": tuple(document["left_out"])}, rows=rows)

    def find(self, work: str, system: str = HOMEWARD) -> Row | None:
        """Return the row of a work and a system, if there is one."""
        return next((row for row in self.rows if (row.work, row.system) == (work, system)), None)


def rounded(value: float) -> float:
    """Return a figure with three digits: the next would be chance."""
    if value == 0 or not math.isfinite(value):
        return value
    return round(value, max(0, 2 - math.floor(math.log10(abs(value)))))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least *percent* of them do not exceed (nearest rank).

    :raises ValueError: when there are none.
    """
    if not values:
        raise ValueError("no values, no percentile")
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def spread(milliseconds: Sequence[float]) -> dict[str, Any]:
    """Return the percentiles that a row tells, by their names; nothing where nothing was measured."""
    if not milliseconds:
        return {}
    ordered = sorted(milliseconds)
    return {f"p{percent}_ms": percentile(ordered, percent) for percent in (50, 95, 99)}


def steady_rate(moments: Sequence[float]) -> float:
    """Return how many things happened in a second, from the seconds at which each did.

    The first tenth is left out, with whatever happened at the same instant: things begin slowly. Things
    that are committed together happen at once, so the first instant only starts the watch.

    :raises ValueError: when they happened at fewer than two instants.
    """
    ordered = sorted(moments)
    begins = ordered[len(ordered) // 10] if ordered else 0.0
    counted = sum(1 for moment in ordered if moment > begins)
    if not counted:
        raise ValueError("too few instants for a rate")
    return counted / (ordered[-1] - begins)


def machine() -> dict[str, Any]:
    """Return on what is measured, and how busy it was before."""
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
        "load_before": round(os.getloadavg()[0], 2),
    }


def commit(root: Path = Path(__file__).parent.parent) -> str:
    """Return the commit that is measured, with a mark where its files have been changed since.

    Files that no commit has are no change: a link to an environment, or notes, lie about in many a clone.
    """
    asked = [
        ["git", "rev-parse", "--short", "HEAD"],
        ["git", "status", "--porcelain", "--untracked-files=no"],
    ]
    try:
        done = [
            subprocess.run(command, cwd=root, check=True, capture_output=True, text=True, timeout=20).stdout
            for command in asked
        ]
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done[0].strip() + (" and changes" if done[1].strip() else "")


def moment_now() -> str:
    """Return the moment of the run, to be written down."""
    return datetime.now(UTC).isoformat(timespec="seconds")
