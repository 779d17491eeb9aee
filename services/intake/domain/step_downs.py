"""A step-down from inpatient care: contact within 3 days, the first service within 7, and what came along."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from services.intake.domain.episodes import Episode, EpisodeClosed
from services.intake.domain.fit import STEP_DOWN_FROM
from services.intake.domain.sites import Site
from services.intake.domain.tasks import Task
from shared.contracts import roles
from shared.contracts.event import Event
from shared.contracts.intake import (
    DischargeSummaryReceived,
    DischargeSummaryRequested,
    EarlierPlanImported,
    StepDownReferralReceived,
    StepDownServed,
    StepDownServiceBreached,
)
from shared.errors import Conflict, InvalidInput
from shared.ids import derived_id

#: Days after the discharge within which somebody is contacted. Brief 1.7, design default.
CONTACT_WITHIN_DAYS = 3
#: Days after the discharge within which the first service is given. HEDIS FUI, 7 days (brief 1.7).
SERVICE_WITHIN_DAYS = 7
#: How soon the earlier program's summary is asked for, and expected. Design default.
SUMMARY_WITHIN = timedelta(days=2)
#: Time for whoever is asked once a deadline has passed. Design default.
ESCALATED_WITHIN = timedelta(hours=4)
#: How far ahead a discharge may be planned, and how far back it may lie. Design default.
PLANNED_AT_MOST_DAYS = 30
OLDEST_DAYS = 365

CONTACT_TASK = "step_down_contact"
SERVICE_TASK = "step_down_service"
SUMMARY_TASK = "discharge_summary"


class SummaryReceivedAlready(Conflict):
    """Raised when an earlier program's summary is recorded a second time."""


@dataclass(eq=False, kw_only=True)
class StepDown:
    """Somebody who comes from residential or inpatient care.

    ``earlier_plan`` holds codes only: what they worked on, learned and have to beware of. ``words`` are
    the earlier program's own, sealed. ``served_days`` are the days with a service, as ISO dates.
    """

    step_down_id: str
    episode_id: str
    patient_id: str
    journey_id: str
    site_id: str
    prior_level: str
    discharged_on: date
    received_at: datetime
    contact_due_at: datetime
    service_due_at: datetime
    contacted_at: datetime | None = None
    breached_at: datetime | None = None
    served_days: list[str] = field(default_factory=list)
    summary_due_at: datetime | None = None
    summary_received_at: datetime | None = None
    medications_reconciled: bool = False
    earlier_plan: dict[str, Any] | None = None
    words: str | None = None
    tenant_id: str = ""

    @property
    def served_on(self) -> date | None:
        """The day of the first service, once there was one."""
        return date.fromisoformat(min(self.served_days)) if self.served_days else None

    @property
    def served_in_time(self) -> bool:
        """Whether the first service came within the seven days."""
        served_on = self.served_on
        return served_on is not None and (served_on - self.discharged_on).days <= SERVICE_WITHIN_DAYS

    def note_contact(self, *, at: datetime) -> bool:
        """Note that somebody was contacted; return whether it was the first time."""
        if self.contacted_at is not None:
            return False
        self.contacted_at = at
        return True

    def note_service(self, *, on: date, given: bool, at: datetime) -> list[Event]:
        """Note a day with a service, or that there was none after all; tell what that changes.

        A first service that comes to be known late, though it was given in time, takes a breach back.
        """
        before = (self.served_on, self.served_in_time)
        days = {*self.served_days, on.isoformat()} if given else {*self.served_days} - {on.isoformat()}
        self.served_days = sorted(days)
        if (self.served_on, self.served_in_time) == before:
            return []
        if self.served_on is None:
            return self.breach(at=at) if at >= self.service_due_at else []
        if self.served_in_time:
            self.breached_at = None
        return [
            StepDownServed(**self._whose(), served_on=self.served_on, in_time=self.served_in_time, told_at=at)
        ]

    def breach(self, *, at: datetime) -> list[Event]:
        """Tell that nobody was served within the seven days; once, while that stands."""
        if self.served_in_time or self.breached_at is not None:
            return []
        self.breached_at = at
        return [
            StepDownServiceBreached(
                **self._whose(),
                discharged_on=self.discharged_on,
                service_due_at=self.service_due_at,
                breached_at=at,
            )
        ]

    def receive_summary(self, *, medications_reconciled: bool, at: datetime) -> list[Event]:
        """Note that the earlier program's summary is here.

        :raises SummaryReceivedAlready: when it was noted before.
        """
        if self.summary_received_at is not None:
            raise SummaryReceivedAlready("The summary is here.", field="step_down_id", rule="once")
        self.summary_received_at, self.medications_reconciled = at, medications_reconciled
        return [DischargeSummaryReceived(**self._whose(), received_at=at)]

    def import_plan(self, codes: dict[str, list[str]], *, words: str | None, at: datetime) -> list[Event]:
        """Take the earlier plan over, for monitoring to begin with as version 0; a newer one replaces it."""
        self.earlier_plan = {name: list(dict.fromkeys(listed)) for name, listed in codes.items()}
        if words is not None:
            self.words = words
        return [
            EarlierPlanImported(
                **self._whose(),
                problems=tuple(self.earlier_plan["problems"]),
                modalities=tuple(self.earlier_plan["modalities"]),
                skills=tuple(self.earlier_plan["skills"]),
                triggers=tuple(self.earlier_plan["triggers"]),
                imported_at=at,
            )
        ]

    def tasks(self) -> list[Task]:
        """Return what is asked of humans at the beginning."""
        return [
            self._task(task=CONTACT_TASK, opened_at=self.received_at, due_at=self.contact_due_at),
            self._task(
                task=SUMMARY_TASK,
                opened_at=self.received_at,
                due_at=self.summary_due_at or self.received_at + SUMMARY_WITHIN,
            ),
        ]

    def contact_late(self, *, at: datetime) -> Task:
        """Return the supervisor's request, when nobody has contacted the person in time."""
        return self._task(task=CONTACT_TASK, opened_at=at, due_at=at + ESCALATED_WITHIN, late=True)

    def service_late(self, *, at: datetime) -> Task:
        """Return the supervisor's request, when there has been no service in time."""
        return self._task(task=SERVICE_TASK, opened_at=at, due_at=at + ESCALATED_WITHIN, late=True)

    def task_id(self, task: str, *, reason: str = "STEP_DOWN") -> str:
        """Return the id of something asked because of the step-down."""
        return derived_id(self.step_down_id, task, reason)

    def task_ids(self, task: str) -> tuple[str, str]:
        """Return the ids under which something can have been asked: in time, and late."""
        return self.task_id(task), self.task_id(task, reason="DEADLINE_PASSED")

    def _task(self, *, task: str, opened_at: datetime, due_at: datetime, late: bool = False) -> Task:
        reason = "DEADLINE_PASSED" if late else "STEP_DOWN"
        return Task(
            task_id=self.task_id(task, reason=reason),
            task=task,
            owner_role=roles.SUPERVISOR if late else roles.FRONT_DESK,
            next_role=roles.MEDICAL_DIRECTOR if late else roles.SUPERVISOR,
            reason=reason,
            about_id=self.step_down_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            opened_at=opened_at,
            due_at=due_at,
        )

    def _whose(self) -> dict[str, str]:
        names = ("patient_id", "episode_id", "journey_id", "step_down_id")
        return {name: getattr(self, name) for name in names}


