"""What monitoring takes in and gives out: commands and questions by their names, nouns as views."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from shared.contracts.common import CONCERNS
from shared.contracts.intake import PROBLEMS
from shared.contracts.monitoring import (
    DISPOSITIONS,
    ESCALATION_LEVELS,
    OUTREACH_CHANNELS,
    OUTREACH_OUTCOMES,
    PLAN_SIGNERS,
)
from shared.schema_fields import Id, Moment

#: Longest free text, in characters. Design default.
LONGEST_TEXT = 4000


def _described(text: str) -> dict[str, Any]:
    return {"description": text}


def _scale(text: str, **options: Any) -> fields.Integer:
    return fields.Integer(
        strict=True, validate=validate.Range(min=0, max=10), metadata=_described(text), **options
    )


def _code(text: str, allowed: tuple[str, ...], **options: Any) -> fields.String:
    return fields.String(validate=validate.OneOf(allowed), metadata=_described(text), **options)


def _note(text: str) -> fields.String:
    return fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(min=1, max=LONGEST_TEXT),
        metadata=_described(text),
    )


class _Page(Schema):
    after = Id(load_default=None, metadata=_described("`next` of the page before."))
    limit = fields.Integer(
        load_default=50, validate=validate.Range(min=1, max=200), metadata=_described("Most items of a page.")
    )


# --- Treatment plans ------------------------------------------------------------------------------


class GetTreatmentPlan(Schema):
    """The newest treatment plan of an episode."""

    episode_id = Id(required=True, metadata=_described("Which episode."))


class SignTreatmentPlan(Schema):
    """Sign a treatment plan."""

    plan_id = Id(required=True, metadata=_described("Which plan."))
    as_ = _code(
        "Whose signature: the patient's own, or staff recording it from paper, or one's own.",
        PLAN_SIGNERS,
        required=True,
        data_key="as",
    )


class Objective(Schema):
    """Something measurable to reach by a day."""

    problem = fields.String()
    measure = fields.String()
    comparator = fields.String()
    target = fields.Integer()
    due_on = fields.String()
    modality = fields.String()


class TreatmentPlan(Schema):
    """A version of a treatment plan."""

    plan_id = Id()
    episode_id = Id()
    patient_id = Id()
    assessment_id = Id()
    version = fields.Integer()
    state = fields.String()
    problems = fields.List(fields.String())
    objectives = fields.List(fields.Nested(Objective))
    offers = fields.List(fields.String())
    drafted_at = Moment()
    review_due_on = fields.Date()
    patient_signed_at = Moment(allow_none=True)
    clinician_signed_at = Moment(allow_none=True)
    clinician_id = fields.String(allow_none=True)
    clinician_role = fields.String(allow_none=True)
    clinician_credential = fields.String(allow_none=True)
    supervisor_signed_at = Moment(allow_none=True)
    supervisor_id = fields.String(allow_none=True)
    activated_at = Moment(allow_none=True)


# --- Check-ins and risk ---------------------------------------------------------------------------


class SubmitCheckIn(Schema):
    """A patient's word on how it goes."""

    episode_id = Id(required=True, metadata=_described("Which episode."))
    craving = _scale("Craving, 0 to 10.", required=True)
    mood = _scale("Mood, 0 (worst) to 10.", required=True)
    stress = _scale("Stress, 0 to 10.", required=True)
    sleep_hours = fields.Float(
        required=True,
        allow_nan=False,
        validate=validate.Range(min=0, max=24),
        metadata=_described("Hours slept last night."),
    )
    used = fields.Boolean(required=True, metadata=_described("Used since the last check-in."))
    substance = _code("What was used.", (*PROBLEMS, "UNKNOWN"), load_default=None, allow_none=True)
    risky_situation = fields.Boolean(load_default=False, metadata=_described("Was in a risky situation."))
    coping_skill_used = fields.Boolean(load_default=False, metadata=_described("Used a coping skill."))
    confidence = _scale("Confidence for tonight, 0 to 10.", load_default=None, allow_none=True)
    want_call = fields.Boolean(load_default=False, metadata=_described("Wants to be called."))
    danger = fields.Boolean(load_default=False, metadata=_described("In danger, or thinking of suicide."))

    @validates_schema
    def names_what_was_used(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Refuse use without a substance, and a substance without use."""
        if data.get("used") and data.get("substance") is None:
            raise ValidationError("Needed when used is true; UNKNOWN where it is not known.", "substance")
        if data.get("used") is False and data.get("substance") is not None:
            raise ValidationError("Only when used is true.", "substance")


class CheckIn(Schema):
    """A check-in as it was kept, with help where its answers carry risk."""

    check_in_id = Id()
    episode_id = Id()
    patient_id = Id()
    checked_in_at = Moment()
    carries_risk = fields.Boolean()
    crisis_lines = fields.Dict(
        keys=fields.String(), values=fields.String(), allow_none=True, metadata=_described("Who helps now.")
    )
    escalation_ids = fields.List(Id())


class GetRisk(Schema):
    """The risk index of an episode."""

    episode_id = Id(required=True, metadata=_described("Which episode."))


class Term(Schema):
    """One term of the index."""

    term = fields.String()
    points = fields.Integer()


class Risk(Schema):
    """The risk index with every term of it: it orders attention and decides nothing."""

    episode_id = Id()
    patient_id = Id()
    index = fields.Integer()
    band = fields.String()
    terms = fields.List(fields.Nested(Term))
    as_of = Moment()
    rule_version = fields.String()


# --- Outreach -------------------------------------------------------------------------------------


class ListOutreach(_Page):
    """Outreaches of the tenant."""

    open = fields.Boolean(load_default=True, metadata=_described("Only those that are open."))
    episode_id = Id(load_default=None, metadata=_described("Only of this episode."))


class GetOutreach(Schema):
    """One outreach."""

    outreach_id = Id(required=True, metadata=_described("Which outreach."))


class LogOutreachAttempt(Schema):
    """Log an attempt to reach a patient who did not come."""

    outreach_id = Id(required=True, metadata=_described("Which outreach."))
    channel = _code("How.", OUTREACH_CHANNELS, required=True)
    outcome = _code("What came of it.", OUTREACH_OUTCOMES, required=True)
    attempted_at = Moment(load_default=None, metadata=_described("When it truly was; now when left out."))
    note = _note("Kept encrypted.")


class Outreach(Schema):
    """The answer to one missed session."""

    outreach_id = Id()
    episode_id = Id()
    patient_id = Id()
    seat_id = Id()
    missed_at = Moment()
    consecutive = fields.Integer()
    state = fields.String()
    open_tasks = fields.List(fields.String())
    attempts = fields.Integer()
    first_attempt_due_at = Moment()
    first_attempt_at = Moment(allow_none=True)
    how = fields.String(allow_none=True)
    closed_at = Moment(allow_none=True)


class Outreaches(Schema):
    """A page of outreaches."""

    items = fields.List(fields.Nested(Outreach))
    next = fields.String(allow_none=True)


# --- Escalations ----------------------------------------------------------------------------------


class RaiseSafetyConcern(Schema):
    """Say that somebody may be in danger; the person need not be known."""

    patient_id = Id(required=True, metadata=_described("Who."))
    concern = _code("What it is about.", CONCERNS, required=True)
    level = _code("How urgent; E3 when left out.", ("E3", "E4"), load_default="E3")
    episode_id = Id(load_default=None, metadata=_described("Which episode, if there is one."))


class ListEscalations(_Page):
    """Escalations of the tenant."""

    open = fields.Boolean(load_default=True, metadata=_described("Only those that are open."))
    patient_id = Id(load_default=None, metadata=_described("Only of this patient."))


class GetEscalation(Schema):
    """One escalation."""

    escalation_id = Id(required=True, metadata=_described("Which escalation."))


class AcknowledgeEscalation(Schema):
    """Take an escalation: somebody is on it."""

    escalation_id = Id(required=True, metadata=_described("Which escalation."))


class CloseEscalation(Schema):
    """End an escalation with what was found."""

    escalation_id = Id(required=True, metadata=_described("Which escalation."))
    disposition = _code("What was found.", DISPOSITIONS, required=True)
    note = _note("Kept encrypted.")


class Escalation(Schema):
    """A danger that a human must answer."""

    escalation_id = Id()
    patient_id = Id()
    episode_id = Id(allow_none=True)
    cause = fields.String()
    level = _code("Level.", ESCALATION_LEVELS)
    state = fields.String()
    tier = fields.Integer()
    evidence = fields.List(fields.String())
    opened_at = Moment()
    acknowledge_by = Moment(allow_none=True)
    act_by = Moment()
    acknowledged_at = Moment(allow_none=True)
    acknowledged_by = fields.String(allow_none=True)
    closed_at = Moment(allow_none=True)
    closed_by = fields.String(allow_none=True)
    disposition = fields.String(allow_none=True)
    note = fields.String(allow_none=True)
    crisis_lines = fields.Dict(keys=fields.String(), values=fields.String())


class Escalations(Schema):
    """A page of escalations."""

    items = fields.List(fields.Nested(Escalation))
    next = fields.String(allow_none=True)
