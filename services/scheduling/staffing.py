"""Who leads what: credentials that run out, absences, and sessions that change hands.

All of it runs in the transaction of what caused it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from sqlalchemy.orm import Session

from services.scheduling import tables
from services.scheduling.domain import attendance, clinicians, planner, plans, records, telehealth, weeks
from services.scheduling.seating import write_down
from shared.clock import cancel_timer, set_timer
from shared.contracts.event import Event
from shared.contracts.scheduling import SessionReassigned
from shared.ids import derived_id
from shared.messaging import announce, announce_all

#: Why a session stays with whoever has it when a caseload is handed over.
NOT_LICENSED, AWAY, ELSEWHERE = "NOT_LICENSED", "AWAY", "ELSEWHERE"
#: Likewise, of an hour from afar: the licence is not of the state in which the patient is.
NOT_LICENSED_THERE = "NOT_LICENSED_THERE"


@dataclass(frozen=True, kw_only=True)
class HandOver:
    """What became of a caseload: sessions that changed hands, and those that did not, with the reason."""

    moved: list[attendance.Session]
    left: list[tuple[attendance.Session, str]]
    groups_moved: int = 0
    hours_moved: int = 0


@dataclass(frozen=True, kw_only=True)
class Led:
    """Dates that can be booked, each with who leads it, and those that nobody is free to lead."""

    dated: list[plans.DatedSession]
    left_out: list[plans.DatedSession]


def clinician_of(db: Session, clinician_id: str, *, field: str = "clinician_id") -> clinicians.Clinician:
    """Return a clinician, locked.

    :raises NoSuchClinician: when there is none.
    """
    found = db.get(clinicians.Clinician, clinician_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise clinicians.NoSuchClinician(field=field, rule="must be a clinician")
    return found


# --- Credentials ----------------------------------------------------------------------------------


def watch_credentials(
    db: Session, clinician: clinicians.Clinician, site: records.Site, *, now: datetime, tell: bool = True
) -> None:
    """Ask for renewals that are due, tell of what has run out, and come back when the next is.

    :param tell: whether credentials that had run out before they were recorded are told as news.
    """
    today = weeks.local_day(at=now, zone=site.time_zone)
    announce_all(db, clinician.watch(today=today, zone=site.time_zone, now=now))
    # Those added by an older version are told of by the weekly round.
    announce_all(db, clinician.tell_credentials(now=now))
    expired = clinician.newly_expired(today=today)
    if tell and expired:
        affected = uncovered(db, clinician, site, now=now)
        for row in expired:
            announce(db, clinician.expired(row, sessions_affected=len(affected)))
        if affected:
            asked = clinician.ask_to_reassign(
                reason="CREDENTIAL_EXPIRED",
                about=max(row["expires_on"] for row in expired),
                due_at=affected[0].starts_at,
                now=now,
            )
            announce_all(db, asked)
    due_at = clinician.next_watch(after=now, zone=site.time_zone)
    if due_at is None:
        cancel_timer(db, "credential_watch", key=clinician.clinician_id)
    else:
        set_timer(db, "credential_watch", key=clinician.clinician_id, due_at=due_at)


def uncovered(
    db: Session, clinician: clinicians.Clinician, site: records.Site, *, now: datetime
) -> list[attendance.Session]:
    """Return the sessions to come that a clinician has but cannot lead, by their start."""
    away = tables.absences_of(db, clinician_ids=[clinician.clinician_id], since=now)[clinician.clinician_id]
    led = tables.sessions_led_by(db, clinician_id=clinician.clinician_id, after=now)
    states = _states_of_patients(db, led)
    return [
        session
        for session in led
        if _obstacle(clinician, session, away=away, state=states.get(session.session_id), zone=site.time_zone)
        is not None
    ]


def settle(db: Session, clinician: clinicians.Clinician, site: records.Site, *, now: datetime) -> None:
    """Close what asks for somebody else, once no session of a clinician needs one."""
    db.flush()
    if clinician.reassigning and not uncovered(db, clinician, site, now=now):
        announce_all(db, clinician.settle_reassignment(now=now))


def leaders_on(timetable: tables.Timetable, dated: Iterable[plans.DatedSession]) -> set[str]:
    """Return who may lead dates: their clinicians, and those who stand in for somebody."""
    absences = [absence for away in timetable.away.values() for absence in away]
    stand_ins = {absence.stand_in_id for absence in absences if absence.stand_in_id is not None}
    return {one.facilitator_id for one in dated} | stand_ins


def led_dates(
    db: Session,
    timetable: tables.Timetable,
    dated: list[plans.DatedSession],
    there: tables.OnDates,
    *,
    after: datetime,
) -> Led:
    """Find somebody with a valid credential for each new date, who is there and leads nothing else then.

    Whoever stands in while the clinician is away leads instead. Where nobody can, the date is left out
    and somebody is asked: it keeps no other date from being booked.
    """
    booked, busy, site = there.booked, there.busy, timetable.site
    unique = {one.session_id: one for one in dated if one.session_id not in booked}
    new = sorted(unique.values(), key=lambda one: (one.starts_at, one.session_id))
    if not new:
        return Led(dated=dated, left_out=[])
    staff, away = timetable.staff, timetable.away
    states = _states_on_dates(db, new)
    leaders: dict[str, str] = {}
    against: dict[str, str] = {}
    for one in new:
        leader = staff.get(one.facilitator_id)
        why = (
            _obstacle(
                leader,
                one,
                away=away[one.facilitator_id],
                state=states.get(one.session_id),
                zone=site.time_zone,
            )
            if leader
            else None
        )
        if why is None and _overlaps(one, busy[one.facilitator_id]):
            why = ELSEWHERE
        if why is None:
            leaders[one.session_id] = one.facilitator_id
            busy[one.facilitator_id].append((one.starts_at, one.ends_at))
        else:
            against[one.session_id] = why
    # What the others lead themselves goes before what they stand in for.
    standing = _standing(db, site) if against else {}
    for one in new:
        if one.session_id not in against:
            continue
        stand_in = _stand_in(
            one,
            staff=staff,
            away=away,
            busy=busy,
            standing=standing,
            state=states.get(one.session_id),
            zone=site.time_zone,
        )
        if stand_in is not None:
            leaders[one.session_id] = stand_in.clinician_id
            busy[stand_in.clinician_id].append((one.starts_at, one.ends_at))
        elif (leader := staff.get(one.facilitator_id)) is not None:
            announce_all(db, _ask_who_leads(leader, one, against[one.session_id], site, now=after))
    return Led(
        dated=[
            replace(one, facilitator_id=leaders.get(one.session_id, one.facilitator_id))
            for one in dated
            if one.session_id in booked or one.session_id in leaders
        ],
        left_out=[one for one in dated if one.session_id in unique and one.session_id not in leaders],
    )


def _stand_in(
    one: plans.DatedSession,
    *,
    staff: Mapping[str, clinicians.Clinician],
    away: Mapping[str, list[clinicians.Absence]],
    busy: Mapping[str, list[tuple[datetime, datetime]]],
    standing: Mapping[str, list[weeks.Span]],
    state: str | None,
    zone: str,
) -> clinicians.Clinician | None:
    """Return who was named to lead a date while its clinician is away, if they can."""
    absence = clinicians.away(away.get(one.facilitator_id, ()), starts_at=one.starts_at, ends_at=one.ends_at)
    found = staff.get(absence.stand_in_id) if absence is not None and absence.stand_in_id else None
    if found is None:
        return None
    if _obstacle(found, one, away=away[found.clinician_id], state=state, zone=zone) is not None:
        return None
    stretch = weeks.span_of(starts_at=one.starts_at, ends_at=one.ends_at, zone=zone)
    if _overlaps(one, busy[found.clinician_id]) or any(
        stretch.meets(taken) for taken in standing.get(found.clinician_id, ())
    ):
        return None
    return found


def _ask_who_leads(
    leader: clinicians.Clinician, one: plans.DatedSession, why: str, site: records.Site, *, now: datetime
) -> list[Event]:
    """Ask, once for each week, for somebody who leads a date that its clinician does not."""
    reasons = {
        NOT_LICENSED: "CREDENTIAL_EXPIRED",
        NOT_LICENSED_THERE: "NOT_LICENSED_WHERE_PATIENT_IS",
        AWAY: "CLINICIAN_AWAY",
        ELSEWHERE: "CLINICIAN_ELSEWHERE",
    }
    week = weeks.monday_of(weeks.local_day(at=one.starts_at, zone=site.time_zone))
    return leader.ask_to_reassign(
        reason=reasons[why], about=f"dates of the week of {week}", due_at=one.starts_at, now=now
    )


def _standing(db: Session, site: records.Site) -> dict[str, list[weeks.Span]]:
    """Return when each clinician of a site has a standing group or hour."""
    found: dict[str, list[weeks.Span]] = {}
    for group in tables.groups_of_site(db, site_id=site.site_id):
        found.setdefault(group.facilitator_id, []).extend(group.spans())
    for clinician_id, hours in tables.hours_taken(db, site_id=site.site_id, besides=None).items():
        found.setdefault(clinician_id, []).extend(hour.span() for hour in hours)
    return found


def _overlaps(
    session: attendance.Session | plans.DatedSession, taken: Iterable[tuple[datetime, datetime]]
) -> bool:
    return any(begins < session.ends_at and session.starts_at < ends for begins, ends in taken)


def without_absences(
    timetable: tables.Timetable,
    therapists: list[planner.Therapist],
    *,
    own: str | None,
    since: datetime,
) -> list[planner.Therapist]:
    """Return therapists as they are there from a moment to the next weekly booking's last day, in order.

    :param own: the patient's own therapist, who stays theirs while away.
    """
    zone = timetable.site.time_zone
    through = plans.licensed_through(at=since, zone=zone)
    until = weeks.moment_of(day=through + timedelta(days=1), at=time(0), zone=zone)
    return [
        replace(
            one,
            busy=(
                *one.busy,
                *(
                    weeks.span_of(
                        starts_at=max(absence.starts_at, since),
                        # A week away is every week away.
                        ends_at=min(
                            absence.ends_at, until, max(absence.starts_at, since) + timedelta(days=7)
                        ),
                        zone=zone,
                    )
                    for absence in timetable.away[one.clinician_id]
                    if since < absence.ends_at and absence.starts_at < until and one.clinician_id != own
                ),
            ),
        )
        for one in therapists
    ]


# --- Absences and hand-overs ----------------------------------------------------------------------


def record_absence(
    db: Session,
    clinician: clinicians.Clinician,
    site: records.Site,
    *,
    absence: clinicians.Absence,
    stand_in: clinicians.Clinician | None,
    now: datetime,
) -> HandOver:
    """Keep that a clinician is away; who stands in takes the sessions, for the rest somebody is asked."""
    db.add(absence)
    db.flush()
    # Also those in whose middle it begins: no session lasts longer.
    reaching = absence.starts_at - attendance.LONGEST_SESSION
    led = tables.sessions_led_by(
        db, clinician_id=clinician.clinician_id, after=max(reaching, now), until=absence.ends_at
    )
    sessions = [session for session in led if session.ends_at > absence.starts_at]
    done = HandOver(moved=[], left=[(session, AWAY) for session in sessions])
    if stand_in is not None:
        done = _give(db, sessions, stand_in, site, now=now)
    if done.left:
        asked = clinician.ask_to_reassign(
            reason=f"CLINICIAN_{absence.reason}",
            about=absence.absence_id,
            due_at=done.left[0][0].starts_at,
            now=now,
        )
        announce_all(db, asked)
    return done


def hand_over(
    db: Session,
    clinician: clinicians.Clinician,
    to: clinicians.Clinician,
    site: records.Site,
    *,
    since: datetime,
    until: datetime | None,
    now: datetime,
) -> HandOver:
    """Give a clinician's sessions of a stretch of time to another; without an end, for good.

    For good, the groups and the standing hours with patients change hands as well. What the other
    cannot take stays, with the reason.
    """
    start = max(since, now)
    sessions = tables.sessions_led_by(db, clinician_id=clinician.clinician_id, after=start, until=until)
    done = _give(db, sessions, to, site, now=now)
    if until is None:
        today = weeks.local_day(at=now, zone=site.time_zone)
        moved_groups, moved_hours = 0, 0
        at_site = tables.groups_of_site(db, site_id=site.site_id)
        hours = tables.hours_taken(db, site_id=site.site_id, besides=None)
        busy = [
            span for group in at_site if group.facilitator_id == to.clinician_id for span in group.spans()
        ]
        busy += [hour.span() for hour in hours.get(to.clinician_id, ())]
        for group in at_site:
            clash = any(own.meets(taken) for own in group.spans() for taken in busy)
            if group.facilitator_id == clinician.clinician_id and to.may_lead(on=today) and not clash:
                group.facilitator_id = to.clinician_id
                busy += group.spans()
                moved_groups += 1
        for plan, _, patient in tables.plans_with_therapists(db, clinician_ids=[clinician.clinician_id]):
            hour = plan.individual
            clash = hour is not None and any(hour.span().meets(taken) for taken in busy)
            if hour is not None and may_meet(to, hour, patient, on=today) and not clash:
                plan.individual_clinician_id = to.clinician_id
                busy.append(hour.span())
                moved_hours += 1
        write_down(db)
        done = HandOver(moved=done.moved, left=done.left, groups_moved=moved_groups, hours_moved=moved_hours)
    settle(db, clinician, site, now=now)
    return done


def assign(
    db: Session,
    session: attendance.Session,
    to: clinicians.Clinician,
    site: records.Site,
    *,
    now: datetime,
    field: str = "clinician_id",
) -> None:
    """Have somebody lead one session.

    :param field: the request's field that names them.
    :raises CredentialNotValid: when their credentials of that day are not enough.
    :raises NotLicensedThere: when it is a patient's hour from afar, and they are no licensed therapist of the
        state in which the patient is.
    :raises ClinicianElsewhere: when they lead another one then, have a standing group or hour, or are
        away.
    """
    away = tables.absences_of(db, clinician_ids=[to.clinician_id], since=now)[to.clinician_id]
    state = _states_of_patients(db, [session]).get(session.session_id)
    why = _obstacle(to, session, away=away, state=state, zone=site.time_zone)
    if why == NOT_LICENSED:
        raise clinicians.CredentialNotValid(field=field, rule="needs a valid credential on that day")
    if why == NOT_LICENSED_THERE:
        raise telehealth.NotLicensedThere(
            field=field, rule="a therapist with an unexpired licence of the state in which the patient is"
        )
    if why is not None:
        raise clinicians.ClinicianElsewhere(field=field, rule="is away at that time")
    _check_standing(db, session, to, site, field=field)
    before = session.facilitator_id
    _reassign(db, session, to, now=now)
    write_down(db)
    former = db.get(clinicians.Clinician, before)
    if former is not None:
        settle(db, former, site, now=now)


def may_meet(
    clinician: clinicians.Clinician | None,
    hour: planner.IndividualSlot | None,
    patient: records.Patient,
    *,
    on: date,
) -> bool:
    """Tell whether a clinician may have a patient's hour on a day: from afar, a therapist of that state."""
    if clinician is None or hour is None:
        return False
    if not hour.from_afar:
        return clinician.may_counsel(on=on)
    return patient.wished().telehealth_state in clinician.counsels_in(on=on)


