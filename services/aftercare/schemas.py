"""What comes in and what goes out: the command's name going in, the noun coming out."""

from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf, Range

from shared.contracts.aftercare import (
    ATTESTABLE_CRITERIA,
    CONTACT_CHANNELS,
    CONTACT_OUTCOMES,
    DISCHARGE_REASONS,
    GRADUATION_CRITERIA,
    LAPSE_REPORTERS,
    LAPSE_SUBSTANCES,
    LOCAL_DISCHARGE_REASONS,
    TASKS_CLOSED_BY_HAND,
)
from shared.schema_fields import Id, Moment

#: Longest free text that is accepted, in characters.
TEXT_LIMIT = 10_000
#: Most items on a page of a list.
PAGE_LIMIT = 200

_EVIDENCE = tuple(dict.fromkeys(code for codes in ATTESTABLE_CRITERIA.values() for code in codes))
_DECIDED = ("PRESENT", "DECLINED")


def _episode_id() -> Id:
    return Id(required=True, metadata={"description": "The episode of treatment."})


def _count(description: str) -> fields.Integer:
    return fields.Integer(
        load_default=0, strict=True, validate=Range(min=0, max=1000), metadata={"description": description}
    )


def _limit() -> fields.Integer:
    return fields.Integer(
        load_default=50,
        validate=Range(min=1, max=PAGE_LIMIT),
        metadata={"description": "At most this many items."},
    )


# --- Graduation ------------------------------------------------------------------------------------


class GetGraduation(Schema):
    """Ask how far an episode is from graduation."""

    episode_id = _episode_id()


class Finding(Schema):
    """Whether one criterion of the gate is met, and on whose word."""

    number = fields.Integer(
        attribute="criterion.number", metadata={"description": "Place in the list, 1 to 11."}
    )
    criterion = fields.String(attribute="criterion.code", metadata={"description": "Code of the criterion."})
    says = fields.String(attribute="criterion.says", metadata={"description": "What must be so."})
    told_by = fields.String(
        attribute="criterion.told_by", metadata={"description": "MONITORING, CLINICIAN or PLAN."}
    )
    met = fields.Boolean(metadata={"description": "Whether it is met now."})
    evidence = fields.String(allow_none=True, metadata={"description": "Code of the evidence attested."})
    attested_by = fields.String(allow_none=True, metadata={"description": "The person whose word it is."})
    role = fields.String(allow_none=True, metadata={"description": "Their role."})
    credential = fields.String(allow_none=True, metadata={"description": "Their credential."})
    told_at = Moment(allow_none=True, metadata={"description": "When it was told."})


class Graduation(Schema):
    """The graduation gate of an episode."""

    episode_id = Id(metadata={"description": "The episode of treatment."})
    patient_id = Id(metadata={"description": "The patient."})
    status = fields.String(metadata={"description": "IN_TREATMENT, GRADUATED or DISCHARGED."})
    ready = fields.Boolean(metadata={"description": "Whether every criterion is met."})
    missing = fields.List(fields.String(), metadata={"description": "Codes of the criteria not met."})
    criteria = fields.List(fields.Nested(Finding), metadata={"description": "Each criterion."})
    rule_version = fields.String(metadata={"description": "Version of the gate's rules."})


class AttestedCriterion(Schema):
    """One criterion that a clinician attests."""

    criterion = fields.String(
        required=True,
        validate=OneOf(GRADUATION_CRITERIA),
        metadata={"description": "The criterion; those told by monitoring or the plan are refused."},
    )
    evidence = fields.String(
        required=True, validate=OneOf(_EVIDENCE), metadata={"description": "What the word rests on."}
    )
    met = fields.Boolean(
        load_default=True, metadata={"description": "False takes an earlier attestation back."}
    )


class AttestCriterion(Schema):
    """Attest one or several criteria of the graduation gate."""

    episode_id = _episode_id()
    attestations = fields.List(
        fields.Nested(AttestedCriterion),
        required=True,
        validate=Length(min=1, max=20),
        metadata={"description": "What is attested."},
    )


class GraduatePatient(Schema):
    """Graduate a patient: the program is completed."""

    episode_id = _episode_id()
    exceptions = fields.List(
        fields.String(validate=OneOf(GRADUATION_CRITERIA)),
        load_default=list,
        validate=Length(max=len(GRADUATION_CRITERIA)),
        metadata={"description": "Missing criteria that a supervisor or medical director excepts."},
    )
    exception_reason = fields.String(
        load_default=None,
        allow_none=True,
        validate=Length(min=1, max=TEXT_LIMIT),
        metadata={"description": "Why, needed with exceptions; kept encrypted."},
    )
    last_contact_at = Moment(
        load_default=None,
        allow_none=True,
        metadata={"description": "Last contact, where attendance does not tell it."},
    )
    summary = fields.String(
        load_default=None,
        allow_none=True,
        validate=Length(max=TEXT_LIMIT),
        metadata={"description": "Discharge summary; kept encrypted."},
    )


