"""``homeward trace``: the answer to "why did nobody call her?", to be read by a supervisor."""

import contextlib
import zoneinfo
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click
import orjson
import sqlalchemy as sa
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from gateway import tables
from gateway import trace as traces
from homeward.cli.databases import opened, program_now, settings_of_operator
from homeward.cli.moments import MOMENT
from shared import clock
from shared.audit import audit
from shared.contracts.event import SERVICES, read_moment
from shared.contracts.roles import SYSTEM
from shared.database import transaction
from shared.errors import Refusal
from shared.messaging.oversight.traces import traces_of

#: Waits shorter than this are not told. Design default: nobody waits for them.
_TOLD_FROM_SECONDS = 1.0


@click.command()
@click.argument("trace_id", type=click.UUID, metavar="ID")
@click.option("--tenant", help="Whose it is; needed only where several tenants use the same id.")
@click.option("--since", type=MOMENT, help="Only events from then on, in program time.")
@click.option("--until", type=MOMENT, help="Only events until then, in program time.")
@click.option(
    "--limit",
    type=click.IntRange(1, traces.MAX_LIMIT),
    default=traces.DEFAULT_LIMIT,
    show_default=True,
    help="Most events that are told.",
)
@click.option("--time-zone", help="Where times are told for; the first of HOMEWARD_TIME_ZONES unless given.")
@click.option("--json", "as_json", is_flag=True, help="Print the trace as it is, as JSON.")
def trace(
    trace_id: Any,
    tenant: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    time_zone: str | None,
    as_json: bool,  # click hands flags over by name
) -> None:
    """Tell what came of ID: an event, a command, a request (a problem's instance), an episode or a patient.

    A command with the events it announced, the reactions to each in every service, the timers that these
    set, the pages, and what humans did about them; with times, waits, and what is stuck. It looks into the
    databases themselves, so it also works while no service runs.
    """
    with settings_of_operator() as settings, opened(settings, ("gateway",)) as ((_, archive),):
        zone = _zone_of(time_zone or settings.time_zones[0])
        with contextlib.ExitStack() as ending:
            engines = dict(ending.enter_context(opened(settings, SERVICES)))
            tables.fill_causes(archive)
            tenant_id = tenant or _tenant_of(str(trace_id), engines)

            def ask(service: str, ids: list[str]) -> dict[str, Any] | None:
                try:
                    with transaction(engines[service], None) as db:
                        return traces_of(
                            db, ids=ids, tenant_id=tenant_id, memory_days=settings.inbox_memory_days
                        )
                except sa.exc.OperationalError:
                    return None

            try:
                with archive.connect() as connection:
                    told = traces.trace(
                        connection,
                        ask,
                        trace_id=str(trace_id),
                        tenant_id=tenant_id,
                        now=program_now(settings),
                        real_now=clock.real_now(),
                        since=since,
                        until=until,
                        limit=limit,
                    )
            except Refusal as refusal:
                raise click.ClickException(refusal.detail) from None
    if as_json:
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    else:
        write(told, zone, Console(width=None if Console().is_terminal else 220, highlight=False))


def _zone_of(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise click.UsageError(f"{name} is no time zone of the tz database.") from None


def _tenant_of(trace_id: str, engines: dict[str, sa.Engine]) -> str:
    with engines["gateway"].connect() as connection:
        found = tables.tenants_of(connection, trace_id)
    for engine in engines.values():
        # A command that announced nothing is in the audit alone.
        with contextlib.suppress(sa.exc.OperationalError), engine.connect() as connection:
            own = sa.select(audit.c.tenant_id).where(audit.c.cause_id == trace_id).distinct()
            found |= set(connection.scalars(own))
    if not found:
        raise click.ClickException("Nobody has heard of this id.")
    if len(found) > 1:
        raise click.UsageError(
            f"Several tenants use this id: give --tenant, one of {', '.join(sorted(found))}."
        )
    return found.pop()


def write(told: dict[str, Any], zone: zoneinfo.ZoneInfo, console: Console) -> None:
    """Write a trace to be read: what is stuck first, then how it came about, then all of it."""

    def when(moment: str) -> str:
        local = read_moment(moment).astimezone(zone)
        return f"{local:%a %d %b %H:%M}" + (f":{local:%S}" if local.second else "")

    console.print(f"{told['kind'].lower()} {told['trace_id']}, times of {zone.key}", style="bold")
    for missing in told["missing"]:
        console.print(f"{missing} did not answer: what it knows is missing here.", style="bold red")
    if told["forgotten_before"]:
        begins = when(told["forgotten_before"])
        console.print(f"Some of this is older than {begins}: when it was received is forgotten.")
    if told["problems"]:
        console.print(f"\nLate, stuck or failed ({len(told['problems'])}):", style="bold red")
        for problem in told["problems"]:
            console.print(Text.assemble("  ", _line(problem, when)))
    if told["causes"]:
        console.print("\nHow it came to this:", style="bold")
        for step in told["causes"]:
            console.print(Text.assemble("  ", _line(step, when)))
    console.print("\nWhat came of it:", style="bold")
    branches: dict[int, Tree] = {}
    for step in told["steps"]:
        if step["of"] is None:
            branches[step["step"]] = Tree(_line(step, when))
        elif not _is_bookkeeping(step):
            branches[step["step"]] = branches[step["of"]].add(_line(step, when))
    for step in told["steps"]:
        if step["of"] is None:
            console.print(branches[step["step"]])
    if told["cut_at"]:
        console.print(
            f"Cut here: there is more from {when(told['cut_at'])} on. Ask with --since.", style="bold"
        )


def _is_bookkeeping(step: dict[str, Any]) -> bool:
    """Return whether a step tells a supervisor nothing: the gateway noted what is told above it."""
    return bool(step["kind"] == "REACTION" and step["service"] == "gateway" and step["state"] == "DONE")


def _line(step: dict[str, Any], when: Callable[[str], str]) -> Text:
    """Return one step as a line."""
    line = Text()
    if step.get("at"):
        line.append(f"{when(step['at'])}  ", style="dim")
    if step.get("after_seconds", 0) >= _TOLD_FROM_SECONDS:
        line.append(f"({_span(step['after_seconds'])} later) ", style="dim")
    if step.get("service"):
        line.append(f"{step['service']}: ", style="cyan")
    line.append(step["sentence"])
    if step.get("due_at"):
        waits = step.get("kind") in ("TIMER", "REACTION")
        line.append(f", {'for' if waits else 'due'} {when(step['due_at'])}")
    by_hand = step.get("actor_role") != SYSTEM and (step.get("elsewhere") or step.get("kind") == "COMMAND")
    if by_hand and step.get("actor_id"):
        line.append(f" [{step.get('actor_role', '')} {step.get('actor_id', '')}]", style="dim")
    for name, told in (("sent", "sent"), ("received", "received"), ("done", "done")):
        seconds = step.get(f"{name}_after_seconds", 0)
        if seconds >= _TOLD_FROM_SECONDS:
            line.append(f" ({told} after {_span(seconds)})", style="dim")
    if step.get("problem"):
        line.append(f"  ← {step['problem'].replace('_', ' ').lower()}", style="bold red")
    return line


def _span(seconds: float) -> str:
    """Return a time span in the largest units that fit, two of them at most."""
    rest, parts = round(seconds), []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
