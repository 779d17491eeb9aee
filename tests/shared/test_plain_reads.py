"""What is read without a unit of work is what SQLAlchemy's session would have read."""

import importlib
import pkgutil
import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects.postgresql import psycopg2

import services
from services.aftercare import tables as aftercare
from services.intake.domain.contact_points import ContactPoint
from services.intake.domain.people import Patient
from services.intake.service import Intake
from services.intake.tables import columns as intake
from services.intake.tables.contact_points import patient_with_contacts
from services.intake.tables.people import lock_open_episodes
from services.monitoring import tables as monitoring
from services.scheduling.tables import base as scheduling
from shared import database
from shared.contracts.event import Actor
from shared.contracts.roles import SYSTEM
from shared.database import Origin, transaction
from shared.ids import new_id
from shared.plain_reads import reading_of
from tests.costs.test_database import open_site
from tests.support import BEGINNING, TENANT, Room

_DIALECT = psycopg2.dialect()


def written_down() -> list[sa.Select[Any]]:
    """Return every query that a service's tables write down once, and what looks up rows by their key."""
    for module in pkgutil.walk_packages(services.__path__, "services."):
        if ".tables" in module.name:
            importlib.import_module(module.name)
    for registry in (aftercare.mapper, intake.mapper, monitoring.mapper, scheduling.mapper):
        for mapped in registry.mappers:
            for lock in (False, True):
                database._by_key(mapped.class_, lock=lock)
    return list(database._written_once)


def what_is_asked_of(query: Any) -> str:
    """Return the text of a query without the columns that it reads."""
    _, found, rest = str(query).partition("FROM ")
    assert found
    # A list is one value, whatever its length.
    listed = re.sub(r" = ANY \(%\((\w+)\)s::\w+\[\]\)", r" IN (__[POSTCOMPILE_\1])", rest)
    return re.sub(r" != ALL \(%\((\w+)\)s::\w+\[\]\)", r" NOT IN (__[POSTCOMPILE_\1])", listed)


@pytest.fixture
def room(room_of: Callable[[type], Room]) -> Room:
    return room_of(Intake)


def patient_in(room: Room) -> str:
    person = {
        "given_name": "Rosa",
        "family_name": "Diaz",
        "birth_date": "1980-03-01",
        "phone": "+1 312 555 0100",
        "email": "rosa@example.org",
    }
    site = open_site(room)
    known = room.call(
        "register_referral", {"site_id": site["site_id"], "referral_source": "1", "patient": person}
    )
    return str(known["patient_id"])


def origin() -> Origin:
    return Origin(
        service="intake",
        tenant_id=TENANT,
        actor=Actor(actor_id="intake", role=SYSTEM),
        now=BEGINNING,
        correlation_id=new_id(),
    )


def told_by(one: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(one).items() if name != "_sa_instance_state"}


class TestPlainReads:
    def test_ask_what_the_session_asks(self) -> None:
        left_to_the_session = []

        for query in written_down():
            narrowed = database._narrowed(query, TENANT)
            reading = reading_of(narrowed, _DIALECT)
            if reading is None:
                left_to_the_session.append(str(query))
            else:
                assert what_is_asked_of(reading.text) == what_is_asked_of(narrowed.compile(dialect=_DIALECT))

        assert left_to_the_session == []

    def test_read_the_same_objects_with_the_same_values(self, room: Room) -> None:
        patient_id = patient_in(room)

        with transaction(room.engine, origin(), reads_only=True) as db:
            found = patient_with_contacts(db, patient_id=patient_id)
            again = patient_with_contacts(db, patient_id=patient_id)
        with transaction(room.engine, origin()) as db:
            held = patient_with_contacts(db, patient_id=patient_id)
            assert held is not None
            assert all(one in db for one in (held[0], *held[1]))
        with orm.Session(room.engine) as other:
            by_the_session = patient_with_contacts(other, patient_id=patient_id)

        assert found is not None
        assert by_the_session is not None
        assert told_by(found[0]) == told_by(by_the_session[0]) == told_by(held[0])
        assert [told_by(one) for one in found[1]] == [told_by(one) for one in by_the_session[1]]
        assert [told_by(one) for one in held[1]] == [told_by(one) for one in by_the_session[1]]
        assert {one.kind for one in found[1]} == {"PHONE", "EMAIL"}
        assert again is not None
        assert again[0] is found[0], "what is read twice is one object"

    def test_find_nobody_of_another_tenant(self, room: Room) -> None:
        patient_id = patient_in(room)
        other = origin()
        other.tenant_id = "other"

        with transaction(room.engine, other, reads_only=True) as db:
            found = patient_with_contacts(db, patient_id=patient_id)

        assert found is None

    def test_let_nothing_be_changed_unseen(self, room: Room) -> None:
        patient_id = patient_in(room)

        with transaction(room.engine, origin(), reads_only=True) as db:
            found = patient_with_contacts(db, patient_id=patient_id)
            assert found is not None
            point: ContactPoint = found[1][0]
            with pytest.raises(AttributeError):
                point.kind = "FAX"


