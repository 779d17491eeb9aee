"""Names, contacts and free text are found nowhere in the clear: seeded, then searched for."""

import base64
import functools
import json
import os
import re
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

import orjson
import pytest
import sqlalchemy as sa
import urllib3

from shared.contracts.event import SERVICES
from shared.database import new_engine
from shared.ids import new_id
from shared.settings import environment_of
from tests.door.program import SECRETS, Program, assessment, person
from tests.journeys.house import ROOT, EmbeddedHouse

pytestmark = pytest.mark.journey

#: Words that stand in the seeded texts alone: none is a word of the program or of its code.
WORDS = re.findall(
    r"\S+",
    """
    Zerelda Featherstonehaugh Thaddeus Okonkwo Brandtner quillmoor Bartholomew Huckleberry Philippa
    Quackenbush Ignatius Periwinkle Clementine Kankakee Wapshott Ebenezer Wilhelmina Studebaker Muskrat
    euphonium Gooseberry Octavia Marmalade Cheboygan Larkspur Leopold 3125550987 5550987 555-0987
    1971-07-19 1972-07-19 1973-07-19 1974-07-19 1975-07-19 Hortensia Lindqvist Rutabaga Eulalia
    Theophania Marchbanks 3125550765 555-0765 3125550654 555-0654
    """,
)

_UUID = re.compile(r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}")


