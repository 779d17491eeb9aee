"""Patients' rights at the real door: their record, who was told what, what is not to be told, and courts."""

import time
from typing import Any

import orjson
import pytest

from gateway import standing
from gateway.tokens import mint
from shared.contracts import roles
from shared.ids import new_id
from tests.door.program import SECRETS, Opening, Person, Program, person
from tests.journeys.house import Door, EmbeddedHouse, wait_until

pytestmark = pytest.mark.journey

#: A revocation is heeded everywhere within this time (brief R2).
HEEDED_WITHIN_SECONDS = 60.0


@pytest.fixture(scope="module")
def door(house: EmbeddedHouse) -> Door:
    return house.door


@pytest.fixture(scope="module")
def opening(house: EmbeddedHouse, program: Program) -> Opening:
    found = Opening(house)
    found.site_id = program.site_id
    # Numbers of people that nobody else here takes.
    found._people = 10
    return found


@pytest.fixture(scope="module")
def payer(house: EmbeddedHouse) -> tuple[str, str]:
    """Return the id and the token of a payer outside the program."""
    partner_id = new_id()
    return partner_id, mint(
        house.settings.token_key,
        tenant=house.settings.tenant,
        role=roles.PARTNER,
        partner=partner_id,
        actor_id="claims-desk",
    )


def token_for(house: EmbeddedHouse, who: Person) -> str:
    return mint(
        house.settings.token_key, tenant=house.settings.tenant, role=roles.PATIENT, actor_id=who.patient_id
    )


def allow(door: Door, who: Person, recipient_id: str, *classes: str) -> str:
    """Have somebody consent to some classes for a recipient."""
    said = {
        "kind": "TPO",
        "recipient": "Prairie Mutual",
        "recipient_id": recipient_id,
        "purpose": "Payment of my care",
        "information_classes": list(classes),
    }
    answer = door.post(f"/v1/patients/{who.patient_id}/consents", said).ok
    door.settle()
    return str(answer["consent_id"])


def sees(door: Door, who: Person, token: str) -> bool:
    """Read the feed as somebody outside, and tell whether it says anything about a person."""
    after, told = "", set()
    while True:
        page = door.get(f"/v1/events?limit=1000{after}", token=token).ok
        told |= {event["subject"] for event in page["items"]}
        if not page["next"] or f"&after={page['next']}" == after:
            return who.patient_id in told
        after = f"&after={page['next']}"


