"""Sessions for which nobody leaves home."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.scheduling import tables
from services.scheduling.service import Scheduling
from shared.contracts.common import TaskOpened
from shared.contracts.scheduling import ScheduleProposed
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import derived_id
from tests.scheduling.builders import SITE, add_clinician, admitted, furnish, ids_of, open_group, referral_of
from tests.support import Room

SATURDAY = datetime(2026, 2, 7, 18, 0, tzinfo=UTC)
NUMBER = "+1 555 0142"


@pytest.fixture
def room(room_of) -> Room:
    room = room_of(Scheduling)
    furnish(room)
    room.deliver(referral_of("Ada"), *admitted("Ada"))
    return room


def plan(room: Room, **changes: Any) -> str:
    fields = {
        "site_id": SITE,
        "kind": "GROUP",
        "modality": "CBT",
        "facilitator_id": derived_id("clinician", "therapist 0"),
        "starts_at": SATURDAY.isoformat(),
        "ends_at": (SATURDAY + timedelta(hours=2)).isoformat(),
        "capacity": 12,
        "mode": "VIDEO",
    }
    session_id = room.call("plan_session", fields | changes, role="supervisor")["session_id"]
    room.call("book_seat", who(session_id), role="front_desk")
    room.at(SATURDAY)
    return str(session_id)


def who(session_id: str) -> dict[str, str]:
    return {"session_id": session_id, "patient_id": ids_of("Ada")["patient_id"]}


def join(room: Room, session_id: str, **changes: Any) -> dict[str, Any]:
    told = {
        "state": "IL",
        "place": "HOME",
        "call_back": NUMBER,
        "whereabouts": "12 Elm Street",
        "privacy_attested": True,
    }
    return room.call(
        "join_by_telehealth",
        {"session_id": session_id}
        | {name: word for name, word in (told | changes).items() if word is not None},
        role="patient",
        actor_id=ids_of("Ada")["patient_id"],
    )


class TestJoinByTelehealth:
    def test_checks_in_and_keeps_where_the_patient_is_for_the_clinician_alone(self, room):
        session_id = plan(room)

        seat = join(room, session_id, whereabouts="Second floor")
        visit = room.ask("get_telehealth_visit", {"seat_id": seat["seat_id"]}, role="clinician")
        with pytest.raises(Forbidden):
            room.ask("get_telehealth_visit", {"seat_id": seat["seat_id"]}, role="operations")

        assert seat["state"] == "CHECKED_IN"
        assert (visit["state"], visit["call_back"], visit["whereabouts"]) == ("IL", NUMBER, "Second floor")
        with room.db() as db:
            (kept,) = db.execute(sa.select(tables.telehealth_visits.c.call_back_sealed)).scalars()
        assert NUMBER.encode() not in bytes(kept)

    def test_is_refused_where_the_clinician_is_not_licensed(self, room):
        session_id = plan(room)

        with pytest.raises(InvalidInput) as refused:
            join(room, session_id, state="WI")

        assert refused.value.code == "not_licensed_there"

    def test_asks_those_in_a_group_that_nobody_listens(self, room):
        session_id = plan(room)

        with pytest.raises(InvalidInput) as refused:
            join(room, session_id, privacy_attested=False)

        assert refused.value.code == "privacy_not_attested"

    def test_is_among_twelve_at_most(self, room):
        with pytest.raises(InvalidInput) as refused:
            plan(room, kind="EDUCATION", capacity=13)

        assert refused.value.code == "too_many_seats"

    def test_is_for_no_session_in_person(self, room):
        session_id = plan(room, mode="IN_PERSON")

        with pytest.raises(Conflict) as refused:
            join(room, session_id)

        assert refused.value.code == "no_telehealth"

    def test_is_the_only_way_into_a_session_from_afar(self, room):
        session_id = plan(room)

        with pytest.raises(Conflict) as refused:
            room.call("check_in", who(session_id), role="front_desk")

        assert refused.value.code == "whereabouts_needed"

    @pytest.mark.parametrize("left_out", ["state", "call_back", "whereabouts"])
    def test_asks_where_help_would_be_sent(self, room, left_out):
        session_id = plan(room)

        with pytest.raises(InvalidInput) as refused:
            join(room, session_id, **{left_out: None})

        assert [problem["field"] for problem in refused.value.problems] == [left_out]

    def test_of_a_group_that_began_a_while_ago_goes_to_the_desk(self, room):
        session_id = self._standing_group(room)
        starts = datetime.fromisoformat(room.ask("get_session", {"session_id": session_id})["starts_at"])
        room.at(starts + timedelta(minutes=16))

        with pytest.raises(Conflict) as refused:
            join(room, session_id)

        assert refused.value.code == "entry_needs_facilitator"

    def test_brings_back_whoever_was_there_when_the_line_broke(self, room):
        session_id = self._standing_group(room)
        starts = datetime.fromisoformat(room.ask("get_session", {"session_id": session_id})["starts_at"])
        room.at(starts)
        join(room, session_id)
        room.at(starts + timedelta(minutes=40))

        assert join(room, session_id, call_back="+1 555 0199")["state"] == "CHECKED_IN"

    def _standing_group(self, room: Room) -> str:
        leader = add_clinician(room, "Ines")
        open_group(room, "screen", facilitator_id=leader, track="TELEHEALTH", weekdays=[0, 1, 2, 3])
        busy = [{"kind": "WORK", "weekday": day, "starts": "08:00", "ends": "17:30"} for day in range(4)]
        patient_id = ids_of("Ada")["patient_id"]
        body = {"patient_id": patient_id, "site_id": SITE, "obligations": busy}
        room.call("declare_obligations", body)
        found = room.ask("list_patient_sessions", {"episode_id": ids_of("Ada")["episode_id"]})["items"]
        return next(
            one["session_id"] for one in found if one["state"] == "SCHEDULED" and one["kind"] == "GROUP"
        )

    def test_knows_of_nobody_who_has_not_joined(self, room):
        with pytest.raises(NotFound):
            room.ask("get_telehealth_visit", {"seat_id": derived_id("nobody")}, role="clinician")


class TestHourAlone:
    """The weekly hour with a therapist, for whoever is treated from home."""

    @pytest.fixture
    def room(self, room_of) -> Room:
        """Furnish a site whose evening group meets by video, and admit Ada, who would rather stay home."""
        room = room_of(Scheduling)
        furnish(room, track="EVENING", weekdays=[0])
        open_group(room, "screen", facilitator_id=add_clinician(room, "Ines"), track="TELEHEALTH")
        room.deliver(referral_of("Ada"))
        self.declare(room, telehealth_state="IL")
        room.deliver(*admitted("Ada"))
        return room

    def declare(self, room: Room, **wishes: Any) -> None:
        body = {
            "patient_id": ids_of("Ada")["patient_id"],
            "site_id": SITE,
            "obligations": [],
            "wishes": {"telehealth": True, **wishes},
        }
        room.call("declare_obligations", body, role="front_desk")

    def hour(self, room: Room) -> dict[str, Any]:
        found = room.ask("get_weekly_plan", {"episode_id": ids_of("Ada")["episode_id"]})
        return dict(found["individual"])

    def to_come(self, room: Room) -> list[dict[str, Any]]:
        found = room.ask("list_patient_sessions", {"episode_id": ids_of("Ada")["episode_id"]})["items"]
        return [one for one in found if one["kind"] == "INDIVIDUAL" and one["state"] == "SCHEDULED"]

    def modes(self, room: Room) -> set[str]:
        ids = [one["session_id"] for one in self.to_come(room)]
        return {room.ask("get_session", {"session_id": one})["mode"] for one in ids}

    def test_is_planned_and_booked_by_video(self, room):
        assert self.hour(room)["mode"] == "VIDEO"
        assert self.modes(room) == {"VIDEO"}

    def test_is_joined_like_every_other_session_from_afar(self, room):
        own = self.to_come(room)[0]
        room.at(own["starts_at"])

        with pytest.raises(Conflict) as at_the_desk:
            room.call("check_in", who(own["session_id"]), role="front_desk")
        with pytest.raises(InvalidInput) as elsewhere:
            join(room, own["session_id"], state="WI")
        seat = join(room, own["session_id"], privacy_attested=False)

        assert at_the_desk.value.code == "whereabouts_needed"
        assert elsewhere.value.code == "not_licensed_there"
        assert seat["state"] == "CHECKED_IN"

    def test_is_in_person_again_once_the_patient_is_where_nobody_is_licensed(self, room):
        self.declare(room, telehealth_state="WI")

        assert self.hour(room)["mode"] == "IN_PERSON"
        assert self.modes(room) == {"IN_PERSON"}
        assert len({one["starts_at"] for one in self.to_come(room)}) == len(self.to_come(room))
        assert len(room.announced_of(ScheduleProposed)) == 2

    def test_is_by_video_once_the_patient_tells_where_they_are(self, room):
        self.declare(room)
        before = self.hour(room)

        self.declare(room, telehealth_state="IL")

        after = self.hour(room)
        assert (before["mode"], after["mode"]) == ("IN_PERSON", "VIDEO")
        assert (before["weekday"], before["starts"]) == (after["weekday"], after["starts"])
        assert self.modes(room) == {"VIDEO"}

    def test_is_not_planned_anew_when_the_same_is_told_again(self, room):
        self.declare(room, telehealth_state="IL")

        assert len(room.announced_of(ScheduleProposed)) == 1

    def test_goes_with_the_caseload_to_nobody_who_is_not_licensed_there(self, room):
        leader = self.hour(room)["clinician_id"]

        handed = {"clinician_id": leader, "to_clinician_id": self.stranger(room)}
        done = room.call("hand_over_caseload", handed, role="supervisor")

        assert (done["hours_moved"], done["moved"]) == (0, 0)
        assert {one["reason"] for one in done["left"]} == {"NOT_LICENSED_THERE"}
        assert self.hour(room)["clinician_id"] == leader

    def stranger(self, room: Room, *, state: str = "WI") -> str:
        credentials = [{"kind": "LCSW", "state": state, "expires_on": "2030-01-01"}]
        added = room.call("add_clinician", {"site_id": SITE, "credentials": credentials}, role="operations")
        return str(added["clinician_id"])

    def leaders(self, room: Room) -> set[str]:
        return {one["facilitator_id"] for one in self.to_come(room)}

    def away(self, room: Room, *, since: str, stand_in_id: str) -> dict[str, Any]:
        absence = {
            "clinician_id": self.hour(room)["clinician_id"],
            "starts_at": f"{since}T00:00:00-06:00",
            "ends_at": "2026-03-31T00:00:00-06:00",
            "reason": "LEAVE",
            "stand_in_id": stand_in_id,
        }
        return room.call("record_absence", absence, role="supervisor")

    def test_is_given_to_nobody_who_is_not_licensed_there(self, room):
        stranger, session_id = self.stranger(room), self.to_come(room)[0]["session_id"]
        before = self.leaders(room)

        body = {"session_id": session_id, "clinician_id": stranger}
        with pytest.raises(InvalidInput) as refused:
            room.call("assign_session", body, role="supervisor")

        assert refused.value.code == "not_licensed_there"
        assert [problem["field"] for problem in refused.value.problems] == ["clinician_id"]
        assert "licence of the state" in refused.value.problems[0]["rule"]
        assert self.leaders(room) == before

    def test_is_given_to_a_colleague_who_is_licensed_there(self, room):
        colleague, session_id = self.stranger(room, state="IL"), self.to_come(room)[0]["session_id"]

        room.call("assign_session", {"session_id": session_id, "clinician_id": colleague}, role="supervisor")

        assert colleague in self.leaders(room)

    def test_in_person_is_given_to_any_therapist_of_the_site(self, room):
        self.declare(room, telehealth=False)
        stranger, session_id = self.stranger(room), self.to_come(room)[0]["session_id"]

        room.call("assign_session", {"session_id": session_id, "clinician_id": stranger}, role="supervisor")

        assert stranger in self.leaders(room)

    def test_stays_where_the_stand_in_is_not_licensed_there_and_asks_for_somebody(self, room):
        before = self.leaders(room)

        absence = self.away(room, since="2026-02-01", stand_in_id=self.stranger(room))

        assert absence["moved"] == 0
        assert {one["reason"] for one in absence["left"]} == {"NOT_LICENSED_THERE"}
        assert self.leaders(room) == before
        assert "sessions_to_reassign" in [one.task for one in room.announced_of(TaskOpened)]

    @pytest.mark.parametrize(("state", "stands_in"), [("WI", False), ("IL", True)])
    def test_of_a_week_to_come_is_led_by_no_stand_in_who_is_not_licensed_there(
        self, room, state, *, stands_in
    ):
        stand_in = self.stranger(room, state=state)
        self.away(room, since="2026-02-16", stand_in_id=stand_in)

        room.advance("2026-02-15T21:00:00-06:00")

        assert (stand_in in self.leaders(room)) == stands_in
        asked = [one.task for one in room.announced_of(TaskOpened) if one.task == "sessions_to_reassign"]
        assert bool(asked) != stands_in

    def test_is_met_otherwise_when_the_licence_of_that_state_runs_out(self, room_of):
        room = room_of(Scheduling)
        furnish(room, therapists=0, track="EVENING", weekdays=[0])
        open_group(
            room, "screen", facilitator_id=add_clinician(room, "Ines", kind="CADC"), track="TELEHEALTH"
        )
        room.call(
            "add_clinician",
            {
                "site_id": SITE,
                "credentials": [
                    {"kind": "LCSW", "state": "IL", "expires_on": "2030-01-01"},
                    {"kind": "LCSW", "state": "WI", "expires_on": "2026-02-24"},
                ],
            },
            role="operations",
        )
        room.deliver(referral_of("Ada"))
        self.declare(room, telehealth_state="WI")
        room.deliver(*admitted("Ada"))
        before = self.hour(room)["mode"]

        room.advance("2026-02-16T08:00:00-06:00")

        assert (before, self.hour(room)["mode"]) == ("VIDEO", "IN_PERSON")

    @pytest.mark.parametrize("state", ["Illinois", "il", ""])
    def test_asks_for_the_state_in_two_letters(self, room, state):
        with pytest.raises(InvalidInput) as refused:
            self.declare(room, telehealth_state=state)

        assert [problem["field"] for problem in refused.value.problems] == ["wishes.telehealth_state"]
