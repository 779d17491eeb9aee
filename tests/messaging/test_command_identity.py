"""One id, one effect: what a command's id is taken with is its first statement, whatever that is."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from homeward.postgres import PrivatePostgres
from shared import audit
from shared.database import new_engine
from shared.errors import Conflict, Refusal
from shared.ids import new_id
from shared.messaging import Call, command, commands
from tests.messaging import ferry
from tests.messaging.ferry import Cross, Ferry, FerryIsFull, crossings
from tests.support import Room, settings_for_tests, waits_for_a_lock


class Pier(Ferry):
    """Carries across in every way in which a method may ask the database, or not."""

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()
        #: What the first to get there does before it goes on.
        self.on_board: Callable[[], None] = lambda: None
        self.refuses = False

    def _embark(self) -> None:
        pause, self.on_board = self.on_board, lambda: None
        pause()

    @command(Cross)
    def cross_with_a_pause(self, db: Session, call: Call) -> dict[str, Any]:
        """Write first, then take a while."""
        self._write(db, call.data["what"], new_id())
        self._embark()
        if call.data["fail"] and not self.runs["failed"]:
            self.runs["failed"] += 1
            raise FerryIsFull
        return {"crossed": call.data["what"]}

    @command(Cross)
    def meet_an_accident(self, db: Session, call: Call) -> dict[str, Any]:
        """Be broken off, the first time, when all is written."""
        self._write(db, call.data["what"], new_id())
        if not self.runs["accidents"]:
            self.runs["accidents"] += 1
            db.execute(sa.text("SELECT 1 / 0"))
        return {"crossed": call.data["what"]}

    @command(Cross)
    def say_nothing(self, db: Session, call: Call) -> dict[str, Any]:
        """Ask nothing of the database; be refused where the ferry refuses just now."""
        self.runs["said nothing"] += 1
        if self.refuses:
            raise FerryIsFull
        return {"run": self.runs["said nothing"]}

    @command(Cross)
    def cross_in_a_savepoint(self, db: Session, call: Call) -> dict[str, Any]:
        """Open a savepoint before anything else."""
        with db.begin_nested():
            self._write(db, call.data["what"], new_id())
        return {"crossed": call.data["what"]}

    @command(Cross)
    def cross_unless_somebody_did(self, db: Session, call: Call) -> dict[str, Any]:
        """Take a broken promise of the table's for an answer, whatever promise that is."""
        try:
            with db.begin_nested():
                self._write(db, call.data["what"])
        except sa.exc.IntegrityError:
            return {"crossed": None}
        return {"crossed": call.data["what"]}

    @command(Cross)
    def carry_on_regardless(self, db: Session, call: Call) -> dict[str, Any]:
        """Go on whatever happens."""
        for _ in range(2):
            try:
                with db.begin_nested():
                    self._write(db, call.data["what"], new_id())
            except Exception:  # noqa: BLE001  # what this is about
                pass
        return {"crossed": call.data["what"]}


@pytest.fixture
def room(postgres_server: PrivatePostgres) -> Iterator[Room]:
    name = f"pier_{new_id().replace('-', '')}"
    postgres_server.create_databases([name])
    engine = new_engine(postgres_server.url_of(name))
    ferry.metadata.create_all(engine)
    room = Room(Pier, engine=engine, settings=settings_for_tests())
    yield room
    room.close()


def crossed(room: Room) -> list[str]:
    with room.engine.connect() as connection:
        return sorted(connection.scalars(sa.select(crossings.c.what)))


def carried_out(room: Room) -> int:
    """Return how many commands were, as their identities and the audit tell alike."""
    with room.engine.connect() as connection:
        ids, recorded = (
            connection.scalar(sa.select(sa.func.count()).select_from(table))
            for table in (commands.commands, audit.audit)
        )
    assert ids == recorded
    return int(ids or 0)


class Twice:
    """Two copies of one command, of which the second comes while the first is being carried out."""

    def __init__(self, room: Room, name: str, **data: Any) -> None:
        self._room, self._name, self._data = room, name, {"what": "goat", **data}
        self._command_id = new_id()
        self._begun, self._let_go = threading.Event(), threading.Event()
        room.host.service.on_board = self._stop

    def _stop(self) -> None:
        self._begun.set()
        assert self._let_go.wait(30)

    def _call(self) -> Any:
        try:
            return self._room.call(self._name, self._data, command_id=self._command_id)
        except Refusal as refusal:
            return refusal.code
        except AssertionError:
            return "accident"

    def answers(self, *, let_go: bool = True) -> tuple[Any, Any]:
        """Return both answers.

        :param let_go: whether the first goes on while the second waits, not only after it gave up.
        """
        with ThreadPoolExecutor(2) as pool:
            first: Future[Any] = pool.submit(self._call)
            assert self._begun.wait(30)
            second = pool.submit(self._call)
            if let_go:
                assert waits_for_a_lock(self._room.engine)
            else:
                second.result(30)
            self._let_go.set()
            return first.result(30), second.result(30)


