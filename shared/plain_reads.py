"""Questions that are written down once, read past most of what SQLAlchemy's session does.

The session works out at each use how a question is asked and how its rows are taken apart, and that is
what it takes most of its time for; here it is worked out once. Rows become the same objects as ever, each
once in a transaction. Where something may be written the session holds them, as if it had read them itself,
and writes what becomes of them. Where nothing is written, nobody needs to know later what a row was when it
was read: one that is changed all the same says so at once.
"""

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg2
import sqlalchemy as sa
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import instance_state, set_committed_value

_Process = Callable[[Any], Any] | None

#: The only option that a question may have: what is known already is read anew.
_ANEW = {"populate_existing": True}

#: What lists may be of, and what the database calls one: of any length it is one value so.
_LISTED = (
    (sa.Uuid, "UUID[]"),
    (sa.String, "VARCHAR[]"),
    (sa.LargeBinary, "BYTEA[]"),
    (sa.Integer, "INTEGER[]"),
    (sa.Date, "DATE[]"),
)


class OnlyRead:
    """The objects of a transaction that changes none."""

    def __init__(self) -> None:
        """Begin with none."""
        self._known: dict[Any, Any] = {}

    def get(self, key: Any) -> Any:
        """Return the object with an identity, or None where it was not read before."""
        return self._known.get(key)

    def add(self, mapper: sa.orm.Mapper[Any], key: Any, values: dict[str, Any]) -> Any:
        """Return a new object, to be known by its identity."""
        found = self._known[key] = object.__new__(mapper.class_)
        found.__dict__.update(values)
        return found

    @staticmethod
    def fill_in(found: Any, values: dict[str, Any]) -> None:
        """Have an object say what its row says now."""
        found.__dict__.update(values)


class HeldBySession:
    """The objects that a session holds, to write what becomes of them."""

    def __init__(self, db: Session) -> None:
        """Hold them in *db*."""
        self._db = db

    def get(self, key: Any) -> Any:
        """Return the object with an identity, or None where the session holds none."""
        return self._db.identity_map.get(key)

    def add(self, mapper: sa.orm.Mapper[Any], key: Any, values: dict[str, Any]) -> Any:
        """Return a new object, held as one that was read."""
        found = mapper.class_manager.new_instance()
        state = instance_state(found)
        state.key, state.session_id = key, self._db.hash_key
        self._db.identity_map.add(state)
        found.__dict__.update(values)
        return found

    @staticmethod
    def fill_in(found: Any, values: dict[str, Any]) -> None:
        """Have an object say what its row says now, as something that was read and not changed."""
        for attribute, value in values.items():
            set_committed_value(found, attribute, value)


@dataclass(frozen=True)
class _Part:
    """What some columns of a row are made into: an object, or a single value."""

    #: The class of the object; None where it is a value.
    mapper: sa.orm.Mapper[Any] | None
    #: Place in the row, attribute, and what makes a value of what the driver has read.
    columns: tuple[tuple[int, str, _Process], ...]
    #: Places of the object's key, and what makes a value of each.
    key: tuple[tuple[int, _Process], ...]

    def of(self, row: Any, objects: OnlyRead | HeldBySession, *, anew: bool, read: dict[Any, Any]) -> Any:
        """Return it; an object that is known already stays the one that it is.

        :param anew: whether the row counts for more than what is known.
        :param read: what came of the rows before, by identity.
        """
        if self.mapper is None:
            ((place, _, process),) = self.columns
            return row[place] if process is None else process(row[place])
        of_key = [row[place] if process is None else process(row[place]) for place, process in self.key]
        # As the session forms it; see :meth:`sqlalchemy.orm.Mapper.identity_key_from_row`.
        key = (self.mapper.class_, tuple(of_key), None)
        found = read.get(key)
        if found is not None or all(one is None for one in of_key):
            return found
        found = objects.get(key)
        if found is None:
            found = objects.add(self.mapper, key, self._values(row))
        elif anew:
            objects.fill_in(found, self._values(row))
        else:
            # Some of it is not known: such as what the database has filled in, or after going back.
            told = vars(found)
            unknown = [column for column in self.columns if column[1] not in told]
            if unknown:
                values = self._values(row)
                objects.fill_in(found, {attribute: values[attribute] for _, attribute, _ in unknown})
        read[key] = found
        return found

    def _values(self, row: Any) -> dict[str, Any]:
        return {
            attribute: row[place] if process is None else process(row[place])
            for place, attribute, process in self.columns
        }


