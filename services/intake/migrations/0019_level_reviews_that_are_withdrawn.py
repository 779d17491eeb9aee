"""Level reviews that are withdrawn

Revision: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op
revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('level_reviews', sa.Column('revision', sa.Integer(), server_default='0', nullable=False))


def downgrade() -> None:
    op.drop_column('level_reviews', 'revision')
