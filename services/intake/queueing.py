"""The waiting list for admission: what its ways in do, one at a time for each site."""

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from services.intake import asking, tables, writing
from services.intake.domain import admission_clocks as clocks
from services.intake.domain import admission_waits as waits
from services.intake.domain import tasks
from services.intake.domain.admission_waits import AdmissionSeat, AdmissionWait
from services.intake.domain.episodes import Episode
from services.intake.domain.sites import Site
from shared.clock import cancel_timer, set_timer
from shared.contracts.event import Actor
from shared.contracts.intake import ADMISSION_CLOCKS
from shared.database import origin_of
from shared.errors import InvalidInput, NotFound
from shared.ids import derived_id, new_id
from shared.messaging import announce, announce_all

#: Timer of the end of an offer; its key is the entry of the list.
OFFER_ENDS = "admission_offer_ends"
#: Timer of a clock of the law; its key is the entry of the list and the clock.
CLOCK_RUNS_OUT = "admission_clock_runs_out"


def take_turn(db: Session, site_id: str) -> None:
    """Wait until nobody else gives out seats of a site: of two who want the last one, one gets it."""
    tables.take_turn(db, tenant_id=origin_of(db).tenant_id, about=f"admission-seats:{site_id}".encode())


def join(db: Session, episode: Episode, site: Site, data: dict[str, Any], *, now: datetime) -> AdmissionWait:
    """Put somebody on the list, start the clocks of the law, and offer a seat if one is free."""
    take_turn(db, site.site_id)
    referral = tables.find_referral(db, referral_id=episode.referral_id)
    assessment = tables.find_assessment(db, assessment_id=episode.assessment_id)
    pregnant = bool(assessment and assessment.findings.get("pregnant"))
    pregnant = pregnant or bool(referral and referral.pregnant)
    injecting = bool(referral and referral.injecting)
    wait = waits.join(
        wait_id=new_id(),
        episode=episode,
        site=site,
        earlier=tables.newest_admission_wait(db, episode_id=episode.episode_id),
        pregnant=pregnant if data["pregnant"] is None else data["pregnant"],
        injecting=injecting if data["injecting"] is None else data["injecting"],
        asked_at=referral.waits_since if referral else episode.opened_at,
        now=now,
    )
    db.add(wait)
    announce(db, wait.began())
    for clock in clocks.clocks_of(wait):
        _start(db, wait, clock, opened_at=now)
    offer_seats(db, site.site_id, now=now)
    return wait


def _start(db: Session, wait: AdmissionWait, clock: str, *, opened_at: datetime) -> None:
    asking.ask(db, clocks.task(wait, clock, opened_at=opened_at))
    set_timer(
        db,
        CLOCK_RUNS_OUT,
        key=f"{wait.wait_id}:{clock}",
        due_at=clocks.looked_at(wait, clock, asked_at=opened_at),
        data={"wait_id": wait.wait_id, "clock": clock},
    )


def add_seats(db: Session, site_id: str, seat_ids: list[str], *, freed_at: datetime, now: datetime) -> None:
    """Take in that places became free, each once, and offer them in the order of the law."""
    take_turn(db, site_id)
    for seat_id in seat_ids:
        if tables.find_admission_seat(db, seat_id=seat_id) is None:
            db.add(AdmissionSeat(seat_id=seat_id, site_id=site_id, freed_at=freed_at))
    offer_seats(db, site_id, now=now)


def offer_seats(db: Session, site_id: str, *, now: datetime) -> None:
    """Offer what is free to those who are next; the turn is ours."""
    db.flush()
    free = tables.free_admission_seats(db, site_id=site_id)
    if not free:
        return
    for wait, seat in waits.match(free, tables.open_admission_waits(db, site_id=site_id)):
        offered = wait.offer(seat, now=now)
        announce(db, offered)
        set_timer(db, OFFER_ENDS, key=wait.wait_id, due_at=offered.expires_at)
        asking.ask(db, wait.offer_task(at=now))
        writing.write_to(
            db,
            patient_id=wait.patient_id,
            site_id=site_id,
            episode_id=wait.episode_id,
            notification_id=derived_id(wait.wait_id, "seat offered", str(wait.offers)),
            template="NEWS_FOR_YOU",
            give_up_after=waits.OFFER_LASTS,
            now=now,
        )


def accept(db: Session, wait: AdmissionWait, *, now: datetime) -> None:
    """Promise a seat to whoever takes it."""
    wait.check_waiting()
    seat = _seat_of(db, wait)
    announce(db, wait.accept(seat, now=now))
    _end_offer(db, wait, outcome=tasks.DONE, at=now)
    asking.ask(db, wait.promised_task(at=now))


