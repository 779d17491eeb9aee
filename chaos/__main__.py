"""``python -m chaos``: every kind of fault against a house under load, and the verdict.

Status 1 where anything was lost, duplicated or unexpected. ``--quick`` strikes fewer and shorter
blows, of every kind. Whatever happens, it ends within its bound and leaves no process behind.
"""

import argparse
import dataclasses
import faulthandler
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from chaos import faults
from chaos.house import House, wait_until
from chaos.judge import NO_FAULT, Judge, Verdict, settle
from chaos.load import Ledger, Load
from chaos.pages import E4_SECONDS, Dangers, MailServer
from chaos.peers import faults as peers
from chaos.report import is_bad, show, wide_console
from shared.contracts.event import SERVICES
from tests import forked
from tests.nodes import NodeUnavailable, RabbitNode

REPORT = Path("var/chaos/report.json")
LOGS = REPORT.with_name("logs")

#: Seconds in which Homeward's part of a run is over; promised are 30 and 5 minutes for all of it.
FULL_SECONDS = 25 * 60
QUICK_SECONDS = 285
#: Seconds for the other frameworks, after which a run is broken off, whatever it is at.
PEERS_SECONDS = 270
#: Events that a full run is about.
FULL_EVENTS = 100_000
#: Seconds that are kept for the others to settle, and for the verdict.
SETTLE_SECONDS, QUICK_SETTLE_SECONDS = 150, 45
#: Seconds of plain load after each fault, so that its end can be seen.
AFTER_SECONDS, QUICK_AFTER_SECONDS = 8.0, 0.5


#: What a fault may find at most, where it finds such a figure; a quick run as well.
MOST = {
    "failed_requests": 0,
    "finished_then_redelivered": 0,
    "longest_drain_seconds": 25.0,
    "seconds_to_first_send": 5.0,
    "seconds_to_drain": 10.0,
}


def broken_promises(details: dict[str, Any]) -> list[str]:
    """Return what a fault found more of than it may."""
    return [f"{details[name]} {name}" for name, most in MOST.items() if details.get(name, 0) > most]


class OutOfTime(BaseException):
    """Raised when the bound of the run is reached; nothing but the run itself may catch it."""


@dataclasses.dataclass
class Done:
    """One fault that was done."""

    name: str
    began_at: float
    ended_at: float
    details: dict[str, Any]
    problem: str = ""


