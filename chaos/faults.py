"""Every kind of fault, injected from outside: signals, locks, relays, and the servers' own tools.

No service knows of any of this. The moments between two steps are reached by stalling the second
one: with a lock on the table it writes to, or by holding what is on its way to or from the broker.
"""

import contextlib
import dataclasses
import hashlib
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import amqp

from chaos.house import BACK, House, wait_until
from chaos.load import Load
from chaos.pages import Dangers, take_and_close, tell_danger
from chaos.relays import TO_CLIENT, TO_SERVER, Delivery
from shared.contracts.event import SERVICES, Actor, Envelope
from shared.contracts.intake import ReferralReceived
from shared.ids import new_id
from shared.messaging.broker import topology

#: Seconds to wait for work to reach a moment at which somebody is to be killed.
MOMENT_SECONDS = 8.0
#: Locks are given up by the services after 1.5 s: how long a stalled statement waits before the kill.
STALL_SECONDS = 0.2
#: Seconds that monitoring has to confirm a danger in a quick run, in place of the 60 of a program.
QUICK_CONFIRM_SECONDS = 5.0
#: Seconds to wait for an event of a fault behind all that earlier faults and the load have left to do.
MOST_BACKLOG_SECONDS = 240.0
#: How far the moments that the relays and the services note may lie apart.
TOLERANCE_SECONDS = 0.05


@dataclasses.dataclass
class Scene:
    """What a fault is done to, and what it leaves to be told."""

    house: House
    load: Load
    draws: random.Random
    #: Fewer and shorter blows, of every kind still.
    quick: bool
    #: How many services are killed at each moment in a quick run.
    victims: int = 2
    #: Who tells of dangers all along, where somebody does.
    dangers: Dangers | None = None
    #: Figures of the fault that is being done.
    details: dict[str, Any] = dataclasses.field(default_factory=dict)
    #: Ids of poison events and digests of unreadable ones: what may be left over.
    poison: set[str] = dataclasses.field(default_factory=set)

    def lasts(self, *, quick: float, full: float) -> None:
        """Let a fault go on for a while."""
        time.sleep(quick if self.quick else full)


Fault = Callable[[Scene], None]

#: Every kind, in the order in which they are done.
KINDS: dict[str, Fault] = {}


def kind(name: str) -> Callable[[Fault], Fault]:
    """Declare a kind of fault."""

    def declare(fault: Fault) -> Fault:
        KINDS[name] = fault
        return fault

    return declare


# --- Killed at each step ---------------------------------------------------------------------------


def _each(scene: Scene, services: tuple[str, ...], kill: Callable[[str], bool]) -> None:
    """Kill each service's process in turn, and count who was killed in the very moment that was meant.

    A quick run kills some of them.
    """
    chosen = scene.draws.sample(services, scene.victims) if scene.quick else services
    scene.details["killed"] = len(chosen)
    scene.details["killed_at_the_moment"] = sum([kill(service) for service in chosen])


def _kill_while_waiting(scene: Scene, service: str, table: str, *, like: str = "%", unlike: str = "") -> bool:
    """Kill a service's process while a statement of its own waits for a lock on *table*."""
    house = scene.house
    (copy,) = house.of(service)[:1]
    ends = time.monotonic() + MOMENT_SECONDS
    while True:
        with house.locked(service, table):
            reached = wait_until(
                lambda: house.waits_on(service, table, like=like, unlike=unlike), seconds=1.2, step=0.01
            )
            if reached or time.monotonic() > ends:
                house.kill(copy)
                break
        # The locks of the services have been given up: let them through for a moment.
        time.sleep(0.3)
    house.start_again(copy)
    return reached


