"""Notes on sessions: written by the clinician, signed, co-signed where unlicensed, never changed after."""

from dataclasses import dataclass
from datetime import datetime


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
