"""What a standing week may be: the rules of the planner, with the real solver behind them."""

import random
from dataclasses import replace
from datetime import time
from itertools import chain, combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scheduling.domain import explanations, obligations, planner
from services.scheduling.domain.weeks import span
from services.scheduling.solving.solver import Solver
from tests.scheduling.lives import LIVES, MONDAY, WEEKDAYS, Life, bound, meetings_of, program

INES = planner.Therapist(clinician_id="ines", taken=frozenset(), busy=())


@pytest.fixture(scope="module")
def solver():
    solver = Solver()
    yield solver
    solver.stop()


def request_of(*bound_by: obligations.Obligation, **changes) -> planner.Request:
    fields = {
        "floor": 540,
        "ceiling": 1140,
        "busy": tuple(one.span() for one in bound_by),
        "busy_with": tuple(one.kind for one in bound_by),
        "admitted_minute": 0,
    }
    return planner.Request(**(fields | changes))


def mornings(*days: int, **changes) -> list[planner.Meeting]:
    return meetings_of("sunrise", days or WEEKDAYS, 9, 12, "MORNING", **changes)


def plan(solver: Solver, wanted: planner.Request, meetings, therapists=(INES,)):
    return planner.plan_week(request=wanted, meetings=meetings, therapists=therapists, solve=solver.solve)


def keys_of(week: planner.StandingWeek) -> set[tuple[str, int]]:
    return {(one.group_id, one.weekday) for one in week.meetings}


MEETINGS = st.lists(
    st.builds(
        lambda weekday, at, minutes, free, kind: meetings_of(
            f"{at} {minutes} {kind}",
            (weekday,),
            at[0],
            at[1],
            at[2],
            kind=kind,
            clinical_minutes=minutes,
            free_places=free,
        )[0],
        st.integers(0, 4),
        st.sampled_from(
            [
                (9, 12, "MORNING"),
                (9, 11, "MORNING"),
                (11.25, 12.5, "MORNING"),
                (13, 16, "AFTERNOON"),
                (15, 18.5, "AFTERNOON"),
                (18, 21, "EVENING"),
            ]
        ),
        st.sampled_from([75, 120, 165, 180]),
        st.sampled_from([0, 1, 1, 2]),
        st.sampled_from(["GROUP", "GROUP", "EDUCATION"]),
    ),
    min_size=4,
    max_size=11,
    unique_by=lambda one: (one.group_id, one.weekday),
).filter(lambda found: all(sum(one.weekday == day for one in found) <= 3 for day in range(5)))

OBLIGATIONS = st.lists(
    st.builds(
        lambda weekday, hour, length, travel: bound(
            "WORK", (weekday,), hour, (hour + length) % 24, travel=travel
        )[0],
        st.integers(0, 6),
        st.integers(0, 23),
        st.integers(1, 12),
        st.sampled_from([0, 20, 45, 90]),
    ),
    max_size=4,
)

THERAPISTS = st.lists(
    st.builds(
        lambda taken: planner.Therapist(clinician_id="", taken=frozenset(taken), busy=()),
        st.lists(st.tuples(st.integers(0, 5), st.integers(8, 20).map(time)), max_size=30),
    ),
    max_size=2,
)


def some_week(wanted, offered, asked, *, with_workshop: bool) -> bool:
    """Try every choice there is, without any cleverness."""
    clear = [
        one
        for one in offered
        if one.free_places and not any(one.span().meets(taken) for taken in wanted.busy)
    ]
    hours = [
        span(weekday=day, starts=time(hour), ends=time(hour, 50))
        for who, day, hour in product(asked, sorted({one.weekday for one in offered}), range(8, 21))
        if (day, time(hour)) not in who.taken
    ]
    hours = [hour for hour in hours if not any(hour.meets(taken) for taken in wanted.busy)]
    days = [
        [
            chosen
            for size in range(4)
            for chosen in combinations([one for one in clear if one.weekday == day], size)
            if not any(one.span().meets(other.span()) for one, other in combinations(chosen, 2))
            and day_is_right(chosen)
        ]
        for day in range(5)
    ]
    for week in product(*days):
        chosen = list(chain.from_iterable(week))
        minutes = sum(one.clinical_minutes for one in chosen) + 50
        if not wanted.floor <= minutes < wanted.ceiling:
            continue
        if sum(one.kind == "GROUP" for one in chosen) < 2 or sum(map(has_block, week)) < 3:
            continue
        if with_workshop and not any(one.kind == "EDUCATION" for one in chosen):
            continue
        if any(not any(hour.meets(one.span()) for one in chosen) for hour in hours):
            return True
    return False


