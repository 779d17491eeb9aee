"""The database of one service: how tables are declared, connections opened and tenants kept apart.

A session is bound to one :class:`Origin`: whom its transaction acts for. Reads through the ORM see
rows of that tenant only, and new rows get its id.
"""

import contextlib
import functools
import importlib
import itertools
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import psycopg2
import sqlalchemy as sa
from psycopg2 import extensions
from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session, aliased, with_loader_criteria

from shared.contracts.event import Actor
from shared.plain_reads import HeldBySession, OnlyRead, reading_of
from shared.plain_writes import CHECKED, own_new_rows, statements_in_between
from shared.sealing import blind_index, sealed

__all__ = [
    "CLEANED_UP_OFTEN",
    "WITHOUT_WAITING_FOR_THE_DISK",
    "Condition",
    "ConditionBroken",
    "Kept",
    "Origin",
    "among",
    "blind_index",
    "blind_index_column",
    "by_kept_plan",
    "commit_with_next",
    "finds_row_gone",
    "go_on_if",
    "id_column",
    "left_to_write",
    "lost_a_lock",
    "moment",
    "new_engine",
    "new_metadata",
    "origin_of",
    "plumbing",
    "reference",
    "sealed",
    "sealed_column",
    "send_what_waits",
    "send_with_commit",
    "send_with_next",
    "tenant_column",
    "transaction",
    "without_transactions",
    "written_once",
]

#: Names for constraints, so that migrations can drop what they once made.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

#: Storage parameters of a table whose rows are found by what has not been done with them yet, and are then
#: changed once: the index of what is left keeps an entry for each row until the table is cleaned up. Left to
#: its own, PostgreSQL waits for a fifth of the table, so that looking costs more the longer the past is.
CLEANED_UP_OFTEN = {"autovacuum_vacuum_scale_factor": "0.01", "autovacuum_vacuum_threshold": "5000"}

#: Tables that every service has: outbox, inbox, commands, timers, audit. Each is declared beside
#: the code that uses it, and copied into the service's own metadata.
plumbing = sa.MetaData(naming_convention=NAMING)


#: They declare the plumbing's tables; imported by name because they import this module.
_PLUMBING_MODULES = (
    "shared.audit",
    "shared.clock",
    "shared.holds",
    "shared.messaging.oversight.backlog",
    "shared.messaging.commands",
    "shared.messaging.inbox",
    "shared.messaging.outbox",
    "shared.messaging.oversight.parked",
    "shared.notification.tables",
    "shared.safety",
)


def new_metadata() -> sa.MetaData:
    """Return the metadata of a service, with the plumbing's tables in it."""
    for module in _PLUMBING_MODULES:
        importlib.import_module(module)
    metadata = sa.MetaData(naming_convention=NAMING)
    for table in plumbing.sorted_tables:
        table.to_metadata(metadata)
    return metadata


def id_column(name: str) -> sa.Column[str]:
    """Return a primary key that holds a UUID, a string in the program."""
    return sa.Column(name, sa.Uuid(as_uuid=False), primary_key=True)


def reference(name: str, *, nullable: bool = False, **options: Any) -> sa.Column[str]:
    """Return a column for the id of something that may live in another service."""
    return sa.Column(name, sa.Uuid(as_uuid=False), nullable=nullable, **options)


def tenant_column(*, primary_key: bool = False) -> sa.Column[str]:
    """Return the column that says whose row it is; filled in by the session.

    :param primary_key: whether it is part of the key: so it must be where callers choose ids, or
        one tenant could take an id from another.
    """
    return sa.Column("tenant_id", sa.String(64), nullable=False, primary_key=primary_key)


def moment() -> sa.DateTime:
    """Return the type of a moment: timezone-aware, UTC."""
    return sa.DateTime(timezone=True)


def sealed_column(field: str, *, nullable: bool = True) -> sa.Column[bytes]:
    """Return the column that keeps *field* encrypted; see :func:`shared.sealing.sealed`."""
    return sa.Column(f"{field}_sealed", sa.LargeBinary, nullable=nullable)


def blind_index_column(field: str, *, nullable: bool = False) -> sa.Column[bytes]:
    """Return the column that finds rows by a value that is not stored in the clear."""
    return sa.Column(f"{field}_index", sa.LargeBinary(32), nullable=nullable)


@dataclass(kw_only=True)
class Origin:
    """Whom and what a transaction acts for; what it announces inherits from here.

    ``now`` is program time. ``causation_id`` is the command or event that set it off.
    """

    service: str
    tenant_id: str
    actor: Actor
    now: datetime
    correlation_id: str
    causation_id: str | None = None
    traceparent: str | None = None


