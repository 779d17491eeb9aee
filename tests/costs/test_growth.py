"""What is asked again and again costs as much of the database after a long past as at the beginning.

Counted in pages that a statement looks at, without a clock. The planner is told nothing of the past, as in
the hours after much has come at once: a statement that is good only with fresh statistics fails here.
"""

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from gateway import tables
from gateway.service import Gateway
from services.intake.service import Intake
from services.scheduling.domain.attendance import Session
from services.scheduling.service import Scheduling
from services.scheduling.tables import booking, days
from shared import audit, clock
from shared.database import Kept, by_kept_plan
from shared.ids import derived_id
from shared.many_rows import as_json
from shared.messaging import inbox, outbox, timers
from shared.messaging.oversight import backlog
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
#: As after an outage, or where the sessions of many sites began at one hour.
_DUE_AT_ONCE = f"""
INSERT INTO timers (tenant_id, name, key, due_at, data, correlation_id)
SELECT 'lakeside', 'attendance_grace_over', gen_random_uuid(), timestamptz '2026-02-02 18:15Z', '{{}}', 'c'
FROM generate_series(1, {PAST})
"""  # a number of ours
#: Sessions of a program's first weeks, eight people in each, all of whom came.
_SESSIONS, _IN_EACH = 100, 8
#: Pages for what one of them attended on a day: with every session, the seats would take ten times as many.
_PAGES_OF_A_DAY = 8_000
_HELD = f"""
INSERT INTO sessions (session_id, tenant_id, site_id, kind, modality, facilitator_id, starts_at, ends_at,
    clinical_minutes, capacity, state, roster_asked)
SELECT md5('session ' || n)::uuid, 'lakeside', md5('site')::uuid, 'GROUP', 'CBT',
    md5('facilitator ' || n)::uuid, timestamptz '2026-02-02 18:00Z' + mod(n, 30) * interval '1 day',
    timestamptz '2026-02-02 21:00Z' + mod(n, 30) * interval '1 day', 165, 12, 'PLANNED', 'DONE'
FROM generate_series(1, {_SESSIONS}) AS n
"""  # a number of ours
_LED = f"""
INSERT INTO sessions (session_id, tenant_id, site_id, kind, modality, facilitator_id, starts_at, ends_at,
    clinical_minutes, capacity, state, roster_asked)
SELECT gen_random_uuid(), 'lakeside', md5('site')::uuid, 'GROUP', 'CBT',
    md5('facilitator ' || mod(n, 100))::uuid,
    timestamptz '2025-02-02 18:00Z' + n / 100 * interval '1 day',
    timestamptz '2025-02-02 21:00Z' + n / 100 * interval '1 day', 165, 12, 'PLANNED', 'DONE'
FROM generate_series(1, {PAST}) AS n
"""  # a number of ours
_CAME = f"""
INSERT INTO seats (seat_id, tenant_id, session_id, patient_id, episode_id, journey_id, capacity, number,
    starts_at, ends_at, state, credited_minutes, told, revision)
SELECT gen_random_uuid(), tenant_id, session_id, gen_random_uuid(), md5('episode ' || k)::uuid,
    gen_random_uuid(), 12, k, starts_at, ends_at, 'PRESENT', 165, true, 0
FROM sessions, generate_series(1, {_IN_EACH}) AS k
"""  # a number of ours


