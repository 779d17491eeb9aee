"""How a patient leaves: the check-out with its one safety question, and who is asked when it is missing.

The question is whether the patient is safe on the way home and at home tonight. An answer that tells of
danger is announced in the same transaction, whatever else the check-out is worth.

Who checked in and not out is looked for by name. Where a roster tells who was there, nobody stood at the
door: the roster itself may hold the answers. For those of whom it holds none, one task for the whole session
asks whoever leads it to put the question, since it is one round, not twelve, and the day's view names them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.scheduling.domain.asked import Asked
from services.scheduling.domain.attendance import (
    CHECK_OUT_GRACE,
    GIVEN_UP,
    Mark,
    Seat,
    SeatGivenUp,
    Seen,
    Session,
    SessionCalledOff,
    TimesDoNotFit,
)
from shared import dangers
from shared.contracts import roles
from shared.contracts.common import SafetyConcernRaised, TaskClosed, TaskOpened
from shared.contracts.event import Event, write_moment
from shared.contracts.scheduling import ATTENDED_STATES
from shared.errors import Conflict, Refusal
from shared.ids import derived_id

#: How soon somebody talks to a patient who would not answer. Design default.
CONTACT_WITHIN = timedelta(hours=2)

#: How long somebody who is asked for a missing check-out has. Design default.
CHECK_OUT_DUE = timedelta(hours=2)

#: How long after a session its question is still put to those whom a roster tells of: it is about that way
#: home and that night. Later the next session and the daily check-in ask. Design default.
QUESTION_HOLDS = timedelta(hours=24)

#: Whom anybody may call in danger; part of every answer that carries risk. Safety rule (brief 13b.13).
CRISIS_LINES = {
    "call_or_text_988": "988 Suicide and Crisis Lifeline; press 1 for veterans; Spanish on request.",
    "call_911": "Emergency services",
}

MISSING = "check_out_missing"
CONTACT = "check_out_contact"
UNASKED = "safety_question_unasked"


class NotCheckedIn(Conflict):
    """Raised when somebody checks out who was not there."""


def crisis_lines(*, answer: str, emergency_line: str | None) -> dict[str, str] | None:
    """Return who helps now, the program's own number first; None after an answer without risk."""
    return None if answer == "SAFE" else lines_now(emergency_line=emergency_line)


def lines_now(*, emergency_line: str | None) -> dict[str, str]:
    """Return who helps now, the program's own number first."""
    own = {"program_emergency_line": emergency_line} if emergency_line else {}
    return own | CRISIS_LINES


@dataclass(frozen=True, kw_only=True)
class Left:
    """What came of a check-out."""

    #: What is to be announced.
    caused: list[Event]
    #: What somebody is asked to do by hand.
    asked: Asked | None
    #: What stands against counting it, though the danger that it told of was heard.
    refused: Refusal | None = None


def check_out(
    seat: Seat,
    *,
    session: Session,
    left_at: datetime,
    answer: str,
    past: list[Seen],
    now: datetime,
    refused: Refusal | None = None,
) -> Left:
    """Close a patient's presence; a second time changes nothing, and is heard where it tells of a danger.

    Presence is credited up to *left_at*, unless a facilitator's mark named an earlier time. A danger is
    heard and announced though the check-out itself cannot be counted.

    :param refused: what stands against the check-out already, whatever is known of the seat.
    :raises SessionCalledOff: after an answer without danger, when the program cancelled the session.
    :raises SeatGivenUp: likewise, when the seat was cancelled.
    :raises NotCheckedIn: likewise, when nobody noted that the patient was there.
    :raises TimesDoNotFit: likewise, when the patient left in the future, or before arriving.
    """
    against = refused or _against(seat, session=session, left_at=left_at, now=now)
    if against is not None and not dangers.in_check_out(answer):
        raise against
    caused, asked = _heard(seat, answer=answer, now=now)
    if against is not None:
        return Left(caused=caused, asked=asked, refused=against)
    if seat.checked_out_at is not None:
        return Left(caused=caused, asked=asked)
    seat.checked_out_at = left_at
    caused += _presence_until(seat, session=session, left_at=left_at, past=past, now=now)
    return Left(caused=caused + settle(seat, session=session, now=now), asked=asked)