def meet_otherwise(db: Session, hour: planner.IndividualSlot, patient: records.Patient, *, on: date) -> bool:
    """Tell whether a patient's hour is from afar and may not be, or is in person and need not be."""
    wishes = patient.wished()
    if not hour.from_afar and not (wishes.telehealth and wishes.telehealth_state):
        return False
    leader = db.get(clinicians.Clinician, hour.clinician_id)
    return may_meet(leader, replace(hour, mode="VIDEO"), patient, on=on) != hour.from_afar


def _check_standing(
    db: Session, session: attendance.Session, to: clinicians.Clinician, site: records.Site, *, field: str
) -> None:
    """Refuse a session at whose time somebody has a standing group or hour of which it is no date.

    Of a group's date that is booked, or was called off, the sessions themselves tell.

    :raises ClinicianElsewhere: when a group, or a patient's hour, has the clinician then.
    """
    stretch = weeks.span_of(starts_at=session.starts_at, ends_at=session.ends_at, zone=site.time_zone)
    day = weeks.local_day(at=session.starts_at, zone=site.time_zone)
    dates = [
        plans.date_of(group, day=day)
        for group in tables.groups_of_site(db, site_id=site.site_id)
        if group.facilitator_id == to.clinician_id and any(span.meets(stretch) for span in group.spans())
    ]
    if set(dates) - {session.session_id} - tables.sessions_booked(db, session_ids=dates):
        raise clinicians.ClinicianElsewhere(field=field, rule="leads a group at that time")
    hours = tables.hours_taken(db, site_id=site.site_id, besides=_plan_of_hour(db, session))
    if any(hour.span().meets(stretch) for hour in hours.get(to.clinician_id, ())):
        raise clinicians.ClinicianElsewhere(field=field, rule="is with a patient at that time")


