"""Seats that are booked by hand: booking, waiting lists, swaps, make-ups and closures.

All of it runs in the transaction of what caused it. The patient's row is locked before a session's,
and sessions in the order of their ids, so that nobody waits in a circle. What is checked here is kept
by the database besides: numbered seats, and nobody in two places.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.scheduling import messages, tables
from services.scheduling.domain import (
    attendance,
    booking,
    family,
    groups,
    obligations,
    plans,
    records,
    rooms,
    waiting,
    weeks,
)
from services.scheduling.domain.clinicians import ClinicianElsewhere
from shared.clock import cancel_timer, set_timer
from shared.contracts.scheduling import (
    ATTENDED_STATES,
    MakeUpBooked,
    SeatFreed,
    SessionScheduled,
    SessionSwapped,
    SiteClosed,
)
from shared.database import send_what_waits
from shared.errors import Refusal
from shared.ids import derived_id, new_id
from shared.messaging import announce, announce_all
from shared.notification.quiet import next_loud_moment

#: How far around a session a patient's other seats are looked at: its week is within.
_AROUND = timedelta(days=8)

#: What each promise of the database says when it is about to be broken.
_KEPT_BY_DATABASE: dict[str, type[Refusal]] = {
    "uq_seats_tenant_id_session_id_number": booking.SessionFull,
    "ck_seats_within_capacity": booking.SessionFull,
    "ex_seats_patient": booking.PatientElsewhere,
    "ex_sessions_facilitator": ClinicianElsewhere,
    "ex_sessions_room": rooms.RoomTaken,
    "ex_room_hours_room": rooms.RoomTaken,
}


def write_down(db: Session) -> None:
    """Write what was changed; who loses a race for a seat, a room or somebody's time is refused.

    :raises Refusal: the one that belongs to the promise that the database kept.
    """
    try:
        db.flush()
        send_what_waits(db.connection())
    except sa.exc.IntegrityError as error:
        kept = _KEPT_BY_DATABASE.get(getattr(error.orig.diag, "constraint_name", "") or "")  # type: ignore[union-attr]
        if kept is None:
            raise
        raise kept from None


def seat_returned(db: Session, seats: Sequence[attendance.Seat]) -> None:
    """Seat whoever was excused, or turned away, and came after all: they may have booked elsewhere.

    At the door nobody is let in beyond the seats. Who was there is marked so, whoever has the seats.

    :param seats: all of the session.
    :raises SessionFull: when somebody is at the door, and others have all the seats by now.
    :raises PatientElsewhere: when they were booked elsewhere: one of the two has to be given up first.
    """
    returned = [
        seat
        for seat in seats
        if {"EXCUSED", "CANCELLED_BY_PROGRAM"} & {*(sa.inspect(seat).attrs.state.history.deleted or ())}
    ]
    if not returned:
        return
    for seat in returned:
        there = seat.state == "CHECKED_IN" or seat.state in ATTENDED_STATES
        if there and seat.number is None:
            taken = {one.number for one in seats if one.number is not None}
            seat.number = plans.lowest_free(taken=taken, capacity=seat.capacity)
            if seat.number is None and seat.state == "CHECKED_IN":
                raise booking.SessionFull(field="session_id", rule=f"at most {seat.capacity} seats")
    write_down(db)


# --- Booking --------------------------------------------------------------------------------------


def in_care(db: Session, *, patient_id: str) -> tuple[records.Patient, records.Episode]:
    """Return a patient who is being treated, locked, with the present episode.

    :raises NoSuchPatient: when there is no such patient.
    """
    found = tables.lock_patient_in_care(db, patient_id=patient_id)
    if found is None:
        raise records.NoSuchPatient(field="patient_id", rule="must be a patient in treatment")
    return found


def book(
    db: Session, *, session_id: str, patient_id: str, wait: bool, now: datetime
) -> tuple[attendance.Seat | None, waiting.Wait | None]:
    """Book a patient into a session, or put them on its waiting list when it is full.

    :param wait: whether the patient waits where no seat is left.
    :raises SessionFull: when none is left and the patient does not wait.
    """
    # Who asks about another's session hears of that alone.
    wanted = tables.lock_booking(db, session_id=session_id, patient_id=patient_id, around=_AROUND)
    chosen, patient, episode = wanted.chosen, wanted.patient, wanted.episode
    if patient is None or episode is None:
        raise records.NoSuchPatient(field="patient_id", rule="must be a patient in treatment")
    held = check_may_sit(db, chosen, patient, episode, now=now, known=wanted.held)
    session, taken = chosen.session, chosen.taken
    queue = _queue_of(db, chosen)
    own = next((one for one in queue if one.patient_id == patient_id), None)
    kept = sum(one.state == "OFFERED" and one is not own for one in queue)
    # Whoever could take a seat that became free was offered it: who still waits without an offer is
    # elsewhere then, and keeps nobody out.
    free = session.capacity - len(taken) - kept
    if free > 0:
        if own is not None:
            settle_wait(db, own, outcome="TAKEN", now=now)
        return take_seat(db, session, episode, taken=taken, held=held, origin="BOOKED", now=now), None
    if not wait:
        raise booking.SessionFull
    return None, own or _join(db, session, episode, now=now)


def _queue_of(db: Session, chosen: "tables.Bookable") -> list[waiting.Wait]:
    """Return who waits for a seat, the first in the row first."""
    if not chosen.waited_for:
        return []
    session_id = chosen.session.session_id
    return tables.waits_for(db, session_ids=[session_id]).get(session_id, [])


def check_may_sit(
    db: Session,
    chosen: "tables.Bookable",
    patient: records.Patient,
    episode: records.Episode,
    *,
    now: datetime,
    besides: str = "",
    field: str = "session_id",
    known: Sequence[booking.Held] | None = None,
) -> list[booking.Held]:
    """Refuse a session that this patient cannot sit in; return the patient's seats around it.

    :param besides: a seat that is given up for this one.
    :param field: the request's field that names the session.
    :param known: the patient's seats of a longer stretch, where they are known already.
    """
    session, zone = chosen.session, chosen.site.time_zone
    if episode.site_id != session.site_id:
        raise attendance.NoSuchSession(field="session_id", rule="must be a session of the patient's site")
    in_group = False
    if chosen.group is not None and chosen.group.enrolment != "OPEN":
        in_group = tables.has_place(db, episode_id=episode.episode_id, group_id=chosen.group.group_id)
    booking.check_bookable(
        session=session,
        group=chosen.group,
        in_group=in_group,
        facilitator=chosen.facilitator,
        zone=zone,
        now=now,
    )
    held = _held_around(db, session, patient_id=patient.patient_id, known=known)
    booking.check_free(
        session=session,
        held=held,
        seat_id=derived_id(session.session_id, episode.episode_id),
        bound_by=patient.obligations(),
        zone=zone,
        besides=besides,
    )
    booking.check_ceiling(
        session=session,
        held=held,
        ceiling=episode.weekly_minutes_ceiling,
        zone=zone,
        field=field,
        besides=besides,
    )
    return held


def _held_around(
    db: Session,
    session: attendance.Session,
    *,
    patient_id: str,
    known: Sequence[booking.Held] | None = None,
) -> list[booking.Held]:
    """Return a patient's seats around a session: its week is among them."""
    since, until = session.starts_at - _AROUND, session.starts_at + _AROUND
    if known is not None:
        return [one for one in known if since <= one.starts_at < until]
    return tables.held_by(db, patient_id=patient_id, since=since, until=until)


