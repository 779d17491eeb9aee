"""From the referral to the door: registration, assessment, decision, admission or referral elsewhere."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from homeward.simulation import courses, cover, examples, first_contact, people, questionnaires, staff
from homeward.simulation.agenda import Turn
from homeward.simulation.cases import Case
from homeward.simulation.findings import Findings
from homeward.simulation.report import PROGRAM_LEVEL
from homeward.simulation.world import World, stepped
from shared.contracts import roles
from shared.contracts.intake import LEVELS_OF_CARE, OVERRIDE_REASONS, TRIGGERS

#: Weights of what a follow-up of somebody referred elsewhere finds. Assumption.
ELSEWHERE_OUTCOMES = {"ARRIVED": 0.55, "NOT_ARRIVED": 0.22, "NOT_REACHED": 0.18, "REFUSED": 0.05}


def expect(world: World, case: Case) -> None:
    """Write into the agenda how a case begins: with an inquiry, or with a referral by somebody else."""
    at = people.arrives_at(
        case.admission, seed=world.seed, starts_on=world.on(world.starts_at), zone=world.zone
    )
    if first_contact.source_of(case) != first_contact.BY_THEMSELVES:
        world.agenda.add(at, Turn.DESK, case.name, "referral", lambda: _register(world, case))
        return

    def become_referral(inquiry_id: str) -> None:
        _register(world, case, inquiry_id=inquiry_id)

    world.agenda.add(
        at, Turn.DESK, case.name, "inquiry", lambda: first_contact.ask(world, case, become_referral)
    )


def expect_reentry(world: World, case: Case, episode_id: str) -> None:
    """Write the way back of somebody who lapsed into the agenda: assessment within a day."""
    case.episode_id = episode_id
    case.reentries += 1
    case.discharged = False
    case.course = None
    at = world.office_hours(world.now + timedelta(hours=case.draws.between(2, 20, "reentry", case.reentries)))
    world.agenda.add(at, Turn.DESK, case.name, "reentry", lambda: _assess(world, case))


def _register(world: World, case: Case, *, inquiry_id: str | None = None) -> None:
    person = case.person
    told = {
        "site_id": world.site_id,
        "patient": {
            "given_name": person.given_name,
            "family_name": person.family_name,
            "birth_date": person.birth_date.isoformat(),
            "phone": person.phone,
            "sex": {"F": "FEMALE", "M": "MALE"}[person.sex],
        },
        "referral_source": str(first_contact.source_of(case)),
        "teds": dict(case.admission.codes),
    }
    if inquiry_id is None and case.findings.prior_level is not None:
        answer = _register_step_down(world, case, told)
    else:
        answer = world.gateway.post("/v1/referrals", told | {"inquiry_id": inquiry_id}, role=roles.FRONT_DESK)
    case.patient_id = answer["patient_id"]
    case.episode_id = answer["episode_id"]
    world.by_patient[case.patient_id] = case
    world.latest = "a referral came in"
    soon = stepped(world.now + timedelta(minutes=15))
    world.agenda.add(soon, Turn.DESK, case.name, "obligations", lambda: _declare_obligations(world, case))
    world.agenda.add(
        soon, Turn.DESK, case.name, "questionnaires", lambda: questionnaires.at_referral(world, case)
    )
    if case.example:
        world.agenda.add(soon, Turn.DESK, case.name, "whatever else", lambda: examples.take_in(world, case))
    waited = people.days_waited(case.admission, seed=world.seed)
    assessed_at = stepped(world.now + timedelta(minutes=75))
    if waited:
        day = world.on(world.now) + timedelta(days=waited)
        minutes = case.draws.between(0, 6 * 60, "assessment time")
        assessed_at = world.office_hours(world.at(day, 9) + timedelta(minutes=minutes))
    world.agenda.add(assessed_at, Turn.DESK, case.name, "assessment", lambda: _assess(world, case))


def _register_step_down(world: World, case: Case, told: dict[str, Any]) -> Any:
    """Register somebody whom a hospital sends under its own id, and their summary where it is here."""
    found = case.findings
    assert found.days_since_prior is not None  # for the type checker: drawn together with the level
    discharged_on = world.on(world.now) - timedelta(days=found.days_since_prior)
    stay = {"prior_level": found.prior_level, "discharged_on": discharged_on.isoformat()}
    answer = world.gateway.post(
        "/v1/partner-referrals",
        told | {"external_id": f"hospital-{world.seed}-{case.name}", "step_down": stay},
        role=roles.FRONT_DESK,
    )
    if found.prior_summary:
        path = f"/v1/step-downs/{answer['step_down_id']}"
        world.gateway.post(f"{path}/summaries", {"medications_reconciled": True}, role=roles.FRONT_DESK)
        world.gateway.post(f"{path}/earlier-plans", _earlier_plan(case), role=roles.COUNSELOR)
    return answer


def _earlier_plan(case: Case) -> dict[str, Any]:
    """Return what an earlier program worked on: a plan of codes, the same for all but for their problems."""
    return {
        "problems": [problem.code for problem in case.findings.problems],
        "modalities": ["CBT"],
        "skills": ["URGE_SURFING", "CALLING_SOMEBODY"],
        "triggers": list(TRIGGERS[: case.findings.triggers_known]),
    }


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
            "wishes": people.wishes(case.admission, seed=world.seed, supporter=case.findings.home.supporter),
        },
        role=roles.FRONT_DESK,
    )


def _assess(world: World, case: Case, *, cleared: bool = False) -> None:
    answer = world.gateway.post(
        f"/v1/episodes/{case.episode_id}/assessments",
        assessment_body(case.findings, today=world.on(world.now), cleared=cleared),
        role=roles.MEDICAL_DIRECTOR if cleared else roles.COUNSELOR,
    )
    world.alarming |= bool(answer["risk_flags"])
    recommended = answer["recommendation"]["level"]
    world.latest = f"an assessment recommends level {recommended}"
    held = answer["gate"]["holds"]
    if held and recommended == PROGRAM_LEVEL and not case.person.minor:
        if cleared:
            world.latest = "the gate holds somebody back"
            return
        # Only a prescriber lifts the gate, and only after a visit: that is tomorrow's assessment.
        at = world.office_hours(world.now + timedelta(hours=22))
        world.agenda.add(at, Turn.DESK, case.name, "clearance", lambda: _assess(world, case, cleared=True))
        return
    later = stepped(world.now + timedelta(minutes=30))
    assessment_id = answer["assessment_id"]
    world.agenda.add(
        later,
        Turn.DECISION,
        case.name,
        "decision",
        lambda: _decide(world, case, assessment_id=assessment_id, recommended=recommended, held=held),
    )


def _decide(world: World, case: Case, *, assessment_id: str, recommended: str, held: bool) -> None:
    if case.person.minor:
        # The program admits adults only: a clinician sends a minor on, with that word.
        _refer_elsewhere(world, case, level=recommended)
        return
    level = recommended
    body: dict[str, Any] = {"assessment_id": assessment_id}
    if case.draws.happens(staff.OVERRIDES, "override", case.reentries):
        level = _neighbour(case, recommended, held=held)
        body["override_reason_code"] = case.draws.source("override reason").choice(OVERRIDE_REASONS)
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
    world.agenda.add(at, Turn.DESK, case.name, "consents", lambda: _consent(world, case))
    world.agenda.add(at, Turn.DESK, case.name, "cover", lambda: cover.clear_up(world, case))


def _neighbour(case: Case, level: str, *, held: bool) -> str:
    """Draw a level next to the recommended one; never this program's while the gate holds."""
    known = [other for other in LEVELS_OF_CARE if other not in ("0.5", "3.3")]
    place = known.index(level)
    beside = [known[other] for other in (place - 1, place + 1) if 0 <= other < len(known)]
    possible = [other for other in beside if not (held and other == PROGRAM_LEVEL)]
    return case.draws.source("override to", case.reentries).choice(possible)


