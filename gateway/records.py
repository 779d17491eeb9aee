"""A patient's own record, put together from what every service keeps, and to whom something was disclosed."""

from datetime import datetime, timedelta
from typing import Any

import orjson

from gateway import tables
from gateway.asking import ask, send
from gateway.http import Request
from shared import audit
from shared.contracts import roles
from shared.contracts.event import Actor, Envelope, write_moment
from shared.errors import Conflict, Forbidden
from shared.ids import derived_id
from shared.messaging import CommandClient

#: How far back the accounting of disclosures reaches: three years. 42 CFR 2.25(a), 45 CFR 164.528; the
#: events that it is made of are never pruned, so it could reach as far as records are kept, six years.
ACCOUNTING_REACHES_BACK = timedelta(days=3 * 365 + 1)

#: Who keeps records of patients.
KEEPERS = ("intake", "scheduling", "monitoring", "aftercare")
#: Who may have a whole record in hand: the patient, and who answers for privacy. Design default.
MAY_EXPORT = (roles.SUPERVISOR, roles.MEDICAL_DIRECTOR, roles.PATIENT)
#: The form of the document, so that it can change.
FORM = "homeward-record/1"

_EXPORT = Actor(actor_id="record-export", role=roles.SYSTEM)


class RecordDenied(Conflict):
    """Raised when a record is fetched whose request was denied."""


def export(commands: CommandClient, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
    """Return a patient's own record, as one document, and note that it was delivered.

    Every part is fetched page by page, so that a long record holds nothing up, and is audited. Counselling
    notes are in no part.

    :raises Forbidden: when the role may not have a whole record in hand.
    :raises RecordDenied: when the request was denied.
    :raises Refusal: when there is no such request, or a service does not answer.
    """
    caller = request.known_caller
    if caller.actor.role not in MAY_EXPORT:
        raise Forbidden(
            "The role may not do this.",
            code="role_may_not",
            field="role",
            rule=f"for {', '.join(MAY_EXPORT)}",
        )
    told = ask(commands, request, "intake", "get_record_request", asked)
    patient_id = told["patient_id"]
    request.about_id = patient_id
    if told["state"] == "DENIED":
        raise RecordDenied(field="request_id", rule="a request that was not denied")
    parts = {service: _part(commands, request, service, patient_id) for service in KEEPERS}
    # Only now, with everything in hand: a part that cannot be had leaves the clock running.
    delivered = send(
        commands,
        request,
        "intake",
        "deliver_record",
        asked,
        command_id=derived_id(told["request_id"], caller.actor.actor_id, "export"),
    )["answer"]
    with request.transaction() as (db, origin):
        for service in KEEPERS:
            audit.record(db, action=f"export_{service}_record", about_id=patient_id)
        disclosures = tables.disclosures_of(
            db, tenant_id=origin.tenant_id, patient_id=patient_id, since=None, after=None, limit=None
        )
    under = {consent["consent_id"]: consent for consent in parts["intake"].get("consents", ())}
    return {
        "form": FORM,
        "request_id": told["request_id"],
        "patient_id": patient_id,
        "exported_at": write_moment(origin.now),
        "due_at": delivered["due_at"],
        "parts": parts,
        "disclosures": [_disclosure(row, under) for row in disclosures],
    }


def _part(
    commands: CommandClient, request: Request, service: str, patient_id: str
) -> dict[str, list[dict[str, Any]]]:
    """Return what one service keeps about a patient, by table."""
    found: dict[str, list[dict[str, Any]]] = {}
    seen: set[bytes] = set()
    after = None
    while True:
        wanted = {"patient_id": patient_id, "after": after}
        page = ask(commands, request, service, "get_record_part", wanted, by=_EXPORT)
        for item in page["items"]:
            # A row that was written between two pages can move another into the next page as well.
            written = orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
            if written not in seen:
                seen.add(written)
                found.setdefault(item["table"], []).append(item["row"])
        after = page["next"]
        if after is None:
            return found


def accounting(commands: CommandClient, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
    """Return to whom something about a patient was disclosed within three years, and under which consent."""
    patient_id = asked["patient_id"]
    consents = ask(commands, request, "intake", "list_consents", {"patient_id": patient_id})["items"]
    request.about_id = patient_id
    under = {consent["consent_id"]: consent for consent in consents}
    with request.transaction(reads_only=True) as (db, origin):
        rows = tables.disclosures_of(
            db,
            tenant_id=origin.tenant_id,
            patient_id=patient_id,
            since=_reaching_back(origin.now),
            after=asked["after"],
            limit=asked["limit"] + 1,
        )
    shown = rows[: asked["limit"]]
    return {
        "items": [_disclosure(row, under) for row in shown],
        "next": shown[-1].event_id if len(rows) > asked["limit"] else None,
    }


def _reaching_back(now: datetime) -> datetime:
    return now - ACCOUNTING_REACHES_BACK


def _disclosure(row: Any, under: dict[str, dict[str, Any]]) -> dict[str, Any]:
    made = Envelope.from_bytes(bytes(row.body)).event.to_data()
    consent = under.get(made["consent_id"], {})
    return made | {"recipient": consent.get("recipient"), "purpose": consent.get("purpose")}
