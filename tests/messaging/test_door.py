"""What a process remembers of the door."""

from datetime import UTC, datetime, timedelta

from shared.messaging.hosting.door import CLOSED_AFTER, Door

NINE = datetime(2026, 2, 2, 15, 0, tzinfo=UTC)


def minutes(number: float) -> datetime:
    return NINE + timedelta(minutes=number)


class TestDoor:
    def test_is_open_until_it_is_seen_to_be_closed(self) -> None:
        door = Door()
        door.look(is_open=True, at=NINE)

        assert door.closed_until(minutes(30)) is None

    def test_counts_as_closed_once_people_have_tried_again_for_long_enough(self) -> None:
        door = Door()
        for number in (0, 1, 2, 3):
            door.look(is_open=False, at=minutes(number))

        assert door.closed_until(NINE + CLOSED_AFTER - timedelta(seconds=1)) is None
        assert door.closed_until(minutes(3)) == minutes(3)

    def test_was_closed_until_it_was_seen_to_be_open(self) -> None:
        door = Door()
        door.look(is_open=False, at=NINE)
        door.look(is_open=True, at=minutes(7))
        door.look(is_open=True, at=minutes(20))

        assert door.closed_until(minutes(30)) == minutes(7)

    def test_was_not_closed_for_a_moment(self) -> None:
        door = Door()
        door.look(is_open=False, at=NINE)
        door.look(is_open=True, at=minutes(7))
        door.look(is_open=False, at=minutes(20))
        door.look(is_open=True, at=minutes(21))

        assert door.closed_until(minutes(30)) == minutes(7)
