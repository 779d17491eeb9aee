"""The lock file: everything pinned with its hashes, nothing said about where it comes from."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


class TestLock:
    def test_names_no_address_and_no_path(self):
        assert not re.search(r"://|file:/|^-|\s@\s", LOCK, re.MULTILINE)
        assert "/" not in LOCK

    def test_pins_every_package_with_hashes(self):
        pinned = re.split(r"^(?=[a-zA-Z0-9])", LOCK, flags=re.MULTILINE)[1:]

        assert len(pinned) > 50
        for package in pinned:
            assert re.match(r"[\w.-]+==[\w.]+ \\\n    --hash=sha256:[0-9a-f]{64}", package), package[:60]

    def test_holds_all_that_is_asked_for(self):
        wanted = (ROOT / "requirements.in").read_text(encoding="utf-8")
        asked = re.findall(r"^([\w.-]+)", wanted, re.MULTILINE)
        locked = {normalised(name) for name in re.findall(r"^([\w.-]+)==", LOCK, re.MULTILINE)}

        assert {normalised(name) for name in asked} <= locked


class TestLockOfOtherFrameworks:
    def test_pins_what_is_asked_for_with_hashes_and_names_no_address(self):
        lock = (ROOT / "requirements-peers.lock").read_text(encoding="utf-8")
        asked = re.findall(
            r"^([\w.-]+)", (ROOT / "requirements-peers.in").read_text(encoding="utf-8"), re.MULTILINE
        )
        pinned = re.split(r"^(?=[a-zA-Z0-9])", lock, flags=re.MULTILINE)[1:]

        assert not re.search(r"://|file:/|^-|\s@\s", lock, re.MULTILINE)
        assert {normalised(name) for name in asked} <= {normalised(one.partition("==")[0]) for one in pinned}
        for package in pinned:
            assert re.match(r"[\w.-]+==[\w.]+ \\\n    --hash=sha256:[0-9a-f]{64}", package), package[:60]
