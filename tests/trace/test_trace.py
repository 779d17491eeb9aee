"""What came of what, across services: told so that somebody can see why nobody called her."""

import dataclasses
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from gateway import trace_words
from gateway.tables import archive
from services.aftercare.service import Aftercare
from services.intake.service import Intake
from services.monitoring.service import Monitoring
from services.scheduling.service import Scheduling
from shared import clock
from shared.contracts.catalogue import EVENTS
from shared.contracts.common import NotificationSettled
from shared.contracts.event import read_moment
from shared.errors import NotFound, Unavailable
from shared.ids import derived_id, new_id
from shared.messaging import ways_in
from shared.messaging.inbox import inbox
from shared.messaging.oversight.pruning import prune
from shared.notification.tables import notifications
from tests.contracts.store import example_of
from tests.monitoring import telling
from tests.monitoring.telling import ADMITTED_AT, DANA, EPISODE, missed_at, seat_of
from tests.support import Room
from tests.trace.town import Town

RoomOf = Callable[[type], Room]

OUTREACH = derived_id(seat_of(1), "outreach")


@pytest.fixture
def town(room_of: RoomOf) -> Town:
    """Return a town in which monitoring follows Dana, admitted on the first Monday."""
    town = Town(room_of, Monitoring)
    town.at(ADMITTED_AT)
    for event in (telling.site_opened(), telling.assessed(), telling.admitted()):
        town.tell(town["monitoring"].envelope_of(event))
    return town


def miss(town: Town, **changed: Any) -> str:
    """Let Dana miss Tuesday's session and return the id of the event."""
    town.at(missed_at(1))
    envelope = town["monitoring"].envelope_of(telling.missed(1))
    return town.tell(dataclasses.replace(envelope, **changed))


def call_her(town: Town, outcome: str = "NO_ANSWER") -> None:
    town["monitoring"].call(
        "log_outreach_attempt",
        {"outreach_id": OUTREACH, "channel": "CALL", "outcome": outcome, "note": "Asked for Ebenezer."},
        role="counselor",
        actor_id="counselor-8",
    )
    town.carry()


def endanger(town: Town) -> tuple[str, str]:
    """Raise a concern by a command; return the command's and the escalation's id."""
    command_id = new_id()
    answer = town["monitoring"].call(
        "raise_safety_concern",
        {"patient_id": DANA, "concern": "OVERDOSE", "level": "E4", "episode_id": EPISODE},
        role="counselor",
        actor_id="counselor-8",
        command_id=command_id,
    )
    town.carry()
    return command_id, answer["escalation_id"]


def lines(told: dict[str, Any], *, of: str = "monitoring") -> list[str]:
    """Return what a service did, line by line, without the gateway's book-keeping."""
    return [
        f"{'  ' * step['depth']}{step['at'][11:16] if 'at' in step else '     '} {step['sentence']}"
        for step in told["steps"]
        if step.get("service") in (of, "scheduling")
    ]


def problems(told: dict[str, Any]) -> list[tuple[str, str]]:
    return [(problem["problem"], problem["sentence"]) for problem in told["problems"]]


def step_of(told: dict[str, Any], name: str, **wanted: Any) -> dict[str, Any]:
    """Return the first step of a name."""
    return next(
        step
        for step in told["steps"]
        if step.get("name") == name and all(step.get(key) == value for key, value in wanted.items())
    )


