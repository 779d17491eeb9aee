"""Rows that a transaction has added or changed, written past most of what SQLAlchemy's session does.

Its unit of work finds out at each flush what is to be written in which order, and what has to be read again
after; that takes longer than everything else about a row. Rows of ours refer to each other by their columns
alone, so they go table by table. Where there is more to one of them, the unit of work writes all, as ever. In
either case they travel together, with whatever is asked next or with the commit.
"""

import contextlib
import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import InstanceState, Session
from sqlalchemy.orm.attributes import instance_state

from shared.many_rows import WORTH_JSON, as_json

#: What a row's values are, by the names of its columns.
_Values = dict[str, Any]

#: Types whose values JSON tells as the database reads them.
_TOLD_AS_JSON = (sa.String, sa.Uuid, sa.Integer, sa.Boolean, sa.Date, sa.DateTime, sa.LargeBinary, sa.JSON)

#: Rows that are changed alike from which on one statement changes them all: 200 seats take the database 20
#: to 25 ms so, and 45 to 53 with a statement each. It may look through a small table, so not of a few.
WORTH_ONE_CHANGE = 50

#: Fails where a change that nobody waits for finds no row to be made in: the database is asked, as it is not
#: told how many there were. See :func:`shared.database.finds_row_gone`.
CHECKED = b"WITH changed AS (%s RETURNING 1) SELECT 1 / count(*) FROM changed"


@dataclass(frozen=True)
class _Column:
    """One column of a class's rows."""

    name: str
    attribute: str
    #: Makes of a value what the driver takes, where that is something else.
    process: Callable[[Any], Any] | None
    #: Whether the database fills it in where it is left out, as it is where there is no value.
    is_filled_in: bool
    is_key: bool
    #: Tells whether a value is still what it was.
    is_equal: Callable[[Any, Any], Any]


@dataclass(frozen=True, eq=False)
class _Rows:
    """How rows of a class are written."""

    table: sa.Table
    columns: dict[str, _Column]
    #: Those of the table's key, which tells tenants apart where the session's, of one tenant, need not; each
    #: with the name under which a statement finds a row by it.
    key: tuple[tuple[str, _Column], ...]
    #: Its place among the tables, of which none refers to a later one.
    place: int

    def values_of(self, row: Any) -> _Values:
        """Return what is written of a new row, by the names of columns."""
        told = vars(row)
        values = {}
        for column in self.columns.values():
            value = told.get(column.attribute)
            if value is not None or not column.is_filled_in:
                values[column.name] = value if column.process is None else column.process(value)
        return values

    def changes_of(self, state: InstanceState[Any]) -> _Values | None:
        """Return what is written of a row that was changed, by the names of columns.

        None where its key was changed, or where what it is changed to is for the database to work out.
        """
        told, values = state.dict, {}
        for attribute, before in state.committed_state.items():
            if attribute not in told:
                return None
            column, value = self.columns[attribute], told[attribute]
            if column.is_equal(value, before) is True:
                continue
            if column.is_key or isinstance(value, sa.ClauseElement) or hasattr(value, "__clause_element__"):
                return None
            values[column.name] = value if column.process is None else column.process(value)
        return values

    def found_by(self, told: _Values) -> _Values:
        """Return what a statement finds a row by, of which all of the values are known."""
        return {
            name: told[column.attribute] if column.process is None else column.process(told[column.attribute])
            for name, column in self.key
        }


def pending_statements(db: Session, connection: sa.Connection, cursor: Any) -> list[bytes]:
    """Return the statements that write what a session holds and has not written; only the commit may follow.

    Where there is more to it, all waits on the connection instead, as the unit of work has written it.
    """
    statements = _statements(db, connection.dialect, cursor, is_read_again=False)
    if statements is None:
        db.flush()
        return []
    # The session has nothing left to write, and nobody asks it for anything.
    db.expunge_all()
    return statements


def statements_in_between(db: Session, connection: sa.Connection) -> list[bytes] | None:
    """Return the statements that write what a session holds, which takes it from here on that they are sent.

    None where there is more to it.
    """
    cursor: Any
    with contextlib.closing(connection.connection.cursor()) as cursor:
        statements = _statements(db, connection.dialect, cursor, is_read_again=True)
    if statements is not None:
        # As the unit of work has it learn so.
        db._register_persistent({instance_state(row) for row in (*db.new, *db.dirty)})  # noqa: SLF001
    return statements


