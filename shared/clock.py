"""What time it is, and what is to happen at a time.

Only this module asks the machine for the time. *Real time* drives deadlines, retries and pruning;
*program time* drives the domain. Program time can be simulated: it is then one row, which moves
only by jumps.

Timers are rows with a due moment in program time. Every copy of a service looks for due ones, and
claims them with SKIP LOCKED, so that each fires once however many copies run.
"""

import random
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Protocol

import orjson
import sqlalchemy as sa
from nameko.extensions import Entrypoint
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from shared.database import CLEANED_UP_OFTEN, moment, origin_of, plumbing, without_transactions

timers = sa.Table(
    "timers",
    plumbing,
    sa.Column("tenant_id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("due_at", moment(), nullable=False),
    sa.Column("data", JSONB, nullable=False),
    sa.Column("correlation_id", sa.String(64), nullable=False),
    sa.Column("causation_id", sa.String(64)),
    #: "waiting", "parked" after too many failures, or "skipped" by an operator.
    sa.Column("state", sa.String(16), nullable=False, server_default="waiting"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    #: Real time before which a failed timer is not tried again.
    sa.Column("next_attempt_at", moment()),
    sa.Column("error", sa.String(200)),
    #: How long it was to wait when it was set, and until when by the database's clock, where somebody in
    #: danger waits for it; of no others.
    sa.Column("waits", sa.Interval),
    sa.Column("latest_at", moment()),
    sa.Index("ix_timers_latest", "latest_at", postgresql_where=sa.text("latest_at IS NOT NULL")),
    # As they are taken in turn: many are due at one moment, as all sessions of an hour are.
    sa.Index("ix_timers_in_turn", "due_at", "name", "key", postgresql_where=sa.text("state = 'waiting'")),
    postgresql_with=CLEANED_UP_OFTEN,
)

job_runs = sa.Table(
    "job_runs",
    plumbing,
    sa.Column("job", sa.String(64), primary_key=True),
    sa.Column("zone", sa.String(64), primary_key=True),
    sa.Column("occurrence_at", moment(), primary_key=True),
    sa.Column("ran_at", moment(), nullable=False),
)

#: One row: the simulated program time. It lives in a database of its own.
clock_metadata = sa.MetaData()
program_clock = sa.Table(
    "program_clock",
    clock_metadata,
    sa.Column("clock", sa.Integer, primary_key=True),
    sa.Column("now", moment(), nullable=False),
)

#: Advisory lock under which one process at a time makes the program clock.
_CLOCK_LOCK = 4_201_003

#: Simulated time moves in steps of this length.
JUMP_GRAIN = timedelta(minutes=15)


def real_now() -> datetime:
    """Return the machine's time, aware, in UTC."""
    return datetime.now(UTC)


class ProgramClock(Protocol):
    """Tells program time."""

    simulated: bool

    def now(self) -> datetime:
        """Return program time, aware, in UTC."""


class RealClock:
    """Program time is the machine's time."""

    simulated = False

    def now(self) -> datetime:
        """Return the machine's time."""
        return real_now()


_NOW = sa.select(program_clock.c.now)
_MOVE_ON = "UPDATE program_clock SET now = greatest(program_clock.now, %(to)s) RETURNING program_clock.now"


class SimulatedClock:
    """Program time is one row that moves only by jumps.

    :param shared_by_process: whether every reader and the writer use this one object, so that
        the row needs to be read only once.
    """

    simulated = True

    def __init__(self, engine: sa.Engine, *, shared_by_process: bool = False) -> None:
        self._engine = engine
        self._shared_by_process = shared_by_process
        self._known: datetime | None = None

    def start_at(self, beginning: datetime) -> datetime:
        """Make the row if there is none yet, and return program time."""
        with self._engine.begin() as connection:
            # All processes of a house start at once, and creating a table twice at once fails.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CLOCK_LOCK)))
            clock_metadata.create_all(connection)
            connection.execute(
                postgresql.insert(program_clock)
                .values(clock=1, now=beginning)
                .on_conflict_do_nothing(index_elements=["clock"])
            )
        return self.now()

    def now(self) -> datetime:
        """Return the row's moment."""
        if self._known is None or not self._shared_by_process:
            with without_transactions(self._engine) as connection:
                self._known = connection.execute(_NOW).scalar_one()
        return self._known.astimezone(UTC)

    def jump(self, to: datetime) -> datetime:
        """Move program time forward to *to*; a moment in the past moves nothing."""
        with without_transactions(self._engine) as connection:
            self._known = connection.exec_driver_sql(_MOVE_ON, {"to": to}).scalar_one()
        return self._known.astimezone(UTC)


def rounded_up(moment_: datetime) -> datetime:
    """Return the first moment of the simulation's grain that is not before *moment_*."""
    epoch = datetime(2000, 1, 1, tzinfo=UTC)
    grains = -((epoch - moment_) // JUMP_GRAIN)
    return epoch + grains * JUMP_GRAIN


#: Whose timer, its name and its key: there is one of each.
Place = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class Timer:
    """A timer that is due: its name, key, due moment in program time and the data set with it."""

    name: str
    key: str
    due_at: datetime
    data: dict[str, Any]
    tenant_id: str
    correlation_id: str
    causation_id: str | None


class OnTimer(Entrypoint):
    """Wakes a method when a timer of its name is due.

    :param at_once: how many that are due together the method takes in one transaction; where it is more
        than one, the method is given a list of timers, in the order in which they were due.
    :param never_parked: whether somebody in danger waits for it: it is tried for ever, and soon, as a
        reaction to a danger is: see :mod:`shared.safety`. It waits no longer than it was
        to, whatever the clocks of the copies do.
    """

    def __init__(self, timer: str, *, at_once: int = 1, never_parked: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.timer = timer
        self.at_once = at_once
        self.never_parked = never_parked


class CalendarJob(Entrypoint):
    """Wakes a method at a local time of a day or of one weekday, in each of the program's zones."""

    def __init__(self, *, at: time, weekday: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.at = at
        self.weekday = weekday

    def latest_occurrence(self, now: datetime, zone: str) -> datetime:
        """Return the newest occurrence that is not after *now*."""
        local = now.astimezone(zoneinfo.ZoneInfo(zone))
        for days_back in range(8):
            day = local.date() - timedelta(days=days_back)
            moment_ = datetime.combine(day, self.at, tzinfo=zoneinfo.ZoneInfo(zone))
            if moment_ <= now and self.weekday in (None, day.weekday()):
                return moment_
        raise AssertionError("every weekday is within eight days")

    def next_occurrence(self, now: datetime, zone: str) -> datetime:
        """Return the first occurrence after *now*."""
        local = now.astimezone(zoneinfo.ZoneInfo(zone))
        for days_ahead in range(9):
            day = local.date() + timedelta(days=days_ahead)
            moment_ = datetime.combine(day, self.at, tzinfo=zoneinfo.ZoneInfo(zone))
            if moment_ > now and self.weekday in (None, day.weekday()):
                return moment_
        raise AssertionError("every weekday is within eight days")


on_timer = OnTimer.decorator
calendar_job = CalendarJob.decorator


def set_timer(
    db: Session, name: str, *, key: str, due_at: datetime, data: dict[str, Any] | None = None
) -> None:
    """Have the service's ``@on_timer(name)`` method called at *due_at*, in program time.

    There is one timer a tenant, name and key: setting it again moves it.
    """
    if due_at.tzinfo is None:
        raise ValueError("a timer needs an aware moment")
    origin = origin_of(db)
    db.info.setdefault("timers", {})[(origin.tenant_id, name, key)] = (origin, due_at, data or {})


def cancel_timer(db: Session, name: str, *, key: str) -> None:
    """Forget the timer, if it is there."""
    db.info.setdefault("timers", {})[(origin_of(db).tenant_id, name, key)] = None


def is_set_anew(db: Session, timer: Timer) -> bool:
    """Return whether the transaction has cancelled a timer that is due, or set it anew."""
    return (timer.tenant_id, timer.name, timer.key) in db.info.get("timers", ())


def timers_written(db: Session) -> dict[Place, datetime | None]:
    """Return the timers that a transaction which has ended set, with their due moments, or cancelled."""
    written: dict[Place, datetime | None] = db.info.get("timers_written", {})
    return written


def pending_statements(db: Session, cursor: Any) -> list[bytes]:
    """Return the statements, two at most, that write what the transaction set and cancelled."""
    pending = db.info.pop("timers", None)
    if not pending:
        return []
    written = db.info.setdefault("timers_written", {})
    written.update({place: wanted and wanted[1] for place, wanted in pending.items()})
    statements = []
    cancelled = tuple(place for place, wanted in pending.items() if wanted is None)
    if cancelled:
        statements.append(cursor.mogrify(_CANCEL, (cancelled,)))
    wanted = []
    for place, timer in pending.items():
        if timer is not None:
            # Of whatever set it: a batch of events is one transaction, and each has its own cause.
            origin, due_at, data = timer
            cause = (origin.correlation_id, origin.causation_id)
            waits = due_at - origin.now if _is_awaited_in_danger(db, place[1]) else None
            told = orjson.dumps(data).decode()
            wanted.append(cursor.mogrify(_TIMER, (*place, due_at, told, *cause, waits, waits)))
    if wanted:
        statements.append(_SET + b", ".join(wanted) + _MOVE)
    return statements


_CANCEL = "DELETE FROM timers WHERE (tenant_id, name, key) IN %s"
_TIMER = "(%s, %s, %s, %s, %s, %s, %s, %s::interval, now() + %s::interval)"
_SET = (
    b"INSERT INTO timers"
    b" (tenant_id, name, key, due_at, data, correlation_id, causation_id, waits, latest_at) VALUES "
)
_MOVE = b"""
 ON CONFLICT (tenant_id, name, key) DO UPDATE
 SET due_at = excluded.due_at, data = excluded.data, correlation_id = excluded.correlation_id,
     causation_id = excluded.causation_id, state = 'waiting', attempts = 0, next_attempt_at = NULL,
     error = NULL, waits = excluded.waits, latest_at = excluded.latest_at"""


def _is_awaited_in_danger(db: Session, name: str) -> bool:
    host = db.info.get("host")
    return host is not None and name in host.timers and host.timers[name][0].never_parked


def retry_delay(attempt: int) -> timedelta:
    """Return how long to wait after the *attempt*-th failure: about 1 s growing to 1 h, jittered.

    Design default: each wait is four times the one before, give or take a fifth, so that what
    failed together is not tried again together.
    """
    seconds = min(3600.0, 4.0 ** (attempt - 1))
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311  # no secret
