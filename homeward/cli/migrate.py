"""``homeward migrate``: bring the databases up to date."""

import os

import click
import sqlalchemy as sa

from shared.contracts.event import SERVICES
from shared.settings import load_settings


@click.command()
@click.argument("services", nargs=-1, type=click.Choice(SERVICES))
@click.option("--new", "message", help="Write the next migration of the service, with this message.")
def migrate(services: tuple[str, ...], message: str | None) -> None:
    """Bring the database of each SERVICE up to date; of all when none is named."""
    from homeward import schema  # noqa: PLC0415  # loads every service

    if message and len(services) != 1:
        raise click.UsageError("Name the one service that --new is for.")
    settings = load_settings(os.environ)
    for service in services or SERVICES:
        try:
            if message:
                schema.write_migration(settings, service, message)
            else:
                schema.migrate(settings, (service,))
        except sa.exc.OperationalError as error:
            raise click.ClickException(f"The database of {service} does not answer: {error.orig}") from None
        click.echo(f"{service}: done")
