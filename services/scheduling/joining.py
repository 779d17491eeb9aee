"""Patients who come to a session: seen, or turned away where something stands in their way.

Whoever is turned away came: that is kept, with where they are and the number to call where they come from
afar, and somebody is asked to see to them (decision 0027). All of it runs in the transaction of what
caused it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.scheduling import schemas, tables
from services.scheduling.day import columns, past_of
from services.scheduling.domain import attendance, check_outs, clinic_day, telehealth
from shared.answers import answer_of
from shared.contracts import roles
from shared.contracts.event import Event
from shared.ids import new_id
from shared.messaging import Call

#: What follows for whom each of NOT_SEEN_REASONS stands in the way.
_NEXT_STEPS = {
    "NOT_LICENSED_THERE": "STAFF_CALLS_BACK",
    "PRIVACY_NOT_ATTESTED": "ATTEST_PRIVACY",
    "ENTRY_NEEDS_FACILITATOR": "STAFF_ASKS_FACILITATOR",
}


def needs_facilitator(db: Session, session: attendance.Session, seat: attendance.Seat, call: Call) -> bool:
    """Whether whoever leads the group is asked before somebody who comes late may enter.

    The staff have asked. Whoever was there already, or came in time and was turned away, may come back.
    """
    if call.actor.role != roles.PATIENT or seat.arrived_at is not None:
        return False
    if not clinic_day.needs_facilitator(session, came_at=call.now):
        return False
    before = tables.unseen_arrivals_at(db, seat_id=seat.seat_id) if seat.not_seen_because else []
    return all(clinic_day.needs_facilitator(session, came_at=one.came_at) for one in before)


def join(db: Session, roster: tables.Roster, seat: attendance.Seat, call: Call) -> list[Event]:
    """Check in a patient whom the clinician may treat where they are; return what it causes."""
    # First, for the reason that turn_away() gives.
    _keep_visit(db, seat, call)
    return seat.check_in(session=roster.session, arrived_at=call.now, past=past_of(db, seat), now=call.now)


def turn_away(
    db: Session, roster: tables.Roster, seat: attendance.Seat, call: Call, *, reason: str
) -> tuple[telehealth.UnseenArrival, list[Event]]:
    """Keep that a patient came who is not seen, and have somebody see to them.

    :param reason: one of NOT_SEEN_REASONS.
    :return: what is kept of it, and what it causes.
    """
    data, now = call.data, call.now
    # All that is looked for comes first: it would write the seat down, and what follows from marks sees that
    # only while they are not.
    past = past_of(db, seat)
    if roster.session.mode != "IN_PERSON":
        _keep_visit(db, seat, call)
    before = tables.unseen_arrivals_at(db, seat_id=seat.seat_id)[-1:]
    asked = tables.find_asked(db, task_id=before[0].task_id) if before else None
    caused = seat.turn_away(session=roster.session, reason=reason, past=past, now=now)
    arrival_id = new_id()
    arrival = telehealth.UnseenArrival(
        arrival_id=arrival_id,
        seat_id=seat.seat_id,
        session_id=seat.session_id,
        clinician_id=roster.session.facilitator_id,
        state=data.get("state"),
        place=data.get("place"),
        reason=reason,
        came_at=now,
        told_by=call.actor.actor_id,
        told_by_role=call.actor.role,
        task_id=telehealth.task_id_of(arrival_id),
        call_due_at=now + telehealth.CALL_BACK_WITHIN,
        call_back=data.get("call_back"),
        whereabouts=data.get("whereabouts"),
    )
    if asked is not None and asked.closed_at is None:
        # Somebody is asked already, and nobody gets more time because the patient tried again.
        arrival.task_id, arrival.call_due_at = before[0].task_id, before[0].call_due_at
    else:
        asked, opened = arrival.ask_for_call(seat)
        db.add(asked)
        caused.append(opened)
    db.add(arrival)
    return arrival, caused


def seen_after_all(seats: Iterable[attendance.Seat]) -> list[attendance.Seat]:
    """Return the seats, not yet written down, of those who were turned away and of whom it is decided now."""
    return [seat for seat in seats if _was_unseen(seat) and not seat.is_turned_away]


def _was_unseen(seat: attendance.Seat) -> bool:
    attributes = sa.inspect(seat).attrs
    came_back = seat.not_seen_because is None and any(attributes.not_seen_because.history.deleted or ())
    marked = seat.not_seen_because is not None and "CANCELLED_BY_PROGRAM" in (
        attributes.state.history.deleted or ()
    )
    return came_back or marked


def need_no_call(db: Session, seats: Iterable[attendance.Seat], *, now: datetime) -> list[Event]:
    """Ask nobody any more to see to those who are seen after all, or of whom somebody has decided."""
    caused: list[Event] = []
    for seat in seats:
        for arrival in tables.unseen_arrivals_at(db, seat_id=seat.seat_id)[-1:]:
            asked = tables.find_asked(db, task_id=arrival.task_id)
            if asked is not None and asked.closed_at is None:
                caused.append(asked.close(outcome="DONE", now=now))
    return caused


def _keep_visit(db: Session, seat: attendance.Seat, call: Call) -> None:
    data = call.data
    visit = db.get(telehealth.Visit, seat.seat_id) or telehealth.Visit(
        seat_id=seat.seat_id, session_id=seat.session_id
    )
    visit.tell(
        state=data["state"],
        place=data["place"],
        call_back=data["call_back"],
        whereabouts=data["whereabouts"],
        privacy_attested=data["privacy_attested"],
        now=call.now,
    )
    db.add(visit)


def joined_view(
    roster: tables.Roster, seat: attendance.Seat, arrival: telehealth.UnseenArrival | None
) -> dict[str, Any]:
    """Return a seat after its patient came; where nobody sees them, what follows and who helps.

    :param arrival: what was kept of it, where the patient was turned away.
    """
    follows: dict[str, Any] = {"next_step": None, "called_back_by": None, "crisis_lines": None}
    if arrival is not None:
        line = roster.site.emergency_line if roster.site else None
        next_step = _NEXT_STEPS[arrival.reason]
        follows = {
            "next_step": next_step,
            "called_back_by": arrival.call_due_at if next_step == "STAFF_CALLS_BACK" else None,
            "crisis_lines": check_outs.lines_now(emergency_line=line),
        }
    return answer_of(schemas.Joined, {**columns(seat), **follows})


def visit_view(db: Session, visit: telehealth.Visit, *, patient_id: str) -> dict[str, Any]:
    """Return where a patient is during a session, the number to call, and when they could not be seen."""
    unseen = [
        {**columns(arrival), "call_back": arrival.call_back, "whereabouts": arrival.whereabouts}
        for arrival in tables.unseen_arrivals_at(db, seat_id=visit.seat_id)
    ]
    told = {"call_back": visit.call_back, "whereabouts": visit.whereabouts}
    return answer_of(
        schemas.TelehealthVisit, {**columns(visit), **told, "patient_id": patient_id, "unseen": unseen}
    )
