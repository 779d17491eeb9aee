"""The roster on a real database: contacts, shifts, gaps that are refused or shouted about, the proof."""

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from services.monitoring import tables
from services.monitoring.service import Monitoring
from shared import telemetry
from shared.contracts.common import NotificationSettled, TaskClosed, TaskOpened
from shared.contracts.monitoring import (
    OnCallGapFound,
    OnCallShiftPlanned,
    OnCallShiftWithdrawn,
    PagePathBroken,
    PagePathProven,
)
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.messaging.oversight import backlog
from shared.notification.tables import notifications
from tests.monitoring import telling
from tests.monitoring.duty import AS_SUE, keep, plan, settled, staff
from tests.monitoring.telling import ADMITTED_AT
from tests.support import TENANT, Room, settings_for_tests

RoomOf = Callable[[type], Room]

CHICAGO = ZoneInfo("America/Chicago")


@pytest.fixture
def room(room_of: RoomOf) -> Room:
    """Return a room of a site whose staff can be paged; nobody has the duty yet."""
    room = room_of(Monitoring)
    room.at(ADMITTED_AT)
    room.deliver(telling.site_opened())
    keep(room, "ana", "ben", "sue", "mia")
    return room


def cover(room: Room, since: datetime, *, days: int, name: str = "ana") -> list[str]:
    """Have somebody on duty, a week at a time."""
    ends = since + timedelta(days=days)
    shifts = []
    while since < ends:
        until = min(since + timedelta(days=7), ends)
        shifts.append(plan(room, name, since, until))
        since = until
    return shifts


def open_tasks(room: Room, kind: str) -> list[TaskOpened]:
    closed = {event.task_id for event in room.announced_of(TaskClosed)}
    return [
        task for task in room.announced_of(TaskOpened) if task.task == kind and task.task_id not in closed
    ]


def gaps(room: Room) -> list[tuple[str, str | None]]:
    return [(gap["starts_at"], gap["ends_at"]) for gap in room.ask("list_on_call_gaps", {})["items"]]


def written(room: Room) -> list[tuple[str, bool]]:
    """Return the templates of what was written to people, and whether it was urgent."""
    with room.engine.connect() as connection:
        rows = connection.execute(
            sa.select(notifications.c.template, notifications.c.urgent).order_by(notifications.c.template)
        )
        return [(row.template, row.urgent) for row in rows]


class TestStaffContact:
    def test_is_kept_encrypted_and_shown_masked(self, room: Room) -> None:
        items = room.ask("list_staff_contacts", {})["items"]

        assert {item["address"] for item in items} == {
            "mailto:…@example.org",
            "https://pager.example.org/…",
        }
        with room.engine.connect() as connection:
            sealed = connection.scalars(sa.select(tables.staff_contacts.c.address_sealed)).all()
        assert not [value for value in sealed if b"example" in bytes(value)]

    def test_is_changed_in_its_place(self, room: Room) -> None:
        keep(room, "ana", address="mailto:ana@elsewhere.example", role="counselor")

        (ana,) = [
            item for item in room.ask("list_staff_contacts", {})["items"] if item["staff_id"] == staff("ana")
        ]
        assert (ana["role"], ana["address"]) == ("counselor", "mailto:…@elsewhere.example")

    @pytest.mark.parametrize("address", ["ana@example.org", "mailto:ana", "https://", "ftp://example.org/"])
    def test_needs_an_address_that_something_can_be_sent_to(self, room: Room, address: str) -> None:
        with pytest.raises(InvalidInput) as refusal:
            keep(room, "ana", address=address)
        assert refusal.value.problems[0]["field"] == "address"

    def test_is_kept_by_those_who_keep_the_roster(self, room: Room) -> None:
        contact = {"staff_id": staff("eve"), "role": "clinician", "address": "mailto:eve@example.org"}

        with pytest.raises(Forbidden):
            room.call("keep_staff_contact", contact, role="clinician")
        room.call("keep_staff_contact", contact, role="operations")

    def test_of_another_tenant_is_nobodys_business(self, room: Room) -> None:
        assert room.ask("list_staff_contacts", {}, tenant_id="riverside")["items"] == []
        keep(room, "ana")
        room.call(
            "keep_staff_contact",
            {"staff_id": staff("ana"), "role": "clinician", "address": "mailto:a@riverside.example"},
            tenant_id="riverside",
            **AS_SUE,
        )

        assert len(room.ask("list_staff_contacts", {}, tenant_id="riverside")["items"]) == 1
        assert len(room.ask("list_staff_contacts", {})["items"]) == 4

    def test_stays_active_while_their_duty_is_near_and_nobody_relieves_them(self, room: Room) -> None:
        cover(room, room.now, days=3)

        with pytest.raises(Conflict) as refusal:
            keep(room, "ana", active=False)
        assert refusal.value.code == "on_call_gap_left"
        plan(room, "ben", room.now, timedelta(days=2))
        keep(room, "ana", active=False)

        shifts = room.ask("list_on_call_shifts", {})["items"]
        assert [shift["staff_id"] for shift in shifts] == [staff("ben")]


