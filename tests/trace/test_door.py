"""Traces over HTTP: for those who answer for it, of their own tenant, with what is missing told."""

import pytest

from shared.ids import new_id
from tests.gateway.conftest import Answer, Builder, House, builder, shared_builder
from tests.gateway.stubs import SECRET, UNKNOWN_PATIENT
from tests.journeys.house import wait_until

__all__ = ["builder", "shared_builder"]


@pytest.fixture(scope="module")
def house(builder: Builder) -> House:
    """A house in which every service answers."""
    return builder.start(STUBS_AWAY="")


@pytest.fixture(scope="module")
def command_id(house: House) -> str:
    """The id of a command that announced a consent, which is in the archive."""
    return granted(house)


def granted(house: House) -> str:
    """Grant a consent and return the id of the command, once the archive has what it announced."""
    consent = {
        "patient_id": new_id(),
        "consent_id": new_id(),
        "recipient_id": "courthouse",
        "information_classes": ["ATTENDANCE"],
        "note": SECRET,
    }
    patient_id = consent.pop("patient_id")
    answer = house.post(f"/v1/patients/{patient_id}/consents", consent)
    assert answer.status == 201, answer
    found: list[str] = []

    def is_archived() -> bool:
        events = house.get("/v1/events?type=consent_granted", role="supervisor").body["items"]
        found.extend(event["causationid"] for event in events if event["subject"] == patient_id)
        return bool(found)

    wait_until(is_archived, seconds=60, what="the consent is in the archive")
    return found[0]


def ask(house: House, trace_id: str, role: str = "supervisor", **options: str) -> Answer:
    return house.get(f"/v1/traces/{trace_id}", role=role, **options)


class TestTrace:
    def test_tells_who_asked_and_what_came_of_it(self, house: House, command_id: str) -> None:
        answer = ask(house, command_id)

        assert answer.status == 200
        told = answer.body
        assert (told["kind"], told["trace_id"]) == ("COMMAND", command_id)
        asked, announced, *reactions = told["steps"]
        assert (asked["kind"], asked["service"], asked["name"]) == ("COMMAND", "intake", "grant_consent")
        assert (asked["actor_id"], asked["actor_role"]) == ("clinician-1", "clinician")
        assert (announced["name"], announced["of"]) == ("consent_granted", 1)
        (reaction,) = [step for step in reactions if step["service"] == "gateway" and "name" in step]
        assert (reaction["name"], reaction["state"]) == ("allow_disclosure", "DONE")

    def test_tells_who_did_not_answer(self, builder: Builder) -> None:
        house = builder.start(STUBS_AWAY="aftercare")

        assert ask(house, granted(house)).body["missing"] == ["aftercare"]

    def test_tells_nothing_that_somebody_wrote(self, house: House, command_id: str) -> None:
        assert SECRET.split()[0] not in str(ask(house, command_id).body)

    @pytest.mark.parametrize("role", ["operations", "supervisor", "medical_director"])
    def test_is_for_those_who_answer_for_it(self, house: House, command_id: str, role: str) -> None:
        assert ask(house, command_id, role).status == 200

    @pytest.mark.parametrize("role", ["clinician", "counselor", "front_desk", "partner"])
    def test_is_for_nobody_else(self, house: House, command_id: str, role: str) -> None:
        refused = ask(house, command_id, role)

        assert (refused.status, refused.code) == (403, "role_may_not")

    def test_of_a_refused_request_tells_who_was_refused_what(self, house: House) -> None:
        refused = house.get(f"/v1/patients/{UNKNOWN_PATIENT}")
        request_id = refused.body["instance"].removeprefix("urn:uuid:")

        wait_until(
            lambda: ask(house, request_id).status == 200, seconds=60, what="the refusal is written down"
        )

        (step,) = ask(house, request_id).body["steps"]
        assert (step["actor_id"], step["name"], step["state"]) == ("clinician-1", "get_patient", "not_found")

    def test_of_another_tenant_cannot_be_told_from_none(self, house: House, command_id: str) -> None:
        stranger = house.token("supervisor", tenant="riverside")

        theirs, nobodys = (
            house.get(f"/v1/traces/{trace_id}", token=stranger) for trace_id in (command_id, new_id())
        )

        assert theirs.status == nobodys.status == 404
        assert theirs.body["detail"] == nobodys.body["detail"]

    def test_refuses_what_is_no_id_and_what_is_no_moment(self, house: House, command_id: str) -> None:
        assert ask(house, "yesterday").fields.keys() == {"trace_id"}
        assert house.get(f"/v1/traces/{command_id}?since=yesterday", role="supervisor").fields.keys() == {
            "since"
        }
        assert house.get(f"/v1/traces/{command_id}?limit=0", role="supervisor").fields.keys() == {"limit"}
