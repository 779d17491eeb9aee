"""How often the program clock asks whether anything is going on, and where a jump stops."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import eventlet
import orjson
import pytest

from gateway import program_clock
from shared.clock import SimulatedClock
from shared.contracts.event import SERVICES, Actor, write_moment
from shared.database import new_engine
from shared.ids import new_id
from shared.messaging import CommandClient
from shared.messaging.hosting.traffic import STILLNESS, Wiring
from tests.support import BEGINNING, settings_for_tests

#: Every service is asked once whether anything goes on.
ONE_LOOK = len(SERVICES)


class QuietServices:
    """A broker behind which nothing goes on; counts what is asked."""

    confirms_effects = False

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        #: Who was asked, in order.
        self.order: list[str] = []
        self.next_due_at: datetime | None = None
        #: Whose that is.
        self.next_due_in = SERVICES[0]

    def ask(self, service: str, body: bytes, *, deadline: datetime) -> bytes:
        self.asked[orjson.loads(body)["name"]] += 1
        self.order.append(service)
        nothing: dict[str, Any] = dict.fromkeys(("unsent", "waiting", "jobs"), 0) | {"timers_due": False}
        due = self.next_due_at if service == self.next_due_in else None
        return orjson.dumps(
            {"done": nothing | {"announced": {}, "taken": {}, "next_due_at": due and write_moment(due)}}
        )


@pytest.fixture
def client(database_of: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandClient]:
    # However busy the machine is.
    monkeypatch.setattr(program_clock, "QUIET_LASTS_SECONDS", 3600.0)
    engine = new_engine(database_of("gateway"))
    clock = SimulatedClock(engine)
    clock.start_at(BEGINNING)
    wiring = Wiring(settings=settings_for_tests(), broker=QuietServices(), clock=clock)
    wiring.engines["gateway"] = engine
    client = CommandClient()
    client.container = SimpleNamespace(config={"homeward": wiring})
    yield client
    engine.dispose()


def looks_for(client: CommandClient, *, until: timedelta) -> int:
    """Jump, and return how many services were asked whether anything goes on."""
    asked = client.wiring.broker.asked
    before = asked[STILLNESS]
    program_clock.jump_clock(client, no_later_than=BEGINNING + until)
    return int(asked[STILLNESS] - before)


class TestJumps:
    def test_that_follow_each_other_look_once_between(self, client: CommandClient) -> None:
        assert looks_for(client, until=timedelta(hours=1)) == 2 * ONE_LOOK

        assert looks_for(client, until=timedelta(hours=2)) == ONE_LOOK

    def test_ask_first_whoever_has_something_due(self, client: CommandClient) -> None:
        broker = client.wiring.broker
        broker.next_due_at, broker.next_due_in = BEGINNING + timedelta(hours=1), "monitoring"

        looks_for(client, until=timedelta(hours=9))

        assert broker.order[ONE_LOOK] == "monitoring"

    def test_stop_at_what_was_due_when_the_last_one_ended(self, client: CommandClient) -> None:
        client.wiring.broker.next_due_at = BEGINNING + timedelta(hours=3)
        looks_for(client, until=timedelta(hours=1))

        looks_for(client, until=timedelta(hours=9))

        assert client.wiring.clock.now() == BEGINNING + timedelta(hours=3)

    def test_look_again_when_somebody_has_asked_for_something(self, client: CommandClient) -> None:
        looks_for(client, until=timedelta(hours=1))
        who = Actor(actor_id="ana", role="clinician")
        client.send(
            "intake", "get_site", {}, tenant_id="t", actor=who, command_id=new_id(), correlation_id=new_id()
        )

        assert looks_for(client, until=timedelta(hours=2)) == 2 * ONE_LOOK

    def test_look_again_after_a_while(self, client: CommandClient, monkeypatch: pytest.MonkeyPatch) -> None:
        looks_for(client, until=timedelta(hours=1))
        monkeypatch.setattr(program_clock, "QUIET_LASTS_SECONDS", 0.0)

        assert looks_for(client, until=timedelta(hours=2)) == 2 * ONE_LOOK

    def test_to_no_later_than_now_wait_for_quiet_all_the_same(self, client: CommandClient) -> None:
        looks_for(client, until=timedelta(hours=1))

        assert looks_for(client, until=timedelta(hours=1)) == ONE_LOOK


class TestStops:
    """Where all services are in this process, so that it is known what they announce."""

    @pytest.fixture
    def due(self, client: CommandClient, monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
        """Have something due at some moments; what is due in the third hour announces an event."""
        moments = [BEGINNING + timedelta(hours=hour) for hour in (1, 2, 3, 4)]
        sending = SimpleNamespace(doubts=1)
        host = SimpleNamespace(
            announced=0, sending=sending, is_working=lambda: False, transactions_ended=0, times_asked=0
        )
        client.wiring.hosts["intake"] = host
        client.wiring.broker.confirms_effects, client.wiring.broker.carrying = True, 0

        def look(client: CommandClient, *, first: str) -> program_clock.Stillness:
            now = client.wiring.clock.now()
            host.announced = int(now >= moments[2])
            left = [moment for moment in moments if moment > now]
            return program_clock.Stillness(busy=None, next_due_at=min(left, default=None))

        monkeypatch.setattr(program_clock, "_look", look)
        return moments

    def test_are_where_something_was_announced(self, client: CommandClient, due: list[datetime]) -> None:
        answer = program_clock.jump_clock(client, no_later_than=BEGINNING + timedelta(hours=9))

        assert answer["now"] == write_moment(due[2])

    def test_are_no_later_than_asked(self, client: CommandClient, due: list[datetime]) -> None:
        wanted = BEGINNING + timedelta(hours=2, minutes=30)

        answer = program_clock.jump_clock(client, no_later_than=wanted)

        assert answer["now"] == write_moment(wanted)

    def test_tell_whether_there_is_news(self, client: CommandClient, due: list[datetime]) -> None:
        feeds = [
            program_clock.jump_clock(client, no_later_than=BEGINNING + timedelta(hours=hours))["feed"]
            for hours in (1, 2, 9, 9)
        ]

        assert feeds[0] == feeds[1] != feeds[2]
        assert feeds[2] == feeds[3]

    def test_are_looked_at_once_where_no_database_was_asked(
        self, client: CommandClient, due: list[datetime], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        look, host = program_clock._look, client.wiring.hosts["intake"]
        looks: Counter[str] = Counter()

        def look_and_ask(client: CommandClient, *, first: str, asks: int) -> program_clock.Stillness:
            looks["asking" if asks else "at once"] += 1
            host.times_asked += asks
            return look(client, first=first)

        for asks in (0, 1):
            monkeypatch.setattr(program_clock, "_look", partial(look_and_ask, asks=asks))
            program_clock.jump_clock(client, no_later_than=client.wiring.clock.now())

        assert looks == {"at once": 1, "asking": 2}

    def test_are_gone_on_from_as_soon_as_what_was_done_there_has_ended(
        self, client: CommandClient, due: list[datetime], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # A wait that nothing ends does not end within this test.
        monkeypatch.setattr(program_clock, "LONGEST_PAUSE_SECONDS", 3600.0)
        working = [True]
        client.wiring.hosts["intake"].is_working = lambda: working[0]

        def end() -> None:
            working[0] = False
            client.wiring.ends.tell()

        eventlet.spawn_after(0.01, end)
        with eventlet.Timeout(30):
            answer = program_clock.jump_clock(client, no_later_than=due[0])

        assert answer["now"] == write_moment(due[0])

    def test_are_many_at_most(
        self, client: CommandClient, due: list[datetime], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(program_clock, "MOST_STOPS", 2)

        answer = program_clock.jump_clock(client, no_later_than=BEGINNING + timedelta(hours=9))

        assert answer["now"] == write_moment(due[1])
