"""The withdrawal gate: findings that hold somebody back from a program they would go home from.

The gate stands before placement: it may raise the recommended level and never lowers it, and no
score of fit overrides it. A history of seizures or delirium is no emergency by itself, but takes
away the clear way and asks for a medical evaluation on the same day; seizures, delirium and
hallucinations now are an emergency.

What a total of CIWA-Ar, COWS or PAWSS amounts to is told by the instrument's pack alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from shared import dangers
from shared.contracts.event import Actor
from shared.contracts.intake import LEVELS_OF_CARE, WITHDRAWAL_GATES
from shared.errors import Forbidden, InvalidInput
from shared.instruments import newest

#: Hours since the last drink within which alcohol withdrawal must be rated. Design default.
RATE_WITHIN_HOURS = 72
#: Hours since the last drink within which withdrawal is rated again every day. Design default.
RECHECK_WITHIN_HOURS = 120

#: How long an observer's rating counts for the gate without being told again. Source: brief 1.6, withdrawal
#: is rated again every day.
RATING_COUNTS_FOR = timedelta(hours=24)

#: Credentials that may clear somebody medically for outpatient care. Design default: prescribers.
PRESCRIBERS = ("MD", "DO", "NP", "PA")


class SelfReportRefused(InvalidInput):
    """Raised when a withdrawal scale was not rated by an observer."""


class ClearanceNeedsPrescriber(Forbidden):
    """Raised when somebody other than a prescriber clears a patient medically."""


@dataclass(frozen=True, kw_only=True)
class Signs:
    """What is known of withdrawal and danger; ``None`` where it was not asked or rated."""

    ciwa_ar: int | None = None
    cows: int | None = None
    pawss: int | None = None
    last_drink_hours: int | None = None
    seizure_or_dt_history: bool = False
    seizure_or_dt_now: bool = False
    hallucinations: bool = False
    overdose_last_72h: bool = False
    daily_benzodiazepine: bool = False
    pregnant_withdrawing: bool = False
    rated_by: str | None = None
    #: A prescriber examined the person and holds outpatient care to be safe.
    medically_cleared: bool = False


@dataclass(frozen=True, kw_only=True)
class GateRule:
    """One row of the gate's table.

    ``act_within`` is a code of the time allowed; ``clearable`` says whether a prescriber's
    clearance lifts it.
    """

    code: str
    applies: Callable[[Signs], bool]
    disposition: str
    act_within: str
    actions: tuple[str, ...]
    least_level: str | None = None
    clearable: bool = False


def _is(instrument: str, total: int | None, *bands: str) -> bool:
    """Tell whether the total of a scale falls into one of its pack's bands."""
    return total is not None and newest(instrument).score_rule("TOTAL").band_of(total).band in bands


def _drank_lately(signs: Signs) -> bool:
    """Tell whether alcohol withdrawal must be rated."""
    return signs.last_drink_hours is not None and signs.last_drink_hours <= RATE_WITHIN_HOURS


#: The gate's table. Design default, after the scales' published bands.
RULES: tuple[GateRule, ...] = (
    GateRule(
        code="ALCOHOL_WITHDRAWAL_SEVERE",
        applies=lambda s: _is("CIWA_AR", s.ciwa_ar, "SEVERE"),
        disposition="EMERGENCY",
        act_within="IMMEDIATE",
        actions=("CALL_911",),
        least_level="4",
    ),
    GateRule(
        code="COMPLICATED_WITHDRAWAL_NOW",
        applies=lambda s: s.seizure_or_dt_now or s.hallucinations,
        disposition="EMERGENCY",
        act_within="IMMEDIATE",
        actions=("CALL_911",),
        least_level="4",
    ),
    GateRule(
        code="OPIOID_WITHDRAWAL_SEVERE",
        applies=lambda s: _is("COWS", s.cows, "MODERATELY_SEVERE", "SEVERE"),
        disposition="INPATIENT_EVALUATION",
        act_within="IMMEDIATE",
        actions=("EVALUATE_FOR_INPATIENT",),
        least_level="3.7",
    ),
    GateRule(
        code="PREGNANT_AND_WITHDRAWING",
        applies=lambda s: s.pregnant_withdrawing,
        disposition="INPATIENT_EVALUATION",
        act_within="IMMEDIATE",
        actions=("EVALUATE_FOR_INPATIENT",),
        least_level="3.7",
    ),
    GateRule(
        code="OVERDOSE_LAST_72H",
        applies=lambda s: s.overdose_last_72h,
        disposition="SAFETY_EVALUATION",
        act_within="SAME_VISIT",
        actions=("EVALUATE_MEDICALLY", "EVALUATE_SAFETY", "DISPENSE_NALOXONE_BEFORE_LEAVING"),
        clearable=True,
    ),
    GateRule(
        code="OPIOID_WITHDRAWAL_MODERATE",
        applies=lambda s: _is("COWS", s.cows, "MODERATE"),
        disposition="MOUD_INDUCTION",
        act_within="WITHIN_4_HOURS",
        actions=("START_MOUD_SAME_DAY",),
        least_level="2.5",
        clearable=True,
    ),
    GateRule(
        code="ALCOHOL_WITHDRAWAL_MODERATE",
        applies=lambda s: _is("CIWA_AR", s.ciwa_ar, "MODERATE"),
        disposition="MEDICAL_EVALUATION",
        act_within="SAME_DAY",
        actions=("EVALUATE_MEDICALLY",),
        least_level="2.5",
        clearable=True,
    ),
    GateRule(
        code="COMPLICATED_WITHDRAWAL_LIKELY",
        applies=lambda s: _is("PAWSS", s.pawss, "HIGH") or s.seizure_or_dt_history,
        disposition="MEDICAL_EVALUATION",
        act_within="SAME_DAY",
        actions=("EVALUATE_MEDICALLY",),
        least_level="2.5",
        clearable=True,
    ),
    GateRule(
        code="ALCOHOL_WITHDRAWAL_NOT_RATED",
        applies=lambda s: s.ciwa_ar is None and _drank_lately(s),
        disposition="MEDICAL_EVALUATION",
        act_within="SAME_DAY",
        actions=("RATE_CIWA_AR",),
        clearable=True,
    ),
    GateRule(
        code="COMPLICATED_WITHDRAWAL_NOT_RATED",
        # The way is clear only where its likelihood is known to be low. Brief 1.6, 13b.4.
        applies=lambda s: s.pawss is None and _drank_lately(s),
        disposition="MEDICAL_EVALUATION",
        act_within="SAME_DAY",
        actions=("RATE_PAWSS",),
        clearable=True,
    ),
    GateRule(
        code="DAILY_BENZODIAZEPINE",
        applies=lambda s: s.daily_benzodiazepine,
        disposition="MEDICAL_EVALUATION",
        act_within="BEFORE_START",
        actions=("EVALUATE_MEDICALLY", "NEVER_STOP_ABRUPTLY"),
        clearable=True,
    ),
    GateRule(
        code="OPIOID_WITHDRAWAL_MILD",
        applies=lambda s: _is("COWS", s.cows, "MILD"),
        disposition="MOUD_EVALUATION",
        act_within="WITHIN_24_HOURS",
        actions=("EVALUATE_FOR_MOUD",),
    ),
    GateRule(
        code="RECENT_DRINKING",
        applies=lambda s: s.last_drink_hours is not None and s.last_drink_hours < RECHECK_WITHIN_HOURS,
        disposition="RECHECK_DAILY",
        act_within="DAILY",
        actions=("RATE_CIWA_AR_DAILY_3_TO_5_DAYS",),
    ),
)