@contextlib.contextmanager
def lingering(house: House, service: str, table: str, when: str, *, seconds: float = 20.0) -> Iterator[None]:
    """Have every statement, or every row, of one kind wait in the database.

    :param when: as in CREATE TRIGGER: before what, for each what, and under which condition.
    """
    house.execute(
        service,
        "CREATE FUNCTION chaos_linger() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN PERFORM pg_sleep({seconds}); RETURN coalesce(NEW, OLD); END $$",
    )
    before, _, condition = when.partition(" WHEN ")
    each = before if "FOR EACH" in before else f"{before} ON {table} FOR EACH STATEMENT"
    where = f" WHEN ({condition})" if condition else ""
    try:
        house.execute(service, f"CREATE TRIGGER chaos_linger {each}{where} EXECUTE FUNCTION chaos_linger()")
        yield
    finally:
        _wake_sleepers(house, service)
        house.execute(service, "DROP FUNCTION IF EXISTS chaos_linger() CASCADE")


def sleeps(house: House, service: str) -> bool:
    """Return whether a statement of a service's process waits in the database."""
    found = house.rows(
        service,
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        " AND application_name LIKE 'homeward-%%' AND datname = current_database()"
        " AND query NOT LIKE '%%pg_sleep%%'",
    )
    return bool(found[0][0])


def _wake_sleepers(house: House, service: str) -> None:
    # What a dead process asked for would sleep on, with its locks.
    house.rows(
        service,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE wait_event = 'PgSleep' AND datname = current_database()",
    )


def _kill_while_asleep(scene: Scene, service: str, table: str, when: str) -> bool:
    """Kill a service's process while a statement of its own waits in the database."""
    house = scene.house
    (copy,) = house.of(service)[:1]
    with lingering(house, service, table, when):
        reached = wait_until(lambda: sleeps(house, service), seconds=MOMENT_SECONDS, step=0.02)
        house.kill(copy)
    house.start_again(copy)
    return reached


def _kill_while_held(
    scene: Scene, service: str, *, label: str, direction: str, reached: Callable[[], bool]
) -> bool:
    """Kill a service's process while something of its own is held on the way."""
    house = scene.house
    relay = f"broker-{service}"
    (copy,) = house.of(service)[:1]
    house.relays.hold(relay, label=label, direction=direction)
    try:
        found = wait_until(reached, seconds=MOMENT_SECONDS)
        time.sleep(STALL_SECONDS)
    finally:
        house.kill(copy)
        house.relays.drop(relay)
    house.start_again(copy)
    return found


@kind("killed before commit")
def killed_before_commit(scene: Scene) -> None:
    """Each process in turn, while what it did waits to be written and committed."""
    _each(
        scene,
        SERVICES,
        lambda service: _kill_while_waiting(
            scene, service, "archive" if service == "gateway" else "audit", unlike="UPDATE%"
        ),
    )


@kind("killed between commit and publish")
def killed_between_commit_and_publish(scene: Scene) -> None:
    """Each announcer in turn, when its events are committed and have not left it."""
    _each(
        scene,
        BACK,
        lambda service: _kill_while_held(
            scene,
            service,
            label="publishing",
            direction=TO_SERVER,
            reached=lambda: _unsent(scene.house, service) > 0,
        ),
    )


@kind("killed between publish and confirm")
def killed_between_publish_and_confirm(scene: Scene) -> None:
    """Each announcer in turn, when the broker has its events and it does not know."""
    _each(
        scene,
        BACK,
        lambda service: _kill_while_held(
            scene,
            service,
            label="publishing",
            direction=TO_CLIENT,
            reached=lambda: _unsent_though_archived(scene.house, service),
        ),
    )


@kind("killed between confirm and mark")
def killed_between_confirm_and_mark(scene: Scene) -> None:
    """Each announcer in turn, when its events are confirmed and not yet marked as sent."""
    _each(scene, BACK, lambda service: _kill_while_asleep(scene, service, "outbox", "BEFORE UPDATE"))


@kind("killed between effect and acknowledgement")
def killed_between_effect_and_acknowledgement(scene: Scene) -> None:
    """Each process in turn, when its reactions are committed and the broker does not know."""

    def kill(service: str) -> bool:
        table = "archive" if service == "gateway" else "inbox"
        before = _count(scene.house, service, table)
        return _kill_while_held(
            scene,
            service,
            label="events",
            direction=TO_SERVER,
            reached=lambda: _count(scene.house, service, table) > before,
        )

    _each(scene, SERVICES, kill)


