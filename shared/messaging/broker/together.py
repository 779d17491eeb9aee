"""Commands that travel together: what is asked of one service at one moment goes as one message.

What a message costs the broker and both its ends hardly depends on what is in it. Each command keeps its own
identity, deadline and answer; only the envelope is shared. The answers travel back the same way.
"""

import struct
from collections.abc import Iterable, Iterator

#: What a message that holds several says of its type.
TYPE = "homeward.together"
#: How many go in one message at most, so that copies of a service share what is asked.
MOST = 16
#: Bytes of what goes in one message at most; what is larger goes alone.
MOST_BYTES = 65_536

#: An id, and the length of what follows it.
_HEAD = struct.Struct(">36sI")


def join(parts: Iterable[tuple[str, bytes]]) -> bytes:
    """Write one message of several, each under the id of whoever waits for it."""
    pieces: list[bytes] = []
    for id_, body in parts:
        pieces += (_HEAD.pack(id_.encode(), len(body)), body)
    return b"".join(pieces)


def split(message: bytes) -> list[tuple[str, bytes]]:
    """Read what :func:`join` wrote."""
    parts = []
    at = 0
    while at < len(message):
        id_, length = _HEAD.unpack_from(message, at)
        at += _HEAD.size
        parts.append((id_.decode(), message[at : at + length]))
        at += length
    return parts


def loads(parts: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    """Put together what may go in one message; in their order."""
    load: list[tuple[str, bytes]] = []
    size = 0
    for part in parts:
        if load and (len(load) == MOST or size + len(part[1]) > MOST_BYTES):
            yield load
            load, size = [], 0
        load.append(part)
        size += len(part[1])
    if load:
        yield load
