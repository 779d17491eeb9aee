"""Sessions for which nobody leaves home."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.scheduling import tables
from services.scheduling.service import Scheduling
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.scheduling import (
    AttendanceCorrected,
    PatientNotSeen,
    ScheduleProposed,
    ServiceDelivered,
    SessionAttended,
    SessionMissed,
    SessionScheduled,
)
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


def fields_of(**changes: Any) -> dict[str, Any]:
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
    return fields | changes


def plan(room: Room, **changes: Any) -> str:
    session_id = room.call("plan_session", fields_of(**changes), role="supervisor")["session_id"]
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

    def test_asks_those_in_a_group_that_nobody_listens(self, room):
        session_id = plan(room)

        asked = join(room, session_id, privacy_attested=False)
        seat = join(room, session_id)

        assert (asked["state"], asked["next_step"], asked["called_back_by"]) == (
            "UNMARKED",
            "ATTEST_PRIVACY",
            None,
        )
        assert (seat["state"], seat["not_seen_because"]) == ("CHECKED_IN", None)

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

    def test_is_the_way_of_whoever_walks_in_from_afar_too(self, room):
        session_id = plan(room)
        room.deliver(referral_of("Ben"), *admitted("Ben"))
        ben = {"session_id": session_id, "patient_id": ids_of("Ben")["patient_id"]}
        there = {"place": "HOME", "call_back": NUMBER, "whereabouts": "At home", "privacy_attested": True}

        with pytest.raises(Conflict) as at_the_desk:
            room.call("add_walk_in", ben, role="front_desk")
        with pytest.raises(NotFound):
            room.call(
                "join_by_telehealth",
                {"session_id": session_id, "state": "IL", **there},
                role="patient",
                actor_id=ben["patient_id"],
            )
        elsewhere = room.call("join_by_telehealth", ben | there | {"state": "WI"}, role="front_desk")
        seat = room.call("join_by_telehealth", ben | there | {"state": "IL"}, role="front_desk")

        assert at_the_desk.value.code == "whereabouts_needed"
        assert elsewhere["not_seen_because"] == "NOT_LICENSED_THERE"
        assert (seat["state"], seat["walked_in"], seat["seat_id"]) == (
            "CHECKED_IN",
            True,
            elsewhere["seat_id"],
        )
        booked = [one for one in room.announced_of(SessionScheduled) if one.session_id == session_id]
        assert [one.patient_id for one in booked].count(ben["patient_id"]) == 1

    @pytest.mark.parametrize("left_out", ["state", "call_back", "whereabouts"])
    def test_asks_where_help_would_be_sent(self, room, left_out):
        session_id = plan(room)

        with pytest.raises(InvalidInput) as refused:
            join(room, session_id, **{left_out: None})

        assert [problem["field"] for problem in refused.value.problems] == [left_out]

    def test_waits_for_the_facilitator_of_a_group_that_began_a_while_ago(self, room):
        session_id = self._standing_group(room)
        starts = datetime.fromisoformat(room.ask("get_session", {"session_id": session_id})["starts_at"])
        room.at(starts + timedelta(minutes=16))

        asked, again = join(room, session_id), join(room, session_id)
        there = {"state": "IL", "place": "HOME", "call_back": NUMBER, "whereabouts": "At home"}
        let_in = room.call(
            "join_by_telehealth", who(session_id) | there | {"privacy_attested": True}, role="counselor"
        )

        assert asked["not_seen_because"] == again["not_seen_because"] == "ENTRY_NEEDS_FACILITATOR"
        assert (asked["state"], asked["next_step"]) == ("UNMARKED", "STAFF_ASKS_FACILITATOR")
        assert (let_in["state"], list(asked_for(room).values())) == ("CHECKED_IN", ["DONE"])

    def test_late_from_where_nobody_may_see_them_is_no_way_round_the_facilitator(self, room):
        session_id = self._standing_group(room)
        starts = datetime.fromisoformat(room.ask("get_session", {"session_id": session_id})["starts_at"])
        room.at(starts + timedelta(minutes=16))

        away, back = join(room, session_id, state="WI"), join(room, session_id, state="IL")

        assert away["not_seen_because"] == "NOT_LICENSED_THERE"
        assert (back["state"], back["not_seen_because"]) == (
            "CANCELLED_BY_PROGRAM",
            "ENTRY_NEEDS_FACILITATOR",
        )

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


def asked_for(room: Room) -> dict[str, str]:
    """Return the seats for whose patients somebody is asked for a call, and what became of each request."""
    closed = {one.task_id: one.outcome for one in room.announced_of(TaskClosed)}
    opened = [one for one in room.announced_of(TaskOpened) if one.task == "patient_not_seen"]
    return {one.task_id: closed.get(one.task_id, "OPEN") for one in opened}


def mark_other(room: Room, session_id: str) -> None:
    """Have Ben come, so that whoever stays away is missed."""
    room.deliver(referral_of("Ben"), *admitted("Ben"))
    ben = {"session_id": session_id, "patient_id": ids_of("Ben")["patient_id"]}
    room.at(SATURDAY - timedelta(minutes=30))
    room.call("book_seat", ben, role="front_desk")
    whereabouts = {"state": "IL", "place": "HOME", "call_back": NUMBER, "whereabouts": "At home"}
    room.call("join_by_telehealth", ben | whereabouts | {"privacy_attested": True}, role="front_desk")


def mark(room: Room, session_id: str, mark: str, **more: Any) -> dict[str, Any]:
    marks = [{"patient_id": ids_of("Ada")["patient_id"], "mark": mark, **more}]
    return room.call("record_roster", {"session_id": session_id, "marks": marks}, role="counselor")


class TestWhereNobodyIsLicensed:
    """They came, and the program cannot see them: that is its own affair, and never a missed session."""

    def test_the_coming_is_kept_and_somebody_is_asked_to_call_at_once(self, room):
        session_id = plan(room)

        seat = join(room, session_id, state="WI", whereabouts="Second floor")
        visit = room.ask("get_telehealth_visit", {"seat_id": seat["seat_id"]}, role="counselor")

        assert (seat["state"], seat["not_seen_because"]) == ("CANCELLED_BY_PROGRAM", "NOT_LICENSED_THERE")
        assert (seat["next_step"], seat["called_back_by"]) == ("STAFF_CALLS_BACK", "2026-02-07T18:15:00Z")
        assert "call_or_text_988" in seat["crisis_lines"]
        assert (visit["state"], visit["call_back"], visit["whereabouts"]) == ("WI", NUMBER, "Second floor")
        (came,) = visit["unseen"]
        assert (came["came_at"], came["state"], came["reason"], came["told_by_role"]) == (
            "2026-02-07T18:00:00Z",
            "WI",
            "NOT_LICENSED_THERE",
            "patient",
        )
        assert (came["call_back"], came["whereabouts"]) == (NUMBER, "Second floor")
        (task,) = (one for one in room.announced_of(TaskOpened) if one.task == "patient_not_seen")
        assert (task.owner_role, task.about_id, task.due_at) == (
            "counselor",
            seat["seat_id"],
            SATURDAY + timedelta(minutes=15),
        )
        (told,) = room.announced_of(PatientNotSeen)
        assert (told.seat_id, told.reason, told.came_at) == (seat["seat_id"], "NOT_LICENSED_THERE", SATURDAY)
        with room.db() as db:
            (kept,) = db.execute(sa.select(tables.unseen_arrivals.c.call_back_sealed)).scalars()
        assert NUMBER.encode() not in bytes(kept)

    def test_nobody_is_missing_then_or_on_sunday(self, room):
        session_id = plan(room)
        join(room, session_id, state="WI")

        room.advance("2026-02-16T08:00:00-06:00")

        found = room.ask("get_session", {"session_id": session_id})
        assert found["counts"] == {"CANCELLED_BY_PROGRAM": 1}
        missed = {one.session_id for one in room.announced_of(SessionMissed)}
        assert session_id not in missed
        asked = [one.about_id for one in room.announced_of(TaskOpened) if one.task == "roster_missing"]
        assert session_id not in asked
        episode = {"episode_id": ids_of("Ada")["episode_id"]}
        attended = room.ask("get_attendance", episode | {"from": "2026-02-07", "to": "2026-02-07"})
        assert attended["attended_minutes"] == 0
        assert room.announced_of(ServiceDelivered) == []

    def test_a_miss_that_was_told_is_withdrawn(self, room):
        session_id = plan(room)
        mark_other(room, session_id)
        room.advance(SATURDAY + timedelta(minutes=20))
        told = [one.session_id for one in room.announced_of(SessionMissed)]

        join(room, session_id, state="WI")

        (corrected,) = room.announced_of(AttendanceCorrected)
        assert told == [session_id]
        assert (corrected.from_state, corrected.to_state) == ("NO_SHOW", "CANCELLED_BY_PROGRAM")
        assert corrected.consecutive == 0

    @pytest.mark.parametrize("minutes", [4, 20])
    def test_whoever_comes_again_from_where_they_can_be_seen_is_let_in(self, room, minutes):
        session_id = plan(room)
        join(room, session_id, state="WI")
        room.advance(timedelta(minutes=minutes))

        seat = join(room, session_id, state="IL", whereabouts="The car park across the river")
        visit = room.ask("get_telehealth_visit", {"seat_id": seat["seat_id"]}, role="counselor")

        assert (seat["state"], seat["not_seen_because"], seat["next_step"]) == ("CHECKED_IN", None, None)
        assert list(asked_for(room).values()) == ["DONE"]
        assert (visit["state"], [one["state"] for one in visit["unseen"]]) == ("IL", ["WI"])
        room.advance(SATURDAY + timedelta(hours=3))
        assert len(room.announced_of(SessionAttended)) == 1

    def test_a_group_is_not_closed_to_whoever_was_there_in_time(self, room):
        session_id = TestJoinByTelehealth()._standing_group(room)
        starts = datetime.fromisoformat(room.ask("get_session", {"session_id": session_id})["starts_at"])
        room.at(starts)
        join(room, session_id, state="WI")
        room.at(starts + timedelta(minutes=25))

        assert join(room, session_id, state="IL")["state"] == "CHECKED_IN"

    def test_the_same_again_asks_nobody_a_second_time(self, room):
        session_id = plan(room)
        first = join(room, session_id, state="WI")
        room.advance(timedelta(minutes=3))

        again = join(room, session_id, state="WI", call_back="+1 555 0199")
        visit = room.ask("get_telehealth_visit", {"seat_id": again["seat_id"]}, role="counselor")

        assert (again["state"], again["called_back_by"]) == (first["state"], first["called_back_by"])
        assert len(asked_for(room)) == len(room.announced_of(PatientNotSeen)) == 1
        assert [one["call_back"] for one in visit["unseen"]] == [NUMBER, "+1 555 0199"]

    def test_somebody_is_asked_anew_once_the_call_was_made(self, room):
        session_id = plan(room)
        seat = join(room, session_id, state="WI")
        (task_id,) = asked_for(room)
        done = {
            "task_id": task_id,
            "task": "patient_not_seen",
            "about_id": seat["seat_id"],
            "outcome": "DONE",
        }
        room.call("close_task", done, role="counselor")
        room.advance(timedelta(minutes=30))

        join(room, session_id, state="WI")

        assert sorted(asked_for(room).values()) == ["DONE", "OPEN"]

    @pytest.mark.parametrize("said", ["NO_SHOW", "EXCUSED"])
    def test_no_roster_makes_them_absent(self, room, said):
        session_id = plan(room)
        seat = join(room, session_id, state="WI")
        room.advance(SATURDAY + timedelta(minutes=40))

        taken = mark(room, session_id, said)
        correction = {"seat_id": seat["seat_id"], "mark": said}
        with pytest.raises(Conflict) as refused:
            room.call("correct_attendance", correction, role="counselor")

        assert taken["counts"] == {"CANCELLED_BY_PROGRAM": 1}
        assert refused.value.code == "came_and_not_seen"
        assert room.announced_of(SessionMissed) == []
        assert list(asked_for(room).values()) == ["OPEN"]

    def test_a_roster_entered_late_that_says_they_were_there_is_believed_and_not_billed(self, room):
        session_id = plan(room)
        join(room, session_id, state="WI")
        room.advance(SATURDAY + timedelta(hours=20))

        taken = mark(room, session_id, "PRESENT")

        assert taken["counts"] == {"PRESENT": 1}
        assert [one.credited_minutes for one in room.announced_of(SessionAttended)] == [120]
        assert list(asked_for(room).values()) == ["DONE"]
        (told,) = room.announced_of(ServiceDelivered)
        assert (told.kinds, "NO_VALID_CREDENTIAL" in told.gaps) == ((), True)

    @pytest.mark.parametrize("way", ["check_in", "add_walk_in"])
    def test_there_is_no_way_round_at_the_desk(self, room, way):
        session_id = plan(room)
        join(room, session_id, state="WI")

        with pytest.raises(Conflict) as refused:
            room.call(way, who(session_id), role="front_desk")

        assert refused.value.code == "whereabouts_needed"

    def test_whoever_was_there_when_the_line_broke_stays_marked_so(self, room):
        session_id = plan(room)
        join(room, session_id, state="IL")
        room.advance(timedelta(minutes=40))

        seat = join(room, session_id, state="WI")

        assert (seat["state"], seat["not_seen_because"]) == ("CHECKED_IN", "NOT_LICENSED_THERE")
        assert list(asked_for(room).values()) == ["OPEN"]
        assert room.announced_of(PatientNotSeen) == []

    def test_they_may_go_to_another_session_at_that_time(self, room):
        session_id = plan(room)
        at_the_site = {"mode": "IN_PERSON", "facilitator_id": add_clinician(room, "Ines")}
        room.at(SATURDAY - timedelta(minutes=50))
        other = room.call("plan_session", fields_of(**at_the_site), role="supervisor")["session_id"]
        room.at(SATURDAY)
        join(room, session_id, state="WI")

        seat = room.call("add_walk_in", who(other), role="front_desk")
        with pytest.raises(Conflict) as refused:
            join(room, session_id, state="IL")

        assert seat["state"] == "CHECKED_IN"
        assert refused.value.code == "patient_elsewhere"

    def test_they_can_make_it_up_in_the_same_week(self, room):
        session_id = plan(room)
        seat = join(room, session_id, state="WI")
        later = {"starts_at": "2026-02-08T12:00:00-06:00", "ends_at": "2026-02-08T14:00:00-06:00"}
        other = room.call("plan_session", fields_of(**later), role="supervisor")["session_id"]

        made_up = room.call("make_up_session", {"seat_id": seat["seat_id"], "to_session_id": other})

        assert made_up["state"] == "SCHEDULED"

    def test_the_day_names_them(self, room):
        session_id = plan(room)
        join(room, session_id, state="WI")

        today = room.ask("get_today", {"site_id": SITE, "day": "2026-02-07"}, role="front_desk")

        assert [one["patient_id"] for one in today["not_seen"]] == [ids_of("Ada")["patient_id"]]
        assert (today["absent"], today["unmarked"]) == ([], [])

    def test_a_coming_too_early_or_too_late_is_none(self, room):
        session_id = plan(room)
        room.at(SATURDAY - timedelta(minutes=61))

        with pytest.raises(Conflict) as refused:
            join(room, session_id, state="WI")

        assert refused.value.code == "check_in_not_open"
        assert asked_for(room) == {}


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
        elsewhere = join(room, own["session_id"], state="WI")
        seat = join(room, own["session_id"], privacy_attested=False)

        assert at_the_desk.value.code == "whereabouts_needed"
        assert elsewhere["not_seen_because"] == "NOT_LICENSED_THERE"
        assert (seat["state"], seat["not_seen_because"]) == ("CHECKED_IN", None)

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


class TestWhoHasNotSaidThatNobodyListens:
    """They came, and may say so a moment later: that they came is kept, and no software calls them absent."""

    def test_is_kept_and_somebody_is_asked_to_see_to_them(self, room):
        session_id = plan(room)

        seat = join(room, session_id, privacy_attested=False)
        visit = room.ask("get_telehealth_visit", {"seat_id": seat["seat_id"]}, role="counselor")
        today = room.ask("get_today", {"site_id": SITE, "day": "2026-02-07"}, role="front_desk")

        assert (visit["call_back"], visit["privacy_attested"]) == (NUMBER, False)
        assert [one["reason"] for one in visit["unseen"]] == ["PRIVACY_NOT_ATTESTED"]
        assert [one["seat_id"] for one in today["not_seen"]] == [seat["seat_id"]]
        assert list(asked_for(room).values()) == ["OPEN"]
        assert [one.reason for one in room.announced_of(PatientNotSeen)] == ["PRIVACY_NOT_ATTESTED"]

    def test_is_missed_by_no_software(self, room):
        session_id = plan(room)
        mark_other(room, session_id)
        room.at(SATURDAY)
        join(room, session_id, privacy_attested=False)

        room.advance("2026-02-16T08:00:00-06:00")

        counts = room.ask("get_session", {"session_id": session_id})["counts"]
        assert counts["UNMARKED"] == 1
        assert session_id not in {one.session_id for one in room.announced_of(SessionMissed)}

    def test_is_called_absent_only_by_somebody_who_knows_that_they_came(self, room):
        session_id = plan(room)
        seat = join(room, session_id, privacy_attested=False)
        room.at(SATURDAY + timedelta(minutes=40))
        correction = {"seat_id": seat["seat_id"], "mark": "NO_SHOW"}

        taken = mark(room, session_id, "NO_SHOW")
        with pytest.raises(Conflict) as refused:
            room.call("correct_attendance", correction, role="counselor")
        told = len(room.announced_of(SessionMissed))
        knowing = room.call("correct_attendance", correction | {"although_they_came": True}, role="counselor")

        assert taken["counts"] == {"UNMARKED": 1}
        assert (refused.value.code, told) == ("came_and_not_seen", 0)
        assert (knowing["state"], list(asked_for(room).values())) == ("NO_SHOW", ["DONE"])

    def test_may_be_billed_where_a_mark_says_that_they_were_there(self, room):
        session_id = plan(room)
        join(room, session_id, privacy_attested=False)
        room.at(SATURDAY + timedelta(hours=3))

        taken = mark(room, session_id, "PRESENT")

        assert taken["counts"] == {"PRESENT": 1}
        assert list(asked_for(room).values()) == ["DONE"]
        (told,) = room.announced_of(ServiceDelivered)
        assert "NO_VALID_CREDENTIAL" not in told.gaps

    def test_becomes_the_programs_affair_from_where_nobody_may_see_them(self, room):
        session_id = plan(room)
        join(room, session_id, privacy_attested=False)

        seat = join(room, session_id, state="WI")

        assert (seat["state"], seat["not_seen_because"]) == ("CANCELLED_BY_PROGRAM", "NOT_LICENSED_THERE")
        assert list(asked_for(room).values()) == ["OPEN"]
        told = [one.reason for one in room.announced_of(PatientNotSeen)]
        assert told == ["PRIVACY_NOT_ATTESTED", "NOT_LICENSED_THERE"]
