"""What others are told of the standing places of a site's groups."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from services.scheduling import tables
from services.scheduling.domain import plans
from shared.contracts.event import Event


def after_leaving(
    timetable: tables.Timetable, places: Iterable[plans.Place], *, now: datetime
) -> list[Event]:
    """Return the news of the groups in which a plan gave up places, which nobody has any more."""
    left = {place.group_id for place in places}
    return [
        event
        for group in timetable.groups.values()
        if group.group_id in left
        for event in group.tell_places(timetable.taken, now=now)
    ]


def of_site(db: Session, *, site_id: str, now: datetime) -> list[Event]:
    """Return the news of all groups of a site: also of those that an older version opened."""
    taken = tables.numbers_taken(db, site_id=site_id)
    return [
        event
        for group in tables.groups_of_site(db, site_id=site_id)
        for event in group.tell_places(taken, now=now)
    ]
