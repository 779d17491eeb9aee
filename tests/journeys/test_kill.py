"""Processes killed in the middle of their work: in the end all is as if nobody had been killed."""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from gateway import openapi
from gateway.service import Gateway
from shared.contracts.event import EVENTS, SERVICES
from tests.journeys import script
from tests.journeys.conftest import Builder
from tests.journeys.house import DistributedHouse, EmbeddedHouse
from tests.journeys.normal import differences

AnyHouse = EmbeddedHouse | DistributedHouse

pytestmark = pytest.mark.timeout(900)

#: Whom each command's request goes to: what its path looks like → service.
_ROUTES = [
    (route.path.split("/"), route.service) for _, route in openapi.routes_of(Gateway) if route.is_command
]

#: How often each service is struck, where that many commands go to it for each time.
STRIKES, COMMANDS_FOR_EACH = 2, 4
#: How long a frozen process waits for the command that is being sent to it.
WORK_SECONDS = 30.0
#: Most seconds between a command and the strike: about what a command takes.
LONGEST_DELAY_SECONDS = 0.02


def hosts_of(path: str) -> tuple[str, ...]:
    """Return who has a part in the command with this path: the gateway, and who carries it out."""
    parts = path.split("/")
    for shape, service in _ROUTES:
        if len(shape) == len(parts) and all(
            one == other or one.startswith("{") for one, other in zip(shape, parts, strict=True)
        ):
            return (service, "gateway") if service else ("gateway",)
    raise AssertionError(f"no route has the path {path}")


def strikes(sent: list[str], *, seed: int) -> dict[str, list[tuple[int, float]]]:
    """Choose when each service is struck, from the paths of the commands that a run sends."""
    draws = random.Random(seed)  # the moments of a test
    numbers = Counter(service for path in sent for service in hosts_of(path))
    plan = {}
    for service in SERVICES:
        times = STRIKES if numbers[service] >= STRIKES * COMMANDS_FOR_EACH else 1
        part = numbers[service] // times
        plan[service] = [
            # Never the last of its part: a strike that misses needs a next one.
            (part * number + draws.randrange(1, part), draws.uniform(0, LONGEST_DELAY_SECONDS))
            for number in range(times)
        ]
    return plan


class Reaper:
    """Freezes a process while it has work, kills it for good and starts it again.

    :param plan: per service, the numbers of the commands to it after which it is struck, and how many
        seconds after each was sent. Where it has finished by then, it is struck at its next command,
        before that one is sent.
    """

    def __init__(self, house: AnyHouse, plan: dict[str, list[tuple[int, float]]]) -> None:
        self.house = house
        self.plan = {service: list(times) for service, times in plan.items()}
        self.killed: list[tuple[str, list[str]]] = []
        self.problems: list[BaseException] = []
        self._sent: Counter[str] = Counter()
        self._missed: set[str] = set()
        self._thread: threading.Thread | None = None

    def notice(self, path: str) -> None:
        """Strike, where this command was chosen; whoever sent it goes on meanwhile."""
        self._sent.update(hosts_of(path))
        for service in hosts_of(path):
            if not self._is_due(service):
                continue
            # One after the other: the one before must be back, and may have missed.
            self.finish()
            if not self._is_due(service):
                continue
            _, delay = self.plan[service][0]
            if service in self._missed:
                self._signal(service, signal.SIGSTOP)
                delay = 0.0
            self._thread = threading.Thread(target=self._strike, args=(service, delay))
            self._thread.start()
            return

    def _is_due(self, service: str) -> bool:
        times = self.plan[service]
        return bool(times) and self._sent[service] >= times[0][0]

    def finish(self) -> None:
        """Wait until everybody is back."""
        if self._thread is not None:
            self._thread.join()
        if self.problems:
            raise self.problems[0]

    def _strike(self, service: str, delay: float) -> None:
        try:
            time.sleep(delay)
            self._signal(service, signal.SIGSTOP)
            # Where it was frozen before the command was sent, the command has yet to reach it.
            give_up_at = time.monotonic() + (WORK_SECONDS if service in self._missed else 0.0)
            while not (in_hand := self.in_hand(service)) and time.monotonic() < give_up_at:
                time.sleep(0.01)
            if not in_hand and service not in self._missed:
                self._missed.add(service)
                self._signal(service, signal.SIGCONT)
                return
            del self.plan[service][0]
            self._missed.discard(service)
            self.house.kill(service)
            self.killed.append((service, in_hand))
        except BaseException as problem:  # noqa: BLE001  # told in the thread of the test
            self.problems.append(problem)

    def _signal(self, service: str, number: signal.Signals) -> None:
        for process in self.house.processes_of(service):
            process.send_signal(number)

    def in_hand(self, service: str) -> list[str]:
        """Return what a frozen process has begun, or is given, and has not finished."""
        hosted = SERVICES if isinstance(self.house, EmbeddedHouse) else (service,)
        found = [
            f"command {path}"
            for path in list(self.house.door.open_commands)
            if not {*hosts_of(path)}.isdisjoint(hosted)
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


@pytest.mark.parametrize(
    ("setup", "seed"),
    [
        ("embedded", 11),
        ("embedded", 53),
        pytest.param("rabbitmq", 23, marks=pytest.mark.rabbitmq),
        pytest.param("rabbitmq", 37, marks=pytest.mark.rabbitmq),
    ],
)
def test_killed_processes_leave_what_an_undisturbed_run_leaves(
    undisturbed: script.Recording, build_house: Builder, setup: str, seed: int
) -> None:
    """Both set-ups are held against one run: what is kept depends on the set-up no more than on a kill.

    Each seed strikes at other moments.
    """
    house: AnyHouse = build_house(setup)
    # The embedded set-up has one process: it is killed as often as the others have processes.
    plan = strikes(undisturbed.commands, seed=seed)
    reaper = Reaper(house, plan)
    house.door.on_command = reaper.notice
    script.play(house)
    reaper.finish()
    house.door.on_command = lambda path: None

    wanted = {service: len(times) for service, times in plan.items()}
    assert Counter(service for service, _ in reaper.killed) == wanted
    assert sum(wanted.values()) > len(SERVICES)
    for service, in_hand in reaper.killed:
        assert in_hand, f"{service} had nothing in hand when it was killed"
    assert all(any(tables.values()) for tables in undisturbed.kept.values())
    found = differences(undisturbed.kept, script.told(house))
    assert not found, "\n".join(found[:40])