def decline(db: Session, wait: AdmissionWait, *, now: datetime) -> None:
    """Let the next have the seat."""
    wait.check_waiting()
    seat = _seat_of(db, wait)
    announce(db, wait.decline(seat, now=now))
    _end_offer(db, wait, outcome=tasks.DONE, at=now)
    offer_seats(db, wait.site_id, now=now)


def expire(db: Session, wait: AdmissionWait, *, at: datetime) -> None:
    """End an offer that nobody took, and offer the seat to the next in order."""
    seat = _seat_of(db, wait)
    if wait.state != waits.OFFERED or seat is None or wait.offer_expires_at != at:
        return
    announce(db, wait.give_back(seat, outcome="EXPIRED", now=at))
    _end_offer(db, wait, outcome=tasks.WITHDRAWN, at=at)
    asking.ask(db, wait.missed_task(at=at))
    offer_seats(db, wait.site_id, now=at)


def remove(db: Session, wait: AdmissionWait, site: Site, *, reason: str, actor: Actor, now: datetime) -> None:
    """Take somebody off the list, with a reason; a seat that they had goes to the next."""
    wait.check_waiting()
    seat = _seat_of(db, wait)
    if seat is not None:
        _end_offer(db, wait, outcome=tasks.WITHDRAWN, at=now)
        announce(db, wait.give_back(seat, outcome="WITHDRAWN", now=now))
    _end(db, wait, site, state=waits.REMOVED, reason=reason, actor=actor, now=now)
    offer_seats(db, wait.site_id, now=now)


def note_admission(db: Session, episode: Episode, site: Site, *, actor: Actor, now: datetime) -> None:
    """Count the seat that an admission takes, and end the waiting of whoever was admitted.

    Somebody admitted past the list, such as one who comes back after a lapse, takes a seat all the same:
    where none is free, that of the last who has not accepted, who waits on in their place. The supervisor
    looks at it: the order of the law was not kept, and somebody answers for that.
    """
    take_turn(db, site.site_id)
    waiting = tables.open_admission_waits(db, site_id=site.site_id)
    own = next((one for one in waiting if one.episode_id == episode.episode_id), None)
    seat = _seat_of(db, own) if own else None
    if seat is None:
        seat = next(iter(tables.free_admission_seats(db, site_id=site.site_id)), None)
    others = [one for one in waiting if one is not own]
    if seat is None and (giving_way := waits.last_offered(others)) is not None:
        seat = _seat_of(db, giving_way)
        if seat is not None:
            _end_offer(db, giving_way, outcome=tasks.WITHDRAWN, at=now)
            announce(db, giving_way.give_back(seat, outcome="WITHDRAWN", now=now))
            asking.ask(db, giving_way.passed_over_task(at=now))
    if own is not None:
        if seat is not None and own.state == waits.OFFERED:
            announce(db, own.promise(seat, now=now))
        _end_offer(db, own, outcome=tasks.DONE, at=now)
        _end(db, own, site, state=waits.ADMITTED, reason=None, actor=actor, now=now)
    if seat is not None:
        seat.state, seat.wait_id = waits.TAKEN, own.wait_id if own else None


def leave_with_episode(db: Session, episode: Episode, *, reason: str, actor: Actor, now: datetime) -> None:
    """Take somebody off the list whose episode ended otherwise."""
    wait = _waiting_in(db, episode)
    site = tables.find_site(db, site_id=episode.site_id)
    if wait is not None and site is not None:
        remove(db, wait, site, reason=reason, actor=actor, now=now)


def note_what_is_known(
    db: Session, episode: Episode, *, pregnant: bool = False, injecting: bool = False, now: datetime
) -> None:
    """Give somebody who waits the place, and the clocks, that the law gives by what became known of them.

    What was known before stays: that nobody says it again takes nobody's place away.
    """
    wait = _waiting_in(db, episode)
    if wait is None or (pregnant <= wait.pregnant and injecting <= wait.injecting):
        return
    running = clocks.clocks_of(wait)
    if pregnant and not wait.pregnant:
        # For a pregnant woman interim services are more: they are asked for anew.
        running.pop(clocks.INTERIM, None)
        for task_id in clocks.task_ids(wait, clocks=(clocks.INTERIM,)):
            asking.end(db, task_id=task_id, outcome=tasks.WITHDRAWN, at=now)
    wait.pregnant, wait.injecting = wait.pregnant or pregnant, wait.injecting or injecting
    if not clocks.required_of(wait) <= set(wait.interim_services):
        wait.interim_completed_at = None
    for clock in clocks.clocks_of(wait).keys() - running.keys():
        _start(db, wait, clock, opened_at=now)


