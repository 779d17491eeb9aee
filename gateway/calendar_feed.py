"""A calendar as iCalendar (RFC 5545), for phones and desks that subscribe to it.

Whoever looks over a shoulder learns when, and nothing else: every entry has the same neutral title.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from shared.contracts.event import read_moment

#: What every entry is called. Safety rule (brief 8.3, R5).
TITLE = "Appointment"
CALENDAR_NAME = "Appointments"

#: How often a subscriber should look again. Design default.
LOOK_AGAIN = timedelta(hours=1)

CONTENT_TYPE = "text/calendar; charset=utf-8"


def written(items: Iterable[dict[str, Any]], *, now: datetime) -> bytes:
    """Return a calendar's entries as one iCalendar document; moments in UTC, so no clock change matters.

    :param now: program time.
    """
    from icalendar import Calendar, Event  # noqa: PLC0415  # most processes never write a calendar

    calendar = Calendar()
    calendar.add("prodid", "-//Appointments//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", CALENDAR_NAME)
    calendar.add("refresh-interval", LOOK_AGAIN, parameters={"VALUE": "DURATION"})
    for item in items:
        entry = Event()
        entry.add("uid", f"{item['entry_id']}@appointments.invalid")
        entry.add("dtstamp", now)
        entry.add("dtstart", read_moment(item["starts_at"]))
        entry.add("dtend", read_moment(item["ends_at"]))
        entry.add("summary", TITLE)
        entry.add("status", "CANCELLED" if item["cancelled"] else "CONFIRMED")
        entry.add("class", "PRIVATE")
        calendar.add_component(entry)
    document: bytes = calendar.to_ical()
    return document