def blocks_in(chosen) -> list[set]:
    found = [{one} for one in chosen if 180 <= length(one, one) <= 240]
    found += [
        {one, other}
        for one in chosen
        for other in chosen
        if 0 <= other.span().begins - one.span().ends <= 30
        and 180 <= length(one, other) <= 240
        and "GROUP" in (one.kind, other.kind)
    ]
    return found


def length(one, other) -> int:
    return other.span().ends - one.span().begins


def has_block(chosen) -> bool:
    return bool(blocks_in(chosen))


def day_is_right(chosen) -> bool:
    """Counselling groups all lie in the one block of the day; a workshop may stand beside it."""
    groups = {one for one in chosen if one.kind == "GROUP"}
    long_ones = [one for one in chosen if length(one, one) >= 180]
    return len(long_ones) <= 1 and (not groups or any(groups <= block for block in blocks_in(chosen)))


@pytest.mark.slow
class TestPlanWeek:
    @settings(max_examples=150)
    @given(offered=MEETINGS, bound_by=OBLIGATIONS, asked=THERAPISTS, floor=st.sampled_from([360, 540, 700]))
    def test_keeps_every_hard_rule_and_finds_a_week_whenever_there_is_one(
        self, solver, offered, bound_by, asked, floor
    ):
        wanted = request_of(*bound_by, floor=floor)

        found = plan(solver, wanted, offered, asked)

        assert isinstance(found, planner.StandingWeek) == some_week(
            wanted, offered, asked, with_workshop=False
        )
        if isinstance(found, planner.StandingWeek):
            spans = [one.span() for one in found.meetings] + [found.individual.span()]
            assert floor <= found.weekly_minutes < 1140
            assert not any(own.meets(taken) for own in spans for taken in wanted.busy)
            assert not any(one.meets(other) for one, other in combinations(spans, 2))
            assert all(one.free_places > 0 for one in found.meetings)
            by_day = [[one for one in found.meetings if one.weekday == day] for day in range(5)]
            assert sum(map(has_block, by_day)) >= 3
            assert all(map(day_is_right, by_day))
            assert any((found.individual.weekday, found.individual.starts) not in who.taken for who in asked)
            assert (found.exception is None) == some_week(wanted, offered, asked, with_workshop=True)
            assert (found.exception is None) == any(one.kind == "EDUCATION" for one in found.meetings)

    @settings(max_examples=40)
    @given(offered=MEETINGS, bound_by=OBLIGATIONS, shuffle=st.randoms(use_true_random=False))
    def test_gives_the_same_week_whatever_the_order_of_groups(self, solver, offered, bound_by, shuffle):
        mixed = list(offered)
        shuffle.shuffle(mixed)

        assert plan(solver, request_of(*bound_by), offered) == plan(solver, request_of(*bound_by), mixed)

    @settings(max_examples=40)
    @given(offered=MEETINGS, before=OBLIGATIONS, added=OBLIGATIONS)
    def test_keeps_the_hard_rules_when_a_week_is_solved_again(self, solver, offered, before, added):
        first = plan(solver, request_of(*before), offered)
        if isinstance(first, planner.NoWeek):
            return
        wanted = request_of(*before, *added, held=frozenset(keys_of(first)), held_hour=first.individual)

        again = plan(solver, wanted, offered)

        if isinstance(again, planner.StandingWeek):
            assert planner.broken_rules(again, request=wanted) == ()
        if not added:
            assert keys_of(again) == keys_of(first)
            assert again.individual == first.individual

    def test_gives_the_same_week_from_another_process(self, solver):
        wanted = request_of(*bound("WORK", WEEKDAYS, 9, 17, travel=30))
        other = Solver()
        try:
            assert plan(other, wanted, program()) == plan(solver, wanted, program())
        finally:
            other.stop()

    def test_takes_three_blocks_and_an_hour_for_nine_hours_a_week(self, solver):
        found = plan(solver, request_of(), mornings())

        assert [one.weekday for one in found.meetings] == [0, 2, 4]
        assert found.weekly_minutes == 545
        assert found.individual.starts in {time(8), time(12)}
        assert found.individual.weekday in {0, 2, 4}

    def test_takes_a_fourth_block_where_three_are_too_short(self, solver):
        found = plan(solver, request_of(), mornings(clinical_minutes=150))

        assert found.weekly_minutes == 650

    def test_joins_two_short_meetings_to_a_block(self, solver):
        short = [
            *meetings_of("process", (0, 2, 4), 9, 10.5, "MORNING", clinical_minutes=90),
            *meetings_of("skills", (0, 2, 4), 10.75, 12, "MORNING", kind="EDUCATION", clinical_minutes=75),
        ]

        found = plan(solver, request_of(), short)

        assert (len(found.meetings), found.weekly_minutes, found.exception) == (6, 545, None)

    def test_makes_no_block_of_meetings_with_hours_between(self, solver):
        apart = [
            *meetings_of("process", (0, 2, 4), 9, 10.5, "MORNING", clinical_minutes=90),
            *meetings_of("skills", (0, 2, 4), 14, 15.5, "AFTERNOON", kind="EDUCATION", clinical_minutes=90),
        ]

        assert plan(solver, request_of(), apart) == planner.NoWeek(reason="HOURS")

    def test_treats_the_ceiling_as_below(self, solver):
        found = plan(solver, request_of(ceiling=545), mornings(0, 1, 2))

        assert found == planner.NoWeek(reason="HOURS")

    def test_begins_within_two_days_of_admission(self, solver):
        found = plan(solver, request_of(admitted_minute=24 * 60 * 3), mornings())

        assert {one.weekday for one in found.meetings} & {3, 4}

    def test_stays_with_the_same_people(self, solver):
        offered = [*mornings(), *meetings_of("second", WEEKDAYS, 9, 12, "MORNING", free_places=11)]

        found = plan(solver, request_of(), offered)

        assert len({one.group_id for one in found.meetings}) == 1

    def test_takes_the_hour_beside_a_block_so_that_it_is_one_trip(self, solver):
        free = [(day, time(hour)) for day in range(5) for hour in range(8, 21)]
        open_at = {(0, time(16)), (2, time(13)), (3, time(9))}
        therapist = replace(INES, taken=frozenset(free) - open_at)

        found = plan(solver, request_of(), mornings(0, 2, 4), [therapist])

        assert (found.individual.weekday, found.individual.starts) == (2, time(13))


