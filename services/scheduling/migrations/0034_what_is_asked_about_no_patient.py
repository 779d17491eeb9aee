"""What is asked about no patient

Revision: 0034
Revises: 0033
"""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_WHOSE = ("patient_id", "episode_id", "journey_id")


def upgrade() -> None:
    for column in _WHOSE:
        op.alter_column("asked", column, nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM asked WHERE patient_id IS NULL")
    for column in _WHOSE:
        op.alter_column("asked", column, nullable=False)
