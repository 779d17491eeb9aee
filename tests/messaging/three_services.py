"""Small services in one process, on the broker named by the environment; driven by lines.

Each line on standard input is a JSON list: an action and its arguments. Each answer is a JSON
line. Tests of the messaging run the same scenarios through it on both brokers.
"""

import eventlet
import eventlet.tpool

eventlet.monkey_patch()

import json  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from datetime import datetime  # noqa: E402
from typing import Any  # noqa: E402

import amqp  # noqa: E402
import sqlalchemy as sa  # noqa: E402
from eventlet.event import Event  # noqa: E402
from marshmallow import Schema, fields  # noqa: E402
from nameko.containers import ServiceContainer  # noqa: E402
from sqlalchemy.orm import Session  # noqa: E402

from shared import sealing  # noqa: E402
from shared.clock import RealClock  # noqa: E402
from shared.contracts.event import Actor, Envelope  # noqa: E402
from shared.contracts.scheduling import SessionMissed  # noqa: E402
from shared.errors import Refusal  # noqa: E402
from shared.ids import derived_id, new_id  # noqa: E402
from shared.messaging import (  # noqa: E402  # noqa: E402
    Call,
    CommandClient,
    announce,
    command,
    inbox,
    outbox,
    reacts_to,
    reacts_to_every_event,
)
from shared.messaging.broker import topology  # noqa: E402  # noqa: E402
from shared.messaging.broker.links import Way  # noqa: E402
from shared.messaging.broker.memory import MemoryBroker  # noqa: E402
from shared.messaging.broker.rabbit import RabbitBroker  # noqa: E402
from shared.messaging.hosting.traffic import Wiring  # noqa: E402
from shared.settings import load_settings  # noqa: E402
from tests.messaging import ferry, samples  # noqa: E402


class Tell(Schema):
    """How many missed sessions to announce, and whether to take so long that others are answered before."""

    seats = fields.List(fields.String(), required=True)
    last = fields.Boolean(load_default=False)


class Teller:
    """Announces missed sessions."""

    name = "scheduling"

    @command(Tell)
    def tell(self, db: Session, call: Call) -> dict[str, Any]:
        """Announce that each seat stayed empty."""
        for seat in call.data["seats"]:
            announce(db, samples.missed(seat))
        if call.data["last"]:
            TAKING_LONG.append(call.command_id)
            with eventlet.Timeout(15, False):
                MAY_END.wait()
        return {"told": len(call.data["seats"])}


class Archivist:
    """Takes every event, and sends commands."""

    name = "gateway"
    commands = CommandClient()

    @reacts_to_every_event
    def archive(self, db: Session, envelopes: list[Envelope]) -> None:
        """Count them."""
        ARCHIVED.update(envelope.event_id for envelope in envelopes)


class Onlooker:
    """The other service that missed sessions go to; has nothing to do with them."""

    name = "aftercare"

    @reacts_to(SessionMissed)
    def look_on(self, db: Session, event: SessionMissed, now: datetime) -> None:
        """Do nothing."""


class Accountant:
    """Another service that missed sessions go to."""

    name = "intake"

    @reacts_to(SessionMissed)
    def look_on(self, db: Session, event: SessionMissed, now: datetime) -> None:
        """Do nothing."""


ARCHIVED: set[str] = set()
#: Commands in hand that take long, and what ends them.
TAKING_LONG: list[str] = []
MAY_END = Event()


