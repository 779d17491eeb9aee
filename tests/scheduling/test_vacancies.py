"""What others are told of groups with room, and of the credentials of those who work at a site."""

from datetime import date, time, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.scheduling import tables
from services.scheduling.domain.clinicians import NOT_CONFIRMED, Clinician
from services.scheduling.domain.groups import Group
from services.scheduling.service import Scheduling
from shared.contracts.scheduling import ClinicianCredentialsChanged, GroupPlacesChanged
from shared.ids import derived_id
from tests.scheduling.builders import (
    ADMITTED_AT,
    OPENED_AT,
    SITE,
    add_clinician,
    admitted,
    discharge_of,
    furnish,
    ids_of,
    open_group,
    referral_of,
)
from tests.support import Room

SUNRISE = derived_id("group", "sunrise")


@pytest.fixture
def room(room_of) -> Room:
    room = room_of(Scheduling)
    furnish(room)
    return room


def told_of(room: Room, group_id: str = SUNRISE) -> list[GroupPlacesChanged]:
    return [one for one in room.announced_of(GroupPlacesChanged) if one.group_id == group_id]


def admit(room: Room, name: str) -> None:
    room.deliver(referral_of(name), *admitted(name))


def free_in_list(room: Room) -> list[int]:
    return next(
        group["free_places"] for group in room.ask("list_groups", {})["items"] if group["group_id"] == SUNRISE
    )


def group(**changes: Any) -> Group:
    """An evening group on Monday and Wednesday with twelve places."""
    values: dict[str, Any] = {
        "group_id": derived_id("group", "dusk"),
        "site_id": SITE,
        "kind": "GROUP",
        "modality": "CBT",
        "track": "EVENING",
        "weekdays": [0, 2],
        "starts": time(18),
        "ends": time(21),
        "clinical_minutes": 165,
        "capacity": 12,
        "facilitator_id": derived_id("clinician", "Walt"),
        "opened_at": OPENED_AT,
    }
    return Group(**values | changes)


def clinician(*credentials: dict[str, Any]) -> Clinician:
    """Somebody with credentials."""
    return Clinician(
        clinician_id=derived_id("clinician", "Ines"),
        site_id=SITE,
        added_at=OPENED_AT,
        credentials=list(credentials),
        name="Ines",
    )


class TestTelling:
    def test_of_a_group_counts_each_weekday_by_itself_and_is_news_once(self) -> None:
        dusk = group()
        taken = {(dusk.group_id, 2): {1, 2, 5}, ("another", 0): {1}}

        (told,) = dusk.tell_places(taken, now=OPENED_AT)

        assert (told.weekdays, told.free_places, told.revision) == ((0, 2), (12, 9), 1)
        assert dusk.tell_places(taken, now=ADMITTED_AT) == []
        (again,) = dusk.tell_places({}, now=ADMITTED_AT)
        assert (again.free_places, again.revision) == ((12, 12), 2)

    def test_of_a_clinician_leaves_out_what_is_not_confirmed_and_keeps_what_ran_out(self) -> None:
        ines = clinician(
            {"kind": "LCSW", "state": "IL", "expires_on": "2020-01-31"},
            {"kind": "CADC", "state": "IL", "expires_on": "2030-01-31", "check_outcome": NOT_CONFIRMED},
        )

        (told,) = ines.tell_credentials(now=OPENED_AT)

        assert (told.kinds, told.expire_on) == (("LCSW",), (date(2020, 1, 31),))
        assert ines.tell_credentials(now=ADMITTED_AT) == []

    def test_of_a_clinician_without_any_that_counts_is_news_too(self) -> None:
        (told,) = clinician().tell_credentials(now=OPENED_AT)

        assert (told.kinds, told.revision) == ((), 1)


