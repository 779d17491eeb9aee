"""Who has the duty, as monitoring tells it: enough to know whether anybody is there right now."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(eq=False, kw_only=True)
class Duty:
    """A time for which one of the staff has the duty; what was told of it may come in any order."""

    shift_id: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    withdrawn_at: datetime | None = None
    tenant_id: str = ""

    def plan(self, *, starts_at: datetime, ends_at: datetime) -> None:
        """Take over when it is; told again, it can only have become shorter."""
        self.starts_at = starts_at
        self.ends_at = ends_at if self.ends_at is None else min(self.ends_at, ends_at)

    def withdraw(self, *, at: datetime) -> None:
        """Take it off."""
        self.withdrawn_at = at if self.withdrawn_at is None else min(self.withdrawn_at, at)
