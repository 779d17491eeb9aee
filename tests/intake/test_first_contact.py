"""First contact over intake's ways in: nothing kept without consent, and a human calls back in time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.intake import tables
from services.intake.service import Intake
from shared.contracts import roles
from shared.contracts.common import SafetyConcernRaised, TaskClosed, TaskOpened
from shared.contracts.event import write_moment
from shared.contracts.intake import InquiryDecided, InquiryReceived, PreScreenCompleted
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import new_id
from shared.instruments import newest
from tests.intake.builders import SITE_ID
from tests.intake.test_instruments import Desk
from tests.support import Room, dump

#: A front end of the program or of a partner: outside, and bound to no patient.
APP = {"role": roles.PARTNER, "actor_id": "front-end", "credential": ""}
PHONE = "+1 312 555 0188"


class Line(Desk):
    """A house that people turn to who may not say who they are."""

    def check(self, **answers: dict[str, int | None]) -> dict[str, Any]:
        checks = [{"instrument": name, "answers": told} for name, told in answers.items()]
        return self.room.ask("take_self_check", {"site_id": SITE_ID, "checks": checks}, **APP)

    def form(self) -> dict[str, Any]:
        return self.room.ask("get_self_check_form", {"site_id": SITE_ID}, **APP)

    def ask_for_help(self, **changes: Any) -> dict[str, Any]:
        request = {"site_id": SITE_ID, "consent": True, "phone": PHONE}
        return self.room.call("submit_inquiry", request | changes, **APP)

    def status(self, receipt: dict[str, Any]) -> dict[str, Any]:
        return self.room.ask("get_inquiry_status", {"status_key": receipt["status_key"]}, **APP)

    def pre_screen(self, receipt: dict[str, Any], **changes: Any) -> dict[str, Any]:
        request = {"status_key": receipt["status_key"], "problems": ["ALCOHOL"]}
        return self.room.call("submit_pre_screen", request | changes, **APP)

    def call_back(self, receipt: dict[str, Any], outcome: str = "REACHED") -> dict[str, Any]:
        told = {"inquiry_id": receipt["inquiry_id"], "outcome": outcome}
        return self.room.call("record_call_back", told, role=roles.COUNSELOR, credential="LADC")

    def decide_on(self, receipt: dict[str, Any], decision: str, why: str | None = None) -> dict[str, Any]:
        told = {"inquiry_id": receipt["inquiry_id"], "decision": decision, "why": why}
        return self.room.call("decide_inquiry", told)

    def inquiry(self, receipt: dict[str, Any]) -> dict[str, Any]:
        return self.room.ask("get_inquiry", {"inquiry_id": receipt["inquiry_id"]})

    def opened(self, task: str) -> list[TaskOpened]:
        return [one for one in self.room.announced_of(TaskOpened) if one.task == task]

    def closed(self, task: str) -> list[str]:
        return [one.outcome for one in self.room.announced_of(TaskClosed) if one.task == task]

    def everything(self) -> dict[str, list[str]]:
        """Return every row of every table, the plumbing's among them."""
        found = dump(self.room.engine, tables.metadata)
        with self.room.engine.connect() as connection:
            for name in ("outbox", "inbox", "commands", "audit"):
                rows = connection.execute(sa.text(f'SELECT t::text FROM "{name}" t'))  # ours
                found[name] = sorted(row[0] for row in rows)
        return found


def calm(instrument: str, **changes: int | None) -> dict[str, int | None]:
    return {**dict.fromkeys(newest(instrument).items, 0), **changes}


@pytest.fixture
def line(room_of: Callable[[type], Room]) -> Line:
    return Line(room_of(Intake))


