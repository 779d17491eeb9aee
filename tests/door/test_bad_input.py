"""Nothing that is wrong with a request gets past the door: a clear problem, and no row changed."""

import dataclasses
import re
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
import urllib3

from gateway.tokens import mint
from homeward.greeting import PEOPLE, tokens_of
from shared.contracts import roles
from shared.contracts.event import SERVICES
from shared.database import new_engine
from shared.ids import new_id
from shared.settings import load_settings
from tests.door import rows
from tests.door.program import Program
from tests.door.rows import COMMANDS, MARK, ROWS, Row, Spoiled
from tests.journeys.house import Answer, House, wait_until

pytestmark = pytest.mark.journey

NAMES = sorted(COMMANDS)

#: The only rows that a refused request writes: the gateway's own record of who was refused.
RECORD_OF_REFUSALS = ("gateway", "audit")

#: Requests that tell of a danger whatever is wrong with them. It is heard before they are refused: what
#: changes is its way to a human, and nothing of what was asked for.
TELL_OF_DANGER = ("raise_safety_concern", "report_lapse")

#: What a problem document never says.
EXCEPTION_TEXT = re.compile(
    r"Traceback|Exception|psycopg|sqlalchemy|marshmallow|IntegrityError|DataError|(Type|Value|Key|Attribute)Error"
    r'|<class|object at 0x|File \\"|\.py\b|SELECT |INSERT '
)


#: Bodies that are not one JSON object, or hold what JSON or our databases do not know.
NO_JSON_OBJECTS = (
    b"{",
    b'{"a": 1,}',
    b"[]",
    b'"text"',
    b"null",
    b'{"a": NaN}',
    b"\xff{}",
    b'{"a": "\\u0000"}',
    b"[" * 50_000,
)

#: What tells whether a table has changed: table → its number of rows, and a sum of who wrote them.
Versions = dict[str, tuple[int, int]]


class Rows:
    """All rows of the five databases, as one version of each table.

    Every row carries the number of the transaction that wrote it, and numbers only grow: whatever is
    written, were it the same values again, changes the sum of a table or how many rows it has.
    """

    def __init__(self, house: House) -> None:
        self._engines = {name: new_engine(house.settings.database_url_of(name)) for name in SERVICES}
        self._connections = {
            name: engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            for name, engine in self._engines.items()
        }
        # Asked thousands of times: planning it anew would take longer than answering.
        for name in SERVICES:
            self._connections[name].exec_driver_sql(f"PREPARE versions AS {self._query(name)}")
        #: What was seen last.
        self.last: Versions = {}

    def _query(self, service: str, *, tenant: str = "") -> str:
        inspector = sa.inspect(self._connections[service])
        parts = []
        for table in sorted(inspector.get_table_names()):
            columns = {column["name"] for column in inspector.get_columns(table)}
            if (service, table) == RECORD_OF_REFUSALS:
                continue
            where = f"WHERE tenant_id = '{tenant}'" if tenant and "tenant_id" in columns else ""
            parts.append(
                f"SELECT '{table}', count(*), coalesce(sum(xmin::text::bigint), 0) FROM \"{table}\" {where}"
            )
        return " UNION ALL ".join(parts)

    def _ask(self, service: str, query: str) -> Versions:
        found = self._connections[service].exec_driver_sql(query)
        return {f"{service}.{table}": (number, int(written)) for table, number, written in found}

    def now(self) -> Versions:
        """Return the version of each table."""
        self.last = {}
        for service in SERVICES:
            self.last |= self._ask(service, "EXECUTE versions")
        return self.last

    def of_tenant(self, tenant: str) -> Versions:
        """Return the same of one tenant's rows."""
        found: Versions = {}
        for service in SERVICES:
            found |= self._ask(service, self._query(service, tenant=tenant))
        return found

    def when_quiet(self) -> Versions:
        """Return the version of each table once nothing is being written any more."""
        before: Versions = {}

        def is_quiet() -> bool:
            nonlocal before
            time.sleep(0.4)
            linked = self._all_linked()
            earlier, before = before, self.now()
            return linked and earlier == before

        wait_until(is_quiet, seconds=120, what="nothing is written any more")
        return before

    def _all_linked(self) -> bool:
        # What was recorded is put into the chain a moment later, which writes it once more.
        asked = "SELECT NOT EXISTS (SELECT FROM audit WHERE link IS NULL)"
        return all(self._connections[name].exec_driver_sql(asked).scalar() for name in SERVICES)

    def close(self) -> None:
        for name, engine in self._engines.items():
            self._connections[name].close()
            engine.dispose()


