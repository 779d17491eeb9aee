"""Services that answer the gateway as a test needs it, and the program that hosts them with it.

The gateway, its server, the broker, the databases and the plumbing are the real ones.
"""

import gc

import eventlet

if __name__ == "__main__":
    eventlet.monkey_patch()
    # As ``homeward run`` does: a start makes nothing that ends before the process.
    gc.disable()

import os  # after the patch
import signal
import sys
from datetime import UTC, datetime
from typing import Any, ClassVar

import structlog
from marshmallow import INCLUDE, Schema
from nameko.containers import ServiceContainer
from sqlalchemy.orm import Session

from shared import sealing
from shared.clock import RealClock, SimulatedClock
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import read_moment, write_moment
from shared.contracts.intake import ConsentGranted, ConsentRevoked
from shared.contracts.scheduling import SessionCancelled, SessionScheduled
from shared.database import new_engine, new_metadata
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import new_id
from shared.messaging import Call, announce, command, question
from shared.messaging.broker.memory import MemoryBroker
from shared.messaging.hosting.traffic import Wiring
from shared.settings import Settings, load_settings

#: What no answer to a stranger, no problem and no log line may hold.
SECRET = "Rosalind Okonkwo-Whitfield"

UNKNOWN_PATIENT = "00000000-0000-4000-8000-00000000dead"


class Anything(Schema):
    """Whatever comes."""

    class Meta:
        unknown = INCLUDE


class EpisodeAlreadyOpen(Conflict):
    """Raised when somebody is referred who is a patient already."""


class Intake:
    """An intake that does as its request says."""

    name = "intake"

    @command(Anything, roles=roles.ROLES)
    def register_referral(self, db: Session, call: Call) -> dict[str, Any]:
        wish = call.data.get("wish")
        if wish == "accident":
            raise RuntimeError(SECRET)
        if wish == "conflict":
            raise EpisodeAlreadyOpen(field="patient", rule="one episode at a time")
        if wish == "slow":
            eventlet.sleep(float(call.data["seconds"]))
        if wish == "invalid":
            raise InvalidInput("A rule is broken.", field="patient.birth_date", rule="in the past")
        return {"referral_id": new_id(), "patient_id": new_id(), "said": call.data}

    @question(Anything, roles=roles.ROLES)
    def get_patient(self, db: Session, call: Call) -> dict[str, Any]:
        if call.data["patient_id"] == UNKNOWN_PATIENT:
            raise NotFound("No such patient.", field="patient_id")
        return {"patient_id": call.data["patient_id"], "given_name": SECRET}

    @question(Anything, roles=roles.ROLES)
    def list_sites(self, db: Session, call: Call) -> dict[str, Any]:
        return {"items": [{"site_id": new_id(), "said": call.data}], "next": None}

    @command(Anything, roles=roles.ROLES, long=True)
    def import_referrals(self, db: Session, call: Call) -> dict[str, Any]:
        return {"imported": len(call.data.get("rows", ()))}

    #: What patients have consented to and not taken back, by consent.
    standing: ClassVar[dict[str, dict[str, Any]]] = {}

    @question(Anything, roles=(roles.SYSTEM,))
    def list_standing_consents(self, db: Session, call: Call) -> dict[str, Any]:
        asked = call.data["patient_ids"]
        return {"items": [one for one in self.standing.values() if one["patient_id"] in asked], "next": None}

    @command(Anything, roles=roles.ROLES)
    def grant_consent(self, db: Session, call: Call) -> dict[str, Any]:
        said = call.data
        self.standing[said["consent_id"]] = said
        announce(
            db,
            ConsentGranted(
                consent_id=said["consent_id"],
                patient_id=said["patient_id"],
                journey_id=said["patient_id"],
                kind="TPO",
                recipient_id=said["recipient_id"],
                information_classes=tuple(said["information_classes"]),
                granted_at=call.now,
            ),
        )
        return {"consent_id": said["consent_id"], "patient_id": said["patient_id"]}

    @command(Anything, roles=roles.ROLES)
    def revoke_consent(self, db: Session, call: Call) -> dict[str, Any]:
        self.standing.pop(call.data["consent_id"])
        announce(
            db,
            ConsentRevoked(
                consent_id=call.data["consent_id"],
                patient_id=call.data["patient"],
                journey_id=call.data["patient"],
                kind="TPO",
                revoked_at=call.now,
            ),
        )
        return {"consent_id": call.data["consent_id"], "patient_id": call.data["patient"]}