class TestSelfCheck:
    def test_is_open_to_somebody_without_a_name(self, line: Line) -> None:
        told = line.check(AUDIT_C=calm("AUDIT_C", **{"1": 4}))

        assert [(one["instrument"], one["result"]) for one in told["outcomes"]] == [
            ("AUDIT_C", "WORTH_A_TALK")
        ]
        assert told["next_step"] == "ASK_US"
        assert told["crisis"] is None

    @pytest.mark.parametrize("danger", [0, 3], ids=["calm", "danger"])
    def test_keeps_nothing_in_any_table(self, line: Line, danger: int) -> None:
        before = line.everything()

        line.form()
        line.check(PHQ9=calm("PHQ9", **{"9": danger}), AUDIT_C=calm("AUDIT_C"))

        assert line.everything() == before

    def test_shows_where_help_is_before_anything_else_in_danger(self, line: Line) -> None:
        told = line.check(PHQ9=calm("PHQ9", **{"9": 1}), AUDIT_C=calm("AUDIT_C", **{"1": 4}))

        assert next(iter(told)) == "crisis"
        assert [one["code"] for one in told["crisis"]["lines"]][:2] == ["988", "911"]
        assert told["crisis"]["program_emergency_phone"] == "+1 312 555 0142"
        assert told["outcomes"] == []
        assert told["next_step"] == "CALL_NOW"

    def test_asks_nothing_dangerous_while_nobody_has_the_duty(self, line: Line) -> None:
        on_duty = line.form()
        line.take_off_duty()
        off_duty = line.form()

        assert [one["instrument"] for one in on_duty["instruments"]] == ["AUDIT_C", "PHQ9"]
        assert [one["instrument"] for one in off_duty["instruments"]] == ["AUDIT_C"]
        assert off_duty["withheld"] == ["PHQ9"]
        assert "988" in off_duty["notice"]
        assert off_duty["crisis"]["lines"][0]["code"] == "988"
        assert on_duty["crisis"] is None

    def test_refuses_a_site_that_is_not_there_and_another_tenants(self, line: Line) -> None:
        for tenant, site_id in (("lakeside", new_id()), ("riverside", SITE_ID)):
            with pytest.raises(NotFound):
                line.room.ask("get_self_check_form", {"site_id": site_id}, **APP, tenant_id=tenant)

    def test_is_no_business_of_operations(self, line: Line) -> None:
        with pytest.raises(Forbidden):
            line.room.ask("get_self_check_form", {"site_id": SITE_ID}, role=roles.OPERATIONS)


class TestSubmitInquiry:
    def test_keeps_nothing_without_consent(self, line: Line) -> None:
        before = line.everything()

        with pytest.raises(InvalidInput) as refused:
            line.ask_for_help(consent=False)

        assert refused.value.problems[0]["field"] == "consent"
        assert line.everything() == before

    def test_has_a_human_call_back_in_time(self, line: Line) -> None:
        receipt = line.ask_for_help()

        (received,) = line.room.announced_of(InquiryReceived)
        (task,) = line.opened("call_back")
        assert received.anonymous
        assert task.about_id == receipt["inquiry_id"]
        assert task.due_at == line.room.now + timedelta(minutes=15)
        assert receipt["next_step"] == "ANSWER_QUESTIONS"
        assert receipt["status_link"].endswith(receipt["status_key"])

    def test_names_nobody_to_whoever_asked(self, line: Line) -> None:
        receipt = line.ask_for_help(given_name="Ada")

        assert not {"patient_id", "phone", "given_name"} & receipt.keys()
        assert not {"patient_id", "phone", "given_name"} & line.status(receipt).keys()

    def test_keeps_a_key_that_opens_nothing_from_the_table(self, line: Line) -> None:
        receipt = line.ask_for_help()

        assert not [row for row in line.everything()["inquiries"] if receipt["status_key"] in row]
        for key in (new_id(), receipt["inquiry_id"], receipt["status_key"][::-1]):
            with pytest.raises(NotFound):
                line.room.ask("get_inquiry_status", {"status_key": key}, **APP)
        with pytest.raises(NotFound):
            line.room.ask(
                "get_inquiry_status", {"status_key": receipt["status_key"]}, **APP, tenant_id="riverside"
            )

    def test_keeps_a_self_check_that_comes_with_it_and_has_a_human_hear_of_a_danger(self, line: Line) -> None:
        checks = [{"instrument": "PHQ9", "answers": calm("PHQ9", **{"9": 2})}]
        receipt = line.ask_for_help(self_check=checks)

        (raised,) = line.room.announced_of(SafetyConcernRaised)
        seen = line.inquiry(receipt)
        assert (raised.concern, raised.level) == ("PHQ9_I9", "E4")
        assert raised.patient_id == seen["patient_id"]
        assert next(iter(receipt)) == "crisis"
        assert receipt["crisis"]["lines"][0]["code"] == "988"
        assert receipt["next_step"] == line.status(receipt)["next_step"] == "CALL_NOW"

    def test_calls_nobody_who_left_no_number_until_they_do(self, line: Line) -> None:
        receipt = line.ask_for_help(phone=None)
        before = line.opened("call_back")
        line.room.advance(timedelta(hours=9))
        told = line.pre_screen(receipt, phone=PHONE)

        assert before == []
        (task,) = line.opened("call_back")
        # It is six in the evening in Chicago: nobody is there any more.
        assert task.due_at == line.room.now + timedelta(hours=2)
        assert told["next_step"] == "EXPECT_CALL"

    def test_has_somebody_who_left_an_address_answered_in_time_as_well(self, line: Line) -> None:
        receipt = line.ask_for_help(phone=None, email="noor@example.org")

        (task,) = line.opened("inquiry_answer")
        assert task.due_at == line.room.now + timedelta(minutes=15)
        line.room.advance(timedelta(minutes=16))
        (overdue,) = line.opened("call_back")
        assert (overdue.owner_role, line.closed("inquiry_answer")) == (roles.SUPERVISOR, ["ESCALATED"])
        assert line.pre_screen(receipt, phone=None)["next_step"] == "EXPECT_ANSWER"

    def test_asks_the_supervisor_when_nobody_calls_in_time(self, line: Line) -> None:
        line.ask_for_help()

        line.room.advance(timedelta(minutes=16))

        first, second = line.opened("call_back")
        assert (second.owner_role, second.reason) == (roles.SUPERVISOR, "DEADLINE_PASSED")
        assert line.closed("call_back") == ["ESCALATED"]
        assert first.task_id != second.task_id

    def test_heeds_the_sites_own_hours(self, line: Line) -> None:
        hours = [{"weekday": 5, "starts": "10:00", "ends": "14:00"}]
        line.room.call(
            "set_staffed_hours", {"site_id": SITE_ID, "hours": hours}, role=roles.OPERATIONS, credential=""
        )
        line.ask_for_help()

        (task,) = line.opened("call_back")
        assert task.due_at == line.room.now + timedelta(hours=2)