def origin_of(db: Session) -> Origin:
    """Return whom the transaction acts for."""
    origin: Origin = db.info["origin"]
    return origin


class ConditionBroken(Exception):
    """Raised in place of the result of a statement that was never carried out: the condition did not hold.

    It is no error of the database's own, so nobody takes it for one of what they asked for themselves.
    """


class Condition:
    """What a transaction rests on: a row that is written on the way to its first statement.

    ``broken`` is why the row could not be written, once that is known, whatever the transaction's code has
    made of it: nothing of the transaction may stand then.
    """

    def __init__(self, constraint: str) -> None:
        """Rest on a row that is the only one under this unique constraint."""
        self._constraint = constraint
        #: What writes the row, in the driver's way; until it is sent there may be more in the row.
        self.statement = ""
        self.row: dict[str, Any] = {}
        #: Whether the database was asked.
        self.sent = False
        self.broken: psycopg2.Error | None = None

    @property
    def row_is_there(self) -> bool:
        """Whether there was such a row already."""
        return isinstance(self.broken, psycopg2.errors.UniqueViolation)

    def is_broken_by(self, error: psycopg2.Error) -> bool:
        """Tell whether an error is about the row, or about a statement that came after it."""
        if isinstance(error, psycopg2.errors.UniqueViolation):
            about = error.diag.constraint_name == self._constraint
        else:
            # Somebody else was writing the same row, and took too long over it.
            about = lost_a_lock(error) and self._constraint in (error.diag.context or "")
        if about:
            self.broken = error
        return about


def lost_a_lock(error: BaseException | None) -> bool:
    """Tell whether a lock came too late, or was given up to end a deadlock: tried again, the same may do."""
    return getattr(error, "pgcode", None) in ("55P03", "40001", "40P01")


