"""The work list: who needs a human now, why, by when, and whose it is.

Every service announces what it asks of humans as TaskOpened and TaskClosed, and the gateway announces
who takes a task. The list is made of these events alone, from the archive, in whatever order they came:
so it can be dropped and made again at any time. It decides nothing about patients: a task ends by the
action that answers it in the service that asks, or, where there is none, by that service's close_task.
"""

import base64
import binascii
import contextlib
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from gateway import tables
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Actor, Envelope, read_moment, write_moment
from shared.contracts.gateway import TaskClaimed, TaskHandedOver
from shared.contracts.monitoring import EscalationAcknowledged, EscalationRaised
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.messaging import STAFF, announce
from shared.messaging.outbox import announced_in

#: Tasks in a page when the reader does not say, and at most. Design default.
DEFAULT_LIMIT = 100
MAX_LIMIT = 500

#: The action that ends a task, by the task's name. A task that is not here has no action of its own: it
#: is closed from the list.
ACTIONS = {
    "admission_in_time": "/v1/episodes/{episode_id}/admission",
    "admission_offer": "/v1/admission-waits/{about_id}/acceptance",
    "admission_promised": "/v1/episodes/{episode_id}/admission",
    "aftercare_contact": "/v1/aftercare-contacts/{about_id}/attempts",
    "assessment_due": "/v1/episodes/{about_id}/assessments",
    "assessment_offer": "/v1/referrals",
    "block_reason": "/v1/groups/{about_id}/block-reason",
    "call_back": "/v1/inquiries/{about_id}/calls",
    "call_back_again": "/v1/inquiries/{about_id}/calls",
    "check_out_missing": "/v1/sessions/{about_id}/check-outs",
    "authorization_denied": "/v1/episodes/{episode_id}/authorizations",
    "authorization_review": "/v1/episodes/{episode_id}/authorizations",
    "consent_renewal": "/v1/patients/{patient_id}/consents",
    "day_not_authorized": "/v1/episodes/{episode_id}/authorizations",
    "discharge_proposal": "/v1/episodes/{episode_id}/discharge",
    "discharge_summary": "/v1/step-downs/{about_id}/summaries",
    "drug_test": "/v1/drug-tests/{about_id}/outcome",
    "drug_test_result": "/v1/drug-tests/{about_id}/outcome",
    "estimate_exceeded": "/v1/episodes/{episode_id}/cost-estimates",
    "good_faith_estimate": "/v1/episodes/{episode_id}/cost-estimates",
    "exclusion_check": "/v1/clinicians/{about_id}/exclusion-checks",
    "escalation": "/v1/escalations/{about_id}/closure",
    "inquiry_decision": "/v1/inquiries/{about_id}/decisions",
    "interim_services": "/v1/admission-waits/{about_id}/interim-services",
    "level_decision": "/v1/episodes/{about_id}/level-decisions",
    "level_review": "/v1/level-reviews/{about_id}/closure",
    "no_week_fits": "/v1/patients/{patient_id}/obligations",
    "note_cosignature": "/v1/session-notes/{about_id}/cosignature",
    "note_overdue": "/v1/sessions/{about_id}/notes",
    "on_call_gap": "/v1/on-call-shifts",
    "outreach_call": "/v1/outreach/{about_id}/attempts",
    "outreach_call_again": "/v1/outreach/{about_id}/attempts",
    "outreach_call_overdue": "/v1/outreach/{about_id}/attempts",
    "outreach_letter": "/v1/outreach/{about_id}/attempts",
    "page_path_broken": "/v1/staff-contacts",
    "coping_inventory": "/v1/episodes/{episode_id}/trigger-inventories",
    "legal_demand": "/v1/legal-demands/{about_id}/settlement",
    "peer_match_confirm": "/v1/peer-matches/{about_id}/decisions",
    "record_access": "/v1/record-requests/{about_id}/delivery",
    "record_access_overdue": "/v1/record-requests/{about_id}/delivery",
    "treatment_without_consent": "/v1/patients/{patient_id}/consents",
    "privacy_notice": "/v1/patients/{patient_id}/notice-receipts",
    "restriction_request": "/v1/restrictions/{about_id}/answer",
    "program_credential_ends": "/v1/programs/{about_id}/credentials",
    "program_credential_recheck": "/v1/program-credentials/{about_id}/checks",
    "referral_follow_up": "/v1/outward-referrals/{about_id}/follow-ups",
    "step_down_contact": "/v1/step-downs/{about_id}/contacts",
    "step_down_service": "/v1/episodes/{episode_id}/admission",
    "safety_question_unasked": "/v1/sessions/{about_id}/check-outs",
    "site_emergency_line": "/v1/sites/{about_id}/changes",
    "site_licence_ends": "/v1/sites/{about_id}/licences",
    "suicide_screen": "/v1/patients/{patient_id}/instrument-answers",
    "roster_missing": "/v1/sessions/{about_id}/roster",
    "withdrawal_rating": "/v1/patients/{patient_id}/instrument-answers",
    "week_unconfirmed": "/v1/episodes/{about_id}/weekly-plan/confirmation",
    "sessions_to_reassign": "/v1/clinicians/{about_id}/hand-overs",
}
#: What an escalation needs before it can be closed, and what ends the paging.
ACKNOWLEDGEMENT = "/v1/escalations/{about_id}/acknowledgement"
#: What closes a task that has no action of its own.
CLOSURE = "/v1/work/{task_id}/closures"