class TestShift:
    def test_is_planned_for_somebody_who_can_be_paged(self, room: Room) -> None:
        shift_id = plan(room, "ana", room.now, timedelta(hours=12))

        (shift,) = room.ask("list_on_call_shifts", {})["items"]
        assert (shift["shift_id"], shift["staff_id"], shift["on_duty"]) == (shift_id, staff("ana"), True)
        assert room.announced_of(OnCallShiftPlanned)[0].shift_id == shift_id
        with pytest.raises(NotFound):
            plan(room, "cleo", room.now, timedelta(hours=12))

    def test_is_withdrawn_where_no_near_gap_is_left(self, room: Room) -> None:
        cover(room, room.now, days=7)
        relieved = plan(room, "ben", room.now, timedelta(days=1))

        room.call("withdraw_on_call_shift", {"shift_id": relieved}, role="operations")

        assert len(room.ask("list_on_call_shifts", {})["items"]) == 1
        assert room.announced_of(OnCallShiftWithdrawn)[0].shift_id == relieved
        with pytest.raises(Conflict):
            room.call("withdraw_on_call_shift", {"shift_id": relieved}, role="operations")

    def test_is_not_withdrawn_over_a_near_gap_but_by_a_supervisor_with_a_reason(self, room: Room) -> None:
        (shift_id,) = cover(room, room.now, days=7)

        with pytest.raises(Conflict) as refusal:
            room.call("withdraw_on_call_shift", {"shift_id": shift_id}, **AS_SUE)
        assert "2026-02-02T15:00Z" in refusal.value.detail
        accepted = {"shift_id": shift_id, "accept_gap": True, "reason": "Ana is ill, Ben is on his way."}
        with pytest.raises(Forbidden):
            room.call("withdraw_on_call_shift", accepted, role="operations")
        room.call("withdraw_on_call_shift", accepted, **AS_SUE)

        assert gaps(room) == [("2026-02-02T15:00:00Z", None)]
        (task,) = open_tasks(room, "on_call_gap")
        assert task.owner_role == "medical_director"

    def test_of_another_tenant_cannot_be_withdrawn(self, room: Room) -> None:
        (shift_id,) = cover(room, room.now, days=1)

        with pytest.raises(NotFound):
            room.call("withdraw_on_call_shift", {"shift_id": shift_id}, tenant_id="riverside", **AS_SUE)


