"""What a search of the directory costs the database, however many ways it goes: no clock is needed."""

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from services.intake import tables
from services.intake.domain import facilities, matching
from services.intake.domain.programs import Program
from services.intake.service import Intake
from shared.database import ASKED_BEFORE_PLAN_IS_KEPT
from tests.costs.counting import within
from tests.intake.test_directory import LOOP, Directory

#: Round trips and statements: what is near (asked twice where the first three other ways lead nowhere), what
#: is known of our own sites there, and the listings that are shown.
SEARCH = {"round trips": 4, "statements": 4}

#: Imported programs around one place, on many pages.
_AROUND = """
INSERT INTO programs (tenant_id, program_id, origin, name, street, city, state, zip_code, zip5, city_key,
    latitude, longitude, services, offers, approaches, listed_at, changed_at, digest)
SELECT 'lakeside', gen_random_uuid(), 'IMPORTED', 'Harbor Light', '1 Christiana Avenue', 'Chicago', 'IL',
    '60651', '60651', 'chicago', 41.8818 + n * 0.0001, -87.6232 + n * 0.0001, '[]',
    ARRAY['LEVEL:1', 'LEVEL:2.1', 'LEVEL:2.5', 'PAYER:MEDICAID'], 2, now(), now(), 'x'
FROM generate_series(1, 2000) AS n
"""

_DIFFERENT = """
UPDATE programs SET
    approaches = get_byte(decode(left(program_id::text, 2), 'hex'), 0) %% 6,
    verified_from = CASE WHEN get_byte(decode(left(program_id::text, 2), 'hex'), 0) %% 3 = 0
        THEN timestamptz '2020-01-01' END,
    verified_until = timestamptz '2040-01-01',
    accredited_until = CASE WHEN get_byte(decode(left(program_id::text, 2), 'hex'), 0) %% 4 = 0
        THEN timestamptz '2040-01-01' END
"""

_SOME_LACK_A_LEVEL = """
UPDATE programs SET offers = array_remove(offers, 'LEVEL:2.5')
WHERE get_byte(decode(left(program_id::text, 2), 'hex'), 0) %% 2 = 0
"""


class TestSearches:
    def test_near_a_site_of_ours(self, measured):
        intake = measured(Intake)
        directory = Directory(intake.room)
        directory.publish()
        directory.hear_of_group("a", [0, 2, 4])
        busy = ["MON 13:00-17:00"]

        cost = intake.cost_of(lambda: directory.search(level="2.1", busy=busy))

        assert directory.names(directory.search(level="2.1", busy=busy)) == ["Lakeside"]
        assert within(cost, SEARCH), cost

    def test_other_ways_look_at_no_more_than_the_widest_does(self, room_of):
        room = room_of(Intake)
        with room.engine.begin() as connection:
            connection.exec_driver_sql(_AROUND)
        widest = _box(50, "LEVEL:2.1")
        ways = [_box(25, "LEVEL:2.1", at_most=200), _box(25, "LEVEL:2.5"), _box(25, "LEVEL:1"), widest]

        one, all_four = _pages_of(room, [widest]), _pages_of(room, ways)

        assert one > 20
        assert all_four <= one + 5

    def test_read_those_of_others_only_that_can_be_shown(self, room_of):
        room = room_of(Intake)
        with room.engine.begin() as connection:
            connection.exec_driver_sql(_AROUND)
            # What they offer, and whether that is verified, differs from one to the next.
            connection.exec_driver_sql(_DIFFERENT)
        boxes = [_box(radius, "LEVEL:2.1", at_most=200) for radius in (1, 8, 25)]

        with room.db() as db:
            every = tables.programs_near(db, boxes, **LOOP, now=room.now)
            best = [dataclasses.replace(box, told=13) for box in boxes]
            told = tables.programs_near(db, best, **LOOP, now=room.now)

        for box, all_there, some in zip(boxes, every, told, strict=True):
            assert len(all_there.candidates) == all_there.weighed == some.weighed
            assert len(some.candidates) == 13
            assert _ranked(some.candidates, box) == _ranked(all_there.candidates, box)[:13]

    def test_puts_programs_in_the_order_in_which_each_is_weighed_by_itself(self, room_of):
        room = room_of(Intake)
        with room.engine.begin() as connection:
            connection.exec_driver_sql(_AROUND)
            connection.exec_driver_sql(_DIFFERENT)
            connection.exec_driver_sql(_SOME_LACK_A_LEVEL)
        boxes = [
            _box(3, "LEVEL:2.1", "PAYER:MEDICAID", at_most=200),
            _box(3, "LEVEL:2.5", "PAYER:MEDICAID"),
            _box(8, "PAYER:MEDICAID", "LEVEL:2.1"),
        ]

        with room.db() as db:
            rows = db.scalars(sa.select(Program)).all()
            found = tables.programs_near(db, boxes, **LOOP, now=room.now)

        for box, near in zip(boxes, found, strict=True):
            nearest = sorted(
                (one for one in rows if set(box.offers) <= set(one.offers)),
                key=lambda one: (_far(one), one.program_id),
            )[: box.at_most]
            assert near.weighed == len(nearest) == box.at_most
            assert _ranked(near.candidates, box) == _ranked(
                [_candidate(one, now=room.now) for one in nearest], box
            )

    def test_is_planned_no_more_once_it_comes_again_and_again(self, room_of):
        room = room_of(Intake)
        directory = Directory(room)
        directory.publish()
        asked = {"level": "2.1", "busy": ["MON 13:00-17:00"]}

        for _ in range(ASKED_BEFORE_PLAN_IS_KEPT):
            directory.search(**asked)

        with room.engine.connect() as connection:
            kept = connection.exec_driver_sql("SELECT statement FROM pg_prepared_statements").scalars().all()
        for part in ("WITH box AS", "LEFT JOIN program_groups", "FROM programs\n"):
            assert any(part in text for text in kept), part


