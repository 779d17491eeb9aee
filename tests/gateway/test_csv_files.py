"""Files of codes: read back by another reader, safe in a spreadsheet, whole over all pages."""

import csv
import io
from typing import Any

import pytest

from gateway import csv_files


def read(file: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.decode(), newline="")))


class TestWritten:
    def test_is_read_back_by_another_reader(self) -> None:
        rows = [{"payer": 'Blue, "Illinois"', "kinds": ["GROUP", "FAMILY"], "units": 1, "level": None}]

        (found,) = read(csv_files.written(("payer", "kinds", "units", "level", "more"), rows))

        assert found == {
            "payer": 'Blue, "Illinois"',
            "kinds": "GROUP FAMILY",
            "units": "1",
            "level": "",
            "more": "",
        }

    @pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])
    def test_runs_nothing_in_a_spreadsheet(self, text: str) -> None:
        assert read(csv_files.written(("payer",), [{"payer": text}]))[0]["payer"] == f"'{text}"

    def test_leaves_numbers_that_stand_for_missing(self) -> None:
        assert read(csv_files.written(("VET",), [{"VET": -9}]))[0]["VET"] == "-9"

    def test_has_its_header_without_rows(self) -> None:
        assert csv_files.written(("a", "b"), []) == b"a,b\r\n"


class TestEveryItem:
    def test_goes_on_until_there_is_no_next_page(self) -> None:
        pages: dict[str | None, dict[str, Any]] = {
            None: {"items": [1, 2], "next": "2"},
            "2": {"items": [3], "next": None},
        }

        assert csv_files.every_item(lambda part: pages[part.get("after")]) == [1, 2, 3]
