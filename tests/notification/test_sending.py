"""Notifications on their way to real receivers, good and bad."""

import socket
import threading
from datetime import timedelta

import eventlet
import pytest

from shared import telemetry
from shared.clock import real_now
from shared.notification import webhook
from shared.notification.sending import LANES, age_of_oldest_page, claim_due, wait_after
from shared.notification.tables import notifications
from shared.notification.webhook import is_public
from tests.notification.desk import NURSE, PATIENT, variables_for
from tests.notification.mailroom import silent_server


class TestMail:
    def test_arrives_with_a_text_that_tells_nothing(self, desk, mail):
        desk.ask(NURSE, codes={"reference": "7f3a91c2", "level": "E4", "acknowledge_by": "02:05 CST"})

        desk.send_due()

        ((reader, message),) = mail.taken
        assert reader == "night.nurse@example.org"
        assert message["From"] == "Front Desk <desk@lakeside.example.org>"
        assert message["Subject"] == "A task is waiting for you"
        assert message.get_payload(decode=True).decode().splitlines() == [
            "A task is waiting for you. Please sign in now.",
            "Reference: 7f3a91c2",
            "Level: E4",
            "Please take it by: 02:05 CST",
        ]

    def test_carries_an_id_by_which_a_double_is_known(self, desk, mail):
        asked = desk.ask(NURSE)

        desk.send_due()

        assert mail.ids == [f"<{asked}@lakeside.example.org>"]

    def test_tells_how_it_went_as_part_of_what_it_came_of(self, desk, mail):
        asked = desk.ask(NURSE, patient_id="0190f2a4-0000-7000-8000-000000000001")

        desk.send_due()

        ((event,), (envelope,)) = desk.settled, desk.envelopes
        assert (event.notification_id, event.outcome, event.attempts) == (asked, "SENT", 1)
        assert event.patient_id == "0190f2a4-0000-7000-8000-000000000001"
        assert envelope.correlation_id == "what-caused-it-all"
        assert envelope.causation_id == "what-caused-it"
        assert (desk.row(asked).state, desk.row(asked).error) == ("sent", None)

    def test_that_was_sent_is_not_sent_again(self, desk, mail):
        desk.ask(NURSE)

        for _ in range(3):
            desk.make_due()
            desk.send_due()

        assert len(mail.taken) == 1
        assert len(desk.settled) == 1

    def test_waits_for_a_server_that_is_down_and_goes_when_it_comes_back(self, desk, mail):
        mail.stop()
        asked = desk.ask(NURSE)
        desk.send_due()
        assert (desk.row(asked).state, desk.row(asked).error) == ("waiting", "ConnectionRefusedError")

        mail.start()
        desk.make_due()
        desk.send_due()

        assert mail.readers == ["night.nurse@example.org"]
        assert [(event.outcome, event.attempts) for event in desk.settled] == [("SENT", 2)]

    @pytest.mark.parametrize("what", ["sender_answer", "recipient_answer", "message_answer"])
    def test_is_tried_again_after_not_now(self, desk, mail, what):
        setattr(mail, what, "451 Come again")
        asked = desk.ask(NURSE)
        desk.send_due()
        assert (desk.row(asked).state, desk.settled) == ("waiting", [])

        setattr(mail, what, "")
        desk.make_due()
        desk.send_due()

        assert mail.readers == ["night.nurse@example.org"]

    @pytest.mark.parametrize(
        ("what", "error"),
        [("recipient_answer", "MailboxRefused550"), ("message_answer", "MessageRefused550")],
    )
    def test_is_given_up_at_once_after_never(self, desk, mail, what, error):
        setattr(mail, what, "550 No such mailbox night.nurse@example.org")
        asked = desk.ask(NURSE)

        desk.send_due()

        assert (desk.row(asked).state, desk.row(asked).error) == ("failed", error)
        assert [(event.outcome, event.attempts) for event in desk.settled] == [("FAILED", 1)]

    def test_is_not_given_up_because_of_a_sender_that_can_be_mended(self, desk, mail):
        mail.sender_answer = "550 We do not know you"
        asked = desk.ask(NURSE)

        desk.send_due()

        assert (desk.row(asked).state, desk.row(asked).error) == ("waiting", "SenderRefused550")

    def test_is_given_up_when_no_further_try_would_be_in_time(self, desk, mail):
        mail.stop()
        asked = desk.ask(NURSE, give_up_after=timedelta(seconds=1))

        desk.send_due()

        assert desk.row(asked).state == "failed"
        assert [event.outcome for event in desk.settled] == ["FAILED"]

    def test_fails_at_once_where_there_is_no_mail_server_at_all(self, desk_of):
        desk = desk_of()
        asked = desk.ask(NURSE)

        desk.send_due()

        assert (desk.row(asked).state, desk.row(asked).error) == ("failed", "NoMailServer")

    def test_gives_up_a_server_that_says_nothing(self, desk_of, mail, monkeypatch):
        monkeypatch.setattr("shared.notification.mail.ANSWER_SECONDS", 0.3)
        with silent_server() as port:
            desk = desk_of(**variables_for(mail) | {"HOMEWARD_SMTP_URL": f"smtp://127.0.0.1:{port}"})
            asked = desk.ask(NURSE)

            desk.send_due()

        assert (desk.row(asked).state, desk.row(asked).error) == ("waiting", "SMTPServerDisconnected")


