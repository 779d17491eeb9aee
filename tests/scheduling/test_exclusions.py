"""The monthly look at the federal exclusion lists."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from services.scheduling.domain import exclusions
from services.scheduling.service import Scheduling
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.scheduling import EXCLUSION_LISTS, ClinicianCredentialsChanged
from shared.errors import Forbidden, InvalidInput, NotFound
from shared.ids import derived_id, new_id
from tests.scheduling.builders import SITE, add_clinician, admitted, furnish, open_group, referral_of
from tests.support import BEGINNING, Room

INES = derived_id("clinician", "Ines")
ADDED_AT = BEGINNING


@pytest.fixture
def room(room_of) -> Room:
    room = room_of(Scheduling)
    furnish(room)
    add_clinician(room, "Ines")
    return room


def look(room: Room, source: str, finding: str = "CLEAR", **who: Any) -> dict[str, Any]:
    asked = {"clinician_id": INES, "source": source, "finding": finding}
    return room.call("record_exclusion_check", asked, **({"role": "operations"} | who))


def open_tasks(room: Room, task: str) -> list[TaskOpened]:
    closed = {one.task_id for one in room.announced_of(TaskClosed)}
    return [
        one
        for one in room.announced_of(TaskOpened)
        if one.task == task and one.about_id == INES and one.task_id not in closed
    ]


def found(checked_at: datetime, finding: str = "CLEAR") -> dict[str, str]:
    return {"finding": finding, "checked_at": checked_at.isoformat()}


class TestRules:
    def test_want_every_list_within_a_month_of_the_last_look(self) -> None:
        later = ADDED_AT + timedelta(days=20)

        assert exclusions.due_at({}, added_at=ADDED_AT) == ADDED_AT + timedelta(days=30)
        one = {"OIG_LEIE": found(later)}
        assert exclusions.due_at(one, added_at=ADDED_AT) == ADDED_AT + timedelta(days=30)
        both = {source: found(later) for source in EXCLUSION_LISTS}
        assert exclusions.due_at(both, added_at=ADDED_AT) == later + timedelta(days=30)

    def test_exclude_by_one_list_alone(self) -> None:
        assert not exclusions.is_excluded({})
        assert not exclusions.is_excluded({"SAM": found(ADDED_AT)})
        assert exclusions.is_excluded({"SAM": found(ADDED_AT, "EXCLUDED"), "OIG_LEIE": found(ADDED_AT)})


class TestMonthlyLook:
    def test_is_asked_for_after_a_month_and_answered_by_both_lists(self, room):
        room.advance(timedelta(days=29))
        assert open_tasks(room, "exclusion_check") == []

        room.advance(timedelta(days=2))
        (asked,) = open_tasks(room, "exclusion_check")
        assert (asked.owner_role, asked.next_role) == ("operations", "supervisor")

        look(room, "OIG_LEIE")
        assert len(open_tasks(room, "exclusion_check")) == 1
        look(room, "SAM")
        assert open_tasks(room, "exclusion_check") == []

        room.advance(timedelta(days=31))
        (again,) = open_tasks(room, "exclusion_check")
        assert again.task_id != asked.task_id

    def test_is_asked_for_once_however_long_nobody_looks(self, room):
        room.advance(timedelta(days=100))

        assert len(open_tasks(room, "exclusion_check")) == 1

    def test_that_comes_in_time_is_not_asked_for(self, room):
        for _ in range(3):
            room.advance(timedelta(days=25))
            for source in EXCLUSION_LISTS:
                look(room, source)

        assert [one for one in room.announced_of(TaskOpened) if one.about_id == INES] == []

    def test_says_who_looked_and_when(self, room):
        look(room, "OIG_LEIE")
        room.advance(timedelta(hours=1))
        look(room, "SAM", role="supervisor")

        listed = room.ask("list_exclusion_checks", {"clinician_id": INES}, role="supervisor")["items"]

        assert [(one["source"], one["checked_by_role"]) for one in listed] == [
            ("SAM", "supervisor"),
            ("OIG_LEIE", "operations"),
        ]
        assert listed[1]["checked_by"] == derived_id("actor", "operations")

    def test_is_refused_of_strangers_and_from_those_who_may_not(self, room):
        with pytest.raises(NotFound):
            room.call(
                "record_exclusion_check",
                {"clinician_id": new_id(), "source": "SAM", "finding": "CLEAR"},
                role="operations",
            )
        with pytest.raises(NotFound):
            look(room, "SAM", tenant_id="riverside")
        with pytest.raises(Forbidden):
            look(room, "SAM", role="counselor")
        with pytest.raises(InvalidInput):
            look(room, "RUMOUR")


class TestExcluded:
    def test_leads_nothing_and_somebody_else_is_asked_for(self, room_of):
        room = room_of(Scheduling)
        furnish(room)
        add_clinician(room, "Ines", kind="CADC", expires_on=date(2030, 1, 1))
        open_group(room, "dusk", track="EVENING", facilitator_id=INES)
        work = [{"kind": "WORK", "weekday": day, "starts": "08:00", "ends": "17:00"} for day in range(5)]
        room.deliver(referral_of("Ada"))
        declared = {"patient_id": referral_of("Ada").patient_id, "site_id": SITE, "obligations": work}
        room.call("declare_obligations", declared)
        room.deliver(*admitted("Ada"))

        look(room, "SAM", "EXCLUDED")

        (task,) = open_tasks(room, "sessions_to_reassign")
        assert task.reason == "CLINICIAN_EXCLUDED"
        told = [one for one in room.announced_of(ClinicianCredentialsChanged) if one.clinician_id == INES]
        assert told[-1].kinds == ()
        shown = room.ask("list_clinicians", {})["items"]
        assert not next(one for one in shown if one["clinician_id"] == INES)["may_lead"]

        look(room, "SAM")
        assert open_tasks(room, "sessions_to_reassign") == []
        told = [one for one in room.announced_of(ClinicianCredentialsChanged) if one.clinician_id == INES]
        assert told[-1].kinds == ("CADC",)
