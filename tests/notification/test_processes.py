"""Whole processes that send: several at once, killed in the middle, before a server that is silent."""

import os
import signal
import time
from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.notification.desk import NURSE, PATIENT, until, variables_for
from tests.notification.mailroom import silent_server

pytestmark = pytest.mark.servers


class TestCopies:
    def test_that_send_at_the_same_time_send_each_once(self, desk, mail, pager):
        asked = [desk.ask(f"mailto:nurse.{number}@example.org") for number in range(60)]
        asked += [desk.ask(pager.url) for _ in range(60)]

        for _ in range(2):
            desk.start_copy()
        until(lambda: desk.states().get("sent") == len(asked))

        assert Counter(mail.readers) == Counter(f"nurse.{number}@example.org" for number in range(60))
        assert sorted(webhook_id for webhook_id, _ in pager.taken) == sorted(asked[60:])
        assert len(desk.settled) == len(asked)


class TestKilledBetweenSendingAndWritingItDown:
    @pytest.fixture
    def killed(self, desk, mail):
        """Return a function that starts a copy and kills it when its message has arrived."""

        def kill() -> None:
            copy = desk.start_copy()
            mail.when_taken = lambda: os.kill(copy.pid, signal.SIGKILL)
            assert copy.wait(timeout=180) == -signal.SIGKILL
            mail.when_taken = lambda: None

        return kill

    def test_a_page_is_sent_again_under_the_same_id(self, desk, mail, killed):
        asked = desk.ask(NURSE)

        killed()
        desk.make_due()
        desk.start_copy()
        until(lambda: desk.states() == {"sent": 1})

        assert mail.readers == ["night.nurse@example.org"] * 2
        assert set(mail.ids) == {f"<{asked}@lakeside.example.org>"}
        assert [(event.outcome, event.attempts) for event in desk.settled] == [("SENT", 2)]

    def test_a_message_to_a_patient_is_not(self, desk, mail, killed):
        asked = desk.ask(PATIENT, template="PLEASE_CALL_US", urgent=True)

        killed()
        desk.make_due()
        desk.start_copy()
        until(lambda: desk.states() == {"failed": 1})

        assert mail.readers == ["alex.rivera@example.org"]
        assert desk.row(asked).error == "OutcomeUnknown"


class TestStoppedWhileSending:
    def test_finishes_what_is_in_hand(self, desk, mail):
        copy = desk.start_copy()
        mail.when_taken = lambda: (copy.terminate(), time.sleep(1))
        desk.ask(NURSE)

        assert copy.wait(timeout=180) == 0

        assert len(mail.taken) == 1
        assert [(event.outcome, event.attempts) for event in desk.settled] == [("SENT", 1)]


class TestDatabaseCutOffWhileSending:
    def test_is_told_afterwards_and_nothing_is_sent_again(self, desk, mail):
        cut = []

        def cut_off() -> None:
            with desk.engine.begin() as connection:
                cut.append(
                    connection.execute(
                        sa.text(
                            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                            " WHERE datname = current_database() AND application_name = 'homeward-intake'"
                        )
                    ).scalar_one()
                )

        mail.when_taken = cut_off
        desk.start_copy()
        desk.ask(NURSE)
        until(lambda: desk.states() == {"sent": 1})

        assert cut[0] >= 1
        assert len(mail.taken) == 1
        assert [(event.outcome, event.attempts) for event in desk.settled] == [("SENT", 1)]


class TestSilentMailServer:
    def test_holds_up_no_webhook_and_is_given_up_itself(self, desk_of, mail, pager, tmp_path):
        with silent_server() as port:
            desk = desk_of(**variables_for(mail) | {"HOMEWARD_SMTP_URL": f"smtp://127.0.0.1:{port}"})
            desk.start_copy(tmp_path / "log")
            first = desk.ask(pager.url)
            until(lambda: pager.taken)
            mails = [desk.ask(NURSE, give_up_after=timedelta(seconds=12)) for _ in range(30)]
            # They are in hand, before a server that says nothing.
            until(lambda: desk.row(mails[0]).attempts > 0)

            second = desk.ask(pager.url)
            until(lambda: len(pager.taken) == 2)

            assert [webhook_id for webhook_id, _ in pager.taken] == [first, second]
            until(lambda: desk.states() == {"failed": 30, "sent": 2})
        log = (tmp_path / "log").read_text()
        assert "notification_failed" in log
        assert "example.org" not in log