def _plan_of_hour(db: Session, session: attendance.Session) -> str | None:
    """Return the plan whose weekly hour a session is a date of, if it is one."""
    if session.kind != "INDIVIDUAL":
        return None
    for seat in tables.seats_of(db, session_id=session.session_id):
        plan = tables.plan_of(db, episode_id=seat.episode_id)
        if plan is not None and seat.state not in attendance.GIVEN_UP:
            return plan.plan_id
    return None


def _give(
    db: Session,
    sessions: Iterable[attendance.Session],
    to: clinicians.Clinician,
    site: records.Site,
    *,
    now: datetime,
) -> HandOver:
    """Give sessions to somebody, as far as they can take them."""
    away = tables.absences_of(db, clinician_ids=[to.clinician_id], since=now)[to.clinician_id]
    own = [
        (one.starts_at, one.ends_at)
        for one in tables.sessions_led_by(db, clinician_id=to.clinician_id, after=None)
    ]
    given = list(sessions)
    states = _states_of_patients(db, given)
    moved: list[attendance.Session] = []
    left: list[tuple[attendance.Session, str]] = []
    for session in given:
        why = _obstacle(to, session, away=away, state=states.get(session.session_id), zone=site.time_zone)
        if why is None and _overlaps(session, own):
            why = ELSEWHERE
        if why is not None:
            left.append((session, why))
            continue
        own.append((session.starts_at, session.ends_at))
        _reassign(db, session, to, now=now)
        moved.append(session)
    write_down(db)
    return HandOver(moved=moved, left=left)


