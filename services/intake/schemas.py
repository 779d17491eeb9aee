"""The shape of what intake is asked and of what it answers."""

import unicodedata
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from services.intake import teds
from shared.contracts import intake as codes
from shared.schema_fields import Id, Moment

#: Longest free text, in characters. Design default.
LONGEST_TEXT = 4000
#: Most rows of one import. Design default.
MOST_ROWS = 5000


def _readable(text: str) -> None:
    """Refuse control characters, which a database or a page cannot hold."""
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\r\t" for c in text):
        raise ValidationError("May not contain control characters.")


def _text(description: str, *, longest: int = LONGEST_TEXT, **options: Any) -> fields.String:
    rules: list[Any] = [validate.Length(min=1, max=longest), _readable]
    return fields.String(validate=rules, metadata={"description": description}, **options)


def _code(description: str, allowed: Any, **options: Any) -> fields.String:
    return fields.String(
        validate=validate.OneOf(tuple(allowed)), metadata={"description": description}, **options
    )


def _number(description: str, least: int, most: int, **options: Any) -> fields.Integer:
    return fields.Integer(
        strict=True,
        validate=validate.Range(min=least, max=most),
        metadata={"description": description},
        **options,
    )


def _flag(description: str, **options: Any) -> fields.Boolean:
    options = {"load_default": False} | options
    return fields.Boolean(metadata={"description": description}, **options)


def _id(description: str, *, required: bool = True, **options: Any) -> Id:
    return Id(required=required, metadata={"description": description}, **options)


def _moment(description: str, **options: Any) -> Moment:
    return Moment(metadata={"description": description}, **options)


def _phone(description: str, **options: Any) -> fields.String:
    rule = validate.Regexp(r"^\+?[0-9][0-9 ()./-]{4,30}\Z", error="Not a valid telephone number.")
    return fields.String(validate=rule, metadata={"description": description}, **options)


class _Page(Schema):
    after = _id(
        "Where the list goes on: `next` of the page before.",
        required=False,
        allow_none=True,
        load_default=None,
    )
    limit = fields.Integer(
        load_default=50, validate=validate.Range(min=1, max=200), metadata={"description": "Most items."}
    )


# --- Sites ---------------------------------------------------------------------------------------


class OpenSite(Schema):
    """Open a site of the program."""

    site_id = _id("Id of the site; made up when left out.", required=False)
    name = _text("Name of the site.", longest=200, required=True)
    time_zone = _text("Zone of the IANA tz database, e.g. America/Chicago.", longest=64, required=True)
    levels_licensed = fields.List(
        _code("ASAM level.", codes.LEVELS_OF_CARE),
        required=True,
        validate=validate.Length(min=1, max=len(codes.LEVELS_OF_CARE)),
        metadata={"description": "ASAM levels of care that the site is licensed for."},
    )
    emergency_phone = _phone("Number answered day and night.", allow_none=True, load_default=None)


class ListSites(_Page):
    """List the sites."""


class Site(Schema):
    """A site of the program."""

    site_id = _id("Id of the site.")
    name = fields.String()
    time_zone = fields.String()
    levels_licensed = fields.List(fields.String())
    emergency_phone = fields.String(allow_none=True)
    opened_at = _moment("When the site was opened.")


# --- People and referrals ------------------------------------------------------------------------


class Person(Schema):
    """Who is referred."""

    given_name = _text("Given name.", longest=100, required=True)
    family_name = _text("Family name.", longest=100, required=True)
    birth_date = fields.Date(required=True, metadata={"description": "Day of birth."})
    phone = _phone("Telephone number.", allow_none=True, load_default=None)
    email = fields.Email(
        allow_none=True,
        load_default=None,
        validate=validate.Length(max=254),
        metadata={"description": "Address for electronic mail."},
    )
    sex = _code("Sex as recorded.", codes.SEXES, load_default="UNKNOWN")


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

    site_id = _id("Site the person is referred to.")
    patient = fields.Nested(Person, required=True)
    referral_source = _code("TEDS code of PSOURCE, 1 to 7.", codes.REFERRAL_SOURCES, required=True)
    teds = fields.Nested(AdmissionData, load_default=dict, metadata={"description": "TEDS admission data."})
    received_at = _moment("When the referral came in; now when left out.", allow_none=True, load_default=None)


class ReferralRow(RegisterReferral):
    """One row of an import: a referral without its site."""

    class Meta:
        exclude = ("site_id",)

    line = fields.Integer(
        load_default=None, allow_none=True, metadata={"description": "Line in the sender's file."}
    )
    referral_source = _code(
        "TEDS code of PSOURCE, 1 to 7.", codes.REFERRAL_SOURCES, allow_none=True, load_default=None
    )