class FewTripsConnection(extensions.connection):
    """A connection on which what only frames a transaction never travels alone.

    BEGIN and what is about savepoints wait for the next statement and go with it; COMMIT goes
    with the last one, where the program says which that is. A transaction of two statements takes
    two trips to the database so, not four, and one that asks nothing takes none. Statements that
    are sent together are a transaction by themselves, so one that takes one trip needs neither, and
    leaves nothing to be rolled back where it fails.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Connect; the driver itself begins no transactions from here on."""
        super().__init__(*args, **kwargs)
        self._begins = True
        #: Whether it begins none all the same, for whoever has the connection just now.
        self.leaves_each_to_itself = False
        #: Whether rows that are added or changed, and of which nothing is read, wait as well.
        self.puts_off_writes = False
        #: What was asked without a transaction, by its text.
        self.asked: dict[str, _Asked] = {}
        #: What is kept planned for good, with the name that it has here.
        self.kept: dict[Kept, str] = {}
        self._be_new()
        self.autocommit = True

    def _be_new(self) -> None:
        self._waiting: list[bytes | Condition] = []
        #: What goes right before the commit.
        self._last: list[bytes] = []
        self._commits_next = False
        self._condition: Condition | None = None

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        """Return a cursor that sends what waits together with its statement."""
        return super().cursor(*args, cursor_factory=_FewTripsCursor, **kwargs)

    def set_isolation_level(self, level: int | None) -> None:
        """Begin transactions from now on, or leave each statement to itself."""
        if level not in (extensions.ISOLATION_LEVEL_AUTOCOMMIT, extensions.ISOLATION_LEVEL_READ_COMMITTED):
            raise ValueError("transactions are READ COMMITTED, or there are none")
        self._begins = level != extensions.ISOLATION_LEVEL_AUTOCOMMIT

    def commit_with_next(self) -> None:
        """Have the next statement commit the transaction; nothing of what it returns can be read."""
        self._commits_next = True

    @property
    def frames(self) -> bool:
        """Whether something goes before the next statement or after it."""
        return bool(self._waiting) or self._commits_next or self._begins_with_next

    @property
    def _begins_with_next(self) -> bool:
        if not self._begins or self.leaves_each_to_itself:
            return False
        return self.get_transaction_status() == extensions.TRANSACTION_STATUS_IDLE

    def framed(self, statement: bytes, cursor: extensions.cursor) -> bytes:
        """Return a statement with what has to go before and after it, filled in by a cursor."""
        waiting, commits = self._waiting, self._commits_next
        # What is sent in one is a transaction by itself, and where it fails there is none to roll back.
        is_all = commits and self._begins_with_next and not self._frames_savepoint
        if self._begins_with_next and not is_all:
            waiting.insert(0, b"BEGIN")
        self._waiting, self._commits_next = [], False
        if self._condition is not None:
            self._condition.sent = True
        before = [
            cursor.mogrify(one.statement, one.row) if isinstance(one, Condition) else one for one in waiting
        ]
        after = []
        if commits:
            after, self._last = self._last, []
            if not is_all:
                after.append(b"COMMIT")
        return b"; ".join(filter(None, [*before, statement, *after]))

    def put_off(self, statement: bytes) -> None:
        """Have *statement* sent with the next one, before it."""
        self._waiting.append(statement)

    def put_last(self, statement: bytes) -> None:
        """Have *statement* sent with the commit, right before it."""
        self._last.append(statement)

    def forget_kept(self) -> None:
        """Have all that is kept planned anew, under other names."""
        self.kept = {}

    @property
    def has_put_off(self) -> bool:
        """Whether anything waits for the next statement but what frames a savepoint."""
        return not all(
            isinstance(one, bytes) and one.startswith((b"SAVEPOINT ", b"RELEASE SAVEPOINT "))
            for one in self._waiting
        )

    @property
    def _frames_savepoint(self) -> bool:
        return any(
            isinstance(one, bytes) and one.startswith((b"SAVEPOINT ", b"RELEASE SAVEPOINT ", b"ROLLBACK TO "))
            for one in self._waiting
        )

    def go_on_if(self, condition: Condition) -> None:
        """Have the row of *condition* sent with the next statement, which waits for it to be unbroken."""
        self._condition = condition
        self._waiting.append(condition)

    def check(self, error: psycopg2.Error) -> None:
        """Say so where what failed is the condition, not what was asked for.

        :raises ConditionBroken: when it is.
        """
        condition = self._condition
        if condition is not None and condition.is_broken_by(error):
            raise ConditionBroken from error

    def go_back(self, statement: str) -> None:
        """Have *statement*, a ROLLBACK TO, sent with the next one, unless its savepoint was never made.

        Whatever waits was to come within the savepoint, and is forgotten.
        """
        savepoint = b"SAVEPOINT " + statement.rsplit(" ", 1)[-1].encode(self.codec)
        if self._condition is not None and self._condition.broken is not None:
            # It was to come after the condition, and was not reached.
            self._waiting = []
        elif savepoint in self._waiting:
            del self._waiting[self._waiting.index(savepoint) + 1 :]
        else:
            self._waiting = [statement.encode(self.codec)]

    def commit(self) -> None:
        """Commit what was begun, unless the last statement has done so; what still waits goes before."""
        self._waiting += self._last
        self._last = []
        if not self.has_put_off:
            if self.get_transaction_status() == extensions.TRANSACTION_STATUS_INERROR:
                # The server would take it back and answer that all is well.
                self.rollback()
                raise psycopg2.errors.InFailedSqlTransaction("what has failed cannot be committed")
            self._end("COMMIT")
            return
        self._commits_next = True
        try:
            with self.cursor() as cursor:
                cursor.send_framed(b"")
        except (psycopg2.Error, ConditionBroken):
            # A commit that fails ends the transaction: whoever gets the connection next finds none.
            with contextlib.suppress(psycopg2.Error):
                self.rollback()
            raise
        self._be_new()

    def rollback(self) -> None:
        """Roll back what was begun, if anything was; so each does who gives the connection back."""
        self.leaves_each_to_itself = False
        self._end("ROLLBACK")

    def _end(self, how: str) -> None:
        self._be_new()
        if self.closed or self.get_transaction_status() != extensions.TRANSACTION_STATUS_IDLE:
            with super().cursor() as cursor:
                cursor.execute(how)

    #: Everything is sent in this.
    codec = "utf-8"


#: For how long the database keeps a plan, as the tables it was made for grow. Design default.
PLAN_KEPT_FOR_SECONDS = 30.0
#: How often something is asked within that time before its plan is kept.
ASKED_BEFORE_PLAN_IS_KEPT = 3
#: Texts that a connection watches for that. Design default: far more than there are questions.
MOST_WATCHED = 200


