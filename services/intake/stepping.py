"""Referrals from partners under their own ids, and step-downs from inpatient care."""

from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from services.intake import asking, tables
from services.intake.domain import partner_referrals, step_downs, tasks
from services.intake.domain.episodes import Episode
from services.intake.domain.partner_referrals import PartnerReferral
from services.intake.domain.referrals import Referral
from services.intake.domain.sites import Site
from services.intake.domain.step_downs import CONTACT_TASK, SERVICE_TASK, SUMMARY_TASK, StepDown
from shared.clock import cancel_timer, set_timer
from shared.contracts.scheduling import ServiceDelivered
from shared.database import blind_index
from shared.errors import NotFound
from shared.ids import derived_id
from shared.messaging import Call, announce_all

#: Timers of the two clocks; their key is the step-down.
CONTACT_DUE = "step_down_contact_due"
SERVICE_DUE = "step_down_service_due"


def known(db: Session, call: Call, external_id: str) -> tuple[PartnerReferral | None, bytes]:
    """Return what the caller's app sent under an id before, with the turn of that id; and its index."""
    text = partner_referrals.external_text(partner=call.partner, external_id=external_id)
    index = blind_index(text, tenant_id=call.tenant_id)
    tables.take_turn(db, tenant_id=call.tenant_id, about=b"external-id:" + index)
    return tables.find_partner_referral(db, external_index=index), index


def keep(
    db: Session,
    call: Call,
    *,
    external_index: bytes,
    identity_index: bytes,
    episode: Episode,
    referral: Referral | None,
    received_at: datetime,
) -> PartnerReferral:
    """Keep what a partner sent; somebody looks at a person whom we know already.

    :param referral: what came of it, unless the person has an open episode.
    """
    told = PartnerReferral(
        partner_referral_id=derived_id(call.tenant_id, external_index.hex()),
        partner=call.partner,
        external_index=external_index,
        identity_index=identity_index,
        patient_id=episode.patient_id,
        episode_id=episode.episode_id,
        journey_id=episode.journey_id,
        site_id=episode.site_id,
        received_at=received_at,
        external_id=call.data["external_id"],
        referral_id=referral.referral_id if referral else None,
    )
    db.add(told)
    if referral is None or referral.known_patient:
        asking.ask(db, told.known_task())
    return told


def step_down(
    db: Session,
    episode: Episode,
    site: Site,
    data: dict[str, Any],
    *,
    step_down_id: str,
    at: datetime,
) -> StepDown:
    """Start the clocks of a step-down, ask for the summary, and take the earlier plan over.

    One discharge that two tell of, a partner or the staff, is one step-down. Services that were given
    since the discharge count, also those from before anybody told of it.
    """
    for other in tables.step_downs_of(db, episode_ids=[episode.episode_id]):
        if other.discharged_on == data["discharged_on"]:
            return other
    found, events = step_downs.receive(
        step_down_id=step_down_id,
        episode=episode,
        site=site,
        prior_level=data["prior_level"],
        discharged_on=data["discharged_on"],
        received_at=at,
    )
    db.add(found)
    announce_all(db, events)
    for task in found.tasks():
        asking.ask(db, task)
    set_timer(db, CONTACT_DUE, key=found.step_down_id, due_at=max(at, found.contact_due_at))
    set_timer(db, SERVICE_DUE, key=found.step_down_id, due_at=max(at, found.service_due_at))
    if data["earlier_plan"] is not None:
        import_plan(db, found, data["earlier_plan"], at=at)
    for served_on in tables.days_served(db, episode_id=episode.episode_id, since=found.discharged_on):
        _note_day(db, found, on=served_on, given=True, now=at)
    return found


def import_plan(db: Session, found: StepDown, plan: dict[str, Any], *, at: datetime) -> None:
    """Take the earlier plan over: codes go to monitoring, words stay here."""
    codes = {name: plan[name] for name in ("problems", "modalities", "skills", "triggers")}
    announce_all(db, found.import_plan(codes, words=plan["words"], at=at))


def note_contact(db: Session, found: StepDown, *, at: datetime) -> None:
    """Note that the person was contacted: nobody is asked to any more."""
    if found.note_contact(at=at):
        cancel_timer(db, CONTACT_DUE, key=found.step_down_id)
        _end(db, found, CONTACT_TASK, at=at)


def note_contact_in(db: Session, episode: Episode, *, at: datetime) -> None:
    """Note that somebody in an episode was met."""
    for found in tables.step_downs_of(db, episode_ids=[episode.episode_id]):
        note_contact(db, found, at=at)


def receive_summary(db: Session, found: StepDown, *, medications_reconciled: bool, at: datetime) -> None:
    """Note that the earlier program's summary is here."""
    announce_all(db, found.receive_summary(medications_reconciled=medications_reconciled, at=at))
    _end(db, found, SUMMARY_TASK, at=at)


def note_service(db: Session, found: StepDown, event: ServiceDelivered, *, now: datetime) -> None:
    """Count a day with a service, or take it back; the first one ends the clock, or is known to be late."""
    _note_day(db, found, on=event.served_on, given=bool(event.minutes), now=now)


def _note_day(db: Session, found: StepDown, *, on: date, given: bool, now: datetime) -> None:
    was_breached = found.breached_at is not None
    announce_all(db, found.note_service(on=on, given=given, at=now))
    if found.served_on is not None:
        outcome = tasks.WITHDRAWN if was_breached and found.served_in_time else tasks.DONE
        _end(db, found, SERVICE_TASK, at=now, outcome=outcome)
        note_contact(db, found, at=now)
    if found.served_in_time:
        cancel_timer(db, SERVICE_DUE, key=found.step_down_id)


def contact_late(db: Session, found: StepDown, *, at: datetime) -> None:
    """Ask the supervisor, when nobody has contacted the person by the deadline."""
    if found.contacted_at is None and _goes_on(db, found):
        asking.end(db, task_id=found.task_id(CONTACT_TASK), outcome=tasks.ESCALATED, at=at)
        asking.ask(db, found.contact_late(at=at))


def service_late(db: Session, found: StepDown, *, at: datetime) -> None:
    """Tell that the seven days are over without a service, and ask the supervisor."""
    if not _goes_on(db, found):
        return
    breached = found.breach(at=at)
    announce_all(db, breached)
    if breached and found.served_on is None:
        asking.ask(db, found.service_late(at=at))


def _goes_on(db: Session, found: StepDown) -> bool:
    episode = tables.find_episode(db, episode_id=found.episode_id)
    return episode is not None and episode.is_open


def locked(db: Session, step_down_id: str) -> StepDown:
    """Return a step-down, which nobody else changes until the transaction ends.

    :raises NotFound: when there is none.
    """
    found = tables.lock_step_down(db, step_down_id=step_down_id)
    if found is None:
        raise NotFound("No such step-down.", field="step_down_id")
    return found


def _end(db: Session, found: StepDown, task: str, *, at: datetime, outcome: str = tasks.DONE) -> None:
    for task_id in found.task_ids(task):
        asking.end(db, task_id=task_id, outcome=outcome, at=at)
