"""A backlog is never silent: metrics, readiness and an alarm, once however many copies look."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY

from services.monitoring.service import Monitoring
from shared import clock
from shared.clock import set_timer
from shared.contracts.common import BacklogAlarmCleared, BacklogAlarmRaised
from shared.ids import new_id
from shared.messaging.hosting.host import Host
from shared.messaging.hosting.traffic import Traffic
from shared.messaging.inbox import inbox
from shared.messaging.outbox import outbox
from shared.messaging.oversight import backlog
from tests.support import TENANT, Room

pytestmark = pytest.mark.usefixtures("real_time_stands")


@pytest.fixture
def room(room_of: Callable[[type], Room]) -> Room:
    """Return a room in which time is real."""
    room = room_of(Monitoring)
    room.clock.simulated = False  # a clock that stands is simulated, but for the alarm
    return room


def leave_unsent(room: Room, *, seconds: float, tenant_id: str = TENANT) -> None:
    with room.engine.begin() as connection:
        connection.execute(
            outbox.insert().values(
                event_id=new_id(),
                tenant_id=tenant_id,
                type="session_missed",
                body=b"{}",
                announced_at=clock.real_now() - timedelta(seconds=seconds),
            )
        )


def leave_waiting(room: Room, *, seconds: float) -> None:
    with room.engine.begin() as connection:
        connection.execute(
            inbox.insert().values(
                event_id=new_id(),
                reaction="reach_out",
                tenant_id=TENANT,
                type="session_missed",
                state="waiting",
                received_at=clock.real_now() - timedelta(seconds=seconds),
                attempts=3,
                error="OperationalError",
            )
        )


def send_all(room: Room) -> None:
    with room.engine.begin() as connection:
        connection.execute(outbox.update().values(dispatched_at=clock.real_now()))


def alarms(room: Room) -> list[str]:
    """Return what was told of alarms, in order: "+UNSENT" for one raised, "-UNSENT" for one cleared."""
    with room.engine.connect() as connection:
        told = connection.execute(
            sa.select(outbox.c.type, outbox.c.body)
            .where(outbox.c.type.like("backlog_alarm_%"))
            .order_by(outbox.c.position)
        ).all()
    kind = {"backlog_alarm_raised": "+", "backlog_alarm_cleared": "-"}
    return [kind[row.type] + ("UNSENT" if b'"UNSENT"' in bytes(row.body) else "WAITING") for row in told]


class TestAlarm:
    def test_is_raised_for_what_is_unsent_for_more_than_thirty_seconds(self, room: Room) -> None:
        leave_unsent(room, seconds=29)
        backlog.measure(room.host)
        assert alarms(room) == []

        leave_unsent(room, seconds=31)
        backlog.measure(room.host)

        assert alarms(room) == ["+UNSENT"]

    def test_is_raised_for_a_reaction_that_waits_for_more_than_thirty_seconds(self, room: Room) -> None:
        leave_waiting(room, seconds=31)

        backlog.measure(room.host)

        assert alarms(room) == ["+WAITING"]

    def test_tells_whose_it_is_and_how_old(self, room: Room) -> None:
        leave_unsent(room, seconds=45, tenant_id="riverside")

        backlog.measure(room.host)
        with room.engine.begin() as connection:
            # What only stands for an event cannot be read as one.
            connection.execute(outbox.delete().where(outbox.c.body == b"{}"))

        (envelope,) = room.announced_envelopes
        assert isinstance(envelope.event, BacklogAlarmRaised)
        assert (envelope.tenant_id, envelope.announced_by) == ("riverside", "monitoring")
        assert (envelope.event.service, envelope.event.backlog) == ("monitoring", "UNSENT")
        assert 45 <= envelope.event.age_seconds < 60

    def test_is_raised_once_however_many_copies_look(self, room: Room) -> None:
        leave_unsent(room, seconds=31)
        other_copy = Host(Monitoring(), engine=room.engine, clock=room.clock, settings=room.host.settings)

        for host in (room.host, other_copy, room.host):
            backlog.measure(host)
        # As if both had looked before either wrote.
        backlog._raise_alarm(other_copy, backlog.UNSENT, age=31, tenant_id=TENANT)

        assert alarms(room) == ["+UNSENT"]

    def test_is_cleared_once_and_raised_anew(self, room: Room) -> None:
        leave_unsent(room, seconds=31)
        backlog.measure(room.host)
        send_all(room)
        for _ in range(2):
            backlog.measure(room.host)
        assert alarms(room) == ["+UNSENT", "-UNSENT"]

        leave_unsent(room, seconds=31)
        backlog.measure(room.host)

        assert alarms(room) == ["+UNSENT", "-UNSENT", "+UNSENT"]

    def test_is_cleared_to_whom_it_was_raised(self, room: Room) -> None:
        leave_unsent(room, seconds=31, tenant_id="riverside")
        backlog.measure(room.host)
        send_all(room)
        backlog.measure(room.host)
        with room.engine.begin() as connection:
            connection.execute(outbox.delete().where(outbox.c.body == b"{}"))

        cleared = room.announced_envelopes[-1]
        assert isinstance(cleared.event, BacklogAlarmCleared)
        assert cleared.tenant_id == "riverside"

    def test_is_not_raised_in_simulated_time(self, room: Room) -> None:
        room.clock.simulated = True  # as a test clock usually is
        leave_unsent(room, seconds=31)

        backlog.measure(room.host)

        assert alarms(room) == []


class TestMeasure:
    def test_tells_the_metrics(self, room: Room) -> None:
        leave_unsent(room, seconds=20)
        leave_waiting(room, seconds=10)

        backlog.measure(room.host)

        labels = {"service": "monitoring"}
        assert 20 <= (REGISTRY.get_sample_value("homeward_oldest_unsent_seconds", labels) or 0) < 30
        assert 10 <= (REGISTRY.get_sample_value("homeward_oldest_waiting_seconds", labels) or 0) < 20

    @pytest.mark.parametrize(("due_for", "told"), [(timedelta(minutes=5), 300), (timedelta(minutes=-5), 0)])
    def test_tells_how_long_the_first_timer_has_been_due(
        self, room: Room, due_for: timedelta, told: int
    ) -> None:
        with room.db() as db:
            set_timer(db, "escalation_not_acknowledged", key="first", due_at=room.now - due_for)
            set_timer(db, "escalation_not_acknowledged", key="next", due_at=room.now - due_for / 2)

        backlog.measure(room.host)

        labels = {"service": "monitoring"}
        assert REGISTRY.get_sample_value("homeward_oldest_due_timer_seconds", labels) == told

    def test_tells_readiness(self, room: Room) -> None:
        traffic = Traffic()
        traffic.host, traffic.consumers = room.host, []
        leave_unsent(room, seconds=31)
        backlog.measure(room.host)
        (because,) = traffic.not_ready_because()
        assert because.startswith("events are unsent for 3")

        send_all(room)
        backlog.measure(room.host)

        assert traffic.not_ready_because() == ()

    def test_warns_of_a_reaction_that_waits_and_leaves_the_service_in_rotation(self, room: Room) -> None:
        traffic = Traffic()
        traffic.host, traffic.consumers = room.host, []
        leave_waiting(room, seconds=29)
        backlog.measure(room.host)
        assert traffic.warnings() == ()

        leave_waiting(room, seconds=31)
        backlog.measure(room.host)

        (warning,) = traffic.warnings()
        assert warning.startswith("a reaction waits for 3")
        assert traffic.not_ready_because() == ()
