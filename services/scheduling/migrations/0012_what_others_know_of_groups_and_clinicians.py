"""What others know of groups and clinicians, and what sessions of a billable day did

Revision: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('groups', sa.Column('told', postgresql.JSONB(astext_type=sa.Text()), server_default='{}', nullable=False))
    op.add_column('groups', sa.Column('revision', sa.Integer(), server_default='0', nullable=False))
    op.add_column('clinicians', sa.Column('told', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False))
    op.add_column('clinicians', sa.Column('revision', sa.Integer(), server_default='0', nullable=False))
    op.add_column('service_days', sa.Column('modalities', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False))


def downgrade() -> None:
    op.drop_column('service_days', 'modalities')
    op.drop_column('clinicians', 'revision')
    op.drop_column('clinicians', 'told')
    op.drop_column('groups', 'revision')
    op.drop_column('groups', 'told')
