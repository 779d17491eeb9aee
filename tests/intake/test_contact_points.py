"""How patients are reached: several contact points each, what is safe there, and who may say so."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from services.intake import contacting, recognising, tables
from services.intake.domain import contact_points
from services.intake.service import Intake
from shared.audit import audit
from shared.contracts import roles
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import new_id
from shared.messaging.commands import commands
from tests.intake.builders import SITE_ID, referral_request
from tests.intake.test_admission_waits import together
from tests.intake.test_service import House, discharged
from tests.support import Room

PHONE, WORK = "+1 312 555 0101", "+1 312 555 0102"
DESK = {"role": roles.FRONT_DESK, "actor_id": "desk-1"}


class Reception(House):
    """A house that asks people how they are reached."""

    def add(self, patient_id: str, address: str = WORK, **changes: Any) -> dict[str, Any]:
        told = {"patient_id": patient_id, "kind": "PHONE", "address": address, "message_safe": False}
        return self.room.call("add_contact_point", told | changes, **DESK)

    def change(self, patient_id: str, contact_point_id: str, **changes: Any) -> dict[str, Any]:
        which = {"patient_id": patient_id, "contact_point_id": contact_point_id}
        return self.room.call("change_contact_point", which | changes, **DESK)

    def end(self, patient_id: str, contact_point_id: str, why: str = "GIVEN_UP") -> dict[str, Any]:
        which = {"patient_id": patient_id, "contact_point_id": contact_point_id}
        return self.room.call("end_contact_point", which | {"why": why}, **DESK)

    def prefer(self, patient_id: str, **told: Any) -> dict[str, Any]:
        return self.room.call("set_contact_preferences", {"patient_id": patient_id} | told, **DESK)

    def listed(self, patient_id: str, *, ended: bool = False) -> list[dict[str, Any]]:
        asked = {"patient_id": patient_id, "ended": ended}
        items: list[dict[str, Any]] = self.room.ask("list_contact_points", asked)["items"]
        return items

    def addresses(self, patient_id: str) -> list[str]:
        return [one["address"] for one in self.listed(patient_id)]

    def patient(self, patient_id: str) -> dict[str, Any]:
        return self.room.ask("get_patient", {"patient_id": patient_id})

    def as_before(self, patient_id: str, **told: Any) -> None:
        """Write what a copy of the version before writes: the patient's own row and nothing else."""
        with self.room.db() as db:
            patient = tables.find_patient(db, patient_id=patient_id)
            for name, value in told.items():
                setattr(patient, name, value)

    def forget_contact_points(self) -> None:
        with self.room.engine.begin() as connection:
            connection.execute(sa.delete(tables.contact_point_rows))

    def own_row(self, patient_id: str) -> tuple[str | None, str | None]:
        """Return number and address as a copy of the version before reads them."""
        with self.room.db() as db:
            patient = tables.find_patient(db, patient_id=patient_id)
            assert patient is not None
            return patient.phone, patient.email


@pytest.fixture
def house(room_of: Callable[[type], Room]) -> Reception:
    return Reception(room_of(Intake))


