"""Simulated program time: it stands still until all is quiet, and then jumps to what is next.

Quiet means: no command in flight, nothing unsent in an outbox, nothing waiting in an inbox, no timer due, no
job running, and nothing on its way between services; where no messages are counted, the same asked once more.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import eventlet
import sqlalchemy as sa

from gateway import tables
from shared.clock import SimulatedClock, real_now, rounded_up
from shared.contracts.event import EVENTS, SERVICES, Actor, read_moment, write_moment
from shared.contracts.roles import SYSTEM
from shared.errors import Conflict, Unavailable
from shared.ids import new_id
from shared.messaging import CommandClient
from shared.messaging.hosting.traffic import STILLNESS
from shared.messaging.oversight.backlog import has_to_do, stillness

#: How long a jump waits for quiet before it gives up.
QUIET_SECONDS = 60.0
#: Pause between two looks while something is still going on elsewhere.
PAUSE_SECONDS = 0.005
#: The longest such pause: looking more often would take time from what is going on.
LONGEST_PAUSE_SECONDS = 0.03
#: How long quiet is known to last where this process has asked nobody for anything and done nothing since:
#: whoever drives a simulation jumps again and again, by one gateway.
QUIET_LASTS_SECONDS = 0.2
#: Moments at which something was due that a jump passes by itself, at most: it is answered in time.
MOST_STOPS = 100

#: Tells this process from those before it.
_PROCESS = new_id()
_CLOCK = Actor(actor_id="program-clock", role=SYSTEM)


class ClockIsReal(Conflict):
    """Raised when somebody wants to move program time where it is the machine's time."""


class ClockMovesForward(Conflict):
    """Raised when somebody wants to move program time back."""


@dataclass(frozen=True, kw_only=True)
class Stillness:
    """Who is still at work, and when nobody is, the moment of the next thing due."""

    busy: str | None
    next_due_at: datetime | None = None
    #: Whose that is.
    next_due_in: str = SERVICES[0]


@dataclass(frozen=True, kw_only=True)
class Quiet:
    """What was known when nothing was going on any more."""

    at: datetime
    #: How many commands and questions this process had sent, and how many transactions of its own had ended,
    #: before the first of the looks that found it so.
    sent: int
    ended: int
    next_due_at: datetime | None
    next_due_in: str


def get_clock(client: CommandClient) -> dict[str, Any]:
    """Return program time and the moment of the next timer or calendar job."""
    clock = client.wiring.clock
    return {
        "now": write_moment(clock.now()),
        "simulated": clock.simulated,
        "next_due_at": _written(_next_due(client)) if clock.simulated else None,
    }


def jump_clock(client: CommandClient, *, no_later_than: datetime) -> dict[str, Any]:
    """Wait for quiet, jump to what is due next or to *no_later_than*, and wait for quiet again.

    Where what was due has announced nothing, as far as is known, it goes on to what is due after that.

    :raises ClockIsReal: where program time is not simulated.
    :raises ClockMovesForward: when *no_later_than* has passed.
    :raises Unavailable: when it does not get quiet in time.
    """
    clock = client.wiring.clock
    if not isinstance(clock, SimulatedClock):
        raise ClockIsReal(field="clock", rule="HOMEWARD_CLOCK must be simulated")
    if no_later_than < clock.now():
        raise ClockMovesForward(field="no_later_than", rule="program time only moves forward")
    moves = no_later_than > clock.now()
    quiet: Quiet = client.quiet if moves and _is_still_quiet(client) else _wait_for_quiet(client)
    feed = _feed(client)
    for _ in range(MOST_STOPS):
        to = no_later_than
        if quiet.next_due_at is not None:
            to = min(to, rounded_up(quiet.next_due_at))
        if to > clock.now():
            clock.jump(to)
            quiet = _wait_for_quiet(client, first=quiet.next_due_in)
        if to >= no_later_than or feed is None or _feed(client) != feed:
            break
    client.quiet = quiet
    return {
        "now": write_moment(clock.now()),
        "simulated": True,
        "next_due_at": _written(quiet.next_due_at),
        "feed": _feed(client),
    }


def _feed(client: CommandClient) -> str | None:
    """Return what changes once anything may have been announced; None where other processes announce."""
    if not client.wiring.broker.confirms_effects:
        return None
    hosts = client.wiring.hosts.values()
    return ".".join(
        (
            _PROCESS,
            str(sum(host.announced for host in hosts)),
            # What was committed although that seemed to fail.
            str(sum(host.sending.doubts for host in hosts)),
        )
    )


def _is_still_quiet(client: CommandClient) -> bool:
    """Return whether it was quiet a moment ago, and nobody has asked this process for anything since."""
    last: Quiet | None = client.quiet
    if last is None or last.sent != client.sent or last.ended != _transactions_ended(client):
        return False
    if _is_at_work(client):
        return False
    return (real_now() - last.at).total_seconds() < QUIET_LASTS_SECONDS


def _transactions_ended(client: CommandClient) -> int:
    return sum(host.transactions_ended for host in client.wiring.hosts.values())


def _times_asked(client: CommandClient) -> int:
    return sum(host.times_asked for host in client.wiring.hosts.values())