class _Asked:
    """Something that a connection is asked again and again; the database then plans it once for a while.

    It is known by its text, and may be any question without a transaction: nothing is lost there where a plan
    is of no use, and it is asked as ever. The plan is made anew after a while, as the tables grow. What is
    within a transaction, and writes, is for :class:`Kept`.
    """

    numbers = itertools.count()

    def __init__(self) -> None:
        self._times = 0
        self._since = time.monotonic()
        self._name = ""
        #: What is sent in place of the text, once its plan is kept.
        self.execute = ""
        #: Whether it cannot be asked so.
        self.refused = False

    def wants_plan(self) -> bool:
        """Count it, and return whether its plan is to be kept from now on, or made anew."""
        now = time.monotonic()
        if now - self._since > PLAN_KEPT_FOR_SECONDS:
            self._times, self._since, self.execute = 0, now, ""
        self._times += 1
        return self._times == ASKED_BEFORE_PLAN_IS_KEPT

    def plan(self, cursor: "_FewTripsCursor", query: str, values: dict[str, Any]) -> bytes:
        """Return the statement that has its plan made, and the one before forgotten."""
        # The narrowing to a tenant may leave a value of which nothing is made.
        names = [name for name in values if f"%({name})s" in query]
        places = {name: extensions.AsIs(f"${place}") for place, name in enumerate(names, start=1)}
        forget = f"DEALLOCATE {self._name}; " if self._name else ""
        self._name = f"asked_{next(self.numbers)}"
        given = ", ".join(f"%({name})s" for name in names)
        self.execute = f"EXECUTE {self._name}({given})" if names else f"EXECUTE {self._name}"
        return f"{forget}PREPARE {self._name} AS ".encode() + cursor.mogrify(query, places)


class Kept:
    """A statement that each connection has planned once, and carries out by a name from then on.

    For what comes with nearly every transaction in one form, and takes the database longer to read and to
    plan than to do. It plans it anew by itself where a table was changed or looked through for statistics.

    It may stand in a transaction, which is lost with a plan that is of no use, so that somebody says of each
    that it is worth it, and tells its types. What is only asked is watched for by itself: :class:`_Asked`.
    """

    def __init__(self, statement: str, **types: str) -> None:
        """Keep *statement*, which names parameters in the driver's way, as ``%(name)s``.

        :param types: of each parameter, in the database's words.
        """
        places = {name: f"${place}" for place, name in enumerate(types, start=1)}
        told = f"({', '.join(types.values())})" if types else ""
        self.planned = f"{told} AS {statement % places}"
        self.given = f"({', '.join(f'%({name})s' for name in types)})" if types else ""


#: A table has other columns than when something was planned, or the plan is not there.
_PLAN_IS_OF_NO_USE = (psycopg2.errors.FeatureNotSupported, psycopg2.errors.InvalidSqlStatementName)


class _FewTripsCursor(extensions.cursor):
    """Sends a statement framed by what its connection says."""

    connection: FewTripsConnection
    _has_put_off_change = False

    @property
    def rowcount(self) -> int:
        """How many rows the statement was about; of a change that was put off, the one that there must be."""
        return 1 if self._has_put_off_change else super().rowcount

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002  # the driver's own name
        """Send one statement; those that only make or forget a savepoint, or go back to one, wait."""
        connection = self.connection
        if isinstance(query, str):
            if query.startswith(("SAVEPOINT ", "RELEASE SAVEPOINT ")):
                connection.put_off(query.encode(connection.codec))
                return
            if query.startswith("ROLLBACK TO SAVEPOINT "):
                connection.go_back(query)
                return
        if connection.puts_off_writes and self._puts_off(query, vars):
            return
        if not connection.frames:
            if not (connection.leaves_each_to_itself and self._has_answered_with_kept_plan(query, vars)):
                self._send(query, vars)
            return
        # Filled in before it is framed: what goes with it may hold what looks like a place to be filled.
        self.send_framed(self.mogrify(query, vars))

    def send_framed(self, statement: bytes) -> None:
        """Send a statement, filled in, or none, with what has to go before and after it."""
        try:
            self._send(self.connection.framed(statement, self))
        except psycopg2.Error as error:
            self.connection.check(error)
            raise

    def _send(self, query: Any, values: Any = None) -> None:
        try:
            super().execute(query, values)
        except _PLAN_IS_OF_NO_USE:
            # The transaction is lost, but the next one makes new plans.
            self.connection.forget_kept()
            raise

    def _puts_off(self, query: Any, values: Any) -> bool:
        """Have a write of which nothing is read sent with the next statement; return whether it is one."""
        self._has_put_off_change = False
        if isinstance(query, bytes) and query.startswith(b"UPDATE "):
            # Of many rows, filled in already: how many were found is not told of these anyway.
            self.connection.put_off(query)
            return True
        if (
            not isinstance(query, str)
            or not query.startswith(("INSERT ", "UPDATE "))
            or " RETURNING " in query
        ):
            return False
        filled_in = self.mogrify(query, values)
        self._has_put_off_change = query.startswith("UPDATE ")
        self.connection.put_off(CHECKED % filled_in if self._has_put_off_change else filled_in)
        return True

    def _has_answered_with_kept_plan(self, query: Any, values: Any) -> bool:
        """Ask by a plan that the database has kept, or keeps from now on; return whether that went well."""
        asked = self.connection.asked
        if not isinstance(query, str) or not isinstance(values, dict):
            return False
        one = asked.get(query)
        if one is None:
            # Of several statements only the first would be planned.
            is_one_question = query.lstrip().startswith(("SELECT ", "WITH ")) and ";" not in query
            if not is_one_question or len(asked) >= MOST_WATCHED:
                return False
            asked[query] = one = _Asked()
        if one.refused:
            return False
        planned = b""
        if one.wants_plan():
            planned = one.plan(self, query, values) + b"; "
        elif not one.execute:
            return False
        try:
            super().execute(planned + self.mogrify(one.execute, values))
        except (psycopg2.ProgrammingError, psycopg2.NotSupportedError):
            # Without a transaction nothing is lost: what cannot be asked so is asked as ever, and says itself
            # what is wrong with it. So it is where a table was changed meanwhile, or the plan has gone.
            one.refused = True
            return False
        return True


