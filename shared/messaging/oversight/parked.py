"""What failed too often and waits for a human, reactions and timers alike, and what was decided.

A decision is kept for good, with who, when and why: also when what it was about is long done.
"""

from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import Session

from shared import clock
from shared.contracts.event import write_moment
from shared.database import id_column, moment, plumbing, tenant_column
from shared.errors import NotFound
from shared.ids import derived_id, new_id
from shared.messaging import inbox, timers

RETRY = "RETRY"
SKIP = "SKIP"

#: Longest reason that is kept.
MAX_WHY = 200

resolutions = sa.Table(
    "resolutions",
    plumbing,
    id_column("resolution_id"),
    tenant_column(),
    #: The event whose reaction it was, or the timer's id.
    sa.Column("item_id", sa.Uuid(as_uuid=False), nullable=False),
    #: The reaction's or the timer's name.
    sa.Column("name", sa.String(64), nullable=False),
    #: "RETRY" or "SKIP".
    sa.Column("how", sa.String(16), nullable=False),
    sa.Column("who", sa.String(64), nullable=False),
    sa.Column("why", sa.String(MAX_WHY), nullable=False),
    sa.Column("resolved_at", moment(), nullable=False),
    sa.Index("ix_resolutions_item", "item_id"),
)


def list_items(db: Session, *, service: str, tenant_id: str | None = None) -> list[dict[str, Any]]:
    """Return what is parked, ready for the wire: reactions oldest first, then timers.

    :param tenant_id: whose; everybody's when it is not given, which is for operators of the database.
    """
    return [
        {name: value for name, value in item.items() if not name.startswith("_")}
        for item in _items(db, service=service, tenant_id=tenant_id)
    ]


def _items(
    db: Session, *, service: str, tenant_id: str | None, item_id: str | None = None
) -> list[dict[str, Any]]:
    reactions = [
        {
            "service": service,
            "kind": "REACTION",
            "item_id": row["event_id"],
            "name": row["reaction"],
            "attempts": row["attempts"],
            "error": row["error"],
            "event_type": row["type"],
            "event_id": row["event_id"],
            "received_at": write_moment(row["received_at"]),
            "_tenant": row["tenant_id"],
        }
        for row in inbox.list_parked(db)
    ]
    due = [
        {
            "service": service,
            "kind": "TIMER",
            "item_id": timer_id(service, row),
            "name": row["name"],
            "attempts": row["attempts"],
            "error": row["error"],
            "due_at": write_moment(row["due_at"]),
            "_tenant": row["tenant_id"],
            "_timer": row,
        }
        for row in timers.list_parked(db)
    ]
    return [
        item
        for item in reactions + due
        if tenant_id in (None, item["_tenant"]) and item_id in (None, item["item_id"])
    ]


def timer_id(service: str, row: dict[str, Any]) -> str:
    """Return the id under which a parked timer is shown and decided about."""
    return derived_id("timer", service, row["tenant_id"], row["name"], row["key"])


def show_items(
    db: Session, *, service: str, item_id: str, tenant_id: str | None = None
) -> list[dict[str, Any]]:
    """Return what is parked under an id, with its message and the decisions before."""
    found = _items(db, service=service, tenant_id=tenant_id, item_id=item_id)
    if not found:
        return []
    messages = {
        row["reaction"]: orjson.loads(row["body"])
        for row in (inbox.show_parked(db, event_id=item_id) if found[0]["kind"] == "REACTION" else ())
        if row["body"]
    }
    shown = []
    for item in found:
        before = decisions(db, item_id=item_id, tenant_id=item["_tenant"], name=item["name"])
        about: dict[str, Any] = {"decisions": before}
        if item["name"] in messages and item["kind"] == "REACTION":
            about["event"] = messages[item["name"]]
        if item["kind"] == "TIMER":
            timer = item["_timer"]
            about |= {"key": timer["key"], "data": timer["data"], "correlation_id": timer["correlation_id"]}
        shown.append({name: value for name, value in item.items() if not name.startswith("_")} | about)
    return shown


def decisions(db: Session, *, item_id: str, tenant_id: str, name: str) -> list[dict[str, Any]]:
    """Return what was decided about an item before, the first decision first."""
    rows = db.execute(
        sa.select(resolutions)
        .where(
            resolutions.c.item_id == item_id,
            resolutions.c.tenant_id == tenant_id,
            resolutions.c.name == name,
        )
        .order_by(resolutions.c.resolved_at)
    )
    return [
        {"how": row.how, "who": row.who, "why": row.why, "resolved_at": write_moment(row.resolved_at)}
        for row in rows
    ]


def tenants_of(db: Session, *, service: str, item_id: str) -> list[str]:
    """Return whose item it is; nobody's when nothing is parked under the id."""
    return sorted({item["_tenant"] for item in _items(db, service=service, tenant_id=None, item_id=item_id)})


def resolve(db: Session, *, service: str, item_id: str, tenant_id: str, how: str, who: str, why: str) -> int:
    """Have what is parked under an id tried again, or give it up; return how much it was.

    :raises NotFound: when nothing of this tenant is parked under the id.
    """
    found = _items(db, service=service, tenant_id=tenant_id, item_id=item_id)
    if not found:
        raise NotFound("Nothing is parked under this id.", field="item_id")
    if found[0]["kind"] == "REACTION":
        decide = inbox.retry_parked if how == RETRY else inbox.skip_parked
        decide(db, event_id=item_id, who=who, why=why)
    else:
        decide_timer = timers.retry_parked if how == RETRY else timers.skip_parked
        decide_timer(db, found[0]["_timer"])
    db.execute(
        resolutions.insert(),
        [
            {
                "resolution_id": new_id(),
                "tenant_id": tenant_id,
                "item_id": item_id,
                "name": item["name"],
                "how": how,
                "who": who[:64],
                "why": why[:MAX_WHY],
                "resolved_at": clock.real_now(),
            }
            for item in found
        ],
    )
    return len(found)
