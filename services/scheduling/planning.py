"""Standing weeks as the service sees them: found, booked, and found anew when something changes.

All of it runs in the transaction of what caused it, with the site locked: whoever plans or books at the
site waits.
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from functools import partial

from sqlalchemy.orm import Session

from services.scheduling import messages, seating, staffing, tables, vacancies, vetting
from services.scheduling.domain import (
    attendance,
    family,
    groups,
    obligations,
    planner,
    plans,
    records,
    step_downs,
    weeks,
)
from services.scheduling.solving.solver import Solver
from shared.clock import cancel_timer, set_timer
from shared.contracts.event import Event
from shared.contracts.intake import ConsentExpired, ConsentGranted, ConsentRevoked
from shared.messaging import announce, announce_all

#: The timer of the day on which an agreed step-down begins, or is over.
STEP_DOWN_TURNS = "step_down_turns"

#: Plans without a week that are tried again when one seat becomes free; Sunday tries all.
TRIED_AT_ONCE = 20

#: One for all workers of the process: it has one child, which is kept warm.
solver = Solver()


def locked_site(db: Session, site_id: str) -> records.Site:
    """Return a site, locked.

    :raises NoSuchSite: when there is none.
    """
    site = tables.lock_site(db, site_id=site_id)
    if site is None:
        raise records.NoSuchSite(field="site_id", rule="must be a site")
    return site


def fit_of_tracks(
    patient: records.Patient, found: Iterable[groups.Group]
) -> tuple[obligations.TrackFit, ...]:
    """Return how well each track of a site, with its groups, fits what binds a patient, the best first."""
    meetings = plans.meetings_of(groups=found, taken={})
    return obligations.fit_of_tracks(meetings=meetings, bound_by=patient.obligations())


def spans_of_facilitators(found: Iterable[groups.Group]) -> dict[str, list[weeks.Span]]:
    """Return when clinicians are in groups."""
    spans: dict[str, list[weeks.Span]] = {}
    for group in found:
        spans.setdefault(group.facilitator_id, []).extend(group.spans())
    return spans


def timetable_of(db: Session, *found: plans.WeeklyPlan, site_id: str, since: datetime) -> tables.Timetable:
    """Return what the weeks of some plans of a site are found and booked by; the site is locked.

    :raises NoSuchSite: when there is none.
    """
    timetable = tables.lock_timetable(
        db,
        site_id=site_id,
        plan_ids=[plan.plan_id for plan in found],
        patient_ids=[plan.patient_id for plan in found],
        since=since,
    )
    if timetable is None:
        raise records.NoSuchSite(field="site_id", rule="must be a site")
    return timetable


def _therapists(
    timetable: tables.Timetable, *, on: date, besides: plans.WeeklyPlan
) -> list[planner.Therapist]:
    """Return the site's licensed therapists, those with the fewest patients first."""
    in_groups = spans_of_facilitators(timetable.groups.values())
    taken: dict[str, set[tuple[int, time]]] = {}
    for plan_id, hour in timetable.hours.items():
        if plan_id != besides.plan_id:
            taken.setdefault(hour.clinician_id, set()).add((hour.weekday, hour.starts))
    therapists = [
        planner.Therapist(
            clinician_id=clinician.clinician_id,
            taken=frozenset(taken.get(clinician.clinician_id, ())),
            busy=tuple(in_groups.get(clinician.clinician_id, ())),
            states=clinician.counsels_in(on=on),
        )
        for clinician in timetable.staff.values()
        if clinician.may_counsel(on=on)
    ]
    # The sort is stable, so those with equally many keep the order in which they were added.
    return sorted(therapists, key=lambda therapist: len(therapist.taken))


