"""Units that the schedule takes beforehand, and days beyond what is authorised: warned of, never held up."""

import contextlib
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from services.intake.service import Intake
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.scheduling import (
    PatientNotSeen,
    SeatCancelled,
    ServiceDelivered,
    SessionMissed,
    SessionScheduled,
)
from shared.errors import InvalidInput, NotFound, Refusal
from shared.ids import derived_id, new_id
from tests.intake.builders import SITE_ID
from tests.intake.test_coverage import Billing
from tests.intake.test_service import discharged
from tests.support import Room

TUESDAY = date(2026, 2, 3)


@pytest.fixture
def office(room_of: Callable[[type], Room]) -> Billing:
    return Billing(room_of(Intake))


def evening(day: date) -> datetime:
    """Return six in the evening in Chicago, which is the next day in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


def of(office: Billing) -> dict[str, Any]:
    return {name: office.patient[name] for name in ("patient_id", "episode_id", "journey_id")}


def scheduled(office: Billing, day: date, seat: str = "seat") -> SessionScheduled:
    return SessionScheduled(
        **of(office),
        seat_id=derived_id(seat, day.isoformat()),
        session_id=derived_id("session", seat, day.isoformat()),
        kind="GROUP",
        modality="CBT",
        starts_at=evening(day),
        ends_at=evening(day) + timedelta(hours=3),
        clinical_minutes=165,
    )


def cancelled(office: Billing, day: date, seat: str = "seat") -> SeatCancelled:
    return SeatCancelled(
        **of(office),
        seat_id=derived_id(seat, day.isoformat()),
        session_id=derived_id("session", seat, day.isoformat()),
        kind="GROUP",
        starts_at=evening(day),
        reason="WEATHER",
        cancelled_at=office.room.now,
    )


def missed(office: Billing, day: date) -> SessionMissed:
    return SessionMissed(
        **of(office),
        seat_id=derived_id("seat", day.isoformat()),
        session_id=derived_id("session", "seat", day.isoformat()),
        kind="GROUP",
        starts_at=evening(day),
        clinical_minutes=165,
        consecutive=1,
        missed_at=evening(day),
    )


def delivered(office: Billing, day: date) -> ServiceDelivered:
    return ServiceDelivered(
        **of(office),
        delivery_id=derived_id("delivery", day.isoformat()),
        site_id=SITE_ID,
        served_on=day,
        kinds=("GROUP",),
        minutes=(165,),
        revision=1,
        told_at=office.room.now,
        attended_minutes=165,
    )


def ledger(office: Billing, number: int = 0) -> tuple[int, int, int]:
    found = office.seen()["authorizations"][number]["ledger"]
    return found["reserved"], found["used"], found["remaining"]


def asked(office: Billing) -> list[TaskOpened]:
    closed = {one.task_id for one in office.room.announced_of(TaskClosed)}
    opened = [one for one in office.room.announced_of(TaskOpened) if one.task == "day_not_authorized"]
    return [one for one in opened if one.task_id not in closed]


def days(count: int, first: date = TUESDAY) -> list[date]:
    return [first + timedelta(days=n) for n in range(count)]


class TestSchedule:
    def test_reserves_one_unit_a_day_by_the_day_at_the_site(self, office: Billing) -> None:
        office.authorize(units=10)

        office.room.deliver(
            scheduled(office, TUESDAY),
            scheduled(office, TUESDAY),
            scheduled(office, TUESDAY, "another seat of the day"),
        )

        assert ledger(office) == (1, 0, 9)
        office.room.deliver(delivered(office, TUESDAY))
        assert ledger(office) == (0, 1, 9)

    def test_reserves_what_is_authorised_after_it_was_made(self, office: Billing) -> None:
        office.room.deliver(*(scheduled(office, day) for day in days(3)))

        office.authorize(units=10)

        assert ledger(office) == (3, 0, 7)

    def test_gives_the_unit_of_a_day_back_with_its_last_seat(self, office: Billing) -> None:
        office.authorize(units=10)
        office.room.deliver(scheduled(office, TUESDAY), scheduled(office, TUESDAY, "other"))

        office.room.deliver(cancelled(office, TUESDAY, "other"))
        assert ledger(office) == (1, 0, 9)
        office.room.deliver(cancelled(office, TUESDAY))
        assert ledger(office) == (0, 0, 10)

    def test_gives_it_back_when_nobody_came(self, office: Billing) -> None:
        office.authorize(units=10)
        office.room.deliver(scheduled(office, TUESDAY))
        office.room.at(evening(TUESDAY) + timedelta(minutes=15))

        office.room.deliver(missed(office, TUESDAY), missed(office, TUESDAY))

        assert ledger(office) == (0, 0, 10)

    @pytest.mark.parametrize(
        ("reason", "left"), [("NOT_LICENSED_THERE", (0, 0, 10)), ("ENTRY_NEEDS_FACILITATOR", (1, 0, 9))]
    )
    def test_gives_it_back_when_the_program_could_not_see_who_came(
        self, office: Billing, reason: str, left: tuple[int, int, int]
    ) -> None:
        office.authorize(units=10)
        office.room.deliver(scheduled(office, TUESDAY))
        office.room.at(evening(TUESDAY))

        not_seen = PatientNotSeen(
            **of(office),
            seat_id=derived_id("seat", TUESDAY.isoformat()),
            session_id=derived_id("session", "seat", TUESDAY.isoformat()),
            kind="GROUP",
            starts_at=evening(TUESDAY),
            clinical_minutes=165,
            reason=reason,
            came_at=evening(TUESDAY),
        )
        office.room.deliver(not_seen, not_seen)

        assert ledger(office) == left

    def test_ends_in_the_same_ledger_in_any_order(self, office: Billing) -> None:
        first, second, third = days(3)
        found = []
        for n, order in enumerate(permutations(range(5))):
            if n % 10:
                continue
            week = timedelta(days=7 * (n // 10) + 7)
            office.authorize(
                units=2,
                first_on=(first + week).isoformat(),
                last_on=(third + week).isoformat(),
            )
            events = [
                scheduled(office, first + week),
                scheduled(office, second + week),
                scheduled(office, third + week),
                cancelled(office, first + week),
                scheduled(office, second + week),
            ]
            office.room.deliver(*(events[place] for place in order))
            found.append((ledger(office, -1), office.seen()["days_not_authorized"]))

        assert len(found) == 12
        assert all(one == ((2, 0, 0), []) for one in found)

    def test_gives_units_back_that_nobody_used_after_a_week(self, office: Billing) -> None:
        office.authorize(units=10)
        office.room.deliver(*(scheduled(office, day) for day in days(2)))

        office.room.advance(datetime(2026, 2, 10, 5, 59, tzinfo=UTC))
        assert ledger(office) == (2, 0, 8)
        office.room.advance(datetime(2026, 2, 10, 6, 0, tzinfo=UTC))
        assert ledger(office) == (1, 0, 9)
        office.room.advance(datetime(2026, 2, 11, 6, 0, tzinfo=UTC))

        assert ledger(office) == (0, 0, 10)
        office.room.deliver(delivered(office, TUESDAY))
        assert ledger(office) == (0, 1, 9)

    def test_reserves_nothing_after_the_discharge(self, office: Billing) -> None:
        office.authorize(units=10)
        office.room.deliver(scheduled(office, TUESDAY), discharged(office.patient, office.room))
        assert ledger(office) == (0, 0, 10)

        office.room.deliver(scheduled(office, TUESDAY, "late word"))

        assert ledger(office) == (0, 0, 10)


class TestBeyond:
    def test_what_is_authorised_is_warned_of_once_and_care_goes_on(self, office: Billing) -> None:
        office.authorize(units=2)

        office.room.deliver(*(scheduled(office, day) for day in days(5)))

        (task,) = asked(office)
        assert (task.owner_role, task.reason) == ("front_desk", "SCHEDULED_BEYOND_AUTHORIZATION")
        assert office.seen()["days_not_authorized"] == ["2026-02-05", "2026-02-06", "2026-02-07"]
        # Somebody in danger is seen on such a day like on any other: the day is kept, and unbilled.
        office.room.deliver(delivered(office, date(2026, 2, 7)))
        unbilled = office.room.ask(
            "list_unbilled_days", {"site_id": SITE_ID, "to": "2026-02-28"}, role="front_desk"
        )["items"]
        assert [one["reasons"] for one in unbilled] == [["NO_UNIT_LEFT"]]

    def test_it_is_settled_by_more_units(self, office: Billing) -> None:
        office.authorize(units=1)
        office.room.deliver(*(scheduled(office, day) for day in days(3)))
        assert len(asked(office)) == 1

        office.authorize(units=5)

        assert asked(office) == []
        assert office.seen()["days_not_authorized"] == []
        assert [ledger(office, number) for number in (0, 1)] in (
            [(1, 0, 0), (2, 0, 3)],
            [(2, 0, 3), (1, 0, 0)],
        )

    def test_the_earlier_days_get_the_units(self, office: Billing) -> None:
        office.authorize(units=1)
        first, second = days(2)

        office.room.deliver(scheduled(office, second), scheduled(office, first))

        assert office.seen()["days_not_authorized"] == [second.isoformat()]

    def test_a_unit_that_is_free_again_goes_to_a_day_that_has_none(self, office: Billing) -> None:
        office.authorize(units=1)
        first, second = days(2)
        office.room.deliver(scheduled(office, first), scheduled(office, second))

        office.room.deliver(cancelled(office, first))

        assert ledger(office) == (1, 0, 0)
        assert office.seen()["days_not_authorized"] == []
        assert asked(office) == []

    def test_nobody_is_asked_where_no_payer_wants_it(self, office: Billing) -> None:
        office.room.advance(timedelta(minutes=1))
        office.cover = office.answer(needs_authorization=False)

        office.room.deliver(scheduled(office, TUESDAY))

        assert asked(office) == []
        assert office.seen()["days_not_authorized"] == []

    def test_nobody_is_asked_any_more_once_no_payer_wants_it(self, office: Billing) -> None:
        office.room.deliver(scheduled(office, TUESDAY))
        assert len(asked(office)) == 1
        office.room.advance(timedelta(minutes=1))

        office.answer(needs_authorization=False)

        assert asked(office) == []


class TestEnding:
    def end(self, office: Billing, authorization: dict[str, Any], last_on: str, **who: Any) -> dict[str, Any]:
        told = {"authorization_id": authorization["authorization_id"], "last_on": last_on}
        return office.room.call("end_authorization", told, **{"role": "front_desk"} | who)

    def test_gives_back_what_it_held_for_later_days_and_warns(self, office: Billing) -> None:
        authorization = office.authorize(units=10)
        office.room.deliver(*(scheduled(office, day) for day in days(3)))

        ended = self.end(office, authorization, "2026-02-03")

        assert (ended["ledger"]["reserved"], ended["last_on"]) == (1, "2026-02-03")
        assert office.seen()["days_not_authorized"] == ["2026-02-04", "2026-02-05"]
        assert len(asked(office)) == 1
        assert ("DAYS_5", 9) in office.low()

    def test_leaves_its_later_days_to_another(self, office: Billing) -> None:
        authorization = office.authorize(units=10)
        office.authorize(units=10, number="A-2")
        office.room.deliver(scheduled(office, date(2026, 2, 20)))

        self.end(office, authorization, "2026-02-19")

        assert sum(ledger(office, number)[0] for number in (0, 1)) == 1
        assert asked(office) == []

    @pytest.mark.parametrize("last_on", ["2026-02-01", "2026-03-13", "2026-03-14"])
    def test_is_on_an_earlier_day_of_its_own(self, office: Billing, last_on: str) -> None:
        authorization = office.authorize(units=10)

        with pytest.raises(InvalidInput) as refused:
            self.end(office, authorization, last_on)

        assert refused.value.problems[0]["field"] == "last_on"
        with pytest.raises(NotFound):
            self.end(office, {"authorization_id": new_id()}, "2026-02-10")
        with pytest.raises(NotFound):
            self.end(office, authorization, "2026-02-10", tenant_id="elsewhere")

    def test_while_units_are_taken_leaves_none_behind_its_end(self, office: Billing) -> None:
        authorization = office.authorize(units=30)
        together = threading.Barrier(7)
        came: list[str] = []

        def do(what: Callable[[], Any]) -> None:
            together.wait()
            try:
                what()
                came.append("done")
            except Refusal as refusal:
                came.append(refusal.code)

        late = days(6, first=date(2026, 2, 16))
        doing = [
            threading.Thread(target=do, args=(lambda day=day: office.take(authorization, day),))
            for day in late
        ]
        doing.append(
            threading.Thread(target=do, args=(lambda: self.end(office, authorization, "2026-02-15"),))
        )
        for one in doing:
            one.start()
        for one in doing:
            one.join(timeout=60)

        assert len(came) == 7
        assert set(came) <= {"done", "day_not_authorized"}
        assert ledger(office) == (0, 0, 30)


class TestLastUnit:
    def test_goes_to_one_of_a_hand_and_a_schedule_at_once(self, office: Billing) -> None:
        authorization = office.authorize(units=1)
        together = threading.Barrier(2)

        def by_hand() -> None:
            together.wait()
            with contextlib.suppress(Refusal):
                office.take(authorization, date(2026, 2, 10))

        def by_schedule() -> None:
            together.wait()
            office.room.deliver(scheduled(office, date(2026, 2, 11)))

        doing = [threading.Thread(target=one) for one in (by_hand, by_schedule)]
        for one in doing:
            one.start()
        for one in doing:
            one.join(timeout=60)

        assert ledger(office) == (1, 0, 0)


class TestAnswer:
    def test_that_arrives_twice_at_once_is_kept_once(self, office: Billing) -> None:
        together = threading.Barrier(4)
        office.room.advance(timedelta(minutes=1))
        at = office.room.now.isoformat()
        kept: list[str] = []

        def answer() -> None:
            together.wait()
            kept.append(office.answer(payer="AETNA", answered_at=at)["coverage_id"])

        doing = [threading.Thread(target=answer) for _ in range(4)]
        for one in doing:
            one.start()
        for one in doing:
            one.join(timeout=60)

        assert len(kept) == 4
        assert len(set(kept)) == 1
        assert len([one for one in office.seen()["coverages"] if one["payer"] == "AETNA"]) == 1
