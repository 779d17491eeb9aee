"""What is not to be told

Revision: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('restrictions',
    sa.Column('restriction_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('tenant_id', sa.String(length=64), nullable=False),
    sa.Column('patient_id', sa.Uuid(as_uuid=False), nullable=False),
    sa.Column('recipient_id', sa.String(length=64), nullable=True),
    sa.Column('information_classes', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False),
    sa.Column('agreed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('restriction_id', name=op.f('pk_restrictions'))
    )
    op.create_index('ix_restrictions_patient', 'restrictions', ['tenant_id', 'patient_id'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_restrictions_patient', table_name='restrictions')
    op.drop_table('restrictions')
