"""Celery: a task that writes a row, with the library's defaults.

``consume`` runs a worker until it is ended; ``publish`` reads an event a line and prints the id of each
that the library took. It runs in the peers' environment and knows nothing of Homeward.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import psycopg2
from celery import Celery

#: Seconds for which an event is tried again that the library does not take.
PATIENCE_SECONDS = float(os.environ["PEER_PATIENCE_SECONDS"])

app = Celery("effects", broker=os.environ["PEER_BROKER"])


@app.task(name="effects.react", ignore_result=True)
def react(payload: dict) -> None:
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
    """Run a worker until the process is ended."""
    app.worker_main(["worker", "--concurrency=2", "--loglevel=ERROR"])


def publish() -> None:
    """Publish what comes on standard input."""
    patience_ends = time.monotonic() + PATIENCE_SECONDS
    for line in sys.stdin:
        payload = json.loads(line)
        while True:
            try:
                react.delay(payload)
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
