"""A process without a door of its own tells whether it is well, and why not."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3

from tests.ports import free_port

ROOT = Path(__file__).parents[2]

#: Serves the health of a process that is not ready for the reasons told on the command line as "-reason",
#: and warns of what is told as "+warning".
SERVE = """
import eventlet
eventlet.monkey_patch()
import sys
from shared import telemetry


def told(sign):
    return tuple(word[1:] for word in sys.argv[2:] if word[0] == sign)


server = telemetry.serve_health(
    int(sys.argv[1]), not_ready_because=lambda: told("-"), warnings=lambda: told("+")
)
print("serving", flush=True)
server.wait()
"""


@pytest.fixture
def process() -> Iterator[Callable[..., str]]:
    """Return what starts such a process and returns its address."""
    started: list[subprocess.Popen[str]] = []

    def start(*told: str) -> str:
        port = free_port()
        command = [sys.executable, "-c", SERVE, str(port), *told]
        served = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(served)
        assert served.stdout is not None
        assert served.stdout.readline() == "serving\n"
        return f"http://127.0.0.1:{port}"

    yield start
    for served in started:
        served.kill()
        served.wait()


def get(url: str) -> tuple[int, str]:
    answer = urllib3.request("GET", url, timeout=10, retries=False)
    return answer.status, answer.data.decode()


class TestHealth:
    def test_says_why_it_is_not_ready(self, process: Callable[..., str]) -> None:
        url = process("-broker", "-events are unsent for 31 s")

        assert get(f"{url}/readyz") == (503, "not ready: broker, events are unsent for 31 s\n")
        assert get(f"{url}/livez") == (200, "ok\n")

    def test_warns_without_being_taken_out_of_rotation(self, process: Callable[..., str]) -> None:
        url = process("+a reaction waits for 31 s")

        assert get(f"{url}/readyz") == (200, "ok\nwarning: a reaction waits for 31 s\n")

    def test_says_that_it_is_ready(self, process: Callable[..., str]) -> None:
        url = process()

        assert get(f"{url}/readyz") == (200, "ok\n")
        assert get(f"{url}/metrics")[0] == 200
        assert get(f"{url}/elsewhere")[0] == 404