class TestReadsOfWhatMayBeWritten:
    def test_have_what_becomes_of_a_row_written(self, room: Room) -> None:
        patient_id = patient_in(room)

        with transaction(room.engine, origin()) as db:
            changed = db.get(Patient, patient_id)
            assert changed is not None
            changed.language = "es"
        with transaction(room.engine, origin()) as db:
            again = db.get(Patient, patient_id)
            assert again is not None
            assert again.language == "es"
            assert not db.dirty

    def test_see_what_was_changed_before_them(self, room: Room) -> None:
        patient_id = patient_in(room)

        with transaction(room.engine, origin()) as db:
            changed = db.get(Patient, patient_id)
            assert changed is not None
            changed.language = "es"
            locked = db.get(Patient, patient_id, with_for_update=True)

        assert locked is changed
        assert locked.language == "es"

    def test_read_anew_what_is_locked(self, room: Room) -> None:
        patient_id = patient_in(room)

        with transaction(room.engine, origin()) as db:
            before = db.get(Patient, patient_id)
            assert before is not None
            with transaction(room.engine, origin()) as other:
                elsewhere = other.get(Patient, patient_id)
                assert elsewhere is not None
                elsewhere.language = "es"
            known = db.get(Patient, patient_id)
            assert known is before
            assert known.language is None
            locked = db.get(Patient, patient_id, with_for_update=True)

            assert locked is before
            assert locked.language == "es"
            assert not db.dirty

    def test_fill_in_what_going_back_has_made_unknown(self, room: Room) -> None:
        patient_id = patient_in(room)

        with transaction(room.engine, origin()) as db:
            found = patient_with_contacts(db, patient_id=patient_id)
            assert found is not None
            savepoint = db.begin_nested()
            found[0].language = "es"
            db.flush()
            savepoint.rollback()
            again = patient_with_contacts(db, patient_id=patient_id)

            assert again is not None
            assert again[0] is found[0]
            assert told_by(again[0])["language"] is None

    def test_take_a_list_of_any_length(self, room: Room) -> None:
        patient_id = patient_in(room)

        with transaction(room.engine, origin()) as db:
            none = lock_open_episodes(db, patient_ids=[])
            one = lock_open_episodes(db, patient_ids=[patient_id, new_id()])

        assert list(none) == []
        assert [episode.patient_id for episode in one] == [patient_id]

    def test_fail_as_the_session_would(self, room: Room) -> None:
        with (
            pytest.raises(sa.exc.DataError, match="invalid input syntax for type uuid"),
            transaction(room.engine, origin()) as db,
        ):
            db.get(Patient, "nobody")
        with transaction(room.engine, origin()) as db:
            end = {"pid": db.scalar(sa.text("SELECT pg_backend_pid()"))}
            with room.engine.begin() as connection:
                connection.execute(sa.text("SELECT pg_terminate_backend(:pid)"), end)
            with pytest.raises(sa.exc.OperationalError) as lost:
                db.get(Patient, new_id())
            assert lost.value.connection_invalidated
            db.rollback()
        assert patient_in(room)
