"""Placement by the 4th edition: the steps from the top, and the law over its codes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain import placement4
from shared.errors import InvalidInput
from tests.intake.placement_vectors import VECTORS_4

SUBDIMENSIONS = tuple(placement4.newest().needs)
#: The mildest code of each: what asks for nothing, but for 4A, which always asks for something.
NOTHING = {name: placement4.every_code(name)[-1] for name in SUBDIMENSIONS}


def recommend(codes: dict[str, str], **emergency: bool) -> placement4.Recommendation:
    return placement4.recommend(NOTHING | codes, **emergency)


def rank(codes: dict[str, str]) -> int:
    return placement4.LEVELS.index(recommend(codes).level)


class TestRecommend:
    @pytest.mark.parametrize(("codes", "level", "services"), VECTORS_4)
    def test_determines_the_level_from_the_top(
        self, codes: dict[str, str], level: str, services: tuple[str, ...]
    ) -> None:
        found = recommend(codes)

        assert (found.level, found.services) == (level, services)

    def test_stops_at_an_emergency(self) -> None:
        assert recommend({}, hospital_symptoms=True).level == "4"
        assert recommend({}, imminent_psychiatric_danger=True).level == "4PSYCH"

    def test_names_what_decided_and_what_else_is_possible(self) -> None:
        found = recommend({"4A": "B", "5A": "A"})

        assert set(found.deciding) == {"4A", "5A"}
        assert recommend({"1B": "4"}).deciding == ("1B",)
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
    def test_no_path_ends_in_a_bare_denial(self, data: Any) -> None:
        codes = {name: data.draw(st.sampled_from(placement4.every_code(name))) for name in SUBDIMENSIONS}

        found = recommend(codes)

        assert found.deciding
        assert found.alternatives
        assert all(one.level != found.level for one in found.alternatives)

    def test_level_2_1_has_neither_a_medical_nor_a_psychiatric_variant(self) -> None:
        assert not {"2.1COE", "2.1BIO"} & set(placement4.LEVELS)
