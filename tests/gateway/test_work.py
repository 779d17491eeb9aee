"""The work list: who needs a human now, why, by when, and whose it is."""

import ast
import dataclasses
import itertools
import random
import re
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from gateway import openapi, schemas, tables, tokens, work
from gateway.service import Gateway
from homeward.__main__ import main
from services.monitoring.domain.escalations import SAFETY_TASKS
from shared.audit import audit
from shared.contracts import aftercare, intake, monitoring, roles, scheduling
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Actor, Envelope, Event
from shared.contracts.gateway import TaskClaimed, TaskHandedOver
from shared.contracts.monitoring import EscalationAcknowledged, EscalationRaised
from shared.database import new_engine
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import derived_id, new_id
from shared.messaging import STAFF
from tests.gateway.conftest import ROOT, Answer, House
from tests.support import BEGINNING, TENANT, Room, waits_for_a_lock

COUNSELOR = Actor(actor_id="counselor-7", role=roles.COUNSELOR, credential="LADC")
OTHER_COUNSELOR = Actor(actor_id="counselor-8", role=roles.COUNSELOR, credential="LADC")
CLINICIAN = Actor(actor_id="clinician-3", role=roles.CLINICIAN, credential="LCSW")
FRONT_DESK = Actor(actor_id="desk-1", role=roles.FRONT_DESK)
SUPERVISOR = Actor(actor_id="supervisor-2", role=roles.SUPERVISOR, credential="LPC")

PATIENT = derived_id("patient", "one")


def opened(name: str = "a call", **changes: Any) -> TaskOpened:
    """Ask a counselor to call somebody within the hour."""
    told: dict[str, Any] = {
        "task_id": derived_id("task", name),
        "task": "outreach_call",
        "owner_role": roles.COUNSELOR,
        "reason": "SESSION_MISSED",
        "due_at": BEGINNING + timedelta(hours=1),
        "about_id": derived_id("outreach", name),
        "patient_id": PATIENT,
        "next_role": roles.SUPERVISOR,
    }
    return TaskOpened(**told | changes)


def closed(name: str = "a call", **changes: Any) -> TaskClosed:
    """Say that the call was made."""
    told: dict[str, Any] = {
        "task_id": derived_id("task", name),
        "task": "outreach_call",
        "outcome": "DONE",
        "closed_at": BEGINNING + timedelta(minutes=20),
        "about_id": derived_id("outreach", name),
        "patient_id": PATIENT,
    }
    return TaskClosed(**told | changes)


def told_by(room: Room, event: Event, service: str = "monitoring") -> Envelope:
    """Wrap an event as the service that announced it would have."""
    return dataclasses.replace(room.envelope_of(event), announced_by=service)


class List:
    """The work list of a gateway in the hands of a test."""

    def __init__(self, room: Room) -> None:
        self.room = room

    def read(self, *, reader: Actor = COUNSELOR, **asked: Any) -> list[dict[str, Any]]:
        return list(self.page(reader=reader, **asked)["items"])

    def page(self, *, reader: Actor = COUNSELOR, **asked: Any) -> dict[str, Any]:
        nothing = {"role": None, "mine": False, "unclaimed": False, "overdue": None, "patient_id": None}
        wanted = nothing | {"task": None, "after": None, "limit": 100} | asked
        with self.room.db() as db:
            page: dict[str, Any] = work.list_work(
                db, tenant_id=self.room.tenant_id, reader=reader, now=self.room.now, asked=wanted
            )
            return page

    def names(self, **asked: Any) -> list[str]:
        """Return what was named when the tasks were opened, in the list's order."""
        known = {derived_id("task", name): name for name in NAMES}
        return [known[item["task_id"]] for item in self.read(**asked)]

    def claim(self, name: str = "a call", *, by: Actor = COUNSELOR) -> dict[str, Any]:
        with self.room.db() as db:
            return work.claim_task(
                db, tenant_id=self.room.tenant_id, task_id=derived_id("task", name), by=by, now=self.room.now
            )

    def hand_over(
        self, name: str = "a call", *, to_role: str, to_id: str | None = None, by: Actor
    ) -> dict[str, Any]:
        with self.room.db() as db:
            return work.hand_over_task(
                db,
                tenant_id=self.room.tenant_id,
                task_id=derived_id("task", name),
                to_role=to_role,
                to_id=to_id,
                by=by,
                now=self.room.now,
            )

    def closure(self, name: str, *, by: Actor) -> tuple[str, dict[str, Any]]:
        with self.room.db() as db:
            return work.closure_of(
                db,
                tenant_id=self.room.tenant_id,
                task_id=derived_id("task", name),
                outcome="DONE",
                by=by,
                now=self.room.now,
            )

    def rows(self) -> list[dict[str, Any]]:
        with self.room.engine.connect() as connection:
            query = sa.select(tables.work).order_by(tables.work.c.tenant_id, tables.work.c.task_id)
            return [dict(row._mapping) for row in connection.execute(query)]