class TestCallBack:
    def test_ends_what_was_asked_of_anybody(self, line: Line) -> None:
        receipt = line.ask_for_help()
        line.room.advance(timedelta(minutes=16))
        seen = line.call_back(receipt)
        line.room.advance(timedelta(days=2))

        assert line.closed("call_back") == ["ESCALATED", "DONE"]
        assert [one["outcome"] for one in seen["calls"]] == ["REACHED"]
        assert line.room.timers() == []

    def test_is_tried_again_the_next_day(self, line: Line) -> None:
        receipt = line.ask_for_help()
        line.call_back(receipt, "NO_ANSWER")

        (again,) = line.opened("call_back_again")
        line.call_back(receipt, "REACHED")
        assert again.due_at == line.room.now + timedelta(hours=24)
        assert line.closed("call_back_again") == ["DONE"]

    @pytest.mark.parametrize("outcomes", [["REACHED"], ["WRONG_NUMBER"], ["NO_ANSWER"] * 3])
    def test_leaves_a_specialist_to_decide_when_there_is_nobody_left_to_call(
        self, line: Line, outcomes: list[str]
    ) -> None:
        receipt = line.ask_for_help()
        for outcome in outcomes:
            line.call_back(receipt, outcome)

        (task,) = line.opened("inquiry_decision")
        assert task.due_at == line.room.now + timedelta(hours=24)
        line.decide_on(receipt, "NOT_REACHED")
        assert line.closed("inquiry_decision") == ["DONE"]

    def test_leaves_no_voicemail_where_that_is_not_safe(self, line: Line) -> None:
        receipt = line.ask_for_help()

        with pytest.raises(InvalidInput):
            line.call_back(receipt, "VOICEMAIL")

        assert line.inquiry(receipt)["calls"] == []


