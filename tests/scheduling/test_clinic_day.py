"""The day at a site: check-outs and their safety question, walk-ins, the day's view, late entries."""

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.scheduling import tables
from services.scheduling.domain import attendance, check_outs, clinic_day
from services.scheduling.service import Scheduling
from shared.contracts.common import SafetyConcernRaised, TaskClosed, TaskOpened
from shared.contracts.monitoring import DrugTestDue, DrugTestRecorded
from shared.contracts.scheduling import AttendanceCorrected, SessionAttended, SessionMissed, SessionScheduled
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import derived_id, new_id
from tests.scheduling.builders import (
    SITE,
    admitted,
    discharge_of,
    furnish,
    ids_of,
    morning_session,
    open_group,
    referral_of,
    seat_of,
    site_opened,
)
from tests.support import Room

#: Nine o'clock on the first Monday, in Chicago.
MONDAY = datetime.fromisoformat("2026-02-02T09:00:00-06:00")


@pytest.fixture
def room(room_of) -> Room:
    room = room_of(Scheduling)
    furnish(room)
    return room


def admit(room: Room, *names: str) -> None:
    for name in names:
        room.deliver(referral_of(name), *admitted(name))


def monday_group(room: Room, name: str) -> str:
    episode_id = ids_of(name)["episode_id"]
    sessions = room.ask("list_patient_sessions", {"episode_id": episode_id})["items"]
    return next(one["session_id"] for one in sessions if one["kind"] == "GROUP")


def starts_of(room: Room, session_id: str) -> datetime:
    return datetime.fromisoformat(room.ask("get_session", {"session_id": session_id})["starts_at"])


def check_in(room: Room, session_id: str, name: str, **more: Any) -> dict[str, Any]:
    patient_id = ids_of(name)["patient_id"]
    body = {"session_id": session_id, "patient_id": patient_id, **more}
    return room.call("check_in", body, role="front_desk")


def check_out(
    room: Room, session_id: str, name: str, answer: str = "SAFE", role: str = "front_desk", **more: Any
) -> dict[str, Any]:
    patient_id = ids_of(name)["patient_id"]
    body = {"session_id": session_id, "patient_id": patient_id, "answer": answer, **more}
    actor_id = patient_id if role == "patient" else None
    return room.call("check_out", body, role=role, actor_id=actor_id)


def rosters_missing(room: Room, session_id: str) -> list[str]:
    of_session = {one.task_id for one in room.announced_of(TaskOpened) if one.about_id == session_id}
    return [task_id for task_id in tasks(room, "roster_missing") if task_id in of_session]


def tasks(room: Room, name: str) -> list[str]:
    closed = {event.task_id for event in room.announced_of(TaskClosed)}
    opened = [one.task_id for one in room.announced_of(TaskOpened) if one.task == name]
    return [task_id for task_id in opened if task_id not in closed]


def back(room: Room, again: str) -> str:
    """Discharge Ada and admit her anew; return a group's session in which she has a seat of each episode."""
    admit(room, "Ada")
    workshop = {
        "site_id": SITE,
        "kind": "EDUCATION",
        "modality": "PSYCHOEDUCATION",
        "facilitator_id": derived_id("clinician", "therapist 0"),
        "starts_at": "2026-02-07T14:00:00-06:00",
        "ends_at": "2026-02-07T15:00:00-06:00",
        "capacity": 2,
    }
    planned = room.call("plan_session", workshop, role="supervisor")
    booked = {"session_id": planned["session_id"], "patient_id": ids_of("Ada")["patient_id"]}
    room.call("book_seat", booked, role="front_desk")
    room.deliver(discharge_of("Ada", at=room.now))
    episode_id = derived_id("episode", "Ada", again)
    draft, admission = admitted("Ada", episode_id=episode_id, admission_id=derived_id("admission", again))
    room.deliver(
        referral_of("Ada", episode_id=episode_id, referral_id=derived_id("referral", again)),
        dataclasses.replace(draft, episode_id=episode_id, plan_id=derived_id("treatment plan", again)),
        admission,
    )
    sessions = room.ask("list_patient_sessions", {"episode_id": episode_id})["items"]
    session_id = next(str(one["session_id"]) for one in sessions if one["kind"] == "GROUP")
    seats = room.ask("get_session", {"session_id": session_id})["seats"]
    assert sorted(one["state"] for one in seats) == ["CANCELLED", "SCHEDULED"]
    return session_id