class TestGap:
    def test_is_shouted_about_once_when_the_roster_is_empty(self, room: Room) -> None:
        room.advance(timedelta(days=3))

        (found,) = room.announced_of(OnCallGapFound)
        assert (found.gap_starts_at, found.gap_ends_at) == (ADMITTED_AT, None)
        (task,) = open_tasks(room, "on_call_gap")
        assert task.owner_role == "medical_director"
        # Both who could fill it, every day anew, at any hour.
        assert written(room).count(("ON_CALL_GAP", True)) == 8

    def test_that_is_near_is_told_when_the_roster_changes_and_when_a_day_begins(self, room: Room) -> None:
        cover(room, room.now, days=5)

        ahead = room.announced_of(OnCallGapFound)[-1]
        assert ahead.gap_starts_at == ADMITTED_AT + timedelta(days=5)
        (task,) = open_tasks(room, "on_call_gap")
        assert (task.owner_role, task.due_at) == ("supervisor", ahead.gap_starts_at)

        cover(room, ahead.gap_starts_at, days=7)
        assert open_tasks(room, "on_call_gap") == []
        room.advance(timedelta(days=6))

        later = room.announced_of(OnCallGapFound)[-1]
        assert later.gap_starts_at == ADMITTED_AT + timedelta(days=12)
        assert len(open_tasks(room, "on_call_gap")) == 1

    def test_is_filled_by_a_shift(self, room: Room) -> None:
        cover(room, room.now, days=5)
        (before,) = open_tasks(room, "on_call_gap")

        cover(room, room.now + timedelta(days=5), days=7, name="ben")

        (closed,) = [event for event in room.announced_of(TaskClosed) if event.task_id == before.task_id]
        assert closed.outcome == "DONE"
        assert gaps(room) == []

    def test_goes_to_the_medical_director_when_it_begins_and_is_over_when_it_ends(self, room: Room) -> None:
        begins = ADMITTED_AT + timedelta(days=2)
        cover(room, room.now, days=2)
        cover(room, begins + timedelta(hours=3), days=7)

        room.advance(begins - timedelta(seconds=1))
        assert [task.owner_role for task in open_tasks(room, "on_call_gap")] == ["supervisor"]
        room.advance(begins)
        assert [task.owner_role for task in open_tasks(room, "on_call_gap")] == ["medical_director"]
        room.advance(begins + timedelta(hours=3))

        assert open_tasks(room, "on_call_gap") == []
        assert room.announced_of(TaskClosed)[-1].outcome == "WITHDRAWN"

    def test_is_a_metric_while_nobody_has_the_duty(self, room: Room) -> None:
        cover(room, room.now, days=2)
        cover(room, room.now + timedelta(days=2, hours=3), days=5)
        seen = []

        for hours in (47, 48, 50, 51):
            room.advance(ADMITTED_AT + timedelta(hours=hours))
            backlog.measure(room.host)
            seen.append(telemetry.nobody_on_call.collect()[0].samples[0].value)

        assert seen == [0, 1, 1, 0]

    def test_of_one_tenant_is_not_another_ones(self, room: Room) -> None:
        room.call(
            "keep_staff_contact",
            {"staff_id": staff("ana"), "role": "supervisor", "address": "mailto:a@riverside.example"},
            tenant_id="riverside",
            **AS_SUE,
        )
        cover(room, room.now, days=7)
        cover(room, room.now + timedelta(days=7), days=7)

        room.advance(timedelta(days=1))

        told = [one for one in room.announced_envelopes if isinstance(one.event, OnCallGapFound)]
        assert [one.tenant_id for one in told] == ["riverside"]
        unanswered = [
            one.tenant_id
            for one in room.announced_envelopes
            if isinstance(one.event, PagePathBroken) and one.event.reason == "NOBODY_ON_CALL"
        ]
        assert set(unanswered) == {"riverside"}


def proofs_of(room: Room) -> list[str]:
    """Return the ids of the test pages, in order."""
    with room.engine.connect() as connection:
        return list(
            connection.scalars(
                sa.select(tables.page_proofs.c.proof_id).order_by(
                    tables.page_proofs.c.asked_at, tables.page_proofs.c.staff_id
                )
            )
        )