def _consent(world: World, case: Case) -> None:
    for kind in _consents(case):
        world.gateway.post(
            f"/v1/patients/{case.patient_id}/consents", _consent_body(kind), role=roles.FRONT_DESK
        )
    world.gateway.post(f"/v1/patients/{case.patient_id}/notice-receipts", {}, role=roles.FRONT_DESK)
    if case.example and not case.reentries:
        examples.wait_for_place(world, case, lambda: _admit_later(world, case))
    else:
        _admit_later(world, case)


def _admit_later(world: World, case: Case) -> None:
    # Not on the hour: nobody is given a seat in a session that begins at this very moment.
    at = stepped(world.now + timedelta(minutes=15)).replace(minute=15)
    world.agenda.add(at, Turn.ADMISSION, case.name, "admission", lambda: _admit(world, case))


def _admit(world: World, case: Case) -> None:
    admitted = world.gateway.post(
        f"/v1/episodes/{case.episode_id}/admission",
        {},
        role=roles.CLINICIAN,
        tolerate=("admission_not_possible",),
    )
    world.latest = "somebody was admitted" if admitted else "somebody cannot be admitted yet"
    if admitted and case.example and not case.reentries:
        examples.use_rights(world, case)


def confirm_week(world: World, case: Case, data: Mapping[str, Any]) -> None:
    """Write into the agenda that the patient agrees to the week that was proposed."""
    version = data["version"]
    world.agenda.add(
        stepped(world.now + timedelta(minutes=15)),
        Turn.DESK,
        case.name,
        f"week {case.reentries}.{version}",
        lambda: world.gateway.post(
            f"/v1/episodes/{data['episode_id']}/weekly-plan/confirmation",
            {"version": version},
            role=roles.FRONT_DESK,
        ),
    )


