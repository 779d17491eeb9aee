"""What a group teaches on which day, what completes a module, and the manuals that are shipped."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduling import manuals
from services.scheduling.domain import curricula, groups
from services.scheduling.domain.attendance import Seat, Session
from shared.ids import derived_id
from tests.scheduling.builders import SITE, morning_session, seat_of

#: A Monday.
FIRST = date(2026, 2, 2)


def curriculum(*parts: int, **changes: Any) -> curricula.Curriculum:
    """Return a curriculum of modules that take so many sessions each."""
    fields: dict[str, Any] = {
        "curriculum_id": derived_id("curriculum", "life skills"),
        "site_id": SITE,
        "title": "Life skills",
        "modality": "LIFE_SKILLS",
        "modules": [
            curricula.Module(
                module_no=number,
                title=f"module {number}",
                modality="LIFE_SKILLS",
                skill_tags=("COPING",),
                parts=many,
            )
            for number, many in enumerate(parts, start=1)
        ],
        "manual": None,
        "by": "operations-1",
        "now": datetime(2026, 2, 1, tzinfo=UTC),
    }
    return curricula.adopt(**(fields | changes))


def workshop(weekdays: list[int], **changes: Any) -> groups.Group:
    fields: dict[str, Any] = {
        "group_id": derived_id("group", "workshop"),
        "site_id": SITE,
        "kind": "EDUCATION",
        "modality": "LIFE_SKILLS",
        "track": "AFTERNOON",
        "weekdays": weekdays,
        "starts": time(13),
        "ends": time(16),
        "clinical_minutes": 165,
        "capacity": 30,
        "facilitator_id": derived_id("clinician", "Nora"),
        "opened_at": datetime(2026, 2, 1, tzinfo=UTC),
    }
    return groups.Group(**(fields | changes))


def taught(group: groups.Group, what: curricula.Curriculum, *, days: int) -> list[int | None]:
    """Return the module of each of some days in a row."""
    found = [curricula.lesson_on(group, what, day=FIRST + timedelta(days=one)) for one in range(days)]
    return [lesson.module_no if lesson else None for lesson in found]


class TestFollow:
    def test_teaches_one_lesson_a_week_on_all_days_of_the_group(self):
        group, what = workshop([0, 2]), curriculum(1, 1, 1)
        curricula.follow(group, what, since=FIRST, first_module=1, pace="WEEK")

        week = [taught(group, what, days=28)[start : start + 7] for start in (0, 7, 14, 21)]

        assert [one[0] for one in week] == [1, 2, 3, 1]
        assert [one[2] for one in week] == [1, 2, 3, 1]
        assert week[0][1] is None

    def test_begins_with_the_first_meeting_after_it_was_told(self):
        group, what = workshop([0, 2]), curriculum(1, 1)
        curricula.follow(group, what, since=FIRST - timedelta(days=1), first_module=1, pace="WEEK")

        assert taught(group, what, days=1) == [1]

    def test_teaches_one_lesson_a_meeting_where_it_goes_by_the_meeting(self):
        group, what = workshop([0, 2, 4]), curriculum(1, 1, 1, 1)
        curricula.follow(group, what, since=FIRST, first_module=1, pace="MEETING")

        assert [one for one in taught(group, what, days=14) if one] == [1, 2, 3, 4, 1, 2]

    def test_begins_with_the_module_that_was_told_and_stays_for_all_its_parts(self):
        group, what = workshop([0]), curriculum(2, 3)
        curricula.follow(group, what, since=FIRST, first_module=2, pace="WEEK")

        lessons = [curricula.lesson_on(group, what, day=FIRST + timedelta(weeks=one)) for one in range(5)]

        assert [(one.module_no, one.part) for one in lessons if one] == [
            (2, 1),
            (2, 2),
            (2, 3),
            (1, 1),
            (1, 2),
        ]

    def test_is_refused_for_a_curriculum_of_another_modality(self):
        with pytest.raises(curricula.CurriculumNotOfModality):
            curricula.follow(
                workshop([0], modality="CBT"), curriculum(1), since=FIRST, first_module=1, pace="WEEK"
            )

    def test_is_refused_for_a_module_that_is_not_there(self):
        with pytest.raises(curricula.NoSuchModule):
            curricula.follow(workshop([0]), curriculum(1), since=FIRST, first_module=2, pace="WEEK")

    def test_teaches_nothing_before_it_begins(self):
        group, what = workshop([0]), curriculum(1)
        curricula.follow(group, what, since=FIRST + timedelta(days=7), first_module=1, pace="WEEK")

        assert taught(group, what, days=8)[0] is None

    @given(
        parts=st.lists(st.integers(1, 4), min_size=1, max_size=12),
        weekdays=st.sets(st.integers(0, 6), min_size=1),
        offset=st.integers(0, 13),
        pace=st.sampled_from(["WEEK", "MEETING"]),
    )
    def test_offers_every_lesson_again_on_some_day_of_the_group(self, parts, weekdays, offset, pace):
        group, what = workshop(sorted(weekdays)), curriculum(*parts)
        curricula.follow(group, what, since=FIRST + timedelta(days=offset), first_module=1, pace=pace)
        after = FIRST + timedelta(days=offset + 30)

        for lesson in what.lessons:
            day = curricula.next_on(
                group, what, module_no=lesson.module_no, part=lesson.part, after=after, weekdays=weekdays
            )
            assert day is not None
            assert day > after
            assert curricula.lesson_on(group, what, day=day) == lesson

    @given(parts=st.lists(st.integers(1, 4), min_size=1, max_size=12), weekday=st.integers(0, 6))
    def test_by_the_week_offers_every_lesson_again_on_each_single_day(self, parts, weekday):
        group, what = workshop([0, 1, 2, 3, 4, 5, 6]), curriculum(*parts)
        curricula.follow(group, what, since=FIRST, first_module=1, pace="WEEK")

        for lesson in what.lessons:
            assert curricula.next_on(
                group,
                what,
                module_no=lesson.module_no,
                part=lesson.part,
                after=FIRST + timedelta(weeks=3),
                weekdays=[weekday],
            )


class TestAdopt:
    @pytest.mark.parametrize("numbers", [(), (2,), (1, 3), (1, 1)])
    def test_is_refused_where_modules_are_not_numbered_from_one_on(self, numbers):
        modules = [curricula.Module(module_no=one, title="x", modality="CBT") for one in numbers]

        with pytest.raises(curricula.ModulesDoNotFit):
            curriculum(modules=modules)


def sat(number: int, state: str, *, week: int, part: int = 1) -> tuple[Seat, Session]:
    starts_at = datetime(2026, 2, 2, 19, tzinfo=UTC) + timedelta(weeks=week)
    session = morning_session(
        session_id=derived_id("session", str(week)),
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=3),
        curriculum_id=derived_id("curriculum", "life skills"),
        module_no=number,
        module_part=part,
    )
    return seat_of("Ada", session, state=state), session


class TestProgress:
    NOW = datetime(2026, 3, 1, tzinfo=UTC)

    def states(self, what: curricula.Curriculum, *seats: tuple[Seat, Session]) -> list[str]:
        return [one.state for one in curricula.progress(what, seats, now=self.NOW)]

    @pytest.mark.parametrize("state", ["PRESENT", "LATE", "LEFT_EARLY", "MADE_UP"])
    def test_is_complete_once_somebody_was_there(self, state):
        assert self.states(curriculum(1, 1), sat(1, state, week=0)) == ["COMPLETED", "AHEAD"]

    @pytest.mark.parametrize("state", ["NO_SHOW", "EXCUSED", "PARTIAL", "CANCELLED_BY_PROGRAM"])
    def test_is_missed_by_whoever_was_not(self, state):
        assert self.states(curriculum(1, 1), sat(1, state, week=0)) == ["MISSED", "AHEAD"]

    @pytest.mark.parametrize("state", ["UNMARKED", "CANCELLED", "SCHEDULED"])
    def test_says_nothing_of_what_nobody_knows(self, state):
        assert self.states(curriculum(1), sat(1, state, week=0)) == ["AHEAD"]

    def test_forgets_a_miss_that_was_made_good(self):
        found = curricula.progress(
            curriculum(1), [sat(1, "PRESENT", week=2), sat(1, "NO_SHOW", week=0)], now=self.NOW
        )

        assert (found[0].state, found[0].missed) == ("COMPLETED", {})

    def test_keeps_what_was_completed_when_it_is_missed_the_next_time(self):
        assert self.states(curriculum(1), sat(1, "PRESENT", week=0), sat(1, "NO_SHOW", week=2)) == [
            "COMPLETED"
        ]

    def test_needs_every_part_of_a_module(self):
        what = curriculum(2)

        assert self.states(what, sat(1, "PRESENT", week=0)) == ["BEGUN"]
        assert self.states(what, sat(1, "PRESENT", week=0), sat(1, "NO_SHOW", week=1, part=2)) == ["MISSED"]
        assert self.states(what, sat(1, "PRESENT", week=0), sat(1, "LATE", week=1, part=2)) == ["COMPLETED"]

    def test_sees_a_seat_that_is_still_to_come(self):
        assert self.states(curriculum(1), sat(1, "SCHEDULED", week=6)) == ["COMING"]


class TestManuals:
    def test_are_those_that_the_field_uses(self):
        modules = {code: len(versions[-1].modules) for code, versions in manuals.all_manuals().items()}

        assert modules == {
            "ANGER_MANAGEMENT": 12,
            "DBT_SKILLS": 4,
            "EDUCATION": 6,
            "LIFE_SKILLS": 8,
            "MATRIX_EARLY_RECOVERY": 8,
            "MATRIX_FAMILY_EDUCATION": 12,
            "MATRIX_RELAPSE_PREVENTION": 32,
            "MET": 4,
            "NIDA_CBT": 12,
            "RELAPSE_PREVENTION": 8,
            "TWELVE_STEP_FACILITATION": 12,
        }

    def test_name_the_three_modules_of_life_skills(self):
        titles = [module.title for module in manuals.manual_of("LIFE_SKILLS").modules]

        assert titles[:3] == ["Stress management", "Relapse prevention", "Healthy communication"]

    def test_train_one_skill_in_each_of_the_four_dbt_modules_over_24_weeks(self):
        modules = manuals.manual_of("DBT_SKILLS").modules

        assert [module.skill_tags for module in modules] == [
            ("MINDFULNESS",),
            ("DISTRESS_TOLERANCE",),
            ("EMOTION_REGULATION",),
            ("INTERPERSONAL_EFFECTIVENESS",),
        ]
        assert sum(module.parts for module in modules) == 24

    def test_say_where_they_come_from_and_on_which_terms(self):
        for versions in manuals.all_manuals().values():
            for manual in versions:
                assert manual.source
                assert manual.licence
                assert manual.titles

    def test_that_contradict_themselves_are_read_by_nobody(self):
        content = (
            b'{"manual": "X", "version": 1, "title": "X", "modality": "CBT", "source": "x",'
            b' "licence": {"terms": "x", "titles": "x"},'
            b' "modules": [{"module_no": 1, "title": "x", "skill_tags": ["JUGGLING"]}]}'
        )

        with pytest.raises(manuals.ManualInvalid, match="JUGGLING"):
            manuals.read_manual(content)
        with pytest.raises(manuals.ManualInvalid, match="numbered"):
            manuals.read_manual(content.replace(b'"module_no": 1', b'"module_no": 2'))
