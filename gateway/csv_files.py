"""Comma-separated files, as RFC 4180 has them: codes, ids, days and numbers, and nobody's name."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gateway.http import Response

CONTENT_TYPE = "text/csv; charset=utf-8; header=present"

#: Rows that are asked of a service at once.
ROWS_AT_ONCE = 200

#: What spreadsheets take for the beginning of a formula.
_FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")


def written(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return a file with a header; what a row lacks is empty, and several values are set apart by spaces."""
    text = io.StringIO(newline="")
    file = csv.writer(text)
    file.writerow(columns)
    for row in rows:
        file.writerow([_cell(row.get(name)) for name in columns])
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    # A text that begins like a formula is none, though a spreadsheet would run it.
    if isinstance(value, str) and value.startswith(_FORMULA_BEGINS):
        return f"'{value}"
    return value


def every_item(page_after: Callable[[dict[str, Any]], dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the items of all pages of a list.

    :param page_after: asks for a page, given where it begins and how long it is.
    """
    items: list[dict[str, Any]] = []
    after = None
    while True:
        page = page_after({"limit": ROWS_AT_ONCE} | ({"after": after} if after else {}))
        items += page["items"]
        after = page["next"]
        if after is None:
            return items


def download(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, name: str) -> Response:
    """Return a file to be saved under a name."""
    response = Response(body=written(columns, rows), content_type=CONTENT_TYPE)
    response.headers.append(("Content-Disposition", f'attachment; filename="{name}"'))
    return response