def commit_with_next(connection: sa.Connection) -> None:
    """Have the connection's next statement commit its transaction: one trip to the database fewer.

    The transaction is ended as ever; it only finds nothing left to do. Of the statement's result
    nothing can be read, not even how many rows it changed.
    """
    driver: Any = connection.connection.driver_connection
    driver.commit_with_next()


def send_with_next(
    connection: sa.Connection, statement: str, parameters: dict[str, Any] | None = None
) -> None:
    """Have *statement* travel with the connection's next one, before it; what it returns is not read.

    Where none follows, it travels with the commit.

    :param parameters: what it names in the driver's way, as ``%(name)s``.
    """
    driver: Any = connection.connection.driver_connection
    driver.put_off(_filled_in(driver, statement, parameters))


def send_with_commit(connection: sa.Connection, statement: str, parameters: dict[str, Any]) -> None:
    """Have *statement* travel with the commit, as the last thing before it; what it returns is not read.

    What it locks is so locked for as long as a commit takes. No savepoint takes it back.

    :param parameters: what it names in the driver's way, as ``%(name)s``.
    """
    driver: Any = connection.connection.driver_connection
    driver.put_last(_filled_in(driver, statement, parameters))


def by_kept_plan(connection: sa.Connection, kept: Kept) -> str:
    """Return what has *kept* carried out on this connection; it names the same parameters.

    The first time on a connection takes a trip. It is asked for before the statement that commits.
    """
    driver: Any = connection.connection.driver_connection
    name = driver.kept.get(kept)
    if name is None:
        name = f"kept_{next(_Asked.numbers)}"
        # Nothing is left to be filled in: what looks like a place for it is text.
        as_it_is = {"no_parameters": True}
        connection.exec_driver_sql(f"PREPARE {name} {kept.planned}", execution_options=as_it_is)
        # Whatever becomes of the transaction, the plan stays.
        driver.kept[kept] = name
    return f"EXECUTE {name}{kept.given}"


def send_what_waits(connection: sa.Connection) -> None:
    """Have what was to travel with the connection's next statement travel now."""
    driver: Any = connection.connection.driver_connection
    if driver.has_put_off:
        connection.exec_driver_sql("SELECT")


def go_on_if(
    connection: sa.Connection, condition: Condition, statement: str, parameters: dict[str, Any]
) -> None:
    """Have *statement*, which writes the row of *condition*, travel with the connection's next one.

    Where it cannot be written, that next one raises :class:`ConditionBroken` and was not carried out.
    """
    driver: Any = connection.connection.driver_connection
    condition.statement, condition.row = statement, parameters
    driver.go_on_if(condition)


def _filled_in(driver: Any, statement: str, parameters: dict[str, Any] | None) -> bytes:
    if parameters is None:
        return statement.encode(driver.codec)
    with driver.cursor() as cursor:
        filled_in: bytes = cursor.mogrify(statement, parameters)
    return filled_in


