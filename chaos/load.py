"""Who sends commands meanwhile, and the ledger of what was acknowledged."""

import dataclasses
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import orjson
import psycopg2
import urllib3

from chaos.house import House, wait_until
from chaos.relays import TRIED_AGAIN
from services.intake.domain import placement
from shared.ids import derived_id, new_id
from tests.door.program import assessment

#: Seconds for which one command is tried again before it is left unacknowledged.
PATIENCE_SECONDS = 120.0
#: Seconds between two tries.
PAUSE_SECONDS = 0.25
#: Seconds that one try may take.
TRY_SECONDS = 40.0
#: Seconds that an accepted import may take: a copy that is killed in it leaves it to another, from the start.
IMPORT_SECONDS = 300.0
#: Rows of one import: each is an event with a reaction elsewhere.
IMPORT_ROWS = 100
#: Events on their way above which nothing new is imported, and above which nobody new is brought in at all: a
#: backlog is to come from faults alone. People who never pause for breath outrun any machine that is small
#: enough, and what is left of a run then tells of that.
MOST_ON_THEIR_WAY = 500
MOST_FOR_PEOPLE = 2_000


@dataclasses.dataclass
class Fact:
    """One command that was sent, and what it is to announce."""

    #: Shared by all that the command sets off: sent as X-Request-Id.
    correlation_id: str
    kind: str
    #: The fault that it met first.
    fault: str
    #: Wire name → how many events of it.
    announces: dict[str, int]
    sent_at: float
    acknowledged_at: float | None = None
    tries: int = 0
    #: Statuses of refused tries, for those who want to know why.
    refused: Counter[str] = dataclasses.field(default_factory=Counter)
    #: Whether the balancer had tried again before there was an answer: of those tries nobody here heard.
    tried_between: bool = False

    @property
    def size(self) -> int:
        """How many events it is about."""
        return sum(self.announces.values())


