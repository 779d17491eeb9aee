"""Starting and stopping: nothing is forgotten, nothing is shared in silence, any order will do."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.event import SERVICES
from shared.ids import new_id
from shared.settings import environment_of
from tests import forked
from tests.journeys.clinic import Clinic
from tests.journeys.conftest import Builder
from tests.journeys.house import ROOT, DistributedHouse, EmbeddedHouse, wait_until
from tests.support import settings_for_tests


class TestARestart:
    def test_forgets_nothing(self, build_house: Builder) -> None:
        house: EmbeddedHouse = build_house("embedded")
        clinic = Clinic.open(house)
        patient = clinic.admit("Underhill")
        seat = clinic.next_group(patient)
        before, now, rows = house.door.events(), house.door.now(), house.dump()
        assert house.stop() == 0
        house.start()

        assert house.door.now() == now
        assert house.door.events() == before
        assert house.dump() == rows
        assert house.door.ask(f"/v1/patients/{patient.patient_id}")["family_name"] == "Underhill"
        # It goes on where it was: a timer that was set before fires after.
        house.door.jump(now.replace(hour=23, minute=59))
        ahead = clinic.sessions(patient)
        assert seat["seat_id"] in {one["seat_id"] for one in ahead}
        assert clinic.admit("Overhill").journey_id != patient.journey_id

    def test_gives_the_first_answer_to_a_key_that_was_used_before(self, build_house: Builder) -> None:
        house: EmbeddedHouse = build_house("embedded")
        site, key = (
            {
                "name": "Lakeside",
                "time_zone": "America/Chicago",
                "levels_licensed": ["2.1"],
                "emergency_phone": "+1 312 555 0142",
            },
            new_id(),
        )
        first = house.door.send("POST", "/v1/sites", site, role="operations", key=key)
        house.kill()
        again = house.door.send("POST", "/v1/sites", site, role="operations", key=key)
        assert (again.status, again.body) == (first.status, first.body)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert len(house.door.ask("/v1/sites")["items"]) == 1


class TestAStart:
    def test_refuses_a_port_in_use_and_says_which(self, tmp_path: Path) -> None:
        settings = settings_for_tests(HOMEWARD_DATA_DIR=str(tmp_path / "data"))
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            done = subprocess.run(
                [sys.executable, "-m", "homeward", "run", "--all"],
                cwd=ROOT,
                env={**os.environ, **environment_of(settings), "HOMEWARD_PORT": str(port)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        assert done.returncode != 0
        assert f"Port {port} on 127.0.0.1 is in use" in done.stderr
        assert "HOMEWARD_PORT" in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "data").exists()

    @pytest.mark.rabbitmq
    @pytest.mark.parametrize(
        ("order", "popen"),
        [
            # As operators start them: each loads what it needs by itself.
            (("gateway", *SERVICES[:-1]), subprocess.Popen),
            (tuple(reversed(SERVICES[:-1])), forked.popen),
        ],
        ids=["gateway first", "gateway last"],
    )
    def test_needs_no_order_of_services_the_very_first_time(
        self, build_house: Builder, order: tuple[str, ...], popen: Callable[..., Any]
    ) -> None:
        house: DistributedHouse = build_house("rabbitmq", order=(), popen=popen)
        assert SERVICES[-1] == "gateway"
        first, *others = order if "gateway" in order else (*order, "gateway")
        house.start(first)
        if first == "gateway":
            wait_until(lambda: house.answers("/livez"), seconds=60, what="the gateway is alive")
            refused = house.door.send("GET", "/v1/sites")
            assert refused.status == 503
            assert "Retry-After" in refused.headers
        for service in others:
            house.start(service)
        house.wait_until_ready()
        patient = Clinic.open(house).admit("Firsttimer")
        assert house.door.ask(f"/v1/episodes/{patient.episode_id}/weekly-plan")["state"] == "ACTIVE"
        assert house.parked() == []
