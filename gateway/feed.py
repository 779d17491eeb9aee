"""The feed of events: page after page by an opaque cursor, with nothing ever behind a reader."""

import base64
import binascii
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy.orm import Session

from gateway import disclosure, tables
from gateway.disclosure import Audience, Decision
from shared.contracts.catalogue import EVENTS
from shared.errors import InvalidInput

#: Events in a page when the reader does not say, and at most.
DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
#: Events looked at for one page; where most are withheld, a page may come back short.
SCAN_LIMIT = 2000

#: What a cursor begins with, so that its form can change.
_CURSOR_VERSION = "1:"


def write_cursor(position: int) -> str:
    """Return the cursor after a position of the feed."""
    return base64.urlsafe_b64encode(f"{_CURSOR_VERSION}{position}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> int:
    """Return the position that a cursor stands for.

    :raises InvalidInput: when it is not one of ours.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True).decode("ascii")
        version, digits = text[:2], text[2:]
        position = int(digits) if digits.isdecimal() and len(digits) < 19 else -1
    except (binascii.Error, ValueError):
        version, position = "", -1
    if version != _CURSOR_VERSION or position < 0 or write_cursor(position) != cursor:
        raise InvalidInput(
            "The cursor is not one that this feed gave.",
            field="after",
            rule="the value of next in an earlier answer",
        )
    return position


def read_page(
    db: Session,
    *,
    audience: Audience,
    after: str | None,
    last: int | None,
    types: Iterable[str],
    limit: int,
    now: datetime,
    confirmed: Mapping[str, Collection[str]],
    account: Callable[[dict[tuple[str, str], set[str]]], None],
) -> dict[str, Any]:
    """Return the next events for an audience, and the cursor to go on from.

    :param after: where to go on; where neither this nor *last* is given, the feed begins.
    :param last: how many of the newest events to begin with; what of them may not leave is left out.
    :param confirmed: as in :func:`gateway.disclosure.may_leave`.
    :param account: told what left to an outside recipient: classes by patient and consent.
    :raises InvalidInput: when the cursor or a type is unknown, or there are two beginnings.
    """
    wanted = tuple(types)
    unknown = [name for name in wanted if name not in EVENTS]
    if unknown:
        raise InvalidInput("There is no event of that type.", field="type", rule="a type in /asyncapi.json")
    if last is None:
        position = read_cursor(after) if after else 0
    elif after:
        raise InvalidInput("A cursor says already where to go on.", field="last", rule="not beside after")
    else:
        position = tables.position_before_newest(db, tenant_id=audience.tenant_id, types=wanted, newest=last)
    outside = not audience.is_staff
    scan = SCAN_LIMIT if outside else limit
    items: list[Any] = []
    disclosed: dict[tuple[str, str], set[str]] = {}
    decided: dict[tuple[str, str], tuple[Decision, ...] | None] = {}
    for row in tables.events_after(
        db, tenant_id=audience.tenant_id, position=position, types=wanted, limit=scan
    ):
        position = row.position
        if outside:
            key = (row.patient_id or "", row.type)
            if key not in decided:
                decided[key] = _decisions(db, row, audience=audience, now=now, confirmed=confirmed)
            decisions = decided[key]
            if decisions is None:
                continue
            for decision in decisions:
                if decision.consent_id:
                    classes = disclosed.setdefault((row.patient_id, decision.consent_id), set())
                    classes.add(decision.information_class)
        items.append(orjson.Fragment(bytes(row.body)))
        if len(items) == limit:
            break
    if disclosed:
        account(disclosed)
    return {"items": items, "next": write_cursor(position) if position else None}


def _decisions(
    db: Session, row: Any, *, audience: Audience, now: datetime, confirmed: Mapping[str, Collection[str]]
) -> tuple[Decision, ...] | None:
    if row.patient_id is None:
        return None
    return disclosure.may_all_leave(
        db,
        audience=audience,
        patient_id=row.patient_id,
        information=disclosure.INFORMATION_OF_EVENT.get(row.type, ()),
        now=now,
        confirmed=confirmed,
    )