@contextlib.contextmanager
def _writes_put_off(connection: sa.Connection) -> Iterator[None]:
    """Have rows that are added or changed meanwhile travel with the statement that follows, or the commit.

    One that breaks a rule fails that statement, and so does a change of a row that is not there any more; see
    :func:`finds_row_gone`. Those of which something is read back go at once.
    """
    driver: Any = connection.connection.driver_connection
    driver.puts_off_writes = True
    try:
        yield
    finally:
        driver.puts_off_writes = False


def finds_row_gone(error: psycopg2.Error) -> bool:
    """Tell whether a statement failed because a row that was to be changed with it is not there."""
    return isinstance(error, psycopg2.errors.DivisionByZero)


#: Sent with a transaction's statements, lets its commit return before it is on disk. For what is worked out
#: again where a crash of the server forgets it, and for nothing else.
WITHOUT_WAITING_FOR_THE_DISK = "SET LOCAL synchronous_commit = off"


def new_engine(
    url: str, *, pool_size: int = 10, overflow: int = 0, application: str = "homeward"
) -> sa.Engine:
    """Return an engine whose every wait has an end: connecting, locks, statements, dead peers.

    :raises ValueError: when the URL names another driver than psycopg2, the one that yields to
        other greenthreads under eventlet.
    """
    parsed = sa.make_url(url)
    if parsed.drivername != "postgresql+psycopg2":
        raise ValueError("the database URL must start with postgresql+psycopg2://")
    engine = sa.create_engine(
        parsed,
        pool_size=pool_size,
        # One that is opened for a statement or two and closed costs the database more than they do.
        max_overflow=overflow,
        # The same few for as long as they are enough: they know the tables.
        pool_use_lifo=True,
        pool_timeout=2,
        # Several times as fast as the driver's own.
        json_deserializer=orjson.loads,
        json_serializer=_json,
        # No column is of that type, and asking for it takes a trip for each connection.
        use_native_hstore=False,
        pool_recycle=1800,
        # Changes of many rows travel together, not one by one. How many rows each has found is not told then.
        executemany_mode="values_plus_batch",
        connect_args={
            "connection_factory": FewTripsConnection,
            "connect_timeout": 3,
            "application_name": application,
            # Locks are given up before a command's deadline, so that the caller hears why.
            "options": "-c timezone=UTC -c lock_timeout=1500 -c statement_timeout=30000"
            " -c idle_in_transaction_session_timeout=120000",
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10000,
        },
    )
    event.listen(engine, "connect", _read_ids_as_texts)
    return engine


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


#: Ids are strings in the program: the driver would make an object of each, only to have it written out again.
_ID = extensions.new_type((2950,), "ID", lambda text, cursor: text)
_IDS = extensions.new_array_type((2951,), "IDS", _ID)


def _read_ids_as_texts(driver: Any, record: Any) -> None:
    for kind in (_ID, _IDS):
        extensions.register_type(kind, driver)


class _NobodyListens:
    """Stands for a statement on its way past listeners, of whom none is left."""

    @staticmethod
    def _remaining_events() -> tuple[()]:
        return ()


