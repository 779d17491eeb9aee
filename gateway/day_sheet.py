"""The sheet that is printed for when the network is down: neutral, on paper, to be typed in later.

It tells given names with one letter of the family name, times, and room to write; nothing of what the
place is or why somebody comes.
"""

import html
import zoneinfo
from collections.abc import Callable
from typing import Any

from shared.contracts.event import read_moment

#: Empty lines under each session, for those who were not expected.
SPARE_LINES = 2

CONTENT_TYPE = "text/html; charset=utf-8"
#: Nothing is loaded, nothing runs.
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_STYLE = """
@page { size: A4; margin: 14mm }
* { box-sizing: border-box }
body { font: 11pt/1.35 system-ui, "Helvetica Neue", Arial, sans-serif; color: #111; margin: 2rem auto;
       max-width: 190mm }
header { display: flex; justify-content: space-between; align-items: baseline; border-bottom: 2px solid #111;
         padding-bottom: .3rem }
h1 { font-size: 15pt; margin: 0 }
h2 { font-size: 12pt; margin: 1.4rem 0 .3rem; font-variant-numeric: tabular-nums }
section { break-inside: avoid }
.desk { break-before: page }
table { border-collapse: collapse; width: 100%; table-layout: fixed }
th { text-align: left; font-size: 8.5pt; font-weight: 600; padding: .2rem .4rem; color: #444 }
td { border: 1px solid #999; height: 8.5mm; padding: 0 .4rem; font-variant-numeric: tabular-nums }
td.ask { font-size: 8.5pt; color: #444; white-space: nowrap }
.name { width: 26% } .time { width: 11% } .ask { width: 33% }
footer { margin-top: 1.4rem; font-size: 8.5pt; color: #444 }
@media print { body { margin: 0; max-width: none } }
"""

#: The question that the answers on the sheet belong to.
QUESTION = "Safe on the way home and tonight?"


def written(today: dict[str, Any], *, name_of: Callable[[str], str]) -> bytes:
    """Return the sheet as one HTML page.

    :param today: the day at the site, as scheduling tells it.
    :param name_of: the short name of a patient, by id.
    """
    zone = zoneinfo.ZoneInfo(today["time_zone"])
    printed = read_moment(today["as_of"]).astimezone(zone)
    sections = [_section(session, zone=zone, name_of=name_of) for session in today["sessions"]]
    body = "".join(sections) or "<p>Nothing is planned on this day.</p>"
    # Not there in what the version before tells.
    asked = sorted(name_of(test["patient_id"]) for test in today.get("tests_due", ()))
    if asked:
        body += _to_desk(asked)
    page = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Sign-in sheet {html.escape(today["day"])}</title>
<style>{_STYLE}</style>
<header><h1>Sign-in sheet</h1><div>{html.escape(today["day"])}</div></header>
{body}
<footer>Printed {printed:%Y-%m-%d %H:%M}. Write the true times; enter them when the network is back, then
shred this sheet. When somebody is not safe: stay with them and call 988 or 911.</footer>
</html>
"""
    return page.encode()


def _section(session: dict[str, Any], *, zone: zoneinfo.ZoneInfo, name_of: Callable[[str], str]) -> str:
    starts, ends = (read_moment(session[name]).astimezone(zone) for name in ("starts_at", "ends_at"))
    off = session["state"] != "PLANNED"
    heading = f"{starts:%H:%M} to {ends:%H:%M}" + (" (called off)" if off else "")
    seats = [] if off else [seat for seat in session["seats"] if not _is_given_up(seat)]
    rows = sorted(
        (name_of(seat["patient_id"]), _clock(seat["arrived_at"], zone), _clock(seat["left_at"], zone))
        for seat in seats
    )
    spare = 0 if off or session["kind"] == "INDIVIDUAL" else SPARE_LINES
    lines = "".join(_row(*row) for row in rows) + _row("", "", "") * spare
    if not lines:
        return f"<section><h2>{heading}</h2></section>"
    return (
        f'<section><h2>{heading}</h2><table><tr><th class="name">Name<th class="time">In<th class="time">Out'
        f'<th class="ask">{QUESTION}<th>Remarks</tr>{lines}</table></section>'
    )


def _to_desk(names: list[str]) -> str:
    """Return who is asked to the desk, on a page of its own: what for, only the staff know."""
    lines = "".join(f"<tr><td>{html.escape(name)}<td><td></tr>" for name in names)
    return (
        '<section class="desk"><h2>To the desk today</h2><p>For the staff: keep this page apart.</p>'
        f'<table><tr><th class="name">Name<th class="time">At<th>Remarks</tr>{lines}</table></section>'
    )


def _row(name: str, in_: str, out: str) -> str:
    return (
        f"<tr><td>{html.escape(name)}<td>{in_}<td>{out}"
        '<td class="ask">☐ yes ☐ unsure ☐ no ☐ no answer<td></tr>'
    )


def _clock(moment: str | None, zone: zoneinfo.ZoneInfo) -> str:
    return f"{read_moment(moment).astimezone(zone):%H:%M}" if moment else ""


def _is_given_up(seat: dict[str, Any]) -> bool:
    """Whether nobody comes to it: who was turned away by video may come back."""
    return seat["state"] in ("CANCELLED", "CANCELLED_BY_PROGRAM") and not seat.get("not_seen_because")


def short_name(given: str | None, family: str | None, *, otherwise: str) -> str:
    """Return a given name with one letter of the family name; the beginning of the id without either."""
    parts = [part for part in (given, f"{family[:1]}." if family else None) if part]
    return " ".join(parts) or otherwise[:8]
