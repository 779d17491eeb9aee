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
