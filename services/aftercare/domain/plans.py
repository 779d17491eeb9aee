"""The aftercare plan: what a patient goes on with after the program, in their own words."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from services.aftercare.domain.episodes import Episode
from shared.contracts.aftercare import AFTERCARE_COMPONENTS
from shared.contracts.event import Actor
from shared.contracts.roles import LICENSED_CREDENTIALS
from shared.errors import Forbidden, InvalidInput

#: Triggers that a complete relapse-prevention plan names. Design default.
TRIGGERS_NEEDED = 5
#: Coping actions for each trigger. Design default.
COPING_ACTIONS_NEEDED = 2
#: Warning signs. Design default.
WARNING_SIGNS_NEEDED = 3
#: Healthy routines a week. Design default.
ROUTINES_NEEDED = 3
#: Supporting people, of whom at least one is not family. Design default.
SUPPORTS_NEEDED = 3
SUPPORTS_OUTSIDE_FAMILY_NEEDED = 1
#: How old the last review of the relapse-prevention plan may be. Design default.
REVIEW_HOLDS_FOR = timedelta(days=30)
#: Days after the discharge by which the first continuing-care appointment takes place.
#: NCQA HEDIS measure FUI, follow-up within 7 days.
FIRST_APPOINTMENT_WITHIN_DAYS = 7


class ComponentUndecided(InvalidInput):
    """Raised when a component of the plan is neither there nor declined by the patient."""


class SignatureFromTheFuture(InvalidInput):
    """Raised when a signature or review is dated later than now."""


class SignatureNeedsLicence(Forbidden):
    """Raised when somebody without a clinical licence signs the plan as the clinician."""


@dataclass(frozen=True, kw_only=True)
class RelapsePrevention:
    """How much of a relapse-prevention plan there is, in counts."""

    triggers: int = 0
    #: Coping actions of the trigger that has the fewest.
    coping_actions_per_trigger: int = 0
    warning_signs: int = 0
    routines_per_week: int = 0
    supports: int = 0
    supports_outside_family: int = 0
    lapse_plan: bool = False
    #: A safety plan, or a documented reason why none is needed.
    safety_plan: bool = False
    reviewed_at: datetime | None = None

    def missing(self, *, now: datetime) -> list[str]:
        """Return the codes of what the plan still lacks; an empty list when it is complete."""
        reviewed = self.reviewed_at is not None and now - self.reviewed_at <= REVIEW_HOLDS_FOR
        enough = {
            "TRIGGERS": self.triggers >= TRIGGERS_NEEDED,
            "COPING_ACTIONS": self.coping_actions_per_trigger >= COPING_ACTIONS_NEEDED,
            "WARNING_SIGNS": self.warning_signs >= WARNING_SIGNS_NEEDED,
            "ROUTINES": self.routines_per_week >= ROUTINES_NEEDED,
            "SUPPORTS": self.supports >= SUPPORTS_NEEDED,
            "SUPPORT_OUTSIDE_FAMILY": self.supports_outside_family >= SUPPORTS_OUTSIDE_FAMILY_NEEDED,
            "LAPSE_PLAN": self.lapse_plan,
            "SAFETY_PLAN": self.safety_plan,
            "REVIEW": reviewed,
        }
        return [code for code, there in enough.items() if not there]


@dataclass(eq=False, kw_only=True)
class AftercarePlan:
    """One version of a patient's aftercare plan, with the signatures under it."""

    plan_id: str
    episode_id: str
    patient_id: str
    version: int
    #: "PRESENT" or "DECLINED" for each of AFTERCARE_COMPONENTS.
    components: dict[str, str]
    planned_discharge_on: date
    first_appointment_at: datetime | None
    triggers: int
    coping_actions_per_trigger: int
    warning_signs: int
    routines_per_week: int
    supports: int
    supports_outside_family: int
    lapse_plan: bool
    safety_plan: bool
    reviewed_at: datetime | None
    written_at: datetime
    author_id: str
    author_role: str
    author_credential: str
    patient_signed_at: datetime | None = None
    clinician_signed_at: datetime | None = None
    goals: str | None = None
    tenant_id: str = ""

    @property
    def signed(self) -> bool:
        """Whether patient and clinician both signed."""
        return self.patient_signed_at is not None and self.clinician_signed_at is not None

    @property
    def relapse_prevention(self) -> RelapsePrevention:
        """The relapse-prevention part."""
        return RelapsePrevention(
            triggers=self.triggers,
            coping_actions_per_trigger=self.coping_actions_per_trigger,
            warning_signs=self.warning_signs,
            routines_per_week=self.routines_per_week,
            supports=self.supports,
            supports_outside_family=self.supports_outside_family,
            lapse_plan=self.lapse_plan,
            safety_plan=self.safety_plan,
            reviewed_at=self.reviewed_at,
        )

    def has_first_appointment(self, *, episode: Episode, discharged_on: date, now: datetime) -> bool:
        """Return whether the first appointment is ahead and within a week of the discharge."""
        if self.first_appointment_at is None or self.first_appointment_at < now:
            return False
        waiting = episode.local_day(self.first_appointment_at) - discharged_on
        return waiting <= timedelta(days=FIRST_APPOINTMENT_WITHIN_DAYS)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What somebody writes into a new version of a plan."""

    components: dict[str, str]
    goals: str
    planned_discharge_on: date | None = None
    first_appointment_at: datetime | None = None
    relapse_prevention: RelapsePrevention = field(default_factory=RelapsePrevention)
    patient_signed_at: datetime | None = None
    #: Whether the author signs as the clinician.
    sign: bool = False


def write(
    *,
    episode: Episode,
    plan_id: str,
    version: int,
    draft: Draft,
    actor: Actor,
    now: datetime,
) -> AftercarePlan:
    """Write a version of the plan; earlier versions stay as they are, with their signatures.

    :raises ComponentUndecided: when a component is neither there nor declined.
    :raises SignatureNeedsLicence: when the author signs and has no clinical licence.
    :raises SignatureFromTheFuture: when the patient's signature or the review is dated later.
    """
    for component in AFTERCARE_COMPONENTS:
        if draft.components.get(component) not in ("PRESENT", "DECLINED"):
            raise ComponentUndecided(
                field=f"components.{component}", rule="each component is PRESENT or DECLINED"
            )
    if draft.sign and actor.credential not in LICENSED_CREDENTIALS:
        raise SignatureNeedsLicence(field="sign", rule="the clinician who signs is licensed")
    dated: dict[str, Any] = {
        "patient_signed_at": draft.patient_signed_at,
        "relapse_prevention.reviewed_at": draft.relapse_prevention.reviewed_at,
    }
    for name, moment in dated.items():
        if moment is not None and moment > now:
            raise SignatureFromTheFuture(field=name, rule="not later than now")
    relapse = draft.relapse_prevention
    return AftercarePlan(
        plan_id=plan_id,
        episode_id=episode.episode_id,
        patient_id=episode.patient_id,
        version=version,
        components={component: draft.components[component] for component in AFTERCARE_COMPONENTS},
        planned_discharge_on=draft.planned_discharge_on or episode.local_day(now),
        first_appointment_at=draft.first_appointment_at,
        triggers=relapse.triggers,
        coping_actions_per_trigger=relapse.coping_actions_per_trigger,
        warning_signs=relapse.warning_signs,
        routines_per_week=relapse.routines_per_week,
        supports=relapse.supports,
        supports_outside_family=relapse.supports_outside_family,
        lapse_plan=relapse.lapse_plan,
        safety_plan=relapse.safety_plan,
        reviewed_at=relapse.reviewed_at,
        written_at=now,
        author_id=actor.actor_id,
        author_role=actor.role,
        author_credential=actor.credential,
        patient_signed_at=draft.patient_signed_at,
        clinician_signed_at=now if draft.sign else None,
        goals=draft.goals,
    )