class TestWorkshops:
    def test_are_in_every_week_that_has_room_for_one(self, solver):
        offered = [*mornings(), *meetings_of("skills", (1,), 9, 12, "MORNING", kind="EDUCATION")]

        found = plan(solver, request_of(), offered)

        assert (found.exception, [one.kind for one in found.meetings].count("EDUCATION")) == (None, 1)

    @pytest.mark.parametrize(
        ("workshops", "busy", "exception"),
        [
            ([], (), "NO_WORKSHOP_OFFERED"),
            (
                meetings_of("skills", (5,), 9, 12, "MORNING", kind="EDUCATION", free_places=0),
                (),
                "WORKSHOPS_FULL",
            ),
            (
                meetings_of("skills", (5,), 9, 12, "MORNING", kind="EDUCATION"),
                bound("WORK", (5,), 8, 16),
                "WORKSHOPS_MEET_OBLIGATIONS",
            ),
            # With it the week would have more hours than the level.
            (
                meetings_of("skills", (5,), 9, 12, "MORNING", kind="EDUCATION", clinical_minutes=900),
                (),
                "NO_WORKSHOP_FITS",
            ),
        ],
    )
    def test_are_missed_only_with_the_reason_on_record(self, solver, workshops, busy, exception):
        found = plan(solver, request_of(*busy), [*mornings(), *workshops])

        assert found.exception == exception
        assert planner.broken_rules(replace(found, exception=None), request=request_of(*busy)) == (
            "SERVICE_TYPES",
        )


