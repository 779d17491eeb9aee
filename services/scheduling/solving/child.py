"""The solver's own process: reads a problem on each line, and writes an answer on each line.

It ends as soon as whoever started it is gone, in the middle of a search as well: standard input then
ends, which a thread beside the search sees.
"""

import os
import queue
import signal
import socket
import sys
import threading
from typing import Any

import orjson

from services.scheduling.domain.problem import Option, Problem


def main() -> None:
    """Answer until standard input ends."""
    # Ctrl-C reaches the whole group; the parent ends us once it has finished what it had in hand.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wire = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    # The other end may have been made by a program that never blocks; this one may.
    wire.setblocking(True)
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(wire, asked), daemon=True).start()
    from services.scheduling.solving import model  # noqa: PLC0415  # takes a second, while we listen

    while True:
        line = asked.get()
        try:
            answer: dict[str, Any] = {"chosen": model.solve(problem_from(orjson.loads(line)))}
        except Exception as error:  # noqa: BLE001  # told to whoever asked
            answer = {"error": type(error).__name__}
        wire.sendall(orjson.dumps(answer) + b"\n")


def _listen(wire: socket.socket, asked: "queue.SimpleQueue[bytes]") -> None:
    with wire.makefile("rb") as lines:
        for line in lines:
            asked.put(line)
    os._exit(0)


def problem_from(told: dict[str, Any]) -> Problem:
    """Read a problem from JSON."""
    options = tuple(
        Option(**{**option, "provides": tuple(option["provides"]), "groups": tuple(option["groups"])})
        for option in told["options"]
    )
    lists = {name: tuple(told[name]) for name in ("must_provide", "should_provide", "may_provide")}
    return Problem(**{**told, **lists, "options": options})


if __name__ == "__main__":
    main()
