"""What aftercare tells the others."""

from datetime import datetime

from shared.contracts.event import EpisodeFact, event


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
    #: Criteria of brief 5.1 that a supervisor excepted.
    exceptions: tuple[str, ...] = ()


@event(source="aftercare")
class AftercareContactDue(EpisodeFact):
    """A continuing-care call or a follow-up is due now."""

    contact_id: str
    #: "CALL" (continuing care) or "FOLLOW_UP".
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
    """A return to use was reported, by the patient, a supporter or a call."""

    lapse_id: str
    #: "SELF", "SUPPORTER", "CALL", "TEST".
    reported_by: str
    substance: str
    reported_at: datetime


@event(source="aftercare", reacting=("intake",))
class ReentryRequested(EpisodeFact):
    """A person needs to come back: confirm-only intake, level decided within 48 hours."""

    reentry_id: str
    lapse_id: str
    level_decision_due_at: datetime
    requested_at: datetime


#: TEDS REASON codes (brief 5.2).
DISCHARGE_REASONS = {
    "1": "Treatment completed",
    "2": "Dropped out of treatment",
    "3": "Terminated by facility",
    "4": "Transferred to another treatment program or facility",
    "5": "Incarcerated",
    "6": "Death",
    "7": "Other",
}
