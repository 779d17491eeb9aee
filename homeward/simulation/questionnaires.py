"""What people answer to instruments in the simulation, and how somebody at risk is screened again.

Every adult fills in the PHQ-9 and the AUDIT-C on the day of the referral; who is in treatment the PHQ-9
again, as often as its pack asks; and who is reached 30 and 90 days after the discharge both. A clinician
gives the suicide screen whenever the server asks for it. All answers are drawn by the tables below:
assumptions, not published figures, unless they say otherwise.
"""

from datetime import datetime, timedelta
from typing import Any

from homeward.simulation import staff
from homeward.simulation.agenda import Turn
from homeward.simulation.cases import Case
from homeward.simulation.people import recorded_or_drawn
from homeward.simulation.world import World
from shared.contracts import roles

#: Sum of the first eight items of the PHQ-9, low and high, by the rating of dimension 3. Assumption.
PHQ9_OF_RATING: tuple[tuple[int, int], ...] = ((0, 4), (3, 9), (7, 14), (11, 18), (14, 22))
#: Points by which that sum falls from one occasion in treatment to the next. Assumption.
MENDS_BY = 1
#: Points by which it has fallen by a follow-up after the discharge. Assumption.
MENDED_LATER = 4
#: The ninth item on the day of the referral, as the answer about suicide in the assessment has it.
ITEM_9: dict[str, int] = {"NONE": 0, "PASSIVE": 1, "ACTIVE": 2}
#: Chance of a one there later on, by that answer. Assumption.
ITEM_9_LATER: dict[str, float] = {"NONE": 0.004, "PASSIVE": 0.2, "ACTIVE": 0.3}

#: Weights of what a suicide screen finds after a one, and after a two, at the ninth item. Assumption.
SCREEN_FINDS: dict[int, dict[str, float]] = {
    1: {"NONE": 0.2, "LOW": 0.55, "MODERATE": 0.25},
    2: {"HIGH": 1.0},
}
#: Chance that a screen that is given again finds nothing any more. Assumption.
RISK_PASSES = 0.6
#: Most points of the CIWA-Ar of somebody whose withdrawal is rated again: it stays mild. Assumption.
MILD_WITHDRAWAL = 7
#: Questions of the C-SSRS that are answered with yes, by grade; its bands are the pack's.
YES_TO: dict[str, tuple[str, ...]] = {
    "NONE": (),
    "LOW": ("1",),
    "MODERATE": ("1", "2", "3"),
    "HIGH": ("1", "2", "3", "4"),
}
#: After how long the screen is given again, at the next office hours: before it is due, but for weekends.
AGAIN_AFTER = {"LOW": timedelta(days=6), "MODERATE": timedelta(hours=20), "HIGH": timedelta(hours=20)}

#: Answers to each item of the AUDIT-C, low and high, by the recorded frequency of drinking of those whom
#: alcohol troubles; the first item alone of the others. Assumption.
AUDIT_C_OF_DRINKING: dict[int, tuple[int, int]] = {1: (1, 3), 2: (2, 4), 3: (3, 4)}
AUDIT_C_OF_OTHERS = (0, 1)

#: Days from the admission to the first occasion in treatment. Assumption.
FIRST_AFTER = 7
#: The hour at which forms are filled in in treatment: evening groups begin then.
AT_HOUR = 17
#: Days to the next PHQ-9, and after one below so many points. Source: its pack (every two weeks, monthly
#: below 5).
EVERY_DAYS, EVERY_DAYS_BELOW, BELOW = 14, 30, 5

#: Days after the discharge of the follow-ups with forms. Source: the packs.
FOLLOW_UP_DAYS = (30, 90)


def at_referral(world: World, case: Case) -> None:
    """Have somebody fill in the first forms, unless they are a minor: the packs are for adults."""
    if case.person.minor:
        return
    _answer_audit_c(world, case, "referral")
    _answer_phq9(world, case, "referral", mended=0, item_9=ITEM_9[case.findings.danger.suicidal_intent])


def at_follow_up(world: World, case: Case, *, days: int) -> None:
    """Have somebody who was reached after their discharge answer over the telephone."""
    if days in FOLLOW_UP_DAYS:
        n = f"follow-up {case.reentries}.{days}"
        _answer_audit_c(world, case, n, mode="REMOTE")
        _answer_phq9(world, case, n, mended=MENDED_LATER, item_9=_item_9_later(case, n), mode="REMOTE")


def rate_withdrawal(world: World, case: Case, *, asked_at: datetime) -> None:
    """Have a clinician rate withdrawal from alcohol, when the server asks for it again."""
    n = f"withdrawal {asked_at}"
    total = case.draws.between(0, MILD_WITHDRAWAL, "CIWA-Ar again", n)
    answers = {str(item): 0 for item in range(1, 11)} | {"1": total}
    world.agenda.add(
        world.office_hours(world.now + staff.task_delay(case.draws, n)),
        Turn.DESK,
        case.name,
        n,
        lambda: _post(world, case, "CIWA_AR", answers, rated_by="OBSERVER", role=roles.CLINICIAN),
    )


