"""What a delivered day is counted by, of all whom a roster tells of, locked and in one look."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.intake.domain import coverage, self_pay, step_downs
from services.intake.tables.columns import any_of
from services.intake.tables.costs import self_pay_rows
from services.intake.tables.coverage import (
    Ledger,
    as_in_ledger,
    authorization_rows,
    is_unit_of,
    ledgers_in,
    lock_approved,
)
from services.intake.tables.step_downs import step_down_rows
from shared.database import among, send_with_next, written_once


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
    return among(
        entity, rows.c.episode_id == any_of("of_episodes"), rows.c.tenant_id == sa.bindparam("of_tenant")
    )


_Authorization = _about_episodes(coverage.Authorization, authorization_rows)
_StepDown = _about_episodes(step_downs.StepDown, step_down_rows)
_SelfPay = _about_episodes(self_pay.SelfPay, self_pay_rows)
#: Three questions in one: each row tells of an authorisation and a unit of it, of a step-down, or of who pays
#: themself, which are joined by nothing.
_DELIVERED_TO = written_once(
    sa.select(_Authorization, coverage.Unit, _StepDown, _SelfPay)
    .select_from(_Authorization)
    .outerjoin(coverage.Unit, is_unit_of(_Authorization))
    .join(_StepDown, sa.false(), full=True)
    .join(_SelfPay, sa.false(), full=True)
    .order_by(
        *as_in_ledger(_Authorization),
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
