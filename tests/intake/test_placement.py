"""Placement: the table's vectors, and the laws that hold over every profile."""

import itertools
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs import write_placement
from services.intake.domain import placement
from shared.contracts.intake import LEVELS_OF_CARE, WITHDRAWAL_GATES
from tests.intake.placement_vectors import VECTORS

PROFILES = list(itertools.product(placement.RATINGS, repeat=6))


def recommend(
    *ratings: int, home_unsafe: bool = False, gate: str | None = None, minor: bool = False
) -> placement.Recommendation:
    return placement.recommend(ratings=ratings, home_unsafe=home_unsafe, gate_least_level=gate, minor=minor)


class TestRecommend:
    @pytest.mark.parametrize(("ratings", "home_unsafe", "gate", "level", "deciding"), VECTORS)
    def test_follows_the_rules_from_the_top(
        self,
        ratings: tuple[int, ...],
        home_unsafe: bool,
        gate: str | None,
        level: str,
        deciding: tuple[int, ...],
    ) -> None:
        found = recommend(*ratings, home_unsafe=home_unsafe, gate=gate)

        assert (found.level, found.deciding_dimensions) == (level, deciding)

    def test_sends_nobody_home_to_a_severe_and_unsafe_environment(self) -> None:
        assert recommend(0, 0, 0, 0, 0, 3, home_unsafe=True).level == "3.1"
        assert recommend(0, 0, 0, 0, 0, 2, home_unsafe=True).level == "2.1"

    def test_names_the_services_that_a_day_program_must_add(self) -> None:
        assert recommend(2, 0, 0, 0, 0, 0).services == ("MEDICAL",)
        assert recommend(0, 0, 2, 0, 3, 0).services == ("PSYCHIATRIC",)

    def test_is_raised_by_the_gate_which_then_decides(self) -> None:
        found = recommend(0, 0, 0, 2, 0, 0, gate="3.7")

        assert (found.level, found.deciding_dimensions) == ("3.7", (1,))
        assert [code for code, _ in found.reasons] == ["WITHDRAWAL_GATE", "STRUCTURE_NEEDED"]

    def test_is_never_lowered_by_the_gate(self) -> None:
        assert recommend(4, 0, 0, 0, 0, 0, gate="2.5").level == "4"

    def test_sends_a_minor_to_a_clinician_with_that_word(self) -> None:
        found = recommend(0, 0, 0, 2, 0, 0, minor=True)

        assert found.level == "2.1"
        assert found.reasons[-1][0] == "MINOR"
        assert "minor" in found.reasons[-1][1]
        assert found.alternatives[0].code == "ADOLESCENT_PROGRAM"


