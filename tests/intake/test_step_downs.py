"""Referrals from partners and step-downs over intake's ways in: one id, one referral, and nobody told on."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest

from services.intake import tables
from services.intake.service import Intake
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.intake import (
    DischargeSummaryReceived,
    DischargeSummaryRequested,
    EarlierPlanImported,
    ReferralReceived,
    StepDownReferralReceived,
    StepDownServed,
    StepDownServiceBreached,
)
from shared.contracts.scheduling import ServiceDelivered
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.ids import derived_id, new_id
from tests.intake.builders import SITE_ID
from tests.intake.test_admission_waits import together
from tests.intake.test_service import House
from tests.support import Room

#: A hospital's app: outside the program.
HOSPITAL: dict[str, Any] = {
    "role": roles.PARTNER,
    "actor_id": "hospital",
    "credential": "",
    "partner": "hospital",
}
PLAN = {
    "problems": ["ALCOHOL"],
    "modalities": ["CBT"],
    "skills": ["URGE_SURFING"],
    "triggers": ["PAYDAY"],
    "words": "Calls her sponsor Rosalind.",
}


class Ward(House):
    """A house to which a hospital sends people."""

    def send(self, external_id: str = "MRN-1", *, who: Any = None, **changes: Any) -> dict[str, Any]:
        person = {"given_name": "Ada", "family_name": "Quill", "birth_date": "1991-06-15"}
        request = {
            "external_id": external_id,
            "site_id": SITE_ID,
            "patient": person | changes.pop("patient", {}),
        }
        return self.room.call("register_partner_referral", request | changes, **(who or HOSPITAL))

    def step_down(self, **changes: Any) -> dict[str, Any]:
        """Send somebody who was discharged yesterday, as the staff see it."""
        told = {"prior_level": "3.7", "discharged_on": "2026-02-01", "earlier_plan": PLAN} | changes
        desk = {"role": roles.FRONT_DESK, "partner": "house"}
        sent = self.send(who=desk, step_down=told)
        return sent | self.room.ask("get_step_down", {"step_down_id": sent["step_down_id"]})

    def seen(self, step_down: dict[str, Any]) -> dict[str, Any]:
        return self.room.ask("get_step_down", {"step_down_id": step_down["step_down_id"]})

    def do(self, name: str, step_down: dict[str, Any], **more: Any) -> dict[str, Any]:
        return self.room.call(name, {"step_down_id": step_down["step_down_id"], **more})

    def served(
        self, step_down: dict[str, Any], day: str, *, given: bool = True, revision: int = 0
    ) -> ServiceDelivered:
        return ServiceDelivered(
            patient_id=step_down["patient_id"],
            episode_id=step_down["episode_id"],
            journey_id=derived_id("journey"),
            delivery_id=derived_id("delivery", day),
            site_id=SITE_ID,
            served_on=self.room.now.date().fromisoformat(day),
            kinds=("GROUP",) if given else (),
            minutes=(165,) if given else (),
            revision=revision,
            told_at=self.room.now,
        )

    def opened(self, task: str) -> list[str]:
        return [one.owner_role for one in self.room.announced_of(TaskOpened) if one.task == task]

    def closed(self, task: str) -> list[str]:
        return [one.outcome for one in self.room.announced_of(TaskClosed) if one.task == task]


@pytest.fixture
def ward(room_of: Callable[[type], Room]) -> Ward:
    return Ward(room_of(Intake))


class TestPartnerReferral:
    def test_sent_again_is_the_same_referral(self, ward: Ward) -> None:
        first, again = ward.send(), ward.send()

        assert first == again
        assert len(ward.room.announced_of(ReferralReceived)) == 1
        assert ward.count(tables.referral_rows) == 1

    def test_sent_twice_at_once_is_one(self, ward: Ward) -> None:
        found = together(ward.room, [ward.send] * 4)

        assert all(one == found[0] for one in found)
        assert ward.count(tables.referral_rows) == ward.count(tables.partner_referral_rows) == 1

    def test_never_collides_with_another_partners_or_tenants_id(self, ward: Ward) -> None:
        other = HOSPITAL | {"partner": "court"}
        site = {
            "site_id": SITE_ID,
            "name": "Other",
            "time_zone": "UTC",
            "levels_licensed": ["2.1"],
            "emergency_phone": "+1 312 555 0142",
        }
        ward.room.call("open_site", site, role=roles.OPERATIONS, tenant_id="riverside")
        ward.send(patient={"given_name": "Ada"})
        ward.send(who=other, patient={"given_name": "Ben"})
        ward.send(who=HOSPITAL | {"tenant_id": "riverside"}, patient={"given_name": "Cleo"})

        assert ward.count(tables.partner_referral_rows) == 3

    def test_refuses_somebody_else_under_an_id_that_was_used(self, ward: Ward) -> None:
        ward.send()
        with pytest.raises(Conflict):
            ward.send(patient={"given_name": "Ben"})

        assert ward.count(tables.referral_rows) == 1

    def test_tells_its_sender_nothing_of_who_was_known(self, ward: Ward) -> None:
        ward.refer(patient={"given_name": "Known"})
        stranger = ward.send("MRN-2", patient={"given_name": "Stranger"})
        known = ward.send("MRN-3", patient={"given_name": "Known"})
        again = ward.send("MRN-4", patient={"given_name": "Stranger"})

        told = [{**one, "external_id": ""} for one in (stranger, known, again)]
        assert told[0] == told[1] == told[2]
        assert not {"patient_id", "episode_id", "referral_id"} & stranger.keys()
        assert (stranger["status"], stranger["next_step"]) == ("RECEIVED", "COMPLETE_ASSESSMENT")
        assert stranger["bring"]
        # The staff hear of those who are here already; the sender does not.
        assert ward.opened("known_person_referred") == [roles.FRONT_DESK] * 2

    def test_leads_nothing_that_is_written_to_somebody_known_to_another_address(self, ward: Ward) -> None:
        known = ward.refer(patient={"email": "ada@example.org"})
        ward.decide(ward.assess(known["episode_id"]), "3.7")
        ward.room.call("refer_elsewhere", {"episode_id": known["episode_id"]}, role=roles.FRONT_DESK)

        ward.send(patient={"email": "somebody@example.net", "phone": "+1 312 555 0199"})

        patient = ward.room.ask("get_patient", {"patient_id": known["patient_id"]})
        assert (patient["email"], patient["phone"]) == ("ada@example.org", "+1 312 555 0199")
        assert ward.opened("known_person_referred") == [roles.FRONT_DESK]

    def test_lets_the_desk_close_what_it_is_asked_about_somebody_known_and_nothing_of_the_care_team(
        self, ward: Ward
    ) -> None:
        known = ward.refer(patient={"given_name": "Known"})
        ward.assess(known["episode_id"], withdrawal={"daily_benzodiazepine": True})
        ward.send(patient={"given_name": "Known"})
        of_desk, of_clinician = (
            next(one for one in ward.room.announced_of(TaskOpened) if one.task == name)
            for name in ("known_person_referred", "withdrawal_evaluation")
        )

        for task in (of_desk, of_clinician):
            told = {name: getattr(task, name) for name in ("task_id", "task", "about_id")}
            with nullcontext() if task is of_desk else pytest.raises(Forbidden):
                ward.room.call("close_task", told | {"outcome": "DONE"}, role=roles.FRONT_DESK)

        assert ward.closed("known_person_referred") == ["DONE"]
        assert ward.closed("withdrawal_evaluation") == []

    @pytest.mark.parametrize(
        "changes",
        [
            {"patient": {"given_name": "Known", "birth_date": "1850-01-01"}},
            {"received_at": "2031-01-01T00:00:00Z", "patient": {"given_name": "Known"}},
            {"teds": {"SUB1": 99}, "patient": {"given_name": "Known"}},
        ],
        ids=["birth-date", "future", "teds"],
    )
    def test_refuses_for_a_known_person_what_it_refuses_for_a_stranger(
        self, ward: Ward, changes: dict[str, Any]
    ) -> None:
        ward.refer(patient={"given_name": "Known"})
        with pytest.raises(InvalidInput):
            ward.send(**changes)

        assert ward.count(tables.partner_referral_rows) == 0

    def test_keeps_the_senders_id_sealed(self, ward: Ward) -> None:
        ward.send("Bed 4, Larkspur")
        with ward.room.engine.connect() as connection:
            (row,) = connection.exec_driver_sql("SELECT t::text FROM partner_referrals t").all()

        assert "Larkspur" not in row[0]

    def test_shows_the_staff_what_came_of_it(self, ward: Ward) -> None:
        sent = ward.send(who={"role": roles.FRONT_DESK})

        assert ward.episode(sent["episode_id"])["referral_id"] == sent["referral_id"]
        assert sent["step_down_id"] is None


class TestStepDown:
    def test_starts_its_clocks_and_asks_for_contact_and_summary(self, ward: Ward) -> None:
        sent = ward.step_down()

        (received,) = ward.room.announced_of(StepDownReferralReceived)
        assert received.step_down_id == sent["step_down_id"]
        assert len(ward.room.announced_of(DischargeSummaryRequested)) == 1
        assert ward.opened("step_down_contact") == ward.opened("discharge_summary") == [roles.FRONT_DESK]
        status = ward.room.ask("get_status", {"patient_id": sent["patient_id"]}, role=roles.FRONT_DESK)
        assert status["next_step"] == "COMPLETE_ASSESSMENT"
        assert "EARLIER_SUMMARIES" in status["bring"]
        assert status["next_step_by"] == sent["contact_due_at"]

    def test_is_one_however_often_it_is_sent(self, ward: Ward) -> None:
        assert ward.step_down() == ward.step_down()
        assert len(ward.room.announced_of(StepDownReferralReceived)) == 1

    def test_is_one_though_two_senders_tell_of_one_discharge(self, ward: Ward) -> None:
        told = {"prior_level": "3.7", "discharged_on": "2026-02-01"}
        ward.send("MRN-1", step_down=told)
        ward.send("B-7", who=HOSPITAL | {"partner": "payer"}, step_down=told)

        assert len(ward.room.announced_of(StepDownReferralReceived)) == 1

    def test_hands_the_earlier_plan_on_in_codes(self, ward: Ward) -> None:
        sent = ward.step_down()

        (imported,) = ward.room.announced_of(EarlierPlanImported)
        assert (imported.skills, imported.triggers) == (("URGE_SURFING",), ("PAYDAY",))
        assert "Rosalind" not in repr(ward.room.announced)
        assert ward.seen(sent)["words"] == PLAN["words"]

    def test_takes_a_plan_that_comes_later(self, ward: Ward) -> None:
        sent = ward.step_down(earlier_plan=None)
        before = ward.room.announced_of(EarlierPlanImported)
        ward.do("import_earlier_plan", sent, skills=["GROUNDING"])

        assert before == []
        assert ward.room.announced_of(EarlierPlanImported)[0].skills == ("GROUNDING",)

    def test_asks_the_supervisor_after_three_days_without_contact(self, ward: Ward) -> None:
        sent = ward.step_down()
        ward.do("record_step_down_contact", sent, outcome="NO_ANSWER")
        ward.room.advance(timedelta(days=4))
        ward.do("record_step_down_contact", sent, outcome="REACHED")

        assert ward.opened("step_down_contact") == [roles.FRONT_DESK, roles.SUPERVISOR]
        assert ward.closed("step_down_contact") == ["ESCALATED", "DONE"]

    def test_counts_an_assessment_as_contact(self, ward: Ward) -> None:
        sent = ward.step_down()
        ward.assess(sent["episode_id"])

        assert ward.seen(sent)["contacted_at"] is not None
        assert ward.closed("step_down_contact") == ["DONE"]

    def test_is_breached_after_seven_days_without_a_service(self, ward: Ward) -> None:
        sent = ward.step_down()
        ward.room.advance(timedelta(days=6))
        before = ward.room.announced_of(StepDownServiceBreached)
        ward.room.advance(timedelta(days=2))

        (breached,) = ward.room.announced_of(StepDownServiceBreached)
        assert before == []
        assert breached.episode_id == sent["episode_id"]
        assert ward.opened("step_down_service") == [roles.SUPERVISOR]

    def test_is_kept_by_a_service_within_seven_days(self, ward: Ward) -> None:
        sent = ward.step_down()
        ward.room.advance(timedelta(days=3))
        event = ward.served(sent, "2026-02-04")
        ward.room.deliver(event, event)
        ward.room.advance(timedelta(days=9))

        (served,) = ward.room.announced_of(StepDownServed)
        assert served.in_time
        assert ward.room.announced_of(StepDownServiceBreached) == []
        assert ward.seen(sent)["served_on"] == "2026-02-04"

    def test_takes_a_breach_back_when_a_service_in_time_is_told_late(self, ward: Ward) -> None:
        sent = ward.step_down()
        ward.room.advance(timedelta(days=9))
        ward.room.deliver(ward.served(sent, "2026-02-07"))

        assert ward.closed("step_down_service") == ["WITHDRAWN"]
        assert ward.seen(sent)["breached_at"] is None
        assert ward.seen(sent)["served_in_time"]

    def test_ends_the_same_whatever_the_order_of_what_was_delivered(self, ward: Ward) -> None:
        sent = ward.step_down()
        given, taken_back = (
            ward.served(sent, "2026-02-04"),
            ward.served(sent, "2026-02-04", given=False, revision=1),
        )
        ward.room.deliver(taken_back, ward.served(sent, "2026-02-06"), given, given)

        assert ward.seen(sent)["served_on"] == "2026-02-06"

    def test_tracks_the_summary(self, ward: Ward) -> None:
        sent = ward.step_down()
        seen = ward.do("record_discharge_summary", sent, medications_reconciled=True)

        assert len(ward.room.announced_of(DischargeSummaryReceived)) == 1
        assert ward.closed("discharge_summary") == ["DONE"]
        assert seen["medications_reconciled"]
        with pytest.raises(Conflict):
            ward.do("record_discharge_summary", sent)

    def test_means_nothing_once_the_episode_has_ended(self, ward: Ward) -> None:
        sent = ward.step_down()
        ward.decide(ward.assess(sent["episode_id"]), "3.7")
        ward.room.call("refer_elsewhere", {"episode_id": sent["episode_id"]}, role=roles.FRONT_DESK)
        ward.room.advance(timedelta(days=9))

        assert ward.room.announced_of(StepDownServiceBreached) == []
        assert ward.opened("step_down_service") == []

    def test_is_not_there_for_another_tenant(self, ward: Ward) -> None:
        sent = ward.step_down()
        told = {"step_down_id": sent["step_down_id"]}
        with pytest.raises(NotFound):
            ward.room.ask("get_step_down", told, tenant_id="riverside")
        with pytest.raises(NotFound):
            ward.room.ask("get_step_down", {"step_down_id": new_id()})


class TestRecordStepDown:
    """A hospital that calls on the telephone: what it tells starts the same clocks."""

    def record(self, ward: Ward, referral: dict[str, Any], **changes: Any) -> dict[str, Any]:
        told = {"prior_level": "3.7", "discharged_on": "2026-02-01"}
        request = {"episode_id": referral["episode_id"], **told, **changes}
        return ward.room.call("record_step_down", request, role=roles.FRONT_DESK, credential="")

    def test_starts_the_same_clocks_and_tasks_as_a_partners_referral(self, ward: Ward) -> None:
        sent = ward.step_down(earlier_plan=None)
        recorded = self.record(ward, ward.refer(patient={"given_name": "Ben"}))

        clocks = ("contact_due_at", "service_due_at", "summary_due_at", "prior_level", "discharged_on")
        assert [recorded[name] for name in clocks] == [sent[name] for name in clocks]
        assert ward.opened("step_down_contact") == ward.opened("discharge_summary") == [roles.FRONT_DESK] * 2
        timers = [(name, due_at) for name, _, due_at in ward.room.timers() if name.startswith("step_down")]
        assert timers[0::2] == timers[1::2]

    def test_is_breached_after_seven_days_without_a_service(self, ward: Ward) -> None:
        recorded = self.record(ward, ward.refer())
        ward.room.advance(timedelta(days=8))

        (breached,) = ward.room.announced_of(StepDownServiceBreached)
        assert breached.step_down_id == recorded["step_down_id"]
        assert ward.opened("step_down_contact") == [roles.FRONT_DESK, roles.SUPERVISOR]
        assert ward.opened("step_down_service") == [roles.SUPERVISOR]

    def test_hands_the_earlier_plan_on(self, ward: Ward) -> None:
        recorded = self.record(ward, ward.refer(), earlier_plan=PLAN)

        (imported,) = ward.room.announced_of(EarlierPlanImported)
        assert (imported.step_down_id, imported.skills) == (recorded["step_down_id"], ("URGE_SURFING",))
        assert recorded["words"] == PLAN["words"]

    def test_is_one_however_many_tell_of_one_discharge(self, ward: Ward) -> None:
        referral = ward.refer()
        first, again = self.record(ward, referral), self.record(ward, referral)
        ward.send(step_down={"prior_level": "3.7", "discharged_on": "2026-02-01"})

        assert first == again
        assert len(ward.room.announced_of(StepDownReferralReceived)) == 1

    def test_told_twice_at_once_is_one(self, ward: Ward) -> None:
        referral = ward.refer()
        found = together(ward.room, [lambda: self.record(ward, referral)] * 4)

        assert all(one == found[0] for one in found)
        assert ward.count(tables.step_down_rows) == 1

    def test_counts_a_service_that_was_given_before_anybody_told_of_the_stay(self, ward: Ward) -> None:
        referral = ward.admitted()
        ward.room.advance(timedelta(days=3))
        ward.room.deliver(ward.served(referral, "2026-02-04"))
        recorded = self.record(ward, referral)
        ward.room.advance(timedelta(days=9))

        assert (recorded["served_on"], recorded["contacted_at"] is not None) == ("2026-02-04", True)
        assert ward.room.announced_of(StepDownServiceBreached) == []

    def test_told_late_asks_the_supervisor_at_once(self, ward: Ward) -> None:
        self.record(ward, ward.refer(), discharged_on="2026-01-20")
        ward.room.fire_due()

        assert ward.opened("step_down_contact") == [roles.FRONT_DESK, roles.SUPERVISOR]
        assert ward.opened("step_down_service") == [roles.SUPERVISOR]

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"prior_level": "2.1"}, "prior_level"),
            ({"discharged_on": "2026-04-01"}, "discharged_on"),
            ({"discharged_on": "2024-04-01"}, "discharged_on"),
        ],
    )
    def test_refuses_an_impossible_stay_and_names_the_field(
        self, ward: Ward, changes: dict[str, Any], field: str
    ) -> None:
        referral = ward.refer()
        with pytest.raises(InvalidInput) as refused:
            self.record(ward, referral, **changes)

        assert refused.value.problems[0]["field"] == field
        assert ward.count(tables.step_down_rows) == 0

    def test_refuses_an_episode_that_has_ended(self, ward: Ward) -> None:
        referral = ward.decided("3.7")
        ward.room.call("refer_elsewhere", {"episode_id": referral["episode_id"]}, role=roles.FRONT_DESK)

        with pytest.raises(Conflict) as refused:
            self.record(ward, referral)

        assert refused.value.problems[0]["field"] == "episode_id"

    def test_is_not_there_for_another_tenant(self, ward: Ward) -> None:
        told = {"episode_id": ward.refer()["episode_id"], "prior_level": "3.7", "discharged_on": "2026-02-01"}
        with pytest.raises(NotFound):
            ward.room.call("record_step_down", told, role=roles.FRONT_DESK, tenant_id="riverside")
