"""Sites that change

Revision: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op
revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('sites', sa.Column('revision', sa.Integer(), server_default='0', nullable=False))


def downgrade() -> None:
    op.drop_column('sites', 'revision')
