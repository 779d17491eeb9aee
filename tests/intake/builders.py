"""What the tests of intake are made of: people, sites and findings that say only what matters."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.intake.domain import admission_waits, assessments, diagnoses, fit, withdrawal
from services.intake.domain.episodes import Episode
from services.intake.domain.inquiries import Inquiry
from services.intake.domain.people import Patient
from services.intake.domain.sites import Site
from shared.contracts.event import Actor
from shared.ids import derived_id

NOW = datetime(2026, 2, 2, 15, 0, tzinfo=UTC)
SITE_ID = derived_id("site", "lakeside")
COUNSELOR = Actor(actor_id="nora", role="counselor", credential="LPC")


def site(**changes: Any) -> Site:
    """A site in Chicago that is licensed for Level 1 and 2.1."""
    values: dict[str, Any] = {
        "site_id": SITE_ID,
        "name": "Lakeside",
        "time_zone": "America/Chicago",
        "levels_licensed": ["1", "2.1"],
        "opened_at": NOW,
        "emergency_phone": "+1 312 555 0142",
    }
    return Site(**values | changes)


def patient(**changes: Any) -> Patient:
    """A woman of 34."""
    values: dict[str, Any] = {
        "patient_id": derived_id("patient", "ada"),
        "journey_id": derived_id("journey", "ada"),
        "identity_index": b"ada",
        "given_name": "Ada",
        "family_name": "Quill",
        "birth_date": "1991-06-15",
        "registered_at": NOW,
    }
    return Patient(**values | changes)


def episode(**changes: Any) -> Episode:
    """Her episode, which waits for an assessment."""
    values: dict[str, Any] = {
        "episode_id": derived_id("episode", "ada"),
        "patient_id": derived_id("patient", "ada"),
        "journey_id": derived_id("journey", "ada"),
        "site_id": SITE_ID,
        "referral_id": derived_id("referral", "ada"),
        "opened_at": NOW,
    }
    return Episode(**values | changes)


def inquiry(**changes: Any) -> Inquiry:
    """An inquiry by somebody who left a number and no name."""
    values: dict[str, Any] = {
        "inquiry_id": derived_id("inquiry", "nobody"),
        "patient_id": derived_id("patient", "nobody"),
        "site_id": SITE_ID,
        "status_digest": b"digest",
        "received_at": NOW,
        "phone": "+1 312 555 0188",
    }
    return Inquiry(**values | changes)


def admission_wait(who: str = "ada", **changes: Any) -> admission_waits.AdmissionWait:
    """Somebody who has waited for a day, with no claim to come before others."""
    values: dict[str, Any] = {
        "wait_id": derived_id("wait", who),
        "episode_id": derived_id("episode", who),
        "patient_id": derived_id("patient", who),
        "journey_id": derived_id("journey", who),
        "site_id": SITE_ID,
        "pregnant": False,
        "injecting": False,
        "asked_at": NOW - timedelta(days=1),
        "joined_at": NOW,
    }
    return admission_waits.AdmissionWait(**values | changes)


def findings(**changes: Any) -> assessments.Findings:
    """Findings of somebody who suits intensive outpatient care in every way."""
    values: dict[str, Any] = {
        "withdrawal": withdrawal.Signs(),
        "dimensions": (0, 0, 1, 2, 2, 1),
        "problems": [diagnoses.ReportedProblem(problem="ALCOHOL", criteria_count=5, primary=True)],
        "danger": assessments.Danger(suicidal_intent="NONE", violence_threat=False),
        "home": home(),
        "rulers": fit.Rulers(importance=8, confidence=7, readiness=9),
        "triggers": [fit.Trigger(trigger_code=code, coping_tools=1) for code in ("PEOPLE", "PAYDAY", "PAIN")],
        "goals": "See my daughter finish school.",
    }
    return assessments.Findings(**values | changes)


def home(**changes: Any) -> fit.Home:
    """A flat of one's own, safe and secure, with one supporter."""
    values: dict[str, Any] = {"housing": "OWN_OR_RENT", "secure_days": 400, "safe": True, "supporters": 1}
    return fit.Home(**values | changes)


def complete(**changes: Any) -> tuple[assessments.Assessment, list[Any]]:
    """Complete an assessment, with the named arguments changed."""
    values: dict[str, Any] = {
        "assessment_id": derived_id("assessment", "ada"),
        "episode": episode(),
        "patient": patient(),
        "site": site(),
        "findings": findings(),
        "placeable_minutes": 600,
        "required_minutes": 540,
        "actor": COUNSELOR,
        "now": NOW,
    }
    return assessments.complete(**values | changes)


def referral_request(**changes: Any) -> dict[str, Any]:
    """A referral as it comes over the wire; ``patient`` is merged."""
    person = {"given_name": "Ada", "family_name": "Quill", "birth_date": "1991-06-15"}
    values: dict[str, Any] = {"site_id": SITE_ID, "referral_source": "7", "teds": {"SUB1": 2, "PREG": "-9"}}
    return values | changes | {"patient": person | changes.get("patient", {})}


def assessment_request(episode_id: str, **changes: Any) -> dict[str, Any]:
    """An assessment as it comes over the wire, of somebody who suits the program."""
    values: dict[str, Any] = {
        "episode_id": episode_id,
        "withdrawal": {},
        "dimensions": [0, 0, 1, 2, 2, 1],
        "problems": [{"problem": "ALCOHOL", "criteria_met": [1, 2, 4, 5, 7], "primary": True}],
        "danger": {"suicidal_intent": "NONE", "violence_threat": False},
        "home": {"housing": "OWN_OR_RENT", "secure_days": 400, "safe": True, "supporters": 2},
        "rulers": {"importance": 8, "confidence": 7, "readiness": 9},
        "triggers": [{"trigger_code": "PAYDAY", "coping_tools": 2}],
        "goals": "See my daughter Wilhelmina finish school.",
    }
    return values | changes
