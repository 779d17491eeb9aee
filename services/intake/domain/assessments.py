"""An assessment: all six dimensions, the diagnoses, the fit of the program, and what they recommend."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from typing import Any

from services.intake.domain import diagnoses, fit, placement, placement4, withdrawal
from services.intake.domain.episodes import Episode
from services.intake.domain.people import Patient
from services.intake.domain.sites import Site
from shared import dangers
from shared.contracts.common import SafetyConcernRaised
from shared.contracts.event import Actor, Event
from shared.contracts.intake import CONDITIONS_OF_MIND, AssessmentCompleted
from shared.errors import InvalidInput
from shared.ids import derived_id

#: What somebody at risk is shown in every answer. 988 Suicide and Crisis Lifeline; SAMHSA.
CRISIS_LINES = (
    {"code": "988", "what": "Suicide and Crisis Lifeline: call, text or chat; press 1 for veterans"},
    {"code": "911", "what": "Emergency: overdose, seizure, immediate danger"},
    {"code": "1-800-662-4357", "what": "SAMHSA helpline, day and night"},
    {"code": "1-800-222-1222", "what": "Poison help"},
)


class AssessmentIncomplete(InvalidInput):
    """Raised when an assessment lacks something without which it is not complete."""


@dataclass(frozen=True, kw_only=True)
class Danger:
    """The answers about danger to oneself and others."""

    suicidal_intent: str
    violence_threat: bool


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A condition that occurs beside the addiction, coded: who says so, and how it is treated."""

    code: str
    source: str
    treatment: str
    #: ICD-10-CM code, where somebody diagnosed it.
    icd10_code: str | None = None


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Everything that an assessor found out.

    ``dimensions`` holds severity 0 to 4 of dimensions 1 to 6 of the 3rd edition, ``None`` where one is not
    rated yet; ``subdimensions`` the codes of the 4th edition, where the assessor rated by that.
    """

    withdrawal: withdrawal.Signs
    dimensions: tuple[int | None, ...]
    problems: list[diagnoses.ReportedProblem]
    danger: Danger
    home: fit.Home
    rulers: fit.Rulers
    triggers: list[fit.Trigger]
    goals: str
    naloxone: bool = False
    prior_stay: fit.PriorStay | None = None
    co_occurring: bool = False
    pregnant: bool = False
    conditions: list[Condition] = field(default_factory=list)
    subdimensions: Mapping[str, str] | None = None

    @property
    def has_condition_of_mind(self) -> bool:
        """Whether a mental health condition occurs beside the addiction."""
        return self.co_occurring or any(one.code in CONDITIONS_OF_MIND for one in self.conditions)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What instruments told before the assessment, with the answers behind it by instrument.

    The totals are an observer's of the last day; ``suicide_risk`` is the grade of the risk that the suicide
    screens in the episode come to.
    """

    ciwa_ar: int | None = None
    cows: int | None = None
    pawss: int | None = None
    suicide_risk: str | None = None
    positive_screens: tuple[str, ...] = ()
    answers_ids: dict[str, str] = field(default_factory=dict)


@dataclass(eq=False, kw_only=True)
class Assessment:
    """A completed assessment, with what was found and what the rules made of it.

    The dictionaries hold codes and numbers only; ``goals`` are the person's own words, sealed.
    """

    assessment_id: str
    episode_id: str
    patient_id: str
    journey_id: str
    site_id: str
    edition: str
    dimension_ratings: list[int]
    findings: dict[str, Any]
    gate: dict[str, Any]
    diagnoses: list[dict[str, Any]]
    fit_factors: list[dict[str, Any]]
    recommendation: dict[str, Any]
    risk_flags: list[str]
    recommended_level: str
    rule_version: str
    opioid: bool
    minor: bool
    completed_at: datetime
    completed_by: str
    completed_by_role: str
    completed_by_credential: str
    goals: str
    conditions: list[dict[str, Any]] = field(default_factory=list)
    tenant_id: str = ""

    @property
    def has_tools(self) -> bool:
        """Whether the person has a tool against each of enough triggers."""
        return fit.has_tools([fit.Trigger(**trigger) for trigger in self.findings["triggers"]])

    @property
    def gate_holds(self) -> bool:
        """Whether admission must wait for a medical or safety evaluation."""
        return bool(self.gate["holds"])


