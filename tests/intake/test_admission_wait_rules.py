"""Rules of the waiting list for admission: the order of the law, its clocks, and offers."""

from datetime import timedelta

import pytest

from services.intake.domain import admission_clocks as clocks
from services.intake.domain import admission_waits as waits
from services.intake.domain.admission_waits import AdmissionSeat
from shared.contracts import roles
from shared.contracts.intake import ADMISSION_CLOCKS, AdmissionClockBreached, InterimServicesProvided
from shared.errors import Conflict, InvalidInput
from shared.ids import derived_id
from tests.intake.builders import COUNSELOR, NOW, SITE_ID, admission_wait, episode, site

DAY = timedelta(days=1)
INTERIM, FIRST, LAST = ADMISSION_CLOCKS
REQUIRED = list(clocks.REQUIRED)


def seat(name: str = "seat", *, freed: timedelta = timedelta()) -> AdmissionSeat:
    return AdmissionSeat(seat_id=derived_id(name), site_id=SITE_ID, freed_at=NOW + freed)


class TestOrder:
    def test_is_that_of_the_law_and_then_by_date(self) -> None:
        early = admission_wait("early", asked_at=NOW - 90 * DAY)
        late = admission_wait("late", asked_at=NOW)
        injecting = admission_wait("injecting", injecting=True, asked_at=NOW)
        pregnant = admission_wait("pregnant", pregnant=True, asked_at=NOW)
        both = admission_wait("both", pregnant=True, injecting=True, asked_at=NOW)
        both_earlier = admission_wait("both earlier", pregnant=True, injecting=True)

        ordered = waits.in_order([late, injecting, both, early, pregnant, both_earlier])

        assert ordered == [both_earlier, both, pregnant, injecting, early, late]

    @pytest.mark.parametrize("state", ["ADMITTED", "REMOVED"])
    def test_leaves_out_who_waits_no_longer(self, state: str) -> None:
        assert waits.in_order([admission_wait(state=state)]) == []


class TestMatch:
    def test_gives_each_seat_to_another_person(self) -> None:
        first, second = admission_wait("first", injecting=True), admission_wait("second")

        found = waits.match([seat("b", freed=DAY), seat("a")], [second, first])

        assert [(wait, one.seat_id) for wait, one in found] == [
            (first, derived_id("a")),
            (second, derived_id("b")),
        ]

    def test_passes_over_who_let_that_seat_pass_and_who_has_one(self) -> None:
        passed = admission_wait("passed", pregnant=True, passed=[derived_id("seat")])
        offered = admission_wait("offered", injecting=True, state="OFFERED")
        other = admission_wait("other")

        assert [wait for wait, _ in waits.match([seat()], [passed, offered, other])] == [other]

    def test_leaves_a_seat_free_that_nobody_wants(self) -> None:
        assert waits.match([seat()], [admission_wait(passed=[derived_id("seat")])]) == []


class TestOffer:
    def test_ends_after_a_day_and_can_be_taken_until_then(self) -> None:
        wait, one = admission_wait(), seat()
        offered = wait.offer(one, now=NOW)

        settled = wait.accept(one, now=NOW + timedelta(hours=23, minutes=59))

        assert offered.expires_at == NOW + timedelta(hours=24)
        assert (settled.outcome, wait.state, one.state) == ("ACCEPTED", "ACCEPTED", "PROMISED")

    def test_cannot_be_taken_once_it_has_ended_or_was_withdrawn(self) -> None:
        wait, one = admission_wait(), seat()
        wait.offer(one, now=NOW)
        with pytest.raises(Conflict):
            wait.accept(one, now=NOW + timedelta(hours=24))
        wait.give_back(one, outcome="WITHDRAWN", now=NOW)

        with pytest.raises(Conflict):
            wait.accept(one, now=NOW)

    @pytest.mark.parametrize(
        ("outcome", "passed"), [("EXPIRED", True), ("DECLINED", True), ("WITHDRAWN", False)]
    )
    def test_that_somebody_let_pass_is_not_made_again(self, outcome: str, passed: bool) -> None:
        wait, one = admission_wait(), seat()
        wait.offer(one, now=NOW)

        wait.give_back(one, outcome=outcome, now=NOW)

        assert (wait.state, one.state, one.wait_id) == ("WAITING", "FREE", None)
        assert (waits.match([one], [wait]) == []) is passed

    def test_gives_way_from_the_end_of_the_order(self) -> None:
        first = admission_wait("first", pregnant=True, state="OFFERED")
        last = admission_wait("last", state="OFFERED")
        accepted = admission_wait("accepted", state="ACCEPTED")

        assert waits.last_offered([accepted, last, first]) is last
        assert waits.last_offered([accepted]) is None


class TestJoin:
    @pytest.mark.parametrize(
        "changes",
        [
            {"state": "REFERRED"},
            {"state": "DECIDED", "decided_level": "3.7"},
            {"state": "DECIDED", "decided_level": "2.1", "minor": True},
            {"state": "ADMITTED", "decided_level": "2.1"},
            {"state": "DECIDED", "decided_level": "2.1", "closed_at": NOW},
        ],
        ids=["not-decided", "not-here", "minor", "admitted", "ended"],
    )
    def test_refuses_who_cannot_be_admitted_here(self, changes: dict[str, object]) -> None:
        with pytest.raises(Conflict):
            self._join(episode(**changes))

    def test_refuses_who_waits_already_and_takes_who_was_removed(self) -> None:
        decided = episode(state="DECIDED", decided_level="2.1")
        with pytest.raises(Conflict):
            self._join(decided, earlier=admission_wait())

        assert self._join(decided, earlier=admission_wait(state="REMOVED")).state == "WAITING"

    def _join(self, one: object, **changes: object) -> waits.AdmissionWait:
        told = {
            "wait_id": derived_id("new"),
            "site": site(),
            "earlier": None,
            "pregnant": False,
            "injecting": False,
            "asked_at": NOW,
            "now": NOW,
        }
        return waits.join(episode=one, **told | changes)


