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

    discloser = code_field("Who may disclose.", codes.DISCLOSERS, load_default="THIS_PROGRAM")
    discloser_name = text_field(
        "Who may disclose, where they are named.", longest=200, allow_none=True, load_default=None
    )
    signer = text_field(
        "Who signed, where it was not the patient.", longest=200, allow_none=True, load_default=None
    )
    signing_authority = code_field(
        "By what right they signed.", codes.SIGNING_AUTHORITIES, allow_none=True, load_default=None
    )
    signature = code_field("How it was signed.", codes.SIGNATURES, load_default="ELECTRONIC")
    statements = fields.List(
        code_field("Statement.", codes.CONSENT_STATEMENTS),
        load_default=lambda: list(codes.CONSENT_STATEMENTS),
        validate=validate.Length(max=len(codes.CONSENT_STATEMENTS)),
        metadata={"description": "What the form told; all of it when left out, as the program's own does."},
    )


class EndConsent(Schema):
    """Say that the event has happened with which a consent ends."""

    consent_id = id_field("Id of the consent.")
    event = code_field("The event that the consent names.", codes.CONSENT_END_EVENTS, required=True)
    occurred_at = moment_field("When it happened.", required=True)


class ListConsents(Schema):
    """List all consents of somebody, in force or not."""

    patient_id = id_field("Whose consents.")


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
    discloser = fields.String()
    discloser_name = fields.String(allow_none=True)
    signer = fields.String(allow_none=True)
    signing_authority = fields.String(allow_none=True)
    signature = fields.String()
    statements = fields.List(fields.String())
    ended_at = moment_field("When it ended by itself.", allow_none=True)
    end_reason = fields.String(allow_none=True, metadata={"description": "DATE, or the event."})
