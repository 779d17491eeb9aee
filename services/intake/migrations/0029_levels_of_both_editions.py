"""Levels of both editions

Revision: 0029
Revises: 0028
"""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_THIRD = ("0.5", "1", "2.1", "2.5", "3.1", "3.3", "3.5", "3.7", "4")
_BOTH = (
    "0.5", "1", "1.0", "1.5", "1.5COE", "1.7", "1.7COE", "2.1", "2.5", "2.5COE", "2.7", "2.7COE", "3.1", "3.3", "3.5",
    "3.5COE", "3.7", "3.7COE", "3.7BIO", "4PSYCH", "4",
)  # fmt: skip
_ADMITTED = ("1", "2.1", "2.5")
_ADMITTED_OF_BOTH = (
    "1", "1.0", "1.5", "1.5COE", "1.7", "1.7COE", "2.1", "2.5", "2.5COE", "2.7", "2.7COE",
)  # fmt: skip

#: Table, column, and the levels before and after.
_LEVELS = (
    ("assessments", "recommended_level", _THIRD, _BOTH),
    ("level_decisions", "decided_level", _THIRD, _BOTH),
    ("rates", "level", _THIRD, _BOTH),
    ("admissions", "level", _ADMITTED, _ADMITTED_OF_BOTH),
)


def upgrade() -> None:
    # More than the version before writes; what is there holds, so no row has to be looked at.
    for table, column, _, levels in _LEVELS:
        _allow(table, column, levels)


def downgrade() -> None:
    for table, column, levels, _ in _LEVELS:
        _allow(table, column, levels)


def _allow(table: str, column: str, levels: tuple[str, ...]) -> None:
    name = f"ck_{table}_{column}"
    op.drop_constraint(op.f(name), table)
    op.create_check_constraint(op.f(name), table, f"{column} IN ({', '.join(repr(level) for level in levels)})")
