"""The one next step of somebody on the way into the program, in plain words, and what to bring.

Whoever asks gets exactly one next step, whatever the state, so that nobody is left without one.
"""

from collections.abc import Collection
from dataclasses import dataclass

from services.intake.domain import pre_screens
from services.intake.domain.admission_waits import OFFERED, WAITING, AdmissionWait
from services.intake.domain.episodes import Episode
from services.intake.domain.inquiries import OPEN, REFERRED, Inquiry

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
        Step(
            code="WAIT_FOR_PLACE",
            what="We call you as soon as there is a place. Call us when anything changes, or gets harder.",
            bring=_PAPERS,
        ),
        Step(
            code="TAKE_PLACE",
            what="There is a place for you. Tell us soon that you want it: we keep it for a day.",
            bring=(*_PAPERS, "SIGNED_FORMS", "EMERGENCY_CONTACT"),
        ),
        Step(code="CALL_NOW", what="Call or text 988, or call 911, now. Somebody answers day and night."),
        Step(
            code="TALK_WITH_US_NOW",
            what="One of us talks with you today. Call us now if you can, or call or text 988.",
        ),
        Step(
            code="ASK_US",
            what="Leave us a number or an address, with or without your name. We call or write to you.",
        ),
        Step(code="ANSWER_QUESTIONS", what="Answer a few questions. It takes less than ten minutes."),
        Step(
            code="EXPECT_CALL",
            what="We call you. Think of what you want to ask us.",
            bring=("INSURANCE_CARD", "MEDICATION_LIST"),
        ),
        Step(
            code="EXPECT_ANSWER",
            what="We write to you. Think of what you want to ask us.",
            bring=("INSURANCE_CARD", "MEDICATION_LIST"),
        ),
        Step(code="CALL_US", what="Call us when it suits you, or leave us a number here."),
        Step(
            code="ARRANGE_ASSESSMENT",
            what="Arrange with us when to come and talk about what you need. It takes about 90 minutes.",
            bring=(*_PAPERS, "EARLIER_SUMMARIES", "WEEKLY_OBLIGATIONS"),
        ),
        Step(
            code="SEE_DOCTOR_FIRST",
            what="See a doctor today, before you change anything. We help you find one.",
            bring=("PHOTO_ID", "MEDICATION_LIST"),
        ),
        Step(code="COME_BACK", what="You can come back to us any time."),
        Step(code="AFTERCARE", what="Keep to your plan. We stay in touch, and you can come back any time."),
    )
}


#: The step of somebody who is held before the admission, by why: the gravest comes first.
_WHILE_HELD = {
    "SUICIDAL_INTENT": "CALL_NOW",
    "SUICIDE_SCREEN_DUE": "TALK_WITH_US_NOW",
    "WITHDRAWAL": "SEE_DOCTOR_FIRST",
}


def next_step(
    episode: Episode, *, level_is_here: bool, held: Collection[str] = (), wait: AdmissionWait | None = None
) -> Step:
    """Return the one thing to do next.

    :param held: codes of what keeps them from being admitted.
    :param wait: their entry of the waiting list, where they are on it.
    """
    for why, code in _WHILE_HELD.items():
        if why in held:
            return _STEPS[code]
    if wait is not None and wait.state in (WAITING, OFFERED):
        return _STEPS["WAIT_FOR_PLACE" if wait.state == WAITING else "TAKE_PLACE"]
    return _STEPS[episode.next_step(level_is_here=level_is_here)]


def referred_step() -> Step:
    """Return the one thing to do of somebody whom others sent: the same for everybody."""
    return _STEPS["COMPLETE_ASSESSMENT"]


def self_check_step(*, in_danger: bool) -> Step:
    """Return the one thing to do after a self-check."""
    return _STEPS["CALL_NOW" if in_danger else "ASK_US"]


def inquiry_step(inquiry: Inquiry) -> Step:
    """Return the one thing to do next of somebody who asked for help."""
    if inquiry.state == REFERRED:
        return _STEPS["COMPLETE_ASSESSMENT"]
    if inquiry.state != OPEN:
        return _STEPS[_AFTER_DECISION[inquiry.decision or ""]]
    if inquiry.in_danger:
        return _STEPS["CALL_NOW"]
    if inquiry.pre_screen is None:
        return _STEPS["ANSWER_QUESTIONS"]
    return _STEPS["EXPECT_CALL" if inquiry.phone else "EXPECT_ANSWER" if inquiry.email else "CALL_US"]


#: The step after what a specialist decided.
_AFTER_DECISION = {
    pre_screens.ASSESSMENT_HERE: "ARRANGE_ASSESSMENT",
    pre_screens.OTHER_LEVEL: "REFER_ELSEWHERE",
    pre_screens.CLINICIAN_FIRST: "EXPECT_CALL",
    pre_screens.MEDICAL_FIRST: "SEE_DOCTOR_FIRST",
    pre_screens.EMERGENCY: "CALL_NOW",
    "NOT_WANTED": "COME_BACK",
    "NOT_REACHED": "CALL_US",
}


def every_step() -> tuple[str, ...]:
    """Return the codes of all steps."""
    return tuple(_STEPS)
