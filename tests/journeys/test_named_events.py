"""The journey over real HTTP, broker and databases: what is announced wakes whom it should."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.contracts.event import read_moment
from tests.journeys.clinic import Clinic, obligations_around
from tests.journeys.house import House

CHICAGO = ZoneInfo("America/Chicago")
TRACKS = ("MORNING", "AFTERNOON", "EVENING")


@pytest.fixture(scope="module")
def followed(house: House) -> dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Admit somebody to each track, and let the same 15 days pass for all.

    Return by track the plan that they began with, and their seats.
    """
    clinic = Clinic.open(house)
    patients = {track: clinic.admit(f"Quimby {track}", track=track) for track in TRACKS}
    plans = {
        track: house.door.ask(f"/v1/episodes/{patient.episode_id}/weekly-plan")
        for track, patient in patients.items()
    }
    house.door.jump(house.door.now() + timedelta(days=15))
    assert house.parked() == []
    found = {track: (plans[track], clinic.sessions(patients[track])) for track in TRACKS}
    clinic.discharge_all()
    return found


# That weeks pass alike in both set-ups is shown by the script that is played in both: see test_kill.py.
@pytest.mark.parametrize("house", ["embedded"], indirect=True)
class TestWeeks:
    @pytest.mark.parametrize("track", TRACKS)
    def test_meet_no_obligation_and_have_the_hours_of_the_level(
        self, followed: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]], track: str
    ) -> None:
        plan, seats = followed[track]
        assert (plan["state"], plan["track"]) == ("ACTIVE", track)
        assert 540 <= plan["weekly_minutes"] < 1140
        assert len({block["weekday"] for block in plan["blocks"]}) >= 3

        weeks: dict[date, list[dict[str, Any]]] = {}
        for seat in seats:
            starts_at, ends_at = _local(seat["starts_at"]), _local(seat["ends_at"])
            for bound in obligations_around(track):
                taken_from = datetime.combine(starts_at, time.fromisoformat(bound["starts"]), tzinfo=CHICAGO)
                taken_to = datetime.combine(starts_at, time.fromisoformat(bound["ends"]), tzinfo=CHICAGO)
                if starts_at.weekday() == bound["weekday"]:
                    assert ends_at <= taken_from or starts_at >= taken_to, (seat, bound)
            monday = starts_at.date() - timedelta(days=starts_at.weekday())
            weeks.setdefault(monday, []).append(seat)
        whole = sorted(weeks)[1:-1]
        assert whole, "a week between the first and the last is whole"
        for monday in whole:
            assert len({_local(seat["starts_at"]).date() for seat in weeks[monday]}) >= 3
            assert 540 <= sum(seat["clinical_minutes"] for seat in weeks[monday]) < 1140


class TestProgramGraduated:
    def test_plans_follow_ups_and_calls_and_makes_the_first_due_after_a_week(self, clinic: Clinic) -> None:
        patient = clinic.admit("Delacroix")
        graduated = clinic.graduate(patient)
        graduated_at = clinic.door.settle()
        assert graduated["reason_code"] == "1"

        path = f"/v1/episodes/{patient.episode_id}/aftercare-contacts"
        planned = clinic.door.ask(path)["items"]
        assert [c["number"] for c in planned if c["kind"] == "FOLLOW_UP"] == [7, 30, 90, 180, 365]
        assert [c["number"] for c in planned if c["kind"] == "CALL"] == [1]
        assert not clinic.events(patient, "aftercare_contact_due")
        clinic.door.jump(graduated_at + timedelta(days=7, hours=12))

        due = {e["data"]["kind"]: e["data"] for e in clinic.events(patient, "aftercare_contact_due")}
        assert set(due) == {"CALL", "FOLLOW_UP"}
        assert due["FOLLOW_UP"]["number"] == 7
        local = read_moment(due["FOLLOW_UP"]["due_at"]).astimezone(CHICAGO)
        assert local.date() == graduated_at.astimezone(CHICAGO).date() + timedelta(days=7)
        contact_id = due["FOLLOW_UP"]["contact_id"]
        attempt = {"channel": "CALL", "outcome": "REACHED"}
        clinic.post(f"/v1/aftercare-contacts/{contact_id}/attempts", attempt, role="counselor")
        clinic.door.settle()
        done = [e["data"] for e in clinic.events(patient, "aftercare_contact_completed")]
        assert [(d["contact_id"], d["outcome"]) for d in done] == [(contact_id, "REACHED")]

    def test_frees_the_week_of_the_graduate(self, clinic: Clinic) -> None:
        patient = clinic.admit("Pemberton")
        ahead = clinic.sessions(patient, after=clinic.door.now())
        assert ahead
        clinic.graduate(patient)
        clinic.door.settle()
        assert clinic.door.ask(f"/v1/episodes/{patient.episode_id}/weekly-plan")["state"] == "ENDED"
        assert {seat["state"] for seat in clinic.sessions(patient, after=clinic.door.now())} <= {"CANCELLED"}


