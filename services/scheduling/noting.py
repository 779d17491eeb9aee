"""Notes on sessions as the service sees them: what is owed, what is overdue, what may be billed.

All of it runs in the transaction of what caused it.
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy.orm import Session

from services.scheduling import schemas, tables
from services.scheduling.day import columns
from services.scheduling.domain import attendance, clinicians, deliveries, notes, records, weeks
from shared.answers import answer_of
from shared.clock import set_timer
from shared.contracts.event import Actor, Event
from shared.contracts.scheduling import NOT_SEEN_BY_PROGRAM
from shared.ids import derived_id, new_id

#: Local time at which clinicians are asked for notes that are overdue. Design default.
REMINDER_TIME = time(8)

#: How far back a credential that is there after all changes what may be billed. Design default: payers
#: commonly take claims for ninety days.
RENEWAL_LOOKS_BACK = timedelta(days=90)


def set_reminder(db: Session, *, site_id: str, zone: str, after: datetime) -> None:
    """Look for overdue notes of a site on the next morning."""
    today = weeks.local_day(at=after, zone=zone)
    due_at = next(
        at
        for day in (today, today + timedelta(days=1), today + timedelta(days=2))
        if (at := weeks.moment_of(day=day, at=REMINDER_TIME, zone=zone)) > after
    )
    set_timer(db, "remind_of_notes", key=site_id, due_at=due_at)


def write(
    db: Session,
    roster: tables.Roster,
    *,
    patient_id: str | None,
    text: str,
    by: Actor,
    now: datetime,
) -> tuple[notes.Note, list[notes.Note]]:
    """Write a draft about a session, or about one patient in it.

    :return: the draft, and all notes on the session with it.
    :raises NoteWrittenAlready: when there is one about the same.
    """
    session = roster.session
    seat = attendance.seat_of(roster.seats, patient_id=patient_id) if patient_id is not None else None
    notes.check_can_note(session, seat=seat, of_patient=patient_id is not None, now=now)
    seat_id = seat.seat_id if seat else None
    known: list[notes.Note] = []
    if roster.noted:
        known = tables.notes_of(db, session_ids=[session.session_id])[session.session_id]
    if any(note.seat_id == seat_id for note in known):
        raise notes.NoteWrittenAlready(field="session_id", rule="one note about the same")
    note = notes.Note(
        note_id=new_id(),
        session_id=session.session_id,
        seat_id=seat_id,
        patient_id=patient_id,
        author_id=by.actor_id,
        author_role=by.role,
        written_at=now,
        due_at=session.ends_at + notes.NOTE_DUE,
        text=text,
    )
    db.add(note)
    return note, [*known, note]


def locked(db: Session, note_id: str) -> tuple[notes.Note, tables.Roster]:
    """Return a note and its session's roster, locked: signatures of one session follow one another.

    :raises NoSuchNote: when there is none.
    """
    note = db.get(notes.Note, note_id)
    if note is None:
        raise notes.NoSuchNote(field="note_id", rule="must be a note")
    roster = tables.lock_roster(db, session_id=note.session_id)
    db.refresh(note)
    return note, roster


def after_signature(
    db: Session,
    roster: tables.Roster,
    caused: list[Event],
    *,
    written: list[notes.Note] | None = None,
    now: datetime,
) -> list[Event]:
    """Return what follows from a signature besides what it caused itself.

    :param written: all notes on the session, where they are known already.
    """
    session_id = roster.session.session_id
    if written is None:
        # What was signed just now is read from among the notes.
        db.flush()
        written = tables.notes_of(db, session_ids=[session_id])[session_id]
    return [*caused, *_in_line(db, roster, written=written, now=now)]


def after_marks(db: Session, roster: tables.Roster, *, now: datetime) -> list[Event]:
    """Return what marks change of the notes that are owed, and of what may be billed."""
    session = roster.session
    nobody = not any(seat.is_served for seat in roster.seats)
    if nobody and session.noted_at is None and session.note_due_at is None:
        return []
    written: list[notes.Note] = []
    if roster.noted:
        # Marks are no notes: what they change is written down once, with what is owed.
        with db.no_autoflush:
            written = tables.notes_of(db, session_ids=[session.session_id])[session.session_id]
    return _in_line(db, roster, written=written, now=now)


def after_renewal(
    db: Session, clinician: clinicians.Clinician, site: records.Site, *, now: datetime
) -> list[Event]:
    """Return what a new or renewed credential changes of days that could not be billed for want of it."""
    today = weeks.local_day(at=now, zone=site.time_zone)
    caused: list[Event] = []
    for day in tables.days_without_credential(db, site_id=site.site_id, since=today - RENEWAL_LOOKS_BACK):
        held = tables.sessions_of_day(
            db,
            site_id=site.site_id,
            since=weeks.moment_of(day=day, at=time.min, zone=site.time_zone),
            until=weeks.moment_of(day=day + timedelta(days=1), at=time.min, zone=site.time_zone),
        )
        for session, seats in held:
            if session.facilitator_id == clinician.clinician_id:
                roster = tables.Roster(session=session, site=site, seats=seats, noted=True)
                caused += _tell_billing(db, roster, now=now)
    return caused


def remind(db: Session, *, site_id: str, now: datetime) -> list[Event]:
    """Ask each of a site's clinicians for the oldest note that is overdue."""
    return notes.ask_for_oldest(tables.overdue_at(db, site_id=site_id, now=now), now=now)


