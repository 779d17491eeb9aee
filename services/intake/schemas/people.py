"""People and how they were referred."""

from marshmallow import Schema, fields, validate

from services.intake import teds
from services.intake.schemas.assessments import Crisis
from services.intake.schemas.contact_points import WayToReach
from services.intake.schemas.fields import (
    code_field,
    flag_field,
    id_field,
    language_field,
    moment_field,
    phone_field,
    text_field,
)
from shared.contracts import intake as codes

#: Most rows of one import. Design default.
MOST_ROWS = 5000


class Person(Schema):
    """Who is referred."""

    given_name = text_field("Given name.", longest=100, required=True)
    family_name = text_field("Family name.", longest=100, required=True)
    birth_date = fields.Date(required=True, metadata={"description": "Day of birth."})
    phone = phone_field("Telephone number.", allow_none=True, load_default=None)
    email = fields.Email(
        allow_none=True,
        load_default=None,
        validate=validate.Length(max=254),
        metadata={"description": "Address for electronic mail."},
    )
    sex = code_field("Sex as recorded.", codes.SEXES, load_default="UNKNOWN")
    voicemail_safe = flag_field("The person says that a voicemail may be left at the number.")
    language = language_field("What they speak, a code of ISO 639.", allow_none=True, load_default=None)


def _teds_field(name: str) -> fields.Raw:
    allowed = teds.STATES.values() if name == teds.STATE_FIELD else teds.CODES[name]
    return fields.Raw(
        allow_none=True,
        metadata={
            "description": f"TEDS code of {name}; -9, empty or null when missing.",
            "enum": [*allowed, teds.MISSING, "", None],
        },
    )


#: The admission fields of TEDS. Which codes they may hold is a rule, told with the rule's words.
AdmissionData = Schema.from_dict(
    {name: _teds_field(name) for name in sorted([*teds.CODES, teds.STATE_FIELD])}, name="AdmissionData"
)


class RegisterReferral(Schema):
    """Register somebody who was referred to the program."""

    site_id = id_field("Site the person is referred to.")
    patient = fields.Nested(Person, required=True)
    referral_source = code_field("TEDS code of PSOURCE, 1 to 7.", codes.REFERRAL_SOURCES, required=True)
    teds = fields.Nested(AdmissionData, load_default=dict, metadata={"description": "TEDS admission data."})
    received_at = moment_field(
        "When the referral came in; now when left out.", allow_none=True, load_default=None
    )
    inquiry_id = id_field(
        "Inquiry that it comes from, where there was one.",
        required=False,
        allow_none=True,
        load_default=None,
    )


class ReferralRow(RegisterReferral):
    """One row of an import: a referral without its site."""

    class Meta:
        exclude = ("site_id", "inquiry_id")

    line = fields.Integer(
        load_default=None, allow_none=True, metadata={"description": "Line in the sender's file."}
    )
    referral_source = code_field(
        "TEDS code of PSOURCE, 1 to 7.", codes.REFERRAL_SOURCES, allow_none=True, load_default=None
    )


class ImportReferrals(Schema):
    """Register many referrals; answered with a job, whose result is an ImportReport."""

    site_id = id_field("Site the people are referred to.")
    referral_source = code_field(
        "PSOURCE of rows that have none of their own.",
        codes.REFERRAL_SOURCES,
        allow_none=True,
        load_default=None,
    )
    rows = fields.List(
        fields.Raw(),
        required=True,
        validate=validate.Length(min=1, max=MOST_ROWS),
        metadata={"description": "Rows {line?, patient, referral_source?, teds?, received_at?}."},
    )


class RegisteredRow(Schema):
    """A row of an import that was taken."""

    line = fields.Integer()
    referral_id = id_field("Id of the referral.")
    patient_id = id_field("Id of the person.")
    episode_id = id_field("Id of the new episode.")


class RefusedRow(Schema):
    """A row of an import that was not taken, and why."""

    line = fields.Integer()
    field = fields.String()
    rule = fields.String()


class ImportReport(Schema):
    """What an import came to."""

    registered = fields.List(fields.Nested(RegisteredRow))
    refused = fields.List(fields.Nested(RefusedRow))


class GetReferral(Schema):
    """Look at one referral."""

    referral_id = id_field("Id of the referral.")