class TestContactPoints:
    def test_of_a_referral_come_with_what_is_safe_there(self, house: Reception) -> None:
        known = house.refer(patient={"phone": PHONE, "email": "ada@example.org", "voicemail_safe": True})

        shown = house.patient(known["patient_id"])

        assert [(one["address"], one["message_safe"]) for one in shown["contact_points"]] == [
            (PHONE, True),
            ("ada@example.org", True),
        ]
        assert (shown["phone"], shown["email"]) == (PHONE, "ada@example.org")

    def test_tell_callers_in_which_order_to_try_and_whether_a_message_is_safe(self, house: Reception) -> None:
        patient_id = house.refer(patient={"phone": PHONE})["patient_id"]

        added = house.add(patient_id, position=1, label="WORK", verified=True)
        tried = house.patient(patient_id)["contact_points"]

        assert [(one["position"], one["address"], one["label"]) for one in tried] == [
            (1, WORK, "WORK"),
            (2, PHONE, None),
        ]
        assert (added["added_by"], added["verified_by_role"]) == ("desk-1", roles.FRONT_DESK)
        assert not any(one["message_safe"] for one in tried)

    def test_are_tried_last_where_they_may_not_be_used(self, house: Reception) -> None:
        patient_id = house.refer(patient={"phone": PHONE})["patient_id"]
        work = house.add(patient_id, position=1)["contact_point_id"]

        changed = house.change(patient_id, work, may_be_used=False, label="SHARED")

        assert house.addresses(patient_id) == [PHONE, WORK]
        assert (changed["position"], changed["changed_by"], changed["label"]) == (2, "desk-1", "SHARED")
        assert house.patient(patient_id)["phone"] == PHONE

    def test_of_the_preferred_kind_are_tried_first(self, house: Reception) -> None:
        patient_id = house.refer(patient={"phone": PHONE, "email": "ada@example.org"})["patient_id"]

        house.prefer(patient_id, preferred_channel="EMAIL", language="ES")
        shown = house.patient(patient_id)
        house.prefer(patient_id, preferred_channel=None)

        assert [one["kind"] for one in shown["contact_points"]] == ["EMAIL", "PHONE"]
        assert (shown["language"], shown["preferred_channel"]) == ("ES", "EMAIL")
        after = house.patient(patient_id)
        assert (after["language"], after["preferred_channel"]) == ("ES", None)

    def test_that_end_stay_on_record_and_are_tried_no_more(self, house: Reception) -> None:
        patient_id = house.refer(patient={"phone": PHONE, "email": "ada@example.org"})["patient_id"]
        (phone, _) = house.listed(patient_id)

        ended = house.end(patient_id, phone["contact_point_id"], "NOT_SAFE")

        assert (ended["ending"], ended["ended_by"], ended["position"]) == ("NOT_SAFE", "desk-1", None)
        assert house.addresses(patient_id) == ["ada@example.org"]
        assert [one["address"] for one in house.listed(patient_id, ended=True)] == ["ada@example.org", PHONE]
        assert house.own_row(patient_id) == (None, "ada@example.org")
        with pytest.raises(Conflict):
            house.change(patient_id, phone["contact_point_id"], message_safe=True)

    def test_are_one_however_the_number_is_written(self, house: Reception) -> None:
        patient_id = house.refer(patient={"phone": PHONE})["patient_id"]

        with pytest.raises(Conflict) as refused:
            house.add(patient_id, "(312) 555-0101")

        assert refused.value.problems[0]["field"] == "address"
        assert house.addresses(patient_id) == [PHONE]

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"kind": "EMAIL"}, "address"),
            ({"address": "ada@example.org"}, "address"),
            ({"kind": "FAX"}, "kind"),
            ({"message_safe": None}, "message_safe"),
            ({"position": 0}, "position"),
        ],
    )
    def test_of_no_use_are_refused(self, house: Reception, changes: dict[str, Any], field: str) -> None:
        patient_id = house.refer()["patient_id"]

        with pytest.raises(InvalidInput) as refused:
            house.add(patient_id, **changes)

        assert [problem["field"] for problem in refused.value.problems] == [field]
        assert house.count(tables.contact_point_rows) == 0

    def test_are_not_changed_by_nothing(self, house: Reception) -> None:
        patient_id = house.refer(patient={"phone": PHONE})["patient_id"]
        (phone,) = house.listed(patient_id)

        for say_nothing in (
            lambda: house.change(patient_id, phone["contact_point_id"]),
            lambda: house.prefer(patient_id),
        ):
            with pytest.raises(InvalidInput):
                say_nothing()

        assert house.listed(patient_id) == [phone]

    def test_are_one_when_two_add_them_at_the_same_moment(self, house: Reception) -> None:
        patient_id = house.refer(patient={"phone": PHONE, "email": "ada@example.org"})["patient_id"]
        # So that both find what stands in the patient's own row alone.
        house.forget_contact_points()

        answers = together(house.room, [lambda: house.add(patient_id)] * 2)

        assert sorted(isinstance(answer, Conflict) for answer in answers) == [False, True]
        assert house.addresses(patient_id) == [PHONE, "ada@example.org", WORK]
        assert house.count(tables.contact_point_rows) == 3

    def test_are_as_many_as_anybody_has(self, house: Reception) -> None:
        patient_id = house.refer()["patient_id"]
        for number in range(contact_points.MOST_CONTACT_POINTS):
            house.add(patient_id, f"+1 312 555 {1000 + number}")

        with pytest.raises(Conflict):
            house.add(patient_id, "+1 312 555 2000")

        assert house.count(tables.contact_point_rows) == contact_points.MOST_CONTACT_POINTS

    def test_are_a_patients_own(self, house: Reception) -> None:
        ada, ben = (
            house.refer(patient={"phone": PHONE})["patient_id"],
            house.refer(patient={"given_name": "Ben"})["patient_id"],
        )
        (phone,) = house.listed(ada)
        told = {"patient_id": ada, "kind": "PHONE", "address": WORK, "message_safe": True}

        added = house.room.call("add_contact_point", told, role=roles.PATIENT, actor_id=ada)

        assert added["added_by_role"] == roles.PATIENT
        with pytest.raises(NotFound):
            house.room.call("add_contact_point", told, role=roles.PATIENT, actor_id=ben)
        with pytest.raises(NotFound):
            house.change(ben, phone["contact_point_id"], message_safe=True)
        with pytest.raises(NotFound):
            house.room.ask("list_contact_points", {"patient_id": ada}, tenant_id="riverside")

    def test_are_nothing_that_a_partner_may_change_or_see(self, house: Reception) -> None:
        patient_id = house.refer()["patient_id"]
        told = {"patient_id": patient_id, "kind": "PHONE", "address": WORK, "message_safe": True}

        for name, data in (("add_contact_point", told), ("list_contact_points", {"patient_id": patient_id})):
            with pytest.raises(Forbidden):
                house.room.call(name, data, role=roles.PARTNER, actor_id="app")

    def test_are_sealed(self, house: Reception) -> None:
        patient_id = house.refer(patient={"phone": PHONE})["patient_id"]
        house.add(patient_id, "theophania@example.org", kind="EMAIL")

        with house.room.engine.connect() as connection:
            kept = repr(connection.execute(sa.select(tables.contact_point_rows)).all())

        assert not [word for word in ("theophania", "555 01", "5550101") if word in kept]

    def test_are_part_of_the_record_those_of_earlier_times_included(self, house: Reception) -> None:
        patient_id = house.refer(patient={"phone": PHONE})["patient_id"]
        house.add(patient_id)
        house.end(patient_id, house.listed(patient_id)[0]["contact_point_id"])

        part = house.room.ask("get_record_part", {"patient_id": patient_id}, role=roles.SYSTEM)["items"]

        told = [one["row"]["address"] for one in part if one["table"] == "contact_points"]
        assert sorted(told) == [PHONE, WORK]