#: Dispositions from which nobody is admitted.
_HOLDING = WITHDRAWAL_GATES[WITHDRAWAL_GATES.index("MEDICAL_EVALUATION") :]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What the gate found: its most urgent disposition, and every rule that applied.

    ``holds`` tells whether admission must wait; ``least_level`` is the level below which no
    recommendation may fall, if there is one.
    """

    disposition: str
    findings: tuple[GateRule, ...]
    holds: bool
    least_level: str | None
    cleared: bool


def check_rated(signs: Signs) -> None:
    """Refuse scales that the person rated alone.

    :raises SelfReportRefused: when CIWA-Ar or COWS were not rated by an observer.
    """
    if (signs.ciwa_ar is not None or signs.cows is not None) and signs.rated_by != "OBSERVER":
        raise SelfReportRefused(
            "CIWA-Ar and COWS are rated by an observer.",
            field="withdrawal.rated_by",
            rule="OBSERVER whenever ciwa_ar or cows is given",
        )


def check_clearance(signs: Signs, *, actor: Actor) -> None:
    """Refuse a medical clearance by somebody who may not give it.

    :raises ClearanceNeedsPrescriber: when the actor is no prescriber.
    """
    if signs.medically_cleared and actor.credential not in PRESCRIBERS:
        raise ClearanceNeedsPrescriber(
            "Only a prescriber clears medically.",
            field="withdrawal.medically_cleared",
            rule=f"credential one of {', '.join(PRESCRIBERS)}",
        )


def with_recorded(signs: Signs, *, ciwa_ar: int | None, cows: int | None, pawss: int | None) -> Signs:
    """Return the signs with totals that an observer recorded, where the assessor told none of their own."""
    return replace(
        signs,
        ciwa_ar=ciwa_ar if signs.ciwa_ar is None else signs.ciwa_ar,
        cows=cows if signs.cows is None else signs.cows,
        pawss=pawss if signs.pawss is None else signs.pawss,
    )


def weigh(signs: Signs) -> Gate:
    """Apply every rule of the gate's table."""
    findings = tuple(rule for rule in RULES if rule.applies(signs))
    standing = [rule for rule in findings if not (rule.clearable and signs.medically_cleared)]
    least_levels = [rule.least_level for rule in standing if rule.least_level is not None]
    disposition = max((rule.disposition for rule in standing), key=WITHDRAWAL_GATES.index, default="CLEAR")
    return Gate(
        disposition=disposition,
        findings=findings,
        holds=disposition in _HOLDING,
        least_level=max(least_levels, key=LEVELS_OF_CARE.index, default=None),
        cleared=signs.medically_cleared and len(standing) < len(findings),
    )


def concerns(signs: Signs) -> list[dangers.Concern]:
    """Return what a human must hear of at once, whatever a prescriber cleared."""
    return dangers.in_withdrawal(
        ciwa_ar=signs.ciwa_ar,
        cows=signs.cows,
        complicated_now=signs.seizure_or_dt_now or signs.hallucinations,
        pregnant_withdrawing=signs.pregnant_withdrawing,
        overdose_last_72h=signs.overdose_last_72h,
    )
