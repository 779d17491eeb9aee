"""The notice of how records are protected, and requests that less be told."""

from marshmallow import Schema, fields, validate

from services.intake.schemas.fields import Page, code_field, flag_field, id_field, moment_field, text_field
from shared.contracts import intake as codes


class PublishPrivacyNotice(Schema):
    """Publish a version of the notice of how records are protected (42 CFR 2.22)."""

    edition = fields.String(
        required=True,
        validate=validate.Regexp(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z", error="Not a valid name of a text."),
        metadata={"description": "What the program calls this version, e.g. 2026-02."},
    )
    digest = fields.String(
        required=True,
        validate=validate.Regexp(r"^[0-9a-f]{64}\Z", error="Not a SHA-256 in hexadecimal digits."),
        metadata={"description": "SHA-256 of the text, in hexadecimal digits."},
    )
    effective_at = moment_field(
        "When it takes effect; now when left out.", allow_none=True, load_default=None
    )


class PrivacyNotice(Schema):
    """A version of the notice."""

    notice_id = id_field("Id of the version.")
    edition = fields.String()
    digest = fields.String()
    effective_at = moment_field("When it takes effect.")
    published_at = moment_field("When it was published.")
    published_by = fields.String()
    published_by_role = fields.String()
    in_force = fields.Boolean(metadata={"description": "Whether it is the one to give now."})
    given = fields.Integer(metadata={"description": "How many people were given it."})


class ListPrivacyNotices(Schema):
    """List the versions of the notice, with how many people were given each."""


class GivePrivacyNotice(Schema):
    """Record that somebody was given the notice, and what they said to it."""

    patient_id = id_field("Who was given it.")
    notice_id = id_field(
        "Which version; the one in force when left out.", required=False, allow_none=True, load_default=None
    )
    channel = code_field("How it was given.", codes.NOTICE_CHANNELS, load_default="IN_PERSON")
    acknowledgement = code_field(
        "How it was acknowledged.", codes.NOTICE_ACKNOWLEDGEMENTS, load_default="SIGNED"
    )
    given_at = moment_field("When; now when left out.", allow_none=True, load_default=None)


class NoticeReceipt(Schema):
    """Somebody was given a version of the notice."""

    receipt_id = id_field("Id of the record.")
    notice_id = id_field("Which version.")
    edition = fields.String(metadata={"description": "What the program calls the version."})
    patient_id = id_field("Who was given it.")
    journey_id = id_field("Id that spans the person's episodes.")
    channel = fields.String()
    acknowledgement = fields.String()
    given_at = moment_field("When it was given.")
    given_by = fields.String()
    given_by_role = fields.String()


class ListNoticeReceipts(Page):
    """Tell who was given which version of the notice, and when."""

    notice_id = id_field("Of this version only.", required=False, allow_none=True, load_default=None)


class ListNoticeReceiptsOf(Schema):
    """Tell which versions of the notice somebody was given, and when."""

    patient_id = id_field("Who was given them.")


class RequestRestriction(Schema):
    """Ask that less be told than consents allow (42 CFR 2.26)."""

    patient_id = id_field("Whose information it is.")
    towards = code_field("Towards whom.", codes.RESTRICTED_RECIPIENTS, required=True)
    recipient_id = id_field(
        "Id of the recipient; left out towards anyone, and towards a health plan that is not known by one.",
        required=False,
        allow_none=True,
        load_default=None,
    )
    coverage_id = id_field(
        "The patient's cover whose health plan it is; every plan when neither it nor a recipient is named.",
        required=False,
        allow_none=True,
        load_default=None,
    )
    information_classes = fields.List(
        code_field("Class of information.", codes.INFORMATION_CLASSES),
        load_default=list,
        validate=validate.Length(max=len(codes.INFORMATION_CLASSES)),
        metadata={"description": "Which information; all of it when empty."},
    )
    paid_in_full = flag_field("The patient, or somebody for them, paid in full and no plan did.")
    words = text_field("What the patient asks, in their own words.", allow_none=True, load_default=None)


class AnswerRestriction(Schema):
    """Agree that less is told, or deny it with a reason."""

    restriction_id = id_field("Id of the request.")
    answer = code_field("Yes or no.", codes.RESTRICTION_ANSWERS, required=True)
    reason = text_field("Why; a denial needs it.", allow_none=True, load_default=None)
    paid_in_full = fields.Boolean(
        allow_none=True,
        load_default=None,
        metadata={"description": "What the books say, where that is not what the patient said."},
    )


class EndRestriction(Schema):
    """End a restriction, because the patient asks for that."""

    restriction_id = id_field("Id of the restriction.")


class ListRestrictions(Schema):
    """List what somebody asked to be told less."""

    patient_id = id_field("Whose requests.")


class Restriction(Schema):
    """A request that less be told, and what became of it."""

    restriction_id = id_field("Id of the request.")
    patient_id = id_field("Whose information it is.")
    journey_id = id_field("Id that spans the person's episodes.")
    towards = fields.String()
    recipient_id = id_field("Id of the recipient.", allow_none=True)
    coverage_id = id_field("The cover whose health plan it is.", allow_none=True)
    information_classes = fields.List(fields.String())
    paid_in_full = fields.Boolean()
    words = fields.String(allow_none=True)
    requested_at = moment_field("When it was asked.")
    requested_by = fields.String()
    requested_by_role = fields.String()
    answer_due_at = moment_field("By when it is answered.")
    state = code_field("What became of it.", codes.RESTRICTION_STATES)
    answered_at = moment_field("When it was answered.", allow_none=True)
    answered_by = fields.String(allow_none=True)
    answered_by_role = fields.String(allow_none=True)
    answered_by_credential = fields.String(allow_none=True)
    answer_reason = fields.String(allow_none=True)
    ended_at = moment_field("When it ended.", allow_none=True)
