"""What a service still has to do, told by one statement."""

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

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
           (SELECT min(due_at) FROM timers WHERE state = 'waiting') AS first_timer_at
    """
)


def look(host: "Host") -> sa.Row[Any]:
    """Return counts of what is unsent, waiting, due and running, and when the next timer is due."""
    now = host.clock.now()
    with host.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        return connection.execute(_LOOK, {"now": now}).one()
