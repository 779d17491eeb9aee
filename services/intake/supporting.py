"""Who backs a patient, what helps against triggers, and what an admission leaves open."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from services.intake import asking, tables, telling
from services.intake.domain import notices, supporters, triggers
from services.intake.domain.assessments import Assessment
from services.intake.domain.episodes import Episode
from services.intake.domain.people import Patient
from services.intake.domain.tasks import DONE
from shared.contracts.event import Actor
from shared.ids import new_id
from shared.messaging import Call, announce


def add(db: Session, patient: Patient, call: Call) -> supporters.Supporter:
    """Name somebody who backs a patient."""
    _take_turn(db, call, patient)
    supporter = supporters.Supporter(
        supporter_id=new_id(),
        journey_id=patient.journey_id,
        added_at=call.now,
        added_by=call.actor.actor_id,
        added_by_role=call.actor.role,
        **call.data,
    )
    supporters.add(
        supporter,
        known=tables.supporters_of(db, patient_id=patient.patient_id),
        consents=tables.consents_of(db, patient_id=patient.patient_id),
    )
    db.add(supporter)
    _tell(db, patient, by=call.actor, now=call.now)
    return supporter


def end(db: Session, supporter: supporters.Supporter, patient: Patient, call: Call) -> None:
    """Take somebody off; whoever is left with nobody is told as such."""
    _take_turn(db, call, patient)
    supporter.end(actor=call.actor, now=call.now)
    _tell(db, patient, by=call.actor, now=call.now)


def tell_nobody(db: Session, patient: Patient, call: Call) -> supporters.SupportNetwork:
    """Say that nobody backs a patient.

    :raises HasSupporters: when somebody does.
    """
    _take_turn(db, call, patient)
    if tables.supporters_of(db, patient_id=patient.patient_id):
        raise supporters.HasSupporters(field="patient_id", rule="somebody without supporters on record")
    return _tell(db, patient, by=call.actor, now=call.now)


def _take_turn(db: Session, call: Call, patient: Patient) -> None:
    tables.take_turn(db, tenant_id=call.tenant_id, about=f"supporters:{patient.patient_id}".encode())


def _tell(db: Session, patient: Patient, *, by: Actor, now: datetime) -> supporters.SupportNetwork:
    there = tables.supporters_of(db, patient_id=patient.patient_id)
    network = tables.find_network(db, patient_id=patient.patient_id)
    if network is None:
        network = supporters.SupportNetwork(
            patient_id=patient.patient_id,
            supporters=len(there),
            told_at=now,
            told_by=by.actor_id,
            told_by_role=by.role,
        )
        db.add(network)
    network.supporters, network.told_at = len(there), now
    network.told_by, network.told_by_role = by.actor_id, by.role
    announce(
        db,
        supporters.told(
            patient_id=patient.patient_id, journey_id=patient.journey_id, supporters=there, now=now
        ),
    )
    return network


def record_triggers(db: Session, episode: Episode, call: Call) -> triggers.TriggerInventory:
    """Keep what somebody told of their triggers, and ask no more once there is a tool against each."""
    inventory = triggers.TriggerInventory(
        inventory_id=new_id(),
        episode_id=episode.episode_id,
        patient_id=episode.patient_id,
        journey_id=episode.journey_id,
        triggers=call.data["triggers"],
        recorded_at=call.now,
        recorded_by=call.actor.actor_id,
        recorded_by_role=call.actor.role,
    )
    db.add(inventory)
    if inventory.is_complete:
        for task in tables.open_tasks_of(db, episode_id=episode.episode_id, task=triggers.TOOLS_TASK):
            asking.end(db, task_id=task.task_id, outcome=DONE, at=call.now)
    return inventory


def ask_for_what_is_open(
    db: Session, episode: Episode, assessment: Assessment | None, *, now: datetime
) -> list[str]:
    """Ask for what an admission leaves open; return the names of what was asked.

    Nobody is kept out for it: who needs treatment gets it, and a human sees to the rest by a day.
    """
    about: dict[str, Any] = {
        "episode_id": episode.episode_id,
        "patient_id": episode.patient_id,
        "journey_id": episode.journey_id,
        "admitted_at": now,
    }
    tools = assessment is not None and assessment.has_tools
    if not tools and not tables.has_tools(db, episode_id=episode.episode_id):
        asking.ask(db, triggers.tools_task(**about))
    if tables.find_obligation_fit(db, patient_id=episode.patient_id, site_id=episode.site_id) is None:
        asking.ask(db, triggers.obligations_task(**about))
    telling.ask_for_notice(db, episode, now=now)
    return sorted(
        {task.task for task in tables.open_tasks_of(db, episode_id=episode.episode_id)} & OPEN_POINTS
    )


#: What an admission can leave open.
OPEN_POINTS = frozenset({triggers.TOOLS_TASK, triggers.OBLIGATIONS_TASK, notices.NOTICE_TASK})
