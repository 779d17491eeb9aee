"""The day at a site as the service sees it: check-outs, walk-ins, the day's view, what was attended.

All of it runs in the transaction of what caused it.
"""

from collections import Counter
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy.orm import Session

from services.scheduling import schemas, tables
from services.scheduling.domain import (
    attendance,
    attended,
    balance,
    check_outs,
    clinic_day,
    feedback,
    groups,
    plans,
    records,
    telehealth,
    weeks,
)
from shared.answers import answer_of
from shared.contracts.event import Event, write_moment
from shared.errors import InvalidInput, Refusal
from shared.messaging import announce_all

#: Days that one question about attendance may span: a year of treatment and its two ends.
MOST_DAYS = 400

#: How far ahead sessions are booked at most; what the patient moved counts as soon as it is moved.
BOOKED_AHEAD = timedelta(weeks=8)


class StretchNotUsable(InvalidInput):
    """Raised when a stretch of days ends before it begins, or is too long."""


def past_of(db: Session, seat: attendance.Seat) -> list[attendance.Seen]:
    """Return the judged seats of a seat's episode, for a change that finds nobody absent.

    They are counted only where others were told of the seat, and have to be told anew.
    """
    return tables.past_of(db, episode_ids=[seat.episode_id])[seat.episode_id] if seat.told else []


def check_out(
    db: Session,
    session: attendance.Session,
    seat: attendance.Seat,
    *,
    answer: str,
    left_at: datetime,
    refused: Refusal | None,
    now: datetime,
) -> check_outs.Left:
    """Close a patient's presence and hear their answer; return what came of it.

    :param refused: what stands against the check-out already; a danger is heard all the same.
    """
    left = check_outs.check_out(
        seat,
        session=session,
        left_at=left_at,
        answer=answer,
        past=past_of(db, seat),
        now=now,
        refused=refused,
    )
    if left.asked is not None:
        db.add(left.asked)
    return left


def checked_out_view(
    roster: tables.Roster, seat: attendance.Seat, *, answer: str, left: check_outs.Left
) -> dict[str, Any]:
    """Return a seat after its check-out, with who helps where the answer carries risk."""
    site = roster.site
    lines = check_outs.crisis_lines(answer=answer, emergency_line=site.emergency_line if site else None)
    not_counted = left.refused.code if left.refused is not None else None
    return answer_of(schemas.CheckedOut, {**columns(seat), "crisis_lines": lines, "not_counted": not_counted})


def walk_in(
    db: Session,
    roster: tables.Roster,
    *,
    patient_id: str,
    arrived_at: datetime,
    now: datetime,
) -> tuple[attendance.Seat, list[Event]]:
    """Seat and check in somebody who came; who has a seat already is only checked in.

    :raises NoSuchPatient: when there is nobody of that id in the program.
    :raises WhereaboutsNeeded: when the session is held from afar: they join it, and tell where they are.
    """
    if roster.session.mode != "IN_PERSON":
        raise telehealth.WhereaboutsNeeded
    own, caused = seated(db, roster, patient_id=patient_id, now=now)
    past = tables.past_of(db, episode_ids=[own.episode_id])
    caused += own.check_in(session=roster.session, arrived_at=arrived_at, past=past[own.episode_id], now=now)
    return own, caused


def seated(
    db: Session, roster: tables.Roster, *, patient_id: str, now: datetime
) -> tuple[attendance.Seat, list[Event]]:
    """Return the seat of somebody who came, and what giving them one caused, where they had none.

    :raises NoSuchPatient: when there is nobody of that id in the program.
    """
    session, seats = roster.session, roster.seats
    own = attendance.seat_of(seats, patient_id=patient_id)
    caused: list[Event] = []
    if own is None or own.is_gone:
        # Whoever books for the same patient waits for the same row.
        patient = tables.lock_patient(db, patient_id=patient_id)
        episode = tables.present_episode_of(db, patient_id=patient_id) if patient else None
        if episode is None:
            raise records.NoSuchPatient(field="patient_id", rule="must be a patient in the program")
        _check_joins(db, session, episode, now=now)
        elsewhere = tables.has_seat_between(
            db,
            patient_id=patient_id,
            since=session.starts_at,
            until=session.ends_at,
            besides=session.session_id,
        )
        own, scheduled = clinic_day.walk_in(
            session, seats=seats, episode=episode, elsewhere=elsewhere, now=now
        )
        if own not in seats:
            db.add(own)
            seats.append(own)
        caused.append(scheduled)
    return own, caused


def _check_joins(
    db: Session, session: attendance.Session, episode: records.Episode, *, now: datetime
) -> None:
    """Refuse somebody who walks in to a closed group whose cohort they are not of."""
    group = db.get(groups.Group, session.group_id) if session.group_id else None
    site = tables.site_of(db, site_id=session.site_id)
    if group is None or site is None or group.enrolment == "OPEN":
        return
    group.check_joins(
        is_member=tables.has_place(db, episode_id=episode.episode_id, group_id=group.group_id),
        on=weeks.local_day(at=now, zone=site.time_zone),
        field="session_id",
    )