def take_seat(
    db: Session,
    session: attendance.Session,
    episode: records.Episode,
    *,
    taken: Collection[int],
    held: Sequence[booking.Held],
    origin: str,
    now: datetime,
    makes_up: str | None = None,
) -> attendance.Seat:
    """Give a patient the lowest free seat of a session, and tell so.

    :raises SessionFull: when none is free.
    """
    number = plans.lowest_free(taken=taken, capacity=session.capacity)
    if number is None:
        raise booking.SessionFull
    # One that was given up in an earlier episode stays with that.
    seat_id = derived_id(session.session_id, episode.episode_id)
    seat = db.get(attendance.Seat, seat_id) if any(one.seat_id == seat_id for one in held) else None
    if seat is None:
        seat = attendance.Seat(
            seat_id=seat_id,
            session_id=session.session_id,
            patient_id=episode.patient_id,
            episode_id=episode.episode_id,
            journey_id=episode.journey_id,
            capacity=session.capacity,
            number=number,
            starts_at=session.starts_at,
            ends_at=session.ends_at,
            origin=origin,
            makes_up=makes_up,
        )
        db.add(seat)
    else:
        # Somebody comes back to a seat that they gave up.
        seat.state, seat.number, seat.swapped_to = "SCHEDULED", number, None
        seat.not_seen_because = None
        seat.makes_up = makes_up
        seat.origin = "PLAN" if seat.origin == "PLAN" and makes_up is None else origin
    write_down(db)
    set_timer(
        db,
        "attendance_grace_over",
        key=session.session_id,
        due_at=session.starts_at + attendance.GRACE,
    )
    announce(
        db,
        SessionScheduled(
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
        ),
    )
    return seat