#: Levels of an escalation that come before everything else, the gravest first. Safety rule.
_URGENCY = {"E4": 0, "E3": 1}
_NO_DANGER = 2

#: Who may take what a role is asked for. Whoever has the duty is one of the care team, and where
#: everyone is asked, anybody may. Design default.
_TAKERS = {
    roles.COUNSELOR: (roles.COUNSELOR, roles.CLINICIAN),
    roles.ON_CALL: roles.CARE_TEAM,
    roles.EVERYONE: STAFF,
}
#: Who may take any task, and hand over what somebody else has.
_OVERSEERS = (roles.SUPERVISOR, roles.MEDICAL_DIRECTOR)
#: Whom a task can be handed to.
RECEIVING_ROLES = (*STAFF, roles.ON_CALL)
#: Roles that the list can be asked for.
ASKED_ROLES = (*RECEIVING_ROLES, roles.EVERYONE)

#: The events that the list is made of.
TOLD_BY = (
    TaskOpened,
    TaskClosed,
    TaskClaimed,
    TaskHandedOver,
    EscalationAcknowledged,
    EscalationRaised,
)

#: What a cursor begins with, so that its form can change.
_CURSOR_VERSION = "1"


class TaskIsClosed(Conflict):
    """Raised when a closed task is taken or handed over."""


class TaskIsTaken(Conflict):
    """Raised when somebody takes, or closes, what somebody else has taken."""


class TaskClosedByItsAction(Conflict):
    """Raised when a task is closed from the list that an action of its own ends."""


class TaskNotForRole(Forbidden):
    """Raised when a role takes a task that it is not asked for."""


class NotYoursToHandOver(Forbidden):
    """Raised when a task is handed over by somebody who does not have it."""


# --- How the list is made -------------------------------------------------------------------------


