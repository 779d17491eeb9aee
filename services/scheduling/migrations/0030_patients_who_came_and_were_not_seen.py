"""Patients who came and were not seen

Revision: 0030
Revises: 0029
"""

import sqlalchemy as sa
from alembic import op
revision = '0030'
down_revision = '0029'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('unseen_arrivals',
    sa.Column('arrival_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('seat_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('session_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('clinician_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('state', sa.String(length=2), nullable=False),
    sa.Column('place', sa.String(length=16), nullable=False),
    sa.Column('reason', sa.String(length=32), nullable=False),
    sa.Column('came_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('told_by', sa.String(length=64), nullable=False),
    sa.Column('told_by_role', sa.String(length=32), nullable=False),
    sa.Column('task_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('call_due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('call_back_sealed', sa.LargeBinary(), nullable=True),
    sa.Column('whereabouts_sealed', sa.LargeBinary(), nullable=True),
    sa.CheckConstraint("place IN ('HOME', 'OTHER')", name=op.f('ck_unseen_arrivals_place_code')),
    sa.CheckConstraint("reason IN ('NOT_LICENSED_THERE')", name=op.f('ck_unseen_arrivals_reason_code')),
    sa.ForeignKeyConstraint(['seat_id'], ['seats.seat_id'], name=op.f('fk_unseen_arrivals_seat_id')),
    sa.PrimaryKeyConstraint('arrival_id', name=op.f('pk_unseen_arrivals'))
    )
    op.create_index(op.f('ix_unseen_arrivals_seat_id_came_at'), 'unseen_arrivals', ['seat_id', 'came_at'], unique=False)
    op.add_column('seats', sa.Column('not_seen_because', sa.String(length=32), nullable=True))
    op.create_check_constraint(op.f('ck_seats_not_seen_because_code'), 'seats', "not_seen_because IN ('NOT_LICENSED_THERE')")


def downgrade() -> None:
    op.drop_constraint(op.f('ck_seats_not_seen_because_code'), 'seats', type_='check')
    op.drop_column('seats', 'not_seen_because')
    op.drop_index(op.f('ix_unseen_arrivals_seat_id_came_at'), table_name='unseen_arrivals')
    op.drop_table('unseen_arrivals')
