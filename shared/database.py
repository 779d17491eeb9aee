"""The database of one service: how tables are declared, connections opened and tenants kept apart.

A session is bound to one :class:`Origin`: whom its transaction acts for. Reads through the ORM see
rows of that tenant only, and new rows get its id.
"""

import contextlib
import functools
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from shared.contracts.event import Actor
from shared.sealing import blind_index, sealed

__all__ = [
    "Origin",
    "blind_index",
    "blind_index_column",
    "id_column",
    "moment",
    "new_engine",
    "new_metadata",
    "origin_of",
    "plumbing",
    "reference",
    "sealed",
    "sealed_column",
    "tenant_column",
    "transaction",
]

#: Names for constraints, so that migrations can drop what they once made.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

#: Tables that every service has: outbox, inbox, commands, timers, audit. Each is declared beside
#: the code that uses it, and copied into the service's own metadata.
plumbing = sa.MetaData(naming_convention=NAMING)


#: They declare the plumbing's tables; imported by name because they import this module.
_PLUMBING_MODULES = (
    "shared.audit",
    "shared.clock",
    "shared.messaging.backlog",
    "shared.messaging.commands",
    "shared.messaging.inbox",
    "shared.messaging.outbox",
    "shared.messaging.parked",
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


def new_engine(
    url: str, *, pool_size: int = 5, overflow: int = 5, application: str = "homeward"
) -> sa.Engine:
    """Return an engine whose every wait has an end: connecting, locks, statements, dead peers.

    :raises ValueError: when the URL names another driver than psycopg2, the one that yields to
        other greenthreads under eventlet.
    """
    parsed = sa.make_url(url)
    if parsed.drivername != "postgresql+psycopg2":
        raise ValueError("the database URL must start with postgresql+psycopg2://")
    return sa.create_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=overflow,
        pool_timeout=2,
        pool_recycle=1800,
        connect_args={
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


@contextlib.contextmanager
def transaction(engine: sa.Engine, origin: Origin | None) -> Iterator[Session]:
    """Open a session in one transaction that acts for *origin*; commit at the end, or roll back.

    ``None`` is for the plumbing's own work, which is bound to no tenant.
    """
    with Session(engine, expire_on_commit=False) as db, db.begin():
        if origin is not None:
            act_for(db, origin)
        yield db


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
    for mapper in state.all_mappers:
        if "tenant_id" in mapper.columns:
            state.statement = state.statement.options(_rows_of(mapper, tenant_id))


@event.listens_for(Session, "before_flush")
def _own_new_rows(db: Session, context: Any, instances: Any) -> None:
    tenant_id = db.info.get("tenant_id")
    if tenant_id is None:
        return
    for row in db.new:
        if hasattr(row, "tenant_id"):
            if not row.tenant_id:
                row.tenant_id = tenant_id
            elif row.tenant_id != tenant_id:
                raise RuntimeError(f"a row of {type(row).__name__} belongs to another tenant")
