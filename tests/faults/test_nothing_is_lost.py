"""Promises 1 and 5: whatever is broken, what was acknowledged has each of its effects exactly once."""

import pytest

from chaos import faults
from chaos.faults import Scene
from tests.faults.conftest import Judged, verdict_of

#: Every kind but those that other files here look at closer; in ``make chaos`` all of them strike longer.
SLICE = (
    "killed before commit",
    "killed between commit and publish",
    "killed between publish and confirm",
    "killed between confirm and mark",
    "killed between effect and acknowledgement",
    "broker stopped and started",
    "broker killed",
    "broker blocked by its memory alarm",
    "broker cut off, half open",
    "database restarted",
    "database killed",
    "database cut off",
    "database half open",
    "database slow",
    "database connections reset",
    "a handler slower than the heartbeat",
    "frozen for longer than the heartbeat",
    "duplicates",
    "reordering",
    "copies join and leave",
    "the wall clock jumps",
)

#: Kinds that kill in a moment between two steps.
AT_A_MOMENT = tuple(name for name in SLICE if name.startswith("killed between"))


def test_what_was_acknowledged_before_a_service_ever_ran_reaches_it(scene: Scene) -> None:
    verdict = verdict_of(scene, "first start")
    assert verdict.acknowledged == verdict.attempted == verdict.ok > 20
    assert (verdict.lost, verdict.duplicated) == (0, 0)


@pytest.mark.parametrize("name", SLICE)
def test_nothing_is_lost_and_nothing_happens_twice(scene: Scene, judged: Judged, name: str) -> None:
    scene.details = {}
    with judged(name) as verdicts:
        faults.KINDS[name](scene)
    (verdict,) = verdicts
    assert (verdict.lost, verdict.duplicated) == (0, 0)
    # People worked meanwhile, and all that they tried was done in the end.
    assert verdict.ok == verdict.acknowledged == verdict.attempted > 0
    if name in AT_A_MOMENT:
        assert scene.details["killed_at_the_moment"] > 0
