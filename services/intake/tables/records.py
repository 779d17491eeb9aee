"""Demands for records by courts and the like, and patients' requests for their own."""

from sqlalchemy import Column, Index, String, Table, select
from sqlalchemy.orm import Session

from services.intake.domain import access, legal
from services.intake.tables.columns import CODE, actor_columns, belongs_to, mapper, metadata, one_of
from shared.contracts import intake as codes
from shared.database import id_column, moment, reference, sealed, sealed_column, tenant_column

demand_rows = Table(
    "legal_demands",
    metadata,
    id_column("demand_id"),
    tenant_column(),
    Column("kind", CODE, nullable=False),
    belongs_to("patient_id", "patients.patient_id", nullable=True),
    reference("journey_id", nullable=True),
    sealed_column("asker", nullable=False),
    sealed_column("about", nullable=False),
    sealed_column("text"),
    Column("received_at", moment(), nullable=False),
    *actor_columns("received", credential=False),
    Column("due_at", moment(), nullable=False),
    Column("outcome", CODE),
    sealed_column("note"),
    Column("settled_at", moment()),
    Column("settled_by", String(64)),
    Column("settled_by_role", String(32)),
    Column("settled_by_credential", String(16)),
    Column("released_at", moment()),
    Column("released_by", String(64)),
    Column("released_by_role", String(32)),
    one_of("kind", codes.LEGAL_DEMANDS),
    one_of("outcome", codes.LEGAL_OUTCOMES),
    Index("ix_legal_demands_tenant_patient", "tenant_id", "patient_id"),
    # A court may forbid to tell the patient (42 CFR 2.66(b)); whether they are told is for a human.
    info={"withheld": "a court may forbid to tell of it"},
)

request_rows = Table(
    "record_requests",
    metadata,
    id_column("request_id"),
    tenant_column(),
    belongs_to("patient_id", "patients.patient_id"),
    reference("journey_id"),
    Column("requested_at", moment(), nullable=False),
    *actor_columns("requested", credential=False),
    Column("due_at", moment(), nullable=False),
    Column("state", CODE, nullable=False),
    Column("extended_at", moment()),
    Column("delivered_at", moment()),
    Column("delivered_by", String(64)),
    Column("delivered_by_role", String(32)),
    Column("denied_at", moment()),
    Column("denied_by", String(64)),
    Column("denied_by_role", String(32)),
    Column("denied_by_credential", String(16)),
    Column("ground", CODE),
    sealed_column("reason"),
    one_of("state", ("OPEN", "DELIVERED", "DENIED")),
    one_of("ground", codes.ACCESS_DENIAL_GROUNDS),
    Index("ix_record_requests_tenant_patient", "tenant_id", "patient_id"),
)

mapper.map_imperatively(legal.LegalDemand, demand_rows)
mapper.map_imperatively(access.RecordRequest, request_rows)

sealed(legal.LegalDemand, key="demand_id", fields=("asker", "about", "text", "note"))
sealed(access.RecordRequest, key="request_id", fields=("reason",))


def lock_demand(db: Session, *, demand_id: str) -> legal.LegalDemand | None:
    """Return a demand, which nobody else changes until the transaction ends."""
    return db.get(legal.LegalDemand, demand_id, with_for_update=True)


def demands_after(
    db: Session, *, only_open: bool, on_hold: bool, after: str | None, limit: int
) -> list[legal.LegalDemand]:
    """Return demands by id, from behind *after*."""
    query = select(legal.LegalDemand)
    if only_open:
        query = query.where(demand_rows.c.outcome.is_(None))
    if on_hold:
        query = query.where(demand_rows.c.patient_id.is_not(None), demand_rows.c.released_at.is_(None))
    if after:
        query = query.where(demand_rows.c.demand_id > after)
    return list(db.scalars(query.order_by(demand_rows.c.demand_id).limit(limit)))


def lock_record_request(db: Session, *, request_id: str) -> access.RecordRequest | None:
    """Return a request for a record, which nobody else changes until the transaction ends."""
    return db.get(access.RecordRequest, request_id, with_for_update=True)


def find_record_request(db: Session, *, request_id: str) -> access.RecordRequest | None:
    """Return a request for a record, if it is there."""
    return db.get(access.RecordRequest, request_id)


def record_requests_of(db: Session, *, patient_id: str) -> list[access.RecordRequest]:
    """Return a person's requests for their record, oldest first."""
    query = select(access.RecordRequest).where(request_rows.c.patient_id == patient_id)
    return list(db.scalars(query.order_by(request_rows.c.requested_at, request_rows.c.request_id)))
