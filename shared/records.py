"""What a service keeps about one patient: their part of the record that they may see (45 CFR 164.524).

Found from the tables themselves, so that a table that is added tomorrow is in it: a row is about a patient
when it names the patient, or a row that is about the patient. A table that is not part of the record says
so, and why, as ``info={"withheld": ...}``. One whose rows are about several people names their parts, as
``info={"parties": ("newcomer", "guide")}``: each sees the row without what is the others'.
"""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from shared.contracts.event import write_moment
from shared.database import origin_of, plumbing
from shared.errors import InvalidInput
from shared.sealing import unseal

#: Rows in one answer. Design default: well within a command's deadline, and one message of the broker.
ROWS_AT_ONCE = 200

#: In a table's info: why it is not part of the record.
WITHHELD = "withheld"

#: In a table's info: what the columns about each person in it begin with.
PARTIES = "parties"

#: Columns that tell nothing about the patient, or are of use inside only.
_OWN_COLUMNS = ("tenant_id",)
_SEALED = "_sealed"


def tables_about_patients(metadata: sa.MetaData) -> dict[str, sa.ColumnElement[bool] | None]:
    """Return every table of a service whose rows are about patients, with the rule that finds a patient's.

    The rule takes the patient as ``:patient_id``; it is None where the table is withheld.
    """
    own = [table for table in metadata.sorted_tables if table.name not in plumbing.tables]
    found: dict[str, sa.ColumnElement[bool]] = {
        table.name: table.c.patient_id == sa.bindparam("patient_id")
        for table in own
        if "patient_id" in table.c
    }
    found |= {
        table.name: sa.or_(
            *(table.c[f"{party}_patient_id"] == sa.bindparam("patient_id") for party in table.info[PARTIES])
        )
        for table in own
        if PARTIES in table.info
    }
    while more := {
        table.name: rule
        for table in own
        if table.name not in found and (rule := _through(table, metadata, found)) is not None
    }:
        found |= more
    return {
        name: None if WITHHELD in metadata.tables[name].info else rule for name, rule in sorted(found.items())
    }


def _through(
    table: sa.Table, metadata: sa.MetaData, found: dict[str, sa.ColumnElement[bool]]
) -> sa.ColumnElement[bool] | None:
    """Return the rule that finds a patient's rows through those of another table, if they name some."""
    for column in table.c:
        # seat_id names a row of seats: columns are called after what they name.
        named = metadata.tables.get(f"{column.name.removesuffix('_id')}s")
        if column.name.endswith("_id") and named is not None and named is not table and named.name in found:
            key = named.c.get(column.name)
            if key is not None and key.primary_key:
                return column.in_(sa.select(key).where(found[named.name]))
    owners = [
        reference.column
        for column in table.c
        for reference in column.foreign_keys
        if reference.column.table.name in found and reference.column.table is not table
    ]
    for owner in owners:
        (own,) = (column for column in table.c if any(f.column is owner for f in column.foreign_keys))
        return own.in_(sa.select(owner).where(found[owner.table.name]))
    return None


def read_part(db: Session, metadata: sa.MetaData, *, patient_id: str, after: str | None) -> dict[str, Any]:
    """Return some of what a service keeps about a patient, and where it goes on.

    :param after: the ``next`` of the answer before.
    :returns: ``{"items": [{"table", "row"}, ...], "next"}``, sealed texts opened.
    :raises InvalidInput: when *after* is no place.
    """
    about = {name: rule for name, rule in tables_about_patients(metadata).items() if rule is not None}
    names = list(about)
    begun, passed = _read_place(after, names)
    items: list[dict[str, Any]] = []
    for place in range(begun, len(names)):
        table = metadata.tables[names[place]]
        rule = about[names[place]]
        query = (
            sa.select(table)
            .where(table.c.tenant_id == origin_of(db).tenant_id, rule)
            .order_by(*table.primary_key.columns)
            .offset(passed)
            .limit(ROWS_AT_ONCE - len(items))
        )
        rows = db.connection().execute(query, {"patient_id": patient_id}).mappings().all()
        items += [{"table": table.name, "row": _opened(table, row, patient_id)} for row in rows]
        if len(items) == ROWS_AT_ONCE:
            return {"items": items, "next": f"{names[place]}.{passed + len(rows)}"}
        passed = 0
    return {"items": items, "next": None}


def _read_place(after: str | None, names: list[str]) -> tuple[int, int]:
    if after is None:
        return 0, 0
    name, _, passed = after.partition(".")
    if name not in names or not passed.isdecimal() or len(passed) > 9:
        raise InvalidInput("There is no such place.", field="after", rule="the value of next in an answer")
    return names.index(name), int(passed)


def _opened(table: sa.Table, row: Any, patient_id: str) -> dict[str, Any]:
    told: dict[str, Any] = {}
    others = tuple(
        f"{party}_" for party in table.info.get(PARTIES, ()) if row[f"{party}_patient_id"] != patient_id
    )
    for column in table.c:
        # Plain text: of the names that SQLAlchemy gives, JSON makes no keys.
        name, value = str(column.name), row[column.name]
        if others and name.startswith(others):
            continue
        if name.endswith(_SEALED):
            field = name.removesuffix(_SEALED)
            told[field] = None if value is None else _unsealed(table, row, field, bytes(value))
        elif not isinstance(column.type, sa.LargeBinary) and name not in _OWN_COLUMNS:
            told[name] = _written(value)
    return told


def _unsealed(table: sa.Table, row: Any, field: str, value: bytes) -> str:
    (key,) = table.primary_key.columns
    return unseal(value, bound_to=f"{table.name}.{field}:{row[key.name]}").decode()


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return write_moment(value)
    if isinstance(value, date):
        return value.isoformat()
    return value
