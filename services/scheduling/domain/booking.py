"""Seats that are booked by hand: who may take one, which sessions stand for each other, what a week keeps."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from services.scheduling.domain.attendance import GIVEN_UP, LEAVES_TIME_FREE, Seat, Session
from services.scheduling.domain.clinicians import Clinician
from services.scheduling.domain.deliveries import LEAST_MINUTES, LEAST_MINUTES_OF_GROUP
from services.scheduling.domain.groups import Group
from services.scheduling.domain.obligations import Obligation
from services.scheduling.domain.weeks import local_day, monday_of, span_of
from shared.contracts.scheduling import ATTENDED_STATES
from shared.errors import Conflict

#: States of a seat that give hours to its week: attended, or still to come.
_COUNTED = ("SCHEDULED", "CHECKED_IN", "UNMARKED")


class SessionFull(Conflict):
    """Raised when a session has no seat left, and the patient does not want to wait for one."""


class SeatedAlready(Conflict):
    """Raised when somebody is booked into a session in which they have a seat."""


class PatientElsewhere(Conflict):
    """Raised when a patient would be in two places at once."""


class MeetsObligation(Conflict):
    """Raised when a session meets what binds the patient's week, the way there and back included."""


class SessionNotBookable(Conflict):
    """Raised when a session has begun, is over or was called off."""


class LicenceRunsOut(Conflict):
    """Raised when whoever leads a session has no valid credential for it on its day."""


class NotEquivalent(Conflict):
    """Raised when one session does not stand for another: another kind or modality, or another week."""


class FloorNotKept(Conflict):
    """Raised when a week would have fewer clinical hours than the level of care asks for."""


class CeilingReached(Conflict):
    """Raised when a week would have as many clinical hours as the next level of care begins with."""


class NotYoursToMove(Conflict):
    """Raised when a seat is moved, or given back, that has begun, was judged or was given up."""


class NothingToMakeUp(Conflict):
    """Raised when hours are made up that were attended, or that somebody makes up already."""


