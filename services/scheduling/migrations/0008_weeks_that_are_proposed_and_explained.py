"""Weeks that are proposed and explained, wishes, and what the treatment plan asks for

Revision: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

def upgrade() -> None:
    op.add_column('patients', sa.Column('wishes', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False))
    op.add_column('episodes', sa.Column('modalities', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False))
    op.add_column('episodes', sa.Column('treatment_plan_version', sa.Integer(), nullable=True))
    op.add_column('weekly_plans', sa.Column('proposed_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('weekly_plans', sa.Column('explained', postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    # A day may hold a block and something beside it.
    op.drop_constraint(op.f('pk_places'), 'places', type_='primary')
    op.create_primary_key(op.f('pk_places'), 'places', ['plan_id', 'weekday', 'group_id'])
    op.drop_constraint(op.f('ck_groups_kind_code'), 'groups', type_='check')
    op.create_check_constraint(op.f('ck_groups_kind_code'), 'groups', "kind IN ('GROUP', 'EDUCATION', 'FAMILY', 'SUPPORT')")


def downgrade() -> None:
    op.drop_constraint(op.f('ck_groups_kind_code'), 'groups', type_='check')
    op.create_check_constraint(op.f('ck_groups_kind_code'), 'groups', "kind IN ('GROUP', 'EDUCATION')")
    op.drop_constraint(op.f('pk_places'), 'places', type_='primary')
    op.create_primary_key(op.f('pk_places'), 'places', ['plan_id', 'weekday'])
    op.drop_column('weekly_plans', 'explained')
    op.drop_column('weekly_plans', 'proposed_at')
    op.drop_column('episodes', 'treatment_plan_version')
    op.drop_column('episodes', 'modalities')
    op.drop_column('patients', 'wishes')
