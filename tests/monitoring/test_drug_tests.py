"""Drug tests: what a clinician orders, what a test asks of humans, and what it never does by itself."""

import zoneinfo
from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from services.monitoring.domain import draws, drug_tests
from services.monitoring.service import Monitoring
from shared.contracts.common import MessageWanted, TaskClosed, TaskOpened
from shared.contracts.monitoring import (
    DischargeProposed,
    DrugTestDue,
    DrugTestRecorded,
    EscalationOpened,
    LevelReviewRequested,
    RiskBandChanged,
)
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import new_id
from tests.monitoring import telling
from tests.monitoring.telling import ADMITTED_AT, DANA, EPISODE
from tests.support import Room

CHICAGO = zoneinfo.ZoneInfo("America/Chicago")
ORDER = {
    "episode_id": EPISODE,
    "mean_interval_days": 3,
    "longest_gap_days": 5,
    "reason": "INITIAL_PHASE",
    "paydays": [15],
}


@pytest.fixture
def room(room_of: Callable[[type], Room]) -> Room:
    """Return a room in which Dana is in treatment."""
    room = room_of(Monitoring)
    room.at(ADMITTED_AT)
    room.deliver(telling.assessed(), telling.admitted())
    return room


def order(room: Room, **changed: Any) -> dict[str, Any]:
    return room.call("order_drug_testing", ORDER | changed)


def next_test(room: Room) -> DrugTestDue:
    """Go on morning by morning until a test is drawn."""
    before = len(room.announced_of(DrugTestDue))
    for _ in range(5):
        room.advance(timedelta(days=1))
        if len(room.announced_of(DrugTestDue)) > before:
            return room.announced_of(DrugTestDue)[-1]
    raise AssertionError("no test within the longest gap")


def record(
    room: Room, test_id: str, outcome: str, *, role: str = "front_desk", **told: Any
) -> dict[str, Any]:
    return room.call("record_drug_test", {"test_id": test_id, "outcome": outcome, **told}, role=role)


def open_tasks(room: Room) -> list[TaskOpened]:
    closed = {event.task_id for event in room.announced_of(TaskClosed)}
    return [event for event in room.announced_of(TaskOpened) if event.task_id not in closed]


def seen(room: Room, **who: Any) -> dict[str, Any]:
    return room.ask("get_drug_testing", {"episode_id": EPISODE}, **who)


class TestOrder:
    def test_is_a_licensed_clinicians(self, room: Room) -> None:
        with pytest.raises(Forbidden):
            room.call("order_drug_testing", ORDER, role="counselor")
        with pytest.raises(Forbidden):
            room.call("order_drug_testing", ORDER, credential="")

        ordered = order(room)

        assert (ordered["ordered_by_role"], ordered["ordered_by_credential"]) == ("clinician", "LCSW")
        assert ordered["last_drawn_on"] is None

    def test_keeps_its_numbers_within_the_rules(self, room: Room) -> None:
        for wrong in ({"mean_interval_days": 4}, {"mean_interval_days": 1}, {"longest_gap_days": 6}):
            with pytest.raises(InvalidInput):
                order(room, **wrong)

    def test_is_one_at_a_time_for_somebody_in_treatment(self, room: Room) -> None:
        with pytest.raises(NotFound):
            order(room, episode_id=new_id())
        order(room)

        with pytest.raises(Conflict):
            order(room)

    def test_draws_every_morning_and_tells_nobody_before(self, room: Room) -> None:
        order(room)

        due = next_test(room)

        at_six = datetime(due.due_on.year, due.due_on.month, due.due_on.day, 6, tzinfo=CHICAGO)
        assert due.drawn_at == at_six
        assert due.due_at == at_six.replace(hour=21)
        (task,) = open_tasks(room)
        assert (task.task, task.owner_role, task.next_role) == ("drug_test", "front_desk", "counselor")
        assert (task.about_id, task.due_at) == (due.test_id, due.due_at)
        # What is kept of the time ahead is tomorrow's draw alone, whatever comes of it.
        (timer,) = [timer for timer in room.timers() if timer[0] == "drug_test_draw"]
        assert timer[2] == at_six + timedelta(days=1)

    def test_never_waits_longer_than_the_longest_gap_on_real_mornings(self, room: Room) -> None:
        order(room)

        # Over the change to daylight saving time.
        room.advance(timedelta(days=60))

        days = [ADMITTED_AT.date(), *(event.due_on for event in room.announced_of(DrugTestDue))]
        gaps = [(later - earlier).days for earlier, later in pairwise(days)]
        assert 1 <= min(gaps) <= max(gaps) <= 5
        assert {event.drawn_at.astimezone(CHICAGO).hour for event in room.announced_of(DrugTestDue)} == {6}

    def test_ends_by_a_word_and_withdraws_what_is_due(self, room: Room) -> None:
        order_id = order(room)["order_id"]
        due = next_test(room)
        with pytest.raises(Forbidden):
            room.call("end_drug_testing", {"order_id": order_id, "reason": "NOT_NEEDED"}, credential="")

        ended = room.call("end_drug_testing", {"order_id": order_id, "reason": "NOT_NEEDED"})
        with pytest.raises(Conflict):
            room.call("end_drug_testing", {"order_id": order_id, "reason": "NOT_NEEDED"})
        room.advance(timedelta(days=10))

        assert ended["end_reason"] == "NOT_NEEDED"
        assert len(room.announced_of(DrugTestDue)) == 1
        (told,) = room.announced_of(DrugTestRecorded)
        assert (told.test_id, told.outcome) == (due.test_id, "WITHDRAWN")
        assert open_tasks(room) == []
        with pytest.raises(Conflict):
            record(room, due.test_id, "REFUSED")
        assert order(room)["order_id"] != order_id

    def test_ends_with_the_discharge(self, room: Room) -> None:
        order(room)
        next_test(room)

        room.deliver(telling.discharged(room.now))
        room.advance(timedelta(days=10))

        assert len(room.announced_of(DrugTestDue)) == 1
        assert [event.outcome for event in room.announced_of(DrugTestRecorded)] == ["WITHDRAWN"]
        assert seen(room)["orders"][0]["end_reason"] == "DISCHARGED"
        with pytest.raises(NotFound):
            order(room)


