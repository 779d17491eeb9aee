"""Safety questions that nobody put

Revision: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op
revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('sessions', sa.Column('question_asked_for', sa.Boolean(), server_default='false', nullable=False))


def downgrade() -> None:
    op.drop_column('sessions', 'question_asked_for')
