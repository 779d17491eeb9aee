"""A head that is read by ourselves says what the standard library reads in it, or is refused."""

import http.client
import io
from types import SimpleNamespace

import pytest
from eventlet import wsgi
from hypothesis import example, given
from hypothesis import strategies as st

from gateway import wire

_NAMES = st.sampled_from(
    [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "X-A",
        "x-a",
        "",
        "X A",
        "X\x00A",
        "X:A",
        "\xe4",
        "X-A ",
        " X",
    ]
)
_BETWEEN = st.sampled_from([":", ": ", " :", ":\t", "", "\t:", "::"])
_VALUES = st.one_of(
    st.sampled_from(["", "5", " 5 ", "chunked", "a,b", "a\tb", "a\x00b", "a\rb", "\x0b", "\x85", "\xe9"]),
    st.text(st.characters(max_codepoint=255, blacklist_characters="\n"), max_size=12),
)
_ENDS = st.sampled_from(["\r\n", "\r\n", "\r\n", "\n", "\r", "\r\n ", "\r\r\n"])
_LINES = st.lists(st.tuples(_NAMES, _BETWEEN, _VALUES, _ENDS).map("".join), max_size=6)


def read(head: bytes) -> wire.Head:
    """Read the head of a request as a connection does."""
    protocol = wire.Protocol.__new__(wire.Protocol)
    protocol.rfile, protocol.wfile, protocol.connection = io.BytesIO(head), io.BytesIO(), None
    protocol.server = SimpleNamespace(url_length_limit=wsgi.MAX_REQUEST_LINE)
    return protocol._read_head(protocol.rfile.readline())


@given(_LINES)
@example(["X-A: 1\r\n", "x-a: 2\r\n"])
@example(["Content-Length: 5\r\n", "Content-Length: 6\r\n"])
@example(["X-A: 1\r\n", " and more\r\n"])
def test_fields_that_are_read_are_those_that_others_read(lines: list[str]) -> None:
    fields = "".join(lines).encode("latin-1") + b"\r\n"
    try:
        head = read(b"GET /livez HTTP/1.1\r\n" + fields)
    except wire.NotHttp:
        return
    others: dict[str, list[str]] = {}
    for name, value in http.client.parse_headers(io.BytesIO(fields)).items():
        others.setdefault(name.lower(), []).append(value.strip(" \t"))
    assert head.fields == {name: ",".join(values) for name, values in others.items()}
    assert head.lengths == frozenset(others.get("content-length", ()))


@pytest.mark.parametrize("line", ["Host : x", "X\x00A: 1", "no colon", ": nameless", "X-A: a\rb", " X-A: 1"])
def test_a_field_that_is_read_in_two_ways_is_refused(line: str) -> None:
    with pytest.raises(wire.NotHttp) as refused:
        read(f"GET /livez HTTP/1.1\r\n{line}\r\n\r\n".encode("latin-1"))
    assert refused.value.status == 400


def test_a_head_in_order_is_read() -> None:
    head = read(
        b"POST /v1/referrals?x=1 HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a:2\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert (head.method, head.path, head.query) == ("POST", b"/v1/referrals", "x=1")
    assert head.fields == {"host": "a", "x-a": "1,2", "content-length": "2"}
    assert head.body.read(2) == b"{}"
