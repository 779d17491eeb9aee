"""Who somebody is, how they are recognised, and what a referral records."""

import csv
from datetime import UTC, date, datetime
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake import teds
from services.intake.domain import people, referrals, sites
from shared.errors import InvalidInput
from tests.intake.builders import NOW, patient, site


def identity(given: str, family: str) -> str:
    return people.identity_text(given_name=given, family_name=family, birth_date=date(1991, 6, 15))


class TestIdentityText:
    @pytest.mark.parametrize(
        ("given", "family"),
        [("JOSÉ", "o'brien"), (" Jose ", "O’Brien"), ("José", "O Brien"), ("josé", "O-BRIEN")],
    )
    def test_is_the_same_for_one_person_written_differently(self, given: str, family: str) -> None:
        assert identity(given, family) == identity("José", "O'Brien")

    def test_tells_given_from_family_name(self) -> None:
        assert identity("Anna Li", "Sa") != identity("Anna", "Li Sa")

    def test_refuses_a_name_without_a_letter(self) -> None:
        with pytest.raises(InvalidInput) as refused:
            identity("--", "Quill")

        assert refused.value.problems[0]["field"] == "patient.given_name"

    def test_takes_names_of_every_script(self) -> None:
        assert identity("李", "明") != identity("王", "明")


class TestAgeOn:
    @pytest.mark.parametrize(
        ("born_on", "day", "age"),
        [
            (date(2008, 2, 3), date(2026, 2, 2), 17),
            (date(2008, 2, 2), date(2026, 2, 2), 18),
            (date(2008, 2, 29), date(2026, 2, 28), 17),
            (date(2008, 2, 29), date(2026, 3, 1), 18),
        ],
    )
    def test_counts_completed_years(self, born_on: date, day: date, age: int) -> None:
        assert people.age_on(born_on, day) == age

    def test_turns_eighteen_where_the_site_is(self) -> None:
        born = patient(birth_date="2008-02-02")
        evening_before_in_chicago = datetime(2026, 2, 2, 5, 0, tzinfo=UTC)

        assert born.is_minor_on(site().local_day(evening_before_in_chicago))
        assert not born.is_minor_on(site().local_day(NOW))


class TestCheckBirthDate:
    @pytest.mark.parametrize("born_on", [date(2026, 2, 3), date(1899, 1, 1), date(1, 1, 1)])
    def test_refuses_impossible_ones(self, born_on: date) -> None:
        with pytest.raises(InvalidInput) as refused:
            people.check_birth_date(born_on, today=date(2026, 2, 2))

        assert refused.value.problems[0]["field"] == "patient.birth_date"


class TestCheckReceived:
    @pytest.mark.parametrize(
        "received_at", [datetime(2026, 2, 2, 15, 1, tzinfo=UTC), datetime(1, 1, 1, 12, 0, tzinfo=UTC)]
    )
    def test_refuses_a_referral_of_the_future_or_of_long_ago(self, received_at: datetime) -> None:
        with pytest.raises(InvalidInput) as refused:
            referrals.check_received(received_at, born_on=date(1991, 6, 15), site=site(), now=NOW)

        assert refused.value.problems[0]["field"] == "received_at"


class TestReadTeds:
    def test_reads_every_row_of_the_sample(self) -> None:
        path = resources.files("homeward.admissions").joinpath("teds_a_2017_sample.csv")
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        services = set()

        for row in rows:
            row.pop("CASEID")
            codes, recorded_service = referrals.read_teds(dict(row))
            services.add(recorded_service)
            assert set(codes) == set(row) - {"SERVICES"}

        assert len(rows) == 372
        assert services == {2, 4, 5, 6, 7, 8}

    @pytest.mark.parametrize("missing", [-9, "-9", "", " ", None])
    def test_leaves_out_what_is_missing(self, missing: Any) -> None:
        assert referrals.read_teds({"PREG": missing, "SUB1": "5"}) == ({"SUB1": 5}, None)

    @pytest.mark.parametrize("value", [6, "x", True, 2.5, "２", "1_0", [2], -1, "99999999999"])
    def test_refuses_what_is_no_code_and_names_the_field(self, value: Any) -> None:
        with pytest.raises(InvalidInput) as refused:
            referrals.read_teds({"NOPRIOR": value, "SUB1": 5})

        assert [problem["field"] for problem in refused.value.problems] == ["teds.NOPRIOR"]

    def test_counts_prior_episodes_up_to_five(self) -> None:
        assert referrals.read_teds({"NOPRIOR": "5"})[0] == {"NOPRIOR": 5}

    def test_keeps_the_recorded_service_away_from_the_codes(self) -> None:
        assert referrals.read_teds({"SERVICES": 6}) == ({}, 6)

    def test_refuses_a_state_that_contradicts_its_number(self) -> None:
        with pytest.raises(InvalidInput) as refused:
            referrals.read_teds({"STFIPS": 2, "STUSAB": "AL"})

        assert refused.value.problems[0]["field"] == "teds.STUSAB"

    def test_refuses_unknown_fields(self) -> None:
        with pytest.raises(InvalidInput):
            referrals.read_teds({"CASEID": 1})

    @given(
        st.dictionaries(
            st.sampled_from(["SUB1", "NOPRIOR", "STFIPS", "STUSAB", "SERVICES", "NAME"]),
            st.none() | st.integers() | st.floats() | st.text("0123456789-+_. AKL２٣", max_size=5),
        )
    )
    def test_reads_codes_or_refuses_whatever_comes(self, values: dict[str, Any]) -> None:
        try:
            codes, _ = referrals.read_teds(values)
        except InvalidInput:
            return
        assert all(name == "STUSAB" or code in teds.CODES[name] for name, code in codes.items())


class TestOpenSite:
    def open_site(self, **changes: Any) -> tuple[sites.Site, list[Any]]:
        values: dict[str, Any] = {
            "site_id": "lakeside",
            "name": "Lakeside",
            "time_zone": "America/Chicago",
            "levels_licensed": ["2.1", "1", "2.1"],
            "emergency_phone": "+1 312 555 0142",
            "now": NOW,
        }
        return sites.open_site(**values | changes)

    def test_announces_zone_and_levels_lowest_first(self) -> None:
        _, (opened,) = self.open_site()

        assert (opened.time_zone, opened.levels_licensed) == ("America/Chicago", ("1", "2.1"))

    @pytest.mark.parametrize("zone", ["Chicago", "America/Gotham", "../etc/passwd", "", "America"])
    def test_refuses_a_zone_that_is_none(self, zone: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            self.open_site(time_zone=zone)

        assert refused.value.problems[0]["field"] == "time_zone"

    @pytest.mark.parametrize("levels", [[], ["2.9"]])
    def test_refuses_levels_that_are_none(self, levels: list[str]) -> None:
        with pytest.raises(InvalidInput):
            self.open_site(levels_licensed=levels)