class TestWebhook:
    def test_arrives_signed_with_an_id_by_which_a_double_is_known(self, desk, pager):
        asked = desk.ask(pager.url, codes={"reference": "7f3a91c2", "level": "E4"})

        desk.send_due()

        ((webhook_id, content),) = pager.taken
        assert webhook_id == asked
        assert content["type"] == "staff_page"
        assert content["data"] == {
            "subject": "A task is waiting for you",
            "text": "A task is waiting for you. Please sign in now.\nReference: 7f3a91c2\nLevel: E4\n",
            "urgent": True,
            "reference": "7f3a91c2",
            "level": "E4",
        }

    def test_signed_by_another_is_recognised(self, desk_of, mail, pager):
        other = "YW5vdGhlciBzZWNyZXQgdGhhdCBub2JvZHkga25vd3M="
        desk = desk_of(**variables_for(mail) | {"HOMEWARD_PAGE_WEBHOOK_SECRET": other})
        desk.ask(pager.url)

        desk.send_due()

        assert (pager.taken, pager.forged) == ([], 1)

    @pytest.mark.parametrize("status", [500, 503, 429, 408])
    def test_is_tried_again_after_not_now(self, desk, pager, status):
        pager.status = status
        asked = desk.ask(pager.url)
        desk.send_due()
        assert (desk.row(asked).state, desk.row(asked).error) == ("waiting", f"Status{status}")

        pager.status = 200
        desk.make_due()
        desk.send_due()

        assert [webhook_id for webhook_id, _ in pager.taken] == [asked]

    @pytest.mark.parametrize("status", [400, 404, 410])
    def test_is_given_up_at_once_after_never(self, desk, pager, status):
        pager.status = status
        asked = desk.ask(pager.url)

        desk.send_due()

        assert (desk.row(asked).state, desk.row(asked).error) == ("failed", f"Status{status}")

    def test_follows_no_redirect(self, desk, pager):
        pager.status, pager.location = 307, f"{pager.url}&again"
        asked = desk.ask(pager.url)

        desk.send_due()

        assert pager.requests == 1
        assert (desk.row(asked).state, desk.row(asked).error) == ("failed", "Status307")

    def test_does_not_go_into_a_private_network(self, desk_of, mail, pager):
        desk = desk_of(**variables_for(mail) | {"HOMEWARD_ALLOW_PRIVATE_ADDRESSES": "false"})
        port = pager.url.partition("127.0.0.1:")[2].partition("/")[0]
        asked = [
            desk.ask(f"https://127.0.0.1:{port}/pages"),
            desk.ask(f"https://localhost:{port}/pages"),
            desk.ask(f"https://[::ffff:127.0.0.1]:{port}/pages"),
            desk.ask("https://169.254.169.254/latest"),
        ]

        desk.send_due()

        assert {desk.row(one).error for one in asked} == {"PrivateAddress"}
        assert pager.requests == 0

    def test_is_not_led_there_by_a_name_that_tells_something_else_the_second_time(
        self, desk_of, mail, pager, monkeypatch
    ):
        desk = desk_of(**variables_for(mail) | {"HOMEWARD_ALLOW_PRIVATE_ADDRESSES": "false"})
        port = int(pager.url.partition("127.0.0.1:")[2].partition("/")[0])
        asked_for = []
        real = socket.getaddrinfo

        def rebound(host, *args, **options):
            if host != "rebound.example.org":
                return real(host, *args, **options)
            asked_for.append(host)
            # One address for the first question, at which nobody is; the pager's for every later one.
            address = "127.0.0.2" if len(asked_for) == 1 else "127.0.0.1"
            return real(address, *args, **options)

        monkeypatch.setattr(socket, "getaddrinfo", rebound)
        monkeypatch.setattr(webhook, "is_public", lambda address: address == "127.0.0.2")
        asked = desk.ask(f"https://rebound.example.org:{port}/pages")

        desk.send_due()

        assert asked_for == ["rebound.example.org"]
        assert pager.requests == 0
        assert desk.row(asked).state == "waiting"

    def test_needs_encryption_outside_of_trials(self, desk_of, mail, pager):
        desk = desk_of(**variables_for(mail) | {"HOMEWARD_ALLOW_PRIVATE_ADDRESSES": "false"})
        asked = desk.ask(pager.url)

        desk.send_due()

        assert (desk.row(asked).error, pager.requests) == ("NotEncrypted", 0)

    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
            "224.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:10.0.0.1",
            "64:ff9b::a00:1", "2002:a00:1::1",
        ],
    )  # fmt: skip
    def test_knows_addresses_that_are_not_public(self, address):
        assert not is_public(address)

    @pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
    def test_knows_addresses_that_are(self, address):
        assert is_public(address)


