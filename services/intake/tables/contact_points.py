"""How patients are reached, and what was written to them."""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, Index, SmallInteger, String, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from services.intake.domain import contact_points, messages, people
from services.intake.tables.columns import CODE, actor_columns, belongs_to, mapper, metadata, one_of
from services.intake.tables.people import patient_rows
from shared.contracts import intake as codes
from shared.database import (
    blind_index_column,
    id_column,
    moment,
    reference,
    sealed,
    sealed_column,
    tenant_column,
    written_once,
)


def _who_and_when(prefix: str) -> list[Column[Any]]:
    return [
        Column(f"{prefix}_at", moment()),
        Column(f"{prefix}_by", String(64)),
        Column(f"{prefix}_by_role", String(32)),
    ]


contact_point_rows = Table(
    "contact_points",
    metadata,
    id_column("contact_point_id"),
    tenant_column(),
    belongs_to("patient_id", "patients.patient_id"),
    Column("kind", CODE, nullable=False),
    sealed_column("address", nullable=False),
    blind_index_column("address", nullable=True),
    Column("label", CODE),
    Column("message_safe", Boolean, nullable=False),
    Column("may_be_used", Boolean, nullable=False),
    Column("position", SmallInteger, nullable=False),
    Column("refused_at", moment()),
    Column("added_at", moment(), nullable=False),
    *actor_columns("added", credential=False),
    *_who_and_when("verified"),
    *_who_and_when("changed"),
    Column("ending", CODE),
    *_who_and_when("ended"),
    one_of("kind", codes.CONTACT_KINDS),
    one_of("label", codes.CONTACT_LABELS),
    one_of("ending", codes.CONTACT_ENDINGS),
    Index("ix_contact_points_tenant_patient", "tenant_id", "patient_id"),
    Index("ix_contact_points_tenant_address", "tenant_id", "address_index"),
)

message_rows = Table(
    "messages",
    metadata,
    id_column("message_id"),
    tenant_column(),
    reference("wanted_id"),
    belongs_to("patient_id", "patients.patient_id"),
    reference("episode_id"),
    Column("template", String(64), nullable=False),
    Column("language", CODE, nullable=False),
    belongs_to("contact_point_id", "contact_points.contact_point_id", nullable=True),
    Column("asked_at", moment(), nullable=False),
    Column("give_up_at", moment(), nullable=False),
    Column("outcome", CODE),
    Column("settled_at", moment()),
    one_of("outcome", codes.MESSAGE_OUTCOMES),
    Index("ix_messages_tenant_patient", "tenant_id", "patient_id", "message_id"),
    Index("ix_messages_tenant_wanted", "tenant_id", "wanted_id"),
)

mapper.map_imperatively(contact_points.ContactPoint, contact_point_rows)
mapper.map_imperatively(messages.Message, message_rows)

sealed(contact_points.ContactPoint, key="contact_point_id", fields=("address",))

_OF_THE_PATIENT = sa.and_(
    contact_point_rows.c.patient_id == patient_rows.c.patient_id,
    contact_point_rows.c.tenant_id == patient_rows.c.tenant_id,
)
_JOINED = (
    sa.select(people.Patient, contact_points.ContactPoint)
    .outerjoin(contact_points.ContactPoint, _OF_THE_PATIENT)
    .where(patient_rows.c.patient_id == sa.bindparam("of_patient"))
)
_WITH_CONTACTS = written_once(_JOINED, narrowed=(contact_points.ContactPoint,))
_WITH_CONTACTS_ANEW = written_once(
    _JOINED.execution_options(populate_existing=True), narrowed=(contact_points.ContactPoint,)
)
_OF_PATIENTS = written_once(
    sa.select(contact_points.ContactPoint).where(
        contact_point_rows.c.patient_id.in_(sa.bindparam("of_patients", expanding=True))
    )
)


def patient_with_contacts(
    db: Session, *, patient_id: str, anew: bool = False
) -> tuple[people.Patient, list[contact_points.ContactPoint]] | None:
    """Return a person, if known, with all their contact points, in one look.

    :param anew: whether what was read of them before is read again.
    """
    found = db.execute(_WITH_CONTACTS_ANEW if anew else _WITH_CONTACTS, {"of_patient": patient_id}).all()
    if not found:
        return None
    return found[0][0], [point for _, point in found if point is not None]