@pytest.mark.parametrize("again", ["soon", "after a week", "in spring", "once more"])
class TestWhoeverComesBack:
    """Somebody who left and was admitted again within days has two seats in what was booked before."""

    def test_is_checked_in_and_out_on_the_seat_of_the_present_episode(self, room, again):
        session_id = back(room, again)
        room.at(starts_of(room, session_id))

        came = check_in(room, session_id, "Ada")
        room.at(room.now + timedelta(hours=3))
        left = check_out(room, session_id, "Ada")

        assert (came["state"], left["state"]) == ("CHECKED_IN", "PRESENT")
        assert {came["episode_id"], left["episode_id"]} == {derived_id("episode", "Ada", again)}

    def test_is_marked_and_noted_by_name(self, room, again):
        session_id = back(room, again)
        room.at(starts_of(room, session_id) + timedelta(hours=3))
        ada = ids_of("Ada")["patient_id"]

        marks = {"session_id": session_id, "marks": [{"patient_id": ada, "mark": "PRESENT"}]}
        taken = room.call("record_roster", marks, role="counselor")
        note = room.call("write_note", {"session_id": session_id, "patient_id": ada, "text": "Sang."})

        assert {one["state"] for one in taken["seats"]} == {"CANCELLED", "PRESENT"}
        (own,) = (one["seat_id"] for one in taken["seats"] if one["state"] == "PRESENT")
        assert note["seat_id"] == own

    def test_walks_in_on_the_same_seat(self, room, again):
        session_id = back(room, again)
        room.at(starts_of(room, session_id))
        scheduled = len(room.announced_of(SessionScheduled))

        who = {"session_id": session_id, "patient_id": ids_of("Ada")["patient_id"]}
        seat = room.call("add_walk_in", who, role="front_desk")

        assert (seat["state"], seat["walked_in"]) == ("CHECKED_IN", False)
        assert len(room.announced_of(SessionScheduled)) == scheduled

    def test_books_in_the_present_episode_what_was_given_up_in_the_earlier_one(self, room, again):
        back(room, again)
        sessions = room.ask("list_sessions", {"site_id": SITE, "limit": 200})["items"]
        (workshop,) = (one["session_id"] for one in sessions if one["kind"] == "EDUCATION")

        who = {"session_id": workshop, "patient_id": ids_of("Ada")["patient_id"]}
        booked = room.call("book_seat", who, role="front_desk")["seat"]

        assert booked["episode_id"] == derived_id("episode", "Ada", again)

    def test_books_in_the_present_episode_what_was_excused_in_the_earlier_one(self, room, again):
        session_id = back(room, again)
        now, before = derived_id("episode", "Ada", again), ids_of("Ada")["episode_id"]
        with room.db() as db:
            for seat in tables.seats_of(db, session_id=session_id):
                seat.state, seat.number = ("EXCUSED" if seat.episode_id == before else "CANCELLED"), None

        who = {"session_id": session_id, "patient_id": ids_of("Ada")["patient_id"]}
        booked = room.call("book_seat", who, role="front_desk")["seat"]

        assert (booked["state"], booked["episode_id"]) == ("SCHEDULED", now)

    def test_gives_up_and_books_again_the_seat_of_the_present_episode(self, room, again):
        session_id = back(room, again)
        episode_id = derived_id("episode", "Ada", again)
        found = room.ask("list_patient_sessions", {"episode_id": episode_id})["items"]
        (own,) = (one for one in found if one["session_id"] == session_id)
        with room.db() as db:
            seat = db.get(attendance.Seat, own["seat_id"])
            seat.state, seat.number = "CANCELLED", None

        who = {"session_id": session_id, "patient_id": ids_of("Ada")["patient_id"]}
        booked = room.call("book_seat", who, role="front_desk")["seat"]

        assert (booked["seat_id"], booked["episode_id"]) == (own["seat_id"], episode_id)

    def test_excuses_the_session_of_the_present_episode(self, room, again):
        session_id = back(room, again)
        who = {"session_id": session_id, "patient_id": ids_of("Ada")["patient_id"]}

        excused = room.call("excuse_absence", who | {"reason": "ILLNESS"}, role="front_desk")

        assert (excused["state"], excused["episode_id"]) == (
            "EXCUSED",
            derived_id("episode", "Ada", again),
        )


class TestCheckOut:
    def test_closes_presence_with_the_time_of_leaving(self, room):
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts - timedelta(minutes=5))
        check_in(room, session_id, "Ada")

        room.at(starts + timedelta(minutes=90))
        seat = check_out(room, session_id, "Ada")

        (attended,) = room.announced_of(SessionAttended)
        assert (seat["state"], seat["credited_minutes"]) == ("PARTIAL", 82)
        assert (attended.credited_minutes, seat["crisis_lines"]) == (82, None)
        assert room.announced_of(SafetyConcernRaised) == []

    @pytest.mark.parametrize(("answer", "level"), [("NOT_SAFE", "E4"), ("UNSURE", "E3")])
    def test_announces_a_danger_at_once_and_tells_who_helps(self, room, answer, level):
        room.deliver(site_opened(site_id=derived_id("site", "other")))
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts)
        check_in(room, session_id, "Ada")
        room.at(starts + timedelta(hours=3))

        seat = check_out(room, session_id, "Ada", answer, role="patient")
        again = check_out(room, session_id, "Ada", answer)

        concern, same = room.announced_of(SafetyConcernRaised)
        assert (concern.concern, concern.level, concern.patient_id) == (
            "DANGER_ANSWER",
            level,
            ids_of("Ada")["patient_id"],
        )
        assert same == concern
        assert "call_or_text_988" in seat["crisis_lines"]
        assert "call_911" in again["crisis_lines"]
        assert "answer" not in seat

    def test_announces_the_same_danger_anew_that_is_told_again_later(self, room):
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts)
        check_in(room, session_id, "Ada")
        room.at(starts + timedelta(hours=3))
        check_out(room, session_id, "Ada", "NOT_SAFE", role="patient")

        room.at(starts + timedelta(hours=4))
        check_out(room, session_id, "Ada", "NOT_SAFE", role="patient")

        first, second = room.announced_of(SafetyConcernRaised)
        assert first.concern_id != second.concern_id
        assert second.raised_at == starts + timedelta(hours=4)

    def test_hears_a_danger_that_is_told_after_a_harmless_answer(self, room):
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts)
        check_in(room, session_id, "Ada")
        room.at(starts + timedelta(hours=3))
        check_out(room, session_id, "Ada", "SAFE")

        check_out(room, session_id, "Ada", "NOT_SAFE")

        assert [one.level for one in room.announced_of(SafetyConcernRaised)] == ["E4"]
        assert len(room.announced_of(SessionAttended)) == 1

    def test_asks_the_counselor_to_talk_to_whoever_declines_and_is_closed_by_hand(self, room):
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts)
        check_in(room, session_id, "Ada")
        room.at(starts + timedelta(hours=3))
        check_out(room, session_id, "Ada", "DECLINED")
        (task,) = [one for one in room.announced_of(TaskOpened) if one.task == "check_out_contact"]

        told = {"task_id": task.task_id, "task": task.task, "outcome": "DONE"}
        with pytest.raises(NotFound) as refused:
            room.call("close_task", {**told, "about_id": new_id()}, role="supervisor")
        room.call(
            "close_task",
            {"task_id": task.task_id, "task": task.task, "about_id": task.about_id, "outcome": "DONE"},
            role=task.owner_role,
        )

        assert refused.value.problems[0]["field"] == "about_id"
        assert (task.owner_role, task.reason) == ("counselor", "SAFETY_QUESTION_DECLINED")
        assert tasks(room, "check_out_contact") == []

    def test_that_does_not_come_opens_a_task_half_an_hour_after_the_end(self, room):
        admit(room, "Ada", "Ben")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts)
        check_in(room, session_id, "Ada")
        check_in(room, session_id, "Ben")
        room.at(starts + timedelta(hours=3))
        check_out(room, session_id, "Ben")

        room.advance(timedelta(minutes=29))
        before = tasks(room, "check_out_missing")
        room.advance(timedelta(minutes=1))

        (task,) = [one for one in room.announced_of(TaskOpened) if one.task == "check_out_missing"]
        assert before == []
        assert task.patient_id == ids_of("Ada")["patient_id"]
        assert task.due_at > room.now
        check_out(room, session_id, "Ada", left_at=(starts + timedelta(hours=3)).isoformat())
        assert tasks(room, "check_out_missing") == []

    def test_is_asked_for_though_the_roster_came(self, room):
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts)
        check_in(room, session_id, "Ada")
        room.at(starts + timedelta(minutes=20))
        marks = [{"patient_id": ids_of("Ada")["patient_id"], "mark": "PRESENT"}]
        room.call("record_roster", {"session_id": session_id, "marks": marks}, role="counselor")

        room.advance(starts + timedelta(hours=3, minutes=31))

        assert len(tasks(room, "check_out_missing")) == 1

    def test_is_refused_without_having_been_there_or_in_the_future(self, room):
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts)
        with pytest.raises(Conflict, match="was not there"):
            check_out(room, session_id, "Ada")
        check_in(room, session_id, "Ada")
        with pytest.raises(InvalidInput):
            check_out(room, session_id, "Ada", left_at=(starts + timedelta(hours=1)).isoformat())
        with pytest.raises(InvalidInput):
            check_out(room, session_id, "Ada", role="patient", left_at=starts.isoformat())

    def test_of_a_roster_that_came_first_takes_back_what_was_not_attended(self, room):
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts + timedelta(minutes=20))
        marks = [{"patient_id": ids_of("Ada")["patient_id"], "mark": "PRESENT"}]
        room.call("record_roster", {"session_id": session_id, "marks": marks}, role="counselor")

        room.at(starts + timedelta(minutes=60))
        seat = check_out(room, session_id, "Ada")

        (corrected,) = room.announced_of(AttendanceCorrected)
        assert (seat["state"], seat["credited_minutes"]) == ("PARTIAL", 55)
        assert (corrected.from_state, corrected.to_state) == ("PRESENT", "PARTIAL")


