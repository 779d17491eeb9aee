"""A service whose notifications are really sent, to receivers on this machine."""

import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import eventlet
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.intake.service import Intake
from shared.clock import RealClock, real_now
from shared.contracts import roles
from shared.contracts.common import NotificationSettled
from shared.contracts.event import Actor, Envelope
from shared.database import Origin
from shared.ids import derived_id, new_id
from shared.messaging import outbox
from shared.messaging.hosting.host import Host
from shared.notification import notify
from shared.notification.sending import Sending
from shared.notification.tables import notifications
from shared.settings import Settings, environment_of
from tests import forked
from tests.notification.mailroom import SECRET, MailServer, Pager
from tests.ports import free_port
from tests.support import TENANT, settings_for_tests

NURSE = "mailto:night.nurse@example.org"
PATIENT = "mailto:alex.rivera@example.org"


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def pager() -> Iterator[Pager]:
    server = Pager()
    yield server
    server.stop()


class Desk:
    """A service on a real clock, from which a test asks for notifications and has them sent."""

    def __init__(self, engine: sa.Engine, settings: Settings, *, service: type = Intake) -> None:
        self.engine = engine
        self.settings = settings
        self.host = Host(service(), engine=self.engine, clock=RealClock(), settings=settings)
        self.sending = Sending(self.host)
        self._processes: list[subprocess.Popen[bytes]] = []

    @contextlib.contextmanager
    def db(self) -> Iterator[Session]:
        origin = Origin(
            service=self.host.name,
            tenant_id=TENANT,
            actor=Actor(actor_id="test", role=roles.SYSTEM),
            now=self.host.clock.now(),
            correlation_id="what-caused-it-all",
            causation_id="what-caused-it",
        )
        with self.host.transaction(origin) as db:
            yield db

    def ask(self, address: str, *, template: str = "STAFF_PAGE", urgent: bool = True, **more: Any) -> str:
        """Ask for a notification and return its id."""
        notification_id = new_id()
        with self.db() as db:
            notify(
                db,
                notification_id=notification_id,
                template=template,
                address=address,
                about_id=derived_id("escalation"),
                urgent=urgent,
                **more,
            )
        return notification_id

    def send_due(self) -> None:
        """Send what is due now, once."""
        self.sending.step()
        self.sending.stop()

    def make_due(self) -> None:
        """Let the moment of the next try come."""
        with self.engine.begin() as connection:
            connection.execute(
                notifications.update()
                .where(notifications.c.state == "waiting")
                .values(next_attempt_at=real_now() - timedelta(seconds=1))
            )

    def row(self, notification_id: str) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(
                sa.select(notifications).where(notifications.c.notification_id == notification_id)
            ).one()

    def states(self) -> dict[str, int]:
        with self.engine.connect() as connection:
            return dict(
                connection.execute(
                    sa.select(notifications.c.state, sa.func.count()).group_by(notifications.c.state)
                ).all()
            )

    @property
    def envelopes(self) -> list[Envelope]:
        with self.engine.connect() as connection:
            bodies = connection.scalars(sa.select(outbox.outbox.c.body).order_by(outbox.outbox.c.position))
            return [Envelope.from_bytes(bytes(body)) for body in bodies]

    @property
    def settled(self) -> list[NotificationSettled]:
        return [
            envelope.event for envelope in self.envelopes if isinstance(envelope.event, NotificationSettled)
        ]

    # --- As processes ---------------------------------------------------------------------------

    def start_copy(self, log: Path | None = None, **variables: str) -> subprocess.Popen[bytes]:
        """Start the real service; its broker is down, which is nothing to a notification."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HOMEWARD_")}
        environment |= environment_of(self.settings)
        environment |= {
            "HOMEWARD_BROKER_URL": f"amqp://guest:guest@127.0.0.1:{free_port()}//",
            f"HOMEWARD_DATABASE_URL_{self.host.name.upper()}": self.engine.url.render_as_string(
                hide_password=False
            ),
            "HOMEWARD_CLOCK": "real",
            **variables,
        }
        with (log or Path(os.devnull)).open("ab") as output:
            process = forked.popen(
                [sys.executable, "-m", "homeward", "run", self.host.name],
                env=environment,
                stdout=output,
                stderr=output,
                cwd=Path(__file__).parents[2],
            )
        self._processes.append(process)
        return process

    def close(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()


@pytest.fixture
def desk_of(engine_of: Callable[[str], sa.Engine]) -> Iterator[Callable[..., Desk]]:
    """Return a function that opens a desk with settings of its own."""
    desks: list[Desk] = []

    def open_desk(service: type = Intake, **variables: str) -> Desk:
        settings = settings_for_tests(HOMEWARD_CLOCK="real", **variables)
        desks.append(Desk(engine_of(service.name), settings, service=service))
        return desks[-1]

    yield open_desk
    for desk in desks:
        desk.close()


@pytest.fixture
def desk(desk_of: Callable[..., Desk], mail: MailServer) -> Desk:
    """A desk whose mail goes to the mail server, and whose webhooks may stay on this machine."""
    return desk_of(**variables_for(mail))


def variables_for(mail: MailServer) -> dict[str, str]:
    return {
        "HOMEWARD_SMTP_URL": mail.url,
        "HOMEWARD_MAIL_FROM": "Front Desk <desk@lakeside.example.org>",
        "HOMEWARD_PAGE_WEBHOOK_SECRET": SECRET,
        "HOMEWARD_ALLOW_PRIVATE_ADDRESSES": "true",
    }


def until(condition: Callable[[], Any], *, seconds: float = 120.0) -> None:
    """Wait until something is true; loosely bounded, because machines are busy."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it never came true")
        eventlet.sleep(0.05)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@functools.cache
def where_it_is_day() -> str:
    """Return a time zone in which it is neither night nor nearly so, the same each time it is asked for."""
    offset = (12 - real_now().hour) % 24
    # The zone database writes them the other way round: Etc/GMT-3 is three hours ahead.
    return f"Etc/GMT{-offset:+d}" if offset <= 12 else f"Etc/GMT{24 - offset:+d}"
