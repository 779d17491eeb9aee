"""What a run is told as: a table on the terminal, and rows for docs/reliability.md."""

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
