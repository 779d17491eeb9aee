"""Whether what monitoring can tell of the graduation criteria is met, and since when.

Design default, after published discharge criteria of the ASAM Criteria, 3rd edition. The rest of
the criteria is attested by clinicians in aftercare; a human graduates.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.monitoring.domain.attendance import ATTENDED, Attendance, percent_attended

RULE_VERSION = "readiness-1"

#: Least percent of planned clinical minutes attended in the last four weeks.
ATTENDANCE_PERCENT = 80
ATTENDANCE_DAYS = 28
#: Least number of sessions attended.
SESSIONS = 24
#: Least weeks in the program.
WEEKS = 8
#: Days without any reported use.
DAYS_WITHOUT_USE = 28

#: The criteria that monitoring can tell, all of them met when a graduation is ready.
CRITERIA = ("ATTENDANCE", "SESSIONS", "WEEKS", "NO_USE", "NO_OPEN_ESCALATION", "NO_OPEN_OUTREACH")


def ready_since(
    *,
    seats: Sequence[Attendance],
    uses: Sequence[datetime],
    admitted_at: datetime,
) -> datetime | None:
    """Return since when the criteria of attendance and use have been met; None when they are not now.

    It is the first of the attended sessions up to the newest one at whose starts all of them were
    met. Computed from the facts alone, so that the order in which they became known does not matter.
    """
    attended = sorted(seat.starts_at for seat in seats if seat.state == ATTENDED and seat.is_treatment)
    since = None
    if not attended or any(used > attended[-1] for used in uses):
        return None
    for at in reversed(attended[SESSIONS - 1 :]):
        if (
            at < admitted_at + timedelta(weeks=WEEKS)
            or any(at - timedelta(days=DAYS_WITHOUT_USE) < used <= at for used in uses)
            or percent_attended(seats, until=at, days=ATTENDANCE_DAYS) < ATTENDANCE_PERCENT
        ):
            break
        since = at
    return since
