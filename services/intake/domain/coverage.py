"""Cover: what payers answered about somebody, what they authorised, and the ledger of units.

One unit is one attended day of intensive outpatient care (H0015, per diem; brief section 7). Running
out of units is told early and never stops care: somebody in danger is seen, and the day is unbilled.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from services.intake.domain import business_days
from services.intake.domain.episodes import Episode
from services.intake.domain.sites import Site
from services.intake.domain.tasks import Task
from shared.contracts import roles
from shared.contracts.event import Event
from shared.contracts.intake import AuthorizationDecided, AuthorizationLow, EligibilityAnswered
from shared.errors import Conflict, InvalidInput
from shared.ids import derived_id

#: Units left at which somebody is told, the first and the second time. Brief section 7.
LOW_UNITS = (5, 3)
#: Business days before the last covered day at which somebody is told. Brief section 7.
LOW_BUSINESS_DAYS = 5
#: The code by which that is told.
DAYS_LOW = f"DAYS_{LOW_BUSINESS_DAYS}"
#: Business days before the last covered day by which the next review should be with the payer. Brief 7.
REVIEW_BUSINESS_DAYS = 3
#: How long after a denial the payer's physician is talked to. Brief section 7: 24 to 48 hours.
PEER_TO_PEER_WITHIN = timedelta(hours=48)
#: How long a reserved unit waits for word that its day was attended. Design default: a note is signed
#: within a day and co-signed within three more, with a weekend between.
RESERVATION_LAPSES_AFTER = timedelta(days=7)
#: Longest stretch that is authorised at once. Design default: longer, and a date is a slip.
LONGEST_AUTHORIZATION = timedelta(days=366)

#: Where the answer of a payer that covers somebody stands.
ACTIVE = "ACTIVE"
APPROVED, DENIED = "APPROVED", "DENIED"
RESERVED, USED = "RESERVED", "USED"

REVIEW_TASK = "authorization_review"
DENIAL_TASK = "authorization_denied"
UNCOVERED_TASK = "day_not_authorized"


class NoUnitLeft(Conflict):
    """Raised when a unit is taken of an authorisation that has none left."""


class DayNotAuthorized(Conflict):
    """Raised when a unit is taken for a day that the authorisation does not cover."""


class DayTakenAlready(Conflict):
    """Raised when a second unit is taken for the same day."""


class NoSuchUnit(Conflict):
    """Raised when a unit is given back that is not reserved."""


@dataclass(eq=False, kw_only=True)
class Coverage:
    """The newest answer of one payer about one person (X12 271). Money is in cents."""

    coverage_id: str
    patient_id: str
    journey_id: str
    payer: str
    #: "ACTIVE" (EB01 is 1), "INACTIVE" (6) or "UNKNOWN".
    status: str
    in_network: bool | None
    needs_authorization: bool
    deductible_left: int | None
    out_of_pocket_left: int | None
    coinsurance_percent: int | None
    copay: int | None
    answered_at: datetime
    member_number: str | None = None
    #: When it paid, as far as answers told: pairs of first and last day in ISO form, each empty where it is
    #: not known or there is none yet. None where a version before kept it, which knew of now only.
    stretches: list[list[str | None]] | None = None
    tenant_id: str = ""

    @property
    def covered(self) -> list[dict[str, date | None]]:
        """When it pays and paid, each stretch with ``first_on`` and ``last_on``."""
        names = ("first_on", "last_on")
        return [
            {name: date.fromisoformat(day) if day else None for name, day in zip(names, one, strict=True)}
            for one in self._known_stretches()
        ]

    def paid_on(self, day: date) -> bool:
        """Tell whether it paid on a day, which an answer about a later day does not change."""
        iso = day.isoformat()
        return any((first or iso) <= iso <= (last or iso) for first, last in self._known_stretches())

    def _known_stretches(self) -> list[list[str | None]]:
        if self.stretches is None:
            return [[None, None]] if self.status == ACTIVE else []
        return self.stretches

    def take_answer(self, *, status: str, first_on: date | None, last_on: date | None, day: date) -> None:
        """Know what the payer answered on a day; days before it stay as they were told, or are told now.

        :raises InvalidInput: when the days that it tells cannot be.
        """
        _check_days(status=status, first_on=first_on, last_on=last_on, day=day)
        known = self._known_stretches()
        # What reaches up to the day of the answer is what the answer is about.
        over = [one for one in known if one[1] is not None and one[1] < day.isoformat()]
        current = next((one for one in known if one not in over), None)
        since: str | None = first_on.isoformat() if first_on else None
        until: str | None = last_on.isoformat() if last_on else None
        if since is None and current is not None:
            since = current[0]
        elif since is None and over and status == ACTIVE:
            since = day.isoformat()
        if status != ACTIVE and until is None:
            until = (day - timedelta(days=1)).isoformat()
        told = status == ACTIVE or current is not None or (last_on is not None and (since or not over))
        stretch = [since, until]
        if told and stretch not in over and (since is None or until is None or since <= until):
            over = [*over, stretch]
        self.status, self.stretches = status, over

    def answered(self) -> Event:
        """Return the news of the answer."""
        return EligibilityAnswered(
            coverage_id=self.coverage_id,
            patient_id=self.patient_id,
            journey_id=self.journey_id,
            status=self.status,
            needs_authorization=self.needs_authorization,
            answered_at=self.answered_at,
        )


def _check_days(*, status: str, first_on: date | None, last_on: date | None, day: date) -> None:
    rule = None
    if first_on is not None and last_on is not None and last_on < first_on:
        rule = "not before first_on"
    elif last_on is not None and (last_on >= day) != (status == ACTIVE):
        rule = "before the day of the answer where it pays no more, and not before it where it pays"
    if rule is not None:
        raise InvalidInput("The cover cannot have ended then.", field="last_on", rule=rule)


@dataclass(eq=False, kw_only=True)
class Unit:
    """A unit of an authorisation that is taken for a day: reserved, or used."""

    authorization_id: str
    served_on: date
    state: str
    taken_at: datetime
    tenant_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What became of the units of an authorisation."""

    authorized: int
    reserved: int
    used: int

    @property
    def remaining(self) -> int:
        """Units that nobody has taken."""
        return self.authorized - self.reserved - self.used


