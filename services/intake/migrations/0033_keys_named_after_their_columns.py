"""Keys named after their columns

Revision: 0033
Revises: 0032
"""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_RENAME = "ALTER TABLE instrument_answers RENAME CONSTRAINT {} TO {}"
_NAMES = (
    ("fk_instrument_answers_episode_id_episodes", "fk_instrument_answers_episode_id"),
    ("fk_instrument_answers_patient_id_patients", "fk_instrument_answers_patient_id"),
)


def upgrade() -> None:
    # No version names them in a statement: those before and after this run side by side.
    for old, new in _NAMES:
        op.execute(_RENAME.format(old, new))


def downgrade() -> None:
    for old, new in _NAMES:
        op.execute(_RENAME.format(new, old))
