"""The tests of ``make fast`` need no server, and are chosen before anything starts one."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
class TestFastLane:
    def test_leaves_out_every_test_that_asks_for_a_database(self) -> None:
        """All of these ask for one, by a fixture of a fixture, and not by a mark of their own."""
        (marks,) = re.findall(r'^fast:.*\n.* -m "([^"]+)"', (ROOT / "Makefile").read_text(), re.MULTILINE)
        collected = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "--collect-only",
                "-q",
                "-m",
                marks,
                "tests/aftercare/test_service.py",
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

        assert collected.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, collected.stdout
