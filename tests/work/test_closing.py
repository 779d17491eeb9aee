"""Tasks that no action of their own ends are closed in the service that asks for them."""

from datetime import date, timedelta
from typing import Any

import pytest

from services.aftercare.service import Aftercare
from services.monitoring.service import Monitoring
from services.scheduling.service import Scheduling
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import derived_id, new_id
from tests.aftercare import telling
from tests.monitoring import telling as telling_monitoring
from tests.scheduling.builders import OPENED_AT, add_clinician, site_opened
from tests.support import Room


def closure(asked: TaskOpened, **changes: Any) -> dict[str, Any]:
    """Return what the gateway forwards when somebody has done a task."""
    told = {"task_id": asked.task_id, "task": asked.task, "about_id": asked.about_id, "outcome": "DONE"}
    return told | changes


def record_of(room: Room, name: str) -> list[tuple[str, str, str]]:
    """Return who of the staff announced events of this kind: person, role and credential."""
    actors = [one.actor for one in room.announced_envelopes if one.event.wire_name == name]
    return [(actor.actor_id, actor.role, actor.credential) for actor in actors]


class TestCredentialThatRunsOut:
    @pytest.fixture
    def room(self, room_of: Any) -> Room:
        room: Room = room_of(Scheduling)
        room.at(OPENED_AT)
        room.deliver(site_opened())
        add_clinician(room, "Leaving", expires_on=(OPENED_AT + timedelta(days=20)).date())
        room.advance(timedelta(days=21))
        return room

    def asked_last(self, room: Room) -> TaskOpened:
        """Return what asks a week before the last day, by when it has taken the place of the first."""
        first, last = room.announced_of(TaskOpened)
        (escalated,) = room.announced_of(TaskClosed)
        assert (escalated.task_id, escalated.outcome) == (first.task_id, "ESCALATED")
        return last

    def test_is_closed_with_who_in_which_role_and_when(self, room: Room) -> None:
        task = self.asked_last(room)

        answer = room.call(
            "close_task", closure(task), role=roles.SUPERVISOR, credential="LPC", actor_id="supervisor-2"
        )

        _, closed = room.announced_of(TaskClosed)
        assert (closed.task_id, closed.outcome, closed.closed_at) == (task.task_id, "DONE", room.now)
        assert record_of(room, "task_closed")[1:] == [("supervisor-2", "supervisor", "LPC")]
        assert answer["closed_at"].startswith(room.now.isoformat()[:16])

    def test_is_closed_once(self, room: Room) -> None:
        task = self.asked_last(room)
        room.call("close_task", closure(task, outcome="WITHDRAWN"), role=roles.SUPERVISOR)

        with pytest.raises(Conflict) as refused:
            room.call("close_task", closure(task), role=roles.MEDICAL_DIRECTOR)

        assert refused.value.code == "task_closed_already"
        assert [one.outcome for one in room.announced_of(TaskClosed)] == ["ESCALATED", "WITHDRAWN"]

    def test_is_not_closed_by_hand_once_a_later_one_took_its_place(self, room: Room) -> None:
        self.asked_last(room)
        first = room.announced_of(TaskOpened)[0]

        with pytest.raises(Conflict) as refused:
            room.call("close_task", closure(first), role=roles.SUPERVISOR)

        assert refused.value.code == "task_closed_already"

    def test_is_the_supervisors(self, room: Room) -> None:
        task = self.asked_last(room)

        with pytest.raises(Forbidden):
            room.call("close_task", closure(task), role=roles.COUNSELOR)

    def test_is_not_found_under_an_id_that_nobody_gave_it(self, room: Room) -> None:
        task = self.asked_last(room)

        for wrong in ({"task_id": new_id()}, {"about_id": new_id()}):
            with pytest.raises(NotFound):
                room.call("close_task", closure(task, **wrong), role=roles.SUPERVISOR)

    def test_of_the_next_licence_is_another_task(self, room: Room) -> None:
        task = self.asked_last(room)
        room.call("close_task", closure(task), role=roles.SUPERVISOR)
        staying = add_clinician(room, "Staying", expires_on=date(2026, 3, 20))

        room.advance("2026-03-22T12:00:00-06:00")

        newest = [one for one in room.announced_of(TaskOpened) if one.about_id == staying]
        assert [one.reason for one in newest] == ["EXPIRES_WITHIN_30_DAYS", "EXPIRES_WITHIN_7_DAYS"]
        assert task.task_id not in {one.task_id for one in newest}


