"""Monitoring on a real database: plans, outreach, check-ins and risk, escalations, readiness."""

import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.monitoring.service import Monitoring
from shared.clock import timers
from shared.contracts.common import SafetyConcernRaised, TaskClosed, TaskOpened
from shared.contracts.event import Envelope
from shared.contracts.intake import SiteOpened
from shared.contracts.monitoring import (
    DischargeProposalWithdrawn,
    DischargeProposed,
    EscalationBreached,
    EscalationOpened,
    EscalationRaised,
    GraduationReady,
    LevelReviewRequested,
    LevelReviewWithdrawn,
    OutreachAttempted,
    PatientReengaged,
    PlanActivated,
    PlanDrafted,
    RiskBandChanged,
    SafetyConcernTaken,
)
from shared.dangers import somebody
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound, Refusal
from shared.ids import derived_id, new_id
from shared.messaging.oversight import backlog
from tests.monitoring import telling
from tests.monitoring.duty import keep, plan
from tests.monitoring.telling import ADMITTED_AT, DANA, ELI, EPISODE, JOURNEY, missed_at, seat_of, starts_at
from tests.support import Room

RoomOf = Callable[[type], Room]

AS_DANA = {"role": "patient", "actor_id": DANA, "credential": ""}
AS_ELI = {"role": "patient", "actor_id": ELI, "credential": ""}


@pytest.fixture
def room(room_of: RoomOf) -> Room:
    """Return a room that follows Dana, admitted on the first Monday.

    No site was opened, so that nobody asks every day who has the duty there.
    """
    room = room_of(Monitoring)
    room.at(ADMITTED_AT)
    room.deliver(telling.assessed(), telling.admitted())
    return room


def miss(room: Room, day: int, **changed: Any) -> str:
    """Let Dana miss the session of a day, and return the id of the outreach."""
    room.advance(missed_at(day))
    room.deliver(telling.missed(day, **changed))
    return derived_id(seat_of(day), "outreach")


def log(room: Room, outreach_id: str, outcome: str, **changed: Any) -> dict[str, Any]:
    return room.call(
        "log_outreach_attempt",
        {"outreach_id": outreach_id, "channel": "CALL", "outcome": outcome, **changed},
        role="counselor",
    )


def tasks(room: Room) -> list[str]:
    """Return the tasks that wait for somebody, in the order in which they were asked for."""
    closed = {event.task_id for event in room.announced_of(TaskClosed)}
    return [event.task for event in room.announced_of(TaskOpened) if event.task_id not in closed]


def outreach_of(room: Room, outreach_id: str) -> dict[str, Any]:
    return room.ask("get_outreach", {"outreach_id": outreach_id})


def open_escalations(room: Room) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = room.ask("list_escalations", {})["items"]
    return items


class TestTreatmentPlan:
    def test_is_drafted_from_the_assessment(self, room: Room) -> None:
        plan = room.ask("get_treatment_plan", {"episode_id": EPISODE}, **AS_DANA)

        assert (plan["state"], plan["version"]) == ("DRAFT", 1)
        assert plan["problems"] == ["ALCOHOL", "DIM5", "DIM6"]
        assert "RECOVERY_RESIDENCE_REFERRAL" in plan["offers"]
        assert room.announced_of(PlanDrafted)[0].problems == ("ALCOHOL", "DIM5", "DIM6")

    def test_comes_into_force_with_the_last_signature(self, room: Room) -> None:
        plan_id = room.ask("get_treatment_plan", {"episode_id": EPISODE})["plan_id"]

        room.call("sign_treatment_plan", {"plan_id": plan_id, "as": "PATIENT"}, **AS_DANA)
        assert room.announced_of(PlanActivated) == []
        signed = room.call("sign_treatment_plan", {"plan_id": plan_id, "as": "CLINICIAN"})
        room.call("sign_treatment_plan", {"plan_id": plan_id, "as": "CLINICIAN"})

        assert (signed["state"], signed["clinician_credential"]) == ("ACTIVE", "LCSW")
        assert len(room.announced_of(PlanActivated)) == 1

    def test_comes_into_force_at_the_admission_when_signed_before(self, room_of: RoomOf) -> None:
        room = room_of(Monitoring)
        room.at(ADMITTED_AT - timedelta(days=1))
        room.deliver(telling.assessed())
        plan_id = room.ask("get_treatment_plan", {"episode_id": EPISODE})["plan_id"]
        for signer in ("PATIENT", "CLINICIAN"):
            room.call("sign_treatment_plan", {"plan_id": plan_id, "as": signer})
        assert room.announced_of(PlanActivated) == []

        room.deliver(telling.admitted())

        assert room.announced_of(PlanActivated)[0].activated_at == ADMITTED_AT

    def test_of_somebody_unlicensed_waits_for_the_supervisor(self, room: Room) -> None:
        plan_id = room.ask("get_treatment_plan", {"episode_id": EPISODE})["plan_id"]
        room.call("sign_treatment_plan", {"plan_id": plan_id, "as": "PATIENT"}, **AS_DANA)

        by_intern = room.call(
            "sign_treatment_plan", {"plan_id": plan_id, "as": "CLINICIAN"}, role="counselor", credential=""
        )
        with pytest.raises(Forbidden):
            room.call("sign_treatment_plan", {"plan_id": plan_id, "as": "SUPERVISOR"}, role="clinician")
        signed = room.call("sign_treatment_plan", {"plan_id": plan_id, "as": "SUPERVISOR"}, role="supervisor")

        assert (by_intern["state"], signed["state"]) == ("DRAFT", "ACTIVE")

    def test_refuses_a_patient_who_signs_as_somebody_else_or_for_somebody_else(self, room: Room) -> None:
        plan_id = room.ask("get_treatment_plan", {"episode_id": EPISODE})["plan_id"]

        with pytest.raises(Forbidden):
            room.call("sign_treatment_plan", {"plan_id": plan_id, "as": "CLINICIAN"}, **AS_DANA)
        with pytest.raises(NotFound):
            room.call("sign_treatment_plan", {"plan_id": plan_id, "as": "PATIENT"}, **AS_ELI)
        with pytest.raises(NotFound):
            room.ask("get_treatment_plan", {"episode_id": EPISODE}, **AS_ELI)

    def test_gives_way_to_the_plan_of_a_newer_assessment(self, room: Room) -> None:
        first = room.ask("get_treatment_plan", {"episode_id": EPISODE})["plan_id"]
        room.deliver(
            telling.assessed(
                assessment_id=new_id(),
                completed_at=ADMITTED_AT + timedelta(days=30),
            )
        )

        assert room.ask("get_treatment_plan", {"episode_id": EPISODE})["version"] == 2
        with pytest.raises(Conflict) as refusal:
            room.call("sign_treatment_plan", {"plan_id": first, "as": "CLINICIAN"})
        assert refusal.value.code == "plan_superseded"