class TestQuestionThatNobodyPut:
    """A roster tells who was there: then nobody has been asked whether they are safe."""

    def roster(self, room: Room, session_id: str, **marks: str) -> None:
        rows = [{"patient_id": ids_of(name)["patient_id"], "mark": word} for name, word in marks.items()]
        room.call("record_roster", {"session_id": session_id, "marks": rows}, role="counselor")

    def not_asked(self, room: Room) -> set[str]:
        found = room.ask("get_today", {"site_id": SITE}, role="front_desk")["not_asked"]
        return {seat["patient_id"] for seat in found}

    def test_opens_one_task_for_the_session_until_everybody_was_asked(self, room):
        admit(room, "Ada", "Ben")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts + timedelta(minutes=20))
        self.roster(room, session_id, Ada="PRESENT", Ben="PRESENT")

        room.advance(starts + timedelta(hours=3, minutes=29))
        before = tasks(room, "safety_question_unasked")
        room.advance(timedelta(minutes=1))

        (task,) = [one for one in room.announced_of(TaskOpened) if one.task == "safety_question_unasked"]
        assert before == []
        assert (task.about_id, task.owner_role, task.next_role) == (session_id, "counselor", "supervisor")
        assert task.patient_id is None
        assert self.not_asked(room) == {ids_of(name)["patient_id"] for name in ("Ada", "Ben")}
        check_out(room, session_id, "Ada")
        assert tasks(room, "safety_question_unasked") == [task.task_id]
        check_out(room, session_id, "Ben", "DECLINED")
        assert tasks(room, "safety_question_unasked") == []
        assert self.not_asked(room) == set()
        assert tasks(room, "check_out_missing") == []

    def test_is_put_at_the_door_before_the_roster_and_asks_nobody(self, room):
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts)
        check_in(room, session_id, "Ada")
        room.at(starts + timedelta(hours=3))
        check_out(room, session_id, "Ada")
        self.roster(room, session_id, Ada="PRESENT")

        room.advance(timedelta(hours=2))

        assert tasks(room, "safety_question_unasked") == []
        assert self.not_asked(room) == set()

    def test_looks_by_name_for_who_checked_in_and_not_out(self, room):
        admit(room, "Ada", "Ben")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts)
        check_in(room, session_id, "Ada")
        room.at(starts + timedelta(minutes=20))
        self.roster(room, session_id, Ada="PRESENT", Ben="PRESENT")

        room.advance(starts + timedelta(hours=4))

        assert len(tasks(room, "check_out_missing")) == 1
        assert len(tasks(room, "safety_question_unasked")) == 1
        assert self.not_asked(room) == {ids_of("Ben")["patient_id"]}

    def test_is_put_to_whoever_checked_in_and_left_early_by_the_roster(self, room):
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts)
        check_in(room, session_id, "Ada")
        room.at(starts + timedelta(hours=2))
        left_at = (starts + timedelta(hours=1)).isoformat()
        row = {"patient_id": ids_of("Ada")["patient_id"], "mark": "LEFT_EARLY", "left_at": left_at}
        room.call("record_roster", {"session_id": session_id, "marks": [row]}, role="counselor")

        room.advance(starts + timedelta(hours=4))

        assert len(tasks(room, "safety_question_unasked")) == 1

    def test_has_half_an_hour_after_a_roster_that_comes_late(self, room):
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        room.advance(starts_of(room, session_id) + timedelta(hours=8))
        self.roster(room, session_id, Ada="PRESENT")

        at_once = tasks(room, "safety_question_unasked")
        room.advance(timedelta(minutes=30))

        assert at_once == []
        assert len(tasks(room, "safety_question_unasked")) == 1

    def test_has_lost_its_use_a_day_later(self, room):
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        room.advance(starts_of(room, session_id) + timedelta(hours=30))
        self.roster(room, session_id, Ada="PRESENT")

        room.advance(timedelta(hours=2))

        assert tasks(room, "safety_question_unasked") == []

    def test_is_withdrawn_where_nobody_was_there_after_all(self, room):
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts + timedelta(minutes=20))
        self.roster(room, session_id, Ada="PRESENT")
        room.advance(starts + timedelta(hours=4))

        self.roster(room, session_id, Ada="NO_SHOW")

        closed = [one for one in room.announced_of(TaskClosed) if one.task == "safety_question_unasked"]
        assert [one.outcome for one in closed] == ["WITHDRAWN"]

    def test_is_asked_for_again_where_a_second_roster_adds_somebody(self, room):
        admit(room, "Ada", "Ben")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts + timedelta(minutes=20))
        self.roster(room, session_id, Ada="PRESENT")
        room.advance(starts + timedelta(hours=4))
        check_out(room, session_id, "Ada")
        closed = tasks(room, "safety_question_unasked")

        self.roster(room, session_id, Ben="PRESENT")
        room.advance(timedelta(minutes=30))

        opened = [one for one in room.announced_of(TaskOpened) if one.task == "safety_question_unasked"]
        assert closed == []
        assert len(opened) == 2
        assert self.not_asked(room) == {ids_of("Ben")["patient_id"]}


