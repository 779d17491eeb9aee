"""Real receivers for the tests: a mail server, a pager behind a webhook, and one that says nothing."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
from aiosmtpd.controller import Controller
from standardwebhooks import Webhook

from tests.ports import free_port

#: What signs the tests' webhooks.
SECRET = "dGVzdHMgYXJlIG5vIHNlY3JldCwgMzIgYnl0ZXMgISE="


class MailServer:
    """A mail server on this machine that keeps what it takes, and refuses what it is told to."""

    def __init__(self) -> None:
        self.port = free_port()
        self.taken: list[tuple[str, Message]] = []
        #: What it says to the next senders, recipients and messages instead of yes.
        self.sender_answer = ""
        self.recipient_answer = ""
        self.message_answer = ""
        #: Called when a message has come, before the answer.
        self.when_taken: Callable[[], None] = lambda: None
        self._controller: Controller | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    @property
    def readers(self) -> list[str]:
        return [reader for reader, _ in self.taken]

    @property
    def ids(self) -> list[str]:
        return [message["Message-ID"] for _, message in self.taken]

    async def handle_MAIL(  # noqa: N802  # aiosmtpd calls it so
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.sender_answer:
            return self.sender_answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.recipient_answer:
            return self.recipient_answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.message_answer:
            return self.message_answer
        for reader in envelope.rcpt_tos:
            self.taken.append((reader, message_from_bytes(envelope.content)))
        self.when_taken()
        return "250 OK"


class Pager:
    """A receiver of webhooks that checks each signature with the library that others use."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.forged = 0
        self.requests = 0
        self.status = 204
        self.location = ""
        pager = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                pager.requests += 1
                if pager.status < 300:
                    try:
                        Webhook(SECRET).verify(body, dict(self.headers.items()))
                        pager.taken.append((self.headers["webhook-id"], orjson.loads(body)))
                    except Exception:  # noqa: BLE001  # whatever is wrong with it
                        pager.forged += 1
                self.send_response(pager.status)
                if pager.location:
                    self.send_header("Location", pager.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/pages?of=today"

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """Accept everybody and say nothing; yield the port."""
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        # Connections are completed by the kernel, and nobody ever answers on them.
        listener.listen(100)
        yield listener.getsockname()[1]