class TestOutreach:
    def test_asks_for_a_call_within_the_hour(self, room: Room) -> None:
        outreach_id = miss(room, 2)

        (task,) = room.announced_of(TaskOpened)
        assert (task.task, task.owner_role, task.about_id) == ("outreach_call", "counselor", outreach_id)
        assert task.due_at == missed_at(2) + timedelta(hours=1)
        assert [item["outreach_id"] for item in room.ask("list_outreach", {})["items"]] == [outreach_id]

    def test_asks_the_supervisor_when_nobody_has_tried(self, room: Room) -> None:
        miss(room, 2)

        room.advance(timedelta(minutes=59))
        assert tasks(room) == ["outreach_call"]
        room.advance(timedelta(minutes=1))

        overdue = room.announced_of(TaskOpened)[-1]
        assert (overdue.task, overdue.owner_role) == ("outreach_call_overdue", "supervisor")

    def test_asks_nobody_else_once_somebody_has_tried_but_for_a_second_call(self, room: Room) -> None:
        outreach_id = miss(room, 2)
        room.advance(timedelta(minutes=20))

        log(room, outreach_id, "VOICEMAIL", note="Left no name.")
        room.advance(missed_at(2) + timedelta(hours=3, minutes=59))
        assert tasks(room) == []
        room.advance(missed_at(2) + timedelta(hours=4))

        assert tasks(room) == ["outreach_call_again"]
        (attempt,) = room.announced_of(OutreachAttempted)
        assert attempt.attempted_at == missed_at(2) + timedelta(minutes=20)
        assert outreach_of(room, outreach_id)["attempts"] == 1

    def test_ends_when_the_patient_is_reached(self, room: Room) -> None:
        outreach_id = miss(room, 2)

        ended = log(room, outreach_id, "REACHED")

        assert (ended["state"], ended["how"], ended["open_tasks"]) == ("CLOSED", "REACHED", [])
        assert room.announced_of(PatientReengaged)[0].how == "REACHED"
        assert (tasks(room), room.timers()) == ([], [])
        with pytest.raises(Conflict) as refusal:
            log(room, outreach_id, "NO_ANSWER")
        assert refusal.value.code == "outreach_closed"

    def test_ends_when_the_patient_comes(self, room: Room) -> None:
        outreach_id = miss(room, 2)

        room.advance(starts_at(4))
        room.deliver(telling.attended(4))

        assert outreach_of(room, outreach_id)["how"] == "ATTENDED"
        assert (tasks(room), room.timers()) == ([], [])
        assert len(room.announced_of(PatientReengaged)) == 1

    def test_is_not_for_a_support_group(self, room: Room) -> None:
        """An older version told of missed support groups; and a correction tells of them still."""
        room.advance(missed_at(2))
        room.deliver(telling.missed(2, kind="SUPPORT", clinical_minutes=0))
        room.deliver(telling.attended(3, kind="SUPPORT", clinical_minutes=0, credited_minutes=0))
        room.deliver(telling.corrected(3, to_state="NO_SHOW", clinical_minutes=0))

        assert (tasks(room), room.ask("list_outreach", {})["items"]) == ([], [])
        assert room.announced_of(RiskBandChanged) == []

    def test_ends_when_the_patient_comes_to_a_support_group(self, room: Room) -> None:
        outreach_id = miss(room, 2)

        room.advance(starts_at(4))
        room.deliver(telling.attended(4, kind="SUPPORT", clinical_minutes=0, credited_minutes=0))

        assert outreach_of(room, outreach_id)["how"] == "ATTENDED"

    def test_does_not_end_by_a_session_before_the_miss(self, room: Room) -> None:
        outreach_id = miss(room, 2)

        room.deliver(telling.attended(1))

        assert outreach_of(room, outreach_id)["state"] == "OPEN"

    def test_asks_for_a_peer_at_the_second_miss_and_the_supervisor_at_the_third(self, room: Room) -> None:
        miss(room, 2)
        miss(room, 4, consecutive=2)
        second = [task.task for task in room.announced_of(TaskOpened)]
        miss(room, 5, consecutive=3)
        third = [task.task for task in room.announced_of(TaskOpened)][len(second) :]

        assert second.count("outreach_peer") == 1
        assert "outreach_letter" not in second
        assert {"outreach_peer", "outreach_letter", "supervisor_review"} <= set(third)
        assert "naloxone_bridge_offer" not in second + third

    def test_offers_naloxone_at_the_second_miss_of_somebody_with_opioid_use(self, room: Room) -> None:
        miss(room, 2)
        miss(room, 4, consecutive=2)
        assert "naloxone_bridge_offer" not in tasks(room)

        room.deliver(telling.assessed(assessment_id=new_id(), problems=("OPIOID",)))

        assert tasks(room).count("naloxone_bridge_offer") == 1

    def test_asks_for_a_letter_after_a_silent_week(self, room: Room) -> None:
        room.deliver(telling.attended(0))
        miss(room, 2)

        room.advance(starts_at(7) - timedelta(minutes=1))
        assert "outreach_letter" not in tasks(room)
        room.advance(starts_at(7))

        assert {"outreach_letter", "supervisor_review"} <= set(tasks(room))
        letter = next(task for task in room.announced_of(TaskOpened) if task.task == "outreach_letter")
        assert (letter.owner_role, letter.reason) == ("front_desk", "SILENT_FOR_A_WEEK")

    def test_asks_for_one_letter_however_many_sessions_are_missed(self, room: Room) -> None:
        outreach_id = miss(room, 2)
        room.advance(starts_at(7))
        log(room, outreach_id, "NO_ANSWER", channel="LETTER")
        miss(room, 9, consecutive=2)
        room.advance(starts_at(12))

        letters = [task for task in room.announced_of(TaskOpened) if task.task == "outreach_letter"]
        assert len(letters) == 1

    def test_proposes_a_discharge_once_after_two_silent_weeks(self, room: Room) -> None:
        room.deliver(telling.attended(0))
        miss(room, 2)
        miss(room, 9, consecutive=2)
        room.advance(starts_at(14) - timedelta(minutes=1))
        assert room.announced_of(DischargeProposed) == []

        room.advance(starts_at(14))
        assert len(room.announced_of(DischargeProposed)) == 1
        miss(room, 16, consecutive=3)
        room.advance(starts_at(30))

        (proposed,) = room.announced_of(DischargeProposed)
        assert (proposed.reason_code, proposed.last_contact_at) == ("2", starts_at(0))

    def test_takes_nobody_for_silent_who_came_and_was_not_seen(self, room: Room) -> None:
        room.deliver(telling.attended(0))
        miss(room, 2)
        came = telling.not_seen(5)
        room.advance(starts_at(5))

        room.deliver(came, came)
        # What is found anew after a correction counts it as well.
        room.deliver(telling.corrected(2, "EXCUSED"), telling.corrected(2, "NO_SHOW", revision=2))
        room.advance(starts_at(12) - timedelta(minutes=1))
        before = "outreach_letter" in tasks(room)
        room.advance(starts_at(12))

        assert (before, tasks(room).count("outreach_letter")) == (False, 1)

    def test_takes_the_proposal_back_on_contact_and_proposes_again_later(self, room: Room) -> None:
        outreach_id = miss(room, 2)
        room.advance(starts_at(20))
        (proposed,) = room.announced_of(DischargeProposed)

        log(room, outreach_id, "REACHED")
        (withdrawn,) = room.announced_of(DischargeProposalWithdrawn)
        assert withdrawn.proposal_id == proposed.proposal_id
        miss(room, 21)
        room.advance(starts_at(40))

        assert len(room.announced_of(DischargeProposed)) == 2
        assert len({event.proposal_id for event in room.announced_of(DischargeProposed)}) == 2

    def test_takes_a_check_in_as_a_sign_of_life(self, room: Room) -> None:
        outreach_id = miss(room, 2)
        room.advance(starts_at(10))
        room.call("submit_check_in", telling.check_in(), **AS_DANA)

        room.advance(starts_at(20))

        assert room.announced_of(DischargeProposed) == []
        assert outreach_of(room, outreach_id)["state"] == "OPEN"

    def test_ends_with_the_discharge_without_a_word_of_contact(self, room: Room) -> None:
        outreach_id = miss(room, 2)

        room.deliver(telling.discharged(missed_at(2) + timedelta(hours=1)))

        assert outreach_of(room, outreach_id)["how"] == "DISCHARGED"
        assert (tasks(room), room.timers()) == ([], [])
        assert room.announced_of(PatientReengaged) == []

    def test_refuses_attempts_before_the_miss_or_in_the_future(self, room: Room) -> None:
        outreach_id = miss(room, 2)

        for at, rule in (
            (missed_at(2) - timedelta(minutes=1), "not before the miss"),
            (missed_at(2) + timedelta(minutes=1), "not in the future"),
        ):
            with pytest.raises(InvalidInput) as refusal:
                log(room, outreach_id, "NO_ANSWER", attempted_at=at.isoformat())
            assert refusal.value.problems == ({"field": "attempted_at", "rule": rule},)

    def test_lists_page_by_page(self, room: Room) -> None:
        known = {miss(room, day) for day in (2, 4, 5)}

        first = room.ask("list_outreach", {"limit": 2})
        rest = room.ask("list_outreach", {"limit": 2, "after": first["next"]})

        assert {item["outreach_id"] for item in first["items"] + rest["items"]} == known
        assert rest["next"] is None
        assert room.ask("list_outreach", {"episode_id": new_id()})["items"] == []


