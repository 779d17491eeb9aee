"""A consent that was taken back lets nothing out within a minute, whatever is down meanwhile."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import standing
from gateway.tokens import mint
from shared.contracts import roles
from shared.ids import new_id
from tests.journeys import shorter_word
from tests.journeys.clinic import Clinic, Patient
from tests.journeys.conftest import houses
from tests.journeys.house import Answer, DistributedHouse, wait_until
from tests.nodes import RabbitNode, node_or_skip

pytestmark = pytest.mark.rabbitmq

#: Brief R2.
HEEDED_WITHIN_SECONDS = 60.0
#: For what takes time beside intake's word.
BESIDES_SECONDS = 15.0


@pytest.fixture(scope="module")
def rabbitmq_node() -> Iterator[RabbitNode]:
    """A node of their own for these tests, which break it; their houses are on it too."""
    with node_or_skip() as node:
        yield node


@pytest.fixture(scope="module")
def house(request: pytest.FixtureRequest) -> Iterator[DistributedHouse]:
    """One process a service, whose parts a test takes away, and which is whole again at its end."""
    with houses(request) as build:
        house: DistributedHouse = build("rabbitmq")
        yield house


class Outsider:
    """A payer outside the program to whom a patient has consented."""

    def __init__(self, house: DistributedHouse, clinic: Clinic, patient: Patient) -> None:
        self.door = clinic.door
        partner_id = new_id()
        self.token = mint(
            house.settings.token_key,
            tenant=house.settings.tenant,
            role=roles.PARTNER,
            partner=partner_id,
            actor_id="claims",
        )
        consent: dict[str, Any] = {
            "kind": "TPO",
            "recipient": "Prairie Mutual",
            "recipient_id": partner_id,
            "purpose": "Payment",
            "information_classes": ["ASSESSMENT", "DIAGNOSES", "ATTENDANCE"],
        }
        answer = clinic.post(f"/v1/patients/{patient.patient_id}/consents", consent)
        self.consent_id = str(answer["consent_id"])
        wait_until(self.sees, seconds=60, what="the consent is known")

    def events(self) -> Answer:
        """Ask for events, which the gateway holds itself."""
        return self.door.get("/v1/events?limit=1000", token=self.token)

    def sees(self) -> bool:
        """Tell whether anything about the patient leaves."""
        answer = self.events()
        return answer.status == 200 and bool(answer.body["items"])

    def has_heard_the_last(self) -> bool:
        """Tell whether the door answers, and says nothing about the patient any more."""
        answer = self.events()
        return answer.status == 200 and not answer.body["items"]


class TestARevocation:
    def test_is_heeded_within_a_minute_while_the_broker_restarts(
        self, house: DistributedHouse, rabbitmq_node: RabbitNode
    ) -> None:
        clinic = Clinic.open(house)
        outsider = Outsider(house, clinic, clinic.admit("Merriweather"))

        rabbitmq_node.kill()
        rabbitmq_node.start()
        # The first try may revoke although its answer is lost with a connection.
        asked_at = time.monotonic()
        clinic.post(f"/v1/consents/{outsider.consent_id}/revocation")
        wait_until(outsider.has_heard_the_last, seconds=HEEDED_WITHIN_SECONDS, what="it is heeded")

        assert time.monotonic() - asked_at <= HEEDED_WITHIN_SECONDS

    def test_is_heeded_within_a_minute_when_the_broker_dies_on_its_word(
        self, house: DistributedHouse, rabbitmq_node: RabbitNode
    ) -> None:
        clinic = Clinic.open(house)
        outsider = Outsider(house, clinic, clinic.admit("Abernathy"))

        asked_at = time.monotonic()
        clinic.post(f"/v1/consents/{outsider.consent_id}/revocation")
        rabbitmq_node.kill()
        rabbitmq_node.start()
        wait_until(outsider.has_heard_the_last, seconds=HEEDED_WITHIN_SECONDS, what="it is heeded")

        assert time.monotonic() - asked_at <= HEEDED_WITHIN_SECONDS

    @pytest.fixture
    def forgetful(self, house: DistributedHouse) -> Iterator[DistributedHouse]:
        """The house with a gateway for which intake's word does not count for long."""
        assert house.end("gateway") == 0
        house.start("gateway", program="tests.journeys.shorter_word")
        house.wait_until_ready()
        yield house
        assert house.end("gateway") == 0
        house.start("gateway")
        house.wait_until_ready()

    def test_cannot_be_outlived_by_what_the_gateway_knows_itself(self, forgetful: DistributedHouse) -> None:
        house, clinic = forgetful, Clinic.open(forgetful)
        outsider = Outsider(house, clinic, clinic.admit("Pennyfeather"))
        # As if intake had taken a revocation whose event never came: it is away, and so is its word.
        assert house.end("intake") == 0
        left_at = time.monotonic()
        wait_until(
            lambda: outsider.events().status == 503, seconds=HEEDED_WITHIN_SECONDS, what="nothing leaves"
        )
        waited = time.monotonic() - left_at
        house.start("intake")
        house.wait_until_ready()

        assert waited <= shorter_word.WORD_COUNTS_FOR_SECONDS + BESIDES_SECONDS
        assert standing.WORD_COUNTS_FOR_SECONDS + BESIDES_SECONDS <= HEEDED_WITHIN_SECONDS