@kind("killed at random")
def killed_at_random(scene: Scene) -> None:
    """Any process at any moment, both gateways among them."""
    for _ in range(3 if scene.quick else 12):
        scene.house.restart(scene.draws.choice(scene.house.copies))
        time.sleep(scene.draws.uniform(0.1, 1.0))


def _count(house: House, service: str, table: str) -> int:
    return int(house.rows(service, f"SELECT count(*) FROM {table}")[0][0])


def _unsent(house: House, service: str) -> int:
    return int(house.rows(service, "SELECT count(*) FROM outbox WHERE dispatched_at IS NULL")[0][0])


def _unsent_though_archived(house: House, service: str) -> bool:
    unsent = [
        row[0]
        for row in house.rows(
            service, "SELECT event_id::text FROM outbox WHERE dispatched_at IS NULL LIMIT 500"
        )
    ]
    return bool(
        house.rows(
            "gateway", "SELECT 1 FROM archive WHERE event_id = ANY(%(ids)s::uuid[]) LIMIT 1", ids=unsent
        )
    )


# --- The broker ------------------------------------------------------------------------------------


@kind("broker stopped and started")
def broker_stopped(scene: Scene) -> None:
    """The broker's application stopped in good order, and started again."""
    scene.house.node.ctl("stop_app")
    scene.lasts(quick=2, full=15)
    scene.house.node.ctl("start_app")


@kind("broker killed")
def broker_killed(scene: Scene) -> None:
    """The broker killed with SIGKILL, and started again."""
    scene.house.node.kill()
    scene.lasts(quick=1, full=10)
    scene.house.node.start()
    scene.house.ward_node()


@kind("broker blocked by its memory alarm")
def broker_blocked(scene: Scene) -> None:
    """The broker takes nothing in, and does not say so to who publishes."""
    scene.house.node.ctl("set_vm_memory_high_watermark", "0.00001")
    scene.lasts(quick=4, full=25)
    scene.house.node.ctl("set_vm_memory_high_watermark", "0.4")


@kind("broker cut off, half open")
def broker_half_open(scene: Scene) -> None:
    """Connections to the broker stand, and carry nothing: for longer than a heartbeat in a full run."""
    _all(scene, "broker", "half_open")
    scene.lasts(quick=4, full=30)
    _all(scene, "broker", "reset")
    _all(scene, "broker", "open")


# --- Who is paged ----------------------------------------------------------------------------------


def _told_of(scene: Scene) -> Dangers:
    if scene.dangers is None:
        raise RuntimeError("nobody tells of dangers here")
    return scene.dangers


@kind("monitoring away for longer than it has to confirm")
def monitoring_away(scene: Scene) -> None:
    """Monitoring stopped until whoever announces a danger pages the fallback address by itself."""
    dangers, began = _told_of(scene), time.time()
    gone = list(scene.house.of("monitoring"))
    for copy in gone:
        scene.house.end(copy)
    try:
        scene.lasts(quick=QUICK_CONFIRM_SECONDS + 4, full=90)
        paged = wait_until(lambda: dangers.fallback_pages("intake", since=began) > 0, seconds=15)
    finally:
        for copy in gone:
            scene.house.start_again(copy)
    if not paged:
        raise RuntimeError("nobody was paged while monitoring was away")
    scene.details["pages_to_the_fallback"] = dangers.fallback_pages("intake", since=began)


@kind("mail server away")
def mail_server_away(scene: Scene) -> None:
    """The mail server takes no connections, with pages that wait for it."""
    dangers = _told_of(scene)
    dangers.mail.stop()
    try:
        scene.lasts(quick=4, full=75)
        waited = wait_until(lambda: dangers.pages_waiting() > 0, seconds=15)
        scene.details["pages_that_waited"] = dangers.pages_waiting()
    finally:
        dangers.mail.start()
    if not waited:
        raise RuntimeError("no page waited for the mail server")


