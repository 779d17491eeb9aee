"""How a session was for a patient: 0 to 10 and a reason; a drop tells the counselor."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.scheduling.domain.asked import Asked
from services.scheduling.domain.attendance import Seat
from shared.contracts import roles
from shared.contracts.event import Event
from shared.contracts.scheduling import ATTENDED_STATES
from shared.errors import Conflict
from shared.ids import derived_id

#: A rating this much under the one before tells the counselor (brief 11, S58).
DROP = 2

#: How soon the counselor talks to a patient whose rating fell. Design default.
TALK_WITHIN = timedelta(hours=24)

#: How long after its start a session can be rated. Design default.
RATED_WITHIN = timedelta(days=7)

FELL = "feedback_drop"


class NotThere(Conflict):
    """Raised when a session is rated by somebody who was not there."""


class RatedTooLate(Conflict):
    """Raised when a session is rated long after it was held."""


@dataclass(eq=False, kw_only=True)
class Feedback:
    """One patient's word on one session; the reason is kept sealed."""

    seat_id: str
    session_id: str
    patient_id: str
    episode_id: str
    journey_id: str
    starts_at: datetime
    rating: int
    given_at: datetime
    reason: str | None = None
    tenant_id: str = ""


def task_id_of(seat_id: str) -> str:
    """Return the id of what a rating that fell asks for."""
    return derived_id(seat_id, FELL)


def check_can_rate(seat: Seat, *, now: datetime) -> None:
    """Refuse a rating by somebody who was not there, or that comes long after.

    :raises NotThere: when the patient was not there.
    :raises RatedTooLate: a week after the session.
    """
    if seat.state != "CHECKED_IN" and seat.state not in ATTENDED_STATES:
        raise NotThere(field="session_id", rule="one that the patient was in")
    if now - seat.starts_at > RATED_WITHIN:
        raise RatedTooLate(field="session_id", rule=f"at most {RATED_WITHIN.days} days ago")


def watch(
    given: Feedback, *, before: Feedback | None, asked: Asked | None, now: datetime
) -> tuple[list[Event], Asked | None]:
    """Ask the counselor to talk to a patient whose rating fell, and no longer once it was put right.

    :param before: the patient's last rating of an earlier session, if there is one.
    :param asked: what was asked for because of this rating, if anything was.
    :return: what is to be announced, and what is newly asked for.
    """
    fell = before is not None and before.rating - given.rating >= DROP
    if not fell:
        open_ = asked is not None and asked.closed_at is None
        return ([asked.close(outcome="WITHDRAWN", now=now)] if asked and open_ else []), None
    if asked is not None:
        return [], None
    new = Asked(
        task_id=task_id_of(given.seat_id),
        task=FELL,
        about_id=given.seat_id,
        patient_id=given.patient_id,
        episode_id=given.episode_id,
        journey_id=given.journey_id,
    )
    opened = new.opened(
        owner_role=roles.COUNSELOR,
        reason="RATING_FELL",
        due_at=now + TALK_WITHIN,
        next_role=roles.SUPERVISOR,
    )
    return [opened], new
