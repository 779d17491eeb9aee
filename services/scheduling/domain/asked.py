"""What the care team was asked to do about a patient, where no action of its own ends it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(eq=False, kw_only=True)
class Asked:
    """Something that whoever does it closes by hand."""

    task_id: str
    task: str
    #: What it is about: a seat, or an answer.
    about_id: str
    patient_id: str
    episode_id: str
    journey_id: str
    closed_at: datetime | None = None
    tenant_id: str = ""
