"""What came of what, across all services: the answer to "why did nobody call her?".

The archive has every event and its cause; each service knows who asked it, what it did about an event,
what it still will do, and whom it notified. Both are joined here into trees: a command, the events it
announced, the reactions to each, the timers that these set, the pages, and what humans did about them.
Where a part of the program does not answer, the rest is told, and which part is missing.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa

from gateway import trace_words
from gateway.tables import archive, events_where
from shared.contracts.catalogue import EVENTS
from shared.contracts.event import SERVICES, read_moment, write_moment
from shared.errors import NotFound, Unavailable
from shared.messaging.oversight.traces import MAX_IDS

#: Events in a trace when nobody says how many, and at most. Design default: a page that is still read.
DEFAULT_LIMIT = 300
MAX_LIMIT = 2000
#: Events that are looked at, at most, to choose those from. Design default.
MOST_COLLECTED = 2 * MAX_LIMIT
#: Causes that are followed back from one event. Design default: weeks of timers that set each other.
MAX_CAUSES = 200
#: Real seconds after which an event that a service has not received, or a notification that was not sent,
#: is stuck. Design default: the same as for the alarm of a backlog.
STUCK_AFTER = timedelta(seconds=30)

#: Levels at which somebody is paged at once. Safety rule: a danger is told to a human, day and night.
PAGED_LEVELS = ("E3", "E4")

#: What is told first of what is late, stuck or failed: dangers, then what only an operator can mend.
_MOST_URGENT = (
    "NOBODY_PAGED",
    "NOT_ACKNOWLEDGED",
    "NOT_CONFIRMED",
    "FAILED",
    "NOT_ACTED_ON",
    "PARKED",
    "UNSENT",
)

#: Asks a service for its notes about ids; returns None when it does not answer.
Ask = Callable[[str, list[str]], dict[str, Any] | None]

#: Which fact answers which: by the field that holds the id of what is answered.
_ANSWERS = {
    "task_id": ("task_claimed", "task_handed_over", "task_closed"),
    "escalation_id": (
        "escalation_raised",
        "escalation_breached",
        "staff_paged",
        "pages_held_up",
        "escalation_acknowledged",
        "escalation_closed",
    ),
    "outreach_id": ("outreach_attempted", "patient_reengaged"),
    "concern_id": ("safety_concern_taken", "fallback_paged"),
    "notification_id": ("notification_settled",),
}
_ANSWERED = {"task_opened": "task_id", "escalation_opened": "escalation_id", "staff_paged": "notification_id"}
_ANSWERED |= {"safety_concern_raised": "concern_id", "fallback_paged": "notification_id"}


@dataclass(kw_only=True)
class Event:
    """An event, read from its envelope."""

    event_id: str
    type: str
    service: str
    at: datetime
    recorded_at: datetime
    cause: str | None
    correlation: str
    patient_id: str | None
    actor: tuple[str, str]
    data: dict[str, Any]
    #: When the archive had it; not yet.
    archived_at: datetime | None = None

    @classmethod
    def of(cls, envelope: dict[str, Any], *, archived_at: datetime | None = None) -> "Event":
        """Read the envelope."""
        return cls(
            event_id=envelope["id"],
            type=envelope["type"].removeprefix("homeward."),
            service=envelope["source"].rsplit("/", 1)[-1],
            at=read_moment(envelope["time"]),
            recorded_at=read_moment(envelope["recordedtime"]),
            cause=envelope.get("causationid"),
            correlation=envelope["correlationid"],
            patient_id=envelope.get("subject"),
            actor=(envelope["actorid"], envelope["actorrole"]),
            data=envelope["data"],
            archived_at=archived_at,
        )

    @property
    def order(self) -> tuple[datetime, datetime, str]:
        """What events are sorted by."""
        return (self.at, self.recorded_at, self.event_id)


@dataclass(kw_only=True)
class Step:
    """One line of a trace: something that was asked, told, done, set or sent."""

    kind: str
    sentence: str
    service: str = ""
    name: str = ""
    id: str | None = None
    state: str = ""
    at: datetime | None = None
    due_at: datetime | None = None
    #: Real time.
    recorded_at: datetime | None = None
    sent_at: datetime | None = None
    received_at: datetime | None = None
    done_at: datetime | None = None
    actor_id: str | None = None
    actor_role: str | None = None
    attempts: int | None = None
    error: str | None = None
    problem: str | None = None
    #: Whether it came of another request, and stands here because it answers what is above.
    elsewhere: bool = False
    children: list["Step"] = field(default_factory=list)


#: The notes that a service gives, and what each is about.
_ABOUT = {
    "reactions": "event_id",
    "deeds": "cause_id",
    "commands": "command_id",
    "timers": "causation_id",
    "watches": "concern_id",
    "sent": "event_id",
}


class _Notes:
    """What the services have noted, by what it is about."""

    def __init__(self) -> None:
        self.missing: list[str] = []
        self.unsent: dict[str, Event] = {}
        self.memory_begins_at: dict[str, datetime] = {}
        self._found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
        self._asked: set[str] = set()

    def ask(self, ask: Ask, ids: Iterable[str]) -> None:
        """Ask every service for its notes about ids that it was not asked about yet."""
        new = sorted(set(ids) - self._asked)
        self._asked |= set(new)
        for begin in range(0, len(new), MAX_IDS):
            for service in SERVICES:
                if service in self.missing:
                    continue
                told = ask(service, new[begin : begin + MAX_IDS])
                if told is None:
                    self.missing.append(service)
                else:
                    self._take(service, told)

    def _take(self, service: str, told: dict[str, Any]) -> None:
        self.memory_begins_at[service] = read_moment(told["memory_begins_at"])
        for kind, key in _ABOUT.items():
            for row in told[kind]:
                self._found.setdefault((kind, service, row[key]), []).append(row)
        for row in told["notifications"]:
            for place in {row.get("causation_id"), row["notification_id"]} - {None}:
                rows = self._found.setdefault(("notifications", service, place), [])
                if row not in rows:
                    rows.append(row)
        for envelope in told["unsent"]:
            self.unsent[envelope["id"]] = Event.of(envelope)

    def about(self, kind: str, service: str, id_: str) -> list[dict[str, Any]]:
        """Return a service's notes of a kind about an id."""
        return self._found.get((kind, service, id_), [])

    def everywhere(self, kind: str, id_: str) -> list[tuple[str, dict[str, Any]]]:
        """Return every service's notes of a kind about an id."""
        return [(service, row) for service in SERVICES for row in self.about(kind, service, id_)]


