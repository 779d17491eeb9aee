"""Memory: what each process of a whole house needs after many events, and whether it still grows."""

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from bench.house import House, open_house
from bench.parts import Parts, ProgramFailed, memory_of, wait_until
from bench.rows import HOMEWARD, Row
from shared.clock import RealClock, real_now
from shared.contracts.event import SERVICES, Actor
from shared.contracts.roles import SYSTEM
from shared.contracts.scheduling import SessionAttended
from shared.database import Origin, new_engine
from shared.ids import derived_id, new_id
from shared.messaging import announce
from shared.messaging.hosting.host import Host

WORK = "memory of {service} after {events:,} events"

FULL, QUICK = 100_000, 2_000

#: Rows of one import: each is an event that scheduling reacts to.
_IMPORT_ROWS = 100
#: Marks of attendance in one transaction, and people they are about.
_MARKS, _PEOPLE = 200, 2_000
#: Events on their way above which nothing new is announced.
_MOST_ON_THEIR_WAY = 1_500
#: Seconds that one event may take at most, on average, before the house counts as stuck.
_SECONDS_FOR_EACH = 0.02

_SITE = {
    "name": "Lakeside",
    "time_zone": "America/Chicago",
    "levels_licensed": ["2.1"],
    "emergency_phone": "+1 312 555 0142",
}


def measure(parts: Parts, events: int, tell: Callable[[str], None]) -> Iterator[Row]:
    """Send events through all five processes: half from intake, half from scheduling."""
    tell(f"memory: {events} events through five processes")
    with open_house(parts, SERVICES) as house:
        site_id = house.post("/v1/sites", _SITE, role="operations")["site_id"]
        watch = _Watch(house, events)
        stopping = threading.Event()
        importing = threading.Thread(target=_import, args=(house, site_id, watch, stopping), daemon=True)
        importing.start()
        try:
            _mark(house, watch, seconds=60 + events * _SECONDS_FOR_EACH)
        finally:
            stopping.set()
            importing.join(60)
        # What is on its way arrives; then everybody rests.
        wait_until(lambda: watch.on_their_way() == 0, seconds=60, step=0.5)
        watch.look()
        for service in SERVICES:
            at_half, at_end = watch.at_half[service], watch.newest[service]
            work = WORK.format(service=service, events=events)
            yield Row(work=work, system=HOMEWARD, memory_mib=at_end, memory_mib_at_half=at_half)


class _Scheduling:
    """Nothing but the name: what is announced under it, the service's own process sends."""

    name = "scheduling"


class _Watch:
    """Counts events and looks at the memory of every process."""

    def __init__(self, house: House, events: int) -> None:
        self.house = house
        self.events = events
        self.newest: dict[str, float] = {}
        self.at_half: dict[str, float] = {}
        self._engines = {service: new_engine(house.settings.database_url_of(service)) for service in SERVICES}

    def _sum(self, query: str, *services: str) -> int:
        found = 0
        for service in services:
            with self._engines[service].connect() as connection:
                found += int(connection.execute(sa.text(query)).scalar_one())
        return found

    def announced(self) -> int:
        """Return how many events there are."""
        return self._sum("SELECT coalesce(max(position), 0) FROM outbox", *SERVICES)

    def on_their_way(self) -> int:
        """Return how many of them the archive does not have yet."""
        return self.announced() - self._sum("SELECT count(*) FROM archive", "gateway")

    def look(self) -> None:
        """Note the memory of every process."""
        self.newest = {
            service: memory_of(process.pid)["RSS"] for service, process in self.house.processes.items()
        }
        if not self.at_half and self.announced() >= self.events / 2:
            self.at_half = dict(self.newest)


def _import(house: House, site_id: str, watch: _Watch, stopping: threading.Event) -> None:
    for number in itertools.count():
        while watch.on_their_way() > _MOST_ON_THEIR_WAY and not stopping.wait(0.2):
            pass
        if stopping.is_set():
            return
        rows = [
            {
                "patient": {
                    "given_name": f"Number {number}",
                    "family_name": f"Imported {row}",
                    "birth_date": f"19{50 + row % 50}-{number % 12 + 1:02}-{row % 28 + 1:02}",
                }
            }
            for row in range(_IMPORT_ROWS)
        ]
        # Where too much is going on for an answer in time, the next one follows.
        with contextlib.suppress(ProgramFailed):
            house.post(
                "/v1/referral-imports",
                {"site_id": site_id, "referral_source": "1", "rows": rows},
                role="clinician",
            )


def _mark(house: House, watch: _Watch, *, seconds: float) -> None:
    """Announce marks of attendance in scheduling's database, as its own process would; its relay sends them.

    :raises ProgramFailed: when the events take too long.
    """
    engine = new_engine(house.settings.database_url_of("scheduling"))
    host = Host(_Scheduling(), engine=engine, clock=RealClock(), settings=house.settings)
    gives_up_at = real_now() + timedelta(seconds=seconds)
    numbers = itertools.count()
    while watch.announced() < watch.events:
        if real_now() > gives_up_at:
            raise ProgramFailed(f"{watch.announced()} of {watch.events} events after {seconds:.0f} s")
        watch.look()
        if not wait_until(lambda: watch.on_their_way() < _MOST_ON_THEIR_WAY, seconds=60, step=0.2):
            raise ProgramFailed(f"{watch.on_their_way()} events do not arrive")
        origin = Origin(
            service="scheduling",
            tenant_id="demo",
            actor=Actor(actor_id="scheduling", role=SYSTEM),
            now=real_now(),
            correlation_id=new_id(),
        )
        with host.transaction(origin) as db:
            for number in itertools.islice(numbers, _MARKS):
                announce(db, _attended(number))
    engine.dispose()


def _attended(number: int) -> SessionAttended:
    person, session = str(number % _PEOPLE), str(number // _PEOPLE)
    return SessionAttended(
        patient_id=derived_id("measured", person),
        episode_id=derived_id("measured", person, "episode"),
        journey_id=derived_id("measured", person, "journey"),
        seat_id=derived_id("measured", person, "seat", session),
        session_id=derived_id("measured", "session", session),
        kind="GROUP",
        starts_at=datetime(2026, 2, 2, 15, tzinfo=UTC) + timedelta(days=number // _PEOPLE),
        clinical_minutes=165,
        credited_minutes=165,
        state="PRESENT",
    )
