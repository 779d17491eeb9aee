"""Questions that are written down once, read without a unit of work.

Where nothing is written, nobody needs to know later what a row was when it was read, and that is what
SQLAlchemy's session takes most of its time for. Rows become the same objects as ever, each once in a
transaction; one that is changed all the same says so at once.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData

_Process = Callable[[Any], Any] | None


@dataclass(frozen=True)
class _Part:
    """What some columns of a row are made into: an object, or a single value."""

    #: The class of the object; None where it is a value.
    entity: type | None
    #: Place in the row, attribute, and what makes a value of what the driver has read.
    columns: tuple[tuple[int, str, _Process], ...]
    #: Places of the object's key.
    key: tuple[int, ...]

    def of(self, row: Any, known: dict[Any, Any]) -> Any:
        """Return it; an object that is known already stays the one that it is."""
        if self.entity is None:
            ((place, _, process),) = self.columns
            return row[place] if process is None else process(row[place])
        key = (self.entity, *[row[place] for place in self.key])
        found = known.get(key)
        if found is None and any(one is not None for one in key[1:]):
            found = known[key] = object.__new__(self.entity)
            found.__dict__.update(
                {
                    attribute: row[place] if process is None else process(row[place])
                    for place, attribute, process in self.columns
                }
            )
        return found


class Reading:
    """A question that is compiled once, and how its rows are taken apart."""

    def __init__(self, text: str, compiled: Any, parts: tuple[_Part, ...], names: tuple[str, ...]) -> None:
        self.text = text
        self._compiled = compiled
        self._parts = parts
        self._names = names

    def rows(self, connection: sa.Connection, params: Any, known: dict[Any, Any]) -> list[tuple[Any, ...]]:
        """Ask, and return the rows.

        :param known: the objects that were read before, which this adds to.
        """
        given = self._compiled.construct_params(params or {})
        found = connection.exec_driver_sql(self.text, given).all()
        return [tuple([part.of(row, known) for part in self._parts]) for row in found]

    def result(self, connection: sa.Connection, params: Any, known: dict[Any, Any]) -> Any:
        """Ask, and return what a session would."""
        rows = self.rows(connection, params, known)
        return IteratorResult(SimpleResultMetaData(self._names), iter(rows))


@functools.lru_cache(maxsize=4096)
def reading_of(query: sa.Select[Any], dialect: sa.Dialect) -> Reading | None:
    """Return how a question is asked, or None where there is more to it."""
    if query.get_execution_options():
        # Such as to read anew what is known already.
        return None
    columns: list[Any] = []
    parts, names = [], []
    for described in query.column_descriptions:
        entity, asked = described["entity"], described["expr"]
        names.append(described["name"])
        if entity is not None and asked is entity:
            mapper = sa.inspect(entity).mapper
            if len(mapper.tables) != 1 or mapper.relationships or mapper.polymorphic_on is not None:
                return None
            attributes = {attribute.key: getattr(entity, attribute.key) for attribute in mapper.column_attrs}
            of_key = {mapper.get_property_by_column(column).key for column in mapper.primary_key}
            key = tuple(len(columns) + at for at, name in enumerate(attributes) if name in of_key)
            kind: type | None = mapper.class_
        else:
            attributes, key, kind = {"": asked}, (), None
        processes = []
        for attribute, column in attributes.items():
            if isinstance(column.type, sa.Numeric | sa.types.NullType):
                # How it is read depends on what the database says that it is.
                return None
            process = column.type.dialect_impl(dialect).result_processor(dialect, None)
            processes.append((len(columns), attribute, process))
            columns.append(column)
        parts.append(_Part(kind, tuple(processes), key))
    compiled: Any = query.with_only_columns(*columns, maintain_column_froms=True).compile(dialect=dialect)
    processed = [one.type.dialect_impl(dialect).bind_processor(dialect) for one in compiled.binds.values()]
    if compiled.post_compile_params or compiled.literal_execute_params or any(processed):
        return None
    return Reading(str(compiled), compiled, tuple(parts), tuple(names))