@dataclass(eq=False, kw_only=True)
class Authorization:
    """What a payer decided about some days of care. ``told`` holds the alerts that were given."""

    authorization_id: str
    patient_id: str
    episode_id: str
    journey_id: str
    coverage_id: str
    decision: str
    units: int
    first_on: date
    last_on: date
    decided_at: datetime
    recorded_by: str
    recorded_by_role: str
    recorded_at: datetime
    denial_code: str | None = None
    number: str | None = None
    told: list[str] = field(default_factory=list)
    tenant_id: str = ""

    def count_units(self, taken: Iterable[Unit]) -> Ledger:
        """Count the units."""
        states = [unit.state for unit in taken]
        return Ledger(authorized=self.units, reserved=states.count(RESERVED), used=states.count(USED))

    def take(self, served_on: date, *, taken: Iterable[Unit], now: datetime) -> Unit:
        """Reserve a unit for a day.

        :raises DayNotAuthorized: when the day is not covered, or nothing was approved.
        :raises DayTakenAlready: when the day has its unit.
        :raises NoUnitLeft: when there is none.
        """
        known = list(taken)
        if self.decision != APPROVED or not self.first_on <= served_on <= self.last_on:
            raise DayNotAuthorized("The day is not covered.", field="served_on", rule="a covered day")
        if any(unit.served_on == served_on for unit in known):
            raise DayTakenAlready("The day has its unit.", field="served_on", rule="one unit a day")
        if self.count_units(known).remaining <= 0:
            raise NoUnitLeft(
                "No authorised unit is left; care goes on, and the day is unbilled until more is authorised.",
                field="authorization_id",
                rule="a unit that is left",
            )
        return Unit(authorization_id=self.authorization_id, served_on=served_on, state=RESERVED, taken_at=now)

    def may_take(self, served_on: date, *, taken: Iterable[Unit]) -> bool:
        """Tell whether a unit can be reserved for a day."""
        known = list(taken)
        covered = self.decision == APPROVED and self.first_on <= served_on <= self.last_on
        is_new = all(unit.served_on != served_on for unit in known)
        return covered and is_new and self.count_units(known).remaining > 0

    def end(self, last_on: date) -> None:
        """End before the time, because the payer said so.

        :raises InvalidInput: when the day is not one of its own, or not an earlier one.
        """
        if self.decision != APPROVED or not self.first_on <= last_on < self.last_on:
            raise InvalidInput(
                "The authorisation cannot end then.",
                field="last_on",
                rule="a covered day of an approval, before its last",
            )
        self.last_on = last_on

    def low_from(self, *, site: Site, closed: Collection[date] = ()) -> datetime:
        """Return the moment from which its end is near: so many business days before its last day.

        It is the beginning of that day at the site.

        :param closed: days on which the site keeps a holiday of its own.
        """
        return site.begin_of(business_days.before(self.last_on, LOW_BUSINESS_DAYS, closed=closed))

    def tell_low(self, ledger: Ledger, *, now: datetime) -> list[Event]:
        """Tell once that few units are left, by the lowest mark that is reached, and none twice."""
        return self._tell(self._low_units(ledger), ledger, now=now)

    def tell_ending(self, ledger: Ledger, *, low_from: datetime, now: datetime) -> list[Event]:
        """Tell once that few days are left."""
        due = [DAYS_LOW] if low_from <= now else []
        return self._tell(due, ledger, now=now)

    def _tell(self, due: Iterable[str], ledger: Ledger, *, now: datetime) -> list[Event]:
        if self.decision != APPROVED:
            return []
        new = [code for code in due if code not in self.told]
        # A list of its own, so that the change is seen.
        self.told = [*self.told, *new]
        return [
            AuthorizationLow(
                patient_id=self.patient_id,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
                authorization_id=self.authorization_id,
                reason=code,
                units_left=ledger.remaining,
                last_covered_on=self.last_on,
                found_at=now,
            )
            for code in new
        ]

    def _low_units(self, ledger: Ledger) -> list[str]:
        """Return the code of the lowest mark that is reached, unless it or a lower one was told.

        Of a small approval nothing is low before any of it is taken.
        """
        told = [mark for mark in LOW_UNITS if f"UNITS_{mark}" in self.told]
        reached = [mark for mark in LOW_UNITS if ledger.remaining <= mark and ledger.remaining < self.units]
        lowest = min(reached, default=None)
        if lowest is None or lowest >= min(told, default=lowest + 1):
            return []
        return [f"UNITS_{lowest}"]

    @property
    def review_task_id(self) -> str:
        """The id of the request to ask the payer for more."""
        return derived_id(self.authorization_id, REVIEW_TASK)

    def review_task(self, *, site: Site, closed: Collection[date] = (), now: datetime) -> Task:
        """Return the request to ask the payer for more, with the packet that shows why.

        :param closed: days on which the site keeps a holiday of its own.
        """
        by = site.begin_of(business_days.before(self.last_on, REVIEW_BUSINESS_DAYS, closed=closed))
        return Task(
            task_id=self.review_task_id,
            task=REVIEW_TASK,
            owner_role=roles.FRONT_DESK,
            next_role=roles.SUPERVISOR,
            reason="AUTHORIZATION_LOW",
            about_id=self.authorization_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            opened_at=now,
            due_at=max(by, now + timedelta(days=1)),
        )

    def denial_task(self) -> Task:
        """Return the request to talk to the payer's physician, or to appeal."""
        return Task(
            task_id=derived_id(self.authorization_id, DENIAL_TASK),
            task=DENIAL_TASK,
            owner_role=roles.SUPERVISOR,
            next_role=roles.MEDICAL_DIRECTOR,
            reason="PEER_TO_PEER",
            about_id=self.authorization_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            opened_at=self.recorded_at,
            due_at=max(self.decided_at, self.recorded_at) + PEER_TO_PEER_WITHIN,
        )