def contact_points_of(db: Session, *, patient_ids: Collection[str]) -> list[contact_points.ContactPoint]:
    """Return all contact points of some people."""
    return list(db.scalars(_OF_PATIENTS, {"of_patients": list(patient_ids)}))


def reached_at(
    db: Session, *, kind: str, address_index: bytes, earlier: bool = False
) -> list[tuple[people.Patient, contact_points.ContactPoint]]:
    """Return who is reached at an address now, each with the contact point, by id of the patient.

    :param earlier: after these also who was reached there once, unless it was never theirs.
    """
    live = contact_point_rows.c.ended_at.is_(None)
    query = (
        sa.select(people.Patient, contact_points.ContactPoint)
        .join(contact_points.ContactPoint, _OF_THE_PATIENT)
        .where(
            contact_point_rows.c.address_index == address_index,
            contact_point_rows.c.kind == kind,
            sa.or_(live, contact_point_rows.c.ending != contact_points.NEVER_THEIRS) if earlier else live,
        )
        .order_by(live.desc(), patient_rows.c.patient_id, contact_point_rows.c.ended_at.desc())
    )
    return [(patient, point) for patient, point in db.execute(query)]


def contact_points_without_index(db: Session, *, kind: str, limit: int) -> list[contact_points.ContactPoint]:
    """Return some of those that cannot be looked up, whose rows a version before wrote."""
    query = sa.select(contact_points.ContactPoint).where(
        contact_point_rows.c.address_index.is_(None), contact_point_rows.c.kind == kind
    )
    return list(db.scalars(query.order_by(contact_point_rows.c.contact_point_id).limit(limit)))


def patients_without_contact_point(
    db: Session, *, kind: str, limit: int, among: Collection[str] | None = None
) -> list[people.Patient]:
    """Return some whose own row tells an address of a kind, and who have no contact point of it.

    :param among: of these people only, read anew.
    """
    own = {"PHONE": patient_rows.c.phone_sealed, "EMAIL": patient_rows.c.email_sealed}[kind]
    theirs = sa.select(contact_point_rows.c.contact_point_id).where(
        _OF_THE_PATIENT, contact_point_rows.c.kind == kind
    )
    query = sa.select(people.Patient).where(own.is_not(None), ~theirs.exists())
    if among is not None:
        query = query.where(patient_rows.c.patient_id.in_(list(among)))
        query = query.execution_options(populate_existing=True)
    return list(db.scalars(query.order_by(patient_rows.c.patient_id).limit(limit)))


_KEEP_MESSAGE = (
    postgresql.insert(message_rows)
    .on_conflict_do_nothing(index_elements=["message_id"])
    .returning(message_rows.c.message_id)
)


def keep_message(db: Session, message: messages.Message) -> bool:
    """Keep a message, and tell whether it was not there yet."""
    row = {column.name: getattr(message, column.name) for column in message_rows.columns}
    return db.connection().scalar(_KEEP_MESSAGE, row | {"tenant_id": db.info["tenant_id"]}) is not None


def lock_message(db: Session, *, message_id: str) -> messages.Message | None:
    """Return a message, which nobody else changes until the transaction ends."""
    return db.get(messages.Message, message_id, with_for_update=True)


def messages_wanted(db: Session, *, wanted_id: str) -> list[messages.Message]:
    """Return every try of one message."""
    return list(db.scalars(sa.select(messages.Message).where(message_rows.c.wanted_id == wanted_id)))


def messages_after(db: Session, *, patient_id: str, after: str | None, limit: int) -> list[messages.Message]:
    """Return what was written to a patient by id, from behind *after*."""
    query = sa.select(messages.Message).where(message_rows.c.patient_id == patient_id)
    query = query.order_by(message_rows.c.message_id).limit(limit)
    return list(db.scalars(query.where(message_rows.c.message_id > after) if after else query))
