import dataclasses
import hashlib
import itertools
import subprocess
import sys
from collections.abc import Iterable
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from homeward.simulation import courses, cover, findings, people, questionnaires, rows
from homeward.simulation.cases import Case
from homeward.simulation.draws import Draws
from homeward.simulation.people import AGE_BANDS
from homeward.simulation.rows import Admission
from shared.instruments import SELF, check, newest, score

ON = date(2026, 2, 2)
CHICAGO = ZoneInfo("America/Chicago")


def everything_drawn(admission: Admission, seed: int) -> str:
    """Write down all that the model draws for a row before the program sees the person."""
    course = courses.begin(admission, seed=seed, admitted_on=ON)
    days = [ON + timedelta(days=n) for n in range(90)]
    return repr(
        (
            people.invent(admission, seed=seed, on=ON, taken=set()),
            people.arrives_at(admission, seed=seed, starts_on=ON, zone=CHICAGO),
            people.days_waited(admission, seed=seed),
            people.obligations(admission, seed=seed),
            people.wishes(admission, seed=seed, supporter=True),
            findings.find(admission, seed=seed),
            course.fate,
            course.leaves_on,
            [course.attends(on=day, n=0) for day in days],
            [course.uses(week=week, severity=2) for week in range(16)],
            questionnaires.audit_c_answers(case_of(admission, seed), "referral"),
            [
                questionnaires.phq9_answers(case_of(admission, seed), n, mended=2, item_9=0)
                for n in ("referral", "treatment 0.1")
            ],
            questionnaires.screen_found(case_of(admission, seed), "referral", item_9=1),
        )
    )


def case_of(admission: Admission, seed: int = 7) -> Case:
    return Case(
        admission=admission,
        person=people.invent(admission, seed=seed, on=ON, taken=set()),
        findings=findings.find(admission, seed=seed),
        draws=Draws(seed, admission.case_id),
    )


def sample() -> list[Admission]:
    return rows.read(rows.sample_path()).admissions


class TestModel:
    @pytest.mark.slow
    def test_draws_the_same_for_the_same_seed_in_another_process(self):
        program = (
            "from tests.simulation.test_model import *\n"
            "print(hash_of(everything_drawn(row, 7) for row in sample()))\n"
        )

        elsewhere = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.strip()

        assert elsewhere == hash_of(everything_drawn(row, 7) for row in sample())

    def test_draws_otherwise_for_another_seed(self):
        row = sample()[0]

        assert everything_drawn(row, 7) != everything_drawn(row, 8)

    @pytest.mark.slow
    def test_never_reads_the_recorded_service(self):
        services = itertools.cycle((None, *range(1, 9)))

        for row in sample():
            elsewhere = dataclasses.replace(row, recorded_service=next(services))
            assert everything_drawn(elsewhere, 7) == everything_drawn(row, 7)

    @pytest.mark.slow
    def test_never_reads_it_from_a_file_either(self, tmp_path):
        lines = rows.sample_path().read_text(encoding="utf-8").splitlines()
        place = lines[0].split(",").index("SERVICES")
        changed = [line.split(",") for line in lines]
        for cells in changed[1:]:
            cells[place] = "1"
        file = tmp_path / "all_detoxified.csv"
        file.write_text("\n".join(",".join(cells) for cells in changed))

        assert [everything_drawn(row, 7) for row in rows.read(file).admissions] == [
            everything_drawn(row, 7) for row in sample()
        ]

    def test_draws_a_row_the_same_whoever_stands_beside_it(self):
        alone = [everything_drawn(row, 7) for row in sample()]
        backwards = [everything_drawn(row, 7) for row in reversed(sample())]

        assert alone == backwards[::-1]

    def test_draws_for_a_row_of_which_only_the_age_is_known(self):
        bare = Admission(line=2, case_id="31", codes={"AGE": 5})

        assert everything_drawn(bare, 7) == everything_drawn(bare, 7)


