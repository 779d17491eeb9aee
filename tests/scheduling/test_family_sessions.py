"""Family sessions that a treatment plan asks for: planned once somebody may come, explained until then."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.scheduling.domain import family
from services.scheduling.domain.records import Patient
from services.scheduling.service import Scheduling
from shared.contracts.common import MessageWanted
from shared.contracts.event import Event
from shared.contracts.intake import ConsentExpired, ConsentGranted, ConsentRevoked, SupportNetworkTold
from shared.contracts.scheduling import ScheduleProposed
from shared.ids import derived_id
from tests.scheduling.builders import (
    OPENED_AT,
    SITE,
    add_clinician,
    admission_of,
    discharge_of,
    draft_of,
    furnish,
    ids_of,
    open_group,
    referral_of,
)
from tests.support import Room

ADA = {name: ids_of("Ada")[name] for name in ("patient_id", "journey_id")}
CONSENT = derived_id("consent", "Ada")


@pytest.fixture
def room(room_of) -> Room:
    """Furnish a site where families meet on Saturdays, and refer Ada."""
    room = room_of(Scheduling)
    furnish(room)
    open_group(
        room,
        "families",
        facilitator_id=add_clinician(room, "Fay"),
        kind="FAMILY",
        modality="FAMILY",
        track="AFTERNOON",
        weekdays=[5],
        starts="13:00",
        ends="14:30",
    )
    room.deliver(referral_of("Ada"))
    return room


def backed_by(supporters: int, *, after: timedelta = timedelta()) -> SupportNetworkTold:
    roles = ("SIBLING",) if supporters else ()
    return SupportNetworkTold(**ADA, supporters=supporters, roles=roles, told_at=OPENED_AT + after)


def consented(**changes: Any) -> ConsentGranted:
    fields = {
        **ADA,
        "consent_id": CONSENT,
        "kind": "FAMILY",
        "recipient_id": "sister-1",
        "information_classes": ("ATTENDANCE",),
        "granted_at": OPENED_AT,
    }
    return ConsentGranted(**(fields | changes))


def revoked(**changes: Any) -> ConsentRevoked:
    fields = {**ADA, "consent_id": CONSENT, "kind": "FAMILY", "revoked_at": OPENED_AT}
    return ConsentRevoked(**(fields | changes))


def expired() -> ConsentExpired:
    return ConsentExpired(**ADA, consent_id=CONSENT, kind="FAMILY", reason="DATE", expired_at=OPENED_AT)


def admit(room: Room, *modalities: str) -> None:
    room.deliver(draft_of("Ada", *(modalities or ("FAMILY",))), admission_of("Ada"))


def plan_of(room: Room) -> dict[str, Any]:
    return room.ask("get_weekly_plan", {"episode_id": ids_of("Ada")["episode_id"]})


def kinds(room: Room) -> set[str]:
    return {block["kind"] for block in plan_of(room)["blocks"]}


def booked(room: Room) -> list[dict[str, Any]]:
    found = room.ask("list_patient_sessions", {"episode_id": ids_of("Ada")["episode_id"], "limit": 100})
    return [one for one in found["items"] if one["kind"] == "FAMILY" and one["state"] == "SCHEDULED"]


def hour_with_the_family(room: Room, **changes: Any) -> str:
    """Plan an hour on a Sunday outside the standing week, and seat Ada in it; return the session's id."""
    hour = {
        "site_id": SITE,
        "kind": "FAMILY",
        "modality": "FAMILY",
        "facilitator_id": derived_id("clinician", "Fay"),
        "starts_at": "2026-02-15T10:00:00-06:00",
        "ends_at": "2026-02-15T11:00:00-06:00",
        "capacity": 1,
    }
    planned = room.call("plan_session", hour | changes, role="supervisor")
    which = {"session_id": planned["session_id"], "patient_id": ADA["patient_id"]}
    room.call("book_seat", which, role="front_desk")
    return str(planned["session_id"])


def seat_in(room: Room, session_id: str) -> dict[str, Any]:
    """Return the one seat of a session."""
    (seat,) = room.ask("get_session", {"session_id": session_id})["seats"]
    return dict(seat)


class TestTreatmentPlan:
    def test_that_asks_for_the_family_brings_sessions_with_somebody_who_may_come(self, room):
        room.deliver(backed_by(2), consented())

        admit(room)

        plan = plan_of(room)
        (session,) = [block for block in plan["blocks"] if block["kind"] == "FAMILY"]
        assert "TREATMENT_PLAN" in session["reasons"]
        assert plan["wishes_not_met"] == []
        assert len(booked(room)) == 2

    @pytest.mark.parametrize(
        ("told", "reason"),
        [
            ([], "NOBODY_COMES"),
            ([consented()], "NOBODY_COMES"),
            ([backed_by(0), consented()], "NOBODY_COMES"),
            ([backed_by(1)], "NO_CONSENT"),
            ([backed_by(1), consented(kind="EMPLOYER")], "NO_CONSENT"),
            ([backed_by(1), consented(), revoked()], "NO_CONSENT"),
            ([backed_by(1), revoked(), consented()], "NO_CONSENT"),
            ([expired(), backed_by(1), consented()], "NO_CONSENT"),
        ],
    )
    def test_says_what_is_missing_and_books_nothing(self, room, told: list[Event], reason: str):
        room.deliver(*told)

        admit(room)

        assert plan_of(room)["wishes_not_met"] == [{"wish": "MODALITY_FAMILY", "reason": reason}]
        (proposed,) = room.announced_of(ScheduleProposed)
        assert (proposed.wishes_not_met, proposed.wishes_not_met_because) == (("MODALITY_FAMILY",), (reason,))
        assert booked(room) == []

    def test_of_somebody_else_brings_no_family_session(self, room):
        room.deliver(backed_by(1), consented())

        admit(room, "CBT")

        assert "FAMILY" not in kinds(room)


