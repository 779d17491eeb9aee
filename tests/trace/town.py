"""Several services in one process, each on its own database, with an archive: and what carries between."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from gateway import tables, trace
from gateway.service import Gateway
from shared import clock
from shared.contracts.event import EVENTS, Envelope
from shared.messaging import inbox
from shared.messaging.outbox import relay_once
from tests.support import TENANT, Room


class Town:
    """Rooms of services whose events go where their contracts say, when they are carried."""

    def __init__(self, room_of: Callable[[type], Room], *services: type) -> None:
        self.rooms = {service.name: room_of(service) for service in (*services, Gateway)}
        #: Services that answer nobody, and that nothing is carried to.
        self.away: set[str] = set()
        #: Whether nothing is carried at all.
        self.broker_is_down = False

    def __getitem__(self, service: str) -> Room:
        return self.rooms[service]

    def at(self, moment: datetime) -> None:
        """Set the program time of all."""
        for room in self.rooms.values():
            room.at(moment)

    def tell(self, envelope: Envelope) -> str:
        """Have an event carried that a service announced which is not here; return its id."""
        self._carry([(envelope.event.wire_name, envelope.to_bytes())])
        self.carry()
        return envelope.event_id

    def carry(self) -> None:
        """Carry what was announced to whoever reacts, and to the archive, until nobody has more to say."""
        while not self.broker_is_down and sum(
            relay_once(room.engine, _Carrier(self)) for room in self.rooms.values()
        ):
            pass

    def _carry(self, messages: list[tuple[str, bytes]]) -> None:
        for type_, body in messages:
            envelope = Envelope.from_bytes(body)
            for service, room in self.rooms.items():
                if service in EVENTS[type_].reacting and service not in self.away:
                    inbox.take(room.host, [inbox.Delivery(body)])
            with self.rooms["gateway"].db() as db:
                tables.keep_events(db, [envelope], received_at=clock.real_now())

    def advance(self, moment: datetime) -> None:
        """Move program time forward in all, firing what is due and carrying what is said."""
        for room in self.rooms.values():
            if room.host.name != "gateway":
                room.advance(moment)
            room.at(moment)
        self.carry()

    def trace(self, trace_id: str, *, tenant_id: str = TENANT, **asked: Any) -> dict[str, Any]:
        """Return a trace as the door would."""

        def ask(service: str, ids: list[str]) -> dict[str, Any] | None:
            if service in self.away:
                return None
            if service not in self.rooms:
                # Nobody lives there: it has no notes.
                return self._ask("gateway", [], tenant_id)
            return self._ask(service, ids, tenant_id)

        gateway = self.rooms["gateway"]
        tables.fill_causes(gateway.engine)
        with gateway.engine.connect() as connection:
            return trace.trace(
                connection,
                ask,
                trace_id=trace_id,
                tenant_id=tenant_id,
                now=gateway.now,
                real_now=asked.pop("real_now", clock.real_now()),
                **asked,
            )

    def _ask(self, service: str, ids: list[str], tenant_id: str) -> dict[str, Any]:
        return self.rooms[service].ask("get_traces_of", {"ids": ids}, role="supervisor", tenant_id=tenant_id)


class _Carrier:
    """What a relay publishes to."""

    def __init__(self, town: Town) -> None:
        self._town = town

    def publish(self, messages: list[tuple[str, bytes]]) -> None:
        self._town._carry(messages)
