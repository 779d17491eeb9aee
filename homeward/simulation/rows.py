"""Reads a file of admissions in TEDS form, row by row, and refuses the rows that it cannot read."""

import csv
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

#: What TEDS writes for missing, unknown, not collected or invalid.
MISSING = "-9"

#: The column that the report compares with the recommendation, and that nothing else may see.
RECORDED_SERVICE = "SERVICES"

#: Columns without which a row cannot be sent: whose row it is, and whether the person is an adult.
NEVER_MISSING = ("CASEID", "AGE")

#: Columns of the code book that are recorded at discharge, only in other years' files, or not by all states.
_OTHER_FILES = ("REASON", "GENDER", "EMPLOY", "PSOURCE", "HLTHINS")


class UnreadableFile(ValueError):
    """Raised when a file is no file of admissions at all: absent, empty, or without needed columns."""


@dataclass(frozen=True, kw_only=True)
class Admission:
    """One row as recorded. A code that is missing in the row is missing in ``codes``.

    ``recorded_service`` is kept apart from ``codes``, so that nothing drawn from the codes can
    have seen it.
    """

    line: int
    case_id: str
    codes: Mapping[str, int]
    recorded_service: int | None = None


@dataclass(frozen=True, kw_only=True)
class RefusedRow:
    """A row that was not sent, with the line and the field that are to blame."""

    line: int
    field: str
    reason: str


@dataclass(kw_only=True)
class AdmissionsFile:
    """What was read from one file, in its order."""

    admissions: list[Admission] = field(default_factory=list)
    refused: list[RefusedRow] = field(default_factory=list)
    #: Whether these are the admissions that come with Homeward: of others nobody knows where they are from.
    is_sample: bool = False


@functools.cache
def code_book() -> Mapping[str, Any]:
    """Read the part of the published code book that the model needs.

    :returns: field → {"label", "codes": {code → {"label", "n"}}}; n is the national count.
    """
    text = resources.files("homeward.admissions").joinpath("codes.json").read_text(encoding="utf-8")
    return MappingProxyType(json.loads(text)["fields"])


def sample_path() -> Path:
    """Name the sample of real admissions that comes with Homeward."""
    return Path(str(resources.files("homeward.admissions").joinpath("teds_a_2017_sample.csv")))


def read(path: Path) -> AdmissionsFile:
    """Read a file of admissions, keeping what is well formed and refusing the rest row by row.

    :raises UnreadableFile: when there is no such file, or its header lacks a needed column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror or 'cannot be read'}") from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not text.strip():
        raise UnreadableFile(f"{path}: the file is empty")
    header = [name.strip() for name in _cells(lines[0])]
    for name in _needed_columns():
        if name not in header:
            raise UnreadableFile(f"{path}: the header has no column {name}")
    for name in header:
        if header.count(name) > 1:
            raise UnreadableFile(f"{path}: the header has two columns {name}")
    result = AdmissionsFile(is_sample=text == sample_path().read_text(encoding="utf-8-sig"))
    seen: dict[str, int] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        found = _read_row(number, header, _cells(line), seen)
        if isinstance(found, RefusedRow):
            result.refused.append(found)
        else:
            result.admissions.append(found)
            seen[found.case_id] = number
    return result


def _needed_columns() -> tuple[str, ...]:
    return ("CASEID", *(name for name in code_book() if name not in (*_OTHER_FILES, RECORDED_SERVICE)))


def _cells(line: str) -> list[str]:
    # One line at a time, so that an open quotation mark spoils its own row and no other.
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return [line]


def _read_row(
    line: int, header: list[str], cells: list[str], seen: Mapping[str, int]
) -> Admission | RefusedRow:
    if len(cells) < len(header):
        return RefusedRow(line=line, field=header[len(cells)], reason="the row ends before this field")
    if len(cells) > len(header):
        return RefusedRow(line=line, field=header[-1], reason="the row goes on after this field")
    values = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    for name in NEVER_MISSING:
        if values[name] in ("", MISSING):
            return RefusedRow(line=line, field=name, reason="missing, and a row needs it")
    case_id = values["CASEID"]
    if not (case_id.isascii() and case_id.isdigit() and len(case_id) <= 20):
        return RefusedRow(line=line, field="CASEID", reason="is no number of up to 20 digits")
    if case_id in seen:
        return RefusedRow(line=line, field="CASEID", reason=f"is the same as on line {seen[case_id]}")
    codes: dict[str, int] = {}
    for name, entry in code_book().items():
        value = values.get(name, "")
        if value in ("", MISSING):
            continue
        if value not in entry["codes"]:
            known = ", ".join(entry["codes"])
            return RefusedRow(line=line, field=name, reason=f"is no code of this field ({known} or -9)")
        codes[name] = int(value)
    recorded_service = codes.pop(RECORDED_SERVICE, None)
    return Admission(
        line=line, case_id=case_id, codes=MappingProxyType(codes), recorded_service=recorded_service
    )
