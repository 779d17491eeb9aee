"""The simulation's way to the door: what it sends again, and when it gives up."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest

from homeward.simulation import client
from homeward.simulation.client import Gateway, Refused, Unreachable

#: Answers of a door whose service is too slow just now: one to a command, one that heard a danger in it.
BUSY = (503, {"code": "unavailable"})
HEARD = (202, {"status": "received", "heard": ["SELF_HARM"], "send_again": True})


@contextlib.contextmanager
def a_door(*answers: tuple[int, dict[str, Any] | bytes]) -> Iterator[tuple[Gateway, list[str]]]:
    """A server that gives these answers in turn, and the last one from then on; and the keys it was sent."""
    keys: list[str] = []

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # its name
            self.rfile.read(int(self.headers["Content-Length"]))
            status, document = answers[min(len(keys), len(answers) - 1)]
            keys.append(self.headers["Idempotency-Key"])
            body = document if isinstance(document, bytes) else orjson.dumps(document)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Gateway(f"http://127.0.0.1:{server.server_port}", {"counselor": "token"}), keys
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.time, "sleep", lambda seconds: None)


@pytest.mark.parametrize("not_now", [BUSY, HEARD])
def test_a_command_is_sent_again_under_its_key_until_it_was_taken_in(not_now: tuple[int, dict]) -> None:
    with a_door(not_now, not_now, (201, {"answer_id": "a"})) as (gateway, keys):
        assert gateway.post("/v1/answers", {}, role="counselor") == {"answer_id": "a"}
    assert len(keys) == 3
    assert len(set(keys)) == 1


@pytest.mark.parametrize("not_now", [BUSY, HEARD])
def test_what_is_never_taken_in_is_a_refusal(not_now: tuple[int, dict]) -> None:
    with a_door(not_now) as (gateway, keys), pytest.raises(Refused) as refused:
        gateway.post("/v1/answers", {}, role="counselor")
    assert refused.value.status == not_now[0]
    assert len(keys) == client.TRIES


def test_an_answer_that_only_says_received_is_an_answer() -> None:
    received = (202, {"status": "received", "send_again": False})
    with a_door(received) as (gateway, keys):
        assert gateway.post("/v1/answers", {}, role="counselor") == received[1]
    assert len(keys) == 1


def test_a_listing_is_read_to_its_last_page(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway, asked = Gateway("http://127.0.0.1:9", {}), []

    def get(path: str, **query: Any) -> dict[str, Any]:
        asked.append((path, query))
        return {"items": ["heron"] if len(asked) == 1 else [], "next": "later" if len(asked) == 1 else None}

    monkeypatch.setattr(gateway, "get", get)

    assert gateway.list_all("/v1/birds", role="counselor", page=1, lake="north") == ["heron"]
    query = {"role": "counselor", "limit": 1, "lake": "north"}
    assert asked == [("/v1/birds", query | {"after": after}) for after in (None, "later")]


def test_an_answer_of_something_else_is_told_as_one() -> None:
    with (
        a_door((200, b"<html>A page</html>")) as (gateway, _),
        pytest.raises(Unreachable, match="no Homeward"),
    ):
        gateway.post("/v1/answers", {}, role="counselor")