def trace(
    connection: sa.Connection,
    ask: Ask,
    *,
    trace_id: str,
    tenant_id: str,
    now: datetime,
    real_now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = DEFAULT_LIMIT,
) -> dict[str, Any]:
    """Return what came of an event, a command, a request, or in an episode or with a patient.

    :param connection: to the gateway's database, where the archive is.
    :param now: program time, by which something is overdue.
    :raises NotFound: when nobody of this tenant has heard of the id.
    :raises Unavailable: when nobody has, and somebody did not answer.
    """
    told = _Trace(connection, ask, tenant_id=tenant_id, now=now, real_now=real_now)
    return told.tell(trace_id, since=since, until=until, limit=limit)


class _Trace:
    """One trace while it is put together."""

    def __init__(
        self, connection: sa.Connection, ask: Ask, *, tenant_id: str, now: datetime, real_now: datetime
    ) -> None:
        self._connection = connection
        self._ask = ask
        self._tenant_id = tenant_id
        self._now = now
        self._real_now = real_now
        self._notes = _Notes()
        self._events: dict[str, Event] = {}
        #: Facts that answer what is in the trace, by the id of what they answer.
        self._answers: dict[str, list[Event]] = {}
        self._told: set[str] = set()
        self._caused: dict[str | None, list[Event]] = {}
        #: Notifications that an event of the trace tells of: they stand there.
        self._notifying: set[str] = set()

    # --- What belongs to it -----------------------------------------------------------------------

    def tell(
        self, trace_id: str, *, since: datetime | None, until: datetime | None, limit: int
    ) -> dict[str, Any]:
        """Return the whole of it."""
        kind, found = self._find(trace_id, since=since, until=until, limit=limit + 1)
        wanted = {event.event_id: event for event in found}
        causes = self._causes_of(wanted[trace_id]) if kind == "EVENT" else []
        # What lies behind the end of the page is not followed any further.
        self._descend(wanted, until=found[limit].at if len(found) > limit else until)
        self._notes.ask(self._ask, [trace_id, *self._ids_about([*wanted.values(), *causes])])
        self._add_unsent(wanted, trace_id)
        chosen = [
            event
            for event in sorted(wanted.values(), key=lambda event: event.order)
            if (since is None or event.at >= since) and (until is None or event.at <= until)
        ]
        cut = chosen[limit:]
        self._events = {event.event_id: event for event in chosen[:limit]}
        for event in self._events.values():
            self._caused.setdefault(event.cause, []).append(event)
            if event.type != "notification_settled" and event.data.get("notification_id"):
                self._notifying.add(event.data["notification_id"])
        if kind == "COMMAND" and not chosen and not self._notes.everywhere("deeds", trace_id):
            self._refuse_unknown()
        self._find_answers()
        steps = [_line(step) for step in self._back_to(causes, trace_id)] if causes else []
        trees = self._trees(trace_id, kind)
        lines, problems = _flat(trees)
        return {
            "trace_id": trace_id,
            "kind": kind,
            "told_at": write_moment(self._now),
            "missing": list(self._notes.missing),
            "forgotten_before": self._forgotten_before(),
            "cut_at": write_moment(cut[0].at) if cut else None,
            "problems": problems,
            "causes": steps,
            "steps": lines,
        }

    def _find(
        self, trace_id: str, *, since: datetime | None, until: datetime | None, limit: int
    ) -> tuple[str, list[Event]]:
        """Return what kind of thing the id is of, and the events that it names by itself."""
        within: list[sa.ColumnElement[bool]] = []
        if since is not None:
            within.append(archive.c.occurred_at >= since)
        if until is not None:
            within.append(archive.c.occurred_at <= until)
        places: tuple[tuple[str, sa.ColumnElement[bool], list[sa.ColumnElement[bool]]], ...] = (
            ("EVENT", archive.c.event_id == trace_id, []),
            ("COMMAND", archive.c.causation_id == trace_id, []),
            ("REQUEST", archive.c.correlation_id == trace_id, within),
            ("EPISODE", archive.c.episode_id == trace_id, within),
            ("PATIENT", archive.c.patient_id == trace_id, within),
        )
        for kind, place, narrowed in places:
            if not self._read(place, limit=1):
                continue
            return kind, self._read(place, *narrowed, limit=limit)
        # It may have announced nothing, or nothing that was sent yet.
        return "COMMAND", []

    def _read(self, *where: sa.ColumnElement[bool], limit: int) -> list[Event]:
        rows = events_where(self._connection, *where, tenant_id=self._tenant_id, limit=limit)
        return [Event.of(orjson.loads(bytes(row.body)), archived_at=row.received_at) for row in rows]

    def _causes_of(self, event: Event) -> list[Event]:
        """Return the events that led to an event, the first one first."""
        back = [event]
        while back[0].cause is not None and len(back) <= MAX_CAUSES:
            before = self._read(archive.c.event_id == back[0].cause, limit=1)
            if not before:
                break
            back.insert(0, before[0])
        return back[:-1]

    def _descend(self, wanted: dict[str, Event], *, until: datetime | None) -> None:
        """Add what came of the events, generation by generation."""
        within = [archive.c.occurred_at <= until] if until is not None else []
        generation = list(wanted)
        while generation and len(wanted) <= MOST_COLLECTED:
            next_generation: list[str] = []
            for begin in range(0, len(generation), MAX_IDS):
                caused = archive.c.causation_id.in_(generation[begin : begin + MAX_IDS])
                for event in self._read(caused, *within, limit=MOST_COLLECTED):
                    if event.event_id not in wanted:
                        wanted[event.event_id] = event
                        next_generation.append(event.event_id)
            generation = next_generation

    def _ids_about(self, events: Iterable[Event]) -> set[str]:
        ids: set[str] = set()
        for event in events:
            ids |= {event.event_id} | ({event.cause} if event.cause else set())
            for name in ("concern_id", "notification_id"):
                if event.data.get(name):
                    ids.add(event.data[name])
        return ids

    def _add_unsent(self, wanted: dict[str, Event], trace_id: str) -> None:
        """Add what services have announced and not sent: the archive has not heard of it."""
        for event in self._notes.unsent.values():
            wanted.setdefault(event.event_id, event)
        if self._notes.unsent:
            self._notes.ask(self._ask, self._ids_about(self._notes.unsent.values()))

    def _refuse_unknown(self) -> None:
        if self._notes.missing:
            away = ", ".join(self._notes.missing)
            raise Unavailable(f"Nobody knows this id, and {away} did not answer.", retry_after=2)
        raise NotFound("Nobody has heard of this id.", field="trace_id")

    def _find_answers(self) -> None:
        """Find what humans, and timers, did about tasks and escalations: other requests than this one."""
        asked = [event for event in self._events.values() if event.type in _ANSWERED]
        if not asked:
            return
        patients = {event.patient_id for event in asked}
        types = {type_ for types in _ANSWERS.values() for type_ in types}
        place: sa.ColumnElement[bool] = archive.c.patient_id.in_([one for one in patients if one])
        if None in patients:
            place = sa.or_(place, archive.c.patient_id.is_(None))
        found = self._read(
            place,
            archive.c.type.in_(types),
            archive.c.occurred_at >= min(event.at for event in asked),
            limit=MAX_LIMIT,
        )
        for event in found:
            for name, answering in _ANSWERS.items():
                if event.type in answering and event.data.get(name):
                    self._answers.setdefault(event.data[name], []).append(event)

    # --- How it is told ---------------------------------------------------------------------------

    def _back_to(self, causes: Sequence[Event], trace_id: str) -> list[Step]:
        """Return how it came to an event: each cause, and what was done about it that led on."""
        target = self._events.get(trace_id)
        chain = [*causes, *([target] if target else [])]
        steps = [self._command(chain[0].cause, [])] if chain[0].cause else []
        for event, next_one in itertools.pairwise(chain):
            steps.append(self._event(event))
            doings = [*self._fired(event.event_id), *self._reactions(event)]
            doing = _doing_of(next_one, doings)
            if doing is not None:
                steps.append(doing)
        return steps

    def _trees(self, trace_id: str, kind: str) -> list[Step]:
        trees: list[Step] = []
        if kind == "REQUEST":
            trees += self._looks(trace_id)
        roots = [event for event in self._events.values() if event.cause not in self._events]
        if kind == "EVENT":
            roots = [event for event in roots if event.event_id == trace_id] or roots
            return [self._tree(event) for event in roots]
        by_command: dict[str, list[Event]] = {}
        known = {
            event.event_id
            for event in self._read(
                archive.c.event_id.in_({event.cause for event in roots if event.cause}), limit=MAX_LIMIT
            )
        }
        for event in roots:
            if event.cause is None or event.cause in known:
                trees.append(self._tree(event))
            else:
                by_command.setdefault(event.cause, []).append(event)
        if kind == "COMMAND":
            by_command.setdefault(trace_id, [])
        trees += [self._command(command_id, events) for command_id, events in by_command.items()]
        return sorted(trees, key=lambda step: step.at or self._now)

    def _looks(self, correlation_id: str) -> list[Step]:
        """Return what was looked at, or refused, under a request's id."""
        return [
            Step(
                kind="REQUEST",
                service="gateway",
                name=row["action"],
                id=correlation_id,
                state=row["outcome"],
                sentence=f"asked for {trace_words.words(row['action'])}: {trace_words.words(row['outcome'])}",
                at=read_moment(row["acted_at"]),
                actor_id=row["actor_id"],
                actor_role=row["actor_role"],
            )
            for row in self._notes.about("deeds", "gateway", correlation_id)
        ]

    def _command(self, command_id: str | None, events: Sequence[Event]) -> Step:
        """Return a command with all that came of it."""
        deeds = [
            (service, row)
            for service, row in self._notes.everywhere("deeds", command_id or "")
            if not row["action"].startswith("timer:")
        ]
        noted = self._notes.everywhere("commands", command_id or "")
        step = Step(kind="COMMAND", id=command_id, sentence="a command that is on nobody's record here")
        if deeds:
            service, row = deeds[0]
            step.service, step.name, step.state = service, row["action"], row["outcome"]
            step.at = read_moment(row["acted_at"])
            step.actor_id, step.actor_role = row["actor_id"], row["actor_role"]
        elif noted:
            service, row = noted[0]
            step.service, step.name, step.state = service, row["name"], row["state"]
        elif self._notes.missing:
            step.sentence = f"a command; who did it is not told: {', '.join(self._notes.missing)} is away"
        elif events:
            step.at = events[0].at
        if noted:
            step.recorded_at = _moment(noted[0][1], "carried_out_at")
        if step.name:
            who = f" by the {trace_words.words(step.actor_role)}" if step.actor_role else ""
            step.sentence = f"{trace_words.words(step.name)}{who}: {trace_words.words(step.state)}"
        fired = self._fired(command_id or "")
        self._hang(step, command_id or "", events, [step, *fired])
        step.children += [one for one in fired if one not in step.children]
        return step

    def _tree(self, event: Event) -> Step:
        """Return an event with all that came of it."""
        self._told.add(event.event_id)
        step = self._event(event)
        doings = [*self._reactions(event), *self._fired(event.event_id)]
        step.children += doings
        self._hang(step, event.event_id, self._caused.get(event.event_id, ()), doings)
        for watch_service, row in self._notes.everywhere("watches", event.data.get("concern_id") or ""):
            if event.type == "safety_concern_raised" and watch_service == event.service:
                step.children.append(_watch(watch_service, row))
        notified = event.data.get("notification_id")
        if notified and event.type != "notification_settled":
            step.children += [
                self._notification(service, row)
                for service, row in self._notes.everywhere("notifications", notified)
                if row["notification_id"] == notified and self._once(notified)
            ]
        self._add_answers(step, event)
        step.children.sort(key=lambda child: child.at or child.due_at or event.at)
        return step

    def _once(self, id_: str) -> bool:
        first = id_ not in self._told
        self._told.add(id_)
        return first

    def _hang(self, step: Step, cause: str, caused: Sequence[Event], doings: list[Step]) -> None:
        """Put what a cause led to under what was done about it."""
        for event in sorted(caused, key=lambda one: one.order):
            if event.event_id in self._told:
                continue
            doing = _doing_of(event, doings) or step
            if doing.kind == "REACTION" and doing.done_at is None:
                doing.done_at = event.recorded_at
            doing.children.append(self._tree(event))
        for doing in doings:
            if doing.kind == "TIMER":
                did = bool(doing.children)
                doing.sentence = trace_words.of_timer(doing.name, did_something=did)
        for service, row in self._notes.everywhere("timers", cause):
            here = next((one for one in doings if one.service == service), step)
            here.children.append(self._timer(service, row))
        for service, row in self._notes.everywhere("notifications", cause):
            if row.get("causation_id") == cause and row["notification_id"] not in self._notifying:
                here = next((one for one in doings if one.service == service), step)
                if self._once(row["notification_id"]):
                    here.children.append(self._notification(service, row))

    def _event(self, event: Event) -> Step:
        sent = self._notes.about("sent", event.service, event.event_id)
        sent_at = _moment(sent[0], "dispatched_at") if sent else None
        unsent = event.archived_at is None and sent_at is None
        due_at = event.data.get("due_at") or event.data.get("acknowledge_by")
        step = Step(
            kind="EVENT",
            service=event.service,
            name=event.type,
            id=event.event_id,
            state="UNSENT" if unsent else "TOLD",
            sentence=trace_words.of_event(event.type, event.data),
            at=event.at,
            due_at=read_moment(due_at) if due_at else None,
            recorded_at=event.recorded_at,
            sent_at=sent_at,
            actor_id=event.actor[0],
            actor_role=event.actor[1],
        )
        if event.type == "notification_settled" and event.data["outcome"] == "FAILED":
            notification_id = event.data["notification_id"]
            # While the notification itself is on record, it says so.
            if not self._notes.everywhere("notifications", notification_id):
                step.problem = "FAILED"
        if unsent:
            step.problem = "UNSENT"
            step.sentence += "; it was not sent yet, so nobody else knows"
        return step

    def _reactions(self, event: Event) -> list[Step]:
        """Return what each service did, or has yet to do, about an event."""
        contract = EVENTS.get(event.type)
        reacting = contract.reacting if contract else ()
        steps = []
        for service in SERVICES:
            rows = list(self._notes.about("reactions", service, event.event_id))
            deeds = {
                row["action"]: row
                for row in self._notes.about("deeds", service, event.event_id)
                if not row["action"].startswith("timer:")
            }
            noted = {row["reaction"] for row in rows}
            # The audit remembers what the inbox has forgotten.
            rows += [{"reaction": name, "state": "done"} for name in deeds if name not in noted]
            steps += [_reaction(service, event, row, deeds.get(row["reaction"])) for row in rows]
            if not rows and service in reacting:
                steps += self._not_received(service, event)
        return steps

    def _not_received(self, service: str, event: Event) -> list[Step]:
        if service in self._notes.missing:
            return []
        step = Step(kind="REACTION", service=service, state="NOT_RECEIVED", sentence="")
        if event.recorded_at < self._notes.memory_begins_at[service]:
            step.state, step.sentence = "NOT_ON_RECORD", "nothing is on record: it was too long ago"
            return [step]
        step.sentence = "has not received it"
        if event.recorded_at < self._real_now - STUCK_AFTER:
            step.problem = "NOT_RECEIVED"
        return [step]

    def _fired(self, cause: str) -> list[Step]:
        """Return the timers that were set on account of a cause and have fired."""
        return [
            Step(
                kind="TIMER",
                service=service,
                name=row["action"].removeprefix("timer:"),
                state="FIRED",
                sentence=trace_words.of_timer(row["action"].removeprefix("timer:"), did_something=True),
                at=read_moment(row["acted_at"]),
            )
            for service, row in self._notes.everywhere("deeds", cause)
            if row["action"].startswith("timer:")
        ]

    def _timer(self, service: str, row: dict[str, Any]) -> Step:
        due_at = read_moment(row["due_at"])
        step = Step(
            kind="TIMER",
            service=service,
            name=row["name"],
            state=row["state"].upper(),
            sentence=trace_words.of_waiting_timer(row["name"], row["state"]),
            due_at=due_at,
            attempts=row.get("attempts"),
            error=row.get("error"),
        )
        if row["state"] == "parked":
            step.problem = "PARKED"
        elif row["state"] == "waiting" and due_at < self._now - STUCK_AFTER:
            step.problem = "OVERDUE"
            step.sentence += " and should have fired"
        return step

    def _notification(self, service: str, row: dict[str, Any]) -> Step:
        created_at = read_moment(row["created_at"])
        step = Step(
            kind="NOTIFICATION",
            service=service,
            name=row["template"],
            id=row["notification_id"],
            state=row["state"].upper(),
            sentence=trace_words.of_notification(row),
            recorded_at=created_at,
            done_at=_moment(row, "settled_at"),
            attempts=row.get("attempts"),
            error=row.get("error"),
        )
        if row["state"] == "failed":
            step.problem = "FAILED"
        elif row["state"] == "suppressed":
            step.problem = "SUPPRESSED"
        elif row["state"] == "waiting" and created_at < self._real_now - STUCK_AFTER and row["urgent"]:
            step.problem = "WAITING"
        return step

    # --- What became of it ------------------------------------------------------------------------

    def _add_answers(self, step: Step, event: Event) -> None:
        """Add what others did about a task, an escalation, a concern or a page; say if nobody did."""
        asked = _ANSWERED.get(event.type)
        if asked is None:
            return
        answers = list(self._answers.get(event.data[asked], ()))
        if event.type == "task_opened":
            answers += [
                answer for answer in self._answers.get(event.data["about_id"], ()) if answer.at >= event.at
            ]
        for answer in sorted(answers, key=lambda one: one.order):
            if answer.event_id not in self._events and self._once(answer.event_id):
                child = self._event(answer)
                child.elsewhere = True
                step.children.append(child)
        kinds = {answer.type for answer in answers}
        if event.type == "task_opened":
            self._judge_task(step, answers)
        elif event.type == "escalation_opened":
            self._judge_escalation(step, event, kinds)

    def _judge_task(self, step: Step, answers: list[Event]) -> None:
        closing = [one for one in answers if one.type == "task_closed"]
        if closing:
            step.state = closing[-1].data["outcome"]
            return
        step.state = "OPEN"
        if step.due_at is not None and step.due_at <= self._now:
            step.problem = "OVERDUE"
            step.sentence += "; nobody has done it"

    def _judge_escalation(self, step: Step, event: Event, kinds: set[str]) -> None:
        if "escalation_closed" in kinds:
            step.state = "CLOSED"
        elif "escalation_acknowledged" in kinds:
            step.state = "ACKNOWLEDGED"
            if read_moment(event.data["act_by"]) <= self._now:
                step.problem = "NOT_ACTED_ON"
                step.sentence += "; somebody took it, and has not closed it in time"
        else:
            step.state = "OPEN"
            if step.due_at is not None and step.due_at <= self._now:
                step.problem = "NOT_ACKNOWLEDGED"
                step.sentence += "; nobody has acknowledged it"
            if event.data["level"] in PAGED_LEVELS and "staff_paged" not in kinds:
                step.problem = "NOBODY_PAGED"
                step.sentence += "; nobody was paged"

    def _forgotten_before(self) -> str | None:
        """Return the moment before which inboxes were pruned, if events of the trace are older."""
        memories = self._notes.memory_begins_at.values()
        begins = max(memories, default=None)
        if begins is None or all(event.recorded_at >= begins for event in self._events.values()):
            return None
        return write_moment(begins)


