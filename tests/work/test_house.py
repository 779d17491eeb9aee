"""The work list of a whole house: what humans do by it, step by step, with every real service."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.contracts import roles
from shared.ids import new_id
from shared.settings import environment_of
from tests.journeys.house import ROOT, EmbeddedHouse, discarded_after

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def house() -> Iterator[EmbeddedHouse]:
    """Start the embedded set-up once."""
    with tempfile.TemporaryDirectory(prefix="hw-work-") as folder:
        # The user that PostgreSQL runs as must reach it.
        Path(folder).chmod(0o755)
        with discarded_after(EmbeddedHouse(Path(folder))) as house:
            yield house


class Desk:
    """Somebody who works by the list."""

    def __init__(self, house: EmbeddedHouse) -> None:
        self.door = house.door

    def report(self, **changes: Any) -> str:
        """Report that somebody used again; return who."""
        patient_id = new_id()
        concern = {"patient_id": patient_id, "concern": "RETURN_TO_USE", "level": "E3"}
        self.door.post("/v1/safety-concerns", concern | changes).expect(201)
        self.door.settle()
        return patient_id

    def tasks(self, query: str = "") -> dict[str, dict[str, Any]]:
        """Return open tasks by name, in the list's order."""
        self.door.settle()
        return {item["task"]: item for item in self.door.get(f"/v1/work?{query}").ok["items"]}


@pytest.fixture
def desk(house: EmbeddedHouse) -> Desk:
    return Desk(house)


class TestDanger:
    def test_is_worked_off_by_the_list_alone(self, desk: Desk) -> None:
        about = f"patient_id={desk.report()}"
        first = desk.tasks(about)
        assert set(first) == {"escalation", "naloxone", "overdose_check"}
        assert {item["level"] for item in first.values()} == {"E3"}

        claimed = desk.door.post(f"/v1/work/{first['escalation']['task_id']}/claims").ok
        assert claimed["claimed_by"] == "clinician-1"
        desk.door.post(first["escalation"]["action"]).expect(200)
        taken = desk.tasks(about)["escalation"]
        assert taken["acknowledged_by"] == "clinician-1"
        assert taken["action"].endswith("/closure")

        for name in ("naloxone", "overdose_check"):
            desk.door.post(first[name]["action"], {"outcome": "DONE"}).expect(201)
        assert set(desk.tasks(about)) == {"escalation"}

        desk.door.post(taken["action"], {"disposition": "NALOXONE_GIVEN"}).expect(200)
        assert desk.tasks(about) == {}

    def test_of_the_gravest_level_comes_before_whatever_is_overdue(self, desk: Desk) -> None:
        desk.report()
        desk.door.jump(desk.door.now() + timedelta(days=1))
        grave = desk.report(concern="VIOLENCE", level="E4")

        items = desk.door.get("/v1/work").ok["items"]

        assert (items[0]["patient_id"], items[0]["level"]) == (grave, "E4")
        assert "overdose_check" in [item["task"] for item in items[1:] if item["overdue"]]

    def test_is_asked_of_the_next_tier_when_nobody_takes_it(self, desk: Desk) -> None:
        about = f"patient_id={desk.report()}"
        first = desk.tasks(about)["escalation"]

        desk.door.jump(desk.door.now() + timedelta(minutes=31))

        then = desk.tasks(about)["escalation"]
        assert (first["owner_role"], then["owner_role"]) == (roles.CLINICIAN, roles.ON_CALL)
        assert then["task_id"] != first["task_id"]
        assert desk.door.post(f"/v1/work/{first['task_id']}/claims").body["code"] == "task_is_closed"

    def test_needs_a_licence_where_the_next_dose_can_kill(self, desk: Desk) -> None:
        about = f"patient_id={desk.report()}"
        asked = desk.tasks(about)["naloxone"]
        handed = {"to_role": roles.COUNSELOR, "to_id": "counselor-1"}
        desk.door.post(f"/v1/work/{asked['task_id']}/handovers", handed, role="supervisor").expect(201)

        unlicensed = desk.door.post(asked["action"], {"outcome": "DONE"}, role="front_desk")
        licensed = desk.door.post(asked["action"], {"outcome": "DONE"}, role="counselor")

        assert (unlicensed.status, licensed.status) == (409, 201)
        assert "naloxone" not in desk.tasks(about)


class TestRebuild:
    def test_of_a_house_in_use_changes_nothing(self, desk: Desk, house: EmbeddedHouse) -> None:
        about = f"patient_id={desk.report()}"
        escalation = desk.tasks(about)["escalation"]
        desk.door.post(f"/v1/work/{escalation['task_id']}/claims").expect(201)
        desk.door.post(escalation["action"]).expect(200)
        desk.door.settle()
        before = {table: house.dump()["gateway"][table] for table in ("work", "acknowledgements")}

        made = subprocess.run(  # our own program
            [sys.executable, "-m", "homeward", "work", "rebuild"],
            cwd=ROOT,
            env={**os.environ, **environment_of(house.settings)},
            capture_output=True,
            text=True,
            check=False,
        )

        assert made.returncode == 0, made.stderr
        assert made.stdout.startswith("made anew from ")
        assert {table: house.dump()["gateway"][table] for table in before} == before
        assert before["acknowledgements"]