class TestAnswersInARoster:
    """Whoever sends a group's roster can send along what each patient answered on leaving."""

    @pytest.fixture
    def room(self, room: Room) -> Room:
        admit(room, "Ada", "Ben")
        return room

    def row(self, name: str, answer: str | None = "SAFE", **more: Any) -> dict[str, Any]:
        said = {"patient_id": ids_of(name)["patient_id"], "mark": "PRESENT", "answer": answer, **more}
        return {field: word for field, word in said.items() if word is not None}

    def send(self, room: Room, session_id: str, *rows: dict[str, Any], **how: Any) -> dict[str, Any]:
        body = {"session_id": session_id, "marks": list(rows)}
        return room.call("record_roster", body, role="counselor", **how)

    def seat(self, answer: dict[str, Any], name: str) -> dict[str, Any]:
        patient_id = ids_of(name)["patient_id"]
        return next(seat for seat in answer["seats"] if seat["patient_id"] == patient_id)

    def over(self, room: Room, minutes: int = 0) -> tuple[str, datetime]:
        """Go to the end of Monday's group, or some minutes past it; return the group and its end."""
        session_id = monday_group(room, "Ada")
        ends = starts_of(room, session_id) + timedelta(hours=3)
        room.advance(ends + timedelta(minutes=minutes))
        return session_id, ends

    def test_check_out_without_a_task_for_anybody(self, room):
        session_id, ends = self.over(room)

        answer = self.send(room, session_id, self.row("Ada"), self.row("Ben"))
        room.advance(timedelta(hours=4))

        assert (answer["counts"], answer["crisis_lines"]) == ({"PRESENT": 2}, None)
        out = [datetime.fromisoformat(seat["checked_out_at"]) for seat in answer["seats"]]
        assert out == [ends, ends]
        assert tasks(room, "safety_question_unasked") == tasks(room, "check_out_missing") == []
        assert room.announced_of(SafetyConcernRaised) == []

    def test_leave_the_question_to_be_put_to_the_others(self, room):
        session_id, _ = self.over(room)

        self.send(room, session_id, self.row("Ada"), self.row("Ben", answer=None))
        room.advance(timedelta(hours=1))

        today = room.ask("get_today", {"site_id": SITE}, role="front_desk")
        assert [seat["patient_id"] for seat in today["not_asked"]] == [ids_of("Ben")["patient_id"]]
        assert len(tasks(room, "safety_question_unasked")) == 1

    def test_close_the_task_that_asks_for_them(self, room):
        session_id, _ = self.over(room)
        self.send(room, session_id, self.row("Ada", answer=None))
        room.advance(timedelta(hours=1))
        before = tasks(room, "safety_question_unasked")

        self.send(room, session_id, self.row("Ada"))

        assert (len(before), tasks(room, "safety_question_unasked")) == (1, [])

    @pytest.mark.parametrize(("answer", "level"), [("NOT_SAFE", "E4"), ("UNSURE", "E3")])
    def test_that_tell_of_a_danger_raise_it_with_the_marks(self, room, answer, level):
        session_id, _ = self.over(room)

        view = self.send(room, session_id, self.row("Ada", answer), self.row("Ben"))

        (envelope,) = [one for one in room.announced_envelopes if isinstance(one.event, SafetyConcernRaised)]
        (attended, _) = [one for one in room.announced_envelopes if isinstance(one.event, SessionAttended)]
        concern = envelope.event
        assert isinstance(concern, SafetyConcernRaised)
        assert (concern.concern, concern.level) == ("DANGER_ANSWER", level)
        assert (concern.patient_id, concern.evidence_id) == (
            ids_of("Ada")["patient_id"],
            self.seat(view, "Ada")["seat_id"],
        )
        assert envelope.causation_id == attended.causation_id
        assert {"call_or_text_988", "call_911"} <= set(view["crisis_lines"])
        assert "answer" not in self.seat(view, "Ada")

    def test_that_tell_of_several_dangers_raise_each(self, room):
        session_id, _ = self.over(room)

        self.send(room, session_id, self.row("Ada", "NOT_SAFE"), self.row("Ben", "UNSURE"))

        told = {one.patient_id: one.level for one in room.announced_of(SafetyConcernRaised)}
        assert told == {ids_of("Ada")["patient_id"]: "E4", ids_of("Ben")["patient_id"]: "E3"}

    def test_that_were_declined_ask_somebody_to_talk_to_the_patient(self, room):
        session_id, _ = self.over(room)

        view = self.send(room, session_id, self.row("Ada", "DECLINED"))

        (task,) = [one for one in room.announced_of(TaskOpened) if one.task == "check_out_contact"]
        assert (task.patient_id, task.reason) == (ids_of("Ada")["patient_id"], "SAFETY_QUESTION_DECLINED")
        assert "call_or_text_988" in view["crisis_lines"]
        said = {"task_id": task.task_id, "task": task.task, "about_id": task.about_id, "outcome": "DONE"}
        room.call("close_task", said, role=task.owner_role)
        assert tasks(room, "check_out_contact") == []

    def test_have_one_effect_though_the_roster_comes_twice(self, room):
        session_id, ends = self.over(room)
        rows = [self.row("Ada", "NOT_SAFE"), self.row("Ben", "DECLINED")]
        first = self.send(room, session_id, *rows)
        told = len(room.announced)
        room.at(ends + timedelta(minutes=10))

        again = self.send(room, session_id, *rows)

        assert again == first
        assert len(room.announced) == told

    def test_tell_of_a_danger_anew_that_somebody_had_denied_before(self, room):
        session_id, ends = self.over(room)
        self.send(room, session_id, self.row("Ada"))
        room.at(ends + timedelta(minutes=5))

        self.send(room, session_id, self.row("Ada", "UNSURE"))
        self.send(room, session_id, self.row("Ada", "NOT_SAFE"))
        # Who has told of a danger is not taken out of it by a word.
        self.send(room, session_id, self.row("Ada", "SAFE"))

        assert [one.level for one in room.announced_of(SafetyConcernRaised)] == ["E3", "E4"]
        with room.db() as db:
            (kept,) = [one for one in tables.seats_of(db, session_id=session_id) if one.check_out_answer]
            assert kept.check_out_answer == "NOT_SAFE"

    def test_keep_the_true_times_of_a_late_entry(self, room):
        session_id, ends = self.over(room, minutes=300)
        came, left = ends - timedelta(minutes=177), ends - timedelta(minutes=60)
        times = {"arrived_at": came.isoformat(), "left_at": left.isoformat()}

        view = self.send(
            room, session_id, self.row("Ada", mark="LEFT_EARLY", **times), self.row("Ben", "UNSURE")
        )
        room.advance(timedelta(hours=2))

        seat = self.seat(view, "Ada")
        assert [datetime.fromisoformat(seat[at]) for at in ("arrived_at", "left_at")] == [came, left]
        assert datetime.fromisoformat(seat["checked_out_at"]) == left
        assert (seat["state"], seat["credited_minutes"]) == ("PARTIAL", 107)
        assert [one.level for one in room.announced_of(SafetyConcernRaised)] == ["E3"]
        assert tasks(room, "safety_question_unasked") == []

    def test_close_the_presence_of_whoever_checked_in_at_the_door(self, room):
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts)
        check_in(room, session_id, "Ada")
        _, ends = self.over(room)

        self.send(room, session_id, self.row("Ada"), self.row("Ben"))
        room.advance(ends + timedelta(hours=2))

        assert tasks(room, "check_out_missing") == []

    def test_before_the_end_are_heard_and_say_not_yet_that_somebody_left(self, room):
        session_id = monday_group(room, "Ada")
        room.at(starts_of(room, session_id) + timedelta(minutes=170))

        view = self.send(room, session_id, self.row("Ada", "UNSURE"), self.row("Ben"))
        room.advance(timedelta(hours=2))

        assert [one.level for one in room.announced_of(SafetyConcernRaised)] == ["E3"]
        assert [seat["checked_out_at"] for seat in view["seats"]] == [None, None]
        # Whoever is present stays to the end: the minutes are not cut short by the question.
        assert {seat["credited_minutes"] for seat in view["seats"]} == {165}
        assert tasks(room, "safety_question_unasked") == []

    def test_agree_with_what_was_said_at_the_door(self, room):
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts)
        check_in(room, session_id, "Ada")
        room.at(starts + timedelta(hours=2))
        check_out(room, session_id, "Ada", "NOT_SAFE")
        self.over(room)

        view = self.send(room, session_id, self.row("Ada", "NOT_SAFE"))

        assert len(room.announced_of(SafetyConcernRaised)) == 1
        seat = self.seat(view, "Ada")
        assert datetime.fromisoformat(seat["checked_out_at"]) == starts + timedelta(hours=2)
        assert seat["state"] == "PARTIAL"

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"mark": "NO_SHOW"}, "marks.1.answer"),
            ({"mark": "EXCUSED"}, "marks.1.answer"),
            ({"answer": "FINE"}, "marks.1.answer"),
        ],
    )
    def test_that_cannot_be_are_refused_by_name_and_change_nothing(self, room, wrong, field):
        session_id, _ = self.over(room)
        told = len(room.announced)

        with pytest.raises(InvalidInput) as refused:
            self.send(room, session_id, self.row("Ada"), self.row("Ben") | wrong)

        assert [problem["field"] for problem in refused.value.problems] == [field]
        assert len(room.announced) == told
        seats = room.ask("get_session", {"session_id": session_id})["seats"]
        assert {seat["checked_out_at"] for seat in seats} == {None}

    def test_of_somebody_who_left_early_need_the_time(self, room):
        session_id, _ = self.over(room)

        with pytest.raises(InvalidInput) as refused:
            self.send(room, session_id, self.row("Ada", mark="LEFT_EARLY"))

        assert [problem["field"] for problem in refused.value.problems] == ["left_at"]


