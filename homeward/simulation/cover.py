"""Who pays in the simulation: the insurance of the row, what the payer authorises, what others are told."""

from datetime import timedelta
from typing import Any

from homeward.simulation import people, staff
from homeward.simulation.agenda import Turn
from homeward.simulation.cases import Case
from homeward.simulation.report import PROGRAM_LEVEL
from homeward.simulation.world import World
from shared.contracts import roles
from shared.contracts.event import write_moment
from shared.contracts.intake import SELF_PAY

#: Code of HLTHINS → how the payer is called here; None for whoever has none. Source: TEDS code book.
PAYERS: dict[int, str | None] = {1: "PRIVATE", 2: "MEDICAID", 3: "MEDICARE_OR_OTHER", 4: None}

#: Cents a day: the price for whoever pays themself, and what each payer allows. Assumption: round figures
#: in an order that is usual; no fee schedule was read.
RATES = {SELF_PAY: 30_000, "PRIVATE": 25_000, "MEDICARE_OR_OTHER": 20_000, "MEDICAID": 15_000}

#: What somebody with private insurance pays themself of a day, in cents. Assumption.
COPAY = 3_000

#: Share of requests that a payer denies. Assumption.
DENIES = 0.04

#: Who lives in the household of somebody without insurance, at most, and what it earns in a year, low and
#: high, in thousands of dollars. Assumption.
LARGEST_HOUSEHOLD, YEARLY_INCOME = 5, (8, 70)

#: Days of care that a payer authorises at once, and within how many days of the calendar they have to be
#: used. Assumption: three a week to the end of the program's longest course.
AUTHORIZED_DAYS, AUTHORIZED_WITHIN = 48, timedelta(days=125)


def payer_of(case: Case) -> str | None:
    """Return who pays for somebody, recorded or drawn by the national counts; None for nobody."""
    return PAYERS[people.recorded_or_drawn(case.admission, case.draws, "HLTHINS")]


def set_rates(world: World) -> None:
    """Tell what a day of the program costs, and what each payer allows for it."""
    for payer, amount in RATES.items():
        world.gateway.post(
            f"/v1/sites/{world.site_id}/rates",
            {
                "payer": payer,
                "level": PROGRAM_LEVEL,
                "amount": amount,
                "effective_on": world.on(world.now).isoformat(),
            },
            role=roles.OPERATIONS,
        )


def clear_up(world: World, case: Case) -> None:
    """Ask the payer of somebody whom the program takes; who has none is told what it would cost."""
    payer = payer_of(case)
    if payer is None:
        _pay_themself(world, case)
        return
    now = write_moment(world.now)
    cover = world.gateway.post(
        f"/v1/patients/{case.patient_id}/eligibility-answers",
        {
            "payer": payer,
            "status": "ACTIVE",
            "in_network": True,
            "needs_authorization": True,
            "copay": COPAY if payer == "PRIVATE" else 0,
            "answered_at": now,
        },
        role=roles.FRONT_DESK,
    )
    denied = case.draws.happens(DENIES, "authorization", case.reentries)
    decision: dict[str, Any] = {"decision": "APPROVED", "units": AUTHORIZED_DAYS}
    if denied:
        decision = {"decision": "DENIED", "units": 0, "denial_code": "NOT_MEDICALLY_NECESSARY"}
    today = world.on(world.now)
    world.gateway.post(
        f"/v1/episodes/{case.episode_id}/authorizations",
        decision
        | {
            "coverage_id": cover["coverage_id"],
            "first_on": today.isoformat(),
            "last_on": (today + AUTHORIZED_WITHIN).isoformat(),
            "decided_at": now,
        },
        role=roles.FRONT_DESK,
    )
    world.latest = "a payer " + ("denied days of care" if denied else "authorised days of care")


def _pay_themself(world: World, case: Case) -> None:
    episode_id = case.episode_id
    low, high = YEARLY_INCOME
    fee = world.gateway.post(
        f"/v1/episodes/{episode_id}/fee-assessments",
        {
            "household_size": case.draws.between(1, LARGEST_HOUSEHOLD, "household"),
            "yearly_income": 100_000 * case.draws.between(low, high, "income"),
            "proof": "PAY_STUBS",
        },
        role=roles.FRONT_DESK,
    )
    world.answers.append(("sliding_fees", f"pays {fee['pays_percent']} percent"))
    world.gateway.post(
        f"/v1/episodes/{episode_id}/self-pay",
        {"reason": "UNINSURED", "asks_for_estimate": True},
        role=roles.FRONT_DESK,
    )
    what = f"estimate {case.reentries}"
    world.agenda.add(
        world.office_hours(world.now + staff.task_delay(case.draws, what)),
        Turn.DESK,
        case.name,
        what,
        lambda: world.gateway.post(f"/v1/episodes/{episode_id}/cost-estimates", {}, role=roles.FRONT_DESK),
    )
