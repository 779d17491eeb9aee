"""The decision on the level of care: a licensed human's, with or against the recommendation."""

from dataclasses import dataclass
from datetime import datetime

from services.intake.domain import placement4
from services.intake.domain.assessments import Assessment
from services.intake.domain.episodes import Episode
from services.intake.domain.sites import Site
from shared.contracts import roles
from shared.contracts.event import Actor, Event
from shared.contracts.intake import LEVELS_OF_CARE, LEVELS_OF_CARE_4, LevelOfCareDecided
from shared.errors import Conflict, Forbidden, InvalidInput


class NotLicensed(Forbidden):
    """Raised when somebody without a licence decides or signs what needs one."""


class AssessmentSuperseded(Conflict):
    """Raised when a decision rests on an assessment that is not the newest of the episode."""


class AlreadyDecided(Conflict):
    """Raised when an assessment is decided on a second time."""


@dataclass(eq=False, kw_only=True)
class LevelDecision:
    """Who decided on which level, when and, against the recommendation, why."""

    decision_id: str
    assessment_id: str
    episode_id: str
    recommended_level: str
    decided_level: str
    overridden: bool
    override_reason_code: str | None
    rule_version: str
    decided_at: datetime
    decided_by: str
    decided_by_role: str
    decided_by_credential: str
    override_reason: str | None = None
    tenant_id: str = ""


def check_licensed(actor: Actor) -> None:
    """Refuse somebody without a licence.

    :raises NotLicensed: when the credential is none that decides alone.
    """
    if actor.credential not in roles.LICENSED_CREDENTIALS:
        raise NotLicensed(
            "This needs a licensed clinician.",
            field="credential",
            rule=f"one of {', '.join(roles.LICENSED_CREDENTIALS)}",
        )


def decide(
    *,
    decision_id: str,
    episode: Episode,
    assessment: Assessment,
    site: Site,
    level: str,
    override_reason_code: str | None,
    override_reason: str | None,
    actor: Actor,
    now: datetime,
) -> tuple[LevelDecision, list[Event]]:
    """Decide on the level of care.

    :raises NotLicensed: when the actor holds no licence.
    :raises LicenceLapsed: when the site is no longer licensed for the level; one that it never was licensed
        for can be decided on, and leads elsewhere.
    :raises InvalidInput: when the level is none of the edition that was rated by; when it differs from the
        recommendation and no reason is given, or a reason is given and it does not.
    :raises Conflict: when the assessment is not the newest or is decided on, or the episode has ended.
    """
    check_licensed(actor)
    episode.check_before_admission()
    if episode.assessment_id != assessment.assessment_id:
        raise AssessmentSuperseded(
            "The decision must rest on the episode's newest assessment.",
            field="assessment_id",
            rule="the newest assessment of this episode",
        )
    if episode.decision_id is not None:
        raise AlreadyDecided("This assessment is decided on.", rule="one decision per assessment")
    _check_level(level, edition=assessment.edition)
    site.check_not_lapsed(level, on=site.local_day(now))
    overridden = level != assessment.recommended_level
    _check_reason(overridden=overridden, code=override_reason_code, text=override_reason)
    decision = LevelDecision(
        decision_id=decision_id,
        assessment_id=assessment.assessment_id,
        episode_id=episode.episode_id,
        recommended_level=assessment.recommended_level,
        decided_level=level,
        overridden=overridden,
        override_reason_code=override_reason_code,
        rule_version=assessment.rule_version,
        decided_at=now,
        decided_by=actor.actor_id,
        decided_by_role=actor.role,
        decided_by_credential=actor.credential,
        override_reason=override_reason,
    )
    episode.take_decision(decision_id=decision_id, level=level)
    decided = LevelOfCareDecided(
        patient_id=episode.patient_id,
        episode_id=episode.episode_id,
        journey_id=episode.journey_id,
        decision_id=decision_id,
        assessment_id=assessment.assessment_id,
        recommended_level=assessment.recommended_level,
        decided_level=level,
        overridden=overridden,
        override_reason=override_reason_code,
        rule_version=assessment.rule_version,
        decided_at=now,
    )
    return decision, [decided]


def _check_level(level: str, *, edition: str) -> None:
    levels = LEVELS_OF_CARE_4 if edition == placement4.EDITION else LEVELS_OF_CARE
    if level not in levels:
        raise InvalidInput(
            "The level is of another edition.", field="level", rule=f"of {edition}: {', '.join(levels)}"
        )


def _check_reason(*, overridden: bool, code: str | None, text: str | None) -> None:
    problems = []
    for field, value in (("override_reason_code", code), ("override_reason", text)):
        if overridden and not (value or "").strip():
            problems.append({"field": field, "rule": "needed when the level is not the recommended one"})
        if not overridden and value is not None:
            problems.append({"field": field, "rule": "only when the level is not the recommended one"})
    if problems:
        raise InvalidInput("The reason does not fit the decision.", problems=tuple(problems))
