"""What the gateway asks of services while it answers a request: as the caller, unless it asks by itself."""

from typing import Any

from gateway.http import Request
from shared.contracts.event import Actor
from shared.ids import new_id
from shared.messaging import CommandClient


def send(
    commands: CommandClient,
    request: Request,
    service: str,
    name: str,
    data: dict[str, Any],
    *,
    command_id: str,
    by: Actor | None = None,
) -> dict[str, Any]:
    """Send a service a command or a question and return what became of it, as the client tells it.

    :param by: who asks, where it is not the caller.
    :raises Refusal: the service's refusal; Unavailable when no answer came in time.
    """
    caller = request.known_caller
    return commands.send(
        service,
        name,
        data,
        tenant_id=caller.tenant_id,
        actor=by or caller.actor,
        command_id=command_id,
        correlation_id=request.correlation_id,
        traceparent=request.traceparent,
        # What the gateway asks by itself comes through no app.
        partner="" if by else caller.partner,
    )


def ask(
    commands: CommandClient,
    request: Request,
    service: str,
    name: str,
    data: dict[str, Any],
    *,
    by: Actor | None = None,
) -> dict[str, Any]:
    """Ask a service a question and return what it answers.

    :param by: who asks, where it is not the caller.
    :raises Refusal: the service's refusal; Unavailable when no answer came in time.
    """
    answer: dict[str, Any] = send(commands, request, service, name, data, command_id=new_id(), by=by)[
        "answer"
    ]
    return answer
