"""Questions that every service answers by itself: how it is doing, how a job went, and what is parked."""

from typing import TYPE_CHECKING, Any

from marshmallow import Schema, fields
from sqlalchemy.orm import Session

from shared.contracts.event import write_moment
from shared.messaging import backlog, commands, inbox, timers
from shared.schema_fields import Id

if TYPE_CHECKING:
    from shared.messaging.host import Host


class GetJob(Schema):
    """Which job."""

    job_id = Id(required=True)


class GetStillness(Schema):
    """Whether to count messages, which a broker that confirms before delivery makes necessary."""

    count_messages = fields.Boolean(load_default=False)


class ListParked(Schema):
    """Nothing has to be told: all that is parked is listed."""


def _get_job(host: "Host", db: Session, call: commands.Call) -> dict[str, Any]:
    return commands.get_job(db, job_id=call.data["job_id"])


def _get_stillness(host: "Host", db: Session, call: commands.Call) -> dict[str, Any]:
    return backlog.stillness(host, count_messages=call.data["count_messages"])


def _list_parked(host: "Host", db: Session, call: commands.Call) -> dict[str, Any]:
    def item(kind: str, name: str, row: dict[str, Any], **more: str) -> dict[str, Any]:
        shown = {"service": host.name, "kind": kind, "name": name}
        return {**shown, "attempts": row["attempts"], "error": row["error"], **more}

    reactions = [
        item(
            "REACTION",
            row["reaction"],
            row,
            event_type=row["type"],
            event_id=row["event_id"],
            received_at=write_moment(row["received_at"]),
        )
        for row in inbox.list_parked(db)
        if row["tenant_id"] == call.tenant_id
    ]
    due = [
        item("TIMER", row["name"], row, due_at=write_moment(row["due_at"]))
        for row in timers.list_parked(db)
        if row["tenant_id"] == call.tenant_id
    ]
    return {"items": reactions + due}


#: Name → (schema, whether it only reads, answer).
QUESTIONS = {
    "get_job": (GetJob, True, _get_job),
    "get_stillness": (GetStillness, True, _get_stillness),
    "list_parked": (ListParked, True, _list_parked),
}
