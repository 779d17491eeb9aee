"""Processes killed in the middle of their work: in the end all is as if nobody had been killed."""

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from gateway import openapi
from gateway.service import Gateway
from shared.contracts.event import EVENTS, SERVICES
from tests.journeys import script
from tests.journeys.conftest import SETUPS, Builder, houses
from tests.journeys.house import DistributedHouse, EmbeddedHouse
from tests.journeys.normal import Dump, bare_event, differences

AnyHouse = EmbeddedHouse | DistributedHouse
Undisturbed = tuple[str, list[str], Dump]

pytestmark = pytest.mark.timeout(900)

#: Whom each command's request goes to: what its path looks like → service.
_ROUTES = [
    (route.path.split("/"), route.service) for _, route in openapi.routes_of(Gateway) if route.is_command
]

#: How long a process is kept frozen to see whether it is given work.
FROZEN_SECONDS = 0.3
#: How long a process may be without work before the script must have run out of it.
WORK_SECONDS = 120.0


def service_of(path: str) -> str | None:
    """Return the service that carries out the command with this path."""
    parts = path.split("/")
    for shape, service in _ROUTES:
        if len(shape) == len(parts) and all(
            one == other or one.startswith("{") for one, other in zip(shape, parts, strict=True)
        ):
            return str(service)
    return None


class Reaper:
    """Freezes a process, waits until it holds up work, kills it for good and starts it again."""

    def __init__(self, house: AnyHouse, plan: dict[int, str]) -> None:
        self.house = house
        self.plan = plan
        self.killed: list[tuple[str, list[str]]] = []
        self.problems: list[BaseException] = []
        self._step = 0
        self._threads: list[threading.Thread] = []

    def notice(self, step: str) -> None:
        """Strike, where this step was chosen; the script goes on meanwhile."""
        self._step += 1
        service = self.plan.get(self._step)
        if service is not None:
            # One after the other: the one before must be back.
            self.finish()
            thread = threading.Thread(target=self._strike, args=(service,))
            self._threads.append(thread)
            thread.start()

    def finish(self) -> None:
        """Wait until everybody is back."""
        for thread in self._threads:
            thread.join()
        if self.problems:
            raise self.problems[0]

    def _strike(self, service: str) -> None:
        try:
            give_up_at = time.monotonic() + WORK_SECONDS
            while not (in_hand := self._frozen_with_work(service)) and time.monotonic() < give_up_at:
                # The script may be asking a question, or working with somebody else.
                self._signal(service, signal.SIGCONT)
                time.sleep(0.05)
            self.house.kill(service)
            self.killed.append((service, in_hand))
        except BaseException as problem:  # noqa: BLE001  # told in the thread of the test
            self.problems.append(problem)

    def _frozen_with_work(self, service: str) -> list[str]:
        """Freeze a service wherever it is, and return what it then has in hand, or is soon given."""
        self._signal(service, signal.SIGSTOP)
        thaws_at = time.monotonic() + FROZEN_SECONDS
        while not (in_hand := self.in_hand(service)) and time.monotonic() < thaws_at:
            time.sleep(0.02)
        return in_hand

    def _signal(self, service: str, number: signal.Signals) -> None:
        for process in self.house.processes_of(service):
            process.send_signal(number)

    def in_hand(self, service: str) -> list[str]:
        """Return what a frozen process has begun, or is given, and has not finished."""
        hosted = SERVICES if isinstance(self.house, EmbeddedHouse) else (service,)
        found = [
            f"command {path}"
            for path in list(self.house.door.open_commands)
            if service_of(path) in hosted or service == "gateway"
        ]
        for host in hosted:
            if host != "gateway":
                unsent = "SELECT type FROM outbox WHERE dispatched_at IS NULL"
                found += [f"unsent {kind}" for (kind,) in self.house.rows(host, unsent)]
                waiting = "SELECT reaction FROM inbox WHERE state = 'waiting'"
                found += [f"waiting {reaction}" for (reaction,) in self.house.rows(host, waiting)]
                taken = {row[0] for row in self.house.rows(host, "SELECT event_id FROM inbox")}
                found += [f"untaken {kind}" for event, kind in self._given_to(host) if event not in taken]
        return found

    def _given_to(self, service: str) -> Iterator[tuple[str, str]]:
        for announcer in SERVICES:
            for event_id, kind in self.house.rows(announcer, "SELECT event_id, type FROM outbox"):
                if service in EVENTS[kind].reacting:
                    yield event_id, kind


def told(house: AnyHouse) -> Dump:
    """Return all that a house keeps: every table of every service, and every event."""
    house.door.settle()
    assert house.parked() == []
    dump = house.dump()
    events = house.rows("gateway", "SELECT body FROM archive")
    dump["gateway"]["archive"] = sorted(bare_event(bytes(body)) for (body,) in events)
    return dump


@pytest.fixture(scope="module", params=SETUPS)
def undisturbed(request: pytest.FixtureRequest) -> Undisturbed:
    """The set-up's name, the steps of the script, and what a house keeps that nobody disturbed."""
    with houses(request) as build:
        house = build(request.param)
        steps = script.steps_of(lambda notice: script.play(house, notice=notice))
        kept = told(house)
    return request.param, steps, kept


@pytest.mark.parametrize("seed", [11, 23])
def test_killed_processes_leave_what_an_undisturbed_run_leaves(
    undisturbed: Undisturbed, build_house: Builder, seed: int
) -> None:
    setup, steps, kept = undisturbed
    house: AnyHouse = build_house(setup)
    # The embedded set-up has one process: it is killed as often as the others have processes.
    reaper = Reaper(house, script.chosen_steps(steps, seed=seed))
    script.play(house, notice=reaper.notice)
    reaper.finish()

    assert sorted(service for service, _ in reaper.killed) == sorted(SERVICES)
    for service, in_hand in reaper.killed:
        assert in_hand, f"{service} had nothing in hand when it was killed"
    assert all(any(tables.values()) for tables in kept.values())
    found = differences(kept, told(house))
    assert not found, "\n".join(found[:40])
