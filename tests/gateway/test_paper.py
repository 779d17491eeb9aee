"""What leaves on paper and by subscription says what it should, read back by other programs than wrote it."""

import io
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any, cast

import pypdf
import pytest
import vobject

from gateway import calendar_feed, day_sheet, leaving, letters, standing
from shared.ids import derived_id

NOW = datetime(2026, 3, 9, 15, 0, tzinfo=UTC)
#: Words that tell what the place is; nothing neutral holds them.
TELLING = ("recover", "addict", "treatment", "rehab", "substance", "counsel", "therap", "clinic", "group")


def entry(name: str, starts_at: str, ends_at: str, *, cancelled: bool = False) -> dict[str, Any]:
    return {
        "entry_id": derived_id("seat", name),
        "starts_at": starts_at,
        "ends_at": ends_at,
        "cancelled": cancelled,
    }


class TestCalendarFeed:
    ITEMS = (
        entry("before", "2026-03-06T15:00:00Z", "2026-03-06T18:00:00Z"),
        entry("after", "2026-03-09T14:00:00Z", "2026-03-09T17:00:00Z"),
        entry("off", "2026-03-11T14:00:00Z", "2026-03-11T17:00:00Z", cancelled=True),
    )

    def test_is_read_by_another_parser_to_the_same_moments(self) -> None:
        read = vobject.readOne(calendar_feed.written(self.ITEMS, now=NOW).decode())

        told = [(one.dtstart.value, one.dtend.value, one.status.value) for one in read.vevent_list]

        assert told == [
            (
                datetime.fromisoformat(item["starts_at"]),
                datetime.fromisoformat(item["ends_at"]),
                "CANCELLED" if item["cancelled"] else "CONFIRMED",
            )
            for item in self.ITEMS
        ]
        assert len({one.uid.value for one in read.vevent_list}) == 3

    def test_tells_nobody_what_it_is_about(self) -> None:
        document = calendar_feed.written(self.ITEMS, now=NOW).decode()
        read = vobject.readOne(document)
        assert {one.summary.value for one in read.vevent_list} == {"Appointment"}
        assert not [word for word in TELLING if word in document.lower()]
        assert all(len(line.encode()) <= 75 for line in document.split("\r\n"))

    def test_is_valid_when_empty(self) -> None:
        read = vobject.readOne(calendar_feed.written((), now=NOW).decode())
        assert read.name == "VCALENDAR"
        assert "vevent" not in read.contents


def attendance(days: int) -> dict[str, Any]:
    return {
        "from": "2026-02-02",
        "to": "2026-03-31",
        "planned_sessions": 20,
        "attended_sessions": 17,
        "excused_sessions": 2,
        "missed_sessions": 1,
        "days": [{"day": date(2026, 2, 2 + day % 27).isoformat(), "minutes": 180} for day in range(days)],
    }


def letter(purpose: str, **changes: Any) -> letters.Letter:
    said: dict[str, Any] = {
        "letter_id": derived_id("letter"),
        "purpose": purpose,
        "recipient": ("Clerk of the Court", "Kankakee"),
        "sender": "Lakeside",
        "patient_name": "Nguyễn Łucja Ødegård",
        "birth_date": "1987-07-19",
        "attendance": attendance(17),
        "issued_by": "counselor, LCSW",
        "issued_on": date(2026, 4, 1),
        "consent_id": derived_id("consent"),
    }
    return letters.Letter(**said | changes)