def _wait_for_quiet(client: CommandClient, *, first: str = SERVICES[0]) -> Quiet:
    """Return what is known once nothing is going on any more.

    :param first: who is asked first, since it is the most likely to be at work.
    """
    began, quiet_in_a_row = real_now(), 0
    # Where events are confirmed by their effects, and so none are counted, what is begun while the others are
    # asked is seen by another look only.
    looks = 2 if client.wiring.broker.confirms_effects else 1
    pause = PAUSE_SECONDS
    busy: str | None = None
    while (real_now() - began).total_seconds() < QUIET_SECONDS:
        if _is_at_work(client):
            quiet_in_a_row = 0
            client.wiring.ends.wait(LONGEST_PAUSE_SECONDS)
            continue
        if quiet_in_a_row == 0:
            sent, ended = client.sent, _transactions_ended(client)
        asked = _times_asked(client)
        seen = _look(client, first=first)
        if seen.busy is None:
            # A command that somebody else sent meanwhile may have begun behind the look.
            quiet_in_a_row = quiet_in_a_row + 1 if client.sent == sent else 0
            # What asked no database has given way to nobody: nothing was begun meanwhile.
            saw_all_at_once = looks == 2 and _times_asked(client) == asked
            if quiet_in_a_row == looks or saw_all_at_once:
                return Quiet(
                    at=real_now(),
                    sent=sent,
                    ended=ended,
                    next_due_at=seen.next_due_at,
                    next_due_in=seen.next_due_in,
                )
            continue
        # Whoever was at work most likely still is: asked first, a look costs one question.
        is_busy_still, busy = seen.busy == busy, seen.busy
        first, quiet_in_a_row = seen.busy, 0
        # Whoever was woken by the look tells when it is done; what it has left to do waits for time to pass.
        if is_busy_still or not _is_at_work(client):
            eventlet.sleep(pause)
            pause = min(LONGEST_PAUSE_SECONDS, 1.5 * pause)
    raise Unavailable("It does not get quiet.", retry_after=1)


def _is_at_work(client: CommandClient) -> bool:
    """Return whether this process knows by itself that something is going on."""
    broker, hosts = client.wiring.broker, client.wiring.hosts
    if client.in_flight > 0 or (broker.confirms_effects and broker.carrying > 0):
        return True
    return any(host.is_working() for host in hosts.values())


def _look(client: CommandClient, *, first: str) -> Stillness:
    """Ask the services whether they are at work: *first* first, and the others where it is not."""
    count_messages = not client.wiring.broker.confirms_effects
    answers: dict[str, dict[str, Any]] = {}
    for services in ((first,), tuple(name for name in SERVICES if name != first)):
        answers |= _ask_all(client, services, count_messages=count_messages)
        for service in services:
            if has_to_do(answers[service]):
                return Stillness(busy=service)
    if count_messages and _on_their_way(client, answers):
        return Stillness(busy=first)
    return _still(answers)


def _next_due(client: CommandClient) -> datetime | None:
    return _still(_ask_all(client, SERVICES, count_messages=False)).next_due_at


def _still(answers: dict[str, dict[str, Any]]) -> Stillness:
    """Return that nobody is at work, and what is due first."""
    dues = {
        name: read_moment(answer["next_due_at"]) for name, answer in answers.items() if answer["next_due_at"]
    }
    if not dues:
        return Stillness(busy=None)
    name = min(dues, key=lambda one: dues[one])
    return Stillness(busy=None, next_due_at=dues[name], next_due_in=name)


def _ask_all(
    client: CommandClient, services: tuple[str, ...], *, count_messages: bool
) -> dict[str, dict[str, Any]]:
    """Ask services, those in other processes at once."""
    ask = partial(_ask, client, count_messages=count_messages)
    asked = {
        # In this very process no message is needed, and nobody to wait for.
        name: None if name in client.wiring.hosts else eventlet.spawn(ask, name)
        for name in services
    }
    return {name: ask(name) if thread is None else thread.wait() for name, thread in asked.items()}


def _ask(client: CommandClient, service: str, *, count_messages: bool) -> dict[str, Any]:
    host = client.wiring.hosts.get(service)
    if host is not None:
        # Where events are confirmed by their effects, all services are in one process.
        only_copy = client.wiring.broker.confirms_effects
        return stillness(host, count_messages=count_messages, only_copy=only_copy)
    reply = client.send(
        service,
        STILLNESS,
        {"count_messages": count_messages},
        tenant_id="",
        actor=_CLOCK,
        command_id=new_id(),
        correlation_id=new_id(),
        deadline_seconds=10.0,
    )
    answer: dict[str, Any] = reply["answer"]
    return answer


def _on_their_way(client: CommandClient, answers: dict[str, dict[str, Any]]) -> bool:
    """Return whether a service, or the archive, has not taken in all that was announced to it."""
    announced: Counter[str] = Counter()
    for answer in answers.values():
        announced.update(answer["announced"])
    with client.wiring.engine_of("gateway").connect() as connection:
        archived = connection.scalar(sa.select(sa.func.count()).select_from(tables.archive)) or 0
    if archived < announced.total():
        return True
    return any(
        answers[service]["taken"].get(wire_name, 0) < number
        for wire_name, number in announced.items()
        for service in EVENTS[wire_name].reacting
    )


def _written(moment: datetime | None) -> str | None:
    return write_moment(moment) if moment else None
