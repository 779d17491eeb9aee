"""When a patient is written to about what waits for their answer, and when not."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.scheduling.service import Scheduling
from shared.contracts.common import MessageWanted
from shared.contracts.scheduling import MakeUpBooked, ModuleOfferedAgain, ScheduleProposed, SeatOffered
from shared.ids import derived_id
from shared.notification.templates import TEMPLATES
from tests.scheduling.builders import (
    ADMITTED_AT,
    SITE,
    add_clinician,
    admission_of,
    admitted,
    discharge_of,
    draft_of,
    furnish,
    ids_of,
    open_group,
    referral_of,
)
from tests.support import Room

#: Saturday at noon in Chicago: nobody is elsewhere.
SATURDAY = datetime.fromisoformat("2026-02-07T12:00:00-06:00")


@pytest.fixture
def room(room_of) -> Room:
    room = room_of(Scheduling)
    furnish_with_workshop(room)
    return room


def furnish_with_workshop(room: Room) -> None:
    """Furnish a site whose afternoon workshop follows the life skills manual, a module a week."""
    furnish(room)
    open_group(
        room,
        "workshop",
        kind="EDUCATION",
        modality="LIFE_SKILLS",
        track="AFTERNOON",
        facilitator_id=add_clinician(room, "Nora", kind="CADC"),
    )
    adopted = room.call("adopt_curriculum", {"site_id": SITE, "manual": "LIFE_SKILLS"}, role="supervisor")
    room.call(
        "follow_curriculum",
        {"group_id": derived_id("group", "workshop"), "curriculum_id": adopted["curriculum_id"]},
        role="supervisor",
    )


def admit(room: Room, *names: str) -> None:
    for name in names:
        room.deliver(referral_of(name), *admitted(name))


def as_patient(name: str) -> dict[str, str]:
    return {"role": "patient", "actor_id": ids_of(name)["patient_id"]}


def wanted(room: Room, name: str, template: str) -> list[MessageWanted]:
    return [
        one
        for one in room.announced_of(MessageWanted)
        if (one.patient_id, one.template) == (ids_of(name)["patient_id"], template)
    ]


def workshop(room: Room, starts_at: datetime = SATURDAY, **changes: Any) -> dict[str, Any]:
    """Plan a workshop of two hours, led by the therapist."""
    fields = {
        "site_id": SITE,
        "kind": "EDUCATION",
        "modality": "LIFE_SKILLS",
        "facilitator_id": derived_id("clinician", "therapist 0"),
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + timedelta(hours=2)).isoformat(),
        "capacity": 1,
    }
    return room.call("plan_session", fields | changes, role="supervisor")


def parallel(room: Room) -> dict[str, Any]:
    """Plan a workshop on Saturday that teaches what the first one of the week teaches."""
    (curriculum,) = room.ask("list_curricula", {"site_id": SITE})["items"]
    return workshop(room, capacity=4, curriculum_id=curriculum["curriculum_id"], module_no=1)


def book(room: Room, session_id: str, name: str) -> dict[str, Any]:
    wanted_seat = {"session_id": session_id, "patient_id": ids_of(name)["patient_id"]}
    return room.call("book_seat", wanted_seat, role="front_desk")


def taught_to(room: Room, name: str) -> dict[str, Any]:
    found = room.ask("list_patient_sessions", {"episode_id": ids_of(name)["episode_id"]})["items"]
    return next(one for one in found if one["modality"] == "LIFE_SKILLS")


def excuse(room: Room, seat: dict[str, Any], name: str, **who: str) -> None:
    body = {"session_id": seat["session_id"], "patient_id": ids_of(name)["patient_id"], "reason": "COURT"}
    room.call("excuse_absence", body, **who)


def mark(room: Room, seat: dict[str, Any], word: str) -> None:
    rows = [{"patient_id": seat["patient_id"], "mark": word}]
    room.call("record_roster", {"session_id": seat["session_id"], "marks": rows}, role="counselor")


class TestOffer:
    @pytest.fixture
    def full(self, room) -> tuple[str, str]:
        """Return a session that Ada fills and the others wait for, and her seat."""
        admit(room, "Ada", "Ben", "Cleo")
        session_id = workshop(room)["session_id"]
        seat_id = book(room, session_id, "Ada")["seat"]["seat_id"]
        for name in ("Ben", "Cleo"):
            book(room, session_id, name)
        return session_id, seat_id

    def test_is_told_once_to_whom_it_is_made_while_it_lasts(self, room, full):
        _, seat_id = full

        room.call("release_seat", {"seat_id": seat_id}, **as_patient("Ada"))

        (offered,) = room.announced_of(SeatOffered)
        (told,) = wanted(room, "Ben", "PLACE_OFFERED")
        assert (told.deadline_at, told.wanted_at) == (offered.expires_at, room.now)
        assert told.episode_id == ids_of("Ben")["episode_id"]
        assert wanted(room, "Ada", "PLACE_OFFERED") == wanted(room, "Cleo", "PLACE_OFFERED") == []

    def test_is_told_to_the_next_when_it_goes_on(self, room, full):
        _, seat_id = full
        room.call("release_seat", {"seat_id": seat_id}, role="front_desk")

        room.advance(timedelta(hours=5))

        assert len(wanted(room, "Ben", "PLACE_OFFERED")) == 1
        assert len(wanted(room, "Cleo", "PLACE_OFFERED")) == 1

    def test_at_night_lasts_until_there_was_time_to_hear_of_it(self, room, full):
        _, seat_id = full
        room.at("2026-02-03T23:00:00-06:00")

        room.call("release_seat", {"seat_id": seat_id}, role="front_desk")

        (offered,) = room.announced_of(SeatOffered)
        # At eight the quiet hours end, and four hours later the offer.
        assert offered.expires_at == datetime.fromisoformat("2026-02-04T12:00:00-06:00")

    def test_that_nobody_can_hear_of_in_time_is_kept_no_longer_than_another(self, room):
        admit(room, "Ada", "Ben")
        session_id = workshop(room, datetime.fromisoformat("2026-02-07T08:30:00-06:00"))["session_id"]
        seat_id = book(room, session_id, "Ada")["seat"]["seat_id"]
        book(room, session_id, "Ben")
        room.at("2026-02-06T22:00:00-06:00")

        room.call("release_seat", {"seat_id": seat_id}, role="front_desk")

        (offered,) = room.announced_of(SeatOffered)
        assert offered.expires_at == room.now + timedelta(hours=4)


class TestMakeUp:
    def test_that_the_staff_booked_is_told(self, room):
        admit(room, "Ada")
        own = taught_to(room, "Ada")
        excuse(room, own, "Ada", role="front_desk")
        other = workshop(room, capacity=4)

        room.call("make_up_session", {"seat_id": own["seat_id"], "to_session_id": other["session_id"]})

        (booked,) = room.announced_of(MakeUpBooked)
        (told,) = wanted(room, "Ada", "SCHEDULE_CHANGED")
        assert told.deadline_at == booked.starts_at

    def test_that_the_patient_booked_is_no_news_to_them(self, room):
        admit(room, "Ada")
        own = taught_to(room, "Ada")
        other = workshop(room, capacity=4)
        excuse(room, own, "Ada", **as_patient("Ada"))

        body = {"seat_id": own["seat_id"], "to_session_id": other["session_id"]}
        room.call("make_up_session", body, **as_patient("Ada"))

        assert room.announced_of(MakeUpBooked)
        assert wanted(room, "Ada", "SCHEDULE_CHANGED") == []

    def test_that_is_offered_is_told_at_once_to_whom_the_staff_excused(self, room):
        admit(room, "Ada")
        other = parallel(room)

        excuse(room, taught_to(room, "Ada"), "Ada", role="front_desk")

        (offered,) = room.announced_of(ModuleOfferedAgain)
        (told,) = wanted(room, "Ada", "PLACE_OFFERED")
        assert (offered.occasion, offered.session_id) == ("MAKE_UP", other["session_id"])
        assert (told.wanted_at, told.deadline_at) == (room.now, SATURDAY)

    def test_that_is_offered_is_no_news_to_whoever_excused_themself(self, room):
        admit(room, "Ada")
        parallel(room)

        excuse(room, taught_to(room, "Ada"), "Ada", **as_patient("Ada"))
        room.advance(timedelta(days=3))

        assert room.announced_of(ModuleOfferedAgain)
        assert wanted(room, "Ada", "PLACE_OFFERED") == []

    def test_that_is_offered_is_told_to_whoever_stayed_away_once_they_were_called(self, room):
        admit(room, "Ada")
        parallel(room)
        own = taught_to(room, "Ada")
        starts_at = datetime.fromisoformat(own["starts_at"])
        room.at(starts_at + timedelta(hours=2))
        mark(room, own, "NO_SHOW")
        at_once = wanted(room, "Ada", "PLACE_OFFERED")

        room.advance(timedelta(days=1))

        (told,) = wanted(room, "Ada", "PLACE_OFFERED")
        assert at_once == []
        assert told.wanted_at == starts_at + timedelta(hours=4)

    def test_is_told_to_nobody_whose_absence_was_a_slip_of_the_pen(self, room):
        admit(room, "Ada")
        parallel(room)
        own = taught_to(room, "Ada")
        room.at(datetime.fromisoformat(own["starts_at"]) + timedelta(hours=2))
        mark(room, own, "NO_SHOW")

        room.call("correct_attendance", {"seat_id": own["seat_id"], "mark": "PRESENT"}, role="counselor")
        room.advance(timedelta(days=1))

        assert wanted(room, "Ada", "PLACE_OFFERED") == []

    def test_is_told_to_nobody_who_booked_it_or_left_in_the_meantime(self, room):
        admit(room, "Ada", "Ben")
        other = parallel(room)
        for name in ("Ada", "Ben"):
            own = taught_to(room, name)
            room.at(datetime.fromisoformat(own["starts_at"]) + timedelta(hours=2))
            mark(room, own, "NO_SHOW")

        body = {"seat_id": taught_to(room, "Ada")["seat_id"], "to_session_id": other["session_id"]}
        room.call("make_up_session", body, **as_patient("Ada"))
        room.deliver(discharge_of("Ben", at=room.now))
        room.advance(timedelta(days=1))

        assert wanted(room, "Ada", "PLACE_OFFERED") == wanted(room, "Ben", "PLACE_OFFERED") == []

    def test_of_a_later_week_is_told_to_nobody(self, room):
        admit(room, "Ada")

        excuse(room, taught_to(room, "Ada"), "Ada", role="front_desk")

        assert [one.occasion for one in room.announced_of(ModuleOfferedAgain)] == ["NEXT_CYCLE"]
        assert wanted(room, "Ada", "PLACE_OFFERED") == []


class TestWeek:
    def declare(self, room: Room, name: str, weekday: int, **who: str) -> None:
        busy = {"kind": "WORK", "weekday": weekday, "starts": "08:00", "ends": "17:30"}
        body = {"patient_id": ids_of(name)["patient_id"], "site_id": SITE, "obligations": [busy]}
        room.call("declare_obligations", body, **who)

    def test_that_is_proposed_is_told_while_an_answer_is_waited_for(self, room):
        admit(room, "Ada")

        (proposed,) = room.announced_of(ScheduleProposed)
        (told,) = wanted(room, "Ada", "SCHEDULE_TO_CONFIRM")
        assert told.deadline_at == proposed.confirm_by == ADMITTED_AT + timedelta(hours=48)

    def test_is_told_once_for_each_that_is_proposed(self, room):
        admit(room, "Ada")

        self.declare(room, "Ada", 0, role="front_desk")

        assert len(room.announced_of(ScheduleProposed)) == 2
        told = wanted(room, "Ada", "SCHEDULE_TO_CONFIRM")
        assert len({one.notification_id for one in told}) == len(told) == 2

    def test_is_no_news_to_whoever_changed_it_themself(self, room):
        admit(room, "Ada")

        self.declare(room, "Ada", 0, **as_patient("Ada"))

        assert len(room.announced_of(ScheduleProposed)) == 2
        assert len(wanted(room, "Ada", "SCHEDULE_TO_CONFIRM")) == 1

    def test_of_somebody_who_has_left_is_told_to_nobody(self, room):
        room.deliver(referral_of("Ada"), discharge_of("Ada", at=room.now))

        room.deliver(draft_of("Ada"), admission_of("Ada"))

        assert room.announced_of(MessageWanted) == []

    def test_where_none_fits_is_for_the_desk_to_tell(self, room):
        room.deliver(referral_of("Ada"))
        everything = [
            {"kind": "WORK", "weekday": day, "starts": "06:00", "ends": "22:00"} for day in range(7)
        ]
        body = {"patient_id": ids_of("Ada")["patient_id"], "site_id": SITE, "obligations": everything}
        room.call("declare_obligations", body)

        room.deliver(*admitted("Ada"))

        assert room.announced_of(MessageWanted) == []


class TestTexts:
    @pytest.mark.parametrize("name", ["PLACE_OFFERED", "SCHEDULE_CHANGED", "SCHEDULE_TO_CONFIRM"])
    def test_are_for_patients_and_on_the_list(self, name):
        assert not TEMPLATES[name].for_staff