class TestSomebodyKnown:
    """Somebody who is referred again, with whatever is told of them."""

    def known(self, house: Reception, **person: Any) -> dict[str, Any]:
        first = house.admitted(**person)
        house.room.deliver(discharged(first, house.room))
        return first

    def test_is_tried_first_where_the_newer_referral_says(self, house: Reception) -> None:
        first = self.known(house, phone=PHONE, email="ada@example.org")

        house.refer(patient={"phone": WORK, "voicemail_safe": True})

        shown = house.patient(first["patient_id"])
        assert [(one["address"], one["message_safe"]) for one in shown["contact_points"]] == [
            (WORK, True),
            (PHONE, False),
            ("ada@example.org", True),
        ]
        assert (shown["phone"], shown["email"]) == (WORK, "ada@example.org")

    def test_keeps_what_was_said_of_a_number_and_gets_back_none_that_was_ended(
        self, house: Reception
    ) -> None:
        first = self.known(house, phone=PHONE)
        patient_id = first["patient_id"]
        work = house.add(patient_id)["contact_point_id"]
        house.end(patient_id, work, "NOT_SAFE")

        house.refer(patient={"phone": WORK, "voicemail_safe": True})
        house.room.call("refer_elsewhere", {"episode_id": self.open(house, patient_id)}, role="front_desk")
        house.refer(patient={"phone": "312-555-0101", "voicemail_safe": True})

        assert [(one["address"], one["message_safe"]) for one in house.listed(patient_id)] == [(PHONE, False)]

    def open(self, house: Reception, patient_id: str) -> str:
        episode_id: str = house.room.ask("get_status", {"patient_id": patient_id})["episode_id"]
        house.decide(house.assess(episode_id), "3.7")
        return episode_id

    def test_is_led_nowhere_by_a_partner(self, house: Reception) -> None:
        first = self.known(house, phone=PHONE)
        patient_id = first["patient_id"]
        house.end(patient_id, house.add(patient_id, "old@example.org", kind="EMAIL")["contact_point_id"])
        sent = referral_request(
            patient={"phone": WORK, "email": "old@example.org", "voicemail_safe": True, "language": "ES"}
        )
        sent = {name: value for name, value in sent.items() if name != "referral_source"}

        house.room.call(
            "register_partner_referral", sent | {"external_id": "MRN-1"}, role=roles.PARTNER, actor_id="app"
        )

        assert [(one["address"], one["message_safe"]) for one in house.listed(patient_id)] == [(PHONE, False)]

    def test_is_reached_where_they_said_themselves_in_their_inquiry(self, house: Reception) -> None:
        asked = {
            "site_id": SITE_ID,
            "consent": True,
            "phone": PHONE,
            "voicemail_safe": True,
            "language": "ES",
        }
        receipt = house.room.call(
            "submit_inquiry", asked | {"email": "ada@example.org"}, role=roles.PARTNER, actor_id="app"
        )

        known = house.refer(inquiry_id=receipt["inquiry_id"], patient={"phone": "(312) 555-0101"})

        shown = house.patient(known["patient_id"])
        assert [(one["kind"], one["message_safe"]) for one in shown["contact_points"]] == [
            ("PHONE", True),
            ("EMAIL", True),
        ]
        assert (shown["email"], shown["language"]) == ("ada@example.org", "ES")