def uncovered_task(episode: Episode, *, times: int, begins: datetime, now: datetime) -> Task:
    """Return the request to see to days that are scheduled and that no payer has authorised.

    :param times: how often it was asked in the episode before.
    :param begins: when the first of them begins.
    """
    return Task(
        task_id=derived_id(episode.episode_id, UNCOVERED_TASK, str(times)),
        task=UNCOVERED_TASK,
        owner_role=roles.FRONT_DESK,
        next_role=roles.SUPERVISOR,
        reason="SCHEDULED_BEYOND_AUTHORIZATION",
        about_id=episode.episode_id,
        patient_id=episode.patient_id,
        episode_id=episode.episode_id,
        journey_id=episode.journey_id,
        opened_at=now,
        due_at=max(begins, now + timedelta(hours=1)),
    )


def record(authorization: Authorization) -> list[Event]:
    """Check what a payer decided, and return the news of it.

    :raises InvalidInput: naming each field that breaks a rule.
    """
    problems = []
    one = authorization
    if one.last_on < one.first_on:
        problems.append({"field": "last_on", "rule": "not before first_on"})
    elif one.last_on - one.first_on > LONGEST_AUTHORIZATION:
        problems.append({"field": "last_on", "rule": f"at most {LONGEST_AUTHORIZATION.days} days in all"})
    if one.decided_at > one.recorded_at:
        problems.append({"field": "decided_at", "rule": "may not be in the future"})
    if (one.decision == APPROVED) != (one.units > 0):
        problems.append({"field": "units", "rule": "at least one when approved, none when denied"})
    if (one.decision == DENIED) != (one.denial_code is not None):
        problems.append({"field": "denial_code", "rule": "the payer's reason, when denied"})
    if problems:
        raise InvalidInput("The authorisation is not usable.", problems=tuple(problems))
    return [
        AuthorizationDecided(
            patient_id=one.patient_id,
            episode_id=one.episode_id,
            journey_id=one.journey_id,
            authorization_id=one.authorization_id,
            decision=one.decision,
            units=one.units,
            first_covered_on=one.first_on,
            last_covered_on=one.last_on,
            decided_at=one.decided_at,
        )
    ]
