"""DSM-5 severity and ICD-10-CM codes."""

from typing import Any

import pytest

from services.intake.domain import diagnoses
from shared.contracts.intake import PROBLEMS
from shared.errors import InvalidInput


def diagnose_one(problem: str, **answers: Any) -> diagnoses.Diagnosis:
    (found,) = diagnoses.diagnose([diagnoses.ReportedProblem(problem=problem, **answers)])
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
        ("problem", "count", "remission", "code"),
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
    def test_finds_the_code(self, problem: str, count: int, remission: str | None, code: str) -> None:
        found = diagnose_one(problem, criteria_count=count, remission=remission)

        assert found.icd10_code == code

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
            ]
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
            diagnoses.diagnose(twice)

        assert refused.value.problems[0]["field"] == "problems.1.problem"

    def test_refuses_two_primary_problems(self) -> None:
        both = [
            diagnoses.ReportedProblem(problem=problem, criteria_count=3, primary=True)
            for problem in ("ALCOHOL", "COCAINE")
        ]

        with pytest.raises(InvalidInput):
            diagnoses.diagnose(both)
