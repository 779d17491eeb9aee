"""The record of who looked at what, and who was refused, in the gateway's own audit chain.

A look changes nothing, so it has no transaction of its own to be written in: looks are gathered
and written together within a second, and at the latest when the process stops.
"""

import re
from collections import deque
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog
from eventlet.semaphore import Semaphore
from prometheus_client import Counter

from shared import audit
from shared.messaging.hosting.traffic import Loop

if TYPE_CHECKING:
    from gateway.http import Request

log = structlog.get_logger()

#: Rows written in one transaction.
BATCH = 500
#: Looks kept in memory while the database is away; the oldest beyond that are counted as lost.
MOST_KEPT = 50_000

accesses_lost_total = Counter("homeward_accesses_lost_total", "Looks that could not be written to the audit.")

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Accesses:
    """Gathers looks and refusals and writes them."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._waiting: deque[dict[str, Any]] = deque()
        self._one_writer = Semaphore(1)
        self._loop = Loop("accesses", self.flush)

    def note(self, request: "Request", *, outcome: str) -> None:
        """Note that the caller looked, or was refused."""
        if len(self._waiting) >= MOST_KEPT:
            self._waiting.popleft()
            accesses_lost_total.inc()
        try:
            origin = request.origin()
        except sa.exc.SQLAlchemyError:
            # The clock's row cannot be read, and without its moment the look cannot be dated.
            accesses_lost_total.inc()
            return
        origin.causation_id = request.correlation_id
        self._waiting.append(
            audit.row_of(origin, action=request.name, about_id=_about(request), outcome=outcome[:32])
        )
        if len(self._waiting) >= BATCH:
            self._loop.wake()

    def wake(self) -> None:
        """Have what waits written soon."""
        self._loop.wake()

    def flush(self) -> bool:
        """Write some of what waits; return whether there is more."""
        with self._one_writer:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            if not batch:
                return False
            try:
                audit.write_linked(self._engine, batch)
            except BaseException:
                self._waiting.extendleft(reversed(batch))
                raise
        return bool(self._waiting)

    def stop(self) -> None:
        """Write what is left."""
        self._loop.stop()
        try:
            while self.flush():
                pass
        except sa.exc.SQLAlchemyError as error:
            accesses_lost_total.inc(len(self._waiting))
            log.error("accesses_lost", count=len(self._waiting), error=type(error).__name__)


def _about(request: "Request") -> str | None:
    """Return the thing that was looked at: the patient when it is known, else the first id in the path."""
    ids = [request.about_id, *request.ids.values()]
    # In the form in which the database gives it back: the audit's chain goes by it.
    return next((one.lower() for one in ids if one and _UUID.fullmatch(one)), None)
