"""Promises 2 and 5: processes are replaced under load, and nobody who asks notices."""

from chaos import faults
from chaos.faults import Scene, lingering, poison_event, publish, sleeps
from chaos.house import wait_until
from chaos.judge import settle
from shared.ids import new_id
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


def test_what_is_in_hand_is_finished_and_acknowledged_before_a_process_ends(scene: Scene) -> None:
    house = scene.house
    (copy,) = house.of("scheduling")
    journey_id, episode_id = new_id(), new_id()
    # Nothing is wrong with this one but that it takes its time.
    slow = poison_event(scene, journey_id=journey_id, episode_id=episode_id)
    done = "SELECT count(*) FROM audit WHERE action = 'keep_patient' AND cause_id = %(id)s"
    when = f"BEFORE INSERT ON episodes FOR EACH ROW WHEN NEW.journey_id = '{journey_id}'"
    with lingering(house, "scheduling", "episodes", when, seconds=3):
        publish(house, [("referral_received", slow.to_bytes())])
        assert wait_until(lambda: sleeps(house, "scheduling"), seconds=30)
        house.end(copy)
        assert house.rows("scheduling", done, id=slow.event_id)[0][0] == 1
    assert copy.process.returncode == 0
    house.relays.watch("broker-scheduling")
    house.start_again(copy)
    scene.load.refer()
    assert settle(house, seconds=60)
    assert slow.event_id not in house.relays.redelivered("broker-scheduling")
    assert house.rows("scheduling", done, id=slow.event_id)[0][0] == 1