def _consents(case: Case) -> list[str]:
    # The person's answer is theirs for good: who comes back is not asked anew in a different mind.
    follow_up = case.draws.happens(courses.AGREES_TO_FOLLOW_UP, "follow-up consent")
    return ["TREATMENT", "TPO", *(["FOLLOW_UP"] if follow_up else [])]


def _consent_body(kind: str) -> dict[str, Any]:
    if kind != "TPO":
        return {"kind": kind}
    return {
        "kind": kind,
        "purpose": "Treatment, payment and health care operations.",
        "recipient": "Treating providers and health plans.",
        "information_classes": ["ATTENDANCE", "ASSESSMENT", "DIAGNOSES", "TREATMENT_PLAN", "BILLING"],
    }


def _refer_elsewhere(world: World, case: Case, *, level: str) -> None:
    if case.example:
        examples.look_for_program(world, case, level=level)
    world.gateway.post(
        f"/v1/episodes/{case.episode_id}/outward-referral",
        {"program": f"A program of level {level}, modelled"},
        role=roles.CLINICIAN,
    )
    world.latest = f"somebody was referred elsewhere, to level {level}"


def follow_up_referral(world: World, case: Case, outward_referral_id: str, *, number: int) -> None:
    """Write into the agenda that somebody asks after a person who was referred elsewhere.

    :param number: 1 for the follow-up after 48 hours, 2 for the one after 7 days.
    """
    what = f"referral follow-up {case.reentries}.{number}"
    at = world.office_hours(world.now + staff.task_delay(case.draws, what))
    world.agenda.add(
        at,
        Turn.DESK,
        case.name,
        what,
        lambda: world.gateway.post(
            f"/v1/outward-referrals/{outward_referral_id}/follow-ups",
            {"outcome": case.draws.one_of(ELSEWHERE_OUTCOMES, what), "number": number},
            role=roles.FRONT_DESK,
        ),
    )


def assessment_body(found: Findings, *, today: date, cleared: bool = False) -> dict[str, Any]:
    """Write the request that completes an assessment with what was found.

    :param cleared: whether a prescriber says that outpatient care is safe.
    """
    signs, home = found.withdrawal, found.home
    body: dict[str, Any] = {
        "withdrawal": {
            "ciwa_ar": signs.ciwa_ar,
            "cows": signs.cows,
            "pawss": signs.pawss,
            "last_drink_hours": signs.last_drink_hours,
            "seizure_or_dt_history": signs.seizure_or_delirium_history,
            "overdose_last_72h": signs.overdose_in_72_hours,
            "daily_benzodiazepine": signs.daily_benzodiazepine,
            "pregnant_withdrawing": found.pregnant and found.ratings[0] >= 2,
            "rated_by": "OBSERVER",
            "medically_cleared": cleared,
        },
        "dimensions": list(found.ratings),
        "problems": [
            {
                "problem": problem.code,
                # Hallucinogens and inhalants have one criterion fewer.
                "criteria_met": min(problem.criteria_met, 10),
                "primary": place == 0,
            }
            for place, problem in enumerate(found.problems)
        ],
        "danger": {
            "suicidal_intent": found.danger.suicidal_intent,
            "violence_threat": found.danger.violence_threat,
        },
        "home": {
            "housing": home.housing,
            "secure_days": home.days_secure,
            "safe": home.safe,
            "use_at_home": home.others_use,
            "coping_plan": home.coping_plan,
            "supporters": int(home.supporter),
            "recovery_residence_possible": home.recovery_residence_possible,
        },
        "rulers": {
            "importance": found.importance,
            "confidence": found.confidence,
            "readiness": found.readiness,
        },
        "triggers": [
            {"trigger_code": TRIGGERS[place], "coping_tools": int(place < found.triggers_with_tool)}
            for place in range(found.triggers_known)
        ],
        "goals": "Modelled: the simulation writes no goals of its own.",
        "naloxone": found.naloxone,
        "co_occurring": found.co_occurring,
        "pregnant": found.pregnant,
    }
    if found.prior_level is not None and found.days_since_prior is not None:
        discharged_on = today - timedelta(days=found.days_since_prior)
        body["prior_stay"] = {
            "level": found.prior_level,
            "discharged_on": discharged_on.isoformat(),
            "summary_received": found.prior_summary,
        }
    return body
