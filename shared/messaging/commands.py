"""Commands and questions: what the gateway asks of a service, with a deadline and an identity.

A command's effect, the events it announces, its audit row and its answer commit together under
its id: asked again it answers the same and does nothing. One whose deadline has passed is not
carried out. Refusals travel as themselves.
"""

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa
import structlog
from marshmallow import ValidationError
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from shared import audit, clock, telemetry
from shared.answers import made
from shared.contracts import roles
from shared.contracts.event import Actor, read_moment, write_moment
from shared.database import (
    Condition,
    Kept,
    Origin,
    act_for,
    by_kept_plan,
    go_on_if,
    lost_a_lock,
    moment,
    origin_of,
    plumbing,
)
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound, Refusal, Unavailable
from shared.messaging.inbox import place_of, restore, snapshot
from shared.messaging.outbox import announced_in
from shared.sealing import fingerprint, seal, unseal

if TYPE_CHECKING:
    from shared.messaging.hosting.host import Host

log = structlog.get_logger()

commands = sa.Table(
    "commands",
    plumbing,
    sa.Column("tenant_id", sa.String(64), primary_key=True),
    sa.Column("command_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    #: Of the request, keyed: what was asked for cannot be guessed from it.
    sa.Column("fingerprint", sa.LargeBinary(32), nullable=False),
    #: "done", or for long work "running" and "failed".
    sa.Column("state", sa.String(16), nullable=False),
    #: The answer, or the request of long work that is still to be done; sealed.
    sa.Column("content_sealed", sa.LargeBinary),
    sa.Column("carried_out_at", moment(), nullable=False),
    sa.Index("ix_commands_running", "carried_out_at", postgresql_where=sa.text("state = 'running'")),
)

#: Everyone who works for the program: who may ask when a way in names no roles.
STAFF = (
    roles.CLINICIAN,
    roles.COUNSELOR,
    roles.SUPERVISOR,
    roles.MEDICAL_DIRECTOR,
    roles.FRONT_DESK,
    roles.OPERATIONS,
)


class StillRunning(Conflict):
    """Raised when a command comes again while the first is still being carried out."""


class CommandIdReused(Conflict):
    """Raised when a command id comes again with another request."""


class RoleMayNot(Forbidden):
    """Raised when the caller's role may not do this."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A command or question as a service's method sees it.

    ``data`` is what the schema loaded, ``now`` is program time. ``partner`` is the app that asks: ids that
    it makes up are its own.
    """

    data: dict[str, Any]
    actor: Actor
    tenant_id: str
    command_id: str
    now: datetime
    correlation_id: str
    partner: str = ""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A command or question on the wire; ``deadline`` is real time."""

    name: str
    data: dict[str, Any]
    tenant_id: str
    actor: Actor
    command_id: str
    correlation_id: str
    deadline: datetime
    traceparent: str | None = None
    partner: str = ""

    def to_bytes(self) -> bytes:
        """Write the message."""
        return orjson.dumps(
            {
                "name": self.name,
                "data": self.data,
                "tenant": self.tenant_id,
                "actor": [self.actor.actor_id, self.actor.role, self.actor.credential],
                "command_id": self.command_id,
                "correlation_id": self.correlation_id,
                "deadline": write_moment(self.deadline),
                "traceparent": self.traceparent,
                "partner": self.partner,
            }
        )

    @classmethod
    def from_bytes(cls, body: bytes) -> "Ask":
        """Read the message."""
        wire = orjson.loads(body)
        actor_id, role, credential = wire["actor"]
        return cls(
            name=wire["name"],
            data=wire["data"],
            tenant_id=wire["tenant"],
            actor=Actor(actor_id=actor_id, role=role, credential=credential),
            command_id=wire["command_id"],
            correlation_id=wire["correlation_id"],
            deadline=read_moment(wire["deadline"]),
            traceparent=wire["traceparent"],
            # One that was sent before there was such a field tells none.
            partner=wire.get("partner", ""),
        )


def answer(host: "Host", body: bytes) -> bytes | None:
    """Carry out one command or question and return the reply; none when its deadline has passed."""
    ask = Ask.from_bytes(body)
    if clock.real_now() >= ask.deadline:
        return None
    return orjson.dumps(carry_out(host, ask))


def carry_out(host: "Host", ask: Ask) -> dict[str, Any]:
    """Carry out a command or question; return its answer or its refusal, ready for the wire."""
    began = time.perf_counter()
    telemetry.traceparent.set(ask.traceparent)
    reply = _reply_to(host, ask)
    # A name that no service knows must not become a label.
    name = ask.name if ask.name in host.commands else "unknown"
    telemetry.labelled(telemetry.commands, name, next(iter(reply))).inc()
    telemetry.labelled(telemetry.command_seconds, name).observe(time.perf_counter() - began)
    return reply


def _reply_to(host: "Host", ask: Ask) -> dict[str, Any]:
    try:
        return _carry_out(host, ask)
    except Refusal as refusal:
        return {"refused": refusal.to_wire()}
    except sa.exc.DBAPIError as error:
        log.warning("database_error", command=ask.name, error=type(error.orig).__name__)
        if lost_a_lock(error.orig):
            return {"refused": StillRunning(retry_after=1).to_wire()}
        if error.connection_invalidated or isinstance(error, sa.exc.OperationalError):
            return {"refused": Unavailable("The database does not answer.", retry_after=2).to_wire()}
        return _unexpected(ask, error)
    except sa.exc.TimeoutError:
        return {"refused": Unavailable("Too much is going on.", retry_after=1).to_wire()}
    except Exception as error:  # noqa: BLE001  # an accident ends the request, not the process
        return _unexpected(ask, error)


def _unexpected(ask: Ask, error: Exception) -> dict[str, Any]:
    log.error(
        "command_failed",
        command=ask.name,
        command_id=ask.command_id,
        error=type(error).__name__,
        exc_place=place_of(error),
    )
    return {"failed": type(error).__name__}


def _carry_out(host: "Host", ask: Ask) -> dict[str, Any]:
    way = host.commands.get(ask.name)
    if way is None:
        raise NotFound(f"{host.name} knows no such command.")
    entry, method = way
    if ask.actor.role not in entry.roles:
        raise RoleMayNot(field="role", rule=f"{ask.name} is for {', '.join(entry.roles)}", problems=())
    try:
        data = made(entry.schema).load(ask.data)
    except ValidationError as error:
        raise InvalidInput.of(error.normalized_messages()) from None
    origin = _origin(host, ask)
    call = Call(
        data=data,
        actor=ask.actor,
        tenant_id=ask.tenant_id,
        command_id=ask.command_id,
        now=origin.now,
        correlation_id=ask.correlation_id,
        partner=ask.partner,
    )
    if entry.reads_only:
        with host.transaction(origin, reads_only=True) as db:
            return {"done": method(db, call)}
    return _carry_out_once(host, ask, origin, lambda db: _do(host, db, ask, call))


def _carry_out_once(
    host: "Host", ask: Ask, origin: Origin, do: Callable[[Session], dict[str, Any]]
) -> dict[str, Any]:
    """Do what is asked for, or return the answer that was given under the command's id.

    The id is taken on the way to the first statement, and the answer is written over it at the end. To write
    both at the end would spare no trip, and of two copies that get the command at once the second would do
    all of it before it heard of the first: so it waits before it has done anything. Whether the id was taken
    before counts more than whatever came of the rest.
    """
    identity = _identity_of(ask)
    unused = Condition("pk_commands")
    by_the_book = host.commands[ask.name][0].by_the_book
    try:
        with host.transaction(origin, by_the_book=by_the_book) as db:
            connection = db.connection()
            go_on_if(connection, unused, by_kept_plan(connection, _TAKE_ID), identity | _UNANSWERED)
            db.info["identity"] = unused
            return do(db)
    except Exception as error:
        if unused.broken is None and (
            unused.sent or isinstance(error, sa.exc.DBAPIError | sa.exc.TimeoutError)
        ):
            raise
        # Also who is refused before the database was asked for anything hears what the first was told.
        looks = unused.broken is None or unused.row_is_there
        first = _first_answer(host, ask, origin, identity) if looks else None
        if first is not None:
            return first
        if unused.broken is not None:
            raise StillRunning(retry_after=1) from None
        raise


def _do(host: "Host", db: Session, ask: Ask, call: Call) -> dict[str, Any]:
    entry, method = host.commands[ask.name]
    if entry.long:
        if entry.first is not None:
            entry.first(db, call)
        remember_answer(db, state="running", content=_request_of(ask))
        host.wake_jobs()
        return {"accepted": f"{host.name}.{ask.command_id}"}
    answer_ = method(db, call)
    audit.record(db, action=ask.name, about_id=_about(db, answer_))
    remember_answer(db, state="done", content=answer_)
    if clock.real_now() >= ask.deadline:
        # The caller has been told that nothing happened; so nothing may.
        raise Unavailable("The deadline passed.", retry_after=1)
    return {"done": answer_}


def _origin(host: "Host", ask: Ask) -> Origin:
    return Origin(
        service=host.name,
        tenant_id=ask.tenant_id,
        actor=ask.actor,
        now=host.clock.now(),
        correlation_id=ask.correlation_id,
        causation_id=ask.command_id,
        traceparent=ask.traceparent,
    )


def _about(db: Session, answer_: dict[str, Any]) -> str | None:
    for name in ("patient_id", "episode_id", "session_id", "item_id"):
        if answer_.get(name):
            return str(answer_[name])
    for envelope in announced_in(db):
        if envelope.event.subject:
            return envelope.event.subject
    return None


_TAKE_ID = Kept(
    """
    INSERT INTO commands (tenant_id, command_id, name, fingerprint, state, content_sealed, carried_out_at)
    VALUES (%(tenant_id)s, %(command_id)s, %(name)s, %(fingerprint)s, %(state)s, %(content_sealed)s,
            %(carried_out_at)s)
    """,
    tenant_id="text",
    command_id="uuid",
    name="text",
    fingerprint="bytea",
    state="text",
    content_sealed="bytea",
    carried_out_at="timestamptz",
)
#: What is told of a command that is not answered yet.
_UNANSWERED = {"state": "done", "content_sealed": None}


def _identity_of(ask: Ask) -> dict[str, Any]:
    said = said_by(ask.name, ask.data, actor_id=ask.actor.actor_id)
    return {
        "tenant_id": ask.tenant_id,
        "command_id": ask.command_id,
        "name": ask.name,
        "fingerprint": fingerprint_of(said, command_id=ask.command_id),
        "carried_out_at": clock.real_now(),
    }


def said_by(name: str, data: Any, *, actor_id: str) -> bytes:
    """Return what was asked for, and who asked, in the one form in which two requests are compared."""
    return orjson.dumps([name, data, actor_id], option=orjson.OPT_SORT_KEYS)


def fingerprint_of(said: bytes, *, command_id: str) -> bytes:
    """Return what is kept of a request to know it again: it tells nothing to who lacks the key."""
    return fingerprint(said, bound_to=f"commands:{command_id}")


def is_fingerprint_of(kept: bytes, said: bytes, *, command_id: str) -> bool:
    """Return whether what was kept under an id is of this request.

    What an earlier version kept was a plain digest. Such rows are gone once it has not run for 72 hours.
    """
    forms = (fingerprint_of(said, command_id=command_id), hashlib.sha256(said).digest())
    return any(hmac.compare_digest(kept, form) for form in forms)


_KEPT = sa.select(commands).where(
    commands.c.tenant_id == sa.bindparam("of_tenant"), commands.c.command_id == sa.bindparam("of_command")
)


def kept_under(db: Session, command_id: str, *, tenant_id: str) -> sa.Row[Any] | None:
    """Return what is kept under a command's id, if anything is."""
    return db.connection().execute(_KEPT, {"of_tenant": tenant_id, "of_command": command_id}).first()


def check_same_request(row: sa.Row[Any], said: bytes) -> None:
    """Refuse a request that comes under the id of another.

    :raises CommandIdReused: when what is kept under the id is of another request.
    """
    if not is_fingerprint_of(bytes(row.fingerprint), said, command_id=row.command_id):
        raise CommandIdReused(
            "This key was used for another request.", field="Idempotency-Key", rule="one key, one request"
        )


_USED = postgresql.insert(commands).on_conflict_do_nothing().returning(commands.c.command_id)


def _first_answer(host: "Host", ask: Ask, origin: Origin, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Return the answer that was given under the command's id, if it was used before.

    To long work that was where to ask for it, and stays so once the work is done.

    Where the first is still being carried out, this waits for it as long as locks are waited for.

    :raises CommandIdReused: when it was used for another request.
    """
    with host.transaction(origin) as db:
        if db.connection().execute(_USED, identity | {"state": "done"}).first() is not None:
            # Only taken to see whether it was free: nothing is carried out under it here.
            db.rollback()
            return None
        row = kept_under(db, ask.command_id, tenant_id=ask.tenant_id)
        assert row is not None  # somebody else took the id
    check_same_request(row, said_by(ask.name, ask.data, actor_id=ask.actor.actor_id))
    if host.commands[ask.name][0].long:
        return {"accepted": f"{host.name}.{ask.command_id}", "replayed": True}
    return {"done": content_of(row), "replayed": True}


def remember_answer(db: Session, *, state: str, content: Any) -> None:
    """Have the answer written with the commit, under the command that the transaction acts for."""
    origin = origin_of(db)
    assert origin.causation_id is not None  # the command's id
    told = {"state": state, "content_sealed": seal_content(content, command_id=origin.causation_id)}
    whose = {"tenant_id": origin.tenant_id, "command_id": origin.causation_id}
    db.info["answer"] = (_ANSWER, told, whose)


_ANSWER = """
UPDATE commands SET state = %(state)s, content_sealed = %(content_sealed)s
WHERE tenant_id = %(tenant_id)s AND command_id = %(command_id)s
"""


def seal_content(content: Any, *, command_id: str) -> bytes:
    """Return what is kept under a command's id, as it is kept."""
    return seal(orjson.dumps(content), bound_to=f"commands:{command_id}")


def content_of(row: sa.Row[Any]) -> Any:
    """Return the answer that is kept, or the request of long work that is still to be done."""
    return orjson.loads(unseal(row.content_sealed, bound_to=f"commands:{row.command_id}"))


def _request_of(ask: Ask) -> Any:
    return orjson.loads(ask.to_bytes())


# --- Long work -----------------------------------------------------------------------------------


def run_one_job(host: "Host") -> bool:
    """Do one piece of long work that was accepted; return whether there was one.

    The row stays locked meanwhile: if this copy dies, another one does the work. So it is when somebody
    else held a lock for too long. What this version does not know, or cannot read, waits for a copy that
    can, and holds up nothing else.
    """
    with host.transaction(None) as db:
        row = db.execute(
            sa.select(commands)
            .where(
                commands.c.state == "running",
                commands.c.name.in_(host.long_commands),
                commands.c.command_id.not_in(host.unreadable_jobs),
            )
            .order_by(commands.c.carried_out_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).first()
        if row is None:
            return False
        ask = Ask.from_bytes(orjson.dumps(content_of(row)))
        entry, method = host.commands[ask.name]
        try:
            data = made(entry.schema).load(ask.data)
        except ValidationError as error:
            host.unreadable_jobs.add(ask.command_id)
            log.error("job_unreadable", command=ask.name, error=type(error).__name__)
            return True
        origin = _origin(host, ask)
        act_for(db, origin)
        call = Call(
            data=data,
            actor=ask.actor,
            tenant_id=ask.tenant_id,
            command_id=ask.command_id,
            now=origin.now,
            correlation_id=ask.correlation_id,
            partner=ask.partner,
        )
        before = snapshot(db)
        try:
            with db.begin_nested():
                result = method(db, call)
            audit.record(db, action=ask.name)
            remember_answer(db, state="done", content=result)
        except Refusal as refusal:
            restore(db, before)
            remember_answer(db, state="failed", content=refusal.to_wire())
        except Exception as error:  # the job fails, the process does not
            if isinstance(error, sa.exc.DBAPIError) and lost_a_lock(error.orig):
                # Nobody waits for an answer, so the work is tried again rather than given up.
                raise
            restore(db, before)
            log.error("job_failed", command=ask.name, error=type(error).__name__, exc_place=place_of(error))
            remember_answer(db, state="failed", content={"failed": type(error).__name__})
        return True


def get_job(db: Session, *, job_id: str) -> dict[str, Any]:
    """Return a job's state and, once it has ended, its result.

    :raises NotFound: when this tenant has no such job.
    """
    row = kept_under(db, job_id, tenant_id=db.info["tenant_id"])
    if row is None:
        raise NotFound("No such job.", field="job_id")
    ended = row.state != "running"
    return {"state": row.state, "result": content_of(row) if ended else None}