def _moment(row: dict[str, Any], name: str) -> datetime | None:
    return read_moment(row[name]) if row.get(name) else None


def _doing_of(event: Event, doings: Sequence[Step]) -> Step | None:
    """Return what was done that announced the event: by the same service, at the same moment."""
    own = [doing for doing in doings if doing.service == event.service]
    at_that_moment = [doing for doing in own if doing.at == event.at]
    return next(iter([*at_that_moment, *own]), None)


def _reaction(service: str, event: Event, row: dict[str, Any], deed: dict[str, Any] | None) -> Step:
    received_at = _moment(row, "received_at")
    state = row["state"]
    step = Step(
        kind="REACTION",
        service=service,
        name=row["reaction"],
        state=state.upper(),
        sentence=trace_words.of_reaction(row),
        at=_moment(deed, "acted_at") if deed else event.at,
        recorded_at=event.recorded_at,
        received_at=received_at,
        due_at=_moment(row, "next_attempt_at") if state == "waiting" else None,
        attempts=row.get("attempts"),
        error=row.get("error"),
        actor_id=row.get("resolved_by"),
    )
    if state == "done" and not row.get("attempts"):
        step.done_at = received_at
    if state in ("waiting", "parked"):
        step.problem = state.upper()
    return step


def _watch(service: str, row: dict[str, Any]) -> Step:
    told = {
        "waiting": "waits for monitoring to confirm the danger",
        "confirmed": "heard that monitoring has it",
        "paged": "paged by its own path: monitoring had not confirmed",
    }
    return Step(
        kind="WATCH",
        service=service,
        name="safety_watch",
        id=row["concern_id"],
        state=row["state"].upper(),
        sentence=told.get(row["state"], row["state"]),
        recorded_at=_moment(row, "announced_at"),
        done_at=_moment(row, "settled_at"),
        problem="NOT_CONFIRMED" if row["state"] == "paged" else None,
    )


