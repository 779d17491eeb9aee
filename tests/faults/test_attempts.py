"""Promise 3: the cap on attempts is exact, whatever the number of copies."""

import pytest

from chaos.faults import Scene, poison_event, publish
from chaos.house import Copy, wait_until
from shared.contracts.event import Envelope
from tests.faults.conftest import CAP
from tests.faults.test_poison import state_of


def runs_of(scene: Scene, event: Envelope) -> int:
    """Count the runs that scheduling's copies have logged, each for itself."""
    lines = scene.house.logs.splitlines()
    return sum('"event":"reaction_failed"' in line and event.event_id in line for line in lines)


@pytest.fixture(scope="module")
def crowd(scene: Scene):
    """Return what brings the copies of scheduling to a number."""
    joined: list[Copy] = []

    def bring_to(number: int) -> None:
        while len(scene.house.of("scheduling")) < number:
            joined.append(scene.house.start("scheduling", number=50 + len(joined)))
        scene.house.wait_until_ready(joined)

    yield bring_to
    for copy in joined:
        scene.house.end(copy)


@pytest.mark.parametrize("copies", [1, 3, 6])
def test_a_failing_reaction_is_run_exactly_as_often_as_the_cap_says(scene: Scene, crowd, copies: int) -> None:
    crowd(copies)
    assert len(scene.house.of("scheduling")) == copies
    poison = poison_event(scene)
    publish(scene.house, [("referral_received", poison.to_bytes())] * 3)
    assert wait_until(lambda: state_of(scene, poison)[1] == "parked", seconds=60)
    assert state_of(scene, poison) == (CAP, "parked")
    # Where several failed together, each says so after it was written down.
    wait_until(lambda: runs_of(scene, poison) >= CAP, seconds=30)
    assert runs_of(scene, poison) == CAP