class Reading:
    """A question that is compiled once, and how its rows are taken apart."""

    def __init__(
        self,
        text: str,
        *,
        given: dict[str, Any],
        written: tuple[tuple[str, _Process], ...],
        parts: tuple[_Part, ...],
        names: tuple[str, ...],
        anew: bool,
    ) -> None:
        """Ask *text*.

        :param given: what is filled into it unless whoever asks says otherwise.
        :param written: all that is filled in, by name, and what makes of it what the driver takes.
        :param names: what the parts of a row are called.
        """
        self.text = text
        self._given = given
        self._written = written
        self._parts = parts
        self._metadata = SimpleResultMetaData(names)
        self._anew = anew

    def rows(
        self, connection: sa.Connection, params: Any, objects: OnlyRead | HeldBySession
    ) -> list[tuple[Any, ...]]:
        """Ask, and return the rows.

        :param objects: those that were read before, which this adds to.
        """
        told = {**self._given, **(params or {})}
        found = _ask(
            connection,
            self.text,
            {name: told[name] if process is None else process(told[name]) for name, process in self._written},
        )
        read: dict[Any, Any] = {}
        anew = self._anew
        return [tuple([part.of(row, objects, anew=anew, read=read) for part in self._parts]) for row in found]

    def result(self, connection: sa.Connection, params: Any, objects: OnlyRead | HeldBySession) -> Any:
        """Ask, and return what a session would."""
        return IteratorResult(self._metadata, iter(self.rows(connection, params, objects)))


def _ask(connection: sa.Connection, text: str, given: dict[str, Any]) -> list[Any]:
    """Ask the driver itself: what the engine keeps of a statement costs several times as much as sending it.

    Whoever listens to the engine's statements hears of it, and what fails fails as there.
    """
    cursor: Any = connection.connection.cursor()
    for heed in connection.dispatch.before_cursor_execute:
        heed(connection, cursor, text, given, None, False)
    try:
        cursor.execute(text, given)
        found: list[Any] = cursor.fetchall()
    except BaseException as error:  # noqa: BLE001  # it is raised again
        # The engine wraps the driver's errors, and others only where they come with a text.
        known = isinstance(error, psycopg2.Error)
        fail = connection._handle_dbapi_exception  # noqa: SLF001  # there is one way to fail
        fail(error, text if known else None, given if known else None, cursor, None)
    cursor.close()
    return found


@functools.lru_cache(maxsize=4096)
def reading_of(query: sa.Select[Any], dialect: sa.Dialect) -> Reading | None:
    """Return how a question is asked, or None where there is more to it."""
    options = query.get_execution_options()
    if options and options != _ANEW:
        return None
    columns: list[Any] = []
    parts, names = [], []
    for described in query.column_descriptions:
        # A table of the plumbing has no class.
        entity, asked = described.get("entity"), described["expr"]
        names.append(described["name"])
        if entity is not None and asked is entity:
            mapper = sa.inspect(entity).mapper
            if len(mapper.tables) != 1 or mapper.relationships or mapper.polymorphic_on is not None:
                return None
            attributes = {attribute.key: getattr(entity, attribute.key) for attribute in mapper.column_attrs}
            of_key = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
        else:
            attributes, of_key, mapper = {"": asked}, [], None
        processes = []
        for attribute, column in attributes.items():
            process: _Process
            if isinstance(column.type, sa.Float) and not column.type.asdecimal:
                process = _as_float
            elif isinstance(column.type, sa.Numeric | sa.types.NullType):
                # How it is read depends on what the database says that it is.
                return None
            else:
                process = column.type.dialect_impl(dialect).result_processor(dialect, None)
            processes.append((len(columns), attribute, process))
            columns.append(column)
        key = {attribute: (place, process) for place, attribute, process in processes}
        parts.append(_Part(mapper, tuple(processes), tuple(key[attribute] for attribute in of_key)))
    compiled = _compiled(query, columns, dialect)
    if compiled is None:
        return None
    text = _with_lists(compiled)
    if text is None or compiled.literal_execute_params:
        return None
    lists = {compiled.bind_names[bind] for bind in compiled.post_compile_params}
    written = {
        name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in compiled.binds.items()
    }
    return Reading(
        text,
        given={name: bind.effective_value for name, bind in compiled.binds.items() if not bind.required},
        written=tuple((name, list if name in lists else process) for name, process in written.items()),
        parts=tuple(parts),
        names=tuple(names),
        anew=bool(options),
    )


def _as_float(value: Any) -> float | None:
    """Return a number, whichever kind the database has made of it."""
    return None if value is None else float(value)


def _compiled(query: sa.Select[Any], columns: list[Any], dialect: sa.Dialect) -> Any:
    """Return a question with its columns named one by one, or None where it leaves open what it joins to."""
    # What it says itself to begin with is what it joins from: its columns' tables would stand beside that.
    for keeps_froms in (True, False):
        named = query.with_only_columns(*columns, maintain_column_froms=keeps_froms)
        with contextlib.suppress(sa.exc.InvalidRequestError):
            return named.compile(dialect=dialect)
    return None


def _with_lists(compiled: Any) -> str | None:
    """Return the text of a question that takes each list as one value, or None where that cannot be."""
    text = str(compiled)
    for bind in compiled.post_compile_params:
        kind = next((told for type_, told in _LISTED if isinstance(bind.type, type_)), None)
        if kind is None:
            return None
        name = compiled.bind_names[bind]
        written, value = f"IN (__[POSTCOMPILE_{name}])", f"(%({name})s::{kind})"
        text = text.replace(f" NOT {written}", f" != ALL {value}").replace(f" {written}", f" = ANY {value}")
    return text
