"""The waiting list for admission: who comes next by law, and seats that are offered in that order."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.intake.domain import admissions
from services.intake.domain.episodes import DECIDED, Episode
from services.intake.domain.sites import Site
from services.intake.domain.tasks import Task
from shared.contracts import roles
from shared.contracts.event import Actor
from shared.contracts.intake import (
    ADMISSION_WAIT_STATES,
    AdmissionOfferSettled,
    AdmissionSeatOffered,
    AdmissionWaitBegan,
    AdmissionWaitEnded,
)
from shared.errors import Conflict
from shared.ids import derived_id

WAITING, OFFERED, ACCEPTED, ADMITTED, REMOVED = ADMISSION_WAIT_STATES
#: States in which somebody still waits for a seat, or for the day of their admission.
STILL_WAITING = (WAITING, OFFERED, ACCEPTED)

#: What stands with a seat: nobody has it, it is offered, promised to who accepted, taken, or gone.
FREE, HELD, PROMISED, TAKEN = "FREE", "OFFERED", "PROMISED", "TAKEN"

#: How long somebody has to accept a seat. Design default: long enough to reach them on a working day.
OFFER_LASTS = timedelta(hours=24)

#: How soon somebody is admitted who took a seat: it stands empty meanwhile. Design default.
ADMITTED_WITHIN = timedelta(days=3)

#: The tasks of telling somebody that there is a seat, and of admitting who took one.
OFFER_TASK = "admission_offer"
PROMISED_TASK = "admission_promised"
#: The tasks of reaching somebody who let an offer pass, and of looking at one that somebody else was given.
MISSED_TASK = "admission_offer_missed"
PASSED_OVER_TASK = "waiting_list_passed_over"
#: How soon both are done. Design default.
LOOKED_AT_WITHIN = timedelta(days=1)

#: The order of the law, and its codes: pregnant and injecting, pregnant, injecting, others; then by the
#: date of the request. 45 CFR 96.131 (pregnant women) and 96.126 (people who inject).
PRIORITIES = ("PREGNANT_INJECTING", "PREGNANT", "INJECTING", "OTHER")

#: Days of waiting at which the TEDS code DAYWAIT begins: 0, 1 to 7, 8 to 14, 15 to 30, 31 and more.
#: Source: TEDS-A code book, and brief 1.9.
DAYWAIT_FROM = (0, 1, 8, 15, 31)


class CannotWaitYet(Conflict):
    """Raised when somebody is put on the list who cannot be admitted here, or waits already."""


class NothingOffered(Conflict):
    """Raised when a seat is accepted, or declined, that is not offered any more."""


class NoLongerWaiting(Conflict):
    """Raised when something is to happen to somebody who does not wait any more."""


@dataclass(eq=False, kw_only=True)
class AdmissionSeat:
    """A place in the program that became free; ``wait_id`` is whoever it is offered or promised to."""

    seat_id: str
    site_id: str
    freed_at: datetime
    state: str = FREE
    wait_id: str | None = None
    tenant_id: str = ""


@dataclass(eq=False, kw_only=True)
class AdmissionWait:
    """Somebody who waits to be admitted to a site.

    ``asked_at`` is when they asked for help: the clocks of the law and DAYWAIT count from it.
    ``passed`` holds the seats that were offered to them and that they did not take.
    """

    wait_id: str
    episode_id: str
    patient_id: str
    journey_id: str
    site_id: str
    pregnant: bool
    injecting: bool
    asked_at: datetime
    joined_at: datetime
    state: str = WAITING
    seat_id: str | None = None
    offer_expires_at: datetime | None = None
    offers: int = 0
    passed: list[str] = field(default_factory=list)
    interim_services: list[str] = field(default_factory=list)
    interim_completed_at: datetime | None = None
    extended: bool = False
    ended_at: datetime | None = None
    reason: str | None = None
    ended_by: str | None = None
    ended_by_role: str | None = None
    tenant_id: str = ""

    @property
    def priority(self) -> str:
        """The code of the rank that the law gives."""
        if self.pregnant:
            return "PREGNANT_INJECTING" if self.injecting else "PREGNANT"
        return "INJECTING" if self.injecting else "OTHER"

    @property
    def turn(self) -> tuple[int, datetime, str]:
        """The place in the order: rank, then the date of the request."""
        return PRIORITIES.index(self.priority), self.asked_at, self.wait_id

    @property
    def is_waiting(self) -> bool:
        """Whether somebody still waits."""
        return self.state in STILL_WAITING

    def check_waiting(self) -> None:
        """Refuse what comes too late.

        :raises NoLongerWaiting: when they were admitted or removed.
        """
        if not self.is_waiting:
            raise NoLongerWaiting("Nobody waits here any more.", field="wait_id", rule="somebody who waits")

    def began(self) -> AdmissionWaitBegan:
        """Return the news that somebody waits."""
        return AdmissionWaitBegan(
            **self._whose(), priority=self.priority, asked_at=self.asked_at, joined_at=self.joined_at
        )

    def offer(self, seat: AdmissionSeat, *, now: datetime) -> AdmissionSeatOffered:
        """Keep a seat for them until the offer ends."""
        self.state, self.seat_id, self.offer_expires_at = OFFERED, seat.seat_id, now + OFFER_LASTS
        self.offers += 1
        seat.state, seat.wait_id = HELD, self.wait_id
        return AdmissionSeatOffered(
            **self._whose(),
            seat_id=seat.seat_id,
            priority=self.priority,
            offered_at=now,
            expires_at=self.offer_expires_at,
        )

    def accept(self, seat: AdmissionSeat | None, *, now: datetime) -> AdmissionOfferSettled:
        """Take the seat that is offered; it is kept until the admission.

        :raises NothingOffered: when none is, or the offer has ended.
        """
        return self.promise(self._offered(seat, now=now), now=now)

    def promise(self, seat: AdmissionSeat, *, now: datetime) -> AdmissionOfferSettled:
        """Keep a seat for them until the admission, however late they took it."""
        self.state, self.offer_expires_at = ACCEPTED, None
        seat.state = PROMISED
        return self._settled(seat, outcome="ACCEPTED", now=now)

    def decline(self, seat: AdmissionSeat | None, *, now: datetime) -> AdmissionOfferSettled:
        """Leave the seat to the next; the place on the list stays.

        :raises NothingOffered: when none is offered.
        """
        return self.give_back(self._offered(seat, now=now), outcome="DECLINED", now=now)

    def give_back(self, seat: AdmissionSeat, *, outcome: str, now: datetime) -> AdmissionOfferSettled:
        """Take an offer back; who let it pass is not offered the same seat again."""
        if outcome != "WITHDRAWN":
            self.passed = [*self.passed, seat.seat_id]
        self.state, self.seat_id, self.offer_expires_at = WAITING, None, None
        seat.state, seat.wait_id = FREE, None
        return self._settled(seat, outcome=outcome, now=now)

    def end(
        self, *, state: str, reason: str | None, days: int, actor: Actor, now: datetime
    ) -> AdmissionWaitEnded:
        """Wait no longer: admitted, or removed with a reason.

        :param days: days from the request to now, on the site's calendar.
        """
        self.state, self.reason, self.ended_at = state, reason, now
        self.ended_by, self.ended_by_role = actor.actor_id, actor.role
        self.seat_id = self.offer_expires_at = None
        return AdmissionWaitEnded(
            **self._whose(), outcome=state, reason=reason, days=days, daywait=daywait(days), ended_at=now
        )

    def offer_task(self, *, at: datetime) -> Task:
        """Return the request to tell them that there is a seat, while it is offered."""
        return self._task(task=OFFER_TASK, opened_at=at, due_at=self.offer_expires_at or at)

    def promised_task(self, *, at: datetime) -> Task:
        """Return the request to admit them, once they took the seat."""
        return self._task(task=PROMISED_TASK, opened_at=at, due_at=at + ADMITTED_WITHIN)

    def missed_task(self, *, at: datetime) -> Task:
        """Return the request to reach them: nobody is taken off the list unless they cannot be found."""
        return self._task(task=MISSED_TASK, opened_at=at, due_at=at + LOOKED_AT_WITHIN)

    def missed_task_ids(self) -> list[str]:
        """Return the ids of every request to reach them."""
        return [derived_id(self.wait_id, MISSED_TASK, str(number)) for number in range(1, self.offers + 1)]

    def passed_over_task(self, *, at: datetime) -> Task:
        """Return the request to look at an offer of theirs that somebody else was given."""
        return self._task(
            task=PASSED_OVER_TASK, opened_at=at, due_at=at + LOOKED_AT_WITHIN, owner=roles.SUPERVISOR
        )

    def task_ids(self) -> tuple[str, str]:
        """Return the ids of what is asked because of the offer that was made last."""
        return self._task_id(OFFER_TASK), self._task_id(PROMISED_TASK)

    def _task_id(self, task: str) -> str:
        return derived_id(self.wait_id, task, str(self.offers))

    def _task(
        self, *, task: str, opened_at: datetime, due_at: datetime, owner: str = roles.FRONT_DESK
    ) -> Task:
        return Task(
            task_id=self._task_id(task),
            task=task,
            owner_role=owner,
            next_role=roles.MEDICAL_DIRECTOR if owner == roles.SUPERVISOR else roles.COUNSELOR,
            reason=self.priority,
            about_id=self.wait_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            opened_at=opened_at,
            due_at=due_at,
        )

    def _offered(self, seat: AdmissionSeat | None, *, now: datetime) -> AdmissionSeat:
        expired = self.offer_expires_at is not None and now >= self.offer_expires_at
        if seat is None or self.state != OFFERED or expired:
            raise NothingOffered("No seat is offered now.", field="wait_id", rule="an offer that holds now")
        return seat

    def _settled(self, seat: AdmissionSeat, *, outcome: str, now: datetime) -> AdmissionOfferSettled:
        return AdmissionOfferSettled(**self._whose(), seat_id=seat.seat_id, outcome=outcome, settled_at=now)

    def _whose(self) -> dict[str, str]:
        names = ("patient_id", "episode_id", "journey_id", "wait_id", "site_id")
        return {name: getattr(self, name) for name in names}


def join(
    *,
    wait_id: str,
    episode: Episode,
    site: Site,
    earlier: AdmissionWait | None,
    pregnant: bool,
    injecting: bool,
    asked_at: datetime,
    now: datetime,
) -> AdmissionWait:
    """Put somebody on the list whom a clinician decided to admit here.

    :param earlier: their entry before, if there was one.
    :raises CannotWaitYet: when the level was not decided on, is not given here, or they wait already.
    :raises Conflict: when they are in the program, or the episode has ended.
    """
    episode.check_before_admission()
    here = admissions.is_admissible_level(episode.decided_level, site=site, on=site.local_day(now))
    if episode.state != DECIDED or not here or episode.minor:
        raise CannotWaitYet(
            "The person cannot be admitted here yet.",
            field="episode_id",
            rule="decided on, for an adult, at a level that the site gives",
        )
    if earlier is not None and earlier.is_waiting:
        raise CannotWaitYet("The person waits already.", field="episode_id", rule="once")
    return AdmissionWait(
        wait_id=wait_id,
        episode_id=episode.episode_id,
        patient_id=episode.patient_id,
        journey_id=episode.journey_id,
        site_id=site.site_id,
        pregnant=pregnant,
        injecting=injecting,
        asked_at=asked_at,
        joined_at=now,
    )


def in_order(waits: Iterable[AdmissionWait]) -> list[AdmissionWait]:
    """Return those who wait, the next one first."""
    return sorted((one for one in waits if one.is_waiting), key=lambda one: one.turn)


def match(
    seats: Iterable[AdmissionSeat], waits: Iterable[AdmissionWait]
) -> list[tuple[AdmissionWait, AdmissionSeat]]:
    """Return which free seat is offered to whom: to each seat the next who has not let it pass."""
    free = sorted((seat for seat in seats if seat.state == FREE), key=lambda one: (one.freed_at, one.seat_id))
    queue = [one for one in in_order(waits) if one.state == WAITING]
    found = []
    for seat in free:
        one = next((wait for wait in queue if seat.seat_id not in wait.passed), None)
        if one is not None:
            queue.remove(one)
            found.append((one, seat))
    return found


def last_offered(waits: Iterable[AdmissionWait]) -> AdmissionWait | None:
    """Return who gives way when a seat is taken while offered: the last in the order who has not accepted."""
    offered = [one for one in in_order(waits) if one.state == OFFERED]
    return offered[-1] if offered else None


def days_between(site: Site, *, asked_at: datetime, at: datetime) -> int:
    """Return the days from a request to a moment, on the site's calendar."""
    return max(0, (site.local_day(at) - site.local_day(asked_at)).days)


def daywait(days: int) -> int:
    """Return the code of DAYWAIT for some days of waiting."""
    return max(code for code, least in enumerate(DAYWAIT_FROM) if days >= least)
