"""Who came and who did not, as monitoring knows it from scheduling's events; never pruned."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

#: What a seat can say.
ATTENDED = "ATTENDED"
MISSED = "MISSED"
#: Excused, cancelled, unmarked: neither speaks for nor against anybody.
NEITHER = "NEITHER"

#: States of scheduling's seats in which somebody was there.
THERE = ("PRESENT", "LATE", "PARTIAL", "LEFT_EARLY", "MADE_UP")


@dataclass(eq=False, kw_only=True)
class Attendance:
    """The newest mark of one seat; ``revision`` 0 is the first mark, corrections count up."""

    seat_id: str
    episode_id: str
    starts_at: datetime
    clinical_minutes: int
    state: str
    credited_minutes: int = 0
    revision: int = 0
    #: When the newest mark was given, where it corrects another.
    corrected_at: datetime | None = None
    tenant_id: str = ""

    @property
    def is_treatment(self) -> bool:
        """Whether the session has clinical minutes; a support group has none: only a contact."""
        return self.clinical_minutes > 0

    def correct(
        self, *, state: str, credited_minutes: int, revision: int, corrected_at: datetime | None
    ) -> bool:
        """Take a newer mark; return whether it was newer. The newest wins in any order."""
        if revision <= self.revision and not (revision == self.revision and self._gives_way_to(state)):
            return False
        self.state = state
        self.credited_minutes = credited_minutes
        self.revision = revision
        self.corrected_at = corrected_at
        return True

    def _gives_way_to(self, state: str) -> bool:
        # Two first marks of one seat: being there outweighs a miss, in any order.
        return self.state == MISSED and state == ATTENDED


@dataclass(eq=False, kw_only=True)
class Coming:
    """A patient came to a session and was not seen: no attendance, but whoever comes is not silent."""

    coming_id: str
    episode_id: str
    came_at: datetime
    tenant_id: str = ""


def state_of(seat_state: str, *, clinical_minutes: int) -> str:
    """Return what a state of scheduling's seats says; nobody misses what is no treatment."""
    if seat_state in THERE:
        return ATTENDED
    return MISSED if seat_state == "NO_SHOW" and clinical_minutes > 0 else NEITHER


def absences_in_row(seats: Sequence[Attendance], *, up_to: datetime) -> int:
    """Count the absences since the patient last came; what speaks for neither does not end the row."""
    count = 0
    for seat in sorted(seats, key=lambda seat: (seat.starts_at, seat.seat_id), reverse=True):
        if seat.starts_at > up_to or not seat.is_treatment:
            continue
        if seat.state == ATTENDED:
            break
        count += seat.state == MISSED
    return count


def within(seats: Sequence[Attendance], *, after: datetime, until: datetime) -> list[Attendance]:
    """Return the seats that start after one moment and not after another."""
    return [seat for seat in seats if after < seat.starts_at <= until]


def percent_attended(seats: Sequence[Attendance], *, until: datetime, days: int) -> int:
    """Return the percent of planned clinical minutes attended in the days before a moment."""
    recent = [
        seat
        for seat in within(seats, after=until - timedelta(days=days), until=until)
        if seat.state in (ATTENDED, MISSED)
    ]
    planned = sum(seat.clinical_minutes for seat in recent)
    return 100 * sum(seat.credited_minutes for seat in recent) // planned if planned else 0
