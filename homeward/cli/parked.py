"""``homeward parked``: the reactions and timers that failed too often and wait for a human."""

import getpass
from typing import Any

import click
import orjson
from rich import box
from rich.console import Console
from rich.table import Column, Table

from homeward.cli.databases import (
    databases,
    opened,
    origin_of_operator,
    program_now,
    settings_of_operator,
)
from shared import audit
from shared.contracts.event import SERVICES
from shared.database import act_for, transaction
from shared.messaging.oversight import parked as parked_items

_service_option = click.option(
    "--service", "services", multiple=True, type=click.Choice(SERVICES), help="Look at this service only."
)
_why_option = click.option("--why", required=True, help="The reason, kept on record: no names, please.")
_who_option = click.option("--who", default=getpass.getuser, help="Who decides; your login unless given.")


@click.group()
def parked() -> None:
    """List, read, retry or skip reactions and timers that were parked after too many failed attempts."""


@parked.command("list")
@_service_option
def list_all(services: tuple[str, ...]) -> None:
    """List the parked reactions and timers of every service, oldest first."""
    # Ids are there to be copied into the next command, so they are never cut.
    table = Table(
        "Service",
        "Event",
        Column("Id", no_wrap=True, min_width=36),
        "Reaction or timer",
        "Attempts",
        "Error",
        "Since",
        box=box.SIMPLE,
    )
    found = 0
    with databases(services) as engines:
        for service, engine in engines:
            with transaction(engine, None) as db:
                for item in parked_items.list_items(db, service=service):
                    found += 1
                    table.add_row(
                        service,
                        item.get("event_type", ""),
                        item["item_id"],
                        item["name"],
                        str(item["attempts"]),
                        item["error"] or "",
                        (item.get("received_at") or item["due_at"])[:19].replace("T", " "),
                    )
    if found:
        Console(width=None if Console().is_terminal else 200).print(table)
    click.echo(f"{found} parked")


@parked.command()
@click.argument("item_id", type=click.UUID)
@_service_option
def show(item_id: Any, services: tuple[str, ...]) -> None:
    """Show what is parked under ITEM_ID, an event's or a timer's id, with the event."""
    found = 0
    with databases(services) as engines:
        for service, engine in engines:
            with transaction(engine, None) as db:
                for item in parked_items.show_items(db, service=service, item_id=str(item_id)):
                    found += 1
                    shown = {name: value for name, value in item.items() if value is not None}
                    click.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode())
    _refuse_if_nothing(found)


@parked.command()
@click.argument("item_id", type=click.UUID)
@_service_option
@_why_option
@_who_option
def retry(item_id: Any, services: tuple[str, ...], why: str, who: str) -> None:
    """Have what is parked under ITEM_ID tried again, with fresh attempts."""
    _resolve(str(item_id), services, how=parked_items.RETRY, why=why, who=who, told="will be tried again")


@parked.command()
@click.argument("item_id", type=click.UUID)
@_service_option
@_why_option
@_who_option
def skip(item_id: Any, services: tuple[str, ...], why: str, who: str) -> None:
    """Give up what is parked under ITEM_ID; the reason stays on record."""
    _resolve(str(item_id), services, how=parked_items.SKIP, why=why, who=who, told="skipped")


def _resolve(item_id: str, services: tuple[str, ...], *, how: str, why: str, who: str, told: str) -> None:
    found = 0
    with settings_of_operator() as settings, opened(settings, services) as engines:
        now = program_now(settings)
        for service, engine in engines:
            count = 0
            with transaction(engine, None) as db:
                for tenant_id in parked_items.tenants_of(db, service=service, item_id=item_id):
                    act_for(db, origin_of_operator(service, tenant_id=tenant_id, who=who, now=now))
                    count += parked_items.resolve(
                        db, service=service, item_id=item_id, tenant_id=tenant_id, how=how, who=who, why=why
                    )
                    audit.record(db, action=f"{how.lower()}_parked", about_id=item_id)
            if count:
                click.echo(f"{service}: {count} {told}")
            found += count
    _refuse_if_nothing(found)


def _refuse_if_nothing(found: int) -> None:
    if not found:
        raise click.ClickException("Nothing is parked under this id.")