def today_view(db: Session, *, site: records.Site, day: date | None, now: datetime) -> dict[str, Any]:
    """Return the day at a site: its sessions, and its seats by what is known of them."""
    day = day or weeks.local_day(at=now, zone=site.time_zone)
    held = tables.sessions_of_day(
        db,
        site_id=site.site_id,
        since=weeks.moment_of(day=day, at=time.min, zone=site.time_zone),
        until=weeks.moment_of(day=day + timedelta(days=1), at=time.min, zone=site.time_zone),
    )
    found = clinic_day.day_of(held, now=now)
    return answer_of(
        schemas.Today,
        {
            "site_id": site.site_id,
            "day": day,
            "time_zone": site.time_zone,
            "as_of": now,
            "sessions": [with_roster(session, seats) for session, seats in held],
            **{name: [columns(seat) for seat in seats] for name, seats in vars(found).items()},
            "tests_due": [
                columns(test) for test in tables.due_tests_of_day(db, site_id=site.site_id, day=day)
            ],
        },
    )


def attendance_view(
    db: Session,
    *,
    episode: records.Episode,
    site: records.Site,
    first: date | None,
    last: date | None,
    now: datetime,
) -> dict[str, Any]:
    """Return what an episode's patient attended from one local day to another, both included.

    :raises StretchNotUsable: when the stretch ends before it begins, or is too long.
    """
    zone = site.time_zone
    began = weeks.local_day(at=episode.admitted_at or now, zone=zone)
    last = last or max(weeks.local_day(at=now, zone=zone), first or began)
    first = first or min(began, last)
    if not 0 <= (last - first).days < MOST_DAYS:
        raise StretchNotUsable(field="to", rule=f"not before from, and at most {MOST_DAYS} days")
    seats = tables.seats_within(
        db,
        episode_id=episode.episode_id,
        since=weeks.moment_of(day=first, at=time.min, zone=zone),
        until=weeks.moment_of(day=last + timedelta(days=1), at=time.min, zone=zone),
    )
    past = tables.past_of(db, episode_ids=[episode.episode_id])
    return answer_of(
        schemas.Attendance,
        {
            "episode_id": episode.episode_id,
            "patient_id": episode.patient_id,
            "site_id": site.site_id,
            "time_zone": zone,
            "from_": first,
            "to": last,
            **vars(attended.tally(seats)),
            "consecutive_absences": attendance.absences_in_row(past[episode.episode_id]),
            "modalities": attended.dose_by_modality(seats),
            "weeks": attended.weeks_of(
                seats, floor=episode.weekly_minutes_floor or 0, zone=zone, kept=episode.step_downs
            ),
            "days": attended.days_there(seats, zone=zone),
        },
    )


def balance_view(
    db: Session, *, episode: records.Episode, site: records.Site, plan: plans.WeeklyPlan, now: datetime
) -> dict[str, Any]:
    """Return the balance of an episode from its admission on, with what is booked already."""
    seats = tables.seats_within(
        db, episode_id=episode.episode_id, since=episode.admitted_at or now, until=now + BOOKED_AHEAD
    )
    found = balance.balance_of(seats, plan=plan, episode=episode, zone=site.time_zone, now=now)
    return answer_of(
        schemas.Balance, {"episode_id": episode.episode_id, "patient_id": episode.patient_id, **vars(found)}
    )


def rate(
    db: Session, seat: attendance.Seat, *, rating: int, reason: str | None, now: datetime
) -> feedback.Feedback:
    """Keep a patient's word on a session in place of an earlier one; tell the counselor of a fall."""
    given = db.get(feedback.Feedback, seat.seat_id)
    if given is None:
        given = feedback.Feedback(
            seat_id=seat.seat_id,
            session_id=seat.session_id,
            patient_id=seat.patient_id,
            episode_id=seat.episode_id,
            journey_id=seat.journey_id,
            starts_at=seat.starts_at,
            rating=rating,
            given_at=now,
        )
        db.add(given)
    given.rating, given.given_at, given.reason = rating, now, reason
    before = tables.feedback_before(db, episode_id=seat.episode_id, starts_at=seat.starts_at)
    asked = tables.find_asked(db, task_id=feedback.task_id_of(seat.seat_id))
    caused, newly_asked = feedback.watch(given, before=before, asked=asked, now=now)
    if newly_asked is not None:
        db.add(newly_asked)
    announce_all(db, caused)
    return given


def with_roster(session: attendance.Session, seats: list[attendance.Seat]) -> dict[str, Any]:
    """Return a session's columns with its seats, and how many of them are in which state."""
    counts = Counter(seat.state for seat in seats)
    return {**columns(session), "counts": dict(counts), "seats": [columns(seat) for seat in seats]}


def session_item(found: dict[str, Any]) -> dict[str, Any]:
    """Return one session of a page as the schema of it would: a page has a hundred, and each is plain."""
    moments = {name: write_moment(found[name]) for name in ("starts_at", "ends_at")}
    return {**found, **moments}


def columns(row: Any) -> dict[str, Any]:
    """Return a row's columns by name."""
    return {column.key: getattr(row, column.key) for column in row.__mapper__.column_attrs}