class Knock:
    """Somebody at the door who may send anything at all."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._pool = urllib3.PoolManager(maxsize=4, retries=False)

    def post(
        self,
        name: str,
        row: Row,
        body: Any,
        *,
        ids: dict[str, str] | None = None,
        token: str | None = "",
        headers: dict[str, str | None] | None = None,
        query: str = "",
    ) -> tuple[urllib3.BaseHTTPResponse, dict[str, Any]]:
        """Send a body, as bytes or as what JSON can say; an empty token stands for the right one."""
        sent: dict[str, str | None] = {
            "Content-Type": "application/json",
            "Idempotency-Key": new_id(),
            "Authorization": f"Bearer {self.house.door.tokens[row.role]}" if token == "" else token,
        }
        sent |= headers or {}
        response = self._pool.request(
            "POST",
            self.house.door.url + COMMANDS[name].path.format(**(ids or row.ids)) + query,
            body=body if isinstance(body, bytes) else orjson.dumps(body),
            headers={header: value for header, value in sent.items() if value is not None},
            timeout=30,
        )
        return response, orjson.loads(response.data)

    def is_refused(
        self, status: int, name: str, row: Row, body: Any, *, field: str | None = None, **how: Any
    ) -> dict[str, Any]:
        """Send a body and check that the refusal is clear, and gives nothing away."""
        response, problem = self.post(name, row, body, **how)
        what = (name, response.status, problem, body if len(repr(body)) < 500 else "…")
        assert response.status == status, what
        assert response.headers["Content-Type"] == "application/problem+json", what
        assert problem["status"] == status, what
        assert all(problem[part] for part in ("title", "detail", "code")), what
        assert problem["errors"], what
        assert all(error["field"] and error["rule"] for error in problem["errors"]), what
        assert not EXCEPTION_TEXT.search(response.data.decode()), what
        assert MARK not in response.data.decode(), what
        if field is not None:
            assert field in [error["field"] for error in problem["errors"]], what
        return problem


@pytest.fixture(scope="module")
def rows_(house: House, program: Program) -> Iterator[Rows]:
    found = Rows(house)
    house.door.settle()
    found.when_quiet()
    yield found
    found.close()


@pytest.fixture(scope="module")
def knock(house: House) -> Knock:
    return Knock(house)


@pytest.fixture(scope="class")
def unchanged(house: House, rows_: Rows, name: str) -> Iterator[None]:
    """Check that no row of any database has changed since the command before, whatever was tried since."""
    before = rows_.last
    yield
    if name in TELL_OF_DANGER:
        # The next command begins when the way to a human has ended.
        house.door.settle()
    after = rows_.when_quiet() if name in TELL_OF_DANGER else rows_.now()
    changed = {table for table in before if before[table] != after[table]}
    if name in TELL_OF_DANGER:
        changed = {table for table in changed if not _is_on_the_way_to_a_human(table)}
    assert changed == set()


def _is_on_the_way_to_a_human(table: str) -> bool:
    service, _, name = table.partition(".")
    # The others hear that monitoring has taken it.
    return service in ("gateway", "monitoring") or name in ("inbox", "audit")


@pytest.fixture(scope="module")
def token_key(house: House) -> str:
    return house.settings.token_key


@pytest.fixture(scope="module")
def neighbours(house: House) -> dict[str, str]:
    """Return a token for each role of another tenant."""
    return tokens_of(dataclasses.replace(house.settings, tenant="neighbours"))


@pytest.fixture(scope="module")
def strangers(house: House) -> dict[str, str]:
    """Return a token for each role of a tenant that has nothing, and gets nothing in any test."""
    return tokens_of(dataclasses.replace(house.settings, tenant="strangers"))


def token_of(key: str, role: str, **options: Any) -> str:
    person, credential = PEOPLE.get(role, (new_id(), ""))
    claims = {"tenant": load_settings({}).tenant, "actor_id": person, "credential": credential} | options
    return "Bearer " + mint(key, role=role, **claims)


class TestRowsOfThisTest:
    def test_are_there_for_every_command(self) -> None:
        assert sorted(ROWS) == NAMES

    def test_would_be_understood(self, program: Program) -> None:
        for name in NAMES:
            row = ROWS[name](program)
            assert rows.schema_of(name).validate({**row.ids, **row.body}) == {}, name
            assert set(row.ids) == set(COMMANDS[name].parameters), name
            assert row.role in rows.roles_of(name), name


@pytest.mark.parametrize("name", NAMES, scope="class")
@pytest.mark.usefixtures("unchanged")
class TestDoor:
    @pytest.fixture
    def row(self, name: str, program: Program) -> Row:
        return ROWS[name](program)

    def _refuses_each(self, knock: Knock, name: str, row: Row, spoiled: Iterator[Spoiled]) -> int:
        """Check that each is named in a refusal; several are sent in one body, for all are to be named."""
        wrong = list(spoiled)
        for several in rows.together(wrong):
            body = row.body
            for one in several:
                body = one.apply(body)
            problem = knock.is_refused(422, name, row, body)
            told = {error["field"] for error in problem["errors"]}
            for one in several:
                if one.field not in told:
                    # What else is wrong may be in its way.
                    knock.is_refused(422, name, row, one.apply(row.body), field=one.field)
        return len(wrong)

    def test_refuses_wrong_types(self, name: str, row: Row, knock: Knock) -> None:
        checked = self._refuses_each(knock, name, row, rows.wrong_types(rows.schema_of(name), row))
        assert checked or not row.body

    def test_refuses_what_lacks_a_field(self, name: str, row: Row, knock: Knock) -> None:
        self._refuses_each(knock, name, row, rows.missing(rows.schema_of(name), row))

    def test_refuses_fields_it_does_not_know(self, name: str, row: Row, knock: Knock) -> None:
        assert self._refuses_each(knock, name, row, rows.unknown(rows.schema_of(name), row))

    def test_refuses_days_and_moments_that_do_not_exist(self, name: str, row: Row, knock: Knock) -> None:
        self._refuses_each(knock, name, row, rows.impossible_moments(rows.schema_of(name), row))

    def test_refuses_values_beyond_a_rule(self, name: str, row: Row, knock: Knock) -> None:
        self._refuses_each(knock, name, row, rows.broken_rules(rows.schema_of(name), row))

    def test_refuses_ids_that_nobody_has(self, name: str, row: Row, knock: Knock) -> None:
        for field, ids, body in rows.unknown_ids(rows.schema_of(name), row):
            problem = knock.is_refused(404, name, row, body, ids=ids)
            # A refusal may name the part that the id stands in.
            assert any(field.startswith(error["field"]) for error in problem["errors"]), (field, problem)

    def test_refuses_ids_that_are_none(self, name: str, row: Row, knock: Knock) -> None:
        for field in row.ids:
            knock.is_refused(422, name, row, row.body, ids={**row.ids, field: f"{MARK}-id"}, field=field)

    def test_refuses_ids_told_twice_and_queries(self, name: str, row: Row, knock: Knock) -> None:
        for field, value in row.ids.items():
            knock.is_refused(422, name, row, {**row.body, field: value}, field=field)
        knock.is_refused(422, name, row, row.body, query=f"?no_such_field={MARK}", field="no_such_field")

    def test_refuses_bodies_that_are_too_large(self, name: str, row: Row, knock: Knock) -> None:
        body = orjson.dumps({**row.body, "padding": "x" * (1024 * 1024)})
        knock.is_refused(413, name, row, body, field="body")

    def test_refuses_bodies_that_are_no_json_object(self, name: str, row: Row, knock: Knock) -> None:
        for raw in NO_JSON_OBJECTS:
            knock.is_refused(400, name, row, raw, field="body")

    def test_refuses_bodies_of_another_kind(self, name: str, row: Row, knock: Knock) -> None:
        headers = {"Content-Type": "text/csv"}
        knock.is_refused(415, name, row, b"a,b", headers=headers, field="Content-Type")

    def test_shows_another_tenant_nothing(
        self, name: str, row: Row, knock: Knock, strangers: dict[str, str]
    ) -> None:
        if list(rows.unknown_ids(rows.schema_of(name), row)):
            problem = knock.is_refused(404, name, row, row.body, token=f"Bearer {strangers[row.role]}")
            _, field_ids, body = next(rows.unknown_ids(rows.schema_of(name), row))
            # What is another's and what is nobody's cannot be told apart.
            same = knock.is_refused(404, name, row, body, ids=field_ids)
            told = ("type", "title", "detail", "code")
            assert {part: problem[part] for part in told} == {part: same[part] for part in told}

    def test_refuses_roles_that_may_not(self, name: str, row: Row, knock: Knock, token_key: str) -> None:
        for role in sorted(set(roles.ROLES) - set(rows.roles_of(name))):
            token = token_of(token_key, role)
            knock.is_refused(403, name, row, row.body, token=token)

    def test_refuses_tokens_without_the_scope(
        self, name: str, row: Row, knock: Knock, token_key: str
    ) -> None:
        token = token_of(token_key, row.role, scopes=("sites:read",))
        knock.is_refused(403, name, row, row.body, token=token, field="scope")

    def test_refuses_those_without_a_token(self, name: str, row: Row, knock: Knock) -> None:
        knock.is_refused(401, name, row, row.body, token=None, field="Authorization")
        knock.is_refused(401, name, row, row.body, token=f"Bearer {MARK}", field="Authorization")

    def test_refuses_requests_without_a_key(self, name: str, row: Row, knock: Knock) -> None:
        headers = {"Idempotency-Key": None}
        knock.is_refused(400, name, row, row.body, headers=headers, field="Idempotency-Key")


class TestAnotherTenant:
    """What may be said of anybody, or with an id of one's own making, said with an id of ours."""

    @pytest.fixture(autouse=True)
    def ours_unchanged(self, house: House, rows_: Rows) -> Iterator[None]:
        before = rows_.of_tenant(house.settings.tenant)
        yield
        rows_.when_quiet()
        after = rows_.of_tenant(house.settings.tenant)
        assert {table for table in before if before[table] != after[table]} == set()

    def test_opens_a_site_of_its_own(
        self, house: House, program: Program, neighbours: dict[str, str]
    ) -> None:
        body = ROWS["open_site"](program).body | {"site_id": program.site_id}
        house.door.post("/v1/sites", body, token=neighbours["operations"]).expect(201)

    def test_adds_clinicians_and_groups_of_its_own(
        self, house: House, program: Program, neighbours: dict[str, str]
    ) -> None:
        token = neighbours["operations"]
        site = house.door.post("/v1/sites", ROWS["open_site"](program).body, token=token).ok
        body = ROWS["add_clinician"](program).body | {"site_id": site["site_id"]}
        added: list[Answer] = []

        def site_is_known() -> bool:
            added.append(house.door.post("/v1/clinicians", body, token=token))
            return added[-1].status != 404

        wait_until(site_is_known, seconds=60, what="scheduling knows the site")
        own = added[-1].ok
        ours = {"clinician_id": program.clinician_id}
        answer = house.door.post("/v1/clinicians", body | ours, token=token)
        assert answer.status in (201, 409), answer
        ours = {"site_id": site["site_id"], "group_id": program.group_id}
        body = ROWS["open_group"](program).body | ours | {"facilitator_id": own["clinician_id"]}
        answer = house.door.post("/v1/groups", body, token=token)
        assert answer.status in (201, 409), answer

    def test_raises_concerns_of_its_own(
        self, house: House, program: Program, neighbours: dict[str, str]
    ) -> None:
        body = ROWS["raise_safety_concern"](program).body
        house.door.post("/v1/safety-concerns", body, token=neighbours["clinician"]).expect(201)

    def test_learns_nothing_of_our_patients_by_reporting_lapses(
        self, house: House, program: Program, token_key: str
    ) -> None:
        token = token_of(token_key, roles.PARTNER, tenant="neighbours").removeprefix("Bearer ")
        body = ROWS["report_lapse"](program).body | {"reported_by": "SUPPORTER"}
        answers = [
            house.door.post("/v1/lapses", body | {"patient_id": who}, token=token)
            for who in (program.treated.patient_id, new_id())
        ]
        assert answers[0].status == answers[1].status
        assert answers[0].status in (201, 202)
        assert answers[0].body == answers[1].body


class TestImport:
    def test_of_another_tenants_site_is_refused_before_there_is_a_job(
        self, knock: Knock, program: Program, rows_: Rows, token_key: str
    ) -> None:
        row = ROWS["import_referrals"](program)
        before = rows_.when_quiet()
        token = token_of(token_key, row.role, tenant="strangers")
        knock.is_refused(404, "import_referrals", row, row.body, token=token, field="site_id")
        assert rows_.when_quiet() == before
