"""Records of admissions in TEDS codes: what is written is read back to the same codes by another reader."""

import csv
import io
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import csv_files
from homeward.simulation import rows
from services.intake import teds
from services.intake.domain import referrals, teds_records
from services.intake.domain.admissions import Admission
from services.intake.domain.referrals import Referral
from services.intake.domain.teds_records import AGES_FROM, TedsRecord
from services.intake.service import Intake
from shared.errors import Forbidden, InvalidInput, NotFound
from shared.ids import derived_id, new_id
from tests.intake import builders
from tests.intake.builders import NOW, SITE_ID
from tests.intake.test_service import House
from tests.support import Room

SAMPLE = list(csv.DictReader(rows.sample_path().read_text().splitlines()))
#: A wait of each code of DAYWAIT, in days, and an outpatient level of each SERVICES that we give.
WAITS = {0: 0, 1: 7, 2: 8, 3: 30, 4: 31}
LEVELS = {6: "2.1", 7: "1"}


def born_for(age: int) -> date:
    """Return a birth date that puts somebody into a band of ages."""
    return date(NOW.year - AGES_FROM[age - 1], 1, 15)


def record_of_row(row: dict[str, str]) -> TedsRecord:
    told = {name: value for name, value in row.items() if name != "CASEID"}
    codes, service = referrals.read_teds(told)
    case = row["CASEID"]
    patient = builders.patient(
        patient_id=derived_id("patient", case), sex="FEMALE", birth_date=born_for(codes["AGE"]).isoformat()
    )
    return record(
        admission={
            "admission_id": derived_id("admission", case),
            "level": LEVELS.get(service or 0, "2.1"),
        },
        referral={
            "teds": codes,
            "received_at": NOW - timedelta(days=WAITS[codes["DAYWAIT"]]),
            "referral_source": "7",
        },
        patient=patient,
    )


def record(
    *,
    admission: dict[str, Any] | None = None,
    referral: dict[str, Any] | None = None,
    patient: Any = None,
    state: str | None = None,
    assessment: Any = None,
) -> TedsRecord:
    known: dict[str, Any] = {
        "episode_id": derived_id("episode", "ada"),
        "patient_id": derived_id("patient", "ada"),
    }
    admitted: dict[str, Any] = known | {
        "admission_id": derived_id("admission", "ada"),
        "level": "2.1",
        "admitted_at": NOW,
        "admitted_by": "olga",
        "admitted_by_role": "front_desk",
        "follow_up_consent": False,
    }
    referred: dict[str, Any] = known | {
        "referral_id": derived_id("referral", "ada"),
        "journey_id": derived_id("journey", "ada"),
        "site_id": SITE_ID,
        "referral_source": "1",
        "known_patient": False,
        "received_at": NOW,
    }
    return teds_records.record_of(
        admission=Admission(**admitted | (admission or {})),
        referral=Referral(**referred | (referral or {})),
        patient=patient or builders.patient(sex="FEMALE"),
        site=builders.site(),
        assessment=assessment,
        state=state,
    )


def file_of(records: list[TedsRecord]) -> bytes:
    return csv_files.written(teds.FIELDS, [one.values for one in records])


class TestFile:
    def test_of_every_row_of_the_sample_is_read_back_to_the_same_codes(self, tmp_path: Path) -> None:
        records = [record_of_row(row) for row in SAMPLE]
        file = tmp_path / "teds.csv"
        file.write_bytes(file_of(records))

        read, sample = rows.read(file), rows.read(rows.sample_path())

        assert read.refused == []
        assert len(read.admissions) == len(sample.admissions) == 372
        for ours, theirs in zip(read.admissions, sample.admissions, strict=True):
            assert {name: ours.codes[name] for name in theirs.codes} == theirs.codes
        given = [SAMPLE[n]["SERVICES"] for n in range(372)]
        kept = [str(one.recorded_service) for one in read.admissions]
        assert [code for code in given if code in "67"] == [
            ours for ours, theirs in zip(kept, given, strict=True) if theirs in "67"
        ]

    def test_has_every_column_of_the_sample_as_it_was_and_none_is_empty(self) -> None:
        written = list(csv.DictReader(io.StringIO(file_of([record_of_row(row) for row in SAMPLE]).decode())))

        assert list(written[0])[: len(SAMPLE[0])] == list(SAMPLE[0])
        for ours, theirs in zip(written, SAMPLE, strict=True):
            for name in set(theirs) - {"CASEID", "SERVICES"}:
                assert ours[name] == theirs[name], name
            assert all(ours.values())
        assert len({one["CASEID"] for one in written}) == 372

    def test_of_the_sample_breaks_no_rule_of_the_code_book(self) -> None:
        for row in SAMPLE:
            assert record_of_row(row).problems == ()

    def test_of_nobody_has_its_header(self) -> None:
        assert file_of([]).decode().strip() == ",".join(teds.FIELDS)


