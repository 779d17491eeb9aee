"""What a process tells: JSON lines without sensitive values, metrics without ids."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared import telemetry

BEGINNING = """
import logging, structlog
from shared import telemetry
telemetry.configure_logging("INFO")
"""


def logged_by(program: str) -> list[dict[str, Any]]:
    """Return what a process of its own logs: logging is set up once for each process."""
    done = subprocess.run(
        [sys.executable, "-c", BEGINNING + program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
class TestLogs:
    def test_are_json_lines_with_time_and_level(self):
        (line,) = logged_by(
            "structlog.get_logger().warning('reaction_failed', reaction='reach_out', attempts=3)"
        )

        assert line["event"] == "reaction_failed"
        assert line["level"] == "warning"
        assert line["attempts"] == 3
        assert line["timestamp"].endswith("Z")

    def test_withhold_what_is_not_listed(self):
        (line,) = logged_by("structlog.get_logger().info('registered', given_name='Marisol', status=201)")

        assert line["status"] == 201
        assert "Marisol" not in json.dumps(line)
        assert line["given_name"] == "<str withheld>"

    def test_carry_the_trace(self):
        (line,) = logged_by(
            "telemetry.traceparent.set('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01')\n"
            "structlog.get_logger().info('started')"
        )

        assert line["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"

    def test_leave_out_what_is_less_severe(self):
        assert logged_by("structlog.get_logger().debug('step')") == []

    def test_of_libraries_say_where_and_never_what(self):
        (line,) = logged_by(
            "try:\n"
            "    raise ValueError('Marisol Reyes is unknown')\n"
            "except ValueError:\n"
            "    logging.getLogger('kombu.mixins').exception('Cannot read %s', 'Marisol Reyes')\n"
            "logging.getLogger('kombu.mixins').info('Connected as %s', 'Marisol Reyes')"
        )

        assert line["logger"] == "kombu.mixins"
        assert line["error"] == "ValueError"
        assert "Marisol" not in json.dumps(line)


class TestMetrics:
    def test_are_served_in_the_form_of_prometheus(self):
        telemetry.reactions.labels("reach_out", "done").inc()

        content_type, body = telemetry.metrics_page()

        assert content_type.startswith("text/plain")
        assert b'homeward_reactions_total{outcome="done",reaction="reach_out"}' in body