class TestLaws:
    """Held over all 15,625 profiles, with a safe and an unsafe home, and with every gate."""

    def test_there_are_15625_profiles(self) -> None:
        assert len(PROFILES) == 15_625

    @pytest.mark.parametrize("gate", [None, "2.5", "3.7", "4"])
    @pytest.mark.parametrize("home_unsafe", [False, True])
    def test_a_worse_rating_never_lowers_the_level(self, home_unsafe: bool, gate: str | None) -> None:
        rank = {
            ratings: LEVELS_OF_CARE.index(recommend(*ratings, home_unsafe=home_unsafe, gate=gate).level)
            for ratings in PROFILES
        }

        lowered = [
            (ratings, place)
            for ratings in PROFILES
            for place in range(6)
            if ratings[place] < 4
            and rank[(*ratings[:place], ratings[place] + 1, *ratings[place + 1 :])] < rank[ratings]
        ]

        assert lowered == []

    def test_neither_an_unsafe_home_nor_a_gate_lowers_the_level(self) -> None:
        for ratings in PROFILES:
            plain = LEVELS_OF_CARE.index(recommend(*ratings).level)
            assert LEVELS_OF_CARE.index(recommend(*ratings, home_unsafe=True).level) >= plain
            assert LEVELS_OF_CARE.index(recommend(*ratings, gate="2.5").level) >= plain

    def test_no_path_ends_in_a_bare_denial(self) -> None:
        for ratings in PROFILES:
            found = recommend(*ratings)
            assert found.alternatives
            assert all(alternative.level != found.level for alternative in found.alternatives)
            assert found.deciding_dimensions
            assert found.reasons
            assert found.rule_version == placement.newest().rule_version

    def test_every_rule_of_the_table_decides_some_profile(self) -> None:
        deciding = {recommend(*ratings).reasons[0][0] for ratings in PROFILES}

        assert deciding == {rule.code for rule in placement.newest().rules}

    def test_gates_are_ranked_from_clear_to_emergency(self) -> None:
        assert (WITHDRAWAL_GATES[0], WITHDRAWAL_GATES[-1]) == ("CLEAR", "EMERGENCY")

    @given(
        ratings=st.tuples(*[st.sampled_from(placement.RATINGS)] * 6),
        worse=st.tuples(*[st.integers(0, 4)] * 6),
        home_unsafe=st.booleans(),
        gates=st.tuples(*[st.sampled_from([None, "2.5", "3.7", "4"])] * 2),
    )
    def test_nothing_that_is_worse_lowers_the_level(
        self,
        ratings: tuple[int, ...],
        worse: tuple[int, ...],
        home_unsafe: bool,
        gates: tuple[str | None, str | None],
    ) -> None:
        """All of it may get worse at once: ratings, the home and the gate."""
        milder, graver = sorted(gates, key=lambda gate: LEVELS_OF_CARE.index(gate) if gate else -1)
        after = tuple(min(4, rating + more) for rating, more in zip(ratings, worse, strict=True))

        before_level = recommend(*ratings, home_unsafe=home_unsafe, gate=milder).level
        after_level = recommend(*after, home_unsafe=True, gate=graver).level

        assert LEVELS_OF_CARE.index(after_level) >= LEVELS_OF_CARE.index(before_level)


class TestReadPack:
    """A pack that contradicts itself places nobody."""

    def told(self, **changes: Any) -> bytes:
        told: dict[str, Any] = {
            "code": "PLACEMENT_ASAM3",
            "version": 9,
            "title": "Made up",
            "edition": "ASAM3",
            "licence": {"terms": "ours", "ships_on": True},
            "source": "nowhere",
            "rules": [self.rule("4", least=4), self.rule("1")],
            "alternatives": {"1": [["2.1", "MORE"]], "4": [["3.7", "LATER"]]},
        }
        return orjson.dumps(told | changes)

    @staticmethod
    def rule(level: str, least: int | None = None, of: tuple[int, ...] = (1,)) -> dict[str, Any]:
        when = [{"any": [{"least": least, "of": of}]}] if least is not None else []
        return {"code": f"TO_{level}", "text": "…", "level": level, "services": [], "when": when, "also": []}

    def test_reads_one_that_holds_together(self) -> None:
        assert placement.read_pack(self.told()).rule_version == "ASAM3-9"

    def test_refuses_one_that_leaves_something_out(self) -> None:
        for changes in (
            {"rules": []},
            {"rules": [self.rule("4", least=4)]},
            {"rules": [self.rule("4", least=9), self.rule("1")]},
            {"rules": [self.rule("4", least=4, of=(7,)), self.rule("1")]},
            {"rules": [self.rule("9")]},
            {"alternatives": {"1": [["2.1", "MORE"]]}},
            {"alternatives": {"1": [["1", "SAME"]], "4": [["3.7", "LATER"]]}},
            {"alternatives": {"1": [], "4": [["3.7", "LATER"]]}},
            {"licence": None},
        ):
            with pytest.raises(placement.PackInvalid):
                placement.read_pack(self.told(**changes))


def test_the_page_shows_what_is_tested() -> None:
    assert write_placement.PLACE.read_text(encoding="utf-8") == write_placement.render()
