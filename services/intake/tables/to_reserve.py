"""What units are reserved by for the scheduled days of some people, locked and in one look."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.intake.domain import coverage, tasks
from services.intake.domain.episodes import Episode
from services.intake.tables.columns import any_of
from services.intake.tables.coverage import (
    Ledger,
    as_in_ledger,
    authorization_rows,
    coverage_rows,
    is_unit_of,
    ledgers_in,
    lock_approved,
    scheduled_seat_rows,
)
from services.intake.tables.tasks import task_rows
from shared.database import among, written_once


@dataclass(frozen=True, kw_only=True)
class ToReserve:
    """What is known of an episode whose scheduled days need units."""

    #: What payers answered about its patient, by payer.
    covers: list[coverage.Coverage]
    #: What was approved for the day that was asked about, or a later one, is locked.
    ledger: Ledger
    #: In order.
    scheduled_days: list[date]
    #: The open tasks that ask for units of days that have none, by id.
    warnings: list[tasks.Task]


_OF_TENANT: sa.BindParameter[Any] = sa.bindparam("of_tenant")
_OF_EPISODES = any_of("of_episodes")
_Authorization = among(
    coverage.Authorization,
    authorization_rows.c.tenant_id == _OF_TENANT,
    authorization_rows.c.episode_id == _OF_EPISODES,
)
_Coverage = among(
    coverage.Coverage,
    coverage_rows.c.tenant_id == _OF_TENANT,
    coverage_rows.c.patient_id == any_of("of_patients"),
)
_Task = among(
    tasks.Task,
    task_rows.c.tenant_id == _OF_TENANT,
    task_rows.c.episode_id == _OF_EPISODES,
    task_rows.c.task == coverage.UNCOVERED_TASK,
    task_rows.c.outcome.is_(None),
)
_seat = scheduled_seat_rows.c
_DAYS = (
    sa.select(_seat.episode_id, sa.func.array_agg(_seat.day.distinct()).label("days"))
    .where(
        _seat.tenant_id == _OF_TENANT,
        _seat.episode_id == _OF_EPISODES,
        _seat.day >= sa.bindparam("since"),
        _seat.gone.is_(False),
    )
    .group_by(_seat.episode_id)
    .subquery()
)
#: Four questions in one: each row tells of an authorisation and a unit of it, of a payer's answer, of a task
#: or of somebody's days, which are joined by nothing.
_TO_RESERVE = written_once(
    sa.select(_Authorization, coverage.Unit, _Coverage, _Task, _DAYS.c.episode_id, _DAYS.c.days)
    .select_from(_Authorization)
    .outerjoin(coverage.Unit, is_unit_of(_Authorization))
    .join(_Coverage, sa.false(), full=True)
    .join(_Task, sa.false(), full=True)
    .join(_DAYS, sa.false(), full=True)
    .order_by(
        *as_in_ledger(_Authorization),
        _Coverage.payer,
        _Task.task_id,
    )
    .execution_options(populate_existing=True),
    narrowed=(_Authorization, coverage.Unit, _Coverage, _Task),
)


def lock_to_reserve(
    db: Session, episodes: Sequence[tuple[Episode, date]], *, locked_from: date
) -> dict[str, ToReserve]:
    """Return what is known of episodes whose scheduled days need units, by episode.

    :param episodes: each with the day from which on its scheduled days are told.
    :param locked_from: what was approved for this day or a later one is locked.
    """
    if not episodes:
        return {}
    ids = [episode.episode_id for episode, _ in episodes]
    # All of it at once, in the order of all: whoever takes units of it later waits for nobody then.
    lock_approved(db, episode_ids=ids, days=(locked_from, date.max))
    asked = {
        "of_tenant": db.info["tenant_id"],
        "of_episodes": ids,
        "of_patients": [episode.patient_id for episode, _ in episodes],
        "since": min(since for _, since in episodes),
    }
    taken: list[tuple[coverage.Authorization, coverage.Unit | None]] = []
    covers: dict[str, list[coverage.Coverage]] = defaultdict(list)
    warnings: dict[str, list[tasks.Task]] = defaultdict(list)
    days: dict[str, list[date]] = {}
    for authorization, unit, cover, task, episode_id, own in db.execute(_TO_RESERVE, asked):
        if authorization is not None:
            taken.append((authorization, unit))
        elif cover is not None:
            covers[cover.patient_id].append(cover)
        elif task is not None:
            warnings[task.episode_id].append(task)
        else:
            days[episode_id] = own
    ledgers = ledgers_in(taken, episode_ids=ids)
    return {
        episode.episode_id: ToReserve(
            covers=covers[episode.patient_id],
            ledger=ledgers[episode.episode_id],
            scheduled_days=sorted(day for day in days.get(episode.episode_id, ()) if day >= since),
            warnings=warnings[episode.episode_id],
        )
        for episode, since in episodes
    }
