"""First contact: self-checks, inquiries, the questions before the first talk, and the call back."""

from marshmallow import Schema, fields, validate

from services.intake.schemas.assessments import Crisis
from services.intake.schemas.fields import (
    ItemAnswers,
    Page,
    code_field,
    flag_field,
    id_field,
    language_field,
    moment_field,
    number_field,
    phone_field,
    text_field,
)
from services.intake.schemas.instruments import InstrumentItem
from shared.contracts import intake as codes

#: Most instruments of one self-check. Design default.
MOST_CHECKS = 5


def key_field() -> fields.String:
    """Return a field for the secret key of an inquiry."""
    return fields.String(
        required=True,
        validate=validate.Regexp(r"^[A-Za-z0-9_-]{32,64}\Z", error="Not a key."),
        metadata={"description": "The key, as told when the inquiry was taken in."},
    )


class GetSelfCheckForm(Schema):
    """Look at what a self-check asks now; whoever reads it tells nobody who they are."""

    site_id = id_field("The site that would help.")


class SelfCheckInstrument(Schema):
    """One instrument of a self-check."""

    instrument = fields.String()
    version = fields.Integer()
    title = fields.String()
    licence = fields.String()
    locale = fields.String()
    lookback_days = fields.Integer()
    items = fields.List(fields.Nested(InstrumentItem))


class SelfCheckForm(Schema):
    """What a self-check asks now."""

    crisis = fields.Nested(Crisis, allow_none=True)
    notice = fields.String(allow_none=True, metadata={"description": "What to say while nobody is there."})
    staff_on_duty = fields.Boolean(metadata={"description": "Whether somebody is there to answer now."})
    instruments = fields.List(fields.Nested(SelfCheckInstrument))
    withheld = fields.List(
        fields.String(),
        metadata={"description": "Not to be asked now: nobody is there to act on the answer."},
    )
    program_emergency_phone = fields.String(allow_none=True)


class SelfCheckAnswers(Schema):
    """The answers to one instrument."""

    instrument = text_field("Name of the instrument, e.g. AUDIT_C.", longest=40, required=True)
    answers = ItemAnswers()


class TakeSelfCheck(Schema):
    """Tell what a self-check comes to. Nothing of it is kept, and nobody learns who asked."""

    site_id = id_field("The site that would help.")
    checks = fields.List(
        fields.Nested(SelfCheckAnswers), required=True, validate=validate.Length(min=1, max=MOST_CHECKS)
    )
    sex = code_field("For cut-offs that differ by it.", codes.SEXES, load_default="UNKNOWN")
    minor = flag_field("Under 18: nothing is scored, and a person talks with them.")


class SelfCheckOutcome(Schema):
    """What one instrument comes to, without a number."""

    instrument = fields.String()
    result = fields.String(metadata={"description": "WORTH_A_TALK, LITTLE_SIGN or NOT_TOLD."})
    what = fields.String()


class SelfCheck(Schema):
    """What a self-check comes to; in danger nothing but where help is."""

    crisis = fields.Nested(Crisis, allow_none=True)
    notice = fields.String(allow_none=True, metadata={"description": "What to say while nobody is there."})
    next_step = fields.String(metadata={"description": "Code of the one thing to do next."})
    what = fields.String(metadata={"description": "The same in plain words."})
    outcomes = fields.List(fields.Nested(SelfCheckOutcome))
    staff_on_duty = fields.Boolean()
    program_emergency_phone = fields.String(allow_none=True)


class SubmitInquiry(Schema):
    """Ask for help, with or without a name; kept because the person says so."""

    site_id = id_field("The site that is asked.")
    consent = fields.Boolean(
        required=True,
        validate=validate.Equal(True, error="Nothing is kept without consent."),
        metadata={"description": "The person agrees that what they tell here is kept, to answer them."},
    )
    given_name = text_field("What to call them.", longest=100, allow_none=True, load_default=None)
    phone = phone_field("Number to call back.", allow_none=True, load_default=None)
    email = fields.Email(
        allow_none=True,
        load_default=None,
        validate=validate.Length(max=254),
        metadata={"description": "Address for electronic mail."},
    )
    voicemail_safe = flag_field("A voicemail may be left there.")
    language = language_field("What they speak, a code of ISO 639.", allow_none=True, load_default=None)
    words = text_field("In their own words.", allow_none=True, load_default=None)
    self_check = fields.List(
        fields.Nested(SelfCheckAnswers),
        load_default=list,
        validate=validate.Length(max=MOST_CHECKS),
        metadata={"description": "Answers of a self-check that the person wants kept."},
    )


class InquiryStatus(Schema):
    """Where an inquiry stands, for whoever has its key: one next step, and what to bring."""

    crisis = fields.Nested(Crisis, allow_none=True)
    state = code_field("Where it stands.", codes.INQUIRY_STATES)
    next_step = fields.String(metadata={"description": "Code of the one thing to do next."})
    what = fields.String(metadata={"description": "The same in plain words, which give nothing away."})
    bring = fields.List(fields.String(), metadata={"description": "Codes of what to bring."})
    call_expected_by = moment_field("By when somebody calls.", allow_none=True)
    questions = fields.List(
        fields.String(), metadata={"description": "Questions before the first talk that are open now."}
    )
    minutes = fields.Integer(metadata={"description": "What answering them takes, at most."})
    program_emergency_phone = fields.String(allow_none=True)