class _Session(Session):
    """A session that asks by itself what is written down once; so it looks up rows by their key.

    It holds one connection and has its transaction begun and ended there. A transaction of the session's own
    comes with the first row that is added or changed, or with a savepoint, and joins it: having one each time
    takes longer than connection, beginning and commit together.
    """

    def __init__(self, engine: sa.Engine, *, reads_only: bool) -> None:
        """Take a connection of *engine* once something is asked.

        :param reads_only: whether no transaction is begun there.
        """
        super().__init__(
            expire_on_commit=False,
            join_transaction_mode="control_fully",
            info={"reads_only": True} if reads_only else None,
        )
        self._engine = engine
        self._reads_only = reads_only
        self._held: sa.Connection | None = None
        self._is_given_up = False

    def get_bind(self, *args: Any, **options: Any) -> sa.Connection:
        """Return the connection that is held, whatever it is asked for.

        :raises PendingRollbackError: when its transaction has been rolled back.
        """
        held = self._held
        if held is None:
            held = self._held = self._engine.connect()
            if self._reads_only:
                _leave_each_to_itself(held)
            else:
                held.begin()
        elif not self._reads_only and not held.in_transaction():
            raise sa.exc.PendingRollbackError("the transaction has been rolled back")
        return held

    def connection(self, *args: Any, **options: Any) -> sa.Connection:
        """Return the connection that is held, within the savepoint where there is one."""
        return super().connection(*args, **options) if self.in_nested_transaction() else self.get_bind()

    def commit(self) -> None:
        """Write what is left and commit it, unless it was given up by a rollback; only closing follows.

        :raises DBAPIError: also when something has failed before, whoever kept silent about it.
        :raises PendingRollbackError: the same, where it failed as rows were written.
        """
        if self._is_given_up:
            return
        self.dispatch.before_commit(self)
        self.flush()
        if self._held is not None:
            self.get_bind().commit()
        self.dispatch.after_commit(self)

    def rollback(self) -> None:
        """Roll back all that was done; only closing follows."""
        self._is_given_up = True
        super().rollback()
        if self._held is not None:
            self._held.rollback()

    def close(self) -> None:
        """Give the connection back; what was not committed is rolled back."""
        try:
            super().close()
        finally:
            if self._held is not None:
                self._held.close()

    @functools.cached_property
    def _objects(self) -> OnlyRead | HeldBySession:
        return OnlyRead() if self._reads_only else HeldBySession(self)

    def _execute_internal(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """Narrow what is written down once right here: on the way to a listener all is prepared twice."""
        if statement not in _written_once:
            return super()._execute_internal(statement, params, **options)
        tenant_id = self.info.get("tenant_id")
        # The plumbing's own work is bound to no tenant.
        narrowed = statement if tenant_id is None else _narrowed(statement, tenant_id)
        if not options.get("execution_options"):
            self._autoflush()
            connection = self.connection()
            reading = reading_of(narrowed, connection.dialect)
            if reading is not None:
                if options.get("_scalar_result"):
                    rows = reading.rows(connection, params, self._objects)
                    return rows[0][0] if rows else None
                return reading.result(connection, params, self._objects)
        options["_parent_execute_state"] = _NobodyListens
        return super()._execute_internal(narrowed, params, **options)

    def flush(self, objects: Any = None) -> None:
        """Have what was added and changed written on the way to whatever is asked next.

        What fails then fails there, so within a savepoint nothing waits but where all is sent before its end.
        """
        within = self.get_nested_transaction()
        if self._is_clean() or (within is not None and within is not self.info.get("sends_all_within")):
            super().flush(objects)
            return
        connection = self.connection()
        statements = None if objects else statements_in_between(self, connection)
        if statements is None:
            with _writes_put_off(connection):
                super().flush(objects)
            return
        driver: Any = connection.connection.driver_connection
        for statement in statements:
            driver.put_off(statement)

    def get(self, entity: Any, ident: Any, **options: Any) -> Any:
        """Return the row with a key of one column, or None; *options* are those of the parent."""
        lock = options == {"with_for_update": True}
        if options and not lock:
            return super().get(entity, ident, **options)
        by_key = _by_key(entity, lock=lock)
        known = self._objects.get((entity, (ident,), None))
        if known is not None and not lock and self._reads_only:
            return known
        if by_key is None or (known is not None and not lock):
            return super().get(entity, ident, **options)
        return self.scalar(by_key, {"of_key": ident})


@functools.lru_cache(maxsize=1024)
def _by_key(entity: Any, *, lock: bool) -> sa.Select[Any] | None:
    key = sa.inspect(entity).primary_key
    if len(key) != 1:
        return None
    query = sa.select(entity).where(key[0] == sa.bindparam("of_key"))
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return written_once(query)


@contextlib.contextmanager
def transaction(engine: sa.Engine, origin: Origin | None, *, reads_only: bool = False) -> Iterator[Session]:
    """Open a session in one transaction that acts for *origin*; commit at the end, or roll back.

    ``None`` is for the plumbing's own work, which is bound to no tenant.

    :param reads_only: whether nothing is written or locked: then no trips are made to begin and to
        commit, as statements of a transaction see no less of others than statements without one.
    """
    with _Session(engine, reads_only=reads_only) as db:
        if origin is not None:
            act_for(db, origin)
        yield db
        if not reads_only:
            db.commit()
            return
        db.flush()
        if left_to_write(db):
            raise RuntimeError("what was opened to read announces and records nothing")


def left_to_write(db: Session) -> bool:
    """Return whether the transaction has something to write with its commit that is no row of the ORM's."""
    return any(db.info.get(kind) for kind in ("announced", "timers", "audit", "answer"))


@contextlib.contextmanager
def without_transactions(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a connection on which each statement is committed by itself."""
    with engine.connect() as connection:
        _leave_each_to_itself(connection)
        yield connection


def _leave_each_to_itself(connection: sa.Connection) -> None:
    """Have no transactions begun until the connection is given back.

    SQLAlchemy's own way, an engine of another isolation level, costs as much as a short read.
    """
    driver: Any = connection.connection.driver_connection
    driver.leaves_each_to_itself = True


def act_for(db: Session, origin: Origin) -> None:
    """Bind the session to *origin* for what follows."""
    db.info["origin"] = origin
    db.info["tenant_id"] = origin.tenant_id


#: Tries after which queries that never overlapped count as blocking each other.
_OVERLAP_TRIES = 3


class QueriesDoNotOverlap(RuntimeError):
    """Raised at start when one sleeping query blocks another: the driver does not yield."""


def check_that_queries_overlap(engine: sa.Engine, *, spawn: Any) -> None:
    """Refuse to go on unless two sleeping queries overlap, as the database itself timed them.

    Not by the time they took: on a busy machine that tells nothing of the driver.

    :param spawn: starts a function in a greenthread and returns something with ``wait()``.
    :raises QueriesDoNotOverlap: when they ran one after the other, each time they were tried.
    """
    for _ in range(_OVERLAP_TRIES):
        # Connections are opened beforehand, so that the naps begin together.
        for thread in [spawn(_connect_only, engine) for _ in range(2)]:
            thread.wait()
        naps = [thread.wait() for thread in [spawn(_nap_in_database, engine) for _ in range(2)]]
        if max(began for began, _ in naps) < min(ended for _, ended in naps):
            return
    raise QueriesDoNotOverlap("two sleeping queries ran one after the other")


def _nap_in_database(engine: sa.Engine) -> tuple[datetime, datetime]:
    """Return when a sleeping query began and ended, on the database's clock."""
    with engine.connect() as connection:
        began: datetime = connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
        connection.execute(sa.text("SELECT pg_sleep(0.2)"))
        ended: datetime = connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
    return began, ended


def _connect_only(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT 1"))


#: The queries that are written down once; see :func:`written_once`.
_written_once: dict[sa.Select[Any], frozenset[type]] = {}


def written_once(query: sa.Select[Any], *, narrowed: Collection[type] = ()) -> sa.Select[Any]:
    """Return *query*, which a module writes down once and fills in by bound parameters.

    What narrows it to one tenant's rows is then added once for each tenant, not at each use: writing
    a query and narrowing it takes longer than the database takes to find a row.

    :param narrowed: the classes on the other side of an outer join, which would be narrowed too late: the
        join itself compares their tenant with that of the rows it joins them to.
    """
    _written_once[query] = frozenset(narrowed)
    return query


def among(entity: Any, *conditions: sa.ColumnElement[bool]) -> Any:
    """Return a class that has only those of its rows for which conditions hold, to be joined to others.

    Joined to nothing, it lets one question ask for several things at once. It stands on the other side of an
    outer join then, so one of the conditions compares the tenant; see :func:`written_once`.
    """
    return aliased(entity, sa.select(entity).where(*conditions).subquery())


@functools.lru_cache(maxsize=4096)
def _narrowed(query: sa.Select[Any], tenant_id: str) -> sa.Select[Any]:
    entities = {described.get("entity") for described in query.column_descriptions} - {None}
    entities -= _written_once[query]
    owned = [one for one in entities if "tenant_id" in sa.inspect(one).mapper.columns]
    # A plain condition: a loader's criteria take as long again at each use, and serve outer joins only.
    return query.where(*(one.tenant_id == tenant_id for one in owned))


@functools.lru_cache(maxsize=4096)
def _rows_of(mapper: sa.orm.Mapper[Any], tenant_id: str) -> Any:
    # Kept, because making one costs more than using it.
    entity = mapper.class_
    return with_loader_criteria(entity, entity.tenant_id == tenant_id, include_aliases=True)


@event.listens_for(Session, "do_orm_execute")
def _see_own_tenant_only(state: ORMExecuteState) -> None:
    tenant_id = state.session.info.get("tenant_id")
    if tenant_id is None or not (state.is_select or state.is_update or state.is_delete):
        return
    if state.statement in _written_once:
        state.statement = _narrowed(state.statement, tenant_id)
        return
    for mapper in state.all_mappers:
        if "tenant_id" in mapper.columns:
            state.statement = state.statement.options(_rows_of(mapper, tenant_id))


@event.listens_for(Session, "before_flush")
def _own_what_is_flushed(db: Session, context: Any, instances: Any) -> None:
    own_new_rows(db)
