"""What units are reserved by for somebody's scheduled days, locked and in one look."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.intake.domain import coverage, tasks
from services.intake.tables.columns import among
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
from shared.database import written_once


@dataclass(frozen=True, kw_only=True)
class ToReserve:
    """What is known of an episode whose scheduled days need units."""

    #: What payers answered about its patient, by payer.
    covers: list[coverage.Coverage]
    #: What was approved for the days that were asked about is locked.
    ledger: Ledger
    #: In order.
    scheduled_days: list[date]
    #: The open tasks that ask for units of days that have none, by id.
    warnings: list[tasks.Task]


_OF_TENANT: sa.BindParameter[Any] = sa.bindparam("of_tenant")
_OF_EPISODE: sa.BindParameter[Any] = sa.bindparam("of_episode")
_Authorization = among(
    coverage.Authorization,
    authorization_rows.c.tenant_id == _OF_TENANT,
    authorization_rows.c.episode_id == _OF_EPISODE,
)
_Coverage = among(
    coverage.Coverage,
    coverage_rows.c.tenant_id == _OF_TENANT,
    coverage_rows.c.patient_id == sa.bindparam("of_patient"),
)
_Task = among(
    tasks.Task,
    task_rows.c.tenant_id == _OF_TENANT,
    task_rows.c.episode_id == _OF_EPISODE,
    task_rows.c.task == coverage.UNCOVERED_TASK,
    task_rows.c.outcome.is_(None),
)
_seat = scheduled_seat_rows.c
_DAYS = (
    sa.select(_seat.day)
    .where(
        _seat.tenant_id == _OF_TENANT,
        _seat.episode_id == _OF_EPISODE,
        _seat.day >= sa.bindparam("since"),
        _seat.gone.is_(False),
    )
    .distinct()
    .subquery()
)
#: Four questions in one: each row tells of an authorisation and a unit of it, of a payer's answer, of a task
#: or of a day, which are joined by nothing.
_TO_RESERVE = written_once(
    sa.select(_Authorization, coverage.Unit, _Coverage, _Task, _DAYS.c.day)
    .select_from(_Authorization)
    .outerjoin(coverage.Unit, is_unit_of(_Authorization))
    .join(_Coverage, sa.false(), full=True)
    .join(_Task, sa.false(), full=True)
    .join(_DAYS, sa.false(), full=True)
    .order_by(
        *as_in_ledger(_Authorization),
        _Coverage.payer,
        _Task.task_id,
        _DAYS.c.day,
    )
    .execution_options(populate_existing=True),
    narrowed=(_Authorization, coverage.Unit, _Coverage, _Task),
)


def lock_to_reserve(
    db: Session, *, episode_id: str, patient_id: str, days: Collection[date], since: date
) -> ToReserve:
    """Return what is known of an episode whose scheduled days need units.

    :param days: what was approved for a stretch with any of them is locked.
    :param since: the day from which on scheduled days are told.
    """
    lock_approved(db, episode_ids=[episode_id], days=days)
    asked = {"of_tenant": db.info["tenant_id"], "of_episode": episode_id, "of_patient": patient_id}
    rows = db.execute(_TO_RESERVE, {**asked, "since": since}).all()
    taken = [(authorization, unit) for authorization, unit, *_ in rows if authorization is not None]
    return ToReserve(
        covers=[cover for _, _, cover, _, _ in rows if cover is not None],
        ledger=ledgers_in(taken, episode_ids=[episode_id])[episode_id],
        scheduled_days=[day for *_, day in rows if day is not None],
        warnings=[task for _, _, _, task, _ in rows if task is not None],
    )