def _line(step: Step) -> dict[str, Any]:
    """Return a step ready for the wire."""
    line: dict[str, Any] = {
        name: write_moment(value) if isinstance(value, datetime) else value
        for name, value in vars(step).items()
        if name not in ("children", "elsewhere") and value not in (None, "")
    }
    if step.elsewhere:
        line["elsewhere"] = True
    waits = (
        ("sent_after", step.recorded_at, step.sent_at),
        ("received_after", step.recorded_at, step.received_at),
        ("done_after", step.received_at or step.recorded_at, step.done_at),
    )
    for name, begin, end in waits:
        if begin is not None and end is not None:
            line[f"{name}_seconds"] = round((end - begin).total_seconds(), 3)
    return line


def _flat(trees: Sequence[Step]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the steps as lines, each with its depth and the number of the one above, and the problems."""
    lines: list[dict[str, Any]] = []
    problems: list[dict[str, Any]] = []
    waiting: list[tuple[Step, int, int | None, datetime | None]]
    waiting = [(tree, 0, None, None) for tree in reversed(trees)]
    while waiting:
        step, depth, above, before = waiting.pop()
        number = len(lines) + 1
        line = {"step": number, "of": above, "depth": depth, **_line(step)}
        if step.at is not None and before is not None:
            line["after_seconds"] = round((step.at - before).total_seconds(), 3)
        lines.append(line)
        if step.problem:
            told: dict[str, Any] = {
                name: line[name] for name in ("service", "name", "at", "due_at") if name in line
            }
            problems.append({"step": number, "problem": step.problem, "sentence": step.sentence, **told})
        waiting += [(child, depth + 1, number, step.at or before) for child in reversed(step.children)]
    problems.sort(
        key=lambda one: (
            _MOST_URGENT.index(one["problem"]) if one["problem"] in _MOST_URGENT else len(_MOST_URGENT)
        )
    )
    return lines, problems