class TestMessage:
    """The patient is told in the morning of the day, in words that do not say what for."""

    def test_asks_the_patient_to_come_while_they_can_still_arrange_it(self, room: Room) -> None:
        order(room)

        due = next_test(room)

        (wanted,) = room.announced_of(MessageWanted)
        assert (wanted.patient_id, wanted.template) == (DANA, "PLEASE_COME_TODAY")
        assert wanted.wanted_at == due.drawn_at
        assert wanted.deadline_at == due.due_at - timedelta(hours=4)

    @pytest.mark.parametrize(("hour", "messages"), [(16, 1), (17, 0)])
    def test_is_not_sent_of_a_morning_that_comes_too_late_for_it(self, hour: int, messages: int) -> None:
        day = date(2026, 3, 2)
        test = drug_tests.DrugTest(
            **dict.fromkeys(
                ("test_id", "order_id", "episode_id", "patient_id", "journey_id", "site_id"), "-"
            ),
            due_on=day,
            due_at=datetime(2026, 3, 2, 21, tzinfo=CHICAGO),
            drawn_at=datetime(2026, 3, 2, hour, tzinfo=CHICAGO),
        )

        found = [event for event in test.announced() if isinstance(event, MessageWanted)]

        assert len(found) == messages


class TestSeeds:
    def test_are_bound_to_before_and_shown_once_their_month_is_over(self, room: Room) -> None:
        order(room)
        february, march = seen(room)["seeds"]
        assert (february["month"], march["month"]) == ("2026-02-01", "2026-03-01")
        assert (february["seed"], march["seed"]) == (None, None)

        room.advance(datetime(2026, 3, 1, 18, tzinfo=CHICAGO))

        view = seen(room)
        shown = view["seeds"][0]
        assert shown["commitment"] == february["commitment"] == draws.commitment_of(shown["seed"])
        assert [seed["seed"] for seed in view["seeds"][1:]] == [None, None]
        assert self.days_from(shown["seed"]) == [
            test["due_on"] for test in view["tests"] if test["due_on"] < "2026-03"
        ]

    def days_from(self, seed: str) -> list[str]:
        """Draw February again, as anybody can who has its seed."""
        found, last = [], ADMITTED_AT.date()
        for number in range(3, 29):
            day = date(2026, 2, number)
            gap = (day - last).days
            if draws.is_drawn(day, seed=seed, gap_days=gap, mean_days=3, longest_gap=5, paydays=(15,)):
                found.append(day.isoformat())
                last = day
        return found


