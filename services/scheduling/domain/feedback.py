"""How a session was for a patient: 0 to 10 and a reason."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(eq=False, kw_only=True)
class Feedback:
    """One patient's word on one session; the reason is kept sealed."""

    seat_id: str
    session_id: str
    patient_id: str
    episode_id: str
    journey_id: str
    starts_at: datetime
    rating: int
    given_at: datetime
    reason: str | None = None
    tenant_id: str = ""
