"""What monitoring takes in and gives out: commands and questions by their names, nouns as views."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from shared.contracts import roles
from shared.contracts.aftercare import LAPSE_SUBSTANCES
from shared.contracts.common import CONCERNS, NOTIFICATION_OUTCOMES, TASK_OUTCOMES_OF_PEOPLE
from shared.contracts.intake import PROBLEMS
from shared.contracts.monitoring import (
    DISPOSITIONS,
    DRUG_TEST_EXCUSES,
    DRUG_TEST_OUTCOMES,
    DRUG_TEST_RESULTS,
    DRUG_TESTING_END_REASONS,
    DRUG_TESTING_REASONS,
    ESCALATION_LEVELS,
    LONGEST_TEST_GAPS,
    OUTREACH_CHANNELS,
    OUTREACH_OUTCOMES,
    PLAN_SIGNERS,
    SHORTEST_TEST_MEAN,
    TASKS_CLOSED_BY_HAND,
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


class GetEarlierPlan(Schema):
    """What somebody brings from the program before: version 0 of their plan."""

    episode_id = Id(required=True, metadata=_described("Which episode."))


class EarlierPlan(Schema):
    """Version 0 of a treatment plan: what was worked on and learned before, in codes."""

    episode_id = Id()
    patient_id = Id()
    step_down_id = Id()
    version = fields.Integer()
    problems = fields.List(fields.String())
    modalities = fields.List(fields.String())
    skills = fields.List(fields.String())
    triggers = fields.List(fields.String())
    imported_at = Moment()


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
    danger = fields.Boolean(
        load_default=None,
        allow_none=True,
        metadata=_described("In danger, or thinking of suicide; left out where it was not answered."),
    )

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
    staff_on_duty = fields.Boolean(metadata=_described("Whether somebody is there to answer right now."))
    notice = fields.String(allow_none=True, metadata=_described("What to say plainly when nobody is."))


class GetCheckInForm(Schema):
    """What a patient may be asked right now."""

    episode_id = Id(required=True, metadata=_described("Which episode."))


class CheckInQuestion(Schema):
    """One question of a check-in."""

    field = fields.String(metadata=_described("The field of the check-in that takes the answer."))
    text = fields.String()


class CheckInForm(Schema):
    """The questions of a check-in: about safety only while somebody has the duty."""

    episode_id = Id()
    patient_id = Id()
    questions = fields.List(fields.Nested(CheckInQuestion))
    staff_on_duty = fields.Boolean(metadata=_described("Whether somebody is there to answer right now."))
    notice = fields.String(allow_none=True, metadata=_described("What to say plainly when nobody is."))
    crisis_lines = fields.Dict(
        keys=fields.String(), values=fields.String(), metadata=_described("Who helps now.")
    )


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


class CloseTask(Schema):
    """A task of the work list that no action of its own ends."""

    task_id = Id(required=True, metadata=_described("The task."))
    task = _code("What was to be done.", TASKS_CLOSED_BY_HAND, required=True)
    about_id = Id(
        required=True, metadata=_described("The escalation, outreach, episode, check-in or test behind it.")
    )
    outcome = _code("Done, or not needed any more.", TASK_OUTCOMES_OF_PEOPLE, required=True)


# --- Drug tests -----------------------------------------------------------------------------------

#: What a test can be positive for.
_POSITIVES = tuple(substance for substance in LAPSE_SUBSTANCES if substance not in ("GAMBLING", "NONE"))


class OrderDrugTesting(Schema):
    """Have a patient tested at random intervals."""

    episode_id = Id(required=True, metadata=_described("Which episode."))
    mean_interval_days = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(min=SHORTEST_TEST_MEAN, max=max(LONGEST_TEST_GAPS)),
        metadata=_described("Days between tests on average: at most two thirds of the longest gap."),
    )
    longest_gap_days = fields.Integer(
        required=True,
        strict=True,
        validate=validate.OneOf(LONGEST_TEST_GAPS),
        metadata=_described("The most days from one draw to the next, by phase of treatment."),
    )
    reason = _code("Why.", DRUG_TESTING_REASONS, required=True)
    paydays = fields.List(
        fields.Integer(strict=True, validate=validate.Range(min=1, max=31)),
        load_default=list,
        validate=validate.Length(max=5),
        metadata=_described("Days of the month on which the patient is paid: the day after is likelier."),
    )


class EndDrugTesting(Schema):
    """Test a patient no more."""

    order_id = Id(required=True, metadata=_described("Which order."))
    reason = _code("Why.", DRUG_TESTING_END_REASONS, required=True)


class DrugTestingOrder(Schema):
    """That a patient is tested, and how often; of the days to come nothing is known."""

    order_id = Id()
    episode_id = Id()
    patient_id = Id()
    mean_interval_days = fields.Integer()
    longest_gap_days = fields.Integer()
    reason = fields.String()
    paydays = fields.List(fields.Integer())
    ordered_at = Moment()
    ordered_by = fields.String()
    ordered_by_role = fields.String()
    ordered_by_credential = fields.String()
    last_drawn_on = fields.Date(allow_none=True)
    ended_at = Moment(allow_none=True)
    ended_by = fields.String(allow_none=True)
    end_reason = fields.String(allow_none=True)


class RecordDrugTest(Schema):
    """What came of a drug test that was due; a laboratory's result may come later."""

    test_id = Id(required=True, metadata=_described("Which test."))
    outcome = _code("What came of it.", DRUG_TEST_OUTCOMES, required=True)
    result = _code(
        "What the panel told, where something was collected; what is prescribed counts as negative.",
        DRUG_TEST_RESULTS,
        load_default=None,
        allow_none=True,
    )
    positives = fields.List(
        fields.String(validate=validate.OneOf(_POSITIVES)),
        load_default=list,
        validate=validate.Length(max=len(_POSITIVES)),
        metadata=_described("What it was positive for and nobody had prescribed."),
    )
    excuse = _code(
        "Why somebody who missed it is excused; none where they are not.",
        DRUG_TEST_EXCUSES,
        load_default=None,
        allow_none=True,
    )

    @validates_schema
    def _belongs_together(self, data: dict[str, Any], **_: Any) -> None:
        if (data["outcome"] == "COLLECTED") != (data["result"] is not None):
            raise ValidationError("A result where something was collected, and nowhere else.", "result")
        if (data["result"] == "POSITIVE") != bool(data["positives"]):
            raise ValidationError("What it was positive for, where it was.", "positives")
        if data["excuse"] is not None and data["outcome"] != "MISSED":
            raise ValidationError("Only whoever missed it is excused.", "excuse")