class TestCorrection:
    def test_withdraws_everything_that_the_miss_caused(self, room: Room) -> None:
        room.deliver(telling.attended(0))
        outreach_id = miss(room, 2)
        room.advance(starts_at(15))
        assert len(room.announced_of(DischargeProposed)) == 1
        assert len(tasks(room)) > 1

        room.deliver(telling.corrected(2, "PRESENT", corrected_at=room.now))

        assert outreach_of(room, outreach_id)["how"] == "CORRECTED"
        assert (tasks(room), room.timers()) == ([], [])
        assert len(room.announced_of(DischargeProposalWithdrawn)) == 1
        assert room.ask("get_risk", {"episode_id": EPISODE})["index"] == 0

    def test_takes_the_points_off_the_risk(self, room: Room) -> None:
        miss(room, 2)
        miss(room, 4, consecutive=2)
        assert room.ask("get_risk", {"episode_id": EPISODE})["terms"] == [{"term": "ABSENCES", "points": 18}]

        room.deliver(telling.corrected(4, "EXCUSED"))

        assert room.ask("get_risk", {"episode_id": EPISODE})["terms"] == [{"term": "ABSENCES", "points": 8}]

    def test_takes_the_steps_of_a_row_back_that_was_none(self, room: Room) -> None:
        miss(room, 2)
        miss(room, 4, consecutive=2)
        miss(room, 5, consecutive=3)
        assert {"outreach_peer", "outreach_letter", "supervisor_review"} <= set(tasks(room))

        room.deliver(telling.corrected(4, "PRESENT", corrected_at=room.now))

        # Having come on the fourth day answers the second; only the fifth is still open.
        assert tasks(room) == ["outreach_call"]

    def test_of_an_attendance_into_a_miss_reaches_out_and_forgets_the_contact(self, room: Room) -> None:
        room.deliver(telling.attended(1))
        outreach_id = miss(room, 0)
        room.deliver(telling.attended(2))
        assert outreach_of(room, outreach_id)["how"] == "ATTENDED"

        room.deliver(
            telling.corrected(1, "NO_SHOW", from_state="PRESENT", corrected_at=starts_at(3)),
            telling.corrected(2, "NO_SHOW", from_state="PRESENT", corrected_at=starts_at(3)),
        )

        assert len(room.ask("list_outreach", {})["items"]) == 3
        assert outreach_of(room, outreach_id)["state"] == "OPEN"

    def test_back_to_a_miss_asks_again(self, room: Room) -> None:
        outreach_id = miss(room, 2)
        room.deliver(telling.corrected(2, "EXCUSED"))
        assert tasks(room) == []

        room.deliver(telling.corrected(2, "NO_SHOW", revision=2))

        assert tasks(room) == ["outreach_call"]
        assert outreach_of(room, outreach_id)["state"] == "OPEN"