def keep(db: Session, envelope: Envelope) -> None:
    """Bring the list in line with an event about a task, in whatever order such events come."""
    event = envelope.event
    if isinstance(event, EscalationAcknowledged | EscalationRaised):
        _keep_acknowledgement(db, envelope, event)
        return
    if isinstance(event, TaskOpened):
        newness, values = "opening_id", _opened(envelope, event)
    elif isinstance(event, TaskClosed):
        values = {"outcome": event.outcome, "closed_at": event.closed_at}
        newness, values = "closing_id", {"closing_id": envelope.event_id, **values}
    elif isinstance(event, TaskClaimed):
        held = {"held_by": event.claimed_by_id, "held_role": event.claimed_by_role}
        newness, values = "turn", _taken(event, held_at=event.claimed_at, **held)
    elif isinstance(event, TaskHandedOver):
        held_now = {"held_by": event.to_id, "held_role": event.to_role}
        newness, values = "turn", _taken(event, held_at=event.handed_over_at, **held_now)
    else:
        raise TypeError(f"{event.wire_name} is about no task")
    tables.keep_task_part(
        db, tenant_id=envelope.tenant_id, task_id=event.task_id, newness=newness, values=values
    )


def _keep_acknowledgement(
    db: Session, envelope: Envelope, event: EscalationAcknowledged | EscalationRaised
) -> None:
    by, at = None, None
    if isinstance(event, EscalationAcknowledged):
        by, at = envelope.actor.actor_id, event.acknowledged_at
    tables.keep_acknowledgement(
        db,
        tenant_id=envelope.tenant_id,
        escalation_id=event.escalation_id,
        told_id=envelope.event_id,
        acknowledged_by=by,
        acknowledged_at=at,
    )


def _opened(envelope: Envelope, event: TaskOpened) -> dict[str, Any]:
    return {
        "opening_id": envelope.event_id,
        "announced_by": envelope.announced_by,
        "task": event.task,
        "owner_role": event.owner_role,
        "reason": event.reason,
        "level": event.level,
        "urgency": _URGENCY.get(event.level or "", _NO_DANGER),
        "due_at": event.due_at,
        "next_role": event.next_role,
        "about_id": event.about_id,
        "patient_id": event.patient_id,
        "episode_id": event.episode_id,
        "opened_at": envelope.occurred_at,
    }


def _taken(event: TaskClaimed | TaskHandedOver, **held: Any) -> dict[str, Any]:
    return {"turn": event.turn, "held_opening_id": event.opening_id, **held}


def rebuild(db: Session) -> int:
    """Make the list anew from what was ever announced about tasks; return the number of events."""
    own = [TaskClaimed.wire_name, TaskHandedOver.wire_name]
    tables.empty_work_list(db)
    told = 0
    for body in tables.told_of_tasks(db, types=[event.wire_name for event in TOLD_BY], own_types=own):
        keep(db, Envelope.from_bytes(body))
        told += 1
    return told


# --- What is read ---------------------------------------------------------------------------------


def list_work(db: Session, *, tenant_id: str, reader: Actor, now: datetime, asked: dict[str, Any]) -> Any:
    """Return a page of open tasks, the most urgent first: dangers, then by the deadline.

    A deadline that has passed is before every other, so what is overdue comes first by itself.

    :raises InvalidInput: when the cursor is not one of ours.
    """
    role, limit = asked["role"], asked["limit"]
    found = tables.open_tasks(
        db,
        tenant_id=tenant_id,
        now=now,
        after=_read_cursor(asked["after"]) if asked["after"] else None,
        limit=limit + 1,
        asked=_asked_with(role) if role else (),
        held_by=reader.actor_id if asked["mine"] else None,
        unclaimed=asked["unclaimed"],
        overdue=asked["overdue"],
        patient_id=asked["patient_id"],
        task=asked["task"],
    )
    items = [view(row, now=now) for row in found[:limit]]
    last = found[limit - 1] if len(found) > limit else None
    return {"items": items, "next": last and _cursor_at(last.urgency, last.due_at, last.task_id)}


def _asked_with(role: str) -> tuple[str, ...]:
    """Return who is asked when a role is: everyone, and the care team of whoever has the duty."""
    return (role, roles.EVERYONE, *((roles.ON_CALL,) if role in roles.CARE_TEAM else ()))


