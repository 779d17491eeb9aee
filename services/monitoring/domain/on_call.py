"""Who has the duty: staff with a way to be paged, shifts, and the gaps between them.

Somebody has the duty at every moment (safety rule). Two at once are welcome; a moment with nobody is
a gap, which is refused where somebody's decision would make it, and shouted about where it is found.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Actor, Event
from shared.contracts.monitoring import OnCallGapFound, OnCallShiftPlanned, OnCallShiftWithdrawn
from shared.errors import Conflict, Forbidden, InvalidInput
from shared.ids import derived_id

#: How far ahead gaps are looked for. Design default.
GAPS_FOUND_AHEAD = timedelta(days=7)

#: How near a gap is too near to be made: nobody can be found for it any more. Design default.
GAPS_REFUSED_WITHIN = timedelta(hours=24)

#: The longest duty: a week, so that a slip in a date does not hide a gap of a year. Design default.
LONGEST_SHIFT = timedelta(days=7)

#: The task of a gap in the roster, and who may leave one open knowingly, with a reason.
GAP_TASK = "on_call_gap"
MAY_ACCEPT_GAP = (roles.SUPERVISOR, roles.MEDICAL_DIRECTOR)


class ShiftWithdrawn(Conflict):
    """Raised when a duty is taken off the roster that is not on it any more."""


class OnCallGapLeft(Conflict):
    """Raised when nobody would have the duty for a time within the next 24 hours."""


class GapNeedsSupervisor(Forbidden):
    """Raised when somebody else than a supervisor or medical director accepts a gap."""


#: A time with nobody on duty; without an end when no later shift is planned.
Span = tuple[datetime, datetime | None]


@dataclass(eq=False, kw_only=True)
class StaffContact:
    """One of the staff, and where they are paged."""

    contact_id: str
    staff_id: str
    role: str
    #: ``mailto:…`` or ``https:…``.
    address: str
    active: bool = True
    tenant_id: str = ""

    @property
    def masked_address(self) -> str:
        """The address without what tells whose it is."""
        scheme, _, rest = self.address.partition(":")
        if scheme == "mailto":
            return f"mailto:…@{rest.rpartition('@')[2]}"
        return f"{scheme}://{rest.removeprefix('//').partition('/')[0].rpartition('@')[2]}/…"


@dataclass(eq=False, kw_only=True)
class Shift:
    """A time for which one of the staff has the duty."""

    shift_id: str
    staff_id: str
    starts_at: datetime
    ends_at: datetime
    planned_by: str
    withdrawn_at: datetime | None = None
    withdrawn_by: str | None = None
    #: Why a gap was accepted.
    reason: str | None = None
    tenant_id: str = ""

    def planned(self, *, now: datetime) -> list[Event]:
        """Announce it.

        :raises InvalidInput: when it ends before it starts, is over, or is longer than a week.
        """
        if self.ends_at <= max(self.starts_at, now):
            raise InvalidInput(field="ends_at", rule="after the start, and in the future")
        if self.ends_at - self.starts_at > LONGEST_SHIFT:
            raise InvalidInput(field="ends_at", rule="at most a week after the start")
        return [self._announced()]

    def _announced(self) -> OnCallShiftPlanned:
        return OnCallShiftPlanned(
            shift_id=self.shift_id, staff_id=self.staff_id, starts_at=self.starts_at, ends_at=self.ends_at
        )

    def covers(self, at: datetime) -> bool:
        """Whether it is duty at a moment."""
        return self.withdrawn_at is None and self.starts_at <= at < self.ends_at

    def withdraw(
        self,
        *,
        from_: datetime | None,
        others: Sequence["Shift"],
        by: Actor,
        accept_gap: bool,
        reason: str | None,
        now: datetime,
    ) -> list[Event]:
        """Take the duty off the roster, or what is left of it, or its end from a moment on.

        :param others: the shifts that stay.
        :raises ShiftWithdrawn: when it is off the roster already, or over.
        :raises OnCallGapLeft: when it leaves a gap that is near, unless somebody who may accepts it.
        """
        if self.withdrawn_at is not None or self.ends_at <= now:
            raise ShiftWithdrawn(rule="a shift that is on the roster and not over")
        leaves_at = max(self.starts_at, now, from_ or now)
        if leaves_at >= self.ends_at:
            raise InvalidInput(field="from", rule="before the end of the shift")
        self._guard(others, leaves_at, by=by, accept_gap=accept_gap, reason=reason, now=now)
        self.reason = reason
        if leaves_at == self.starts_at:
            self.withdrawn_at, self.withdrawn_by = now, by.actor_id
            return [OnCallShiftWithdrawn(shift_id=self.shift_id, withdrawn_at=now)]
        self.ends_at = leaves_at
        if leaves_at > now:
            return [self._announced()]
        return [OnCallShiftWithdrawn(shift_id=self.shift_id, withdrawn_at=now)]

    def _guard(
        self,
        others: Sequence["Shift"],
        leaves_at: datetime,
        *,
        by: Actor,
        accept_gap: bool,
        reason: str | None,
        now: datetime,
    ) -> None:
        left = gaps(others, since=leaves_at, until=min(self.ends_at, now + GAPS_REFUSED_WITHIN))
        if not left:
            return
        if not accept_gap:
            raise_gap(left[0], until=self.ends_at)
        if by.role not in MAY_ACCEPT_GAP:
            raise GapNeedsSupervisor(field="accept_gap", rule=f"for {' and '.join(MAY_ACCEPT_GAP)}")
        if reason is None:
            raise InvalidInput(field="reason", rule="needed when a gap is accepted")


def raise_gap(gap: Span, *, until: datetime) -> None:
    """Refuse what would leave a gap, and name it.

    :raises OnCallGapLeft: always.
    """
    ends_at = min(gap[1] or until, until)
    raise OnCallGapLeft(
        f"Nobody would have the duty from {gap[0]:%Y-%m-%dT%H:%MZ} to {ends_at:%Y-%m-%dT%H:%MZ}.",
        rule="somebody has the duty at every moment of the next 24 hours",
    )


def on_duty(shifts: Iterable[Shift], *, at: datetime) -> list[str]:
    """Return who has the duty at a moment, each once."""
    return sorted({shift.staff_id for shift in shifts if shift.covers(at)})


def gaps(shifts: Iterable[Shift], *, since: datetime, until: datetime) -> list[Span]:
    """Return the times with nobody on duty that begin before *until* and last beyond *since*.

    A gap that has begun before *since* begins there; each ends with the next shift, however far off.
    """
    found: list[Span] = []
    covered_until = since
    for shift in sorted(shifts, key=lambda one: one.starts_at):
        if shift.withdrawn_at is not None or shift.ends_at <= covered_until:
            continue
        if shift.starts_at > covered_until and covered_until < until:
            found.append((covered_until, shift.starts_at))
        covered_until = shift.ends_at
    if covered_until < until:
        found.append((covered_until, None))
    return found


def guard_removal(lost: Iterable[Shift], *, remaining: Sequence[Shift], now: datetime) -> None:
    """Refuse to do without somebody whose duty is near and whom nobody else relieves.

    :raises OnCallGapLeft: naming the first gap.
    """
    for shift in lost:
        if shift.withdrawn_at is not None:
            continue
        until = min(shift.ends_at, now + GAPS_REFUSED_WITHIN)
        since = max(shift.starts_at, now)
        if since < until and (left := gaps(remaining, since=since, until=until)):
            raise_gap(left[0], until=shift.ends_at)


@dataclass(eq=False, kw_only=True)
class Gap:
    """A gap in the roster that was found, until it is filled or over."""

    gap_id: str
    starts_at: datetime
    ends_at: datetime | None
    #: Times that it was found: one that was filled can be torn open again.
    found: int = 0
    #: Whether it has begun with nobody on duty: the medical director is asked then.
    begun: bool = False
    filled_at: datetime | None = None
    tenant_id: str = ""

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to fill it."""
        return self.filled_at is None

    @property
    def task_id(self) -> str:
        """The id of the task that asks for somebody."""
        return derived_id(self.gap_id, str(self.found), "begun" if self.begun else "ahead")

    def find(self, *, ends_at: datetime | None, now: datetime) -> list[Event]:
        """Say that it is there, and ask for somebody before it begins."""
        self.found, self.ends_at, self.begun, self.filled_at = self.found + 1, ends_at, False, None
        found = OnCallGapFound(gap_starts_at=self.starts_at, gap_ends_at=ends_at, found_at=now)
        if self.starts_at <= now:
            self.begun = True
            return [found, self._ask(roles.MEDICAL_DIRECTOR, next_role=None)]
        return [found, self._ask(roles.SUPERVISOR, next_role=roles.MEDICAL_DIRECTOR)]

    @property
    def moves_at(self) -> datetime | None:
        """When it has to be looked at again: as it begins, and as it ends."""
        return self.ends_at if self.begun else self.starts_at

    def begin(self, *, now: datetime) -> list[Event]:
        """Ask the medical director once nobody has the duty any more."""
        if self.begun or not self.is_open or self.starts_at > now:
            return []
        closed = self._task_closed(outcome="ESCALATED", now=now)
        self.begun = True
        return [closed, self._ask(roles.MEDICAL_DIRECTOR, next_role=None)]

    def fill(self, *, now: datetime) -> list[Event]:
        """Say that it needs nobody any more: it is filled, or its time is over."""
        self.filled_at = now
        over = self.ends_at is not None and self.ends_at <= now
        return [self._task_closed(outcome="WITHDRAWN" if over else "DONE", now=now)]

    def _ask(self, owner_role: str, *, next_role: str | None) -> TaskOpened:
        return TaskOpened(
            task_id=self.task_id,
            task=GAP_TASK,
            owner_role=owner_role,
            reason="NOBODY_ON_CALL",
            due_at=self.starts_at,
            about_id=self.gap_id,
            next_role=next_role,
        )

    def _task_closed(self, *, outcome: str, now: datetime) -> TaskClosed:
        return TaskClosed(
            task_id=self.task_id, task=GAP_TASK, outcome=outcome, closed_at=now, about_id=self.gap_id
        )


def reconcile(
    known: Sequence[Gap], found: Sequence[Span], *, now: datetime
) -> tuple[list[Span], list[Event]]:
    """Bring the known gaps in line with those that were found.

    Two are the same gap when they begin together, or have both begun: so a gap is told once, however
    often the roster is looked at, and a gap that became another one is told anew.

    :returns: the gaps that are new, and what to announce of those that were known.
    """
    events: list[Event] = []
    new = list(found)
    for gap in known:
        same = next((span for span in new if _same(gap, span, now=now)), None)
        if same is None:
            events += gap.fill(now=now)
            continue
        gap.ends_at = same[1]
        new.remove(same)
        events += gap.begin(now=now)
    return new, events


def _same(gap: Gap, span: Span, *, now: datetime) -> bool:
    return gap.starts_at == span[0] or (gap.starts_at <= now and span[0] <= now)