class Run:
    """One run, from the first start to the verdict."""

    def __init__(self, *, quick: bool, seed: int, events: int, only: list[str], seconds: float) -> None:
        self.quick = quick
        self.seconds = seconds
        self.seed = seed
        self.events = events
        self.only = only
        self.began = time.monotonic()
        #: What else the machine is doing: told with the figures.
        self.load_before = round(os.getloadavg()[0], 2)
        self.ledger = Ledger()
        self.done: list[Done] = []
        self.verdicts: list[Verdict] = []
        self.unexpected: list[str] = []
        self.console = wide_console()
        self.mail = MailServer()

    @property
    def seconds_left(self) -> float:
        """Seconds until everything has to be settled and judged."""
        return self.began + self.seconds - time.monotonic()

    def run(self) -> dict[str, Any]:
        """Do all of it and return the report."""
        if self.quick:
            # Beside the broker's start, and the making of the databases.
            forked.prepare()
        node = RabbitNode.start_private(
            f"heartbeat = {faults.heartbeat_seconds(quick=self.quick)}\n" if self.quick else ""
        )
        try:
            self.mail.start()
            varied = {"HOMEWARD_PARKED_AFTER_ATTEMPTS": "3" if self.quick else "4"}
            if self.quick:
                varied["HOMEWARD_SAFETY_CONFIRM_SECONDS"] = str(faults.QUICK_CONFIRM_SECONDS)
            # To load the programs is most of what a start costs, and a run starts some fifty of them. A
            # process that is forked from one that has loaded them dies, and comes back, like any other.
            popen = forked.popen if self.quick else subprocess.Popen
            with House(node=node, variables=varied | self.mail.settings, popen=popen) as house:
                house.ward_node()
                return self._in(house)
        finally:
            node.discard()
            self.mail.stop()

    def _in(self, house: House) -> dict[str, Any]:
        load = Load(house, self.ledger, seed=self.seed, people=4, importers=1 if self.quick else 3)
        dangers = Dangers(house, load, self.mail)
        scene = faults.Scene(house, load, random.Random(self.seed), self.quick, dangers=dangers)
        self._strike("first start in any order", faults.first_start, scene)
        dangers.make_contact()
        dangers.plan_duty()
        dangers.start()
        load.start()
        for name, fault in faults.KINDS.items():
            if self.only and name not in self.only:
                continue
            if self.seconds_left < (QUICK_SETTLE_SECONDS if self.quick else SETTLE_SECONDS):
                self.unexpected.append(f"no time was left for: {name}")
                continue
            self._strike(name, fault, scene)
            self._wait_for_work()
            if not self.quick and self._events_in(house) >= self.events:
                # There are as many as promised. More would only take the time that the rest needs.
                load.import_no_more()
            time.sleep(QUICK_AFTER_SECONDS if self.quick else AFTER_SECONDS)
        self._plain_load(house)
        dangers.stop()
        load.stop(seconds=max(10.0, self.seconds_left - 30))
        if not settle(house, seconds=max(5.0, self.seconds_left - 30)):
            self.unexpected.append("the house did not come to rest")
        report = self._judge(house, load, scene, dangers)
        # For whoever wants to know why: what the processes logged quotes nobody.
        shutil.rmtree(LOGS, ignore_errors=True)
        shutil.copytree(house.folder, LOGS, ignore=lambda folder, names: {n for n in names if "." not in n})
        return report

    def _strike(self, name: str, fault: faults.Fault, scene: faults.Scene) -> None:
        scene.details = {}
        began, problem = time.time(), ""
        try:
            fault(scene)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            self._mend(scene)
        done = Done(name, began, time.time(), scene.details, problem)
        self.done.append(done)
        self.console.print(
            f"{time.monotonic() - self.began:6.0f} s  {name}: {done.ended_at - began:.1f} s"
            f" {scene.details or ''} {problem}",
            highlight=False,
        )

    def _wait_for_work(self) -> None:
        """Wait until a command is answered that was sent after the fault: the next one is to meet work."""
        ended = self.done[-1].ended_at
        wait_until(lambda: self.ledger.newest_acknowledged > ended, seconds=30, step=0.1)

    def _mend(self, scene: faults.Scene) -> None:
        """Put everything in its place again after a fault that went wrong."""
        house = scene.house
        for service in SERVICES:
            for what in ("broker", "database"):
                house.relays.drop(f"{what}-{service}")
                house.relays.mode(f"{what}-{service}", "open")
            for number in range(1, house.gateways + 1) if service == "gateway" else (1,):
                if not any(copy.number in (number, number + 100) for copy in house.of(service)):
                    house.start(service, number=number)
        house.wait_until_ready()

    @staticmethod
    def _events_in(house: House) -> int:
        return int(house.rows("gateway", "SELECT count(*) FROM archive")[0][0])

    def _plain_load(self, house: House) -> None:
        """Go on without any fault until there were as many events as promised, if there is time."""
        settle = QUICK_SETTLE_SECONDS if self.quick else SETTLE_SECONDS
        wait_until(
            lambda: self._events_in(house) >= self.events or self.seconds_left < settle,
            seconds=max(3.0, self.seconds_left - settle),
            step=0.5,
        )

    def _judge(self, house: House, load: Load, scene: faults.Scene, dangers: Dangers) -> dict[str, Any]:
        pages = dangers.seconds_to_page()
        judge = Judge(house, load)
        self.unexpected += judge.unexpected(load.sent, tolerated=scene.poison)
        self.unexpected += [f"the load met: {problem}" for problem in load.problems]
        judge.attribute(self.ledger.facts, [(done.name, done.began_at, done.ended_at) for done in self.done])
        for name in [*[done.name for done in self.done], NO_FAULT]:
            verdict = judge.verdict(name, [fact for fact in self.ledger.facts if fact.fault == name])
            found = [done for done in self.done if done.name == name]
            for done in found:
                verdict.details = done.details
                verdict.details["seconds"] = round(done.ended_at - done.began_at, 1)
                if done.problem:
                    verdict.unexpected += 1
                    self.unexpected.append(f"{name}: {done.problem}")
                first, last = judge.recovery(ended_at=done.ended_at)
                verdict.seconds_to_first_effect = None if first is None else round(first, 2)
                verdict.seconds_to_recover = None if last is None else round(last, 2)
                for broken in broken_promises(done.details):
                    verdict.unexpected += 1
                    self.unexpected.append(f"{name}: {broken}")
            self._judge_pages(verdict, pages)
            self.verdicts.append(verdict)
        return self._report(judge)

    def _judge_pages(self, verdict: Verdict, pages: dict[str, float | None]) -> None:
        """Find how long it took from a danger told to somebody paged, where a fault was met."""
        told = [
            pages[fact.correlation_id]
            for fact in self.ledger.facts
            if fact.fault == verdict.fault and fact.correlation_id in pages
        ]
        verdict.dangers = len(told)
        verdict.seconds_to_page = max((seconds for seconds in told if seconds is not None), default=None)
        late = sum(seconds is None or seconds > E4_SECONDS for seconds in told)
        if late:
            verdict.unexpected += late
            self.unexpected.append(f"{verdict.fault}: nobody was paged in time about {late} dangers")

    def _report(self, judge: Judge) -> dict[str, Any]:
        total = {
            word: sum(getattr(verdict, word) for verdict in self.verdicts)
            for word in ("attempted", "acknowledged", "ok", "recovered", "lost", "duplicated")
        }
        return {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": "python -m chaos" + "".join(f" {word}" for word in sys.argv[1:]),
            "seed": self.seed,
            "machine": {
                "cores": os.cpu_count(),
                "python": platform.python_version(),
                "system": platform.platform(),
                "load_before": self.load_before,
            },
            **total,
            "unexpected": len(self.unexpected),
            "kinds_of_fault": len(self.done),
            "events": judge.events,
            "effects": judge.effects,
            "dangers": sum(verdict.dangers for verdict in self.verdicts),
            "seconds_to_page": max(
                (verdict.seconds_to_page for verdict in self.verdicts if verdict.seconds_to_page is not None),
                default=None,
            ),
            "unarchived": len(judge.unarchived),
            "seconds": round(time.monotonic() - self.began, 1),
            "problems": (self.unexpected + judge.broken)[:100],
            "faults": [dataclasses.asdict(verdict) for verdict in self.verdicts],
            "peers": [],
        }

    def beside(self) -> list[dict[str, Any]]:
        """Put other frameworks through what they can be put through; nothing where they cannot be had."""
        if self.quick:
            self.console.print("The other frameworks are left out of a quick run.")
            return []
        try:
            return peers.run()
        except peers.NoPeers as why:
            self.console.print(f"The other frameworks are left out: {why}", highlight=False)
        except OutOfTime:
            self.console.print("The other frameworks are left out: they were not done in time.")
        except Exception as error:
            self.console.print(f"The other frameworks are left out: {error}", highlight=False)
        return []