def _reassign(db: Session, session: attendance.Session, to: clinicians.Clinician, *, now: datetime) -> None:
    before = session.facilitator_id
    if before == to.clinician_id:
        return
    session.facilitator_id = to.clinician_id
    announce(
        db,
        SessionReassigned(
            session_id=session.session_id,
            site_id=session.site_id,
            from_facilitator_id=before,
            to_facilitator_id=to.clinician_id,
            starts_at=session.starts_at,
            reassigned_at=now,
        ),
    )


def _obstacle(
    clinician: clinicians.Clinician,
    session: attendance.Session | plans.DatedSession,
    *,
    away: Iterable[clinicians.Absence],
    state: str | None,
    zone: str,
) -> str | None:
    """Return what keeps a clinician from leading a session, if anything does.

    :param state: where the patient is during an hour from afar; None for every other session, and where
        nobody told.
    """
    day = weeks.local_day(at=session.starts_at, zone=zone)
    if not clinician.may_take(kind=session.kind, on=day):
        return NOT_LICENSED
    if state is not None and state not in clinician.counsels_in(on=day):
        return NOT_LICENSED_THERE
    if clinicians.away(away, starts_at=session.starts_at, ends_at=session.ends_at) is not None:
        return AWAY
    return None


def _is_hour_from_afar(session: attendance.Session | plans.DatedSession) -> bool:
    return session.kind == "INDIVIDUAL" and session.mode != "IN_PERSON"


def _states_of_patients(db: Session, sessions: Iterable[attendance.Session]) -> dict[str, str]:
    """Return where the patient is during each hour from afar that is booked, as far as that was told."""
    ids = [session.session_id for session in sessions if _is_hour_from_afar(session)]
    return tables.states_in_sessions(db, session_ids=ids) if ids else {}


def _states_on_dates(db: Session, dated: Iterable[plans.DatedSession]) -> dict[str, str]:
    """Return where the patient is on each date of an hour from afar, as far as that was told."""
    patients = {one.session_id: one.plan.patient_id for one in dated if _is_hour_from_afar(one)}
    states = tables.states_of(db, patient_ids=patients.values()) if patients else {}
    return {
        session_id: states[patient_id] for session_id, patient_id in patients.items() if patient_id in states
    }


# --- One-off sessions -----------------------------------------------------------------------------


def new_session_id(call_id: str) -> str:
    """Return the id of a session that one request plans: the same for the same request."""
    return derived_id("one-off session", call_id)
