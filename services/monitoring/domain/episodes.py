"""An episode of treatment as monitoring follows it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(eq=False, kw_only=True)
class Episode:
    """What monitoring knows of one episode; made by whichever event comes first."""

    episode_id: str
    patient_id: str
    journey_id: str
    time_zone: str | None = None
    admitted_at: datetime | None = None
    discharged_at: datetime | None = None
    opioid_history: bool = False
    #: Newest contact with the patient: an attended session, or a call that reached them.
    last_contact_at: datetime | None = None
    #: Moment of the newest fact that the risk index counts.
    latest_fact_at: datetime | None = None
    risk_index: int = 0
    risk_band: str = "GREEN"
    #: When the graduation criteria that monitoring can tell were first met.
    ready_at: datetime | None = None
    tenant_id: str = ""

    @property
    def in_treatment(self) -> bool:
        """Whether the patient is admitted and not discharged."""
        return self.admitted_at is not None and self.discharged_at is None

    def note_contact(self, *, at: datetime) -> None:
        """Remember the newest contact, in whatever order contacts become known."""
        if self.last_contact_at is None or at > self.last_contact_at:
            self.last_contact_at = at

    def note_fact(self, *, at: datetime) -> None:
        """Remember the moment of the newest fact."""
        if self.latest_fact_at is None or at > self.latest_fact_at:
            self.latest_fact_at = at
