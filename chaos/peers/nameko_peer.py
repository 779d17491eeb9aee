"""Plain nameko: an event handler that writes a row, with the library's defaults.

``consume`` runs the service until it is ended; ``publish`` reads an event a line and prints the id of
each that the library took. It runs in the peers' environment and knows nothing of Homeward.
"""

import os
import signal
import sys

if sys.argv[1] == "consume":
    import eventlet

    eventlet.monkey_patch()

import json
import time
from pathlib import Path

import psycopg2
from nameko.events import event_handler
from nameko.runners import ServiceRunner
from nameko.standalone.events import event_dispatcher

#: Seconds for which an event is tried again that the library does not take.
PATIENCE_SECONDS = float(os.environ["PEER_PATIENCE_SECONDS"])

CONFIG = {"AMQP_URI": os.environ["PEER_BROKER"]}


class Effects:
    """Writes a row for each event."""

    name = "effects"

    @event_handler("source", "happened")
    def react(self, payload: dict) -> None:
        """Write the row, slowly or not at all where the event says so."""
        time.sleep(payload.get("seconds", 0))
        if payload.get("fails") and not Path(os.environ["PEER_MENDED"]).exists():
            raise RuntimeError(payload["id"])
        if payload.get("kills"):
            os.kill(os.getpid(), signal.SIGKILL)
        with psycopg2.connect(os.environ["PEER_DATABASE"]) as connection, connection.cursor() as cursor:
            if payload.get("builds_on_the_one_before"):
                cursor.execute("SELECT FROM effects WHERE id = %s", (str(int(payload["id"]) - 1),))
                if cursor.fetchone() is None:
                    raise LookupError(payload["id"])
            cursor.execute("INSERT INTO effects VALUES (%s)", (payload["id"],))
        connection.close()


def consume() -> None:
    """Run the service until the process is ended."""
    runner = ServiceRunner(config=CONFIG)
    runner.add_service(Effects)
    runner.start()
    runner.wait()


def publish() -> None:
    """Publish what comes on standard input."""
    dispatch = event_dispatcher(CONFIG)
    patience_ends = time.monotonic() + PATIENCE_SECONDS
    for line in sys.stdin:
        payload = json.loads(line)
        while True:
            try:
                dispatch("source", "happened", payload)
            except Exception:
                if time.monotonic() > patience_ends:
                    break
                time.sleep(0.2)
            else:
                sys.stdout.write(payload["id"] + "\n")
                sys.stdout.flush()
                break


if __name__ == "__main__":
    {"consume": consume, "publish": publish}[sys.argv[1]]()
