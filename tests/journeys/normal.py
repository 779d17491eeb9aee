"""Dumps of two runs made comparable: ids are named after what is said about them."""

import hashlib
import re
from collections import Counter, defaultdict

import orjson

Dump = dict[str, dict[str, list[str]]]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

#: Of an event's envelope, what differs between equal runs.
_INCIDENTAL = ("id", "recordedtime", "correlationid", "causationid", "traceparent")


def bare_event(body: bytes) -> str:
    """Return what an event says, without what differs between equal runs."""
    envelope = orjson.loads(body)
    return orjson.dumps(
        {name: value for name, value in envelope.items() if name not in _INCIDENTAL},
        option=orjson.OPT_SORT_KEYS,
    ).decode()


def normalised(dump: Dump) -> dict[str, list[str]]:
    """Return the rows by service and table, with a name in the place of every UUID.

    Ids are made up anew in every run, and others are derived from them, so they can be compared only
    by the part they play. Every UUID starts with the same name; then, again and again, it is renamed
    after the places (table and position in the row) and the rows, with the names so far, in which it
    stands anywhere in the house. This is colour refinement of graphs: what it makes of a dump does not
    depend on the ids, so dumps that are equal but for a renaming of ids become equal, and rows of
    people about whom the dump says different things keep different names. It stops once a round tells
    no more ids apart.
    """
    rows = [
        (f"{service}.{table}", row)
        for service, tables in sorted(dump.items())
        for table, found in sorted(tables.items())
        for row in found
    ]
    names = {uuid: "" for _, row in rows for uuid in _UUID.findall(row)}
    told_apart = 0
    while len(set(names.values())) > told_apart or told_apart == 0:
        told_apart = len(set(names.values()))
        stands: dict[str, list[str]] = defaultdict(list)
        for table, row in rows:
            named = _renamed(row, names)
            for place, uuid in enumerate(_UUID.findall(row)):
                stands[uuid].append(f"{table} {place} {named}")
        names = {uuid: _digest([names[uuid], *sorted(stands[uuid])]) for uuid in names}
        if not names:
            break
    found: dict[str, list[str]] = defaultdict(list)
    for table, row in rows:
        found[table].append(_renamed(row, names))
    return {table: sorted(found_rows) for table, found_rows in sorted(found.items())}


def differences(one: Dump, other: Dump) -> list[str]:
    """Return what tells two dumps apart, in readable lines; nothing when they are equal but for ids.

    One difference renames all ids that are connected with it, so what differs when ids are left out
    altogether is told first.
    """
    return _unlike(_without_ids(one), _without_ids(other)) or _unlike(normalised(one), normalised(other))


def _without_ids(dump: Dump) -> dict[str, list[str]]:
    return {
        f"{service}.{table}": sorted(_UUID.sub("<id>", row) for row in rows)
        for service, tables in dump.items()
        for table, rows in tables.items()
    }


def _unlike(one: dict[str, list[str]], other: dict[str, list[str]]) -> list[str]:
    lines = []
    for table in sorted({*one, *other}):
        left, right = Counter(one.get(table, ())), Counter(other.get(table, ()))
        lines += [f"- {table}: {row}" for row in sorted((left - right).elements())]
        lines += [f"+ {table}: {row}" for row in sorted((right - left).elements())]
    return lines


def _renamed(row: str, names: dict[str, str]) -> str:
    return _UUID.sub(lambda match: f"<{names[match[0]]}>", row)


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
