"""Questions that every service answers by itself: how it is doing, and how a job went."""

from typing import TYPE_CHECKING, Any

from marshmallow import Schema, fields
from sqlalchemy.orm import Session

from shared.messaging import backlog, commands
from shared.schema_fields import Id

if TYPE_CHECKING:
    from shared.messaging.host import Host


class GetJob(Schema):
    """Which job."""

    job_id = Id(required=True)


class GetStillness(Schema):
    """Whether to count messages, which a broker that confirms before delivery makes necessary."""

    count_messages = fields.Boolean(load_default=False)


def _get_job(host: "Host", db: Session, call: commands.Call) -> dict[str, Any]:
    return commands.get_job(db, job_id=call.data["job_id"])


def _get_stillness(host: "Host", db: Session, call: commands.Call) -> dict[str, Any]:
    return backlog.stillness(host, count_messages=call.data["count_messages"])


#: Name → (schema, whether it only reads, answer).
QUESTIONS = {
    "get_job": (GetJob, True, _get_job),
    "get_stillness": (GetStillness, True, _get_stillness),
}
