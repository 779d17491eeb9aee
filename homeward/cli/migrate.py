"""``homeward migrate``: bring the databases up to date."""

import os

import click

from shared.contracts.event import SERVICES
from shared.settings import load_settings


@click.command()
@click.argument("services", nargs=-1, type=click.Choice(SERVICES))
@click.option("--new", "message", help="Write the next migration of the service, with this message.")
def migrate(services: tuple[str, ...], message: str | None) -> None:
    """Bring the database of each SERVICE up to date; of all when none is named."""
    from homeward import schema  # noqa: PLC0415  # loads every service

    settings = load_settings(os.environ)
    for service in services or SERVICES:
        if message:
            schema.write_migration(settings, service, message)
        else:
            schema.migrate(settings, (service,))
        click.echo(f"{service}: done")
