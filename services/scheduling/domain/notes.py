"""Notes on sessions: written by the clinician, signed, co-signed where unlicensed, never changed after.

A note is about a whole session, or about one patient's part in it. A session needs one once somebody
was there. What is said after signing is an addendum, with its own author and moment.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.scheduling.domain.attendance import GIVEN_UP, Seat, Session
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Actor, Event
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import derived_id

#: How long after its end a session's note is due. Design default within the published 24 to 72 hours; some
#: states want it before the next session of the same kind (brief 3.1).
NOTE_DUE = timedelta(hours=24)

#: How long a supervisor has for a co-signature. Design default.
COSIGNATURE_DUE = timedelta(hours=72)

#: How long whoever is reminded of an overdue note has. Design default.
OVERDUE_NOTE_DUE = timedelta(hours=24)

OVERDUE = "note_overdue"
COSIGNATURE = "note_cosignature"


class NoSuchNote(NotFound):
    """Raised when a note is named that is not there."""


class NoteWrittenAlready(Conflict):
    """Raised when a second note is written about the same session or the same patient in it."""


class NoteIsSigned(Conflict):
    """Raised when a signed note is written anew or signed again: what comes after is an addendum."""


class NoteNotSigned(Conflict):
    """Raised when something is added to a draft, or a draft is co-signed."""


class NotYourNote(Forbidden):
    """Raised when somebody changes or signs a note that another one wrote."""


class CosignerNeedsLicence(Forbidden):
    """Raised when somebody without a licence, or the author, would co-sign."""


class NobodyToNote(InvalidInput):
    """Raised when a note is about a patient who has no seat in the session, or gave it up."""


class SessionNotHeld(Conflict):
    """Raised when a note is written about a session that has not begun, or was called off."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """Who signed, in which role, with which credential and when."""

    actor_id: str
    role: str
    credential: str
    signed_at: datetime


@dataclass(eq=False, kw_only=True)
class Note:
    """What a clinician wrote about a session, or about one patient in it; the text is kept sealed."""

    note_id: str
    session_id: str
    #: Both empty for a note about the whole session.
    seat_id: str | None
    patient_id: str | None
    author_id: str
    author_role: str
    written_at: datetime
    due_at: datetime
    #: One of NOTE_STATES.
    state: str = "DRAFT"
    signed_at: datetime | None = None
    signed_credential: str | None = None
    cosigned_by: str | None = None
    cosigned_role: str | None = None
    cosigned_credential: str | None = None
    cosigned_at: datetime | None = None
    text: str | None = None
    tenant_id: str = ""

    def rewrite(self, *, text: str, by: Actor) -> None:
        """Replace the text of a draft.

        :raises NoteIsSigned: once it is signed.
        :raises NotYourNote: when somebody else wrote it.
        """
        self._check_draft_of(by)
        self.text = text

    def sign(self, *, by: Actor, now: datetime) -> list[Event]:
        """Sign the note; without a licence it waits for a co-signature.

        :raises NoteIsSigned: when it is signed already.
        :raises NotYourNote: when somebody else wrote it.
        """
        self._check_draft_of(by)
        self.signed_at, self.signed_credential = now, by.credential
        if by.credential in roles.LICENSED_CREDENTIALS:
            self.state = "SIGNED"
            return []
        self.state = "AWAITS_COSIGNATURE"
        return [
            TaskOpened(
                task_id=derived_id(self.note_id, COSIGNATURE),
                task=COSIGNATURE,
                owner_role=roles.SUPERVISOR,
                reason="AUTHOR_UNLICENSED",
                due_at=now + COSIGNATURE_DUE,
                about_id=self.note_id,
                patient_id=self.patient_id,
                next_role=roles.MEDICAL_DIRECTOR,
            )
        ]

    def cosign(self, *, by: Actor, now: datetime) -> list[Event]:
        """Sign for what somebody unlicensed wrote.

        :raises NoteNotSigned: while the author has not signed.
        :raises NoteIsSigned: when nobody's co-signature is needed.
        :raises CosignerNeedsLicence: without a licence, or by the author.
        """
        if self.state == "DRAFT":
            raise NoteNotSigned
        if self.state == "SIGNED":
            raise NoteIsSigned
        if by.credential not in roles.LICENSED_CREDENTIALS or by.actor_id == self.author_id:
            raise CosignerNeedsLicence(field="credential", rule="a clinical licence, of somebody else")
        self.state = "SIGNED"
        self.cosigned_by, self.cosigned_role = by.actor_id, by.role
        self.cosigned_credential, self.cosigned_at = by.credential, now
        return [
            TaskClosed(
                task_id=derived_id(self.note_id, COSIGNATURE),
                task=COSIGNATURE,
                outcome="DONE",
                closed_at=now,
                about_id=self.note_id,
                patient_id=self.patient_id,
            )
        ]

    def add(self, *, addendum_id: str, text: str, by: Actor, now: datetime) -> "Addendum":
        """Return what is said after the note was signed.

        :raises NoteNotSigned: while the author has not signed: a draft can still be written anew.
        """
        if self.state == "DRAFT":
            raise NoteNotSigned
        return Addendum(
            addendum_id=addendum_id,
            note_id=self.note_id,
            author_id=by.actor_id,
            author_role=by.role,
            author_credential=by.credential,
            added_at=now,
            text=text,
        )

    def _check_draft_of(self, by: Actor) -> None:
        if self.state != "DRAFT":
            raise NoteIsSigned
        if by.actor_id != self.author_id:
            raise NotYourNote


@dataclass(eq=False, kw_only=True)
class Addendum:
    """What was added to a signed note, and by whom; the text is kept sealed."""

    addendum_id: str
    note_id: str
    author_id: str
    author_role: str
    author_credential: str
    added_at: datetime
    text: str | None = None
    tenant_id: str = ""


def check_can_note(session: Session, *, seat: Seat | None, of_patient: bool, now: datetime) -> None:
    """Refuse a note about what has not happened.

    :param seat: the seat of the patient that it is about.
    :param of_patient: whether it is about one patient.
    :raises SessionNotHeld: before the session begins, or when it was called off.
    :raises NobodyToNote: when the patient has no seat, or gave it up.
    """
    if session.state != "PLANNED" or now < session.starts_at:
        raise SessionNotHeld(field="session_id", rule="a session that has begun")
    if of_patient and (seat is None or seat.state in GIVEN_UP):
        raise NobodyToNote(field="patient_id", rule="must have a seat in the session")


def without_note(*, seats: Iterable[Seat], notes: Iterable[Note]) -> list[Seat]:
    """Return the seats of those who were there, or whose family was, and who stand in no signed note.

    A note about the whole session is about each of them. Design default: payers who want a note for each
    patient get one for each.
    """
    written = list(notes)
    return [seat for seat in seats if seat.is_served and not is_noted(seat.seat_id, notes=written)]


def is_noted(seat_id: str, *, notes: Iterable[Note]) -> bool:
    """Tell whether whoever sat there stands in a signed note of the session."""
    return any(note.state == "SIGNED" and note.seat_id in (None, seat_id) for note in notes)


def owe(session: Session, *, seats: list[Seat], notes: list[Note], now: datetime) -> list[Event]:
    """Bring in line what is owed about a session with who was there and what is signed."""
    present = any(seat.is_served for seat in seats)
    missing = without_note(seats=seats, notes=notes)
    # A support group is no service that anybody has to write about.
    if session.state == "PLANNED" and missing and session.is_treatment:
        session.note_due_at, session.noted_at = session.ends_at + NOTE_DUE, None
        return []
    session.note_due_at = None
    if present and session.noted_at is None:
        session.noted_at = now
    elif not present:
        session.noted_at = None
    if not session.note_asked:
        return []
    session.note_asked = False
    outcome = "DONE" if present else "WITHDRAWN"
    return [
        TaskClosed(
            task_id=derived_id(session.session_id, OVERDUE),
            task=OVERDUE,
            outcome=outcome,
            closed_at=now,
            about_id=session.session_id,
        )
    ]


def ask_for_oldest(overdue: list[Session], *, now: datetime) -> list[Event]:
    """Ask each facilitator with overdue notes for the oldest of them: one at a time.

    :param overdue: the sessions whose note is overdue, of any facilitators.
    """
    asked = {session.facilitator_id for session in overdue if session.note_asked}
    caused: list[Event] = []
    for session in sorted(overdue, key=lambda one: (one.starts_at, one.session_id)):
        if session.facilitator_id in asked:
            continue
        asked.add(session.facilitator_id)
        session.note_asked = True
        caused.append(
            TaskOpened(
                task_id=derived_id(session.session_id, OVERDUE),
                task=OVERDUE,
                owner_role=roles.COUNSELOR,
                reason="NOTE_NOT_SIGNED",
                due_at=now + OVERDUE_NOTE_DUE,
                about_id=session.session_id,
                next_role=roles.SUPERVISOR,
            )
        )
    return caused
