"""Secret addresses of calendars: whoever has one reads that calendar, until it is revoked.

Calendar programs cannot show a token, so the address itself is the secret. Only its digest is kept, and
an address that was revoked answers like one that never was.
"""

import hashlib
import secrets
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from gateway import tables
from gateway.tokens import Caller
from shared.contracts import roles
from shared.contracts.event import Actor, write_moment
from shared.errors import NotFound
from shared.ids import new_id

#: Bytes of chance in an address: as many as a key has.
SECRET_BYTES = 32

#: Where calendars are read; what follows is the secret.
PATH = "/calendars/"
SUFFIX = ".ics"

#: The app that an address stands for, in the record.
PARTNER = "calendar"


class NoSuchCalendarAddress(NotFound):
    """Raised when an address is named that is not there, or is not yours."""


def opened(
    db: Session, *, tenant_id: str, owner_role: str, owner_id: str, by: Actor, now: datetime
) -> dict[str, Any]:
    """Make an address for somebody's calendar; it is told this once."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    row = {
        "calendar_id": new_id(),
        "tenant_id": tenant_id,
        "digest": _digest(secret),
        "owner_role": owner_role,
        "owner_id": owner_id,
        "opened_by": by.actor_id,
        "opened_at": now,
        "revoked_at": None,
    }
    db.execute(tables.calendar_addresses.insert().values(row))
    return view(row) | {"address": f"{PATH}{secret}{SUFFIX}"}


def revoke(db: Session, *, tenant_id: str, calendar_id: str, by: Actor, now: datetime) -> dict[str, Any]:
    """Let an address lead nowhere from now on; a second time changes nothing.

    :raises NoSuchCalendarAddress: when there is none, or it is another patient's.
    """
    addresses = tables.calendar_addresses
    row = db.execute(
        sa.select(addresses)
        .where(addresses.c.tenant_id == tenant_id, addresses.c.calendar_id == calendar_id)
        .with_for_update()
    ).first()
    if row is None or not _may_touch(by, owner_id=row.owner_id):
        raise NoSuchCalendarAddress(field="calendar_id", rule="one that you can see")
    found = dict(row._mapping)
    if row.revoked_at is None:
        found["revoked_at"] = now
        db.execute(addresses.update().where(addresses.c.calendar_id == calendar_id).values(revoked_at=now))
    return view(found)


def listed(db: Session, *, tenant_id: str, owner_id: str | None, by: Actor) -> list[dict[str, Any]]:
    """Return the addresses of somebody, or of all, without their secrets; a patient sees their own."""
    addresses = tables.calendar_addresses
    query = (
        sa.select(addresses)
        .where(addresses.c.tenant_id == tenant_id)
        .order_by(addresses.c.opened_at, addresses.c.calendar_id)
        .limit(500)
    )
    if by.role == roles.PATIENT:
        query = query.where(addresses.c.owner_id == by.actor_id)
    if owner_id is not None:
        query = query.where(addresses.c.owner_id == owner_id)
    return [view(dict(row._mapping)) for row in db.execute(query)]


def owner_of(connection: sa.Connection, secret: str) -> tuple[Caller, str]:
    """Return who reads by an address, as the caller that they are, and the address's id.

    :raises NoSuchCalendarAddress: when it is revoked, or never was.
    """
    addresses = tables.calendar_addresses
    row = connection.execute(
        sa.select(addresses).where(
            addresses.c.digest == _digest(secret.removesuffix(SUFFIX)), addresses.c.revoked_at.is_(None)
        )
    ).first()
    if row is None:
        raise NoSuchCalendarAddress(field="address", rule="one that holds now")
    caller = Caller(
        tenant_id=row.tenant_id,
        partner=PARTNER,
        actor=Actor(actor_id=row.owner_id, role=row.owner_role),
        scopes=frozenset(),
        expires=float("inf"),
    )
    return caller, row.calendar_id


def view(row: dict[str, Any]) -> dict[str, Any]:
    """Return an address as people see it afterwards: without its secret."""
    patient = row["owner_role"] == roles.PATIENT
    return {
        "calendar_id": row["calendar_id"],
        "patient_id": row["owner_id"] if patient else None,
        "clinician_id": None if patient else row["owner_id"],
        "opened_at": write_moment(row["opened_at"]),
        "revoked_at": write_moment(row["revoked_at"]) if row["revoked_at"] else None,
    }


def _may_touch(by: Actor, *, owner_id: str) -> bool:
    return by.role != roles.PATIENT or by.actor_id == owner_id


def _digest(secret: str) -> bytes:
    # The secret is as long as a key, so a plain digest cannot be guessed back.
    return hashlib.sha256(secret.encode()).digest()
