"""Notes on sessions: signatures, addenda, what is unsigned and overdue, and what billing is told."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.scheduling import tables
from services.scheduling.domain import clinicians
from services.scheduling.service import Scheduling
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.scheduling import ServiceDelivered, SessionAttended, SessionMissed
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from tests.scheduling.builders import SITE, add_clinician, admitted, furnish, ids_of, referral_of
from tests.support import Room

TEXT = "Bernadette spoke of her lighthouse for the first time."


@pytest.fixture
def room(room_of) -> Room:
    room = room_of(Scheduling)
    furnish(room)
    for name in ("Ada", "Ben"):
        room.deliver(referral_of(name), *admitted(name))
    return room


def sessions(room: Room, name: str, kind: str = "GROUP") -> list[dict[str, Any]]:
    found = room.ask("list_patient_sessions", {"episode_id": ids_of(name)["episode_id"]})["items"]
    return [one for one in found if one["kind"] == kind]


def hold(room: Room, session: dict[str, Any], **marks: str) -> str:
    """Hold a session to its end and mark who came."""
    room.advance(datetime.fromisoformat(session["ends_at"]))
    rows = [{"patient_id": ids_of(name)["patient_id"], "mark": mark} for name, mark in marks.items()]
    room.call("record_roster", {"session_id": session["session_id"], "marks": rows}, role="counselor")
    return str(session["session_id"])


def write(room: Room, session_id: str, credential: str = "LCSW", **body: Any) -> dict[str, Any]:
    return room.call("write_note", {"session_id": session_id, "text": TEXT, **body}, credential=credential)


def open_tasks(room: Room, name: str) -> list[TaskOpened]:
    closed = {event.task_id for event in room.announced_of(TaskClosed)}
    return [one for one in room.announced_of(TaskOpened) if one.task == name and one.task_id not in closed]


class TestNote:
    def test_is_written_anew_until_signed_and_added_to_after(self, room):
        session_id = hold(room, sessions(room, "Ada")[0], Ada="PRESENT", Ben="PRESENT")
        note = write(room, session_id)
        room.call("rewrite_note", {"note_id": note["note_id"], "text": "Shorter."})
        signed = room.call("sign_note", {"note_id": note["note_id"]})
        room.call("add_addendum", {"note_id": note["note_id"], "text": "It was the second time."})

        (told,) = room.ask("list_session_notes", {"session_id": session_id})["items"]

        assert (signed["state"], signed["signed_credential"]) == ("SIGNED", "LCSW")
        assert (told["text"], [one["text"] for one in told["addenda"]]) == (
            "Shorter.",
            ["It was the second time."],
        )
        with pytest.raises(Conflict):
            room.call("rewrite_note", {"note_id": note["note_id"], "text": "Another."})
        with pytest.raises(Conflict):
            room.call("sign_note", {"note_id": note["note_id"]})

    def test_is_kept_sealed(self, room):
        session_id = hold(room, sessions(room, "Ada")[0], Ada="PRESENT")
        write(room, session_id)
        with room.engine.connect() as connection:
            (kept,) = connection.execute(sa.select(tables.session_notes)).all()
        assert b"lighthouse" not in bytes(kept.text_sealed)
        assert "lighthouse" not in repr(room.announced)

    def test_without_a_licence_waits_for_somebody_else_who_has_one(self, room):
        session_id = hold(room, sessions(room, "Ada")[0], Ada="PRESENT", Ben="PRESENT")
        note = write(room, session_id, credential="CADC", sign=True)
        which = {"note_id": note["note_id"]}
        (task,) = open_tasks(room, "note_cosignature")
        assert (note["state"], task.owner_role, task.about_id) == (
            "AWAITS_COSIGNATURE",
            "supervisor",
            note["note_id"],
        )
        assert billable(room) == []

        with pytest.raises(Forbidden):
            room.call("cosign_note", which, credential="LCSW")
        with pytest.raises(Forbidden):
            room.call("cosign_note", which, role="supervisor", credential="CADC")
        signed = room.call("cosign_note", which, role="supervisor", credential="LPC")

        assert (signed["state"], signed["cosigned_credential"]) == ("SIGNED", "LPC")
        assert open_tasks(room, "note_cosignature") == []
        assert len(billable(room)) == 1

    def test_is_its_authors_and_one_about_the_same(self, room):
        session_id = hold(room, sessions(room, "Ada")[0], Ada="PRESENT")
        note = write(room, session_id)
        with pytest.raises(Forbidden):
            room.call("sign_note", {"note_id": note["note_id"]}, role="supervisor")
        with pytest.raises(Conflict):
            write(room, session_id)
        with pytest.raises(Conflict):
            room.call("add_addendum", {"note_id": note["note_id"], "text": "More."})
        with pytest.raises(InvalidInput):
            write(room, session_id, patient_id=ids_of("Nobody")["patient_id"])
        with pytest.raises(InvalidInput):
            write(room, session_id, text="   ")
        with pytest.raises(NotFound):
            room.call("sign_note", {"note_id": ids_of("Nobody")["patient_id"]})

    def test_is_not_for_the_desk_nor_before_the_start(self, room):
        session_id = sessions(room, "Ada")[0]["session_id"]
        with pytest.raises(Conflict):
            write(room, session_id)
        with pytest.raises(Forbidden):
            room.ask("list_session_notes", {"session_id": session_id}, role="front_desk")


class TestUnsignedNotes:
    def test_are_listed_with_what_is_missing_until_signed(self, room):
        assert room.ask("list_unsigned_notes", {"site_id": SITE})["items"] == []
        session_id = hold(room, sessions(room, "Ada")[0], Ada="PRESENT", Ben="NO_SHOW")
        note = write(room, session_id, patient_id=ids_of("Ada")["patient_id"])

        (owed,) = room.ask("list_unsigned_notes", {"site_id": SITE})["items"]
        assert (owed["drafts"], owed["overdue"]) == ([note["note_id"]], False)
        assert owed["patients_without_note"] == [ids_of("Ada")["patient_id"]]
        assert room.ask("list_unsigned_notes", {"overdue": "true"})["items"] == []
        room.at(room.now + timedelta(hours=25))
        assert len(room.ask("list_unsigned_notes", {"overdue": "true"})["items"]) == 1

        room.call("sign_note", {"note_id": note["note_id"]})
        assert room.ask("list_unsigned_notes", {"site_id": SITE})["items"] == []

    def test_that_are_overdue_ask_for_the_oldest_one_after_the_other(self, room):
        first, second = sessions(room, "Ada")[:2]
        hold(room, first, Ada="PRESENT")
        hold(room, second, Ada="PRESENT")
        room.advance(timedelta(days=3))

        (task,) = open_tasks(room, "note_overdue")
        assert task.about_id == first["session_id"]
        write(room, first["session_id"], sign=True)
        (task,) = open_tasks(room, "note_overdue")
        assert task.about_id == second["session_id"]
        write(room, second["session_id"], sign=True)
        assert open_tasks(room, "note_overdue") == []

    def test_are_none_where_nobody_came_after_all(self, room):
        session = sessions(room, "Ada")[0]
        hold(room, session, Ada="PRESENT")
        room.advance(timedelta(days=2))
        assert len(open_tasks(room, "note_overdue")) == 1

        room.call("correct_attendance", {"seat_id": session["seat_id"], "mark": "NO_SHOW"})

        assert open_tasks(room, "note_overdue") == []
        assert room.announced_of(TaskClosed)[-1].outcome == "WITHDRAWN"


def told_of_ada(room):
    return [
        one for one in room.announced_of(ServiceDelivered) if one.patient_id == ids_of("Ada")["patient_id"]
    ]


def billable(room):
    """Return what was told of Ada's days of which something may, or once could, be billed."""
    told = told_of_ada(room)
    return [one for n, one in enumerate(told) if one.minutes or any(earlier.minutes for earlier in told[:n])]


