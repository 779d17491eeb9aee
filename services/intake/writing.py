"""Writing to patients: a text of the allow-list, where and in what language they want it, at a decent hour.

Each try is on record with the contact point it went to. Where a mailbox turns out to be none, the next
contact point is tried while the message is still of use. What reaches nobody in writing, and is nobody
else's to tell, the front desk is asked to tell.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from services.intake import asking, contacting, tables
from services.intake.domain import messages
from services.intake.domain.contact_points import ContactBook, ContactPoint
from services.intake.domain.messages import Message
from services.intake.domain.sites import Site
from shared import notification
from shared.contracts.common import NotificationSettled
from shared.database import origin_of
from shared.errors import TooEarly
from shared.ids import derived_id


def write_to(
    db: Session,
    *,
    patient_id: str,
    site_id: str,
    episode_id: str,
    notification_id: str,
    template: str,
    give_up_after: timedelta,
    now: datetime,
) -> None:
    """Have a text sent to the first contact point that takes one; asked again, the same is sent once.

    Where there is none, that is on record, and the front desk is asked to tell them. Whoever said STOP gets
    nothing.

    :raises TooEarly: when the person, or the site, is not known yet.
    :raises ValueError: when there is no such text for patients.
    """
    if not notification.is_for_patients(template):
        raise ValueError(f"no text for patients is called {template}")
    book = contacting.find(db, patient_id, tenant_id=origin_of(db).tenant_id)
    site = tables.find_site(db, site_id=site_id)
    if book is None or site is None:
        raise TooEarly
    point = next(iter(book.for_messages()), None)
    language = notification.language_for(template, book.patient.language)
    message = Message(
        message_id=notification_id,
        wanted_id=notification_id,
        patient_id=patient_id,
        episode_id=episode_id,
        template=template,
        language=language,
        contact_point_id=point.contact_point_id if point else None,
        asked_at=now,
        give_up_at=now + give_up_after,
    )
    if point is None:
        message.settle(messages.NO_WAY, at=now)
    _send(db, message, book, point, site, now=now)


def follow_up(db: Session, event: NotificationSettled, *, now: datetime) -> None:
    """Keep what became of a message; where the mailbox is none, try the next contact point."""
    if notification.is_for_staff(event.template):
        return
    message = tables.lock_message(db, message_id=event.notification_id)
    if message is None or message.outcome is not None:
        return
    message.settle(event.outcome, at=event.settled_at)
    refused = messages.is_at_fault(event.outcome, event.error)
    tried_again = (refused or event.outcome == messages.SENT) and _learn(
        db, message, refused=refused, at=event.settled_at, now=now
    )
    if event.outcome == messages.FAILED and not tried_again:
        _ask_to_tell(db, message, now=now)


def _learn(db: Session, message: Message, *, refused: bool, at: datetime, now: datetime) -> bool:
    """Know of a contact point whether its server takes messages; return whether the next one is tried."""
    tenant_id = origin_of(db).tenant_id
    book = contacting.find(db, message.patient_id, tenant_id=tenant_id)
    if book is None or not (refused or book.is_refused(message.contact_point_id)):
        return False
    book = contacting.lock(db, book.patient, tenant_id=tenant_id)
    book.note_outcome(message.contact_point_id, refused=refused, at=at)
    contacting.keep(db, book)
    return refused and _try_next(db, message, book, now=now)


def _try_next(db: Session, message: Message, book: ContactBook, *, now: datetime) -> bool:
    """Write to the next contact point while that is of use; return whether there was one."""
    tried = [one.contact_point_id for one in tables.messages_wanted(db, wanted_id=message.wanted_id)]
    point = next(iter(book.for_messages(but=tried)), None)
    episode = tables.find_episode(db, episode_id=message.episode_id)
    site = tables.find_site(db, site_id=episode.site_id) if episode is not None else None
    if point is None or site is None or now >= message.give_up_at:
        return False
    again = Message(
        message_id=derived_id(message.wanted_id, point.contact_point_id),
        wanted_id=message.wanted_id,
        patient_id=message.patient_id,
        episode_id=message.episode_id,
        template=message.template,
        language=message.language,
        contact_point_id=point.contact_point_id,
        asked_at=now,
        give_up_at=message.give_up_at,
    )
    _send(db, again, book, point, site, now=now)
    return True


def _ask_to_tell(db: Session, message: Message, *, now: datetime) -> None:
    """Ask the front desk to tell what reached nobody."""
    episode = tables.find_episode(db, episode_id=message.episode_id)
    task = message.task_to_tell(episode, at=now) if episode is not None else None
    if task is not None:
        asking.ask(db, task)


def _send(
    db: Session, message: Message, book: ContactBook, point: ContactPoint | None, site: Site, *, now: datetime
) -> None:
    # Several of one step ask for the same message, maybe at one moment: the first counts.
    if not tables.keep_message(db, message):
        return
    if point is None:
        _ask_to_tell(db, message, now=now)
        return
    contacting.keep(db, book)
    notification.notify(
        db,
        notification_id=message.message_id,
        template=message.template,
        address=f"mailto:{point.address}",
        about_id=message.episode_id,
        urgent=False,
        patient_id=message.patient_id,
        give_up_after=message.give_up_at - now,
        time_zone=site.time_zone,
        language=message.language,
    )
