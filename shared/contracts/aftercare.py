"""What aftercare tells the others."""

from datetime import datetime

from shared.contracts.event import EpisodeFact, event
from shared.contracts.intake import PROBLEMS


@event(source="aftercare", reacting=("intake", "scheduling", "monitoring", "aftercare"))
class PatientDischarged(EpisodeFact):
    """An episode of treatment ended, for whatever reason; follow-ups are planned."""

    discharge_id: str
    #: TEDS REASON: "1" completed, "2" dropped out, "3" terminated, "4" transferred,
    #: "5" incarcerated, "6" death, "7" other.
    reason_code: str
    admitted_at: datetime
    last_contact_at: datetime
    #: Days from admission to the last contact, as TEDS counts them.
    stay_days: int
    discharged_at: datetime


@event(source="aftercare", reacting=("aftercare",))
class ProgramGraduated(EpisodeFact):
    """A patient completed the program; weekly continuing-care calls start."""

    discharge_id: str
    graduated_at: datetime
    #: Graduation criteria that a supervisor excepted.
    exceptions: tuple[str, ...] = ()


@event(source="aftercare")
class AftercareContactDue(EpisodeFact):
    """A continuing-care call or a follow-up is due now."""

    contact_id: str
    #: One of CONTACT_KINDS: a continuing-care call or a follow-up.
    kind: str
    #: Number of the call, or days after discharge of the follow-up.
    number: int
    due_at: datetime
    window_closes_at: datetime


@event(source="aftercare")
class AftercareContactCompleted(EpisodeFact):
    """A call or a follow-up reached its end: somebody was spoken to, or it was given up."""

    contact_id: str
    kind: str
    number: int
    #: "REACHED", "LOST", "REFUSED", "DECEASED".
    outcome: str
    completed_at: datetime


@event(source="aftercare")
class LapseReported(EpisodeFact):
    """A return to use was reported, by the patient, a supporter, a call or a test."""

    lapse_id: str
    #: One of LAPSE_REPORTERS.
    reported_by: str
    #: One of LAPSE_SUBSTANCES.
    substance: str
    reported_at: datetime


@event(source="aftercare", reacting=("intake",))
class ReentryRequested(EpisodeFact):
    """A person needs to come back: confirm-only intake, level decided within 48 hours."""

    reentry_id: str
    lapse_id: str
    level_decision_due_at: datetime
    requested_at: datetime


#: TEDS-D code book, variable REASON.
DISCHARGE_REASONS = {
    "1": "Treatment completed",
    "2": "Dropped out of treatment",
    "3": "Terminated by facility",
    "4": "Transferred to another treatment program or facility",
    "5": "Incarcerated",
    "6": "Death",
    "7": "Other",
}

#: Reasons that a program uses by itself, and the TEDS reason that each is reported as. Design default.
LOCAL_DISCHARGE_REASONS = {
    "AMA": "2",
    "AWOL_14_DAYS": "2",
    "RULE_VIOLATION": "3",
    "STEP_UP": "4",
    "STEP_DOWN": "4",
    "TRANSFERRED": "4",
    "MOVED": "7",
    "INSURANCE_ENDED": "7",
}

#: What a clinician attests before a graduation, and the evidence that may stand behind it. Design default.
#: "NO_USE" is told by monitoring; a clinician attests it only on the harm-reduction track.
ATTESTABLE_CRITERIA = {
    "NO_USE": ("HARM_REDUCTION_GOAL_MET",),
    "OBJECTIVES": ("TREATMENT_PLAN_REVIEWED",),
    "SAFETY_PLAN": ("SAFETY_PLAN_REVIEWED", "NEVER_AT_RISK"),
    "MOOD": ("PHQ9_UNDER_10", "FOLLOW_UP_CARE_BOOKED"),
    "MEDICATION": ("SUPPLY_AND_PRESCRIBER", "NO_MEDICATION"),
    "RISK_AND_PROTECTION": ("BAM_SCORED",),
    "SUPPORT": ("SUPPORTER_NAMED", "MUTUAL_HELP_CONTACT"),
    "FOLLOW_UP_REACHABLE": ("THREE_CONTACTS_AND_CONSENT", "FOLLOW_UP_DECLINED"),
}

#: What monitoring and attendance tell by GraduationReady.
MONITORED_CRITERIA = ("ATTENDANCE", "SESSIONS", "WEEKS", "NO_USE", "NO_OPEN_ESCALATION", "NO_OPEN_OUTREACH")

#: What the aftercare plan tells.
PLANNED_CRITERIA = ("RELAPSE_PREVENTION_PLAN", "AFTERCARE_PLAN_SIGNED", "FIRST_APPOINTMENT")

#: Every criterion of the graduation gate.
GRADUATION_CRITERIA = tuple(dict.fromkeys((*MONITORED_CRITERIA, *ATTESTABLE_CRITERIA, *PLANNED_CRITERIA)))

#: The parts that an aftercare plan has or the patient declines.
AFTERCARE_COMPONENTS = ("ongoing_therapy", "support_groups", "relapse_prevention")

#: What is planned after a discharge.
CONTACT_KINDS = ("CALL", "FOLLOW_UP")

#: States of a contact; the last six end it.
CONTACT_STATUSES = (
    "PLANNED",
    "DUE",
    "REACHED",
    "LOST",
    "REFUSED",
    "DECEASED",
    "NOT_CONSENTED",
    "CANCELLED",
)

#: Ways of trying to reach somebody after a discharge.
CONTACT_CHANNELS = ("CALL", "TEXT", "EMAIL", "LETTER", "VISIT", "SUPPORTER")

#: What came of one attempt.
CONTACT_OUTCOMES = ("REACHED", "NO_ANSWER", "REFUSED", "DECEASED")

#: Who told of a lapse.
LAPSE_REPORTERS = ("SELF", "SUPPORTER", "CALL", "TEST")

#: What was used: the problems that intake knows, an unknown pill, or nothing where a person asks for
#: help before using.
LAPSE_SUBSTANCES = (*PROBLEMS, "UNKNOWN", "NONE")

#: Tasks that no action of their own ends: whoever does them says so on the work list.
TASKS_CLOSED_BY_HAND = ("lapse_contact",)
