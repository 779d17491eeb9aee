"""Rows that are added or changed are written as SQLAlchemy's unit of work would have written them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session, registry
from sqlalchemy.orm.exc import StaleDataError

import shared.messaging
from shared import audit
from shared.contracts.event import Actor
from shared.contracts.roles import SYSTEM
from shared.database import Origin, id_column, moment, new_engine, tenant_column, transaction
from shared.ids import new_id
from shared.many_rows import WORTH_JSON
from shared.plain_writes import WORTH_ONE_CHANGE

assert shared.messaging  # it writes what a transaction leaves to its commit

WHEN = datetime(2026, 2, 2, 15, 30, 0, 123456, tzinfo=UTC)

_metadata = sa.MetaData()
_shelves = sa.Table("shelves", _metadata, id_column("shelf_id"), tenant_column())
_things = sa.Table(
    "things",
    _metadata,
    id_column("thing_id"),
    tenant_column(),
    sa.Column("shelf_id", sa.ForeignKey("shelves.shelf_id")),
    sa.Column("order", sa.String(200), nullable=False),
    sa.Column("number", sa.BigInteger, unique=True),
    sa.Column("small", sa.SmallInteger, nullable=False, server_default="7"),
    sa.Column("is_so", sa.Boolean, nullable=False),
    sa.Column("on_day", sa.Date, nullable=False),
    sa.Column("at_moment", moment(), nullable=False),
    sa.Column("text_sealed", sa.LargeBinary),
    sa.Column("document", JSONB),
    sa.Column("told", JSONB, nullable=False, server_default="[]"),
    sa.Column("codes", ARRAY(sa.String(40)), nullable=False),
)
#: What JSON would tell in another way than the database reads it.
_measured = sa.Table(
    "measured",
    _metadata,
    id_column("measured_id"),
    tenant_column(),
    sa.Column("degrees", sa.Float(53), nullable=False),
    sa.Column("starts", sa.Time, nullable=False),
)


@dataclass(kw_only=True, eq=False)
class Shelf:
    shelf_id: str
    tenant_id: str = ""


@dataclass(kw_only=True, eq=False)
class Thing:
    thing_id: str
    order: str
    tenant_id: str = ""
    shelf_id: str | None = None
    number: int | None = None
    small: int | None = None
    is_so: bool = True
    on_day: date = date(2026, 2, 3)
    at_moment: datetime = WHEN
    text_sealed: bytes | None = None
    document: Any = None
    told: Any = field(default_factory=list)
    codes: list[str] = field(default_factory=list)


@dataclass(kw_only=True, eq=False)
class Measured:
    measured_id: str
    degrees: float
    starts: time
    tenant_id: str = ""


_mapper = registry(metadata=_metadata)
_mapper.map_imperatively(Shelf, _shelves)
_mapper.map_imperatively(Thing, _things)
_mapper.map_imperatively(Measured, _measured)

#: What is easily misread on the way.
CURIOUS: list[dict[str, Any]] = [
    {"order": "plain"},
    {"order": 'it\'s 100 % of "it", %(order)s; \\ \n\t {} é 🙂', "document": {"it's": [1, None, "%s", "\\"]}},
    {"order": "'; DROP TABLE things; --", "codes": ["a", "b,c", '"d"', "{e}", "NULL", "", "f\\g"]},
    {"order": "bytes", "text_sealed": bytes(range(256)), "small": -3, "number": 2**40},
    {"order": "nothing at all", "document": None, "told": {"nothing": None}, "is_so": False},
    {"order": "true", "document": "null", "told": "a text", "codes": ["é"]},
    {"order": "1e400", "document": [], "told": [[]], "at_moment": datetime(1926, 7, 1, tzinfo=UTC)},
]


@pytest.fixture
def engine(database_of: Callable[[str], str]) -> Iterator[sa.Engine]:
    engine = new_engine(database_of("intake"))
    _metadata.create_all(engine)
    yield engine
    _metadata.drop_all(engine)
    engine.dispose()


def origin() -> Origin:
    return Origin(
        service="intake",
        tenant_id="demo",
        actor=Actor(actor_id="intake", role=SYSTEM),
        now=WHEN,
        correlation_id=new_id(),
    )


def add(engine: sa.Engine, *rows: object, before_commit: Callable[[Session], None] = lambda db: None) -> None:
    """Add rows in a transaction that records something, as every command and reaction does."""
    with transaction(engine, origin()) as db:
        audit.record(db, action="try_it")
        db.add_all(rows)
        before_commit(db)


def things_in(engine: sa.Engine) -> list[tuple[Any, ...]]:
    columns = [
        # Nothing, and the word that JSON has for it, are read alike.
        sa.cast(column, sa.Text) if isinstance(column.type, JSONB) else column
        for column in _things.c
        if column.name != "thing_id"
    ]
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.select(*columns).order_by(_things.c.thing_id))]


class TestNewRows:
    @pytest.mark.parametrize("at_once", [1, WORTH_JSON - 1, len(CURIOUS)])
    def test_hold_what_the_unit_of_work_writes(self, engine: sa.Engine, at_once: int) -> None:
        for first in range(0, len(CURIOUS), at_once):
            several = CURIOUS[first : first + at_once]
            add(engine, *(Thing(thing_id=new_id(), **one) for one in several))
        by_the_commit = things_in(engine)
        with engine.begin() as connection:
            connection.execute(_things.delete())
        add(engine, *(Thing(thing_id=new_id(), **one) for one in CURIOUS), before_commit=Session.flush)

        by_the_unit_of_work = things_in(engine)

        assert len(by_the_commit) == len(CURIOUS)
        # What is curious about a number stands only once, and numbers are unique.
        assert by_the_commit == by_the_unit_of_work

    def test_are_written_value_by_value_where_json_tells_something_else(self, engine: sa.Engine) -> None:
        told = [0.1 + 0.2, float("inf"), -0.0, 1e300, 41.25]

        add(engine, *(Measured(measured_id=new_id(), degrees=one, starts=time(9, 5, 7, 250)) for one in told))

        with engine.connect() as connection:
            found = connection.execute(sa.select(_measured).order_by(_measured.c.measured_id)).all()
        assert [row.degrees for row in found] == told
        assert {row.starts for row in found} == {time(9, 5, 7, 250)}

    def test_come_after_those_that_they_refer_to(self, engine: sa.Engine) -> None:
        shelf = Shelf(shelf_id=new_id())
        things = [Thing(thing_id=new_id(), order="on it", shelf_id=shelf.shelf_id) for _ in range(5)]

        add(engine, *things, shelf)

        assert len(things_in(engine)) == 5

    def test_keep_their_values_and_belong_to_their_tenant(self, engine: sa.Engine) -> None:
        thing = Thing(thing_id=new_id(), order="kept")

        add(engine, thing)

        assert (thing.order, thing.tenant_id) == ("kept", "demo")
        with pytest.raises(RuntimeError, match="another tenant"):
            add(engine, Thing(thing_id=new_id(), order="kept", tenant_id="other"))

    @pytest.mark.parametrize("number", [1, 6])
    def test_that_break_a_rule_leave_nothing_behind(self, engine: sa.Engine, number: int) -> None:
        add(engine, Thing(thing_id=new_id(), order="first", number=1))

        with pytest.raises(sa.exc.IntegrityError):
            add(engine, *(Thing(thing_id=new_id(), order="again", number=at + 1) for at in range(number)))

        assert len(things_in(engine)) == 1
        with engine.connect() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(audit.audit)) == 1

    def test_are_written_beside_rows_that_change(self, engine: sa.Engine) -> None:
        known = Thing(thing_id=new_id(), order="before")
        add(engine, known)

        def change(db: Session) -> None:
            found = db.get(Thing, known.thing_id)
            assert found is not None
            found.order = "after"

        add(engine, *(Thing(thing_id=new_id(), order="new") for _ in range(5)), before_commit=change)

        assert sorted(row[2] for row in things_in(engine)) == ["after", *["new"] * 5]

    @pytest.mark.parametrize("number", [1, 3])
    def test_wait_with_those_that_change_for_what_is_asked_next(self, engine: sa.Engine, number: int) -> None:
        known = [Thing(thing_id=new_id(), order=f"before {place}") for place in range(number)]
        add(engine, *known)

        with transaction(engine, origin()) as db:
            for thing in known:
                found = db.get(Thing, thing.thing_id)
                assert found is not None
                found.order = found.order.replace("before", "after")
            db.add(Thing(thing_id=new_id(), order="new", small=3))
            db.flush()
            driver = db.connection().connection.driver_connection
            assert driver is not None
            assert driver.has_put_off
            read = db.scalars(sa.select(_things.c.order).order_by(_things.c.thing_id)).all()

        assert read == [*(f"after {place}" for place in range(number)), "new"]
        assert [row[2] for row in things_in(engine)] == read

    @pytest.mark.parametrize("asks", [False, True])
    def test_fail_where_one_that_changes_is_not_there_any_more(self, engine: sa.Engine, asks: bool) -> None:
        known = Thing(thing_id=new_id(), order="before")
        add(engine, known)

        def change(db: Session) -> None:
            found = db.get(Thing, known.thing_id)
            assert found is not None
            with engine.begin() as other:
                other.execute(_things.delete())
            found.order = "after"
            if asks:
                db.scalar(sa.select(sa.func.count()).select_from(Shelf))

        with pytest.raises(sa.exc.DataError if asks else StaleDataError):
            add(engine, Thing(thing_id=new_id(), order="new"), before_commit=change)

        assert things_in(engine) == []


def change(
    engine: sa.Engine,
    changes: dict[str, dict[str, Any]],
    *,
    then: Callable[[Session], None] = lambda db: None,
) -> None:
    """Change things, of which each is told by its id, in a transaction that records something."""
    with transaction(engine, origin()) as db:
        audit.record(db, action="try_it")
        for thing_id, values in changes.items():
            found = db.get(Thing, thing_id)
            assert found is not None
            for name, value in values.items():
                setattr(found, name, value)
        then(db)


def flush_past_what_is_tested(db: Session) -> None:
    # Within a savepoint nothing may wait, so the unit of work writes all.
    with db.begin_nested():
        for row in db.dirty:
            sa.orm.attributes.flag_modified(row, "small")
        db.flush()


def orders_in(engine: sa.Engine) -> list[str]:
    return [row[2] for row in things_in(engine)]


def known_things(engine: sa.Engine, number: int = 1) -> list[str]:
    things = [Thing(thing_id=new_id(), order=f"before {place}", small=1) for place in range(number)]
    add(engine, *things)
    return [thing.thing_id for thing in things]


class TestChangedRows:
    @pytest.mark.parametrize("then", [lambda db: None, Session.flush])
    def test_hold_what_the_unit_of_work_writes(
        self, engine: sa.Engine, then: Callable[[Session], None]
    ) -> None:
        found = []
        for how in (then, flush_past_what_is_tested):
            known = known_things(engine, len(CURIOUS))
            change(engine, dict(zip(known, CURIOUS, strict=True)), then=how)
            found.append(things_in(engine))
            with engine.begin() as connection:
                connection.execute(_things.delete())

        assert found[0] == found[1]
        assert {row[2] for row in found[0]} == {one["order"] for one in CURIOUS}

    @pytest.mark.parametrize("then", [lambda db: None, Session.flush])
    def test_of_which_there_are_many_hold_what_the_unit_of_work_writes(
        self, engine: sa.Engine, then: Callable[[Session], None]
    ) -> None:
        plain = {"order": "", "document": 1, "codes": ["x"], "text_sealed": b"x", "small": 2, "told": [2]}
        plain |= {"is_so": False, "at_moment": WHEN + timedelta(days=1), "on_day": date(2026, 2, 4)}
        alike = [plain | {name: one[name] for name in one if name in plain} for one in CURIOUS]
        several = [alike[place % len(alike)] for place in range(WORTH_ONE_CHANGE)]
        found = []
        for how in (then, flush_past_what_is_tested):
            known = known_things(engine, len(several) + 1)
            change(engine, dict(zip(known, several, strict=False)), then=how)
            found.append(things_in(engine))
            with engine.begin() as connection:
                connection.execute(_things.delete())

        assert found[0] == found[1]
        assert found[0][-1][2] == f"before {len(several)}"

    def test_of_which_there_are_many_go_at_once_and_are_locked_in_their_order(
        self, engine: sa.Engine
    ) -> None:
        known = known_things(engine, WORTH_ONE_CHANGE)
        sent: list[bytes] = []

        with transaction(engine, origin()) as db:
            for found in reversed(db.scalars(sa.select(Thing).order_by(_things.c.thing_id)).all()):
                found.small = 2
            driver: Any = db.connection().connection.driver_connection
            put_off = driver.put_off
            driver.put_off = lambda statement: (sent.append(statement), put_off(statement))
            db.flush()
            del driver.put_off

        (statement,) = sent
        lock, change_of_all = statement.decode().split("; ")
        assert [one in lock and one in change_of_all for one in known] == [True] * len(known)
        assert lock.endswith("ORDER BY thing_id FOR NO KEY UPDATE")
        assert {row[4] for row in things_in(engine)} == {2}

    def test_have_only_what_has_changed_written(self, engine: sa.Engine) -> None:
        (thing_id,) = known_things(engine)

        def change_besides(db: Session) -> None:
            change(engine, {thing_id: {"small": 5}})

        with transaction(engine, origin()) as db:
            found = db.get(Thing, thing_id)
            assert found is not None
            change_besides(db)
            found.small = 9
            found.small = 1
            found.order = "after"

        assert [(row[2], row[4]) for row in things_in(engine)] == [("after", 5)]

    def test_that_are_as_they_were_are_not_written(self, engine: sa.Engine) -> None:
        (thing_id,) = known_things(engine)

        with transaction(engine, origin()) as db:
            found = db.get(Thing, thing_id)
            assert found is not None
            found.order, found.told = "other", ["other"]
            found.order, found.told = "before 0", []
            db.flush()
            driver = db.connection().connection.driver_connection
            assert driver is not None
            assert not driver.has_put_off
            assert not db.dirty

    def test_go_on_being_changed(self, engine: sa.Engine) -> None:
        (thing_id,) = known_things(engine)

        with transaction(engine, origin()) as db:
            found = db.get(Thing, thing_id)
            assert found is not None
            new = Thing(thing_id=new_id(), order="new", small=2)
            db.add(new)
            found.order, found.small = "once", 3
            db.flush()
            assert not db.dirty
            assert not db.new
            assert db.get(Thing, new.thing_id) is new
            found.order, new.order = "twice", "newer"
            read = db.execute(sa.select(_things.c.order, _things.c.small).order_by(_things.c.thing_id)).all()
            found.order, new.small = "at last", 4

        assert [tuple(row) for row in read] == [("twice", 3), ("newer", 2)]
        assert [(row[2], row[4]) for row in things_in(engine)] == [("at last", 3), ("newer", 4)]

    def test_are_read_anew_where_the_savepoint_is_gone_back_to(self, engine: sa.Engine) -> None:
        (thing_id,) = known_things(engine)

        with transaction(engine, origin()) as db:
            found = db.get(Thing, thing_id)
            assert found is not None
            found.order = "kept"
            savepoint = db.begin_nested()
            found.order = "given up"
            db.add(Thing(thing_id=new_id(), order="given up", small=1))
            db.flush()
            savepoint.rollback()
            assert found.order == "kept"
            found.small = 8

        assert [(row[2], row[4]) for row in things_in(engine)] == [("kept", 8)]

    def test_make_room_for_new_ones(self, engine: sa.Engine) -> None:
        add(engine, Thing(thing_id=new_id(), order="first", number=1))
        with transaction(engine, origin()) as db:
            audit.record(db, action="try_it")
            first = db.scalars(sa.select(Thing)).one()
            db.add(Thing(thing_id=new_id(), order="second", number=1))
            first.number = None

        assert [row[3] for row in things_in(engine)] == [None, 1]

    def test_may_refer_to_new_ones(self, engine: sa.Engine) -> None:
        (thing_id,) = known_things(engine)
        shelf = Shelf(shelf_id=new_id())

        change(engine, {thing_id: {"shelf_id": shelf.shelf_id}}, then=lambda db: db.add(shelf))

        assert [row[1] for row in things_in(engine)] == [shelf.shelf_id]

    def test_go_in_the_order_of_their_keys(self, engine: sa.Engine) -> None:
        known = known_things(engine, 5)
        sent: list[bytes] = []

        with transaction(engine, origin()) as db:
            for found in reversed(db.scalars(sa.select(Thing).order_by(_things.c.thing_id)).all()):
                found.small = 2
            driver: Any = db.connection().connection.driver_connection
            driver.put_off = sent.append
            db.flush()
            del driver.put_off

        assert [one in statement.decode() for one, statement in zip(known, sent, strict=True)] == [True] * 5

    def test_fail_where_one_that_goes_by_itself_is_not_there_any_more(self, engine: sa.Engine) -> None:
        known = known_things(engine, 3)
        changes: list[dict[str, Any]] = [{"order": "after"}, {"order": "after"}, {"small": 2}]

        def take_away(db: Session) -> None:
            with engine.begin() as other:
                other.execute(_things.delete().where(_things.c.thing_id == known[-1]))

        with pytest.raises(StaleDataError):
            change(engine, dict(zip(known, changes, strict=True)), then=take_away)

        assert orders_in(engine) == ["before 0", "before 1"]

    def test_may_be_left_to_the_unit_of_work(self, engine: sa.Engine) -> None:
        """As where the database works something out, a key is another, or a row goes."""
        known = known_things(engine, 3)
        other_id = new_id()

        def go(db: Session) -> None:
            db.delete(db.get(Thing, known[2]))

        change(engine, {known[0]: {"small": _things.c.small + 1}, known[1]: {"order": "second"}})
        change(engine, {known[1]: {"thing_id": other_id}, known[0]: {"order": "first"}})
        change(engine, {known[0]: {"number": 7}}, then=go)

        with engine.connect() as connection:
            columns = (_things.c.thing_id, _things.c.order, _things.c.number, _things.c.small)
            found = connection.execute(sa.select(*columns).order_by(_things.c.thing_id)).all()
        assert [tuple(row) for row in found] == [(known[0], "first", 7, 2), (other_id, "second", None, 1)]

    def test_know_what_the_database_has_filled_in(self, engine: sa.Engine) -> None:
        with transaction(engine, origin()) as db:
            new = Thing(thing_id=new_id(), order="new")
            db.add(new)
            db.flush()

            assert new.small == 7
            new.small += 1

        assert [row[4] for row in things_in(engine)] == [8]
