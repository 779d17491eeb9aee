"""Sites of the program: where people come, in which time zone, and what it is licensed for."""

import functools
import zoneinfo
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

from shared.contracts.event import Event
from shared.contracts.intake import LEVELS_OF_CARE, SiteOpened
from shared.errors import Conflict, InvalidInput

#: When somebody is there to call back at a site that has told no hours of its own: Monday to Friday, 8 to
#: 18 o'clock. Design default.
USUAL_HOURS: tuple[dict[str, Any], ...] = tuple(
    {"weekday": day, "starts": "08:00", "ends": "18:00"} for day in range(5)
)

#: The zones of the tz database; read once, because reading them walks through its files.
_known_zones = functools.cache(zoneinfo.available_timezones)


class SiteAlreadyOpen(Conflict):
    """Raised when a site is opened under an id that is taken."""


@dataclass(eq=False, kw_only=True)
class Site:
    """A site of the program.

    ``levels_licensed`` holds ASAM levels, lowest first. ``emergency_phone`` is answered day and
    night: Level 2.1 asks for emergency consultation by telephone when the program is closed.
    """

    site_id: str
    name: str
    time_zone: str
    levels_licensed: list[str]
    opened_at: datetime
    emergency_phone: str | None = None
    #: Hours of the local week in which somebody is there: ``{"weekday": 0, "starts": "08:00", "ends":
    #: "18:00"}``; the usual ones where there are none.
    staffed_hours: list[dict[str, Any]] = field(default_factory=list)
    tenant_id: str = ""

    def is_staffed(self, moment: datetime) -> bool:
        """Tell whether somebody is there at a moment."""
        return any(starts <= moment < ends for starts, ends in self._staffed_around(moment))

    def next_staffed_at(self, moment: datetime) -> datetime | None:
        """Return when somebody comes after a moment, within a week."""
        return min((starts for starts, _ in self._staffed_around(moment) if starts > moment), default=None)

    def begin_of(self, day: date) -> datetime:
        """Return when a day begins where the site is."""
        return _moment(day, "00:00", zoneinfo.ZoneInfo(self.time_zone))

    def end_of_day(self, moment: datetime) -> datetime:
        """Return when the day of a moment ends where the site is."""
        return self.begin_of(self.local_day(moment) + timedelta(days=1))

    def keep_staffed_hours(self, hours: list[dict[str, Any]]) -> None:
        """Replace the hours in which somebody is there.

        :raises InvalidInput: when one ends before it starts, or two of a day overlap.
        """
        ordered = sorted(hours, key=lambda one: (one["weekday"], one["starts"]))
        backwards = any(one["ends"] <= one["starts"] for one in ordered)
        if backwards or any(
            one["weekday"] == after["weekday"] and after["starts"] < one["ends"]
            for one, after in pairwise(ordered)
        ):
            raise InvalidInput(
                "The hours cannot be kept.", field="hours", rule="each ends after it starts, and none overlap"
            )
        self.staffed_hours = ordered

    def _staffed_around(self, moment: datetime) -> list[tuple[datetime, datetime]]:
        zone, today = zoneinfo.ZoneInfo(self.time_zone), self.local_day(moment)
        return [
            (_moment(day, hours["starts"], zone), _moment(day, hours["ends"], zone))
            for day in (today + timedelta(days=ahead) for ahead in range(8))
            for hours in self.staffed_hours or USUAL_HOURS
            if hours["weekday"] == day.weekday()
        ]

    def is_licensed_for(self, level: str) -> bool:
        """Tell whether the site may give care at *level*."""
        return level in self.levels_licensed

    def local_day(self, moment: datetime) -> date:
        """Return the calendar day of a moment where the site is."""
        return moment.astimezone(zoneinfo.ZoneInfo(self.time_zone)).date()


def open_site(
    *,
    site_id: str,
    name: str,
    time_zone: str,
    levels_licensed: list[str],
    emergency_phone: str | None,
    now: datetime,
) -> tuple[Site, list[Event]]:
    """Open a site.

    :raises InvalidInput: when the zone is not in the tz database, or a level is none of ASAM's.
    """
    if time_zone not in _known_zones():
        raise InvalidInput(
            "The time zone is not known.", field="time_zone", rule="a zone of the IANA tz database"
        )
    if not levels_licensed or any(level not in LEVELS_OF_CARE for level in levels_licensed):
        raise InvalidInput(
            "The licensed levels are not usable.",
            field="levels_licensed",
            rule=f"at least one of {', '.join(LEVELS_OF_CARE)}",
        )
    levels = sorted(set(levels_licensed), key=LEVELS_OF_CARE.index)
    site = Site(
        site_id=site_id,
        name=name,
        time_zone=time_zone,
        levels_licensed=levels,
        opened_at=now,
        emergency_phone=emergency_phone,
    )
    announced = SiteOpened(
        site_id=site_id,
        time_zone=time_zone,
        levels_licensed=tuple(levels),
        opened_at=now,
        emergency_line=emergency_phone,
    )
    return site, [announced]


def _moment(day: date, at: str, zone: zoneinfo.ZoneInfo) -> datetime:
    # In UTC, because within one zone the clock on the wall would be compared.
    return datetime.combine(day, time.fromisoformat(at), zone).astimezone(UTC)
