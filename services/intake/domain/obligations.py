"""The copy of how well a site's tracks fit what a person is bound to; scheduling finds it out."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(eq=False, kw_only=True)
class ObligationFit:
    """The newest fit known of a person at a site; minutes are for one week."""

    patient_id: str
    site_id: str
    best_track: str
    placeable_minutes: int
    required_minutes: int
    found_at: datetime
    #: Each track with the minutes that it can place, the best first; empty where only the best was told.
    by_track: list[tuple[str, int]] = field(default_factory=list)
    tenant_id: str = ""

    def take_over(
        self,
        *,
        best_track: str,
        placeable_minutes: int,
        required_minutes: int,
        found_at: datetime,
        by_track: list[tuple[str, int]],
    ) -> None:
        """Take over a finding, unless a newer one is known."""
        # Two findings of one moment are told apart by value, so that any order ends the same.
        newer = (found_at, placeable_minutes, required_minutes, best_track, by_track)
        if newer > (
            self.found_at,
            self.placeable_minutes,
            self.required_minutes,
            self.best_track,
            [(track, minutes) for track, minutes in self.by_track],
        ):
            self.best_track = best_track
            self.placeable_minutes = placeable_minutes
            self.required_minutes = required_minutes
            self.found_at = found_at
            self.by_track = by_track
