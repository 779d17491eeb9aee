"""Patients who came and wait

Revision: 0031
Revises: 0030
"""

import sqlalchemy as sa
from alembic import op
revision = '0031'
down_revision = '0030'
branch_labels = None
depends_on = None

_REASONS = "('NOT_LICENSED_THERE', 'PRIVACY_NOT_ATTESTED', 'ENTRY_NEEDS_FACILITATOR')"


def _allow(reasons: str) -> None:
    op.drop_constraint(op.f('ck_unseen_arrivals_reason_code'), 'unseen_arrivals', type_='check')
    op.create_check_constraint(op.f('ck_unseen_arrivals_reason_code'), 'unseen_arrivals', f"reason IN {reasons}")
    op.drop_constraint(op.f('ck_seats_not_seen_because_code'), 'seats', type_='check')
    op.create_check_constraint(op.f('ck_seats_not_seen_because_code'), 'seats', f"not_seen_because IN {reasons}")


def upgrade() -> None:
    _allow(_REASONS)
    op.alter_column('unseen_arrivals', 'state', existing_type=sa.String(length=2), nullable=True)
    op.alter_column('unseen_arrivals', 'place', existing_type=sa.String(length=16), nullable=True)


def downgrade() -> None:
    # An older version knows of no other reason: of who waited it keeps no trace, and their seat is unmarked.
    op.execute("DELETE FROM unseen_arrivals WHERE reason <> 'NOT_LICENSED_THERE'")
    op.execute("UPDATE seats SET not_seen_because = NULL WHERE not_seen_because <> 'NOT_LICENSED_THERE'")
    op.alter_column('unseen_arrivals', 'place', existing_type=sa.String(length=16), nullable=False)
    op.alter_column('unseen_arrivals', 'state', existing_type=sa.String(length=2), nullable=False)
    _allow("('NOT_LICENSED_THERE')")
