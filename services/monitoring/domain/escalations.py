"""Getting a human to act on a danger in time (design default, after published crisis protocols).

There is one open escalation for each patient and cause. Evidence is added to it; its level may rise
by itself and never falls; only a human closes it, with a disposition. It needs no earlier record of
the patient, and the hour of the day never delays levels E3 and E4.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Actor, Event, write_moment
from shared.contracts.monitoring import (
    ESCALATION_LEVELS,
    EscalationAcknowledged,
    EscalationBreached,
    EscalationClosed,
    EscalationOpened,
    EscalationRaised,
    SafetyConcernTaken,
)
from shared.errors import Conflict, Forbidden, NotFound
from shared.ids import derived_id

OPEN = "OPEN"
ACKNOWLEDGED = "ACKNOWLEDGED"
CLOSED = "CLOSED"


#: Who is asked besides the roles of people: whoever has the duty, and all of the staff.
ON_CALL = roles.ON_CALL
EVERYONE = roles.EVERYONE

#: Most times that the pause before the last tier is asked again doubles, where nobody is in danger.
PAUSE_DOUBLES_AT_MOST = 8
#: For how long everybody is reminded of a danger as often as it is to be acknowledged. Design default.
REMINDED_CLOSELY_FOR = timedelta(days=1)
#: How often after that: who was paged for a day every five minutes has put the pager away.
REMINDED_LATER_EVERY = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How soon a level is to be acknowledged and acted on, and who is asked when nobody does.

    ``tiers`` are roles with the time after which each is asked, while nobody has acknowledged.
    """

    acknowledge_within: timedelta | None
    act_within: timedelta
    tiers: tuple[tuple[str, timedelta], ...]


#: Deadlines and tiers of each level. Design default.
TERMS = {
    "E0": Terms(
        acknowledge_within=None, act_within=timedelta(days=7), tiers=((roles.COUNSELOR, timedelta(0)),)
    ),
    # One business day in the brief; 24 hours here, where nothing opens an E1 yet (decision 0023).
    "E1": Terms(
        acknowledge_within=timedelta(days=1),
        act_within=timedelta(days=1),
        tiers=((roles.COUNSELOR, timedelta(0)), (roles.SUPERVISOR, timedelta(days=1))),
    ),
    "E2": Terms(
        acknowledge_within=timedelta(hours=4),
        act_within=timedelta(hours=12),
        tiers=(
            (roles.COUNSELOR, timedelta(0)),
            (roles.SUPERVISOR, timedelta(hours=4)),
            (ON_CALL, timedelta(hours=6)),
        ),
    ),
    "E3": Terms(
        acknowledge_within=timedelta(minutes=30),
        act_within=timedelta(minutes=60),
        tiers=(
            (roles.CLINICIAN, timedelta(0)),
            (ON_CALL, timedelta(minutes=30)),
            (roles.MEDICAL_DIRECTOR, timedelta(minutes=60)),
        ),
    ),
    "E4": Terms(
        acknowledge_within=timedelta(minutes=5),
        act_within=timedelta(minutes=15),
        tiers=(
            (ON_CALL, timedelta(0)),
            (EVERYONE, timedelta(minutes=5)),
            (roles.MEDICAL_DIRECTOR, timedelta(minutes=10)),
        ),
    ),
}

#: Levels that only a licensed human ends, and that stand against a graduation.
DANGERS = ("E3", "E4")

#: What is to be done about a danger besides looking at it, and who is asked: after a return to use or
#: an overdose the next dose can kill, weekends included. Safety rule.
SAFETY_TASKS = {
    "RETURN_TO_USE": (("overdose_check", roles.CLINICIAN), ("naloxone", roles.CLINICIAN)),
    "OVERDOSE": (("overdose_check", roles.CLINICIAN), ("naloxone", roles.CLINICIAN)),
}

#: The names of all of them.
ALL_SAFETY_TASKS = frozenset(task for tasks in SAFETY_TASKS.values() for task, _ in tasks)

#: Lines shown with every answer that carries risk: public numbers of the United States.
CRISIS_LINES = {
    "call_or_text_988": "988 Suicide and Crisis Lifeline; press 1 for veterans; Spanish on request.",
    "call_911": "Emergency, overdose.",
    "samhsa_helpline": "1-800-662-4357",
    "poison_help": "1-800-222-1222",
}


def crisis_lines(*, emergency_line: str | None) -> dict[str, str]:
    """Return who helps now: the program's own number first, where it is known. Safety rule."""
    own = {"program_emergency_line": emergency_line} if emergency_line else {}
    return own | CRISIS_LINES