class TestOfTwoAtOnce:
    def test_the_second_waits_for_the_first_and_gets_its_answer(self, room: Room) -> None:
        answers = Twice(room, "cross_with_a_pause").answers()

        assert answers == ({"crossed": "goat"}, {"crossed": "goat"})
        assert (crossed(room), carried_out(room)) == (["goat"], 1)

    def test_the_second_is_told_that_the_first_takes_long(self, room: Room) -> None:
        answers = Twice(room, "cross_with_a_pause").answers(let_go=False)

        assert answers == ({"crossed": "goat"}, "still_running")
        assert (crossed(room), carried_out(room)) == (["goat"], 1)

    def test_the_second_is_carried_out_where_the_first_is_refused(self, room: Room) -> None:
        answers = Twice(room, "cross_with_a_pause", fail=True).answers()

        assert answers == ("ferry_is_full", {"crossed": "goat"})
        assert (crossed(room), carried_out(room)) == (["goat"], 1)

    def test_another_request_under_the_id_waits_and_is_refused(self, room: Room) -> None:
        command_id = new_id()
        room.call("cross_with_a_pause", {"what": "goat"}, command_id=command_id)

        for name, what in (("cross_with_a_pause", "wolf"), ("cross_in_a_savepoint", "goat")):
            with pytest.raises(Conflict) as refused:
                room.call(name, {"what": what}, command_id=command_id)
            assert refused.value.code == "command_id_reused"

        assert (crossed(room), carried_out(room)) == (["goat"], 1)


#: Ways to cross that have an effect each time that they are carried out.
WAYS = ("cross_with_a_pause", "cross_in_a_savepoint", "cross_unless_somebody_did", "carry_on_regardless")


class TestComingAgain:
    @pytest.mark.parametrize("way", [*WAYS, "say_nothing"])
    def test_gets_the_first_answer_and_has_no_second_effect(self, room: Room, way: str) -> None:
        command_id = new_id()

        first = room.call(way, {"what": "goat"}, command_id=command_id)
        before = crossed(room)
        again = room.call(way, {"what": "goat"}, command_id=command_id)

        assert again == first
        assert (crossed(room), carried_out(room)) == (before, 1)

    @pytest.mark.parametrize("way", [*WAYS, "say_nothing"])
    def test_by_twenty_at_once_has_one_effect(self, room: Room, way: str) -> None:
        command_id = new_id()

        def ask(_: int) -> str:
            try:
                return str(room.call(way, {"what": "goat"}, command_id=command_id))
            except Refusal as refusal:
                return str(refusal.status)

        with ThreadPoolExecutor(20) as pool:
            answers = set(pool.map(ask, range(20))) - {"409", "503"}

        assert len(answers) == 1
        assert carried_out(room) == 1
        assert len(crossed(room)) <= (2 if way == "carry_on_regardless" else 1)

    def test_is_carried_out_where_the_first_met_an_accident(self, room: Room) -> None:
        command_id = new_id()

        with pytest.raises(AssertionError, match="accident"):
            room.call("meet_an_accident", {"what": "goat"}, command_id=command_id)
        again = room.call("meet_an_accident", {"what": "goat"}, command_id=command_id)

        assert again == {"crossed": "goat"}
        assert (crossed(room), carried_out(room)) == (["goat"], 1)

    def test_is_told_the_first_answer_where_it_would_be_refused_by_now(self, room: Room) -> None:
        command_id = new_id()
        first = room.call("say_nothing", {"what": "goat"}, command_id=command_id)
        room.host.service.refuses = True

        again = room.call("say_nothing", {"what": "goat"}, command_id=command_id)

        assert again == first
        with pytest.raises(Conflict) as reused:
            room.call("say_nothing", {"what": "wolf"}, command_id=command_id)
        assert reused.value.code == "command_id_reused"
        with pytest.raises(Conflict) as refused:
            room.call("say_nothing", {"what": "goat"}, command_id=new_id())
        assert refused.value.code == "ferry_is_full"
        assert carried_out(room) == 1

    def test_to_long_work_is_told_where_to_ask_for_it(self, room: Room) -> None:
        command_id = new_id()

        first = room.call("cross_slowly", {"what": "goat"}, command_id=command_id)
        again = room.call("cross_slowly", {"what": "goat"}, command_id=command_id)
        room.run_jobs()

        assert again["accepted"] == first["accepted"]
        assert crossed(room) == ["goat"]

    def test_of_another_tenant_is_another_command_whatever_its_name(self, room: Room) -> None:
        command_id = new_id()

        for tenant in ("lakeside", "100 % sober", "%(name)s", "it's"):
            room.call("cross_with_a_pause", {"what": tenant}, command_id=command_id, tenant_id=tenant)

        assert carried_out(room) == 4


def test_a_promise_of_the_methods_own_is_not_taken_for_the_ids(room: Room) -> None:
    """What a method catches is what it asked for, and is not taken for a command that came again."""
    first = room.call("cross_unless_somebody_did", {"what": "goat"})
    another = room.call("cross_unless_somebody_did", {"what": "goat"})

    assert (first, another) == ({"crossed": "goat"}, {"crossed": None})
    assert (crossed(room), carried_out(room)) == (["goat"], 2)
