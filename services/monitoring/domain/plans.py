"""The treatment plan: drafted from an assessment's codes, in force once signed and admitted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from shared.contracts import roles
from shared.contracts.event import Actor, Event
from shared.contracts.intake import AssessmentCompleted
from shared.contracts.monitoring import PlanActivated, PlanDrafted
from shared.errors import Conflict, Forbidden
from shared.ids import derived_id

#: Severity from which on a dimension of the ASAM Criteria, 3rd edition, is a problem of the plan.
PROBLEM_FROM_SEVERITY = 2
#: What the 3rd edition numbers each dimension of the 4th as, by what a plan works on: risks of use are its
#: dimension 5, and the environment its 6. Only that is told of the two, no rating.
DIMENSION_OF_4TH = {1: 1, 2: 2, 3: 3, 4: 5, 5: 6}
#: An objective is due within this time. Design default.
OBJECTIVE_DUE_WITHIN = timedelta(days=84)
#: A plan is reviewed at least this often. Design default, intensive outpatient norm.
REVIEW_EVERY = timedelta(days=30)

#: Medication to offer for a problem.
MEDICATION_OFFERS = {"ALCOHOL": ("MAUD_OFFER",), "OPIOID": ("MOUD_OFFER", "NALOXONE")}

#: What each problem is worked on with: (measure, comparator, target, modality).
OBJECTIVES = {
    "SUBSTANCE": ("DAYS_OF_USE_IN_30", "AT_MOST", 0, "RELAPSE_PREVENTION"),
    "DIM1": ("WITHDRAWAL_RECHECKS_DONE", "AT_LEAST", 3, "MEDICAL_CONSULT"),
    "DIM2": ("MEDICAL_APPOINTMENTS_KEPT", "AT_LEAST", 1, "MEDICAL_CONSULT"),
    "DIM3": ("PHQ9_TOTAL", "AT_MOST", 9, "INDIVIDUAL_THERAPY"),
    "DIM4": ("READINESS_RULER", "AT_LEAST", 7, "MOTIVATIONAL_INTERVIEWING"),
    "DIM5": ("COPING_SKILLS_USED_A_WEEK", "AT_LEAST", 3, "CBT"),
    "DIM6": ("SUPPORTERS_NAMED", "AT_LEAST", 1, "FAMILY_SESSIONS"),
    # Cut-offs at which the screens count as positive: brief S14.
    "DEPRESSION": ("PHQ9_TOTAL", "AT_MOST", 9, "INDIVIDUAL_THERAPY"),
    "ANXIETY": ("GAD7_TOTAL", "AT_MOST", 9, "INDIVIDUAL_THERAPY"),
    "PTSD": ("PC_PTSD5_TOTAL", "AT_MOST", 3, "INDIVIDUAL_THERAPY"),
    "SUPPORT": ("SUPPORTERS_NAMED", "AT_LEAST", 1, "FAMILY_SESSIONS"),
    "LIFE": ("DAYS_OF_WORK_OR_SCHOOL_A_WEEK", "AT_LEAST", 3, "LIFE_SKILLS"),
}

#: What groups call the modalities of objectives; the others are met outside of groups.
MODALITIES_OF_GROUPS = {
    "RELAPSE_PREVENTION": "RELAPSE_PREVENTION",
    "MOTIVATIONAL_INTERVIEWING": "MI",
    "CBT": "CBT",
    "FAMILY_SESSIONS": "FAMILY",
    "LIFE_SKILLS": "LIFE_SKILLS",
}

#: Conditions beside the addiction that the plan works on by themselves: those with a measure of their own.
CONDITIONS_WORKED_ON = ("DEPRESSION", "ANXIETY", "PTSD")
#: That nobody backs the patient (brief S18).
SUPPORT = "SUPPORT"

DRAFT = "DRAFT"
ACTIVE = "ACTIVE"
SUPERSEDED = "SUPERSEDED"


class PlanSuperseded(Conflict):
    """Raised when a plan is signed that a newer one has replaced."""


class SignatureNeedsLicence(Forbidden):
    """Raised when somebody signs as clinician or supervisor whose role or credential does not fit."""


@dataclass(eq=False, kw_only=True)
class Plan:
    """One version of a patient's treatment plan."""

    plan_id: str
    episode_id: str
    patient_id: str
    journey_id: str
    assessment_id: str
    version: int
    drafted_at: datetime
    review_due_on: date
    state: str = DRAFT
    #: Codes of the problems, most urgent first.
    problems: list[str] = field(default_factory=list)
    #: {problem, measure, comparator, target, due_on, modality} for each objective.
    objectives: list[dict[str, Any]] = field(default_factory=list)
    #: Codes of offers and tasks beside the objectives.
    offers: list[str] = field(default_factory=list)
    patient_signed_at: datetime | None = None
    clinician_signed_at: datetime | None = None
    clinician_id: str | None = None
    clinician_role: str | None = None
    clinician_credential: str | None = None
    supervisor_signed_at: datetime | None = None
    supervisor_id: str | None = None
    activated_at: datetime | None = None
    tenant_id: str = ""

    @property
    def is_signed(self) -> bool:
        """Whether the patient and a licensed human have signed, an unlicensed one with a supervisor."""
        licensed = self.clinician_credential in roles.LICENSED_CREDENTIALS
        return (
            self.patient_signed_at is not None
            and self.clinician_signed_at is not None
            and (licensed or self.supervisor_signed_at is not None)
        )

    @property
    def signed_at(self) -> datetime | None:
        """When the last needed signature was given."""
        if not self.is_signed:
            return None
        given = (self.patient_signed_at, self.clinician_signed_at, self.supervisor_signed_at)
        return max(at for at in given if at is not None)

    def sign(self, *, as_: str, by: Actor, now: datetime) -> None:
        """Add a signature; the same one again changes nothing.

        :raises PlanSuperseded: when a newer version exists.
        :raises SignatureNeedsLicence: when the role or the credential does not fit.
        """
        if self.state == SUPERSEDED:
            raise PlanSuperseded(rule="the newest version of the plan")
        if as_ == "PATIENT":
            self.patient_signed_at = self.patient_signed_at or now
        elif as_ == "CLINICIAN":
            if by.role not in roles.CARE_TEAM:
                raise SignatureNeedsLicence(field="as", rule="somebody of the care team signs as clinician")
            if self.clinician_signed_at is None:
                self.clinician_signed_at = now
                self.clinician_id, self.clinician_role = by.actor_id, by.role
                self.clinician_credential = by.credential
        elif self.supervisor_signed_at is None:
            if (
                by.role not in (roles.SUPERVISOR, roles.MEDICAL_DIRECTOR)
                or by.credential not in roles.LICENSED_CREDENTIALS
            ):
                raise SignatureNeedsLicence(field="as", rule="a licensed supervisor co-signs")
            self.supervisor_signed_at, self.supervisor_id = now, by.actor_id

    def activate_if_due(self, *, admitted_at: datetime | None) -> list[Event]:
        """Put the plan in force once it is signed and the patient is admitted, in either order."""
        signed_at = self.signed_at
        if self.state != DRAFT or signed_at is None or admitted_at is None:
            return []
        self.state, self.activated_at = ACTIVE, max(signed_at, admitted_at)
        return [
            PlanActivated(
                patient_id=self.patient_id,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
                plan_id=self.plan_id,
                version=self.version,
                activated_at=self.activated_at,
                modalities=self.modalities_of_groups(),
            )
        ]

    def modalities_of_groups(self) -> tuple[str, ...]:
        """Return what the objectives ask of group sessions, in their order."""
        asked = (MODALITIES_OF_GROUPS.get(objective["modality"]) for objective in self.objectives)
        return tuple(dict.fromkeys(modality for modality in asked if modality))

    def heed_support(self, supporters: int) -> None:
        """Work on it that nobody backs the patient, or no longer; what anybody has signed stays as it is."""
        signed = self.patient_signed_at or self.clinician_signed_at or self.supervisor_signed_at
        if signed is not None or (SUPPORT in self.problems) == (supporters == 0):
            return
        # New lists: the database is told of a change only so.
        if supporters == 0:
            due_on = (self.drafted_at + OBJECTIVE_DUE_WITHIN).date()
            self.problems = [*self.problems, SUPPORT]
            self.objectives = [*self.objectives, _objective(SUPPORT, SUPPORT, due_on)]
        else:
            self.problems = [problem for problem in self.problems if problem != SUPPORT]
            self.objectives = [one for one in self.objectives if one["problem"] != SUPPORT]

    def drafted(self) -> Event:
        """Return the draft as an event."""
        return PlanDrafted(
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            plan_id=self.plan_id,
            version=self.version,
            assessment_id=self.assessment_id,
            problems=tuple(self.problems),
            drafted_at=self.drafted_at,
            modalities=self.modalities_of_groups(),
        )


