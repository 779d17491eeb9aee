"""One client, both set-ups: start to ready, answers of four kinds of request, and their effects elsewhere."""

import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from bench.parts import Parts, memory_of, start_noting_commits
from bench.rows import Row, spread
from homeward.postgres import PrivatePostgres
from shared.contracts.event import SERVICES
from shared.database import new_engine
from tests.door.program import Opening, assessment
from tests.journeys.house import DistributedHouse, EmbeddedHouse, House, discarded_after

EMBEDDED, DISTRIBUTED = "Homeward, embedded", "Homeward, distributed"

START = "start to ready"
ANSWER = "{command}, one client"
EFFECT = "{event} to {reaction}"
MEMORY = "memory of the process, after one client"

#: Requests of each kind before the measured ones, so that every connection is open and every query compiled.
WARM_UP = 40
#: Effects of one kind below which their spread tells nothing.
FEWEST_EFFECTS = 20

FULL, QUICK = 300, 25

#: When each row was committed, told by PostgreSQL itself; rows of the inbox are written with the effect.
_EFFECTS = sa.text(
    "SELECT event_id, type, reaction, pg_xact_commit_timestamp(xmin) AS committed_at"
    " FROM inbox WHERE state = 'done' AND received_at >= :since"
)
_ANNOUNCED = sa.text("SELECT event_id, announced_at FROM outbox WHERE announced_at >= :since")


def is_answer(work: str) -> bool:
    """Return whether a row of one client tells of answers; the others tell of effects."""
    return work.endswith(ANSWER.format(command=""))


def measure(parts: Parts, times: int, tell: Callable[[str], None]) -> Iterator[Row]:
    """Measure the embedded set-up, then one process a service with RabbitMQ and PostgreSQL between."""
    tell("one client: embedded")
    yield from _embedded(parts.folder / "embedded", times)
    tell("one client: distributed")
    (parts.folder / "distributed").mkdir()
    house = DistributedHouse(parts.server, parts.node, parts.folder / "distributed")
    with discarded_after(house):
        yield from _under_load(house, DISTRIBUTED, times)


def _embedded(folder: Path, times: int) -> Iterator[Row]:
    """Measure the embedded set-up; its first start makes the databases, the second is measured."""
    folder.mkdir()
    EmbeddedHouse(folder).stop()
    server = PrivatePostgres(folder / "postgres")
    start_noting_commits(server)
    server.stop()
    began = time.perf_counter()
    # One that loads everything itself, as an operator's does.
    house = EmbeddedHouse(folder, popen=subprocess.Popen)
    with discarded_after(house):
        yield Row(work=START, system=EMBEDDED, seconds=time.perf_counter() - began)
        yield from _under_load(house, EMBEDDED, times)
        memory = memory_of(house.running.process.pid)["RSS"]
        yield Row(work=MEMORY, system=EMBEDDED, memory_mib=memory)


def _under_load(house: House, system: str, times: int) -> Iterator[Row]:
    """Send each kind of request by one client, one after the other, and time answers and effects."""
    opening = Opening(house)
    opening.open_site()
    treated = opening.decide()
    opening.consent(treated, "TREATMENT")
    opening.do(f"/v1/episodes/{treated.episode_id}/admission")
    now = house.door.settle()
    session_id = opening.coming(treated, after=now)[0]["session_id"]
    waiting: list[str] = []
    number = 0

    def register() -> None:
        nonlocal number
        number += 1
        someone = {
            "given_name": f"Number {number}",
            "family_name": "Measured",
            "birth_date": f"{1950 + number % 50}-03-{number % 28 + 1:02}",
        }
        body = {"site_id": opening.site_id, "referral_source": "7", "patient": someone}
        waiting.append(house.door.send("POST", "/v1/referrals", body).expect(201)["episode_id"])

    def assess() -> None:
        path = f"/v1/episodes/{waiting.pop()}/assessments"
        house.door.send("POST", path, assessment()).expect(201)

    def check_in() -> None:
        body = {"craving": 2, "mood": 7, "stress": 3, "sleep_hours": 7.5, "used": False}
        house.door.send("POST", f"/v1/episodes/{treated.episode_id}/check-ins", body).expect(201)

    def read_roster() -> None:
        house.door.send("GET", f"/v1/sessions/{session_id}").expect(200)

    kinds: dict[str, Callable[[], None]] = {
        "register_referral": register,
        "complete_assessment": assess,
        "submit_check_in": check_in,
        "get_session": read_roster,
    }
    for _ in range(min(WARM_UP, times)):
        for send in kinds.values():
            send()
    house.door.settle()
    since = datetime.now(UTC)
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(times):
        for name, send in kinds.items():
            began = time.perf_counter()
            send()
            taken[name].append((time.perf_counter() - began) * 1000)
    house.door.settle()
    for name, milliseconds in taken.items():
        yield Row(work=ANSWER.format(command=name), system=system, **spread(milliseconds))
    for name, milliseconds in sorted(_effects(house, since=since).items()):
        yield Row(work=name, system=system, **spread(milliseconds))


def _effects(house: House, *, since: datetime) -> dict[str, list[float]]:
    """Return for each event and reaction the milliseconds from announcement to committed effect.

    An event is announced within the command's transaction, so its commit counts too. The row that
    notes a reaction is committed with its effect, and PostgreSQL keeps when that was.
    """
    announced: dict[str, datetime] = {}
    done = []
    for service in SERVICES:
        engine = new_engine(house.settings.database_url_of(service))
        with engine.connect() as connection:
            announced |= {
                str(row.event_id): row.announced_at
                for row in connection.execute(_ANNOUNCED, {"since": since})
            }
            # A clock of its own would be needed if the effect could be older than the event.
            done += list(connection.execute(_EFFECTS, {"since": since - timedelta(seconds=1)}))
        engine.dispose()
    taken: dict[str, list[float]] = {}
    for row in done:
        at = announced.get(str(row.event_id))
        if at is not None:
            name = EFFECT.format(event=row.type, reaction=row.reaction)
            taken.setdefault(name, []).append((row.committed_at - at).total_seconds() * 1000)
    return {name: found for name, found in taken.items() if len(found) >= FEWEST_EFFECTS}
