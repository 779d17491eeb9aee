"""Quiet hours: when nobody is written to who need not be."""

import zoneinfo
from datetime import UTC, datetime, time, timedelta

#: From when until when, in the reader's own time, nothing is sent that is not urgent. Source: the rules
#: under the Telephone Consumer Protection Act, 47 CFR 64.1200(c)(1): not before 8 a.m. or after 9 p.m.
QUIET_FROM = time(21, 0)
QUIET_UNTIL = time(8, 0)


def next_loud_moment(moment: datetime, time_zone: str) -> datetime:
    """Return the first moment, not before *moment*, that is outside the quiet hours of a zone, in UTC."""
    zone = zoneinfo.ZoneInfo(time_zone)
    local = moment.astimezone(zone)
    if QUIET_UNTIL <= local.time() < QUIET_FROM:
        return moment.astimezone(UTC)
    day = local.date() + timedelta(days=1 if local.time() >= QUIET_FROM else 0)
    # By the wall clock: a night that the clocks change in is shorter or longer than others.
    return datetime.combine(day, QUIET_UNTIL, tzinfo=zone).astimezone(UTC)
