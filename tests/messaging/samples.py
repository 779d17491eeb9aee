"""Events about one invented person."""

from datetime import UTC, datetime

from shared.contracts.scheduling import SessionAttended, SessionMissed
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