class TestWishes:
    def test_brings_what_the_treatment_plan_asks_for_above_all_else(self, solver):
        offered = [
            *mornings(modality="PROCESS"),
            *meetings_of("cbt", (3,), 18, 21, "EVENING", modality="CBT"),
        ]

        found = plan(solver, request_of(modalities=("CBT",)), offered)

        assert "CBT" in {one.modality for one in found.meetings}

    def test_brings_family_sessions_and_support_groups_only_to_those_who_wish_them(self, solver):
        wished = planner.Wishes(family=True, support_group=True)

        with_them = plan(solver, request_of(wishes=wished), program())
        without = plan(solver, request_of(), program())

        assert {"FAMILY", "SUPPORT"} <= {one.kind for one in with_them.meetings}
        assert not {"FAMILY", "SUPPORT"} & {one.kind for one in without.meetings}

    def test_brings_family_sessions_to_those_whose_treatment_plan_asks_for_them(self, solver):
        asked = request_of(modalities=("FAMILY",))

        found = plan(solver, asked, program())

        (session,) = [one for one in found.meetings if one.kind == "FAMILY"]
        reasons = explanations.reasons_for_meeting(session, week=found, request=asked)
        assert "TREATMENT_PLAN" in reasons
        assert "FAMILY_WISHED" not in reasons
        assert explanations.wishes_not_met(found, request=asked, meetings=program()) == ()

    @pytest.mark.parametrize("against", ["NOBODY_COMES", "NO_CONSENT"])
    def test_says_why_it_brings_no_family_session_to_which_nobody_would_come(self, solver, against):
        asked = request_of(modalities=("FAMILY",), against_family=against)

        found = plan(solver, asked, program())

        (unmet,) = explanations.wishes_not_met(found, request=asked, meetings=program())
        assert "FAMILY" not in {one.kind for one in found.meetings}
        assert (unmet.code, unmet.reason) == ("MODALITY_FAMILY", against)

    def test_brings_family_sessions_to_whoever_wishes_them_and_brings_somebody(self, solver):
        asked = request_of(
            modalities=("FAMILY",), against_family="NO_CONSENT", wishes=planner.Wishes(family=True)
        )

        assert "FAMILY" in {one.kind for one in plan(solver, asked, program()).meetings}

    def test_says_what_else_stands_against_family_sessions(self, solver):
        asked = request_of(modalities=("FAMILY",), against_family="NOBODY_COMES")
        offered = [one for one in program() if one.kind != "FAMILY"]

        found = plan(solver, asked, offered)

        (unmet,) = explanations.wishes_not_met(found, request=asked, meetings=offered)
        assert (unmet.code, unmet.reason) == ("MODALITY_FAMILY", "NOT_OFFERED")

    def test_counts_no_support_group_towards_the_hours(self, solver):
        offered = [
            *mornings(0, 2),
            *meetings_of("circle", WEEKDAYS, 18, 19, "EVENING", kind="SUPPORT", clinical_minutes=0),
        ]

        found = plan(solver, request_of(wishes=planner.Wishes(support_group=True)), offered)

        assert found == planner.NoWeek(reason="HOURS")

    def test_takes_the_tracks_that_are_wished(self, solver):
        found = plan(solver, request_of(wishes=planner.Wishes(tracks=("AFTERNOON",))), program())

        assert {one.track for one in found.meetings} == {"AFTERNOON"}

    def test_keeps_people_at_home_who_wish_it(self, solver):
        found = plan(solver, request_of(wishes=planner.Wishes(telehealth=True)), program())

        assert [one.track for one in found.meetings].count("TELEHEALTH") >= 2

    def test_says_what_stands_against_a_wish(self, solver):
        wanted = request_of(
            *bound("WORK", WEEKDAYS, 12, 22),
            modalities=("DBT", "RELAPSE_PREVENTION"),
            wishes=planner.Wishes(tracks=("AFTERNOON",), family=True, telehealth=True, support_group=True),
        )
        offered = [
            replace(one, free_places=0) if one.kind in {"FAMILY", "SUPPORT"} else one for one in program()
        ]

        found = plan(solver, wanted, offered)

        assert [
            (one.code, one.reason)
            for one in explanations.wishes_not_met(found, request=wanted, meetings=offered)
        ] == [
            ("MODALITY_DBT", "NOT_OFFERED"),
            ("MODALITY_RELAPSE_PREVENTION", "OBLIGATIONS"),
            ("FAMILY", "FULL"),
            ("SUPPORT_GROUP", "FULL"),
            ("TRACKS", "OBLIGATIONS"),
            ("TELEHEALTH", "OBLIGATIONS"),
        ]

    def test_gives_a_reason_for_every_slot(self, solver):
        wanted = request_of(
            *bound("WORK", WEEKDAYS, 13, 17), modalities=("CBT",), wishes=planner.Wishes(tracks=("MORNING",))
        )

        found = plan(solver, wanted, program())

        for one in found.meetings:
            reasons = explanations.reasons_for_meeting(one, week=found, request=wanted)
            assert {"CLEAR_OF_OBLIGATIONS", "BEFORE_WORK", "TRACK_WISHED"} <= set(reasons)
            assert ("TREATMENT_PLAN" in reasons) == (one.modality == "CBT")
            assert ("WORKSHOP_OF_THE_WEEK" in reasons) == (one.kind == "EDUCATION")
        assert {"LICENSED_THERAPIST", "SAME_TRIP"} <= set(
            explanations.reasons_for_hour(found.individual, week=found, request=wanted)
        )


