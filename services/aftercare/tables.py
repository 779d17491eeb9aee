"""What aftercare keeps, and the named queries on it.

Everything about one journey changes under that journey's lock, so that reactions, timers and
commands in several copies come one after the other for one person and never meet half-way.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, registry

from services.aftercare.domain import contacts as contact_rules
from services.aftercare.domain import discharge, episodes, graduation, lapses, plans
from shared import dangers
from shared.contracts.aftercare import (
    CONTACT_CHANNELS,
    CONTACT_KINDS,
    CONTACT_OUTCOMES,
    CONTACT_STATUSES,
    DISCHARGE_REASONS,
    LAPSE_REPORTERS,
    LAPSE_SUBSTANCES,
)
from shared.contracts.event import EpisodeFact
from shared.database import (
    id_column,
    moment,
    new_metadata,
    origin_of,
    reference,
    sealed,
    sealed_column,
    send_with_next,
    tenant_column,
    written_once,
)
from shared.many_rows import ONE_ROW, added_to, as_json, ids_in

metadata = new_metadata()
mapper = registry(metadata=metadata)


def _one_of(column: str, codes: tuple[str, ...]) -> CheckConstraint:
    listed = ", ".join(f"'{code}'" for code in codes)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _episode_reference(*, nullable: bool = False) -> Column[str]:
    return Column("episode_id", sa.Uuid(as_uuid=False), ForeignKey("episodes.episode_id"), nullable=nullable)


sites = Table(
    "sites",
    metadata,
    id_column("site_id"),
    tenant_column(primary_key=True),
    #: The number that patients may call day and night.
    Column("emergency_line", sa.String(64)),
    #: How often the site had been changed when this was told; 0 as it was opened.
    Column("revision", sa.Integer, nullable=False, server_default="0"),
)

episodes_table = Table(
    "episodes",
    metadata,
    id_column("episode_id"),
    tenant_column(),
    reference("patient_id"),
    reference("journey_id"),
    reference("site_id", nullable=True),
    Column("time_zone", sa.String(64)),
    Column("admitted_at", moment()),
    Column("follow_up_consent", sa.Boolean, nullable=False),
    Column("opioid_history", sa.Boolean, nullable=False),
    Column("problems", JSONB, nullable=False),
    Column("assessed_at", moment()),
    Column("last_reached_at", moment()),
    Column("ready_criteria", JSONB, nullable=False),
    Column("ready_at", moment()),
    reference("discharge_id", nullable=True),
    Column("discharge_reason", sa.String(2)),
    Column("discharged_at", moment()),
    Column("graduated_at", moment()),
    Column("deceased_at", moment()),
    Index(None, "tenant_id", "journey_id"),
    Index(None, "tenant_id", "patient_id"),
)

seats = Table(
    "seats",
    metadata,
    id_column("seat_id"),
    tenant_column(),
    _episode_reference(),
    Column("starts_at", moment(), nullable=False),
    Column("clinical_minutes", sa.Integer, nullable=False),
    Column("state", sa.String(24), nullable=False),
    Column("credited_minutes", sa.Integer, nullable=False),
    Column("revision", sa.Integer, nullable=False),
    Index(None, "tenant_id", "episode_id", "starts_at"),
)

attestations = Table(
    "attestations",
    metadata,
    id_column("attestation_id"),
    tenant_column(),
    _episode_reference(),
    Column("criterion", sa.String(32), nullable=False),
    Column("evidence", sa.String(32), nullable=False),
    Column("met", sa.Boolean, nullable=False),
    Column("attested_by", sa.String(64), nullable=False),
    Column("role", sa.String(32), nullable=False),
    Column("credential", sa.String(16), nullable=False),
    Column("attested_at", moment(), nullable=False),
    Index(None, "tenant_id", "episode_id", "attested_at"),
)

aftercare_plans = Table(
    "aftercare_plans",
    metadata,
    id_column("plan_id"),
    tenant_column(),
    _episode_reference(),
    reference("patient_id"),
    Column("version", sa.Integer, nullable=False),
    Column("components", JSONB, nullable=False),
    Column("planned_discharge_on", sa.Date, nullable=False),
    Column("first_appointment_at", moment()),
    Column("triggers", sa.Integer, nullable=False),
    Column("coping_actions_per_trigger", sa.Integer, nullable=False),
    Column("warning_signs", sa.Integer, nullable=False),
    Column("routines_per_week", sa.Integer, nullable=False),
    Column("supports", sa.Integer, nullable=False),
    Column("supports_outside_family", sa.Integer, nullable=False),
    Column("lapse_plan", sa.Boolean, nullable=False),
    Column("safety_plan", sa.Boolean, nullable=False),
    Column("reviewed_at", moment()),
    Column("written_at", moment(), nullable=False),
    Column("author_id", sa.String(64), nullable=False),
    Column("author_role", sa.String(32), nullable=False),
    Column("author_credential", sa.String(16), nullable=False),
    Column("patient_signed_at", moment()),
    Column("clinician_signed_at", moment()),
    sealed_column("goals"),
    UniqueConstraint("tenant_id", "episode_id", "version"),
)

discharges = Table(
    "discharges",
    metadata,
    id_column("discharge_id"),
    tenant_column(),
    _episode_reference(),
    reference("patient_id"),
    reference("journey_id"),
    Column("reason_code", sa.String(2), nullable=False),
    Column("local_reason", sa.String(32)),
    Column("admitted_at", moment(), nullable=False),
    Column("last_contact_at", moment(), nullable=False),
    Column("stay_days", sa.Integer, nullable=False),
    Column("discharged_at", moment(), nullable=False),
    Column("signed_by", sa.String(64), nullable=False),
    Column("role", sa.String(32), nullable=False),
    Column("credential", sa.String(16), nullable=False),
    Column("exceptions", JSONB, nullable=False),
    Column("rule_version", sa.String(32)),
    sealed_column("exception_reason"),
    sealed_column("summary"),
    # An episode ends once, whatever two people do at the same moment.
    UniqueConstraint("tenant_id", "episode_id"),
    CheckConstraint("stay_days >= 1", name="stay_days"),
    _one_of("reason_code", tuple(DISCHARGE_REASONS)),
)

discharge_proposals = Table(
    "discharge_proposals",
    metadata,
    id_column("proposal_id"),
    tenant_column(),
    _episode_reference(),
    reference("patient_id"),
    reference("journey_id"),
    Column("reason_code", sa.String(2), nullable=False),
    Column("last_contact_at", moment(), nullable=False),
    Column("proposed_at", moment(), nullable=False),
    Column("status", sa.String(16), nullable=False),
    Column("closed_at", moment()),
    Index(None, "tenant_id", "episode_id"),
    Index(None, "tenant_id", "proposed_at", "proposal_id"),
    _one_of("status", (discharge.OPEN, discharge.WITHDRAWN, discharge.DISCHARGED)),
)

aftercare_contacts = Table(
    "aftercare_contacts",
    metadata,
    id_column("contact_id"),
    tenant_column(),
    _episode_reference(),
    reference("patient_id"),
    reference("journey_id"),
    Column("kind", sa.String(16), nullable=False),
    Column("number", sa.Integer, nullable=False),
    Column("counted_from", moment(), nullable=False),
    Column("window_opens_at", moment(), nullable=False),
    Column("due_at", moment(), nullable=False),
    Column("window_closes_at", moment(), nullable=False),
    Column("status", sa.String(16), nullable=False),
    Column("tries", sa.Integer, nullable=False),
    Column("ended_at", moment()),
    Index(None, "tenant_id", "journey_id"),
    UniqueConstraint("tenant_id", "episode_id", "kind", "number"),
    _one_of("kind", CONTACT_KINDS),
    _one_of("status", CONTACT_STATUSES),
)

contact_attempts = Table(
    "contact_attempts",
    metadata,
    id_column("attempt_id"),
    tenant_column(),
    Column("contact_id", sa.Uuid(as_uuid=False), ForeignKey("aftercare_contacts.contact_id"), nullable=False),
    Column("number", sa.Integer, nullable=False),
    Column("channel", sa.String(16), nullable=False),
    Column("outcome", sa.String(16), nullable=False),
    Column("made_by", sa.String(64), nullable=False),
    Column("role", sa.String(32), nullable=False),
    Column("attempted_at", moment(), nullable=False),
    UniqueConstraint("tenant_id", "contact_id", "number"),
    _one_of("channel", CONTACT_CHANNELS),
    _one_of("outcome", CONTACT_OUTCOMES),
)

lapses_table = Table(
    "lapses",
    metadata,
    id_column("lapse_id"),
    tenant_column(),
    # Reports may be about people whose admission aftercare does not know.
    _episode_reference(nullable=True),
    reference("patient_id"),
    reference("journey_id", nullable=True),
    Column("reported_by", sa.String(16), nullable=False),
    Column("substance", sa.String(16), nullable=False),
    Column("occurred_at", moment(), nullable=False),
    Column("reported_at", moment(), nullable=False),
    Column("contact_by", moment(), nullable=False),
    Column("contacted_at", moment()),
    Column("escalated", sa.Boolean, nullable=False),
    Index(None, "tenant_id", "episode_id"),
    Index(None, "tenant_id", "journey_id", postgresql_where=sa.text("contacted_at IS NULL")),
    _one_of("reported_by", LAPSE_REPORTERS),
    _one_of("substance", LAPSE_SUBSTANCES),
)

reentries = Table(
    "reentries",
    metadata,
    id_column("reentry_id"),
    tenant_column(),
    Column("lapse_id", sa.Uuid(as_uuid=False), ForeignKey("lapses.lapse_id"), nullable=False),
    reference("patient_id"),
    reference("journey_id"),
    Column("requested_at", moment(), nullable=False),
    Column("level_decision_due_at", moment(), nullable=False),
    Column("status", sa.String(16), nullable=False),
    Column("closed_at", moment()),
    Index(
        "uq_reentries_open",
        "tenant_id",
        "journey_id",
        unique=True,
        postgresql_where=sa.text("status = 'OPEN'"),
    ),
    Index(None, "tenant_id", "lapse_id"),
    _one_of("status", ("OPEN", "ADMITTED", "EXPIRED")),
)

mapper.map_imperatively(episodes.Episode, episodes_table)
mapper.map_imperatively(episodes.Seat, seats)
mapper.map_imperatively(graduation.Attestation, attestations)
mapper.map_imperatively(plans.AftercarePlan, aftercare_plans)
mapper.map_imperatively(discharge.Discharge, discharges)
mapper.map_imperatively(discharge.Proposal, discharge_proposals)
mapper.map_imperatively(contact_rules.Contact, aftercare_contacts)
mapper.map_imperatively(contact_rules.Attempt, contact_attempts)
mapper.map_imperatively(lapses.Lapse, lapses_table)
mapper.map_imperatively(lapses.Reentry, reentries)
sealed(plans.AftercarePlan, key="plan_id", fields=("goals",))
sealed(discharge.Discharge, key="discharge_id", fields=("exception_reason", "summary"))


# What mapping adds to a class, its columns as expressions, is invisible to the type checker.
_Episode: Any = episodes.Episode
_Seat: Any = episodes.Seat
_Attestation: Any = graduation.Attestation
_AftercarePlan: Any = plans.AftercarePlan
_Proposal: Any = discharge.Proposal
_Contact: Any = contact_rules.Contact
_Lapse: Any = lapses.Lapse
_Reentry: Any = lapses.Reentry

_OF_EPISODE: sa.BindParameter[Any] = sa.bindparam("of_episode")
_OF_JOURNEY: sa.BindParameter[Any] = sa.bindparam("of_journey")


def keep_site(db: Session, *, site_id: str, emergency_line: str | None, revision: int = 0) -> None:
    """Keep the number of a site that patients may call day and night, unless something newer is known."""
    told = {"emergency_line": emergency_line, "revision": revision}
    insert = postgresql.insert(sites).values(site_id=site_id, tenant_id=origin_of(db).tenant_id, **told)
    db.execute(
        insert.on_conflict_do_update(
            index_elements=["site_id", "tenant_id"],
            set_=told,
            where=sites.c.revision < insert.excluded.revision,
        )
    )


def emergency_line_of(db: Session, *, site_id: str | None) -> str | None:
    """Return the number to call of a site; where it is not known which, the one that all of them have."""
    found = db.execute(
        sa.select(sites.c.site_id, sites.c.emergency_line)
        .where(sites.c.tenant_id == origin_of(db).tenant_id)
        .order_by(sites.c.site_id)
    ).all()
    lines = {row.emergency_line for row in found if site_id in (None, row.site_id)}
    return lines.pop() if len(lines) == 1 else None


def lock_journey(db: Session, journey_id: str) -> None:
    """Wait until nobody else changes this journey, and keep others waiting until the commit."""
    send_with_next(db.connection(), _LOCK_JOURNEY, {"journey_id": journey_id})


_LOCK_JOURNEY = "SELECT pg_advisory_xact_lock(hashtextextended(%(journey_id)s, 0))"


def told_of(db: Session, *, episode_id: str, patient_id: str, journey_id: str) -> episodes.Episode:
    """Return the episode that an event is about, under its journey's lock; new if it is unknown."""
    lock_journey(db, journey_id)
    known = db.get(episodes.Episode, episode_id)
    return known or _new_episode(db, episode_id=episode_id, patient_id=patient_id, journey_id=journey_id)


