"""The operator's command, as an operator types it."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from gateway.tokens import Verifier
from homeward.__main__ import SUBCOMMANDS, main
from shared.clock import real_now
from shared.contracts.event import Actor
from shared.contracts.scheduling import SessionMissed
from shared.ids import new_id
from shared.messaging.inbox import inbox
from tests.contracts.store import example_of
from tests.support import settings_for_tests

ROOT = Path(__file__).parents[2]

#: Asks for help, and prints what of eventlet was imported on the way.
ASK_FOR_HELP = """
import sys
from homeward.__main__ import main

try:
    main(["--help"])
except SystemExit:
    print([name for name in sys.modules if "eventlet" in name])
"""


def homeward(*arguments: str, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(main, list(arguments))


class TestMain:
    def test_lists_its_commands_without_loading_them(self):
        asked = subprocess.run(
            [sys.executable, "-c", ASK_FOR_HELP], cwd=ROOT, capture_output=True, text=True, check=True
        )

        assert all(f"  {name} " in asked.stdout for name in SUBCOMMANDS)
        assert asked.stdout.endswith("[]\n")

    @pytest.mark.parametrize(
        "name",
        [
            "settings",
            "migrate",
            "token",
            "parked",
            "trace",
            "resend",
            "quarantine",
            "work",
            "rules",
            "events",
            "simulate",
            "demo",
        ],
    )
    def test_finds_every_command(self, name):
        told = homeward(name, "--help")

        assert told.exit_code == 0
        assert "Usage:" in told.output

    def test_refuses_a_command_that_does_not_exist(self):
        assert homeward("dance").exit_code == 2

    def test_names_a_setting_that_cannot_be_used(self):
        refused = homeward("settings", HOMEWARD_PORT="eight thousand")

        assert refused.exit_code == 1
        assert "HOMEWARD_PORT: must be a whole number" in refused.output


@pytest.mark.slow
class TestRun:
    """In a process of its own: it patches the one that it is loaded in."""

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "homeward", "run", *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            ([], "Name the services to host"),
            (["intake"], "give --all"),
            (["kitchen"], "'kitchen' is not one of"),
            (["--all", "--simulated-from", "yesterday"], "RFC 3339"),
            (["--all", "--simulated-from", "2026-02-02T08:00:00"], "offset from UTC"),
        ],
    )
    def test_refuses_what_it_cannot_do(self, arguments, why, tmp_path):
        refused = self.run(*arguments, HOMEWARD_CLOCK="simulated", HOMEWARD_DATA_DIR=str(tmp_path / "data"))

        assert refused.returncode == 2, refused.stderr
        assert why in refused.stderr
        assert not (tmp_path / "data").exists()

    @pytest.mark.parametrize("variable", ["HOMEWARD_PORT", "HOMEWARD_HEALTH_PORT"])
    def test_refuses_a_port_in_use_and_names_its_variable(self, variable, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            given = {"HOMEWARD_PORT": "0", "HOMEWARD_DATA_DIR": str(tmp_path / "data"), variable: port}
            refused = self.run("--all", **given)

        assert refused.returncode == 1, refused.stderr
        assert (
            refused.stderr == f"Error: Port {port} on 127.0.0.1 is in use: set {variable} to another one.\n"
        )
        assert not (tmp_path / "data").exists()

    def test_refuses_data_of_another_postgresql_in_a_sentence(self, data_of_another_postgresql):
        refused = self.run("--all", HOMEWARD_PORT="0", HOMEWARD_DATA_DIR=str(data_of_another_postgresql))

        assert refused.returncode == 1, refused.stderr
        assert "was made by PostgreSQL 9" in refused.stderr
        assert "Traceback" not in refused.stderr


@pytest.fixture
def data_of_another_postgresql() -> Iterator[Path]:
    """A folder of the embedded set-up whose database an earlier PostgreSQL made."""
    # Not pytest's own folder: root's is closed to the user that PostgreSQL runs as.
    with tempfile.TemporaryDirectory(prefix="hw-data-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        data = folder / "postgres" / "data"
        data.mkdir(parents=True)
        (data / "PG_VERSION").write_text("9\n")
        yield folder


class TestMigrate:
    def test_brings_a_database_up_to_date_and_does_so_again(self, postgres_server):
        run = new_id().replace("-", "")
        postgres_server.create_databases([f"gateway_{run}"])
        url = postgres_server.url_of("{service}_" + run)

        for _ in range(2):
            told = homeward("migrate", "gateway", HOMEWARD_DATABASE_URL=url)

            assert (told.exit_code, told.output) == (0, "gateway: done\n")

    def test_writes_a_migration_for_one_service_only(self):
        refused = homeward("migrate", "--new", "Say what changes")

        assert refused.exit_code == 2
        assert "Name the one service" in refused.output

    def test_says_that_the_database_is_away(self):
        nowhere = "postgresql+psycopg2://nobody@127.0.0.1:9/{service}"

        refused = homeward("migrate", "intake", HOMEWARD_DATABASE_URL=nowhere)

        assert refused.exit_code == 1
        assert refused.output.startswith("Error: The database of intake does not answer")


class TestSettings:
    def test_lists_variables_and_masks_secrets(self):
        key = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="

        told = homeward("settings", HOMEWARD_TOKEN_KEY=key, COLUMNS="200")

        assert "HOMEWARD_TOKEN_KEY" in told.output
        assert key not in told.output

    def test_cuts_no_name_where_the_terminal_is_narrow(self):
        told = homeward("settings", COLUMNS="80")

        for variable in ("HOMEWARD_PARKED_AFTER_ATTEMPTS", "HOMEWARD_DATABASE_URL_MONITORING"):
            assert f" {variable} " in told.output

    def test_points_at_a_slip_of_the_pen(self):
        assert "HOMEWARD_PROT is set but is no setting" in homeward("settings", HOMEWARD_PROT="1").output


class TestToken:
    KEY = settings_for_tests().token_key

    def test_is_one_of_whom_it_was_made_for(self):
        told = homeward(
            "token", "clinician", "rosa", "--tenant", "lakeside", "--partner", "front-end", "--credential",
            "LCSW", "--scope", "patients:read", HOMEWARD_TOKEN_KEY=self.KEY,
        )  # fmt: skip

        assert told.exit_code == 0, told.output
        caller = Verifier(self.KEY).caller_of(f"Bearer {told.output.strip()}")
        assert (caller.tenant_id, caller.partner) == ("lakeside", "front-end")
        assert caller.actor == Actor(actor_id="rosa", role="clinician", credential="LCSW")
        assert caller.scopes == {"patients:read"}

    def test_holds_for_as_long_as_was_asked_for(self):
        told = homeward("token", "operations", "rosa", "--hours", "2", HOMEWARD_TOKEN_KEY=self.KEY)

        caller = Verifier(self.KEY).caller_of(f"Bearer {told.output.strip()}")
        assert 0 < caller.expires - real_now().timestamp() <= 2 * 3600
        assert caller.tenant_id == "demo"

    def test_is_signed_with_the_key_of_the_embedded_set_up(self, tmp_path):
        (tmp_path / "keys.json").write_text(json.dumps({"token_key": self.KEY}))

        told = homeward("token", "operations", "rosa", HOMEWARD_DATA_DIR=str(tmp_path))

        assert Verifier(self.KEY).caller_of(f"Bearer {told.output.strip()}").actor.actor_id == "rosa"

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (["king", "rosa"], "'king' is not one of"),
            (["clinician", "rosa", "--scope", "everything"], "no such scope: everything"),
            (["clinician", ""], "does not say who asks"),
            (["patient", "rosa"], "bound to one patient"),
            (["clinician", "rosa", "--hours", "0"], "--hours"),
        ],
    )
    def test_is_not_made_where_it_would_not_hold(self, arguments, why):
        refused = homeward("token", *arguments, HOMEWARD_TOKEN_KEY=self.KEY)

        assert refused.exit_code == 2
        assert why in refused.output

    def test_is_not_made_without_a_key(self, tmp_path):
        refused = homeward("token", "operations", "rosa", HOMEWARD_DATA_DIR=str(tmp_path))

        assert refused.exit_code == 2
        assert "HOMEWARD_TOKEN_KEY" in refused.output
        assert list(tmp_path.iterdir()) == []


class TestRulesDiff:
    def test_finds_nothing_between_a_version_and_itself(self):
        assert homeward("rules", "diff", "PHQ9", "1", "1").output == ""

    def test_counts_the_profiles_whose_level_would_change(self):
        told = homeward("rules", "diff", "PLACEMENT_ASAM3", "1", "1")

        assert told.output == "0 of 31250 profiles change.\n"

    def test_knows_no_other_pack(self):
        assert homeward("rules", "diff", "HOROSCOPE", "1", "2").exit_code == 1


class TestParked:
    MISSED = example_of(SessionMissed)

    @pytest.fixture
    def operate(self, database_of: Callable[[str], str]) -> Iterator[Callable[..., Result]]:
        """Run ``homeward parked`` on a database in which one reaction is parked."""
        url = database_of("monitoring")
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.execute(
                inbox.insert().values(
                    event_id=self.MISSED.event_id,
                    reaction="reach_out",
                    tenant_id=self.MISSED.tenant_id,
                    type="session_missed",
                    state="parked",
                    body=self.MISSED.to_bytes(),
                    received_at=datetime(2026, 2, 3, 1, tzinfo=UTC),
                    attempts=8,
                    error="ZeroDivisionError",
                )
            )

        def run(*arguments: str) -> Result:
            command, *rest = arguments
            return homeward(
                "parked", command, *rest, "--service", "monitoring", HOMEWARD_DATABASE_URL_MONITORING=url,
                HOMEWARD_DATABASE_URL="postgresql+psycopg2:///{service}",
            )  # fmt: skip

        self.engine = engine
        yield run
        engine.dispose()

    def row(self) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(sa.select(inbox)).one()

    def test_lists_what_waits_for_a_human(self, operate):
        told = operate("list")

        assert told.exit_code == 0, told.output
        assert self.MISSED.event_id in told.output
        assert "reach_out" in told.output
        assert "ZeroDivisionError" in told.output
        assert told.output.endswith("1 parked\n")

    def test_shows_the_event_behind_it(self, operate):
        told = operate("show", self.MISSED.event_id)
        assert told.exit_code == 0, told.exception
        shown = json.loads(told.output)

        assert shown["service"] == "monitoring"
        assert shown["attempts"] == 8
        assert shown["event"]["data"] == self.MISSED.event.to_data()

    def test_gives_fresh_attempts_on_a_retry(self, operate):
        told = operate("retry", self.MISSED.event_id, "--why", "fixed in 0.1.3", "--who", "rosa")

        assert told.output == "monitoring: 1 will be tried again\n"
        assert (self.row().state, self.row().attempts, self.row().resolved_by) == ("waiting", 0, "rosa")
        assert operate("list").output.endswith("0 parked\n")

    def test_keeps_the_reason_of_a_skip(self, operate):
        told = operate("skip", self.MISSED.event_id, "--why", "merged by hand", "--who", "rosa")

        assert told.output == "monitoring: 1 skipped\n"
        assert (self.row().state, self.row().resolution) == ("skipped", "skip: merged by hand")

    def test_says_when_the_databases_are_not_made_yet(self, postgres_server):
        name = f"bare_{new_id().replace('-', '')}"
        postgres_server.create_databases([name])
        url = postgres_server.url_of(name)

        refused = homeward("parked", "list", "--service", "intake", HOMEWARD_DATABASE_URL_INTAKE=url,
                           HOMEWARD_DATABASE_URL="postgresql+psycopg2:///{service}")  # fmt: skip

        assert refused.exit_code == 1
        assert "run homeward migrate" in refused.output

    def test_says_when_the_own_database_cannot_be_started(self, data_of_another_postgresql):
        refused = homeward("parked", "list", HOMEWARD_DATA_DIR=str(data_of_another_postgresql))

        assert refused.exit_code == 1
        assert "was made by PostgreSQL 9" in refused.output

    def test_wants_a_reason(self, operate):
        assert operate("skip", self.MISSED.event_id).exit_code == 2
        assert self.row().state == "parked"

    @pytest.mark.parametrize("command", ["show", "retry", "skip"])
    def test_says_when_nothing_is_parked(self, operate, command):
        why = () if command == "show" else ("--why", "a guess")

        told = operate(command, "00000000-0000-4000-8000-000000000000", *why)

        assert told.exit_code == 1
        assert "Nothing is parked under this id." in told.output


class TestEventsTail:
    @pytest.fixture
    def feed(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """A gateway that serves two pages of events; returns its address and what it was asked."""
        asked: list[dict[str, Any]] = []
        message = json.loads(example_of(SessionMissed).to_bytes())
        message["data"]["levels"] = ["1", "2.1"]
        events = [message | {"id": f"event-{number}"} for number in range(503)]

        class Door(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                asked.append(query | {"authorization": self.headers["Authorization"]})
                if not self.path.startswith("/v1/"):
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(b"<html>A page of something else</html>")
                    return
                newest = int(query.get("last", [str(len(events))])[0])
                begin = int(query.get("after", [str(len(events) - newest)])[0])
                page = events[begin : begin + int(query["limit"][0])]
                known = self.headers["Authorization"] == "Bearer good"
                body = (
                    {"items": page, "next": str(begin + len(page))} if known else {"detail": "Who are you?"}
                )
                self.send_response(200 if known else 401)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}", asked
            server.shutdown()

    def test_begins_with_the_latest_and_asks_for_no_others(self, feed):
        url, asked = feed

        told = homeward("events", "tail", "--url", url, "--token", "good", "--once", "--json")

        ids = [json.loads(line)["id"] for line in told.output.splitlines()]
        assert ids == [f"event-{number}" for number in range(493, 503)]
        assert [(query.get("last"), query.get("after")) for query in asked] == [(["10"], None)]

    def test_begins_where_it_is_told_to(self, feed):
        url, _ = feed

        told = homeward(
            "events", "tail", "--url", url, "--token", "good", "--once", "--json", "--after", "500"
        )

        assert [json.loads(line)["id"] for line in told.output.splitlines()] == [
            "event-500",
            "event-501",
            "event-502",
        ]

    def test_begins_in_one_place_only(self, feed):
        url, asked = feed

        refused = homeward("events", "tail", "--url", url, "--token", "good", "--all", "--after", "500")

        assert refused.exit_code == 2
        assert "--all or --after" in refused.output
        assert asked == []

    def test_prints_all_when_asked(self, feed):
        url, asked = feed

        told = homeward(
            "events", "tail", "--url", url, "--token", "good", "--once", "--all", "--type", "session_missed"
        )

        lines = told.output.splitlines()
        assert len(lines) == 503
        assert lines[0].startswith("2026-02-02T15:00:00Z  scheduling  session_missed")
        assert "consecutive=3" in lines[0]
        assert lines[0].endswith("levels=1,2.1")
        assert [query.get("after") for query in asked] == [None, ["500"]]

    def test_says_why_it_is_refused(self, feed):
        url, _ = feed

        refused = homeward("events", "tail", "--url", url, "--once", HOMEWARD_TOKEN="bad")

        assert refused.exit_code == 1
        assert "401: Who are you?" in refused.output

    @pytest.mark.parametrize("command", [("events", "tail", "--once"), ("rules", "list")])
    def test_says_that_something_else_answers(self, feed, command):
        url, _ = feed

        refused = homeward(*command, "--url", f"{url}/elsewhere", "--token", "good")

        assert refused.exit_code == 1
        assert refused.output == f"Error: What answers at {url}/elsewhere is no Homeward: 200.\n"

    def test_says_how_to_begin_without_a_set_up(self, tmp_path):
        refused = homeward("events", "tail", HOMEWARD_DATA_DIR=str(tmp_path))

        assert refused.exit_code == 2
        assert "make run" in refused.output
