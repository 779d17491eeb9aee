"""DSM-5 severity and ICD-10-CM codes of the problems that bring somebody to the program."""

from dataclasses import dataclass
from datetime import date

from services.intake.domain import remission
from shared.contracts.intake import PROBLEMS
from shared.errors import InvalidInput

#: Least number of criteria for mild, moderate and severe substance use disorder. DSM-5.
SUBSTANCE_THRESHOLDS = (2, 4, 6)
#: The same for gambling disorder. DSM-5.
GAMBLING_THRESHOLDS = (4, 6, 8)
#: Criteria of a substance use disorder and of gambling disorder. DSM-5.
SUBSTANCE_CRITERIA = 11
GAMBLING_CRITERIA = 9
#: Tolerance and withdrawal: not counted when the substance is taken solely as prescribed. DSM-5.
CRITERIA_OF_DEPENDENCE = (10, 11)
#: Criterion 11, withdrawal, does not exist for these. DSM-5.
WITHOUT_WITHDRAWAL = ("HALLUCINOGEN", "INHALANT")

#: Severities, least first.
SEVERITIES = ("NONE", "MILD", "MODERATE", "SEVERE")


@dataclass(frozen=True, kw_only=True)
class IcdCodes:
    """ICD-10-CM codes of one problem; "" where there is none."""

    mild: str
    mild_remission: str
    moderate_or_severe: str
    moderate_or_severe_remission: str
    unspecified_remission: str


def _substance(category: str) -> IcdCodes:
    return IcdCodes(
        mild=f"{category}.10",
        mild_remission=f"{category}.11",
        moderate_or_severe=f"{category}.20",
        moderate_or_severe_remission=f"{category}.21",
        unspecified_remission=f"{category}.91",
    )


#: ICD-10-CM codes of each problem. Stage of remission is no part of the code and is kept apart.
ICD10: dict[str, IcdCodes] = {
    "ALCOHOL": _substance("F10"),
    "OPIOID": _substance("F11"),
    "CANNABIS": _substance("F12"),
    "SEDATIVE": _substance("F13"),
    "COCAINE": _substance("F14"),
    "STIMULANT": _substance("F15"),
    "HALLUCINOGEN": _substance("F16"),
    "NICOTINE": IcdCodes(
        mild="Z72.0",
        mild_remission="",
        moderate_or_severe="F17.200",
        moderate_or_severe_remission="F17.201",
        unspecified_remission="",
    ),
    "INHALANT": _substance("F18"),
    "OTHER": _substance("F19"),
    "GAMBLING": IcdCodes(
        mild="F63.0",
        mild_remission="F63.0",
        moderate_or_severe="F63.0",
        moderate_or_severe_remission="F63.0",
        unspecified_remission="",
    ),
}


@dataclass(frozen=True, kw_only=True)
class ReportedProblem:
    """A problem as asked about: the criteria met in twelve months, by number or only counted.

    ``remission_since`` is the day since which no criterion but craving has been met; ``remission`` is what
    the assessor calls the stage, which is checked against it.
    """

    problem: str
    criteria_numbers: tuple[int, ...] | None = None
    criteria_count: int | None = None
    primary: bool = False
    taken_as_prescribed: bool = False
    remission: str | None = None
    remission_since: date | None = None


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What a reported problem amounts to."""

    problem: str
    severity: str
    criteria_counted: int
    icd10_code: str
    primary: bool
    remission: str | None
    remission_since: date | None


def diagnose(problems: list[ReportedProblem], *, today: date) -> list[Diagnosis]:
    """Weigh each problem; return the diagnoses, most severe first, the primary one before its equals.

    :param today: the day of the assessment where the site is, which tells the stage of a remission.
    :raises InvalidInput: when a problem comes twice, two are primary, a criterion does not exist, or a
        remission does not fit its day.
    """
    _check_together(problems)
    diagnoses = []
    for place, reported in enumerate(problems):
        count = _criteria_counted(reported, field=f"problems.{place}")
        severity = severity_of(reported.problem, count)
        stage = remission.check(
            since=reported.remission_since, told=reported.remission, today=today, field=f"problems.{place}"
        )
        diagnoses.append(
            Diagnosis(
                problem=reported.problem,
                severity=severity,
                criteria_counted=count,
                icd10_code=_icd10(reported.problem, severity, in_remission=stage is not None),
                primary=reported.primary,
                remission=stage,
                remission_since=reported.remission_since,
            )
        )
    return sorted(
        diagnoses,
        key=lambda d: (
            -SEVERITIES.index(d.severity),
            not d.primary,
            -d.criteria_counted,
            PROBLEMS.index(d.problem),
        ),
    )


def severity_of(problem: str, criteria: int) -> str:
    """Return "NONE", "MILD", "MODERATE" or "SEVERE" for a number of criteria met."""
    thresholds = GAMBLING_THRESHOLDS if problem == "GAMBLING" else SUBSTANCE_THRESHOLDS
    return SEVERITIES[sum(criteria >= least for least in thresholds)]


def worst_severity(diagnoses: list[Diagnosis]) -> str:
    """Return the severity of the most severe diagnosis."""
    return max((d.severity for d in diagnoses), key=SEVERITIES.index, default="NONE")


def _check_together(problems: list[ReportedProblem]) -> None:
    if not problems:
        raise InvalidInput("No problem is named.", field="problems", rule="at least one")
    names = [reported.problem for reported in problems]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise InvalidInput(
                "A problem comes twice.", field=f"problems.{place}.problem", rule="each problem once"
            )
    if sum(reported.primary for reported in problems) > 1:
        raise InvalidInput("Two problems are primary.", field="problems", rule="at most one is primary")


def _criteria_counted(reported: ReportedProblem, *, field: str) -> int:
    gambling = reported.problem == "GAMBLING"
    highest = GAMBLING_CRITERIA if gambling else SUBSTANCE_CRITERIA
    if reported.problem in WITHOUT_WITHDRAWAL:
        highest -= 1
    if reported.criteria_numbers is None:
        count = reported.criteria_count or 0
        if not 0 <= count <= highest:
            raise InvalidInput(
                "The number of criteria is impossible.",
                field=f"{field}.criteria_met",
                rule=f"this problem has 0 to {highest} criteria",
            )
        if reported.taken_as_prescribed and count:
            raise InvalidInput(
                "The criteria must be listed.",
                field=f"{field}.criteria_met",
                rule="list the criteria by number when the substance is taken as prescribed",
            )
        return count
    numbers = set(reported.criteria_numbers)
    if any(not 1 <= number <= highest for number in numbers):
        raise InvalidInput(
            "A criterion does not exist.",
            field=f"{field}.criteria_met",
            rule=f"this problem has criteria 1 to {highest}",
        )
    if reported.taken_as_prescribed and not gambling:
        numbers -= set(CRITERIA_OF_DEPENDENCE)
    return len(numbers)


def _icd10(problem: str, severity: str, *, in_remission: bool) -> str:
    codes = ICD10[problem]
    if severity == "NONE":
        return codes.unspecified_remission if in_remission else ""
    if severity == "MILD":
        return codes.mild_remission if in_remission else codes.mild
    return codes.moderate_or_severe_remission if in_remission else codes.moderate_or_severe
