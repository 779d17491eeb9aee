"""Sessions for which nobody leaves home."""

from marshmallow import Schema, fields, validate

from services.scheduling.schemas.attendance import Seat
from services.scheduling.schemas.fields import described
from shared.contracts.scheduling import TELEHEALTH_PLACES
from shared.schema_fields import Id, Moment


class JoinByTelehealth(Schema):
    """A patient joins a session from afar, and tells where they are: asked anew each time."""

    session_id = Id(required=True, metadata=described("Which session."))
    patient_id = Id(metadata=described("Who; a patient's own token may leave it out."))
    state = fields.String(
        required=True,
        validate=validate.Regexp(r"^[A-Z]{2}$", error="Two capital letters."),
        metadata=described("The state in which the patient is now, e.g. IL."),
    )
    place = fields.String(
        required=True,
        validate=validate.OneOf(TELEHEALTH_PLACES),
        metadata=described("At home, or elsewhere."),
    )
    call_back = fields.String(
        required=True,
        validate=validate.Length(min=3, max=40),
        metadata=described("The number to call when the line breaks. Kept encrypted."),
    )
    whereabouts = fields.String(
        required=True,
        validate=validate.Length(min=1, max=300),
        metadata=described("Where help would be sent. Kept encrypted."),
    )
    privacy_attested = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata=described("That nobody listens; needed where others take part."),
    )


class GetTelehealthVisit(Schema):
    """Where a patient is during a session, for whoever leads it."""

    seat_id = Id(required=True, metadata=described("Which seat."))


class TelehealthVisit(Schema):
    """Where a patient is during a session."""

    seat_id = Id(required=True)
    session_id = Id(required=True)
    patient_id = Id(required=True)
    state = fields.String(required=True)
    place = fields.String(required=True)
    call_back = fields.String(allow_none=True)
    whereabouts = fields.String(allow_none=True)
    privacy_attested = fields.Boolean(required=True)
    told_at = Moment(required=True)


class Joined(Seat):
    """The seat of a patient who has joined from afar."""
