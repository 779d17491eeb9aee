"""Problem details (RFC 9457): how the door tells somebody that and why it says no."""

from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from shared.errors import Refusal

#: Media type of a problem (RFC 9457).
MEDIA_TYPE = "application/problem+json"
#: What a problem's type starts with; its code follows.
TYPE_PREFIX = "urn:homeward:problem:"
#: Whom anybody may call in danger: in an answer that nobody of the program could look at.
CRISIS_LINES = {"call_or_text_988": "988 Suicide and Crisis Lifeline", "call_911": "Emergency services"}
#: Seconds that a caller is told to wait when the refusal itself does not say.
DEFAULT_RETRY_AFTER_SECONDS = 1


class Malformed(Refusal):
    """The request cannot be read."""

    status: ClassVar[int] = 400
    family: ClassVar[str] = "Malformed"


class NoSuchRoute(Refusal):
    """There is nothing at this address."""

    status: ClassVar[int] = 404
    family: ClassVar[str] = "NotFound"


class MethodNotAllowed(Refusal):
    """The address exists, but not for this method."""

    status: ClassVar[int] = 405
    family: ClassVar[str] = "MethodNotAllowed"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        """Name the methods that the address answers to."""
        super().__init__()
        self.allowed = allowed


class RequestTimeout(Refusal):
    """The rest of the request did not come in time."""

    status: ClassVar[int] = 408
    family: ClassVar[str] = "RequestTimeout"


class UnsupportedMediaType(Refusal):
    """The body is not JSON."""

    status: ClassVar[int] = 415
    family: ClassVar[str] = "UnsupportedMediaType"


class Internal(Refusal):
    """Something went wrong here. Name the instance when you report it."""

    status: ClassVar[int] = 500
    family: ClassVar[str] = "Internal"


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What the gateway heard in a request that its service did not take, and what is said about that."""

    #: The dangers that were passed on, some of CONCERNS; none where nobody heard one.
    concerns: tuple[str, ...]
    #: What to say plainly.
    notice: str
    #: Whether the rest of the request is to be sent again.
    send_again: bool
    #: Who helps now.
    crisis_lines: dict[str, str]
    #: Whether the dangers stand in the gateway's database, so that nothing of them can get lost any more.
    kept: bool = False
    #: Whether the same request was heard before.
    replayed: bool = False

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "heard": list(self.concerns),
            "notice": self.notice,
            "send_again": self.send_again,
            "crisis_lines": self.crisis_lines,
        }


#: What is said to everybody who may be in danger.
CALL = "In danger of life call 911 or 988 now."
#: What is told of a request that may have held a danger, and that nobody heard. Safety rule.
UNHEARD = Heard(
    concerns=(),
    notice=f"Nobody has heard what this tells: send it again. {CALL}",
    send_again=True,
    crisis_lines=CRISIS_LINES,
)

#: What each status is called, for people.
TITLES = {
    400: "Malformed request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timed out",
    409: "Conflict",
    413: "Too large",
    414: "Address too long",
    415: "Not JSON",
    422: "Invalid input",
    431: "Headers too large",
    500: "Something went wrong here",
    501: "Not implemented",
    503: "Not available now",
    505: "HTTP version not supported",
}


def problem(
    status: int,
    *,
    code: str,
    detail: str,
    errors: tuple[dict[str, str], ...] = (),
    trace_id: str = "",
    request_id: str = "",
    heard: Heard | None = None,
) -> bytes:
    """Write a problem document.

    :param code: the problem's name for programs; part of its type.
    :param errors: ``{"field", "rule"}`` pairs.
    :param heard: what was heard in a request that told of a danger, or may have.
    """
    document: dict[str, Any] = {
        "type": f"{TYPE_PREFIX}{code}",
        "title": TITLES.get(status, "Refused"),
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [{"field": error.get("field", ""), "rule": error.get("rule", "")} for error in errors],
    }
    if trace_id:
        document["trace_id"] = trace_id
    if request_id:
        document["instance"] = f"urn:uuid:{request_id}"
    if heard is not None:
        document |= heard.to_document()
    return orjson.dumps(document)


def headers_of(refusal: Refusal) -> list[tuple[str, str]]:
    """Return the headers that a refusal needs besides its document."""
    headers = []
    retry_after = refusal.retry_after
    if retry_after is None and refusal.status == 503:
        retry_after = DEFAULT_RETRY_AFTER_SECONDS
    if retry_after is not None:
        headers.append(("Retry-After", str(retry_after)))
    if refusal.status == 401:
        headers.append(("WWW-Authenticate", 'Bearer realm="homeward"'))
    if isinstance(refusal, MethodNotAllowed):
        headers.append(("Allow", ", ".join(refusal.allowed)))
    return headers
