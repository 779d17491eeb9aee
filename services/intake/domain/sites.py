"""Sites of the program: where people come, in which time zone, and what it is licensed for."""

import functools
import zoneinfo
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

from services.intake.domain import site_licences
from services.intake.domain.site_licences import LicenceLapsed, SiteLicence
from shared.contracts.event import Event
from shared.contracts.intake import ALL_LEVELS_OF_CARE, SiteChanged, SiteOpened
from shared.errors import Conflict, InvalidInput

#: When somebody is there to call back at a site that has told no hours of its own: Monday to Friday, 8 to
#: 18 o'clock. Design default.
USUAL_HOURS: tuple[dict[str, Any], ...] = tuple(
    {"weekday": day, "starts": "08:00", "ends": "18:00"} for day in range(5)
)

#: Local time of day at which somebody is asked to renew a licence. Design default.
ALERT_TIME = time(8)
#: The zones of the tz database; read once, because reading them walks through its files.
_known_zones = functools.cache(zoneinfo.available_timezones)


class SiteAlreadyOpen(Conflict):
    """Raised when a site is opened under an id that is taken."""


class TimeZoneInUse(Conflict):
    """Raised when the time zone of a site is changed by which days and deadlines are reckoned already."""


@dataclass(eq=False, kw_only=True)
class Site:
    """A site of the program.

    ``levels_licensed`` holds ASAM levels, lowest first, as they were told last; which of them count on a
    day is told by :meth:`levels_on`. ``licences`` are kept as JSON, replaced as a whole; read them with
    :meth:`held`. ``emergency_phone`` is answered day and night: Level 2.1 asks for emergency consultation
    by telephone when the program is closed. ``revision`` counts what was told of the site since it opened.
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
    licences: list[dict[str, Any]] = field(default_factory=list)
    #: As the directory tells it: ``street``, ``city``, ``state``, ``zip_code``, and degrees as ``latitude``
    #: and ``longitude``.
    address: dict[str, Any] | None = None
    revision: int = 0
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

    # --- Licences ---------------------------------------------------------------------------------

    def held(self) -> list[SiteLicence]:
        """Return all licences that the site ever had, in the order in which they were told."""
        if self.licences:
            return [site_licences.read(row) for row in self.licences]
        return site_licences.undated(self.site_id, self.levels_licensed, opened_at=self.opened_at)

    def levels_on(self, day: date) -> list[str]:
        """Return the levels that the site may give on a day, lowest first."""
        return site_licences.levels_on(self.held(), day) if self.licences else list(self.levels_licensed)

    def is_licensed_for(self, level: str, *, on: date) -> bool:
        """Tell whether the site may give care at *level* on a day."""
        return level in self.levels_on(on)

    def lapsed_on(self, level: str, *, on: date) -> date | None:
        """Return the last day of a level that the site may give no longer; ``None`` for any other level."""
        return site_licences.lapsed_on(self.held(), level, on=on)

    def given_until(self, *, now: datetime) -> dict[str, datetime | None]:
        """Return until when each level that it may give now may be given; None where no end is known."""
        held, today = self.held(), self.local_day(now)
        last_days = {
            level: site_licences.covered_until(held, level, on=today) for level in self.levels_on(today)
        }
        return {
            level: None if last is None else self.begin_of(last + timedelta(days=1))
            for level, last in last_days.items()
        }

    def has_lapsed(self, *, now: datetime) -> bool:
        """Tell whether a level that it gave may be given no longer, and was not given up."""
        return any(one.stage == 0 for one in site_licences.endings(self.held(), today=self.local_day(now)))

    def lapse_rule(self, level: str, *, on: date) -> str | None:
        """Return what a refusal tells of a level that the site may give no longer."""
        lapsed = self.lapsed_on(level, on=on)
        if lapsed is None:
            return None
        return (
            f"a licence for {level}: the site's ended on {lapsed.isoformat()}; renew it, or refer elsewhere"
        )

    def check_not_lapsed(self, level: str, *, on: date) -> None:
        """Refuse a level for which the site was licensed and is not any more.

        :raises LicenceLapsed: naming the day on which the licence ended.
        """
        rule = self.lapse_rule(level, on=on)
        if rule is not None:
            raise LicenceLapsed("The site is no longer licensed for this level.", field="level", rule=rule)

    def record_licence(
        self,
        *,
        licence_id: str,
        level: str,
        number: str | None,
        first_on: date,
        last_on: date | None,
        actor_id: str,
        actor_role: str,
        now: datetime,
    ) -> None:
        """Record a licence that is new, or that renews another.

        :raises InvalidInput: when its days cannot be, or the site has no number for emergencies.
        :raises LicenceKnownAlready: when the site has it.
        """
        new = SiteLicence(
            licence_id=licence_id,
            level=level,
            number=number,
            first_on=first_on,
            last_on=last_on,
            recorded_at=now,
            recorded_by=actor_id,
            recorded_by_role=actor_role,
        )
        self._keep_licences(
            site_licences.record(
                self.held(),
                new,
                today=self.local_day(now),
                has_emergency_line=self.emergency_phone is not None,
            )
        )

    def withdraw_licence(
        self,
        licence_id: str,
        *,
        on: date | None,
        because: str,
        actor_id: str,
        actor_role: str,
        now: datetime,
    ) -> None:
        """Have a licence count no longer from a day on: today, or its first one, when none is named.

        :raises NoSuchLicence: when the site never had it.
        :raises LicenceWithdrawnAlready: when it is withdrawn.
        :raises InvalidInput: when it does not count on that day.
        """
        held = self.held()
        first = next((one.first_on for one in held if one.licence_id == licence_id), None)
        today = self.local_day(now)
        self._keep_licences(
            site_licences.withdraw(
                held,
                licence_id,
                on=on or max(today, first or today),
                because=because,
                at=now,
                by=actor_id,
                by_role=actor_role,
            )
        )

    def _keep_licences(self, held: list[SiteLicence]) -> None:
        self.licences = [one.on_record() for one in held]

    def next_look_at(self, *, after: datetime) -> datetime | None:
        """Return the next moment at which its licences change what it may give, or somebody is asked."""
        held, zone = self.held(), zoneinfo.ZoneInfo(self.time_zone)
        moments = {self.begin_of(day) for day in site_licences.turning_days(held)}
        for day in site_licences.alert_days(held):
            moments.add(datetime.combine(day, ALERT_TIME, zone).astimezone(UTC))
        return min((moment for moment in moments if moment > after), default=None)

    # --- Changes ----------------------------------------------------------------------------------

    def change(self, told: dict[str, Any], *, in_use: bool, now: datetime) -> tuple[str, ...]:
        """Change what is told of a site; what is not told stays.

        :param told: any of ``name``, ``time_zone``, ``emergency_phone`` and ``address``.
        :param in_use: whether anybody was referred to the site, asked it for help, or meets there.
        :returns: codes of what is different now, SITE_CHANGES of the contracts.
        :raises InvalidInput: when the zone is not in the tz database, or a number is taken away from a site
            that must have one.
        :raises TimeZoneInUse: when days are reckoned by the zone already.
        """
        if "time_zone" in told:
            check_zone(told["time_zone"])
            if told["time_zone"] != self.time_zone and in_use:
                raise TimeZoneInUse(
                    "Days and deadlines are reckoned by this time zone already.",
                    field="time_zone",
                    rule="changed only before anybody is referred to the site, asks it, or meets there",
                )
        if "emergency_phone" in told and told["emergency_phone"] is None:
            check_emergency_line(self.levels_on(self.local_day(now)), emergency_phone=None)
        different = tuple(
            name.upper() for name, value in sorted(told.items()) if getattr(self, name) != value
        )
        for name, value in told.items():
            setattr(self, name, value)
        return different

    def tell(self, changed: tuple[str, ...], *, now: datetime) -> list[Event]:
        """Return the news of what changed, the levels among it where time or a licence changed them."""
        levels = self.levels_on(self.local_day(now))
        if levels != self.levels_licensed:
            # Whoever reads the levels alone, an older version among them, sees those that count.
            self.levels_licensed = levels
            changed = (*changed, "LEVELS_LICENSED")
        if not changed:
            return []
        self.revision += 1
        return [
            SiteChanged(
                site_id=self.site_id,
                revision=self.revision,
                changed=changed,
                time_zone=self.time_zone,
                levels_licensed=tuple(levels),
                emergency_line=self.emergency_phone,
                changed_at=now,
            )
        ]

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

    :raises InvalidInput: when the zone is not in the tz database, a level is none of ASAM's, or a level is
        among them whose sites are answered day and night, and nobody tells the number.
    """
    check_zone(time_zone)
    if not levels_licensed or any(level not in ALL_LEVELS_OF_CARE for level in levels_licensed):
        raise InvalidInput(
            "The licensed levels are not usable.",
            field="levels_licensed",
            rule=f"at least one of {', '.join(ALL_LEVELS_OF_CARE)}",
        )
    levels = sorted(set(levels_licensed), key=ALL_LEVELS_OF_CARE.index)
    check_emergency_line(levels, emergency_phone=emergency_phone)
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


def check_zone(time_zone: str) -> None:
    """Refuse a time zone that is none.

    :raises InvalidInput: when the tz database does not hold it.
    """
    if time_zone not in _known_zones():
        raise InvalidInput(
            "The time zone is not known.", field="time_zone", rule="a zone of the IANA tz database"
        )


def check_emergency_line(levels: list[str], *, emergency_phone: str | None) -> None:
    """Refuse a site of Level 2.1 or above that nobody answers day and night.

    :raises InvalidInput: when there is no number.
    """
    if emergency_phone is None and site_licences.needs_emergency_line(levels):
        least = site_licences.EMERGENCY_LINE_FROM
        raise InvalidInput(
            "The site needs a number that is answered day and night.",
            field="emergency_phone",
            rule=f"needed where a site is licensed for {least} or more",
        )


def _moment(day: date, at: str, zone: zoneinfo.ZoneInfo) -> datetime:
    # In UTC, because within one zone the clock on the wall would be compared.
    return datetime.combine(day, time.fromisoformat(at), zone).astimezone(UTC)
