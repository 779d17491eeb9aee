"""Consents."""

from marshmallow import Schema, fields, validate

from services.intake.schemas.fields import code_field, id_field, moment_field, text_field
from shared.contracts import intake as codes


class GrantConsent(Schema):
    """Record a consent in writing (42 CFR 2.31)."""

    patient_id = id_field("Whose consent it is.")
    kind = code_field("Kind of consent.", codes.CONSENT_KINDS, required=True)
    signed_by = code_field("Who signed.", codes.SIGNATORIES, load_default="PATIENT")
    signed_at = moment_field("When it was signed; now when left out.", allow_none=True, load_default=None)
    purpose = text_field("What it is for.", longest=500, allow_none=True, load_default=None)
    recipient = text_field(
        "Who may receive the information.", longest=200, allow_none=True, load_default=None
    )
    recipient_id = id_field(
        "Id of the recipient, if it has one.", required=False, allow_none=True, load_default=None
    )
    information_classes = fields.List(
        code_field("Class of information.", codes.INFORMATION_CLASSES),
        load_default=list,
        validate=validate.Length(max=len(codes.INFORMATION_CLASSES)),
        metadata={"description": "Which information it covers."},
    )
    expires_at = moment_field("When it ends.", allow_none=True, load_default=None)
    ends_with_event = code_field(
        "Event with which it ends.", codes.CONSENT_END_EVENTS, allow_none=True, load_default=None
    )


class RevokeConsent(Schema):
    """Take a consent back."""

    consent_id = id_field("Id of the consent.")
    event_occurred_at = moment_field(
        "When the event happened that a criminal-justice consent names.", allow_none=True, load_default=None
    )


class Consent(Schema):
    """A consent."""

    consent_id = id_field("Id of the consent.")
    patient_id = id_field("Whose consent it is.")
    journey_id = id_field("Id that spans the person's episodes.")
    kind = fields.String()
    signed_by = fields.String()
    signed_at = moment_field("When it was signed.")
    granted_at = moment_field("When it was recorded.")
    purpose = fields.String(allow_none=True)
    recipient = fields.String(allow_none=True)
    recipient_id = id_field("Id of the recipient.", allow_none=True)
    information_classes = fields.List(fields.String())
    expires_at = moment_field("When it ends.", allow_none=True)
    ends_with_event = fields.String(allow_none=True)
    revoked_at = moment_field("When it was taken back.", allow_none=True)
