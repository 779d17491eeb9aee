"""Units that the schedule takes beforehand: reserved by scheduled days, given back by days that fall away.

A day beyond what is authorised is scheduled and held all the same: somebody is asked to see to it in
time. Nothing here ever stands in the way of care.
"""

from collections.abc import Collection, Mapping, Sequence
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


@dataclass(frozen=True, kw_only=True)
class _Seated:
    """An episode, and what was told of its seats, if anything was: each with its day at the site."""

    episode: Episode
    site: Site
    seats: list[tuple[SessionScheduled | _Gone, date]]


#: Episodes with some days of each.
_Days = list[tuple[_Seated, Collection[date]]]


def note_seats(db: Session, events: Sequence[SessionScheduled], *, now: datetime) -> None:
    """Reserve a unit for each day of sessions that were scheduled, or warn that there is none.

    :raises TooEarly: when one is of somebody who is not known yet.
    """
    seated = _seated(db, events)
    standing = tables.keep_seats(db, _seats_of(seated))
    wanted: _Days = []
    for one in seated:
        days = {day for event, day in one.seats if event.seat_id in standing}
        days = {day for day in days if day >= one.site.local_day(now)}
        if days and one.episode.is_open:
            wanted.append((one, days))
    _reserve(db, wanted, _locked(db, wanted, now=now), now=now)


def drop_seats(db: Session, events: Sequence[_Gone], *, now: datetime) -> None:
    """Give the units of days back on which nobody is expected any more.

    :raises TooEarly: when one is of somebody who is not known yet.
    """
    seated = _seated(db, events)
    expected = tables.drop_seats(db, _seats_of(seated))
    gone: _Days = []
    for one in seated:
        own = {day for _, day in one.seats if (one.episode.episode_id, day) not in expected}
        if own:
            gone.append((one, own))
    known = _locked(db, gone, now=now)
    given_back: list[Unit] = []
    for one, days in gone:
        for _, units in known[one.episode.episode_id].ledger:
            reserved = _reserved(units, days=days)
            given_back += reserved
            units[:] = [unit for unit in units if unit not in reserved]
    tables.give_back(db, given_back)
    # A unit that is free again may be for a day that has none.
    wanted: _Days = [
        (one, known[one.episode.episode_id].scheduled_days) for one, _ in gone if one.episode.is_open
    ]
    _reserve(db, wanted, known, now=now)


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


def _seats_of(seated: Sequence[_Seated]) -> tables.Seats:
    return {event.seat_id: (event.episode_id, day) for one in seated for event, day in one.seats}


def _locked(db: Session, wanted: _Days, *, now: datetime) -> dict[str, tables.ToReserve]:
    """Return what is known of episodes, by episode; what was approved for these days or later is locked."""
    first = min((min([one.site.local_day(now), *days]) for one, days in wanted), default=date.max)
    today = [(one.episode, one.site.local_day(now)) for one, _ in wanted]
    return tables.lock_to_reserve(db, today, locked_from=first)


def _reserve(db: Session, wanted: _Days, known: Mapping[str, tables.ToReserve], *, now: datetime) -> None:
    """Reserve a unit for each of some days, as far as there are any; warn of days for which there is none.

    :param known: of each episode; what is reserved of is locked.
    """
    uncovered: _Days = []
    while wanted:
        without: _Days = []
        for one, days in wanted:
            own = known[one.episode.episode_id]
            if not own.covers:
                # Nothing was ever asked, which is how it is with most who pay themselves.
                continue
            _turn_to(db, one)
            have, given_up = _take(db, own.ledger, days, site=one.site, now=now)
            missing = _uncovered(own.scheduled_days, own.covers, have=have)
            if given_up:
                without.append((one, given_up))
            elif missing:
                uncovered.append((one, missing))
            else:
                for task in own.warnings:
                    asking.end(db, task_id=task.task_id, outcome=DONE, at=now)
        # Another authorisation may have a unit for them; they are later than what took theirs, so this ends.
        wanted, known = without, _locked(db, without, now=now)
    _warn(db, uncovered, now=now)


def _turn_to(db: Session, one: _Seated) -> None:
    if one.seats:
        because_of(db, one.seats[-1][0])


def _take(
    db: Session, ledger: tables.Ledger, days: Collection[date], *, site: Site, now: datetime
) -> tuple[set[date], list[date]]:
    """Reserve a unit for each of an episode's days, as far as there are any.

    :return: the days that have a unit then, and those that lost theirs to an earlier one.
    """
    given_up: list[date] = []
    have = {unit.served_on for _, units in ledger for unit in units}
    for authorization, taken in ledger:
        if authorization.decision != coverage.APPROVED:
            continue
        if not any(authorization.first_on <= day <= authorization.last_on for day in days):
            continue
        own = taken
        for day in sorted(set(days) - have):
            own, without = _take_for(db, authorization, day, own=own, now=now)
            given_up += without
        have = have - set(given_up) | {unit.served_on for unit in own}
        covering.watch(db, authorization, taken=own, now=now)
        watch_reservations(db, authorization, site=site, taken=own)
    return have, given_up


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
    one = _Seated(episode=episode, site=site, seats=[])
    known = _locked(db, [(one, ())], now=now)
    _reserve(db, [(one, known[episode.episode_id].scheduled_days)], known, now=now)


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


def _warn(db: Session, uncovered: _Days, *, now: datetime) -> None:
    """Ask for units for scheduled days that have none, once at a time, until every day has its own."""
    if not uncovered:
        return
    episodes = [one.episode for one, _ in uncovered]
    # Two days that are scheduled at once are one reason to ask.
    turns = [f"uncovered:{episode.episode_id}".encode() for episode in episodes]
    tables.take_turns(db, tenant_id=episodes[0].tenant_id, about=turns)
    ids = [episode.episode_id for episode in episodes]
    asked = tables.tasks_of_episodes(db, episode_ids=ids, task=coverage.UNCOVERED_TASK)
    for one, days in uncovered:
        tasks = asked[one.episode.episode_id]
        if one.episode.is_open and not any(task.is_open for task in tasks):
            _turn_to(db, one)
            begins = one.site.begin_of(min(days))
            asking.ask(db, coverage.uncovered_task(one.episode, times=len(tasks), begins=begins, now=now))


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


def _give_back(db: Session, units: Sequence[Unit], *, days: Collection[date]) -> list[Unit]:
    """Give back what is reserved for some days of an authorisation that is locked; return what is left."""
    gone = _reserved(units, days=days)
    tables.give_back(db, gone)
    return [unit for unit in units if unit not in gone]


def _reserved(units: Sequence[Unit], *, days: Collection[date]) -> list[Unit]:
    return [unit for unit in units if unit.served_on in days and unit.state == coverage.RESERVED]