class TestRecord:
    def test_says_what_was_not_collected(self) -> None:
        found = record()

        known = {"CASEID", "ADMYR", "AGE", "DAYWAIT", "GENDER", "PSOURCE", "SERVICES"}
        assert set(teds.FIELDS) - set(found.not_collected) == known
        assert all(found.values[name] == -9 for name in found.not_collected)
        assert list(found.values) == list(teds.FIELDS)

    @pytest.mark.parametrize(
        ("days", "code"), [(0, 0), (1, 1), (7, 1), (8, 2), (14, 2), (15, 3), (30, 3), (31, 4), (400, 4)]
    )
    def test_counts_the_days_that_somebody_waited(self, days: int, code: int) -> None:
        told = {"received_at": NOW - timedelta(days=days), "teds": {"DAYWAIT": 2}}

        assert record(referral=told).values["DAYWAIT"] == code

    def test_counts_them_by_the_days_of_the_site(self) -> None:
        # 05:30 in UTC is the evening before in Chicago.
        late = {"received_at": NOW.replace(hour=5, minute=30)}

        assert record(referral=late).values["DAYWAIT"] == 1

    @pytest.mark.parametrize(("years", "code"), [(18, 3), (20, 3), (21, 4), (55, 11), (64, 11), (65, 12)])
    def test_puts_ages_into_their_bands(self, years: int, code: int) -> None:
        person = builders.patient(birth_date=date(NOW.year - years, 1, 15).isoformat())

        assert record(patient=person).values["AGE"] == code

    def test_gives_the_service_of_the_level_and_never_what_the_source_recorded(self) -> None:
        told = {"recorded_service": 4}

        assert record(admission={"level": "1"}, referral=told).values["SERVICES"] == 7
        assert record(admission={"level": "2.5"}, referral=told).values["SERVICES"] == 6

    def test_reports_no_source_of_whoever_came_back(self) -> None:
        assert record(referral={"referral_source": "REENTRY"}).values["PSOURCE"] == -9

    def test_derives_what_follows_from_the_substances(self) -> None:
        told = {"teds": {"SUB1": 2, "SUB2": 5, "ROUTE1": 1, "ROUTE2": 4}}

        values = record(referral=told).values

        assert (values["ALCFLG"], values["HERFLG"], values["COKEFLG"]) == (1, 1, 0)
        assert (values["ALCDRUG"], values["IDU"]) == (3, 1)

    def test_does_not_say_that_nobody_injects_while_a_route_is_not_known(self) -> None:
        told = {"teds": {"SUB1": 2, "SUB2": 5, "ROUTE1": 1}}

        assert record(referral=told).values["IDU"] == -9

    def test_takes_from_the_assessment_what_nobody_told(self) -> None:
        assessment, _ = builders.complete()

        values = record(assessment=assessment).values

        assert (values["SUB1"], values["ALCFLG"], values["ALCDRUG"]) == (2, 1, 1)
        assert (values["DSMCRIT"], values["LIVARAG"], values["PREG"]) == (4, 3, -9)
        told = record(assessment=assessment, referral={"teds": {"SUB1": 5, "LIVARAG": 1}}).values
        assert (told["SUB1"], told["LIVARAG"], told["ALCFLG"]) == (5, 1, 0)

    def test_knows_the_state_from_the_directory_and_where_it_lies(self) -> None:
        values = record(state="IL").values

        assert [values[name] for name in ("STFIPS", "STUSAB", "DIVISION", "REGION")] == [17, "IL", 3, 2]

    def test_knows_the_division_of_every_state(self) -> None:
        assert set(teds.DIVISION_OF_STATE) == set(teds.STATES)

    @pytest.mark.parametrize(
        ("told", "field"),
        [
            ({"DETCRIM": 3}, "DETCRIM"),
            ({"EMPLOY": 1, "DETNLF": 2}, "DETNLF"),
            ({"SUB1": 1, "FREQ1": 2}, "FREQ1"),
            ({"SUB1": 2, "ALCDRUG": 2}, "ALCDRUG"),
            ({"SUB1": 5, "ROUTE1": 4, "IDU": 0}, "IDU"),
            ({"FRSTUSE1": 7}, "FRSTUSE1"),
        ],
    )
    def test_tells_which_codes_contradict_each_other(self, told: dict[str, int], field: str) -> None:
        young = builders.patient(birth_date="2003-01-15", sex="FEMALE")

        assert [one["field"] for one in record(referral={"teds": told}, patient=young).problems] == [field]

    def test_tells_a_code_that_the_code_book_lacks(self) -> None:
        assert teds_records.check({"AGE": 13, "SUB1": -9})[0]["field"] == "AGE"


