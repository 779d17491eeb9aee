"""What is old is forgotten, a little at a time; what somebody still needs is not."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.monitoring.service import Monitoring
from shared import audit
from shared.contracts.intake import LegalHoldPlaced, LegalHoldReleased
from shared.ids import first_id_at, new_id
from shared.messaging.commands import commands
from shared.messaging.inbox import inbox
from shared.messaging.outbox import outbox
from shared.messaging.oversight import pruning
from shared.messaging.oversight.pruning import BATCH, prune
from shared.notification.tables import notifications
from shared.safety import safety_watch
from tests.support import TENANT, Room

NOW = datetime.now(UTC)
LAST_MONTH = NOW - timedelta(days=31)
LAST_WEEK = NOW - timedelta(days=7)


@pytest.fixture
def room(room_of: Callable[[type], Room]) -> Room:
    return room_of(Monitoring)


def id_made_at(moment: datetime, number: int = 0) -> str:
    """Return an event's id as it would have been made then."""
    return str(uuid.UUID(int=(int(moment.timestamp() * 1000) << 80) | (7 << 76) | number))


def received(room: Room, state: str, at: datetime, *, count: int = 1) -> None:
    rows = [
        {
            "event_id": id_made_at(at, number),
            "reaction": f"reach_out_{state}",
            "tenant_id": TENANT,
            "type": "session_missed",
            "state": state,
            "received_at": at + timedelta(seconds=1),
        }
        for number in range(count)
    ]
    with room.engine.begin() as connection:
        connection.execute(inbox.insert(), rows)


def announced(room: Room, at: datetime, *, dispatched: bool) -> None:
    with room.engine.begin() as connection:
        connection.execute(
            outbox.insert().values(
                event_id=id_made_at(at, int(dispatched)),
                tenant_id=TENANT,
                type="session_missed",
                body=b"{}",
                announced_at=at,
                dispatched_at=at + timedelta(seconds=1) if dispatched else None,
            )
        )


def answered(room: Room, at: datetime, *, state: str = "done") -> None:
    with room.engine.begin() as connection:
        connection.execute(
            commands.insert().values(
                tenant_id=TENANT,
                command_id=id_made_at(at, len(state)),
                name="close_escalation",
                fingerprint=bytes(32),
                state=state,
                carried_out_at=at,
            )
        )


def notified(room: Room, at: datetime, *, state: str, patient_id: str | None = None) -> None:
    with room.engine.begin() as connection:
        connection.execute(
            notifications.insert().values(
                notification_id=id_made_at(at, len(state)),
                tenant_id=TENANT,
                template="STAFF_PAGE",
                codes={},
                about_id="an escalation",
                patient_id=patient_id,
                urgent=True,
                time_zone="UTC",
                channel="EMAIL",
                address_sealed=b"sealed",
                state=state,
                created_at=at,
                give_up_at=at + timedelta(minutes=10),
                settled_at=None if state == "waiting" else at,
                correlation_id=id_made_at(at),
            )
        )