#: Every name that a test here gives to a task.
NAMES = ("a call", "a letter", "a review", "a crisis", "a danger", "a check", "somebody else's")


@pytest.fixture
def room(room_of: Any) -> Room:
    found: Room = room_of(Gateway)
    return found


@pytest.fixture
def tasks(room: Room) -> List:
    return List(room)


class TestList:
    def test_tells_what_is_to_be_done_why_by_when_and_by_whom(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened()))

        (item,) = tasks.read()

        assert item == {
            "task_id": derived_id("task", "a call"),
            "task": "outreach_call",
            "service": "monitoring",
            "reason": "SESSION_MISSED",
            "level": None,
            "owner_role": "counselor",
            "asked_role": "counselor",
            "due_at": "2026-02-02T16:00:00Z",
            "overdue": False,
            "next_role": "supervisor",
            "escalates_to": None,
            "about_id": derived_id("outreach", "a call"),
            "patient_id": PATIENT,
            "episode_id": None,
            "opened_at": "2026-02-02T15:00:00Z",
            "claimed_by": None,
            "claimed_at": None,
            "acknowledged_by": None,
            "acknowledged_at": None,
            "action": f"/v1/outreach/{derived_id('outreach', 'a call')}/attempts",
        }

    def test_is_ordered_by_danger_and_then_by_deadline(self, room: Room, tasks: List) -> None:
        hour = timedelta(hours=1)
        asked = {
            "a review": opened("a review", due_at=BEGINNING + 48 * hour),
            "a crisis": opened("a crisis", level="E4", due_at=BEGINNING + 3 * hour),
            "a call": opened("a call", due_at=BEGINNING + hour),
            "a danger": opened("a danger", level="E3", due_at=BEGINNING + 2 * hour),
            "a letter": opened("a letter", due_at=BEGINNING - hour),
            "a check": opened("a check", level="E2", due_at=BEGINNING + 4 * hour),
        }
        room.deliver(*(told_by(room, event) for event in asked.values()))

        assert tasks.names() == ["a crisis", "a danger", "a letter", "a call", "a check", "a review"]

    def test_names_the_next_role_once_a_task_is_overdue(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened()))
        in_time = tasks.read(role=roles.SUPERVISOR)

        room.at(BEGINNING + timedelta(hours=1, minutes=1))

        (item,) = tasks.read(role=roles.SUPERVISOR)
        assert in_time == []
        assert (item["overdue"], item["escalates_to"]) == (True, "supervisor")

    def test_is_told_apart_by_role_person_patient_name_and_deadline(self, room: Room, tasks: List) -> None:
        other = derived_id("patient", "two")
        room.deliver(
            told_by(room, opened("a call")),
            told_by(room, opened("a letter", task="outreach_letter", owner_role=roles.FRONT_DESK)),
            told_by(room, opened("a crisis", owner_role=roles.EVERYONE, level="E4", patient_id=other)),
            told_by(room, opened("a review", patient_id=other, due_at=BEGINNING - timedelta(hours=1))),
        )
        tasks.claim("a call")

        room.deliver(told_by(room, opened("a danger", owner_role=roles.ON_CALL, level="E3")))
        assert tasks.names(role=roles.FRONT_DESK) == ["a crisis", "a letter"]
        assert tasks.names(role=roles.CLINICIAN) == ["a crisis", "a danger"]
        assert tasks.names(mine=True) == ["a call"]
        assert tasks.names(mine=True, reader=OTHER_COUNSELOR) == []
        assert set(tasks.names(unclaimed=True)) == {"a crisis", "a danger", "a letter", "a review"}
        assert tasks.names(patient_id=other) == ["a crisis", "a review"]
        assert tasks.names(task="outreach_letter") == ["a letter"]
        assert tasks.names(overdue=True) == ["a review"]
        assert "a review" not in tasks.names(overdue=False)

    def test_is_read_page_after_page_without_gap_or_repeat(self, room: Room, tasks: List) -> None:
        # Several share a deadline, so that the place within it counts.
        asked = [
            opened(
                str(number), due_at=BEGINNING + timedelta(hours=number // 4), level=["E3", None][number % 2]
            )
            for number in range(23)
        ]
        room.deliver(*(told_by(room, event) for event in asked))
        whole = [item["task_id"] for item in tasks.read()]

        paged, after = [], None
        while True:
            page = tasks.page(limit=5, after=after)
            paged += [item["task_id"] for item in page["items"]]
            after = page["next"]
            if after is None:
                break

        assert paged == whole
        assert len(set(whole)) == 23

    @pytest.mark.parametrize("cursor", ["", "x", "MSAyIHg", "é", "MSAyIDIwMjYtMDItMDJUMTU6MDA6MDBaIHg"])
    def test_refuses_a_cursor_that_is_not_its_own(self, tasks: List, cursor: str) -> None:
        with pytest.raises(InvalidInput):
            work._read_cursor(cursor)

    def test_knows_nothing_of_another_tenant(self, room: Room, tasks: List) -> None:
        theirs = dataclasses.replace(told_by(room, opened("somebody else's")), tenant_id="hillside")
        room.deliver(theirs, told_by(room, opened("a call")))

        assert tasks.names() == ["a call"]
        with pytest.raises(NotFound):
            tasks.claim("somebody else's")

    def test_keeps_apart_what_two_tenants_call_alike(self, room: Room, tasks: List) -> None:
        theirs = dataclasses.replace(told_by(room, closed("a call")), tenant_id="hillside")
        room.deliver(told_by(room, opened("a call")), theirs)

        assert tasks.names() == ["a call"]
        assert [row["tenant_id"] for row in tasks.rows()] == ["hillside", TENANT]


class TestClosed:
    def test_leaves_the_list(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened()), told_by(room, closed()))

        assert tasks.read() == []

    def test_leaves_it_though_it_was_told_first(self, room: Room, tasks: List) -> None:
        first, then = told_by(room, opened()), told_by(room, closed())

        room.deliver(then)
        before = tasks.read()
        room.deliver(first)

        assert before == tasks.read() == []

    def test_comes_back_when_it_is_asked_anew_and_is_nobodys(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened()))
        tasks.claim()
        room.deliver(told_by(room, closed(outcome="WITHDRAWN")))
        room.deliver(told_by(room, opened(due_at=BEGINNING + timedelta(hours=3))))

        (item,) = tasks.read()

        assert (item["due_at"], item["claimed_by"]) == ("2026-02-02T18:00:00Z", None)
        assert tasks.claim(by=OTHER_COUNSELOR)["claimed_by"] == OTHER_COUNSELOR.actor_id

    def test_cannot_be_taken_or_handed_over(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened()), told_by(room, closed()))

        with pytest.raises(work.TaskIsClosed):
            tasks.claim()
        with pytest.raises(work.TaskIsClosed):
            tasks.hand_over(to_role=roles.CLINICIAN, by=SUPERVISOR)


