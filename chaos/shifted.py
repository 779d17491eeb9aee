"""Runs Homeward's command with a wall clock that is wrong by what a file says, in seconds.

A machine's clock cannot be set without harm to everybody on it. Only ``shared.clock`` asks for the
time, and the ticker that a process has, so these are given another one before anything of Homeward runs:
``python -m chaos.shifted FILE run --while-watched intake``.
"""

import sys
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import homeward.__main__

# First of all: it patches what everything else imports.
import homeward.cli.run  # isort: split

from apscheduler.executors import base as executors
from apscheduler.schedulers import base as schedulers
from apscheduler.triggers import interval

from shared import clock

_file = Path(sys.argv.pop(1))


class _WrongClock(datetime):
    """Tells a time that is off."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # a plain one does
        """Return the machine's time and what the file says."""
        return datetime.now(tz) + timedelta(seconds=float(_file.read_text() or 0))


asking: Any
for asking in (clock, executors, schedulers, interval):
    asking.datetime = _WrongClock  # that is the fault
homeward.__main__.main()
