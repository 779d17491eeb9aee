"""Triggers and the tools against them, as they are told after the assessment."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.intake.domain import fit
from services.intake.domain.tasks import Task
from shared.contracts import roles
from shared.ids import derived_id

#: The second session is within this time of the admission, and the tools are found by then (S23): the first
#: is within 48 hours (brief 1.9), and with sessions on three days a week the next is five days later at most.
SECOND_SESSION_WITHIN = timedelta(days=7)
#: What binds somebody is known before their first session: 48 hours after the admission (brief 1.9).
OBLIGATIONS_WITHIN = timedelta(hours=48)

TOOLS_TASK = "coping_inventory"
OBLIGATIONS_TASK = "obligations_missing"


@dataclass(eq=False, kw_only=True)
class TriggerInventory:
    """What somebody told of their triggers on one occasion: codes and numbers only."""

    inventory_id: str
    episode_id: str
    patient_id: str
    journey_id: str
    #: {trigger_code, coping_tools} each.
    triggers: list[dict[str, object]]
    recorded_at: datetime
    recorded_by: str
    recorded_by_role: str
    tenant_id: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether there are enough triggers, each with a tool."""
        return fit.has_tools([fit.Trigger(**trigger) for trigger in self.triggers])  # type: ignore[arg-type]  # as kept


def tools_task(*, episode_id: str, patient_id: str, journey_id: str, admitted_at: datetime) -> Task:
    """Return the request to find a tool against each of three triggers by the second session."""
    return _task(
        task=TOOLS_TASK,
        reason="TRIGGERS_WITHOUT_TOOLS",
        episode_id=episode_id,
        patient_id=patient_id,
        journey_id=journey_id,
        admitted_at=admitted_at,
        within=SECOND_SESSION_WITHIN,
    )


def obligations_task(*, episode_id: str, patient_id: str, journey_id: str, admitted_at: datetime) -> Task:
    """Return the request to ask what binds somebody, before their week is settled."""
    return _task(
        task=OBLIGATIONS_TASK,
        reason="OBLIGATIONS_UNKNOWN",
        episode_id=episode_id,
        patient_id=patient_id,
        journey_id=journey_id,
        admitted_at=admitted_at,
        within=OBLIGATIONS_WITHIN,
    )


def _task(
    *,
    task: str,
    reason: str,
    episode_id: str,
    patient_id: str,
    journey_id: str,
    admitted_at: datetime,
    within: timedelta,
) -> Task:
    return Task(
        task_id=derived_id(episode_id, task),
        task=task,
        owner_role=roles.COUNSELOR,
        next_role=roles.SUPERVISOR,
        reason=reason,
        about_id=episode_id,
        patient_id=patient_id,
        episode_id=episode_id,
        journey_id=journey_id,
        opened_at=admitted_at,
        due_at=admitted_at + within,
    )
