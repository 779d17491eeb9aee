"""What binds a person's week, and how the tracks fit around it."""

from marshmallow import Schema, fields, validate

from services.scheduling.schemas.fields import WEEKDAY, LocalTime, described
from shared.contracts.scheduling import OBLIGATION_KINDS, TRACKS
from shared.schema_fields import Id, Moment


class Obligation(Schema):
    """A stretch of each week that a person cannot give away."""

    kind = fields.String(
        required=True, validate=validate.OneOf(OBLIGATION_KINDS), metadata=described("What binds.")
    )
    weekday = fields.Integer(
        required=True,
        strict=True,
        validate=WEEKDAY,
        metadata=described("The day on which it starts: 0 is Monday, 6 is Sunday."),
    )
    starts = LocalTime(required=True, metadata=described("Local start."))
    ends = LocalTime(
        required=True,
        metadata=described("Local end; at or before the start it is on the next day."),
    )
    travel_minutes = fields.Integer(
        load_default=0,
        strict=True,
        validate=validate.Range(min=0, max=240),
        metadata=described("Minutes of way before and after."),
    )


class Wishes(Schema):
    """What somebody would like of their week, where all that must be leaves room for it."""

    tracks = fields.List(
        fields.String(validate=validate.OneOf(TRACKS)),
        load_default=list,
        validate=validate.Length(max=len(TRACKS)),
        metadata=described("Tracks that suit best; empty when all are alike."),
    )
    telehealth = fields.Boolean(load_default=False, metadata=described("To leave home as little as can be."))
    family = fields.Boolean(load_default=False, metadata=described("Family sessions."))
    support_group = fields.Boolean(
        load_default=False, metadata=described("A support group, beside the clinical hours.")
    )
    telehealth_state = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Regexp(r"^[A-Z]{2}$", error="Two capital letters."),
        metadata=described(
            "The state where the patient is during sessions from afar. While nobody tells it, the hour alone"
            " with the therapist is in person: whoever leads it has to be licensed there."
        ),
    )


class DeclareObligations(Schema):
    """All that binds a person's week, in place of what was declared before."""

    patient_id = Id(required=True, metadata=described("Whose week."))
    site_id = Id(required=True, metadata=described("The site whose tracks are to fit."))
    obligations = fields.List(
        fields.Nested(Obligation),
        required=True,
        validate=validate.Length(max=100),
        metadata=described("Empty when nothing binds."),
    )
    wishes = fields.Nested(Wishes, metadata=described("In place of those before; left out, those stay."))


class GetObligations(Schema):
    """What binds a person's week."""

    patient_id = Id(required=True, metadata=described("Whose week."))


class TrackFit(Schema):
    """How well one track fits around obligations."""

    track = fields.String(required=True, validate=validate.OneOf(TRACKS))
    placeable_minutes = fields.Integer(required=True)
    required_minutes = fields.Integer(required=True)
    result = fields.String(required=True, validate=validate.OneOf(("MET", "CONDITIONAL", "NOT_MET")))


class Obligations(Schema):
    """What binds a person's week, and how the tracks of the site fit around it, the best first."""

    patient_id = Id(required=True)
    site_id = Id(allow_none=True)
    declared_at = Moment(allow_none=True)
    obligations = fields.List(fields.Nested(Obligation), required=True)
    wishes = fields.Nested(Wishes, required=True)
    fit = fields.List(fields.Nested(TrackFit), required=True)
