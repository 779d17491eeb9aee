"""Events about one invented person."""

from datetime import UTC, date, datetime

from shared.contracts.scheduling import SessionAttended, SessionMissed, WeeklyDoseShortfall
from shared.ids import derived_id

WHEN = datetime(2026, 2, 2, 15, 0, tzinfo=UTC)


def missed(seat: str) -> SessionMissed:
    """Return that a seat stayed empty."""
    return SessionMissed(
        patient_id=derived_id("rosa"),
        episode_id=derived_id("rosa", "episode"),
        journey_id=derived_id("rosa", "journey"),
        seat_id=derived_id(seat),
        session_id=derived_id("monday group"),
        kind="GROUP",
        starts_at=WHEN,
        clinical_minutes=165,
        consecutive=1,
        missed_at=WHEN,
    )


def attended(seat: str) -> SessionAttended:
    """Return that a seat was taken."""
    return SessionAttended(
        patient_id=derived_id("rosa"),
        episode_id=derived_id("rosa", "episode"),
        journey_id=derived_id("rosa", "journey"),
        seat_id=derived_id(seat),
        session_id=derived_id("monday group"),
        kind="GROUP",
        starts_at=WHEN,
        clinical_minutes=165,
        credited_minutes=165,
        state="PRESENT",
    )


def short_week(name: str) -> WeeklyDoseShortfall:
    """Return that somebody's week was too short."""
    return WeeklyDoseShortfall(
        patient_id=derived_id(name),
        episode_id=derived_id(name, "episode"),
        journey_id=derived_id(name, "journey"),
        week_starts_on=date(2026, 2, 2),
        attended_minutes=330,
        floor_minutes=540,
        consecutive_weeks=1,
    )