class TestNews:
    def test_that_somebody_may_come_changes_the_week(self, room):
        room.deliver(consented())
        admit(room)
        before = plan_of(room)

        room.deliver(backed_by(1, after=timedelta(hours=1)))

        after = plan_of(room)
        assert (before["version"], after["version"]) == (1, 2)
        assert {one["group_id"] for one in before["blocks"]} < {one["group_id"] for one in after["blocks"]}
        assert after["wishes_not_met"] == []
        assert booked(room)

    def test_that_a_consent_was_given_changes_the_week_once(self, room):
        room.deliver(backed_by(1))
        admit(room)

        room.deliver(consented())
        room.deliver(consented(), consented(consent_id=derived_id("consent", "other")))

        assert "FAMILY" in kinds(room)
        assert len(room.announced_of(ScheduleProposed)) == 2

    @pytest.mark.parametrize("ended", [revoked(), expired(), backed_by(0, after=timedelta(hours=1))])
    def test_that_nobody_may_come_any_more_frees_the_seats(self, room, ended: Event):
        room.deliver(backed_by(1), consented())
        admit(room)

        room.deliver(ended)

        assert "FAMILY" not in kinds(room)
        assert booked(room) == []
        assert plan_of(room)["state"] == "ACTIVE"

    def test_that_a_consent_ended_changes_nothing_while_another_stands(self, room):
        room.deliver(backed_by(1), consented(), consented(consent_id=derived_id("consent", "other")))
        admit(room)

        room.deliver(revoked())

        assert "FAMILY" in kinds(room)
        assert len(room.announced_of(ScheduleProposed)) == 1

    def test_leaves_the_family_session_of_whoever_wishes_it(self, room):
        body = {"patient_id": ADA["patient_id"], "site_id": SITE, "obligations": []}
        room.call("declare_obligations", body | {"wishes": {"family": True}})
        admit(room)

        room.deliver(backed_by(1), consented(), revoked())

        assert "FAMILY" in kinds(room)
        assert len(room.announced_of(ScheduleProposed)) == 1

    @pytest.mark.parametrize("ended", [revoked(), expired(), backed_by(0, after=timedelta(hours=1))])
    @pytest.mark.parametrize("modality", ["FAMILY", "CBT"])
    def test_that_nobody_may_come_any_more_frees_what_was_booked_by_hand(
        self, room, ended: Event, modality: str
    ):
        room.deliver(backed_by(1), consented())
        admit(room, modality)
        by_hand = hour_with_the_family(room)
        before = len(room.announced_of(MessageWanted))

        room.deliver(ended)

        assert seat_in(room, by_hand)["state"] == "CANCELLED"
        told = [one.template for one in room.announced_of(MessageWanted)[before:]]
        assert told.count("SCHEDULE_CHANGED") == 1

    def test_that_nobody_may_come_leaves_what_is_no_session_with_the_family(self, room):
        room.deliver(backed_by(1), consented())
        admit(room, "CBT")
        by_hand = hour_with_the_family(room, kind="EDUCATION", modality="PSYCHOEDUCATION")

        room.deliver(revoked())

        assert seat_in(room, by_hand)["state"] == "SCHEDULED"

    def test_of_somebody_who_left_is_kept_and_changes_nothing(self, room):
        admit(room)
        room.deliver(discharge_of("Ada", at=room.now))

        room.deliver(backed_by(1), consented())

        assert plan_of(room)["state"] == "ENDED"
        assert booked(room) == []

    def test_that_comes_before_the_patient_is_heeded_later(self, room_of):
        room = room_of(Scheduling)
        room.deliver(backed_by(1), consented())
        with room.db() as db:
            patient = db.get(Patient, ADA["patient_id"])
            assert patient is not None
            assert family.against_sessions(patient) is None


class TestNetwork:
    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    def test_is_the_one_that_was_told_last_in_whatever_order_it_comes(self, order):
        at = datetime.fromisoformat("2026-02-02T09:00:00-06:00")
        told = [(2, at), (0, at + timedelta(hours=1))]
        patient = Patient(**ADA)

        for place in order:
            family.note_network(patient, supporters=told[place][0], told_at=told[place][1])

        assert (patient.supporters, family.against_sessions(patient)) == (0, "NOBODY_COMES")
