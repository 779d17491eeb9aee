"""What others tell monitoring about Dana, told with every field that a test does not talk about."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from shared.contracts import aftercare, common, intake, scheduling
from shared.ids import derived_id

DANA = derived_id("patient", "dana")
ELI = derived_id("patient", "eli")
JOURNEY = derived_id("journey", "dana")
EPISODE = derived_id("episode", "dana")
SITE = derived_id("site", "lakeside")

#: Monday, 2 February 2026, nine in the morning in Chicago.
ADMITTED_AT = datetime(2026, 2, 2, 15, 0, tzinfo=UTC)

_IDS = {"patient_id": DANA, "episode_id": EPISODE, "journey_id": JOURNEY}


def site_opened() -> intake.SiteOpened:
    """The site is open."""
    return intake.SiteOpened(
        site_id=SITE, time_zone="America/Chicago", levels_licensed=("1", "2.1"), opened_at=ADMITTED_AT
    )


def assessed(**changed: Any) -> intake.AssessmentCompleted:
    """Dana drinks, moderately, and her home does not help."""
    return intake.AssessmentCompleted(
        **{
            **_IDS,
            "assessment_id": derived_id("assessment", "dana"),
            "site_id": SITE,
            "edition": "ASAM3",
            "dimension_ratings": (0, 0, 1, 1, 2, 3),
            "problems": ("ALCOHOL",),
            "severities": ("MODERATE",),
            "icd10_codes": ("F10.20",),
            "withdrawal_gate": "CLEAR",
            "fit_factors": ("STABLE_HOME", "COMMITTED"),
            "fit_results": ("CONDITIONAL", "MET"),
            "recommended_level": "2.1",
            "deciding_dimensions": (5,),
            "rule_version": "test",
            "completed_at": ADMITTED_AT - timedelta(days=2),
            **changed,
        }
    )


def backed_by(supporters: int, *, at: datetime) -> intake.SupportNetworkTold:
    """Dana told how many people back her."""
    return intake.SupportNetworkTold(
        patient_id=DANA,
        journey_id=JOURNEY,
        supporters=supporters,
        roles=("SIBLING",) if supporters else (),
        told_at=at,
    )


def admitted(**changed: Any) -> intake.PatientAdmitted:
    """Dana was admitted."""
    return intake.PatientAdmitted(
        **{
            **_IDS,
            "admission_id": derived_id("admission", changed.get("episode_id", EPISODE)),
            "site_id": SITE,
            "level": "2.1",
            "admitted_at": ADMITTED_AT,
            "time_zone": "America/Chicago",
            "weekly_minutes_floor": 540,
            "weekly_minutes_ceiling": 1200,
            "planned_weeks": 12,
            **changed,
        }
    )


def seat_of(day: int) -> str:
    """Return the id of the seat of a day after the admission."""
    return derived_id("seat", str(day))


def starts_at(day: int) -> datetime:
    """Return when the session of a day after the admission starts."""
    return ADMITTED_AT + timedelta(days=day, hours=3)


def _seat(day: int) -> dict[str, Any]:
    return {
        **_IDS,
        "seat_id": seat_of(day),
        "session_id": derived_id("session", str(day)),
        "starts_at": starts_at(day),
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
            "missed_at": missed_at(day),
            **changed,
        }
    )


def not_seen(day: int, **changed: Any) -> scheduling.PatientNotSeen:
    """Dana came by video, and had to wait."""
    return scheduling.PatientNotSeen(
        **{
            **_seat(day),
            "kind": "GROUP",
            "reason": "PRIVACY_NOT_ATTESTED",
            "came_at": starts_at(day),
            **changed,
        }
    )


def missed_at(day: int) -> datetime:
    """Return when the absence of a day became a fact: the start and the grace."""
    return starts_at(day) + timedelta(minutes=15)


def corrected(
    day: int, to_state: str, *, revision: int = 1, **changed: Any
) -> scheduling.AttendanceCorrected:
    """The mark of that day was wrong."""
    return scheduling.AttendanceCorrected(
        **{
            **_seat(day),
            "from_state": "NO_SHOW",
            "to_state": to_state,
            "credited_minutes": 180 if to_state == "PRESENT" else 0,
            "revision": revision,
            "consecutive": 1 if to_state == "NO_SHOW" else 0,
            "corrected_at": starts_at(day) + timedelta(hours=2 * revision),
            **changed,
        }
    )


def short_week(week: int, *, consecutive_weeks: int, **changed: Any) -> scheduling.WeeklyDoseShortfall:
    """Dana had six of nine hours in the week that many weeks after the admission."""
    return scheduling.WeeklyDoseShortfall(
        **{
            **_IDS,
            "week_starts_on": date(2026, 2, 2) + timedelta(weeks=week),
            "attended_minutes": 360,
            "floor_minutes": 540,
            "consecutive_weeks": consecutive_weeks,
            **changed,
        }
    )


def week_corrected(
    week: int, *, consecutive_weeks: int, revision: int = 1, **changed: Any
) -> scheduling.WeeklyDoseCorrected:
    """A roster came late, or a mark was wrong, and the week was weighed again."""
    return scheduling.WeeklyDoseCorrected(
        **{
            **_IDS,
            "week_starts_on": date(2026, 2, 2) + timedelta(weeks=week),
            "attended_minutes": 360 if consecutive_weeks else 545,
            "floor_minutes": 540,
            "consecutive_weeks": consecutive_weeks,
            "revision": revision,
            "corrected_at": ADMITTED_AT + timedelta(weeks=week + 2, hours=revision),
            **changed,
        }
    )


def concern(
    name: str = "OVERDOSE", level: str = "E4", *, at: datetime = ADMITTED_AT, n: str = "1", **changed: Any
) -> common.SafetyConcernRaised:
    """Somebody may be in danger."""
    return common.SafetyConcernRaised(
        **{
            "concern_id": derived_id("concern", name, n),
            "patient_id": DANA,
            "concern": name,
            "level": level,
            "evidence_id": derived_id("evidence", name, n),
            "raised_at": at,
            **changed,
        }
    )


def discharged(at: datetime, **changed: Any) -> aftercare.PatientDischarged:
    """The episode ended."""
    return aftercare.PatientDischarged(
        **{
            **_IDS,
            "discharge_id": derived_id(EPISODE, "discharge"),
            "reason_code": "2",
            "admitted_at": ADMITTED_AT,
            "last_contact_at": at,
            "stay_days": (at - ADMITTED_AT).days,
            "discharged_at": at,
            **changed,
        }
    )


def check_in(**changed: Any) -> dict[str, Any]:
    """Return a day on which nothing is wrong."""
    return {
        "episode_id": EPISODE,
        "craving": 2,
        "mood": 6,
        "stress": 3,
        "sleep_hours": 7.5,
        "used": False,
        **changed,
    }