class TestMissedSession:
    def test_that_nobody_answered_is_told_as_exactly_that(self, town: Town) -> None:
        event_id = miss(town)
        town.advance(missed_at(1) + timedelta(hours=2))

        told = town.trace(event_id)

        assert (told["kind"], told["missing"], told["cut_at"]) == ("EVENT", [], None)
        assert lines(told) == [
            "18:15 a session was missed",
            "  18:15 reach out: done",
            "    18:15 asked the counselor: outreach call (session missed); nobody has done it",
            "          the timer outreach same day call due is set",
            "          the timer silent for a week is set",
            "          the timer silent for two weeks is set",
            "  18:30 the patient had not been heard of until then",
            "    18:30 asked intake to write to the patient (please call us)",
            "  19:15 nobody had recorded an attempt by then",
            "    19:15 asked the supervisor: outreach call overdue (first attempt overdue)",
        ]
        assert problems(told) == [
            ("OVERDUE", "asked the counselor: outreach call (session missed); nobody has done it")
        ]
        assert told["problems"][0]["due_at"] == "2026-02-03T19:15:00Z"

    def test_tells_how_long_each_step_waited(self, town: Town) -> None:
        told_at = clock.real_now()
        event_id = miss(town, recorded_at=told_at - timedelta(seconds=7))
        town.advance(missed_at(1) + timedelta(hours=2))

        told = town.trace(event_id)

        reaction, task = step_of(told, "reach_out"), step_of(told, "task_opened")
        assert 7 <= reaction["received_after_seconds"] < 60
        assert 0 <= task["sent_after_seconds"] < 60
        assert step_of(told, "outreach_first_attempt_due")["after_seconds"] == 3600

    def test_that_somebody_answered_tells_who_and_when(self, town: Town) -> None:
        event_id = miss(town)
        town.advance(missed_at(1) + timedelta(minutes=30))
        call_her(town)

        told = town.trace(event_id)

        assert told["problems"] == []
        assert step_of(told, "task_opened")["state"] == "DONE"
        attempt = step_of(told, "outreach_attempted")
        assert attempt["sentence"] == "attempt 1 to reach the patient, by call: no answer"
        assert (attempt["actor_role"], attempt["actor_id"]) == ("counselor", "counselor-8")
        # It came of another request than the miss, and stands where it is the answer.
        assert attempt["elsewhere"] is True
        assert attempt["after_seconds"] == 1800

    def test_tells_how_it_came_to_an_event_far_down(self, town: Town) -> None:
        event_id = miss(town)
        town.advance(missed_at(1) + timedelta(hours=2))
        overdue = step_of(town.trace(event_id), "outreach_first_attempt_due")
        task = next(step for step in town.trace(event_id)["steps"] if step["of"] == overdue["step"])

        told = town.trace(task["id"])

        assert [step["sentence"] for step in told["causes"]][-2:] == [
            "a session was missed",
            "nobody had recorded an attempt by then",
        ]
        assert told["steps"][0]["id"] == task["id"]


class TestStuck:
    def test_tells_of_a_reaction_that_was_parked(self, town: Town) -> None:
        def fail(*_: Any) -> None:
            raise ZeroDivisionError

        host = town["monitoring"].host
        host.reactions["session_missed"] = [("reach_out", fail)]
        event_id = miss(town)
        assert problems(town.trace(event_id)) == [
            ("WAITING", "reach out: failed (ZeroDivisionError), will be tried again after 1 attempt")
        ]
        for _ in range(8):
            town["monitoring"].settle()

        told = town.trace(event_id)

        ((problem, sentence),) = problems(told)
        assert problem == "PARKED"
        assert sentence.startswith("reach out: failed too often (ZeroDivisionError), parked after 8 attempts")
        town["monitoring"].call(
            "skip_parked",
            {"item_id": event_id, "why": "Called by hand."},
            role="operations",
            actor_id="ops-7",
        )
        given_up = step_of(town.trace(event_id), "reach_out")
        assert given_up["sentence"] == "reach out: given up by ops-7, skip: Called by hand."

    def test_tells_who_has_not_received_it(self, town: Town) -> None:
        event_id = miss(town)
        later = clock.real_now() + timedelta(minutes=1)

        told = town.trace(event_id, real_now=later)

        # Neither of the two is in this town.
        assert {(stuck["problem"], stuck["service"]) for stuck in told["problems"]} == {
            ("NOT_RECEIVED", "aftercare"),
            ("NOT_RECEIVED", "intake"),
        }

    def test_tells_of_events_that_were_not_sent(self, town: Town) -> None:
        town.broker_is_down = True

        command_id, _ = endanger(town)

        told = town.trace(command_id)
        assert (
            step_of(told, "raise_safety_concern")["sentence"] == "raise safety concern by the counselor: done"
        )
        opened = step_of(told, "escalation_opened")
        assert (opened["state"], opened["problem"]) == ("OPEN", "NOBODY_PAGED")
        assert "it was not sent yet" in opened["sentence"]

    def test_tells_which_part_is_missing(self, town: Town) -> None:
        event_id = miss(town)
        town.away.add("monitoring")

        told = town.trace(event_id)

        assert told["missing"] == ["monitoring"]
        # What the archive has of it is told all the same.
        assert step_of(told, "task_opened")["service"] == "monitoring"
        assert not [step for step in told["steps"] if step.get("name") == "reach_out"]

    def test_tells_of_a_page_that_could_not_be_sent(self, town: Town) -> None:
        command_id, _ = endanger(town)
        with town["monitoring"].engine.begin() as connection:
            connection.execute(
                notifications.insert().values(
                    notification_id=new_id(),
                    tenant_id=town["monitoring"].tenant_id,
                    template="STAFF_PAGE",
                    codes={},
                    about_id=new_id(),
                    urgent=True,
                    time_zone="America/Chicago",
                    channel="EMAIL",
                    address_sealed=b"rosalind@quillmoor.example",
                    state="failed",
                    created_at=clock.real_now(),
                    give_up_at=clock.real_now(),
                    settled_at=clock.real_now(),
                    attempts=4,
                    error="SMTPServerDisconnected",
                    correlation_id=new_id(),
                    causation_id=command_id,
                )
            )

        told = town.trace(command_id)

        page = step_of(told, "STAFF_PAGE")
        assert (page["problem"], page["attempts"]) == ("FAILED", 4)
        assert page["sentence"] == "staff page by email could not be sent (SMTPServerDisconnected)"
        assert "quillmoor" not in json.dumps(told)

    def test_tells_of_a_page_that_failed_though_the_page_itself_is_forgotten(self, town: Town) -> None:
        command_id, escalation_id = endanger(town)
        settled = NotificationSettled(
            notification_id=new_id(),
            template="STAFF_PAGE",
            outcome="FAILED",
            about_id=escalation_id,
            attempts=9,
            settled_at=town["monitoring"].now,
        )
        town.tell(dataclasses.replace(town["monitoring"].envelope_of(settled), causation_id=command_id))

        told = town.trace(command_id)

        assert ("FAILED", "the message staff page is failed after 9 attempts") in problems(told)


