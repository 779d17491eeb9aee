"""Credentials that run out, absences, hand-overs and rooms."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.scheduling.service import Scheduling
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.scheduling import (
    CredentialExpired,
    SessionAttended,
    SessionReassigned,
    WeeklyDoseShortfall,
)
from shared.errors import Conflict, InvalidInput
from shared.ids import derived_id
from tests.scheduling.builders import (
    SITE,
    add_clinician,
    admitted,
    furnish,
    ids_of,
    open_group,
    referral_of,
)
from tests.support import Room

MONDAY = datetime(2026, 2, 2, 15, 0, tzinfo=UTC)
WALT = derived_id("clinician", "Walt")
THERAPIST = derived_id("clinician", "therapist 0")


@pytest.fixture
def room(room_of) -> Room:
    room = room_of(Scheduling)
    furnish(room)
    return room


def admit(room: Room, *names: str) -> None:
    for name in names:
        room.deliver(referral_of(name), *admitted(name))


def groups_of(room: Room, name: str) -> list[dict[str, Any]]:
    found = room.ask("list_patient_sessions", {"episode_id": ids_of(name)["episode_id"]})["items"]
    return [one for one in found if one["kind"] == "GROUP"]


def tasks_of(room: Room, task: str) -> list[TaskOpened]:
    return [one for one in room.announced_of(TaskOpened) if one.task == task]


def renew(room: Room, name: str, *, expires_on: str, kind: str = "CADC", **more: Any) -> dict[str, Any]:
    return room.call(
        "record_credential",
        {
            "clinician_id": derived_id("clinician", name),
            "kind": kind,
            "state": "IL",
            "expires_on": expires_on,
            **more,
        },
        role="supervisor",
    )


class TestCredentials:
    def test_ask_for_renewal_at_sixty_thirty_and_seven_days(self, room):
        add_clinician(room, "Ines", expires_on=date(2026, 5, 1))

        room.advance("2026-05-01T12:00:00-05:00")

        asked = tasks_of(room, "credential_expires")
        assert [task.reason for task in asked] == [
            "EXPIRES_WITHIN_60_DAYS",
            "EXPIRES_WITHIN_30_DAYS",
            "EXPIRES_WITHIN_7_DAYS",
        ]
        closed = [one for one in room.announced_of(TaskClosed) if one.task == "credential_expires"]
        assert [(one.task_id, one.outcome) for one in closed] == [
            (asked[0].task_id, "ESCALATED"),
            (asked[1].task_id, "ESCALATED"),
        ]
        assert room.announced_of(CredentialExpired) == []

    def test_are_asked_for_no_longer_once_renewed(self, room):
        add_clinician(room, "Ines", kind="CADC", expires_on=date(2026, 3, 15))
        room.advance("2026-02-20T12:00:00-06:00")

        renew(room, "Ines", expires_on="2028-03-15")
        room.advance("2026-03-20T12:00:00-05:00")

        asked = tasks_of(room, "credential_expires")
        closed = {one.task_id: one.outcome for one in room.announced_of(TaskClosed)}
        assert closed[asked[-1].task_id] == "DONE"
        assert room.announced_of(CredentialExpired) == []

    def test_expire_at_midnight_of_the_site_and_ask_for_somebody_else(self, room_of):
        room = room_of(Scheduling)
        furnish(room)
        lead = add_clinician(room, "Leaving", kind="CADC", expires_on=date(2026, 2, 4))
        open_group(room, "dusk", track="EVENING", facilitator_id=lead)
        declared = [{"kind": "WORK", "weekday": day, "starts": "08:00", "ends": "17:00"} for day in range(5)]
        room.deliver(referral_of("Ada"))
        room.call(
            "declare_obligations",
            {"patient_id": ids_of("Ada")["patient_id"], "site_id": SITE, "obligations": declared},
        )
        room.deliver(*admitted("Ada"))

        room.advance("2026-02-04T23:59:00-06:00")
        before = room.announced_of(CredentialExpired)
        room.advance("2026-02-05T00:01:00-06:00")

        assert before == []
        (expired,) = room.announced_of(CredentialExpired)
        assert (expired.clinician_id, expired.expired_on) == (lead, date(2026, 2, 4))
        (task, *_) = tasks_of(room, "sessions_to_reassign")
        assert (task.about_id, task.owner_role) == (lead, "supervisor")

    def test_that_expire_during_a_session_leave_it_to_be_finished(self, room):
        late = add_clinician(room, "Late", kind="CADC", expires_on=date(2026, 2, 6))
        admit(room, "Ada")
        starts_at = datetime.fromisoformat("2026-02-06T22:30:00-06:00")
        session = room.call(
            "plan_session",
            {
                "site_id": SITE,
                "kind": "GROUP",
                "modality": "CBT",
                "facilitator_id": late,
                "starts_at": starts_at.isoformat(),
                "ends_at": (starts_at + timedelta(hours=3)).isoformat(),
                "capacity": 12,
            },
            role="supervisor",
        )
        who = {"session_id": session["session_id"], "patient_id": ids_of("Ada")["patient_id"]}
        room.call("book_seat", who, role="front_desk")
        room.advance(starts_at)
        room.call("check_in", who, role="front_desk")

        room.advance(starts_at + timedelta(hours=4))
        room.call(
            "record_roster",
            {
                "session_id": session["session_id"],
                "marks": [{"patient_id": who["patient_id"], "mark": "PRESENT"}],
            },
            role="counselor",
        )

        assert [one.expired_on for one in room.announced_of(CredentialExpired)] == [date(2026, 2, 6)]
        attended = [
            one for one in room.announced_of(SessionAttended) if one.session_id == session["session_id"]
        ]
        assert [one.credited_minutes for one in attended] == [180]
        assert tasks_of(room, "sessions_to_reassign") == []

    def test_are_listed_as_valid_to_the_end_of_their_last_day_at_the_site(self, room):
        ines = add_clinician(room, "Ines", expires_on=date(2026, 3, 3))

        def may_lead() -> bool:
            listed = room.ask("list_clinicians", {"site_id": SITE})["items"]
            return next(one["may_lead"] for one in listed if one["clinician_id"] == ines)

        room.at("2026-03-03T21:00:00-06:00")
        before = may_lead()
        room.at("2026-03-04T00:01:00-06:00")

        assert (before, may_lead()) == (True, False)

    def test_that_the_source_does_not_confirm_count_no_longer(self, room):
        ines = add_clinician(room, "Ines", kind="CADC")

        found = room.call(
            "check_credential",
            {
                "clinician_id": ines,
                "kind": "CADC",
                "state": "IL",
                "source": "CERTIFYING_BODY",
                "outcome": "NOT_CONFIRMED",
            },
            role="supervisor",
        )

        assert (found["may_lead"], found["credentials"][0]["check_outcome"]) == (False, "NOT_CONFIRMED")

    def test_are_supervised_by_somebody_licensed(self, room):
        add_clinician(room, "Ines", kind="CADC")

        with pytest.raises(InvalidInput) as refused:
            renew(room, "Ines", expires_on="2030-01-01", supervised_by=WALT)
        found = renew(
            room, "Ines", expires_on="2030-01-01", supervised_by=derived_id("clinician", "therapist 0")
        )

        assert refused.value.code == "supervisor_not_licensed"
        assert found["credentials"][0]["supervised_by"] == derived_id("clinician", "therapist 0")


class TestAbsence:
    def _away(self, room: Room, **more: Any) -> dict[str, Any]:
        return room.call(
            "record_absence",
            {
                "clinician_id": WALT,
                "starts_at": "2026-02-03T00:00:00-06:00",
                "ends_at": "2026-02-05T23:00:00-06:00",
                "reason": "SICK",
                **more,
            },
            role="supervisor",
        )

    def test_gives_the_sessions_to_a_stand_in(self, room):
        admit(room, "Ada")
        ines = add_clinician(room, "Ines", kind="CADC")

        absence = self._away(room, stand_in_id=ines)

        led = {
            one["starts_at"][:10]: one["facilitator_id"]
            for one in groups_of(room, "Ada")
            if "2026-02-03" <= one["starts_at"] < "2026-02-06"
        }
        assert set(led.values()) == {ines}
        assert (absence["moved"], absence["left"]) == (len(led), [])
        assert len(room.announced_of(SessionReassigned)) == len(led) > 0
        assert tasks_of(room, "sessions_to_reassign") == []

    def test_asks_for_somebody_until_the_sessions_are_handed_over(self, room):
        admit(room, "Ada")
        absence = self._away(room)
        (task,) = tasks_of(room, "sessions_to_reassign")
        ines = add_clinician(room, "Ines", kind="CADC")

        done = room.call(
            "hand_over_caseload",
            {
                "clinician_id": WALT,
                "to_clinician_id": ines,
                "from": "2026-02-03T00:00:00-06:00",
                "until": "2026-02-06T00:00:00-06:00",
            },
            role="supervisor",
        )

        assert [one["reason"] for one in absence["left"]] == ["AWAY"] * len(absence["left"])
        assert done["moved"] == len(absence["left"]) > 0
        closed = [one.outcome for one in room.announced_of(TaskClosed) if one.task_id == task.task_id]
        assert closed == ["DONE"]

    @pytest.mark.parametrize(("stands_in", "tasks"), [(True, 0), (False, 1)])
    def test_that_begins_in_the_middle_of_a_session_is_of_that_too(self, room, stands_in, tasks):
        admit(room, "Ada")
        ines = add_clinician(room, "Ines", kind="CADC")
        named = {"stand_in_id": ines} if stands_in else {}
        stretch = {"starts_at": "2026-02-04T10:30:00-06:00", "ends_at": "2026-02-04T18:00:00-06:00"}

        absence = self._away(room, **stretch, **named)

        assert absence["moved"] + len(absence["left"]) == 1
        assert absence["moved"] == stands_in
        assert len(tasks_of(room, "sessions_to_reassign")) == tasks

    def test_that_begins_after_a_session_leaves_that_alone(self, room):
        admit(room, "Ada")

        absence = self._away(room, starts_at="2026-02-04T12:00:00-06:00", ends_at="2026-02-04T18:00:00-06:00")

        assert absence["left"] == []

    def test_leaves_what_a_stand_in_cannot_take(self, room):
        admit(room, "Ada")
        ines = add_clinician(room, "Ines", kind="CADC", expires_on=date(2026, 2, 1))

        absence = self._away(room, stand_in_id=ines)

        assert {one["reason"] for one in absence["left"]} == {"NOT_LICENSED"}
        assert absence["moved"] == 0


class TestAbsenceOfWeeksToCome:
    """Dates that are booked only after somebody said that they would be away."""

    def _away(self, room: Room, clinician_id: str, *, until: str = "2026-02-22", **more: Any) -> None:
        stretch = {"starts_at": "2026-02-16T00:00:00-06:00", "ends_at": f"{until}T23:00:00-06:00"}
        body = {"clinician_id": clinician_id, "reason": "LEAVE", **stretch, **more}
        room.call("record_absence", body, role="supervisor")

    def _miss_all(self, room: Room, name: str) -> None:
        """Have somebody come to nothing in three weeks."""
        until = datetime.fromisoformat("2026-02-23T08:00:00-06:00")
        while room.now < until:
            found = room.ask("list_patient_sessions", {"episode_id": ids_of(name)["episode_id"]})["items"]
            ahead = [one for one in found if one["state"] == "SCHEDULED"]
            starts = [datetime.fromisoformat(one["starts_at"]) for one in ahead]
            if not ahead or starts[0] >= until:
                room.advance(until)
                return
            room.advance(max(room.now, starts[0] + timedelta(minutes=15)))
            marks = [{"patient_id": ids_of(name)["patient_id"], "mark": "NO_SHOW"}]
            body = {"session_id": ahead[0]["session_id"], "marks": marks}
            room.call("record_roster", body, role="counselor")

    def test_are_led_by_the_stand_in_who_was_named(self, room):
        admit(room, "Ada")
        ines = add_clinician(room, "Ines", kind="CADC")
        self._away(room, WALT, stand_in_id=ines)

        room.advance("2026-02-15T21:00:00-06:00")

        led = {
            one["facilitator_id"] for one in groups_of(room, "Ada") if one["starts_at"][:10] >= "2026-02-16"
        }
        assert led == {ines, WALT}
        assert tasks_of(room, "sessions_to_reassign") == []

    def test_are_not_led_by_a_stand_in_who_has_a_group_then(self, room):
        admit(room, "Ada")
        ines = add_clinician(room, "Ines", kind="CADC")
        open_group(room, "dawn", facilitator_id=ines)
        self._away(room, WALT, stand_in_id=ines)

        room.advance("2026-02-08T21:00:00-06:00")

        assert max(one["starts_at"] for one in groups_of(room, "Ada")) < "2026-02-16"
        assert [one.reason for one in tasks_of(room, "sessions_to_reassign")] == ["CLINICIAN_AWAY"]

    def test_that_nobody_leads_count_against_nobody(self, room):
        admit(room, "Ada")
        self._away(room, WALT)

        self._miss_all(room, "Ada")

        told = [one.week_starts_on for one in room.announced_of(WeeklyDoseShortfall)]
        assert told == [date(2026, 2, 9)]
        assert [one.reason for one in tasks_of(room, "sessions_to_reassign")] == ["CLINICIAN_AWAY"]

    def test_that_are_led_after_all_count_again(self, room):
        admit(room, "Ada")
        self._away(room, WALT)
        room.advance("2026-02-08T21:00:00-06:00")
        add_clinician(room, "Ines", kind="CADC")
        body = {"clinician_id": WALT, "to_clinician_id": derived_id("clinician", "Ines")}
        room.call("hand_over_caseload", body, role="supervisor")
        declared = [{"kind": "COURT", "weekday": 0, "starts": "08:00", "ends": "14:00"}]
        patient_id = ids_of("Ada")["patient_id"]
        body = {"patient_id": patient_id, "site_id": SITE, "obligations": declared}
        room.call("declare_obligations", body)

        self._miss_all(room, "Ada")

        assert date(2026, 2, 16) in [one.week_starts_on for one in room.announced_of(WeeklyDoseShortfall)]

    def test_do_not_go_to_a_newcomer_where_another_therapist_has_an_hour(self, room):
        self._away(room, THERAPIST, until="2026-04-30")
        add_clinician(room, "Ines")

        admit(room, "Ada")

        found = room.ask("get_weekly_plan", {"episode_id": ids_of("Ada")["episode_id"]})
        assert found["individual"]["clinician_id"] == derived_id("clinician", "Ines")

    def test_go_to_a_newcomer_where_there_is_no_other_therapist(self, room):
        self._away(room, THERAPIST, until="2026-04-30")

        admit(room, "Ada")

        found = room.ask("get_weekly_plan", {"episode_id": ids_of("Ada")["episode_id"]})
        assert found["individual"]["clinician_id"] == THERAPIST


class TestCollision:
    """A date at which its clinician is elsewhere is left out and asked about; all else is booked."""

    #: Ben can have his hour on Tuesdays between nine and twelve alone.
    BUSY = tuple(
        {"kind": "WORK", "weekday": day, "starts": starts, "ends": ends}
        for day, starts, ends in (
            (0, "08:00", "18:00"),
            (1, "08:00", "09:00"),
            (1, "12:00", "21:00"),
            (2, "08:00", "18:00"),
            (3, "08:00", "18:00"),
            (4, "08:00", "21:00"),
        )
    )

    @pytest.fixture(autouse=True)
    def evenings(self, room: Room) -> None:
        vera = add_clinician(room, "Vera", kind="CADC")
        open_group(room, "dusk", track="EVENING", facilitator_id=vera, weekdays=[0, 2, 3])

    def _admit_ben(self, room: Room) -> None:
        room.deliver(referral_of("Ben"))
        declared = {"patient_id": ids_of("Ben")["patient_id"], "site_id": SITE, "obligations": self.BUSY}
        room.call("declare_obligations", declared)
        room.deliver(*admitted("Ben"))

    def _plan(self, room: Room, day: str, leader: str) -> dict[str, Any]:
        fields = {
            "site_id": SITE,
            "kind": "EDUCATION",
            "modality": "PSYCHOEDUCATION",
            "facilitator_id": leader,
            "starts_at": f"{day}T09:00:00-06:00",
            "ends_at": f"{day}T12:00:00-06:00",
            "capacity": 12,
        }
        return room.call("plan_session", fields, role="supervisor")

    def _hours_of_ben(self, room: Room) -> list[str]:
        found = room.ask("list_patient_sessions", {"episode_id": ids_of("Ben")["episode_id"]})["items"]
        return [one["starts_at"][:10] for one in found if one["kind"] == "INDIVIDUAL"]

    def test_with_a_session_that_the_therapist_covers_leaves_out_that_date_alone(self, room):
        vera = derived_id("clinician", "Vera")
        self._plan(room, "2026-02-03", vera)
        away = {"starts_at": "2026-02-03T00:00:00-06:00", "ends_at": "2026-02-03T23:00:00-06:00"}
        body = {"clinician_id": vera, "reason": "SICK", "stand_in_id": THERAPIST, **away}
        room.call("record_absence", body, role="supervisor")

        self._admit_ben(room)

        assert self._hours_of_ben(room) == ["2026-02-10"]
        (task,) = tasks_of(room, "sessions_to_reassign")
        assert (task.reason, task.about_id) == ("CLINICIAN_ELSEWHERE", THERAPIST)

    def test_in_the_weekly_round_keeps_nobody_else_from_being_booked(self, room):
        self._plan(room, "2026-02-24", THERAPIST)
        admit(room, "Ada")
        self._admit_ben(room)

        room.advance("2026-02-15T21:00:00-06:00")

        assert self._hours_of_ben(room) == ["2026-02-03", "2026-02-10", "2026-02-17"]
        assert max(one["starts_at"] for one in groups_of(room, "Ada")) > "2026-02-23"
        assert [one.reason for one in tasks_of(room, "sessions_to_reassign")] == ["CLINICIAN_ELSEWHERE"]

    def test_is_asked_about_anew_in_another_week(self, room):
        for day in ("2026-02-24", "2026-03-03"):
            self._plan(room, day, THERAPIST)
        self._admit_ben(room)

        room.advance("2026-02-22T21:00:00-06:00")

        assert len({one.task_id for one in tasks_of(room, "sessions_to_reassign")}) == 2

    def test_with_a_standing_hour_is_refused_to_whoever_assigns_a_session(self, room):
        self._admit_ben(room)
        session = self._plan(room, "2026-03-03", derived_id("clinician", "Vera"))
        body = {"session_id": session["session_id"], "clinician_id": THERAPIST}

        with pytest.raises(Conflict) as refused:
            room.call("assign_session", body, role="supervisor")

        assert refused.value.code == "clinician_elsewhere"

    def test_is_none_with_the_very_date_that_is_given_back(self, room):
        admit(room, "Ada")
        ines = add_clinician(room, "Ines")
        sessions = room.ask("list_patient_sessions", {"episode_id": ids_of("Ada")["episode_id"]})["items"]
        for kind, own in (("GROUP", WALT), ("INDIVIDUAL", THERAPIST)):
            session_id = next(one["session_id"] for one in sessions if one["kind"] == kind)
            for leader in (ines, own):
                body = {"session_id": session_id, "clinician_id": leader}
                found = room.call("assign_session", body, role="supervisor")
            assert found["facilitator_id"] == own

    def test_is_none_with_a_date_of_a_group_that_was_called_off(self, room):
        admit(room, "Ada")
        own = groups_of(room, "Ada")[0]
        session = self._plan(room, own["starts_at"][:10], THERAPIST)
        body = {"session_id": session["session_id"], "clinician_id": WALT}
        with pytest.raises(Conflict):
            room.call("assign_session", body, role="supervisor")
        room.call("cancel_session", {"session_id": own["session_id"], "reason": "OTHER"}, role="front_desk")

        assert room.call("assign_session", body, role="supervisor")["facilitator_id"] == WALT


class TestHandOver:
    def test_for_good_takes_the_groups_along(self, room):
        admit(room, "Ada")
        ines = add_clinician(room, "Ines", kind="CADC")

        done = room.call(
            "hand_over_caseload", {"clinician_id": WALT, "to_clinician_id": ines}, role="supervisor"
        )

        assert done["groups_moved"] == 1
        assert done["left"] == []
        assert {one["facilitator_id"] for one in groups_of(room, "Ada")} == {ines}
        room.advance("2026-02-08T21:00:00-06:00")
        assert {one["facilitator_id"] for one in groups_of(room, "Ada")} == {ines}


class TestRooms:
    def _room(self, room: Room, label: str = "Blue", places: int = 12) -> str:
        fields = {"site_id": SITE, "label": label, "places": places}
        return str(room.call("add_room", fields, role="operations")["room_id"])

    def _session(self, room: Room, **changes: Any) -> dict[str, Any]:
        starts_at = MONDAY + timedelta(days=5)
        fields = {
            "site_id": SITE,
            "kind": "GROUP",
            "modality": "CBT",
            "facilitator_id": WALT,
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + timedelta(hours=2)).isoformat(),
            "capacity": 12,
        }
        return room.call("plan_session", fields | changes, role="supervisor")

    def test_hold_one_session_at_a_time(self, room):
        blue = self._room(room)
        self._session(room, room_id=blue)

        with pytest.raises(Conflict) as refused:
            self._session(room, room_id=blue, facilitator_id=derived_id("clinician", "therapist 0"))

        assert refused.value.code == "room_taken"

    def test_hold_no_more_people_than_they_have_places(self, room):
        with pytest.raises(InvalidInput) as refused:
            self._session(room, room_id=self._room(room, places=8))

        assert refused.value.code == "room_too_small"

    def test_are_not_needed_where_nobody_leaves_home(self, room):
        with pytest.raises(InvalidInput) as refused:
            self._session(room, room_id=self._room(room), mode="VIDEO")

        assert refused.value.code == "no_room_needed"

    def test_change_until_a_session_begins(self, room):
        session = self._session(room)
        blue = self._room(room)
        moved = room.call(
            "assign_session", {"session_id": session["session_id"], "room_id": blue}, role="supervisor"
        )
        room.at(datetime.fromisoformat(session["starts_at"]))

        with pytest.raises(Conflict) as refused:
            room.call(
                "assign_session", {"session_id": session["session_id"], "room_id": blue}, role="supervisor"
            )

        assert moved["room_id"] == blue
        assert refused.value.code == "session_under_way"


class TestEnrolment:
    def test_of_a_closed_group_keeps_newcomers_out_and_those_who_are_in_together(self, room):
        admit(room, "Ada")
        group_id = derived_id("group", "sunrise")
        room.call("change_enrolment", {"group_id": group_id, "enrolment": "CLOSED"}, role="counselor")

        admit(room, "Ben")
        plans = [
            room.ask("get_weekly_plan", {"episode_id": ids_of(name)["episode_id"]})["state"]
            for name in ("Ada", "Ben")
        ]
        with pytest.raises(Conflict) as refused:
            room.call(
                "book_seat",
                {
                    "session_id": groups_of(room, "Ada")[0]["session_id"],
                    "patient_id": ids_of("Ben")["patient_id"],
                },
            )
        room.call("change_enrolment", {"group_id": group_id, "enrolment": "OPEN"}, role="counselor")

        assert plans == ["ACTIVE", "WAITING"]
        assert refused.value.code == "enrolment_closed"
        ben = room.ask("get_weekly_plan", {"episode_id": ids_of("Ben")["episode_id"]})
        assert ben["state"] == "ACTIVE"
