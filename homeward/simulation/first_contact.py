"""First contact: who comes by themselves asks for help, is called back, and becomes a referral."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from homeward.simulation import people, staff
from homeward.simulation.agenda import Turn
from homeward.simulation.cases import Case
from homeward.simulation.world import World, stepped
from shared.contracts import roles

#: TEDS code of PSOURCE: the person asked, or family or friends did for them.
BY_THEMSELVES = 1

#: Share of those who say what to call them; the others stay without a name until the talk. Assumption.
GIVES_A_NAME = 0.7
#: Share of those who answer the questions before the first talk. Assumption.
ANSWERS_QUESTIONS = 0.6
#: Share of calls that are answered. Assumption.
ANSWERS_THE_CALL = 0.8
#: The call that is answered at the latest: every row of the file is somebody who did come. Assumption.
LAST_CALL = 3

#: What somebody goes on as once they were talked with.
Then = Callable[[str], None]


def source_of(case: Case) -> int:
    """Return the TEDS code of who sent somebody: recorded, told by what is, or drawn."""
    if "PSOURCE" in case.admission.codes:
        return int(case.admission.codes["PSOURCE"])
    # TEDS fills DETCRIM only for people sent by a court or the like, which is PSOURCE 7.
    if "DETCRIM" in case.admission.codes:
        return 7
    return people.recorded_or_drawn(case.admission, case.draws, "PSOURCE")


def ask(world: World, case: Case, then: Then) -> None:
    """Ask for help over the program's own front end, and answer its questions.

    :param then: called with the inquiry's id once somebody talked with the person.
    """
    named = case.draws.happens(GIVES_A_NAME, "inquiry with a name")
    receipt = world.gateway.post(
        "/v1/inquiries",
        {
            "site_id": world.site_id,
            "consent": True,
            "phone": case.person.phone,
            "given_name": case.person.given_name if named else None,
            "voicemail_safe": False,
        },
        role=roles.FRONT_DESK,
    )
    inquiry_id = receipt["inquiry_id"]
    known = world.gateway.get(f"/v1/inquiries/{inquiry_id}", role=roles.COUNSELOR)
    # Who is in danger is somebody of this run before they have a referral.
    world.by_patient[known["patient_id"]] = case
    world.latest = "somebody asked for help"
    if case.draws.happens(ANSWERS_QUESTIONS, "pre-screen"):
        world.gateway.post(
            f"/v1/inquiry-statuses/{receipt['status_key']}/pre-screens",
            _pre_screen(case, asked=receipt["questions"]),
            role=roles.FRONT_DESK,
        )
        world.alarming = True
    soon = world.now + staff.call_back_delay(case.draws)
    _call_at(world, case, inquiry_id, then, at=world.staffed(soon), number=1)


def _call_at(world: World, case: Case, inquiry_id: str, then: Then, *, at: datetime, number: int) -> None:
    world.agenda.add(
        at, Turn.DESK, case.name, f"call back {number}", lambda: _call(world, case, inquiry_id, then, number)
    )


def _call(world: World, case: Case, inquiry_id: str, then: Then, number: int) -> None:
    reached = number == LAST_CALL or case.draws.happens(ANSWERS_THE_CALL, "call back", number)
    inquiry = world.gateway.post(
        f"/v1/inquiries/{inquiry_id}/calls",
        {"outcome": "REACHED" if reached else "NO_ANSWER"},
        role=roles.COUNSELOR,
    )
    if not reached:
        again = world.office_hours(world.now + timedelta(hours=20))
        _call_at(world, case, inquiry_id, then, at=again, number=number + 1)
        return
    world.gateway.post(
        f"/v1/inquiries/{inquiry_id}/decisions",
        {"decision": inquiry["recommendation"] or "ASSESSMENT_HERE"},
        role=roles.COUNSELOR,
    )
    world.latest = "somebody who asked for help was called back"
    at = stepped(world.now + timedelta(minutes=15))
    world.agenda.add(at, Turn.DESK, case.name, "referral", lambda: then(inquiry_id))


def _pre_screen(case: Case, *, asked: list[str]) -> dict[str, Any]:
    found = case.findings
    signs = found.withdrawal
    answers: dict[str, Any] = {
        "problems": [problem.code for problem in found.problems],
        "minor": case.person.minor,
        "seizure_or_dt_history": signs.seizure_or_delirium_history,
        "daily_benzodiazepine": signs.daily_benzodiazepine,
        "overdose_last_72h": signs.overdose_in_72_hours,
        "pregnant": found.pregnant,
        "housing": found.home.housing,
        "home_safe": found.home.safe,
        "readiness": found.readiness,
    }
    if "suicidal_intent" in asked:
        answers["suicidal_intent"] = found.danger.suicidal_intent
    return answers
