"""A message that monitoring wants told to a patient, all the way to their mailbox, or not."""

from datetime import datetime, timedelta
from email.header import decode_header, make_header
from typing import Any

import pytest

from services.intake.service import Intake
from shared.clock import RealClock, real_now
from shared.contracts.aftercare import PatientDischarged
from shared.contracts.common import MessageWanted, NotificationSettled, TaskClosed, TaskOpened
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
    room = Room(Intake, engine=desk.engine, settings=desk.settings)
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


def add_mailbox(room: Room, referral: dict, address: str, **changes: Any) -> str:
    """Add an address at which a message is safe; return the contact point's id."""
    told = {"patient_id": referral["patient_id"], "kind": "EMAIL", "address": address, "message_safe": True}
    return room.call("add_contact_point", told | changes, role="front_desk")["contact_point_id"]


def change_contact(room: Room, referral: dict, contact_point_id: str, **changes: Any) -> None:
    which = {"patient_id": referral["patient_id"], "contact_point_id": contact_point_id}
    room.call("change_contact_point", which | changes, role="front_desk")


def told_of(room: Room, referral: dict) -> list[dict]:
    """Return what is on record as written to somebody, the oldest first."""
    told = room.ask("list_messages", {"patient_id": referral["patient_id"]})["items"]
    return sorted(told, key=lambda one: (one["asked_at"], one["outcome"] is None))


def pass_on(room: Room) -> None:
    """Deliver to intake what was announced of its own notifications, and send what comes of it."""
    room.deliver(*room.announced_of(NotificationSettled))
    outgoing = sending.Sending(room.host)
    outgoing.step()
    outgoing.stop()


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
            ("PLEASE_COME_TODAY", "Please call us today"),
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
        add_mailbox(room, referral, "new.mailbox@example.org")
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

    @pytest.mark.parametrize("template", ["STAFF_PAGE", "YOUR_RESULTS_ARE_IN"])
    def test_is_no_text_but_one_for_patients(self, room, refer, mail, template):
        referral = refer(email="ada.quill@example.org")

        want_message(room, referral, template=template)

        assert room.waiting
        assert (mail.taken, told_of(room, referral)) == ([], [])

    def test_keeps_no_address_that_can_be_read(self, room, refer, mail):
        want_message(room, refer(email="ada.quill@example.org"))

        with room.engine.connect() as connection:
            kept = repr(connection.execute(notifications.select()).all())
        assert "ada.quill" not in kept


class TestWhereAMessageGoes:
    def test_is_the_first_contact_point_that_takes_messages(self, room, refer, mail):
        referral = refer(email="first@example.org")
        work = add_mailbox(room, referral, "work@example.org", position=1)
        home = add_mailbox(room, referral, "home@example.org", position=1, message_safe=False)
        gone = add_mailbox(room, referral, "gone@example.org", position=1)
        change_contact(room, referral, gone, may_be_used=False)

        want_message(room, referral)

        assert mail.readers == ["work@example.org"]
        (told,) = told_of(room, referral)
        assert told["contact_point_id"] == work
        assert home not in str(told)
        assert "example.org" not in str(told)

    def test_is_nowhere_where_no_message_is_safe_and_that_is_on_record(self, room, refer, desk, mail):
        referral = refer(phone="+1 312 555 0101", voicemail_safe=True)
        add_mailbox(room, referral, "shared@example.org", message_safe=False)

        want_message(room, referral)

        assert (mail.taken, desk.states()) == ([], {})
        (told,) = told_of(room, referral)
        assert (told["outcome"], told["contact_point_id"]) == ("NO_WAY", None)

    def test_is_on_record_with_what_became_of_it(self, room, refer, mail):
        referral = refer(email="ada.quill@example.org")

        wanted = want_message(room, referral)
        under_way = told_of(room, referral)[0]["outcome"]
        pass_on(room)

        (told,) = told_of(room, referral)
        assert (under_way, told["outcome"]) == (None, "SENT")
        assert (told["message_id"], told["template"], told["language"]) == (
            wanted.notification_id,
            "PLEASE_CALL_US",
            "EN",
        )
        (known,) = room.ask("list_contact_points", {"patient_id": referral["patient_id"]})["items"]
        assert told["contact_point_id"] == known["contact_point_id"]

    def test_is_the_next_one_where_the_mailbox_is_none(self, room, refer, mail):
        referral = refer(email="old@example.org")
        second = add_mailbox(room, referral, "second@example.org")

        mail.recipient_answer = "550 5.1.1 No such mailbox"
        wanted = want_message(room, referral)
        mail.recipient_answer = ""
        pass_on(room)

        assert mail.readers == ["second@example.org"]
        settled = room.announced_of(NotificationSettled)
        assert [(one.outcome, one.error) for one in settled] == [
            ("FAILED", "MailboxRefused550"),
            ("SENT", None),
        ]
        tries = told_of(room, referral)
        assert {one["wanted_id"] for one in tries} == {wanted.notification_id}
        assert [one["contact_point_id"] for one in tries][1] == second
        shown = room.ask("list_contact_points", {"patient_id": referral["patient_id"]})["items"]
        assert [(one["address"], one["refused_at"] is None) for one in shown] == [
            ("second@example.org", True),
            ("old@example.org", False),
        ]

    def test_is_each_once_and_then_no_more(self, room, refer, mail):
        referral = refer(email="old@example.org")
        add_mailbox(room, referral, "second@example.org")

        mail.recipient_answer = "550 5.1.1 No such mailbox"
        want_message(room, referral)
        for _ in range(3):
            pass_on(room)

        assert [one["outcome"] for one in told_of(room, referral)] == ["FAILED", "FAILED"]
        assert mail.taken == []

    def test_is_a_refused_one_again_when_there_is_no_better(self, room, refer, mail):
        referral = refer(email="only@example.org")

        mail.recipient_answer = "550 5.7.1 Not today"
        want_message(room, referral)
        pass_on(room)
        mail.recipient_answer = ""
        want_message(room, referral)
        pass_on(room)

        assert mail.readers == ["only@example.org"]
        (shown,) = room.ask("list_contact_points", {"patient_id": referral["patient_id"]})["items"]
        assert shown["refused_at"] is None

    def test_is_not_the_next_one_when_nobody_knows_how_it_ended(self, room, refer, mail):
        referral = refer(email="first@example.org")
        add_mailbox(room, referral, "second@example.org")

        mail.message_answer = "554 Not this text"
        want_message(room, referral)
        mail.message_answer = ""
        pass_on(room)

        assert mail.taken == []

    def test_is_told_in_their_language_where_the_text_is_there_in_it(self, room, refer, mail):
        ada, ben = (
            refer(email="ada@example.org", language="ES"),
            refer(given_name="Ben", email="ben@example.org", language="KM"),
        )

        want_message(room, ada)
        want_message(room, ben)

        subjects = {
            reader: str(make_header(decode_header(message["Subject"]))) for reader, message in mail.taken
        }
        assert subjects == {"ada@example.org": "Por favor, llámenos", "ben@example.org": "Please call us"}
        body = next(message for reader, message in mail.taken if reader == "ada@example.org")
        assert "Tiene una cita con nosotros" in body.get_payload(decode=True).decode()
        assert [one["language"] for one in told_of(room, ada) + told_of(room, ben)] == ["ES", "EN"]

    def test_stops_at_every_address_of_somebody_who_said_stop(self, room, refer, mail):
        referral = refer(email="first@example.org")
        add_mailbox(room, referral, "second@example.org")
        sister = refer(given_name="Eve", email="second@example.org")

        room.call("stop_messages", {"patient_id": referral["patient_id"]}, role="front_desk")
        want_message(room, sister)
        pass_on(room)

        assert mail.taken == []
        assert [one["outcome"] for one in told_of(room, sister)] == ["SUPPRESSED"]