class TestClaim:
    def test_makes_it_somebodys_and_tells_so(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened()))

        item = tasks.claim()

        assert (item["claimed_by"], item["claimed_at"]) == ("counselor-7", "2026-02-02T15:00:00Z")
        (told,) = room.announced_of(TaskClaimed)
        assert (told.claimed_by_id, told.claimed_by_role, told.turn) == ("counselor-7", "counselor", 1)
        assert told.patient_id == PATIENT

    def test_again_by_the_same_person_changes_nothing(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened()))

        assert tasks.claim() == tasks.claim()
        assert len(room.announced_of(TaskClaimed)) == 1

    def test_is_refused_to_somebody_else_without_saying_who_has_it(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened()))
        tasks.claim()

        with pytest.raises(Conflict) as refused:
            tasks.claim(by=OTHER_COUNSELOR)

        assert refused.value.code == "task_is_taken"
        assert "counselor-7" not in repr(refused.value.to_wire())

    @pytest.mark.parametrize(
        ("asked", "may", "may_not"),
        [
            (
                roles.COUNSELOR,
                (roles.COUNSELOR, roles.CLINICIAN, roles.SUPERVISOR, roles.MEDICAL_DIRECTOR),
                (roles.FRONT_DESK, roles.OPERATIONS),
            ),
            (roles.CLINICIAN, (roles.CLINICIAN, roles.SUPERVISOR), (roles.COUNSELOR, roles.FRONT_DESK)),
            (roles.FRONT_DESK, (roles.FRONT_DESK, roles.SUPERVISOR), (roles.COUNSELOR, roles.CLINICIAN)),
            (roles.SUPERVISOR, (roles.SUPERVISOR, roles.MEDICAL_DIRECTOR), (roles.CLINICIAN,)),
            (roles.ON_CALL, roles.CARE_TEAM, (roles.FRONT_DESK, roles.OPERATIONS)),
            (roles.EVERYONE, (*roles.CARE_TEAM, roles.FRONT_DESK, roles.OPERATIONS), ()),
        ],
    )
    def test_is_for_the_role_that_is_asked_and_for_higher_ones(
        self, room: Room, tasks: List, asked: str, may: tuple[str, ...], may_not: tuple[str, ...]
    ) -> None:
        for role in (*may, *may_not):
            room.deliver(told_by(room, opened(role, owner_role=asked, next_role=None)))

        for role in may:
            assert tasks.claim(role, by=Actor(actor_id="x", role=role))["claimed_by"] == "x"
        for role in may_not:
            with pytest.raises(Forbidden):
                tasks.claim(role, by=Actor(actor_id="x", role=role))

    def test_is_for_the_next_role_once_it_is_overdue(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened(owner_role=roles.FRONT_DESK, next_role=roles.CLINICIAN)))
        with pytest.raises(Forbidden):
            tasks.claim(by=CLINICIAN)

        room.at(BEGINNING + timedelta(hours=2))

        assert tasks.claim(by=CLINICIAN)["claimed_by"] == CLINICIAN.actor_id


