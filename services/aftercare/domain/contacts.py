"""Contacts after a discharge: continuing-care calls of graduates, and follow-ups of everybody."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from services.aftercare.domain.episodes import Episode
from shared.contracts.aftercare import AftercareContactCompleted, AftercareContactDue
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Event
from shared.contracts.roles import COUNSELOR, SUPERVISOR
from shared.errors import Conflict, InvalidInput
from shared.ids import derived_id

CALL = "CALL"
FOLLOW_UP = "FOLLOW_UP"

#: Weekly calls at first. Telephone monitoring and adaptive counselling (McKay), weeks 1 to 8.
WEEKLY_CALLS = 8
#: Then twice a month up to this day after the graduation. The same source, to month 12.
TWICE_MONTHLY_UNTIL_DAY = 365
#: Days between calls twice a month.
TWICE_MONTHLY_DAYS = 15
#: Then monthly up to this day: two years. Design default; published programs ran 18 to 24 months.
MONTHLY_UNTIL_DAY = 730
#: Days between monthly calls.
MONTHLY_DAYS = 30
#: Days by which a call may be early or late: each window closes before the next one opens.
#: Design default.
CALL_WINDOW_DAYS = {7: 3, TWICE_MONTHLY_DAYS: 7, MONTHLY_DAYS: 14}

#: Days after the discharge on which people are followed up, and by how many days it may be early or
#: late. 30 to 365 after the NOMs and GPRA follow-up windows; design default.
FOLLOW_UP_WINDOW_DAYS = {7: 3, 30: 7, 90: 14, 180: 30, 365: 30}

#: The hour of the program's day at which a contact falls due. Design default.
OFFICE_OPENS = time(9, 0)
#: Attempts without an answer after which somebody counts as lost to this contact.
#: GPRA-style follow-up practice: at least six attempts.
TRIES_BEFORE_LOST = 6

PLANNED = "PLANNED"
DUE = "DUE"
REACHED = "REACHED"
LOST = "LOST"
REFUSED = "REFUSED"
DECEASED = "DECEASED"
NOT_CONSENTED = "NOT_CONSENTED"
CANCELLED = "CANCELLED"


class NotDueYet(Conflict):
    """Raised when a contact is attempted before its window opens."""


class ContactAlreadyEnded(Conflict):
    """Raised when a contact that reached its end is attempted again."""


class ToldByNobody(InvalidInput):
    """Raised when use or a need for help is recorded of somebody who was not reached."""


class NoConsentToFollowUp(Conflict):
    """Raised when a follow-up is attempted that the patient did not consent to."""


@dataclass(eq=False, kw_only=True)
class Contact:
    """One planned call or follow-up, from its planning to its end."""

    contact_id: str
    episode_id: str
    patient_id: str
    journey_id: str
    kind: str
    #: Number of the call, or days after the discharge.
    number: int
    #: The graduation or discharge that due days are counted from.
    counted_from: datetime
    window_opens_at: datetime
    due_at: datetime
    window_closes_at: datetime
    status: str = PLANNED
    tries: int = 0
    ended_at: datetime | None = None
    tenant_id: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more happens with it."""
        return self.status not in (PLANNED, DUE)

    def become_due(self, *, now: datetime) -> list[Event]:
        """Ask a counselor to make the contact."""
        if self.status != PLANNED:
            return []
        self.status = DUE
        return [
            AftercareContactDue(
                patient_id=self.patient_id,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
                contact_id=self.contact_id,
                kind=self.kind,
                number=self.number,
                due_at=self.due_at,
                window_closes_at=self.window_closes_at,
            ),
            TaskOpened(
                task_id=derived_id(self.contact_id, "task"),
                task="aftercare_contact",
                owner_role=COUNSELOR,
                reason=self.kind,
                due_at=self.window_closes_at,
                about_id=self.contact_id,
                patient_id=self.patient_id,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
                next_role=SUPERVISOR,
            ),
        ]

    def attempt(self, *, outcome: str, now: datetime) -> list[Event]:
        """Count an attempt to reach the patient; no answer for the sixth time ends it as LOST.

        :raises NotDueYet: before the window opens.
        :raises NoConsentToFollowUp: when the patient did not consent.
        :raises ContactAlreadyEnded: when it has ended.
        """
        if self.status == NOT_CONSENTED:
            raise NoConsentToFollowUp("The patient did not consent to follow-up.")
        if self.ended:
            raise ContactAlreadyEnded("The contact has ended already.")
        if now < self.window_opens_at:
            raise NotDueYet("The window of this contact has not opened yet.")
        # Somebody may be early, within the window; then it falls due now.
        events = self.become_due(now=now)
        self.tries += 1
        if outcome != "NO_ANSWER":
            return events + self._end(outcome, at=now)
        if self.tries >= TRIES_BEFORE_LOST:
            return events + self._end(LOST, at=now)
        return events

    def close_window(self) -> list[Event]:
        """End it as lost because its window is over: silence is never success."""
        if self.ended:
            return []
        return self._end(LOST, at=self.window_closes_at)

    def stop(self, *, at: datetime) -> list[Event]:
        """Cancel it if its window was still open, or ahead, when the patient came back or died.

        Of several reasons to stop the earliest counts, whichever is told first.
        """
        if self.status == CANCELLED and self.ended_at is not None:
            self.ended_at = min(self.ended_at, at)
        if self.ended or self.window_closes_at < at:
            return []
        was_due = self.status == DUE
        self.status, self.ended_at = CANCELLED, at
        return [self._task_closed("WITHDRAWN", at=at)] if was_due else []

    def _end(self, outcome: str, *, at: datetime) -> list[Event]:
        was_due = self.status == DUE
        self.status, self.ended_at = outcome, at
        completed = AftercareContactCompleted(
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            contact_id=self.contact_id,
            kind=self.kind,
            number=self.number,
            outcome=outcome,
            completed_at=at,
        )
        return [completed, self._task_closed("DONE", at=at)] if was_due else [completed]

    def _task_closed(self, outcome: str, *, at: datetime) -> TaskClosed:
        return TaskClosed(
            task_id=derived_id(self.contact_id, "task"),
            task="aftercare_contact",
            outcome=outcome,
            closed_at=at,
            about_id=self.contact_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
        )