def find_week(
    db: Session,
    plan: plans.WeeklyPlan,
    episode: records.Episode,
    patient: records.Patient,
    timetable: tables.Timetable,
    *,
    at: datetime,
    known: str | None = None,
    because: str | None = None,
    now: datetime | None = None,
) -> list[Event]:
    """Give the plan a standing week from *at* on and book it; return what is to be announced.

    :param timetable: what the site's weeks are planned by, of this plan, as it is now and from *at* on.
    :param now: the present moment, where *at* may be long past: nobody joins a cohort that began
        meanwhile.
    :param known: why none fitted before, where that need not be asked again.
    :param because: what the program could not keep of the week before; the patient is told.
    """
    own, by_id, taken = timetable.places[plan.plan_id], timetable.groups, dict(timetable.taken)
    zone = timetable.site.time_zone
    for place in own:
        taken[place.group_id, place.weekday] = taken.get((place.group_id, place.weekday), set()) - {
            place.number
        }
    request = plans.request_of(
        episode=episode,
        patient=patient,
        held=own,
        held_hour=plan.individual,
        admitted_minute=weeks.minute_of_week(at=at, zone=zone),
        on=weeks.local_day(at=max(at, now or at), zone=zone),
    )
    meetings = plans.meetings_of(
        groups=plans.joinable(
            groups=by_id.values(),
            own=own,
            on=weeks.local_day(at=max(at, now or at), zone=zone),
        ),
        taken={key: len(numbers) for key, numbers in taken.items()},
    )
    therapists = _therapists(timetable, on=plans.licensed_through(at=at, zone=zone), besides=plan)
    there = staffing.without_absences(
        timetable, therapists, own=plan.individual_clinician_id, since=max(at, now or at)
    )
    search = partial(planner.plan_week, request=request, meetings=meetings, solve=solver.solve)
    # Whoever is away is asked only where nobody else has an hour; why there is none is asked once.
    found = search(therapists=there, known=known if there == therapists else "NO_THERAPIST")
    if isinstance(found, planner.NoWeek) and there != therapists:
        found = search(therapists=therapists, known=known)
    if isinstance(found, planner.NoWeek):
        cancel_timer(db, "week_unconfirmed", key=plan.plan_id)
        if known is None:
            plan.note_to_relax(found.obligations)
        return plan.miss_out(reason=found.reason, at=at)
    plan.explained = plans.explain(week=found, request=request, meetings=meetings)
    if plan.has(found, places=own):
        return []
    moved = plan.moved_by(found, places=own)
    caused = plan.adopt(week=found, at=at, because=because)
    set_timer(db, "week_unconfirmed", key=plan.plan_id, due_at=at + plans.CONFIRM_WITHIN)
    touched = {place.group_id for place in own}
    for place in own:
        db.delete(place)
    db.flush()
    kept = {(place.group_id, place.weekday): place.number for place in own}
    places = plans.places_in(plan=plan, week=found, kept=kept, taken=taken, groups=by_id)
    db.add_all(places)
    timetable.places[plan.plan_id] = places
    for place in places:
        if place.number is not None:
            meeting = (place.group_id, place.weekday)
            taken[meeting] = taken.get(meeting, set()) | {place.number}
    timetable.taken.update(taken)
    for group_id in sorted(touched | {place.group_id for place in places}):
        caused += by_id[group_id].tell_places(taken, now=at)
    first_session_at, scheduled = book(
        db,
        timetable,
        [plan],
        after=at,
        through=plans.end_of_next_week(at=at, zone=zone),
        replaces=bool(own),
    )
    # A whole week lies ahead, so every standing meeting has a date.
    caused.append(plan.proposal(week=found, moved=moved, first_session_at=first_session_at or at, at=at))
    caused += messages.of_week(db, plan, now=max(at, now or at))
    return caused + scheduled


