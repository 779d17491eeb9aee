"""A process goes on looking for what is due, whatever the machine's clock does."""

from datetime import UTC, datetime, timedelta

import eventlet
import pytest
from apscheduler.executors import base as executors
from apscheduler.schedulers import base as schedulers
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers import interval

from shared import clock
from shared.messaging.hosting.traffic import keep_ticking


class JumpingClock(datetime):
    """Tells a time that is off."""

    off = timedelta(0)

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + cls.off


class TestTicker:
    def test_goes_on_where_the_clock_goes_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(JumpingClock, "off", timedelta(0))
        for module in (clock, executors, schedulers, interval):
            monkeypatch.setattr(module, "datetime", JumpingClock)
        looks: list[datetime] = []
        ticker = BackgroundScheduler(daemon=True, timezone=UTC)
        ticker.add_job(lambda: looks.append(datetime.now(UTC)), "interval", seconds=1)
        ticker.start()
        keeping = eventlet.spawn(keep_ticking, ticker)
        eventlet.sleep(1.5)

        JumpingClock.off = timedelta(hours=-1)
        went_back_at = datetime.now(UTC)
        with eventlet.Timeout(20, False):
            while not [at for at in looks if at > went_back_at + timedelta(seconds=1)]:
                eventlet.sleep(0.1)
        ticker.shutdown(wait=False)
        keeping.kill()

        assert [at for at in looks if at > went_back_at + timedelta(seconds=1)]
