"""Timers and calendar jobs that are due: each fires once, however many copies look for it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql

from shared import audit, clock
from shared.clock import Timer, job_runs, retry_delay, timers
from shared.contracts.event import Actor
from shared.contracts.roles import SYSTEM
from shared.database import Origin, act_for
from shared.ids import new_id
from shared.messaging.inbox import place_of, restore, snapshot

if TYPE_CHECKING:
    from shared.messaging.host import Host

log = structlog.get_logger()


_IS_DUE = sa.and_(
    timers.c.state == "waiting",
    timers.c.due_at <= sa.bindparam("now"),
    sa.or_(timers.c.next_attempt_at.is_(None), timers.c.next_attempt_at <= sa.bindparam("real_now")),
)
_FIRST_DUE = (
    sa.select(timers, sa.select(sa.func.count()).where(_IS_DUE).scalar_subquery().label("due"))
    .where(_IS_DUE)
    .order_by(timers.c.due_at, timers.c.name, timers.c.key)
    .limit(1)
    .with_for_update(skip_locked=True)
)


def fire_one(host: "Host") -> int:
    """Fire one timer that is due; return how many were.

    The row is locked meanwhile and gone with the commit of what it did.
    """
    now = host.clock.now()
    with host.transaction(None) as db:
        row = db.execute(_FIRST_DUE, {"now": now, "real_now": clock.real_now()}).first()
        if row is None:
            return 0
        timer = Timer(
            name=row.name,
            key=row.key,
            due_at=row.due_at.astimezone(UTC),
            data=row.data,
            tenant_id=row.tenant_id,
            correlation_id=row.correlation_id,
            causation_id=row.causation_id,
        )
        act_for(
            db,
            Origin(
                service=host.name,
                tenant_id=row.tenant_id,
                actor=Actor(actor_id=host.name, role=SYSTEM),
                now=now,
                correlation_id=row.correlation_id,
                causation_id=row.causation_id,
            ),
        )
        this_row = sa.and_(
            timers.c.tenant_id == row.tenant_id, timers.c.name == row.name, timers.c.key == row.key
        )
        # Gone before the method runs, so that the method can set the same timer anew.
        before = snapshot(db)
        try:
            with db.begin_nested():
                db.execute(timers.delete().where(this_row))
                host.timers[row.name](db, timer, now)
                audit.record(db, action=f"timer:{row.name}"[:64])
        except Exception as error:
            if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
                raise
            restore(db, before)
            attempts = row.attempts + 1
            parked = attempts >= host.settings.parked_after_attempts
            log.error(
                "timer_failed",
                timer=row.name,
                error=type(error).__name__,
                attempts=attempts,
                exc_place=place_of(error),
            )
            delay_is_over_at = (
                clock.real_now() if host.clock.simulated else (clock.real_now() + retry_delay(attempts))
            )
            db.execute(
                timers.update()
                .where(this_row)
                .values(
                    attempts=attempts,
                    error=type(error).__name__,
                    state="parked" if parked else "waiting",
                    next_attempt_at=delay_is_over_at,
                )
            )
        return int(row.due)


def run_due_jobs(host: "Host") -> int:
    """Run calendar jobs whose newest occurrence has not run in any copy yet; return how many."""
    ran = 0
    now = host.clock.now()
    for name, job, run in host.jobs:
        for zone in host.settings.time_zones:
            occurrence = job.latest_occurrence(now, zone)
            if host.jobs_run.get((name, zone)) == occurrence:
                continue
            with host.transaction(None) as db:
                claimed = db.execute(
                    postgresql.insert(job_runs)
                    .values(job=name, zone=zone, occurrence_at=occurrence, ran_at=clock.real_now())
                    .on_conflict_do_nothing()
                    .returning(job_runs.c.job)
                ).first()
                if claimed is not None:
                    db.info["origin"] = Origin(
                        service=host.name,
                        tenant_id="",
                        actor=Actor(actor_id=host.name, role=SYSTEM),
                        now=now,
                        correlation_id=new_id(),
                    )
                    run(db, occurrence, now)
                    ran += 1
            host.jobs_run[name, zone] = occurrence
    return ran


def is_job_due(host: "Host") -> bool:
    """Return whether a calendar job has an occurrence that is not known to have run."""
    now = host.clock.now()
    return any(
        host.jobs_run.get((name, zone)) != job.latest_occurrence(now, zone)
        for name, job, _ in host.jobs
        for zone in host.settings.time_zones
    )


def list_parked(db: sa.orm.Session) -> list[dict[str, Any]]:
    """Return the timers that failed too often, the first due one first."""
    rows = db.execute(sa.select(timers).where(timers.c.state == "parked").order_by(timers.c.due_at))
    return [dict(row._mapping) for row in rows]


def retry_parked(db: sa.orm.Session, row: dict[str, Any]) -> None:
    """Have a parked timer tried again at once, with fresh attempts."""
    _resolve(db, row, state="waiting", attempts=0, next_attempt_at=None, error=None)


def skip_parked(db: sa.orm.Session, row: dict[str, Any]) -> None:
    """Give up a parked timer; the row stays until the same timer is set anew."""
    _resolve(db, row, state="skipped")


def _resolve(db: sa.orm.Session, row: dict[str, Any], **values: Any) -> None:
    this_row = sa.and_(*(timers.c[name] == row[name] for name in ("tenant_id", "name", "key")))
    db.execute(timers.update().where(this_row, timers.c.state == "parked").values(**values))


def first_timer_at(db: sa.orm.Session) -> datetime | None:
    """Return the due moment of the first waiting timer."""
    return db.execute(sa.select(sa.func.min(timers.c.due_at)).where(timers.c.state == "waiting")).scalar()


def next_due(host: "Host", *, first_timer_at: datetime | None) -> datetime | None:
    """Return the moment of the next timer or calendar job, in program time."""
    now = host.clock.now()
    moments = [first_timer_at] + [
        job.next_occurrence(now, zone) for _, job, _ in host.jobs for zone in host.settings.time_zones
    ]
    return min((moment.astimezone(UTC) for moment in moments if moment is not None), default=None)
