"""Facts that several services announce; the envelope's source tells which one did."""

from datetime import datetime

from shared.contracts.event import EpisodeFact, Event, event


@event(source="common", reacting=("monitoring",), never_parked=True)
class SafetyConcernRaised(Event):
    """Somebody may be in danger: a danger answer, an overdose, withdrawal, a return to use.

    It needs no earlier record of the patient.
    """

    concern_id: str
    patient_id: str
    #: One of CONCERNS.
    concern: str
    #: "E3" or "E4"; "E2" for a wish for help without a danger, and for a report that nobody could read.
    level: str
    #: The id of what was answered, measured or reported, in the announcing service.
    evidence_id: str
    raised_at: datetime
    episode_id: str | None = None
    journey_id: str | None = None


@event(source="common")
class InstrumentScored(Event):
    """Somebody answered a screening instrument, and it has scores."""

    #: Where the answers are kept, in the announcing service.
    answers_id: str
    patient_id: str
    #: Name and version of the pack, e.g. "PHQ9" and 1.
    instrument: str
    version: int
    #: "COMPLETE" or "PRORATED".
    status: str
    #: Codes of the scores with their values and bands, and whether each is positive, in one order.
    scores: tuple[str, ...]
    values: tuple[int, ...]
    bands: tuple[str, ...]
    positive: tuple[bool, ...]
    given_at: datetime
    #: "INTAKE", "TREATMENT" or "FOLLOW_UP"; none once others treat the person.
    place: str | None
    #: "SELF" or "OBSERVER".
    rated_by: str
    episode_id: str | None = None
    journey_id: str | None = None


@event(source="common", reacting=("gateway",))
class TaskOpened(Event):
    """A human is asked to do something by a deadline."""

    task_id: str
    #: What is to be done, e.g. "outreach_call", "referral_follow_up", "roster_missing".
    task: str
    #: The role that owns it.
    owner_role: str
    #: A code that says why.
    reason: str
    due_at: datetime
    #: The id of the thing to act on, in the announcing service.
    about_id: str
    patient_id: str | None = None
    episode_id: str | None = None
    journey_id: str | None = None
    #: The role that is asked next when the deadline passes.
    next_role: str | None = None
    #: The escalation's level, "E0" to "E4", where the task is about one: dangers come first.
    level: str | None = None


@event(source="common", reacting=("gateway",))
class TaskClosed(Event):
    """A task needs nobody any more: done, withdrawn or passed on."""

    task_id: str
    task: str
    #: "DONE", "WITHDRAWN" or "ESCALATED".
    outcome: str
    closed_at: datetime
    about_id: str
    patient_id: str | None = None
    episode_id: str | None = None
    journey_id: str | None = None


@event(source="common", reacting=("intake",))
class MessageWanted(EpisodeFact):
    """A patient is to be told something: intake checks how, and whether, they want to be told."""

    notification_id: str
    #: Which text of the allow-list for patients.
    template: str
    #: After this moment it would be of no use any more.
    deadline_at: datetime
    wanted_at: datetime


@event(source="common", reacting=("monitoring", "intake"))
class NotificationSettled(Event):
    """A notification was sent, or never will be."""

    notification_id: str
    #: Which text of the allow-list it was.
    template: str
    #: "SENT", "FAILED", "SUPPRESSED" (the address wants none), or "SIMULATED" (program time is).
    outcome: str
    #: The id of what it was about, in the announcing service.
    about_id: str
    #: Times that sending was tried.
    attempts: int
    settled_at: datetime
    patient_id: str | None = None
    #: Kind of the last failure, where it failed, e.g. "MailboxRefused550"; never an address.
    error: str | None = None


@event(source="common")
class FallbackPaged(Event):
    """A danger was not confirmed in time, so its own service paged the tenant's fallback address."""

    concern_id: str
    patient_id: str
    notification_id: str
    paged_at: datetime


@event(source="common")
class BacklogAlarmRaised(Event):
    """Something announced, or received, has waited for longer than it ever should."""

    #: Whose database it waits in.
    service: str
    #: "UNSENT" (in the outbox) or "WAITING" (in the inbox).
    backlog: str
    age_seconds: int
    raised_at: datetime


@event(source="common")
class BacklogAlarmCleared(Event):
    """What had waited too long has gone its way."""

    service: str
    backlog: str
    cleared_at: datetime


#: What a person can say became of a task: the third outcome, "ESCALATED", is the services' own.
TASK_OUTCOMES_OF_PEOPLE = ("DONE", "WITHDRAWN")

#: What can become of a notification.
NOTIFICATION_OUTCOMES = ("SENT", "FAILED", "SUPPRESSED", "SIMULATED")

#: What a safety concern can be about.
CONCERNS = (
    "PHQ9_I9",
    "CSSRS_MODERATE",
    "CSSRS_HIGH",
    "DANGER_ANSWER",
    "OVERDOSE",
    "WITHDRAWAL_EMERGENCY",
    "WITHDRAWAL_EVALUATION",
    "VIOLENCE",
    "RETURN_TO_USE",
    "HELP_WANTED",
    "UNREAD_REPORT",
)
