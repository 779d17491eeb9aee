"""Placement by the 4th edition: the steps from the top, and the law over its codes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain import placement, placement4
from shared.contracts.intake import LEVELS_OF_CARE_4
from shared.errors import InvalidInput
from tests.intake.placement_vectors import VECTORS_4

SUBDIMENSIONS = tuple(placement4.newest().needs)
#: The mildest code of each: what asks for nothing, but for 4A, which always asks for something.
NOTHING = {name: placement4.every_code(name)[-1] for name in SUBDIMENSIONS}


def recommend(codes: dict[str, str], **besides: Any) -> placement.Recommendation:
    return placement4.recommend(NOTHING | codes, **besides)


def rank(codes: dict[str, str]) -> int:
    return LEVELS_OF_CARE_4.index(recommend(codes).level)


class TestRecommend:
    @pytest.mark.parametrize(("codes", "level", "services"), VECTORS_4)
    def test_determines_the_level_from_the_top(
        self, codes: dict[str, str], level: str, services: tuple[str, ...]
    ) -> None:
        found = recommend(codes)

        assert (found.level, found.services) == (level, services)

    @pytest.mark.parametrize(
        ("codes", "least", "level", "decided_by"),
        [
            ({"4A": "B"}, "4", "4", "WITHDRAWAL_GATE"),
            ({"4A": "B"}, "3.7", "3.7", "WITHDRAWAL_GATE"),
            # A medical need beside treatment at home is another level than the 3rd edition's 2.5.
            ({"4A": "B"}, "2.5", "2.7", "WITHDRAWAL_GATE"),
            ({"4A": "D"}, "2.5", "3.7", "WITHDRAWAL_GATE"),
            ({"1B": "3A"}, "2.5", "3.7", "1B-3A"),
        ],
    )
    def test_is_raised_by_the_withdrawal_gate(
        self, codes: dict[str, str], least: str, level: str, decided_by: str
    ) -> None:
        found = recommend(codes, gate_least_level=least)

        assert (found.level, found.deciding_dimensions) == (level, (1,))
        assert [code for code, _ in found.reasons] == [decided_by]

    def test_is_psychiatric_care_where_somebody_means_to_act_on_thoughts_of_suicide(self) -> None:
        found = recommend({}, imminent_psychiatric_danger=True, gate_least_level="2.5")

        assert (found.level, found.deciding_dimensions) == ("4PSYCH", (3,))
        assert recommend({"1A": "4"}, imminent_psychiatric_danger=True).level == "4"

    def test_names_what_decided_and_what_else_is_possible(self) -> None:
        found = recommend({"4A": "B", "5A": "A"})

        assert set(found.deciding_subdimensions) == {"4A", "5A"}
        assert recommend({"1B": "4"}).deciding_subdimensions == ("1B",)
        assert found.deciding_dimensions == (4, 5)
        assert found.reasons[0] == ("4A-B", "4A is rated B, which asks for level 2.1 at least.")
        assert [one.level for one in found.alternatives] == ["2.5", "1.5"]
        assert found.rule_version == "ASAM4-1"

    @pytest.mark.parametrize("codes", [{"1A": "9"}, {"4A": "0"}, {"9Z": "A"}, {"3B": "1A"}])
    def test_refuses_codes_that_are_not_its_own(self, codes: dict[str, str]) -> None:
        with pytest.raises(InvalidInput):
            recommend(codes)

    def test_refuses_a_mixed_edition(self) -> None:
        with pytest.raises(InvalidInput) as refused:
            placement4.recommend({"1": "3", "2": "0"})

        assert len(refused.value.problems) == len(SUBDIMENSIONS)

    def test_ships_off(self) -> None:
        assert not placement4.newest().ships_on


class TestLaws:
    @given(data=st.data())
    def test_a_worse_code_never_lowers_the_level(self, data: Any) -> None:
        codes = {name: data.draw(st.sampled_from(placement4.every_code(name))) for name in SUBDIMENSIONS}
        name = data.draw(st.sampled_from(SUBDIMENSIONS))
        listed = placement4.every_code(name)
        worse = data.draw(st.sampled_from(listed[: listed.index(codes[name]) + 1]))

        assert rank(codes | {name: worse}) >= rank(codes)

    @given(data=st.data())
    def test_what_is_needed_besides_never_lowers_the_level(self, data: Any) -> None:
        codes = {name: data.draw(st.sampled_from(placement4.every_code(name))) for name in SUBDIMENSIONS}
        least = data.draw(st.sampled_from([None, "2.5", "3.7", "4"]))

        raised = placement4.recommend(
            codes, gate_least_level=least, imminent_psychiatric_danger=data.draw(st.booleans())
        )

        assert LEVELS_OF_CARE_4.index(raised.level) >= rank(codes)
        assert raised.deciding_dimensions
        assert raised.reasons

    @given(data=st.data())
    def test_no_path_ends_in_a_bare_denial(self, data: Any) -> None:
        codes = {name: data.draw(st.sampled_from(placement4.every_code(name))) for name in SUBDIMENSIONS}

        found = recommend(codes)

        assert found.deciding_dimensions
        assert found.alternatives
        assert all(one.level != found.level for one in found.alternatives)

    def test_level_2_1_has_neither_a_medical_nor_a_psychiatric_variant(self) -> None:
        assert not {"2.1COE", "2.1BIO"} & set(LEVELS_OF_CARE_4)
