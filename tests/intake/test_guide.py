"""The one next step: there in every state, in words that give nothing away."""

import itertools

import pytest

from services.intake.domain import guide
from shared.contracts.intake import EPISODE_STATES, INQUIRY_DECISIONS
from shared.discretion import reveals
from tests.intake.builders import episode, inquiry

#: Somebody who asked for help, in every place where that can stand.
INQUIRIES = [
    inquiry(),
    inquiry(in_danger=True),
    inquiry(pre_screen={}),
    inquiry(pre_screen={}, phone=None),
    *(inquiry(state="DECIDED", decision=decision) for decision in INQUIRY_DECISIONS),
    inquiry(state="REFERRED"),
]


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

    def test_is_there_wherever_an_inquiry_stands(self) -> None:
        for one in INQUIRIES:
            step = guide.inquiry_step(one)

            # Where help is has to be said in so many words.
            assert step.what
            assert step.code == "CALL_NOW" or not reveals(step.what)

    def test_every_step_is_reached(self) -> None:
        reached = {
            guide.next_step(episode(state=state), level_is_here=here).code
            for state in EPISODE_STATES
            for here in (False, True)
        }
        reached |= {guide.inquiry_step(one).code for one in INQUIRIES}
        reached |= {guide.self_check_step(in_danger=danger).code for danger in (False, True)}

        assert reached == set(guide.every_step())
