"""What intake keeps, and the queries that it asks by name."""

from services.intake.tables.admissions import (
    admission_rows,
    find_outward_referral,
    follow_up_rows,
    follow_ups_of,
    lock_follow_ups,
    outward_rows,
)
from services.intake.tables.assessments import (
    assessment_rows,
    decision_rows,
    find_assessment,
    find_obligation_fit,
    obligation_fit_rows,
)
from services.intake.tables.columns import mapper, metadata
from services.intake.tables.consents import consent_rows, consents_of, lock_consent
from services.intake.tables.people import (
    episode_rows,
    find_episode,
    find_patient,
    find_referral,
    lock_episode,
    lock_open_episode,
    patient_rows,
    recognise,
    referral_rows,
    take_turn,
)
from services.intake.tables.reviews import lock_review, open_reviews_of, review_rows, reviews_after
from services.intake.tables.sites import find_site, site_rows, sites_after
from services.intake.tables.tasks import find_task, open_tasks_of, task_rows

__all__ = [
    "admission_rows",
    "assessment_rows",
    "consent_rows",
    "consents_of",
    "decision_rows",
    "episode_rows",
    "find_assessment",
    "find_episode",
    "find_obligation_fit",
    "find_outward_referral",
    "find_patient",
    "find_referral",
    "find_site",
    "find_task",
    "follow_up_rows",
    "follow_ups_of",
    "lock_consent",
    "lock_episode",
    "lock_follow_ups",
    "lock_open_episode",
    "lock_review",
    "mapper",
    "metadata",
    "obligation_fit_rows",
    "open_reviews_of",
    "open_tasks_of",
    "outward_rows",
    "patient_rows",
    "recognise",
    "referral_rows",
    "review_rows",
    "reviews_after",
    "site_rows",
    "sites_after",
    "take_turn",
    "task_rows",
]
