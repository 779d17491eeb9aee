from datetime import time
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scheduling.domain import obligations, planner
from services.scheduling.domain.weeks import MINUTES_A_DAY, Span, span
from tests.scheduling.builders import meeting, request, therapist, work

TRACKS = st.sampled_from(["MORNING", "AFTERNOON", "EVENING"])

MEETINGS = st.lists(
    st.builds(
        lambda weekday, track, minutes, free, kind: meeting(
            weekday,
            track,
            group_id=f"{track} {minutes} {kind}",
            clinical_minutes=minutes,
            free_places=free,
            kind=kind,
        ),
        st.integers(0, 5),
        TRACKS,
        st.sampled_from([120, 165, 180]),
        st.sampled_from([0, 1, 1, 2]),
        st.sampled_from(["GROUP", "GROUP", "GROUP", "EDUCATION"]),
    ),
    min_size=4,
    max_size=14,
    unique_by=lambda one: (one.group_id, one.weekday),
)

OBLIGATIONS = st.lists(
    st.builds(
        lambda weekday, hour, length, travel: work(
            weekday, time(hour), time((hour + length) % 24), travel_minutes=travel
        ),
        st.integers(0, 6),
        st.integers(0, 23),
        st.integers(1, 12),
        st.sampled_from([0, 20, 45, 90]),
    ),
    max_size=5,
)

THERAPISTS = st.lists(
    st.builds(
        lambda taken: therapist(taken=frozenset(taken)),
        st.lists(st.tuples(st.integers(0, 5), st.integers(8, 20).map(time)), max_size=30),
    ),
    max_size=2,
)


def some_week_fits(
    wanted: planner.Request, offered: list[planner.Meeting], asked: list[planner.Therapist]
) -> bool:
    """Try every choice there is, without any cleverness."""
    clear = [
        one
        for one in offered
        if one.free_places and not any(one.span().meets(taken) for taken in wanted.busy)
    ]
    days = sorted({one.weekday for one in offered})
    for size in range(3, 7):
        for chosen_days in combinations(days, size):
            for chosen in product(*([one for one in clear if one.weekday == day] for day in chosen_days)):
                minutes = sum(one.clinical_minutes for one in chosen) + 50
                if sum(one.kind == "GROUP" for one in chosen) < 3:
                    continue
                if not wanted.floor <= minutes < wanted.ceiling:
                    continue
                for who, day, hour in product(asked, days, range(8, 21)):
                    stretch = span(weekday=day, starts=time(hour), ends=time(hour, 50))
                    taken = [*wanted.busy, *who.busy, *(one.span() for one in chosen)]
                    if (day, time(hour)) not in who.taken and not any(stretch.meets(t) for t in taken):
                        return True
    return False