class TestDangerThatCannotBeCheckedOut:
    """A danger is heard whatever the check-out is worth; an answer without one is refused as ever."""

    @pytest.mark.parametrize(
        ("of_session", "of_seat", "left_after", "not_counted"),
        [
            ({"state": "CANCELLED_BY_PROGRAM"}, {}, 170, "session_called_off"),
            ({}, {"state": "CANCELLED"}, 170, "seat_given_up"),
            ({}, {"arrived_at": None}, 170, "not_checked_in"),
            ({}, {}, 240, "times_do_not_fit"),
            ({}, {}, 0, "times_do_not_fit"),
        ],
    )
    @pytest.mark.parametrize(("answer", "level"), [("NOT_SAFE", "E4"), ("UNSURE", "E3")])
    def test_is_announced_and_told_apart(self, of_session, of_seat, left_after, not_counted, answer, level):
        session = morning_session(**of_session)
        starts = session.starts_at
        seat = seat_of("Ada", session, **({"state": "CHECKED_IN", "arrived_at": starts} | of_seat))
        before = seat.state
        at = {"left_at": starts + timedelta(minutes=left_after), "now": starts + timedelta(minutes=180)}

        left = check_outs.check_out(seat, session=session, answer=answer, past=[], **at)

        (concern,) = left.caused
        assert isinstance(concern, SafetyConcernRaised)
        assert (concern.level, seat.check_out_answer) == (level, answer)
        assert left.refused is not None
        assert left.refused.code == not_counted
        assert (seat.state, seat.checked_out_at) == (before, None)
        with pytest.raises(type(left.refused)):
            check_outs.check_out(seat, session=session, answer="SAFE", past=[], **at)

    def test_of_a_patient_who_forgot_to_check_in_brings_help_every_time(self, room):
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts + timedelta(minutes=90))

        out = check_out(room, session_id, "Ada", "NOT_SAFE", role="patient")
        check_out(room, session_id, "Ada", "NOT_SAFE", role="patient", left_at=starts.isoformat())
        check_in(room, session_id, "Ada")
        later = check_out(room, session_id, "Ada", "NOT_SAFE", left_at=room.now.isoformat())

        told = room.announced_of(SafetyConcernRaised)
        assert [one.level for one in told] == ["E4"] * 3
        assert len({one.concern_id for one in told}) == 1
        assert "call_or_text_988" in out["crisis_lines"]
        assert (out["not_counted"], out["checked_out_at"]) == ("not_checked_in", None)
        assert later["not_counted"] == "times_do_not_fit"

    def test_with_a_time_that_is_for_the_desk_to_enter_is_heard_without_it(self, room):
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts)
        check_in(room, session_id, "Ada")
        room.at(starts + timedelta(minutes=90))

        out = check_out(room, session_id, "Ada", "UNSURE", role="patient", left_at=room.now.isoformat())

        assert [one.level for one in room.announced_of(SafetyConcernRaised)] == ["E3"]
        assert (out["state"], out["not_counted"]) == ("CHECKED_IN", "times_do_not_fit")

    def test_in_a_session_that_was_called_off_is_heard(self, room):
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        body = {"session_id": session_id, "reason": "WEATHER"}
        room.call("cancel_session", body, role="front_desk")

        out = check_out(room, session_id, "Ada", "NOT_SAFE", role="patient")

        assert [one.level for one in room.announced_of(SafetyConcernRaised)] == ["E4"]
        assert out["not_counted"] == "session_called_off"


