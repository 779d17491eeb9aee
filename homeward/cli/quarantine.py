"""``homeward quarantine``: the messages that nobody could read."""

import click
from rich import box
from rich.console import Console
from rich.table import Table

from homeward.cli.databases import databases
from shared.contracts.event import SERVICES
from shared.database import transaction
from shared.messaging import inbox


@click.command()
@click.option(
    "--service", "services", multiple=True, type=click.Choice(SERVICES), help="Look at this service only."
)
def quarantine(services: tuple[str, ...]) -> None:
    """List the messages that were put aside, sealed: a fingerprint and why, never what they say."""
    table = Table("Service", "SHA-256", "Why", "Received", box=box.SIMPLE)
    found = 0
    with databases(services) as engines:
        for service, engine in engines:
            with transaction(engine, None) as db:
                for item in inbox.list_quarantined(db):
                    found += 1
                    received_at = item["received_at"][:19].replace("T", " ")
                    table.add_row(service, item["digest"], item["error"], received_at)
    if found:
        Console(width=None if Console().is_terminal else 200).print(table)
    click.echo(f"{found} put aside")
