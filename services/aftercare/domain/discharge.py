"""How an episode of treatment ends: by graduation or for another reason, always by a human's word."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.aftercare.domain import graduation
from services.aftercare.domain.episodes import Episode, EpisodeUnknown
from shared.contracts.aftercare import LOCAL_DISCHARGE_REASONS, PatientDischarged, ProgramGraduated
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Actor, Event
from shared.contracts.monitoring import DischargeProposed
from shared.contracts.roles import LICENSED_CREDENTIALS, MEDICAL_DIRECTOR, SUPERVISOR
from shared.errors import Conflict, Forbidden, InvalidInput
from shared.ids import derived_id

#: TEDS REASON of a completed treatment (TEDS-D code book).
COMPLETED = "1"
#: TEDS REASON of a death (TEDS-D code book).
DEATH = "6"
#: The shortest stay that TEDS counts: a discharge on the day of admission is one day.
SHORTEST_STAY_DAYS = 1
#: How soon a supervisor decides on a proposed discharge. Design default.
PROPOSAL_DECIDED_WITHIN = timedelta(hours=72)


class AlreadyDischarged(Conflict):
    """Raised when an episode that has ended is ended again."""


class GraduationCriteriaMissing(Conflict):
    """Raised when a patient is graduated while criteria are missing that nobody excepted."""


class GraduateInstead(Conflict):
    """Raised when a discharge gives completion as its reason: only a graduation completes."""


class DischargeNeedsLicence(Forbidden):
    """Raised when a discharge is signed by somebody with neither licence nor a supervisor's role."""


class ExceptionNeedsSupervisor(Forbidden):
    """Raised when a criterion is excepted by somebody other than a supervisor or medical director."""


class ExceptionNeedsReason(InvalidInput):
    """Raised when criteria are excepted and no reason is written down."""


class LastContactImpossible(InvalidInput):
    """Raised when the last contact would be before the admission or later than now."""


@dataclass(eq=False, kw_only=True)
class Discharge:
    """The end of one episode, signed by a person."""

    discharge_id: str
    episode_id: str
    patient_id: str
    journey_id: str
    #: TEDS REASON.
    reason_code: str
    #: The program's own reason, where it gave one.
    local_reason: str | None
    admitted_at: datetime
    last_contact_at: datetime
    stay_days: int
    discharged_at: datetime
    signed_by: str
    role: str
    credential: str
    #: Criteria that a supervisor excepted; empty but for graduations.
    exceptions: list[str] = field(default_factory=list)
    rule_version: str | None = None
    exception_reason: str | None = None
    summary: str | None = None
    tenant_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What somebody who ends an episode says about it, and what is known of the last contact."""

    discharge_id: str
    actor: Actor
    #: Start of the newest session attended.
    attended_at: datetime | None
    #: The last contact as the signing person knows it; what the facts tell where it is None.
    last_contact_at: datetime | None = None
    summary: str | None = None


def teds_reason(code: str) -> tuple[str, str | None]:
    """Return the TEDS reason, and the program's own where *code* is one of those."""
    if code in LOCAL_DISCHARGE_REASONS:
        return LOCAL_DISCHARGE_REASONS[code], code
    return code, None


def discharge(
    *, episode: Episode, reason_code: str, ending: Ending, now: datetime
) -> tuple[Discharge, list[Event]]:
    """End an episode for another reason than completion.

    :raises GraduateInstead: when the reason is completion.
    :raises DischargeNeedsLicence: when the actor has neither licence nor a supervisor's role.
    :raises AlreadyDischarged: when the episode has ended.
    :raises EpisodeUnknown: when no admission is known.
    :raises LastContactImpossible: when the last contact is before the admission or in the future.
    """
    reason, local_reason = teds_reason(reason_code)
    if reason == COMPLETED:
        raise GraduateInstead(
            "Completion is a graduation.", field="reason_code", rule="2 to 7; 1 is a graduation"
        )
    if ending.actor.credential not in LICENSED_CREDENTIALS and not _supervises(ending.actor):
        raise DischargeNeedsLicence(
            field="credential", rule="a licensed clinician or a supervisor signs a discharge"
        )
    signed = _end(episode, reason=reason, local_reason=local_reason, ending=ending, now=now)
    return signed, [_discharged(signed)]


def graduate(
    *,
    episode: Episode,
    findings: list[graduation.Finding],
    exceptions: Sequence[str],
    exception_reason: str | None,
    ending: Ending,
    now: datetime,
) -> tuple[Discharge, list[Event]]:
    """End an episode because the program is completed.

    :raises DischargeNeedsLicence: when the actor has no clinical licence and gives no exception.
    :raises ExceptionNeedsSupervisor: when somebody else than a supervisor excepts criteria.
    :raises ExceptionNeedsReason: when criteria are excepted without a reason.
    :raises GraduationCriteriaMissing: when a criterion is neither met nor excepted.
    :raises AlreadyDischarged: when the episode has ended.
    :raises EpisodeUnknown: when no admission is known.
    """
    if ending.actor.credential not in LICENSED_CREDENTIALS and not _supervises(ending.actor):
        raise DischargeNeedsLicence(field="credential", rule="a licensed clinician signs a graduation")
    if exceptions and not _supervises(ending.actor):
        raise ExceptionNeedsSupervisor(
            field="exceptions", rule="a supervisor or the medical director grants exceptions"
        )
    if exceptions and not (exception_reason or "").strip():
        raise ExceptionNeedsReason(field="exception_reason", rule="needed with exceptions")
    _refuse_if_over(episode)
    missing = graduation.missing(findings)
    open_still = [code for code in missing if code not in exceptions]
    if open_still:
        raise GraduationCriteriaMissing(
            "Criteria for the graduation are missing.",
            problems=tuple({"field": "exceptions", "rule": code} for code in open_still),
        )
    signed = _end(episode, reason=COMPLETED, local_reason=None, ending=ending, now=now)
    signed.exceptions = missing
    signed.exception_reason = exception_reason if missing else None
    signed.rule_version = graduation.RULE_VERSION
    episode.graduated_at = now
    graduated = ProgramGraduated(
        patient_id=signed.patient_id,
        episode_id=signed.episode_id,
        journey_id=signed.journey_id,
        discharge_id=signed.discharge_id,
        graduated_at=now,
        exceptions=tuple(missing),
    )
    return signed, [_discharged(signed), graduated]


