"""What happens to a few people only, because each of it costs requests: everybody would be too dear.

Every twelfth row fills in whatever else is due, names who backs them, gives an address for mail, looks at
where they stand, and has the directory asked where they are referred elsewhere. Of those who are
admitted, every twelfth waits for a place first, and uses the rights that everybody has. Besides,
somebody without a name takes a self-check each week. Who is an example depends on the place in the file
alone; all they tell is drawn: assumptions.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from homeward.simulation import cover, directory
from homeward.simulation.agenda import Turn
from homeward.simulation.cases import Case
from homeward.simulation.draws import Draws
from homeward.simulation.world import World, stepped
from shared.contracts import roles

#: One row in so many is an example. Design default of the simulation: some thirty of the sample's 372.
EVERY = 12

#: Instruments that an example does not fill in here: those that everybody does or is given elsewhere, and
#: the withdrawal scales, whose totals the assessment has from the findings.
ELSEWHERE = ("PHQ9", "AUDIT_C", "CSSRS", "CSSRS_SINCE_LAST_CONTACT", "CIWA_AR", "COWS", "PAWSS")

#: Who takes a self-check each week: nobody of the file, and nobody knows who.
PASSER_BY = "passer-by"
#: The hour at which they do, local.
AT_HOUR = 10

#: What somebody who waits is given meanwhile: all that the law asks for. 45 CFR 96.121.
INTERIM = ("HIV_TB_COUNSELLING", "TRANSMISSION_PREVENTION", "HIV_TB_REFERRAL", "FETAL_EFFECTS_COUNSELLING",
           "PRENATAL_REFERRAL")  # fmt: skip

#: A consent that is taken back the day after: an employer is to be told who came when.
TO_AN_EMPLOYER = {
    "kind": "EMPLOYER",
    "purpose": "Leave from work, modelled.",
    "recipient": "An employer, modelled",
    "information_classes": ["ATTENDANCE"],
    "ends_with_event": "END_OF_TREATMENT",
}
#: What is asked to be told to nobody outside.
TOLD_TO_NOBODY = {"towards": "ANYONE", "information_classes": ["MEDICATIONS"]}


def is_example(place: int) -> bool:
    """Tell whether the row at a place in the file, from 0, is an example."""
    return place % EVERY == 0


# --- Before the assessment --------------------------------------------------------------------------


def take_in(world: World, case: Case) -> None:
    """Have an example tell more than the others, on the day of the referral."""
    path = f"/v1/patients/{case.patient_id}"
    world.gateway.post(
        f"{path}/contact-points",
        {"kind": "EMAIL", "address": f"case-{case.name}@example.org", "message_safe": True},
        role=roles.FRONT_DESK,
    )
    if case.findings.home.supporter:
        backing = {"role": "RELATIVE", "reached_by": "PHONE", "name": "Modelled", "phone": case.person.phone}
        world.gateway.post(f"{path}/supporters", backing, role=roles.FRONT_DESK)
    else:
        world.gateway.post(f"{path}/no-supporter", {}, role=roles.FRONT_DESK)
    status = world.gateway.get(f"{path}/status", role=roles.FRONT_DESK)
    world.answers.append(("statuses", "with_a_day" if status["next_step_by"] else "without_a_day"))
    if not case.person.minor:
        _fill_in_what_is_due(world, case)


def _fill_in_what_is_due(world: World, case: Case) -> None:
    path = f"/v1/patients/{case.patient_id}"
    for form in world.gateway.get(f"{path}/due-instruments", role=roles.COUNSELOR)["due"]:
        if form["instrument"] in ELSEWHERE:
            continue
        rated_by = "SELF" if "SELF" in form["rated_by"] else "OBSERVER"
        world.gateway.post(
            f"{path}/instrument-answers",
            {
                "instrument": form["instrument"],
                "answers": answers_to(case.draws, form["instrument"], form["items"]),
                "rated_by": rated_by,
                "mode": "IN_PERSON",
            },
            role=roles.COUNSELOR,
        )


def answers_to(draws: Draws, instrument: str, items: list[dict[str, Any]]) -> dict[str, int]:
    """Draw answers from the lower half of what each item allows; leave out what is not asked then."""
    answers: dict[str, int] = {}
    for item in items:
        asked_if = item["asked_if"]
        if asked_if and answers.get(asked_if["item"], 0) < asked_if["at_least"]:
            continue
        values = sorted(one["value"] for one in item["answers"])
        lower = values[: (len(values) + 1) // 2]
        answers[item["item"]] = draws.source(f"answer to {instrument}", item["item"]).choice(lower)
    return answers


# --- The waiting list -------------------------------------------------------------------------------


def wait_for_place(world: World, case: Case, admit: Callable[[], None]) -> None:
    """Put an example on the waiting list, and have the office tell of one more place the next day.

    :param admit: writes the admission into the agenda, once the place is taken.
    """
    wait = world.gateway.post(f"/v1/episodes/{case.episode_id}/admission-waits", {}, role=roles.FRONT_DESK)
    world.latest = "somebody waits for a place"
    path = f"/v1/admission-waits/{wait['wait_id']}"
    if case.findings.pregnant or case.admission.codes.get("IDU") == 1:
        world.gateway.post(f"{path}/interim-services", {"services": list(INTERIM)}, role=roles.FRONT_DESK)
    _offer_tomorrow(world, case, path, admit, day=1)


def _offer_tomorrow(world: World, case: Case, path: str, admit: Callable[[], None], *, day: int) -> None:
    world.agenda.add(
        world.office_hours(world.now + timedelta(hours=20)),
        # One at a time: the place goes to whom the order of the law gives it.
        Turn.ADMISSION,
        case.name,
        f"place {case.reentries}.{day}",
        lambda: _take_place(world, case, path, admit, day=day),
    )


def _take_place(world: World, case: Case, path: str, admit: Callable[[], None], *, day: int) -> None:
    wait = world.gateway.get(path, role=roles.FRONT_DESK)
    if wait["state"] == "WAITING":
        world.gateway.post(f"/v1/sites/{world.site_id}/admission-seats", {"seats": 1}, role=roles.FRONT_DESK)
        wait = world.gateway.get(path, role=roles.FRONT_DESK)
    if wait["state"] == "WAITING":
        _offer_tomorrow(world, case, path, admit, day=day + 1)
    elif wait["state"] == "OFFERED":
        world.gateway.post(f"{path}/acceptance", {}, role=roles.FRONT_DESK)
        admit()


# --- Rights -----------------------------------------------------------------------------------------


def use_rights(world: World, case: Case) -> None:
    """Have an example ask for what patients may ask for, a day after the admission."""
    day = world.on(world.now) + timedelta(days=1)
    world.agenda.add(
        world.office_hours(world.at(day, AT_HOUR)), Turn.DESK, case.name, "rights", lambda: _ask(world, case)
    )


def _ask(world: World, case: Case) -> None:
    """Ask for the record, and that less be told; a court wants the record too."""
    path, gateway = f"/v1/patients/{case.patient_id}", world.gateway
    record = gateway.post(f"{path}/record-requests", {}, role=roles.FRONT_DESK)
    restriction = gateway.post(f"{path}/restrictions", TOLD_TO_NOBODY, role=roles.FRONT_DESK)
    consent = gateway.post(f"{path}/consents", TO_AN_EMPLOYER, role=roles.FRONT_DESK)
    who = case.person
    about = {
        "given_name": who.given_name,
        "family_name": who.family_name,
        "birth_date": who.birth_date.isoformat(),
    }
    demand = {"kind": "SUBPOENA", "asker": "A court, modelled", "about": about}
    gateway.post("/v1/legal-demands", demand, role=roles.FRONT_DESK)
    day = world.on(world.now) + timedelta(days=1)
    world.agenda.add(
        world.office_hours(world.at(day, AT_HOUR)),
        Turn.DESK,
        case.name,
        "answers about rights",
        lambda: _answer(
            world,
            case,
            request_id=record["request_id"],
            restriction_id=restriction["restriction_id"],
            consent_id=consent["consent_id"],
        ),
    )


def _answer(world: World, case: Case, *, request_id: str, restriction_id: str, consent_id: str) -> None:
    gateway, came = world.gateway, world.answers
    revoked = gateway.post(f"/v1/consents/{consent_id}/revocation", {}, role=roles.FRONT_DESK)
    came.append(("rights", "consent_taken_back" if revoked["revoked_at"] else "consent_goes_on"))
    agreed = gateway.post(
        f"/v1/restrictions/{restriction_id}/answer", {"answer": "AGREE"}, role=roles.SUPERVISOR
    )
    came.append(("rights", f"restriction_{agreed['state'].lower()}"))
    exported = gateway.get(f"/v1/record-requests/{request_id}/record", role=roles.SUPERVISOR)
    came.append(
        ("rights", "record_of_every_service" if all(exported["parts"].values()) else "record_in_part")
    )
    for demand in gateway.get("/v1/legal-demands", role=roles.SUPERVISOR, open="true")["items"]:
        if demand["patient_id"] == case.patient_id:
            settled = gateway.post(
                f"/v1/legal-demands/{demand['demand_id']}/settlement",
                {"outcome": "NOTHING_DISCLOSED", "note": "Modelled: a subpoena alone opens no record."},
                role=roles.SUPERVISOR,
            )
            came.append(("rights", f"demand_{settled['outcome'].lower()}"))


# --- The directory, and somebody without a name -----------------------------------------------------


def look_for_program(world: World, case: Case, *, level: str) -> None:
    """Ask the directory where an example could go who needs another level of care."""
    found = directory.search(world, level=level, payer=cover.payer_of(case))
    world.answers.append(("directory_searches", "found" if found["matches"] else "found_nothing"))


def expect_passers_by(world: World) -> None:
    """Write a self-check of somebody unknown into the agenda of each week."""
    week, at = 1, world.at(world.on(world.starts_at), AT_HOUR)
    while at < world.ends_at:
        who = f"{PASSER_BY} {week}"
        world.agenda.add(at, Turn.DESK, who, "self-check", partial(_check, world, Draws(world.seed, who)))
        week, at = week + 1, stepped(at + timedelta(weeks=1))


def _check(world: World, draws: Draws) -> None:
    form = world.gateway.get(f"/v1/self-check-forms/{world.site_id}", role=roles.FRONT_DESK)
    checks = [
        {"instrument": one["instrument"], "answers": answers_to(draws, one["instrument"], one["items"])}
        for one in form["instruments"]
    ]
    told = world.gateway.post(
        "/v1/self-checks", {"site_id": world.site_id, "checks": checks}, role=roles.FRONT_DESK
    )
    results = {one["result"] for one in told["outcomes"]}
    outcome = "worth_a_talk" if "WORTH_A_TALK" in results else "little_sign"
    world.answers.append(("self_checks", "in_danger" if told["next_step"] == "CALL_NOW" else outcome))