def book(
    db: Session,
    timetable: tables.Timetable,
    booked: list[plans.WeeklyPlan],
    *,
    after: datetime,
    through: date,
    replaces: bool = False,
) -> tuple[datetime | None, list[Event]]:
    """Book the plans' dates up to the day *through*; return the first start, and what to announce.

    :param timetable: what the site's weeks are booked by, of these plans, as it is now and from *after* on.
    :param replaces: whether scheduled seats that are no part of the plans any more fall away.
    """
    site = timetable.site
    today = weeks.local_day(at=after, zone=site.time_zone)
    dated: list[plans.DatedSession] = []
    freed: list[str] = []
    for plan in booked:
        last = max(through, plan.booked_through or through)
        first = plan.booked_through + timedelta(days=1) if plan.booked_through else today
        own = plans.dated_sessions(
            plan=plan,
            places=timetable.places[plan.plan_id],
            groups=timetable.groups,
            site=site,
            after=after,
            first=today if replaces else first,
            last=last,
            curricula=timetable.taught,
        )
        if replaces:
            freed += _cancel_seats(db, plan, after=after, keep=[session.seat_id for session in own])
            plan.forget_not_led(after=weeks.monday_of(today))
        plan.booked_through = last
        dated += own
    dated = seating.bookable_dates(timetable, dated)
    there = tables.lock_dates(db, dated=dated, leaders=staffing.leaders_on(timetable, dated))
    led = staffing.led_dates(db, timetable, dated, there, after=after)
    for one in led.left_out:
        if one.clinical_minutes:
            day = weeks.local_day(at=one.starts_at, zone=site.time_zone)
            one.plan.note_not_led(week_starts_on=weeks.monday_of(day))
    dated = led.dated
    new_seats = tables.add_dated(db, site_id=site.site_id, dated=dated, there=there)
    for session in dated:
        if session.session_id not in there.booked:
            set_timer(
                db,
                "attendance_grace_over",
                key=session.session_id,
                due_at=session.starts_at + attendance.GRACE,
            )
    if freed:
        seating.free_seats(db, freed, reason="REPLANNED", now=after)
    first_session_at = min((session.starts_at for session in dated), default=None)
    return first_session_at, [session.scheduled() for session in dated if session.seat_id in new_seats]


def _cancel_seats(
    db: Session, plan: plans.WeeklyPlan, *, after: datetime | None, keep: Iterable[str] = ()
) -> list[str]:
    """Cancel seats of a plan; return the sessions in which others can sit instead."""
    fallen, freed = tables.cancel_seats(db, episode_id=plan.episode_id, after=after, keep=keep)
    for session_id in fallen:
        cancel_timer(db, "attendance_grace_over", key=session_id)
    return freed


def end_plan(
    db: Session, plan: plans.WeeklyPlan, timetable: tables.Timetable, *, at: datetime
) -> list[Event]:
    """End the plan, give its places back and cancel every seat that nobody has judged yet."""
    caused = plan.end(at=at)
    cancel_timer(db, "week_unconfirmed", key=plan.plan_id)
    places = timetable.places[plan.plan_id]
    timetable.free(places)
    for place in places:
        place.number = None
    db.flush()
    _cancel_seats(db, plan, after=None)
    return caused + vacancies.after_leaving(timetable, places, now=at)


def help_those_without_week(
    db: Session,
    site: records.Site,
    *,
    at: datetime,
    at_most: int | None,
    says_why: bool = True,
) -> None:
    """Look again for a week for those who have none, the longest waiting first.

    :param says_why: whether to ask anew what is to be relaxed, which takes several searches each.
    """
    db.flush()
    for plan, episode, patient in tables.plans_without_week(db, site_id=site.site_id, at_most=at_most):
        known = None if says_why else plan.reason
        timetable = timetable_of(db, plan, site_id=plan.site_id, since=at)
        announce_all(db, find_week(db, plan, episode, patient, timetable, at=at, known=known))


def planned(
    db: Session, episode_id: str
) -> tuple[plans.WeeklyPlan, records.Episode, records.Patient, records.Site]:
    """Return the weekly plan of an episode in treatment, with its people and site, locked.

    :raises NoSuchPlan: when it was not admitted, or is over.
    """
    known = tables.plan_of(db, episode_id=episode_id)
    if known is None or known.state == "ENDED":
        raise plans.NoSuchPlan(field="episode_id", rule="must be an episode in treatment")
    plan, episode, patient = tables.plan_with_people(db, episode_id=episode_id)
    site = locked_site(db, plan.site_id)
    # Whoever held the lock before may have changed the plan.
    db.refresh(plan)
    return plan, episode, patient, site


