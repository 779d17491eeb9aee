"""What follows a referral and an assessment: asked of somebody, and in time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from services.intake.service import Intake
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.instruments import newest
from tests.intake.test_service import House
from tests.support import Room

#: Signs of somebody who seems well.
WELL = {"ciwa_ar": 5, "pawss": 1, "rated_by": "OBSERVER"}


class Clock(House):
    """A house at eight in the morning, in Chicago."""

    def opened(self, task: str) -> list[TaskOpened]:
        return [one for one in self.room.announced_of(TaskOpened) if one.task == task]

    def closed(self, task: str) -> list[str]:
        return [one.outcome for one in self.room.announced_of(TaskClosed) if one.task == task]


@pytest.fixture
def house(room_of: Callable[[type], Room]) -> Clock:
    return Clock(room_of(Intake))


class TestAssessment:
    @pytest.mark.parametrize(
        ("teds", "reason", "within"),
        [
            ({"SUB1": 2}, "REFERRED", timedelta(days=3)),
            ({"SUB1": 5}, "URGENT", timedelta(hours=24)),
            ({"SUB1": 2, "IDU": 1}, "URGENT", timedelta(hours=24)),
            ({"SUB1": 19, "ROUTE1": 4}, "URGENT", timedelta(hours=24)),
            ({"SUB1": 2, "PREG": 1}, "URGENT", timedelta(hours=24)),
        ],
    )
    def test_is_asked_for_in_time(
        self, house: Clock, teds: dict[str, Any], reason: str, within: timedelta
    ) -> None:
        house.refer(teds=teds)

        (task,) = house.opened("assessment_due")
        assert (task.reason, task.due_at) == (reason, house.room.now + within)

    def test_is_asked_for_sooner_once_it_is_known_to_be_urgent(self, house: Clock) -> None:
        asked_at = house.room.now
        who = house.refer(teds={"SUB1": 2})
        house.room.advance(timedelta(hours=6))

        for teds in ({"PREG": 1}, {"PREG": 2}, {"VET": 1}):
            request = {"episode_id": who["episode_id"], "teds": teds}
            house.room.call("record_teds_codes", request, role=roles.FRONT_DESK)

        told = house.opened("assessment_due")
        assert [one.due_at - asked_at for one in told] == [timedelta(days=3), timedelta(hours=24)]
        assert len({one.task_id for one in told}) == 1

    def test_is_no_longer_asked_for_once_it_is_there(self, house: Clock) -> None:
        house.assess(house.refer()["episode_id"])

        assert house.closed("assessment_due") == ["DONE"]


class TestDecision:
    def test_is_asked_for_the_same_day_and_then_of_the_supervisor(self, house: Clock) -> None:
        house.assess(house.refer()["episode_id"])
        (task,) = house.opened("level_decision")
        house.room.advance(task.due_at - house.room.now + timedelta(minutes=1))

        # Midnight in Chicago.
        assert (task.owner_role, task.due_at.isoformat()) == (roles.CLINICIAN, "2026-02-03T06:00:00+00:00")
        assert [one.owner_role for one in house.opened("level_decision")] == [
            roles.CLINICIAN,
            roles.SUPERVISOR,
        ]

    def test_of_a_minor_comes_with_that_word(self, house: Clock) -> None:
        house.assess(house.refer(patient={"birth_date": "2010-02-03"})["episode_id"])

        assert [one.reason for one in house.opened("level_decision")] == ["MINOR"]

    def test_ends_it(self, house: Clock) -> None:
        assessment = house.assess(house.refer()["episode_id"])
        house.decide(house.assess(assessment["episode_id"]))

        assert len(house.opened("level_decision")) == 1
        assert house.closed("level_decision") == ["DONE"]
        assert house.room.timers() == []


class TestWithdrawal:
    @pytest.mark.parametrize(
        ("signs", "reason", "within"),
        [
            ({"pawss": 6}, "COMPLICATED_WITHDRAWAL_LIKELY", None),
            ({"last_drink_hours": 10, "pawss": 2}, "ALCOHOL_WITHDRAWAL_NOT_RATED", None),
            ({"daily_benzodiazepine": True}, "DAILY_BENZODIAZEPINE", timedelta(hours=24)),
            ({"cows": 8, "rated_by": "OBSERVER"}, "OPIOID_WITHDRAWAL_MILD", timedelta(hours=24)),
        ],
    )
    def test_that_was_found_has_a_clinician_evaluate_it_in_time(
        self, house: Clock, signs: dict[str, Any], reason: str, within: timedelta | None
    ) -> None:
        house.assess(house.refer()["episode_id"], withdrawal=signs)

        (task,) = house.opened("withdrawal_evaluation")
        assert task.reason == reason
        assert task.due_at == (
            house.room.now + within if within else house.opened("level_decision")[0].due_at
        )

    def test_leaves_nothing_to_do_where_the_way_is_clear(self, house: Clock) -> None:
        house.assess(house.refer()["episode_id"])

        assert house.opened("withdrawal_evaluation") == []
        assert house.opened("withdrawal_rating") == []


class TestRatedAgain:
    """Somebody who drank lately goes home, and withdrawal is worst on the second and third day."""

    def rate(self, house: Clock, patient_id: str, *, first_item: int = 3) -> None:
        calm = {name: min(item.answers) for name, item in newest("CIWA_AR").items.items()}
        told = {"patient_id": patient_id, "instrument": "CIWA_AR", "rated_by": "OBSERVER"}
        house.room.call("answer_instrument", told | {"answers": calm | {"1": first_item}})

    @pytest.mark.parametrize(("hours", "days"), [(8, 5), (40, 4), (72, 3), (118, 3)])
    def test_is_asked_for_each_day_until_five_days_after_the_last_drink(
        self, house: Clock, hours: int, days: int
    ) -> None:
        referral = house.refer()
        house.assess(referral["episode_id"], withdrawal=WELL | {"last_drink_hours": hours})
        began = house.room.now

        for _ in range(8):
            if house.opened("withdrawal_rating") and len(house.closed("withdrawal_rating")) < len(
                house.opened("withdrawal_rating")
            ):
                self.rate(house, referral["patient_id"])
            house.room.advance(timedelta(hours=24))

        asked = house.opened("withdrawal_rating")
        assert [one.due_at - began for one in asked] == [timedelta(days=n + 1) for n in range(days)]
        assert {one.owner_role for one in asked} == {roles.CLINICIAN}
        assert house.closed("withdrawal_rating") == ["DONE"] * days

    def test_goes_on_in_treatment(self, house: Clock) -> None:
        referral = house.refer()
        house.decide(house.assess(referral["episode_id"], withdrawal=WELL | {"last_drink_hours": 30}))
        house.consent(referral["patient_id"])
        house.room.call("admit_patient", {"episode_id": referral["episode_id"]})

        self.rate(house, referral["patient_id"])
        house.room.advance(timedelta(hours=25))

        assert len(house.opened("withdrawal_rating")) == 2

    def test_is_one_request_while_nobody_has_rated(self, house: Clock) -> None:
        referral = house.refer()
        house.assess(referral["episode_id"], withdrawal=WELL | {"last_drink_hours": 30})

        house.room.advance(timedelta(days=6))

        assert len(house.opened("withdrawal_rating")) == 1
        assert house.closed("withdrawal_rating") == []

    def test_begins_anew_with_the_next_assessment(self, house: Clock) -> None:
        episode_id = house.refer()["episode_id"]
        house.assess(episode_id, withdrawal=WELL | {"last_drink_hours": 30})

        house.assess(episode_id, withdrawal={"last_drink_hours": 200})
        house.room.advance(timedelta(days=6))

        assert len(house.opened("withdrawal_rating")) == 1
        assert house.closed("withdrawal_rating") == ["DONE"]

    def test_ends_where_somebody_is_treated_elsewhere(self, house: Clock) -> None:
        episode_id = house.refer()["episode_id"]
        signs = WELL | {"last_drink_hours": 30}
        house.decide(house.assess(episode_id, withdrawal=signs, dimensions=[0, 3, 0, 1, 1, 1]))

        house.room.call("refer_elsewhere", {"episode_id": episode_id}, role=roles.FRONT_DESK)
        house.room.advance(timedelta(hours=26))

        assert house.closed("withdrawal_rating") == ["WITHDRAWN"]
        assert len(house.opened("withdrawal_rating")) == 1
