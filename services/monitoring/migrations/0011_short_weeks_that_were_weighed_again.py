"""Short weeks that were weighed again

Revision: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('short_weeks', sa.Column('revision', sa.Integer(), server_default='0', nullable=False))
    op.add_column('short_weeks', sa.Column('told_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('level_reviews', sa.Column('withdrawn_at', sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column('level_reviews', 'withdrawn_at')
    op.drop_column('short_weeks', 'told_at')
    op.drop_column('short_weeks', 'revision')
