"""Recognising who is behind a telephone number, without any number being stored in the clear.

Each contact point carries the keyed digest of its address. Those that a version before wrote have none, and
patients from before there were contact points have not even these. Whoever looks a number up brings them up
to date, some at a time.
"""

from typing import Any

from sqlalchemy.orm import Session

from services.intake import contacting, tables
from services.intake.domain import phone_lookups
from services.intake.domain.contact_points import PHONE
from shared import audit
from shared.messaging import Call

#: Contact points without a digest, and patients without a contact point, that one look brings up to date.
#: Design default: so many take less than a second.
POINTS_A_LOOK, PATIENTS_A_LOOK = 2_000, 500


def look_up(db: Session, call: Call) -> dict[str, Any]:
    """Return who is reached at a number now, and whether all that is known was looked through.

    Where that is asked for, also who was reached there once: whoever calls from a number that they had given
    up, and hangs up, can still be found.

    It stands in the audit about each patient that was found, and not which number was asked for.

    :raises InvalidInput: when it is no whole number.
    """
    number = call.data["phone"]
    phone_lookups.number_key(number)
    complete = _bring_up_to_date(db, tenant_id=call.tenant_id)
    index = contacting.index_of(PHONE, number, tenant_id=call.tenant_id)
    found = tables.reached_at(db, kind=PHONE, address_index=index, earlier=call.data["earlier"])
    for patient, _ in found:
        audit.record(db, action="found_by_phone", about_id=patient.patient_id)
    return {
        "found": [
            {
                "patient_id": patient.patient_id,
                "given_name": patient.given_name,
                "family_name": patient.family_name,
                "contact_point_id": point.contact_point_id,
                "label": point.label,
                "may_be_used": point.may_be_used and point.is_live,
                "message_safe": point.message_safe and point.is_live,
                "ending": point.ending,
                "ended_at": point.ended_at,
            }
            for patient, point in found
        ],
        "complete": complete,
    }


def _bring_up_to_date(db: Session, *, tenant_id: str) -> bool:
    """Give what was written before its digest; return whether nothing is left without one."""
    points = tables.contact_points_without_index(db, kind=PHONE, limit=POINTS_A_LOOK + 1)
    for point in points[:POINTS_A_LOOK]:
        point.address_index = contacting.index_of(point.kind, point.address, tenant_id=tenant_id)
    waiting = tables.patients_without_contact_point(db, kind=PHONE, limit=PATIENTS_A_LOOK + 1)
    if waiting:
        # In the turn that registrations of the same people wait for, and read anew once it is ours.
        turns = [patient.identity_index for patient in waiting[:PATIENTS_A_LOOK]]
        tables.take_turns(db, tenant_id=tenant_id, about=turns)
        _adopt(db, [patient.patient_id for patient in waiting[:PATIENTS_A_LOOK]], tenant_id=tenant_id)
    return len(points) <= POINTS_A_LOOK and len(waiting) <= PATIENTS_A_LOOK


def _adopt(db: Session, patient_ids: list[str], *, tenant_id: str) -> None:
    """Make contact points of what stands in the rows of those of some patients who have none still."""
    lacking = tables.patients_without_contact_point(db, kind=PHONE, limit=len(patient_ids), among=patient_ids)
    points = tables.contact_points_of(db, patient_ids=[patient.patient_id for patient in lacking])
    for patient in lacking:
        known = [point for point in points if point.patient_id == patient.patient_id]
        contacting.keep(db, contacting.book_of(patient, known, tenant_id=tenant_id))