class TestContactAfterLapse:
    @pytest.fixture
    def room(self, room_of: Any) -> Room:
        room: Room = room_of(Aftercare)
        room.at(telling.ADMITTED_AT + timedelta(days=30))
        room.deliver(telling.admitted())
        return room

    def report(self, room: Room, *, role: str = roles.COUNSELOR, **changes: Any) -> TaskOpened:
        lapse = {"patient_id": telling.DANA, "reported_by": "CALL", "substance": "ALCOHOL"}
        room.call("report_lapse", lapse | changes, role=role)
        return room.announced_of(TaskOpened)[-1]

    def test_is_told_by_whoever_spoke_with_the_patient(self, room: Room) -> None:
        task = self.report(room)
        room.advance(timedelta(hours=1))

        room.call(
            "close_task", closure(task), role=roles.COUNSELOR, credential="LADC", actor_id="counselor-7"
        )

        (closed,) = room.announced_of(TaskClosed)
        assert (closed.task_id, closed.outcome, closed.closed_at) == (task.task_id, "DONE", room.now)
        assert record_of(room, "task_closed") == [("counselor-7", "counselor", "LADC")]
        lapse = room.ask("get_lapse", {"lapse_id": task.about_id})
        assert lapse["contacted_at"].startswith(room.now.isoformat()[:16])

    def test_answers_every_report_until_then(self, room: Room) -> None:
        first, second = self.report(room), self.report(room)

        room.call("close_task", closure(second), role=roles.COUNSELOR)

        assert {task.task_id for task in room.announced_of(TaskClosed)} == {first.task_id, second.task_id}

    def test_is_told_of_somebody_whom_nobody_admitted(self, room: Room) -> None:
        task = self.report(room, role=roles.PARTNER, patient_id=new_id(), reported_by="SUPPORTER")

        room.call("close_task", closure(task), role=roles.COUNSELOR)

        assert [one.task_id for one in room.announced_of(TaskClosed)] == [task.task_id]

    def test_is_told_once(self, room: Room) -> None:
        task = self.report(room)
        room.call("close_task", closure(task), role=roles.COUNSELOR)

        with pytest.raises(Conflict):
            room.call("close_task", closure(task), role=roles.SUPERVISOR)
        assert len(room.announced_of(TaskClosed)) == 1

    def test_is_never_given_up(self, room: Room) -> None:
        task = self.report(room)

        with pytest.raises(InvalidInput) as refused:
            room.call("close_task", closure(task, outcome="WITHDRAWN"), role=roles.COUNSELOR)

        assert [problem["field"] for problem in refused.value.problems] == ["outcome"]

    def test_is_not_found_under_an_id_that_nobody_gave_it(self, room: Room) -> None:
        task = self.report(room)

        for wrong in ({"task_id": new_id()}, {"about_id": new_id()}):
            with pytest.raises(NotFound):
                room.call("close_task", closure(task, **wrong), role=roles.COUNSELOR)


