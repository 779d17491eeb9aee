"""Reaching for somebody who did not come: one outreach answers one missed session.

Its steps and their deadlines run in hours, because most people who drop out do so within weeks.
Nothing here discharges anybody: after fourteen silent days a discharge is *proposed* to a human.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Event
from shared.contracts.monitoring import (
    DischargeProposalWithdrawn,
    DischargeProposed,
    OutreachAttempted,
    PatientReengaged,
)
from shared.errors import Conflict
from shared.ids import derived_id

#: Time from the miss to the first attempt. Design default, after published attendance policies.
FIRST_ATTEMPT_WITHIN = timedelta(hours=1)
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


class AttemptBeforeMiss(Conflict):
    """Raised when an attempt is dated before the miss it answers, or in the future."""


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

STEPS = {
    step.task: step
    for step in (
        FIRST_CALL,
        OVERDUE_CALL,
        SAME_DAY_CALL,
        PEER_OUTREACH,
        NALOXONE_OFFER,
        LETTER,
        SUPERVISOR_REVIEW,
    )
}


def first_steps(*, consecutive: int, opioid_history: bool) -> list[Step]:
    """Return what is asked for at once at a miss that is the *consecutive*-th in a row."""
    steps = [FIRST_CALL]
    if consecutive >= 2:
        steps.append(PEER_OUTREACH)
        if opioid_history and consecutive >= OVERDOSE_GUARD_FROM:
            steps.append(NALOXONE_OFFER)
    if consecutive >= 3:
        steps += [LETTER, SUPERVISOR_REVIEW]
    return steps


@dataclass(eq=False, kw_only=True)
class Outreach:
    """The answer to one missed session."""

    outreach_id: str
    episode_id: str
    patient_id: str
    journey_id: str
    seat_id: str
    session_starts_at: datetime
    missed_at: datetime
    consecutive: int
    state: str = OPEN
    #: Tasks that are open, by their codes.
    open_tasks: list[str] = field(default_factory=list)
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
        if step.task in self.open_tasks or not self.is_open:
            return []
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
        return derived_id(self.outreach_id, task)

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

    def close(self, *, how: str, at: datetime) -> list[Event]:
        """End the outreach: there was contact, or there was nothing to answer.

        Where several contacts are known, the earliest one counts, in whatever order they came.
        """
        if not self.is_open:
            if self.closed_at is not None and at < self.closed_at and self.how != "CORRECTED":
                self.how, self.closed_at = how, at
            return []
        events: list[Event] = []
        for task in list(self.open_tasks):
            events += self._close_task(task, outcome="WITHDRAWN", at=at)
        self.state, self.how, self.closed_at = CLOSED, how, at
        if how != "DISCHARGED":
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
