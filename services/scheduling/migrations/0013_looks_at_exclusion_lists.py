"""Looks at exclusion lists

Revision: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('exclusion_checks',
    sa.Column('check_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('clinician_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('source', sa.String(length=16), nullable=False),
    sa.Column('finding', sa.String(length=16), nullable=False),
    sa.Column('checked_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('checked_by', sa.String(length=64), nullable=False),
    sa.Column('checked_by_role', sa.String(length=32), nullable=False),
    sa.Column('evidence_hash', sa.String(length=64), nullable=True),
    sa.CheckConstraint("source IN ('OIG_LEIE', 'SAM')", name=op.f('ck_exclusion_checks_source_code')),
    sa.CheckConstraint("finding IN ('CLEAR', 'EXCLUDED')", name=op.f('ck_exclusion_checks_finding_code')),
    sa.PrimaryKeyConstraint('check_id', name=op.f('pk_exclusion_checks'))
    )
    op.create_index(op.f('ix_exclusion_checks_tenant_id_clinician_id_checked_at'), 'exclusion_checks', ['tenant_id', 'clinician_id', 'checked_at'], unique=False)
    op.add_column('clinicians', sa.Column('exclusions', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False))
    op.add_column('clinicians', sa.Column('exclusion_task', sa.Uuid(as_uuid=False), nullable=True))


def downgrade() -> None:
    op.drop_column('clinicians', 'exclusion_task')
    op.drop_column('clinicians', 'exclusions')
    op.drop_index(op.f('ix_exclusion_checks_tenant_id_clinician_id_checked_at'), table_name='exclusion_checks')
    op.drop_table('exclusion_checks')
