"""Traces of a whole program that has run for weeks, over HTTP: complete, and without anybody's name."""

import json
from typing import Any

import pytest

from tests.door.program import SECRETS, Program
from tests.journeys.house import House

pytestmark = pytest.mark.journey


def trace(house: House, trace_id: str, query: str = "?limit=2000") -> dict[str, Any]:
    return house.door.get(f"/v1/traces/{trace_id}{query}", role="supervisor").ok


class TestEpisode:
    def test_tells_every_event_once(self, house: House, program: Program) -> None:
        episode_id = program.treated.episode_id
        told = trace(house, episode_id)

        own = [event["id"] for event in house.door.events() if event.get("episodeid") == episode_id]
        steps = [step["id"] for step in told["steps"] if step["kind"] == "EVENT" and "elsewhere" not in step]
        assert told["cut_at"] is None
        assert told["missing"] == []
        assert len(steps) == len(set(steps))
        assert set(own) <= set(steps)

    def test_has_no_reaction_that_is_stuck(self, house: House, program: Program) -> None:
        told = trace(house, program.treated.episode_id)

        states = {step["state"] for step in told["steps"] if step["kind"] == "REACTION"}
        assert states == {"DONE"}

    def test_tells_who_asked_for_what_was_asked_for(self, house: House, program: Program) -> None:
        told = trace(house, program.treated.episode_id)

        commands = {step["name"]: step for step in told["steps"] if step["kind"] == "COMMAND"}
        assert {"register_referral", "complete_assessment", "decide_level_of_care", "admit_patient"} <= set(
            commands
        )
        assert all(step["actor_role"] and step["state"] == "done" for step in commands.values())

    def test_is_the_same_in_pages(self, house: House, program: Program) -> None:
        whole = _events(trace(house, program.treated.episode_id))
        found: set[str] = set()
        query = "?limit=60"
        for _ in range(50):
            page = trace(house, program.treated.episode_id, query)
            found |= _events(page)
            if page["cut_at"] is None:
                break
            query = f"?limit=60&since={page['cut_at']}"
        assert found >= whole


class TestMissedSession:
    def test_leads_from_the_admission_to_the_call(self, house: House, program: Program) -> None:
        (missed, *_) = (
            event
            for event in house.door.events("session_missed")
            if event["episodeid"] == program.treated.episode_id
        )

        told = trace(house, missed["id"])

        names = [step.get("name") for step in told["steps"]]
        assert names[0] == "session_missed"
        assert {"reach_out", "task_opened"} <= set(names)
        assert told["causes"][0]["kind"] == "COMMAND"


class TestPrivacy:
    @pytest.mark.parametrize("who", ["treated", "referred", "elsewhere", "discharged"])
    def test_tells_nobodys_name_and_nothing_that_was_written(
        self, house: House, program: Program, who: str
    ) -> None:
        person = getattr(program, who)
        for trace_id in (person.episode_id, person.patient_id):
            told = json.dumps(trace(house, trace_id))
            assert len(told) > 1000
            for secret in SECRETS.values():
                assert secret not in told
                assert json.dumps(secret)[1:-1] not in told


def _events(told: dict[str, Any]) -> set[str]:
    return {step["id"] for step in told["steps"] if step["kind"] == "EVENT" and "elsewhere" not in step}
