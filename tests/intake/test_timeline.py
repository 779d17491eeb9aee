"""What follows a referral and an assessment: asked of somebody, and in time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from services.intake.service import Intake
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from tests.intake.test_service import House
from tests.support import Room


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
            ({"SUB1": 2, "PREG": 1}, "URGENT", timedelta(hours=24)),
        ],
    )
    def test_is_asked_for_in_time(
        self, house: Clock, teds: dict[str, Any], reason: str, within: timedelta
    ) -> None:
        house.refer(teds=teds)

        (task,) = house.opened("assessment_due")
        assert (task.reason, task.due_at) == (reason, house.room.now + within)

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