class TestProofOfPagePath:
    @pytest.fixture
    def room(self, room: Room) -> Room:
        """Return a room on real time, with Ana on duty, on the Tuesday before nine o'clock."""
        cover(room, room.now, days=14)
        room.clock.simulated = False
        room.fire_due()
        room.advance(datetime(2026, 2, 3, 8, 59, tzinfo=CHICAGO))
        return room

    def hear(self, room: Room, proof_id: str, outcome: str) -> None:
        room.deliver(settled(proof_id, outcome, about_id=proof_id, at=room.now, template="PAGE_TEST"))

    def test_is_asked_for_once_a_day_at_nine_from_everybody_on_duty(self, room: Room) -> None:
        before = len(proofs_of(room))
        room.advance(datetime(2026, 2, 3, 9, 0, tzinfo=CHICAGO))
        assert len(proofs_of(room)) == before + 1
        plan(room, "ben", room.now, timedelta(days=5))

        room.advance(datetime(2026, 2, 4, 9, 0, tzinfo=CHICAGO))

        assert len(proofs_of(room)) == before + 3
        assert ("PAGE_TEST", True) in written(room)

    def test_is_there_when_the_test_left(self, room: Room) -> None:
        room.advance(datetime(2026, 2, 3, 9, 0, tzinfo=CHICAGO))
        proof_id = proofs_of(room)[-1]

        self.hear(room, proof_id, "SENT")
        self.hear(room, proof_id, "FAILED")
        room.advance(timedelta(hours=3))

        assert [event.proof_id for event in room.announced_of(PagePathProven)] == [proof_id]
        assert proof_id not in [event.proof_id for event in room.announced_of(PagePathBroken)]

    def test_is_broken_when_it_did_not_until_a_later_test_leaves(self, room: Room) -> None:
        room.advance(datetime(2026, 2, 3, 9, 0, tzinfo=CHICAGO))
        self.hear(room, proofs_of(room)[-1], "FAILED")

        (task,) = open_tasks(room, "page_path_broken")
        assert (task.owner_role, task.reason) == ("supervisor", "FAILED")
        room.advance(datetime(2026, 2, 4, 9, 0, tzinfo=CHICAGO))
        self.hear(room, proofs_of(room)[-1], "FAILED")
        assert open_tasks(room, "page_path_broken") == [task]
        room.advance(datetime(2026, 2, 5, 9, 0, tzinfo=CHICAGO))
        self.hear(room, proofs_of(room)[-1], "SENT")

        assert open_tasks(room, "page_path_broken") == []

    def test_is_broken_when_nothing_is_heard_of_it(self, room: Room) -> None:
        room.advance(datetime(2026, 2, 3, 9, 0, tzinfo=CHICAGO))
        proof_id = proofs_of(room)[-1]

        room.advance(timedelta(hours=2))
        assert proof_id in [event.proof_id for event in room.announced_of(PagePathBroken)]
        self.hear(room, proof_id, "SENT")

        assert [event.proof_id for event in room.announced_of(PagePathProven)] == [proof_id]
        assert [task for task in open_tasks(room, "page_path_broken") if task.about_id == proof_id] == []

    def test_is_asked_for_anew_of_whoever_has_another_address_now(self, room: Room) -> None:
        room.advance(datetime(2026, 2, 3, 9, 0, tzinfo=CHICAGO))
        self.hear(room, proofs_of(room)[-1], "FAILED")

        keep(room, "ana", address="mailto:ana@elsewhere.example")

        assert open_tasks(room, "page_path_broken") == []

    @pytest.mark.parametrize("zone_day", ["2026-03-08", "2026-11-01"])
    def test_is_asked_for_at_nine_on_the_day_the_clocks_change_too(
        self, room_of: RoomOf, zone_day: str
    ) -> None:
        room = room_of(Monitoring)
        nine = datetime.fromisoformat(f"{zone_day}T09:00").replace(tzinfo=CHICAGO)
        room.at(nine - timedelta(hours=20))
        keep(room, "ana")
        cover(room, room.now, days=3)
        room.fire_due()
        before = len(proofs_of(room))

        room.advance(nine - timedelta(seconds=1))
        assert len(proofs_of(room)) == before
        room.advance(nine)

        assert len(proofs_of(room)) == before + 1