def gaps(room):
    return [one.gaps for one in told_of_ada(room)]


class TestBillableDay:
    def test_is_told_once_note_minutes_and_credential_are_there(self, room):
        session = sessions(room, "Ada")[0]
        hold(room, session, Ada="PRESENT", Ben="PRESENT")
        assert billable(room) == []

        write(room, session["session_id"], sign=True)

        (told,) = billable(room)
        assert told.patient_id == ids_of("Ada")["patient_id"]
        assert (told.kinds, told.minutes, told.revision) == (("GROUP",), (165,), 2)
        assert gaps(room) == [("NO_SIGNED_NOTE",), ()]
        assert told.attended_minutes == 165
        assert told.modalities == (session["modality"],)
        assert told.served_on == datetime.fromisoformat(session["starts_at"]).date()

    def test_adds_the_sessions_of_a_day_in_one(self, room):
        day = {}
        for one in sessions(room, "Ada") + sessions(room, "Ada", "INDIVIDUAL"):
            day.setdefault(one["starts_at"][:10], []).append(one)
        same = next(found for found in day.values() if len(found) > 1)
        for one in sorted(same, key=lambda one: one["starts_at"]):
            others = {"Ben": "PRESENT"} if one["kind"] == "GROUP" else {}
            hold(room, one, Ada="PRESENT", **others)
            write(room, one["session_id"], sign=True)
        last = billable(room)[-1]
        assert (len(last.kinds), last.gaps) == (2, ())

    def test_is_taken_back_by_a_correction_and_told_anew(self, room):
        session = sessions(room, "Ada")[0]
        hold(room, session, Ada="PRESENT", Ben="PRESENT")
        write(room, session["session_id"], sign=True)

        room.call("correct_attendance", {"seat_id": session["seat_id"], "mark": "NO_SHOW"})
        room.call("correct_attendance", {"seat_id": session["seat_id"], "mark": "PRESENT"})
        room.call("correct_attendance", {"seat_id": session["seat_id"], "mark": "PRESENT"})

        told = billable(room)
        assert [(one.revision, one.minutes) for one in told] == [(2, (165,)), (3, ()), (4, (165,))]
        assert [one.attended_minutes for one in told] == [165, 0, 165]
        assert len({one.delivery_id for one in told}) == 1

    def test_is_none_for_too_few_minutes(self, room):
        session = sessions(room, "Ada")[0]
        starts = datetime.fromisoformat(session["starts_at"])
        room.advance(datetime.fromisoformat(session["ends_at"]))
        left = (starts + timedelta(minutes=40)).isoformat()
        ben = {"patient_id": ids_of("Ben")["patient_id"], "mark": "PRESENT"}
        marks = [{"seat_id": session["seat_id"], "mark": "LEFT_EARLY", "left_at": left}, ben]
        room.call("record_roster", {"session_id": session["session_id"], "marks": marks})

        write(room, session["session_id"], sign=True)

        assert billable(room) == []
        assert gaps(room) == [("NO_SIGNED_NOTE", "TOO_FEW_MINUTES"), ("TOO_FEW_MINUTES",)]

    def test_is_none_where_the_credential_had_run_out(self, room_of):
        room = room_of(Scheduling)
        furnish(room, therapists=1)
        for name in ("Ada", "Ben"):
            room.deliver(referral_of(name), *admitted(name))
        session = sessions(room, "Ada")[0]
        with room.db() as db:
            clinician = tables.clinicians_of_site(db, site_id=SITE)[0]
            assert clinician.clinician_id == session["facilitator_id"]
            for row in clinician.credentials:
                row["expires_on"] = date(2026, 1, 1).isoformat()
            sa.orm.attributes.flag_modified(clinician, "credentials")
            named = {name: clinician.credentials[0][name] for name in ("kind", "state")}
        hold(room, session, Ada="PRESENT", Ben="PRESENT")
        write(room, session["session_id"], sign=True)
        assert billable(room) == []
        assert gaps(room) == [("NO_SIGNED_NOTE", "NO_VALID_CREDENTIAL"), ("NO_VALID_CREDENTIAL",)]

        renewed = {"clinician_id": session["facilitator_id"], **named, "expires_on": "2030-01-31"}
        room.call("record_credential", renewed, role="supervisor")

        assert [one.minutes for one in billable(room)] == [(165,)]
        assert gaps(room)[-1] == ()

    def test_is_none_for_a_group_of_one_until_another_is_entered(self, room):
        session = sessions(room, "Ada")[0]
        hold(room, session, Ada="PRESENT", Ben="NO_SHOW")
        write(room, session["session_id"], sign=True)
        before = gaps(room)[-1]

        ben = {"patient_id": ids_of("Ben")["patient_id"], "mark": "PRESENT"}
        room.call("record_roster", {"session_id": session["session_id"], "marks": [ben]})

        assert before == ("TOO_FEW_PEOPLE",)
        assert [one.minutes for one in billable(room)] == [(165,)]
        assert gaps(room)[-1] == ()

    def test_is_none_for_an_hour_alone_with_somebody_who_is_no_therapist(self, room):
        session = sessions(room, "Ada", "INDIVIDUAL")[0]
        hold(room, session, Ada="PRESENT")
        with room.db() as db:
            clinician = db.get(clinicians.Clinician, session["facilitator_id"])
            clinician.credentials = [{**row, "kind": "CADC"} for row in clinician.credentials]

        write(room, session["session_id"], sign=True)

        assert billable(room) == []
        assert gaps(room)[-1] == ("NO_VALID_CREDENTIAL",)


