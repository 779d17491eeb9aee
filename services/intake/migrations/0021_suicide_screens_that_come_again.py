"""Suicide screens that come again

Revision: 0021
Revises: 0020
"""

from alembic import op
revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Whoever was found at risk before there was a timer is looked at as well: it weighs all their screens,
    # and asks nobody where a later one found no risk.
    op.execute(
        """
        INSERT INTO timers (tenant_id, name, key, due_at, data, correlation_id)
        SELECT DISTINCT ON (tenant_id, patient_id)
               tenant_id, 'suicide_screen_again_due', patient_id::text, given_at + interval '1 day', '{}',
               gen_random_uuid()::text
        FROM instrument_answers
        WHERE instrument = 'CSSRS' AND EXISTS (SELECT FROM jsonb_each_text(answers) WHERE value = '1')
        ORDER BY tenant_id, patient_id, given_at DESC
        ON CONFLICT DO NOTHING
        """
    )


def downgrade() -> None:
    op.execute("DELETE FROM timers WHERE name = 'suicide_screen_again_due'")