def text_of(document: bytes) -> str:
    pages = pypdf.PdfReader(io.BytesIO(document)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


class TestLetter:
    def test_tells_a_court_the_counts_with_the_notice_and_the_consent(self) -> None:
        said = letter("COURT")
        text = text_of(letters.written(said))
        assert "17 were attended, 2 were excused and 1 were missed" in text
        assert letters.NOTICE in text
        assert said.consent_id in text
        assert "Nguyễn Łucja Ødegård" in text
        assert "Clerk of the Court" in text

    @pytest.mark.parametrize("purpose", ["EMPLOYER", "FAMILY_LEAVE"])
    def test_tells_an_employer_the_days_and_no_misses(self, purpose: str) -> None:
        text = text_of(letters.written(letter(purpose)))
        assert "2026-02-02 3 h 00 min" in text
        assert "missed" not in text
        assert "excused" not in text
        body = text.replace(letters.NOTICE, "").lower()
        assert not [word for word in TELLING if word in body]

    def test_goes_on_over_pages_and_is_the_same_each_time(self) -> None:
        said = letter("COURT", attendance=attendance(300))
        document = letters.written(said)
        assert len(pypdf.PdfReader(io.BytesIO(document)).pages) > 1
        assert text_of(document).count("3 h 00 min") == 300
        assert letters.written(said) == document

    def test_says_so_when_there_is_nothing_to_tell(self) -> None:
        assert "No days present are on record." in text_of(
            letters.written(letter("EMPLOYER", attendance=attendance(0)))
        )


class TestDaySheet:
    def today(self, **seat: Any) -> dict[str, Any]:
        seats = [
            {
                "patient_id": derived_id("patient", "Ada"),
                "state": "SCHEDULED",
                "arrived_at": None,
                "left_at": None,
            }
            | seat
        ]
        session = {
            "starts_at": "2026-03-09T14:00:00Z",
            "ends_at": "2026-03-09T17:00:00Z",
            "state": "PLANNED",
            "kind": "GROUP",
            "seats": seats,
        }
        return {
            "day": "2026-03-09",
            "time_zone": "America/Chicago",
            "as_of": "2026-03-09T12:30:00Z",
            "sessions": [session],
        }

    def test_tells_local_times_and_short_names_and_nothing_of_the_place(self) -> None:
        page = day_sheet.written(self.today(), name_of=lambda _: "Ada <L>.").decode()
        assert "<h2>09:00 to 12:00</h2>" in page
        assert "Ada &lt;L&gt;." in page
        assert "Printed 2026-03-09 07:30" in page
        assert not [word for word in TELLING if word in page.lower()]
        assert "<script" not in page
        assert "http" not in page

    def test_leaves_out_who_gave_up_their_seat_and_shows_who_came(self) -> None:
        gone = day_sheet.written(self.today(state="CANCELLED"), name_of=lambda _: "Ada L.").decode()
        came = day_sheet.written(
            self.today(state="CHECKED_IN", arrived_at="2026-03-09T14:05:00Z"), name_of=lambda _: "Ada L."
        ).decode()
        turned_away = {"state": "CANCELLED_BY_PROGRAM", "not_seen_because": "NOT_LICENSED_THERE"}
        may_return = day_sheet.written(self.today(**turned_away), name_of=lambda _: "Ada L.").decode()
        assert "Ada L." not in gone
        assert "Ada L." in may_return
        assert "<td>09:05<td>" in came

    def test_has_who_is_asked_to_the_desk_on_a_page_that_does_not_say_what_for(self) -> None:
        tests = [{"test_id": "t", "patient_id": "Ada"}, {"test_id": "u", "patient_id": "<Ben>"}]
        nobody = day_sheet.written(self.today(), name_of=str).decode()
        page = day_sheet.written(self.today() | {"tests_due": tests}, name_of=str).decode()
        assert "To the desk today" not in nobody
        desk = page[page.index('<section class="desk">') :]
        assert desk.index("<td>&lt;Ben&gt;") < desk.index("<td>Ada")
        assert not [word for word in (*TELLING, "drug", "test") if word in page.lower()]

    def test_shortens_names(self) -> None:
        assert day_sheet.short_name("Ada", "Lovelace", otherwise="x") == "Ada L."
        assert day_sheet.short_name(None, None, otherwise="0123456789") == "01234567"


class Services:
    """Services that answer questions about a day with so many patients, and count what they are asked."""

    def __init__(self, patients: int) -> None:
        self.asked: list[str] = []
        self.patient_ids = [derived_id("patient", str(number)) for number in range(patients)]

    def send(self, service: str, name: str, data: dict[str, Any], **about: Any) -> dict[str, Any]:
        self.asked.append(name)
        if name == "get_today":
            seat = {"state": "SCHEDULED", "arrived_at": None, "left_at": None}
            session = {
                "starts_at": "2026-03-09T14:00:00Z",
                "ends_at": "2026-03-09T17:00:00Z",
                "state": "PLANNED",
                "kind": "GROUP",
                "seats": [{"patient_id": one} | seat for one in self.patient_ids],
            }
            day = {"day": "2026-03-09", "time_zone": "America/Chicago", "as_of": "2026-03-09T12:30:00Z"}
            return {"answer": day | {"sessions": [session]}}
        known = [one for one in data["patient_ids"] if one != self.patient_ids[0]]
        return {"answer": {"items": [{"patient_id": one, "given_name": f"N{one[:4]}"} for one in known]}}


class TestDaySheetOfMany:
    @pytest.mark.parametrize(("patients", "trips"), [(1, 2), (30, 2), (201, 3)])
    def test_asks_for_the_names_of_all_at_once(self, patients: int, trips: int) -> None:
        services = Services(patients)
        caller = SimpleNamespace(tenant_id="lakeside", partner="house", actor=standing.GATEWAY)
        request = SimpleNamespace(known_caller=caller, correlation_id=None, traceparent=None)

        page = leaving.sheet(cast("Any", services), cast("Any", request), {}).body.decode()

        assert len(services.asked) == trips
        # Of whom intake tells no name, the sheet shows the beginning of the id.
        assert services.patient_ids[0][:8] in page
        assert all(f"N{one[:4]}" in page for one in services.patient_ids[1:])
