"""Who has the duty, which gaps there are, and whom a tier stands for: rules without a database."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.monitoring.domain import escalations, on_call, pages, proofs
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Actor, Event
from shared.contracts.monitoring import (
    OnCallGapFound,
    OnCallShiftPlanned,
    OnCallShiftWithdrawn,
    PagePathBroken,
    PagePathProven,
)
from shared.errors import InvalidInput

#: A Monday at noon.
NOON = datetime(2026, 2, 2, 12, tzinfo=UTC)
SUPERVISOR = Actor(actor_id="sue", role="supervisor", credential="LCSW")
OPERATOR = Actor(actor_id="otto", role="operations")


def hours(number: float) -> datetime:
    """Return the moment that many hours after noon."""
    return NOON + timedelta(hours=number)


def shift(since: float, until: float, staff_id: str = "ana", **changed: Any) -> on_call.Shift:
    return on_call.Shift(
        shift_id=f"{staff_id} {since}",
        staff_id=staff_id,
        starts_at=hours(since),
        ends_at=hours(until),
        planned_by="sue",
        **changed,
    )


def gaps(*shifts: on_call.Shift, until: float = 48) -> list[tuple[float, float | None]]:
    """Return the gaps of the next hours, in hours after noon."""
    found = on_call.gaps(shifts, since=NOON, until=hours(until))
    return [(_hours_of(since), _hours_of(end) if end else None) for since, end in found]


def _hours_of(at: datetime) -> float:
    return (at - NOON) / timedelta(hours=1)


class TestRoster:
    def test_without_anybody_is_one_gap_without_an_end(self) -> None:
        assert gaps() == [(0, None)]

    def test_that_covers_every_moment_has_no_gap(self) -> None:
        assert gaps(shift(-4, 20), shift(20, 60, "ben")) == []

    def test_has_a_gap_between_shifts_that_ends_with_the_next_one_however_far(self) -> None:
        assert gaps(shift(-4, 20), shift(26, 40), shift(300, 400)) == [(20, 26), (40, 300)]

    def test_has_no_gap_where_shifts_overlap_or_one_lies_within_another(self) -> None:
        assert gaps(shift(-4, 50), shift(2, 3, "ben"), shift(40, 60, "ben")) == []

    def test_does_not_count_what_was_withdrawn(self) -> None:
        assert gaps(shift(-4, 60, withdrawn_at=NOON)) == [(0, None)]

    def test_tells_everybody_who_has_the_duty_once(self) -> None:
        shifts = [shift(-4, 20), shift(-1, 2), shift(0, 1, "ben"), shift(1, 2, "cleo")]

        assert on_call.on_duty(shifts, at=NOON) == ["ana", "ben"]
        assert on_call.on_duty(shifts, at=hours(20)) == []


class TestShift:
    def test_is_planned(self) -> None:
        (planned,) = shift(1, 9).planned(now=NOON)

        assert isinstance(planned, OnCallShiftPlanned)
        assert (planned.staff_id, planned.ends_at) == ("ana", hours(9))

    @pytest.mark.parametrize(("since", "until"), [(5, 5), (5, 4), (-9, -1), (0, 7 * 24 + 1)])
    def test_is_refused_when_it_cannot_be_meant(self, since: float, until: float) -> None:
        with pytest.raises(InvalidInput):
            shift(since, until).planned(now=NOON)

    def test_is_withdrawn_where_somebody_else_has_the_duty(self) -> None:
        one = shift(1, 9)

        events = one.withdraw(
            from_=None, others=[shift(-1, 12, "ben")], by=OPERATOR, accept_gap=False, reason=None, now=NOON
        )

        assert [type(event) for event in events] == [OnCallShiftWithdrawn]
        assert one.withdrawn_at == NOON

    def test_is_not_withdrawn_when_that_leaves_a_near_gap(self) -> None:
        one = shift(1, 30)

        with pytest.raises(on_call.OnCallGapLeft, match="from 2026-02-02T18:00Z to 2026-02-02T20:00Z"):
            one.withdraw(
                from_=None,
                others=[shift(0, 6, "ben"), shift(8, 40, "ben")],
                by=SUPERVISOR,
                accept_gap=False,
                reason=None,
                now=NOON,
            )

        assert (one.withdrawn_at, one.ends_at) == (None, hours(30))

    def test_is_withdrawn_when_the_gap_is_farther_than_a_day(self) -> None:
        one = shift(24, 30)

        events = one.withdraw(from_=None, others=[], by=OPERATOR, accept_gap=False, reason=None, now=NOON)

        assert len(events) == 1

    def test_is_shortened_and_keeps_what_was_not_taken(self) -> None:
        one = shift(-1, 40)

        (event,) = one.withdraw(
            from_=hours(30), others=[], by=OPERATOR, accept_gap=False, reason=None, now=NOON
        )

        assert isinstance(event, OnCallShiftPlanned)
        assert (one.ends_at, one.withdrawn_at) == (hours(30), None)

    def test_is_not_shortened_when_that_leaves_a_near_gap(self) -> None:
        with pytest.raises(on_call.OnCallGapLeft):
            shift(-1, 40).withdraw(
                from_=hours(23), others=[], by=SUPERVISOR, accept_gap=False, reason=None, now=NOON
            )

    def test_is_withdrawn_over_a_gap_by_a_supervisor_with_a_reason_alone(self) -> None:
        one = shift(-1, 9)

        with pytest.raises(on_call.GapNeedsSupervisor):
            one.withdraw(from_=None, others=[], by=OPERATOR, accept_gap=True, reason="Ill.", now=NOON)
        with pytest.raises(InvalidInput):
            one.withdraw(from_=None, others=[], by=SUPERVISOR, accept_gap=True, reason=None, now=NOON)
        one.withdraw(from_=None, others=[], by=SUPERVISOR, accept_gap=True, reason="Ill.", now=NOON)

        assert (one.ends_at, one.reason) == (NOON, "Ill.")

    def test_is_withdrawn_once(self) -> None:
        with pytest.raises(on_call.ShiftWithdrawn):
            shift(-3, -1).withdraw(
                from_=None, others=[], by=SUPERVISOR, accept_gap=False, reason=None, now=NOON
            )

    def test_counts_real_hours_on_the_night_the_clocks_change(self) -> None:
        zone = ZoneInfo("America/Chicago")
        night = [
            on_call.Shift(
                shift_id=str(day),
                staff_id="ana",
                starts_at=datetime(2026, 3, day, 20, tzinfo=zone).astimezone(UTC),
                ends_at=datetime(2026, 3, day + 1, 8, tzinfo=zone).astimezone(UTC),
                planned_by="sue",
            )
            for day in (7, 8)
        ]

        assert [one.ends_at - one.starts_at for one in night] == [timedelta(hours=11), timedelta(hours=12)]
        at_three = datetime(2026, 3, 8, 3, tzinfo=zone)
        assert on_call.on_duty(night, at=at_three.astimezone(UTC)) == ["ana"]


class TestStaffWhoLeave:
    def test_are_refused_while_their_duty_is_near_and_theirs_alone(self) -> None:
        with pytest.raises(on_call.OnCallGapLeft):
            on_call.guard_removal([shift(20, 30)], remaining=[shift(-1, 22, "ben")], now=NOON)

    def test_may_go_where_others_stand_in_or_there_is_time(self) -> None:
        on_call.guard_removal([shift(20, 30), shift(25, 90)], remaining=[shift(-1, 24, "ben")], now=NOON)


class TestAddress:
    @pytest.mark.parametrize(
        ("address", "shown"),
        [
            ("mailto:ana.ruiz@example.org", "mailto:…@example.org"),
            ("https://pager.example.org/hook/ana?key=7", "https://pager.example.org/…"),
        ],
    )
    def test_is_shown_without_what_tells_whose_it_is(self, address: str, shown: str) -> None:
        contact = on_call.StaffContact(contact_id="1", staff_id="ana", role="clinician", address=address)

        assert contact.masked_address == shown


def known(since: float, until: float | None) -> on_call.Gap:
    """Return a gap that was found before."""
    gap = on_call.Gap(gap_id=f"gap {since}", starts_at=hours(since), ends_at=None)
    gap.find(ends_at=hours(until) if until is not None else None, now=min(NOON, hours(since)))
    return gap


class TestGap:
    def test_asks_for_somebody_before_it_begins(self) -> None:
        gap = on_call.Gap(gap_id="gap", starts_at=hours(20), ends_at=None)

        found, task = gap.find(ends_at=hours(26), now=NOON)

        assert isinstance(found, OnCallGapFound)
        assert isinstance(task, TaskOpened)
        assert (found.gap_starts_at, found.gap_ends_at) == (hours(20), hours(26))
        assert (task.task, task.owner_role, task.due_at) == ("on_call_gap", "supervisor", hours(20))

    def test_asks_the_medical_director_once_it_has_begun(self) -> None:
        gap = known(2, 9)

        assert gap.begin(now=hours(1)) == []
        closed, asked = gap.begin(now=hours(2))

        assert isinstance(closed, TaskClosed)
        assert isinstance(asked, TaskOpened)
        assert (closed.outcome, asked.owner_role) == ("ESCALATED", "medical_director")
        assert closed.task_id != asked.task_id
        assert gap.begin(now=hours(3)) == []

    def test_that_is_found_when_it_has_begun_asks_the_medical_director_at_once(self) -> None:
        gap = on_call.Gap(gap_id="gap", starts_at=NOON, ends_at=None)

        _, task = gap.find(ends_at=None, now=NOON)

        assert isinstance(task, TaskOpened)
        assert task.owner_role == "medical_director"
        assert gap.begin(now=NOON) == []

    def test_is_told_once_however_often_the_roster_is_looked_at(self) -> None:
        gap = known(20, 26)

        assert on_call.reconcile([gap], [(hours(20), hours(24))], now=NOON) == ([], [])
        assert (gap.is_open, gap.ends_at) == (True, hours(24))

    def test_that_has_begun_is_the_same_one_an_hour_later(self) -> None:
        gap = known(0, None)

        assert on_call.reconcile([gap], [(hours(1), None)], now=hours(1)) == ([], [])

    @pytest.mark.parametrize(("now", "outcome"), [(0, "DONE"), (26, "WITHDRAWN")])
    def test_is_closed_when_it_is_filled_or_over(self, now: float, outcome: str) -> None:
        gap = known(20, 26)

        new, (closed,) = on_call.reconcile([gap], [], now=hours(now))

        assert isinstance(closed, TaskClosed)
        assert (new, closed.outcome, gap.is_open) == ([], outcome, False)

    def test_that_is_torn_open_again_is_a_task_of_its_own(self) -> None:
        gap = known(20, 26)
        first = gap.task_id
        on_call.reconcile([gap], [], now=NOON)

        gap.find(ends_at=hours(26), now=NOON)

        assert gap.is_open
        assert gap.task_id != first


CONTACTS = [
    on_call.StaffContact(contact_id=name, staff_id=name, role=role, address=f"mailto:{name}@example.org")
    for name, role in [
        ("ana", "clinician"),
        ("ben", "clinician"),
        ("cleo", "counselor"),
        ("mia", "medical_director"),
        ("sue", "supervisor"),
    ]
]


def whom(level: str, tier: int, *on_duty: str, without: str = "", besides: str = "") -> list[str]:
    """Return who is paged at a tier, and as what."""
    contacts = [one for one in CONTACTS if one.staff_id not in without.split()]
    roster = pages.Roster(contacts=contacts, on_duty=frozenset(on_duty))
    wanted = pages.whom_to_page(level, from_tier=tier, roster=roster, besides=besides.split())
    return [f"{one.contact.staff_id} {one.paged_as} {one.tier}" for one in wanted]


class TestWhomToPage:
    def test_of_e4_is_whoever_has_the_duty_then_everyone_then_the_medical_director(self) -> None:
        assert whom("E4", 0, "ana") == ["ana on_call 0"]
        assert [one.split()[0] for one in whom("E4", 1, "ana")] == ["ana", "ben", "cleo", "mia", "sue"]
        assert whom("E4", 2, "ana") == ["mia medical_director 2", "ana on_call 2"]

    def test_of_e3_is_the_clinicians_and_whoever_has_the_duty(self) -> None:
        assert whom("E3", 0, "sue") == ["ana clinician 0", "ben clinician 0", "sue on_call 0"]

    def test_of_e2_is_one_role_after_the_other(self) -> None:
        assert whom("E2", 0, "ana") == ["cleo counselor 0"]
        assert whom("E2", 2, "ana") == ["ana on_call 2"]

    def test_goes_on_at_once_while_a_tier_stands_for_nobody(self) -> None:
        assert [one.split()[0] for one in whom("E4", 0)] == ["ana", "ben", "cleo", "mia", "sue"]
        assert whom("E2", 0, without="cleo") == ["sue supervisor 1"]
        assert whom("E3", 0, "sue", without="ana ben") == ["sue on_call 0"]

    def test_goes_on_to_the_medical_director_when_nobody_has_the_duty(self) -> None:
        assert whom("E3", 0) == ["ana clinician 0", "ben clinician 0", "mia medical_director 2"]

    def test_pages_nobody_twice_in_one_asking(self) -> None:
        assert whom("E4", 1, "ana", besides="ana ben") == [
            "cleo everyone 1",
            "mia everyone 1",
            "sue everyone 1",
        ]

    def test_is_nobody_when_there_is_nobody(self) -> None:
        assert whom("E4", 0, without="ana ben cleo mia sue") == []
        assert whom("E3", 3, "ana") == []


def escalation(level: str = "E4", **changed: Any) -> escalations.Escalation:
    return escalations.Escalation(
        **{
            "escalation_id": "0190aaaa-0000-7000-8000-000000000001",
            "patient_id": "0190aaaa-0000-7000-8000-000000000002",
            "cause": "OVERDOSE",
            "level": level,
            "opened_at": NOON,
            "level_since": NOON,
            **changed,
        }
    )


class TestPage:
    def test_says_nothing_but_that_there_is_something_and_by_when(self) -> None:
        assert pages.codes_of(escalation()) == {
            "reference": "0190aaaa",
            "level": "E4",
            "acknowledge_by": "2026-02-02 12:05 UTC",
        }

    @pytest.mark.parametrize(("level", "urgent"), [("E2", False), ("E3", True), ("E4", True)])
    def test_about_a_danger_is_urgent(self, level: str, urgent: bool) -> None:
        assert pages.is_urgent(escalation(level)) == urgent

    def test_is_another_one_for_each_level_tier_and_person(self) -> None:
        def page_id(one: escalations.Escalation, staff_id: str = "ana") -> str:
            return pages.page_of(one, staff_id=staff_id, paged_as="on_call", tier=0, now=NOON).page_id

        ids = {page_id(escalation("E3")), page_id(escalation()), page_id(escalation(tier=1))}

        assert len(ids | {page_id(escalation(), "ben")}) == 4
        assert page_id(escalation()) in ids

    def test_is_unanswered_until_somebody_takes_the_escalation(self) -> None:
        one = escalation()
        asking = [pages.page_of(one, staff_id="ana", paged_as="on_call", tier=0, now=NOON)]

        assert pages.is_unanswered(one, asking)
        one.acknowledge(by=SUPERVISOR, now=hours(0.1))
        assert not pages.is_unanswered(one, asking)

    def test_of_an_earlier_asking_is_not_followed_any_more(self) -> None:
        one = escalation()
        asking = [pages.page_of(one, staff_id="ana", paged_as="on_call", tier=0, now=NOON)]

        one.breach(deadline="ACKNOWLEDGE", now=hours(0.1))

        assert not pages.is_unanswered(one, asking)
        assert not pages.is_unanswered(one, [])

    def test_made_because_nobody_acted_is_followed_although_somebody_took_it(self) -> None:
        one = escalation()
        one.acknowledge(by=SUPERVISOR, now=NOON)
        one.breach(deadline="ACT", now=hours(1))

        asking = [pages.page_of(one, staff_id="mia", paged_as="everyone", tier=1, now=hours(1))]

        assert pages.is_unanswered(one, asking)


class TestProof:
    def proof(self) -> proofs.Proof:
        return proofs.Proof(proof_id="proof", staff_id="ana", asked_at=NOON)

    def settle(self, outcome: str, *, task_is_open: bool = False) -> list[Event]:
        return self.proof().settle(outcome=outcome, task_is_open=task_is_open, now=NOON)

    def test_is_there_when_the_test_was_sent(self) -> None:
        assert self.settle("SENT") == [PagePathProven(proof_id="proof", proven_at=NOON)]

    @pytest.mark.parametrize("outcome", ["FAILED", "SUPPRESSED"])
    def test_is_missing_when_it_was_not_and_a_human_is_asked(self, outcome: str) -> None:
        broken, task = self.settle(outcome)

        assert isinstance(broken, PagePathBroken)
        assert isinstance(task, TaskOpened)
        assert (broken.reason, task.task, task.owner_role) == (outcome, "page_path_broken", "supervisor")

    def test_shows_nothing_where_time_is_simulated(self) -> None:
        assert self.settle("SIMULATED") == []

    def test_asks_a_human_once_until_the_way_is_open_again(self) -> None:
        assert [type(event) for event in self.settle("FAILED", task_is_open=True)] == [PagePathBroken]
