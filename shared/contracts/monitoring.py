"""What monitoring tells the others."""

from datetime import date, datetime

from shared.contracts.event import EpisodeFact, Event, event


@event(source="monitoring", reacting=("scheduling",))
class PlanDrafted(EpisodeFact):
    """A treatment plan was drafted from an assessment."""

    plan_id: str
    version: int
    assessment_id: str
    #: Codes of the plan's problems, e.g. ("DIM1", "ALCOHOL").
    problems: tuple[str, ...]
    drafted_at: datetime
    #: What its sessions are to do, of the modalities that groups have.
    modalities: tuple[str, ...] = ()


@event(source="monitoring", reacting=("scheduling",))
class PlanActivated(EpisodeFact):
    """A treatment plan is in force: patient admitted, patient and clinician signed."""

    plan_id: str
    version: int
    activated_at: datetime
    #: What its sessions are to do, of the modalities that groups have.
    modalities: tuple[str, ...] = ()


@event(source="monitoring", reacting=("aftercare",))
class OutreachAttempted(EpisodeFact):
    """Somebody tried to reach a patient who had not come."""

    outreach_id: str
    attempt: int
    #: "CALL", "TEXT", "VISIT", "LETTER", "SUPPORTER".
    channel: str
    #: "REACHED", "NO_ANSWER", "VOICEMAIL", "WRONG_NUMBER".
    outcome: str
    #: The missed session that started the outreach, and when it was missed.
    seat_id: str
    missed_at: datetime
    attempted_at: datetime


@event(source="monitoring", reacting=("aftercare",))
class PatientReengaged(EpisodeFact):
    """There was contact with the patient again after an absence."""

    outreach_id: str
    #: "ATTENDED", "REACHED" or "CORRECTED".
    how: str
    reengaged_at: datetime


@event(source="monitoring")
class RiskBandChanged(EpisodeFact):
    """The transparent risk index crossed a band."""

    from_band: str
    to_band: str
    index: int
    #: Codes of the terms and the points of each, in the same order.
    terms: tuple[str, ...]
    points: tuple[int, ...]
    rule_version: str
    changed_at: datetime


@event(source="monitoring")
class EscalationOpened(Event):
    """A human must act on a patient's danger by a deadline."""

    escalation_id: str
    patient_id: str
    #: "E0" to "E4".
    level: str
    cause: str
    acknowledge_by: datetime | None
    act_by: datetime
    opened_at: datetime
    episode_id: str | None = None
    journey_id: str | None = None


@event(source="monitoring", reacting=("gateway",))
class EscalationRaised(Event):
    """The level of an open escalation rose; it never falls by itself."""

    escalation_id: str
    patient_id: str
    from_level: str
    to_level: str
    acknowledge_by: datetime | None
    act_by: datetime
    raised_at: datetime


@event(source="monitoring", reacting=("gateway",))
class EscalationAcknowledged(Event):
    """A human took the escalation."""

    escalation_id: str
    patient_id: str
    acknowledged_at: datetime


@event(source="monitoring")
class EscalationBreached(Event):
    """Nobody acknowledged, or nobody acted, in time: the next tier is asked."""

    escalation_id: str
    patient_id: str
    #: "ACKNOWLEDGE" or "ACT".
    deadline: str
    tier: int
    next_role: str
    breached_at: datetime


@event(source="monitoring")
class EscalationClosed(Event):
    """A human closed the escalation with a disposition."""

    escalation_id: str
    patient_id: str
    disposition: str
    closed_at: datetime


@event(source="monitoring", reacting=("intake", "scheduling", "aftercare", "gateway"))
class SafetyConcernTaken(Event):
    """A safety concern of another service has its escalation: humans are being asked.

    Said of a danger once a page about it has left, or somebody has taken it.
    """

    concern_id: str
    escalation_id: str
    patient_id: str
    taken_at: datetime


@event(source="monitoring")
class StaffPaged(Event):
    """A page to one of the staff is on its way, because of an escalation."""

    escalation_id: str
    patient_id: str
    notification_id: str
    #: Who is paged, and as what: a role, "on_call", "everyone" or "fallback".
    staff_id: str
    paged_as: str
    tier: int
    paged_at: datetime


@event(source="monitoring", reacting=("gateway",))
class PagesHeldUp(Event):
    """No page about a danger has left monitoring within a minute, and nobody has taken it."""

    escalation_id: str
    patient_id: str
    level: str
    tier: int
    held_up_at: datetime


@event(source="monitoring", reacting=("intake",))
class OnCallShiftPlanned(Event):
    """Somebody has the duty for a time."""

    shift_id: str
    staff_id: str
    starts_at: datetime
    ends_at: datetime


@event(source="monitoring", reacting=("intake",))
class OnCallShiftWithdrawn(Event):
    """A duty was taken off the roster."""

    shift_id: str
    withdrawn_at: datetime


@event(source="monitoring")
class OnCallGapFound(Event):
    """Nobody has the duty for a time that is near."""

    gap_starts_at: datetime
    #: None when no later shift is planned.
    gap_ends_at: datetime | None
    found_at: datetime


@event(source="monitoring")
class PagePathProven(Event):
    """The daily test page reached the mail server or pager of whoever has the duty, or of a fallback."""

    proof_id: str
    proven_at: datetime


