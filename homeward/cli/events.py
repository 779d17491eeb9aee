"""``homeward events``: watch what the services tell each other."""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import click
import urllib3

from homeward.cli import door
from shared.contracts import roles

#: Events asked for at once.
_PAGE = 500
#: Seconds between looks at a feed that had nothing new.
_PAUSE_SECONDS = 1.0
#: Past events that are shown before new ones, unless told otherwise; and at most.
_LAST = 10
_LAST_AT_MOST = 1000


@click.group()
def events() -> None:
    """Watch events as they are announced."""


@events.command()
@click.option("--url", help="Address of the gateway; by default the embedded set-up's.")
@click.option(
    "--token",
    envvar="HOMEWARD_TOKEN",
    help="Access token that may read events; by default the embedded set-up's. Also as HOMEWARD_TOKEN.",
)
@click.option("--type", "types", multiple=True, help="Only events of this type, e.g. session_missed.")
@click.option(
    "--last",
    type=click.IntRange(0, _LAST_AT_MOST),
    default=_LAST,
    show_default=True,
    help="Past events to begin with.",
)
@click.option("--all", "everything", is_flag=True, help="Begin with the first event ever.")
@click.option("--after", "cursor", help="Begin where an answer of GET /v1/events told its next.")
@click.option("--once", is_flag=True, help="Stop at the end of the feed instead of waiting for more.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as it is, one JSON object a line.")
def tail(  # one parameter an option
    url: str | None,
    token: str | None,
    types: tuple[str, ...],
    last: int,
    everything: bool,  # click hands flags over by name
    cursor: str | None,
    once: bool,
    as_json: bool,
) -> None:
    """Print the latest events, then new ones as they come."""
    if everything and cursor:
        raise click.UsageError("Give --all or --after: each says where to begin.")
    url, token = door.where(url, token, role=roles.SUPERVISOR)
    begin = ("after", cursor) if cursor else None if everything else ("last", str(last))
    show = _as_json if as_json else _as_line
    for page in _pages(url, token, types, begin=begin):
        for event in page:
            click.echo(show(event))
        if len(page) < _PAGE:
            if once:
                return
            time.sleep(_PAUSE_SECONDS)


def _pages(
    url: str, token: str, types: tuple[str, ...], *, begin: tuple[str, str] | None
) -> Iterator[list[dict[str, Any]]]:
    """Yield page after page of the feed, for ever; an empty one when there is nothing new.

    :param begin: what is asked for first, as name and value; nothing for the first event ever.
    """
    http = urllib3.PoolManager(retries=urllib3.Retry(connect=3, backoff_factor=0.5, status=0))
    place = begin
    while True:
        query = [("limit", str(_PAGE)), *(("type", name) for name in types)]
        query += [place] if place else []
        body = door.ask(http, "GET", f"/v1/events?{urlencode(query)}", url=url, token=token)
        # Without a next the feed was empty: whatever comes is new.
        place = ("after", body["next"]) if body["next"] else None
        yield body["items"]


def _as_json(event: dict[str, Any]) -> str:
    return json.dumps(event, separators=(",", ":"))


def _as_line(event: dict[str, Any]) -> str:
    """Write an event as one line: when, by whom, what, about whom and what else is known."""
    subject = event.get("subject", "")
    told = " ".join(
        f"{name}={','.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in event["data"].items()
        if value not in (None, "", [], subject) and not name.endswith(("patient_id", "journey_id"))
    )
    kind = event["type"].removeprefix("homeward.")
    source = event["source"].rsplit("/", 1)[-1]
    return f"{event['time']}  {source:<10}  {kind:<26}  {subject}  {told}".rstrip()
