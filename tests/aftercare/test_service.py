"""Aftercare on a real database: graduation, discharge, what follows it, lapses."""

import itertools
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.aftercare import tables
from services.aftercare.domain.contacts import call_days
from services.aftercare.service import Aftercare
from shared.contracts.aftercare import (
    AftercareContactCompleted,
    AftercareContactDue,
    LapseReported,
    PatientDischarged,
    ProgramGraduated,
    ReentryRequested,
)
from shared.contracts.common import SafetyConcernRaised, TaskClosed, TaskOpened
from shared.contracts.event import write_moment
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import new_id
from tests.aftercare import telling
from tests.aftercare.telling import ADMITTED_AT, DANA, FIRST, JOURNEY, SECOND
from tests.support import Room

#: Twelve weeks after the admission, a Monday; daylight saving began in between.
END = ADMITTED_AT + timedelta(weeks=12)

RoomOf = Callable[[type], Room]


@pytest.fixture
def room(room_of: RoomOf) -> Room:
    room = room_of(Aftercare)
    room.at(END)
    return room


def contacts_of(room: Room, episode_id: str = FIRST) -> list[dict[str, Any]]:
    answer = room.ask("list_aftercare_contacts", {"episode_id": episode_id, "limit": 200})
    items: list[dict[str, Any]] = answer["items"]
    return items


def discharge(room: Room, reason_code: str = "2", **changed: Any) -> dict[str, Any]:
    """Discharge Dana and let aftercare react to it, as it would over the broker."""
    answer = room.call("discharge_patient", {"episode_id": FIRST, "reason_code": reason_code, **changed})
    room.deliver(room.announced_of(PatientDischarged)[-1])
    return answer


def make_ready(room: Room) -> None:
    room.deliver(telling.admitted(), telling.assessed(), telling.attended(82), telling.ready(room.now))
    room.call("attest_criterion", {"episode_id": FIRST, "attestations": telling.every_attestation()})
    room.call("write_aftercare_plan", telling.whole_plan(room.now))


def graduate(room: Room) -> dict[str, Any]:
    """Graduate Dana, who meets everything, and let aftercare react to it."""
    make_ready(room)
    answer = room.call("graduate_patient", {"episode_id": FIRST})
    room.deliver(room.announced_of(PatientDischarged)[-1], room.announced_of(ProgramGraduated)[-1])
    return answer


def raised(room: Room) -> list[tuple[str, str]]:
    return [(one.concern, one.level) for one in room.announced_of(SafetyConcernRaised)]


def rule_of(refusal: Any) -> list[str]:
    return [problem["rule"] for problem in refusal.problems]


class TestGraduationGate:
    def test_lists_everything_as_missing_on_the_first_day(self, room: Room) -> None:
        room.deliver(telling.admitted())

        gate = room.ask("get_graduation", {"episode_id": FIRST})

        assert gate["status"] == "IN_TREATMENT"
        assert gate["ready"] is False
        assert {finding["number"] for finding in gate["criteria"]} == set(range(1, 12))
        assert gate["missing"] == [finding["criterion"] for finding in gate["criteria"]]

    def test_names_who_attested_and_on_what_evidence(self, room: Room) -> None:
        make_ready(room)

        gate = room.ask("get_graduation", {"episode_id": FIRST})

        assert gate["ready"] is True
        (mood,) = (finding for finding in gate["criteria"] if finding["criterion"] == "MOOD")
        assert (mood["evidence"], mood["role"], mood["credential"]) == ("PHQ9_UNDER_10", "clinician", "LCSW")
        assert mood["told_at"] == write_moment(END)

    def test_takes_an_attestation_back(self, room: Room) -> None:
        make_ready(room)
        word = {"criterion": "MOOD", "evidence": "PHQ9_UNDER_10", "met": False}

        room.at(END + timedelta(hours=1))
        gate = room.call("attest_criterion", {"episode_id": FIRST, "attestations": [word]})

        assert gate["missing"] == ["MOOD"]

    def test_counts_no_use_as_missing_for_four_weeks_after_a_lapse(self, room: Room) -> None:
        make_ready(room)
        room.call("report_lapse", {"patient_id": DANA, "reported_by": "SELF", "substance": "ALCOHOL"})

        assert room.ask("get_graduation", {"episode_id": FIRST})["missing"] == ["NO_USE"]

        room.at(END + timedelta(days=28))
        assert "NO_USE" not in room.ask("get_graduation", {"episode_id": FIRST})["missing"]

    def test_refuses_evidence_that_says_nothing_about_the_criterion(self, room: Room) -> None:
        room.deliver(telling.admitted())
        word = {"criterion": "MOOD", "evidence": "BAM_SCORED"}

        with pytest.raises(InvalidInput) as refusal:
            room.call("attest_criterion", {"episode_id": FIRST, "attestations": [word]})

        assert refusal.value.code == "evidence_does_not_fit"

    def test_refuses_to_have_attendance_attested(self, room: Room) -> None:
        room.deliver(telling.admitted())
        word = {"criterion": "ATTENDANCE", "evidence": "BAM_SCORED"}

        with pytest.raises(InvalidInput) as refusal:
            room.call("attest_criterion", {"episode_id": FIRST, "attestations": [word]})

        assert refusal.value.code == "criterion_not_attestable"

    def test_takes_the_word_of_the_licensed_only(self, room: Room) -> None:
        room.deliver(telling.admitted())

        with pytest.raises(Forbidden):
            room.call(
                "attest_criterion",
                {"episode_id": FIRST, "attestations": telling.every_attestation()},
                role="counselor",
                credential="CADC",
            )

        assert len(room.ask("get_graduation", {"episode_id": FIRST})["missing"]) == 16

    def test_knows_no_episode_that_was_never_admitted(self, room: Room) -> None:
        room.deliver(telling.assessed())

        with pytest.raises(NotFound):
            room.ask("get_graduation", {"episode_id": FIRST})