class TestHourFromAfar:
    """The hour alone with a therapist, for whoever is treated from home."""

    HOME = planner.Wishes(telehealth=True, telehealth_state="IL")

    def evenings(self) -> list[planner.Meeting]:
        return meetings_of("screen", WEEKDAYS, 18, 21, "TELEHEALTH")

    def licensed(self, *states: str, name: str = "ines") -> planner.Therapist:
        return replace(INES, clinician_id=name, states=frozenset(states))

    def test_is_by_video_where_the_therapist_is_licensed(self, solver):
        wanted = request_of(wishes=self.HOME)

        found = plan(solver, wanted, self.evenings(), [self.licensed("WI", "IL")])

        assert found.individual.mode == "VIDEO"
        reasons = explanations.reasons_for_hour(found.individual, week=found, request=wanted)
        assert "TELEHEALTH_WISHED" in reasons
        assert "SAME_TRIP" not in reasons
        assert explanations.wishes_not_met(found, request=wanted, meetings=self.evenings()) == ()

    @pytest.mark.parametrize(
        ("state", "licences"),
        [("WI", ("IL",)), ("IL", ()), (None, ("IL",))],
        ids=["other", "none", "unknown"],
    )
    def test_is_in_person_where_nobody_may_see_the_patient_from_afar(self, solver, state, licences):
        wanted = request_of(wishes=replace(self.HOME, telehealth_state=state))

        found = plan(solver, wanted, self.evenings(), [self.licensed(*licences)])

        assert found.individual.mode == "IN_PERSON"
        unmet = explanations.wishes_not_met(found, request=wanted, meetings=self.evenings())
        assert [(one.code, one.reason) for one in unmet] == [("TELEHEALTH_INDIVIDUAL", "OTHER_RULES")]

    def test_is_with_somebody_who_is_licensed_there_rather_than_with_another(self, solver):
        asked = [self.licensed("WI", name="ines"), self.licensed("IL", name="omar")]

        found = plan(solver, request_of(wishes=self.HOME), self.evenings(), asked)

        assert (found.individual.clinician_id, found.individual.mode) == ("omar", "VIDEO")

    def test_stays_with_the_therapist_whom_the_patient_knows(self, solver):
        held = planner.IndividualSlot(clinician_id="ines", weekday=0, starts=time(12))
        asked = [self.licensed(name="ines"), self.licensed("IL", name="omar")]

        found = plan(solver, request_of(wishes=self.HOME, held_hour=held), self.evenings(), asked)

        assert found.individual == held

    def test_keeps_its_time_when_it_is_met_from_afar_from_now_on(self, solver):
        held = planner.IndividualSlot(clinician_id="ines", weekday=1, starts=time(14))

        found = plan(
            solver, request_of(wishes=self.HOME, held_hour=held), self.evenings(), [self.licensed("IL")]
        )

        assert found.individual == replace(held, mode="VIDEO")

    def test_is_at_the_site_for_whoever_is_there_anyhow(self, solver):
        free = [(day, time(hour)) for day in range(5) for hour in range(8, 21)]
        therapist = replace(self.licensed("IL"), taken=frozenset(free) - {(2, time(12))})

        found = plan(solver, request_of(wishes=self.HOME), mornings(0, 2, 4), [therapist])

        assert (found.individual.weekday, found.individual.mode) == (2, "IN_PERSON")

    def test_is_in_person_for_whoever_comes_to_the_site_and_wishes_nothing_else(self, solver):
        wishes = planner.Wishes(telehealth_state="IL")

        found = plan(solver, request_of(wishes=wishes), mornings(), [self.licensed("IL")])

        assert found.individual.mode == "IN_PERSON"

    def test_is_by_video_for_whoever_is_on_the_track_without_having_wished_it(self, solver):
        wishes = planner.Wishes(telehealth_state="IL")

        found = plan(solver, request_of(wishes=wishes), self.evenings(), [self.licensed("IL")])

        assert (found.track, found.individual.mode) == ("TELEHEALTH", "VIDEO")


