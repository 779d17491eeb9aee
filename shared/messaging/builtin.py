"""Questions that every service answers by itself: how it is doing, and how a job went."""

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from marshmallow import Schema, fields
from sqlalchemy.orm import Session

from shared.contracts.event import write_moment
from shared.messaging import backlog, commands, timers
from shared.messaging.inbox import inbox
from shared.messaging.outbox import outbox
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
    """Return what still has to happen here before program time may move.

    Counts of events announced and taken in tell whether something is on its way between services.
    """
    row = backlog.look(host)
    if row.waiting or row.timers_due:
        host.wake_due()
    next_due_at = timers.next_due(host, first_timer_at=row.first_timer_at)
    answer: dict[str, Any] = {
        "unsent": row.unsent,
        "waiting": row.waiting,
        "timers_due": row.timers_due,
        "jobs": row.jobs,
        "next_due_at": write_moment(next_due_at) if next_due_at else None,
    }
    if call.data["count_messages"]:
        answer["announced"] = dict(
            db.execute(sa.select(outbox.c.type, sa.func.count()).group_by(outbox.c.type)).all()
        )
        answer["taken"] = dict(
            db.execute(
                sa.select(inbox.c.type, sa.func.count(inbox.c.event_id.distinct())).group_by(inbox.c.type)
            ).all()
        )
    return answer


#: Name → (schema, whether it only reads, answer).
QUESTIONS = {
    "get_job": (GetJob, True, _get_job),
    "get_stillness": (GetStillness, True, _get_stillness),
}
