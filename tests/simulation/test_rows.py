from pathlib import Path

import pytest

from homeward.simulation import rows


def sample_lines() -> list[str]:
    return rows.sample_path().read_text(encoding="utf-8").splitlines()


def with_field(line: str, name: str, value: str) -> str:
    cells = line.split(",")
    cells[sample_lines()[0].split(",").index(name)] = value
    return ",".join(cells)


def written(folder: Path, lines: list[str]) -> Path:
    file = folder / "admissions.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


class TestRead:
    def test_takes_every_row_of_the_sample(self):
        found = rows.read(rows.sample_path())

        assert len(found.admissions) == 372
        assert found.refused == []
        assert found.is_sample
        assert sum(row.recorded_service == 6 for row in found.admissions) == 150

    def test_keeps_the_recorded_service_apart_from_the_codes(self):
        found = rows.read(rows.sample_path())

        assert all("SERVICES" not in row.codes for row in found.admissions)

    def test_refuses_a_malformed_row_by_line_and_field_and_goes_on(self, tmp_path):
        header, *lines = sample_lines()
        broken = [
            lines[0],
            with_field(lines[1], "SUB1", "99"),
            with_field(lines[2], "FREQ1", "daily"),
            with_field(lines[3], "AGE", "-9"),
            with_field(lines[4], "CASEID", "20171889514"),
            ",".join(lines[5].split(",")[:10]),
            lines[6] + ",7",
            "",
            with_field(lines[7], "CASEID", "Zoë"),
            lines[8],
        ]

        found = rows.read(written(tmp_path, [header, *broken]))

        assert [(row.line, row.field) for row in found.refused] == [
            (3, "SUB1"),
            (4, "FREQ1"),
            (5, "AGE"),
            (6, "CASEID"),
            (7, "PREG"),
            (8, "ARRESTS"),
            (10, "CASEID"),
        ]
        assert [row.line for row in found.admissions] == [2, 11]
        assert not found.is_sample

    def test_takes_missing_codes_as_missing(self, tmp_path):
        header, line = sample_lines()[:2]
        line = with_field(with_field(line, "PSYPROB", "-9"), "SERVICES", "")

        (row,) = rows.read(written(tmp_path, [header, line])).admissions

        assert "PSYPROB" not in row.codes
        assert row.recorded_service is None

    def test_reads_a_file_from_a_spreadsheet(self, tmp_path):
        file = tmp_path / "excel.csv"
        file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(sample_lines()[:3]).encode())

        assert len(rows.read(file).admissions) == 2

    def test_lets_an_open_quotation_mark_spoil_its_own_row_only(self, tmp_path):
        header, first, second = sample_lines()[:3]

        found = rows.read(written(tmp_path, [header, '"' + first, second]))

        assert [row.line for row in found.refused] == [2]
        assert [row.line for row in found.admissions] == [3]

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("", "empty"),
            ("CASEID,AGE\n1,3\n", "no column"),
            (sample_lines()[0] + ",AGE\n", "two columns AGE"),
        ],
    )
    def test_refuses_what_is_no_file_of_admissions(self, tmp_path, text, why):
        file = tmp_path / "other.csv"
        file.write_text(text)

        with pytest.raises(rows.UnreadableFile, match=why):
            rows.read(file)

    def test_refuses_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(rows.UnreadableFile, match="No such file"):
            rows.read(tmp_path / "nowhere.csv")
