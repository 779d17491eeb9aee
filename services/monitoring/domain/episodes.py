"""An episode of treatment as monitoring follows it."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(eq=False, kw_only=True)
class Episode:
    """What monitoring knows of one episode; made by whichever event comes first."""

    episode_id: str
    patient_id: str
    journey_id: str
    site_id: str | None = None
    time_zone: str | None = None
    admitted_at: datetime | None = None
    discharged_at: datetime | None = None
    opioid_history: bool = False
    #: Newest contact with the patient: an attended session, or a call that reached them.
    last_contact_at: datetime | None = None
    #: Moment of the newest fact that the risk index counts.
    latest_fact_at: datetime | None = None
    #: From this moment on nothing that is known adds risk, so the index is 0 and the band green.
    calm_from: datetime | None = None
    risk_index: int = 0
    risk_band: str = "GREEN"
    #: When the graduation criteria that monitoring can tell were first met.
    ready_at: datetime | None = None
    sessions_attended: int = 0
    #: Outreaches that are open, and the newest moment at which one was answered.
    outreaches_open: int = 0
    answered_until: datetime | None = None
    #: Whether a discharge is proposed.
    discharge_proposed: bool = False
    #: The open task that asks a clinician about safety questions that were left out.
    skips_task_id: str | None = None
    tenant_id: str = ""

    @property
    def in_treatment(self) -> bool:
        """Whether the patient is admitted and not discharged."""
        return self.admitted_at is not None and self.discharged_at is None

    def note_contact(self, *, at: datetime) -> None:
        """Remember the newest contact, in whatever order contacts become known."""
        if self.last_contact_at is None or at > self.last_contact_at:
            self.last_contact_at = at

    def may_answer_outreach(self, *, at: datetime) -> bool:
        """Whether a contact of that moment can end an outreach, or end one earlier."""
        return self.outreaches_open > 0 or (self.answered_until is not None and at < self.answered_until)

    def note_fact(self, *, at: datetime) -> None:
        """Remember the moment of the newest fact."""
        if self.latest_fact_at is None or at > self.latest_fact_at:
            self.latest_fact_at = at

    def note_risk(self, *, at: datetime, lasts: timedelta) -> None:
        """Remember for how long a fact that can add risk may do so."""
        if self.calm_from is None or at + lasts > self.calm_from:
            self.calm_from = at + lasts
