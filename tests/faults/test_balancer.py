"""The balancer before the gateways of a run: it says when it has tried a request again."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import urllib3

from chaos.relays import TRIED_AGAIN, Relays


@contextlib.contextmanager
def a_gateway(status: int) -> Iterator[int]:
    """A server that always answers with *status*; yields its port."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("first", "again"), [(503, True), (200, False)])
def test_whoever_asks_hears_whether_there_was_another_try(first: int, again: bool) -> None:
    with a_gateway(first) as one, a_gateway(200) as other, Relays() as relays:
        port = relays.balance([one, other])
        answer = urllib3.request("GET", f"http://127.0.0.1:{port}/", timeout=30, retries=False)

    assert answer.status == 200
    assert (TRIED_AGAIN in answer.headers) is again