def _bound(seconds: float) -> None:
    """Break the run off when its time is over; end the process where even that does not help."""

    def out_of_time(signal_number: int, frame: object) -> None:
        raise OutOfTime

    def terminated(signal_number: int, frame: object) -> None:
        raise SystemExit(128 + signal_number)

    signal.signal(signal.SIGALRM, out_of_time)
    signal.signal(signal.SIGTERM, terminated)
    signal.alarm(int(seconds))
    # The relays see the end of this process, and kill what was started.
    last_resort = threading.Timer(seconds + 60, lambda: os._exit(3))
    last_resort.daemon = True
    last_resort.start()


def _write(report: dict[str, Any], place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))


def main() -> int:
    """Run, write the report and print it."""
    options = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    options.add_argument("--quick", action="store_true", help="fewer and shorter blows, under 5 minutes")
    options.add_argument("--seed", type=int, default=20)
    options.add_argument("--events", type=int, default=None, help=f"at least so many ({FULL_EVENTS})")
    options.add_argument("--only", action="append", default=[], help="one kind of fault; may come again")
    options.add_argument("--seconds", type=int, default=None, help="more time, for a busy machine")
    options.add_argument("--list", action="store_true", help="print the kinds of fault and stop")
    options.add_argument("--output", type=Path, default=REPORT)
    given = options.parse_args()
    console = wide_console()
    if given.list:
        for name, fault in {"first start in any order": faults.first_start, **faults.KINDS}.items():
            console.print(f"[bold]{name}[/]: {fault.__doc__}")
        return 0
    faulthandler.enable()
    seconds = given.seconds or (QUICK_SECONDS if given.quick else FULL_SECONDS)
    _bound(seconds + (10 if given.quick else PEERS_SECONDS))
    events = given.events if given.events is not None else 0 if given.quick else FULL_EVENTS
    run = Run(quick=given.quick, seed=given.seed, events=events, only=given.only, seconds=seconds)
    try:
        report = run.run()
    except NodeUnavailable as missing:
        console.print(str(missing), style="red")
        return 2
    except OutOfTime:
        console.print("The run was not over in time, and was broken off.", style="red")
        return 2
    # What was found stands, whatever becomes of the others.
    _write(report, given.output)
    if not given.only:
        report["peers"] = run.beside()
        _write(report, given.output)
    signal.alarm(0)
    show(report, console)
    console.print(f"Written to {given.output}")
    short = not given.quick and not given.only and report["events"] < events
    if short:
        console.print(f"Only {report['events']} of {events} events in the time there was.", style="red")
    return 1 if is_bad(report) or short else 0


if __name__ == "__main__":
    sys.exit(main())
