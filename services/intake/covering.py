"""What follows from payers' answers and decisions: units taken and given back, alerts, and requests."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from services.intake import asking, finding, tables
from services.intake.domain import coverage
from services.intake.domain.coverage import Authorization, Coverage, Unit
from services.intake.domain.episodes import Episode
from services.intake.domain.people import Patient
from services.intake.domain.sites import Site
from services.intake.domain.tasks import DONE
from shared.clock import set_timer
from shared.contracts.event import Actor
from shared.contracts.scheduling import ServiceDelivered, SiteClosed
from shared.errors import InvalidInput, NotFound
from shared.ids import new_id
from shared.messaging import announce, announce_all

#: Timer of the moment from which few covered days are left; its key is the authorisation.
AUTHORIZATION_ENDS = "authorization_ends"


def keep_answer(
    db: Session, patient: Patient, data: dict[str, Any], *, tenant_id: str, now: datetime
) -> tuple[Coverage, bool]:
    """Keep a payer's answer, unless a newer one is known; return what is known then, and whether it is new.

    :raises InvalidInput: when the answer lies ahead, or tells days that cannot be.
    """
    if data["answered_at"] > now:
        raise InvalidInput(
            "The payer has not answered yet.", field="answered_at", rule="may not be in the future"
        )
    tables.take_turn(db, tenant_id=tenant_id, about=f"coverage:{patient.patient_id}".encode())
    known = tables.lock_coverage(db, patient_id=patient.patient_id, payer=data["payer"])
    if known is not None and known.answered_at >= data["answered_at"]:
        return known, False
    _, site = tables.newest_episode_at_site(db, patient_id=patient.patient_id)
    answered_at = data["answered_at"]
    days = {name: data[name] for name in ("status", "first_on", "last_on")}
    days["day"] = site.local_day(answered_at) if site is not None else answered_at.date()
    told = {name: value for name, value in data.items() if name not in days}
    if known is None:
        known = Coverage(
            coverage_id=new_id(), journey_id=patient.journey_id, status="UNKNOWN", stretches=[], **told
        )
        known.take_answer(**days)
        db.add(known)
    else:
        known.take_answer(**days)
        if days["status"] != coverage.ACTIVE:
            # It tells nothing of how it paid; earlier days are billed by what it told of that before.
            told = {"answered_at": answered_at}
        for name, value in told.items():
            setattr(known, name, value)
    announce(db, known.answered())
    return known, True


def keep_authorization(
    db: Session, episode: Episode, data: dict[str, Any], *, actor: Actor, now: datetime
) -> Authorization:
    """Keep what a payer decided; a denial asks for a talk with its physician, an approval answers requests.

    :raises NotFound: when the cover is not there, or is somebody else's.
    """
    cover = tables.find_coverage(db, coverage_id=data["coverage_id"])
    if cover is None or cover.patient_id != episode.patient_id:
        raise NotFound("No such cover.", field="coverage_id")
    recorded = tables.authorizations_of(db, episode_id=episode.episode_id)
    for known in recorded:
        if all(getattr(known, name) == value for name, value in data.items()):
            # Told by the desk and by the payer's feed, it is one decision: its units count once.
            return known
    authorization = Authorization(
        authorization_id=new_id(),
        patient_id=episode.patient_id,
        journey_id=episode.journey_id,
        recorded_by=actor.actor_id,
        recorded_by_role=actor.role,
        recorded_at=now,
        **data,
    )
    announce_all(db, coverage.record(authorization))
    for earlier in recorded:
        if authorization.decision == coverage.APPROVED:
            asking.end(db, task_id=earlier.denial_task().task_id, outcome=DONE, at=now)
        asking.end(db, task_id=earlier.review_task_id, outcome=DONE, at=now)
    db.add(authorization)
    if authorization.decision == coverage.DENIED:
        asking.ask(db, authorization.denial_task())
    watch(db, authorization, taken=[], now=now)
    watch_end(db, authorization, taken=[], now=now)
    return authorization


def take_unit(db: Session, authorization: Authorization, *, served_on: date, now: datetime) -> None:
    """Reserve a unit of an authorisation that is locked."""
    taken = tables.units_of(db, authorization_id=authorization.authorization_id)
    unit = authorization.take(served_on, taken=taken, now=now)
    db.add(unit)
    watch(db, authorization, taken=[*taken, unit], now=now)


def release_unit(db: Session, authorization: Authorization, *, served_on: date) -> None:
    """Give a reserved unit back; a used one stays used.

    :raises NoSuchUnit: when none is reserved for the day.
    """
    for unit in tables.units_of(db, authorization_id=authorization.authorization_id):
        if unit.served_on == served_on and unit.state == coverage.RESERVED:
            db.delete(unit)
            db.flush()
            return
    raise coverage.NoSuchUnit("No unit is reserved for the day.", field="served_on", rule="a reserved day")


def use_unit(db: Session, event: ServiceDelivered, ledger: tables.Ledger, *, now: datetime) -> None:
    """Bring the ledger in line with what was delivered on a day: a unit used, or given back.

    A day that finds no unit is unbilled; care never waits for one.

    :param ledger: the episode's, locked; it tells afterwards what is taken then.
    """
    # The one that holds the day's unit comes first, so that no other gives a second one for it.
    holding = [one for one in ledger if any(unit.served_on == event.served_on for unit in one[1])]
    for authorization, taken in [*holding, *(one for one in ledger if one not in holding)]:
        in_time = authorization.first_on <= event.served_on <= authorization.last_on
        if authorization.decision != coverage.APPROVED or not in_time:
            continue
        unit = next((one for one in taken if one.served_on == event.served_on), None)
        if not sum(event.minutes):
            if unit is not None and unit.state == coverage.USED:
                db.delete(unit)
                taken.remove(unit)
            continue
        if unit is None and not authorization.count_units(taken).remaining:
            continue
        if unit is None:
            unit = authorization.take(event.served_on, taken=taken, now=event.told_at)
            db.add(unit)
            taken.append(unit)
        unit.state = coverage.USED
        watch(db, authorization, taken=taken, now=now)
        return


def watch(db: Session, authorization: Authorization, *, taken: Sequence[Unit], now: datetime) -> None:
    """Say that few units are left, once for each mark, and ask for more.

    :param taken: the units that are taken of it.
    """
    alerts = authorization.tell_low(authorization.count_units(taken), now=now)
    if alerts:
        site, closed = _calendar(db, authorization)
        announce_all(db, alerts)
        asking.ask(db, authorization.review_task(site=site, closed=closed, now=now))


def watch_end(db: Session, authorization: Authorization, *, taken: Sequence[Unit], now: datetime) -> None:
    """Say that few days are left, once, and ask for more; or look again when they will be few.

    Days are business days at the site, in its time zone and by its own holidays too: whatever moves the
    last day or a holiday asks anew.

    :param taken: the units that are taken of it.
    """
    if authorization.decision != coverage.APPROVED:
        return
    site, closed = _calendar(db, authorization)
    low_from = authorization.low_from(site=site, closed=closed)
    alerts = authorization.tell_ending(authorization.count_units(taken), low_from=low_from, now=now)
    if alerts:
        announce_all(db, alerts)
        asking.ask(db, authorization.review_task(site=site, closed=closed, now=now))
    if low_from > now:
        set_timer(db, AUTHORIZATION_ENDS, key=authorization.authorization_id, due_at=low_from)


def _calendar(db: Session, authorization: Authorization) -> tuple[Site, frozenset[date]]:
    """Return the site of an authorisation, and the holidays of its own that can matter to it."""
    found = tables.episode_at_site(db, episode_id=authorization.episode_id)
    assert found is not None  # an authorisation is of an episode, which is at a site that is open
    _, site = found
    return site, finding.holidays(db, site, since=site.begin_of(authorization.first_on))


def note_holiday(db: Session, event: SiteClosed, *, now: datetime) -> None:
    """Keep a holiday of a site, and look anew when few days are left of what it shortens."""
    tables.keep_holiday(db, event)
    site = tables.find_site(db, site_id=event.site_id)
    if site is None:
        # Nobody is at a site that is not known here, so nothing is authorised there.
        return
    for authorization in tables.lock_approved_until(
        db, site_id=site.site_id, last_from=site.local_day(max(event.closed_from, now))
    ):
        taken = tables.units_of(db, authorization_id=authorization.authorization_id)
        watch_end(db, authorization, taken=taken, now=now)


def warnings(
    db: Session,
    covers: Sequence[Coverage],
    authorizations: Sequence[Authorization],
    *,
    site: Site,
    now: datetime,
) -> list[str]:
    """Return codes of what stands against a day being paid today. They warn; they never stop care."""
    active = [one for one in covers if one.status == coverage.ACTIVE]
    if not active:
        return ["NO_ACTIVE_COVER"]
    today = site.local_day(now)
    # Payers are asked on the first of each month: cover mostly ends with one. Brief section 7.
    is_old = all(site.local_day(one.answered_at) < today.replace(day=1) for one in active)
    found = ["ELIGIBILITY_NOT_ASKED_THIS_MONTH"] if is_old else []
    if not all(one.needs_authorization for one in active):
        return found
    current = [
        one
        for one in authorizations
        if one.decision == coverage.APPROVED and one.first_on <= today <= one.last_on
    ]
    if not current:
        return [*found, "NO_AUTHORIZATION_TODAY"]
    left = [
        one.count_units(tables.units_of(db, authorization_id=one.authorization_id)).remaining
        for one in current
    ]
    return found if any(left) else [*found, "NO_UNIT_LEFT"]
