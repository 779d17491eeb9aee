"""What care costs, behind intake's ways in, on a real database."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.intake import tables
from services.intake.service import Intake
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.scheduling import ScheduleConfirmed, ServiceDelivered, SiteClosed
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import derived_id, new_id
from tests.intake.builders import SITE_ID
from tests.intake.test_service import House, discharged
from tests.support import Room


class Desk(House):
    """A house with somebody in treatment, and a price of 300 dollars a day."""

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self.patient = self.admitted()
        self.rate()

    @property
    def episode_id(self) -> str:
        return str(self.patient["episode_id"])

    def rate(self, payer: str = "SELF_PAY", amount: int = 30_000, **changes: Any) -> dict[str, Any]:
        told = {
            "site_id": SITE_ID,
            "payer": payer,
            "level": "2.1",
            "amount": amount,
            "effective_on": "2026-01-01",
        }
        return self.room.call("set_rate", told | changes, role="operations")

    def estimate(self, **asked: Any) -> dict[str, Any]:
        return self.room.call("estimate_cost", {"episode_id": self.episode_id} | asked, role="front_desk")

    def estimates(self, **who: Any) -> dict[str, Any]:
        return self.room.ask(
            "list_cost_estimates", {"episode_id": self.episode_id}, **{"role": "front_desk"} | who
        )

    def declare(self, **told: Any) -> dict[str, Any]:
        request = {"episode_id": self.episode_id, "reason": "UNINSURED"}
        return self.room.call("declare_self_pay", request | told, role="front_desk")

    def answer(self, status: str = "ACTIVE", **told: Any) -> dict[str, Any]:
        request = {
            "patient_id": self.patient["patient_id"],
            "payer": "BLUE_IL",
            "status": status,
            "answered_at": self.room.now.isoformat(),
        }
        return self.room.call("record_eligibility_answer", request | told, role="front_desk")

    def assess_fee(self, household: int = 4, income: int = 4_000_000, **who: Any) -> dict[str, Any]:
        told = {
            "episode_id": self.episode_id,
            "household_size": household,
            "yearly_income": income,
            "proof": "PAY_STUBS",
        }
        return self.room.call("assess_fee", told, **{"role": "front_desk"} | who)

    def sign_tables(self) -> None:
        for one in self.room.ask("list_rules", {})["items"]:
            if one["pack"] == "SLIDING_FEE":
                request = {name: one[name] for name in ("pack", "version", "digest")}
                self.room.call("sign_rules", request, role="medical_director", credential="MD")

    def week(self, *, days_ahead: int = 21, **changes: Any) -> ScheduleConfirmed:
        values: dict[str, Any] = {
            "patient_id": self.patient["patient_id"],
            "episode_id": self.patient["episode_id"],
            "journey_id": self.patient["journey_id"],
            "plan_id": derived_id("plan"),
            "version": 1,
            "track": "EVENING",
            "weekly_minutes": 540,
            "days": 4,
            "first_session_at": self.room.now + timedelta(days=days_ahead),
            "confirmed_at": self.room.now,
        }
        return ScheduleConfirmed(**values | changes)

    def delivered(self, number: int) -> ServiceDelivered:
        day = self.room.now.date() + timedelta(days=number)
        return ServiceDelivered(
            patient_id=self.patient["patient_id"],
            episode_id=self.patient["episode_id"],
            journey_id=self.patient["journey_id"],
            delivery_id=derived_id("delivery", day.isoformat()),
            site_id=SITE_ID,
            served_on=day,
            kinds=("GROUP",),
            minutes=(165,),
            revision=1,
            told_at=self.room.now,
            attended_minutes=165,
        )

    def tasks(self, name: str) -> list[TaskOpened]:
        """Return the open tasks of a name."""
        closed = {one.task_id for one in self.room.announced_of(TaskClosed)}
        opened = {one.task_id: one for one in self.room.announced_of(TaskOpened) if one.task == name}
        return [one for task_id, one in opened.items() if task_id not in closed]


@pytest.fixture
def desk(room_of: Callable[[type], Room]) -> Desk:
    return Desk(room_of(Intake))


class TestEstimates:
    def test_of_somebody_covered_follow_the_newest_answer_with_its_assumptions(self, desk: Desk) -> None:
        desk.rate("BLUE_IL", 25_000)
        desk.answer(deductible_left=50_000, coinsurance_percent=20, out_of_pocket_left=90_000)

        found = desk.estimate(units=10)

        assert (found["payer"], found["amount"], found["total"]) == ("BLUE_IL", 25_000, 250_000)
        assert (found["person_pays_least"], found["person_pays_most"]) == (90_000, 90_000)
        assert found["good_faith"] is False
        told = [one["code"] for one in found["assumptions"]]
        assert told[:3] == ["LEVEL", "DAYS", "ALLOWED_AMOUNT"]
        assert "NETWORK_UNKNOWN" in told

    def test_are_made_before_the_admission_for_the_usual_weeks(self, desk: Desk) -> None:
        desk.patient = desk.refer(patient={"given_name": "Bea"})

        found = desk.estimate()

        assert found["units"] == 36
        assert [one["code"] for one in found["assumptions"]][:2] == ["LEVEL_NOT_DECIDED", "DAYS_ASSUMED"]
        assert found["good_faith"] is True

    def test_take_the_days_of_the_week_that_was_agreed_on(self, desk: Desk) -> None:
        later = desk.week(version=2, days=3, confirmed_at=desk.room.now + timedelta(days=1))
        desk.room.deliver(later, desk.week())
        assert desk.estimate()["units"] == 36

        desk.room.deliver(desk.week(version=3, days=4, confirmed_at=desk.room.now + timedelta(days=2)))

        assert desk.estimate()["units"] == 48

    def test_are_kept_and_shown_to_the_person_and_nobody_elses(self, desk: Desk) -> None:
        desk.estimate(units=10)
        desk.room.advance(timedelta(minutes=1))
        desk.estimate(units=12)

        own = desk.estimates(role="patient", actor_id=desk.patient["patient_id"])

        assert [one["units"] for one in own["items"]] == [12, 10]
        with pytest.raises(NotFound):
            desk.estimates(role="patient", actor_id=new_id())
        with pytest.raises(NotFound):
            desk.estimates(tenant_id="elsewhere")
        with pytest.raises(Forbidden):
            desk.room.call("estimate_cost", {"episode_id": desk.episode_id}, role="patient")

    def test_are_refused_where_nobody_told_a_price(self, desk: Desk) -> None:
        desk.answer()

        with pytest.raises(Conflict) as refused:
            desk.estimate()

        assert refused.value.code == "no_rate"
        assert desk.estimates()["items"] == []

    def test_name_a_cover_that_pays(self, desk: Desk) -> None:
        gone = desk.answer("INACTIVE")["coverage_id"]

        for asked, error in (
            ({"coverage_id": gone}, InvalidInput),
            ({"coverage_id": new_id()}, NotFound),
            ({"coverage_id": gone, "self_pay": True}, InvalidInput),
            ({"units": 0}, InvalidInput),
        ):
            with pytest.raises(error):
                desk.estimate(**asked)

    def test_use_the_price_of_the_day(self, desk: Desk) -> None:
        desk.rate(amount=40_000, effective_on="2026-03-01")

        assert desk.estimate(units=1)["total"] == 30_000
        desk.room.at("2026-03-02T15:00:00Z")
        assert desk.estimate(units=1)["total"] == 40_000
        assert [one["amount"] for one in desk.room.ask("list_rates", {"site_id": SITE_ID})["items"]] == [
            30_000,
            40_000,
        ]


class TestSlidingFee:
    def test_waits_for_the_signature_of_the_medical_director(self, desk: Desk) -> None:
        with pytest.raises(Conflict) as refused:
            desk.assess_fee()
        assert refused.value.code == "sliding_fee_not_signed"

        desk.sign_tables()
        found = desk.assess_fee()

        assert (found["percent_of_guideline"], found["pays_percent"]) == (122, 20)
        assert (found["guidelines_year"], found["pack_version"]) == (2026, 3)

    def test_lowers_the_estimate_of_whoever_pays_themself(self, desk: Desk) -> None:
        desk.sign_tables()
        desk.assess_fee()

        found = desk.estimate(units=10)

        assert (found["total"], found["person_pays_most"]) == (300_000, 60_000)
        assert "SLIDING_FEE" in [one["code"] for one in found["assumptions"]]

    def test_counts_as_it_was_last_worked_out_for_a_year(self, desk: Desk) -> None:
        desk.sign_tables()
        desk.assess_fee(income=0)
        desk.room.advance(timedelta(days=1))
        desk.assess_fee(income=20_000_000)
        assert desk.estimate(units=1)["person_pays_most"] == 30_000

        desk.assess_fee(income=0)
        desk.room.at(desk.room.now + timedelta(days=366))

        assert "NO_SLIDING_FEE" in [one["code"] for one in desk.estimate(units=1)["assumptions"]]

    def test_seals_what_a_household_earns(self, desk: Desk) -> None:
        desk.sign_tables()

        assert desk.assess_fee(income=1_234_567_89)["yearly_income"] == 1_234_567_89

        assert "123456789" not in str(desk.room.dump())
        with pytest.raises(Forbidden):
            desk.assess_fee(role="patient")


class TestGoodFaith:
    def test_is_asked_of_the_desk_and_done_by_an_estimate(self, desk: Desk) -> None:
        desk.declare()
        assert desk.tasks("good_faith_estimate") == []

        desk.room.deliver(desk.week(), desk.week())

        (task,) = desk.tasks("good_faith_estimate")
        assert (task.owner_role, task.due_at) == ("front_desk", datetime(2026, 2, 6, 6, tzinfo=UTC))
        assert desk.estimates()["good_faith_due_at"] == "2026-02-06T06:00:00Z"
        desk.estimate()
        assert desk.tasks("good_faith_estimate") == []
        assert desk.estimates()["good_faith_given"] is True
        desk.room.advance(timedelta(days=10))
        assert desk.tasks("good_faith_estimate") == []

    def test_goes_to_the_supervisor_once_when_it_is_late(self, desk: Desk) -> None:
        desk.declare()
        desk.room.deliver(desk.week())

        desk.room.advance(datetime(2026, 2, 6, 5, 59, tzinfo=UTC))
        assert [one.owner_role for one in desk.tasks("good_faith_estimate")] == ["front_desk"]
        desk.room.advance(datetime(2026, 2, 6, 6, 0, tzinfo=UTC))

        assert [one.owner_role for one in desk.tasks("good_faith_estimate")] == ["supervisor"]
        desk.estimate()
        assert desk.tasks("good_faith_estimate") == []

    def test_is_owed_whichever_is_known_first(self, desk: Desk) -> None:
        desk.room.deliver(desk.week())
        assert desk.tasks("good_faith_estimate") == []

        desk.declare()

        assert len(desk.tasks("good_faith_estimate")) == 1

    def test_is_owed_when_no_payer_covers_somebody_until_one_does(self, desk: Desk) -> None:
        desk.room.deliver(desk.week())

        desk.answer("INACTIVE")
        assert len(desk.tasks("good_faith_estimate")) == 1
        desk.room.advance(timedelta(hours=1))
        desk.answer("ACTIVE")

        assert desk.tasks("good_faith_estimate") == []
        assert desk.estimates()["good_faith_due_at"] is None

    def test_is_owed_within_three_days_to_whoever_asks_themself(self, desk: Desk) -> None:
        told = {"episode_id": desk.episode_id, "reason": "NOT_USING_COVER", "asks_for_estimate": True}
        found = desk.room.call("declare_self_pay", told, role="patient", actor_id=desk.patient["patient_id"])

        assert found["due_at"] == "2026-02-06T06:00:00Z"
        with pytest.raises(NotFound):
            desk.room.call("declare_self_pay", told, role="patient", actor_id=new_id())

    def test_knows_the_holidays_of_the_site(self, desk: Desk) -> None:
        closed = SiteClosed(
            closure_id=new_id(),
            site_id=SITE_ID,
            closed_from=datetime(2026, 2, 3, 12, tzinfo=UTC),
            closed_until=datetime(2026, 2, 4, 5, tzinfo=UTC),
            reason="HOLIDAY",
            sessions_cancelled=0,
            seats_cancelled=0,
        )
        snow = dataclasses.replace(
            closed,
            closure_id=new_id(),
            reason="WEATHER",
            closed_from=datetime(2026, 2, 5, 12, tzinfo=UTC),
            closed_until=datetime(2026, 2, 6, 5, tzinfo=UTC),
        )
        desk.room.deliver(closed, closed, snow)

        desk.declare()
        desk.room.deliver(desk.week())

        (task,) = desk.tasks("good_faith_estimate")
        assert task.due_at == datetime(2026, 2, 7, 6, tzinfo=UTC)

    def test_is_asked_of_nobody_after_the_discharge(self, desk: Desk) -> None:
        desk.declare()
        desk.room.deliver(desk.week(), discharged(desk.patient, desk.room))
        assert desk.tasks("good_faith_estimate") == []

        desk.room.advance(timedelta(days=30))
        desk.room.deliver(desk.week(version=2))

        assert desk.tasks("good_faith_estimate") == []


class TestCoverThatIsUsedAgain:
    def back(self, desk: Desk, **changes: Any) -> dict[str, Any]:
        told = {"episode_id": desk.episode_id, "used_from": "2026-02-02", "because": "RECORDED_BY_MISTAKE"}
        who = {"role": changes.pop("role", "front_desk"), "actor_id": changes.pop("actor_id", "olga")}
        return desk.room.call("use_cover", told | changes, **who)

    def test_ends_what_was_owed_to_whoever_paid_themself(self, desk: Desk) -> None:
        desk.answer("ACTIVE")
        desk.declare(reason="NOT_USING_COVER")
        desk.room.deliver(desk.week())
        assert len(desk.tasks("good_faith_estimate")) == 1

        found = self.back(desk, role="patient", actor_id=desk.patient["patient_id"])

        assert (found["reason"], found["declared_at"], found["due_at"]) == (None, None, None)
        assert desk.tasks("good_faith_estimate") == []
        with pytest.raises(Conflict):
            self.back(desk)

    def test_leaves_it_owed_where_no_payer_covers_them(self, desk: Desk) -> None:
        desk.answer("INACTIVE")
        desk.declare(reason="NOT_USING_COVER")
        desk.room.deliver(desk.week())

        assert self.back(desk)["reason"] == "COVER_INACTIVE"
        assert len(desk.tasks("good_faith_estimate")) == 1

    def test_is_none_of_the_future_of_others_or_of_who_has_none(self, desk: Desk) -> None:
        desk.declare(reason="NOT_USING_COVER")
        with pytest.raises(InvalidInput):
            self.back(desk, used_from="2026-02-03")
        with pytest.raises(NotFound):
            self.back(desk, role="patient", actor_id=new_id())
        self.back(desk)
        desk.declare(reason="UNINSURED")
        with pytest.raises(Conflict):
            self.back(desk)


class TestBill:
    def test_that_would_pass_the_estimate_by_400_dollars_is_told_once(self, desk: Desk) -> None:
        desk.declare()
        desk.estimate(units=2)

        desk.room.deliver(*(desk.delivered(number) for number in range(3)))
        assert desk.tasks("estimate_exceeded") == []
        assert desk.estimates()["over_by"] == 30_000
        desk.room.deliver(desk.delivered(3), desk.delivered(3), desk.delivered(4))

        (task,) = desk.tasks("estimate_exceeded")
        assert task.reason == "OVER_BY_400"
        seen = desk.estimates()
        assert (seen["days_delivered"], seen["over_by"], seen["may_be_disputed"]) == (5, 90_000, True)

        desk.estimate(units=10)
        assert desk.tasks("estimate_exceeded") == []
        assert desk.estimates()["may_be_disputed"] is False

    def test_of_a_payer_is_none_of_theirs(self, desk: Desk) -> None:
        desk.answer("ACTIVE")
        desk.estimate(units=1, self_pay=True)

        desk.room.deliver(*(desk.delivered(number) for number in range(6)))

        assert desk.tasks("estimate_exceeded") == []


class TestFunding:
    def paths(self, desk: Desk, **who: Any) -> dict[str, Any]:
        return desk.room.ask(
            "get_funding_paths", {"episode_id": desk.episode_id}, **{"role": "front_desk"} | who
        )

    def test_is_shown_where_no_payer_covers_somebody(self, desk: Desk) -> None:
        desk.sign_tables()
        codes = {"episode_id": desk.episode_id, "teds": {"VET": 2, "IDU": 1}}
        desk.room.call("record_teds_codes", codes, role="front_desk")
        desk.assess_fee()

        found = self.paths(desk, role="patient", actor_id=desk.patient["patient_id"])

        assert [(one["path"], one["likelihood"]) for one in found["paths"]] == [
            ("MEDICAID_PRESUMPTIVE", "LIKELY"),
            ("BLOCK_GRANT", "LIKELY"),
            ("SLIDING_FEE", "LIKELY"),
            ("VETERANS_AFFAIRS", "UNLIKELY"),
        ]
        assert found["paths"][1]["because"] == "INJECTING"
        assert all(one["next_step"] for one in found["paths"])

    def test_is_none_while_a_payer_covers_them_unless_they_do_not_use_it(self, desk: Desk) -> None:
        desk.answer("ACTIVE")
        assert self.paths(desk) == {
            "patient_id": desk.patient["patient_id"],
            "episode_id": desk.episode_id,
            "covered": True,
            "paths": [],
        }

        desk.declare(reason="NOT_USING_COVER")

        assert len(self.paths(desk)["paths"]) == 4
        with pytest.raises(NotFound):
            self.paths(desk, role="patient", actor_id=new_id())


def test_an_answer_that_comes_twice_is_one(desk: Desk) -> None:
    answer = {"deductible_left": 10_000, "answered_at": desk.room.now.isoformat()}
    first, again = desk.answer(**answer), desk.answer(**answer)

    assert first == again
    assert desk.count(tables.coverage_rows) == 1
