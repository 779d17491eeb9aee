"""Sites of the program: where people come, in which time zone, and what it is licensed for."""

import functools
import zoneinfo
from dataclasses import dataclass
from datetime import date, datetime

from shared.contracts.event import Event
from shared.contracts.intake import LEVELS_OF_CARE, SiteOpened
from shared.errors import Conflict, InvalidInput

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
    tenant_id: str = ""

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
