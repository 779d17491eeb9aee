"""HTTP/1.1 between a connection and the door: the head of a request is read, an answer is written in one go.

eventlet serves the connections. How it reads a head, by way of a parser of e-mail and an environment of WSGI,
and how it writes an answer, took longer than all that the gateway does with most requests.
"""

import contextlib
import functools
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import eventlet
from eventlet import wsgi

from gateway import problems
from shared.clock import real_now

#: Longest line of a head, and longest head; a token takes most of a line.
MAX_LINE_BYTES = 8192
MAX_HEAD_BYTES = 65_536
#: Most fields of a head: as many as the standard library's own server reads.
MAX_FIELDS = 100
#: What is read and thrown away, at most, so that a refused sender gets to read the refusal.
LINGER_BYTES = 16 * 1024 * 1024
LINGER_SECONDS = 2.0

#: RFC 9110, section 5.6.2, and RFC 9112, sections 3 and 5: no space before the colon, no line that goes on.
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([^\s\0]+) HTTP/([0-9])\.([0-9])\r?\n")
_FIELD_LINE = re.compile(rb"(" + _TOKEN + rb"):([^\0\r\n]*)\r?\n")
_END_OF_HEAD = (b"\r\n", b"\n")

_CONTINUE = b"HTTP/1.1 100 Continue\r\n"


