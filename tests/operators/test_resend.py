"""What a broker has lost is sent once more."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.monitoring.service import Monitoring
from shared.audit import audit
from shared.ids import new_id
from shared.messaging.outbox import outbox, relay_once
from tests.homeward.test_command import homeward
from tests.support import Room


class Broker:
    """Takes what is published."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def publish(self, messages: list[tuple[str, bytes]]) -> None:
        self.taken += [type_ for type_, _ in messages]


@pytest.fixture
def room(room_of: Callable[[type], Room]) -> Room:
    """Return a room that has announced three concerns and sent them."""
    room = room_of(Monitoring)
    for _ in range(3):
        room.call("raise_safety_concern", {"patient_id": new_id(), "concern": "OVERDOSE"})
    relay_once(room.engine, Broker())
    return room


def resend(room: Room, *arguments: str) -> Any:
    url = room.engine.url.render_as_string(hide_password=False)
    return homeward(
        "resend", *arguments, "--service", "monitoring", "--who", "rosa",
        HOMEWARD_DATABASE_URL_MONITORING=url, HOMEWARD_DATABASE_URL="postgresql+psycopg2:///{service}",
    )  # fmt: skip


def unsent(room: Room) -> list[str]:
    with room.engine.connect() as connection:
        return list(connection.scalars(sa.select(outbox.c.event_id).where(outbox.c.dispatched_at.is_(None))))


class TestResend:
    def test_sends_one_event_again(self, room: Room) -> None:
        chosen = room.announced_envelopes[1].event_id

        told = resend(room, chosen)

        assert told.output == "monitoring: 1 will be sent again\n"
        assert unsent(room) == [chosen]

    def test_sends_what_was_announced_in_a_time(self, room: Room) -> None:
        announced = len(room.announced)
        began = datetime.now(UTC) - timedelta(minutes=1)

        told = resend(room, "--since", began.isoformat(), "--until", datetime.now(UTC).isoformat())

        assert told.output == f"monitoring: {announced} will be sent again\n"
        broker = Broker()
        relay_once(room.engine, broker)
        assert len(broker.taken) == announced

    def test_leaves_alone_what_was_announced_before(self, room: Room) -> None:
        later = datetime.now(UTC) + timedelta(minutes=1)

        told = resend(room, "--since", later.isoformat())

        assert told.exit_code == 1
        assert unsent(room) == []

    def test_is_written_into_the_audit(self, room: Room) -> None:
        resend(room, room.announced_envelopes[0].event_id)

        with room.engine.connect() as connection:
            row = connection.execute(sa.select(audit).where(audit.c.action == "resend")).one()
        assert (row.actor_id, row.actor_role, row.outcome) == ("rosa", "operations", "1 events")

    def test_wants_either_events_or_a_time(self, room: Room) -> None:
        assert resend(room).exit_code == 2
        assert resend(room, new_id(), "--since", "2026-02-02T15:00:00Z").exit_code == 2
        assert resend(room, "--since", "2026-02-02T15:00:00").exit_code == 2
