"""What others tell aftercare about Dana, told with every field that a test does not talk about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.contracts import aftercare, intake, monitoring, scheduling
from shared.contracts.aftercare import ATTESTABLE_CRITERIA, MONITORED_CRITERIA
from shared.ids import derived_id

DANA = derived_id("patient", "dana")
JOURNEY = derived_id("journey", "dana")
FIRST = derived_id("episode", "dana", "first")
SECOND = derived_id("episode", "dana", "second")
SITE = derived_id("site", "lakeside")

#: Monday, 2 February 2026, nine in the morning in Chicago.
ADMITTED_AT = datetime(2026, 2, 2, 15, 0, tzinfo=UTC)

_IDS = {"patient_id": DANA, "episode_id": FIRST, "journey_id": JOURNEY}


def site_opened(site_id: str = SITE, emergency_line: str = "+1 555 0199") -> intake.SiteOpened:
    """A site is open, with its number for emergencies."""
    return intake.SiteOpened(
        site_id=site_id,
        time_zone="America/Chicago",
        levels_licensed=("1", "2.1"),
        opened_at=ADMITTED_AT,
        emergency_line=emergency_line,
    )


def admitted(**changed: Any) -> intake.PatientAdmitted:
    """Dana was admitted to the first episode and consents to follow-up."""
    return intake.PatientAdmitted(
        **{
            **_IDS,
            "admission_id": derived_id("admission", changed.get("episode_id", FIRST)),
            "site_id": SITE,
            "level": "2.1",
            "admitted_at": ADMITTED_AT,
            "time_zone": "America/Chicago",
            "weekly_minutes_floor": 540,
            "weekly_minutes_ceiling": 1200,
            "planned_weeks": 12,
            "follow_up_consent": True,
            **changed,
        }
    )


def assessed(**changed: Any) -> intake.AssessmentCompleted:
    """Dana drinks."""
    return intake.AssessmentCompleted(
        **{
            **_IDS,
            "assessment_id": derived_id("assessment", "dana"),
            "site_id": SITE,
            "edition": "ASAM3",
            "dimension_ratings": (0, 0, 1, 1, 2, 1),
            "problems": ("ALCOHOL",),
            "severities": ("MODERATE",),
            "icd10_codes": ("F10.20",),
            "withdrawal_gate": "CLEAR",
            "fit_factors": (),
            "fit_results": (),
            "recommended_level": "2.1",
            "deciding_dimensions": (5,),
            "rule_version": "test",
            "completed_at": ADMITTED_AT - timedelta(days=2),
            **changed,
        }
    )


def _seat(day: int) -> dict[str, Any]:
    return {
        **_IDS,
        "seat_id": derived_id("seat", str(day)),
        "session_id": derived_id("session", str(day)),
        "starts_at": ADMITTED_AT + timedelta(days=day),
        "clinical_minutes": 180,
    }


def attended(day: int, **changed: Any) -> scheduling.SessionAttended:
    """Dana came, *day* days after the admission."""
    return scheduling.SessionAttended(
        **{**_seat(day), "kind": "GROUP", "credited_minutes": 180, "state": "PRESENT", **changed}
    )


def missed(day: int, **changed: Any) -> scheduling.SessionMissed:
    """Dana did not come."""
    return scheduling.SessionMissed(
        **{
            **_seat(day),
            "kind": "GROUP",
            "consecutive": 1,
            "missed_at": ADMITTED_AT + timedelta(days=day, minutes=15),
            **changed,
        }
    )


def corrected(
    day: int, to_state: str, *, revision: int = 1, **changed: Any
) -> scheduling.AttendanceCorrected:
    """The mark of that day was wrong."""
    return scheduling.AttendanceCorrected(
        **{
            **_seat(day),
            "from_state": "NO_SHOW",
            "to_state": to_state,
            "credited_minutes": 180,
            "revision": revision,
            "consecutive": 0,
            "corrected_at": ADMITTED_AT + timedelta(days=day, hours=revision),
            **changed,
        }
    )


def reached_by_outreach(at: datetime, **changed: Any) -> monitoring.OutreachAttempted:
    """Somebody called Dana and Dana answered."""
    return monitoring.OutreachAttempted(
        **{
            **_IDS,
            "outreach_id": derived_id("outreach", "1"),
            "attempt": 1,
            "channel": "CALL",
            "outcome": "REACHED",
            "seat_id": derived_id("seat", "7"),
            "missed_at": at - timedelta(hours=1),
            "attempted_at": at,
            **changed,
        }
    )


def reengaged(at: datetime, **changed: Any) -> monitoring.PatientReengaged:
    """Dana is in contact again."""
    return monitoring.PatientReengaged(
        **{
            **_IDS,
            "outreach_id": derived_id("outreach", "1"),
            "how": "REACHED",
            "reengaged_at": at,
            **changed,
        }
    )


def ready(at: datetime, **changed: Any) -> monitoring.GraduationReady:
    """Monitoring finds met what it can tell."""
    return monitoring.GraduationReady(
        **{
            **_IDS,
            "criteria": MONITORED_CRITERIA,
            "sessions_attended": 36,
            "attendance_percent": 92,
            "rule_version": "test",
            "ready_at": at,
            **changed,
        }
    )


def proposed(at: datetime, **changed: Any) -> monitoring.DischargeProposed:
    """Nobody has had contact with Dana for two weeks."""
    return monitoring.DischargeProposed(
        **{
            **_IDS,
            "proposal_id": derived_id("proposal", "1"),
            "reason_code": "2",
            "last_contact_at": at - timedelta(days=14),
            "proposed_at": at,
            **changed,
        }
    )


def withdrawn(at: datetime, **changed: Any) -> monitoring.DischargeProposalWithdrawn:
    """There is contact again."""
    return monitoring.DischargeProposalWithdrawn(
        **{**_IDS, "proposal_id": derived_id("proposal", "1"), "withdrawn_at": at, **changed}
    )


def discharged(at: datetime, **changed: Any) -> aftercare.PatientDischarged:
    """The first episode ended."""
    return aftercare.PatientDischarged(
        **{
            **_IDS,
            "discharge_id": derived_id(changed.get("episode_id", FIRST), "discharge"),
            "reason_code": "1",
            "admitted_at": ADMITTED_AT,
            "last_contact_at": at - timedelta(days=1),
            "stay_days": (at - ADMITTED_AT).days - 1,
            "discharged_at": at,
            **changed,
        }
    )


def graduated(at: datetime, **changed: Any) -> aftercare.ProgramGraduated:
    """Dana completed the program."""
    return aftercare.ProgramGraduated(
        **{
            **_IDS,
            "discharge_id": derived_id(changed.get("episode_id", FIRST), "discharge"),
            "graduated_at": at,
            **changed,
        }
    )


def every_attestation() -> list[dict[str, Any]]:
    """What a clinician attests of somebody who meets everything, without the harm-reduction track."""
    return [
        {"criterion": criterion, "evidence": evidence[0]}
        for criterion, evidence in ATTESTABLE_CRITERIA.items()
        if criterion != "NO_USE"
    ]


def whole_plan(now: datetime, **changed: Any) -> dict[str, Any]:
    """Return a complete, signed aftercare plan for Dana as a request."""
    return {
        "episode_id": FIRST,
        "components": {
            "ongoing_therapy": "PRESENT",
            "support_groups": "DECLINED",
            "relapse_prevention": "PRESENT",
        },
        "goals": "Coach the girls' team again without a flask in my bag.",
        "first_appointment_at": (now + timedelta(days=3)).isoformat(),
        "relapse_prevention": {
            "triggers": 5,
            "coping_actions_per_trigger": 2,
            "warning_signs": 3,
            "routines_per_week": 3,
            "supports": 3,
            "supports_outside_family": 1,
            "lapse_plan": True,
            "safety_plan": True,
            "reviewed_at": (now - timedelta(days=1)).isoformat(),
        },
        "patient_signed_at": now.isoformat(),
        "sign": True,
        **changed,
    }
