"""The HTTP client that asks all systems the same."""

import dataclasses
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from bench.load import Task


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


def load(server: http.server.ThreadingHTTPServer, **changes) -> dict:
    task = {
        "port": server.server_address[1],
        "method": "GET",
        "paths": ["/one", "/two"],
        "headers": {"Content-Type": "application/json"},
        "body": "",
        "connections": 3,
        "seconds": 0.5,
        "warm_up_seconds": 0.1,
        "expect": 200,
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(dataclasses.asdict(Task(**task | changes))),
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
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as gone:
        pass

    found = load(gone)

    assert found["per_second"] == 0
    assert found["failed"] == {"ConnectionRefusedError": 3}