class TestEscalation:
    def test_that_nobody_took_tells_each_tier_that_was_asked(self, town: Town) -> None:
        command_id, _ = endanger(town)
        town.advance(town["monitoring"].now + timedelta(minutes=12))

        told = town.trace(command_id)

        (opened,) = (step for step in told["steps"] if step.get("name") == "escalation_opened")
        assert opened["problem"] == "NOBODY_PAGED"
        assert opened["sentence"].endswith("; nobody has acknowledged it; nobody was paged")
        asked = [step for step in told["steps"] if step.get("name") == "escalation_breached"]
        assert [step["at"][11:16] for step in asked] == ["15:05", "15:10"]
        assert all(step["sentence"].startswith("nobody acknowledged in time: ") for step in asked)

    def test_that_somebody_took_is_told_as_taken(self, town: Town) -> None:
        command_id, escalation_id = endanger(town)
        town["monitoring"].call(
            "acknowledge_escalation", {"escalation_id": escalation_id}, actor_id="clinician-3"
        )
        town.carry()

        told = town.trace(command_id)

        assert step_of(told, "escalation_opened")["state"] == "ACKNOWLEDGED"
        taken = step_of(told, "escalation_acknowledged")
        assert (taken["actor_id"], taken["elsewhere"]) == ("clinician-3", True)
        assert "escalation_opened" not in {problem["name"] for problem in told["problems"]}


class TestIds:
    def test_can_be_of_a_command_that_announced_nothing(self, town: Town) -> None:
        miss(town)
        call_her(town)
        command_id = new_id()
        _, escalation_id = endanger(town)
        for _ in range(2):
            # The second time there is nothing left to tell.
            town["monitoring"].call(
                "acknowledge_escalation", {"escalation_id": escalation_id}, command_id=command_id
            )

        told = town.trace(command_id)

        assert told["kind"] == "COMMAND"
        assert told["steps"][0]["sentence"].startswith("acknowledge escalation by the clinician")

    def test_can_be_of_a_request(self, town: Town) -> None:
        event_id = miss(town)

        told = town.trace(_correlation_of(town, event_id))

        assert told["kind"] == "REQUEST"
        named = [step["name"] for step in told["steps"] if "name" in step]
        assert named[:2] == ["session_missed", "reach_out"]

    def test_can_be_of_an_episode(self, town: Town) -> None:
        miss(town)
        endanger(town)

        told = town.trace(EPISODE)

        roots = [step["name"] for step in told["steps"] if step["of"] is None]
        assert told["kind"] == "EPISODE"
        assert roots[:2] == ["assessment_completed", "patient_admitted"]
        assert sorted(roots[2:]) == ["raise_safety_concern", "session_missed"]

    def test_can_be_of_a_patient(self, town: Town) -> None:
        miss(town)

        assert town.trace(DANA)["kind"] == "PATIENT"

    def test_that_nobody_knows_are_refused(self, town: Town) -> None:
        with pytest.raises(NotFound):
            town.trace(new_id())

    def test_that_somebody_may_know_who_is_away_are_not_denied(self, town: Town) -> None:
        town.away.add("monitoring")

        with pytest.raises(Unavailable, match="monitoring did not answer"):
            town.trace(new_id())

    def test_of_another_tenant_are_not_there(self, town: Town) -> None:
        event_id = miss(town)
        command_id, _ = endanger(town)

        for id_ in (event_id, command_id, EPISODE, DANA):
            with pytest.raises(NotFound):
                town.trace(id_, tenant_id="riverside")


