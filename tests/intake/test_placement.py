"""Placement: the table's vectors, and the laws that hold over every profile."""

import itertools

import pytest

from services.intake.domain import placement
from shared.contracts.intake import LEVELS_OF_CARE, WITHDRAWAL_GATES

PROFILES = list(itertools.product(placement.RATINGS, repeat=6))


def recommend(
    *ratings: int, home_unsafe: bool = False, gate: str | None = None, minor: bool = False
) -> placement.Recommendation:
    return placement.recommend(ratings=ratings, home_unsafe=home_unsafe, gate_least_level=gate, minor=minor)


class TestRecommend:
    @pytest.mark.parametrize(
        ("ratings", "level", "deciding"),
        [
            ((4, 0, 0, 0, 0, 0), "4", (1,)),
            ((0, 4, 4, 0, 0, 0), "4", (2, 3)),
            ((0, 0, 4, 4, 4, 4), "4", (3,)),
            ((3, 0, 0, 0, 0, 0), "3.7", (1,)),
            ((0, 3, 3, 0, 4, 0), "3.7", (2,)),
            ((0, 0, 3, 0, 0, 0), "3.5", (3,)),
            ((0, 0, 3, 0, 4, 0), "3.5", (3, 5)),
            ((2, 0, 3, 0, 0, 0), "3.7", (1, 3)),
            ((0, 0, 0, 0, 4, 0), "3.5", (5,)),
            ((0, 0, 0, 0, 0, 4), "3.1", (6,)),
            ((0, 2, 0, 0, 0, 4), "3.7", (2, 6)),
            ((2, 0, 0, 0, 0, 0), "2.5", (1,)),
            ((0, 2, 0, 0, 0, 3), "2.5", (2,)),
            ((0, 0, 0, 4, 0, 0), "2.5", (4,)),
            ((0, 0, 2, 0, 3, 0), "2.5", (3, 5)),
            ((0, 0, 0, 3, 3, 0), "2.5", (4, 5)),
            ((0, 0, 1, 3, 2, 2), "2.1", (4, 5, 6)),
            ((0, 0, 2, 2, 0, 0), "2.1", (3, 4)),
            ((1, 1, 1, 0, 0, 2), "2.1", (6,)),
            ((0, 0, 0, 0, 0, 3), "2.1", (6,)),
            ((1, 0, 1, 1, 1, 1), "1", (1, 3, 4, 5, 6)),
            ((0, 0, 0, 0, 0, 0), "1", (1, 2, 3, 4, 5, 6)),
        ],
    )
    def test_follows_the_table_from_the_top(
        self, ratings: tuple[int, ...], level: str, deciding: tuple[int, ...]
    ) -> None:
        found = recommend(*ratings)

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
            assert found.rule_version == placement.RULE_VERSION

    def test_every_rule_of_the_table_decides_some_profile(self) -> None:
        deciding = {recommend(*ratings).reasons[0][0] for ratings in PROFILES}

        assert deciding == {rule.code for rule in placement.RULES}

    def test_gates_are_ranked_from_clear_to_emergency(self) -> None:
        assert (WITHDRAWAL_GATES[0], WITHDRAWAL_GATES[-1]) == ("CLEAR", "EMERGENCY")
