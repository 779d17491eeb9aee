"""What a service still has to do, told by one statement."""

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from shared.contracts.event import write_moment
from shared.messaging import timers
from shared.messaging.inbox import inbox
from shared.messaging.outbox import outbox

if TYPE_CHECKING:
    from shared.messaging.host import Host

#: Asked every second, and before every jump of simulated time: so one statement, written down once.
_LOOK = sa.text(
    """
    SELECT (SELECT count(*) FROM outbox WHERE dispatched_at IS NULL) AS unsent,
           (SELECT count(*) FROM inbox WHERE state = 'waiting') AS waiting,
           (SELECT count(*) FROM timers WHERE state = 'waiting' AND due_at <= :now) AS timers_due,
           (SELECT count(*) FROM commands WHERE state = 'running') AS jobs,
           EXISTS (SELECT FROM audit WHERE link IS NULL) AS unlinked,
           EXISTS (SELECT FROM notifications WHERE state = 'waiting' AND next_attempt_at <= now())
               AS notifications_due,
           EXISTS (SELECT FROM safety_watch WHERE state <> 'confirmed' AND page_at <= now()) AS dangers_due,
           (SELECT min(due_at) FROM timers WHERE state = 'waiting') AS first_timer_at
    """
)


def look(host: "Host") -> sa.Row[Any]:
    """Return counts of what is unsent, waiting, due and running, and when the next timer is due."""
    now = host.clock.now()
    with host.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        return connection.execute(_LOOK, {"now": now}).one()


def _look_unless_known(host: "Host") -> sa.Row[Any]:
    """Look, unless no transaction of this process has ended since the last look.

    For a service whose only copy is in this process: simulated time looks thousands of times at
    services in which nothing has happened. What another process may have written, such as an
    operator's retry, wakes a loop within a second, and that one's transaction is seen here.
    """
    # Noted before the look, so that what ends meanwhile is looked at again.
    ended = host.transactions_ended
    if host.last_look is None or host.last_look[0] != ended:
        host.last_look = (ended, look(host))
    return host.last_look[1]


def stillness(host: "Host", *, count_messages: bool) -> dict[str, Any]:
    """Return what still has to happen here before program time may move, and wake who does it.

    :param count_messages: whether to count events announced and taken in, by type: needed where
        the broker confirms before it delivers, to tell whether something is on its way.
    """
    row = look(host) if count_messages else _look_unless_known(host)
    timers_due = row.first_timer_at is not None and row.first_timer_at <= host.clock.now()
    if row.waiting or timers_due:
        host.wake_due()
    next_due_at = timers.next_due(host, first_timer_at=row.first_timer_at)
    answer: dict[str, Any] = {
        "unsent": row.unsent,
        "waiting": row.waiting,
        "timers_due": timers_due,
        "jobs": row.jobs,
        "next_due_at": write_moment(next_due_at) if next_due_at else None,
    }
    if count_messages:
        with host.engine.connect() as connection:
            answer["announced"] = dict(
                connection.execute(sa.select(outbox.c.type, sa.func.count()).group_by(outbox.c.type)).all()
            )
            taken = sa.func.count(inbox.c.event_id.distinct())
            answer["taken"] = dict(
                connection.execute(sa.select(inbox.c.type, taken).group_by(inbox.c.type)).all()
            )
    return answer