# --- Discharge -------------------------------------------------------------------------------------


class DischargePatient(Schema):
    """Discharge a patient for another reason than completion."""

    episode_id = _episode_id()
    reason_code = fields.String(
        required=True,
        validate=OneOf((*DISCHARGE_REASONS, *LOCAL_DISCHARGE_REASONS)),
        metadata={"description": "TEDS reason 2 to 7, or one of the program's own; 1 is a graduation."},
    )
    last_contact_at = Moment(
        load_default=None,
        allow_none=True,
        metadata={"description": "Last contact, where attendance does not tell it."},
    )
    summary = fields.String(
        load_default=None,
        allow_none=True,
        validate=Length(max=TEXT_LIMIT),
        metadata={"description": "Discharge summary; kept encrypted."},
    )


class GetDischarge(Schema):
    """Ask for a discharge."""

    discharge_id = Id(required=True, metadata={"description": "The discharge."})


class Discharge(Schema):
    """The end of an episode."""

    discharge_id = Id(metadata={"description": "The discharge."})
    episode_id = Id(metadata={"description": "The episode that ended."})
    patient_id = Id(metadata={"description": "The patient."})
    journey_id = Id(metadata={"description": "The journey that goes on."})
    reason_code = fields.String(metadata={"description": "TEDS reason, 1 to 7."})
    local_reason = fields.String(allow_none=True, metadata={"description": "The program's own reason."})
    admitted_at = Moment(metadata={"description": "When the episode began."})
    last_contact_at = Moment(metadata={"description": "When the patient was last seen or spoken with."})
    stay_days = fields.Integer(metadata={"description": "Days from admission to last contact, at least 1."})
    discharged_at = Moment(metadata={"description": "When it was signed."})
    signed_by = fields.String(metadata={"description": "Who signed."})
    role = fields.String(metadata={"description": "In which role."})
    credential = fields.String(metadata={"description": "With which credential."})
    exceptions = fields.List(fields.String(), metadata={"description": "Criteria excepted by a supervisor."})
    exception_reason = fields.String(allow_none=True, metadata={"description": "Why they were."})
    summary = fields.String(allow_none=True, metadata={"description": "Discharge summary."})
    rule_version = fields.String(allow_none=True, metadata={"description": "Version of the gate's rules."})


class ListDischargeProposals(Schema):
    """Ask for proposed discharges."""

    open = fields.Boolean(load_default=True, metadata={"description": "Only those not decided yet."})
    after = Id(load_default=None, metadata={"description": "The cursor: last id of the page before."})
    limit = _limit()


class DischargeProposal(Schema):
    """A discharge that monitoring proposed and a human decides on."""

    proposal_id = Id(metadata={"description": "The proposal."})
    episode_id = Id(metadata={"description": "The episode."})
    patient_id = Id(metadata={"description": "The patient."})
    reason_code = fields.String(metadata={"description": "TEDS reason proposed."})
    last_contact_at = Moment(metadata={"description": "Last contact as monitoring knows it."})
    proposed_at = Moment(metadata={"description": "When it was proposed."})
    decide_by = Moment(metadata={"description": "When the supervisor's decision is due."})
    status = fields.String(metadata={"description": "OPEN, WITHDRAWN or DISCHARGED."})
    closed_at = Moment(allow_none=True, metadata={"description": "When it left the table."})


# --- Aftercare plan --------------------------------------------------------------------------------


class Components(Schema):
    """The three parts of every aftercare plan, each there or declined by the patient."""

    ongoing_therapy = fields.String(
        required=True, validate=OneOf(_DECIDED), metadata={"description": "PRESENT or DECLINED."}
    )
    support_groups = fields.String(
        required=True, validate=OneOf(_DECIDED), metadata={"description": "PRESENT or DECLINED."}
    )
    relapse_prevention = fields.String(
        required=True, validate=OneOf(_DECIDED), metadata={"description": "PRESENT or DECLINED."}
    )


class RelapsePrevention(Schema):
    """How much of a relapse-prevention plan there is."""

    triggers = _count("Triggers named.")
    coping_actions_per_trigger = _count("Coping actions of the trigger that has the fewest.")
    warning_signs = _count("Warning signs named.")
    routines_per_week = _count("Healthy routines a week.")
    supports = _count("Supporting people.")
    supports_outside_family = _count("Supporting people outside the family.")
    lapse_plan = fields.Boolean(
        load_default=False, metadata={"description": "A plan for the 24 hours after a lapse."}
    )
    safety_plan = fields.Boolean(
        load_default=False, metadata={"description": "A safety plan, or a documented reason for none."}
    )
    reviewed_at = Moment(
        load_default=None,
        allow_none=True,
        metadata={"description": "When it was last gone through together."},
    )


