"""A reaction with one insert, as ``services/monitoring`` writes its own: plain ORM, nothing for speed."""

import time
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.orm import Session, registry

from shared.contracts.scheduling import WeeklyDoseShortfall
from shared.database import id_column, moment, new_metadata, reference, tenant_column
from shared.ids import new_id
from shared.messaging import reacts_to

#: Seconds for which the handler that waits on I/O waits.
WAIT_SECONDS = 0.005

_WEEK = date(2026, 2, 2)

metadata = new_metadata()
noted_weeks = sa.Table(
    "noted_weeks",
    metadata,
    id_column("episode_id"),
    tenant_column(),
    reference("patient_id"),
    sa.Column("week_starts_on", sa.Date, nullable=False),
    sa.Column("attended_minutes", sa.Integer, nullable=False),
    sa.Column("floor_minutes", sa.Integer, nullable=False),
    sa.Column("noted_at", moment(), nullable=False),
)


@dataclass(kw_only=True)
class ShortWeek:
    """A week under the floor of the level."""

    episode_id: str
    patient_id: str
    week_starts_on: date
    attended_minutes: int
    floor_minutes: int
    noted_at: datetime
    tenant_id: str = ""


registry(metadata=metadata).map_imperatively(ShortWeek, noted_weeks)


def short_week(attended_minutes: int = 330) -> WeeklyDoseShortfall:
    """Return an event about somebody new."""
    return WeeklyDoseShortfall(
        patient_id=new_id(),
        episode_id=new_id(),
        journey_id=new_id(),
        week_starts_on=_WEEK,
        attended_minutes=attended_minutes,
        floor_minutes=540,
        consecutive_weeks=1,
    )


class ShortWeeks:
    """Keeps short weeks."""

    name: ClassVar[str] = "monitoring"

    @reacts_to(WeeklyDoseShortfall)
    def keep_short_week(self, db: Session, event: WeeklyDoseShortfall, now: datetime) -> None:
        """Keep a week under the floor."""
        db.add(
            ShortWeek(
                episode_id=event.episode_id,
                patient_id=event.patient_id,
                week_starts_on=event.week_starts_on,
                attended_minutes=event.attended_minutes,
                floor_minutes=event.floor_minutes,
                noted_at=now,
            )
        )


class SlowShortWeeks:
    """Keeps short weeks, after asking somebody who takes a while to answer."""

    name: ClassVar[str] = "monitoring"

    @reacts_to(WeeklyDoseShortfall)
    def keep_short_week(self, db: Session, event: WeeklyDoseShortfall, now: datetime) -> None:
        """Wait on I/O, then keep a week under the floor."""
        time.sleep(WAIT_SECONDS)  # yields to other greenthreads, as a query or a request would
        ShortWeeks().keep_short_week(db, event, now)