def view(row: Row[Any], *, now: datetime) -> dict[str, Any]:
    """Return a task as its readers see it."""
    overdue = _is_overdue(row, now=now)
    return {
        "task_id": row.task_id,
        "task": row.task,
        "service": row.announced_by,
        "reason": row.reason,
        "level": row.level,
        "owner_role": row.owner_role,
        "asked_role": _asked_role(row),
        "due_at": write_moment(row.due_at),
        "overdue": overdue,
        "next_role": row.next_role,
        "escalates_to": row.next_role if overdue else None,
        "about_id": row.about_id,
        "patient_id": row.patient_id,
        "episode_id": row.episode_id,
        "opened_at": write_moment(row.opened_at),
        "claimed_by": row.held_by if row.is_held else None,
        "claimed_at": write_moment(row.held_at) if row.is_held and row.held_by else None,
        "acknowledged_by": row.acknowledged_by,
        "acknowledged_at": write_moment(row.acknowledged_at) if row.acknowledged_at else None,
        "action": _action_of(row),
    }


def _action_of(row: Row[Any]) -> str:
    path = ACTIONS.get(row.task, CLOSURE)
    if row.task == "escalation" and row.acknowledged_by is None:
        path = ACKNOWLEDGEMENT
    return path.format(
        about_id=row.about_id, patient_id=row.patient_id, episode_id=row.episode_id, task_id=row.task_id
    )


def _is_overdue(row: Row[Any], *, now: datetime) -> bool:
    return bool(row.due_at < now)


def _asked_role(row: Row[Any]) -> str:
    return str(row.held_role if row.is_held else row.owner_role)


def _read_cursor(cursor: str) -> tuple[int, datetime, str]:
    """Return the place in the list that a cursor stands for.

    :raises InvalidInput: when it is not one of ours.
    """
    found = None
    with contextlib.suppress(binascii.Error, ValueError, OverflowError):
        padded = cursor + "=" * (-len(cursor) % 4)
        place = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True).decode("ascii")
        version, urgency, due_at, task_id = place.split(" ")
        if version == _CURSOR_VERSION:
            found = int(urgency), read_moment(due_at), str(uuid.UUID(task_id))
    # Whatever was not written here is none of ours.
    if found is None or _cursor_at(*found) != cursor:
        raise InvalidInput(
            "The cursor is not one that this list gave.",
            field="after",
            rule="the value of next in an earlier answer",
        )
    return found


def _cursor_at(urgency: int, due_at: datetime, task_id: str) -> str:
    place = f"{_CURSOR_VERSION} {urgency} {write_moment(due_at)} {task_id}"
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


# --- Taking, handing over, closing ----------------------------------------------------------------


def claim_task(db: Session, *, tenant_id: str, task_id: str, by: Actor, now: datetime) -> dict[str, Any]:
    """Take a task; taking what one has already changes nothing.

    :raises NotFound: when there is no such task.
    :raises TaskIsClosed: when it needs nobody any more.
    :raises TaskNotForRole: when neither the role nor a higher one is asked.
    :raises TaskIsTaken: when somebody else has it.
    """
    row = _open_task(db, tenant_id=tenant_id, task_id=task_id)
    if row.is_held and row.held_by == by.actor_id:
        return view(row, now=now)
    if row.is_held and row.held_by is not None:
        raise TaskIsTaken(field="task_id", rule="a task that nobody else has")
    _check_is_asked(row, by=by, now=now)
    return _change_hands(
        db,
        row,
        lambda turn: TaskClaimed(
            task_id=task_id,
            claimed_by_id=by.actor_id,
            claimed_by_role=by.role,
            claimed_at=now,
            patient_id=row.patient_id,
            opening_id=row.opening_id,
            turn=turn,
        ),
        now=now,
    )


