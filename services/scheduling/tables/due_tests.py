"""Drug tests that are due on a day, and the named queries about them."""

from datetime import date

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table
from sqlalchemy.orm import Session

from services.scheduling.domain import due_tests
from services.scheduling.tables.base import mapper, metadata
from shared.database import id_column, moment, reference, tenant_column, written_once

due_tests_table = Table(
    "due_tests",
    metadata,
    id_column("test_id"),
    tenant_column(),
    reference("patient_id"),
    reference("episode_id"),
    reference("site_id"),
    Column("due_on", sa.Date, nullable=False),
    Column("due_at", moment(), nullable=False),
    Column("settled_at", moment()),
    Index(None, "tenant_id", "site_id", "due_on"),
)

mapper.map_imperatively(due_tests.DueTest, due_tests_table)


def keep_drug_test(db: Session, told: due_tests.DueTest) -> None:
    """Keep a test; once something came of it, it stays settled, in whatever order that is told."""
    known = db.get(due_tests.DueTest, told.test_id, with_for_update=True)
    if known is None:
        db.add(told)
    elif known.settled_at is None:
        known.settled_at = told.settled_at


_OF_DAY = written_once(
    sa.select(due_tests.DueTest)
    .where(
        due_tests.DueTest.site_id == sa.bindparam("of_site"),
        due_tests.DueTest.due_on == sa.bindparam("on"),
        due_tests.DueTest.settled_at.is_(None),
    )
    .order_by(due_tests.DueTest.test_id)
)


def due_tests_of_day(db: Session, *, site_id: str, day: date) -> list[due_tests.DueTest]:
    """Return the tests that are due at a site on a day."""
    return list(db.scalars(_OF_DAY, {"of_site": site_id, "on": day}))
