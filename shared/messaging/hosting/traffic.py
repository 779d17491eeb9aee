"""What carries everything in and out of one service's process, as one nameko extension."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import eventlet
import orjson
import sqlalchemy as sa
import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from eventlet.event import Event as Signal
from nameko.extensions import DependencyProvider, SharedExtension

from shared import audit, clock, safety, telemetry
from shared.contracts.event import Actor
from shared.database import (
    QueriesDoNotOverlap,
    check_that_queries_overlap,
    new_engine,
    without_transactions,
)
from shared.errors import Refusal
from shared.messaging import inbox
from shared.messaging.hosting import door
from shared.settings import Settings

log = structlog.get_logger()

#: Seconds between looks for work that nothing announced: after a restart, or of a dead copy.
TICK_SECONDS = 1.0
#: Seconds to wait after something like a lost connection, before the next try.
PAUSE_SECONDS = 0.5
#: How long after its start a process first forgets what is old. Design default: when it is ready.
FIRST_PRUNING = timedelta(seconds=5)
#: How long a stopping process waits for the confirms of what it has just published.
RELAY_PATIENCE_SECONDS = 1.0
#: The question whether anything is going on; the program clock asks it again and again.
STILLNESS = "get_stillness"


class Ends:
    """Wakes whoever waits for something to end that this process does."""

    def __init__(self) -> None:
        self._next = Signal()

    def tell(self) -> None:
        """Say that something has ended."""
        told, self._next = self._next, Signal()
        told.send()

    def wait(self, seconds: float) -> None:
        """Wait until something has ended, or for so long."""
        self._next.wait(seconds)


@dataclass
class Wiring:
    """What a process is connected to; one object for all services that it hosts."""

    settings: Settings
    broker: Any
    clock: clock.ProgramClock
    engines: dict[str, sa.Engine] = field(default_factory=dict)
    #: The services that this process hosts, by name.
    hosts: dict[str, Any] = field(default_factory=dict)
    #: The port that the gateway listens on, once it does.
    http_port: int = 0
    #: Told whenever something has ended here that simulated time waits for.
    ends: Ends = field(default_factory=Ends)

    def engine_of(self, service: str) -> sa.Engine:
        """Return the engine on a service's own database."""
        if service not in self.engines:
            self.engines[service] = new_engine(
                self.settings.database_url_of(service),
                pool_size=self.settings.pool_size,
                overflow=self.settings.pool_overflow,
                application=f"homeward-{service}",
            )
        return self.engines[service]


class Loop:
    """Does a step again and again while there is something to do; woken, or looking by itself.

    :param on_rest: called whenever there is nothing to do any more.
    """

    def __init__(
        self, name: str, step: Callable[[], Any], *, on_rest: Callable[[], None] = lambda: None
    ) -> None:
        self._name = name
        self._step = step
        self._on_rest = on_rest
        self._wake = Signal()
        self._rests = False
        self._stopping = False
        self._thread = eventlet.spawn(self._run)

    @property
    def is_working(self) -> bool:
        """Whether it is in the midst of a step, or has been told that there is one to do."""
        return not self._rests or self._wake.ready()

    def wake(self) -> None:
        """Have the step done soon."""
        if not self._wake.ready():
            self._wake.send()

    def _run(self) -> None:
        while not self._stopping:
            try:
                while self._step() and not self._stopping:
                    eventlet.sleep(0)
            except Exception as error:  # noqa: BLE001  # the loop must outlive whatever happens
                log.warning(
                    "step_failed",
                    loop=self._name,
                    error=type(error).__name__,
                    exc_place=inbox.place_of(error),
                )
                eventlet.sleep(PAUSE_SECONDS)
            self._rests = True
            self._on_rest()
            self._wake.wait()
            self._rests, self._wake = False, Signal()
            # Whoever woke it may have an answer to give first.
            eventlet.sleep(0)

    def stop(self, *, patience_seconds: float | None = None) -> None:
        """Finish the step in hand, or roll it back when that takes too long, and do no more."""
        self._stopping = True
        self.wake()
        with eventlet.Timeout(patience_seconds, False):
            self._thread.wait()
            return
        self._thread.kill()


