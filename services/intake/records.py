"""Who asks for records, the patient or somebody else: what the ways in of intake do in several steps."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from services.intake import asking, tables
from services.intake.domain import access, legal, people
from services.intake.domain.people import Patient
from services.intake.domain.restrictions import Restriction
from services.intake.domain.tasks import DONE, ESCALATED
from shared import holds
from shared.clock import cancel_timer, set_timer
from shared.database import blind_index
from shared.errors import InvalidInput
from shared.ids import new_id
from shared.messaging import Call, announce_all

#: Timer of the day by which a record is delivered; its key is the request.
RECORD_DUE = "record_due"


def receive_demand(db: Session, call: Call) -> None:
    """Queue a demand for records for a human; nothing of what is known comes back."""
    about = call.data["about"]
    patient = _recognised(db, about, tenant_id=call.tenant_id)
    born_on = about["birth_date"]
    demand = legal.LegalDemand(
        demand_id=new_id(),
        kind=call.data["kind"],
        patient_id=patient.patient_id if patient else None,
        journey_id=patient.journey_id if patient else None,
        asker=call.data["asker"],
        about=f"{about['given_name']} {about['family_name']}{f', {born_on}' if born_on else ''}",
        text=call.data["text"],
        received_at=call.now,
        received_by=call.actor.actor_id,
        received_by_role=call.actor.role,
        due_at=call.now + legal.LOOK_WITHIN,
    )
    announce_all(db, legal.receive(demand, answer_by=call.data["answer_by"]))
    db.add(demand)
    if demand.patient_id is not None:
        holds.keep_hold(
            db, hold_id=demand.demand_id, patient_id=demand.patient_id, placed_at=demand.received_at
        )
    asking.ask(db, demand.task())


def identify(db: Session, demand: legal.LegalDemand, patient: Patient, *, now: datetime) -> None:
    """Say whom a demand is about, which puts the hold on."""
    announce_all(db, demand.identify(patient_id=patient.patient_id, journey_id=patient.journey_id, now=now))
    holds.keep_hold(db, hold_id=demand.demand_id, patient_id=patient.patient_id, placed_at=now)


def settle_demand(db: Session, demand: legal.LegalDemand, call: Call) -> None:
    """Record what was decided about a demand."""
    demand.settle(call.data["outcome"], note=call.data["note"], actor=call.actor, now=call.now)
    asking.end(db, task_id=demand.task().task_id, outcome=DONE, at=call.now)


def release(db: Session, demand: legal.LegalDemand, call: Call) -> None:
    """Let what is old be forgotten again."""
    announce_all(db, demand.release(actor=call.actor, now=call.now))
    # A hold that was on is on somebody.
    assert demand.patient_id is not None  # for the type checker
    holds.keep_release(db, hold_id=demand.demand_id, patient_id=demand.patient_id, released_at=call.now)


def request_record(db: Session, patient: Patient, call: Call) -> access.RecordRequest:
    """Take a request for a record and start its clock; one that is open already goes on."""
    tables.take_turn(db, tenant_id=call.tenant_id, about=f"record:{patient.patient_id}".encode())
    for earlier in tables.record_requests_of(db, patient_id=patient.patient_id):
        if earlier.state == "OPEN":
            return earlier
    request = access.RecordRequest(
        request_id=new_id(),
        patient_id=patient.patient_id,
        journey_id=patient.journey_id,
        requested_at=call.now,
        requested_by=call.actor.actor_id,
        requested_by_role=call.actor.role,
        due_at=call.now + access.DELIVER_WITHIN,
    )
    db.add(request)
    announce_all(db, request.opened())
    asking.ask(db, request.task())
    set_timer(db, RECORD_DUE, key=request.request_id, due_at=request.due_at)
    return request


def deliver_record(db: Session, request: access.RecordRequest, call: Call) -> None:
    """Note that a record was delivered, and ask nobody for it any more."""
    announce_all(db, request.deliver(actor=call.actor, now=call.now))
    _stop_clock(db, request, at=call.now)


def answer_request(db: Session, request: access.RecordRequest, call: Call) -> None:
    """Put a request off, or deny it."""
    data = call.data
    access.check_said(ground=data["ground"], extend=data["extend"])
    if data["extend"]:
        request.extend(reason=data["reason"], now=call.now)
        set_timer(db, RECORD_DUE, key=request.request_id, due_at=request.due_at)
        asking.put_off(db, task_id=request.task().task_id, due_at=request.due_at)
    else:
        request.deny(ground=data["ground"], reason=data["reason"], actor=call.actor, now=call.now)
        _stop_clock(db, request, at=call.now)


def run_out(db: Session, request: access.RecordRequest, *, at: datetime) -> None:
    """Ask the next human when a record was not delivered in time."""
    if request.state == "OPEN" and at >= request.due_at:
        asking.end(db, task_id=request.task().task_id, outcome=ESCALATED, at=at)
        asking.ask(db, request.overdue_task())


def standing_consents(db: Session, *, patient_ids: list[str], now: datetime) -> list[dict[str, Any]]:
    """Return under which consents of some patients something may leave at this moment, and which classes."""
    restrictions: dict[str, list[Restriction]] = {}
    for one in tables.agreed_restrictions_of(db, patient_ids=patient_ids):
        restrictions.setdefault(one.patient_id, []).append(one)
    return [
        {
            "consent_id": consent.consent_id,
            "patient_id": consent.patient_id,
            "recipient_id": consent.recipient_id,
            "information_classes": [
                information_class
                for information_class in consent.information_classes
                if not any(
                    one.forbids(
                        information_class,
                        recipient_id=consent.recipient_id or "",
                        pays="BILLING" in consent.information_classes,
                    )
                    for one in restrictions.get(consent.patient_id, ())
                )
            ],
        }
        for consent in tables.disclosing_consents_of(db, patient_ids=patient_ids)
        if consent.is_active(now=now)
    ]


def _stop_clock(db: Session, request: access.RecordRequest, *, at: datetime) -> None:
    cancel_timer(db, RECORD_DUE, key=request.request_id)
    for task in (request.task(), request.overdue_task()):
        asking.end(db, task_id=task.task_id, outcome=DONE, at=at)


def _recognised(db: Session, about: dict[str, Any], *, tenant_id: str) -> Patient | None:
    """Return whom a demand is about, where it tells enough to be sure."""
    if about["birth_date"] is None:
        return None
    try:
        identity = people.identity_text(**about)
    except InvalidInput:
        # Whoever is called something that is no name is nobody we know; a human looks all the same.
        return None
    index = blind_index(identity, tenant_id=tenant_id)
    return next(iter(tables.recognise(db, identity_indexes=[index])), None)
