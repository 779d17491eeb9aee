"""What is written down when a notification is asked for, and what never is."""

import pytest

from services.intake.service import Intake
from shared.contracts.common import NotificationSettled
from shared.ids import derived_id, new_id
from shared.notification import allow_messages, notify, stop_messages
from tests.notification.desk import NURSE, PATIENT, where_it_is_day


class TestNotify:
    def test_asked_for_twice_sends_once(self, desk, mail):
        for _ in range(2):
            with desk.db() as db:
                notify(
                    db,
                    notification_id=derived_id("one page"),
                    template="STAFF_PAGE",
                    address=NURSE,
                    about_id="escalation-7",
                    urgent=True,
                )
        desk.send_due()

        assert mail.readers == ["night.nurse@example.org"]

    def test_sends_nothing_when_its_cause_was_not_saved(self, desk, mail):
        def raise_a_false_alarm():
            with desk.db() as db:
                notify(
                    db,
                    notification_id=new_id(),
                    template="STAFF_PAGE",
                    address=NURSE,
                    about_id="escalation-7",
                    urgent=True,
                )
                raise RuntimeError("and it was nothing after all")

        with pytest.raises(RuntimeError):
            raise_a_false_alarm()
        desk.send_due()

        assert (mail.taken, desk.states()) == ([], {})

    def test_keeps_the_address_sealed_and_bound_to_its_row(self, desk):
        asked = desk.ask(NURSE, codes={"reference": "7f3a91c2"})

        row = desk.row(asked)

        assert b"night.nurse" not in bytes(row.address_sealed)
        assert "night.nurse" not in repr(tuple(row))

    def test_wakes_the_sending_as_soon_as_its_cause_is_saved(self, desk):
        woken = []
        desk.host.wake_sending = lambda: woken.append(True)

        desk.ask(NURSE)

        assert woken == [True]

    def test_ends_an_unusable_address_at_once_and_says_so(self, desk):
        asked = desk.ask("night.nurse at example.org")

        assert (desk.row(asked).state, desk.row(asked).error) == ("failed", "AddressUnusable")
        assert [(event.outcome, event.attempts) for event in desk.settled] == [("FAILED", 0)]

    def test_refuses_a_text_that_is_not_on_the_list(self, desk):
        with pytest.raises(ValueError, match="no text is called"):
            desk.ask(NURSE, template="YOUR_TEST_IS_POSITIVE")

    def test_never_sends_while_program_time_is_simulated(self, room_of):
        room = room_of(Intake)

        with room.db() as db:
            notify(
                db,
                notification_id=derived_id("one page"),
                template="STAFF_PAGE",
                address=NURSE,
                about_id="escalation-7",
                urgent=True,
            )

        assert room.announced == [
            NotificationSettled(
                notification_id=derived_id("one page"),
                template="STAFF_PAGE",
                outcome="SIMULATED",
                about_id="escalation-7",
                attempts=0,
                settled_at=room.now,
            )
        ]


class TestStop:
    def test_ends_messages_to_a_patient_and_says_so(self, desk, mail):
        with desk.db() as db:
            stop_messages(db, "mailto:Alex.Rivera@example.org")

        desk.ask(PATIENT, template="PLEASE_CALL_US", urgent=True)
        desk.send_due()

        assert mail.taken == []
        assert [event.outcome for event in desk.settled] == ["SUPPRESSED"]

    def test_counts_from_the_moment_it_is_said_also_for_what_waits(self, desk, mail):
        mail.recipient_answer = "451 Later"
        desk.ask(PATIENT, template="PLEASE_CALL_US", urgent=True)
        desk.send_due()
        mail.recipient_answer = ""

        with desk.db() as db:
            stop_messages(db, PATIENT)
        desk.make_due()
        desk.send_due()

        assert mail.taken == []
        assert [event.outcome for event in desk.settled] == ["SUPPRESSED"]

    def test_ends_when_it_is_taken_back(self, desk, mail):
        with desk.db() as db:
            stop_messages(db, PATIENT)
            allow_messages(db, PATIENT)

        desk.ask(PATIENT, template="PLEASE_CALL_US", urgent=True)
        desk.send_due()

        assert mail.readers == ["alex.rivera@example.org"]

    def test_holds_for_staff_only_where_nobody_is_in_danger(self, desk, mail):
        with desk.db() as db:
            stop_messages(db, NURSE)

        desk.ask(NURSE, template="ON_CALL_GAP", urgent=False, time_zone=where_it_is_day())
        desk.ask(NURSE, template="STAFF_PAGE", urgent=True)
        desk.send_due()

        assert [message["Subject"] for _, message in mail.taken] == ["A task is waiting for you"]
        assert sorted(event.outcome for event in desk.settled) == ["SENT", "SUPPRESSED"]

    def test_of_one_tenant_is_nothing_to_another(self, desk, mail):
        with desk.db() as db:
            db.info["origin"].tenant_id = "elsewhere"
            stop_messages(db, PATIENT)

        desk.ask(PATIENT, template="PLEASE_CALL_US", urgent=True)
        desk.send_due()

        assert mail.readers == ["alex.rivera@example.org"]
