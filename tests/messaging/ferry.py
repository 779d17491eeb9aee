"""A small service of the tests' own, with a reaction for each way in which one can go."""

from datetime import datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from marshmallow import Schema, fields
from sqlalchemy.orm import Session

from shared.clock import Timer, calendar_job, cancel_timer, on_timer, set_timer
from shared.contracts.event import Event
from shared.contracts.scheduling import (
    ObligationFitFound,
    SessionAttended,
    SessionMissed,
    WeeklyDoseShortfall,
)
from shared.database import id_column, new_metadata, tenant_column
from shared.errors import Conflict, TooEarly
from shared.ids import derived_id
from shared.messaging import Call, announce, because_of, command, question, reacts_to

metadata = new_metadata()
crossings = sa.Table(
    "crossings",
    metadata,
    id_column("crossing_id"),
    tenant_column(),
    sa.Column("what", sa.String(64), nullable=False),
)


class FerryIsFull(Conflict):
    """Raised when one more would sink it."""


class Cross(Schema):
    """What to carry across."""

    what = fields.String(required=True)
    fail = fields.Boolean(load_default=False)


class Nothing(Schema):
    """No parameters."""


#: Seat ids whose reaction fails, and how often it was run.
FAILING: set[str] = set()
RUNS: list[str] = []
#: What was told to arrive together, each time that it was tried.
CONVOYS: list[list[str]] = []


class Ferry:
    """Writes a row for everything that it is told."""

    name = "monitoring"

    def _write(self, db: Session, what: str, *key: str) -> None:
        db.execute(
            crossings.insert().values(
                crossing_id=derived_id(*key) if key else derived_id(what),
                tenant_id=db.info.get("tenant_id", ""),
                what=what,
            )
        )

    @command(Cross)
    def cross(self, db: Session, call: Call) -> dict[str, Any]:
        """Carry something across."""
        self._write(db, call.data["what"])
        announce(db, fit(call.data["what"]))
        set_timer(db, "arrive", key=call.data["what"], due_at=call.now, data={"what": call.data["what"]})
        if call.data["fail"]:
            raise FerryIsFull
        return {"crossed": call.data["what"]}

    @command(Cross, long=True)
    def cross_slowly(self, db: Session, call: Call) -> dict[str, Any]:
        """Carry something across, as a job."""
        self._write(db, call.data["what"])
        return {"crossed": call.data["what"]}

    @question(Nothing)
    def count(self, db: Session, call: Call) -> dict[str, Any]:
        """Count what was carried across."""
        return {"count": db.scalar(sa.select(sa.func.count()).select_from(crossings))}

    @reacts_to(SessionMissed)
    def carry_missed(self, db: Session, event: SessionMissed, now: datetime) -> None:
        """Write down a missed session, unless it is one that fails."""
        RUNS.append(event.seat_id)
        self._write(db, "missed", event.seat_id, "missed")
        announce(db, fit(event.seat_id))
        set_timer(db, "arrive", key=event.seat_id, due_at=now)
        if event.seat_id in FAILING:
            raise ValueError(event.seat_id)

    @reacts_to(SessionAttended)
    def carry_attended(self, db: Session, event: SessionAttended, now: datetime) -> None:
        """Write down an attended session, once the missed one is there."""
        missed = derived_id(event.seat_id, "missed")
        if not db.scalar(sa.select(crossings.c.what).where(crossings.c.crossing_id == missed)):
            raise TooEarly
        self._write(db, "attended", event.seat_id, "attended")

    @reacts_to(WeeklyDoseShortfall, at_once=True)
    def carry_short_weeks(self, db: Session, events: list[WeeklyDoseShortfall], now: datetime) -> None:
        """Write down short weeks that came together, unless one of them fails."""
        CONVOYS.append([event.patient_id for event in events])
        for event in events:
            because_of(db, event)
            self._write(db, "short week", event.patient_id, "short week")
            announce(db, fit(event.patient_id))
            if event.patient_id in FAILING:
                raise ValueError(event.patient_id)

    @on_timer("arrive")
    def arrive(self, db: Session, timer: Timer, now: datetime) -> None:
        """Write down an arrival, and fail where it is to."""
        self._write(db, "arrived", timer.key, "arrived")
        if timer.key in FAILING:
            raise FerryIsFull

    @on_timer("arrive_in_convoy", at_once=3)
    def arrive_together(self, db: Session, due: list[Timer], now: datetime) -> None:
        """Write down arrivals that are due together, unless one of them fails."""
        CONVOYS.append([timer.key for timer in due])
        for timer in due:
            because_of(db, timer)
            self._write(db, "arrived", timer.key, "arrived")
            announce(db, fit(timer.key))
            if timer.key in FAILING:
                raise FerryIsFull

    @on_timer("announce_fog")
    def wait_for_fog(self, db: Session, timer: Timer, now: datetime) -> None:
        """Have what is about to arrive do so an hour later, or never."""
        self._write(db, "fog", timer.key, "fog")
        set_timer(db, "arrive", key=timer.data["late"], due_at=now + timedelta(hours=1))
        cancel_timer(db, "arrive", key=timer.data["lost"])

    @on_timer("sound_the_alarm", never_parked=True)
    def sound_the_alarm(self, db: Session, timer: Timer, now: datetime) -> None:
        """Write down an alarm, unless it fails."""
        if timer.key in FAILING:
            raise FerryIsFull
        self._write(db, "alarm", timer.key)


class FerryWithHours(Ferry):
    """The same with duties of the day, of which the first in order can fail."""

    @calendar_job(at=time(6))
    def cast_off(self, db: Session, occurrence: datetime, now: datetime) -> None:
        """Write down the first departure of a day, unless it fails."""
        self._write(db, "cast off", occurrence.isoformat())
        if "cast_off" in FAILING:
            raise FerryIsFull

    @calendar_job(at=time(7))
    def hoist_the_flag(self, db: Session, occurrence: datetime, now: datetime) -> None:
        """Write down that the flag is up."""
        self._write(db, "flag", occurrence.isoformat())


def fit(patient: str) -> Event:
    """Return an event to announce."""
    return ObligationFitFound(
        patient_id=derived_id(patient),
        journey_id=derived_id(patient),
        site_id=derived_id("site"),
        best_track="MORNING",
        placeable_minutes=540,
        required_minutes=540,
        found_at=datetime.fromisoformat("2026-02-02T15:00:00+00:00"),
    )
