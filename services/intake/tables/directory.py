"""The directory: listed programs, their credentials, and what scheduling tells of our own sites."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index, String, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session

from services.intake.domain import facilities, matching, program_credentials, programs
from services.intake.tables.columns import CODE, mapper, metadata, one_of
from shared.contracts import intake as codes
from shared.database import id_column, moment, reference, tenant_column

program_rows = Table(
    "programs",
    metadata,
    tenant_column(),
    # A site's own id is its listing's too, and callers may choose it: unique within the tenant only.
    reference("program_id"),
    Column("origin", String(16), nullable=False),
    reference("site_id", nullable=True),
    Column("name", String(200), nullable=False),
    Column("second_name", String(200)),
    Column("street", String(200), nullable=False),
    Column("second_street", String(200)),
    Column("city", String(200), nullable=False),
    Column("state", String(2), nullable=False),
    Column("zip_code", String(10), nullable=False),
    # As searches name places: five digits, small letters.
    Column("zip5", String(5), nullable=False),
    Column("city_key", String(200), nullable=False),
    Column("phone", String(32)),
    Column("website", String(200)),
    Column("latitude", sa.Float(53), nullable=False),
    Column("longitude", sa.Float(53), nullable=False),
    Column("services", JSONB, nullable=False),
    Column("offers", ARRAY(String(40)), nullable=False),
    Column("approaches", sa.SmallInteger, nullable=False),
    Column("listed_at", moment(), nullable=False),
    Column("changed_at", moment(), nullable=False),
    Column("digest", sa.LargeBinary(32), nullable=False),
    Column("accredited_until", moment()),
    Column("verified_from", moment()),
    Column("verified_until", moment()),
    sa.PrimaryKeyConstraint("tenant_id", "program_id"),
    one_of("origin", (programs.OWN, programs.IMPORTED)),
    # What a search reads of each row in its box comes from the index alone.
    Index("ix_programs_place", "tenant_id", "latitude", "longitude"),
    Index("ix_programs_zip", "tenant_id", "zip5"),
    Index("ix_programs_city", "tenant_id", "state", "city_key"),
    Index("ix_programs_site", "tenant_id", "site_id"),
)

credential_rows = Table(
    "program_credentials",
    metadata,
    id_column("credential_id"),
    tenant_column(),
    reference("program_id"),
    Column("kind", CODE, nullable=False),
    Column("body", CODE, nullable=False),
    Column("number", String(64), nullable=False),
    Column("state", String(2)),
    Column("levels", JSONB, nullable=False),
    Column("outcome", CODE),
    Column("starts_at", moment(), nullable=False),
    Column("ends_at", moment(), nullable=False),
    Column("source_url", String(400)),
    Column("recorded_at", moment(), nullable=False),
    Column("recorded_by", String(64), nullable=False),
    Column("recorded_by_role", String(32), nullable=False),
    Column("standing", CODE, nullable=False),
    Column("verified_at", moment()),
    Column("verified_by", String(64)),
    Column("verified_by_role", String(32)),
    Column("evidence_hash", String(128)),
    one_of("kind", codes.PROGRAM_CREDENTIAL_KINDS),
    UniqueConstraint("tenant_id", "program_id", "body", "number"),
)

mapper.map_imperatively(programs.Program, program_rows)
mapper.map_imperatively(program_credentials.ProgramCredential, credential_rows)

#: Rows of an import that go to the database in one statement. Design default.
ROWS_A_STATEMENT = 500


def find_program(db: Session, *, program_id: str) -> programs.Program | None:
    """Return a listing, if it is there."""
    return db.scalar(sa.select(programs.Program).where(program_rows.c.program_id == program_id))


def lock_program(db: Session, *, program_id: str) -> programs.Program | None:
    """Return a listing, which nobody else changes until the transaction ends."""
    query = sa.select(programs.Program).where(program_rows.c.program_id == program_id)
    return db.scalar(query.with_for_update().execution_options(populate_existing=True))


def find_program_of_site(db: Session, *, site_id: str) -> programs.Program | None:
    """Return the listing of a site of ours, if it has one."""
    return db.scalar(sa.select(programs.Program).where(program_rows.c.site_id == site_id))


def programs_after(db: Session, *, after: str | None, limit: int) -> list[programs.Program]:
    """Return listings by id, from behind *after*."""
    query = sa.select(programs.Program).order_by(program_rows.c.program_id).limit(limit)
    return list(db.scalars(query.where(program_rows.c.program_id > after) if after else query))


#: What a search shows of listings.
_LISTINGS = sa.text(
    """
    SELECT program_id, origin, site_id, name, second_name, street, second_street, city, state, zip_code,
        phone, website, latitude, longitude, offers, listed_at, changed_at, verified_from, verified_until
    FROM programs
    WHERE tenant_id = :of_tenant AND program_id = ANY (CAST(CAST(:of_programs AS text[]) AS uuid[]))
    """
)


def listings_of(db: Session, *, program_ids: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Return what a search shows of listings, by their ids: columns by name, no objects.

    The long lists of services, which only a profile shows, stay where they are.
    """
    asked = {"of_tenant": db.info["tenant_id"], "of_programs": list(program_ids)}
    return {row.program_id: row._mapping for row in db.execute(_LISTINGS, asked)}


