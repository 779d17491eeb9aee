"""What the care team was asked to do, where no action of its own ends it."""

from dataclasses import dataclass
from datetime import datetime

from services.scheduling.domain.clinicians import TaskClosedAlready
from shared.contracts.common import TaskClosed, TaskOpened


@dataclass(eq=False, kw_only=True)
class Asked:
    """Something that whoever does it closes by hand."""

    task_id: str
    task: str
    #: What it is about: a seat, an answer or a session.
    about_id: str
    #: Empty where it is about nobody in particular.
    patient_id: str | None = None
    episode_id: str | None = None
    journey_id: str | None = None
    closed_at: datetime | None = None
    tenant_id: str = ""

    def opened(self, *, owner_role: str, reason: str, due_at: datetime, next_role: str | None) -> TaskOpened:
        """Return the fact that it is asked for."""
        return TaskOpened(
            task_id=self.task_id,
            task=self.task,
            owner_role=owner_role,
            reason=reason,
            due_at=due_at,
            about_id=self.about_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            next_role=next_role,
        )

    def close(self, *, outcome: str, now: datetime) -> TaskClosed:
        """Note that somebody has done it, or that nobody needs it any more.

        :raises TaskClosedAlready: when it was closed before.
        """
        if self.closed_at is not None:
            raise TaskClosedAlready(field="task_id", rule="an open task")
        self.closed_at = now
        return TaskClosed(
            task_id=self.task_id,
            task=self.task,
            outcome=outcome,
            closed_at=now,
            about_id=self.about_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
        )
