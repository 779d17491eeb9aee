"""The directory behind its ways in, on a real database."""

from collections.abc import Callable
from datetime import time, timedelta
from typing import Any

import pytest

from services.intake import tables
from services.intake.domain.matching import ProgramGroup
from services.intake.domain.programs import StaffMember
from services.intake.service import Intake
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.intake import FacilitiesImported, ProgramCredentialChanged
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import derived_id, new_id
from shared.messaging.commands import get_job
from tests.intake.builders import SITE_ID
from tests.intake.test_directory_rules import record
from tests.support import Room

#: Where our own site of these tests stands: the Loop in Chicago.
LOOP = {"latitude": 41.8818, "longitude": -87.6232}


class Directory:
    """A room with one site of ours, and the steps that a story does not tell."""

    def __init__(self, room: Room) -> None:
        self.room = room
        site = {
            "site_id": SITE_ID,
            "name": "Lakeside",
            "time_zone": "America/Chicago",
            "levels_licensed": ["1", "2.1"],
        }
        room.call("open_site", site, role="operations")

    def publish(self, **changes: Any) -> dict[str, Any]:
        listing = {
            "site_id": SITE_ID,
            "street": "233 South Wacker Drive",
            "city": "Chicago",
            "state": "IL",
            "zip_code": "60606",
            "payers": ["MEDICAID", "PRIVATE"],
            "approaches": ["CBT", "MI"],
            "languages": ["EN", "ES"],
            **LOOP,
        }
        return self.room.call("publish_program", listing | changes, role="operations")

    def take(self, rows: list[Any]) -> dict[str, Any]:
        job_id = self.room.call("import_facilities", {"rows": rows}, role="operations")["accepted"]
        self.room.run_jobs()
        with self.room.db() as db:
            job = get_job(db, job_id=job_id.partition(".")[2])
        assert job["state"] == "done", job
        result: dict[str, Any] = job["result"]
        return result

    def licence(self, *, days: int = 365, program_id: str = SITE_ID, **changes: Any) -> dict[str, Any]:
        credential = {
            "program_id": program_id,
            "kind": "LICENCE",
            "body": "STATE",
            "number": "A-0815",
            "state": "IL",
            "levels": ["2.1"],
            "starts_at": (self.room.now - timedelta(days=1)).isoformat(),
            "ends_at": (self.room.now + timedelta(days=days)).isoformat(),
        }
        return self.room.call("record_program_credential", credential | changes, role="operations")

    def check(self, credential: dict[str, Any], found: str = "CONFIRMED") -> dict[str, Any]:
        looked = {"credential_id": credential["credential_id"], "found": found, "evidence_hash": "0" * 64}
        return self.room.call("check_program_credential", looked, role="operations")

    def search(self, **asked: Any) -> dict[str, Any]:
        return self.room.ask("get_program_matches", LOOP | asked, role="partner")

    def names(self, found: dict[str, Any]) -> list[str]:
        return [one["program"]["name"] for one in found["matches"]]

    def teach(self, *things: Any) -> None:
        with self.room.db() as db:
            db.add_all(things)

    def group(self, name: str, weekdays: list[int], *, taken: int = 0) -> ProgramGroup:
        return ProgramGroup(
            group_id=derived_id(name),
            site_id=SITE_ID,
            kind="GROUP",
            modality="CBT",
            track="MORNING",
            weekdays=weekdays,
            starts=time(9),
            ends=time(12),
            clinical_minutes=180,
            capacity=12,
            taken=taken,
            revision=1,
        )


@pytest.fixture
def directory(room_of: Callable[[type], Room]) -> Directory:
    return Directory(room_of(Intake))


class TestPublishing:
    def test_lists_a_site_once_with_its_licensed_levels(self, directory: Directory) -> None:
        listed = directory.publish()

        assert (listed["program_id"], listed["origin"], listed["verified"]) == (SITE_ID, "OWN", False)
        assert "LEVEL:2.1" in listed["offers"]
        with pytest.raises(Conflict):
            directory.publish()

    def test_is_not_for_everybody(self, directory: Directory) -> None:
        with pytest.raises(Forbidden):
            directory.room.call("publish_program", {}, role="front_desk")

    def test_of_another_tenant_is_not_there(self, directory: Directory) -> None:
        directory.publish()

        with pytest.raises(NotFound):
            directory.room.ask("get_program", {"program_id": SITE_ID}, tenant_id="neighbours")
        assert directory.room.ask("list_programs", {}, tenant_id="neighbours")["items"] == []


