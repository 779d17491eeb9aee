"""Demands for records by courts, police and lawyers: a queue for a human, never data (42 CFR 2.61 to 2.67).

Whoever asks hears that it was received, and nothing else: whether such a patient exists is what the law
protects. While a demand about somebody is not settled, nothing about them is forgotten.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.intake.domain.privacy import PRIVACY_DEPUTY, PRIVACY_OFFICER
from services.intake.domain.tasks import Task
from shared.contracts.event import Actor, Event
from shared.contracts.intake import LegalHoldPlaced, LegalHoldReleased
from shared.errors import Conflict, InvalidInput
from shared.ids import derived_id

#: By when somebody looks at a demand at the latest; sooner where it asks for that. Design default: a
#: business day and a weekend never pass unseen.
LOOK_WITHIN = timedelta(hours=24)

DEMAND_TASK = "legal_demand"


class DemandSettled(Conflict):
    """Raised when a demand is settled a second time."""


class HoldNotOn(Conflict):
    """Raised when a hold is released that is not on, or whose demand waits for an answer."""


@dataclass(eq=False, kw_only=True)
class LegalDemand:
    """A demand for somebody's records, and the hold that it puts on them where we know them.

    ``asker``, ``about``, ``text`` and ``note`` are free text and kept sealed. ``patient_id`` is empty where
    nobody was recognised: a human looks all the same.
    """

    demand_id: str
    kind: str
    patient_id: str | None
    journey_id: str | None
    asker: str
    about: str
    received_at: datetime
    received_by: str
    received_by_role: str
    due_at: datetime
    text: str | None = None
    outcome: str | None = None
    note: str | None = None
    settled_at: datetime | None = None
    settled_by: str | None = None
    settled_by_role: str | None = None
    settled_by_credential: str | None = None
    released_at: datetime | None = None
    released_by: str | None = None
    released_by_role: str | None = None
    tenant_id: str = ""

    @property
    def hold_is_on(self) -> bool:
        """Whether nothing about the patient may be forgotten because of it."""
        return self.patient_id is not None and self.released_at is None

    def task(self) -> Task:
        """Return the request to look at it."""
        return Task(
            task_id=derived_id(self.demand_id, DEMAND_TASK),
            task=DEMAND_TASK,
            owner_role=PRIVACY_OFFICER,
            next_role=PRIVACY_DEPUTY,
            reason=self.kind,
            about_id=self.demand_id,
            patient_id=self.patient_id,
            journey_id=self.journey_id,
            opened_at=self.received_at,
            due_at=self.due_at,
        )

    def identify(self, *, patient_id: str, journey_id: str, now: datetime) -> list[Event]:
        """Say whom it is about, where its sender told too little to recognise them.

        :raises DemandSettled: when that is known, or it was settled.
        """
        if self.patient_id is not None or self.outcome is not None:
            raise DemandSettled(field="demand_id", rule="an open one about nobody known yet")
        self.patient_id, self.journey_id = patient_id, journey_id
        return self.held(at=now)

    def settle(self, outcome: str, *, note: str, actor: Actor, now: datetime) -> None:
        """Record what a human decided; the hold stays until it is released.

        :raises DemandSettled: when it was settled before.
        """
        if self.outcome is not None:
            raise DemandSettled(field="demand_id", rule="one that waits for an answer")
        self.outcome, self.note, self.settled_at = outcome, note, now
        self.settled_by, self.settled_by_role = actor.actor_id, actor.role
        self.settled_by_credential = actor.credential

    def release(self, *, actor: Actor, now: datetime) -> list[Event]:
        """Let what is old be forgotten again.

        :raises HoldNotOn: when there is no hold, or the demand is not settled.
        """
        if not self.hold_is_on or self.outcome is None or self.patient_id is None or self.journey_id is None:
            raise HoldNotOn(field="demand_id", rule="a settled demand whose hold is on")
        self.released_at = now
        self.released_by, self.released_by_role = actor.actor_id, actor.role
        return [
            LegalHoldReleased(
                hold_id=self.demand_id,
                patient_id=self.patient_id,
                journey_id=self.journey_id,
                released_at=now,
            )
        ]

    def held(self, *, at: datetime) -> list[Event]:
        """Return the news that nothing about the person may be forgotten, if we know the person."""
        if self.patient_id is None or self.journey_id is None:
            return []
        return [
            LegalHoldPlaced(
                hold_id=self.demand_id,
                patient_id=self.patient_id,
                journey_id=self.journey_id,
                kind=self.kind,
                placed_at=at,
            )
        ]


def receive(demand: LegalDemand, *, answer_by: datetime | None) -> list[Event]:
    """Take a demand in, and put a hold on the records of the person it is about.

    :param answer_by: when the asker wants an answer, if they say so.
    :raises InvalidInput: when that has passed.
    """
    if answer_by is not None:
        if answer_by <= demand.received_at:
            raise InvalidInput("That moment has passed.", field="answer_by", rule="must be in the future")
        demand.due_at = min(demand.due_at, answer_by)
    return demand.held(at=demand.received_at)
