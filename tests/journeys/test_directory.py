"""The directory over real HTTP, broker and databases: what it shows is what happens at the site."""

from typing import Any

from shared.contracts.event import read_moment
from tests.journeys.clinic import Clinic

#: The week of the clinic's morning and afternoon groups, and what leaves only the evenings.
BUSY_BY_DAY = [f"{day} 08:00-16:30" for day in ("MON", "TUE", "WED", "THU", "FRI")]
BUSY_ALWAYS = [f"{day} 00:00-23:59" for day in ("MON", "WED", "THU")]


def publish(clinic: Clinic) -> tuple[float, float]:
    """List the clinic at a place of its own; return where."""
    north, east = 30.0 + clinic.number % 15, -80.0 - clinic.number % 35
    listing = {
        "site_id": clinic.site_id,
        "street": "233 South Wacker Drive",
        "city": "Chicago",
        "state": "IL",
        "zip_code": "60606",
        "latitude": north,
        "longitude": east,
    }
    clinic.post("/v1/programs", listing, role="operations")
    clinic.door.settle()
    return north, east


def search(clinic: Clinic, place: tuple[float, float], busy: list[str]) -> list[dict[str, Any]]:
    """Search near a place by busy blocks, as a partner does."""
    blocks = "".join(f"&busy={block.replace(' ', '%20')}" for block in busy)
    path = f"/v1/program-matches?latitude={place[0]}&longitude={place[1]}&radius_miles=5{blocks}"
    return list(clinic.door.ask(path, role="partner")["matches"])


class TestProfile:
    def test_follows_staff_places_and_what_was_delivered(self, clinic: Clinic) -> None:
        publish(clinic)
        path = f"/v1/programs/{clinic.site_id}"

        before = clinic.door.ask(path, role="partner")
        patient = clinic.admit("Vance", track="EVENING")
        admitted = clinic.door.ask(path, role="partner")
        seat = clinic.next_group(patient)
        clinic.door.jump(read_moment(seat["starts_at"]))
        clinic.mark(seat)
        clinic.door.jump(read_moment(seat["ends_at"]))
        note = {"text": "Worked on a plan for payday.", "sign": True}
        clinic.post(f"/v1/sessions/{seat['session_id']}/notes", note, role="clinician")
        clinic.door.settle()
        held = clinic.door.ask(path, role="partner")

        assert before["staff"]["by_class"] == {
            "THERAPIST": 1,
            "ADDICTION_COUNSELOR": 3,
            "MEDICAL": 0,
            "PEER": 0,
        }
        evening = clinic.id_of("group", "EVENING")
        free = [
            next(one for one in shown["groups"] if one["group_id"] == evening)["free_by_weekday"]
            for shown in (before, admitted)
        ]
        assert free == [{"0": 12, "2": 12, "3": 12}, {"0": 11, "2": 11, "3": 11}]
        assert before["delivered_last_90_days"] == {}
        assert set(held["delivered_last_90_days"]) == {seat["modality"]}
        assert (held["outcome_cards"], held["testimonials"]) == ([], [])


class TestSearchByBusyBlocks:
    def test_returns_only_a_program_with_a_placeable_week_and_says_why(self, clinic: Clinic) -> None:
        place = publish(clinic)

        (match,) = search(clinic, place, BUSY_BY_DAY)

        assert match["program"]["program_id"] == clinic.site_id
        assert match["week_is_placeable"] is True
        reasons = {why["part"]: why["code"] for why in match["reasons"]}
        assert (reasons["SCHEDULE"], reasons["WAIT"]) == ("WEEK_FITS", "SEATS_FREE")
        assert search(clinic, place, BUSY_ALWAYS) == []
        closed = f"/v1/groups/{clinic.id_of('group', 'EVENING')}/enrolment"
        clinic.post(closed, {"enrolment": "CLOSED"}, role="operations")
        clinic.door.settle()
        assert search(clinic, place, BUSY_BY_DAY) == []