class TestAcknowledgement:
    """An escalation is taken in monitoring: the list knows by whom."""

    ESCALATION = derived_id("escalation", "one")

    def asked(self, name: str, **changes: Any) -> TaskOpened:
        told = {"task": "escalation", "about_id": self.ESCALATION, "level": "E3", "reason": "PHQ9_I9"}
        return opened(name, **{**told, "owner_role": roles.CLINICIAN} | changes)

    def acknowledged(self, room: Room, by: Actor = CLINICIAN) -> Envelope:
        event = EscalationAcknowledged(
            escalation_id=self.ESCALATION, patient_id=PATIENT, acknowledged_at=BEGINNING
        )
        return dataclasses.replace(told_by(room, event), actor=by)

    def raised(self, room: Room) -> Envelope:
        by = BEGINNING + timedelta(minutes=5)
        event = EscalationRaised(
            escalation_id=self.ESCALATION,
            patient_id=PATIENT,
            from_level="E3",
            to_level="E4",
            acknowledge_by=by,
            act_by=by,
            raised_at=BEGINNING,
        )
        return told_by(room, event)

    def test_comes_before_the_closure(self, room: Room, tasks: List) -> None:
        path = f"/v1/escalations/{self.ESCALATION}"
        room.deliver(told_by(room, self.asked("a danger")))
        (before,) = tasks.read()

        room.deliver(self.acknowledged(room))

        (after,) = tasks.read()
        assert (before["acknowledged_by"], before["action"]) == (None, f"{path}/acknowledgement")
        assert (after["acknowledged_by"], after["action"]) == (CLINICIAN.actor_id, f"{path}/closure")
        assert after["acknowledged_at"] == "2026-02-02T15:00:00Z"

    def test_makes_the_task_somebodys(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, self.asked("a danger")), self.acknowledged(room))

        assert tasks.names(unclaimed=True) == []
        assert tasks.names(mine=True, reader=CLINICIAN) == ["a danger"]
        assert tasks.names(mine=True, reader=COUNSELOR) == []

    def test_counts_not_for_the_tier_that_is_asked_because_nobody_acted(
        self, room: Room, tasks: List
    ) -> None:
        room.deliver(told_by(room, self.asked("a danger")), self.acknowledged(room))
        room.deliver(told_by(room, self.asked("a crisis", owner_role=roles.MEDICAL_DIRECTOR)))

        assert tasks.names(unclaimed=True) == ["a crisis"]
        assert [item["acknowledged_by"] for item in tasks.read()] == [CLINICIAN.actor_id] * 2

    def test_is_over_once_the_level_rises_in_whatever_order_it_is_told(
        self, room: Room, tasks: List, room_of: Any
    ) -> None:
        told = [told_by(room, self.asked("a danger")), self.acknowledged(room), self.raised(room)]

        for order in itertools.permutations(told):
            other = List(room_of(Gateway))
            other.room.deliver(*order)
            (item,) = other.read()
            assert (item["acknowledged_by"], item["acknowledged_at"]) == (None, None)
            assert other.names(unclaimed=True) == ["a danger"]

    def test_is_that_of_the_own_tenant(self, room: Room, tasks: List) -> None:
        theirs = dataclasses.replace(self.acknowledged(room), tenant_id="hillside")
        room.deliver(told_by(room, self.asked("a danger")), theirs)

        assert tasks.names(unclaimed=True) == ["a danger"]

    def test_is_known_again_when_the_list_is_made_anew(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, self.asked("a danger")), self.acknowledged(room))
        before = tasks.read()

        with room.db() as db:
            work.rebuild(db)

        assert tasks.read() == before


class TestHandover:
    def test_gives_it_to_a_person(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened()))
        tasks.claim()

        item = tasks.hand_over(to_role=roles.CLINICIAN, to_id="clinician-3", by=COUNSELOR)

        assert (item["claimed_by"], item["asked_role"]) == ("clinician-3", "clinician")
        (told,) = room.announced_of(TaskHandedOver)
        assert (told.handed_over_by_id, told.to_id, told.turn) == ("counselor-7", "clinician-3", 2)
        with pytest.raises(Conflict):
            tasks.claim()

    def test_gives_it_to_a_role_whose_people_may_take_it(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened()))
        tasks.claim()

        tasks.hand_over(to_role=roles.FRONT_DESK, by=COUNSELOR)

        assert tasks.names(role=roles.FRONT_DESK, unclaimed=True) == ["a call"]
        assert tasks.names(role=roles.COUNSELOR) == []
        assert tasks.claim(by=FRONT_DESK)["claimed_by"] == FRONT_DESK.actor_id

    def test_is_for_whoever_has_it_or_oversees_it(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened()))
        with pytest.raises(Forbidden):
            tasks.hand_over(to_role=roles.CLINICIAN, by=COUNSELOR)
        tasks.claim()
        with pytest.raises(Forbidden):
            tasks.hand_over(to_role=roles.CLINICIAN, by=OTHER_COUNSELOR)

        item = tasks.hand_over(to_role=roles.COUNSELOR, to_id="counselor-8", by=SUPERVISOR)

        assert item["claimed_by"] == "counselor-8"

    def test_keeps_a_danger_with_the_care_team(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened("a crisis", level="E4", owner_role=roles.ON_CALL)))

        with pytest.raises(InvalidInput):
            tasks.hand_over("a crisis", to_role=roles.FRONT_DESK, by=SUPERVISOR)
        assert (
            tasks.hand_over("a crisis", to_role=roles.CLINICIAN, by=SUPERVISOR)["asked_role"] == "clinician"
        )


