"""Asking for a notification, in the transaction of what caused it, and wanting none any more."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import event as orm_event
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from shared import clock
from shared.contracts.common import NotificationSettled
from shared.database import blind_index, origin_of
from shared.messaging.outbox import announce
from shared.notification import templates
from shared.notification.addresses import EMAIL, AddressUnusable, read_address
from shared.notification.quiet import next_loud_moment
from shared.notification.tables import message_stops, notifications
from shared.sealing import seal

if TYPE_CHECKING:
    from shared.messaging.hosting.host import Host

#: How long sending is tried when the caller says nothing else. Design default: a day, as mail servers
#: that were away for a night are back by then.
GIVE_UP_AFTER = timedelta(hours=24)


def notify(
    db: Session,
    *,
    notification_id: str,
    template: str,
    address: str,
    about_id: str,
    urgent: bool,
    codes: Mapping[str, str] | None = None,
    patient_id: str | None = None,
    give_up_after: timedelta = GIVE_UP_AFTER,
    time_zone: str = "UTC",
    language: str = templates.ENGLISH,
) -> None:
    """Have a text of the allow-list sent if, and only if, the caller's transaction commits.

    Asking again with the same *notification_id* changes nothing. What became of it is announced as
    :class:`NotificationSettled`, later and in a transaction of its own; at once, in this one, when
    the address is unusable, or when program time is simulated: then nothing is ever sent.

    :param address: ``mailto:…`` or ``https://…``.
    :param urgent: whether quiet hours do not delay it and the first tries follow each other quickly.
    :param time_zone: where the reader lives.
    :param language: what the reader speaks, a code of ISO 639; English where the text is not there in it.
    :raises ValueError: when the template does not exist, or the codes are not its own.
    """
    codes = dict(codes or {})
    templates.check(template, codes)
    if (spoken := templates.language_for(template, language)) != templates.ENGLISH:
        codes[templates.LANGUAGE] = spoken
    host: Host = db.info["host"]
    origin = origin_of(db)
    now = clock.real_now()
    state, error, next_attempt_at = "waiting", None, None
    try:
        channel = read_address(address).channel
    except AddressUnusable:
        # Not refused: whoever raised the alarm must not fail because an address is a slip of the pen.
        channel, state, error = EMAIL, "failed", "AddressUnusable"
    if host.clock.simulated:
        state, error = "simulated", None
    if state == "waiting":
        due_at = now if urgent else next_loud_moment(now, time_zone)
        next_attempt_at = min(due_at, now + give_up_after)
    settled_at: datetime | None = now if state != "waiting" else None
    inserted = db.connection().execute(
        postgresql.insert(notifications)
        .values(
            notification_id=notification_id,
            tenant_id=origin.tenant_id,
            template=template,
            codes=codes,
            about_id=about_id,
            patient_id=patient_id,
            urgent=urgent,
            time_zone=time_zone,
            channel=channel,
            address_sealed=seal(address.encode(), bound_to=seal_of(notification_id)),
            state=state,
            error=error,
            created_at=now,
            next_attempt_at=next_attempt_at,
            give_up_at=now + give_up_after,
            settled_at=settled_at,
            correlation_id=origin.correlation_id,
            causation_id=origin.causation_id,
            traceparent=origin.traceparent,
        )
        .on_conflict_do_nothing(index_elements=["notification_id"])
        .returning(notifications.c.notification_id)
    )
    if inserted.first() is None:
        return
    if state == "waiting":
        db.info["wrote_notification"] = True
    else:
        announce(
            db,
            NotificationSettled(
                notification_id=notification_id,
                template=template,
                outcome=state.upper(),
                about_id=about_id,
                attempts=0,
                settled_at=origin.now,
                patient_id=patient_id,
                error=error,
            ),
        )


@orm_event.listens_for(Session, "after_commit")
def _wake_sending(db: Session) -> None:
    if db.info.pop("wrote_notification", False):
        db.info["host"].wake_sending()


def seal_of(notification_id: str) -> str:
    """Return the place that an address is sealed for."""
    return f"notifications.address:{notification_id}"


def person(patient_id: str) -> str:
    """Return what stands for all addresses of a patient, those of later times included."""
    return f"patient:{patient_id}"


def stop_messages(db: Session, address: str) -> None:
    """Have nothing more sent to an address, or to a :func:`person`; urgent pages to staff go on."""
    db.connection().execute(
        postgresql.insert(message_stops)
        .values(
            tenant_id=origin_of(db).tenant_id,
            address_digest=blind_index(address, tenant_id=origin_of(db).tenant_id),
            stopped_at=clock.real_now(),
        )
        .on_conflict_do_nothing()
    )


def allow_messages(db: Session, address: str) -> None:
    """Have messages sent to an address, or to a :func:`person`, again."""
    tenant_id = origin_of(db).tenant_id
    db.connection().execute(
        message_stops.delete().where(
            message_stops.c.tenant_id == tenant_id,
            message_stops.c.address_digest == blind_index(address, tenant_id=tenant_id),
        )
    )


def wants_none(db: Session, address: str, *, patient_id: str | None, tenant_id: str) -> bool:
    """Return whether somebody at an address, or this patient, has asked for no more messages."""
    asked = [address] if patient_id is None else [address, person(patient_id)]
    digests = [blind_index(one, tenant_id=tenant_id) for one in asked]
    return (
        db.connection()
        .execute(
            sa.select(message_stops.c.stopped_at).where(
                message_stops.c.tenant_id == tenant_id, message_stops.c.address_digest.in_(digests)
            )
        )
        .first()
        is not None
    )
