"""What every service answers by itself: how it is doing, how a job went, what is parked, what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from shared import audit, records
from shared.contracts import roles
from shared.messaging import commands, inbox
from shared.messaging.hosting.traffic import STILLNESS
from shared.messaging.oversight import backlog, parked, traces
from shared.schema_fields import Id

if TYPE_CHECKING:
    from shared.messaging.hosting.host import Host

#: Who runs the program's machinery, beside the machinery itself.
_OPERATORS = (roles.SYSTEM, roles.OPERATIONS)
#: Who answers for what was done, and not done, for a patient.
ACCOUNTABLE = (roles.OPERATIONS, roles.SUPERVISOR, roles.MEDICAL_DIRECTOR)


class GetJob(Schema):
    """Which job."""

    job_id = Id(required=True)


class GetStillness(Schema):
    """Whether to count messages, which a broker that confirms before delivery makes necessary."""

    count_messages = fields.Boolean(load_default=False)


class Nothing(Schema):
    """Nothing has to be told: all there is is listed."""


class GetParked(Schema):
    """The event whose reactions are parked, or the id of a parked timer."""

    item_id = Id(required=True)


class ResolveParked(GetParked):
    """What is parked, and why it is tried again or given up."""

    why = fields.String(required=True, validate=validate.Length(min=1, max=parked.MAX_WHY))


class ListAuditBreaks(Schema):
    """From where on to look."""

    after = fields.Integer(load_default=0, validate=validate.Range(min=0))


class GetTracesOf(Schema):
    """Events and commands, and notifications or concerns that they were about."""

    ids = fields.List(Id(), required=True, validate=validate.Length(max=traces.MAX_IDS))


class GetRecordPart(Schema):
    """Whose record, and from where on."""

    patient_id = Id(required=True)
    after = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=128))


def _get_job(host: "Host", db: Session, call: commands.Call) -> dict[str, Any]:
    return commands.get_job(db, job_id=call.data["job_id"])


def _get_stillness(host: "Host", db: Session, call: commands.Call) -> dict[str, Any]:
    return backlog.stillness(host, count_messages=call.data["count_messages"], only_copy=False)


def _list_parked(host: "Host", db: Session, call: commands.Call) -> dict[str, Any]:
    return {"items": parked.list_items(db, service=host.name, tenant_id=call.tenant_id)}


def _get_parked(host: "Host", db: Session, call: commands.Call) -> dict[str, Any]:
    item_id = call.data["item_id"]
    return {"items": parked.show_items(db, service=host.name, item_id=item_id, tenant_id=call.tenant_id)}


def _resolve_parked(how: str) -> Callable[["Host", Session, commands.Call], dict[str, Any]]:
    def resolve(host: "Host", db: Session, call: commands.Call) -> dict[str, Any]:
        count = parked.resolve(
            db,
            service=host.name,
            item_id=call.data["item_id"],
            tenant_id=call.tenant_id,
            how=how,
            who=call.actor.actor_id,
            why=call.data["why"],
        )
        return {"service": host.name, "item_id": call.data["item_id"], "how": how, "count": count}

    return resolve


def _list_quarantined(host: "Host", db: Session, call: commands.Call) -> dict[str, Any]:
    return {"items": [{"service": host.name, **item} for item in inbox.list_quarantined(db)]}


def _list_audit_breaks(host: "Host", db: Session, call: commands.Call) -> dict[str, Any]:
    breaks, after = audit.find_breaks_after(
        db.connection(), tenant_id=call.tenant_id, after=call.data["after"]
    )
    return {"items": [{"service": host.name, "link": link} for link in breaks], "after": after}


def _get_traces_of(host: "Host", db: Session, call: commands.Call) -> dict[str, Any]:
    return traces.traces_of(
        db,
        ids=call.data["ids"],
        tenant_id=call.tenant_id,
        memory_days=host.settings.inbox_memory_days,
    )


def _get_record_part(host: "Host", db: Session, call: commands.Call) -> dict[str, Any]:
    if host.keeps is None:
        return {"items": [], "next": None}
    return records.read_part(db, host.keeps, patient_id=call.data["patient_id"], after=call.data["after"])


@dataclass(frozen=True, kw_only=True)
class Builtin:
    """A question, or a command, that the plumbing answers for every service."""

    schema: type[Schema]
    answer: Callable[["Host", Session, commands.Call], dict[str, Any]]
    roles: tuple[str, ...] = _OPERATORS
    reads_only: bool = True
    long: ClassVar[bool] = False
    #: What was parked is to be tried again.
    by_the_book: ClassVar[bool] = False


#: By name. Commands are remembered by their id and written into the audit as any other.
QUESTIONS = {
    "get_job": Builtin(schema=GetJob, answer=_get_job, roles=roles.ROLES),
    STILLNESS: Builtin(schema=GetStillness, answer=_get_stillness),
    "list_parked": Builtin(schema=Nothing, answer=_list_parked),
    "get_parked": Builtin(schema=GetParked, answer=_get_parked),
    "retry_parked": Builtin(schema=ResolveParked, answer=_resolve_parked(parked.RETRY), reads_only=False),
    "skip_parked": Builtin(schema=ResolveParked, answer=_resolve_parked(parked.SKIP), reads_only=False),
    "list_quarantined": Builtin(schema=Nothing, answer=_list_quarantined),
    "list_audit_breaks": Builtin(schema=ListAuditBreaks, answer=_list_audit_breaks),
    # Asked by the gateway alone, which has checked before whose record it is and who may have it.
    "get_record_part": Builtin(schema=GetRecordPart, answer=_get_record_part, roles=(roles.SYSTEM,)),
    "get_traces_of": Builtin(schema=GetTracesOf, answer=_get_traces_of, roles=(roles.SYSTEM, *ACCOUNTABLE)),
}
