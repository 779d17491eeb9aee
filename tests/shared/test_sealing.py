"""What must not be read in a table, and is found all the same."""

import base64
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from cryptography.exceptions import InvalidTag

from shared import sealing
from shared.sealing import blind_index, fingerprint, seal, sealed, unseal
from tests.support import settings_for_tests

#: Another key than the tests' own.
OTHER_KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def other_key() -> Iterator[None]:
    """Whatever is done with the key of another house; afterwards the tests have their own again."""
    sealing.use_key(OTHER_KEY)
    yield
    sealing.use_key(settings_for_tests().encryption_key)


class Letter:
    """A row with a sealed text, as tables declare them."""

    __table__ = SimpleNamespace(name="letters")

    def __init__(self, letter_id: str | None) -> None:
        self.letter_id = letter_id
        self.text_sealed: bytes | None = None
        self.answer_sealed: bytes | None = None


sealed(Letter, key="letter_id", fields=("text", "answer"))


class TestSeal:
    def test_is_opened_at_its_place(self) -> None:
        closed = seal(b"Wilhelmina plays the euphonium.", bound_to="letters.text:7")

        assert unseal(closed, bound_to="letters.text:7") == b"Wilhelmina plays the euphonium."
        assert b"euphonium" not in closed

    def test_is_opened_at_no_other_place(self) -> None:
        closed = seal(b"Wilhelmina plays the euphonium.", bound_to="letters.text:7")

        for place in ("letters.text:8", "letters.answer:7", "notes.text:7", ""):
            with pytest.raises(InvalidTag):
                unseal(closed, bound_to=place)

    def test_is_broken_by_any_change(self) -> None:
        closed = seal(b"Wilhelmina plays the euphonium.", bound_to="letters.text:7")

        for place in range(len(closed)):
            changed = closed[:place] + bytes([closed[place] ^ 1]) + closed[place + 1 :]
            with pytest.raises(InvalidTag):
                unseal(changed, bound_to="letters.text:7")

    def test_tells_nothing_by_looking_like_another(self) -> None:
        assert seal(b"yes", bound_to="letters.text:7") != seal(b"yes", bound_to="letters.text:7")

    def test_is_opened_with_no_other_key(self, request: pytest.FixtureRequest) -> None:
        closed = seal(b"Wilhelmina plays the euphonium.", bound_to="letters.text:7")
        request.getfixturevalue("other_key")

        with pytest.raises(InvalidTag):
            unseal(closed, bound_to="letters.text:7")

    @pytest.mark.parametrize("length", [0, 16, 31, 33])
    def test_needs_a_key_of_its_length(self, length: int) -> None:
        with pytest.raises(ValueError, match="32 bytes"):
            sealing.use_key(base64.b64encode(bytes(length)).decode())


class TestSealedField:
    def test_is_plain_in_the_program_and_sealed_in_the_row(self) -> None:
        letter = Letter("7")
        letter.text = "Wilhelmina plays the euphonium."

        assert letter.text == "Wilhelmina plays the euphonium."
        assert letter.text_sealed is not None
        assert b"euphonium" not in letter.text_sealed
        assert letter.answer is None

    def test_is_not_opened_in_another_row_or_column(self) -> None:
        letter, other = Letter("7"), Letter("8")
        letter.text = "Wilhelmina plays the euphonium."
        other.text_sealed = letter.answer_sealed = letter.text_sealed

        with pytest.raises(InvalidTag):
            _ = other.text
        with pytest.raises(InvalidTag):
            _ = letter.answer

    def test_needs_a_row_to_be_bound_to(self) -> None:
        with pytest.raises(RuntimeError, match="letter_id"):
            Letter(None).text = "Wilhelmina plays the euphonium."


class TestBlindIndex:
    def test_finds_a_text_however_it_is_written(self) -> None:
        written = [
            blind_index(text, tenant_id="lakeside")
            for text in ("Ada Lovelace", "  ada   LOVELACE ", "ＡＤＡ lovelace")
        ]

        assert len(set(written)) == 1

    def test_tells_texts_tenants_and_keys_apart(self, request: pytest.FixtureRequest) -> None:
        ours = blind_index("Ada Lovelace", tenant_id="lakeside")

        assert blind_index("Ada Lovelock", tenant_id="lakeside") != ours
        assert blind_index("Ada Lovelace", tenant_id="hillside") != ours
        request.getfixturevalue("other_key")
        assert blind_index("Ada Lovelace", tenant_id="lakeside") != ours


def test_a_fingerprint_is_of_one_content_at_one_place() -> None:
    ours = fingerprint(b"Ada", bound_to="commands:7")

    assert fingerprint(b"Ada", bound_to="commands:7") == ours
    assert fingerprint(b"Ida", bound_to="commands:7") != ours
    assert fingerprint(b"Ada", bound_to="commands:8") != ours
