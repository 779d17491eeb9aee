"""What a search of the directory costs the database, however many ways it goes: no clock is needed."""

from typing import Any

import sqlalchemy as sa

from services.intake import tables
from services.intake.service import Intake
from tests.costs.counting import within
from tests.intake.test_directory import LOOP, Directory

#: Round trips and statements: what is near (asked twice where the first three other ways lead nowhere), what
#: is known of our own sites there, and the listings that are shown.
SEARCH = {"round trips": 5, "statements": 5}

#: Imported programs around one place, on many pages.
_AROUND = """
INSERT INTO programs (tenant_id, program_id, origin, name, street, city, state, zip_code, zip5, city_key,
    latitude, longitude, services, offers, approaches, listed_at, changed_at, digest)
SELECT 'lakeside', gen_random_uuid(), 'IMPORTED', 'Harbor Light', '1 Christiana Avenue', 'Chicago', 'IL',
    '60651', '60651', 'chicago', 41.8818 + n * 0.0001, -87.6232 + n * 0.0001, '[]',
    ARRAY['LEVEL:1', 'LEVEL:2.1', 'LEVEL:2.5', 'PAYER:MEDICAID'], 2, now(), now(), 'x'
FROM generate_series(1, 2000) AS n
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


def _box(radius_miles: float, *offers: str, at_most: int = 25) -> tables.Box:
    return tables.Box(
        radius_miles=radius_miles, offers=offers, only_verified=False, only_ours=False, at_most=at_most
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
    assert [len(near) for near in found] == [box.at_most for box in boxes]
    with room.engine.connect() as connection:
        explained = connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {asked[-1].replace('%', '%%')}"
        ).scalar_one()
    plan = explained[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