class InquiryReceipt(InquiryStatus):
    """An inquiry that was taken in, with the secret key to its status, told this once."""

    inquiry_id = id_field("Id of the inquiry.")
    status_key = fields.String(
        metadata={"description": "The key: whoever has it sees where the inquiry stands."}
    )
    status_link = fields.String(metadata={"description": "Where to look, below this door's address."})


class GetInquiryStatus(Schema):
    """Look at where an inquiry stands, with its secret key."""

    status_key = key_field()


class SubmitPreScreen(Schema):
    """Answer the questions before the first talk, in less than ten minutes."""

    status_key = key_field()
    problems = fields.List(
        code_field("What it is about.", codes.PROBLEMS),
        required=True,
        validate=validate.Length(min=1, max=len(codes.PROBLEMS)),
    )
    minor = flag_field("Under 18.")
    withdrawing_now = flag_field("Shaking, sweating or sick without it now.")
    seizure_or_dt_history = flag_field("Seizures or delirium when stopping before.")
    daily_benzodiazepine = flag_field("Benzodiazepines every day.")
    overdose_last_72h = flag_field("An overdose within 72 hours.")
    pregnant = flag_field("Pregnant.")
    injecting = flag_field("Injects.")
    housing = code_field("Where they live.", codes.HOUSING, allow_none=True, load_default=None)
    home_safe = flag_field("Safe where they live.", load_default=True)
    hours_possible = flag_field("Nine hours on three days of the week can be arranged.", load_default=True)
    readiness = number_field("How ready, 0 to 10.", 0, 10, allow_none=True, load_default=None)
    suicidal_intent = code_field(
        "Thoughts of ending their life; asked only while somebody is there to act on the answer.",
        codes.SUICIDAL_INTENTS,
        allow_none=True,
        load_default=None,
    )
    phone = phone_field("Number to call back, where none was given.", allow_none=True, load_default=None)


class ListInquiries(Page):
    """List inquiries."""

    state = code_field("In this state only.", codes.INQUIRY_STATES, allow_none=True, load_default=None)


class GetInquiry(Schema):
    """Look at one inquiry."""

    inquiry_id = id_field("Id of the inquiry.")


class InquiryCall(Schema):
    """A call to somebody who asked for help."""

    outcome = code_field("How it ended.", codes.CALL_OUTCOMES)
    at = fields.String()
    by = fields.String()
    by_role = fields.String()


class Inquiry(Schema):
    """An inquiry as the staff see it: what was recommended, and what a specialist decided beside it."""

    inquiry_id = id_field("Id of the inquiry.")
    patient_id = id_field("Stands for whoever asked.")
    site_id = id_field("The site that was asked.")
    state = code_field("Where it stands.", codes.INQUIRY_STATES)
    received_at = moment_field("When it came in.")
    given_name = fields.String(allow_none=True)
    phone = fields.String(allow_none=True)
    email = fields.String(allow_none=True)
    voicemail_safe = fields.Boolean()
    language = fields.String(allow_none=True)
    words = fields.String(allow_none=True)
    in_danger = fields.Boolean()
    call_back_due_at = moment_field("By when a human calls.", allow_none=True)
    calls = fields.List(fields.Nested(InquiryCall))
    pre_screen = fields.Dict(allow_none=True)
    pre_screened_at = moment_field("When the questions were answered.", allow_none=True)
    recommendation = code_field("What they recommend.", codes.PRE_SCREEN_RESULTS, allow_none=True)
    reasons = fields.List(fields.String())
    alternatives = fields.List(fields.String())
    rule_version = fields.String(allow_none=True)
    decision = code_field("What a specialist decided.", codes.INQUIRY_DECISIONS, allow_none=True)
    why = fields.String(allow_none=True)
    decided_at = moment_field("When.", allow_none=True)
    decided_by = fields.String(allow_none=True)
    decided_by_role = fields.String(allow_none=True)
    decided_by_credential = fields.String(allow_none=True)
    referral_id = id_field("The referral that it became.", allow_none=True)


class RecordCallBack(Schema):
    """Record a call to somebody who asked for help."""

    inquiry_id = id_field("Id of the inquiry.")
    outcome = code_field("How it ended.", codes.CALL_OUTCOMES, required=True)


class DecideInquiry(Schema):
    """Decide where somebody who asked begins, as a specialist who talked with them."""

    inquiry_id = id_field("Id of the inquiry.")
    decision = code_field("Where they begin.", codes.INQUIRY_DECISIONS, required=True)
    why = text_field(
        "Why; needed where it differs from the recommendation.", allow_none=True, load_default=None
    )