class Traffic(SharedExtension):
    """Brings a service its commands, events and timers, and carries its events out."""

    def setup(self) -> None:
        """Make the service's host; nothing is connected yet."""
        from shared.messaging.hosting.host import Host  # noqa: PLC0415  # host knows the entry points, they know this

        wiring: Wiring = self.container.config["homeward"]
        self.wiring = wiring
        service = self.container.service_cls()
        name = self.container.service_name
        self.host = Host(service, engine=wiring.engine_of(name), clock=wiring.clock, settings=wiring.settings)
        wiring.hosts[name] = self.host
        #: What takes something in, and is told at once to take no more; and what sends out and writes down
        #: what came of that, which stops after it, in this order.
        self._taking: list[Callable[[], None]] = []
        self._telling: list[Callable[[], None]] = []
        self.consumers: list[Any] = []

    def start(self) -> None:
        """Start to consume, to relay and to look for what is due."""
        host, settings, broker = self.host, self.wiring.settings, self.wiring.broker
        for provider in self.container.dependencies:
            setattr(host.service, provider.attr_name, provider.get_dependency(None))
        eventlet.spawn(self._check_driver)
        from shared.messaging import commands, timers  # noqa: PLC0415  # they know the host
        from shared.messaging.oversight import backlog, pruning  # noqa: PLC0415  # they know the host
        from shared.notification import sending  # noqa: PLC0415  # the same

        tell = self.wiring.ends.tell
        relay = Loop("relay", lambda: host.relay(broker), on_rest=tell)
        marking = Loop("marking", host.mark_sent, on_rest=tell)
        retries = Loop("retries", lambda: inbox.retry_one(host), on_rest=tell)
        # Not asked again after the only one: what it has set is due later, or found by the next look.
        due = Loop("timers", lambda: timers.fire_due(host) > 1 or timers.run_due_jobs(host), on_rest=tell)
        jobs = Loop("jobs", lambda: commands.run_one_job(host), on_rest=tell)
        linking = Loop("audit", lambda: audit.link_new_rows(host.engine) == audit.LINK_BATCH)
        host.wake_relay, host.wake_marking, host.wake_jobs = relay.wake, marking.wake, jobs.wake
        host.wake_waiting = retries.wake
        host.is_working = lambda: any(loop.is_working for loop in (relay, marking, retries, due, jobs))
        notifications = sending.Sending(host)
        send = Loop("notifications", notifications.step)
        host.wake_sending = notifications.wake = send.wake
        watch = Loop("safety", lambda: safety.page_one(host))
        host.wake_due = due.wake
        loops = {
            "unsent": relay,
            "retries_due": retries,
            "timers_due": due,
            "jobs": jobs,
            "unlinked": linking,
            "notifications_due": send,
            "dangers_due": watch,
        }

        def look() -> None:
            """Mark what was sent since, and wake the loops that have work which nothing has told them of."""
            host.mark_sent()
            found = backlog.look(host, now=host.clock.now())
            if found.unsent:
                host.sending.look_behind()
            for kind, loop in loops.items():
                if getattr(found, kind):
                    loop.wake()
            if timers.is_job_due(host, now=host.clock.now()):
                due.wake()

        ticker = BackgroundScheduler(daemon=True)
        ticker.add_job(look, "interval", seconds=TICK_SECONDS)
        ticker.add_job(
            lambda: pruning.prune(host),
            "interval",
            hours=1,
            # Also by those that never live for an hour, and however late the ticker comes to it.
            next_run_time=clock.real_now() + FIRST_PRUNING,
            misfire_grace_time=None,
        )
        ticker.add_job(lambda: measure_backlog(host), "interval", seconds=5)
        # Simulated time stands still while nobody can be heard.
        if host.watches_door and not host.clock.simulated:
            ticker.add_job(
                lambda: host.door.look(is_open=broker.door_is_open(), at=host.clock.now()),
                "interval",
                seconds=door.LOOK_SECONDS,
            )
        ticker.start()
        eventlet.spawn(keep_ticking, ticker)
        events = broker.consume_events(
            host.name, lambda deliveries: inbox.take(host, deliveries), batch=settings.prefetch
        )
        answers = broker.answer_commands(
            host.name, lambda body: commands.answer(host, body), at_once=settings.command_prefetch
        )
        self.consumers = [events, answers]
        self._taking = [
            answers.stop,
            events.stop,
            lambda: ticker.shutdown(wait=False),
            due.stop,
            retries.stop,
            jobs.stop,
            watch.stop,
        ]
        self._telling = [
            send.stop,
            notifications.stop,
            # What it has not seen confirmed is published again and recognised.
            lambda: relay.stop(patience_seconds=RELAY_PATIENCE_SECONDS),
            marking.stop,
            lambda: mark_the_rest(host),
            linking.stop,
        ]

    def _check_driver(self) -> None:
        while True:
            try:
                check_that_queries_overlap(self.host.engine, spawn=eventlet.spawn)
            except sa.exc.SQLAlchemyError as error:
                log.warning("database_away", error=type(error).__name__)
                eventlet.sleep(PAUSE_SECONDS)
            except QueriesDoNotOverlap:
                # One query would hold up everything: better no process than that one.
                log.critical("queries_do_not_overlap", service=self.host.name)
                os.kill(os.getpid(), signal.SIGTERM)
                return
            else:
                return

    def not_ready_because(self) -> tuple[str, ...]:
        """Return why the service cannot do its work now; nothing when all is well."""
        from shared.messaging.oversight import backlog  # noqa: PLC0415  # it knows the host

        reasons = []
        if not all(getattr(consumer, "connected", True) for consumer in self.consumers):
            reasons.append("broker")
        if self.host.unpageable_dangers:
            reasons.append("somebody is in danger, and there is nobody to page")
        unsent = backlog.seconds_unsent(self.host)
        if unsent > backlog.BACKLOG_ALARM_SECONDS:
            reasons.append(f"events are unsent for {unsent:.0f} s")
        return tuple(reasons)

    def warnings(self) -> tuple[str, ...]:
        """Return what an operator should look at though the service can do its work.

        One event whose reaction fails waits for over an hour before it is parked. That holds up nothing
        else, so it takes nobody out of rotation.
        """
        from shared.messaging.oversight import backlog  # noqa: PLC0415  # it knows the host

        waiting = backlog.seconds_waiting(self.host)
        if waiting > backlog.BACKLOG_ALARM_SECONDS:
            return (f"a reaction waits for {waiting:.0f} s",)
        return ()

    def stop(self) -> None:
        """Take nothing more, finish what is in hand within the drain time, and hang up after."""
        with eventlet.Timeout(self.wiring.settings.drain_seconds, False):
            # Side by side: whoever was told later would go on meanwhile, and hold up the others.
            for stopping in [eventlet.spawn(stop) for stop in self._taking]:
                stopping.wait()
            for stop in self._telling:
                stop()
        self._taking, self._telling = [], []