class TestPlaces:
    def test_are_told_when_a_group_opens(self, room_of):
        room = room_of(Scheduling)
        furnish(room)

        open_group(
            room,
            "dusk",
            track="EVENING",
            weekdays=[0, 2],
            facilitator_id=derived_id("clinician", "Walt"),
            mode="VIDEO",
            capacity=8,
        )

        (told,) = told_of(room, derived_id("group", "dusk"))
        assert (told.weekdays, told.free_places, told.capacity) == ((0, 2), (8, 8), 8)
        assert (told.starts, told.ends, told.mode) == ("18:00", "21:00", "VIDEO")
        assert (told.enrolment, told.revision) == ("OPEN", 1)

    def test_follow_admission_and_discharge(self, room):
        admit(room, "Ada")
        after_admission = told_of(room)[-1]
        assert list(after_admission.free_places) == free_in_list(room) != [12] * 5

        room.deliver(discharge_of("Ada", at=ADMITTED_AT + timedelta(days=3)))

        last = told_of(room)[-1]
        assert list(last.free_places) == free_in_list(room) == [12] * 5
        revisions = [one.revision for one in told_of(room)]
        assert revisions == list(range(1, len(revisions) + 1))

    def test_follow_obligations_that_take_days_away(self, room):
        admit(room, "Ada")
        work = [{"kind": "WORK", "weekday": day, "starts": "08:00", "ends": "17:00"} for day in range(4)]

        room.call(
            "declare_obligations",
            {"patient_id": ids_of("Ada")["patient_id"], "site_id": SITE, "obligations": work},
        )

        assert list(told_of(room)[-1].free_places) == free_in_list(room) == [12, 12, 12, 12, 11]

    def test_are_not_told_twice_alike(self, room):
        admit(room, "Ada")
        before = len(told_of(room))

        room.deliver(*admitted("Ada"))
        room.advance(timedelta(days=8))

        assert len(told_of(room)) == before

    def test_of_a_closed_group_say_so(self, room):
        room.call("change_enrolment", {"group_id": SUNRISE, "enrolment": "CLOSED"})

        assert told_of(room)[-1].enrolment == "CLOSED"

    def test_of_groups_of_an_older_version_are_told_by_the_weekly_round(self, room):
        with room.db() as db:
            db.execute(sa.update(tables.groups_table).values(told={}, revision=0))
        before = len(told_of(room))

        room.advance(timedelta(days=8))

        (told,) = told_of(room)[before:]
        assert (told.revision, told.free_places) == (1, (12,) * 5)


class TestCredentials:
    def told(self, room: Room, name: str) -> list[tuple[tuple[str, ...], int]]:
        return [
            (one.kinds, one.revision)
            for one in room.announced_of(ClinicianCredentialsChanged)
            if one.clinician_id == derived_id("clinician", name)
        ]

    def record(self, room: Room, name: str, kind: str, expires_on: date) -> None:
        credential = {"kind": kind, "state": "IL", "expires_on": expires_on.isoformat()}
        room.call(
            "record_credential",
            {"clinician_id": derived_id("clinician", name), **credential},
            role="supervisor",
        )

    def check(self, room: Room, name: str, outcome: str) -> None:
        looked = {"kind": "LCSW", "state": "IL", "source": "STATE_BOARD", "outcome": outcome}
        room.call(
            "check_credential", {"clinician_id": derived_id("clinician", name), **looked}, role="supervisor"
        )

    def test_are_told_with_their_last_days_and_no_name(self, room):
        add_clinician(room, "Ines", expires_on=date(2027, 1, 31))

        told = room.announced_of(ClinicianCredentialsChanged)[-1]
        assert (told.kinds, told.expire_on) == (("LCSW",), (date(2027, 1, 31),))
        assert (told.site_id, told.told_at) == (SITE, OPENED_AT)
        assert "Ines" not in str(told.to_data())

    def test_are_told_again_when_they_change_and_only_then(self, room):
        add_clinician(room, "Ines")
        self.record(room, "Ines", "CADC", date(2027, 1, 31))
        self.record(room, "Ines", "CADC", date(2027, 1, 31))
        self.check(room, "Ines", "CONFIRMED")
        self.check(room, "Ines", "NOT_CONFIRMED")
        self.check(room, "Ines", "CONFIRMED")

        assert self.told(room, "Ines") == [
            (("LCSW",), 1),
            (("CADC", "LCSW"), 2),
            (("CADC",), 3),
            (("CADC", "LCSW"), 4),
        ]

    def test_of_clinicians_of_an_older_version_are_told_by_the_weekly_round(self, room):
        with room.db() as db:
            db.execute(sa.update(tables.clinicians_table).values(told=[], revision=0))

        room.advance(timedelta(days=8))

        assert self.told(room, "Walt")[-1] == (("CADC",), 1)
