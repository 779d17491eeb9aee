import io
import json
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from homeward import embedded
from homeward.cli import demo as demonstration
from homeward.cli.simulate import _watched, simulate
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

    @pytest.mark.parametrize("problem", ["no file", "no row", "no room"])
    def test_starts_no_server_for_what_cannot_end_well(self, tmp_path, sent, monkeypatch, problem):
        monkeypatch.setattr(embedded, "start", lambda *_, **__: pytest.fail("a server was started"))
        (tmp_path / "in the way").touch()
        header = rows.sample_path().read_text().splitlines()[0]
        (tmp_path / "empty.csv").write_text(f"{header}\n1,2\n")
        file = {"no file": tmp_path / "none.csv", "no row": tmp_path / "empty.csv"}.get(
            problem, rows.sample_path()
        )
        folder = tmp_path / "in the way" if problem == "no room" else tmp_path

        told = ["--admissions", str(file), "--report", str(folder / "r.json")]
        result = CliRunner().invoke(simulate, told)

        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit)

    @pytest.mark.parametrize("live", [True, False])
    def test_shows_how_far_it_is_and_what_happens(self, capsys, live):
        shown = io.StringIO()
        console = Console(file=shown, force_terminal=live, width=200)
        at = datetime(2026, 2, 3, 16, tzinfo=UTC)
        progress = driver.Progress(
            now=at, done=0.5, in_treatment=12, graduated=3, events=4567, latest="session missed"
        )

        with _watched(console, weeks=4) as watch:
            watch(progress)
            watch(progress)
        told = shown.getvalue() if live else capsys.readouterr().out

        assert "Tue 03 Feb 16:00" in told
        assert "12 in care, 3 graduated" in told
        assert "session missed" in told
        assert ("2/4" if live else "4,567 events") in told

    def test_names_the_roles_that_have_no_token(self, tmp_path, tokens, sent):
        tokens.write_text(json.dumps({"operations": "a token"}))

        result = CliRunner().invoke(simulate, arguments(rows.sample_path(), tokens, tmp_path / "r.json"))

        assert result.exit_code != 0
        assert "supervisor" in result.output

    def test_tells_in_a_sentence_that_nobody_answers(self, tmp_path, tokens):
        result = CliRunner().invoke(simulate, arguments(rows.sample_path(), tokens, tmp_path / "r.json"))

        assert result.exit_code == 1
        assert "does not answer" in result.output

    def test_does_not_end_well_where_something_failed_in_the_server(self, tmp_path, tokens, monkeypatch):
        found = a_full_report()
        found["run"]["requests_refused"] = {"POST /v1/referrals 500 unexpected": 1}
        found["events_parked"] = 2
        monkeypatch.setattr(driver, "run", lambda *_, **__: found)

        result = CliRunner().invoke(simulate, arguments(rows.sample_path(), tokens, tmp_path / "r.json"))

        assert result.exit_code == 1
        assert "1 request failed in the server, 2 events parked." in result.output
        assert "refused 1 time: POST /v1/referrals 500" in result.output


@pytest.mark.slow
class TestDemo:
    def test_sends_the_sample_through_sixteen_weeks_and_says_where_the_report_is(
        self, tmp_path, sent, monkeypatch
    ):
        server = SimpleNamespace(url="http://127.0.0.1:9", tokens=dict.fromkeys(driver.ROLES, "a token"))
        monkeypatch.setattr(demonstration, "fresh_server", lambda folder: nullcontext(server))

        result = CliRunner().invoke(demonstration.demo, ["--folder", str(tmp_path)])

        assert result.exit_code == 0, result.output
        ((read, settings),) = sent
        assert (len(read.admissions), read.is_sample) == (372, True)
        assert (settings["weeks"], settings["seed"]) == (16, 7)
        assert json.loads((tmp_path / "report.json").read_text())["referrals"] == 3
        assert f"Open {tmp_path / 'report.html'} in a browser." in result.output
