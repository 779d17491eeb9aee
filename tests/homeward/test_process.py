"""A process that is told to stop."""

import pytest

from homeward import process as processes
from homeward.process import Process
from tests.support import settings_for_tests


class TestStop:
    def test_is_told_by_readiness_before_anything_is_stopped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # The signals and the memory of the tests are their own.
        monkeypatch.setattr(processes.signal, "signal", lambda *_: None)
        for name in ("collect", "freeze", "set_threshold", "enable"):
            monkeypatch.setattr(processes.gc, name, lambda *_: None)
        process = Process((), settings_for_tests(HOMEWARD_CLOCK="real"))
        told = [process._not_ready_because()]
        monkeypatch.setattr(process, "stop", lambda: told.append(process._not_ready_because()))

        process.run_until_stopped(on_ready=lambda process: process.stop_soon())

        assert told == [(), ("draining",)]