class EscalationIsClosed(Conflict):
    """Raised when a closed escalation is acknowledged or closed again."""


class NotAcknowledgedYet(Conflict):
    """Raised when an escalation is closed that nobody has taken."""


class ClosureNeedsLicence(Forbidden):
    """Raised when somebody without a clinical licence ends a danger, or sees to it."""


class NoSuchTask(NotFound):
    """Raised when something is told to be done that was never asked for."""


class TaskClosedAlready(Conflict):
    """Raised when something is told to be done that nobody has to do any more."""


@dataclass(eq=False, kw_only=True)
class Escalation:
    """A danger that a human must answer."""

    escalation_id: str
    patient_id: str
    cause: str
    level: str
    opened_at: datetime
    #: Since when it has had its level: the deadlines count from here.
    level_since: datetime
    episode_id: str | None = None
    journey_id: str | None = None
    state: str = OPEN
    tier: int = 0
    #: Ids of what was answered, measured or reported.
    evidence: list[str] = field(default_factory=list)
    #: When the present level was taken; a raise asks for it anew.
    acknowledged_at: datetime | None = None
    #: Who took it last, at whatever level.
    acknowledged_by: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    closed_by_role: str | None = None
    closed_by_credential: str | None = None
    disposition: str | None = None
    note: str | None = None
    #: What its cause asked for besides and somebody did, with who did it and when; as JSON.
    tasks_done: list[dict[str, Any]] = field(default_factory=list)
    #: Ids of what other services announced, which watch over it until a human is being asked.
    unconfirmed: list[str] = field(default_factory=list)
    tenant_id: str = ""

    @property
    def is_open(self) -> bool:
        """Whether a human still has to end it."""
        return self.state != CLOSED

    @property
    def acknowledge_by(self) -> datetime | None:
        """By when somebody must have taken it."""
        within = TERMS[self.level].acknowledge_within
        return self.level_since + within if within is not None else None

    @property
    def act_by(self) -> datetime:
        """By when somebody must have acted."""
        return self.level_since + TERMS[self.level].act_within

    @property
    def task_id(self) -> str:
        """The id of the task that asks the present tier."""
        return derived_id(self.escalation_id, self.level, "tier", str(self.tier))

    def role_at(self, tier: int) -> str:
        """Return who is asked at a tier; after the last one, the last one again."""
        tiers = TERMS[self.level].tiers
        return tiers[min(tier, len(tiers) - 1)][0]

    @property
    def acknowledgement_due_at(self) -> datetime | None:
        """When the next tier is to be asked unless somebody takes it; None when nobody need be."""
        terms = TERMS[self.level]
        if terms.acknowledge_within is None or self.acknowledged_at is not None or not self.is_open:
            return None
        following = self.tier + 1
        if following < len(terms.tiers):
            return self.level_since + terms.tiers[following][1]
        reminders = following - len(terms.tiers)
        return self.level_since + terms.tiers[-1][1] + self._until(reminders, pause=terms.acknowledge_within)

    @property
    def reminds(self) -> bool:
        """Whether every tier was asked before, and is reminded now."""
        return self.tier >= len(TERMS[self.level].tiers)

    def _until(self, reminders: int, *, pause: timedelta) -> timedelta:
        if self.level in DANGERS:
            closely = min(reminders + 1, REMINDED_CLOSELY_FOR // pause)
            return pause * closely + max(pause, REMINDED_LATER_EVERY) * (reminders + 1 - closely)
        # Once every tier was asked, the last one is reminded more and more rarely: 1, 3, 7, 15 pauses on.
        doubled = min(reminders, PAUSE_DOUBLES_AT_MOST)
        longest = 1 << PAUSE_DOUBLES_AT_MOST
        return pause * ((1 << (doubled + 1)) - 1 + (reminders - doubled) * longest)

    def open(self) -> list[Event]:
        """Announce it, ask the first tier, and ask for what the cause needs besides."""
        return [
            EscalationOpened(
                escalation_id=self.escalation_id,
                patient_id=self.patient_id,
                level=self.level,
                cause=self.cause,
                acknowledge_by=self.acknowledge_by,
                act_by=self.act_by,
                opened_at=self.opened_at,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
            ),
            self._ask(reason=self.cause, due_at=self.acknowledge_by or self.act_by),
            *(
                TaskOpened(
                    task_id=derived_id(self.escalation_id, task),
                    task=task,
                    owner_role=owner_role,
                    reason=self.cause,
                    due_at=self.act_by,
                    about_id=self.escalation_id,
                    patient_id=self.patient_id,
                    episode_id=self.episode_id,
                    journey_id=self.journey_id,
                    next_role=ON_CALL,
                    level=self.level,
                )
                for task, owner_role in SAFETY_TASKS.get(self.cause, ())
            ),
        ]

    def _ask(self, *, reason: str, due_at: datetime) -> TaskOpened:
        following = self.tier + 1
        return TaskOpened(
            task_id=self.task_id,
            task="escalation",
            owner_role=self.role_at(self.tier),
            reason=reason,
            due_at=due_at,
            about_id=self.escalation_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            next_role=self.role_at(following) if following < len(TERMS[self.level].tiers) else None,
            level=self.level,
        )

    def name(self, *, patient_id: str, episode_id: str | None, journey_id: str | None) -> list[Event]:
        """Say whom it is about, who was not known when it was opened.

        Whoever has not taken it is asked again, with the name.
        """
        self.patient_id = patient_id
        self.episode_id, self.journey_id = episode_id or self.episode_id, journey_id or self.journey_id
        if not self.is_open or self.acknowledged_at is not None:
            return []
        return [self._ask(reason=self.cause, due_at=self.acknowledge_by or self.act_by)]

    def add(self, *, level: str, evidence_id: str, at: datetime) -> list[Event]:
        """Add evidence; the level rises if the evidence weighs more, and never falls.

        A rise asks the first tier of the new level, even where somebody had taken the old one.
        """
        if evidence_id not in self.evidence:
            self.evidence = sorted([*self.evidence, evidence_id])
        # What happened first counts, in whatever order it became known.
        self.opened_at = min(self.opened_at, at)
        if level == self.level:
            self.level_since = min(self.level_since, at)
        if ESCALATION_LEVELS.index(level) <= ESCALATION_LEVELS.index(self.level):
            return []
        closed = self._task_closed(outcome="ESCALATED", now=at)
        before, self.level = self.level, level
        self.level_since, self.tier, self.acknowledged_at, self.state = at, 0, None, OPEN
        return [
            closed,
            EscalationRaised(
                escalation_id=self.escalation_id,
                patient_id=self.patient_id,
                from_level=before,
                to_level=level,
                acknowledge_by=self.acknowledge_by,
                act_by=self.act_by,
                raised_at=at,
            ),
            self._ask(reason=self.cause, due_at=self.acknowledge_by or self.act_by),
        ]

    def note_concern(self, concern_id: str) -> None:
        """Keep in mind whose announcement is still to be confirmed."""
        self.unconfirmed = sorted({*self.unconfirmed, concern_id})

    def confirm(self, *, now: datetime) -> list[Event]:
        """Say to those who announced a danger that humans are being asked about it."""
        confirmed, self.unconfirmed = self.unconfirmed, []
        return [
            SafetyConcernTaken(
                concern_id=concern_id,
                escalation_id=self.escalation_id,
                patient_id=self.patient_id,
                taken_at=now,
            )
            for concern_id in confirmed
        ]

    def acknowledge(self, *, by: Actor, now: datetime) -> list[Event]:
        """Take it: somebody is on it.

        :raises EscalationIsClosed: when it has ended.
        """
        if not self.is_open:
            raise EscalationIsClosed(rule="an open escalation")
        if self.acknowledged_at is not None:
            return []
        self.state, self.acknowledged_at, self.acknowledged_by = ACKNOWLEDGED, now, by.actor_id
        return [
            EscalationAcknowledged(
                escalation_id=self.escalation_id, patient_id=self.patient_id, acknowledged_at=now
            ),
            *self.confirm(now=now),
        ]

    def heed_clock(self, *, now: datetime) -> None:
        """Have its next deadline be now where it seems to have its level since later.

        The clock was ahead then, or went back since. The wait for the deadline has been right all the same.
        """
        if self.level_since > now:
            self.level_since -= (self.acknowledgement_due_at or self.level_since) - now

    def breach(self, *, deadline: str, now: datetime) -> list[Event]:
        """Ask the next tier: nobody acknowledged, or nobody acted, in time."""
        if not self.is_open or (deadline == "ACKNOWLEDGE" and self.acknowledged_at is not None):
            return []
        events: list[Event] = [self._task_closed(outcome="ESCALATED", now=now)]
        self.tier += 1
        events.append(
            EscalationBreached(
                escalation_id=self.escalation_id,
                patient_id=self.patient_id,
                deadline=deadline,
                tier=self.tier,
                next_role=self.role_at(self.tier),
                breached_at=now,
            )
        )
        terms = TERMS[self.level]
        due_at = now + (terms.acknowledge_within or terms.act_within)
        events.append(self._ask(reason=f"{deadline}_OVERDUE", due_at=due_at))
        return events

    @property
    def action_due_at(self) -> datetime:
        """By when whoever took it must have acted; taken late, it gets the time that was left for it."""
        terms = TERMS[self.level]
        if self.acknowledged_at is None:
            return self.act_by
        return max(
            self.act_by,
            self.acknowledged_at + terms.act_within - (terms.acknowledge_within or timedelta(0)),
        )

    def reminded_again_at(self, *, after: datetime) -> datetime | None:
        """Return when the next tier is asked to take it, unless somebody does.

        Reminders of a danger count from the one before: what a long outage left out is not made up for.
        """
        pause = TERMS[self.level].acknowledge_within
        due_at = self.acknowledgement_due_at
        if due_at is None or pause is None or not (self.reminds and self.level in DANGERS):
            return due_at
        closely = after < self.level_since + REMINDED_CLOSELY_FOR
        return after + (pause if closely else max(pause, REMINDED_LATER_EVERY))

    def asked_to_act_again_at(self, *, after: datetime) -> datetime:
        """Return when the next tier is asked to act; more and more rarely where nobody is in danger."""
        pause = TERMS[self.level].act_within
        if self.level in DANGERS:
            closely = after < self.level_since + REMINDED_CLOSELY_FOR
            return after + (pause if closely else max(pause, REMINDED_LATER_EVERY))
        return after + pause * (1 << min(self.tier, PAUSE_DOUBLES_AT_MOST))

    def close(self, *, by: Actor, disposition: str, note: str | None, now: datetime) -> list[Event]:
        """End it, with what was found.

        :raises EscalationIsClosed: when it has ended already.
        :raises NotAcknowledgedYet: when nobody has taken it.
        :raises ClosureNeedsLicence: for E3 and E4, when the person has no clinical licence.
        """
        if not self.is_open:
            raise EscalationIsClosed(rule="an open escalation")
        if self.acknowledged_by is None:
            raise NotAcknowledgedYet(rule="acknowledge before closing")
        if self.level in DANGERS and by.credential not in roles.LICENSED_CREDENTIALS:
            raise ClosureNeedsLicence(field="credential", rule="a licensed clinician closes E3 and E4")
        events: list[Event] = [
            self._task_closed(outcome="DONE", now=now),
            *(
                self._task_closed(task=task, outcome="DONE", now=now)
                for task in self._safety_tasks
                if not self._is_done(task)
            ),
        ]
        self.state, self.closed_at, self.disposition = CLOSED, now, disposition
        self.closed_by, self.closed_by_role = by.actor_id, by.role
        self.closed_by_credential, self.note = by.credential, note
        events.append(
            EscalationClosed(
                escalation_id=self.escalation_id,
                patient_id=self.patient_id,
                disposition=disposition,
                closed_at=now,
            )
        )
        return events

    def close_task(self, *, task_id: str, task: str, outcome: str, by: Actor, now: datetime) -> list[Event]:
        """Note that somebody did what the cause asks for besides.

        :raises NoSuchTask: when the cause does not ask for it.
        :raises TaskClosedAlready: when it was done, or the escalation has ended.
        :raises ClosureNeedsLicence: when the person has no clinical licence.
        """
        if task not in self._safety_tasks or task_id != derived_id(self.escalation_id, task):
            raise NoSuchTask(field="task_id", rule="a task of the escalation")
        if not self.is_open or self._is_done(task):
            raise TaskClosedAlready(field="task_id", rule="an open task")
        if by.credential not in roles.LICENSED_CREDENTIALS:
            raise ClosureNeedsLicence(field="credential", rule="a licensed clinician sees to a danger")
        done = {
            "task": task,
            "outcome": outcome,
            "closed_by": by.actor_id,
            "closed_by_role": by.role,
            "closed_by_credential": by.credential,
            "closed_at": write_moment(now),
        }
        self.tasks_done = [*self.tasks_done, done]
        return [self._task_closed(task=task, outcome=outcome, now=now)]

    @property
    def _safety_tasks(self) -> list[str]:
        return [task for task, _ in SAFETY_TASKS.get(self.cause, ())]

    def _is_done(self, task: str) -> bool:
        return any(done["task"] == task for done in self.tasks_done)

    def _task_closed(self, *, outcome: str, now: datetime, task: str = "escalation") -> TaskClosed:
        return TaskClosed(
            task_id=self.task_id if task == "escalation" else derived_id(self.escalation_id, task),
            task=task,
            outcome=outcome,
            closed_at=now,
            about_id=self.escalation_id,
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
        )