class TestGraduate:
    def test_announces_the_graduation_and_the_discharge(self, room: Room) -> None:
        answer = graduate(room)

        (discharged,) = room.announced_of(PatientDischarged)
        (graduated,) = room.announced_of(ProgramGraduated)
        assert discharged.reason_code == answer["reason_code"] == "1"
        assert discharged.stay_days == answer["stay_days"] == 82
        assert graduated.discharge_id == discharged.discharge_id == answer["discharge_id"]
        assert graduated.exceptions == ()
        assert room.ask("get_graduation", {"episode_id": FIRST})["status"] == "GRADUATED"

    def test_is_impossible_without_a_signed_aftercare_plan(self, room: Room) -> None:
        make_ready(room)
        room.call("write_aftercare_plan", telling.whole_plan(room.now, patient_signed_at=None))

        with pytest.raises(Conflict) as refusal:
            room.call("graduate_patient", {"episode_id": FIRST})

        assert refusal.value.code == "graduation_criteria_missing"
        assert rule_of(refusal.value) == ["AFTERCARE_PLAN_SIGNED"]
        assert room.announced_of(PatientDischarged) == []

    def test_takes_a_supervisors_exception_with_its_reason(self, room: Room) -> None:
        make_ready(room)
        room.call("write_aftercare_plan", telling.whole_plan(room.now, patient_signed_at=None))

        answer = room.call(
            "graduate_patient",
            {
                "episode_id": FIRST,
                "exceptions": ["AFTERCARE_PLAN_SIGNED", "MOOD"],
                "exception_reason": "Signs at the first appointment; hand in plaster.",
            },
            role="supervisor",
        )

        assert answer["exceptions"] == ["AFTERCARE_PLAN_SIGNED"]
        assert answer["exception_reason"].startswith("Signs at")
        assert room.announced_of(ProgramGraduated)[0].exceptions == ("AFTERCARE_PLAN_SIGNED",)

    def test_takes_exceptions_from_nobody_else(self, room: Room) -> None:
        make_ready(room)
        request = {"episode_id": FIRST, "exceptions": ["MOOD"], "exception_reason": "He smiled."}

        with pytest.raises(Forbidden) as refusal:
            room.call("graduate_patient", request, role="clinician")

        assert refusal.value.code == "exception_needs_supervisor"

    def test_takes_no_exception_without_a_reason(self, room: Room) -> None:
        make_ready(room)

        with pytest.raises(InvalidInput) as refusal:
            room.call("graduate_patient", {"episode_id": FIRST, "exceptions": ["MOOD"]}, role="supervisor")

        assert refusal.value.problems[0]["field"] == "exception_reason"

    def test_keeps_text_out_of_the_tables_in_the_clear(self, room: Room) -> None:
        graduate(room)

        with room.engine.connect() as connection:
            plan = connection.execute(sa.select(tables.aftercare_plans)).one()

        assert b"flask" not in bytes(plan.goals_sealed)
        answer = room.ask("get_aftercare_plan", {"episode_id": FIRST})
        assert answer["goals"].endswith("flask in my bag.")


