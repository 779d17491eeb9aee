"""``homeward trace``, as a supervisor reads it."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from services.aftercare.service import Aftercare
from services.intake.service import Intake
from services.monitoring.service import Monitoring
from services.scheduling.service import Scheduling
from shared.ids import new_id
from tests.homeward.test_command import homeward
from tests.monitoring import telling
from tests.monitoring.telling import ADMITTED_AT, missed_at
from tests.support import Room
from tests.trace.town import Town


class Desk:
    """A town, and the command on its databases."""

    def __init__(self, town: Town) -> None:
        self.town = town
        town.at(ADMITTED_AT)
        monitoring = town["monitoring"]
        monitoring.deliver(telling.site_opened(), telling.assessed(), telling.admitted())
        town.at(missed_at(1))
        self.missed = town.tell(monitoring.envelope_of(telling.missed(1)))
        town["monitoring"].advance(missed_at(1) + timedelta(hours=2))
        town.carry()

    def trace(self, *arguments: str, **urls: str) -> Any:
        known = {
            f"HOMEWARD_DATABASE_URL_{name.upper()}": room.engine.url.render_as_string(hide_password=False)
            for name, room in self.town.rooms.items()
        }
        nowhere = "postgresql+psycopg2://nobody@127.0.0.1:9/{service}"
        return homeward("trace", *arguments, **({"HOMEWARD_DATABASE_URL": nowhere} | known | urls))


@pytest.fixture
def desk(room_of: Callable[[type], Room]) -> Desk:
    return Desk(Town(room_of, Intake, Scheduling, Monitoring, Aftercare))


class TestTrace:
    def test_reads_as_the_answer_to_why_nobody_called(self, desk: Desk) -> None:
        told = desk.trace(desk.missed, "--time-zone", "America/Chicago")

        assert told.exit_code == 0, told.output
        read = [line.strip("│├─└ ") for line in told.output.splitlines()]
        assert "Tue 03 Feb 12:15  scheduling: a session was missed" in read
        assert any(line.startswith("Tue 03 Feb 12:15  monitoring: reach out: done") for line in read)
        assert "Tue 03 Feb 13:15  (1 h later) monitoring: nobody had recorded an attempt by then" in read
        stuck = told.output.partition("Late, stuck or failed")[2].partition("What came of it")[0]
        assert (
            "monitoring: asked the counselor: outreach call (session missed); nobody has done it,"
            " due Tue 03 Feb 13:15  ← overdue"
        ) in stuck

    def test_is_told_to_programs_as_json(self, desk: Desk) -> None:
        told = json.loads(desk.trace(desk.missed, "--json").output)

        assert (told["kind"], told["missing"]) == ("EVENT", [])
        assert told["steps"][0]["name"] == "session_missed"

    def test_goes_on_without_a_part_that_is_away(self, desk: Desk) -> None:
        nowhere = "postgresql+psycopg2://nobody@127.0.0.1:9/aftercare"

        told = desk.trace(desk.missed, HOMEWARD_DATABASE_URL_AFTERCARE=nowhere)

        assert told.exit_code == 0, told.output
        assert "aftercare did not answer: what it knows is missing here." in told.output
        assert "nobody had recorded an attempt by then" in told.output

    def test_finds_a_command_that_announced_nothing(self, desk: Desk) -> None:
        command_id = new_id()
        escalation = {"patient_id": telling.ELI, "concern": "OVERDOSE", "level": "E3"}
        answer = desk.town["monitoring"].call("raise_safety_concern", escalation)
        for _ in range(2):
            desk.town["monitoring"].call(
                "acknowledge_escalation", {"escalation_id": answer["escalation_id"]}, command_id=command_id
            )

        told = desk.trace(command_id)

        assert "acknowledge escalation by the clinician: done" in told.output

    def test_finds_all_of_an_episode_and_all_of_a_patient(self, desk: Desk) -> None:
        for whose in (telling.EPISODE, telling.DANA):
            told = desk.trace(whose)

            assert told.exit_code == 0, told.output
            assert "scheduling: a session was missed" in told.output

    def test_says_that_nobody_has_heard_of_an_id(self, desk: Desk) -> None:
        told = desk.trace(new_id())

        assert told.exit_code == 1
        assert "Nobody has heard of this id." in told.output

    def test_says_where_it_was_cut(self, desk: Desk) -> None:
        told = desk.trace(telling.EPISODE, "--limit", "1")

        assert "Cut here: there is more from" in told.output
