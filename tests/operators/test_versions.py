"""Old and new code side by side: what one version cannot do waits for the other, and holds up nobody."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from services.monitoring.service import Monitoring
from shared.messaging.inbox import inbox, retry_one
from tests.monitoring import telling
from tests.support import Room


@pytest.fixture
def room(room_of: Callable[[type], Room]) -> Room:
    return room_of(Monitoring)


def leave_waiting(room: Room, *, type_: str, reaction: str, minutes_ago: int) -> None:
    envelope = room.envelope_of(telling.site_opened())
    with room.engine.begin() as connection:
        connection.execute(
            inbox.insert().values(
                event_id=envelope.event_id,
                reaction=reaction,
                tenant_id=room.tenant_id,
                type=type_,
                state="waiting",
                body=envelope.to_bytes(),
                received_at=datetime.now(UTC),
                next_attempt_at=datetime.now(UTC) - timedelta(minutes=minutes_ago),
            )
        )


class TestReactionOfALaterVersion:
    @pytest.mark.parametrize(
        ("type_", "reaction"), [("site_opened", "greet_site"), ("site_painted", "keep_site")]
    )
    def test_waits_and_lets_others_go_first(self, room: Room, type_: str, reaction: str) -> None:
        leave_waiting(room, type_=type_, reaction=reaction, minutes_ago=2)
        leave_waiting(room, type_="site_opened", reaction="keep_site", minutes_ago=1)

        assert retry_one(room.host) is True
        assert retry_one(room.host) is False

        with room.engine.connect() as connection:
            states = connection.execute(sa.select(inbox.c.type, inbox.c.reaction, inbox.c.state)).all()
        assert {tuple(row) for row in states} == {
            (type_, reaction, "waiting"),
            ("site_opened", "keep_site", "done"),
        }
