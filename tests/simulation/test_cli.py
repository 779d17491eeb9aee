import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from homeward.cli.simulate import simulate
from homeward.simulation import driver, rows
from tests.simulation.test_report import a_full_report


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps(dict.fromkeys(driver.ROLES, "a token")))
    return file


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Keep what would be sent, and answer with a report."""
    kept: list[Any] = []

    def run(file: rows.AdmissionsFile, **settings: Any) -> dict[str, Any]:
        kept.append((file, settings))
        return a_full_report()

    monkeypatch.setattr(driver, "run", run)
    return kept


def arguments(file: Path, tokens: Path, report: Path) -> list[str]:
    return [
        "--admissions", str(file), "--report", str(report), "--weeks", "4", "--seed", "11",
        "--url", "http://127.0.0.1:9", "--tokens", str(tokens),
    ]  # fmt: skip


@pytest.mark.slow
class TestSimulate:
    def test_refuses_malformed_rows_aloud_and_sends_the_others(self, tmp_path, tokens, sent):
        header, first, second = rows.sample_path().read_text().splitlines()[:3]
        file = tmp_path / "admissions.csv"
        file.write_text("\n".join([header, first.replace(",AK,", ",AK,x"), second]))

        result = CliRunner().invoke(simulate, arguments(file, tokens, tmp_path / "out" / "r.json"))

        assert result.exit_code == 0, result.output
        assert "line 2: field EDUC" in result.stderr
        ((read, settings),) = sent
        assert [row.line for row in read.admissions] == [3]
        assert (settings["weeks"], settings["seed"]) == (4, 11)

    def test_writes_the_report_in_both_forms(self, tmp_path, tokens, sent):
        report = tmp_path / "out" / "r.json"

        result = CliRunner().invoke(simulate, arguments(rows.sample_path(), tokens, report))

        assert result.exit_code == 0, result.output
        assert json.loads(report.read_text())["referrals"] == 3
        assert "<svg" in report.with_suffix(".html").read_text()

    def test_fails_when_nothing_can_be_sent(self, tmp_path, tokens, sent):
        file = tmp_path / "admissions.csv"
        file.write_text(rows.sample_path().read_text().splitlines()[0] + "\n1,2\n")

        result = CliRunner().invoke(simulate, arguments(file, tokens, tmp_path / "r.json"))

        assert result.exit_code != 0
        assert "no row could be sent" in result.output
        assert sent == []

    def test_names_the_roles_that_have_no_token(self, tmp_path, tokens, sent):
        tokens.write_text(json.dumps({"operations": "a token"}))

        result = CliRunner().invoke(simulate, arguments(rows.sample_path(), tokens, tmp_path / "r.json"))

        assert result.exit_code != 0
        assert "supervisor" in result.output

    def test_tells_in_a_sentence_that_nobody_answers(self, tmp_path, tokens):
        result = CliRunner().invoke(simulate, arguments(rows.sample_path(), tokens, tmp_path / "r.json"))

        assert result.exit_code == 1
        assert "does not answer" in result.output