def hand_over_task(
    db: Session,
    *,
    tenant_id: str,
    task_id: str,
    to_role: str,
    to_id: str | None,
    by: Actor,
    now: datetime,
) -> dict[str, Any]:
    """Give a task to somebody, or back to a role, where everybody of it may take it.

    :raises NotFound: when there is no such task.
    :raises TaskIsClosed: when it needs nobody any more.
    :raises NotYoursToHandOver: when neither the giver has it, nor oversees those who do.
    :raises InvalidInput: when a danger would go to somebody who treats nobody.
    """
    row = _open_task(db, tenant_id=tenant_id, task_id=task_id)
    if by.role not in _OVERSEERS and not (row.is_held and row.held_by == by.actor_id):
        raise NotYoursToHandOver(field="task_id", rule="one that you took, or that you oversee")
    if row.urgency < _NO_DANGER and to_role not in (*roles.CARE_TEAM, roles.ON_CALL):
        raise InvalidInput("A danger stays with the care team.", field="to_role", rule="the care team")
    return _change_hands(
        db,
        row,
        lambda turn: TaskHandedOver(
            task_id=task_id,
            handed_over_by_id=by.actor_id,
            to_role=to_role,
            to_id=to_id,
            handed_over_at=now,
            patient_id=row.patient_id,
            opening_id=row.opening_id,
            turn=turn,
        ),
        now=now,
    )


def closure_of(
    db: Session, *, tenant_id: str, task_id: str, outcome: str, by: Actor, now: datetime
) -> tuple[str, dict[str, Any]]:
    """Return the service that closes a task, and what it is to be told.

    Whether the task is still open is for that service to say: this list may not have heard yet.

    :raises NotFound: when there is no such task.
    :raises TaskClosedByItsAction: when an action of its own ends it.
    :raises TaskNotForRole: when neither the role nor a higher one is asked.
    :raises TaskIsTaken: when somebody else has it.
    """
    row = _task(db, tenant_id=tenant_id, task_id=task_id, lock=False)
    if row.task in ACTIONS:
        raise TaskClosedByItsAction(field="task_id", rule=f"POST {_action_of(row)}")
    if row.is_held and row.held_by not in (None, by.actor_id) and by.role not in _OVERSEERS:
        raise TaskIsTaken(field="task_id", rule="a task that nobody else has")
    _check_is_asked(row, by=by, now=now)
    told = {"task_id": task_id, "task": row.task, "about_id": row.about_id, "outcome": outcome}
    return row.announced_by, told


def _task(db: Session, *, tenant_id: str, task_id: str, lock: bool) -> Row[Any]:
    row: Row[Any] | None = tables.find_task(db, tenant_id=tenant_id, task_id=task_id, lock=lock)
    if row is None:
        raise NotFound("No such task.", field="task_id")
    return row


def _open_task(db: Session, *, tenant_id: str, task_id: str) -> Row[Any]:
    row = _task(db, tenant_id=tenant_id, task_id=task_id, lock=True)
    if not row.is_open:
        raise TaskIsClosed(field="task_id", rule="an open task")
    return row


def _check_is_asked(row: Row[Any], *, by: Actor, now: datetime) -> None:
    asked = [_asked_role(row)]
    if row.next_role and _is_overdue(row, now=now):
        asked.append(row.next_role)
    has_it = row.is_held and row.held_by == by.actor_id
    may = any(by.role in (*_OVERSEERS, *_TAKERS.get(role, (role,))) for role in asked)
    if not has_it and not may:
        raise TaskNotForRole(field="role", rule=f"asked of {', '.join(asked)}")


def _change_hands(
    db: Session,
    row: Row[Any],
    told: Callable[[int], TaskClaimed | TaskHandedOver],
    *,
    now: datetime,
) -> dict[str, Any]:
    """Write down who has the task now, and tell it; the row is locked, so turns follow each other."""
    event = told(row.turn + 1)
    announce(db, event)
    # Not from the event when it comes back: whoever asks next must see it at once.
    keep(db, announced_in(db)[-1])
    return view(_task(db, tenant_id=row.tenant_id, task_id=row.task_id, lock=False), now=now)
