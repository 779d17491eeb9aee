"""Who backs a patient, as far as the treatment plan needs to know: how many, as told last."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(eq=False, kw_only=True)
class SupportNetwork:
    """The newest word on how many people back a patient; none is an answer."""

    patient_id: str
    supporters: int
    told_at: datetime
    tenant_id: str = ""

    def take_over(self, *, supporters: int, told_at: datetime) -> None:
        """Take over what was told, unless something newer is known."""
        # Two words of one moment are told apart by value, so that any order ends the same.
        if (told_at, supporters) > (self.told_at, self.supporters):
            self.supporters, self.told_at = supporters, told_at