def release(db: Session, *, seat_id: str, patient_id: str | None, now: datetime) -> attendance.Seat:
    """Give back a seat that was booked by hand.

    :param patient_id: the patient who does it, whose week then keeps its hours; None for the staff.
    """
    seat, session, site = _own_seat(db, seat_id=seat_id, patient_id=patient_id)
    booking.check_movable(seat=seat, session=session, now=now)
    if seat.origin == "PLAN":
        raise booking.PlannedSeat(field="seat_id", rule="a seat that was booked, swapped or made up by hand")
    if patient_id is not None and seat.origin != "BOOKED":
        _check_floor(db, seat, session, gained=0, zone=site.time_zone)
    _give_up(db, seat, session)
    free_seats(db, [session.session_id], reason="RELEASED", now=now)
    return seat


# --- Waiting lists --------------------------------------------------------------------------------


def accept(db: Session, *, wait_id: str, patient_id: str | None, now: datetime) -> attendance.Seat:
    """Take a seat that was offered."""
    wait = own_wait(db, wait_id=wait_id, patient_id=patient_id)
    patient, episode = in_care(db, patient_id=wait.patient_id)
    chosen = tables.lock_bookable(db, session_id=wait.session_id)
    db.refresh(wait)
    wait.check_can_take(now=now)
    held = check_may_sit(db, chosen, patient, episode, now=now)
    settle_wait(db, wait, outcome="TAKEN", now=now)
    return take_seat(db, chosen.session, episode, taken=chosen.taken, held=held, origin="BOOKED", now=now)


def leave_waiting_list(db: Session, *, wait_id: str, patient_id: str | None, now: datetime) -> waiting.Wait:
    """Wait no longer; a seat that was offered goes to the next."""
    wait = own_wait(db, wait_id=wait_id, patient_id=patient_id)
    session = tables.lock_session(db, session_id=wait.session_id)
    db.refresh(wait)
    settle_wait(db, wait, outcome="WITHDRAWN", now=now)
    offer_next(db, session, now=now)
    return wait


def end_offer(db: Session, *, wait_id: str, now: datetime) -> None:
    """End an offer that nobody took, or the waiting for a session that is about to begin."""
    wait = db.get(waiting.Wait, wait_id)
    if wait is None:
        return
    session = tables.lock_session(db, session_id=wait.session_id)
    db.refresh(wait)
    settle_wait(db, wait, outcome="EXPIRED", now=now)
    offer_next(db, session, now=now)


def own_wait(db: Session, *, wait_id: str, patient_id: str | None) -> waiting.Wait:
    """Return an entry of a waiting list; another patient's is not there.

    :raises NoSuchWait: when there is none.
    """
    wait = db.get(waiting.Wait, wait_id)
    if wait is None or patient_id not in (None, wait.patient_id):
        raise waiting.NoSuchWait(field="wait_id", rule="must be an entry of a waiting list")
    return wait


def settle_wait(db: Session, wait: waiting.Wait, *, outcome: str, now: datetime) -> None:
    """End somebody's waiting."""
    announce_all(db, wait.settle(outcome=outcome, now=now))
    cancel_timer(db, "seat_offer_over", key=wait.wait_id)


def free_seats(db: Session, session_ids: Iterable[str], *, reason: str, now: datetime) -> None:
    """Tell of seats that have become free, and offer them to whoever waits."""
    db.flush()
    waited_for = []
    for session, taken, waits in tables.sessions_with_room(db, session_ids=session_ids, after=now):
        if waits:
            waited_for.append(session.session_id)
        announce(
            db,
            SeatFreed(
                session_id=session.session_id,
                site_id=session.site_id,
                group_id=session.group_id,
                starts_at=session.starts_at,
                free_seats=session.capacity - taken,
                reason=reason,
                freed_at=now,
            ),
        )
    for session_id in sorted(waited_for):
        offer_next(db, tables.lock_session(db, session_id=session_id), now=now)


