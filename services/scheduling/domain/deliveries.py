"""What of a patient's day may be billed."""

from dataclasses import dataclass, field
from datetime import date


@dataclass(eq=False, kw_only=True)
class ServiceDay:
    """What others were told of one patient's day."""

    delivery_id: str
    patient_id: str
    episode_id: str
    journey_id: str
    site_id: str
    served_on: date
    kinds: list[str] = field(default_factory=list)
    minutes: list[int] = field(default_factory=list)
    revision: int = 0
    tenant_id: str = ""
