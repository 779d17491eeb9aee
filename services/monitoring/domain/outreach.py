"""Reaching for somebody who did not come: one outreach answers one missed session.

Its steps and their deadlines run in hours, because most people who drop out do so within weeks.
Nothing here discharges anybody: after fourteen silent days a discharge is *proposed* to a human.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.contracts import roles
from shared.contracts.common import MessageWanted, TaskClosed, TaskOpened
from shared.contracts.event import Event
from shared.contracts.monitoring import (
    DischargeProposalWithdrawn,
    DischargeProposed,
    OutreachAttempted,
    PatientReengaged,
)
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import derived_id

#: Time from the miss to the first attempt. Design default, after published attendance policies.
FIRST_ATTEMPT_WITHIN = timedelta(hours=1)
#: Time from the start of a missed session to a message to the patient. Design default: within the hour
#: (brief 3.3), and not before there was time to correct the mark.
MESSAGE_AFTER = timedelta(minutes=30)
#: Time from the start for which the message is of use: then staff have called. Design default.
MESSAGE_OF_USE_FOR = timedelta(hours=4)
#: Time from the miss to the second attempt, the same day. Design default.
SAME_DAY_CALL_WITHIN = timedelta(hours=4)
#: Time from the second miss in a row to a peer's outreach. Design default.
PEER_OUTREACH_WITHIN = timedelta(hours=24)
#: Time from the third miss in a row to the letter and the supervisor's review. Design default.
LETTER_WITHIN = timedelta(hours=24)
#: Silence after which a letter and a supervisor's review are due. Design default.
SILENCE_UNTIL_LETTER = timedelta(days=7)
#: Silence after which an administrative discharge is proposed. Design default.
SILENCE_UNTIL_PROPOSAL = timedelta(days=14)
#: Misses in a row at which somebody with opioid use is offered naloxone and a bridge of medication.
OVERDOSE_GUARD_FROM = 2
#: TEDS reason of the proposed discharge: dropped out.
DROPPED_OUT = "2"

OPEN = "OPEN"
CLOSED = "CLOSED"


class OutreachClosed(Conflict):
    """Raised when an attempt is logged on an outreach that has ended."""


class AttemptBeforeMiss(InvalidInput):
    """Raised when an attempt is dated before the miss it answers."""


class TaskNotAsked(NotFound):
    """Raised when something is told to be done that the outreach never asked for."""


class TaskNotOpen(Conflict):
    """Raised when something is told to be done that nobody has to do any more."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something a human is asked to do."""

    task: str
    owner_role: str
    next_role: str
    reason: str
    within: timedelta


#: Asked at every miss.
FIRST_CALL = Step(
    task="outreach_call",
    owner_role=roles.COUNSELOR,
    next_role=roles.SUPERVISOR,
    reason="SESSION_MISSED",
    within=FIRST_ATTEMPT_WITHIN,
)
#: Asked when nobody has tried within the first hour.
OVERDUE_CALL = Step(
    task="outreach_call_overdue",
    owner_role=roles.SUPERVISOR,
    next_role=roles.MEDICAL_DIRECTOR,
    reason="FIRST_ATTEMPT_OVERDUE",
    within=SAME_DAY_CALL_WITHIN,
)
#: Asked when the patient was not reached within four hours.
SAME_DAY_CALL = Step(
    task="outreach_call_again",
    owner_role=roles.COUNSELOR,
    next_role=roles.SUPERVISOR,
    reason="NOT_REACHED_YET",
    within=timedelta(hours=8),
)
PEER_OUTREACH = Step(
    task="outreach_peer",
    owner_role=roles.COUNSELOR,
    next_role=roles.SUPERVISOR,
    reason="SECOND_MISS_IN_A_ROW",
    within=PEER_OUTREACH_WITHIN,
)
NALOXONE_OFFER = Step(
    task="naloxone_bridge_offer",
    owner_role=roles.CLINICIAN,
    next_role=roles.MEDICAL_DIRECTOR,
    reason="OPIOID_HISTORY",
    within=PEER_OUTREACH_WITHIN,
)
LETTER = Step(
    task="outreach_letter",
    owner_role=roles.FRONT_DESK,
    next_role=roles.SUPERVISOR,
    reason="THIRD_MISS_IN_A_ROW",
    within=LETTER_WITHIN,
)
SUPERVISOR_REVIEW = Step(
    task="supervisor_review",
    owner_role=roles.SUPERVISOR,
    next_role=roles.MEDICAL_DIRECTOR,
    reason="THIRD_MISS_IN_A_ROW",
    within=LETTER_WITHIN,
)

#: Considered where somebody with opioid use stays away: they may be in danger at home.
WELFARE_CHECK = Step(
    task="welfare_check_consideration",
    owner_role=roles.SUPERVISOR,
    next_role=roles.MEDICAL_DIRECTOR,
    reason="OPIOID_HISTORY",
    within=LETTER_WITHIN,
)
#: Asked after a week without contact, however many sessions were missed.
SILENT_FOR_A_WEEK = (
    replace(LETTER, reason="SILENT_FOR_A_WEEK"),
    replace(SUPERVISOR_REVIEW, reason="SILENT_FOR_A_WEEK"),
)
#: What only a row of misses asks for, and what goes when the row turns out shorter.
_OF_THE_ROW = (PEER_OUTREACH, NALOXONE_OFFER, LETTER, SUPERVISOR_REVIEW, WELFARE_CHECK)