def know_all(db: Session, facts: Sequence[EpisodeFact]) -> None:
    """Have the next statement find the episodes that some events are about, under their journeys' locks."""
    # In one order, so that two who take some of the same wait for each other and never in a circle.
    for journey_id in sorted({fact.journey_id for fact in facts}):
        lock_journey(db, journey_id)
    about = {fact.episode_id: fact for fact in facts}
    ids: dict[str, Any] = {
        name: [getattr(about[episode_id], name) for episode_id in sorted(about)]
        for name in ("episode_id", "patient_id", "journey_id")
    }
    send_with_next(db.connection(), _MAKE_UNKNOWN, {**ids, "tenant_id": origin_of(db).tenant_id})


#: Nearly always all of them are known: to look first would be a trip to the database.
_MAKE_UNKNOWN = """
INSERT INTO episodes (episode_id, patient_id, journey_id, tenant_id, follow_up_consent, opioid_history,
    problems, ready_criteria)
SELECT told.*, %(tenant_id)s, false, false, '[]'::jsonb, '[]'::jsonb
FROM unnest(%(episode_id)s::uuid[], %(patient_id)s::uuid[], %(journey_id)s::uuid[]) AS told
ON CONFLICT DO NOTHING
"""


def _new_episode(db: Session, **ids: str) -> episodes.Episode:
    episode = episodes.Episode(**ids)
    db.add(episode)
    # Rows that refer to it follow, and without relationships the order of inserts is ours.
    db.flush()
    return episode