class TestAssessmentCompleted:
    def test_drafts_a_treatment_plan_within_a_minute(self, clinic: Clinic) -> None:
        patient = clinic.refer("Marlowe")
        assessed = clinic.assess(patient)
        completed_at = clinic.door.now()
        assert assessed["recommendation"]["level"] == "2.1"
        clinic.door.settle()

        plan = clinic.door.ask(f"/v1/episodes/{patient.episode_id}/treatment-plan")
        assert plan["assessment_id"] == assessed["assessment_id"]
        assert plan["patient_id"] == patient.patient_id
        assert plan["state"] == "DRAFT"
        assert plan["problems"]
        [completed] = clinic.events(patient, "assessment_completed")
        [drafted] = clinic.events(patient, "plan_drafted")
        assert drafted["data"]["plan_id"] == plan["plan_id"]
        assert timedelta(0) <= read_moment(drafted["time"]) - completed_at <= timedelta(seconds=60)
        # The one came of the other, as far as anybody may follow it back.
        assert drafted["causationid"] == completed["id"]
        assert drafted["correlationid"] == completed["correlationid"]
        assert drafted["traceparent"].split("-")[1] == completed["traceparent"].split("-")[1]

    def test_leads_to_a_plan_in_force_once_admitted_and_signed(self, clinic: Clinic) -> None:
        patient = clinic.admit("Thornquist")
        assert clinic.sign_plan(patient)["state"] == "ACTIVE"
        clinic.door.settle()
        [activated] = clinic.events(patient, "plan_activated")
        assert activated["episodeid"] == patient.episode_id


