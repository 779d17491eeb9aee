"""How a request becomes a command of a service, and its answer what the caller may see."""

import functools
from collections.abc import Callable
from typing import Any

import structlog
from marshmallow import Schema, ValidationError, fields
from sqlalchemy.exc import SQLAlchemyError

from gateway import disclosure, routing, standing
from gateway.asking import send
from gateway.disclosure import Audience
from gateway.http import Request, Response, route
from gateway.problems import CRISIS_LINES
from shared.answers import made
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import new_id
from shared.messaging import CommandClient, announce

log = structlog.get_logger()

#: What an outside recipient hears of a command about somebody they may not know about: the same,
#: whether there is such a patient or not.
NEUTRAL_ANSWER: dict[str, Any] = {"status": "received"}


def command(path: str, request: type[Schema], answer: type[Schema] | None, **options: Any) -> Any:
    """Forward POSTs to the service that owns *request*, as the command that has the method's name."""
    return _forwarded("POST", path, request, answer, **{"status": 201, **options})


def question(path: str, request: type[Schema], answer: type[Schema], **options: Any) -> Any:
    """Forward GETs to the service that owns *request*, as the question that has the method's name."""
    return _forwarded("GET", path, request, answer, **options)


def _forwarded(
    method: str,
    path: str,
    request: type[Schema],
    answer: type[Schema] | None,
    **options: Any,
) -> Callable[..., Response]:
    def forward_it(self: Any, request: Request) -> Response:
        return forward(self.commands, request)

    # services.intake.schemas: the owner of the schema is who answers.
    options.setdefault("service", request.__module__.split(".")[1])
    return route(method, path, request=request, answer=answer, **options)(forward_it)


def forward(commands: CommandClient, request: Request) -> Response:
    """Send a request to its service and return what the caller may see of the answer.

    :raises Refusal: the service's refusal, or the gateway's own.
    """
    route_, caller = request.route, request.known_caller
    if caller.is_outside and not route_.is_command and route_.information == routing.WITHHELD:
        raise nothing_there()
    data = data_of(request)
    command_id = request.command_id if route_.is_command else new_id()
    try:
        result = send(commands, request, route_.service, request.name, data, command_id=command_id)
    except (Conflict, NotFound):
        # That something is in the way, or not there, would tell who is a patient.
        if caller.is_outside and route_.is_command and route_.information:
            return _neutral(request)
        raise
    response = _response_to(commands, request, result)
    if result.get("replayed"):
        response.headers.append(("Idempotency-Replayed", "true"))
    return response


def _response_to(commands: CommandClient, request: Request, result: dict[str, Any]) -> Response:
    if result["status"] == "accepted":
        job_id = result["job_id"]
        href = f"/v1/jobs/{job_id}"
        response = Response.of({"job_id": job_id, "status": "accepted", "href": href}, status=202)
        response.headers.append(("Location", href))
        return response
    answer = result["answer"]
    request.about_id = answer.get("patient_id") if isinstance(answer.get("patient_id"), str) else None
    try:
        return Response.of(let_through(commands, request, answer), status=request.route.status)
    except NotFound:
        if request.route.is_command:
            return _neutral(request)
        raise
    except SQLAlchemyError as error:
        # Here nobody can say whether the answer may leave; but the service has heard the danger.
        if request.route.hears is None:
            raise
        log.warning("database_error", error=type(error).__name__, request_id=request.correlation_id)
        return _neutral(request)


def _neutral(request: Request) -> Response:
    lines = {"crisis_lines": CRISIS_LINES} if request.route.shows_crisis_lines else {}
    return Response.of(NEUTRAL_ANSWER | lines, status=202)


def data_of(request: Request) -> dict[str, Any]:
    """Return what the service gets: path, and query or body, each name from one place only.

    :raises InvalidInput: when a name of the path comes again, or a command has a query.
    """
    if request.route.is_command:
        given: dict[str, Any] = request.body
        if request.query:
            raise _misplaced(next(iter(request.query)), "belongs in the body")
    else:
        lists = _list_fields(request.route.request)
        given = {
            name: values if name in lists or len(values) > 1 else values[0]
            for name, values in request.query.items()
        }
    for name in request.ids:
        if name in given:
            raise _misplaced(name, "is told by the path alone")
    return {**given, **request.ids}


def loaded(schema: type[Schema], data: dict[str, Any]) -> dict[str, Any]:
    """Return what the gateway itself reads of a request.

    :raises InvalidInput: when a field breaks a rule.
    """
    try:
        found: dict[str, Any] = made(schema).load(data)
    except ValidationError as error:
        raise InvalidInput.of(error.normalized_messages()) from None
    return found


def _misplaced(name: str, rule: str) -> InvalidInput:
    return InvalidInput("The request has fields that break a rule.", field=name[:64], rule=rule)


@functools.cache
def _list_fields(schema: type[Schema] | None) -> frozenset[str]:
    declared: dict[str, Any] = getattr(schema, "_declared_fields", {})
    return frozenset(name for name, field in declared.items() if isinstance(field, fields.List))


def nothing_there() -> NotFound:
    """Return the refusal that does not tell "not yours" from "not there"."""
    return NotFound("There is no such thing, or it is not yours.", code="not_found")


def let_through(commands: CommandClient, request: Request, answer: dict[str, Any]) -> dict[str, Any]:
    """Return what of an answer may reach the caller, and account for what leaves the program.

    A page keeps only the items that may; anything else passes whole or not at all.

    :raises NotFound: when it may not reach the caller.
    :raises Unavailable: when nobody can say whether the consents still stand.
    """
    caller, route_ = request.known_caller, request.route
    if not caller.is_outside and not caller.is_patient:
        return answer
    audience = Audience.of(caller)
    confirmed: standing.Standing = {}
    if caller.is_outside and route_.information != routing.ABOUT_NOBODY:
        confirmed = standing.confirmed(
            commands,
            request,
            recipient_id=audience.recipient_id,
            patient_ids=disclosure.patients_in(answer),
        )
    disclosed: dict[tuple[str, str], set[str]] = {}
    with request.transaction() as (db, origin):

        def leaves(part: dict[str, Any]) -> bool:
            mentioned = disclosure.patients_in(part)
            if route_.information == routing.ABOUT_NOBODY:
                return not mentioned
            # What should be about a patient and names none cannot be decided, so it stays.
            if not mentioned and caller.is_outside:
                return False
            under: dict[tuple[str, str], set[str]] = {}
            for patient_id in sorted(mentioned):
                decisions = disclosure.may_all_leave(
                    db,
                    audience=audience,
                    patient_id=patient_id,
                    information=route_.information,
                    now=origin.now,
                    confirmed=confirmed,
                )
                if decisions is None:
                    return False
                for decision in decisions:
                    if decision.consent_id:
                        classes = under.setdefault((patient_id, decision.consent_id), set())
                        classes.add(decision.information_class)
            for key, classes in under.items():
                disclosed.setdefault(key, set()).update(classes)
            return True

        if route_.many:
            seen = {**answer, "items": [item for item in answer.get("items", ()) if leaves(item)]}
        elif leaves(answer):
            seen = answer
        else:
            if caller.is_patient:
                log.error("view_of_another_patient_stopped", route=request.name)
            raise nothing_there()
        for event in disclosure.account_for(disclosed, audience=audience, cause_id=new_id(), now=origin.now):
            announce(db, event)
    return seen