class TestSolvingAgain:
    def test_moves_nothing_that_a_new_shift_does_not_meet(self, solver):
        first = plan(solver, request_of(), program())
        (monday,) = (one for one in first.meetings if one.weekday == MONDAY)
        wanted = request_of(
            *bound("WORK", (MONDAY,), 8, 12.5),
            held=frozenset(keys_of(first)),
            held_hour=first.individual,
        )

        again = plan(solver, wanted, program())

        moved = keys_of(first) - keys_of(again)
        assert moved == {(monday.group_id, MONDAY)}
        if first.individual.weekday != MONDAY:
            assert again.individual == first.individual

    def test_keeps_a_week_that_is_no_longer_the_best(self, solver):
        wanted = request_of(held=frozenset((one.group_id, one.weekday) for one in mornings(1, 2, 3)))

        found = plan(solver, wanted, mornings())

        assert [one.weekday for one in found.meetings] == [1, 2, 3]

    def test_keeps_the_therapist_when_the_hour_has_to_move(self, solver):
        walt = planner.Therapist(clinician_id="walt", taken=frozenset(), busy=())
        hour = planner.IndividualSlot(clinician_id="ines", weekday=0, starts=time(12))
        wanted = request_of(*bound("WORK", (0,), 12, 17), held_hour=hour)

        found = plan(solver, wanted, mornings(), [walt, INES])

        assert found.individual.clinician_id == "ines"


class TestRelaxing:
    @pytest.mark.parametrize(
        ("wanted", "meetings", "therapists", "refused"),
        [
            (request_of(), [], [INES], planner.NoWeek(reason="NO_GROUPS")),
            (request_of(), mornings(), [], planner.NoWeek(reason="NO_THERAPIST")),
            (request_of(), mornings(free_places=0), [INES], planner.NoWeek(reason="GROUPS_FULL")),
            (
                request_of(*bound("WORK", WEEKDAYS, 8, 17), *bound("COURT", (0,), 9, 10)),
                mornings(),
                [INES],
                planner.NoWeek(reason="OBLIGATIONS", obligations=("WORK",)),
            ),
            (
                request_of(*bound("WORK", (0, 1, 2), 8, 17), *bound("SCHOOL", (0, 1, 2), 8, 17)),
                mornings(),
                [INES],
                planner.NoWeek(reason="OBLIGATIONS", obligations=()),
            ),
            (
                request_of(*bound("WORK", WEEKDAYS, 8, 17)),
                mornings(free_places=0),
                [INES],
                planner.NoWeek(reason="OBLIGATIONS_AND_CAPACITY", obligations=("WORK",)),
            ),
            (request_of(), mornings(0, 1), [INES], planner.NoWeek(reason="HOURS")),
        ],
    )
    def test_names_the_constraint(self, solver, wanted, meetings, therapists, refused):
        found = plan(solver, wanted, meetings, therapists)

        assert found == refused