class TestPreScreenAndDecision:
    def test_has_a_specialist_decide_beside_the_recommendation(self, line: Line) -> None:
        receipt = line.ask_for_help()
        told = line.pre_screen(receipt, withdrawing_now=True)
        seen = line.decide_on(receipt, "ASSESSMENT_HERE", "Seen by a doctor this morning.")

        (completed,) = line.room.announced_of(PreScreenCompleted)
        (decided,) = line.room.announced_of(InquiryDecided)
        assert completed.recommendation == decided.recommendation == "MEDICAL_EVALUATION_FIRST"
        assert (decided.decision, decided.agrees) == ("ASSESSMENT_HERE", False)
        assert (seen["recommendation"], seen["decision"]) == (
            "MEDICAL_EVALUATION_FIRST",
            "ASSESSMENT_HERE",
        )
        assert seen["alternatives"] == ["ASSESSMENT_HERE"]
        assert told["crisis"]["lines"][0]["code"] == "988"
        status = line.status(receipt)
        assert (status["next_step"], "PHOTO_ID" in status["bring"]) == ("ARRANGE_ASSESSMENT", True)
        (offer,) = line.opened("assessment_offer")
        assert offer.due_at == line.room.now + timedelta(days=3)

    @pytest.mark.parametrize(
        ("decision", "task", "hours"),
        [
            ("CLINICIAN_FIRST", "clinician_talk", [24]),
            ("MEDICAL_EVALUATION_FIRST", "inquiry_follow_up", [48, 168]),
            ("OTHER_LEVEL", "inquiry_follow_up", [48, 168]),
            ("EMERGENCY_NOW", "inquiry_follow_up", [24, 168]),
            ("NOT_WANTED", "inquiry_follow_up", []),
        ],
    )
    def test_leaves_nobody_with_a_bare_no(
        self, line: Line, decision: str, task: str, hours: list[int]
    ) -> None:
        receipt = line.ask_for_help()
        line.decide_on(receipt, decision)

        due = [one.due_at - line.room.now for one in line.opened(task)]
        assert sorted(due) == [timedelta(hours=one) for one in hours]

    def test_hears_a_danger_in_answers_that_come_too_late(self, line: Line) -> None:
        receipt = line.ask_for_help()
        line.pre_screen(receipt)
        line.decide_on(receipt, "ASSESSMENT_HERE")

        with pytest.raises(Conflict):
            line.pre_screen(receipt)
        told = line.pre_screen(receipt, suicidal_intent="ACTIVE")

        (raised,) = line.room.announced_of(SafetyConcernRaised)
        assert (raised.concern, raised.level) == ("DANGER_ANSWER", "E4")
        assert told["crisis"]["lines"][0]["code"] == "988"

    def test_leaves_the_question_about_suicide_to_when_somebody_is_there(self, line: Line) -> None:
        receipt = line.ask_for_help()
        on_duty = line.status(receipt)["questions"]
        line.take_off_duty()
        off_duty = line.status(receipt)["questions"]

        assert set(on_duty) - set(off_duty) == {"suicidal_intent"}

    def test_goes_on_as_a_referral_of_whoever_they_are(self, line: Line) -> None:
        receipt = line.ask_for_help()
        line.decide_on(receipt, "ASSESSMENT_HERE")
        pseudonym = line.inquiry(receipt)["patient_id"]

        referral = line.refer(
            patient={"given_name": "Noor", "birth_date": "1988-02-03"}, inquiry_id=receipt["inquiry_id"]
        )

        seen = line.inquiry(receipt)
        assert referral["patient_id"] == pseudonym
        assert (seen["state"], seen["referral_id"]) == ("REFERRED", referral["referral_id"])
        assert line.status(receipt)["next_step"] == "COMPLETE_ASSESSMENT"
        assert line.closed("assessment_offer") == ["DONE"]
        with pytest.raises(Conflict):
            line.refer(patient={"given_name": "Someone"}, inquiry_id=receipt["inquiry_id"])

    def test_counts_the_clocks_of_the_law_from_the_first_word_and_heeds_it(self, line: Line) -> None:
        receipt = line.ask_for_help()
        asked_at = line.room.now
        line.pre_screen(receipt, pregnant=True, injecting=True)
        line.room.advance(timedelta(days=3))
        referral = line.refer(patient={"given_name": "Noor"}, inquiry_id=receipt["inquiry_id"], teds={})
        line.decide(line.assess(referral["episode_id"]), "2.1")

        wait = line.room.call(
            "wait_for_admission", {"episode_id": referral["episode_id"]}, role=roles.FRONT_DESK
        )

        (interim,) = line.opened("interim_services")
        assert wait["asked_at"] == write_moment(asked_at)
        assert interim.due_at == asked_at + timedelta(hours=48)

    def test_tells_a_person_known_already_apart_from_whom_the_inquiry_stood_for(self, line: Line) -> None:
        line.decide(line.assess(line.referral["episode_id"]), "3.7")
        elsewhere = {"episode_id": line.referral["episode_id"]}
        line.room.call("refer_elsewhere", elsewhere, role=roles.FRONT_DESK)
        receipt = line.ask_for_help()

        referral = line.refer(inquiry_id=receipt["inquiry_id"])

        assert referral["known_patient"]
        assert referral["patient_id"] == line.patient_id
        assert line.status(receipt).keys() == line.status(line.ask_for_help()).keys()

    def test_is_for_the_care_team(self, line: Line) -> None:
        receipt = line.ask_for_help()
        with pytest.raises(Forbidden):
            line.room.call(
                "decide_inquiry",
                {"inquiry_id": receipt["inquiry_id"], "decision": "NOT_WANTED"},
                role=roles.FRONT_DESK,
            )

    def test_lists_what_waits_for_somebody(self, line: Line) -> None:
        first, second = line.ask_for_help(), line.ask_for_help(words="I cannot stop.")
        line.decide_on(first, "NOT_WANTED")

        (listed,) = line.room.ask("list_inquiries", {"state": "OPEN"})["items"]
        assert listed["inquiry_id"] == second["inquiry_id"]
        assert listed["words"] == "I cannot stop."
