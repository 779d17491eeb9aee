"""``homeward rules``: the packs of rules, who signed them, and what two versions differ in."""

import itertools
import json
import os
import uuid
from pathlib import Path
from typing import Any

import click
import urllib3

from services.intake.domain import placement
from services.intake.domain import rules as packs
from shared.contracts import roles
from shared.errors import Refusal
from shared.settings import load_settings

#: Seconds to wait for an answer.
_TIMEOUT_SECONDS = 30

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
    url, token = _where(url, token, role=roles.SUPERVISOR)
    for pack in _asked(url, token, "GET", "/v1/rules")["items"]:
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
    url, token = _where(url, token, role=roles.MEDICAL_DIRECTOR)
    newest = {pack["pack"]: pack for pack in _asked(url, token, "GET", "/v1/rules")["items"]}
    unknown = sorted(set(names) - set(newest))
    if unknown:
        raise click.ClickException(f"There is no pack {', '.join(unknown)}.")
    for name in names or [one for one, pack in newest.items() if pack["may_be_signed"]]:
        body = {part: newest[name][part] for part in ("pack", "version", "digest")}
        signed = _asked(url, token, "POST", "/v1/rule-signatures", body)
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
    return f"{pack['pack']:<16} {pack['version']:>3}  {pack['kind']:<11}  {state}"


def _asked(url: str, token: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    if body is not None:
        headers |= {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    try:
        answer = urllib3.request(
            method,
            f"{url}{path}",
            headers=headers,
            body=json.dumps(body).encode() if body is not None else None,
            timeout=_TIMEOUT_SECONDS,
        )
    except urllib3.exceptions.HTTPError:
        raise click.ClickException(f"Nobody answers at {url}.") from None
    try:
        told = json.loads(answer.data)
    except ValueError:
        raise click.ClickException(f"What answers at {url} is no Homeward: {answer.status}.") from None
    if answer.status >= 400:  # any refusal
        raise click.ClickException(f"{answer.status}: {told.get('detail') or told.get('title')}")
    return told


def _where(url: str | None, token: str | None, *, role: str) -> tuple[str, str]:
    if url and token:
        return url.rstrip("/"), token
    ready_file = Path(load_settings(os.environ).data_dir) / "ready.json"
    try:
        ready = json.loads(ready_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise click.UsageError(
            f"There is no {ready_file} of an embedded set-up: make run starts one; or give --url and --token."
        ) from None
    return (url or ready["url"]).rstrip("/"), token or ready["tokens"][role]
