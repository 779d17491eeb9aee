"""A process whose reaction fails with a secret in its error, and which is sent what nobody can read."""

import dataclasses
import os
from datetime import datetime

import orjson
from sqlalchemy.orm import Session

from shared import clock, telemetry
from shared.contracts.event import Actor, Envelope
from shared.contracts.roles import SYSTEM
from shared.contracts.scheduling import SessionMissed
from shared.database import new_engine
from shared.ids import new_id
from shared.messaging import inbox, reacts_to
from shared.messaging.hosting.host import Host
from shared.sealing import use_key
from shared.settings import load_settings
from tests.door.program import SECRETS
from tests.journeys.house import BEGINNING
from tests.messaging.samples import missed
from tests.support import StandingClock


class Stumbling:
    """A service that says too much when it fails."""

    name = "scheduling"

    @reacts_to(SessionMissed)
    def stumble(self, db: Session, event: SessionMissed, now: datetime) -> None:
        """Fail, with a secret in the error."""
        db.info["what was tried"] = SECRETS
        raise RuntimeError(f"{SECRETS['given_name']} {SECRETS['family_name']} said: {SECRETS['goals']}")


def unreadable(envelope: Envelope) -> list[bytes]:
    """Return messages that nobody can read, each with secrets elsewhere in it."""
    told = orjson.loads(envelope.to_bytes())
    secret = SECRETS["goals"]
    return [
        secret.encode(),
        orjson.dumps(secret),
        orjson.dumps({"specversion": "1.0", "data": SECRETS}),
        orjson.dumps({**told, "id": secret}),
        orjson.dumps({**told, "id": new_id(), "type": secret}),
        orjson.dumps({**told, "id": new_id(), "time": secret}),
        orjson.dumps({**told, "id": new_id(), "data": {**told["data"], "starts_at": secret}}),
        orjson.dumps({**told, "id": new_id(), "data": {**told["data"], "consecutive": secret}}),
        orjson.dumps({**told, "id": new_id(), "data": {secret: secret}}),
    ]


def main() -> None:
    """Take the messages in, with the settings of the environment."""
    telemetry.configure_logging("INFO")
    # The first failure parks, so that no real copy of the service tries a reaction that it does not have.
    settings = dataclasses.replace(load_settings(os.environ), parked_after_attempts=1)
    use_key(settings.encryption_key)
    engine = new_engine(settings.database_url_of("scheduling"))
    host = Host(Stumbling(), engine=engine, clock=StandingClock(BEGINNING), settings=settings)
    envelope = Envelope(
        event_id=new_id(),
        event=missed("a seat"),
        announced_by="scheduling",
        tenant_id=settings.tenant,
        occurred_at=BEGINNING,
        recorded_at=clock.real_now(),
        actor=Actor(actor_id="scheduling", role=SYSTEM),
        correlation_id=new_id(),
    )
    bodies = [envelope.to_bytes(), *unreadable(envelope)]
    inbox.take(host, [inbox.Delivery(body) for body in bodies])
    engine.dispose()


if __name__ == "__main__":
    main()
