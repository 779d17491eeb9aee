"""The memory of what the gateway itself was asked: a repeated request gets the first answer."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from gateway.http import Request, Response
from shared import audit
from shared.clock import real_now
from shared.database import Origin, commit_with_next
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


_KEEP = postgresql.insert(commands).on_conflict_do_nothing()


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


def remember(request: Request, answer: dict[str, Any]) -> None:
    """Keep the answer for when the request is repeated."""
    with request.transaction() as (db, origin):
        commit_with_next(db.connection())
        db.connection().execute(
            _KEEP,
            {
                "tenant_id": origin.tenant_id,
                "command_id": request.command_id,
                "name": request.name,
                "fingerprint": _fingerprint(request, request.command_id),
                "state": "done",
                "content_sealed": seal_content(answer, command_id=request.command_id),
                "carried_out_at": real_now(),
            },
        )


def said(request: Request) -> bytes:
    """Return what was asked for, and who asked, in the form in which two requests are compared."""
    return said_by(request.name, request.told, actor_id=request.known_caller.actor.actor_id)


def _fingerprint(request: Request, command_id: str) -> bytes:
    return fingerprint_of(said(request), command_id=command_id)
