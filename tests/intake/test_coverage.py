"""Cover: payers' answers, authorisations, and units of which each is taken once."""

import contextlib
import copy
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain import coverage
from services.intake.service import Intake
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.intake import AuthorizationDecided, AuthorizationLow, EligibilityAnswered
from shared.contracts.scheduling import ServiceDelivered, SiteClosed
from shared.errors import Conflict, InvalidInput, NotFound, Refusal
from shared.ids import derived_id, new_id
from shared.messaging.commands import get_job
from tests.intake.builders import NOW, SITE_ID
from tests.intake.test_service import House, discharged
from tests.support import Room

MONDAY = date(2026, 2, 2)
FIFTH, SIXTH = date(2026, 2, 5), date(2026, 2, 6)


class Billing(House):
    """A house with somebody in treatment whose payer has answered."""

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self.patient = self.admitted()
        self.allowed = self.allow_billing()
        self.cover = self.answer(needs_authorization=True)

    def allow_billing(self) -> dict[str, Any]:
        told = {"recipient": "My plan", "purpose": "Payment.", "information_classes": ["BILLING"]}
        return self.consent(self.patient["patient_id"], "TPO", **told)

    def answer(self, **changes: Any) -> dict[str, Any]:
        told: dict[str, Any] = {
            "patient_id": self.patient["patient_id"],
            "payer": "BLUE_IL",
            "status": "ACTIVE",
            "answered_at": self.room.now.isoformat(),
            "member_number": "XOF-Periwinkle-77",
        }
        return self.room.call("record_eligibility_answer", told | changes, role="front_desk")

    def authorize(self, units: int = 10, **changes: Any) -> dict[str, Any]:
        told: dict[str, Any] = {
            "episode_id": self.patient["episode_id"],
            "coverage_id": self.cover["coverage_id"],
            "decision": "APPROVED" if units else "DENIED",
            "units": units,
            "first_on": "2026-02-02",
            "last_on": "2026-03-13",
            "decided_at": self.room.now.isoformat(),
        }
        return self.room.call("record_authorization", told | changes, role="front_desk")

    def take(self, authorization: dict[str, Any], day: date) -> dict[str, Any]:
        told = {"authorization_id": authorization["authorization_id"], "served_on": day.isoformat()}
        return self.room.call("take_authorized_unit", told, role="front_desk")

    def release(self, authorization: dict[str, Any], day: date) -> dict[str, Any]:
        told = {"authorization_id": authorization["authorization_id"], "served_on": day.isoformat()}
        return self.room.call("release_authorized_unit", told, role="front_desk")

    def seen(self) -> dict[str, Any]:
        return self.room.ask("get_coverage", {"episode_id": self.patient["episode_id"]}, role="front_desk")

    def another(self, name: str) -> "Billing":
        """Return the same house with somebody else in treatment, whose payer has answered too."""
        other = copy.copy(self)
        other.patient = self.admitted(given_name=name)
        other.allowed = other.allow_billing()
        other.cover = other.answer(needs_authorization=True)
        return other

    def low(self) -> list[tuple[str, int]]:
        return [(event.reason, event.units_left) for event in self.room.announced_of(AuthorizationLow)]


@pytest.fixture
def billing(room_of: Callable[[type], Room]) -> Billing:
    return Billing(room_of(Intake))


