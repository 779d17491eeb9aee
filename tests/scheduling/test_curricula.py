"""Curricula on the real database: the catalogue, what sessions teach, and who completed what."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.scheduling.service import Scheduling
from shared.contracts.scheduling import ModuleOfferedAgain, ServiceDelivered
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import derived_id
from tests.scheduling.builders import (
    SITE,
    add_clinician,
    admitted,
    discharge_of,
    furnish,
    ids_of,
    open_group,
    referral_of,
    site_opened,
)
from tests.support import Room

#: One o'clock on the first Monday, in Chicago.
MONDAY = datetime(2026, 2, 2, 19, tzinfo=UTC)
#: Saturday at noon in Chicago: nobody is elsewhere.
SATURDAY = datetime(2026, 2, 7, 18, tzinfo=UTC)
WORKSHOP = derived_id("group", "workshop")


@pytest.fixture
def room(room_of) -> Room:
    room = room_of(Scheduling)
    furnish_with_workshop(room)
    return room


def furnish_with_workshop(room: Room) -> None:
    """Furnish a site whose afternoon workshop follows the life skills manual, a module a week."""
    furnish(room)
    open_group(
        room,
        "workshop",
        kind="EDUCATION",
        modality="LIFE_SKILLS",
        track="AFTERNOON",
        facilitator_id=add_clinician(room, "Nora", kind="CADC"),
    )
    follow(room, adopt(room, manual="LIFE_SKILLS")["curriculum_id"])


def adopt(room: Room, **told: Any) -> dict[str, Any]:
    return room.call("adopt_curriculum", {"site_id": SITE, **told}, role="supervisor")


def follow(room: Room, curriculum_id: str, **told: Any) -> dict[str, Any]:
    wanted = {"group_id": WORKSHOP, "curriculum_id": curriculum_id, **told}
    return room.call("follow_curriculum", wanted, role="supervisor")


def admit(room: Room, *names: str) -> None:
    for name in names:
        room.deliver(referral_of(name), *admitted(name))


def patient(name: str) -> str:
    return ids_of(name)["patient_id"]


def workshops_of(room: Room, name: str) -> list[dict[str, Any]]:
    found = room.ask("list_patient_sessions", {"episode_id": ids_of(name)["episode_id"]})["items"]
    return [one for one in found if one["modality"] == "LIFE_SKILLS"]


def mark(room: Room, session_id: str, starts_at: str, **marks: str) -> None:
    room.at(datetime.fromisoformat(starts_at) + timedelta(hours=2))
    rows = [{"patient_id": patient(name), "mark": mark} for name, mark in marks.items()]
    room.call("record_roster", {"session_id": session_id, "marks": rows}, role="counselor")


def module_of(room: Room, name: str, number: int = 1) -> dict[str, Any]:
    found = room.ask("get_curriculum_progress", {"episode_id": ids_of(name)["episode_id"]})
    (own,) = found["curricula"]
    return next(one for one in own["modules"] if one["module_no"] == number)


def parallel(room: Room, starts_at: datetime = SATURDAY, **changes: Any) -> dict[str, Any]:
    """Plan a workshop on Saturday that teaches the first module as well."""
    curriculum_id = room.ask("list_curricula", {"site_id": SITE})["items"][0]["curriculum_id"]
    fields = {
        "site_id": SITE,
        "kind": "EDUCATION",
        "modality": "LIFE_SKILLS",
        "facilitator_id": derived_id("clinician", "therapist 0"),
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + timedelta(hours=2)).isoformat(),
        "capacity": 4,
        "curriculum_id": curriculum_id,
        "module_no": 1,
    }
    return room.call("plan_session", fields | changes, role="supervisor")


class TestCatalogue:
    def test_of_a_site_tells_what_is_taught_and_by_which_groups(self, room):
        own = adopt(
            room,
            title="Cooking together",
            modality="WELLNESS",
            modules=[{"module_no": 1, "title": "Soup", "skill_tags": ["NUTRITION"]}],
        )

        listed = room.ask("list_curricula", {"site_id": SITE})["items"]

        manual, cooking = listed
        assert (manual["manual"], manual["manual_version"], manual["group_ids"]) == (
            "LIFE_SKILLS",
            1,
            [WORKSHOP],
        )
        assert [one["title"] for one in manual["modules"]][2] == "Healthy communication"
        assert (cooking["curriculum_id"], cooking["group_ids"]) == (own["curriculum_id"], [])
        assert cooking["modules"][0] == {
            "module_no": 1,
            "title": "Soup",
            "modality": "WELLNESS",
            "skill_tags": ["NUTRITION"],
            "parts": 1,
        }

    def test_is_nobody_else_s(self, room):
        room.deliver(room.envelope_of(site_opened(), tenant_id="elsewhere"))
        (own,) = room.ask("list_curricula", {"site_id": SITE})["items"]

        found = room.ask("list_curricula", {"site_id": SITE}, tenant_id="elsewhere")
        # Callers choose the ids, so another tenant may have the same.
        there = room.call(
            "adopt_curriculum",
            {"site_id": SITE, "manual": "MET", "curriculum_id": own["curriculum_id"]},
            role="supervisor",
            tenant_id="elsewhere",
        )

        assert found["items"] == []
        assert there["title"] == "Motivational enhancement"

    def test_takes_an_id_once(self, room):
        (own,) = room.ask("list_curricula", {"site_id": SITE})["items"]

        with pytest.raises(Conflict) as refused:
            adopt(room, manual="MET", curriculum_id=own["curriculum_id"])

        assert refused.value.code == "curriculum_known_already"

    @pytest.mark.parametrize(
        ("told", "field"),
        [
            ({"manual": "NO_SUCH"}, "manual"),
            ({"manual": "MET", "modality": "CBT"}, "modality"),
            ({"title": "Ours", "modality": "CBT"}, "modules"),
            ({"title": "Ours", "modality": "CBT", "modules": [{"module_no": 2, "title": "x"}]}, "modules"),
        ],
    )
    def test_refuses_what_is_no_curriculum(self, room, told, field):
        with pytest.raises(InvalidInput) as refused:
            adopt(room, **told)

        assert refused.value.problems[0]["field"] == field


class TestFollowCurriculum:
    def test_has_each_dated_session_carry_its_module(self, room):
        admit(room, "Ada")

        found = room.ask("list_sessions", {"site_id": SITE})["items"]

        taught = {
            one["starts_at"][:10]: (one["module_no"], one["module_part"], one["skill_tags"])
            for one in found
            if one["group_id"] == WORKSHOP
        }
        first, second = sorted(taught)[:2]
        assert taught[first] == (1, 1, ["STRESS_MANAGEMENT"])
        assert taught[second] == (2, 1, ["RELAPSE_PREVENTION"])
        assert {one["module_no"] for one in found if one["group_id"] != WORKSHOP} == {None}

    def test_changes_what_is_booked_already_and_leaves_alone_what_is_over(self, room):
        admit(room, "Ada")
        first, second = workshops_of(room, "Ada")[:2]
        mark(room, first["session_id"], first["starts_at"], Ada="PRESENT")
        other = adopt(
            room,
            title="Ours",
            modality="LIFE_SKILLS",
            modules=[{"module_no": 1, "title": "Cooking", "skill_tags": ["NUTRITION"]}],
        )

        follow(room, other["curriculum_id"])

        by_id = {one["session_id"]: one for one in room.ask("list_sessions", {"site_id": SITE})["items"]}
        assert by_id[first["session_id"]]["skill_tags"] == ["STRESS_MANAGEMENT"]
        assert by_id[second["session_id"]]["skill_tags"] == ["NUTRITION"]

    def test_is_refused_for_another_modality_and_for_what_is_not_in_the_catalogue(self, room):
        cbt = adopt(room, manual="NIDA_CBT")

        with pytest.raises(InvalidInput) as other:
            follow(room, cbt["curriculum_id"])
        with pytest.raises(NotFound):
            follow(room, derived_id("no such curriculum"))
        with pytest.raises(InvalidInput) as beyond:
            follow(room, room.ask("list_curricula", {})["items"][0]["curriculum_id"], first_module=9)

        assert (other.value.code, beyond.value.code) == ("curriculum_not_of_modality", "no_such_module")

    def test_is_not_for_patients(self, room):
        with pytest.raises(Forbidden):
            room.call(
                "follow_curriculum",
                {"group_id": WORKSHOP, "curriculum_id": derived_id("any")},
                role="patient",
            )


class TestProgress:
    def test_is_made_by_attendance_and_unmade_by_its_correction(self, room):
        admit(room, "Ada")
        own = workshops_of(room, "Ada")[0]
        before = module_of(room, "Ada")["state"]
        for _ in range(2):
            mark(room, own["session_id"], own["starts_at"], Ada="PRESENT")
        after = module_of(room, "Ada")

        room.call("correct_attendance", {"seat_id": own["seat_id"], "mark": "NO_SHOW"}, role="counselor")

        corrected = module_of(room, "Ada")
        assert (before, after["state"], after["completed_at"]) == ("COMING", "COMPLETED", own["starts_at"])
        assert (corrected["state"], corrected["completed_at"]) == ("MISSED", None)
        (told,) = room.announced_of(ModuleOfferedAgain)
        assert (told.seat_id, told.module_no) == (own["seat_id"], 1)

        room.call("correct_attendance", {"seat_id": own["seat_id"], "mark": "PRESENT"}, role="counselor")

        assert module_of(room, "Ada")["state"] == "COMPLETED"

    def test_tells_what_was_trained(self, room):
        admit(room, "Ada")
        own = workshops_of(room, "Ada")[0]
        mark(room, own["session_id"], own["starts_at"], Ada="PRESENT")

        found = room.ask("get_curriculum_progress", {"episode_id": ids_of("Ada")["episode_id"]})

        assert found["curricula"][0]["modules_completed"] == 1
        assert found["skills"] == [{"skill_tag": "STRESS_MANAGEMENT", "sessions": 1, "minutes": 165}]

    def test_is_told_to_the_patient_and_to_no_other(self, room):
        admit(room, "Ada", "Ben")
        episode_id = ids_of("Ada")["episode_id"]

        own = room.ask(
            "get_curriculum_progress", {"episode_id": episode_id}, role="patient", actor_id=patient("Ada")
        )
        with pytest.raises(NotFound):
            room.ask(
                "get_curriculum_progress", {"episode_id": episode_id}, role="patient", actor_id=patient("Ben")
            )

        assert own["patient_id"] == patient("Ada")

    def test_promises_nothing_more_to_whoever_has_left(self, room):
        admit(room, "Ada")
        own = workshops_of(room, "Ada")[0]
        mark(room, own["session_id"], own["starts_at"], Ada="NO_SHOW")
        discharge = discharge_of("Ada", at=room.now)
        room.deliver(discharge, discharge)

        module = module_of(room, "Ada")

        assert (module["state"], module["missed"][0]["offered_again"]) == ("MISSED", None)


class TestMissedModule:
    def test_is_offered_in_a_parallel_session_of_the_same_week_and_made_up_there(self, room):
        admit(room, "Ada")
        other = parallel(room)
        parallel(room, SATURDAY + timedelta(hours=3), module_no=2)
        own = workshops_of(room, "Ada")[0]
        mark(room, own["session_id"], own["starts_at"], Ada="NO_SHOW")

        (offered,) = module_of(room, "Ada")["missed"]
        choices = room.ask("list_alternatives", {"seat_id": own["seat_id"]})["items"]
        room.call(
            "make_up_session",
            {"seat_id": own["seat_id"], "to_session_id": offered["offered_again"]["session_id"]},
            role="patient",
            actor_id=patient("Ada"),
        )
        booked = module_of(room, "Ada")["missed"][0]["offered_again"]
        mark(room, other["session_id"], other["starts_at"], Ada="PRESENT")

        assert (offered["seat_id"], offered["state"]) == (own["seat_id"], "NO_SHOW")
        assert offered["offered_again"] == {
            "occasion": "MAKE_UP",
            "starts_at": other["starts_at"],
            "session_id": other["session_id"],
        }
        same = {one["session_id"] for one in choices if one["same_module"]}
        assert same == {other["session_id"]}
        assert len(choices) > 1
        assert booked["occasion"] == "OWN_SEAT"
        assert (module_of(room, "Ada")["state"], module_of(room, "Ada")["missed"]) == ("COMPLETED", [])
        (told,) = room.announced_of(ModuleOfferedAgain)
        assert (told.occasion, told.session_id) == ("MAKE_UP", other["session_id"])

    def test_comes_again_in_the_next_cycle_on_a_day_of_the_patient_s_own(self, room):
        admit(room, "Ada")
        own = workshops_of(room, "Ada")[0]
        for _ in range(2):
            mark(room, own["session_id"], own["starts_at"], Ada="NO_SHOW")

        (offered,) = module_of(room, "Ada")["missed"]

        # Eight modules, one a week; by then the clocks have gone forward.
        again = datetime.fromisoformat(own["starts_at"]) + timedelta(weeks=8, hours=-1)
        assert offered["offered_again"]["occasion"] == "NEXT_CYCLE"
        assert datetime.fromisoformat(offered["offered_again"]["starts_at"]) == again
        (told,) = room.announced_of(ModuleOfferedAgain)
        assert (told.starts_at, told.session_id) == (again, None)

    def test_is_taught_again_in_fact_when_that_week_comes(self, room):
        admit(room, "Ada")
        own = workshops_of(room, "Ada")[0]
        mark(room, own["session_id"], own["starts_at"], Ada="NO_SHOW")
        promised = module_of(room, "Ada")["missed"][0]["offered_again"]["starts_at"]

        room.advance(datetime.fromisoformat(promised) - timedelta(days=2))

        (offered,) = module_of(room, "Ada")["missed"]
        assert (offered["offered_again"]["occasion"], offered["offered_again"]["starts_at"]) == (
            "OWN_SEAT",
            promised,
        )
        mark(room, offered["offered_again"]["session_id"], promised, Ada="PRESENT")
        assert module_of(room, "Ada")["state"] == "COMPLETED"

    def test_is_offered_at_once_to_whoever_is_excused_ahead(self, room):
        admit(room, "Ada")
        other = parallel(room)
        own = workshops_of(room, "Ada")[0]

        room.call(
            "excuse_absence",
            {"session_id": own["session_id"], "patient_id": patient("Ada"), "reason": "COURT"},
        )

        (told,) = room.announced_of(ModuleOfferedAgain)
        assert (told.occasion, told.session_id) == ("MAKE_UP", other["session_id"])

    def test_is_offered_when_silence_turns_into_absence(self, room):
        admit(room, "Ada", "Ben")
        session_id = parallel(room)["session_id"]
        for name in ("Ada", "Ben"):
            room.call("book_seat", {"session_id": session_id, "patient_id": patient(name)})
        room.at(SATURDAY)
        room.call("check_in", {"session_id": session_id, "patient_id": patient("Ada")})

        room.advance(timedelta(minutes=20))

        assert [one.patient_id for one in room.announced_of(ModuleOfferedAgain)] == [patient("Ben")]

    def test_that_the_program_called_off_is_offered_as_well(self, room):
        admit(room, "Ada")
        own = workshops_of(room, "Ada")[0]

        room.call(
            "cancel_session",
            {"session_id": own["session_id"], "reason": "FACILITATOR_ABSENT"},
            role="front_desk",
        )

        assert module_of(room, "Ada")["missed"][0]["state"] == "CANCELLED_BY_PROGRAM"
        (told,) = room.announced_of(ModuleOfferedAgain)
        assert told.occasion == "NEXT_CYCLE"

    def test_is_offered_to_whoever_came_by_video_and_could_not_be_seen(self, room):
        admit(room, "Ada")
        who = {"session_id": parallel(room, mode="VIDEO")["session_id"], "patient_id": patient("Ada")}
        room.call("book_seat", who)
        room.at(SATURDAY)

        there = {"state": "WI", "place": "HOME", "call_back": "+1 555 0142", "whereabouts": "By the lake"}
        room.call("join_by_telehealth", who | there, role="patient", actor_id=patient("Ada"))

        assert [one.patient_id for one in room.announced_of(ModuleOfferedAgain)] == [patient("Ada")]


class TestServiceDelivered:
    def test_tells_the_modality_that_was_taught(self, room):
        admit(room, "Ada", "Ben")
        own = workshops_of(room, "Ada")[0]
        booked = {"session_id": own["session_id"], "patient_id": patient("Ben")}
        room.call("book_seat", booked, role="front_desk")
        mark(room, own["session_id"], own["starts_at"], Ada="PRESENT", Ben="PRESENT")

        room.call(
            "write_note",
            {"session_id": own["session_id"], "text": "A good afternoon.", "sign": True},
            role="clinician",
        )

        *_, told = room.announced_of(ServiceDelivered)
        assert (told.kinds, told.modalities) == (("EDUCATION",), ("LIFE_SKILLS",))
