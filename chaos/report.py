"""What a run is told as: a table on the terminal, and rows for docs/reliability.md."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

#: The words of RabbitMQ's own Jepsen suite.
WORDS = ("attempted", "acknowledged", "ok", "recovered", "lost", "duplicated", "unexpected")


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report as a table."""
    table = Table(title=f"{report['events']} events, {report['effects']} effects, {report['seconds']} s")
    table.add_column("fault")
    for word in (*WORDS, "first effect", "recovered after", "longest answer", "danger to page"):
        table.add_column(word, justify="right")
    for fault in report["faults"]:
        told = [_seconds(fault[name]) for name in _SECONDS]
        style = "red" if is_bad(fault) else None
        table.add_row(fault["fault"], *[str(fault[word]) for word in WORDS], *told, style=style)
    table.add_section()
    table.add_row("in all", *[str(report[word]) for word in WORDS], "", "", "", "")
    for row in report["peers"]:
        told = [str(row[word]) for word in WORDS]
        table.add_row(f"{row['peer']} {row['version']}: {row['fault']}", *told, "", "", "", "", style="dim")
    console.print(table)
    for problem in report["problems"][:20]:
        console.print(f"  {problem}", style="red", highlight=False)


_SECONDS = ("seconds_to_first_effect", "seconds_to_recover", "longest_answer_seconds", "seconds_to_page")


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"


def is_bad(counts: dict[str, Any]) -> bool:
    """Return whether a promise was broken."""
    return any(counts[word] for word in ("lost", "duplicated", "unexpected"))


def markdown(report: dict[str, Any]) -> str:
    """Return the tables of docs/reliability.md."""
    heads = ("Fault", *WORDS, "first effect", "recovered after", "longest answer", "danger to page")
    lines = [_line(heads), "|---" + "|---:" * (len(heads) - 1) + "|"]
    for fault in report["faults"]:
        told = [_seconds(fault[name]) for name in _SECONDS]
        lines.append(_line([fault["fault"], *[f"{fault[word]:,}" for word in WORDS], *told]))
    lines.append(_line(["**in all**", *[f"**{report[word]:,}**" for word in WORDS], "", "", "", ""]))
    if report["peers"]:
        lines += ["", _line(["Framework", "Fault", *WORDS]), "|---|---" + "|---:" * len(WORDS) + "|"]
        lines += [
            _line([f"{row['peer']} {row['version']}", row["fault"], *[f"{row[word]:,}" for word in WORDS]])
            for row in report["peers"]
        ]
    return "\n".join(lines) + "\n"


def _line(cells: Any) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def wide_console() -> Console:
    """Return a console that breaks no row of a table where its output goes to a file."""
    console = Console()
    return console if console.is_terminal else Console(width=190)


#: Where the tables of the newest run stand, and what they stand between.
DOCUMENT = Path(__file__).parent.parent / "docs" / "reliability.md"
_BEGIN, _END = "<!-- the last run: python -m chaos.report -->\n", "<!-- the end of the last run -->\n"


def about(report: dict[str, Any]) -> str:
    """Return the sentence that tells when, where and how a report was made."""
    machine = report["machine"]
    paged = report["seconds_to_page"]
    told = [
        (
            f"`{report['command']}`, {report['measured_at'][:10]}, {machine['cores']} cores"
            f" (load average before: {machine['load_before']:.1f}),"
            f" Python {machine['python']}, {report['seconds'] / 60:.0f} minutes:"
            f" **{report['events']:,} events** with {report['effects']:,} effects in other services,"
            f" {report['kinds_of_fault']} kinds of fault."
        )
    ]
    if paged is not None:
        told.append(
            f"{report['dangers']:,} dangers were told over HTTP; the longest time until somebody was paged"
            f" was {paged:.1f} s."
        )
    for fault in report["faults"]:
        if fault["details"].get("longest_drain_seconds") is not None:
            details = fault["details"]
            told.append(
                f"Rolling restart: {details['processes_restarted']} processes replaced,"
                f" {details['failed_requests']} failed requests,"
                f" {details['finished_then_redelivered']} finished and then redelivered,"
                f" longest drain {details['longest_drain_seconds']:.1f} s."
            )
        if fault["details"].get("seconds_to_drain") is not None:
            details = fault["details"]
            told.append(
                f"A backlog of {details['waiting']:,} events: the first was sent"
                f" {details['seconds_to_first_send']:.1f} s after the broker's return, the last after"
                f" {details['seconds_to_drain']:.1f} s."
            )
        if fault["details"].get("kills"):
            told.append(
                f"A reaction that kills its process was parked after {fault['details']['kills']} kills."
            )
    return "\n".join(told)


def main() -> None:
    """Put the tables of the newest report into docs/reliability.md."""
    report = json.loads(Path("var/chaos/report.json").read_bytes())
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    middle = f"{about(report)}\n\n{markdown(report)}"
    DOCUMENT.write_text(f"{before}{_BEGIN}\n{middle}\n{_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
