"""Fit factors: how well intensive outpatient care suits a person's life, with reasons.

Each factor is MET, CONDITIONAL with actions, or NOT_MET with an alternative. None denies anything:
they route to a clinician, and no sum of them overrides a gate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from services.intake.domain.diagnoses import Diagnosis, worst_severity
from shared.errors import InvalidInput

MET, CONDITIONAL, NOT_MET = "MET", "CONDITIONAL", "NOT_MET"

#: Days for which a home counts as secure. Design default.
SECURE_DAYS = 30
#: Share of the required time that fits, from which obligations are met with help. Design default.
FIT_WITH_HELP = 0.75
#: Ruler (0 to 10) from which somebody counts as committed, and up to which it is low. Design default.
RULER_COMMITTED = 6
RULER_LOW = 2
#: Triggers that should be named, each with a tool against it. Design default.
TRIGGERS_NEEDED = 3
#: Levels whose discharge makes the referral a step-down. ASAM Criteria, 3rd edition.
STEP_DOWN_FROM = ("3.1", "3.3", "3.5", "3.7", "4")
#: How long after the discharge somebody still comes from there. Design default: as long as HEDIS looks for
#: follow-up care.
STEPS_DOWN_WITHIN = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Home:
    """Where and with whom somebody lives; ``supporters`` counts people who back them."""

    housing: str
    secure_days: int
    safe: bool
    use_at_home: bool = False
    coping_plan: bool = False
    supporters: int = 0
    recovery_residence_possible: bool = False

    def is_unsafe(self, *, violence_threat: bool) -> bool:
        """Tell whether nobody should be sent home there."""
        return not self.safe or violence_threat or self.housing == "STREET"


@dataclass(frozen=True, kw_only=True)
class Rulers:
    """Importance, confidence and readiness, 0 to 10 each, as the person puts them."""

    importance: int
    confidence: int
    readiness: int


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """Something that can set off use, and how many tools against it the person has."""

    trigger_code: str
    coping_tools: int


@dataclass(frozen=True, kw_only=True)
class PriorStay:
    """An earlier stay that this episode follows on."""

    level: str
    discharged_on: date
    summary_received: bool = False
    medications_reconciled: bool = False


@dataclass(frozen=True, kw_only=True)
class TrackFit:
    """How much of a week's required minutes one track can place beside what somebody is bound to."""

    track: str
    placeable_minutes: int
    required_minutes: int
    result: str


@dataclass(frozen=True, kw_only=True)
class FactorResult:
    """One fit factor; ``alternative`` says what to do instead when it is not met."""

    factor: str
    result: str
    actions: tuple[str, ...] = ()
    alternative: str | None = None
    evidence: tuple[str, ...] = ()
    #: Of obligations, each track, the best first; empty where none or only the best was told.
    tracks: tuple[TrackFit, ...] = ()


def stable_home(home: Home, *, violence_threat: bool) -> FactorResult:
    """Weigh the home."""
    evidence = ("home", "danger.violence_threat")
    if home.is_unsafe(violence_threat=violence_threat) and not home.recovery_residence_possible:
        return FactorResult(factor="STABLE_HOME", result=NOT_MET, alternative="3.1", evidence=evidence)
    actions = []
    unstable = (
        home.is_unsafe(violence_threat=violence_threat)
        or home.housing == "SHELTER"
        or home.secure_days < SECURE_DAYS
        or (home.use_at_home and not home.coping_plan)
    )
    if unstable:
        actions.append("REFER_TO_RECOVERY_RESIDENCE")
    if home.supporters < 1:
        actions.append("FIND_SUPPORTER")
    return _met_unless("STABLE_HOME", actions, evidence)


def is_beyond_program(ratings: tuple[int, ...]) -> bool:
    """Tell whether dimensions 1 to 3 of the 3rd edition ask for more than level 2.1 has."""
    return ratings[0] >= 2 or ratings[1] >= 2 or ratings[2] >= 3


def mild_to_moderate(
    diagnoses: list[Diagnosis], *, beyond_program: bool, step_down: bool, recommended_level: str
) -> FactorResult:
    """Weigh severity: severe disorders are no obstacle while dimensions 1 to 3 are stable.

    :param beyond_program: whether they ask for more than the program has.
    """
    evidence = ("problems", "dimensions.0", "dimensions.1", "dimensions.2")
    if beyond_program:
        return FactorResult(
            factor="MILD_TO_MODERATE", result=NOT_MET, alternative=recommended_level, evidence=evidence
        )
    severity = worst_severity(diagnoses)
    actions = []
    if severity == "SEVERE":
        actions.append("REVIEW_LEVEL_MORE_OFTEN")
    if severity == "NONE" and not step_down:
        actions.append("CONFIRM_DIAGNOSIS")
    return _met_unless("MILD_TO_MODERATE", actions, evidence)