def check_out_by_roster(
    seat: Seat, *, session: Session, mark: Mark, answer: str, past: list[Seen], now: datetime
) -> Left:
    """Take a facilitator's mark with what the patient answered on leaving; the same again changes nothing.

    Presence follows the mark. Where nobody told when the patient left, the end of the session closes the
    check-out, once that is over: before, the answer is known, and that the patient left is not.

    :raises SeatGivenUp: when the seat was cancelled.
    :raises TimesDoNotFit: when times are missing, in the future or the wrong way round.
    """
    told_before = answer == seat.check_out_answer and mark.left_at in (
        None,
        seat.left_at,
        seat.checked_out_at,
    )
    caused = seat.take(mark=mark, session=session, past=past, now=now)
    heard, asked = ([], None) if told_before else _heard(seat, answer=answer, now=now)
    if seat.checked_out_at is None:
        seat.checked_out_at = mark.left_at or (session.ends_at if session.ends_at <= now else None)
    return Left(caused=heard + caused, asked=asked)


def _against(seat: Seat, *, session: Session, left_at: datetime, now: datetime) -> Refusal | None:
    """Return what stands against closing the patient's presence, if anything does."""
    if session.state != "PLANNED":
        return SessionCalledOff()
    if seat.state in GIVEN_UP:
        return SeatGivenUp()
    if seat.arrived_at is None:
        return NotCheckedIn(field="patient_id", rule="checked in, or marked as present, before")
    if left_at > now:
        return TimesDoNotFit(field="left_at", rule="not in the future")
    if left_at <= seat.arrived_at:
        return TimesDoNotFit(field="left_at", rule="after arriving")
    return None


def _heard(seat: Seat, *, answer: str, now: datetime) -> tuple[list[Event], Asked | None]:
    """Take the answer. A danger is heard every time: whoever is in danger again says the same again.

    A harmless answer after another one says nothing new.
    """
    told = dangers.in_check_out(answer)
    if seat.check_out_answer is not None and not told:
        return [], None
    seat.check_out_answer = answer
    if told:
        raised: list[Event] = [
            SafetyConcernRaised(
                concern_id=derived_id(seat.seat_id, "check_out", answer, write_moment(now)),
                patient_id=seat.patient_id,
                concern=concern,
                level=level,
                evidence_id=seat.seat_id,
                raised_at=now,
                episode_id=seat.episode_id,
                journey_id=seat.journey_id,
            )
            for concern, level in told
        ]
        return raised, None
    if answer != "DECLINED":
        return [], None
    asked = Asked(
        task_id=derived_id(seat.seat_id, CONTACT),
        task=CONTACT,
        about_id=seat.seat_id,
        patient_id=seat.patient_id,
        episode_id=seat.episode_id,
        journey_id=seat.journey_id,
    )
    opened = asked.opened(
        owner_role=roles.COUNSELOR,
        reason="SAFETY_QUESTION_DECLINED",
        due_at=now + CONTACT_WITHIN,
        next_role=roles.SUPERVISOR,
    )
    return [opened], asked


def _presence_until(
    seat: Seat, *, session: Session, left_at: datetime, past: list[Seen], now: datetime
) -> list[Event]:
    if left_at <= session.starts_at:
        # They came, and went before it began: of the session itself nothing is known yet.
        seat.arrived_at = seat.left_at = seat.checked_in_at = seat.checked_out_at = None
        state = "SCHEDULED" if now < session.starts_at else "UNMARKED"
        return seat.become(state=state, session=session, past=past, now=now)
    marked_earlier = seat.left_at is not None and seat.left_at < min(left_at, session.ends_at)
    if seat.state != "CHECKED_IN" and (seat.state not in ATTENDED_STATES or marked_earlier):
        return []
    mark = Mark(mark="PRESENT", arrived_at=seat.arrived_at, left_at=left_at)
    return seat.take(mark=mark, session=session, past=past, now=now)


