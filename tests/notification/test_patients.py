"""A message that monitoring wants told to a patient, all the way to their mailbox, or not."""

from datetime import timedelta

import pytest

from services.intake import tables
from services.intake.service import Intake
from shared.clock import RealClock, real_now
from shared.contracts.common import NotificationSettled
from shared.contracts.monitoring import MessageWanted
from shared.errors import NotFound
from shared.ids import new_id
from shared.notification import sending
from shared.notification.tables import notifications
from tests.intake.test_service import House
from tests.notification.desk import where_it_is_day
from tests.support import Room


@pytest.fixture
def room(desk):
    room = Room(Intake, url=desk.url, settings=desk.settings)
    room.host.clock = RealClock()
    yield room
    room.close()


@pytest.fixture
def refer(room):
    house = House.__new__(House)
    house.room = room
    house.open_site(time_zone=where_it_is_day())

    def refer(**person):
        return house.refer(patient=person)

    return refer


def want_message(room: Room, referral: dict) -> MessageWanted:
    """Deliver what monitoring says, and send what comes of it."""
    wanted = MessageWanted(
        patient_id=referral["patient_id"],
        episode_id=referral["episode_id"],
        journey_id=new_id(),
        notification_id=new_id(),
        template="PLEASE_CALL_US",
        deadline_at=real_now() + timedelta(hours=3),
        wanted_at=real_now(),
    )
    room.deliver(wanted)
    outgoing = sending.Sending(room.host)
    outgoing.step()
    outgoing.stop()
    return wanted


class TestMessageToPatient:
    def test_reaches_their_mailbox_and_tells_nothing(self, room, refer, mail):
        referral = refer(email="ada.quill@example.org")

        wanted = want_message(room, referral)

        ((reader, message),) = mail.taken
        assert (reader, message["Subject"]) == ("ada.quill@example.org", "Please call us")
        (settled,) = room.announced_of(NotificationSettled)
        assert (settled.notification_id, settled.outcome) == (wanted.notification_id, "SENT")

    def test_waits_for_the_morning_of_their_site_and_not_beyond_its_use(self, room, refer, mail, desk):
        referral = refer(email="ada.quill@example.org")

        wanted = want_message(room, referral)

        row = desk.row(wanted.notification_id)
        assert (row.urgent, row.time_zone) == (False, where_it_is_day())
        assert abs(row.give_up_at - wanted.deadline_at) < timedelta(minutes=1)

    def test_goes_nowhere_where_no_address_is_known(self, room, refer, desk, mail):
        want_message(room, refer())

        assert (mail.taken, desk.states()) == ([], {})

    def test_is_not_sent_to_somebody_who_said_stop(self, room, refer, mail):
        referral = refer(email="ada.quill@example.org")

        answer = room.call("stop_messages", {"patient_id": referral["patient_id"]}, role="front_desk")
        want_message(room, referral)

        assert answer == {"patient_id": referral["patient_id"], "stopped": True}
        assert mail.taken == []
        assert [event.outcome for event in room.announced_of(NotificationSettled)] == ["SUPPRESSED"]

    def test_is_not_sent_either_to_an_address_that_they_gave_afterwards(self, room, refer, mail):
        referral = refer()

        room.call(
            "stop_messages",
            {"patient_id": referral["patient_id"]},
            role="patient",
            actor_id=referral["patient_id"],
        )
        with room.db() as db:
            patient = tables.find_patient(db, patient_id=referral["patient_id"])
            patient.update_contacts(phone=None, email="new.mailbox@example.org")
        want_message(room, referral)

        assert mail.taken == []

    def test_is_sent_again_once_they_want_it_again(self, room, refer, mail):
        referral = refer(email="ada.quill@example.org")
        who = {"role": "patient", "actor_id": referral["patient_id"]}

        room.call("stop_messages", {"patient_id": referral["patient_id"]}, **who)
        answer = room.call("allow_messages", {"patient_id": referral["patient_id"]}, **who)
        want_message(room, referral)

        assert answer["stopped"] is False
        assert mail.readers == ["ada.quill@example.org"]

    def test_is_stopped_by_nobody_for_somebody_else(self, room, refer):
        referral = refer(email="ada.quill@example.org")

        with pytest.raises(NotFound):
            room.call(
                "stop_messages", {"patient_id": referral["patient_id"]}, role="patient", actor_id=new_id()
            )

    def test_keeps_no_address_that_can_be_read(self, room, refer, mail):
        want_message(room, refer(email="ada.quill@example.org"))

        with room.engine.connect() as connection:
            kept = repr(connection.execute(notifications.select()).all())
        assert "ada.quill" not in kept
