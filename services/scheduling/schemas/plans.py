"""Standing weeks."""

from marshmallow import Schema, fields, validate

from services.scheduling.schemas.fields import LocalTime, described
from shared.contracts.scheduling import MODES
from shared.schema_fields import Id, Moment


class GetWeeklyPlan(Schema):
    """The standing week of an episode."""

    episode_id = Id(required=True, metadata=described("Which episode."))


class ConfirmWeeklyPlan(Schema):
    """The patient's agreement to the proposed week."""

    episode_id = Id(required=True, metadata=described("Whose week."))
    version = fields.Integer(
        strict=True,
        metadata=described("The version that the patient saw: refused when it is another by now."),
    )


class Block(Schema):
    """A standing place in one weekly meeting."""

    group_id = Id(required=True)
    kind = fields.String(required=True)
    modality = fields.String(required=True)
    track = fields.String(required=True)
    weekday = fields.Integer(required=True)
    starts = LocalTime(required=True)
    ends = LocalTime(required=True)
    clinical_minutes = fields.Integer(required=True)
    reasons = fields.List(
        fields.String(), required=True, metadata=described("Why it stands in the week, in codes.")
    )


class IndividualHour(Schema):
    """The weekly hour alone with a licensed therapist."""

    clinician_id = Id(required=True)
    weekday = fields.Integer(required=True)
    starts = LocalTime(required=True)
    ends = LocalTime(required=True)
    mode = fields.String(
        required=True, validate=validate.OneOf(MODES), metadata=described("How the two meet.")
    )
    reasons = fields.List(fields.String(), required=True)


class UnmetWish(Schema):
    """A wish that the week does not meet."""

    wish = fields.String(required=True, metadata=described("E.g. MODALITY_CBT, TRACKS or FAMILY."))
    reason = fields.String(
        required=True,
        validate=validate.OneOf(
            ("NOT_OFFERED", "OBLIGATIONS", "FULL", "NOBODY_COMES", "NO_CONSENT", "OTHER_RULES")
        ),
        metadata=described(
            "What stands against it. Of family sessions also: nobody backs the patient, or no consent for"
            " people close to them stands."
        ),
    )


class WeeklyPlan(Schema):
    """The standing week of an episode."""

    plan_id = Id(required=True)
    episode_id = Id(required=True)
    patient_id = Id(required=True)
    site_id = Id(required=True)
    state = fields.String(
        required=True,
        validate=validate.OneOf(("ACTIVE", "WAITING", "ENDED")),
        metadata=described("WAITING until a week fits."),
    )
    reason = fields.String(
        allow_none=True, metadata=described("The constraint to relax, while no week fits.")
    )
    obligations_to_relax = fields.List(
        fields.String(),
        required=True,
        metadata=described(
            "While no week fits: the kinds of obligations of which one alone would have to give way."
        ),
    )
    version = fields.Integer(required=True)
    track = fields.String(allow_none=True)
    weekly_minutes = fields.Integer(required=True, metadata=described("Clinical minutes, breaks excluded."))
    blocks = fields.List(fields.Nested(Block), required=True)
    individual = fields.Nested(IndividualHour, allow_none=True)
    workshop_exception = fields.String(
        allow_none=True, metadata=described("Why the week has no workshop, where it has none.")
    )
    wishes_not_met = fields.List(fields.Nested(UnmetWish), required=True)
    proposed_at = Moment(allow_none=True, metadata=described("When a week was first found."))
    confirmed_at = Moment(allow_none=True, metadata=described("When the patient agreed to the present week."))
    confirm_by = Moment(
        allow_none=True, metadata=described("By when the patient is to agree; then somebody asks them.")
    )
    changed_because = fields.String(
        allow_none=True,
        metadata=described("GROUP_ENDED where the week stands in place of one that could not be kept."),
    )
    booked_through = fields.Date(allow_none=True)
    ended_at = Moment(allow_none=True)
