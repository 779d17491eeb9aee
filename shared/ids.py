"""Ids: UUIDs as strings, everywhere."""

import uuid
from datetime import datetime

import uuid_utils

#: Namespace of ids that are derived from what they stand for.
_NAMESPACE = uuid_utils.UUID("5bd1b0ae-7d0c-5f0e-9f0b-3f6a3f7b9e57")


def new_id() -> str:
    """Return a new UUID of version 7: unique, and sorted by the moment it was made."""
    return str(uuid_utils.uuid7())


def derived_id(*parts: str) -> str:
    """Return the same UUID for the same parts, in every process and in any order of events."""
    return str(uuid_utils.uuid5(_NAMESPACE, "\x1f".join(parts)))


def first_id_at(moment: datetime) -> str:
    """Return the least id that :func:`new_id` can have made at a moment: they begin with it."""
    return str(uuid.UUID(int=int(moment.timestamp() * 1000) << 80))