def offer_next(db: Session, session: attendance.Session, *, now: datetime) -> None:
    """Offer what is free in a session, which is locked, to those who wait, in their order.

    Who is elsewhere at that time by now is passed over, and keeps waiting.
    """
    if session.state != "PLANNED" or not waiting.may_still_offer(starts_at=session.starts_at, now=now):
        return
    db.flush()
    queue = tables.waits_for(db, session_ids=[session.session_id]).get(session.session_id, [])
    taken = tables.numbers_held(db, session_ids=[session.session_id])[session.session_id]
    free = session.capacity - len(taken) - sum(one.state == "OFFERED" for one in queue)
    site = db.get(records.Site, session.site_id)
    heard_at = next_loud_moment(now, site.time_zone) if site else now
    for wait in queue:
        if free <= 0:
            return
        if wait.state != "WAITING" or not _is_free(db, wait, session, now=now):
            continue
        announce_all(db, wait.offer(starts_at=session.starts_at, heard_at=heard_at, now=now))
        assert wait.expires_at is not None  # for the type checker: it was offered
        announce_all(db, messages.of_offer(db, wait, now=now))
        set_timer(db, "seat_offer_over", key=wait.wait_id, due_at=wait.expires_at)
        free -= 1


def _is_free(db: Session, wait: waiting.Wait, session: attendance.Session, *, now: datetime) -> bool:
    patient = db.get(records.Patient, wait.patient_id)
    episode = db.get(records.Episode, wait.episode_id)
    site = db.get(records.Site, session.site_id)
    if patient is None or episode is None or site is None:
        return False
    group = db.get(groups.Group, session.group_id) if session.group_id else None
    # Who waits since before the cohort began does not join it any more.
    if (
        group is not None
        and not group.takes_newcomers(on=weeks.local_day(at=now, zone=site.time_zone))
        and not tables.has_place(db, episode_id=wait.episode_id, group_id=group.group_id)
    ):
        return False
    held = _held_around(db, session, patient_id=wait.patient_id)
    try:
        booking.check_free(
            session=session,
            held=held,
            seat_id=derived_id(session.session_id, wait.episode_id),
            bound_by=patient.obligations(),
            zone=site.time_zone,
        )
        booking.check_ceiling(
            session=session,
            held=held,
            ceiling=episode.weekly_minutes_ceiling,
            zone=site.time_zone,
            field="session_id",
        )
    except Refusal:
        return False
    return True


def _join(
    db: Session, session: attendance.Session, episode: records.Episode, *, now: datetime
) -> waiting.Wait:
    wait = waiting.Wait(
        wait_id=new_id(),
        session_id=session.session_id,
        patient_id=episode.patient_id,
        episode_id=episode.episode_id,
        journey_id=episode.journey_id,
        joined_at=now,
    )
    db.add(wait)
    db.flush()
    # Without an offer the waiting ends before the session begins.
    ends_at = max(session.starts_at - waiting.OFFER_ENDS_BEFORE, now)
    set_timer(db, "seat_offer_over", key=wait.wait_id, due_at=ends_at)
    return wait


def leave_all(db: Session, *, episode_id: str, now: datetime) -> None:
    """End all waiting of somebody who leaves the program."""
    for wait in tables.waits_of_episode(db, episode_id=episode_id, open_only=True):
        settle_wait(db, wait, outcome="WITHDRAWN", now=now)


# --- Swaps and make-ups ---------------------------------------------------------------------------


