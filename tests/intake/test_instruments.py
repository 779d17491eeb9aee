"""Instruments over intake's ways in: offered in turn, answered, acted on, and scored by what is signed."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.intake import tables
from services.intake.domain import instruments
from services.intake.service import Intake
from shared.contracts import roles
from shared.contracts.common import InstrumentScored, SafetyConcernRaised, TaskClosed, TaskOpened
from shared.contracts.event import write_moment
from shared.contracts.intake import AssessmentCompleted, RulesSigned
from shared.contracts.monitoring import OnCallShiftPlanned, OnCallShiftWithdrawn
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import derived_id, new_id
from shared.instruments import newest
from tests.intake.test_service import House, discharged
from tests.support import Room


class Desk(House):
    """A house whose medical director has signed everything, and somebody is on duty."""

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self.sign_all()
        self.put_on_duty()
        self.referral = self.refer(patient={"sex": "FEMALE"})
        self.patient_id = self.referral["patient_id"]

    def rules(self) -> list[dict[str, Any]]:
        return self.room.ask("list_rules", {})["items"]

    def sign_all(self) -> None:
        for one in self.rules():
            if one["may_be_signed"]:
                self.sign_version(one)

    def put_on_duty(self, shift: str = "duty", *, days: int = 30) -> None:
        self.room.deliver(self.duty(shift, days=days))

    def duty(self, shift: str = "duty", *, days: int = 30) -> OnCallShiftPlanned:
        return OnCallShiftPlanned(
            shift_id=derived_id(shift),
            staff_id=derived_id("nora"),
            starts_at=self.room.now - timedelta(hours=1),
            ends_at=self.room.now + timedelta(days=days),
        )

    def take_off_duty(self, shift: str = "duty") -> None:
        self.room.deliver(OnCallShiftWithdrawn(shift_id=derived_id(shift), withdrawn_at=self.room.now))

    def as_patient(self) -> dict[str, Any]:
        return {"role": roles.PATIENT, "actor_id": self.patient_id, "credential": ""}

    def answer(
        self,
        instrument: str,
        answers: dict[str, int | None] | None = None,
        *,
        who: Any = None,
        **changes: Any,
    ) -> dict[str, Any]:
        every = {name: min(item.answers) for name, item in newest(instrument).items.items()}
        request = {
            "patient_id": self.patient_id,
            "instrument": instrument,
            "answers": every | (answers or {}),
        }
        return self.room.call("answer_instrument", request | changes, **(who or {}))

    def due(self, **who: Any) -> dict[str, Any]:
        return self.room.ask("get_due_instruments", {"patient_id": self.patient_id}, **who)

    def due_names(self, **who: Any) -> list[str]:
        return [one["instrument"] for one in self.due(**who)["due"]]

    def tasks(self, name: str) -> list[TaskOpened]:
        return [task for task in self.room.announced_of(TaskOpened) if task.task == name]

    def ended(self, name: str) -> list[TaskClosed]:
        return [task for task in self.room.announced_of(TaskClosed) if task.task == name]


@pytest.fixture
def desk(room_of: Callable[[type], Room]) -> Desk:
    return Desk(room_of(Intake))


class TestAnswerInstrument:
    def test_keeps_the_raw_answers_and_tells_the_scores(self, desk: Desk) -> None:
        kept = desk.answer("GAD7", dict.fromkeys("1234567", 2))

        (scored,) = desk.room.announced_of(InstrumentScored)
        assert kept["scores"] == [
            {"score": "TOTAL", "value": 14, "band": "MODERATE", "positive": True, "meaning": None}
        ]
        assert kept["answers"] == dict.fromkeys("1234567", 2)
        assert (scored.instrument, scored.values, scored.bands) == ("GAD7", (14,), ("MODERATE",))
        assert (scored.place, scored.rated_by) == ("INTAKE", "OBSERVER")
        assert scored.episode_id == desk.referral["episode_id"]

    def test_uses_the_recorded_sex_for_cut_offs(self, desk: Desk) -> None:
        kept = desk.answer("AUDIT_C", {"1": 3})

        assert kept["scores"][0]["positive"]
        assert kept["reviews"] == ["ALL_POINTS_FROM_FIRST_QUESTION"]

    def test_a_dangerous_answer_acts_in_the_same_transaction(self, desk: Desk) -> None:
        kept = desk.answer("PHQ9", {"9": 1})

        (concern,) = desk.room.announced_of(SafetyConcernRaised)
        (task,) = desk.tasks("suicide_screen")
        assert (concern.concern, concern.level, concern.evidence_id) == ("PHQ9_I9", "E3", kept["answers_id"])
        assert task.due_at == desk.room.now + timedelta(minutes=15)
        assert kept["crisis"]["lines"][0]["code"] == "988"
        assert kept["crisis"]["program_emergency_phone"] == "+1 312 555 0142"
        assert kept["dangers"][0]["then"] == "CSSRS"
        assert desk.due_names()[0] == "CSSRS"

    def test_the_suicide_screen_ends_the_task_that_asked_for_it(self, desk: Desk) -> None:
        desk.answer("PHQ9", {"9": 2})
        kept = desk.answer("CSSRS")

        (ended,) = desk.ended("suicide_screen")
        assert ended.outcome == "DONE"
        assert kept["scores"][0]["band"] == "NONE"
        assert "CSSRS" not in desk.due_names()

    def test_an_unfinished_suicide_screen_leaves_the_task_open(self, desk: Desk) -> None:
        desk.answer("PHQ9", {"9": 1})
        desk.answer("CSSRS", {"6A": None})

        assert desk.ended("suicide_screen") == []

    @pytest.mark.parametrize(
        ("answers", "concern", "level"),
        [({"6A": 1}, "CSSRS_MODERATE", "E3"), ({"2": 1, "4": 1}, "CSSRS_HIGH", "E4")],
    )
    def test_a_risk_of_suicide_is_told_by_its_grade(
        self, desk: Desk, answers: dict[str, int | None], concern: str, level: str
    ) -> None:
        desk.answer("CSSRS", answers)

        (raised,) = desk.room.announced_of(SafetyConcernRaised)
        assert (raised.concern, raised.level) == (concern, level)

    def test_a_low_risk_asks_a_clinician_today(self, desk: Desk) -> None:
        desk.answer("CSSRS", {"1": 1})

        (task,) = desk.tasks("low_suicide_risk")
        # Midnight in Chicago.
        assert task.due_at == desk.room.now.replace(hour=6, minute=0) + timedelta(days=1)
        told = {"task_id": task.task_id, "task": task.task, "about_id": task.about_id, "outcome": "DONE"}
        desk.room.call("close_task", told)
        with pytest.raises(Conflict):
            desk.room.call("close_task", told)
        assert len(desk.ended("low_suicide_risk")) == 1

    def test_questions_about_danger_left_out_in_a_row_reach_a_clinician(self, desk: Desk) -> None:
        for _ in range(2):
            desk.answer("PHQ9", {"9": None})
        assert desk.tasks("safety_items_skipped") == []

        desk.answer("PHQ9", {"9": None})
        desk.answer("PHQ9", {"9": None})
        assert len(desk.tasks("safety_items_skipped")) == 1

        desk.answer("PHQ9")
        assert [one.outcome for one in desk.ended("safety_items_skipped")] == ["DONE"]

    def test_keeps_an_unfinished_form_without_a_score(self, desk: Desk) -> None:
        kept = desk.answer("PHQ9", {"9": None})

        assert (kept["status"], kept["scores"], kept["missing"]) == ("INCOMPLETE", [], ["9"])
        assert desk.room.announced_of(InstrumentScored) == []

    def test_a_patient_answers_for_themselves_only(self, desk: Desk) -> None:
        kept = desk.answer("PHQ9", who=desk.as_patient())

        assert (kept["rated_by"], kept["mode"]) == ("SELF", "REMOTE")
        with pytest.raises(NotFound):
            desk.answer("PHQ9", who=desk.as_patient() | {"actor_id": new_id()})
        with pytest.raises(InvalidInput) as refused:
            desk.answer("PHQ9", who=desk.as_patient(), rated_by="OBSERVER")
        assert refused.value.problems[0]["field"] == "rated_by"

    @pytest.mark.parametrize("instrument", ["CIWA_AR", "COWS"])
    def test_refuses_a_self_report_of_withdrawal(self, desk: Desk, instrument: str) -> None:
        for who, changes in ((desk.as_patient(), {}), ({}, {"rated_by": "SELF"})):
            with pytest.raises(InvalidInput) as refused:
                desk.answer(instrument, who=who, **changes)
            assert refused.value.problems[0]["field"] == "rated_by"

    def test_repeats_nothing_of_what_was_sent_but_the_names_of_items(self, desk: Desk) -> None:
        answers = {"Periwinkle drinks": "Marigold", "9": "Marigold", "8": 1}

        with pytest.raises(InvalidInput) as refused:
            desk.answer("AUDIT", answers)

        told = sorted(one["field"] for one in refused.value.problems)
        assert told == ["answers", "answers.9"]
        assert "Periwinkle" not in str(refused.value.to_wire())
        assert "Marigold" not in str(refused.value.to_wire())

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"answers": {"9": 1}, "instrument": "AUDIT"}, "answers.9"),
            ({"answers": {"77": 1}, "instrument": "AUDIT"}, "answers"),
            ({"answers": {"1": None}, "instrument": "AUDIT"}, "answers"),
            ({"answers": {}, "instrument": "AUDIT"}, "answers"),
            ({"instrument": "HOROSCOPE"}, "instrument"),
            ({"version": 99}, "instrument"),
            ({"given_at": "2099-01-01T00:00:00Z"}, "given_at"),
            ({"given_at": "2020-01-01T00:00:00Z"}, "given_at"),
        ],
    )
    def test_refuses_what_cannot_be_and_changes_nothing(
        self, desk: Desk, changes: dict[str, Any], field: str
    ) -> None:
        request = {"patient_id": desk.patient_id, "instrument": "PHQ9", "answers": {"1": 0}}

        with pytest.raises(InvalidInput) as refused:
            desk.room.call("answer_instrument", request | changes)

        assert refused.value.problems[0]["field"] == field
        assert desk.count(tables.instrument_answer_rows) == 0

    def test_refuses_what_ships_off(self, desk: Desk) -> None:
        with pytest.raises(Conflict) as refused:
            desk.answer("DAST10")

        assert refused.value.code == "instrument_ships_off"

    def test_takes_a_danger_also_after_the_discharge(self, desk: Desk) -> None:
        desk.room.deliver(discharged(desk.referral, desk.room))

        kept = desk.answer("PHQ9", {"9": 3})

        assert kept["place"] == "FOLLOW_UP"
        assert desk.room.announced_of(SafetyConcernRaised)[0].level == "E4"

    def test_takes_an_answer_once(self, desk: Desk) -> None:
        once = {"patient_id": desk.patient_id, "instrument": "PHQ9", "answers": {"9": 1}}
        command_id = new_id()

        first = desk.room.call("answer_instrument", once, command_id=command_id)
        again = desk.room.call("answer_instrument", once, command_id=command_id)

        assert first == again
        assert len(desk.room.announced_of(SafetyConcernRaised)) == 1

    def test_refuses_no_danger_because_a_clock_is_a_minute_ahead(self, desk: Desk) -> None:
        kept = desk.answer("PHQ9", {"9": 1}, given_at=write_moment(desk.room.now + timedelta(minutes=1)))

        assert kept["given_at"] == write_moment(desk.room.now)
        assert desk.room.announced_of(SafetyConcernRaised)


class TestGetInstrumentAnswers:
    def test_scores_the_answers_again_by_the_version_asked_for(self, desk: Desk) -> None:
        kept = desk.answer("GAD7", {"1": 3})

        again = desk.room.ask("get_instrument_answers", {"answers_id": kept["answers_id"], "version": 1})

        assert again["scores"] == kept["scores"]
        with pytest.raises(InvalidInput):
            desk.room.ask("get_instrument_answers", {"answers_id": kept["answers_id"], "version": 99})

    def test_keeps_no_score(self, desk: Desk) -> None:
        columns = set(tables.instrument_answer_rows.columns.keys())

        assert not columns & {"score", "scores", "band", "bands", "total", "status"}

    def test_is_nothing_to_somebody_else(self, desk: Desk) -> None:
        kept = desk.answer("GAD7")

        for who in (desk.as_patient() | {"actor_id": new_id()}, {"tenant_id": "riverside"}):
            with pytest.raises(NotFound):
                desk.room.ask("get_instrument_answers", {"answers_id": kept["answers_id"]}, **who)

    def test_lists_what_was_answered_page_by_page(self, desk: Desk) -> None:
        for _ in range(3):
            desk.answer("GAD7")
        desk.answer("PACS")

        asked = {"patient_id": desk.patient_id, "instrument": "GAD7", "limit": "2"}
        first = desk.room.ask("list_instrument_answers", asked)
        rest = desk.room.ask("list_instrument_answers", asked | {"after": first["next"]})

        assert [len(first["items"]), len(rest["items"]), rest["next"]] == [2, 1, None]


class TestDueInstruments:
    def test_says_the_place_and_what_to_ask_with_its_words(self, desk: Desk) -> None:
        found = desk.due()

        phq = next(one for one in found["due"] if one["instrument"] == "PHQ9")
        assert found["place"] == "INTAKE"
        assert phq["stem"].startswith("Over the last 2 weeks, how often have you been bothered")
        assert phq["items"][8]["answers"][1] == {"value": 1, "label": "Several days"}
        assert found["withheld"] == []
        assert found["crisis"] is None

    def test_goes_on_with_treatment_after_the_admission(self, desk: Desk) -> None:
        desk.decide(desk.assess(desk.referral["episode_id"]), "2.1")
        desk.consent(desk.patient_id)
        desk.room.call("admit_patient", {"episode_id": desk.referral["episode_id"]}, role="front_desk")

        assert desk.due()["place"] == "TREATMENT"
        assert "BAM7" in desk.due_names()
        desk.answer("BAM7")
        assert "BAM7" not in desk.due_names()
        desk.room.at(desk.room.now + timedelta(days=7))
        assert "BAM7" in desk.due_names()

    def test_nothing_is_due_once_others_treat_them(self, desk: Desk) -> None:
        desk.decide(desk.assess(desk.referral["episode_id"]), "3.7")
        desk.room.call(
            "refer_elsewhere",
            {"episode_id": desk.referral["episode_id"], "program": "Elsewhere"},
            role="front_desk",
        )

        assert (desk.due()["place"], desk.due()["due"]) == (None, [])

    def test_of_a_day_are_told_of_all_at_once_as_of_each(self, desk: Desk) -> None:
        other = desk.refer(patient={"given_name": "Otto"})["patient_id"]
        treated = desk.refer(patient={"given_name": "Tess"})
        desk.decide(desk.assess(treated["episode_id"]), "2.1")
        desk.consent(treated["patient_id"])
        desk.room.call("admit_patient", {"episode_id": treated["episode_id"]}, role="front_desk")
        desk.answer("PHQ9")
        patient_ids = [desk.patient_id, other, treated["patient_id"]]

        asked = {"patient_ids": [*patient_ids, new_id()]}
        told = desk.room.ask("list_due_forms", asked, role="system")["items"]

        one_by_one = {}
        for patient_id in patient_ids:
            due = desk.room.ask("get_due_instruments", {"patient_id": patient_id})["due"]
            one_by_one[patient_id] = [one["instrument"] for one in due]
        assert {one["patient_id"]: one["forms"] for one in told} == one_by_one
        assert len({tuple(forms) for forms in one_by_one.values()}) == 3
        with pytest.raises(Forbidden):
            desk.room.ask("list_due_forms", asked, role="front_desk")

    def test_a_patient_is_offered_what_they_can_answer_alone(self, desk: Desk) -> None:
        names = desk.due_names(**desk.as_patient())

        assert {"PHQ9", "CSSRS", "AUDIT"} <= set(names)
        assert "PAWSS" not in names

    def test_nobody_alone_is_asked_about_danger_while_nobody_is_there(self, desk: Desk) -> None:
        desk.take_off_duty()

        found = desk.due(**desk.as_patient())

        assert {"PHQ9", "CSSRS"} <= set(found["withheld"])
        assert not {"PHQ9", "CSSRS"} & {one["instrument"] for one in found["due"]}
        assert "988" in found["notice"]
        assert found["crisis"]["lines"][0]["code"] == "988"
        assert "PHQ9" in desk.due_names()

    def test_an_answer_about_danger_that_comes_anyway_is_taken(self, desk: Desk) -> None:
        desk.take_off_duty()

        kept = desk.answer("PHQ9", {"9": 1}, who=desk.as_patient())

        assert len(desk.room.announced_of(SafetyConcernRaised)) == 1
        assert not kept["staff_on_duty"]

    def test_a_duty_that_ends_sooner_counts_in_any_order(self, desk: Desk) -> None:
        desk.take_off_duty()
        desk.room.deliver(desk.duty("late", days=1))
        desk.room.deliver(desk.duty("late", days=3))
        desk.room.at(desk.room.now + timedelta(days=2))

        assert not desk.due()["staff_on_duty"]

    def test_a_withdrawal_may_come_before_the_duty(self, desk: Desk) -> None:
        desk.take_off_duty()
        desk.take_off_duty("early")
        desk.room.deliver(desk.duty("early"))

        assert not desk.due()["staff_on_duty"]


class TestSignRules:
    def test_is_announced_with_who_and_when(self, desk: Desk) -> None:
        signed = [one for one in desk.room.announced_of(RulesSigned) if one.pack == "PHQ9"]
        listed = next(one for one in desk.rules() if one["pack"] == "PHQ9")

        assert len(signed) == 1
        assert listed["in_force"]
        assert listed["signature"]["signed_by_role"] == roles.MEDICAL_DIRECTOR
        assert listed["signature"]["signed_by_credential"] == "MD"

    def test_a_second_signature_changes_nothing(self, desk: Desk) -> None:
        before = desk.count(tables.rule_signature_rows)

        desk.sign("PHQ9")

        assert desk.count(tables.rule_signature_rows) == before

    def test_is_for_the_medical_director_with_a_licence(self, desk: Desk) -> None:
        listed = next(one for one in desk.rules() if one["pack"] == "PHQ9")
        request = {name: listed[name] for name in ("pack", "version", "digest")}

        for who in ({"role": roles.SUPERVISOR}, {"role": roles.MEDICAL_DIRECTOR, "credential": ""}):
            with pytest.raises(Forbidden):
                desk.room.call("sign_rules", request, **who)

    def test_takes_exactly_what_was_looked_at(self, desk: Desk) -> None:
        with pytest.raises(InvalidInput) as refused:
            desk.sign("PHQ9", digest="0" * 64)

        assert refused.value.problems[0]["field"] == "digest"

    @pytest.mark.parametrize("pack", ["DAST10", "PLACEMENT_ASAM4"])
    def test_refuses_what_ships_off(self, desk: Desk, pack: str) -> None:
        with pytest.raises(Conflict) as refused:
            desk.sign(pack)

        assert refused.value.code == "rules_ship_off"

    def test_another_tenant_signs_for_itself(self, desk: Desk) -> None:
        listed = desk.room.ask("list_rules", {}, tenant_id="riverside")["items"]

        assert not any(one["in_force"] for one in listed)


class TestUnsignedPlacement:
    @pytest.fixture
    def unsigned(self, desk: Desk) -> Desk:
        with desk.room.engine.begin() as connection:
            connection.execute(tables.rule_signature_rows.delete())
        return desk

    def test_nobody_decides_on_its_word(self, unsigned: Desk) -> None:
        assessment = unsigned.assess(unsigned.referral["episode_id"])

        with pytest.raises(Conflict) as refused:
            unsigned.decide(assessment)
        unsigned.sign("PLACEMENT_ASAM3")

        assert refused.value.code == "rules_not_signed"
        assert unsigned.decide(assessment)["decided_level"] == "2.1"

    def test_holds_up_no_danger(self, unsigned: Desk) -> None:
        danger = {"suicidal_intent": "ACTIVE", "violence_threat": False}
        unsigned.assess(unsigned.referral["episode_id"], danger=danger)

        assert len(unsigned.room.announced_of(SafetyConcernRaised)) == 1


class TestUnsignedInstrument:
    @pytest.fixture
    def unsigned(self, desk: Desk) -> Desk:
        with desk.room.engine.begin() as connection:
            connection.execute(
                tables.rule_signature_rows.delete().where(tables.rule_signature_rows.c.pack == "PHQ9")
            )
        return desk

    def test_is_not_offered(self, unsigned: Desk) -> None:
        assert "PHQ9" not in unsigned.due_names()
        assert unsigned.due()["not_signed"] == ["PHQ9"]

    def test_keeps_answers_without_a_score_until_it_is_signed(self, unsigned: Desk) -> None:
        kept = unsigned.answer("PHQ9", {"1": 2})
        assert (kept["scores"], kept["why_not_scored"]) == ([], "NOT_SIGNED")
        assert unsigned.room.announced_of(InstrumentScored) == []

        unsigned.sign("PHQ9")

        again = unsigned.room.ask("get_instrument_answers", {"answers_id": kept["answers_id"]})
        assert again["scores"][0]["value"] == 2

    def test_no_missing_signature_stands_between_a_danger_and_a_human(self, unsigned: Desk) -> None:
        unsigned.answer("PHQ9", {"9": 1})

        assert len(unsigned.room.announced_of(SafetyConcernRaised)) == 1


class TestLicensedPacks:
    def test_are_signed_and_used_once_their_licence_is_named(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        desk.room.host.settings = dataclasses.replace(
            desk.room.host.settings, licensed_packs=("DAST10", "PLACEMENT_ASAM4")
        )

        desk.sign("DAST10")

        assert desk.answer("DAST10")["scores"][0]["value"] == 1


class TestMinors:
    def test_are_neither_offered_nor_scored_but_their_danger_counts(self, desk: Desk) -> None:
        referral = desk.refer(patient={"given_name": "Tim", "birth_date": "2010-01-01"})
        desk.patient_id = referral["patient_id"]

        kept = desk.answer("PHQ9", {"9": 1})

        assert desk.due_names() == ["CSSRS"] or desk.due_names() == []
        assert (kept["why_not_scored"], kept["scores"]) == (instruments.BELOW_MIN_AGE, [])
        assert len(desk.room.announced_of(SafetyConcernRaised)) == 1


class TestGetStatus:
    def test_gives_one_next_step_and_what_to_bring(self, desk: Desk) -> None:
        found = desk.room.ask("get_status", {"patient_id": desk.patient_id}, **desk.as_patient())

        assert found["next_step"] == "COMPLETE_ASSESSMENT"
        assert "PHOTO_ID" in found["bring"]
        assert "PHQ9" in found["due_instruments"]
        assert found["program_emergency_phone"] == "+1 312 555 0142"

    def test_tells_the_day_of_each_step_on_the_way_in(self, desk: Desk) -> None:
        def seen() -> tuple[str, str | None]:
            found = desk.room.ask("get_status", {"patient_id": desk.patient_id}, **desk.as_patient())
            return found["next_step"], found["next_step_by"]

        def due(task: str) -> str:
            (asked,) = [one for one in desk.room.announced_of(TaskOpened) if one.task == task]
            return write_moment(asked.due_at)

        assert seen() == ("COMPLETE_ASSESSMENT", due("assessment_due"))
        assessment = desk.assess(desk.referral["episode_id"])
        assert seen() == ("DECIDE_LEVEL_OF_CARE", due("level_decision"))
        desk.decide(assessment, "3.7")
        assert seen() == ("REFER_ELSEWHERE", None)
        told = {"episode_id": desk.referral["episode_id"]}
        outward = desk.room.call("refer_elsewhere", told, role=roles.FRONT_DESK)
        assert seen() == ("FOLLOW_UP_REFERRAL", outward["follow_ups"][0]["due_at"])

    def test_sets_no_day_for_what_cannot_wait(self, desk: Desk) -> None:
        desk.answer("CSSRS", {"2": 1, "5": 1})

        found = desk.room.ask("get_status", {"patient_id": desk.patient_id}, **desk.as_patient())

        assert (found["next_step"], found["next_step_by"]) == ("CALL_NOW", None)

    @pytest.mark.parametrize(
        ("instrument", "answers", "step"),
        [
            ("CSSRS", {"2": 1, "5": 1}, "CALL_NOW"),
            ("PHQ9", {"9": 1}, "TALK_WITH_US_NOW"),
            ("CIWA_AR", dict.fromkeys("12345", 4), "SEE_DOCTOR_FIRST"),
        ],
    )
    def test_puts_a_danger_before_everything_else(
        self, desk: Desk, instrument: str, answers: dict[str, int | None], step: str
    ) -> None:
        desk.answer(instrument, answers)

        found = desk.room.ask("get_status", {"patient_id": desk.patient_id}, **desk.as_patient())

        assert found["next_step"] == step
        assert next(iter(found)) == "crisis"
        assert found["crisis"]["lines"][0]["code"] == "988"
        assert found["crisis"]["program_emergency_phone"] == "+1 312 555 0142"

    def test_says_where_help_is_while_nobody_is_there(self, desk: Desk) -> None:
        desk.take_off_duty()

        found = desk.room.ask("get_status", {"patient_id": desk.patient_id}, **desk.as_patient())

        assert "988" in found["notice"]
        assert found["crisis"]["lines"]

    def test_is_nothing_to_somebody_else(self, desk: Desk) -> None:
        with pytest.raises(NotFound):
            desk.room.ask(
                "get_status",
                {"patient_id": desk.patient_id},
                role=roles.PATIENT,
                actor_id=new_id(),
                credential="",
            )


class TestBeforeAnAssessment:
    def gate(self, desk: Desk, **changes: Any) -> dict[str, Any]:
        return desk.assess(desk.referral["episode_id"], **changes)["gate"]

    def test_a_positive_screen_of_the_mind_is_told_with_it_as_it_was_last_answered(self, desk: Desk) -> None:
        for nine in (9, 10):
            desk.answer("PHQ9", {str(item): 1 for item in range(1, 9)} | {"1": nine - 7, "9": 0})
            desk.assess(desk.referral["episode_id"])

        told = [one.positive_screens for one in desk.room.announced_of(AssessmentCompleted)]
        assert told == [(), ("PHQ9",)]

    def test_a_recorded_withdrawal_scale_holds_the_gate(self, desk: Desk) -> None:
        kept = desk.answer("CIWA_AR", dict.fromkeys("12345", 4))

        assessment = desk.assess(desk.referral["episode_id"])

        assert assessment["gate"]["disposition"] == "EMERGENCY"
        assert assessment["recommendation"]["level"] == "4"
        assert assessment["findings"]["instruments"] == {"CIWA_AR": kept["answers_id"]}

    def test_a_total_that_the_assessor_tells_is_newer(self, desk: Desk) -> None:
        desk.answer("CIWA_AR", dict.fromkeys("12345", 4))

        assert self.gate(desk, withdrawal={"ciwa_ar": 3, "rated_by": "OBSERVER"})["disposition"] == "CLEAR"

    def test_a_scale_of_the_day_before_does_not_count(self, desk: Desk) -> None:
        desk.answer("CIWA_AR", dict.fromkeys("12345", 4))
        desk.room.at(desk.room.now + timedelta(hours=25))

        assert self.gate(desk)["disposition"] == "CLEAR"

    def test_a_high_risk_of_suicide_holds_until_a_new_screen_tells_otherwise(self, desk: Desk) -> None:
        desk.answer("CSSRS", {"2": 1, "5": 1})
        assert self.gate(desk)["held_by"] == ["SUICIDAL_INTENT"]

        desk.answer("CSSRS")
        assert not self.gate(desk)["holds"]


class TestBetweenAssessmentAndAdmission:
    @pytest.fixture
    def decided(self, desk: Desk) -> Desk:
        desk.decide(desk.assess(desk.referral["episode_id"]), "2.1")
        desk.consent(desk.patient_id)
        desk.room.advance(timedelta(hours=1))
        return desk

    def admit(self, desk: Desk) -> dict[str, Any]:
        return desk.room.call(
            "admit_patient", {"episode_id": desk.referral["episode_id"]}, role=roles.FRONT_DESK
        )

    @pytest.mark.parametrize(
        ("instrument", "answers"),
        [("CIWA_AR", dict.fromkeys("12345", 4)), ("CSSRS", {"2": 1, "5": 1}), ("PHQ9", {"9": 1})],
    )
    def test_a_danger_found_then_keeps_somebody_from_being_admitted(
        self, decided: Desk, instrument: str, answers: dict[str, int | None]
    ) -> None:
        decided.answer(instrument, answers)

        with pytest.raises(Conflict) as refused:
            self.admit(decided)

        assert [problem["field"] for problem in refused.value.problems] == ["gate"]
        assert decided.episode(decided.referral["episode_id"])["state"] == "DECIDED"

    def test_an_answer_about_death_waits_for_its_screen(self, decided: Desk) -> None:
        decided.answer("PHQ9", {"9": 1})
        decided.room.advance(timedelta(minutes=10))
        decided.answer("CSSRS", {"1": 1})

        assert self.admit(decided)["next_step"] == "ATTEND_PROGRAM"

    def test_it_waits_as_well_when_it_was_given_before_the_assessment(self, desk: Desk) -> None:
        desk.answer("PHQ9", {"9": 1})
        desk.decide(desk.assess(desk.referral["episode_id"]), "2.1")
        desk.consent(desk.patient_id)

        with pytest.raises(Conflict):
            self.admit(desk)

    def test_a_new_assessment_weighs_what_was_found(self, decided: Desk) -> None:
        decided.answer("CIWA_AR", {**dict.fromkeys("12345", 4)})
        decided.room.advance(timedelta(hours=2))
        told = {"ciwa_ar": 2, "rated_by": "OBSERVER"}
        decided.decide(decided.assess(decided.referral["episode_id"], withdrawal=told), "2.1")

        assert self.admit(decided)["next_step"] == "ATTEND_PROGRAM"


class TestEndOfAnEpisode:
    def test_withdraws_nothing_that_was_asked_about_a_danger(self, desk: Desk) -> None:
        desk.answer("PHQ9", {"9": 1})
        desk.decide(desk.assess(desk.referral["episode_id"]), "3.7")

        desk.room.call("refer_elsewhere", {"episode_id": desk.referral["episode_id"]}, role=roles.FRONT_DESK)

        assert desk.tasks("suicide_screen")
        assert desk.ended("suicide_screen") == []


def test_no_event_tells_an_answer(desk: Desk) -> None:
    desk.answer("PHQ9", {"9": 1})

    with desk.room.engine.connect() as connection:
        told = connection.scalar(sa.select(sa.func.count()).select_from(tables.instrument_answer_rows))
    assert told == 1
    assert all("answers" not in event.to_data() for event in desk.room.announced)