class TestCheckIn:
    def test_of_a_good_day_opens_nothing(self, room: Room) -> None:
        keep(room, "ana")
        plan(room, "ana", room.now, timedelta(hours=12))

        answer = room.call("submit_check_in", telling.check_in(), **AS_DANA)

        assert (answer["carries_risk"], answer["crisis_lines"], answer["escalation_ids"]) == (False, None, [])
        assert open_escalations(room) == []

    @pytest.mark.parametrize("substance", ["OPIOID", "SEDATIVE", "UNKNOWN", "COCAINE", "STIMULANT"])
    def test_that_tells_of_a_lethal_return_is_e3_at_once_on_a_sunday_night(
        self, room: Room, substance: str
    ) -> None:
        room.at("2026-02-08T23:40:00-06:00")

        answer = room.call("submit_check_in", telling.check_in(used=True, substance=substance), **AS_DANA)

        (opened,) = room.announced_of(EscalationOpened)
        assert (opened.level, opened.cause) == ("E3", "RETURN_TO_USE")
        assert opened.acknowledge_by == room.now + timedelta(minutes=30)
        assert tasks(room) == ["escalation", "overdose_check", "naloxone"]
        assert "call_or_text_988" in answer["crisis_lines"]
        assert answer["escalation_ids"] == [opened.escalation_id]

    def test_that_tells_of_drinking_is_no_emergency(self, room: Room) -> None:
        answer = room.call("submit_check_in", telling.check_in(used=True, substance="ALCOHOL"), **AS_DANA)

        assert (answer["carries_risk"], answer["escalation_ids"]) == (True, [])
        assert room.announced_of(RiskBandChanged)[0].to_band == "YELLOW"

    def test_that_tells_of_danger_is_e4(self, room: Room) -> None:
        room.call("submit_check_in", telling.check_in(danger=True), **AS_DANA)

        (opened,) = room.announced_of(EscalationOpened)
        assert (opened.level, opened.cause) == ("E4", "DANGER_ANSWER")
        assert opened.act_by == room.now + timedelta(minutes=15)

    def test_raises_the_index_to_orange_and_a_human_is_asked_once(self, room: Room) -> None:
        bad = telling.check_in(used=True, substance="ALCOHOL", craving=9, mood=2)
        room.call("submit_check_in", bad, **AS_DANA)

        (escalation,) = open_escalations(room)
        assert (escalation["cause"], escalation["level"]) == ("RISK_INDEX", "E2")
        who = {"role": "clinician", "credential": "LCSW"}
        ids = {"escalation_id": escalation["escalation_id"]}
        room.call("acknowledge_escalation", ids, **who)
        room.call("close_escalation", {**ids, "disposition": "SAFE_PLAN_IN_PLACE"}, **who)
        room.at(ADMITTED_AT + timedelta(days=1))
        room.call("submit_check_in", bad, **AS_DANA)

        # The band is as high as it was when a human ended it: it did not rise.
        assert open_escalations(room) == []
        risk = room.ask("get_risk", {"episode_id": EPISODE})
        assert (risk["index"], risk["band"]) == (50, "ORANGE")

    @pytest.mark.parametrize(
        ("changed", "field"),
        [
            ({"craving": 11}, "craving"),
            ({"mood": -1}, "mood"),
            ({"stress": "much"}, "stress"),
            ({"sleep_hours": 25}, "sleep_hours"),
            ({"sleep_hours": None}, "sleep_hours"),
            ({"used": True}, "substance"),
            ({"substance": "OPIOID"}, "substance"),
            ({"used": True, "substance": "COFFEE"}, "substance"),
            ({"confidence": 99}, "confidence"),
            ({"shoe_size": 41}, "shoe_size"),
            ({"episode_id": "first"}, "episode_id"),
        ],
    )
    def test_refuses_what_breaks_a_rule_and_names_the_field(
        self, room: Room, changed: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(InvalidInput) as refusal:
            room.call("submit_check_in", telling.check_in(**changed), **AS_DANA)

        assert [problem["field"] for problem in refusal.value.problems] == [field]
        assert refusal.value.problems[0]["rule"]

    def test_is_refused_for_somebody_else(self, room: Room) -> None:
        with pytest.raises(NotFound):
            room.call("submit_check_in", telling.check_in(), **AS_ELI)


class TestWishToBeCalled:
    def wish(self, room: Room) -> TaskOpened:
        room.call("submit_check_in", telling.check_in(want_call=True), **AS_DANA)
        task = room.announced_of(TaskOpened)[-1]
        assert task.task == "check_in_call"
        return task

    def closing(self, task: TaskOpened, **changed: Any) -> dict[str, Any]:
        told = {"task_id": task.task_id, "task": task.task, "about_id": task.about_id}
        return {**told, "outcome": "DONE", **changed}

    def test_asks_a_counselor_within_a_day_once_for_each_check_in(self, room: Room) -> None:
        task = self.wish(room)

        assert (task.owner_role, task.next_role, task.reason) == ("counselor", "supervisor", "WANTS_CALL")
        assert (task.patient_id, task.due_at) == (DANA, room.now + timedelta(hours=24))
        room.call("submit_check_in", telling.check_in(), **AS_DANA)
        assert tasks(room) == ["check_in_call"]

    def test_is_met_when_somebody_called_and_only_once(self, room: Room) -> None:
        task = self.wish(room)
        room.deliver(telling.discharged(room.now))
        assert tasks(room) == ["check_in_call"]

        room.call("close_task", self.closing(task), role="counselor")

        assert tasks(room) == []
        with pytest.raises(Conflict):
            room.call("close_task", self.closing(task), role="counselor")

    def test_that_nobody_had_cannot_be_met(self, room: Room) -> None:
        quiet = room.call("submit_check_in", telling.check_in(), **AS_DANA)["check_in_id"]
        task = self.wish(room)

        for wrong in ({"about_id": new_id()}, {"task_id": new_id()}, {"about_id": quiet}):
            with pytest.raises(NotFound):
                room.call("close_task", self.closing(task, **wrong), role="counselor")


class TestCheckInForm:
    def form(self, room: Room, **who: Any) -> dict[str, Any]:
        return room.ask("get_check_in_form", {"episode_id": EPISODE}, **(who or AS_DANA))

    def test_asks_about_safety_while_somebody_has_the_duty(self, room: Room) -> None:
        keep(room, "ana")
        plan(room, "ana", room.now, timedelta(hours=12))

        form = self.form(room)

        assert [question["field"] for question in form["questions"]][-1] == "danger"
        assert (form["staff_on_duty"], form["notice"]) == (True, None)
        assert "call_or_text_988" in form["crisis_lines"]

    def test_asks_nothing_about_safety_while_nobody_has_the_duty_and_says_so(self, room: Room) -> None:
        keep(room, "ana")
        plan(room, "ana", room.now, timedelta(hours=12))
        room.at(room.now + timedelta(hours=12))

        form = self.form(room)

        fields = [question["field"] for question in form["questions"]]
        assert "danger" not in fields
        assert "craving" in fields
        assert form["staff_on_duty"] is False
        assert "Nobody of the staff is on duty" in form["notice"]
        assert "call_or_text_988" in form["crisis_lines"]

    def test_that_did_not_ask_still_has_an_answer_about_danger_taken(self, room: Room) -> None:
        answer = room.call("submit_check_in", telling.check_in(danger=True), **AS_DANA)

        assert room.announced_of(EscalationOpened)[0].level == "E4"
        assert answer["staff_on_duty"] is False
        assert "988" in answer["notice"]
        assert "call_or_text_988" in answer["crisis_lines"]

    def test_is_for_the_patient_and_their_carers_alone(self, room: Room) -> None:
        assert self.form(room, role="front_desk")["patient_id"] == DANA
        with pytest.raises(NotFound):
            self.form(room, **AS_ELI)


class TestSafetyQuestion:
    def leave_out(self, room: Room, times: int) -> None:
        for _ in range(times):
            room.call("submit_check_in", telling.check_in(), **AS_DANA)
            room.at(room.now + timedelta(hours=1))

    def opened(self, room: Room) -> list[TaskOpened]:
        return [task for task in room.announced_of(TaskOpened) if task.task == "safety_questions_skipped"]

    def closed(self, room: Room) -> list[TaskClosed]:
        return [task for task in room.announced_of(TaskClosed) if task.task == "safety_questions_skipped"]

    def test_left_out_three_times_in_a_row_reaches_a_clinician_once(self, room: Room) -> None:
        keep(room, "ana")
        plan(room, "ana", room.now, timedelta(hours=12))

        self.leave_out(room, 2)
        assert self.opened(room) == []
        self.leave_out(room, 3)

        (task,) = self.opened(room)
        assert (task.owner_role, task.about_id, task.patient_id) == ("clinician", EPISODE, DANA)

    def test_that_nobody_asked_is_not_left_out(self, room: Room) -> None:
        keep(room, "ana")
        plan(room, "ana", room.now, timedelta(hours=2))

        self.leave_out(room, 6)

        assert self.opened(room) == []

    def test_that_nobody_asked_costs_no_look_at_the_roster_for_each_check_in(self, room: Room) -> None:
        self.leave_out(room, 9)
        statements: list[str] = []
        sa.event.listen(room.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))

        self.leave_out(room, 1)

        # One look tells who was on duty when it was left out, and whether anybody is now.
        assert len([text for text in statements if "on_call_shifts" in text]) == 1

    def test_needs_nobody_any_more_once_it_is_answered(self, room: Room) -> None:
        keep(room, "ana")
        plan(room, "ana", room.now, timedelta(hours=12))
        self.leave_out(room, 3)

        room.call("submit_check_in", telling.check_in(danger=False), **AS_DANA)
        self.leave_out(room, 2)

        assert [task.outcome for task in self.closed(room)] == ["WITHDRAWN"]
        assert len(self.opened(room)) == 1

    def test_is_done_when_a_clinician_has_talked_about_it_and_only_once(self, room: Room) -> None:
        keep(room, "ana")
        plan(room, "ana", room.now, timedelta(hours=12))
        self.leave_out(room, 3)
        (task,) = self.opened(room)
        closing = {"task_id": task.task_id, "task": task.task, "about_id": EPISODE, "outcome": "DONE"}

        room.call("close_task", closing, role="clinician", credential="LCSW")

        assert [task.outcome for task in self.closed(room)] == ["DONE"]
        with pytest.raises(Conflict):
            room.call("close_task", closing, role="clinician", credential="LCSW")


