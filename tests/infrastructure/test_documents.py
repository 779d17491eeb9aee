"""Documents: what they name is there."""

import re
import subprocess
from pathlib import Path

import pytest

from shared.settings import Settings, describe_settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    place.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "homeward/**/*.md", "bench/**/*.md")
    for place in ROOT.glob(pattern)
)

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=str)


def text_of(document: Path) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


class TestDocuments:
    @every_document
    def test_link_to_what_is_there(self, document):
        targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text_of(document))

        missing = [target for target in targets if not ((ROOT / document).parent / target).exists()]

        assert not missing

    @every_document
    def test_name_targets_that_make_knows(self, document):
        known = set(re.findall(r"^([a-z-]+):", text_of(Path("Makefile")), re.MULTILINE))
        named = set(re.findall(r"(?:`|^)make ([a-z-]+)", text_of(document), re.MULTILINE))

        assert named <= known

    @every_document
    def test_name_settings_that_exist(self, document):
        known = {line.variable for line in describe_settings(Settings())}
        # Of the compose file, and of the command that follows events.
        known |= {"HOMEWARD_PORTS", "HOMEWARD_TOKEN"}

        assert set(re.findall(r"HOMEWARD_[A-Z_]+[A-Z]", text_of(document))) <= known

    def test_list_every_decision(self):
        listed = set(re.findall(r"\((\d{4}-[\w-]+\.md)\)", text_of(Path("docs/decisions/README.md"))))

        assert listed == {place.name for place in (ROOT / "docs/decisions").glob("[0-9]*.md")}


class TestMake:
    def test_shows_its_front_page(self):
        shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

        for target in ("demo", "run", "test", "lint", "sure", "fast"):
            assert f"  make {target} " in shown
