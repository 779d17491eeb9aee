"""What leaves the door as a file: codes, ids, days and numbers, for those who may have it."""

import csv
import io
import zoneinfo
from pathlib import Path

import pytest

from gateway.tokens import mint
from homeward.simulation import rows
from shared.contracts.event import read_moment
from tests.door.program import SECRETS, Program
from tests.journeys.house import House

pytestmark = pytest.mark.journey

CHICAGO = zoneinfo.ZoneInfo("America/Chicago")


class TestTeds:
    def test_is_read_by_the_simulation_as_it_would_be_by_a_state(
        self, house: House, program: Program, tmp_path: Path
    ) -> None:
        codes = {"EDUC": 4, "SUB1": 5, "ROUTE1": 4, "VET": 2}
        path = f"/v1/episodes/{program.treated.episode_id}"
        assert house.door.post(f"{path}/teds-codes", {"teds": codes}, role="front_desk").status == 200

        answer = house.door.get(f"/v1/exports/teds-records?site_id={program.site_id}", role="front_desk")

        assert answer.headers["Content-Type"].startswith("text/csv")
        assert "attachment" in answer.headers["Content-Disposition"]
        (tmp_path / "teds.csv").write_text(answer.body["raw"])
        read = rows.read(tmp_path / "teds.csv")
        assert read.refused == []
        # The two who were admitted: one is in treatment, one was discharged.
        assert {one.codes["PSOURCE"] for one in read.admissions} == {7}
        assert {"EDUC": 4, "SUB1": 5, "ROUTE1": 4, "IDU": 1}.items() <= next(
            one.codes.items() for one in read.admissions if "EDUC" in one.codes
        )
        assert {one.recorded_service for one in read.admissions} == {6}
        assert {one["STUSAB"] for one in csv.DictReader(io.StringIO(answer.body["raw"]))} == {"IL"}
        assert not [secret for secret in SECRETS.values() if secret in answer.body["raw"]]

    def test_is_for_the_office(self, house: House, program: Program) -> None:
        path = f"/v1/exports/teds-records?site_id={program.site_id}"

        assert house.door.get(path, role="counselor").status == 403
        patient = mint(
            house.settings.token_key,
            tenant=house.settings.tenant,
            role="patient",
            actor_id=program.treated.patient_id,
        )
        assert house.door.get(path, token=patient).status == 403
        assert house.door.get(path + "&to=soon", role="front_desk").status == 422
        assert house.door.get(path + "&what=1", role="front_desk").status == 422


class TestBillableDays:
    def test_holds_a_day_once_its_note_is_signed_and_no_name(self, house: House, program: Program) -> None:
        who = program.treated
        seat = next(
            one
            for one in house.door.get(f"/v1/episodes/{who.episode_id}/sessions").ok["items"]
            # Payers ask for two in a group, and nobody else is in this program.
            if one["state"] == "NO_SHOW" and one["kind"] == "INDIVIDUAL"
        )
        day = read_moment(seat["starts_at"]).astimezone(CHICAGO).date().isoformat()
        stretch = f"site_id={program.site_id}&from={day}&to={day}"
        house.door.post(f"/v1/seats/{seat['seat_id']}/corrections", {"mark": "PRESENT"}).expect(201)
        house.door.settle()
        (unbilled,) = house.door.get(f"/v1/unbilled-days?{stretch}", role="front_desk").ok["items"]
        assert unbilled["reasons"] == ["NO_SIGNED_NOTE", "NO_CONSENT_TO_BILL"]
        assert (
            day not in house.door.get(f"/v1/exports/billable-days?{stretch}", role="front_desk").body["raw"]
        )

        may_bill = {"kind": "TPO", "recipient": "My plan", "purpose": "Payment."}
        may_bill |= {"information_classes": ["BILLING"]}
        house.door.post(f"/v1/patients/{who.patient_id}/consents", may_bill).expect(201)
        note = {"text": "Sang of the heron.", "sign": True}
        house.door.post(f"/v1/sessions/{seat['session_id']}/notes", note).expect(201)
        house.door.settle()

        assert house.door.get(f"/v1/unbilled-days?{stretch}", role="front_desk").ok["items"] == []
        written = house.door.get(f"/v1/exports/billable-days?{stretch}", role="front_desk").body["raw"]
        (line,) = csv.DictReader(io.StringIO(written))
        assert (line["served_on"], line["patient_id"], line["procedure_code"], line["revenue_code"]) == (
            day,
            who.patient_id,
            "H0015",
            "0906",
        )
        assert (line["payer"], line["diagnoses"]) == ("BLUE_IL", "F10.20")
        assert line["authorization_id"] == program.authorization_id
        assert not [secret for secret in (*SECRETS.values(), "heron") if secret in written]


def facility(line: int, **changes: str) -> dict[str, object]:
    return {
        "line": line,
        "name1": f"Harbor House {line}",
        "street1": f"{line} Main Street",
        "city": "Peoria",
        "state": "IL",
        "zip": "61602",
        "latitude": "40.69",
        "longitude": "-89.59",
        "services": [{"f1": "Service Setting", "f2": "SET", "f3": "Intensive outpatient treatment"}],
        **changes,
    }


class TestFacilities:
    def test_come_in_parts_and_are_told_by_the_line_of_the_file(self, house: House, program: Program) -> None:
        rows_of_file = [facility(line) for line in range(2, 2502)]
        for row in rows_of_file[::100]:
            row["latitude"] = "north"

        reports = []
        for part in (rows_of_file[:1300], rows_of_file[1300:]):
            taken = house.door.post("/v1/facility-imports", {"rows": part}, role="operations").expect(202)
            house.door.settle()
            job = house.door.get(taken["href"], role="operations").ok
            assert job["state"] == "done"
            reports.append(job["result"])

        assert [one["listed"] for one in reports] == [1287, 1188]
        lines = [one["line"] for report in reports for one in report["refused"]]
        assert lines == list(range(2, 2502, 100))
        assert {one["field"] for report in reports for one in report["refused"]} == {"latitude"}

    def test_are_found_as_far_away_as_was_asked(self, house: House, program: Program) -> None:
        row = facility(1, zip="61605", latitude="40.80")
        house.door.post("/v1/facility-imports", {"rows": [row]}, role="operations").expect(202)
        house.door.settle()

        def names(radius: int) -> list[str]:
            asked = f"latitude=40.80&longitude=-89.59&level=2.1&radius_miles={radius}"
            found = house.door.get(f"/v1/program-matches?{asked}", role="front_desk").ok
            return [one["program"]["name"] for one in found["matches"]]

        assert names(5) == ["Harbor House 1"]
        assert len(names(20)) > 1