class TestDischarge:
    @pytest.mark.parametrize(
        ("given", "teds", "local"),
        [("2", "2", None), ("AMA", "2", "AMA"), ("STEP_UP", "4", "STEP_UP"), ("MOVED", "7", "MOVED")],
    )
    def test_maps_local_reasons_to_teds(self, room: Room, given: str, teds: str, local: str | None) -> None:
        room.deliver(telling.admitted())

        answer = discharge(room, given)

        assert (answer["reason_code"], answer["local_reason"]) == (teds, local)
        assert room.announced_of(PatientDischarged)[0].reason_code == teds
        assert room.announced_of(ProgramGraduated) == []

    def test_counts_the_stay_to_the_last_contact(self, room: Room) -> None:
        room.deliver(
            telling.admitted(),
            telling.attended(3),
            telling.attended(10),
            telling.missed(12),
            telling.reached_by_outreach(ADMITTED_AT + timedelta(days=14)),
            telling.reengaged(ADMITTED_AT + timedelta(days=20), how="CORRECTED"),
        )

        assert discharge(room)["stay_days"] == 14

    def test_does_not_count_an_attendance_that_was_corrected_away(self, room: Room) -> None:
        room.deliver(
            telling.admitted(),
            telling.attended(3),
            telling.attended(10),
            telling.corrected(10, "NO_SHOW", from_state="PRESENT", credited_minutes=0),
        )

        assert discharge(room)["stay_days"] == 3

    def test_counts_at_least_one_day(self, room: Room) -> None:
        room.deliver(telling.admitted())

        assert discharge(room)["stay_days"] == 1

    def test_takes_the_clinicians_word_on_the_last_contact(self, room: Room) -> None:
        room.deliver(telling.admitted(), telling.attended(3))
        spoke_at = ADMITTED_AT + timedelta(days=30)

        assert discharge(room, last_contact_at=write_moment(spoke_at))["stay_days"] == 30

    @pytest.mark.parametrize("days", [-1, 400])
    def test_refuses_an_impossible_last_contact(self, room: Room, days: int) -> None:
        room.deliver(telling.admitted())

        with pytest.raises(InvalidInput):
            discharge(room, last_contact_at=write_moment(ADMITTED_AT + timedelta(days=days)))

        assert room.announced == []

    def test_refuses_completion_as_a_reason(self, room: Room) -> None:
        room.deliver(telling.admitted())

        with pytest.raises(Conflict) as refusal:
            discharge(room, "1")

        assert refusal.value.code == "graduate_instead"

    def test_happens_once(self, room: Room) -> None:
        room.deliver(telling.admitted())
        discharge(room)

        with pytest.raises(Conflict) as refusal:
            discharge(room, "7")

        assert refusal.value.code == "already_discharged"
        assert len(room.announced_of(PatientDischarged)) == 1

    def test_knows_only_admitted_episodes(self, room: Room) -> None:
        with pytest.raises(NotFound) as refusal:
            room.call("discharge_patient", {"episode_id": new_id(), "reason_code": "2"})

        assert refusal.value.problems[0]["field"] == "episode_id"

    def test_is_not_signed_by_a_counselor_without_licence(self, room: Room) -> None:
        room.deliver(telling.admitted())
        request = {"episode_id": FIRST, "reason_code": "2"}

        with pytest.raises(Forbidden) as refusal:
            room.call("discharge_patient", request, role="counselor", credential="")

        assert refusal.value.code == "discharge_needs_licence"

    def test_is_signed_by_a_supervisor_and_says_so(self, room: Room) -> None:
        room.deliver(telling.admitted())

        answer = room.call(
            "discharge_patient",
            {"episode_id": FIRST, "reason_code": "2", "summary": "Stopped answering in week three."},
            role="supervisor",
            credential="",
        )

        kept = room.ask("get_discharge", {"discharge_id": answer["discharge_id"]})
        assert (kept["role"], kept["summary"]) == ("supervisor", "Stopped answering in week three.")

    def test_hides_another_tenants_episode(self, room: Room) -> None:
        room.deliver(telling.admitted())

        with pytest.raises(NotFound):
            room.call("discharge_patient", {"episode_id": FIRST, "reason_code": "2"}, tenant_id="harbor")


