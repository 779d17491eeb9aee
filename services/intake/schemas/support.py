"""Who backs a patient, and what sets off use and what helps against it."""

from marshmallow import Schema, fields, validate

from services.intake.schemas.assessments import Trigger
from services.intake.schemas.fields import (
    code_field,
    flag_field,
    id_field,
    moment_field,
    phone_field,
    text_field,
)
from shared.contracts import intake as codes


class AddSupporter(Schema):
    """Name somebody who backs a patient."""

    patient_id = id_field("Whom they back.")
    role = code_field("What they are to the patient.", codes.SUPPORTER_ROLES, required=True)
    lives_with_patient = flag_field("They live in one home.")
    reached_by = code_field("How they are reached.", codes.SUPPORTER_CHANNELS, required=True)
    name = text_field("Name.", longest=200, required=True)
    phone = phone_field("Telephone number.", allow_none=True, load_default=None)
    email = fields.Email(
        allow_none=True,
        load_default=None,
        validate=validate.Length(max=254),
        metadata={"description": "Address for electronic mail."},
    )
    consent_id = id_field(
        "Consent that covers what they may be told; nothing without one.",
        required=False,
        allow_none=True,
        load_default=None,
    )


class EndSupporter(Schema):
    """Take somebody off who backed a patient."""

    supporter_id = id_field("Who it is.")


class TellNoSupporter(Schema):
    """Say that nobody backs a patient."""

    patient_id = id_field("Who has nobody.")


class ListSupporters(Schema):
    """List who backs a patient."""

    patient_id = id_field("Whom they back.")


class Supporter(Schema):
    """Somebody who backs a patient."""

    supporter_id = id_field("Who it is.")
    patient_id = id_field("Whom they back.")
    role = fields.String()
    lives_with_patient = fields.Boolean()
    reached_by = fields.String()
    name = fields.String()
    phone = fields.String(allow_none=True)
    email = fields.String(allow_none=True)
    consent_id = id_field("Consent that covers what they may be told.", allow_none=True)
    may_be_told = fields.List(
        fields.String(), metadata={"description": "Classes of information that they may be told now."}
    )
    added_at = moment_field("When they were named.")
    added_by = fields.String()
    added_by_role = fields.String()
    ended_at = moment_field("When they were taken off.", allow_none=True)


class SupportNetwork(Schema):
    """How many people back a patient; none is an answer."""

    patient_id = id_field("Whom they back.")
    supporters = fields.Integer()
    told_at = moment_field("When it was told.")
    told_by = fields.String()
    told_by_role = fields.String()


class RecordTriggers(Schema):
    """Record what sets off use, and how many tools against it somebody has now."""

    episode_id = id_field("Episode of the person.")
    triggers = fields.List(fields.Nested(Trigger), required=True, validate=validate.Length(min=1, max=50))


class TriggerInventory(Schema):
    """What somebody told of their triggers."""

    inventory_id = id_field("Id of the record.")
    episode_id = id_field("Episode of the person.")
    patient_id = id_field("Who told it.")
    triggers = fields.List(fields.Nested(Trigger))
    complete = fields.Boolean(metadata={"description": "At least three, each with a tool."})
    recorded_at = moment_field("When it was told.")