class TestProofOfFallback:
    """The addresses that are left when everything else failed are proven as the roster's are."""

    LAST = "https://pager.example.org/last"

    @pytest.fixture
    def room(self, room: Room) -> Room:
        """Return a room on real time, with Ana on duty and two fallback addresses, before nine o'clock."""
        cover(room, room.now, days=14)
        self.keep_fallback(room, self.LAST, "mailto:last@example.org")
        room.clock.simulated = False
        room.fire_due()
        self.hear(room, "SENT", *proofs_of(room))
        room.advance(datetime(2026, 2, 3, 8, 59, tzinfo=CHICAGO))
        return room

    def keep_fallback(self, room: Room, *addresses: str) -> None:
        room.host.settings = settings_for_tests(HOMEWARD_FALLBACK_PAGE=f"{TENANT}={' '.join(addresses)}")

    def fallback_proofs(self, room: Room) -> list[str]:
        with room.engine.connect() as connection:
            return list(
                connection.scalars(
                    sa.select(tables.page_proofs.c.proof_id)
                    .where(tables.page_proofs.c.to_fallback)
                    .order_by(tables.page_proofs.c.asked_at)
                )
            )

    def tasks(self, room: Room) -> list[TaskOpened]:
        return [task for task in open_tasks(room, "page_path_broken") if task.reason.startswith("FALLBACK")]

    def hear(self, room: Room, outcome: str, *proof_ids: str) -> None:
        for proof_id in proof_ids:
            room.deliver(settled(proof_id, outcome, about_id=proof_id, at=room.now, template="PAGE_TEST"))

    def test_is_asked_for_once_a_day_of_each_address(self, room: Room) -> None:
        before, proven = len(proofs_of(room)), len(self.fallback_proofs(room))

        room.advance(datetime(2026, 2, 3, 9, 0, tzinfo=CHICAGO))

        assert len(self.fallback_proofs(room)) == proven + 2
        assert len(proofs_of(room)) == before + 3

    def test_is_recorded_when_it_left(self, room: Room) -> None:
        room.advance(datetime(2026, 2, 3, 9, 0, tzinfo=CHICAGO))
        newest = self.fallback_proofs(room)[-2:]

        self.hear(room, "SENT", *newest)
        room.advance(timedelta(hours=3))

        assert set(newest) <= {event.proof_id for event in room.announced_of(PagePathProven)}
        assert not set(newest) & {event.proof_id for event in room.announced_of(PagePathBroken)}

    def test_that_failed_asks_a_human_once_until_it_is_open_again(self, room: Room) -> None:
        room.advance(datetime(2026, 2, 3, 9, 0, tzinfo=CHICAGO))
        mended, broken = self.fallback_proofs(room)[-2:]
        self.hear(room, "FAILED", broken)
        self.hear(room, "SENT", mended)

        (task,) = self.tasks(room)
        assert (task.owner_role, task.reason, task.about_id) == ("supervisor", "FALLBACK_FAILED", broken)
        room.advance(datetime(2026, 2, 4, 9, 0, tzinfo=CHICAGO))
        self.hear(room, "SENT", *self.fallback_proofs(room)[-2:])

        assert self.tasks(room) == []

    def test_of_which_nothing_was_heard_is_broken(self, room: Room) -> None:
        room.advance(datetime(2026, 2, 3, 9, 0, tzinfo=CHICAGO))
        newest = self.fallback_proofs(room)[-2:]

        room.advance(timedelta(hours=2))

        reasons = {event.proof_id: event.reason for event in room.announced_of(PagePathBroken)}
        assert {reasons[proof_id] for proof_id in newest} == {"FALLBACK_FAILED"}

    def test_of_an_address_that_was_replaced_needs_no_mending(self, room: Room) -> None:
        room.advance(datetime(2026, 2, 3, 9, 0, tzinfo=CHICAGO))
        self.hear(room, "FAILED", *self.fallback_proofs(room)[-2:])
        assert len(self.tasks(room)) == 2
        self.keep_fallback(room, self.LAST)

        room.advance(datetime(2026, 2, 4, 9, 0, tzinfo=CHICAGO))

        assert len(self.tasks(room)) == 1

    def test_that_left_puts_nobody_on_duty(self, room_of: RoomOf) -> None:
        room = room_of(Monitoring)
        room.at(ADMITTED_AT)
        room.deliver(telling.site_opened())
        self.keep_fallback(room, self.LAST)
        room.clock.simulated = False
        room.fire_due()
        room.advance(datetime(2026, 2, 3, 9, 0, tzinfo=CHICAGO))

        self.hear(room, "SENT", *self.fallback_proofs(room))

        assert [task.reason for task in open_tasks(room, "page_path_broken")] == ["NOBODY_ON_CALL"]


