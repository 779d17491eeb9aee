"""Coming back after a lapse: a new episode in the same journey, and a decision within two days."""

from datetime import datetime, timedelta

from services.intake.domain import tasks
from services.intake.domain.episodes import Episode
from services.intake.domain.people import Patient
from services.intake.domain.referrals import REENTRY, Referral
from services.intake.domain.sites import Site
from shared.contracts import roles
from shared.contracts.aftercare import ReentryRequested
from shared.ids import derived_id

#: The task of deciding on the level of care in time.
DECISION_TASK = "level_decision"
#: Time the supervisor has once the deadline has passed. Design default.
ESCALATED_WITHIN = timedelta(hours=4)


def reentry_episode_id(event: ReentryRequested, *, earlier: Episode | None) -> str:
    """Return the id of the episode to which somebody comes back.

    Several requests after one episode mean the same return, until that has ended.

    :param earlier: the episode of an earlier return after the same episode, if there was one.
    """
    if earlier is not None and not earlier.is_open:
        return derived_id(event.reentry_id, "episode")
    return first_reentry_id(event.episode_id)


def first_reentry_id(episode_id: str) -> str:
    """Return the id of the first return after an episode."""
    return derived_id(episode_id, "reentry")


def come_back(
    event: ReentryRequested, *, episode_id: str, patient: Patient, site: Site
) -> tuple[Referral, Episode, tasks.Task]:
    """Open the episode of somebody who comes back, and ask for a decision by the deadline."""
    referral = Referral(
        referral_id=derived_id(episode_id, "referral"),
        patient_id=patient.patient_id,
        episode_id=episode_id,
        journey_id=patient.journey_id,
        site_id=site.site_id,
        referral_source=REENTRY,
        known_patient=True,
        received_at=event.requested_at,
    )
    episode = Episode(
        episode_id=episode_id,
        patient_id=patient.patient_id,
        journey_id=patient.journey_id,
        site_id=site.site_id,
        referral_id=referral.referral_id,
        opened_at=event.requested_at,
        minor=patient.is_minor_on(site.local_day(event.requested_at)),
        decision_due_at=event.level_decision_due_at,
    )
    return referral, episode, _decision_task(episode, opened_at=event.requested_at)


def hurry(
    event: ReentryRequested, *, episode: Episode, referral: Referral, task: tasks.Task | None
) -> tasks.Task | None:
    """Have an episode that is open already decided in time; return the task where it is to be told.

    Of several requests the earliest counts, in whichever order they come.
    """
    if not episode.awaits_decision:
        return None
    if referral.referral_source == REENTRY:
        referral.received_at = min(referral.received_at, event.requested_at)
        episode.opened_at = min(episode.opened_at, event.requested_at)
    due_at = min(episode.decision_due_at or event.level_decision_due_at, event.level_decision_due_at)
    episode.decision_due_at = due_at
    if task is None:
        return _decision_task(episode, opened_at=event.requested_at)
    task.opened_at = min(task.opened_at, event.requested_at)
    sooner, task.due_at = due_at < task.due_at, due_at
    return task if sooner and task.is_open else None


def escalate(episode: Episode, *, at: datetime) -> tasks.Task | None:
    """Return the supervisor's task when nobody has decided by the deadline."""
    if not episode.awaits_decision:
        return None
    return tasks.Task(
        task_id=derived_id(episode.episode_id, DECISION_TASK, "escalated"),
        task=DECISION_TASK,
        owner_role=roles.SUPERVISOR,
        next_role=roles.MEDICAL_DIRECTOR,
        reason="DEADLINE_PASSED",
        about_id=episode.episode_id,
        patient_id=episode.patient_id,
        episode_id=episode.episode_id,
        journey_id=episode.journey_id,
        opened_at=at,
        due_at=at + ESCALATED_WITHIN,
    )


def decision_task_id(episode_id: str) -> str:
    """Return the id of the task of deciding in an episode."""
    return derived_id(episode_id, DECISION_TASK)


def _decision_task(episode: Episode, *, opened_at: datetime) -> tasks.Task:
    return tasks.Task(
        task_id=decision_task_id(episode.episode_id),
        task=DECISION_TASK,
        owner_role=roles.CLINICIAN,
        next_role=roles.SUPERVISOR,
        reason="REENTRY",
        about_id=episode.episode_id,
        patient_id=episode.patient_id,
        episode_id=episode.episode_id,
        journey_id=episode.journey_id,
        opened_at=opened_at,
        due_at=episode.decision_due_at or opened_at,
    )