def receive(
    *,
    step_down_id: str,
    episode: Episode,
    site: Site,
    prior_level: str,
    discharged_on: date,
    received_at: datetime,
) -> tuple[StepDown, list[Event]]:
    """Begin the clocks of somebody who comes from inpatient care; they count from their discharge.

    :raises EpisodeClosed: when the episode has ended, so that nobody would be followed.
    :raises InvalidInput: when the level is none that one steps down from, or the day is impossible.
    """
    if not episode.is_open:
        raise EpisodeClosed(
            "The episode has ended.", field="episode_id", rule="an open episode: refer the person anew"
        )
    if prior_level not in STEP_DOWN_FROM:
        raise InvalidInput(
            "Nobody steps down from there.",
            field="prior_level",
            rule=f"one of {', '.join(STEP_DOWN_FROM)}",
        )
    ahead = (discharged_on - site.local_day(received_at)).days
    if not -OLDEST_DAYS <= ahead <= PLANNED_AT_MOST_DAYS:
        raise InvalidInput(
            "The discharge cannot be on that day.",
            field="discharged_on",
            rule=f"at most {PLANNED_AT_MOST_DAYS} days ahead and {OLDEST_DAYS} back",
        )
    found = StepDown(
        step_down_id=step_down_id,
        episode_id=episode.episode_id,
        patient_id=episode.patient_id,
        journey_id=episode.journey_id,
        site_id=site.site_id,
        prior_level=prior_level,
        discharged_on=discharged_on,
        received_at=received_at,
        # As the last of those days ends.
        contact_due_at=site.begin_of(discharged_on + timedelta(days=CONTACT_WITHIN_DAYS + 1)),
        service_due_at=site.begin_of(discharged_on + timedelta(days=SERVICE_WITHIN_DAYS + 1)),
        summary_due_at=received_at + SUMMARY_WITHIN,
    )
    whose = {
        "patient_id": found.patient_id,
        "episode_id": found.episode_id,
        "journey_id": found.journey_id,
        "step_down_id": step_down_id,
    }
    return found, [
        StepDownReferralReceived(
            **whose,
            site_id=site.site_id,
            prior_level=prior_level,
            discharged_on=discharged_on,
            contact_due_at=found.contact_due_at,
            service_due_at=found.service_due_at,
            received_at=received_at,
        ),
        DischargeSummaryRequested(**whose, requested_at=received_at, due_at=received_at + SUMMARY_WITHIN),
    ]