class TestDaywait:
    @pytest.mark.parametrize(
        ("days", "code"),
        [(0, 0), (1, 1), (7, 1), (8, 2), (14, 2), (15, 3), (30, 3), (31, 4), (400, 4)],
    )
    def test_is_the_code_of_teds(self, days: int, code: int) -> None:
        assert waits.daywait(days) == code

    def test_counts_days_of_the_sites_calendar(self) -> None:
        # Eleven in the evening in Chicago, and half an hour after midnight.
        asked_at = NOW.replace(day=3, hour=5)

        assert waits.days_between(site(), asked_at=asked_at, at=asked_at + timedelta(minutes=90)) == 1
        assert waits.days_between(site(), asked_at=asked_at, at=asked_at - DAY) == 0

    def test_stands_on_the_end_of_the_waiting(self) -> None:
        ended = admission_wait().end(state="REMOVED", reason="DIED", days=9, actor=COUNSELOR, now=NOW)

        assert (ended.days, ended.daywait, ended.reason) == (9, 2, "DIED")


class TestClocks:
    def test_run_for_those_for_whom_the_law_sets_them(self) -> None:
        asked_at = NOW - DAY

        assert clocks.clocks_of(admission_wait()) == {}
        assert clocks.clocks_of(admission_wait(pregnant=True)) == {INTERIM: asked_at + 2 * DAY}
        assert clocks.clocks_of(admission_wait(injecting=True)) == {
            INTERIM: asked_at + 2 * DAY,
            FIRST: asked_at + 14 * DAY,
        }

    def test_leave_time_to_write_down_what_was_given_before(self) -> None:
        late = admission_wait(injecting=True, asked_at=NOW - 5 * DAY)

        assert clocks.looked_at(late, INTERIM, asked_at=NOW) == NOW + timedelta(hours=2)
        assert clocks.looked_at(late, FIRST, asked_at=NOW) == NOW + 9 * DAY

    def test_stop_once_all_interim_services_were_given(self) -> None:
        wait = admission_wait(injecting=True)
        part = clocks.provide(wait, services=REQUIRED[:2], provided_at=NOW, now=NOW)
        (whole,) = clocks.provide(wait, services=REQUIRED[2:], provided_at=NOW, now=NOW)

        assert part == []
        assert isinstance(whole, InterimServicesProvided)
        assert whole.in_time
        assert INTERIM not in clocks.clocks_of(wait)
        assert clocks.run_out(wait, INTERIM, at=NOW) == ([], None)

    def test_ask_more_for_pregnant_women(self) -> None:
        wait = admission_wait(pregnant=True)

        assert clocks.provide(wait, services=REQUIRED, provided_at=NOW, now=NOW) == []
        assert clocks.provide(wait, services=list(clocks.REQUIRED_IF_PREGNANT), provided_at=NOW, now=NOW)

    def test_allow_120_days_where_interim_services_came_in_time(self) -> None:
        wait = admission_wait(injecting=True)
        clocks.provide(wait, services=REQUIRED, provided_at=NOW, now=NOW)

        events, task = clocks.run_out(wait, FIRST, at=clocks.due_at(wait, FIRST))

        assert events == []
        assert task is not None
        assert (task.reason, task.due_at) == (LAST, wait.asked_at + 120 * DAY)
        assert clocks.clocks_of(wait) == {LAST: wait.asked_at + 120 * DAY}

    @pytest.mark.parametrize("late", [True, False], ids=["late", "never"])
    def test_are_breached_after_14_days_where_they_did_not(self, late: bool) -> None:
        wait = admission_wait(injecting=True)
        if late:
            at = wait.asked_at + 3 * DAY
            clocks.provide(wait, services=REQUIRED, provided_at=at, now=at)

        (breached,), task = clocks.run_out(wait, FIRST, at=clocks.due_at(wait, FIRST))

        assert isinstance(breached, AdmissionClockBreached)
        assert breached.clock == FIRST
        assert task is not None
        assert (task.owner_role, task.reason) == (roles.SUPERVISOR, f"{FIRST}_PASSED")

    def test_ask_the_medical_director_after_120_days(self) -> None:
        wait = admission_wait(injecting=True, extended=True)

        (breached,), task = clocks.run_out(wait, LAST, at=clocks.due_at(wait, LAST))

        assert isinstance(breached, AdmissionClockBreached)
        assert task is not None
        assert task.owner_role == roles.MEDICAL_DIRECTOR

    @pytest.mark.parametrize("state", ["ADMITTED", "REMOVED"])
    def test_mean_nothing_once_nobody_waits(self, state: str) -> None:
        assert clocks.run_out(admission_wait(injecting=True, state=state), FIRST, at=NOW) == ([], None)

    @pytest.mark.parametrize("at", [NOW + DAY, NOW - 2 * DAY], ids=["ahead", "before-the-request"])
    def test_refuse_services_that_cannot_have_been_given(self, at: object) -> None:
        wait = admission_wait(injecting=True)
        with pytest.raises(InvalidInput):
            clocks.provide(wait, services=REQUIRED, provided_at=at, now=NOW)

        assert wait.interim_services == []
