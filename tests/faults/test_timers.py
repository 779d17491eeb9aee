"""Promise 7: each timer fires once, with three copies that are killed at random."""

import random
import time

from chaos.faults import Scene, lingering
from chaos.house import wait_until
from chaos.judge import settle

#: How many timers there are at least.
LEAST = 20
#: How long one copy alone takes at least to fire all of them.
LEAST_SECONDS = 10.0


def test_each_fires_once_though_copies_are_killed(scene: Scene) -> None:
    house = scene.house
    draws = random.Random(61)
    for _ in range(LEAST):
        scene.load.refer()
    house.restart(house.of("intake")[0])
    joined = [house.start("intake", number=number) for number in (61, 62)]
    house.wait_until_ready(joined)
    # What comes of them is known to be asked for.
    scene.load.sent.add("chaos")
    # Each is about an episode of its own. Firing writes down that it fired, and for what cause. One that has
    # failed is fired alone, and those between two of them in one transaction.
    house.execute(
        "intake",
        "INSERT INTO timers (tenant_id, name, key, due_at, data, correlation_id, causation_id, attempts)"
        " SELECT tenant_id, 'level_decision_due', episode_id::text, now(), '{}', 'chaos',"
        " 'timer-' || episode_id, round(random()) FROM episodes LIMIT 200",
    )
    ((timers,),) = house.rows("intake", "SELECT count(*) FROM timers WHERE correlation_id = 'chaos'")
    fired = "SELECT count(*), count(DISTINCT cause_id) FROM audit WHERE action = 'timer:level_decision_due'"
    # Each takes its time, so that somebody is killed in the middle of one, and some are left for the last.
    each = max(0.1, LEAST_SECONDS / timers)
    with lingering(house, "intake", "timers", "BEFORE DELETE ON timers FOR EACH ROW", seconds=each):
        for copy in [*joined, *house.of("intake")[:1]]:
            before = house.rows("intake", fired)[0][0]
            assert wait_until(lambda before=before: house.rows("intake", fired)[0][0] > before, seconds=30)
            time.sleep(draws.uniform(0.0, 0.1))
            house.kill(copy)
            if copy not in joined:
                house.start_again(copy)
    assert wait_until(
        lambda: not house.rows("intake", "SELECT 1 FROM timers WHERE correlation_id = 'chaos'"), seconds=60
    )
    assert timers >= LEAST
    assert house.rows("intake", fired)[0] == (timers, timers)
    assert settle(house, seconds=60)
