"""One house for all tests at the door, with a program in full swing inside."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.door.program import Opening, Program
from tests.journeys.house import EmbeddedHouse, discarded_after


@pytest.fixture(scope="package")
def house() -> Iterator[EmbeddedHouse]:
    """Start the embedded set-up once for all tests here."""
    with tempfile.TemporaryDirectory(prefix="hw-door-") as folder:
        # The user that PostgreSQL runs as must reach it.
        Path(folder).chmod(0o755)
        with discarded_after(EmbeddedHouse(Path(folder))) as house:
            yield house


@pytest.fixture(scope="package")
def program(house: EmbeddedHouse) -> Program:
    """Fill the house."""
    return Opening(house).open()