def expect(world: World, case: Case) -> None:
    """Write into the agenda when somebody who was admitted fills in the next form."""
    assert case.admitted_at is not None
    day = world.on(case.admitted_at) + timedelta(days=FIRST_AFTER)
    _fill_in_later(world, case, world.at(day, AT_HOUR), number=1)


def _fill_in_later(world: World, case: Case, at: Any, *, number: int) -> None:
    episode_id = case.episode_id
    world.agenda.add(
        at,
        Turn.DESK,
        case.name,
        f"questionnaires {case.reentries}.{number}",
        lambda: _fill_in(world, case, episode_id, number=number),
    )


def _fill_in(world: World, case: Case, episode_id: str, *, number: int) -> None:
    if not case.in_treatment or case.episode_id != episode_id or case.course is None:
        return
    days = EVERY_DAYS
    if not case.course.has_left(on=world.on(world.now)):
        n = f"treatment {case.reentries}.{number}"
        total = _answer_phq9(world, case, n, mended=number * MENDS_BY, item_9=_item_9_later(case, n))
        days = EVERY_DAYS_BELOW if total < BELOW else EVERY_DAYS
    day = world.on(world.now) + timedelta(days=days)
    _fill_in_later(world, case, world.at(day, AT_HOUR), number=number + 1)


def phq9_answers(case: Case, n: str, *, mended: int, item_9: int) -> dict[str, int]:
    """Draw what somebody answers to the PHQ-9.

    :param mended: points by which the first eight items have fallen since the referral.
    """
    low, high = PHQ9_OF_RATING[case.findings.ratings[2]]
    whole = max(0, case.draws.between(low, high, "PHQ-9", n) - mended)
    each, more = divmod(whole, 8)
    return {str(item): each + (item <= more) for item in range(1, 9)} | {"9": item_9}


def audit_c_answers(case: Case, n: str) -> dict[str, int]:
    """Draw what somebody answers to the AUDIT-C."""
    draws, codes = case.draws, case.admission.codes
    problems = [problem.code for problem in case.findings.problems]
    if "ALCOHOL" not in problems:
        return {"1": draws.between(*AUDIT_C_OF_OTHERS, "AUDIT-C", n), "2": 0, "3": 0}
    first = problems[0] == "ALCOHOL"
    often = recorded_or_drawn(case.admission, draws, "FREQ1") if first else codes.get("FREQ2", 2)
    return {item: draws.between(*AUDIT_C_OF_DRINKING[often], "AUDIT-C", f"{n} {item}") for item in "123"}


def screen_found(case: Case, n: str, *, item_9: int) -> str:
    """Draw what the suicide screen finds that an answer to the PHQ-9 asks for."""
    return case.draws.one_of(SCREEN_FINDS[item_9], "suicide screen", n)


def _item_9_later(case: Case, n: str) -> int:
    chance = ITEM_9_LATER[case.findings.danger.suicidal_intent]
    return int(case.draws.happens(chance, "PHQ-9 item 9", n))


def _answer_audit_c(world: World, case: Case, n: str, *, mode: str = "IN_PERSON") -> None:
    _post(world, case, "AUDIT_C", audit_c_answers(case, n), rated_by="SELF", mode=mode)


def _answer_phq9(
    world: World, case: Case, n: str, *, mended: int, item_9: int, mode: str = "IN_PERSON"
) -> int:
    """Have the PHQ-9 answered, and the screen given that an answer about death asks for; return the sum."""
    answers = phq9_answers(case, n, mended=mended, item_9=item_9)
    _post(world, case, "PHQ9", answers, rated_by="SELF", mode=mode)
    if item_9:
        world.alarming = True
        _screen(world, case, n, screen_found(case, n, item_9=item_9))
    return sum(answers.values())


def _screen(world: World, case: Case, n: str, grade: str) -> None:
    """Have a clinician give the suicide screen, in the form that the server asks for, if it does."""
    found = world.gateway.get(f"/v1/patients/{case.patient_id}/due-instruments", role=roles.CLINICIAN)
    form = next((one for one in found["due"] if one["instrument"].startswith("CSSRS")), None)
    if form is None:
        return
    answers = {one["item"]: int(one["item"] in YES_TO[grade]) for one in form["items"]}
    _post(world, case, form["instrument"], answers, rated_by="OBSERVER", role=roles.CLINICIAN)
    world.alarming = True
    if grade == "NONE":
        return
    again = f"{n}, again"
    passes = case.draws.happens(RISK_PASSES, "risk passes", again)
    world.agenda.add(
        world.office_hours(world.now + AGAIN_AFTER[grade]),
        Turn.DESK,
        case.name,
        f"screen {again}",
        lambda: _screen(world, case, again, "NONE" if passes else grade),
    )


def _post(
    world: World,
    case: Case,
    instrument: str,
    answers: dict[str, int],
    *,
    rated_by: str,
    mode: str = "IN_PERSON",
    role: str = roles.COUNSELOR,
) -> None:
    world.gateway.post(
        f"/v1/patients/{case.patient_id}/instrument-answers",
        {"instrument": instrument, "answers": answers, "rated_by": rated_by, "mode": mode},
        role=role,
    )
