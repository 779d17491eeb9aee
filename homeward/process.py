"""One process of Homeward: hosts one or more services until it is told to stop."""

import gc
import signal
from collections.abc import Callable
from datetime import datetime
from typing import Any

import eventlet
import structlog
from nameko.containers import ServiceContainer

from homeward.packages import service_class_of
from shared import sealing, telemetry
from shared.clock import ProgramClock, RealClock, SimulatedClock, real_now, rounded_up
from shared.database import new_engine
from shared.messaging.hosting.traffic import Traffic, Wiring
from shared.settings import Settings

log = structlog.get_logger()

#: Objects made since the last look for cycles before the next one begins. A reaction makes some thousand
#: that end by themselves: looking for cycles among them every 700 takes a twentieth of the time.
_OBJECTS_BETWEEN_COLLECTIONS = 20_000


def look_seldom_for_cycles() -> None:
    """Look for cycles now and then, once all that a start makes is there: there are none among it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    gc.enable()


def clock_of(settings: Settings, *, alone: bool) -> ProgramClock:
    """Return the program clock that the settings ask for.

    :param alone: whether this process hosts everything, so that nobody else moves the clock.
    """
    if settings.clock == "real":
        return RealClock()
    engine = new_engine(settings.database_url_of("clock"), pool_size=2, application="homeward-clock")
    return SimulatedClock(engine, shared_by_process=alone)


class Process:
    """Services hosted together, with one broker and one clock."""

    def __init__(self, services: tuple[str, ...], settings: Settings) -> None:
        sealing.use_key(settings.encryption_key)
        self.settings = settings
        self.wiring = Wiring(
            settings=settings,
            broker=_broker_of(settings),
            clock=clock_of(settings, alone=settings.embedded),
        )
        self.containers = [
            ServiceContainer(service_class_of(service), {"homeward": self.wiring}) for service in services
        ]
        self._stopping = eventlet.event.Event()

    def hosts(self, service: str) -> bool:
        """Return whether this process hosts a service."""
        return any(container.service_name == service for container in self.containers)

    @property
    def http_port(self) -> int:
        """The port that the gateway listens on, once it is started."""
        return int(self.wiring.http_port)

    def begin_simulation(self, beginning: datetime | None) -> None:
        """Make sure that simulated program time has begun.

        :param beginning: when, if it has not; real time, rounded up, when not given.
        """
        clock = self.wiring.clock
        if isinstance(clock, SimulatedClock):
            clock.start_at(rounded_up(beginning or real_now()))

    def start(self) -> None:
        """Start every service; the gateway last, so that nobody knocks before the others are there."""
        for container in sorted(self.containers, key=lambda c: c.service_name == "gateway"):
            container.start()
        if self.settings.health_port:
            telemetry.serve_health(
                self.settings.health_port,
                not_ready_because=self._not_ready_because,
                warnings=lambda: tuple(
                    sorted({warning for traffic in self._traffics() for warning in traffic.warnings()})
                ),
            )

    def _traffics(self) -> list[Traffic]:
        return [
            extension
            for container in self.containers
            for extension in container.shared_extensions.values()
            if isinstance(extension, Traffic)
        ]

    def _not_ready_because(self) -> tuple[str, ...]:
        reasons = {reason for traffic in self._traffics() for reason in traffic.not_ready_because()}
        return (*(("draining",) if self._stopping.ready() else ()), *sorted(reasons))

    def run_until_stopped(self, *, on_ready: Callable[["Process"], None] | None = None) -> None:
        """Serve until SIGTERM or SIGINT, then finish what is in hand and return."""
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, self._on_signal)
        self.start()
        look_seldom_for_cycles()
        if on_ready is not None:
            on_ready(self)
        self._stopping.wait()
        self.stop()

    def _on_signal(self, signal_number: int, frame: Any) -> None:
        # Not stopped from here: a signal may arrive in the middle of any greenthread.
        eventlet.hubs.get_hub().schedule_call_global(0, self.stop_soon)

    def stop_soon(self) -> None:
        """Have :meth:`run_until_stopped` finish what is in hand and return."""
        if not self._stopping.ready():
            self._stopping.send()

    def stop(self) -> None:
        """Stop the gateway first, then the services; each finishes what is in hand."""
        for container in sorted(self.containers, key=lambda c: c.service_name != "gateway"):
            container.stop()
        self.wiring.broker.close()
        log.info("stopped")


def _broker_of(settings: Settings) -> Any:
    if settings.embedded:
        from shared.messaging.broker.memory import MemoryBroker  # noqa: PLC0415  # only where it is used

        return MemoryBroker()
    from shared.messaging.broker.rabbit import RabbitBroker  # noqa: PLC0415  # only where it is used

    return RabbitBroker(settings.broker_url)