class PlannedSeat(Conflict):
    """Raised when a seat of the standing week is given back: it is swapped, or its absence excused."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """One seat of a patient, with what its session is worth: what judging a week needs."""

    seat_id: str
    session_id: str
    state: str
    starts_at: datetime
    ends_at: datetime
    clinical_minutes: int
    credited_minutes: int


def check_bookable(
    *,
    session: Session,
    group: Group | None,
    in_group: bool,
    facilitator: Clinician | None,
    zone: str,
    now: datetime,
) -> None:
    """Refuse a session that nobody, or no newcomer, can be booked into.

    A credential is asked for on the local day on which the session starts: what was begun under a
    valid one is finished under it.

    :param in_group: whether the patient has a standing place in the session's group.
    :raises SessionNotBookable: when it has begun or was called off.
    :raises EnrolmentClosed: when its group is closed and its cohort began without the patient.
    :raises LicenceRunsOut: when its clinician has no valid credential on its day.
    """
    if session.state != "PLANNED" or session.starts_at <= now:
        raise SessionNotBookable(field="session_id", rule="a planned session that has not begun")
    if group is not None:
        group.check_joins(is_member=in_group, on=local_day(at=now, zone=zone), field="session_id")
    day = local_day(at=session.starts_at, zone=zone)
    if facilitator is None or not facilitator.may_take(kind=session.kind, on=day):
        raise LicenceRunsOut(field="session_id", rule="its clinician needs a valid credential on that day")


def check_free(
    *,
    session: Session,
    held: Iterable[Held],
    seat_id: str,
    bound_by: Iterable[Obligation],
    zone: str,
    besides: str = "",
) -> None:
    """Refuse a session at whose time the patient is elsewhere.

    :param seat_id: the seat that the patient would have in it; one of an earlier episode is another.
    :param besides: a seat that is given up for this one.
    :raises SeatedAlready: when the patient has a seat in it.
    :raises PatientElsewhere: when the patient has a seat in another session then.
    :raises MeetsObligation: when it meets what binds the patient.
    """
    for one in held:
        if one.seat_id == besides or one.state in GIVEN_UP:
            continue
        if one.seat_id == seat_id:
            raise SeatedAlready(field="session_id", rule="a session in which the patient has no seat")
        if one.state in LEAVES_TIME_FREE:
            # Whoever was excused from one session may come to another at that time, and whoever was excused
            # before they left and came back, to the same.
            continue
        if one.session_id == session.session_id:
            raise SeatedAlready(field="session_id", rule="a session in which the patient has no seat")
        if one.starts_at < session.ends_at and session.starts_at < one.ends_at:
            raise PatientElsewhere(field="session_id", rule="the patient has another session at that time")
    bound = meets(session=session, bound_by=bound_by, zone=zone)
    if bound is not None:
        raise MeetsObligation(field="session_id", rule=f"meets an obligation of the patient: {bound.kind}")


def meets(*, session: Session | Seat, bound_by: Iterable[Obligation], zone: str) -> Obligation | None:
    """Return what binds the patient at the time of a session, if anything does."""
    stretch = span_of(starts_at=session.starts_at, ends_at=session.ends_at, zone=zone)
    return next((bound for bound in bound_by if bound.span().meets(stretch)), None)


def check_movable(*, seat: Seat, session: Session, now: datetime) -> None:
    """Refuse to move or give back a seat on which something has happened.

    :raises NotYoursToMove: when the session has begun or was called off, or the seat was judged.
    """
    if seat.state != "SCHEDULED" or session.state != "PLANNED" or session.starts_at <= now:
        raise NotYoursToMove(field="seat_id", rule="a seat in a session that has not begun")


def check_equivalent(*, own: Session, other: Session, zone: str) -> None:
    """Refuse a session that does not stand for another (S24).

    :raises NotEquivalent: when kind or modality differ, or the local week.
    """
    if (other.kind, other.modality) != (own.kind, own.modality):
        raise NotEquivalent(field="to_session_id", rule="of the same kind and modality")
    check_same_week(own=own, other=other, zone=zone)


def check_same_week(*, own: Session, other: Session, zone: str) -> None:
    """Refuse a session of another local week, or at another site.

    :raises NotEquivalent: when it is.
    """
    if other.site_id != own.site_id or week_of(own.starts_at, zone=zone) != week_of(
        other.starts_at, zone=zone
    ):
        raise NotEquivalent(
            field="to_session_id", rule="in the same week, Monday to Sunday, and at the same site"
        )


def check_made_up(*, seat: Seat, session: Session, other: Session, zone: str) -> None:
    """Refuse to make up hours that are not owed, or in another week.

    :raises NothingToMakeUp: when the session was attended, or is still to come for the patient.
    :raises NotEquivalent: when the other is of another week or site, or too short to count as treatment.
    """
    if seat.state not in ("NO_SHOW", "EXCUSED", "CANCELLED_BY_PROGRAM"):
        raise NothingToMakeUp(field="seat_id", rule="a session that was missed, excused or called off")
    least = LEAST_MINUTES.get(other.kind, LEAST_MINUTES_OF_GROUP)
    if other.clinical_minutes < least:
        raise NotEquivalent(field="to_session_id", rule=f"of at least {least} clinical minutes")
    check_same_week(own=session, other=other, zone=zone)


def check_floor(*, before: int, after: int, floor: int) -> None:
    """Refuse a change that brings a week under the hours of the level, or further under it.

    :raises FloorNotKept: when it does.
    """
    if after < floor and after < before:
        raise FloorNotKept(
            field="to_session_id",
            rule=f"the week keeps at least {floor} clinical minutes ({floor / 60:g} hours)",
        )


def check_ceiling(
    *,
    session: Session,
    held: Iterable[Held],
    ceiling: int | None,
    zone: str,
    field: str,
    besides: str = "",
) -> None:
    """Refuse a session that would give its week the hours at which the level of care ends.

    A week that has them already may still be changed into one with fewer. Support groups count for nothing.

    :param ceiling: clinical minutes; a week of the level has fewer. None where nobody told of one.
    :param field: the request's field that names the session.
    :param besides: a seat that is given up for this one.
    :raises CeilingReached: when it would.
    """
    week = week_of(session.starts_at, zone=zone)
    own = [one for one in held if week_of(one.starts_at, zone=zone) == week]
    before = minutes_in(own)
    after = minutes_in(one for one in own if one.seat_id != besides) + session.clinical_minutes
    if ceiling is not None and after >= ceiling and after > before:
        raise CeilingReached(
            field=field,
            rule=f"the week stays below {ceiling} clinical minutes ({ceiling / 60:g} hours)",
        )


def minutes_in(held: Iterable[Held]) -> int:
    """Return the clinical minutes that seats give to a week: credited ones, and those to come."""
    total = 0
    for one in held:
        if one.state in ATTENDED_STATES:
            total += one.credited_minutes
        elif one.state in _COUNTED:
            total += one.clinical_minutes
    return total


def week_of(at: datetime, *, zone: str) -> date:
    """Return the Monday of the local week of a moment."""
    return monday_of(local_day(at=at, zone=zone))
