"""Attendance letters as PDF: to a court, an employer, or for family leave.

A letter tells an outside recipient that somebody is a patient, so each of them leaves through
:func:`gateway.disclosure.may_leave` and is accounted for. It says as little as its purpose allows: an
employer learns the days, a court the counts as well; nobody learns what a session was about.
"""

import functools
import importlib.util
import io
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

CONTENT_TYPE = "application/pdf"

#: What goes with every disclosure under a consent (42 CFR 2.32, the short form). Safety rule.
NOTICE = "42 CFR part 2 prohibits unauthorized use or disclosure of these records."

#: The opening sentence, by purpose.
_OPENING = {
    "COURT": "confirms the attendance of the person named above from {first} to {last}.",
    "EMPLOYER": "confirms that the person named above was present for appointments on the days below.",
    "FAMILY_LEAVE": (
        "confirms that the person named above was present for appointments on the days below, and needed the"
        " time stated for them."
    ),
}

#: Days in a row of the table, and where its columns begin, in points from the left edge.
_COLUMNS = (64, 220, 376)
_LEFT, _TOP, _BOTTOM, _LINE, _WIDTH = 64, 770, 90, 15, 467


@dataclass(frozen=True, kw_only=True)
class Letter:
    """What a letter says."""

    letter_id: str
    purpose: str
    #: Lines that name the recipient, as typed.
    recipient: tuple[str, ...]
    sender: str
    patient_name: str
    birth_date: str
    #: What was attended, as scheduling tells it.
    attendance: dict[str, Any]
    #: The role and credential of whoever issues it.
    issued_by: str
    issued_on: date
    consent_id: str


def written(letter: Letter) -> bytes:
    """Return the letter as PDF: the same bytes for the same letter."""
    from reportlab.lib.pagesizes import A4  # noqa: PLC0415  # most processes never write a letter
    from reportlab.lib.utils import simpleSplit  # noqa: PLC0415
    from reportlab.pdfgen.canvas import Canvas  # noqa: PLC0415

    font = _font()
    held = io.BytesIO()
    canvas = Canvas(held, pagesize=A4, invariant=1)
    canvas.setTitle("Letter")
    place: float = _TOP

    def line(text: str, *, size: float = 10.5, after: float = 0.0, left: float = _LEFT) -> None:
        nonlocal place
        for part in simpleSplit(text, font, size, _WIDTH) or [""]:
            if place < _BOTTOM:
                canvas.showPage()
                place = _TOP
            canvas.setFont(font, size)
            canvas.drawString(left, place, part)
            place -= _LINE
        place -= after

    line(letter.sender, size=13, after=6)
    line(f"{letter.issued_on.isoformat()}    Reference {letter.letter_id[:8]}", size=9, after=14)
    for part in letter.recipient:
        line(part)
    place -= 18
    line(f"Concerning: {letter.patient_name}, born {letter.birth_date}", after=10)
    for part in paragraphs(letter):
        line(part, after=8)
    for row in _rows_of(letter.attendance["days"]):
        if place < _BOTTOM:
            canvas.showPage()
            place = _TOP
        canvas.setFont(font, 10)
        for left, cell in zip(_COLUMNS, row, strict=False):
            canvas.drawString(left, place, cell)
        place -= _LINE
    place -= 30
    # A role in treatment would tell an employer what the appointments were.
    issuer = letter.issued_by if letter.purpose == "COURT" else "Records"
    line(f"Issued by: {issuer}", after=20)
    line("Signature: ______________________________", after=24)
    line(NOTICE, size=9)
    line(
        "Disclosed with the written consent of the person named above, for attendance only"
        f" (consent {letter.consent_id}). No other information may be drawn from this letter.",
        size=9,
    )
    canvas.save()
    return held.getvalue()


def paragraphs(letter: Letter) -> list[str]:
    """Return what the letter says before its list of days."""
    told = letter.attendance
    first, last = told["from"], told["to"]
    opening = _OPENING[letter.purpose].format(first=first, last=last)
    found = [f"At the person's own request, {letter.sender} {opening}"]
    if letter.purpose == "COURT":
        found.append(
            f"Of {told['planned_sessions']} sessions held and planned for this person,"
            f" {told['attended_sessions']} were attended, {told['excused_sessions']} were excused and"
            f" {told['missed_sessions']} were missed. Sessions that were called off do not count."
        )
    if letter.purpose == "FAMILY_LEAVE":
        minutes = sum(day["minutes"] for day in told["days"])
        found.append(f"Between {first} and {last} the appointments took {_hours(minutes)} in all.")
    listed = f"Days present from {first} to {last}:"
    return [*found, listed if told["days"] else "No days present are on record."]


def _rows_of(days: list[dict[str, Any]]) -> list[list[str]]:
    cells = [f"{day['day']}   {_hours(day['minutes'])}" for day in days]
    wide = len(_COLUMNS)
    return [cells[begin : begin + wide] for begin in range(0, len(cells), wide)]


def _hours(minutes: int) -> str:
    return f"{minutes // 60} h {minutes % 60:02} min"


@functools.cache
def _font() -> str:
    """Return the name of a font that spells any European name; the one that comes with the plots."""
    from reportlab.pdfbase import pdfmetrics  # noqa: PLC0415
    from reportlab.pdfbase.ttfonts import TTFont  # noqa: PLC0415

    found = importlib.util.find_spec("matplotlib")
    file = Path(found.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf" if found and found.origin else None
    if file is None or not file.is_file():
        return "Helvetica"
    pdfmetrics.registerFont(TTFont("DejaVuSans", str(file)))
    return "DejaVuSans"
