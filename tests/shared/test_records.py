"""A patient's part of a service's record: all of it, theirs alone, in readable form."""

import importlib
from collections.abc import Callable
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from gateway.records import KEEPERS
from services.intake import tables as intake_tables
from services.intake.service import Intake
from shared import records
from shared.database import plumbing
from shared.errors import Forbidden, InvalidInput
from tests.intake.test_service import House
from tests.support import Room

#: What a table names that is about a patient, directly or by something that is theirs.
NAMES_A_PATIENT = ("patient_id", "episode_id", "journey_id", "referral_id")

#: Tables about patients that are no part of their record.
WITHHELD = {
    ("intake", "legal_demands"),
    ("intake", "tasks"),
    ("scheduling", "asked"),
    ("monitoring", "pages"),
}


def metadata_of(service: str) -> sa.MetaData:
    found: sa.MetaData = importlib.import_module(f"services.{service}.tables").metadata
    return found


@pytest.mark.parametrize("service", KEEPERS)
class TestEveryService:
    def test_finds_each_table_that_names_a_patient_or_what_is_theirs(self, service: str) -> None:
        metadata = metadata_of(service)
        about = records.tables_about_patients(metadata)

        for table in metadata.sorted_tables:
            if table.name not in about and table.name not in plumbing.tables:
                assert not [c.name for c in table.c if c.name.endswith(NAMES_A_PATIENT)], table.name

    def test_says_why_what_it_withholds_is_no_part_of_the_record(self, service: str) -> None:
        metadata = metadata_of(service)
        about = records.tables_about_patients(metadata)

        withheld = {name for name, rule in about.items() if rule is None}
        assert withheld >= {name for owner, name in WITHHELD if owner == service}
        assert all(metadata.tables[name].info[records.WITHHELD] for name in withheld)

    def test_keeps_counselling_notes_in_no_part(self, service: str) -> None:
        metadata = metadata_of(service)
        about = records.tables_about_patients(metadata)

        named = {name for name, rule in about.items() if rule is not None and "counsel" in name}
        assert named == set()

    def test_can_open_every_sealed_column_that_it_tells(self, service: str) -> None:
        metadata = metadata_of(service)
        for name, rule in records.tables_about_patients(metadata).items():
            table = metadata.tables[name]
            if rule is not None and any(column.name.endswith("_sealed") for column in table.c):
                assert len(table.primary_key.columns) == 1, name


class TestAPart:
    @pytest.fixture
    def house(self, room_of: Callable[[type], Room]) -> House:
        return House(room_of(Intake))

    def part(self, house: House, patient_id: str) -> list[dict[str, Any]]:
        """Return all of it, page by page."""
        items, after = [], None
        while True:
            asked = {"patient_id": patient_id, "after": after}
            page = orjson.loads(orjson.dumps(house.room.ask("get_record_part", asked, role="system")))
            items += page["items"]
            after = page["next"]
            if after is None:
                return items

    def test_has_the_patients_rows_opened_and_nobody_elses(self, house: House) -> None:
        ada = house.admitted()
        bert = house.decided(given_name="Bert", family_name="Oakley", birth_date="1980-01-01")

        told = self.part(house, ada["patient_id"])

        rows = {item["table"]: item["row"] for item in told}
        assert rows["patients"]["family_name"] == "Quill"
        assert rows["assessments"]["goals"] == "See my daughter Wilhelmina finish school."
        assert {"admissions", "consents", "episodes", "level_decisions", "referrals"} <= set(rows)
        assert bert["patient_id"] not in str(told)
        assert "Oakley" not in str(told)
        assert not {"tasks", "legal_demands", "outbox", "audit"} & set(rows)
        assert not [name for row in rows.values() for name in row if name.endswith(("_sealed", "_index"))]

    def test_comes_page_by_page_without_gap_or_repeat(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        patient_id = house.admitted()["patient_id"]
        whole = self.part(house, patient_id)
        monkeypatch.setattr(records, "ROWS_AT_ONCE", 2)

        assert self.part(house, patient_id) == whole
        assert len(whole) > 5

    def test_of_a_stranger_or_of_another_tenant_is_empty(self, house: House) -> None:
        patient_id = house.admitted()["patient_id"]
        asked = {"patient_id": patient_id}

        assert house.room.ask("get_record_part", asked, role="system", tenant_id="hillside")["items"] == []

    def test_is_for_the_gateway_alone(self, house: House) -> None:
        for role in ("clinician", "supervisor", "patient"):
            with pytest.raises(Forbidden):
                house.room.ask("get_record_part", {"patient_id": house.room.tenant_id}, role=role)

    @pytest.mark.parametrize("after", ["nowhere.1", "patients", "patients.-1", "patients.x", "tasks.0"])
    def test_refuses_a_place_that_it_never_gave(self, house: House, after: str) -> None:
        patient_id = house.refer()["patient_id"]

        with pytest.raises(InvalidInput):
            house.room.ask("get_record_part", {"patient_id": patient_id, "after": after}, role="system")

    def test_is_told_through_children_of_children(self) -> None:
        rules = records.tables_about_patients(intake_tables.metadata)

        # An authorised unit names an authorisation, which names the patient.
        assert "authorizations" in str(rules["authorization_units"])
