"""What frames a transaction travels with its statements, and means what it always meant."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from psycopg2 import extensions
from sqlalchemy.orm import Session, registry

from shared import database
from shared.database import (
    Condition,
    ConditionBroken,
    Kept,
    by_kept_plan,
    commit_with_next,
    go_on_if,
    lost_a_lock,
    new_engine,
    send_what_waits,
    send_with_commit,
    send_with_next,
    transaction,
    without_transactions,
)
from shared.ids import new_id

_NOTES = sa.Table(
    "notes", sa.MetaData(), sa.Column("note", sa.Integer, primary_key=True), sa.Column("text", sa.String)
)


@dataclass
class _Note:
    note: int
    text: str


registry(metadata=_NOTES.metadata).map_imperatively(_Note, _NOTES)


@pytest.fixture
def engine(database_of: Callable[[str], str]) -> Iterator[sa.Engine]:
    engine = new_engine(database_of("intake"))
    with engine.begin() as connection:
        _NOTES.create(connection)
    yield engine
    with engine.begin() as connection:
        _NOTES.drop(connection)
    engine.dispose()


def notes_in(engine: sa.Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(_NOTES.c.note).order_by(_NOTES.c.note)))


def write(connection: sa.Connection, *numbers: int) -> None:
    for number in numbers:
        connection.execute(_NOTES.insert().values(note=number, text="100 % of it"))


def is_idle(connection: sa.Connection) -> bool:
    driver = connection.connection.driver_connection
    return driver is not None and (driver.get_transaction_status() == extensions.TRANSACTION_STATUS_IDLE)


class TestATransaction:
    def test_is_one_whatever_frames_it(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            write(connection, 1, 2)
            assert notes_in(engine) == [], "nothing is seen before the commit"
            connection.commit()
            assert notes_in(engine) == [1, 2]
            write(connection, 3)
            connection.rollback()
        assert notes_in(engine) == [1, 2]

    def test_begins_only_with_its_first_statement(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            assert is_idle(connection)
            write(connection, 1)
            assert not is_idle(connection)
        assert notes_in(engine) == [1]

    def test_that_fails_at_once_leaves_the_connection_as_it_was(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            for wrong in ("SELECT nothing_of_the_kind", "SELEC 1"):
                with pytest.raises(sa.exc.ProgrammingError):
                    connection.execute(sa.text(wrong))
                connection.rollback()
                assert is_idle(connection)
            write(connection, 1)
            connection.commit()
        assert notes_in(engine) == [1]

    def test_holds_many_sets_of_values_too(self, engine: sa.Engine) -> None:
        many = [{"note": number, "text": "one of many"} for number in range(5)]
        change = _NOTES.update().where(_NOTES.c.note == sa.bindparam("which")).values(text="changed")
        with engine.begin() as connection:
            connection.execute(_NOTES.insert(), many)
        with engine.connect() as connection:
            connection.execute(change, [{"which": number} for number in range(5)])
            assert not is_idle(connection)
            connection.rollback()
        with engine.connect() as connection:
            assert set(connection.scalars(sa.select(_NOTES.c.text))) == {"one of many"}

    def test_that_is_none_leaves_each_statement_to_itself(self, engine: sa.Engine) -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            write(connection, 1)
            assert is_idle(connection)
        with engine.connect() as connection:
            write(connection, 2)
            connection.rollback()
        assert notes_in(engine) == [1], "the same connection has transactions again"

    def test_that_is_none_is_none_until_the_connection_is_given_back(self, engine: sa.Engine) -> None:
        with without_transactions(engine) as connection:
            write(connection, 1)
            assert is_idle(connection)
            with pytest.raises(sa.exc.ProgrammingError):
                connection.execute(sa.text("SELECT nothing_of_the_kind"))
            write(connection, 2)
            assert notes_in(engine) == [1, 2]
        with engine.connect() as connection:
            write(connection, 3)
            assert not is_idle(connection)
            connection.rollback()
        assert notes_in(engine) == [1, 2], "the same connection has transactions again"

    def test_that_only_reads_begins_none_and_may_leave_nothing(self, engine: sa.Engine) -> None:
        with transaction(engine, None, reads_only=True) as db:
            assert db.scalar(sa.select(sa.func.count()).select_from(_NOTES)) == 0
            assert is_idle(db.connection())
        with (
            pytest.raises(RuntimeError, match="opened to read"),
            transaction(engine, None, reads_only=True) as db,
        ):
            db.info["audit"] = [{"action": "look"}]
        with engine.connect() as connection:
            write(connection, 1)
            assert not is_idle(connection)

    def test_of_another_kind_is_refused(self, engine: sa.Engine) -> None:
        with pytest.raises(ValueError, match="READ COMMITTED"):
            engine.connect().execution_options(isolation_level="SERIALIZABLE")


class TestAQuestionThatComesAgain:
    _ASKED = sa.text("SELECT note, text FROM notes WHERE note >= :least ORDER BY note")

    def ask(self, engine: sa.Engine, question: sa.TextClause = _ASKED, **values: object) -> list[object]:
        with without_transactions(engine) as connection:
            return [tuple(row) for row in connection.execute(question, values)]

    def plans_kept(self, engine: sa.Engine) -> int:
        with without_transactions(engine) as connection:
            return connection.exec_driver_sql("SELECT count(*) FROM pg_prepared_statements").scalar_one()

    def test_is_planned_once_and_answered_the_same(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            write(connection, 1, 2)
        answers = [self.ask(engine, least=2) for _ in range(10)]
        assert answers == [[(2, "100 % of it")]] * 10
        assert self.ask(engine, least=3) == []
        assert self.plans_kept(engine) == 1

    def test_is_planned_though_a_value_is_told_of_which_nothing_is_made(self, engine: sa.Engine) -> None:
        # As the narrowing to a tenant may leave one.
        question, values = "SELECT %(first)s + 1", {"%(7 tenant_id)s": "demo", "first": 1}
        with without_transactions(engine) as connection:
            cursor = connection.connection.cursor()
            for _ in range(5):
                cursor.execute(question, values)
                assert cursor.fetchone() == (2,)
        assert self.plans_kept(engine) == 1

    def test_that_is_several_is_carried_out_whole(self, engine: sa.Engine) -> None:
        several = sa.text("SELECT set_config('homeward.asked', :turn, false); SELECT count(*) FROM notes")
        with without_transactions(engine) as connection:
            for turn in "123456":
                assert connection.execute(several, {"turn": turn}).scalar_one() == 0
                asked = connection.exec_driver_sql("SELECT current_setting('homeward.asked')").scalar_one()
                assert asked == turn

    def test_is_planned_anew_after_a_while(self, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        for _ in range(5):
            self.ask(engine, least=1)
        monkeypatch.setattr(database, "PLAN_KEPT_FOR_SECONDS", -1.0)
        assert self.ask(engine, least=1) == []
        monkeypatch.undo()
        for _ in range(5):
            assert self.ask(engine, least=1) == []
        assert self.plans_kept(engine) == 1

    def test_is_answered_though_its_table_was_changed(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            write(connection, 1)
        for _ in range(5):
            self.ask(engine, least=1)
        with engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE notes ALTER note TYPE bigint"))
        assert [self.ask(engine, least=1) for _ in range(5)] == [[(1, "100 % of it")]] * 5

    @pytest.mark.parametrize(
        ("question", "values", "answer"),
        [
            ("SELECT CAST(:this AS uuid[]) = CAST(:this AS uuid[])", {"this": [new_id()]}, True),
            ("SELECT :this IS NULL", {"this": None}, True),
            ("SELECT '100 %' LIKE '%0 %'", {}, True),
            ("SELECT :one + 1", {"one": 1}, 2),
        ],
    )
    def test_is_answered_whatever_it_is_asked_with(
        self, engine: sa.Engine, question: str, values: dict[str, object], answer: object
    ) -> None:
        assert [self.ask(engine, sa.text(question), **values) for _ in range(6)] == [[(answer,)]] * 6

    def test_that_is_wrong_is_told_what_is_wrong_each_time(self, engine: sa.Engine) -> None:
        for _ in range(6):
            with pytest.raises(sa.exc.DataError, match="division by zero"):
                self.ask(engine, sa.text("SELECT 1 / :none"), none=0)
            with pytest.raises(sa.exc.ProgrammingError, match="nothing_of_the_kind"):
                self.ask(engine, sa.text("SELECT nothing_of_the_kind"))


class TestSavepoints:
    def test_take_back_what_came_after_them(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            write(connection, 1)
            with pytest.raises(sa.exc.IntegrityError), connection.begin_nested():
                write(connection, 2, 1)
            write(connection, 3)
        assert notes_in(engine) == [1, 3]

    def test_that_come_first_begin_the_transaction(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            with pytest.raises(sa.exc.ProgrammingError), connection.begin_nested():
                connection.execute(sa.text("SELECT nothing_of_the_kind"))
            with connection.begin_nested():
                write(connection, 1)
            assert notes_in(engine) == []
        assert notes_in(engine) == [1]

    def test_that_nothing_came_after_are_given_up_without_a_trace(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            write(connection, 1)
            outer = connection.begin_nested()
            with pytest.raises(RuntimeError), connection.begin_nested():
                raise RuntimeError
            outer.rollback()
            write(connection, 2)
        assert notes_in(engine) == [1, 2]

    def test_within_savepoints_keep_apart(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            outer = connection.begin_nested()
            with connection.begin_nested():
                write(connection, 1)
            outer.rollback()
            with connection.begin_nested():
                write(connection, 2)
                inner = connection.begin_nested()
                write(connection, 3)
                inner.rollback()
            # Only to be released, with nothing after: the commit must not mind.
        assert notes_in(engine) == [2]

    def test_that_are_gone_back_to_forget_what_was_to_come_in_them(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            write(connection, 1)
            savepoint = connection.begin_nested()
            write(connection, 2)
            send_with_next(connection, "SELECT nothing_of_the_kind")
            savepoint.rollback()
            write(connection, 3)
        assert notes_in(engine) == [1, 3]


class TestTheLastStatement:
    def test_commits_on_its_way(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            write(connection, 1)
            commit_with_next(connection)
            write(connection, 2)
            assert is_idle(connection)
            assert notes_in(engine) == [1, 2]
        assert notes_in(engine) == [1, 2]

    def test_that_is_all_there_is_needs_no_frame_and_leaves_nothing_to_roll_back(
        self, engine: sa.Engine
    ) -> None:
        with engine.connect() as connection:
            send_with_next(connection, "INSERT INTO notes (note) VALUES (1)")
            commit_with_next(connection)
            with pytest.raises(sa.exc.DataError):
                connection.execute(sa.text("SELECT 1 / 0"))
            assert is_idle(connection)
            connection.rollback()
            assert notes_in(engine) == [], "it was one transaction"
            connection.begin()
            send_with_next(connection, "SET LOCAL lock_timeout = '7s'")
            send_with_next(connection, "INSERT INTO notes VALUES (1, current_setting('lock_timeout'))")
            connection.commit()
            setting = connection.exec_driver_sql("SHOW lock_timeout").scalar_one()
            assert (connection.scalar(sa.select(_NOTES.c.text)), setting) == ("7s", "1500ms")
            assert connection.connection.driver_connection.notices == []

    def test_that_comes_after_a_savepoint_commits_what_was_framed(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            connection.begin()
            savepoint = connection.begin_nested()
            send_with_next(connection, "INSERT INTO notes (note) VALUES (1)")
            savepoint.rollback()
            with connection.begin_nested():
                send_with_next(connection, "INSERT INTO notes (note) VALUES (2)")
            connection.commit()
            assert is_idle(connection)
        assert notes_in(engine) == [2]

    def test_that_fails_commits_nothing(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            write(connection, 1)
            commit_with_next(connection)
            with pytest.raises(sa.exc.IntegrityError):
                write(connection, 1)
            connection.rollback()
            write(connection, 2)
            connection.rollback()
        assert notes_in(engine) == [], "and the next transaction is ended by nobody else"

    def test_is_forgotten_when_the_transaction_is_given_up(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            write(connection, 1)
            commit_with_next(connection)
            connection.rollback()
            write(connection, 2)
            connection.rollback()
        assert notes_in(engine) == []

    def test_may_find_the_database_gone(self, engine: sa.Engine) -> None:
        with engine.connect() as ours, engine.connect() as killer:
            write(ours, 1)
            commit_with_next(ours)
            pid = ours.connection.driver_connection.info.backend_pid
            killer.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            with pytest.raises(sa.exc.DBAPIError) as caught:
                write(ours, 2)
            assert caught.value.connection_invalidated
            ours.rollback()
            write(ours, 3)
            ours.commit()
        assert notes_in(engine) == [3]


class TestConnections:
    def test_are_kept_where_so_many_were_needed_once(self, engine: sa.Engine) -> None:
        opened: list[object] = []
        sa.event.listen(engine, "connect", lambda driver, record: opened.append(driver))

        for _ in range(3):
            with contextlib.ExitStack() as held:
                for _ in range(10):
                    held.enter_context(engine.connect())

        assert len(opened) <= 10

    def test_read_ids_as_the_texts_that_they_are_in_the_program(self, engine: sa.Engine) -> None:
        one, other = new_id(), new_id()
        query = sa.text("SELECT CAST(:one AS uuid), CAST(:both AS uuid[]), CAST(NULL AS uuid)")

        with engine.connect() as connection:
            row = connection.execute(query, {"one": one, "both": [one, other]}).one()

        assert tuple(row) == (one, [one, other], None)


class TestAStatementThatGoesWithTheNext:
    def test_may_hold_what_looks_like_a_place_to_be_filled(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            send_with_next(
                connection, "INSERT INTO notes (note, text) VALUES (7, %(text)s)", {"text": "100 %(of)s % it"}
            )
            write(connection, 8)
        with engine.connect() as connection:
            texts = connection.scalars(sa.select(_NOTES.c.text).order_by(_NOTES.c.note))
            assert list(texts) == ["100 %(of)s % it", "100 % of it"]

    def test_may_be_rows_that_nothing_is_read_of(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            with database._writes_put_off(connection):
                write(connection, 1)
                connection.execute(_NOTES.insert(), [{"note": number, "text": "%s"} for number in (2, 3)])
                assert is_idle(connection), "nothing was sent"
                read = connection.scalar(_NOTES.insert().returning(_NOTES.c.note).values(note=4, text=""))
            assert (read, notes_in(engine)) == (4, [])
            commit_with_next(connection)
            write(connection, 5)
        assert notes_in(engine) == [1, 2, 3, 4, 5]

    def test_fails_the_next_where_a_row_breaks_a_rule(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            with database._writes_put_off(connection):
                write(connection, 1, 1)
            with pytest.raises(sa.exc.IntegrityError):
                connection.execute(sa.text("SELECT 1"))
            connection.rollback()
        assert notes_in(engine) == []

    def test_is_sent_where_it_is_to_wait_no_longer(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            send_with_next(connection, "INSERT INTO notes VALUES (1)")
            send_what_waits(connection)
            send_with_next(connection, "INSERT INTO notes VALUES (1)")
            with pytest.raises(sa.exc.IntegrityError):
                send_what_waits(connection)
            connection.rollback()

    def test_goes_with_the_commit_where_none_follows(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            send_with_next(connection, "INSERT INTO notes (note, text) VALUES (1, 'all there is')")
            assert is_idle(connection)
        assert notes_in(engine) == [1]
        with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
            send_with_next(connection, "INSERT INTO notes (note, text) VALUES (1, 'there is one')")
        with engine.connect() as connection:
            connection.begin()
            send_with_next(connection, "INSERT INTO notes (note, text) VALUES (2, 'given up')")
            connection.rollback()
            write(connection, 3)
            connection.commit()
        assert notes_in(engine) == [1, 3]

    def test_that_fails_with_the_commit_leaves_the_connection_without_a_transaction(
        self, engine: sa.Engine
    ) -> None:
        with engine.connect() as connection:
            write(connection, 1)
            send_with_next(connection, "INSERT INTO notes (note) VALUES (%(note)s)", {"note": 1})
            with pytest.raises(sa.exc.IntegrityError):
                connection.commit()
        assert notes_in(engine) == []


class TestAStatementThatGoesWithTheCommit:
    def test_comes_after_all_others(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            send_with_commit(connection, "UPDATE notes SET text = %(text)s", {"text": "100 % of it, at last"})
            write(connection, 1, 2)
        with engine.begin() as connection:
            assert list(connection.scalars(sa.select(_NOTES.c.text))) == ["100 % of it, at last"] * 2

    def test_comes_after_the_one_that_commits(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            send_with_commit(connection, "UPDATE notes SET note = note + 1", {})
            commit_with_next(connection)
            write(connection, 1)
        assert notes_in(engine) == [2]

    def test_may_be_all_that_there_is(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            send_with_commit(connection, "INSERT INTO notes (note) VALUES (%(note)s)", {"note": 1})
        assert notes_in(engine) == [1]

    def test_is_forgotten_when_the_transaction_is_given_up(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            write(connection, 1)
            send_with_commit(connection, "INSERT INTO notes (note) VALUES (%(note)s)", {"note": 2})
            connection.rollback()
            write(connection, 3)
            connection.commit()
        assert notes_in(engine) == [3]

    def test_that_fails_leaves_nothing(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            send_with_commit(connection, "INSERT INTO notes (note) VALUES (%(note)s)", {"note": 1})
            write(connection, 1)
            with pytest.raises(sa.exc.IntegrityError):
                connection.commit()
        assert notes_in(engine) == []


class TestAStatementThatIsKept:
    KEPT = Kept(
        "INSERT INTO notes (note, text) VALUES (%(note)s, %(text)s || ' 100 %%') RETURNING text",
        note="integer",
        text="text",
    )

    def kept_in(self, connection: sa.Connection, note: int) -> str:
        told = connection.exec_driver_sql(by_kept_plan(connection, self.KEPT), {"note": note, "text": "all"})
        return str(told.scalar_one())

    def test_is_planned_once_on_a_connection(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            assert [self.kept_in(connection, note) for note in (1, 2)] == ["all 100 %"] * 2
            plans = connection.exec_driver_sql("SELECT count(*) FROM pg_prepared_statements").scalar_one()
        assert (plans, notes_in(engine)) == (1, [1, 2])

    def test_stays_so_whatever_becomes_of_the_transaction(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            self.kept_in(connection, 1)
            connection.rollback()
            self.kept_in(connection, 2)
            connection.commit()
        assert notes_in(engine) == [2]

    def test_may_find_the_database_gone_as_it_is_planned(self, engine: sa.Engine) -> None:
        with engine.connect() as ours, engine.connect() as killer:
            pid = ours.connection.driver_connection.info.backend_pid
            killer.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            with pytest.raises(sa.exc.DBAPIError) as caught:
                self.kept_in(ours, 1)
            assert caught.value.connection_invalidated
            ours.rollback()
            self.kept_in(ours, 2)
            ours.commit()
        assert notes_in(engine) == [2]

    def test_is_planned_anew_where_the_plan_has_gone(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            self.kept_in(connection, 1)
            connection.exec_driver_sql("DEALLOCATE ALL")
            with pytest.raises(sa.exc.DBAPIError):
                self.kept_in(connection, 2)
            connection.rollback()
            self.kept_in(connection, 3)
            connection.commit()
        assert notes_in(engine) == [3]

    def test_is_planned_anew_where_its_table_was_changed(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            self.kept_in(connection, 1)
            connection.commit()
            connection.exec_driver_sql("ALTER TABLE notes ALTER COLUMN text TYPE varchar(99)")
            connection.commit()
            with pytest.raises(sa.exc.DBAPIError):
                self.kept_in(connection, 2)
            connection.rollback()
            self.kept_in(connection, 3)
            connection.commit()
        assert notes_in(engine) == [1, 3]


class TestACondition:
    TAKE = "INSERT INTO notes (note, text) VALUES (%(note)s, 'taken')"

    def take(self, connection: sa.Connection, number: int) -> Condition:
        condition = Condition("notes_pkey")
        go_on_if(connection, condition, self.TAKE, {"note": number})
        return condition

    def test_that_holds_is_one_with_what_follows(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            condition = self.take(connection, 1)
            assert (condition.sent, is_idle(connection)) == (False, True)
            write(connection, 2)
            assert (condition.sent, condition.broken) == (True, None)
        assert notes_in(engine) == [1, 2]

    def test_that_does_not_hold_is_told_as_no_error_of_the_databases(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            write(connection, 1)
        with engine.connect() as connection:
            condition = self.take(connection, 1)
            with pytest.raises(ConditionBroken):
                write(connection, 2)
            connection.rollback()
            assert condition.row_is_there
            write(connection, 3)
            connection.commit()
        assert notes_in(engine) == [1, 3]

    def test_that_does_not_hold_at_the_commit_leaves_no_transaction_behind(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            write(connection, 1)
        with engine.connect() as connection:
            connection.begin()
            self.take(connection, 1)
            driver = connection.connection.driver_connection
            with pytest.raises(ConditionBroken):
                connection.commit()
            assert driver.get_transaction_status() == extensions.TRANSACTION_STATUS_IDLE
        assert notes_in(engine) == [1]

    def test_is_not_broken_by_what_follows(self, engine: sa.Engine) -> None:
        with engine.connect() as connection:
            condition = self.take(connection, 1)
            with pytest.raises(sa.exc.ProgrammingError):
                connection.execute(sa.text("SELECT nothing_of_the_kind"))
            connection.rollback()
        assert (condition.sent, condition.broken) == (True, None)

    def test_may_come_before_a_savepoint(self, engine: sa.Engine) -> None:
        with engine.begin() as connection:
            write(connection, 1)
        for number, left in ((1, [1]), (2, [1, 2, 4])):
            with engine.connect() as connection:
                condition = self.take(connection, number)
                with contextlib.suppress(ConditionBroken, sa.exc.ProgrammingError), connection.begin_nested():
                    write(connection, 3)
                    connection.execute(sa.text("SELECT nothing_of_the_kind"))
                assert condition.row_is_there == (number == 1)
                if number == 1:
                    with pytest.raises(sa.exc.DBAPIError):
                        write(connection, 4)
                    connection.rollback()
                else:
                    write(connection, 4)
                    connection.commit()
            assert notes_in(engine) == left

    def test_that_somebody_else_decides_is_waited_for(self, engine: sa.Engine) -> None:
        with engine.connect() as first, engine.connect() as second:
            write(first, 1)
            condition = self.take(second, 1)
            with pytest.raises(ConditionBroken):
                write(second, 2)
            assert not condition.row_is_there
            assert lost_a_lock(condition.broken)


class TestASession:
    """Holds one connection, on which its transaction begins and ends."""

    def test_begins_no_transaction_of_its_own_to_ask(self, engine: sa.Engine) -> None:
        with transaction(engine, None) as db:
            write(db.connection(), 1)
            assert not db.in_transaction()
            assert db.connection().in_transaction()
        assert notes_in(engine) == [1]

    def test_is_one_with_what_the_session_asks_itself(self, engine: sa.Engine) -> None:
        with contextlib.suppress(KeyError), transaction(engine, None) as db:
            write(db.connection(), 1)
            assert db.scalar(sa.select(_NOTES.c.note)) == 1
            db.execute(_NOTES.insert().values(note=2))
            raise KeyError
        assert notes_in(engine) == []

    def test_keeps_what_a_savepoint_within_it_does_not_take_back(self, engine: sa.Engine) -> None:
        with transaction(engine, None) as db:
            write(db.connection(), 1)
            with contextlib.suppress(KeyError), db.begin_nested():
                write(db.connection(), 2)
                raise KeyError
            with db.begin_nested():
                write(db.connection(), 3)
            write(db.connection(), 4)
        assert notes_in(engine) == [1, 3, 4]

    def test_that_was_rolled_back_refuses_whatever_is_asked(self, engine: sa.Engine) -> None:
        with transaction(engine, None) as db:
            write(db.connection(), 1)
            db.rollback()
            with pytest.raises(sa.exc.PendingRollbackError):
                db.connection()
            with pytest.raises(sa.exc.PendingRollbackError):
                db.scalar(sa.select(1))
            with pytest.raises(sa.exc.PendingRollbackError), db.begin_nested():
                db.connection()
        with engine.connect() as connection:
            assert is_idle(connection)
        assert notes_in(engine) == []

    @pytest.mark.parametrize("by", ["statement", "row"])
    def test_in_which_something_failed_is_not_committed_in_silence(self, engine: sa.Engine, by: str) -> None:
        def keep_silent() -> None:
            with transaction(engine, None) as db:
                write(db.connection(), 1)
                with contextlib.suppress(sa.exc.IntegrityError):
                    if by == "row":
                        db.add(_Note(note=1, text="once more"))
                        db.flush()
                        db.scalar(sa.select(1))
                    else:
                        write(db.connection(), 1)

        with pytest.raises(sa.exc.InternalError, match="cannot be committed"):
            keep_silent()
        with engine.connect() as connection:
            assert is_idle(connection)
        assert notes_in(engine) == []

    def test_takes_no_connection_until_it_asks(self, engine: sa.Engine) -> None:
        with transaction(engine, None), transaction(engine, None, reads_only=True):
            assert isinstance(engine.pool, sa.QueuePool)
            assert engine.pool.checkedout() == 0

    def test_gives_its_connection_back_however_it_ends(self, engine: sa.Engine) -> None:
        assert isinstance(engine.pool, sa.QueuePool)
        for reads_only in (False, True):
            with contextlib.suppress(KeyError), transaction(engine, None, reads_only=reads_only) as db:
                db.connection().execute(sa.select(1))
                assert engine.pool.checkedout() == 1
                raise KeyError
            assert engine.pool.checkedout() == 0


#: What an audit row must tell, and this one does not.
_RECORDED = ("tenant_id", "acted_at", "actor_id", "actor_role", "actor_credential", "action", "outcome")


def test_what_a_session_leaves_to_the_end_is_refused_as_any_statement_is(engine: sa.Engine) -> None:
    """A database error at the very end is told by SQLAlchemy's classes, so that it is answered as one."""
    with Session(engine) as db:
        write(db.connection(), 1)
        db.info["audit"] = [dict.fromkeys((*_RECORDED, "about_id", "cause_id"))]
        with pytest.raises(sa.exc.IntegrityError):
            db.commit()
    assert notes_in(engine) == []