class TestEmergencyLine:
    def test_of_the_site_stands_first_in_every_answer_that_carries_risk(self, room: Room) -> None:
        own = {"time_zone": "America/Chicago", "levels_licensed": ("2.1",), "opened_at": ADMITTED_AT}
        room.deliver(SiteOpened(site_id=new_id(), emergency_line="+1 555 0100", **own))
        hers = SiteOpened(site_id=new_id(), emergency_line="+1 555 0199", **own)
        episode_id = new_id()
        room.deliver(hers, telling.admitted(episode_id=episode_id, site_id=hers.site_id))

        answer = room.call("submit_check_in", telling.check_in(episode_id=episode_id, danger=True), **AS_DANA)
        form = room.ask("get_check_in_form", {"episode_id": episode_id}, **AS_DANA)

        for told in (answer, form):
            assert next(iter(told["crisis_lines"].items())) == ("program_emergency_line", "+1 555 0199")

    def test_is_that_of_the_own_site_where_there_are_several(self, room: Room) -> None:
        own = telling.site_opened()
        other = dataclasses.replace(own, site_id=new_id(), emergency_line="+1 555 0177")
        room.deliver(dataclasses.replace(own, emergency_line="+1 555 0199"), other)
        concern = {"concern": "VIOLENCE", "episode_id": EPISODE}

        def lines(patient_id: str, **who: Any) -> dict[str, str]:
            answer = room.call("raise_safety_concern", {**concern, "patient_id": patient_id}, **who)
            found: dict[str, str] = answer["crisis_lines"]
            return found

        assert lines(DANA, **AS_DANA)["program_emergency_line"] == "+1 555 0199"
        # At which site somebody is treated is told neither to another patient nor to anybody outside.
        assert "program_emergency_line" not in lines(ELI, **AS_ELI)
        assert "program_emergency_line" not in lines(DANA, role="partner", credential="")

    def test_of_somebody_else_is_not_told(self, room: Room) -> None:
        answer = room.call("submit_check_in", telling.check_in(danger=True), **AS_DANA)

        assert "program_emergency_line" not in answer["crisis_lines"]
        assert "call_or_text_988" in answer["crisis_lines"]


def act(room: Room, name: str, escalation_id: str, **data: Any) -> dict[str, Any]:
    who = {"role": data.pop("role", "clinician"), "credential": data.pop("credential", "LCSW")}
    return room.call(name, {"escalation_id": escalation_id, **data}, **who)