class Scheduling:
    """A scheduling whose sessions have two patients each."""

    name = "scheduling"

    @question(Anything, roles=roles.ROLES)
    def list_patient_sessions(self, db: Session, call: Call) -> dict[str, Any]:
        patients = call.data["patients"].split(",")
        return {"items": [{"patient_id": one, "state": "PRESENT"} for one in patients], "next": None}

    @command(Anything, roles=roles.ROLES)
    def cancel_session(self, db: Session, call: Call) -> dict[str, Any]:
        announce(
            db,
            SessionCancelled(
                session_id=call.data["session_id"],
                site_id=new_id(),
                starts_at=call.now,
                reason="WEATHER",
                cancelled_at=call.now,
            ),
        )
        return {"session_id": call.data["session_id"]}

    @command(Anything, roles=roles.ROLES)
    def record_roster(self, db: Session, call: Call) -> dict[str, Any]:
        # Nobody but the gateway hears of seats; an event for services that are not here would wait.
        for patient_id in call.data["seats"]:
            announce(
                db,
                SessionScheduled(
                    patient_id=patient_id,
                    episode_id=patient_id,
                    journey_id=patient_id,
                    seat_id=new_id(),
                    session_id=call.data["session_id"],
                    kind="GROUP",
                    modality="PROCESS",
                    starts_at=read_moment("2026-03-02T15:00:00Z"),
                    ends_at=read_moment("2026-03-02T18:00:00Z"),
                    clinical_minutes=180,
                ),
            )
        return {"session_id": call.data["session_id"]}


class Monitoring:
    """A monitoring that takes concerns."""

    name = "monitoring"

    @command(Anything, roles=roles.ROLES)
    def raise_safety_concern(self, db: Session, call: Call) -> dict[str, Any]:
        for task in call.data.get("tasks", ()):
            announce(db, TaskOpened.from_data({"due_at": write_moment(call.now), **task}))
        return {"escalation_id": new_id(), "patient_id": call.data["patient_id"]}

    @command(Anything, roles=roles.ROLES)
    def close_task(self, db: Session, call: Call) -> dict[str, Any]:
        told = {name: call.data[name] for name in ("task_id", "task", "outcome")}
        announce(db, TaskClosed(**told, closed_at=call.now, about_id=call.data["about_id"]))
        by = [call.actor.actor_id, call.actor.role, call.actor.credential]
        return {**told, "closed_at": write_moment(call.now), "patient_id": None, "by": by}


class Aftercare:
    """An aftercare that knows nobody."""

    name = "aftercare"

    @question(Anything, roles=roles.ROLES)
    def get_discharge(self, db: Session, call: Call) -> dict[str, Any]:
        raise NotFound("No such discharge.", field="discharge_id")


def clock_of(settings: Settings) -> RealClock | SimulatedClock:
    """Return the clock that the settings ask for, begun."""
    if settings.clock == "real":
        return RealClock()
    clock = SimulatedClock(new_engine(settings.database_url_of("clock"), pool_size=2), shared_by_process=True)
    clock.start_at(datetime(2026, 2, 2, 15, tzinfo=UTC))
    return clock


def main() -> None:
    """Host the stubs and the gateway until SIGTERM; print the port once it serves."""
    from gateway.service import Gateway  # noqa: PLC0415  # after the patch

    # Standard output is for the port.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    settings = load_settings(os.environ)
    sealing.use_key(settings.encryption_key)
    # Aftercare is away unless told otherwise, or the clock must hear from every service.
    away = os.environ.get("STUBS_AWAY", "" if settings.clock == "simulated" else "aftercare").split(",")
    everyone: tuple[type, ...] = (Intake, Scheduling, Monitoring, Aftercare)
    stubs = [stub for stub in everyone if stub.name not in away]
    for stub in stubs:
        engine = new_engine(settings.database_url_of(stub.name))  # each has one
        new_metadata().create_all(engine)
        engine.dispose()
    wiring = Wiring(settings=settings, broker=MemoryBroker(), clock=clock_of(settings))
    containers = [ServiceContainer(service, {"homeward": wiring}) for service in (*stubs, Gateway)]
    stopping = eventlet.event.Event()

    def stop_soon() -> None:
        if not stopping.ready():
            stopping.send()

    hub = eventlet.hubs.get_hub()
    signal.signal(signal.SIGTERM, lambda *_: hub.schedule_call_global(0, stop_soon))
    for container in containers:
        container.start()
    gc.freeze()
    gc.enable()
    print(wiring.http_port, flush=True)
    stopping.wait()
    for container in reversed(containers):
        container.stop()
    print("stopped", flush=True)


if __name__ == "__main__":
    sys.exit(main())
