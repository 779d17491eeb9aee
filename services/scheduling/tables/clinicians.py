"""Clinicians, and the named queries about them."""

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.scheduling.domain import clinicians
from services.scheduling.tables.base import mapper, metadata
from shared.database import id_column, moment, reference, sealed, sealed_column, tenant_column

clinicians_table = Table(
    "clinicians",
    metadata,
    id_column("clinician_id"),
    tenant_column(primary_key=True),
    reference("site_id"),
    sealed_column("name"),
    Column("credentials", JSONB, nullable=False),
    Column("expiries_closed", JSONB, nullable=False, server_default="[]"),
    Column("expiries_told", JSONB, nullable=False, server_default="[]"),
    Column("reassigning", JSONB, nullable=False, server_default="[]"),
    Column("told", JSONB, nullable=False, server_default="[]"),
    Column("revision", sa.Integer, nullable=False, server_default="0"),
    Column("added_at", moment(), nullable=False),
    Index(None, "tenant_id", "site_id"),
)

# A session sees one tenant only, so there the id alone is the key.
mapper.map_imperatively(clinicians.Clinician, clinicians_table, primary_key=[clinicians_table.c.clinician_id])
sealed(clinicians.Clinician, key="clinician_id", fields=("name",))


def clinicians_of_site(db: Session, *, site_id: str | None) -> list[clinicians.Clinician]:
    """Return the clinicians of a site, or of all sites, in the order in which they were added."""
    found = sa.select(clinicians.Clinician).order_by(
        clinicians.Clinician.added_at, clinicians.Clinician.clinician_id
    )
    if site_id is not None:
        found = found.where(clinicians.Clinician.site_id == site_id)
    return list(db.scalars(found))
