"""The operator's command, as an operator types it."""

import json
import subprocess
import sys
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

from homeward.__main__ import SUBCOMMANDS, main
from shared.contracts.scheduling import SessionMissed
from shared.messaging.inbox import inbox
from tests.contracts.store import example_of

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


class TestSettings:
    def test_lists_variables_and_masks_secrets(self):
        key = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="

        told = homeward("settings", HOMEWARD_TOKEN_KEY=key, COLUMNS="200")

        assert "HOMEWARD_TOKEN_KEY" in told.output
        assert key not in told.output

    def test_points_at_a_slip_of_the_pen(self):
        assert "HOMEWARD_PROT is set but is no setting" in homeward("settings", HOMEWARD_PROT="1").output


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
        events = [message | {"id": f"event-{number}"} for number in range(503)]

        class Door(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                asked.append(query | {"authorization": self.headers["Authorization"]})
                begin = int(query.get("after", ["0"])[0])
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

    def test_begins_with_the_latest(self, feed):
        url, asked = feed

        told = homeward("events", "tail", "--url", url, "--token", "good", "--once", "--json")

        ids = [json.loads(line)["id"] for line in told.output.splitlines()]
        assert ids == [f"event-{number}" for number in range(493, 503)]
        assert [query.get("after") for query in asked] == [None, ["500"]]

    def test_prints_all_when_asked(self, feed):
        url, _ = feed

        told = homeward(
            "events", "tail", "--url", url, "--token", "good", "--once", "--all", "--type", "session_missed"
        )

        lines = told.output.splitlines()
        assert len(lines) == 503
        assert lines[0].startswith("2026-02-02T15:00:00Z  scheduling  session_missed")
        assert "consecutive=3" in lines[0]

    def test_says_why_it_is_refused(self, feed):
        url, _ = feed

        refused = homeward("events", "tail", "--url", url, "--once", HOMEWARD_TOKEN="bad")

        assert refused.exit_code == 1
        assert "401: Who are you?" in refused.output

    def test_says_how_to_begin_without_a_set_up(self, tmp_path):
        refused = homeward("events", "tail", HOMEWARD_DATA_DIR=str(tmp_path))

        assert refused.exit_code == 2
        assert "make run" in refused.output
