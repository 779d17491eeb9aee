"""Whether people stay together: what became of those who were in a group a while ago (S28)."""

from dataclasses import dataclass
from datetime import date, timedelta

from services.scheduling.domain.groups import Group
from services.scheduling.domain.weeks import monday_of

#: How far back the people of an open group are looked for; those of a closed one since its cohort began.
#: Design default.
LOOKED_BACK = timedelta(weeks=4)

#: TEDS reason of a discharge with the program completed: who has done it has not left their people.
COMPLETED = "1"


@dataclass(frozen=True, kw_only=True)
class Stability:
    """What became of the people of a group."""

    group_id: str
    enrolment: str
    #: The week, from Monday or the cohort's first day, whose people are looked for.
    since: date
    #: Those who had a standing seat in that week.
    members_then: int
    #: Of them: who have a standing place today, who completed the program, and the others.
    still_there: int
    completed: int
    left: int
    members_now: int
    #: Those of today who were not there then.
    joined_since: int

    @property
    def percent(self) -> int | None:
        """Return the share of those still there among all who have not completed, where there are any."""
        whole = self.still_there + self.left
        return round(100 * self.still_there / whole) if whole else None


def looked_back_to(group: Group, *, today: date) -> date:
    """Return the first day of the week whose people are compared with those of today."""
    if group.enrolment == "CLOSED" and group.cohort_begins_on is not None:
        return group.cohort_begins_on
    return monday_of(today) - LOOKED_BACK


def stability(group: Group, *, since: date, then: set[str], now: set[str], completed: set[str]) -> Stability:
    """Say what became of the people of a group.

    :param then: the episodes that had a standing seat in the week of *since*; *now*: those with a standing
        place today; *completed*: those that ended with the program completed.
    """
    there = then & now
    done = (then & completed) - there
    return Stability(
        group_id=group.group_id,
        enrolment=group.enrolment,
        since=since,
        members_then=len(then),
        still_there=len(there),
        completed=len(done),
        left=len(then - there - done),
        members_now=len(now),
        joined_since=len(now - then),
    )