class TestLeavingBeforeTheStart:
    def test_leaves_the_session_open_and_still_hears_the_danger(self):
        session = morning_session()
        seat = seat_of("Ada", session)
        early = session.starts_at - timedelta(minutes=30)
        seat.check_in(session=session, arrived_at=early, past=[], now=early)

        left = check_outs.check_out(
            seat,
            session=session,
            left_at=early + timedelta(minutes=10),
            answer="NOT_SAFE",
            past=[],
            now=early + timedelta(minutes=10),
        )

        assert [type(event) for event in left.caused] == [SafetyConcernRaised]
        assert (seat.state, seat.arrived_at, seat.credited_minutes) == ("SCHEDULED", None, 0)


class TestPatientsOwnCheckIn:
    """To a group that began a while ago: whoever leads it is asked, and until then they wait."""

    def come(self, room: Room, session_id: str, name: str = "Ada") -> dict[str, Any]:
        patient_id = ids_of(name)["patient_id"]
        return room.call("check_in", {"session_id": session_id}, role="patient", actor_id=patient_id)

    def test_is_kept_until_the_desk_lets_them_in(self, room):
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.advance(starts + timedelta(minutes=16))

        waits = self.come(room, session_id)
        again = self.come(room, session_id)
        view = room.ask("get_today", {"site_id": SITE, "day": "2026-02-02"}, role="front_desk")
        let_in = check_in(room, session_id, "Ada")

        assert (waits["state"], waits["not_seen_because"], waits["next_step"]) == (
            "UNMARKED",
            "ENTRY_NEEDS_FACILITATOR",
            "STAFF_ASKS_FACILITATOR",
        )
        assert again["state"] == "UNMARKED"
        assert [one["seat_id"] for one in view["not_seen"]] == [waits["seat_id"]]
        (task,) = (one for one in room.announced_of(TaskOpened) if one.task == "patient_not_seen")
        assert (task.about_id, task.reason) == (waits["seat_id"], "ENTRY_NEEDS_FACILITATOR")
        closed = {one.task_id: one.outcome for one in room.announced_of(TaskClosed)}
        assert (let_in["state"], closed[task.task_id]) == ("CHECKED_IN", "DONE")

    def test_withdraws_the_miss_and_no_roster_brings_it_back(self, room):
        admit(room, "Ada", "Ben")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts)
        check_in(room, session_id, "Ben")
        room.advance(starts + timedelta(minutes=16))
        missed = [one.patient_id for one in room.announced_of(SessionMissed)]

        self.come(room, session_id)
        marks = [{"patient_id": ids_of("Ada")["patient_id"], "mark": "NO_SHOW"}]
        room.call("record_roster", {"session_id": session_id, "marks": marks}, role="counselor")
        room.advance(starts + timedelta(days=1))

        (corrected,) = room.announced_of(AttendanceCorrected)
        assert missed == [ids_of("Ada")["patient_id"]]
        assert (corrected.from_state, corrected.to_state, corrected.consecutive) == ("NO_SHOW", "UNMARKED", 0)
        assert len(room.announced_of(SessionMissed)) == 1

    def test_of_somebody_who_is_there_changes_nothing(self, room):
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts)
        self.come(room, session_id)
        room.at(starts + timedelta(minutes=20))

        assert self.come(room, session_id)["state"] == "CHECKED_IN"