class TestDangerBesides:
    """The overdose check and the naloxone that a return to use asks for."""

    @pytest.fixture
    def room(self, room_of: Any) -> Room:
        room: Room = room_of(Monitoring)
        room.at(telling_monitoring.ADMITTED_AT)
        room.deliver(telling_monitoring.concern("RETURN_TO_USE", "E3"))
        return room

    def task(self, room: Room, name: str = "naloxone") -> TaskOpened:
        return next(task for task in room.announced_of(TaskOpened) if task.task == name)

    def test_comes_with_the_level_of_the_escalation(self, room: Room) -> None:
        assert {task.task: task.level for task in room.announced_of(TaskOpened)} == {
            "escalation": "E3",
            "overdose_check": "E3",
            "naloxone": "E3",
        }

    def test_is_closed_with_who_in_which_role_with_which_licence_and_when(self, room: Room) -> None:
        task = self.task(room)

        answer = room.call("close_task", closure(task), credential="RN", actor_id="nurse-4")

        (closed,) = room.announced_of(TaskClosed)
        assert (closed.task_id, closed.outcome, closed.closed_at) == (task.task_id, "DONE", room.now)
        assert answer["patient_id"] == task.patient_id
        assert room.ask("get_escalation", {"escalation_id": task.about_id})["tasks_done"] == [
            {
                "task": "naloxone",
                "outcome": "DONE",
                "closed_by": "nurse-4",
                "closed_by_role": "clinician",
                "closed_by_credential": "RN",
                "closed_at": answer["closed_at"],
            }
        ]

    @pytest.mark.parametrize("name", ["naloxone", "overdose_check"])
    @pytest.mark.parametrize("credential", ["", "CADC", "PEER"])
    def test_needs_a_licence(self, room: Room, name: str, credential: str) -> None:
        with pytest.raises(Forbidden) as refused:
            room.call("close_task", closure(self.task(room, name)), credential=credential)

        assert refused.value.code == "closure_needs_licence"
        assert room.announced_of(TaskClosed) == []

    def test_is_closed_once_though_the_escalation_ends_later(self, room: Room) -> None:
        task = self.task(room)
        room.call("close_task", closure(task))
        with pytest.raises(Conflict):
            room.call("close_task", closure(task))
        which = {"escalation_id": task.about_id}
        room.call("acknowledge_escalation", which)

        room.call("close_escalation", {**which, "disposition": "SAFE_PLAN_IN_PLACE"})

        closed = [one.task for one in room.announced_of(TaskClosed)]
        assert sorted(closed) == ["escalation", "naloxone", "overdose_check"]
        with pytest.raises(Conflict):
            room.call("close_task", closure(self.task(room, "overdose_check")))

    def test_is_not_found_under_an_id_that_nobody_gave_it(self, room: Room) -> None:
        task = self.task(room)

        for wrong in ({"task_id": new_id()}, {"about_id": new_id()}, {"task": "overdose_check"}):
            with pytest.raises(NotFound):
                room.call("close_task", closure(task, **wrong))

    def test_was_asked_for_by_the_cause(self, room: Room) -> None:
        room.deliver(telling_monitoring.concern("VIOLENCE", "E4", n="2"))
        escalation = next(t for t in room.announced_of(TaskOpened) if t.reason == "VIOLENCE")
        invented = {"task": "naloxone", "task_id": derived_id(escalation.about_id, "naloxone")}

        with pytest.raises(NotFound):
            room.call("close_task", closure(escalation, **invented))


class TestOutreachByHand:
    """What an outreach asks for that no logged attempt shows."""

    @pytest.fixture
    def room(self, room_of: Any) -> Room:
        room: Room = room_of(Monitoring)
        room.at(telling_monitoring.ADMITTED_AT)
        room.deliver(telling_monitoring.assessed(), telling_monitoring.admitted(opioid_history=True))
        for day in (1, 2, 3):
            room.advance(telling_monitoring.missed_at(day))
            room.deliver(telling_monitoring.missed(day, consecutive=day))
        return room

    BY_HAND = ("outreach_peer", "naloxone_bridge_offer", "supervisor_review", "welfare_check_consideration")

    def newest(self, room: Room, name: str) -> TaskOpened:
        return [task for task in room.announced_of(TaskOpened) if task.task == name][-1]

    def test_is_closed_task_by_task(self, room: Room) -> None:
        before = len(room.announced_of(TaskClosed))

        for name in self.BY_HAND:
            room.call("close_task", closure(self.newest(room, name)), role=roles.SUPERVISOR)

        closed = room.announced_of(TaskClosed)[before:]
        assert [(task.task, task.outcome) for task in closed] == [(name, "DONE") for name in self.BY_HAND]

    def test_is_closed_once_and_not_asked_again(self, room: Room) -> None:
        task = self.newest(room, "supervisor_review")
        room.call("close_task", closure(task, outcome="WITHDRAWN"), role=roles.SUPERVISOR)

        with pytest.raises(Conflict):
            room.call("close_task", closure(task), role=roles.SUPERVISOR)
        room.advance(timedelta(days=1))
        assert self.newest(room, "supervisor_review") == task

    def test_is_over_once_the_patient_is_back(self, room: Room) -> None:
        task = self.newest(room, "outreach_peer")
        room.deliver(telling_monitoring.attended(4))

        with pytest.raises(Conflict) as refused:
            room.call("close_task", closure(task), role=roles.COUNSELOR)

        assert refused.value.code == "task_not_open"

    def test_is_not_found_under_an_id_that_nobody_gave_it(self, room: Room) -> None:
        task = self.newest(room, "outreach_peer")

        for wrong in ({"task_id": new_id()}, {"about_id": new_id()}):
            with pytest.raises(NotFound):
                room.call("close_task", closure(task, **wrong), role=roles.COUNSELOR)