class TestInvent:
    def test_gives_everybody_an_age_inside_the_recorded_band_through_the_whole_run(self):
        for row in sample():
            born = people.invent(row, seed=7, on=ON, taken=set()).birth_date
            low, high = AGE_BANDS[row.codes["AGE"]]
            for day in (ON, ON + timedelta(weeks=16)):
                years = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
                assert low <= years <= high

    def test_marks_minors_by_the_recorded_age(self):
        minors = [row for row in sample() if people.invent(row, seed=7, on=ON, taken=set()).minor]

        assert len(minors) == 48

    def test_never_invents_the_same_person_twice(self):
        taken: set[tuple[str, str, date]] = set()
        row = Admission(line=2, case_id="1", codes={"AGE": 12})

        first = people.invent(row, seed=7, on=ON, taken=taken)
        second = people.invent(row, seed=7, on=ON, taken=taken)

        assert (first.given_name, first.family_name, first.birth_date) != (
            second.given_name,
            second.family_name,
            second.birth_date,
        )

    def test_invents_telephone_numbers_that_are_set_aside_for_fiction(self):
        assert all(" 555 01" in people.invent(row, seed=7, on=ON, taken=set()).phone for row in sample())


class TestArrivesAt:
    def test_falls_into_working_hours_of_the_first_two_weeks(self):
        for row in sample():
            at = people.arrives_at(row, seed=7, starts_on=ON, zone=CHICAGO)
            assert at.weekday() < 5
            assert ON <= at.date() < ON + timedelta(days=14)
            assert people.ARRIVALS_OPEN <= at.hour <= people.ARRIVALS_CLOSE


class TestObligations:
    def test_never_bind_somebody_twice_at_once(self):
        for row in sample():
            blocks = people.obligations(row, seed=7)
            for one in blocks:
                others = [other for other in blocks if other is not one and other.weekday == one.weekday]
                assert all(one.ends <= other.starts or other.ends <= one.starts for other in others)

    def test_follow_from_recorded_employment_where_it_is_there(self):
        row = Admission(line=2, case_id="77", codes={"AGE": 5, "EMPLOY": 1})

        assert {block.kind for block in people.obligations(row, seed=7)} == {"WORK"}
        assert len(people.obligations(row, seed=7)) == 5


class TestWishes:
    def test_ask_for_no_family_session_where_nobody_stands_by(self):
        alone = [people.wishes(row, seed=7, supporter=False) for row in sample()]
        supported = [people.wishes(row, seed=7, supporter=True) for row in sample()]

        assert not any(wished["family"] for wished in alone)
        assert any(wished["family"] for wished in supported)

    def test_go_on_with_a_support_group_where_one_is_recorded(self):
        goes = [row for row in sample() if row.codes["FREQ_ATND_SELF_HELP"] > 1]

        assert goes
        assert all(people.wishes(row, seed=7, supporter=True)["support_group"] for row in goes)


class TestPayer:
    def test_is_the_recorded_one_and_drawn_where_none_is(self):
        for row in sample():
            assert cover.payer_of(case_of(row)) == cover.PAYERS[row.codes["HLTHINS"]]
        unknown = [dataclasses.replace(row, codes={"AGE": row.codes["AGE"]}) for row in sample()]

        assert {cover.payer_of(case_of(row)) for row in unknown} == set(cover.PAYERS.values())


class TestFind:
    @pytest.mark.parametrize(
        ("name", "milder", "worse", "dimension"),
        [
            ("FREQ1", 1, 3, 0),
            ("IDU", 0, 1, 1),
            ("PSYPROB", 2, 1, 2),
            ("FREQ1", 1, 3, 4),
            ("LIVARAG", 3, 1, 5),
        ],
    )
    def test_rates_a_dimension_worse_on_average_where_its_field_is_worse(
        self, name, milder, worse, dimension
    ):
        def mean(code: int) -> float:
            found = [
                findings.find(dataclasses.replace(row, codes={**row.codes, name: code}), seed=7).ratings[
                    dimension
                ]
                for row in sample()
            ]
            return sum(found) / len(found)

        assert mean(worse) > mean(milder) + 0.1

    def test_gives_scales_that_agree_with_the_rating_of_dimension_1(self):
        for row in sample():
            found = findings.find(row, seed=7)
            worst = max(
                (
                    place
                    for scale, bands in (
                        (found.withdrawal.ciwa_ar, findings.CIWA_AR_OF_RATING),
                        (found.withdrawal.cows, findings.COWS_OF_RATING),
                    )
                    if scale is not None
                    for place, (low, high) in enumerate(bands)
                    if low <= scale <= high and (place == 0 or scale > bands[place - 1][1])
                ),
                default=None,
            )
            if worst is not None and found.ratings[0] > 1:
                assert worst == found.ratings[0]


