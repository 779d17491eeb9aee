"""``homeward simulate``: send admissions through a program in simulated time, and report."""

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from homeward import embedded
from homeward.postgres import PrivatePostgres
from homeward.simulation import client, driver, rows, terminal
from homeward.simulation.report import counted


@click.command()
@click.option(
    "--admissions",
    "file",
    type=click.Path(path_type=Path),
    required=True,
    help="Admissions in TEDS form, as CSV with a header.",
)
@click.option(
    "--weeks", type=click.IntRange(1, 104), default=16, show_default=True, help="Weeks to simulate."
)
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed gives the same report.")
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    required=True,
    help="Where to write the report as JSON; a page with plots is written beside it, as .html.",
)
@click.option("--url", help="A running Homeward whose program time is simulated; else one is started.")
@click.option(
    "--tokens",
    "token_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="JSON with a token for each role of the staff; needed with --url.",
)
def simulate(
    file: Path, weeks: int, seed: int, report_file: Path, url: str | None, token_file: Path | None
) -> None:
    """Send admissions through a program in simulated time, and report what became of them."""
    if url and not token_file:
        raise click.UsageError("Give --tokens with --url: a JSON file with a token for each role.")
    # Whatever is wrong with the files is told before minutes are spent.
    admissions = read_admissions(file)
    make_room_for(report_file)
    with ExitStack() as ending:
        if url and token_file:
            tokens: Mapping[str, str] = read_tokens(token_file)
        else:
            server = ending.enter_context(fresh_server(Path(tempfile.gettempdir())))
            url, tokens = server.url, server.tokens
        perform(
            admissions,
            file_name=file.name,
            weeks=weeks,
            seed=seed,
            report_file=report_file,
            url=url,
            tokens=tokens,
        )


def read_admissions(file: Path) -> rows.AdmissionsFile:
    """Read a file of admissions, and tell which of its rows cannot be sent, and why.

    :raises click.ClickException: when none can.
    """
    try:
        admissions = rows.read(file)
    except rows.UnreadableFile as refusal:
        raise click.ClickException(str(refusal)) from None
    for row in admissions.refused:
        click.echo(f"{file}: line {row.line}: field {row.field}: {row.reason}; not sent", err=True)
    if not admissions.admissions:
        raise click.ClickException(f"{file}: no row could be sent.")
    return admissions


def make_room_for(report_file: Path) -> None:
    """Make the folder of the report.

    :raises click.ClickException: when it cannot be made.
    """
    try:
        report_file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(f"{report_file.parent}: {error.strerror}") from None


def perform(
    admissions: rows.AdmissionsFile,
    *,
    file_name: str,
    weeks: int,
    seed: int,
    report_file: Path,
    url: str,
    tokens: Mapping[str, str],
) -> dict[str, Any]:
    """Run the simulation against a gateway, show it, and write both forms of the report.

    :param file_name: where the admissions come from, for the report.
    """
    console = Console()
    with _watched(console, weeks=weeks) as watch:
        try:
            report = driver.run(
                admissions,
                url=url,
                tokens=tokens,
                seed=seed,
                weeks=weeks,
                file_name=file_name,
                watch=watch,
            )
        except (client.Refused, client.Unreachable, driver.NotSimulated) as error:
            raise click.ClickException(str(error)) from None
    report_file.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    from homeward.simulation import page  # noqa: PLC0415  # loads all that draws, which nothing else needs

    page_file = report_file.with_suffix(".html")
    page_file.write_text(page.render(report), encoding="utf-8")
    terminal.show(report, console)
    console.print(f"\nWritten: {report_file} and {page_file}", highlight=False)
    # The key of a refusal ends with status and code: 5xx is the server's own failure.
    failed = {what: n for what, n in report["run"]["requests_refused"].items() if " 5" in what}
    if failed or report["events_parked"]:
        raise click.ClickException(
            f"{counted(sum(failed.values()), 'request')} failed in the server, "
            f"{counted(report['events_parked'], 'event')} parked."
        )
    return report


@contextmanager
def fresh_server(parent: Path) -> Iterator[embedded.Embedded]:
    """Start the embedded set-up in a new folder, and remove both when all went well."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="homeward-", dir=parent))
    # A database that runs as another user needs the way through, and sees nothing else.
    folder.chmod(0o711)
    # Told to end, this process ends its server too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        server = embedded.start(
            folder, simulated_from=driver.begins_at(), environment={"HOMEWARD_LOG_LEVEL": "WARNING"}
        )
    except embedded.StartFailed as failure:
        raise click.ClickException(str(failure)) from None
    try:
        yield server
    except BaseException:
        server.stop()
        click.echo(f"The server's log is kept: {server.log_file}", err=True)
        raise
    server.stop()
    # Its data may lie elsewhere, where the user it runs as can reach them.
    PrivatePostgres(folder / "postgres").discard()
    shutil.rmtree(folder, ignore_errors=True)


def read_tokens(file: Path) -> dict[str, str]:
    """Read a token for each role from a JSON file.

    :raises click.ClickException: when it is no such file.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    # A set-up writes its address beside its tokens; its file will do as it is.
    tokens = found.get("tokens", found) if isinstance(found, dict) else None
    if not isinstance(tokens, dict) or not all(isinstance(token, str) for token in tokens.values()):
        raise click.ClickException(f"{file}: is no JSON object of tokens by role.")
    missing = sorted(set(driver.ROLES) - set(tokens))
    if missing:
        raise click.ClickException(f"{file}: has no token for {', '.join(missing)}.")
    return tokens


@contextmanager
def _watched(console: Console, *, weeks: int) -> Iterator[Any]:
    """Show how a run goes: a bar with a live line, or a line a week where nobody watches live."""
    if not console.is_terminal:
        yield _line_a_week()
        return
    columns = (
        TextColumn("[bold green]{task.fields[day]}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TextColumn("weeks"),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[figures]}[/dim]  {task.fields[latest]}"),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("", total=weeks, day="", figures="", latest="the program opens")

        def watch(progress: driver.Progress) -> None:
            bars.update(
                bar,
                completed=min(weeks, int(weeks * max(0.0, progress.done))),
                day=_day(progress.now),
                figures=f"{progress.in_treatment} in care, {progress.graduated} graduated",
                latest=progress.latest,
            )

        yield watch


def _line_a_week() -> Any:
    told: set[tuple[int, int]] = set()

    def watch(progress: driver.Progress) -> None:
        # With its year: two years have the same weeks.
        week = progress.now.isocalendar()[:2]
        if week not in told:
            told.add(week)
            click.echo(
                f"{_day(progress.now)}: {progress.in_treatment} in care, {progress.graduated} graduated, "
                f"{progress.events:,} events; {progress.latest or 'the program opens'}"
            )
            sys.stdout.flush()

    return watch


def _day(now: datetime) -> str:
    return f"{now:%a %d %b %H:%M}"