def lock_credential(db: Session, *, credential_id: str) -> program_credentials.ProgramCredential | None:
    """Return a program's credential, which nobody else changes until the transaction ends."""
    query = sa.select(program_credentials.ProgramCredential).where(
        credential_rows.c.credential_id == credential_id
    )
    return db.scalar(query.with_for_update().execution_options(populate_existing=True))


def credentials_of(db: Session, *, program_id: str) -> list[program_credentials.ProgramCredential]:
    """Return the credentials of a program, oldest first."""
    query = sa.select(program_credentials.ProgramCredential).where(credential_rows.c.program_id == program_id)
    return list(db.scalars(query.order_by(credential_rows.c.recorded_at, credential_rows.c.credential_id)))


# --- Search ---------------------------------------------------------------------------------------


def place_of_zip(db: Session, *, zip_code: str) -> tuple[float, float] | None:
    """Return the middle of what is listed under a ZIP code, if anything is."""
    return _middle(db, program_rows.c.zip5 == zip_code)


def place_of_city(db: Session, *, city: str, state: str) -> tuple[float, float] | None:
    """Return the middle of what is listed in a city, if anything is."""
    return _middle(db, program_rows.c.state == state, program_rows.c.city_key == programs.city_key(city))


def _middle(db: Session, *where: Any) -> tuple[float, float] | None:
    query = sa.select(sa.func.avg(program_rows.c.latitude), sa.func.avg(program_rows.c.longitude))
    query = query.where(program_rows.c.tenant_id == db.info["tenant_id"], *where)
    latitude, longitude = db.execute(query).one()
    return None if latitude is None else (float(latitude), float(longitude))


@dataclass(frozen=True, kw_only=True)
class Box:
    """How far around a place a search looks, and for what."""

    radius_miles: float
    offers: Sequence[str]
    only_verified: bool
    only_ours: bool
    #: How many are weighed, the nearest ones; and how many of those that are not ours are told, the best.
    at_most: int
    told: int


@dataclass(frozen=True, kw_only=True)
class Near:
    """What lies in a box: how many programs were weighed, and those that may be shown."""

    weighed: int
    candidates: Sequence[matching.Candidate]