def swap(
    db: Session, *, seat_id: str, to_session_id: str, patient_id: str | None, now: datetime
) -> attendance.Seat:
    """Move a patient to an equivalent session of the same week; the week keeps its hours (S24)."""
    own, other = _own_and_other(db, seat_id=seat_id, to_session_id=to_session_id, patient_id=patient_id)
    seat, session, patient, episode = own
    zone = other.site.time_zone
    booking.check_movable(seat=seat, session=session, now=now)
    booking.check_equivalent(own=session, other=other.session, zone=zone)
    held = check_may_sit(db, other, patient, episode, now=now, besides=seat.seat_id, field="to_session_id")
    taken = room_in(db, other)
    _check_floor(db, seat, session, gained=other.session.clinical_minutes, zone=zone)
    _give_up(db, seat, session)
    new = take_seat(db, other.session, episode, taken=taken, held=held, origin="SWAP", now=now)
    seat.swapped_to = new.seat_id
    announce(
        db,
        SessionSwapped(
            patient_id=seat.patient_id,
            episode_id=seat.episode_id,
            journey_id=seat.journey_id,
            from_seat_id=seat.seat_id,
            from_session_id=session.session_id,
            to_seat_id=new.seat_id,
            to_session_id=other.session.session_id,
            by_patient=patient_id is not None,
            swapped_at=now,
        ),
    )
    free_seats(db, [session.session_id], reason="SWAPPED", now=now)
    return new


def make_up(
    db: Session, *, seat_id: str, to_session_id: str, patient_id: str | None, now: datetime
) -> attendance.Seat:
    """Book a session in place of one of the same week that was missed, excused or called off."""
    own, other = _own_and_other(db, seat_id=seat_id, to_session_id=to_session_id, patient_id=patient_id)
    seat, session, patient, episode = own
    booking.check_made_up(seat=seat, session=session, other=other.session, zone=other.site.time_zone)
    if tables.made_up(db, seat_ids=[seat.seat_id]):
        raise booking.NothingToMakeUp(field="seat_id", rule="a session that nothing makes up for yet")
    held = check_may_sit(db, other, patient, episode, now=now, field="to_session_id")
    taken = room_in(db, other)
    new = take_seat(
        db,
        other.session,
        episode,
        taken=taken,
        held=held,
        origin="MAKE_UP",
        makes_up=seat.seat_id,
        now=now,
    )
    announce(
        db,
        MakeUpBooked(
            patient_id=seat.patient_id,
            episode_id=seat.episode_id,
            journey_id=seat.journey_id,
            missed_seat_id=seat.seat_id,
            seat_id=new.seat_id,
            session_id=new.session_id,
            starts_at=new.starts_at,
            booked_at=now,
        ),
    )
    announce_all(db, messages.of_make_up_booked(db, new, now=now))
    return new


def alternatives(
    db: Session, *, seat_id: str, patient_id: str | None, now: datetime
) -> list[tuple[attendance.Session, int]]:
    """Return the sessions that a seat can be swapped for, or made up in, with their free seats."""
    seat = db.get(attendance.Seat, seat_id)
    if seat is None or patient_id not in (None, seat.patient_id):
        raise attendance.NoSuchSeat(field="seat_id", rule="must be a seat")
    session = db.get(attendance.Session, seat.session_id)
    patient = db.get(records.Patient, seat.patient_id)
    episode = db.get(records.Episode, seat.episode_id)
    if session is None or patient is None or episode is None:
        raise attendance.NoSuchSeat(field="seat_id", rule="must be a seat")
    offered = around(db, session, now=now)
    return those_that_fit(db, offered, seat, session, patient, episode, now=now)


def around(
    db: Session, session: attendance.Session, *, now: datetime, same_lesson: bool = False
) -> list[tuple["tables.Bookable", int]]:
    """Return the other sessions to come that could stand for one, with their free seats, by their start.

    :param same_lesson: whether those only that teach the same.
    """
    offered = [
        one
        for one in tables.bookable_between(
            db,
            site_id=session.site_id,
            since=now,
            until=session.starts_at + timedelta(days=7),
            lesson_of=session if same_lesson else None,
        )
        if one.session.session_id != session.session_id
    ]
    waited_for = [one.session.session_id for one in offered if one.waited_for]
    queues = tables.waits_for(db, session_ids=waited_for) if waited_for else {}
    return [(one, _free_in(one, queues.get(one.session.session_id, []))) for one in offered]


def _free_in(chosen: "tables.Bookable", queue: Iterable[waiting.Wait]) -> int:
    """Return the seats that are neither taken nor kept for somebody to whom they were offered."""
    kept = sum(wait.state == "OFFERED" for wait in queue)
    return chosen.session.capacity - len(chosen.taken) - kept


