"""The pre-screen: a few questions before the first talk, and what they recommend to a specialist.

It recommends where to begin and denies nothing: a specialist calls, and decides.
"""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from shared import dangers
from shared.contracts.intake import PRE_SCREEN_RESULTS

ASSESSMENT_HERE, OTHER_LEVEL, CLINICIAN_FIRST, MEDICAL_FIRST, EMERGENCY = PRE_SCREEN_RESULTS

#: Which rules recommended: stored with each result.
RULE_VERSION = "PRE_SCREEN-1"
#: How long a pre-screen may take without help. Brief 1.9.
ANSWERED_WITHIN = timedelta(minutes=10)
#: How long one question takes somebody who reads it on a telephone. Design default.
TIME_FOR_A_QUESTION = timedelta(seconds=40)
#: The question about suicide: nobody alone is asked it while nobody is there. Safety rule (13b.4).
SAFETY_QUESTION = "suicidal_intent"
#: Readiness up to this reaches the specialist as a reason; it denies nothing. Brief 1.7.
LOW_READINESS = 2


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What somebody answered; ``suicidal_intent`` stays empty where it was not asked."""

    problems: tuple[str, ...]
    minor: bool = False
    withdrawing_now: bool = False
    seizure_or_dt_history: bool = False
    daily_benzodiazepine: bool = False
    overdose_last_72h: bool = False
    pregnant: bool = False
    injecting: bool = False
    housing: str | None = None
    home_safe: bool = True
    hours_possible: bool = True
    readiness: int | None = None
    suicidal_intent: str | None = None

    @property
    def urgent(self) -> bool:
        """Whether an assessment is offered within a day: opioids, injecting, or pregnant. Brief 1.9."""
        return "OPIOID" in self.problems or self.injecting or self.pregnant

    def on_record(self) -> dict[str, Any]:
        """Return the answers as JSON."""
        return {**asdict(self), "problems": list(self.problems)}


#: The questions in their order.
QUESTIONS = tuple(Answers.__dataclass_fields__)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What the answers recommend, why, and where else somebody could begin."""

    recommendation: str
    reasons: tuple[str, ...]
    alternatives: tuple[str, ...]


#: Where else to begin, by what is recommended: nobody is left with a bare no (S16).
_ALTERNATIVES = {
    ASSESSMENT_HERE: (OTHER_LEVEL,),
    OTHER_LEVEL: (ASSESSMENT_HERE,),
    CLINICIAN_FIRST: (OTHER_LEVEL,),
    MEDICAL_FIRST: (ASSESSMENT_HERE,),
    EMERGENCY: (MEDICAL_FIRST,),
}


def read(record: dict[str, Any]) -> Answers:
    """Return answers as they were kept."""
    return Answers(**{**record, "problems": tuple(record["problems"])})


def questions_asked(*, somebody_on_duty: bool) -> tuple[str, ...]:
    """Return the questions that may be put to somebody alone now."""
    return tuple(one for one in QUESTIONS if somebody_on_duty or one != SAFETY_QUESTION)


def weigh(answers: Answers) -> Result:
    """Recommend where somebody begins: the gravest reason decides, the others are told as well."""
    found = _reasons(answers)
    recommendation = max((where for where, _ in found), key=PRE_SCREEN_RESULTS.index, default=ASSESSMENT_HERE)
    return Result(
        recommendation=recommendation,
        reasons=tuple(reason for _, reason in found) or ("NOTHING_AGAINST",),
        alternatives=_ALTERNATIVES[recommendation],
    )


def concerns(answers: Answers) -> list[tuple[str, str]]:
    """Return what a human must hear of at once: pairs of concern and escalation level."""
    return dangers.in_pre_screen(
        suicidal_intent=answers.suicidal_intent,
        overdose_last_72h=answers.overdose_last_72h,
        withdrawing_now=answers.withdrawing_now,
        seizure_or_dt_history=answers.seizure_or_dt_history,
        pregnant=answers.pregnant,
    )


def _reasons(answers: Answers) -> list[tuple[str, str]]:
    """Return pairs of where to begin and why; those of ASSESSMENT_HERE only inform."""
    withdrawing, seizures = answers.withdrawing_now, answers.seizure_or_dt_history
    table = (
        (answers.suicidal_intent == "ACTIVE", EMERGENCY, "SUICIDAL_INTENT"),
        (answers.overdose_last_72h, EMERGENCY, "OVERDOSE_LAST_72H"),
        (withdrawing and (seizures or answers.pregnant), EMERGENCY, "WITHDRAWAL_DANGEROUS"),
        (withdrawing and not (seizures or answers.pregnant), MEDICAL_FIRST, "WITHDRAWING_NOW"),
        (seizures and not withdrawing, MEDICAL_FIRST, "SEIZURES_BEFORE"),
        (answers.daily_benzodiazepine, MEDICAL_FIRST, "DAILY_BENZODIAZEPINE"),
        (answers.minor, CLINICIAN_FIRST, "MINOR"),
        (answers.suicidal_intent == "PASSIVE", CLINICIAN_FIRST, "SUICIDAL_THOUGHTS"),
        (not answers.home_safe, OTHER_LEVEL, "HOME_NOT_SAFE"),
        (answers.housing == "STREET", OTHER_LEVEL, "NO_HOUSING"),
        (not answers.hours_possible, ASSESSMENT_HERE, "HOURS_HARD_TO_KEEP"),
        (answers.readiness is not None and answers.readiness <= LOW_READINESS, ASSESSMENT_HERE, "NOT_READY"),
    )
    return [(where, reason) for applies, where, reason in table if applies]
