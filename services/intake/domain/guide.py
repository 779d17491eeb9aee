"""The one next step of somebody on the way into the program, in plain words, and what to bring.

Whoever asks gets exactly one next step, whatever the state, so that nobody is left without one.
"""

from dataclasses import dataclass

from services.intake.domain.episodes import Episode

#: What an assessment goes better with. Design default.
_PAPERS = ("PHOTO_ID", "INSURANCE_CARD", "MEDICATION_LIST")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One next step: its code, what it is in plain words, and codes of what to bring."""

    code: str
    what: str
    bring: tuple[str, ...] = ()


#: The steps by their code. The words reveal nothing about the kind of care: they may be read over a
#: shoulder.
_STEPS = {
    step.code: step
    for step in (
        Step(
            code="COMPLETE_ASSESSMENT",
            what="Come and talk with us about what you need. It takes about 90 minutes.",
            bring=(*_PAPERS, "EARLIER_SUMMARIES", "WEEKLY_OBLIGATIONS"),
        ),
        Step(
            code="DECIDE_LEVEL_OF_CARE",
            what="One of us looks at what you told us and talks with you about what fits.",
        ),
        Step(
            code="ADMIT_PATIENT",
            what="Come in to start: we go through the papers together and agree on your first week.",
            bring=(*_PAPERS, "SIGNED_FORMS", "EMERGENCY_CONTACT"),
        ),
        Step(
            code="REFER_ELSEWHERE",
            what="We find a place with you that fits better, and stay with you until you are there.",
            bring=_PAPERS,
        ),
        Step(code="FOLLOW_UP_REFERRAL", what="Go to the place that we found. We will ask how it went."),
        Step(code="ATTEND_PROGRAM", what="Come to your next session.", bring=("MEDICATION_LIST",)),
        Step(code="AFTERCARE", what="Keep to your plan. We stay in touch, and you can come back any time."),
    )
}


def next_step(episode: Episode, *, level_is_here: bool) -> Step:
    """Return the one thing to do next."""
    return _STEPS[episode.next_step(level_is_here=level_is_here)]


def every_step() -> tuple[str, ...]:
    """Return the codes of all steps."""
    return tuple(_STEPS)