def own_new_rows(db: Session) -> None:
    """Give the rows that a session is about to add to the tenant that it acts for.

    :raises RuntimeError: when one is another tenant's, or the session was opened to read.
    """
    if "reads_only" in db.info:
        raise RuntimeError("what was opened to read writes nothing")
    tenant_id = db.info.get("tenant_id")
    if tenant_id is None:
        return
    for row in db.new:
        if hasattr(row, "tenant_id"):
            if not row.tenant_id:
                row.tenant_id = tenant_id
            elif row.tenant_id != tenant_id:
                raise RuntimeError(f"a row of {type(row).__name__} belongs to another tenant")


def _statements(db: Session, dialect: sa.Dialect, cursor: Any, *, is_read_again: bool) -> list[bytes] | None:
    """Return the statements that write what a session holds, or None where there is more to it.

    They go table by table, and in each what was changed goes before what was added, which may take its place.

    :param is_read_again: whether somebody may ask for what the database fills in.
    """
    if db.deleted:
        return None
    own_new_rows(db)
    changed: list[tuple[tuple[int, Any], tuple[_Rows, tuple[str, ...]], _Values]] = []
    kind: Any
    for row in db.dirty:
        kind, state = type(row), instance_state(row)
        rows = _rows_of(kind, dialect)
        values = None if rows is None else rows.changes_of(state)
        if rows is None or values is None:
            return None
        if values:
            if any(column.attribute not in state.dict for _, column in rows.key):
                return None
            assert state.key is not None
            key = state.key[1]
            how = (rows, tuple(sorted(values)))
            changed.append(((rows.place, key), how, values | rows.found_by(state.dict)))
    alike: dict[tuple[_Rows, tuple[str, ...]], list[_Values]] = {}
    for row in db.new:
        kind = type(row)
        rows = _rows_of(kind, dialect)
        if rows is None:
            return None
        values = rows.values_of(row)
        if is_read_again and len(values) < len(rows.columns):
            return None
        alike.setdefault((rows, tuple(values)), []).append(values)
    # Whoever else changes some of the same rows comes to them in the same order.
    changed.sort(key=lambda one: one[0])
    in_order = []
    for (rows, names), same in itertools.groupby(changed, key=lambda one: one[1]):
        statements = _change(rows, names, [values for _, _, values in same], dialect, cursor)
        in_order += [(rows.place, False, statement) for statement in statements]
    in_order += [
        (rows.place, True, _insert(rows.table, names, added, dialect, cursor))
        for (rows, names), added in alike.items()
    ]
    return [statement for _, _, statement in sorted(in_order, key=lambda one: one[:2])]


def _change(
    rows: _Rows, names: tuple[str, ...], several: list[_Values], dialect: sa.Dialect, cursor: Any
) -> list[bytes]:
    """Return the statements that change the same columns of rows, which are in order."""
    many = _update_many_of(rows, names, dialect) if len(several) >= WORTH_ONE_CHANGE else None
    if many is not None:
        ((key, _),) = rows.key
        return [cursor.mogrify(many, {"keys": [one[key] for one in several], "rows": as_json(several)})]
    statement = _update_of(rows, names, dialect)
    filled_in = [cursor.mogrify(statement, values) for values in several]
    # As by the unit of work, one that goes alone is asked for: of many that would be a row read for each.
    return filled_in if len(several) > 1 else [CHECKED % filled_in[0]]


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
    """Return how rows of a class are written, or None where there is more to it."""
    mapper: sa.orm.Mapper[Any] = sa.inspect(entity)
    table = mapper.local_table
    is_plain = not mapper.single and mapper.tables == [table] and not mapper.relationships
    if not is_plain or mapper.version_id_col is not None or not isinstance(table, sa.Table):
        return None
    columns = {}
    for attribute in mapper.column_attrs:
        (column,) = attribute.columns
        if not isinstance(column, sa.Column):
            return None
        if any(one is not None for one in (column.default, column.onupdate, column.server_onupdate)):
            return None
        columns[attribute.key] = _Column(
            name=str(column.name),
            attribute=attribute.key,
            process=column.type.dialect_impl(dialect).bind_processor(dialect),
            # JSON has a word for nothing, so where it is told it is written.
            is_filled_in=column.server_default is not None and not column.type.should_evaluate_none,
            is_key=column.primary_key,
            is_equal=column.type.compare_values,
        )
    key = tuple(
        (f"{table.name}_{column.name}", columns[mapper.get_property_by_column(column).key])
        for column in table.primary_key
    )
    return _Rows(table, columns, key, _in_order(table.metadata).index(table))


