"""Refusals: what whoever is refused reads."""

import importlib

import pytest

from shared.contracts.event import SERVICES
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound, Refusal


def kinds_of(family: type[Refusal]) -> list[type[Refusal]]:
    """Return a family and every kind of it that the services know."""
    for service in SERVICES:
        importlib.import_module("gateway.service" if service == "gateway" else f"services.{service}.service")
    return [family, *(kind for child in family.__subclasses__() for kind in kinds_of(child))]


class TestRefusal:
    @pytest.mark.parametrize("family", [Conflict, Forbidden, InvalidInput, NotFound])
    def test_speaks_to_whoever_is_refused(self, family: type[Refusal]) -> None:
        details = [kind().detail for kind in kinds_of(family)]

        assert all(detail.endswith(".") and "Raised" not in detail for detail in details), details

    def test_says_what_is_refused_when_it_was_told_nothing_else(self) -> None:
        class FerryHasLeft(Conflict):
            """Raised when somebody comes too late."""

        assert FerryHasLeft().detail == "This is refused when somebody comes too late."
        assert FerryHasLeft("It left at nine.").detail == "It left at nine."


class TestWithin:
    def test_names_fields_as_parts_of_a_place_and_leaves_the_refusal_as_it_was(self):
        refusal = InvalidInput("Too many.", field="answers", rule="at most 20")

        moved = refusal.within("checks.2")

        assert moved.problems == ({"field": "checks.2.answers", "rule": "at most 20"},)
        assert (type(moved), moved.detail) == (InvalidInput, "Too many.")
        assert refusal.problems == ({"field": "answers", "rule": "at most 20"},)
