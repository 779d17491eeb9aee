"""From the referral to the door: registration, assessment, decision, admission or referral elsewhere."""

from datetime import datetime, timedelta
from typing import Any

from homeward.simulation import courses, people, staff
from homeward.simulation.agenda import Turn
from homeward.simulation.cases import Case
from homeward.simulation.findings import Findings
from homeward.simulation.report import PROGRAM_LEVEL
from homeward.simulation.world import World, stepped
from shared.contracts import roles
from shared.contracts.intake import LEVELS_OF_CARE, OVERRIDE_REASONS

#: Weights of what a follow-up of somebody referred elsewhere finds. Assumption.
ELSEWHERE_OUTCOMES = {"ARRIVED": 0.55, "NOT_ARRIVED": 0.22, "NOT_REACHED": 0.18, "REFUSED": 0.05}


def expect(world: World, case: Case) -> None:
    """Write the referral of a case into the agenda."""
    at = people.arrives_at(
        case.admission, seed=world.seed, starts_on=world.on(world.starts_at), zone=world.zone
    )
    world.agenda.add(at, Turn.DESK, f"{case.name} referral", lambda: _register(world, case))


def expect_reentry(world: World, case: Case, episode_id: str) -> None:
    """Write the way back of somebody who lapsed into the agenda: assessment within a day."""
    case.episode_id = episode_id
    case.reentries += 1
    case.discharged = False
    case.course = None
    at = world.office_hours(world.now + timedelta(hours=case.draws.between(2, 20, "reentry", case.reentries)))
    world.agenda.add(at, Turn.DESK, f"{case.name} reentry", lambda: _assess(world, case))


def _register(world: World, case: Case) -> None:
    person = case.person
    answer = world.gateway.post(
        "/v1/referrals",
        {
            "site_id": world.site_id,
            "patient": {
                "given_name": person.given_name,
                "family_name": person.family_name,
                "birth_date": person.birth_date.isoformat(),
                "phone": person.phone,
                "sex": {"F": "FEMALE", "M": "MALE"}[person.sex],
            },
            # TEDS fills DETCRIM only for people sent by a court or the like, which is PSOURCE 7.
            "referral_source": str(case.admission.codes.get("PSOURCE", _source(case))),
            "teds": dict(case.admission.codes),
        },
        role=roles.FRONT_DESK,
    )
    case.patient_id = answer["patient_id"]
    case.episode_id = answer["episode_id"]
    world.by_patient[case.patient_id] = case
    world.latest = "a referral came in"
    soon = world.now + timedelta(minutes=15)
    world.agenda.add(soon, Turn.DESK, f"{case.name} obligations", lambda: _declare_obligations(world, case))
    waited = people.days_waited(case.admission, seed=world.seed)
    assessed_at = stepped(world.now + timedelta(minutes=45))
    if waited:
        day = world.on(world.now) + timedelta(days=waited)
        quarter = case.draws.between(0, 24, "assessment time")
        assessed_at = world.office_hours(world.at(day, 9) + timedelta(minutes=15 * quarter))
    world.agenda.add(assessed_at, Turn.DESK, f"{case.name} assessment", lambda: _assess(world, case))


def _source(case: Case) -> int:
    return 7 if "DETCRIM" in case.admission.codes else people.recorded_or_drawn(
        case.admission, case.draws, "PSOURCE"
    )  # fmt: skip


def _declare_obligations(world: World, case: Case) -> None:
    world.gateway.post(
        f"/v1/patients/{case.patient_id}/obligations",
        {
            "site_id": world.site_id,
            "obligations": [
                {
                    "kind": block.kind,
                    "weekday": block.weekday,
                    "starts": block.starts.isoformat("minutes"),
                    "ends": block.ends.isoformat("minutes"),
                    "travel_minutes": block.travel_minutes,
                }
                for block in people.obligations(case.admission, seed=world.seed)
            ],
        },
        role=roles.FRONT_DESK,
    )