@dataclass(eq=False, kw_only=True)
class Attempt:
    """One attempt to reach a patient, by a person."""

    attempt_id: str
    contact_id: str
    number: int
    channel: str
    outcome: str
    made_by: str
    role: str
    attempted_at: datetime
    tenant_id: str = ""


def outcome_of(*, outcome: str, used: bool, need_help: bool) -> str:
    """Return the outcome of an attempt.

    :raises ToldByNobody: when the patient is to have told something without having been reached.
    """
    if (used or need_help) and outcome != REACHED:
        raise ToldByNobody(field="outcome", rule="REACHED, where use or a need for help is recorded")
    return outcome


def call_days() -> list[tuple[int, int]]:
    """Return the day after the graduation of each call in order, and its window in days."""
    days = [7 * week for week in range(1, WEEKLY_CALLS + 1)]
    intervals = [7] * WEEKLY_CALLS
    for interval, until in ((TWICE_MONTHLY_DAYS, TWICE_MONTHLY_UNTIL_DAY), (MONTHLY_DAYS, MONTHLY_UNTIL_DAY)):
        while days[-1] + interval <= until:
            days.append(days[-1] + interval)
            intervals.append(interval)
    return [(day, CALL_WINDOW_DAYS[interval]) for day, interval in zip(days, intervals, strict=True)]


def plan_call(*, episode: Episode, discharge_id: str, number: int, graduated_at: datetime) -> Contact | None:
    """Plan the call of that number, from 1; None when there are no more."""
    calls = call_days()
    if number > len(calls):
        return None
    day, leeway = calls[number - 1]
    return _plan(
        episode,
        contact_id=derived_id(discharge_id, CALL, str(number)),
        kind=CALL,
        number=number,
        counted_from=graduated_at,
        days=day,
        leeway=leeway,
    )


def plan_follow_ups(*, episode: Episode, discharge_id: str, discharged_at: datetime) -> list[Contact]:
    """Plan every follow-up after a discharge, in order; without consent they are only recorded."""
    planned = []
    for days, leeway in FOLLOW_UP_WINDOW_DAYS.items():
        contact = _plan(
            episode,
            contact_id=derived_id(discharge_id, FOLLOW_UP, str(days)),
            kind=FOLLOW_UP,
            number=days,
            counted_from=discharged_at,
            days=days,
            leeway=leeway,
        )
        if not episode.follow_up_consent:
            contact.status, contact.ended_at = NOT_CONSENTED, discharged_at
        planned.append(contact)
    return planned


def _plan(
    episode: Episode,
    *,
    contact_id: str,
    kind: str,
    number: int,
    counted_from: datetime,
    days: int,
    leeway: int,
) -> Contact:
    day = episode.local_day(counted_from) + timedelta(days=days)
    return Contact(
        contact_id=contact_id,
        episode_id=episode.episode_id,
        patient_id=episode.patient_id,
        journey_id=episode.journey_id,
        kind=kind,
        number=number,
        counted_from=counted_from,
        window_opens_at=episode.at_local(day - timedelta(days=leeway), time(0, 0)),
        due_at=episode.at_local(day, OFFICE_OPENS),
        window_closes_at=episode.at_local(day + timedelta(days=leeway + 1), time(0, 0)),
    )
