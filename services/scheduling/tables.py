"""What scheduling keeps, and the named queries.

Three promises are the database's own: no session has more seats than its capacity (numbered seats),
no clinician and no patient is in two places at once (exclusion over time).
"""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Index, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.orm import Session, registry

from services.scheduling.domain import attendance, clinicians, groups, planner, plans, records
from shared.contracts.event import EpisodeFact
from shared.contracts.scheduling import ATTENDED_STATES, GROUP_KINDS, SEAT_STATES, TRACKS
from shared.database import (
    id_column,
    moment,
    new_metadata,
    origin_of,
    reference,
    sealed,
    sealed_column,
    tenant_column,
)

metadata = new_metadata()
mapper = registry(metadata=metadata)


def _one_of(column: str, codes: Iterable[str]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{code}'" for code in codes)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{column}_code")


def _one_place_at_a_time(who: str, *, name: str, where: str) -> ExcludeConstraint:
    # An exclusion needs ranges: the id's hash, as a range of one number, stands for the id, because
    # the plain PostgreSQL has no operator class that mixes equality of ids with overlap of ranges.
    number = f"uuid_hash_extended({who}, 0)"
    return ExcludeConstraint(
        (sa.text(f"int8range({number}, {number}, '[]')"), "&&"),
        (sa.text("tstzrange(starts_at, ends_at)"), "&&"),
        name=name,
        using="gist",
        where=sa.text(where),
    )


sites = Table(
    "sites",
    metadata,
    id_column("site_id"),
    tenant_column(primary_key=True),
    Column("time_zone", sa.String(64), nullable=False),
    Column("opened_at", moment(), nullable=False),
)

patients = Table(
    "patients",
    metadata,
    id_column("patient_id"),
    tenant_column(),
    reference("journey_id"),
    Column("bound_by", JSONB, nullable=False, server_default="[]"),
    reference("obligations_site_id", nullable=True),
    Column("obligations_declared_at", moment()),
)

episodes = Table(
    "episodes",
    metadata,
    id_column("episode_id"),
    tenant_column(),
    reference("patient_id"),
    reference("journey_id"),
    reference("site_id", nullable=True),
    Column("referred_at", moment()),
    Column("admitted_at", moment()),
    Column("level", sa.String(8)),
    Column("weekly_minutes_floor", sa.Integer),
    Column("weekly_minutes_ceiling", sa.Integer),
    Column("discharged_at", moment()),
    Index(None, "tenant_id", "patient_id"),
)

clinicians_table = Table(
    "clinicians",
    metadata,
    id_column("clinician_id"),
    tenant_column(primary_key=True),
    reference("site_id"),
    sealed_column("name"),
    Column("credentials", JSONB, nullable=False),
    Column("expiries_closed", JSONB, nullable=False, server_default="[]"),
    Column("added_at", moment(), nullable=False),
    Index(None, "tenant_id", "site_id"),
)

groups_table = Table(
    "groups",
    metadata,
    id_column("group_id"),
    tenant_column(primary_key=True),
    reference("site_id"),
    Column("kind", sa.String(16), nullable=False),
    Column("modality", sa.String(32), nullable=False),
    Column("track", sa.String(16), nullable=False),
    Column("weekdays", JSONB, nullable=False),
    Column("starts", sa.Time, nullable=False),
    Column("ends", sa.Time, nullable=False),
    Column("clinical_minutes", sa.Integer, nullable=False),
    Column("capacity", sa.Integer, nullable=False),
    reference("facilitator_id"),
    Column("opened_at", moment(), nullable=False),
    _one_of("kind", GROUP_KINDS),
    _one_of("track", TRACKS),
    sa.CheckConstraint(
        f"capacity <= CASE kind WHEN 'EDUCATION' THEN {groups.MOST_IN_EDUCATION}"
        f" ELSE {groups.MOST_IN_GROUP} END",
        name="capacity_of_kind",
    ),
    Index(None, "tenant_id", "site_id"),
)

weekly_plans = Table(
    "weekly_plans",
    metadata,
    id_column("plan_id"),
    tenant_column(),
    reference("episode_id", unique=True),
    reference("patient_id"),
    reference("journey_id"),
    reference("site_id"),
    Column("state", sa.String(8), nullable=False),
    Column("version", sa.Integer, nullable=False),
    Column("reason", sa.String(32)),
    Column("track", sa.String(16)),
    Column("weekly_minutes", sa.Integer, nullable=False),
    reference("individual_clinician_id", nullable=True),
    Column("individual_weekday", sa.SmallInteger),
    Column("individual_starts", sa.Time),
    Column("confirmed_at", moment()),
    Column("booked_through", sa.Date),
    Column("short_weeks", sa.Integer, nullable=False),
    Column("ended_at", moment()),
    _one_of("state", ("ACTIVE", "WAITING", "ENDED")),
    Index(None, "tenant_id", "site_id", "state"),
    # Individual sessions start on the hour, so equal starts are the only way in which two collide.
    Index(
        "uq_weekly_plans_hour",
        "tenant_id",
        "individual_clinician_id",
        "individual_weekday",
        "individual_starts",
        unique=True,
        postgresql_where=sa.text("state = 'ACTIVE'"),
    ),
)

places = Table(
    "places",
    metadata,
    Column("plan_id", sa.Uuid(as_uuid=False), ForeignKey("weekly_plans.plan_id"), primary_key=True),
    Column("weekday", sa.SmallInteger, primary_key=True),
    tenant_column(),
    reference("group_id"),
    ForeignKeyConstraint(["tenant_id", "group_id"], ["groups.tenant_id", "groups.group_id"]),
    Column("capacity", sa.Integer, nullable=False),
    Column("number", sa.Integer),
    UniqueConstraint("tenant_id", "group_id", "weekday", "number"),
    sa.CheckConstraint("number BETWEEN 1 AND capacity", name="within_capacity"),
)

sessions = Table(
    "sessions",
    metadata,
    id_column("session_id"),
    tenant_column(),
    reference("site_id"),
    reference("group_id", nullable=True),
    ForeignKeyConstraint(["tenant_id", "group_id"], ["groups.tenant_id", "groups.group_id"]),
    Column("kind", sa.String(16), nullable=False),
    Column("modality", sa.String(32), nullable=False),
    reference("facilitator_id"),
    Column("starts_at", moment(), nullable=False),
    Column("ends_at", moment(), nullable=False),
    Column("clinical_minutes", sa.Integer, nullable=False),
    Column("capacity", sa.Integer, nullable=False),
    Column("state", sa.String(24), nullable=False),
    Column("cancelled_at", moment()),
    Column("cancellation_reason", sa.String(32)),
    Column("first_mark_at", moment()),
    Column("roster_asked", sa.String(16), nullable=False),
    _one_of("kind", (*GROUP_KINDS, "INDIVIDUAL")),
    _one_of("state", ("PLANNED", "CANCELLED", "CANCELLED_BY_PROGRAM")),
    _one_of("roster_asked", ("NOBODY", "FACILITATOR", "SUPERVISOR", "DONE")),
    sa.CheckConstraint("starts_at < ends_at", name="starts_before_end"),
    _one_place_at_a_time("facilitator_id", name="ex_sessions_facilitator", where="state = 'PLANNED'"),
    Index(None, "tenant_id", "site_id", "starts_at"),
)

seats = Table(
    "seats",
    metadata,
    id_column("seat_id"),
    tenant_column(),
    Column("session_id", sa.Uuid(as_uuid=False), ForeignKey("sessions.session_id"), nullable=False),
    reference("patient_id"),
    reference("episode_id"),
    reference("journey_id"),
    Column("capacity", sa.Integer, nullable=False),
    Column("number", sa.Integer),
    Column("starts_at", moment(), nullable=False),
    Column("ends_at", moment(), nullable=False),
    Column("state", sa.String(24), nullable=False),
    Column("checked_in_at", moment()),
    Column("arrived_at", moment()),
    Column("left_at", moment()),
    Column("credited_minutes", sa.Integer, nullable=False),
    Column("excuse_reason", sa.String(32)),
    sealed_column("note"),
    Column("told", sa.Boolean, nullable=False),
    Column("revision", sa.Integer, nullable=False),
    _one_of("state", SEAT_STATES),
    UniqueConstraint("tenant_id", "session_id", "number"),
    sa.CheckConstraint("number BETWEEN 1 AND capacity", name="within_capacity"),
    _one_place_at_a_time(
        "patient_id",
        name="ex_seats_patient",
        where="state NOT IN ('CANCELLED', 'CANCELLED_BY_PROGRAM')",
    ),
    Index(None, "tenant_id", "episode_id", "starts_at"),
)

# A session sees one tenant only, so there the id alone is the key.
mapper.map_imperatively(records.Site, sites, primary_key=[sites.c.site_id])
mapper.map_imperatively(records.Patient, patients)
mapper.map_imperatively(records.Episode, episodes)
mapper.map_imperatively(clinicians.Clinician, clinicians_table, primary_key=[clinicians_table.c.clinician_id])
mapper.map_imperatively(groups.Group, groups_table, primary_key=[groups_table.c.group_id])
mapper.map_imperatively(plans.WeeklyPlan, weekly_plans)
mapper.map_imperatively(plans.Place, places)
mapper.map_imperatively(attendance.Session, sessions)
mapper.map_imperatively(attendance.Seat, seats)
sealed(clinicians.Clinician, key="clinician_id", fields=("name",))
sealed(attendance.Seat, key="seat_id", fields=("note",))

#: Seats whose outcome counts when absences in a row are counted.
_JUDGED = ("NO_SHOW", "CHECKED_IN", *ATTENDED_STATES)


# --- Copies of what others tell -------------------------------------------------------------------


def add_site(db: Session, *, site_id: str, time_zone: str, opened_at: datetime) -> bool:
    """Add a site; return whether it was not there yet."""
    added = db.execute(
        postgresql.insert(sites)
        .values(site_id=site_id, tenant_id=origin_of(db).tenant_id, time_zone=time_zone, opened_at=opened_at)
        .on_conflict_do_nothing()
        .returning(sites.c.site_id)
    ).first()
    return added is not None


def lock_site(db: Session, *, site_id: str) -> records.Site | None:
    """Return the site, locked: who plans or books at a site waits for whoever does so already."""
    return db.scalar(
        sa.select(records.Site)
        .where(records.Site.site_id == site_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def lock_patient(db: Session, *, patient_id: str) -> records.Patient | None:
    """Return the patient, locked."""
    return db.scalar(
        sa.select(records.Patient)
        .where(records.Patient.patient_id == patient_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def lock_episode_of(db: Session, event: EpisodeFact) -> tuple[records.Patient, records.Episode]:
    """Return the patient and the episode of an event, locked; made where this is the first word of them."""
    tenant_id = origin_of(db).tenant_id
    db.execute(
        postgresql.insert(patients)
        .values(patient_id=event.patient_id, tenant_id=tenant_id, journey_id=event.journey_id)
        .on_conflict_do_nothing()
    )
    db.execute(
        postgresql.insert(episodes)
        .values(
            episode_id=event.episode_id,
            tenant_id=tenant_id,
            patient_id=event.patient_id,
            journey_id=event.journey_id,
        )
        .on_conflict_do_nothing()
    )
    patient = lock_patient(db, patient_id=event.patient_id)
    episode = db.scalar(
        sa.select(records.Episode)
        .where(records.Episode.episode_id == event.episode_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if patient is None or episode is None:
        raise LookupError("the id belongs to another tenant")
    return patient, episode


def present_episode_of(db: Session, *, patient_id: str) -> records.Episode | None:
    """Return the patient's admitted episode that is not over, if there is one."""
    return db.scalar(
        sa.select(records.Episode)
        .where(
            records.Episode.patient_id == patient_id,
            records.Episode.admitted_at.is_not(None),
            records.Episode.discharged_at.is_(None),
        )
        .order_by(records.Episode.admitted_at.desc(), records.Episode.episode_id)
        .limit(1)
    )


# --- Groups, clinicians and plans -----------------------------------------------------------------


def groups_of_site(db: Session, *, site_id: str | None) -> list[groups.Group]:
    """Return the groups of a site, or of all sites, in the order of their opening."""
    found = sa.select(groups.Group).order_by(groups.Group.opened_at, groups.Group.group_id)
    if site_id is not None:
        found = found.where(groups.Group.site_id == site_id)
    return list(db.scalars(found))


def clinicians_of_site(db: Session, *, site_id: str | None) -> list[clinicians.Clinician]:
    """Return the clinicians of a site, or of all sites, in the order in which they were added."""
    found = sa.select(clinicians.Clinician).order_by(
        clinicians.Clinician.added_at, clinicians.Clinician.clinician_id
    )
    if site_id is not None:
        found = found.where(clinicians.Clinician.site_id == site_id)
    return list(db.scalars(found))


def numbers_taken(db: Session, *, site_id: str) -> dict[tuple[str, int], set[int]]:
    """Return the standing places that are taken at a site, by group and weekday."""
    taken: dict[tuple[str, int], set[int]] = {}
    rows = db.execute(
        sa.select(plans.Place.group_id, plans.Place.weekday, plans.Place.number)
        .join(groups.Group, groups.Group.group_id == plans.Place.group_id)
        .where(groups.Group.site_id == site_id, plans.Place.number.is_not(None))
    )
    for group_id, weekday, number in rows:
        taken.setdefault((group_id, weekday), set()).add(number)
    return taken


def plan_of(db: Session, *, episode_id: str) -> plans.WeeklyPlan | None:
    """Return the weekly plan of an episode, if it has one."""
    return db.scalar(sa.select(plans.WeeklyPlan).where(plans.WeeklyPlan.episode_id == episode_id))


def active_plans(db: Session, *, site_id: str) -> list[plans.WeeklyPlan]:
    """Return the plans of a site that are in force, in the order of confirmation."""
    return list(
        db.scalars(
            sa.select(plans.WeeklyPlan)
            .where(plans.WeeklyPlan.site_id == site_id, plans.WeeklyPlan.state == "ACTIVE")
            .order_by(plans.WeeklyPlan.confirmed_at, plans.WeeklyPlan.plan_id)
        )
    )


def hours_taken(db: Session, *, site_id: str, besides: str | None) -> dict[str, list[planner.IndividualSlot]]:
    """Return the standing hours that therapists of a site have with patients, by therapist.

    :param besides: a plan whose hour does not count.
    """
    found: dict[str, list[planner.IndividualSlot]] = {}
    rows = db.execute(
        sa.select(
            plans.WeeklyPlan.individual_clinician_id,
            plans.WeeklyPlan.individual_weekday,
            plans.WeeklyPlan.individual_starts,
        ).where(
            plans.WeeklyPlan.site_id == site_id,
            plans.WeeklyPlan.state == "ACTIVE",
            plans.WeeklyPlan.individual_clinician_id.is_not(None),
            plans.WeeklyPlan.plan_id.is_distinct_from(besides),
        )
    )
    for clinician_id, weekday, starts in rows:
        hour = planner.IndividualSlot(clinician_id=clinician_id, weekday=weekday, starts=starts)
        found.setdefault(clinician_id, []).append(hour)
    return found


def plans_with_therapists(
    db: Session, *, clinician_ids: list[str]
) -> list[tuple[plans.WeeklyPlan, records.Episode, records.Patient]]:
    """Return the active plans that have their hour with one of some therapists."""
    if not clinician_ids:
        return []
    rows = db.execute(
        sa.select(plans.WeeklyPlan, records.Episode, records.Patient)
        .join(records.Episode, records.Episode.episode_id == plans.WeeklyPlan.episode_id)
        .join(records.Patient, records.Patient.patient_id == plans.WeeklyPlan.patient_id)
        .where(
            plans.WeeklyPlan.state == "ACTIVE",
            plans.WeeklyPlan.individual_clinician_id.in_(clinician_ids),
        )
        .order_by(plans.WeeklyPlan.confirmed_at, plans.WeeklyPlan.plan_id)
    )
    return [(plan, episode, patient) for plan, episode, patient in rows]


def floors_of(db: Session, *, episode_ids: list[str]) -> dict[str, int]:
    """Return the least clinical minutes a week of some admitted episodes."""
    rows = db.execute(
        sa.select(records.Episode.episode_id, records.Episode.weekly_minutes_floor).where(
            records.Episode.episode_id.in_(episode_ids)
        )
    )
    return {episode_id: int(floor or 0) for episode_id, floor in rows}


def plans_without_week(
    db: Session, *, site_id: str, at_most: int | None
) -> list[tuple[plans.WeeklyPlan, records.Episode, records.Patient]]:
    """Return the plans for which no week was found, with episode and patient, the longest waiting first."""
    rows = db.execute(
        sa.select(plans.WeeklyPlan, records.Episode, records.Patient)
        .join(records.Episode, records.Episode.episode_id == plans.WeeklyPlan.episode_id)
        .join(records.Patient, records.Patient.patient_id == plans.WeeklyPlan.patient_id)
        .where(plans.WeeklyPlan.site_id == site_id, plans.WeeklyPlan.reason.is_not(None))
        .order_by(records.Episode.admitted_at, plans.WeeklyPlan.plan_id)
        .limit(at_most)
    )
    return [(plan, episode, patient) for plan, episode, patient in rows]


def places_of(db: Session, *, plan_ids: Iterable[str]) -> dict[str, list[plans.Place]]:
    """Return the standing places of some plans, by plan, in the order of the week."""
    found: dict[str, list[plans.Place]] = {plan_id: [] for plan_id in plan_ids}
    rows = db.scalars(
        sa.select(plans.Place)
        .where(plans.Place.plan_id.in_(list(found)))
        .order_by(plans.Place.plan_id, plans.Place.weekday)
    )
    for place in rows:
        found[place.plan_id].append(place)
    return found


# --- Booking --------------------------------------------------------------------------------------


def add_dated(db: Session, *, site_id: str, dated: list[plans.DatedSession]) -> tuple[set[str], set[str]]:
    """Book dated sessions and seats, all at once; return the ids of sessions and seats that are new.

    A seat or an individual session that was cancelled before is taken up again. Where the standing
    place's number is taken on a date, by somebody who has left since, another free one is given.
    """
    if not dated:
        return set(), set()
    tenant_id = origin_of(db).tenant_id
    session_rows = {
        one.session_id: {
            "session_id": one.session_id,
            "tenant_id": tenant_id,
            "site_id": site_id,
            "group_id": one.group_id,
            "kind": one.kind,
            "modality": one.modality,
            "facilitator_id": one.facilitator_id,
            "starts_at": one.starts_at,
            "ends_at": one.ends_at,
            "clinical_minutes": one.clinical_minutes,
            "capacity": one.capacity,
            "state": "PLANNED",
            "roster_asked": "NOBODY",
        }
        for one in dated
    }
    insert = postgresql.insert(sessions)
    new_sessions = db.scalars(
        insert.on_conflict_do_update(
            index_elements=["session_id"],
            set_={"state": "PLANNED"},
            where=sessions.c.state == "CANCELLED",
        ).returning(sessions.c.session_id),
        list(session_rows.values()),
    ).all()
    taken: dict[str, set[int]] = {session_id: set() for session_id in session_rows}
    known = db.execute(
        sa.select(attendance.Seat.session_id, attendance.Seat.number).where(
            attendance.Seat.session_id.in_(set(session_rows) - set(new_sessions)),
            attendance.Seat.number.is_not(None),
        )
    )
    for session_id, number in known:
        taken[session_id].add(number)
    off = set(
        db.scalars(
            sa.select(attendance.Session.session_id).where(
                attendance.Session.session_id.in_(set(session_rows) - set(new_sessions)),
                attendance.Session.state == "CANCELLED_BY_PROGRAM",
            )
        )
    )
    seat_rows = []
    for one in dated:
        held = taken[one.session_id]
        number = one.number
        if number is None or number in held:
            number = plans.lowest_free(taken=held, capacity=one.capacity)
        if number is None or one.session_id in off:
            continue
        held.add(number)
        seat_rows.append(
            {
                "seat_id": one.seat_id,
                "tenant_id": tenant_id,
                "session_id": one.session_id,
                "patient_id": one.plan.patient_id,
                "episode_id": one.plan.episode_id,
                "journey_id": one.plan.journey_id,
                "capacity": one.capacity,
                "number": number,
                "starts_at": one.starts_at,
                "ends_at": one.ends_at,
                "state": "SCHEDULED",
                "credited_minutes": 0,
                "told": False,
                "revision": 0,
            }
        )
    if not seat_rows:
        return set(new_sessions), set()
    insert = postgresql.insert(seats)
    new_seats = db.scalars(
        insert.on_conflict_do_update(
            index_elements=["seat_id"],
            set_={"state": "SCHEDULED", "number": insert.excluded.number},
            where=seats.c.state == "CANCELLED",
        ).returning(seats.c.seat_id),
        seat_rows,
    ).all()
    return set(new_sessions), set(new_seats)


def cancel_seats(
    db: Session, *, episode_id: str, after: datetime | None, keep: Iterable[str] = ()
) -> list[str]:
    """Cancel the scheduled seats of an episode; return the individual sessions that fall away.

    :param after: only seats that start after this; all scheduled ones when None.
    :param keep: ids of seats that stay.
    """
    chosen = sa.and_(
        attendance.Seat.episode_id == episode_id,
        attendance.Seat.state == "SCHEDULED",
        attendance.Seat.seat_id.not_in(list(keep)),
    )
    if after is not None:
        chosen = sa.and_(chosen, attendance.Seat.starts_at > after)
    session_ids = db.scalars(
        sa.update(attendance.Seat)
        .where(chosen)
        .values(state="CANCELLED", number=None)
        .returning(attendance.Seat.session_id)
        .execution_options(synchronize_session="fetch")
    ).all()
    if not session_ids:
        return []
    return list(
        db.scalars(
            sa.update(attendance.Session)
            .where(
                attendance.Session.session_id.in_(session_ids),
                attendance.Session.kind == "INDIVIDUAL",
                attendance.Session.state == "PLANNED",
            )
            .values(state="CANCELLED")
            .returning(attendance.Session.session_id)
            .execution_options(synchronize_session="fetch")
        )
    )


# --- Attendance -----------------------------------------------------------------------------------


def lock_session(db: Session, *, session_id: str) -> attendance.Session:
    """Return the session, locked: marks of one session follow one another.

    :raises NoSuchSession: when there is none.
    """
    session = db.scalar(
        sa.select(attendance.Session)
        .where(attendance.Session.session_id == session_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if session is None:
        raise attendance.NoSuchSession(field="session_id", rule="must be a session")
    return session


def seats_of(db: Session, *, session_id: str) -> list[attendance.Seat]:
    """Return the seats of a session as they are now, in the order of their ids."""
    return list(
        db.scalars(
            sa.select(attendance.Seat)
            .where(attendance.Seat.session_id == session_id)
            .order_by(attendance.Seat.seat_id)
            .execution_options(populate_existing=True)
        )
    )


def past_of(db: Session, *, episode_ids: Iterable[str]) -> dict[str, list[attendance.Seen]]:
    """Return the judged seats of some episodes, by episode."""
    found: dict[str, list[attendance.Seen]] = {episode_id: [] for episode_id in episode_ids}
    if not found:
        return found
    rows = db.execute(
        sa.select(
            attendance.Seat.episode_id,
            attendance.Seat.seat_id,
            attendance.Seat.starts_at,
            attendance.Seat.state,
        ).where(attendance.Seat.episode_id.in_(list(found)), attendance.Seat.state.in_(_JUDGED))
    )
    for episode_id, seat_id, starts_at, state in rows:
        found[episode_id].append(attendance.Seen(seat_id=seat_id, starts_at=starts_at, state=state))
    return found


def seats_between(
    db: Session, *, episode_ids: Iterable[str], since: datetime, until: datetime
) -> dict[str, list[tuple[str, int, int]]]:
    """Return state, credited and clinical minutes of the seats in a stretch of time, by episode."""
    found: dict[str, list[tuple[str, int, int]]] = {episode_id: [] for episode_id in episode_ids}
    rows = db.execute(
        sa.select(
            attendance.Seat.episode_id,
            attendance.Seat.state,
            attendance.Seat.credited_minutes,
            attendance.Session.clinical_minutes,
        )
        .join(attendance.Session, attendance.Session.session_id == attendance.Seat.session_id)
        .where(
            attendance.Seat.episode_id.in_(list(found)),
            attendance.Seat.starts_at >= since,
            attendance.Seat.starts_at < until,
        )
    )
    for episode_id, state, credited, clinical in rows:
        found[episode_id].append((state, credited, clinical))
    return found


# --- Questions ------------------------------------------------------------------------------------


def sessions_between(
    db: Session,
    *,
    site_id: str | None,
    since: datetime | None,
    until: datetime | None,
    after: tuple[datetime, str] | None,
    at_most: int,
) -> list[attendance.Session]:
    """Return sessions by start and id, from *since* up to but without *until*."""
    found = (
        sa.select(attendance.Session)
        .order_by(attendance.Session.starts_at, attendance.Session.session_id)
        .limit(at_most)
    )
    if site_id is not None:
        found = found.where(attendance.Session.site_id == site_id)
    if since is not None:
        found = found.where(attendance.Session.starts_at >= since)
    if until is not None:
        found = found.where(attendance.Session.starts_at < until)
    if after is not None:
        found = found.where(
            sa.tuple_(attendance.Session.starts_at, attendance.Session.session_id) > sa.tuple_(*after)
        )
    return list(db.scalars(found))


def counts_of(db: Session, *, session_ids: Iterable[str]) -> dict[str, dict[str, int]]:
    """Return how many seats of each state some sessions have."""
    found: dict[str, dict[str, int]] = {session_id: {} for session_id in session_ids}
    rows = db.execute(
        sa.select(attendance.Seat.session_id, attendance.Seat.state, sa.func.count())
        .where(attendance.Seat.session_id.in_(list(found)))
        .group_by(attendance.Seat.session_id, attendance.Seat.state)
        .order_by(attendance.Seat.session_id, attendance.Seat.state)
    )
    for session_id, state, count in rows:
        found[session_id][state] = count
    return found


def seats_of_episode(
    db: Session,
    *,
    episode_id: str,
    since: datetime | None,
    until: datetime | None,
    after: tuple[datetime, str] | None,
    at_most: int,
) -> list[tuple[attendance.Seat, attendance.Session]]:
    """Return the seats of an episode by start and id, each with its session."""
    found = (
        sa.select(attendance.Seat, attendance.Session)
        .join(attendance.Session, attendance.Session.session_id == attendance.Seat.session_id)
        .where(attendance.Seat.episode_id == episode_id)
        .order_by(attendance.Seat.starts_at, attendance.Seat.seat_id)
        .limit(at_most)
    )
    if since is not None:
        found = found.where(attendance.Seat.starts_at >= since)
    if until is not None:
        found = found.where(attendance.Seat.starts_at < until)
    if after is not None:
        found = found.where(sa.tuple_(attendance.Seat.starts_at, attendance.Seat.seat_id) > sa.tuple_(*after))
    return [(seat, session) for seat, session in db.execute(found)]