class TestDayOfSimulatedTime:
    def test_does_not_go_on_before_its_jobs_ran_and_each_runs_once(self, room: Room) -> None:
        cover(room, room.now, days=7)
        room.fire_due()
        assert self.is_busy(room) is False
        room.at(datetime(2026, 2, 3, 9, 0, tzinfo=CHICAGO))

        assert self.is_busy(room) is True
        room.fire_due()

        assert self.is_busy(room) is False
        assert len(proofs_of(room)) == 2
        # Another copy of the service finds the job done.
        room.host.jobs_run.clear()
        room.fire_due()
        assert len(proofs_of(room)) == 2
        assert self.is_busy(room) is False

    def is_busy(self, room: Room) -> bool:
        busy: bool = backlog.stillness(room.host, count_messages=False, only_copy=True)["timers_due"]
        return busy


class TestProofThatIsLate:
    @pytest.mark.parametrize(("hours", "made"), [(12, True), (13, False)])
    def test_is_made_up_for_by_day_alone(self, room: Room, hours: int, *, made: bool) -> None:
        cover(room, room.now, days=7)
        room.at(datetime(2026, 2, 3, 9, 0, tzinfo=CHICAGO) + timedelta(hours=hours))

        room.fire_due()

        assert bool(proofs_of(room)) == made


class TestProofWithNobody:
    def test_is_broken_every_day_and_one_task_until_somebody_is_there(self, room: Room) -> None:
        room.advance(timedelta(days=3))

        assert {event.reason for event in room.announced_of(PagePathBroken)} == {"NOBODY_ON_CALL"}
        assert len(room.announced_of(PagePathBroken)) >= 3
        assert len(open_tasks(room, "page_path_broken")) == 1

    def test_shows_and_tells_nothing_where_time_is_simulated(self, room: Room) -> None:
        cover(room, room.now, days=7)
        room.fire_due()
        room.advance(timedelta(hours=1))

        settled_ = [one for one in room.announced_of(NotificationSettled) if one.template == "PAGE_TEST"]
        assert {one.outcome for one in settled_} == {"SIMULATED"}
        room.deliver(*settled_)
        room.advance(timedelta(hours=4))
        assert room.announced_of(PagePathBroken) == []
        assert room.announced_of(PagePathProven) == []


class TestTimerInBatch:
    def test_keeps_the_cause_of_its_own_event(self, room_of: RoomOf) -> None:
        room = room_of(Monitoring)
        first = room.envelope_of(telling.concern("OVERDOSE"))
        second = room.envelope_of(telling.concern("PHQ9_I9", "E3"))

        room.deliver_together([first, second])

        with room.engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT key, causation_id FROM timers")).all()
        assert {row.causation_id for row in rows} == {first.event_id, second.event_id}