class TestAnswers:
    def test_are_kept_by_payer_the_newest_in_any_order(self, billing: Billing) -> None:
        billing.room.advance(timedelta(days=1))
        newest = billing.answer(status="INACTIVE", deductible_left=50_000)

        late = billing.answer(answered_at=(billing.room.now - timedelta(hours=1)).isoformat())

        assert late["status"] == newest["status"] == "INACTIVE"
        assert [one.status for one in billing.room.announced_of(EligibilityAnswered)] == [
            "ACTIVE",
            "INACTIVE",
        ]
        assert billing.seen()["warnings"] == ["NO_ACTIVE_COVER"]

    def test_seal_the_number_of_the_member(self, billing: Billing) -> None:
        assert billing.seen()["coverages"][0]["member_number"] == "XOF-Periwinkle-77"
        assert "Periwinkle" not in str(billing.room.dump())
        assert all("Periwinkle" not in str(event.to_data()) for event in billing.room.announced)

    def test_do_not_come_before_they_are_given(self, billing: Billing) -> None:
        with pytest.raises(InvalidInput):
            billing.answer(answered_at=(billing.room.now + timedelta(minutes=1)).isoformat())

    @pytest.mark.parametrize(
        "days",
        [
            {"first_on": "2026-02-01", "last_on": "2026-01-31"},
            {"last_on": "2026-02-01"},
            {"status": "INACTIVE", "last_on": "2026-02-02"},
        ],
    )
    def test_tell_no_days_that_cannot_be(self, billing: Billing, days: dict[str, str]) -> None:
        billing.room.advance(timedelta(hours=1))

        with pytest.raises(InvalidInput) as refused:
            billing.answer(**days)

        assert refused.value.problems[0]["field"] == "last_on"
        assert billing.seen()["coverages"][0]["covered"] == [{"first_on": None, "last_on": None}]

    def test_are_asked_for_again_each_month(self, billing: Billing) -> None:
        billing.authorize()

        billing.room.advance(datetime(2026, 3, 1, 5, 59, tzinfo=UTC))
        assert billing.seen()["warnings"] == []
        billing.room.advance(datetime(2026, 3, 1, 6, 1, tzinfo=UTC))
        assert billing.seen()["warnings"] == ["ELIGIBILITY_NOT_ASKED_THIS_MONTH"]
        billing.answer(needs_authorization=True)

        assert billing.seen()["warnings"] == []

    def test_show_when_the_payer_paid(self, billing: Billing) -> None:
        billing.room.advance(timedelta(days=1))
        ended = billing.answer(status="INACTIVE", last_on="2026-01-31")
        billing.room.advance(timedelta(days=9))
        again = billing.answer(first_on="2026-02-10", last_on="2026-12-31")

        assert ended["covered"] == [{"first_on": None, "last_on": "2026-01-31"}]
        assert again["covered"][1:] == [{"first_on": "2026-02-10", "last_on": "2026-12-31"}]


class TestFeed:
    def take(self, billing: Billing, rows: list[Any]) -> dict[str, Any]:
        accepted = billing.room.call("import_eligibility_answers", {"rows": rows}, role="operations")
        billing.room.run_jobs()
        with billing.room.db() as db:
            job = get_job(db, job_id=accepted["accepted"].partition(".")[2])
        assert job["state"] == "done", job
        result: dict[str, Any] = job["result"]
        return result

    def row(self, billing: Billing, **changes: Any) -> dict[str, Any]:
        told = {
            "patient_id": billing.patient["patient_id"],
            "payer": "BLUE_IL",
            "status": "ACTIVE",
            "needs_authorization": True,
            "answered_at": billing.room.now.isoformat(),
        }
        return told | changes

    def due(self, billing: Billing, **asked: Any) -> dict[str, Any]:
        return billing.room.ask("list_eligibility_due", {"site_id": SITE_ID} | asked, role="operations")

    def test_takes_many_answers_and_tells_bad_ones_by_their_line(self, billing: Billing) -> None:
        other = billing.another("Bert")
        billing.room.advance(timedelta(days=1))
        good = self.row(billing, status="INACTIVE")
        rows = [
            good,
            self.row(other, member_number="XOF-Periwinkle-78"),
            self.row(billing, line=40, answered_at="2030-01-01T00:00:00Z"),
            self.row(billing, line=41, status="PERIWINKLE"),
            self.row(billing, line=42, patient_id=new_id()),
            "Periwinkle",
            good,
        ]

        report = self.take(billing, rows)

        assert (report["taken"], report["known"], report["refused_rows"]) == (2, 1, 4)
        assert [(one["line"], one["field"]) for one in report["refused"]] == [
            (40, "answered_at"),
            (41, "status"),
            (42, "patient_id"),
            (6, "row"),
        ]
        assert "periwinkle" not in str(report).lower()
        assert billing.seen()["warnings"] == ["NO_ACTIVE_COVER"]
        assert other.seen()["coverages"][0]["member_number"] == "XOF-Periwinkle-78"

    def test_takes_five_hundred_at_most(self, billing: Billing) -> None:
        with pytest.raises(InvalidInput):
            billing.room.call("import_eligibility_answers", {"rows": [{}] * 501}, role="operations")

    def test_knows_whom_to_ask_about_this_month(self, billing: Billing) -> None:
        other = billing.another("Bert")
        billing.answer(payer="PRAIRIE_MUTUAL", status="INACTIVE")
        assert self.due(billing)["items"] == []

        billing.room.advance(datetime(2026, 3, 1, 5, 59, tzinfo=UTC))
        assert self.due(billing)["items"] == []
        billing.room.advance(datetime(2026, 3, 1, 6, 1, tzinfo=UTC))
        first = self.due(billing, limit=1)
        rest = self.due(billing, limit=1, after=first["next"])
        found = [*first["items"], *rest["items"]]
        assert {(one["coverage_id"], one["episode_id"], one["payer"]) for one in found} == {
            (who.cover["coverage_id"], who.patient["episode_id"], "BLUE_IL") for who in (billing, other)
        }
        assert {one["member_number"] for one in found} == {"XOF-Periwinkle-77"}
        assert rest["next"] is None

        self.take(billing, [self.row(other)])
        assert [one["coverage_id"] for one in self.due(billing)["items"]] == [billing.cover["coverage_id"]]
        billing.room.deliver(discharged(billing.patient, billing.room))
        assert self.due(billing)["items"] == []


