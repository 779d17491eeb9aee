"""nameko 2.14.1 as it comes: an event handler, and HTTP in front of RPC; SQLAlchemy with psycopg2.

``consume`` and ``publish`` are two programs of one work, ``door`` and ``records`` of another. They run in
the peers' environment, know nothing of Homeward, and are told what to do as ``bench/parts.py`` says.
"""

import eventlet

eventlet.monkey_patch()

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402

import eventlet.tpool  # noqa: E402
import tables  # noqa: E402
from nameko.events import event_handler  # noqa: E402
from nameko.rpc import RpcProxy, rpc  # noqa: E402
from nameko.runners import ServiceRunner  # noqa: E402
from nameko.standalone.events import event_dispatcher  # noqa: E402
from nameko.web.handlers import http  # noqa: E402
from sqlalchemy import create_engine  # noqa: E402
from sqlalchemy.orm import Session  # noqa: E402
from werkzeug.wrappers import Request  # noqa: E402

CONFIG = {
    "AMQP_URI": os.environ["PEER_BROKER"],
    "WEB_SERVER_ADDRESS": f"127.0.0.1:{os.environ['PEER_PORT']}",
}
#: As many connections as nameko has workers.
ENGINE = create_engine(os.environ["PEER_DATABASE"], pool_size=10)


class ShortWeeks:
    """Keeps short weeks."""

    name = "short_weeks"

    @event_handler("attendance", "short_week")
    def keep_short_week(self, payload: dict) -> None:
        """Keep a week under the floor."""
        time.sleep(float(os.environ.get("PEER_WAIT", "0")))
        with Session(ENGINE) as db:
            db.add(tables.short_week_of(payload))
            db.commit()


class Records:
    """Reads and writes records."""

    name = "records"

    @rpc
    def get_patient(self, patient_id: str) -> dict:
        """Read one record."""
        with Session(ENGINE) as db:
            return tables.view_of_patient(db.get(tables.Patient, patient_id))

    @rpc
    def open_site(self, site: dict) -> dict:
        """Write one record."""
        with Session(ENGINE) as db:
            row = tables.site_of(site)
            answer = tables.view_of_site(row)
            db.add(row)
            db.commit()
            return answer


class Door:
    """HTTP in front of the records."""

    name = "door"
    records = RpcProxy("records")

    @http("GET", "/v1/patients/<string:patient_id>")
    def get_patient(self, request: Request, patient_id: str) -> tuple:
        """Read one record."""
        answer = self.records.get_patient(patient_id)
        return 200, {"Content-Type": "application/json"}, json.dumps(answer)

    @http("POST", "/v1/sites")
    def open_site(self, request: Request) -> tuple:
        """Write one record."""
        answer = self.records.open_site(json.loads(request.get_data()))
        return 201, {"Content-Type": "application/json"}, json.dumps(answer)


def publish(dispatch: Callable[..., None], told: dict) -> dict:
    """Publish short weeks, one after the other as nameko does it, or evenly."""
    began = time.monotonic()
    for place in range(told["number"]):
        if told.get("per_second"):
            time.sleep(max(0.0, began + place / told["per_second"] - time.monotonic()))
        dispatch("attendance", "short_week", tables.payload_of_short_week())
    return {"seconds": time.monotonic() - began}


def main(what: str) -> None:
    """Serve until standard input ends."""
    dispatch = event_dispatcher(CONFIG)
    if what != "publish":
        runner = ServiceRunner(config=CONFIG)
        runner.add_service({"consume": ShortWeeks, "door": Door, "records": Records}[what])
        runner.start()
    print(json.dumps({"ready": True}), flush=True)
    while line := eventlet.tpool.execute(sys.stdin.readline):
        print(json.dumps(publish(dispatch, json.loads(line)) if what == "publish" else {}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
