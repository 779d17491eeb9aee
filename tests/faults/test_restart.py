"""Promises 2 and 5: processes are replaced under load, and nobody who asks notices."""

from chaos import faults
from chaos.faults import Scene
from tests.faults.conftest import Judged


def test_a_rolling_restart_fails_no_request_and_repeats_nothing_finished(
    scene: Scene, judged: Judged
) -> None:
    scene.details = {}
    with judged("rolling restart") as verdicts:
        faults.KINDS["rolling restart"](scene)
    (verdict,) = verdicts
    assert scene.details["failed_requests"] == 0
    assert scene.details["finished_then_redelivered"] == 0
    # Every process went by itself: none had to be killed when its time was over.
    assert scene.details["longest_drain_seconds"] < scene.house.settings.drain_seconds + 10
    assert (verdict.lost, verdict.duplicated) == (0, 0)
    assert verdict.ok == verdict.acknowledged == verdict.attempted > 0