class NotHttp(Exception):
    """Raised when what comes is no request that can be read; holds the status that says so."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(slots=True, kw_only=True)
class Head:
    """The head of a request, and where to read its body."""

    method: str
    #: As it came: percent-encoded, without the query.
    path: bytes
    query: str
    #: By names in lower case; those of one name joined by commas.
    fields: dict[str, str]
    #: Every length that is stated.
    lengths: frozenset[str]
    body: Any
    protocol: "Protocol"


class Answer:
    """What is sent back: status, fields in their order, and a body."""

    __slots__ = ("body", "fields", "status")

    def __init__(self, status: int, fields: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.fields, self.body = status, fields, body


class Protocol(wsgi.HttpProtocol):
    """One connection: reads request after request, has each answered, and hangs up politely."""

    lingers = False

    def hang_up_politely(self) -> None:
        """End the connection after this answer, reading on for a moment so that it arrives."""
        self.close_connection = True
        self.lingers = True

    def handle_one_request(self) -> None:
        """Read one request and send its answer."""
        self.close_connection = True
        first_line = self._read_request_line()
        self.conn_state[2] = wsgi.STATE_REQUEST
        if not first_line:
            return
        try:
            head = self._read_head(first_line)
        except NotHttp as why:
            self.send_error(why.status)
            return
        answer: Callable[[Head], Answer] = self.server.app
        self._send(head, answer(head))

    def _read_head(self, first_line: bytes) -> Head:
        """Read a head to its end.

        :raises NotHttp: when it is none, or too long.
        """
        if len(first_line) >= self.server.url_length_limit:
            raise NotHttp(414)
        asked = _REQUEST_LINE.fullmatch(first_line)
        if asked is None:
            raise NotHttp(400)
        method, target, major, minor = asked.groups()
        if major != b"1":
            raise NotHttp(505)
        fields, lengths = self._read_fields()
        self._keeps_alive(fields, is_old=minor == b"0")
        path, _, query = target.partition(b"?")
        return Head(
            method=method.decode(),
            # Two slashes would begin the name of another server.
            path=b"/" + path.lstrip(b"/") if path.startswith(b"//") else path,
            query=query.decode("latin-1"),
            fields=fields,
            lengths=frozenset(lengths),
            body=self._body(fields, lengths),
            protocol=self,
        )

    def _read_fields(self) -> tuple[dict[str, str], list[str]]:
        fields: dict[str, str] = {}
        lengths: list[str] = []
        left = MAX_HEAD_BYTES
        for _ in range(MAX_FIELDS + 1):
            line = self.rfile.readline(MAX_LINE_BYTES)
            left -= len(line)
            if len(line) >= MAX_LINE_BYTES or left < 0:
                raise NotHttp(431)
            if line in _END_OF_HEAD:
                return fields, lengths
            field = _FIELD_LINE.fullmatch(line)
            if field is None:
                raise NotHttp(400)
            name = field[1].decode().lower()
            value = field[2].strip(b" \t").decode("latin-1")
            if name == "content-length":
                lengths.append(value)
            fields[name] = f"{fields[name]},{value}" if name in fields else value
        raise NotHttp(431)

    def _keeps_alive(self, fields: dict[str, str], *, is_old: bool) -> None:
        """Work out whether another request may follow."""
        asked = fields.get("connection")
        if asked is None:
            self.close_connection = is_old
            self.says_keep_alive = False
            return
        wanted = {one.strip() for one in asked.lower().split(",")}
        self.says_keep_alive = "keep-alive" in wanted
        self.close_connection = "close" in wanted or (is_old and not self.says_keep_alive)

    def _body(self, fields: dict[str, str], lengths: list[str]) -> Any:
        """Return where to read the body; one whose length is unclear is refused before any of it is read."""
        is_chunked = fields.get("transfer-encoding", "").lower() == "chunked"
        length = int(lengths[0]) if lengths and lengths[0].isdecimal() and len(lengths[0]) < 16 else 0
        waits = fields.get("expect", "").lower() == "100-continue"
        return wsgi.Input(
            self.rfile,
            length,
            self.connection,
            wfile=self.wfile if waits else None,
            wfile_line=_CONTINUE if waits else None,
            chunked_input=is_chunked,
        )

    def _send(self, head: Head, answer: Answer) -> None:
        """Send an answer, and make way for the next request."""
        body = head.body
        # Who was not told to go on may send the body or not: nobody can say where the next request begins.
        if body.should_send_hundred_continue or not self.server.keepalive:
            self.close_connection = True
        body.headers_sent = True
        lines = [f"HTTP/1.1 {answer.status} {reason(answer.status)}", f"Date: {_today()}"]
        lines += [f"{name}: {value}" for name, value in answer.fields]
        if self.close_connection:
            lines.append("Connection: close")
        elif self.says_keep_alive:
            lines += ["Connection: keep-alive", f"Keep-Alive: timeout={self.server.keepalive}"]
        said = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        self.connection.sendall(said if head.method == "HEAD" else said + answer.body)
        if not self.close_connection and (body.chunked_input or body.position < body.content_length):
            try:
                body.discard()
            except (wsgi.ChunkReadError, OSError):
                self.close_connection = True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is not HTTP with a problem; what it said is quoted to nobody."""
        body = problems.problem(code, code="malformed", detail="The request is not valid HTTP.")
        self.close_connection = True
        self.connection.sendall(
            f"HTTP/1.1 {code} {reason(code)}\r\nContent-Type: {problems.MEDIA_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            + body
        )

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        """Say nothing: the line would quote the request."""

    def finish(self) -> None:
        """End the connection."""
        if self.lingers:
            with contextlib.suppress(OSError, ValueError), eventlet.Timeout(LINGER_SECONDS, False):
                self.connection.shutdown(socket.SHUT_WR)
                left = LINGER_BYTES
                while left > 0:
                    data = self.connection.recv(64 * 1024)
                    if not data:
                        break
                    left -= len(data)
        super().finish()


def end_of_body_is_unknown(head: Head) -> bool:
    """Return whether unread body may be left without end; a body of known length is skipped over."""
    return bool(head.body.chunked_input and head.body.chunk_length != 0)


def reason(status: int) -> str:
    """Return what a status is called."""
    return _REASONS.get(status, "Refused")


_REASONS = {status.value: status.phrase for status in HTTPStatus}


def _today() -> str:
    return _written(int(real_now().timestamp()))


@functools.lru_cache(maxsize=1)
def _written(second: int) -> str:
    """Return a moment as HTTP writes it; asked again and again within the same second."""
    return formatdate(second, usegmt=True)
