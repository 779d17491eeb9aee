"""``homeward token``: an access token for a person of the staff, a patient or a partner."""

import json
import os
from datetime import timedelta
from pathlib import Path

import click

from gateway import tokens
from homeward import embedded
from shared.contracts import roles
from shared.settings import Settings, load_settings

#: Longest life of a token in hours: a year.
_LONGEST_HOURS = 366 * 24


@click.command()
@click.argument("role", type=click.Choice(roles.ROLES))
@click.argument("actor_id", metavar="WHO")
@click.option("--tenant", help="Whose data; HOMEWARD_TENANT unless given.")
@click.option("--partner", default="house", show_default=True, help="The app that asks.")
@click.option("--credential", default="", help="The person's licence, e.g. LCSW.")
@click.option("--scope", "scopes", multiple=True, help="One of its scopes; all of the role's unless given.")
@click.option(
    "--hours",
    type=click.IntRange(1, _LONGEST_HOURS),
    default=round(tokens.DEFAULT_LIFETIME / timedelta(hours=1)),
    show_default=True,
    help="How long it holds.",
)
def token(
    role: str,
    actor_id: str,
    tenant: str | None,
    partner: str,
    credential: str,
    scopes: tuple[str, ...],
    hours: int,
) -> None:
    """Print an access token for WHO, the person who acts or the patient's id, in a ROLE.

    It is signed with HOMEWARD_TOKEN_KEY; by default with the embedded set-up's. What is done with it is
    done in the name of WHO, so pass it on to nobody else.
    """
    settings = load_settings(os.environ)
    try:
        minted = tokens.mint(
            settings.token_key or _key_of_embedded(settings),
            tenant=tenant or settings.tenant,
            role=role,
            actor_id=actor_id,
            partner=partner,
            credential=credential,
            scopes=scopes or None,
            lifetime=timedelta(hours=hours),
        )
    except ValueError as error:
        raise click.UsageError(f"{error}") from None
    click.echo(minted)


def _key_of_embedded(settings: Settings) -> str:
    place = Path(settings.data_dir) / embedded.KEYS_FILE
    try:
        key: str = json.loads(place.read_text(encoding="utf-8"))["token_key"]
    except (OSError, ValueError, KeyError):
        raise click.UsageError(
            f"HOMEWARD_TOKEN_KEY is not set, and there is no {place} of an embedded set-up."
        ) from None
    return key
