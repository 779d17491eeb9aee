"""What the tables of intake are made of."""

from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, ForeignKey, String
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import registry

from shared.database import new_metadata

metadata = new_metadata()
mapper = registry(metadata=metadata)

#: Level of care, role and credential: short codes.
CODE = String(40)


def one_of(column: str, allowed: tuple[str, ...]) -> CheckConstraint:
    """Return the rule that a column holds one of some codes, or nothing."""
    values = ", ".join(f"'{value}'" for value in allowed)
    return CheckConstraint(f"{column} IN ({values})", name=column)


def belongs_to(name: str, target: str, *, nullable: bool = False) -> Column[str]:
    """Return a column for the id of another row of intake."""
    # Deferred, because rows of several tables are written in one flush in no order of ours.
    key = ForeignKey(target, deferrable=True, initially="DEFERRED")
    return Column(name, sa.Uuid(as_uuid=False), key, nullable=nullable)


def any_of(name: str) -> Any:
    """Return what an id is compared to where it may be any of those that a query is filled in with as *name*.

    They are one array: the statement stays the same, however many there are.
    """
    return sa.any_(sa.cast(sa.bindparam(name), ARRAY(sa.Uuid(as_uuid=False))))


def as_json(value: Any) -> str:
    """Return a value as the text that a statement casts to JSON."""
    return orjson.dumps(value).decode()


def actor_columns(prefix: str, *, credential: bool = True) -> list[Column[Any]]:
    """Return the columns that say who did something, in which role and with which credential."""
    columns: list[Column[Any]] = [
        Column(f"{prefix}_by", String(64), nullable=False),
        Column(f"{prefix}_by_role", String(32), nullable=False),
    ]
    if credential:
        columns.append(Column(f"{prefix}_by_credential", String(16), nullable=False))
    return columns
