"""Tasks: what a human is asked to do by a deadline, and who is asked next."""

from dataclasses import dataclass
from datetime import datetime

from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Actor
from shared.errors import Conflict, Forbidden

DONE, WITHDRAWN, ESCALATED = "DONE", "WITHDRAWN", "ESCALATED"


class TaskClosedAlready(Conflict):
    """Raised when somebody is told to have done what nobody has to do any more."""


class NotYoursToClose(Forbidden):
    """Raised when the front desk closes what is for those who treat people."""


@dataclass(eq=False, kw_only=True)
class Task:
    """One thing to do; ``outcome`` stays empty while it is open."""

    task_id: str
    task: str
    owner_role: str
    next_role: str
    reason: str
    about_id: str
    opened_at: datetime
    due_at: datetime
    #: Empty where the task is about nobody.
    patient_id: str | None = None
    episode_id: str | None = None
    journey_id: str | None = None
    outcome: str | None = None
    closed_at: datetime | None = None
    tenant_id: str = ""

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to act."""
        return self.outcome is None

    def check_closer(self, actor: Actor) -> None:
        """Refuse the front desk what was never asked of it, also where it was handed to it.

        :raises NotYoursToClose: when it was asked of the care team.
        """
        if actor.role == roles.FRONT_DESK and self.owner_role != roles.FRONT_DESK:
            raise NotYoursToClose(field="role", rule=f"one of {', '.join(roles.CARE_TEAM)}")

    def opened(self) -> TaskOpened:
        """Return the news that the task is there."""
        return TaskOpened(
            task_id=self.task_id,
            task=self.task,
            owner_role=self.owner_role,
            reason=self.reason,
            due_at=self.due_at,
            about_id=self.about_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            next_role=self.next_role,
        )

    def reopen(self) -> list[TaskOpened]:
        """Ask again for what nobody was asked for any more; one that is open stays as it is."""
        if self.is_open:
            return []
        self.outcome = self.closed_at = None
        return [self.opened()]

    def withdraw(self, *, at: datetime) -> list[TaskClosed]:
        """Withdraw the task; one that was withdrawn before is so until the moment that is told last."""
        caused = self.close(outcome=WITHDRAWN, at=at)
        if self.outcome == WITHDRAWN:
            self.closed_at = at
        return caused

    def close(self, *, outcome: str, at: datetime) -> list[TaskClosed]:
        """Close the task; one that is closed already stays as it is."""
        if not self.is_open:
            return []
        self.outcome = outcome
        self.closed_at = at
        return [
            TaskClosed(
                task_id=self.task_id,
                task=self.task,
                outcome=outcome,
                closed_at=at,
                about_id=self.about_id,
                patient_id=self.patient_id,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
            )
        ]
