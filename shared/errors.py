"""Refusals: the ways Homeward says no, which cross the wire as themselves.

A refusal is an answer, not an accident: it names what was refused and by which rule, and nothing
was changed. Each belongs to one family, which decides the HTTP status; its ``code`` is derived
from the class's name.
"""

import copy
import re
from typing import Any, ClassVar, Self


class Refusal(Exception):
    """Raised when a request is understood and answered with no."""

    status: ClassVar[int] = 500
    family: ClassVar[str] = "Refusal"

    def __init__(
        self,
        detail: str = "",
        *,
        field: str | None = None,
        rule: str | None = None,
        code: str | None = None,
        problems: tuple[dict[str, str], ...] = (),
        retry_after: int | None = None,
    ) -> None:
        """Say no.

        :param detail: one sentence for a human; never quotes the input, names or free text.
        :param field: the request's field that is at fault, dotted for nested ones.
        :param rule: the rule that the request breaks, in words or as a rule's name.
        :param problems: several ``{"field", "rule"}`` pairs, where there is more than one.
        :param retry_after: seconds after which trying again makes sense.
        """
        super().__init__(detail)
        self.detail = detail or _rule_of(type(self))
        self.code = code or re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()
        if field is not None and not problems:
            problems = ({"field": field, "rule": rule or self.detail},)
        self.rule = rule
        self.problems = problems
        self.retry_after = retry_after

    def within(self, place: str) -> Self:
        """Return the same refusal with its fields named as parts of *place*, a field that holds them."""
        moved = copy.copy(self)
        moved.problems = tuple(
            {**problem, "field": f"{place}.{problem['field']}"} for problem in self.problems
        )
        return moved

    def to_wire(self) -> dict[str, Any]:
        """Return the refusal as JSON-ready values."""
        return {
            "family": self.family,
            "code": self.code,
            "detail": self.detail,
            "rule": self.rule,
            "problems": list(self.problems),
            "retry_after": self.retry_after,
        }

    @staticmethod
    def from_wire(wire: dict[str, Any]) -> "Refusal":
        """Build the refusal again, of the family it was raised in and with its own code."""
        family = FAMILIES.get(wire.get("family", ""), Unavailable)
        return family(
            wire.get("detail", ""),
            rule=wire.get("rule"),
            code=wire.get("code"),
            problems=tuple(wire.get("problems", ())),
            retry_after=wire.get("retry_after"),
        )


class NotFound(Refusal):
    """There is no such thing, or it is not yours: the two cannot be told apart."""

    status = 404
    family = "NotFound"


class Conflict(Refusal):
    """The request contradicts the present state."""

    status = 409
    family = "Conflict"


class InvalidInput(Refusal):
    """The request is malformed or breaks a rule on its values."""

    status = 422
    family = "InvalidInput"

    @classmethod
    def of(cls, messages: dict[str, Any]) -> Self:
        """Build the refusal from marshmallow's nested messages."""
        return cls(
            "The request has fields that break a rule.",
            problems=tuple({"field": field, "rule": rule} for field, rule in _flatten(messages, prefix="")),
        )


class Forbidden(Refusal):
    """The caller may not do this: the role, the scope or the credential does not fit."""

    status = 403
    family = "Forbidden"


class Unauthenticated(Refusal):
    """The request carries no token that this tenant accepts."""

    status = 401
    family = "Unauthenticated"


class TooLarge(Refusal):
    """The body is larger than the door accepts."""

    status = 413
    family = "TooLarge"


class Unavailable(Refusal):
    """A part of the system does not answer right now; nothing will be carried out later."""

    status = 503
    family = "Unavailable"


class TooEarly(Exception):
    """Raised by a reaction whose event came before another that it builds on.

    It is tried again and uses up no attempt, for an hour at most.
    """


FAMILIES: dict[str, type[Refusal]] = {
    family.family: family
    for family in (
        NotFound,
        Conflict,
        InvalidInput,
        Forbidden,
        Unauthenticated,
        TooLarge,
        Unavailable,
    )
}


def _flatten(messages: Any, *, prefix: str) -> list[tuple[str, str]]:
    if isinstance(messages, dict):
        found = []
        for key, inner in messages.items():
            path = prefix if key == "_schema" else f"{prefix}.{key}" if prefix else str(key)
            found += _flatten(inner, prefix=path)
        return found
    if isinstance(messages, list):
        return [(prefix or "body", str(message)) for message in messages]
    return [(prefix or "body", str(messages))]


def _rule_of(refusal: type[Refusal]) -> str:
    """Return what a kind of refusal says of itself, for whoever is refused."""
    told = (refusal.__doc__ or "").strip().splitlines()[0]
    # Docstrings speak to developers.
    return told.replace("Raised when ", "This is refused when ", 1)
