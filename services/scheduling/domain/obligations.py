"""What binds a person's week, and how well the tracks of a site fit around it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time

from services.scheduling.domain.planner import INDIVIDUAL_MINUTES, Meeting
from services.scheduling.domain.weeks import Span, span
from shared.contracts.scheduling import DAY_TRACKS, TRACKS

#: Clinical minutes a week that a track must be able to place: the nine hours of level 2.1.
#: ASAM Criteria, 3rd edition.
REQUIRED_MINUTES = 540

#: Share of the required minutes, in percent, from which a fit is conditional rather than none.
#: Design default.
CONDITIONAL_PERCENT = 75


@dataclass(frozen=True, kw_only=True)
class Obligation:
    """A stretch of each week that a person cannot give away, with the way there and back.

    One that ends at or before its start runs into the next day, as a night shift does.
    """

    kind: str
    weekday: int
    starts: time
    ends: time
    travel_minutes: int

    def span(self) -> Span:
        """Return the stretch of the week that is taken, travel included."""
        return span(weekday=self.weekday, starts=self.starts, ends=self.ends, margin=self.travel_minutes)


@dataclass(frozen=True, kw_only=True)
class TrackFit:
    """How many clinical minutes a week a track can place around a person's obligations."""

    track: str
    placeable_minutes: int
    required_minutes: int

    @property
    def result(self) -> str:
        """Return "MET", "CONDITIONAL" or "NOT_MET"."""
        percent = self.placeable_minutes * 100 // self.required_minutes
        if percent >= 100:
            return "MET"
        return "CONDITIONAL" if percent >= CONDITIONAL_PERCENT else "NOT_MET"


def fit_of_tracks(*, meetings: Iterable[Meeting], bound_by: Iterable[Obligation]) -> tuple[TrackFit, ...]:
    """Return the fit of each track, the best first; equal ones in the order of the day.

    One block a day counts, the longest that is free, and the weekly individual session besides.
    Whether seats are free is no part of it: that changes by the hour.
    """
    busy = tuple(obligation.span() for obligation in bound_by)
    fits = []
    offered = tuple(meetings)
    for track in TRACKS:
        if track not in DAY_TRACKS and not any(meeting.track == track for meeting in offered):
            continue
        by_day: dict[int, int] = {}
        for meeting in offered:
            if meeting.track == track and not any(meeting.span().meets(taken) for taken in busy):
                by_day[meeting.weekday] = max(by_day.get(meeting.weekday, 0), meeting.clinical_minutes)
        placeable = sum(by_day.values()) + (INDIVIDUAL_MINUTES if by_day else 0)
        fits.append(TrackFit(track=track, placeable_minutes=placeable, required_minutes=REQUIRED_MINUTES))
    return tuple(sorted(fits, key=lambda fit: (-fit.placeable_minutes, TRACKS.index(fit.track))))