def family_session(room: Room, *names: str) -> dict[str, Any]:
    """Plan an hour with the families of some patients on a Saturday, and seat them."""
    session = room.call(
        "plan_session",
        {
            "site_id": SITE,
            "kind": "FAMILY",
            "modality": "FAMILY",
            "facilitator_id": sessions(room, "Ada")[0]["facilitator_id"],
            "starts_at": "2026-02-07T10:00:00-06:00",
            "ends_at": "2026-02-07T11:00:00-06:00",
            "capacity": len(names),
        },
        role="supervisor",
    )
    for name in names:
        seat = {"session_id": session["session_id"], "patient_id": ids_of(name)["patient_id"]}
        room.call("book_seat", seat, role="front_desk")
    return session


def mark_ada(room: Room, session: dict[str, Any], **told: Any) -> dict[str, Any]:
    """Mark Ada; return her seat."""
    row = {"patient_id": ids_of("Ada")["patient_id"], **told}
    marks = {"session_id": session["session_id"], "marks": [row]}
    seats = room.call("record_roster", marks, role="counselor")["seats"]
    (own,) = [seat for seat in seats if seat["patient_id"] == row["patient_id"]]
    return dict(own)


class TestFamilySession:
    def test_is_told_as_one_with_the_patient(self, room):
        alone = family_session(room, "Ada")
        hold(room, alone, Ada="PRESENT")
        write(room, alone["session_id"], sign=True)

        told = told_of_ada(room)[-1]
        assert (told.kinds, told.minutes, told.family_forms) == (("FAMILY",), (60,), ("WITH_PATIENT",))
        assert (told.attended_minutes, told.family_alone_minutes) == (60, 0)

    def test_of_several_families_is_told_apart(self, room):
        together = family_session(room, "Ada", "Ben")
        hold(room, together, Ada="PRESENT", Ben="PRESENT")
        write(room, together["session_id"], sign=True)

        assert told_of_ada(room)[-1].family_forms == ("SEVERAL_FAMILIES",)

    @pytest.mark.parametrize("mark", ["EXCUSED", "NO_SHOW"])
    def test_without_the_patient_is_a_service_to_them_that_they_did_not_attend(self, room, mark: str):
        session = family_session(room, "Ada")
        room.advance(datetime.fromisoformat(session["ends_at"]))

        seat = mark_ada(room, session, mark=mark, family_minutes=50)
        assert (seat["state"], seat["credited_minutes"], seat["family_minutes"]) == (mark, 0, 50)
        (owed,) = room.ask("list_unsigned_notes", {"site_id": SITE})["items"]
        assert owed["patients_without_note"] == [ids_of("Ada")["patient_id"]]
        assert told_of_ada(room)[-1].gaps == ("NO_SIGNED_NOTE",)
        write(room, session["session_id"], sign=True)

        told = told_of_ada(room)[-1]
        assert (told.family_forms, told.family_alone_minutes, told.gaps) == (("WITHOUT_PATIENT",), 50, ())
        # To whoever knows nothing of families this is a day that nobody attended.
        assert (told.kinds, told.minutes, told.attended_minutes, told.modalities) == ((), (), 0, ())
        assert room.announced_of(SessionAttended) == []
        assert len(room.announced_of(SessionMissed)) == (mark == "NO_SHOW")

    def test_without_the_patient_is_none_under_26_minutes(self, room):
        session = family_session(room, "Ada")
        room.advance(datetime.fromisoformat(session["ends_at"]))

        mark_ada(room, session, mark="EXCUSED", family_minutes=25)
        write(room, session["session_id"], sign=True)

        told = told_of_ada(room)[-1]
        assert (told.family_forms, told.gaps) == ((), ("TOO_FEW_MINUTES",))

    def test_is_put_right_either_way(self, room):
        session = family_session(room, "Ada")
        room.advance(datetime.fromisoformat(session["ends_at"]))
        seat = mark_ada(room, session, mark="EXCUSED", family_minutes=50)
        write(room, session["session_id"], sign=True)
        which = {"seat_id": seat["seat_id"]}

        there = room.call("correct_attendance", which | {"mark": "PRESENT"})
        away = room.call("correct_attendance", which | {"mark": "NO_SHOW", "family_minutes": 40})
        again = room.call("correct_attendance", which | {"mark": "NO_SHOW"})
        nobody = room.call("correct_attendance", which | {"mark": "NO_SHOW", "family_minutes": 0})

        assert [one["family_minutes"] for one in (there, away, again, nobody)] == [0, 40, 40, 0]
        assert [
            (one.family_forms, one.minutes, one.family_alone_minutes) for one in told_of_ada(room)[-4:]
        ] == [
            (("WITHOUT_PATIENT",), (), 50),
            (("WITH_PATIENT",), (60,), 0),
            (("WITHOUT_PATIENT",), (), 40),
            ((), (), 0),
        ]

    @pytest.mark.parametrize(
        ("told", "rule"),
        [
            ({"mark": "PRESENT", "family_minutes": 30}, "only with"),
            ({"mark": "EXCUSED", "family_minutes": 61}, "clinical minutes"),
            ({"mark": "EXCUSED", "family_minutes": 241}, None),
        ],
    )
    def test_is_not_believed_where_it_cannot_be(self, room, told: dict[str, Any], rule: str | None):
        session = family_session(room, "Ada")
        room.advance(datetime.fromisoformat(session["ends_at"]))

        with pytest.raises(InvalidInput) as refused:
            mark_ada(room, session, **told)

        assert rule is None or rule in str(refused.value.rule)

    def test_is_none_in_a_group(self, room):
        session = sessions(room, "Ada")[0]
        room.advance(datetime.fromisoformat(session["ends_at"]))

        with pytest.raises(InvalidInput):
            mark_ada(room, session, mark="EXCUSED", family_minutes=30)


def test_a_second_clinician_changes_nothing_of_a_note(room):
    add_clinician(room, "Newcomer")
    session_id = hold(room, sessions(room, "Ada")[0], Ada="PRESENT")
    note = write(room, session_id, sign=True)
    assert room.ask("list_session_notes", {"session_id": session_id})["items"][0] == note
