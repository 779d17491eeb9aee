"""Suicide risks that a lifetime attempt keeps

Revision: 0023
Revises: 0022
"""

from alembic import op
revision = '0023'
down_revision = '0022'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Whoever answered yes to a lifetime attempt was dropped once the screen was repeated with nothing new
    # in it. They are looked at again: it weighs all their screens, and asks nobody where a clinician ended
    # the risk. An hour from now at the earliest, when no copy of the version before looks any more.
    op.execute(
        """
        INSERT INTO timers (tenant_id, name, key, due_at, data, correlation_id)
        SELECT tenant_id, 'suicide_screen_again_due', patient_id::text,
               GREATEST(max(given_at) + interval '1 day', now() + interval '1 hour'), '{}',
               gen_random_uuid()::text
        FROM instrument_answers
        WHERE instrument = 'CSSRS' AND '1' IN (answers ->> '6A', answers ->> '6B')
        GROUP BY tenant_id, patient_id
        ON CONFLICT DO NOTHING
        """
    )


def downgrade() -> None:
    # A copy of the version before looks, finds no risk and asks nobody.
    pass
