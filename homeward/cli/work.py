"""``homeward work``: the work list, as operators keep it."""

import click
import sqlalchemy as sa

from gateway import work as work_list
from homeward.cli.databases import databases
from shared.database import transaction


@click.group()
def work() -> None:
    """Keep the work list of the gateway."""


@work.command()
def rebuild() -> None:
    """Make the work list anew from the archive of all events; nobody can take a task meanwhile."""
    with databases(("gateway",)) as opened:
        for _, engine in opened:
            with transaction(engine, None) as db:
                # However long it takes: all that was ever told about tasks is read.
                db.execute(sa.text("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '30s'"))
                count = work_list.rebuild(db)
            click.echo(f"made anew from {count} events")