def pages_of(
    engine: sa.Engine, statement: sa.Executable | str, given: dict[str, Any], *, first: Kept | str = "SELECT"
) -> int:
    """Return how many pages of tables and indexes a statement looks at; it is not kept.

    :param first: what is sent before it in its transaction.
    """
    asked: list[str] = []

    def note(connection: Any, cursor: Any, text: str, parameters: Any, *others: Any) -> None:
        asked.append(cursor.mogrify(text, parameters).decode())

    with engine.connect() as connection:
        before = first if isinstance(first, str) else by_kept_plan(connection, first)
        connection.exec_driver_sql(before)
        sa.event.listen(engine, "before_cursor_execute", note)
        if isinstance(statement, str):
            connection.exec_driver_sql(statement, given)
        else:
            connection.execute(statement, given)
        sa.event.remove(engine, "before_cursor_execute", note)
        connection.rollback()
        connection.exec_driver_sql(before)
        explained = connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {asked[-1].replace('%', '%%')}"
        ).scalar_one()
        connection.rollback()
    plan = explained[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


@pytest.fixture
def intake(room_of: Callable[[Any], Room]) -> Iterator[Room]:
    with _as_new(room_of(Intake)) as room:
        yield room


@pytest.fixture
def scheduling(room_of: Callable[[Any], Room]) -> Iterator[Room]:
    with _as_new(room_of(Scheduling)) as room:
        yield room


@pytest.fixture
def gateway(room_of: Callable[[Any], Room]) -> Iterator[Room]:
    with _as_new(room_of(Gateway)) as room:
        yield room


@contextlib.contextmanager
def _as_new(room: Room) -> Iterator[Room]:
    """Take away what other tests left: rows that are dead, and what the planner learned of them.

    Nor does it learn anything meanwhile: the server looks at tables that have grown every few seconds.
    """
    with room.engine.begin() as connection:
        names = sorted(set(sa.inspect(connection).get_table_names()) - {"alembic_version"})
        for name in names:
            connection.exec_driver_sql(f"ALTER TABLE {name} SET (autovacuum_enabled = off)")
        connection.exec_driver_sql(f"TRUNCATE {', '.join(names)} CASCADE")
        connection.exec_driver_sql("DELETE FROM pg_statistic WHERE starelid >= 16384")
    yield room
    with room.engine.begin() as connection:
        for name in names:
            connection.exec_driver_sql(f"ALTER TABLE {name} RESET (autovacuum_enabled)")


def _put(room: Room, *statements: str) -> None:
    with room.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


class TestWithALongPast:
    def test_the_look_for_work(self, intake: Room) -> None:
        _put(intake, _SENT, _LINKED)
        now, known = clock.real_now(), list(intake.host.timers)
        asked = {"timers": known, "jobs": ["import_referrals"], "of_later_version": inbox.ALL_REACTIONS}

        assert pages_of(intake.engine, backlog._LOOK, {**asked, "now": now, "real_now": now}) < MOST_PAGES

    def test_the_timers_that_fire_next_of_many_that_are_due_at_one_moment(self, scheduling: Room) -> None:
        _put(scheduling, _DUE_AT_ONCE)
        now = clock.real_now()
        asked = {"now": now, "real_now": now, "known": list(scheduling.host.timers)}
        of_kind = {"tenant_id": "lakeside", "name": "attendance_grace_over", "keys": [], "at_most": 20}

        assert pages_of(scheduling.engine, timers._DUE, asked) < MOST_PAGES
        assert pages_of(scheduling.engine, timers._MORE_DUE, asked | of_kind) < MOST_PAGES

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

    def test_what_some_people_attended_on_a_day(self, scheduling: Room) -> None:
        _put(scheduling, _HELD, _CAME)
        with scheduling.engine.connect() as connection:
            somebody = connection.exec_driver_sql("SELECT CAST(episode_id AS text) FROM seats").scalar()
        day = {
            "since": datetime(2026, 2, 9, tzinfo=UTC),
            "until": datetime(2026, 2, 10, tzinfo=UTC),
            "of_tenant": "lakeside",
            "of_episodes": [somebody],
            "of_days": [somebody],
        }

        # The seats are looked through once, and once with each session of the day: not with every session.
        assert pages_of(scheduling.engine, days._ATTENDED, day) < _PAGES_OF_A_DAY

    def test_what_there_is_on_dates_to_be_booked(self, scheduling: Room) -> None:
        _put(scheduling, _LED)
        with scheduling.engine.connect() as connection:
            known = "SELECT CAST(session_id AS text), CAST(facilitator_id AS text) FROM sessions LIMIT 1"
            session_id, facilitator_id = connection.exec_driver_sql(known).one()
        dates = {
            "earliest": datetime(2026, 2, 8, tzinfo=UTC),
            "since": datetime(2026, 2, 9, tzinfo=UTC),
            "until": datetime(2026, 2, 23, tzinfo=UTC),
            "of_sessions": [session_id],
            "of_leaders": [facilitator_id],
        }

        # As a session narrows it.
        of_tenant = booking._ON_DATES.where(Session.tenant_id == "lakeside")

        assert pages_of(scheduling.engine, of_tenant, dates) < MOST_PAGES

    def test_the_look_for_events_without_a_place(self, gateway: Room) -> None:
        _put(gateway, _PLACED)

        assert pages_of(gateway.engine, tables._ANY_UNPLACED, {}) < MOST_PAGES

    def test_the_places_of_new_events(self, gateway: Room) -> None:
        _put(gateway, _PLACED, _UNPLACED)

        assert pages_of(gateway.engine, tables._PLACE, {}, first=tables._TRY_PLACE_LOCK) < MOST_PAGES

    def test_events_that_get_their_places_as_they_are_kept(self, gateway: Room) -> None:
        told = {"tenant_id": "lakeside", "received_at": datetime.now(UTC)}
        with gateway.engine.connect() as connection:
            place, keep = (by_kept_plan(connection, one) for one in (tables._TRY_PLACE_LOCK, tables._KEEP))
            # The plan is made while there is next to nothing, and kept.
            for number in range(10):
                connection.exec_driver_sql(place)
                connection.exec_driver_sql(keep, told | {"rows": _one_event(number)})
            connection.rollback()
            _put(gateway, _PLACED)
            connection.exec_driver_sql(place)
            explained = connection.exec_driver_sql(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {keep}", told | {"rows": _one_event(10)}
            ).scalar_one()
        plan = explained[0]["Plan"]

        assert int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]) < MOST_PAGES


def _one_event(number: int) -> str:
    now = datetime.now(UTC)
    told = {"type": "x", "body": "x", "occurred_at": now, "recorded_at": now, "number": 1}
    return as_json([{"event_id": derived_id("event", str(number)), **told}])
