"""Judges a house from outside: what the ledger says against what every service did.

An acknowledged fact is found by the id that its command was sent with, in the feed over HTTP and in
the outboxes. Each service's own audit, written in the transaction of every reaction, tells how often
an event had its effect there; rows that an effect leaves are counted besides.
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from chaos.house import House, wait_until
from chaos.load import Fact, Load
from homeward.packages import service_class_of
from shared.contracts.event import EVENTS, SERVICES
from shared.messaging import reactions_of
from shared.messaging.broker import topology

#: What an event sets off by itself, exactly once: cause → events of these types, together one.
FOLLOWS = {
    "assessment_completed": ("plan_drafted",),
    "patient_admitted": ("task_opened", "schedule_proposed"),
}
#: What may set it off in the event's place, whichever of the two came last: a week waits for the draft of
#: the treatment plan.
WAITS_FOR = {"patient_admitted": "plan_drafted"}

#: What the services announce by themselves, caused by nobody's command.
BY_THEMSELVES = (
    "backlog_alarm_raised",
    "backlog_alarm_cleared",
    "notification_settled",
)
#: What a look at the roster and the daily test of the page path tell by themselves, with tasks about it: a
#: clock that jumps may bring them at any hour.
ON_CALL_BY_ITSELF = ("on_call_gap_found", "page_path_proven", "page_path_broken")


#: Whom a fact belongs to that met no fault at all.
NO_FAULT = "no fault"


@dataclasses.dataclass
class Verdict:
    """What became of the facts of one fault, counted in events."""

    fault: str
    attempted: int = 0
    acknowledged: int = 0
    #: Attempted, and every effect is there exactly once.
    ok: int = 0
    #: Of those, the ones that nobody had acknowledged.
    recovered: int = 0
    lost: int = 0
    duplicated: int = 0
    unexpected: int = 0
    #: Seconds from the end of the fault to the first new effect, and to the last effect of what was
    #: announced before that end.
    seconds_to_first_effect: float | None = None
    seconds_to_recover: float | None = None
    #: Longest time from a command's first try to its acknowledgement.
    longest_answer_seconds: float | None = None
    #: Dangers told over HTTP, and the longest time from the first try to tell one to somebody paged.
    dangers: int = 0
    seconds_to_page: float | None = None
    #: Further figures of this kind of fault.
    details: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def bad(self) -> bool:
        """Whether a promise was broken."""
        return bool(self.lost or self.duplicated or self.unexpected)


@dataclasses.dataclass
class Told:
    """One event as the feed tells it."""

    event_id: str
    kind: str
    correlation_id: str
    causation_id: str | None
    service: str
    episode_id: str | None


def asked_for(fact: Fact, events: list[Told]) -> list[Told]:
    """Return which of the events of one kind that a command set off it was to set off.

    Where a service could not take a danger in, the gateway heard it, announced it by itself, and asked for it
    to be sent again: in so many words (202), or, where it could not know whether what it wrote down is there,
    by 503, upon which the balancer tries another gateway. What the service then took is the command's event;
    the gateway's, of which there is one however often it was sent, only made sure that somebody was paged.
    """
    heard = [told for told in events if told.service == "gateway"]
    if (fact.refused["202"] or fact.tried_between) and len(heard) == 1 < len(events):
        return [told for told in events if told not in heard]
    return events


class Judge:
    """Reads everything once and then answers."""

    def __init__(self, house: House, load: Load) -> None:
        self._house = house
        self._feed = {told.event_id: told for told in self._read_feed(load)}
        self._announced: dict[str, tuple[str, str, float]] = {}
        for service in SERVICES:
            for event_id, kind, at in house.rows(
                service, "SELECT event_id::text, type, extract(epoch FROM announced_at) FROM outbox"
            ):
                self._announced[event_id] = (service, kind, float(at))
        self._by_correlation: dict[str, list[Told]] = defaultdict(list)
        self._caused: dict[str, Counter[str]] = defaultdict(Counter)
        #: Events by episode and kind, of the kinds that others wait for.
        self._waited_for: dict[tuple[str | None, str], list[str]] = defaultdict(list)
        for told in self._feed.values():
            if told.kind in WAITS_FOR.values():
                self._waited_for[told.episode_id, told.kind].append(told.event_id)
            self._by_correlation[told.correlation_id].append(told)
            if told.causation_id is not None:
                self._caused[told.causation_id][told.kind] += 1
        self._ways = {service: reactions_of(service_class_of(service)) for service in SERVICES}
        self._effects: dict[str, Counter[tuple[str, str]]] = {}
        for service, ways in self._ways.items():
            names = sorted({name for methods in ways.values() for name in methods})
            self._effects[service] = Counter(
                {
                    (cause, action): number
                    for cause, action, number in house.rows(
                        service,
                        "SELECT cause_id, action, count(*) FROM audit WHERE action = ANY(%(names)s)"
                        " AND outcome = 'done' GROUP BY cause_id, action",
                        names=names,
                    )
                }
            )
        #: Which facts were lost or doubled, for those who want to know why.
        self.broken: list[str] = []
        #: Events that no feed shows though their announcer committed them.
        self.unarchived = [event_id for event_id in self._announced if event_id not in self._feed]

    @property
    def events(self) -> int:
        """How many events were announced."""
        return len(self._announced)

    @property
    def effects(self) -> int:
        """How many reactions had their effect."""
        return sum(sum(counts.values()) for counts in self._effects.values())

    def _read_feed(self, load: Load) -> Iterable[Told]:
        after = ""
        while True:
            query = "?limit=1000" + (f"&after={after}" if after else "")
            status, page = load.request("GET", "/v1/events" + query, role="operations")
            if status != 200:
                raise RuntimeError(f"the feed cannot be read: {status}")
            for event in page["items"]:
                yield Told(
                    event["id"],
                    event["type"].removeprefix("homeward."),
                    event["correlationid"],
                    event.get("causationid"),
                    event["source"].rsplit("/", 1)[-1],
                    event["data"].get("episode_id"),
                )
            if not page["items"]:
                return
            after = page["next"]

    def attribute(self, facts: Iterable[Fact], windows: list[tuple[str, float, float]]) -> None:
        """Tell of each fact which fault it met first, on its way from the command to the last event."""
        for fact in facts:
            on_the_way = [
                self._announced[told.event_id][2]
                for told in self._by_correlation[fact.correlation_id]
                if told.event_id in self._announced
            ]
            ended_at = max([fact.acknowledged_at or float("inf"), *on_the_way])
            fact.fault = next(
                (name for name, began, ended in windows if fact.sent_at < ended and ended_at > began),
                NO_FAULT,
            )

    def verdict(self, fault: str, facts: Iterable[Fact]) -> Verdict:
        """Count what became of the facts of one fault."""
        found = Verdict(fault)
        for fact in facts:
            found.attempted += fact.size
            acknowledged = fact.acknowledged_at is not None
            if fact.acknowledged_at is not None:
                found.acknowledged += fact.size
                took = round(fact.acknowledged_at - fact.sent_at, 2)
                found.longest_answer_seconds = max(found.longest_answer_seconds or 0.0, took)
            for kind, wanted in fact.announces.items():
                of_kind = [told for told in self._by_correlation[fact.correlation_id] if told.kind == kind]
                events = asked_for(fact, of_kind)
                times_of = {told.event_id: self._times(told) for told in of_kind}
                times = [times_of[told.event_id] for told in events]
                ok = min(times.count(1), wanted)
                if acknowledged and (len(events) != wanted or times.count(1) != wanted):
                    tries = f"{fact.tries} tries {dict(fact.refused)}"
                    self.broken.append(
                        f"{fault}: {fact.kind} {fact.correlation_id}, {tries}: {wanted} {kind} wanted,"
                        f" {len(events)} there, with their effects {times[:5]} times"
                    )
                found.ok += ok
                found.duplicated += sum(number > 1 for number in times_of.values())
                found.duplicated += max(0, len(events) - wanted)
                if acknowledged:
                    found.lost += max(0, wanted - len(events)) + times.count(0)
                else:
                    found.recovered += ok
        return found

    def _times(self, told: Told) -> int:
        """Return how often an event had its effects: 1 when each of them is there exactly once."""
        times = [
            self._effects[service][(told.event_id, name)]
            for service in EVENTS[told.kind].reacting
            for name in self._ways[service].get(told.kind, ())
        ]
        if told.kind in FOLLOWS:
            causes = [told.event_id, *self._waited_for[told.episode_id, WAITS_FOR.get(told.kind, "")]]
            times.append(sum(self._caused[cause][kind] for cause in causes for kind in FOLLOWS[told.kind]))
        if any(number == 0 for number in times):
            return 0
        return max(times, default=1)

    def unexpected(self, known: set[str], *, tolerated: set[str]) -> list[str]:
        """Return what nobody can have asked for: events, parked reactions, messages put aside.

        :param known: correlation ids of all that was sent.
        :param tolerated: ids of poison events, and digests of unreadable ones.
        """
        expected = known | {
            told.correlation_id for told in self._feed.values() if told.kind in ON_CALL_BY_ITSELF
        }
        found = [
            f"{told.kind} {told.event_id} set off by nobody"
            for told in self._feed.values()
            if told.correlation_id not in expected
            and told.event_id not in tolerated
            and told.kind not in BY_THEMSELVES
        ]
        found += [
            f"{told.kind} {told.event_id} in the feed, never announced"
            for told in self._feed.values()
            if told.event_id not in self._announced and told.event_id not in tolerated
        ]
        for service in SERVICES:
            for event_id, name, error in self._house.rows(
                service,
                "SELECT event_id::text, reaction, error FROM inbox WHERE state IN ('parked', 'waiting')",
            ):
                if event_id not in tolerated:
                    found.append(f"{service}.{name} of {event_id} is not done: {error}")
            for digest, error in self._house.rows(
                service, "SELECT encode(digest, 'hex'), error FROM quarantine"
            ):
                if digest not in tolerated:
                    found.append(f"{service} put a message aside: {error}")
            for name, error in self._house.rows(
                service, "SELECT name, error FROM timers WHERE state = 'parked'"
            ):
                found.append(f"{service} gave up the timer {name}: {error}")
        for queue in (topology.UNROUTED, topology.DEAD):
            if count := self._house.messages_in(queue):
                found.append(f"{count} messages in {queue}")
        return found

    def recovery(self, *, ended_at: float) -> tuple[float | None, float | None]:
        """Return seconds from the end of a fault to the first new effect, and to the last old one.

        The last old one is the last effect of what was announced before the fault ended.
        """
        first, last = None, 0.0
        old = [
            event_id
            for event_id, (_, _, announced_at) in self._announced.items()
            if ended_at - 300 < announced_at <= ended_at
        ]
        for service in SERVICES:
            table = "archive" if service == "gateway" else "inbox"
            (soonest,) = self._house.rows(
                service,
                f"SELECT min(extract(epoch FROM received_at)) FROM {table}"
                # What a process with a wrong clock wrote down tells nothing.
                " WHERE received_at > to_timestamp(%(at)s) AND received_at < now()",
                at=ended_at,
            )[0]
            if soonest is not None:
                first = min(float(soonest) - ended_at, first if first is not None else float("inf"))
            (latest,) = self._house.rows(
                service,
                f"SELECT max(extract(epoch FROM received_at)) FROM {table}"
                " WHERE event_id = ANY(%(ids)s::uuid[]) AND received_at > to_timestamp(%(at)s)"
                " AND received_at < now()",
                at=ended_at,
                ids=old,
            )[0]
            if latest is not None:
                last = max(last, float(latest) - ended_at)
        return first, last


#: What is still to be done in a service's database.
_LEFT = """
    SELECT (SELECT count(*) FROM outbox WHERE dispatched_at IS NULL)
         + (SELECT count(*) FROM inbox WHERE state = 'waiting')
         + (SELECT count(*) FROM commands WHERE state = 'running')
         + (SELECT count(*) FROM notifications WHERE state = 'waiting')
