"""Drug tests: a licensed human orders them, the days are drawn, and a human answers for what is found.

They are evidence for treatment and no punishment: nothing here ends or changes treatment by itself.
"""

import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from services.monitoring.domain import draws
from services.monitoring.domain.episodes import Episode
from shared import dangers
from shared.contracts import roles
from shared.contracts.common import MessageWanted, TaskClosed, TaskOpened
from shared.contracts.event import Actor, Event
from shared.contracts.monitoring import DrugTestDue, DrugTestRecorded
from shared.errors import Conflict, Forbidden, InvalidInput
from shared.ids import derived_id

#: When the day's lot is drawn, by the site's clock: patients are told from six to eight (brief 4.1).
DRAWN_AT = time(6)
#: The end of the program's day, by the site's clock: the last groups end then. Design default.
DAY_ENDS_AT = time(21)

#: How long before the day ends a patient must have been written to: later nobody can leave work for it
#: (brief 4.1).
NOTICE = timedelta(hours=4)

#: How soon somebody licensed looks at a test that was not negative (brief 4.3).
REVIEWED_WITHIN = timedelta(hours=24)
#: How soon a laboratory's result is asked for. Design default.
RESULT_WITHIN = timedelta(days=3)

TEST_TASK = "drug_test"
RESULT_TASK = "drug_test_result"
REVIEW_TASK = "drug_test_review"

WITHDRAWN = "WITHDRAWN"


class LicenceNeeded(Forbidden):
    """Raised when somebody without a licence orders drug tests, ends them, or closes a review."""


class IntervalNotUsable(InvalidInput):
    """Raised when intervals are to last longer, on average, than leaves the next day open."""


class OrderedAlready(Conflict):
    """Raised when tests are ordered for an episode in which they are drawn already."""


class OrderIsOver(Conflict):
    """Raised when an order is ended that is over."""


class DrugTestSettled(Conflict):
    """Raised when something else is told of a test than what came of it."""


class ReviewNotOpen(Conflict):
    """Raised when a review is closed that nobody is asked for."""


def check_licence(by: Actor) -> None:
    """Refuse whoever has no licence.

    :raises LicenceNeeded: when the credential is no licence.
    """
    if by.credential not in roles.LICENSED_CREDENTIALS:
        raise LicenceNeeded(rule="a licensed clinician")


def check_interval(*, mean_days: int, longest_gap: int) -> None:
    """Refuse an average interval that is too near to the longest.

    :raises IntervalNotUsable: when it is more than two thirds of it.
    """
    if mean_days * 3 > longest_gap * draws.MEAN_IN_THIRDS:
        raise IntervalNotUsable(field="mean_interval_days", rule="at most two thirds of longest_gap_days")


@dataclass(eq=False, kw_only=True)
class Order:
    """That somebody is tested, and how often; days are those of the site's calendar."""

    order_id: str
    episode_id: str
    patient_id: str
    journey_id: str
    mean_interval_days: int
    longest_gap_days: int
    reason: str
    ordered_at: datetime
    ordered_on: date
    ordered_by: str
    ordered_by_role: str
    ordered_by_credential: str
    #: Days of the month on which the patient is paid.
    paydays: list[int] = field(default_factory=list)
    last_drawn_on: date | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    end_reason: str | None = None
    tenant_id: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing is drawn any more."""
        return self.ended_at is not None

    def end(self, *, by: str | None, reason: str, at: datetime) -> None:
        """Draw no more.

        :raises OrderIsOver: when it is over.
        """
        if self.is_over:
            raise OrderIsOver(field="order_id", rule="an order in force")
        self.ended_at, self.ended_by, self.end_reason = at, by, reason

    def draw(self, day: date, *, seed: str) -> bool:
        """Draw the lot of a day; return whether the patient is tested on it.

        The longest gap is promised between draws: what came of a test does not move the next (brief 13b.10).
        """
        since = self.last_drawn_on or self.ordered_on
        if day <= since:
            return False
        drawn = draws.is_drawn(
            day,
            seed=seed,
            gap_days=(day - since).days,
            mean_days=self.mean_interval_days,
            longest_gap=self.longest_gap_days,
            paydays=self.paydays,
        )
        if drawn:
            self.last_drawn_on = day
        return drawn


@dataclass(eq=False, kw_only=True)
class Seed:
    """What a patient's lots of a month come from: its hash is kept before, and it is shown after."""

    seed_id: str
    patient_id: str
    #: The first day of the month.
    month: date
    commitment: str
    committed_at: datetime
    #: In hexadecimal; kept sealed.
    seed: str = ""
    tenant_id: str = ""