@functools.lru_cache(maxsize=16)
def _in_order(metadata: sa.MetaData) -> list[sa.Table]:
    return metadata.sorted_tables


@functools.lru_cache(maxsize=1024)
def _update_of(rows: _Rows, names: tuple[str, ...], dialect: sa.Dialect) -> str:
    """Return a statement that changes these columns of a row."""
    by_key = [
        rows.table.c[column.name] == sa.bindparam(name, type_=rows.table.c[column.name].type)
        for name, column in rows.key
    ]
    update = rows.table.update().where(*by_key)
    return str(update.compile(dialect=dialect, column_keys=list(names)))


@functools.lru_cache(maxsize=1024)
def _update_many_of(rows: _Rows, names: tuple[str, ...], dialect: sa.Dialect) -> str | None:
    """Return how these columns of many rows are changed, or None where that cannot be told at once.

    The rows are locked before, in their order: which of them is changed first, the database chooses.
    """
    told = _told_as_json(rows.table, names, dialect)
    if told is None or len(rows.key) > 1:
        return None
    ((found_by, key),) = rows.key
    if not isinstance(rows.table.c[key.name].type, sa.Uuid):
        return None
    quote = dialect.identifier_preparer.quote
    table, column = quote(rows.table.name), quote(key.name)
    taken = ", ".join(f"{quote(name)} = {value}" for name, value in zip(names, told.taken, strict=True))
    # All of the names are ours.
    in_order = f"ORDER BY {column} FOR NO KEY UPDATE"
    lock = f"SELECT FROM {table} WHERE {column} = ANY(CAST(%(keys)s AS uuid[])) {in_order}"
    read = f"json_to_recordset(%(rows)s) AS told ({', '.join(told.read)}, {found_by} uuid)"
    change = f"UPDATE {table} SET {taken} FROM {read} WHERE {table}.{column} = told.{found_by}"  # noqa: S608
    return f"{lock}; {change}"


@functools.lru_cache(maxsize=1024)
def _insert_into(table: sa.Table, names: tuple[str, ...], dialect: sa.Dialect) -> tuple[str, str]:
    """Return how a statement begins that adds rows, and the form in which each of them follows."""
    written = str(table.insert().compile(dialect=dialect, column_keys=list(names)))
    beginning, _, form = written.partition(" VALUES ")
    return beginning, form


@functools.lru_cache(maxsize=1024)
def _insert_many_into(table: sa.Table, names: tuple[str, ...], dialect: sa.Dialect) -> str | None:
    """Return a statement that adds rows told as JSON, or None where a column's values cannot be told so."""
    told = _told_as_json(table, names, dialect)
    if told is None:
        return None
    beginning, _ = _insert_into(table, names, dialect)
    read = f"json_to_recordset(%(rows)s) AS told ({', '.join(told.read)})"
    return f"{beginning} SELECT {', '.join(told.taken)} FROM {read}"  # noqa: S608  # names of ours


class _Told(NamedTuple):
    """Columns that are told as JSON: how each is read, and what is taken of it."""

    read: list[str]
    taken: list[str]


def _told_as_json(table: sa.Table, names: tuple[str, ...], dialect: sa.Dialect) -> _Told | None:
    """Return how columns are told as JSON, or None where the values of one cannot be."""
    read, taken = [], []
    for name in names:
        column, type_ = dialect.identifier_preparer.quote(name), table.c[name].type
        item = type_.item_type if isinstance(type_, sa.ARRAY) else type_
        if not isinstance(item, _TOLD_AS_JSON):
            return None
        if isinstance(type_, sa.JSON):
            # What is told is the document's text, so that not even its word for nothing gets lost.
            read.append(f"{column} text")
            taken.append(f"CAST(told.{column} AS {type_.compile(dialect=dialect)})")
        else:
            read.append(f"{column} {type_.compile(dialect=dialect)}")
            taken.append(f"told.{column}")
    return _Told(read, taken)