_SEAT_COLUMNS = tuple(str(column.name) for column in seats.c if column.name != "tenant_id")


def keep_marks(
    db: Session, firsts: Iterable[episodes.Seat], *, journey_ids: Iterable[str]
) -> tuple[set[str], list[lapses.Lapse]]:
    """Keep the first marks of some seats, each named once; return the seats of which none was known.

    Nearly every mark is the first of its seat, so that one statement is all it takes.

    :returns: besides, in the same look, the reported lapses of some journeys after which nobody has spoken
        with the patient yet.
    """
    tenant_id = origin_of(db).tenant_id
    told = [
        {"tenant_id": tenant_id, **{name: getattr(first, name) for name in _SEAT_COLUMNS}} for first in firsts
    ]
    asked = {"seats": as_json(told), "of_tenant": tenant_id, "of_journeys": sorted(set(journey_ids))}
    rows = db.execute(_KEEP_SEATS, asked).all()
    return set(rows[0][0]), [lapse for _, lapse in rows if lapse is not None]


_new_seats = added_to(seats, "seats")
_uncontacted = (
    _Lapse.journey_id.in_(sa.bindparam("of_journeys", expanding=True)),
    _Lapse.contacted_at.is_(None),
)
#: Beside the session, which would look first and write at the end.
_KEEP_SEATS = written_once(
    sa.select(ids_in(_new_seats.c.seat_id), _Lapse)
    .select_from(ONE_ROW)
    .outerjoin(_Lapse, sa.and_(_Lapse.tenant_id == sa.bindparam("of_tenant"), *_uncontacted))
    .order_by(_Lapse.reported_at, _Lapse.lapse_id),
    narrowed=(_Lapse,),
)