class TestPaidOn:
    """Days in February and March of 2026 on which a payer paid, by what it answered when."""

    def cover(self, *answers: tuple[str, int, dict[str, date]]) -> coverage.Coverage:
        one = coverage.Coverage(
            coverage_id="c",
            patient_id="p",
            journey_id="j",
            payer="BLUE_IL",
            status="UNKNOWN",
            in_network=True,
            needs_authorization=True,
            deductible_left=None,
            out_of_pocket_left=None,
            coinsurance_percent=None,
            copay=None,
            answered_at=NOW,
            stretches=[],
        )
        for status, day, told in answers:
            days = {"first_on": None, "last_on": None} | told
            one.take_answer(status=status, **days, day=date(2026, 2, 1) + timedelta(days=day - 1))
        return one

    @pytest.mark.parametrize(
        ("answers", "paid"),
        [
            ([], []),
            ([("INACTIVE", 5, {})], []),
            ([("ACTIVE", 5, {})], [1, 5, 30]),
            ([("ACTIVE", 5, {"first_on": FIFTH})], [5, 30]),
            ([("ACTIVE", 5, {"last_on": date(2026, 2, 28)})], [1, 5]),
            ([("ACTIVE", 1, {}), ("INACTIVE", 5, {})], [1]),
            ([("ACTIVE", 1, {}), ("UNKNOWN", 6, {})], [1, 5]),
            ([("ACTIVE", 1, {"last_on": date(2026, 12, 31)}), ("INACTIVE", 6, {})], [1, 5]),
            ([("ACTIVE", 1, {}), ("INACTIVE", 9, {"last_on": date(2026, 2, 4)})], [1]),
            ([("INACTIVE", 9, {"last_on": date(2026, 2, 5)})], [1, 5]),
            ([("ACTIVE", 1, {}), ("INACTIVE", 4, {}), ("ACTIVE", 20, {})], [1, 30]),
            (
                [("ACTIVE", 1, {}), ("INACTIVE", 4, {}), ("ACTIVE", 20, {"first_on": FIFTH})],
                [1, 5, 30],
            ),
            ([("ACTIVE", 5, {"first_on": FIFTH}), ("INACTIVE", 5, {})], []),
            (
                [
                    ("ACTIVE", 5, {"first_on": FIFTH}),
                    *[("INACTIVE", 9, {"last_on": date(2026, 2, 6)})] * 2,
                ],
                [5],
            ),
        ],
    )
    def test_is_as_it_was_told_for_that_day(
        self, answers: list[tuple[str, int, dict[str, date]]], paid: list[int]
    ) -> None:
        one = self.cover(*answers)

        assert [day for day in (1, 5, 30) if one.paid_on(date(2026, 2, 1) + timedelta(days=day - 1))] == paid

    @pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE"])
    def test_is_as_now_of_what_a_version_before_kept(self, status: str) -> None:
        one = self.cover()
        one.status, one.stretches = status, None

        assert one.paid_on(MONDAY) == (status == "ACTIVE")


