"""Units that the schedule takes beforehand: reserved by scheduled days, given back by days that fall away.

A day beyond what is authorised is scheduled and held all the same: somebody is asked to see to it in
time. Nothing here ever stands in the way of care.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from services.intake import asking, covering, tables
from services.intake.domain import coverage
from services.intake.domain.coverage import Authorization, Coverage, Unit
from services.intake.domain.episodes import Episode
from services.intake.domain.sites import Site
from services.intake.domain.tasks import DONE
from shared.clock import set_timer
from shared.contracts.scheduling import PatientNotSeen, SeatCancelled, SessionMissed, SessionScheduled
from shared.errors import TooEarly
from shared.messaging import because_of

#: What tells that nobody is expected on a seat any more.
_Gone = SeatCancelled | SessionMissed | PatientNotSeen

#: Timer of the day from which a reserved unit that nobody used is given back; its key is the authorisation.
RESERVATION_LAPSES = "reserved_unit_lapses"


def note_seats(db: Session, events: Sequence[SessionScheduled], *, now: datetime) -> None:
    """Reserve a unit for each day of sessions that were scheduled, or warn that there is none.

    :raises TooEarly: when one is of somebody who is not known yet.
    """
    seated = _seated(db, events)
    standing = _keep(db, seated, gone=False)
    for one in seated:
        days = {day for event, day in one.seats if event.seat_id in standing}
        days = {day for day in days if day >= one.site.local_day(now)}
        if days and one.episode.is_open:
            because_of(db, one.seats[-1][0])
            reserve(db, one.episode, sorted(days), site=one.site, now=now)


def drop_seats(db: Session, events: Sequence[_Gone], *, now: datetime) -> None:
    """Give the units of days back on which nobody is expected any more.

    :raises TooEarly: when one is of somebody who is not known yet.
    """
    seated = _seated(db, events)
    _keep(db, seated, gone=True)
    for one in seated:
        days = {day for _, day in one.seats}
        episode_id = one.episode.episode_id
        days -= set(tables.scheduled_days(db, episode_id=episode_id, since=min(days), until=max(days)))
        if not days:
            continue
        because_of(db, one.seats[-1][0])
        for _, units in tables.lock_ledger(db, episode_id=episode_id, days=days):
            _give_back(db, units, days=days)
        # A unit that is free again may be for a day that has none.
        reserve_scheduled(db, one.episode, now=now)


@dataclass(frozen=True, kw_only=True)
class _Seated:
    """What was told of the seats of one episode, each with its day at the site."""

    episode: Episode
    site: Site
    seats: list[tuple[SessionScheduled | _Gone, date]]


def _seated(db: Session, events: Sequence[SessionScheduled | _Gone]) -> list[_Seated]:
    """Return what was told of seats by episode, in an order that two who wait for the same share.

    :raises TooEarly: when an episode is not known yet.
    """
    where = tables.episodes_at_sites(db, episode_ids={event.episode_id for event in events})
    found: dict[str, _Seated] = {}
    for event in sorted(events, key=lambda one: one.episode_id):
        if event.episode_id not in where:
            raise TooEarly
        episode, site = where[event.episode_id]
        own = found.setdefault(event.episode_id, _Seated(episode=episode, site=site, seats=[]))
        own.seats.append((event, site.local_day(event.starts_at)))
    return list(found.values())


def _keep(db: Session, seated: Sequence[_Seated], *, gone: bool) -> set[str]:
    """Keep what was told of seats; return those that stand."""
    seats = {event.seat_id: (event.episode_id, day) for one in seated for event, day in one.seats}
    return tables.keep_seats(db, seats, gone=gone)


def reserve(db: Session, episode: Episode, days: list[date], *, site: Site, now: datetime) -> None:
    """Reserve a unit for each of some days, as far as there are any; warn of days for which there is none."""
    known = _locked(db, episode, days=days, since=site.local_day(now))
    _reserve(db, episode, known, days, site=site, now=now)


def _locked(db: Session, episode: Episode, *, days: list[date], since: date) -> tables.ToReserve:
    return tables.lock_to_reserve(
        db, episode_id=episode.episode_id, patient_id=episode.patient_id, days=days, since=since
    )


def _reserve(
    db: Session, episode: Episode, known: tables.ToReserve, days: list[date], *, site: Site, now: datetime
) -> None:
    if not known.covers:
        # Nothing was ever asked, which is how it is with most who pay themselves: nothing is authorised.
        return
    given_up: list[date] = []
    have = {unit.served_on for _, units in known.ledger for unit in units}
    for authorization, taken in known.ledger:
        if authorization.decision != coverage.APPROVED:
            continue
        if not any(authorization.first_on <= day <= authorization.last_on for day in days):
            continue
        own = taken
        for day in sorted(set(days) - have):
            own, without = _take_for(db, authorization, day, own=own, now=now)
            given_up += without
        db.flush()
        have = have - set(given_up) | {unit.served_on for unit in own}
        covering.watch(db, authorization, taken=own, now=now)
        watch_reservations(db, authorization, site=site, taken=own)
    if given_up:
        # Another authorisation may have a unit for them; they are later than what took theirs, so this ends.
        reserve(db, episode, given_up, site=site, now=now)
    else:
        _settle_warning(db, episode, known, site=site, have=have, now=now)


def _take_for(
    db: Session, authorization: Authorization, day: date, *, own: list[Unit], now: datetime
) -> tuple[list[Unit], list[date]]:
    """Reserve a unit for a day; of too few units the earlier days get theirs, in whatever order they come.

    :return: the units that are taken then, and the days that lost theirs.
    """
    without: list[date] = []
    later = [unit for unit in own if unit.state == coverage.RESERVED and unit.served_on > day]
    none_left = not authorization.count_units(own).remaining
    if none_left and later and authorization.first_on <= day <= authorization.last_on:
        given_up = max(later, key=lambda unit: unit.served_on)
        db.delete(given_up)
        without.append(given_up.served_on)
        own = [unit for unit in own if unit is not given_up]
    if authorization.may_take(day, taken=own):
        own = [*own, authorization.take(day, taken=own, now=now)]
        db.add(own[-1])
    return own, without


def reserve_scheduled(db: Session, episode: Episode, *, now: datetime) -> None:
    """Reserve units for what is scheduled from today on: what a payer authorised late counts too."""
    site = tables.find_site(db, site_id=episode.site_id)
    if site is None or not episode.is_open:
        return
    today = site.local_day(now)
    known = _locked(db, episode, days=[today, date.max], since=today)
    _reserve(db, episode, known, known.scheduled_days, site=site, now=now)


def end(db: Session, authorization: Authorization, *, last_on: date, now: datetime) -> None:
    """End an authorisation that is locked before its time; its later days look for another, or are told.

    :raises InvalidInput: when the new last day is not an earlier one of its own.
    """
    authorization.end(last_on)
    units = tables.units_of(db, authorization_id=authorization.authorization_id)
    left = _give_back(db, units, days={unit.served_on for unit in units if unit.served_on > last_on})
    covering.watch_end(db, authorization, taken=left, now=now)
    episode = tables.find_episode(db, episode_id=authorization.episode_id)
    if episode is not None:
        reserve_scheduled(db, episode, now=now)


def release_after(db: Session, episode: Episode, *, ended_at: datetime) -> None:
    """Give back what is reserved for days after the end of the treatment."""
    site = tables.find_site(db, site_id=episode.site_id)
    assert site is not None  # an episode is at a site that is open
    last = site.local_day(ended_at)
    taken = tables.units_of_episode(db, episode_id=episode.episode_id)
    days = {unit.served_on for unit in taken if unit.served_on > last}
    for _, units in tables.lock_ledger(db, episode_id=episode.episode_id, days=days) if days else ():
        _give_back(db, units, days=days)


def lapse(db: Session, authorization_id: str, *, at: datetime) -> None:
    """Give back what was reserved for days of which nobody told that they were attended."""
    found = tables.lock_units(db, authorization_id=authorization_id)
    where = tables.episode_at_site(db, episode_id=found[0].episode_id) if found else None
    if found is None or where is None:
        return
    (authorization, units), (_, site) = found, where
    long_ago = site.local_day(at) - coverage.RESERVATION_LAPSES_AFTER
    left = _give_back(db, units, days={unit.served_on for unit in units if unit.served_on <= long_ago})
    watch_reservations(db, authorization, site=site, taken=left)


def watch_reservations(
    db: Session, authorization: Authorization, *, site: Site, taken: Sequence[Unit]
) -> None:
    """Look again when the earliest of the units that are taken of an authorisation lapses."""
    first = min((unit.served_on for unit in taken if unit.state == coverage.RESERVED), default=None)
    if first is not None:
        due_at = site.begin_of(first + coverage.RESERVATION_LAPSES_AFTER)
        set_timer(db, RESERVATION_LAPSES, key=authorization.authorization_id, due_at=due_at)


def _settle_warning(
    db: Session, episode: Episode, known: tables.ToReserve, *, site: Site, have: set[date], now: datetime
) -> None:
    """Ask for units for scheduled days that have none, once at a time, until every day has its own.

    :param have: the days that have a unit.
    """
    missing = _uncovered(known.scheduled_days, known.covers, have=have)
    if not missing:
        for task in known.warnings:
            asking.end(db, task_id=task.task_id, outcome=DONE, at=now)
        return
    # Two days that are scheduled at once are one reason to ask.
    tables.take_turn(db, tenant_id=episode.tenant_id, about=f"uncovered:{episode.episode_id}".encode())
    asked = tables.open_tasks_of(db, episode_id=episode.episode_id, task=coverage.UNCOVERED_TASK)
    if not asked and episode.is_open:
        times = tables.count_tasks(db, episode_id=episode.episode_id, task=coverage.UNCOVERED_TASK)
        begins = site.begin_of(missing[0])
        asking.ask(db, coverage.uncovered_task(episode, times=times, begins=begins, now=now))


def uncovered_days(db: Session, episode: Episode, covers: Sequence[Coverage], *, since: date) -> list[date]:
    """Return the scheduled days from a day on that a payer would have to authorise and did not."""
    days = tables.scheduled_days(db, episode_id=episode.episode_id, since=since)
    have = {unit.served_on for unit in tables.units_of_episode(db, episode_id=episode.episode_id)}
    return _uncovered(days, covers, have=have)


def _uncovered(days: Sequence[date], covers: Sequence[Coverage], *, have: set[date]) -> list[date]:
    active = [one for one in covers if one.status == coverage.ACTIVE]
    if not active or not all(one.needs_authorization for one in active):
        return []
    return [day for day in days if day not in have]


def _give_back(db: Session, units: Sequence[Unit], *, days: set[date]) -> list[Unit]:
    """Give back what is reserved for some days of an authorisation that is locked; return what is left."""
    gone = [unit for unit in units if unit.served_on in days and unit.state == coverage.RESERVED]
    tables.give_back(db, gone)
    return [unit for unit in units if unit not in gone]
