"""The metadata of scheduling's tables, and the constraints that several of them have."""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import registry

from shared.database import new_metadata

metadata = new_metadata()
mapper = registry(metadata=metadata)


def one_of(column: str, codes: Iterable[str]) -> sa.CheckConstraint:
    """Return the check that a column holds one of some codes."""
    listed = ", ".join(f"'{code}'" for code in codes)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{column}_code")


def one_place_at_a_time(who: str, *, name: str, where: str) -> ExcludeConstraint:
    """Return the exclusion that keeps somebody, named by an id column, from being in two places.

    :param where: the rows that count, in SQL.
    """
    # An exclusion needs ranges: the id's hash, as a range of one number, stands for the id, because
    # the plain PostgreSQL has no operator class that mixes equality of ids with overlap of ranges.
    number = f"uuid_hash_extended({who}, 0)"
    return ExcludeConstraint(
        (sa.text(f"int8range({number}, {number}, '[]')"), "&&"),
        (sa.text("tstzrange(starts_at, ends_at)"), "&&"),
        name=name,
        using="gist",
        where=sa.text(where),
    )
