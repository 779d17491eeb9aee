"""Getting a human to act on a danger in time (design default, after published crisis protocols).

There is one open escalation for each patient and cause. Evidence is added to it; its level may rise
by itself and never falls; only a human closes it, with a disposition. It needs no earlier record of
the patient, and the hour of the day never delays levels E3 and E4.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Actor, Event
from shared.contracts.monitoring import (
    ESCALATION_LEVELS,
    EscalationAcknowledged,
    EscalationBreached,
    EscalationClosed,
    EscalationOpened,
    EscalationRaised,
)
from shared.errors import Conflict, Forbidden
from shared.ids import derived_id

OPEN = "OPEN"
ACKNOWLEDGED = "ACKNOWLEDGED"
CLOSED = "CLOSED"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How soon a level is to be acknowledged and acted on, and who is asked at each tier."""

    acknowledge_within: timedelta | None
    act_within: timedelta
    tiers: tuple[str, ...]


#: Deadlines and tiers of each level. Design default.
TERMS = {
    "E0": Terms(acknowledge_within=None, act_within=timedelta(days=7), tiers=(roles.COUNSELOR,)),
    "E1": Terms(
        acknowledge_within=timedelta(days=1),
        act_within=timedelta(days=1),
        tiers=(roles.COUNSELOR, roles.SUPERVISOR),
    ),
    "E2": Terms(
        acknowledge_within=timedelta(hours=4),
        act_within=timedelta(hours=12),
        tiers=(roles.COUNSELOR, roles.SUPERVISOR, "on_call"),
    ),
    "E3": Terms(
        acknowledge_within=timedelta(minutes=30),
        act_within=timedelta(minutes=60),
        tiers=(roles.CLINICIAN, "on_call", roles.MEDICAL_DIRECTOR),
    ),
    "E4": Terms(
        acknowledge_within=timedelta(minutes=5),
        act_within=timedelta(minutes=15),
        tiers=("on_call", "everyone", roles.MEDICAL_DIRECTOR),
    ),
}

#: Lines shown with every answer that carries risk: public numbers of the United States.
CRISIS_LINES = {
    "call_or_text_988": "988 Suicide and Crisis Lifeline; press 1 for veterans; Spanish on request.",
    "call_911": "Emergency, overdose.",
    "samhsa_helpline": "1-800-662-4357",
    "poison_help": "1-800-222-1222",
}


class EscalationIsClosed(Conflict):
    """Raised when a closed escalation is acknowledged or closed again."""


class NotAcknowledgedYet(Conflict):
    """Raised when an escalation is closed that nobody has taken."""


class ClosureNeedsLicence(Forbidden):
    """Raised when somebody without a clinical licence closes a level E3 or E4."""


