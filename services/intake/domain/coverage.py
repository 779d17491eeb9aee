"""Cover: what payers answered about somebody, what they authorised, and the ledger of units.

One unit is one attended day of intensive outpatient care (H0015, per diem; brief section 7). Running
out of units is told early and never stops care: somebody in danger is seen, and the day is unbilled.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from services.intake.domain import business_days
from services.intake.domain.episodes import Episode
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
#: Business days before the last covered day by which the next review should be with the payer. Brief 7.
REVIEW_BUSINESS_DAYS = 3
#: How long after a denial the payer's physician is talked to. Brief section 7: 24 to 48 hours.
PEER_TO_PEER_WITHIN = timedelta(hours=48)
#: How long a reserved unit waits for word that its day was attended. Design default: a note is signed
#: within a day and co-signed within three more, with a weekend between.
RESERVATION_LAPSES_AFTER = timedelta(days=7)
#: Longest stretch that is authorised at once. Design default: longer, and a date is a slip.
LONGEST_AUTHORIZATION = timedelta(days=366)

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
    tenant_id: str = ""

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

    def low_from(self) -> datetime:
        """Return the moment from which its end is near: so many business days before its last day."""
        return datetime.combine(business_days.before(self.last_on, LOW_BUSINESS_DAYS), time(), tzinfo=UTC)

    def tell_low(self, ledger: Ledger, *, now: datetime) -> list[Event]:
        """Tell once that few units, or few days, are left; the gravest that holds, and none twice."""
        if self.decision != APPROVED:
            return []
        due = [f"UNITS_{mark}" for mark in LOW_UNITS if ledger.remaining <= mark < self.units]
        if self.low_from() <= now:
            due.append(f"DAYS_{LOW_BUSINESS_DAYS}")
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

    def review_task(self, *, now: datetime) -> Task:
        """Return the request to ask the payer for more, with the packet that shows why."""
        by = datetime.combine(business_days.before(self.last_on, REVIEW_BUSINESS_DAYS), time(), tzinfo=UTC)
        return Task(
            task_id=derived_id(self.authorization_id, REVIEW_TASK),
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