def complete(
    *,
    assessment_id: str,
    episode: Episode,
    patient: Patient,
    site: Site,
    findings: Findings,
    placeable_minutes: int | None,
    required_minutes: int | None,
    placeable_by_track: Sequence[tuple[str, int]] = (),
    actor: Actor,
    now: datetime,
    recorded: Recorded | None = None,
    rules_version: int | None = None,
    supporters: int | None = None,
    edition: str | None = None,
    instruments_missing: tuple[str, ...] = (),
    fourth_edition_in_force: bool = False,
) -> tuple[Assessment, list[Event]]:
    """Complete an assessment of somebody who waits for a decision.

    :param supporters: how many people back the person, as they told before; as the assessor says, when None.
    :param instruments_missing: those in force that were due and that nobody has answered: told to whoever
        decides, who can wait for them.
    :param edition: of the criteria that the assessor rated by; the 3rd, if they do not say.
    :param fourth_edition_in_force: whether the medical director signed its rules.
    :raises AssessmentIncomplete: naming every dimension that is not rated, and goals that say nothing.
    :raises CodeUnknown: naming every sub-dimension without a code of its own.
    :raises InvalidInput: when a scale was self-reported, a criterion does not exist, and the like.
    :raises Conflict: when the episode is past its admission.
    """
    episode.check_before_admission()
    today = site.local_day(now)
    minor = patient.is_minor_on(today)
    edition = edition or placement.EDITION
    _check_edition(edition, findings, fourth_in_force=fourth_edition_in_force, minor=minor)
    ratings = _all_there(findings, edition=edition)
    codes = findings.subdimensions or {}
    _check_conditions(findings.conditions)
    backing = findings.home.supporters if supporters is None else supporters
    findings = replace(findings, home=replace(findings.home, supporters=backing))
    withdrawal.check_rated(findings.withdrawal)
    withdrawal.check_clearance(findings.withdrawal, actor=actor)
    fit.check_prior_stay(findings.prior_stay, today=today)
    recorded = recorded or Recorded()
    signs = withdrawal.with_recorded(
        findings.withdrawal, ciwa_ar=recorded.ciwa_ar, cows=recorded.cows, pawss=recorded.pawss
    )
    gate = withdrawal.weigh(signs)
    found = diagnoses.diagnose(findings.problems, today=today)
    opioid = any(d.problem == "OPIOID" and (d.severity != "NONE" or d.remission) for d in found)
    if edition == placement4.EDITION:
        recommended = placement4.recommend(
            codes,
            gate_least_level=gate.least_level,
            imminent_psychiatric_danger=_means_to_act(findings.danger, suicide_risk=recorded.suicide_risk),
        )
        beyond_program = placement4.is_beyond_program(codes)
    else:
        recommended = placement.recommend(
            ratings=ratings,
            home_unsafe=findings.home.is_unsafe(violence_threat=findings.danger.violence_threat),
            gate_least_level=gate.least_level,
            minor=minor,
            version=rules_version,
        )
        beyond_program = fit.is_beyond_program(ratings)
    factors = _fit_factors(
        findings,
        found,
        beyond_program=beyond_program,
        opioid=opioid,
        recommended_level=recommended.level,
        placeable_minutes=placeable_minutes,
        required_minutes=required_minutes,
        placeable_by_track=placeable_by_track,
        today=today,
    )
    concerns = _concerns(signs, findings)
    assessment = Assessment(
        assessment_id=assessment_id,
        episode_id=episode.episode_id,
        patient_id=episode.patient_id,
        journey_id=episode.journey_id,
        site_id=episode.site_id,
        edition=edition,
        dimension_ratings=list(ratings),
        findings=_findings_on_record(findings, signs=signs, recorded=recorded)
        | {"instruments_missing": list(instruments_missing)},
        gate=_gate_on_record(gate, findings.danger, suicide_risk=recorded.suicide_risk),
        diagnoses=[_dated(asdict(diagnosis)) for diagnosis in found],
        fit_factors=[asdict(factor) for factor in factors],
        recommendation=_recommendation_on_record(recommended),
        risk_flags=sorted(concern for concern, _ in concerns),
        recommended_level=recommended.level,
        rule_version=recommended.rule_version,
        opioid=opioid,
        minor=minor,
        completed_at=now,
        completed_by=actor.actor_id,
        completed_by_role=actor.role,
        completed_by_credential=actor.credential,
        goals=findings.goals,
        conditions=[asdict(condition) for condition in findings.conditions],
    )
    episode.take_assessment(assessment_id=assessment_id, minor=minor)
    events: list[Event] = [
        _concern_raised(assessment, concern, level=level, now=now) for concern, level in concerns
    ]
    completed = AssessmentCompleted(
        patient_id=assessment.patient_id,
        episode_id=assessment.episode_id,
        journey_id=assessment.journey_id,
        assessment_id=assessment_id,
        site_id=assessment.site_id,
        edition=edition,
        dimension_ratings=ratings,
        problems=tuple(d.problem for d in found),
        severities=tuple(d.severity for d in found),
        icd10_codes=tuple(d.icd10_code for d in found),
        withdrawal_gate=gate.disposition,
        fit_factors=tuple(factor.factor for factor in factors),
        fit_results=tuple(factor.result for factor in factors),
        recommended_level=recommended.level,
        deciding_dimensions=recommended.deciding_dimensions,
        rule_version=recommended.rule_version,
        completed_at=now,
        co_occurring=findings.has_condition_of_mind,
        pregnant=findings.pregnant,
        conditions=tuple(condition.code for condition in findings.conditions),
        supporters=backing,
        subdimensions=tuple(codes),
        subdimension_codes=tuple(codes.values()),
        dimensions_in_need=placement4.dimensions_in_need(codes) if codes else (),
        positive_screens=recorded.positive_screens,
    )
    return assessment, [*events, completed]


