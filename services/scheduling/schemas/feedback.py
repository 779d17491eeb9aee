"""How a session was for a patient."""

from marshmallow import Schema, fields, validate

from services.scheduling.schemas.fields import Page, described
from shared.schema_fields import Id, Moment


class GiveFeedback(Schema):
    """A patient's word on a session."""

    session_id = Id(required=True, metadata=described("Which session."))
    patient_id = Id(metadata=described("Who; a patient's own token may leave it out."))
    rating = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(min=0, max=10),
        metadata=described("0 is of no use at all, 10 could not be better."),
    )
    reason = fields.String(validate=validate.Length(max=2000), metadata=described("Kept encrypted."))


class ListFeedback(Page):
    """What a patient said of their sessions, by session."""

    episode_id = Id(required=True, metadata=described("Which episode."))


class Feedback(Schema):
    """A patient's word on a session."""

    seat_id = Id(required=True)
    session_id = Id(required=True)
    patient_id = Id(required=True)
    starts_at = Moment(required=True)
    rating = fields.Integer(required=True)
    reason = fields.String(allow_none=True)
    given_at = Moment(required=True)


class Feedbacks(Schema):
    """A page of a patient's words on sessions."""

    items = fields.List(fields.Nested(Feedback), required=True)
    next = fields.String(allow_none=True)