class TestBesideTheVersionBefore:
    """Rows that were there before, and those that a copy of the version before goes on to write."""

    def test_shows_the_one_number_and_address_as_the_first_contact_points(self, house: Reception) -> None:
        patient_id = house.refer(patient={"phone": PHONE, "email": "ada@example.org"})["patient_id"]
        house.forget_contact_points()

        shown = house.listed(patient_id)
        again = house.listed(patient_id)
        (phone, email) = shown
        house.change(patient_id, phone["contact_point_id"], message_safe=True)

        assert shown == again
        assert [(one["address"], one["message_safe"]) for one in shown] == [
            (PHONE, False),
            ("ada@example.org", True),
        ]
        assert [(one["contact_point_id"], one["message_safe"]) for one in house.listed(patient_id)] == [
            (phone["contact_point_id"], True),
            (email["contact_point_id"], True),
        ]

    def test_takes_over_what_such_a_copy_writes_later(self, house: Reception) -> None:
        patient_id = house.refer(patient={"phone": PHONE})["patient_id"]
        house.as_before(patient_id, phone=WORK)

        shown = house.addresses(patient_id)
        house.add(patient_id, "ada@example.org", kind="EMAIL")

        assert shown == [WORK, PHONE]
        assert house.addresses(patient_id) == [WORK, PHONE, "ada@example.org"]

    def test_leaves_such_a_copy_only_what_may_be_used(self, house: Reception) -> None:
        patient_id = house.refer(patient={"phone": PHONE, "email": "ada@example.org"})["patient_id"]
        phone, email = (one["contact_point_id"] for one in house.listed(patient_id))
        house.add(patient_id)

        house.change(patient_id, phone, may_be_used=False)
        house.change(patient_id, email, message_safe=False)

        assert house.own_row(patient_id) == (WORK, None)