class TestOwnRecord:
    def test_is_one_document_with_every_services_part(
        self, house: EmbeddedHouse, door: Door, program: Program
    ) -> None:
        treated = program.treated
        own = token_for(house, treated)
        asked = door.post(f"/v1/patients/{treated.patient_id}/record-requests", token=own).ok

        record = door.get(f"/v1/record-requests/{asked['request_id']}/record", token=own).ok

        parts = record["parts"]
        assert set(parts) == {"intake", "scheduling", "monitoring", "aftercare"}
        assert parts["intake"]["patients"][0]["family_name"] == SECRETS["family_name"]
        assert parts["intake"]["assessments"][0]["goals"] == SECRETS["goals"]
        assert parts["monitoring"]["treatment_plans"][0]["plan_id"] == program.plan_id
        assert SECRETS["outreach"] in [one["note"] for one in parts["monitoring"]["outreach_attempts"]]
        assert {"seats", "weekly_plans"} <= set(parts["scheduling"])
        assert parts["aftercare"]["episodes"][0]["episode_id"] == treated.episode_id
        others = (program.referred, program.decided, program.elsewhere, program.discharged)
        assert not [who for who in others if who.patient_id.encode() in orjson.dumps(parts)]
        assert b"counselling" not in orjson.dumps(parts).lower().replace(b"counselling_notes", b"")

    def test_stops_the_clock_and_stands_in_the_audit_part_by_part(
        self, house: EmbeddedHouse, door: Door, opening: Opening
    ) -> None:
        who = opening.refer()
        path = f"/v1/patients/{who.patient_id}/record-requests"
        asked = door.post(path).ok
        assert asked["state"] == "OPEN"
        assert (
            door.get(f"/v1/record-requests/{asked['request_id']}/record", role="supervisor").ok["patient_id"]
            == who.patient_id
        )

        (delivered,) = door.get(path).ok["items"]
        assert delivered["state"] == "DELIVERED"
        door.settle()
        assert door.get(f"/v1/work?patient_id={who.patient_id}&task=record_access").ok["items"] == []
        actions = house.rows(
            "gateway",
            f"SELECT action FROM audit WHERE about_id = '{who.patient_id}' AND action LIKE 'export_%'",
        )
        assert sorted(row.action for row in actions) == [
            "export_aftercare_record",
            "export_intake_record",
            "export_monitoring_record",
            "export_scheduling_record",
        ]

    def test_is_for_the_patient_and_those_who_answer_for_privacy(
        self, house: EmbeddedHouse, door: Door, program: Program, payer: tuple[str, str]
    ) -> None:
        path = f"/v1/record-requests/{program.request_id}/record"

        for role in ("clinician", "front_desk", "operations"):
            assert door.get(path, role=role).status == 403
        assert door.get(path, token=token_for(house, program.treated)).status == 404
        assert door.get(path, token=payer[1]).status == 404
        assert door.get(path, role="medical_director").status == 200

    def test_is_not_told_where_it_was_denied(self, door: Door, opening: Opening) -> None:
        who = opening.refer()
        asked = door.post(f"/v1/patients/{who.patient_id}/record-requests").ok
        denied = {"ground": "COMPILED_FOR_PROCEEDINGS", "reason": "Made for a court."}
        door.post(f"/v1/record-requests/{asked['request_id']}/answer", denied, role="supervisor").expect(200)

        answer = door.get(f"/v1/record-requests/{asked['request_id']}/record", role="supervisor")

        assert (answer.status, answer.body["code"]) == (409, "record_denied")


class TestDisclosures:
    def test_are_accounted_for_to_the_patient_with_recipient_and_purpose(
        self, house: EmbeddedHouse, door: Door, opening: Opening, payer: tuple[str, str]
    ) -> None:
        who = opening.decide()
        consent_id = allow(door, who, payer[0], "ASSESSMENT", "DIAGNOSES")
        assert sees(door, who, payer[1])
        door.settle()

        own = token_for(house, who)
        told = door.get(f"/v1/patients/{who.patient_id}/disclosures", token=own).ok["items"]

        assert [
            (one["consent_id"], one["recipient"], one["purpose"], one["information_classes"]) for one in told
        ] == [(consent_id, "Prairie Mutual", "Payment of my care", ["ASSESSMENT", "DIAGNOSES"])]
        other = f"/v1/patients/{opening.refer().patient_id}/disclosures"
        assert door.get(other, token=own).status in (403, 404)
        assert door.get(other, token=payer[1]).status == 404

    def test_are_told_page_by_page(self, door: Door, opening: Opening, payer: tuple[str, str]) -> None:
        who = opening.decide()
        allow(door, who, payer[0], "ASSESSMENT", "DIAGNOSES")
        for _ in range(3):
            assert sees(door, who, payer[1])
        door.settle()
        path = f"/v1/patients/{who.patient_id}/disclosures"

        first = door.get(f"{path}?limit=2").ok
        rest = door.get(f"{path}?limit=2&after={first['next']}").ok

        ids = [one["disclosure_id"] for page in (first, rest) for one in page["items"]]
        assert (len(ids), len(set(ids)), rest["next"]) == (3, 3, None)


class TestRevocation:
    def test_is_heeded_within_a_minute(self, door: Door, opening: Opening, payer: tuple[str, str]) -> None:
        who = opening.decide()
        consent_id = allow(door, who, payer[0], "ASSESSMENT", "DIAGNOSES")
        assert sees(door, who, payer[1])

        door.post(f"/v1/consents/{consent_id}/revocation").ok  # noqa: B018  # it was done
        began = time.monotonic()
        wait_until(lambda: not sees(door, who, payer[1]), seconds=HEEDED_WITHIN_SECONDS, what="it is heeded")

        assert time.monotonic() - began <= HEEDED_WITHIN_SECONDS
        assert standing.WORD_COUNTS_FOR_SECONDS < HEEDED_WITHIN_SECONDS

    def test_is_of_what_somebody_allowed(self, door: Door, opening: Opening, payer: tuple[str, str]) -> None:
        assert not sees(door, opening.decide(), payer[1])


