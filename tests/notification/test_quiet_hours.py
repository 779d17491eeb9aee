"""Nobody is woken for what can wait, also in the nights in which the clocks change."""

from datetime import timedelta

import pytest

from shared.notification.quiet import next_loud_moment
from tests.notification.desk import NURSE, PATIENT, at

CHICAGO = "America/Chicago"


class TestNextLoudMoment:
    @pytest.mark.parametrize(
        ("moment", "loud_at"),
        [
            # An ordinary day: the first loud minute, the last, and the first quiet one.
            ("2026-02-03T08:00:00-06:00", "2026-02-03T08:00:00-06:00"),
            ("2026-02-03T20:59:59-06:00", "2026-02-03T20:59:59-06:00"),
            ("2026-02-03T21:00:00-06:00", "2026-02-04T08:00:00-06:00"),
            ("2026-02-04T03:00:00-06:00", "2026-02-04T08:00:00-06:00"),
            ("2026-02-04T07:59:59-06:00", "2026-02-04T08:00:00-06:00"),
            # The night of 8 March has no hour from two to three.
            ("2026-03-07T22:30:00-06:00", "2026-03-08T08:00:00-05:00"),
            ("2026-03-08T01:59:00-06:00", "2026-03-08T08:00:00-05:00"),
            ("2026-03-08T03:00:00-05:00", "2026-03-08T08:00:00-05:00"),
            # The night of 1 November has the hour from one to two twice.
            ("2026-10-31T21:30:00-05:00", "2026-11-01T08:00:00-06:00"),
            ("2026-11-01T01:30:00-05:00", "2026-11-01T08:00:00-06:00"),
            ("2026-11-01T01:30:00-06:00", "2026-11-01T08:00:00-06:00"),
        ],
    )
    def test_is_eight_by_the_readers_wall_clock(self, moment, loud_at):
        assert next_loud_moment(at(moment), CHICAGO) == at(loud_at)

    def test_makes_the_spring_night_an_hour_shorter_and_the_autumn_night_an_hour_longer(self):
        spring = next_loud_moment(at("2026-03-07T21:00:00-06:00"), CHICAGO) - at("2026-03-07T21:00:00-06:00")
        autumn = next_loud_moment(at("2026-10-31T21:00:00-05:00"), CHICAGO) - at("2026-10-31T21:00:00-05:00")

        assert (spring, autumn) == (timedelta(hours=10), timedelta(hours=12))


@pytest.fixture
def three_at_night(monkeypatch):
    """It is three in the morning in Chicago, in the night in which the clocks go forward."""
    moment = at("2026-03-08T03:00:00-05:00")
    monkeypatch.setattr("shared.clock.real_now", lambda: moment)
    return moment


class TestNight:
    def test_keeps_what_is_not_urgent_until_morning(self, desk, mail, three_at_night):
        asked = desk.ask(PATIENT, template="PLEASE_CALL_US", urgent=False, time_zone=CHICAGO)

        desk.send_due()

        assert mail.taken == []
        assert desk.row(asked).next_attempt_at == at("2026-03-08T08:00:00-05:00")

    def test_does_not_delay_a_page(self, desk, mail, three_at_night):
        desk.ask(NURSE, time_zone=CHICAGO)

        desk.send_due()

        assert mail.readers == ["night.nurse@example.org"]

    def test_keeps_also_what_was_asked_for_by_day_and_could_not_go(self, desk, mail, monkeypatch):
        monkeypatch.setattr("shared.clock.real_now", lambda: at("2026-03-07T20:50:00-06:00"))
        asked = desk.ask(PATIENT, template="PLEASE_CALL_US", urgent=False, time_zone=CHICAGO)
        monkeypatch.setattr("shared.clock.real_now", lambda: at("2026-03-08T03:00:00-05:00"))

        desk.send_due()

        assert mail.taken == []
        assert desk.row(asked).attempts == 0
        monkeypatch.setattr("shared.clock.real_now", lambda: at("2026-03-08T08:00:00-05:00"))
        desk.send_due()
        assert mail.readers == ["alex.rivera@example.org"]

    def test_ends_what_would_come_too_late_in_the_morning(self, desk, mail, monkeypatch, three_at_night):
        asked = desk.ask(
            PATIENT,
            template="PLEASE_CALL_US",
            urgent=False,
            time_zone=CHICAGO,
            give_up_after=timedelta(hours=2),
        )
        monkeypatch.setattr("shared.clock.real_now", lambda: three_at_night + timedelta(hours=2))

        desk.send_due()

        assert mail.taken == []
        assert (desk.row(asked).state, desk.row(asked).error) == ("failed", "NotInTime")
