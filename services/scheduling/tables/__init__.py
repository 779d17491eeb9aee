"""What scheduling keeps, and the named queries: a module a concept, and all of them here by name.

Three promises are the database's own: no session has more seats than its capacity (numbered seats),
no clinician and no patient is in two places at once (exclusion over time).
"""

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
from services.scheduling.tables.groups import (
    groups_of_site,
    groups_table,
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
    sites,
)

__all__ = [
    "active_plans",
    "add_dated",
    "add_site",
    "cancel_seats",
    "clinicians_of_site",
    "clinicians_table",
    "counts_of",
    "episodes",
    "floors_of",
    "groups_of_site",
    "groups_table",
    "hours_taken",
    "lock_episode_of",
    "lock_patient",
    "lock_session",
    "lock_site",
    "mapper",
    "metadata",
    "numbers_taken",
    "past_of",
    "patients",
    "places",
    "places_of",
    "plan_of",
    "plans_with_therapists",
    "plans_without_week",
    "present_episode_of",
    "seats",
    "seats_between",
    "seats_of",
    "seats_of_episode",
    "sessions",
    "sessions_between",
    "sites",
    "weekly_plans",
]