class TestWalkIn:
    def test_is_seated_announced_and_checked_in_once(self, room):
        admit(room, "Ada")
        other = open_group(
            room, "dusk", track="EVENING", facilitator_id=derived_id("clinician", "Walt"), weekdays=[0]
        )
        room.deliver(referral_of("Eve"), *admitted("Eve"))
        found = room.ask("list_sessions", {"site_id": SITE, "limit": 500})["items"]
        dusk = [one for one in found if one["group_id"] == other]
        monday = dusk[0]["session_id"] if dusk else monday_group(room, "Ada")
        room.at(starts_of(room, monday))
        who = {"session_id": monday, "patient_id": ids_of("Ada")["patient_id"]}
        before = len(room.announced_of(SessionScheduled))

        seat = room.call("add_walk_in", who, role="front_desk")
        again = room.call("add_walk_in", who, role="front_desk")

        assert (seat["state"], again["seat_id"]) == ("CHECKED_IN", seat["seat_id"])
        assert len(room.announced_of(SessionScheduled)) - before <= 1

    def test_takes_the_last_seat_and_no_thirteenth(self):
        session = morning_session(capacity=2)
        seats = [seat_of("Ada", session, number=1)]
        episode = episode_of("Ben")

        ben, _ = clinic_day.walk_in(session, seats=seats, episode=episode, elsewhere=False, now=MONDAY)

        assert ben.number == 2
        with pytest.raises(clinic_day.SessionFull):
            clinic_day.walk_in(
                session, seats=[*seats, ben], episode=episode_of("Cleo"), elsewhere=False, now=MONDAY
            )
        with pytest.raises(clinic_day.PatientElsewhere):
            clinic_day.walk_in(session, seats=seats, episode=episode, elsewhere=True, now=MONDAY)

    def test_is_for_people_in_the_program_only(self, room):
        admit(room, "Ada")
        session_id = monday_group(room, "Ada")
        room.at(starts_of(room, session_id))
        with pytest.raises(NotFound):
            room.call("add_walk_in", {"session_id": session_id, "patient_id": ids_of("Nobody")["patient_id"]})


def episode_of(name: str) -> Any:
    from services.scheduling.domain.records import Episode  # noqa: PLC0415

    return Episode(**ids_of(name))


class TestToday:
    def test_tells_of_every_seat_what_is_known(self, room):
        admit(room, "Ada", "Ben", "Cleo")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts - timedelta(minutes=10))
        check_in(room, session_id, "Ada")
        ask = {"site_id": SITE, "day": starts.date().isoformat()}

        early = room.ask("get_today", ask, role="front_desk")
        room.at(starts + timedelta(minutes=16))
        late = room.ask("get_today", ask, role="front_desk")
        check_out(room, session_id, "Ada")
        after = room.ask("get_today", ask, role="front_desk")

        def who(view, part):
            here = [seat for seat in view[part] if seat["session_id"] == session_id]
            return {seat["patient_id"] for seat in here}

        ada, ben = ids_of("Ada")["patient_id"], ids_of("Ben")["patient_id"]
        assert (who(early, "arrived"), ben in who(early, "expected")) == ({ada}, True)
        assert (ben in who(late, "unmarked"), who(late, "expected")) == (True, set())
        assert (who(after, "left"), who(after, "arrived")) == ({ada}, set())

    def test_is_the_day_of_the_sites_clock_also_when_clocks_change(self, room):
        admit(room, "Ada")
        room.advance("2026-03-08T12:00:00-05:00")
        view = room.ask("get_today", {"site_id": SITE}, role="front_desk")
        monday = room.ask("get_today", {"site_id": SITE, "day": "2026-03-09"}, role="front_desk")
        assert (view["day"], view["sessions"]) == ("2026-03-08", [])
        blocks = [one for one in monday["sessions"] if one["kind"] == "GROUP"]
        assert all(one["starts_at"].endswith("T14:00:00Z") for one in blocks)

    def test_of_a_site_elsewhere_is_not_there(self, room):
        with pytest.raises(NotFound):
            room.ask("get_today", {"site_id": derived_id("site", "nowhere")}, role="front_desk")


class TestLateEntry:
    def test_after_a_miss_keeps_true_times_and_takes_the_miss_back(self, room):
        admit(room, "Ada", "Ben")
        session_id = monday_group(room, "Ada")
        starts = starts_of(room, session_id)
        room.at(starts)
        check_in(room, session_id, "Ben")
        room.advance(starts + timedelta(hours=5))
        missed = [one.patient_id for one in room.announced_of(SessionMissed)]

        seat = check_in(room, session_id, "Ada", arrived_at=(starts + timedelta(minutes=3)).isoformat())
        out = check_out(room, session_id, "Ada", left_at=(starts + timedelta(minutes=175)).isoformat())

        assert ids_of("Ada")["patient_id"] in missed
        assert datetime.fromisoformat(seat["arrived_at"]) == starts + timedelta(minutes=3)
        assert datetime.fromisoformat(out["left_at"]) == starts + timedelta(minutes=175)
        last = room.announced_of(AttendanceCorrected)[-1]
        assert (last.from_state, last.consecutive, last.revision) == ("CHECKED_IN", 0, 2)
        room.advance(timedelta(hours=2))
        mine = [one for one in room.announced_of(TaskOpened) if one.task == "check_out_missing"]
        assert ids_of("Ada")["patient_id"] not in [one.patient_id for one in mine]


class TestAttendanceOfAnEpisode:
    def test_counts_days_weeks_and_minutes_by_modality_across_new_year(self, room_of):
        room = room_of(Scheduling)
        furnish(room, weekdays=[0, 2, 4])
        admitted_at = datetime.fromisoformat("2026-12-28T08:00:00-06:00")
        room.advance(admitted_at)
        room.deliver(referral_of("Ada"), *admitted("Ada", admitted_at=admitted_at))
        episode_id = ids_of("Ada")["episode_id"]
        held = [
            one
            for one in room.ask("list_patient_sessions", {"episode_id": episode_id})["items"]
            if one["kind"] == "GROUP" and one["starts_at"] < "2027-01-04"
        ]
        for one in held:
            starts = datetime.fromisoformat(one["starts_at"])
            room.advance(starts + timedelta(minutes=10))
            marks = [{"seat_id": one["seat_id"], "mark": "PRESENT"}]
            room.call("record_roster", {"session_id": one["session_id"], "marks": marks})

        told = room.ask("get_attendance", {"episode_id": episode_id, "to": "2027-01-03"})

        assert told["attended_sessions"] == len(held) == 3
        assert [week["week_starts_on"] for week in told["weeks"]] == ["2026-12-28"]
        assert told["modalities"] == [{"modality": "PROCESS", "sessions": 3, "minutes": 495}]
        assert [day["minutes"] for day in told["days"]] == [180, 180, 180]
        assert {day["day"][:4] for day in told["days"]} == {"2026", "2027"}
        with pytest.raises(InvalidInput):
            room.ask("get_attendance", {"episode_id": episode_id, "from": "2027-02-01", "to": "2027-01-01"})

    def test_is_the_patients_own(self, room):
        admit(room, "Ada")
        with pytest.raises(NotFound):
            room.ask(
                "get_attendance",
                {"episode_id": ids_of("Ada")["episode_id"]},
                role="patient",
                actor_id=ids_of("Ben")["patient_id"],
            )


