"""Schemas, each made once: making one costs more than reading or writing with it."""

import functools
from typing import Any

from marshmallow import Schema


def answer_of(schema: type[Schema], found: Any) -> dict[str, Any]:
    """Return what was found as the answer's schema writes it."""
    answer: dict[str, Any] = made(schema).dump(found)
    return answer


def answers_of(schema: type[Schema], found: Any) -> list[dict[str, Any]]:
    """Return each of what was found as the schema writes it."""
    answers: list[dict[str, Any]] = made(schema).dump(found, many=True)
    return answers


@functools.cache
def made(schema: type[Schema]) -> Schema:
    """Return a schema, made once."""
    return schema()
