"""The clinic day over HTTP, with every real service: today, check-out, sheet, letters and calendars."""

import tempfile
import zoneinfo
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pypdf
import pytest
import sqlalchemy as sa
import urllib3
import vobject

from gateway.tokens import mint
from shared.contracts.event import read_moment, write_moment
from shared.database import new_engine
from shared.ids import new_id
from tests.door.program import Opening, Person
from tests.journeys.house import EmbeddedHouse, discarded_after

pytestmark = pytest.mark.journey

#: A court, as consents name it.
COURT = new_id()


@pytest.fixture(scope="module")
def house() -> Iterator[EmbeddedHouse]:
    """Start the embedded set-up once."""
    with tempfile.TemporaryDirectory(prefix="hw-day-") as folder:
        # The user that PostgreSQL runs as must reach it.
        Path(folder).chmod(0o755)
        with discarded_after(EmbeddedHouse(Path(folder))) as house:
            yield house


class Clinic:
    """A site with one patient in it."""

    def __init__(self, house: EmbeddedHouse) -> None:
        self.house, self.door = house, house.door
        opening = Opening(house)
        self.clinician_id, self.group_id = opening.open_site()
        self.curriculum_id = opening.adopt_curriculum()
        self.site_id = opening.site_id
        self.patient: Person = opening.decide()
        opening.consent(self.patient, "TREATMENT")
        self.door.post(f"/v1/episodes/{self.patient.episode_id}/admission").expect(201)
        self.door.settle()
        self.patient_token = self.token("patient", self.patient.patient_id)

    def token(self, role: str, actor_id: str, **claims: Any) -> str:
        settings = self.house.settings
        return mint(settings.token_key, tenant=settings.tenant, role=role, actor_id=actor_id, **claims)

    def next_session(self) -> dict[str, Any]:
        now = read_moment(self.door.get("/v1/clock", role="operations").ok["now"])
        seats = self.door.get(f"/v1/episodes/{self.patient.episode_id}/sessions").ok["items"]
        coming = [one for one in seats if one["kind"] == "GROUP" and read_moment(one["starts_at"]) > now]
        return min(coming, key=lambda one: str(one["starts_at"]))

    def see_to_dangers(self) -> None:
        """Answer every open escalation: all are reminded of a danger until somebody does."""
        for escalation in self.door.get("/v1/escalations").ok["items"]:
            path = f"/v1/escalations/{escalation['escalation_id']}"
            self.door.post(f"{path}/acknowledgement").expect(200)
            self.door.post(f"{path}/closure", {"disposition": "SAFE_PLAN_IN_PLACE"}).expect(200)

    def raw(self, method: str, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
        return urllib3.PoolManager(retries=False).request(
            method, self.door.url + path, headers=headers, timeout=30
        )


@pytest.fixture(scope="module")
def clinic(house: EmbeddedHouse) -> Clinic:
    return Clinic(house)


class TestDay:
    def test_runs_from_check_in_to_a_danger_at_check_out(self, clinic: Clinic) -> None:
        session = clinic.next_session()
        starts = read_moment(session["starts_at"])
        clinic.door.jump(starts - timedelta(minutes=15))
        path = f"/v1/sessions/{session['session_id']}"
        today = f"/v1/sites/{clinic.site_id}/today"

        before = clinic.door.get(today, role="front_desk").ok
        clinic.door.post(f"{path}/check-ins", token=clinic.patient_token).expect(201)
        during = clinic.door.get(today, role="front_desk").ok
        clinic.door.jump(starts + timedelta(hours=3))
        out = clinic.door.post(
            f"{path}/check-outs", {"answer": "NOT_SAFE"}, token=clinic.patient_token
        ).expect(201)
        clinic.door.settle()
        after = clinic.door.get(today, role="front_desk").ok

        def who(view: dict[str, Any], part: str) -> set[str]:
            return {seat["patient_id"] for seat in view[part]}

        patient_id = clinic.patient.patient_id
        assert (who(before, "expected"), who(during, "arrived")) == ({patient_id}, {patient_id})
        assert (who(after, "left"), who(after, "arrived")) == ({patient_id}, set())
        assert [one["patient_id"] for one in before["forms_due"]] == [patient_id]
        assert before["forms_due"][0]["forms"]
        assert "call_or_text_988" in out["crisis_lines"]
        (needs,) = [one for one in after["needs"] if one["patient_id"] == patient_id]
        assert ("escalation", "E4") in [(task["task"], task["level"]) for task in needs["tasks"]]
        partner = clinic.token("partner", "officer-1", partner="probation")
        assert clinic.door.get(today, token=partner).status == 404
        assert clinic.door.get(today, token=clinic.patient_token).status == 403
        clinic.see_to_dangers()

    def test_is_printed_without_telling_what_it_is_for(self, clinic: Clinic) -> None:
        starts = read_moment(clinic.next_session()["starts_at"])
        day = starts.astimezone(zoneinfo.ZoneInfo("America/Chicago")).date().isoformat()
        answer = clinic.door.get(f"/v1/sites/{clinic.site_id}/day-sheet?day={day}", role="front_desk")
        assert answer.status == 200
        assert "Zerelda F." in answer.body["raw"]
        assert "Featherstonehaugh" not in answer.body["raw"]
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


class TestVideo:
    def test_has_somebody_call_whoever_cannot_be_seen_where_they_are(self, clinic: Clinic) -> None:
        starts, path = self.workshop(clinic, day=7)
        there: dict[str, Any] = {"place": "OTHER", "call_back": "+1 555 0142", "privacy_attested": True}
        there["whereabouts"] = "Room 4, the Heron"

        came = clinic.door.post(path, there | {"state": "WI"}, token=clinic.patient_token).expect(201)
        clinic.door.settle()
        asked = self.calls(clinic)
        visit = clinic.door.get(f"/v1/seats/{came['seat_id']}/telehealth-visit", role="counselor").ok
        over = clinic.door.post(path, there | {"state": "IL"}, token=clinic.patient_token).expect(201)
        clinic.door.settle()

        assert (came["state"], came["not_seen_because"], came["next_step"]) == (
            "CANCELLED_BY_PROGRAM",
            "NOT_LICENSED_THERE",
            "STAFF_CALLS_BACK",
        )
        assert came["called_back_by"] == write_moment(starts + timedelta(minutes=15))
        assert "call_911" in came["crisis_lines"]
        (task,) = asked
        assert (task["patient_id"], task["about_id"]) == (clinic.patient.patient_id, came["seat_id"])
        assert (visit["call_back"], visit["unseen"][0]["whereabouts"]) == ("+1 555 0142", "Room 4, the Heron")
        assert (over["state"], over["next_step"], self.calls(clinic)) == ("CHECKED_IN", None, [])

    def test_keeps_that_somebody_came_who_has_not_said_that_nobody_listens(self, clinic: Clinic) -> None:
        _, path = self.workshop(clinic, day=8)
        there = {"place": "OTHER", "call_back": "+1 555 0142", "whereabouts": "The bus", "state": "IL"}

        came = clinic.door.post(path, there, token=clinic.patient_token).expect(201)
        clinic.door.settle()
        asked = self.calls(clinic)
        visit = clinic.door.get(f"/v1/seats/{came['seat_id']}/telehealth-visit", role="counselor").ok
        private = there | {"privacy_attested": True}
        over = clinic.door.post(path, private, token=clinic.patient_token).expect(201)
        clinic.door.settle()

        assert (came["state"], came["not_seen_because"], came["next_step"]) == (
            "UNMARKED",
            "PRIVACY_NOT_ATTESTED",
            "ATTEST_PRIVACY",
        )
        assert [one["about_id"] for one in asked] == [came["seat_id"]]
        assert visit["unseen"][0]["whereabouts"] == "The bus"
        assert (over["state"], over["next_step"], self.calls(clinic)) == ("CHECKED_IN", None, [])

    def test_keeps_that_somebody_came_late_to_a_group_until_it_is_decided(self, clinic: Clinic) -> None:
        session = clinic.next_session()
        clinic.door.jump(read_moment(session["starts_at"]) + timedelta(minutes=16))
        path = f"/v1/sessions/{session['session_id']}"

        came = clinic.door.post(f"{path}/check-ins", {}, token=clinic.patient_token).expect(201)
        clinic.door.settle()
        asked = self.calls(clinic)
        missed = {"marks": [{"patient_id": clinic.patient.patient_id, "mark": "NO_SHOW"}]}
        roster = clinic.door.post(f"{path}/roster", missed, role="counselor").ok
        own = {"patient_id": clinic.patient.patient_id}
        let_in = clinic.door.post(f"{path}/check-ins", own, role="front_desk").expect(201)
        clinic.door.settle()

        assert (came["state"], came["not_seen_because"], came["next_step"]) == (
            "UNMARKED",
            "ENTRY_NEEDS_FACILITATOR",
            "STAFF_ASKS_FACILITATOR",
        )
        assert [one["about_id"] for one in asked] == [came["seat_id"]]
        assert roster["counts"]["UNMARKED"] == 1
        assert (let_in["state"], self.calls(clinic)) == ("CHECKED_IN", [])

    def workshop(self, clinic: Clinic, *, day: int) -> tuple[datetime, str]:
        """Book the patient into a workshop by video on a day after Monday, and go to its start."""
        now = read_moment(clinic.door.get("/v1/clock", role="operations").ok["now"])
        starts = now + timedelta(days=day - now.weekday())
        starts = starts.replace(hour=4, minute=0, second=0, microsecond=0)
        workshop = {
            "site_id": clinic.site_id,
            "kind": "EDUCATION",
            "modality": "PSYCHOEDUCATION",
            "facilitator_id": clinic.clinician_id,
            "starts_at": write_moment(starts),
            "ends_at": write_moment(starts + timedelta(minutes=50)),
            "capacity": 6,
            "mode": "VIDEO",
        }
        session_id = clinic.door.post("/v1/sessions", workshop, role="supervisor").ok["session_id"]
        booked = {"patient_id": clinic.patient.patient_id}
        clinic.door.post(f"/v1/sessions/{session_id}/seats", booked, role="front_desk").expect(201)
        clinic.door.jump(starts)
        return starts, f"/v1/sessions/{session_id}/telehealth-check-ins"

    def calls(self, clinic: Clinic) -> list[dict[str, Any]]:
        work = clinic.door.get("/v1/work?limit=500", role="counselor").ok["items"]
        return [one for one in work if one["task"] == "patient_not_seen"]


class TestCurriculum:
    def test_is_followed_and_completed_over_http(self, clinic: Clinic) -> None:
        follow = {"curriculum_id": clinic.curriculum_id}
        followed = clinic.door.post(f"/v1/groups/{clinic.group_id}/curriculum", follow, role="supervisor")
        catalogue = clinic.door.get(f"/v1/curricula?site_id={clinic.site_id}", role="counselor").ok["items"]
        manuals = clinic.door.get("/v1/curriculum-manuals", role="operations").ok["items"]
        session = clinic.next_session()
        clinic.door.jump(read_moment(session["starts_at"]) + timedelta(minutes=5))
        marks = {"marks": [{"patient_id": clinic.patient.patient_id, "mark": "PRESENT"}]}
        clinic.door.post(f"/v1/sessions/{session['session_id']}/roster", marks, role="counselor").expect(200)
        path = f"/v1/episodes/{clinic.patient.episode_id}/curriculum-progress"

        progress = clinic.door.get(path, token=clinic.patient_token).ok
        outside = clinic.door.get(path, token=clinic.token("partner", "officer-1", partner="probation"))

        assert followed.ok["curriculum_id"] == clinic.curriculum_id
        assert [(one["title"], one["group_ids"]) for one in catalogue] == [("Talking", [clinic.group_id])]
        assert "LIFE_SKILLS" in {one["manual"] for one in manuals}
        (module,) = progress["curricula"][0]["modules"]
        assert (module["title"], module["state"]) == ("Listening", "COMPLETED")
        assert outside.status == 404


class TestLetter:
    def body(self, **changes: Any) -> dict[str, Any]:
        said = {"purpose": "COURT", "recipient_id": COURT, "recipient": "Clerk\nKankakee"}
        return said | changes

    def send(self, clinic: Clinic, key: str, **changes: Any) -> urllib3.BaseHTTPResponse:
        headers = {
            "Authorization": f"Bearer {clinic.door.tokens['counselor']}",
            "Idempotency-Key": key,
            "Content-Type": "application/json",
        }
        return urllib3.PoolManager(retries=False).request(
            "POST",
            f"{clinic.door.url}/v1/episodes/{clinic.patient.episode_id}/attendance-letters",
            json=self.body(**changes),
            headers=headers,
            timeout=30,
        )

    def test_leaves_under_a_consent_only_and_is_accounted_for_once(self, clinic: Clinic) -> None:
        refused = self.send(clinic, new_id())
        consent = {
            "kind": "TPO",
            "recipient_id": COURT,
            "recipient": "The county court",
            "purpose": "To show that I come.",
            "information_classes": ["ATTENDANCE"],
        }
        clinic.door.post(f"/v1/patients/{clinic.patient.patient_id}/consents", consent).expect(201)
        clinic.door.settle()
        key = new_id()

        first, again = self.send(clinic, key), self.send(clinic, key)
        other = self.send(clinic, new_id(), recipient_id=new_id())
        clinic.door.settle()

        assert (refused.status, first.status, again.status, other.status) == (403, 201, 201, 403)
        assert first.headers["Content-Type"] == "application/pdf"
        assert first.data == again.data
        made = clinic.door.get("/v1/events?type=disclosure_made&limit=1000").ok["items"]
        told = [one["data"] for one in made if one["data"]["recipient_id"] == COURT]
        assert [one["information_classes"] for one in told] == [["ATTENDANCE"]]
        with tempfile.TemporaryFile() as held:
            held.write(first.data)
            text = " ".join(pypdf.PdfReader(held).pages[0].extract_text().split())
        assert "Zerelda Featherstonehaugh" in text
        assert "42 CFR part 2" in text


class TestCalendarAddress:
    def test_is_read_without_a_token_until_it_is_revoked(self, clinic: Clinic) -> None:
        made = clinic.door.post(
            f"/v1/patients/{clinic.patient.patient_id}/calendar-addresses", token=clinic.patient_token
        ).expect(201)

        read = clinic.raw("GET", made["address"])
        clinic.door.post(
            f"/v1/calendar-addresses/{made['calendar_id']}/revocation", token=clinic.patient_token
        ).expect(200)
        gone = clinic.raw("GET", made["address"])
        never = clinic.raw("GET", "/calendars/there-never-was-one.ics")

        calendar = vobject.readOne(read.data.decode())
        seats = clinic.door.get(f"/v1/episodes/{clinic.patient.episode_id}/sessions?limit=500").ok["items"]
        starts = {read_moment(one["starts_at"]) for one in seats}
        assert read.headers["Content-Type"].startswith("text/calendar")
        assert {one.dtstart.value for one in calendar.vevent_list} == starts
        assert {one.summary.value for one in calendar.vevent_list} == {"Appointment"}
        assert (gone.status, never.status) == (404, 404)
        assert gone.json()["detail"] == never.json()["detail"]

    def test_is_found_in_no_log_no_audit_and_no_table(self, clinic: Clinic) -> None:
        made = clinic.door.post(
            f"/v1/clinicians/{clinic.clinician_id}/calendar-addresses", role="operations"
        ).expect(201)
        secret = made["address"].removeprefix("/calendars/").removesuffix(".ics")
        assert clinic.raw("GET", made["address"]).status == 200
        clinic.raw("GET", f"/calendars/x{secret}.ics")
        clinic.door.settle()

        listed = clinic.door.get("/v1/calendar-addresses", role="operations").ok["items"]

        assert secret not in clinic.house.logs
        assert secret not in str(listed)
        engine = new_engine(clinic.house.settings.database_url_of("gateway"))
        with engine.connect() as connection:
            for table in ("calendar_addresses", "audit", "outbox", "archive", "commands"):
                rows = connection.execute(sa.text(f"SELECT t::text FROM {table} t")).scalars().all()
                assert not [row for row in rows if secret in row], table
        engine.dispose()

    def test_is_the_patients_own(self, clinic: Clinic) -> None:
        made = clinic.door.post(f"/v1/patients/{clinic.patient.patient_id}/calendar-addresses").expect(201)
        stranger = clinic.token("patient", new_id())
        path = f"/v1/calendar-addresses/{made['calendar_id']}/revocation"
        assert clinic.door.post(path, token=stranger).status == 404
        assert clinic.door.get("/v1/calendar-addresses", token=stranger).ok["items"] == []
        theirs = f"/v1/patients/{clinic.patient.patient_id}/calendar-addresses"
        assert clinic.door.post(theirs, token=stranger).status == 404


class TestNotes:
    def test_are_written_signed_and_told_to_billing_over_http(self, clinic: Clinic) -> None:
        session = clinic.next_session()
        clinic.door.jump(datetime.fromisoformat(write_moment(read_moment(session["ends_at"]))))
        path = f"/v1/sessions/{session['session_id']}"
        marks = [{"seat_id": session["seat_id"], "mark": "PRESENT"}]
        clinic.door.post(f"{path}/roster", {"marks": marks}, role="counselor").expect(200)
        clinic.door.post(f"{path}/notes", {"text": "Spoke of the heron.", "sign": True}).expect(201)
        clinic.door.post(
            f"{path}/feedback", {"rating": 8, "reason": "Warm."}, token=clinic.patient_token
        ).expect(201)
        clinic.door.settle()

        told = clinic.door.get("/v1/events?type=service_delivered&limit=1000").ok["items"]
        attendance = clinic.door.get(
            f"/v1/episodes/{clinic.patient.episode_id}/attendance", token=clinic.patient_token
        ).ok

        assert session["session_id"] not in [one["session_id"] for one in unsigned(clinic)]
        # Nobody else was there: payers ask for two in a group.
        assert (told[-1]["data"]["kinds"], told[-1]["data"]["gaps"]) == ([], ["TOO_FEW_PEOPLE"])
        assert told[-1]["data"]["attended_minutes"] > 0
        assert attendance["attended_sessions"] >= 1
        assert clinic.door.get(f"{path}/notes", token=clinic.patient_token).status == 403


def unsigned(clinic: Clinic) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = clinic.door.get("/v1/unsigned-notes").ok["items"]
    return found


class TestPeers:
    """Last: program time goes on by more than a week."""

    def test_are_wanted_on_the_work_list_where_nobody_fits_and_closed_by_hand(self, clinic: Clinic) -> None:
        patient_id = clinic.patient.patient_id
        path = f"/v1/patients/{patient_id}/peer-preference"
        said = clinic.door.post(path, {"preference": "YES"}, token=clinic.patient_token).expect(200)
        other = clinic.token("patient", new_id())
        partner = clinic.token("partner", "officer-1", partner="probation")
        now = read_moment(clinic.door.get("/v1/clock", role="operations").ok["now"])
        clinic.door.jump(now + timedelta(days=9))
        clinic.door.settle()

        work = clinic.door.get("/v1/work?limit=500", role="counselor").ok["items"]
        (task,) = [one for one in work if one["task"] == "peer_match_wanted"]
        closed = clinic.door.post(task["action"], {"outcome": "DONE"}, role="supervisor")
        offered = clinic.door.get(f"/v1/patients/{patient_id}/peer-offers", token=clinic.patient_token).ok

        assert (said["preference"], offered["items"]) == ("YES", [])
        assert task["patient_id"] == patient_id
        assert closed.status in (200, 201)
        assert clinic.door.post(path, {"preference": "NO"}, token=other).status in (403, 404)
        assert clinic.door.get(f"/v1/sites/{clinic.site_id}/peer-matches", token=partner).status == 404
        assert clinic.door.get(f"/v1/sites/{clinic.site_id}/cohorts", role="supervisor").ok["items"]


class TestDrugTest:
    def test_is_listed_on_its_day_and_looked_at_by_a_human(self, clinic: Clinic) -> None:
        episode = f"/v1/episodes/{clinic.patient.episode_id}"
        today = f"/v1/sites/{clinic.site_id}/today"
        ordered = {"mean_interval_days": 2, "longest_gap_days": 5, "reason": "INITIAL_PHASE"}
        clinic.door.post(f"{episode}/drug-testing-orders", ordered).expect(201)

        due = self.morning_of_test(clinic, today)
        sheet = clinic.door.get(f"/v1/sites/{clinic.site_id}/day-sheet", role="front_desk").body["raw"]
        asked = self.tasks(clinic)
        told = {"outcome": "COLLECTED", "result": "POSITIVE", "positives": ["ALCOHOL"]}
        path = f"/v1/drug-tests/{due['test_id']}/outcome"
        clinic.door.post(path, told, role="front_desk").expect(201)
        clinic.door.settle()
        (review,) = self.tasks(clinic)
        closure = f"/v1/work/{review['task_id']}/closures"
        clinic.door.post(closure, {"outcome": "DONE"}).expect(201)
        clinic.door.settle()

        assert due["patient_id"] == clinic.patient.patient_id
        assert "To the desk today" in sheet
        assert "drug" not in sheet.lower()
        assert [(one["task"], one["about_id"]) for one in asked] == [("drug_test", due["test_id"])]
        assert (review["task"], review["reason"]) == ("drug_test_review", "DRUG_TEST_POSITIVE")
        assert clinic.door.get(today, role="front_desk").ok["tests_due"] == []
        assert self.tasks(clinic) == []
        assert clinic.door.get(f"{episode}/drug-testing", token=clinic.patient_token).status == 403

    def morning_of_test(self, clinic: Clinic, today: str) -> dict[str, Any]:
        """Go on day by day until a test is due, and return it."""
        for _ in range(6):
            now = read_moment(clinic.door.get("/v1/clock", role="operations").ok["now"])
            # The next seven in the morning in Chicago, after one draw.
            seven = now.astimezone(zoneinfo.ZoneInfo("America/Chicago")).replace(hour=7, minute=0)
            clinic.door.jump(seven if seven > now else seven + timedelta(days=1))
            clinic.door.settle()
            for test in clinic.door.get(today, role="front_desk").ok["tests_due"]:
                found: dict[str, Any] = test
                return found
        raise AssertionError("no test within the longest gap")

    def tasks(self, clinic: Clinic) -> list[dict[str, Any]]:
        work = clinic.door.get("/v1/work?limit=500").ok["items"]
        return [one for one in work if one["task"].startswith("drug_test")]
