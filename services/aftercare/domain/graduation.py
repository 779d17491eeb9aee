"""The graduation gate: what must be met before a program counts as completed, and who says so."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from services.aftercare.domain.episodes import Episode
from services.aftercare.domain.plans import AftercarePlan
from shared.contracts.aftercare import ATTESTABLE_CRITERIA
from shared.contracts.event import Actor
from shared.contracts.roles import LICENSED_CREDENTIALS
from shared.errors import Conflict, Forbidden, InvalidInput

#: Version of the gate's rules, kept with every graduation.
RULE_VERSION = "graduation-1"
#: How long before the graduation a lapse in the same episode still speaks against "no use".
#: Design default.
NO_USE_FOR = timedelta(days=28)

MONITORING = "MONITORING"
CLINICIAN = "CLINICIAN"
PLAN = "PLAN"


class CriterionNotAttestable(InvalidInput):
    """Raised when somebody attests what monitoring or the aftercare plan tells."""


class EvidenceDoesNotFit(InvalidInput):
    """Raised when the evidence is not of a kind that can stand behind the criterion."""


class AttestationNeedsLicence(Forbidden):
    """Raised when somebody without a clinical licence attests a criterion."""


class EpisodeOver(Conflict):
    """Raised when a criterion of an ended episode is attested."""


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One of the things that must be met."""

    #: Number in the published list of criteria.
    number: int
    code: str
    told_by: str
    says: str


#: The eleven criteria, some told in parts. Design default, after published discharge criteria of
#: the ASAM Criteria, 3rd edition.
CRITERIA = (
    Criterion(
        number=1,
        code="ATTENDANCE",
        told_by=MONITORING,
        says="At least 80 % of planned clinical hours attended in the last four weeks.",
    ),
    Criterion(number=1, code="SESSIONS", told_by=MONITORING, says="At least 24 sessions or the plan's dose."),
    Criterion(number=1, code="WEEKS", told_by=MONITORING, says="The planned weeks of the program are over."),
    Criterion(number=1, code="NO_OPEN_OUTREACH", told_by=MONITORING, says="No absence is being followed up."),
    Criterion(
        number=2,
        code="NO_USE",
        told_by=MONITORING,
        says="No use for 28 days, or the patient's own goal met on the harm-reduction track.",
    ),
    Criterion(
        number=3,
        code="OBJECTIVES",
        told_by=CLINICIAN,
        says="At least 75 % of the objectives met and none critical open.",
    ),
    Criterion(
        number=4,
        code="RELAPSE_PREVENTION_PLAN",
        told_by=PLAN,
        says="The relapse-prevention plan is complete.",
    ),
    Criterion(
        number=5,
        code="SAFETY_PLAN",
        told_by=CLINICIAN,
        says="A current safety plan, if there was ever a risk.",
    ),
    Criterion(
        number=5, code="NO_OPEN_ESCALATION", told_by=MONITORING, says="No open escalation of level E3 or E4."
    ),
    Criterion(
        number=6,
        code="MOOD",
        told_by=CLINICIAN,
        says="PHQ-9 under 10, or follow-up care for the mood booked.",
    ),
    Criterion(
        number=7,
        code="MEDICATION",
        told_by=CLINICIAN,
        says="Medication for 30 days and a prescriber booked, where there is any.",
    ),
    Criterion(
        number=8,
        code="AFTERCARE_PLAN_SIGNED",
        told_by=PLAN,
        says="The aftercare plan is signed by patient and clinician.",
    ),
    Criterion(
        number=8,
        code="FIRST_APPOINTMENT",
        told_by=PLAN,
        says="The first continuing-care appointment is within 7 days of the discharge.",
    ),
    Criterion(
        number=9,
        code="RISK_AND_PROTECTION",
        told_by=CLINICIAN,
        says="BAM risk under 12 and protection over 12.",
    ),
    Criterion(
        number=10, code="SUPPORT", told_by=CLINICIAN, says="A supporter or a mutual-help contact named."
    ),
    Criterion(
        number=11,
        code="FOLLOW_UP_REACHABLE",
        told_by=CLINICIAN,
        says="Three ways of contact, and follow-up consented to or declined.",
    ),
)


