"""What all parts of the driver share: the connection, the agenda, the people and the hour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from homeward.simulation.agenda import Agenda
from homeward.simulation.cases import Case
from homeward.simulation.client import Gateway
from homeward.simulation.tally import Tally

#: Hours in which the staff works, local. Design default of the simulation.
OPENS = time(8, 0)
CLOSES = time(21, 0)

#: Minutes of the hour at which people do what need not be done at a certain minute. Sessions start on
#: the hour and are judged a quarter past, so no further moments have to be visited.
BUSY_MINUTES = (0, 15)

#: The step of outreach, where minutes count.
QUARTER = timedelta(minutes=15)


@dataclass(kw_only=True)
class World:
    """The simulated program as the driver sees it."""

    gateway: Gateway
    seed: int
    zone: ZoneInfo
    starts_at: datetime
    ends_at: datetime
    now: datetime
    agenda: Agenda = field(default_factory=Agenda)
    tally: Tally = field(default_factory=Tally)
    site_id: str = ""
    cases: list[Case] = field(default_factory=list)
    by_patient: dict[str, Case] = field(default_factory=dict)
    #: Whether something was sent at this moment that may call for a human within minutes.
    alarming: bool = False
    #: What the server answered that no event tells: what it was asked, and what came of it. Appended to by
    #: several at once, so only counts of it are deterministic.
    answers: list[tuple[str, str]] = field(default_factory=list)
    #: What just happened, in a few words, for the live line.
    latest: str = ""

    def case_of(self, data: Mapping[str, Any]) -> Case | None:
        """Return whom an event or an answer is about, if it is somebody of this run."""
        patient_id = data.get("patient_id")
        return self.by_patient.get(patient_id) if patient_id else None

    def local(self, moment: datetime) -> datetime:
        """Return a moment on the clocks of the site."""
        return moment.astimezone(self.zone)

    def on(self, moment: datetime) -> date:
        """Return the local day of a moment."""
        return self.local(moment).date()

    def at(self, day: date, hour: int, minute: int = 0) -> datetime:
        """Return the moment at which the clocks of the site show a time on a day."""
        return datetime.combine(day, time(hour, minute), tzinfo=self.zone)

    def staffed(self, moment: datetime) -> datetime:
        """Return *moment*, or the next opening when the house is closed or it is Sunday."""
        local = self.local(moment)
        if local.weekday() < 6 and OPENS <= local.time() <= CLOSES:
            return moment
        day = local.date() + timedelta(days=local.time() > CLOSES and local.weekday() < 6)
        while day.weekday() == 6 or self.at(day, OPENS.hour) < moment:
            day += timedelta(days=1)
        return self.at(day, OPENS.hour)

    def office_hours(self, moment: datetime) -> datetime:
        """Return *moment* on the simulation's step, or the next weekday morning at nine."""
        local = self.local(stepped(moment))
        if local.weekday() < 5 and time(9) <= local.time() <= time(16, 30):
            return local
        day = local.date()
        while day.weekday() > 4 or self.at(day, 9) < local:
            day += timedelta(days=1)
        return self.at(day, 9)


def stepped(moment: datetime) -> datetime:
    """Return the first full hour or quarter past that is not before *moment*."""
    reached = quarter_up(moment)
    return reached if reached.minute in BUSY_MINUTES else reached + timedelta(minutes=60 - reached.minute)


def quarter_up(moment: datetime) -> datetime:
    """Return the first quarter of an hour that is not before *moment*."""
    past = timedelta(minutes=moment.minute % 15, seconds=moment.second, microseconds=moment.microsecond)
    return moment if not past else moment - past + QUARTER