class DrugTest(Schema):
    """A test that was drawn for a day, and what came of it."""

    test_id = Id()
    order_id = Id()
    episode_id = Id()
    patient_id = Id()
    site_id = Id()
    due_on = fields.Date()
    due_at = Moment()
    drawn_at = Moment()
    outcome = fields.String(allow_none=True, metadata=_described("None while it is due."))
    result = fields.String(allow_none=True)
    positives = fields.List(fields.String())
    excuse = fields.String(allow_none=True)
    recorded_at = Moment(allow_none=True)
    recorded_by = fields.String(allow_none=True)
    recorded_by_role = fields.String(allow_none=True)
    reviewed_at = Moment(allow_none=True)
    reviewed_by = fields.String(allow_none=True)
    reviewed_by_credential = fields.String(allow_none=True)


class RecordedDrugTest(DrugTest):
    """A test with what came of it; who helps now, where the result carries risk."""

    crisis_lines = fields.Dict(keys=fields.String(), values=fields.String(), allow_none=True)


class GetDrugTesting(Schema):
    """The drug tests of an episode."""

    episode_id = Id(required=True, metadata=_described("Which episode."))


class DrawSeed(Schema):
    """What a month's lots come from: its hash before, itself once the month is over."""

    month = fields.Date(metadata=_described("The first day of the month."))
    commitment = fields.String(metadata=_described("SHA-256 of the seed's bytes, in hexadecimal."))
    committed_at = Moment()
    seed = fields.String(
        allow_none=True, metadata=_described("In hexadecimal; null until the month is over.")
    )


class DrugTesting(Schema):
    """The drug tests of an episode: who ordered them, what came of each, and how its days can be checked."""

    episode_id = Id()
    patient_id = Id()
    orders = fields.List(fields.Nested(DrugTestingOrder))
    tests = fields.List(fields.Nested(DrugTest))
    seeds = fields.List(fields.Nested(DrawSeed))


class CloseEscalation(Schema):
    """End an escalation with what was found."""

    escalation_id = Id(required=True, metadata=_described("Which escalation."))
    disposition = _code("What was found.", DISPOSITIONS, required=True)
    note = _note("Kept encrypted.")