def programs_near(
    db: Session, boxes: Sequence[Box], *, latitude: float, longitude: float, now: datetime
) -> list[Near]:
    """Return for each box the nearest programs in it that offer all that is asked for.

    Of our own all are told, as what is known of their weeks is not weighed here. Of the others nothing counts
    but distance, approaches and verification, so those that come last by :func:`matching.match` stay in the
    database: reading a row costs more than weighing it there.

    One statement for all boxes, because going to the database costs more than what it does there. They
    lie around one place, so what the widest holds is read once, from an index, and each takes its own from
    that. Which are nearest is told by the distance on a plane, which costs next to nothing.
    """
    edges = [_edges(latitude, longitude, radius_miles=box.radius_miles) for box in boxes]
    offered_by_all = set.intersection(*(set(box.offers) for box in boxes))
    rows = db.execute(
        _NEAR,
        {
            "tenant_id": db.info["tenant_id"],
            "here_north": latitude,
            "here_east": longitude,
            "narrowing": facilities.cosine(latitude) ** 2,
            "now": now,
            # Boxes around one place: the edges of the widest are the outermost.
            "southmost": min(edge[0] for edge in edges),
            "northmost": max(edge[1] for edge in edges),
            "westmost": min(edge[2] for edge in edges),
            "eastmost": max(edge[3] for edge in edges),
            "offered_by_all": sorted(offered_by_all),
            "numbers": list(range(len(boxes))),
            "south": [edge[0] for edge in edges],
            "north": [edge[1] for edge in edges],
            "west": [edge[2] for edge in edges],
            "east": [edge[3] for edge in edges],
            # The rest: what is asked of all was looked at once.
            "offers": [",".join(sorted(set(box.offers) - offered_by_all)) for box in boxes],
            "only_verified": [box.only_verified for box in boxes],
            "only_ours": [box.only_ours for box in boxes],
            "radius": [box.radius_miles for box in boxes],
            "at_most": [box.at_most for box in boxes],
            "told": [box.told for box in boxes],
            "earth": 2 * facilities.EARTH_MILES,
            "narrow": facilities.cosine(latitude),
            **_WEIGHING,
        },
    )
    weighed = [0 for _ in boxes]
    found: list[list[matching.Candidate]] = [[] for _ in boxes]
    for number, weighed_there, *columns in rows:
        weighed[number] = weighed_there
        # By position, in the order of the columns: this runs dozens of times for each search.
        found[number].append(matching.Candidate(*columns))
    return [Near(weighed=count, candidates=near) for count, near in zip(weighed, found, strict=True)]


#: What a program counts that is not ours, as :func:`matching.match` weighs it: nobody knows the rest of it.
_WEIGHING = {
    "of_travel": matching.WEIGHTS["TRAVEL"],
    "of_evidence": matching.WEIGHTS["EVIDENCE"],
    "of_credentials": matching.WEIGHTS["CREDENTIALS"],
    "of_the_rest": matching.NOT_KNOWN
    * sum(matching.WEIGHTS[part] for part in ("SCHEDULE", "OUTCOMES", "WAIT")),
    "enough_approaches": float(matching.ENOUGH_APPROACHES),
    "licence_alone": matching.LICENCE_ALONE,
}


def _edges(latitude: float, longitude: float, *, radius_miles: float) -> tuple[float, float, float, float]:
    """Return the south, north, west and east of what holds a circle."""
    up = radius_miles / _MILES_A_DEGREE
    along = up / max(0.05, min(facilities.cosine(latitude - up), facilities.cosine(latitude + up)))
    return latitude - up, latitude + up, longitude - along, longitude + along


