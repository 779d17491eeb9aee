"""Assessments, and decisions on the level of care."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from services.intake.schemas.fields import (
    code_field,
    flag_field,
    id_field,
    moment_field,
    number_field,
    text_field,
)
from shared.contracts import intake as codes

#: Sub-dimensions that somebody may tell of, and characters of a code. Design defaults, beyond all there are.
MOST_SUBDIMENSIONS = 32
LONGEST_CODE = 8


class CriteriaMet(fields.Field[Any]):
    """The DSM-5 criteria met: their numbers in a list, or how many as a whole number."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, list):
            if len(value) <= 11 and all(type(item) is int for item in value):
                return tuple(value)
        elif type(value) is int and 0 <= value <= 11:
            return value
        raise ValidationError("A list of criterion numbers, or how many are met, 0 to 11.")


class SubdimensionCodes(fields.Field[Any]):
    """The code of each sub-dimension, by its name; which there are, the rules know."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, dict) and len(value) <= MOST_SUBDIMENSIONS:
            short = [isinstance(one, str) and len(one) <= LONGEST_CODE for one in (*value, *value.values())]
            if all(short):
                return value
        # Of what was sent nothing is repeated, not even a name.
        raise ValidationError("An object with a short code for each sub-dimension.")


class Withdrawal(Schema):
    """Signs of withdrawal; leave out what was not asked or rated."""

    ciwa_ar = number_field("CIWA-Ar total, rated by an observer.", 0, 67, allow_none=True, load_default=None)
    cows = number_field("COWS total, rated by an observer.", 0, 48, allow_none=True, load_default=None)
    pawss = number_field("PAWSS total.", 0, 10, allow_none=True, load_default=None)
    last_drink_hours = number_field(
        "Hours since the last drink.", 0, 1_000_000, allow_none=True, load_default=None
    )
    seizure_or_dt_history = flag_field("Seizures or delirium in an earlier withdrawal.")
    seizure_or_dt_now = flag_field("Seizure or delirium in this withdrawal.")
    hallucinations = flag_field("Hallucinations now.")
    overdose_last_72h = flag_field("Overdose within 72 hours.")
    daily_benzodiazepine = flag_field("Benzodiazepines every day.")
    pregnant_withdrawing = flag_field("Pregnant and withdrawing.")
    rated_by = code_field(
        "Who rated CIWA-Ar and COWS; self-report is refused.",
        codes.RATERS,
        allow_none=True,
        load_default=None,
    )
    medically_cleared = flag_field(
        "A prescriber holds outpatient care to be safe; only a prescriber says so."
    )


class Problem(Schema):
    """A problem with the DSM-5 criteria met in twelve months."""

    problem = code_field("What it is.", codes.PROBLEMS, required=True)
    criteria_met = CriteriaMet(
        required=True, metadata={"description": "Criterion numbers in a list, or how many are met."}
    )
    primary = flag_field("The main problem.")
    taken_as_prescribed = flag_field("Taken solely as prescribed: tolerance and withdrawal do not count.")
    remission = code_field(
        "Stage of remission as the assessor calls it; worked out from its day when left out.",
        codes.REMISSIONS,
        allow_none=True,
        load_default=None,
    )
    remission_since = fields.Date(
        allow_none=True,
        load_default=None,
        metadata={
            "description": "Day since which no criterion but craving has been met; early remission is at"
            " least 3 and less than 12 months, sustained is longer (DSM-5)."
        },
    )


class Danger(Schema):
    """Danger to oneself and others."""

    suicidal_intent = code_field("Thoughts of suicide.", codes.SUICIDAL_INTENTS, required=True)
    violence_threat = fields.Boolean(required=True, metadata={"description": "A threat of violence."})


class Home(Schema):
    """Where and with whom somebody lives."""

    housing = code_field("Kind of housing.", codes.HOUSING, required=True)
    secure_days = number_field("Days for which the housing is secure.", 0, 100_000, required=True)
    safe = fields.Boolean(required=True, metadata={"description": "Safe to live in."})
    use_at_home = flag_field("Others use there regularly.")
    coping_plan = flag_field("There is a plan to cope with that.")
    supporters = number_field("People who back the person.", 0, 100, load_default=0)
    recovery_residence_possible = flag_field("The person could live in a recovery residence.")


class Rulers(Schema):
    """Importance, confidence and readiness, 0 to 10."""

    importance = number_field("How important the change is.", 0, 10, required=True)
    confidence = number_field("How confident the person is.", 0, 10, required=True)
    readiness = number_field("How ready the person is.", 0, 10, required=True)


class Trigger(Schema):
    """Something that can set off use."""

    trigger_code = code_field("Kind of trigger.", codes.TRIGGERS, required=True)
    coping_tools = number_field("Tools against it that the person has.", 0, 50, load_default=0)


class Condition(Schema):
    """A condition that occurs beside the addiction."""

    code = code_field(
        "Which condition.", (*codes.CONDITIONS_OF_MIND, *codes.CONDITIONS_OF_BODY), required=True
    )
    source = code_field("Who says so.", codes.CONDITION_SOURCES, load_default="REPORTED")
    treatment = code_field("How it is treated.", codes.CONDITION_TREATMENTS, load_default="UNKNOWN")
    icd10_code = fields.String(
        allow_none=True,
        load_default=None,
        validate=validate.Regexp(
            r"^[A-TV-Z][0-9][0-9AB](\.[0-9A-Z]{1,4})?\Z", error="Not a valid ICD-10-CM code."
        ),
        metadata={"description": "ICD-10-CM code, where somebody diagnosed it."},
    )


class PriorStay(Schema):
    """An earlier stay that the referral follows on."""

    level = code_field("ASAM level of the stay.", codes.LEVELS_OF_CARE, required=True)
    discharged_on = fields.Date(required=True, metadata={"description": "Day of the discharge."})
    summary_received = flag_field("The discharge summary is here.")
    medications_reconciled = flag_field("The medications are reconciled.")


class CompleteAssessment(Schema):
    """Complete the assessment of somebody who was referred."""

    episode_id = id_field("Episode of the person.")
    withdrawal = fields.Nested(Withdrawal, required=True)
    dimensions = fields.List(
        number_field("Severity 0 to 4; null where not rated yet.", 0, 4, allow_none=True),
        load_default=list,
        validate=validate.Length(max=6),
        metadata={"description": "Severity of dimensions 1 to 6 of the 3rd edition, in order."},
    )
    problems = fields.List(
        fields.Nested(Problem), required=True, validate=validate.Length(min=1, max=len(codes.PROBLEMS))
    )
    danger = fields.Nested(Danger, required=True)
    home = fields.Nested(Home, required=True)
    rulers = fields.Nested(Rulers, required=True)
    triggers = fields.List(fields.Nested(Trigger), load_default=list, validate=validate.Length(max=50))
    goals = text_field("The person's goals in their own words.", required=True)
    naloxone = flag_field("Naloxone is at hand.")
    prior_stay = fields.Nested(PriorStay, allow_none=True, load_default=None)
    co_occurring = flag_field("A co-occurring mental health condition is reported.")
    pregnant = flag_field("Pregnant.")
    conditions = fields.List(
        fields.Nested(Condition),
        load_default=list,
        validate=validate.Length(max=len(codes.CONDITIONS_OF_MIND) + len(codes.CONDITIONS_OF_BODY)),
        metadata={"description": "Conditions of mind and body beside the addiction."},
    )
    edition = code_field(
        "Edition of the ASAM criteria that the assessor rated by, ASAM3 where none is named; never mixed.",
        codes.ASAM_EDITIONS,
        allow_none=True,
        load_default=None,
    )
    subdimensions = SubdimensionCodes(
        allow_none=True,
        load_default=None,
        metadata={
            "description": "Codes of the 4th edition by sub-dimension, e.g. 4A: B; only with edition ASAM4,"
            " once the medical director has signed its rules."
        },
    )


class GetAssessment(Schema):
    """Look at one assessment."""

    assessment_id = id_field("Id of the assessment.")


class GateFinding(Schema):
    """One rule of the withdrawal gate that applied."""

    code = fields.String()
    disposition = fields.String()
    act_within = fields.String()
    actions = fields.List(fields.String())


class Gate(Schema):
    """What the withdrawal gate found."""

    disposition = code_field("Most urgent disposition.", codes.WITHDRAWAL_GATES)
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
    remission = fields.String(
        allow_none=True, metadata={"description": "Stage of remission on the day of the assessment."}
    )
    remission_since = fields.String(
        allow_none=True,
        dump_default=None,
        metadata={"description": "Day since which no criterion but craving was met."},
    )


class TrackFit(Schema):
    """How much of a week one track can place beside what somebody is bound to."""

    track = fields.String()
    placeable_minutes = fields.Integer(metadata={"description": "Clinical minutes a week."})
    required_minutes = fields.Integer(metadata={"description": "Those that the level asks for."})
    result = fields.String()


class FitFactor(Schema):
    """How well one side of life fits the program."""

    factor = code_field("Which factor.", codes.FIT_FACTORS)
    result = fields.String()
    actions = fields.List(fields.String())
    alternative = fields.String(allow_none=True)
    evidence = fields.List(fields.String())
    tracks = fields.List(
        fields.Nested(TrackFit),
        metadata={"description": "Of obligations: each track of the site, the one that fits best first."},
    )


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

    level = code_field("ASAM level.", codes.ALL_LEVELS_OF_CARE)
    deciding_dimensions = fields.List(fields.Integer())
    deciding_subdimensions = fields.List(
        fields.String(), metadata={"description": "By the 4th edition: the sub-dimensions that decided."}
    )
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

    assessment_id = id_field("Id of the assessment.")
    episode_id = id_field("Episode of the person.")
    patient_id = id_field("Id of the person.")
    journey_id = id_field("Id that spans the person's episodes.")
    site_id = id_field("Site of the episode.")
    edition = fields.String()
    dimension_ratings = fields.List(fields.Integer())
    gate = fields.Nested(Gate)
    diagnoses = fields.List(fields.Nested(Diagnosis))
    fit_factors = fields.List(fields.Nested(FitFactor))
    recommendation = fields.Nested(Recommendation)
    risk_flags = fields.List(fields.String())
    crisis = fields.Nested(Crisis, allow_none=True)
    conditions = fields.List(fields.Nested(Condition))
    findings = fields.Dict()
    goals = fields.String()
    minor = fields.Boolean()
    completed_at = moment_field("When it was completed.")
    completed_by = fields.String()
    completed_by_role = fields.String()
    completed_by_credential = fields.String()


class DecideLevelOfCare(Schema):
    """Decide on the level of care."""

    episode_id = id_field("Episode of the person.")
    assessment_id = id_field("The newest assessment of the episode.")
    level = code_field(
        "ASAM level decided on, of the edition that was rated by.", codes.ALL_LEVELS_OF_CARE, required=True
    )
    override_reason_code = code_field(
        "Why not the recommended level.", codes.OVERRIDE_REASONS, allow_none=True, load_default=None
    )
    override_reason = text_field("The reason in words.", allow_none=True, load_default=None)


class LevelDecision(Schema):
    """A decision on the level of care."""

    decision_id = id_field("Id of the decision.")
    assessment_id = id_field("Assessment that it rests on.")
    episode_id = id_field("Episode of the person.")
    recommended_level = fields.String()
    decided_level = fields.String()
    overridden = fields.Boolean()
    override_reason_code = fields.String(allow_none=True)
    rule_version = fields.String()
    decided_at = moment_field("When it was decided.")
    decided_by = fields.String()
    decided_by_role = fields.String()
    decided_by_credential = fields.String()
    next_step = fields.String()
