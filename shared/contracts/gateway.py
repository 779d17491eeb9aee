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


@event(source="gateway")
class TaskClaimed(Event):
    """Somebody of the staff has taken a task."""

    task_id: str
    claimed_by_id: str
    claimed_by_role: str
    claimed_at: datetime
    patient_id: str | None = None


@event(source="gateway")
class TaskHandedOver(Event):
    """A task was given to another person, or back to a role."""

    task_id: str
    handed_over_by_id: str
    to_role: str
    handed_over_at: datetime
    #: The person who has it now; nobody yet when it went to a role.
    to_id: str | None = None
    patient_id: str | None = None