class TestClosure:
    def test_is_for_the_service_that_asks(self, room: Room, tasks: List) -> None:
        check = opened("a check", task="supervisor_review", owner_role=roles.SUPERVISOR)
        room.deliver(told_by(room, check, "monitoring"))

        assert tasks.closure("a check", by=SUPERVISOR) == (
            "monitoring",
            {
                "task_id": derived_id("task", "a check"),
                "task": "supervisor_review",
                "about_id": derived_id("outreach", "a check"),
                "outcome": "DONE",
            },
        )

    def test_is_refused_where_an_action_ends_the_task_and_names_it(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened()))

        with pytest.raises(Conflict) as refused:
            tasks.closure("a call", by=SUPERVISOR)

        assert refused.value.code == "task_closed_by_its_action"
        assert refused.value.rule == f"POST /v1/outreach/{derived_id('outreach', 'a call')}/attempts"

    def test_is_refused_to_roles_that_are_not_asked(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened("a check", task="lapse_contact")))

        with pytest.raises(Forbidden):
            tasks.closure("a check", by=FRONT_DESK)

    def test_is_refused_while_somebody_else_has_it(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened("a check", task="lapse_contact")))
        tasks.claim("a check")

        with pytest.raises(Conflict):
            tasks.closure("a check", by=OTHER_COUNSELOR)
        assert tasks.closure("a check", by=COUNSELOR)[0] == "monitoring"
        assert tasks.closure("a check", by=SUPERVISOR)[0] == "monitoring"


def story(room: Room, tasks: List) -> list[Envelope]:
    """Let a task be opened, taken, handed over, withdrawn and asked anew; return all that was told."""
    parts = [told_by(room, opened())]
    room.deliver(parts[-1])
    tasks.claim()
    # At the same moment of program time, which may be simulated.
    tasks.hand_over(to_role=roles.CLINICIAN, to_id="clinician-3", by=COUNSELOR)
    parts.append(told_by(room, closed(outcome="WITHDRAWN")))
    parts.append(told_by(room, opened(due_at=BEGINNING + timedelta(hours=5), reason="NOT_REACHED_YET")))
    room.deliver(*parts[1:])
    room.at(BEGINNING + timedelta(minutes=10))
    tasks.claim(by=OTHER_COUNSELOR)
    return [*parts, *room.announced_envelopes]


class TestAnyOrder:
    def test_of_all_that_was_told_ends_in_the_same_row(self, room: Room, tasks: List, room_of: Any) -> None:
        told = story(room, tasks)
        assert len(told) == 6
        other = List(room_of(Gateway))

        for order in itertools.permutations(told):
            with other.room.db() as db:
                db.execute(sa.delete(tables.work))
                for envelope in order:
                    work.keep(db, envelope)
                    if random.Random(order[0].event_id).random() < 0.5:
                        work.keep(db, order[0])
            assert other.rows() == tasks.rows()

    def test_of_deliveries_with_doubles_ends_in_the_same_row(
        self, room: Room, tasks: List, room_of: Any
    ) -> None:
        told = story(room, tasks)
        other = List(room_of(Gateway))
        shuffled = [*told, *told]
        random.Random(7).shuffle(shuffled)

        other.room.deliver(*shuffled)

        assert other.rows() == tasks.rows()