class TestPlanWeek:
    @settings(max_examples=150, deadline=None)
    @given(offered=MEETINGS, bound_by=OBLIGATIONS, asked=THERAPISTS, floor=st.sampled_from([360, 540, 700]))
    def test_keeps_every_rule_and_finds_a_week_whenever_there_is_one(self, offered, bound_by, asked, floor):
        wanted = request(*bound_by, floor=floor)

        found = planner.plan_week(request=wanted, meetings=offered, therapists=asked)

        assert isinstance(found, planner.StandingWeek) == some_week_fits(wanted, offered, asked)
        if isinstance(found, planner.StandingWeek):
            spans = [one.span() for one in found.meetings] + [found.individual.span()]
            assert len({one.weekday for one in found.meetings}) == len(found.meetings) >= 3
            assert floor <= found.weekly_minutes < 1140
            assert not any(own.meets(taken) for own in spans for taken in wanted.busy)
            assert not any(one.meets(other) for one, other in combinations(spans, 2))
            assert all(one.free_places > 0 for one in found.meetings)
            hour = (found.individual.weekday, found.individual.starts)
            assert any(hour not in who.taken for who in asked)

    @settings(max_examples=30, deadline=None)
    @given(offered=MEETINGS, bound_by=OBLIGATIONS, shuffle=st.randoms(use_true_random=False))
    def test_gives_the_same_week_whatever_the_order_of_groups(self, offered, bound_by, shuffle):
        mixed = list(offered)
        shuffle.shuffle(mixed)

        week = planner.plan_week(request=request(*bound_by), meetings=offered, therapists=[therapist()])
        again = planner.plan_week(request=request(*bound_by), meetings=mixed, therapists=[therapist()])

        assert week == again

    def test_takes_three_blocks_and_an_hour_for_nine_hours_a_week(self):
        found = planner.plan_week(
            request=request(), meetings=[meeting(day) for day in range(5)], therapists=[therapist()]
        )

        assert [one.weekday for one in found.meetings] == [0, 2, 4]
        assert found.weekly_minutes == 545
        assert found.individual.starts == time(8) or found.individual.starts == time(12)

    def test_takes_a_fourth_block_where_three_are_too_short(self):
        short = [meeting(day, clinical_minutes=150) for day in range(5)]

        found = planner.plan_week(request=request(), meetings=short, therapists=[therapist()])

        assert found.weekly_minutes == 650

    def test_treats_the_ceiling_as_below(self):
        found = planner.plan_week(
            request=request(ceiling=545),
            meetings=[meeting(day) for day in range(3)],
            therapists=[therapist()],
        )

        assert found == planner.NoWeek(reason="HOURS")

    def test_counts_the_way_to_work(self):
        at_eight = [work(day, time(12, 30), time(17), travel_minutes=45) for day in range(5)]
        both = [meeting(day, track) for day in range(5) for track in ("MORNING", "EVENING")]

        found = planner.plan_week(request=request(*at_eight), meetings=both, therapists=[therapist()])

        assert found.track == "EVENING"

    def test_keeps_clear_of_a_night_shift_that_ends_in_the_morning(self):
        nights = [work(6, time(22), time(10)), work(1, time(22), time(10)), work(3, time(22), time(10))]

        found = planner.plan_week(
            request=request(*nights), meetings=[meeting(day) for day in range(6)], therapists=[therapist()]
        )

        assert [one.weekday for one in found.meetings] == [1, 3, 5]

    def test_begins_within_two_days_where_the_days_permit(self):
        wednesday_noon = 2 * MINUTES_A_DAY + 12 * 60

        found = planner.plan_week(
            request=request(admitted_minute=wednesday_noon),
            meetings=[meeting(day, free_places=1 if day == 3 else 9) for day in range(5)],
            therapists=[therapist()],
        )

        assert {3, 4} & {one.weekday for one in found.meetings}

    def test_stays_with_one_group_on_all_days(self):
        parallel = [
            meeting(day, group_id=name, free_places=4) for day in (0, 2, 4) for name in ("alder", "birch")
        ]

        found = planner.plan_week(request=request(), meetings=parallel, therapists=[therapist()])

        assert len({one.group_id for one in found.meetings}) == 1

    def test_asks_the_first_therapist_who_is_free(self):
        hours = frozenset((day, time(hour)) for day in range(5) for hour in range(8, 21))
        full, free = therapist("Full", taken=hours), therapist("Free")

        found = planner.plan_week(
            request=request(), meetings=[meeting(day) for day in range(3)], therapists=[full, free]
        )

        assert found.individual.clinician_id == free.clinician_id

    @pytest.mark.parametrize(
        ("reason", "offered", "bound_by", "asked"),
        [
            ("NO_GROUPS", [], [], [therapist()]),
            ("NO_THERAPIST", [meeting(day) for day in range(3)], [], []),
            ("GROUPS_FULL", [meeting(day, free_places=0) for day in range(3)], [], [therapist()]),
            (
                "OBLIGATIONS",
                [meeting(day) for day in range(3)],
                [work(0, time(9), time(10))],
                [therapist()],
            ),
            (
                "OBLIGATIONS_AND_CAPACITY",
                [meeting(day, free_places=0) for day in range(3)],
                [work(0, time(9), time(10))],
                [therapist()],
            ),
            ("HOURS", [meeting(0), meeting(1)], [], [therapist()]),
        ],
    )
    def test_names_the_constraint_to_relax(self, reason, offered, bound_by, asked):
        found = planner.plan_week(request=request(*bound_by), meetings=offered, therapists=asked)

        assert found == planner.NoWeek(reason=reason)


class TestSpan:
    def test_meets_across_the_end_of_the_week(self):
        sunday_night = span(weekday=6, starts=time(22), ends=time(6))

        assert sunday_night.meets(span(weekday=0, starts=time(5), ends=time(8)))

    def test_does_not_meet_what_it_only_touches(self):
        assert not Span(begins=0, ends=60).meets(Span(begins=60, ends=90))


class TestFitOfTracks:
    def test_puts_the_track_first_that_places_most(self):
        offered = [meeting(day, track) for day in range(5) for track in ("MORNING", "EVENING")]
        mornings = [work(day, time(8), time(16)) for day in range(5)]

        fits = obligations.fit_of_tracks(meetings=offered, bound_by=mornings)

        assert [(fit.track, fit.placeable_minutes, fit.result) for fit in fits] == [
            ("EVENING", 875, "MET"),
            ("MORNING", 0, "NOT_MET"),
            ("AFTERNOON", 0, "NOT_MET"),
        ]

    def test_is_conditional_from_three_quarters_of_the_hours(self):
        offered = [meeting(day) for day in (0, 2, 4)]

        (morning, *_) = obligations.fit_of_tracks(
            meetings=[*offered[:2], meeting(4, clinical_minutes=30)], bound_by=[]
        )

        assert (morning.placeable_minutes, morning.result) == (410, "CONDITIONAL")
