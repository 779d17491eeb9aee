"""The directory behind its ways in, on a real database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.intake import schemas, tables
from services.intake.service import Intake
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.intake import FacilitiesImported, ProgramCredentialChanged
from shared.contracts.scheduling import ClinicianCredentialsChanged, GroupPlacesChanged, ServiceDelivered
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
            "emergency_phone": "+1 312 555 0142",
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

    def license_site(self, last_on: str, *, first_on: str = "2026-01-01") -> dict[str, Any]:
        """Tell of our own site until when it may give Level 2.1."""
        told = {"site_id": SITE_ID, "level": "2.1", "number": "A-0815"}
        return self.room.call(
            "record_site_licence", told | {"first_on": first_on, "last_on": last_on}, role="operations"
        )

    def check(self, credential: dict[str, Any], found: str = "CONFIRMED") -> dict[str, Any]:
        looked = {"credential_id": credential["credential_id"], "found": found, "evidence_hash": "0" * 64}
        return self.room.call("check_program_credential", looked, role="operations")

    def search(self, **asked: Any) -> dict[str, Any]:
        return self.room.ask("get_program_matches", LOOP | asked, role="partner")

    def names(self, found: dict[str, Any]) -> list[str]:
        return [one["program"]["name"] for one in found["matches"]]

    def hear_of_group(self, name: str, weekdays: list[int], *, free: int = 12, **changes: Any) -> None:
        told: dict[str, Any] = {
            "group_id": derived_id(name),
            "site_id": SITE_ID,
            "kind": "GROUP",
            "modality": "CBT",
            "track": "MORNING",
            "mode": "IN_PERSON",
            "enrolment": "OPEN",
            "weekdays": tuple(weekdays),
            "free_places": (free,) * len(weekdays),
            "starts": "09:00",
            "ends": "12:00",
            "clinical_minutes": 180,
            "capacity": 12,
            "revision": 1,
            "told_at": self.room.now,
        }
        self.room.deliver(GroupPlacesChanged(**told | changes))

    def hear_of_clinician(self, name: str, *kinds: str, revision: int = 1, days: int = 365) -> None:
        last_day = self.room.now.date() + timedelta(days=days)
        self.room.deliver(
            ClinicianCredentialsChanged(
                clinician_id=derived_id(name),
                site_id=SITE_ID,
                kinds=kinds,
                expire_on=(last_day,) * len(kinds),
                revision=revision,
                told_at=self.room.now,
            )
        )

    def hear_of_day(self, name: str, minutes: dict[str, int], *, days_ago: int, revision: int = 1) -> None:
        self.room.deliver(
            ServiceDelivered(
                patient_id=derived_id("patient", name),
                episode_id=derived_id("episode", name),
                journey_id=derived_id("journey", name),
                delivery_id=derived_id("day", name),
                site_id=SITE_ID,
                served_on=self.room.now.date() - timedelta(days=days_ago),
                kinds=("GROUP",) * len(minutes),
                minutes=tuple(minutes.values()),
                modalities=tuple(minutes),
                revision=revision,
                told_at=self.room.now,
            )
        )

    def profile(self) -> dict[str, Any]:
        return self.room.ask("get_program", {"program_id": SITE_ID}, role="patient")


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

    def test_ends_with_the_licence_of_our_own_site_without_a_second_entry(self, directory: Directory) -> None:
        directory.publish()
        directory.check(directory.licence(days=300))
        directory.license_site("2026-02-06")
        # Midnight in Chicago, after the last day.
        end = datetime(2026, 2, 7, 6, tzinfo=UTC)
        directory.room.at(end - timedelta(minutes=1))
        assert directory.names(directory.search(verified=True)) == ["Lakeside"]

        # No timer has run.
        directory.room.at(end)
        assert directory.names(directory.search(verified=True)) == []
        directory.room.advance(timedelta(hours=1))

        profile = directory.profile()
        assert (profile["verified"], profile["licensed_levels"]) == (False, [])
        assert profile["banners"] == ["LICENCE_EXPIRED", "NOT_VERIFIED"]

    def test_goes_on_once_the_licence_of_our_own_site_is_renewed(self, directory: Directory) -> None:
        directory.publish()
        directory.check(directory.licence(days=300))
        directory.license_site("2026-02-06")
        directory.room.advance(timedelta(days=6))
        assert directory.names(directory.search(verified=True)) == []

        directory.license_site("2027-02-06", first_on="2026-02-08")

        assert directory.names(directory.search(verified=True)) == ["Lakeside"]
        assert directory.profile()["licensed_levels"] == ["2.1"]

    def test_of_our_own_site_ends_as_well_where_only_the_days_of_a_licence_were_told(
        self, directory: Directory
    ) -> None:
        directory.license_site("2026-02-06")
        directory.publish()

        directory.check(directory.licence(days=300))

        directory.room.at(datetime(2026, 2, 7, 6, tzinfo=UTC))
        assert directory.names(directory.search(verified=True)) == []

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
        assert set(match) == set(schemas.ProgramMatch().fields)
        assert {frozenset(why) for why in match["reasons"]} == {frozenset(schemas.MatchReason().fields)}
        assert [(one["program"]["name"], one["alternative"]) for one in found["alternatives"]] == [
            ("Day House", "HIGHER_LEVEL"),
            ("Evening House", "LOWER_LEVEL"),
            ("Farther", "FARTHER"),
        ]

    def test_tells_of_a_program_what_its_profile_tells(self, directory: Directory) -> None:
        directory.publish()
        directory.check(directory.licence())
        directory.take([record()])

        found = directory.search()

        assert len(found["matches"]) == 2
        for match in found["matches"]:
            program = match["program"]
            profile = directory.room.ask("get_program", {"program_id": program["program_id"]}, role="patient")
            assert program == {name: profile[name] for name in schemas.FoundProgram().fields}

    def test_by_busy_blocks_finds_only_weeks_that_fit(self, directory: Directory) -> None:
        directory.publish()
        directory.take([record()])
        directory.hear_of_group("a", [0, 2, 4], free=1)
        directory.hear_of_group("b", [1, 3])

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


class TestLiveWeek:
    def test_loses_a_group_when_its_last_place_goes_and_wins_it_back(self, directory: Directory) -> None:
        directory.publish()
        directory.hear_of_group("a", [0, 2, 4])
        busy = ["MON 13:00-17:00"]

        assert directory.names(directory.search(busy=busy)) == ["Lakeside"]
        directory.hear_of_group("a", [0, 2, 4], free_places=(12, 0, 12), revision=2)
        assert directory.names(directory.search(busy=busy)) == []
        directory.hear_of_group("a", [0, 2, 4], revision=4)
        directory.hear_of_group("a", [0, 2, 4], free=0, revision=3)
        assert directory.names(directory.search(busy=busy)) == ["Lakeside"]

    def test_takes_three_days_and_no_group_that_is_closed(self, directory: Directory) -> None:
        directory.publish()
        directory.hear_of_group("a", [0, 2], clinical_minutes=170)
        directory.hear_of_group("late", [0, 2], starts="18:00", ends="21:00")

        assert directory.names(directory.search(busy=["FRI 08:00-20:00"])) == []
        directory.hear_of_group("b", [3], enrolment="CLOSED")
        assert directory.names(directory.search(busy=["FRI 08:00-20:00"])) == []
        directory.hear_of_group("b", [3], revision=2)
        assert directory.names(directory.search(busy=["FRI 08:00-20:00"])) == ["Lakeside"]

    def test_of_a_lower_level_needs_one_group_only(self, directory: Directory) -> None:
        directory.publish()
        directory.hear_of_group("a", [0])

        assert directory.names(directory.search(level="1", busy=["TUE 09:00-12:00"])) == ["Lakeside"]
        assert directory.names(directory.search(level="2.1", busy=["TUE 09:00-12:00"])) == []

    def test_of_another_level_may_be_unknown_in_an_alternative(self, directory: Directory) -> None:
        services = [
            {"f1": "Setting", "f2": "SET", "f3": "Outpatient day treatment or partial hospitalization"}
        ]
        directory.publish()
        directory.hear_of_group("a", [0, 2, 4])
        directory.take([record(name1="Day House", services=services)])

        found = directory.search(level="2.1", busy=["TUE 09:00-12:00"])

        assert directory.names(found) == ["Lakeside"]
        (other,) = [one for one in found["alternatives"] if one["alternative"] == "HIGHER_LEVEL"]
        assert (other["program"]["name"], other["week_is_placeable"]) == ("Day House", None)

    def test_is_beside_what_was_delivered_rather_than_what_is_listed(self, directory: Directory) -> None:
        directory.publish(approaches=["CBT", "MI", "DBT", "MATRIX"])
        directory.hear_of_group("a", [0, 2, 4])
        listed = self.evidence(directory)
        directory.hear_of_day("Ana", {"CBT": 75, "LIFE_SKILLS": 60}, days_ago=1)
        directory.hear_of_day("Ben", {"CBT": 75, "MI": 60}, days_ago=2)
        directory.hear_of_day("Cem", {"DBT": 75}, days_ago=91)

        assert listed == (1.0, "APPROACHES_LISTED")
        assert self.evidence(directory) == (0.5, "APPROACHES_DELIVERED")

    def evidence(self, directory: Directory) -> tuple[float, str]:
        (match,) = directory.search()["matches"]
        return next((why["value"], why["code"]) for why in match["reasons"] if why["part"] == "EVIDENCE")

    def test_belongs_to_one_tenant(self, directory: Directory) -> None:
        directory.publish()
        directory.hear_of_group("a", [0, 2, 4])

        with directory.room.db() as db:
            assert db.scalars(sa.select(tables.group_rows.c.tenant_id)).all() == [directory.room.tenant_id]


class TestProfile:
    def test_counts_staff_by_credentials_in_force(self, directory: Directory) -> None:
        directory.publish()
        directory.hear_of_clinician("Ines", "LCSW", "CADC")
        directory.hear_of_clinician("Omar", "MD", days=5)

        staff = directory.profile()["staff"]
        assert staff["by_class"] == {"THERAPIST": 1, "ADDICTION_COUNSELOR": 1, "MEDICAL": 1, "PEER": 0}
        assert (staff["people"], staff["physician_present"]) == (2, True)

        directory.room.advance(timedelta(days=6))
        staff = directory.profile()["staff"]
        assert (staff["by_class"]["MEDICAL"], staff["physician_present"]) == (0, False)

    def test_believes_the_newest_word_about_a_clinician(self, directory: Directory) -> None:
        directory.publish()
        directory.hear_of_clinician("Ines", revision=2)
        directory.hear_of_clinician("Ines", "LCSW", revision=1)

        assert directory.profile()["staff"]["by_class"]["THERAPIST"] == 0

    def test_shows_places_by_weekday(self, directory: Directory) -> None:
        directory.publish()
        directory.hear_of_group("a", [0, 2, 4], free_places=(2, 0, 5))
        directory.hear_of_group("b", [1], enrolment="CLOSED")

        shown = {group["group_id"]: group for group in directory.profile()["groups"]}

        assert shown[derived_id("a")]["free_by_weekday"] == {"0": 2, "2": 0, "4": 5}
        assert shown[derived_id("a")]["free_seats"] == 5
        assert shown[derived_id("b")]["free_by_weekday"] == {"1": 0}

    def test_forgets_what_was_delivered_after_ninety_days(self, directory: Directory) -> None:
        directory.publish()
        directory.hear_of_day("Ana", {"CBT": 75, "MI": 50}, days_ago=1, revision=2)
        directory.hear_of_day("Ana", {"CBT": 10}, days_ago=1, revision=1)
        directory.hear_of_day("Ben", {"DBT": 60}, days_ago=90)
        directory.hear_of_day("Cem", {"DBT": 60}, days_ago=91)

        assert directory.profile()["delivered_last_90_days"] == {"CBT": 75, "MI": 50, "DBT": 60}
        directory.room.advance(timedelta(days=1))
        assert directory.profile()["delivered_last_90_days"] == {"CBT": 75, "MI": 50}
        directory.hear_of_day("Ana", {}, days_ago=2, revision=3)
        assert directory.profile()["delivered_last_90_days"] == {}

    def test_ages_by_the_day_of_the_site(self, directory: Directory) -> None:
        directory.publish()
        directory.hear_of_clinician("Omar", "MD", days=0)
        directory.hear_of_day("Ben", {"DBT": 60}, days_ago=90)

        # After midnight in London, and still the evening before in Chicago.
        directory.room.advance("2026-02-03T03:00:00Z")
        evening = directory.profile()
        directory.room.advance("2026-02-03T07:00:00Z")
        night = directory.profile()

        assert (evening["staff"]["by_class"]["MEDICAL"], evening["delivered_last_90_days"]) == (
            1,
            {"DBT": 60},
        )
        assert (night["staff"]["by_class"]["MEDICAL"], night["delivered_last_90_days"]) == (0, {})

    def test_has_room_for_what_aftercare_will_publish(self, directory: Directory) -> None:
        directory.publish()

        profile = directory.profile()

        assert (profile["outcome_cards"], profile["testimonials"]) == ([], [])