def those_that_fit(
    db: Session,
    offered: Sequence[tuple["tables.Bookable", int]],
    seat: attendance.Seat,
    session: attendance.Session,
    patient: records.Patient,
    episode: records.Episode,
    *,
    now: datetime,
) -> list[tuple[attendance.Session, int]]:
    """Return those of some sessions in which a patient can sit instead, with their free seats."""
    if not offered:
        return []
    starts = [one.session.starts_at for one, _ in offered]
    held = tables.held_by(
        db, patient_id=patient.patient_id, since=min(starts) - _AROUND, until=max(starts) + _AROUND
    )
    found = []
    for one, free in offered:
        try:
            if seat.state == "SCHEDULED":
                booking.check_equivalent(own=session, other=one.session, zone=one.site.time_zone)
            else:
                booking.check_made_up(seat=seat, session=session, other=one.session, zone=one.site.time_zone)
            check_may_sit(db, one, patient, episode, now=now, besides=seat.seat_id, known=held)
        except Refusal:
            continue
        if free > 0:
            found.append((one.session, free))
    return found


def session_of(db: Session, *, seat_id: str) -> attendance.Session:
    """Return the session of a seat.

    :raises NoSuchSeat: when there is no such seat.
    """
    seat = db.get(attendance.Seat, seat_id)
    session = db.get(attendance.Session, seat.session_id) if seat else None
    if session is None:
        raise attendance.NoSuchSeat(field="seat_id", rule="must be a seat")
    return session


def room_in(db: Session, chosen: "tables.Bookable") -> frozenset[int]:
    """Return the seats taken in a session, which is locked.

    :raises SessionFull: when none is left besides those that are kept for whoever waits.
    """
    if _free_in(chosen, _queue_of(db, chosen)) <= 0:
        raise booking.SessionFull(field="to_session_id", rule="a session with a free seat")
    return chosen.taken


def _own_and_other(
    db: Session, *, seat_id: str, to_session_id: str, patient_id: str | None
) -> tuple[tuple[attendance.Seat, attendance.Session, records.Patient, records.Episode], "tables.Bookable"]:
    """Return a seat with its session and patient, and another session; all are locked."""
    seat = db.get(attendance.Seat, seat_id)
    if seat is None or patient_id not in (None, seat.patient_id):
        raise attendance.NoSuchSeat(field="seat_id", rule="must be a seat")
    patient, episode = in_care(db, patient_id=seat.patient_id)
    tables.hold_enrolment(db, session_ids=[to_session_id])
    locked = tables.lock_sessions(db, session_ids={seat.session_id, to_session_id})
    if to_session_id not in locked:
        raise attendance.NoSuchSession(field="to_session_id", rule="must be a session")
    db.refresh(seat)
    other = tables.lock_bookable(db, session_id=to_session_id)
    return (seat, locked[seat.session_id], patient, episode), other


def _own_seat(
    db: Session, *, seat_id: str, patient_id: str | None
) -> tuple[attendance.Seat, attendance.Session, records.Site]:
    seat = db.get(attendance.Seat, seat_id)
    if seat is None or patient_id not in (None, seat.patient_id):
        raise attendance.NoSuchSeat(field="seat_id", rule="must be a seat")
    chosen = tables.lock_bookable(db, session_id=seat.session_id)
    db.refresh(seat)
    return seat, chosen.session, chosen.site


def _check_floor(
    db: Session, seat: attendance.Seat, session: attendance.Session, *, gained: int, zone: str
) -> None:
    """Refuse to bring the week of a seat under the hours of the level by giving it up."""
    held = [
        one
        for one in _held_around(db, session, patient_id=seat.patient_id)
        if booking.week_of(one.starts_at, zone=zone) == booking.week_of(session.starts_at, zone=zone)
    ]
    before = booking.minutes_in(held)
    week = booking.week_of(session.starts_at, zone=zone)
    floors = tables.floors_of(db, episode_ids=[seat.episode_id], week_starts_on=week)
    floor = floors.get(seat.episode_id, 0)
    booking.check_floor(before=before, after=before - session.clinical_minutes + gained, floor=floor)


def _give_up(db: Session, seat: attendance.Seat, session: attendance.Session) -> None:
    seat.state, seat.number = "CANCELLED", None
    if session.kind == "INDIVIDUAL":
        session.state = "CANCELLED"
        cancel_timer(db, "attendance_grace_over", key=session.session_id)
    # Before the other seat is taken: the two may overlap.
    db.flush()