def _in_line(db: Session, roster: tables.Roster, *, written: list[notes.Note], now: datetime) -> list[Event]:
    session = roster.session
    was_asked = session.note_asked
    caused = notes.owe(session, seats=roster.seats, notes=written, now=now)
    if was_asked and not session.note_asked:
        db.flush()
        overdue = tables.overdue_of(db, facilitator_id=session.facilitator_id, now=now)
        caused += notes.ask_for_oldest(overdue, now=now)
    return [*caused, *_tell_billing(db, roster, now=now)]


def _tell_billing(db: Session, roster: tables.Roster, *, now: datetime) -> list[Event]:
    """Tell of the session's day, for each who has a seat in it, what may be billed, where that changed."""
    site = roster.site
    concerned = [seat for seat in roster.seats if seat.told or seat.family_minutes is not None]
    if site is None or not concerned:
        return []
    day = weeks.local_day(at=roster.session.starts_at, zone=site.time_zone)
    # Locked first: who signs another session of the same day has been told of by then.
    days = {seat.seat_id: _service_day(seat, site=site, day=day) for seat in concerned}
    there = [days[seat.seat_id] for seat in concerned if seat.is_served]
    told, attended = tables.lock_service_days(
        db,
        days=list(days.values()),
        new=there,
        since=weeks.moment_of(day=day, at=time.min, zone=site.time_zone),
        until=weeks.moment_of(day=day + timedelta(days=1), at=time.min, zone=site.time_zone),
    )
    held = _held_on(attended, day=day)
    caused: list[Event] = []
    for service_day in told:
        event = service_day.tell(held.get(service_day.episode_id, ()), now=now)
        if event is not None:
            caused.append(event)
    return caused


def _service_day(seat: attendance.Seat, *, site: records.Site, day: date) -> deliveries.ServiceDay:
    return deliveries.ServiceDay(
        delivery_id=derived_id(seat.episode_id, "service day", day.isoformat()),
        patient_id=seat.patient_id,
        episode_id=seat.episode_id,
        journey_id=seat.journey_id,
        site_id=site.site_id,
        served_on=day,
    )


def _held_on(attended: Iterable[tables.Attended], *, day: date) -> dict[str, list[deliveries.Held]]:
    """Return what patients, or their families, attended on a day, by episode."""
    found: dict[str, list[deliveries.Held]] = {}
    for one in attended:
        credential_valid = one.leader is not None and one.leader.may_take(kind=one.kind, on=day)
        for seat in one.seats:
            found.setdefault(seat["episode_id"], []).append(
                deliveries.Held(
                    seat_id=seat["seat_id"],
                    starts_at=one.starts_at,
                    credited_minutes=seat["family_minutes"] or seat["credited_minutes"],
                    kind=one.kind,
                    modality=one.modality,
                    noted=seat["noted"],
                    credential_valid=credential_valid and seat["not_seen_because"] not in NOT_SEEN_BY_PROGRAM,
                    people=one.people,
                    family_alone=bool(seat["family_minutes"]),
                )
            )
    return found


def notes_view(db: Session, found: list[notes.Note]) -> list[dict[str, Any]]:
    """Return notes as their readers see them, each with what was added."""
    addenda = tables.addenda_of(db, note_ids=[note.note_id for note in found])
    return [note_view(note, addenda[note.note_id]) for note in found]


def note_view(note: notes.Note, addenda: Iterable[notes.Addendum] = ()) -> dict[str, Any]:
    """Return a note as its readers see it, with what was added: to one that was just written, nothing."""
    added = [{**columns(one), "text": one.text} for one in addenda]
    return answer_of(schemas.Note, {**columns(note), "text": note.text, "addenda": added})


def unsigned_view(db: Session, found: list[attendance.Session], *, now: datetime) -> list[dict[str, Any]]:
    """Return what is still owed about some sessions."""
    ids = [session.session_id for session in found]
    written, seats = tables.notes_of(db, session_ids=ids), tables.rosters_of(db, session_ids=ids)
    items = []
    for session in found:
        own = written[session.session_id]
        without = notes.without_note(seats=seats[session.session_id], notes=own)
        items.append(
            answer_of(
                schemas.UnsignedNote,
                {
                    **columns(session),
                    "due_at": session.note_due_at,
                    "overdue": session.note_due_at is not None and session.note_due_at <= now,
                    "drafts": [note.note_id for note in own if note.state == "DRAFT"],
                    "await_cosignature": [note.note_id for note in own if note.state == "AWAITS_COSIGNATURE"],
                    "patients_without_note": sorted(seat.patient_id for seat in without),
                },
            )
        )
    return items