class Referral(Schema):
    """A referral."""

    referral_id = id_field("Id of the referral.")
    patient_id = id_field("Id of the person.")
    episode_id = id_field("Id of the episode that it opened.")
    journey_id = id_field("Id that spans the person's episodes.")
    site_id = id_field("Site the person was referred to.")
    referral_source = fields.String()
    known_patient = fields.Boolean()
    received_at = moment_field("When the referral came in.")
    asked_at = moment_field("When the person asked for help themselves before, if so.", allow_none=True)
    teds = fields.Dict()
    recorded_service = fields.Integer(
        allow_none=True, metadata={"description": "TEDS SERVICES as recorded; enters no rule."}
    )
    minor = fields.Boolean(metadata={"description": "Under 18 when referred."})
    next_step = fields.String(metadata={"description": "The one thing to do next."})


class GetPatient(Schema):
    """Look at who somebody is."""

    patient_id = id_field("Id of the person.")


class Patient(Schema):
    """Who somebody is."""

    patient_id = id_field("Id of the person.")
    journey_id = id_field("Id that spans the person's episodes.")
    given_name = fields.String()
    family_name = fields.String()
    birth_date = fields.String()
    phone = fields.String(
        allow_none=True, metadata={"description": "First of the numbers that may be called."}
    )
    email = fields.String(
        allow_none=True, metadata={"description": "First of the addresses that may be written to."}
    )
    sex = fields.String()
    registered_at = moment_field("When the person was first referred.")
    language = fields.String(
        allow_none=True,
        metadata={"description": "What they speak, a code of ISO 639, if told."},
    )
    preferred_channel = code_field("How they would rather be reached.", codes.CONTACT_KINDS, allow_none=True)
    contact_points = fields.List(
        fields.Nested(WayToReach), metadata={"description": "In the order in which to try them."}
    )


class GetStatus(Schema):
    """Look at where somebody stands, with their one next step and what to bring."""

    patient_id = id_field("Who asks, or is asked about.")


class Status(Schema):
    """Where somebody stands: one next step, in plain words, and what to bring."""

    crisis = fields.Nested(Crisis, allow_none=True)
    patient_id = id_field("Who it is.")
    episode_id = id_field("Newest episode of care.")
    state = code_field("Where it stands.", codes.EPISODE_STATES)
    next_step = fields.String(metadata={"description": "Code of the one thing to do next."})
    what = fields.String(metadata={"description": "The same in plain words, which give nothing away."})
    bring = fields.List(fields.String(), metadata={"description": "Codes of what to bring."})
    next_step_by = moment_field(
        "By when it happens, or when we ask how it went; null where no day is set, or help is needed now.",
        allow_none=True,
    )
    due_instruments = fields.List(
        fields.String(), metadata={"description": "Instruments that can be answered now, in turn."}
    )
    program_emergency_phone = fields.String(allow_none=True)
    staff_on_duty = fields.Boolean(metadata={"description": "Whether somebody is there to act now."})
    notice = fields.String(allow_none=True, metadata={"description": "What to say while nobody is there."})


class GetEpisode(Schema):
    """Look at one episode of care."""

    episode_id = id_field("Id of the episode.")


class Episode(Schema):
    """An episode of care, with the one thing to do next."""

    episode_id = id_field("Id of the episode.")
    patient_id = id_field("Id of the person.")
    journey_id = id_field("Id that spans the person's episodes.")
    site_id = id_field("Site of the episode.")
    referral_id = id_field("Referral that opened it.")
    state = code_field("Where it stands.", codes.EPISODE_STATES)
    minor = fields.Boolean()
    assessment_id = id_field("Newest assessment.", allow_none=True)
    decision_id = id_field("Decision on the newest assessment.", allow_none=True)
    decided_level = fields.String(allow_none=True)
    admission_id = id_field("Admission.", allow_none=True)
    outward_referral_id = id_field("Referral to another program.", allow_none=True)
    discharge_id = id_field("Discharge.", allow_none=True)
    opened_at = moment_field("When it began.")
    closed_at = moment_field("When it ended.", allow_none=True)
    decision_due_at = moment_field("By when the level must be decided, after a re-entry.", allow_none=True)
    next_step = fields.String()