def crisis_content(risk_flags: list[str], *, emergency_phone: str | None) -> dict[str, Any] | None:
    """Return what somebody at risk must be shown, or ``None`` when nobody is at risk."""
    if not risk_flags:
        return None
    return {"lines": list(CRISIS_LINES), "program_emergency_phone": emergency_phone}


def _check_edition(edition: str, findings: Findings, *, fourth_in_force: bool, minor: bool) -> None:
    """Refuse ratings by another edition than the one that is named: they mean something else.

    :raises InvalidInput: when they are mixed; when the 4th edition is named and not in force, or of a minor.
    """
    fourth = edition == placement4.EDITION
    if fourth and not fourth_in_force:
        raise InvalidInput(
            "The rules of that edition are not in force.",
            field="edition",
            rule=f"{placement.EDITION}, unless the medical director has signed {placement4.CODE}",
        )
    if fourth and minor:
        raise InvalidInput(
            "The 4th edition rates adults.", field="edition", rule=f"{placement.EDITION} for a minor"
        )
    other = findings.dimensions if fourth else findings.subdimensions
    if other:
        raise InvalidInput(
            "The ratings are of another edition.",
            field="dimensions" if fourth else "subdimensions",
            rule=f"none beside those of {edition}: editions are never mixed",
        )


def _check_conditions(conditions: list[Condition]) -> None:
    """Refuse a condition that is told twice, or diagnosed without saying as what.

    :raises InvalidInput: naming it.
    """
    codes = [condition.code for condition in conditions]
    for place, condition in enumerate(conditions):
        if condition.code in codes[:place]:
            raise InvalidInput(
                "A condition comes twice.", field=f"conditions.{place}.code", rule="each condition once"
            )
        if condition.source == "DIAGNOSED" and condition.icd10_code is None:
            raise InvalidInput(
                "The diagnosis has no code.",
                field=f"conditions.{place}.icd10_code",
                rule="its ICD-10-CM code",
            )


def _all_there(findings: Findings, *, edition: str) -> tuple[int, ...]:
    """Return the ratings of the 3rd edition; none where the 4th is named, which checks its own codes."""
    asked = placement.DIMENSIONS if edition == placement.EDITION else ()
    rated = (*findings.dimensions, *(None for _ in asked))[: len(asked)]
    missing = tuple(
        {"field": f"dimensions.{place}", "rule": f"dimension {place + 1} needs a rating from 0 to 4"}
        for place, rating in enumerate(rated)
        if rating is None
    )
    if not findings.goals.strip():
        missing += ({"field": "goals", "rule": "the person's goals in their own words"},)
    if missing:
        raise AssessmentIncomplete("The assessment is not complete.", problems=missing)
    return tuple(rating for rating in rated if rating is not None)


def _fit_factors(
    findings: Findings,
    found: list[diagnoses.Diagnosis],
    *,
    beyond_program: bool,
    opioid: bool,
    recommended_level: str,
    placeable_minutes: int | None,
    required_minutes: int | None,
    placeable_by_track: Sequence[tuple[str, int]],
    today: date,
) -> list[fit.FactorResult]:
    after_stay = fit.step_down(findings.prior_stay, today=today)
    return [
        fit.stable_home(findings.home, violence_threat=findings.danger.violence_threat),
        fit.mild_to_moderate(
            found,
            beyond_program=beyond_program,
            step_down=after_stay.result == fit.MET,
            recommended_level=recommended_level,
        ),
        fit.obligations(
            placeable_minutes=placeable_minutes,
            required_minutes=required_minutes,
            by_track=placeable_by_track,
        ),
        fit.committed(findings.rulers),
        fit.tools_against_triggers(findings.triggers, naloxone=findings.naloxone, opioid=opioid),
        after_stay,
    ]


