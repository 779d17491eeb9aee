"""Brief 13b.1: a danger that the gateway heard in a service's place is not lost with the gateway."""

import time

import pytest

from chaos.faults import Scene
from chaos.house import wait_until
from chaos.judge import settle
from chaos.relays import TO_CLIENT, TO_SERVER
from shared.ids import new_id


@pytest.mark.parametrize(
    "direction",
    [
        pytest.param(TO_SERVER, id="between commit and publish"),
        pytest.param(TO_CLIENT, id="between publish and confirm"),
    ],
)
def test_a_danger_survives_the_gateway_that_heard_it(scene: Scene, direction: str) -> None:
    house = scene.house
    patient_id, key = new_id(), new_id()
    told = {"patient_id": patient_id, "concern": "VIOLENCE", "level": "E4"}
    (monitoring,) = house.of("monitoring")
    # Away, so that its command is answered by the gateway, which announces the danger itself.
    house.end(monitoring)
    house.relays.hold("broker-gateway", label="publishing", direction=direction)
    status, answer = scene.load.request(
        "POST", "/v1/safety-concerns", told, role="counselor", key=key, correlation_id=key
    )
    assert (status, answer["status"]) == (202, "received")
    time.sleep(0.5)
    gateways = list(house.of("gateway"))
    for copy in gateways:
        house.kill(copy)
    house.relays.drop("broker-gateway")
    unsent = "SELECT count(*) FROM outbox WHERE dispatched_at IS NULL AND type = 'safety_concern_raised'"
    assert house.rows("gateway", unsent)[0][0] == 1

    for copy in [*gateways, monitoring]:
        house.start_again(copy)

    opened = "SELECT jsonb_array_length(evidence) FROM escalations WHERE patient_id = %(id)s"
    assert wait_until(lambda: house.rows("monitoring", opened, id=patient_id) == [(1,)], seconds=60)
    watched = "SELECT state FROM safety_watch WHERE patient_id = %(id)s"
    assert wait_until(lambda: house.rows("gateway", watched, id=patient_id) == [("confirmed",)], seconds=60)
    assert settle(house, seconds=60)