@dataclass(eq=False, kw_only=True)
class Escalation:
    """A danger that a human must answer."""

    escalation_id: str
    patient_id: str
    cause: str
    level: str
    opened_at: datetime
    episode_id: str | None = None
    journey_id: str | None = None
    state: str = OPEN
    tier: int = 0
    #: Ids of what was answered, measured or reported.
    evidence: list[str] = field(default_factory=list)
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    closed_by_role: str | None = None
    closed_by_credential: str | None = None
    disposition: str | None = None
    note: str | None = None
    tenant_id: str = ""

    @property
    def is_open(self) -> bool:
        """Whether a human still has to end it."""
        return self.state != CLOSED

    @property
    def acknowledge_by(self) -> datetime | None:
        """By when somebody must have taken it."""
        within = TERMS[self.level].acknowledge_within
        return self.opened_at + within if within is not None else None

    @property
    def act_by(self) -> datetime:
        """By when somebody must have acted."""
        return self.opened_at + TERMS[self.level].act_within

    @property
    def task_id(self) -> str:
        """The id of the task that asks the present tier."""
        return derived_id(self.escalation_id, "tier", str(self.tier))

    def open(self) -> list[Event]:
        """Announce it, and ask the first tier."""
        return [
            EscalationOpened(
                escalation_id=self.escalation_id,
                patient_id=self.patient_id,
                level=self.level,
                cause=self.cause,
                acknowledge_by=self.acknowledge_by,
                act_by=self.act_by,
                opened_at=self.opened_at,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
            ),
            self._ask(reason=self.cause),
        ]

    def _ask(self, *, reason: str) -> TaskOpened:
        tiers = TERMS[self.level].tiers
        return TaskOpened(
            task_id=self.task_id,
            task="escalation",
            owner_role=tiers[min(self.tier, len(tiers) - 1)],
            reason=reason,
            due_at=self.acknowledge_by or self.act_by,
            about_id=self.escalation_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            next_role=tiers[self.tier + 1] if self.tier + 1 < len(tiers) else None,
        )

    def add(self, *, level: str, evidence_id: str, at: datetime) -> list[Event]:
        """Add evidence; the level rises if the evidence weighs more, and never falls."""
        if evidence_id not in self.evidence:
            self.evidence = sorted([*self.evidence, evidence_id])
        # What happened first counts, in whatever order it became known.
        self.opened_at = min(self.opened_at, at)
        if ESCALATION_LEVELS.index(level) <= ESCALATION_LEVELS.index(self.level):
            return []
        before, self.level = self.level, level
        return [
            EscalationRaised(
                escalation_id=self.escalation_id,
                patient_id=self.patient_id,
                from_level=before,
                to_level=level,
                acknowledge_by=self.acknowledge_by,
                act_by=self.act_by,
                raised_at=at,
            )
        ]

    def acknowledge(self, *, by: Actor, now: datetime) -> list[Event]:
        """Take it: somebody is on it.

        :raises EscalationIsClosed: when it has ended.
        """
        if not self.is_open:
            raise EscalationIsClosed(rule="an open escalation")
        if self.acknowledged_at is not None:
            return []
        self.state, self.acknowledged_at, self.acknowledged_by = ACKNOWLEDGED, now, by.actor_id
        return [
            EscalationAcknowledged(
                escalation_id=self.escalation_id, patient_id=self.patient_id, acknowledged_at=now
            )
        ]

    def breach(self, *, deadline: str, now: datetime) -> list[Event]:
        """Ask the next tier: nobody acknowledged, or nobody acted, in time."""
        if not self.is_open or (deadline == "ACKNOWLEDGE" and self.acknowledged_at is not None):
            return []
        tiers = TERMS[self.level].tiers
        events: list[Event] = [self._task_closed(outcome="ESCALATED", now=now)]
        self.tier += 1
        next_role = tiers[min(self.tier, len(tiers) - 1)]
        events.append(
            EscalationBreached(
                escalation_id=self.escalation_id,
                patient_id=self.patient_id,
                deadline=deadline,
                tier=self.tier,
                next_role=next_role,
                breached_at=now,
            )
        )
        events.append(self._ask(reason=f"{deadline}_OVERDUE"))
        return events

    def close(self, *, by: Actor, disposition: str, note: str | None, now: datetime) -> list[Event]:
        """End it, with what was found.

        :raises EscalationIsClosed: when it has ended already.
        :raises NotAcknowledgedYet: when nobody has taken it.
        :raises ClosureNeedsLicence: for E3 and E4, when the person has no clinical licence.
        """
        if not self.is_open:
            raise EscalationIsClosed(rule="an open escalation")
        if self.acknowledged_at is None:
            raise NotAcknowledgedYet(rule="acknowledge before closing")
        if self.level in ("E3", "E4") and by.credential not in roles.LICENSED_CREDENTIALS:
            raise ClosureNeedsLicence(field="credential", rule="a licensed clinician closes E3 and E4")
        events: list[Event] = [self._task_closed(outcome="DONE", now=now)]
        self.state, self.closed_at, self.disposition = CLOSED, now, disposition
        self.closed_by, self.closed_by_role = by.actor_id, by.role
        self.closed_by_credential, self.note = by.credential, note
        events.append(
            EscalationClosed(
                escalation_id=self.escalation_id,
                patient_id=self.patient_id,
                disposition=disposition,
                closed_at=now,
            )
        )
        return events

    def _task_closed(self, *, outcome: str, now: datetime) -> TaskClosed:
        return TaskClosed(
            task_id=self.task_id,
            task="escalation",
            outcome=outcome,
            closed_at=now,
            about_id=self.escalation_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
        )
