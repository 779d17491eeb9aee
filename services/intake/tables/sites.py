"""Sites of the program."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy import Column, String, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.intake.domain import episodes, sites
from services.intake.tables.columns import any_of, mapper, metadata
from services.intake.tables.inquiries import inquiry_rows
from services.intake.tables.live import group_rows
from services.intake.tables.people import NEWEST_FIRST, episode_rows
from shared.database import moment, reference, tenant_column, written_once

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
    Column("licences", JSONB, nullable=False, server_default="[]"),
    # Empty is no JSON at all, rather than JSON's null.
    Column("address", JSONB(none_as_null=True)),
    Column("revision", sa.Integer, nullable=False, server_default="0"),
    sa.PrimaryKeyConstraint("tenant_id", "site_id"),
)

# A session sees one tenant only, so there the id alone is the key.
mapper.map_imperatively(sites.Site, site_rows, primary_key=[site_rows.c.site_id])


def find_site(db: Session, *, site_id: str) -> sites.Site | None:
    """Return a site, if it is there."""
    return db.get(sites.Site, site_id)


_EPISODES_AT_SITES = written_once(
    sa.select(episodes.Episode, sites.Site)
    .join(sites.Site, sites.Site.site_id == episodes.Episode.site_id)
    .where(episode_rows.c.episode_id == any_of("of_episodes"))
)


def episode_at_site(db: Session, *, episode_id: str) -> tuple[episodes.Episode, sites.Site] | None:
    """Return an episode and its site, if both are there, in one look."""
    return episodes_at_sites(db, episode_ids=[episode_id]).get(episode_id)


def episodes_at_sites(
    db: Session, *, episode_ids: Collection[str]
) -> dict[str, tuple[episodes.Episode, sites.Site]]:
    """Return those of some episodes that are there with their site, by id, each with its site."""
    found = db.execute(_EPISODES_AT_SITES, {"of_episodes": list(episode_ids)})
    return {episode.episode_id: (episode, site) for episode, site in found}


_NEWEST_EPISODE = written_once(
    sa.select(episodes.Episode, sites.Site)
    .outerjoin(
        sites.Site,
        sa.and_(
            site_rows.c.site_id == episode_rows.c.site_id, site_rows.c.tenant_id == episode_rows.c.tenant_id
        ),
    )
    .where(episode_rows.c.patient_id == sa.bindparam("of_patient"))
    .order_by(*NEWEST_FIRST)
    .limit(1),
    narrowed=(sites.Site,),
)


def newest_episode_at_site(
    db: Session, *, patient_id: str
) -> tuple[episodes.Episode, sites.Site | None] | tuple[None, None]:
    """Return the episode of a person that began last, and its site, in one look."""
    row = db.execute(_NEWEST_EPISODE, {"of_patient": patient_id}).first()
    return (row[0], row[1]) if row else (None, None)


def lock_site(db: Session, *, site_id: str) -> sites.Site | None:
    """Return a site, which nobody else changes until the transaction ends."""
    return db.get(sites.Site, site_id, with_for_update=True)


def site_is_in_use(db: Session, *, site_id: str) -> bool:
    """Tell whether anybody was referred to a site, asked it for help, or meets there."""
    tenant_id = db.info["tenant_id"]
    used = [
        sa.select(rows.c.site_id).where(rows.c.tenant_id == tenant_id, rows.c.site_id == site_id)
        for rows in (episode_rows, inquiry_rows, group_rows)
    ]
    return bool(db.scalar(sa.select(sa.or_(*(sa.exists(query) for query in used)))))


def site_ids(db: Session) -> list[str]:
    """Return the ids of all sites of the tenant, in order."""
    own = site_rows.c.tenant_id == db.info["tenant_id"]
    return list(db.scalars(sa.select(site_rows.c.site_id).where(own).order_by(site_rows.c.site_id)))


def tenants_with_sites(db: Session) -> list[str]:
    """Return every tenant that has opened a site, in order."""
    query = sa.select(site_rows.c.tenant_id).distinct().order_by(site_rows.c.tenant_id)
    return list(db.scalars(query))


def sites_after(db: Session, *, after: str | None, limit: int) -> list[sites.Site]:
    """Return sites by id, from behind *after*."""
    query = sa.select(sites.Site).order_by(site_rows.c.site_id).limit(limit)
    return list(db.scalars(query.where(site_rows.c.site_id > after) if after else query))
