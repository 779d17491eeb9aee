"""Dangers that cannot be written down, because the gateway's own database is away, or takes nothing more.

Then there is no outbox and no watch. Somebody is paged at once instead, by the same way as the watch pages,
and the danger is kept in memory until the database takes it: from then on it goes its way as ever, to
monitoring first. A process that ends before that has kept nothing, which is why whoever told of the danger is
asked to send it again.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import structlog
from eventlet.greenpool import GreenPool

from shared import safety
from shared.clock import ProgramClock
from shared.ids import derived_id
from shared.messaging.hosting.traffic import Loop
from shared.notification.fallback import deliver_fallback_page
from shared.notification.outcomes import NotSent
from shared.settings import Settings

log = structlog.get_logger()

#: Dangers kept in memory, and pages remembered; the oldest go beyond that. Design default.
MOST_KEPT = 1_000


class Unwritten:
    """Pages about dangers that nobody could write down, and has them written down later."""

    def __init__(self, settings: Settings, clock: ProgramClock) -> None:
        self._settings = settings
        self._clock = clock
        #: Concern → how it is written down.
        self._waiting: OrderedDict[str, Callable[[], object]] = OrderedDict()
        #: Concern → when a page about it was taken, in the process's own seconds.
        self._paged: OrderedDict[str, float] = OrderedDict()
        self._loop = Loop("unwritten_dangers", self._write_one)

    def take(self, concern_id: str, *, tenant_id: str, level: str, write: Callable[[], object]) -> bool:
        """Page about a danger, and have *write* called until it goes well.

        Whoever tells the same again meanwhile sets off no second page, for as long as the watch over dangers
        waits after one that reached an address.

        :param concern_id: the first of the dangers that were told together.
        :returns: whether a page about it was taken: then somebody hears of it.
        """
        log.critical("danger_not_written_down", concern_id=concern_id)
        _keep(self._waiting, concern_id, write)
        paged_at = self._paged.get(concern_id, float("-inf"))
        if time.monotonic() - paged_at < safety.AGAIN_WHEN_REACHED.total_seconds():
            return True
        addresses = self._settings.fallback_addresses_of(tenant_id)
        # Nobody is there to be paged while program time is simulated.
        if self._clock.simulated or not addresses:
            return False

        def page(address: str) -> bool:
            return self._page(address, concern_id=concern_id, level=level)

        # All at once, so that none waits for another's mail server.
        taken = list(GreenPool(len(addresses)).imap(page, addresses))
        if any(taken):
            _keep(self._paged, concern_id, time.monotonic())
        return any(taken)

    def _page(self, address: str, *, concern_id: str, level: str) -> bool:
        """Page one address; return whether somebody took the page."""
        try:
            deliver_fallback_page(
                self._settings,
                notification_id=derived_id(concern_id, "page about what is not written down", address),
                address=address,
                about_id=concern_id,
                level=level,
            )
        except (NotSent, ValueError) as failure:
            reason = failure.code if isinstance(failure, NotSent) else type(failure).__name__
            log.error("page_not_sent", concern_id=concern_id, error=reason)
            return False
        return True

    def wake(self) -> None:
        """Have what waits tried again soon."""
        self._loop.wake()

    def _write_one(self) -> bool:
        """Try to write one danger down; return whether more wait."""
        if not self._waiting:
            return False
        concern_id, write = self._waiting.popitem(last=False)
        try:
            write()
        except BaseException:
            # Behind the others: one that fails for a reason of its own holds up none.
            self._waiting.setdefault(concern_id, write)
            raise
        log.warning("danger_written_down", concern_id=concern_id)
        return bool(self._waiting)

    def stop(self) -> None:
        """Try once more to write down what waits."""
        self._loop.stop()
        try:
            while self._write_one():
                pass
        except Exception as error:  # noqa: BLE001  # whatever it was: there is no later time
            log.critical("dangers_lost", count=len(self._waiting), error=type(error).__name__)


def _keep(kept: OrderedDict[str, Any], concern_id: str, value: Any) -> None:
    kept[concern_id] = value
    if len(kept) > MOST_KEPT:
        kept.popitem(last=False)
