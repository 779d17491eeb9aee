"""What follows from days that were delivered: units, clocks of step-downs, bills of whoever pays themself."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from services.intake import costing, covering, stepping, tables
from shared.contracts.scheduling import ServiceDelivered
from shared.messaging import because_of


def count(db: Session, events: Sequence[ServiceDelivered], *, now: datetime) -> None:
    """Keep what was delivered on people's days, and count each that nothing newer is known of.

    What is known of all these people is asked for at once: a whole group comes with one roster.
    """
    days = _newest_of_each_day(events)
    tables.keep_attended_days(db, days)
    newest = tables.keep_deliveries(db, days)
    counted = [event for event in days if event.delivery_id in newest]
    if not counted:
        return
    episode_ids = {event.episode_id for event in counted}
    known = tables.lock_delivered_to(db, episode_ids=episode_ids, days=[event.served_on for event in counted])
    for event in counted:
        because_of(db, event)
        covering.use_unit(db, event, known.ledgers[event.episode_id], now=now)
        for found in known.step_downs:
            if found.episode_id == event.episode_id:
                stepping.note_service(db, found, event, now=now)
        own = known.self_pays.get(event.episode_id)
        if own is not None:
            costing.watch_bill(db, own, now=now)


def _newest_of_each_day(events: Sequence[ServiceDelivered]) -> list[ServiceDelivered]:
    """Return what was told last of each day, in an order that two who keep the same share."""
    newest: dict[str, ServiceDelivered] = {}
    for event in sorted(events, key=lambda one: (one.delivery_id, one.revision)):
        newest[event.delivery_id] = event
    return list(newest.values())
