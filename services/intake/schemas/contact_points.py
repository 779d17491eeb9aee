"""How patients are reached."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from services.intake.schemas.fields import (
    PHONE_NUMBER,
    code_field,
    flag_field,
    id_field,
    language_field,
    moment_field,
    number_field,
    phone_field,
    text_field,
)
from shared.contracts import intake as codes

#: More places than anybody has contact points. Design default.
MOST_PLACES = 100
#: Longest address for electronic mail (RFC 5321, 4.5.3.1.3).
LONGEST_ADDRESS = 254

_SHAPES: dict[str, Any] = {"PHONE": PHONE_NUMBER, "EMAIL": validate.Email()}


class WayToReach(Schema):
    """A way to reach a patient, for whoever tries to."""

    contact_point_id = id_field("Id of the contact point.")
    kind = code_field("What it is.", codes.CONTACT_KINDS)
    address = fields.String(metadata={"description": "The telephone number, or the address for mail."})
    label = code_field("Whose, or where, it is.", codes.CONTACT_LABELS, allow_none=True)
    position = fields.Integer(
        allow_none=True, metadata={"description": "Place in the order in which to try them, from 1."}
    )
    may_be_used = fields.Boolean(metadata={"description": "Whether the patient may be reached there."})
    message_safe = fields.Boolean(
        metadata={"description": "Whether a voicemail, or a message, may be left there."}
    )
    refused_at = moment_field("Since when its server refuses the mailbox.", allow_none=True)
    verified_at = moment_field("When it was found to be theirs.", allow_none=True)


class ContactPoint(WayToReach):
    """A way to reach a patient, with who told of it, and when."""

    verified_by = fields.String(allow_none=True)
    verified_by_role = fields.String(allow_none=True)
    added_at = moment_field("Since when it is known.")
    added_by = fields.String()
    added_by_role = fields.String()
    changed_at = moment_field("When something about it was changed last.", allow_none=True)
    changed_by = fields.String(allow_none=True)
    changed_by_role = fields.String(allow_none=True)
    ending = code_field("Why it is used no more.", codes.CONTACT_ENDINGS, allow_none=True)
    ended_at = moment_field("Since when it is used no more.", allow_none=True)
    ended_by = fields.String(allow_none=True)
    ended_by_role = fields.String(allow_none=True)


class ListContactPoints(Schema):
    """List how a patient is reached, in the order in which to try."""

    patient_id = id_field("Whose they are.")
    ended = flag_field("Those too, at the end, that are used no more.")


class AddContactPoint(Schema):
    """Add a way to reach a patient."""

    patient_id = id_field("Whose it is.")
    kind = code_field("What it is.", codes.CONTACT_KINDS, required=True)
    address = text_field(
        "The telephone number, or the address for mail.", longest=LONGEST_ADDRESS, required=True
    )
    message_safe = fields.Boolean(
        required=True,
        metadata={"description": "Whether the patient says that a voicemail, or a message, is safe there."},
    )
    label = code_field("Whose, or where, it is.", codes.CONTACT_LABELS, allow_none=True, load_default=None)
    position = number_field(
        "Place in the order in which to try them; the last when left out.",
        1,
        MOST_PLACES,
        allow_none=True,
        load_default=None,
    )
    verified = flag_field("It was found to be theirs.")

    @validates_schema
    def _has_its_shape(self, data: dict[str, Any], **_: Any) -> None:
        try:
            _SHAPES[data["kind"]](data["address"])
        except ValidationError as error:
            raise ValidationError({"address": error.messages}) from None


class ChangeContactPoint(Schema):
    """Change what is told about a way to reach a patient; another address is another contact point."""

    patient_id = id_field("Whose it is.")
    contact_point_id = id_field("Which one.")
    label = code_field("Whose, or where, it is.", codes.CONTACT_LABELS, allow_none=True, load_default=None)
    message_safe = fields.Boolean(
        allow_none=True,
        load_default=None,
        metadata={"description": "Whether the patient says that a voicemail, or a message, is safe there."},
    )
    may_be_used = fields.Boolean(
        allow_none=True,
        load_default=None,
        metadata={"description": "Whether the patient may be reached there."},
    )
    verified = fields.Boolean(
        allow_none=True,
        load_default=None,
        metadata={"description": "Whether it was found to be theirs."},
    )
    position = number_field(
        "Place in the order in which to try them.", 1, MOST_PLACES, allow_none=True, load_default=None
    )


class EndContactPoint(Schema):
    """Use a way to reach a patient no more."""

    patient_id = id_field("Whose it is.")
    contact_point_id = id_field("Which one.")
    why = code_field("Why it is used no more.", codes.CONTACT_ENDINGS, required=True)


class SetContactPreferences(Schema):
    """Tell what a patient speaks and how they would rather be reached; what is left out stays."""

    patient_id = id_field("Who it is.")
    language = language_field("What they speak, a code of ISO 639.", allow_none=True)
    preferred_channel = code_field("How they would rather be reached.", codes.CONTACT_KINDS, allow_none=True)


class LookUpPhone(Schema):
    """Look up which patients are reached at a telephone number."""

    phone = phone_field("The number, however it is written.", required=True)
    earlier = flag_field("Also who was reached there once, where the number was theirs.")


class KnownByPhone(Schema):
    """A patient who is reached at a number, and what they said of it."""

    patient_id = id_field("Who it is.")
    given_name = fields.String()
    family_name = fields.String()
    contact_point_id = id_field("The contact point.")
    label = code_field("Whose, or where, it is.", codes.CONTACT_LABELS, allow_none=True)
    may_be_used = fields.Boolean(metadata={"description": "Whether the patient may be reached there."})
    message_safe = fields.Boolean(
        metadata={"description": "Whether a voicemail, or a message, may be left there."}
    )
    ending = code_field(
        "Why nobody reaches them there any more: whoever answers may be somebody else.",
        codes.CONTACT_ENDINGS,
        allow_none=True,
    )
    ended_at = moment_field("Since when; null while they are reached there.", allow_none=True)


class PhoneLookup(Schema):
    """Who is reached at a telephone number now, or was once."""

    found = fields.List(fields.Nested(KnownByPhone))
    complete = fields.Boolean(
        metadata={
            "description": "Whether all numbers on record were looked through; where not, ask again: numbers"
            " from before an upgrade are read some at a time."
        }
    )


class ContactPreferences(Schema):
    """What a patient speaks, and how they would rather be reached."""

    patient_id = id_field("Who it is.")
    language = fields.String(allow_none=True)
    preferred_channel = code_field("How they would rather be reached.", codes.CONTACT_KINDS, allow_none=True)