class TestUnknownOutcome:
    """The receiver may have taken it, and nobody heard its answer."""

    def test_of_a_page_is_made_certain_under_the_same_id(self, desk, mail):
        desk.ask(NURSE)
        # As a process that was killed leaves it.
        claim_due(desk.host, ("EMAIL", True), limit=1)

        desk.make_due()
        desk.send_due()

        assert len(mail.taken) == 1
        assert [(event.outcome, event.attempts) for event in desk.settled] == [("SENT", 2)]

    def test_of_a_message_to_a_patient_is_left_at_that(self, desk, mail):
        asked = desk.ask(PATIENT, template="PLEASE_CALL_US", urgent=True)
        claim_due(desk.host, ("EMAIL", True), limit=1)

        desk.make_due()
        desk.send_due()

        assert mail.taken == []
        assert (desk.row(asked).state, desk.row(asked).error) == ("failed", "OutcomeUnknown")

    def test_is_told_from_a_server_that_took_the_text_and_fell_silent(self, desk, mail, monkeypatch):
        # Enough for a busy machine to say all that comes before.
        monkeypatch.setattr("shared.notification.mail.ANSWER_SECONDS", 2.0)
        goes_on = threading.Event()
        mail.when_taken = lambda: goes_on.wait(60)
        to_patient = desk.ask(PATIENT, template="PLEASE_CALL_US", urgent=True)
        desk.send_due()
        to_nurse = desk.ask(NURSE)
        desk.send_due()
        goes_on.set()

        assert (desk.row(to_patient).state, desk.row(to_patient).error) == ("failed", "OutcomeUnknown")
        assert (desk.row(to_nurse).state, desk.row(to_nurse).error) == ("waiting", "SMTPServerDisconnected")

    def test_is_nobody_elses_while_somebody_sends(self, desk, mail):
        desk.ask(NURSE)
        claim_due(desk.host, ("EMAIL", True), limit=1)

        desk.send_due()

        assert mail.taken == []


