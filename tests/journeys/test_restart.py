"""Starting and stopping: nothing is forgotten, nothing is shared in silence, any order will do."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from homeward.greeting import PEOPLE
from homeward.postgres import PrivatePostgres
from shared.contracts.event import SERVICES
from shared.ids import new_id
from shared.settings import environment_of
from tests import forked
from tests.journeys.clinic import Clinic
from tests.journeys.conftest import Builder
from tests.journeys.house import ROOT, DistributedHouse, EmbeddedHouse, wait_until
from tests.ports import free_port
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


@dataclass
class Greeted:
    """What a newcomer has before them after ``make run``."""

    process: "subprocess.Popen[bytes]"
    #: What it printed: its log and, among it, the greeting.
    printed: str

    def pasted(self, request: int) -> Any:
        """Paste the tokens and one of the three requests into a shell; return what it answers."""
        lines = [line.strip() for line in self.printed.splitlines()]
        exports = [line for line in lines if line.startswith("export ")]
        requests = [line for line in lines if line.startswith("curl ")]
        assert len(requests) == 3
        done = subprocess.run(
            [
                "/bin/sh",
                "-c",
                "\n".join([*exports, requests[request].replace("curl", "curl -sS --fail-with-body", 1)]),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return json.loads(done.stdout)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
class TestGreeting:
    @pytest.fixture
    def greeted(self) -> Iterator[Callable[[], Greeted]]:
        """What starts Homeward as ``make run`` does, each time on the same folder and port."""
        # Not pytest's own folder: root's is closed to the user that PostgreSQL runs as.
        folder, port = Path(tempfile.mkdtemp(prefix="hw-house-")), str(free_port())
        folder.chmod(0o711)
        started: list[subprocess.Popen[bytes]] = []

        def start() -> Greeted:
            printed = folder / f"printed-{len(started)}"
            with printed.open("wb") as out:
                started.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "homeward", "run", "--all", "--greet"],
                        cwd=ROOT,
                        env={**os.environ, "HOMEWARD_DATA_DIR": str(folder / "data"), "HOMEWARD_PORT": port},
                        stdin=subprocess.DEVNULL,
                        stdout=out,
                        stderr=out,
                    )
                )
            greeted = re.compile(r"/v1/events\?limit.*\n")  # the last line of it, and all of that
            wait_until(lambda: bool(greeted.search(printed.read_text())), seconds=120, what="it greets")
            return Greeted(started[-1], printed.read_text())

        yield start
        for process in started:
            process.kill()
            process.wait()
        PrivatePostgres(folder / "data" / "postgres").discard()
        shutil.rmtree(folder, ignore_errors=True)

    def test_holds_requests_that_work_when_they_are_pasted(self, greeted: Callable[[], Greeted]) -> None:
        first = greeted()
        assert first.printed.startswith("Homeward starts")
        assert {f"{role.upper()}_TOKEN" for role in PEOPLE} == set(
            re.findall(r"export (\w+)=", first.printed)
        )
        assert first.pasted(0) == {"status": "ready"}
        site = first.pasted(1)
        assert site["site_id"]
        # What the command announced is in the feed when it has come through the broker, not before.
        events: list[Any] = []

        def told() -> bool:
            events[:] = first.pasted(2)["items"]
            return "homeward.site_opened" in {one["type"] for one in events}

        wait_until(told, seconds=30, what="the feed tells that a site was opened")

        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(60) == 0
        again = greeted()

        # The same site once more, and no other: what was known is known, tokens of before included.
        again.printed = first.printed
        assert again.pasted(1) == site
        assert again.pasted(2)["items"][: len(events)] == events


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
            wait_until(lambda: house.answers("/livez"), seconds=120, what="the gateway is alive")
            refused = house.door.send("GET", "/v1/sites")
            assert refused.status == 503
            assert "Retry-After" in refused.headers
        for service in others:
            house.start(service)
        house.wait_until_ready()
        patient = Clinic.open(house).admit("Firsttimer")
        assert house.door.ask(f"/v1/episodes/{patient.episode_id}/weekly-plan")["state"] == "ACTIVE"
        assert house.parked() == []