def _far(program: Program) -> float:
    """Return how far away a program is on a plane, squared, as what is nearest is told."""
    north, east = program.latitude - LOOP["latitude"], program.longitude - LOOP["longitude"]
    return north * north + east * east * facilities.cosine(LOOP["latitude"]) ** 2


def _candidate(program: Program, *, now: datetime) -> matching.Candidate:
    until = program.accredited_until
    return matching.Candidate(
        program.program_id,
        None,
        program.latitude,
        program.longitude,
        program.approaches,
        program.is_verified(now=now),
        until is not None and until > now,
    )


def _ranked(near: Sequence[matching.Candidate], box: tables.Box) -> list[matching.Match]:
    """Return the programs within the circle, best first, as a search weighs them."""
    miles_to = facilities.miles_from(LOOP["latitude"], LOOP["longitude"])
    weighed = [
        matching.match(
            one,
            miles=miles_to(one.latitude, one.longitude),
            radius_miles=box.radius_miles,
            busy=[],
            groups=None,
            required=None,
        )
        for one in near
    ]
    return matching.ranked(one for one in weighed if one.miles <= box.radius_miles)


def _box(radius_miles: float, *offers: str, at_most: int = 25) -> tables.Box:
    return tables.Box(
        radius_miles=radius_miles,
        offers=offers,
        only_verified=False,
        only_ours=False,
        at_most=at_most,
        told=at_most,
    )


def _pages_of(room: Any, boxes: list[tables.Box]) -> int:
    """Return how many pages of tables and indexes are looked at to find what is near."""
    asked: list[str] = []

    def note(connection: Any, cursor: Any, text: str, parameters: Any, *others: Any) -> None:
        asked.append(cursor.mogrify(text, parameters).decode())

    sa.event.listen(room.engine, "before_cursor_execute", note)
    with room.db() as db:
        found = tables.programs_near(db, boxes, **LOOP, now=room.now)
    sa.event.remove(room.engine, "before_cursor_execute", note)
    assert [near.weighed for near in found] == [box.at_most for box in boxes]
    with room.engine.connect() as connection:
        explained = connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {asked[-1].replace('%', '%%')}"
        ).scalar_one()
    plan = explained[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