def heed_step_down(
    db: Session,
    plan: plans.WeeklyPlan,
    episode: records.Episode,
    patient: records.Patient,
    site: records.Site,
    *,
    turned: bool,
    now: datetime,
) -> None:
    """Plan the week on what is agreed for today, and come back when that changes by itself.

    :param turned: whether something else is agreed for today than the week follows.
    """
    today = weeks.local_day(at=now, zone=site.time_zone)
    turn = step_downs.next_turn(episode, after=today)
    if turn is None:
        cancel_timer(db, STEP_DOWN_TURNS, key=episode.episode_id)
    else:
        due_at = weeks.moment_of(day=turn, at=datetime.min.time(), zone=site.time_zone)
        set_timer(db, STEP_DOWN_TURNS, key=episode.episode_id, due_at=due_at)
    if plan.awaits_treatment_plan or not turned:
        return
    replan(db, site, plan, episode, patient, gone=[], hour_gone=False, at=now)
    help_those_without_week(db, site, at=now, at_most=TRIED_AT_ONCE, says_why=False)


def keep_week_clear(
    db: Session, patient: records.Patient, episode: records.Episode, *, now: datetime
) -> None:
    """Plan anew when the standing week meets what binds the patient; keep what is clear if none fits.

    :param episode: the patient's present one.
    """
    plan = tables.plan_of(db, episode_id=episode.episode_id)
    if plan is None or plan.state == "ENDED":
        return
    site = locked_site(db, plan.site_id)
    # Whoever held the lock before may have changed the plan.
    db.refresh(plan)
    by_id = {group.group_id: group for group in tables.groups_of_site(db, site_id=site.site_id)}
    places = tables.places_of(db, plan_ids=[plan.plan_id])[plan.plan_id]
    busy = [obligation.span() for obligation in patient.obligations()]
    met = [
        place
        for place in places
        if any(plans.place_span(place=place, group=by_id[place.group_id]).meets(taken) for taken in busy)
    ]
    hour = plan.individual
    hour_met = hour is not None and any(hour.span().meets(taken) for taken in busy)
    through = plans.licensed_through(at=now, zone=site.time_zone)
    otherwise = hour is not None and staffing.meet_otherwise(db, hour, patient, on=through)
    # Whoever is somewhere else from now on may be where the therapist is not licensed.
    hour_met = hour_met or (hour is not None and hour.from_afar and otherwise)
    if met or hour_met or otherwise or plan.reason is not None:
        replan(db, site, plan, episode, patient, gone=met, hour_gone=hour_met, at=now)


def heed_consent(
    db: Session,
    event: ConsentGranted | ConsentRevoked | ConsentExpired,
    *,
    stands: bool,
    now: datetime,
) -> None:
    """Note whether a consent for people close to a patient stands, and what follows for the week."""
    if event.kind != family.CONSENT_KIND:
        return
    patient = tables.lock_patient_of(db, patient_id=event.patient_id, journey_id=event.journey_id)
    before = family.against_sessions(patient)
    family.note_consent(patient, consent_id=event.consent_id, stands=stands)
    plan_family_sessions(db, patient, before=before, now=now)


def plan_family_sessions(db: Session, patient: records.Patient, *, before: str | None, now: datetime) -> None:
    """Plan anew where the treatment plan asks for family sessions and others may come than *before*.

    Where nobody may come any more, what was booked by hand goes too. Whoever wishes family sessions
    brings somebody: theirs stay as they are.
    """
    against = family.against_sessions(patient)
    if against == before or patient.wished().family:
        return
    episode = tables.present_episode_of(db, patient_id=patient.patient_id)
    plan = tables.plan_of(db, episode_id=episode.episode_id) if episode is not None else None
    if episode is None or plan is None or plan.state == "ENDED":
        return
    site = locked_site(db, plan.site_id)
    if against is not None:
        seating.give_up_family(db, patient, now=now)
    if family.FAMILY not in episode.modalities or plan.awaits_treatment_plan:
        return
    # Whoever held the lock before may have changed the plan.
    db.refresh(plan)
    gone: list[plans.Place] = []
    if against is not None:
        by_id = {group.group_id: group for group in tables.groups_of_site(db, site_id=site.site_id)}
        held = tables.places_of(db, plan_ids=[plan.plan_id])[plan.plan_id]
        gone = [place for place in held if by_id[place.group_id].kind == family.FAMILY]
    replan(db, site, plan, episode, patient, gone=gone, hour_gone=False, at=now)


