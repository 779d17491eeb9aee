"""DSM-5 severity and ICD-10-CM codes."""

from datetime import date
from typing import Any

import pytest

from services.intake.domain import diagnoses, remission
from shared.contracts.intake import PROBLEMS
from shared.errors import InvalidInput

TODAY = date(2026, 2, 2)
#: A day since which no criterion was met, for each stage of remission.
SINCE = {None: None, "EARLY": date(2025, 10, 1), "SUSTAINED": date(2024, 12, 24)}


def diagnose_one(problem: str, **answers: Any) -> diagnoses.Diagnosis:
    (found,) = diagnoses.diagnose([diagnoses.ReportedProblem(problem=problem, **answers)], today=TODAY)
    return found


class TestSeverityOf:
    @pytest.mark.parametrize(
        ("problem", "severities"),
        [
            ("ALCOHOL", ["NONE"] * 2 + ["MILD"] * 2 + ["MODERATE"] * 2 + ["SEVERE"] * 6),
            ("GAMBLING", ["NONE"] * 4 + ["MILD"] * 2 + ["MODERATE"] * 2 + ["SEVERE"] * 2),
        ],
    )
    def test_follows_the_thresholds(self, problem: str, severities: list[str]) -> None:
        assert [diagnoses.severity_of(problem, count) for count in range(len(severities))] == severities


class TestDiagnose:
    @pytest.mark.parametrize(
        ("problem", "count", "stage", "code"),
        [
            ("ALCOHOL", 1, None, ""),
            ("ALCOHOL", 2, None, "F10.10"),
            ("ALCOHOL", 3, "EARLY", "F10.11"),
            ("OPIOID", 6, None, "F11.20"),
            ("OPIOID", 6, "SUSTAINED", "F11.21"),
            ("CANNABIS", 0, "SUSTAINED", "F12.91"),
            ("NICOTINE", 2, None, "Z72.0"),
            ("NICOTINE", 4, None, "F17.200"),
            ("STIMULANT", 5, None, "F15.20"),
            ("GAMBLING", 3, None, ""),
            ("GAMBLING", 4, None, "F63.0"),
        ],
    )
    def test_finds_the_code(self, problem: str, count: int, stage: str | None, code: str) -> None:
        found = diagnose_one(problem, criteria_count=count, remission_since=SINCE[stage])

        assert (found.icd10_code, found.remission) == (code, stage)

    def test_has_codes_for_every_problem(self) -> None:
        assert set(diagnoses.ICD10) == set(PROBLEMS)

    def test_does_not_count_tolerance_and_withdrawal_of_what_is_prescribed(self) -> None:
        prescribed = diagnose_one("OPIOID", criteria_numbers=(1, 2, 10, 11), taken_as_prescribed=True)
        not_prescribed = diagnose_one("OPIOID", criteria_numbers=(1, 2, 10, 11))

        assert (prescribed.criteria_counted, prescribed.severity) == (2, "MILD")
        assert (not_prescribed.criteria_counted, not_prescribed.severity) == (4, "MODERATE")

    def test_puts_the_most_severe_first_and_the_primary_before_its_equals(self) -> None:
        found = diagnoses.diagnose(
            [
                diagnoses.ReportedProblem(problem="CANNABIS", criteria_count=3),
                diagnoses.ReportedProblem(problem="ALCOHOL", criteria_count=9),
                diagnoses.ReportedProblem(problem="OPIOID", criteria_count=7, primary=True),
            ],
            today=TODAY,
        )

        assert [diagnosis.problem for diagnosis in found] == ["OPIOID", "ALCOHOL", "CANNABIS"]

    @pytest.mark.parametrize(
        ("problem", "answers"),
        [
            ("ALCOHOL", {"criteria_numbers": (1, 12)}),
            ("ALCOHOL", {"criteria_count": 12}),
            ("INHALANT", {"criteria_numbers": (11,)}),
            ("HALLUCINOGEN", {"criteria_count": 11}),
            ("GAMBLING", {"criteria_numbers": (10,)}),
            ("OPIOID", {"criteria_count": 4, "taken_as_prescribed": True}),
        ],
    )
    def test_refuses_criteria_that_do_not_exist(self, problem: str, answers: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput) as refused:
            diagnose_one(problem, **answers)

        assert refused.value.problems[0]["field"] == "problems.0.criteria_met"

    def test_refuses_a_problem_that_comes_twice(self) -> None:
        twice = [diagnoses.ReportedProblem(problem="ALCOHOL", criteria_count=n) for n in (3, 5)]

        with pytest.raises(InvalidInput) as refused:
            diagnoses.diagnose(twice, today=TODAY)

        assert refused.value.problems[0]["field"] == "problems.1.problem"

    def test_refuses_two_primary_problems(self) -> None:
        both = [
            diagnoses.ReportedProblem(problem=problem, criteria_count=3, primary=True)
            for problem in ("ALCOHOL", "COCAINE")
        ]

        with pytest.raises(InvalidInput):
            diagnoses.diagnose(both, today=TODAY)


class TestRemission:
    """DSM-5: early from 3 to under 12 months without a criterion but craving, sustained from 12 on."""

    @pytest.mark.parametrize(
        ("since", "stage"),
        [
            (date(2025, 11, 3), None),
            (date(2025, 11, 2), "EARLY"),
            (date(2025, 2, 3), "EARLY"),
            (date(2025, 2, 2), "SUSTAINED"),
            (date(2009, 1, 5), "SUSTAINED"),
        ],
    )
    def test_is_worked_out_from_its_day(self, since: date, stage: str | None) -> None:
        assert remission.stage_on(TODAY, since=since) == stage

    @pytest.mark.parametrize(
        ("since", "until", "months"),
        [
            (date(2025, 11, 30), date(2026, 2, 28), 2),
            (date(2025, 11, 30), date(2026, 3, 1), 3),
            (date(2024, 2, 29), date(2025, 2, 28), 11),
            (date(2024, 2, 29), date(2025, 3, 1), 12),
        ],
    )
    def test_counts_full_months_where_a_month_lacks_the_day(
        self, since: date, until: date, months: int
    ) -> None:
        assert remission.full_months(since, until) == months

    def test_stands_with_its_day_beside_the_code(self) -> None:
        found = diagnose_one("ALCOHOL", criteria_count=6, remission_since=date(2025, 8, 1))

        assert (found.remission, found.remission_since) == ("EARLY", date(2025, 8, 1))
        assert found.icd10_code == "F10.21"

    @pytest.mark.parametrize(
        ("told", "since", "field"),
        [
            ("SUSTAINED", None, "remission_since"),
            ("EARLY", date(2026, 2, 3), "remission_since"),
            (None, date(2025, 12, 1), "remission_since"),
            ("SUSTAINED", date(2025, 8, 1), "remission"),
            ("EARLY", date(2024, 8, 1), "remission"),
        ],
    )
    def test_is_refused_where_stage_and_day_do_not_fit(
        self, told: str | None, since: date | None, field: str
    ) -> None:
        with pytest.raises(InvalidInput) as refused:
            diagnose_one("ALCOHOL", criteria_count=6, remission=told, remission_since=since)

        assert refused.value.problems[0]["field"] == f"problems.0.{field}"
