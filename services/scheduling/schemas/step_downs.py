"""Fewer hours than the level of care asks for, as they are agreed with a patient."""

from marshmallow import Schema, fields, validate

from services.scheduling.schemas.fields import described
from shared.schema_fields import Id, Moment


class AgreeStepDown(Schema):
    """A clinician agrees with a patient on fewer hours than the level of care asks for."""

    episode_id = Id(required=True, metadata=described("Whose week."))
    weekly_minutes = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(min=1, max=10_080),
        metadata=described("Clinical minutes a week at least: fewer than the level of care asks for."),
    )
    days = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(min=1, max=7),
        metadata=described("Days a week with a block of groups."),
    )
    patient_agrees = fields.Boolean(
        required=True,
        truthy={True},
        falsy={False},
        validate=validate.Equal(True, error="A step-down is agreed with the patient."),
        metadata=described("That the patient agrees."),
    )
    begins_on = fields.Date(metadata=described("First day, on the site's calendar; today when left out."))
    ends_on = fields.Date(
        load_default=None, allow_none=True, metadata=described("Last day; none while it is not known.")
    )


class EndStepDown(Schema):
    """The hours of the level of care are planned again."""

    episode_id = Id(required=True, metadata=described("Whose week."))


class ListStepDowns(Schema):
    """What was agreed with a patient on fewer hours."""

    episode_id = Id(required=True, metadata=described("Which episode."))


class AgreedStepDown(Schema):
    """Fewer hours than the level asks for: in its weeks the floor of hours is not judged."""

    agreement_id = Id(required=True)
    weekly_minutes = fields.Integer(required=True)
    days = fields.Integer(required=True)
    begins_on = fields.Date(required=True)
    ends_on = fields.Date(allow_none=True, metadata=described("The last day, where one is known."))
    agreed_at = Moment(required=True)
    agreed_by = fields.String(required=True, metadata=described("Who signed, as the token names them."))
    agreed_role = fields.String(required=True)
    credential = fields.String(required=True)
    ended_at = Moment(allow_none=True, metadata=described("When it was ended before its time."))


class AgreedStepDowns(Schema):
    """What was agreed with a patient on fewer hours, in the order in which it was agreed."""

    episode_id = Id(required=True)
    patient_id = Id(required=True)
    items = fields.List(fields.Nested(AgreedStepDown), required=True)
    next = fields.String(allow_none=True)
