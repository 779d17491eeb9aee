"""The day at a site: who is expected, who is here, of whom nothing is known, and who walks in."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.scheduling.domain import check_outs, plans
from services.scheduling.domain.attendance import (
    CHECK_OUT_GRACE,
    GIVEN_UP,
    GRACE,
    Seat,
    Session,
    SessionCalledOff,
)
from services.scheduling.domain.records import Episode
from shared.contracts.scheduling import ATTENDED_STATES, SessionScheduled
from shared.errors import Conflict
from shared.ids import derived_id

#: How long after its start nobody enters a group without the facilitator's word (brief 3.3). At the desk a
#: human asks; a patient's own app is told to.
NO_ENTRY_AFTER = timedelta(minutes=15)


class SessionFull(Conflict):
    """Raised when somebody walks in to a session that has no seat left."""


class PatientElsewhere(Conflict):
    """Raised when somebody walks in who has a seat in another session at that time."""


def needs_facilitator(session: Session, *, came_at: datetime) -> bool:
    """Whether a patient who comes by their own app has to wait until whoever leads the group was asked."""
    return session.group_id is not None and came_at > session.starts_at + NO_ENTRY_AFTER


@dataclass(kw_only=True)
class Day:
    """Seats of one day by what is known of them, in the order of sessions."""

    #: Still to come.
    expected: list[Seat] = field(default_factory=list)
    #: Here now.
    arrived: list[Seat] = field(default_factory=list)
    left: list[Seat] = field(default_factory=list)
    #: Nobody has said whether they came.
    unmarked: list[Seat] = field(default_factory=list)
    absent: list[Seat] = field(default_factory=list)
    walk_ins: list[Seat] = field(default_factory=list)
    check_outs_missing: list[Seat] = field(default_factory=list)
    #: Were there, by a mark, and nobody has put the safety question to them.
    not_asked: list[Seat] = field(default_factory=list)
    #: Came and were not seen, or wait at the door; a seat of theirs may be on another list as well.
    not_seen: list[Seat] = field(default_factory=list)


def day_of(held: Iterable[tuple[Session, list[Seat]]], *, now: datetime) -> Day:
    """Sort the seats of a day's sessions by what is known of them at a moment."""
    day = Day()
    for session, seats in held:
        if session.state != "PLANNED":
            continue
        for seat in seats:
            if seat.is_turned_away or seat.is_waiting:
                day.not_seen.append(seat)
            if seat.state in GIVEN_UP:
                continue
            if seat.walked_in:
                day.walk_ins.append(seat)
            if check_outs.is_missing(seat, session=session) and now >= session.ends_at + CHECK_OUT_GRACE:
                day.check_outs_missing.append(seat)
            if now >= session.ends_at and check_outs.is_unasked(seat, session=session):
                day.not_asked.append(seat)
            _place_of(seat, session=session, day=day, now=now).append(seat)
    return day


def _place_of(seat: Seat, *, session: Session, day: Day, now: datetime) -> list[Seat]:
    if seat.state == "SCHEDULED":
        return day.unmarked if now >= session.starts_at + GRACE else day.expected
    if seat.state == "UNMARKED":
        return day.unmarked
    if seat.state not in ATTENDED_STATES and seat.state != "CHECKED_IN":
        return day.absent
    gone = seat.checked_out_at is not None or (seat.left_at is not None and seat.left_at <= now)
    return day.left if gone else day.arrived


def walk_in(
    session: Session, *, seats: list[Seat], episode: Episode, elsewhere: bool, now: datetime
) -> tuple[Seat, SessionScheduled]:
    """Give somebody who came without being booked a seat; one that they gave up is taken up again.

    :param elsewhere: whether the patient has a seat in another session at that time.
    :return: the seat, still to be checked in, and the fact that it was booked.
    :raises SessionCalledOff: when the program cancelled the session.
    :raises PatientElsewhere: when the patient has a seat elsewhere.
    :raises SessionFull: when every seat is taken.
    """
    if session.state != "PLANNED":
        raise SessionCalledOff
    if elsewhere:
        raise PatientElsewhere(field="patient_id", rule="has a seat in another session at that time")
    taken = {seat.number for seat in seats if seat.number is not None}
    number = plans.lowest_free(taken=taken, capacity=session.capacity)
    if number is None:
        raise SessionFull(field="session_id", rule=f"at most {session.capacity} seats")
    seat = next((seat for seat in seats if seat.episode_id == episode.episode_id), None)
    if seat is None:
        seat = Seat(
            seat_id=derived_id(session.session_id, episode.episode_id),
            session_id=session.session_id,
            patient_id=episode.patient_id,
            episode_id=episode.episode_id,
            journey_id=episode.journey_id,
            capacity=session.capacity,
            number=number,
            starts_at=session.starts_at,
            ends_at=session.ends_at,
        )
    seat.state, seat.number, seat.walked_in = "SCHEDULED", number, True
    scheduled = SessionScheduled(
        patient_id=seat.patient_id,
        episode_id=seat.episode_id,
        journey_id=seat.journey_id,
        seat_id=seat.seat_id,
        session_id=session.session_id,
        kind=session.kind,
        modality=session.modality,
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        clinical_minutes=session.clinical_minutes,
    )
    return seat, scheduled
