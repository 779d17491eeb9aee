"""A small simulation over real HTTP, on the embedded set-up."""

import dataclasses
import subprocess
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from homeward import embedded
from homeward.simulation import driver, examples, rows
from tests import forked, templates

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]

WEEKS = 2
#: So many of the rows are told as people who came by themselves: in the sample, a court sent everybody.
BY_THEMSELVES = 5
#: One row in so many is an example here, with whom everything is done; and so many are.
EVERY, EXAMPLES = 3, 5
#: So many of the rows are of people under age, to whom no forms are given.
MINORS = 1


def asked_by_themselves(row: rows.Admission) -> rows.Admission:
    codes = {name: code for name, code in row.codes.items() if name != "DETCRIM"}
    return dataclasses.replace(row, codes=codes | {"PSOURCE": 1})


def run_in(folder: Path, *, popen: Callable[..., Any]) -> dict[str, Any]:
    """Send the first rows of the sample through a fresh set-up."""
    file = rows.read(rows.sample_path())
    some = file.admissions[:14]
    file.admissions = [*map(asked_by_themselves, some[:BY_THEMSELVES]), *some[BY_THEMSELVES:]]
    templates.furnish(folder)
    server = embedded.start(folder, simulated_from=driver.begins_at(), popen=popen)
    try:
        with mock.patch.object(examples, "EVERY", EVERY):
            return driver.run(file, url=server.url, tokens=server.tokens, seed=7, weeks=WEEKS)
    finally:
        server.stop()


@pytest.fixture(scope="module")
def reports() -> list[dict[str, Any]]:
    found = []
    # Two processes that share nothing, and order no set alike.
    for popen in (forked.popen, subprocess.Popen):
        # Not pytest's own folder: root's is closed to the user that PostgreSQL runs as.
        with tempfile.TemporaryDirectory(prefix="hw-house-") as folder:
            found.append(run_in(Path(folder), popen=popen))
    return found


class TestRun:
    def test_gives_the_same_report_for_the_same_seed(self, reports):
        first, second = ({**report, "wall_seconds": 0} for report in reports)

        assert first == second

    def test_adds_up(self, reports):
        found = reports[0]

        assert found["referrals"] == 14
        assert found["rows_not_referred"] == 0
        assert found["referrals"] == found["admitted"] + found["referred_elsewhere"] + found["open"]
        assert found["admitted"] > 0
        assert found["sessions_attended"] > 0
        assert sum(found["attendance"]["seats_by_state_at_end"].values()) == found["sessions_scheduled"]
        assert found["events_announced"] == sum(found["events_by_kind"].values())

    def test_calls_everybody_back_who_asked_by_themselves(self, reports):
        found = reports[0]["first_contact"]

        assert found["inquiries"] == found["decided_by_a_specialist"] == BY_THEMSELVES
        assert found["called_back_in_time"] + found["called_back_late"] == BY_THEMSELVES
        assert found["called_back_in_time"] > 0

    def test_asks_a_payer_or_tells_the_price_for_everybody_it_admits(self, reports):
        found = reports[0]["cover"]
        answered = found["authorized"] + found["denied"]

        assert answered + found["estimates_given_in_time"] + found["estimates_given_late"] > 0
        assert answered == sum(
            people for insurance, people in found["insurance"].items() if insurance != "4 None"
        )

    def test_has_forms_answered_and_staff_paged_about_every_danger_in_them(self, reports):
        found = reports[0]["instruments"]

        assert found["answered"]["AUDIT_C"] == reports[0]["referrals"] - MINORS
        assert found["answered"]["PHQ9"] >= found["answered"]["AUDIT_C"]
        assert found["safety_answers_paged"] == sum(found["safety_answers"].values()) > 0
        assert found["safety_answers_not_paged"] == 0

    def test_gives_weeks_that_heed_what_people_wish(self, reports):
        seats = reports[0]["attendance"]["seats_by_kind"]

        assert seats["FAMILY"] > 0
        assert seats["SUPPORT"] > 0

    def test_bills_the_days_of_groups_with_a_signed_note_and_says_why_it_bills_no_others(self, reports):
        found = reports[0]["billing"]

        assert 0 < found["days_billable"] < found["days_attended"]
        assert found["days_attended"] == found["days_billable"] + found["days_unbilled"]
        assert 0 < found["units_used"] <= found["days_billable"]
        assert found["because"]

    def test_lets_an_example_wait_for_a_place_and_do_what_is_due(self, reports):
        found = reports[0]

        assert found["instruments"]["answered"]["GAD7"] > 0
        assert found["waiting_list"]["waited"] == found["waiting_list"]["admitted"] > 0
        assert found["examples"]["statuses"] == {"with_a_day": EXAMPLES}
        assert sum(found["examples"]["self_checks"].values()) == WEEKS

    def test_lets_an_example_use_the_rights_that_everybody_has(self, reports):
        used = reports[0]["examples"]["rights"]

        assert set(used) == {
            "consent_taken_back",
            "demand_nothing_disclosed",
            "record_of_every_service",
            "restriction_agreed",
        }
        assert len(set(used.values())) == 1
        assert 0 < used["record_of_every_service"] <= reports[0]["waiting_list"]["admitted"]

    def test_reports_every_admission_in_codes_of_the_code_book(self, reports):
        assert reports[0]["teds_records"] == {"records": reports[0]["admitted"], "with_problems": 0}

    def test_leaves_nothing_parked_and_nothing_refused(self, reports):
        assert reports[0]["events_parked"] == 0
        assert reports[0]["run"]["requests_refused"] == {}

    def test_runs_through_all_its_weeks(self, reports):
        begins, ends = (datetime.fromisoformat(reports[0]["run"][name]) for name in ("starts_at", "ended_at"))

        assert (ends - begins).days == 7 * WEEKS
