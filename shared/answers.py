"""Schemas, each made once: making one costs more than reading or writing with it."""

import functools
from collections.abc import Callable
from typing import Any

from marshmallow import Schema, fields, missing

from shared.schema_fields import Moment

#: What a field of a kind writes as it is; anything else is left to the field.
_AS_IT_IS: tuple[tuple[Any, frozenset[type]], ...] = (
    (fields.String, frozenset({str, type(None)})),
    (fields.Integer, frozenset({int, type(None)})),
    (fields.Boolean, frozenset({bool, type(None)})),
    (Moment, frozenset({type(None)})),
)


def answer_of(schema: type[Schema], found: Any) -> dict[str, Any]:
    """Return what was found as the answer's schema writes it."""
    return _writer_of(schema).write(found)


def answers_of(schema: type[Schema], found: Any) -> list[dict[str, Any]]:
    """Return each of what was found as the schema writes it."""
    writer = _writer_of(schema)
    return [writer.write(one) for one in found]


@functools.cache
def made(schema: type[Schema]) -> Schema:
    """Return a schema, made once."""
    return schema()


@functools.cache
def _writer_of(schema: type[Schema]) -> "_Writer":
    return _Writer(made(schema))


class _Writer:
    """Writes what a schema would, but looks up only once what it looks up for each value of each answer."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._fields = [
            (
                name,
                name if field.data_key is None else field.data_key,
                field.attribute or name,
                _written_as_they_are(field),
                _writer_of_parts(field),
                _writer_of_value(field),
                field,
            )
            for name, field in schema.dump_fields.items()
        ]
        hooks = schema._hooks  # noqa: SLF001  # told nowhere else
        self._leaves_all_to_schema = bool(hooks["pre_dump"] or hooks["post_dump"] or schema.many)

    def write(self, found: Any) -> dict[str, Any]:
        """Return what was found as the schema writes it."""
        is_dict = type(found) is dict
        if self._leaves_all_to_schema or (not is_dict and hasattr(found, "__getitem__")):
            told: dict[str, Any] = self._schema.dump(found)
            return told
        told = {}
        for name, key, attribute, plain, parts, write_value, field in self._fields:
            if plain or parts or write_value:
                value = found.get(attribute, missing) if is_dict else getattr(found, attribute, missing)
                if type(value) in plain:
                    told[key] = value
                    continue
                if parts and value is not missing:
                    told[key] = parts(value)
                    continue
                if write_value and value is not missing:
                    told[key] = write_value(value, name, found)
                    continue
            value = field.serialize(name, found, accessor=self._schema.get_attribute)
            if value is not missing:
                told[key] = value
        return told


def _writer_of_parts(field: fields.Field[Any]) -> Callable[[Any], Any] | None:
    """Return what writes an answer within the answer, or several, if it is such a field."""
    if "." in (field.attribute or ""):
        return None
    if type(field) is fields.List:
        each = _writer_of_parts(field.inner)
        if each is not None:
            return lambda found: None if found is None else [each(one) for one in found]
    elif type(field) is fields.Nested and not field.many:
        # Looked up when it is first needed: a schema may be part of itself.
        return lambda found: None if found is None else _writer_of_part(field).write(found)
    return None


def _writer_of_value(field: fields.Field[Any]) -> Callable[[Any, str, Any], Any] | None:
    """Return what writes a value that was looked up already, if the field looks it up as any other does."""
    kind: Any = type(field)
    is_known = kind.serialize is fields.Field.serialize and kind.get_value is fields.Field.get_value
    if "." in (field.attribute or "") or not is_known or not field._CHECK_ATTRIBUTE:  # noqa: SLF001  # the same
        return None
    write: Callable[[Any, str, Any], Any] = field._serialize  # noqa: SLF001  # all that is left of it
    return write


@functools.cache
def _writer_of_part(field: fields.Nested) -> _Writer:
    return _Writer(field.schema)


def _written_as_they_are(field: fields.Field[Any]) -> frozenset[type]:
    """Return the types of the values that a field writes as they are, as far as that is known of its kind."""
    kind: Any = type(field)
    if "." in (field.attribute or "") or kind.serialize is not fields.Field.serialize:
        return frozenset()
    for known, types in _AS_IT_IS:
        if issubclass(kind, known) and kind._serialize is known._serialize:  # noqa: SLF001  # compared only
            # A number may be asked for as a text.
            return types if not getattr(field, "as_string", False) else frozenset()
    return frozenset()
