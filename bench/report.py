"""``python -m bench.report``: puts the newest run into docs/benchmarks.md, and draws its plot."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.goals import findings, ratio
from bench.rows import HOMEWARD, PLOT, RESULTS, Row, Run
from bench.works import events, requests

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"

BEGINS = "<!-- the last run: python -m bench.report -->"
ENDS = "<!-- end of the last run -->"

_PICTURE = "![What each system does in a second](../bench/results/latest.png)"

#: Connections at which it is told where the processor's time goes.
PROFILED = 32

_COLOURS = {HOMEWARD: "#1b6e53"}


def main() -> int:
    """Write the page and the plot from the kept results."""
    if not RESULTS.exists():
        print("There are no results yet: make bench", file=sys.stderr)
        return 2
    run = Run.read(RESULTS)
    draw(run, PLOT)
    text = f"{_PICTURE}\n\n{report_of(run)}"
    PAGE.write_text(put_between(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    return 0


def put_between(page: str, text: str) -> str:
    """Return the page with what stands between its markers replaced.

    :raises ValueError: when it has not exactly one of each.
    """
    if page.count(BEGINS) != 1 or page.count(ENDS) != 1:
        raise ValueError(f"the page needs one {BEGINS} and one {ENDS}")
    before, _, rest = page.partition(BEGINS)
    _, _, after = rest.partition(ENDS)
    return f"{before}{BEGINS}\n\n{text.strip()}\n\n{ENDS}{after}"


def report_of(run: Run) -> str:
    """Return everything that the run found, as Markdown."""
    on = run.machine
    versions = ", ".join(f"{name} {version}" for name, version in sorted(run.versions.items()))
    parts = [
        (
            f"`{run.command}`, {run.measured_at}, commit {run.commit}, {on['cores']} cores "
            f"({on['processor']}), Python {on['python']}, load before {on['load_before']}. {versions}."
        ),
    ]
    if run.quick:
        parts.append("**A quick run: little of each work, so the figures are rough.**")
    if run.left_out:
        parts.append("**Left out:** " + "; ".join(run.left_out))
    parts += ["### Goals", goals_table(run), "### Figures", table_of(run)]
    spent = processor_table(run)
    if spent:
        parts += ["### Processor time of a request", spent]
    return "\n\n".join(parts)


def goals_table(run: Run) -> str:
    """Return each goal and how the run stands to it."""
    lines = ["| Goal | Reach | Measured | |", "|---|---:|---:|---|"]
    for finding in findings(run):
        word = "reached" if finding.met else "**missed**"
        lines.append(f"| {finding.what} | {finding.reach} | {finding.measured} | {word} |")
    return "\n".join(lines)


def table_of(run: Run) -> str:
    """Return every row, and beside each other system how many times as much Homeward does."""
    lines = [
        "| Work | System | per second | p50 ms | p95 ms | p99 ms | MiB | Homeward does | |",
        "|---|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for row in in_order(run.rows):
        times = None if row.system == HOMEWARD else ratio(run.find(row.work), row)
        memory = _figure(row.memory_mib)
        if row.memory_mib_at_half is not None:
            memory = f"{_figure(row.memory_mib_at_half)} → {memory}"
        rate = _figure(row.per_second) or (f"{row.seconds:.1f} s" if row.seconds is not None else "")
        cells = [row.work, row.system, rate, _figure(row.p50_ms), _figure(row.p95_ms), _figure(row.p99_ms)]
        cells += [memory, f"{times:.2f} ×" if times is not None else "", row.remark or ""]
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines)


def processor_table(run: Run) -> str:
    """Return where the processor's time goes, by process, at the connections at which goals are set."""
    works = [requests.named(work, PROFILED) for work in (requests.READ, requests.COMMAND)]
    lines = ["| Work | System | ms in all | by process |", "|---|---|---:|---|"]
    for row in run.rows:
        if row.work in works and row.processor_ms:
            each = ", ".join(f"{name} {_figure(spent)}" for name, spent in row.processor_ms.items() if spent)
            lines.append(
                f"| {row.work} | {row.system} | {_figure(sum(row.processor_ms.values()))} | {each} |"
            )
    return "\n".join(lines) if len(lines) > 2 else ""


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Return the rows with all systems of a work together, works in the order in which they were measured."""
    ordered: dict[str, list[Row]] = {}
    for row in rows:
        ordered.setdefault(row.work, []).append(row)
    return [row for of_work in ordered.values() for row in of_work]


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


# --- The plot ----------------------------------------------------------------------------------------


def draw(run: Run, place: Path) -> None:
    """Draw what each system does in a second: events as bars, requests over connections as lines."""
    import matplotlib as mpl  # noqa: PLC0415  # heavy, and only for this

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415  # after the choice of where to draw

    figure, ((reactions, copies), (reading, writing)) = plt.subplots(2, 2, figsize=(12, 8))
    end_to_end = events.END_TO_END.format(size=events.SEVERAL)
    _bars(reactions, run, {"reaction, events waiting": events.REACTION, "end to end": end_to_end})
    reactions.set_title("Events with one insert")
    numbers = {copies_: events.copies_work(copies_) for copies_ in events.FULL.copies}
    _lines(copies, run, numbers)
    copies.set_title("A handler that waits 5 ms, in copies")
    for axes, work, title in (
        (reading, requests.READ, "Reading one record, by connections"),
        (writing, requests.COMMAND, "A command that writes a row, by connections"),
    ):
        _lines(axes, run, {number: requests.named(work, number) for number in requests.FULL.connections})
        axes.set_title(title)
    for axes in (reactions, copies, reading, writing):
        axes.set_ylabel("a second")
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, axis="y", alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
    figure.tight_layout()
    place.parent.mkdir(parents=True, exist_ok=True)
    # No date and no version in the file: the same figures give the same bytes.
    figure.savefig(place, dpi=80, metadata={"Software": None})
    plt.close(figure)


def _systems_of(run: Run, works: Iterable[str]) -> list[str]:
    wanted = set(works)
    return list(dict.fromkeys(row.system for row in run.rows if row.work in wanted))


def _bars(axes: Any, run: Run, works: dict[str, str]) -> None:
    systems = _systems_of(run, works.values())
    width = 0.8 / max(1, len(systems))
    for place, system in enumerate(systems):
        rates = [_rate(run, work, system) or 0.0 for work in works.values()]
        at = [number + place * width for number in range(len(works))]
        axes.bar(at, rates, width, label=system, color=_COLOURS.get(system))
    axes.set_xticks([number + 0.4 - width / 2 for number in range(len(works))], list(works))


def _lines(axes: Any, run: Run, works: dict[int, str]) -> None:
    for system in _systems_of(run, works.values()):
        known = [(number, rate) for number, work in works.items() if (rate := _rate(run, work, system))]
        axes.plot(*zip(*known, strict=True), marker="o", label=system, color=_COLOURS.get(system))
    axes.set_xticks(list(works))


def _rate(run: Run, work: str, system: str) -> float | None:
    row = run.find(work, system)
    return row.per_second if row else None


if __name__ == "__main__":
    sys.exit(main())
