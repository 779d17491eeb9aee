"""``homeward parked``: the reactions that failed too often and wait for a human."""

import contextlib
import dataclasses
import getpass
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import orjson
import sqlalchemy as sa
from rich import box
from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from shared.contracts.event import SERVICES
from shared.database import new_engine, transaction
from shared.errors import NotFound
from shared.messaging import inbox
from shared.settings import Settings, load_settings

_service_option = click.option(
    "--service", "services", multiple=True, type=click.Choice(SERVICES), help="Look at this service only."
)
_why_option = click.option("--why", required=True, help="The reason, kept on record: no names, please.")
_who_option = click.option("--who", default=getpass.getuser, help="Who decides; your login unless given.")


@click.group()
def parked() -> None:
    """List, read, retry or skip reactions that were parked after too many failed attempts."""


@parked.command("list")
@_service_option
def list_all(services: tuple[str, ...]) -> None:
    """List the parked reactions of every service, oldest first."""
    table = Table("Service", "Event", "Id", "Reaction", "Attempts", "Error", "Received", box=box.SIMPLE)
    found = 0
    with databases(services) as opened:
        for service, engine in opened:
            with transaction(engine, None) as db:
                for row in inbox.list_parked(db):
                    found += 1
                    table.add_row(
                        service,
                        row["type"],
                        row["event_id"],
                        row["reaction"],
                        str(row["attempts"]),
                        row["error"] or "",
                        f"{row['received_at']:%Y-%m-%d %H:%M:%S}",
                    )
    if found:
        # Ids are there to be copied into the next command, so they are never cut.
        Console(width=None if Console().is_terminal else 200).print(table)
    click.echo(f"{found} parked")


@parked.command()
@click.argument("event_id", type=click.UUID)
@_service_option
def show(event_id: Any, services: tuple[str, ...]) -> None:
    """Show the parked reactions to the event EVENT_ID, with the event."""

    def look(db: Session) -> list[dict[str, Any]]:
        return inbox.show_parked(db, event_id=str(event_id))

    for service, rows in _in_each(services, look).items():
        for row in rows:
            shown = {"service": service}
            # A column's name is a kind of str that the JSON writer does not take.
            shown |= {str(name): value for name, value in row.items() if value is not None and name != "body"}
            shown |= {"event": orjson.loads(row["body"])} if row.get("body") else {}
            text = orjson.dumps(shown, option=orjson.OPT_INDENT_2, default=str)
            click.echo(text.decode())


@parked.command()
@click.argument("event_id", type=click.UUID)
@_service_option
@_why_option
@_who_option
def retry(event_id: Any, services: tuple[str, ...], why: str, who: str) -> None:
    """Have the parked reactions to the event EVENT_ID tried again, with fresh attempts."""

    def resolve(db: Session) -> int:
        return inbox.retry_parked(db, event_id=str(event_id), who=who, why=why)

    for service, count in _in_each(services, resolve).items():
        click.echo(f"{service}: {count} will be tried again")


@parked.command()
@click.argument("event_id", type=click.UUID)
@_service_option
@_why_option
@_who_option
def skip(event_id: Any, services: tuple[str, ...], why: str, who: str) -> None:
    """Give up the parked reactions to the event EVENT_ID; the reason stays on record."""

    def resolve(db: Session) -> int:
        return inbox.skip_parked(db, event_id=str(event_id), who=who, why=why)

    for service, count in _in_each(services, resolve).items():
        click.echo(f"{service}: {count} skipped")


def _in_each(services: tuple[str, ...], act: Any) -> dict[str, Any]:
    """Do *act* in the database of each service that has something parked, and return the answers."""
    answers = {}
    with databases(services) as opened:
        for service, engine in opened:
            with contextlib.suppress(NotFound), transaction(engine, None) as db:
                answers[service] = act(db)
    if not answers:
        raise click.ClickException("No reaction to this event is parked.")
    return answers


@contextlib.contextmanager
def databases(services: tuple[str, ...]) -> Iterator[list[tuple[str, sa.Engine]]]:
    """Open the services' databases; those of the embedded set-up also while it does not run."""
    with contextlib.ExitStack() as ending:
        settings = load_settings(os.environ)
        if settings.embedded and not settings.database_url:
            settings = _with_own_postgres(settings, ending)
        engines = [
            (service, new_engine(settings.database_url_of(service), application="homeward-operator"))
            for service in services or SERVICES
        ]
        for _, engine in engines:
            ending.callback(engine.dispose)
        try:
            yield engines
        except sa.exc.OperationalError as error:
            raise click.ClickException(f"The database does not answer: {error.orig}") from None


def _with_own_postgres(settings: Settings, ending: contextlib.ExitStack) -> Settings:
    from homeward.postgres import PrivatePostgres  # noqa: PLC0415  # only where it is used

    folder = Path(settings.data_dir).absolute() / "postgres"
    if not folder.exists():
        raise click.ClickException(f"There is no embedded set-up in {settings.data_dir} yet.")
    server = PrivatePostgres(folder)
    ending.callback(server.stop)
    return dataclasses.replace(settings, database_url=server.start())
