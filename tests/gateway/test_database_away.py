"""The gateway's own database is away, or takes nothing more, and somebody in danger is heard all the same."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from chaos.relays import Relays
from shared.contracts.common import SafetyConcernRaised
from shared.contracts.event import Envelope
from shared.ids import new_id
from tests.gateway.conftest import TENANT, Builder, House
from tests.notification.desk import variables_for
from tests.notification.mailroom import MailServer

DATABASE = "the gateway's database"
LINES = {"call_or_text_988", "call_911"}


@pytest.fixture(scope="module")
def relays() -> Iterator[Relays]:
    with Relays() as found:
        yield found


@pytest.fixture(scope="module")
def post() -> Iterator[MailServer]:
    server = MailServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def mail(post: MailServer) -> MailServer:
    """The mail server, with nothing taken yet."""
    post.taken.clear()
    return post


def start(builder: Builder, relays: Relays, post: MailServer, *, name: str, **variables: str) -> House:
    """Start a gateway that reaches its database by a relay of this name."""
    url = builder.databases()
    direct = sa.make_url(url.replace("{service}", "gateway"))
    port = relays.listen(name, target=f"{direct.query['host']}/.s.PGSQL.5432")
    return builder.start(
        databases=url,
        HOMEWARD_DATABASE_URL_GATEWAY=f"postgresql+psycopg2://{direct.username}@127.0.0.1:{port}/{direct.database}",
        HOMEWARD_FALLBACK_PAGE=f"{TENANT}=mailto:on.call@example.org",
        # The watch over dangers, which pages as well, is not what is looked at here.
        HOMEWARD_SAFETY_CONFIRM_SECONDS="600",
        **variables_for(post),
        **variables,
    )


@pytest.fixture(scope="module")
def alone(builder: Builder, relays: Relays, post: MailServer) -> House:
    """A gateway without any service."""
    return start(builder, relays, post, name=DATABASE, STUBS_AWAY="intake,scheduling,monitoring")


@pytest.fixture(scope="module")
def staffed(builder: Builder, relays: Relays, post: MailServer) -> House:
    """A gateway with its services, which have databases of their own."""
    return start(builder, relays, post, name="the other gateway's database")


@contextlib.contextmanager
def cut_off(relays: Relays, name: str = DATABASE, *, mode: str = "cut") -> Iterator[None]:
    relays.mode(name, mode)
    try:
        yield
    finally:
        relays.mode(name, "open")


@contextlib.contextmanager
def full(house: House) -> Iterator[None]:
    """Let the outbox take nothing more, as a full disk would."""
    engine = sa.create_engine(house.database_url.replace("{service}", "gateway"))
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP FUNCTION refuse CASCADE")
        engine.dispose()


def rows(house: House, service: str, query: str, **values: Any) -> list[Any]:
    engine = sa.create_engine(house.database_url.replace("{service}", service))
    with engine.connect() as connection:
        found = list(connection.execute(sa.text(query), values))
    engine.dispose()
    return found


def raised(house: House, patient_id: str) -> list[SafetyConcernRaised]:
    bodies = rows(house, "gateway", "SELECT body FROM outbox WHERE type = 'safety_concern_raised'")
    events = [Envelope.from_bytes(bytes(row.body)).event for row in bodies]
    return [one for one in events if isinstance(one, SafetyConcernRaised) and one.patient_id == patient_id]


def until(condition: Callable[[], Any], *, seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it never came true"
        time.sleep(0.1)


def concern(patient_id: str) -> dict[str, str]:
    return {"patient_id": patient_id, "concern": "VIOLENCE", "level": "E4"}


class TestServiceThere:
    """The service hears it by itself: a command needs nothing of the gateway's database."""

    @pytest.mark.parametrize(("role", "status"), [("clinician", 201), ("patient", 201), ("partner", 202)])
    def test_hears_it_once_and_whoever_told_it_is_told_so(
        self, staffed: House, relays: Relays, mail: MailServer, *, role: str, status: int
    ) -> None:
        patient_id, key = new_id(), new_id()
        token = staffed.token(role, actor_id=patient_id if role == "patient" else f"{role}-1")

        with cut_off(relays, "the other gateway's database"):
            answers = [
                staffed.post("/v1/safety-concerns", concern(patient_id), token=token, key=key)
                for _ in range(2)
            ]

        assert [answer.status for answer in answers] == [status, status]
        if role == "partner":
            assert answers[0].body["status"] == "received"
            assert set(answers[0].body["crisis_lines"]) == LINES
        carried_out = rows(
            staffed,
            "monitoring",
            "SELECT 1 FROM audit WHERE action = 'raise_safety_concern' AND about_id = :patient_id",
            patient_id=patient_id,
        )
        assert len(carried_out) == 1
        assert (mail.taken, raised(staffed, patient_id)) == ([], [])

    def test_and_refuses_it_so_somebody_is_paged(
        self, staffed: House, relays: Relays, mail: MailServer
    ) -> None:
        patient_id = new_id()
        answers = {"craving": 9, "mood": 1, "stress": 9, "sleep_hours": 2, "used": False, "danger": True}

        with cut_off(relays, "the other gateway's database"):
            answer = staffed.post(
                f"/v1/episodes/{new_id()}/check-ins",
                answers,
                token=staffed.token("patient", actor_id=patient_id),
            )

        assert (answer.status, answer.body["heard"]) == (404, ["DANGER_ANSWER"])
        assert mail.readers == ["on.call@example.org"]
        until(lambda: len(raised(staffed, patient_id)) == 1)