@dataclass(eq=False, kw_only=True)
class DrugTest:
    """A test that was drawn for a day, and what came of it."""

    test_id: str
    order_id: str
    episode_id: str
    patient_id: str
    journey_id: str
    site_id: str
    due_on: date
    due_at: datetime
    drawn_at: datetime
    #: One of DRUG_TEST_OUTCOMES, or WITHDRAWN; None while it is due.
    outcome: str | None = None
    #: One of DRUG_TEST_RESULTS where something was collected.
    result: str | None = None
    #: What it was positive for and nobody had prescribed.
    positives: list[str] = field(default_factory=list)
    excuse: str | None = None
    recorded_at: datetime | None = None
    recorded_by: str | None = None
    recorded_by_role: str | None = None
    reviewed_at: datetime | None = None
    reviewed_by: str | None = None
    reviewed_by_credential: str | None = None
    tenant_id: str = ""

    @property
    def is_due(self) -> bool:
        """Whether nothing came of it yet."""
        return self.outcome is None

    @property
    def review_reason(self) -> str | None:
        """Why a licensed human is to look at it; None where there is nothing to look at."""
        if self.outcome == "REFUSED":
            return "DRUG_TEST_REFUSED"
        if self.outcome == "MISSED" and self.excuse is None:
            return "DRUG_TEST_MISSED"
        if self.result in ("POSITIVE", "INVALID"):
            return f"DRUG_TEST_{self.result}"
        return None

    def announced(self) -> list[Event]:
        """Return that it is due, ask the desk for it, and have the patient told to come."""
        due = DrugTestDue(
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            test_id=self.test_id,
            site_id=self.site_id,
            due_on=self.due_on,
            due_at=self.due_at,
            drawn_at=self.drawn_at,
        )
        return [
            due,
            self._asked(
                task=TEST_TASK,
                owner=roles.FRONT_DESK,
                next_role=roles.COUNSELOR,
                reason="DRUG_TEST_DUE",
                due_at=self.due_at,
            ),
            *self._told_to_come(),
        ]

    def record(
        self,
        *,
        outcome: str,
        result: str | None,
        positives: Sequence[str],
        excuse: str | None,
        by: Actor,
        now: datetime,
    ) -> list[Event]:
        """Keep what came of it; a result that was waited for may come later.

        :raises DrugTestSettled: when something else is known to have come of it.
        """
        awaited = self.outcome == "COLLECTED" and self.result == "PENDING"
        if not self.is_due and not (awaited and outcome == "COLLECTED"):
            raise DrugTestSettled(field="test_id", rule="a test that is due, or whose result is waited for")
        task = RESULT_TASK if awaited else TEST_TASK
        if awaited and result == "PENDING":
            return []
        self.outcome, self.result, self.excuse = outcome, result, excuse
        self.positives = list(positives)
        self.recorded_at, self.recorded_by, self.recorded_by_role = now, by.actor_id, by.role
        return [
            self._recorded(at=now),
            self._answered(task=task, outcome="DONE", at=now),
            *self._asked_of_result(at=now),
        ]

    def withdraw(self, *, at: datetime) -> list[Event]:
        """Ask for it no more, where it is due: the tests were ended."""
        if not self.is_due:
            return []
        self.outcome, self.recorded_at = WITHDRAWN, at
        return [self._recorded(at=at), self._answered(task=TEST_TASK, outcome=WITHDRAWN, at=at)]

    def close_review(self, *, task_id: str, outcome: str, by: Actor, at: datetime) -> list[Event]:
        """End the review on the word of somebody licensed.

        :raises ReviewNotOpen: when nobody is asked to look at it.
        :raises LicenceNeeded: when whoever looked has no licence.
        """
        if task_id != self._task_id(REVIEW_TASK) or self.review_reason is None or self.reviewed_at:
            raise ReviewNotOpen(field="task_id", rule="an open task")
        check_licence(by)
        self.reviewed_at, self.reviewed_by, self.reviewed_by_credential = at, by.actor_id, by.credential
        return [self._answered(task=REVIEW_TASK, outcome=outcome, at=at)]

    def _told_to_come(self) -> list[Event]:
        # The text asks to call first: nobody here knows whether the site is open, and any day may be drawn.
        deadline_at = self.due_at - NOTICE
        if self.drawn_at >= deadline_at:
            return []
        return [
            MessageWanted(
                patient_id=self.patient_id,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
                notification_id=derived_id(self.test_id, "message"),
                template="PLEASE_COME_TODAY",
                deadline_at=deadline_at,
                wanted_at=self.drawn_at,
            )
        ]

    def concerns(self) -> list[tuple[str, str]]:
        """Return the safety concerns of its result, each with its level: a return to use that can kill."""
        return dangers.in_drug_test(self.positives)

    def _asked_of_result(self, *, at: datetime) -> list[Event]:
        if self.result == "PENDING":
            return [
                self._asked(
                    task=RESULT_TASK,
                    owner=roles.COUNSELOR,
                    next_role=roles.SUPERVISOR,
                    reason="DRUG_TEST_PENDING",
                    due_at=at + RESULT_WITHIN,
                )
            ]
        if self.review_reason is None:
            return []
        return [
            self._asked(
                task=REVIEW_TASK,
                owner=roles.CLINICIAN,
                next_role=roles.SUPERVISOR,
                reason=self.review_reason,
                due_at=at + REVIEWED_WITHIN,
            )
        ]

    def _recorded(self, *, at: datetime) -> Event:
        assert self.outcome is not None  # for the type checker: something came of it
        return DrugTestRecorded(
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            test_id=self.test_id,
            site_id=self.site_id,
            due_on=self.due_on,
            due_at=self.due_at,
            outcome=self.outcome,
            result=self.result,
            recorded_at=at,
        )

    def _task_id(self, task: str) -> str:
        return derived_id(self.test_id, task)

    def _asked(self, *, task: str, owner: str, next_role: str, reason: str, due_at: datetime) -> Event:
        return TaskOpened(
            task_id=self._task_id(task),
            task=task,
            owner_role=owner,
            reason=reason,
            due_at=due_at,
            about_id=self.test_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            next_role=next_role,
        )

    def _answered(self, *, task: str, outcome: str, at: datetime) -> Event:
        return TaskClosed(
            task_id=self._task_id(task),
            task=task,
            outcome=outcome,
            closed_at=at,
            about_id=self.test_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
        )


def drawn(order: Order, episode: Episode, day: date, *, at: datetime) -> DrugTest:
    """Return the test that a day's draw asks for."""
    # For the type checker: the admission told both.
    assert episode.site_id is not None
    assert episode.time_zone is not None
    return DrugTest(
        test_id=derived_id(order.order_id, "drug test", day.isoformat()),
        order_id=order.order_id,
        episode_id=order.episode_id,
        patient_id=order.patient_id,
        journey_id=order.journey_id,
        site_id=episode.site_id,
        due_on=day,
        due_at=moment_of(day, DAY_ENDS_AT, zone=episode.time_zone),
        drawn_at=at,
    )


def local_day(at: datetime, *, zone: str) -> date:
    """Return the day that a site's calendar shows."""
    return at.astimezone(zoneinfo.ZoneInfo(zone)).date()


def moment_of(day: date, at: time, *, zone: str) -> datetime:
    """Return when a site's clock shows a time."""
    return datetime.combine(day, at, tzinfo=zoneinfo.ZoneInfo(zone))


def next_draw_at(now: datetime, *, zone: str) -> datetime:
    """Return the morning after a moment's day."""
    return moment_of(local_day(now, zone=zone) + timedelta(days=1), DRAWN_AT, zone=zone)