#: The nearest programs of each box; codes of what is offered have no commas.
_NEAR = sa.text(
    """
    WITH box AS MATERIALIZED (
        SELECT number, south, north, west, east, only_verified, only_ours, radius, at_most, told,
            CAST(string_to_array(offers, ',') AS varchar[]) AS wanted
        FROM unnest(
            CAST(:numbers AS integer[]), CAST(:south AS float8[]), CAST(:north AS float8[]),
            CAST(:west AS float8[]), CAST(:east AS float8[]), CAST(:offers AS text[]),
            CAST(:only_verified AS boolean[]), CAST(:only_ours AS boolean[]), CAST(:radius AS float8[]),
            CAST(:at_most AS integer[]), CAST(:told AS integer[])
        ) AS asked (
            number, south, north, west, east, offers, only_verified, only_ours, radius, at_most, told
        )
    ), around AS MATERIALIZED (
        SELECT program_id, site_id, latitude, longitude, approaches, offers,
            coalesce(verified_from <= :now AND verified_until > :now, false) AS verified,
            coalesce(accredited_until > :now, false) AS accredited,
            (latitude - :here_north) * (latitude - :here_north)
                + (longitude - :here_east) * (longitude - :here_east) * :narrowing AS far
        FROM programs
        WHERE tenant_id = :tenant_id
            AND latitude BETWEEN :southmost AND :northmost
            AND longitude BETWEEN :westmost AND :eastmost
            AND offers @> CAST(:offered_by_all AS varchar[])
    )
    SELECT box.number, best.weighed,
        CAST(program_id AS text) AS program_id, CAST(site_id AS text) AS site_id,
        latitude, longitude, approaches, verified, accredited
    FROM box CROSS JOIN LATERAL (
        SELECT measured.*, count(*) OVER () AS weighed, row_number() OVER (
            PARTITION BY site_id IS NULL ORDER BY
            miles > box.radius,
            -- Rounded as it is told, so that equal ones are in the order in which they are told.
            round(10000 * (
                CAST(:of_the_rest AS float8)
                    + round(1000 * greatest(0, 1 - miles / box.radius)) / 1000 * CAST(:of_travel AS float8)
                    + least(1, approaches / CAST(:enough_approaches AS float8)) * CAST(:of_evidence AS float8)
                    + CASE WHEN NOT verified THEN 0 WHEN accredited THEN 1
                        ELSE CAST(:licence_alone AS float8) END * CAST(:of_credentials AS float8)
            )) DESC,
            miles, program_id
        ) AS place
        FROM (
            SELECT nearest.*, :earth * asin(least(1, sqrt(
                power(sin(radians(latitude - :here_north) / 2), 2)
                    + :narrow * cos(radians(latitude)) * power(sin(radians(longitude - :here_east) / 2), 2)
            ))) AS miles
            FROM (
                SELECT program_id, site_id, latitude, longitude, approaches, verified, accredited
                FROM around
                WHERE latitude BETWEEN box.south AND box.north
                    AND longitude BETWEEN box.west AND box.east
                    AND offers @> box.wanted
                    AND (NOT box.only_ours OR site_id IS NOT NULL)
                    AND (NOT box.only_verified OR verified)
                ORDER BY far, program_id
                LIMIT box.at_most
            ) AS nearest
        ) AS measured
    ) AS best
    WHERE site_id IS NOT NULL OR place <= box.told
    """
)

#: Miles of a degree of latitude, a little less than any is, so that the box is never too small.
_MILES_A_DEGREE = 68.7


# --- Import ---------------------------------------------------------------------------------------

_KEPT = (
    "name",
    "second_name",
    "street",
    "second_street",
    "city",
    "state",
    "zip_code",
    "zip5",
    "city_key",
    "phone",
    "website",
    "latitude",
    "longitude",
    "services",
    "offers",
)


def keep_facilities(
    db: Session, records: Sequence[tuple[str, facilities.Facility]], *, now: datetime
) -> tuple[int, int]:
    """List records under their ids; return how many are new and how many changed a listing.

    Verification is not touched: it belongs to whoever checks, not to who says.
    """
    listed = changed = 0
    for start in range(0, len(records), ROWS_A_STATEMENT):
        rows = [
            {name: getattr(record, name) for name in _KEPT}
            | {
                "tenant_id": db.info["tenant_id"],
                "program_id": program_id,
                "origin": programs.IMPORTED,
                "approaches": approaches_in(record.offers),
                "listed_at": now,
                "changed_at": now,
                "digest": record.digest(),
            }
            for program_id, record in records[start : start + ROWS_A_STATEMENT]
        ]
        insert = postgresql.insert(program_rows)
        told = {name: insert.excluded[name] for name in (*_KEPT, "approaches", "changed_at", "digest")}
        written = db.execute(
            insert.on_conflict_do_update(
                index_elements=["tenant_id", "program_id"],
                set_=told,
                where=sa.and_(
                    program_rows.c.digest != insert.excluded.digest,
                    program_rows.c.origin == programs.IMPORTED,
                ),
            ).returning(sa.literal_column("xmax = 0", sa.Boolean)),
            # As many rows of one statement, which is made once, rather than one statement of many rows.
            rows,
        )
        # A new row was never changed by another transaction.
        for is_new in written.scalars():
            listed += is_new
            changed += not is_new
    return listed, changed


def approaches_in(offers: Iterable[str]) -> int:
    """Return how many approaches with evidence a listing names."""
    return sum(code.startswith("APPROACH:") for code in offers)
