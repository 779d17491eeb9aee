"""A message that monitoring wants told to a patient, all the way to their mailbox, or not."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.intake import tables
from services.intake.service import Intake
from shared.clock import RealClock, real_now
from shared.contracts.aftercare import PatientDischarged
from shared.contracts.common import MessageWanted, NotificationSettled
from shared.contracts.scheduling import SeatCancelled
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


def want_message(room: Room, referral: dict, *, template: str = "PLEASE_CALL_US") -> MessageWanted:
    """Deliver what a service wants told, and send what comes of it."""
    wanted = MessageWanted(
        patient_id=referral["patient_id"],
        episode_id=referral["episode_id"],
        journey_id=new_id(),
        notification_id=new_id(),
        template=template,
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

    @pytest.mark.parametrize(
        ("template", "subject"),
        [
            ("PLACE_OFFERED", "There is a place for you"),
            ("SCHEDULE_TO_CONFIRM", "A schedule waits for your answer"),
            ("SCHEDULE_CHANGED", "Your schedule has changed"),
        ],
    )
    def test_is_of_any_service_that_has_something_to_tell(self, room, refer, mail, template, subject):
        want_message(room, refer(email="ada.quill@example.org"), template=template)

        ((_, message),) = mail.taken
        assert message["Subject"] == subject

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


class TestClosure:
    """Seats that the program took back, in whatever number."""

    @pytest.fixture
    def at(self) -> datetime:
        return real_now()

    def seats(
        self, referral: dict[str, Any], *, hours: tuple[float, ...], cancelled_at: datetime
    ) -> list[SeatCancelled]:
        """Return what scheduling tells of seats that start so many hours after now."""
        return [
            SeatCancelled(
                patient_id=referral["patient_id"],
                episode_id=referral["episode_id"],
                journey_id=referral["journey_id"],
                seat_id=new_id(),
                session_id=new_id(),
                kind="GROUP",
                starts_at=real_now() + timedelta(hours=after),
                reason="WEATHER",
                cancelled_at=cancelled_at,
            )
            for after in hours
        ]

    def send(self, room: Room) -> None:
        outgoing = sending.Sending(room.host)
        outgoing.step()
        outgoing.stop()

    def test_is_told_once_and_reveals_nothing(self, room, refer, mail, at):
        referral = refer(email="ada.quill@example.org")

        room.deliver(*self.seats(referral, hours=(1, 3, 25, 27, 49, 51, 73, 75, 97, 99), cancelled_at=at))
        self.send(room)

        ((reader, message),) = mail.taken
        assert (reader, message["Subject"]) == ("ada.quill@example.org", "Your schedule has changed")
        assert "WEATHER" not in str(message)
        (settled,) = room.announced_of(NotificationSettled)
        assert (settled.template, settled.outcome) == ("SCHEDULE_CHANGED", "SENT")

    def test_is_told_to_each_whose_seat_it_was(self, room, refer, mail, at):
        ada, ben = (
            refer(email="ada.quill@example.org"),
            refer(given_name="Ben", email="ben.okafor@example.org"),
        )

        for referral in (ada, ben):
            room.deliver(*self.seats(referral, hours=(20, 44), cancelled_at=at))
        self.send(room)

        assert sorted(mail.readers) == ["ada.quill@example.org", "ben.okafor@example.org"]

    def test_that_comes_after_another_is_told_again(self, room, refer, mail, at):
        referral = refer(email="ada.quill@example.org")

        for later in (timedelta(0), timedelta(minutes=20)):
            room.deliver(*self.seats(referral, hours=(20, 44), cancelled_at=at + later))
        self.send(room)

        assert mail.readers == ["ada.quill@example.org"] * 2

    def test_of_the_past_is_told_to_nobody(self, room, refer, desk, at):
        referral = refer(email="ada.quill@example.org")

        room.deliver(*self.seats(referral, hours=(-26, -2), cancelled_at=at))

        assert desk.states() == {}

    def test_that_reaches_into_the_future_is_told_whichever_seat_comes_first(self, room, refer, desk, at):
        ada, ben = refer(email="ada.quill@example.org"), refer(given_name="Ben", email="ben@example.org")

        room.deliver(*self.seats(ada, hours=(-2, 22), cancelled_at=at))
        room.deliver(*self.seats(ben, hours=(22, -2), cancelled_at=at))

        assert desk.states() == {"waiting": 2}

    def test_keeps_quiet_hours_of_the_site(self, room, refer, desk, at):
        room.deliver(*self.seats(refer(email="ada.quill@example.org"), hours=(20,), cancelled_at=at))

        with room.engine.connect() as connection:
            (row,) = connection.execute(notifications.select()).all()
        assert (row.template, row.urgent, row.time_zone) == ("SCHEDULE_CHANGED", False, where_it_is_day())
        assert row.codes == {}
        assert abs(row.give_up_at - at - timedelta(hours=24)) < timedelta(minutes=1)

    def test_is_not_told_to_somebody_who_said_stop(self, room, refer, mail, at):
        referral = refer(email="ada.quill@example.org")

        room.call("stop_messages", {"patient_id": referral["patient_id"]}, role="front_desk")
        room.deliver(*self.seats(referral, hours=(20, 44), cancelled_at=at))
        self.send(room)

        assert mail.taken == []
        assert [event.outcome for event in room.announced_of(NotificationSettled)] == ["SUPPRESSED"]

    def test_goes_nowhere_where_no_address_is_known(self, room, refer, desk, at):
        room.deliver(*self.seats(refer(), hours=(20,), cancelled_at=at))

        assert desk.states() == {}

    def test_is_not_told_to_somebody_who_has_left(self, room, refer, desk, at):
        referral = refer(email="ada.quill@example.org")
        room.deliver(
            PatientDischarged(
                patient_id=referral["patient_id"],
                episode_id=referral["episode_id"],
                journey_id=referral["journey_id"],
                discharge_id=new_id(),
                reason_code="1",
                admitted_at=at - timedelta(days=80),
                last_contact_at=at,
                stay_days=80,
                discharged_at=at,
            )
        )

        room.deliver(*self.seats(referral, hours=(20,), cancelled_at=at))

        assert desk.states() == {}


class TestClosureInSimulation:
    def test_is_settled_at_once_and_once(self, room_of):
        room = room_of(Intake)
        house = House(room)
        referral = house.refer(patient={"email": "ada.quill@example.org"})

        for hours in (20, 44):
            room.deliver(
                SeatCancelled(
                    patient_id=referral["patient_id"],
                    episode_id=referral["episode_id"],
                    journey_id=referral["journey_id"],
                    seat_id=new_id(),
                    session_id=new_id(),
                    kind="GROUP",
                    starts_at=room.now + timedelta(hours=hours),
                    reason="HOLIDAY",
                    cancelled_at=room.now,
                )
            )

        (settled,) = room.announced_of(NotificationSettled)
        assert (settled.outcome, settled.settled_at) == ("SIMULATED", room.now)
        assert room.timers() == []