def keep_ticking(ticker: BackgroundScheduler) -> None:
    """Have a ticker go on, for as long as it runs, where the machine's clock goes back.

    It ticks by that clock, and would stand still until the clock has come to where it was: nobody would look
    for due timers meanwhile, those of somebody in danger among them.
    """
    before = clock.real_now()
    while ticker.running:
        eventlet.sleep(TICK_SECONDS)
        now = clock.real_now()
        if now < before:
            log.warning("clock_went_back", seconds=round((before - now).total_seconds()))
            for job in ticker.get_jobs():
                job.modify(next_run_time=now)
        before = now


def mark_the_rest(host: Any) -> None:
    """Mark what was sent, as the last thing; where the database is away, it is sent again and recognised."""
    try:
        host.mark_sent()
    except sa.exc.SQLAlchemyError as error:
        log.warning("database_away", service=host.name, error=type(error).__name__)


def measure_backlog(host: Any) -> None:
    """Tell the metrics how far the service is behind."""
    from shared.messaging.oversight import backlog  # noqa: PLC0415  # it knows the host
    from shared.notification import sending  # noqa: PLC0415  # it knows the host

    try:
        backlog.measure(host)
        with without_transactions(host.engine) as connection:
            page = sending.age_of_oldest_page(connection)
            unconfirmed, unpageable = safety.unconfirmed(connection, host)
    except sa.exc.SQLAlchemyError as error:
        log.warning("database_away", service=host.name, error=type(error).__name__)
        return
    telemetry.oldest_page.labels(host.name).set(page)
    telemetry.unconfirmed_dangers.labels(host.name).set(unconfirmed)
    telemetry.unpageable_dangers.labels(host.name).set(unpageable)
    host.unpageable_dangers = unpageable


class CommandClient(DependencyProvider):
    """Sends commands and questions to services; only the gateway has one."""

    def __init__(self) -> None:
        super().__init__()
        self.in_flight = 0
        #: How many commands and questions were sent, but for those whether anything is going on.
        self.sent = 0
        #: What the program clock last knew of a moment in which nothing was going on.
        self.quiet: Any = None

    def get_dependency(self, worker_ctx: Any) -> "CommandClient":
        """Return this client: it keeps nothing of a request."""
        return self

    @property
    def wiring(self) -> Wiring:
        """What the process is connected to."""
        wiring: Wiring = self.container.config["homeward"]
        return wiring

    def send(
        self,
        service: str,
        name: str,
        data: dict[str, Any],
        *,
        tenant_id: str,
        actor: Actor,
        command_id: str,
        correlation_id: str,
        traceparent: str | None = None,
        partner: str = "",
        deadline_seconds: float | None = None,
    ) -> dict[str, Any]:
        """Send a command or question and return what became of it.

        :returns: ``{"status": "done", "answer": {...}}`` or ``{"status": "accepted", "job_id":
            ...}``, with ``"replayed": True`` when the command id was answered before.
        :raises Refusal: the refusal of the service; Unavailable when no answer came in time.
        """
        from shared.messaging.commands import Ask  # noqa: PLC0415  # commands know the host

        seconds = deadline_seconds or self.wiring.settings.command_deadline_seconds
        deadline = clock.real_now() + timedelta(seconds=seconds)
        ask = Ask(
            name=name,
            data=data,
            tenant_id=tenant_id,
            actor=actor,
            command_id=command_id,
            correlation_id=correlation_id,
            deadline=deadline,
            traceparent=traceparent,
            partner=partner,
        )
        self.in_flight += 1
        self.sent += name != STILLNESS
        try:
            reply = orjson.loads(self.wiring.broker.ask(service, ask.to_bytes(), deadline=deadline))
        finally:
            self.in_flight -= 1
            self.wiring.ends.tell()
        if "refused" in reply:
            raise Refusal.from_wire(reply["refused"])
        replayed = {"replayed": True} if reply.get("replayed") else {}
        if "accepted" in reply:
            return {"status": "accepted", "job_id": reply["accepted"]} | replayed
        if "done" in reply:
            return {"status": "done", "answer": reply["done"]} | replayed
        raise CommandFailed


class CommandFailed(RuntimeError):
    """Raised when a service met an accident while it carried out a command; nothing was changed."""
