"""The notice of how records are protected, who was given it, and requests that less be told."""

from sqlalchemy import Boolean, Column, Index, String, Table, UniqueConstraint, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.intake.domain import notices, restrictions
from services.intake.tables.columns import CODE, actor_columns, belongs_to, mapper, metadata, one_of
from shared.contracts import intake as codes
from shared.database import id_column, moment, reference, sealed, sealed_column, tenant_column

notice_rows = Table(
    "privacy_notices",
    metadata,
    id_column("notice_id"),
    tenant_column(),
    Column("edition", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("effective_at", moment(), nullable=False),
    Column("published_at", moment(), nullable=False),
    *actor_columns("published", credential=False),
    UniqueConstraint("tenant_id", "edition"),
)

receipt_rows = Table(
    "notice_receipts",
    metadata,
    id_column("receipt_id"),
    tenant_column(),
    belongs_to("notice_id", "privacy_notices.notice_id"),
    belongs_to("patient_id", "patients.patient_id"),
    reference("journey_id"),
    Column("channel", CODE, nullable=False),
    Column("acknowledgement", CODE, nullable=False),
    Column("given_at", moment(), nullable=False),
    *actor_columns("given", credential=False),
    one_of("channel", codes.NOTICE_CHANNELS),
    one_of("acknowledgement", codes.NOTICE_ACKNOWLEDGEMENTS),
    Index("ix_notice_receipts_tenant_patient", "tenant_id", "patient_id"),
    Index("ix_notice_receipts_tenant_notice", "tenant_id", "notice_id", "receipt_id"),
)

restriction_rows = Table(
    "restrictions",
    metadata,
    id_column("restriction_id"),
    tenant_column(),
    belongs_to("patient_id", "patients.patient_id"),
    reference("journey_id"),
    Column("towards", CODE, nullable=False),
    reference("recipient_id", nullable=True),
    Column("information_classes", JSONB, nullable=False),
    Column("paid_in_full", Boolean, nullable=False),
    Column("requested_at", moment(), nullable=False),
    *actor_columns("requested", credential=False),
    Column("answer_due_at", moment(), nullable=False),
    Column("state", CODE, nullable=False),
    sealed_column("words"),
    Column("answered_at", moment()),
    Column("answered_by", String(64)),
    Column("answered_by_role", String(32)),
    Column("answered_by_credential", String(16)),
    sealed_column("answer_reason"),
    Column("ended_at", moment()),
    Column("ended_by", String(64)),
    Column("ended_by_role", String(32)),
    reference("coverage_id", nullable=True),
    one_of("towards", codes.RESTRICTED_RECIPIENTS),
    one_of("state", codes.RESTRICTION_STATES),
    Index("ix_restrictions_tenant_patient", "tenant_id", "patient_id"),
)

mapper.map_imperatively(notices.PrivacyNotice, notice_rows)
mapper.map_imperatively(notices.NoticeReceipt, receipt_rows)
mapper.map_imperatively(restrictions.Restriction, restriction_rows)

sealed(restrictions.Restriction, key="restriction_id", fields=("words", "answer_reason"))


def all_notices(db: Session) -> list[notices.PrivacyNotice]:
    """Return every version of the notice, the first to take effect first."""
    query = select(notices.PrivacyNotice)
    return list(db.scalars(query.order_by(notice_rows.c.effective_at, notice_rows.c.notice_id)))


def find_receipt(db: Session, *, receipt_id: str) -> notices.NoticeReceipt | None:
    """Return the record that somebody was given a version, if they were."""
    return db.get(notices.NoticeReceipt, receipt_id)


def receipts_after(
    db: Session, *, patient_id: str | None, notice_id: str | None, after: str | None, limit: int
) -> list[notices.NoticeReceipt]:
    """Return who was given which version by id, from behind *after*."""
    query = select(notices.NoticeReceipt)
    if patient_id:
        query = query.where(receipt_rows.c.patient_id == patient_id)
    if notice_id:
        query = query.where(receipt_rows.c.notice_id == notice_id)
    if after:
        query = query.where(receipt_rows.c.receipt_id > after)
    return list(db.scalars(query.order_by(receipt_rows.c.receipt_id).limit(limit)))


def receipts_by_notice(db: Session) -> dict[str, int]:
    """Return how many people were given each version."""
    query = (
        select(notices.NoticeReceipt.notice_id, func.count(receipt_rows.c.receipt_id))
        .select_from(notices.NoticeReceipt)
        .group_by(receipt_rows.c.notice_id)
    )
    return {row[0]: row[1] for row in db.execute(query)}


def lock_restriction(db: Session, *, restriction_id: str) -> restrictions.Restriction | None:
    """Return a restriction, which nobody else changes until the transaction ends."""
    return db.get(restrictions.Restriction, restriction_id, with_for_update=True)


def restrictions_of(db: Session, *, patient_id: str) -> list[restrictions.Restriction]:
    """Return what a person asked, oldest first."""
    query = select(restrictions.Restriction).where(restriction_rows.c.patient_id == patient_id)
    ordered = query.order_by(restriction_rows.c.requested_at, restriction_rows.c.restriction_id)
    return list(db.scalars(ordered))


def agreed_restrictions_of(db: Session, *, patient_ids: list[str]) -> list[restrictions.Restriction]:
    """Return the restrictions in force of some people."""
    query = select(restrictions.Restriction).where(
        restriction_rows.c.patient_id.in_(patient_ids), restriction_rows.c.state == restrictions.AGREED
    )
    return list(db.scalars(query))
