"""What the gateway tells the others."""

from datetime import datetime

from shared.contracts.event import Event, event


@event(source="gateway")
class DisclosureMade(Event):
    """Something about a patient left the tenant, under a consent (42 CFR 2.25)."""

    disclosure_id: str
    patient_id: str
    consent_id: str
    recipient_id: str
    information_classes: tuple[str, ...]
    disclosed_at: datetime


@event(source="gateway", reacting=("gateway",))
class TaskClaimed(Event):
    """Somebody of the staff has taken a task."""

    task_id: str
    claimed_by_id: str
    claimed_by_role: str
    claimed_at: datetime
    patient_id: str | None = None
    #: The event that asked for it: a task that was asked for anew is nobody's again.
    opening_id: str | None = None
    #: Which change of hands of the task it is, from 1: the latest counts, in whatever order they come.
    turn: int = 1


@event(source="gateway", reacting=("gateway",))
class TaskHandedOver(Event):
    """A task was given to another person, or back to a role."""

    task_id: str
    handed_over_by_id: str
    to_role: str
    handed_over_at: datetime
    #: The person who has it now; nobody yet when it went to a role.
    to_id: str | None = None
    patient_id: str | None = None
    #: As in TaskClaimed.
    opening_id: str | None = None
    turn: int = 1