class TestImport:
    def test_tells_bad_rows_by_their_line(self, directory: Directory) -> None:
        rows = [
            record(line=2),
            record(line=3, name1=""),
            record(line=4, zip="x", state="??"),
            7,
            record(line=6),
        ]

        report = directory.take(rows)

        assert (report["listed"], report["refused_rows"]) == (1, 4)
        assert [(row["line"], row["field"]) for row in report["refused"]] == [
            (3, "name1"),
            (4, "state"),
            (4, "zip"),
            (4, "row"),
            (6, "name1"),
        ]
        (told,) = directory.room.announced_of(FacilitiesImported)
        assert (told.listed, told.refused) == (1, 4)

    def test_again_changes_what_has_changed(self, directory: Directory) -> None:
        directory.take([record(), record(street1="1 Other Street")])

        report = directory.take([record(phone="312-555-0199"), record(street1="1 Other Street")])

        assert (report["listed"], report["changed"], report["unchanged"]) == (0, 1, 1)

    def test_verifies_nothing_and_takes_no_verification_away(self, directory: Directory) -> None:
        directory.take([record()])
        (program,) = directory.room.ask("list_programs", {})["items"]
        directory.check(directory.licence(program_id=program["program_id"]))

        directory.take([record(phone="312-555-0199")])

        assert directory.room.ask("get_program", {"program_id": program["program_id"]})["verified"]

    def test_takes_twenty_thousand_rows_of_which_one_in_a_hundred_is_bad(self, directory: Directory) -> None:
        rows = [
            record(line=place + 2, street1=f"{place} Main Street", latitude=str(30 + place % 150 / 10))
            for place in range(20_000)
        ]
        for place in range(0, 20_000, 100):
            rows[place] |= {"latitude": "north"}

        report = directory.take(rows)

        assert (report["listed"], report["refused_rows"]) == (19_800, 200)
        assert [row["line"] for row in report["refused"]] == list(range(2, 20_002, 100))
        assert {row["field"] for row in report["refused"]} == {"latitude"}


class TestVerification:
    def test_needs_somebody_who_looked(self, directory: Directory) -> None:
        directory.publish()
        licence = directory.licence()

        assert licence["status"] == "PENDING"
        assert directory.names(directory.search(verified=True)) == []
        assert directory.check(licence)["status"] == "VERIFIED"
        assert directory.names(directory.search(verified=True)) == ["Lakeside"]

    def test_ends_with_the_licence_and_says_so(self, directory: Directory) -> None:
        directory.publish()
        directory.check(directory.licence(days=5))

        directory.room.at(directory.room.now + timedelta(days=5))
        hidden = directory.search(verified=True)
        directory.room.advance(timedelta(hours=1))

        # A search compares moments: it waits for no timer.
        assert directory.names(hidden) == []
        assert [one["alternative"] for one in hidden["alternatives"]] == ["NOT_VERIFIED"]
        told = directory.room.announced_of(ProgramCredentialChanged)[-1]
        assert (told.status, told.program_verified) == ("EXPIRED", False)
        profile = directory.room.ask("get_program", {"program_id": SITE_ID})
        assert (profile["verified"], profile["licensed_levels"]) == (False, [])
        assert profile["banners"] == ["LICENCE_EXPIRED", "NOT_VERIFIED"]

    def test_is_asked_for_again_after_thirty_days_and_lapses_without(self, directory: Directory) -> None:
        directory.publish()
        licence = directory.check(directory.licence())

        directory.room.advance(timedelta(days=30))
        (task,) = directory.room.announced_of(TaskOpened)
        directory.room.advance(timedelta(days=7))

        assert (task.task, task.about_id) == ("program_credential_recheck", licence["credential_id"])
        assert directory.names(directory.search(verified=True)) == []
        directory.check(licence)
        assert directory.names(directory.search(verified=True)) == ["Lakeside"]
        assert [closed.task_id for closed in directory.room.announced_of(TaskClosed)] == [task.task_id]

    def test_asks_for_the_next_licence_once_and_is_answered_by_it(self, directory: Directory) -> None:
        directory.publish()
        directory.licence(days=100)

        directory.room.advance(timedelta(days=45))
        (task,) = directory.room.announced_of(TaskOpened)
        assert task.task == "program_credential_ends"
        directory.licence(days=500, number="A-0816")

        assert [closed.task_id for closed in directory.room.announced_of(TaskClosed)] == [task.task_id]

    def test_is_lost_with_a_suspension(self, directory: Directory) -> None:
        directory.publish()
        licence = directory.check(directory.licence())

        assert directory.check(licence, "SUSPENDED")["status"] == "SUSPENDED"

        assert directory.names(directory.search(verified=True)) == []

    def test_of_nothing_is_not_there(self, directory: Directory) -> None:
        with pytest.raises(NotFound):
            directory.check({"credential_id": new_id()})
        with pytest.raises(NotFound):
            directory.licence(program_id=new_id())