def obligations(
    *,
    placeable_minutes: int | None,
    required_minutes: int | None,
    by_track: Sequence[tuple[str, int]] = (),
) -> FactorResult:
    """Weigh how much of the required time fits beside work, school and family.

    Not known yet (``None``) is conditional: the person is asked to declare what binds them.

    :param by_track: each track with the minutes a week that it can place, the best first.
    """
    if placeable_minutes is None or required_minutes is None:
        return FactorResult(factor="OBLIGATIONS", result=CONDITIONAL, actions=("DECLARE_OBLIGATIONS",))
    result = _share_result(placeable_minutes, required=required_minutes)
    return FactorResult(
        factor="OBLIGATIONS",
        result=result,
        actions=("FMLA_LETTER", "CHILDCARE", "MIX_IN_TELEHEALTH") if result == CONDITIONAL else (),
        alternative="OTHER_SITE_OR_TRACK" if result == NOT_MET else None,
        evidence=("obligation_fit",),
        tracks=tuple(
            TrackFit(
                track=track,
                placeable_minutes=minutes,
                required_minutes=required_minutes,
                result=_share_result(minutes, required=required_minutes),
            )
            for track, minutes in by_track
        ),
    )


def _share_result(placeable: int, *, required: int) -> str:
    if placeable >= required:
        return MET
    return CONDITIONAL if placeable >= FIT_WITH_HELP * required else NOT_MET


def committed(rulers: Rulers) -> FactorResult:
    """Weigh motivation: low rulers add sessions, never a refusal."""
    lowest = min(rulers.importance, rulers.confidence, rulers.readiness)
    actions = []
    if lowest <= RULER_LOW:
        actions.append("PRE_ENGAGEMENT")
    if lowest < RULER_COMMITTED:
        actions.append("MOTIVATIONAL_INTERVIEWING_WEEKS_1_2")
    return _met_unless("COMMITTED", actions, ("rulers",))


def has_tools(triggers: list[Trigger]) -> bool:
    """Tell whether there are enough triggers, and a tool against each."""
    return len(triggers) >= TRIGGERS_NEEDED and all(trigger.coping_tools >= 1 for trigger in triggers)


def tools_against_triggers(triggers: list[Trigger], *, naloxone: bool, opioid: bool) -> FactorResult:
    """Weigh the tools against triggers; naloxone too where opioids are used."""
    actions = []
    if len(triggers) < TRIGGERS_NEEDED:
        actions.append("LIST_TRIGGERS_IN_SESSIONS_1_2")
    if any(trigger.coping_tools < 1 for trigger in triggers):
        actions.append("FIND_COPING_TOOLS_IN_SESSIONS_1_2")
    if opioid and not naloxone:
        actions.append("GIVE_NALOXONE")
    return _met_unless("TOOLS_AGAINST_TRIGGERS", actions, ("triggers", "naloxone"))


def step_down(prior_stay: PriorStay | None, *, today: date) -> FactorResult:
    """Weigh whether somebody comes from residential or inpatient care; if not, they enter directly."""
    recent = prior_stay is not None and today - prior_stay.discharged_on <= STEPS_DOWN_WITHIN
    if prior_stay is None or not recent or prior_stay.level not in STEP_DOWN_FROM:
        return FactorResult(factor="STEP_DOWN", result=NOT_MET, alternative="DIRECT_ENTRY")
    actions = ["FIRST_CONTACT_WITHIN_3_DAYS", "FIRST_SERVICE_WITHIN_7_DAYS"]
    if not prior_stay.summary_received:
        actions.append("REQUEST_SUMMARY")
    if not prior_stay.medications_reconciled:
        actions.append("RECONCILE_MEDICATIONS")
    return FactorResult(factor="STEP_DOWN", result=MET, actions=tuple(actions), evidence=("prior_stay",))


def check_prior_stay(prior_stay: PriorStay | None, *, today: date) -> None:
    """Refuse an earlier stay that has not ended.

    :raises InvalidInput: when its discharge lies in the future.
    """
    if prior_stay is not None and prior_stay.discharged_on > today:
        raise InvalidInput(
            "The earlier stay has not ended.",
            field="prior_stay.discharged_on",
            rule="may not be in the future",
        )


def _met_unless(factor: str, actions: list[str], evidence: tuple[str, ...]) -> FactorResult:
    result = CONDITIONAL if actions else MET
    return FactorResult(factor=factor, result=result, actions=tuple(actions), evidence=evidence)