class TestLanes:
    def test_let_a_page_pass_whatever_else_is_stuck(self, desk, mail, pager):
        # Every place for mail, and every place for what is not urgent, is taken by something silent.
        stuck = [
            desk.sending._pools[lane].spawn(eventlet.sleep, 600)
            for lane, places in LANES.items()
            if lane != ("WEBHOOK", True)
            for _ in range(places)
        ]
        desk.ask(NURSE)
        page = desk.ask(pager.url)

        desk.sending.step()
        desk.sending._pools["WEBHOOK", True].waitall()

        assert [webhook_id for webhook_id, _ in pager.taken] == [page]
        assert (mail.taken, desk.states()) == ([], {"sent": 1, "waiting": 1})
        for thread in stuck:
            thread.kill()


class TestUnreadableRow:
    @pytest.mark.parametrize(
        ("broken", "error"),
        [
            ({"address_sealed": b"no longer what was sealed"}, "InvalidTag"),
            ({"template": "NEWER"}, "KeyError"),
        ],
    )
    def test_holds_up_no_other_and_fails_when_it_is_given_up(self, desk, mail, broken, error):
        unreadable = desk.ask("mailto:first@example.org", give_up_after=timedelta(minutes=1))
        with desk.engine.begin() as connection:
            connection.execute(notifications.update().values(**broken))
        desk.ask(NURSE)

        desk.send_due()

        assert mail.readers == ["night.nurse@example.org"]
        assert desk.row(unreadable).state == "waiting"
        with desk.engine.begin() as connection:
            connection.execute(notifications.update().values(give_up_at=real_now()))
        desk.make_due()
        desk.send_due()
        assert (desk.row(unreadable).state, desk.row(unreadable).error) == ("failed", error)


class TestClockThatWentBack:
    def test_delays_no_page(self, desk, mail, monkeypatch):
        mail.recipient_answer = "451 Later"
        desk.ask(NURSE)
        desk.send_due()
        mail.recipient_answer = ""
        earlier = real_now() - timedelta(hours=1)
        monkeypatch.setattr("shared.clock.real_now", lambda: earlier)

        desk.send_due()

        assert mail.readers == ["night.nurse@example.org"]


class TestWaits:
    def test_of_a_page_begin_with_seconds_and_stay_below_half_a_minute(self):
        waits = [wait_after(attempt, urgent=True).total_seconds() for attempt in range(1, 40)]

        assert 1.6 <= waits[0] <= 2.4
        assert 3.2 <= waits[1] <= 4.8
        assert max(waits) <= 30

    def test_of_anything_else_grow_to_an_hour(self):
        waits = [wait_after(attempt, urgent=False).total_seconds() for attempt in range(1, 40)]

        assert 8 <= waits[0] <= 12
        assert 2800 <= waits[-1] <= 3600


class TestMetrics:
    def test_tell_how_long_the_oldest_page_has_waited(self, desk, monkeypatch):
        desk.ask(PATIENT, template="PLEASE_CALL_US", urgent=False)
        with desk.engine.connect() as connection:
            assert age_of_oldest_page(connection) == 0.0

        asked = desk.ask(NURSE)
        later = desk.row(asked).created_at + timedelta(minutes=3)
        monkeypatch.setattr("shared.clock.real_now", lambda: later)

        with desk.engine.connect() as connection:
            assert age_of_oldest_page(connection) == 180

    def test_count_what_was_sent_and_what_was_not(self, desk, mail):
        sent, failed = (
            telemetry.notifications.labels("EMAIL", outcome)._value.get() for outcome in ("sent", "failed")
        )
        desk.ask(NURSE)
        desk.send_due()
        mail.recipient_answer = "550 No"
        desk.ask(NURSE)
        desk.send_due()

        assert telemetry.notifications.labels("EMAIL", "sent")._value.get() == sent + 1
        assert telemetry.notifications.labels("EMAIL", "failed")._value.get() == failed + 1
