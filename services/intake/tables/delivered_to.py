"""What a delivered day is counted by, of all whom a roster tells of, locked and in one look."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.orm import Session

from services.intake.domain import coverage, self_pay, step_downs
from services.intake.tables.columns import any_of
from services.intake.tables.costs import self_pay_rows
from services.intake.tables.coverage import (
    Ledger,
    authorization_rows,
    ledgers_in,
    lock_approved,
    unit_rows,
)
from services.intake.tables.step_downs import step_down_rows
from shared.database import send_with_next, written_once


@dataclass(frozen=True, kw_only=True)
class DeliveredTo:
    """What is known of the people to whom something was delivered."""

    #: By episode; what was approved for any of the days is locked.
    ledgers: dict[str, Ledger]
    #: Locked.
    step_downs: list[step_downs.StepDown]
    #: By episode, where anything is known of how somebody pays themself.
    self_pays: dict[str, self_pay.SelfPay]


def _about_episodes(entity: Any, rows: sa.Table) -> Any:
    """Return the rows of a class that are about the episodes asked for."""
    own = sa.select(entity).where(
        rows.c.episode_id == any_of("of_episodes"), rows.c.tenant_id == sa.bindparam("of_tenant")
    )
    return orm.aliased(entity, own.subquery())


_Authorization = _about_episodes(coverage.Authorization, authorization_rows)
_StepDown = _about_episodes(step_downs.StepDown, step_down_rows)
_SelfPay = _about_episodes(self_pay.SelfPay, self_pay_rows)
#: Three questions in one: each row tells of an authorisation and a unit of it, of a step-down, or of who pays
#: themself, which are joined by nothing.
_DELIVERED_TO = written_once(
    sa.select(_Authorization, coverage.Unit, _StepDown, _SelfPay)
    .select_from(_Authorization)
    .outerjoin(
        coverage.Unit,
        sa.and_(
            unit_rows.c.authorization_id == _Authorization.authorization_id,
            unit_rows.c.tenant_id == _Authorization.tenant_id,
        ),
    )
    .join(_StepDown, sa.false(), full=True)
    .join(_SelfPay, sa.false(), full=True)
    .order_by(
        _Authorization.first_on,
        _Authorization.recorded_at,
        _Authorization.authorization_id,
        unit_rows.c.served_on,
        _StepDown.step_down_id,
    )
    .execution_options(populate_existing=True),
    narrowed=(_Authorization, coverage.Unit, _StepDown, _SelfPay),
)
#: In one order, so that two who wait for the same never wait in a circle.
_LOCK_STEP_DOWNS = """
SELECT FROM step_downs
WHERE tenant_id = %(tenant_id)s AND episode_id = ANY(CAST(%(episode_ids)s AS uuid[]))
ORDER BY step_down_id FOR UPDATE
"""


def lock_delivered_to(db: Session, *, episode_ids: Collection[str], days: Collection[date]) -> DeliveredTo:
    """Return what is known of the people in some episodes to whom something was delivered on some days."""
    own = {"tenant_id": db.info["tenant_id"], "episode_ids": list(episode_ids)}
    lock_approved(db, episode_ids=episode_ids, days=days)
    send_with_next(db.connection(), _LOCK_STEP_DOWNS, own)
    asked = {"of_tenant": own["tenant_id"], "of_episodes": own["episode_ids"]}
    rows = db.execute(_DELIVERED_TO, asked).all()
    return DeliveredTo(
        ledgers=ledgers_in(
            [(authorization, unit) for authorization, unit, _, _ in rows if authorization is not None],
            episode_ids=episode_ids,
        ),
        step_downs=[found for _, _, found, _ in rows if found is not None],
        self_pays={found.episode_id: found for _, _, _, found in rows if found is not None},
    )