def first_steps(*, consecutive: int, opioid_history: bool) -> list[Step]:
    """Return what is asked for at once at a miss that is the *consecutive*-th in a row."""
    steps = [FIRST_CALL]
    if consecutive >= 2:
        steps.append(PEER_OUTREACH)
        if opioid_history and consecutive >= OVERDOSE_GUARD_FROM:
            steps.append(NALOXONE_OFFER)
    if consecutive >= 3:
        steps += [LETTER, SUPERVISOR_REVIEW]
        if opioid_history:
            steps.append(WELFARE_CHECK)
    return steps


@dataclass(eq=False, kw_only=True)
class Outreach:
    """The answer to one missed session.

    What it is follows from the newest mark of the seat, the contacts with the patient and the
    discharge: whatever the order in which they become known, :meth:`settle` ends in the same state.
    """

    outreach_id: str
    episode_id: str
    patient_id: str
    journey_id: str
    seat_id: str
    session_starts_at: datetime
    #: When the miss that it answers was marked: the newest mark that says so.
    missed_at: datetime
    #: Absences in a row, as they stand now.
    consecutive: int
    #: Revision of the mark that it answers: a seat may be marked as missed, corrected and missed again.
    revision: int = 0
    state: str = OPEN
    #: Tasks that are open, by their codes, and those that were asked for since the miss.
    open_tasks: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    #: When a week without contact was noticed.
    silent_since: datetime | None = None
    attempts: int = 0
    first_attempt_at: datetime | None = None
    #: "ATTENDED", "REACHED", "CORRECTED" or "DISCHARGED".
    how: str | None = None
    closed_at: datetime | None = None
    tenant_id: str = ""

    @property
    def first_attempt_due_at(self) -> datetime:
        """By when somebody must have tried."""
        return self.missed_at + FIRST_ATTEMPT_WITHIN

    @property
    def is_open(self) -> bool:
        """Whether somebody is still to be reached."""
        return self.state == OPEN

    def ask(self, step: Step, *, at: datetime) -> list[Event]:
        """Ask a human to do something; nothing when it was asked already."""
        if step.task in self.asked or not self.is_open:
            return []
        self.asked = sorted([*self.asked, step.task])
        self.open_tasks = sorted([*self.open_tasks, step.task])
        return [
            TaskOpened(
                task_id=self.task_id(step.task),
                task=step.task,
                owner_role=step.owner_role,
                reason=step.reason,
                due_at=at + step.within,
                about_id=self.outreach_id,
                patient_id=self.patient_id,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
                next_role=step.next_role,
            )
        ]

    def task_id(self, task: str) -> str:
        """Return the id of one of the outreach's tasks."""
        return derived_id(self.outreach_id, task, str(self.revision))

    def log(self, *, channel: str, outcome: str, at: datetime) -> list[Event]:
        """Log an attempt to reach the patient.

        :raises OutreachClosed: when the outreach has ended.
        :raises AttemptBeforeMiss: when it is dated before the miss.
        """
        if not self.is_open:
            raise OutreachClosed(rule="an attempt belongs to an open outreach")
        if at < self.missed_at:
            raise AttemptBeforeMiss(field="attempted_at", rule="not before the miss")
        self.attempts += 1
        if self.first_attempt_at is None or at < self.first_attempt_at:
            self.first_attempt_at = at
        events: list[Event] = [
            OutreachAttempted(
                patient_id=self.patient_id,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
                outreach_id=self.outreach_id,
                attempt=self.attempts,
                channel=channel,
                outcome=outcome,
                seat_id=self.seat_id,
                missed_at=self.missed_at,
                attempted_at=at,
            )
        ]
        done = {"LETTER": [LETTER.task]}.get(
            channel, [FIRST_CALL.task, OVERDUE_CALL.task, SAME_DAY_CALL.task]
        )
        for task in done:
            events += self._close_task(task, outcome="DONE", at=at)
        return events

    def close_task(self, *, task_id: str, task: str, outcome: str, at: datetime) -> list[Event]:
        """Note that somebody did what no logged attempt shows.

        :raises TaskNotAsked: when it was never asked for.
        :raises TaskNotOpen: when it was done, or nobody has to any more.
        """
        if task_id != self.task_id(task):
            raise TaskNotAsked(field="task_id", rule="a task of the outreach")
        if task not in self.open_tasks:
            raise TaskNotOpen(field="task_id", rule="an open task")
        return self._close_task(task, outcome=outcome, at=at)

    def _close_task(self, task: str, *, outcome: str, at: datetime) -> list[Event]:
        if task not in self.open_tasks:
            return []
        self.open_tasks = [other for other in self.open_tasks if other != task]
        return [
            TaskClosed(
                task_id=self.task_id(task),
                task=task,
                outcome=outcome,
                closed_at=at,
                about_id=self.outreach_id,
                patient_id=self.patient_id,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
            )
        ]

    @property
    def message_due_at(self) -> datetime | None:
        """When the patient is to be written to; None when the miss became known too late for that."""
        due_at = max(self.session_starts_at + MESSAGE_AFTER, self.missed_at)
        return due_at if due_at < self.session_starts_at + MESSAGE_OF_USE_FOR else None

    def ask_patient_to_call(self, *, now: datetime) -> list[Event]:
        """Have a message sent after a first miss that nobody has answered; later ones are for humans."""
        deadline_at = self.session_starts_at + MESSAGE_OF_USE_FOR
        if not self.is_open or self.consecutive != 1 or now >= deadline_at:
            return []
        return [
            MessageWanted(
                patient_id=self.patient_id,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
                notification_id=derived_id(self.outreach_id, "message", str(self.revision)),
                template="PLEASE_CALL_US",
                deadline_at=deadline_at,
                wanted_at=now,
            )
        ]

    def is_answered_by(self, *, how: str, at: datetime) -> bool:
        """Whether a contact of that moment answers the miss."""
        return at > self.session_starts_at if how == "ATTENDED" else at >= self.missed_at

    def miss_again(self, *, missed_at: datetime, revision: int) -> list[Event]:
        """Answer a newer mark that says the session was missed; an older one changes nothing."""
        if revision <= self.revision:
            return []
        events = self._withdraw(self.open_tasks, at=missed_at)
        self.asked, self.first_attempt_at, self.silent_since = [], None, None
        self.state, self.missed_at, self.revision = OPEN, missed_at, revision
        return events

    def settle(
        self, *, answer: tuple[datetime, str] | None, consecutive: int, opioid_history: bool
    ) -> list[Event]:
        """Be open or closed as the facts have it, and ask for what they ask for.

        :param answer: the earliest contact or end that answers the miss, and how; None when there is
            none.
        """
        self.consecutive = consecutive
        if answer is not None:
            return self._close(how=answer[1], at=answer[0])
        self.state, self.how, self.closed_at = OPEN, None, None
        steps = first_steps(consecutive=consecutive, opioid_history=opioid_history)
        wanted = [step.task for step in steps]
        unwanted = [step.task for step in _OF_THE_ROW if step.task not in wanted and self._is_of_row(step)]
        events = self._withdraw(unwanted, at=self.missed_at)
        self.asked = [task for task in self.asked if task not in unwanted]
        for step in steps:
            events += self.ask(step, at=self.missed_at)
        return events

    def _is_of_row(self, step: Step) -> bool:
        # After a silent week the letter and the review stay, whatever becomes of the row.
        return step.task in self.asked and not (
            self.silent_since is not None and step.task in (LETTER.task, SUPERVISOR_REVIEW.task)
        )

    def fall_silent(self, *, at: datetime) -> list[Event]:
        """Ask for a letter and a supervisor's review: a week has passed without contact."""
        if not self.is_open:
            return []
        self.silent_since = self.silent_since or at
        return [event for step in SILENT_FOR_A_WEEK for event in self.ask(step, at=at)]

    def _withdraw(self, tasks: list[str], *, at: datetime) -> list[Event]:
        events: list[Event] = []
        for task in list(tasks):
            events += self._close_task(task, outcome="WITHDRAWN", at=at)
        return events

    def _close(self, *, how: str, at: datetime) -> list[Event]:
        was_open, self.state, self.how, self.closed_at = self.is_open, CLOSED, how, at
        events = self._withdraw(self.open_tasks, at=at)
        # Nobody was asked to reach somebody who was in contact before the miss became known.
        asked, self.asked, self.silent_since = self.asked, [], None
        if was_open and asked and how != "DISCHARGED":
            events.append(
                PatientReengaged(
                    patient_id=self.patient_id,
                    episode_id=self.episode_id,
                    journey_id=self.journey_id,
                    outreach_id=self.outreach_id,
                    how=how,
                    reengaged_at=at,
                )
            )
        return events


@dataclass(eq=False, kw_only=True)
class Proposal:
    """An administrative discharge, proposed to a human after two weeks of silence."""

    proposal_id: str
    episode_id: str
    patient_id: str
    journey_id: str
    last_contact_at: datetime
    proposed_at: datetime
    withdrawn_at: datetime | None = None
    tenant_id: str = ""

    def announced(self) -> Event:
        """Return the proposal as an event."""
        return DischargeProposed(
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            proposal_id=self.proposal_id,
            reason_code=DROPPED_OUT,
            last_contact_at=self.last_contact_at,
            proposed_at=self.proposed_at,
        )

    def withdraw(self, *, at: datetime) -> list[Event]:
        """Take the proposal back: there is contact again."""
        if self.withdrawn_at is not None:
            return []
        self.withdrawn_at = at
        return [
            DischargeProposalWithdrawn(
                patient_id=self.patient_id,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
                proposal_id=self.proposal_id,
                withdrawn_at=at,
            )
        ]
