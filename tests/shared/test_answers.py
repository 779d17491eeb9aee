"""Answers are written as marshmallow would write them, only faster."""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from marshmallow import Schema, fields, post_dump

import gateway.schemas
import services
from shared.answers import answer_of, answers_of, made
from shared.contracts.event import SERVICES
from shared.schema_fields import Id, Moment

MOMENT = datetime(2026, 2, 2, 15, 4, 5, 678, tzinfo=UTC)


class Person(Schema):
    """Somebody on board."""

    name = fields.String()
    age = fields.Integer(allow_none=True)


class Boat(Schema):
    """What crosses the river."""

    boat_id = Id()
    name = fields.String()
    seats = fields.Integer()
    tons = fields.Integer(as_string=True)
    afloat = fields.Boolean()
    built_on = fields.Date()
    launched_at = Moment(allow_none=True)
    owner = fields.String(attribute="owned_by")
    kind = fields.String(data_key="type")
    flag = fields.String(dump_default="none")
    home = fields.String(attribute="port.name")
    captain = fields.Nested(Person, allow_none=True)
    crew = fields.List(fields.Nested(Person))


class Signed(Person):
    """Somebody whose answer is changed once it is written."""

    @post_dump
    def sign(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Sign it."""
        return data | {"signed": True}


@dataclasses.dataclass
class Found:
    """Something that holds what an answer tells."""

    boat_id: Any = "018f2a3b-0000-7000-8000-000000000001"
    name: Any = "Ferry"
    seats: Any = 12
    tons: Any = 7
    afloat: Any = True
    built_on: Any = date(2020, 2, 29)
    launched_at: Any = MOMENT
    owned_by: Any = "Charon"
    kind: Any = "ROWING"
    captain: Any = None
    crew: Any = ()


FOUND = (
    Found(),
    Found(name=b"Ferry", seats="12", afloat="yes", launched_at=None, captain={"name": "A", "age": None}),
    Found(name=None, seats=None, afloat=None, owned_by=3, crew=[{"name": 1, "age": True}]),
)


class TestAnswer:
    @pytest.mark.parametrize("found", [*FOUND, *(vars(one) for one in FOUND), {}, {"port": {"name": "Styx"}}])
    def test_is_what_the_schema_itself_would_write(self, found: Any) -> None:
        assert answer_of(Boat, found) == Boat().dump(found)
        assert list(answer_of(Boat, found)) == list(Boat().dump(found))

    def test_is_changed_by_the_schema_where_that_says_so(self) -> None:
        assert answer_of(Signed, {"name": "A"}) == {"name": "A", "signed": True}

    def test_of_many_is_that_of_each(self) -> None:
        assert answers_of(Person, iter([{"name": "A"}, {"age": 3}])) == [{"name": "A"}, {"age": 3}]

    def test_is_the_same_for_every_schema_of_the_program(self) -> None:
        schemas = list(_all_schemas())
        assert len(schemas) > 200
        for schema in schemas:
            found = {name: _value_for(field) for name, field in made(schema).dump_fields.items()}
            assert answer_of(schema, found) == schema().dump(found), schema


def _all_schemas() -> Iterator[type[Schema]]:
    modules = [gateway.schemas]
    for service in SERVICES:
        if service != "gateway":
            place = importlib.import_module(f"{services.__name__}.{service}.schemas")
            modules += [place]
            modules += [
                importlib.import_module(f"{place.__name__}.{one.name}")
                for one in pkgutil.iter_modules(getattr(place, "__path__", ()))
            ]
    found = {
        one
        for module in modules
        for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, Schema) and one is not Schema
    }
    yield from sorted(found, key=lambda one: one.__qualname__)


def _value_for(field: fields.Field[Any]) -> Any:
    for kind, value in (
        (fields.Integer, 3),
        (fields.Boolean, True),
        (Moment, MOMENT),
        (fields.Date, MOMENT.date()),
        (fields.String, "text"),
    ):
        if isinstance(field, kind):
            return value
    if isinstance(field, fields.List) and not isinstance(field.inner, fields.Nested):
        return [_value_for(field.inner)]
    return None
