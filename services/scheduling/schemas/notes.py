"""Notes on sessions."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from services.scheduling.schemas.fields import Page, described
from shared.contracts.scheduling import NOTE_STATES
from shared.schema_fields import Id, Moment

#: Longest note, in characters. Design default.
LONGEST_NOTE = 20_000


def _says_something(text: str) -> None:
    if not text.strip():
        raise ValidationError("A text that says something is needed.")


_TEXT: dict[str, Any] = {"validate": [validate.Length(min=1, max=LONGEST_NOTE), _says_something]}


class WriteNote(Schema):
    """A note on a session, or on one patient's part in it."""

    session_id = Id(required=True, metadata=described("Which session."))
    patient_id = Id(metadata=described("Whom it is about; left out, it is about the whole session."))
    text = fields.String(required=True, metadata=described("Kept encrypted."), **_TEXT)
    sign = fields.Boolean(load_default=False, metadata=described("Whether it is signed at once."))


class RewriteNote(Schema):
    """Another text for a draft."""

    note_id = Id(required=True, metadata=described("Which note."))
    text = fields.String(required=True, metadata=described("Kept encrypted."), **_TEXT)


class SignNote(Schema):
    """The author signs."""

    note_id = Id(required=True, metadata=described("Which note."))


class CosignNote(Schema):
    """Somebody licensed signs for what somebody unlicensed wrote."""

    note_id = Id(required=True, metadata=described("Which note."))


class AddAddendum(Schema):
    """What is said after a note was signed."""

    note_id = Id(required=True, metadata=described("Which note."))
    text = fields.String(required=True, metadata=described("Kept encrypted."), **_TEXT)


class ListSessionNotes(Schema):
    """The notes on a session."""

    session_id = Id(required=True, metadata=described("Which session."))


class ListUnsignedNotes(Page):
    """Sessions that need a signed note, the one due first first."""

    site_id = Id(metadata=described("Only of this site."))
    facilitator_id = Id(metadata=described("Only of this clinician."))
    overdue = fields.Boolean(load_default=False, metadata=described("Only those that are due already."))


class Addendum(Schema):
    """What was added to a signed note."""

    addendum_id = Id(required=True)
    text = fields.String(required=True)
    author_id = fields.String(required=True)
    author_role = fields.String(required=True)
    author_credential = fields.String(required=True)
    added_at = Moment(required=True)


class Note(Schema):
    """A note on a session, with who signed it."""

    note_id = Id(required=True)
    session_id = Id(required=True)
    seat_id = Id(allow_none=True)
    patient_id = Id(allow_none=True)
    text = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(NOTE_STATES))
    author_id = fields.String(required=True)
    author_role = fields.String(required=True)
    written_at = Moment(required=True)
    due_at = Moment(required=True)
    signed_at = Moment(allow_none=True)
    signed_credential = fields.String(allow_none=True)
    cosigned_by = fields.String(allow_none=True)
    cosigned_role = fields.String(allow_none=True)
    cosigned_credential = fields.String(allow_none=True)
    cosigned_at = Moment(allow_none=True)
    addenda = fields.List(fields.Nested(Addendum), required=True)


class Notes(Schema):
    """The notes on a session."""

    items = fields.List(fields.Nested(Note), required=True)
    next = fields.String(allow_none=True)


class UnsignedNote(Schema):
    """A session that needs a signed note, and how far that is."""

    session_id = Id(required=True)
    site_id = Id(required=True)
    kind = fields.String(required=True)
    facilitator_id = Id(required=True)
    starts_at = Moment(required=True)
    due_at = Moment(required=True)
    overdue = fields.Boolean(required=True)
    drafts = fields.List(Id(), required=True, metadata=described("Notes that nobody has signed."))
    await_cosignature = fields.List(Id(), required=True, metadata=described("Notes to be co-signed."))
    patients_without_note = fields.List(
        Id(), required=True, metadata=described("Patients who were there and stand in no signed note.")
    )


class UnsignedNotes(Schema):
    """A page of sessions that need a signed note."""

    items = fields.List(fields.Nested(UnsignedNote), required=True)
    next = fields.String(allow_none=True)
