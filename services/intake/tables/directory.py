"""The directory: listed programs, their credentials, and what scheduling tells of our own sites."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Index, String, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session, defer

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


def programs_of(db: Session, *, program_ids: Iterable[str]) -> dict[str, programs.Program]:
    """Return listings by their ids, without the long lists of services that only a profile shows."""
    query = sa.select(programs.Program).where(program_rows.c.program_id.in_(list(program_ids)))
    query = query.options(defer(programs.Program.services))
    return {program.program_id: program for program in db.scalars(query)}


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


def programs_near(
    db: Session,
    *,
    latitude: float,
    longitude: float,
    radius_miles: float,
    offers: Sequence[str],
    only_verified: bool,
    only_ours: bool,
    at_most: int,
    now: datetime,
) -> list[matching.Candidate]:
    """Return the nearest programs in the box around a circle that offer all that is asked for.

    The box is read from an index, and nearness is that of a plane, which costs the database next to
    nothing; the exact distance is for the caller to judge.
    """
    up = radius_miles / _MILES_A_DEGREE
    along = up / max(0.05, min(facilities.cosine(latitude - up), facilities.cosine(latitude + up)))
    rows = db.execute(
        _NEAR[only_verified, only_ours],
        {
            "tenant_id": db.info["tenant_id"],
            "here_north": latitude,
            "here_east": longitude,
            "south": latitude - up,
            "north": latitude + up,
            "west": longitude - along,
            "east": longitude + along,
            "narrowing": facilities.cosine(latitude) ** 2,
            "offers": list(offers),
            "now": now,
            "at_most": at_most,
        },
    )
    # By position, in the order of the columns: this runs hundreds of times for each search.
    return [matching.Candidate(*row) for row in rows]


def _near(*, only_verified: bool, only_ours: bool) -> Any:
    """Return the query of a search: made once, because making it costs more than running it."""
    columns = program_rows.c
    here_north, here_east = (
        sa.bindparam("here_north", type_=sa.Float),
        sa.bindparam("here_east", type_=sa.Float),
    )
    now = sa.bindparam("now", type_=moment())
    north, east = columns.latitude - here_north, columns.longitude - here_east
    nearness = north * north + east * east * sa.bindparam("narrowing", type_=sa.Float)
    verified = sa.and_(columns.verified_from <= now, columns.verified_until > now)
    query = (
        sa.select(
            columns.program_id,
            columns.site_id,
            columns.latitude,
            columns.longitude,
            columns.approaches,
            sa.func.coalesce(verified, sa.false()),
            sa.func.coalesce(columns.accredited_until > now, sa.false()),
        )
        .where(
            columns.tenant_id == sa.bindparam("tenant_id"),
            columns.latitude.between(sa.bindparam("south"), sa.bindparam("north")),
            columns.longitude.between(sa.bindparam("west"), sa.bindparam("east")),
            columns.offers.contains(sa.bindparam("offers", type_=ARRAY(String(40)))),
        )
        .order_by(nearness, columns.program_id)
        .limit(sa.bindparam("at_most", type_=sa.Integer))
    )
    if only_ours:
        query = query.where(columns.site_id.is_not(None))
    return query.where(verified) if only_verified else query


_NEAR = {
    (only_verified, only_ours): _near(only_verified=only_verified, only_ours=only_ours)
    for only_verified in (False, True)
    for only_ours in (False, True)
}

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
