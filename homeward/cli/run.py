"""``homeward run``: host services in this process."""

import gc

# What a start makes stays until the end: to look for cycles among it would take a tenth of the start. The
# process looks for them once it serves.
gc.disable()

import eventlet  # noqa: E402  # before it much is made already
import eventlet.hubs  # noqa: E402

# First of all: what is imported from here on must find the patched modules.
eventlet.monkey_patch()

import os  # noqa: E402  # after the patch
import sys  # noqa: E402
from datetime import datetime  # noqa: E402
from typing import Any  # noqa: E402

import click  # noqa: E402

from homeward.cli.moments import MOMENT  # noqa: E402
from shared.contracts.event import SERVICES  # noqa: E402
from shared.settings import Settings, load_settings  # noqa: E402


@click.command()
@click.argument("services", nargs=-1, type=click.Choice(SERVICES))
@click.option("--all", "everything", is_flag=True, help="Host the gateway and every service.")
@click.option(
    "--simulated-from", type=MOMENT, help="Moment (RFC 3339) at which simulated program time begins."
)
@click.option("--while-watched", is_flag=True, help="End when standard input ends, with who holds it.")
@click.option("--greet", is_flag=True, help="Print the address, tokens and requests to try.")
def run(
    services: tuple[str, ...],
    everything: bool,
    simulated_from: datetime | None,
    while_watched: bool,
    greet: bool,
) -> None:
    """Host each SERVICE in this process until SIGTERM.

    With the broker inside the process (memory://, the default) everything is hosted, and a
    PostgreSQL of its own is started under HOMEWARD_DATA_DIR.
    """
    from homeward import embedded  # noqa: PLC0415  # after the patch
    from homeward.postgres import PostgresUnusable  # noqa: PLC0415
    from homeward.process import Process  # noqa: PLC0415
    from shared import telemetry  # noqa: PLC0415

    settings = load_settings(os.environ)
    chosen = SERVICES if everything else services
    if not chosen:
        raise click.UsageError("Name the services to host, or give --all.")
    if settings.embedded and set(chosen) != set(SERVICES):
        raise click.UsageError("The broker inside the process carries nothing to others: give --all.")
    try:
        if "gateway" in chosen:
            embedded.refuse_port_in_use(settings.http_host, settings.http_port, variable="HOMEWARD_PORT")
        if settings.health_port:
            variable = "HOMEWARD_HEALTH_PORT"
            embedded.refuse_port_in_use("127.0.0.1", settings.health_port, variable=variable)
    except embedded.PortInUse as refusal:
        raise click.ClickException(str(refusal)) from None
    telemetry.configure_logging(settings.log_level)
    if greet:
        click.echo("Homeward starts: for some seconds, and the very first time for longer.")
    server = None
    if settings.embedded:
        try:
            settings, server = embedded.prepare(settings)
        except PostgresUnusable as refusal:
            raise click.ClickException(str(refusal)) from None
    try:
        process = Process(chosen, settings)
        if settings.clock == "simulated":
            process.begin_simulation(simulated_from)
        if while_watched:
            eventlet.spawn(_end_with_standard_input, process)
        process.run_until_stopped(on_ready=lambda process: _on_ready(process, settings, greet=greet))
    finally:
        if server is not None:
            server.stop()


def _end_with_standard_input(process: Any) -> None:
    descriptor = sys.stdin.fileno()
    while True:
        eventlet.hubs.trampoline(descriptor, read=True)
        if not os.read(descriptor, 1024):
            process.stop_soon()
            return


def _on_ready(process: Any, settings: Settings, *, greet: bool) -> None:
    from homeward import embedded  # noqa: PLC0415
    from homeward.greeting import greeting, tokens_of, url_at  # noqa: PLC0415

    if not process.hosts("gateway"):
        return
    url = url_at(settings.http_host, process.http_port)
    tokens = tokens_of(settings)
    if settings.embedded:
        embedded.write_ready(settings, url=url, tokens=tokens)
    if greet:
        click.echo(greeting(url, tokens))
