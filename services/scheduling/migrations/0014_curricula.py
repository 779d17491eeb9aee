"""Curricula, what groups follow and what sessions teach

Revision: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('curricula',
    sa.Column('curriculum_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('site_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('title', sa.String(length=120), nullable=False),
    sa.Column('modality', sa.String(length=32), nullable=False),
    sa.Column('taught', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('adopted_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('adopted_by', sa.String(length=64), nullable=False),
    sa.Column('manual', sa.String(length=32), nullable=True),
    sa.Column('manual_version', sa.SmallInteger(), nullable=True),
    sa.PrimaryKeyConstraint('curriculum_id', 'tenant_id', name=op.f('pk_curricula'))
    )
    op.create_index(op.f('ix_curricula_tenant_id_site_id'), 'curricula', ['tenant_id', 'site_id'], unique=False)
    op.add_column('groups', sa.Column('curriculum_id', sa.Uuid(as_uuid=False), nullable=True))
    op.add_column('groups', sa.Column('curriculum_since', sa.Date(), nullable=True))
    op.add_column('groups', sa.Column('curriculum_first', sa.SmallInteger(), server_default='1', nullable=False))
    op.add_column('groups', sa.Column('curriculum_pace', sa.String(length=8), server_default='WEEK', nullable=False))
    op.create_check_constraint(op.f('ck_groups_curriculum_pace_code'), 'groups', "curriculum_pace IN ('WEEK', 'MEETING')")
    op.add_column('sessions', sa.Column('curriculum_id', sa.Uuid(as_uuid=False), nullable=True))
    op.add_column('sessions', sa.Column('module_no', sa.SmallInteger(), nullable=True))
    op.add_column('sessions', sa.Column('module_part', sa.SmallInteger(), server_default='1', nullable=False))
    op.add_column('sessions', sa.Column('skill_tags', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False))


def downgrade() -> None:
    for column in ('skill_tags', 'module_part', 'module_no', 'curriculum_id'):
        op.drop_column('sessions', column)
    op.drop_constraint(op.f('ck_groups_curriculum_pace_code'), 'groups', type_='check')
    for column in ('curriculum_pace', 'curriculum_first', 'curriculum_since', 'curriculum_id'):
        op.drop_column('groups', column)
    op.drop_index(op.f('ix_curricula_tenant_id_site_id'), table_name='curricula')
    op.drop_table('curricula')