def give_up_bound(
    db: Session,
    patient: records.Patient,
    *,
    bound_by: tuple[obligations.Obligation, ...],
    zone: str,
    now: datetime,
) -> None:
    """Give back seats booked by hand that meet what binds the patient from now on."""
    freed = []
    for seat in tables.booked_by_hand(db, patient_ids=[patient.patient_id], after=now)[patient.patient_id]:
        if seat.state == "SCHEDULED" and booking.meets(session=seat, bound_by=bound_by, zone=zone):
            session = tables.lock_session(db, session_id=seat.session_id)
            _give_up(db, seat, session)
            freed.append(seat.session_id)
    if freed:
        free_seats(db, freed, reason="REPLANNED", now=now)


def give_up_family(db: Session, patient: records.Patient, *, now: datetime) -> None:
    """Give back seats booked by hand in sessions with the family, to which nobody may come any more.

    The patient hears of it: no standing week is proposed anew for a session that was in none.
    """
    freed = []
    for seat in tables.booked_by_hand(db, patient_ids=[patient.patient_id], after=now)[patient.patient_id]:
        session = db.get(attendance.Session, seat.session_id)
        if session is None or session.kind != family.FAMILY:
            continue
        tables.lock_session(db, session_id=seat.session_id)
        db.refresh(seat)
        if seat.state == "SCHEDULED" and session.starts_at > now:
            _give_up(db, seat, session)
            announce_all(db, messages.of_family_session_off(db, seat, now=now))
            freed.append(seat.session_id)
    if freed:
        free_seats(db, freed, reason="REPLANNED", now=now)


# --- Closures -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Closing:
    """What became of the sessions of a site that closes for a while."""

    closure: rooms.Closure
    called_off: list[attendance.Session]
    #: Those that start in the closure and in which somebody is already.
    under_way: list[attendance.Session]
    #: Those that begin before the closure and end in it or after it: nothing was done about them, but that
    #: somebody is asked where anybody has a seat.
    reaching_into: list[attendance.Session]


def close_site(
    db: Session,
    site: records.Site,
    *,
    closed_from: datetime,
    closed_until: datetime,
    reason: str,
    now: datetime,
) -> Closing:
    """Close a site: call off all that starts in a stretch of time, in one step.

    What begins before it and reaches into it is left as it is: whether people are sent home early, or not
    asked to come at all, somebody has to decide.

    :raises ClosureEndsBeforeStart: when the stretch is empty or over.
    """
    if closed_until <= max(closed_from, now):
        raise rooms.ClosureEndsBeforeStart(field="closed_until", rule="after closed_from, and not over")
    closure = rooms.Closure(
        closure_id=new_id(),
        site_id=site.site_id,
        starts_at=closed_from,
        ends_at=closed_until,
        reason=reason,
        declared_at=now,
    )
    db.add(closure)
    found = tables.lock_sessions_between(db, site_id=site.site_id, since=closed_from, until=closed_until)
    called_off, under_way, seats_cancelled = call_off(db, found, reason=reason, now=now)
    announce(
        db,
        SiteClosed(
            closure_id=closure.closure_id,
            site_id=site.site_id,
            closed_from=closed_from,
            closed_until=closed_until,
            reason=reason,
            sessions_cancelled=len(called_off),
            seats_cancelled=seats_cancelled,
        ),
    )
    reaching = tables.sessions_running_at(db, site_id=site.site_id, at=closed_from)
    _ask_to_decide(db, closure, reaching, now=now)
    return Closing(closure=closure, called_off=called_off, under_way=under_way, reaching_into=reaching)


def _ask_to_decide(
    db: Session, closure: rooms.Closure, reaching: list[attendance.Session], *, now: datetime
) -> None:
    """Have somebody decide on the sessions that reach into a closure; what was asked before is asked once."""
    ids = [session.session_id for session in reaching]
    known = {one.about_id for one in tables.asked_about(db, task=rooms.REACHES_CLOSURE, about_ids=ids)}
    seated = tables.seats_of_sessions(db, session_ids=ids)
    for session in reaching:
        has_seats = any(seat.state not in attendance.GIVEN_UP for seat in seated[session.session_id])
        if has_seats and session.session_id not in known:
            asked, opened = closure.ask_about(session.session_id, starts_at=session.starts_at, now=now)
            db.add(asked)
            announce(db, opened)


