"""The solver's process: where it lives, how it ends, and what happens when it dies."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from services.scheduling.domain.problem import BLOCK, HOUR, Option, Problem
from services.scheduling.solving.solver import PATIENCE_SECONDS, Solver, SolverFailed, SolverGone

ROOT = Path(__file__).parents[2]


def option(place: int, **changes) -> Option:
    fields = {
        "role": BLOCK,
        "day": place % 7,
        "begins": (place % 7) * 1440 + 540 + place // 7 * 200,
        "ends": (place % 7) * 1440 + 720 + place // 7 * 200,
        "minutes": 165,
        "counselling": 1,
        "provides": ("GROUP",),
        "groups": (place,),
        "track": 0,
        "remote": False,
        "unwished": False,
        "kept": 0,
        "prompt": True,
        "fullness": place % 5,
    }
    return Option(**(fields | changes))


def problem(blocks: int = 5, **changes) -> Problem:
    hour = option(0, role=HOUR, begins=800, ends=850, minutes=50, counselling=0, groups=(), track=-1)
    fields = {
        "options": (*(option(place) for place in range(blocks)), hour),
        "floor": 540,
        "ceiling": 1140,
        "fewest_days": 3,
        "fewest_counselling": 2,
        "preferred_blocks": 3,
        "must_provide": (),
        "should_provide": (),
        "may_provide": (),
        "wants_remote": False,
        "one_trip_within": 60,
    }
    return Problem(**(fields | changes))


@pytest.fixture
def solver():
    solver = Solver()
    yield solver
    solver.stop()


@pytest.fixture(scope="module")
def shared_solver():
    solver = Solver()
    yield solver
    solver.stop()


@pytest.fixture
def warm(shared_solver):
    """A solver that answers, and has been asked before: its library takes longer to load than a test."""
    yield shared_solver
    shared_solver._patience_seconds = PATIENCE_SECONDS


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends(pid: int) -> bool:
    give_up_at = time.monotonic() + 30
    while lives(pid):
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.slow
class TestSolver:
    def test_has_no_process_until_it_is_asked(self, solver):
        assert solver.pid is None

        assert solver.solve(problem()) is not None

        assert lives(solver.pid)

    def test_stays_warm(self, warm):
        warm.solve(problem())
        pid = warm.pid

        warm.solve(problem())

        assert warm.pid == pid

    def test_says_none_where_no_choice_keeps_the_rules(self, warm):
        assert warm.solve(problem(floor=1100)) is None

    def test_starts_another_when_the_first_was_killed(self, warm):
        first_answer = warm.solve(problem())
        pid = warm.pid
        os.kill(pid, signal.SIGKILL)

        assert warm.solve(problem()) == first_answer
        assert warm.pid != pid

    def test_answers_although_it_is_killed_in_the_middle_of_a_search(self, warm):
        expected = warm.solve(problem())
        pid = warm.pid
        # Stopped, it cannot answer before it is killed: the question is surely lost with it.
        os.kill(pid, signal.SIGSTOP)
        answers = []
        asking = threading.Thread(target=lambda: answers.append(warm.solve(problem())))
        asking.start()
        time.sleep(0.3)
        assert answers == []

        os.kill(pid, signal.SIGKILL)
        asking.join(60)

        assert answers == [expected]
        assert warm.pid != pid

    def test_waits_for_a_stuck_process_no_longer_than_its_patience(self, warm):
        expected = warm.solve(problem())
        pid = warm.pid
        os.kill(pid, signal.SIGSTOP)
        # Too short for a new process as well, which has a library to load: nobody answers.
        warm._patience_seconds = 0.1

        with pytest.raises(SolverGone):
            warm.solve(problem())
        warm._patience_seconds = 60

        assert ends(pid)
        assert warm.solve(problem()) == expected

    def test_tells_when_it_cannot_make_sense_of_a_problem(self, warm):
        with pytest.raises(SolverFailed):
            warm.solve(problem(floor="many"))

        assert warm.solve(problem()) is not None

    def test_answers_several_who_ask_at_once(self, warm):
        answers = []
        askers = [
            threading.Thread(target=lambda n=n: answers.append((n, warm.solve(problem(4 + n % 3)))))
            for n in range(12)
        ]

        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join(60)

        assert len(answers) == 12
        assert len({(n % 3, tuple(chosen)) for n, chosen in answers}) == 3

    def test_gives_equal_answers_in_different_processes(self, warm):
        large = problem(28, floor=700)
        answers = []
        for _ in range(3):
            answers.append(warm.solve(large))
            warm.stop()

        assert answers[0] == answers[1] == answers[2]

    def test_ends_when_stopped(self, solver):
        solver.warm_up()
        pid = solver.pid

        solver.stop()

        assert ends(pid)


@pytest.mark.slow
class TestTheProcess:
    def test_ends_with_a_parent_that_is_killed(self):
        parent = subprocess.Popen(
            [
                sys.executable,
                "-c",
                textwrap.dedent(
                    """
                    import time
                    from services.scheduling.solving.solver import Solver
                    solver = Solver()
                    solver.warm_up()
                    print(solver.pid, flush=True)
                    time.sleep(300)
                    """
                ),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        try:
            pid = int(parent.stdout.readline())
            assert lives(pid)
        finally:
            parent.kill()
            parent.wait()

        assert ends(pid)

    def test_leaves_other_greenthreads_their_turn_and_the_library_outside(self):
        told = subprocess.run(
            [
                sys.executable,
                "-c",
                textwrap.dedent(
                    """
                    import warnings; warnings.simplefilter("ignore")
                    import eventlet; eventlet.monkey_patch()
                    import sys
                    from services.scheduling.service import Scheduling
                    from services.scheduling.solving.solver import Solver
                    from tests.scheduling.test_solver import problem
                    ticks = []
                    def tick():
                        while True:
                            ticks.append(1)
                            eventlet.sleep(0.01)
                    eventlet.spawn(tick)
                    solver = Solver()
                    assert solver.solve(problem()) is not None
                    print(len(ticks), "ortools" in sys.modules, "pandas" in sys.modules)
                    solver.stop()
                    """
                ),
            ],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        ).stdout.split()

        assert int(told[0]) > 5
        assert told[1:] == ["False", "False"]

    def test_reads_no_other_input_than_its_parents(self):
        ours, theirs = socket.socketpair()
        with theirs:
            child = subprocess.Popen(
                [sys.executable, "-m", "services.scheduling.solving.child"], stdin=theirs.fileno(), cwd=ROOT
            )

        ours.close()

        assert child.wait(60) == 0
