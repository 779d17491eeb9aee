"""Any order, any doubles, any batches: the same tables and timers."""

import random
from collections.abc import Callable
from datetime import timedelta

import pytest

from services.monitoring.service import Monitoring
from shared.contracts.event import Event
from shared.ids import derived_id
from tests.monitoring import telling
from tests.monitoring.duty import keep, plan, staff
from tests.monitoring.telling import ADMITTED_AT, EPISODE, starts_at
from tests.support import Room

RoomOf = Callable[[type], Room]

#: Dana's ten weeks: a wrong mark, a mark that was wrong twice, three misses in a row of which the
#: first turns out to be an illness, an attendance that was none, short weeks that were not, two dangers.
HISTORY: tuple[Event, ...] = (
    telling.site_opened(),
    telling.assessed(),
    telling.assessed(
        assessment_id=derived_id("assessment", "dana", "2"),
        problems=("ALCOHOL", "OPIOID"),
        severities=("MODERATE", "MILD"),
        icd10_codes=("F10.20", "F11.10"),
        completed_at=ADMITTED_AT + timedelta(days=20),
    ),
    telling.backed_by(1, at=ADMITTED_AT - timedelta(days=1)),
    telling.backed_by(0, at=ADMITTED_AT + timedelta(days=10)),
    telling.backed_by(2, at=ADMITTED_AT + timedelta(days=40)),
    telling.admitted(),
    telling.attended(0),
    telling.missed(2),
    telling.corrected(2, "PRESENT"),
    telling.attended(4),
    telling.missed(7),
    telling.corrected(7, "EXCUSED"),
    telling.corrected(7, "NO_SHOW", revision=2),
    telling.attended(9),
    telling.missed(14),
    telling.missed(16, consecutive=2),
    telling.missed(18, consecutive=3),
    telling.corrected(14, "EXCUSED", corrected_at=starts_at(19)),
    telling.short_week(2, consecutive_weeks=1),
    telling.attended(21),
    telling.attended(23),
    telling.corrected(23, "NO_SHOW", from_state="PRESENT", corrected_at=starts_at(24)),
    telling.short_week(3, consecutive_weeks=2),
    telling.attended(28, state="LATE", credited_minutes=165),
    telling.short_week(4, consecutive_weeks=3),
    telling.week_corrected(2, consecutive_weeks=0),
    telling.week_corrected(3, consecutive_weeks=1),
    telling.week_corrected(4, consecutive_weeks=2),
    telling.week_corrected(2, consecutive_weeks=1, revision=2),
    telling.week_corrected(3, consecutive_weeks=2, revision=2),
    telling.week_corrected(4, consecutive_weeks=3, revision=2),
    telling.week_corrected(4, consecutive_weeks=0, revision=3),
    telling.short_week(5, consecutive_weeks=4),
    telling.week_corrected(5, consecutive_weeks=0, revision=1),
    telling.concern("OVERDOSE", "E4", at=ADMITTED_AT + timedelta(days=30)),
    telling.concern("OVERDOSE", "E3", at=ADMITTED_AT + timedelta(days=29), n="2"),
    telling.concern("PHQ9_I9", "E3", at=ADMITTED_AT + timedelta(days=31)),
    telling.attended(32),
    telling.missed(35),
    telling.attended(37),
    telling.corrected(37, "LEFT_EARLY", from_state="PRESENT", credited_minutes=90),
    telling.missed(65),
    telling.missed(67, consecutive=2),
)
#: The moment after the last of it.
AFTER = starts_at(67) + timedelta(minutes=30)


def told_in_order(room_of: RoomOf, history: tuple[Event, ...] = HISTORY) -> Room:
    room = room_of(Monitoring)
    room.at(AFTER)
    room.deliver(*history)
    return room


#: What stands in the tables after each story that was told in order: it is the same for every test.
_rows: dict[tuple[Event, ...], dict[str, list[str]]] = {}


def rows_in_order(room_of: RoomOf, history: tuple[Event, ...] = HISTORY) -> dict[str, list[str]]:
    if history not in _rows:
        _rows[history] = told_in_order(room_of, history).dump()
    return _rows[history]