class TestPage:
    def test_is_cut_where_it_is_told_and_goes_on_from_there(self, town: Town) -> None:
        miss(town)
        town.advance(missed_at(1) + timedelta(hours=6))

        whole = town.trace(EPISODE)
        first = town.trace(EPISODE, limit=3)
        rest = town.trace(EPISODE, since=read_moment(first["cut_at"]))

        def events(told: dict[str, Any]) -> set[str]:
            return {step["id"] for step in told["steps"] if step["kind"] == "EVENT"}

        assert whole["cut_at"] is None
        assert len(events(first)) == 3
        assert events(first) | events(rest) == events(whole)

    def test_ends_where_it_is_asked_to(self, town: Town) -> None:
        miss(town)
        town.advance(missed_at(1) + timedelta(hours=6))

        told = town.trace(EPISODE, since=missed_at(1), until=missed_at(1))

        assert {step["at"] for step in told["steps"] if step["kind"] == "EVENT"} == {"2026-02-03T18:15:00Z"}


class TestMemory:
    def test_tells_from_the_audit_what_the_inbox_has_forgotten(self, town: Town) -> None:
        long_ago = clock.real_now() - timedelta(days=40)
        event_id = miss(town, recorded_at=long_ago)
        with town["monitoring"].engine.begin() as connection:
            connection.execute(inbox.delete().where(inbox.c.event_id == event_id))
        prune(town["monitoring"].host)

        told = town.trace(event_id)

        assert told["forgotten_before"] is not None
        assert step_of(told, "reach_out")["sentence"] == "reach out: done"
        # Aftercare is not in this town, and nobody can tell any more whether it received it.
        assert "nothing is on record: it was too long ago" in {step["sentence"] for step in told["steps"]}
        assert told["problems"] == []

    def test_reads_events_that_an_older_version_kept(self, town: Town) -> None:
        event_id = miss(town)
        with town["gateway"].engine.begin() as connection:
            connection.execute(
                archive.update().values(correlation_id=None, causation_id=None, episode_id=None)
            )

        told = town.trace(event_id)

        assert step_of(told, "task_opened")["of"] == step_of(told, "reach_out")["step"]
        assert town.trace(EPISODE)["kind"] == "EPISODE"


class TestPrivacy:
    def test_tells_nothing_that_somebody_wrote(self, town: Town) -> None:
        event_id = miss(town)
        call_her(town, "REACHED")

        for id_ in (event_id, EPISODE):
            assert "Ebenezer" not in json.dumps(town.trace(id_))


class TestWords:
    def test_are_there_for_events_and_timers_that_exist(self) -> None:
        timers = {
            entry.timer
            for service in (Intake, Scheduling, Monitoring, Aftercare)
            for _, entry in ways_in(service)
            if hasattr(entry, "timer")
        }
        assert set(trace_words._EVENTS) <= set(EVENTS)
        assert set(trace_words._TIMERS) <= timers

    @pytest.mark.parametrize("type_", sorted(trace_words._EVENTS))
    def test_need_nothing_that_the_event_does_not_tell(self, type_: str) -> None:
        told = trace_words._EVENTS[type_](example_of(EVENTS[type_]).event.to_data())

        assert not re.search("[a-z]_|_[a-z]", told)
        assert told[0].islower()


def _correlation_of(town: Town, event_id: str) -> str:
    with town["gateway"].engine.connect() as connection:
        found = connection.scalar(sa.select(archive.c.correlation_id).where(archive.c.event_id == event_id))
    return str(found)
