"""What scheduling tells of our own sites: who works there, which groups have room, what was delivered."""

import functools
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.intake.domain import matching, programs
from services.intake.tables.billing import added_up
from services.intake.tables.columns import CODE, as_json, mapper, metadata
from shared.contracts.scheduling import ServiceDelivered
from shared.database import reference, tenant_column

staff_rows = Table(
    "program_staff",
    metadata,
    tenant_column(),
    reference("clinician_id"),
    reference("site_id"),
    Column("credentials", JSONB, nullable=False),
    Column("revision", sa.Integer, nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", "clinician_id"),
    Index("ix_program_staff_site", "tenant_id", "site_id"),
)

group_rows = Table(
    "program_groups",
    metadata,
    tenant_column(),
    reference("group_id"),
    reference("site_id"),
    Column("kind", CODE, nullable=False),
    Column("modality", CODE, nullable=False),
    Column("track", CODE, nullable=False),
    Column("weekdays", JSONB, nullable=False),
    Column("starts", sa.Time, nullable=False),
    Column("ends", sa.Time, nullable=False),
    Column("clinical_minutes", sa.Integer, nullable=False),
    Column("capacity", sa.Integer, nullable=False),
    # Only the version before reads it, while both run; the places are told by weekday since.
    Column("taken", sa.Integer, nullable=False, server_default="0"),
    Column("mode", CODE, nullable=False, server_default="IN_PERSON"),
    Column("enrolment", CODE, nullable=False, server_default="OPEN"),
    #: Places free on each of the weekdays, in the same order.
    Column("free_places", JSONB, nullable=False, server_default="[]"),
    Column("revision", sa.Integer, nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", "group_id"),
    Index("ix_program_groups_site", "tenant_id", "site_id"),
)

#: What a site delivered to somebody on a day, as scheduling tells it once the notes are signed.
delivery_rows = Table(
    "program_deliveries",
    metadata,
    tenant_column(),
    reference("delivery_id"),
    reference("site_id"),
    Column("served_on", sa.Date, nullable=False),
    #: Minutes by modality; by kind of session where an older version of scheduling told no more.
    Column("minutes", JSONB, nullable=False),
    Column("revision", sa.Integer, nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", "delivery_id"),
    Index("ix_program_deliveries_site", "tenant_id", "site_id", "served_on"),
)

mapper.map_imperatively(programs.StaffMember, staff_rows)
mapper.map_imperatively(matching.ProgramGroup, group_rows, exclude_properties={"taken"})


def staff_of(db: Session, *, site_id: str) -> list[programs.StaffMember]:
    """Return the clinicians of a site of ours."""
    query = sa.select(programs.StaffMember).where(staff_rows.c.site_id == site_id)
    return list(db.scalars(query.order_by(staff_rows.c.clinician_id)))


#: The groups of sites, and how many approaches with evidence each delivered from a day on.
_LIVE = sa.text(
    """
    SELECT site.id, delivered.approaches,
        met.group_id, met.site_id, kind, modality, track, mode, enrolment, weekdays, free_places, starts,
        ends, clinical_minutes, capacity, met.revision, met.tenant_id
    FROM unnest(CAST(CAST(:of_sites AS text[]) AS uuid[])) AS site (id)
    LEFT JOIN program_groups AS met ON met.tenant_id = :of_tenant AND met.site_id = site.id
    LEFT JOIN LATERAL (
        SELECT count(DISTINCT part.key) FILTER (WHERE part.key = ANY (CAST(:evidence AS text[])))
        FROM program_deliveries AS day, jsonb_each_text(day.minutes) AS part
        WHERE day.tenant_id = :of_tenant AND day.site_id = site.id AND day.served_on >= :since
        HAVING count(*) > 0
    ) AS delivered (approaches) ON true
    ORDER BY met.group_id
    """
)


def live_of(
    db: Session, *, site_ids: Iterable[str], since: date
) -> tuple[dict[str, list[matching.ProgramGroup]], dict[str, int]]:
    """Return the groups of each site of ours, and how many approaches with evidence it delivered since.

    A site without groups has an empty list; one that delivered nothing has no number.
    """
    groups: dict[str, list[matching.ProgramGroup]] = {site_id: [] for site_id in site_ids}
    delivered: dict[str, int] = {}
    if not groups:
        return groups, delivered
    asked = {
        "of_tenant": db.info["tenant_id"],
        "of_sites": list(groups),
        "since": since,
        "evidence": list(matching.EVIDENCE_BASED),
    }
    for found in db.execute(_LIVE, asked):
        told = dict(found._mapping)
        site_id, approaches = told.pop("id"), told.pop("approaches")
        if approaches is not None:
            delivered[site_id] = approaches
        if told["group_id"] is not None:
            groups[site_id].append(matching.ProgramGroup(**told))
    return groups, delivered


def delivered_of(db: Session, *, site_id: str, since: date) -> dict[str, int]:
    """Return the minutes of each modality that a site delivered from a day on."""
    modality = sa.func.jsonb_each_text(delivery_rows.c.minutes).table_valued("key", "value").lateral("part")
    query = (
        sa.select(modality.c.key, sa.func.sum(sa.cast(modality.c.value, sa.Integer)))
        .select_from(delivery_rows.join(modality, sa.true()))
        .where(
            delivery_rows.c.tenant_id == db.info["tenant_id"],
            delivery_rows.c.site_id == site_id,
            delivery_rows.c.served_on >= since,
        )
        .group_by(modality.c.key)
    )
    return {key: int(minutes) for key, minutes in db.execute(query)}


#: However many days in one statement of one form: what differs is handed over as arrays.
_KEEP_DELIVERIES = sa.text(
    """
    INSERT INTO program_deliveries AS known (tenant_id, delivery_id, site_id, served_on, minutes, revision)
    SELECT :tenant_id, delivery_id, site_id, served_on, minutes, revision
    FROM unnest(CAST(:delivery_ids AS uuid[]), CAST(:site_ids AS uuid[]), CAST(:days AS date[]),
            CAST(:minutes AS jsonb[]), CAST(:revisions AS integer[]))
        AS told (delivery_id, site_id, served_on, minutes, revision)
    ON CONFLICT (tenant_id, delivery_id) DO UPDATE
    SET site_id = excluded.site_id, served_on = excluded.served_on, minutes = excluded.minutes,
        revision = excluded.revision
    WHERE known.revision < excluded.revision
    RETURNING CAST(known.delivery_id AS text) AS delivery_id
    """
)


def keep_deliveries(db: Session, events: Sequence[ServiceDelivered]) -> set[str]:
    """Keep what sites delivered on people's days; return the ids of those that are the newest known.

    :param events: each of another day.
    """
    kept = db.connection().execute(
        _KEEP_DELIVERIES,
        {
            "tenant_id": db.info["tenant_id"],
            "delivery_ids": [event.delivery_id for event in events],
            "site_ids": [event.site_id for event in events],
            "days": [event.served_on for event in events],
            # An older version of scheduling tells no modalities.
            "minutes": [
                as_json(added_up(event.modalities or event.kinds, event.minutes)) for event in events
            ],
            "revisions": [event.revision for event in events],
        },
    )
    return set(kept.scalars())


def keep_staff(
    db: Session, *, clinician_id: str, site_id: str, credentials: list[dict[str, str]], revision: int
) -> None:
    """Keep what credentials of a clinician count, unless something newer is known."""
    told = {"site_id": site_id, "credentials": credentials, "revision": revision}
    _keep_newest(db, staff_rows, key={"clinician_id": clinician_id}, told=told)


def keep_group(db: Session, *, group_id: str, told: dict[str, Any]) -> None:
    """Keep when a group meets and what is free then, unless something newer is known."""
    _keep_newest(db, group_rows, key={"group_id": group_id}, told=told)


def _keep_newest(db: Session, table: Table, *, key: dict[str, str], told: dict[str, Any]) -> None:
    """Keep a row as the newest revision tells it."""
    newest = _newest(table, tuple(key), tuple(told))
    db.execute(newest, {"tenant_id": db.info["tenant_id"], **key, **told})


@functools.lru_cache(maxsize=64)
def _newest(table: Table, key: tuple[str, ...], told: tuple[str, ...]) -> Any:
    """Return the statement that keeps a row, written down once for each form of what is told."""
    insert = postgresql.insert(table)
    return insert.on_conflict_do_update(
        index_elements=["tenant_id", *key],
        set_={name: insert.excluded[name] for name in told},
        where=table.c.revision < insert.excluded.revision,
    )
