"""Promises 8 and 10: one key, one effect, also across a crash; and nobody who asks waits for ever."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import urllib3

from chaos.faults import Scene
from chaos.house import wait_until
from chaos.judge import settle
from chaos.relays import TO_SERVER
from shared.contracts.event import SERVICES
from shared.ids import new_id


def referral(scene: Scene) -> dict[str, Any]:
    return {"site_id": scene.load.site_id, "referral_source": "1", "patient": scene.load.person()}


def events_of(scene: Scene, referral_id: str) -> int:
    """Count the events that tell of a referral."""
    query = "SELECT count(*) FROM outbox WHERE convert_from(body, 'UTF8') LIKE %(like)s"
    return int(scene.house.rows("intake", query, like=f"%{referral_id}%")[0][0])


def total(scene: Scene) -> int:
    return int(scene.house.rows("intake", "SELECT count(*) FROM referrals")[0][0])


def ask_directly(scene: Scene, body: dict[str, Any]) -> urllib3.BaseHTTPResponse:
    """Ask one gateway, without a balancer that would try again."""
    correlation_id = new_id()
    scene.load.sent.add(correlation_id)
    return urllib3.request(
        "POST",
        f"{scene.house.gateway_urls[0]}/v1/referrals",
        json=body,
        headers={
            "Authorization": f"Bearer {scene.house.tokens['front_desk']}",
            "Idempotency-Key": correlation_id,
            "X-Request-Id": correlation_id,
        },
        timeout=30,
        retries=False,
    )


def test_fifty_at_once_under_one_key_have_one_effect_and_one_answer(scene: Scene) -> None:
    body, key, before = referral(scene), new_id(), total(scene)

    def send(_: int) -> tuple[int, dict[str, Any]]:
        return scene.load.request(
            "POST", "/v1/referrals", body, role="front_desk", key=key, correlation_id=key
        )

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(send, range(50)))
    first = [answer for status, answer in answers if status == 201]
    assert first
    assert all(answer == first[0] for answer in first)
    assert {status for status, _ in answers} <= {201, 409}
    assert total(scene) == before + 1
    assert events_of(scene, first[0]["referral_id"]) == 1
    assert settle(scene.house, seconds=60)


def test_a_crash_between_commit_and_answer_gives_the_first_answer_and_no_second_effect(scene: Scene) -> None:
    house = scene.house
    body, key, before = referral(scene), new_id(), total(scene)
    (copy,) = house.of("intake")[:1]
    answers: list[tuple[int, dict[str, Any]]] = []

    def send() -> None:
        while not answers or not 200 <= answers[-1][0] < 300:
            answers.append(
                scene.load.request(
                    "POST", "/v1/referrals", body, role="front_desk", key=key, correlation_id=key
                )
            )

    house.relays.hold("broker-intake", label="commands", direction=TO_SERVER)
    sending = threading.Thread(target=send, daemon=True)
    sending.start()
    assert wait_until(lambda: total(scene) == before + 1, seconds=30), "nothing was committed"
    house.kill(copy)
    house.relays.drop("broker-intake")
    ((committed,),) = house.rows(
        "intake", "SELECT referral_id::text FROM referrals ORDER BY referral_id DESC LIMIT 1"
    )
    house.start_again(copy)
    sending.join(60)
    assert answers[-1][0] == 201
    assert answers[-1][1]["referral_id"] == committed
    assert total(scene) == before + 1
    assert settle(house, seconds=60)


@contextlib.contextmanager
def service_frozen(scene: Scene) -> Iterator[None]:
    (copy,) = scene.house.of("intake")[:1]
    copy.process.send_signal(signal.SIGSTOP)
    yield
    copy.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def relays_in(scene: Scene, what: str, mode: str) -> Iterator[None]:
    for service in SERVICES:
        scene.house.relays.mode(f"{what}-{service}", mode)
    yield
    for service in SERVICES:
        scene.house.relays.mode(f"{what}-{service}", "reset")
        scene.house.relays.mode(f"{what}-{service}", "open")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(service_frozen, id="service frozen"),
        pytest.param(lambda scene: relays_in(scene, "broker", "cut"), id="broker cut off"),
        pytest.param(lambda scene: relays_in(scene, "broker", "half_open"), id="broker half open"),
        pytest.param(lambda scene: relays_in(scene, "database", "cut"), id="database cut off"),
        pytest.param(lambda scene: relays_in(scene, "database", "half_open"), id="database half open"),
    ],
)
def test_a_dependency_that_is_down_is_told_as_503_with_retry_after(
    scene: Scene, fault: Callable[[Scene], contextlib.AbstractContextManager[None]]
) -> None:
    with fault(scene):
        answer = ask_directly(scene, referral(scene))
        problem = answer.json()
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == 503

    # And all is well again by itself.
    assert wait_until(lambda: ask_directly(scene, referral(scene)).status == 201, seconds=60)
    assert settle(scene.house, seconds=60)