@kind("nobody on duty")
def nobody_on_duty(scene: Scene) -> None:
    """The roster is emptied over HTTP, of whoever else could be paged as well, and filled again."""
    dangers, began = _told_of(scene), time.time()
    dangers.withdraw_duty()
    try:
        # Everybody who can be paged stands in for who has no duty.
        dangers.make_contact(active=False)
        scene.lasts(quick=2, full=20)
        paged = wait_until(lambda: dangers.fallback_pages("monitoring", since=began) > 0, seconds=20)
    finally:
        dangers.make_contact()
        dangers.plan_duty()
    if not paged:
        raise RuntimeError("nobody was paged while nobody had the duty")
    scene.details["pages_to_the_fallback"] = dangers.fallback_pages("monitoring", since=began)


# --- The database ----------------------------------------------------------------------------------


def _all(scene: Scene, what: str, mode: str) -> None:
    for service in SERVICES:
        scene.house.relays.mode(f"{what}-{service}", mode)


@kind("database restarted")
def database_restarted(scene: Scene) -> None:
    """PostgreSQL stopped in good order, and started again."""
    scene.house.server.stop()
    scene.lasts(quick=1, full=8)
    scene.house.start_database()


@kind("database killed")
def database_killed(scene: Scene) -> None:
    """PostgreSQL killed with SIGKILL, and started again."""
    scene.house.server.kill()
    scene.lasts(quick=1, full=8)
    scene.house.start_database()


@kind("database cut off")
def database_cut_off(scene: Scene) -> None:
    """Connections to the database end, and no new one can be made."""
    _all(scene, "database", "cut")
    scene.lasts(quick=3, full=15)
    _all(scene, "database", "open")


@kind("database half open")
def database_half_open(scene: Scene) -> None:
    """Connections to the database stand, and carry nothing."""
    _all(scene, "database", "half_open")
    scene.lasts(quick=4, full=20)
    _all(scene, "database", "reset")
    _all(scene, "database", "open")


@kind("database slow")
def database_slow(scene: Scene) -> None:
    """Every piece to and from the database comes late."""
    _all(scene, "database", "slow")
    scene.lasts(quick=4, full=20)
    _all(scene, "database", "open")


@kind("database connections reset")
def database_reset(scene: Scene) -> None:
    """Connections to the database are reset again and again, in the middle of whatever they carry."""
    for _ in range(4 if scene.quick else 15):
        _all(scene, "database", "reset")
        _all(scene, "database", "open")
        time.sleep(scene.draws.uniform(0.2, 1.0))


# --- Messages --------------------------------------------------------------------------------------


def publish(house: House, messages: list[tuple[str, bytes]]) -> None:
    """Publish straight to the broker, as nobody of the house does, and wait for the confirms."""
    with amqp.Connection(
        host=f"127.0.0.1:{house.node.port}",
        virtual_host=house.vhost,
        connect_timeout=5,
        read_timeout=20,
        write_timeout=20,
        confirm_publish=True,
    ) as connection:
        channel = connection.channel()
        for wire_name, body in messages:
            channel.basic_publish_confirm(
                amqp.Message(body, delivery_mode=2), exchange=topology.EVENTS_EXCHANGE, routing_key=wire_name
            )


def poison_event(scene: Scene, **changes: Any) -> Envelope:
    """Return an event that can be read, and whose reaction in scheduling fails each time."""
    now = datetime.now(UTC)
    told: dict[str, Any] = {
        "patient_id": new_id(),
        "episode_id": new_id(),
        # No database takes it for an id.
        "journey_id": "nowhere",
        "referral_id": new_id(),
        "site_id": scene.load.site_id,
        "referral_source": "1",
        "known_patient": False,
        "received_at": now,
    }
    envelope = Envelope(
        event_id=new_id(),
        event=ReferralReceived(**(told | changes)),
        announced_by="intake",
        tenant_id=scene.house.settings.tenant,
        occurred_at=now,
        recorded_at=now,
        actor=Actor(actor_id="chaos", role="system"),
        correlation_id=new_id(),
    )
    scene.poison.add(envelope.event_id)
    return envelope


