"""A process in which one query would hold up all others does not go on."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.settings import environment_of
from tests.support import settings_for_tests

ROOT = Path(__file__).parents[2]

#: Hosts a service as ``homeward run`` does, but for what makes queries yield to each other.
HOST_UNPATCHED = """
import os
from homeward.process import Process
from shared.settings import load_settings

Process(("monitoring",), load_settings(os.environ)).run_until_stopped()
"""

#: Asks only what each process asks at its start, as the process it is in has been patched.
CHECK_PATCHED = """
import eventlet
eventlet.monkey_patch()
import os
from shared.database import check_that_queries_overlap, new_engine

engine = new_engine(os.environ["HOMEWARD_DATABASE_URL_MONITORING"])
check_that_queries_overlap(engine, spawn=eventlet.spawn)
"""


@pytest.fixture
def ended(database_of: Callable[[str], str]) -> Callable[[str], "subprocess.CompletedProcess[str]"]:
    """Return what runs a program beside an empty database until it ends by itself."""
    settings = settings_for_tests(
        HOMEWARD_CLOCK="real", HOMEWARD_DATABASE_URL_MONITORING=database_of("monitoring")
    )

    def run(program: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, **environment_of(settings)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_it_ends_and_says_so(ended: Callable[[str], "subprocess.CompletedProcess[str]"]) -> None:
    done = ended(HOST_UNPATCHED)

    assert "queries_do_not_overlap" in done.stdout
    assert "stopped" in done.stdout


def test_one_in_which_queries_yield_goes_on(
    ended: Callable[[str], "subprocess.CompletedProcess[str]"],
) -> None:
    done = ended(CHECK_PATCHED)

    assert done.returncode == 0, done.stderr
