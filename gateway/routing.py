"""Which address wakes which method: the routes, and how a request finds its own."""

import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema

from gateway.problems import Heard, MethodNotAllowed, NoSuchRoute
from shared.errors import Refusal

#: A patient's token may use the route when the patient in the path is its own.
OWN_PATH = "own_path"
#: A patient's token may use the route: the service compares the patient concerned.
SERVICE_GUARDS = "service_guards"
#: No patient's token may use the route.
NO_PATIENTS = ""

#: What a route tells about patients is the program's own and never leaves.
WITHHELD = ("WITHHELD",)
#: A route that tells nothing about any patient.
ABOUT_NOBODY: tuple[str, ...] = ()
#: Classes of patient information that answers hold.
CONTACT = ("CONTACT",)
ASSESSMENT = ("ASSESSMENT", "DIAGNOSES")
ATTENDANCE = ("ATTENDANCE",)
PLAN = ("TREATMENT_PLAN",)
DISCHARGE = ("DISCHARGE_SUMMARY",)

_PARAMETER = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, kw_only=True)
class Route:
    """One way in over HTTP, and what is needed to use it.

    ``service`` is empty where the gateway answers by itself. ``information`` names the classes of
    patient information in the answer, which decide what an outside recipient gets.
    """

    method: str
    path: str
    #: Empty for what anybody may see.
    scope: str = ""
    service: str = ""
    request: type[Schema] | None = None
    answer: type[Schema] | None = None
    #: Whether the answer is a page: ``{"items": [...], "next": ...}``.
    many: bool = False
    status: int = 200
    patients: str = NO_PATIENTS
    information: tuple[str, ...] = ABOUT_NOBODY
    summary: str = ""
    #: Whether it is written down that somebody looked; not where not even that may be kept.
    recorded: bool = True
    #: Hears the danger in a request that was refused, or could not be looked at; only where one can be told.
    hears: Callable[[Any, Refusal], Heard | None] | None = None

    @functools.cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parts of the path that vary."""
        return tuple(_PARAMETER.findall(self.path))

    @property
    def is_command(self) -> bool:
        """Whether the route changes something."""
        return self.method == "POST"

    @property
    def shows_crisis_lines(self) -> bool:
        """Whether its answer tells who helps in danger."""
        return not {"crisis", "crisis_lines"}.isdisjoint(getattr(self.answer, "_declared_fields", {}))


class Router:
    """Finds the route of a request."""

    def __init__(self, routes: Iterable[tuple[Route, Any]]) -> None:
        """Take the routes, each with whatever belongs to it.

        :raises ValueError: when two routes cannot be told apart.
        """
        self._root: dict[str, Any] = {}
        for route, what in routes:
            node = self._root
            for part in route.path.strip("/").split("/"):
                node = node.setdefault("{}" if part.startswith("{") else f"/{part}", {})
            methods = node.setdefault("", {})
            if route.method in methods:
                raise ValueError(f"two routes for {route.method} {route.path}")
            methods[route.method] = (route, what)

    def find(self, method: str, path: str) -> tuple[Route, Any, dict[str, str]]:
        """Return the route, what belongs to it, and the varying parts of the path.

        :raises NoSuchRoute: when nothing is at the path.
        :raises MethodNotAllowed: when the path has no such method.
        """
        node: dict[str, Any] | None = self._root
        values = []
        if not path.startswith("/"):
            raise NoSuchRoute
        for part in path[1:].split("/"):
            if node is None:
                break
            if f"/{part}" in node:
                node = node[f"/{part}"]
            elif part and "{}" in node:
                values.append(part)
                node = node["{}"]
            else:
                node = None
        methods = (node or {}).get("")
        if not methods:
            raise NoSuchRoute
        # HEAD is GET without the body.
        found = methods.get("GET" if method == "HEAD" else method)
        if found is None:
            allowed = (*methods, "HEAD") if "GET" in methods else tuple(methods)
            raise MethodNotAllowed(tuple(sorted(allowed)))
        route, what = found
        return route, what, dict(zip(route.parameters, values, strict=True))