class EscalationPage(Schema):
    """One page about an escalation."""

    page_id = Id()
    level = fields.String()
    tier = fields.Integer()
    staff_id = fields.String(metadata=_described("Who was paged; fallback for the tenant's last resort."))
    paged_as = fields.String(metadata=_described("A role, on_call, everyone or fallback."))
    paged_at = Moment()
    outcome = _code("What became of it; none while it is on its way.", NOTIFICATION_OUTCOMES, allow_none=True)
    settled_at = Moment(allow_none=True)


class DoneTask(Schema):
    """What an escalation asked for besides, and who did it."""

    task = fields.String(metadata=_described("What was done."))
    outcome = fields.String(metadata=_described("Done, or not needed any more."))
    closed_by = fields.String(metadata=_described("The person."))
    closed_by_role = fields.String()
    closed_by_credential = fields.String(metadata=_described("The person's licence."))
    closed_at = fields.String(metadata={"format": "date-time"})


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
    tasks_done = fields.List(fields.Nested(DoneTask))
    crisis_lines = fields.Dict(keys=fields.String(), values=fields.String())
    pages = fields.List(
        fields.Nested(EscalationPage),
        metadata=_described("Who was paged and what became of it; told where one escalation is asked for."),
    )


class Escalations(Schema):
    """A page of escalations."""

    items = fields.List(fields.Nested(Escalation))
    next = fields.String(allow_none=True)


# --- On-call duty ---------------------------------------------------------------------------------

#: Roles that somebody of the staff may be paged as.
_STAFF_ROLES = (*roles.CARE_TEAM, roles.FRONT_DESK, roles.OPERATIONS)


class KeepStaffContact(Schema):
    """Say where somebody of the staff is paged."""

    staff_id = Id(required=True, metadata=_described("Whose; the caller's own id for them."))
    role = _code("As what they are paged.", _STAFF_ROLES, required=True)
    address = fields.String(
        required=True,
        validate=validate.Regexp(r"(mailto:|https?:)[^\s]{1,1900}\Z"),
        metadata=_described("A mailto or https address that they alone read. Kept encrypted."),
    )
    active = fields.Boolean(load_default=True, metadata=_described("Whether they can be paged."))


class ListStaffContacts(Schema):
    """Where the staff are paged."""


class StaffContact(Schema):
    """Where somebody of the staff is paged."""

    staff_id = Id()
    role = fields.String()
    address = fields.String(
        attribute="masked_address", metadata=_described("Without what tells whose it is.")
    )
    active = fields.Boolean()


class StaffContacts(Schema):
    """The staff who were told of."""

    items = fields.List(fields.Nested(StaffContact))
    next = fields.String(allow_none=True)


class PlanOnCallShift(Schema):
    """Give somebody the duty for a time."""

    staff_id = Id(required=True, metadata=_described("Who; their contact is known and active."))
    starts_at = Moment(required=True, metadata=_described("From when."))
    ends_at = Moment(required=True, metadata=_described("Until when, at most a week later."))


class WithdrawOnCallShift(Schema):
    """Take a duty off the roster, or what is left of it."""

    shift_id = Id(required=True, metadata=_described("Which shift."))
    from_ = Moment(
        load_default=None, data_key="from", metadata=_described("From when; all that is left when left out.")
    )
    accept_gap = fields.Boolean(
        load_default=False,
        metadata=_described("Leave a gap of the next 24 hours open; a supervisor or medical director may."),
    )
    reason = _note("Why a gap is accepted. Kept encrypted.")


class ListOnCallShifts(Schema):
    """The roster from a moment on."""

    since = Moment(load_default=None, metadata=_described("Shifts that last beyond it; now when left out."))


class OnCallShift(Schema):
    """A time for which somebody has the duty."""

    shift_id = Id()
    staff_id = Id()
    starts_at = Moment()
    ends_at = Moment()
    withdrawn_at = Moment(allow_none=True)
    on_duty = fields.Boolean(metadata=_described("Whether it is duty right now."))


class ListOnCallGaps(Schema):
    """The times of the week ahead with nobody on duty."""


class OnCallGap(Schema):
    """A time with nobody on duty."""

    starts_at = Moment()
    ends_at = Moment(allow_none=True, metadata=_described("None when no later shift is planned."))


class OnCallGaps(Schema):
    """The gaps of the roster."""

    items = fields.List(fields.Nested(OnCallGap))
    next = fields.String(allow_none=True)
