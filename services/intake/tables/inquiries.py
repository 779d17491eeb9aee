"""Inquiries: who asked for help, how they are called back, and what was decided."""

import sqlalchemy as sa
from sqlalchemy import Column, Index, LargeBinary, String, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.intake.domain import inquiries
from services.intake.tables.columns import CODE, mapper, metadata, one_of
from shared.contracts import intake as codes
from shared.database import id_column, moment, reference, sealed, sealed_column, tenant_column

inquiry_rows = Table(
    "inquiries",
    metadata,
    id_column("inquiry_id"),
    tenant_column(),
    reference("patient_id"),
    reference("site_id"),
    Column("status_digest", LargeBinary(32), nullable=False),
    Column("received_at", moment(), nullable=False),
    Column("state", CODE, nullable=False),
    Column("voicemail_safe", sa.Boolean, nullable=False),
    # Empty is no JSON at all, rather than JSON's null.
    Column("self_check", JSONB(none_as_null=True)),
    Column("call_back_due_at", moment()),
    Column("calls", JSONB, nullable=False),
    Column("pre_screen", JSONB(none_as_null=True)),
    Column("pre_screened_at", moment()),
    Column("recommendation", CODE),
    Column("reasons", JSONB, nullable=False),
    Column("rule_version", CODE),
    Column("decision", CODE),
    Column("decided_at", moment()),
    Column("decided_by", String(64)),
    Column("decided_by_role", String(32)),
    Column("decided_by_credential", String(16)),
    reference("referral_id", nullable=True),
    Column("in_danger", sa.Boolean, nullable=False),
    Column("language", CODE),
    sealed_column("given_name"),
    sealed_column("phone"),
    sealed_column("email"),
    sealed_column("words"),
    sealed_column("why"),
    one_of("state", codes.INQUIRY_STATES),
    one_of("recommendation", codes.PRE_SCREEN_RESULTS),
    one_of("decision", codes.INQUIRY_DECISIONS),
    UniqueConstraint("tenant_id", "status_digest"),
    Index("ix_inquiries_tenant_state", "tenant_id", "state", "inquiry_id"),
)

mapper.map_imperatively(inquiries.Inquiry, inquiry_rows)

sealed(inquiries.Inquiry, key="inquiry_id", fields=("given_name", "phone", "email", "words", "why"))


def lock_inquiry(db: Session, *, inquiry_id: str) -> inquiries.Inquiry | None:
    """Return an inquiry, which nobody else changes until the transaction ends."""
    return db.get(inquiries.Inquiry, inquiry_id, with_for_update=True)


def find_inquiry(db: Session, *, inquiry_id: str) -> inquiries.Inquiry | None:
    """Return an inquiry, if it is there."""
    return db.get(inquiries.Inquiry, inquiry_id)


def find_inquiry_by_key(db: Session, *, digest: bytes, lock: bool = False) -> inquiries.Inquiry | None:
    """Return the inquiry of whoever has its secret key; locked until the transaction ends if asked."""
    query = sa.select(inquiries.Inquiry).where(inquiry_rows.c.status_digest == digest)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return db.scalar(query)


def inquiries_after(
    db: Session, *, state: str | None, after: str | None, limit: int
) -> list[inquiries.Inquiry]:
    """Return inquiries by id, from behind *after*; those in one state, where it is named."""
    query = sa.select(inquiries.Inquiry).order_by(inquiry_rows.c.inquiry_id).limit(limit)
    if state:
        query = query.where(inquiry_rows.c.state == state)
    return list(db.scalars(query.where(inquiry_rows.c.inquiry_id > after) if after else query))