class TestEscalation:
    def test_opens_for_somebody_whom_nobody_knows(self, room_of: RoomOf) -> None:
        room = room_of(Monitoring)
        room.at(ADMITTED_AT)

        room.deliver(telling.concern("PHQ9_I9", "E3", patient_id=ELI))

        (escalation,) = open_escalations(room)
        assert (escalation["patient_id"], escalation["level"]) == (ELI, "E3")
        assert escalation["crisis_lines"]["call_911"]

    def test_opens_although_another_tenant_told_of_a_danger_under_the_same_id(self, room: Room) -> None:
        for tenant_id in (room.tenant_id, "neighbours"):
            told = telling.concern("PHQ9_I9", "E3", n=tenant_id)
            room.deliver(room.envelope_of(told, tenant_id=tenant_id))

        opened = {
            one.tenant_id: one.event
            for one in room.announced_envelopes
            if one.event.wire_name == EscalationOpened.wire_name
        }
        assert set(opened) == {room.tenant_id, "neighbours"}
        assert len({one.escalation_id for one in opened.values()}) == 2

    def test_opens_after_the_discharge(self, room: Room) -> None:
        room.deliver(telling.discharged(ADMITTED_AT + timedelta(days=3)), telling.concern())

        assert len(room.announced_of(EscalationOpened)) == 1

    def test_takes_a_second_concern_of_the_same_cause_as_evidence(self, room: Room) -> None:
        room.deliver(
            telling.concern("CSSRS_MODERATE", "E3"),
            telling.concern("CSSRS_MODERATE", "E3", n="2"),
            telling.concern("VIOLENCE", "E4"),
        )

        by_cause = {item["cause"]: item for item in open_escalations(room)}
        assert len(by_cause["CSSRS_MODERATE"]["evidence"]) == 2
        assert len(room.announced_of(EscalationOpened)) == 2

    def test_rises_and_asks_anew_even_after_somebody_took_it(self, room: Room) -> None:
        room.deliver(telling.concern("WITHDRAWAL_EVALUATION", "E3"))
        escalation_id = open_escalations(room)[0]["escalation_id"]
        act(room, "acknowledge_escalation", escalation_id)
        room.advance(timedelta(minutes=40))

        room.deliver(telling.concern("WITHDRAWAL_EVALUATION", "E4", at=room.now, n="2"))

        (raised,) = room.announced_of(EscalationRaised)
        assert raised.acknowledge_by == room.now + timedelta(minutes=5)
        assert (tasks(room), room.announced_of(TaskOpened)[-1].owner_role) == (["escalation"], "on_call")
        room.advance(timedelta(minutes=5))
        assert room.announced_of(EscalationBreached)[-1].next_role == "everyone"

    @pytest.mark.parametrize(
        ("level", "tiers"),
        [
            ("E3", [(30, "on_call"), (60, "medical_director"), (90, "medical_director")]),
            ("E4", [(5, "everyone"), (10, "medical_director"), (15, "medical_director")]),
        ],
    )
    def test_asks_the_next_tier_at_each_deadline(
        self, room: Room, level: str, tiers: list[tuple[int, str]]
    ) -> None:
        room.deliver(telling.concern("CSSRS_HIGH", level))

        room.advance(timedelta(minutes=tiers[-1][0]))

        breaches = [(event.breached_at, event.next_role) for event in room.announced_of(EscalationBreached)]
        assert breaches == [(ADMITTED_AT + timedelta(minutes=minutes), role) for minutes, role in tiers]
        assert tasks(room) == ["escalation"]

    def test_asks_in_time_though_the_clock_of_whoever_told_it_is_ahead(self, room: Room) -> None:
        room.deliver(telling.concern("CSSRS_HIGH", "E4", at=ADMITTED_AT + timedelta(hours=2)))

        room.advance(timedelta(minutes=5))

        assert [event.next_role for event in room.announced_of(EscalationBreached)] == ["everyone"]

    @pytest.mark.parametrize(
        ("opened_at", "goes_back_to"),
        [
            pytest.param(timedelta(hours=2), timedelta(0), id="ahead when opened"),
            pytest.param(timedelta(0), timedelta(hours=-1), id="behind since"),
        ],
    )
    def test_asks_in_time_though_its_own_clock_went_back(
        self, room: Room, opened_at: timedelta, goes_back_to: timedelta
    ) -> None:
        room.clock.simulated = False  # simulated time never goes back
        room.clock.moment = ADMITTED_AT + opened_at
        room.deliver(telling.concern("CSSRS_HIGH", "E4", at=ADMITTED_AT + opened_at))

        room.clock.moment = ADMITTED_AT + goes_back_to
        asked = []
        for moved, passed in ((0, 4), (0, 1), (5, 0)):
            room.clock.moment += timedelta(minutes=moved)
            with room.engine.begin() as connection:
                passed_by = timers.c.latest_at - timedelta(minutes=passed)
                connection.execute(timers.update().values(latest_at=passed_by))
            backlog.measure(room.host)
            room.fire_due()
            asked.append([event.next_role for event in room.announced_of(EscalationBreached)])

        assert asked == [[], ["everyone"], ["everyone", "medical_director"]]

    def test_asks_at_once_where_the_databases_clock_went_back_as_well(self, room: Room) -> None:
        room.clock.simulated = False  # simulated time never goes back
        room.clock.moment = ADMITTED_AT
        room.deliver(telling.concern("CSSRS_HIGH", "E4"))

        room.clock.moment = ADMITTED_AT - timedelta(hours=1)
        with room.engine.begin() as connection:
            connection.execute(timers.update().values(latest_at=timers.c.latest_at + timedelta(hours=1)))
        backlog.measure(room.host)
        room.fire_due()

        assert [event.next_role for event in room.announced_of(EscalationBreached)] == ["everyone"]

    def test_asks_again_when_whoever_took_it_does_not_act(self, room: Room) -> None:
        room.deliver(telling.concern("CSSRS_MODERATE", "E3"))
        escalation_id = open_escalations(room)[0]["escalation_id"]
        act(room, "acknowledge_escalation", escalation_id)

        room.advance(timedelta(minutes=60))

        (breach,) = room.announced_of(EscalationBreached)
        assert (breach.deadline, breach.next_role) == ("ACT", "on_call")

    def test_is_ended_only_by_somebody_with_a_licence_who_took_it(self, room: Room) -> None:
        room.deliver(telling.concern())
        escalation_id = open_escalations(room)[0]["escalation_id"]

        with pytest.raises(Conflict) as untaken:
            act(room, "close_escalation", escalation_id, disposition="FALSE_ALARM")
        act(room, "acknowledge_escalation", escalation_id, role="counselor", credential="")
        with pytest.raises(Forbidden) as unlicensed:
            act(room, "close_escalation", escalation_id, disposition="FALSE_ALARM", credential="")
        ended = act(
            room, "close_escalation", escalation_id, disposition="NALOXONE_GIVEN", note="Awake, at home."
        )

        assert (untaken.value.code, unlicensed.value.code) == (
            "not_acknowledged_yet",
            "closure_needs_licence",
        )
        assert (ended["state"], ended["note"]) == ("CLOSED", "Awake, at home.")
        assert (tasks(room), room.timers()) == ([], [])
        with pytest.raises(Conflict):
            act(room, "acknowledge_escalation", escalation_id)
        with room.db() as db:
            kept = db.execute(sa.text("SELECT note_sealed FROM escalations")).scalar_one()
        assert b"home" not in bytes(kept)

    def test_of_a_patient_begins_anew_after_it_ended(self, room: Room) -> None:
        room.deliver(telling.concern())
        first = open_escalations(room)[0]["escalation_id"]
        act(room, "acknowledge_escalation", first)
        act(room, "close_escalation", first, disposition="SENT_TO_EMERGENCY_CARE")

        room.deliver(telling.concern(n="2", at=ADMITTED_AT + timedelta(days=1)))

        assert [item["escalation_id"] for item in open_escalations(room)] != [first]
        assert len(room.ask("list_escalations", {"open": False, "patient_id": DANA})["items"]) == 2

    @pytest.mark.parametrize("heard_first", ["by the door", "here"])
    def test_that_the_door_heard_as_well_does_not_begin_anew_after_it_ended(
        self, room: Room, heard_first: str
    ) -> None:
        told = {"patient_id": DANA, "concern": "VIOLENCE"}
        command_id = new_id()
        heard = by_door(room, telling.concern("VIOLENCE", "E3", evidence_id=command_id), command_id)

        def tell() -> str:
            return str(room.call("raise_safety_concern", told, command_id=command_id)["escalation_id"])

        if heard_first == "here":
            first = tell()
        else:
            room.deliver(heard)
            first = open_escalations(room)[0]["escalation_id"]
        act(room, "acknowledge_escalation", first)
        act(room, "close_escalation", first, disposition="SAFE_PLAN_IN_PLACE")
        if heard_first == "here":
            room.deliver(heard)
        else:
            assert tell() == first

        assert open_escalations(room) == []
        assert len(room.announced_of(SafetyConcernTaken)) == 1


def by_door(room: Room, told: SafetyConcernRaised, command_id: str) -> Envelope:
    """Wrap a concern as the door does that heard it in a service's place."""
    return dataclasses.replace(by_service(room, told, command_id), announced_by="gateway")


def by_service(room: Room, told: SafetyConcernRaised, command_id: str) -> Envelope:
    """Wrap a concern as the service does that was told by a command."""
    return dataclasses.replace(room.envelope_of(told), causation_id=command_id)