class TestAuthorizations:
    def test_open_a_ledger(self, billing: Billing) -> None:
        assert billing.seen()["warnings"] == ["NO_AUTHORIZATION_TODAY"]

        authorization = billing.authorize()

        assert authorization["ledger"] == {"authorized": 10, "reserved": 0, "used": 0, "remaining": 10}
        assert billing.seen()["warnings"] == []
        assert [one.units for one in billing.room.announced_of(AuthorizationDecided)] == [10]

    def test_cover_their_last_day_to_its_end_at_the_site(self, billing: Billing) -> None:
        billing.authorize(last_on="2026-02-02")

        billing.room.advance(datetime(2026, 2, 3, 5, 59, tzinfo=UTC))
        assert billing.seen()["warnings"] == []
        billing.room.advance(datetime(2026, 2, 3, 6, 1, tzinfo=UTC))

        assert billing.seen()["warnings"] == ["NO_AUTHORIZATION_TODAY"]

    def test_that_are_denied_ask_for_a_talk_until_there_is_an_approval(self, billing: Billing) -> None:
        billing.authorize(0, denial_code="NOT_MEDICALLY_NECESSARY")
        (task,) = [one for one in billing.room.announced_of(TaskOpened) if one.task == "authorization_denied"]

        billing.authorize()

        assert task.due_at == billing.room.now + timedelta(hours=48)
        assert task.task_id in {one.task_id for one in billing.room.announced_of(TaskClosed)}

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"last_on": "2026-02-01"}, "last_on"),
            ({"last_on": "2028-02-01"}, "last_on"),
            ({"decided_at": "2030-01-01T00:00:00Z"}, "decided_at"),
            ({"units": 0}, "units"),
            ({"denial_code": "OTHER"}, "denial_code"),
        ],
    )
    def test_are_refused_by_field(self, billing: Billing, changes: dict[str, Any], field: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            billing.authorize(**{"decision": "APPROVED"} | changes)

        assert [problem["field"] for problem in refused.value.problems] == [field]

    def test_are_of_the_persons_own_cover(self, billing: Billing) -> None:
        with pytest.raises(NotFound):
            billing.authorize(coverage_id=new_id())


class TestUnits:
    def test_are_taken_and_given_back(self, billing: Billing) -> None:
        authorization = billing.authorize()

        taken = billing.take(authorization, MONDAY)
        with pytest.raises(Conflict):
            billing.take(authorization, MONDAY)
        back = billing.release(authorization, MONDAY)

        assert (taken["ledger"]["remaining"], back["ledger"]["remaining"]) == (9, 10)
        with pytest.raises(Conflict):
            billing.release(authorization, MONDAY)

    def test_are_for_covered_days(self, billing: Billing) -> None:
        authorization = billing.authorize()

        with pytest.raises(Conflict):
            billing.take(authorization, date(2026, 3, 14))

    def test_of_which_one_is_left_go_to_one_of_many_at_once(self, billing: Billing) -> None:
        authorization = billing.authorize(units=1)
        came: list[str] = []
        together = threading.Barrier(6)

        def want(day: date) -> None:
            together.wait()
            try:
                billing.take(authorization, day)
                came.append("taken")
            except Refusal as refusal:
                came.append(refusal.code)

        wanting = [threading.Thread(target=want, args=(MONDAY + timedelta(days=n),)) for n in range(6)]
        for one in wanting:
            one.start()
        for one in wanting:
            one.join(timeout=60)

        assert sorted(came) == ["no_unit_left"] * 5 + ["taken"]
        (seen,) = billing.seen()["authorizations"]
        assert seen["ledger"] == {"authorized": 1, "reserved": 1, "used": 0, "remaining": 0}
        assert billing.seen()["warnings"] == ["NO_UNIT_LEFT"]

    def test_that_are_few_are_told_at_five_and_three_once_each(self, billing: Billing) -> None:
        authorization = billing.authorize(units=7)

        for days in range(4):
            billing.take(authorization, MONDAY + timedelta(days=days))
        billing.release(authorization, MONDAY)
        billing.take(authorization, MONDAY)

        assert billing.low() == [("UNITS_5", 5), ("UNITS_3", 3)]
        tasks = [one for one in billing.room.announced_of(TaskOpened) if one.task == "authorization_review"]
        assert len(tasks) == 1
        billing.authorize(first_on="2026-03-14", last_on="2026-04-30")
        assert tasks[0].task_id in {one.task_id for one in billing.room.announced_of(TaskClosed)}


def delivered(
    billing: Billing, day: date, *, minutes: tuple[int, ...] = (165,), revision: int = 1
) -> ServiceDelivered:
    return ServiceDelivered(
        patient_id=billing.patient["patient_id"],
        episode_id=billing.patient["episode_id"],
        journey_id=billing.patient["journey_id"],
        delivery_id=derived_id("delivery", day.isoformat()),
        site_id=SITE_ID,
        served_on=day,
        kinds=("GROUP",) * len(minutes),
        minutes=minutes,
        revision=revision,
        told_at=billing.room.now,
    )


def approved(units: int) -> coverage.Authorization:
    return coverage.Authorization(
        authorization_id="a",
        patient_id="p",
        episode_id="e",
        journey_id="j",
        coverage_id="c",
        decision="APPROVED",
        units=units,
        first_on=MONDAY,
        last_on=MONDAY + timedelta(days=18),
        decided_at=NOW,
        recorded_by="olga",
        recorded_by_role="front_desk",
        recorded_at=NOW,
    )


class TestFewUnits:
    def test_that_go_at_once_are_told_by_the_lowest_mark_alone(self) -> None:
        one = approved(units=9)

        told = [
            event.reason
            for left in (9, 2, 4, 1)
            for event in one.tell_low(coverage.Ledger(authorized=9, reserved=9 - left, used=0), now=NOW)
        ]

        assert told == ["UNITS_3"]

    def test_of_a_small_approval_are_told_once_one_is_taken(self, billing: Billing) -> None:
        authorization = billing.authorize(units=2)
        assert billing.low() == []

        billing.take(authorization, MONDAY)
        billing.take(authorization, MONDAY + timedelta(days=1))

        assert billing.low() == [("UNITS_3", 1)]


class TestDelivered:
    def ledger(self, billing: Billing) -> tuple[int, int, int]:
        (seen,) = billing.seen()["authorizations"]
        return seen["ledger"]["reserved"], seen["ledger"]["used"], seen["ledger"]["remaining"]

    def test_days_use_their_units_reserved_or_not(self, billing: Billing) -> None:
        authorization = billing.authorize(units=3)
        billing.take(authorization, MONDAY)

        for day in (MONDAY, MONDAY + timedelta(days=1)):
            billing.room.deliver(delivered(billing, day), delivered(billing, day))

        assert self.ledger(billing) == (0, 2, 1)

    def test_days_that_are_taken_back_give_theirs_back_in_any_order(self, billing: Billing) -> None:
        billing.authorize(units=3)

        billing.room.deliver(delivered(billing, MONDAY, minutes=(), revision=2), delivered(billing, MONDAY))
        assert self.ledger(billing) == (0, 0, 3)
        billing.room.deliver(delivered(billing, MONDAY, revision=3))
        assert self.ledger(billing) == (0, 1, 2)
        billing.room.deliver(delivered(billing, MONDAY, minutes=(), revision=4))
        assert self.ledger(billing) == (0, 0, 3)

    def test_days_use_the_unit_that_another_authorization_holds_for_them(self, billing: Billing) -> None:
        first, second = billing.authorize(units=1, number="A-1"), billing.authorize(units=5, number="A-2")
        tuesday = MONDAY + timedelta(days=1)
        billing.take(first, MONDAY)
        billing.take(second, tuesday)
        billing.release(first, MONDAY)

        billing.room.deliver(delivered(billing, tuesday))

        ledgers = [one["ledger"] for one in billing.seen()["authorizations"]]
        assert [(one["reserved"], one["used"]) for one in ledgers] == [(0, 0), (0, 1)]

    def test_days_beyond_the_units_are_care_all_the_same(self, billing: Billing) -> None:
        billing.authorize(units=1)

        billing.room.deliver(*(delivered(billing, MONDAY + timedelta(days=days)) for days in range(3)))

        assert self.ledger(billing) == (0, 1, 0)


class TestDays:
    def test_that_are_few_are_told_five_business_days_before_the_last(self, billing: Billing) -> None:
        billing.authorize()

        billing.room.advance(datetime(2026, 3, 6, 5, 59, tzinfo=UTC))
        assert billing.low() == []
        billing.room.advance(datetime(2026, 3, 6, 6, 0, tzinfo=UTC))

        assert billing.low() == [("DAYS_5", 10)]
        (task,) = [one for one in billing.room.announced_of(TaskOpened) if one.task == "authorization_review"]
        assert task.due_at == datetime(2026, 3, 10, 5, tzinfo=UTC)

    @pytest.mark.parametrize("known", ["before", "after"])
    def test_that_are_few_are_told_a_day_earlier_for_each_holiday_of_the_site(
        self, billing: Billing, known: str
    ) -> None:
        holiday, snow = closed("HOLIDAY", day=date(2026, 3, 11)), closed("WEATHER", day=date(2026, 3, 10))
        if known == "before":
            billing.room.deliver(holiday, snow)
        billing.authorize()
        if known == "after":
            billing.room.deliver(holiday, snow, holiday)

        billing.room.advance(datetime(2026, 3, 5, 5, 59, tzinfo=UTC))
        assert billing.low() == []
        billing.room.advance(datetime(2026, 3, 5, 6, 0, tzinfo=UTC))

        assert billing.low() == [("DAYS_5", 10)]

    def test_that_are_few_already_are_told_when_the_site_takes_a_holiday(self, billing: Billing) -> None:
        billing.authorize()
        billing.room.advance(datetime(2026, 3, 5, 12, tzinfo=UTC))

        billing.room.deliver(closed("HOLIDAY", day=date(2026, 3, 11)))

        assert billing.low() == [("DAYS_5", 10)]
        billing.room.advance(datetime(2026, 3, 9, 12, tzinfo=UTC))
        assert billing.low() == [("DAYS_5", 10)]


def closed(reason: str, *, day: date) -> SiteClosed:
    """The site is closed for a day, from early morning to the evening."""
    begins = datetime(day.year, day.month, day.day, 11, tzinfo=UTC)
    return SiteClosed(
        closure_id=derived_id("closure", day.isoformat()),
        site_id=SITE_ID,
        closed_from=begins,
        closed_until=begins + timedelta(hours=14),
        reason=reason,
        sessions_cancelled=0,
        seats_cancelled=0,
    )


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=60), st.integers(1, 12))
def test_no_unit_is_ever_taken_twice_or_beyond_what_is_authorised(
    steps: list[tuple[bool, int]], units: int
) -> None:
    one = approved(units)
    taken: list[coverage.Unit] = []
    told: list[str] = []
    for take, offset in steps:
        day = MONDAY + timedelta(days=offset)
        if take:
            with contextlib.suppress(Conflict):
                taken.append(one.take(day, taken=taken, now=NOW))
        else:
            taken = [unit for unit in taken if unit.served_on != day]
        told += [event.reason for event in one.tell_low(one.count_units(taken), now=NOW)]

        assert one.count_units(taken).remaining >= 0
        assert len({unit.served_on for unit in taken}) == len(taken)
        assert all(one.first_on <= unit.served_on <= one.last_on for unit in taken)
    assert len(told) == len(set(told))


def test_a_decision_told_twice_counts_once(billing: Billing) -> None:
    first = billing.authorize(units=10, number="A-1")

    again = billing.authorize(units=10, number="A-1")
    another = billing.authorize(units=5, number="A-2")

    assert again["authorization_id"] == first["authorization_id"]
    assert another["authorization_id"] != first["authorization_id"]
    assert len(billing.seen()["authorizations"]) == 2
