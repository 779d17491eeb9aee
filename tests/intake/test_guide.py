"""The one next step: there in every state, in words that give nothing away."""

import itertools

import pytest

from services.intake.domain import guide
from shared.contracts.intake import ADMISSION_WAIT_STATES, EPISODE_STATES, INQUIRY_DECISIONS
from shared.discretion import reveals
from tests.intake.builders import admission_wait, episode, inquiry

#: Somebody who asked for help, in every place where that can stand.
INQUIRIES = [
    inquiry(),
    inquiry(in_danger=True),
    inquiry(pre_screen={}),
    inquiry(pre_screen={}, phone=None),
    inquiry(pre_screen={}, phone=None, email="noor@example.org"),
    *(inquiry(state="DECIDED", decision=decision) for decision in INQUIRY_DECISIONS),
    inquiry(state="REFERRED"),
]


def waiting_step(state: str) -> guide.Step:
    return guide.next_step(episode(state="DECIDED"), level_is_here=True, wait=admission_wait(state=state))


#: Why somebody is held before the admission, the gravest last.
HELD = ("WITHDRAWAL", "SUICIDE_SCREEN_DUE", "SUICIDAL_INTENT")


def held_step(*why: str) -> guide.Step:
    return guide.next_step(episode(state="DECIDED"), level_is_here=True, held=why)


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

    @pytest.mark.parametrize(
        ("state", "code"),
        [
            ("WAITING", "WAIT_FOR_PLACE"),
            ("OFFERED", "TAKE_PLACE"),
            ("ACCEPTED", "ADMIT_PATIENT"),
            ("REMOVED", "ADMIT_PATIENT"),
        ],
    )
    def test_tells_those_who_wait_what_becomes_of_it_and_not_their_place(self, state: str, code: str) -> None:
        step = waiting_step(state)

        assert step.code == code
        assert not reveals(step.what)

    def test_of_somebody_in_danger_is_about_the_gravest_one(self) -> None:
        steps = [held_step(*HELD[: place + 1]).code for place in range(len(HELD))]

        assert steps == ["SEE_DOCTOR_FIRST", "TALK_WITH_US_NOW", "CALL_NOW"]

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
        reached |= {waiting_step(state).code for state in ADMISSION_WAIT_STATES}
        reached |= {held_step(why).code for why in HELD}
        reached |= {guide.self_check_step(in_danger=danger).code for danger in (False, True)}

        assert reached == set(guide.every_step())