class TestRebuild:
    def test_makes_the_same_list_from_the_archive(self, room: Room, tasks: List) -> None:
        told = story(room, tasks)
        room.deliver(*room.announced_envelopes, told_by(room, opened("a letter")))
        before = tasks.rows()

        with room.db() as db:
            count = work.rebuild(db)

        assert tasks.rows() == before
        assert (len(before), count) == (2, len(told) + 1 + 3)

    def test_forgets_nothing_that_is_on_its_way_to_the_archive(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened()))
        tasks.claim()
        before = tasks.rows()

        with room.db() as db:
            work.rebuild(db)

        assert tasks.rows() == before
        assert before[0]["held_by"] == COUNSELOR.actor_id

    def test_drops_what_nobody_ever_told(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened()))
        with room.db() as db:
            tables.keep_task_part(
                db,
                tenant_id=TENANT,
                task_id=new_id(),
                newness="closing_id",
                values={"closing_id": new_id(), "outcome": "DONE", "closed_at": BEGINNING},
            )

            work.rebuild(db)

        assert len(tasks.rows()) == 1

    def test_is_an_operators_command(self, room: Room, tasks: List) -> None:
        # More than are fetched at once.
        many = [told_by(room, opened(str(number))) for number in range(1100)]
        with room.db() as db:
            tables.keep_events(db, many, received_at=BEGINNING)
        told = story(room, tasks)
        url = room.engine.url.render_as_string(hide_password=False)

        ended = CliRunner(
            env={
                "HOMEWARD_DATABASE_URL": "postgresql+psycopg2:///{service}",
                "HOMEWARD_DATABASE_URL_GATEWAY": url,
            }
        ).invoke(main, ["work", "rebuild"])

        assert (ended.exit_code, ended.output) == (0, f"made anew from {1100 + len(told)} events\n")
        assert len(tasks.rows()) == 1101

    def test_lets_those_who_take_tasks_wait_and_loses_none_of_it(self, room: Room, tasks: List) -> None:
        room.deliver(told_by(room, opened("a call")), told_by(room, opened("a letter")))
        claimed: list[dict[str, Any]] = []
        claiming = threading.Thread(target=lambda: claimed.append(tasks.claim("a call")))

        with room.db() as db:
            work.rebuild(db)
            claiming.start()
            assert waits_for_a_lock(room.engine)
            assert claimed == []
            seen_meanwhile = len(tasks.read())
        claiming.join(timeout=60)

        assert seen_meanwhile == 2
        assert [item["claimed_by"] for item in claimed] == [COUNSELOR.actor_id]


def wait_until(holds: Callable[[], bool], *, seconds: float = 60) -> None:
    """Wait until something is so."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "it never came to be"
        time.sleep(0.05)


class Door:
    """The work list over HTTP."""

    def __init__(self, house: House) -> None:
        self.house = house

    def ask(self, *, task: str = "lapse_contact", **told: Any) -> str:
        """Have a service ask a counselor for something; return the task's id once it is listed."""
        asked = {
            "task_id": new_id(),
            "task": task,
            "owner_role": roles.COUNSELOR,
            "reason": "LAPSE",
            "about_id": new_id(),
            "patient_id": new_id(),
        }
        asked |= told
        answer = self.house.post("/v1/safety-concerns", {"patient_id": new_id(), "tasks": [asked]})
        assert answer.status == 201, answer
        wait_until(lambda: self.find(asked["task_id"]) is not None)
        return str(asked["task_id"])

    def items(self, query: str = "", **options: Any) -> list[dict[str, Any]]:
        answer = self.house.get(f"/v1/work?limit=500&{query}", **options)
        assert answer.status == 200, answer
        return list(answer.body["items"])

    def find(self, task_id: str) -> dict[str, Any] | None:
        return next((item for item in self.items() if item["task_id"] == task_id), None)

    def do(
        self, task_id: str, what: str, body: Any = None, *, by: Actor = COUNSELOR, **options: Any
    ) -> Answer:
        token = self.house.token(by.role, actor_id=by.actor_id, credential=by.credential)
        return self.house.post(f"/v1/work/{task_id}/{what}", body, token=token, **options)

    def audited(self, action: str) -> list[Any]:
        engine = new_engine(self.house.database_url.replace("{service}", "gateway"))
        with engine.connect() as connection:
            rows = connection.execute(sa.select(audit).where(audit.c.action == action)).all()
        engine.dispose()
        return list(rows)


@pytest.fixture
def door(house: House) -> Door:
    return Door(house)


