"""Whoever pays themself: the estimate in good faith that is owed to them, by when, and when a bill passes it.

45 CFR 149.610: who has no cover, or does not use it, is told the expected charges within one business
day of scheduling when the service is at least three business days ahead, within three when it is at
least ten ahead or when they asked. A bill of 400 dollars or more above it can be disputed (149.620).
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from services.intake.domain import business_days
from services.intake.domain.costs import Estimate
from services.intake.domain.sites import Site
from services.intake.domain.tasks import Task
from shared.contracts import roles
from shared.contracts.event import Actor, write_moment
from shared.contracts.intake import SELF_PAY_REASONS
from shared.errors import Conflict, InvalidInput
from shared.ids import derived_id

#: Business days that a service has to be ahead, and within how many the estimate is then owed; the
#: longest first. 45 CFR 149.610(b)(1)(vi).
OWED_WITHIN = ((10, 3), (3, 1))
#: Business days within which it is owed to whoever asks for it. 45 CFR 149.610(b)(1)(vi)(C).
OWED_ON_REQUEST = 3
#: Cents by which a bill must pass the estimate to be disputed. 45 CFR 149.620(b)(2).
DISPUTED_FROM = 40_000
#: How long the office has for a bill that passes the estimate. Design default.
EXCEEDED_DUE = timedelta(days=3)

#: Why somebody pays themself: told by them, or found by what payers answered.
COVER_INACTIVE = "COVER_INACTIVE"
UNINSURED, NOT_USING_COVER = SELF_PAY_REASONS

ESTIMATE_TASK = "good_faith_estimate"
EXCEEDED_TASK = "estimate_exceeded"


class CoverIsUsed(Conflict):
    """Raised when somebody is to use their cover again who had not said that they do not."""


@dataclass(eq=False, kw_only=True)
class SelfPay:
    """What is known, in one episode, of how somebody pays themself; facts come in any order."""

    episode_id: str
    patient_id: str
    journey_id: str
    site_id: str
    #: When a week was first agreed on, and its first session.
    scheduled_at: datetime | None = None
    first_session_at: datetime | None = None
    #: Days of the week that was agreed on last, and when that was.
    days_a_week: int | None = None
    days_agreed_at: datetime | None = None
    #: Since when the person pays themself, and why: one of SELF_PAY_REASONS, or COVER_INACTIVE.
    declared_at: datetime | None = None
    reason: str | None = None
    requested_at: datetime | None = None
    due_at: datetime | None = None
    estimate_id: str | None = None
    estimated_at: datetime | None = None
    #: The newest estimate: all of it, and its cents a day.
    estimated_total: int | None = None
    estimated_day: int | None = None
    #: When the person used no cover before they took that back, as JSON; see :attr:`cover_not_used`.
    stretches: list[dict[str, str]] = field(default_factory=list)
    tenant_id: str = ""

    @property
    def pays(self) -> bool:
        """Whether the person is known to pay themself."""
        return self.declared_at is not None

    @property
    def cover_not_used(self) -> list[dict[str, Any]]:
        """When the person used no cover before they took that back, the oldest first.

        Each with ``first_on``, ``used_from``, ``because``, ``told_by``, ``told_by_role`` and ``told_at``.
        """
        return [
            one
            | {name: date.fromisoformat(one[name]) for name in ("first_on", "used_from")}
            | {"told_at": datetime.fromisoformat(one["told_at"])}
            for one in self.stretches
        ]

    def days_without_cover(self, *, site: Site) -> tuple[tuple[date, date | None], ...]:
        """Return from which days on no cover is used, though there may be one.

        Each comes with the day from which on it is used again; the last has none while it lasts.
        """
        found: list[tuple[date, date | None]] = [
            (one["first_on"], one["used_from"]) for one in self.cover_not_used
        ]
        if self.declared_at is not None and self.reason == NOT_USING_COVER:
            found.append((site.local_day(self.declared_at), None))
        return tuple(found)

    def use_cover(self, *, site: Site, used_from: date, because: str, actor: Actor, now: datetime) -> None:
        """Know that the person uses their cover after all, from a day on; who said so, and why, is kept.

        A day before they said that they do not takes all of it back.

        :raises CoverIsUsed: when they had not said so.
        :raises InvalidInput: when the day lies ahead.
        """
        if self.declared_at is None or self.reason != NOT_USING_COVER:
            raise CoverIsUsed("Cover is used already.", field="episode_id", rule="one that is not used")
        if used_from > site.local_day(now):
            raise InvalidInput("The day lies ahead.", field="used_from", rule="today at the site, or before")
        told = {
            "first_on": site.local_day(self.declared_at).isoformat(),
            "used_from": used_from.isoformat(),
            "because": because,
            "told_by": actor.actor_id,
            "told_by_role": actor.role,
            "told_at": write_moment(now),
        }
        # A list of its own, so that the change is seen.
        self.stretches = [*self.stretches, told]
        self.declared_at = self.reason = None

    def note_week(self, *, first_session_at: datetime, days: int, confirmed_at: datetime) -> None:
        """Know of a week that was agreed on; of several, the first starts the clock and the last counts."""
        if self.scheduled_at is None or confirmed_at < self.scheduled_at:
            self.scheduled_at, self.first_session_at = confirmed_at, first_session_at
        if self.days_agreed_at is None or confirmed_at > self.days_agreed_at:
            self.days_a_week, self.days_agreed_at = days, confirmed_at

    def declare(self, *, reason: str, at: datetime) -> None:
        """Know that the person pays themself; the first word counts, and their own before a payer's.

        That no payer is to hear of it counts whenever it is said.
        """
        if self.declared_at is None:
            self.declared_at = at
        if self.reason in (None, COVER_INACTIVE) or reason == NOT_USING_COVER:
            self.reason = reason

    def take_back(self) -> None:
        """Know that somebody is covered after all, unless they had said that they do not use it."""
        if self.reason == COVER_INACTIVE:
            self.declared_at = self.reason = None

    def request(self, *, at: datetime) -> None:
        """Know that the person asked what it would cost."""
        if self.requested_at is None:
            self.requested_at = at

    def settle(self, *, site: Site, closed: Collection[date] = ()) -> None:
        """Work out by when the estimate is owed: the end of a business day at the site, or never.

        :param closed: days on which the site keeps a holiday of its own.
        """
        due_on = []
        if self.requested_at is not None:
            asked_on = site.local_day(self.requested_at)
            due_on.append(business_days.after(asked_on, OWED_ON_REQUEST, closed=closed))
        day = self._owed_by_schedule(site=site, closed=closed)
        due_on += [day] if day is not None else []
        self.due_at = site.begin_of(min(due_on) + timedelta(days=1)) if due_on and self.pays else None

    def _owed_by_schedule(self, *, site: Site, closed: Collection[date]) -> date | None:
        if self.declared_at is None or self.scheduled_at is None or self.first_session_at is None:
            return None
        known_on = site.local_day(max(self.declared_at, self.scheduled_at))
        return owed_on(known_on, first=site.local_day(self.first_session_at), closed=closed)

    def is_owed(self) -> bool:
        """Tell whether an estimate is owed that nobody has given."""
        return self.due_at is not None and self.estimate_id is None

    def give(self, estimate: Estimate) -> None:
        """Know the newest estimate that was given."""
        if self.estimated_at is None or estimate.made_at >= self.estimated_at:
            self.estimate_id, self.estimated_at = estimate.estimate_id, estimate.made_at
            self.estimated_total = estimate.person_pays_most
            self.estimated_day = estimate.person_pays_most // estimate.units

    def over_by(self, days: int) -> int:
        """Return the cents by which a bill for some days passes the estimate; none without one."""
        if self.estimated_day is None or self.estimated_total is None:
            return 0
        return max(0, days * self.estimated_day - self.estimated_total)

    def may_be_disputed(self, days: int) -> bool:
        """Tell whether a bill for some days passes the estimate by so much that it can be disputed."""
        return self.over_by(days) >= DISPUTED_FROM

    def estimate_task(self, *, now: datetime, overdue: bool = False) -> Task:
        """Return the request to tell the person what it will cost; the supervisor's, once it is overdue."""
        assert self.due_at is not None  # the caller looked
        return Task(
            task_id=derived_id(self.episode_id, ESTIMATE_TASK, "overdue" if overdue else "owed"),
            task=ESTIMATE_TASK,
            owner_role=roles.SUPERVISOR if overdue else roles.FRONT_DESK,
            next_role=roles.MEDICAL_DIRECTOR if overdue else roles.SUPERVISOR,
            reason="ESTIMATE_OVERDUE" if overdue else "ESTIMATE_OWED",
            about_id=self.episode_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            opened_at=now,
            due_at=self.due_at,
        )

    def exceeded_task(self, *, now: datetime) -> Task:
        """Return the request to look at a bill that passes the newest estimate."""
        assert self.estimate_id is not None  # the caller looked
        return Task(
            task_id=derived_id(self.estimate_id, EXCEEDED_TASK),
            task=EXCEEDED_TASK,
            owner_role=roles.FRONT_DESK,
            next_role=roles.SUPERVISOR,
            reason="OVER_BY_400",
            about_id=self.estimate_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            opened_at=now,
            due_at=now + EXCEEDED_DUE,
        )


def owed_on(known_on: date, *, first: date, closed: Collection[date] = ()) -> date | None:
    """Return the day by whose end an estimate is owed for a service that was scheduled on another.

    None is owed for a service that is less than three business days ahead; it may be given all the same.
    """
    ahead = business_days.between(known_on, first, closed=closed)
    for least, within in OWED_WITHIN:
        if ahead >= least:
            return business_days.after(known_on, within, closed=closed)
    return None
