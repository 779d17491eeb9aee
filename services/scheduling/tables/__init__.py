"""What scheduling keeps, and the named queries: a module a concept, and all of them here by name.

Three promises are the database's own: no session has more seats than its capacity (numbered seats),
no clinician and no patient is in two places at once (exclusion over time).
"""

from services.scheduling.tables.asked import (
    asked,
    find_asked,
)
from services.scheduling.tables.attendance import (
    counts_of,
    lock_session,
    past_of,
    seats,
    seats_between,
    seats_of,
    seats_of_episode,
    sessions,
    sessions_between,
)
from services.scheduling.tables.base import (
    mapper,
    metadata,
)
from services.scheduling.tables.booking import (
    add_dated,
    cancel_seats,
)
from services.scheduling.tables.clinicians import (
    clinicians_of_site,
    clinicians_table,
)
from services.scheduling.tables.days import (
    attended_within,
    calendar_of_clinician,
    calendar_of_patient,
    has_seat_between,
    rosters_of,
    seats_within,
    sessions_of_day,
)
from services.scheduling.tables.feedback import (
    feedback,
    feedback_before,
    feedback_of_episode,
)
from services.scheduling.tables.groups import (
    groups_of_site,
    groups_table,
)
from services.scheduling.tables.notes import (
    addenda_of,
    lock_service_days,
    note_addenda,
    notes_of,
    overdue_notes,
    service_days,
    session_notes,
    unsigned_notes,
)
from services.scheduling.tables.plans import (
    active_plans,
    hours_taken,
    numbers_taken,
    places,
    places_of,
    plan_of,
    plans_with_therapists,
    plans_without_week,
    weekly_plans,
)
from services.scheduling.tables.records import (
    add_site,
    episodes,
    floors_of,
    lock_episode_of,
    lock_patient,
    lock_site,
    patients,
    present_episode_of,
    site_of,
    sites,
)

__all__ = [
    "active_plans",
    "add_dated",
    "add_site",
    "addenda_of",
    "asked",
    "attended_within",
    "calendar_of_clinician",
    "calendar_of_patient",
    "cancel_seats",
    "clinicians_of_site",
    "clinicians_table",
    "counts_of",
    "episodes",
    "feedback",
    "feedback_before",
    "feedback_of_episode",
    "find_asked",
    "floors_of",
    "groups_of_site",
    "groups_table",
    "has_seat_between",
    "hours_taken",
    "lock_episode_of",
    "lock_patient",
    "lock_service_days",
    "lock_session",
    "lock_site",
    "mapper",
    "metadata",
    "note_addenda",
    "notes_of",
    "numbers_taken",
    "overdue_notes",
    "past_of",
    "patients",
    "places",
    "places_of",
    "plan_of",
    "plans_with_therapists",
    "plans_without_week",
    "present_episode_of",
    "rosters_of",
    "seats",
    "seats_between",
    "seats_of",
    "seats_of_episode",
    "seats_within",
    "service_days",
    "service_days_of",
    "session_notes",
    "sessions",
    "sessions_between",
    "sessions_of_day",
    "site_of",
    "sites",
    "unsigned_notes",
    "weekly_plans",
]
