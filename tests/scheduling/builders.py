"""Things of scheduling, made with every field that a test does not talk about."""

from datetime import UTC, date, datetime, time
from typing import Any

from services.scheduling.domain import attendance, obligations, planner
from shared.contracts.aftercare import PatientDischarged
from shared.contracts.intake import PatientAdmitted, ReferralReceived, SiteOpened
from shared.contracts.monitoring import PlanDrafted
from shared.ids import derived_id
from tests.support import Room

CHICAGO = "America/Chicago"
SITE = derived_id("site", "lakeside")
#: The Sunday before the room's Monday, when the site opens.
OPENED_AT = datetime(2026, 2, 1, 18, 0, tzinfo=UTC)
#: Early on Monday, when people are admitted.
ADMITTED_AT = datetime(2026, 2, 2, 13, 0, tzinfo=UTC)
#: Monday morning, the first of a week of groups: 09:00 in Chicago is 15:00 UTC.
MONDAY_MORNING = datetime(2026, 2, 2, 15, 0, tzinfo=UTC)

TRACK_TIMES = {
    "MORNING": (time(9), time(12)),
    "AFTERNOON": (time(13), time(16)),
    "EVENING": (time(18), time(21)),
}


def site_opened(**changes: Any) -> SiteOpened:
    fields = {
        "site_id": SITE,
        "time_zone": CHICAGO,
        "levels_licensed": ("1", "2.1"),
        "opened_at": OPENED_AT,
    }
    return SiteOpened(**(fields | changes))


def ids_of(name: str) -> dict[str, str]:
    return {
        "patient_id": derived_id("patient", name),
        "episode_id": derived_id("episode", name),
        "journey_id": derived_id("journey", name),
    }


def referral_of(name: str, **changes: Any) -> ReferralReceived:
    fields = {
        **ids_of(name),
        "referral_id": derived_id("referral", name),
        "site_id": SITE,
        "referral_source": "1",
        "known_patient": False,
        "received_at": OPENED_AT,
    }
    return ReferralReceived(**(fields | changes))


def admission_of(name: str, **changes: Any) -> PatientAdmitted:
    fields = {
        **ids_of(name),
        "admission_id": derived_id("admission", name),
        "site_id": SITE,
        "level": "2.1",
        "admitted_at": ADMITTED_AT,
        "time_zone": CHICAGO,
        "weekly_minutes_floor": 540,
        "weekly_minutes_ceiling": 1140,
        "planned_weeks": 12,
    }
    return PatientAdmitted(**(fields | changes))


def draft_of(name: str, *modalities: str) -> PlanDrafted:
    return PlanDrafted(
        **ids_of(name),
        plan_id=derived_id("treatment plan", name, "1"),
        version=1,
        assessment_id=derived_id("assessment", name),
        problems=("ALCOHOL",),
        drafted_at=OPENED_AT,
        modalities=modalities,
    )


def admitted(name: str, **changes: Any) -> tuple[PlanDrafted, PatientAdmitted]:
    """Return what comes when somebody is admitted: the draft of a plan, long ago, and the admission."""
    return draft_of(name), admission_of(name, **changes)


def discharge_of(name: str, *, at: datetime, **changes: Any) -> PatientDischarged:
    fields = {
        **ids_of(name),
        "discharge_id": derived_id("discharge", name),
        "reason_code": "2",
        "admitted_at": ADMITTED_AT,
        "last_contact_at": at,
        "stay_days": (at - ADMITTED_AT).days,
        "discharged_at": at,
    }
    return PatientDischarged(**(fields | changes))


def meeting(weekday: int, track: str = "MORNING", **changes: Any) -> planner.Meeting:
    starts, ends = TRACK_TIMES[track]
    fields: dict[str, Any] = {
        "group_id": derived_id("group", track),
        "kind": "GROUP",
        "track": track,
        "weekday": weekday,
        "starts": starts,
        "ends": ends,
        "clinical_minutes": 165,
        "free_places": 12,
    }
    return planner.Meeting(**(fields | changes))


def therapist(name: str = "Ines", **changes: Any) -> planner.Therapist:
    fields: dict[str, Any] = {
        "clinician_id": derived_id("clinician", name),
        "taken": frozenset(),
        "busy": (),
    }
    return planner.Therapist(**(fields | changes))


def request(*bound_by: obligations.Obligation, **changes: Any) -> planner.Request:
    fields: dict[str, Any] = {
        "floor": 540,
        "ceiling": 1140,
        "busy": tuple(obligation.span() for obligation in bound_by),
        "admitted_minute": 0,
    }
    return planner.Request(**(fields | changes))


def work(weekday: int, starts: time, ends: time, *, travel_minutes: int = 0) -> obligations.Obligation:
    return obligations.Obligation(
        kind="WORK", weekday=weekday, starts=starts, ends=ends, travel_minutes=travel_minutes
    )


def morning_session(**changes: Any) -> attendance.Session:
    fields: dict[str, Any] = {
        "session_id": derived_id("session", "monday"),
        "site_id": SITE,
        "group_id": derived_id("group", "MORNING"),
        "kind": "GROUP",
        "modality": "PROCESS",
        "facilitator_id": derived_id("clinician", "Ines"),
        "starts_at": MONDAY_MORNING,
        "ends_at": MONDAY_MORNING.replace(hour=18),
        "clinical_minutes": 165,
        "capacity": 12,
    }
    return attendance.Session(**(fields | changes))


def seat_of(name: str, session: attendance.Session, **changes: Any) -> attendance.Seat:
    fields: dict[str, Any] = {
        **ids_of(name),
        "seat_id": derived_id(session.session_id, ids_of(name)["episode_id"]),
        "session_id": session.session_id,
        "capacity": session.capacity,
        "number": 1,
        "starts_at": session.starts_at,
        "ends_at": session.ends_at,
    }
    return attendance.Seat(**(fields | changes))


def add_clinician(room: Room, name: str, *, kind: str = "LCSW", expires_on: date = date(2030, 1, 1)) -> str:
    answer = room.call(
        "add_clinician",
        {
            "clinician_id": derived_id("clinician", name),
            "site_id": SITE,
            "name": name,
            "credentials": [{"kind": kind, "state": "IL", "expires_on": expires_on.isoformat()}],
        },
        role="operations",
    )
    return str(answer["clinician_id"])


def open_group(room: Room, name: str, *, facilitator_id: str, **changes: Any) -> str:
    fields: dict[str, Any] = {
        "group_id": derived_id("group", name),
        "site_id": SITE,
        "track": "MORNING",
        "weekdays": [0, 1, 2, 3, 4],
        "facilitator_id": facilitator_id,
    }
    return str(room.call("open_group", fields | changes, role="operations")["group_id"])


def furnish(room: Room, *, therapists: int = 1, **group: Any) -> None:
    """Open the site with one morning group, a counselor who leads it and therapists besides."""
    room.at(OPENED_AT)
    room.deliver(site_opened())
    lead = add_clinician(room, "Walt", kind="CADC")
    for number in range(therapists):
        add_clinician(room, f"therapist {number}")
    open_group(room, "sunrise", facilitator_id=lead, **group)
