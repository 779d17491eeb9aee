"""When somebody who did not come is written to, and when not."""

from datetime import timedelta

import pytest

from services.monitoring.service import Monitoring
from shared.contracts.common import MessageWanted
from tests.monitoring import telling
from tests.monitoring.telling import DANA, EPISODE, missed_at, starts_at


@pytest.fixture
def room(room_of):
    room = room_of(Monitoring)
    room.at(telling.ADMITTED_AT)
    room.deliver(telling.site_opened(), telling.assessed(), telling.admitted())
    return room


def miss(room, day, **changed):
    room.at(missed_at(day))
    room.deliver(telling.missed(day, **changed))


class TestMessage:
    def test_is_wanted_within_the_hour_after_the_start(self, room):
        miss(room, 2)

        room.advance(timedelta(hours=5))

        (wanted,) = room.announced_of(MessageWanted)
        assert (wanted.patient_id, wanted.episode_id) == (DANA, EPISODE)
        assert wanted.template == "PLEASE_CALL_US"
        assert wanted.wanted_at - starts_at(2) == timedelta(minutes=30)
        assert wanted.deadline_at - starts_at(2) == timedelta(hours=4)

    def test_is_not_wanted_once_the_mark_was_corrected(self, room):
        miss(room, 2)

        room.deliver(telling.corrected(2, "PRESENT", corrected_at=missed_at(2) + timedelta(minutes=5)))
        room.advance(timedelta(hours=5))

        assert room.announced_of(MessageWanted) == []

    def test_is_not_wanted_once_somebody_has_spoken_to_the_patient(self, room):
        miss(room, 2)
        (item,) = room.ask("list_outreach", {})["items"]

        room.advance(timedelta(minutes=5))
        room.call(
            "log_outreach_attempt",
            {"outreach_id": item["outreach_id"], "channel": "CALL", "outcome": "REACHED"},
            role="counselor",
        )
        room.advance(timedelta(hours=5))

        assert room.announced_of(MessageWanted) == []

    def test_is_wanted_after_the_first_miss_of_a_row_alone(self, room):
        for day, consecutive in ((2, 1), (4, 2), (7, 3)):
            miss(room, day, consecutive=consecutive)
            room.advance(timedelta(hours=5))

        assert len(room.announced_of(MessageWanted)) == 1

    def test_is_not_wanted_of_a_miss_that_became_known_too_late(self, room):
        miss(room, 2, missed_at=starts_at(2) + timedelta(hours=4))

        room.advance(timedelta(hours=12))

        assert room.announced_of(MessageWanted) == []

    def test_is_not_wanted_before_the_admission(self, room_of):
        room = room_of(Monitoring)

        miss(room, 2)
        room.advance(timedelta(hours=5))

        assert room.announced_of(MessageWanted) == []

    def test_is_not_wanted_after_the_discharge(self, room):
        miss(room, 2)

        room.deliver(telling.discharged(missed_at(2) + timedelta(minutes=2)))
        room.advance(timedelta(hours=5))

        assert room.announced_of(MessageWanted) == []
