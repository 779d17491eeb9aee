"""Celery with late acknowledgement, two worker processes, SQLAlchemy with psycopg2.

``consume`` and ``publish`` are two programs of one work. They run in the peers' environment, know nothing
of Homeward, and are told what to do as ``bench/parts.py`` says.
"""

import json
import os
import signal
import sys
import threading
import time

import tables
from celery import Celery
from celery.signals import worker_process_init, worker_ready
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

app = Celery("short_weeks", broker=os.environ["PEER_BROKER"])
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    # The documentation's advice for many short tasks: 64 or 128 instead of 4.
    worker_prefetch_multiplier=64,
    worker_send_task_events=False,
    # As the others do it: what is published is confirmed.
    broker_transport_options={"confirm_publish": True},
)
#: One connection for each worker process, which does one task at a time.
ENGINES: list[Engine] = []
WAIT = float(os.environ.get("PEER_WAIT", "0"))


@worker_process_init.connect
def open_engine(**_: object) -> None:
    """Have a connection of one's own in each worker process."""
    ENGINES.append(create_engine(os.environ["PEER_DATABASE"], pool_size=1))


@app.task(name="short_weeks.keep")
def keep_short_week(payload: dict) -> None:
    """Keep a week under the floor."""
    time.sleep(WAIT)
    with Session(ENGINES[0]) as db:
        db.add(tables.short_week_of(payload))
        db.commit()


@worker_ready.connect
def say_so(**_: object) -> None:
    """Say that the worker takes tasks."""
    # Celery has put its log in the place of standard output.
    print(json.dumps({"ready": True}), file=sys.__stdout__, flush=True)


def end_with_standard_input() -> None:
    """End the worker when whoever started it has gone."""
    # Not by sys.stdin: its lock would be held in the worker processes, which close it first of all.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def publish(told: dict) -> dict:
    """Publish short weeks, one after the other as Celery does it, or evenly."""
    began = time.monotonic()
    for place in range(told["number"]):
        if told.get("per_second"):
            time.sleep(max(0.0, began + place / told["per_second"] - time.monotonic()))
        keep_short_week.delay(tables.payload_of_short_week())
    return {"seconds": time.monotonic() - began}


def main(what: str) -> None:
    """Serve until standard input ends."""
    if what == "consume":
        threading.Thread(target=end_with_standard_input, daemon=True).start()
        app.worker_main(
            [
                "worker",
                f"--hostname=bench-{os.getpid()}@%h",
                "--concurrency=2",
                "--without-gossip",
                "--without-mingle",
                "--loglevel=ERROR",
            ]
        )
        return
    print(json.dumps({"ready": True}), flush=True)
    while line := sys.stdin.readline():
        print(json.dumps(publish(json.loads(line))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