def draft(assessment: AssessmentCompleted) -> Plan:
    """Draft a plan from the codes of an assessment; a clinician edits and signs it."""
    problems = [
        problem
        for problem, severity in zip(assessment.problems, assessment.severities, strict=True)
        if severity != "NONE"
    ]
    dimensions = _dimensions_worked_on(assessment)
    conditions = [condition for condition in CONDITIONS_WORKED_ON if condition in assessment.conditions]
    support = [SUPPORT] if assessment.supporters == 0 else []
    due_on = (assessment.completed_at + OBJECTIVE_DUE_WITHIN).date()
    fit = dict(zip(assessment.fit_factors, assessment.fit_results, strict=True))
    offers = [offer for problem in problems for offer in MEDICATION_OFFERS.get(problem, ())]
    if fit.get("COMMITTED", "MET") != "MET":
        offers.append("MI_SESSIONS_WEEKS_1_2")
    if fit.get("TOOLS_AGAINST_TRIGGERS", "MET") != "MET":
        offers.append("TRIGGER_COPING_INVENTORY")
    if fit.get("STABLE_HOME", "MET") != "MET":
        offers.append("RECOVERY_RESIDENCE_REFERRAL")
    return Plan(
        plan_id=derived_id(assessment.assessment_id, "plan"),
        episode_id=assessment.episode_id,
        patient_id=assessment.patient_id,
        journey_id=assessment.journey_id,
        assessment_id=assessment.assessment_id,
        version=1,
        drafted_at=assessment.completed_at,
        review_due_on=(assessment.completed_at + REVIEW_EVERY).date(),
        problems=[*problems, *dimensions, *conditions, *support],
        objectives=[
            _objective(problem, kind, due_on)
            for problem, kind in [
                *((problem, "SUBSTANCE") for problem in problems),
                *((dimension, dimension) for dimension in dimensions),
                *((other, other) for other in [*conditions, *support]),
                # Every plan works on at least one thing that is not the substance.
                ("LIFE", "LIFE"),
            ]
        ],
        offers=offers,
    )


def _dimensions_worked_on(assessment: AssessmentCompleted) -> list[str]:
    """Return the dimensions that are problems of the plan, as the 3rd edition numbers them."""
    found = {
        number
        for number, severity in enumerate(assessment.dimension_ratings, start=1)
        if severity >= PROBLEM_FROM_SEVERITY
    }
    found |= {DIMENSION_OF_4TH[number] for number in assessment.dimensions_in_need}
    if assessment.co_occurring or assessment.positive_screens:
        found.add(3)
    return [f"DIM{number}" for number in sorted(found)]


def _objective(problem: str, kind: str, due_on: date) -> dict[str, Any]:
    measure, comparator, target, modality = OBJECTIVES[kind]
    return {
        "problem": problem,
        "measure": measure,
        "comparator": comparator,
        "target": target,
        "due_on": due_on.isoformat(),
        "modality": modality,
    }


def number_versions(plans: Sequence[Plan]) -> None:
    """Number an episode's plans by the time of their assessments; only the newest stays in use."""
    in_order = sorted(plans, key=lambda plan: (plan.drafted_at, plan.plan_id))
    for version, plan in enumerate(in_order, start=1):
        plan.version = version
        if plan is not in_order[-1]:
            plan.state = SUPERSEDED
