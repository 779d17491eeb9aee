"""Admissions, and referrals to other programs."""

from marshmallow import Schema, fields

from services.intake.schemas.fields import code_field, id_field, moment_field, number_field, text_field
from shared.contracts import intake as codes


class AdmitPatient(Schema):
    """Admit somebody to the program."""

    episode_id = id_field("Episode of the person.")


class Admission(Schema):
    """An admission."""

    admission_id = id_field("Id of the admission.")
    episode_id = id_field("Episode of the person.")
    patient_id = id_field("Id of the person.")
    level = fields.String()
    admitted_at = moment_field("When treatment started.")
    weekly_minutes_floor = fields.Integer()
    weekly_minutes_ceiling = fields.Integer()
    planned_weeks = fields.Integer()
    follow_up_consent = fields.Boolean()
    left_open = fields.List(
        fields.String(), metadata={"description": "Tasks that see to what the admission leaves open."}
    )
    next_step = fields.String()


class ReferElsewhere(Schema):
    """Refer somebody to another program, because they need what the site does not have."""

    episode_id = id_field("Episode of the person.")
    program = text_field("Program that takes over.", longest=200, allow_none=True, load_default=None)


class GetOutwardReferral(Schema):
    """Look at a referral to another program."""

    outward_referral_id = id_field("Id of the referral.")


class RecordReferralFollowUp(Schema):
    """Record what a follow-up of somebody referred elsewhere came to."""

    outward_referral_id = id_field("Id of the referral.")
    outcome = code_field("What it came to.", codes.REFERRAL_FOLLOW_UP_OUTCOMES, required=True)
    number = number_field(
        "1 after 48 hours, 2 after 7 days; the earliest open one when left out.",
        1,
        2,
        allow_none=True,
        load_default=None,
    )
    note = text_field("A note.", allow_none=True, load_default=None)


class FollowUp(Schema):
    """A look after somebody referred elsewhere."""

    number = fields.Integer()
    due_at = moment_field("When it is due.")
    state = fields.String()
    outcome = fields.String(allow_none=True)
    recorded_at = moment_field("When it was recorded.", allow_none=True)
    note = fields.String(allow_none=True)


class OutwardReferral(Schema):
    """A referral to another program, with its follow-ups."""

    outward_referral_id = id_field("Id of the referral.")
    episode_id = id_field("Episode that it closed.")
    patient_id = id_field("Id of the person.")
    journey_id = id_field("Id that spans the person's episodes.")
    level = fields.String()
    program = fields.String(allow_none=True)
    referred_at = moment_field("When the person was referred.")
    follow_ups = fields.List(fields.Nested(FollowUp))
