"""Live places by weekday

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
    op.add_column('program_groups', sa.Column('mode', sa.String(length=40), server_default='IN_PERSON', nullable=False))
    op.add_column('program_groups', sa.Column('enrolment', sa.String(length=40), server_default='OPEN', nullable=False))
    op.add_column('program_groups', sa.Column('free_places', postgresql.JSONB(astext_type=sa.Text()), server_default='[]', nullable=False))
    # The version before reads it while both run; it is dropped a release later.
    op.alter_column('program_groups', 'taken', existing_type=sa.Integer(), server_default='0')


def downgrade() -> None:
    op.alter_column('program_groups', 'taken', existing_type=sa.Integer(), server_default=None)
    op.drop_column('program_groups', 'free_places')
    op.drop_column('program_groups', 'enrolment')
    op.drop_column('program_groups', 'mode')
