"""Sites of the program."""

import sqlalchemy as sa
from sqlalchemy import Column, String, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.intake.domain import sites
from services.intake.tables.columns import mapper, metadata
from shared.database import moment, reference, tenant_column

site_rows = Table(
    "sites",
    metadata,
    tenant_column(),
    # A site's id may be chosen by the caller, so it is unique within the tenant only.
    reference("site_id"),
    Column("name", String(200), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("levels_licensed", JSONB, nullable=False),
    Column("emergency_phone", String(32)),
    Column("opened_at", moment(), nullable=False),
    Column("staffed_hours", JSONB, nullable=False, server_default="[]"),
    sa.PrimaryKeyConstraint("tenant_id", "site_id"),
)

# A session sees one tenant only, so there the id alone is the key.
mapper.map_imperatively(sites.Site, site_rows, primary_key=[site_rows.c.site_id])


def find_site(db: Session, *, site_id: str) -> sites.Site | None:
    """Return a site, if it is there."""
    return db.get(sites.Site, site_id)


def lock_site(db: Session, *, site_id: str) -> sites.Site | None:
    """Return a site, which nobody else changes until the transaction ends."""
    return db.get(sites.Site, site_id, with_for_update=True)


def sites_after(db: Session, *, after: str | None, limit: int) -> list[sites.Site]:
    """Return sites by id, from behind *after*."""
    query = sa.select(sites.Site).order_by(site_rows.c.site_id).limit(limit)
    return list(db.scalars(query.where(site_rows.c.site_id > after) if after else query))
