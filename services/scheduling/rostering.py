"""A whole group's marks in one request, with what each patient answered on leaving.

All of it runs in the transaction of what caused it.
"""

from typing import Any

from sqlalchemy.orm import Session

from services.scheduling import schemas, tables
from services.scheduling.day import with_roster
from services.scheduling.domain import attendance, check_outs
from shared.answers import answer_of
from shared.contracts.event import Event
from shared.messaging import Call


def mark_of(row: dict[str, Any]) -> attendance.Mark:
    """Return what a request says of one seat."""
    return attendance.Mark(
        mark=row["mark"],
        arrived_at=row.get("arrived_at"),
        left_at=row.get("left_at"),
        family_minutes=row.get("family_minutes"),
    )


def record(db: Session, roster: tables.Roster, call: Call) -> list[Event]:
    """Take the marks of a roster and the answers in it; return what they cause.

    :raises SessionCalledOff: when the program cancelled the session.
    :raises SessionNotStarted: before its start.
    :raises NoSuchSeat: when a row names no seat of the session, or one for the second time.
    :raises SeatGivenUp: when a seat was cancelled.
    :raises TimesDoNotFit: when times are missing, in the future or the wrong way round.
    :raises FamilyNotSeenAlone: when a family is said to have been seen alone where it cannot have been.
    """
    session = roster.session
    session.check_can_mark(now=call.now)
    marked = _rows_by_seat(roster.seats, call.data["marks"])
    past = tables.past_of(
        db, episode_ids=[seat.episode_id for seat, row in marked if seat.told or row["mark"] == "NO_SHOW"]
    )
    session.note_mark(now=call.now)
    caused: list[Event] = []
    for seat, row in marked:
        mark, seen = mark_of(row), past.get(seat.episode_id, [])
        if "answer" not in row:
            caused += seat.take(mark=mark, session=session, past=seen, now=call.now)
            continue
        left = check_outs.check_out_by_roster(
            seat, session=session, mark=mark, answer=row["answer"], past=seen, now=call.now
        )
        caused += left.caused
        if left.asked is not None:
            db.add(left.asked)
    return caused


def _rows_by_seat(
    seats: list[attendance.Seat], rows: list[dict[str, Any]]
) -> list[tuple[attendance.Seat, dict[str, Any]]]:
    by_id = {seat.seat_id: seat for seat in seats}
    marked: dict[str, tuple[attendance.Seat, dict[str, Any]]] = {}
    for position, row in enumerate(rows):
        named = row.get("seat_id") or row["patient_id"]
        seat = by_id.get(named) or attendance.seat_of(seats, patient_id=named)
        if seat is None or seat.seat_id in marked:
            raise attendance.NoSuchSeat(field=f"marks.{position}", rule="must be a seat of the session")
        marked[seat.seat_id] = (seat, row)
    return list(marked.values())


def taken_view(roster: tables.Roster, call: Call) -> dict[str, Any]:
    """Return the session with its roster, and who helps where an answer carries risk."""
    risky = [row["answer"] for row in call.data["marks"] if row.get("answer", "SAFE") != "SAFE"]
    lines = None
    if risky:
        site = roster.site
        lines = check_outs.crisis_lines(answer=risky[0], emergency_line=site.emergency_line if site else None)
    return answer_of(
        schemas.RosterTaken, {**with_roster(roster.session, roster.seats), "crisis_lines": lines}
    )