def _supervises(actor: Actor) -> bool:
    return actor.role in (SUPERVISOR, MEDICAL_DIRECTOR)


def _refuse_if_over(episode: Episode) -> None:
    if episode.admitted_at is None:
        raise EpisodeUnknown(field="episode_id")
    if episode.ended:
        raise AlreadyDischarged("The episode has ended already.")


def _end(
    episode: Episode, *, reason: str, local_reason: str | None, ending: Ending, now: datetime
) -> Discharge:
    _refuse_if_over(episode)
    admitted_at = episode.admitted_at
    assert admitted_at is not None, "refused above"
    last_contact_at = ending.last_contact_at or episode.last_contact(attended_at=ending.attended_at, now=now)
    if last_contact_at > now or last_contact_at < admitted_at:
        raise LastContactImpossible(
            field="last_contact_at", rule="not before the admission and not later than now"
        )
    days = (episode.local_day(last_contact_at) - episode.local_day(admitted_at)).days
    episode.end(discharge_id=ending.discharge_id, reason=reason, at=now, death=reason == DEATH)
    return Discharge(
        discharge_id=ending.discharge_id,
        episode_id=episode.episode_id,
        patient_id=episode.patient_id,
        journey_id=episode.journey_id,
        reason_code=reason,
        local_reason=local_reason,
        admitted_at=admitted_at,
        last_contact_at=last_contact_at,
        stay_days=max(SHORTEST_STAY_DAYS, days),
        discharged_at=now,
        signed_by=ending.actor.actor_id,
        role=ending.actor.role,
        credential=ending.actor.credential,
        summary=ending.summary,
    )


def _discharged(signed: Discharge) -> PatientDischarged:
    return PatientDischarged(
        patient_id=signed.patient_id,
        episode_id=signed.episode_id,
        journey_id=signed.journey_id,
        discharge_id=signed.discharge_id,
        reason_code=signed.reason_code,
        admitted_at=signed.admitted_at,
        last_contact_at=signed.last_contact_at,
        stay_days=signed.stay_days,
        discharged_at=signed.discharged_at,
    )


# --- Proposals -----------------------------------------------------------------------------------

OPEN = "OPEN"
WITHDRAWN = "WITHDRAWN"
DISCHARGED = "DISCHARGED"


@dataclass(eq=False, kw_only=True)
class Proposal:
    """Monitoring's proposal to discharge somebody nobody has contact with; a human decides."""

    proposal_id: str
    episode_id: str
    patient_id: str
    journey_id: str
    reason_code: str
    last_contact_at: datetime
    proposed_at: datetime
    status: str = OPEN
    closed_at: datetime | None = None
    tenant_id: str = ""

    @property
    def decide_by(self) -> datetime:
        """When the supervisor's decision is due."""
        return self.proposed_at + PROPOSAL_DECIDED_WITHIN

    def close(self, *, status: str, at: datetime) -> list[Event]:
        """Take the proposal off the table; of several closings the earliest counts."""
        first = self.closed_at is None
        if self.closed_at is None or (at, status) < (self.closed_at, self.status):
            self.status, self.closed_at = status, at
        if not first:
            return []
        return [
            TaskClosed(
                task_id=derived_id(self.proposal_id, "task"),
                task="discharge_proposal",
                outcome="DONE" if status == DISCHARGED else "WITHDRAWN",
                closed_at=at,
                about_id=self.proposal_id,
                patient_id=self.patient_id,
                episode_id=self.episode_id,
                journey_id=self.journey_id,
            )
        ]


def propose(event: DischargeProposed) -> tuple[Proposal, list[Event]]:
    """Put a proposed discharge before a supervisor."""
    proposal = Proposal(
        proposal_id=event.proposal_id,
        episode_id=event.episode_id,
        patient_id=event.patient_id,
        journey_id=event.journey_id,
        reason_code=event.reason_code,
        last_contact_at=event.last_contact_at,
        proposed_at=event.proposed_at,
    )
    task = TaskOpened(
        task_id=derived_id(event.proposal_id, "task"),
        task="discharge_proposal",
        owner_role=SUPERVISOR,
        reason="NO_CONTACT",
        due_at=proposal.decide_by,
        about_id=event.proposal_id,
        patient_id=event.patient_id,
        episode_id=event.episode_id,
        journey_id=event.journey_id,
        next_role=MEDICAL_DIRECTOR,
    )
    return proposal, [task]