def call_off(
    db: Session, found: list[attendance.Session], *, reason: str, now: datetime
) -> tuple[list[attendance.Session], list[attendance.Session], int]:
    """Call sessions off, which are locked, in one step.

    :return: the sessions that were called off, those in which somebody is already, and how many seats
        were taken back.
    """
    ids = [session.session_id for session in found]
    seated = tables.seats_of_sessions(db, session_ids=ids)
    queues = tables.waits_for(db, session_ids=ids)
    past = tables.past_of(
        db, episode_ids={seat.episode_id for seats in seated.values() for seat in seats if seat.told}
    )
    called_off, under_way, seats_cancelled = [], [], 0
    for session in found:
        seats = seated[session.session_id]
        waiting_seats = sum(seat.state not in attendance.GIVEN_UP for seat in seats)
        try:
            caused = session.cancel(reason=reason, seats=seats, past=past, now=now)
        except attendance.SessionHeldAlready:
            under_way.append(session)
            continue
        announce_all(db, caused)
        called_off.append(session)
        seats_cancelled += waiting_seats
        after_calling_off(db, session, queues.get(session.session_id, []), now=now)
    nothing_to_decide(db, called_off, now=now)
    return called_off, under_way, seats_cancelled


def nothing_to_decide(db: Session, called_off: Iterable[attendance.Session], *, now: datetime) -> None:
    """Ask nobody any more whether sessions that were called off go on into a closure."""
    ids = [session.session_id for session in called_off]
    for asked in tables.asked_about(db, task=rooms.REACHES_CLOSURE, about_ids=ids):
        announce(db, asked.close(outcome="WITHDRAWN", now=now))


def left_out_by_closures(
    db: Session, site: records.Site, weekly: list[plans.WeeklyPlan], *, week_starts_on: date
) -> set[str]:
    """Return the plans of which a standing date of a week was never booked, as the site was closed.

    A date that was booked before the site closed has a seat, whose state tells what became of it.
    """
    since = weeks.moment_of(day=week_starts_on, at=time(0), zone=site.time_zone)
    until = weeks.moment_of(day=week_starts_on + timedelta(days=7), at=time(0), zone=site.time_zone)
    closed = tables.closures_between(db, site_id=site.site_id, since=since, until=until)
    if not closed:
        return set()
    places = tables.places_of(db, plan_ids=[plan.plan_id for plan in weekly])
    by_id = {group.group_id: group for group in tables.groups_of_site(db, site_id=site.site_id)}
    left_out = [
        one
        for plan in weekly
        for one in plans.dated_sessions(
            plan=plan,
            places=places[plan.plan_id],
            groups=by_id,
            site=site,
            after=since - timedelta(minutes=1),
            first=week_starts_on,
            last=week_starts_on + timedelta(days=6),
        )
        if rooms.closed_at(closed, starts_at=one.starts_at) is not None
    ]
    booked = tables.seats_that_exist(db, seat_ids=[one.seat_id for one in left_out])
    return {one.plan.plan_id for one in left_out if one.seat_id not in booked}


def after_calling_off(
    db: Session, session: attendance.Session, queue: Iterable[waiting.Wait], *, now: datetime
) -> None:
    """Watch no longer over a session that was called off, and end all waiting for it."""
    for timer in ("attendance_grace_over", "roster_overdue", "session_over"):
        cancel_timer(db, timer, key=session.session_id)
    for wait in queue:
        settle_wait(db, wait, outcome="SESSION_GONE", now=now)


# --- Beside the standing week ---------------------------------------------------------------------


def bookable_dates(
    timetable: "tables.Timetable", dated: Iterable[plans.DatedSession]
) -> list[plans.DatedSession]:
    """Leave out the dates on which the site is closed or the patient is booked elsewhere by hand."""
    return [
        one
        for one in dated
        if rooms.closed_at(timetable.closed, starts_at=one.starts_at) is None
        and not any(
            seat.starts_at < one.ends_at and one.starts_at < seat.ends_at and seat.seat_id != one.seat_id
            for seat in timetable.by_hand[one.plan.patient_id]
        )
    ]
