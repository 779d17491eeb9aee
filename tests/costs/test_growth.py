"""What is asked again and again costs as much of the database after a long past as at the beginning.

Counted in pages that a statement looks at, without a clock. The planner is told nothing of the past, as in
the hours after much has come at once: a statement that is good only with fresh statistics fails here.
"""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from gateway import tables
from gateway.service import Gateway
from services.intake.service import Intake
from shared import audit, clock
from shared.messaging import backlog, outbox
from tests.support import Room

#: Rows of the past: pages enough that looking through them could not be missed.
PAST = 30_000
#: Pages that a statement may look at, however long the past is.
MOST_PAGES = 250

_SENT = f"""
INSERT INTO outbox (event_id, tenant_id, type, body, announced_at, dispatched_at)
SELECT gen_random_uuid(), 'lakeside', 'x', 'x', now(), now() FROM generate_series(1, {PAST})
"""  # a number of ours
_LINKED = f"""
INSERT INTO audit (tenant_id, acted_at, actor_id, actor_role, action, outcome, link, hash)
SELECT 'lakeside', now(), 'a', 'b', 'c', 'done', n, 'x' FROM generate_series(1, {PAST}) AS n
"""  # a number of ours
_PLACED = f"""
INSERT INTO archive (event_id, tenant_id, type, body, occurred_at, recorded_at, received_at, position)
SELECT gen_random_uuid(), 'lakeside', 'x', 'x', now(), now(), now(), n FROM generate_series(1, {PAST}) AS n
"""  # a number of ours
_UNPLACED = """
INSERT INTO archive (event_id, tenant_id, type, body, occurred_at, recorded_at, received_at)
SELECT gen_random_uuid(), 'lakeside', 'x', 'x', now(), now(), now() FROM generate_series(1, 3)
"""


def pages_of(
    engine: sa.Engine, statement: sa.Executable, given: dict[str, Any], *, first: str = "SELECT"
) -> int:
    """Return how many pages of tables and indexes a statement looks at; it is not kept.

    :param first: what is sent before it in its transaction.
    """
    asked: list[str] = []

    def note(connection: Any, cursor: Any, text: str, parameters: Any, *others: Any) -> None:
        asked.append(cursor.mogrify(text, parameters).decode())

    with engine.connect() as connection:
        connection.exec_driver_sql(first)
        sa.event.listen(engine, "before_cursor_execute", note)
        connection.execute(statement, given)
        sa.event.remove(engine, "before_cursor_execute", note)
        connection.rollback()
        connection.exec_driver_sql(first)
        explained = connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {asked[-1].replace('%', '%%')}"
        ).scalar_one()
        connection.rollback()
    plan = explained[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


@pytest.fixture
def intake(room_of: Callable[[Any], Room]) -> Room:
    return room_of(Intake)


@pytest.fixture
def gateway(room_of: Callable[[Any], Room]) -> Room:
    return room_of(Gateway)


def _put(room: Room, *statements: str) -> None:
    with room.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


class TestWithALongPast:
    def test_the_look_for_work(self, intake: Room) -> None:
        _put(intake, _SENT, _LINKED)
        asked = {"now": clock.real_now(), "timers": list(intake.host.timers), "jobs": ["import_referrals"]}

        assert pages_of(intake.engine, backlog._LOOK, asked) < MOST_PAGES

    def test_the_measure_of_the_backlog(self, intake: Room) -> None:
        _put(intake, _SENT, _LINKED)

        assert pages_of(intake.engine, backlog._MEASURE, {}) < MOST_PAGES

    def test_the_claim_of_what_is_unsent(self, intake: Room) -> None:
        _put(intake, _SENT)
        whole = {"before": outbox._EVER, "after": outbox._EVER}

        assert pages_of(intake.engine, outbox._CLAIM, whole) < MOST_PAGES

    def test_the_look_for_what_is_not_in_the_chain_of_the_audit(self, intake: Room) -> None:
        _put(intake, _LINKED)

        assert pages_of(intake.engine, audit._UNLINKED, {}, first=audit._TRY_LINK_LOCK) < MOST_PAGES

    def test_the_look_for_events_without_a_place(self, gateway: Room) -> None:
        _put(gateway, _PLACED)

        assert pages_of(gateway.engine, tables._ANY_UNPLACED, {}) < MOST_PAGES

    def test_the_places_of_new_events(self, gateway: Room) -> None:
        _put(gateway, _PLACED, _UNPLACED)

        assert pages_of(gateway.engine, tables._PLACE, {}, first=tables._TRY_PLACE_LOCK) < MOST_PAGES