class ImportReferrals(Schema):
    """Register many referrals; answered with a job, whose result is an ImportReport."""

    site_id = _id("Site the people are referred to.")
    referral_source = _code(
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
    referral_id = _id("Id of the referral.")
    patient_id = _id("Id of the person.")
    episode_id = _id("Id of the new episode.")


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

    referral_id = _id("Id of the referral.")


class Referral(Schema):
    """A referral."""

    referral_id = _id("Id of the referral.")
    patient_id = _id("Id of the person.")
    episode_id = _id("Id of the episode that it opened.")
    journey_id = _id("Id that spans the person's episodes.")
    site_id = _id("Site the person was referred to.")
    referral_source = fields.String()
    known_patient = fields.Boolean()
    received_at = _moment("When the referral came in.")
    teds = fields.Dict()
    recorded_service = fields.Integer(
        allow_none=True, metadata={"description": "TEDS SERVICES as recorded; enters no rule."}
    )
    minor = fields.Boolean(metadata={"description": "Under 18 when referred."})
    next_step = fields.String(metadata={"description": "The one thing to do next."})


class GetPatient(Schema):
    """Look at who somebody is."""

    patient_id = _id("Id of the person.")


class Patient(Schema):
    """Who somebody is."""

    patient_id = _id("Id of the person.")
    journey_id = _id("Id that spans the person's episodes.")
    given_name = fields.String()
    family_name = fields.String()
    birth_date = fields.String()
    phone = fields.String(allow_none=True)
    email = fields.String(allow_none=True)
    sex = fields.String()
    registered_at = _moment("When the person was first referred.")


class GetEpisode(Schema):
    """Look at one episode of care."""

    episode_id = _id("Id of the episode.")


class Episode(Schema):
    """An episode of care, with the one thing to do next."""

    episode_id = _id("Id of the episode.")
    patient_id = _id("Id of the person.")
    journey_id = _id("Id that spans the person's episodes.")
    site_id = _id("Site of the episode.")
    referral_id = _id("Referral that opened it.")
    state = _code("Where it stands.", codes.EPISODE_STATES)
    minor = fields.Boolean()
    assessment_id = _id("Newest assessment.", allow_none=True)
    decision_id = _id("Decision on the newest assessment.", allow_none=True)
    decided_level = fields.String(allow_none=True)
    admission_id = _id("Admission.", allow_none=True)
    outward_referral_id = _id("Referral to another program.", allow_none=True)
    discharge_id = _id("Discharge.", allow_none=True)
    opened_at = _moment("When it began.")
    closed_at = _moment("When it ended.", allow_none=True)
    decision_due_at = _moment("By when the level must be decided, after a re-entry.", allow_none=True)
    next_step = fields.String()


# --- Assessment ----------------------------------------------------------------------------------


class CriteriaMet(fields.Field[Any]):
    """The DSM-5 criteria met: their numbers in a list, or how many as a whole number."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, list):
            if len(value) <= 11 and all(type(item) is int for item in value):
                return tuple(value)
        elif type(value) is int and 0 <= value <= 11:
            return value
        raise ValidationError("A list of criterion numbers, or how many are met, 0 to 11.")


class Withdrawal(Schema):
    """Signs of withdrawal; leave out what was not asked or rated."""

    ciwa_ar = _number("CIWA-Ar total, rated by an observer.", 0, 67, allow_none=True, load_default=None)
    cows = _number("COWS total, rated by an observer.", 0, 48, allow_none=True, load_default=None)
    pawss = _number("PAWSS total.", 0, 10, allow_none=True, load_default=None)
    last_drink_hours = _number(
        "Hours since the last drink.", 0, 1_000_000, allow_none=True, load_default=None
    )
    seizure_or_dt_history = _flag("Seizures or delirium in an earlier withdrawal.")
    seizure_or_dt_now = _flag("Seizure or delirium in this withdrawal.")
    hallucinations = _flag("Hallucinations now.")
    overdose_last_72h = _flag("Overdose within 72 hours.")
    daily_benzodiazepine = _flag("Benzodiazepines every day.")
    pregnant_withdrawing = _flag("Pregnant and withdrawing.")
    rated_by = _code(
        "Who rated CIWA-Ar and COWS; self-report is refused.",
        codes.RATERS,
        allow_none=True,
        load_default=None,
    )
    medically_cleared = _flag("A prescriber holds outpatient care to be safe; only a prescriber says so.")


class Problem(Schema):
    """A problem with the DSM-5 criteria met in twelve months."""

    problem = _code("What it is.", codes.PROBLEMS, required=True)
    criteria_met = CriteriaMet(
        required=True, metadata={"description": "Criterion numbers in a list, or how many are met."}
    )
    primary = _flag("The main problem.")
    taken_as_prescribed = _flag("Taken solely as prescribed: tolerance and withdrawal do not count.")
    remission = _code("Stage of remission.", codes.REMISSIONS, allow_none=True, load_default=None)


class Danger(Schema):
    """Danger to oneself and others."""

    suicidal_intent = _code("Thoughts of suicide.", codes.SUICIDAL_INTENTS, required=True)
    violence_threat = fields.Boolean(required=True, metadata={"description": "A threat of violence."})


class Home(Schema):
    """Where and with whom somebody lives."""

    housing = _code("Kind of housing.", codes.HOUSING, required=True)
    secure_days = _number("Days for which the housing is secure.", 0, 100_000, required=True)
    safe = fields.Boolean(required=True, metadata={"description": "Safe to live in."})
    use_at_home = _flag("Others use there regularly.")
    coping_plan = _flag("There is a plan to cope with that.")
    supporters = _number("People who back the person.", 0, 100, load_default=0)
    recovery_residence_possible = _flag("The person could live in a recovery residence.")


class Rulers(Schema):
    """Importance, confidence and readiness, 0 to 10."""

    importance = _number("How important the change is.", 0, 10, required=True)
    confidence = _number("How confident the person is.", 0, 10, required=True)
    readiness = _number("How ready the person is.", 0, 10, required=True)


class Trigger(Schema):
    """Something that can set off use."""

    trigger_code = _code("Kind of trigger.", codes.TRIGGERS, required=True)
    coping_tools = _number("Tools against it that the person has.", 0, 50, load_default=0)


class PriorStay(Schema):
    """An earlier stay that the referral follows on."""

    level = _code("ASAM level of the stay.", codes.LEVELS_OF_CARE, required=True)
    discharged_on = fields.Date(required=True, metadata={"description": "Day of the discharge."})
    summary_received = _flag("The discharge summary is here.")
    medications_reconciled = _flag("The medications are reconciled.")


class CompleteAssessment(Schema):
    """Complete the assessment of somebody who was referred."""

    episode_id = _id("Episode of the person.")
    withdrawal = fields.Nested(Withdrawal, required=True)
    dimensions = fields.List(
        _number("Severity 0 to 4; null where not rated yet.", 0, 4, allow_none=True),
        required=True,
        validate=validate.Length(max=6),
        metadata={"description": "Severity of dimensions 1 to 6, in order."},
    )
    problems = fields.List(
        fields.Nested(Problem), required=True, validate=validate.Length(min=1, max=len(codes.PROBLEMS))
    )
    danger = fields.Nested(Danger, required=True)
    home = fields.Nested(Home, required=True)
    rulers = fields.Nested(Rulers, required=True)
    triggers = fields.List(fields.Nested(Trigger), load_default=list, validate=validate.Length(max=50))
    goals = _text("The person's goals in their own words.", required=True)
    naloxone = _flag("Naloxone is at hand.")
    prior_stay = fields.Nested(PriorStay, allow_none=True, load_default=None)
    co_occurring = _flag("A co-occurring mental health condition is reported.")
    pregnant = _flag("Pregnant.")


class GetAssessment(Schema):
    """Look at one assessment."""

    assessment_id = _id("Id of the assessment.")


class GateFinding(Schema):
    """One rule of the withdrawal gate that applied."""

    code = fields.String()
    disposition = fields.String()
    act_within = fields.String()
    actions = fields.List(fields.String())


class Gate(Schema):
    """What the withdrawal gate found."""

    disposition = _code("Most urgent disposition.", codes.WITHDRAWAL_GATES)
    holds = fields.Boolean(metadata={"description": "Admission must wait."})
    held_by = fields.List(fields.String())
    least_level = fields.String(allow_none=True)
    cleared = fields.Boolean()
    findings = fields.List(fields.Nested(GateFinding))


class Diagnosis(Schema):
    """A diagnosis."""

    problem = fields.String()
    severity = fields.String()
    criteria_counted = fields.Integer()
    icd10_code = fields.String()
    primary = fields.Boolean()
    remission = fields.String(allow_none=True)


class FitFactor(Schema):
    """How well one side of life fits the program."""

    factor = _code("Which factor.", codes.FIT_FACTORS)
    result = fields.String()
    actions = fields.List(fields.String())
    alternative = fields.String(allow_none=True)
    evidence = fields.List(fields.String())


class Reason(Schema):
    """A rule that spoke for the recommendation."""

    code = fields.String()
    text = fields.String()


class Alternative(Schema):
    """Another way than the recommended level."""

    level = fields.String(allow_none=True)
    code = fields.String()


class Recommendation(Schema):
    """The recommended level of care; a licensed human decides."""

    level = _code("ASAM level.", codes.LEVELS_OF_CARE)
    deciding_dimensions = fields.List(fields.Integer())
    reasons = fields.List(fields.Nested(Reason))
    alternatives = fields.List(fields.Nested(Alternative))
    services = fields.List(fields.String())
    minor = fields.Boolean()
    rule_version = fields.String()


class CrisisLine(Schema):
    """A number to call."""

    code = fields.String()
    what = fields.String()


class Crisis(Schema):
    """What somebody at risk is shown."""

    lines = fields.List(fields.Nested(CrisisLine))
    program_emergency_phone = fields.String(allow_none=True)


class Assessment(Schema):
    """A completed assessment."""

    assessment_id = _id("Id of the assessment.")
    episode_id = _id("Episode of the person.")
    patient_id = _id("Id of the person.")
    journey_id = _id("Id that spans the person's episodes.")
    site_id = _id("Site of the episode.")
    edition = fields.String()
    dimension_ratings = fields.List(fields.Integer())
    gate = fields.Nested(Gate)
    diagnoses = fields.List(fields.Nested(Diagnosis))
    fit_factors = fields.List(fields.Nested(FitFactor))
    recommendation = fields.Nested(Recommendation)
    risk_flags = fields.List(fields.String())
    crisis = fields.Nested(Crisis, allow_none=True)
    findings = fields.Dict()
    goals = fields.String()
    minor = fields.Boolean()
    completed_at = _moment("When it was completed.")
    completed_by = fields.String()
    completed_by_role = fields.String()
    completed_by_credential = fields.String()


class DecideLevelOfCare(Schema):
    """Decide on the level of care."""

    episode_id = _id("Episode of the person.")
    assessment_id = _id("The newest assessment of the episode.")
    level = _code("ASAM level decided on.", codes.LEVELS_OF_CARE, required=True)
    override_reason_code = _code(
        "Why not the recommended level.", codes.OVERRIDE_REASONS, allow_none=True, load_default=None
    )
    override_reason = _text("The reason in words.", allow_none=True, load_default=None)


class LevelDecision(Schema):
    """A decision on the level of care."""

    decision_id = _id("Id of the decision.")
    assessment_id = _id("Assessment that it rests on.")
    episode_id = _id("Episode of the person.")
    recommended_level = fields.String()
    decided_level = fields.String()
    overridden = fields.Boolean()
    override_reason_code = fields.String(allow_none=True)
    rule_version = fields.String()
    decided_at = _moment("When it was decided.")
    decided_by = fields.String()
    decided_by_role = fields.String()
    decided_by_credential = fields.String()
    next_step = fields.String()


# --- Consent -------------------------------------------------------------------------------------


class GrantConsent(Schema):
    """Record a consent in writing (42 CFR 2.31)."""

    patient_id = _id("Whose consent it is.")
    kind = _code("Kind of consent.", codes.CONSENT_KINDS, required=True)
    signed_by = _code("Who signed.", codes.SIGNATORIES, load_default="PATIENT")
    signed_at = _moment("When it was signed; now when left out.", allow_none=True, load_default=None)
    purpose = _text("What it is for.", longest=500, allow_none=True, load_default=None)
    recipient = _text("Who may receive the information.", longest=200, allow_none=True, load_default=None)
    recipient_id = _id(
        "Id of the recipient, if it has one.", required=False, allow_none=True, load_default=None
    )
    information_classes = fields.List(
        _code("Class of information.", codes.INFORMATION_CLASSES),
        load_default=list,
        validate=validate.Length(max=len(codes.INFORMATION_CLASSES)),
        metadata={"description": "Which information it covers."},
    )
    expires_at = _moment("When it ends.", allow_none=True, load_default=None)
    ends_with_event = _code(
        "Event with which it ends.", codes.CONSENT_END_EVENTS, allow_none=True, load_default=None
    )


class RevokeConsent(Schema):
    """Take a consent back."""

    consent_id = _id("Id of the consent.")
    event_occurred_at = _moment(
        "When the event happened that a criminal-justice consent names.", allow_none=True, load_default=None
    )


class Consent(Schema):
    """A consent."""

    consent_id = _id("Id of the consent.")
    patient_id = _id("Whose consent it is.")
    journey_id = _id("Id that spans the person's episodes.")
    kind = fields.String()
    signed_by = fields.String()
    signed_at = _moment("When it was signed.")
    granted_at = _moment("When it was recorded.")
    purpose = fields.String(allow_none=True)
    recipient = fields.String(allow_none=True)
    recipient_id = _id("Id of the recipient.", allow_none=True)
    information_classes = fields.List(fields.String())
    expires_at = _moment("When it ends.", allow_none=True)
    ends_with_event = fields.String(allow_none=True)
    revoked_at = _moment("When it was taken back.", allow_none=True)


# --- Messages ------------------------------------------------------------------------------------


class StopMessages(Schema):
    """Send nothing more to somebody."""

    patient_id = _id("Who wants no messages.")


class AllowMessages(Schema):
    """Send messages to somebody again who had wanted none."""

    patient_id = _id("Who wants messages again.")


class MessageStop(Schema):
    """Whether somebody wants no messages."""

    patient_id = _id("Who it is.")
    stopped = fields.Boolean(metadata={"description": "Whether nothing is sent to them."})


# --- Admission and referral elsewhere ------------------------------------------------------------


class AdmitPatient(Schema):
    """Admit somebody to the program."""

    episode_id = _id("Episode of the person.")


class Admission(Schema):
    """An admission."""

    admission_id = _id("Id of the admission.")
    episode_id = _id("Episode of the person.")
    patient_id = _id("Id of the person.")
    level = fields.String()
    admitted_at = _moment("When treatment started.")
    weekly_minutes_floor = fields.Integer()
    weekly_minutes_ceiling = fields.Integer()
    planned_weeks = fields.Integer()
    follow_up_consent = fields.Boolean()
    next_step = fields.String()


class ReferElsewhere(Schema):
    """Refer somebody to another program, because they need what the site does not have."""

    episode_id = _id("Episode of the person.")
    program = _text("Program that takes over.", longest=200, allow_none=True, load_default=None)


class GetOutwardReferral(Schema):
    """Look at a referral to another program."""

    outward_referral_id = _id("Id of the referral.")


class RecordReferralFollowUp(Schema):
    """Record what a follow-up of somebody referred elsewhere came to."""

    outward_referral_id = _id("Id of the referral.")
    outcome = _code("What it came to.", codes.REFERRAL_FOLLOW_UP_OUTCOMES, required=True)
    number = _number(
        "1 after 48 hours, 2 after 7 days; the earliest open one when left out.",
        1,
        2,
        allow_none=True,
        load_default=None,
    )
    note = _text("A note.", allow_none=True, load_default=None)


class FollowUp(Schema):
    """A look after somebody referred elsewhere."""

    number = fields.Integer()
    due_at = _moment("When it is due.")
    state = fields.String()
    outcome = fields.String(allow_none=True)
    recorded_at = _moment("When it was recorded.", allow_none=True)
    note = fields.String(allow_none=True)


class OutwardReferral(Schema):
    """A referral to another program, with its follow-ups."""

    outward_referral_id = _id("Id of the referral.")
    episode_id = _id("Episode that it closed.")
    patient_id = _id("Id of the person.")
    journey_id = _id("Id that spans the person's episodes.")
    level = fields.String()
    program = fields.String(allow_none=True)
    referred_at = _moment("When the person was referred.")
    follow_ups = fields.List(fields.Nested(FollowUp))


# --- Reviews -------------------------------------------------------------------------------------


class ListLevelReviews(_Page):
    """List reviews of the level of care."""

    open = fields.Boolean(load_default=False, metadata={"description": "Open ones only."})
    episode_id = _id("Of one episode only.", required=False, allow_none=True, load_default=None)


class CloseLevelReview(Schema):
    """Close a review of the level of care."""

    review_id = _id("Id of the review.")
    outcome = _code("What it came to.", codes.REVIEW_OUTCOMES, required=True)
    note = _text("What was looked at and why.", required=True)


class LevelReview(Schema):
    """A review of the level of care."""

    review_id = _id("Id of the review.")
    episode_id = _id("Episode of the person.")
    patient_id = _id("Id of the person.")
    reason = fields.String()
    requested_at = _moment("When it was asked for.")
    due_at = _moment("By when it is due.")
    state = fields.String()
    outcome = fields.String(allow_none=True)
    closed_at = _moment("When it ended.", allow_none=True)
    closed_by = fields.String(allow_none=True)
    closed_by_role = fields.String(allow_none=True)
    closed_by_credential = fields.String(allow_none=True)
    note = fields.String(allow_none=True)
