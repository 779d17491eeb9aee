"""``homeward rules``: the packs of rules, who signed them, and what two versions differ in."""

import itertools
import json
from typing import Any

import click
import urllib3

from homeward.cli import door
from services.intake.domain import placement
from services.intake.domain import rules as packs
from shared.contracts import roles
from shared.errors import Refusal

#: Room for the name of a pack.
_LONGEST = 24

_URL = click.option("--url", help="Address of the gateway; by default the embedded set-up's.")


@click.group()
def rules() -> None:
    """List, compare and sign the packs of rules."""


@rules.command("list")
@_URL
@click.option("--token", envvar="HOMEWARD_TOKEN", help="Access token that may read rules.")
@click.option("--json", "as_json", is_flag=True, help="Print each pack as it is, one JSON object a line.")
def list_rules(url: str | None, token: str | None, as_json: bool) -> None:
    """List every version of every pack, and which are in force for the tenant."""
    url, token = door.where(url, token, role=roles.SUPERVISOR)
    http = urllib3.PoolManager()
    for pack in door.ask(http, "GET", "/v1/rules", url=url, token=token)["items"]:
        click.echo(json.dumps(pack, separators=(",", ":")) if as_json else _as_line(pack))


@rules.command()
@click.argument("names", nargs=-1, metavar="PACK…")
@click.option("--all", "everything", is_flag=True, help="Every newest version that may be signed.")
@_URL
@click.option(
    "--token",
    envvar="HOMEWARD_TOKEN",
    help="The medical director's access token; by default the embedded set-up's. Also as HOMEWARD_TOKEN.",
)
def sign(names: tuple[str, ...], everything: bool, url: str | None, token: str | None) -> None:
    """Put the newest version of each PACK in force, as the medical director whose token it is."""
    if bool(names) == everything:
        raise click.UsageError("Name packs, or give --all.")
    url, token = door.where(url, token, role=roles.MEDICAL_DIRECTOR)
    http = urllib3.PoolManager()
    newest = {
        pack["pack"]: pack for pack in door.ask(http, "GET", "/v1/rules", url=url, token=token)["items"]
    }
    unknown = sorted(set(names) - set(newest))
    if unknown:
        raise click.ClickException(f"There is no pack {', '.join(unknown)}.")
    for name in names or [one for one, pack in newest.items() if pack["may_be_signed"]]:
        body = {part: newest[name][part] for part in ("pack", "version", "digest")}
        signed = door.ask(http, "POST", "/v1/rule-signatures", url=url, token=token, body=body)
        click.echo(f"{name} {signed['version']}: signed by {signed['signed_by']} at {signed['signed_at']}")


@rules.command()
@click.argument("name", metavar="PACK")
@click.argument("older", type=int)
@click.argument("newer", type=int)
def diff(name: str, older: int, newer: int) -> None:
    """Show in which lines two versions of PACK differ and, of placement, whose level would change."""
    try:
        lines = packs.difference(name, older, newer)
    except Refusal as refusal:
        raise click.ClickException(refusal.detail) from None
    for line in lines:
        click.echo(line)
    if name == placement.CODE:
        changed = _levels_changed(older, newer)
        click.echo(f"{changed} of {2 * len(placement.RATINGS) ** len(placement.DIMENSIONS)} profiles change.")


def _levels_changed(older: int, newer: int) -> int:
    """Count the profiles, with a safe and an unsafe home, whose level two versions see differently."""
    profiles = itertools.product(
        itertools.product(placement.RATINGS, repeat=len(placement.DIMENSIONS)), (False, True)
    )
    return sum(
        _level(ratings, unsafe, version=older) != _level(ratings, unsafe, version=newer)
        for ratings, unsafe in profiles
    )


def _level(ratings: tuple[int, ...], home_unsafe: bool, *, version: int) -> str:  # a profile
    return placement.recommend(
        ratings=ratings, home_unsafe=home_unsafe, gate_least_level=None, minor=False, version=version
    ).level


def _as_line(pack: dict[str, Any]) -> str:
    signature = pack["signature"]
    if pack["in_force"]:
        state = f"in force since {signature['signed_at']}, signed by {signature['signed_by']}"
    elif pack["may_be_signed"]:
        state = "not signed"
    else:
        state = "ships off: its licence is not clear"
    return f"{pack['pack']:<{_LONGEST}} {pack['version']:>3}  {pack['kind']:<11}  {state}"
