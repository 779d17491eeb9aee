"""The rows that every other framework writes and reads: the same through SQLAlchemy for each."""

import uuid
from datetime import UTC, date, datetime

from sqlalchemy import ARRAY, Date, DateTime, Integer, String, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

WEEK = "2026-02-02"


class Base(DeclarativeBase):
    """All tables."""


class ShortWeek(Base):
    """A week under the floor of the level."""

    __tablename__ = "noted_weeks"
    episode_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(64))
    patient_id: Mapped[str] = mapped_column(Uuid(as_uuid=False))
    week_starts_on: Mapped[date] = mapped_column(Date)
    attended_minutes: Mapped[int] = mapped_column(Integer)
    floor_minutes: Mapped[int] = mapped_column(Integer)
    #: When it was announced: the bench takes it for the latency.
    noted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Patient(Base):
    """Somebody in the program."""

    __tablename__ = "patients"
    patient_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(64))
    journey_id: Mapped[str] = mapped_column(Uuid(as_uuid=False))
    given_name: Mapped[str] = mapped_column(String)
    family_name: Mapped[str] = mapped_column(String)
    birth_date: Mapped[date] = mapped_column(Date)
    phone: Mapped[str | None] = mapped_column(String)
    email: Mapped[str | None] = mapped_column(String)
    sex: Mapped[str] = mapped_column(String)
    registered_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Site(Base):
    """A site of the program."""

    __tablename__ = "sites"
    site_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String)
    time_zone: Mapped[str] = mapped_column(String)
    levels_licensed: Mapped[list[str]] = mapped_column(ARRAY(String))
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


def payload_of_short_week() -> dict:
    """Return what is published."""
    return {
        "episode_id": str(uuid.uuid4()),
        "tenant_id": "demo",
        "patient_id": str(uuid.uuid4()),
        "journey_id": str(uuid.uuid4()),
        "week_starts_on": WEEK,
        "attended_minutes": 330,
        "floor_minutes": 540,
        "consecutive_weeks": 1,
        "announced_at": datetime.now(UTC).isoformat(),
    }


def short_week_of(payload: dict) -> ShortWeek:
    """Return the row of what was published."""
    return ShortWeek(
        episode_id=payload["episode_id"],
        tenant_id=payload["tenant_id"],
        patient_id=payload["patient_id"],
        week_starts_on=date.fromisoformat(payload["week_starts_on"]),
        attended_minutes=payload["attended_minutes"],
        floor_minutes=payload["floor_minutes"],
        noted_at=datetime.fromisoformat(payload["announced_at"]),
    )


def view_of_patient(patient: Patient) -> dict:
    """Return a patient as JSON has it."""
    return {
        "patient_id": patient.patient_id,
        "journey_id": patient.journey_id,
        "given_name": patient.given_name,
        "family_name": patient.family_name,
        "birth_date": patient.birth_date.isoformat(),
        "phone": patient.phone,
        "email": patient.email,
        "sex": patient.sex,
        "registered_at": patient.registered_at.isoformat(),
    }


def site_of(site: dict) -> Site:
    """Return the row of a new site."""
    return Site(
        site_id=str(uuid.uuid4()),
        tenant_id="demo",
        name=site["name"],
        time_zone=site["time_zone"],
        levels_licensed=site["levels_licensed"],
        opened_at=datetime.now(UTC),
    )


def view_of_site(site: Site) -> dict:
    """Return a site as JSON has it."""
    return {
        "site_id": site.site_id,
        "name": site.name,
        "time_zone": site.time_zone,
        "levels_licensed": site.levels_licensed,
        "opened_at": site.opened_at.isoformat(),
    }