class TestTwentyLives:
    @pytest.mark.parametrize("life", LIVES, ids=lambda life: life.name)
    def test_get_a_week_or_the_right_reason(self, solver, life: Life):
        wanted = request_of(*life.bound_by, floor=life.floor, wishes=life.wishes)

        found = plan(solver, wanted, life.meetings)

        if life.refused:
            assert found == planner.NoWeek(reason=life.refused[0], obligations=life.refused[1])
            return
        assert isinstance(found, planner.StandingWeek)
        assert planner.broken_rules(found, request=wanted) == ()
        assert len({one.weekday for one in found.meetings}) >= 3
        assert {one.track for one in found.meetings} <= set(life.tracks)

    def test_are_twenty(self):
        assert len({life.name for life in LIVES}) == 20

    def test_are_planned_alike_in_any_order_of_asking(self, solver):
        weeks = {}
        order = list(LIVES)
        random.Random(3).shuffle(order)

        for life in [*LIVES, *order]:
            wanted = request_of(*life.bound_by, floor=life.floor, wishes=life.wishes)
            weeks.setdefault(life.name, []).append(plan(solver, wanted, life.meetings))

        assert all(first == second for first, second in weeks.values())


class TestBrokenRules:
    """What the solver chose is checked again, so each check has to see what it is there for."""

    def week(self, **changes) -> planner.StandingWeek:
        fields = {
            "meetings": tuple(mornings(0, 2, 4)),
            "individual": planner.IndividualSlot(clinician_id="ines", weekday=0, starts=time(13)),
            "exception": "NO_WORKSHOP_OFFERED",
        }
        return planner.StandingWeek(**(fields | changes))

    @pytest.mark.parametrize(
        ("changes", "request_changes", "broken"),
        [
            ({}, {}, ()),
            ({}, {"floor": 546}, ("HOURS",)),
            ({}, {"ceiling": 545}, ("HOURS",)),
            ({"meetings": tuple(mornings(0, 2, clinical_minutes=260))}, {}, ("DAYS",)),
            (
                {
                    "meetings": (
                        *mornings(0, 2, 4),
                        *meetings_of("short", (3,), 9, 10, "MORNING"),
                    )
                },
                {},
                ("BLOCKS",),
            ),
            (
                {"meetings": (*mornings(0, 2, 4), *meetings_of("noon", (4,), 13, 16, "AFTERNOON"))},
                {},
                ("BLOCKS",),
            ),
            (
                {"meetings": (*mornings(0), *mornings(2, 4, kind="EDUCATION")), "exception": None},
                {},
                ("COUNSELLING",),
            ),
            (
                {"individual": planner.IndividualSlot(clinician_id="ines", weekday=0, starts=time(11))},
                {},
                ("TWO_PLACES",),
            ),
            ({"meetings": tuple(mornings(0, 2, 4, free_places=0))}, {}, ("CAPACITY",)),
            ({"exception": None}, {}, ("SERVICE_TYPES",)),
        ],
    )
    def test_names_each(self, changes, request_changes, broken):
        assert planner.broken_rules(self.week(**changes), request=request_of(**request_changes)) == broken

    def test_sees_an_obligation_over_midnight_on_sunday(self):
        night = bound("WORK", (6,), 22, 9.5)

        assert planner.broken_rules(self.week(), request=request_of(*night)) == ("OBLIGATIONS",)

    def test_stops_a_choice_that_breaks_one(self):
        def careless(problem):
            return [0, 1, 2, *[len(problem.options) - 1]][: problem.fewest_days + 1]

        with pytest.raises(planner.RuleBroken):
            planner.plan_week(
                request=request_of(ceiling=541),
                meetings=mornings(),
                therapists=[INES],
                solve=careless,
            )
