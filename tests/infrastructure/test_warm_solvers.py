"""Solvers that are forked from a loaded process are solvers like any other."""

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from services.scheduling.solving import solver
from services.scheduling.solving.solver import Solver
from tests.scheduling.test_solver import ends, problem
from tests.warm_solvers import Stock

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="nothing is forked on other systems than Linux"),
]


@pytest.fixture(scope="module")
def stock() -> Iterator[Stock]:
    found = Stock()
    yield found
    found.close()


@pytest.fixture
def warm(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Solver]:
    monkeypatch.setattr(solver, "subprocess", stock)
    found = Solver()
    yield found
    found.stop()


class TestWarmSolver:
    def test_answers_what_one_answers_that_loads_everything_itself(self, warm: Solver) -> None:
        answer = warm.solve(problem(8))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(solver, "subprocess", subprocess)
            by_itself = Solver()
            assert by_itself.solve(problem(8)) == answer
            by_itself.stop()

    def test_is_replaced_when_it_was_killed(self, warm: Solver) -> None:
        answer, pid = warm.solve(problem()), warm.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

        assert warm.solve(problem()) == answer
        assert warm.pid != pid

    def test_ends_when_stopped_and_when_nobody_is_left_to_ask(self, warm: Solver) -> None:
        warm.warm_up()
        stopped = warm.pid
        warm.stop()
        warm.warm_up()
        left = warm.pid
        assert warm._wire is not None
        warm._wire.close()

        assert stopped is not None
        assert ends(stopped)
        assert left is not None
        assert ends(left)
