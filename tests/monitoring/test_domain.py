"""The rules of monitoring: risk, readiness, outreach, escalations, plans, check-ins."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitoring.domain import (
    attendance,
    checkins,
    escalations,
    outreach,
    plans,
    readiness,
    risk,
)
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Actor
from shared.contracts.monitoring import ESCALATION_LEVELS, EscalationRaised, PatientReengaged
from tests.monitoring import telling
from tests.monitoring.telling import ADMITTED_AT, DANA, EPISODE, JOURNEY

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def seat(
    at: datetime, state: str = attendance.ATTENDED, *, credited: int | None = None
) -> attendance.Attendance:
    return attendance.Attendance(
        seat_id=at.isoformat(),
        episode_id=EPISODE,
        starts_at=at,
        clinical_minutes=180,
        state=state,
        credited_minutes=(180 if state == attendance.ATTENDED else 0) if credited is None else credited,
    )


def said(
    at: datetime,
    *,
    craving: int = 2,
    mood: int = 6,
    sleep_hours: float = 7,
    used: bool = False,
    skill_used: bool = False,
) -> risk.CheckInFact:
    return risk.CheckInFact(
        at=at, craving=craving, mood=mood, sleep_hours=sleep_hours, used=used, skill_used=skill_used
    )


def facts(
    *told: risk.CheckInFact | attendance.Attendance, short_weeks: tuple[datetime, ...] = ()
) -> risk.Facts:
    return risk.Facts(
        seats=[one for one in told if isinstance(one, attendance.Attendance)],
        check_ins=[one for one in told if isinstance(one, risk.CheckInFact)],
        short_weeks=short_weeks,
    )


class TestRiskIndex:
    @pytest.mark.parametrize(
        ("told", "term", "points"),
        [
            (lambda: facts(said(NOON, used=True)), "SELF_REPORTED_USE", 25),
            (lambda: facts(said(NOON, craving=7)), "CRAVING_HIGH", 15),
            (lambda: facts(said(NOON, mood=3)), "MOOD_LOW", 10),
            (lambda: facts(seat(NOON, "MISSED")), "ABSENCES", 8),
            (lambda: facts(seat(NOON, "MISSED"), seat(NOON - timedelta(days=1), "MISSED")), "ABSENCES", 18),
            (lambda: facts(short_weeks=(NOON,)), "SHORT_WEEK", 8),
            (
                lambda: facts(*(said(NOON - timedelta(days=n), sleep_hours=4) for n in range(3))),
                "SLEEP_SHORT",
                4,
            ),
        ],
    )
    def test_names_each_term_with_its_points(
        self, told: Callable[[], risk.Facts], term: str, points: int
    ) -> None:
        found = risk.index_at(told(), now=NOON)

        assert (found.terms, found.index) == (((term, points),), points)

    @pytest.mark.parametrize(
        "told",
        [
            lambda: facts(said(NOON, craving=7), said(NOON - timedelta(days=1), craving=6)),
            lambda: facts(said(NOON, mood=3), said(NOON - timedelta(days=1), mood=4)),
            lambda: facts(*(said(NOON - timedelta(days=n), sleep_hours=4) for n in range(2))),
            lambda: facts(seat(NOON, "NEITHER")),
            lambda: facts(seat(NOON - timedelta(days=7), "MISSED")),
            lambda: facts(seat(NOON + timedelta(minutes=1), "MISSED")),
        ],
    )
    def test_says_nothing_of_what_stays_under_a_threshold_or_out_of_the_week(
        self, told: Callable[[], risk.Facts]
    ) -> None:
        assert risk.index_at(told(), now=NOON) == risk.Risk(index=0, terms=())

    def test_takes_twelve_points_off_for_skills_at_most(self) -> None:
        days = [said(NOON - timedelta(days=n), used=True, skill_used=True) for n in range(6)]

        assert risk.index_at(facts(*days), now=NOON).index == 25 - 12

    @pytest.mark.parametrize(
        ("index", "band"),
        [
            (0, "GREEN"),
            (19, "GREEN"),
            (20, "YELLOW"),
            (39, "YELLOW"),
            (40, "ORANGE"),
            (59, "ORANGE"),
            (60, "RED"),
        ],
    )
    def test_falls_into_its_band(self, index: int, band: str) -> None:
        assert risk.band_of(index) == band

    @given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 10), st.integers(0, 10), st.booleans())))
    def test_stays_within_its_limits_and_is_the_sum_of_its_terms(
        self, told: list[tuple[int, int, int, bool]]
    ) -> None:
        days = [
            said(NOON - timedelta(days=n), craving=craving, mood=mood, used=used)
            for n, craving, mood, used in told
        ]

        found = risk.index_at(facts(*days), now=NOON)

        assert 0 <= found.index <= 100
        assert found.index == max(0, min(100, sum(points for _, points in found.terms)))

    @given(st.lists(st.integers(1, 20), max_size=8))
    def test_never_falls_by_one_more_absence(self, days: list[int]) -> None:
        missed = [seat(NOON - timedelta(days=n), "MISSED") for n in days]

        more = risk.index_at(facts(*missed, seat(NOON, "MISSED")), now=NOON).index

        assert more >= risk.index_at(facts(*missed), now=NOON).index


class TestShownBand:
    #: 50 points: orange at once, for a week.
    BAD_DAY = facts(said(NOON, used=True, craving=9, mood=1))

    @pytest.mark.parametrize(
        ("after", "band"),
        [
            (timedelta(0), "ORANGE"),
            (timedelta(days=6), "ORANGE"),
            (timedelta(days=9, hours=23), "ORANGE"),
            (timedelta(days=10), "GREEN"),
        ],
    )
    def test_rises_at_once_and_falls_after_three_days_below(self, after: timedelta, band: str) -> None:
        assert risk.shown_band(self.BAD_DAY, now=NOON + after) == band

    def test_is_never_below_the_band_of_the_index(self) -> None:
        for hours in range(0, 300, 5):
            now = NOON + timedelta(hours=hours)
            shown = risk.shown_band(self.BAD_DAY, now=now)
            assert risk.order_of(shown) >= risk.order_of(risk.index_at(self.BAD_DAY, now=now).band)

    def test_rises_once_for_a_band_that_stays(self) -> None:
        again = facts(*(said(NOON + timedelta(days=n), used=True, craving=9, mood=1) for n in range(4)))

        rises = risk.rises_between(again, since=NOON, until=NOON + timedelta(days=7))

        assert rises == [("ORANGE", NOON)]


def weeks_of(count: int, *, missed: frozenset[int] = frozenset()) -> list[attendance.Attendance]:
    """Return three sessions a week; those numbered in *missed* were missed."""
    days = [7 * week + day for week in range(count) for day in (0, 2, 4)]
    return [
        seat(ADMITTED_AT + timedelta(days=day), "MISSED" if n in missed else attendance.ATTENDED)
        for n, day in enumerate(days)
    ]


class TestReadiness:
    def test_begins_with_the_first_session_at_which_all_is_met(self) -> None:
        since = readiness.ready_since(seats=weeks_of(10), uses=[], admitted_at=ADMITTED_AT)

        assert since == ADMITTED_AT + timedelta(weeks=8)

    def test_needs_twenty_four_sessions(self) -> None:
        seats = weeks_of(9, missed=frozenset({0, 1, 2, 3}))

        assert readiness.ready_since(seats=seats[:27], uses=[], admitted_at=ADMITTED_AT) is None
        seats[0].state, seats[0].credited_minutes = attendance.ATTENDED, 180
        assert readiness.ready_since(seats=seats, uses=[], admitted_at=ADMITTED_AT) is not None

    def test_counts_no_support_group_as_a_session(self) -> None:
        seats = weeks_of(9)
        for one in seats[:5]:
            one.clinical_minutes = 0

        assert readiness.ready_since(seats=seats, uses=[], admitted_at=ADMITTED_AT) is None

    def test_needs_eighty_percent_of_the_last_four_weeks(self) -> None:
        seats = weeks_of(10, missed=frozenset({20, 22, 24}))

        assert readiness.ready_since(seats=seats[:27], uses=[], admitted_at=ADMITTED_AT) is None

    def test_counts_eighty_percent_to_the_minute_and_nothing_older_than_four_weeks(self) -> None:
        seats = weeks_of(12)
        newest = seats[-1].starts_at
        (four_weeks_ago,) = (one for one in seats if one.starts_at == newest - timedelta(days=28))
        four_weeks_ago.state, four_weeks_ago.credited_minutes = "MISSED", 0
        # Of twelve sessions of three hours, a fifth is lacking.
        for one, credited in zip(seats[-4:-1], (0, 0, 108), strict=True):
            one.credited_minutes = credited

        assert readiness.ready_since(seats=seats, uses=[], admitted_at=ADMITTED_AT) == newest
        seats[-2].credited_minutes = 107
        assert readiness.ready_since(seats=seats, uses=[], admitted_at=ADMITTED_AT) is None

    @pytest.mark.parametrize(("days_before", "ready"), [(0, False), (27, False), (28, True)])
    def test_needs_four_weeks_without_use(self, days_before: int, ready: bool) -> None:
        seats = weeks_of(9)
        used = seats[-1].starts_at - timedelta(days=days_before)

        since = readiness.ready_since(seats=seats, uses=[used], admitted_at=ADMITTED_AT)

        assert (since is not None) is ready

    def test_is_lost_by_use_after_the_newest_session(self) -> None:
        seats = weeks_of(10)

        assert (
            readiness.ready_since(
                seats=seats, uses=[seats[-1].starts_at + timedelta(hours=30)], admitted_at=ADMITTED_AT
            )
            is None
        )

    @given(st.permutations(range(27)))
    def test_does_not_depend_on_the_order_of_the_facts(self, order: list[int]) -> None:
        in_order = weeks_of(9, missed=frozenset({3, 9}))
        seats = [in_order[place] for place in order]

        assert readiness.ready_since(seats=seats, uses=[], admitted_at=ADMITTED_AT) == readiness.ready_since(
            seats=in_order, uses=[], admitted_at=ADMITTED_AT
        )


class TestAttendance:
    @given(st.permutations(range(5)))
    def test_ends_with_the_newest_mark_in_any_order(self, revisions: list[int]) -> None:
        states = ["MISSED", "ATTENDED", "NEITHER", "MISSED", "ATTENDED"]
        first, *others = revisions
        kept = seat(NOON, states[first])
        kept.revision = first

        for revision in others:
            kept.correct(
                state=states[revision], credited_minutes=revision, revision=revision, corrected_at=NOON
            )

        assert (kept.revision, kept.state) == (4, "ATTENDED")

    def test_counts_a_row_over_what_speaks_for_neither(self) -> None:
        states = ["MISSED", "ATTENDED", "MISSED", "NEITHER", "MISSED", "MISSED"]
        seats = [seat(NOON + timedelta(days=n), state) for n, state in enumerate(states)]

        rows = [attendance.absences_in_row(seats, up_to=one.starts_at) for one in seats]

        assert rows == [1, 0, 1, 1, 2, 3]

    def test_neither_lengthens_nor_ends_a_row_with_a_support_group(self) -> None:
        missed, came, missed_again = (
            seat(NOON + timedelta(days=n), state) for n, state in enumerate(("MISSED", "ATTENDED", "MISSED"))
        )
        came.clinical_minutes = 0

        assert attendance.absences_in_row([missed, came, missed_again], up_to=NOON + timedelta(days=2)) == 2
        assert attendance.state_of("NO_SHOW", clinical_minutes=0) == attendance.NEITHER
        assert attendance.state_of("NO_SHOW", clinical_minutes=165) == attendance.MISSED


def an_outreach(consecutive: int = 1) -> outreach.Outreach:
    return outreach.Outreach(
        outreach_id=telling.seat_of(99),
        episode_id=EPISODE,
        patient_id=DANA,
        journey_id=JOURNEY,
        seat_id=telling.seat_of(2),
        session_starts_at=NOON,
        missed_at=NOON + timedelta(minutes=15),
        consecutive=consecutive,
    )


class TestOutreachSteps:
    @pytest.mark.parametrize(
        ("consecutive", "opioid_history", "tasks"),
        [
            (1, False, ["outreach_call"]),
            (1, True, ["outreach_call"]),
            (2, False, ["outreach_call", "outreach_peer"]),
            (2, True, ["outreach_call", "outreach_peer", "naloxone_bridge_offer"]),
            (3, False, ["outreach_call", "outreach_peer", "outreach_letter", "supervisor_review"]),
            (
                4,
                True,
                [
                    "outreach_call",
                    "outreach_peer",
                    "naloxone_bridge_offer",
                    "outreach_letter",
                    "supervisor_review",
                    "welfare_check_consideration",
                ],
            ),
        ],
    )
    def test_grow_with_the_row(self, consecutive: int, opioid_history: bool, tasks: list[str]) -> None:
        steps = outreach.first_steps(consecutive=consecutive, opioid_history=opioid_history)

        assert [step.task for step in steps] == tasks

    def test_are_due_within_the_hours_of_the_cadence(self) -> None:
        asked = an_outreach().settle(answer=None, consecutive=3, opioid_history=True)

        missed_at = NOON + timedelta(minutes=15)
        hours = {task.task: (task.due_at - missed_at) / timedelta(hours=1) for task in asked}
        assert hours == {
            "outreach_call": 1,
            "outreach_peer": 24,
            "naloxone_bridge_offer": 24,
            "outreach_letter": 24,
            "supervisor_review": 24,
            "welfare_check_consideration": 24,
        }
        assert outreach.OVERDUE_CALL.within == timedelta(hours=4)
        assert outreach.SAME_DAY_CALL.within == timedelta(hours=8)

    def test_are_asked_once_and_withdrawn_by_contact(self) -> None:
        one = an_outreach()
        asked = one.settle(answer=None, consecutive=2, opioid_history=False)
        again = one.settle(answer=None, consecutive=2, opioid_history=False)

        ended = one.settle(answer=(NOON + timedelta(days=1), "ATTENDED"), consecutive=2, opioid_history=False)

        assert (len(asked), again) == (2, [])
        assert [type(event) for event in ended] == [TaskClosed, TaskClosed, PatientReengaged]
        assert one.open_tasks == []

    def test_of_a_silent_week_outlast_a_row_that_gets_shorter(self) -> None:
        one = an_outreach()
        one.settle(answer=None, consecutive=3, opioid_history=False)
        one.fall_silent(at=NOON + timedelta(days=7))

        one.settle(answer=None, consecutive=1, opioid_history=False)

        assert one.open_tasks == ["outreach_call", "outreach_letter", "supervisor_review"]


def an_escalation(level: str = "E3", cause: str = "CSSRS_MODERATE") -> escalations.Escalation:
    return escalations.Escalation(
        escalation_id=telling.seat_of(98),
        patient_id=DANA,
        cause=cause,
        level=level,
        opened_at=NOON,
        level_since=NOON,
    )


class TestEscalationLevel:
    @given(st.lists(st.sampled_from(ESCALATION_LEVELS), max_size=8))
    def test_rises_and_never_falls(self, levels: list[str]) -> None:
        one = an_escalation("E1")
        highest = "E1"

        for n, level in enumerate(levels):
            raised = [
                event
                for event in one.add(level=level, evidence_id=str(n), at=NOON + timedelta(minutes=n))
                if isinstance(event, EscalationRaised)
            ]
            assert bool(raised) == (level > highest)
            highest = max(highest, level)
            assert one.level == highest

    @given(st.permutations([("E2", 0), ("E3", 5), ("E3", 9), ("E4", 20), ("E4", 30)]))
    def test_and_its_deadlines_do_not_depend_on_the_order_of_the_evidence(
        self, evidence: list[tuple[str, int]]
    ) -> None:
        one = an_escalation("E2")
        one.opened_at = one.level_since = NOON + timedelta(days=1)

        for level, minutes in evidence:
            one.add(level=level, evidence_id=f"{level}{minutes}", at=NOON + timedelta(minutes=minutes))

        assert (one.opened_at, one.level_since) == (NOON, NOON + timedelta(minutes=20))
        assert one.acknowledge_by == NOON + timedelta(minutes=25)

    @pytest.mark.parametrize(
        ("level", "acknowledge", "act", "tiers"),
        [
            ("E1", timedelta(days=1), timedelta(days=1), ["counselor", "supervisor"]),
            ("E2", timedelta(hours=4), timedelta(hours=12), ["counselor", "supervisor", "on_call"]),
            (
                "E3",
                timedelta(minutes=30),
                timedelta(minutes=60),
                ["clinician", "on_call", "medical_director"],
            ),
            ("E4", timedelta(minutes=5), timedelta(minutes=15), ["on_call", "everyone", "medical_director"]),
        ],
    )
    def test_sets_deadlines_and_tiers(
        self, level: str, acknowledge: timedelta, act: timedelta, tiers: list[str]
    ) -> None:
        one = an_escalation(level)

        assert (one.acknowledge_by, one.act_by) == (NOON + acknowledge, NOON + act)
        assert [one.role_at(tier) for tier in range(len(tiers))] == tiers
        assert one.role_at(9) == tiers[-1]

    def test_e2_asks_the_supervisor_after_four_hours_and_the_on_call_after_six(self) -> None:
        one = an_escalation("E2")
        asked = []
        for _ in range(4):
            due_at = one.acknowledgement_due_at
            assert due_at is not None
            one.breach(deadline="ACKNOWLEDGE", now=due_at)
            asked.append(((due_at - NOON) / timedelta(hours=1), one.role_at(one.tier)))

        assert asked == [(4, "supervisor"), (6, "on_call"), (10, "on_call"), (18, "on_call")]

    @pytest.mark.parametrize("cause", ["RETURN_TO_USE", "OVERDOSE"])
    def test_of_a_lethal_return_asks_for_an_overdose_check_and_naloxone(self, cause: str) -> None:
        tasks = {
            event.task: event for event in an_escalation(cause=cause).open() if isinstance(event, TaskOpened)
        }

        assert set(tasks) == {"escalation", "overdose_check", "naloxone"}
        assert tasks["naloxone"].due_at == NOON + timedelta(minutes=60)

    @pytest.mark.parametrize(("level", "needs"), [("E1", False), ("E2", False), ("E3", True), ("E4", True)])
    def test_says_whether_ending_it_needs_a_licence(self, level: str, needs: bool) -> None:
        one = an_escalation(level)
        intern = Actor(actor_id="9", role="counselor", credential="")
        one.acknowledge(by=intern, now=NOON)

        if needs:
            with pytest.raises(escalations.ClosureNeedsLicence):
                one.close(by=intern, disposition="FALSE_ALARM", note=None, now=NOON)
        else:
            one.close(by=intern, disposition="FALSE_ALARM", note=None, now=NOON)
        assert one.is_open is needs


class TestPlanAndSupport:
    def test_works_on_it_that_nobody_backs_the_patient(self) -> None:
        alone, backed = (plans.draft(telling.assessed(supporters=number)) for number in (0, 1))

        (objective,) = (one for one in alone.objectives if one["problem"] == "SUPPORT")
        assert (objective["measure"], objective["target"]) == ("SUPPORTERS_NAMED", 1)
        assert "SUPPORT" not in backed.problems
        assert "SUPPORT" not in plans.draft(telling.assessed()).problems

    def test_follows_what_is_told_until_somebody_signs(self) -> None:
        plan = plans.draft(telling.assessed(supporters=2))
        seen = []
        for supporters in (0, 0, 1, 0):
            plan.heed_support(supporters)
            seen.append(plan.problems.count("SUPPORT"))
        plan.sign(as_="PATIENT", by=Actor(actor_id="dana", role="patient"), now=NOON)
        plan.heed_support(3)

        assert (seen, plan.problems.count("SUPPORT")) == ([1, 1, 0, 1], 1)
        assert [one["problem"] for one in plan.objectives].count("SUPPORT") == 1

    def test_works_on_each_condition_that_has_a_measure(self) -> None:
        plan = plans.draft(telling.assessed(conditions=("PTSD", "DIABETES", "DEPRESSION"), co_occurring=True))

        measures = {one["problem"]: (one["measure"], one["target"]) for one in plan.objectives}
        assert measures["DEPRESSION"] == ("PHQ9_TOTAL", 9)
        assert measures["PTSD"] == ("PC_PTSD5_TOTAL", 3)
        assert "DIABETES" not in plan.problems
        assert "DIM3" in plan.problems

    def test_takes_the_dimensions_of_either_edition(self) -> None:
        by_the_fourth = telling.assessed(edition="ASAM4", dimension_ratings=(), dimensions_in_need=(2, 4, 5))

        plan = plans.draft(by_the_fourth)

        assert plan.problems == ["ALCOHOL", "DIM2", "DIM5", "DIM6"]


class TestPlanDraft:
    def test_has_an_objective_for_each_problem_and_one_beside_the_substance(self) -> None:
        plan = plans.draft(telling.assessed())

        assert [one["problem"] for one in plan.objectives] == ["ALCOHOL", "DIM5", "DIM6", "LIFE"]
        for objective in plan.objectives:
            assert {"measure", "comparator", "target", "due_on", "modality"} <= set(objective)
            assert objective["due_on"] <= (plan.drafted_at + timedelta(days=90)).date().isoformat()

    def test_offers_medication_for_what_there_is_medication_for(self) -> None:
        plan = plans.draft(
            telling.assessed(
                problems=("OPIOID", "ALCOHOL", "CANNABIS"), severities=("SEVERE", "NONE", "MILD")
            )
        )

        assert plan.offers == ["MOUD_OFFER", "NALOXONE", "RECOVERY_RESIDENCE_REFERRAL"]
        assert "ALCOHOL" not in plan.problems

    def test_works_on_the_mind_where_a_condition_occurs_beside(self) -> None:
        assert "DIM3" in plans.draft(telling.assessed(co_occurring=True)).problems
        assert "DIM3" in plans.draft(telling.assessed(positive_screens=("PHQ9",))).problems
        assert "DIM3" not in plans.draft(telling.assessed()).problems

    def test_numbers_versions_by_their_assessments(self) -> None:
        older = plans.draft(telling.assessed())
        newer = plans.draft(telling.assessed(assessment_id=DANA, completed_at=NOON))

        plans.number_versions([newer, older])

        assert [(one.version, one.state) for one in (older, newer)] == [(1, "SUPERSEDED"), (2, "DRAFT")]


class TestCheckInAnswers:
    def answered(self, **told: object) -> checkins.CheckIn:
        values = {"craving": 2, "mood": 6, "stress": 2, "sleep_hours": 8.0, "used": False, **told}
        return checkins.CheckIn(
            check_in_id=telling.seat_of(97), episode_id=EPISODE, checked_in_at=NOON, **values
        )

    def test_raise_every_danger_they_tell_of(self) -> None:
        both = self.answered(used=True, substance="OPIOID", danger=True)

        assert both.concerns() == [("DANGER_ANSWER", "E4"), ("RETURN_TO_USE", "E3")]
        assert self.answered(used=True, substance="CANNABIS").concerns() == []

    @pytest.mark.parametrize(
        ("told", "carries"),
        [
            ({}, False),
            ({"craving": 6}, False),
            ({"craving": 7}, True),
            ({"want_call": True}, True),
            ({"danger": True}, True),
            ({"used": True, "substance": "ALCOHOL"}, True),
        ],
    )
    def test_show_where_help_is_when_they_carry_risk(self, told: dict[str, object], carries: bool) -> None:
        assert self.answered(**told).carries_risk is carries