def _concerns(signs: withdrawal.Signs, findings: Findings) -> list[dangers.Concern]:
    danger = findings.danger
    found = withdrawal.concerns(signs) + dangers.in_assessment(
        suicidal_intent=danger.suicidal_intent, violence_threat=danger.violence_threat
    )
    imminent = dangers.is_rated_imminent(findings.dimensions, findings.subdimensions or {})
    return dangers.with_rating(found, imminent=imminent)


def _concern_raised(
    assessment: Assessment, concern: str, *, level: str, now: datetime
) -> SafetyConcernRaised:
    return SafetyConcernRaised(
        concern_id=derived_id(assessment.assessment_id, concern),
        patient_id=assessment.patient_id,
        concern=concern,
        level=level,
        evidence_id=assessment.assessment_id,
        raised_at=now,
        episode_id=assessment.episode_id,
        journey_id=assessment.journey_id,
    )


def _findings_on_record(findings: Findings, *, signs: withdrawal.Signs, recorded: Recorded) -> dict[str, Any]:
    prior_stay = findings.prior_stay
    return {
        "withdrawal": asdict(signs),
        "instruments": recorded.answers_ids,
        "problems": [_problem_on_record(problem) for problem in findings.problems],
        "danger": asdict(findings.danger),
        "home": asdict(findings.home),
        "rulers": asdict(findings.rulers),
        "triggers": [asdict(trigger) for trigger in findings.triggers],
        "naloxone": findings.naloxone,
        "prior_stay": prior_stay
        and {**asdict(prior_stay), "discharged_on": prior_stay.discharged_on.isoformat()},
        "co_occurring": findings.has_condition_of_mind,
        "pregnant": findings.pregnant,
    } | ({} if findings.subdimensions is None else {"subdimensions": dict(findings.subdimensions)})


def _problem_on_record(problem: diagnoses.ReportedProblem) -> dict[str, Any]:
    # A list, as it comes back from the database, so that the first view equals every later one.
    numbers = problem.criteria_numbers
    return _dated(asdict(problem)) | {"criteria_numbers": None if numbers is None else list(numbers)}


def _dated(problem: dict[str, Any]) -> dict[str, Any]:
    """Return a problem with its day as it is written down."""
    since: date | None = problem["remission_since"]
    return problem | {"remission_since": since.isoformat() if since else None}


def _means_to_act(danger: Danger, *, suicide_risk: str | None) -> bool:
    """Tell whether somebody means to act on thoughts of suicide, by their answers or by a screen."""
    return danger.suicidal_intent == "ACTIVE" or suicide_risk == "HIGH"


def _gate_on_record(gate: withdrawal.Gate, danger: Danger, *, suicide_risk: str | None) -> dict[str, Any]:
    # Somebody who means to act on suicidal thoughts is not sent home into a program: the hold ends
    # with a new assessment, after the safety evaluation that the concern sets off.
    active = _means_to_act(danger, suicide_risk=suicide_risk)
    return {
        "disposition": gate.disposition,
        "holds": gate.holds or active,
        "held_by": [*(["WITHDRAWAL"] if gate.holds else []), *(["SUICIDAL_INTENT"] if active else [])],
        "least_level": gate.least_level,
        "cleared": gate.cleared,
        "findings": [
            {
                "code": rule.code,
                "disposition": rule.disposition,
                "act_within": rule.act_within,
                "actions": list(rule.actions),
            }
            for rule in gate.findings
        ],
    }


def _recommendation_on_record(recommended: placement.Recommendation) -> dict[str, Any]:
    return {
        "level": recommended.level,
        "deciding_dimensions": list(recommended.deciding_dimensions),
        "deciding_subdimensions": list(recommended.deciding_subdimensions),
        "reasons": [{"code": code, "text": text} for code, text in recommended.reasons],
        "alternatives": [asdict(alternative) for alternative in recommended.alternatives],
        "services": list(recommended.services),
        "minor": recommended.minor,
        "rule_version": recommended.rule_version,
    }