class TestRestriction:
    def test_is_obeyed_within_a_minute_and_lifted_by_the_patient(
        self, house: EmbeddedHouse, door: Door, opening: Opening, payer: tuple[str, str]
    ) -> None:
        who = opening.decide()
        own = token_for(house, who)
        allow(door, who, payer[0], "ASSESSMENT", "DIAGNOSES")
        assert sees(door, who, payer[1])
        wanted = {"towards": "HEALTH_PLAN", "recipient_id": payer[0], "paid_in_full": True}
        asked = door.post(f"/v1/patients/{who.patient_id}/restrictions", wanted, token=own).ok
        path = f"/v1/restrictions/{asked['restriction_id']}"

        refused = door.post(f"{path}/answer", {"answer": "DENY", "reason": "No."}, role="supervisor")
        door.post(f"{path}/answer", {"answer": "AGREE"}, role="supervisor").expect(200)
        wait_until(lambda: not sees(door, who, payer[1]), seconds=HEEDED_WITHIN_SECONDS, what="it is obeyed")
        door.post(f"{path}/ending", token=own).expect(200)

        assert (refused.status, refused.body["code"]) == (409, "restriction_mandatory")
        wait_until(lambda: sees(door, who, payer[1]), seconds=HEEDED_WITHIN_SECONDS, what="it is lifted")


class TestSubpoena:
    def demand(self, door: Door, about: dict[str, Any], token: str) -> Any:
        names = ("given_name", "family_name", "birth_date")
        told = {"kind": "SUBPOENA", "asker": "A court", "about": {name: about[name] for name in names}}
        answer = door.post("/v1/legal-demands", told, token=token)
        return answer.status, answer.body

    def test_is_answered_alike_and_with_no_data_whoever_it_is_about(
        self, door: Door, opening: Opening, payer: tuple[str, str]
    ) -> None:
        who = opening.refer()
        known, unknown = person(opening._people), person(3) | {"given_name": "Nobody"}

        answers = [self.demand(door, about, payer[1]) for about in (known, unknown)]

        assert answers[0] == answers[1] == (201, {"status": "received"})
        queue = door.get("/v1/legal-demands?open=true&limit=200", role="supervisor").ok["items"]
        assert {one["patient_id"] for one in queue} >= {who.patient_id, None}
        assert door.get("/v1/legal-demands", token=payer[1]).status == 404
        assert door.get("/v1/legal-demands", role="clinician").status == 403

    def test_puts_a_hold_on_in_every_service_until_a_human_releases_it(
        self, house: EmbeddedHouse, door: Door, opening: Opening, payer: tuple[str, str]
    ) -> None:
        who = opening.refer()
        self.demand(door, person(opening._people), payer[1])
        door.settle()
        held = [
            service
            for service in ("intake", "scheduling", "monitoring", "aftercare", "gateway")
            if self.holds(house, service, who)
        ]
        queue = door.get("/v1/legal-demands?on_hold=true&limit=200", role="supervisor").ok["items"]
        (demand_id,) = [one["demand_id"] for one in queue if one["patient_id"] == who.patient_id]

        settled = {"outcome": "NOTHING_DISCLOSED", "note": "There is no order."}
        door.post(f"/v1/legal-demands/{demand_id}/settlement", settled, role="supervisor").expect(200)
        door.post(f"/v1/legal-demands/{demand_id}/release", role="supervisor").expect(200)
        door.settle()

        assert held == ["intake", "scheduling", "monitoring", "aftercare", "gateway"]
        assert not [service for service in held if self.holds(house, service, who)]

    def holds(self, house: EmbeddedHouse, service: str, who: Person) -> bool:
        query = f"SELECT 1 FROM legal_holds WHERE patient_id = '{who.patient_id}' AND released_at IS NULL"
        return bool(house.rows(service, query))