class TestServiceAway:
    @pytest.mark.parametrize("fault", ["cut", "half_open", "full"])
    def test_somebody_is_paged_at_once_and_it_is_written_down_later(
        self, alone: House, relays: Relays, mail: MailServer, fault: str
    ) -> None:
        patient_id, key = new_id(), new_id()
        # Where nothing is refused, each answer takes as long as anybody waits for the database.
        times = 1 if fault == "half_open" else 2

        with full(alone) if fault == "full" else cut_off(relays, mode=fault):
            answers = [alone.post("/v1/safety-concerns", concern(patient_id), key=key) for _ in range(times)]
            assert raised(alone, patient_id) == []

        for answer in answers:
            assert (answer.status, answer.code) == (503, "unavailable")
            assert int(answer.headers["Retry-After"]) > 0
            assert (answer.body["heard"], answer.body["send_again"]) == (["VIOLENCE"], True)
            assert "Somebody is being paged. Nothing could be written down" in answer.body["notice"]
            assert set(answer.body["crisis_lines"]) == LINES
        ((reader, page),) = mail.taken
        assert reader == "on.call@example.org"
        until(lambda: raised(alone, patient_id))
        (event,) = raised(alone, patient_id)
        assert (event.concern, event.level) == ("VIOLENCE", "E4")
        assert f"Reference: {event.concern_id[:8]}" in page.get_payload()
        assert patient_id not in page.as_string()
        again = alone.post("/v1/safety-concerns", concern(patient_id), key=key)
        assert (again.status, again.body["heard"]) == (202, ["VIOLENCE"])
        assert again.headers["Idempotency-Replayed"] == "true"
        assert len(raised(alone, patient_id)) == 1

    def test_nobody_is_heard_where_nobody_can_be_paged_until_it_is_written_down(
        self, alone: House, relays: Relays, mail: MailServer
    ) -> None:
        patient_id = new_id()

        with cut_off(relays):
            answer = alone.post(
                "/v1/safety-concerns", concern(patient_id), token=alone.token(tenant="harbor")
            )

        assert (answer.status, answer.body["heard"], set(answer.body["crisis_lines"])) == (503, [], LINES)
        assert "Nobody has heard what this tells: send it again." in answer.body["notice"]
        assert mail.taken == []
        until(lambda: len(raised(alone, patient_id)) == 1)

    def test_asks_who_it_is_all_the_same(self, alone: House, relays: Relays, mail: MailServer) -> None:
        with cut_off(relays):
            answer = alone.post("/v1/safety-concerns", concern(new_id()), token="not.one.of-ours")

        assert (answer.status, answer.body["heard"], mail.taken) == (401, [], [])
