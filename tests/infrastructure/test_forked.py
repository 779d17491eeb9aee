"""Processes that are forked from a loaded one are processes like any other."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import forked

pytestmark = pytest.mark.slow

PIPE = subprocess.PIPE
SETTINGS = [sys.executable, "-m", "homeward", "settings"]

Talk = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def talk() -> Iterator[Talk]:
    """Return what starts a process that tells who it is, and waits for us."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tests.infrastructure.talker", *arguments]
        started.append(forked.popen(command, stdin=PIPE, stdout=PIPE, text=True, **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def told_by(process: "subprocess.Popen[str]") -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


class TestForked:
    @pytest.mark.parametrize(("port", "said_of_it"), [("8123", b"8123"), ("nowhere", b"HOMEWARD_PORT")])
    def test_does_what_the_command_does_by_itself(self, tmp_path: Path, port: str, said_of_it: bytes) -> None:
        done = []
        for popen in (subprocess.Popen, forked.popen):
            with (tmp_path / "said").open("w+b") as said:
                environment = {**os.environ, "HOMEWARD_PORT": port}
                process = popen(SETTINGS, cwd=forked.ROOT, env=environment, stdout=said, stderr=said)
                status = process.wait(60)
                said.seek(0)
                done.append((status, said.read()))

        assert done[0] == done[1]
        assert said_of_it in done[0][1]

    def test_has_the_place_and_environment_that_it_was_given(self, talk: Talk, tmp_path: Path) -> None:
        process = talk("one", "two", cwd=tmp_path, env={"TOLD": "much"}, start_new_session=True)

        pid, session, place, variable, _, *arguments = told_by(process)

        assert pid == session == str(process.pid)
        assert (place, variable, arguments) == (str(tmp_path), "much", ["one", "two"])

    def test_makes_ids_of_its_own(self, talk: Talk) -> None:
        ids = {told_by(talk())[4][-12:] for _ in range(5)}

        assert len(ids) == 5

    def test_hears_when_its_input_ends(self, talk: Talk) -> None:
        silent, talkative = talk(), talk()
        assert (silent.poll(), talkative.poll()) == (None, None)
        assert talkative.stdin is not None
        assert silent.stdin is not None
        talkative.stdin.write("so much")

        talkative.stdin.close()
        silent.stdin.close()

        assert (silent.wait(60), talkative.wait(60)) == (0, 3)

    def test_is_told_to_end_while_somebody_waits_for_it(self, talk: Talk) -> None:
        process = talk()
        told_by(process)
        ending = threading.Timer(0.2, process.terminate)
        ending.start()

        assert process.wait(60) == -signal.SIGTERM
        ending.join()

    def test_is_killed_and_waited_for(self, talk: Talk) -> None:
        process = talk()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)

        process.kill()

        assert process.wait(60) == process.poll() == -signal.SIGKILL
        process.kill()  # nobody is hit who has its number by now
        assert not Path(f"/proc/{process.pid}").exists()
