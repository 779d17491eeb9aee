"""The one next step: there in every state, in words that give nothing away."""

import itertools

import pytest

from services.intake.domain import guide
from shared.contracts.intake import EPISODE_STATES
from shared.discretion import reveals
from tests.intake.builders import episode


class TestNextStep:
    @pytest.mark.parametrize(
        ("state", "minor", "level_is_here"),
        list(itertools.product(EPISODE_STATES, [False, True], [False, True])),
    )
    def test_is_there_whatever_the_state(self, state: str, minor: bool, level_is_here: bool) -> None:
        step = guide.next_step(episode(state=state, minor=minor), level_is_here=level_is_here)

        assert step.what
        assert not reveals(step.what)

    def test_says_what_to_bring_before_somebody_comes(self) -> None:
        assert "PHOTO_ID" in guide.next_step(episode(), level_is_here=True).bring

    def test_every_step_is_reached(self) -> None:
        reached = {
            guide.next_step(episode(state=state), level_is_here=here).code
            for state in EPISODE_STATES
            for here in (False, True)
        }

        assert reached == set(guide.every_step())
