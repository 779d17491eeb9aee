"""Packs of rules and who signed them."""

from marshmallow import Schema, fields, validate

from services.intake.schemas.fields import id_field, moment_field, number_field, text_field


class ListRules(Schema):
    """List the packs of rules, and which are in force."""


class SignRules(Schema):
    """Put a version of a pack of rules in force, as the medical director."""

    pack = text_field("Name of the pack, e.g. PHQ9.", longest=40, required=True)
    version = number_field("Its version.", 1, 1000, required=True)
    digest = fields.String(
        required=True,
        validate=validate.Regexp(r"^[0-9a-f]{64}\Z", error="Not a SHA-256 digest."),
        metadata={"description": "SHA-256 of the content that was looked at, as the list tells it."},
    )


class RuleSignature(Schema):
    """That a version of a pack is signed."""

    signature_id = id_field("Id of the signature.")
    pack = fields.String()
    version = fields.Integer()
    digest = fields.String()
    signed_at = moment_field("When it was signed.")
    signed_by = fields.String()
    signed_by_role = fields.String()
    signed_by_credential = fields.String()


class RulePack(Schema):
    """One version of a pack of rules."""

    pack = fields.String()
    version = fields.Integer()
    kind = fields.String(metadata={"description": "INSTRUMENT, PLACEMENT or SLIDING_FEE."})
    title = fields.String()
    licence = fields.String()
    source = fields.String()
    ships_on = fields.Boolean(metadata={"description": "Whether its licence is clear."})
    may_be_signed = fields.Boolean()
    digest = fields.String(metadata={"description": "SHA-256 of its content."})
    in_force = fields.Boolean()
    signature = fields.Nested(RuleSignature, allow_none=True)