def is_missing(seat: Seat, *, session: Session) -> bool:
    """Tell whether the check-out of somebody who checked in did not come.

    A mark that says when the patient left stands for it.
    """
    there = seat.state == "CHECKED_IN" or seat.state in ATTENDED_STATES
    marked_earlier = seat.left_at is not None and seat.left_at < session.ends_at
    return there and seat.checked_in_at is not None and seat.checked_out_at is None and not marked_earlier


def ask(seat: Seat, *, session: Session, now: datetime) -> list[Event]:
    """Ask for the check-out of a patient who has not left half an hour after the end."""
    if seat.check_out_asked or not is_missing(seat, session=session):
        return []
    if now < session.ends_at + CHECK_OUT_GRACE:
        return []
    seat.check_out_asked = True
    return [
        TaskOpened(
            task_id=derived_id(seat.seat_id, MISSING),
            task=MISSING,
            owner_role=roles.FRONT_DESK,
            reason="NO_CHECK_OUT",
            due_at=now + CHECK_OUT_DUE,
            about_id=session.session_id,
            patient_id=seat.patient_id,
            episode_id=seat.episode_id,
            journey_id=seat.journey_id,
            next_role=roles.COUNSELOR,
        )
    ]


def settle(seat: Seat, *, session: Session, now: datetime) -> list[Event]:
    """Ask no longer once the check-out has come, or the patient was not there after all."""
    if not seat.check_out_asked or is_missing(seat, session=session):
        return []
    seat.check_out_asked = False
    return [
        TaskClosed(
            task_id=derived_id(seat.seat_id, MISSING),
            task=MISSING,
            outcome="DONE" if seat.state in ATTENDED_STATES else "WITHDRAWN",
            closed_at=now,
            about_id=session.session_id,
            patient_id=seat.patient_id,
            episode_id=seat.episode_id,
            journey_id=seat.journey_id,
        )
    ]


def is_unasked(seat: Seat, *, session: Session) -> bool:
    """Tell whether somebody was there, by a mark, and nobody has heard their answer to the safety question.

    Whoever checked in and not out is asked for by name, and who was at a support group is no patient there.
    """
    return (
        session.is_treatment
        and seat.state in ATTENDED_STATES
        and seat.check_out_answer is None
        and not is_missing(seat, session=session)
    )


def waits_for_question(session: Session, *, seats: Iterable[Seat], now: datetime) -> bool:
    """Tell whether somebody is still to be asked to put the question to those who were there."""
    in_time = now < session.ends_at + QUESTION_HOLDS
    return in_time and not session.question_asked_for and _any_unasked(session, seats)


def ask_for_question(session: Session, *, seats: Iterable[Seat], now: datetime) -> list[Event]:
    """Ask once for the whole session, half an hour after its end, to put the question to who heard none."""
    if now < session.ends_at + CHECK_OUT_GRACE or not waits_for_question(session, seats=seats, now=now):
        return []
    session.question_asked_for = True
    return [
        TaskOpened(
            task_id=derived_id(session.session_id, UNASKED),
            task=UNASKED,
            owner_role=roles.COUNSELOR,
            reason="MARKED_WITHOUT_CHECK_OUT",
            due_at=now + CHECK_OUT_DUE,
            about_id=session.session_id,
            next_role=roles.SUPERVISOR,
        )
    ]


def settle_question(session: Session, *, seats: list[Seat], now: datetime) -> list[Event]:
    """Ask no longer once everybody who was there has been asked, or nobody was there after all."""
    if not session.question_asked_for or _any_unasked(session, seats):
        return []
    session.question_asked_for = False
    return [
        TaskClosed(
            task_id=derived_id(session.session_id, UNASKED),
            task=UNASKED,
            outcome="DONE" if any(seat.state in ATTENDED_STATES for seat in seats) else "WITHDRAWN",
            closed_at=now,
            about_id=session.session_id,
        )
    ]


def _any_unasked(session: Session, seats: Iterable[Seat]) -> bool:
    return any(is_unasked(seat, session=session) for seat in seats)
