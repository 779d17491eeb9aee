"""The memory of what the gateway itself was asked: a repeated request gets the first answer."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from gateway.http import Request, Response
from shared import audit
from shared.clock import real_now
from shared.database import Origin, without_transactions
from shared.messaging.commands import (
    check_same_request,
    commands,
    content_of,
    fingerprint_of,
    kept_under,
    remember_answer,
    said_by,
    seal_content,
)

#: Ids that a process keeps in mind, at most. Design default.
MOST_KNOWN = 100_000


def once(
    request: Request, do: Callable[[Session, Origin], dict[str, Any]], *, status: int | None = None
) -> Response:
    """Do what the request asks for and remember the answer, in one transaction.

    A repeat that comes meanwhile waits for the first one, as long as locks are waited for.

    :param status: of the answer, where it is not the route's.
    :raises CommandIdReused: when its key was used for another request.
    """
    told, replayed = first_answer(request, do, command_id=request.command_id)
    return Response.of(told, status=status or request.route.status, replayed=replayed)


def first_answer(
    request: Request,
    do: Callable[[Session, Origin], dict[str, Any]],
    *,
    command_id: str,
    action: str = "",
) -> tuple[dict[str, Any], bool]:
    """Do what the request asks for, unless that was done; return the first answer, and whether it was.

    :param command_id: under which the answer is kept.
    :param action: what was done, where it is not what the request asks for.
    :raises CommandIdReused: when it was used for another request.
    """
    with request.transaction() as (db, origin):
        origin.causation_id = command_id
        place = {"tenant_id": origin.tenant_id, "command_id": command_id}
        taken = db.execute(
            postgresql.insert(commands)
            .values(
                **place,
                name=request.name,
                fingerprint=_fingerprint(request, command_id),
                state="done",
                carried_out_at=real_now(),
            )
            .on_conflict_do_nothing()
            .returning(commands.c.command_id)
        ).first()
        if taken is not None:
            answer = do(db, origin)
            audit.record(db, action=action or request.name, about_id=answer.get("patient_id"))
            remember_answer(db, state="done", content=answer)
    if taken is None:
        return recall(request, command_id=command_id) or {}, True
    return answer, False


def recall(request: Request, *, command_id: str | None = None) -> dict[str, Any] | None:
    """Return the answer given to this request before, if there was one.

    :param command_id: under which it was kept, where it is not the request's own.
    :raises CommandIdReused: when its key was used for another request.
    """
    command_id = command_id or request.command_id
    with request.transaction(reads_only=True) as (db, origin):
        row = kept_under(db, command_id, tenant_id=origin.tenant_id)
    if row is None:
        return None
    check_same_request(row, said(request))
    answer: dict[str, Any] = content_of(row)
    return answer


def remembering(request: Request, answer: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the statement that keeps the answer for when the request is repeated, and what it names."""
    return _KEEP, {
        "tenant_id": request.known_caller.tenant_id,
        "command_id": request.command_id,
        "name": request.name,
        "fingerprint": _fingerprint(request, request.command_id),
        "content_sealed": seal_content(answer, command_id=request.command_id),
        "carried_out_at": real_now(),
    }


_KEEP = """
INSERT INTO commands (tenant_id, command_id, name, fingerprint, state, content_sealed, carried_out_at)
VALUES (%(tenant_id)s, %(command_id)s, %(name)s, %(fingerprint)s, 'done', %(content_sealed)s,
        %(carried_out_at)s)
ON CONFLICT DO NOTHING
"""


class Answered:
    """The ids under which one kind of request was answered: under any other it comes for the first time.

    That is known only where no other process answers, and as long as they are not too many; it saves asking
    the database about each request.
    """

    def __init__(self) -> None:
        self._ids: set[str] | None = None
        self._too_many = False

    def may_hold(self, request: Request) -> bool:
        """Return whether a request may be one that was answered before; what it was told is kept then."""
        wiring = request.door.wiring
        # Where events are confirmed by their effects, all is in one process.
        if self._too_many or not wiring.broker.confirms_effects:
            return True
        if self._ids is None:
            query = sa.select(commands.c.command_id).where(commands.c.name == request.name)
            with without_transactions(wiring.engine_of("gateway")) as connection:
                before = set(connection.scalars(query))
            # Others may have been answered meanwhile.
            self._ids = before | (self._ids or set())
        return request.command_id in self._ids

    def add(self, request: Request) -> None:
        """Note that a request was answered."""
        if self._ids is not None:
            self._ids.add(request.command_id)
            if len(self._ids) > MOST_KNOWN:
                self._ids, self._too_many = None, True


def said(request: Request) -> bytes:
    """Return what was asked for, and who asked, in the form in which two requests are compared."""
    return said_by(request.name, request.told, actor_id=request.known_caller.actor.actor_id)


def _fingerprint(request: Request, command_id: str) -> bytes:
    return fingerprint_of(said(request), command_id=command_id)