@event(source="monitoring")
class PagePathBroken(Event):
    """The daily test page reached nobody: somebody has to mend the way to whoever is paged."""

    proof_id: str
    #: "NOBODY_ON_CALL", "NO_ADDRESS", "FAILED" or "SUPPRESSED"; "FALLBACK_FAILED" or "FALLBACK_SUPPRESSED"
    #: where it is the way to a fallback address.
    reason: str
    found_at: datetime


@event(source="monitoring", reacting=("intake",))
class LevelReviewRequested(EpisodeFact):
    """The level of care should be looked at again."""

    review_id: str
    #: "DOSE_SHORTFALL", "RISK", "RETURN_TO_USE".
    reason: str
    due_at: datetime
    requested_at: datetime
    #: 0 at first; grows with what is withdrawn and asked for again, so that the newest wins in any order.
    revision: int = 0


@event(source="monitoring", reacting=("intake",))
class LevelReviewWithdrawn(EpisodeFact):
    """What asked for a review of the level of care was corrected: nobody needs to look again for that."""

    review_id: str
    #: As it was asked for, e.g. "DOSE_SHORTFALL".
    reason: str
    #: Counts on from that of the request, so that the newest wins in any order.
    revision: int
    withdrawn_at: datetime


@event(source="monitoring", reacting=("scheduling",))
class DrugTestDue(EpisodeFact):
    """The lot of a day fell on a patient: they are tested on it."""

    test_id: str
    site_id: str
    #: The day of the site's calendar, and when the program's day ends on it.
    due_on: date
    due_at: datetime
    drawn_at: datetime


@event(source="monitoring", reacting=("scheduling",))
class DrugTestRecorded(EpisodeFact):
    """Something came of a drug test that was due; a result that was waited for is told again."""

    test_id: str
    site_id: str
    due_on: date
    due_at: datetime
    #: One of DRUG_TEST_OUTCOMES, or "WITHDRAWN" where the tests were ended.
    outcome: str
    #: One of DRUG_TEST_RESULTS where something was collected.
    result: str | None
    recorded_at: datetime


@event(source="monitoring", reacting=("aftercare",))
class GraduationReady(EpisodeFact):
    """What monitoring can tell of the graduation criteria is met."""

    #: Codes of the criteria met.
    criteria: tuple[str, ...]
    sessions_attended: int
    #: Percent of planned clinical minutes attended in the last four weeks.
    attendance_percent: int
    rule_version: str
    ready_at: datetime


@event(source="monitoring", reacting=("aftercare",))
class DischargeProposed(EpisodeFact):
    """No contact for fourteen days: an administrative discharge is proposed to a human."""

    proposal_id: str
    #: TEDS reason for discharge.
    reason_code: str
    last_contact_at: datetime
    proposed_at: datetime


@event(source="monitoring", reacting=("aftercare",))
class DischargeProposalWithdrawn(EpisodeFact):
    """There is contact again: the proposed discharge is off the table."""

    proposal_id: str
    withdrawn_at: datetime


#: Levels of an escalation, mildest first.
ESCALATION_LEVELS = ("E0", "E1", "E2", "E3", "E4")

#: What a human can find that ends an escalation.
DISPOSITIONS = (
    "SAFE_PLAN_IN_PLACE",
    "EVALUATED_NO_ACTION",
    "SENT_TO_EMERGENCY_CARE",
    "MEDICAL_EVALUATION_DONE",
    "NALOXONE_GIVEN",
    "LEVEL_OF_CARE_REVIEWED",
    "FALSE_ALARM",
    "DECEASED",
)

#: How a patient can be reached, and what can come of it.
OUTREACH_CHANNELS = ("CALL", "TEXT", "VISIT", "LETTER", "SUPPORTER")
OUTREACH_OUTCOMES = ("REACHED", "NO_ANSWER", "VOICEMAIL", "WRONG_NUMBER")

#: Whose signature stands on a treatment plan.
PLAN_SIGNERS = ("PATIENT", "CLINICIAN", "SUPERVISOR")

#: The most days from one draw of a drug test to the next, by phase of treatment. Design default (brief 4.1).
LONGEST_TEST_GAPS = (5, 7, 10, 14, 30)
#: The fewest days from one drug test to the next on average: more often is needless. Design default.
SHORTEST_TEST_MEAN = 2
#: Why somebody is tested, and why no more.
DRUG_TESTING_REASONS = ("INITIAL_PHASE", "STABLE", "RISK_ROSE", "AFTER_EVENT", "PATIENT_ASKED")
DRUG_TESTING_END_REASONS = ("NOT_NEEDED", "PATIENT_DECLINED", "OTHER_INTERVAL", "MISTAKE")
#: What can come of a test; who was not there may be excused.
DRUG_TEST_OUTCOMES = ("COLLECTED", "REFUSED", "MISSED")
DRUG_TEST_EXCUSES = ("PROGRAM_CLOSED", "ILLNESS", "WORK", "COURT", "TRANSPORT", "UNABLE", "OTHER")
#: What the panel told, what is prescribed apart; "INVALID" is diluted, substituted or adulterated.
DRUG_TEST_RESULTS = ("NEGATIVE", "POSITIVE", "INVALID", "PENDING")

#: Tasks that no action of their own ends: whoever does them says so on the work list.
TASKS_CLOSED_BY_HAND = (
    "check_in_call",
    "drug_test_review",
    "naloxone",
    "naloxone_bridge_offer",
    "outreach_peer",
    "overdose_check",
    "safety_questions_skipped",
    "supervisor_review",
    "welfare_check_consideration",
)