class TestOverHttp:
    def test_is_read_by_staff_and_by_nobody_else(self, house: House, door: Door) -> None:
        task_id = door.ask()

        for role in STAFF:
            assert task_id in [item["task_id"] for item in door.items(role=role)]
        assert house.get("/v1/work", role=roles.PARTNER).code == "not_found"
        patient = house.token(roles.PATIENT, actor_id=new_id(), scopes=tokens.SCOPES)
        assert house.get("/v1/work", token=patient).code == "role_may_not"
        assert house.get("/v1/work", token=house.token(scopes=("work:write",))).code == "scope_missing"

    def test_answers_as_documented(self, house: House, door: Door) -> None:
        task_id = door.ask()

        (item,) = (item for item in door.items() if item["task_id"] == task_id)

        declared = schemas.Task().fields
        assert set(item) == set(declared)
        assert schemas.Task().validate(item) == {}
        assert (item["service"], item["action"]) == ("monitoring", f"/v1/work/{task_id}/closures")

    def test_shows_another_tenant_nothing(self, house: House, door: Door) -> None:
        task_id = door.ask()
        neighbour = house.token(roles.SUPERVISOR, tenant="hillside")

        assert door.items(token=neighbour) == []
        for what, body in (
            ("claims", {}),
            ("handovers", {"to_role": roles.CLINICIAN}),
            ("closures", {"outcome": "DONE"}),
        ):
            theirs = house.post(f"/v1/work/{task_id}/{what}", body, token=neighbour)
            nobodys = house.post(f"/v1/work/{new_id()}/{what}", body, token=neighbour)
            assert theirs.code == nobodys.code == "not_found"
            assert theirs.body["detail"] == nobodys.body["detail"]

    def test_takes_filters_and_refuses_others(self, house: House, door: Door) -> None:
        first, second = door.ask(owner_role=roles.FRONT_DESK), door.ask(due_at="2096-02-02T15:00:00Z")

        assert first in [item["task_id"] for item in door.items("role=front_desk&unclaimed=true")]
        assert second not in [item["task_id"] for item in door.items("role=front_desk")]
        assert second in [item["task_id"] for item in door.items("overdue=false")]
        assert first in [item["task_id"] for item in door.items("overdue=true&task=lapse_contact")]
        for query in ("role=partner", "limit=0", "mine=perhaps", "after=x", "patient_id=x", "wish=all"):
            assert house.get(f"/v1/work?{query}").status == 422, query

    def test_records_who_looked(self, house: House, door: Door) -> None:
        patient_id = new_id()

        door.items(f"patient_id={patient_id}", role=roles.SUPERVISOR)

        def is_recorded() -> bool:
            rows = [row for row in door.audited("list_work") if row.about_id == patient_id]
            return [(row.actor_role, row.outcome) for row in rows] == [("supervisor", "allowed")]

        wait_until(is_recorded)

    def test_records_who_took_a_task(self, door: Door) -> None:
        task_id = door.ask()
        patient_id = str((door.find(task_id) or {})["patient_id"])

        door.do(task_id, "claims")

        rows = [row for row in door.audited("claim_task") if row.about_id == patient_id]
        assert [(row.actor_id, row.outcome) for row in rows] == [(COUNSELOR.actor_id, "done")]

    def test_gives_one_answer_to_one_key(self, door: Door) -> None:
        task_id, key = door.ask(), new_id()

        first = door.do(task_id, "claims", key=key)
        again = door.do(task_id, "claims", key=key)
        other = door.do(task_id, "claims", by=OTHER_COUNSELOR, key=key)

        assert (first.status, again.status) == (201, 201)
        assert first.body == again.body
        assert again.headers["Idempotency-Replayed"] == "true"
        assert other.code == "task_is_taken"
        door.do(task_id, "handovers", {"to_role": roles.COUNSELOR}, key=(given := new_id()))
        assert (
            door.do(task_id, "handovers", {"to_role": roles.CLINICIAN}, key=given).code == "command_id_reused"
        )

    def test_keeps_no_memory_of_what_was_refused(self, door: Door) -> None:
        task_id, key = door.ask(), new_id()
        door.do(task_id, "claims")
        assert door.do(task_id, "claims", by=OTHER_COUNSELOR, key=key).code == "task_is_taken"
        door.do(task_id, "handovers", {"to_role": roles.COUNSELOR})

        assert door.do(task_id, "claims", by=OTHER_COUNSELOR, key=key).status == 201

    def test_lets_exactly_one_of_twenty_take_a_task(self, house: House, door: Door) -> None:
        task_id = door.ask()
        people = [Actor(actor_id=f"counselor-{number}", role=roles.COUNSELOR) for number in range(20)]
        together = threading.Barrier(len(people))
        answers: dict[str, Answer] = {}

        def claim(by: Actor) -> None:
            key = new_id()
            together.wait()
            answers[by.actor_id] = door.do(task_id, "claims", by=by, key=key)
            while answers[by.actor_id].status == 503:
                # Too much is going on; the same request is safe to repeat.
                answers[by.actor_id] = door.do(task_id, "claims", by=by, key=key)

        threads = [threading.Thread(target=claim, args=(by,)) for by in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        (winner,) = [who for who, answer in answers.items() if answer.status == 201]
        assert [answer.code for who, answer in answers.items() if who != winner] == ["task_is_taken"] * 19
        assert (door.find(task_id) or {})["claimed_by"] == winner

    def test_tells_what_happened_to_a_task_in_the_feed(self, house: House, door: Door) -> None:
        task_id = door.ask()
        door.do(task_id, "claims")
        door.do(task_id, "handovers", {"to_role": roles.CLINICIAN, "to_id": "clinician-3"})

        def told() -> list[dict[str, Any]]:
            page = house.get("/v1/events?type=task_claimed&type=task_handed_over&limit=1000").body
            return [one for one in page["items"] if one["data"]["task_id"] == task_id]

        wait_until(lambda: len(told()) == 2)
        assert [one["type"] for one in told()] == ["homeward.task_claimed", "homeward.task_handed_over"]
        assert {one["actorid"] for one in told()} == {COUNSELOR.actor_id}
        # Each by a command of its own, so that it can be traced.
        assert len({one["causationid"] for one in told()}) == 2


class TestClosureOverHttp:
    def test_is_done_by_the_service_as_the_caller(self, door: Door) -> None:
        task_id = door.ask()

        answer = door.do(task_id, "closures", {"outcome": "DONE"})

        assert answer.status == 201
        assert answer.body["by"] == [COUNSELOR.actor_id, COUNSELOR.role, COUNSELOR.credential]
        wait_until(lambda: door.find(task_id) is None)
        assert door.do(task_id, "claims").code == "task_is_closed"

    def test_again_with_the_same_key_gets_the_first_answer(self, door: Door) -> None:
        task_id, key = door.ask(), new_id()
        first = door.do(task_id, "closures", {"outcome": "DONE"}, key=key)
        wait_until(lambda: door.find(task_id) is None)

        again = door.do(task_id, "closures", {"outcome": "DONE"}, key=key)

        assert again.body == first.body
        assert again.headers["Idempotency-Replayed"] == "true"

    def test_names_the_action_that_ends_the_task(self, door: Door) -> None:
        about_id = new_id()
        task_id = door.ask(task="escalation", about_id=about_id, level="E4")

        answer = door.do(task_id, "closures", {"outcome": "DONE"}, by=SUPERVISOR)

        assert (answer.status, answer.code) == (409, "task_closed_by_its_action")
        assert answer.fields == {"task_id": f"POST /v1/escalations/{about_id}/acknowledgement"}

    def test_takes_the_outcomes_that_people_can_give(self, door: Door) -> None:
        task_id = door.ask()

        for outcome in ("ESCALATED", "done", None, 7):
            assert door.do(task_id, "closures", {"outcome": outcome}).fields.keys() == {"outcome"}

    def test_is_for_staff_who_are_asked(self, door: Door) -> None:
        task_id = door.ask(owner_role=roles.SUPERVISOR)

        for by in (COUNSELOR, Actor(actor_id="x", role=roles.PARTNER)):
            assert door.do(task_id, "closures", {"outcome": "DONE"}, by=by).status == 403


class TestEveryTask:
    """Made from the code of the services, so that a new task is asked about as well."""

    def test_is_ended_by_an_action_or_by_hand(self) -> None:
        asked = tasks_asked_for()

        assert asked["escalation"] == {"monitoring"}
        assert {name for name in asked if name not in work.ACTIONS and name not in BY_HAND} == set()
        assert set(work.ACTIONS) | set(BY_HAND) == set(asked)
        assert set(work.ACTIONS) & set(BY_HAND) == set()

    def test_of_a_service_is_closed_there(self) -> None:
        for name, services in tasks_asked_for().items():
            if name in BY_HAND:
                assert services == {BY_HAND[name]}, name

    def test_names_an_action_that_is_there(self) -> None:
        commands = {_shape(route.path) for _, route in openapi.routes_of(Gateway) if route.is_command}

        assert {name for name, path in work.ACTIONS.items() if _shape(path) not in commands} == set()
        assert {_shape(work.CLOSURE), _shape(work.ACKNOWLEDGEMENT)} <= commands


#: The service that closes each task that no action of its own ends.
BY_HAND = {
    name: contracts.__name__.rsplit(".", 1)[-1]
    for contracts in (aftercare, intake, monitoring, scheduling)
    for name in getattr(contracts, "TASKS_CLOSED_BY_HAND", ())
}


def _shape(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


def tasks_asked_for() -> dict[str, set[str]]:
    """Return the names of the tasks that the rules of each service ask for, as their code says.

    A name is the text given as ``task=``, or the constant of that module; where it is worked out, it is
    an attribute or a variable, whose texts stand somewhere else as ``task=`` or in SAFETY_TASKS.
    """
    found: dict[str, set[str]] = {}
    for place in sorted((ROOT / "services").rglob("domain/*.py")):
        service = place.relative_to(ROOT / "services").parts[0]
        tree = ast.parse(place.read_text(encoding="utf-8"))
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "task":
                name = _named(node.value, constants)
                if name is not None:
                    found.setdefault(name, set()).add(service)
    for tasks in SAFETY_TASKS.values():
        for name, _ in tasks:
            found.setdefault(name, set()).add("monitoring")
    return found


def _named(value: ast.expr, constants: dict[str, Any]) -> str | None:
    if isinstance(value, ast.Constant):
        return str(value.value)
    if isinstance(value, ast.Name) and value.id in constants:
        return str(constants[value.id])
    # step.task, self.task, task: whoever made them gave the name, here or in another module.
    assert isinstance(value, ast.Attribute) or (isinstance(value, ast.Name) and value.id == "task"), ast.dump(
        value
    )
    return None
