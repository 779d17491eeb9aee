"""What a patient is written to about: a seat kept for them, hours to make up, a week to agree to.

Asked of intake, which alone knows whether and how somebody wants to be told. The texts reveal nothing,
and nobody is written to about what they did themself.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from services.scheduling.domain.attendance import Seat
from services.scheduling.domain.plans import CONFIRM_WITHIN, WeeklyPlan
from services.scheduling.domain.waiting import Wait
from shared.contracts import roles
from shared.contracts.common import MessageWanted
from shared.contracts.event import write_moment
from shared.database import origin_of
from shared.ids import derived_id

#: Time from the start of a missed session to the message about hours that make up for it. Design default:
#: whoever missed it is written to and called in these hours (brief 3.3), and a wrong mark is corrected.
MAKE_UP_AFTER = timedelta(hours=4)


def of_offer(db: Session, wait: Wait, *, now: datetime) -> list[MessageWanted]:
    """Have somebody told that a seat is kept for them, while the offer lasts."""
    assert wait.expires_at is not None  # for the type checker: a wait that is offered has an end
    return _to_patient(
        db,
        wait,
        notification_id=derived_id(wait.wait_id, "seat_offered"),
        template="PLACE_OFFERED",
        deadline_at=wait.expires_at,
        now=now,
    )


def of_make_up_offered(
    db: Session, missed: Seat, *, starts_at: datetime, now: datetime
) -> list[MessageWanted]:
    """Have somebody told, once for each seat that was missed, that there is a session to make it up in.

    :param starts_at: when that session starts.
    """
    return _to_patient(
        db,
        missed,
        notification_id=derived_id(missed.seat_id, "make_up_offered"),
        template="PLACE_OFFERED",
        deadline_at=starts_at,
        now=now,
    )


def of_make_up_booked(db: Session, seat: Seat, *, now: datetime) -> list[MessageWanted]:
    """Have somebody told that the staff booked a session for them that makes up for another."""
    return _to_patient(
        db,
        seat,
        notification_id=derived_id(seat.seat_id, "make_up_booked", seat.makes_up or ""),
        template="SCHEDULE_CHANGED",
        deadline_at=seat.starts_at,
        now=now,
    )


def of_family_session_off(db: Session, seat: Seat, *, now: datetime) -> list[MessageWanted]:
    """Have somebody told that a session with their family is off, as nobody may come to it any more."""
    return _to_patient(
        db,
        seat,
        notification_id=derived_id(seat.seat_id, "family_session_off", write_moment(now)),
        template="SCHEDULE_CHANGED",
        deadline_at=seat.starts_at,
        now=now,
    )


def of_week(db: Session, plan: WeeklyPlan, *, now: datetime) -> list[MessageWanted]:
    """Have somebody told, once for each week that is proposed, that they are asked to agree to it."""
    return _to_patient(
        db,
        plan,
        notification_id=derived_id(plan.plan_id, "week_proposed", str(plan.version)),
        template="SCHEDULE_TO_CONFIRM",
        deadline_at=now + CONFIRM_WITHIN,
        now=now,
    )


def _to_patient(
    db: Session,
    about: Seat | Wait | WeeklyPlan,
    *,
    notification_id: str,
    template: str,
    deadline_at: datetime,
    now: datetime,
) -> list[MessageWanted]:
    """Return the wish, or none where it comes of what the patient did, or would come too late."""
    actor = origin_of(db).actor
    if actor.role == roles.PATIENT and actor.actor_id == about.patient_id:
        return []
    if deadline_at <= now:
        return []
    return [
        MessageWanted(
            patient_id=about.patient_id,
            episode_id=about.episode_id,
            journey_id=about.journey_id,
            notification_id=notification_id,
            template=template,
            deadline_at=deadline_at,
            wanted_at=now,
        )
    ]
