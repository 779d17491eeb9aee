"""Timers and calendar jobs that are due: each fires once, however many copies look for it."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from shared import audit, clock, safety, telemetry
from shared.clock import Timer, is_set_anew, job_runs, retry_delay, timers
from shared.contracts.event import Actor, Event
from shared.contracts.roles import SYSTEM
from shared.database import Origin, act_for, origin_of, send_with_next, written_once
from shared.ids import new_id
from shared.messaging.inbox import is_cut_off, place_of, restore, send_all, snapshot, turn_to

if TYPE_CHECKING:
    from shared.messaging.hosting.host import Host

log = structlog.get_logger()

#: The longest pause before a calendar job that failed is tried again. Design default: it is nobody's fault
#: when the database was away, and a day's duties cannot wait for an hour.
JOB_PAUSE = timedelta(minutes=1)

_IS_DUE = sa.and_(
    timers.c.state == "waiting",
    timers.c.due_at <= sa.bindparam("now"),
    # One of a later version waits for a copy that knows it, and holds up no other.
    timers.c.name == sa.any_(sa.bindparam("known", type_=ARRAY(sa.String))),
    sa.or_(timers.c.next_attempt_at.is_(None), timers.c.next_attempt_at <= sa.bindparam("real_now")),
)
#: Timers that are fired in one transaction, unless their method takes more at once. Design default: locks
#: are held for well under the second and a half for which a command waits for one.
FIRED_TOGETHER = 20
_IN_TURN = (timers.c.due_at, timers.c.name, timers.c.key)
_DUE = written_once(
    sa.select(timers)
    .where(_IS_DUE)
    .order_by(*_IN_TURN)
    .limit(FIRED_TOGETHER)
    .with_for_update(skip_locked=True)
)
#: More of a kind that is taken at once.
_MORE_DUE = written_once(
    sa.select(timers)
    .where(
        _IS_DUE,
        timers.c.tenant_id == sa.bindparam("tenant_id"),
        timers.c.name == sa.bindparam("name"),
        timers.c.key != sa.all_(sa.bindparam("keys", type_=ARRAY(sa.String))),
        timers.c.attempts == 0,
    )
    .order_by(*_IN_TURN)
    .limit(sa.bindparam("at_most"))
    .with_for_update(skip_locked=True)
)
_STILL_DUE = written_once(
    sa.select(timers)
    .where(
        _IS_DUE,
        timers.c.tenant_id == sa.bindparam("tenant_id"),
        timers.c.name == sa.bindparam("name"),
        timers.c.key == sa.bindparam("key"),
    )
    .with_for_update(skip_locked=True)
)


#: The rows of those that fire; they are locked.
_FIRED = "DELETE FROM timers WHERE (tenant_id, name, key) IN %(places)s"


def fire_due(host: "Host") -> int:
    """Fire timers that are due, in turn and in one transaction; return 0 where none was due.

    The rows are locked meanwhile and gone with the commit of what they did. Where one fails, each is fired
    alone. Those that this version does not know are not looked at: see :func:`look_at_unknown`.

    :returns: 1 where no more was due, 2 where more may be.
    """
    now = host.clock.now()
    moments = {"now": now, "real_now": clock.real_now(), "known": list(host.timers)}
    taken: list[Any] = []
    try:
        with host.transaction(None) as db:
            due = db.execute(_DUE, moments).all()
            if not due:
                return 0
            taken = _fired_together(host, due)
            found = 1 if len(taken) == len(due) < FIRED_TOGETHER else 2
            if due[0].attempts:
                _fire_apart(host, db, due[0], now=now)
                return found
            first = due[0]
            more = host.timers[first.name][0].at_once - len(taken)
            if len(taken) == FIRED_TOGETHER and more > 0 and {row.name for row in taken} == {first.name}:
                kind = {"tenant_id": first.tenant_id, "name": first.name}
                keys = [row.key for row in taken]
                taken += db.execute(_MORE_DUE, {**moments, **kind, "keys": keys, "at_most": more})
            _fire(host, db, taken, now=now)
            return found
    except Exception as error:
        # Of nobody's fault, or nobody's in particular.
        if is_cut_off(error) or not taken:
            raise
    for row in taken:
        _fire_alone(host, row, moments)
    return 2


def _fired_together(host: "Host", due: Sequence[Any]) -> list[Any]:
    """Return the first of the timers that are due and those after it that can go with it.

    They are one tenant's. One that somebody in danger waits for is fired alone, and so is one that has
    failed: it fails no others.
    """

    def goes_along(row: Any) -> bool:
        is_new = row.tenant_id == due[0].tenant_id and row.attempts == 0
        return is_new and not host.timers[row.name][0].never_parked

    if not goes_along(due[0]):
        return [due[0]]
    return list(itertools.takewhile(goes_along, due))


def _fire(host: "Host", db: Session, rows: Sequence[Any], *, now: datetime) -> None:
    """Fire timers of one tenant, each kind that is taken at once together."""
    # Gone before whatever a method asks for, so that the method can set the same timer anew.
    places = tuple((row.tenant_id, row.name, row.key) for row in rows)
    send_with_next(db.connection(), _FIRED, {"places": places})
    for name, alike in itertools.groupby(rows, key=lambda row: row.name):
        entry, method = host.timers[name]
        waiting = [_timer_of(row) for row in alike]
        while waiting:
            fired = [timer for timer in waiting[: entry.at_once] if not is_set_anew(db, timer)]
            del waiting[: entry.at_once]
            if not fired:
                continue
            act_for(db, _origin_of(host, fired[0], now=now))
            method(db, fired if entry.at_once > 1 else fired[0], now)
            for timer in fired:
                act_for(db, _origin_of(host, timer, now=now))
                audit.record(db, action=f"timer:{timer.name}"[:64])


def _fire_alone(host: "Host", row: Any, moments: dict[str, Any]) -> None:
    """Fire one timer in a transaction of its own, unless another copy has it by now."""
    place = {"tenant_id": row.tenant_id, "name": row.name, "key": row.key}
    with host.transaction(None) as db:
        still_due = db.execute(_STILL_DUE, {**moments, **place}).first()
        if still_due is not None:
            _fire_apart(host, db, still_due, now=moments["now"])


def _fire_apart(host: "Host", db: Session, row: Any, *, now: datetime) -> None:
    """Fire one timer within a savepoint; where it fails, have it tried again later, or parked."""
    before = snapshot(db)
    try:
        with db.begin_nested():
            _fire(host, db, [row], now=now)
            send_all(db)
    except Exception as error:
        if is_cut_off(error):
            raise
        restore(db, before)
        entry, _ = host.timers[row.name]
        attempts = row.attempts + 1
        too_often = attempts >= host.settings.parked_after_attempts
        _note_failure(
            db,
            row,
            error,
            attempts=attempts,
            parked=too_often and not entry.never_parked,
            delay=_delay(host, attempts, never_parked=entry.never_parked),
        )


def _delay(host: "Host", attempts: int, *, never_parked: bool) -> timedelta:
    """Return how long a timer that failed so often rests."""
    if never_parked:
        return safety.wait_after(attempts, tried_for=safety.tried_for(attempts))
    # Simulated time stands still until all is quiet, so waiting for real seconds would stop it.
    return timedelta() if host.clock.simulated else retry_delay(attempts)


def because_of(db: Session, cause: Timer | Event) -> None:
    """Let what is announced from here on tell as its cause one of several that are taken at once.

    That is an event, or what a timer was set by.
    """
    if isinstance(cause, Event):
        turn_to(db, cause)
        return
    origin = origin_of(db)
    act_for(
        db,
        replace(origin, correlation_id=cause.correlation_id, causation_id=cause.causation_id),
    )


def _timer_of(row: Any) -> Timer:
    return Timer(
        name=row.name,
        key=row.key,
        due_at=row.due_at.astimezone(UTC),
        data=row.data,
        tenant_id=row.tenant_id,
        correlation_id=row.correlation_id,
        causation_id=row.causation_id,
    )


def _origin_of(host: "Host", timer: Timer, *, now: datetime) -> Origin:
    return Origin(
        service=host.name,
        tenant_id=timer.tenant_id,
        actor=Actor(actor_id=host.name, role=SYSTEM),
        now=now,
        correlation_id=timer.correlation_id,
        causation_id=timer.causation_id,
    )


def _note_failure(
    db: Session,
    row: Any,
    error: Exception,
    *,
    attempts: int,
    parked: bool,
    delay: timedelta,
) -> None:
    """Have what failed tried again later, or parked."""
    log.error(
        "timer_failed",
        timer=row.name,
        error=type(error).__name__,
        attempts=attempts,
        exc_place=place_of(error),
    )
    db.execute(
        timers.update()
        .where(timers.c.tenant_id == row.tenant_id, timers.c.name == row.name, timers.c.key == row.key)
        .values(
            attempts=attempts,
            error=type(error).__name__,
            state="parked" if parked else "waiting",
            next_attempt_at=clock.real_now() + delay,
        )
    )


#: What has waited for as long as it was to by the database's clock, of which there is one; and what was set
#: later than now by that clock, which went back then: nobody knows for how long that has waited.
_WAITED_LONG_ENOUGH = sa.or_(
    timers.c.latest_at <= sa.func.now(), timers.c.latest_at - timers.c.waits > sa.func.now()
)
_MAKE_DUE = (
    timers.update()
    .where(timers.c.state == "waiting", timers.c.due_at > sa.bindparam("now"), _WAITED_LONG_ENOUGH)
    .values(due_at=sa.bindparam("now"), next_attempt_at=None)
)


def heed_clocks(host: "Host", db: sa.Connection) -> None:
    """Have timers be due that somebody in danger waits for, where this process's clock does not see it.

    It was ahead when they were set, or went back since.
    """
    if host.clock.simulated or not any(entry.never_parked for entry, _ in host.timers.values()):
        return
    made_due = db.execute(_MAKE_DUE, {"now": host.clock.now()}).rowcount
    if made_due:
        log.warning("clock_is_wrong", service=host.name, count=made_due)
        host.wake_due()


def look_at_unknown(host: "Host", db: sa.Connection) -> None:
    """Tell of timers that are due and that only another version knows: they wait for a copy of it."""
    known = timers.c.name == sa.any_(sa.bindparam("known", list(host.timers), ARRAY(sa.String)))
    due = sa.and_(timers.c.state == "waiting", timers.c.due_at <= host.clock.now())
    counted = (
        sa.select(timers.c.name, sa.func.count().label("due"))
        .where(due, sa.not_(known))
        .group_by(timers.c.name)
    )
    found = {row.name: int(row.due) for row in db.execute(counted)}
    telemetry.unknown_timers.labels(host.name).set(sum(found.values()))
    for name in sorted(found.keys() - host.unknown_timers):
        log.error("timer_unknown", service=host.name, timer=name, count=found[name])
    host.unknown_timers = frozenset(found)


def run_due_jobs(host: "Host") -> int:
    """Run calendar jobs whose newest occurrence has not run in any copy yet; return how many.

    One that fails holds up no other: it is tried again, after pauses that grow to a minute.
    """
    ran = 0
    now = host.clock.now()
    for name, job, run in host.jobs:
        for zone in host.settings.time_zones:
            occurrence = job.latest_occurrence(now, zone)
            if host.jobs_run.get((name, zone)) == occurrence:
                continue
            failures, not_before = host.jobs_failed.get((name, zone), (0, now))
            if not host.clock.simulated and clock.real_now() < not_before:
                continue
            try:
                ran += _run_job(host, name, zone, run, occurrence=occurrence, now=now)
            except Exception as error:  # noqa: BLE001  # the others are to be run whatever it raises
                log.error(
                    "calendar_job_failed",
                    job=name,
                    error=type(error).__name__,
                    attempts=failures + 1,
                    exc_place=place_of(error),
                )
                pause = min(JOB_PAUSE, retry_delay(failures + 1))
                host.jobs_failed[name, zone] = (failures + 1, clock.real_now() + pause)
            else:
                host.jobs_run[name, zone] = occurrence
                host.jobs_failed.pop((name, zone), None)
    return ran


def _run_job(
    host: "Host", name: str, zone: str, run: Callable[..., None], *, occurrence: datetime, now: datetime
) -> bool:
    """Run one occurrence in a transaction of its own, unless a copy has; return whether it was run here."""
    with host.transaction(None) as db:
        claimed = db.execute(
            postgresql.insert(job_runs)
            .values(job=name, zone=zone, occurrence_at=occurrence, ran_at=clock.real_now())
            .on_conflict_do_nothing()
            .returning(job_runs.c.job)
        ).first()
        if claimed is None:
            return False
        db.info["origin"] = Origin(
            service=host.name,
            tenant_id="",
            actor=Actor(actor_id=host.name, role=SYSTEM),
            now=now,
            correlation_id=new_id(),
        )
        run(db, occurrence, now)
        return True


def is_job_due(host: "Host", *, now: datetime) -> bool:
    """Return whether a calendar job has an occurrence that is not known to have run."""
    return any(
        host.jobs_run.get((name, zone)) != job.latest_occurrence(now, zone)
        for name, job, _ in host.jobs
        for zone in host.settings.time_zones
    )


def list_parked(db: Session) -> list[dict[str, Any]]:
    """Return the timers that failed too often, the first due one first."""
    rows = db.execute(sa.select(timers).where(timers.c.state == "parked").order_by(timers.c.due_at))
    return [dict(row._mapping) for row in rows]


def retry_parked(db: Session, row: dict[str, Any]) -> None:
    """Have a parked timer tried again at once, with fresh attempts."""
    _resolve(db, row, state="waiting", attempts=0, next_attempt_at=None, error=None)


def skip_parked(db: Session, row: dict[str, Any]) -> None:
    """Give up a parked timer; the row stays until the same timer is set anew."""
    _resolve(db, row, state="skipped")


def _resolve(db: Session, row: dict[str, Any], **values: Any) -> None:
    this_row = sa.and_(*(timers.c[name] == row[name] for name in ("tenant_id", "name", "key")))
    db.execute(timers.update().where(this_row, timers.c.state == "parked").values(**values))


def first_timer_at(host: "Host", db: Session) -> datetime | None:
    """Return the due moment of the first waiting timer that this version knows."""
    waiting = sa.and_(timers.c.state == "waiting", timers.c.name.in_(list(host.timers)))
    return db.execute(sa.select(sa.func.min(timers.c.due_at)).where(waiting)).scalar()


def next_due(host: "Host", *, first_timer_at: datetime | None, now: datetime) -> datetime | None:
    """Return the moment of the next timer or calendar job, in program time."""
    moments = [first_timer_at] + [
        job.next_occurrence(now, zone) for _, job, _ in host.jobs for zone in host.settings.time_zones
    ]
    return min((moment.astimezone(UTC) for moment in moments if moment is not None), default=None)
