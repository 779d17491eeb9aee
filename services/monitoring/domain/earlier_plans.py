"""Version 0 of a treatment plan: what somebody worked on and learned in the program that they come from."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.contracts.intake import EarlierPlanImported


@dataclass(eq=False, kw_only=True)
class EarlierPlan:
    """The newest that is known of an episode's earlier plan, in codes; our own versions begin with 1."""

    episode_id: str
    patient_id: str
    journey_id: str
    step_down_id: str
    problems: list[str]
    modalities: list[str]
    skills: list[str]
    triggers: list[str]
    imported_at: datetime
    tenant_id: str = ""

    def take_over(self, event: EarlierPlanImported) -> None:
        """Take over what was told, unless something newer is known; two of one moment are told apart."""
        told = _codes(event)
        known: dict[str, Any] = {name: getattr(self, name) for name in told}
        if (event.imported_at, sorted(told.items())) <= (self.imported_at, sorted(known.items())):
            return
        for name, value in told.items():
            setattr(self, name, value)
        self.step_down_id, self.imported_at = event.step_down_id, event.imported_at


def imported(event: EarlierPlanImported) -> EarlierPlan:
    """Keep what is told of an earlier plan for the first time."""
    return EarlierPlan(
        episode_id=event.episode_id,
        patient_id=event.patient_id,
        journey_id=event.journey_id,
        step_down_id=event.step_down_id,
        imported_at=event.imported_at,
        **_codes(event),
    )


def _codes(event: EarlierPlanImported) -> dict[str, Any]:
    return {name: list(getattr(event, name)) for name in ("problems", "modalities", "skills", "triggers")}
