"""The HTTP client that asks all systems the same."""

import dataclasses
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from bench.load import Load, Task


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers, or refuses every path that says so."""

    protocol_version = "HTTP/1.1"
    keys: list[str]

    def do_GET(self):
        body = b"x" * 3000
        self.send_response(503 if "full" in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        if "once" in self.path:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        assert json.loads(self.rfile.read(int(self.headers["Content-Length"]))) == {"a": 1}
        self.keys.append(self.headers["Idempotency-Key"])
        self.do_GET()

    def log_message(self, *said):
        pass


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    Answers.keys = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as serving:
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def task_of(port: int, **changes) -> Task:
    task = {
        "port": port,
        "method": "GET",
        "paths": ["/one", "/two"],
        "headers": {"Content-Type": "application/json"},
        "body": "",
        "connections": 3,
        "seconds": 2.0,
        "warm_up_seconds": 0.1,
        "expect": 200,
    }
    return Task(**task | changes)


def load(server: http.server.ThreadingHTTPServer, **changes) -> dict:
    task = task_of(server.server_address[1], **changes)
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(dataclasses.asdict(task)),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


def test_counts_answers_over_connections_that_are_kept(server):
    found = load(server)

    assert found["per_second"] > 0
    assert found["failed"] == {}
    assert found["connects"] == 3
    assert 0 < found["p50_ms"] <= found["p95_ms"] <= found["p99_ms"]


def test_counts_what_is_answered_in_the_measured_time():
    found = Load(task_of(0, seconds=2.0))
    found.counted_from, found.ends_at = 1.0, 3.0

    # One connection that waits half a second for each answer gets two in a second.
    for sent_at in (0.25, 0.75, 1.25, 1.75, 2.25, 2.75):
        found.count(200, sent_at, sent_at + 0.5)

    assert found.latencies == [500.0] * 4
    assert found.answered == 6


def test_counts_refusals_apart(server):
    found = load(server, paths=["/full"])

    assert found["per_second"] == 0
    assert found["failed"]["503"] > 0


def test_connects_again_to_whoever_hangs_up(server):
    found = load(server, paths=["/once"])

    assert found["per_second"] > 0
    assert found["connects"] > 3


def test_gives_each_command_a_key_of_its_own(server):
    found = load(server, method="POST", body='{"a": 1}')

    assert found["per_second"] > 0
    assert len(Answers.keys) == len(set(Answers.keys)) > 3
    assert None not in Answers.keys


def test_tells_that_nobody_answers():
    # Nobody else can be given a port that is taken, though nobody listens there.
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers, bind_and_activate=False) as silent:
        silent.server_bind()
        found = load(silent)

    assert found["per_second"] == 0
    assert found["failed"] == {"ConnectionRefusedError": 3}