@dataclass(eq=False, kw_only=True)
class Attestation:
    """A clinician's word, with evidence, that a criterion is met or no longer met."""

    attestation_id: str
    episode_id: str
    criterion: str
    evidence: str
    met: bool
    attested_by: str
    role: str
    credential: str
    attested_at: datetime
    tenant_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Whether one criterion is met, and on whose word."""

    criterion: Criterion
    met: bool
    told_at: datetime | None = None
    evidence: str | None = None
    attested_by: str | None = None
    role: str | None = None
    credential: str | None = None


def attest(
    *,
    episode: Episode,
    attestation_id: str,
    criterion: str,
    evidence: str,
    met: bool,
    actor: Actor,
    now: datetime,
) -> Attestation:
    """Attest a criterion.

    :raises AttestationNeedsLicence: when the actor has no clinical licence.
    :raises CriterionNotAttestable: when others tell the criterion.
    :raises EvidenceDoesNotFit: when this evidence says nothing about the criterion.
    :raises EpisodeOver: when the patient was discharged already.
    """
    if actor.credential not in LICENSED_CREDENTIALS:
        raise AttestationNeedsLicence(field="role", rule="a licensed clinician attests")
    if criterion not in ATTESTABLE_CRITERIA:
        raise CriterionNotAttestable(
            field="attestations.criterion", rule=f"one of {', '.join(ATTESTABLE_CRITERIA)}"
        )
    if evidence not in ATTESTABLE_CRITERIA[criterion]:
        raise EvidenceDoesNotFit(
            field="attestations.evidence",
            rule=f"{criterion} takes {' or '.join(ATTESTABLE_CRITERIA[criterion])}",
        )
    if episode.ended:
        raise EpisodeOver("The episode has ended.")
    return Attestation(
        attestation_id=attestation_id,
        episode_id=episode.episode_id,
        criterion=criterion,
        evidence=evidence,
        met=met,
        attested_by=actor.actor_id,
        role=actor.role,
        credential=actor.credential,
        attested_at=now,
    )


def weigh(
    *,
    episode: Episode,
    attestations: list[Attestation],
    plan: AftercarePlan | None,
    lapsed_at: datetime | None,
    discharged_on: date,
    now: datetime,
) -> list[Finding]:
    """Say of every criterion whether it is met, and on whose word.

    :param attestations: oldest first; the newest of each criterion counts.
    :param plan: the newest version of the aftercare plan.
    :param lapsed_at: when a patient last used in this episode, as far as reported.
    :param discharged_on: the day from which the first appointment is counted.
    """
    newest = {attestation.criterion: attestation for attestation in attestations}
    findings = []
    for criterion in CRITERIA:
        word = newest.get(criterion.code)
        if criterion.told_by == PLAN:
            findings.append(_by_plan(criterion, episode, plan, discharged_on=discharged_on, now=now))
        elif criterion.told_by == MONITORING and not (word is not None and word.met):
            findings.append(_by_monitoring(criterion, episode, lapsed_at=lapsed_at, now=now))
        else:
            findings.append(_by_clinician(criterion, word))
    return findings


def missing(findings: list[Finding]) -> list[str]:
    """Return the codes of the criteria that are not met."""
    return [finding.criterion.code for finding in findings if not finding.met]


def _by_clinician(criterion: Criterion, word: Attestation | None) -> Finding:
    if word is None:
        return Finding(criterion=criterion, met=False)
    return Finding(
        criterion=criterion,
        met=word.met,
        told_at=word.attested_at,
        evidence=word.evidence,
        attested_by=word.attested_by,
        role=word.role,
        credential=word.credential,
    )


def _by_monitoring(
    criterion: Criterion, episode: Episode, *, lapsed_at: datetime | None, now: datetime
) -> Finding:
    met = criterion.code in episode.ready_criteria
    if criterion.code == "NO_USE" and lapsed_at is not None and now - lapsed_at < NO_USE_FOR:
        met = False
    return Finding(criterion=criterion, met=met, told_at=episode.ready_at)


def _by_plan(
    criterion: Criterion,
    episode: Episode,
    plan: AftercarePlan | None,
    *,
    discharged_on: date,
    now: datetime,
) -> Finding:
    if plan is None:
        return Finding(criterion=criterion, met=False)
    met = {
        "RELAPSE_PREVENTION_PLAN": not plan.relapse_prevention.missing(now=now),
        "AFTERCARE_PLAN_SIGNED": plan.signed,
        "FIRST_APPOINTMENT": plan.has_first_appointment(
            episode=episode, discharged_on=discharged_on, now=now
        ),
    }[criterion.code]
    return Finding(
        criterion=criterion,
        met=met,
        told_at=plan.written_at,
        attested_by=plan.author_id,
        role=plan.author_role,
        credential=plan.author_credential,
    )
