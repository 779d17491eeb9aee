"""Who backs a patient, what occurs beside the addiction, and what an admission leaves open."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from services.intake.domain import assessments, fit, triggers
from services.intake.domain.assessments import AssessmentIncomplete, Condition
from services.intake.service import Intake
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.intake import AssessmentCompleted, SupportNetworkTold
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import new_id
from tests.intake.builders import complete, findings, home
from tests.intake.test_service import House, fit_found
from tests.support import Room

TOOLS = [{"trigger_code": code, "coping_tools": 1} for code in ("PEOPLE", "PAYDAY", "PAIN")]


@pytest.fixture
def house(room_of: Callable[[type], Room]) -> House:
    return House(room_of(Intake))


def name_supporter(house: House, patient_id: str, **changes: Any) -> dict[str, Any]:
    told = {
        "patient_id": patient_id,
        "role": "SIBLING",
        "reached_by": "PHONE",
        "name": "Theophania Marchbanks",
        "phone": "+1 312 555 0177",
        "lives_with_patient": True,
    }
    return house.room.call("add_supporter", told | changes, role="patient", actor_id=patient_id)


def family_consent(house: House, patient_id: str) -> dict[str, Any]:
    return house.consent(
        patient_id,
        "FAMILY",
        recipient="My sister",
        purpose="So that she can drive me",
        information_classes=["CONTACT", "ATTENDANCE"],
        ends_with_event="END_OF_TREATMENT",
    )


def tasks_named(house: House, name: str) -> list[TaskOpened]:
    return [task for task in house.room.announced_of(TaskOpened) if task.task == name]


def closed_named(house: House, name: str) -> list[str]:
    return [task.outcome for task in house.room.announced_of(TaskClosed) if task.task == name]


class TestSupporters:
    def test_are_sealed_and_told_of_by_number_and_role_only(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]

        name_supporter(house, patient_id)
        name_supporter(house, patient_id, role="FRIEND", reached_by="IN_PERSON", name="Ottoline")

        kept = str(house.room.dump())
        assert not [word for word in ("Theophania", "Ottoline", "5550177", "555 0177") if word in kept]
        told = house.room.announced_of(SupportNetworkTold)
        assert [(event.supporters, event.roles) for event in told] == [
            (1, ("SIBLING",)),
            (2, ("FRIEND", "SIBLING")),
        ]
        listed = house.room.ask("list_supporters", {"patient_id": patient_id})["items"]
        assert [one["name"] for one in listed] == ["Theophania Marchbanks", "Ottoline"]

    def test_may_be_told_what_their_consent_covers_while_it_stands(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]
        consent = family_consent(house, patient_id)
        unconsented = name_supporter(house, patient_id)
        consented = name_supporter(house, patient_id, consent_id=consent["consent_id"])

        house.room.call("revoke_consent", {"consent_id": consent["consent_id"]})
        after = house.room.ask("list_supporters", {"patient_id": patient_id})["items"]

        assert (unconsented["may_be_told"], consented["may_be_told"]) == ([], ["ATTENDANCE", "CONTACT"])
        assert [one["may_be_told"] for one in after] == [[], []]

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"phone": None}, "phone"),
            ({"reached_by": "TEXT", "phone": None}, "phone"),
            ({"reached_by": "EMAIL"}, "email"),
            ({"consent_id": new_id()}, "consent_id"),
        ],
    )
    def test_need_a_way_to_be_reached_and_a_consent_that_fits(
        self, house: House, changes: dict[str, Any], field: str
    ) -> None:
        patient_id = house.refer()["patient_id"]

        with pytest.raises(InvalidInput) as refused:
            name_supporter(house, patient_id, **changes)

        assert refused.value.problems[0]["field"] == field

    def test_of_a_consent_of_another_kind_are_refused(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]
        treatment = house.consent(patient_id)

        with pytest.raises(InvalidInput):
            name_supporter(house, patient_id, consent_id=treatment["consent_id"])

    def test_can_be_explicitly_nobody_unless_there_is_somebody(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]

        nobody = house.room.call("tell_no_supporter", {"patient_id": patient_id})
        supporter = name_supporter(house, patient_id)
        with pytest.raises(Conflict):
            house.room.call("tell_no_supporter", {"patient_id": patient_id})
        told = {"supporter_id": supporter["supporter_id"]}
        house.room.call("end_supporter", told)

        assert nobody["supporters"] == 0
        assert [event.supporters for event in house.room.announced_of(SupportNetworkTold)] == [0, 1, 0]
        with pytest.raises(Conflict):
            house.room.call("end_supporter", told)

    def test_are_a_patients_own(self, house: House) -> None:
        patient_id = house.refer()["patient_id"]
        supporter = name_supporter(house, patient_id)
        stranger = {"role": "patient", "actor_id": new_id()}

        with pytest.raises(NotFound):
            house.room.ask("list_supporters", {"patient_id": patient_id}, **stranger)
        with pytest.raises(NotFound):
            house.room.call("end_supporter", {"supporter_id": supporter["supporter_id"]}, **stranger)

    def test_on_record_count_in_the_assessment_before_what_the_assessor_counts(self, house: House) -> None:
        referral = house.refer()
        house.room.call("tell_no_supporter", {"patient_id": referral["patient_id"]})

        assessed = house.assess(referral["episode_id"])

        (told,) = house.room.announced_of(AssessmentCompleted)
        (at_home,) = (one for one in assessed["fit_factors"] if one["factor"] == "STABLE_HOME")
        assert told.supporters == 0
        assert (at_home["result"], at_home["actions"]) == ("CONDITIONAL", ["FIND_SUPPORTER"])


class TestConditions:
    def test_are_coded_records_of_the_assessment_and_codes_in_its_news(self, house: House) -> None:
        referral = house.refer()
        told = [
            {"code": "PTSD", "source": "DIAGNOSED", "treatment": "ELSEWHERE", "icd10_code": "F43.10"},
            {"code": "HEPATITIS"},
        ]

        assessed = house.assess(referral["episode_id"], conditions=told)

        (event,) = house.room.announced_of(AssessmentCompleted)
        assert (event.conditions, event.co_occurring) == (("PTSD", "HEPATITIS"), True)
        assert assessed["conditions"] == [
            told[0],
            {"code": "HEPATITIS", "source": "REPORTED", "treatment": "UNKNOWN", "icd10_code": None},
        ]
        again = house.room.ask("get_assessment", {"assessment_id": assessed["assessment_id"]})
        assert again["conditions"] == assessed["conditions"]

    def test_of_the_body_are_none_of_the_mind(self) -> None:
        body = Condition(code="DIABETES", source="REPORTED", treatment="HERE")

        _, events = complete(findings=findings(conditions=[body]))

        assert events[-1].co_occurring is False

    @pytest.mark.parametrize(
        ("conditions", "field"),
        [
            ([("PTSD", "REPORTED"), ("PTSD", "REPORTED")], "conditions.1.code"),
            ([("ADHD", "DIAGNOSED")], "conditions.0.icd10_code"),
        ],
    )
    def test_are_told_once_and_with_a_code_where_diagnosed(self, conditions: Any, field: str) -> None:
        told = [Condition(code=code, source=source, treatment="NONE") for code, source in conditions]

        with pytest.raises(InvalidInput) as refused:
            complete(findings=findings(conditions=told))

        assert refused.value.problems[0]["field"] == field


class TestCompleteness:
    def test_lists_everything_that_is_missing(self) -> None:
        lacking = findings(dimensions=(0, None, 1, 2, 2), goals=" \n ")

        with pytest.raises(AssessmentIncomplete) as refused:
            complete(findings=lacking)

        assert [problem["field"] for problem in refused.value.problems] == [
            "dimensions.1",
            "dimensions.5",
            "goals",
        ]

    def test_mixes_no_editions(self, house: House) -> None:
        referral = house.refer()

        assert house.assess(referral["episode_id"], edition="ASAM3")["edition"] == "ASAM3"
        with pytest.raises(InvalidInput) as refused:
            house.assess(referral["episode_id"], edition="ASAM4")
        assert refused.value.problems[0]["field"] == "edition"
        with pytest.raises(InvalidInput):
            house.assess(referral["episode_id"], dimensions=["A", 0, 0, 0, 0, 0])
        with pytest.raises(InvalidInput):
            house.assess(referral["episode_id"], dimensions=[5, 0, 0, 0, 0, 0])

    def test_lists_the_instruments_that_were_due_and_nobody_answered(self, house: House) -> None:
        house.sign("PHQ9")
        house.sign("GAD7")
        referral = house.refer()
        told = {"patient_id": referral["patient_id"], "instrument": "GAD7"}
        house.room.call("answer_instrument", told | {"answers": {str(item): 0 for item in range(1, 8)}})

        assessed = house.assess(referral["episode_id"])

        assert assessed["findings"]["instruments_missing"] == ["PHQ9"]

    def test_says_of_all_six_factors_how_they_are_met(self) -> None:
        assessment, _ = complete(findings=findings(home=home(safe=False)), placeable_minutes=100)

        found = {one["factor"]: one for one in assessment.fit_factors}
        assert set(found) == {
            "STABLE_HOME",
            "MILD_TO_MODERATE",
            "OBLIGATIONS",
            "COMMITTED",
            "TOOLS_AGAINST_TRIGGERS",
            "STEP_DOWN",
        }
        for one in found.values():
            assert one["result"] in ("MET", "CONDITIONAL", "NOT_MET")
            assert one["result"] != "CONDITIONAL" or one["actions"]
            assert one["result"] != "NOT_MET" or one["alternative"]


class TestTools:
    @pytest.mark.parametrize(
        ("tools", "enough"), [((1, 1, 1), True), ((1, 1), False), ((1, 1, 0), False), ((2, 5, 1, 1), True)]
    )
    def test_are_one_against_each_of_three_triggers(self, tools: tuple[int, ...], enough: bool) -> None:
        named = [fit.Trigger(trigger_code="PAIN", coping_tools=number) for number in tools]

        assert fit.has_tools(named) is enough

    def test_are_found_by_the_second_session(self) -> None:
        assert timedelta(days=7) == triggers.SECOND_SESSION_WITHIN
        assert assessments.Assessment.has_tools.fget is not None


class TestAdmission:
    def admit(self, house: House, referral: dict[str, Any]) -> dict[str, Any]:
        house.consent(referral["patient_id"])
        return house.room.call("admit_patient", {"episode_id": referral["episode_id"]})

    def test_leaves_nothing_open_where_all_is_known(self, house: House) -> None:
        referral = house.refer()
        house.room.call("publish_privacy_notice", {"edition": "1", "digest": "0" * 64}, role="supervisor")
        house.room.call("give_privacy_notice", {"patient_id": referral["patient_id"]})
        house.room.deliver(fit_found(referral, house.room, placeable=600))
        house.decide(house.assess(referral["episode_id"], triggers=TOOLS))

        assert self.admit(house, referral)["left_open"] == []

    def test_asks_for_tools_by_the_second_session_and_for_obligations_before_the_first(
        self, house: House
    ) -> None:
        referral = house.decided()

        admitted = self.admit(house, referral)

        assert admitted["left_open"] == ["coping_inventory", "obligations_missing", "privacy_notice"]
        due = {
            name: tasks_named(house, name)[0].due_at - house.room.now
            for name in ("coping_inventory", "obligations_missing")
        }
        assert due == {"coping_inventory": timedelta(days=7), "obligations_missing": timedelta(hours=48)}

    def test_is_answered_by_tools_against_each_trigger_and_by_hand(self, house: House) -> None:
        referral = house.decided()
        self.admit(house, referral)
        told = {"episode_id": referral["episode_id"]}

        short = house.room.call("record_triggers", told | {"triggers": TOOLS[:2]})
        assert (short["complete"], closed_named(house, "coping_inventory")) == (False, [])
        whole = house.room.call("record_triggers", told | {"triggers": TOOLS})
        (asked,) = tasks_named(house, "obligations_missing")
        by_hand = {name: getattr(asked, name) for name in ("task_id", "task", "about_id")}
        house.room.call("close_task", by_hand | {"outcome": "DONE"})

        assert whole["complete"] is True
        assert closed_named(house, "coping_inventory") == ["DONE"]
        assert closed_named(house, "obligations_missing") == ["DONE"]

    def test_asks_for_no_tools_that_were_told_between_assessment_and_admission(self, house: House) -> None:
        referral = house.decided()
        house.room.call("record_triggers", {"episode_id": referral["episode_id"], "triggers": TOOLS})

        assert "coping_inventory" not in self.admit(house, referral)["left_open"]


class TestAReferralFromTheFuture:
    def test_is_refused(self, house: House) -> None:
        with pytest.raises(InvalidInput) as refused:
            house.refer(received_at=(house.room.now + timedelta(minutes=1)).isoformat())

        assert refused.value.problems[0]["field"] == "received_at"
