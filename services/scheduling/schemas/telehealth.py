"""Sessions for which nobody leaves home."""

from marshmallow import Schema, fields, validate

from services.scheduling.schemas.attendance import Seat
from services.scheduling.schemas.fields import described
from shared.contracts.scheduling import NEXT_STEPS, NOT_SEEN_REASONS, TELEHEALTH_PLACES
from shared.schema_fields import Id, Moment


class JoinByTelehealth(Schema):
    """A patient joins a session from afar, and tells where they are: asked anew each time.

    Nobody is refused for where they are. Whoever nobody of the session may treat there is turned away: the
    answer says so, somebody calls them back, and it never counts against them. Whoever has not said that
    nobody listens, or comes late to a group by their own app, waits: that they came is kept, the answer says
    what follows, and they may try again. Whom the staff check in gets a seat, as who walks in.
    """

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


class UnseenArrival(Schema):
    """A patient came from afar, and was not seen."""

    came_at = Moment(required=True)
    state = fields.String(required=True)
    place = fields.String(required=True)
    call_back = fields.String(allow_none=True)
    whereabouts = fields.String(allow_none=True)
    reason = fields.String(required=True, validate=validate.OneOf(NOT_SEEN_REASONS))
    clinician_id = Id(required=True, metadata=described("Who led the session."))
    told_by = fields.String(required=True, metadata=described("Who checked them in."))
    told_by_role = fields.String(required=True)
    task_id = Id(required=True, metadata=described("What somebody was asked to do because of it."))
    call_due_at = Moment(required=True)


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
    unseen = fields.List(
        fields.Nested(UnseenArrival),
        required=True,
        metadata=described("When they came and could not be seen, the first first."),
    )


class Joined(Seat):
    """The seat of a patient who came.

    Whoever may be seen is checked in. Whoever may not be has ``not_seen_because`` and ``next_step``. Where
    nobody may treat them it counts for nothing against them, and they may try again from elsewhere; else they
    wait, and may try again once what stands in their way is gone.
    """

    next_step = fields.String(
        allow_none=True,
        validate=validate.OneOf(NEXT_STEPS),
        metadata=described("What follows where they were not seen; null where they were."),
    )
    called_back_by = Moment(
        allow_none=True,
        metadata=described("By when somebody calls them back at the number they told, if somebody does."),
    )
    crisis_lines = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        allow_none=True,
        metadata=described("Who helps until then, where they were not seen."),
    )
