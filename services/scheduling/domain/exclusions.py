"""Looks at the federal lists of people who may have no part in what Medicare and Medicaid pay for.

Nobody is excluded by software: a human looks at a list, makes sure who is meant, and says what was found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Event
from shared.contracts.scheduling import EXCLUSION_LISTS
from shared.ids import derived_id

#: How long a look at a list holds: once a month, as the OIG's special advisory bulletin of 2013 advises;
#: brief section 9.
CHECKED_FOR = timedelta(days=30)
#: How long a look may be overdue before the next role is asked. Design default.
CHECK_WITHIN = timedelta(days=7)

#: The task of looking at the lists.
CHECK_TASK = "exclusion_check"
#: What was found: the person is not on the list, or is.
CLEAR, EXCLUDED = "CLEAR", "EXCLUDED"


@dataclass(eq=False, kw_only=True)
class ExclusionCheck:
    """One look at one list for one clinician: who looked, when, and what was found."""

    check_id: str
    clinician_id: str
    #: One of EXCLUSION_LISTS.
    source: str
    #: One of EXCLUSION_FINDINGS.
    finding: str
    checked_at: datetime
    checked_by: str
    checked_by_role: str
    #: SHA-256 of the page or file that was seen, where it was kept.
    evidence_hash: str | None = None
    tenant_id: str = ""


def is_excluded(newest: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether the newest look at any list found the person on it."""
    return any(look["finding"] == EXCLUDED for look in newest.values())


def due_at(newest: Mapping[str, Mapping[str, Any]], *, added_at: datetime) -> datetime:
    """Return when a list must be looked at next: the one that was looked at longest ago decides."""
    looks = [
        datetime.fromisoformat(newest[source]["checked_at"]) if source in newest else added_at
        for source in EXCLUSION_LISTS
    ]
    return min(looks) + CHECKED_FOR


def ask(clinician_id: str, *, due: datetime) -> TaskOpened:
    """Return the request to look at the lists again."""
    return TaskOpened(
        task_id=derived_id(clinician_id, CHECK_TASK, due.isoformat()),
        task=CHECK_TASK,
        owner_role=roles.OPERATIONS,
        reason="MONTHLY",
        due_at=due + CHECK_WITHIN,
        about_id=clinician_id,
        next_role=roles.SUPERVISOR,
    )


def answered(task_id: str, clinician_id: str, *, now: datetime) -> Event:
    """Return that the lists were looked at."""
    return TaskClosed(task_id=task_id, task=CHECK_TASK, outcome="DONE", closed_at=now, about_id=clinician_id)
