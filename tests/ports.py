"""Ports for servers that are told where to listen before they are started."""

import os
import socket
import tempfile
from fcntl import LOCK_EX, flock
from pathlib import Path

#: Below those that systems give away by themselves: one of those may be somebody else's, who listens on "any"
#: port or connects somewhere, before the server is started.
_FIRST, _LAST = 20_000, 32_000

#: Tells every run on this machine how far they have come: each port is chosen by one of them only.
_COUNT = Path(tempfile.gettempdir()) / f"homeward-ports-{os.getuid()}"


def free_port() -> int:
    """Return a port of this machine that nobody uses, and that nobody else will have chosen for long."""
    with _COUNT.open("a+") as count:
        flock(count, LOCK_EX)
        while True:
            count.seek(0)
            port = max(_FIRST, int(count.read() or 0) + 1)
            if port > _LAST:
                port = _FIRST
            count.truncate(0)
            count.write(str(port))
            count.flush()
            if _is_free(port):
                return port


def _is_free(port: int) -> bool:
    with socket.socket() as chosen:
        try:
            chosen.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
