"""The waiting list over intake's ways in: the order of the law, clocks, offers, and races for a seat."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
import sqlalchemy as sa

from services.intake import tables
from services.intake.domain import admission_clocks as clocks
from services.intake.service import Intake
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Event
from shared.contracts.intake import (
    ADMISSION_CLOCKS,
    AdmissionClockBreached,
    AdmissionOfferSettled,
    AdmissionSeatOffered,
    AdmissionWaitBegan,
    AdmissionWaitEnded,
    InterimServicesProvided,
)
from shared.contracts.scheduling import StandingPlaceFreed
from shared.errors import Conflict, InvalidInput, NotFound, Refusal
from shared.ids import derived_id, new_id
from shared.notification.tables import notifications
from tests.intake.builders import SITE_ID
from tests.intake.test_service import House
from tests.support import Room

INTERIM, FIRST, LAST = ADMISSION_CLOCKS
DAY = timedelta(days=1)


class Queue(House):
    """A house with more people than seats."""

    def wanting(self, name: str, **referral: Any) -> dict[str, Any]:
        """Refer somebody, and decide to admit them here."""
        person = {"given_name": name, "email": f"{name.lower()}@example.org"}
        told = self.refer(patient=person, **referral)
        self.decide(self.assess(told["episode_id"]), "2.1")
        return told

    def wait(self, who: dict[str, Any], **flags: Any) -> dict[str, Any]:
        request = {"episode_id": who["episode_id"], **flags}
        return self.room.call("wait_for_admission", request, role=roles.FRONT_DESK)

    def joined(self, name: str, **flags: Any) -> dict[str, Any]:
        return self.wait(self.wanting(name), **flags)

    def free(self, *names: str) -> None:
        self.room.deliver(*(freed(name, self.room) for name in names))

    def add_seats(self, seats: int) -> dict[str, Any]:
        told = {"site_id": SITE_ID, "seats": seats}
        return self.room.call("add_admission_seats", told, role=roles.OPERATIONS, credential="")

    def do(self, name: str, wait: dict[str, Any], **more: Any) -> dict[str, Any]:
        return self.room.call(name, {"wait_id": wait["wait_id"], **more}, role=roles.FRONT_DESK)

    def admit(self, who: dict[str, Any]) -> dict[str, Any]:
        self.consent(who["patient_id"])
        return self.room.call("admit_patient", {"episode_id": who["episode_id"]}, role=roles.FRONT_DESK)

    def record_codes(self, who: dict[str, Any], teds: dict[str, int]) -> dict[str, Any]:
        request = {"episode_id": who["episode_id"], "teds": teds}
        return self.room.call("record_teds_codes", request, role=roles.FRONT_DESK)

    def listed(self) -> list[dict[str, Any]]:
        return self.room.ask("list_admission_waits", {"site_id": SITE_ID})["items"]

    def order(self) -> list[str]:
        return [one["wait_id"] for one in self.listed()]

    def state(self, wait: dict[str, Any]) -> str:
        return str(self.room.ask("get_admission_wait", {"wait_id": wait["wait_id"]})["state"])

    def status(self, who: dict[str, Any]) -> dict[str, Any]:
        return self.room.ask("get_status", {"patient_id": who["patient_id"]}, role=roles.FRONT_DESK)

    def offered(self) -> list[str]:
        return [one.wait_id for one in self.room.announced_of(AdmissionSeatOffered)]

    def settled(self) -> list[str]:
        return [one.outcome for one in self.room.announced_of(AdmissionOfferSettled)]

    def seats(self) -> dict[str, int]:
        with self.room.engine.connect() as connection:
            rows = connection.execute(
                sa.select(tables.admission_seat_rows.c.state, sa.func.count()).group_by(
                    tables.admission_seat_rows.c.state
                )
            )
            return {state: count for state, count in rows}  # noqa: C416  # rows are no pairs

    def tasks(self, task: str, kind: type[Any] = TaskOpened) -> list[Any]:
        return [one for one in self.room.announced_of(kind) if one.task == task]


def freed(name: str, room: Room) -> StandingPlaceFreed:
    return StandingPlaceFreed(place_id=derived_id("plan", name), site_id=SITE_ID, freed_at=room.now)


def together(room: Room, calls: Iterable[Callable[[], Any]]) -> list[Any]:
    """Do things at one moment, each with a connection of its own; return answers and refusals."""
    asked = list(calls)
    gate, found = Barrier(len(asked)), [None] * len(asked)

    def do(place: int) -> None:
        gate.wait()
        try:
            found[place] = asked[place]()
        except Refusal as refusal:
            found[place] = refusal  # type: ignore[call-overload]  # either is looked at

    threads = [Thread(target=do, args=(place,)) for place in range(len(asked))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return found


@pytest.fixture
def queue(room_of: Callable[[type], Room]) -> Queue:
    return Queue(room_of(Intake))


class TestOrder:
    def test_is_that_of_the_law_from_what_is_known_of_people(self, queue: Queue) -> None:
        other = queue.joined("Olive")
        told = queue.wait(queue.wanting("Ivy", teds={"IDU": 1}))
        referral = queue.refer(patient={"given_name": "Petra"}, teds={"IDU": 1})
        queue.decide(queue.assess(referral["episode_id"], pregnant=True), "2.1")
        both = queue.wait(referral)
        pregnant = queue.joined("Pia", pregnant=True)

        assert queue.order() == [one["wait_id"] for one in (both, pregnant, told, other)]
        assert [one["position"] for one in queue.listed()] == [1, 2, 3, 4]
        began = queue.room.announced_of(AdmissionWaitBegan)
        assert [one.priority for one in began] == ["OTHER", "INJECTING", "PREGNANT_INJECTING", "PREGNANT"]

    def test_follows_a_pregnancy_that_becomes_known(self, queue: Queue) -> None:
        first, second = queue.joined("Olive"), queue.wanting("Pia")
        waiting = queue.wait(second)
        queue.assess(second["episode_id"], pregnant=True)

        assert queue.order() == [waiting["wait_id"], first["wait_id"]]
        assert [one.reason for one in queue.tasks("interim_services")] == [INTERIM]

    def test_knows_an_injection_by_its_route(self, queue: Queue) -> None:
        other = queue.joined("Olive")
        injecting = queue.wait(queue.wanting("Ivy", teds={"SUB1": 5, "ROUTE1": 4}))

        assert queue.order() == [injecting["wait_id"], other["wait_id"]]

    def test_follows_codes_that_are_recorded_later(self, queue: Queue) -> None:
        first, second = queue.joined("Olive"), queue.wanting("Ivy")
        waiting = queue.wait(second)

        queue.room.advance(20 * DAY)
        queue.record_codes(second, {"ROUTE1": 4, "SUB1": 5, "PREG": 1})
        queue.record_codes(second, {"ROUTE1": 4, "PREG": -9})

        assert queue.order() == [waiting["wait_id"], first["wait_id"]]
        assert [one.reason for one in queue.tasks("interim_services")] == [INTERIM]
        assert [one.reason for one in queue.tasks("admission_in_time")] == [FIRST]
        assert queue.room.announced_of(AdmissionClockBreached) == []
        queue.room.advance(clocks.WRITTEN_DOWN_WITHIN)
        assert {one.clock for one in queue.room.announced_of(AdmissionClockBreached)} == {INTERIM, FIRST}

    def test_asks_for_no_more_of_somebody_pregnant_who_injects_as_well(self, queue: Queue) -> None:
        who = queue.wanting("Pia")
        wait = queue.wait(who, pregnant=True)
        queue.do("record_interim_services", wait, services=[*clocks.REQUIRED, *clocks.REQUIRED_IF_PREGNANT])

        queue.record_codes(who, {"IDU": 1})

        assert [one.reason for one in queue.tasks("interim_services")] == [INTERIM]
        assert [one.reason for one in queue.tasks("admission_in_time")] == [FIRST]

    def test_is_told_to_no_patient_and_no_outsider(self, queue: Queue) -> None:
        who = queue.wanting("Olive")
        wait = queue.wait(who)
        own = {"role": roles.PATIENT, "actor_id": who["patient_id"], "credential": ""}

        seen = queue.room.ask("get_admission_wait", {"wait_id": wait["wait_id"]}, **own)
        assert not {"position", "priority", "clocks"} & seen.keys()
        assert not {"position", "priority", "clocks"} & queue.status(who).keys()
        for role in (roles.PATIENT, roles.PARTNER):
            with pytest.raises(Refusal):
                queue.room.ask("list_admission_waits", {"site_id": SITE_ID}, role=role)
        stranger = own | {"actor_id": new_id()}
        for name in ("get_admission_wait", "accept_admission_offer", "decline_admission_offer"):
            with pytest.raises(NotFound):
                queue.room.call(name, {"wait_id": wait["wait_id"]}, **stranger)
            with pytest.raises(NotFound):
                queue.room.call(
                    name, {"wait_id": wait["wait_id"]}, role=roles.CLINICIAN, tenant_id="riverside"
                )

    def test_takes_nobody_twice_and_nobody_who_was_not_decided_on(self, queue: Queue) -> None:
        who = queue.wanting("Olive")
        queue.wait(who)

        with pytest.raises(Conflict):
            queue.wait(who)
        with pytest.raises(Conflict):
            queue.wait(queue.refer(patient={"given_name": "Nell"}))


class TestOffers:
    def test_come_when_scheduling_frees_a_place_to_the_next_by_law(self, queue: Queue) -> None:
        who = queue.wanting("Ivy")
        queue.joined("Olive")
        ivy = queue.wait(who, injecting=True)
        queue.free("Ada")

        (offered,) = queue.room.announced_of(AdmissionSeatOffered)
        (task,) = queue.tasks("admission_offer")
        status = queue.status(who)
        assert offered.wait_id == ivy["wait_id"]
        assert task.due_at == offered.expires_at == queue.room.now + timedelta(hours=24)
        assert (status["next_step"], bool(status["bring"])) == ("TAKE_PLACE", True)
        assert status["next_step_by"] is not None
        with queue.room.engine.connect() as connection:
            sent = connection.execute(sa.select(notifications.c.template, notifications.c.patient_id)).all()
        assert [tuple(row) for row in sent] == [("NEWS_FOR_YOU", who["patient_id"])]

    def test_come_once_however_often_a_place_is_told(self, queue: Queue) -> None:
        queue.joined("Olive")
        queue.joined("Ivy")
        event: Event = freed("Ada", queue.room)
        queue.room.deliver(event, event, queue.room.envelope_of(event))

        assert len(queue.offered()) == 1
        assert queue.seats() == {"OFFERED": 1}

    def test_come_at_once_where_a_seat_was_free_already(self, queue: Queue) -> None:
        queue.free("Ada")
        wait = queue.joined("Olive")

        assert wait["state"] == "OFFERED"

    def test_go_to_the_next_in_order_when_nobody_takes_them(self, queue: Queue) -> None:
        ivy, olive, oscar = queue.joined("Ivy", injecting=True), queue.joined("Olive"), queue.joined("Oscar")
        queue.free("Ada")
        queue.room.advance(timedelta(hours=24))
        queue.room.advance(timedelta(hours=24))

        assert queue.offered() == [one["wait_id"] for one in (ivy, olive, oscar)]
        assert queue.settled() == ["EXPIRED", "EXPIRED"]
        assert [one.about_id for one in queue.tasks("admission_offer_missed")] == [
            one["wait_id"] for one in (ivy, olive)
        ]
        # Who let one pass keeps their place, and is the next for another.
        queue.free("Ben")
        assert queue.offered()[-1] == ivy["wait_id"]

    def test_go_to_the_next_when_declined(self, queue: Queue) -> None:
        ivy, olive = queue.joined("Ivy", injecting=True), queue.joined("Olive")
        queue.free("Ada")
        queue.do("decline_admission_offer", ivy)

        assert (queue.state(ivy), queue.state(olive)) == ("WAITING", "OFFERED")
        assert queue.order() == [ivy["wait_id"], olive["wait_id"]]

    def test_that_are_taken_are_kept_until_the_admission(self, queue: Queue) -> None:
        who = queue.wanting("Olive")
        wait = queue.wait(who)
        queue.free("Ada")
        own = {"role": roles.PATIENT, "actor_id": who["patient_id"], "credential": ""}
        queue.room.call("accept_admission_offer", {"wait_id": wait["wait_id"]}, **own)
        queue.room.advance(timedelta(days=2))
        kept = queue.seats()
        queue.admit(who)

        (ended,) = queue.room.announced_of(AdmissionWaitEnded)
        assert kept == {"PROMISED": 1}
        assert queue.seats() == {"TAKEN": 1}
        assert (ended.outcome, ended.days, ended.daywait) == ("ADMITTED", 2, 1)
        assert [one.outcome for one in queue.tasks("admission_promised", TaskClosed)] == ["DONE"]
        assert queue.room.timers() == []

    def test_end_with_the_waiting_and_the_seat_goes_on(self, queue: Queue) -> None:
        ivy, olive = queue.joined("Ivy", injecting=True), queue.joined("Olive")
        queue.free("Ada")
        queue.do("accept_admission_offer", ivy)
        removed = queue.do("remove_admission_wait", ivy, reason="CANNOT_BE_LOCATED")

        assert (removed["state"], removed["reason"]) == ("REMOVED", "CANNOT_BE_LOCATED")
        assert queue.order() == [olive["wait_id"]]
        assert queue.state(olive) == "OFFERED"
        with pytest.raises(Conflict):
            queue.do("remove_admission_wait", ivy, reason="DIED")

    def test_end_when_somebody_needs_another_level_of_care(self, queue: Queue) -> None:
        who = queue.wanting("Ivy")
        ivy, olive = queue.wait(who, injecting=True), queue.joined("Olive")
        queue.free("Ada")
        queue.decide(queue.assess(who["episode_id"]), "3.7")

        assert (queue.state(ivy), queue.state(olive)) == ("REMOVED", "OFFERED")

    def test_come_for_room_that_the_program_makes(self, queue: Queue) -> None:
        for name in ("Ivy", "Olive"):
            queue.joined(name)

        assert queue.add_seats(3) == {"site_id": SITE_ID, "free": 1, "waiting": 2}


class TestRaces:
    def test_two_seats_freed_at_once_go_to_two_people(self, queue: Queue) -> None:
        waits = {queue.joined(name)["wait_id"] for name in ("Ivy", "Olive")}
        events = [queue.room.envelope_of(freed(name, queue.room)) for name in ("Ada", "Ben")]

        together(queue.room, [lambda one=one: queue.room.deliver(one) for one in events])

        assert sorted(queue.offered()) == sorted(waits)
        assert queue.seats() == {"OFFERED": 2}

    def test_one_seat_never_goes_to_two_who_join_at_once(self, queue: Queue) -> None:
        people = [queue.wanting(name) for name in ("Ivy", "Olive", "Oscar")]
        queue.add_seats(1)

        together(queue.room, [lambda who=who: queue.wait(who) for who in people])

        assert len(queue.offered()) == 1
        assert sorted(one["state"] for one in queue.listed()) == ["OFFERED", "WAITING", "WAITING"]

    def test_of_taking_and_removing_at_once_one_comes_second(self, queue: Queue) -> None:
        ivy, olive = queue.joined("Ivy", injecting=True), queue.joined("Olive")
        queue.free("Ada")

        found = together(
            queue.room,
            [
                lambda: queue.do("accept_admission_offer", ivy),
                lambda: queue.do("remove_admission_wait", ivy, reason="REFUSES_TREATMENT"),
            ],
        )

        assert not isinstance(found[1], Refusal)
        assert (queue.state(ivy), queue.state(olive)) == ("REMOVED", "OFFERED")
        assert queue.seats() == {"OFFERED": 1}

    def test_a_seat_taken_while_offered_is_the_last_ones_who_waits_on(self, queue: Queue) -> None:
        ivy, olive = queue.joined("Ivy", injecting=True), queue.joined("Olive")
        queue.add_seats(2)
        queue.admit(queue.wanting("Rae"))
        seats = queue.seats()
        queue.free("Ada")

        assert (queue.state(ivy), seats) == ("OFFERED", {"OFFERED": 1, "TAKEN": 1})
        assert queue.settled() == ["WITHDRAWN"]
        # Nothing was let pass: the next seat is theirs.
        assert queue.offered()[-1] == olive["wait_id"]
        assert queue.state(olive) == "OFFERED"
        assert len(queue.tasks("admission_offer")) == 3
        # Somebody answers for it that the order was not kept.
        (looked_at,) = queue.tasks("waiting_list_passed_over")
        assert (looked_at.owner_role, looked_at.about_id) == (roles.SUPERVISOR, olive["wait_id"])

    def test_a_seat_that_was_taken_is_promised_and_gives_way_to_nobody(self, queue: Queue) -> None:
        ivy = queue.joined("Ivy")
        queue.add_seats(1)
        queue.do("accept_admission_offer", ivy)
        queue.admit(queue.wanting("Rae"))

        assert queue.state(ivy) == "ACCEPTED"
        assert queue.seats() == {"PROMISED": 1}

    def test_an_offer_taken_as_it_ends_is_taken_or_over(self, queue: Queue) -> None:
        ivy, olive = queue.joined("Ivy", injecting=True), queue.joined("Olive")
        queue.free("Ada")
        queue.room.at(queue.room.now + timedelta(hours=24))
        with pytest.raises(Conflict):
            queue.do("accept_admission_offer", ivy)
        queue.room.fire_due()

        assert (queue.state(ivy), queue.state(olive)) == ("WAITING", "OFFERED")

    def test_an_admission_counts_a_free_seat(self, queue: Queue) -> None:
        queue.add_seats(1)
        queue.admit(queue.wanting("Rae"))

        assert queue.joined("Olive")["state"] == "WAITING"


class TestClocks:
    def test_ask_for_interim_services_within_48_hours_and_then_the_supervisor(self, queue: Queue) -> None:
        queue.joined("Ivy", injecting=True)
        (asked,) = queue.tasks("interim_services")
        queue.room.advance(timedelta(hours=49))

        (breached,) = queue.room.announced_of(AdmissionClockBreached)
        _, escalated = queue.tasks("interim_services")
        assert asked.due_at == breached.due_at
        assert breached.clock == INTERIM
        assert (escalated.owner_role, escalated.reason) == (roles.SUPERVISOR, f"{INTERIM}_PASSED")
        assert [one.outcome for one in queue.tasks("interim_services", TaskClosed)] == ["ESCALATED"]

    def test_stop_when_all_was_given(self, queue: Queue) -> None:
        ivy = queue.joined("Ivy", injecting=True)
        queue.do("record_interim_services", ivy, services=list(clocks.REQUIRED))
        queue.room.advance(timedelta(days=13))

        (provided,) = queue.room.announced_of(InterimServicesProvided)
        assert provided.in_time
        assert queue.room.announced_of(AdmissionClockBreached) == []
        assert [one.outcome for one in queue.tasks("interim_services", TaskClosed)] == ["DONE"]

    def test_allow_120_days_then_and_not_a_day_more(self, queue: Queue) -> None:
        ivy = queue.joined("Ivy", injecting=True)
        queue.do("record_interim_services", ivy, services=list(clocks.REQUIRED))
        queue.room.advance(timedelta(days=15))
        after_14_days = queue.room.announced_of(AdmissionClockBreached)
        queue.room.advance(timedelta(days=106))

        assert after_14_days == []
        assert [one.clock for one in queue.room.announced_of(AdmissionClockBreached)] == [LAST]
        asked = [(one.owner_role, one.reason) for one in queue.tasks("admission_in_time")]
        assert asked == [
            (roles.FRONT_DESK, FIRST),
            (roles.SUPERVISOR, LAST),
            (roles.MEDICAL_DIRECTOR, f"{LAST}_PASSED"),
        ]

    def test_are_breached_after_14_days_without_interim_services(self, queue: Queue) -> None:
        queue.joined("Ivy", injecting=True)
        queue.room.advance(timedelta(days=15))

        assert [one.clock for one in queue.room.announced_of(AdmissionClockBreached)] == [INTERIM, FIRST]

    def test_end_with_the_waiting(self, queue: Queue) -> None:
        ivy = queue.joined("Ivy", injecting=True, pregnant=True)
        queue.do("remove_admission_wait", ivy, reason="ADMITTED_ELSEWHERE")

        assert queue.room.timers() == []
        opened = {one.task_id for one in queue.room.announced_of(TaskOpened)}
        assert {one.task_id for one in queue.room.announced_of(TaskClosed)} >= opened

    def test_refuse_services_that_lie_ahead(self, queue: Queue) -> None:
        ivy = queue.joined("Ivy", injecting=True)
        ahead = (queue.room.now + DAY).isoformat()

        with pytest.raises(InvalidInput):
            queue.do("record_interim_services", ivy, services=["NALOXONE"], provided_at=ahead)


class TestReport:
    def test_counts_days_of_waiting_in_the_buckets_of_teds(self, queue: Queue) -> None:
        beginning = queue.room.now
        for name, days in (("Ivy", 0), ("Olive", 7), ("Oscar", 15), ("Rae", 40)):
            received_at = (beginning - timedelta(days=days)).isoformat()
            queue.admit(queue.wanting(name, received_at=received_at))

        told = {"site_id": SITE_ID, "first_on": "2026-02-02", "last_on": "2026-02-02"}
        report = queue.room.ask("get_admission_wait_report", told)

        assert [one["admissions"] for one in report["buckets"]] == [1, 1, 0, 1, 1]
        assert [(one["from_days"], one["below_days"]) for one in report["buckets"]] == [
            (0, 1),
            (1, 8),
            (8, 15),
            (15, 31),
            (31, None),
        ]
        later = told | {"first_on": "2026-02-03", "last_on": "2026-02-03"}
        assert queue.room.ask("get_admission_wait_report", later)["admissions"] == 0

    def test_is_of_days_that_do_not_end_before_they_begin(self, queue: Queue) -> None:
        days = {"first_on": "2026-02-02", "last_on": "2026-02-01"}

        with pytest.raises(InvalidInput) as refused:
            queue.room.ask("get_admission_wait_report", {"site_id": SITE_ID, **days})

        assert refused.value.problems[0]["field"] == "last_on"

    def test_is_of_the_own_tenant_alone(self, queue: Queue) -> None:
        queue.admit(queue.wanting("Ivy"))
        site = {
            "site_id": SITE_ID,
            "name": "Other",
            "time_zone": "UTC",
            "levels_licensed": ["2.1"],
            "emergency_phone": "+1 312 555 0142",
        }
        queue.room.call("open_site", site, role=roles.OPERATIONS, tenant_id="riverside")
        told = {"site_id": SITE_ID, "first_on": "2026-02-02", "last_on": "2026-02-03"}

        assert queue.room.ask("get_admission_wait_report", told, tenant_id="riverside")["admissions"] == 0
