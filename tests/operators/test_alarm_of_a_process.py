"""The alarm of a real process whose broker is away: raised, told by readiness, cleared by itself."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import urllib3

from chaos.relays import Relays
from homeward.postgres import PrivatePostgres
from services.monitoring.service import Monitoring
from shared.clock import RealClock
from shared.ids import new_id
from shared.messaging.outbox import outbox
from shared.settings import environment_of
from tests import forked
from tests.journeys.house import wait_until
from tests.nodes import RabbitNode
from tests.ports import free_port
from tests.support import Room, settings_for_tests
from tests.templates import create_migrated

pytestmark = [pytest.mark.journey, pytest.mark.rabbitmq]

ROOT = Path(__file__).parents[2]


class Copy:
    """One process of monitoring, its database and its way to the broker."""

    def __init__(self, server: PrivatePostgres, node: RabbitNode, relays: Relays, folder: Path) -> None:
        self._relays = relays
        port = relays.listen("broker", target=node.port)
        run = new_id().replace("-", "")
        self.settings = settings_for_tests(
            HOMEWARD_DATABASE_URL=create_migrated(server, run, ("monitoring",)),
            HOMEWARD_BROKER_URL=f"amqp://guest:guest@127.0.0.1:{port}/{node.virtual_host()}",
            HOMEWARD_HEALTH_PORT=str(free_port()),
            HOMEWARD_CLOCK="real",
        )
        url = self.settings.database_url_of("monitoring")
        self.room = Room(Monitoring, url=url, settings=self.settings)
        self.room.clock = RealClock()  # type: ignore[assignment]  # the process lives in real time
        self.room.host.clock = self.room.clock
        self.log_file = folder / "monitoring.log"
        with self.log_file.open("ab") as log:
            self.process = forked.popen(
                [sys.executable, "-m", "homeward", "run", "monitoring"],
                cwd=ROOT,
                env={**os.environ, **environment_of(self.settings)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def broker(self, mode: str) -> None:
        """Have the broker be there ("open"), or away ("cut")."""
        self._relays.mode("broker", mode)

    def ready(self) -> tuple[int, str]:
        """Return how the process answers a probe; 0 when it does not."""
        url = f"http://127.0.0.1:{self.settings.health_port}/readyz"
        try:
            answer = urllib3.request("GET", url, timeout=5, retries=False)
        except urllib3.exceptions.HTTPError:
            return 0, ""
        return answer.status, answer.data.decode()

    def logged(self, event: str) -> list[dict[str, Any]]:
        # What follows the last end of a line is being written.
        lines = self.log_file.read_text().split("\n")[:-1]
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in found if line.get("event") == event]

    def unsent(self) -> int:
        with self.room.engine.connect() as connection:
            return int(
                connection.scalar(
                    sa.select(sa.func.count()).select_from(outbox).where(outbox.c.dispatched_at.is_(None))
                )
            )

    def grow_older(self, by: timedelta) -> None:
        """Have what is unsent been announced that much earlier: nobody wants to wait for it."""
        with self.room.engine.begin() as connection:
            connection.execute(
                outbox.update()
                .where(outbox.c.dispatched_at.is_(None))
                .values(announced_at=outbox.c.announced_at - by)
            )

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.room.close()


@pytest.fixture
def copy(postgres_server: PrivatePostgres, rabbitmq_node: RabbitNode) -> Iterator[Copy]:
    with Relays() as relays, tempfile.TemporaryDirectory(prefix="hw-alarm-") as folder:
        copy = Copy(postgres_server, rabbitmq_node, relays, Path(folder))
        try:
            yield copy
        finally:
            copy.end()


class TestAlarm:
    def test_is_raised_while_the_broker_is_away_and_cleared_when_it_is_back(self, copy: Copy) -> None:
        wait_until(lambda: copy.ready()[0] == 200, seconds=60, what="the process is ready")
        copy.broker("cut")
        patient_id = new_id()
        copy.room.call("raise_safety_concern", {"patient_id": patient_id, "concern": "PHQ9_I9"})
        copy.grow_older(timedelta(seconds=31))

        wait_until(lambda: copy.logged("backlog_alarm_raised"), seconds=60, what="the alarm is raised")

        (line,) = copy.logged("backlog_alarm_raised")
        assert (line["level"], line["service"], line["reason"]) == ("error", "monitoring", "UNSENT")
        assert patient_id not in json.dumps(line)
        answers: list[tuple[int, str]] = []
        wait_until(
            lambda: answers.append(copy.ready()) or answers[-1][0] == 503, seconds=30, what="a probe is told"
        )
        assert "events are unsent for" in answers[-1][1]

        copy.broker("open")

        wait_until(lambda: copy.logged("backlog_alarm_cleared"), seconds=60, what="the alarm is cleared")
        wait_until(lambda: copy.ready()[0] == 200, seconds=60, what="the process is ready again")
        wait_until(lambda: copy.unsent() == 0, seconds=30, what="all is sent")
        told = [envelope.event.wire_name for envelope in copy.room.announced_envelopes]
        assert told.count("backlog_alarm_raised") == told.count("backlog_alarm_cleared") == 1