def seat(db: Session, seat_id: str) -> episodes.Seat:
    """Return a seat that is known."""
    known = db.get(episodes.Seat, seat_id)
    if known is None:
        raise LookupError("the id belongs to another tenant")
    return known


def episode_to_change(db: Session, episode_id: str) -> episodes.Episode | None:
    """Return an episode under its journey's lock."""
    locked = {"tenant_id": origin_of(db).tenant_id, "key": episode_id}
    send_with_next(db.connection(), _LOCK_JOURNEY_OF_EPISODE, locked)
    return db.get(episodes.Episode, episode_id)


def contact_to_change(db: Session, contact_id: str) -> contact_rules.Contact | None:
    """Return a contact under its journey's lock."""
    locked = {"tenant_id": origin_of(db).tenant_id, "key": contact_id}
    send_with_next(db.connection(), _LOCK_JOURNEY_OF_CONTACT, locked)
    return db.get(contact_rules.Contact, contact_id)


#: As :data:`_LOCK_JOURNEY` does it with an id that is known: ids are written out in one way everywhere.
_LOCK_JOURNEY_OF = """
SELECT pg_advisory_xact_lock(hashtextextended(CAST(journey_id AS text), 0)) FROM {table}
WHERE tenant_id = %(tenant_id)s AND {key} = %(key)s
"""
_LOCK_JOURNEY_OF_EPISODE = _LOCK_JOURNEY_OF.format(table="episodes", key="episode_id")
_LOCK_JOURNEY_OF_CONTACT = _LOCK_JOURNEY_OF.format(table="aftercare_contacts", key="contact_id")