"""


def is_quiet(house: House) -> bool:
    """Return whether nothing is unsent, waiting or running, and every event has come to whom it is for.

    The broker is not asked: what it tells of its queues is seconds old.
    """
    if any(house.rows(service, _LEFT)[0][0] for service in SERVICES):
        return False
    if house.rows("gateway", "SELECT EXISTS (SELECT FROM archive WHERE position IS NULL)")[0][0]:
        return False
    announced: dict[str, set[str]] = defaultdict(set)
    for service in SERVICES:
        for event_id, kind in house.rows(service, "SELECT event_id::text, type FROM outbox"):
            announced[kind].add(event_id)
    for service in SERVICES:
        known = {event_id for (event_id,) in house.rows(service, "SELECT event_id::text FROM inbox")}
        if any(service in EVENTS[kind].reacting and ids - known for kind, ids in announced.items()):
            return False
    archived = {event_id for (event_id,) in house.rows("gateway", "SELECT event_id::text FROM archive")}
    return not any(ids - archived for ids in announced.values())


def settle(house: House, *, seconds: float) -> bool:
    """Wait until a house is quiet, asked twice; return whether it came to that."""

    def still_quiet() -> bool:
        return is_quiet(house) and not wait_until(lambda: not is_quiet(house), seconds=0.5, step=0.25)

    return wait_until(still_quiet, seconds=seconds, step=0.3)
