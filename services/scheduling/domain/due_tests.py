"""Drug tests that are due on a day: monitoring draws them, and the day at the site shows them."""

from dataclasses import dataclass
from datetime import date, datetime

from shared.contracts.monitoring import DrugTestDue, DrugTestRecorded


@dataclass(eq=False, kw_only=True)
class DueTest:
    """That a patient is tested on a day of the site's calendar; how it turned out is not known here."""

    test_id: str
    patient_id: str
    episode_id: str
    site_id: str
    due_on: date
    due_at: datetime
    #: When something first came of it; None while it is due.
    settled_at: datetime | None = None
    tenant_id: str = ""


def of(event: DrugTestDue | DrugTestRecorded, *, settled_at: datetime | None) -> DueTest:
    """Return the test that an event is about."""
    return DueTest(
        test_id=event.test_id,
        patient_id=event.patient_id,
        episode_id=event.episode_id,
        site_id=event.site_id,
        due_on=event.due_on,
        due_at=event.due_at,
        settled_at=settled_at,
    )