def scans_in(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return how a statement looks for rows."""
    if "Scan" in plan["Node Type"] and "Heap" not in plan["Node Type"]:
        yield plan
    for part in plan.get("Plans", ()):
        yield from scans_in(part)


def kept(room: Room, table: sa.Table, column: str) -> list[Any]:
    with room.engine.connect() as connection:
        return sorted(connection.scalars(sa.select(table.c[column])))


class TestPrune:
    def test_forgets_reactions_that_are_done_or_skipped_and_old(self, room: Room) -> None:
        for state in ("done", "skipped"):
            received(room, state, LAST_MONTH)
        received(room, "done", LAST_WEEK)

        assert prune(room.host) == 2
        assert kept(room, inbox, "event_id") == [id_made_at(LAST_WEEK)]

    def test_keeps_what_waits_or_was_parked_however_old(self, room: Room) -> None:
        for state in ("waiting", "parked"):
            received(room, state, LAST_MONTH)

        assert prune(room.host) == 0
        assert kept(room, inbox, "state") == ["parked", "waiting"]

    def test_keeps_events_that_were_never_sent(self, room: Room) -> None:
        announced(room, LAST_MONTH, dispatched=True)
        announced(room, LAST_MONTH, dispatched=False)
        announced(room, LAST_WEEK, dispatched=True)

        assert prune(room.host) == 1
        assert kept(room, outbox, "event_id") == [id_made_at(LAST_MONTH, 0), id_made_at(LAST_WEEK, 1)]

    def test_keeps_an_answer_for_three_days_and_a_job_until_it_is_done(self, room: Room) -> None:
        # Of now: whoever collected these tests may have taken an hour to come here.
        now = datetime.now(UTC)
        answered(room, now - timedelta(hours=71))
        answered(room, now - timedelta(hours=73))
        answered(room, now - timedelta(hours=73), state="running")

        assert prune(room.host) == 1
        assert kept(room, commands, "state") == ["done", "running"]

    def test_forgets_notifications_that_are_settled(self, room: Room) -> None:
        for state in ("sent", "failed", "waiting"):
            notified(room, LAST_MONTH, state=state)
        notified(room, LAST_WEEK, state="suppressed")

        assert prune(room.host) == 2
        assert kept(room, notifications, "state") == ["suppressed", "waiting"]

    def test_forgets_nothing_about_a_patient_under_a_legal_hold(self, room: Room) -> None:
        held, free, hold_id = new_id(), new_id(), new_id()
        told = {"hold_id": hold_id, "patient_id": held, "journey_id": new_id()}
        room.deliver(LegalHoldPlaced(**told, kind="SUBPOENA", placed_at=room.now))
        notified(room, LAST_MONTH, state="sent", patient_id=held)
        notified(room, LAST_MONTH, state="failed", patient_id=free)

        while_held = prune(room.host)
        kept_then = kept(room, notifications, "state")
        room.deliver(LegalHoldReleased(**told, released_at=room.now))

        assert (while_held, kept_then) == (1, ["sent"])
        assert prune(room.host) == 1
        assert kept(room, notifications, "state") == []

    def test_heeds_a_hold_whose_release_was_told_first(self, room: Room) -> None:
        told = {"hold_id": new_id(), "patient_id": new_id(), "journey_id": new_id()}
        room.deliver(LegalHoldReleased(**told, released_at=room.now))
        room.deliver(LegalHoldPlaced(**told, kind="SUBPOENA", placed_at=room.now))
        notified(room, LAST_MONTH, state="sent", patient_id=told["patient_id"])

        assert prune(room.host) == 1

    def test_forgets_dangers_that_were_confirmed_and_no_other(self, room: Room) -> None:
        for number, state in enumerate(("confirmed", "paged", "waiting")):
            with room.engine.begin() as connection:
                connection.execute(
                    safety_watch.insert().values(
                        concern_id=id_made_at(LAST_MONTH, number),
                        tenant_id=TENANT,
                        patient_id=id_made_at(LAST_MONTH),
                        level="E4",
                        announced_at=LAST_MONTH,
                        page_at=LAST_MONTH,
                        state=state,
                        settled_at=None if state == "waiting" else LAST_MONTH,
                        correlation_id=id_made_at(LAST_MONTH),
                    )
                )

        assert prune(room.host) == 1
        assert kept(room, safety_watch, "state") == ["paged", "waiting"]

    def test_remembers_for_as_long_as_the_setting_says(self, room: Room) -> None:
        received(room, "done", LAST_WEEK)
        room.host.settings = room.host.settings.__class__(inbox_memory_days=6)

        assert prune(room.host) == 1

    def test_leaves_the_audit_as_it_is(self, room: Room) -> None:
        room.call("raise_safety_concern", {"patient_id": id_made_at(NOW), "concern": "OVERDOSE"})
        with room.engine.begin() as connection:
            connection.execute(audit.audit.update().values(acted_at=LAST_MONTH - timedelta(days=4000)))

        prune(room.host)

        assert kept(room, audit.audit, "action") == ["raise_safety_concern"]

    def test_goes_on_batch_by_batch_until_all_is_forgotten(
        self, room: Room, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batches: list[int] = []
        done = pruning._prune_batch
        monkeypatch.setattr(
            pruning, "_prune_batch", lambda *about: batches.append(done(*about)) or batches[-1]
        )
        received(room, "done", LAST_MONTH, count=2 * BATCH + 17)

        assert prune(room.host) == 2 * BATCH + 17
        assert [count for count in batches if count] == [BATCH, BATCH, 17]

    def test_looks_at_nothing_that_stays(self, room: Room) -> None:
        received(room, "done", LAST_WEEK, count=20_000)
        received(room, "done", LAST_MONTH, count=10)
        (forget,) = (str(one) for one in pruning._STATEMENTS if "FROM inbox" in str(one))
        moments = {"before": NOW - timedelta(days=30), "id_before": first_id_at(NOW - timedelta(days=30))}
        with room.engine.begin() as connection:
            connection.execute(sa.text("ANALYZE inbox"))
            plan = connection.scalar(sa.text(f"EXPLAIN (ANALYZE, FORMAT JSON) {forget}"), moments)

        scans = list(scans_in(plan[0]["Plan"]))
        assert {scan["Node Type"] for scan in scans} <= {"Index Scan", "Bitmap Index Scan", "Tid Scan"}
        assert all(scan.get("Rows Removed by Filter", 0) == 0 for scan in scans)

    def test_leaves_it_to_the_copy_that_is_at_it(self, room: Room) -> None:
        received(room, "done", LAST_MONTH)
        with room.engine.begin() as other_copy:
            other_copy.execute(sa.select(sa.func.pg_advisory_xact_lock(pruning._PRUNE_LOCK)))

            assert prune(room.host) == 0

        assert prune(room.host) == 1

    def test_waits_for_no_row_that_somebody_holds(self, room: Room) -> None:
        received(room, "done", LAST_MONTH, count=2)
        with room.engine.begin() as holder:
            holder.execute(
                sa.select(inbox).where(inbox.c.event_id == id_made_at(LAST_MONTH)).with_for_update()
            )

            assert prune(room.host) == 1

        assert prune(room.host) == 1