class TestRecord:
    @pytest.mark.parametrize(
        ("outcome", "told", "reason"),
        [
            ("COLLECTED", {"result": "POSITIVE", "positives": ["ALCOHOL"]}, "DRUG_TEST_POSITIVE"),
            ("COLLECTED", {"result": "INVALID"}, "DRUG_TEST_INVALID"),
            ("REFUSED", {}, "DRUG_TEST_REFUSED"),
            ("MISSED", {}, "DRUG_TEST_MISSED"),
        ],
    )
    def test_asks_a_human_to_look_and_changes_nothing_else(
        self, room: Room, outcome: str, told: dict[str, Any], reason: str
    ) -> None:
        order(room)
        due = next_test(room)

        answer = record(room, due.test_id, outcome, **told)

        assert answer["crisis_lines"] is None
        (review,) = open_tasks(room)
        assert (review.task, review.owner_role, review.reason) == ("drug_test_review", "clinician", reason)
        assert (review.next_role, review.due_at) == ("supervisor", room.now + timedelta(hours=24))
        changes = (DischargeProposed, LevelReviewRequested, EscalationOpened, RiskBandChanged)
        assert [event for event in room.announced if isinstance(event, changes)] == []
        closing = {"task": review.task, "task_id": review.task_id, "about_id": due.test_id, "outcome": "DONE"}
        with pytest.raises(Forbidden):
            room.call("close_task", closing, role="counselor", credential="")
        room.call("close_task", closing)
        with pytest.raises(Conflict):
            room.call("close_task", closing)
        assert open_tasks(room) == []
        assert seen(room)["tests"][0]["reviewed_by_credential"] == "LCSW"

    @pytest.mark.parametrize(
        ("outcome", "told"),
        [("COLLECTED", {"result": "NEGATIVE"}), ("MISSED", {"excuse": "PROGRAM_CLOSED"})],
    )
    def test_asks_nobody_where_there_is_nothing_to_look_at(
        self, room: Room, outcome: str, told: dict[str, Any]
    ) -> None:
        order(room)
        due = next_test(room)

        record(room, due.test_id, outcome, **told)

        assert open_tasks(room) == []
        (recorded,) = room.announced_of(DrugTestRecorded)
        assert (recorded.outcome, recorded.result) == (outcome, told.get("result"))
        with pytest.raises(Conflict):
            record(room, due.test_id, "REFUSED")

    def test_waits_for_a_laboratory(self, room: Room) -> None:
        order(room)
        due = next_test(room)

        record(room, due.test_id, "COLLECTED", result="PENDING")
        (awaited,) = open_tasks(room)
        with pytest.raises(Conflict):
            record(room, due.test_id, "REFUSED")
        record(room, due.test_id, "COLLECTED", result="NEGATIVE")

        assert (awaited.task, awaited.owner_role) == ("drug_test_result", "counselor")
        assert open_tasks(room) == []
        assert [event.result for event in room.announced_of(DrugTestRecorded)] == ["PENDING", "NEGATIVE"]

    @pytest.mark.parametrize("found", ["OPIOID", "SEDATIVE", "STIMULANT", "UNKNOWN"])
    def test_of_what_can_kill_is_a_danger_at_once(self, room: Room, found: str) -> None:
        order(room)
        due = next_test(room)

        answer = record(room, due.test_id, "COLLECTED", result="POSITIVE", positives=["ALCOHOL", found])

        (opened,) = room.announced_of(EscalationOpened)
        assert (opened.cause, opened.level, opened.patient_id) == ("RETURN_TO_USE", "E3", DANA)
        assert "call_or_text_988" in answer["crisis_lines"]
        assert room.announced_of(DischargeProposed) == []

    @pytest.mark.parametrize(
        "told",
        [
            {"outcome": "COLLECTED"},
            {"outcome": "REFUSED", "result": "NEGATIVE"},
            {"outcome": "COLLECTED", "result": "POSITIVE"},
            {"outcome": "COLLECTED", "result": "NEGATIVE", "positives": ["OPIOID"]},
            {"outcome": "REFUSED", "excuse": "ILLNESS"},
        ],
    )
    def test_refuses_what_does_not_belong_together(self, room: Room, told: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput):
            room.call("record_drug_test", {"test_id": new_id(), **told})

    def test_is_shown_to_the_care_team_alone(self, room: Room) -> None:
        order(room)

        for role in ("patient", "front_desk", "operations", "partner"):
            with pytest.raises(Forbidden):
                seen(room, role=role, actor_id=DANA, credential="")