@kind("poison")
def poison(scene: Scene) -> None:
    """Bytes that nobody can read, an event whose reaction fails, and one that no archive can keep."""
    unreadable = b"\x00\xff no envelope " + new_id().encode()
    scene.poison.add(hashlib.sha256(unreadable).hexdigest())
    failing = poison_event(scene)
    unarchivable = poison_event(scene, patient_id="nobody")
    scene.poison.add(hashlib.sha256(unarchivable.to_bytes()).hexdigest())
    publish(
        scene.house,
        [
            ("referral_received", unreadable),
            ("referral_received", failing.to_bytes()),
            ("referral_received", unarchivable.to_bytes()),
        ],
    )
    cap = scene.house.settings.parked_after_attempts
    query = "SELECT attempts FROM inbox WHERE state = 'parked' AND event_id = %(id)s"
    found: list[int] = []

    def parked() -> bool:
        found[:] = [
            row[0]
            for poisoned in (failing, unarchivable)
            for row in scene.house.rows("scheduling", query, id=poisoned.event_id)
        ]
        return len(found) == 2

    def arrived() -> bool:
        asked = "SELECT count(*) FROM inbox WHERE event_id = %(id)s"
        return all(
            scene.house.rows("scheduling", asked, id=poisoned.event_id)[0][0]
            for poisoned in (failing, unarchivable)
        )

    # What earlier faults held up comes first.
    began = time.monotonic()
    if not wait_until(arrived, seconds=MOST_BACKLOG_SECONDS):
        raise RuntimeError("the poison did not arrive")
    scene.details["seconds_to_arrive"] = round(time.monotonic() - began, 1)
    began = time.monotonic()
    if not wait_until(parked, seconds=60):
        raise RuntimeError("the poison was not parked")
    scene.details |= {
        "attempts": found,
        "cap": cap,
        "seconds_to_park": round(time.monotonic() - began, 1),
    }
    if set(found) != {cap}:
        raise RuntimeError(f"{found} attempts, the cap is {cap}")


@kind("a reaction that kills its process")
def reaction_that_kills(scene: Scene) -> None:
    """Whoever begins to react to one event is killed in the middle of it, each time."""
    house = scene.house
    journey_id = new_id()
    killer = poison_event(scene, journey_id=journey_id)
    kills = 0
    query = "SELECT count(*) FROM inbox WHERE state = 'parked' AND event_id = %(id)s"
    before = _count(house, "scheduling", "inbox")
    when = f"BEFORE INSERT ON episodes FOR EACH ROW WHEN NEW.journey_id = '{journey_id}'"
    with lingering(house, "scheduling", "episodes", when):
        publish(house, [("referral_received", killer.to_bytes())])
        ends = time.monotonic() + (120 if scene.quick else 240)
        while not house.rows("scheduling", query, id=killer.event_id)[0][0]:
            if time.monotonic() > ends:
                raise RuntimeError(f"not parked after {kills} kills")
            if sleeps(house, "scheduling"):
                (copy,) = house.of("scheduling")[:1]
                house.kill(copy)
                _wake_sleepers(house, "scheduling")
                kills += 1
                house.start_again(copy)
            time.sleep(0.05)
    scene.details |= {"kills": kills, "others_done_meanwhile": _count(house, "scheduling", "inbox") - before}


@kind("a handler slower than the heartbeat")
def slow_handler(scene: Scene) -> None:
    """One reaction takes longer than the broker waits for a sign of life."""
    house = scene.house
    seconds = 2 * heartbeat_seconds(quick=scene.quick) + 3
    # The database gives up a statement after 30 s: shorter than that, longer than two heartbeats.
    journey_id, episode_id = new_id(), new_id()
    slow = poison_event(scene, journey_id=journey_id, episode_id=episode_id)
    when = f"BEFORE INSERT ON episodes FOR EACH ROW WHEN NEW.journey_id = '{journey_id}'"
    with lingering(house, "scheduling", "episodes", when, seconds=seconds):
        publish(house, [("referral_received", slow.to_bytes())])
        done = "SELECT count(*) FROM episodes WHERE episode_id = %(id)s"
        if not wait_until(
            lambda: house.rows("scheduling", done, id=episode_id)[0][0] == 1, seconds=seconds + 60, step=0.5
        ):
            raise RuntimeError("the slow reaction was never done")
    scene.details["handler_seconds"] = seconds