class ThreeServices:
    """The process under test."""

    def __init__(self) -> None:
        settings = load_settings(os.environ)
        sealing.use_key(settings.encryption_key)
        self.broker = MemoryBroker() if settings.embedded else RabbitBroker(settings.broker_url)
        self.wiring = Wiring(settings=settings, broker=self.broker, clock=RealClock())
        self.containers = {
            cls.name: ServiceContainer(cls, {"homeward": self.wiring})
            for cls in (Teller, ferry.Ferry, Onlooker, Accountant, Archivist)
        }
        self.client: Any = None

    def start(self, *services: str) -> str:
        for service in services:
            self.containers[service].start()
        for provider in self.containers["gateway"].dependencies:
            self.client = provider
        return "started"

    def stop(self, *services: str) -> str:
        for service in services:
            self.containers[service].stop()
        return "stopped"

    def send(self, service: str, name: str, data: dict[str, Any], command_id: str | None = None) -> Any:
        try:
            return self.client.send(
                service,
                name,
                data,
                tenant_id="lakeside",
                actor=Actor(actor_id="ana", role="clinician", credential="LCSW"),
                command_id=command_id or new_id(),
                correlation_id=new_id(),
            )
        except Refusal as refusal:
            return {"refused": refusal.code, "status": refusal.status, "retry_after": refusal.retry_after}

    def send_many(self, service: str, name: str, datas: list[dict[str, Any]]) -> list[Any]:
        threads = [eventlet.spawn(self.send, service, name, data) for data in datas]
        return [thread.wait() for thread in threads]

    def send_many_and_start(self, service: str, name: str, datas: list[dict[str, Any]]) -> list[Any]:
        """Start the service while the commands are on their way."""
        threads = [eventlet.spawn(self.send, service, name, data) for data in datas]
        eventlet.sleep(0.5)
        self.start(service)
        return [thread.wait() for thread in threads]

    def send_many_and_stop(self, service: str, name: str, datas: list[dict[str, Any]]) -> list[Any]:
        """Stop the service while it has all of the commands, which take long, in hand."""
        threads = [eventlet.spawn(self.send, service, name, data) for data in datas]
        with eventlet.Timeout(15, False):
            while len(TAKING_LONG) < len(datas):
                eventlet.sleep(0.01)
        stopping = eventlet.spawn(self.stop, service)
        # It is stopping now, and waits for them.
        eventlet.sleep(0.5)
        MAY_END.send()
        stopping.wait()
        return [thread.wait() for thread in threads]

    def race(self, service: str, name: str, datas: list[dict[str, Any]]) -> list[int]:
        """Send all at once and return in which order they were answered; the first takes long."""
        ended: list[int] = []

        def run(number: int) -> None:
            self.send(service, name, datas[number])
            ended.append(number)

        first, *others = [eventlet.spawn(run, number) for number in range(len(datas))]
        for thread in others:
            thread.wait()
        MAY_END.send()
        first.wait()
        return ended

    def send_and_die(self, service: str, name: str, data: dict[str, Any]) -> None:
        """Send a command and be killed as soon as something has come of it."""
        self.send(service, name, data)
        while not self.state()["inbox"]:
            eventlet.sleep(0)
        os.kill(os.getpid(), signal.SIGKILL)

    def answer_one_by_one(self, service: str) -> str:
        """Answer a service's commands as the version did that took none together."""
        link = Way(os.environ["HOMEWARD_BROKER_URL"]).link()

        def answer(message: amqp.Message) -> None:
            reply = amqp.Message(
                json.dumps({"done": {"told": "one by one"}}),
                correlation_id=message.properties["correlation_id"],
            )
            link.channel.basic_publish(reply, routing_key=message.properties["reply_to"])
            link.channel.basic_ack(message.delivery_tag)

        def drain() -> None:
            while True:
                link.drain(1.0)

        link.channel.basic_consume(topology.commands_queue_of(service), callback=answer)
        eventlet.spawn(drain)
        return "answering"

    def door(self) -> str:
        return "open" if self.broker.door_is_open() else "closed"

    def fail_on(self, *seats: str) -> str:
        ferry.FAILING.clear()
        ferry.FAILING.update(derived_id(seat) for seat in seats)
        return "ok"

    def state(self) -> dict[str, Any]:
        with self.wiring.engine_of("monitoring").connect() as connection:
            states = dict(
                connection.execute(
                    sa.select(inbox.inbox.c.state, sa.func.count()).group_by(inbox.inbox.c.state)
                ).all()
            )
            effects = connection.scalar(sa.select(sa.func.count()).select_from(ferry.crossings))
            quarantined = connection.scalar(sa.select(sa.func.count()).select_from(inbox.quarantine))
        with self.wiring.engine_of("scheduling").connect() as connection:
            unsent = connection.scalar(
                sa.select(sa.func.count()).where(outbox.outbox.c.dispatched_at.is_(None))
            )
        return {
            "inbox": states,
            "effects": effects,
            "unsent": unsent,
            "archived": len(ARCHIVED),
            "quarantined": quarantined,
        }

    def publish_raw(self, wire_name: str, body: str) -> str:
        self.broker.publish([(wire_name, body.encode())])
        return "published"


def main() -> None:
    three = ThreeServices()
    # Read in a thread of its own: a blocking read would hold up every greenthread.
    while line := eventlet.tpool.execute(sys.stdin.readline):
        action, *arguments = json.loads(line)
        print(json.dumps(getattr(three, action)(*arguments)), flush=True)


if __name__ == "__main__":
    main()
