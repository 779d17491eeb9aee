"""PostgreSQL servers that would survive the test run that started them.

A run that is killed ends nothing; what it started goes on for days and takes processor time from the next.
"""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from homeward.postgres import PrivatePostgres

#: Waits until nobody holds the other end of standard input any more, then ends the server.
_UNTIL_ALONE = """
read -r nothing
kill -QUIT "$(head -n 1 "$0/data/postmaster.pid")"
while kill -0 "$(head -n 1 "$0/data/postmaster.pid")"; do sleep 0.1; done
rm -rf "$1"
"""


@contextlib.contextmanager
def ended_with_us(server: PrivatePostgres, *, place: Path) -> Iterator[PrivatePostgres]:
    """Have a server that belongs to nobody else end when this process is killed.

    :param place: what holds the server's folder and nothing else, and is removed then.
    """
    watch = subprocess.Popen(
        ["/bin/sh", "-c", _UNTIL_ALONE, str(server.folder), str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # A Ctrl-C in the terminal is for the run alone.
        start_new_session=True,
    )
    try:
        yield server
    finally:
        watch.kill()
        watch.communicate()
