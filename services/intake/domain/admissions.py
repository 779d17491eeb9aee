"""Admission: decision, consent and a clear gate are there, and the treatment starts."""

from dataclasses import dataclass
from datetime import date, datetime

from services.intake.domain.assessments import Assessment
from services.intake.domain.episodes import DECIDED, Episode
from services.intake.domain.people import Patient
from services.intake.domain.sites import Site
from shared.contracts.event import Event
from shared.contracts.intake import PatientAdmitted
from shared.errors import Conflict

_UP_TO_NINE_HOURS, _TWENTY_HOURS_AND_MORE = (0, 540), (1200, 2400)
#: Clinical minutes a week of each outpatient level, for adults: at least, and at most. Level 2.1
#: is 9 to 19 hours and 2.5 is 20 or more (77 Ill. Adm. Code 2060; ASAM Criteria); the ceiling of
#: 2.5 is a design default, and so are the hours of the 4th edition's variants: those of the level that each
#: belongs to, with 1.7 as 1.5 and 2.7 as 2.5.
WEEKLY_MINUTES = {
    "1": _UP_TO_NINE_HOURS,
    "1.0": _UP_TO_NINE_HOURS,
    "1.5": _UP_TO_NINE_HOURS,
    "1.5COE": _UP_TO_NINE_HOURS,
    "1.7": _UP_TO_NINE_HOURS,
    "1.7COE": _UP_TO_NINE_HOURS,
    "2.1": (540, 1140),
    "2.5": _TWENTY_HOURS_AND_MORE,
    "2.5COE": _TWENTY_HOURS_AND_MORE,
    "2.7": _TWENTY_HOURS_AND_MORE,
    "2.7COE": _TWENTY_HOURS_AND_MORE,
}
#: Expected weeks of the program. Design default: about three months.
PLANNED_WEEKS = 12


class AdmissionNotPossible(Conflict):
    """Raised when something is missing without which nobody is admitted; names all of it."""


@dataclass(eq=False, kw_only=True)
class Admission:
    """The start of treatment in an episode: at most one."""

    admission_id: str
    episode_id: str
    patient_id: str
    level: str
    admitted_at: datetime
    admitted_by: str
    admitted_by_role: str
    follow_up_consent: bool
    tenant_id: str = ""


def admit(
    *,
    admission_id: str,
    episode: Episode,
    patient: Patient,
    site: Site,
    assessment: Assessment | None,
    held_since: list[str],
    treatment_consent: bool,
    follow_up_consent: bool,
    opioid_history: bool,
    actor_id: str,
    actor_role: str,
    now: datetime,
) -> tuple[Admission, list[Event]]:
    """Admit somebody.

    :param held_since: codes of what was found after the assessment and keeps the person from being admitted.
    :raises AdmissionNotPossible: naming everything that is missing.
    :raises Conflict: when the person is admitted already or the episode has ended.
    """
    episode.check_before_admission()
    level = episode.decided_level
    today = site.local_day(now)
    problems = _missing(
        episode=episode,
        site=site,
        today=today,
        minor=patient.is_minor_on(today),
        gate_holds=assessment is not None and assessment.gate_holds,
        held_since=held_since,
        treatment_consent=treatment_consent,
    )
    if problems or level is None:
        raise AdmissionNotPossible("The person cannot be admitted now.", problems=tuple(problems))
    admission = Admission(
        admission_id=admission_id,
        episode_id=episode.episode_id,
        patient_id=episode.patient_id,
        level=level,
        admitted_at=now,
        admitted_by=actor_id,
        admitted_by_role=actor_role,
        follow_up_consent=follow_up_consent,
    )
    episode.take_admission(admission_id=admission_id)
    floor, ceiling = WEEKLY_MINUTES[level]
    admitted = PatientAdmitted(
        patient_id=episode.patient_id,
        episode_id=episode.episode_id,
        journey_id=episode.journey_id,
        admission_id=admission_id,
        site_id=site.site_id,
        level=level,
        admitted_at=now,
        time_zone=site.time_zone,
        weekly_minutes_floor=floor,
        weekly_minutes_ceiling=ceiling,
        planned_weeks=PLANNED_WEEKS,
        follow_up_consent=follow_up_consent,
        opioid_history=opioid_history,
    )
    return admission, [admitted]


def is_admissible_level(level: str | None, *, site: Site, on: date) -> bool:
    """Tell whether the site can admit somebody at a level on a day: licensed for it, and it is outpatient."""
    return level in WEEKLY_MINUTES and site.is_licensed_for(level, on=on)


#: What is asked for where something found after the assessment keeps somebody from being admitted.
_HELD_SINCE = {
    "WITHDRAWAL": "withdrawal rated after the assessment is weighed in a new one",
    "SUICIDAL_INTENT": "a high risk of suicide found after the assessment is weighed in a new one",
    "SUICIDE_SCREEN_DUE": "the suicide screen that an answer about death asks for is done",
}


def _missing(
    *,
    episode: Episode,
    site: Site,
    today: date,
    minor: bool,
    gate_holds: bool,
    held_since: list[str],
    treatment_consent: bool,
) -> list[dict[str, str]]:
    problems = []
    if minor:
        problems.append({"field": "patient", "rule": "adults only: the person is a minor"})
    if episode.state != DECIDED:
        problems.append({"field": "decision", "rule": "a licensed clinician has decided on the level"})
    elif not is_admissible_level(episode.decided_level, site=site, on=today):
        lapsed = site.lapse_rule(episode.decided_level or "", on=today)
        rule = lapsed or "the site is licensed for the outpatient level decided on"
        problems.append({"field": "level", "rule": rule})
    if gate_holds:
        problems.append({"field": "gate", "rule": "no withdrawal or safety finding is open"})
    problems += [{"field": "gate", "rule": _HELD_SINCE[code]} for code in held_since]
    if not treatment_consent:
        problems.append({"field": "consent", "rule": "a TREATMENT consent is granted and in force"})
    return problems