class TestToldOtherwise:
    """What reaches nobody in writing, and is nobody else's to tell."""

    def asked(self, room: Room) -> list[TaskOpened]:
        return [one for one in room.announced_of(TaskOpened) if one.task == "patient_to_tell"]

    @pytest.mark.parametrize("template", ["PLACE_OFFERED", "SCHEDULE_CHANGED"])
    def test_is_asked_of_the_front_desk_where_there_is_no_address(self, room, refer, mail, template):
        referral = refer(phone="+1 312 555 0101")

        wanted = want_message(room, referral, template=template)

        (task,) = self.asked(room)
        assert (task.owner_role, task.next_role, task.reason) == ("front_desk", "counselor", "NO_WAY")
        assert (task.patient_id, task.about_id) == (referral["patient_id"], wanted.notification_id)
        assert abs(task.due_at - wanted.deadline_at) < timedelta(minutes=1)

    def test_is_closed_by_the_front_desk(self, room, refer):
        want_message(room, refer(phone="+1 312 555 0101"), template="SCHEDULE_CHANGED")
        (task,) = self.asked(room)

        told = {name: getattr(task, name) for name in ("task_id", "task", "about_id")}
        room.call("close_task", told | {"outcome": "DONE"}, role="front_desk")

        assert [one.outcome for one in room.announced_of(TaskClosed) if one.task == task.task] == ["DONE"]

    def test_is_asked_where_every_mailbox_is_none(self, room, refer, mail):
        referral = refer(email="old@example.org")
        add_mailbox(room, referral, "second@example.org")

        mail.recipient_answer = "550 5.1.1 No such mailbox"
        want_message(room, referral, template="PLACE_OFFERED")
        first = self.asked(room)
        pass_on(room)
        pass_on(room)

        assert first == []
        assert [one.reason for one in self.asked(room)] == ["FAILED"]

    def test_is_asked_where_nobody_knows_how_it_ended(self, room, refer, mail):
        mail.message_answer = "554 Not this text"
        want_message(room, refer(email="first@example.org"), template="SCHEDULE_CHANGED")
        pass_on(room)

        assert [one.reason for one in self.asked(room)] == ["FAILED"]

    def test_is_asked_once_for_each_thing_however_often_it_comes(self, room, refer):
        referral = refer(phone="+1 312 555 0101")
        first, second = (
            MessageWanted(
                patient_id=referral["patient_id"],
                episode_id=referral["episode_id"],
                journey_id=new_id(),
                notification_id=new_id(),
                template="PLACE_OFFERED",
                deadline_at=real_now() + timedelta(hours=hours),
                wanted_at=real_now(),
            )
            for hours in (20, 4)
        )

        room.deliver(first, second)
        room.deliver(second, first)

        assert [one.about_id for one in self.asked(room)] == [first.notification_id, second.notification_id]

    @pytest.mark.parametrize("template", ["PLEASE_CALL_US", "PLEASE_COME_TODAY", "SCHEDULE_TO_CONFIRM"])
    def test_is_not_asked_where_somebody_else_is(self, room, refer, template):
        want_message(room, refer(phone="+1 312 555 0101"), template=template)

        assert self.asked(room) == []

    def test_is_not_asked_about_somebody_who_wants_no_messages(self, room, refer, mail):
        referral = refer(email="ada.quill@example.org")
        room.call("stop_messages", {"patient_id": referral["patient_id"]}, role="front_desk")

        want_message(room, referral, template="SCHEDULE_CHANGED")
        pass_on(room)

        assert self.asked(room) == []


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