class WriteAftercarePlan(Schema):
    """Write a version of the aftercare plan, with its signatures."""

    episode_id = _episode_id()
    components = fields.Nested(Components, required=True, metadata={"description": "The three parts."})
    goals = fields.String(
        required=True,
        validate=Length(min=1, max=TEXT_LIMIT),
        metadata={"description": "Goals in the patient's words; kept encrypted."},
    )
    planned_discharge_on = fields.Date(
        load_default=None, allow_none=True, metadata={"description": "Day of the planned discharge; today."}
    )
    first_appointment_at = Moment(
        load_default=None, allow_none=True, metadata={"description": "First continuing-care appointment."}
    )
    relapse_prevention = fields.Nested(
        RelapsePrevention,
        load_default=None,
        metadata={"description": "The relapse-prevention plan in counts."},
    )
    patient_signed_at = Moment(
        load_default=None, allow_none=True, metadata={"description": "When the patient signed."}
    )
    sign = fields.Boolean(
        load_default=False, metadata={"description": "Whether the caller signs as the clinician; licensed."}
    )


class GetAftercarePlan(Schema):
    """Ask for the newest version of an aftercare plan."""

    episode_id = _episode_id()


class AftercarePlan(Schema):
    """A version of an aftercare plan."""

    plan_id = Id(metadata={"description": "This version."})
    episode_id = Id(metadata={"description": "The episode."})
    patient_id = Id(metadata={"description": "The patient."})
    version = fields.Integer(metadata={"description": "Counts from 1."})
    components = fields.Nested(Components, metadata={"description": "The three parts."})
    goals = fields.String(metadata={"description": "Goals in the patient's words."})
    planned_discharge_on = fields.Date(metadata={"description": "Day of the planned discharge."})
    first_appointment_at = Moment(allow_none=True, metadata={"description": "First appointment."})
    relapse_prevention = fields.Nested(RelapsePrevention, metadata={"description": "The plan in counts."})
    missing = fields.List(
        fields.String(), metadata={"description": "What the relapse-prevention plan still lacks."}
    )
    complete = fields.Boolean(metadata={"description": "Whether the relapse-prevention plan is complete."})
    signed = fields.Boolean(metadata={"description": "Whether patient and clinician both signed."})
    patient_signed_at = Moment(allow_none=True, metadata={"description": "When the patient signed."})
    clinician_signed_at = Moment(allow_none=True, metadata={"description": "When the clinician signed."})
    author_id = fields.String(metadata={"description": "Who wrote it."})
    author_role = fields.String(metadata={"description": "In which role."})
    author_credential = fields.String(metadata={"description": "With which credential."})
    written_at = Moment(metadata={"description": "When it was written."})


# --- Contacts --------------------------------------------------------------------------------------


class ListAftercareContacts(Schema):
    """Ask for the calls and follow-ups after a discharge."""

    episode_id = _episode_id()
    after = Id(load_default=None, metadata={"description": "The cursor: last id of the page before."})
    limit = _limit()


class AftercareContact(Schema):
    """A call or a follow-up after a discharge."""

    contact_id = Id(metadata={"description": "The contact."})
    episode_id = Id(metadata={"description": "The episode that ended."})
    patient_id = Id(metadata={"description": "The patient."})
    kind = fields.String(metadata={"description": "CALL or FOLLOW_UP."})
    number = fields.Integer(metadata={"description": "Number of the call, or days after the discharge."})
    status = fields.String(
        metadata={
            "description": "PLANNED, DUE, REACHED, LOST, REFUSED, DECEASED, NOT_CONSENTED or CANCELLED."
        }
    )
    window_opens_at = Moment(metadata={"description": "From when it may be attempted."})
    due_at = Moment(metadata={"description": "When it falls due."})
    window_closes_at = Moment(metadata={"description": "When it counts as lost."})
    tries = fields.Integer(metadata={"description": "Attempts made."})
    ended_at = Moment(allow_none=True, metadata={"description": "When it ended."})