class TestProposedDischarge:
    def test_goes_before_a_supervisor_and_never_discharges_by_itself(self, room: Room) -> None:
        room.deliver(telling.admitted(), telling.proposed(END))
        room.advance(timedelta(days=60))

        (task,) = room.announced_of(TaskOpened)
        assert (task.task, task.owner_role) == ("discharge_proposal", "supervisor")
        assert room.announced_of(PatientDischarged) == []
        (listed,) = room.ask("list_discharge_proposals", {})["items"]
        assert (listed["status"], listed["decide_by"]) == ("OPEN", write_moment(END + timedelta(hours=72)))

    def test_is_done_with_the_discharge(self, room: Room) -> None:
        room.deliver(telling.admitted(), telling.proposed(END))
        discharge(room)

        (opened,), (closed,) = room.announced_of(TaskOpened), room.announced_of(TaskClosed)
        assert (closed.task_id, closed.outcome) == (opened.task_id, "DONE")
        assert room.ask("list_discharge_proposals", {})["items"] == []
        assert room.ask("list_discharge_proposals", {"open": "false"})["items"][0]["status"] == "DISCHARGED"

    def test_is_withdrawn_when_there_is_contact(self, room: Room) -> None:
        room.deliver(telling.admitted(), telling.withdrawn(END + timedelta(hours=2)), telling.proposed(END))

        (closed,) = room.announced_of(TaskClosed)
        assert closed.outcome == "WITHDRAWN"
        assert room.ask("list_discharge_proposals", {})["items"] == []

    def test_is_listed_page_by_page(self, room: Room) -> None:
        room.deliver(telling.admitted())
        ids = [new_id() for _ in range(5)]
        room.deliver(
            *(
                telling.proposed(END - timedelta(hours=number % 2), proposal_id=proposal_id)
                for number, proposal_id in enumerate(ids)
            )
        )

        seen, cursor = [], None
        while True:
            page = room.ask(
                "list_discharge_proposals", {"limit": "2", **({"after": cursor} if cursor else {})}
            )
            seen += [item["proposal_id"] for item in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break

        assert seen == [ids[1], ids[3], ids[0], ids[2], ids[4]]


class TestFollowUps:
    def test_are_planned_over_the_year_in_the_programs_time_zone(self, room: Room) -> None:
        room.deliver(telling.admitted())
        discharge(room)

        planned = contacts_of(room)

        assert [(item["kind"], item["number"]) for item in planned] == [
            ("FOLLOW_UP", days) for days in (7, 30, 90, 180, 365)
        ]
        # Nine in the morning in Chicago: in summer and in winter time.
        assert planned[0]["due_at"] == "2026-05-04T14:00:00Z"
        assert planned[0]["window_opens_at"] == "2026-05-01T05:00:00Z"
        assert planned[0]["window_closes_at"] == "2026-05-08T05:00:00Z"
        assert planned[4]["due_at"] == "2027-04-27T14:00:00Z"
        assert len(room.timers()) == 1

    def test_ask_a_counselor_when_they_fall_due(self, room: Room) -> None:
        room.deliver(telling.admitted())
        discharge(room)

        room.advance(timedelta(days=7))

        (due,) = room.announced_of(AftercareContactDue)
        (task,) = room.announced_of(TaskOpened)
        assert (due.kind, due.number) == ("FOLLOW_UP", 7)
        assert (task.task, task.owner_role, task.due_at) == (
            "aftercare_contact",
            "counselor",
            due.window_closes_at,
        )

    def test_never_count_silence_as_success(self, room: Room) -> None:
        room.deliver(telling.admitted())
        discharge(room)

        room.advance(timedelta(days=400))

        completed = room.announced_of(AftercareContactCompleted)
        assert [(event.number, event.outcome) for event in completed] == [
            (days, "LOST") for days in (7, 30, 90, 180, 365)
        ]
        assert len(room.announced_of(AftercareContactDue)) == 5
        assert len(room.announced_of(TaskOpened)) == len(room.announced_of(TaskClosed)) == 5
        assert room.timers() == []

    def test_end_when_somebody_is_reached_and_go_on_to_the_next(self, room: Room) -> None:
        room.deliver(telling.admitted())
        discharge(room)
        room.advance(timedelta(days=5))
        (first, second) = contacts_of(room)[:2]

        answer = room.call(
            "record_contact_attempt",
            {"contact_id": first["contact_id"], "channel": "CALL", "outcome": "REACHED"},
        )

        assert answer["contact"]["status"] == "REACHED"
        assert answer["lapse_id"] is None
        assert [event.outcome for event in room.announced_of(AftercareContactCompleted)] == ["REACHED"]
        assert [(name, key) for name, key, _ in room.timers()] == [
            ("aftercare_contact_due", second["contact_id"])
        ]

    def test_give_up_after_six_attempts_without_answer(self, room: Room) -> None:
        room.deliver(telling.admitted())
        discharge(room)
        room.advance(timedelta(days=7))
        attempt = {
            "contact_id": contacts_of(room)[0]["contact_id"],
            "channel": "TEXT",
            "outcome": "NO_ANSWER",
        }

        statuses = [room.call("record_contact_attempt", attempt)["contact"]["status"] for _ in range(6)]

        assert statuses == ["DUE"] * 5 + ["LOST"]
        with pytest.raises(Conflict) as refusal:
            room.call("record_contact_attempt", attempt)
        assert refusal.value.code == "contact_already_ended"

    def test_wait_for_their_window(self, room: Room) -> None:
        room.deliver(telling.admitted())
        discharge(room)
        attempt = {"contact_id": contacts_of(room)[1]["contact_id"], "channel": "CALL", "outcome": "REACHED"}

        with pytest.raises(Conflict) as refusal:
            room.call("record_contact_attempt", attempt)

        assert refusal.value.code == "not_due_yet"

    def test_are_only_recorded_without_consent(self, room: Room) -> None:
        room.deliver(telling.admitted(follow_up_consent=False))
        discharge(room)

        room.advance(timedelta(days=400))

        assert {item["status"] for item in contacts_of(room)} == {"NOT_CONSENTED"}
        assert room.announced_of(AftercareContactDue) == []
        attempt = {"contact_id": contacts_of(room)[0]["contact_id"], "channel": "CALL", "outcome": "REACHED"}
        with pytest.raises(Conflict) as refusal:
            room.call("record_contact_attempt", attempt)
        assert refusal.value.code == "no_consent_to_follow_up"

    def test_are_not_planned_after_a_death(self, room: Room) -> None:
        room.deliver(telling.admitted())
        discharge(room, "6")

        assert contacts_of(room) == []

    def test_all_end_when_the_patient_is_said_to_have_died(self, room: Room) -> None:
        graduate(room)
        room.advance(timedelta(days=8))
        due = [item for item in contacts_of(room) if item["status"] == "DUE"]
        assert len(due) == 2

        room.call(
            "record_contact_attempt",
            {"contact_id": due[0]["contact_id"], "channel": "CALL", "outcome": "DECEASED"},
        )
        room.advance(timedelta(days=800))

        statuses = [item["status"] for item in contacts_of(room)]
        assert statuses.count("DECEASED") == 1
        assert set(statuses) == {"DECEASED", "CANCELLED"}
        assert len(room.announced_of(AftercareContactDue)) == 2
        assert {task.task_id for task in room.announced_of(TaskOpened)} == {
            task.task_id for task in room.announced_of(TaskClosed)
        }
        assert room.timers() == []

    def test_stop_when_the_patient_is_admitted_again(self, room: Room) -> None:
        graduate(room)
        room.advance(timedelta(days=20))
        room.deliver(telling.admitted(episode_id=SECOND, admitted_at=room.now))

        assert room.timers() == []
        assert "PLANNED" not in {item["status"] for item in contacts_of(room)}
        assert [item["status"] for item in contacts_of(room) if item["kind"] == "FOLLOW_UP"] == [
            "LOST",
            "CANCELLED",
            "CANCELLED",
            "CANCELLED",
            "CANCELLED",
        ]

    def test_wait_for_an_admission_that_comes_late(self, room: Room) -> None:
        room.deliver(telling.discharged(END))
        assert room.waiting == ["plan_follow_ups"]

        room.deliver(telling.admitted())

        assert room.waiting == []
        assert len(contacts_of(room)) == 5


class TestContinuingCareCalls:
    def test_are_weekly_at_first_and_go_on_for_two_years(self, room: Room) -> None:
        graduate(room)

        room.advance(timedelta(days=60))
        first_weeks = [event for event in room.announced_of(AftercareContactDue) if event.kind == "CALL"]
        assert [event.number for event in first_weeks] == list(range(1, 9))
        gaps = {later.due_at - sooner.due_at for sooner, later in itertools.pairwise(first_weeks)}
        assert gaps == {timedelta(days=7)}

        room.advance(timedelta(days=720))
        calls = [event for event in room.announced_of(AftercareContactDue) if event.kind == "CALL"]
        assert [event.number for event in calls] == list(range(1, len(call_days()) + 1))
        assert timedelta(days=700) < calls[-1].due_at - END <= timedelta(days=731)
        assert room.timers() == []

    def test_keep_one_timer_each_for_the_calls_and_the_follow_ups(self, room: Room) -> None:
        graduate(room)

        for _ in range(10):
            room.advance(timedelta(days=9))
            assert len(room.timers()) <= 2

    def test_do_not_start_for_those_who_dropped_out(self, room: Room) -> None:
        room.deliver(telling.admitted())
        discharge(room)

        assert {item["kind"] for item in contacts_of(room)} == {"FOLLOW_UP"}

    def test_open_the_way_back_when_use_is_told(self, room: Room) -> None:
        graduate(room)
        room.advance(timedelta(days=7))
        (call,) = (item for item in contacts_of(room) if item["kind"] == "CALL")

        answer = room.call(
            "record_contact_attempt",
            {
                "contact_id": call["contact_id"],
                "channel": "CALL",
                "outcome": "REACHED",
                "used": True,
                "substance": "ALCOHOL",
            },
            role="counselor",
            credential="",
        )

        (lapse,) = room.announced_of(LapseReported)
        (reentry,) = room.announced_of(ReentryRequested)
        assert (lapse.reported_by, lapse.substance) == ("CALL", "ALCOHOL")
        assert (answer["lapse_id"], answer["reentry_id"]) == (lapse.lapse_id, reentry.reentry_id)

    def test_open_the_way_back_when_help_is_asked_for_without_calling_it_a_lapse(self, room: Room) -> None:
        graduate(room)
        room.advance(timedelta(days=7))
        (call,) = (item for item in contacts_of(room) if item["kind"] == "CALL")
        request = {
            "contact_id": call["contact_id"],
            "channel": "CALL",
            "outcome": "REACHED",
            "need_help": True,
        }

        answer = room.call("record_contact_attempt", request)

        assert room.announced_of(LapseReported) == []
        assert room.announced_of(ReentryRequested)[0].reentry_id == answer["reentry_id"]
        assert room.announced_of(TaskOpened)[-1].reason == "HELP_WANTED"
        assert raised(room) == [("HELP_WANTED", "E2")]

    @pytest.mark.parametrize(
        ("told", "heard"),
        [
            ({"danger": True}, [("DANGER_ANSWER", "E4")]),
            ({"overdose": True}, [("OVERDOSE", "E4"), ("RETURN_TO_USE", "E3")]),
            ({"used": True, "substance": "OPIOID"}, [("RETURN_TO_USE", "E3")]),
            ({"need_help": True}, [("HELP_WANTED", "E2")]),
        ],
    )
    @pytest.mark.parametrize("why", ["not_due_yet", "contact_already_ended", "no_consent_to_follow_up"])
    def test_hear_a_danger_though_the_attempt_does_not_count(
        self, room: Room, why: str, told: dict[str, Any], heard: list[tuple[str, str]]
    ) -> None:
        room.deliver(telling.admitted(follow_up_consent=why != "no_consent_to_follow_up"))
        discharge(room)
        follow_up = contacts_of(room)[0]
        attempt = {"contact_id": follow_up["contact_id"], "channel": "CALL", "outcome": "REACHED"}
        if why == "contact_already_ended":
            room.advance(timedelta(days=7))
            room.call("record_contact_attempt", attempt)

        answer = room.call("record_contact_attempt", attempt | told)

        assert (answer["attempt_id"], answer["not_counted"]) == (None, why)
        assert answer["lapse_id"] is not None
        assert "988" in answer["crisis_lines"]
        assert raised(room) == heard

    def test_hear_a_danger_from_whoever_answers(self, room: Room) -> None:
        room.deliver(telling.admitted())
        discharge(room)
        room.advance(timedelta(days=7))
        attempt = {"contact_id": contacts_of(room)[0]["contact_id"], "channel": "CALL"}

        answer = room.call("record_contact_attempt", attempt | {"outcome": "NO_ANSWER", "overdose": True})

        assert (answer["contact"]["tries"], answer["not_counted"]) == (1, None)
        assert ("OVERDOSE", "E4") in raised(room)

    def test_cannot_be_told_anything_by_somebody_who_did_not_answer(self, room: Room) -> None:
        graduate(room)
        room.advance(timedelta(days=7))
        (call,) = (item for item in contacts_of(room) if item["kind"] == "CALL")
        request = {"contact_id": call["contact_id"], "channel": "CALL", "outcome": "NO_ANSWER", "used": True}

        with pytest.raises(InvalidInput) as refusal:
            room.call("record_contact_attempt", request)

        assert refusal.value.code == "told_by_nobody"


class TestLapse:
    def report(self, room: Room, *, role: str = "counselor", **changed: Any) -> dict[str, Any]:
        return room.call(
            "report_lapse",
            {"patient_id": DANA, "reported_by": "CALL", "substance": "ALCOHOL", **changed},
            role=role,
            actor_id=DANA if role == "patient" else None,
        )

    def test_during_the_program_asks_for_a_contact_the_same_day(self, room: Room) -> None:
        room.deliver(telling.admitted())

        answer = self.report(room)

        (task,) = room.announced_of(TaskOpened)
        # It is ten in the morning in Chicago: the end of that day.
        assert answer["contact_by"] == write_moment(task.due_at) == "2026-04-28T05:00:00Z"
        assert len(room.announced_of(LapseReported)) == 1
        assert room.announced_of(ReentryRequested) == []
        assert room.announced_of(SafetyConcernRaised) == []

    def test_after_the_program_asks_intake_to_take_the_person_back_once(self, room: Room) -> None:
        room.deliver(telling.admitted())
        discharge(room)

        first, second = self.report(room), self.report(room, role="patient", reported_by="SELF")

        (request,) = room.announced_of(ReentryRequested)
        assert request.level_decision_due_at == room.now + timedelta(hours=48)
        assert request.journey_id == JOURNEY
        assert (first["reentry_id"], second["reentry_id"]) == (request.reentry_id, None)
        assert len(room.announced_of(LapseReported)) == 2

    def test_asks_again_after_the_next_episode(self, room: Room) -> None:
        room.deliver(telling.admitted())
        discharge(room)
        lapse_id = self.report(room)["lapse_id"]
        room.at(END + timedelta(days=2))
        room.deliver(telling.admitted(episode_id=SECOND, admitted_at=room.now))

        view = room.ask("get_lapse", {"lapse_id": lapse_id})
        assert view["reentry_status"] == "ADMITTED"
        assert view["contacted_at"] == write_moment(room.now)

        room.call("discharge_patient", {"episode_id": SECOND, "reason_code": "2"})
        self.report(room)
        assert [event.episode_id for event in room.announced_of(ReentryRequested)] == [FIRST, SECOND]

    def test_asks_again_when_nothing_came_of_it_for_a_month(self, room: Room) -> None:
        room.deliver(telling.admitted())
        discharge(room)
        self.report(room)
        room.at(END + timedelta(days=31))

        self.report(room)

        assert len(room.announced_of(ReentryRequested)) == 2

    @pytest.mark.parametrize("substance", ["OPIOID", "SEDATIVE", "UNKNOWN", "STIMULANT", "COCAINE"])
    def test_pages_at_once_where_the_use_may_kill(self, room: Room, substance: str) -> None:
        room.deliver(telling.admitted())

        answer = self.report(room, substance=substance)

        (concern,) = room.announced_of(SafetyConcernRaised)
        assert (concern.concern, concern.level, concern.evidence_id) == (
            "RETURN_TO_USE",
            "E3",
            answer["lapse_id"],
        )
        assert "988" in answer["crisis_lines"]

    @pytest.mark.parametrize(("told", "concern"), [("danger", "DANGER_ANSWER"), ("overdose", "OVERDOSE")])
    def test_that_tells_of_danger_is_e4_whatever_else_is_wrong(
        self, room: Room, told: str, concern: str
    ) -> None:
        # Nobody knows the patient, and the clock of whoever tells goes ahead.
        answer = self.report(room, occurred_at=write_moment(room.now + timedelta(minutes=5)), **{told: True})

        assert raised(room) == [(concern, "E4")]
        assert room.announced_of(SafetyConcernRaised)[0].evidence_id == answer["lapse_id"]

    def test_that_asks_for_help_before_use_is_e2(self, room: Room) -> None:
        room.deliver(telling.admitted())

        self.report(room, substance="NONE")

        assert raised(room) == [("HELP_WANTED", "E2")]

    def test_tells_a_supporter_of_a_danger_the_same_whoever_they_ask_about(self, room: Room) -> None:
        room.deliver(telling.admitted())
        told: dict[str, Any] = {"role": "partner", "reported_by": "SUPPORTER", "overdose": True}

        assert self.report(room, **told) == self.report(room, **told, patient_id=new_id())

    def test_tells_a_supporter_the_same_whoever_they_ask_about(self, room: Room) -> None:
        room.deliver(telling.admitted())
        discharge(room)

        known = self.report(room, role="partner", reported_by="SUPPORTER", substance="OPIOID")
        stranger = self.report(
            room, role="partner", reported_by="SUPPORTER", substance="OPIOID", patient_id=new_id()
        )

        assert known == stranger
        assert (known["received"], known["lapse_id"], known["reentry_id"]) == (True, None, None)
        assert len(room.announced_of(ReentryRequested)) == 1
        # A danger needs no earlier record of the patient.
        assert len(room.announced_of(SafetyConcernRaised)) == 2

    def test_shows_the_number_of_the_own_site_and_to_a_supporter_of_none(self, room: Room) -> None:
        room.deliver(telling.admitted(), telling.site_opened(), telling.site_opened(new_id(), "+1 555 0177"))

        own = self.report(room, role="patient", reported_by="SELF")["crisis_lines"]
        told = self.report(room, role="partner", reported_by="SUPPORTER")["crisis_lines"]

        assert next(iter(own.items())) == ("program_emergency_line", "+1 555 0199")
        assert set(told) == {"988", "911"}

    def test_tells_staff_that_a_patient_is_unknown(self, room: Room) -> None:
        with pytest.raises(NotFound) as refusal:
            self.report(room)

        assert refusal.value.problems[0]["field"] == "patient_id"
        assert room.announced == []

    def test_of_another_patient_is_not_a_patients_to_tell(self, room: Room) -> None:
        room.deliver(telling.admitted())

        with pytest.raises(NotFound):
            room.call(
                "report_lapse",
                {"patient_id": DANA, "reported_by": "SELF", "substance": "ALCOHOL"},
                role="patient",
                actor_id=new_id(),
            )

    def test_is_not_reported_by_a_partner_as_the_patient(self, room: Room) -> None:
        room.deliver(telling.admitted())

        with pytest.raises(InvalidInput) as refusal:
            self.report(room, role="partner", reported_by="SELF")

        assert refusal.value.code == "not_theirs_to_tell"

    def test_does_not_lie_in_the_future(self, room: Room) -> None:
        room.deliver(telling.admitted())

        with pytest.raises(InvalidInput):
            self.report(room, occurred_at=write_moment(room.now + timedelta(hours=1)))

    def test_is_contacted_when_the_patient_comes_to_a_session_after_it(self, room: Room) -> None:
        room.deliver(telling.admitted())
        lapse_id = self.report(room)["lapse_id"]

        room.deliver(telling.attended(80))
        assert room.ask("get_lapse", {"lapse_id": lapse_id})["contacted_at"] is None

        room.deliver(telling.attended(85))
        assert room.ask("get_lapse", {"lapse_id": lapse_id})["contacted_at"] is not None
        assert [task.task for task in room.announced_of(TaskClosed)] == ["lapse_contact"]


class TestAftercarePlan:
    def test_keeps_every_version_and_the_newest_counts(self, room: Room) -> None:
        room.deliver(telling.admitted())
        room.call("write_aftercare_plan", telling.whole_plan(room.now))

        room.call("write_aftercare_plan", telling.whole_plan(room.now, sign=False))

        plan = room.ask("get_aftercare_plan", {"episode_id": FIRST})
        assert (plan["version"], plan["signed"], plan["complete"]) == (2, False, True)
        assert len(room.dump()["aftercare_plans"]) == 2

    def test_needs_each_component_there_or_declined(self, room: Room) -> None:
        room.deliver(telling.admitted())
        request = telling.whole_plan(room.now, components={"ongoing_therapy": "PRESENT"})

        with pytest.raises(InvalidInput) as refusal:
            room.call("write_aftercare_plan", request)

        assert {problem["field"] for problem in refusal.value.problems} == {
            "components.support_groups",
            "components.relapse_prevention",
        }

    def test_is_not_signed_by_the_unlicensed(self, room: Room) -> None:
        room.deliver(telling.admitted())

        with pytest.raises(Forbidden) as refusal:
            room.call(
                "write_aftercare_plan", telling.whole_plan(room.now), role="counselor", credential="CADC"
            )

        assert refusal.value.code == "signature_needs_licence"

    def test_is_shown_to_its_patient_and_to_no_other(self, room: Room) -> None:
        room.deliver(telling.admitted())
        room.call("write_aftercare_plan", telling.whole_plan(room.now))

        own = room.ask("get_aftercare_plan", {"episode_id": FIRST}, role="patient", actor_id=DANA)
        assert own["patient_id"] == DANA
        with pytest.raises(NotFound):
            room.ask("get_aftercare_plan", {"episode_id": FIRST}, role="patient", actor_id=new_id())

    def test_may_name_an_appointment_too_late_and_the_gate_says_so(self, room: Room) -> None:
        make_ready(room)
        late: datetime = room.now + timedelta(days=9)
        room.call(
            "write_aftercare_plan", telling.whole_plan(room.now, first_appointment_at=write_moment(late))
        )

        assert room.ask("get_graduation", {"episode_id": FIRST})["missing"] == ["FIRST_APPOINTMENT"]


class TestTwoPeopleAtOnce:
    def test_discharge_once(self, room: Room) -> None:
        room.deliver(telling.admitted())
        codes: list[str] = []

        def sign(reason_code: str) -> None:
            try:
                room.call("discharge_patient", {"episode_id": FIRST, "reason_code": reason_code})
                codes.append("done")
            except Conflict as refusal:
                codes.append(refusal.code)

        people = [threading.Thread(target=sign, args=(reason,)) for reason in ("2", "3", "4", "7")]
        for person in people:
            person.start()
        for person in people:
            person.join(timeout=60)

        assert sorted(codes) == ["already_discharged"] * 3 + ["done"]
        assert len(room.announced_of(PatientDischarged)) == 1

    def test_are_held_apart_by_the_table_itself(self, room: Room) -> None:
        room.deliver(telling.admitted())
        discharge(room)

        with room.db() as db:
            (signed,) = db.execute(sa.select(tables.discharges)).mappings()
            again = {**signed, "discharge_id": new_id()}
            with pytest.raises(sa.exc.IntegrityError), db.begin_nested():
                db.execute(tables.discharges.insert().values(again))

    def test_ask_back_once(self, room: Room) -> None:
        room.deliver(telling.admitted())
        discharge(room)
        request = {"patient_id": DANA, "reported_by": "CALL", "substance": "ALCOHOL"}

        people = [threading.Thread(target=room.call, args=("report_lapse", request)) for _ in range(4)]
        for person in people:
            person.start()
        for person in people:
            person.join(timeout=60)

        assert len(room.announced_of(LapseReported)) == 4
        assert len(room.announced_of(ReentryRequested)) == 1


#: A request that would be carried out, for every command but for what a test spoils in it.
GOOD_REQUESTS: dict[str, dict[str, Any]] = {
    "attest_criterion": {"episode_id": FIRST, "attestations": telling.every_attestation()},
    "write_aftercare_plan": telling.whole_plan(END),
    "graduate_patient": {"episode_id": FIRST, "exceptions": [], "exception_reason": None},
    "discharge_patient": {"episode_id": FIRST, "reason_code": "2", "summary": "Moved away."},
    "record_contact_attempt": {"contact_id": new_id(), "channel": "CALL", "outcome": "REACHED"},
    "report_lapse": {"patient_id": DANA, "reported_by": "CALL", "substance": "ALCOHOL"},
}
KEYS = {"record_contact_attempt": "contact_id", "report_lapse": "patient_id"}


class TestBadInput:
    def spoiled(self, name: str, how: str) -> tuple[str, dict[str, Any]]:
        request, key = dict(GOOD_REQUESTS[name]), KEYS.get(name, "episode_id")
        if how == "unknown field":
            return "nickname", {**request, "nickname": "Dee"}
        if how == "missing":
            return key, {field: value for field, value in request.items() if field != key}
        if how == "wrong type":
            return key, {**request, key: 12}
        if how == "no UUID":
            return key, {**request, key: "dana"}
        if how == "wrong moment":
            field = "occurred_at" if name == "report_lapse" else "last_contact_at"
            field = "first_appointment_at" if name == "write_aftercare_plan" else field
            return field, {**request, field: "2026-02-30T10:00:00Z"}
        raise AssertionError(how)

    @pytest.mark.parametrize("how", ["unknown field", "missing", "wrong type", "no UUID", "wrong moment"])
    @pytest.mark.parametrize("name", GOOD_REQUESTS)
    def test_is_refused_by_field_and_changes_nothing(self, room: Room, name: str, how: str) -> None:
        room.deliver(telling.admitted())
        before = room.dump()
        field, request = self.spoiled(name, how)

        with pytest.raises(InvalidInput) as refusal:
            room.call(name, request, role="supervisor")

        assert field in {problem["field"] for problem in refusal.value.problems}
        assert room.dump() == before

    @pytest.mark.parametrize("name", GOOD_REQUESTS)
    def test_names_something_that_is_not_there_or_is_anothers(self, room: Room, name: str) -> None:
        room.deliver(telling.admitted())
        before = room.dump()

        with pytest.raises(NotFound) as refusal:
            room.call(name, GOOD_REQUESTS[name], role="supervisor", tenant_id="harbor")

        assert refusal.value.problems[0]["field"] == KEYS.get(name, "episode_id")
        assert room.dump() == before

    @pytest.mark.parametrize("role", ["operations", "patient", "partner"])
    @pytest.mark.parametrize("name", [name for name in GOOD_REQUESTS if name != "report_lapse"])
    def test_comes_from_a_role_that_may_not(self, room: Room, name: str, role: str) -> None:
        with pytest.raises(Forbidden) as refusal:
            room.call(name, GOOD_REQUESTS[name], role=role)

        assert refusal.value.code == "role_may_not"