def replan(
    db: Session,
    site: records.Site,
    plan: plans.WeeklyPlan,
    episode: records.Episode,
    patient: records.Patient,
    *,
    gone: list[plans.Place],
    hour_gone: bool,
    at: datetime,
    because: str | None = None,
) -> None:
    """Find another week for a plan; where none fits, keep of it what is not *gone*.

    Somebody who lost one day of treatment is not to lose the others as well.
    """
    timetable = timetable_of(db, plan, site_id=plan.site_id, since=at)
    announce_all(db, find_week(db, plan, episode, patient, timetable, at=at, because=because))
    if plan.reason is None or plan.state != "ACTIVE" or not (gone or hour_gone):
        return
    minutes = sum(timetable.groups[place.group_id].clinical_minutes for place in gone)
    plan.lose(minutes=minutes, hour=hour_gone)
    for place in gone:
        db.delete(place)
    db.flush()
    timetable.free(gone)
    timetable.places[plan.plan_id] = [place for place in timetable.places[plan.plan_id] if place not in gone]
    announce_all(db, vacancies.after_leaving(timetable, gone, now=at))
    through = weeks.local_day(at=at, zone=site.time_zone)
    book(db, timetable, [plan], after=at, through=through, replaces=True)


def begin_awaited_plan(
    db: Session,
    plan: plans.WeeklyPlan | None,
    episode: records.Episode,
    patient: records.Patient,
    *,
    now: datetime,
) -> bool:
    """Begin a plan whose treatment plan has come now; return whether it waited for that."""
    if plan is None or not plan.awaits_treatment_plan:
        return False
    cancel_timer(db, "treatment_plan_late", key=plan.episode_id)
    at = episode.admitted_at or now
    begin_plan(
        db, plan, episode, patient, timetable_of(db, plan, site_id=plan.site_id, since=at), at=at, now=now
    )
    return True


def begin_plan(
    db: Session,
    plan: plans.WeeklyPlan,
    episode: records.Episode,
    patient: records.Patient,
    timetable: tables.Timetable,
    *,
    at: datetime,
    now: datetime,
) -> None:
    """Find the first week, with what is known of the treatment plan; end it if the episode is over."""
    plan.awaits_treatment_plan = False
    caused = find_week(db, plan, episode, patient, timetable, at=at, now=now)
    if episode.discharged_at is None:
        announce_all(db, caused)
    else:
        end_plan(db, plan, timetable, at=episode.discharged_at)
        announce(db, plan.freed())


def look_at_licences(db: Session, site: records.Site, *, through: date, at: datetime) -> None:
    """Find other hours for patients whose therapist's licence runs out, and warn of facilitators'."""
    staff = {one.clinician_id: one for one in tables.clinicians_of_site(db, site_id=site.site_id)}
    for clinician in staff.values():
        # Those added by an older version are watched from now on.
        staffing.watch_credentials(db, clinician, site, now=at)
        vetting.watch(db, clinician, now=at)
    lapsing = {one.clinician_id for one in staff.values() if not one.may_counsel(on=through)}
    for plan, episode, patient in tables.plans_with_therapists(db, clinician_ids=sorted(lapsing)):
        replan(db, site, plan, episode, patient, gone=[], hour_gone=True, at=at)
    for plan, episode, patient in tables.plans_met_from_afar(db, site_id=site.site_id):
        leader = staff.get(plan.individual_clinician_id or "")
        if not staffing.may_meet(leader, plan.individual, patient, on=through):
            replan(db, site, plan, episode, patient, gone=[], hour_gone=True, at=at)
