"""What scheduling keeps of sites, people and episodes: its own copy, fed by events in any order."""

from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any

from services.scheduling.domain.obligations import Obligation
from services.scheduling.domain.planner import Wishes
from shared.contracts.aftercare import PatientDischarged
from shared.contracts.intake import PatientAdmitted, ReferralReceived, SiteChanged
from shared.errors import NotFound


class NoSuchSite(NotFound):
    """Raised when a site is named that is not there."""


class NoSuchPatient(NotFound):
    """Raised when a patient is named who was never referred here."""


class NoSuchEpisode(NotFound):
    """Raised when an episode is named that is not there."""


@dataclass(eq=False, kw_only=True)
class Site:
    """A place where groups meet, with the clock that hangs on its wall."""

    site_id: str
    time_zone: str
    opened_at: datetime
    #: The program's own number for emergencies, day and night, where it is known.
    emergency_line: str | None = None
    #: How often it had been changed when this was told; 0 as it was opened.
    revision: int = 0
    tenant_id: str = ""

    def follow(self, event: SiteChanged) -> bool:
        """Take over what changed, unless something newer is known; return whether the clock is another."""
        if event.revision <= self.revision:
            return False
        turned = event.time_zone != self.time_zone
        self.revision, self.time_zone = event.revision, event.time_zone
        self.emergency_line = event.emergency_line
        return turned


@dataclass(eq=False, kw_only=True)
class Patient:
    """A person known by id alone, and what binds their week."""

    patient_id: str
    journey_id: str
    #: As JSON, replaced as a whole; read it with :meth:`obligations`.
    bound_by: list[dict[str, Any]] = field(default_factory=list)
    obligations_site_id: str | None = None
    obligations_declared_at: datetime | None = None
    #: As JSON, replaced as a whole; read it with :meth:`wished`.
    wishes: dict[str, Any] = field(default_factory=dict)
    #: Whether the person wants a peer, one of PEER_ANSWERS; None while they have not said.
    peers: str | None = None
    peers_told_at: datetime | None = None
    #: How many back the person, as they told last; None while they have not said.
    supporters: int | None = None
    supporters_told_at: datetime | None = None
    #: Consents for people close to the person, as JSON, replaced as a whole: whether each stands.
    family_consents: dict[str, bool] = field(default_factory=dict)
    tenant_id: str = ""

    def wished(self) -> Wishes:
        """Return what the person would like of their week."""
        return Wishes(
            tracks=tuple(self.wishes.get("tracks", ())),
            telehealth=self.wishes.get("telehealth", False),
            family=self.wishes.get("family", False),
            support_group=self.wishes.get("support_group", False),
            telehealth_state=self.wishes.get("telehealth_state"),
        )

    def obligations(self) -> tuple[Obligation, ...]:
        """Return what binds the person's week, in the order in which it was declared."""
        return tuple(
            Obligation(
                kind=row["kind"],
                weekday=row["weekday"],
                starts=time.fromisoformat(row["starts"]),
                ends=time.fromisoformat(row["ends"]),
                travel_minutes=row["travel_minutes"],
            )
            for row in self.bound_by
        )

    def declare(self, *, bound_by: tuple[Obligation, ...], site_id: str, now: datetime) -> None:
        """Replace what binds the person's week by *bound_by*."""
        self.bound_by = [
            {
                "kind": obligation.kind,
                "weekday": obligation.weekday,
                "starts": obligation.starts.isoformat("minutes"),
                "ends": obligation.ends.isoformat("minutes"),
                "travel_minutes": obligation.travel_minutes,
            }
            for obligation in bound_by
        ]
        self.obligations_site_id = site_id
        self.obligations_declared_at = now


@dataclass(eq=False, kw_only=True)
class Episode:
    """One episode of care: referred, admitted, discharged, told in whatever order."""

    episode_id: str
    patient_id: str
    journey_id: str
    site_id: str | None = None
    referred_at: datetime | None = None
    admitted_at: datetime | None = None
    level: str | None = None
    weekly_minutes_floor: int | None = None
    weekly_minutes_ceiling: int | None = None
    discharged_at: datetime | None = None
    #: TEDS code of why it ended; none where an older version took the discharge.
    discharge_reason: str | None = None
    #: What the treatment plan asks of group sessions, and the version of the plan that says so.
    modalities: list[str] = field(default_factory=list)
    treatment_plan_version: int | None = None
    #: Agreements on fewer hours, as JSON, replaced as a whole: see ``domain.step_downs``.
    step_downs: list[dict[str, Any]] = field(default_factory=list)
    tenant_id: str = ""

    def note_draft(self, *, version: int, modalities: tuple[str, ...]) -> None:
        """Note what the draft of a treatment plan asks for, unless as new a plan is known already."""
        if self.treatment_plan_version is None or version > self.treatment_plan_version:
            self.treatment_plan_version, self.modalities = version, list(modalities)

    def note_treatment_plan(self, *, version: int, modalities: tuple[str, ...]) -> bool:
        """Note what a plan in force asks for; return whether that is news. The newest version counts."""
        if self.treatment_plan_version is not None and version < self.treatment_plan_version:
            return False
        self.treatment_plan_version = version
        if set(modalities) == set(self.modalities):
            return False
        self.modalities = list(modalities)
        return True

    def note_referral(self, event: ReferralReceived) -> None:
        """Note that the person was referred; the site of an admission stands above the referral's."""
        self.referred_at = event.received_at
        if self.admitted_at is None:
            self.site_id = event.site_id

    def note_admission(self, event: PatientAdmitted) -> bool:
        """Note the admission; return whether it was news."""
        if self.admitted_at is not None:
            return False
        self.site_id = event.site_id
        self.admitted_at = event.admitted_at
        self.level = event.level
        self.weekly_minutes_floor = event.weekly_minutes_floor
        self.weekly_minutes_ceiling = event.weekly_minutes_ceiling
        return True

    def note_discharge(self, event: PatientDischarged) -> bool:
        """Note the discharge, also of an admission not yet heard of; return whether it was news."""
        if self.discharged_at is not None:
            return False
        self.discharged_at = event.discharged_at
        self.discharge_reason = event.reason_code
        return True