class TestSearch:
    def test_filters_by_what_is_asked_for(self, directory: Directory) -> None:
        directory.take([record(), record(name1="Far Point", latitude="38.63", longitude="-90.2")])

        assert directory.names(directory.search(level="2.1", need=["MOUD"], language="PL")) == [
            "Harbor Light Center"
        ]
        assert directory.names(directory.search(payer="MEDICARE")) == []
        assert directory.names(directory.search(radius_miles=4)) == []

    def test_tells_why_and_offers_three_other_ways(self, directory: Directory) -> None:
        services = [
            {"f1": "Setting", "f2": "SET", "f3": "Outpatient day treatment or partial hospitalization"}
        ]
        lower = [{"f1": "Setting", "f2": "SET", "f3": "Regular outpatient treatment"}]
        directory.take(
            [
                record(),
                record(name1="Day House", services=services),
                record(name1="Evening House", services=lower),
                record(name1="Farther", latitude="42.3", longitude="-87.7"),
            ]
        )

        found = directory.search(level="2.1")

        assert directory.names(found) == ["Harbor Light Center"]
        (match,) = found["matches"]
        assert {why["part"] for why in match["reasons"]} == set(found["weights"])
        assert [(one["program"]["name"], one["alternative"]) for one in found["alternatives"]] == [
            ("Day House", "HIGHER_LEVEL"),
            ("Evening House", "LOWER_LEVEL"),
            ("Farther", "FARTHER"),
        ]

    def test_by_busy_blocks_finds_only_weeks_that_fit(self, directory: Directory) -> None:
        directory.publish()
        directory.take([record()])
        directory.teach(directory.group("a", [0, 2, 4], taken=11), directory.group("b", [1, 3]))

        fits = directory.search(busy=["MON 13:00-17:00", "TUE 08:00-18:00"])
        none = directory.search(busy=["MON 08:00-17:00", "TUE 08:00-18:00", "WED 08:00-18:00"])

        assert directory.names(fits) == ["Lakeside"]
        assert (fits["matches"][0]["placeable_minutes"], fits["matches"][0]["free_seats"]) == (720, 13)
        assert directory.names(none) == []
        assert "WEEK_NOT_KNOWN_TO_FIT" in {one["alternative"] for one in none["alternatives"]}

    def test_takes_places_by_name(self, directory: Directory) -> None:
        directory.take([record()])
        nowhere: dict[str, Any] = {"latitude": None, "longitude": None}

        by_zip = directory.search(**nowhere, zip_code="60651")
        by_city = directory.search(**nowhere, city="CHICAGO", state="IL")

        assert directory.names(by_zip) == directory.names(by_city) == ["Harbor Light Center"]
        with pytest.raises(InvalidInput):
            directory.search(**nowhere, zip_code="99999")
        with pytest.raises(InvalidInput):
            directory.search(zip_code="60651")
        with pytest.raises(InvalidInput):
            directory.search(busy=["MON 17:00-09:00"])

    def test_finds_nothing_of_other_tenants(self, directory: Directory) -> None:
        directory.take([record()])

        assert directory.room.ask("get_program_matches", LOOP, tenant_id="neighbours")["matches"] == []


class TestProfile:
    def test_counts_staff_seats_and_what_was_delivered(self, directory: Directory) -> None:
        directory.publish()
        today = directory.room.now.date()
        held = [{"kind": "LCSW", "expires_on": "2027-01-31"}]
        directory.teach(
            StaffMember(clinician_id=new_id(), site_id=SITE_ID, credentials=held, revision=1),
            directory.group("a", [0, 2, 4], taken=10),
        )
        with directory.room.db() as db:
            for days, revision, minutes in ((1, 2, {"CBT": 75}), (1, 1, {"CBT": 10}), (91, 1, {"DBT": 60})):
                tables.keep_delivery(
                    db,
                    delivery_id=derived_id("day", str(days)),
                    site_id=SITE_ID,
                    served_on=today - timedelta(days=days),
                    minutes=minutes,
                    revision=revision,
                )

        profile = directory.room.ask("get_program", {"program_id": SITE_ID}, role="patient")

        assert profile["staff"]["by_class"]["THERAPIST"] == 1
        assert [group["free_seats"] for group in profile["groups"]] == [2]
        assert profile["delivered_last_90_days"] == {"CBT": 75}
