"""Promises 4 and 6: what had to wait goes its way by itself, and what comes again is recognised."""

import time
from datetime import timedelta

from chaos.faults import Scene, publish, write_waiting_events
from chaos.house import wait_until
from chaos.judge import settle
from shared.clock import real_now
from shared.ids import first_id_at

#: How many events wait for the broker.
MANY = 10_000


def test_ten_thousand_waiting_events_are_all_sent_when_the_broker_returns(scene: Scene) -> None:
    house = scene.house
    decided = "SELECT count(*) FROM archive WHERE type = 'level_of_care_decided'"
    scene.load.go_on()
    assert wait_until(lambda: house.rows("gateway", decided)[0][0] > 0, seconds=60)
    scene.load.pause()
    assert settle(house, seconds=60)
    before = house.rows("gateway", decided)[0][0]
    house.node.ctl("stop_app")
    write_waiting_events(scene, MANY)
    unsent = "SELECT count(*) FROM outbox WHERE dispatched_at IS NULL"
    time.sleep(2)
    assert house.rows("intake", unsent)[0][0] == MANY
    house.node.ctl("start_app")

    assert wait_until(lambda: house.rows("intake", unsent)[0][0] < MANY, seconds=30), "nothing is sent"
    assert wait_until(lambda: house.rows("gateway", decided)[0][0] == before + MANY, seconds=120)
    # Each is marked as sent when the broker has confirmed it: the last of them after the archive has it.
    assert wait_until(lambda: house.rows("intake", unsent)[0][0] == 0, seconds=60)


def test_an_event_that_comes_again_after_29_days_has_no_second_effect(scene: Scene) -> None:
    house = scene.house
    referred = scene.load.refer()
    assert settle(house, seconds=60)
    ran = "SELECT count(*) FROM audit WHERE action = 'keep_patient' AND cause_id = %(id)s"
    ((event_id, body),) = house.rows(
        "intake",
        "SELECT event_id::text, body FROM outbox WHERE convert_from(body, 'UTF8') LIKE %(like)s",
        like=f"%{referred['referral_id']}%",
    )
    for table, service in (("inbox", "scheduling"), ("outbox", "intake")):
        column = {"inbox": "received_at", "outbox": "dispatched_at"}[table]
        house.execute(service, f"UPDATE {table} SET {column} = {column} - interval '29 days'")
    too_old = first_id_at(real_now() - timedelta(days=31))
    house.execute(
        "scheduling",
        "INSERT INTO inbox (event_id, reaction, tenant_id, type, state, received_at)"
        f" VALUES ('{too_old}', 'keep_patient', '{house.settings.tenant}', 'referral_received', 'done',"
        " now() - interval '31 days')",
    )
    # Whoever starts anew prunes what is old.
    house.restart(house.of("scheduling")[0])
    remembered = "SELECT count(*) FROM inbox WHERE event_id = %(id)s"
    assert wait_until(lambda: house.rows("scheduling", remembered, id=too_old)[0][0] == 0, seconds=30)
    assert house.rows("scheduling", remembered, id=event_id)[0][0] > 0
    publish(house, [("referral_received", bytes(body))] * 3)
    time.sleep(1)
    assert settle(house, seconds=60)
    assert house.rows("scheduling", ran, id=event_id)[0][0] == 1
