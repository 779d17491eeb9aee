"""``homeward resend``: events sent once more, for a broker that has lost them."""

import getpass
from collections import Counter
from datetime import datetime
from typing import Any

import click

from homeward.cli.databases import opened, origin_of_operator, program_now, settings_of_operator
from homeward.cli.moments import MOMENT
from shared import audit
from shared.clock import real_now
from shared.contracts.event import SERVICES
from shared.database import act_for, transaction
from shared.messaging import outbox


@click.command()
@click.argument("event_ids", nargs=-1, type=click.UUID)
@click.option("--since", type=MOMENT, help="Those announced from then on, in real time.")
@click.option("--until", type=MOMENT, help="Those announced before then; now unless given.")
@click.option(
    "--service", "services", multiple=True, type=click.Choice(SERVICES), help="Of this service only."
)
@click.option("--who", default=getpass.getuser, help="Who decides; your login unless given.")
def resend(
    event_ids: tuple[Any, ...],
    since: datetime | None,
    until: datetime | None,
    services: tuple[str, ...],
    who: str,
) -> None:
    """Have the events EVENT_IDS, or those of a time, sent once more by the services that announced them.

    Whoever received them before recognises them and does nothing. What was pruned cannot be sent.
    """
    if bool(event_ids) == (since is not None) or (until is not None and since is None):
        raise click.UsageError("Name events, or give --since and perhaps --until.")
    ids = [str(event_id) for event_id in event_ids]
    with settings_of_operator() as settings, opened(settings, services) as engines:
        now, began, found = program_now(settings), real_now(), 0
        for service, engine in engines:
            of_service: Counter[str] = Counter()
            while True:
                with transaction(engine, None) as db:
                    tenants = outbox.send_again(db, began=began, event_ids=ids, since=since, until=until)
                of_service.update(tenants)
                if not tenants:
                    break
            for tenant_id in of_service:
                with transaction(engine, None) as db:
                    act_for(db, origin_of_operator(service, tenant_id=tenant_id, who=who, now=now))
                    audit.record(db, action="resend", outcome=f"{of_service[tenant_id]} events")
            if of_service:
                click.echo(f"{service}: {of_service.total()} will be sent again")
            found += of_service.total()
    if not found:
        raise click.ClickException("No such event was sent before, or it is no longer remembered.")
