"""What a service still has to do, and the alarm when that has waited for too long."""

from collections.abc import Container
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql

from shared import clock, telemetry
from shared.clock import Place
from shared.contracts.common import BacklogAlarmCleared, BacklogAlarmRaised
from shared.contracts.event import Actor, write_moment
from shared.contracts.roles import SYSTEM
from shared.database import Origin, act_for, moment, plumbing, without_transactions
from shared.ids import new_id
from shared.messaging import timers
from shared.messaging.inbox import ALL_REACTIONS, inbox, wake_for_known
from shared.messaging.outbox import announce, outbox

if TYPE_CHECKING:
    from shared.messaging.hosting.host import Host

log = structlog.get_logger()

#: Age at which what is unsent, or waits for another attempt, is an alarm. Promised: a backlog is never
#: silent for longer.
BACKLOG_ALARM_SECONDS = 30.0

UNSENT = "UNSENT"
WAITING = "WAITING"

#: The alarms that are raised now: kept here, so that several copies of a service raise each one once.
backlog_alarms = sa.Table(
    "backlog_alarms",
    plumbing,
    sa.Column("backlog", sa.String(16), primary_key=True),
    #: Whose the oldest row was: they are told when it is over.
    sa.Column("tenant_id", sa.String(64), nullable=False),
    sa.Column("raised_at", moment(), nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class Duties:
    """What a service has to do before program time moves, and the timer that is due first."""

    unsent: int
    waiting: int
    jobs: int
    first_timer_at: datetime | None
    first_timer: Place | None

    def after(self, written: dict[Place, datetime | None], *, known: Container[str]) -> "Duties | None":
        """Return what there is to do once timers were set or cancelled; None where that cannot be told.

        :param written: them, with the due moments of those that were set.
        :param known: names of timers that count.
        """
        if self.first_timer in written:
            # Which one is the next is known to the database only.
            return None
        first_at, first = self.first_timer_at, self.first_timer
        for place, due_at in written.items():
            if due_at is not None and place[1] in known and (first_at is None or due_at < first_at):
                first_at, first = due_at, place
        return replace(self, first_timer_at=first_at, first_timer=first)


#: What simulated time waits for, and when the next timer is due: asked before and after every jump.
_LEFT_TO_DO = """
    SELECT (SELECT count(*) FROM outbox WHERE dispatched_at IS NULL) AS unsent,
           -- What only another version knows is none of this copy's work.
           (SELECT count(*) FROM inbox
            WHERE state = 'waiting' AND reaction <> %(of_later_version)s) AS waiting,
           (SELECT count(*) FROM commands WHERE state = 'running' AND name = ANY(%(jobs)s)) AS jobs,
           (SELECT min(due_at) FROM timers
            WHERE state = 'waiting' AND name = ANY(%(timers)s)) AS first_timer_at
"""
#: Which timer that is.
_FIRST_TIMER = """
         , (SELECT ARRAY[tenant_id, name, key] FROM timers
            WHERE state = 'waiting' AND name = ANY(%(timers)s) ORDER BY due_at LIMIT 1) AS first_timer
"""
_LOOK_BEFORE_A_JUMP = _LEFT_TO_DO + _FIRST_TIMER
#: What else is looked for every second, by whoever does the work.
_FOR_OTHERS = """
         , EXISTS (
               SELECT FROM inbox WHERE state = 'waiting'
               AND next_attempt_at <= %(real_now)s AND reaction <> %(of_later_version)s
           ) AS retries_due,
           (SELECT count(*) FROM timers
            WHERE state = 'waiting' AND due_at <= %(now)s AND name = ANY(%(timers)s)) AS timers_due,
           -- The first by its index: asked whether there is any, the database might look through all.
           (SELECT position FROM audit WHERE link IS NULL ORDER BY position LIMIT 1) AS unlinked,
           -- What seems to be far off may be due: a clock went back. Whoever sends looks closer.
           EXISTS (
               SELECT FROM notifications WHERE state = 'waiting'
               AND (next_attempt_at <= now() OR (urgent AND next_attempt_at > now() + interval '40 seconds'))
           ) AS notifications_due,
           EXISTS (
               SELECT FROM safety_watch WHERE state <> 'confirmed'
               AND (page_at <= now() OR page_at > now() + interval '2 minutes')
           ) AS dangers_due
"""
#: One statement, written down once.
_LOOK = _LEFT_TO_DO + _FOR_OTHERS


def look(host: "Host", *, now: datetime) -> sa.Row[Any]:
    """Return counts of what is unsent, waiting, due and running, and when the next timer is due."""
    return _ask(host, _LOOK, now=now, real_now=clock.real_now())


def _look_before_a_jump(host: "Host") -> Duties:
    row = _ask(host, _LOOK_BEFORE_A_JUMP)
    return Duties(
        unsent=row.unsent,
        waiting=row.waiting,
        jobs=row.jobs,
        first_timer_at=row.first_timer_at,
        first_timer=tuple(row.first_timer) if row.first_timer else None,
    )


def _ask(host: "Host", question: str, **more: datetime) -> sa.Row[Any]:
    asked = {
        "timers": list(host.timers),
        "jobs": host.long_commands,
        "of_later_version": ALL_REACTIONS,
        **more,
    }
    with without_transactions(host.engine) as connection:
        return connection.exec_driver_sql(question, asked).one()


def _look_unless_known(host: "Host") -> Duties:
    """Look, unless it is known what each transaction of this process has changed since the last look.

    For a service whose only copy is in this process: simulated time looks thousands of times at
    services in which nothing has happened. What another process may have written, such as an
    operator's retry, wakes a loop within a second, and that one's transaction is seen here.
    """
    # Noted before the look, so that what ends meanwhile is looked at again.
    changed, doubts = host.duties_changed, host.sending.doubts
    if host.last_look is None or host.last_look[0] != changed or not host.sending.knows_all:
        host.times_asked += 1
        found = _look_before_a_jump(host)
        host.last_look = (changed, found)
        if not found.unsent:
            host.sending.settle(doubts)
    return host.last_look[1]


def stillness(host: "Host", *, count_messages: bool, only_copy: bool) -> dict[str, Any]:
    """Return what still has to happen here before program time may move, and wake who does it.

    :param count_messages: whether to count, unless there is something to do, events announced and taken in,
        by type: needed where the broker confirms before it delivers, to tell whether something is on its way.
    :param only_copy: whether no other process has a copy of the service.
    """
    # Asked once: where other processes share it, each time is a question to the database.
    now = host.clock.now()
    answer = _to_do(host, now=now, only_copy=only_copy)
    if not count_messages or has_to_do(answer):
        return answer
    # In this order one look at each service is enough. Of whatever was taken in by the first count, the look
    # sees the timers and the second count the events. Whatever is taken in later is missed in the first count
    # if it was announced by then; if not, it came of something else that is missed.
    taken = sa.func.count(inbox.c.event_id.distinct())
    taken_in = _by_type(host, sa.select(inbox.c.type, taken).group_by(inbox.c.type))
    answer = _to_do(host, now=now, only_copy=only_copy)
    announced = _by_type(host, sa.select(outbox.c.type, sa.func.count()).group_by(outbox.c.type))
    return answer | {"announced": announced, "taken": taken_in}


def has_to_do(answer: dict[str, Any]) -> bool:
    """Return whether a service said that something still has to happen in it."""
    return bool(answer["unsent"] or answer["waiting"] or answer["timers_due"] or answer["jobs"])


def _to_do(host: "Host", *, now: datetime, only_copy: bool) -> dict[str, Any]:
    row = _look_unless_known(host) if only_copy else _look_before_a_jump(host)
    # What is sent and only to be marked is unsent to the database, and nobody need wait for that.
    unsent = host.sending.unsent if only_copy and host.sending.knows_all else row.unsent
    timers_due = row.first_timer_at is not None and row.first_timer_at <= now
    timers_due = timers_due or timers.is_job_due(host, now=now)
    if unsent > host.sending.unsent:
        host.wake_marking()
    if row.waiting:
        host.wake_waiting()
    if timers_due:
        host.wake_due()
    next_due_at = timers.next_due(host, first_timer_at=row.first_timer_at, now=now)
    return {
        "unsent": unsent,
        "waiting": row.waiting,
        "timers_due": timers_due,
        "jobs": row.jobs,
        "next_due_at": write_moment(next_due_at) if next_due_at else None,
    }


def _by_type(host: "Host", query: sa.Select[Any]) -> dict[str, int]:
    with without_transactions(host.engine) as connection:
        return dict(connection.execute(query).all())


# --- The alarm -----------------------------------------------------------------------------------

_MEASURE = sa.text(
    """
    SELECT unsent.announced_at AS unsent_since, unsent.tenant_id AS unsent_of,
           waiting.received_at AS waiting_since, waiting.tenant_id AS waiting_of,
           (SELECT count(*) FROM inbox WHERE state = 'parked') AS parked,
           (SELECT count(*) FROM timers WHERE state = 'parked') AS parked_timers,
           (SELECT min(due_at) FROM timers WHERE state = 'waiting') AS first_timer_at,
           ARRAY(SELECT backlog FROM backlog_alarms) AS raised
    FROM (SELECT) AS this
    LEFT JOIN (SELECT announced_at, tenant_id FROM outbox WHERE dispatched_at IS NULL
               ORDER BY announced_at LIMIT 1) AS unsent ON true
    LEFT JOIN (SELECT received_at, tenant_id FROM inbox WHERE state = 'waiting'
               ORDER BY received_at LIMIT 1) AS waiting ON true
    """
)


def measure(host: "Host") -> None:
    """Tell metrics and readiness how far the service is behind, and raise or clear the alarm.

    :raises sqlalchemy.exc.SQLAlchemyError: when the database cannot be asked.
    """
    with without_transactions(host.engine) as connection:
        found = connection.execute(_MEASURE).one()
        timers.heed_clocks(host, connection)
        timers.look_at_unknown(host, connection)
        wake_for_known(host, connection)
        host.measure(connection)
    host.unsent_since, host.waiting_since = found.unsent_since, found.waiting_since
    telemetry.oldest_unsent.labels(host.name).set(_age(found.unsent_since))
    telemetry.oldest_waiting.labels(host.name).set(_age(found.waiting_since))
    # In program time, in which it was set.
    overdue = (host.clock.now() - found.first_timer_at).total_seconds() if found.first_timer_at else 0.0
    telemetry.oldest_due_timer.labels(host.name).set(max(0.0, overdue))
    telemetry.parked.labels(host.name).set(found.parked)
    telemetry.parked_timers.labels(host.name).set(found.parked_timers)
    if host.clock.simulated:
        # Simulated time waits until nothing is left to do, however long that takes.
        return
    for backlog, since, tenant_id in (
        (UNSENT, found.unsent_since, found.unsent_of),
        (WAITING, found.waiting_since, found.waiting_of),
    ):
        if _age(since) > BACKLOG_ALARM_SECONDS:
            if backlog not in found.raised:
                _raise_alarm(host, backlog, age=_age(since), tenant_id=tenant_id)
        elif backlog in found.raised:
            _clear_alarm(host, backlog)


def seconds_unsent(host: "Host") -> float:
    """Return the age of the oldest unsent event, as far as this process has noticed."""
    return _age(host.unsent_since)


def seconds_waiting(host: "Host") -> float:
    """Return the age of the oldest waiting reaction, as far as this process has noticed."""
    return _age(host.waiting_since)


def _age(since: datetime | None) -> float:
    return (clock.real_now() - since).total_seconds() if since else 0.0


def _raise_alarm(host: "Host", backlog: str, *, age: float, tenant_id: str) -> None:
    now = clock.real_now()
    raise_ = postgresql.insert(backlog_alarms).values(backlog=backlog, tenant_id=tenant_id, raised_at=now)
    with host.transaction(_origin(host, tenant_id, now)) as db:
        ours = db.execute(raise_.on_conflict_do_nothing().returning(backlog_alarms.c.backlog)).first()
        if ours is None:
            # Another copy was quicker.
            return
        announce(
            db,
            BacklogAlarmRaised(service=host.name, backlog=backlog, age_seconds=int(age), raised_at=now),
        )
    log.error("backlog_alarm_raised", service=host.name, reason=backlog, seconds=int(age))


def _clear_alarm(host: "Host", backlog: str) -> None:
    now = clock.real_now()
    with host.transaction(None) as db:
        ours = db.execute(
            backlog_alarms.delete()
            .where(backlog_alarms.c.backlog == backlog)
            .returning(backlog_alarms.c.tenant_id)
        ).first()
        if ours is None:
            return
        act_for(db, _origin(host, ours.tenant_id, now))
        announce(db, BacklogAlarmCleared(service=host.name, backlog=backlog, cleared_at=now))
    log.warning("backlog_alarm_cleared", service=host.name, reason=backlog)


def _origin(host: "Host", tenant_id: str, now: datetime) -> Origin:
    return Origin(
        service=host.name,
        tenant_id=tenant_id,
        actor=Actor(actor_id=host.name, role=SYSTEM),
        now=now,
        correlation_id=new_id(),
    )
