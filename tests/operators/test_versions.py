"""Old and new code side by side: what one version cannot do waits for the other, and holds up nobody."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from services.monitoring.service import Monitoring
from shared.messaging.inbox import Delivery, inbox, quarantine, retry_one, take
from tests.monitoring import telling
from tests.support import Room, as_before


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


def notes(room: Room) -> set[tuple[str, str, str]]:
    """Return type, reaction and state of each row of the inbox."""
    with room.engine.connect() as connection:
        rows = connection.execute(sa.select(inbox.c.type, inbox.c.reaction, inbox.c.state))
        return {tuple(row) for row in rows}


class TestEventOfALaterVersion:
    """The old copies of a service share its queue with the new ones."""

    def test_waits_for_a_copy_that_knows_it(self, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
        envelope = room.envelope_of(telling.site_opened())
        with monkeypatch.context() as before:
            as_before(before, "site_opened")
            take(room.host, [Delivery(envelope.to_bytes())] * 2)
            assert retry_one(room.host) is False
        assert notes(room) == {("site_opened", "*", "waiting")}

        assert retry_one(room.host) is True
        assert retry_one(room.host) is False

        assert notes(room) == {("site_opened", "keep_site", "done")}
        with room.engine.connect() as connection:
            assert connection.execute(sa.select(quarantine)).all() == []

    def test_that_a_new_copy_has_taken_already_is_taken_once(
        self, room: Room, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        body = room.envelope_of(telling.missed(2)).to_bytes()
        with monkeypatch.context() as before:
            as_before(before, "session_missed")
            take(room.host, [Delivery(body)])
        take(room.host, [Delivery(body)])
        told = len(room.announced)

        assert retry_one(room.host) is True

        assert len(room.announced) == told
        assert {state for _, _, state in notes(room)} == {"done"}


class TestReactionOfALaterVersion:
    def test_that_an_old_copy_left_out_is_done_when_the_event_is_sent_again(self, room: Room) -> None:
        body = room.envelope_of(telling.site_opened()).to_bytes()
        of_the_new_copy = room.host.reactions.pop("site_opened")
        take(room.host, [Delivery(body)])
        assert notes(room) == set()

        room.host.reactions["site_opened"] = of_the_new_copy
        take(room.host, [Delivery(body)])

        assert notes(room) == {("site_opened", "keep_site", "done")}

    @pytest.mark.parametrize(
        ("type_", "reaction"), [("site_opened", "greet_site"), ("site_painted", "keep_site")]
    )
    def test_waits_and_lets_others_go_first(self, room: Room, type_: str, reaction: str) -> None:
        leave_waiting(room, type_=type_, reaction=reaction, minutes_ago=2)
        leave_waiting(room, type_="site_opened", reaction="keep_site", minutes_ago=1)

        assert retry_one(room.host) is True
        assert retry_one(room.host) is False

        assert notes(room) == {
            (type_, reaction, "waiting"),
            ("site_opened", "keep_site", "done"),
        }