class TestSessionMissed:
    def test_starts_outreach_that_is_due_within_the_hour(self, clinic: Clinic) -> None:
        patient, beside = clinic.admit("Halloran"), clinic.admit("Okafor")
        seat = clinic.miss(patient, beside=beside)

        [missed] = clinic.events(patient, "session_missed")
        assert missed["data"]["seat_id"] == seat["seat_id"]
        assert not clinic.events(beside, "session_missed")
        missed_at = read_moment(missed["data"]["missed_at"])
        [outreach] = clinic.outreach_of(patient)
        assert (outreach["seat_id"], outreach["state"]) == (seat["seat_id"], "OPEN")
        [task] = [e["data"] for e in clinic.events(patient, "task_opened") if _is_call(e)]
        assert task["about_id"] == outreach["outreach_id"]
        assert timedelta(0) < read_moment(task["due_at"]) - missed_at <= timedelta(hours=1)

    def test_leaves_an_attempt_on_record_that_reached_the_patient(self, clinic: Clinic) -> None:
        patient, beside = clinic.admit("Brightwater"), clinic.admit("Castellanos")
        clinic.miss(patient, beside=beside)
        [outreach] = clinic.outreach_of(patient)
        clinic.door.jump(clinic.door.now() + timedelta(minutes=30))
        path = f"/v1/outreach/{outreach['outreach_id']}/attempts"
        logged = clinic.post(path, {"channel": "CALL", "outcome": "REACHED"}, role="counselor")
        clinic.door.settle()

        assert logged["attempts"] == 1
        [attempted] = clinic.events(patient, "outreach_attempted")
        assert attempted["data"]["outcome"] == "REACHED"
        assert attempted["actorrole"] == "counselor"
        [reengaged] = clinic.events(patient, "patient_reengaged")
        assert reengaged["data"]["how"] == "REACHED"
        [outreach] = clinic.outreach_of(patient)
        assert outreach["state"] == "CLOSED"

    def test_asks_the_next_tier_when_nobody_tried_within_the_hour(self, clinic: Clinic) -> None:
        patient, beside = clinic.admit("Lindqvist"), clinic.admit("Abernathy")
        clinic.miss(patient, beside=beside)
        clinic.door.jump(clinic.door.now() + timedelta(hours=1))
        asked = [e["data"] for e in clinic.events(patient, "task_opened")]
        assert [t["owner_role"] for t in asked if t["task"] == "outreach_call_overdue"] == ["supervisor"]

    def test_is_withdrawn_with_all_it_caused_when_the_mark_was_wrong(self, clinic: Clinic) -> None:
        patient, beside = clinic.admit("Vandermeer"), clinic.admit("Ferreira")
        seat = clinic.miss(patient, beside=beside)
        [outreach] = clinic.outreach_of(patient)
        assert outreach["state"] == "OPEN"
        clinic.door.jump(clinic.door.now() + timedelta(minutes=20))
        clinic.post(f"/v1/seats/{seat['seat_id']}/corrections", {"mark": "PRESENT"}, role="counselor")
        clinic.door.settle()

        [corrected] = clinic.events(patient, "attendance_corrected")
        assert (corrected["data"]["from_state"], corrected["data"]["to_state"]) == ("NO_SHOW", "PRESENT")
        [outreach] = clinic.outreach_of(patient)
        assert outreach["state"] == "CLOSED"
        closed = [e["data"] for e in clinic.events(patient, "task_closed")]
        assert [t["outcome"] for t in closed if t["task"] == "outreach_call"] == ["WITHDRAWN"]
        # Nothing more is asked of anybody on account of it.
        clinic.door.jump(clinic.door.now() + timedelta(hours=5))
        assert not [e for e in clinic.events(patient, "task_opened") if "overdue" in e["data"]["task"]]


class TestLapse:
    def test_after_the_discharge_opens_a_new_episode_in_the_same_journey(self, clinic: Clinic) -> None:
        patient = clinic.admit("Eriksdotter")
        first = patient.episode_id
        clinic.discharge(patient)
        clinic.door.settle()
        clinic.door.jump(clinic.door.now() + timedelta(days=3))
        receipt = clinic.lapse(patient)
        clinic.door.settle()

        [asked] = clinic.events(patient, "reentry_requested")
        assert asked["data"]["reentry_id"] == receipt["reentry_id"]
        referred = clinic.events(patient, "referral_received")
        assert [e["journeyid"] for e in referred] == [patient.journey_id, patient.journey_id]
        assert referred[0]["episodeid"] == first != referred[1]["episodeid"]
        patient.episode_id = referred[1]["episodeid"]
        episode = clinic.door.ask(f"/v1/episodes/{patient.episode_id}")
        assert (episode["state"], episode["journey_id"]) == ("REFERRED", patient.journey_id)

        # And the way back leads in again.
        assessed = clinic.assess(patient)
        clinic.decide(patient, assessed["assessment_id"])
        clinic.consent(patient, "TREATMENT", "TPO")
        clinic.post(f"/v1/episodes/{patient.episode_id}/admission")
        clinic.door.settle()
        admitted = clinic.events(patient, "patient_admitted")
        assert [e["episodeid"] for e in admitted] == [first, patient.episode_id]
        assert clinic.sessions(patient)


def _is_call(event: dict[str, Any]) -> bool:
    return bool(event["data"]["task"] == "outreach_call")


def _local(moment: str) -> datetime:
    return read_moment(moment).astimezone(CHICAGO)