class TestDoorDownOverAStart:
    def test_asks_for_the_roster_and_misses_nobody_who_is_entered_late(self):
        session = morning_session()
        seats = [seat_of("Ada", session), seat_of("Ben", session, number=2)]
        seats[0].check_in(session=session, arrived_at=session.starts_at, past=[], now=session.starts_at)
        late = session.starts_at + attendance.GRACE + attendance.DOOR_DOWN_AFTER + timedelta(minutes=1)

        caused = session.judge(seats=seats, past={}, now=late)

        assert [type(event) for event in caused] == [TaskOpened]
        assert [seat.state for seat in seats] == ["CHECKED_IN", "UNMARKED"]

    def test_that_nobody_could_reach_asks_the_facilitator_though_all_else_ran_on(self, room):
        """The gateway, or the broker, was away while this service fired its timers in time."""
        admit(room, "Ada", "Ben")
        session_id = monday_group(room, "Ada")
        starts_at = starts_of(room, session_id)
        room.advance(starts_at - timedelta(minutes=5))
        check_in(room, session_id, "Ada")
        room.host.door.look(is_open=False, at=starts_at - timedelta(minutes=4))
        room.host.door.look(is_open=True, at=starts_at + timedelta(minutes=10))

        room.advance(starts_at + attendance.GRACE)

        assert room.announced_of(SessionMissed) == []
        assert len(rosters_missing(room, session_id)) == 1

    def test_that_was_mended_before_the_start_asks_nobody(self, room):
        admit(room, "Ada", "Ben")
        session_id = monday_group(room, "Ada")
        starts_at = starts_of(room, session_id)
        room.host.door.look(is_open=False, at=starts_at - timedelta(minutes=40))
        room.host.door.look(is_open=True, at=starts_at - timedelta(minutes=10))
        room.advance(starts_at - timedelta(minutes=5))
        check_in(room, session_id, "Ada")

        room.advance(starts_at + attendance.GRACE)

        assert [one.patient_id for one in room.announced_of(SessionMissed)] == [ids_of("Ben")["patient_id"]]
        assert rosters_missing(room, session_id) == []

    def test_leaves_it_to_the_facilitator_to_say_who_came_and_with_which_times(self, room):
        admit(room, "Ada", "Ben")
        session_id = monday_group(room, "Ada")
        starts_at = starts_of(room, session_id)
        room.advance(starts_at - timedelta(minutes=5))
        check_in(room, session_id, "Ada")

        # Nothing fires while the process is away; two hours later it is back.
        room.at(starts_at + timedelta(hours=2))
        room.fire_due()
        missed = room.announced_of(SessionMissed)
        asked = rosters_missing(room, session_id)
        late = {"arrived_at": (starts_at + timedelta(minutes=4)).isoformat()}
        marks = [
            {"patient_id": ids_of("Ada")["patient_id"], "mark": "PRESENT"},
            {"patient_id": ids_of("Ben")["patient_id"], "mark": "PRESENT", **late},
        ]
        room.advance(starts_at + timedelta(hours=4))
        room.call("record_roster", {"session_id": session_id, "marks": marks}, role="counselor")

        assert (missed, len(asked)) == ([], 1)
        assert rosters_missing(room, session_id) == []
        seats = room.ask("get_session", {"session_id": session_id})["seats"]
        arrived = {seat["patient_id"]: datetime.fromisoformat(seat["arrived_at"]) for seat in seats}
        assert arrived == {
            ids_of("Ada")["patient_id"]: starts_at - timedelta(minutes=5),
            ids_of("Ben")["patient_id"]: starts_at + timedelta(minutes=4),
        }
        assert len(room.announced_of(SessionAttended)) == 2
        assert room.announced_of(SessionMissed) == []


class TestDrugTests:
    def due(self, name: str, **changed: Any) -> DrugTestDue:
        return DrugTestDue(**self.told(name), drawn_at=MONDAY - timedelta(hours=3), **changed)

    def recorded(self, name: str, **changed: Any) -> DrugTestRecorded:
        told = {"outcome": "COLLECTED", "result": "NEGATIVE", "recorded_at": MONDAY, **changed}
        return DrugTestRecorded(**self.told(name), **told)

    def told(self, name: str) -> dict[str, Any]:
        return {
            **ids_of(name),
            "test_id": derived_id("drug test", name),
            "site_id": SITE,
            "due_on": MONDAY.date(),
            "due_at": MONDAY + timedelta(hours=12),
        }

    def listed(self, room: Room, **asked: Any) -> list[str]:
        today = room.ask("get_today", {"site_id": SITE, **asked}, role="front_desk")
        return [one["patient_id"] for one in today["tests_due"]]

    def test_are_listed_on_their_day_until_something_came_of_them(self, room: Room) -> None:
        room.at(MONDAY)
        admit(room, "dana", "eli")

        room.deliver(self.due("dana"), self.due("eli"), self.recorded("eli"))

        assert self.listed(room) == [ids_of("dana")["patient_id"]]
        assert self.listed(room, day="2026-02-03") == []
        room.deliver(self.recorded("dana", result="PENDING"))
        assert self.listed(room) == []

    def test_are_settled_in_any_order(self, room: Room) -> None:
        room.at(MONDAY)
        due, recorded = self.due("dana"), self.recorded("dana")

        room.deliver(recorded, due, recorded, due)

        assert self.listed(room) == []