def newest_episode_to_change(db: Session, patient_id: str) -> episodes.Episode | None:
    """Return the patient's newest admitted episode, under its journey's lock."""
    newest = (
        sa.select(_Episode.episode_id)
        .where(_Episode.patient_id == patient_id, _Episode.admitted_at.is_not(None))
        .order_by(_Episode.admitted_at.desc(), _Episode.episode_id.desc())
        .limit(1)
    )
    episode_id = db.scalar(newest)
    return None if episode_id is None else episode_to_change(db, episode_id)


def last_attended_at(db: Session, episode_id: str) -> datetime | None:
    """Return the start of the newest session that the patient attended."""
    return db.scalar(
        sa.select(sa.func.max(_Seat.starts_at)).where(
            _Seat.episode_id == episode_id, _Seat.state.in_(episodes.ATTENDED_STATES)
        )
    )


def attestations_of(db: Session, episode_id: str) -> list[graduation.Attestation]:
    """Return what was attested in an episode, oldest first."""
    return list(db.scalars(_ATTESTATIONS, {"of_episode": episode_id}))


_ATTESTATIONS = written_once(
    sa.select(_Attestation)
    .where(_Attestation.episode_id == _OF_EPISODE)
    .order_by(_Attestation.attested_at, _Attestation.attestation_id)
)


def newest_plan(db: Session, episode_id: str) -> plans.AftercarePlan | None:
    """Return the newest version of an episode's aftercare plan."""
    return db.scalar(_NEWEST_PLAN, {"of_episode": episode_id})


_NEWEST_PLAN = written_once(
    sa.select(_AftercarePlan)
    .where(_AftercarePlan.episode_id == _OF_EPISODE)
    .order_by(_AftercarePlan.version.desc())
    .limit(1)
)


def last_lapse_at(db: Session, episode_id: str) -> datetime | None:
    """Return when the patient last used in an episode, as far as reported."""
    return db.scalar(
        sa.select(sa.func.max(_Lapse.occurred_at)).where(
            _Lapse.episode_id == episode_id, _Lapse.substance != dangers.NO_USE
        )
    )


def proposals_of(db: Session, episode_id: str) -> list[discharge.Proposal]:
    """Return the discharges that were proposed in an episode, oldest first."""
    return list(db.scalars(_PROPOSALS, {"of_episode": episode_id}))


_PROPOSALS = written_once(
    sa.select(_Proposal)
    .where(_Proposal.episode_id == _OF_EPISODE)
    .order_by(_Proposal.proposed_at, _Proposal.proposal_id)
)


def page_of_proposals(
    db: Session, *, open_only: bool, after: str | None, limit: int
) -> list[discharge.Proposal]:
    """Return proposals, oldest first, from behind the one with the id *after*; at most *limit*."""
    query = sa.select(_Proposal).order_by(_Proposal.proposed_at, _Proposal.proposal_id).limit(limit)
    if open_only:
        query = query.where(_Proposal.status == discharge.OPEN)
    last = db.get(discharge.Proposal, after) if after else None
    if last is not None:
        query = query.where(
            sa.tuple_(_Proposal.proposed_at, _Proposal.proposal_id)
            > sa.tuple_(
                sa.literal(last.proposed_at, moment()), sa.literal(last.proposal_id, sa.Uuid(as_uuid=False))
            )
        )
    return list(db.scalars(query))


