"""The rules of aftercare, without a database."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.aftercare.domain import contacts, discharge, episodes, graduation, lapses, plans
from shared.contracts.aftercare import (
    ATTESTABLE_CRITERIA,
    GRADUATION_CRITERIA,
    LAPSE_SUBSTANCES,
    LOCAL_DISCHARGE_REASONS,
    MONITORED_CRITERIA,
    PLANNED_CRITERIA,
)
from shared.contracts.common import SafetyConcernRaised, TaskClosed, TaskOpened
from shared.contracts.event import Actor
from shared.ids import derived_id
from tests.aftercare import telling
from tests.aftercare.telling import ADMITTED_AT, DANA, FIRST, JOURNEY

END = ADMITTED_AT + timedelta(weeks=12)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2029, 1, 1), timezones=st.just(UTC))


def episode(**changed: Any) -> episodes.Episode:
    return episodes.Episode(
        **{
            "episode_id": FIRST,
            "patient_id": DANA,
            "journey_id": JOURNEY,
            "time_zone": "America/Chicago",
            "admitted_at": ADMITTED_AT,
            "follow_up_consent": True,
            **changed,
        }
    )


def relapse_prevention(**changed: Any) -> plans.RelapsePrevention:
    return plans.RelapsePrevention(
        **{
            "triggers": 5,
            "coping_actions_per_trigger": 2,
            "warning_signs": 3,
            "routines_per_week": 3,
            "supports": 3,
            "supports_outside_family": 1,
            "lapse_plan": True,
            "safety_plan": True,
            "reviewed_at": END - timedelta(days=30),
            **changed,
        }
    )


def follow_up() -> contacts.Contact:
    return contacts.plan_follow_ups(episode=episode(), discharge_id=derived_id("d"), discharged_at=END)[0]


class TestSeat:
    marks = (
        telling.missed(8),
        telling.attended(8, state="MADE_UP"),
        telling.corrected(8, "PRESENT", revision=1),
        telling.corrected(8, "NO_SHOW", revision=2, credited_minutes=0),
    )

    @given(st.permutations(marks * 2))
    def test_ends_with_the_newest_mark_in_any_order(self, told: list[Any]) -> None:
        seat = episodes.Seat(seat_id="s", episode_id=FIRST, starts_at=ADMITTED_AT, clinical_minutes=180)

        for mark in told:
            seat.take(mark)

        assert (seat.revision, seat.state, seat.attended) == (2, "NO_SHOW", False)

    @given(st.permutations(marks[:2] * 2))
    def test_counts_a_session_made_up_as_attended(self, told: list[Any]) -> None:
        seat = episodes.Seat(seat_id="s", episode_id=FIRST, starts_at=ADMITTED_AT, clinical_minutes=180)

        for mark in told:
            seat.take(mark)

        assert seat.attended


class TestRelapsePrevention:
    def test_is_complete_with_five_three_three(self) -> None:
        assert relapse_prevention().missing(now=END) == []

    @pytest.mark.parametrize(
        ("changed", "code"),
        [
            ({"triggers": 4}, "TRIGGERS"),
            ({"coping_actions_per_trigger": 1}, "COPING_ACTIONS"),
            ({"warning_signs": 2}, "WARNING_SIGNS"),
            ({"routines_per_week": 2}, "ROUTINES"),
            ({"supports": 2}, "SUPPORTS"),
            ({"supports_outside_family": 0}, "SUPPORT_OUTSIDE_FAMILY"),
            ({"lapse_plan": False}, "LAPSE_PLAN"),
            ({"safety_plan": False}, "SAFETY_PLAN"),
            ({"reviewed_at": END - timedelta(days=30, seconds=1)}, "REVIEW"),
            ({"reviewed_at": None}, "REVIEW"),
        ],
    )
    def test_names_the_one_thing_it_lacks(self, changed: dict[str, Any], code: str) -> None:
        assert relapse_prevention(**changed).missing(now=END) == [code]


class TestGate:
    def test_knows_every_criterion_that_the_contracts_name(self) -> None:
        codes = [criterion.code for criterion in graduation.CRITERIA]

        assert sorted(codes) == sorted(GRADUATION_CRITERIA)
        assert {c.code for c in graduation.CRITERIA if c.told_by == graduation.MONITORING} == set(
            MONITORED_CRITERIA
        )
        assert {c.code for c in graduation.CRITERIA if c.told_by == graduation.PLAN} == set(PLANNED_CRITERIA)
        assert {c.code for c in graduation.CRITERIA if c.told_by == graduation.CLINICIAN} == set(
            ATTESTABLE_CRITERIA
        ) - {"NO_USE"}

    def test_takes_the_patients_own_goal_for_no_use(self) -> None:
        dana = episode(ready_criteria=["ATTENDANCE"])
        word = graduation.attest(
            episode=dana,
            attestation_id="a",
            criterion="NO_USE",
            evidence="HARM_REDUCTION_GOAL_MET",
            met=True,
            actor=Actor(actor_id="kim", role="clinician", credential="LPC"),
            now=END,
        )

        findings = graduation.weigh(
            episode=dana,
            attestations=[word],
            plan=None,
            lapsed_at=END - timedelta(days=3),
            discharged_on=END.date(),
            now=END,
        )

        (no_use,) = (finding for finding in findings if finding.criterion.code == "NO_USE")
        assert (no_use.met, no_use.attested_by) == (True, "kim")


class TestFirstAppointment:
    @pytest.mark.parametrize(
        ("days", "met"), [(-1, False), (0, True), (3, True), (7, True), (8, False)], ids=str
    )
    def test_is_within_a_week_of_the_discharge(self, days: int, met: bool) -> None:
        plan = plans.write(
            episode=episode(),
            plan_id="p",
            version=1,
            draft=plans.Draft(
                components=dict.fromkeys(
                    ("ongoing_therapy", "support_groups", "relapse_prevention"), "PRESENT"
                ),
                goals="",
                first_appointment_at=END + timedelta(days=days),
            ),
            actor=Actor(actor_id="kim", role="clinician", credential="LPC"),
            now=END,
        )

        assert plan.has_first_appointment(episode=episode(), discharged_on=END.date(), now=END) is met


class TestStay:
    def end(self, last_contact_at: datetime, admitted_at: datetime = ADMITTED_AT) -> discharge.Discharge:
        signed, _ = discharge.discharge(
            episode=episode(admitted_at=admitted_at),
            reason_code="2",
            ending=discharge.Ending(
                discharge_id="d",
                actor=Actor(actor_id="kim", role="clinician", credential="LPC"),
                attended_at=None,
                last_contact_at=last_contact_at,
            ),
            now=END,
        )
        return signed

    @given(st.datetimes(datetime(2026, 2, 2, 15), datetime(2026, 4, 27), timezones=st.just(UTC)))
    def test_is_at_least_a_day_and_never_longer_than_to_the_discharge(self, last: datetime) -> None:
        assert 1 <= self.end(last).stay_days <= 84

    def test_counts_days_of_the_program(self) -> None:
        # Eleven at night and one in the morning in Chicago, two hours apart.
        late = datetime(2026, 2, 3, 5, 0, tzinfo=UTC)
        signed = self.end(late + timedelta(days=1, hours=2), admitted_at=late)

        assert signed.stay_days == 2

    def test_maps_every_local_reason_to_one_that_is_not_completion(self) -> None:
        reasons = {discharge.teds_reason(code) for code in LOCAL_DISCHARGE_REASONS}

        assert {teds for teds, _ in reasons} <= set("234567")


class TestProposal:
    @given(st.permutations([("WITHDRAWN", 2), ("DISCHARGED", 1), ("WITHDRAWN", 3)]))
    def test_ends_as_what_happened_first(self, closings: list[tuple[str, int]]) -> None:
        proposal, _ = discharge.propose(telling.proposed(END))

        announced = [
            event
            for status, hours in closings
            for event in proposal.close(status=status, at=END + timedelta(hours=hours))
        ]

        assert (proposal.status, proposal.closed_at) == ("DISCHARGED", END + timedelta(hours=1))
        assert len(announced) == 1


class TestCalls:
    def test_leave_no_gap_longer_than_the_cadence_says(self) -> None:
        days = [day for day, _ in contacts.call_days()]

        assert days[:8] == [7, 14, 21, 28, 35, 42, 49, 56]
        assert {later - sooner for sooner, later in itertools.pairwise(days[7:])} == {15, 30}
        assert 700 < days[-1] <= 730

    def test_have_windows_that_never_overlap(self) -> None:
        calls = contacts.call_days()

        for (day, leeway), (next_day, next_leeway) in itertools.pairwise(calls):
            assert day + leeway < next_day - next_leeway

    def test_end_after_the_last(self) -> None:
        last = len(contacts.call_days())

        assert (
            contacts.plan_call(episode=episode(), discharge_id="d", number=last + 1, graduated_at=END) is None
        )


class TestFollowUps:
    @given(MOMENTS)
    def test_fall_due_within_their_windows_which_never_overlap(self, discharged_at: datetime) -> None:
        planned = contacts.plan_follow_ups(
            episode=episode(), discharge_id=derived_id("d"), discharged_at=discharged_at
        )

        for contact in planned:
            assert discharged_at < contact.window_opens_at < contact.due_at < contact.window_closes_at
        for sooner, later in itertools.pairwise(planned):
            assert sooner.window_closes_at < later.window_opens_at

    @given(st.lists(st.sampled_from(["NO_ANSWER", "REACHED", "REFUSED", "DECEASED"]), max_size=8))
    def test_end_once_with_every_task_closed(self, outcomes: list[str]) -> None:
        contact = follow_up()
        events = contact.become_due(now=contact.due_at)

        for outcome in outcomes:
            if not contact.ended:
                events += contact.attempt(outcome=outcome, now=contact.due_at)
        events += contact.close_window()
        events += contact.stop(at=contact.due_at)

        assert contact.ended
        assert contact.tries <= contacts.TRIES_BEFORE_LOST
        assert contact.status != "REACHED" or "REACHED" in outcomes
        assert sum(isinstance(event, TaskOpened) for event in events) == 1
        assert sum(isinstance(event, TaskClosed) for event in events) == 1

    @given(st.integers(-20, 20))
    def test_stop_unless_their_window_was_over_before(self, days: int) -> None:
        contact = follow_up()

        contact.stop(at=contact.window_closes_at + timedelta(days=days))

        assert (contact.status == "CANCELLED") is (days <= 0)


class TestReport:
    @pytest.mark.parametrize("substance", LAPSE_SUBSTANCES)
    def test_is_e3_for_what_may_kill_and_e2_for_a_wish_for_help(self, substance: str) -> None:
        told = lapses.Report(lapse_id="l", patient_id=DANA, reported_by="SELF", substance=substance)

        _, events = lapses.take_report(told, episode=episode(), now=END)

        levels = [event.level for event in events if isinstance(event, SafetyConcernRaised)]
        lethal = substance in ("OPIOID", "SEDATIVE", "UNKNOWN", "COCAINE", "STIMULANT")
        assert levels == (["E3"] if lethal else ["E2"] if substance == "NONE" else [])

    @given(MOMENTS)
    def test_leaves_between_four_hours_and_a_day_for_the_contact(self, now: datetime) -> None:
        told = lapses.Report(lapse_id="l", patient_id=DANA, reported_by="SELF", substance="ALCOHOL")

        lapse, _ = lapses.take_report(told, episode=episode(), now=now)

        assert timedelta(hours=4) <= lapse.contact_by - now <= timedelta(hours=25)
