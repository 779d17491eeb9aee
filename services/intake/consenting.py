"""What follows from a consent: reminders, its end, and who is asked for the next one."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from services.intake import asking, tables
from services.intake.domain.consents import WITHOUT_CONSENT_TASK, Consent
from services.intake.domain.episodes import ADMITTED
from services.intake.domain.tasks import DONE, WITHDRAWN
from shared.clock import cancel_timer, set_timer
from shared.messaging import announce_all

#: Timer of the next reminder that a consent ends, or of its end; its key is the consent.
CONSENT_ENDS = "consent_ends"


def watch(db: Session, consent: Consent, *, now: datetime) -> None:
    """Have it said in time that a consent ends."""
    due_at = consent.next_reminder_at(now=now)
    if due_at is None:
        cancel_timer(db, CONSENT_ENDS, key=consent.consent_id)
    else:
        set_timer(db, CONSENT_ENDS, key=consent.consent_id, due_at=due_at)


def remind(db: Session, consent: Consent, *, at: datetime) -> None:
    """Say that a consent ends soon and ask for the next one; or end it, when its moment has come."""
    announce_all(db, consent.remind(at=at))
    if consent.ended_at is None and consent.revoked_at is None:
        asking.ask(db, consent.renewal_task())
    else:
        asking.end(db, task_id=consent.renewal_task().task_id, outcome=WITHDRAWN, at=at)
    watch(db, consent, now=at)


def note_newer(db: Session, consent: Consent, *, earlier: Iterable[Consent], at: datetime) -> None:
    """Close the requests that a new consent answers: those for one of its kind to the same recipient.

    :param earlier: all that the patient gave before.
    """
    if consent.kind == "TREATMENT":
        for task in tables.open_tasks_about(
            db, patient_id=consent.patient_id, tasks_named=[WITHOUT_CONSENT_TASK]
        ):
            asking.end(db, task_id=task.task_id, outcome=DONE, at=at)
    for one in earlier:
        same = (one.kind, one.recipient_id, one.recipient) == (
            consent.kind,
            consent.recipient_id,
            consent.recipient,
        )
        if same:
            asking.end(db, task_id=one.renewal_task().task_id, outcome=DONE, at=at)


def stop(db: Session, consent: Consent, *, at: datetime) -> None:
    """Ask for nothing more about a consent that was taken back, or that an event ended."""
    asking.end(db, task_id=consent.renewal_task().task_id, outcome=WITHDRAWN, at=at)
    cancel_timer(db, CONSENT_ENDS, key=consent.consent_id)


def see_to_treatment(db: Session, consent: Consent, *, now: datetime) -> None:
    """Ask somebody to talk to a patient in treatment who has taken the consent to it back."""
    # Not locked: an admission locks the episode first and then the consents, and would meet us half-way.
    episode = tables.newest_episode(db, patient_id=consent.patient_id)
    if consent.kind != "TREATMENT" or episode is None or episode.state != ADMITTED:
        return
    others = tables.consents_of(db, patient_id=consent.patient_id)
    if not any(one.kind == "TREATMENT" and one.is_active(now=now) for one in others):
        asking.ask(db, consent.without_consent_task(episode_id=episode.episode_id))


def end_with_treatment(db: Session, *, patient_id: str, ended_at: datetime, now: datetime) -> None:
    """End what a patient allowed for as long as treatment lasts."""
    for consent in tables.lock_consents_of(db, patient_id=patient_id):
        if (
            consent.ends_with_event == "END_OF_TREATMENT"
            and consent.is_active(now=now)
            and consent.granted_at <= ended_at
        ):
            announce_all(
                db, consent.end_with("END_OF_TREATMENT", occurred_at=ended_at, now=max(now, ended_at))
            )
            stop(db, consent, at=ended_at)