def forms_of(text: str) -> Iterator[bytes]:
    """Return a text as it may lie about: as it is, escaped, encoded, and in either case."""
    for one in {text, text.lower(), text.upper()}:
        raw = one.encode()
        yield raw
        yield one.encode("utf-16-le")
        yield raw.hex().encode()
        yield raw.hex().upper().encode()
        yield json.dumps(one)[1:-1].encode()
        yield urllib.parse.quote(one).encode()
        yield urllib.parse.quote_plus(one).encode()
        # Of base64 that begins anywhere before, one of these three is a part.
        for before in range(3):
            encoded = base64.b64encode(b"\0" * before + raw)
            yield encoded[4 if before else 0 : len(encoded) // 4 * 4 - 4]


FORMS = {
    form: what
    for what, text in [*SECRETS.items(), *((word, word) for word in WORDS)]
    for form in forms_of(text)
    if len(form) >= 7
}


def any_of(forms: list[bytes]) -> bytes:
    """Return an expression for the longest of these that stands somewhere.

    Told one after the other, thousands of forms would be tried at every place: here each place is asked
    for its first byte, and only where some form begins with that one for the next.
    """
    by_first: dict[int, list[bytes]] = {}
    for form in forms:
        if form:
            by_first.setdefault(form[0], []).append(form[1:])
    ways = [
        re.escape(bytes([first])) + (any_of(rests) if any(rests) else b"")
        for first, rests in by_first.items()
    ]
    group = b"(?:" + b"|".join(ways) + b")"
    # Longer ones come first.
    return group + b"?" if b"" in forms else group if len(ways) > 1 else ways[0]


_ANY = re.compile(any_of(list(FORMS)))


def found_in(content: bytes | str) -> set[str]:
    """Return which secrets stand in it."""
    raw = content.encode() if isinstance(content, str) else content
    return {FORMS[found] for found in _ANY.findall(raw)}


@dataclass
class Shaken:
    """A house in which much was said and much went wrong."""

    house: EmbeddedHouse
    program: Program
    #: What the door answered to bad requests, and what failing reactions wrote.
    said: list[bytes]

    @functools.cached_property
    def tables(self) -> dict[str, list[bytes]]:
        """Return each table with every column of every row, as PostgreSQL writes it and as raw bytes."""
        found = {}
        for service in SERVICES:
            engine = new_engine(self.house.settings.database_url_of(service))
            with engine.connect() as connection:
                for table in sa.inspect(connection).get_table_names():
                    rows = connection.exec_driver_sql(f'SELECT t::text, t.* FROM "{table}" t')
                    found[f"{service}.{table}"] = [_raw(value) for row in rows for value in row]
            engine.dispose()
        return found


def _raw(value: object) -> bytes:
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    return orjson.dumps(value, default=str) if isinstance(value, dict | list) else str(value).encode()


@pytest.fixture(scope="module")
def shaken(house: EmbeddedHouse, program: Program) -> Shaken:
    """Let things go wrong with the secrets in hand."""
    door, answers = house.door, []
    secret = SECRETS["goals"]
    spoiled = [
        (f"/v1/episodes/{program.referred.episode_id}/assessments", assessment(dimensions=["2"] * 9)),
        (
            f"/v1/episodes/{program.referred.episode_id}/assessments",
            {"goals": {secret: secret}, secret: secret},
        ),
        (f"/v1/episodes/{new_id()}/assessments", assessment()),
        (f"/v1/episodes/{program.decided.episode_id}/level-decisions", {"level": secret}),
        ("/v1/referrals", {"site_id": new_id(), "referral_source": "7", "patient": person(40)}),
        ("/v1/referrals", {"patient": {name: [text] for name, text in person(41).items()}}),
        (f"/v1/outreach/{program.outreach_id}/attempts", {"channel": secret, "note": SECRETS["outreach"]}),
        (f"/v1/episodes/{program.discharged.episode_id}/discharge", {"reason_code": "2", "summary": secret}),
        (f"/v1/patients/{urllib.parse.quote(SECRETS['given_name'])}/consents", {"kind": "TREATMENT"}),
    ]
    for path, body in spoiled:
        answer = door.send("POST", path, body)
        assert answer.status in (404, 409, 422), (path, answer)
        answers.append(orjson.dumps(answer.body))
    assert door.send("POST", "/v1/referrals", f'{{"patient": "{secret}'.encode()).status == 400
    assert door.send("POST", f"/v1/{urllib.parse.quote(secret)}", {}).status == 404
    assert door.send("GET", f"/v1/sites?after={urllib.parse.quote(secret)}").status == 422
    assert door.send("GET", "/v1/sites", token=secret).status == 401
    imported = door.post(
        "/v1/referral-imports",
        {
            "site_id": program.site_id,
            "referral_source": "7",
            "rows": [
                {"line": 2, "patient": person(42)},
                {"line": 3, "patient": person(43) | {"birth_date": secret}},
                {"line": 4, "patient": secret},
            ],
        },
    ).ok
    known = door.post("/v1/phone-lookups", {"phone": SECRETS["phone"]}, role="front_desk").ok
    assert "Zerelda" in {one["given_name"] for one in known["found"]}
    door.settle()
    assert door.get(imported["href"]).ok["state"] == "done"
    stumble = [sys.executable, "-m", "tests.door.stumble"]
    ended = subprocess.run(  # our own program
        stumble,
        cwd=ROOT,
        env={**os.environ, **environment_of(house.settings)},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode()[-2000:]
    said = [*answers, ended.stdout + ended.stderr]
    return Shaken(house, program, said)


class TestSearch:
    def test_would_find_a_secret_in_any_form(self) -> None:
        text = SECRETS["goals"]
        for form in (text.encode(), text.upper().encode(), text.encode().hex().encode()):
            assert found_in(b"before " + form + b" after")
        assert found_in(base64.b64encode(b"He said: " + text.encode() + b" And more."))
        assert found_in(urllib.parse.quote(SECRETS["email"]))
        assert found_in(json.dumps({"to": SECRETS["phone"]}))
        assert not found_in(b"A walk in the park.")

    def test_looks_where_the_secrets_truly_are(self, shaken: Shaken) -> None:
        patient = shaken.house.door.get(f"/v1/patients/{shaken.program.treated.patient_id}").ok
        assert found_in(orjson.dumps(patient)) >= {
            "Zerelda",
            "Featherstonehaugh",
            "phone",
            "email",
        }
        goals = shaken.house.door.get(f"/v1/assessments/{shaken.program.treated.assessment_id}").ok["goals"]
        assert goals == SECRETS["goals"]
        sealed = {name for name, values in shaken.tables.items() if values}
        assert {"intake.patients", "intake.assessments", "monitoring.outreach_attempts"} <= sealed


class TestSecrets:
    def test_are_not_in_the_tables(self, shaken: Shaken) -> None:
        found = {
            name: hits for name, values in shaken.tables.items() if (hits := found_in(b"\n".join(values)))
        }
        assert found == {}

    def test_are_in_no_parked_reaction_and_no_unreadable_message(self, shaken: Shaken) -> None:
        tables = shaken.tables
        parked = [value for value in tables["scheduling.inbox"] if value == b"parked"]
        assert len(parked) == 1
        assert len(tables["scheduling.quarantine"]) > 0
        assert not found_in(b"\n".join(tables["scheduling.inbox"] + tables["scheduling.quarantine"]))

    def test_are_not_in_the_logs(self, shaken: Shaken) -> None:
        assert len(shaken.house.logs) > 10_000
        assert found_in(shaken.house.logs) == set()

    def test_are_not_in_the_log_of_the_database(self, shaken: Shaken) -> None:
        log = shaken.house.folder / "postgres" / "postgresql.log"
        assert found_in(log.read_bytes()) == set()

    def test_are_not_in_the_metrics(self, shaken: Shaken) -> None:
        metrics = urllib3.request("GET", shaken.house.door.url + "/metrics").data
        assert b"homeward_http_requests_total" in metrics
        assert found_in(metrics) == set()
        assert not _UUID.search(metrics.decode())

    def test_are_not_in_the_events(self, shaken: Shaken) -> None:
        events = shaken.house.door.events()
        assert len({event["type"] for event in events}) > 15
        assert found_in(orjson.dumps(events)) == set()

    def test_are_not_in_refusals_nor_in_what_failing_reactions_say(self, shaken: Shaken) -> None:
        assert b"reaction_failed" in shaken.said[-1]
        assert b"message_unreadable" in shaken.said[-1]
        # The name of a field that nobody knows is told to whoever sent it, and to nobody else.
        unknown = orjson.dumps(SECRETS["goals"])[1:-1]
        answers = [answer for answer in shaken.said[:-1] if answer.count(unknown) != 1]
        assert len(answers) >= len(shaken.said) - 2
        assert found_in(b"\n".join([*answers, shaken.said[-1]])) == set()

    def test_are_not_in_what_operators_see(self, shaken: Shaken) -> None:
        shown = subprocess.run(  # our own program
            [sys.executable, "-m", "homeward", "parked", "list"],
            cwd=ROOT,
            env={**os.environ, **environment_of(shaken.house.settings)},
            capture_output=True,
            check=False,
        )
        assert b"stumble" in shown.stdout, shown.stderr
        assert found_in(shown.stdout + shown.stderr) == set()

    def test_are_not_in_what_operators_are_answered(self, shaken: Shaken) -> None:
        answer = shaken.house.door.get("/v1/parked-items", role="operations").ok
        assert [(item["service"], item["kind"], item["name"]) for item in answer["items"]] == [
            ("scheduling", "REACTION", "stumble")
        ]
        assert found_in(orjson.dumps(answer)) == set()


class TestLogLines:
    def test_name_routes_and_never_addresses(self, shaken: Shaken) -> None:
        lines = [orjson.loads(line) for line in shaken.house.logs.splitlines() if line.startswith("{")]
        routes = {line["route"] for line in lines if "route" in line}
        assert "POST /v1/episodes/{episode_id}/assessments" in routes
        assert not [route for route in routes if _UUID.search(route) or "?" in route or "%" in route]
        assert not re.search(rf"/v1/[^\s\"]*{_UUID.pattern}", shaken.house.logs)

    def test_name_no_patient_and_no_episode(self, shaken: Shaken) -> None:
        program = shaken.program
        for who in (
            program.referred,
            program.decided,
            program.treated,
            program.elsewhere,
            program.discharged,
        ):
            assert who.patient_id not in shaken.house.logs
            assert who.episode_id not in shaken.house.logs
