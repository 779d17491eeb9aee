"""Promise 3: what fails, or kills, waits and is put aside by itself, while the others go on."""

from chaos import faults
from chaos.faults import Scene, poison_event, publish
from chaos.house import BACK, wait_until
from shared.contracts.event import Envelope
from tests.faults.conftest import CAP, Judged, verdict_of

#: Attempts and state of the reaction to one event.
_STATE = "SELECT attempts, state FROM inbox WHERE event_id = %(id)s AND reaction = 'keep_patient'"


def state_of(scene: Scene, event: Envelope) -> tuple[int, str]:
    (found,) = scene.house.rows("scheduling", _STATE, id=event.event_id) or [(0, "")]
    return found


def test_the_others_are_done_while_the_poison_waits(scene: Scene) -> None:
    scene.load.ledger.fault = "beside poison"
    poison = poison_event(scene)
    publish(scene.house, [("referral_received", poison.to_bytes())])
    assert wait_until(lambda: state_of(scene, poison)[0] > 0, seconds=30)
    done = "SELECT count(*) FROM inbox WHERE state = 'done'"
    before = scene.house.rows("scheduling", done)[0][0]
    for _ in range(3):
        scene.load.refer()
    assert wait_until(lambda: scene.house.rows("scheduling", done)[0][0] >= before + 3, seconds=30)
    verdict = verdict_of(scene, "beside poison")
    assert (verdict.ok, verdict.lost, verdict.duplicated) == (3, 0, 0)


def test_poison_of_every_kind_is_put_where_an_operator_finds_it(scene: Scene, judged: Judged) -> None:
    scene.details = {}
    with judged("poison") as verdicts:
        faults.KINDS["poison"](scene)
    assert scene.details["attempts"] == [CAP, CAP]
    (verdict,) = verdicts
    assert (verdict.lost, verdict.duplicated) == (0, 0)
    status, parked = scene.load.request("GET", "/v1/parked-items", role="operations")
    assert status == 200
    listed = {item["event_id"] for item in parked["items"] if item["kind"] == "REACTION"}
    assert listed
    assert listed <= scene.poison
    put_aside = {service: scene.house.rows(service, "SELECT error FROM quarantine") for service in BACK}
    assert put_aside["scheduling"]


def test_a_reaction_that_kills_its_process_is_parked_and_drags_nobody_along(
    scene: Scene, judged: Judged
) -> None:
    scene.details = {}
    with judged("killer") as verdicts:
        faults.KINDS["a reaction that kills its process"](scene)
    (verdict,) = verdicts
    assert (verdict.lost, verdict.duplicated) == (0, 0)
    assert verdict.ok == verdict.attempted > 0
    # As many as it takes to be suspected, and then as often as the cap says.
    assert CAP < scene.details["kills"] <= 6 + CAP