class TestCourse:
    def test_shares_its_ends_with_the_national_figures(self):
        rows_ = [Admission(line=n, case_id=str(n), codes={"AGE": 5, "EDUC": 3}) for n in range(4000)]
        fates = [courses.begin(row, seed=7, admitted_on=ON).fate for row in rows_]

        # 39 % is the share of people with twelve years of schooling; the others keep their proportions.
        assert fates.count(courses.COMPLETES) / 4000 == pytest.approx(0.39, abs=0.03)
        assert fates.count(courses.DROPS_OUT) / 4000 == pytest.approx(0.23, abs=0.03)

    def test_has_drop_outs_leave_around_the_national_median_and_before_the_program_is_over(self):
        rows_ = [Admission(line=n, case_id=str(n), codes={"AGE": 5}) for n in range(3000)]
        begun = [courses.begin(row, seed=7, admitted_on=ON) for row in rows_]
        days = sorted((c.leaves_on - ON).days for c in begun if c.leaves_on and c.fate == courses.DROPS_OUT)

        assert days[len(days) // 2] == pytest.approx(26, abs=2)
        assert days[-1] <= courses.LEAVES_BEFORE

    def test_lets_nobody_attend_who_has_left(self):
        course = a_course(fate=courses.DROPS_OUT, leaves_on=ON + timedelta(days=20))

        assert not any(course.attends(on=ON + timedelta(days=n), n=0) for n in range(20, 60))

    def test_lets_a_drop_out_come_back_once_at_most(self):
        came_back = 0
        for case in range(200):
            course = a_course(fate=courses.DROPS_OUT, leaves_on=ON, case_id=str(case))
            returns = [course.come_back(on=ON + timedelta(days=200 + n), n=str(n)) for n in range(10)]
            assert sum(returns) <= 1
            came_back += sum(returns)
        assert came_back > 100

    def test_fades_before_somebody_leaves(self):
        def share(days_before: int) -> float:
            leaves_on = ON + timedelta(days=40)
            day = leaves_on - timedelta(days=days_before)
            coming = [
                a_course(fate=courses.DROPS_OUT, leaves_on=leaves_on, case_id=str(n)).attends(on=day, n=0)
                for n in range(500)
            ]
            return sum(coming) / 500

        assert share(1) < share(5) < share(20)


def a_course(*, fate: str, leaves_on: date | None, case_id: str = "1") -> courses.Course:
    return courses.Course(draws=courses.Draws(7, case_id), fate=fate, admitted_on=ON, leaves_on=leaves_on)


def hash_of(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


class TestQuestionnaires:
    @pytest.mark.parametrize("mended", [0, 3, 30])
    def test_are_answered_as_their_packs_allow(self, mended: int) -> None:
        for row in sample()[:40]:
            case = case_of(row)
            answers = questionnaires.phq9_answers(case, "referral", mended=mended, item_9=1)
            check(newest("PHQ9"), answers, rated_by=SELF)
            check(newest("AUDIT_C"), questionnaires.audit_c_answers(case, "referral"), rated_by=SELF)

            assert score(newest("PHQ9"), answers).scores

    def test_of_the_first_day_agree_with_the_assessment(self) -> None:
        assert questionnaires.ITEM_9.keys() == questionnaires.ITEM_9_LATER.keys()
        assert {found.danger.suicidal_intent for found in (case_of(row).findings for row in sample())} <= set(
            questionnaires.ITEM_9
        )

    @pytest.mark.parametrize("grade", list(questionnaires.YES_TO))
    @pytest.mark.parametrize("form", ["CSSRS", "CSSRS_SINCE_LAST_CONTACT"])
    def test_screen_comes_to_the_grade_that_was_drawn(self, form: str, grade: str) -> None:
        yes = questionnaires.YES_TO[grade]
        answers = {item: int(item in yes) for item in newest(form).items}

        found = score(newest(form), answers).score("RISK")

        assert found is not None
        assert found.band == grade