def provide_interim(
    db: Session, wait: AdmissionWait, *, services: list[str], provided_at: datetime, now: datetime
) -> None:
    """Note interim services; once they are whole, nobody is asked for them any more."""
    announce_all(db, clocks.provide(wait, services=services, provided_at=provided_at, now=now))
    if wait.interim_completed_at is not None:
        cancel_timer(db, CLOCK_RUNS_OUT, key=f"{wait.wait_id}:{clocks.INTERIM}")
        for task_id in clocks.task_ids(wait, clocks=(clocks.INTERIM,)):
            asking.end(db, task_id=task_id, outcome=tasks.DONE, at=now)


def run_out(db: Session, wait: AdmissionWait, clock: str, *, at: datetime) -> None:
    """Tell that a clock of the law has run out, and ask who leads; or go on where 120 days are lawful."""
    events, task = clocks.run_out(wait, clock, at=at)
    if task is None:
        return
    announce_all(db, events)
    asking.end(db, task_id=clocks.task_id(wait, clock), outcome=tasks.ESCALATED, at=at)
    if events:
        asking.ask(db, task)
    if clock == clocks.FIRST:
        # Whether it is lawful or late: nobody waits beyond 120 days unseen.
        _start(db, wait, clocks.LAST, opened_at=at)


def _waiting_in(db: Session, episode: Episode) -> AdmissionWait | None:
    """Return whoever waits in an episode, with the turn of the site; none where nobody does."""
    known = tables.newest_admission_wait(db, episode_id=episode.episode_id)
    if known is None or not known.is_waiting:
        return None
    wait = locked(db, known.wait_id)
    # Somebody may have taken them off meanwhile.
    return wait if wait.is_waiting else None


def locked(db: Session, wait_id: str) -> AdmissionWait:
    """Return an entry of the list with the turn of its site: nobody else gives out seats meanwhile.

    :raises NotFound: when there is none.
    """
    wait = tables.find_admission_wait(db, wait_id=wait_id)
    if wait is None:
        raise NotFound("Nobody waits there.", field="wait_id")
    take_turn(db, wait.site_id)
    # Whoever had the turn before may have changed it.
    db.refresh(wait)
    return wait


def positions(db: Session, site_id: str) -> list[dict[str, Any]]:
    """Return who waits at a site in the order of the law, for the staff alone."""
    ordered = waits.in_order(tables.open_admission_waits(db, site_id=site_id))
    return [{"position": place, "wait": one} for place, one in enumerate(ordered, start=1)]


def seats_of(db: Session, site_id: str) -> dict[str, Any]:
    """Return how many seats of a site nobody was offered, and how many people wait."""
    db.flush()
    return {
        "site_id": site_id,
        "free": len(tables.free_admission_seats(db, site_id=site_id)),
        "waiting": len(tables.open_admission_waits(db, site_id=site_id)),
    }


def report(db: Session, site: Site, *, first: date, last: date) -> dict[str, Any]:
    """Return how long people waited who were admitted on some days, in the buckets of TEDS.

    :raises InvalidInput: when the days end before they begin.
    """
    if last < first:
        raise InvalidInput("The days end before they begin.", field="last_on", rule="not before first_on")
    counts = [0] * len(waits.DAYWAIT_FROM)
    for asked_at, admitted_at in tables.waited_for_admission(
        db,
        site_id=site.site_id,
        since=site.begin_of(first),
        until=site.begin_of(last + timedelta(days=1)),
    ):
        days = waits.days_between(site, asked_at=asked_at, at=admitted_at)
        counts[waits.daywait(days)] += 1
    begins = [*waits.DAYWAIT_FROM, None]
    buckets = [
        {"daywait": code, "from_days": begins[code], "below_days": begins[code + 1], "admissions": count}
        for code, count in enumerate(counts)
    ]
    return {"site_id": site.site_id, "admissions": sum(counts), "buckets": buckets}


def _end(
    db: Session,
    wait: AdmissionWait,
    site: Site,
    *,
    state: str,
    reason: str | None,
    actor: Actor,
    now: datetime,
) -> None:
    days = waits.days_between(site, asked_at=wait.asked_at, at=now)
    announce(db, wait.end(state=state, reason=reason, days=days, actor=actor, now=now))
    outcome = tasks.DONE if state == waits.ADMITTED else tasks.WITHDRAWN
    for clock in ADMISSION_CLOCKS:
        cancel_timer(db, CLOCK_RUNS_OUT, key=f"{wait.wait_id}:{clock}")
    for task_id in (*clocks.task_ids(wait), *wait.missed_task_ids()):
        asking.end(db, task_id=task_id, outcome=outcome, at=now)


def _seat_of(db: Session, wait: AdmissionWait) -> AdmissionSeat | None:
    return tables.find_admission_seat(db, seat_id=wait.seat_id) if wait.seat_id else None


def _end_offer(db: Session, wait: AdmissionWait, *, outcome: str, at: datetime) -> None:
    cancel_timer(db, OFFER_ENDS, key=wait.wait_id)
    for task_id in wait.task_ids():
        asking.end(db, task_id=task_id, outcome=outcome, at=at)