@pytest.fixture
def house(room_of: Callable[[type], Room]) -> House:
    return House(room_of(Intake))


class TestService:
    def records(self, house: House, **asked: Any) -> list[dict[str, Any]]:
        found = house.room.ask("list_teds_records", {"site_id": SITE_ID} | asked, role="front_desk")
        return list(found["items"])

    def test_lists_the_admissions_of_a_site_between_two_of_its_days(self, house: House) -> None:
        first = house.admitted()
        house.decided(given_name="Bea")
        house.room.advance(timedelta(days=2))
        second = house.admitted(given_name="Cleo")

        assert {one["patient_id"] for one in self.records(house)} == {
            first["patient_id"],
            second["patient_id"],
        }
        (found,) = self.records(house, **{"from": "2026-02-03"})
        assert found["patient_id"] == second["patient_id"]
        assert self.records(house, to="2026-02-01") == []
        (page,) = self.records(house, limit=1)
        (rest,) = self.records(house, after=page["admission_id"])
        assert {page["patient_id"], rest["patient_id"]} == {first["patient_id"], second["patient_id"]}

    def test_takes_codes_that_were_found_out_later_and_forgets_wrong_ones(self, house: House) -> None:
        who = house.admitted()
        told = {"VET": 2, "SUB1": "-9", "MARSTAT": 4}
        request = {"episode_id": who["episode_id"], "teds": told}

        kept = house.room.call("record_teds_codes", request, role="front_desk")

        assert kept["teds"] == {"VET": 2, "MARSTAT": 4}
        (found,) = self.records(house)
        assert (found["values"]["VET"], found["values"]["MARSTAT"]) == (2, 4)
        # What the assessment found stands in for the code that was wrong.
        assert found["values"]["SUB1"] == 2

    @pytest.mark.parametrize(
        ("told", "field"),
        [({"VET": 3}, "teds.VET"), ({"SERVICES": 6}, "teds.SERVICES"), ({"STUSAB": "AL"}, "teds.STUSAB")],
    )
    def test_refuses_codes_by_field_and_keeps_what_was(
        self, house: House, told: dict[str, Any], field: str
    ) -> None:
        who = house.admitted()
        state = {"episode_id": who["episode_id"], "teds": {"STFIPS": 17}}
        house.room.call("record_teds_codes", state, role="front_desk")

        with pytest.raises(InvalidInput) as refused:
            house.room.call("record_teds_codes", state | {"teds": told}, role="front_desk")

        assert [one["field"] for one in refused.value.problems] == [field]
        assert self.records(house)[0]["values"]["STUSAB"] == "IL"

    def test_is_for_the_office_and_of_the_own_tenant(self, house: House) -> None:
        who = house.admitted()

        with pytest.raises(Forbidden):
            house.room.ask("list_teds_records", {"site_id": SITE_ID}, role="counselor")
        with pytest.raises(NotFound):
            house.room.ask("list_teds_records", {"site_id": SITE_ID}, role="front_desk", tenant_id="other")
        with pytest.raises(NotFound):
            house.room.call(
                "record_teds_codes", {"episode_id": new_id(), "teds": {"VET": 1}}, role="front_desk"
            )
        with pytest.raises(InvalidInput):
            self.records(house, **{"from": "2026-02-03", "to": "2026-02-02"})
        assert "Quill" not in str(self.records(house))
        assert self.records(house)[0]["patient_id"] == who["patient_id"]
