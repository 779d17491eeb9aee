"""The daily proof of life of the way to whoever has the duty (safety rule: once a day).

The fallback addresses are proven as well: they are what is left when everything else failed. A test page
goes the way of every page. Nothing is believed: a way that was not shown to be open is
broken until it is.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Event
from shared.contracts.monitoring import PagePathBroken, PagePathProven
from shared.ids import derived_id

#: When the test is made, local time: everybody is awake, and there is a day left to mend. Design default.
PROOF_AT = time(9)

#: How late the test of a day is still made, where nothing ran at its hour: nobody's night is disturbed
#: by a test. Design default.
PROOF_NOT_LATER_THAN = timedelta(hours=12)

#: How long the test page is tried. Design default.
PROOF_GIVES_UP_AFTER = timedelta(hours=1)

#: When a test of which nothing was heard counts as failed: the way back may be broken too. Design default.
UNPROVEN_AFTER = timedelta(hours=2)

#: How soon a broken way is to be mended: before the evening. Design default.
MENDED_WITHIN = timedelta(hours=4)

#: The task of a broken way.
BROKEN_TASK = "page_path_broken"

#: Why a test had nobody to go to.
NOBODY_ON_CALL = "NOBODY_ON_CALL"
NO_ADDRESS = "NO_ADDRESS"


@dataclass(eq=False, kw_only=True)
class Proof:
    """One test of the way to somebody who has the duty, or to a fallback address."""

    #: Also the id of the notification.
    proof_id: str
    #: Whose way; none when nobody had the duty. For a fallback address an id that stands for it.
    staff_id: str | None
    asked_at: datetime
    #: Whether the way is to a fallback address.
    to_fallback: bool = False
    #: "SENT", "FAILED", "SUPPRESSED" or "SIMULATED"; None until something is heard of it.
    outcome: str | None = None
    settled_at: datetime | None = None
    #: Whether a human was asked to mend the way, and when it was mended.
    task_opened: bool = False
    mended_at: datetime | None = None
    tenant_id: str = ""

    @property
    def awaits_mending(self) -> bool:
        """Whether a human was asked to mend the way and it is not shown to be open again."""
        return self.task_opened and self.mended_at is None

    def settle(self, *, outcome: str, task_is_open: bool, now: datetime) -> list[Event]:
        """Note what became of the test page.

        Where time is simulated nothing is sent, so nothing is shown and nothing is told.
        """
        self.outcome, self.settled_at = outcome, now
        if outcome == "SENT":
            return [PagePathProven(proof_id=self.proof_id, proven_at=now)]
        if outcome == "SIMULATED":
            return []
        return self.broken(reason=outcome, task_is_open=task_is_open, now=now)

    def broken(self, *, reason: str, task_is_open: bool, now: datetime) -> list[Event]:
        """Say that the way is broken, and ask a human to mend it, unless somebody is asked already."""
        reason = f"FALLBACK_{reason}" if self.to_fallback else reason
        found: list[Event] = [PagePathBroken(proof_id=self.proof_id, reason=reason, found_at=now)]
        if not task_is_open:
            self.task_opened = True
            found.append(
                TaskOpened(
                    task_id=derived_id(self.proof_id, BROKEN_TASK),
                    task=BROKEN_TASK,
                    owner_role=roles.SUPERVISOR,
                    reason=reason,
                    due_at=now + MENDED_WITHIN,
                    about_id=self.proof_id,
                    next_role=roles.MEDICAL_DIRECTOR,
                )
            )
        return found

    def mend(self, *, now: datetime) -> list[Event]:
        """Say that the way is open again."""
        self.mended_at = now
        return [
            TaskClosed(
                task_id=derived_id(self.proof_id, BROKEN_TASK),
                task=BROKEN_TASK,
                outcome="DONE",
                closed_at=now,
                about_id=self.proof_id,
            )
        ]
