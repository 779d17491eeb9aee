"""Licences of a site, one for each level of care: from when until when they count, and who told of them.

A licence counts on days where the site is: on its last day until midnight there. What a site may give on a
day follows from its licences at that moment, so that an expiry counts at once and not when a job has run.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from shared.contracts.event import read_moment, write_moment
from shared.contracts.intake import ALL_LEVELS_OF_CARE
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import derived_id

#: The lowest level whose sites are answered by telephone day and night. Safety rule (brief 13b.13);
#: 12VAC35-105-1740 asks it of Level 2.1.
EMERGENCY_LINE_FROM = "2.1"

#: Days before the end of a licence at which the next one is asked for: as for staff, brief section 9.
ALERT_DAYS = (60, 30, 7)

#: Where a licence stands on a day; the names are SITE_LICENCE_STATES of the contracts.
AHEAD, VALID, EXPIRING, LAPSED, WITHDRAWN = "AHEAD", "VALID", "EXPIRING", "LAPSED", "WITHDRAWN"

_DAY = timedelta(days=1)


class NoSuchLicence(NotFound):
    """Raised when a licence is withdrawn that the site never had."""


class LicenceKnownAlready(Conflict):
    """Raised when a licence is recorded that the site has with the same days."""


class LicenceWithdrawnAlready(Conflict):
    """Raised when a licence is withdrawn a second time."""


class LicenceLapsed(Conflict):
    """Raised when somebody is to be treated at a level for which the site is no longer licensed."""


@dataclass(frozen=True, kw_only=True)
class SiteLicence:
    """A licence for one level; without a first day since the opening, without a last one until told."""

    licence_id: str
    level: str
    recorded_at: datetime
    recorded_by: str
    recorded_by_role: str
    number: str | None = None
    first_on: date | None = None
    last_on: date | None = None
    #: The first day on which it counts no longer, where it was taken away or given back before its end.
    withdrawn_on: date | None = None
    withdrawn_because: str | None = None
    withdrawn_at: datetime | None = None
    withdrawn_by: str | None = None
    withdrawn_by_role: str | None = None

    @property
    def ends_on(self) -> date | None:
        """The last day on which it counts, where that is known."""
        withdrawn = self.withdrawn_on - _DAY if self.withdrawn_on else None
        return min((day for day in (self.last_on, withdrawn) if day is not None), default=None)

    def counts_on(self, day: date) -> bool:
        """Tell whether the level may be given on a day."""
        ends_on = self.ends_on
        return (self.first_on is None or self.first_on <= day) and (ends_on is None or day <= ends_on)

    def state_on(self, day: date) -> str:
        """Return where it stands on a day."""
        if self.withdrawn_on is not None and day >= self.withdrawn_on:
            return WITHDRAWN
        if self.first_on is not None and day < self.first_on:
            return AHEAD
        if self.ends_on is None:
            return VALID
        if day > self.ends_on:
            return LAPSED
        return EXPIRING if (self.ends_on - day).days <= max(ALERT_DAYS) else VALID

    def on_record(self) -> dict[str, Any]:
        """Return it as it is kept in JSON."""
        return {name: _written(value) for name, value in asdict(self).items()}


def read(row: dict[str, Any]) -> SiteLicence:
    """Return a licence from what is kept of it."""
    days = ("first_on", "last_on", "withdrawn_on")
    moments = ("recorded_at", "withdrawn_at")
    return SiteLicence(
        **row
        | {name: date.fromisoformat(row[name]) if row[name] else None for name in days}
        | {name: read_moment(row[name]) if row[name] else None for name in moments}
    )


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return write_moment(value)
    return value.isoformat() if isinstance(value, date) else value


def undated(site_id: str, levels: Iterable[str], *, opened_at: datetime) -> list[SiteLicence]:
    """Return what a site is licensed for of which nobody told the days: since it was opened."""
    return [
        SiteLicence(
            licence_id=derived_id(site_id, "licence", level),
            level=level,
            recorded_at=opened_at,
            recorded_by="",
            recorded_by_role="",
        )
        for level in levels
    ]


# --- What they come to ------------------------------------------------------------------------------


def levels_on(licences: Iterable[SiteLicence], day: date) -> list[str]:
    """Return the levels that may be given on a day, lowest first."""
    return sorted({one.level for one in licences if one.counts_on(day)}, key=ALL_LEVELS_OF_CARE.index)


def needs_emergency_line(levels: Iterable[str]) -> bool:
    """Tell whether levels are among these whose sites are answered day and night."""
    least = ALL_LEVELS_OF_CARE.index(EMERGENCY_LINE_FROM)
    return any(ALL_LEVELS_OF_CARE.index(level) >= least for level in levels)


def covered_until(licences: Iterable[SiteLicence], level: str, *, on: date) -> date | None:
    """Return the last day up to which a level may be given without a gap.

    :param on: a day on which it may be given.
    :returns: ``None`` where no end is known.
    """
    held = [one for one in licences if one.level == level]
    day = on
    while True:
        ends = [one.ends_on for one in held if one.counts_on(day)]
        known = [end for end in ends if end is not None]
        if len(known) < len(ends):
            return None
        if not known:
            return day - _DAY
        day = max(known) + _DAY


def lapsed_on(licences: Iterable[SiteLicence], level: str, *, on: date) -> date | None:
    """Return the last day on which a level could be given that may be given no longer.

    :returns: ``None`` where it may be given on the day, or never could be before.
    """
    held = [one for one in licences if one.level == level]
    if any(one.counts_on(on) for one in held):
        return None
    ended = [
        one.ends_on
        for one in held
        # One that was withdrawn before it began never counted.
        if one.ends_on is not None and one.ends_on < on and one.counts_on(one.ends_on)
    ]
    return max(ended, default=None)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """A level whose licence ends, or has ended, and for which the next one is asked for."""

    level: str
    ends_on: date
    #: Of ALERT_DAYS, the alert that has been reached; 0 once it has lapsed.
    stage: int


def endings(licences: Iterable[SiteLicence], *, today: date) -> Iterator[Ending]:
    """Return the levels for which somebody has to renew a licence now.

    What was withdrawn with nothing after it was given up: nobody is asked for that any more.
    """
    held = list(licences)
    for level in sorted({one.level for one in held}, key=ALL_LEVELS_OF_CARE.index):
        gone = lapsed_on(held, level, on=today)
        if gone is not None:
            if not any(one.level == level and one.ends_on == gone and one.withdrawn_on for one in held):
                yield Ending(level=level, ends_on=gone, stage=0)
        elif any(one.level == level and one.counts_on(today) for one in held):
            until = covered_until(held, level, on=today)
            stages = [days for days in ALERT_DAYS if until is not None and (until - today).days <= days]
            if until is not None and stages:
                yield Ending(level=level, ends_on=until, stage=min(stages))


def turning_days(licences: Iterable[SiteLicence]) -> set[date]:
    """Return the days at whose beginning what a site may give can change."""
    first = {one.first_on for one in licences if one.first_on is not None}
    return first | {one.ends_on + _DAY for one in licences if one.ends_on is not None}


def alert_days(licences: Iterable[SiteLicence]) -> set[date]:
    """Return the days on which somebody can have to be asked to renew one."""
    return {
        one.ends_on - timedelta(days=days)
        for one in licences
        if one.ends_on is not None
        for days in ALERT_DAYS
    }


# --- What is done with them -------------------------------------------------------------------------


def record(
    held: list[SiteLicence], new: SiteLicence, *, today: date, has_emergency_line: bool
) -> list[SiteLicence]:
    """Return the licences of a site with one that is new, or that renews another.

    Of what was held without days, nobody knew the end: the new one tells what counts from its first day.

    :raises InvalidInput: when its days cannot be, or nobody answers the telephone of the site.
    :raises LicenceKnownAlready: when the site has it.
    """
    problems = []
    if new.first_on is not None and new.last_on is not None and new.last_on < new.first_on:
        problems.append({"field": "last_on", "rule": "not before first_on"})
    if new.last_on is not None and new.last_on < today:
        problems.append({"field": "last_on", "rule": "not past: a licence that has ended is not recorded"})
    if needs_emergency_line([new.level]) and not has_emergency_line:
        problems.append({"field": "level", "rule": f"with an emergency_phone from {EMERGENCY_LINE_FROM} on"})
    if problems:
        raise InvalidInput("The licence is not usable.", problems=tuple(problems))
    same = ("level", "first_on", "last_on")
    if any(
        one.withdrawn_on is None and all(getattr(one, name) == getattr(new, name) for name in same)
        for one in held
    ):
        raise LicenceKnownAlready("The site has this licence.", field="level", rule="once for the same days")
    return [*(_end_of_undated(one, new) for one in held), new]


def _end_of_undated(one: SiteLicence, new: SiteLicence) -> SiteLicence:
    told = one.first_on is not None or one.last_on is not None or one.withdrawn_on is not None
    if told or one.level != new.level or new.first_on is None:
        return one
    return replace(one, last_on=new.first_on - _DAY)


def withdraw(
    held: list[SiteLicence],
    licence_id: str,
    *,
    on: date,
    because: str,
    at: datetime,
    by: str,
    by_role: str,
) -> list[SiteLicence]:
    """Return the licences of a site with one that counts no longer from a day on.

    :raises NoSuchLicence: when the site never had it.
    :raises LicenceWithdrawnAlready: when it is withdrawn.
    :raises InvalidInput: when it has not begun, or has ended, on that day.
    """
    found = next((one for one in held if one.licence_id == licence_id), None)
    if found is None:
        raise NoSuchLicence("No such licence.", field="licence_id")
    if found.withdrawn_on is not None:
        raise LicenceWithdrawnAlready("The licence is withdrawn.", field="licence_id", rule="once")
    if not found.counts_on(on):
        raise InvalidInput(
            "The licence does not count on that day.",
            field="withdrawn_on",
            rule="from its first day to its last",
        )
    withdrawn = replace(
        found,
        withdrawn_on=on,
        withdrawn_because=because,
        withdrawn_at=at,
        withdrawn_by=by,
        withdrawn_by_role=by_role,
    )
    return [withdrawn if one is found else one for one in held]