class TestDangerThatTheDoorHeardForAService:
    """The same request, sent again to the service that came back, is no second danger."""

    def heard(self, room: Room, *, level: str = "E3", **changed: Any) -> str:
        command_id = new_id()
        told = telling.concern("RETURN_TO_USE", level, n="door", evidence_id=command_id, **changed)
        room.deliver(by_door(room, told, command_id))
        return command_id

    def end(self, room: Room) -> str:
        escalation_id: str = open_escalations(room)[0]["escalation_id"]
        act(room, "acknowledge_escalation", escalation_id)
        act(room, "close_escalation", escalation_id, disposition="NALOXONE_GIVEN")
        return escalation_id

    def test_takes_what_the_service_tells_as_evidence(self, room: Room) -> None:
        command_id = self.heard(room)

        room.deliver(by_service(room, telling.concern("RETURN_TO_USE", "E3"), command_id))

        (escalation,) = open_escalations(room)
        assert len(escalation["evidence"]) == 2
        assert len(room.announced_of(EscalationOpened)) == 1

    def test_does_not_begin_anew_after_it_ended(self, room: Room) -> None:
        command_id = self.heard(room)
        ended = self.end(room)

        room.deliver(by_service(room, telling.concern("RETURN_TO_USE", "E3"), command_id))

        assert open_escalations(room) == []
        assert [one.escalation_id for one in room.announced_of(SafetyConcernTaken)] == [ended, ended]

    def test_begins_anew_where_the_request_tells_of_something_graver(self, room: Room) -> None:
        command_id = self.heard(room)
        self.end(room)

        room.deliver(by_service(room, telling.concern("RETURN_TO_USE", "E4"), command_id))

        assert [one["level"] for one in open_escalations(room)] == ["E4"]

    def test_begins_anew_where_another_request_tells_of_it(self, room: Room) -> None:
        self.heard(room)
        self.end(room)

        room.deliver(by_service(room, telling.concern("RETURN_TO_USE", "E3"), new_id()))

        assert len(open_escalations(room)) == 1

    def test_is_about_whom_the_service_names(self, room: Room) -> None:
        command_id = new_id()
        told = telling.concern("PHQ9_I9", "E4", n="door", evidence_id=command_id)
        told = dataclasses.replace(told, patient_id=somebody(command_id))
        room.deliver(by_door(room, told, command_id))
        room.deliver(by_service(room, telling.concern("PHQ9_I9", "E4", episode_id=EPISODE), command_id))

        (escalation,) = open_escalations(room)
        assert (escalation["patient_id"], escalation["episode_id"]) == (DANA, EPISODE)
        assert len(escalation["evidence"]) == 2
        assert len(room.announced_of(EscalationOpened)) == 1
        asked = [one for one in room.announced_of(TaskOpened) if one.task == "escalation"]
        assert len({one.task_id for one in asked}) == 1
        assert asked[-1].patient_id == DANA

    def test_is_named_and_left_ended_where_somebody_ended_it(self, room: Room) -> None:
        command_id = new_id()
        told = telling.concern("PHQ9_I9", "E4", n="door", evidence_id=command_id)
        room.deliver(by_door(room, dataclasses.replace(told, patient_id=somebody(command_id)), command_id))
        ended = self.end(room)

        room.deliver(by_service(room, telling.concern("PHQ9_I9", "E4"), command_id))

        (escalation,) = room.ask("list_escalations", {"open": False, "patient_id": DANA})["items"]
        assert (escalation["escalation_id"], escalation["state"]) == (ended, "CLOSED")

    def test_stays_beside_an_open_one_of_whom_the_service_names(self, room: Room) -> None:
        room.deliver(telling.concern("PHQ9_I9", "E3", n="before"))
        command_id = new_id()
        told = telling.concern("PHQ9_I9", "E4", n="door", evidence_id=command_id)
        room.deliver(by_door(room, dataclasses.replace(told, patient_id=somebody(command_id)), command_id))

        room.deliver(by_service(room, telling.concern("PHQ9_I9", "E4"), command_id))

        assert {(one["patient_id"], one["level"]) for one in open_escalations(room)} == {
            (DANA, "E4"),
            (somebody(command_id), "E4"),
        }

    def test_tells_a_partner_nothing_of_what_is_known(self, room: Room) -> None:
        room.deliver(telling.concern("VIOLENCE", "E4"))
        (known,) = open_escalations(room)

        told = room.call(
            "raise_safety_concern",
            {"patient_id": DANA, "concern": "VIOLENCE"},
            role="partner",
            credential="",
        )

        assert (told["level"], told["escalation_id"]) == ("E3", known["escalation_id"])
        assert not {"evidence", "tier", "note", "acknowledged_by"} & set(told)
        assert open_escalations(room)[0]["level"] == "E4"

    @pytest.mark.parametrize(
        ("name", "data", "field"),
        [
            ("raise_safety_concern", {"patient_id": DANA, "concern": "HUNGER"}, "concern"),
            ("raise_safety_concern", {"patient_id": DANA, "concern": "VIOLENCE", "level": "E1"}, "level"),
            ("raise_safety_concern", {"concern": "VIOLENCE"}, "patient_id"),
            ("close_escalation", {"escalation_id": ELI, "disposition": "BORED"}, "disposition"),
            (
                "close_escalation",
                {"escalation_id": ELI, "disposition": "DECEASED", "note": "x" * 4001},
                "note",
            ),
            ("acknowledge_escalation", {"escalation_id": "7"}, "escalation_id"),
            ("log_outreach_attempt", {"outreach_id": ELI, "channel": "FAX", "outcome": "REACHED"}, "channel"),
            ("log_outreach_attempt", {"outreach_id": ELI, "channel": "CALL", "outcome": "?"}, "outcome"),
            ("sign_treatment_plan", {"plan_id": ELI, "as": "WITNESS"}, "as"),
            ("list_outreach", {"limit": 0}, "limit"),
        ],
    )
    def test_and_all_else_refuses_bad_input_and_names_the_field(
        self, room: Room, name: str, data: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(InvalidInput) as refusal:
            room.call(name, data)

        assert [problem["field"] for problem in refusal.value.problems] == [field]


class TestTenancy:
    def test_finds_nothing_of_another_tenant(self, room: Room) -> None:
        outreach_id = miss(room, 2)
        room.deliver(telling.concern())
        escalation_id = open_escalations(room)[0]["escalation_id"]
        plan_id = room.ask("get_treatment_plan", {"episode_id": EPISODE})["plan_id"]
        attempts: list[tuple[str, dict[str, Any]]] = [
            ("get_treatment_plan", {"episode_id": EPISODE}),
            ("sign_treatment_plan", {"plan_id": plan_id, "as": "CLINICIAN"}),
            ("submit_check_in", telling.check_in()),
            ("get_risk", {"episode_id": EPISODE}),
            ("get_outreach", {"outreach_id": outreach_id}),
            ("log_outreach_attempt", {"outreach_id": outreach_id, "channel": "CALL", "outcome": "REACHED"}),
            ("get_escalation", {"escalation_id": escalation_id}),
            ("acknowledge_escalation", {"escalation_id": escalation_id}),
            ("close_escalation", {"escalation_id": escalation_id, "disposition": "FALSE_ALARM"}),
        ]

        for name, data in attempts:
            with pytest.raises(Refusal) as refusal:
                room.call(name, data, tenant_id="harbor")
            assert refusal.value.status == 404, name
        for name in ("list_outreach", "list_escalations"):
            assert room.ask(name, {}, tenant_id="harbor")["items"] == []

    def test_lets_patients_ask_only_for_their_own(self, room: Room) -> None:
        with pytest.raises(Forbidden):
            room.ask("list_escalations", {}, **AS_DANA)
        with pytest.raises(NotFound):
            room.call("raise_safety_concern", {"patient_id": DANA, "concern": "OVERDOSE"}, **AS_ELI)
        assert room.call("raise_safety_concern", {"patient_id": DANA, "concern": "OVERDOSE"}, **AS_DANA)


class TestShortWeeks:
    def test_ask_for_a_review_of_the_level_at_the_second_in_a_row(self, room: Room) -> None:
        room.deliver(telling.short_week(1, consecutive_weeks=1))
        assert room.announced_of(LevelReviewRequested) == []

        room.deliver(telling.short_week(2, consecutive_weeks=2))
        room.deliver(telling.short_week(2, consecutive_weeks=2))

        (review,) = room.announced_of(LevelReviewRequested)
        week_ends_at = datetime.fromisoformat("2026-02-23T00:00:00-06:00")
        assert (review.reason, review.requested_at) == ("DOSE_SHORTFALL", week_ends_at)
        assert review.due_at == week_ends_at + timedelta(hours=72)

    def test_wait_for_the_admission_that_tells_the_time_zone(self, room_of: RoomOf) -> None:
        room = room_of(Monitoring)
        room.at(ADMITTED_AT + timedelta(days=21))

        room.deliver(telling.short_week(2, consecutive_weeks=2))
        assert room.waiting == ["note_short_week"]
        room.deliver(telling.admitted())

        assert len(room.announced_of(LevelReviewRequested)) == 1

    def test_give_back_their_points_and_the_review_when_they_are_corrected(self, room: Room) -> None:
        room.deliver(telling.short_week(1, consecutive_weeks=1), telling.short_week(2, consecutive_weeks=2))
        room.at(datetime.fromisoformat("2026-02-24T12:00:00-06:00"))
        before = room.ask("get_risk", {"episode_id": EPISODE})

        room.deliver(telling.week_corrected(2, consecutive_weeks=0))

        after = room.ask("get_risk", {"episode_id": EPISODE})
        (asked,) = room.announced_of(LevelReviewRequested)
        (withdrawn,) = room.announced_of(LevelReviewWithdrawn)
        assert [one["points"] for one in before["terms"] if one["term"] == "SHORT_WEEK"] == [8]
        assert after["index"] == before["index"] - 8
        assert (withdrawn.review_id, withdrawn.revision) == (asked.review_id, 1)

    def test_ask_again_where_they_are_short_after_all(self, room: Room) -> None:
        room.deliver(telling.short_week(2, consecutive_weeks=2))
        room.deliver(telling.week_corrected(2, consecutive_weeks=0))

        room.deliver(telling.week_corrected(2, consecutive_weeks=2, revision=2))

        first, again = room.announced_of(LevelReviewRequested)
        assert (again.review_id, again.revision, again.due_at) == (first.review_id, 2, first.due_at)
        assert len(room.announced_of(LevelReviewWithdrawn)) == 1

    def test_that_a_late_roster_finds_leave_the_whole_time_for_the_review(self, room: Room) -> None:
        found_at = datetime.fromisoformat("2026-03-05T10:00:00-06:00")

        room.deliver(telling.short_week(2, consecutive_weeks=2, told_at=found_at))

        (review,) = room.announced_of(LevelReviewRequested)
        assert (review.requested_at, review.due_at) == (found_at, found_at + timedelta(hours=72))

    def test_ask_nobody_where_the_correction_came_first(self, room: Room) -> None:
        room.deliver(telling.week_corrected(2, consecutive_weeks=0))
        room.deliver(telling.short_week(2, consecutive_weeks=2))

        assert room.announced_of(LevelReviewRequested) == []
        assert room.announced_of(LevelReviewWithdrawn) == []
        assert room.ask("get_risk", {"episode_id": EPISODE})["terms"] == []


#: Days of 24 sessions in eight weeks, and some more.
DAYS = [7 * week + day for week in range(9) for day in (0, 2, 4)]


class TestReadiness:
    def test_is_told_once_and_not_before_eight_weeks(self, room: Room) -> None:
        for day in DAYS[:24]:
            room.deliver(telling.attended(day))
        assert room.announced_of(GraduationReady) == []

        for day in DAYS[24:]:
            room.deliver(telling.attended(day))

        (ready,) = room.announced_of(GraduationReady)
        assert (ready.ready_at, ready.sessions_attended, ready.attendance_percent) == (starts_at(56), 25, 100)

    def test_is_not_told_under_eighty_percent(self, room: Room) -> None:
        for day in DAYS:
            room.deliver(telling.attended(day))
            if day > 35:
                room.deliver(telling.missed(day + 1), telling.attended(day + 1, seat_id=new_id()))

        at_most = [event.ready_at for event in room.announced_of(GraduationReady)]
        assert at_most == []

    def test_waits_for_four_weeks_without_use(self, room: Room) -> None:
        room.at(starts_at(40))
        room.call("submit_check_in", telling.check_in(used=True, substance="ALCOHOL"), **AS_DANA)
        for day in DAYS:
            room.deliver(telling.attended(day))
        assert room.announced_of(GraduationReady) == []

        room.deliver(telling.attended(68))

        assert [event.ready_at for event in room.announced_of(GraduationReady)] == [starts_at(68)]

    def test_waits_until_a_danger_has_ended(self, room: Room) -> None:
        room.deliver(telling.concern("PHQ9_I9", "E3"))
        for day in DAYS:
            room.deliver(telling.attended(day))
        assert room.announced_of(GraduationReady) == []

        escalation_id = open_escalations(room)[0]["escalation_id"]
        act(room, "acknowledge_escalation", escalation_id)
        act(room, "close_escalation", escalation_id, disposition="SAFE_PLAN_IN_PLACE")

        assert len(room.announced_of(GraduationReady)) == 1

    def test_is_lost_while_nobody_knows_where_the_patient_is(self, room: Room) -> None:
        room.deliver(telling.missed(55))
        for day in DAYS[:-3]:
            room.deliver(telling.attended(day))
        assert room.announced_of(GraduationReady) == []

        room.deliver(telling.attended(56))

        assert len(room.announced_of(GraduationReady)) == 1
        assert room.announced_of(GraduationReady)[0].journey_id == JOURNEY


class TestAttendance:
    def test_costs_few_statements(self, room: Room) -> None:
        events = [telling.attended(day) for day in range(20)]
        statements: list[str] = []
        sa.event.listen(room.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))

        room.deliver_together(list(events))

        own = [text for text in statements if "episodes" in text or "attendances" in text]
        others = [text for text in statements if "FROM outreaches" in text or "timers" in text]
        # One lock and one mark a session, and one change of the episode for the whole batch.
        assert len(own) <= 2 * len(events) + 1
        assert others == []