class Ledger:
    """All that was sent, in which fault, and all that was answered with 2xx."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.facts: list[Fact] = []
        self.fault = "none"
        #: When the newest of the acknowledged commands was sent.
        self.newest_acknowledged = 0.0

    def begin(self, kind: str, announces: dict[str, int]) -> Fact:
        """Note that a command is about to be sent."""
        fact = Fact(new_id(), kind, self.fault, announces, time.time())
        with self._lock:
            self.facts.append(fact)
        return fact

    def acknowledge(self, fact: Fact) -> None:
        """Note that a command was answered with 2xx."""
        fact.acknowledged_at = time.time()
        with self._lock:
            self.newest_acknowledged = max(self.newest_acknowledged, fact.sent_at)


class Refused(RuntimeError):
    """Raised when a command was not acknowledged for as long as anybody would try."""


class Load:
    """People at work in several threads, until they are told to stop.

    :param think_seconds: how long each of them thinks after a command.
    """

    def __init__(
        self,
        house: House,
        ledger: Ledger,
        *,
        seed: int,
        people: int = 2,
        importers: int = 2,
        think_seconds: float = 0.0,
    ) -> None:
        self.house = house
        self.ledger = ledger
        self._think_seconds = think_seconds
        self._pool = urllib3.PoolManager(maxsize=16, retries=False)
        self._stopping = threading.Event()
        self._pausing = threading.Event()
        self._imports_no_more = threading.Event()
        self._busy: dict[int, bool] = {}
        self._numbers = itertools.count(1)
        self._seed = seed
        self.on_their_way = 0
        #: What went wrong in a thread: no fault may cause that.
        self.problems: list[str] = []
        self.failed_requests = 0
        #: Correlation ids of all commands that were ever sent.
        self.sent: set[str] = set()
        self.site_id = derived_id("chaos", str(seed), "site")
        self._threads = [threading.Thread(target=self._watch, daemon=True)]
        self._threads += [
            threading.Thread(target=self._work, args=(self._one_person, n), daemon=True)
            for n in range(people)
        ]
        self._threads += [
            threading.Thread(target=self._work, args=(self._one_import, n), daemon=True)
            for n in range(100, 100 + importers)
        ]

    def open_site(self) -> None:
        """Open the site that everybody is referred to."""
        body = {
            "site_id": self.site_id,
            "name": "Lakeside",
            "time_zone": "America/Chicago",
            "levels_licensed": ["1", "2.1"],
            "emergency_phone": "+1 312 555 0142",
        }
        self.send("site", "/v1/sites", body, role="operations", announces={"site_opened": 1})
        rules = placement.newest()
        signed = {"pack": rules.code, "version": rules.version, "digest": rules.digest}
        self.send(
            "rules",
            "/v1/rule-signatures",
            signed,
            role="medical_director",
            announces={"rules_signed": 1},
        )

    def start(self) -> None:
        """Set everybody to work."""
        for thread in self._threads:
            thread.start()

    def pause(self) -> None:
        """Have nothing new begun, and wait until what was begun is done."""
        self._pausing.set()
        wait_until(lambda: not any(self._busy.values()), seconds=PATIENCE_SECONDS)

    def go_on(self) -> None:
        """End the pause."""
        self._pausing.clear()

    def import_no_more(self) -> None:
        """Have no more lists imported: people alone are at work from here on."""
        self._imports_no_more.set()

    def stop(self, *, seconds: float = PATIENCE_SECONDS + TRY_SECONDS) -> None:
        """Let everybody finish what they are at."""
        self._stopping.set()
        ends = time.monotonic() + seconds
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, ends - time.monotonic()))

    # --- Requests -----------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: str,
        key: str = "",
        correlation_id: str = "",
        fact: Fact | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Send one request; 0 is the status where nobody answered.

        :param fact: what it is a try of: told where there were others between.
        """
        correlation_id = correlation_id or new_id()
        headers = {
            "Authorization": f"Bearer {self.house.tokens[role]}",
            "Content-Type": "application/json",
            "X-Request-Id": correlation_id,
        }
        if method == "POST":
            self.sent.add(correlation_id)
            headers["Idempotency-Key"] = key
        try:
            answer = self._pool.request(
                method,
                self.house.url + path,
                body=None if body is None else orjson.dumps(body),
                headers=headers,
                timeout=TRY_SECONDS,
            )
        except urllib3.exceptions.HTTPError:
            return 0, {}
        if fact is not None and TRIED_AGAIN in answer.headers:
            fact.tried_between = True
        try:
            return answer.status, orjson.loads(answer.data) if answer.data else {}
        except orjson.JSONDecodeError:
            return answer.status, {}

    def send(
        self, kind: str, path: str, body: dict[str, Any], *, role: str, announces: dict[str, int]
    ) -> dict[str, Any]:
        """Send a command, again under its key until it is acknowledged, and return the answer.

        :raises Refused: when it is not, for as long as anybody would try.
        """
        fact = self.ledger.begin(kind, announces)
        ends = time.monotonic() + PATIENCE_SECONDS
        while True:
            fact.tries += 1
            status, answer = self.request(
                "POST",
                path,
                body,
                role=role,
                key=fact.correlation_id,
                correlation_id=fact.correlation_id,
                fact=fact,
            )
            # Whoever is told to send it again was heard, but what they sent was not kept.
            if 200 <= status < 300 and not answer.get("send_again"):
                self.ledger.acknowledge(fact)
                time.sleep(self._think_seconds)
                return answer
            fact.refused[f"{status} {answer.get('code', '')}".strip()] += 1
            # What it builds on may be on its way still: 404 and 409 are tried again as well.
            if status not in (404, 409):
                self.failed_requests += 1
            if time.monotonic() > ends or (self._stopping.is_set() and fact.tries > 200):
                raise Refused(f"{kind}: {dict(fact.refused)}")
            time.sleep(PAUSE_SECONDS)

    # --- Threads ------------------------------------------------------------------------------

    def _work(self, step: Callable[[random.Random], None], number: int) -> None:
        draws = random.Random(self._seed * 1000 + number)
        while not self._stopping.is_set():
            if self._pausing.is_set():
                time.sleep(0.05)
                continue
            self._busy[number] = True
            try:
                step(draws)
            except Refused as refused:
                self.problems.append(str(refused))
            except Exception as problem:
                self.problems.append(f"{type(problem).__name__}: {problem}")
                time.sleep(PAUSE_SECONDS)
            finally:
                self._busy[number] = False

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                self.on_their_way = self.house.backlog()
            except psycopg2.Error:
                # The fault of the hour.
                self.on_their_way = MOST_ON_THEIR_WAY + 1
            time.sleep(1.0)

    def person(self) -> dict[str, Any]:
        """Return somebody who was never referred before."""
        number = next(self._numbers)
        born = date(1950, 1, 1) + timedelta(days=number % 18_000)
        return {
            "given_name": f"Ada {number // 18_000}",
            "family_name": f"Lovelace {self._seed}",
            "birth_date": born.isoformat(),
        }

    def _one_import(self, draws: random.Random) -> None:
        if self._imports_no_more.is_set() or self.on_their_way > MOST_ON_THEIR_WAY:
            time.sleep(PAUSE_SECONDS)
            return
        rows = [{"patient": self.person(), "referral_source": "1"} for _ in range(IMPORT_ROWS)]
        job = self.send(
            "import",
            "/v1/referral-imports",
            {"site_id": self.site_id, "rows": rows},
            role="operations",
            announces={"referral_received": IMPORT_ROWS},
        )
        ends = time.monotonic() + IMPORT_SECONDS
        while True:
            status, told = self.request("GET", job["href"], role="operations")
            if status == 200 and told["state"] != "running":
                if told["state"] != "done" or len(told["result"]["registered"]) != IMPORT_ROWS:
                    raise Refused(f"import: {told['state']}")
                return
            if time.monotonic() > ends:
                raise Refused("import: the job is still running")
            time.sleep(0.1)

    def _one_person(self, draws: random.Random) -> None:
        """Bring somebody from the referral to the admission, and hear of a danger or a lapse."""
        if self.on_their_way > MOST_FOR_PEOPLE:
            time.sleep(PAUSE_SECONDS)
            return
        referred = self.refer()
        patient, episode = referred["patient_id"], referred["episode_id"]
        self.send(
            "obligations",
            f"/v1/patients/{patient}/obligations",
            {"site_id": self.site_id, "obligations": []},
            role="front_desk",
            announces={"obligation_fit_found": 1},
        )
        for kind in ("TREATMENT", "FOLLOW_UP"):
            self.send(
                "consent",
                f"/v1/patients/{patient}/consents",
                {"kind": kind},
                role="front_desk",
                announces={"consent_granted": 1},
            )
        assessed = self.send(
            "assessment",
            f"/v1/episodes/{episode}/assessments",
            assessment(),
            role="counselor",
            announces={"assessment_completed": 1},
        )
        self.send(
            "decision",
            f"/v1/episodes/{episode}/level-decisions",
            {"assessment_id": assessed["assessment_id"], "level": "2.1"},
            role="clinician",
            announces={"level_of_care_decided": 1},
        )
        self.send(
            "admission",
            f"/v1/episodes/{episode}/admission",
            {},
            role="front_desk",
            announces={"patient_admitted": 1},
        )
        if draws.random() < 0.5:
            self.send(
                "lapse",
                "/v1/lapses",
                {"patient_id": patient, "reported_by": "SELF", "substance": "CANNABIS"},
                role="counselor",
                announces={"lapse_reported": 1},
            )
        if draws.random() < 0.5:
            self.send(
                "danger",
                "/v1/safety-concerns",
                {"patient_id": patient, "concern": "DANGER_ANSWER"},
                role="counselor",
                announces={"escalation_opened": 1},
            )

    def refer(self) -> dict[str, Any]:
        """Register one referral."""
        return self.send(
            "referral",
            "/v1/referrals",
            {"site_id": self.site_id, "referral_source": "1", "patient": self.person()},
            role="front_desk",
            announces={"referral_received": 1},
        )
