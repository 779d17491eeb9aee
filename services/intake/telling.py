"""What patients are told about their records, and what they ask not to be told to others."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from services.intake import asking, tables
from services.intake.domain import notices, restrictions
from services.intake.domain.episodes import Episode
from services.intake.domain.people import Patient
from services.intake.domain.tasks import DONE
from shared.errors import NotFound
from shared.ids import derived_id, new_id
from shared.messaging import Call, announce_all


def publish_notice(db: Session, call: Call) -> notices.PrivacyNotice:
    """Publish a version of the notice; the same text under the same name changes nothing."""
    tables.take_turn(db, tenant_id=call.tenant_id, about=b"privacy notices")
    earlier = tables.all_notices(db)
    for one in earlier:
        if (one.edition, one.digest) == (call.data["edition"], call.data["digest"]):
            return one
    notice = notices.PrivacyNotice(
        notice_id=new_id(),
        edition=call.data["edition"],
        digest=call.data["digest"],
        effective_at=call.data["effective_at"] or call.now,
        published_at=call.now,
        published_by=call.actor.actor_id,
        published_by_role=call.actor.role,
    )
    announce_all(db, notices.publish(notice, earlier=earlier))
    db.add(notice)
    return notice


def give_notice(
    db: Session, patient: Patient, call: Call
) -> tuple[notices.NoticeReceipt, notices.PrivacyNotice]:
    """Record that somebody was given the notice, once a version, and ask nobody to give it any more."""
    tables.take_turn(db, tenant_id=call.tenant_id, about=f"notices:{patient.patient_id}".encode())
    given_at = call.data["given_at"] or call.now
    published = tables.all_notices(db)
    notice = notices.in_force(published, at=given_at)
    if call.data["notice_id"] is not None:
        notice = next((one for one in published if one.notice_id == call.data["notice_id"]), None)
        if notice is None:
            raise NotFound("No such notice.", field="notice_id")
    receipt, events = notices.give(
        notice,
        patient_id=patient.patient_id,
        journey_id=patient.journey_id,
        channel=call.data["channel"],
        acknowledgement=call.data["acknowledgement"],
        given_at=given_at,
        actor=call.actor,
        now=call.now,
    )
    # Giving refuses where there is no notice.
    assert notice is not None  # for the type checker
    known = tables.find_receipt(db, receipt_id=receipt.receipt_id)
    if known is None:
        db.add(receipt)
        announce_all(db, events)
    for task in tables.open_tasks_about(db, patient_id=patient.patient_id, tasks_named=[notices.NOTICE_TASK]):
        announce_all(db, task.close(outcome=DONE, at=call.now))
    return known or receipt, notice


def ask_for_notice(db: Session, episode: Episode, *, now: datetime) -> None:
    """Ask for the notice to be given to somebody who was admitted without the version in force."""
    notice = notices.in_force(tables.all_notices(db), at=now)
    if notice is not None:
        receipt_id = derived_id(episode.patient_id, notice.notice_id, "receipt")
        if tables.find_receipt(db, receipt_id=receipt_id) is not None:
            return
    asking.ask(
        db,
        notices.task_for(
            patient_id=episode.patient_id,
            episode_id=episode.episode_id,
            journey_id=episode.journey_id,
            admitted_at=now,
            published=notice is not None,
        ),
    )


def list_notices(db: Session, *, now: datetime) -> list[dict[str, Any]]:
    """Return every version, with whether it is in force and how many people were given it."""
    published = tables.all_notices(db)
    current, given = notices.in_force(published, at=now), tables.receipts_by_notice(db)
    return [
        {"notice": one, "in_force": one is current, "given": given.get(one.notice_id, 0)} for one in published
    ]


def request_restriction(db: Session, patient: Patient, call: Call) -> restrictions.Restriction:
    """Take a request that less be told, and ask somebody to answer it.

    :raises NotFound: when the cover that it names is not there, or is somebody else's.
    """
    named = call.data["coverage_id"]
    covers = tables.coverages_of(db, patient_id=patient.patient_id) if named else []
    if named and named not in {one.coverage_id for one in covers}:
        raise NotFound("No such cover.", field="coverage_id")
    restriction = restrictions.request(
        restrictions.Restriction(
            restriction_id=new_id(),
            journey_id=patient.journey_id,
            requested_at=call.now,
            requested_by=call.actor.actor_id,
            requested_by_role=call.actor.role,
            answer_due_at=call.now + restrictions.ANSWER_WITHIN,
            **call.data,
        )
    )
    db.add(restriction)
    asking.ask(db, restriction.task())
    return restriction


def answer_restriction(db: Session, restriction: restrictions.Restriction, call: Call) -> None:
    """Agree to a request or deny it."""
    said = {name: call.data[name] for name in ("answer", "reason", "paid_in_full")}
    announce_all(db, restriction.answer(**said, actor=call.actor, now=call.now))
    asking.end(db, task_id=restriction.task().task_id, outcome=DONE, at=call.now)