def heartbeat_seconds(*, quick: bool) -> int:
    """Return the heartbeat that the broker of the run asks for."""
    return 5 if quick else 10


@kind("frozen for longer than the heartbeat")
def frozen(scene: Scene) -> None:
    """A process stands still until the broker has given it up, and then goes on where it was."""
    victims = [scene.house.of("monitoring")[0], scene.house.of("intake")[0]]
    for copy in victims:
        copy.process.send_signal(signal.SIGSTOP)
    time.sleep(2 * heartbeat_seconds(quick=scene.quick) + 3)
    for copy in victims:
        copy.process.send_signal(signal.SIGCONT)
    scene.house.wait_until_ready(victims)


@kind("duplicates")
def duplicates(scene: Scene) -> None:
    """Events that were delivered long ago are published again, several times."""
    at_most = 200 if scene.quick else 2000
    published = 0
    for service in BACK:
        rows = scene.house.rows(
            service,
            "SELECT type, body FROM outbox WHERE dispatched_at IS NOT NULL"
            f" ORDER BY random() LIMIT {at_most}",
        )
        again = [(kind_, bytes(body)) for kind_, body in rows] * 2
        scene.draws.shuffle(again)
        publish(scene.house, again)
        published += len(again)
    scene.details["published_again"] = published