def contacts_of_journey(db: Session, journey_id: str) -> list[contact_rules.Contact]:
    """Return every contact after every discharge of a journey, in the order they fall due."""
    return list(db.scalars(_CONTACTS, {"of_journey": journey_id}))


_CONTACTS = written_once(
    sa.select(_Contact)
    .where(_Contact.journey_id == _OF_JOURNEY)
    .order_by(_Contact.due_at, _Contact.kind, _Contact.number)
)


def page_of_contacts(
    db: Session, *, episode_id: str, after: str | None, limit: int
) -> list[contact_rules.Contact]:
    """Return an episode's contacts in the order they fall due, from behind the one with id *after*."""
    query = (
        sa.select(_Contact)
        .where(_Contact.episode_id == episode_id)
        .order_by(_Contact.due_at, _Contact.contact_id)
        .limit(limit)
    )
    last = db.get(_Contact, after) if after else None
    if last is not None:
        query = query.where(
            sa.tuple_(_Contact.due_at, _Contact.contact_id)
            > sa.tuple_(
                sa.literal(last.due_at, moment()), sa.literal(last.contact_id, sa.Uuid(as_uuid=False))
            )
        )
    return list(db.scalars(query))


def next_follow_up(db: Session, episode_id: str) -> contact_rules.Contact | None:
    """Return the first follow-up of an episode that is still planned."""
    return db.scalar(_NEXT_FOLLOW_UP, {"of_episode": episode_id})


_NEXT_FOLLOW_UP = written_once(
    sa.select(_Contact)
    .where(
        _Contact.episode_id == _OF_EPISODE,
        _Contact.kind == contact_rules.FOLLOW_UP,
        _Contact.status == contact_rules.PLANNED,
    )
    .order_by(_Contact.number)
    .limit(1)
)


def came_back_or_died_at(db: Session, *, journey_id: str, after: datetime) -> datetime | None:
    """Return when contacts counted from *after* stop: at the next admission of the journey, or death."""
    asked = {"of_tenant": origin_of(db).tenant_id, "of_journey": journey_id, "after": after}
    moments = db.execute(_CAME_BACK_OR_DIED, asked).one()
    return min((moment for moment in moments if moment is not None), default=None)


def _first_in_journey(column: sa.Column[datetime], *conditions: sa.ColumnElement[bool]) -> Any:
    rows = episodes_table.c
    of_journey = (rows.tenant_id == sa.bindparam("of_tenant"), rows.journey_id == _OF_JOURNEY)
    return sa.select(sa.func.min(column)).where(*of_journey, *conditions).scalar_subquery()


_CAME_BACK_OR_DIED = written_once(
    sa.select(
        _first_in_journey(
            episodes_table.c.admitted_at, episodes_table.c.admitted_at > sa.bindparam("after")
        ).label("came_back_at"),
        _first_in_journey(episodes_table.c.deceased_at).label("died_at"),
    )
)


def lapse_to_change(db: Session, lapse_id: str) -> lapses.Lapse | None:
    """Return a lapse under its journey's lock, or its own where no journey is known."""
    journey_id = db.scalar(sa.select(_Lapse.journey_id).filter_by(lapse_id=lapse_id))
    if journey_id is not None:
        lock_journey(db, journey_id)
    return db.get(lapses.Lapse, lapse_id, with_for_update=True)


def uncontacted_lapses(db: Session, journey_ids: Iterable[str]) -> list[lapses.Lapse]:
    """Return the reported lapses of some journeys after which nobody spoke with the patient yet."""
    return list(db.scalars(_UNCONTACTED_LAPSES, {"of_journeys": sorted(set(journey_ids))}))


_UNCONTACTED_LAPSES = written_once(
    sa.select(_Lapse).where(*_uncontacted).order_by(_Lapse.reported_at, _Lapse.lapse_id)
)


def open_reentry(db: Session, journey_id: str) -> lapses.Reentry | None:
    """Return the journey's open request to come back."""
    return db.scalar(_OPEN_REENTRY, {"of_journey": journey_id})


_OPEN_REENTRY = written_once(
    sa.select(_Reentry).where(_Reentry.journey_id == _OF_JOURNEY, _Reentry.status == "OPEN")
)


def reentry_of(db: Session, lapse_id: str) -> lapses.Reentry | None:
    """Return the request to come back that a lapse led to."""
    return db.scalar(sa.select(_Reentry).where(_Reentry.lapse_id == lapse_id))
