"""Rows that a transaction has added, written with its commit.

At the end of a transaction nothing more is asked of its session. What SQLAlchemy's unit of work keeps for
that then serves nobody, and takes longer than everything else about a new row: so rows that are only added go
past it. Where rows are changed or deleted besides, all are written by it, as ever; but they travel together.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from shared.database import own_new_rows
from shared.many_rows import WORTH_JSON, as_json

#: What a row's values are, by the names of its columns.
_Values = dict[str, Any]

#: Types whose values JSON tells as the database reads them.
_TOLD_AS_JSON = (sa.String, sa.Uuid, sa.Integer, sa.Boolean, sa.Date, sa.DateTime, sa.LargeBinary, sa.JSON)


@dataclass(frozen=True)
class _Column:
    """One column of a class's rows."""

    name: str
    attribute: str
    #: Makes of a value what the driver takes, where that is something else.
    process: Callable[[Any], Any] | None
    #: Whether the database fills it in where it is left out, as it is where there is no value.
    is_filled_in: bool


@dataclass(frozen=True, eq=False)
class _Rows:
    """How rows of a class are added."""

    table: sa.Table
    columns: tuple[_Column, ...]
    #: Its place among the tables, of which none refers to a later one.
    place: int

    def values_of(self, row: Any) -> _Values:
        """Return what is written of a row, by the names of columns."""
        told = vars(row)
        values = {}
        for column in self.columns:
            value = told.get(column.attribute)
            if value is not None or not column.is_filled_in:
                values[column.name] = value if column.process is None else column.process(value)
        return values


def pending_statements(db: Session, connection: sa.Connection, cursor: Any) -> list[bytes]:
    """Return the statements that write what a session holds and has not written; only the commit may follow.

    Where rows are changed, all of them wait on the connection instead, as the unit of work has written them.
    """
    added = list(db.new)
    kinds: dict[Any, _Rows | None] = {type(row): None for row in added}
    for kind in kinds:
        kinds[kind] = _rows_of(kind, connection.dialect)
    if None in kinds.values() or db.dirty or db.deleted:
        db.flush()
        return []
    own_new_rows(db)
    alike: dict[tuple[_Rows, tuple[str, ...]], list[_Values]] = {}
    for row in added:
        rows = kinds[type(row)]
        assert rows is not None
        values = rows.values_of(row)
        alike.setdefault((rows, tuple(values)), []).append(values)
    # The session has nothing left to write, and nobody asks it for anything.
    db.expunge_all()
    in_order = sorted(alike.items(), key=lambda one: one[0][0].place)
    return [
        _insert(rows.table, names, several, connection.dialect, cursor) for (rows, names), several in in_order
    ]


def _insert(
    table: sa.Table, names: tuple[str, ...], several: list[_Values], dialect: sa.Dialect, cursor: Any
) -> bytes:
    many = _insert_many_into(table, names, dialect) if len(several) >= WORTH_JSON else None
    if many is not None:
        statement: bytes = cursor.mogrify(many, {"rows": as_json(several)})
        return statement
    beginning, form = _insert_into(table, names, dialect)
    return f"{beginning} VALUES ".encode() + b", ".join(cursor.mogrify(form, values) for values in several)


@functools.lru_cache(maxsize=1024)
def _rows_of(entity: Any, dialect: sa.Dialect) -> _Rows | None:
    """Return how rows of a class are added, or None where there is more to it."""
    mapper: sa.orm.Mapper[Any] = sa.inspect(entity)
    table = mapper.local_table
    is_plain = not mapper.single and mapper.tables == [table] and not mapper.relationships
    if not is_plain or mapper.version_id_col is not None or not isinstance(table, sa.Table):
        return None
    columns = []
    for attribute in mapper.column_attrs:
        (column,) = attribute.columns
        if not isinstance(column, sa.Column) or column.default is not None:
            return None
        process = column.type.dialect_impl(dialect).bind_processor(dialect)
        # JSON has a word for nothing, so where it is told it is written.
        is_filled_in = column.server_default is not None and not column.type.should_evaluate_none
        columns.append(_Column(str(column.name), attribute.key, process, is_filled_in))
    return _Rows(table, tuple(columns), _in_order(table.metadata).index(table))


@functools.lru_cache(maxsize=16)
def _in_order(metadata: sa.MetaData) -> list[sa.Table]:
    return metadata.sorted_tables


@functools.lru_cache(maxsize=1024)
def _insert_into(table: sa.Table, names: tuple[str, ...], dialect: sa.Dialect) -> tuple[str, str]:
    """Return how a statement begins that adds rows, and the form in which each of them follows."""
    written = str(table.insert().compile(dialect=dialect, column_keys=list(names)))
    beginning, _, form = written.partition(" VALUES ")
    return beginning, form


@functools.lru_cache(maxsize=1024)
def _insert_many_into(table: sa.Table, names: tuple[str, ...], dialect: sa.Dialect) -> str | None:
    """Return a statement that adds rows told as JSON, or None where a column's values cannot be told so."""
    read, taken = [], []
    for name in names:
        column, type_ = dialect.identifier_preparer.quote(name), table.c[name].type
        item = type_.item_type if isinstance(type_, sa.ARRAY) else type_
        if not isinstance(item, _TOLD_AS_JSON):
            return None
        if isinstance(type_, sa.JSON):
            # What is told is the document's text, so that not even its word for nothing gets lost.
            read.append(f"{column} text")
            taken.append(f"CAST({column} AS {type_.compile(dialect=dialect)})")
        else:
            read.append(f"{column} {type_.compile(dialect=dialect)}")
            taken.append(column)
    beginning, _ = _insert_into(table, names, dialect)
    told = f"json_to_recordset(%(rows)s) AS told ({', '.join(read)})"
    return f"{beginning} SELECT {', '.join(taken)} FROM {told}"  # noqa: S608  # names of ours