@kind("reordering")
def reordering(scene: Scene) -> None:
    """Messages are taken out of the queues and put back in another order."""
    ends = time.monotonic() + (6 if scene.quick else 25)
    moved = [0]
    threads = [
        threading.Thread(target=_shuffle, args=(scene, service, ends, moved), daemon=True)
        for service in SERVICES
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    scene.details["put_back_in_another_order"] = moved[0]


def _shuffle(scene: Scene, service: str, ends: float, moved: list[int]) -> None:
    draws = random.Random(ends)
    with amqp.Connection(
        host=f"127.0.0.1:{scene.house.node.port}",
        virtual_host=scene.house.vhost,
        connect_timeout=5,
        read_timeout=20,
    ) as connection:
        channel = connection.channel()
        channel.basic_qos(0, 50, False)
        taken: list[amqp.Message] = []
        channel.basic_consume(scene.house.queue_of(service), callback=taken.append)
        while time.monotonic() < ends:
            with contextlib.suppress(TimeoutError):
                connection.drain_events(timeout=0.2)
            if len(taken) >= 10:
                draws.shuffle(taken)
                for message in taken:
                    channel.basic_reject(message.delivery_tag, requeue=True)
                moved[0] += len(taken)
                taken.clear()
        # What is still held is put back by hanging up.


def write_waiting_events(scene: Scene, number: int) -> None:
    """Have intake's outbox hold many more events: a decision of its own, over and over, under new ids."""
    correlation_id = new_id()
    scene.load.sent.add(correlation_id)
    scene.house.execute(
        "intake",
        "INSERT INTO outbox (event_id, tenant_id, type, body, announced_at)"
        " SELECT id, tenant_id, type, convert_to(regexp_replace("
        "   replace(convert_from(body, 'UTF8'), event_id::text, id::text),"
        f'   \'"correlationid":"[^"]*"\', \'"correlationid":"{correlation_id}"\'), \'UTF8\'), now()'
        " FROM (SELECT * FROM outbox WHERE type = 'level_of_care_decided' LIMIT 1) one,"
        f" LATERAL (SELECT gen_random_uuid() AS id FROM generate_series(1, {number})) many",
    )


@kind("a backlog of 10,000 events")
def backlog(scene: Scene) -> None:
    """Ten thousand events wait for the broker beside what people do; 2,000 in a quick run."""
    house = scene.house
    number = 2_000 if scene.quick else 10_000
    # One connection for all looks: to open one costs the database more than to send ten events.
    with contextlib.closing(house.connect("intake")) as connection, connection.cursor() as cursor:
        connection.autocommit = True

        def left() -> int:
            cursor.execute("SELECT count(*) FROM outbox WHERE dispatched_at IS NULL")
            ((number,),) = cursor.fetchall()
            return int(number)

        house.node.ctl("stop_app")
        write_waiting_events(scene, number)
        house.node.ctl("start_app")
        returned = time.monotonic()
        if not wait_until(lambda: left() < number, seconds=60, step=0.1):
            raise RuntimeError("nothing is sent")
        scene.details |= {"waiting": number, "seconds_to_first_send": round(time.monotonic() - returned, 2)}
        if not wait_until(lambda: left() < number // 100, seconds=120, step=0.1):
            raise RuntimeError("the backlog is not sent")
        scene.details["seconds_to_drain"] = round(time.monotonic() - returned, 2)


# --- Copies and time -------------------------------------------------------------------------------


@kind("copies join and leave")
def copies_join_and_leave(scene: Scene) -> None:
    """Second and third copies of every service come, and go by SIGTERM or SIGKILL."""
    house = scene.house
    for round_ in range(1 if scene.quick else 2):
        services = scene.draws.sample(BACK, 2) if scene.quick else BACK
        joined = [house.start(service, number=number) for service in services for number in (11, 12)]
        house.wait_until_ready(joined)
        scene.lasts(quick=1, full=6)
        for copy in joined:
            if (copy.number + round_) % 2:
                house.end(copy)
            else:
                house.kill(copy)


@kind("the wall clock jumps")
def wall_clock_jumps(scene: Scene) -> None:
    """The clocks of all but the gateway jump two hours ahead, an hour back, and right again.

    Before each jump somebody is in danger, and nobody takes it: the next tier is asked all the same.
    """
    house = scene.house
    file = house.folder / "shift"
    file.write_text("0")
    shifted = [house.start(service, number=21, shift_file=file) for service in BACK]
    house.wait_until_ready(shifted)
    right = [house.of(service)[0] for service in BACK]
    for copy in right:
        house.end(copy)
    with _left_alone(scene) as people:
        for patient_id, seconds in zip(people, (7200, -3600, 0), strict=True):
            tell_danger(scene.load, patient_id)
            # While the clock is ahead no command is taken: the gateway hears it, and announces it.
            if not wait_until(lambda about=patient_id: bool(_escalations(house, about)), seconds=30):  # type: ignore[misc]
                raise RuntimeError("nobody opened an escalation")
            file.write_text(str(seconds))
            scene.lasts(quick=2, full=8)
            _let_five_minutes_pass(house, patient_id)
            if not wait_until(lambda about=patient_id: any(_escalations(house, about).values()), seconds=30):  # type: ignore[misc]
                raise RuntimeError(f"nobody else was asked after a jump to {seconds} s")
        house.wait_until_ready([house.start(copy.service, number=copy.number) for copy in right])
        for copy in shifted:
            house.end(copy)
        for patient_id in people:
            for escalation_id in _escalations(house, patient_id):
                take_and_close(scene.load, escalation_id)


@contextlib.contextmanager
def _left_alone(scene: Scene) -> Iterator[tuple[str, str, str]]:
    """Return the ids of three people about whom nobody takes anything meanwhile."""
    people = (new_id(), new_id(), new_id())
    left_alone = scene.dangers.left_alone if scene.dangers is not None else set()
    left_alone.update(people)
    try:
        yield people
    finally:
        left_alone.difference_update(people)


def _escalations(house: House, patient_id: str) -> dict[str, int]:
    """Return the escalations about somebody, and how many tiers of each have been asked in vain."""
    query = "SELECT escalation_id::text, tier FROM escalations WHERE patient_id = %(id)s"
    return dict(house.rows("monitoring", query, id=patient_id))


def _let_five_minutes_pass(house: House, patient_id: str) -> None:
    """Have the timers about somebody wait five minutes less, as the database sees it."""
    for escalation_id in _escalations(house, patient_id):
        house.execute(
            "monitoring",
            "UPDATE timers SET latest_at = latest_at - interval '5 minutes'"
            f" WHERE name = 'escalation_not_acknowledged' AND key = '{escalation_id}'",
        )


@kind("rolling restart")
def rolling_restart(scene: Scene) -> None:
    """Every process replaced under load: a fresh copy first, then the old one by SIGTERM."""
    house, load = scene.house, scene.load
    for service in SERVICES:
        house.relays.watch(f"broker-{service}")
    failed = load.failed_requests
    given_up = house.relays.balanced()["given_up"]
    drained: list[tuple[float, str]] = []
    for _ in range(1 if scene.quick else 3):
        for service in BACK:
            for copy in house.of(service):
                fresh = house.start(service, number=copy.number + (100 if copy.number < 100 else -100))
                house.wait_until_ready([fresh])
                drained.append((house.end(copy), service))
        for copy in house.of("gateway"):
            # Its port is its own: the other one serves meanwhile.
            drained.append((house.end(copy), "gateway"))
            house.start_again(copy)
    again = already = 0
    for service in SERVICES:
        found = house.relays.redelivered(f"broker-{service}")
        again += len(found)
        already += _finished_before(house, service, found)
    scene.details |= {
        "processes_restarted": len(drained),
        "failed_requests": load.failed_requests - failed + house.relays.balanced()["given_up"] - given_up,
        "tried_again_by_the_balancer": house.relays.balanced()["tried_again"],
        "longest_drain_seconds": round(max(drained)[0], 2),
        "longest_drain_of": max(drained)[1],
        "redelivered": again,
        "finished_then_redelivered": already,
    }


def _finished_before(house: House, service: str, redelivered: dict[str, list[Delivery]]) -> int:
    """Count the messages that had had their effect before they were delivered once more."""
    table = "archive" if service == "gateway" else "inbox"
    done_at = {
        event_id: float(at)
        for event_id, at in house.rows(
            service,
            f"SELECT event_id::text, extract(epoch FROM min(received_at)) FROM {table}"
            " WHERE event_id = ANY(%(ids)s::uuid[]) GROUP BY event_id",
            ids=list(redelivered),
        )
    }
    return sum(
        finished_before(deliveries, done_at=done_at[event_id])
        for event_id, deliveries in redelivered.items()
        if event_id in done_at
    )


def finished_before(deliveries: list[Delivery], *, done_at: float) -> int:
    """Count the redeliveries of a message whose earlier delivery had had the effect.

    An announcer that does not know whether its message arrived sends another one. That one has no
    effect of its own, whenever it comes, and may be put back and delivered again without having been
    finished: an effect counts for the delivery that came last before it.

    :param deliveries: of one event to one service, in their order, since somebody watches.
    :param done_at: when the event had its effect there, in seconds since 1970.
    """
    counted = 0
    for place, delivery in enumerate(deliveries):
        # What came before anybody watched is taken for the same message.
        earlier = deliveries[place - 1].at if place else 0.0
        if delivery.again and earlier - TOLERANCE_SECONDS <= done_at < delivery.at - TOLERANCE_SECONDS:
            counted += 1
    return counted


def first_start(scene: Scene) -> None:
    """Start a house for the very first time in a random order, with commands before all are there."""
    house = scene.house
    order = [*BACK, "gateway"]
    scene.draws.shuffle(order)
    # Whom the first commands need comes somewhere; who reacts to them comes last.
    order.remove("scheduling")
    order.append("scheduling")
    for service in order[:-1]:
        house.start(service)
    for number in range(2, house.gateways + 1):
        house.start("gateway", number=number)
    house.wait_until_ready()
    scene.load.open_site()
    referred = [scene.load.refer() for _ in range(20 if scene.quick else 200)]
    late = house.start(order[-1])
    house.wait_until_ready([late])
    scene.details |= {"order": order, "acknowledged_before_scheduling_existed": len(referred) + 1}
