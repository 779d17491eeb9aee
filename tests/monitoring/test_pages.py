"""Nobody in danger waits: who is paged when, on a real database, whatever becomes of the pages."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from services.monitoring.service import Monitoring
from shared.contracts.common import NotificationSettled, TaskOpened
from shared.contracts.monitoring import EscalationBreached, PagesHeldUp, SafetyConcernTaken, StaffPaged
from shared.errors import Forbidden
from shared.ids import derived_id
from shared.notification.tables import notifications
from tests.monitoring import telling
from tests.monitoring.duty import STAFF, keep, name_of, names_paged, paged, plan, settle, settled, staff
from tests.monitoring.telling import ADMITTED_AT, DANA, ELI
from tests.support import TENANT, Room, settings_for_tests

RoomOf = Callable[[type], Room]

CHICAGO = ZoneInfo("America/Chicago")
FALLBACK = settings_for_tests(
    HOMEWARD_FALLBACK_PAGE=f"{TENANT}=https://pager.example.org/last mailto:last@example.org"
)


@pytest.fixture
def room(room_of: RoomOf) -> Room:
    """Return a room on real time whose staff can all be paged, with Ana on duty this week."""
    room = room_of(Monitoring)
    room.at(ADMITTED_AT)
    keep(room, *STAFF)
    plan(room, "ana", ADMITTED_AT, timedelta(days=7))
    on_real_time(room)
    return room


def on_real_time(room: Room) -> None:
    """Let pages wait to be sent, as they do where time is real, until the test says what became of them."""
    room.clock.simulated = False


def escalation(room: Room) -> dict[str, Any]:
    """Return the one open escalation, with its pages."""
    (item,) = room.ask("list_escalations", {})["items"]
    return room.ask("get_escalation", {"escalation_id": item["escalation_id"]})


def acknowledge(room: Room) -> None:
    room.call("acknowledge_escalation", {"escalation_id": escalation(room)["escalation_id"]})


def written(room: Room) -> list[dict[str, Any]]:
    with room.engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(sa.select(notifications))]


class TestFirstPage:
    def test_of_e4_goes_to_whoever_has_the_duty_in_the_same_transaction(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))

        assert paged(room) == [("ana", "on_call", 0)]
        assert {task.level for task in room.announced_of(TaskOpened)} == {"E4"}
        (page,) = written(room)
        assert (page["template"], page["urgent"], page["state"]) == ("STAFF_PAGE", True, "waiting")
        assert page["about_id"] == escalation(room)["escalation_id"]

    def test_of_e3_goes_to_the_clinicians_and_whoever_has_the_duty(self, room: Room) -> None:
        plan(room, "sue", ADMITTED_AT, timedelta(days=1))

        room.deliver(telling.concern("PHQ9_I9", "E3"))

        assert sorted(names_paged(room)) == ["ana", "ben", "sue"]

    def test_of_e2_goes_to_a_counselor_and_may_wait_for_the_morning(self, room: Room) -> None:
        room.deliver(telling.site_opened(), telling.admitted())
        bad = telling.check_in(used=True, substance="ALCOHOL", craving=9, mood=2)
        room.call("submit_check_in", bad, role="patient", actor_id=DANA, credential="")

        assert paged(room) == [("cleo", "counselor", 0)]
        (page,) = written(room)
        assert (page["urgent"], page["time_zone"]) == (False, "America/Chicago")

    def test_says_neither_who_nor_what(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))

        (page,) = written(room)
        assert page["codes"] == {
            "reference": escalation(room)["escalation_id"][:8],
            "level": "E4",
            "acknowledge_by": "2026-02-02 15:05 UTC",
        }

    def test_is_made_once_however_often_the_concern_comes(self, room: Room) -> None:
        envelope = room.envelope_of(telling.concern("OVERDOSE", "E4"))

        room.deliver(envelope, envelope, telling.concern("OVERDOSE", "E4", n="2"))

        assert names_paged(room) == ["ana"]

    @pytest.mark.parametrize("known", ["nobody", "before admission", "after discharge"])
    def test_needs_no_record_of_the_patient(self, room: Room, known: str) -> None:
        if known == "before admission":
            room.deliver(telling.assessed())
        if known == "after discharge":
            room.deliver(telling.admitted(), telling.discharged(ADMITTED_AT + timedelta(days=1)))

        room.deliver(telling.concern("OVERDOSE", "E4", patient_id=ELI if known == "nobody" else DANA))

        assert names_paged(room) == ["ana"]

    def test_goes_to_the_duty_of_the_moment_at_which_it_is_made(self, room: Room) -> None:
        room.at(ADMITTED_AT + timedelta(days=2))
        plan(room, "ben", room.now, timedelta(days=1))

        # What was answered hours ago, while the broker was away, is paged to those who are there now.
        room.deliver(telling.concern("OVERDOSE", "E4", at=room.now - timedelta(hours=5)))

        assert sorted(names_paged(room)) == ["ana", "ben"]

    def test_of_another_tenant_reaches_nobody_here(self, room: Room) -> None:
        room.deliver(room.envelope_of(telling.concern("OVERDOSE", "E4"), tenant_id="riverside"))

        assert paged(room) == []


def confirmed(room: Room) -> list[str]:
    """Return which concerns were confirmed to whoever announced them."""
    return [taken.concern_id for taken in room.announced_of(SafetyConcernTaken)]


class TestConfirmation:
    """Whoever announced a danger watches over it until a human is being asked, and not only written down."""

    def test_comes_once_a_page_has_left(self, room: Room) -> None:
        concern = telling.concern("OVERDOSE", "E4")
        room.deliver(concern, telling.concern("OVERDOSE", "E4", n="2"))
        assert confirmed(room) == []

        settle(room, "SENT")

        first, second = room.announced_of(SafetyConcernTaken)
        assert concern.concern_id in {first.concern_id, second.concern_id}
        assert {first.patient_id, second.patient_id} == {DANA}
        assert first.escalation_id == second.escalation_id == escalation(room)["escalation_id"]

    def test_does_not_come_while_no_page_gets_out(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))

        for _ in range(4):
            settle(room, "FAILED")
            room.advance(timedelta(minutes=5))

        assert confirmed(room) == []

    def test_comes_with_the_first_page_that_gets_out(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))
        settle(room, "FAILED")

        settle(room, "SENT")

        assert len(confirmed(room)) == 1

    def test_comes_when_somebody_takes_it_whom_no_page_has_reached(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))

        acknowledge(room)
        settle(room, "SENT")

        assert len(confirmed(room)) == 1

    def test_comes_at_once_of_what_is_added_to_one_that_somebody_is_asked_about(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))
        settle(room, "SENT")

        room.deliver(telling.concern("OVERDOSE", "E3", n="2"))
        acknowledge(room)
        room.deliver(telling.concern("OVERDOSE", "E4", n="3"))

        assert len(confirmed(room)) == 3

    def test_of_a_graver_level_waits_for_a_page_of_that_level(self, room: Room) -> None:
        room.deliver(telling.concern("CSSRS_MODERATE", "E3"))
        settle(room, "SENT")
        acknowledge(room)

        room.deliver(telling.concern("CSSRS_MODERATE", "E4", n="2"))
        assert len(confirmed(room)) == 1
        settle(room, "SENT")

        assert len(confirmed(room)) == 2

    @pytest.mark.parametrize("level", ["E2", "E4"])
    def test_comes_at_once_where_no_page_is_to_be_waited_for(self, room_of: RoomOf, level: str) -> None:
        # Of what may wait for the morning, and where nobody can be paged at all: that is shouted about.
        room = room_of(Monitoring)
        room.at(ADMITTED_AT)
        keep(room, *(STAFF if level == "E2" else ()))
        on_real_time(room)

        room.deliver(telling.concern("HELP_WANTED", level))

        assert len(confirmed(room)) == 1


class TestRaisedEscalation:
    def test_pages_anew_although_somebody_had_taken_it(self, room: Room) -> None:
        room.deliver(telling.concern("CSSRS_MODERATE", "E3"))
        acknowledge(room)
        before = len(paged(room))

        room.deliver(telling.concern("CSSRS_MODERATE", "E4", n="2"))

        assert paged(room)[before:] == [("ana", "on_call", 0)]
        assert escalation(room)["pages"][-1]["level"] == "E4"

    def test_of_the_same_cause_is_one_that_is_open(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E3"), telling.concern("OVERDOSE", "E4", n="2"))
        room.deliver(telling.concern("OVERDOSE", "E3", n="3"))

        assert escalation(room)["level"] == "E4"
        assert len(escalation(room)["evidence"]) == 3


class TestNextTier:
    def test_is_paged_at_each_deadline_that_is_missed(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))
        settle(room, "SENT")

        room.advance(timedelta(minutes=5))
        everyone = paged(room)[1:]
        settle(room, "SENT")
        room.advance(timedelta(minutes=5))

        assert sorted(name for name, _, _ in everyone) == sorted(STAFF)
        assert {name for name, _, _ in paged(room)[6:]} == {"mia", "ana"}
        assert {page.paged_at - ADMITTED_AT for page in room.announced_of(StaffPaged)} == {
            timedelta(0),
            timedelta(minutes=5),
            timedelta(minutes=10),
        }

    @pytest.mark.parametrize(("level", "minutes"), [("E3", 30), ("E4", 5)])
    def test_after_the_last_is_everybody_and_the_fallback_again_and_again(
        self, room: Room, level: str, minutes: int
    ) -> None:
        room.host.settings = FALLBACK
        room.deliver(telling.concern("OVERDOSE", level))

        for _ in range(8):
            # Every page came through, and nobody reads any.
            settle(room, "SENT")
            room.advance(timedelta(minutes=minutes))

        by_moment: dict[timedelta, set[str]] = {}
        for page in room.announced_of(StaffPaged):
            by_moment.setdefault(page.paged_at - ADMITTED_AT, set()).add(name_of(page.staff_id))
        reminders = [timedelta(minutes=minutes) * pauses for pauses in range(3, 9)]
        assert sorted(by_moment)[-6:] == reminders
        assert all(by_moment[at] == {*STAFF, "fallback", "fallback 2"} for at in reminders)

    def test_is_reminded_once_for_all_that_an_outage_left_out(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))
        room.advance(timedelta(minutes=15))
        before = len(room.announced_of(EscalationBreached))

        room.at(ADMITTED_AT + timedelta(hours=9))
        room.advance(timedelta(minutes=4))

        assert len(room.announced_of(EscalationBreached)) == before + 1

    def test_is_paged_at_once_when_every_page_of_this_one_failed(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))
        room.at(ADMITTED_AT + timedelta(seconds=7))

        settle(room, "FAILED")

        assert sorted(names_paged(room)[1:]) == ["ben", "cleo", "mia", "sue"]
        assert {page.paged_at for page in room.announced_of(StaffPaged)[1:]} == {room.now}
        # The deadlines stay what they were.
        assert escalation(room)["tier"] == 0
        assert room.announced_of(EscalationBreached) == []

    def test_is_not_paged_sooner_while_one_page_of_this_one_left(self, room: Room) -> None:
        plan(room, "ben", ADMITTED_AT, timedelta(days=1))
        room.deliver(telling.concern("OVERDOSE", "E4"))
        first, second = room.announced_of(StaffPaged)

        settle(room, "SENT", pages=[first])
        settle(room, "FAILED", pages=[second])
        room.advance(timedelta(minutes=4))

        assert sorted(names_paged(room)) == ["ana", "ben"]

    def test_is_paged_after_a_minute_when_no_page_has_left(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))

        room.advance(timedelta(seconds=59))
        assert names_paged(room) == ["ana"]
        room.advance(timedelta(seconds=1))

        assert sorted(names_paged(room)[1:]) == ["ben", "cleo", "mia", "sue"]

    def test_is_paged_by_others_as_well_for_as_long_as_no_page_gets_out(self, room: Room) -> None:
        room.host.settings = FALLBACK
        room.deliver(telling.concern("OVERDOSE", "E4"))
        assert room.announced_of(PagesHeldUp) == []

        for minutes in (1, 5, 5):
            room.advance(timedelta(minutes=minutes))

        held_up = room.announced_of(PagesHeldUp)
        assert [(told.held_up_at - ADMITTED_AT, told.tier) for told in held_up] == [
            (timedelta(minutes=1), 0),
            (timedelta(minutes=2), 0),
            (timedelta(minutes=3), 0),
            (timedelta(minutes=6), 1),
            (timedelta(minutes=7), 1),
            (timedelta(minutes=11), 2),
        ]
        assert {told.level for told in held_up} == {"E4"}

    @pytest.mark.parametrize("end", ["a page leaves", "somebody takes it"])
    def test_is_paged_by_nobody_else_once(self, room: Room, end: str) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))
        if end == "a page leaves":
            settle(room, "SENT")
        else:
            acknowledge(room)

        room.advance(timedelta(minutes=4))

        assert room.announced_of(PagesHeldUp) == []

    def test_is_not_waited_for_once_a_page_has_left(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))
        assert "page_not_left" in [name for name, _, _ in room.timers()]

        settle(room, "SENT")

        assert "page_not_left" not in [name for name, _, _ in room.timers()]
        room.advance(timedelta(minutes=4))
        assert names_paged(room) == ["ana"]

    def test_is_paged_once_although_a_failure_and_the_minute_both_ask_for_it(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))
        first = room.announced_of(StaffPaged)
        room.advance(timedelta(seconds=60))

        settle(room, "FAILED", pages=first)
        settle(room, "FAILED", pages=first)

        assert sorted(names_paged(room)) == ["ana", "ben", "cleo", "mia", "sue"]

    def test_is_not_paged_for_a_failure_told_after_the_page_had_left(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))

        settle(room, "SENT")
        settle(room, "FAILED")

        assert names_paged(room) == ["ana"]
        assert [page["outcome"] for page in escalation(room)["pages"]] == ["SENT"]

    def test_of_failed_pages_of_an_earlier_deadline_is_not_paged_twice(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))
        first = room.announced_of(StaffPaged)
        settle(room, "SENT")
        room.advance(timedelta(minutes=5))
        count = len(paged(room))

        settle(room, "FAILED", pages=first)

        assert len(paged(room)) == count

    def test_is_paged_when_whoever_took_it_does_not_act(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))
        settle(room, "SENT")
        acknowledge(room)

        room.advance(timedelta(minutes=15))

        assert room.announced_of(EscalationBreached)[-1].deadline == "ACT"
        assert sorted(names_paged(room)[1:]) == sorted(STAFF)


class TestAcknowledgement:
    def test_stops_further_pages(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))
        acknowledge(room)

        settle(room, "FAILED")
        room.advance(timedelta(minutes=14))

        assert names_paged(room) == ["ana"]

    def test_by_itself_ends_nothing_that_needs_a_licence(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))
        acknowledge(room)
        ids = {"escalation_id": escalation(room)["escalation_id"]}

        with pytest.raises(Forbidden):
            room.call(
                "close_escalation", {**ids, "disposition": "FALSE_ALARM"}, role="counselor", credential=""
            )
        room.call("close_escalation", {**ids, "disposition": "NALOXONE_GIVEN"})
        settle(room, "FAILED")
        room.advance(timedelta(hours=3))

        assert names_paged(room) == ["ana"]


class TestEmptyRoster:
    @pytest.fixture
    def room(self, room_of: RoomOf) -> Room:
        """Return a room on real time in which nobody works, with two fallback addresses."""
        room = room_of(Monitoring)
        room.host.settings = FALLBACK
        room.at(ADMITTED_AT)
        on_real_time(room)
        return room

    def test_pages_the_fallback_addresses_at_once(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))

        assert [name for name, _, _ in paged(room)] == ["fallback", "fallback 2"]
        assert {page["template"] for page in written(room)} == {"FALLBACK_PAGE"}
        assert all(page["urgent"] for page in written(room))

    def test_has_others_page_when_no_page_to_the_fallback_gets_out(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))

        room.advance(timedelta(minutes=1))

        assert len(room.announced_of(PagesHeldUp)) == 1

    def test_pages_nobody_by_the_fallback_for_what_may_wait(self, room: Room) -> None:
        room.deliver(telling.admitted())
        bad = telling.check_in(used=True, substance="ALCOHOL", craving=9, mood=2)
        room.call("submit_check_in", bad, role="patient", actor_id=DANA, credential="")

        assert escalation(room)["level"] == "E2"
        assert written(room) == []

    def test_without_a_fallback_address_still_opens_and_asks_on_and_on(self, room: Room) -> None:
        room.host.settings = settings_for_tests()

        room.deliver(telling.concern("OVERDOSE", "E4"))
        room.advance(timedelta(minutes=15))

        assert len(room.announced_of(EscalationBreached)) == 3
        assert paged(room) == []

    def test_pages_whoever_there_is_when_nobody_has_the_duty(self, room: Room) -> None:
        keep(room, "cleo", "mia")

        room.deliver(telling.concern("OVERDOSE", "E4"))

        assert sorted(names_paged(room)) == ["cleo", "mia"]

    def test_is_followed_by_the_fallback_when_every_page_of_every_tier_failed(self, room: Room) -> None:
        keep(room, "cleo", "mia")
        room.deliver(telling.concern("OVERDOSE", "E4"))

        settle(room, "FAILED")

        assert names_paged(room)[2:] == ["fallback", "fallback 2"]
        settle(room, "FAILED")
        assert len(names_paged(room)) == 4

    def test_pages_the_fallback_again_at_the_next_deadline(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))
        settle(room, "SENT")

        room.advance(timedelta(minutes=5))

        assert names_paged(room) == ["fallback", "fallback 2"] * 2
        assert len(written(room)) == 4


class TestAddressThatIsNone:
    def test_is_passed_over_at_once(self, room_of: RoomOf) -> None:
        room = room_of(Monitoring)
        room.at(ADMITTED_AT)
        keep(room, "ana", "mia")
        plan(room, "ana", ADMITTED_AT, timedelta(days=1))
        on_real_time(room)
        with room.db() as db:
            contact = tables_contact(db, "ana")
            contact.address = "mailto:nobody at all"

        room.deliver(telling.concern("OVERDOSE", "E4"))
        room.deliver(*room.announced_of(NotificationSettled))

        assert names_paged(room) == ["ana", "mia"]


def tables_contact(db: Any, name: str) -> Any:
    from services.monitoring import tables  # noqa: PLC0415  # beside the test that spoils a row

    return tables.contact_of(db, staff_id=staff(name))


class TestWhoWasPaged:
    def test_is_shown_with_the_escalation_and_what_became_of_it(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))
        settle(room, "FAILED")
        settle(room, "SENT", pages=room.announced_of(StaffPaged)[1:])

        shown = escalation(room)["pages"]

        assert [(name_of(page["staff_id"]), page["outcome"]) for page in shown[:1]] == [("ana", "FAILED")]
        assert {page["outcome"] for page in shown[1:]} == {"SENT"}
        assert {page["tier"] for page in shown} == {0, 1}
        assert all(page["settled_at"] for page in shown)

    def test_is_no_business_of_a_partner_who_raised_it(self, room: Room) -> None:
        told = room.call(
            "raise_safety_concern", {"patient_id": DANA, "concern": "OVERDOSE"}, role="partner", credential=""
        )

        assert "pages" not in told
        assert names_paged(room)

    def test_is_settled_as_simulated_where_time_is(self, room: Room) -> None:
        room.clock.simulated = True
        room.deliver(telling.concern("OVERDOSE", "E4"))
        room.deliver(*room.announced_of(NotificationSettled))
        room.advance(timedelta(minutes=4))

        assert [page["outcome"] for page in escalation(room)["pages"]] == ["SIMULATED"]
        assert names_paged(room) == ["ana"]

    def test_takes_no_notice_of_what_others_notify(self, room: Room) -> None:
        room.deliver(telling.concern("OVERDOSE", "E4"))
        another = derived_id("notification of", "intake")

        room.deliver(settled(another, "FAILED", about_id=another, at=room.now, template="PLEASE_CALL_US"))

        assert names_paged(room) == ["ana"]


class TestNightOfTheClocks:
    @pytest.mark.parametrize(
        "three_o_clock",
        [
            # Two o'clock is skipped in the one night, and comes twice in the other.
            datetime(2026, 3, 8, 1, 57, tzinfo=CHICAGO),
            datetime(2026, 3, 8, 3, 0, tzinfo=CHICAGO),
            datetime(2026, 11, 1, 1, 57, tzinfo=CHICAGO),
            datetime(2026, 11, 1, 1, 57, fold=1, tzinfo=CHICAGO),
            datetime(2026, 11, 1, 3, 0, tzinfo=CHICAGO),
        ],
    )
    def test_has_minutes_that_are_minutes(self, room_of: RoomOf, three_o_clock: datetime) -> None:
        room = room_of(Monitoring)
        now = three_o_clock.astimezone(UTC)
        room.at(now - timedelta(hours=12))
        room.deliver(telling.site_opened())
        keep(room, *STAFF)
        plan(room, "ana", room.now, timedelta(days=3))
        on_real_time(room)
        room.advance(now)

        room.deliver(telling.concern("OVERDOSE", "E4", at=now))
        settle(room, "SENT")
        room.advance(timedelta(minutes=11))

        offsets = {page.paged_at - now for page in room.announced_of(StaffPaged)}
        assert offsets == {timedelta(0), timedelta(minutes=5), timedelta(minutes=10)}
        pages = [page for page in written(room) if page["template"] == "STAFF_PAGE"]
        # Urgent ones are due at once, whatever the hour is.
        assert {page["next_attempt_at"] - page["created_at"] for page in pages} == {timedelta(0)}

    def test_pages_whoever_has_the_duty_through_it(self, room_of: RoomOf) -> None:
        room = room_of(Monitoring)
        evening = datetime(2026, 3, 7, 20, tzinfo=CHICAGO)
        room.at(evening.astimezone(UTC))
        keep(room, "ana", "ben")
        change = datetime(2026, 3, 8, 3, tzinfo=CHICAGO)
        plan(room, "ana", evening, change)
        plan(room, "ben", change, timedelta(hours=5))
        on_real_time(room)

        room.at(change.astimezone(UTC) - timedelta(seconds=1))
        room.deliver(telling.concern("OVERDOSE", "E4", at=room.now))
        room.at(change.astimezone(UTC))
        room.deliver(telling.concern("VIOLENCE", "E4", at=room.now))

        assert names_paged(room) == ["ana", "ben"]