class TestOrder:
    def test_tells_a_whole_story_in_the_first_place(self, room_of: RoomOf) -> None:
        dump = rows_in_order(room_of)

        assert len(dump["attendances"]) == 16
        assert len(dump["outreaches"]) == 9
        assert sum("'CORRECTED'" in outreach for outreach in dump["outreaches"]) == 2
        assert sum("'OPEN'" in outreach for outreach in dump["outreaches"]) == 2
        assert len(dump["escalations"]) == 2
        assert len(dump["level_reviews"]) == 3
        assert sum("None" in review for review in dump["level_reviews"]) == 1
        assert [EPISODE in timer for timer in dump["timers"]].count(True) == 2

    @pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
    def test_does_not_matter_nor_do_doubles(self, room_of: RoomOf, seed: int) -> None:
        room = room_of(Monitoring)
        room.at(AFTER)
        envelopes = [room.envelope_of(event) for event in HISTORY] * 2
        random.Random(seed).shuffle(envelopes)

        room.deliver(*envelopes)

        assert room.waiting == []
        assert room.dump() == rows_in_order(room_of)

    @pytest.mark.parametrize("seed", [11, 12])
    def test_does_not_matter_in_batches_nor_after_the_discharge(self, room_of: RoomOf, seed: int) -> None:
        history = (*HISTORY, telling.discharged(starts_at(66)))
        room = room_of(Monitoring)
        room.at(AFTER)
        envelopes = [room.envelope_of(event) for event in history]
        random.Random(seed).shuffle(envelopes)

        for start in range(0, len(envelopes), 7):
            room.deliver_together(envelopes[start : start + 7])
        for _ in range(3):
            room.settle()

        in_order = rows_in_order(room_of, history)
        assert room.dump() == in_order
        assert not [timer for timer in in_order["timers"] if "escalation" not in timer]

    def test_does_not_matter_to_what_the_timers_set_off_later(self, room_of: RoomOf) -> None:
        backwards = room_of(Monitoring)
        backwards.at(AFTER)
        backwards.deliver(*reversed(HISTORY))
        forwards = told_in_order(room_of)

        for room in (backwards, forwards):
            # Hours in which nobody answers, tier after tier; weeks of the same would tell no more.
            room.advance(timedelta(hours=6))
            for one in room.ask("list_escalations", {})["items"]:
                ids = {"escalation_id": one["escalation_id"]}
                room.call("acknowledge_escalation", ids)
                room.call("close_escalation", {**ids, "disposition": "SAFE_PLAN_IN_PLACE"})
            room.advance(timedelta(days=20))

        assert backwards.dump() == forwards.dump()
        assert len(forwards.dump()["discharge_proposals"]) == 1

    def test_does_not_matter_for_the_same_facts_announced_anew(self, room_of: RoomOf) -> None:
        room = told_in_order(room_of)
        before = room.dump()

        room.deliver(*HISTORY)

        assert room.dump() == before


class TestOrderOfDangers:
    @pytest.mark.parametrize("seed", [1, 2, 3, 4])
    def test_does_not_matter_to_who_is_paged_for_the_worst_of_them(self, room_of: RoomOf, seed: int) -> None:
        rooms = []
        for shuffled in (False, True):
            room = room_of(Monitoring)
            room.at(AFTER)
            keep(room, "ana", "ben", "mia")
            plan(room, "ben", AFTER, timedelta(days=1))
            room.clock.simulated = False
            envelopes = [room.envelope_of(event) for event in HISTORY] * (2 if shuffled else 1)
            if shuffled:
                random.Random(seed).shuffle(envelopes)
            room.deliver(*envelopes)
            rooms.append(room)
        in_order, shuffled_room = rooms

        # Which milder level was paged on the way depends on what was heard first; all else does not.
        dumps = [room.dump() for room in rooms]
        for dump in dumps:
            for table in ("pages", "notifications", "on_call_shifts"):
                del dump[table]
        assert dumps[0] == dumps[1]
        for room in (in_order, shuffled_room):
            overdose = derived_id(telling.DANA, "escalation", "OVERDOSE", "0")
            pages = room.ask("get_escalation", {"escalation_id": overdose})["pages"]
            worst = [page for page in pages if page["level"] == "E4"]
            assert [(page["staff_id"], page["paged_as"]) for page in worst] == [(staff("ben"), "on_call")]