class TestVoicemail:
    def test_is_recorded_after_a_step_down_only_where_that_is_safe(self, house: Reception) -> None:
        sent = referral_request(patient={"phone": PHONE})
        sent = {name: value for name, value in sent.items() if name != "referral_source"}
        stay = {"prior_level": "3.7", "discharged_on": "2026-02-01"}
        told = house.room.call(
            "register_partner_referral", sent | {"external_id": "MRN-1", "step_down": stay}, **DESK
        )
        left = {"step_down_id": told["step_down_id"], "outcome": "VOICEMAIL"}
        (phone,) = house.listed(told["patient_id"])

        with pytest.raises(InvalidInput):
            house.room.call("record_step_down_contact", left, **DESK)
        house.change(told["patient_id"], phone["contact_point_id"], message_safe=True)

        assert house.room.call("record_step_down_contact", left, **DESK)["contacted_at"] is None


class TestSetContactPreferences:
    def test_refuses_what_is_no_language(self, house: Reception) -> None:
        patient_id = house.refer()["patient_id"]

        with pytest.raises(InvalidInput) as refused:
            house.prefer(patient_id, language="Spanish")

        assert refused.value.problems[0]["field"] == "language"

    def test_is_about_somebody_there(self, house: Reception) -> None:
        with pytest.raises(NotFound):
            house.prefer(new_id(), language="ES")


