"""Whether weeks brought the hours of their level: weighed on Sunday night, and again when more is known.

All of it runs in the transaction of what caused it.
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.scheduling import seating, tables
from services.scheduling.domain import attendance, dose, records, weeks
from shared.contracts.event import Event


def weigh(db: Session, site: records.Site, *, week_starts_on: date, at: datetime) -> list[Event]:
    """Compare what each patient of a site attended in a week that ends with the floor of their level."""
    active = tables.active_plans(db, site_id=site.site_id)
    # A week in which fewer hours were agreed has no floor to be weighed against.
    eased = tables.stepped_down(
        db, episode_ids=[plan.episode_id for plan in active], week_starts_on=week_starts_on
    )
    active = [plan for plan in active if plan.episode_id not in eased]
    if not active:
        return []
    episode_ids = [plan.episode_id for plan in active]
    # Before the seats are read: a mark that is being written down now is either read here, or weighs anew.
    tables.take_weighing_turn(db, site_id=site.site_id)
    before = tables.newest_weighed(db, episode_ids=episode_ids)
    seats = _seats_of_week(db, site, episode_ids=episode_ids, week_starts_on=week_starts_on)
    left_out = seating.left_out_by_closures(db, site, active, week_starts_on=week_starts_on)
    floors = tables.floors_of(db, episode_ids=episode_ids)
    caused: list[Event] = []
    for plan in active:
        closed = plan.plan_id in left_out or plan.is_not_led(week_starts_on=week_starts_on)
        weighed, told = dose.weigh(
            plan=plan,
            floor=floors[plan.episode_id],
            week=dose.total(seats[plan.episode_id], closed=closed),
            week_starts_on=week_starts_on,
            zone=site.time_zone,
            before=before.get(plan.episode_id),
            at=at,
        )
        if weighed is not None:
            db.add(weighed)
        caused += told
    return caused


def newly_marked(seats: Iterable[attendance.Seat]) -> list[attendance.Seat]:
    """Return the seats whose marks, not yet written down, may change what their week amounts to."""
    return [
        seat
        for seat in seats
        if sa.inspect(seat).attrs.state.history.has_changes()
        or sa.inspect(seat).attrs.credited_minutes.history.has_changes()
    ]


def weigh_called_off(db: Session, called_off: Iterable[attendance.Session], *, now: datetime) -> list[Event]:
    """Weigh once more the weeks of sessions that were called off afterwards, as of a closure told late."""
    caused: list[Event] = []
    for session in called_off:
        if session.starts_at < now:
            seats = tables.seats_of(db, session_id=session.session_id)
            taken_back = [seat for seat in seats if seat.state == "CANCELLED_BY_PROGRAM"]
            caused += weigh_again(db, session, taken_back, now=now)
    return caused


def weigh_again(
    db: Session, session: attendance.Session, marked: list[attendance.Seat], *, now: datetime
) -> list[Event]:
    """Weigh the week of a session once more for those whose mark came, or changed, after it was weighed.

    A week that an older version weighed, and kept nothing of, stands.
    """
    if not marked or not session.is_treatment:
        return []
    # Nearly every mark comes in time, and pays for no look: at the door, or long before Sunday.
    if now < session.starts_at + attendance.GRACE:
        return []
    if now < dose.not_weighed_before(session.starts_at) - dose.WRITTEN_WITHIN:
        return []
    site = tables.site_of(db, site_id=session.site_id)
    if site is None:
        return []
    monday = weeks.monday_of(weeks.local_day(at=session.starts_at, zone=site.time_zone))
    if now < dose.weighed_at(week_starts_on=monday, zone=site.time_zone) - dose.WRITTEN_WITHIN:
        return []
    tables.take_weighing_turn(db, site_id=site.site_id)
    weighed = tables.weighed_from(db, episode_ids={seat.episode_id for seat in marked}, week_starts_on=monday)
    if not weighed:
        return []
    seats = _seats_of_week(db, site, episode_ids=weighed, week_starts_on=monday)
    caused: list[Event] = []
    for episode_id, own in weighed.items():
        week = dose.total(seats[episode_id], closed=own[0].closed)
        caused += dose.weigh_again(own, week=week, now=now)
    return caused


def _seats_of_week(
    db: Session, site: records.Site, *, episode_ids: Iterable[str], week_starts_on: date
) -> dict[str, list[tuple[str, int, int]]]:
    return tables.seats_between(
        db,
        episode_ids=episode_ids,
        since=weeks.moment_of(day=week_starts_on, at=time.min, zone=site.time_zone),
        until=weeks.moment_of(day=week_starts_on + timedelta(days=7), at=time.min, zone=site.time_zone),
    )
