"""The work list

Revision: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('work',
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('task_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('opening_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('announced_by', sa.String(length=64), nullable=True),
    sa.Column('task', sa.String(length=64), nullable=True),
    sa.Column('owner_role', sa.String(length=32), nullable=True),
    sa.Column('reason', sa.String(length=64), nullable=True),
    sa.Column('level', sa.String(length=8), nullable=True),
    sa.Column('urgency', sa.SmallInteger(), nullable=True),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('next_role', sa.String(length=32), nullable=True),
    sa.Column('about_id', sa.String(length=64), nullable=True),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('episode_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('closing_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('outcome', sa.String(length=32), nullable=True),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('turn', sa.Integer(), server_default='0', nullable=False),
    sa.Column('held_opening_id', sa.Uuid(as_uuid=False), nullable=True),
    sa.Column('held_by', sa.String(length=64), nullable=True),
    sa.Column('held_role', sa.String(length=32), nullable=True),
    sa.Column('held_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('tenant_id', 'task_id', name=op.f('pk_work'))
    )
    op.create_index('ix_work_open', 'work', ['tenant_id', 'urgency', 'due_at', 'task_id'], unique=False, postgresql_where=sa.text('closing_id IS NULL OR closing_id < opening_id'))
    op.create_index('ix_work_patient', 'work', ['tenant_id', 'patient_id'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_work_patient', table_name='work')
    op.drop_index('ix_work_open', table_name='work', postgresql_where=sa.text('closing_id IS NULL OR closing_id < opening_id'))
    op.drop_table('work')
