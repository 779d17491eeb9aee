"""How a command of the operator's finds the gateway, and asks it."""

import json
import os
import uuid
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click
import urllib3

from shared.settings import load_settings

#: Seconds to wait for an answer.
_TIMEOUT_SECONDS = 30


def where(url: str | None, token: str | None, *, role: str) -> tuple[str, str]:
    """Return an address and a token for it: those given, or else the embedded set-up's for a role.

    :raises click.UsageError: when neither is known.
    """
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


def ask(
    http: urllib3.PoolManager,
    method: str,
    path: str,
    *,
    url: str,
    token: str,
    body: dict[str, Any] | None = None,
) -> Any:
    """Return what the gateway at *url* answers.

    :raises click.ClickException: when nobody answers there, no Homeward does, or it refuses.
    """
    headers = {"Authorization": f"Bearer {token}"}
    if body is not None:
        headers |= {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    try:
        answer = http.request(
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
    if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
        raise click.ClickException(f"{answer.status}: {told.get('detail') or told.get('title')}")
    return told
