"""Remission of a disorder: which stage a day amounts to since which no criterion has been met.

The clock counts from the last criterion, not from the last use; craving alone does not stop it (DSM-5).
The stage is no part of an ICD-10-CM code, so it is kept beside it, with its day.
"""

from datetime import date

from shared.contracts.intake import REMISSIONS
from shared.errors import InvalidInput

EARLY, SUSTAINED = REMISSIONS

#: Full months without a criterion, craving excepted, from which remission is early: at least 3 and less
#: than 12. DSM-5.
EARLY_FROM_MONTHS = 3
#: Full months from which it is sustained: 12 or longer. DSM-5.
SUSTAINED_FROM_MONTHS = 12


def stage_on(today: date, *, since: date) -> str | None:
    """Return the stage that is reached on a day, or ``None`` before the first one."""
    months = full_months(since, today)
    if months >= SUSTAINED_FROM_MONTHS:
        return SUSTAINED
    return EARLY if months >= EARLY_FROM_MONTHS else None


def full_months(since: date, until: date) -> int:
    """Return how many months have passed in full.

    Where a month lacks the day, it is full on the first of the next one: remission is never told early.
    """
    return (until.year - since.year) * 12 + until.month - since.month - (until.day < since.day)


def check(*, since: date | None, told: str | None, today: date, field: str) -> str | None:
    """Return the stage, worked out from its day; ``None`` where nobody speaks of remission.

    :param since: the day since which no criterion but craving has been met.
    :param told: the stage as the assessor calls it, if they do.
    :param field: where the problem stands in what was told.
    :raises InvalidInput: when the day is missing, lies ahead or is too near, or the stage is another one.
    """
    if since is None:
        if told is None:
            return None
        raise InvalidInput(
            "The remission has no day.",
            field=f"{field}.remission_since",
            rule="the day since which no criterion but craving has been met",
        )
    if since > today:
        raise InvalidInput(
            "The remission begins in the future.", field=f"{field}.remission_since", rule="not after today"
        )
    stage = stage_on(today, since=since)
    if stage is None:
        raise InvalidInput(
            "This is no remission yet.",
            field=f"{field}.remission_since",
            rule=f"at least {EARLY_FROM_MONTHS} months ago",
        )
    if told not in (None, stage):
        raise InvalidInput(
            "The stage of remission is another one.",
            field=f"{field}.remission",
            rule=f"{stage} by its day, or left out to be worked out",
        )
    return stage
