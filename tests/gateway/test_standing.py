"""Intake's word on consents counts for half a minute, and no longer."""

import time

import pytest

from gateway import standing
from shared.ids import new_id

TENANT = "lakeside"


@pytest.fixture
def words() -> standing._Words:
    return standing._Words()


class TestWords:
    def test_count_for_half_of_what_a_revocation_may_take(
        self, words: standing._Words, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        patient_id, consent_id = new_id(), new_id()
        said = {consent_id: frozenset({"ATTENDANCE"})}
        words.keep(TENANT, patient_id, said, asked_at=1000.0)

        found = []
        for now in (1000.0, 1000.0 + standing.WORD_COUNTS_FOR_SECONDS - 0.01, 1030.0, 5000.0):
            monkeypatch.setattr(time, "monotonic", lambda now=now: now)
            found.append(words.of(TENANT, patient_id))

        assert found == [said, said, None, None]
        assert standing.WORD_COUNTS_FOR_SECONDS <= 60 / 2

    def test_are_of_one_tenant(self, words: standing._Words) -> None:
        patient_id = new_id()
        words.keep(TENANT, patient_id, {}, asked_at=time.monotonic())

        assert words.of(TENANT, patient_id) == {}
        assert words.of("hillside", patient_id) is None

    def test_are_never_kept_without_end(
        self, words: standing._Words, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(standing, "MOST_REMEMBERED", 3)
        ids = [new_id() for _ in range(4)]
        for patient_id in ids:
            words.keep(TENANT, patient_id, {}, asked_at=time.monotonic())

        assert [words.of(TENANT, patient_id) for patient_id in ids] == [None, None, None, {}]
