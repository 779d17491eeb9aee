"""A small simulation over real HTTP, on the embedded set-up."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from homeward import embedded
from homeward.simulation import driver, rows

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]

WEEKS = 2


def run_in(folder: Path) -> dict[str, Any]:
    """Send the first rows of the sample through a fresh set-up."""
    file = rows.read(rows.sample_path())
    file.admissions = file.admissions[:14]
    folder.chmod(0o711)
    server = embedded.start(folder, simulated_from=driver.begins_at())
    try:
        return driver.run(file, url=server.url, tokens=server.tokens, seed=7, weeks=WEEKS)
    finally:
        server.stop()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return [run_in(tmp_path_factory.mktemp(name)) for name in ("first", "second")]


class TestRun:
    def test_gives_the_same_report_for_the_same_seed(self, reports):
        first, second = ({**report, "wall_seconds": 0} for report in reports)

        assert first == second

    def test_adds_up(self, reports):
        found = reports[0]

        assert found["referrals"] == 14
        assert found["referrals"] == found["admitted"] + found["referred_elsewhere"] + found["open"]
        assert found["admitted"] > 0
        assert found["sessions_attended"] > 0
        assert sum(found["attendance"]["seats_by_state_at_end"].values()) == found["sessions_scheduled"]
        assert found["events_announced"] == sum(found["events_by_kind"].values())

    def test_leaves_nothing_parked_and_nothing_refused(self, reports):
        assert reports[0]["events_parked"] == 0
        assert reports[0]["run"]["requests_refused"] == {}

    def test_runs_through_all_its_weeks(self, reports):
        begins, ends = (datetime.fromisoformat(reports[0]["run"][name]) for name in ("starts_at", "ended_at"))

        assert (ends - begins).days == 7 * WEEKS