def _assess(world: World, case: Case) -> None:
    answer = world.gateway.post(
        f"/v1/episodes/{case.episode_id}/assessments",
        assessment_body(case.findings, now=world.now),
        role=roles.COUNSELOR,
    )
    recommended = answer["recommendation"]["level"]
    world.latest = f"an assessment recommends level {recommended}"
    later = stepped(world.now + timedelta(minutes=30))
    assessment_id = answer["assessment_id"]
    world.agenda.add(
        later,
        Turn.DECISION,
        f"{case.name} decision",
        lambda: _decide(world, case, assessment_id=assessment_id, recommended=recommended),
    )


def _decide(world: World, case: Case, *, assessment_id: str, recommended: str) -> None:
    if case.person.minor:
        # The program admits adults only: a clinician sends a minor on, with that word.
        _refer_elsewhere(world, case, level=recommended)
        return
    level = recommended
    body: dict[str, Any] = {"assessment_id": assessment_id}
    if case.draws.happens(staff.OVERRIDES, "override", case.reentries):
        level = _neighbour(case, recommended)
        body["override_reason_code"] = case.draws.source("override reason").choice(OVERRIDE_REASONS[:6])
        body["override_reason"] = "Modelled: the simulation overrides at a stated rate."
    body["level"] = level
    world.gateway.post(f"/v1/episodes/{case.episode_id}/level-decisions", body, role=roles.CLINICIAN)
    if level != PROGRAM_LEVEL:
        _refer_elsewhere(world, case, level=level)
        return
    if case.draws.happens(courses.DECLINES, "declines", case.reentries):
        world.latest = "somebody does not consent to treatment yet"
        return
    at = stepped(world.now + timedelta(minutes=15))
    world.agenda.add(at, Turn.ADMISSION, f"{case.name} admission", lambda: _admit(world, case))


def _neighbour(case: Case, level: str) -> str:
    """Draw the level next to the recommended one, within the levels that rows are sent to."""
    levels = [known for known in LEVELS_OF_CARE if known not in ("0.5", "3.3")]
    place = levels.index(level)
    other = place + (1 if case.draws.happens(0.5, "override up") else -1)
    return levels[max(0, min(len(levels) - 1, other if other >= 0 else 1))]


def _admit(world: World, case: Case) -> None:
    consents = ["TREATMENT", "TPO"]
    if case.draws.happens(courses.AGREES_TO_FOLLOW_UP, "follow-up consent", case.reentries):
        consents.append("FOLLOW_UP")
    for kind in consents:
        world.gateway.post(
            f"/v1/patients/{case.patient_id}/consents", consent_body(kind, case), role=roles.FRONT_DESK
        )
    admitted = world.gateway.post(
        f"/v1/episodes/{case.episode_id}/admission",
        {},
        role=roles.CLINICIAN,
        tolerate=("not_medically_cleared", "withdrawal_gate_closed"),
    )
    if admitted is None:
        _refer_elsewhere(world, case, level="3.7")
        return
    world.latest = "somebody was admitted"


def consent_body(kind: str, case: Case) -> dict[str, Any]:
    """Write the request for a written consent of one kind."""
    return {"kind": kind}


def _refer_elsewhere(world: World, case: Case, *, level: str) -> None:
    world.gateway.post(
        f"/v1/episodes/{case.episode_id}/outward-referral", {"level": level}, role=roles.CLINICIAN
    )
    world.latest = f"somebody was referred elsewhere, to level {level}"


def follow_up_referral(world: World, case: Case, outward_referral_id: str, *, due_at: datetime) -> None:
    """Write into the agenda that somebody asks after a person who was referred elsewhere."""
    number = case.number("referral follow-up")
    delay = staff.task_delay(case.draws, f"referral follow-up {number}")
    at = world.office_hours(world.now + delay)
    world.agenda.add(
        at,
        Turn.DESK,
        f"{case.name} referral follow-up {number}",
        lambda: world.gateway.post(
            f"/v1/outward-referrals/{outward_referral_id}/follow-ups",
            {"outcome": case.draws.one_of(ELSEWHERE_OUTCOMES, "arrived elsewhere", number)},
            role=roles.COUNSELOR,
            tolerate=("follow_up_already_recorded",),
        ),
    )


def assessment_body(found: Findings, *, now: datetime) -> dict[str, Any]:
    """Write the request that completes an assessment with what was found."""
    raise NotImplementedError
