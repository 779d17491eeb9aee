"""Consents."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.intake.domain import consents
from services.intake.tables.columns import CODE, belongs_to, mapper, metadata, one_of
from shared.contracts import intake as codes
from shared.database import id_column, moment, reference, sealed, sealed_column, tenant_column, written_once

consent_rows = Table(
    "consents",
    metadata,
    id_column("consent_id"),
    tenant_column(),
    belongs_to("patient_id", "patients.patient_id"),
    reference("journey_id"),
    Column("kind", CODE, nullable=False),
    Column("signed_by", CODE, nullable=False),
    Column("signed_at", moment(), nullable=False),
    Column("granted_at", moment(), nullable=False),
    Column("information_classes", JSONB, nullable=False),
    reference("recipient_id", nullable=True),
    Column("expires_at", moment()),
    Column("ends_with_event", CODE),
    Column("revoked_at", moment()),
    sealed_column("recipient"),
    sealed_column("purpose"),
    Column("discloser", CODE, nullable=False, server_default="THIS_PROGRAM"),
    sealed_column("discloser_name"),
    sealed_column("signer"),
    Column("signing_authority", CODE),
    Column("signature", CODE, nullable=False, server_default="ELECTRONIC"),
    Column("statements", JSONB, nullable=False, server_default="[]"),
    Column("ended_at", moment()),
    Column("end_reason", CODE),
    one_of("kind", codes.CONSENT_KINDS),
    one_of("signed_by", codes.SIGNATORIES),
    Index("ix_consents_tenant_patient", "tenant_id", "patient_id"),
)

mapper.map_imperatively(consents.Consent, consent_rows)

sealed(consents.Consent, key="consent_id", fields=("recipient", "purpose", "discloser_name", "signer"))


def lock_consent(db: Session, *, consent_id: str) -> consents.Consent | None:
    """Return a consent, which nobody else changes until the transaction ends."""
    return db.get(consents.Consent, consent_id, with_for_update=True)


def lock_consents_of(db: Session, *, patient_id: str) -> list[consents.Consent]:
    """Return all consents of a person, which nobody else changes until the transaction ends."""
    query = sa.select(consents.Consent).where(consent_rows.c.patient_id == patient_id)
    query = query.order_by(consent_rows.c.granted_at, consent_rows.c.consent_id)
    return list(db.scalars(query.with_for_update().execution_options(populate_existing=True)))


_CONSENTS = written_once(
    sa.select(consents.Consent)
    .where(consent_rows.c.patient_id == sa.bindparam("of_patient"))
    .order_by(consent_rows.c.granted_at, consent_rows.c.consent_id)
)


def consents_of(db: Session, *, patient_id: str) -> list[consents.Consent]:
    """Return all consents of a person, oldest first."""
    return list(db.scalars(_CONSENTS, {"of_patient": patient_id}))


def family_consents_of(db: Session, *, patient_ids: Collection[str]) -> list[consents.Consent]:
    """Return the consents of some people that let those close to them know of the treatment, of all times."""
    query = sa.select(consents.Consent).where(
        consent_rows.c.patient_id.in_(sorted(patient_ids)), consent_rows.c.kind == "FAMILY"
    )
    return list(db.scalars(query.order_by(consent_rows.c.granted_at, consent_rows.c.consent_id)))


def billing_consents_of(db: Session, *, patient_ids: Collection[str]) -> list[consents.Consent]:
    """Return the consents of some people under which a payer may be told what is billed, of all times."""
    query = sa.select(consents.Consent).where(
        consent_rows.c.patient_id.in_(sorted(patient_ids)),
        consent_rows.c.kind == "TPO",
        consent_rows.c.information_classes.contains(["BILLING"]),
    )
    return list(db.scalars(query.order_by(consent_rows.c.granted_at, consent_rows.c.consent_id)))


def disclosing_consents_of(db: Session, *, patient_ids: list[str]) -> list[consents.Consent]:
    """Return the consents of some people that name a recipient by id and were not taken back."""
    query = sa.select(consents.Consent).where(
        consent_rows.c.patient_id.in_(patient_ids),
        consent_rows.c.recipient_id.is_not(None),
        consent_rows.c.revoked_at.is_(None),
    )
    return list(db.scalars(query.order_by(consent_rows.c.granted_at, consent_rows.c.consent_id)))