class RecordContactAttempt(Schema):
    """Record an attempt to reach a patient after the discharge."""

    contact_id = Id(required=True, metadata={"description": "The call or follow-up."})
    channel = fields.String(
        required=True, validate=OneOf(CONTACT_CHANNELS), metadata={"description": "How it was tried."}
    )
    outcome = fields.String(
        required=True, validate=OneOf(CONTACT_OUTCOMES), metadata={"description": "What came of it."}
    )
    need_help = fields.Boolean(load_default=False, metadata={"description": "The patient asked for help."})
    used = fields.Boolean(load_default=False, metadata={"description": "The patient told of use."})
    substance = fields.String(
        load_default="UNKNOWN",
        validate=OneOf([code for code in LAPSE_SUBSTANCES if code != "NONE"]),
        metadata={"description": "What was used, where something was."},
    )
    danger = fields.Boolean(
        load_default=False, metadata={"description": "The patient may be in danger right now."}
    )
    overdose = fields.Boolean(load_default=False, metadata={"description": "The patient has overdosed."})


class ContactAttempt(Schema):
    """An attempt, the contact as it stands after it, and the lapse that was told of."""

    attempt_id = Id(allow_none=True, metadata={"description": "The attempt, where it counts as one."})
    not_counted = fields.String(
        allow_none=True,
        metadata={
            "description": "Why it does not count: its refusal's code. What was told is heard all the same."
        },
    )
    contact = fields.Nested(AftercareContact, metadata={"description": "The contact as it stands."})
    lapse_id = Id(allow_none=True, metadata={"description": "The lapse or need for help told of."})
    reentry_id = Id(allow_none=True, metadata={"description": "The request to come back, if one was made."})
    crisis_lines = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        allow_none=True,
        metadata={"description": "Whom to call in danger, where something was told."},
    )


# --- Lapses ----------------------------------------------------------------------------------------


class ReportLapse(Schema):
    """Report a return to use."""

    patient_id = Id(required=True, metadata={"description": "The patient."})
    reported_by = fields.String(
        required=True, validate=OneOf(LAPSE_REPORTERS), metadata={"description": "Who tells of it."}
    )
    substance = fields.String(
        required=True,
        validate=OneOf(LAPSE_SUBSTANCES),
        metadata={"description": "What was used; UNKNOWN for an unknown pill, NONE for help before use."},
    )
    occurred_at = Moment(
        load_default=None, allow_none=True, metadata={"description": "When; now, where nobody knows."}
    )
    danger = fields.Boolean(
        load_default=False, metadata={"description": "The patient may be in danger right now."}
    )
    overdose = fields.Boolean(load_default=False, metadata={"description": "The patient has overdosed."})


class LapseReceipt(Schema):
    """What a reporter is told; for a supporter the same, whoever they ask about."""

    received = fields.Boolean(metadata={"description": "Always true."})
    lapse_id = Id(allow_none=True, metadata={"description": "The report; never told to a supporter."})
    reentry_id = Id(allow_none=True, metadata={"description": "The request to come back, if one was made."})
    contact_by = Moment(allow_none=True, metadata={"description": "When somebody will have been in touch."})
    crisis_lines = fields.Dict(
        keys=fields.String(), values=fields.String(), metadata={"description": "Whom to call in danger."}
    )


class CloseTask(Schema):
    """A task of the work list that no action of its own ends: the contact after a lapse.

    It can only be done: whoever was reported to have used is spoken with.
    """

    task_id = Id(required=True, metadata={"description": "The task."})
    task = fields.String(
        required=True,
        validate=OneOf(TASKS_CLOSED_BY_HAND),
        metadata={"description": "What was to be done."},
    )
    about_id = Id(required=True, metadata={"description": "The lapse."})
    outcome = fields.String(
        required=True, validate=OneOf(("DONE",)), metadata={"description": "The patient was spoken with."}
    )


class GetLapse(Schema):
    """Ask for a lapse."""

    lapse_id = Id(required=True, metadata={"description": "The report."})


class Lapse(Schema):
    """A return to use that was reported."""

    lapse_id = Id(metadata={"description": "The report."})
    patient_id = Id(metadata={"description": "The patient."})
    episode_id = Id(allow_none=True, metadata={"description": "The newest episode at that time."})
    journey_id = Id(allow_none=True, metadata={"description": "The journey."})
    reported_by = fields.String(metadata={"description": "Who told of it."})
    substance = fields.String(metadata={"description": "What was used."})
    occurred_at = Moment(metadata={"description": "When it happened."})
    reported_at = Moment(metadata={"description": "When it was reported."})
    contact_by = Moment(metadata={"description": "When the same-day contact is due."})
    contacted_at = Moment(allow_none=True, metadata={"description": "When somebody spoke with the patient."})
    escalated = fields.Boolean(metadata={"description": "Whether a safety concern was raised at once."})
    opioid_history = fields.Boolean(metadata={"description": "Whether opioids were among the problems."})
    reentry_id = Id(allow_none=True, metadata={"description": "The request to come back."})
    reentry_status = fields.String(allow_none=True, metadata={"description": "OPEN, ADMITTED or EXPIRED."})
    level_decision_due_at = Moment(allow_none=True, metadata={"description": "When the level is decided by."})
