"""One script that a whole program goes through, the same requests in every run."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from homeward import schema
from shared.contracts.event import read_moment
from tests.journeys.clinic import Clinic, Patient
from tests.journeys.house import House
from tests.journeys.normal import Dump, bare_event

#: Told what is about to be done, before each step.
Notice = Callable[[str], None]


def _nothing(step: str) -> None:
    """Take no notice."""


def play(house: House, *, notice: Notice = _nothing) -> None:
    """Open two sites, and bring two people of each through the program, those of one track together.

    Program time stands still while requests are sent, so what is stored depends on what was done and
    not on how long it took. Nobody's week depends on who came first: people of one site are on
    different tracks, and the therapist has room for both.
    """
    notice("open")
    clinics = [Clinic.open(house, number=number) for number in (1, 2)]
    people: list[tuple[Clinic, Patient]] = []
    for clinic in clinics:
        for name, track in (("Aldous", "MORNING"), ("Benedetta", "EVENING")):
            notice("admit")
            people.append((clinic, clinic.admit(name, track=track)))
    for clinic, patient in people:
        notice("sign")
        clinic.sign_plan(patient)
    for _ in range(3):
        _attend(people[0::2], "PRESENT", notice=notice)
        _attend(people[1::2], "NO_SHOW", notice=notice)
    for clinic, patient in people:
        for outreach in clinic.outreach_of(patient)[:1]:
            notice("reach out")
            if outreach["state"] == "OPEN":
                path = f"/v1/outreach/{outreach['outreach_id']}/attempts"
                clinic.post(path, {"channel": "CALL", "outcome": "NO_ANSWER"}, role="counselor")
    house.door.jump(house.door.now() + timedelta(days=2))
    notice("graduate")
    people[0][0].graduate(people[0][1])
    notice("discharge")
    people[1][0].discharge(people[1][1])
    notice("settle")
    settled_at = house.door.now() + timedelta(days=8)
    # The first whole week: whoever misses it falls short of the dose, and is at risk.
    for _ in range(3):
        _attend(people[3:], "NO_SHOW", notice=notice)
    house.door.jump(settled_at)
    notice("lapse")
    people[1][0].lapse(people[1][1])
    house.door.jump(house.door.now() + timedelta(days=1))


def _attend(people: list[tuple[Clinic, Patient]], mark: str, *, notice: Notice) -> None:
    """Let the next group of each begin, which is at the same moment for all, and mark them."""
    seats = [(clinic, clinic.next_group(patient)) for clinic, patient in people]
    (starts_at,) = {seat["starts_at"] for _, seat in seats}
    seats[0][0].door.jump(read_moment(starts_at) + timedelta(minutes=5))
    for clinic, seat in seats:
        notice("attend")
        clinic.mark(seat, mark)


# --- What a run leaves -----------------------------------------------------------------------------

#: Before which step the rows of a service are copied: what commands had made there no event can bring. The
#: others build everything on events alone.
HELD_BEFORE = {"scheduling": "admit", "intake": "graduate"}

#: What is not copied: how the rows came about, except for what was taken in.
NOT_COPIED = ("outbox", "audit", "commands", "quarantine", "job_runs")


@dataclasses.dataclass(frozen=True)
class Recording:
    """A run that nobody disturbed."""

    #: The paths of the commands, as they were sent.
    commands: list[str]
    #: Every event, as it went over the wire.
    events: list[bytes]
    #: What services held before their events came: service → rows by table.
    held: dict[str, dict[str, list[dict[str, Any]]]]
    #: What the house kept in the end.
    kept: Dump


def record(house: House) -> Recording:
    """Play the script, and keep what others are compared with."""
    commands: list[str] = []
    held: dict[str, dict[str, list[dict[str, Any]]]] = {}

    def copy_rows(step: str) -> None:
        house.door.on_command = lambda path: None
        for service, before in HELD_BEFORE.items():
            if step == before and service not in held:
                house.door.settle()
                held[service] = _rows_of(house, service)
        house.door.on_command = commands.append

    play(house, notice=copy_rows)
    house.door.on_command = lambda path: None
    kept = told(house)
    assert set(held) == set(HELD_BEFORE)
    rows = house.rows("gateway", "SELECT body FROM archive ORDER BY recorded_at, event_id")
    return Recording(commands=commands, events=[bytes(row.body) for row in rows], held=held, kept=kept)


def told(house: House) -> Dump:
    """Return all that a house keeps: every table of every service, and every event."""
    house.door.settle()
    assert house.parked() == []
    dump = house.dump()
    events = house.rows("gateway", "SELECT body FROM archive")
    dump["gateway"]["archive"] = sorted(bare_event(bytes(body)) for (body,) in events)
    return dump


def _rows_of(house: House, service: str) -> dict[str, list[dict[str, Any]]]:
    tables = [t for t in schema.metadata_of(service).sorted_tables if t.name not in NOT_COPIED]
    with house.engine_of(service).connect() as connection:
        return {
            table.name: [dict(row._mapping) for row in connection.execute(sa.select(table))]
            for table in tables
        }
