"""Clinicians, and the named queries about them."""

import sqlalchemy as sa
from sqlalchemy import Column, Index, String, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.scheduling.domain import clinicians, exclusions
from services.scheduling.tables.base import mapper, metadata, one_of
from shared.contracts.scheduling import EXCLUSION_FINDINGS, EXCLUSION_LISTS
from shared.database import id_column, moment, reference, sealed, sealed_column, tenant_column, written_once

#: Looks at exclusion lists that are shown: two lists a month for eight years.
CHECKS_SHOWN = 200

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
    Column("exclusions", JSONB, nullable=False, server_default="{}"),
    reference("exclusion_task", nullable=True),
    Column("added_at", moment(), nullable=False),
    Index(None, "tenant_id", "site_id"),
)

exclusion_checks = Table(
    "exclusion_checks",
    metadata,
    id_column("check_id"),
    tenant_column(),
    reference("clinician_id"),
    Column("source", String(16), nullable=False),
    Column("finding", String(16), nullable=False),
    Column("checked_at", moment(), nullable=False),
    Column("checked_by", String(64), nullable=False),
    Column("checked_by_role", String(32), nullable=False),
    Column("evidence_hash", String(64)),
    one_of("source", EXCLUSION_LISTS),
    one_of("finding", EXCLUSION_FINDINGS),
    Index(None, "tenant_id", "clinician_id", "checked_at"),
)

mapper.map_imperatively(exclusions.ExclusionCheck, exclusion_checks)
# A session sees one tenant only, so there the id alone is the key.
mapper.map_imperatively(clinicians.Clinician, clinicians_table, primary_key=[clinicians_table.c.clinician_id])
sealed(clinicians.Clinician, key="clinician_id", fields=("name",))


_CLINICIANS = written_once(
    sa.select(clinicians.Clinician).order_by(clinicians.Clinician.added_at, clinicians.Clinician.clinician_id)
)
_CLINICIANS_OF_SITE = written_once(_CLINICIANS.where(clinicians.Clinician.site_id == sa.bindparam("of_site")))


def clinicians_of_site(db: Session, *, site_id: str | None) -> list[clinicians.Clinician]:
    """Return the clinicians of a site, or of all sites, in the order in which they were added."""
    if site_id is None:
        return list(db.scalars(_CLINICIANS))
    return list(db.scalars(_CLINICIANS_OF_SITE, {"of_site": site_id}))


def exclusion_checks_of(db: Session, *, clinician_id: str) -> list[exclusions.ExclusionCheck]:
    """Return the looks at exclusion lists for a clinician, the newest first."""
    found = sa.select(exclusions.ExclusionCheck).where(exclusion_checks.c.clinician_id == clinician_id)
    return list(
        db.scalars(
            found.order_by(exclusion_checks.c.checked_at.desc(), exclusion_checks.c.check_id).limit(
                CHECKS_SHOWN
            )
        )
    )