class TestLookUp:
    """Who is behind a number, for the staff alone."""

    def look_up(self, house: Reception, phone: str, **who: Any) -> dict[str, Any]:
        return house.room.call("look_up_phone", {"phone": phone}, **(DESK | who))

    def found(self, house: Reception, phone: str) -> list[str]:
        answer = self.look_up(house, phone)
        assert answer["complete"]
        return [one["patient_id"] for one in answer["found"]]

    @pytest.mark.parametrize(
        "phone", ["+1 312 555 0101", "312-555-0101", "(312) 555-0101", "1.312.555.0101", "3125550101"]
    )
    def test_finds_a_patient_however_the_number_is_written(self, house: Reception, phone: str) -> None:
        patient_id = house.refer(patient={"phone": PHONE, "voicemail_safe": True})["patient_id"]

        (known,) = self.look_up(house, phone)["found"]

        assert (known["patient_id"], known["given_name"]) == (patient_id, "Ada")
        assert (known["message_safe"], known["may_be_used"]) == (True, True)

    def test_finds_everybody_who_shares_a_number(self, house: Reception) -> None:
        first = house.refer(patient={"phone": PHONE})["patient_id"]
        second = house.refer(patient={"given_name": "Ben", "phone": WORK})["patient_id"]
        house.add(second, PHONE, label="SHARED")

        assert self.found(house, PHONE) == sorted([first, second])
        assert self.found(house, WORK) == [second]

    def test_finds_nobody_at_a_number_that_is_used_no_more_or_never_was(self, house: Reception) -> None:
        patient_id = house.refer(patient={"phone": PHONE})["patient_id"]
        house.end(patient_id, house.listed(patient_id)[0]["contact_point_id"], "WRONG")

        assert self.found(house, PHONE) == []
        assert self.found(house, WORK) == []

    def test_finds_who_was_reached_there_once_where_that_is_asked_for(self, house: Reception) -> None:
        once = house.refer(patient={"phone": PHONE, "voicemail_safe": True})["patient_id"]
        house.end(once, house.listed(once)[0]["contact_point_id"], "GIVEN_UP")
        now = house.refer(patient={"given_name": "Ben", "phone": PHONE})["patient_id"]

        without = self.look_up(house, PHONE)["found"]
        found = house.room.call("look_up_phone", {"phone": PHONE, "earlier": True}, **DESK)["found"]

        assert [one["patient_id"] for one in without] == [now]
        assert [(one["patient_id"], one["ending"]) for one in found] == [(now, None), (once, "GIVEN_UP")]
        assert (found[0]["ended_at"], found[1]["ended_at"] is not None) == (None, True)
        assert (found[1]["may_be_used"], found[1]["message_safe"]) == (False, False)

    def test_finds_nobody_at_a_number_that_was_never_theirs(self, house: Reception) -> None:
        patient_id = house.refer(patient={"phone": PHONE})["patient_id"]
        house.end(patient_id, house.listed(patient_id)[0]["contact_point_id"], "WRONG")

        assert house.room.call("look_up_phone", {"phone": PHONE, "earlier": True}, **DESK)["found"] == []

    @pytest.mark.parametrize("phone", ["555 01", "312 555 0101 312 555 0102", "a number", ""])
    def test_refuses_what_is_no_whole_number(self, house: Reception, phone: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            self.look_up(house, phone)

        assert refused.value.problems[0]["field"] == "phone"

    @pytest.mark.parametrize("role", [roles.PARTNER, roles.PATIENT, roles.OPERATIONS])
    def test_is_for_those_who_meet_patients(self, house: Reception, role: str) -> None:
        house.refer(patient={"phone": PHONE})

        for phone in (PHONE, WORK):
            with pytest.raises(Forbidden):
                self.look_up(house, phone, role=role, actor_id="app")

    def test_is_on_record_about_whom_it_found_and_not_by_which_number(self, house: Reception) -> None:
        patient_id = house.refer(patient={"phone": PHONE})["patient_id"]
        self.look_up(house, PHONE)

        with house.room.engine.connect() as connection:
            rows = connection.execute(sa.select(audit).where(audit.c.action == "found_by_phone")).all()
            kept = repr(connection.execute(sa.select(commands)).all())

        assert [(row.about_id, row.actor_id) for row in rows] == [(patient_id, "desk-1")]
        assert "0101" not in repr(rows)
        assert "0101" not in kept

    def test_finds_what_copies_of_the_version_before_wrote(
        self, house: Reception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = house.refer(patient={"phone": PHONE})["patient_id"]
        second = house.refer(patient={"given_name": "Ben", "phone": PHONE})["patient_id"]
        third = house.refer(patient={"given_name": "Cleo", "phone": PHONE})["patient_id"]
        fourth = house.refer(patient={"given_name": "Dora", "phone": PHONE})["patient_id"]
        points = tables.contact_point_rows
        with house.room.engine.begin() as connection:
            connection.execute(sa.update(points).values(address_index=None))
            connection.execute(sa.delete(points).where(points.c.patient_id.in_([third, fourth])))
        monkeypatch.setattr(recognising, "POINTS_A_LOOK", 1)
        monkeypatch.setattr(recognising, "PATIENTS_A_LOOK", 1)

        looks = [self.look_up(house, PHONE) for _ in range(2)]

        assert [len(one["found"]) for one in looks] == [2, 4]
        assert [one["complete"] for one in looks] == [False, True]
        assert self.found(house, PHONE) == sorted([first, second, third, fourth])
        assert [one["address"] for one in house.listed(third)] == [PHONE]

    def test_finds_nobody_of_another_tenant(self, house: Reception) -> None:
        house.refer(patient={"phone": PHONE})

        with house.room.db() as db:
            index = contacting.index_of("PHONE", PHONE, tenant_id="elsewhere")
            assert tables.reached_at(db, kind="PHONE", address_index=index) == []
