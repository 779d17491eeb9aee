"""Stretches in turn: what is compared is measured a little at a time, there and back, and told by its median.

The speed of a processor's core may drift by a third within minutes. What is measured in one go, one after
the other, is then compared with another machine; what takes turns is not.
"""

import dataclasses
import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from bench.rows import Row

One = TypeVar("One")


def in_turn(those: Sequence[One], stretches: int) -> Iterator[One]:
    """Return each of those once for each stretch, there and back: a, b, c, c, b, a, a, b, c.

    So none is always measured before another, and each is measured as long after the beginning as the others.
    """
    for place in range(stretches):
        yield from those[:: -1 if place % 2 else 1]


def medians(rows: Iterable[Row]) -> Iterator[Row]:
    """Return one row for each work and system, in the order in which they first came.

    :param rows: what each stretch has found; they are measured as they are taken.
    """
    stretches: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        stretches.setdefault((row.work, row.system), []).append(row)
    for of_one in stretches.values():
        yield median_row(of_one)


def median_row(rows: Sequence[Row]) -> Row:
    """Return the median of each figure of one work of one system, by the stretches that know it.

    The median of an even number is the middle between two. Each remark is kept: what failed in one stretch
    is not made up for by another.

    :raises ValueError: when the rows are of several works or systems, or there are none.
    """
    ((work, system),) = {(row.work, row.system) for row in rows}
    figures = {
        field.name: statistics.median(known)
        for field in dataclasses.fields(Row)
        if field.name not in ("work", "system", "processor_ms", "remark")
        and (known := [getattr(row, field.name) for row in rows if getattr(row, field.name) is not None])
    }
    spent: dict[str, list[float]] = {}
    for row in rows:
        for name, each in (row.processor_ms or {}).items():
            spent.setdefault(name, []).append(each)
    return Row(
        work=work,
        system=system,
        processor_ms={name: statistics.median(each) for name, each in spent.items()} or None,
        remark="; ".join(row.remark for row in rows if row.remark) or None,
        **figures,
    )
